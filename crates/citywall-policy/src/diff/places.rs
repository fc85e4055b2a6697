//! The kinds of hosts that two cities tell apart.
//!
//! Owns: one example of each. Does not own: what they may do.

use std::collections::BTreeMap;
use std::net::IpAddr;

use citywall_event::{ConduitEnd, Phrase, Place, say};
use hashbrown::HashSet;

use crate::ends::{Judged, hosts};

/// Hosts that each of the two cities treats alike.
#[derive(Clone, Debug)]
pub(super) struct Class {
    /// For people.
    pub name: Phrase,
    /// In the old city and in the new one.
    pub places: [Place; 2],
    /// An address of one.
    pub ip: Option<IpAddr>,
}

/// What a city tells apart: zones, and assets that a conduit names.
type Key = (Option<u16>, Option<u32>);

pub(super) fn classes(sides: &[Judged<'_>; 2]) -> Vec<Class> {
    let named = [named(&sides[0]), named(&sides[1])];
    let key = |index: usize, place: Place| -> Key {
        (place.zone, place.asset.filter(|id| named[index].contains(id)))
    };
    let mut classes: BTreeMap<[Key; 2], Class> = BTreeMap::new();
    let mut add = |places: [Place; 2], ip: Option<IpAddr>| {
        let keys = [key(0, places[0]), key(1, places[1])];
        classes.entry(keys).or_insert_with(|| Class {
            name: name(sides, keys),
            places,
            ip,
        });
    };
    // Borders of networks, of both cities: between two borders all hosts are alike.
    let mut samples: Vec<IpAddr> = sides.iter().filter_map(|s| s.outside().ip).collect();
    for side in sides {
        for zone in &side.city.zones {
            for network in &zone.networks {
                samples.extend(hosts(*network).take(1));
                // Beside a network there may be a larger one of the other city.
                samples.extend(before(network.first()));
                samples.extend(behind(network.last()));
            }
        }
        samples.extend(side.city.assets.iter().flat_map(|a| a.addresses.iter().copied()));
    }
    for ip in samples {
        add([0, 1].map(|i| sides[i].context.locate(Some(ip), None)), Some(ip));
        // Members without a name of the same zone.
        let unnamed = [0, 1].map(|i| Place {
            asset: None,
            ..sides[i].context.locate(Some(ip), None)
        });
        add(unnamed, Some(ip));
    }
    // What has no address at all.
    let macs = sides.iter().flat_map(|s| {
        let of_zones = s.city.zones.iter().flat_map(|z| &z.macs);
        of_zones.chain(s.city.assets.iter().flat_map(|a| &a.macs))
    });
    for mac in macs {
        add([0, 1].map(|i| sides[i].context.locate(None, Some(*mac))), None);
    }
    classes.into_values().collect()
}

fn before(ip: IpAddr) -> Option<IpAddr> {
    match ip {
        IpAddr::V4(v4) => Some(IpAddr::V4(v4.to_bits().checked_sub(2)?.into())),
        IpAddr::V6(v6) => Some(IpAddr::V6(v6.to_bits().checked_sub(2)?.into())),
    }
}

fn behind(ip: IpAddr) -> Option<IpAddr> {
    match ip {
        IpAddr::V4(v4) => Some(IpAddr::V4(v4.to_bits().checked_add(2)?.into())),
        IpAddr::V6(v6) => Some(IpAddr::V6(v6.to_bits().checked_add(2)?.into())),
    }
}

/// The assets that conduits name.
fn named(side: &Judged<'_>) -> HashSet<u32> {
    let ends = side.city.conduits.iter().flat_map(|c| c.from.iter().chain(&c.to));
    ends.filter_map(|end| match end {
        ConduitEnd::Asset(id) => Some(*id),
        _ => None,
    })
    .collect()
}

fn name(sides: &[Judged<'_>; 2], keys: [Key; 2]) -> Phrase {
    let one = |index: usize| {
        let (zone, asset) = keys[index];
        let context = &sides[index].context;
        let zone = context.zone_name(zone).to_owned();
        match asset.and_then(|id| context.asset(id)) {
            Some(asset) => asset.name.clone(),
            None => zone,
        }
    };
    let zones = [0, 1].map(|i| sides[i].context.zone_name(keys[i].0).to_owned());
    let (old, new) = (one(0), one(1));
    match zones[0] == zones[1] {
        true if old == new => Phrase::as_written(new),
        // Named by conduits in only one of the two.
        true if old == zones[0] => Phrase::as_written(new),
        true if new == zones[1] => Phrase::as_written(old),
        _ if old == new => say!(
            "diff-moved",
            "{name} (in {before} before, {now} now)",
            name = new,
            before = &zones[0],
            now = &zones[1]
        ),
        _ => say!("diff-was", "{name} (before: {before})", name = new, before = old),
    }
}
