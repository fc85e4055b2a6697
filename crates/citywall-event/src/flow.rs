//! The `flow` event: what a conversation was, in Suricata's field names.

use crate::json::Object;
use crate::{Header, Nanos, Order, write_line};

/// All that a `flow` event says besides its header.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FlowLine<'a> {
    /// Packets to the responder and to the initiator.
    pub packets: [u64; 2],
    /// Bytes on the wire, likewise.
    pub bytes: [u64; 2],
    /// First packet.
    pub start: Nanos,
    /// Last packet.
    pub end: Nanos,
    /// `new`, `established`, `closed`.
    pub state: &'static str,
    /// `timeout`, `closed`, `evicted`, `shutdown`.
    pub reason: &'static str,
    /// A rule matched in it.
    pub alerted: bool,
    /// Protocol transactions in it.
    pub transactions: u64,
    /// The capture began in its middle.
    pub midstream: bool,
    /// Stream bytes that were never seen.
    pub missing: [u64; 2],
    /// TCP flags seen, by direction; `None` where it is not TCP.
    pub tcp_flags: Option<[u8; 2]>,
    /// ICMP type and code of the first packet.
    pub icmp: Option<(u8, u8)>,
    /// Hardware addresses of the two sides.
    pub macs: Option<(crate::Mac, crate::Mac)>,
    /// EtherType, where there is no IP.
    pub ethertype: Option<u16>,
    /// Tunnel kind and id.
    pub tunnel: Option<(&'static str, u32)>,
    /// Community id v1.
    pub community_id: &'a str,
    /// Place of its contact: other events name the conversation's start by this id.
    pub first: Order,
    /// Zone names of the two sides, where the city file knows them.
    pub zones: [Option<&'a str>; 2],
}

impl FlowLine<'_> {
    /// Appends the event as a line.
    pub fn write(&self, out: &mut Vec<u8>, header: &Header<'_>) {
        write_line(out, header, "flow", |o| {
            if !self.community_id.is_empty() {
                o.str("community_id", self.community_id);
            }
            if let Some(ethertype) = self.ethertype {
                o.u64("ether_type", ethertype.into());
            }
            if let (Some((src, dst)), true) = (self.macs, header.subject.src_ip.is_some()) {
                o.object("ether", |e| {
                    e.mac("src_mac", src);
                    e.mac("dest_mac", dst);
                });
            }
            if let Some((kind, code)) = self.icmp {
                o.u64("icmp_type", kind.into());
                o.u64("icmp_code", code.into());
            }
            o.object("flow", |f| self.write_counts(f));
            if let Some(flags) = self.tcp_flags {
                o.object("tcp", |t| write_tcp(t, flags));
            }
            if let Some((kind, id)) = self.tunnel {
                o.object("tunnel", |t| {
                    t.str("proto", kind);
                    t.u64("id", id.into());
                });
            }
            if self.zones != [None, None] {
                o.object("zones", |z| {
                    z.str("src", self.zones[0].unwrap_or("outside"));
                    z.str("dest", self.zones[1].unwrap_or("outside"));
                });
            }
        });
    }

    fn write_counts(&self, f: &mut Object<'_>) {
        f.u64("pkts_toserver", self.packets[0]);
        f.u64("pkts_toclient", self.packets[1]);
        f.u64("bytes_toserver", self.bytes[0]);
        f.u64("bytes_toclient", self.bytes[1]);
        f.time("start", self.start);
        f.time("end", self.end);
        f.u64(
            "age",
            (self.end.saturating_sub(self.start).max(0) / 1_000_000_000) as u64,
        );
        f.word("state", self.state);
        f.word("reason", self.reason);
        f.bool("alerted", self.alerted);
        f.id("first_event", &self.first);
        if self.transactions > 0 {
            f.u64("tx_cnt", self.transactions);
        }
        if self.midstream {
            f.bool("midstream", true);
        }
        if self.missing != [0, 0] {
            f.u64("missing_toserver", self.missing[0]);
            f.u64("missing_toclient", self.missing[1]);
        }
    }
}

fn write_tcp(t: &mut Object<'_>, flags: [u8; 2]) {
    let both = flags[0] | flags[1];
    t.hex("tcp_flags", &[both]);
    t.hex("tcp_flags_ts", &flags[..1]);
    t.hex("tcp_flags_tc", &flags[1..]);
    const NAMES: [&str; 8] = ["fin", "syn", "rst", "psh", "ack", "urg", "ecn", "cwr"];
    for (bit, name) in NAMES.iter().enumerate() {
        if both & (1 << bit) != 0 {
            t.bool(name, true);
        }
    }
}
