//! What is printed of the device-days.
//!
//! Owns: the tables: who is how good, each family, all rivals for each family, and what cried falsely. Does
//! not own: the figures (`measure`).

use std::collections::BTreeMap;

use super::attacks::FAMILIES;
use super::measure::{
    Fared, Figures, Limit, RATES, Voice, false_alerts, mean, measure, measure_each, normal_days,
};
use super::rivals::{boxplots, voices};
use super::{ATTACKED, CALIBRATED, DAYS, LEARNED, Run};
use crate::table::{Plain, number, span};
use crate::trial::Settings;

/// All tables of these runs.
pub fn tables(runs: &[Run], settings: &Settings) -> Vec<Plain> {
    let ours = ours(runs);
    let mut each = measure_each(&ours, runs, |family, say| {
        FAMILIES[family].right.contains(&say.kind)
    });
    each.name = "ours, each family by its own detectors".to_owned();
    let mut all = vec![each, measure(&ours, runs)];
    all.extend(voices(runs, settings).iter().map(|voice| measure(voice, runs)));
    let boxes: Vec<Figures> = boxplots(runs, settings)
        .map(|voice| measure(&voice, runs))
        .collect();
    let oracle: Vec<(Option<f64>, String)> = (0..FAMILIES.len()).map(|family| best(&boxes, family)).collect();
    // What the boxplot solves says nothing about anybody else.
    let solved = |family: &usize| {
        oracle[*family]
            .0
            .is_some_and(|rate| rate >= FAMILIES[*family].bar)
    };
    let every: Vec<usize> = (0..FAMILIES.len()).collect();
    let headline: Vec<usize> = every.iter().copied().filter(|f| !solved(f)).collect();
    let single = boxes.into_iter().max_by(|a, b| {
        let worth = |f: &Figures| mean(&f.rates(0), &every).unwrap_or(0.0);
        worth(a).total_cmp(&worth(b))
    });
    if let Some(mut single) = single {
        single.name = format!("boxplot of the best feature: {}", single.name);
        all.insert(2, single);
    }
    let mut rows = Vec::new();
    for figures in &mut all {
        let interval = figures.draw(settings.draws, settings.seed, &headline);
        rows.push(summary(figures, interval, &headline, &every));
    }
    rows.insert(3, oracle_row(&oracle, &headline, &every));
    vec![
        who(runs, rows, headline.len()),
        families(&all[0], &all[1], &oracle, &headline),
        matrix(&all, &oracle),
        false_ones(&ours, runs),
        missed(&ours, runs),
    ]
}

/// The sensor of the binary. It has its own limits: what it tells is an alert.
fn ours(runs: &[Run]) -> Voice {
    let events: u64 = runs.iter().map(|r| r.events).sum();
    let cpu: f64 = runs.iter().map(|r| r.cpu[0]).sum();
    let first = runs.first();
    Voice {
        name: "ours, all under one threshold".to_owned(),
        says: runs.iter().map(|r| r.says.clone()).collect(),
        limit: Limit::Said,
        cpu: Some(cpu * 1e6 / events.max(1) as f64),
        // Later runs find the memory that earlier ones gave back.
        state: first.and_then(|r| Some(r.grown? as f64 / r.city.units() as f64)),
    }
}

/// The box that is best on the test for one family: nobody could choose it so well.
fn best(boxes: &[Figures], family: usize) -> (Option<f64>, String) {
    let rate = |f: &&Figures| f.families[family].rates[0].unwrap_or(0.0);
    let found = boxes.iter().max_by(|a, b| rate(a).total_cmp(&rate(b)));
    found.map_or((None, String::new()), |f| {
        (f.families[family].rates[0], f.name.clone())
    })
}

fn worst(rates: &[Option<f64>]) -> Option<f64> {
    rates.iter().flatten().copied().min_by(f64::total_cmp)
}

fn middle(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = (sorted.len() as f64 * share) as usize;
    sorted.get(place.min(sorted.len().saturating_sub(1))).copied()
}

fn summary(
    figures: &Figures,
    interval: Option<(f64, f64)>,
    headline: &[usize],
    every: &[usize],
) -> Vec<String> {
    let (rates, rare) = (figures.rates(0), figures.rates(1));
    let told = |f: &Fared| (f.attacks > 0).then(|| f.told as f64 / f.attacks as f64);
    let told: Vec<Option<f64>> = figures.families.iter().map(told).collect();
    vec![
        figures.name.clone(),
        format!("{}{}", number(mean(&rates, headline), 3), span(interval, 2)),
        number(mean(&rates, every), 3),
        number(worst(&rates), 2),
        number(mean(&rare, headline), 3),
        number(mean(&told, headline), 3),
        number(Some(figures.false_alerts[1]), 3),
        number(Some(figures.false_alerts[0]), 3),
        number(figures.cpu, 2),
        number(figures.state, 0),
    ]
}

fn oracle_row(oracle: &[(Option<f64>, String)], headline: &[usize], every: &[usize]) -> Vec<String> {
    let rates: Vec<Option<f64>> = oracle.iter().map(|o| o.0).collect();
    let mut row = vec![
        "boxplot, another feature for each family (an oracle)".to_owned(),
        number(mean(&rates, headline), 3),
        number(mean(&rates, every), 3),
        number(worst(&rates), 2),
    ];
    row.resize(10, "-".to_owned());
    row
}

fn columns(names: &[&str]) -> Vec<String> {
    names.iter().map(|n| (*n).to_owned()).collect()
}

fn who(runs: &[Run], rows: Vec<Vec<String>>, headline: usize) -> Plain {
    let normal: usize = runs.iter().map(|r| normal_days(r, CALIBRATED, DAYS)).sum();
    let learned: usize = runs.iter().map(|r| normal_days(r, 0, CALIBRATED)).sum();
    let attacks: usize = runs.iter().map(|r| r.attacks.len()).sum();
    let events: u64 = runs.iter().map(|r| r.events).sum();
    let first = runs.first();
    let (devices, kinds) = first.map_or((0, 0), |r| {
        let mut kinds: Vec<&str> = r.city.devices.iter().map(|d| d.kind.name()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        (r.city.devices.len(), kinds.len())
    });
    let mut notes = vec![
        format!(
            "{} runs of {DAYS} days with {devices} devices of {kinds} kinds, and the border as one more: {events} events",
            runs.len()
        ),
        format!(
            "days 1 to {LEARNED} are learned from, day {CALIBRATED} fixes thresholds, days {} to {DAYS} are judged, of which \
             the last {} have attacks: {attacks} attacks, {normal} normal device-days judged, {learned} before",
            CALIBRATED + 1,
            DAYS - ATTACKED
        ),
        format!(
            "headline: the mean of the {headline} of {} families that no boxplot solves; intervals of 95 % draw runs",
            FAMILIES.len()
        ),
        "a device-day scores the most that was said of the device within the day, whoever speaks".to_owned(),
        "ours is the ordered stage; by its own detectors: scans against what is told as scans on normal days, as each \
         boxplot is held against its own feature on normal days"
            .to_owned(),
        format!(
            "state: of ours the {} MB more that its first run took than one without it, with inventory, incidents and what is \
             remembered of all addresses outside, shared out over the devices; of the others what a window or a model takes",
            first.and_then(|r| r.grown).map_or_else(|| "unknown".to_owned(), |b| (b >> 20).to_string())
        ),
    ];
    for rate in RATES {
        if (normal as f64) * rate < 1.0 {
            notes.push(format!(
                "{normal} normal device-days are too few for a rate of {rate:e}"
            ));
        }
    }
    if runs.len() < 2 {
        notes.push("one run: nothing to draw, and no other run to train boosted trees on".to_owned());
    }
    Plain {
        title: "Device-days: who finds attacks".to_owned(),
        columns: columns(&[
            "who",
            "TPR at 1e-3, headline (95 %)",
            "all families",
            "worst",
            "TPR at 1e-4, headline",
            "told at the fixed threshold, headline",
            "false alerts per device-day, judged",
            "learning",
            "CPU s per M events",
            "state B per device",
        ]),
        rows,
        notes,
    }
}

fn families(ours: &Figures, whole: &Figures, oracle: &[(Option<f64>, String)], headline: &[usize]) -> Plain {
    let row = |(family, fared): (usize, &Fared)| {
        let name = FAMILIES[family].name;
        let solved = !headline.contains(&family);
        let found: Vec<f64> = fared.waits.iter().copied().filter(|w| w.is_finite()).collect();
        let met = fared.rates[0].map(|rate| rate >= FAMILIES[family].bar);
        vec![
            if solved {
                format!("{name} (boxplot solves it)")
            } else {
                name.to_owned()
            },
            fared.attacks.to_string(),
            format!("{}{}", number(fared.rates[0], 2), span(fared.interval, 2)),
            number(fared.rates[1], 2),
            number(whole.families[family].rates[0], 2),
            format!(
                "{:.2}: {}",
                FAMILIES[family].bar,
                met.map_or("-", |m| if m { "met" } else { "MISSED" })
            ),
            fared.told.to_string(),
            fared.right.to_string(),
            number(middle(&found, 0.5), 1),
            number(middle(&fared.waits, 0.95), 1),
            number(middle(&fared.before, 0.5), 3),
            number(middle(&fared.before, 1.0), 3),
            format!("{} {}", number(oracle[family].0, 2), oracle[family].1),
        ]
    };
    Plain {
        title: "Device-days: each family, the ordered stage".to_owned(),
        columns: columns(&[
            "family",
            "attacks",
            "TPR at 1e-3 (95 %)",
            "at 1e-4",
            "all under one threshold, at 1e-3",
            "bar",
            "told",
            "as what it is",
            "median s to the alert",
            "p95",
            "median share before it",
            "worst",
            "best boxplot",
        ]),
        rows: ours.families.iter().enumerate().map(row).collect(),
        notes: vec![
            "time and share before the alert: of packets for floods, of bytes for uploads, else of contacts; the p95 and \
             the worst count what was never told"
                .to_owned(),
        ],
    }
}

fn matrix(all: &[Figures], oracle: &[(Option<f64>, String)]) -> Plain {
    let mut names = vec!["family".to_owned()];
    names.extend(all.iter().map(|f| f.name.clone()));
    names.push("best boxplot of the family".to_owned());
    let row = |family: usize| {
        let mut row = vec![FAMILIES[family].name.to_owned()];
        row.extend(all.iter().map(|f| number(f.families[family].rates[0], 2)));
        row.push(number(oracle[family].0, 2));
        row
    };
    Plain {
        title: "Device-days: TPR at 1e-3 of all".to_owned(),
        columns: names,
        rows: (0..FAMILIES.len()).map(row).collect(),
        notes: Vec::new(),
    }
}

/// What was told of whom though nothing was wrong.
fn false_ones(ours: &Voice, runs: &[Run]) -> Plain {
    let mut counts: BTreeMap<(&str, &str), [usize; 2]> = BTreeMap::new();
    for (run, says) in runs.iter().zip(&ours.says) {
        for (i, (from, to)) in [(0, CALIBRATED), (CALIBRATED, DAYS)].into_iter().enumerate() {
            for say in false_alerts(run, says, f64::NEG_INFINITY, from, to) {
                counts
                    .entry((run.city.name(say.unit.into()), say.kind))
                    .or_default()[i] += 1;
            }
        }
    }
    let row = |((who, kind), [learning, judged]): ((&str, &str), [usize; 2])| {
        vec![
            who.to_owned(),
            kind.to_owned(),
            judged.to_string(),
            learning.to_string(),
        ]
    };
    Plain {
        title: "Device-days: false alerts of the ordered stage".to_owned(),
        columns: columns(&["whom", "what", "judged days", "learning days"]),
        rows: counts.into_iter().map(row).collect(),
        notes: vec!["alerts of one device within an hour are one, and stand here by the first".to_owned()],
    }
}

/// Rows of misses that are printed.
const MISSES: usize = 100;

/// Which attacks were not told as what they are.
fn missed(ours: &Voice, runs: &[Run]) -> Plain {
    let mut rows = Vec::new();
    for (number, (run, says)) in runs.iter().zip(&ours.says).enumerate() {
        for attack in &run.attacks {
            let mut fared = Fared::default();
            fared.take(attack, says, f64::NEG_INFINITY);
            if fared.right == 0 {
                rows.push(vec![
                    FAMILIES[attack.family].name.to_owned(),
                    (number + 1).to_string(),
                    run.city.name(attack.unit).to_owned(),
                    attack.what.clone(),
                    if fared.told > 0 { "as something else" } else { "no" }.to_owned(),
                ]);
            }
        }
    }
    let all = rows.len();
    rows.sort_by(|a, b| a[0].cmp(&b[0]));
    rows.truncate(MISSES);
    Plain {
        title: "Device-days: what the ordered stage missed".to_owned(),
        columns: columns(&["family", "run", "whose", "what", "told"]),
        notes: vec![format!("{all} in all, of which {} stand here", rows.len())],
        rows,
    }
}
