//! Who is in an incident, in the form that the response needs: addresses and counts, no sentences.
//!
//! Owns: the parties' shape and their JSON within `incident`. An `incident` event holds them all, so
//! that a response can be rehearsed from the log alone. Does not own: what follows from them.

use std::net::IpAddr;

use crate::Mac;
use crate::json::{Array, Object};

/// Who is in an incident.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parties {
    /// What the evidence shows, the weakest first.
    pub kinds: Vec<&'static str>,
    /// The suspected source first.
    pub suspects: Vec<Suspect>,
    /// Zones that a suspect reached without leave.
    pub crossings: Vec<Crossing>,
    /// Changing commands that a suspect gave without leave.
    pub changes: Vec<Change>,
    /// Those to whom something was done, the first few.
    pub victims: Vec<Victim>,
    /// Those who are flooded, the first few, whoever floods them.
    pub flooded: Vec<Flooded>,
}

/// Somebody who is suspected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Suspect {
    /// Its name, for people.
    pub name: String,
    /// Its address.
    pub address: Option<IpAddr>,
    /// Its hardware address, where its own link was seen.
    pub mac: Option<Mac>,
    /// It was taken over and acts on its own.
    pub taken: bool,
    /// Its address cannot be invented: it completed a handshake, or answered on its link.
    pub proved: bool,
}

/// A zone that a suspect reached without leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crossing {
    /// Index into `suspects`.
    pub suspect: usize,
    /// The zone's name; `outside` for what has none.
    pub zone: String,
    /// Whom it reached there, the first few. What has no zone can only be denied by address.
    pub targets: Vec<IpAddr>,
}

/// A changing command without leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Index into `suspects`.
    pub suspect: usize,
    /// The device that was told.
    pub target: IpAddr,
    /// Protocol name.
    pub protocol: String,
}

/// Somebody to whom something was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Victim {
    /// Its name, for people.
    pub name: String,
    /// Its address.
    pub address: Option<IpAddr>,
    /// Somebody got in.
    pub taken: bool,
}

/// An address that is flooded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flooded {
    /// Which.
    pub address: IpAddr,
    /// By this IP protocol; 0 where it is mixed.
    pub protocol: u8,
    /// The one TCP port that a flood of SYNs is for, or the one UDP port that answers come from which nobody
    /// asked for; `None` for other floods, and where there are several.
    pub port: Option<u16>,
}

impl Parties {
    /// Writes the fields into `incident`.
    pub(crate) fn write(&self, o: &mut Object<'_>) {
        o.array("kinds", |a| self.kinds.iter().for_each(|kind| a.str(kind)));
        o.array("suspects", |a| each(a, &self.suspects, Suspect::write));
        o.array("crossings", |a| each(a, &self.crossings, Crossing::write));
        o.array("changes", |a| each(a, &self.changes, Change::write));
        o.array("victims", |a| each(a, &self.victims, Victim::write));
        if !self.flooded.is_empty() {
            o.array("flooded", |a| each(a, &self.flooded, Flooded::write));
        }
    }
}

fn each<T>(array: &mut Array<'_>, items: &[T], write: fn(&T, &mut Object<'_>)) {
    items.iter().for_each(|item| array.object(|o| write(item, o)));
}

impl Suspect {
    fn write(&self, o: &mut Object<'_>) {
        o.str("name", &self.name);
        if let Some(ip) = self.address {
            o.ip("ip", ip);
        }
        if let Some(mac) = self.mac {
            o.mac("mac", mac);
        }
        o.bool("taken", self.taken);
        o.bool("proved", self.proved);
    }
}

impl Crossing {
    fn write(&self, o: &mut Object<'_>) {
        o.u64("suspect", self.suspect as u64);
        o.str("zone", &self.zone);
        o.array("targets", |a| self.targets.iter().for_each(|ip| a.ip(*ip)));
    }
}

impl Change {
    fn write(&self, o: &mut Object<'_>) {
        o.u64("suspect", self.suspect as u64);
        o.ip("target", self.target);
        o.str("protocol", &self.protocol);
    }
}

impl Victim {
    fn write(&self, o: &mut Object<'_>) {
        o.str("name", &self.name);
        if let Some(ip) = self.address {
            o.ip("ip", ip);
        }
        o.bool("taken", self.taken);
    }
}

impl Flooded {
    fn write(&self, o: &mut Object<'_>) {
        o.ip("ip", self.address);
        o.u64("protocol", self.protocol.into());
        if let Some(port) = self.port {
            o.u64("port", port.into());
        }
    }
}
