//! What is suspicious in a city that is otherwise well-formed.
//!
//! Owns: contradictions, shadowed conduits, services cut off, things that nothing refers to, what
//! nobody could approve, windows that are over. Does
//! not own: errors, which stop a city file from being used at all.

use std::fmt;

use citywall_event::{ConduitEnd, Criticality, Dependency, Grant, Nanos, Phrase, Ports, say};
use hashbrown::HashSet;

use crate::city::{City, Conduit, Role};
use crate::error::quoted;

/// Something to look at in a city file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub file: String,
    /// Line.
    pub line: u32,
    /// What is suspicious.
    pub what: Phrase,
    /// What to do about it.
    pub fix: Phrase,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}; {}", self.file, self.line, self.what, self.fix)
    }
}

/// Comparisons of grants that are made at most; a check must not take longer than a look.
const BUDGET: usize = 4_000_000;

impl City {
    /// Warnings, in the order of the file.
    pub fn check(&self) -> Vec<Finding> {
        self.check_at(None)
    }

    /// Warnings, in the order of the file; with a time, also of windows that are over.
    pub fn check_at(&self, now: Option<Nanos>) -> Vec<Finding> {
        let mut check = Check {
            city: self,
            findings: Vec::new(),
        };
        check.zones();
        check.conduits();
        check.shadows();
        check.services();
        check.assets();
        check.people();
        if let Some(now) = now {
            check.windows(now);
        }
        check
            .findings
            .sort_by(|a, b| (a.line, a.what.english()).cmp(&(b.line, b.what.english())));
        check.findings
    }
}

struct Check<'a> {
    city: &'a City,
    findings: Vec<Finding>,
}

impl Check<'_> {
    fn find(&mut self, line: u32, what: Phrase, fix: Phrase) {
        self.findings.push(Finding {
            file: self.city.file.clone(),
            line,
            what,
            fix,
        });
    }

    fn zones(&mut self) {
        let city = self.city;
        let reached: HashSet<usize> = city
            .conduits
            .iter()
            .flat_map(|c| c.from.iter().chain(&c.to))
            .filter_map(|end| self.zone_of(*end))
            .collect();
        let housed: HashSet<usize> = city.assets.iter().filter_map(|a| a.zone).collect();
        let everywhere = city
            .conduits
            .iter()
            .any(|c| c.from.contains(&ConduitEnd::EveryZone) || c.to.contains(&ConduitEnd::EveryZone));
        for (id, zone) in city.zones.iter().enumerate() {
            if zone.networks.is_empty() && zone.macs.is_empty() && !housed.contains(&id) {
                let what = say!(
                    "check-zone-empty",
                    "nothing can be in zone {zone}: it has no networks and no macs",
                    zone = &zone.name
                );
                let fix = say!("check-zone-empty-fix", "give it networks, or remove it");
                self.find(zone.line, what, fix);
            }
            if !zone.isolated && !everywhere && !reached.contains(&id) {
                let what = say!(
                    "check-zone-alone",
                    "no conduit leads to or from zone {zone}",
                    zone = &zone.name
                );
                let fix = say!("check-zone-alone-fix", "add conduits, or say isolated = true");
                self.find(zone.line, what, fix);
            }
        }
        let used: HashSet<usize> = city.zones.iter().map(|z| z.domain).collect();
        for (id, domain) in city.domains.iter().enumerate() {
            if !used.contains(&id) {
                let what = say!(
                    "check-domain",
                    "domain {domain} has no zone",
                    domain = &domain.name
                );
                let fix = say!("check-domain-fix", "give it a zone, or remove it");
                self.find(domain.line, what, fix);
            }
        }
    }

    fn zone_of(&self, end: ConduitEnd) -> Option<usize> {
        match end {
            ConduitEnd::Zone(id) => Some(usize::from(id)),
            ConduitEnd::Asset(id) => self.city.assets.get(id as usize).and_then(|a| a.zone),
            ConduitEnd::EveryZone | ConduitEnd::Outside => None,
        }
    }

    fn conduits(&mut self) {
        let city = self.city;
        for conduit in &city.conduits {
            for end in conduit.from.iter().chain(&conduit.to) {
                let Some(zone) = self.zone_of(*end).and_then(|z| city.zones.get(z)) else {
                    continue;
                };
                if zone.isolated {
                    let what = say!(
                        "check-isolated",
                        "the conduit names {end}, but zone {zone} is isolated",
                        end = city.end_name(*end),
                        zone = &zone.name
                    );
                    let fix = say!("check-isolated-fix", "remove one of the two: isolation wins");
                    self.find(conduit.line, what, fix);
                }
            }
            if let ([ConduitEnd::Zone(from)], [ConduitEnd::Zone(to)]) = (&conduit.from[..], &conduit.to[..])
                && from == to
                && city
                    .zones
                    .get(usize::from(*from))
                    .is_some_and(|z| !z.inside_denied)
            {
                let what = say!(
                    "check-itself",
                    "{zone} may already reach itself",
                    zone = city.end_name(conduit.from[0])
                );
                let fix = say!("check-itself-fix", "remove the conduit, or say inside = \"deny\"");
                self.find(conduit.line, what, fix);
            }
            let from_outside = conduit.from.contains(&ConduitEnd::Outside);
            let exposed = conduit
                .to
                .iter()
                .filter_map(|end| self.zone_of(*end))
                .filter_map(|zone| city.zones.get(zone))
                .find(|zone| zone.criticality == Criticality::Safety);
            if let Some(zone) = exposed.filter(|_| from_outside) {
                let what = say!(
                    "check-exposed",
                    "outside may reach zone {zone}, whose failure can harm people",
                    zone = &zone.name
                );
                let fix = say!("check-exposed-fix", "let a zone of the city stand between");
                self.find(conduit.line, what, fix);
            }
        }
    }

    /// Grants that another conduit already gives to the same or to more parties.
    fn shadows(&mut self) {
        let conduits = &self.city.conduits;
        let mut budget = BUDGET;
        let mut found = Vec::new();
        for (index, conduit) in conduits.iter().enumerate() {
            for (other_index, other) in conduits.iter().enumerate() {
                let cost = conduit.from.len() * other.from.len()
                    + conduit.to.len() * other.to.len()
                    + conduit.allow.len() * other.allow.len();
                let Some(left) = budget.checked_sub(cost.max(1)) else {
                    let what = say!("check-many", "there are too many conduits to compare them all");
                    let fix = say!("check-many-fix", "join conduits that say the same");
                    found.push((conduit.line, what, fix));
                    for (line, what, fix) in found {
                        self.find(line, what, fix);
                    }
                    return;
                };
                budget = left;
                // Of two that say the same, the later one is the superfluous one.
                let same =
                    conduit.from == other.from && conduit.to == other.to && conduit.allow == other.allow;
                if index == other_index || same && index < other_index || !self.reaches(other, conduit) {
                    continue;
                }
                for grant in &conduit.allow {
                    if let Some(wider) = other.allow.iter().find(|wider| covers(wider, grant)) {
                        let mutual = covers(grant, wider) && self.reaches(conduit, other);
                        if mutual && index < other_index {
                            continue;
                        }
                        let what = say!(
                            "check-shadowed",
                            "{entry} is already allowed by {wider} on line {line}",
                            entry = quoted(&grant.text),
                            wider = quoted(&wider.text),
                            line = other.line
                        );
                        let fix = say!(
                            "check-shadowed-fix",
                            "remove the narrower one, or narrow the wider one"
                        );
                        found.push((conduit.line, what, fix));
                    }
                }
            }
        }
        for (line, what, fix) in found {
            self.find(line, what, fix);
        }
    }

    /// Does `wide` apply wherever `narrow` does?
    fn reaches(&self, wide: &Conduit, narrow: &Conduit) -> bool {
        let within = |ends: &[ConduitEnd], all: &[ConduitEnd]| {
            all.iter()
                .all(|end| ends.iter().any(|candidate| self.end_covers(*candidate, *end)))
        };
        within(&wide.from, &narrow.from) && within(&wide.to, &narrow.to)
    }

    fn end_covers(&self, wide: ConduitEnd, narrow: ConduitEnd) -> bool {
        match (wide, narrow) {
            (ConduitEnd::EveryZone, ConduitEnd::Outside) => false,
            (ConduitEnd::EveryZone, ConduitEnd::Asset(_)) => self.zone_of(narrow).is_some(),
            (ConduitEnd::EveryZone, _) => true,
            (ConduitEnd::Zone(zone), ConduitEnd::Asset(_)) => {
                self.zone_of(narrow) == Some(usize::from(zone)) && self.lives_in_one_zone(narrow)
            }
            _ => wide == narrow,
        }
    }

    fn lives_in_one_zone(&self, end: ConduitEnd) -> bool {
        match end {
            ConduitEnd::Asset(id) => self
                .city
                .assets
                .get(id as usize)
                .is_some_and(|a| a.addresses.len() <= 1),
            _ => true,
        }
    }

    fn services(&mut self) {
        let city = self.city;
        let links = Links::new(self);
        for (index, service) in city.services.iter().enumerate() {
            let line = city.service_lines.get(index).copied().unwrap_or(1);
            let mut zones: Vec<usize> = service
                .depends_on
                .iter()
                .filter_map(|d| match *d {
                    Dependency::Zone(id) => Some(usize::from(id)),
                    Dependency::Asset(id) => city.assets.get(id as usize).and_then(|a| a.zone),
                    Dependency::Service(_) => None,
                })
                .collect();
            zones.sort_unstable();
            zones.dedup();
            for &zone in zones.iter().filter(|_| zones.len() > 1) {
                let joined = zones
                    .iter()
                    .any(|&other| other != zone && links.join(zone, other));
                if !joined {
                    let name = city.zones.get(zone).map_or("", |z| z.name.as_str());
                    let what = say!(
                        "check-service",
                        "service {service} needs zone {zone}, but no conduit joins it with anything else that the service needs",
                        service = &service.name,
                        zone = name
                    );
                    let fix = say!("check-service-fix", "add a conduit, or correct depends_on");
                    self.find(line, what, fix);
                }
            }
            if self.depends_on_itself(index) {
                let what = say!(
                    "check-circle",
                    "service {service} depends on itself",
                    service = &service.name
                );
                self.find(line, what, say!("check-circle-fix", "break the circle"));
            }
        }
    }

    fn assets(&mut self) {
        let city = self.city;
        for asset in &city.assets {
            if asset.zone.is_none() && asset.criticality == Criticality::Safety {
                let what = say!(
                    "check-outside",
                    "asset {asset} is outside, so nothing guards it, though people can come to harm when it stops",
                    asset = &asset.name
                );
                let fix = say!(
                    "check-outside-fix",
                    "let a zone hold its address, or say its criticality"
                );
                self.find(asset.line, what, fix);
            }
            let zone = asset.zone.and_then(|z| city.zones.get(z));
            if let Some(zone) = zone.filter(|z| z.criticality > asset.criticality) {
                let what = say!(
                    "check-milder",
                    "asset {asset} is {own}, milder than its zone {zone}, which is {criticality}: more may be done against it",
                    asset = &asset.name,
                    own = asset.criticality.word(),
                    zone = &zone.name,
                    criticality = zone.criticality.word()
                );
                let fix = say!(
                    "check-milder-fix",
                    "let it be as its zone, or move it to a zone of its own"
                );
                self.find(asset.line, what, fix);
            }
        }
        for end in &city.response.management {
            let zone = self.zone_of(*end).and_then(|z| city.zones.get(z));
            if let Some(zone) = zone.filter(|z| z.isolated) {
                let what = say!(
                    "check-management",
                    "zone {zone} is isolated, and yet of the management",
                    zone = &zone.name
                );
                let fix = say!("check-management-fix", "name another zone or asset in [response]");
                self.find(zone.line, what, fix);
            }
        }
    }

    /// Can what needs approval be approved?
    fn people(&mut self) {
        let city = self.city;
        let may = |p: &crate::Person| p.roles.contains(&Role::Approver);
        for person in city.people.iter().filter(|p| may(p) && p.unix.is_empty()) {
            let what = say!(
                "check-no-account",
                "{who} is an approver, but has no account to approve with",
                who = &person.name
            );
            let fix = say!(
                "check-no-account-fix",
                "add `unix = \"...\"`, or take the role away"
            );
            self.find(person.line, what, fix);
        }
        let approvers = city
            .people
            .iter()
            .filter(|p| may(p) && !p.unix.is_empty())
            .count();
        // Where nobody is named, the response is not in use yet.
        if city.people.is_empty() || approvers >= 2 {
            return;
        }
        let safety = city.zones.iter().find(|z| z.criticality == Criticality::Safety);
        if let Some(zone) = safety {
            let what = say!(
                "check-approvers",
                "what touches zone {zone} needs two different people, but {n} can approve",
                zone = &zone.name,
                n = approvers
            );
            let fix = say!(
                "check-approvers-fix",
                "give a second person the role approver and an account"
            );
            self.find(zone.line, what, fix);
        } else if approvers == 0 {
            let line = city.people.first().map_or(1, |p| p.line);
            self.find(
                line,
                say!("check-no-approver", "nobody can approve anything"),
                say!("check-no-approver-fix", "give somebody the role approver"),
            );
        }
    }

    fn windows(&mut self, now: Nanos) {
        let city = self.city;
        for window in city.windows.iter().filter(|w| w.is_over(now, &city.timezone)) {
            let what = say!(
                "check-window",
                "window {window} is over and will never be open again",
                window = &window.name
            );
            let fix = say!("check-window-fix", "remove it, or give it another time");
            self.find(window.line, what, fix);
        }
    }

    fn depends_on_itself(&self, start: usize) -> bool {
        let services = &self.city.services;
        let mut seen = vec![false; services.len()];
        let mut open = vec![start];
        while let Some(index) = open.pop() {
            for dependency in services.get(index).map_or(&[][..], |s| &s.depends_on) {
                let Dependency::Service(next) = *dependency else {
                    continue;
                };
                let next = next as usize;
                if next == start {
                    return true;
                }
                if seen.get(next) == Some(&false) {
                    seen[next] = true;
                    open.push(next);
                }
            }
        }
        false
    }
}

/// Which zones a conduit joins, whichever way it leads.
struct Links {
    pairs: HashSet<(usize, usize)>,
    /// Zones that a conduit joins with every zone.
    with_all: HashSet<usize>,
    /// Some conduit leads from every zone to every zone.
    all: bool,
    /// Zones that no conduit joins with anything, as isolation wins.
    isolated: HashSet<usize>,
}

impl Links {
    fn new(check: &Check<'_>) -> Links {
        let mut links = Links {
            pairs: HashSet::new(),
            with_all: HashSet::new(),
            all: false,
            isolated: check
                .city
                .zones
                .iter()
                .enumerate()
                .filter(|(_, zone)| zone.isolated)
                .map(|(id, _)| id)
                .collect(),
        };
        for conduit in &check.city.conduits {
            for from in &conduit.from {
                for to in &conduit.to {
                    match (*from, *to) {
                        (ConduitEnd::EveryZone, ConduitEnd::EveryZone) => links.all = true,
                        (ConduitEnd::EveryZone, end) | (end, ConduitEnd::EveryZone) => {
                            links.with_all.extend(check.zone_of(end));
                        }
                        (a, b) => {
                            if let (Some(a), Some(b)) = (check.zone_of(a), check.zone_of(b)) {
                                links.pairs.insert((a.min(b), a.max(b)));
                            }
                        }
                    }
                }
            }
        }
        links
    }

    fn join(&self, a: usize, b: usize) -> bool {
        if self.isolated.contains(&a) || self.isolated.contains(&b) {
            return false;
        }
        self.all
            || self.with_all.contains(&a)
            || self.with_all.contains(&b)
            || self.pairs.contains(&(a.min(b), a.max(b)))
    }
}

/// Does `wide` allow all that `narrow` does? A no may be wrong (commands are compared only whole).
fn covers(wide: &Grant, narrow: &Grant) -> bool {
    let port_in = |p: &Ports| {
        wide.ports
            .iter()
            .any(|w| w.protocol == p.protocol && w.first <= p.first && p.last <= w.last)
    };
    let ports = wide.ports.is_empty() || !narrow.ports.is_empty() && narrow.ports.iter().all(port_in);
    let app = wide.app.is_none() || wide.app == narrow.app;
    let commands = wide.commands.is_empty()
        || !narrow.commands.is_empty() && narrow.commands.iter().all(|c| wide.commands.contains(c));
    ports && app && commands
}
