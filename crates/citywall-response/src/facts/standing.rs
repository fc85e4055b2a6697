//! Who a host is, and how bad it is when it stops.
//!
//! Owns: the never-list's grounds. A tag that is missing or contradicts another counts as `safety`:
//! a private address that the city file does not know; an asset declared milder than its zone;
//! one whose addresses lie in zones of different criticality; an address and a hardware address
//! that name different devices. What a service needs counts as bad as the service, through all
//! services in between.

use std::net::IpAddr;

use citywall_event::{AssetInfo, Context, Criticality, Mac, Phrase, Place, ZoneId, say};

use super::Facts;
use crate::Host;
use crate::bug::{Bug, planted};

/// One device for counting: by its asset where it has one, else by its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Device {
    Asset(u32),
    Ip(IpAddr),
    Mac(Mac),
}

/// What the city file says of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostStanding {
    /// Its zone; `None` = outside.
    pub zone: Option<ZoneId>,
    /// Its asset.
    pub asset: Option<u32>,
    /// As how bad it counts when it stops.
    pub criticality: Criticality,
    /// Why it counts so, in words.
    pub why: Phrase,
    /// Everything else needs it: its role.
    pub infrastructure: Option<String>,
    /// It is the wall itself.
    pub own: bool,
}

impl HostStanding {
    /// Its place in the city.
    pub(crate) fn place(&self) -> Place {
        Place {
            zone: self.zone,
            asset: self.asset,
        }
    }
}

/// As how bad something counts, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Tag(Criticality, Phrase);

impl Tag {
    fn raise(&mut self, to: Criticality, why: impl FnOnce() -> Phrase) {
        if to > self.0 {
            *self = Tag(to, why());
        }
    }
}

/// What follows from the city file alone, worked out once.
#[derive(Clone, Debug, Default)]
pub(super) struct Tags {
    zones: Vec<Tag>,
    assets: Vec<Tag>,
    /// Devices that the city file names, by zone.
    pub(super) devices: Vec<u32>,
    own: Vec<IpAddr>,
    own_macs: Vec<Mac>,
}

impl Tags {
    pub(super) fn of(context: &Context, macs: Vec<u32>, own: Vec<IpAddr>, own_macs: Vec<Mac>) -> Tags {
        let needed = |tag: &mut Tag, place: Place| {
            for service in context.dependents(&[place]) {
                tag.raise(service.criticality, || {
                    say!("why-depends", "{service} depends on it", service = &service.name)
                });
            }
        };
        let zone = |(id, zone): (usize, &citywall_event::ZoneInfo)| {
            let word = zone.criticality.word();
            let mut tag = Tag(
                zone.criticality,
                say!(
                    "why-zone",
                    "zone {zone} is of {criticality} criticality",
                    zone = &zone.name,
                    criticality = word
                ),
            );
            let id = ZoneId::try_from(id).ok();
            needed(
                &mut tag,
                Place {
                    zone: id,
                    asset: None,
                },
            );
            tag
        };
        let zones: Vec<Tag> = context.zones().iter().enumerate().map(zone).collect();
        let asset = |(id, asset): (usize, &AssetInfo)| {
            let mut tag = Tag(
                asset.criticality,
                say!(
                    "why-asset",
                    "it is of {criticality} criticality",
                    criticality = asset.criticality.word()
                ),
            );
            if let Some(why) = contradiction(context, asset) {
                tag.raise(Criticality::Safety, || why);
            }
            for zone in homes(asset) {
                let place = Place {
                    zone,
                    asset: Some(id as u32),
                };
                needed(&mut tag, place);
            }
            tag
        };
        let assets = context.assets().iter().enumerate().map(asset).collect();
        let mut devices = macs;
        devices.resize(zones.len(), 0);
        for asset in context.assets() {
            for zone in homes(asset).into_iter().flatten() {
                if let Some(count) = devices.get_mut(usize::from(zone)) {
                    *count += 1;
                }
            }
        }
        Tags {
            zones,
            assets,
            devices,
            own,
            own_macs,
        }
    }
}

/// The zones that an asset has a foot in.
fn homes(asset: &AssetInfo) -> Vec<Option<ZoneId>> {
    let mut homes: Vec<Option<ZoneId>> = asset.addresses.iter().map(|(_, zone)| *zone).collect();
    homes.extend(asset.zone.map(Some));
    homes.sort_unstable();
    homes.dedup();
    homes
}

fn contradiction(context: &Context, asset: &AssetInfo) -> Option<Phrase> {
    if planted(Bug::ContradictionIgnored) {
        return None;
    }
    let zones: Vec<_> = homes(asset)
        .into_iter()
        .filter_map(|zone| context.zone(zone?))
        .collect();
    let first = zones.first()?;
    if let Some(other) = zones.iter().find(|zone| zone.criticality != first.criticality) {
        return Some(say!(
            "why-two-zones",
            "it stands in zone {one} ({first}) and in zone {two} ({second}): what contradicts itself counts as safety",
            one = &first.name,
            two = &other.name,
            second = other.criticality.word(),
            first = first.criticality.word()
        ));
    }
    if asset.criticality < first.criticality {
        return Some(say!(
            "why-declared-milder",
            "it is declared {own} in zone {zone}, which is {criticality}: what contradicts itself counts as safety",
            own = asset.criticality.word(),
            zone = &first.name,
            criticality = first.criticality.word()
        ));
    }
    None
}

/// Private, shared and unique local addresses: what stands here and is in no zone is a device of
/// the city that its file does not know.
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_private() || v4.is_link_local() || v4.to_bits() >> 22 == 0x6440_0000 >> 22,
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

impl Facts {
    /// Who a host is.
    pub fn standing(&self, host: Host) -> HostStanding {
        let place = match host {
            Host::Ip(ip) => self.context.locate(Some(ip), None),
            Host::Mac(mac) => self.context.locate(None, Some(mac)),
        };
        let own = match host {
            Host::Ip(ip) => self.tags.own.contains(&ip.to_canonical()),
            Host::Mac(mac) => self.tags.own_macs.contains(&mac),
        };
        let Tag(criticality, why) = self.tag(host, place);
        let asset = place.asset.and_then(|id| self.asset(id));
        let needed = asset.and_then(|asset| {
            let role = |r: &&String| AssetInfo::INFRASTRUCTURE.contains(&r.as_str());
            asset.roles.iter().find(role).cloned()
        });
        let mut addresses = asset.into_iter().flat_map(|asset| &asset.addresses);
        let managed = self.management.iter().any(|end| self.is_end(*end, place))
            || matches!(host, Host::Ip(ip) if self.is_managed_from(ip))
            || addresses.any(|(ip, _)| self.is_managed_from(*ip));
        let needed = needed.or(managed.then(|| "management".to_owned()));
        HostStanding {
            zone: place.zone,
            asset: place.asset,
            criticality,
            why,
            infrastructure: needed,
            own: own && !planted(Bug::OwnForgotten),
        }
    }

    fn tag(&self, host: Host, place: Place) -> Tag {
        let declared = place.asset.and_then(|id| self.tags.assets.get(id as usize));
        if let Some(tag) = declared {
            return tag.clone();
        }
        if let Some(zone) = place.zone {
            let unknown = || {
                Tag(
                    Criticality::Safety,
                    say!("why-zone-unknown", "its zone is not known"),
                )
            };
            return self
                .tags
                .zones
                .get(usize::from(zone))
                .cloned()
                .unwrap_or_else(unknown);
        }
        let known = match host {
            Host::Ip(ip) => !is_private(ip.to_canonical()),
            Host::Mac(_) => false,
        };
        match known || planted(Bug::MissingTagsNormal) {
            true => Tag(
                Criticality::Normal,
                say!("why-outside", "it stands outside the city"),
            ),
            false => Tag(
                Criticality::Safety,
                say!(
                    "why-unknown",
                    "the city file does not know it: what has no tag counts as safety"
                ),
            ),
        }
    }

    /// True where an address and a hardware address of one suspect name different devices. A
    /// gateway's hardware address carries the packets of others and says nothing.
    pub(crate) fn disagree(&self, ip: Option<IpAddr>, mac: Option<Mac>) -> bool {
        let (Some(ip), Some(mac)) = (ip, mac) else {
            return false;
        };
        let by_mac = self.context.locate(None, Some(mac));
        let Some(named) = by_mac.asset else { return false };
        if self.asset(named).is_none_or(AssetInfo::is_gateway) {
            return false;
        }
        let asset = self.asset(named);
        let has_addresses = asset.is_some_and(|a| !a.addresses.is_empty());
        let by_ip = self.context.locate(Some(ip), None);
        match by_ip.asset {
            Some(other) => other != named,
            None => has_addresses || by_ip.zone != by_mac.zone,
        }
    }

    /// Which device it is, for counting.
    pub(crate) fn device(&self, host: Host) -> Device {
        let standing = match host {
            Host::Ip(ip) => self.context.locate(Some(ip), None),
            Host::Mac(mac) => self.context.locate(None, Some(mac)),
        };
        match (standing.asset, host) {
            (Some(asset), _) => Device::Asset(asset),
            (None, Host::Ip(ip)) => Device::Ip(ip.to_canonical()),
            (None, Host::Mac(mac)) => Device::Mac(mac),
        }
    }

    /// As how bad a zone as a whole counts.
    pub(super) fn zone_criticality(&self, zone: ZoneId) -> Criticality {
        self.tags
            .zones
            .get(usize::from(zone))
            .map_or(Criticality::Safety, |tag| tag.0)
    }

    /// As how bad an asset counts.
    pub(super) fn asset_criticality(&self, asset: u32) -> Criticality {
        self.tags
            .assets
            .get(asset as usize)
            .map_or(Criticality::Safety, |tag| tag.0)
    }

    /// True where one of the machine's own addresses lies in a network.
    pub(super) fn own_in(&self, network: citywall_event::Prefix) -> bool {
        self.tags.own.iter().any(|ip| network.contains(*ip))
    }
}
