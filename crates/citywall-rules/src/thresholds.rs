//! Limits on alerts: `threshold` and `detection_filter`.
//!
//! Owns: the counts. They are kept by address, rule or flow, so they belong in the one ordered
//! stage behind all workers: the same input then gives the same alerts for any number of workers.

use std::collections::VecDeque;
use std::net::IpAddr;

use citywall_packet::Nanos;
use hashbrown::HashMap;

use crate::{Rule, Threshold, ThresholdKind, Track};

/// Counts for all rules, in bounded memory: when full, the oldest count is forgotten.
#[derive(Debug)]
pub struct Thresholds {
    counts: HashMap<Key, Count>,
    /// Keys in the order of their making.
    ages: VecDeque<Key>,
    capacity: usize,
    evicted: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    gid: u32,
    sid: u32,
    of: Of,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Of {
    Address(Option<IpAddr>),
    Pair(Option<IpAddr>, Option<IpAddr>),
    Flow(u64),
    Rule,
}

#[derive(Clone, Copy, Debug)]
struct Count {
    start: Nanos,
    matches: u64,
    /// `backoff`: the match at which the next alert is due.
    next: u64,
}

impl Thresholds {
    /// Keeps at most `capacity` counts (at least one).
    pub fn new(capacity: usize) -> Thresholds {
        Thresholds {
            counts: HashMap::new(),
            ages: VecDeque::new(),
            capacity: capacity.max(1),
            evicted: 0,
        }
    }

    /// Counts that were forgotten because the table was full.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Counts kept now.
    pub fn len(&self) -> usize {
        self.counts.len()
    }

    /// True where nothing is counted.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// A match of `rule`: is it an alert? `flow` is the flow's id.
    pub fn admit(
        &mut self,
        rule: &Rule,
        at: Nanos,
        src: Option<IpAddr>,
        dst: Option<IpAddr>,
        flow: u64,
    ) -> bool {
        let Some(threshold) = rule.threshold else {
            return true;
        };
        let of = match threshold.track {
            Track::Source => Of::Address(src),
            Track::Destination => Of::Address(dst),
            // Both ways are the same pair.
            Track::Both if src <= dst => Of::Pair(src, dst),
            Track::Both => Of::Pair(dst, src),
            Track::Flow => Of::Flow(flow),
            Track::Rule => Of::Rule,
        };
        let key = Key {
            gid: rule.gid,
            sid: rule.sid,
            of,
        };
        let count = self.count(key, at, threshold.count);
        count.admit(&threshold, at)
    }

    fn count(&mut self, key: Key, at: Nanos, first: u32) -> &mut Count {
        if !self.counts.contains_key(&key) {
            if self.counts.len() >= self.capacity
                && let Some(oldest) = self.ages.pop_front()
            {
                self.counts.remove(&oldest);
                self.evicted += 1;
            }
            self.ages.push_back(key);
        }
        self.counts.entry(key).or_insert(Count {
            start: at,
            matches: 0,
            next: first.into(),
        })
    }
}

impl Count {
    fn admit(&mut self, t: &Threshold, at: Nanos) -> bool {
        let wanted = u64::from(t.count);
        if t.kind == ThresholdKind::Backoff {
            self.matches = self.matches.saturating_add(1);
            if self.matches < self.next {
                return false;
            }
            self.next = self.next.saturating_mul(t.multiplier.max(2).into());
            return true;
        }
        let window = i64::from(t.seconds).saturating_mul(1_000_000_000);
        // A time that goes backward stays in the window.
        if at.saturating_sub(self.start) >= window {
            self.start = at;
            self.matches = 0;
        }
        self.matches = self.matches.saturating_add(1);
        match t.kind {
            ThresholdKind::Limit => self.matches <= wanted,
            ThresholdKind::Both => self.matches == wanted,
            ThresholdKind::DetectionFilter => self.matches > wanted,
            ThresholdKind::Threshold => {
                let due = self.matches >= wanted;
                if due {
                    self.start = at;
                    self.matches = 0;
                }
                due
            }
            ThresholdKind::Backoff => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{RuleBook, RuleIndex, RuleSource, RuleVars};

    /// At which of the given seconds a rule with this option alerts.
    fn alerts(option: &str, seconds: &[i64]) -> Vec<i64> {
        let text = format!("alert ip any any -> any any (msg:\"t\"; {option}; sid:1;)");
        let (book, refused) = RuleBook::load(
            &[RuleSource {
                name: "t",
                text: text.as_bytes(),
            }],
            &RuleVars::default(),
        );
        assert_eq!(refused, []);
        let rule = book.rule(RuleIndex(0)).unwrap();
        let mut thresholds = Thresholds::new(10);
        let src = "10.0.0.1".parse().ok();
        seconds
            .iter()
            .copied()
            .filter(|s| thresholds.admit(rule, s * 1_000_000_000, src, None, 1))
            .collect()
    }

    #[test]
    fn each_kind_counts_its_own_way() {
        let times = [0, 1, 2, 3, 4, 5, 10, 11, 12];
        assert_eq!(
            alerts("threshold:type limit, track by_src, count 2, seconds 10", &times),
            [0, 1, 10, 11]
        );
        assert_eq!(
            alerts(
                "threshold:type threshold, track by_dst, count 3, seconds 10",
                &times
            ),
            [2, 5, 12]
        );
        assert_eq!(
            alerts("threshold:type both, track by_rule, count 3, seconds 10", &times),
            [2, 12]
        );
        assert_eq!(
            alerts("detection_filter:track by_both, count 4, seconds 10", &times),
            [4, 5]
        );
        assert_eq!(
            alerts(
                "threshold:type backoff, track by_flow, count 1, multiplier 2",
                &times
            ),
            [0, 1, 3, 11]
        );
    }

    #[test]
    fn the_table_is_bounded_and_says_what_it_forgot() {
        let text =
            b"alert ip any any -> any any (threshold:type limit, track by_src, count 1, seconds 60; sid:1;)";
        let (book, _) = RuleBook::load(&[RuleSource { name: "t", text }], &RuleVars::default());
        let rule = book.rule(RuleIndex(0)).unwrap();
        let mut thresholds = Thresholds::new(100);
        for i in 0..1_000u32 {
            assert!(thresholds.admit(rule, 0, Some(IpAddr::from(i.to_be_bytes())), None, 0));
        }
        assert_eq!((thresholds.len(), thresholds.evicted()), (100, 900));
    }
}
