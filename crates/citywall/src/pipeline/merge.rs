//! Merging the workers' facts into the one order.
//!
//! A record may go out when no worker can still say something that stands before it: every other
//! worker has either a later record waiting or a watermark behind it. In a replay watermarks are
//! the ends of the batches, so the result does not depend on the number of workers.

use std::collections::VecDeque;

use citywall_event::Order;

use super::facts::{Facts, Record};

/// One worker's facts that wait.
#[derive(Default)]
struct Lane {
    waiting: VecDeque<Facts>,
    /// The next record of the first facts.
    next: usize,
    watermark: Order,
    ended: bool,
}

impl Lane {
    fn head(&self) -> Option<&Record> {
        self.waiting
            .front()
            .and_then(|facts| facts.records.get(self.next))
    }

    /// The lowest place at which this lane may still say something.
    fn floor(&self) -> Option<Order> {
        match self.head() {
            Some(record) => Some(record.order),
            None if self.ended => None,
            None => Some(self.watermark),
        }
    }
}

/// The merge of all workers.
pub struct Merge {
    lanes: Vec<Lane>,
    /// Facts that are done with, to be filled again.
    pub spare: Vec<Facts>,
}

impl Merge {
    /// A merge of this many workers.
    pub fn new(workers: usize) -> Merge {
        Merge {
            lanes: (0..workers).map(|_| Lane::default()).collect(),
            spare: Vec::new(),
        }
    }

    /// Takes what a worker found.
    pub fn push(&mut self, worker: usize, facts: Facts) {
        let Some(lane) = self.lanes.get_mut(worker) else {
            return;
        };
        lane.watermark = facts.watermark;
        if facts.records.is_empty() {
            self.spare.push(facts);
        } else {
            lane.waiting.push_back(facts);
        }
    }

    /// This worker will say nothing more.
    pub fn end(&mut self, worker: usize) {
        if let Some(lane) = self.lanes.get_mut(worker) {
            lane.ended = true;
        }
    }

    /// Gives out, in order, all that may go out now. Returns the place up to which nothing can
    /// come any more, or `None` where all workers have ended and nothing waits.
    pub fn drain(&mut self, mut each: impl FnMut(&Facts, &Record)) -> Option<Order> {
        loop {
            let mut first: Option<(Order, usize)> = None;
            let mut second: Option<Order> = None;
            for (i, lane) in self.lanes.iter().enumerate() {
                let Some(floor) = lane.floor() else { continue };
                match first {
                    Some((lowest, _)) if floor >= lowest => {
                        second = Some(second.map_or(floor, |s| s.min(floor)));
                    }
                    _ => {
                        second = first.map(|(lowest, _)| lowest);
                        first = Some((floor, i));
                    }
                }
            }
            let (floor, i) = first?;
            let lane = &mut self.lanes[i];
            if lane.head().is_none() {
                // The lowest lane has nothing waiting: only its watermark is known.
                return Some(floor);
            }
            lane.run(second, &mut each, &mut self.spare);
        }
    }
}

impl Lane {
    /// Gives out this lane's records up to `limit`, which another lane may still come before.
    fn run(&mut self, limit: Option<Order>, each: &mut impl FnMut(&Facts, &Record), spare: &mut Vec<Facts>) {
        while let Some(facts) = self.waiting.front() {
            let rest = facts.records.get(self.next..).unwrap_or(&[]);
            for record in rest {
                if limit.is_some_and(|limit| record.order > limit) {
                    return;
                }
                each(facts, record);
                self.next += 1;
            }
            self.next = 0;
            // Emptied by the worker that takes them next: what it allocated it also frees, without a lock.
            spare.extend(self.waiting.pop_front());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::facts::NO_EVENT;
    use expect_test::expect;

    fn facts(watermark: i64, places: &[i64]) -> Facts {
        let records = places
            .iter()
            .map(|at| Record {
                order: Order {
                    at: *at,
                    ..Order::default()
                },
                start: 0,
                len: 0,
                event: NO_EVENT,
                kind: "flow",
            })
            .collect();
        Facts {
            watermark: Order {
                at: watermark,
                ..Order::default()
            },
            records,
            ..Facts::default()
        }
    }

    fn drain(merge: &mut Merge) -> String {
        let mut out = String::new();
        let low = merge.drain(|_, record| out += &format!("{} ", record.order.at));
        out + &format!("| {:?}", low.map(|o| o.at))
    }

    #[test]
    fn nothing_overtakes_a_slow_worker() {
        let mut merge = Merge::new(2);
        merge.push(0, facts(10, &[1, 4, 9]));
        expect!["| Some(0)"].assert_eq(&drain(&mut merge));
        merge.push(1, facts(5, &[2, 3]));
        expect!["1 2 3 4 | Some(5)"].assert_eq(&drain(&mut merge));
        merge.push(1, facts(12, &[]));
        expect!["9 | Some(10)"].assert_eq(&drain(&mut merge));
        merge.end(0);
        merge.push(1, facts(20, &[13]));
        expect!["13 | Some(20)"].assert_eq(&drain(&mut merge));
        merge.end(1);
        expect!["| None"].assert_eq(&drain(&mut merge));
    }
}
