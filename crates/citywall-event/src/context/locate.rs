//! From an address to its place: asked for both ends of every new conversation.
//!
//! Owns: the sorted ranges, what a MAC says, and which of the two is believed. Does not own: what
//! the place may do.

use std::net::IpAddr;

use super::{AssetInfo, Context, Place, Prefix, ZoneId};
use crate::Mac;

/// Disjoint ranges of addresses, sorted, so that one binary search is a longest-prefix match.
#[derive(Clone, Debug, Default)]
pub(super) struct Ranges {
    v4: Vec<(u32, u32, ZoneId)>,
    v6: Vec<(u128, u128, ZoneId)>,
}

impl Ranges {
    pub(super) fn new(networks: &[(Prefix, ZoneId)], zones: usize) -> Ranges {
        let mut ranges = Ranges::default();
        for (prefix, zone) in networks.iter().filter(|(_, z)| usize::from(*z) < zones) {
            match (prefix.first(), prefix.last()) {
                (IpAddr::V4(a), IpAddr::V4(b)) => ranges.v4.push((a.to_bits(), b.to_bits(), *zone)),
                (IpAddr::V6(a), IpAddr::V6(b)) => ranges.v6.push((a.to_bits(), b.to_bits(), *zone)),
                _ => {}
            }
        }
        ranges.v4.sort_unstable();
        ranges.v6.sort_unstable();
        ranges
    }

    #[inline]
    fn find(&self, ip: IpAddr) -> Option<ZoneId> {
        match ip {
            IpAddr::V4(v4) => search(&self.v4, v4.to_bits()).map(|r| r.2),
            IpAddr::V6(v6) => search(&self.v6, v6.to_bits()).map(|r| r.2),
        }
    }

    /// True for the highest address of an IPv4 network, which means all its hosts.
    pub(super) fn is_broadcast(&self, ip: IpAddr) -> bool {
        let IpAddr::V4(v4) = ip else { return false };
        search(&self.v4, v4.to_bits())
            .is_some_and(|(first, last, _)| last - first >= 3 && *last == v4.to_bits())
    }
}

#[inline]
fn search<T: Ord + Copy>(ranges: &[(T, T, ZoneId)], key: T) -> Option<&(T, T, ZoneId)> {
    let after = ranges.partition_point(|(first, _, _)| *first <= key);
    let candidate = ranges.get(after.checked_sub(1)?)?;
    (key <= candidate.1).then_some(candidate)
}

/// What a declared MAC stands for.
#[derive(Clone, Copy, Debug)]
pub(super) struct MacEntry {
    place: Place,
    /// It carries the traffic of others: believed only where the packet has no IP address of its
    /// own standing.
    gateway: bool,
    /// The asset also has declared addresses: other addresses are not taken for it.
    has_addresses: bool,
}

impl MacEntry {
    pub(super) fn member(place: Place) -> MacEntry {
        MacEntry {
            place,
            gateway: false,
            has_addresses: false,
        }
    }

    pub(super) fn of_asset(place: Place, asset: &AssetInfo) -> MacEntry {
        MacEntry {
            place,
            gateway: asset.is_gateway(),
            has_addresses: !asset.addresses.is_empty(),
        }
    }
}

impl Context {
    /// Zone and asset of an address. A declared address is believed first, then the network that
    /// the address lies in, then the MAC: it names the asset within its zone, and the zone of
    /// addresses that only have a local meaning. A public address in no zone is outside, whatever
    /// MAC brought it.
    #[inline]
    pub fn locate(&self, ip: Option<IpAddr>, mac: Option<Mac>) -> Place {
        if self.zones.is_empty() {
            return Place::default();
        }
        let ip = ip.map(|ip| ip.to_canonical());
        let mut zone = None;
        if let Some(ip) = ip {
            if let Some(place) = self.addresses.get(&ip) {
                return *place;
            }
            zone = self.ranges.find(ip);
        }
        if self.macs.is_empty() {
            return Place { zone, asset: None };
        }
        match mac.and_then(|mac| self.macs.get(&mac)) {
            Some(entry) => self.by_mac(ip, zone, entry),
            None => Place { zone, asset: None },
        }
    }

    fn by_mac(&self, ip: Option<IpAddr>, zone: Option<ZoneId>, entry: &MacEntry) -> Place {
        let homeless = ip.is_none_or(has_no_home);
        if homeless {
            return entry.place;
        }
        if entry.gateway {
            return Place { zone, asset: None };
        }
        match zone {
            Some(_) if zone == entry.place.zone && !entry.has_addresses => entry.place,
            None if ip.is_some_and(is_private) => entry.place,
            _ => Place { zone, asset: None },
        }
    }
}

/// Addresses that say nothing about where a device lives.
pub(super) fn has_no_home(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_unspecified() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unspecified() || v6.is_unicast_link_local(),
    }
}

/// Private (RFC 1918), shared (RFC 6598) and unique local (RFC 4193) addresses.
pub(super) fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_private() || v4.to_bits() >> 22 == 0x6440_0000 >> 22,
        IpAddr::V6(v6) => v6.is_unique_local(),
    }
}
