//! An incident as the response needs it: who, to whom, what, and how sure.
//!
//! Owns: the typed form in which a sensor tells an incident to the governor. Nothing in it is
//! believed about criticality, role or zone: the governor looks those up in the city file that it
//! read itself. Does not own: how an incident comes about (`citywall-incident`).

use std::net::IpAddr;

use citywall_event::{Mac, Nanos};

/// An incident opened, grew or closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The incident's number, as in events (`I0-1660-1`).
    pub incident: String,
    /// `opened`, `updated` or `closed`.
    pub change: String,
    /// 1 (worst) to 4.
    pub severity: u8,
    /// What the evidence shows, the weakest first, by these names: `forbidden-contact`,
    /// `forbidden-read`, `alert`, `password-guessing`, `scan`, `flood`, `rogue-device`, `takeover`,
    /// `stolen-credentials`, `refused-change`, `isolation`, `unanswered-change`, `change`. A
    /// playbook is chosen by them; one that is not known here matches no playbook.
    pub kinds: Vec<String>,
    /// One line.
    pub title: String,
    /// Packet time of the last evidence.
    pub at: Nanos,
    /// The suspected source first.
    pub suspects: Vec<Suspect>,
    /// Zones that a suspect reached without leave.
    pub crossings: Vec<Crossing>,
    /// Changing commands that a suspect gave without leave.
    pub changes: Vec<Change>,
    /// Ids of the events that show it, the worst first.
    pub evidence: Vec<String>,
}

/// Somebody who is suspected.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// Index into `Notice::suspects`.
    pub suspect: usize,
    /// The zone's name; `outside` for what has none.
    pub zone: String,
    /// Whom it reached there, the first few. What has no zone can only be denied by address.
    pub targets: Vec<IpAddr>,
}

/// A changing command without leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Index into `Notice::suspects`.
    pub suspect: usize,
    /// The device that was told.
    pub target: IpAddr,
    /// Protocol name.
    pub protocol: String,
}
