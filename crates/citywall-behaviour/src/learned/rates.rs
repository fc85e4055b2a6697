//! How many bytes an hour are normal: of the devices of a class together, and of one of them.
//!
//! Owns: bytes by device and hour, the forecast of the class, the band of a device, and which season the data
//! allows. Does not own: the smoothing (`forecast`), and from which chance on somebody is told.

use std::collections::BTreeMap;
use std::net::IpAddr;

use citywall_event::Nanos;

use super::calibration::Calibration;
use super::forecast::{Expected, Forecast};

/// The step.
pub const HOUR: Nanos = 3_600_000_000_000;
/// Seasons, and how many hours of data allow them: three of each, and one hour where two days are there.
const SEASONS: [(u16, usize); 3] = [(168, 3 * 168), (24, 3 * 24), (1, 48)];
/// Hours of devices that are kept in training.
const KEPT: usize = 1_000_000;
/// Share of the hours that teaches.
const TAUGHT: f64 = 0.7;
/// A step on the scale of the logarithm that makes a chance tenfold smaller, at least: a quarter more.
const STEP: f64 = 0.22;
/// What is farther off than so many intervals teaches no more than that.
const FAR: f64 = 2.0;

/// Bytes by device and hour.
#[derive(Clone, Debug, Default)]
pub struct Hours {
    devices: BTreeMap<IpAddr, BTreeMap<i64, u64>>,
    kept: usize,
}

impl Hours {
    /// Takes what a device sent and received.
    pub fn add(&mut self, at: Nanos, device: IpAddr, bytes: u64) {
        let hours = self.devices.entry(device).or_default();
        if let Some(sum) = hours.get_mut(&at.div_euclid(HOUR)) {
            *sum = sum.saturating_add(bytes);
        } else if self.kept < KEPT {
            self.kept += 1;
            hours.insert(at.div_euclid(HOUR), bytes);
        }
    }

    /// The whole hours in which anything was seen of the class. The first and the last are parts, and no hour
    /// without anything stands between two captures and means silence.
    fn whole(&self) -> Vec<i64> {
        let mut hours: Vec<i64> = self.devices.values().flat_map(|h| h.keys().copied()).collect();
        hours.sort_unstable();
        hours.dedup();
        let inner = 1..hours.len().saturating_sub(1).max(1);
        hours.get(inner).map(<[i64]>::to_vec).unwrap_or_default()
    }
}

/// What one device sends and receives in an hour: a middle for each step of the season, and how far the
/// devices of the class were from it.
#[derive(Clone, Debug, PartialEq)]
pub struct Band {
    /// Logarithms of one more than the bytes.
    pub(crate) middle: Vec<f32>,
    /// Differences of logarithms.
    pub(crate) scores: Calibration,
}

/// The forecast of a class, and the hour that it is for.
#[derive(Clone, Debug, PartialEq)]
pub struct Hourly {
    pub(crate) next: i64,
    pub(crate) forecast: Forecast,
}

/// Rates of a class.
#[derive(Clone, Debug, PartialEq)]
pub struct Rates {
    /// Of one device.
    pub device: Band,
    /// Of all devices of the class together.
    pub class: Hourly,
}

/// An hour of the class that is over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HourTold {
    /// What was expected.
    pub expected: Expected,
    /// The chance that a normal hour is so far off.
    pub chance: f64,
}

impl Rates {
    /// Learns from hours; `None` where they span too little.
    pub fn train(hours: &Hours) -> Option<Rates> {
        let whole = hours.whole();
        let (period, _) = SEASONS.into_iter().find(|(_, least)| whole.len() >= *least)?;
        let cut = (whole.len() as f64 * TAUGHT) as usize;
        let device = Band::train(hours, &whole, cut, period)?;
        let first = *whole.first()?;
        let mut class = Hourly {
            next: first,
            forecast: Forecast::new(usize::from(period)),
        };
        for hour in &whole {
            let bytes: u64 = hours.devices.values().filter_map(|h| h.get(hour)).sum();
            class.take(*hour, bytes as f64);
        }
        // A forecast that cannot say anything yet is none.
        class.forecast.next()?;
        class.forecast.settle();
        Some(Rates { device, class })
    }
}

impl Band {
    fn train(hours: &Hours, whole: &[i64], cut: usize, period: u16) -> Option<Band> {
        let (taught, later) = whole.split_at(cut);
        let mut of_step: Vec<Vec<f64>> = vec![Vec::new(); usize::from(period)];
        let of = |hour: i64| {
            let all = hours.devices.values();
            all.filter_map(move |h| h.get(&hour))
                .map(|bytes| (*bytes as f64).ln_1p())
        };
        for hour in taught {
            of_step[step(*hour, usize::from(period))].extend(of(*hour));
        }
        let mut all: Vec<f64> = of_step.concat();
        let whole = median(&mut all)?;
        // A step in which nobody ever spoke has the middle of all.
        let middle: Vec<f32> = of_step
            .iter_mut()
            .map(|values| median(values).unwrap_or(whole) as f32)
            .collect();
        let off = |hour: &i64| {
            let middle = f64::from(middle[step(*hour, middle.len())]);
            of(*hour).map(move |y| (y - middle) as f32).collect::<Vec<_>>()
        };
        let scores: Vec<f32> = later.iter().flat_map(off).collect();
        (!scores.is_empty()).then(|| Band {
            scores: Calibration::of(scores),
            middle,
        })
    }

    /// The chance that a normal device has at least so many bytes in this hour. An hour that is not over can only
    /// have more.
    pub fn chance(&self, at: Nanos, bytes: u64) -> f64 {
        self.scores
            .tail((bytes as f64).ln_1p() - self.middle(at.div_euclid(HOUR)), STEP)
    }

    /// Bytes that nine of ten normal devices have in this hour.
    pub fn usual(&self, at: Nanos) -> (f64, f64) {
        let middle = self.middle(at.div_euclid(HOUR));
        let bytes = |share: f64| {
            let log = middle + self.scores.quantile(share);
            log.clamp(0.0, 700.0).exp_m1()
        };
        (bytes(0.05), bytes(0.95))
    }

    /// Hours of its season.
    pub fn season(&self) -> usize {
        self.middle.len()
    }

    fn middle(&self, hour: i64) -> f64 {
        let place = step(hour, self.middle.len());
        self.middle.get(place).copied().map_or(0.0, f64::from)
    }
}

impl Hourly {
    /// The hour behind the last that it learned from.
    pub fn next(&self) -> i64 {
        self.next
    }

    /// What is expected of an hour that is not before the next one.
    pub fn expected(&self, hour: i64) -> Option<Expected> {
        let mut forecast = self.forecast.clone();
        forecast.skip(hour.checked_sub(self.next)?.try_into().ok()?);
        forecast.next()
    }

    /// Takes an hour that is over. What is far off teaches no more than what is twice the interval off, so that
    /// one hour does not make the next of its kind expected.
    pub fn take(&mut self, hour: i64, bytes: f64) -> Option<HourTold> {
        let steps = u64::try_from(hour.checked_sub(self.next)?).ok()?;
        self.forecast.skip(steps);
        self.next = hour.saturating_add(1);
        let next = self.forecast.next();
        let off = self.forecast.off(bytes);
        let Some(next) = next else {
            self.forecast.observe(bytes);
            return None;
        };
        let errors = self.forecast.errors.iter().map(|e| *e as f32).collect();
        let chance = Calibration::of(errors).tail(off.abs(), STEP);
        let held = (next.low..=next.high).contains(&bytes);
        let middle = next.middle.ln_1p();
        let far = |edge: f64| (middle + FAR * (edge.ln_1p() - middle)).max(0.0).exp_m1();
        self.forecast
            .observe(bytes.max(0.0).clamp(far(next.low), far(next.high)));
        Some(HourTold {
            expected: Expected { held, ..next },
            chance,
        })
    }
}

/// The hour's place in the season.
fn step(hour: i64, period: usize) -> usize {
    hour.rem_euclid(period.max(1) as i64) as usize
}

fn median(values: &mut [f64]) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    let place = values.len() / 2;
    let (_, middle, _) = values.select_nth_unstable_by(place, f64::total_cmp);
    Some(*middle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SplitMix64;

    /// Three devices with a day's course.
    fn hours(days: i64) -> Hours {
        let mut random = SplitMix64::new(3);
        let mut hours = Hours::default();
        for hour in 0..days * 24 {
            for device in 1..=3 {
                let day = 1e6 + 8e5 * (std::f64::consts::TAU * hour as f64 / 24.0).sin();
                let bytes = day * (1.0 + 0.1 * random.normal());
                hours.add(
                    hour * HOUR + 5,
                    IpAddr::from([10, 0, 0, device]),
                    bytes.max(0.0) as u64,
                );
            }
        }
        hours
    }

    #[test]
    fn too_short_a_time_gives_no_rates() {
        assert_eq!(Rates::train(&hours(2)), None);
        let of = |days| Rates::train(&hours(days)).map(|r| r.device.middle.len());
        assert_eq!((of(3), of(4), of(22)), (Some(1), Some(24), Some(168)));
    }

    #[test]
    fn more_than_expected_has_a_number() {
        let mut rates = Rates::train(&hours(14)).expect("two weeks");
        let noon = 14 * 24 + 6;
        let usual = rates.device.usual(noon * HOUR);
        assert!(usual.0 < 1.8e6 && usual.1 > 1.8e6 && usual.1 < 2.5e6, "{usual:?}");
        assert!(rates.device.chance(noon * HOUR, 1_800_000) > 0.05);
        assert!(rates.device.chance(noon * HOUR, 18_000_000) < 1e-4);
        // At night the same is too much.
        assert!(rates.device.chance((noon + 12) * HOUR, 1_800_000) < 1e-3);
        let expected = rates.class.expected(noon).expect("an interval");
        let told = rates.class.take(noon, 5.3e6).expect("an interval");
        assert_eq!(
            Expected {
                held: false,
                ..told.expected
            },
            expected
        );
        assert!(told.expected.held && told.chance > 0.05, "{told:?}");
        let flood = rates.class.take(noon + 1, 1e9).expect("an interval");
        assert!(!flood.expected.held && flood.chance < 1e-4, "{flood:?}");
        // It did not make the like expected.
        let after = rates.class.expected(noon + 2).expect("an interval");
        assert!(after.high < 2e7, "{after:?}");
        // What is over is over.
        assert_eq!(rates.class.take(noon, 1.0), None);
    }

    #[test]
    fn nine_of_ten_hours_hold() {
        let mut rates = Rates::train(&hours(14)).expect("two weeks");
        let later = hours(120);
        let (mut held, mut all) = (0, 0);
        for hour in 14 * 24..120 * 24 {
            let bytes: u64 = later.devices.values().filter_map(|h| h.get(&hour)).sum();
            if let Some(told) = rates.class.take(hour, bytes as f64) {
                all += 1;
                held += u32::from(told.expected.held);
            }
        }
        let share = f64::from(held) / f64::from(all);
        assert!((0.88..0.92).contains(&share), "{share}");
    }
}
