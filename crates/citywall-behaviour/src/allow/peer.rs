//! Who takes part: devices, kinds of devices, and what lies outside.
//!
//! Owns: how a party of an event is called, which devices are identical, and the names that an asker
//! was told for an address. Does not own: zones and assets (`Context`), devices (`citywall-inventory`).

use std::collections::BTreeMap;
use std::net::IpAddr;

use citywall_event::{Asset, Context, Mac, Phrase, names, say};
use serde::{Deserialize, Serialize};

use crate::recent::Recent;

/// Devices whose kind is remembered; of more nothing is known.
const KINDS: usize = 20_000;
/// Names that are remembered, for each pair of asker and address.
const NAMES: usize = 65_536;

/// A party of a conversation or command.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Peer {
    /// A declared asset of the city file.
    Asset(String),
    /// A device of the city, or a host outside of it that nobody asked a name for.
    Ip(IpAddr),
    /// A device without IP.
    Mac(Mac),
    /// A host outside, by the name that the device had asked for.
    Name(String),
    /// Whoever calls from outside.
    Outside,
}

/// What makes devices identical: zone, what they are, who made them. One of the last two is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kind {
    /// Its name in the city file; empty without one.
    pub zone: String,
    /// As declared or concluded, sorted.
    pub roles: Vec<String>,
    /// As declared, or by the MAC; may be empty.
    pub maker: String,
}

impl Peer {
    /// As it is shown.
    pub fn text(&self) -> Phrase {
        match self {
            Peer::Asset(name) | Peer::Name(name) => Phrase::as_written(name.as_str()),
            Peer::Ip(ip) => Phrase::as_written(ip.to_string()),
            Peer::Mac([a, b, c, d, e, f]) => {
                Phrase::as_written(format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}"))
            }
            Peer::Outside => say!("somebody-outside", "somebody outside"),
        }
    }
}

impl Kind {
    fn new(zone: &str, roles: &[String], maker: Option<&str>) -> Option<Kind> {
        let mut roles = roles.to_vec();
        roles.sort();
        roles.dedup();
        let maker = maker.unwrap_or_default().to_owned();
        (!roles.is_empty() || !maker.is_empty()).then(|| Kind {
            zone: zone.to_owned(),
            roles,
            maker,
        })
    }

    /// As it is shown: `pump-controller by Acme in zone pumps`.
    pub fn text(&self) -> Phrase {
        let mut text = match self.roles.as_slice() {
            [] => say!("a-device", "device"),
            [first, rest @ ..] => {
                let both = |all: Phrase, next: &String| names(&[all, Phrase::as_written(next.as_str())]);
                rest.iter().fold(Phrase::as_written(first.as_str()), both)
            }
        };
        if !self.maker.is_empty() {
            text = say!("made-by", "{what} by {maker}", what = text, maker = &self.maker);
        }
        if !self.zone.is_empty() {
            text = say!("in-zone", "{what} in zone {zone}", what = text, zone = &self.zone);
        }
        text
    }
}

/// A party as an event has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Met {
    pub peer: Peer,
    /// It is one of the city's.
    pub inside: bool,
    pub zone: Option<u16>,
}

/// Who a party is. Without a city, private and link-local addresses are the city's.
pub(super) fn meet(ip: Option<IpAddr>, mac: Option<Mac>, context: &Context) -> Option<Met> {
    let place = context.locate(ip, mac);
    let asset = place.asset.and_then(|id| context.asset(id));
    let inside = match ip {
        _ if !context.is_empty() => place.zone.is_some(),
        Some(ip) => is_local(ip),
        None => true,
    };
    let peer = match (asset, ip, mac) {
        (Some(asset), ..) => Peer::Asset(asset.name.clone()),
        (None, Some(ip), _) => Peer::Ip(ip.to_canonical()),
        (None, None, Some(mac)) => Peer::Mac(mac),
        (None, None, None) => return None,
    };
    Some(Met {
        peer,
        inside: inside || asset.is_some(),
        zone: place.zone,
    })
}

fn is_local(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(v4) => v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// What is sent to many is about nobody in particular.
pub(super) fn to_many(ip: Option<IpAddr>, mac: Option<Mac>) -> bool {
    let group = match ip.map(|ip| ip.to_canonical()) {
        Some(IpAddr::V4(v4)) => v4.is_multicast() || v4.is_broadcast() || v4.is_unspecified(),
        Some(IpAddr::V6(v6)) => v6.is_multicast() || v6.is_unspecified(),
        None => false,
    };
    group || mac.is_some_and(|mac| mac[0] & 1 == 1)
}

/// Which device is of which kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Kinds {
    /// The kind of a device, for each of its addresses.
    pub of: BTreeMap<Peer, Kind>,
    /// The first address of a device, for each of its others: several addresses are not several devices.
    pub same: BTreeMap<Peer, Peer>,
}

impl Kinds {
    /// Takes what the city file says of an asset, where that is not known yet.
    pub fn declared(&mut self, met: &Met, context: &Context) {
        let Peer::Asset(name) = &met.peer else { return };
        if self.of.len() >= KINDS || self.of.contains_key(&met.peer) {
            return;
        }
        let Some(asset) = context.assets().iter().find(|a| a.name == *name) else {
            return;
        };
        let zone = asset.zone.map_or("", |zone| context.zone_name(Some(zone)));
        if let Some(kind) = Kind::new(zone, &asset.roles, asset.maker.as_deref()) {
            self.of.insert(met.peer.clone(), kind);
        }
    }

    /// Takes what the inventory concluded; true where that changed something. What the city file
    /// declares stands.
    pub fn concluded(&mut self, asset: &Asset, context: &Context) -> bool {
        let declared = context.assets().iter().any(|a| a.name == asset.name);
        let zone = asset.zone.as_deref().unwrap_or_default();
        let Some(kind) = Kind::new(zone, &asset.roles, asset.maker.as_deref()) else {
            return false;
        };
        if declared {
            return false;
        }
        let mut changed = false;
        let mut addresses = asset.addresses.iter().map(|ip| Peer::Ip(ip.to_canonical()));
        let Some(first) = addresses.next() else {
            return false;
        };
        for peer in std::iter::once(first.clone()).chain(addresses) {
            if self.of.len() >= KINDS && !self.of.contains_key(&peer) {
                continue;
            }
            if peer != first {
                self.same.insert(peer.clone(), first.clone());
            }
            let known = self.of.insert(peer, kind.clone());
            changed |= known.as_ref() != Some(&kind);
        }
        changed
    }

    /// The device that an address belongs to, by its first one.
    pub fn device<'a>(&'a self, peer: &'a Peer) -> &'a Peer {
        self.same.get(peer).unwrap_or(peer)
    }
}

/// The names that askers were told. Each is believed for its own asker alone: nobody can name an
/// address for another.
#[derive(Debug)]
pub(super) struct Names(Recent<(Peer, IpAddr), String>);

impl Names {
    pub fn new() -> Names {
        Names(Recent::new(NAMES))
    }

    pub fn told(&mut self, asker: &Peer, name: &str, addresses: &[IpAddr]) {
        for ip in addresses {
            *self.0.entry((asker.clone(), ip.to_canonical())) = name.to_owned();
        }
    }

    pub fn of(&mut self, asker: &Peer, ip: Option<IpAddr>) -> Option<String> {
        let key = (asker.clone(), ip?.to_canonical());
        self.0.get(key).map(|name| name.clone())
    }
}
