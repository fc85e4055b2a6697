//! From a `City` to the two values that others use.
//!
//! Owns: the translation into `ContextParts` and `Ruleset`. Does not own: either's meaning.

use citywall_event::{
    AssetInfo, Conduit as CompiledConduit, ConduitEnd, Context, ContextParts, ZoneId, ZoneInfo,
};

use crate::city::City;
use crate::overlap::{Network, ZoneSearch};
use crate::ruleset::{Allow, Peer, RuledAsset, RuledZone, Ruleset};

impl City {
    /// Compiles the city: what the response enforces, and what the data plane judges by. The same
    /// city gives equal values every time.
    pub fn compile(&self) -> (Ruleset, Context) {
        (self.ruleset(), Context::new(self.context_parts()))
    }

    fn networks(&self) -> Vec<Network> {
        let of_zone = |(zone, z): (usize, &crate::Zone)| {
            let network = move |prefix: &citywall_event::Prefix| Network {
                prefix: *prefix,
                zone,
                span: 0..0,
            };
            z.networks.iter().map(network).collect::<Vec<_>>()
        };
        self.zones.iter().enumerate().flat_map(of_zone).collect()
    }

    fn context_parts(&self) -> ContextParts {
        let networks = self.networks();
        let search = ZoneSearch::new(&networks);
        let zones = self.zones.iter().map(|zone| ZoneInfo {
            name: zone.name.clone(),
            domain: self.domain_name(zone.domain).to_owned(),
            criticality: zone.criticality,
            isolated: zone.isolated,
            inside_denied: zone.inside_denied,
        });
        let assets = self.assets.iter().map(|asset| {
            let own = asset.zone.map(zone_id);
            let place = |ip: &std::net::IpAddr| (*ip, search.find(*ip).map(zone_id).or(own));
            AssetInfo {
                name: asset.name.clone(),
                roles: asset.roles.clone(),
                criticality: asset.criticality,
                zone: own,
                maker: Some(asset.maker.clone()).filter(|m| !m.is_empty()),
                addresses: asset.addresses.iter().map(place).collect(),
                macs: asset.macs.clone(),
            }
        });
        let macs = self
            .zones
            .iter()
            .enumerate()
            .flat_map(|(id, zone)| zone.macs.iter().map(move |mac| (*mac, zone_id(id))));
        let conduits = self.conduits.iter().map(|conduit| CompiledConduit {
            from: conduit.from.clone(),
            to: conduit.to.clone(),
            grants: conduit.allow.clone(),
        });
        ContextParts {
            zones: zones.collect(),
            networks: networks.iter().map(|n| (n.prefix, zone_id(n.zone))).collect(),
            macs: macs.collect(),
            assets: assets.collect(),
            services: self.services.clone(),
            conduits: conduits.collect(),
        }
    }

    fn domain_name(&self, index: usize) -> &str {
        self.domains.get(index).map_or("", |d| d.name.as_str())
    }

    fn ruleset(&self) -> Ruleset {
        let zones = self.zones.iter().map(|zone| RuledZone {
            name: zone.name.clone(),
            networks: zone.networks.clone(),
            macs: zone.macs.clone(),
            criticality: zone.criticality,
            isolated: zone.isolated,
            inside_denied: zone.inside_denied,
            when_down: zone.when_down,
            inspect: zone.inspect,
            denied: zone.denied,
        });
        let allows = self.conduits.iter().map(|conduit| Allow {
            from: conduit.from.iter().map(|end| self.peer(*end)).collect(),
            to: conduit.to.iter().map(|end| self.peer(*end)).collect(),
            grants: conduit.allow.clone(),
            reason: conduit.reason.clone(),
            line: conduit.line,
        });
        Ruleset {
            city: self.name.clone(),
            zones: zones.collect(),
            allows: allows.collect(),
            assets: self.ruled_assets(),
            management: self.management(),
        }
    }

    fn ruled_assets(&self) -> Vec<RuledAsset> {
        let networks = self.networks();
        let search = ZoneSearch::new(&networks);
        let ruled = |asset: &crate::Asset| {
            let own = asset.zone.map(zone_id);
            let place = |ip: &std::net::IpAddr| (*ip, search.find(*ip).map(zone_id).or(own));
            RuledAsset {
                name: asset.name.clone(),
                zone: own,
                addresses: asset.addresses.iter().map(place).collect(),
                macs: asset.macs.clone(),
                roles: asset.roles.clone(),
            }
        };
        self.assets.iter().map(ruled).collect()
    }

    /// What the `[response]` table names, and then the assets that have the role.
    fn management(&self) -> Vec<Peer> {
        let mut ends = self.response.management.clone();
        for (id, asset) in self.assets.iter().enumerate() {
            let end = ConduitEnd::Asset(id as u32);
            if asset.roles.iter().any(|r| r == "management") && !ends.contains(&end) {
                ends.push(end);
            }
        }
        ends.into_iter().map(|end| self.peer(end)).collect()
    }

    fn peer(&self, end: ConduitEnd) -> Peer {
        match end {
            ConduitEnd::EveryZone => Peer::EveryZone,
            ConduitEnd::Outside => Peer::Outside,
            ConduitEnd::Zone(id) => Peer::Zone(id),
            ConduitEnd::Asset(id) => match self.assets.get(id as usize) {
                Some(asset) => Peer::Hosts {
                    name: asset.name.clone(),
                    addresses: asset.addresses.clone(),
                    macs: asset.macs.clone(),
                },
                None => Peer::Hosts {
                    name: String::new(),
                    addresses: Vec::new(),
                    macs: Vec::new(),
                },
            },
        }
    }
}

/// Zones are limited to far fewer than `ZoneId` holds.
fn zone_id(index: usize) -> ZoneId {
    ZoneId::try_from(index).unwrap_or(ZoneId::MAX)
}
