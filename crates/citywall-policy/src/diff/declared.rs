//! What else two city files declare differently, in sentences.
//!
//! Owns: zones, assets, people, windows, services and the response, compared by name. Does not own: what
//! traffic may do (the rest of `diff`).

use std::collections::BTreeSet;

use hashbrown::HashSet;

use crate::city::{Asset, City, Person, Zone};

pub(super) fn changes(old: &City, new: &City) -> Vec<String> {
    let mut told = Vec::new();
    by_name(
        &mut told,
        "zone",
        &old.zones,
        &new.zones,
        |z| &z.name,
        |told, a, b| zone(told, old, new, a, b),
    );
    by_name(
        &mut told,
        "asset",
        &old.assets,
        &new.assets,
        |a| &a.name,
        |told, a, b| asset(told, old, new, a, b),
    );
    by_name(&mut told, "person", &old.people, &new.people, |p| &p.name, person);
    by_name(
        &mut told,
        "window",
        &old.windows,
        &new.windows,
        |w| &w.name,
        |told, a, b| {
            differs(
                told,
                &format!("window {} is at another time", b.name),
                &a.when,
                &b.when,
            );
            let on = |city: &City, w: &crate::Window| dependencies(city, &w.on);
            differs(
                told,
                &format!("window {} is on other devices", b.name),
                &on(old, a),
                &on(new, b),
            );
        },
    );
    by_name(
        &mut told,
        "service",
        &old.services,
        &new.services,
        |s| &s.name,
        |told, a, b| {
            let needs = |city: &City, s: &citywall_event::ServiceInfo| dependencies(city, &s.depends_on);
            differs(
                told,
                &format!("service {} needs other things", b.name),
                &needs(old, a),
                &needs(new, b),
            );
            let (x, y) = (a.criticality.name(), b.criticality.name());
            differs(told, &format!("service {} is {y}, was {x}", b.name), &x, &y);
        },
    );
    let (a, b) = (&old.response, &new.response);
    let (x, y) = (a.mode.name(), b.mode.name());
    differs(&mut told, &format!("the response's mode is {y}, was {x}"), &x, &y);
    let what = format!("the blast radius is {}, was {}", b.blast_radius, a.blast_radius);
    differs(&mut told, &what, &a.blast_radius, &b.blast_radius);
    let names = |city: &City| -> BTreeSet<String> {
        city.response
            .management
            .iter()
            .map(|e| city.end_name(*e).to_owned())
            .collect()
    };
    differs(
        &mut told,
        "the way to other ends counts as management",
        &names(old),
        &names(new),
    );
    told
}

/// Assets of the new city that the old one does not have: each is one sentence of `changes`.
pub(super) fn added_assets(old: &City, new: &City) -> usize {
    let known: HashSet<&str> = old.assets.iter().map(|a| a.name.as_str()).collect();
    let added = new.assets.iter().filter(|a| !known.contains(a.name.as_str()));
    added.count()
}

fn differs<T: PartialEq>(told: &mut Vec<String>, what: &str, old: &T, new: &T) {
    if old != new {
        told.push(what.to_owned());
    }
}

fn by_name<T>(
    told: &mut Vec<String>,
    kind: &str,
    old: &[T],
    new: &[T],
    name: impl Fn(&T) -> &String,
    mut compare: impl FnMut(&mut Vec<String>, &T, &T),
) {
    for before in old {
        if !new.iter().any(|after| name(after) == name(before)) {
            told.push(format!("{kind} {} is gone", name(before)));
        }
    }
    for after in new {
        match old.iter().find(|before| name(before) == name(after)) {
            Some(before) => compare(told, before, after),
            None => told.push(format!("{kind} {} is new", name(after))),
        }
    }
}

fn zone(told: &mut Vec<String>, old: &City, new: &City, a: &Zone, b: &Zone) {
    let name = &b.name;
    let (x, y) = (a.criticality.name(), b.criticality.name());
    differs(told, &format!("zone {name} is {y}, was {x}"), &x, &y);
    let domain = |city: &City, z: &Zone| {
        city.domains
            .get(z.domain)
            .map_or(String::new(), |d| d.name.clone())
    };
    let (x, y) = (domain(old, a), domain(new, b));
    differs(told, &format!("zone {name} is in domain {y}, was in {x}"), &x, &y);
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
        told.push(format!(
            "zone {name} has other networks: without {gone:?}, with {fresh:?}"
        ));
    }
    let macs = |z: &Zone| z.macs.iter().copied().collect::<BTreeSet<_>>();
    differs(
        told,
        &format!("zone {name} has other hardware addresses"),
        &macs(a),
        &macs(b),
    );
    let (x, y) = (a.isolated, b.isolated);
    let now = if y {
        "is isolated now"
    } else {
        "is no longer isolated"
    };
    differs(told, &format!("zone {name} {now}"), &x, &y);
    let (x, y) = (a.inside_denied, b.inside_denied);
    let now = if y { "only by conduits now" } else { "freely now" };
    differs(
        told,
        &format!("members of zone {name} reach each other {now}"),
        &x,
        &y,
    );
    let (x, y) = (a.when_down.name(), b.when_down.name());
    differs(
        told,
        &format!("zone {name}: with the wall down, {y} (was {x})"),
        &x,
        &y,
    );
    let (x, y) = (a.inspect.name(), b.inspect.name());
    differs(
        told,
        &format!("zone {name}: with the inspection dead, {y} (was {x})"),
        &x,
        &y,
    );
    let (x, y) = (a.denied.name(), b.denied.name());
    differs(
        told,
        &format!("zone {name}: a denied command is answered by {y} (was {x})"),
        &x,
        &y,
    );
}

fn asset(told: &mut Vec<String>, old: &City, new: &City, a: &Asset, b: &Asset) {
    let name = &b.name;
    let zone = |city: &City, a: &Asset| {
        let zone = a.zone.and_then(|z| city.zones.get(z));
        zone.map_or(citywall_event::OUTSIDE.to_owned(), |z| z.name.clone())
    };
    let (x, y) = (zone(old, a), zone(new, b));
    differs(told, &format!("asset {name} is in zone {y}, was in {x}"), &x, &y);
    let (x, y) = (a.criticality.name(), b.criticality.name());
    differs(told, &format!("asset {name} is {y}, was {x}"), &x, &y);
    let set = |a: &Asset| {
        (
            a.addresses.iter().copied().collect::<BTreeSet<_>>(),
            a.macs.iter().copied().collect::<BTreeSet<_>>(),
        )
    };
    differs(
        told,
        &format!("asset {name} has other addresses"),
        &set(a),
        &set(b),
    );
    let roles = |a: &Asset| a.roles.iter().cloned().collect::<BTreeSet<_>>();
    let now: Vec<String> = roles(b).into_iter().collect();
    differs(
        told,
        &format!("asset {name} has other roles: {}", now.join(", ")),
        &roles(a),
        &roles(b),
    );
}

fn person(told: &mut Vec<String>, a: &Person, b: &Person) {
    let roles = |p: &Person| p.roles.iter().copied().collect::<BTreeSet<_>>();
    differs(told, &format!("{} has other roles", b.name), &roles(a), &roles(b));
    let accounts = |p: &Person| p.unix.iter().cloned().collect::<BTreeSet<_>>();
    differs(
        told,
        &format!("{} has other accounts", b.name),
        &accounts(a),
        &accounts(b),
    );
    differs(
        told,
        &format!("{} is of another department", b.name),
        &a.department,
        &b.department,
    );
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
