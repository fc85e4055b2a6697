//! How good who speaks is: one measure for the sensor and all its rivals.
//!
//! Owns: device-days as the unit of everything. What a device-day scores is the most that was said about that
//! device within it, for normal days and for days with an attack alike, so that nobody has more tries. Does not own:
//! who speaks.

use citywall_event::Nanos;

use super::attacks::{Attack, FAMILIES};
use super::city::City;
use super::stream::{DAY, HOUR};
use super::{BEGIN, CALIBRATED, DAYS, LEARNED, Run, Told};
use crate::metrics::threshold;
use citywall_behaviour::SplitMix64;

/// Something that was said about a device.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Say {
    pub unit: u16,
    pub day: u16,
    pub at: Nanos,
    pub score: f64,
    /// What, where it says that.
    pub kind: &'static str,
}

impl Say {
    /// What the sensor told.
    pub fn of(told: &Told, city: &City) -> Say {
        Say {
            unit: city.unit(told.about) as u16,
            day: (told.at - BEGIN).div_euclid(DAY).clamp(0, DAYS as i64 - 1) as u16,
            at: told.at,
            score: told.score,
            kind: told.kind,
        }
    }
}

/// When it is an alert.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// Whenever something is said: it has its own limit, and that was not made here.
    Said,
    /// Above this.
    Above(f64),
    /// Above what one in a thousand device-days of the calibration is above.
    Calibrated,
}

/// Who speaks.
pub struct Voice {
    pub name: String,
    /// What it said, for each run.
    pub says: Vec<Vec<Say>>,
    pub limit: Limit,
    /// CPU seconds for a million events.
    pub cpu: Option<f64>,
    /// Bytes for a device.
    pub state: Option<f64>,
}

/// How it fared with a family.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fared {
    /// True-positive rates at 1e-3 and at 1e-4, where the sample allows.
    pub rates: [Option<f64>; 2],
    /// Interval of the first.
    pub interval: Option<(f64, f64)>,
    pub attacks: usize,
    /// Told while it went on, or within an hour.
    pub told: usize,
    /// Told as what it is.
    pub right: usize,
    /// Seconds to the first alert, and share of the attack before it; what was never told is endless, and 1.
    pub waits: Vec<f64>,
    pub before: Vec<f64>,
}

/// How it fared.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    pub name: String,
    pub families: Vec<Fared>,
    /// False alerts for a device-day: of those learned and calibrated on, and of those judged.
    pub false_alerts: [f64; 2],
    pub cpu: Option<f64>,
    pub state: Option<f64>,
    /// Scores of normal device-days, and of each family's, by run: for intervals.
    scores: Vec<Scores>,
}

/// Scores of the device-days of a run that are judged.
#[derive(Clone, Debug, Default, PartialEq)]
struct Scores {
    /// Of normal ones: one list for all families, or one for each.
    normal: Vec<Vec<f64>>,
    attacks: Vec<Option<f64>>,
}

/// Rates of false alerts at which is measured.
pub const RATES: [f64; 2] = [1e-3, 1e-4];
/// Alerts of one device within this time are one.
const EPISODE: Nanos = HOUR;

/// True where a device-day has an attack, or its device was taken over by one.
pub fn attacked(run: &Run, unit: usize, day: u32) -> bool {
    let concerns = |a: &Attack| a.unit == unit || a.touched.contains(&unit);
    run.attacks.iter().any(|a| a.day == day && concerns(a))
}

/// The most that was said about each device on each day.
fn days(run: &Run, says: &[Say]) -> Vec<f64> {
    let units = run.city.units();
    let mut most = vec![f64::NEG_INFINITY; units * DAYS as usize];
    for say in says {
        if let Some(score) = most.get_mut(usize::from(say.day) * units + usize::from(say.unit)) {
            *score = score.max(say.score);
        }
    }
    // Who says nothing about a day says that it is normal.
    most.into_iter()
        .map(|s| if s.is_finite() { s } else { 0.0 })
        .collect()
}

/// Device-days of these days without attacks.
pub fn normal_days(run: &Run, from: u32, to: u32) -> usize {
    let days = (from..to).flat_map(|day| (0..run.city.units()).map(move |unit| (unit, day)));
    days.filter(|(unit, day)| !attacked(run, *unit, *day)).count()
}

/// Alerts of these days that no attack explains: those of one device within an hour are one.
pub fn false_alerts(run: &Run, says: &[Say], limit: f64, from: u32, to: u32) -> Vec<Say> {
    let within = |s: &&Say| (from..to).contains(&s.day.into()) && s.score > limit;
    let normal = |s: &&Say| !attacked(run, s.unit.into(), s.day.into());
    let mut alerts: Vec<Say> = says.iter().filter(within).filter(normal).copied().collect();
    alerts.sort_by_key(|s| (s.unit, s.at));
    // From the first of them: who never stops is told of every hour.
    let mut first: Option<(u16, Nanos)> = None;
    alerts.retain(|say| {
        let new = first.is_none_or(|(unit, at)| unit != say.unit || say.at - at > EPISODE);
        if new {
            first = Some((say.unit, say.at));
        }
        new
    });
    alerts
}

/// Measures, but for the intervals.
pub fn measure(voice: &Voice, runs: &[Run]) -> Figures {
    let mut calibration = Vec::new();
    let mut scores = Vec::new();
    for (run, says) in runs.iter().zip(&voice.says) {
        let (all, units) = (days(run, says), run.city.units());
        let of = |day: u32, unit: usize| all[day as usize * units + unit];
        calibration.extend(
            (LEARNED..CALIBRATED)
                .flat_map(|day| (0..units).map(move |u| (day, u)))
                .map(|(d, u)| of(d, u)),
        );
        let mut found = Scores {
            normal: vec![Vec::new()],
            ..Scores::default()
        };
        for (day, unit) in (CALIBRATED..DAYS).flat_map(|day| (0..units).map(move |u| (day, u))) {
            if !attacked(run, unit, day) {
                found.normal[0].push(of(day, unit));
            }
        }
        let attack = |family| run.attacks.iter().find(|a| a.family == family);
        found.attacks = (0..FAMILIES.len())
            .map(|family| attack(family).map(|a| of(a.day, a.unit)))
            .collect();
        scores.push(found);
    }
    let limit = match voice.limit {
        Limit::Said => f64::NEG_INFINITY,
        Limit::Above(limit) => limit,
        Limit::Calibrated => threshold(&calibration, RATES[0]),
    };
    let mut families = vec![Fared::default(); FAMILIES.len()];
    let every: Vec<&Scores> = scores.iter().collect();
    for (i, rate) in RATES.into_iter().enumerate() {
        for (family, found) in families.iter_mut().zip(rates(&every, rate)) {
            family.rates[i] = found;
        }
    }
    for (run, says) in runs.iter().zip(&voice.says) {
        for attack in &run.attacks {
            families[attack.family].take(attack, says, limit);
        }
    }
    let share = |from, to| {
        let all = runs.iter().zip(&voice.says);
        let alerts: usize = all
            .map(|(run, says)| false_alerts(run, says, limit, from, to).len())
            .sum();
        let days: usize = runs.iter().map(|run| normal_days(run, from, to)).sum();
        alerts as f64 / days.max(1) as f64
    };
    Figures {
        name: voice.name.clone(),
        families,
        false_alerts: [share(0, CALIBRATED), share(CALIBRATED, DAYS)],
        cpu: voice.cpu,
        state: voice.state,
        scores,
    }
}

impl Fared {
    /// One more attack.
    pub fn take(&mut self, attack: &Attack, says: &[Say], limit: f64) {
        let (start, end) = (attack.start(), attack.end());
        let of_it = |s: &&Say| {
            usize::from(s.unit) == attack.unit && s.score > limit && s.at >= start && s.at <= end + EPISODE
        };
        let alerts = || says.iter().filter(of_it);
        let first = alerts().map(|s| s.at).min();
        self.attacks += 1;
        self.told += usize::from(first.is_some());
        self.right += usize::from(alerts().any(|s| FAMILIES[attack.family].right.contains(&s.kind)));
        self.waits
            .push(first.map_or(f64::INFINITY, |at| (at - start) as f64 / 1e9));
        let until = first.unwrap_or(Nanos::MAX);
        let weight = |until: Nanos| -> f64 { attack.done.iter().filter(|d| d.0 <= until).map(|d| d.1).sum() };
        let before = if first.is_some() {
            weight(until) / weight(Nanos::MAX).max(1e-9)
        } else {
            1.0
        };
        self.before.push(before);
    }
}

/// True-positive rates of all families at the lowest limit that at most `rate` of the normal device-days are
/// above. `None` where there are too few of them to say, or no attack.
fn rates(scores: &[&Scores], rate: f64) -> Vec<Option<f64>> {
    let lists = scores.first().map_or(0, |s| s.normal.len());
    let limits: Vec<(bool, f64)> = (0..lists)
        .map(|list| {
            let normal: Vec<f64> = scores.iter().flat_map(|s| &s.normal[list]).copied().collect();
            (normal.len() as f64 * rate >= 1.0, threshold(&normal, rate))
        })
        .collect();
    (0..FAMILIES.len())
        .map(|family| {
            let (enough, limit) = *limits.get(family).or(limits.first())?;
            let of = scores
                .iter()
                .filter_map(|s| s.attacks.get(family).copied().flatten());
            let of: Vec<f64> = of.collect();
            let found = of.iter().filter(|s| **s > limit).count();
            (enough && !of.is_empty()).then(|| found as f64 / of.len() as f64)
        })
        .collect()
}

/// Each family by what is meant for it alone: `of` says which of the voice's words those are. Everything else
/// is what it is for the whole voice.
pub fn measure_each(voice: &Voice, runs: &[Run], of: impl Fn(usize, &Say) -> bool) -> Figures {
    let mut all = measure(voice, runs);
    all.scores.iter_mut().for_each(|s| s.normal.clear());
    for family in 0..FAMILIES.len() {
        let says = voice.says.iter();
        let says = says.map(|says| says.iter().filter(|say| of(family, say)).copied().collect());
        let meant = Voice {
            name: String::new(),
            says: says.collect(),
            ..*voice
        };
        let mut found = measure(&meant, runs);
        all.families[family].rates = found.families[family].rates;
        for (run, found) in all.scores.iter_mut().zip(&mut found.scores) {
            run.normal.append(&mut found.normal);
            run.attacks[family] = found.attacks[family];
        }
    }
    all
}

/// The mean over some families.
pub fn mean(rates: &[Option<f64>], of: &[usize]) -> Option<f64> {
    let found: Vec<f64> = of.iter().filter_map(|f| rates[*f]).collect();
    (!found.is_empty()).then(|| found.iter().sum::<f64>() / found.len() as f64)
}

impl Figures {
    /// The true-positive rates at 1e-3 (0) or 1e-4 (1).
    pub fn rates(&self, which: usize) -> Vec<Option<f64>> {
        self.families.iter().map(|f| f.rates[which]).collect()
    }

    /// Draws runs with replacement: intervals of 95 % of each family's rate at 1e-3, and of the mean over
    /// `headline`.
    pub fn draw(&mut self, draws: usize, seed: u64, headline: &[usize]) -> Option<(f64, f64)> {
        let mut random = SplitMix64::new(seed);
        let mut found: Vec<Vec<f64>> = vec![Vec::new(); FAMILIES.len()];
        let mut means = Vec::new();
        for _ in 0..draws {
            let drawn: Vec<&Scores> = (0..self.scores.len())
                .map(|_| &self.scores[random.below(self.scores.len())])
                .collect();
            let rates = rates(&drawn, RATES[0]);
            means.extend(mean(&rates, headline));
            for (all, rate) in found.iter_mut().zip(rates) {
                all.extend(rate);
            }
        }
        for (family, all) in self.families.iter_mut().zip(found) {
            family.interval = middle(all);
        }
        middle(means)
    }
}

fn middle(mut all: Vec<f64>) -> Option<(f64, f64)> {
    all.sort_by(f64::total_cmp);
    let at = |share: f64| {
        all.get((share * all.len().saturating_sub(1) as f64).round() as usize)
            .copied()
    };
    Some((at(0.025)?, at(0.975)?))
}
