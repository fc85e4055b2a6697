//! `citywall learn show`: a model in words.
//!
//! Owns: what is said of a model, and how far its class had moved where it was watched. Does not own: its form
//! (`citywall-behaviour`), and the figures of drift, which `summary.json` holds.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;
use citywall_behaviour::{HOUR, Model, Rates};
use citywall_trust::Signed;

use super::model::{Trained, read, summary};
use crate::End;
use crate::command::Invalid;
use crate::screen;

pub(super) fn show(path: &Path, log: Option<&Path>) -> anyhow::Result<End> {
    let bytes = read(path)?;
    let (model, signed) = match Model::decode(&bytes) {
        Ok(model) => (model, "not signed".to_owned()),
        Err(_) => {
            let signed =
                Signed::<Trained>::parse(&bytes).map_err(|e| Invalid(format!("{}: {e}", path.display())))?;
            let envelope = signed.envelope();
            let model =
                Model::decode(envelope.payload()).map_err(|e| Invalid(format!("{}: {e}", path.display())))?;
            let serial = envelope.claims().0.serial;
            (
                model,
                format!("serial {serial}; its signature was not checked (`learn verify` does)"),
            )
        }
    };
    let mut text = format!("{}\n{signed}\n", summary(&model, &model.encode()));
    let _ = writeln!(
        text,
        "normal conversations score up to {:.1} bits",
        model.habit_scores.quantile(1.0)
    );
    if let Some((_, scores)) = &model.packets {
        let _ = writeln!(text, "normal packets score up to {:.3}", scores.quantile(1.0));
    }
    match &model.windows {
        Some(windows) => {
            let _ = writeln!(text, "calibrated on {} minutes of devices", windows.count());
        }
        None => text.push_str("version 1: single conversations are judged, minutes were not calibrated\n"),
    }
    if let Some(rates) = &model.rates {
        text.push_str(&rates_shown(rates));
    }
    if let Some(log) = log {
        text.push_str(&drift(log, &model.class)?);
    }
    let _ = write!(text, "trained on (SHA-256, bytes, name):\n{}", model.manifest);
    let clean: String = text
        .chars()
        .map(|c| if c.is_control() && c != '\n' { '?' } else { c })
        .collect();
    screen::out(format_args!("{clean}"));
    Ok(End::Done)
}

/// What the forecast expects first, and of a device by the hours of its season.
fn rates_shown(rates: &Rates) -> String {
    let mut text = String::new();
    let hour = rates.class.next();
    if let Some(e) = rates.class.expected(hour) {
        let _ = writeln!(
            text,
            "expects of all its devices {:.0} to {:.0} bytes in its next hour ({} UTC), nine times of ten",
            e.low,
            e.high,
            clock(hour)
        );
    }
    let (low, high) = rates.device.usual(hour.saturating_mul(HOUR));
    let _ = writeln!(
        text,
        "and of one device {low:.0} to {high:.0} bytes, in a season of {} h",
        rates.device.season()
    );
    text
}

fn clock(hour: i64) -> String {
    format!("{:02}:00", hour.rem_euclid(24))
}

/// How far the class had moved where it was watched, as `summary.json` has it.
fn drift(log: &Path, class: &str) -> anyhow::Result<String> {
    let path = log.join("summary.json");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let summary: serde_json::Value =
        serde_json::from_str(&text).map_err(|e| Invalid(format!("{}: {e}", path.display())))?;
    let figure = &summary["drift"][class];
    let number = |key: &str| figure[key].as_f64().unwrap_or(0.0);
    Ok(match figure.is_object() {
        true => format!(
            "drift where it was watched: shift {:.2} (normal: up to 0.25), {} of {} devices moved, {} of them suddenly\n",
            number("shift"),
            number("devices_moved"),
            number("devices_judged"),
            number("suddenly")
        ),
        false => "drift: no whole day of this class was judged there\n".to_owned(),
    })
}
