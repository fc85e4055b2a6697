//! What the policy permits between a host and a network: work that a measure would cut.
//!
//! Owns: the question "does anything permitted pass there". It asks wider than the data plane
//! does: where any conversation of any protocol may pass, there is work. A denial of a whole network
//! spares what everything needs, as the kernel does (`firewall::measures`); a single address that
//! is denied is denied, whoever has it. Does not own: what follows from the answer.

use std::net::IpAddr;

use citywall_event::{
    AssetInfo, ConduitEnd, Criticality, Grant, Place, Prefix, Service, Verb, VerbSet, ZoneId,
};

use super::Facts;
use crate::Host;
use crate::bug::{Bug, planted};

/// Roles of those without whom a device cannot work at all; DHCP needs no conduit.
const LIFELINES: [&str; 6] = ["gateway", "dns", "dhcp", "ntp", "management", "sensor"];

/// Permitted work between two ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Work {
    /// There is some.
    pub(crate) any: bool,
    /// An end of it counts as safety.
    pub(crate) safety: bool,
    /// It leads to what everything needs: DNS, DHCP, time, gateway, management, the wall itself.
    pub(crate) lifeline: bool,
}

/// A denial of more than one address spares those without whom nothing works.
fn spares_some(network: Prefix) -> bool {
    network.first() != network.last() || planted(Bug::SparedByName)
}

impl Facts {
    /// Conversations that `from` may open with `to`.
    pub(crate) fn work(&self, from: Host, to: Prefix) -> Work {
        self.permitted(from, to, spares_some(to), &|_| true)
    }

    /// Commands with one of the verbs that `from` may give to `to`.
    pub(crate) fn commands(&self, from: Host, to: Prefix, verbs: VerbSet) -> Work {
        let names = |grant: &Grant| {
            grant.commands.is_empty()
                || grant.commands.iter().any(|command| {
                    // A function's verb is not known here: it may be one of them.
                    !command.functions.is_empty()
                        || Verb::ALL.iter().any(|v| verbs.has(*v) && command.verbs.has(*v))
                })
        };
        // Who is inspected goes on: nobody needs to be spared.
        self.permitted(from, to, false, &names)
    }

    /// True where a conduit names the commands that may be given to this TCP port, from wherever: such
    /// conversations are inspected, which takes their handshake.
    pub(crate) fn inspects(&self, to: IpAddr, port: u16) -> bool {
        const TCP: u8 = 6;
        let service = Service {
            protocol: TCP,
            port: Some(port),
            app_proto: None,
        };
        let place = self.context.locate(Some(to), None);
        let named = |grant: &Grant| !grant.commands.is_empty() && grant.on_port(&service);
        let leads = |end: &ConduitEnd| self.is_end(*end, place);
        let mut conduits = self.conduits.iter();
        conduits.any(|c| c.to.iter().any(leads) && c.grants.iter().any(named))
            && !planted(Bug::InspectionForgotten)
    }

    /// True where a denial of this network would spare somebody in it.
    pub(crate) fn spares_in(&self, network: Prefix) -> bool {
        let assets = self.context.assets().iter().enumerate();
        let mut spared = assets.filter(|(index, _)| self.is_spared(*index as u32));
        spares_some(network)
            && (self.own_in(network)
                || spared.any(|(_, a)| a.addresses.iter().any(|(ip, _)| network.contains(*ip))))
    }

    fn is_spared_end(&self, end: ConduitEnd) -> bool {
        matches!(end, ConduitEnd::Asset(asset) if self.is_spared(asset))
    }

    /// An asset that the kernel spares wherever a whole network is denied.
    fn is_spared(&self, index: u32) -> bool {
        self.asset(index).is_some_and(AssetInfo::is_infrastructure)
            || self.management.contains(&ConduitEnd::Asset(index))
    }

    fn permitted(&self, from: Host, to: Prefix, spares: bool, names: &dyn Fn(&Grant) -> bool) -> Work {
        let from = self.standing(from);
        let mut work = Work::default();
        let (zones, outside) = self.zones_in(to);
        let far_safety = |facts: &Facts| facts.safety_in(to, &zones);
        if let Some(own) = from.zone.filter(|zone| zones.contains(zone)) {
            let free = self.context.zone(own).is_some_and(|z| !z.inside_denied);
            work.any |= free;
        }
        for conduit in self.conduits.iter() {
            let begins = conduit.from.iter().any(|end| self.is_end(*end, from.place()));
            let reaches = conduit
                .to
                .iter()
                .filter(|end| !(spares && self.is_spared_end(**end)))
                .any(|end| self.reaches(*end, from.zone, to, &zones, outside));
            work.any |= begins && reaches && conduit.grants.iter().any(names);
        }
        let near_safety = from.criticality == Criticality::Safety;
        work.safety = work.any && (near_safety || far_safety(self));
        work.lifeline = self.lifeline(from.zone, to, &zones, work.any);
        if planted(Bug::ConduitsForgotten) {
            return Work::default();
        }
        work
    }

    /// The zones that a network lies in or holds, and whether some of it is outside all zones.
    fn zones_in(&self, network: Prefix) -> (Vec<ZoneId>, bool) {
        let mut zones = Vec::new();
        let mut covered = false;
        for (id, networks) in self.networks.iter().enumerate() {
            let Ok(id) = ZoneId::try_from(id) else { break };
            if networks.iter().any(|n| n.overlaps(network)) {
                zones.push(id);
            }
            covered |= networks
                .iter()
                .any(|n| n.contains(network.first()) && n.contains(network.last()));
        }
        // Declared addresses may lie in no network.
        for asset in self.context.assets() {
            for (ip, zone) in &asset.addresses {
                if let Some(zone) = zone.filter(|z| network.contains(*ip) && !zones.contains(z)) {
                    zones.push(zone);
                }
            }
        }
        (zones, !covered)
    }

    pub(super) fn is_end(&self, end: ConduitEnd, place: Place) -> bool {
        match end {
            ConduitEnd::EveryZone => place.zone.is_some(),
            ConduitEnd::Outside => place.zone.is_none(),
            ConduitEnd::Zone(zone) => place.zone == Some(zone),
            ConduitEnd::Asset(asset) => place.asset == Some(asset),
        }
    }

    /// Does a conduit's end lie in the network, as seen from a zone? Nothing crosses the border of
    /// an isolated zone by right.
    fn reaches(
        &self,
        end: ConduitEnd,
        from: Option<ZoneId>,
        to: Prefix,
        zones: &[ZoneId],
        outside: bool,
    ) -> bool {
        let isolated = |zone: ZoneId| self.context.zone(zone).is_some_and(|z| z.isolated);
        let crosses = |zone: Option<ZoneId>| {
            zone == from || !(zone.is_some_and(isolated) || from.is_some_and(isolated))
        };
        match end {
            ConduitEnd::EveryZone => zones.iter().any(|zone| crosses(Some(*zone))),
            ConduitEnd::Outside => outside && crosses(None),
            ConduitEnd::Zone(zone) => zones.contains(&zone) && crosses(Some(zone)),
            ConduitEnd::Asset(asset) => self.asset(asset).is_some_and(|asset| {
                let here = |(ip, zone): &(_, Option<ZoneId>)| to.contains(*ip) && crosses(*zone);
                asset.addresses.iter().any(here)
            }),
        }
    }

    fn safety_in(&self, network: Prefix, zones: &[ZoneId]) -> bool {
        let declared = self.context.assets().iter().enumerate();
        let mut inside = declared.filter(|(_, a)| a.addresses.iter().any(|(ip, _)| network.contains(*ip)));
        if inside.any(|(id, _)| self.asset_criticality(id as u32) == Criticality::Safety) {
            return true;
        }
        // One declared address speaks for itself; a network holds what is not declared, too.
        let single = network.first() == network.last();
        let place = self.context.locate(Some(network.first()), None);
        if single && place.asset.is_some() {
            return false;
        }
        if single && place.zone.is_none() {
            return self.standing(Host::Ip(network.first())).criticality == Criticality::Safety;
        }
        zones
            .iter()
            .any(|z| self.zone_criticality(*z) == Criticality::Safety)
    }

    /// Is there something in the network that everything needs, that may be reached from the zone, and
    /// that would be cut? Addresses are leased without a conduit.
    fn lifeline(&self, from: Option<ZoneId>, to: Prefix, zones: &[ZoneId], any: bool) -> bool {
        let spares = spares_some(to);
        if self.own_in(to) && !spares {
            return true;
        }
        let managed = |end: &ConduitEnd| match *end {
            ConduitEnd::Zone(zone) => zones.contains(&zone),
            ConduitEnd::Asset(asset) => self
                .asset(asset)
                .is_some_and(|a| a.addresses.iter().any(|(ip, _)| to.contains(*ip))),
            ConduitEnd::EveryZone => !zones.is_empty(),
            ConduitEnd::Outside => false,
        };
        let managed = |end: &ConduitEnd| managed(end) && !(spares && self.is_spared_end(*end));
        if any && self.management.iter().any(managed) {
            return true;
        }
        if spares {
            // The kernel spares the networks of the management as well.
            return false;
        }
        if any && self.is_managed_from(to.first()) {
            return true;
        }
        self.context.assets().iter().any(|asset| {
            let here = asset.addresses.iter().any(|(ip, _)| to.contains(*ip));
            let leases = asset.roles.iter().any(|r| r == "dhcp") && from.is_some();
            let needed = asset.roles.iter().any(|r| LIFELINES.contains(&r.as_str()));
            here && (leases || needed && any)
        })
    }

    /// True where a conduit lets the host speak with what counts as safety, or the other way round.
    pub(crate) fn serves_safety(&self, host: Host) -> bool {
        let standing = self.standing(host);
        let place = standing.place();
        let safety = |end: &ConduitEnd| match *end {
            ConduitEnd::Zone(zone) => self.zone_criticality(zone) == Criticality::Safety,
            ConduitEnd::Asset(asset) => self.asset_criticality(asset) == Criticality::Safety,
            // A conduit that is open to every zone is about the other end.
            ConduitEnd::EveryZone | ConduitEnd::Outside => false,
        };
        self.conduits.iter().any(|conduit| {
            let begins = conduit.from.iter().any(|end| self.is_end(*end, place));
            let answers = conduit.to.iter().any(|end| self.is_end(*end, place));
            begins && conduit.to.iter().any(safety) || answers && conduit.from.iter().any(safety)
        })
    }

    /// True where a network is one zone's, as the city file writes it, or one address.
    pub(crate) fn is_one_target(&self, network: Prefix) -> bool {
        let single = network.first() == network.last();
        single || self.networks.iter().flatten().any(|n| *n == network)
    }
}
