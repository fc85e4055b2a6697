//! What is judged in the one order: who is there, what is not normal, what belongs together.
//!
//! Owns: the order in which inventory, behaviour and incidents hear an event. What they conclude is
//! theirs; where it stands in the log is the stage's.

use std::collections::BTreeMap;

use citywall_behaviour::{
    BeaconLimits, BeaconWatch, CrowdingLimits, CrowdingWatch, Figure, FloodDetector, FloodFound, FloodLimits,
    GuessingLimits, IdentityLimits, IdentityWatch, Key, NameLimits, NameWatch, PacketSeen, PasswordGuessing,
    ScanDetector, ScanLimits, SharedScanLimits, SharedScans, SlowGuessing, SlowGuessingLimits, SweepLimits,
    SweepWatch, Tally, UnusualLimits, UnusualWatch, UploadLimits, UploadWatch, WormLimits, WormWatch,
};
use citywall_console::{Drifted, Foreseen, ForeseenHour};
use citywall_event::{Behaviour, Body, Context, Event, Nanos, Subject};
use citywall_incident::Situation;
use citywall_inventory::{Device, Inventory};

use super::learning::Use;
use crate::settings::Settings;

/// A conclusion: about whom, and what.
pub type Conclusion = (Subject, Body);

/// Inventory, behaviour and incidents.
pub struct Judge {
    inventory: Inventory,
    scans: ScanDetector,
    shared_scans: SharedScans,
    sweeps: SweepWatch,
    guessing: PasswordGuessing,
    slow_guessing: SlowGuessing,
    beacons: BeaconWatch,
    crowding: CrowdingWatch,
    names: NameWatch,
    uploads: UploadWatch,
    worms: WormWatch,
    identity: IdentityWatch,
    floods: FloodDetector,
    usage: Use,
    unusual: UnusualWatch,
    situation: Situation,
}

impl Judge {
    /// Knows nothing yet.
    pub fn new(settings: &Settings) -> Judge {
        let limits = citywall_inventory::Limits {
            assets: settings.config.limits.assets,
            ..Default::default()
        };
        let mut inventory = Inventory::new(limits, settings.makers.clone());
        inventory.set_heard(hears_of_devices(settings));
        Judge {
            inventory,
            scans: ScanDetector::new(ScanLimits::default()),
            shared_scans: SharedScans::new(SharedScanLimits::default()),
            sweeps: SweepWatch::new(SweepLimits::default()),
            guessing: PasswordGuessing::new(GuessingLimits::default()),
            slow_guessing: SlowGuessing::new(SlowGuessingLimits::default()),
            beacons: BeaconWatch::new(BeaconLimits::default()),
            crowding: CrowdingWatch::new(CrowdingLimits::default()),
            names: NameWatch::new(NameLimits::default()),
            uploads: UploadWatch::new(UploadLimits::default()),
            worms: WormWatch::new(WormLimits::default()),
            identity: IdentityWatch::new(IdentityLimits::default()),
            floods: FloodDetector::new(FloodLimits::default()),
            usage: Use::new(settings),
            unusual: UnusualWatch::new(&settings.models, UnusualLimits::default()),
            situation: Situation::new(citywall_incident::Limits::default()),
        }
    }

    /// Takes a new city.
    pub fn reload(&mut self, settings: &Settings) {
        self.inventory.reload(&settings.context);
        self.inventory.set_heard(hears_of_devices(settings));
        self.usage.reload(settings);
        self.unusual.reload(&settings.models);
        self.situation.reload(&settings.context);
    }

    /// Hears an event and says what follows from it.
    pub fn event(&mut self, event: &Event, context: &Context) -> Vec<Conclusion> {
        self.inventory.observe(event, context);
        self.sweeps.observe(event, context);
        self.unusual.observe(event, context);
        let mut conclusions: Vec<Conclusion> = Vec::new();
        // One after the other: nearly all find nothing, and what they give is large to carry together.
        let mut take = |found: Option<Behaviour>| {
            if let Some(behaviour) = found {
                conclusions.push((event.subject, Body::Behaviour(Box::new(behaviour))));
            }
        };
        take(self.scans.observe(event));
        take(self.shared_scans.observe(event));
        take(self.guessing.observe(event));
        take(self.slow_guessing.observe(event));
        take(self.beacons.observe(event, context));
        if !self.is_proxied(event) {
            take(self.crowding.observe(event));
        }
        take(self.names.observe(event));
        take(self.uploads.observe(event, context));
        take(self.worms.observe(event, context));
        take(self.identity.observe(event, context));
        take(self.usage.observe(event, context));
        conclusions.extend(self.situation.assess(event, context, &self.inventory));
        conclusions
    }

    /// A conversation that begins while its port is flooded with SYNs, and the wall may answer in the server's
    /// place: a sensor that sees both sides of the wall does not see such a conversation's end, so a busy
    /// client would seem to hold all that it began.
    fn is_proxied(&self, event: &Event) -> bool {
        let subject = &event.subject;
        let end = subject.dst_ip.zip(subject.dst_port);
        matches!(event.body, Body::Contact(_))
            && end.is_some_and(|(ip, port)| self.floods.is_for_port(ip, port))
    }

    /// Hears what was counted of one sender or receiver.
    pub fn tally(&mut self, tally: &Tally, context: &Context) -> Vec<Conclusion> {
        let found = self.floods.observe(tally);
        found.map(|f| flood(f, context)).into_iter().flatten().collect()
    }

    /// Hears of a packet, where a model judges packets.
    pub fn packet(&mut self, seen: &PacketSeen, context: &Context) {
        self.unusual.packet(seen, context);
    }

    /// A border of packet time.
    pub fn tick(&mut self, at: Nanos, context: &Context) -> Vec<Conclusion> {
        self.inventory.tick(at, context);
        self.usage.tick(at);
        let mut conclusions = self.assets_told();
        let over = self.floods.tick(at);
        conclusions.extend(over.into_iter().filter_map(|f| flood(f, context)));
        let swept = self.sweeps.tick(at).into_iter();
        let unusual = self.unusual.tick(at, context).into_iter();
        let found = swept.chain(unusual);
        conclusions.extend(found.map(|(subject, found)| (subject, Body::Behaviour(Box::new(found)))));
        conclusions.extend(self.situation.tick(at, context));
        conclusions
    }

    /// The input is over.
    pub fn finish(&mut self, at: Nanos, context: &Context) -> Vec<Conclusion> {
        self.inventory.finish(at, context);
        let mut conclusions = self.assets_told();
        let unusual = self.unusual.finish(at, context).into_iter();
        conclusions.extend(unusual.map(|(subject, found)| (subject, Body::Behaviour(Box::new(found)))));
        conclusions.extend(self.situation.finish(at, context));
        conclusions
    }

    /// Everything is heard, conclusions too: what was learned is kept.
    pub fn end(&mut self) {
        self.usage.finish();
    }

    /// How far learning is, where use is learned or held against a list.
    pub fn usage(&self) -> Option<String> {
        self.usage.words()
    }

    /// How far each class has moved from its model, where a day was judged.
    pub fn drift(&self) -> impl Iterator<Item = (&str, Figure)> {
        self.unusual.drift()
    }

    /// What models expected of each class in the last week's hours and of the hour that holds `at`, what was
    /// exchanged, and how far each class has moved.
    pub fn foreseen(&self, at: Nanos) -> Vec<Foreseen> {
        let hour = at.div_euclid(3_600_000_000_000);
        let mut all: BTreeMap<&str, Foreseen> = BTreeMap::new();
        let of = |class: &str| Foreseen {
            class: class.to_owned(),
            ..Foreseen::default()
        };
        for (class, held) in self.unusual.held() {
            let foreseen = all.entry(class).or_insert_with(|| of(class));
            foreseen.hours.extend(held.iter().map(|h| ForeseenHour {
                hour: h.hour,
                low: h.expected.low.max(0.0) as u64,
                high: h.expected.high.max(0.0) as u64,
                bytes: Some(h.bytes),
            }));
        }
        let now: Vec<_> = self.unusual.bands(hour).collect();
        for band in &now {
            let foreseen = all.entry(&band.class).or_insert_with(|| of(&band.class));
            foreseen.hours.push(ForeseenHour {
                hour,
                low: band.expected.low.max(0.0) as u64,
                high: band.expected.high.max(0.0) as u64,
                bytes: None,
            });
        }
        for (class, figure) in self.unusual.drift() {
            let foreseen = all.entry(class).or_insert_with(|| of(class));
            foreseen.drift = Some(Drifted {
                shift: (figure.index * 100.0).round() / 100.0,
                judged: figure.judged as u64,
                moved: figure.moved as u64,
                suddenly: figure.suddenly as u64,
            });
        }
        all.into_values().take(Foreseen::MOST).collect()
    }

    fn assets_told(&mut self) -> Vec<Conclusion> {
        self.inventory.drain_changes()
    }

    /// The devices.
    pub fn devices(&self) -> impl Iterator<Item = &Device> {
        self.inventory.devices()
    }

    /// What had to be given up, by name.
    pub fn counters(&self) -> BTreeMap<&'static str, u64> {
        let inventory = self.inventory.counters();
        let situation = self.situation.counters();
        let mut counters = BTreeMap::from([
            ("assets_evicted", inventory.evicted),
            ("assets_refused", inventory.refused),
            ("scans_forgotten", self.scans.forgotten()),
            ("shared_scans_forgotten", self.shared_scans.forgotten()),
            ("sweeps_forgotten", self.sweeps.forgotten()),
            ("guesses_forgotten", self.guessing.forgotten()),
            ("slow_guesses_forgotten", self.slow_guessing.forgotten()),
            ("callbacks_forgotten", self.beacons.forgotten()),
            ("clients_forgotten", self.crowding.forgotten()),
            ("names_forgotten", self.names.forgotten()),
            ("uploads_forgotten", self.uploads.forgotten()),
            ("worms_forgotten", self.worms.forgotten()),
            ("addresses_forgotten", self.identity.forgotten()),
            ("floods_forgotten", self.floods.forgotten()),
            ("evidence_refused", situation.refused),
            ("hints_refused", inventory.hints_refused),
            ("suspects_forgotten", situation.forgotten),
            ("incidents_evicted", situation.evicted),
        ]);
        counters.extend(self.usage.counters().into_iter().flatten());
        if self.unusual.has_models() {
            counters.insert("unusual_forgotten", self.unusual.forgotten());
        }
        counters
    }
}

/// True where somebody reads what the inventory tells: the log, or who learns or holds use against a list.
fn hears_of_devices(settings: &Settings) -> bool {
    settings.writes("asset") || settings.use_is_known()
}

/// The IP protocol of answers that nobody asked for: their port is their sender's.
const UDP: u8 = 17;

/// A flood as an event. What somebody outside sends is told of those who receive it; with a city,
/// what is neither sent nor received by one of its zones is not its matter.
fn flood(found: FloodFound, context: &Context) -> Option<Conclusion> {
    let inside = |ip| context.is_empty() || context.locate(Some(ip), None).zone.is_some();
    let mut subject = Subject {
        protocol: (found.protocol != 0).then_some(found.protocol),
        ..Subject::default()
    };
    match found.key {
        Key::To(ip) if inside(ip) => {
            subject.src_ip = found.main;
            subject.dst_ip = Some(ip);
            match found.protocol {
                UDP => subject.src_port = found.port,
                _ => subject.dst_port = found.port,
            }
        }
        // No host by itself: the reason names the network.
        Key::Network(ip) if inside(ip) => subject.src_ip = found.main,
        Key::From(ip) if inside(ip) => {
            subject.src_ip = Some(ip);
            subject.dst_ip = found.main;
        }
        _ => return None,
    }
    Some((subject, Body::Behaviour(Box::new(found.behaviour))))
}
