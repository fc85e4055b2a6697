//! Which of two overlapping TCP segments a host believes.
//!
//! Owns: the rule of each policy for a piece that waits in the receiver's queue and a new segment
//! that overlaps it. Data that was already in order has gone to the application and always wins;
//! that is not a matter of policy.
//!
//! The rules are those that Novak and Sturges measured for TCP ("Target-Based TCP Stream
//! Reassembly", 2007; the method is Shankar and Paxson's, 2003). For Windows and Solaris they are
//! not the rules for IP fragments (Novak 2005), so `citywall-packet` decides on its own.

use citywall_packet::OverlapPolicy;

/// Half-open range of stream positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub start: u64,
    pub end: u64,
}

/// True where the host takes the new segment's bytes in the overlap, false where it keeps the old.
pub(crate) fn new_wins(policy: OverlapPolicy, old: Range, new: Range) -> bool {
    match policy {
        OverlapPolicy::First => false,
        OverlapPolicy::Last => true,
        // FreeBSD, and Windows before Vista. (Vista and later never replace: use `First`.)
        OverlapPolicy::Bsd | OverlapPolicy::Windows => new.start < old.start,
        // Not seen in TCP stacks; the mirror image of `Bsd`, for symmetry with IP.
        OverlapPolicy::BsdRight => new.start >= old.start,
        // 2.4 and later.
        OverlapPolicy::Linux => new.start < old.start || (new.start == old.start && new.end > old.end),
        // Solaris and HP-UX 11: the later end decides.
        OverlapPolicy::Solaris => new.end > old.end || (new.end == old.end && new.start <= old.start),
    }
}
