//! `Context`: how the data plane knows zones and assets without naming their crates.
//!
//! Owns: the compiled, read-only table (address or MAC -> zone, asset; zone pair -> conduits) and
//! the three questions that traffic asks of it: `locate`, `judge_contact`, `judge_command`. It is
//! filled by `citywall-policy`; it knows no file format and no protocol by name beyond the strings
//! it is given. Does not own: who is asked when, and what follows from an answer.

mod conduit;
mod judge;
mod locate;
mod prefix;
mod service;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use hashbrown::HashMap;

use crate::{Mac, Phrase};
use conduit::Pairs;
pub use conduit::{CommandGrant, Conduit, ConduitEnd, Grant, PointPattern, Ports, VerbSet};
pub use judge::is_icmp_request;
use locate::{MacEntry, Ranges};
pub use prefix::Prefix;
pub use service::{Dependency, ServiceInfo};

/// Index into the zones of a `Context`.
pub type ZoneId = u16;

/// Name of the built-in zone that holds every address of no other zone.
pub const OUTSIDE: &str = "outside";

/// How bad it is when a zone or asset stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Criticality {
    /// An office printer.
    Normal,
    /// The city notices.
    Essential,
    /// People can come to harm.
    Safety,
}

impl Criticality {
    /// All, mildest first.
    pub const ALL: [Criticality; 3] = [Criticality::Normal, Criticality::Essential, Criticality::Safety];

    /// The name used in the city file and for people.
    pub fn name(self) -> &'static str {
        match self {
            Criticality::Normal => "normal",
            Criticality::Essential => "essential",
            Criticality::Safety => "safety",
        }
    }

    /// The name in words of its own.
    pub fn word(self) -> Phrase {
        Phrase::of_file(format!("criticality-word-{}", self.name()), self.name())
    }
}

/// Where an address belongs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Its zone; `None` is the zone "outside".
    pub zone: Option<ZoneId>,
    /// Index into the declared assets.
    pub asset: Option<u32>,
}

/// What a conversation says of itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Service<'a> {
    /// IP protocol number.
    pub protocol: u8,
    /// The responder's port, where there is one. For ICMP and ICMPv6: the message type. Where the
    /// type is not told, ICMP is not judged, as it may be an error report, which is an answer.
    pub port: Option<u16>,
    /// Application protocol, once known.
    pub app_proto: Option<&'a str>,
}

/// A zone as the data plane needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneInfo {
    /// Its name in the city file.
    pub name: String,
    /// The domain it belongs to.
    pub domain: String,
    /// How bad it is when it stops.
    pub criticality: Criticality,
    /// Declared to have no connection to anything else.
    pub isolated: bool,
    /// Its members may not reach each other but by conduits.
    pub inside_denied: bool,
}

/// A declared asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetInfo {
    /// Its name in the city file.
    pub name: String,
    /// What it is, in the city's words; see `is_infrastructure` for those with a meaning.
    pub roles: Vec<String>,
    /// How bad it is when it stops.
    pub criticality: Criticality,
    /// Its zone, where it has one.
    pub zone: Option<ZoneId>,
    /// Who made it, as declared.
    pub maker: Option<String>,
    /// Its declared addresses, each with the zone that the address lies in.
    pub addresses: Vec<(IpAddr, Option<ZoneId>)>,
    /// Its declared hardware addresses.
    pub macs: Vec<Mac>,
}

impl AssetInfo {
    /// Roles of devices that everything else needs: no action may be taken against them.
    pub const INFRASTRUCTURE: [&'static str; 7] =
        ["gateway", "dns", "dhcp", "ntp", "update", "management", "sensor"];

    /// True where it has one of the `INFRASTRUCTURE` roles.
    pub fn is_infrastructure(&self) -> bool {
        self.roles
            .iter()
            .any(|r| AssetInfo::INFRASTRUCTURE.contains(&r.as_str()))
    }

    /// True where its MAC carries the traffic of others.
    pub fn is_gateway(&self) -> bool {
        self.roles.iter().any(|r| r == "gateway")
    }
}

/// What a `Context` is compiled from. Indices refer to the vectors here; those out of range are
/// left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ContextParts {
    /// The zones; the index is the `ZoneId`.
    pub zones: Vec<ZoneInfo>,
    /// Networks of zones; no two may overlap.
    pub networks: Vec<(Prefix, ZoneId)>,
    /// Hardware addresses of zone members that are not declared assets.
    pub macs: Vec<(Mac, ZoneId)>,
    /// Declared assets.
    pub assets: Vec<AssetInfo>,
    /// Services of the city.
    pub services: Vec<ServiceInfo>,
    /// Conduits.
    pub conduits: Vec<Conduit>,
}

/// The compiled table. `Context::default()` knows no city and allows everything.
#[derive(Clone, Debug, Default)]
pub struct Context {
    zones: Vec<ZoneInfo>,
    assets: Vec<AssetInfo>,
    services: Vec<ServiceInfo>,
    conduits: Vec<Conduit>,
    pairs: Pairs,
    ranges: Ranges,
    addresses: HashMap<IpAddr, Place>,
    macs: HashMap<Mac, MacEntry>,
}

impl Context {
    /// Compiles the table.
    pub fn new(parts: ContextParts) -> Context {
        let mut addresses = HashMap::new();
        let mut macs = HashMap::new();
        for (mac, zone) in &parts.macs {
            let place = Place {
                zone: Some(*zone),
                asset: None,
            };
            macs.insert(*mac, MacEntry::member(place));
        }
        for (index, asset) in parts.assets.iter().enumerate() {
            let id = Some(index as u32);
            for (ip, zone) in &asset.addresses {
                let place = Place {
                    zone: *zone,
                    asset: id,
                };
                addresses.insert(ip.to_canonical(), place);
            }
            for mac in &asset.macs {
                let place = Place {
                    zone: asset.zone,
                    asset: id,
                };
                macs.insert(*mac, MacEntry::of_asset(place, asset));
            }
        }
        Context {
            pairs: Pairs::new(&parts.conduits, &parts.assets),
            ranges: Ranges::new(&parts.networks, parts.zones.len()),
            addresses,
            macs,
            zones: parts.zones,
            assets: parts.assets,
            services: parts.services,
            conduits: parts.conduits,
        }
    }

    /// True where no city was given: nothing is known and nothing is judged.
    pub fn is_empty(&self) -> bool {
        self.zones.is_empty()
    }

    /// The zones, by `ZoneId`.
    pub fn zones(&self) -> &[ZoneInfo] {
        &self.zones
    }

    /// A zone.
    pub fn zone(&self, id: ZoneId) -> Option<&ZoneInfo> {
        self.zones.get(usize::from(id))
    }

    /// A zone's name; "outside" for none.
    pub fn zone_name(&self, id: Option<ZoneId>) -> &str {
        id.and_then(|id| self.zone(id))
            .map_or(OUTSIDE, |zone| zone.name.as_str())
    }

    /// The declared assets; the index is what `Place::asset` holds.
    pub fn assets(&self) -> &[AssetInfo] {
        &self.assets
    }

    /// A declared asset.
    pub fn asset(&self, id: u32) -> Option<&AssetInfo> {
        self.assets.get(id as usize)
    }

    /// The services, in the order of the city file.
    pub fn services(&self) -> &[ServiceInfo] {
        &self.services
    }

    /// How bad it is when what lives at `place` stops: the asset's word, else the zone's; what is
    /// outside is not the city's to lose.
    pub fn criticality(&self, place: Place) -> Criticality {
        if let Some(asset) = place.asset.and_then(|id| self.asset(id)) {
            return asset.criticality;
        }
        match place.zone.and_then(|id| self.zone(id)) {
            Some(zone) => zone.criticality,
            None if place.zone.is_none() => Criticality::Normal,
            None => Criticality::Safety,
        }
    }
}
