//! Where pieces of a conversation go: to its observer, and into the counters.
//!
//! Owns: telling each anomaly once, counting what is missing, and the account of buffered bytes.

use citywall_packet::Nanos;

use crate::{Content, Direction, Flow, FlowLimits, HostPolicies, Observer, Segment, StreamMalformed};

/// The account of bytes that wait for a hole to fill, over all conversations of a table.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    pub limit: usize,
    pub per_direction: usize,
    pub used: usize,
    pub peak: usize,
    pub gaps: u64,
    pub gap_bytes: u64,
    pub shed_bytes: u64,
}

impl Budget {
    pub fn new(limits: &FlowLimits) -> Budget {
        Budget {
            limit: limits.buffered_bytes,
            per_direction: limits.buffered_bytes_per_direction,
            ..Budget::default()
        }
    }

    /// Takes over the change of one buffer's size.
    pub fn moved(&mut self, before: usize, after: usize) {
        self.used = self.used.saturating_sub(before).saturating_add(after);
        self.peak = self.peak.max(self.used);
    }
}

/// One conversation while a packet is worked on.
pub(crate) struct Sink<'a, S, O> {
    pub flow: &'a mut Flow<S>,
    pub observer: &'a mut O,
    pub at: Nanos,
    pub budget: &'a mut Budget,
    pub policies: &'a HostPolicies,
}

impl<S, O: Observer<S>> Sink<'_, S, O> {
    #[inline]
    pub fn content(&mut self, direction: Direction, content: Content<'_>) {
        if !self.flow.stop_stream[direction.index()] {
            let segment = Segment {
                at: self.at,
                direction,
                content,
            };
            self.observer.segment(self.flow, segment);
        }
    }

    /// Tells of `count` bytes that are missing here.
    pub fn gap(&mut self, direction: Direction, count: u32, shed: bool) {
        if count == 0 || self.flow.stop_stream[direction.index()] {
            return;
        }
        let count = u64::from(count);
        let missing = &mut self.flow.missing[direction.index()];
        *missing = missing.saturating_add(count);
        self.budget.gaps += 1;
        self.budget.gap_bytes += count;
        if shed {
            self.budget.shed_bytes += count;
        }
        self.content(direction, Content::Gap(count));
    }

    /// Tells of a broken rule, once for each bit of `reported`.
    #[cold]
    pub fn malformed(&mut self, reported: &mut u16, direction: Direction, kind: StreamMalformed) {
        let bit = 1u16 << (kind as u16 & 15);
        if *reported & bit == 0 {
            *reported |= bit;
            self.observer.malformed(self.flow, direction, kind);
        }
    }
}
