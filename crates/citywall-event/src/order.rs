//! The one total order of events, and the ids that derive from it.
//!
//! Owns: `Order`. It does not depend on the number of workers, on scheduling or on any clock: it
//! is made of packet time and places in the input alone.

use std::fmt;

use crate::Nanos;

/// Where an event stands. Field order is comparison order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Order {
    /// Packet time, never going backward within one run (the largest time seen so far).
    pub at: Nanos,
    /// Which input: the file's place on the command line, or the live worker.
    pub source: u16,
    /// The packet's number in its source, counted from 1.
    pub packet: u64,
    /// What happens first at one packet: `TIMER`, then `PACKET`, then `LATE`.
    pub phase: u8,
    /// For timers: the flow concerned (its id); else 0.
    pub flow: u64,
    /// Counts the events of one packet or timer.
    pub ordinal: u32,
}

impl Order {
    /// Time-outs that fall due before this packet.
    pub const TIMER: u8 = 0;
    /// What the packet itself causes.
    pub const PACKET: u8 = 1;
    /// What the ordered stage concludes from it.
    pub const LATE: u8 = 2;

    /// The order of the `ordinal`th event of a packet.
    pub fn of_packet(at: Nanos, source: u16, packet: u64, ordinal: u32) -> Order {
        Order {
            at,
            source,
            packet,
            phase: Order::PACKET,
            flow: 0,
            ordinal,
        }
    }
}

impl Order {
    /// Appends the id: unique within a run and equal in every replay. `source-packet-ordinal` for
    /// what a packet caused, `tFLOW.ordinal` for a flow's end by time-out (`FLOW` in hexadecimal),
    /// `cSOURCE-packet-ordinal` for conclusions of the ordered stage. Plain ASCII.
    pub fn write_id(&self, out: &mut Vec<u8>) {
        if self.phase == Order::TIMER {
            out.push(b't');
            crate::json::short_hex(out, self.flow);
            out.push(b'.');
        } else {
            if self.phase != Order::PACKET {
                out.push(b'c');
            }
            crate::json::number(out, self.source.into());
            out.push(b'-');
            crate::json::number(out, self.packet);
            out.push(b'-');
        }
        crate::json::number(out, self.ordinal.into());
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut id = Vec::with_capacity(32);
        self.write_id(&mut id);
        f.write_str(&String::from_utf8_lossy(&id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_say_what_caused_them() {
        let packet = Order::of_packet(7, 2, 15, 1);
        assert_eq!(packet.to_string(), "2-15-1");
        assert_eq!(
            Order {
                phase: Order::LATE,
                ..packet
            }
            .to_string(),
            "c2-15-1"
        );
        assert_eq!(
            Order {
                phase: Order::TIMER,
                flow: 0x1a2,
                ..packet
            }
            .to_string(),
            "t01a2.1"
        );
    }
}
