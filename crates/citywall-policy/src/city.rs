//! The city as its file declares it, with all names resolved.
//!
//! Owns: the model. Indices are places in the vectors of `City`. Does not own: the file's syntax
//! (`parse`), its names (`resolve`), or what it is compiled to.

use std::net::IpAddr;

use citywall_event::{ConduitEnd, Criticality, Grant, Mac, Nanos, Prefix, ServiceInfo};

use crate::{Denied, Inspect, ResponseRules, Timezone, WhenDown, Window};

/// A city.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct City {
    /// The file that it was read from, for messages.
    pub file: String,
    /// Its name.
    pub name: String,
    /// The zone in which times are shown.
    pub timezone: Timezone,
    /// Fields of work.
    pub domains: Vec<Domain>,
    /// Sets of devices that are trusted alike; the index is the `ZoneId`.
    pub zones: Vec<Zone>,
    /// Devices with a name.
    pub assets: Vec<Asset>,
    /// Who may reach whom.
    pub conduits: Vec<Conduit>,
    /// What people notice; names and dependencies, in file order.
    pub services: Vec<ServiceInfo>,
    /// The lines of the services, for messages.
    pub(crate) service_lines: Vec<u32>,
    /// Who may approve and operate.
    pub people: Vec<Person>,
    /// When work is expected.
    pub windows: Vec<Window>,
    /// What the response may do, and what it never cuts.
    pub response: ResponseRules,
}

/// A field of the city's work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain {
    /// Its name.
    pub name: String,
    /// The department that answers for it; may be empty.
    pub department: String,
    /// Line in the file.
    pub line: u32,
}

/// A set of devices that are trusted alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    /// Its name.
    pub name: String,
    /// Index of its domain.
    pub domain: usize,
    /// Its networks.
    pub networks: Vec<Prefix>,
    /// Members by hardware address.
    pub macs: Vec<Mac>,
    /// How bad it is when it stops.
    pub criticality: Criticality,
    /// Members reach each other only by conduits.
    pub inside_denied: bool,
    /// Has no connection to anything.
    pub isolated: bool,
    /// What holds at its border while the wall is down.
    pub when_down: WhenDown,
    /// What happens to its inspected conversations when the inspection is dead or late.
    pub inspect: Inspect,
    /// How a command to it that is denied is answered.
    pub denied: Denied,
    /// Line in the file.
    pub line: u32,
}

/// A device with a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asset {
    /// Its name.
    pub name: String,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Its hardware addresses.
    pub macs: Vec<Mac>,
    /// Index of its zone; `None` = outside.
    pub zone: Option<usize>,
    /// What it is.
    pub roles: Vec<String>,
    /// How bad it is when it stops: its own, or its zone's.
    pub criticality: Criticality,
    /// Who made it; may be empty.
    pub maker: String,
    /// Line in the file.
    pub line: u32,
}

/// Who may open a conversation with whom, and say what.
#[derive(Clone, Debug, PartialEq)]
pub struct Conduit {
    /// Who may begin.
    pub from: Vec<ConduitEnd>,
    /// With whom.
    pub to: Vec<ConduitEnd>,
    /// What is allowed.
    pub allow: Vec<Grant>,
    /// Why it is there; may be empty.
    pub reason: String,
    /// Line in the file.
    pub line: u32,
}

/// What a person may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Look.
    Viewer,
    /// Propose and undo.
    Operator,
    /// Approve.
    Approver,
    /// Work on devices in maintenance windows.
    Engineer,
    /// Change the policy.
    Administrator,
}

impl Role {
    pub(crate) const NAMES: [(&'static str, Role); 5] = [
        ("viewer", Role::Viewer),
        ("operator", Role::Operator),
        ("approver", Role::Approver),
        ("engineer", Role::Engineer),
        ("administrator", Role::Administrator),
    ];
}

/// Somebody who may approve or operate: one principal, whatever accounts there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Full name.
    pub name: String,
    /// Department; may be empty.
    pub department: String,
    /// What the person may do.
    pub roles: Vec<Role>,
    /// Accounts on the machine; may be none.
    pub unix: Vec<String>,
    /// Line in the file.
    pub line: u32,
}

impl City {
    /// A packet time in the city's zone, for the screen: `2026-11-22 16:47:19 CET`.
    pub fn local_time(&self, at: Nanos) -> String {
        self.timezone.local_time(at)
    }

    /// The person behind a Unix account: one principal, whatever accounts there are.
    pub fn principal_of_unix(&self, account: &str) -> Option<&Person> {
        self.people.iter().find(|p| p.unix.iter().any(|u| u == account))
    }

    /// The person of a name, as keyrings and approvals name principals.
    pub fn principal(&self, name: &str) -> Option<&Person> {
        self.people.iter().find(|p| p.name == name)
    }

    /// How messages and rulesets name one end of a conduit.
    pub fn end_name(&self, end: ConduitEnd) -> &str {
        match end {
            ConduitEnd::EveryZone => "*",
            ConduitEnd::Outside => citywall_event::OUTSIDE,
            ConduitEnd::Zone(id) => self.zones.get(usize::from(id)).map_or("?", |z| z.name.as_str()),
            ConduitEnd::Asset(id) => self.assets.get(id as usize).map_or("?", |a| a.name.as_str()),
        }
    }
}
