//! How often, when, and with which values: counts that one odd hour does not move.
//!
//! Owns: the statistics of one habit. They are exact, of fixed size, and those of two periods, one after
//! the other, join to those of both. Does not own: what the habit is.

use citywall_event::{Nanos, Value};
use serde::{Deserialize, Serialize};

/// Use of one thing, by slots of time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Seen {
    /// Times.
    pub times: u64,
    /// Hours of the day, UTC: bit N is from N to N + 1.
    pub hours: u32,
    /// The first slot and its count.
    head: (i64, u32),
    /// The latest one, where it is another.
    tail: Option<(i64, u32)>,
    /// Slots between them in which it was used.
    between: u32,
    /// The two largest counts of those.
    top: [u32; 2],
}

impl Seen {
    pub fn new(at: Nanos, slot: Nanos) -> Seen {
        Seen {
            times: 1,
            hours: hour(at),
            head: (at.div_euclid(slot), 1),
            tail: None,
            between: 0,
            top: [0; 2],
        }
    }

    fn count(&mut self, slot: i64, times: u32) {
        let latest = self.tail.as_mut().unwrap_or(&mut self.head);
        // Time does not go backward; where it did, it counts as now.
        if slot <= latest.0 {
            latest.1 = latest.1.saturating_add(times);
            return;
        }
        if let Some((_, count)) = self.tail.replace((slot, times)) {
            self.close(count);
            self.between += 1;
        }
    }

    fn close(&mut self, count: u32) {
        if count > self.top[0] {
            self.top = [count, self.top[0]];
        } else if count > self.top[1] {
            self.top[1] = count;
        }
    }

    /// Takes what was seen later.
    pub fn join(&mut self, later: &Seen) {
        self.times = self.times.saturating_add(later.times);
        self.hours |= later.hours;
        self.count(later.head.0, later.head.1);
        let Some(tail) = later.tail else { return };
        // What lies between the other's ends: the counts are enough.
        let between = later.between;
        later.top.into_iter().for_each(|count| self.close(count));
        self.between += between;
        self.count(tail.0, tail.1);
    }

    /// In how many slots.
    pub fn slots(&self) -> u32 {
        1 + u32::from(self.tail.is_some()) + self.between
    }

    /// The ends of its time, as slots.
    pub fn ends(&self) -> [i64; 2] {
        [self.head.0, self.tail.map_or(self.head.0, |(slot, _)| slot)]
    }

    /// Times in a busy slot: the busiest but one, so that one odd hour does not count.
    pub fn often(&self) -> u32 {
        let mut all = [
            self.head.1,
            self.tail.map_or(0, |(_, count)| count),
            self.top[0],
            self.top[1],
        ];
        all.sort_unstable();
        if all[2] == 0 { all[3] } else { all[2] }
    }
}

fn hour(at: Nanos) -> u32 {
    1 << at.div_euclid(3_600_000_000_000).rem_euclid(24)
}

/// The largest values of the two slots that have the largest ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Bits", into = "Bits")]
struct Largest([Option<(f64, i64)>; 2]);

/// As it is kept: a number's bits, as not every reader of decimals gives the same number back.
type Bits = [Option<(u64, i64)>; 2];

impl From<Bits> for Largest {
    fn from(bits: Bits) -> Largest {
        Largest(bits.map(|known| known.map(|(value, slot)| (f64::from_bits(value), slot))))
    }
}

impl From<Largest> for Bits {
    fn from(largest: Largest) -> Bits {
        largest
            .0
            .map(|known| known.map(|(value, slot)| (value.to_bits(), slot)))
    }
}

impl Largest {
    fn add(&mut self, value: f64, slot: i64) {
        let mut all: Vec<(f64, i64)> = self.0.into_iter().flatten().collect();
        match all.iter_mut().find(|(_, known)| *known == slot) {
            Some(known) => known.0 = known.0.max(value),
            None => all.push((value, slot)),
        }
        // Of equal values the earlier slot stands.
        all.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        self.0 = [all.first().copied(), all.get(1).copied()];
    }
}

/// Values of a point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Values {
    high: Largest,
    /// Of the negated values.
    low: Largest,
}

impl Values {
    pub fn add(&mut self, (low, high): (f64, f64), at: Nanos, slot: Nanos) {
        let slot = at.div_euclid(slot);
        self.high.add(high, slot);
        self.low.add(-low, slot);
    }

    pub fn join(&mut self, later: &Values) {
        later
            .high
            .0
            .into_iter()
            .flatten()
            .for_each(|(v, s)| self.high.add(v, s));
        later
            .low
            .0
            .into_iter()
            .flatten()
            .for_each(|(v, s)| self.low.add(v, s));
    }

    /// All that was seen.
    pub fn all(&self) -> Option<(f64, f64)> {
        Some((-self.low.0[0]?.0, self.high.0[0]?.0))
    }

    /// What at least two slots reached, at either end.
    pub fn usual(&self) -> Option<(f64, f64)> {
        let (low, high) = (-self.low.0[1]?.0, self.high.0[1]?.0);
        (low <= high).then_some((low, high))
    }
}

/// The smallest and the largest number in a value; text counts where it is a number.
pub(super) fn numbers(value: &Value) -> Option<(f64, f64)> {
    let number = |value: &Value| match value {
        Value::Bool(v) => Some(f64::from(u8::from(*v))),
        Value::Int(v) => Some(*v as f64),
        Value::Uint(v) => Some(*v as f64),
        Value::Float(v) => Some(*v),
        Value::Text(v) if v.len() <= 32 => v.trim().parse::<f64>().ok(),
        Value::Text(_) | Value::Bytes(_) | Value::List(_) => None,
    };
    let list = match value {
        Value::List(list) => list.as_slice(),
        one => std::slice::from_ref(one),
    };
    // Not a number is no number.
    let found = list.iter().filter_map(number).filter(|v| v.is_finite());
    // There is but one zero.
    found.map(|v| v + 0.0).fold(None, |range, v| match range {
        None => Some((v, v)),
        Some((low, high)) => Some((low.min(v), high.max(v))),
    })
}
