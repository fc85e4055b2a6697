//! An incident's packets: what is wanted of them.
//!
//! Owns: which packets an event's id names, and the seam to who keeps them. Does not own: captures and
//! their format, which the data plane reads and writes (the binary joins the two).

use std::collections::BTreeSet;
use std::net::IpAddr;

use citywall_event::Nanos;

use crate::board::Incident;
use crate::text::nanos;

/// What lies around the evidence and belongs to it: a minute on either side.
const AROUND: Nanos = 60_000_000_000;

/// The packets that are evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Place of the capture on the command line, and the packet's number there, from 1.
    pub numbers: BTreeSet<(u16, u64)>,
    /// Packet time of the first evidence: it tells of which run the numbers are, where several are kept.
    pub first: Nanos,
    /// The rest of their conversations: not before this packet time,
    pub from: Nanos,
    /// and not after this.
    pub to: Nanos,
}

/// Says by a packet's two ends whether a person sees it.
pub type Seen<'a> = &'a dyn Fn([Option<IpAddr>; 2]) -> bool;

/// Who keeps packets.
pub trait Packets: Send + Sync {
    /// A capture (pcap) of the wanted packets and of their conversations, as far as they are seen. It
    /// reads files, and may take its time.
    ///
    /// # Errors
    /// Where a file can no longer be read, in words.
    fn cut(&self, wanted: &Wanted, seen: Seen<'_>) -> Result<Vec<u8>, String>;
}

/// What an incident's reasons name.
pub fn wanted(incident: &Incident) -> Wanted {
    let time = |text: &str| nanos(text).unwrap_or(0);
    Wanted {
        numbers: incident.reasons.iter().filter_map(|r| packet(&r.event)).collect(),
        first: time(&incident.first),
        from: time(&incident.first).saturating_sub(AROUND),
        to: time(&incident.last).saturating_add(AROUND),
    }
}

/// The packet of an event's id (`docs/spec/event.md`, "Ids and order"): what it caused, what was concluded
/// behind it, or the first of the conversation that timed out.
fn packet(id: &str) -> Option<(u16, u64)> {
    if let Some(rest) = id.strip_prefix('t') {
        let flow = u64::from_str_radix(rest.split('.').next()?, 16).ok()?;
        return Some((u16::try_from(flow >> 44).ok()?, flow & ((1 << 44) - 1)));
    }
    let mut parts = id.strip_prefix('c').unwrap_or(id).split('-');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_name_packets() {
        assert_eq!(packet("0-1731-0"), Some((0, 1_731)));
        assert_eq!(packet("c3-1731-1"), Some((3, 1_731)));
        assert_eq!(packet("t068c.0"), Some((0, 0x68c)));
        assert_eq!(packet("t100000000005.2"), Some((1, 5)));
        for wrong in [
            "",
            "t",
            "c",
            "0",
            "x-1-2",
            "0-x",
            "-1-2",
            "tffffffffffffffffff.0",
            "日",
        ] {
            assert_eq!(packet(wrong), None, "{wrong}");
        }
    }
}
