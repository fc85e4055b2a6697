//! Who else could have said it.
//!
//! Owns: the trivial rivals over hourly windows of each device, each with what it needs and no more. Does not
//! own: the features (`windows`), and how good anybody is (`measure`).

use citywall_event::Nanos;

use super::attacks::Attack;
use super::measure::{Limit, Say, Voice, attacked};
use super::stream::{DAY, HOUR};
use super::windows::{FEATURES, NUMBERS, RATES, Row};
use super::{BEGIN, LEARNED, Run};
use crate::forest::IsolationForest;
use crate::trees::Trees;
use crate::trial::Settings;

/// Rows of normal windows that trees are trained on.
const TREE_ROWS: usize = 12_000;
/// Runs whose attacks they are shown.
const TREE_RUNS: usize = 4;

/// A window, said when it is over.
fn say(row: &Row, score: f64) -> Say {
    let end = Nanos::from(row.day) * DAY + (Nanos::from(row.hour) + 1) * HOUR;
    Say {
        unit: row.unit,
        day: row.day,
        // Its last moment: what is on the border belongs to the day that is over.
        at: BEGIN + end - 1,
        score,
        kind: "",
    }
}

fn learned(row: &&Row) -> bool {
    u32::from(row.day) < LEARNED
}

fn wide(row: &Row) -> Vec<f64> {
    row.features.iter().map(|f| f64::from(*f)).collect()
}

/// All but boxplots.
pub fn voices(runs: &[Run], settings: &Settings) -> Vec<Voice> {
    let per_row = size_of::<[f32; NUMBERS]>() as f64;
    let mut all = vec![voice(
        "new destination",
        Limit::Above(0.5),
        runs,
        settings,
        |_, row| f64::from(u8::from(row.new_destination)),
    )];
    all.extend(RATES.map(|rate| {
        let name = format!("rate threshold: {}", FEATURES[rate]);
        voice(&name, Limit::Calibrated, runs, settings, |_, row| {
            row.features[rate].into()
        })
    }));
    let forests: Vec<IsolationForest> = runs
        .iter()
        .map(|run| {
            let rows: Vec<Vec<f64>> = run.rows.iter().filter(learned).map(wide).collect();
            let rows: Vec<&[f64]> = rows.iter().map(Vec::as_slice).collect();
            IsolationForest::fit(&rows, settings.seed)
        })
        .collect();
    let mut forest = voice(
        "isolation forest",
        Limit::Calibrated,
        runs,
        settings,
        |run, row| forests[run].score(&wide(row)),
    );
    let units = runs.first().map_or(1, |r| r.city.units()) as f64;
    forest.state = forests.first().map(|f| f.bytes() as f64 / units + per_row);
    all.push(forest);
    all.extend(boosted(runs, settings));
    all
}

fn voice(
    name: &str,
    limit: Limit,
    runs: &[Run],
    settings: &Settings,
    score: impl Fn(usize, &Row) -> f64,
) -> Voice {
    let start = (settings.cpu)();
    let says = |(i, run): (usize, &Run)| run.rows.iter().map(|row| say(row, score(i, row))).collect();
    let says = runs.iter().enumerate().map(says).collect();
    Voice {
        name: name.to_owned(),
        says,
        limit,
        cpu: Some(per_million(runs, (settings.cpu)() - start)),
        state: Some(size_of::<[f32; NUMBERS]>() as f64),
    }
}

/// CPU seconds for a million events, with what counting took.
fn per_million(runs: &[Run], scoring: f64) -> f64 {
    let counting: f64 = runs.iter().map(|r| r.cpu[1]).sum();
    let events: u64 = runs.iter().map(|r| r.events).sum();
    (counting + scoring) * 1e6 / events.max(1) as f64
}

/// A window in which an attack went on.
fn shows(row: &Row, attack: &Attack) -> bool {
    let begin = BEGIN + Nanos::from(row.day) * DAY + Nanos::from(row.hour) * HOUR;
    usize::from(row.unit) == attack.unit && begin <= attack.end() && begin + HOUR > attack.start()
}

/// Trained on the attacks of other runs: they know what these attacks look like, which nobody does.
fn boosted(runs: &[Run], settings: &Settings) -> Option<Voice> {
    let others = TREE_RUNS.min(runs.len() - 1);
    let mut all = Vec::new();
    for i in 0..runs.len() {
        let (mut normal, mut attacks) = (Vec::new(), Vec::new());
        for other in (1..=others).map(|by| &runs[(i + by) % runs.len()]) {
            // All of their normal days, the unusual ones too: more than anybody has of his own city.
            let concerned = |row: &&Row| attacked(other, row.unit.into(), row.day.into());
            let rows: Vec<&Row> = other.rows.iter().filter(|row| !concerned(row)).collect();
            let every = (rows.len() * others).div_ceil(TREE_ROWS).max(1);
            normal.extend(rows.into_iter().step_by(every).map(wide));
            let shown = other
                .rows
                .iter()
                .filter(|row| other.attacks.iter().any(|a| shows(row, a)));
            attacks.extend(shown.map(wide));
        }
        all.push(Trees::fit(normal, attacks, settings.seed)?);
    }
    let start = (settings.cpu)();
    let says = runs
        .iter()
        .zip(&all)
        .map(|(run, trees)| {
            let scores = trees.predict(run.rows.iter().map(wide).collect());
            run.rows
                .iter()
                .zip(scores)
                .map(|(row, score)| say(row, score))
                .collect()
        })
        .collect();
    Some(Voice {
        name: "boosted trees (shown attacks of other runs)".to_owned(),
        says,
        limit: Limit::Calibrated,
        cpu: Some(per_million(runs, (settings.cpu)() - start)),
        state: Some(size_of::<[f32; NUMBERS]>() as f64 + Trees::BYTES as f64 / runs[0].city.units() as f64),
    })
}

/// Boxplots (Tukey 1977): each feature with one box for all devices, and with a box for each device.
pub fn boxplots(runs: &[Run], settings: &Settings) -> impl Iterator<Item = Voice> {
    (0..NUMBERS * 2).map(move |i| {
        let (feature, own) = (i / 2, i % 2 == 1);
        let boxes: Vec<Vec<(f64, f64)>> = runs.iter().map(|run| boxes(run, feature, own)).collect();
        let whose = if own { "its own box" } else { "one box" };
        let name = format!("{} ({whose})", FEATURES[feature]);
        voice(&name, Limit::Calibrated, runs, settings, |run, row| {
            let (middle, width) = boxes[run][usize::from(row.unit)];
            (f64::from(row.features[feature]) - middle).abs() / width
        })
    })
}

/// Middle and width of the box of each device.
fn boxes(run: &Run, feature: usize, own: bool) -> Vec<(f64, f64)> {
    let units = run.city.units();
    // Rows stand in the order of hours, and in each hour in the order of units.
    let all = |unit: Option<usize>| -> Vec<f64> {
        let rows = run.rows.iter().take_while(learned);
        let (first, every) = unit.map_or((0, 1), |unit| (unit, units));
        let rows = rows.skip(first).step_by(every);
        rows.map(|row| f64::from(row.features[feature])).collect()
    };
    let common = spread(all(None));
    (0..units)
        .map(|unit| {
            if !own {
                return (common.0, common.1.max(1e-9 + common.0.abs() * 1e-3));
            }
            let (middle, width) = spread(all(Some(unit)));
            // A device that always does the same is not infinitely odd when it does a little more.
            (middle, width.max(common.1 * 0.1).max(1e-9 + middle.abs() * 1e-3))
        })
        .collect()
}

fn spread(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let place = (values.len() as f64 * share) as usize;
        values.get(place).copied().unwrap_or(0.0)
    };
    (at(0.5), at(0.75) - at(0.25))
}
