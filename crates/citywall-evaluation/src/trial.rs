//! The protocol of an evaluation.
//!
//! Owns: what a case is (training, then calibration, then test; nothing on both sides), the baselines
//! that stand in every table, and what is measured of each detector. Does not own: the measures
//! (`metrics`), and the data (`sets`).

use std::collections::{BTreeMap, HashSet};

use citywall_event::Nanos;
use serde::Serialize;

use crate::forest::IsolationForest;
use crate::metrics::{Scored, interval, pr_auc, recall_at, roc_auc, threshold};
use crate::trees::Trees;

/// One thing to judge.
#[derive(Clone, Debug)]
pub struct Sample {
    /// When.
    pub at: Nanos,
    /// The device that is judged.
    pub device: u32,
    /// The run, capture or device that the bootstrap draws.
    pub group: u32,
    /// Index into the case's kinds; 0 is normal.
    pub kind: u16,
    /// Numbers without address, name, or time of day.
    pub features: Vec<f64>,
    /// Packets and bytes that it stands for.
    pub packets: u64,
    /// See `packets`.
    pub bytes: u64,
    /// Whom it talks to and about what: for the list of new destinations alone.
    pub destination: u64,
    /// It is of the protocol that the attacks use: for the baseline that alerts on any.
    pub protocol: bool,
}

/// Scores of a detector that the set ran itself.
#[derive(Clone, Debug)]
pub struct Own {
    /// Its name.
    pub name: &'static str,
    /// One score for each sample of the calibration.
    pub calibration: Vec<f64>,
    /// One score for each sample of the test.
    pub test: Vec<f64>,
    /// CPU seconds that calibration and test took.
    pub cpu: f64,
    /// Bytes of state that a device takes.
    pub state: usize,
}

/// A case. All of `training` and `calibration` is normal, and older than or apart from `test`.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// Names of the features.
    pub features: &'static [&'static str],
    /// The feature that is a rate.
    pub rate: usize,
    /// Kinds; the first is normal.
    pub kinds: Vec<&'static str>,
    /// Normal.
    pub training: Vec<Sample>,
    /// Normal, later.
    pub calibration: Vec<Sample>,
    /// Mixed.
    pub test: Vec<Sample>,
    /// Attacks that belong to the training side: for what needs examples of attacks.
    pub examples: Vec<Sample>,
    /// Detectors of ours.
    pub own: Vec<Own>,
}

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Draws of the bootstrap.
    pub draws: usize,
    /// Seed of all that is random.
    pub seed: u64,
    /// The rate of false ones that the threshold is set for, on the calibration.
    pub rate: f64,
    /// Measures CPU time, by a clock that the caller has.
    pub cpu: fn() -> f64,
}

/// One line of a table.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Row {
    /// The detector.
    pub detector: String,
    /// Area under ROC, with its interval.
    pub roc_auc: Option<f64>,
    /// See `roc_auc`.
    pub roc_interval: Option<(f64, f64)>,
    /// Average precision.
    pub pr_auc: Option<f64>,
    /// Recall where 1e-2, 1e-3, 1e-4 of the test's normal things are false.
    pub recall_at: [Option<f64>; 3],
    /// The interval of the first.
    pub recall_interval: Option<(f64, f64)>,
    /// At the threshold of the calibration: recall, and the share of normal things that is false.
    pub recall: Option<f64>,
    /// See `recall`.
    pub false_share: Option<f64>,
    /// At that threshold: false alerts a device and day. Alerts of one device within an hour are one.
    pub false_alerts: Option<f64>,
    /// At that threshold: recall of each kind of attack.
    pub kinds: BTreeMap<String, f64>,
    /// Seconds from the first sample of an attack to the first alert on it: the worst kind.
    pub seconds_to_alert: Option<f64>,
    /// Share of the attacks' bytes before that: the worst kind.
    pub bytes_before_alert: Option<f64>,
    /// Area of the worst device that was attacked.
    pub worst_device: Option<f64>,
    /// CPU seconds a million packets.
    pub cpu_per_million: Option<f64>,
    /// Bytes of state a device.
    pub state: Option<usize>,
}

/// What became of a case.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Table {
    /// The case.
    pub case: String,
    /// Samples: training, calibration, normal and attacks of the test.
    pub samples: [usize; 4],
    /// Devices, groups and days of the test.
    pub devices: usize,
    /// See `devices`.
    pub groups: usize,
    /// See `devices`.
    pub device_days: f64,
    /// One line a detector.
    pub rows: Vec<Row>,
    /// What a reader has to know of it.
    pub notes: Vec<String>,
}

/// Alerts of one device within this time are one.
const EPISODE: Nanos = 3_600_000_000_000;
const DAY: f64 = 86_400e9;

/// Rows that trees are trained on, at most: they are baselines.
const TREE_ROWS: usize = 20_000;

impl Case {
    /// Runs all baselines and measures all detectors.
    pub fn run(&self, settings: &Settings) -> Table {
        let mut rows: Vec<Row> = self.own.iter().map(|own| self.row(own, settings)).collect();
        rows.extend(self.baselines(settings).iter().map(|own| self.row(own, settings)));
        let attacks = self.test.iter().filter(|s| s.kind != 0).count();
        let ids = |of: fn(&Sample) -> u32| self.test.iter().map(of).collect::<HashSet<u32>>().len();
        let mut notes = Vec::new();
        if ids(|s| s.group) == 1 {
            notes.push(
                "one group only: the intervals draw single things, which are not independent".to_owned(),
            );
        }
        if self.examples.is_empty() {
            notes.push("no attacks to train boosted trees on".to_owned());
        }
        Table {
            case: self.name.clone(),
            samples: [
                self.training.len(),
                self.calibration.len(),
                self.test.len() - attacks,
                attacks,
            ],
            devices: ids(|s| s.device),
            groups: ids(|s| s.group),
            device_days: self.device_days(),
            rows,
            notes,
        }
    }

    /// Each group's span times its devices.
    fn device_days(&self) -> f64 {
        let mut spans: BTreeMap<(u32, u32), (Nanos, Nanos)> = BTreeMap::new();
        for s in &self.test {
            let span = spans.entry((s.group, s.device)).or_insert((s.at, s.at));
            *span = (span.0.min(s.at), span.1.max(s.at));
        }
        spans.values().map(|(a, b)| (b - a) as f64 / DAY).sum()
    }

    fn row(&self, own: &Own, settings: &Settings) -> Row {
        let scored = |(score, s): (&f64, &Sample)| Scored {
            score: *score,
            attack: s.kind != 0,
            group: s.group,
        };
        let scores: Vec<Scored> = own.test.iter().zip(&self.test).map(scored).collect();
        // What says yes or no alerts on yes, however often that was wrong on the calibration.
        let yes_or_no = own
            .calibration
            .iter()
            .chain(&own.test)
            .all(|s| *s == 0.0 || *s == 1.0);
        let limit = match yes_or_no {
            true => 0.5,
            false => threshold(&own.calibration, settings.rate),
        };
        let alerts: Vec<bool> = scores.iter().map(|s| s.score > limit).collect();
        let share = |attack: bool| {
            let all: Vec<bool> = scores
                .iter()
                .zip(&alerts)
                .filter(|(s, _)| s.attack == attack)
                .map(|(_, a)| *a)
                .collect();
            (!all.is_empty()).then(|| all.iter().filter(|a| **a).count() as f64 / all.len() as f64)
        };
        let (kinds, seconds, before) = self.attacks(&alerts);
        let packets: u64 = self.calibration.iter().chain(&self.test).map(|s| s.packets).sum();
        let (draws, seed) = (settings.draws, settings.seed);
        Row {
            detector: own.name.to_owned(),
            roc_auc: roc_auc(&scores),
            roc_interval: interval(&scores, draws, seed, roc_auc),
            pr_auc: pr_auc(&scores),
            recall_at: [1e-2, 1e-3, 1e-4].map(|rate| recall_at(&scores, rate)),
            recall_interval: interval(&scores, draws, seed, |s| recall_at(s, 1e-2)),
            recall: share(true),
            false_share: share(false),
            false_alerts: self.false_alerts(&alerts),
            kinds,
            seconds_to_alert: seconds,
            bytes_before_alert: before,
            worst_device: self.worst_device(&own.test),
            cpu_per_million: (packets > 0).then(|| own.cpu * 1e6 / packets as f64),
            state: Some(own.state),
        }
    }

    /// For the kinds of attack: recall; and for the worst: time and share of bytes to the first alert.
    fn attacks(&self, alerts: &[bool]) -> (BTreeMap<String, f64>, Option<f64>, Option<f64>) {
        let mut kinds = BTreeMap::new();
        let (mut seconds, mut share): (Option<f64>, Option<f64>) = (None, None);
        let mut runs: BTreeMap<(u16, u32), Vec<usize>> = BTreeMap::new();
        for (i, s) in self.test.iter().enumerate().filter(|(_, s)| s.kind != 0) {
            runs.entry((s.kind, s.group)).or_default().push(i);
        }
        let mut counted: BTreeMap<u16, (usize, usize)> = BTreeMap::new();
        for ((kind, _), run) in &runs {
            let found = run.iter().filter(|i| alerts[**i]).count();
            let count = counted.entry(*kind).or_default();
            *count = (count.0 + found, count.1 + run.len());
            let first = run.iter().position(|i| alerts[*i]);
            let total: u64 = run.iter().map(|i| self.test[*i].bytes).sum();
            let before: u64 = run[..first.unwrap_or(run.len())]
                .iter()
                .map(|i| self.test[*i].bytes)
                .sum();
            let waited = match first {
                Some(at) => (self.test[run[at]].at - self.test[run[0]].at) as f64 / 1e9,
                None => f64::INFINITY,
            };
            seconds = Some(seconds.unwrap_or(0.0).max(waited));
            if total > 0 {
                share = Some(share.unwrap_or(0.0).max(before as f64 / total as f64));
            }
        }
        for (kind, (found, all)) in counted {
            let name = self.kinds.get(usize::from(kind)).copied().unwrap_or("attack");
            kinds.insert(name.to_owned(), found as f64 / all.max(1) as f64);
        }
        (kinds, seconds, share)
    }

    fn false_alerts(&self, alerts: &[bool]) -> Option<f64> {
        let mut last: BTreeMap<(u32, u32), Nanos> = BTreeMap::new();
        let mut count = 0u32;
        for (s, _) in self.test.iter().zip(alerts).filter(|(s, a)| s.kind == 0 && **a) {
            let known = last.insert((s.group, s.device), s.at);
            count += u32::from(known.is_none_or(|at| s.at.saturating_sub(at) > EPISODE));
        }
        let days = self.device_days();
        (days > 0.0).then(|| f64::from(count) / days)
    }

    fn worst_device(&self, scores: &[f64]) -> Option<f64> {
        let mut devices: BTreeMap<u32, Vec<Scored>> = BTreeMap::new();
        for (s, score) in self.test.iter().zip(scores) {
            devices.entry(s.device).or_default().push(Scored {
                score: *score,
                attack: s.kind != 0,
                group: s.group,
            });
        }
        devices.values().filter_map(|d| roc_auc(d)).min_by(f64::total_cmp)
    }

    fn baselines(&self, settings: &Settings) -> Vec<Own> {
        let mut all = vec![
            self.timed("boxplot of one feature", settings, 0, self.boxplot()),
            self.timed("rate threshold", settings, 0, |s: &Sample| s.features[self.rate]),
            self.new_destinations(settings),
            self.timed("any of the protocol", settings, 0, |s: &Sample| {
                f64::from(u8::from(s.protocol))
            }),
        ];
        if !self.training.is_empty() {
            let rows: Vec<&[f64]> = self.training.iter().map(|s| s.features.as_slice()).collect();
            let forest = IsolationForest::fit(&rows, settings.seed);
            let bytes = forest.bytes();
            all.push(self.timed("isolation forest", settings, bytes, |s: &Sample| {
                forest.score(&s.features)
            }));
        }
        all.extend(self.boosted_trees(settings));
        all
    }

    fn timed(
        &self,
        name: &'static str,
        settings: &Settings,
        state: usize,
        mut score: impl FnMut(&Sample) -> f64,
    ) -> Own {
        let start = (settings.cpu)();
        let calibration = self.calibration.iter().map(&mut score).collect();
        let test = self.test.iter().map(&mut score).collect();
        Own {
            name,
            calibration,
            test,
            cpu: (settings.cpu)() - start,
            state,
        }
    }

    /// How far beyond the box (Tukey 1977) the one feature lies that is best on the test: no detector
    /// could choose it so well, and what does not beat it has learned nothing.
    fn boxplot(&self) -> impl Fn(&Sample) -> f64 + use<> {
        let spread = |feature: usize| {
            let mut values: Vec<f64> = self.training.iter().map(|s| s.features[feature]).collect();
            values.sort_by(f64::total_cmp);
            let at = |share: f64| {
                values
                    .get((values.len() as f64 * share) as usize)
                    .copied()
                    .unwrap_or(0.0)
            };
            let (q1, q2, q3) = (at(0.25), at(0.5), at(0.75));
            (q2, (q3 - q1).max(1e-9 + q2.abs() * 1e-3))
        };
        let score = |feature: usize, (middle, width): (f64, f64), s: &Sample| {
            let beyond = s.features[feature] - middle;
            beyond.abs() / width
        };
        let area = |feature: &usize| {
            let box_ = spread(*feature);
            let scored: Vec<Scored> = self
                .test
                .iter()
                .map(|s| Scored {
                    score: score(*feature, box_, s),
                    attack: s.kind != 0,
                    group: 0,
                })
                .collect();
            roc_auc(&scored).unwrap_or(0.0)
        };
        let best = (0..self.features.len())
            .map(|f| (f, area(&f)))
            .max_by(|a, b| a.1.total_cmp(&b.1))
            .map_or(0, |(f, _)| f);
        let box_ = spread(best);
        move |s: &Sample| {
            let beyond = s.features[best] - box_.0;
            beyond.abs() / box_.1
        }
    }

    /// 1 for what was never contacted in training.
    fn new_destinations(&self, settings: &Settings) -> Own {
        let known: HashSet<u64> = self.training.iter().map(|s| s.destination).collect();
        let bytes = known.len() * 16;
        self.timed("new destination", settings, bytes, move |s: &Sample| {
            f64::from(u8::from(!known.contains(&s.destination)))
        })
    }

    fn boosted_trees(&self, settings: &Settings) -> Option<Own> {
        let every = |all: &[Sample]| all.len().div_ceil(TREE_ROWS / 2).max(1);
        let some = |all: &[Sample]| -> Vec<Vec<f64>> {
            all.iter()
                .step_by(every(all))
                .map(|s| s.features.clone())
                .collect()
        };
        let trees = Trees::fit(some(&self.training), some(&self.examples), settings.seed)?;
        let predict =
            |samples: &[Sample]| trees.predict(samples.iter().map(|s| s.features.clone()).collect());
        let start = (settings.cpu)();
        let (calibration, test) = (predict(&self.calibration), predict(&self.test));
        Some(Own {
            name: "boosted trees",
            calibration,
            test,
            cpu: (settings.cpu)() - start,
            state: Trees::BYTES,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(at: i64, kind: u16, value: f64) -> Sample {
        Sample {
            at: at * 1_000_000_000,
            device: 1,
            group: 1,
            kind,
            features: vec![value],
            packets: 1,
            bytes: 100,
            destination: value as u64,
            protocol: kind != 0,
        }
    }

    fn case() -> Case {
        let normal = |from: i64| {
            (from..from + 200)
                .map(|t| sample(t, 0, (t % 5) as f64))
                .collect::<Vec<_>>()
        };
        let mut test = normal(400);
        test.extend((600..620).map(|t| sample(t, 1, if t < 605 { 2.0 } else { 90.0 })));
        Case {
            name: "case".into(),
            features: &["value"],
            rate: 0,
            kinds: vec!["normal", "burst"],
            training: normal(0),
            calibration: normal(200),
            test,
            examples: Vec::new(),
            own: Vec::new(),
        }
    }

    #[test]
    fn a_table_says_what_each_baseline_is_worth() {
        let settings = Settings {
            draws: 50,
            seed: 1,
            rate: 1e-2,
            cpu: || 0.0,
        };
        let table = case().run(&settings);
        assert_eq!(table.samples, [200, 200, 200, 20]);
        let rate = table
            .rows
            .iter()
            .find(|r| r.detector == "rate threshold")
            .expect("a row");
        assert_eq!(rate.recall, Some(0.75));
        assert_eq!(rate.false_alerts, Some(0.0));
        assert_eq!(rate.seconds_to_alert, Some(5.0));
        assert_eq!(rate.bytes_before_alert, Some(0.25));
        assert_eq!(rate.recall_at, [Some(0.75), None, None]);
        let any = table
            .rows
            .iter()
            .find(|r| r.detector == "any of the protocol")
            .expect("a row");
        assert_eq!(any.roc_auc, Some(1.0));
        assert!(table.notes.iter().any(|n| n.starts_with("one group only")));
    }

    #[test]
    fn the_same_seed_gives_the_same_table() {
        let settings = Settings {
            draws: 50,
            seed: 9,
            rate: 1e-2,
            cpu: || 0.0,
        };
        assert_eq!(case().run(&settings), case().run(&settings));
    }
}
