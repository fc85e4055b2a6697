//! The health gate: what an action touches must not fare worse.
//!
//! Owns: whom to watch, what is worse, and that it rolls back by itself. Does not own: measuring
//! (the sensor does), and the device that is cut off on purpose.

use std::collections::BTreeSet;
use std::net::IpAddr;

use citywall_event::{Criticality, Dependency, Nanos, Phrase, counted, say};

use super::state::Tracked;
use super::{Governor, Stage, VITALS};
use crate::bug::{Bug, planted};
use crate::effect::Outcome;
use crate::{Effect, Host, Rung, Vital};

/// Devices that are watched for one action.
const WATCHED: usize = 64;
/// Devices that are watched for all actions together: as many as a sensor tells at once.
const TOGETHER: usize = 256;
/// How old a vital may be to tell how it was before, nanoseconds.
const BEFORE: Nanos = 60_000_000_000;
/// Requests from which on a share of answers says something.
const ENOUGH: u64 = 3;
/// Benign packets that may be lost, of a thousand.
const LOST_OF_THOUSAND: u64 = 1;

impl Governor {
    /// Those that an action touches, and those that depend on it: their peers in services.
    pub(super) fn to_watch(&self, tracked: &Tracked) -> Vec<IpAddr> {
        let mut watch: Vec<IpAddr> = Vec::new();
        let mut add = |ip: IpAddr| {
            if watch.len() < WATCHED && !watch.contains(&ip) {
                watch.push(ip);
            }
        };
        let hosts = tracked.action().measures.iter().map(|m| (m.host(), m.to()));
        for (host, to) in hosts {
            let standing = self.facts.standing(host);
            if let Host::Ip(ip) = host {
                add(ip);
            }
            if let Some(single) = to.filter(|to| to.first() == to.last()) {
                add(single.first());
            }
            for service in self.facts.context.dependents(&[standing.place()]) {
                for dependency in &service.depends_on {
                    let Dependency::Asset(asset) = *dependency else {
                        continue;
                    };
                    let asset = self.facts.context.asset(asset);
                    asset
                        .into_iter()
                        .flat_map(|a| &a.addresses)
                        .for_each(|(ip, _)| add(*ip));
                }
            }
        }
        if let Some(known) = self.incidents.get(&tracked.plan.incident) {
            known
                .notice
                .victims
                .iter()
                .filter_map(|v| v.address)
                .for_each(&mut add);
            known.notice.changes.iter().for_each(|c| add(c.target));
        }
        watch
    }

    /// How they fared lately.
    pub(super) fn vitals_of(&self, watch: &[IpAddr]) -> Vec<Vital> {
        let now = self.clock.now();
        let fresh = |ip: &IpAddr| {
            let (at, vital) = self.vitals.get(ip)?;
            (now.saturating_sub(*at) <= BEFORE).then(|| vital.clone())
        };
        watch.iter().filter_map(fresh).collect()
    }

    pub(super) fn hear_vitals(&mut self, vitals: Vec<Vital>) {
        let now = self.clock.now();
        for vital in vitals {
            self.roll_back_for(&vital);
            if self.vitals.len() >= VITALS && !self.vitals.contains_key(&vital.address) {
                self.vitals.retain(|_, (at, _)| now.saturating_sub(*at) <= BEFORE);
                if self.vitals.len() >= VITALS {
                    continue;
                }
            }
            self.vitals.insert(vital.address, (now, vital));
        }
    }

    /// Takes back every action for which this device fares worse than it did before.
    fn roll_back_for(&mut self, vital: &Vital) {
        let serials: Vec<u64> = self.actions.keys().copied().collect();
        for serial in serials {
            let Some(tracked) = self.actions.get(&serial) else {
                continue;
            };
            if !matches!(tracked.stage, Stage::Active | Stage::Applying) {
                continue;
            }
            let Some(why) = self.worse(tracked, vital) else {
                continue;
            };
            if !planted(Bug::HealthIgnored) {
                self.take_back(serial, Outcome::RolledBack { why });
            }
        }
    }

    /// What is worse about a device since an action began.
    fn worse(&self, tracked: &Tracked, now: &Vital) -> Option<Phrase> {
        if !tracked.watch.contains(&now.address) {
            return None;
        }
        let action = tracked.action();
        let itself = action.measures.iter().any(|m| m.host() == Host::Ip(now.address));
        if itself && action.rung >= Rung::LimitRate && action.rung != Rung::DenyConduit {
            // That it fares worse is the purpose.
            return None;
        }
        let before = tracked.baseline.iter().find(|v| v.address == now.address);
        let safety = self.facts.standing(Host::Ip(now.address)).criticality == Criticality::Safety;
        worse_than(before, now, safety)
            .map(|what| say!("worse", "{who}: {what}", who = now.address, what = what))
    }

    /// Says whose vitals are wanted, and with whom not, where that has changed: of what is in force, and of
    /// what is proposed, as how they fared before must be known once it is approved.
    pub(super) fn tell_watched(&mut self) {
        let mut watched = BTreeSet::new();
        let acts = |t: &&Tracked| matches!(t.stage, Stage::Active | Stage::Applying);
        let waits = |t: &&Tracked| t.stage == Stage::Proposed;
        let acting = self.actions.values().filter(acts);
        let all = acting.chain(self.actions.values().filter(waits));
        for ip in all.flat_map(|tracked| &tracked.watch) {
            if watched.len() == TOGETHER {
                break;
            }
            watched.insert(*ip);
        }
        let now = (watched.into_iter().collect(), self.held_apart());
        if now != self.watched {
            self.watched.clone_from(&now);
            let (addresses, apart) = now;
            self.out.push(Effect::Watch { addresses, apart });
        }
    }

    /// The addresses of those whom measures in force hold.
    fn held_apart(&self) -> Vec<IpAddr> {
        let acts = |t: &&Tracked| matches!(t.stage, Stage::Active | Stage::Applying);
        let held = self.actions.values().filter(acts);
        let mut apart = BTreeSet::new();
        for measure in held.flat_map(|tracked| &tracked.action().measures) {
            match measure.host() {
                Host::Ip(ip) => {
                    apart.insert(ip);
                }
                host @ Host::Mac(_) => {
                    let asset = self.facts.standing(host).place().asset;
                    let asset = asset.and_then(|asset| self.facts.context.asset(asset));
                    apart.extend(asset.into_iter().flat_map(|a| &a.addresses).map(|(ip, _)| *ip));
                }
            }
        }
        apart.into_iter().take(TOGETHER).collect()
    }
}

/// Says what is worse than before.
fn worse_than(before: Option<&Vital>, now: &Vital, safety: bool) -> Option<Phrase> {
    let share = |lost: u64, packets: u64| {
        // Losses of a thousand packets, and never nothing where something was lost.
        lost.saturating_mul(1_000)
            .div_ceil(packets.saturating_add(lost).max(1))
    };
    let lost_before = before.map_or(0, |b| share(b.lost, b.packets));
    let lost = share(now.lost, now.packets);
    let allowed = if safety { 0 } else { LOST_OF_THOUSAND };
    if lost > lost_before.saturating_add(allowed) {
        return Some(say!(
            "worse-lost",
            "{n} lost",
            n = counted(
                now.lost,
                "packet of permitted work was",
                "packets of permitted work were"
            )
        ));
    }
    let before = before?;
    let answers = |v: &Vital| (v.asked >= ENOUGH).then(|| v.answered.saturating_mul(100) / v.asked.max(1));
    if let (Some(then), Some(now)) = (answers(before), answers(now))
        && now.saturating_mul(2) < then
    {
        return Some(say!(
            "worse-answers",
            "{now} of 100 requests are answered, {then} were before",
            now = now,
            then = then
        ));
    }
    if before.heartbeat == Some(true) && now.heartbeat == Some(false) {
        return Some(say!("worse-heartbeat", "its heartbeat stopped"));
    }
    None
}
