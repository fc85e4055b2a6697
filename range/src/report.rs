//! What all runs together say.
//!
//! Owns: adding up the three ways of each scenario and the repetitions, the JSON and the table. Does
//! not own: single verdicts (`judge`).

use std::fmt::Write;

use serde::Serialize;

use crate::judge::Played;
use crate::scenario::{Undone, Variant};

/// One run that has ended.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub scenario: &'static str,
    pub variant: Variant,
    pub result: Result<Played, String>,
    pub seconds: f64,
}

/// What came of one scenario.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// Its name.
    pub name: String,
    /// All its runs were as they must be.
    pub passed: bool,
    /// From the attack's beginning until it could be read (the median of all repetitions).
    pub detected_ms: Option<u64>,
    /// What was done, with the response on: rung and target.
    pub acted: Vec<String>,
    /// Nothing of those who are to be left alone was lost.
    pub spared: bool,
    /// From the command, or the end of the time, until the rules were as before.
    pub undone_ms: Option<u64>,
    /// From the attack's beginning to the first action in force.
    pub acted_ms: Option<u64>,
    /// Benign requests of those who are to be left alone, and how many of them failed.
    pub benign: (u64, u64),
    /// The same of those that concern `safety` zones.
    pub safety: (u64, u64),
    /// What honest people tried while the attack went on.
    pub honest: Vec<Honest>,
    /// What is not as it must be.
    pub problems: Vec<String>,
    /// What could not be tried here.
    pub skipped: Vec<String>,
}

/// Tries of honest people, over all runs of one way: the collateral of the attack and of the answer to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Honest {
    /// `response on`, `response off`.
    pub way: &'static str,
    /// All tries, and how many got through.
    pub all: (usize, usize),
    /// Those from one and a half seconds after the answer on, and how many got through.
    pub after: (usize, usize),
}

/// Median, 95th percentile, worst.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// What.
    pub name: &'static str,
    /// How many were measured.
    pub count: usize,
    /// Half are below.
    pub median: f64,
    /// Of twenty, nineteen are below.
    pub p95: f64,
    /// The largest.
    pub worst: f64,
}

/// What all scenarios came to.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// By scenario, in their order.
    pub scenarios: Vec<Outcome>,
    /// Over all runs.
    pub figures: Vec<Figure>,
    /// Wall time of everything.
    pub seconds: f64,
}

impl Report {
    /// Adds up.
    pub(crate) fn new(ended: &[Ended], seconds: f64) -> Report {
        let mut names: Vec<&str> = Vec::new();
        for run in ended {
            if !names.contains(&run.scenario) {
                names.push(run.scenario);
            }
        }
        let of = |name: &&str| {
            let runs: Vec<&Ended> = ended.iter().filter(|e| e.scenario == *name).collect();
            outcome(name, &runs)
        };
        Report {
            scenarios: names.iter().map(of).collect(),
            figures: figures(ended),
            seconds,
        }
    }

    /// Everything was as it must be.
    pub fn passed(&self) -> bool {
        !self.scenarios.is_empty() && self.scenarios.iter().all(|s| s.passed)
    }

    /// For machines.
    pub fn json(&self) -> String {
        // Texts and numbers only: this cannot fail.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// For people.
    pub fn table(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = self.lines(&mut text);
        text
    }

    fn lines(&self, text: &mut String) -> std::fmt::Result {
        writeln!(
            text,
            "{:<22} {:<6} {:>9} {:>9} {:>9} {:>15}  DONE",
            "SCENARIO", "", "DETECTED", "ACTED", "UNDONE", "BENIGN LOST"
        )?;
        let ms = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), |v| format!("{v} ms"));
        for s in &self.scenarios {
            let verdict = if s.passed { "ok" } else { "FAILED" };
            let lost = format!("{} of {}", s.benign.1, s.benign.0);
            writeln!(
                text,
                "{:<22} {verdict:<6} {:>9} {:>9} {:>9} {lost:>15}  {}",
                s.name,
                ms(s.detected_ms),
                ms(s.acted_ms),
                ms(s.undone_ms),
                s.acted.join("; ")
            )?;
            for h in &s.honest {
                write!(
                    text,
                    "    {}: {} of {} honest conversations opened",
                    h.way, h.all.1, h.all.0
                )?;
                match h.after {
                    (0, _) => writeln!(text)?,
                    (tried, ok) => writeln!(text, ", {ok} of {tried} once the answer was in force")?,
                }
            }
            for problem in &s.problems {
                writeln!(text, "    {problem}")?;
            }
            for skipped in &s.skipped {
                writeln!(text, "    SKIPPED: {skipped}")?;
            }
        }
        writeln!(text)?;
        for f in self.figures.iter().filter(|f| f.count > 0) {
            writeln!(
                text,
                "{:<44} median {:>8.1}, p95 {:>8.1}, worst {:>8.1} ({} measured)",
                f.name, f.median, f.p95, f.worst, f.count
            )?;
        }
        let good = self.scenarios.iter().filter(|s| s.passed).count();
        writeln!(
            text,
            "{good} of {} scenarios passed, {:.0} s",
            self.scenarios.len(),
            self.seconds
        )
    }
}

fn outcome(name: &str, runs: &[&Ended]) -> Outcome {
    let on: Vec<&Played> = played(runs, Variant::On).collect();
    let mut problems = Vec::new();
    let mut skipped: Vec<String> = Vec::new();
    for run in runs {
        let own = match &run.result {
            Ok(played) => played.problems.clone(),
            Err(error) => vec![error.clone()],
        };
        problems.extend(own.into_iter().map(|p| format!("{}: {p}", run.variant.name())));
        skipped.extend(run.result.iter().flat_map(|p| p.skipped.clone()));
    }
    problems.dedup();
    skipped.sort();
    skipped.dedup();
    let mut acted: Vec<String> = on
        .iter()
        .flat_map(|p| &p.acted)
        .map(|a| format!("{} {}", a.rung, a.target))
        .collect();
    acted.sort();
    acted.dedup();
    let sum = |of: fn(&Played) -> u64| on.iter().map(|p| of(p)).sum::<u64>();
    let benign = (sum(|p| p.toll.requests), sum(|p| p.toll.failed));
    let safety = (sum(|p| p.toll.safety_requests), sum(|p| p.toll.safety_failed));
    Outcome {
        name: name.to_owned(),
        passed: problems.is_empty(),
        detected_ms: median(on.iter().filter_map(|p| p.detected_ms)),
        acted_ms: median(on.iter().filter_map(|p| p.acted_ms)),
        undone_ms: median(on.iter().filter_map(|p| p.undone_ms)),
        acted,
        spared: safety.1 == 0 && benign.1 * 1_000 <= benign.0,
        benign,
        safety,
        honest: honest(runs),
        problems,
        skipped,
    }
}

fn honest(runs: &[&Ended]) -> Vec<Honest> {
    let of = |variant: Variant| {
        let (mut all, mut after) = ((0, 0), (0, 0));
        for played in played(runs, variant) {
            all = (all.0 + played.honest.0, all.1 + played.honest.1);
            after = (after.0 + played.honest_after.0, after.1 + played.honest_after.1);
        }
        Honest {
            way: variant.name(),
            all,
            after,
        }
    };
    let ways = [Variant::Off, Variant::On].map(of);
    ways.into_iter().filter(|h| h.all.0 > 0).collect()
}

fn played<'a>(runs: &'a [&'a Ended], variant: Variant) -> impl Iterator<Item = &'a Played> {
    runs.iter()
        .filter(move |run| run.variant == variant)
        .filter_map(|run| run.result.as_ref().ok())
}

fn median(values: impl Iterator<Item = u64>) -> Option<u64> {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

/// The numbers that the product promises, over all runs with the response on.
fn figures(ended: &[Ended]) -> Vec<Figure> {
    let on = || {
        ended
            .iter()
            .filter(|e| e.variant == Variant::On)
            .filter_map(|e| Some((e, e.result.as_ref().ok()?)))
    };
    let undone = |way: fn(Undone) -> bool| {
        let fits = move |name: &str| crate::find(name).is_ok_and(|s| way(s.undone));
        on().filter(move |(e, _)| fits(e.scenario))
            .filter_map(|(_, p)| p.undone_ms)
            .map(|ms| ms as f64)
            .collect()
    };
    let lost = |of: fn(&Played) -> (u64, u64)| {
        let share = |(requests, failed): (u64, u64)| failed as f64 * 100.0 / requests.max(1) as f64;
        on().map(|(_, p)| share(of(p))).collect()
    };
    // A flood is over every limit from its first tenth of a second on.
    let flood = |of: fn(&Played) -> Option<u64>| {
        let is_flood = |name: &str| {
            name.starts_with("flood-") || name.starts_with("syn-flood") || name.starts_with("amplification")
        };
        let floods = on().filter(move |(e, _)| is_flood(e.scenario));
        floods.filter_map(|(_, p)| of(p)).map(|ms| ms as f64).collect()
    };
    vec![
        figure(
            "attack to detection, ms",
            on().filter_map(|(_, p)| p.detected_ms)
                .map(|ms| ms as f64)
                .collect(),
        ),
        figure(
            "evidence packet to rule in the kernel, ms",
            on().flat_map(|(_, p)| p.counting_ms.clone()).collect(),
        ),
        figure("flood's beginning to detection, ms", flood(|p| p.detected_ms)),
        figure(
            "flood's beginning to limit in the kernel, ms",
            flood(|p| p.acted_ms),
        ),
        figure("flood's end to limit gone, ms", undone(|u| u == Undone::Calm)),
        figure("undo by command, ms", undone(|u| u == Undone::Command)),
        figure(
            "undo by the health gate, ms",
            undone(|u| matches!(u, Undone::Harm(..))),
        ),
        figure("undo by end of time, ms", undone(|u| u == Undone::Time)),
        figure("undo by death of the daemon, ms", undone(|u| u == Undone::Death)),
        figure(
            "benign requests lost, %",
            lost(|p| (p.toll.requests, p.toll.failed)),
        ),
        figure(
            "safety requests lost, %",
            lost(|p| (p.toll.safety_requests, p.toll.safety_failed)),
        ),
    ]
}

fn figure(name: &'static str, mut values: Vec<f64>) -> Figure {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let place = (values.len() as f64 * share).ceil() as usize;
        values.get(place.saturating_sub(1)).copied().unwrap_or(0.0)
    };
    Figure {
        name,
        count: values.len(),
        median: at(0.5),
        p95: at(0.95),
        worst: at(1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(variant: Variant, result: Result<Played, String>) -> Ended {
        Ended {
            scenario: "pump-write",
            variant,
            result,
            seconds: 1.0,
        }
    }

    #[test]
    fn one_bad_run_fails_its_scenario() {
        let good = || ended(Variant::On, Ok(Played::default()));
        assert!(Report::new(&[good()], 1.0).passed());
        let bad = ended(Variant::Off, Err("died".to_owned()));
        let report = Report::new(&[good(), bad], 1.0);
        assert!(!report.passed());
        assert_eq!(report.scenarios[0].problems, ["response off: died"]);
        assert!(report.table().contains("FAILED") && report.table().contains("died"));
        assert!(!Report::new(&[], 1.0).passed(), "nothing tried is nothing shown");
    }

    #[test]
    fn figures_are_of_the_sorted_values() {
        let figure = figure("x", (1..=40).rev().map(f64::from).collect());
        assert_eq!(
            (figure.median, figure.p95, figure.worst, figure.count),
            (20.0, 38.0, 40.0, 40)
        );
    }

    #[test]
    fn the_json_has_the_promised_names() {
        let report = Report::new(&[ended(Variant::On, Ok(Played::default()))], 1.0);
        let value: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
        for name in ["name", "passed", "detected_ms", "acted", "spared", "undone_ms"] {
            assert!(value["scenarios"][0].get(name).is_some(), "{name}");
        }
    }
}
