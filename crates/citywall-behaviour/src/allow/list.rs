//! What is allowed, as a person reads and signs it.
//!
//! Owns: the list, its entries, and why one is only proposed. Does not own: how it is learned
//! (`propose`), its bytes (`artefact`), and what follows from a deviation (`watch`).

use citywall_event::{Nanos, Phrase, Verb, say};

use super::peer::{Kind, Peer};

/// One end of an entry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum End {
    /// All devices of a kind, by its place in `AllowList::kinds`.
    Kind(u16),
    /// This one.
    Peer(Peer),
}

/// Why something is proposed and not learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Doubt {
    /// It comes from outside.
    Outside,
    /// One device alone did it, although there are identical ones.
    OneDevice,
    /// It was done in too few slots of time.
    OneSlot,
}

impl Doubt {
    /// All.
    pub const ALL: [Doubt; 3] = [Doubt::Outside, Doubt::OneDevice, Doubt::OneSlot];

    /// The name in files.
    pub fn name(self) -> &'static str {
        match self {
            Doubt::Outside => "outside",
            Doubt::OneDevice => "one_device",
            Doubt::OneSlot => "one_slot",
        }
    }

    /// In words.
    pub fn why(self) -> Phrase {
        match self {
            Doubt::Outside => say!("doubt-outside", "it comes from outside"),
            Doubt::OneDevice => say!(
                "doubt-one-device",
                "one device alone did it, although there are identical ones"
            ),
            Doubt::OneSlot => say!("doubt-few-hours", "it was done in too few hours"),
        }
    }
}

/// What all entries have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Times.
    pub times: u64,
    /// At most this often in a slot, for one pair of devices.
    pub often: u32,
    /// Hours of the day, UTC: bit N is from N to N + 1.
    pub hours: u32,
    /// Why it is only proposed; `None` = it is allowed.
    pub doubt: Option<Doubt>,
}

/// Conversations.
#[derive(Clone, Debug, PartialEq)]
pub struct Talk {
    /// Who begins.
    pub from: End,
    /// With whom.
    pub to: End,
    /// IP protocol.
    pub protocol: u8,
    /// The responder's port; 0 = none, `DYNAMIC` = that and any above.
    pub port: u16,
    /// Application protocol, where it was known.
    pub app: String,
    /// How often, when.
    pub seen: Evidence,
}

/// Ports from here on are handed out by chance (RFC 6335, section 6): which one says nothing.
pub const DYNAMIC: u16 = 49_152;

/// A range of numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// Smallest and largest that is normal.
    pub usual: (f64, f64),
    /// Smallest and largest that was seen at all.
    pub all: (f64, f64),
}

impl Range {
    /// Is it normal? The edges of what was seen are no walls: a tenth of the width beyond is normal.
    pub fn holds(&self, (low, high): (f64, f64)) -> bool {
        let margin = (self.usual.1 - self.usual.0) / 10.0;
        low >= self.usual.0 - margin && high <= self.usual.1 + margin
    }
}

/// Commands of one kind to one point.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// Who commands.
    pub from: End,
    /// Which device.
    pub to: End,
    /// As `citywall_event::Command` has them.
    pub protocol: String,
    /// The verb.
    pub verb: Verb,
    /// The protocol's own name of the function.
    pub function: String,
    /// The unit behind the address.
    pub unit: Option<u32>,
    /// The point and how many from it on; `None` = too many to tell apart, so any.
    pub point: Option<(String, u32)>,
    /// Values that are written.
    pub values: Option<Range>,
    /// How often, when.
    pub seen: Evidence,
}

/// How a device's software opens sessions.
#[derive(Clone, Debug, PartialEq)]
pub struct Print {
    /// The device.
    pub of: End,
    /// What the fingerprint is called: `ja4`, `hassh`.
    pub name: String,
    /// Its value.
    pub value: String,
    /// How often, when.
    pub seen: Evidence,
}

/// A device that was seen while learning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Which.
    pub peer: Peer,
    /// Its zone; empty without a city file.
    pub zone: String,
    /// Its kind, where there are others of it.
    pub kind: Option<u16>,
    /// It speaks with more than can be listed: nothing that it begins is judged.
    pub open: bool,
}

/// What is allowed. Entries are sorted, so that equal lists have equal bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AllowList {
    /// Of which site or city. Serials count for it.
    pub name: String,
    /// Length of a slot, nanoseconds.
    pub slot: Nanos,
    /// First and last event that was learned from.
    pub span: (Nanos, Nanos),
    /// Hours of the day, UTC, in which anything was heard on at least two days: of the others nothing is
    /// known.
    pub covered: u32,
    /// Kinds of which there are at least two devices.
    pub kinds: Vec<Kind>,
    /// The devices.
    pub devices: Vec<Device>,
    /// Conversations.
    pub talks: Vec<Talk>,
    /// Commands.
    pub orders: Vec<Order>,
    /// Fingerprints.
    pub prints: Vec<Print>,
}

/// What was done fewer times has no hours.
const HABIT: u64 = 20;

impl AllowList {
    /// The hours of a habit, where they are known.
    pub fn hours(&self, seen: &Evidence) -> Option<u32> {
        (self.covered != 0 && seen.times >= HABIT).then_some(seen.hours)
    }

    /// An end as it is shown.
    pub fn end_text(&self, end: &End) -> Phrase {
        match end {
            End::Peer(peer) => peer.text(),
            End::Kind(kind) => match self.kinds.get(usize::from(*kind)) {
                Some(kind) => say!("every", "every {what}", what = kind.text()),
                None => say!("nobody", "nobody"),
            },
        }
    }

    /// The zone of an end; `outside` where it has none.
    pub fn zone(&self, end: &End) -> &str {
        let zone = match end {
            End::Kind(kind) => self.kinds.get(usize::from(*kind)).map(|k| k.zone.as_str()),
            End::Peer(peer) => {
                let mut devices = self.devices.iter();
                devices.find(|d| d.peer == *peer).map(|d| d.zone.as_str())
            }
        };
        match zone {
            Some("") => "no zone",
            Some(zone) => zone,
            None => citywall_event::OUTSIDE,
        }
    }

    /// The devices that an end stands for.
    pub fn members<'a>(&'a self, end: &'a End) -> Vec<&'a Peer> {
        match end {
            End::Peer(peer) => vec![peer],
            End::Kind(kind) => {
                let of = self.devices.iter().filter(|d| d.kind == Some(*kind));
                of.map(|d| &d.peer).collect()
            }
        }
    }

    /// How many entries are allowed, and how many only proposed.
    pub fn counts(&self) -> (usize, usize) {
        let all = self.evidence();
        let doubtful = all.iter().filter(|seen| seen.doubt.is_some()).count();
        (all.len() - doubtful, doubtful)
    }

    fn evidence(&self) -> Vec<&Evidence> {
        let talks = self.talks.iter().map(|e| &e.seen);
        let orders = self.orders.iter().map(|e| &e.seen);
        let prints = self.prints.iter().map(|e| &e.seen);
        talks.chain(orders).chain(prints).collect()
    }

    /// A person allows what was only proposed: entries by their numbers as `sentences` gives them, or
    /// all. Gives how many it were.
    pub fn accept(&mut self, numbers: Option<&[usize]>) -> usize {
        let talks = self.talks.iter_mut().map(|e| &mut e.seen);
        let orders = self.orders.iter_mut().map(|e| &mut e.seen);
        let prints = self.prints.iter_mut().map(|e| &mut e.seen);
        let mut accepted = 0;
        for (index, seen) in talks.chain(orders).chain(prints).enumerate() {
            let meant = numbers.is_none_or(|numbers| numbers.contains(&(index + 1)));
            if meant && seen.doubt.take().is_some() {
                accepted += 1;
            }
        }
        accepted
    }
}
