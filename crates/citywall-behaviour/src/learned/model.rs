//! A model as bytes.
//!
//! Owns: what is kept of training (a habit, an ensemble, how normal things score, and what it was trained
//! on), and the form that is signed. Does not own: signatures, and which model is in force.
//!
//! The form, version 1; numbers are big-endian, floats are IEEE 754:
//!
//! ```text
//! "citywall-model/1\n"      17 bytes
//! class                      2 bytes length, then UTF-8
//! manifest                   4 bytes length, then UTF-8
//! seed                       8 bytes
//! conversations              4; then 2 and (4, 4) a service; 2 and (1, 1, 4) an outcome; 11 x 48 x 4
//! their scores               4; 2, then 4 a point
//! packets                    1: 0, or 1 and what follows
//!   low, high                115 x 4 each
//!   groups                   1; then 1 and 2 a feature
//!   each group, the output   2, 2; 4 a weight; 4 a bias of the hidden units; 4 of the outputs
//!   error low, high          4 a group each
//!   their scores             as above
//! ```

use super::conversation::{Conversation, NUMBERS};
use super::damped::PACKET_FEATURES;
use super::ensemble::{Autoencoder, Ensemble, GROUP, PacketRow, Workspace};
use super::habit::{BINS, Habit, SERVICES};

const MAGIC: &[u8] = b"citywall-model/1\n";
/// Bytes of a class and of a manifest.
const CLASS: usize = 64;
const MANIFEST: usize = 1 << 20;
/// Points that scores are told by.
const POINTS: usize = 256;
/// Share of what is trained on that teaches; the later rest tells how normal things score.
const TAUGHT: f64 = 0.7;
/// Conversations below which nothing is learned.
const LEAST: usize = 50;

/// Why there is no model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// Too little to learn from.
    #[error("{0} conversations are too few to learn from; {LEAST} are needed")]
    TooLittle(usize),
    /// The class or the manifest is too long, or empty.
    #[error("the class (1 to {CLASS} bytes) or the manifest (up to {MANIFEST} bytes) is too long, or empty")]
    Size,
    /// It is of another version, or no model.
    #[error("this is no model of version 1")]
    Version,
    /// It ends too early, or goes on behind its end.
    #[error("the model is cut off, or something stands behind it")]
    Length,
    /// A part is not as training makes it.
    #[error("the model's {0} cannot be")]
    Part(&'static str),
}

/// How normal things score.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    count: u32,
    /// Ascending, from the least to the most.
    points: Vec<f32>,
}

impl Calibration {
    fn of(mut scores: Vec<f32>) -> Calibration {
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
        let below = self.points.partition_point(|p| f64::from(*p) < score);
        let share = 1.0 - below as f64 / self.points.len().max(1) as f64;
        (1.0 + f64::from(self.count) * share) / (f64::from(self.count) + 1.0)
    }

    /// From here on somebody is told: beyond the highest normal score by a quarter of its distance to the
    /// middle.
    pub fn limit(&self) -> f64 {
        let at = |place: usize| self.points.get(place).copied().map_or(0.0, f64::from);
        let (middle, most) = (at(self.points.len() / 2), at(self.points.len().saturating_sub(1)));
        most + (most - middle) / 4.0
    }
}

/// A model of what is normal for a class of devices.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// The class: a zone, a role, or another word for devices that are alike.
    pub class: String,
    /// What it was trained on.
    pub manifest: String,
    /// The seed of the training.
    pub seed: u64,
    /// Conversations.
    pub habit: Habit,
    /// How they score.
    pub habit_scores: Calibration,
    /// Packets, where there were captures.
    pub packets: Option<(Ensemble, Calibration)>,
}

impl Model {
    /// Trains on normal conversations and packets, in their order. The same input gives the same bytes.
    ///
    /// # Errors
    /// `TooLittle`, `Size`.
    pub fn train(
        class: &str,
        manifest: String,
        seed: u64,
        conversations: &[Conversation],
        packets: &[PacketRow],
    ) -> Result<Model, ModelError> {
        if class.is_empty() || class.len() > CLASS || manifest.len() > MANIFEST {
            return Err(ModelError::Size);
        }
        if conversations.len() < LEAST {
            return Err(ModelError::TooLittle(conversations.len()));
        }
        let cut = |n: usize| (n as f64 * TAUGHT) as usize;
        let (taught, later) = conversations.split_at(cut(conversations.len()));
        let mut habit = Habit::default();
        taught.iter().for_each(|c| habit.learn(c));
        let (rows, rest) = packets.split_at(cut(packets.len()));
        let ensemble = Ensemble::train(rows, seed).map(|ensemble| {
            let mut work = Workspace::default();
            let scores = rest.iter().map(|r| ensemble.score(r, &mut work)).collect();
            (ensemble, Calibration::of(scores))
        });
        Ok(Model {
            class: class.to_owned(),
            manifest,
            seed,
            habit_scores: Calibration::of(later.iter().map(|c| habit.score(c) as f32).collect()),
            habit,
            packets: ensemble,
        })
    }

    /// The bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend((self.class.len() as u16).to_be_bytes());
        out.extend(self.class.as_bytes());
        out.extend((self.manifest.len() as u32).to_be_bytes());
        out.extend(self.manifest.as_bytes());
        out.extend(self.seed.to_be_bytes());
        habit(&self.habit, &mut out);
        scores(&self.habit_scores, &mut out);
        out.push(u8::from(self.packets.is_some()));
        if let Some((ensemble, calibration)) = &self.packets {
            floats(&ensemble.low, &mut out);
            floats(&ensemble.high, &mut out);
            out.push(ensemble.groups.len() as u8);
            for group in &ensemble.groups {
                out.push(group.len() as u8);
                group.iter().for_each(|f| out.extend(f.to_be_bytes()));
            }
            for encoder in ensemble.encoders.iter().chain([&ensemble.output]) {
                out.extend((encoder.inputs as u16).to_be_bytes());
                out.extend((encoder.hidden as u16).to_be_bytes());
                floats(&encoder.weights, &mut out);
                floats(&encoder.hidden_bias, &mut out);
                floats(&encoder.output_bias, &mut out);
            }
            floats(&ensemble.error_low, &mut out);
            floats(&ensemble.error_high, &mut out);
            scores(calibration, &mut out);
        }
        out
    }

    /// Reads bytes. They may be anything: no room is taken that the bytes do not fill.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Model, ModelError> {
        let mut r = Reader(bytes);
        if r.take(MAGIC.len()).ok() != Some(MAGIC) {
            return Err(ModelError::Version);
        }
        let length = r.u16()?.into();
        let class = r.text(length, CLASS, "class")?;
        let length = r.u32()? as usize;
        let manifest = r.text(length, MANIFEST, "manifest")?;
        let seed = u64::from_be_bytes(r.array()?);
        let habit = r.habit()?;
        let habit_scores = r.scores()?;
        let packets = match r.u8()? {
            0 => None,
            1 => Some((r.ensemble()?, r.scores()?)),
            _ => return Err(ModelError::Part("packets")),
        };
        if class.is_empty() {
            return Err(ModelError::Part("class"));
        }
        if !r.0.is_empty() {
            return Err(ModelError::Length);
        }
        Ok(Model {
            class,
            manifest,
            seed,
            habit,
            habit_scores,
            packets,
        })
    }
}

fn floats(values: &[f32], out: &mut Vec<u8>) {
    values.iter().for_each(|v| out.extend(v.to_be_bytes()));
}

fn habit(habit: &Habit, out: &mut Vec<u8>) {
    out.extend(habit.seen.to_be_bytes());
    out.extend((habit.services.len() as u16).to_be_bytes());
    for (service, count) in &habit.services {
        out.extend(service.to_be_bytes());
        out.extend(count.to_be_bytes());
    }
    out.extend((habit.outcomes.len() as u16).to_be_bytes());
    for ((protocol, outcome), count) in &habit.outcomes {
        out.extend([*protocol, *outcome]);
        out.extend(count.to_be_bytes());
    }
    habit
        .numbers
        .iter()
        .flatten()
        .for_each(|n| out.extend(n.to_be_bytes()));
}

fn scores(calibration: &Calibration, out: &mut Vec<u8>) {
    out.extend(calibration.count.to_be_bytes());
    out.extend((calibration.points.len() as u16).to_be_bytes());
    floats(&calibration.points, out);
}

/// What is left to read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], ModelError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(ModelError::Length)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ModelError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(ModelError::Length)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn u8(&mut self) -> Result<u8, ModelError> {
        self.array::<1>().map(|[b]| b)
    }

    fn u16(&mut self) -> Result<u16, ModelError> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32, ModelError> {
        self.array().map(u32::from_be_bytes)
    }

    fn text(&mut self, length: usize, most: usize, part: &'static str) -> Result<String, ModelError> {
        if length > most {
            return Err(ModelError::Part(part));
        }
        let bytes = self.take(length)?.to_vec();
        String::from_utf8(bytes).map_err(|_| ModelError::Part(part))
    }

    fn floats(&mut self, count: usize, part: &'static str) -> Result<Vec<f32>, ModelError> {
        let bytes = self.take(count.checked_mul(4).ok_or(ModelError::Length)?)?;
        let (chunks, _) = bytes.as_chunks::<4>();
        let values: Vec<f32> = chunks.iter().map(|c| f32::from_be_bytes(*c)).collect();
        match values.iter().all(|v| v.is_finite()) {
            true => Ok(values),
            false => Err(ModelError::Part(part)),
        }
    }

    fn habit(&mut self) -> Result<Habit, ModelError> {
        let mut habit = Habit {
            seen: self.u32()?,
            ..Habit::default()
        };
        let services = self.u16()?;
        if usize::from(services) > SERVICES {
            return Err(ModelError::Part("services"));
        }
        for _ in 0..services {
            let (service, count) = (self.u32()?, self.u32()?);
            // Ascending: one set of services has one form.
            if habit
                .services
                .last_key_value()
                .is_some_and(|(last, _)| *last >= service)
            {
                return Err(ModelError::Part("services"));
            }
            habit.services.insert(service, count);
        }
        for _ in 0..self.u16()? {
            let ([protocol, outcome], count) = (self.array()?, self.u32()?);
            let key = (protocol, outcome);
            if outcome > 3
                || habit
                    .outcomes
                    .last_key_value()
                    .is_some_and(|(last, _)| *last >= key)
            {
                return Err(ModelError::Part("outcomes"));
            }
            habit.outcomes.insert(key, count);
        }
        for number in habit.numbers.iter_mut().flatten() {
            *number = self.u32()?;
        }
        let total = |bins: &[u32; BINS]| bins.iter().map(|n| u64::from(*n)).sum::<u64>();
        let whole = habit
            .numbers
            .iter()
            .all(|bins| total(bins) == u64::from(habit.seen));
        match whole && habit.numbers.len() == NUMBERS.len() && habit.seen > 0 {
            true => Ok(habit),
            false => Err(ModelError::Part("numbers")),
        }
    }

    fn scores(&mut self) -> Result<Calibration, ModelError> {
        let (count, points) = (self.u32()?, usize::from(self.u16()?));
        let points = self.floats(points, "scores")?;
        let rising = points.windows(2).all(|p| p[0] <= p[1]);
        match rising && (1..=POINTS).contains(&points.len()) && count as usize >= points.len() {
            true => Ok(Calibration { count, points }),
            false => Err(ModelError::Part("scores")),
        }
    }

    fn ensemble(&mut self) -> Result<Ensemble, ModelError> {
        let low = self.floats(PACKET_FEATURES, "ranges")?;
        let high = self.floats(PACKET_FEATURES, "ranges")?;
        let mut seen = [false; PACKET_FEATURES];
        let mut groups = Vec::new();
        for _ in 0..self.u8()? {
            let mut group = Vec::new();
            for _ in 0..self.u8()? {
                let feature = self.u16()?;
                match seen.get_mut(usize::from(feature)) {
                    Some(seen) if !*seen => *seen = true,
                    _ => return Err(ModelError::Part("groups")),
                }
                group.push(feature);
            }
            if group.is_empty() || group.len() > GROUP {
                return Err(ModelError::Part("groups"));
            }
            groups.push(group);
        }
        if seen.contains(&false) {
            return Err(ModelError::Part("groups"));
        }
        let encoders = groups
            .iter()
            .map(|g| self.encoder(g.len()))
            .collect::<Result<_, _>>()?;
        Ok(Ensemble {
            output: self.encoder(groups.len())?,
            error_low: self.floats(groups.len(), "ranges")?,
            error_high: self.floats(groups.len(), "ranges")?,
            low,
            high,
            groups,
            encoders,
        })
    }

    fn encoder(&mut self, wanted: usize) -> Result<Autoencoder, ModelError> {
        let (inputs, hidden) = (usize::from(self.u16()?), usize::from(self.u16()?));
        if inputs != wanted || hidden == 0 || hidden > inputs {
            return Err(ModelError::Part("layers"));
        }
        Ok(Autoencoder {
            inputs,
            hidden,
            weights: self.floats(inputs * hidden, "weights")?,
            hidden_bias: self.floats(hidden, "weights")?,
            output_bias: self.floats(inputs, "weights")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Outcome, SplitMix64};
    use proptest::prelude::*;

    fn trained(seed: u64) -> Model {
        let mut random = SplitMix64::new(7);
        let conversations: Vec<Conversation> = (0..200)
            .map(|_| Conversation {
                service: (6 << 16) | (random.below(3) as u32 * 100),
                outcome: Outcome::ALL[random.below(2)],
                numbers: [0.0; NUMBERS.len()].map(|_| random.unit() * 1e4),
            })
            .collect();
        let rows: Vec<PacketRow> = (0..300)
            .map(|_| [0.0; PACKET_FEATURES].map(|_: f32| random.unit() as f32))
            .collect();
        Model::train(
            "pumps",
            "made for a test\n".to_owned(),
            seed,
            &conversations,
            &rows,
        )
        .expect("enough")
    }

    /// Version 1 is frozen: this file was written once, and every newer program reads it.
    const FIXTURE: &[u8] = include_bytes!("model-1.bin");

    #[test]
    fn version_1_is_read_and_written_as_it_was() {
        let model = Model::decode(FIXTURE).expect("version 1");
        assert_eq!((model.class.as_str(), model.seed), ("pumps", 1));
        assert!(model.packets.is_some());
        assert_eq!(model.encode(), FIXTURE);
    }

    #[test]
    fn the_same_training_gives_the_same_bytes() {
        assert_eq!(trained(1).encode(), trained(1).encode());
        assert_ne!(trained(1).encode(), trained(2).encode());
        assert_eq!(Model::decode(&trained(1).encode()), Ok(trained(1)));
    }

    #[test]
    fn what_is_cut_or_goes_on_is_refused() {
        let mut bytes = trained(1).encode();
        for length in 0..bytes.len() {
            assert!(Model::decode(&bytes[..length]).is_err(), "{length}");
        }
        bytes.push(0);
        assert_eq!(Model::decode(&bytes), Err(ModelError::Length));
        bytes[15] = b'2';
        assert_eq!(Model::decode(&bytes), Err(ModelError::Version));
    }

    #[test]
    fn a_chance_is_one() {
        let c = Calibration::of((0..1_000).map(|i| i as f32).collect());
        assert!((c.chance(500.0) - 0.5).abs() < 0.01);
        assert!((c.chance(1e9) - 1.0 / 1_001.0).abs() < 1e-9);
        assert_eq!(c.chance(-1.0), 1.0);
        assert!(c.limit() > 1_100.0);
    }

    proptest! {
        #[test]
        fn any_bytes_do_no_harm(mut bytes in proptest::collection::vec(any::<u8>(), 0..600), magic: bool) {
            if magic {
                bytes.splice(0..0, MAGIC.iter().copied());
            }
            let _ = Model::decode(&bytes);
        }

        /// What is read is written again as it was.
        #[test]
        fn one_model_has_one_form(place in 0usize..40_000, value: u8) {
            let mut bytes = FIXTURE.to_vec();
            let place = place % bytes.len();
            bytes[place] = value;
            if let Ok(model) = Model::decode(&bytes) {
                prop_assert_eq!(model.encode(), bytes);
                let row = [0.5; PACKET_FEATURES];
                if let Some((ensemble, _)) = &model.packets {
                    prop_assert!(!ensemble.score(&row, &mut Workspace::default()).is_nan());
                }
            }
        }
    }
}
