//! A device in one minute: what each part of a model makes of it, and one chance of all.
//!
//! Owns: the quantiles of what normal minutes score, and how chances are combined. Does not own: the scores
//! (`habit`, `ensemble`, `rates`, a signed allow-list), and telling somebody.

use std::collections::BTreeMap;
use std::net::IpAddr;

use citywall_event::Nanos;

use super::calibration::{Calibration, together};
use super::conversation::{Conversation, ConversationFeatures, Seen};
use super::ensemble::{Ensemble, PacketRow, Workspace};
use super::habit::Habit;
use super::rates::{HOUR, Rates};

/// The window.
pub const WINDOW: Nanos = 60_000_000_000;
/// Bits beyond all that was seen that make a chance tenfold smaller, at least.
const BITS: f64 = 4.0;
/// The same of an ensemble's score: half the range of all its errors in training. Less is odd only where all that
/// is normal is exactly alike.
const ERROR: f64 = 0.5;
/// The same of the scores of deviations from an allow-list, added up.
const DEVIATIONS: f64 = 0.5;
/// The chance of a deviation where training held nothing against a list: somebody signed what is normal, so
/// that what is not on it is rare.
const OFF_LIST: f64 = 0.01;

/// A conversation, whose and when: for windows and rates, no feature is made of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spoken {
    /// Which capture: windows do not reach from one into the next.
    pub capture: u32,
    /// When it was over.
    pub at: Nanos,
    /// Who began it.
    pub who: IpAddr,
    /// Bytes both ways.
    pub bytes: u64,
    /// Its features.
    pub features: Conversation,
}

impl Spoken {
    /// A conversation that was seen; its features depend on those before.
    pub fn of(capture: u32, seen: &Seen, features: &mut ConversationFeatures) -> Spoken {
        Spoken {
            capture,
            at: seen.at,
            who: seen.src,
            bytes: seen.bytes[0].saturating_add(seen.bytes[1]),
            features: features.observe(seen),
        }
    }
}

/// A packet's features, whose and when.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sent {
    /// See `Spoken`.
    pub capture: u32,
    /// When.
    pub at: Nanos,
    /// The sender, where it has an IP address and its statistics are warm: others teach, and calibrate nothing.
    pub who: Option<IpAddr>,
    /// Its features.
    pub row: PacketRow,
}

/// A deviation from an allow-list.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Off {
    /// See `Spoken`.
    pub capture: u32,
    /// When.
    pub at: Nanos,
    /// Who deviated.
    pub who: IpAddr,
    /// How much, 0 to 1.
    pub score: f64,
}

/// What a device scored in a window. `None` is what says nothing of it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Scores {
    /// Its oddest conversation, and of how many.
    pub habit: Option<(f64, u32)>,
    /// Its oddest packet, and of how many.
    pub packets: Option<(f64, u32)>,
    /// The chance of its bytes in the hour.
    pub rate: Option<f64>,
    /// Its deviations from the signed allow-list, added up.
    pub deviations: Option<f64>,
}

/// How rare that is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Chances {
    /// See `Scores`.
    pub habit: Option<f64>,
    /// See `Scores`.
    pub packets: Option<f64>,
    /// See `Scores`.
    pub rate: Option<f64>,
    /// See `Scores`.
    pub deviations: Option<f64>,
    /// All together.
    pub all: f64,
}

/// How normal windows score.
#[derive(Clone, Debug, PartialEq)]
pub struct Windows {
    pub(crate) habit: Calibration,
    pub(crate) packets: Option<Calibration>,
    pub(crate) deviations: Option<Calibration>,
    /// Logarithms of combined chances, without their sign.
    pub(crate) combined: Calibration,
}

/// What windows are calibrated on: what is normal, and was not learned from.
pub(super) struct Later<'a> {
    /// All conversations, and from where on they are later.
    pub conversations: (&'a [Spoken], usize),
    pub packets: &'a [Sent],
    pub deviations: Option<&'a [Off]>,
}

type Key = (u32, IpAddr, i64);

impl Windows {
    /// Scores the windows of the calibration, first each part, then all together.
    pub(super) fn calibrate(
        later: &Later<'_>,
        habit: &Habit,
        ensemble: Option<&Ensemble>,
        rates: Option<&Rates>,
    ) -> Windows {
        let window = |at: Nanos| at.div_euclid(WINDOW);
        let mut all: BTreeMap<Key, Scores> = BTreeMap::new();
        let mut hours: BTreeMap<(IpAddr, i64), u64> = BTreeMap::new();
        let (conversations, from) = later.conversations;
        for (place, c) in conversations.iter().enumerate() {
            let bytes = hours.entry((c.who, c.at.div_euclid(HOUR))).or_default();
            *bytes = bytes.saturating_add(c.bytes);
            if place < from {
                continue;
            }
            let scores = all.entry((c.capture, c.who, window(c.at))).or_default();
            worst(&mut scores.habit, habit.score(&c.features));
            scores.rate = rates.map(|rates| rates.device.chance(c.at, *bytes));
        }
        let mut work = Workspace::default();
        for p in later.packets {
            if let (Some(who), Some(ensemble)) = (p.who, ensemble) {
                let scores = all.entry((p.capture, who, window(p.at))).or_default();
                worst(&mut scores.packets, ensemble.score(&p.row, &mut work).into());
            }
        }
        if let Some(deviations) = later.deviations {
            all.values_mut().for_each(|s| s.deviations = Some(0.0));
            for off in deviations {
                if let Some(scores) = all.get_mut(&(off.capture, off.who, window(off.at))) {
                    *scores.deviations.get_or_insert(0.0) += off.score;
                }
            }
        }
        let of = |part: &dyn Fn(&Scores) -> Option<f64>| {
            let found: Vec<f32> = all.values().filter_map(part).map(|s| s as f32).collect();
            (!found.is_empty()).then(|| Calibration::of(found))
        };
        let mut windows = Windows {
            // Some conversations are always later than what teaches.
            habit: of(&|s| s.habit.map(|h| h.0)).unwrap_or_else(|| Calibration::of(vec![0.0])),
            packets: of(&|s| s.packets.map(|p| p.0)),
            deviations: of(&|s| s.deviations),
            combined: Calibration::of(vec![0.0]),
        };
        let logs = all.values().map(|s| -windows.parts(s).all.ln() as f32);
        windows.combined = Calibration::of(logs.collect());
        windows
    }

    /// What each part makes of it; `all` is not calibrated yet.
    fn parts(&self, scores: &Scores) -> Chances {
        let packets = self.packets.as_ref().zip(scores.packets);
        let deviations = scores.deviations.and_then(|sum| match &self.deviations {
            Some(normal) => Some(normal.tail(sum, DEVIATIONS)),
            None => off_list(sum),
        });
        Chances {
            habit: scores.habit.map(|(score, _)| self.habit.tail(score, BITS)),
            packets: packets.map(|(normal, (score, _))| normal.tail(score, ERROR)),
            rate: scores.rate,
            deviations,
            all: 1.0,
        }
        .combined()
    }

    /// How many windows it was calibrated on.
    pub fn count(&self) -> u32 {
        self.combined.count()
    }

    /// What is rare about a window.
    pub(super) fn chances(&self, scores: &Scores) -> Chances {
        let parts = self.parts(scores);
        // Parts that go together make it less rare, never more.
        let all = self.combined.tail(-parts.all.ln(), std::f64::consts::LN_10);
        Chances {
            all: all.max(parts.all),
            ..parts
        }
    }
}

/// The same for a model of version 1, which knows single conversations and packets alone: the oddest of many
/// is that many times as likely.
pub(super) fn of_singles(scores: &Scores, habit: &Calibration, packets: Option<&Calibration>) -> Chances {
    let of_many = |chance: f64, many: u32| (chance * f64::from(many)).min(1.0);
    Chances {
        habit: scores.habit.map(|(score, n)| of_many(habit.tail(score, BITS), n)),
        packets: packets
            .zip(scores.packets)
            .map(|(normal, (score, n))| of_many(normal.tail(score, ERROR), n)),
        rate: scores.rate,
        deviations: scores.deviations.and_then(off_list),
        all: 1.0,
    }
    .combined()
}

impl Chances {
    /// Those that there are.
    fn list(&self) -> Vec<f64> {
        let all = [self.habit, self.packets, self.rate, self.deviations];
        all.into_iter().flatten().collect()
    }

    fn combined(self) -> Chances {
        Chances {
            all: together(&self.list()),
            ..self
        }
    }
}

fn off_list(sum: f64) -> Option<f64> {
    (sum > 0.0).then_some(OFF_LIST)
}

/// Keeps the larger score, and counts.
pub(crate) fn worst(kept: &mut Option<(f64, u32)>, score: f64) -> bool {
    match kept {
        Some((most, count)) => {
            *count = count.saturating_add(1);
            let more = score > *most;
            if more {
                *most = score;
            }
            more
        }
        None => {
            *kept = Some((score, 1));
            true
        }
    }
}
