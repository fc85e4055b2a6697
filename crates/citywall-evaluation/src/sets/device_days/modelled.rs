//! What learned models tell in a device-day.
//!
//! Owns: the table of what a sensor tells by its models alone, on normal days and of attacks. Does not own: the
//! sensor, which trains its models on the first days and holds the rest against them as `watch` does, and the
//! measures (`measure`).

use citywall_event::Nanos;

use super::attacks::FAMILIES;
use super::measure::{Fared, Say, false_alerts, normal_days};
use super::stream::DAY;
use super::{BEGIN, Bench, DAYS, Run, one};
use crate::table::{Plain, number};
use crate::trial::Settings;

/// What is told by models, and by nothing else.
const KINDS: [&str; 3] = ["anomaly", "rate_unexpected", "drift"];

/// Days that are learned from: the week that `watch` declares. Weekends are in it.
const WEEK: u32 = 7;

/// Until when a sensor may learn.
pub fn learned_until() -> Nanos {
    BEGIN + Nanos::from(WEEK) * DAY
}

/// The table, of as many runs as the others.
pub fn table(runs: u32, settings: &Settings, bench: &mut Bench<'_>) -> Plain {
    let seed = |run: u32| settings.seed.wrapping_add(u64::from(run) << 32);
    let all: Vec<Run> = (0..runs.max(1))
        .map(|run| one(seed(run), true, settings, bench))
        .collect();
    let days: usize = all.iter().map(|run| normal_days(run, WEEK, DAYS)).sum();
    let mut rows: Vec<Vec<String>> = KINDS.iter().map(|kind| row(kind, &[kind], &all, days)).collect();
    rows.push(row("all", &KINDS, &all, days));
    Plain {
        title: "Device-days: what signed models tell".to_owned(),
        columns: [
            "what",
            "told of normal device-days",
            "per device-day",
            "attacks told",
            "of",
            "families, told of all",
        ]
        .map(str::to_owned)
        .to_vec(),
        rows,
        notes: vec![
            format!(
                "days 1 to {WEEK} train a model of each zone, of conversations and hourly bytes (packets are not simulated); \
                 days {} to {DAYS} are judged: {days} normal device-days of {} runs",
                WEEK + 1,
                all.len()
            ),
            "a model knows nothing of attacks, and nothing of the crowds, power cuts and firmware that its week did not \
             have; what is told of a class is told of the border"
                .to_owned(),
        ],
    }
}

fn row(name: &str, kinds: &[&str], runs: &[Run], days: usize) -> Vec<String> {
    let mut families = vec![Fared::default(); FAMILIES.len()];
    let mut normal = 0;
    for run in runs {
        let says: Vec<Say> = run
            .says
            .iter()
            .filter(|s| kinds.contains(&s.kind))
            .copied()
            .collect();
        normal += false_alerts(run, &says, f64::NEG_INFINITY, WEEK, DAYS).len();
        for attack in &run.attacks {
            families[attack.family].take(attack, &says, f64::NEG_INFINITY);
        }
    }
    let told: usize = families.iter().map(|f| f.told).sum();
    let attacks: usize = families.iter().map(|f| f.attacks).sum();
    let found = families.iter().zip(&FAMILIES).filter(|(fared, _)| fared.told > 0);
    let words: Vec<String> = found
        .map(|(fared, family)| format!("{} {} of {}", family.name, fared.told, fared.attacks))
        .collect();
    vec![
        name.to_owned(),
        normal.to_string(),
        number(Some(normal as f64 / days.max(1) as f64), 3),
        told.to_string(),
        attacks.to_string(),
        if words.is_empty() {
            "-".to_owned()
        } else {
            words.join("; ")
        },
    ]
}
