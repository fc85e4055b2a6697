//! How conversations usually look, and how odd one is.
//!
//! Owns: histograms of each feature over normal conversations and the histogram-based outlier score
//! (Goldstein and Dengel 2012): the bits of surprise of each feature, added up. It is learned in one
//! pass, and every part of a score can be shown. Does not own: the features (`conversation`), and from
//! which score on somebody is told.

use std::collections::BTreeMap;

use citywall_event::{Phrase, say};

use super::conversation::{Conversation, NUMBERS, Outcome, service_name};

/// Bins of a number: powers of two, from 0 to beyond 2^46.
pub(crate) const BINS: usize = 48;
/// Services that are told apart; others are one.
pub(crate) const SERVICES: usize = 512;
/// A service and how it went weigh twice a number: the numbers overlap each other.
const WEIGHT: f64 = 2.0;

/// Bits from which on a part is a reason: what one in eleven does is none.
const REASON: f64 = 3.5;

/// What is normal.
#[derive(Clone, Debug, PartialEq)]
pub struct Habit {
    pub(crate) seen: u32,
    pub(crate) services: BTreeMap<u32, u32>,
    pub(crate) outcomes: BTreeMap<(u8, u8), u32>,
    pub(crate) numbers: [[u32; BINS]; NUMBERS.len()],
}

/// One part of a score.
#[derive(Clone, Debug, PartialEq)]
pub struct Reason {
    /// The feature.
    pub feature: &'static str,
    /// Bits of surprise, or another share of the score.
    pub share: f64,
    /// The feature in words.
    pub what: Phrase,
    /// What was seen.
    pub found: Phrase,
    /// What is normal.
    pub normal: Phrase,
}

impl Reason {
    /// In words: what was seen, and what is normal beside it.
    pub fn text(&self) -> Phrase {
        say!(
            "feature-unusual",
            "{feature} {found} (normal: {normal})",
            feature = &self.what,
            found = &self.found,
            normal = &self.normal
        )
    }
}

/// A feature's name in words; language files know it by its name with hyphens.
pub(crate) fn feature_words(name: &str) -> Phrase {
    let id = name.replace(['_', ' ', '\''], "-");
    Phrase::of_file(format!("feature-{id}"), name.replace('_', " "))
}

/// From a number to another, in words.
pub(crate) fn range(low: f64, high: f64, digits: usize) -> Phrase {
    say!(
        "range",
        "{low} to {high}",
        low = format!("{low:.digits$}"),
        high = format!("{high:.digits$}")
    )
}

fn outcome_words(outcome: Outcome) -> Phrase {
    match outcome {
        Outcome::Silent => say!("talk-silent", "nobody answered"),
        Outcome::Answered => say!("talk-answered", "answered"),
        Outcome::Refused => say!("talk-refused", "refused"),
        Outcome::Midstream => say!("talk-midstream", "seen from its middle on"),
    }
}

/// A score and its parts.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// Larger is less normal.
    pub score: f64,
    /// The strongest parts first, at most five.
    pub reasons: Vec<Reason>,
}

impl Default for Habit {
    fn default() -> Habit {
        Habit {
            seen: 0,
            services: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            numbers: [[0; BINS]; NUMBERS.len()],
        }
    }
}

impl Habit {
    /// Takes a conversation as normal.
    pub fn learn(&mut self, c: &Conversation) {
        if self.seen == u32::MAX {
            return;
        }
        self.seen += 1;
        if self.services.len() < SERVICES || self.services.contains_key(&c.service) {
            *self.services.entry(c.service).or_default() += 1;
        }
        *self.outcomes.entry(outcome(c)).or_default() += 1;
        for (bins, value) in self.numbers.iter_mut().zip(c.numbers) {
            bins[bin(value)] += 1;
        }
    }

    /// Conversations that were learned.
    pub fn seen(&self) -> u32 {
        self.seen
    }

    /// Bits of surprise.
    pub fn score(&self, c: &Conversation) -> f64 {
        self.parts(c).iter().sum()
    }

    /// The score and its strongest parts.
    pub fn judge(&self, c: &Conversation) -> Judgement {
        let parts = self.parts(c);
        let mut order: Vec<usize> = (0..parts.len()).collect();
        order.sort_by(|a, b| parts[*b].total_cmp(&parts[*a]).then(a.cmp(b)));
        Judgement {
            score: parts.iter().sum(),
            reasons: order
                .into_iter()
                .take(5)
                .enumerate()
                // The strongest always.
                .filter(|(place, i)| *place == 0 || parts[*i] >= REASON)
                .map(|(_, i)| i)
                .map(|i| self.reason(c, i, parts[i]))
                .collect(),
        }
    }

    fn parts(&self, c: &Conversation) -> [f64; NUMBERS.len() + 2] {
        let mut parts = [0.0; NUMBERS.len() + 2];
        let count = |n: Option<&u32>| f64::from(n.copied().unwrap_or(0));
        parts[0] = WEIGHT * self.bits(count(self.services.get(&c.service)));
        parts[1] = WEIGHT * self.bits(count(self.outcomes.get(&outcome(c))));
        for (part, (bins, value)) in parts[2..].iter_mut().zip(self.numbers.iter().zip(c.numbers)) {
            *part = self.bits(smooth(bins, bin(value)));
        }
        parts
    }

    fn bits(&self, count: f64) -> f64 {
        -((count + 0.5) / (f64::from(self.seen) + 1.0)).log2()
    }

    fn reason(&self, c: &Conversation, part: usize, share: f64) -> Reason {
        let (feature, found, normal) = match part {
            0 => (
                "service",
                Phrase::as_written(service_name(c.service)),
                Phrase::as_written(self.usual_services()),
            ),
            1 => ("outcome", outcome_words(c.outcome), self.usual_outcome(c.service)),
            _ => {
                let at = part - 2;
                let (low, high) = usual_range(&self.numbers[at]);
                (
                    NUMBERS[at],
                    Phrase::as_written(format!("{:.0}", c.numbers[at])),
                    range(low, high, 0),
                )
            }
        };
        Reason {
            feature,
            share,
            what: feature_words(feature),
            found,
            normal,
        }
    }

    fn usual_services(&self) -> String {
        let mut all: Vec<(&u32, &u32)> = self.services.iter().collect();
        all.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        let names: Vec<String> = all.iter().take(4).map(|(s, _)| service_name(**s)).collect();
        names.join(", ")
    }

    fn usual_outcome(&self, service: u32) -> Phrase {
        let protocol = (service >> 16) as u8;
        let of = |o: Outcome| self.outcomes.get(&(protocol, o as u8)).copied().unwrap_or(0);
        let best = Outcome::ALL
            .into_iter()
            .max_by_key(|o| of(*o))
            .filter(|o| of(*o) > 0);
        best.map_or_else(|| say!("talk-none", "none of this protocol"), outcome_words)
    }
}

/// Where the middle 90 % lie, by bins.
pub(crate) fn usual_range(bins: &[u32; BINS]) -> (f64, f64) {
    let total: u64 = bins.iter().map(|n| u64::from(*n)).sum();
    let at = |share: f64| {
        let mut sum = 0;
        let reached = |n: &u32| {
            sum += u64::from(*n);
            sum as f64 > share * total as f64
        };
        bins.iter().position(reached).unwrap_or(BINS - 1)
    };
    let edge = |bin: f64| (bin.exp2() - 1.0).max(0.0);
    (edge(at(0.05) as f64 - 0.5), edge(at(0.95) as f64 + 0.5))
}

fn outcome(c: &Conversation) -> (u8, u8) {
    ((c.service >> 16) as u8, c.outcome as u8)
}

pub(crate) fn bin(value: f64) -> usize {
    // Saturates; not a number is 0.
    ((value.max(0.0) + 1.0).log2().round() as usize).min(BINS - 1)
}

/// A bin's count with a half of its own and a quarter of each neighbour's.
fn smooth(bins: &[u32; BINS], at: usize) -> f64 {
    let of = |i: usize| f64::from(bins.get(i).copied().unwrap_or(0));
    let below = if at == 0 { 0.0 } else { of(at - 1) };
    0.5 * of(at) + 0.25 * (below + of(at + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn polling(service: u32, bytes: f64) -> Conversation {
        let mut numbers = [1.0; NUMBERS.len()];
        numbers[1] = bytes;
        Conversation {
            service,
            outcome: Outcome::Answered,
            numbers,
        }
    }

    fn habit() -> Habit {
        let mut habit = Habit::default();
        (0..500).for_each(|i| habit.learn(&polling(6 << 16 | 502, 300.0 + f64::from(i % 7))));
        habit
    }

    #[test]
    fn what_was_always_so_is_no_surprise() {
        let habit = habit();
        let usual = habit.score(&polling(6 << 16 | 502, 301.0));
        let other = habit.score(&polling(6 << 16 | 445, 301.0));
        let large = habit.score(&polling(6 << 16 | 502, 3e6));
        assert!(
            usual + 5.0 < other && usual + 5.0 < large,
            "{usual} {other} {large}"
        );
    }

    #[test]
    fn the_reason_stands_beside_what_is_normal() {
        let judged = habit().judge(&polling(6 << 16 | 445, 3e6));
        let names: Vec<&str> = judged.reasons.iter().map(|r| r.feature).collect();
        assert_eq!(names[..2], ["service", "bytes_sent"]);
        assert_eq!(judged.reasons[0].found, "tcp/445");
        assert_eq!(judged.reasons[0].normal, "tcp/502");
        assert_eq!(judged.reasons[1].normal, "180 to 361");
        assert!(judged.reasons.len() <= 5);
    }

    #[test]
    fn odd_numbers_do_no_harm() {
        let habit = habit();
        for value in [f64::NAN, f64::INFINITY, -1.0, f64::MAX] {
            assert!(habit.score(&polling(1, value)).is_finite());
        }
    }
}
