//! What was found, as events.
//!
//! Owns: the sentences of anomalies, rates and drift. Does not own: what is found.

use std::net::IpAddr;

use citywall_event::{Behaviour, Nanos, Order, Phrase, counted, say, sentences};

use super::drift::Figure;
use crate::learned::{Chances, HourTold, Reason};

/// Reasons of an event, at most.
pub(super) const REASONS: usize = 5;

/// The class of a model for devices that no other is for.
pub(super) const ANY: &str = "any";

/// A class in words, behind "devices of".
fn class_words(class: &str) -> Phrase {
    match class {
        ANY => say!("any-kind", "any kind"),
        class => Phrase::as_written(class),
    }
}

/// A reason, and how many tenfolds rarer than normal its part is, shared among the part's reasons.
pub(super) struct Weighed {
    pub weight: f64,
    pub text: Phrase,
}

/// How many tenfolds rarer than normal.
pub(super) fn tenfolds(chance: f64) -> f64 {
    -chance.log10() + 0.0
}

/// Shares the weight of a part among its reasons.
pub(super) fn weigh(chance: f64, reasons: &[Reason]) -> Vec<Weighed> {
    let all: f64 = reasons.iter().map(|r| r.share).sum();
    let each = |r: &Reason| Weighed {
        weight: tenfolds(chance) * r.share / all.max(1e-9),
        text: r.text(),
    };
    reasons.iter().map(each).collect()
}

pub(super) fn anomaly(
    who: IpAddr,
    class: &str,
    chances: &Chances,
    mut reasons: Vec<Weighed>,
    evidence: Vec<Order>,
) -> Behaviour {
    // Stable: of equal weights the first part comes first.
    reasons.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    reasons.truncate(REASONS);
    let parts = [
        ("conversations", chances.habit),
        ("packets", chances.packets),
        ("bytes_in_the_hour", chances.rate),
        ("off_list", chances.deviations),
    ];
    let features = parts
        .iter()
        .filter_map(|(name, p)| p.map(|p| (*name, tenfolds(p))));
    Behaviour {
        kind: "anomaly",
        reason: say!(
            "behaves-unusually",
            "{who} behaves as devices of {class} do not: {parts}",
            who = who,
            class = class_words(class),
            parts = sentences(reasons.into_iter().map(|r| r.text))
        ),
        score: 1.0 - chances.all,
        features: features.collect(),
        technique: None,
        evidence,
    }
}

/// `1.2 GB`.
pub(super) fn bytes(count: f64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut unit = 0;
    let mut value = count.max(0.0);
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1_000.0;
        unit += 1;
    }
    let digits = usize::from(unit > 0 && value < 99.95);
    format!("{value:.digits$} {}", UNITS[unit])
}

/// The hour that begins then, as `13:00`.
fn clock(at: Nanos) -> String {
    let hour = at.div_euclid(3_600_000_000_000).rem_euclid(24);
    format!("{hour:02}:00")
}

pub(super) fn rate(class: &str, at: Nanos, found: f64, told: &HourTold) -> Behaviour {
    let (low, high) = (bytes(told.expected.low), bytes(told.expected.high));
    let (at, sum) = (clock(at), bytes(found));
    let reason = match found > told.expected.high {
        true => say!(
            "rate-above",
            "devices of {class} exchanged {found} in the hour from {at} UTC, more than expected (normal: {low} to {high})",
            class = class_words(class),
            found = sum,
            at = at,
            low = low,
            high = high
        ),
        false => say!(
            "rate-below",
            "devices of {class} exchanged {found} in the hour from {at} UTC, less than expected (normal: {low} to {high})",
            class = class_words(class),
            found = sum,
            at = at,
            low = low,
            high = high
        ),
    };
    Behaviour {
        kind: "rate_unexpected",
        reason,
        score: 1.0 - told.chance,
        features: vec![
            ("bytes", found),
            ("expected_low", told.expected.low),
            ("expected", told.expected.middle),
            ("expected_high", told.expected.high),
        ],
        technique: None,
        evidence: Vec::new(),
    }
}

pub(super) fn class_drift(class: &str, figure: &Figure, reasons: &[Reason]) -> Behaviour {
    let parts = sentences(reasons.iter().map(Reason::text));
    let (index, moved, judged) = (format!("{:.2}", figure.index), figure.moved, figure.judged);
    let reason = match figure.suddenly * 2 > figure.moved {
        true => say!(
            "drift-class-suddenly",
            "{moved} of {judged} of {class} changed from one day to the next (shift {index}, normal: up to 0.25), \
             which an update does, and what spreads: {parts}",
            moved = moved,
            judged = counted(judged, "device", "devices"),
            class = class_words(class),
            index = index,
            parts = parts
        ),
        false => say!(
            "drift-class",
            "{moved} of {judged} of {class} are no longer as the model learned them (shift {index}, normal: up to \
             0.25), so it should be trained and signed anew: {parts}",
            moved = moved,
            judged = counted(judged, "device", "devices"),
            class = class_words(class),
            index = index,
            parts = parts
        ),
    };
    drift(reason, figure.index, figure)
}

pub(super) fn device_drift(who: IpAddr, class: &str, index: f64) -> Behaviour {
    let reason = say!(
        "drift-device",
        "{who} alone among the devices of {class} has slowly become another (shift {index}, normal: up to 0.25)",
        who = who,
        class = class_words(class),
        index = format!("{index:.2}")
    );
    let alone = Figure {
        moved: 1,
        judged: 1,
        ..Figure::default()
    };
    drift(reason, index, &alone)
}

fn drift(reason: Phrase, index: f64, figure: &Figure) -> Behaviour {
    Behaviour {
        kind: "drift",
        reason,
        score: 0.5,
        features: vec![
            ("shift", index),
            ("devices_moved", figure.moved as f64),
            ("devices_judged", figure.judged as f64),
            ("suddenly", figure.suddenly as f64),
        ],
        technique: None,
        evidence: Vec::new(),
    }
}

/// Alone and from a day to the next: that is no drift.
pub(super) fn suddenly(who: IpAddr, class: &str, index: f64, before: f64) -> Behaviour {
    Behaviour {
        kind: "anomaly",
        reason: say!(
            "changed-suddenly",
            "{who} alone among the devices of {class} changed from one day to the next: shift {index} (normal: up to 0.25; \
             the days before {before})",
            who = who,
            class = class_words(class),
            index = format!("{index:.2}"),
            before = format!("{before:.2}")
        ),
        score: 0.8,
        features: vec![("shift", index), ("shift_before", before)],
        technique: None,
        evidence: Vec::new(),
    }
}
