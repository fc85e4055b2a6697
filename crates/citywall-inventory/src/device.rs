//! One device, and what is known of it.
//!
//! Owns: its fields, the hints and their limits, and its form as an `Asset`. Does not own: which
//! packets are its.

use std::net::{IpAddr, Ipv4Addr};

use smallvec::SmallVec;

use citywall_event::{Asset, Context, Mac, Nanos, SightingTrait, ZoneId, json};

/// How a device is told from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// It is declared in the city file.
    Declared(u32),
    /// Its MAC is its own.
    Mac(Mac),
    /// Its MAC is not known or is a router's.
    Ip(IpAddr),
}

/// Something that was read about a device, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// What kind.
    pub trait_: SightingTrait,
    /// Its value.
    pub value: String,
    /// Where it was read.
    pub evidence: &'static str,
    /// The address that it was said of.
    pub ip: Option<IpAddr>,
}

/// A device as it is known now.
#[derive(Clone, Debug)]
pub struct Device {
    pub(crate) key: Key,
    pub(crate) name: Option<String>,
    pub(crate) mac: Option<Mac>,
    /// Nearly all have one.
    pub(crate) addresses: SmallVec<[IpAddr; 1]>,
    pub(crate) hints: Vec<Hint>,
    pub(crate) maker: Option<String>,
    pub(crate) zone: Option<ZoneId>,
    pub(crate) first_seen: Nanos,
    pub(crate) last_seen: Nanos,
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    /// It was heard to answer, or was declared: it is no mere source address.
    pub(crate) answered: bool,
    /// When it was last told of; `None` = never.
    pub(crate) told: Option<Nanos>,
    /// It changed since.
    pub(crate) dirty: bool,
}

impl Device {
    pub(crate) fn new(key: Key, at: Nanos) -> Device {
        Device {
            key,
            name: None,
            mac: None,
            addresses: SmallVec::new(),
            hints: Vec::new(),
            maker: None,
            zone: None,
            first_seen: at,
            last_seen: at,
            packets: 0,
            bytes: 0,
            answered: false,
            told: None,
            dirty: true,
        }
    }

    /// Its stable name: the city file's, else its first address, else its MAC.
    pub fn name(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.given_name())
    }

    pub(crate) fn given_name(&self) -> String {
        match (self.addresses.first().copied(), self.mac, self.key) {
            (Some(IpAddr::V4(ip)), _, _) | (None, None, Key::Ip(IpAddr::V4(ip))) => dotted(ip),
            (Some(ip), _, _) | (None, None, Key::Ip(ip)) => ip.to_string(),
            (None, Some(mac), _) | (None, None, Key::Mac(mac)) => mac_text(mac),
            (None, None, Key::Declared(id)) => format!("asset {id}"),
        }
    }

    /// Its addresses, first seen first.
    pub fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    /// Its MAC, where that is its own.
    pub fn mac(&self) -> Option<Mac> {
        self.mac
    }

    /// Who made it, by its MAC or as declared.
    pub fn maker(&self) -> Option<&str> {
        self.maker.as_deref()
    }

    /// Its zone.
    pub fn zone(&self) -> Option<ZoneId> {
        self.zone
    }

    /// It was heard to answer, or was declared: it is no mere source address.
    pub fn has_answered(&self) -> bool {
        self.answered
    }

    /// Index of its declaration in the city file.
    pub fn declared(&self) -> Option<u32> {
        match self.key {
            Key::Declared(id) => Some(id),
            Key::Mac(_) | Key::Ip(_) => None,
        }
    }

    /// All hints, first seen first.
    pub fn hints(&self) -> &[Hint] {
        &self.hints
    }

    /// The values of one kind of hint, first seen first.
    pub fn hinted(&self, trait_: SightingTrait) -> impl Iterator<Item = &str> {
        self.hints
            .iter()
            .filter(move |h| h.trait_ == trait_)
            .map(|h| h.value.as_str())
    }

    /// Packets and bytes of its conversations, both ways.
    pub fn traffic(&self) -> (u64, u64) {
        (self.packets, self.bytes)
    }

    /// First and last packet.
    pub fn seen(&self) -> (Nanos, Nanos) {
        (self.first_seen, self.last_seen)
    }

    /// Takes a hint; false where it was known, or where there are enough of its kind.
    pub(crate) fn hint(&mut self, hint: Hint, most: usize) -> Taken {
        let mut same_kind = 0;
        for known in self.hints.iter().filter(|h| h.trait_ == hint.trait_) {
            if known.value == hint.value {
                return Taken::Known;
            }
            same_kind += 1;
        }
        if same_kind >= most {
            return Taken::TooMany;
        }
        self.dirty |= matches!(
            hint.trait_,
            SightingTrait::Hostname | SightingTrait::Role | SightingTrait::System
        );
        self.hints.push(hint);
        Taken::New
    }

    /// The body of an `asset` event.
    pub(crate) fn report(&self, change: &'static str, context: &Context) -> Asset {
        let all = |t| self.hinted(t).map(str::to_owned).collect();
        Asset {
            change,
            name: self.name(),
            mac: self.mac,
            addresses: self.addresses.to_vec(),
            maker: self.maker.clone(),
            hostnames: all(SightingTrait::Hostname),
            system: self.hinted(SightingTrait::System).next().map(str::to_owned),
            roles: all(SightingTrait::Role),
            zone: self.zone.and_then(|z| context.zone(z)).map(|z| z.name.clone()),
            first_seen: self.first_seen,
            last_seen: self.last_seen,
            evidence: self
                .hints
                .iter()
                .map(|h| (h.value.clone(), h.evidence.to_owned()))
                .collect(),
        }
    }
}

/// What became of a hint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    New,
    Known,
    TooMany,
}

/// As `to_string`, in a tenth of the time: a scan takes up very many devices.
fn dotted(ip: Ipv4Addr) -> String {
    let mut text = Vec::with_capacity(15);
    json::ip(&mut text, ip.into());
    // Digits and dots.
    String::from_utf8(text).unwrap_or_default()
}

pub(crate) fn mac_text(mac: Mac) -> String {
    let [a, b, c, d, e, f] = mac;
    format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
}
