//! What a score means: how often something normal scores as high.
//!
//! Owns: the quantiles of normal scores, the chance that they give, how it falls beyond all that was seen, and
//! one chance of several. Does not own: the scores, and from which chance on somebody is told.

/// Points that scores are told by.
pub(crate) const POINTS: usize = 256;
/// No chance is smaller: beyond that a number says nothing.
const LEAST: f64 = 1e-12;

/// How normal things score.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    pub(crate) count: u32,
    /// Ascending, from the least to the most.
    pub(crate) points: Vec<f32>,
}

impl Calibration {
    pub(crate) fn of(mut scores: Vec<f32>) -> Calibration {
        scores.sort_by(f32::total_cmp);
        let last = scores.len().saturating_sub(1);
        let points = (0..POINTS.min(scores.len())).map(|i| {
            let place = i * last / (POINTS.min(scores.len()) - 1).max(1);
            scores[place]
        });
        Calibration {
            count: scores.len() as u32,
            points: points.collect(),
        }
    }

    /// The chance that something normal scores at least so high (the p-value of conformal prediction, Vovk,
    /// Gammerman and Shafer 2005): never below one in as many as were seen.
    pub fn chance(&self, score: f64) -> f64 {
        // As narrow as the points are: what is equal must not be beyond by rounding.
        let score = score as f32;
        let below = self.points.partition_point(|p| *p < score);
        let share = 1.0 - below as f64 / self.points.len().max(1) as f64;
        (1.0 + f64::from(self.count) * share) / (f64::from(self.count) + 1.0)
    }

    /// The same, and beyond all that was seen tenfold less with each quarter of the distance from the middle to
    /// the most, or with each `step`, whichever is more: where all that is normal is alike, a little means little.
    pub fn tail(&self, score: f64, step: f64) -> f64 {
        let most = self.at(self.points.len().saturating_sub(1));
        let beyond = f64::from(score as f32) - most;
        if beyond.is_nan() || beyond <= 0.0 {
            return self.chance(score);
        }
        let tenfold = ((most - self.middle()) / 4.0).max(step);
        let fallen = 10f64.powf(-(beyond / tenfold).min(12.0));
        (fallen / (f64::from(self.count) + 1.0)).max(LEAST)
    }

    /// From here on a single score is beyond the highest normal one by a quarter of its distance to the middle.
    pub fn limit(&self) -> f64 {
        let most = self.at(self.points.len().saturating_sub(1));
        most + (most - self.middle()) / 4.0
    }

    /// How many scores it is made of.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The score that this share of what is normal is below.
    pub fn quantile(&self, share: f64) -> f64 {
        let last = self.points.len().saturating_sub(1);
        self.at((share.clamp(0.0, 1.0) * last as f64).round() as usize)
    }

    fn middle(&self) -> f64 {
        self.at(self.points.len() / 2)
    }

    fn at(&self, place: usize) -> f64 {
        self.points.get(place).copied().map_or(0.0, f64::from)
    }
}

/// One chance of several that do not depend on each other (Fisher 1925): that all together are as small.
/// That they do depend is made good by a calibration of what comes out.
pub fn together(chances: &[f64]) -> f64 {
    if chances.is_empty() {
        return 1.0;
    }
    let sum: f64 = chances.iter().map(|p| -p.clamp(LEAST, 1.0).ln()).sum();
    let (mut term, mut terms) = (1.0, 0.0);
    for n in 1..=chances.len() {
        terms += term;
        term *= sum / n as f64;
    }
    ((-sum).exp() * terms).clamp(LEAST, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SplitMix64;

    #[test]
    fn a_chance_is_one() {
        let c = Calibration::of((0..1_000).map(|i| i as f32).collect());
        assert!((c.chance(500.0) - 0.5).abs() < 0.01);
        assert!((c.chance(1e9) - 1.0 / 1_001.0).abs() < 1e-9);
        assert_eq!(c.chance(-1.0), 1.0);
        assert!(c.limit() > 1_100.0);
    }

    #[test]
    fn beyond_all_that_was_seen_it_falls_tenfold_by_step() {
        let c = Calibration::of((0..1_000).map(|i| i as f32).collect());
        assert_eq!(c.tail(500.0, 1.0), c.chance(500.0));
        // A quarter of 999 less 500 or so.
        assert!((c.tail(999.0 + 125.0, 1.0) * 10_010.0 - 1.0).abs() < 0.02);
        let alike = Calibration::of(vec![3.0; 99]);
        assert!((alike.tail(7.0, 4.0) - 0.001).abs() < 1e-9);
        for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!((LEAST..=1.0).contains(&c.tail(odd, 1.0)), "{odd}");
        }
    }

    #[test]
    fn chances_of_what_is_independent_stay_chances() {
        let mut random = SplitMix64::new(5);
        let draws = 20_000;
        for count in 1..=4 {
            let small = (0..draws)
                .filter(|_| {
                    let all: Vec<f64> = (0..count).map(|_| random.unit()).collect();
                    together(&all) < 0.01
                })
                .count();
            let share = small as f64 / f64::from(draws);
            assert!((0.007..0.013).contains(&share), "{count}: {share}");
        }
        assert!((together(&[0.02]) - 0.02).abs() < 1e-12);
        assert_eq!(together(&[]), 1.0);
    }
}
