//! A small ensemble of autoencoders over the features of packets.
//!
//! Owns: KitNET (Mirsky and others 2018, section V): features that go together are one group of at most
//! ten, each group has an autoencoder of three layers, and one more looks at their errors. Trained on
//! normal packets alone, one pass, from a seed. Does not own: the features (`damped`), and from which
//! score on somebody is told.

use citywall_event::{Phrase, say};

use crate::SplitMix64;
use crate::learned::damped::{PACKET_FEATURES, packet_feature};
use crate::learned::habit::{Judgement, Reason, feature_words, range};

/// Features in a group, at most.
pub(crate) const GROUP: usize = 10;
/// Units of the hidden layer for each of the outer ones.
const HIDDEN: f32 = 0.75;
/// Step of the descent.
const STEP: f32 = 0.1;

/// One packet's features.
pub type PacketRow = [f32; PACKET_FEATURES];

/// An autoencoder of three layers: tied weights, sigmoid units.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Autoencoder {
    pub(crate) inputs: usize,
    pub(crate) hidden: usize,
    /// One row of inputs for each hidden unit.
    pub(crate) weights: Vec<f32>,
    pub(crate) hidden_bias: Vec<f32>,
    pub(crate) output_bias: Vec<f32>,
}

/// The ensemble.
#[derive(Clone, Debug, PartialEq)]
pub struct Ensemble {
    /// Least and most of each feature in training.
    pub(crate) low: Vec<f32>,
    pub(crate) high: Vec<f32>,
    /// The features of each group.
    pub(crate) groups: Vec<Vec<u16>>,
    pub(crate) encoders: Vec<Autoencoder>,
    /// Least and most error of each group in training.
    pub(crate) error_low: Vec<f32>,
    pub(crate) error_high: Vec<f32>,
    pub(crate) output: Autoencoder,
}

/// What scoring writes to; made once.
#[derive(Clone, Debug, Default)]
pub struct Workspace {
    inputs: Vec<f32>,
    hidden: Vec<f32>,
    outputs: Vec<f32>,
    errors: Vec<f32>,
}

/// From here on an input is beyond what training saw by so much that more says nothing.
const BEYOND: f32 = 8.0;

impl Ensemble {
    /// Trains on normal packets, in their order. `None` where there are fewer than 100.
    pub fn train(rows: &[PacketRow], seed: u64) -> Option<Ensemble> {
        if rows.len() < 100 {
            return None;
        }
        let mut random = SplitMix64::new(seed);
        let mut low = vec![f32::MAX; PACKET_FEATURES];
        let mut high = vec![f32::MIN; PACKET_FEATURES];
        for row in rows {
            for ((low, high), value) in low.iter_mut().zip(&mut high).zip(row) {
                *low = low.min(*value);
                *high = high.max(*value);
            }
        }
        let groups = groups(rows);
        let encoders = groups
            .iter()
            .map(|g| Autoencoder::new(g.len(), &mut random))
            .collect();
        let mut ensemble = Ensemble {
            output: Autoencoder::new(groups.len(), &mut random),
            error_low: vec![f32::MAX; groups.len()],
            error_high: vec![f32::MIN; groups.len()],
            low,
            high,
            groups,
            encoders,
        };
        let mut work = Workspace::default();
        // The first half teaches the groups; what they get wrong in the second teaches the output.
        let (first, second) = rows.split_at(rows.len() / 2);
        for row in first {
            ensemble.teach(row, &mut work);
        }
        let mut errors = Vec::with_capacity(second.len());
        for row in second {
            ensemble.teach(row, &mut work);
            for ((low, high), e) in ensemble
                .error_low
                .iter_mut()
                .zip(&mut ensemble.error_high)
                .zip(&work.errors)
            {
                *low = low.min(*e);
                *high = high.max(*e);
            }
            errors.push(work.errors.clone());
        }
        for errors in errors {
            work.inputs.clear();
            let scaled = errors
                .iter()
                .zip(ensemble.error_low.iter().zip(&ensemble.error_high));
            work.inputs
                .extend(scaled.map(|(e, (low, high))| scale(*e, *low, *high)));
            ensemble.output.teach(&mut work);
        }
        Some(ensemble)
    }

    fn teach(&mut self, row: &PacketRow, work: &mut Workspace) {
        work.errors.clear();
        for (group, encoder) in self.groups.iter().zip(&mut self.encoders) {
            gather(group, row, &self.low, &self.high, &mut work.inputs);
            let error = encoder.teach(work);
            work.errors.push(error);
        }
    }

    /// How badly the ensemble tells the packet again; near 0 is normal.
    pub fn score(&self, row: &PacketRow, work: &mut Workspace) -> f32 {
        work.errors.clear();
        for (group, encoder) in self.groups.iter().zip(&self.encoders) {
            gather(group, row, &self.low, &self.high, &mut work.inputs);
            let error = encoder.error(work);
            work.errors.push(error);
        }
        work.inputs.clear();
        for (e, (low, high)) in work
            .errors
            .iter()
            .zip(self.error_low.iter().zip(&self.error_high))
        {
            work.inputs.push(scale(*e, *low, *high));
        }
        self.output.error(work)
    }

    /// The score, and the features that were told worst beside what training saw of them.
    pub fn judge(&self, row: &PacketRow, work: &mut Workspace) -> Judgement {
        let score = self.score(row, work);
        let mut parts: Vec<(f32, usize)> = Vec::new();
        for (group, encoder) in self.groups.iter().zip(&self.encoders) {
            gather(group, row, &self.low, &self.high, &mut work.inputs);
            encoder.error(work);
            let off = work.inputs.iter().zip(&work.outputs).map(|(a, b)| (a - b).abs());
            parts.extend(off.zip(group).map(|(off, f)| (off, usize::from(*f))));
        }
        // What training never saw first: of the rest only how it goes together is odd.
        let outside = |f: usize| row[f] < self.low[f] || row[f] > self.high[f];
        parts.sort_by(|a, b| {
            let order = outside(b.1).cmp(&outside(a.1)).then(b.0.total_cmp(&a.0));
            order.then(a.1.cmp(&b.1))
        });
        let beyond = parts.iter().filter(|(_, f)| outside(*f)).count();
        if beyond > 0 {
            parts.truncate(beyond);
        }
        let reason = |(share, f): (f32, usize)| {
            let (name, seconds) = packet_feature(f);
            Reason {
                feature: name,
                share: f64::from(share),
                what: say!(
                    "packet-feature",
                    "{feature} over {seconds} s",
                    feature = feature_words(name),
                    seconds = format!("{seconds:.1}")
                ),
                found: Phrase::as_written(format!("{:.2}", row[f])),
                normal: range(self.low[f].into(), self.high[f].into(), 2),
            }
        };
        Judgement {
            score: f64::from(score),
            reasons: parts.into_iter().take(5).map(reason).collect(),
        }
    }
}

/// Into 0 to 1 by what training saw; beyond it stays beyond, bounded.
#[inline]
fn scale(value: f32, low: f32, high: f32) -> f32 {
    let width = high - low;
    let scaled = if width > 1e-6 * high.abs().max(1e-6) {
        (value - low) / width
    } else {
        (value - low) / high.abs().max(1e-3)
    };
    if scaled.is_finite() {
        scaled.clamp(-BEYOND, BEYOND)
    } else {
        BEYOND
    }
}

#[inline]
fn gather(group: &[u16], row: &PacketRow, low: &[f32], high: &[f32], out: &mut Vec<f32>) {
    out.clear();
    out.extend(group.iter().map(|f| {
        let f = usize::from(*f);
        scale(row[f], low[f], high[f])
    }));
}

impl Autoencoder {
    fn new(inputs: usize, random: &mut SplitMix64) -> Autoencoder {
        let hidden = ((inputs as f32 * HIDDEN).ceil() as usize).max(1);
        let reach = 1.0 / inputs.max(1) as f64;
        Autoencoder {
            inputs,
            hidden,
            weights: (0..inputs * hidden)
                .map(|_| ((random.unit() * 2.0 - 1.0) * reach) as f32)
                .collect(),
            hidden_bias: vec![0.0; hidden],
            output_bias: vec![0.0; inputs],
        }
    }

    /// Tells `work.inputs` again into `work.outputs`; gives the root of the mean squared error.
    #[inline]
    fn error(&self, work: &mut Workspace) -> f32 {
        let Workspace {
            inputs,
            hidden,
            outputs,
            ..
        } = work;
        hidden.clear();
        for (row, bias) in self.weights.chunks_exact(self.inputs).zip(&self.hidden_bias) {
            let sum: f32 = row.iter().zip(inputs.iter()).map(|(w, x)| w * x).sum();
            hidden.push(sigmoid(sum + bias));
        }
        outputs.clear();
        outputs.extend_from_slice(&self.output_bias);
        for (row, h) in self.weights.chunks_exact(self.inputs).zip(hidden.iter()) {
            for (out, w) in outputs.iter_mut().zip(row) {
                *out += w * h;
            }
        }
        let mut sum = 0.0;
        for (out, x) in outputs.iter_mut().zip(inputs.iter()) {
            *out = sigmoid(*out);
            sum += (*out - x) * (*out - x);
        }
        (sum / self.inputs.max(1) as f32).sqrt()
    }

    /// One step of descent on `work.inputs`; gives the error before it.
    fn teach(&mut self, work: &mut Workspace) -> f32 {
        let error = self.error(work);
        let Workspace {
            inputs,
            hidden,
            outputs,
            ..
        } = work;
        for (out, x) in outputs.iter_mut().zip(inputs.iter()) {
            *out = x - *out;
        }
        for ((row, h), bias) in self
            .weights
            .chunks_exact_mut(self.inputs)
            .zip(hidden.iter())
            .zip(&mut self.hidden_bias)
        {
            let back: f32 = row.iter().zip(outputs.iter()).map(|(w, d)| w * d).sum();
            let change = back * h * (1.0 - h);
            for ((w, x), d) in row.iter_mut().zip(inputs.iter()).zip(outputs.iter()) {
                *w += STEP * (change * x + d * h);
            }
            *bias += STEP * change;
        }
        for (bias, d) in self.output_bias.iter_mut().zip(outputs.iter()) {
            *bias += STEP * d;
        }
        error
    }
}

#[inline]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// Groups of features that go together: the two nearest groups by mean correlation become one, as long
/// as it has at most `GROUP`.
fn groups(rows: &[PacketRow]) -> Vec<Vec<u16>> {
    // Thousands tell the correlations well enough.
    let every = rows.len().div_ceil(4_096);
    let sample: Vec<&PacketRow> = rows.iter().step_by(every).collect();
    let n = sample.len() as f64;
    let mean: Vec<f64> = (0..PACKET_FEATURES)
        .map(|f| sample.iter().map(|r| f64::from(r[f])).sum::<f64>() / n)
        .collect();
    let columns: Vec<Vec<f64>> = (0..PACKET_FEATURES)
        .map(|f| {
            let centred: Vec<f64> = sample.iter().map(|r| f64::from(r[f]) - mean[f]).collect();
            let length = centred.iter().map(|v| v * v).sum::<f64>().sqrt().max(1e-12);
            centred.into_iter().map(|v| v / length).collect()
        })
        .collect();
    let mut near = vec![vec![0.0; PACKET_FEATURES]; PACKET_FEATURES];
    for a in 0..PACKET_FEATURES {
        for b in 0..a {
            let together: f64 = columns[a].iter().zip(&columns[b]).map(|(x, y)| x * y).sum();
            near[a][b] = together;
            near[b][a] = together;
        }
    }
    let mut groups: Vec<Vec<u16>> = (0..PACKET_FEATURES as u16).map(|f| vec![f]).collect();
    loop {
        let mut best: Option<(f64, usize, usize)> = None;
        for a in 0..groups.len() {
            for b in 0..a {
                if groups[a].len() + groups[b].len() > GROUP {
                    continue;
                }
                let pairs = groups[a]
                    .iter()
                    .flat_map(|x| groups[b].iter().map(move |y| (*x, *y)));
                let sum: f64 = pairs.map(|(x, y)| near[usize::from(x)][usize::from(y)]).sum();
                let mean = sum / (groups[a].len() * groups[b].len()) as f64;
                if best.is_none_or(|(m, ..)| mean > m) {
                    best = Some((mean, a, b));
                }
            }
        }
        let Some((_, a, b)) = best else { break };
        let more = groups.remove(a);
        groups[b].extend(more);
        groups[b].sort_unstable();
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(seed: u64, count: usize) -> Vec<PacketRow> {
        let mut random = SplitMix64::new(seed);
        (0..count)
            .map(|_| {
                let (a, b) = (random.unit() as f32, random.unit() as f32);
                let mut row = [0.0; PACKET_FEATURES];
                for (i, value) in row.iter_mut().enumerate() {
                    *value = if i % 2 == 0 { a * i as f32 } else { b + i as f32 };
                }
                row
            })
            .collect()
    }

    #[test]
    fn what_breaks_the_pattern_scores_above_all_that_keeps_it() {
        let ensemble = Ensemble::train(&rows(1, 4_000), 5).expect("enough rows");
        let mut work = Workspace::default();
        let mut scores: Vec<f32> = rows(2, 500)
            .iter()
            .map(|r| ensemble.score(r, &mut work))
            .collect();
        scores.sort_by(f32::total_cmp);
        let mut odd = rows(3, 1)[0];
        odd.iter_mut().step_by(6).for_each(|f| *f *= -3.0);
        assert!(ensemble.score(&odd, &mut work) > scores[499] * 2.0);
        let judged = ensemble.judge(&odd, &mut work);
        assert_eq!(judged.reasons.len(), 5);
        assert!(judged.reasons.windows(2).all(|r| r[0].share >= r[1].share));
    }

    #[test]
    fn the_same_seed_trains_the_same_ensemble() {
        let rows = rows(1, 500);
        assert_eq!(Ensemble::train(&rows, 5), Ensemble::train(&rows, 5));
        assert_ne!(Ensemble::train(&rows, 5), Ensemble::train(&rows, 6));
        assert!(Ensemble::train(&rows[..50], 5).is_none());
    }

    #[test]
    fn groups_hold_each_feature_once() {
        let groups = groups(&rows(1, 300));
        let mut all: Vec<u16> = groups.concat();
        all.sort_unstable();
        assert_eq!(all, (0..PACKET_FEATURES as u16).collect::<Vec<_>>());
        assert!(groups.iter().all(|g| g.len() <= GROUP));
    }

    #[test]
    fn odd_numbers_do_no_harm() {
        let ensemble = Ensemble::train(&rows(1, 200), 5).expect("enough rows");
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX] {
            assert!(
                ensemble
                    .score(&[value; PACKET_FEATURES], &mut Workspace::default())
                    .is_finite()
            );
        }
    }
}
