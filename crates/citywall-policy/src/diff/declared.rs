//! What else two city files declare differently, in sentences.
//!
//! Owns: zones, assets, people, windows, services and the response, compared by name. Does not own: what
//! traffic may do (the rest of `diff`).

use std::collections::BTreeSet;

use citywall_event::{Phrase, say};
use hashbrown::HashSet;

use crate::city::{Asset, City, Person, Zone};

pub(super) fn changes(old: &City, new: &City) -> Vec<Phrase> {
    let mut told = Vec::new();
    by_name(
        &mut told,
        &say!("diff-zone", "zone"),
        [&old.zones, &new.zones],
        |z| &z.name,
        |told, a, b| zone(told, [old, new], a, b),
    );
    by_name(
        &mut told,
        &say!("diff-asset", "asset"),
        [&old.assets, &new.assets],
        |a| &a.name,
        |told, a, b| asset(told, [old, new], a, b),
    );
    by_name(
        &mut told,
        &say!("diff-person", "person"),
        [&old.people, &new.people],
        |p| &p.name,
        person,
    );
    by_name(
        &mut told,
        &say!("diff-window", "window"),
        [&old.windows, &new.windows],
        |w| &w.name,
        |told, a, b| {
            let what = say!(
                "diff-window-time",
                "window {name} is at another time",
                name = &b.name
            );
            differs(told, what, &a.when, &b.when);
            let on = |city: &City, w: &crate::Window| dependencies(city, &w.on);
            let what = say!(
                "diff-window-on",
                "window {name} is on other devices",
                name = &b.name
            );
            differs(told, what, &on(old, a), &on(new, b));
        },
    );
    by_name(
        &mut told,
        &say!("diff-service", "service"),
        [&old.services, &new.services],
        |s| &s.name,
        |told, a, b| {
            let needs = |city: &City, s: &citywall_event::ServiceInfo| dependencies(city, &s.depends_on);
            let what = say!(
                "diff-service-needs",
                "service {name} needs other things",
                name = &b.name
            );
            differs(told, what, &needs(old, a), &needs(new, b));
            let what = say!(
                "diff-service-criticality",
                "service {name} is {now}, was {before}",
                name = &b.name,
                now = b.criticality.word(),
                before = a.criticality.word()
            );
            differs(told, what, &a.criticality, &b.criticality);
        },
    );
    response(&mut told, [old, new]);
    told
}

fn response(told: &mut Vec<Phrase>, [old, new]: [&City; 2]) {
    let (a, b) = (&old.response, &new.response);
    let what = say!(
        "diff-mode",
        "the response's mode is {now}, was {before}",
        now = b.mode.name(),
        before = a.mode.name()
    );
    differs(told, what, &a.mode, &b.mode);
    let what = say!(
        "diff-radius",
        "the blast radius is {now}, was {before}",
        now = b.blast_radius,
        before = a.blast_radius
    );
    differs(told, what, &a.blast_radius, &b.blast_radius);
    let names = |city: &City| -> BTreeSet<String> {
        city.response
            .management
            .iter()
            .map(|e| city.end_name(*e).to_owned())
            .collect()
    };
    let what = say!("diff-management", "the way to other ends counts as management");
    differs(told, what, &names(old), &names(new));
}

/// Assets of the new city that the old one does not have: each is one sentence of `changes`.
pub(super) fn added_assets(old: &City, new: &City) -> usize {
    let known: HashSet<&str> = old.assets.iter().map(|a| a.name.as_str()).collect();
    let added = new.assets.iter().filter(|a| !known.contains(a.name.as_str()));
    added.count()
}

fn differs<T: PartialEq>(told: &mut Vec<Phrase>, what: Phrase, old: &T, new: &T) {
    if old != new {
        told.push(what);
    }
}

fn by_name<T>(
    told: &mut Vec<Phrase>,
    kind: &Phrase,
    [old, new]: [&[T]; 2],
    name: impl Fn(&T) -> &String,
    mut compare: impl FnMut(&mut Vec<Phrase>, &T, &T),
) {
    for before in old {
        if !new.iter().any(|after| name(after) == name(before)) {
            told.push(say!(
                "diff-gone",
                "{kind} {name} is gone",
                kind = kind,
                name = name(before)
            ));
        }
    }
    for after in new {
        match old.iter().find(|before| name(before) == name(after)) {
            Some(before) => compare(told, before, after),
            None => told.push(say!(
                "diff-new",
                "{kind} {name} is new",
                kind = kind,
                name = name(after)
            )),
        }
    }
}

fn zone(told: &mut Vec<Phrase>, [old, new]: [&City; 2], a: &Zone, b: &Zone) {
    let name = &b.name;
    let what = say!(
        "diff-zone-criticality",
        "zone {name} is {now}, was {before}",
        name = name,
        now = b.criticality.word(),
        before = a.criticality.word()
    );
    differs(told, what, &a.criticality, &b.criticality);
    let domain = |city: &City, z: &Zone| {
        city.domains
            .get(z.domain)
            .map_or(String::new(), |d| d.name.clone())
    };
    let (x, y) = (domain(old, a), domain(new, b));
    let what = say!(
        "diff-zone-domain",
        "zone {name} is in domain {now}, was in {before}",
        name = name,
        now = &y,
        before = &x
    );
    differs(told, what, &x, &y);
    let networks = |z: &Zone| {
        z.networks
            .iter()
            .map(ToString::to_string)
            .collect::<BTreeSet<_>>()
    };
    let (x, y) = (networks(a), networks(b));
    let gone: Vec<&String> = x.difference(&y).collect();
    let fresh: Vec<&String> = y.difference(&x).collect();
    if !gone.is_empty() || !fresh.is_empty() {
        told.push(say!(
            "diff-zone-networks",
            "zone {name} has other networks: without {gone}, with {fresh}",
            name = name,
            gone = format!("{gone:?}"),
            fresh = format!("{fresh:?}")
        ));
    }
    let macs = |z: &Zone| z.macs.iter().copied().collect::<BTreeSet<_>>();
    let what = say!(
        "diff-zone-macs",
        "zone {name} has other hardware addresses",
        name = name
    );
    differs(told, what, &macs(a), &macs(b));
    zone_guard(told, a, b);
}

/// What a zone says of its border.
fn zone_guard(told: &mut Vec<Phrase>, a: &Zone, b: &Zone) {
    let name = &b.name;
    let what = match b.isolated {
        true => say!("diff-zone-isolated", "zone {name} is isolated now", name = name),
        false => say!(
            "diff-zone-not-isolated",
            "zone {name} is no longer isolated",
            name = name
        ),
    };
    differs(told, what, &a.isolated, &b.isolated);
    let what = match b.inside_denied {
        true => say!(
            "diff-zone-inside-denied",
            "members of zone {name} reach each other only by conduits now",
            name = name
        ),
        false => say!(
            "diff-zone-inside-free",
            "members of zone {name} reach each other freely now",
            name = name
        ),
    };
    differs(told, what, &a.inside_denied, &b.inside_denied);
    let what = say!(
        "diff-zone-down",
        "zone {name}: with the wall down, {now} (was {before})",
        name = name,
        now = b.when_down.name(),
        before = a.when_down.name()
    );
    differs(told, what, &a.when_down, &b.when_down);
    let what = say!(
        "diff-zone-inspect",
        "zone {name}: with the inspection dead, {now} (was {before})",
        name = name,
        now = b.inspect.name(),
        before = a.inspect.name()
    );
    differs(told, what, &a.inspect, &b.inspect);
    let what = say!(
        "diff-zone-denied",
        "zone {name}: a denied command is answered by {now} (was {before})",
        name = name,
        now = b.denied.name(),
        before = a.denied.name()
    );
    differs(told, what, &a.denied, &b.denied);
}

fn asset(told: &mut Vec<Phrase>, [old, new]: [&City; 2], a: &Asset, b: &Asset) {
    let name = &b.name;
    let zone = |city: &City, a: &Asset| {
        let zone = a.zone.and_then(|z| city.zones.get(z));
        zone.map_or(citywall_event::OUTSIDE.to_owned(), |z| z.name.clone())
    };
    let (x, y) = (zone(old, a), zone(new, b));
    let what = say!(
        "diff-asset-zone",
        "asset {name} is in zone {now}, was in {before}",
        name = name,
        now = &y,
        before = &x
    );
    differs(told, what, &x, &y);
    let what = say!(
        "diff-asset-criticality",
        "asset {name} is {now}, was {before}",
        name = name,
        now = b.criticality.word(),
        before = a.criticality.word()
    );
    differs(told, what, &a.criticality, &b.criticality);
    let set = |a: &Asset| {
        (
            a.addresses.iter().copied().collect::<BTreeSet<_>>(),
            a.macs.iter().copied().collect::<BTreeSet<_>>(),
        )
    };
    let what = say!(
        "diff-asset-addresses",
        "asset {name} has other addresses",
        name = name
    );
    differs(told, what, &set(a), &set(b));
    let roles = |a: &Asset| a.roles.iter().cloned().collect::<BTreeSet<_>>();
    let now: Vec<String> = roles(b).into_iter().collect();
    let what = say!(
        "diff-asset-roles",
        "asset {name} has other roles: {roles}",
        name = name,
        roles = now.join(", ")
    );
    differs(told, what, &roles(a), &roles(b));
}

fn person(told: &mut Vec<Phrase>, a: &Person, b: &Person) {
    let name = &b.name;
    let roles = |p: &Person| p.roles.iter().copied().collect::<BTreeSet<_>>();
    let what = say!("diff-person-roles", "{name} has other roles", name = name);
    differs(told, what, &roles(a), &roles(b));
    let accounts = |p: &Person| p.unix.iter().cloned().collect::<BTreeSet<_>>();
    let what = say!("diff-person-accounts", "{name} has other accounts", name = name);
    differs(told, what, &accounts(a), &accounts(b));
    let what = say!(
        "diff-person-department",
        "{name} is of another department",
        name = name
    );
    differs(told, what, &a.department, &b.department);
}

fn dependencies(city: &City, on: &[citywall_event::Dependency]) -> BTreeSet<String> {
    use citywall_event::Dependency;
    let name = |d: &Dependency| match *d {
        Dependency::Zone(id) => city.zones.get(usize::from(id)).map(|z| &z.name),
        Dependency::Asset(id) => city.assets.get(id as usize).map(|a| &a.name),
        Dependency::Service(id) => city.services.get(id as usize).map(|s| &s.name),
    };
    on.iter().filter_map(|d| name(d).cloned()).collect()
}
