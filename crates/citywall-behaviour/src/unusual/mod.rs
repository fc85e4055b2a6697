//! Devices held against signed models: one anomaly of all that a model and a signed list say.
//!
//! Owns: which model is for whom, what a device did in the minute at hand, the rates of the hour, and telling
//! each device once an hour. Where there is no model for a device it abstains; without any model it costs
//! nothing. Does not own: models and chances (`learned`), whether a model is believed (the binary), and single
//! deviations from a list (`allow`), which are told by themselves.
//!
//! Nothing that is seen changes a model. The forecast goes on with the hours, as forecasts do, but what is far
//! off does not teach it, and how far it came from what was signed is a figure.

mod drift;
mod words;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;

use citywall_event::{Behaviour, Body, Context, Event, Mac, Nanos, Order, Phrase, Subject, say};
use hashbrown::HashMap;

use self::drift::{DAY, Drift, Found};
use self::words::{ANY, Weighed, tenfolds, weigh};
use crate::learned::{
    Chances, Conversation, ConversationFeatures, Expected, HOUR, Hourly, Model, PACKET_FEATURES,
    PacketFeatures, PacketRow, PacketSeen, Party, Reason, Scores, Seen, WINDOW, Warmth, Workspace,
    feature_words, worst,
};

pub use self::drift::Figure;

/// How much is remembered, and how often a device is told of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UnusualLimits {
    /// Devices.
    pub devices: usize,
    /// Senders that statistics of packets are kept of.
    pub senders: usize,
    /// A device is told of once in this time.
    pub quiet: Nanos,
}

impl Default for UnusualLimits {
    fn default() -> UnusualLimits {
        UnusualLimits {
            devices: 16_384,
            senders: 4_096,
            quiet: 3_600_000_000_000,
        }
    }
}

/// A part that is not rarer than this is no reason.
const ODD: f64 = 0.1;
/// An hour of a class is told from here on: about once in two months by chance.
const HOUR_TOLD: f64 = 1.0 / 1_500.0;
/// Deviations of a device that are kept of a minute.
const DEVIATIONS: usize = 5;
/// Hours of a class that are kept beside what was expected of them: a week.
const HOURS_KEPT: usize = 168;
/// A conclusion: about whom, and what.
pub type Unusual = (Subject, Behaviour);

/// A class's forecast for an hour.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassBand {
    /// The class.
    pub class: String,
    /// The hour, since 1970.
    pub hour: i64,
    /// What is expected of it, in bytes.
    pub expected: Expected,
}

/// An hour of a class that is over, and what was expected of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HourHeld {
    /// The hour, since 1970.
    pub hour: i64,
    /// What the class exchanged, in bytes.
    pub bytes: u64,
    /// What was expected; whether it held, too.
    pub expected: Expected,
}

/// A device in the minute at hand.
#[derive(Debug, Default)]
struct Device {
    model: Option<usize>,
    mac: Option<Mac>,
    scores: Scores,
    talk: Option<Talk>,
    packet: Option<Box<PacketRow>>,
    deviations: Vec<(Phrase, f64, Order)>,
}

/// A device's oddest conversation.
#[derive(Clone, Copy, Debug)]
struct Talk {
    features: Conversation,
    dst: IpAddr,
    port: u16,
    protocol: u8,
    order: Order,
}

/// Holds devices against models.
#[derive(Debug)]
pub struct UnusualWatch {
    limits: UnusualLimits,
    models: Arc<[Model]>,
    /// Each model's forecast, which goes on.
    forecasts: Vec<Option<Hourly>>,
    /// Each model's hours that were held against its forecast.
    past: Vec<VecDeque<HourHeld>>,
    features: ConversationFeatures,
    /// Where a model judges packets.
    packets: Option<(PacketFeatures, Warmth)>,
    work: Workspace,
    devices: HashMap<IpAddr, Device>,
    /// Bytes of devices and of models in this hour.
    hours: HashMap<IpAddr, u64>,
    sums: Vec<u64>,
    /// The window, hour and day at hand; the hour counts once its beginning was seen.
    window: i64,
    hour: i64,
    whole: bool,
    day: i64,
    told: HashMap<IpAddr, Nanos>,
    drift: Drift,
    left_out: u64,
}

impl UnusualWatch {
    /// With these models.
    pub fn new(models: &Arc<[Model]>, limits: UnusualLimits) -> UnusualWatch {
        let judges_packets = models.iter().any(|m| m.packets.is_some());
        UnusualWatch {
            models: Arc::clone(models),
            forecasts: models
                .iter()
                .map(|m| m.rates.as_ref().map(|r| r.class.clone()))
                .collect(),
            past: vec![VecDeque::new(); models.len()],
            features: ConversationFeatures::new(if models.is_empty() { 0 } else { limits.devices }),
            packets: judges_packets
                .then(|| (PacketFeatures::new(limits.senders), Warmth::new(limits.senders))),
            work: Workspace::default(),
            devices: HashMap::new(),
            hours: HashMap::new(),
            sums: vec![0; models.len()],
            window: i64::MIN,
            hour: i64::MIN,
            whole: false,
            day: i64::MIN,
            told: HashMap::new(),
            drift: Drift::new(models, limits.devices),
            left_out: 0,
            limits,
        }
    }

    /// Takes other models: what is seen is held against them from now on.
    pub fn reload(&mut self, models: &Arc<[Model]>) {
        if *self.models != **models {
            *self = UnusualWatch::new(models, self.limits);
        }
    }

    /// True where there is a model.
    pub fn has_models(&self) -> bool {
        !self.models.is_empty()
    }

    /// True where single packets are wanted.
    pub fn wants_packets(&self) -> bool {
        self.packets.is_some()
    }

    /// Devices of a minute or a week, and senders, that found no room.
    pub fn forgotten(&self) -> u64 {
        let packets = self
            .packets
            .as_ref()
            .map_or(0, |(features, _)| features.forgotten());
        self.left_out + self.drift.left_out + self.features.forgotten() + packets
    }

    /// How far each class had moved on the last day that was judged.
    pub fn drift(&self) -> impl Iterator<Item = (&str, Figure)> {
        let all = self.models.iter().enumerate();
        all.filter_map(|(place, m)| Some((m.class.as_str(), self.drift.figure(place)?)))
    }

    /// What is expected of an hour, of each class that has a forecast.
    pub fn bands(&self, hour: i64) -> impl Iterator<Item = ClassBand> {
        let all = self.models.iter().zip(&self.forecasts);
        all.filter_map(move |(model, forecast)| {
            Some(ClassBand {
                class: model.class.clone(),
                hour,
                expected: forecast.as_ref()?.expected(hour)?,
            })
        })
    }

    /// The hours of the last week that were held against forecasts, oldest first, of each class that has any.
    pub fn held(&self) -> impl Iterator<Item = (&str, &VecDeque<HourHeld>)> {
        let all = self.models.iter().zip(&self.past);
        all.filter(|(_, past)| !past.is_empty())
            .map(|(model, past)| (model.class.as_str(), past))
    }

    /// Takes one event.
    pub fn observe(&mut self, event: &Event, context: &Context) {
        if self.models.is_empty() {
            return;
        }
        match &event.body {
            Body::Flow(flow) => {
                if let Some(seen) = Seen::of(event, flow) {
                    self.talk(event, &seen, context);
                }
            }
            Body::Behaviour(found) if Behaviour::OFF_LIST.contains(&found.kind) => {
                let s = &event.subject;
                let Some(device) = s.src_ip.and_then(|ip| self.device(ip, s.src_mac, context)) else {
                    return;
                };
                *device.scores.deviations.get_or_insert(0.0) += found.score;
                if device.deviations.len() < DEVIATIONS {
                    let told = (found.reason.clone(), found.score, event.order);
                    device.deviations.push(told);
                }
            }
            _ => {}
        }
    }

    fn talk(&mut self, event: &Event, seen: &Seen, context: &Context) {
        let models = Arc::clone(&self.models);
        let Some(place) = self
            .device(seen.src, event.subject.src_mac, context)
            .and_then(|device| device.model)
        else {
            return;
        };
        let Some(model) = models.get(place) else { return };
        let features = self.features.observe(seen);
        let score = model.score(&features);
        self.drift.take(seen.src, place, score, &features);
        let bytes = seen.bytes[0].saturating_add(seen.bytes[1]);
        if let Some(sum) = self.sums.get_mut(place) {
            *sum = sum.saturating_add(bytes);
        }
        let known = self.hours.len() < self.limits.devices || self.hours.contains_key(&seen.src);
        let rate = known.then(|| {
            let sum = self.hours.entry(seen.src).or_default();
            *sum = sum.saturating_add(bytes);
            let rates = model.rates.as_ref()?;
            Some(rates.device.chance(seen.at, *sum))
        });
        let Some(device) = self.devices.get_mut(&seen.src) else {
            return;
        };
        device.scores.rate = rate.flatten();
        if worst(&mut device.scores.habit, score) {
            device.talk = Some(Talk {
                features,
                dst: seen.dst,
                port: seen.port,
                protocol: seen.protocol,
                order: event.order,
            });
        }
    }

    /// Takes a packet.
    pub fn packet(&mut self, seen: &PacketSeen, context: &Context) {
        let Some((features, warmth)) = &mut self.packets else {
            return;
        };
        let mut row = [0.0; PACKET_FEATURES];
        features.observe(seen, &mut row);
        let Party::Ip(who) = seen.from.0 else { return };
        if !warmth.is_warm(who, seen.at) {
            return;
        }
        let models = Arc::clone(&self.models);
        let mut work = std::mem::take(&mut self.work);
        if let Some(device) = self.device(who, Some(seen.card), context)
            && let Some(model) = device.model.and_then(|place| models.get(place))
            && let Some((ensemble, _)) = &model.packets
            && worst(&mut device.scores.packets, ensemble.score(&row, &mut work).into())
        {
            match &mut device.packet {
                Some(kept) => **kept = row,
                None => device.packet = Some(Box::new(row)),
            }
        }
        self.work = work;
    }

    /// The device of an address; `None` where there is no room.
    fn device(&mut self, ip: IpAddr, mac: Option<Mac>, context: &Context) -> Option<&mut Device> {
        if self.devices.len() >= self.limits.devices && !self.devices.contains_key(&ip) {
            self.left_out += 1;
            return None;
        }
        let models = &self.models;
        let new = || Device {
            model: class(models, ip, mac, context),
            mac,
            ..Device::default()
        };
        Some(self.devices.entry(ip).or_insert_with(new))
    }

    /// A border of packet time.
    pub fn tick(&mut self, at: Nanos, context: &Context) -> Vec<Unusual> {
        if self.models.is_empty() {
            return Vec::new();
        }
        let mut found = Vec::new();
        let (window, hour, day) = (at.div_euclid(WINDOW), at.div_euclid(HOUR), at.div_euclid(DAY));
        if window > self.window {
            self.window = window;
            // A second behind the border, so that it is still the hour of what was seen.
            found.extend(self.close(at.saturating_sub(1), context));
        }
        if hour > self.hour {
            found.extend(self.next_hour(hour));
        }
        if day > self.day {
            if self.day != i64::MIN {
                found.extend(self.next_day(context));
            }
            self.day = day;
        }
        found
    }

    /// The input is over: the last minute is judged, however short it was.
    pub fn finish(&mut self, at: Nanos, context: &Context) -> Vec<Unusual> {
        self.close(at, context)
    }

    /// Judges the minute that is over.
    fn close(&mut self, at: Nanos, context: &Context) -> Vec<Unusual> {
        let mut devices: Vec<(IpAddr, Device)> = self.devices.drain().collect();
        devices.sort_by_key(|(ip, _)| *ip);
        let models = Arc::clone(&self.models);
        let mut found = Vec::new();
        for (who, device) in devices {
            let Some(model) = device.model.and_then(|place| models.get(place)) else {
                continue;
            };
            let chances = model.chances(&device.scores);
            let by_model = [chances.habit, chances.packets, chances.rate];
            // What the list alone shows is told by itself.
            if !Model::is_told(&chances) || !by_model.into_iter().flatten().any(|p| p <= ODD) {
                continue;
            }
            let recent = |told: &Nanos| at.saturating_sub(*told) < self.limits.quiet;
            if self.told.get(&who).is_some_and(recent) {
                continue;
            }
            if self.told.len() >= self.limits.devices {
                self.told.clear();
            }
            self.told.insert(who, at);
            let bytes = self.hours.get(&who).copied().unwrap_or(0);
            found.push(self.anomaly(who, &device, model, &chances, (at, bytes), context));
        }
        found
    }

    fn anomaly(
        &mut self,
        who: IpAddr,
        device: &Device,
        model: &Model,
        chances: &Chances,
        (at, bytes): (Nanos, u64),
        context: &Context,
    ) -> Unusual {
        let odd = |chance: Option<f64>| chance.filter(|p| *p <= ODD);
        let mut reasons = Vec::new();
        let mut evidence = Vec::new();
        let mut subject = Subject {
            src_ip: Some(who),
            src_mac: device.mac,
            src_zone: context.locate(Some(who), device.mac).zone,
            ..Subject::default()
        };
        if let (Some(chance), Some(talk)) = (odd(chances.habit), &device.talk) {
            reasons.extend(weigh(chance, &model.habit.judge(&talk.features).reasons));
            evidence.push(talk.order);
            subject.dst_ip = Some(talk.dst);
            subject.dst_zone = context.locate(Some(talk.dst), None).zone;
            subject.dst_port = matches!(talk.protocol, 6 | 17 | 132).then_some(talk.port);
            subject.protocol = Some(talk.protocol);
        }
        if let (Some(chance), Some(row), Some((ensemble, _))) =
            (odd(chances.packets), &device.packet, &model.packets)
        {
            reasons.extend(weigh(chance, &ensemble.judge(row, &mut self.work).reasons));
        }
        if let (Some(chance), Some(rates)) = (odd(chances.rate), &model.rates) {
            let (low, high) = rates.device.usual(at);
            let reason = Reason {
                feature: "bytes_in_the_hour",
                share: 1.0,
                what: feature_words("bytes_in_the_hour"),
                found: Phrase::as_written(words::bytes(bytes as f64)),
                normal: say!(
                    "range",
                    "{low} to {high}",
                    low = words::bytes(low),
                    high = words::bytes(high)
                ),
            };
            reasons.extend(weigh(chance, &[reason]));
        }
        if let Some(chance) = odd(chances.deviations) {
            let sum: f64 = device.deviations.iter().map(|d| d.1).sum();
            for (text, score, order) in &device.deviations {
                reasons.push(Weighed {
                    weight: tenfolds(chance) * score / sum.max(1e-9),
                    text: say!("off-the-list", "not on the signed list: {what}", what = text),
                });
                evidence.push(*order);
            }
        }
        let told = words::anomaly(who, &model.class, chances, reasons, evidence);
        (subject, told)
    }

    /// An hour is over: what the classes exchanged in it is held against their forecasts.
    fn next_hour(&mut self, hour: i64) -> Vec<Unusual> {
        let over = self.hour;
        let whole = std::mem::replace(&mut self.whole, over != i64::MIN);
        self.hour = hour;
        self.hours.clear();
        let sums = std::mem::replace(&mut self.sums, vec![0; self.models.len()]);
        let mut found = Vec::new();
        if !whole {
            return found;
        }
        let kept = self.forecasts.iter_mut().zip(&mut self.past);
        for ((model, (forecast, past)), sum) in self.models.iter().zip(kept).zip(sums) {
            // Nothing at all is an hour of which training knows nothing, too.
            let Some(forecast) = forecast.as_mut().filter(|_| sum > 0) else {
                continue;
            };
            let Some(told) = forecast.take(over, sum as f64) else {
                continue;
            };
            if past.len() >= HOURS_KEPT {
                past.pop_front();
            }
            past.push_back(HourHeld {
                hour: over,
                bytes: sum,
                expected: told.expected,
            });
            if told.chance <= HOUR_TOLD {
                let at = over.saturating_mul(HOUR);
                let told = words::rate(&model.class, at, sum as f64, &told);
                found.push((Subject::default(), told));
            }
        }
        found
    }

    fn next_day(&mut self, context: &Context) -> Vec<Unusual> {
        let models = Arc::clone(&self.models);
        let name = |place: usize| models.get(place).map_or("", |m| m.class.as_str());
        let of = |who: IpAddr| Subject {
            src_ip: Some(who),
            src_zone: context.locate(Some(who), None).zone,
            ..Subject::default()
        };
        let found = self.drift.day(self.day, &models).into_iter();
        let told = found.map(|found| match found {
            Found::Class {
                model,
                figure,
                reasons,
            } => (
                Subject::default(),
                words::class_drift(name(model), &figure, &reasons),
            ),
            Found::Device { who, model, index } => (of(who), words::device_drift(who, name(model), index)),
            Found::Suddenly {
                who,
                model,
                index,
                before,
            } => (of(who), words::suddenly(who, name(model), index, before)),
        });
        told.collect()
    }
}

/// The model for a device: that of its zone, else the one for any.
fn class(models: &[Model], ip: IpAddr, mac: Option<Mac>, context: &Context) -> Option<usize> {
    let zone = context.locate(Some(ip), mac).zone;
    let class = zone.map_or("", |_| context.zone_name(zone));
    let of = |class: &str| models.iter().position(|m| m.class == class);
    of(class).or_else(|| of(ANY))
}

#[cfg(test)]
mod tests;
