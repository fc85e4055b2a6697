//! Which device has which address: the binding of IP and MAC addresses.
//!
//! Owns: the rule that a MAC stands for one device unless it is a router's, how a router's is
//! found out, and the parting of what was joined too early. Does not own: what else is known of a
//! device.
//!
//! A MAC is a router's where the city file says so, where it carries an address that is outside,
//! where it shows addresses of two zones or of three networks, or more addresses than one host has.
//! What is behind a router is told apart by IP address. Once ARP or DHCP has told an address of a
//! MAC, others are only taken for its own where they are told so too. Traffic alone moves no address from
//! a MAC that is still heard to another: an address seen on two sides of a router does not wander. What
//! ARP and DHCP move stands in `claims`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hashbrown::hash_map::Entry;
use smallvec::SmallVec;

use citywall_event::{Context, Mac, Nanos, Place, SightingTrait, ZoneId};

use crate::device::{Device, Hint, Key};
use crate::inventory::{Binding, Inventory};

/// An address and the MAC that it came with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Party {
    pub(crate) ip: Option<IpAddr>,
    pub(crate) mac: Option<Mac>,
}

/// What is known of a MAC.
#[derive(Clone, Debug, Default)]
pub(crate) struct MacState {
    /// The device whose own MAC it is.
    pub(crate) device: Option<u32>,
    /// It is a router's.
    router: bool,
    /// Networks whose addresses came with it.
    networks: SmallVec<[Network; 1]>,
    /// IPv4 addresses that came with it.
    hosts: SmallVec<[Ipv4Addr; 2]>,
    /// ARP or DHCP told an address of it.
    confirmed: bool,
}

impl MacState {
    /// Is it a host's that has this address? So where ARP or DHCP said so; until then where it came with no
    /// other, as a router's may have come with that of somebody behind it.
    pub(crate) fn is_surely_of(&self, ip: IpAddr) -> bool {
        let alone = || match ip {
            IpAddr::V4(v4) => self.hosts.as_slice() == [v4],
            IpAddr::V6(_) => true,
        };
        !self.router && (self.confirmed || alone())
    }
}

/// Where an address lives: a zone, or the usual size of one network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Network {
    Zone(ZoneId),
    Near(IpAddr),
}

/// IPv4 addresses of one host at most; a MAC with more is a router's.
const HOSTS: usize = 3;

/// After this time without a packet a device's address may be taken by another MAC.
pub(crate) const SILENCE: Nanos = 600_000_000_000;

impl Inventory {
    /// The device of a party that was heard, taken up where it is new.
    pub(crate) fn meet(&mut self, party: Party, at: Nanos, context: &Context) -> Option<u32> {
        let mac = party.mac.filter(|mac| is_one_device(*mac));
        let ip = match party.ip {
            Some(ip) => ip.to_canonical(),
            None => return self.meet_mac(mac?, at, context),
        };
        let bound = self.by_ip.get_mut(&ip);
        // The fast way: nothing is new.
        if let Some(binding) = &bound
            && (mac.is_none() || binding.mac == mac && binding.claim != mac)
        {
            let id = binding.device;
            let device = self.devices.get_mut(id as usize)?.as_mut()?;
            device.last_seen = device.last_seen.max(at);
            if let Some(binding) = bound
                && device.mac == mac
            {
                binding.heard = binding.heard.max(at);
            }
            return Some(id);
        }
        let bound = bound.is_some();
        if ip.is_unspecified() || has_local_meaning(ip) {
            return self.meet_mac(mac?, at, context);
        }
        if is_group(ip) || ip.is_loopback() {
            return None;
        }
        let place = context.locate(Some(ip), mac);
        if !is_inside(ip, place, context) {
            self.meet_outside(ip, mac, context);
            return None;
        }
        // In a flood of invented addresses this is what nearly every packet comes to.
        if !bound && self.has_no_room_for(mac, place) {
            self.counters.refused += 1;
            return None;
        }
        self.learn(ip, mac, place, at, context)
    }

    /// True where an address that is not known yet would need a device that cannot be taken up.
    fn has_no_room_for(&self, mac: Option<Mac>, place: Place) -> bool {
        let known = || mac.is_some_and(|mac| self.by_mac.contains_key(&mac));
        self.is_full() && place.asset.is_none() && !known()
    }

    fn meet_outside(&mut self, ip: IpAddr, mac: Option<Mac>, context: &Context) {
        if self.outside.len() < self.limits.outside && self.outside.insert(ip) {
            self.counters.outside += 1;
        }
        if self.is_full() && mac.is_some_and(|mac| !self.by_mac.contains_key(&mac)) {
            return;
        }
        if let Some(mac) = mac
            && self.mac_state(mac).is_some_and(|state| !state.router)
        {
            self.make_router(mac, context);
        }
    }

    fn meet_mac(&mut self, mac: Mac, at: Nanos, context: &Context) -> Option<u32> {
        let place = context.locate(None, Some(mac));
        let state = self.mac_state(mac)?;
        if state.router {
            return state.device;
        }
        let id = match (state.device, place.asset) {
            (Some(id), _) => id,
            (None, Some(asset)) => {
                let id = self.declared(asset, at, context)?;
                self.own_mac(id, mac);
                id
            }
            (None, None) => {
                let id = self.take_up(Key::Mac(mac), at)?;
                self.own_mac(id, mac);
                self.set_zone(id, place.zone);
                id
            }
        };
        let device = self.device_mut(id)?;
        device.last_seen = device.last_seen.max(at);
        Some(id)
    }

    /// ARP or DHCP says that `mac` has `ip`: believed, also where another had it that is not heard any more.
    pub(crate) fn bind(&mut self, ip: IpAddr, mac: Mac, at: Nanos, context: &Context) {
        let place = context.locate(Some(ip), Some(mac));
        let usable = !ip.is_unspecified() && !is_group(ip) && !ip.is_loopback() && !has_local_meaning(ip);
        if !usable || !is_one_device(mac) || !is_inside(ip, place, context) {
            return;
        }
        let owner = self.by_mac.get(&mac).and_then(|s| s.device);
        let holder = self.by_ip.get(&ip).map(|b| b.device);
        if let Some(asset) = place.asset {
            let macs = context.asset(asset).map_or(&[][..], |a| &a.macs);
            if !macs.is_empty() && !macs.contains(&mac) {
                // The city file says who it is. That somebody else is there is seen all the same.
                self.meet_mac(mac, at, context);
                return;
            }
            if let Some(id) = self.learn(ip, Some(mac), place, at, context)
                && context.asset(asset).is_some_and(|a| a.macs.is_empty())
            {
                self.confirm_mac(id, mac);
            }
            return;
        }
        if owner.is_none_or(|owner| holder != Some(owner)) && self.is_held(ip, at) {
            self.note_claim(ip, mac);
            self.meet_mac(mac, at, context);
            return;
        }
        let Some(state) = self.mac_state(mac) else { return };
        let first = !state.confirmed;
        state.confirmed = true;
        if let Some(id) = owner.filter(|_| first) {
            // What came with the MAC until now was only guessed to be its own.
            self.split_off(id, |address| address != ip && address.is_ipv4(), mac, context);
        }
        let holder = self.by_ip.get(&ip).map(|b| b.device);
        if owner.is_some() && owner == holder {
            if let Some(binding) = self.by_ip.get_mut(&ip) {
                binding.heard = binding.heard.max(at);
            }
            return;
        }
        let Some(id) = owner.or_else(|| self.meet_mac(mac, at, context)) else {
            return;
        };
        if let Some(old) = holder.filter(|old| *old != id) {
            self.part(old, ip);
            self.absorb(old, id);
        }
        self.own_address(id, ip, (Some(mac), at), place.zone);
    }

    /// ARP or DHCP says that a declared device has this MAC. What its packets came with may have been a
    /// router's; what was said so first stays, as the next may be another's claim.
    fn confirm_mac(&mut self, id: u32, mac: Mac) {
        let confirmed = |mac: &Mac| self.by_mac.get(mac).is_some_and(|s| s.confirmed);
        let before = self
            .devices
            .get(id as usize)
            .and_then(Option::as_ref)
            .and_then(|d| d.mac);
        if before.is_some_and(|before| before != mac && confirmed(&before)) {
            return;
        }
        let other = self
            .by_mac
            .get(&mac)
            .and_then(|s| s.device)
            .filter(|other| *other != id);
        if let Some(other) = other {
            let device = self.devices.get(other as usize).and_then(Option::as_ref);
            if !device.is_some_and(|d| d.addresses.is_empty() && matches!(d.key, Key::Mac(_))) {
                return;
            }
            // It was known by nothing but this MAC.
            self.forget(other);
        }
        if let Some(before) = before.filter(|before| *before != mac) {
            if let Some(state) = self.by_mac.get_mut(&before) {
                state.device = None;
            }
            if let Some(device) = self.device_mut(id) {
                device.mac = None;
                device.maker = None;
            }
        }
        self.own_mac(id, mac);
        if let Some(state) = self.mac_state(mac) {
            state.confirmed = true;
        }
    }

    /// The slow way: a new address, or a known one with another MAC.
    fn learn(
        &mut self,
        ip: IpAddr,
        mac: Option<Mac>,
        place: Place,
        at: Nanos,
        context: &Context,
    ) -> Option<u32> {
        if let Some(mac) = mac {
            self.note_network(mac, ip, place, context);
            self.settle_claim(ip, mac, at, context);
        }
        let router = mac
            .and_then(|mac| self.by_mac.get(&mac))
            .is_some_and(|s| s.router);
        let own = mac.filter(|mac| !router && self.may_own(*mac, ip));
        if let Some(asset) = place.asset {
            let id = self.declared(asset, at, context)?;
            self.own_address(id, ip, (mac, at), place.zone);
            let mac_is_free = own.filter(|m| self.by_mac.get(m).is_some_and(|s| s.device.is_none()));
            if let Some(mac) = mac_is_free {
                self.own_mac(id, mac);
            }
            return Some(id);
        }
        let holder = self.by_ip.get(&ip).map(|b| b.device);
        let owner = own.and_then(|mac| self.by_mac.get(&mac)).and_then(|s| s.device);
        let id = match (holder, owner, own) {
            (Some(id), Some(other), _) if id == other => id,
            // Told apart by IP so far, and now a MAC of its own is seen.
            (Some(id), Some(other), _) if self.may_move(id, at) => {
                self.part(id, ip);
                self.absorb(id, other);
                other
            }
            (Some(id), None, Some(mac)) if self.is_by_ip(id) => {
                self.own_mac(id, mac);
                id
            }
            (Some(id), _, _) => id,
            (None, Some(id), _) => id,
            (None, None, Some(mac)) => {
                let id = self.take_up(Key::Mac(mac), at)?;
                self.own_mac(id, mac);
                id
            }
            (None, None, None) => self.take_up(Key::Ip(ip), at)?,
        };
        self.own_address(id, ip, (mac, at), place.zone);
        let device = self.device_mut(id)?;
        device.last_seen = device.last_seen.max(at);
        Some(id)
    }

    /// May this address be the MAC's own? Where ARP or DHCP speaks of the MAC, only if they say so.
    fn may_own(&self, mac: Mac, ip: IpAddr) -> bool {
        let Some(state) = self.by_mac.get(&mac) else {
            return false;
        };
        let holder = self.by_ip.get(&ip).map(|b| b.device);
        !state.confirmed || ip.is_ipv6() || holder.is_some() && holder == state.device
    }

    fn is_by_ip(&self, id: u32) -> bool {
        let device = self.devices.get(id as usize).and_then(Option::as_ref);
        device.is_some_and(|d| d.mac.is_none() && matches!(d.key, Key::Ip(_)))
    }

    /// May traffic alone move this device's address to another MAC?
    fn may_move(&self, id: u32, at: Nanos) -> bool {
        let device = self.devices.get(id as usize).and_then(Option::as_ref);
        device.is_none_or(|d| {
            matches!(d.key, Key::Ip(_)) && d.mac.is_none() || at.saturating_sub(d.last_seen) > SILENCE
        })
    }

    /// Notes where an address that came with a MAC lives; this may show that it is a router's.
    fn note_network(&mut self, mac: Mac, ip: IpAddr, place: Place, context: &Context) {
        let declared_router = context
            .locate(None, Some(mac))
            .asset
            .and_then(|id| context.asset(id))
            .is_some_and(|a| a.is_gateway());
        let holder = self.by_ip.get(&ip).map(|b| b.device);
        let Some(state) = self.mac_state(mac) else { return };
        if state.router {
            return;
        }
        let network = match place.zone {
            Some(zone) => Network::Zone(zone),
            None => Network::Near(near(ip)),
        };
        if !state.networks.contains(&network) && state.networks.len() < 4 {
            state.networks.push(network);
        }
        // The same one again is an address that moves to and fro, as with two cards for one host.
        if let IpAddr::V4(v4) = ip
            && (holder.is_none() || holder != state.device)
            && state.hosts.len() <= HOSTS
            && !state.hosts.contains(&v4)
        {
            state.hosts.push(v4);
        }
        let zones = state
            .networks
            .iter()
            .filter(|n| matches!(n, Network::Zone(_)))
            .count();
        let many = zones >= 2 || state.networks.len() >= 3 || state.hosts.len() > HOSTS;
        // A declared device may well have a leg in two zones without being a router.
        let declared = state.device.is_some_and(|id| self.is_declared(id));
        if declared_router || many && !declared {
            self.make_router(mac, context);
        }
    }

    fn is_declared(&self, id: u32) -> bool {
        let device = self.devices.get(id as usize).and_then(Option::as_ref);
        device.is_some_and(|d| matches!(d.key, Key::Declared(_)))
    }

    /// The MAC stands for nobody any more: what was joined by it is parted, by IP address.
    fn make_router(&mut self, mac: Mac, context: &Context) {
        let Some(state) = self.by_mac.get_mut(&mac) else {
            return;
        };
        state.router = true;
        state.networks = SmallVec::new();
        let Some(id) = state.device else { return };
        if self.is_declared(id) {
            return;
        }
        if let Some(state) = self.by_mac.get_mut(&mac) {
            state.device = None;
        }
        let Some(device) = self.device_mut(id) else { return };
        device.mac = None;
        device.maker = None;
        let Some(&kept) = device.addresses.first() else {
            self.forget(id);
            return;
        };
        device.key = Key::Ip(kept);
        self.split_off(id, |address| address != kept, mac, context);
        self.mark(id);
    }

    /// Makes devices of their own of some of a device's addresses; hints go with the address that
    /// they were read of.
    fn split_off(&mut self, id: u32, parts: impl Fn(IpAddr) -> bool, mac: Mac, context: &Context) {
        if self.is_declared(id) {
            return;
        }
        let Some(device) = self.device_mut(id) else { return };
        let (gone, kept): (Vec<IpAddr>, Vec<IpAddr>) = device.addresses.iter().partition(|ip| parts(**ip));
        if gone.is_empty() {
            return;
        }
        device.addresses = kept.into();
        let hints = std::mem::take(&mut device.hints);
        let seen = (device.first_seen, device.last_seen);
        for ip in gone {
            match self.take_up(Key::Ip(ip), seen.0) {
                Some(new) => {
                    let zone = context.locate(Some(ip), None).zone;
                    self.own_address(new, ip, (Some(mac), seen.1), zone);
                    if let Some(device) = self.device_mut(new) {
                        device.last_seen = seen.1;
                    }
                }
                None => {
                    self.by_ip.remove(&ip);
                }
            }
        }
        for hint in hints {
            let holder = hint
                .ip
                .and_then(|ip| self.by_ip.get(&ip))
                .map_or(id, |b| b.device);
            self.take_hint(holder, hint);
        }
        self.mark(id);
    }

    /// Gives a device a MAC of its own.
    fn own_mac(&mut self, id: u32, mac: Mac) {
        if let Some(state) = self.mac_state(mac) {
            state.device = Some(id);
        }
        let maker = self.makers.find(mac).map(str::to_owned);
        let Some(device) = self.device_mut(id) else { return };
        if device.mac.is_none() {
            device.mac = Some(mac);
            if let Key::Ip(_) = device.key {
                device.key = Key::Mac(mac);
            }
            if device.maker.is_none() {
                device.maker = maker;
            }
            self.mark(id);
        }
    }

    /// Gives a device an address. The oldest goes where there are too many.
    fn own_address(&mut self, id: u32, ip: IpAddr, (mac, at): (Option<Mac>, Nanos), zone: Option<ZoneId>) {
        let most = self.limits.addresses.max(1);
        let Some(device) = self.device_mut(id) else { return };
        let own = mac.is_some() && device.mac == mac;
        let mut dropped = None;
        let mut changed = false;
        if !device.addresses.contains(&ip) {
            if device.addresses.len() >= most {
                dropped = Some(device.addresses.remove(0));
            }
            device.addresses.push(ip);
            changed = true;
        }
        if device.zone.is_none() && zone.is_some() {
            device.zone = zone;
            changed = true;
        }
        if changed {
            self.mark(id);
        }
        if let Some(old) = dropped {
            self.by_ip.remove(&old);
        }
        let before = self.by_ip.get(&ip).filter(|b| b.device == id);
        let last = before.map_or(Nanos::MIN, |b| b.heard);
        let binding = Binding {
            device: id,
            mac,
            heard: if own { last.max(at) } else { last },
            claim: before.and_then(|b| b.claim),
        };
        self.by_ip.insert(ip, binding);
    }

    fn set_zone(&mut self, id: u32, zone: Option<ZoneId>) {
        if let Some(device) = self.device_mut(id) {
            device.zone = zone;
        }
    }

    /// Takes an address away from a device.
    fn part(&mut self, id: u32, ip: IpAddr) {
        self.by_ip.remove(&ip);
        if let Some(device) = self.device_mut(id) {
            device.addresses.retain(|a| *a != ip);
            self.mark(id);
        }
    }

    /// Ends a device that had nothing but the address it lost; the heir takes its hints.
    fn absorb(&mut self, id: u32, heir: u32) {
        let device = self.devices.get(id as usize).and_then(Option::as_ref);
        let spent =
            device.filter(|d| d.addresses.is_empty() && d.mac.is_none() && matches!(d.key, Key::Ip(_)));
        let Some(old) = spent.cloned() else { return };
        self.forget(id);
        for hint in old.hints {
            self.take_hint(heir, hint);
        }
        if let Some(device) = self.device_mut(heir) {
            device.first_seen = device.first_seen.min(old.first_seen);
            device.packets = device.packets.saturating_add(old.packets);
            device.bytes = device.bytes.saturating_add(old.bytes);
            device.answered |= old.answered;
            if device.name.is_none() {
                // It was told of by this name.
                device.name = old.name;
                device.told = old.told;
            }
        }
    }

    /// The device of a declared asset.
    fn declared(&mut self, asset: u32, at: Nanos, context: &Context) -> Option<u32> {
        if let Some(id) = self.by_declared.get(&asset) {
            return Some(*id);
        }
        let info = context.asset(asset)?;
        let id = self.take_up(Key::Declared(asset), at)?;
        self.by_declared.insert(asset, id);
        let own_mac = info.macs.first().copied();
        let made_by = own_mac.and_then(|mac| self.makers.find(mac)).map(str::to_owned);
        let device = self.device_mut(id)?;
        device.name = Some(info.name.clone());
        device.zone = info.zone;
        device.mac = own_mac;
        device.maker = info.maker.clone().or(made_by);
        device.answered = true;
        for role in &info.roles {
            let hint = Hint {
                trait_: SightingTrait::Role,
                value: role.clone(),
                evidence: "city file",
                ip: None,
            };
            self.take_hint(id, hint);
        }
        Some(id)
    }

    /// Room for one more device; `None` where there is none.
    fn take_up(&mut self, key: Key, at: Nanos) -> Option<u32> {
        let id = match self.free.pop() {
            Some(id) => id,
            None if self.devices.len() < self.limits.assets => {
                if self.devices.len() == self.devices.capacity() {
                    // By a quarter, not by as much again: a city's inventory is a good part of all memory.
                    self.devices.reserve_exact((self.devices.len() / 4).max(64));
                }
                self.devices.push(None);
                (self.devices.len() - 1) as u32
            }
            None => {
                self.counters.refused += 1;
                return None;
            }
        };
        let slot = self.devices.get_mut(id as usize)?;
        *slot = Some(Device::new(key, at));
        self.dirty.push(id);
        Some(id)
    }

    /// No further device can be taken up.
    fn is_full(&self) -> bool {
        self.free.is_empty() && self.devices.len() >= self.limits.assets
    }

    /// What is known of a MAC; `None` where there is no room to know more.
    fn mac_state(&mut self, mac: Mac) -> Option<&mut MacState> {
        let room = self.by_mac.len() < self.limits.assets.saturating_mul(2);
        match self.by_mac.entry(mac) {
            Entry::Occupied(known) => Some(known.into_mut()),
            Entry::Vacant(free) if room => Some(free.insert(MacState::default())),
            Entry::Vacant(_) => None,
        }
    }

    pub(crate) fn mark(&mut self, id: u32) {
        let Some(device) = self.device_mut(id) else { return };
        if !device.dirty {
            device.dirty = true;
            self.dirty.push(id);
        }
    }

    /// Ends a device and all that points to it.
    pub(crate) fn forget(&mut self, id: u32) {
        let Some(device) = self.devices.get_mut(id as usize).and_then(Option::take) else {
            return;
        };
        for ip in &device.addresses {
            if self.by_ip.get(ip).is_some_and(|b| b.device == id) {
                self.by_ip.remove(ip);
            }
        }
        if let Some(mac) = device.mac
            && self.by_mac.get(&mac).is_some_and(|s| s.device == Some(id))
        {
            self.by_mac.remove(&mac);
        }
        if let Key::Declared(asset) = device.key {
            self.by_declared.remove(&asset);
        }
        self.free.push(id);
    }
}

/// True for addresses of one device: not multicast or broadcast, not all zero.
fn is_one_device(mac: Mac) -> bool {
    mac[0] & 1 == 0 && mac != [0; 6]
}

fn is_group(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_multicast() || v4.is_broadcast(),
        IpAddr::V6(v6) => v6.is_multicast(),
    }
}

/// Link-local addresses say who only together with a MAC.
fn has_local_meaning(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// Addresses whose owners are the city's: in a zone, or private where there is no city.
fn is_inside(ip: IpAddr, place: Place, context: &Context) -> bool {
    if !context.is_empty() {
        return place.zone.is_some() || place.asset.is_some();
    }
    match ip {
        IpAddr::V4(v4) => v4.is_private() || v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64,
        IpAddr::V6(v6) => v6.is_unique_local(),
    }
}

/// The network of usual size around an address: /24, or /64.
fn near(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            IpAddr::from([a, b, c, 0])
        }
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
    }
}
