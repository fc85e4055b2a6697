//! Counters of a run, and how they add up.
//!
//! Owns: what `summary.json`, the screen and the metrics say about packets, flows, events and
//! losses. Counters of the same kind from several threads are added; peaks are taken as sums of
//! the threads' peaks (an upper bound).

use std::collections::BTreeMap;

use citywall_capture::FrameMeta;

/// What preparation counts.
#[derive(Clone, Debug, Default)]
pub struct PrepareStats {
    /// Frames.
    pub packets: u64,
    /// Bytes on the wire.
    pub bytes: u64,
    /// Packet time of the earliest frame.
    pub first: Option<i64>,
    /// Of the latest.
    pub last: Option<i64>,
    /// Frames whose time lies before that of the frame before.
    pub backward: u64,
    previous: i64,
    /// Frames by link type.
    pub links: BTreeMap<u32, u64>,
    link_run: (u32, u64),
    /// Decode findings by name.
    pub malformed: BTreeMap<&'static str, u64>,
}

impl PrepareStats {
    /// Counts a frame.
    #[inline]
    pub fn frame(&mut self, meta: &FrameMeta) {
        self.packets += 1;
        self.bytes += u64::from(meta.wire_len);
        if self.first.is_none_or(|first| meta.at < first) {
            self.first = Some(meta.at);
        }
        if self.last.is_none_or(|last| meta.at > last) {
            self.last = Some(meta.at);
        }
        if self.packets > 1 && meta.at < self.previous {
            self.backward += 1;
        }
        self.previous = meta.at;
        // Link types hardly change: the map is touched once a run of equal ones.
        if self.link_run.1 > 0 && self.link_run.0 == meta.link.0 {
            self.link_run.1 += 1;
        } else {
            self.settle();
            self.link_run = (meta.link.0, 1);
        }
    }

    /// Counts a decode finding.
    pub fn malformed(&mut self, name: &'static str) {
        *self.malformed.entry(name).or_default() += 1;
    }

    fn settle(&mut self) {
        if self.link_run.1 > 0 {
            *self.links.entry(self.link_run.0).or_default() += self.link_run.1;
            self.link_run.1 = 0;
        }
    }

    /// Adds another thread's counts.
    pub fn add(&mut self, mut other: PrepareStats) {
        other.settle();
        self.settle();
        self.packets += other.packets;
        self.bytes += other.bytes;
        self.backward += other.backward;
        self.first = [self.first, other.first].into_iter().flatten().min();
        self.last = self.last.max(other.last);
        add_maps(&mut self.links, other.links);
        add_maps(&mut self.malformed, other.malformed);
    }
}

/// What one thread has seen up to now: told with its facts, for whoever looks on while a run goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Frames.
    pub packets: u64,
    /// Bytes on the wire.
    pub bytes: u64,
    /// Frames that the kernel dropped.
    pub drops: u64,
    /// Flows opened.
    pub flows: u64,
    /// Flows that are open now.
    pub flows_open: u64,
    /// Flows given up because the table was full.
    pub flows_evicted: u64,
}

impl Seen {
    /// The sum of all threads'.
    pub fn sum(threads: &[Seen]) -> Seen {
        threads.iter().fold(Seen::default(), |sum, one| Seen {
            packets: sum.packets + one.packets,
            bytes: sum.bytes + one.bytes,
            drops: sum.drops + one.drops,
            flows: sum.flows + one.flows,
            flows_open: sum.flows_open + one.flows_open,
            flows_evicted: sum.flows_evicted + one.flows_evicted,
        })
    }
}

/// What one worker counts.
#[derive(Clone, Debug, Default)]
pub struct WorkerStats {
    /// Flows opened.
    pub flows: u64,
    /// Flows given up because the table was full.
    pub flows_evicted: u64,
    /// Most flows at one time.
    pub flows_peak: u64,
    /// Stream bytes given up because buffers were full.
    pub stream_shed: u64,
    /// Conversations that were no longer read because their protocols held too much.
    pub sessions_shed: u64,
    /// Alerts for which there was no room.
    pub alerts_shed: u64,
    /// Stream and application findings by name.
    pub malformed: BTreeMap<&'static str, u64>,
    /// Conversations by application protocol.
    pub protocols: BTreeMap<&'static str, u64>,
    /// Rule inspections that ran out of their budget.
    pub rule_budget: u64,
}

impl WorkerStats {
    /// Adds another worker's counts.
    pub fn add(&mut self, other: WorkerStats) {
        self.flows += other.flows;
        self.flows_evicted += other.flows_evicted;
        self.flows_peak += other.flows_peak;
        self.stream_shed += other.stream_shed;
        self.sessions_shed += other.sessions_shed;
        self.alerts_shed += other.alerts_shed;
        self.rule_budget += other.rule_budget;
        add_maps(&mut self.malformed, other.malformed);
        add_maps(&mut self.protocols, other.protocols);
    }
}

/// Adds `from`'s counts to `into`'s.
pub fn add_maps<K: Ord>(into: &mut BTreeMap<K, u64>, from: BTreeMap<K, u64>) {
    for (key, count) in from {
        *into.entry(key).or_default() += count;
    }
}
