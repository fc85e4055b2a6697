//! When changes are told, and how room is made.
//!
//! Owns: the borders of packet time, the shortest time between reports of one device, and whom to
//! forget. Does not own: what a change is.

use citywall_event::{Body, Context, Nanos, Subject};

use crate::device::Key;
use crate::inventory::Inventory;

/// A device that once answered is not forgotten before it was silent for this time.
const QUIET_ANSWERER: Nanos = 600_000_000_000;

/// One that only spoke.
const QUIET_SPEAKER: Nanos = 60_000_000_000;

impl Inventory {
    /// A border of packet time: makes room where it is short, and prepares what is to be told.
    /// New devices are told at the next border, changes not more often than the limit says.
    pub fn tick(&mut self, at: Nanos, context: &Context) {
        self.make_room(at);
        self.report(at, context, false);
    }

    /// The input is over: tells all that was held back.
    pub fn finish(&mut self, at: Nanos, context: &Context) {
        self.report(at, context, true);
    }

    /// Whether anybody hears of changes; where nobody does they are not put into words.
    pub fn set_heard(&mut self, heard: bool) {
        self.heard = heard;
    }

    /// What is to be told since the last call, in a fixed order: `Asset` bodies, and for each the
    /// subject (its address and MAC as source).
    pub fn drain_changes(&mut self) -> Vec<(Subject, Body)> {
        std::mem::take(&mut self.changes)
    }

    /// The city file was read anew: devices are held against its zones and declarations.
    pub fn reload(&mut self, context: &Context) {
        self.by_declared.clear();
        for id in 0..self.devices.len() as u32 {
            let Some(device) = self.devices.get_mut(id as usize).and_then(Option::as_mut) else {
                continue;
            };
            let first = device.addresses.first().copied();
            let place = context.locate(first, device.mac);
            let before = (device.zone, device.declared().is_some());
            device.zone = place.zone;
            let asset = place.asset.filter(|a| !self.by_declared.contains_key(a));
            match asset.and_then(|a| Some((a, context.asset(a)?))) {
                Some((asset, info)) => {
                    device.key = Key::Declared(asset);
                    device.name = Some(info.name.clone());
                    device.zone = info.zone;
                    self.by_declared.insert(asset, id);
                }
                None if before.1 => {
                    device.name = None;
                    match (device.mac, first) {
                        (Some(mac), _) => device.key = Key::Mac(mac),
                        (None, Some(ip)) => device.key = Key::Ip(ip),
                        // It was declared by a MAC that was never heard.
                        (None, None) => {
                            self.forget(id);
                            continue;
                        }
                    }
                }
                None => {}
            }
            let device = self.devices.get(id as usize).and_then(Option::as_ref);
            if device.is_some_and(|d| before != (d.zone, d.declared().is_some())) {
                self.mark(id);
            }
        }
    }

    fn report(&mut self, at: Nanos, context: &Context, all: bool) {
        if self.dirty.is_empty() {
            return;
        }
        let mut dirty = std::mem::take(&mut self.dirty);
        dirty.sort_unstable();
        dirty.dedup();
        let mut later = Vec::new();
        let heard = self.heard;
        for id in dirty {
            let every = self.limits.report_every;
            let Some(device) = self.device_mut(id) else {
                continue;
            };
            if !device.dirty {
                continue;
            }
            let early = device.told.is_some_and(|told| at.saturating_sub(told) < every);
            if early && !all {
                later.push(id);
                continue;
            }
            let change = if device.told.is_some() { "changed" } else { "new" };
            device.dirty = false;
            device.told = Some(at);
            if device.name.is_none() {
                device.name = Some(device.given_name());
            }
            if !heard {
                continue;
            }
            let subject = Subject {
                src_ip: device.addresses.first().copied(),
                src_mac: device.mac,
                src_zone: device.zone,
                ..Subject::default()
            };
            let body = Body::Asset(Box::new(device.report(change, context)));
            self.changes.push((subject, body));
        }
        self.dirty = later;
    }

    /// Forgets a sixteenth of the devices where there is no room for another: those that were never
    /// heard to answer first, then those heard longest ago. Declared ones stay, and so do those that
    /// are still busy: a flood of invented senders is refused rather than let in for real devices,
    /// and a city that is larger than the limit is not learned and forgotten in turn.
    fn make_room(&mut self, at: Nanos) {
        if !self.free.is_empty() || self.devices.len() < self.limits.assets.max(1) {
            return;
        }
        let mut order: Vec<(bool, Nanos, u32)> = self
            .devices
            .iter()
            .enumerate()
            .filter_map(|(id, d)| d.as_ref().map(|d| (id as u32, d)))
            .filter(|(_, d)| !matches!(d.key, Key::Declared(_)))
            .filter(|(_, d)| {
                at.saturating_sub(d.last_seen) >= if d.answered { QUIET_ANSWERER } else { QUIET_SPEAKER }
            })
            .map(|(id, d)| (d.answered, d.last_seen, id))
            .collect();
        let count = (self.limits.assets / 16).max(1).min(order.len());
        if count < order.len() {
            order.select_nth_unstable(count);
            order.truncate(count);
        }
        order.sort_unstable();
        for (_, _, id) in order {
            self.forget(id);
            self.counters.evicted += 1;
        }
        // MACs without a device are only remembered while there is room.
        if self.by_mac.len() >= self.limits.assets.saturating_mul(2) {
            self.by_mac.retain(|_, state| state.device.is_some());
        }
    }
}
