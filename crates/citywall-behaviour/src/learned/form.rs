//! A model as bytes.
//!
//! Owns: the form that is signed, and reading it from bytes that may be anything. Does not own: what a model
//! holds (`model`), and signatures.
//!
//! The form; numbers are big-endian, floats are IEEE 754. Version 1 ends with the packets, and is read; what has
//! windows is written as version 2.
//!
//! ```text
//! "citywall-model/2\n"      17 bytes
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
//! windows                    scores of conversations; 1: 0, or 1 and those of packets; 1: 0, or 1 and those of
//!                            deviations; those of all together
//! rates                      1: 0, or 1 and what follows
//!   a device                 2; 4 a step of the season; its scores
//!   the class                8 hour, 8 level, 8 trend, 8 share outside; 2 step; 2, then 8 a step of the season;
//!                            2, then 8 an error
//! ```

use std::collections::VecDeque;

use super::calibration::{Calibration, POINTS};
use super::conversation::NUMBERS;
use super::damped::PACKET_FEATURES;
use super::ensemble::{Autoencoder, Ensemble, GROUP};
use super::forecast::{ENOUGH, ERRORS, Forecast};
use super::habit::{BINS, Habit, SERVICES};
use super::model::{CLASS, MANIFEST, Model, ModelError};
use super::rates::{Band, Hourly, Rates};
use super::windows::Windows;

const MAGIC: &[u8] = b"citywall-model/1\n";
const MAGIC_2: &[u8] = b"citywall-model/2\n";
/// Seasons of rates, in hours.
const SEASONS: [usize; 3] = [1, 24, 168];

impl Model {
    /// The bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = if self.windows.is_some() { MAGIC_2 } else { MAGIC }.to_vec();
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
        if let Some(w) = &self.windows {
            scores(&w.habit, &mut out);
            for part in [&w.packets, &w.deviations] {
                out.push(u8::from(part.is_some()));
                part.iter().for_each(|part| scores(part, &mut out));
            }
            scores(&w.combined, &mut out);
            out.push(u8::from(self.rates.is_some()));
            self.rates.iter().for_each(|r| rates(r, &mut out));
        }
        out
    }

    /// Reads bytes. They may be anything: no room is taken that the bytes do not fill.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Model, ModelError> {
        let mut r = Reader(bytes);
        let second = match r.take(MAGIC.len()) {
            Ok(magic) if magic == MAGIC => false,
            Ok(magic) if magic == MAGIC_2 => true,
            _ => return Err(ModelError::Version),
        };
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
        let (windows, rates) = match second {
            true => (Some(r.windows()?), r.rates()?),
            false => (None, None),
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
            windows,
            rates,
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

fn rates(rates: &Rates, out: &mut Vec<u8>) {
    let (band, Hourly { next, forecast }) = (&rates.device, &rates.class);
    out.extend((band.middle.len() as u16).to_be_bytes());
    floats(&band.middle, out);
    scores(&band.scores, out);
    out.extend(next.to_be_bytes());
    for number in [forecast.level, forecast.trend, forecast.outside] {
        out.extend(number.to_be_bytes());
    }
    out.extend((forecast.step as u16).to_be_bytes());
    out.extend((forecast.season.len() as u16).to_be_bytes());
    forecast.season.iter().for_each(|v| out.extend(v.to_be_bytes()));
    out.extend((forecast.errors.len() as u16).to_be_bytes());
    forecast.errors.iter().for_each(|v| out.extend(v.to_be_bytes()));
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

    /// A flag, and what follows where it is set.
    fn maybe<T>(
        &mut self,
        part: &'static str,
        of: impl FnOnce(&mut Self) -> Result<T, ModelError>,
    ) -> Result<Option<T>, ModelError> {
        match self.u8()? {
            0 => Ok(None),
            1 => of(self).map(Some),
            _ => Err(ModelError::Part(part)),
        }
    }

    fn windows(&mut self) -> Result<Windows, ModelError> {
        Ok(Windows {
            habit: self.scores()?,
            packets: self.maybe("windows", Self::scores)?,
            deviations: self.maybe("windows", Self::scores)?,
            combined: self.scores()?,
        })
    }

    fn rates(&mut self) -> Result<Option<Rates>, ModelError> {
        self.maybe("rates", |r| {
            let device = Band {
                middle: {
                    let steps = usize::from(r.u16()?);
                    r.floats(steps, "rates")?
                },
                scores: r.scores()?,
            };
            let class = r.hourly()?;
            let same = class.forecast.season.len() == device.middle.len();
            match same && SEASONS.contains(&device.middle.len()) {
                true => Ok(Rates { device, class }),
                false => Err(ModelError::Part("rates")),
            }
        })
    }

    fn hourly(&mut self) -> Result<Hourly, ModelError> {
        let next = i64::from_be_bytes(self.array()?);
        let (level, trend, outside) = (self.number()?, self.number()?, self.number()?);
        let step = usize::from(self.u16()?);
        let steps = self.u16()?;
        let season = self.numbers(steps)?;
        let count = self.u16()?;
        let errors: VecDeque<f64> = self.numbers(count)?.into();
        // As an hour of packet time can be; `outside` as the forecast holds it.
        let bounded = next.unsigned_abs() < 1 << 32 && (0.002..=0.6).contains(&outside);
        let known = (ENOUGH..=ERRORS).contains(&errors.len()) && errors.iter().all(|e| *e >= 0.0);
        if !bounded || !known || step >= season.len() {
            return Err(ModelError::Part("rates"));
        }
        Ok(Hourly {
            next,
            forecast: Forecast {
                level,
                trend,
                // Its first season is whole, whatever it was.
                first: vec![0.0; season.len()],
                season,
                step,
                errors,
                outside,
            },
        })
    }

    /// A number on the scale of a logarithm.
    fn number(&mut self) -> Result<f64, ModelError> {
        let value = f64::from_be_bytes(self.array()?);
        match value.abs() <= 1e3 {
            true => Ok(value),
            false => Err(ModelError::Part("rates")),
        }
    }

    fn numbers(&mut self, count: u16) -> Result<Vec<f64>, ModelError> {
        (0..count).map(|_| self.number()).collect()
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
    use super::super::windows::{Scores, Sent, Spoken, WINDOW};
    use super::*;
    use crate::{Conversation, Normal, Outcome, SplitMix64, Workspace};
    use proptest::prelude::*;
    use std::net::IpAddr;

    fn trained(seed: u64) -> Model {
        let mut random = SplitMix64::new(7);
        let who = IpAddr::from([10, 0, 0, 1]);
        // One in twenty minutes: three days of them, which is enough for rates.
        let conversations: Vec<Spoken> = (0..230)
            .map(|i| Spoken {
                capture: 0,
                at: i * 20 * WINDOW,
                who,
                bytes: 1_000 + random.below(100) as u64,
                features: Conversation {
                    service: (6 << 16) | (random.below(3) as u32 * 100),
                    outcome: Outcome::ALL[random.below(2)],
                    numbers: [0.0; NUMBERS.len()].map(|_| random.unit() * 1e4),
                },
            })
            .collect();
        let packets: Vec<Sent> = (0..300)
            .map(|i| Sent {
                capture: 0,
                at: i * 10 * WINDOW,
                who: Some(who),
                row: [0.0; PACKET_FEATURES].map(|_: f32| random.unit() as f32),
            })
            .collect();
        let normal = Normal {
            conversations: &conversations,
            packets: &packets,
            deviations: Some(&[]),
        };
        Model::train("pumps", "made for a test\n".to_owned(), seed, &normal).expect("enough")
    }

    /// Version 1 is frozen: this file was written once, and every newer program reads it.
    const FIXTURE: &[u8] = include_bytes!("model-1.bin");

    #[test]
    fn version_1_is_read_and_written_as_it_was() {
        let model = Model::decode(FIXTURE).expect("version 1");
        assert_eq!((model.class.as_str(), model.seed), ("pumps", 1));
        assert!(model.packets.is_some());
        assert!(model.windows.is_none() && model.rates.is_none());
        assert_eq!(model.encode(), FIXTURE);
    }

    /// Version 2 is frozen likewise.
    const FIXTURE_2: &[u8] = include_bytes!("model-2.bin");

    #[test]
    fn version_2_is_read_and_written_as_it_was() {
        let model = Model::decode(FIXTURE_2).expect("version 2");
        assert!(model.windows.is_some() && model.rates.is_some());
        assert_eq!(model.encode(), FIXTURE_2);
    }

    #[test]
    fn the_same_training_gives_the_same_bytes() {
        assert_eq!(trained(1).encode(), trained(1).encode());
        assert_ne!(trained(1).encode(), trained(2).encode());
        assert!(Model::decode(&trained(1).encode()) == Ok(trained(1)));
    }

    #[test]
    fn what_is_cut_or_goes_on_is_refused() {
        let mut bytes = trained(1).encode();
        for length in 0..bytes.len() {
            assert!(Model::decode(&bytes[..length]).is_err(), "{length}");
        }
        bytes.push(0);
        assert_eq!(Model::decode(&bytes), Err(ModelError::Length));
        bytes[15] = b'3';
        assert_eq!(Model::decode(&bytes), Err(ModelError::Version));
    }

    proptest! {
        #[test]
        fn any_bytes_do_no_harm(mut bytes in proptest::collection::vec(any::<u8>(), 0..600), magic in 0..3) {
            match magic {
                0 => {}
                1 => drop(bytes.splice(0..0, MAGIC.iter().copied())),
                _ => drop(bytes.splice(0..0, MAGIC_2.iter().copied())),
            }
            let _ = Model::decode(&bytes);
        }

        /// What is read is written again as it was.
        #[test]
        fn one_model_has_one_form(place in 0usize..40_000, value: u8) {
            for fixture in [FIXTURE, FIXTURE_2] {
                let mut bytes = fixture.to_vec();
                // From the end, where version 2 has more.
                let place = bytes.len() - 1 - place % bytes.len();
                bytes[place] = value;
                let Ok(mut model) = Model::decode(&bytes) else { continue };
                prop_assert_eq!(model.encode(), bytes);
                let scores = Scores {
                    habit: Some((9.0, 2)),
                    packets: Some((1.0, 2)),
                    rate: model.rates.as_ref().map(|r| r.device.chance(7 * WINDOW, 1 << 40)),
                    deviations: Some(0.7),
                };
                prop_assert!((0.0..=1.0).contains(&model.chances(&scores).all));
                if let Some(rates) = &mut model.rates {
                    let told = rates.class.take(rates.class.next + 5, 1e9);
                    prop_assert!(told.is_some_and(|t| t.expected.high.is_finite() && t.chance > 0.0));
                }
                let row = [0.5; PACKET_FEATURES];
                if let Some((ensemble, _)) = &model.packets {
                    prop_assert!(!ensemble.score(&row, &mut Workspace::default()).is_nan());
                }
            }
        }
    }
}
