//! What is judged in the one order: who is there, what is not normal, what belongs together.
//!
//! Owns: the order in which inventory, behaviour and incidents hear an event. What they conclude is
//! theirs; where it stands in the log is the stage's.

use std::collections::BTreeMap;

use citywall_behaviour::{
    BeaconLimits, BeaconWatch, GuessingLimits, IdentityLimits, IdentityWatch, NameLimits, NameWatch,
    PasswordGuessing, ScanDetector, ScanLimits, UploadLimits, UploadWatch,
};
use citywall_event::{Body, Context, Event, Nanos, Subject};
use citywall_incident::Situation;
use citywall_inventory::{Device, Inventory};

use crate::settings::Settings;

/// A conclusion: about whom, and what.
pub type Conclusion = (Subject, Body);

/// Inventory, behaviour and incidents.
pub struct Judge {
    inventory: Inventory,
    scans: ScanDetector,
    guessing: PasswordGuessing,
    beacons: BeaconWatch,
    names: NameWatch,
    uploads: UploadWatch,
    identity: IdentityWatch,
    situation: Situation,
}

impl Judge {
    /// Knows nothing yet.
    pub fn new(settings: &Settings) -> Judge {
        let limits = citywall_inventory::Limits {
            assets: settings.config.limits.assets,
            ..Default::default()
        };
        Judge {
            inventory: Inventory::new(limits, settings.makers.clone()),
            scans: ScanDetector::new(ScanLimits::default()),
            guessing: PasswordGuessing::new(GuessingLimits::default()),
            beacons: BeaconWatch::new(BeaconLimits::default()),
            names: NameWatch::new(NameLimits::default()),
            uploads: UploadWatch::new(UploadLimits::default()),
            identity: IdentityWatch::new(IdentityLimits::default()),
            situation: Situation::new(citywall_incident::Limits::default()),
        }
    }

    /// Takes a new city.
    pub fn reload(&mut self, settings: &Settings) {
        self.inventory.reload(&settings.context);
        self.situation.reload(&settings.context);
    }

    /// Hears an event and says what follows from it.
    pub fn event(&mut self, event: &Event, context: &Context) -> Vec<Conclusion> {
        self.inventory.observe(event, context);
        let found = [
            self.scans.observe(event),
            self.guessing.observe(event),
            self.beacons.observe(event, context),
            self.names.observe(event),
            self.uploads.observe(event, context),
            self.identity.observe(event, context),
        ];
        let mut conclusions: Vec<Conclusion> = found
            .into_iter()
            .flatten()
            .map(|behaviour| (event.subject, Body::Behaviour(behaviour)))
            .collect();
        conclusions.extend(self.situation.assess(event, context, &self.inventory));
        conclusions
    }

    /// A border of packet time.
    pub fn tick(&mut self, at: Nanos, context: &Context) -> Vec<Conclusion> {
        self.inventory.tick(at, context);
        let mut conclusions = self.assets_told();
        conclusions.extend(self.situation.tick(at, context));
        conclusions
    }

    /// The input is over.
    pub fn finish(&mut self, at: Nanos, context: &Context) -> Vec<Conclusion> {
        self.inventory.finish(at, context);
        let mut conclusions = self.assets_told();
        conclusions.extend(self.situation.finish(at, context));
        conclusions
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
        BTreeMap::from([
            ("assets_evicted", inventory.evicted),
            ("assets_refused", inventory.refused),
            ("scans_forgotten", self.scans.forgotten()),
            ("guesses_forgotten", self.guessing.forgotten()),
            ("callbacks_forgotten", self.beacons.forgotten()),
            ("names_forgotten", self.names.forgotten()),
            ("uploads_forgotten", self.uploads.forgotten()),
            ("addresses_forgotten", self.identity.forgotten()),
            ("suspects_forgotten", situation.forgotten),
            ("incidents_evicted", situation.evicted),
        ])
    }
}
