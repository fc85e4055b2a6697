//! The ordered stage, given a simulated city instead of packets from a network.
//!
//! Owns: hearing events, tallies and borders of time in the way in which `pipeline::ordered` hears them, and
//! noting what the judge calls behaviour. Does not own: the city and the measures (`citywall-evaluation`), and
//! detection.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use citywall_behaviour::{ConversationFeatures, Meter, Model, Normal, Sample, Seen, Spoken, Tally};
use citywall_evaluation::sets::SetError;
use citywall_evaluation::sets::device_days::{Bench, CITY, Sensor, Told, modelled, tables};
use citywall_evaluation::{Plain, Settings as Measured};
use citywall_event::{Body, Event, Nanos, Order};

use crate::cli::Files;
use crate::pipeline::judge::{Conclusion, Judge};
use crate::settings::{CitySource, Settings};

/// The tables.
///
/// # Errors
/// Where the city of the set is no city.
pub(super) fn run(runs: u32, measured: &Measured) -> Result<Vec<Plain>, SetError> {
    let settings = Arc::new(settings()?);
    let mut sensor = || Box::new(Stage::new(&settings, measured.seed)) as Box<dyn Sensor>;
    let mut bench = Bench {
        sensor: &mut sensor,
        peak,
    };
    let mut found = tables(runs, measured, &mut bench);
    let seed = measured.seed;
    let mut sensor = || Box::new(Modelled::new(&settings, seed)) as Box<dyn Sensor>;
    let mut bench = Bench {
        sensor: &mut sensor,
        peak,
    };
    found.push(modelled::table(runs, measured, &mut bench));
    Ok(found)
}

/// With the city of the set and nothing learned: what a new installation has.
fn settings() -> Result<Settings, SetError> {
    let source = CitySource {
        name: "the city of the device-days".to_owned(),
        text: CITY.to_owned(),
    };
    let wrong = |error: anyhow::Error| SetError::Line {
        path: PathBuf::from("the city of the device-days"),
        line: 0,
        what: format!("{error:#}"),
    };
    Settings::load(&Files::default(), Some(source), None, None).map_err(wrong)
}

/// The most bytes that this process ever took (proc_pid_status(5)).
fn peak() -> Option<usize> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: usize = line.trim().split(' ').next()?.parse().ok()?;
    Some(kilobytes * 1_024)
}

/// The judge, and what stands before it.
struct Stage {
    settings: Arc<Settings>,
    judge: Judge,
    meter: Meter,
    tallies: Vec<Tally>,
    /// The next whole second.
    border: Nanos,
    last: Order,
}

impl Stage {
    fn new(settings: &Arc<Settings>, seed: u64) -> Stage {
        Stage {
            settings: Arc::clone(settings),
            judge: Judge::new(settings),
            meter: Meter::new(seed, 1),
            tallies: Vec::new(),
            border: Nanos::MIN,
            last: Order::default(),
        }
    }

    /// Goes on to a moment: what was counted until then, and the border of a second.
    fn go_on(&mut self, at: Nanos, tell: &mut dyn FnMut(Told)) {
        if at < self.border {
            return;
        }
        let first = self.border == Nanos::MIN;
        let now = at.div_euclid(1_000_000_000).saturating_mul(1_000_000_000);
        self.border = now.saturating_add(1_000_000_000);
        if first {
            return;
        }
        self.meter.advance(now, &mut self.tallies);
        self.tallies(now, tell);
        let conclusions = self.judge.tick(now, &self.settings.context);
        self.conclude(now, conclusions, tell);
    }

    fn tallies(&mut self, at: Nanos, tell: &mut dyn FnMut(Told)) {
        for tally in std::mem::take(&mut self.tallies) {
            let conclusions = self.judge.tally(&tally, &self.settings.context);
            self.conclude(at, conclusions, tell);
        }
    }

    /// The judge hears what it concluded, too, and not without end.
    fn conclude(&mut self, at: Nanos, conclusions: Vec<Conclusion>, tell: &mut dyn FnMut(Told)) {
        let mut queue: VecDeque<Conclusion> = conclusions.into();
        let mut left = 256;
        while let Some((subject, body)) = queue.pop_front() {
            // That a flood is over is good news.
            if let Body::Behaviour(behaviour) = &body
                && behaviour.kind != "flood_ended"
            {
                tell(Told {
                    at,
                    about: subject.src_ip,
                    kind: behaviour.kind,
                    score: behaviour.score,
                });
            }
            self.last.phase = Order::LATE;
            self.last.ordinal += 1;
            let event = Event {
                order: self.last,
                at,
                subject,
                app_proto: None,
                body,
            };
            left -= 1;
            if left > 0 {
                queue.extend(self.judge.event(&event, &self.settings.context));
            }
        }
    }
}

impl Sensor for Stage {
    fn event(&mut self, mut event: Event, tell: &mut dyn FnMut(Told)) {
        self.go_on(event.at, tell);
        self.last = event.order;
        let context = &self.settings.context;
        let subject = &mut event.subject;
        subject.src_zone = context.locate(subject.src_ip, subject.src_mac).zone;
        subject.dst_zone = context.locate(subject.dst_ip, None).zone;
        let conclusions = self.judge.event(&event, context);
        if !conclusions.is_empty() {
            self.conclude(event.at, conclusions, tell);
        }
    }

    fn packet(&mut self, at: Nanos, sample: &Sample, tell: &mut dyn FnMut(Told)) {
        self.go_on(at, tell);
        self.meter.packet(at, sample, &mut self.tallies);
        if !self.tallies.is_empty() {
            self.tallies(at, tell);
        }
    }

    fn finish(&mut self, at: Nanos, tell: &mut dyn FnMut(Told)) {
        self.go_on(at, tell);
        let conclusions = self.judge.finish(at, &self.settings.context);
        self.conclude(at, conclusions, tell);
        self.judge.end();
    }
}

/// Devices that features are kept of while models learn.
const SOURCES: usize = 16_384;

/// The same, with a model of each zone, learned on the first days as `learn train` does it.
struct Modelled {
    stage: Stage,
    seed: u64,
    /// Until then.
    until: Nanos,
    features: ConversationFeatures,
    normal: BTreeMap<String, Vec<Spoken>>,
}

impl Modelled {
    fn new(settings: &Arc<Settings>, seed: u64) -> Modelled {
        Modelled {
            stage: Stage::new(settings, seed),
            seed,
            until: modelled::learned_until(),
            features: ConversationFeatures::new(SOURCES),
            normal: BTreeMap::new(),
        }
    }

    fn learn(&mut self, event: &Event) {
        let (Body::Flow(flow), context) = (&event.body, &self.stage.settings.context) else {
            return;
        };
        let Some(seen) = Seen::of(event, flow) else { return };
        let zone = context.locate(Some(seen.src), event.subject.src_mac).zone;
        if zone.is_none() {
            return;
        }
        let all = self.normal.entry(context.zone_name(zone).to_owned()).or_default();
        all.push(Spoken::of(0, &seen, &mut self.features));
    }

    /// Puts the models in force. A zone that said too little has none.
    fn judge(&mut self) {
        let normal = std::mem::take(&mut self.normal);
        let models = normal.iter().filter_map(|(class, conversations)| {
            let normal = Normal {
                conversations,
                ..Normal::default()
            };
            Model::train(class, String::new(), self.seed, &normal).ok()
        });
        // The same city once more: it was read before.
        if let Ok(mut settings) = settings() {
            settings.models = models.collect();
            self.stage.settings = Arc::new(settings);
            self.stage.judge.reload(&self.stage.settings);
        }
    }
}

impl Sensor for Modelled {
    fn event(&mut self, event: Event, tell: &mut dyn FnMut(Told)) {
        if event.at < self.until {
            self.learn(&event);
        } else if !self.normal.is_empty() {
            self.judge();
        }
        self.stage.event(event, tell);
    }

    fn packet(&mut self, at: Nanos, sample: &Sample, tell: &mut dyn FnMut(Told)) {
        self.stage.packet(at, sample, tell);
    }

    fn finish(&mut self, at: Nanos, tell: &mut dyn FnMut(Told)) {
        self.stage.finish(at, tell);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use citywall_evaluation::sets::device_days::without_attacks;

    #[test]
    fn a_city_without_attacks_is_called_neither_flooded_nor_scanned() {
        let settings = Arc::new(settings().expect("a city"));
        let measured = Measured {
            draws: 1,
            seed: 11,
            rate: 1e-3,
            cpu: || 0.0,
        };
        let mut sensor = || Box::new(Stage::new(&settings, 11)) as Box<dyn Sensor>;
        let mut bench = Bench {
            sensor: &mut sensor,
            peak: || None,
        };
        let (told, days) = without_attacks(&measured, &mut bench);
        let all: usize = told.values().sum();
        assert!(
            days > 600 && all as f64 <= 0.1 * days as f64,
            "{told:?} in {days}"
        );
        let loud = |kind: &&&str| kind.contains("flood") || kind.contains("scan");
        assert_eq!(told.keys().find(loud), None, "{told:?}");
    }
}
