//! Forecasts: how often their intervals hold.
//!
//! Owns: generated series of known laws, counts of normal conversations by minute, and measured city traffic
//! (NAB), with the simple rival: the same time a season ago, its width fixed on the first half. Does not own:
//! the forecast (`citywall-behaviour`).

use std::path::Path;

use citywall_behaviour::{Forecast, SplitMix64};

use super::{SetError, files, iot23};
use crate::table::Plain;

/// One series.
struct Series {
    name: String,
    season: usize,
    values: Vec<f64>,
}

/// The table: generated series always, measured ones where they are.
///
/// # Errors
/// Where a file is damaged.
pub fn table(data: Option<&Path>, seed: u64) -> Result<Plain, SetError> {
    let mut all = generated(seed);
    if let Some(data) = data {
        all.extend(measured(&data.join("nab"))?);
        all.extend(conversations(&data.join("iot23"))?);
    }
    let columns = [
        "series",
        "values",
        "held (90 % wanted)",
        "mean width",
        "a season ago: held",
        "its mean width",
    ];
    Ok(Plain {
        title: "Forecasts one step ahead".to_owned(),
        columns: columns.map(str::to_owned).to_vec(),
        rows: all.iter().map(row).collect(),
        notes: vec![
            "widths are on the scale of the logarithm of one more than the count".to_owned(),
            "conversations a minute: normal ones of IoT-23; NAB: measured road traffic, its labelled oddities left in".to_owned(),
        ],
    })
}

fn row(series: &Series) -> Vec<String> {
    let mut forecast = Forecast::new(series.season);
    let told: Vec<_> = series
        .values
        .iter()
        .filter_map(|v| forecast.observe(*v))
        .collect();
    let held = told.iter().filter(|e| e.held).count() as f64 / told.len().max(1) as f64;
    let width = told.iter().map(|e| e.high.ln_1p() - e.low.ln_1p()).sum::<f64>() / told.len().max(1) as f64;
    let logs: Vec<f64> = series.values.iter().map(|v| v.max(0.0).ln_1p()).collect();
    let errors: Vec<f64> = logs
        .iter()
        .skip(series.season)
        .zip(&logs)
        .map(|(now, then)| (now - then).abs())
        .collect();
    let (first, second) = errors.split_at(errors.len() / 2);
    let mut sorted = first.to_vec();
    sorted.sort_by(f64::total_cmp);
    let limit = sorted.get(sorted.len() * 9 / 10).copied().unwrap_or(0.0);
    let simple = second.iter().filter(|e| **e <= limit).count() as f64 / second.len().max(1) as f64;
    vec![
        series.name.clone(),
        told.len().to_string(),
        format!("{:.1} %", held * 100.0),
        format!("{width:.2}"),
        format!("{:.1} %", simple * 100.0),
        format!("{:.2}", 2.0 * limit),
    ]
}

fn generated(seed: u64) -> Vec<Series> {
    let day = |i: usize| 1_000.0 + 800.0 * (std::f64::consts::TAU * i as f64 / 96.0).sin();
    let make = |name: &str, salt: u64, value: &dyn Fn(usize, &mut SplitMix64) -> f64| {
        let mut random = SplitMix64::new(seed ^ salt << 32);
        Series {
            name: format!("generated: {name}"),
            season: 96,
            values: (0..96 * 60).map(|i| value(i, &mut random)).collect(),
        }
    };
    vec![
        make("a day and even noise", 1, &|i, r| day(i) + 60.0 * r.normal()),
        make("a day and heavy tails", 2, &|i, r| {
            day(i) * (0.3 / r.unit().max(1e-6)).sqrt()
        }),
        make("a day that grows twofold", 3, &|i, r| {
            day(i) * (1.0 + i as f64 / 5_760.0) + 60.0 * r.normal()
        }),
        make("noise that becomes wider", 4, &|i, r| {
            2_000.0 + i as f64 / 10.0 * r.normal()
        }),
        make(
            "a level that jumps",
            5,
            &|i, r| if i / 1_000 % 2 == 0 { 500.0 } else { 2_000.0 } + 50.0 * r.normal(),
        ),
    ]
}

fn measured(folder: &Path) -> Result<Vec<Series>, SetError> {
    let mut all = Vec::new();
    if !folder.is_dir() {
        return Ok(all);
    }
    for path in files(folder)?
        .iter()
        .filter(|p| p.extension().is_some_and(|e| e == "csv"))
    {
        let text = std::fs::read_to_string(path).map_err(|error| SetError::Read {
            path: path.clone(),
            error,
        })?;
        let values = text
            .lines()
            .filter_map(|line| line.rsplit(',').next()?.trim().parse().ok());
        all.push(Series {
            name: format!(
                "NAB {}",
                path.file_stem().map(|n| n.to_string_lossy()).unwrap_or_default()
            ),
            season: 1,
            values: values.collect(),
        });
    }
    Ok(all)
}

fn conversations(folder: &Path) -> Result<Vec<Series>, SetError> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let series = |s: iot23::Scenario| {
        let normal = s.conversations.iter().filter(|c| c.attack.is_empty());
        let minutes: Vec<i64> = normal.map(|c| c.seen.at.div_euclid(60_000_000_000)).collect();
        let first = minutes.first().copied().unwrap_or(0);
        let last = minutes.last().copied().unwrap_or(0);
        // A capture is of days; a clock that jumps must not take the memory.
        let mut values = vec![0.0; (last - first + 1).clamp(1, 100_000) as usize];
        for minute in minutes {
            if let Some(value) = values.get_mut((minute - first) as usize) {
                *value += 1.0;
            }
        }
        Series {
            name: format!("conversations a minute, {}", s.name),
            season: 1,
            values,
        }
    };
    Ok(iot23::scenarios(folder)?.into_iter().map(series).collect())
}
