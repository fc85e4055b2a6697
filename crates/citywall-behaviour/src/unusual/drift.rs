//! Drift: what is normal is not what it was when the model was signed.
//!
//! Owns: how the scores of each device's days are spread beside the calibration (population stability index),
//! which features of a class moved, and telling slow and common from sudden and alone. Nothing here changes a
//! model. Does not own: scores, and the events.

use std::collections::VecDeque;
use std::net::IpAddr;

use citywall_event::Nanos;
use hashbrown::HashMap;

use crate::learned::{
    BINS, Calibration, Conversation, Model, NUMBERS, Reason, bin, feature_words, range, usual_range,
};

/// A day.
pub(super) const DAY: Nanos = 86_400_000_000_000;
/// Parts that scores are counted in, by tenths of the calibration.
const PARTS: usize = 10;
/// Conversations of a device and day below which nothing is said of them.
const LEAST: u32 = 100;
/// The index from which on a spread has moved, as is usual for it.
const MOVED: f64 = 0.25;
/// Days of a week.
const WEEK: usize = 7;
/// Days on which a lone device must have moved.
const LASTING: usize = 3;

type Counts = [u32; PARTS];

/// Where the calibration of a model has its tenths.
#[derive(Debug)]
struct Spread {
    edges: Vec<f32>,
    expected: Vec<f64>,
    count: u32,
}

/// One device: today, and the days before.
#[derive(Debug, Default)]
struct Days {
    model: usize,
    today: Counts,
    before: VecDeque<Counts>,
    /// Days in a row that had moved.
    lasting: usize,
    told: Option<i64>,
}

/// One class: today's numbers, and when it was told.
#[derive(Debug)]
struct Class {
    numbers: Box<[[u32; BINS]; NUMBERS.len()]>,
    told: Option<i64>,
    figure: Option<Figure>,
}

/// How far a class has moved.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figure {
    /// Devices that had enough conversations on the last day.
    pub judged: usize,
    /// Devices of them that had moved.
    pub moved: usize,
    /// Devices that had not on the days before.
    pub suddenly: usize,
    /// The middle of their indices over the week.
    pub index: f64,
}

/// What a day showed.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Found {
    /// Most devices of a class moved; with the features that did.
    Class {
        model: usize,
        figure: Figure,
        reasons: Vec<Reason>,
    },
    /// One device alone moved, slowly.
    Device { who: IpAddr, model: usize, index: f64 },
    /// One device alone moved from a day to the next.
    Suddenly {
        who: IpAddr,
        model: usize,
        index: f64,
        before: f64,
    },
}

/// Measures drift.
#[derive(Debug)]
pub(super) struct Drift {
    spreads: Vec<Spread>,
    classes: Vec<Class>,
    devices: HashMap<IpAddr, Days>,
    room: usize,
    pub left_out: u64,
}

impl Drift {
    pub(super) fn new(models: &[Model], room: usize) -> Drift {
        Drift {
            spreads: models.iter().map(|m| Spread::of(&m.habit_scores)).collect(),
            classes: models
                .iter()
                .map(|_| Class {
                    numbers: Box::new([[0; BINS]; NUMBERS.len()]),
                    told: None,
                    figure: None,
                })
                .collect(),
            devices: HashMap::new(),
            room,
            left_out: 0,
        }
    }

    /// How far a class had moved on the last day that was judged.
    pub(super) fn figure(&self, model: usize) -> Option<Figure> {
        self.classes.get(model)?.figure
    }

    /// Takes a conversation's score.
    pub(super) fn take(&mut self, who: IpAddr, model: usize, score: f64, conversation: &Conversation) {
        let (Some(spread), Some(class)) = (self.spreads.get(model), self.classes.get_mut(model)) else {
            return;
        };
        for (bins, value) in class.numbers.iter_mut().zip(conversation.numbers) {
            bins[bin(value)] = bins[bin(value)].saturating_add(1);
        }
        if self.devices.len() >= self.room && !self.devices.contains_key(&who) {
            self.left_out += 1;
            return;
        }
        let days = self.devices.entry(who).or_default();
        if days.model != model {
            *days = Days {
                model,
                ..Days::default()
            };
        }
        let part = &mut days.today[spread.part(score)];
        *part = part.saturating_add(1);
    }

    /// A day is over.
    pub(super) fn day(&mut self, day: i64, models: &[Model]) -> Vec<Found> {
        let mut judged: Vec<Vec<Judged>> = models.iter().map(|_| Vec::new()).collect();
        for (who, days) in &mut self.devices {
            if let (Some(found), Some(list)) = (days.judge(*who, &self.spreads), judged.get_mut(days.model)) {
                list.push(found);
            }
            days.next();
        }
        // Who said nothing for a week is forgotten.
        self.devices
            .retain(|_, days| days.before.iter().flatten().any(|n| *n > 0));
        let mut found = Vec::new();
        for ((place, mut list), model) in judged.into_iter().enumerate().zip(models) {
            list.sort_by_key(|j| j.who);
            let Some(class) = self.classes.get_mut(place) else {
                continue;
            };
            let moved: Vec<&Judged> = list.iter().filter(|j| j.moved).collect();
            let mut indices: Vec<f64> = list.iter().map(|j| j.week).collect();
            indices.sort_by(f64::total_cmp);
            let figure = Figure {
                judged: list.len(),
                moved: moved.len(),
                suddenly: moved.iter().filter(|j| j.is_sudden()).count(),
                index: indices.get(indices.len() / 2).copied().unwrap_or(0.0),
            };
            if !list.is_empty() {
                class.figure = Some(figure);
            }
            let recent = |told: Option<i64>| told.is_some_and(|told| day - told < WEEK as i64);
            if list.len() >= 2 && moved.len() * 2 > list.len() {
                if !recent(class.told) {
                    class.told = Some(day);
                    found.push(Found::Class {
                        model: place,
                        figure,
                        reasons: features(&class.numbers, model),
                    });
                }
            } else {
                for judged in moved {
                    let Some(days) = self.devices.get_mut(&judged.who) else {
                        continue;
                    };
                    if recent(days.told) || !(judged.is_sudden() || days.lasting >= LASTING) {
                        continue;
                    }
                    days.told = Some(day);
                    found.push(judged.found(place));
                }
            }
            *class.numbers = [[0; BINS]; NUMBERS.len()];
        }
        found
    }
}

/// What a day says of a device.
struct Judged {
    who: IpAddr,
    moved: bool,
    today: f64,
    week: f64,
    /// Of the days before, where they had enough and had not moved.
    quiet: Option<f64>,
}

impl Judged {
    /// The days before were as learned, and today is far from it.
    fn is_sudden(&self) -> bool {
        self.quiet.is_some() && self.today > 2.0 * MOVED
    }

    fn found(&self, model: usize) -> Found {
        match self.quiet {
            Some(before) if self.is_sudden() => Found::Suddenly {
                who: self.who,
                model,
                index: self.today,
                before,
            },
            _ => Found::Device {
                who: self.who,
                model,
                index: self.week,
            },
        }
    }
}

impl Days {
    fn judge(&mut self, who: IpAddr, spreads: &[Spread]) -> Option<Judged> {
        let spread = spreads.get(self.model)?;
        let (today, limit) = spread.index(&self.today)?;
        let mut sum = Counts::default();
        self.before.iter().for_each(|day| add(&mut sum, day));
        let before = spread.index(&sum);
        add(&mut sum, &self.today);
        let week = spread.index(&sum).map_or(today, |(index, _)| index);
        let moved = today > limit;
        self.lasting = if moved { self.lasting + 1 } else { 0 };
        Some(Judged {
            who,
            moved,
            today,
            week,
            quiet: before
                .filter(|(index, limit)| index <= limit)
                .map(|(index, _)| index),
        })
    }

    fn next(&mut self) {
        if self.before.len() >= WEEK - 1 {
            self.before.pop_front();
        }
        self.before.push_back(std::mem::take(&mut self.today));
    }
}

fn add(sum: &mut Counts, day: &Counts) {
    for (sum, n) in sum.iter_mut().zip(day) {
        *sum = sum.saturating_add(*n);
    }
}

impl Spread {
    fn of(scores: &Calibration) -> Spread {
        let tenths = (1..PARTS).map(|i| scores.quantile(i as f64 / PARTS as f64) as f32);
        let mut edges: Vec<f32> = tenths.collect();
        // Where all that is normal is alike, several tenths are one.
        edges.dedup();
        let mut spread = Spread {
            expected: vec![0.0; edges.len() + 1],
            edges,
            count: scores.count(),
        };
        for point in &scores.points {
            let part = spread.part(f64::from(*point));
            spread.expected[part] += 1.0 / scores.points.len() as f64;
        }
        spread
    }

    /// An edge belongs to what is below it.
    fn part(&self, score: f64) -> usize {
        let score = score as f32;
        self.edges.partition_point(|edge| *edge < score)
    }

    /// The index, and from where on it means something: so few conversations move it by chance, too.
    fn index(&self, counts: &Counts) -> Option<(f64, f64)> {
        let total: u32 = counts.iter().fold(0, |sum, n| sum.saturating_add(*n));
        if total < LEAST {
            return None;
        }
        let parts = self.expected.len();
        // Half a conversation more in each part: no share is nothing.
        let share = |n: f64, of: f64| (n + 0.5) / (of + 0.5 * parts as f64);
        let normal = f64::from(self.count);
        let index = self.expected.iter().zip(counts).map(|(expected, found)| {
            let (e, f) = (
                share(expected * normal, normal),
                share(f64::from(*found), f64::from(total)),
            );
            (f - e) * (f / e).ln()
        });
        let by_chance = (parts - 1) as f64 * (1.0 / f64::from(total) + 1.0 / normal.max(1.0));
        Some((index.sum(), MOVED + 2.0 * by_chance))
    }
}

/// The features of a class that moved most, at most five, the range of today beside that of the model.
fn features(today: &[[u32; BINS]; NUMBERS.len()], model: &Model) -> Vec<Reason> {
    let mut all: Vec<Reason> = NUMBERS
        .iter()
        .zip(today.iter().zip(&model.habit.numbers))
        .filter_map(|(name, (found, normal))| {
            let share = index(found, normal);
            let ((low, high), (from, to)) = (usual_range(found), usual_range(normal));
            (share > MOVED).then(|| Reason {
                feature: name,
                share,
                what: feature_words(name),
                found: range(low, high, 0),
                normal: range(from, to, 0),
            })
        })
        .collect();
    all.sort_by(|a, b| b.share.total_cmp(&a.share).then(a.feature.cmp(b.feature)));
    all.truncate(5);
    all
}

fn index(found: &[u32; BINS], normal: &[u32; BINS]) -> f64 {
    let total = |bins: &[u32; BINS]| bins.iter().map(|n| f64::from(*n)).sum::<f64>() + 0.5 * BINS as f64;
    let (of, with) = (total(found), total(normal));
    let parts = found.iter().zip(normal).map(|(f, n)| {
        let (f, n) = ((f64::from(*f) + 0.5) / of, (f64::from(*n) + 0.5) / with);
        (f - n) * (f / n).ln()
    });
    parts.sum()
}
