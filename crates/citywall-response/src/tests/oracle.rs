//! What may never be, written from the text alone.
//!
//! It looks at the town as it was drawn (not at the parsed city), at what it saw people and sensors
//! do, and at what the kernel is told to hold. It shares no code with the gate.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::town::{End, Town, address};
use crate::{Host, Measure, Rung};

const SECOND: i64 = 1_000_000_000;
const MINUTE: i64 = 60 * SECOND;

/// Who a host is, in the town's own terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    Asset(usize),
    Member(usize, IpAddr),
    Unknown(IpAddr),
    Outside(IpAddr),
}

pub(super) fn who(town: &Town, ip: IpAddr) -> Who {
    for (n, asset) in town.assets.iter().enumerate() {
        if asset.feet.iter().any(|(z, h)| address(*z, *h) == ip) {
            return Who::Asset(n);
        }
    }
    let IpAddr::V4(v4) = ip else {
        return Who::Outside(ip);
    };
    let [a, b, c, _] = v4.octets();
    if a == 10 && c == 0 && (1..=town.zones.len()).contains(&usize::from(b)) {
        return Who::Member(usize::from(b) - 1, ip);
    }
    match v4.is_private() {
        true => Who::Unknown(ip),
        false => Who::Outside(ip),
    }
}

/// By what address a host stands in the town: a hardware address by its asset's first one; one that
/// the town does not know by an address that it does not know.
pub(super) fn stands_at(town: &Town, host: Host) -> IpAddr {
    let mac = match host {
        Host::Ip(ip) => return ip,
        Host::Mac(mac) => mac,
    };
    let owner = town.assets.iter().find(|a| a.mac == Some(mac));
    owner.map_or(IpAddr::from([192, 168, 66, mac[5]]), |a| {
        address(a.feet[0].0, a.feet[0].1)
    })
}

fn zones_of(town: &Town, who: Who) -> Vec<usize> {
    match who {
        Who::Asset(n) => town.assets[n].feet.iter().map(|(z, _)| *z).collect(),
        Who::Member(zone, _) => vec![zone],
        Who::Unknown(_) | Who::Outside(_) => Vec::new(),
    }
}

/// The zone that counts for a device at an address.
pub(super) fn zone_at(town: &Town, ip: IpAddr) -> Option<usize> {
    let IpAddr::V4(v4) = ip else { return None };
    let [a, b, c, _] = v4.octets();
    (a == 10 && c == 0 && (1..=town.zones.len()).contains(&usize::from(b))).then(|| usize::from(b) - 1)
}

/// 0 normal, 1 essential, 2 safety.
pub(super) fn class(town: &Town, who: Who) -> usize {
    let zone_word = |z: usize| town.zones[z].tag.unwrap_or(2);
    let own = match who {
        Who::Outside(_) => return 0,
        Who::Unknown(_) => return 2,
        Who::Member(zone, _) => zone_word(zone),
        Who::Asset(n) => {
            let asset = &town.assets[n];
            let words: Vec<usize> = asset.feet.iter().map(|(z, _)| zone_word(*z)).collect();
            let home = zone_word(asset.feet[0].0);
            let said = asset.tag.unwrap_or(home);
            if words.iter().any(|w| *w != words[0]) || said < home {
                2
            } else {
                said
            }
        }
    };
    // What a service needs, through all services in between.
    let zones = zones_of(town, who);
    let mut fallen = vec![false; town.services.len()];
    for _ in 0..=town.services.len() {
        for (n, service) in town.services.iter().enumerate() {
            fallen[n] |= service.needs.iter().any(|need| match *need {
                End::Zone(z) => zones.contains(&z),
                End::Asset(a) => who == Who::Asset(a),
                End::Service(s) => fallen[s],
                End::Every | End::Outside => false,
            });
        }
    }
    let needed = town.services.iter().zip(&fallen).filter(|(_, f)| **f);
    needed.map(|(s, _)| s.tag.unwrap_or(2)).fold(own, usize::max)
}

/// Gateway, DNS, DHCP, time, management, sensors, and the wall itself.
pub(super) fn untouchable(town: &Town, ip: IpAddr) -> bool {
    const NEEDED: [&str; 6] = ["gateway", "dns", "dhcp", "ntp", "management", "sensor"];
    if town.own.contains(&ip) {
        return true;
    }
    let who = who(town, ip);
    let by_role = matches!(who, Who::Asset(n) if NEEDED.contains(&town.assets[n].role));
    by_role
        || town.management.iter().any(|end| match *end {
            End::Zone(z) => zone_at(town, ip) == Some(z),
            End::Asset(a) => who == Who::Asset(a),
            _ => false,
        })
}

/// May `from` open anything with `to`?
fn permitted(town: &Town, from: IpAddr, to: IpAddr, changes_only: bool) -> bool {
    let (a, b) = (zone_at(town, from), zone_at(town, to));
    if let (Some(a), Some(b)) = (a, b)
        && a == b
        && !town.zones[a].inside_denied
    {
        return true;
    }
    let isolated = |z: Option<usize>| z.is_some_and(|z| town.zones[z].isolated);
    if a != b && (isolated(a) || isolated(b)) {
        return false;
    }
    let is = |end: End, ip: IpAddr| match end {
        End::Every => zone_at(town, ip).is_some(),
        End::Outside => zone_at(town, ip).is_none(),
        End::Zone(z) => zone_at(town, ip) == Some(z),
        End::Asset(n) => who(town, ip) == Who::Asset(n),
        End::Service(_) => false,
    };
    town.conduits.iter().any(|c| {
        let carries =
            !changes_only || matches!(c.allow, "any" | "modbus" | "modbus: write" | "https" | "dns");
        is(c.from, from) && is(c.to, to) && carries
    })
}

/// Are commands to this port looked at, wherever they come from?
fn inspected(town: &Town, to: IpAddr, port: u16) -> bool {
    let leads = |end: End| match end {
        End::Every => zone_at(town, to).is_some(),
        End::Outside => zone_at(town, to).is_none(),
        End::Zone(z) => zone_at(town, to) == Some(z),
        End::Asset(n) => who(town, to) == Who::Asset(n),
        End::Service(_) => false,
    };
    let named = |allow: &str| matches!(allow, "modbus: read" | "modbus: write");
    port == 502 && town.conduits.iter().any(|c| leads(c.to) && named(c.allow))
}

/// What was seen of an action before it was put in force.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// Approvers by person and when, true time, for the present form.
    pub(super) people: Vec<(usize, i64)>,
    pub(super) proposer: Option<usize>,
}

/// An act, by true time.
#[derive(Clone, Debug)]
pub(super) struct SeenAct {
    pub(super) zones: Vec<String>,
    pub(super) rungs: Vec<Rung>,
    pub(super) ends: i64,
    pub(super) ends_wall: i64,
}

/// What was seen of the case so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Oracle {
    pub(super) actions: BTreeMap<String, Seen>,
    pub(super) acts: Vec<SeenAct>,
    /// Of an incident's suspect: ever proved; ever without contradiction.
    pub(super) suspects: BTreeMap<(String, Host), (bool, bool)>,
    /// Devices touched without a person.
    pub(super) unattended: Vec<(i64, Who)>,
    /// What was rolled back: device, rung, when.
    pub(super) regrets: Vec<(i64, Who, Rung)>,
}

/// The moment at which something is put in force.
pub(super) struct Act<'a> {
    pub(super) town: &'a Town,
    pub(super) now: i64,
    pub(super) wall: i64,
    pub(super) id: &'a str,
    pub(super) rung: Rung,
    pub(super) measures: &'a [Measure],
}

impl Oracle {
    /// Something is put in force: may it be?
    pub(super) fn applied(&mut self, act: &Act<'_>) -> Result<(), String> {
        let incident = act.id.rsplit_once('.').map_or("", |(i, _)| i).to_owned();
        let seen = self
            .actions
            .get(act.id)
            .cloned()
            .ok_or("nobody saw it proposed")?;
        let attended = !seen.people.is_empty();
        let mut class_of_all = 0;
        for measure in act.measures {
            let ip = stands_at(act.town, measure.host());
            class_of_all = class_of_all.max(self.one(act, &incident, &seen, measure, ip)?);
        }
        if attended {
            self.attended(act, &seen, class_of_all)
        } else {
            self.unattended(act, class_of_all)
        }
    }

    /// What never may be, whoever approves; gives as how bad it counts.
    fn one(
        &self,
        act: &Act<'_>,
        incident: &str,
        seen: &Seen,
        measure: &Measure,
        ip: IpAddr,
    ) -> Result<usize, String> {
        let town = act.town;
        if untouchable(town, ip) {
            return Err(format!("never-list: {ip} is acted against"));
        }
        let (proved, clean) = self
            .suspects
            .get(&(incident.to_owned(), measure.host()))
            .copied()
            .unwrap_or((false, true));
        let by_hand = seen.proposer.is_some();
        let source_based = !matches!(
            measure,
            Measure::LimitInto { .. } | Measure::SynProxy { .. } | Measure::DropAnswers { .. }
        );
        if source_based && !proved && !by_hand {
            return Err(format!("{ip} was never proved to be real"));
        }
        let mut bad = class(town, who(town, ip));
        if !clean && source_based {
            bad = 2;
        }
        if bad == 2 && matches!(measure, Measure::Isolate { .. } | Measure::Quarantine { .. }) {
            return Err(format!("{ip} counts as safety and is cut off"));
        }
        if let Measure::DenyPair { to, .. } = measure {
            for far in cut(town, *to) {
                let may = permitted(town, ip, far, false);
                let leases = matches!(who(town, far), Who::Asset(n) if town.assets[n].role == "dhcp");
                let lease = leases && zone_at(town, ip).is_some();
                if untouchable(town, far) && (may || lease || town.own.contains(&far)) {
                    return Err(format!("{ip} loses its way to {far}"));
                }
                if may && (bad == 2 || class(town, who(town, far)) == 2) {
                    return Err(format!("permitted work of safety between {ip} and {far} is cut"));
                }
            }
        }
        if let Measure::DropAnswers { to, from_port: 0 } = measure {
            return Err(format!("answers from port 0 to {to} are dropped"));
        }
        if let Measure::SynProxy { to, port } = *measure {
            if port == 0 {
                return Err(format!("the wall answers for port 0 of {to}"));
            }
            if inspected(town, to, port) {
                return Err(format!(
                    "the wall answers for port {port} of {to}, where commands are inspected"
                ));
            }
        }
        if let Measure::DenyCommand { to, .. } = measure {
            for far in probes(town, *to) {
                if permitted(town, ip, far, true) && class(town, who(town, far)) == 2 {
                    bad = 2;
                }
            }
        }
        Ok(bad)
    }

    fn attended(&self, act: &Act<'_>, seen: &Seen, bad: usize) -> Result<(), String> {
        let needed = if bad == 2 { 2 } else { 1 };
        let fresh = |(_, at): &&(usize, i64)| act.now - at <= 15 * MINUTE + SECOND;
        let mut people: Vec<usize> = seen.people.iter().filter(fresh).map(|(p, _)| *p).collect();
        people.sort_unstable();
        people.dedup();
        if people.len() < needed {
            return Err(format!("{} people approved, {needed} must", people.len()));
        }
        if people.iter().all(|p| Some(*p) == seen.proposer) {
            return Err("who proposed it approved it alone".to_owned());
        }
        Ok(())
    }

    fn unattended(&mut self, act: &Act<'_>, bad: usize) -> Result<(), String> {
        let town = act.town;
        let Some(Host::Ip(ip)) = act.measures.first().map(Measure::host) else {
            return Err("a hardware address is acted against without a person".to_owned());
        };
        let zone = zone_at(town, ip).map_or("outside".to_owned(), |z| format!("z{z}"));
        let covered = self.acts.iter().any(|a| {
            a.zones.contains(&zone)
                && a.rungs.contains(&act.rung)
                && act.now < a.ends
                && act.wall < a.ends_wall
        });
        if !covered {
            return Err(format!("no act covers {} in {zone} now", act.rung.name()));
        }
        if bad == 2 {
            return Err("safety is acted against without people".to_owned());
        }
        if bad == 1 && act.rung >= Rung::Quarantine {
            return Err("essential is cut off without a person".to_owned());
        }
        for measure in act.measures {
            let cuts = match measure {
                Measure::DenyPair { to, .. } => {
                    cut(town, *to).iter().any(|far| permitted(town, ip, *far, false))
                }
                Measure::DenyCommand { to, .. } => probes(town, *to)
                    .iter()
                    .any(|far| permitted(town, ip, *far, true)),
                _ => false,
            };
            if cuts {
                return Err("permitted work is cut without a person".to_owned());
            }
        }
        let device = who(town, ip);
        let wall = act.wall / SECOND - super::town::BEGIN;
        let maintained =
            |w: &super::town::Window| zone_at(town, ip) == Some(w.zone) && w.from <= wall && wall < w.to;
        if town.windows.iter().any(maintained) {
            return Err("somebody works on it".to_owned());
        }
        let regret =
            |(at, d, r): &(i64, Who, Rung)| *d == device && *r == act.rung && act.now - at < 24 * 60 * MINUTE;
        if self.regrets.iter().any(regret) {
            return Err("it was rolled back and is tried again".to_owned());
        }
        self.unattended.push((act.now, device));
        let mut within: Vec<Who> = self
            .unattended
            .iter()
            .filter(|(at, _)| act.now - at < 10 * MINUTE)
            .map(|(_, d)| *d)
            .collect();
        within.sort_unstable();
        within.dedup();
        match within.len() > 3 {
            true => Err(format!(
                "{} devices in ten minutes without a person",
                within.len()
            )),
            false => Ok(()),
        }
    }
}

/// Whom a denied pair cuts: where a whole network is denied the kernel goes on to let everybody reach
/// what everything needs (`firewall::tests::live`); who is named alone is cut, whoever it is.
fn cut(town: &Town, network: citywall_event::Prefix) -> Vec<IpAddr> {
    let mut all = probes(town, network);
    if network.first() != network.last() {
        all.retain(|far| !untouchable(town, *far));
    }
    all
}

/// Addresses of a network that stand for all: those that are declared, one that is not, and the
/// wall's own.
fn probes(town: &Town, network: citywall_event::Prefix) -> Vec<IpAddr> {
    if network.first() == network.last() {
        return vec![network.first()];
    }
    let declared = town
        .assets
        .iter()
        .flat_map(|a| &a.feet)
        .map(|(z, h)| address(*z, *h));
    let members = (0..town.zones.len()).map(|z| address(z, 200));
    let all = declared.chain(members).chain(town.own.iter().copied());
    all.filter(|ip| network.contains(*ip)).collect()
}

/// How many devices of a zone may be touched at a time.
pub(super) fn zone_share(town: &Town, zone: usize) -> usize {
    let declared = |a: &&super::town::Asset| a.feet.iter().any(|(z, _)| *z == zone);
    let devices = town.assets.iter().filter(declared).count() + town.zones[zone].macs;
    (devices / 100).max(1)
}

/// What the kernel holds of ours at one moment: too much?
/// Where something was just put in force, in the zones of `touched`.
pub(super) fn radius(
    town: &Town,
    held: &[(String, Measure)],
    touched: &[Measure],
    cap: usize,
) -> Result<(), String> {
    let mut ids: Vec<&String> = held.iter().map(|(id, _)| id).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut devices: Vec<Who> = Vec::new();
    for (_, measure) in held {
        devices.push(who(town, stands_at(town, measure.host())));
    }
    devices.sort_unstable();
    devices.dedup();
    if ids.len() > cap || devices.len() > cap {
        return Err(format!(
            "{} actions on {} devices at a time",
            ids.len(),
            devices.len()
        ));
    }
    let hosts = touched.iter().map(Measure::host);
    let zones = hosts.filter_map(|host| zone_at(town, stands_at(town, host)));
    for zone in zones {
        let mut inside: Vec<Who> = Vec::new();
        for (_, measure) in held {
            let ip = stands_at(town, measure.host());
            if zone_at(town, ip) == Some(zone) {
                inside.push(who(town, ip));
            }
        }
        inside.sort_unstable();
        inside.dedup();
        if inside.len() > zone_share(town, zone) {
            return Err(format!("{} devices of z{zone} at a time", inside.len()));
        }
    }
    Ok(())
}
