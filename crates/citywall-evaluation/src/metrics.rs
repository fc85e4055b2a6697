//! What a list of scores is worth.
//!
//! Owns: the published measures of a ranking and of an alarm, and their bootstrap intervals. Does not
//! own: where scores come from, and how a threshold is chosen before the test (`trial`).

use citywall_behaviour::SplitMix64;

/// One judged thing: its score (larger is less normal), and whether it was an attack.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored {
    /// The score; not a number counts as the lowest.
    pub score: f64,
    /// An attack.
    pub attack: bool,
    /// The device, run or capture that it belongs to: the unit of the bootstrap.
    pub group: u32,
}

/// The area under the receiver operating characteristic: the chance that an attack scores above a
/// normal thing, ties counted half (Hanley and McNeil 1982). `None` where one of the two is absent.
pub fn roc_auc(scores: &[Scored]) -> Option<f64> {
    let (attacks, normal) = counts(scores);
    if attacks == 0 || normal == 0 {
        return None;
    }
    let mut below = 0.0;
    let mut normal_so_far = 0.0;
    for tie in ties(&descending(scores)).rev() {
        let (a, n) = counts(tie);
        below += a as f64 * (normal_so_far + n as f64 / 2.0);
        normal_so_far += n as f64;
    }
    Some(below / (attacks as f64 * normal as f64))
}

/// Average precision: the sum over thresholds of precision times the step of recall (Manning,
/// Raghavan and Schuetze 2008, chapter 8). `None` where there is no attack.
pub fn pr_auc(scores: &[Scored]) -> Option<f64> {
    let (attacks, _) = counts(scores);
    if attacks == 0 {
        return None;
    }
    let (mut found, mut all, mut area) = (0.0, 0.0, 0.0);
    for tie in ties(&descending(scores)) {
        let (a, n) = counts(tie);
        found += a as f64;
        all += (a + n) as f64;
        area += found / all * (a as f64 / attacks as f64);
    }
    Some(area)
}

/// Recall at the lowest threshold at which at most `rate` of the normal things are above it. `None`
/// where the sample does not allow to say: fewer than `1 / rate` normal things, or no attack.
pub fn recall_at(scores: &[Scored], rate: f64) -> Option<f64> {
    let (attacks, normal) = counts(scores);
    if attacks == 0 || (normal as f64) * rate < 1.0 {
        return None;
    }
    let allowed = (normal as f64 * rate).floor() as usize;
    let (mut found, mut false_ones) = (0, 0);
    for tie in ties(&descending(scores)) {
        let (a, n) = counts(tie);
        if false_ones + n > allowed {
            break;
        }
        found += a;
        false_ones += n;
    }
    Some(found as f64 / attacks as f64)
}

/// The threshold that at most `rate` of a calibration period's scores are above; the largest score
/// where it is too short for the rate.
pub fn threshold(calibration: &[f64], rate: f64) -> f64 {
    let mut sorted: Vec<f64> = calibration.iter().copied().filter(|s| !s.is_nan()).collect();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let allowed = (sorted.len() as f64 * rate).floor() as usize;
    sorted.get(allowed).copied().unwrap_or(f64::INFINITY)
}

/// An interval of 95 % for a measure, by drawing groups with replacement (Efron 1979). With one group
/// there is nothing to draw: the things themselves are drawn, and they are not independent.
pub fn interval(
    scores: &[Scored],
    draws: usize,
    seed: u64,
    measure: impl Fn(&[Scored]) -> Option<f64>,
) -> Option<(f64, f64)> {
    let mut random = SplitMix64::new(seed);
    let mut names: Vec<u32> = scores.iter().map(|s| s.group).collect();
    names.sort_unstable();
    names.dedup();
    let groups: Vec<Vec<Scored>> = match names.len() {
        0 => return None,
        1 => scores.iter().map(|s| vec![*s]).collect(),
        _ => {
            let mut groups = vec![Vec::new(); names.len()];
            for s in scores {
                groups[names.binary_search(&s.group).unwrap_or(0)].push(*s);
            }
            groups
        }
    };
    let mut found = Vec::new();
    let mut drawn = Vec::new();
    for _ in 0..draws {
        drawn.clear();
        for _ in 0..groups.len() {
            drawn.extend_from_slice(&groups[random.below(groups.len())]);
        }
        found.extend(measure(&drawn));
    }
    found.sort_by(f64::total_cmp);
    let at = |share: f64| {
        found
            .get((share * found.len().saturating_sub(1) as f64).round() as usize)
            .copied()
    };
    Some((at(0.025)?, at(0.975)?))
}

/// Attacks, and normal things.
pub fn counts(scores: &[Scored]) -> (usize, usize) {
    let attacks = scores.iter().filter(|s| s.attack).count();
    (attacks, scores.len() - attacks)
}

fn descending(scores: &[Scored]) -> Vec<Scored> {
    let mut sorted: Vec<Scored> = scores.to_vec();
    for s in &mut sorted {
        if s.score.is_nan() {
            s.score = f64::NEG_INFINITY;
        }
        // Minus zero is zero.
        s.score += 0.0;
    }
    sorted.sort_by(|a, b| b.score.total_cmp(&a.score));
    sorted
}

/// Runs of equal scores.
fn ties(sorted: &[Scored]) -> impl DoubleEndedIterator<Item = &[Scored]> {
    sorted.chunk_by(|a, b| a.score == b.score)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list(scores: &[(f64, bool)]) -> Vec<Scored> {
        let one = |(group, &(score, attack)): (usize, &(f64, bool))| Scored {
            score,
            attack,
            group: group as u32,
        };
        scores.iter().enumerate().map(one).collect()
    }

    /// The example in the documentation of scikit-learn's `roc_auc_score` and
    /// `average_precision_score`: labels 0 0 1 1, scores 0.1 0.4 0.35 0.8 give 0.75 and 0.83.
    #[test]
    fn the_worked_example_of_scikit_learn() {
        let scores = list(&[(0.1, false), (0.4, false), (0.35, true), (0.8, true)]);
        assert_eq!(roc_auc(&scores), Some(0.75));
        let area = pr_auc(&scores).expect("there are attacks");
        assert!((area - 0.833_333_333).abs() < 1e-6, "{area}");
    }

    /// The ten ranked documents of Manning, Raghavan and Schuetze 2008, section 8.4's form of average
    /// precision, by hand: relevant at ranks 1, 3 and 6: (1/1 + 2/3 + 3/6) / 3.
    #[test]
    fn average_precision_by_hand() {
        let relevant = [true, false, true, false, false, true, false, false, false, false];
        let scores: Vec<(f64, bool)> = relevant
            .iter()
            .enumerate()
            .map(|(i, r)| (10.0 - i as f64, *r))
            .collect();
        let area = pr_auc(&list(&scores)).expect("there are attacks");
        assert!((area - (1.0 + 2.0 / 3.0 + 0.5) / 3.0).abs() < 1e-12);
    }

    #[test]
    fn equal_scores_know_nothing() {
        let scores = list(&[(1.0, true), (1.0, false), (1.0, false), (1.0, true)]);
        assert_eq!(roc_auc(&scores), Some(0.5));
        assert_eq!(recall_at(&scores, 0.5), Some(0.0));
    }

    #[test]
    fn a_sample_that_is_too_small_for_a_rate_says_nothing() {
        let mut scores: Vec<(f64, bool)> = (0..999).map(|i| (f64::from(i), false)).collect();
        scores.push((2_000.0, true));
        assert_eq!(recall_at(&list(&scores), 1e-3), None);
        scores.push((3.5, false));
        assert_eq!(recall_at(&list(&scores), 1e-3), Some(1.0));
    }

    #[test]
    fn a_threshold_holds_its_rate_on_the_calibration() {
        let scores: Vec<f64> = (0..1_000).map(f64::from).collect();
        let above = |t: f64| scores.iter().filter(|s| **s > t).count();
        assert_eq!(above(threshold(&scores, 1e-2)), 10);
        assert_eq!(above(threshold(&scores, 1e-9)), 0);
    }

    #[test]
    fn the_interval_of_what_does_not_vary_is_a_point() {
        let scores = list(&[(2.0, true), (1.0, false), (2.0, true), (1.0, false)]);
        assert_eq!(
            interval(&scores, 200, 7, roc_auc),
            interval(&scores, 200, 7, roc_auc)
        );
        assert_eq!(interval(&scores, 200, 7, roc_auc), Some((1.0, 1.0)));
    }

    proptest! {
        /// Turning all scores round turns the area round.
        #[test]
        fn the_area_of_the_opposite(given in proptest::collection::vec((-5i32..5, any::<bool>()), 2..60)) {
            let there = list(&given.iter().map(|(s, a)| (f64::from(*s), *a)).collect::<Vec<_>>());
            let back: Vec<Scored> = there.iter().map(|s| Scored { score: -s.score, ..*s }).collect();
            if let (Some(a), Some(b)) = (roc_auc(&there), roc_auc(&back)) {
                prop_assert!((a + b - 1.0).abs() < 1e-9);
            }
        }

        /// The area is the share of pairs in the right order, counted one by one.
        #[test]
        fn the_area_is_the_share_of_pairs(given in proptest::collection::vec((0i32..6, any::<bool>()), 2..40)) {
            let scores = list(&given.iter().map(|(s, a)| (f64::from(*s), *a)).collect::<Vec<_>>());
            let (mut right, mut pairs) = (0.0, 0.0);
            for a in scores.iter().filter(|s| s.attack) {
                for n in scores.iter().filter(|s| !s.attack) {
                    pairs += 1.0;
                    right += if a.score > n.score { 1.0 } else if a.score == n.score { 0.5 } else { 0.0 };
                }
            }
            if let Some(area) = roc_auc(&scores) {
                prop_assert!((area - right / pairs).abs() < 1e-9);
            }
        }
    }
}
