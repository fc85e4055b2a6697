//! What traffic to expect next, with an interval.
//!
//! Owns: exponential smoothing with a season (Holt 1957, Winters 1960, additive, with a damped trend) over
//! the logarithm of a count, and intervals from its own past errors, whose width follows how often they
//! held (adaptive conformal inference, Gibbs and Candes 2021). Does not own: what is counted, and
//! whether more than expected is an attack.

use std::collections::VecDeque;

const LEVEL: f64 = 0.3;
const TREND: f64 = 0.02;
const SEASON: f64 = 0.2;
const DAMPED: f64 = 0.95;
/// Past errors that an interval is made of.
pub(crate) const ERRORS: usize = 512;
/// Share of values that may lie outside.
const OUTSIDE: f64 = 0.1;
/// How fast the width follows.
const FOLLOW: f64 = 0.01;
/// Errors before the first interval.
pub(crate) const ENOUGH: usize = 20;

/// What was expected of a value before it came.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expected {
    /// The interval that nine of ten values lie in.
    pub low: f64,
    /// The middle.
    pub middle: f64,
    /// See `low`.
    pub high: f64,
    /// The value lay in it.
    pub held: bool,
}

/// A forecast of one series of counts, one step ahead.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecast {
    pub(crate) level: f64,
    pub(crate) trend: f64,
    /// One value a step of the season; a season of one step is none.
    pub(crate) season: Vec<f64>,
    /// The first season, until it is whole.
    pub(crate) first: Vec<f64>,
    pub(crate) step: usize,
    pub(crate) errors: VecDeque<f64>,
    pub(crate) outside: f64,
}

impl Forecast {
    /// A forecast with a season of so many steps, at most 10,080 (a week of minutes).
    pub fn new(season: usize) -> Forecast {
        Forecast {
            level: 0.0,
            trend: 0.0,
            season: vec![0.0; season.clamp(1, 10_080)],
            first: Vec::new(),
            step: 0,
            errors: VecDeque::new(),
            outside: OUTSIDE,
        }
    }

    /// Takes the next value (0 or more); says what was expected, once enough is known.
    pub fn observe(&mut self, value: f64) -> Option<Expected> {
        let value = if value.is_finite() { value.max(0.0) } else { 0.0 };
        let y = value.ln_1p();
        let period = self.season.len();
        if self.first.len() < period {
            self.first.push(y);
            if self.first.len() == period {
                self.level = self.first.iter().sum::<f64>() / period as f64;
                self.season = self.first.iter().map(|v| v - self.level).collect();
            }
            return None;
        }
        let at = self.step;
        let (seasonal, middle) = self.middle();
        self.step = (self.step + 1) % period;
        let expected = self.width().map(|width| {
            let held = (y - middle).abs() <= width;
            let off = if held { 0.0 } else { 1.0 };
            self.outside = (self.outside + FOLLOW * (OUTSIDE - off)).clamp(0.002, 0.6);
            Expected {
                held,
                ..interval(middle, width)
            }
        });
        if self.errors.len() >= ERRORS {
            self.errors.pop_front();
        }
        self.errors.push_back((y - middle).abs());
        let level = LEVEL * (y - seasonal) + (1.0 - LEVEL) * (self.level + DAMPED * self.trend);
        self.trend = TREND * (level - self.level) + (1.0 - TREND) * DAMPED * self.trend;
        self.level = level;
        if period > 1 {
            self.season[at] = SEASON * (y - level) + (1.0 - SEASON) * seasonal;
        }
        expected
    }

    /// What is expected of the next value, once enough is known.
    pub fn next(&self) -> Option<Expected> {
        match self.first.len() < self.season.len() {
            true => None,
            false => self.width().map(|width| interval(self.middle().1, width)),
        }
    }

    /// Goes over steps of which nothing is known. A first season that is not whole begins anew.
    pub(crate) fn skip(&mut self, steps: u64) {
        let period = self.season.len();
        if steps == 0 {
            return;
        }
        if self.first.len() < period {
            self.first.clear();
        } else {
            self.step = ((self.step as u64 + steps % period as u64) % period as u64) as usize;
        }
    }

    /// Forgets the first season's values: what they taught stands in the season.
    pub(crate) fn settle(&mut self) {
        self.first.fill(0.0);
    }

    /// How far a value is from what is expected of it, on the scale of the logarithm.
    pub(crate) fn off(&self, value: f64) -> f64 {
        value.max(0.0).ln_1p() - self.middle().1
    }

    /// The next value's part of the season, and its middle.
    fn middle(&self) -> (f64, f64) {
        let seasonal = match self.season.len() > 1 {
            true => self.season.get(self.step).copied().unwrap_or(0.0),
            false => 0.0,
        };
        (seasonal, self.level + DAMPED * self.trend + seasonal)
    }

    /// Half the interval's width: the error that all but `outside` of the past ones were below.
    fn width(&self) -> Option<f64> {
        if self.errors.len() < ENOUGH {
            return None;
        }
        let mut sorted: Vec<f64> = self.errors.iter().copied().collect();
        let rank = ((1.0 - self.outside) * (sorted.len() + 1) as f64).ceil() as usize;
        let place = rank.clamp(1, sorted.len()) - 1;
        let (_, at, _) = sorted.select_nth_unstable_by(place, f64::total_cmp);
        Some(*at)
    }
}

fn interval(middle: f64, width: f64) -> Expected {
    let count = |log: f64| log.clamp(0.0, 700.0).exp_m1();
    Expected {
        low: count(middle - width),
        middle: count(middle),
        high: count(middle + width),
        held: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SplitMix64;

    fn share_held(season: usize, values: impl Iterator<Item = f64>) -> f64 {
        let mut forecast = Forecast::new(season);
        let told: Vec<bool> = values
            .filter_map(|v| forecast.observe(v))
            .map(|e| e.held)
            .collect();
        told.iter().filter(|h| **h).count() as f64 / told.len() as f64
    }

    /// Nine of ten, within two of a hundred, whatever the law.
    #[test]
    fn intervals_hold_on_known_laws() {
        let day = |i: usize| 1_000.0 + 800.0 * (std::f64::consts::TAU * i as f64 / 96.0).sin();
        for seed in 0..3 {
            let mut r = SplitMix64::new(seed);
            let normal = share_held(96, (0..6_000).map(|i| day(i) + 60.0 * r.normal()));
            let mut r = SplitMix64::new(seed);
            let heavy = share_held(
                96,
                (0..6_000).map(|i| day(i) * (0.3 / r.unit().max(1e-6)).powf(0.5)),
            );
            let mut r = SplitMix64::new(seed);
            let wider = share_held(1, (0..6_000).map(|i| 500.0 + f64::from(i) / 60.0 * r.normal()));
            for share in [normal, heavy, wider] {
                assert!((0.88..=0.92).contains(&share), "{normal} {heavy} {wider}");
            }
        }
    }

    #[test]
    fn what_repeats_is_expected() {
        let mut forecast = Forecast::new(24);
        let value = |i: usize| 100.0 + 50.0 * (i % 24) as f64;
        let last = (0..24 * 20)
            .filter_map(|i| forecast.observe(value(i)).map(|e| (i, e)))
            .last();
        let (i, expected) = last.expect("an interval");
        assert!(
            (expected.middle / value(i) - 1.0).abs() < 0.02,
            "{expected:?} {}",
            value(i)
        );
        let flood = forecast.observe(1e6).expect("an interval");
        assert!(!flood.held && flood.high < 2_000.0);
    }

    #[test]
    fn odd_values_do_no_harm() {
        let mut forecast = Forecast::new(4);
        for value in [f64::NAN, -5.0, f64::INFINITY, f64::MAX, 0.0]
            .into_iter()
            .cycle()
            .take(400)
        {
            if let Some(e) = forecast.observe(value) {
                assert!(e.low.is_finite() && e.high.is_finite());
            }
        }
    }
}
