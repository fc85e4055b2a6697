//! Device-days of a simulated city, and sixteen families of attacks in them.
//!
//! Owns: how a run goes (days that are learned from, one to calibrate on, days that are judged, the last of
//! which have attacks), and giving it to a sensor day by day, so that no more than a day is held. Does not own:
//! the sensor. It is the ordered stage of the binary, which this crate cannot name, so a trait stands for it.
//!
//! Simulated: what is found here says that nothing is broken, and what is hard, not how good detection is in
//! a real city.

mod attacks;
mod benign;
mod city;
mod intrusions;
mod measure;
pub mod modelled;
mod people;
mod report;
mod rivals;
mod searches;
mod stream;
#[cfg(test)]
mod tests;
mod windows;

use std::collections::BTreeMap;
use std::net::IpAddr;

use citywall_behaviour::Sample;
use citywall_event::{Event, Nanos};

use self::attacks::Attack;
pub use self::city::CITY;
use self::city::City;
use self::measure::Say;
use self::stream::{DAY, Stream};
use self::windows::{Row, Windows};
use crate::table::Plain;
use crate::trial::Settings;

/// A Monday, midnight.
const BEGIN: Nanos = 1_699_833_600_000_000_000;
/// Days of a run.
const DAYS: u32 = 14;
/// The first days are learned from.
const LEARNED: u32 = 3;
/// From this day on all is judged: between the two, thresholds are fixed.
const CALIBRATED: u32 = 4;
/// From this day on there are attacks.
const ATTACKED: u32 = 10;

/// Something that was told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Told {
    /// When.
    pub at: Nanos,
    /// Of whom: who did it.
    pub about: Option<IpAddr>,
    /// What.
    pub kind: &'static str,
    /// From 0 to 1.
    pub score: f64,
}

/// Hears a city and tells what is not normal.
pub trait Sensor {
    /// An event, in order. Zones are not filled in: the sensor knows the city file.
    fn event(&mut self, event: Event, tell: &mut dyn FnMut(Told));
    /// A packet, in order with the events.
    fn packet(&mut self, at: Nanos, sample: &Sample, tell: &mut dyn FnMut(Told));
    /// Everything was heard.
    fn finish(&mut self, at: Nanos, tell: &mut dyn FnMut(Told));
}

/// What a set of runs needs from outside.
pub struct Bench<'a> {
    /// A sensor that has heard nothing.
    pub sensor: &'a mut dyn FnMut() -> Box<dyn Sensor>,
    /// The most bytes that the process ever took, where that is known.
    pub peak: fn() -> Option<usize>,
}

/// What came of one run.
struct Run {
    city: City,
    attacks: Vec<Attack>,
    rows: Vec<Row>,
    says: Vec<Say>,
    events: u64,
    /// CPU seconds of the sensor, and of counting for its rivals.
    cpu: [f64; 2],
    /// The most bytes that the process took until its end.
    peak: Option<usize>,
    /// How many more than without a sensor.
    grown: Option<usize>,
}

/// Says nothing.
struct Mute;

impl Sensor for Mute {
    fn event(&mut self, _: Event, _: &mut dyn FnMut(Told)) {}
    fn packet(&mut self, _: Nanos, _: &Sample, _: &mut dyn FnMut(Told)) {}
    fn finish(&mut self, _: Nanos, _: &mut dyn FnMut(Told)) {}
}

/// All tables.
pub fn tables(runs: u32, settings: &Settings, bench: &mut Bench<'_>) -> Vec<Plain> {
    // What a run takes without a sensor is taken before: what it takes more with one is the sensor's.
    let mut mute = || Box::new(Mute) as Box<dyn Sensor>;
    let mut warm = Bench {
        sensor: &mut mute,
        peak: bench.peak,
    };
    let without = (bench.peak)().and_then(|_| one(settings.seed, true, settings, &mut warm).peak);
    let seed = |run: u32| settings.seed.wrapping_add(u64::from(run) << 32);
    let mut all: Vec<Run> = (0..runs.max(1))
        .map(|run| one(seed(run), true, settings, bench))
        .collect();
    if let Some(first) = all.first_mut() {
        first.grown = first
            .peak
            .zip(without)
            .map(|(with, without)| with.saturating_sub(without));
    }
    report::tables(&all, settings)
}

/// What is told in a run without attacks on the days that are judged: kinds, and how often; and how many
/// device-days these are.
pub fn without_attacks(settings: &Settings, bench: &mut Bench<'_>) -> (BTreeMap<&'static str, usize>, usize) {
    let run = one(settings.seed, false, settings, bench);
    let mut kinds = BTreeMap::new();
    for say in measure::false_alerts(&run, &run.says, f64::NEG_INFINITY, CALIBRATED, DAYS) {
        *kinds.entry(say.kind).or_default() += 1;
    }
    (kinds, measure::normal_days(&run, CALIBRATED, DAYS))
}

/// One run: the city of a seed, with its attacks or without.
fn one(seed: u64, attacked: bool, settings: &Settings, bench: &mut Bench<'_>) -> Run {
    let city = City::new(seed);
    let end = |day: u32| BEGIN + Nanos::from(day + 1) * DAY;
    let mut stream = Stream::default();
    let mut windows = Windows::new(&city, BEGIN, end(LEARNED - 1));
    let (mut says, mut attacks) = (Vec::new(), Vec::new());
    let (mut cpu, mut events) = ([0.0; 2], 0);
    let mut sensor = (bench.sensor)();
    for day in 0..DAYS {
        benign::day(&city, BEGIN, day, &mut stream);
        if attacked && day >= ATTACKED {
            attacks.extend(attacks::day(&city, BEGIN, day, &mut stream));
        }
        let until = if day + 1 == DAYS { Nanos::MAX } else { end(day) };
        let (heard, packets) = stream.before(until);
        events += heard.len() as u64;
        let start = (settings.cpu)();
        let mut sent = packets.iter().peekable();
        for event in &heard {
            while let Some((at, sample)) = sent.next_if(|(at, _)| *at <= event.at) {
                windows.packet(*at, sample);
            }
            windows.event(event);
        }
        sent.for_each(|(at, sample)| windows.packet(*at, sample));
        cpu[1] += (settings.cpu)() - start;
        let start = (settings.cpu)();
        let mut tell = |told: Told| says.push(Say::of(&told, &city));
        let mut sent = packets.iter().peekable();
        for event in heard {
            while let Some((at, sample)) = sent.next_if(|(at, _)| *at <= event.at) {
                sensor.packet(*at, sample, &mut tell);
            }
            sensor.event(event, &mut tell);
        }
        sent.for_each(|(at, sample)| sensor.packet(*at, sample, &mut tell));
        cpu[0] += (settings.cpu)() - start;
    }
    let last = end(DAYS - 1);
    sensor.finish(last, &mut |told| says.push(Say::of(&told, &city)));
    Run {
        rows: windows.finish(last),
        city,
        attacks,
        says,
        events,
        cpu,
        peak: (bench.peak)(),
        grown: None,
    }
}
