//! How much the flow table may hold and for how long, and what it counted.
//!
//! Owns: the limits with their defaults, and the counters. Does not own: where they come from (the
//! configuration file).

use citywall_packet::Nanos;

const SECOND: Nanos = 1_000_000_000;

/// How long a conversation may be silent before it is over, by carrier and state, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// TCP, handshake not complete or one side never heard.
    pub tcp_new: Nanos,
    /// TCP, open.
    pub tcp_established: Nanos,
    /// TCP, one FIN seen.
    pub tcp_closing: Nanos,
    /// TCP, over: kept so that late retransmissions do not look like new conversations.
    pub tcp_closed: Nanos,
    /// UDP, one side heard.
    pub udp_new: Nanos,
    /// UDP, both sides heard.
    pub udp_established: Nanos,
    /// UDP, where all that was asked is answered (`Flow::settled`).
    pub udp_settled: Nanos,
    /// ICMP and ICMPv6.
    pub icmp: Nanos,
    /// No IP: ARP and unknown EtherTypes.
    pub ethernet: Nanos,
    /// Other IP protocols.
    pub other: Nanos,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts {
            tcp_new: 60 * SECOND,
            tcp_established: 600 * SECOND,
            tcp_closing: 60 * SECOND,
            tcp_closed: 10 * SECOND,
            udp_new: 30 * SECOND,
            udp_established: 60 * SECOND,
            udp_settled: 10 * SECOND,
            icmp: 30 * SECOND,
            ethernet: 60 * SECOND,
            other: 60 * SECOND,
        }
    }
}

/// What the flow table may hold. A table at its limit sheds in a declared order and counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowLimits {
    /// Conversations at one time (at least 1). Beyond it one is evicted for each new one: first
    /// those that are over, then the oldest that never became established, then the oldest.
    pub flows: u32,
    /// TCP conversations at one time whose handshake is not complete. Beyond it the oldest of them is
    /// evicted for each new one, so that a SYN flood neither drives others out nor fills the memory.
    pub half_open: u32,
    /// Bytes of TCP data waiting for a hole to fill, over all conversations, with 64 bytes of
    /// book-keeping for each piece.
    pub buffered_bytes: usize,
    /// The same for one direction of one conversation.
    pub buffered_bytes_per_direction: usize,
    /// Time-outs.
    pub timeouts: Timeouts,
    /// Use TCP segments whose checksum is wrong, for captures of a host that offloads.
    pub use_bad_checksums: bool,
    /// Seed of the table's hash: a secret of the process keeps others from filling one bucket. It
    /// has no influence on any output.
    pub hash_seed: u64,
}

impl Default for FlowLimits {
    fn default() -> FlowLimits {
        FlowLimits {
            flows: 262_144,
            half_open: 65_536,
            buffered_bytes: 64 << 20,
            buffered_bytes_per_direction: 1 << 20,
            timeouts: Timeouts::default(),
            use_bad_checksums: false,
            hash_seed: 0x243f_6a88_85a3_08d3,
        }
    }
}

/// What a flow table has counted since its start; the first four are of this moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowStats {
    /// Conversations in the table.
    pub live: usize,
    /// Most conversations at one time.
    pub peak: usize,
    /// Bytes waiting for a hole to fill, book-keeping included.
    pub buffered: usize,
    /// Most bytes waiting at one time.
    pub buffered_peak: usize,
    /// Conversations opened.
    pub opened: u64,
    /// Conversations that had to go because the table was full.
    pub evicted: u64,
    /// Those of `evicted` that were over already (waiting for late retransmissions).
    pub evicted_closed: u64,
    /// Holes in streams that were given up.
    pub gaps: u64,
    /// Bytes in these holes.
    pub gap_bytes: u64,
    /// Those of `gap_bytes` that were given up because a buffer limit was reached.
    pub shed_bytes: u64,
    /// Packets that belong to no conversation (neither IP nor a hardware address).
    pub unkeyed: u64,
}
