//! The inventory: from events to devices.
//!
//! Owns: what each kind of event says of whom, and the fast way for what is already known. Does
//! not own: how addresses and MACs are bound (`learn`), when changes are told (`changes`).

use std::net::IpAddr;

use citywall_event::{
    Body, Command, CommandOutcome, Context, Event, FlowSummary, Mac, Nanos, Side, Sighting, SightingTrait,
    Subject,
};
use hashbrown::{HashMap, HashSet};

use crate::Makers;
use crate::device::{Device, Hint, Taken};
use crate::learn::{MacState, Party};

/// How much is kept at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Devices.
    pub assets: usize,
    /// Addresses of one device.
    pub addresses: usize,
    /// Hints of one kind about one device.
    pub hints: usize,
    /// Addresses outside all zones that are told apart when counting them.
    pub outside: usize,
    /// Shortest time between two reports of a device's changes, in nanoseconds of packet time.
    pub report_every: Nanos,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            assets: 65_536,
            addresses: 16,
            hints: 8,
            outside: 16_384,
            report_every: 60_000_000_000,
        }
    }
}

/// What did not fit, and what was not taken for a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Devices that were forgotten to make room.
    pub evicted: u64,
    /// Devices that were not taken up for lack of room.
    pub refused: u64,
    /// Hints that were one too many for their device.
    pub hints_refused: u64,
    /// Different addresses outside all zones, up to the limit.
    pub outside: u64,
}

/// All devices that traffic has shown.
#[derive(Debug)]
pub struct Inventory {
    pub(crate) limits: Limits,
    pub(crate) makers: Makers,
    pub(crate) devices: Vec<Option<Device>>,
    pub(crate) free: Vec<u32>,
    pub(crate) by_ip: HashMap<IpAddr, Binding>,
    pub(crate) by_mac: HashMap<Mac, MacState>,
    pub(crate) by_declared: HashMap<u32, u32>,
    pub(crate) outside: HashSet<IpAddr>,
    pub(crate) dirty: Vec<u32>,
    pub(crate) changes: Vec<(Subject, Body)>,
    /// Somebody hears of changes.
    pub(crate) heard: bool,
    pub(crate) counters: Counters,
}

/// Which device has an address, and which MAC it last came with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Binding {
    pub(crate) device: u32,
    pub(crate) mac: Option<Mac>,
    /// When it was last heard with the device's own MAC.
    pub(crate) heard: Nanos,
    /// Another that said meanwhile that the address is its own.
    pub(crate) claim: Option<Mac>,
}

/// Bytes of a hint's value that are kept.
const VALUE: usize = 128;

impl Inventory {
    /// An empty inventory.
    pub fn new(limits: Limits, makers: Makers) -> Inventory {
        Inventory {
            limits,
            makers,
            devices: Vec::new(),
            free: Vec::new(),
            by_ip: HashMap::new(),
            by_mac: HashMap::new(),
            by_declared: HashMap::new(),
            outside: HashSet::new(),
            dirty: Vec::new(),
            changes: Vec::new(),
            heard: true,
            counters: Counters::default(),
        }
    }

    /// Takes one event. Those who begin are taken up at once; those who are called only when they
    /// answer, so that a scan does not fill the inventory with what it did not find.
    pub fn observe(&mut self, event: &Event, context: &Context) {
        let subject = &event.subject;
        match &event.body {
            Body::Contact(_) => {
                self.meet(source(subject), event.at, context);
            }
            Body::Flow(flow) => self.flow(event, flow, context),
            Body::Sighting(sighting) => self.sighting(event, sighting, context),
            Body::Command(command) => self.command(event, command, context),
            Body::Reading(_) => {
                if let Some(id) = self.meet(source(subject), event.at, context) {
                    self.answered(id);
                    // In MQTT the one who tells a value is a client, and its broker passes it on.
                    let role = server_role(event.app_proto).filter(|_| event.app_proto != Some("mqtt"));
                    self.role(id, role, "reading.protocol", subject.src_ip);
                }
            }
            Body::Login(login) => {
                if login.success == Some(true)
                    && let Some(id) = self.meet(destination(subject), event.at, context)
                {
                    self.answered(id);
                }
            }
            _ => {}
        }
    }

    fn flow(&mut self, event: &Event, flow: &FlowSummary, context: &Context) {
        let subject = &event.subject;
        // Who sends notifications is an agent, and what they are sent to a manager (RFC 3413): the
        // dissector tells.
        let notified = event.app_proto == Some("snmp") && subject.dst_port == Some(SNMP_TRAP);
        let app = event.app_proto.filter(|_| !notified);
        let packets = flow.packets[0].saturating_add(flow.packets[1]);
        let bytes = flow.bytes[0].saturating_add(flow.bytes[1]);
        if let Some(id) = self.meet(source(subject), flow.end, context) {
            self.count(id, packets, bytes);
            if let Some(role) = client_role(app).filter(|_| flow.packets[1] > 0) {
                self.role(id, Some(role), "flow.app_proto", subject.src_ip);
            }
        }
        // A refusal is an answer too, but a firewall may have given it in another's name.
        if flow.packets[1] > 0
            && !flow.refused
            && let Some(id) = self.meet(destination(subject), flow.end, context)
        {
            self.count(id, packets, bytes);
            self.answered(id);
            self.role(id, server_role(app), "flow.app_proto", subject.dst_ip);
        }
    }

    fn command(&mut self, event: &Event, command: &Command, context: &Context) {
        if command.outcome == CommandOutcome::Unanswered {
            return;
        }
        if let Some(id) = self.meet(destination(&event.subject), event.at, context) {
            self.answered(id);
            let role = server_role(Some(command.protocol));
            self.role(id, role, "command.protocol", event.subject.dst_ip);
        }
    }

    fn sighting(&mut self, event: &Event, sighting: &Sighting, context: &Context) {
        let party = match sighting.side {
            Side::Source => source(&event.subject),
            Side::Destination => destination(&event.subject),
            Side::Card(card) => Party {
                ip: None,
                mac: Some(card),
            },
        };
        if sighting.trait_ == SightingTrait::Address {
            if let (Ok(ip), Some(mac)) = (sighting.value.parse::<IpAddr>(), party.mac) {
                self.bind(ip.to_canonical(), mac, event.at, context);
            }
            return;
        }
        // How it speaks changes with every update: habit, not identity.
        if sighting.trait_ == SightingTrait::Fingerprint {
            return;
        }
        let Some(id) = self.meet(party, event.at, context) else {
            return;
        };
        let hint = Hint {
            trait_: sighting.trait_,
            value: shorten(&sighting.value),
            evidence: sighting.evidence,
            ip: party.ip,
        };
        self.take_hint(id, hint);
    }

    fn count(&mut self, id: u32, packets: u64, bytes: u64) {
        if let Some(device) = self.device_mut(id) {
            device.packets = device.packets.saturating_add(packets);
            device.bytes = device.bytes.saturating_add(bytes);
        }
    }

    fn answered(&mut self, id: u32) {
        if let Some(device) = self.device_mut(id) {
            device.answered = true;
        }
    }

    fn role(&mut self, id: u32, role: Option<&'static str>, evidence: &'static str, ip: Option<IpAddr>) {
        let Some(role) = role else { return };
        // The usual case: it is known, and nothing is allocated.
        let known = self
            .device_mut(id)
            .is_none_or(|d| d.hinted(SightingTrait::Role).any(|r| r == role));
        if !known {
            let hint = Hint {
                trait_: SightingTrait::Role,
                value: role.to_owned(),
                evidence,
                ip,
            };
            self.take_hint(id, hint);
        }
    }

    pub(crate) fn take_hint(&mut self, id: u32, hint: Hint) {
        let most = self.limits.hints;
        let Some(device) = self.device_mut(id) else { return };
        let was_dirty = device.dirty;
        let taken = device.hint(hint, most);
        if device.dirty && !was_dirty {
            self.dirty.push(id);
        }
        if taken == Taken::TooMany {
            self.counters.hints_refused += 1;
        }
    }

    pub(crate) fn device_mut(&mut self, id: u32) -> Option<&mut Device> {
        self.devices.get_mut(id as usize)?.as_mut()
    }

    /// The device that has an address, or a MAC of its own.
    pub fn find(&self, ip: Option<IpAddr>, mac: Option<Mac>) -> Option<&Device> {
        let id = match ip {
            Some(ip) => self.by_ip.get(&ip.to_canonical())?.device,
            None => self.by_mac.get(&mac?)?.device?,
        };
        self.devices.get(id as usize)?.as_ref()
    }

    /// All devices, in the order in which they were taken up (places of forgotten ones are used
    /// again).
    pub fn devices(&self) -> impl Iterator<Item = &Device> {
        self.devices.iter().flatten()
    }

    /// How many devices are known.
    pub fn len(&self) -> usize {
        self.devices.len() - self.free.len()
    }

    /// True where none is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What did not fit.
    pub fn counters(&self) -> Counters {
        self.counters
    }
}

fn source(subject: &Subject) -> Party {
    Party {
        ip: subject.src_ip,
        mac: subject.src_mac,
    }
}

fn destination(subject: &Subject) -> Party {
    Party {
        ip: subject.dst_ip,
        mac: subject.dst_mac,
    }
}

/// Where notifications go (RFC 3417).
const SNMP_TRAP: u16 = 162;

/// What it means to answer in a protocol.
fn server_role(app: Option<&'static str>) -> Option<&'static str> {
    Some(match app? {
        "dns" => "dns-server",
        "http" => "http-server",
        "tls" => "tls-server",
        "ssh" => "ssh-server",
        "telnet" => "telnet-server",
        "mqtt" => "mqtt-broker",
        "modbus" => "modbus-server",
        "snmp" => "snmp-agent",
        "ntp" => "ntp-server",
        _ => return None,
    })
}

/// What it means to ask in a protocol, where that is telling.
fn client_role(app: Option<&'static str>) -> Option<&'static str> {
    match app? {
        "modbus" => Some("modbus-client"),
        "snmp" => Some("snmp-manager"),
        _ => None,
    }
}

fn shorten(value: &str) -> String {
    let mut end = value.len().min(VALUE);
    while !value.is_char_boundary(end) {
        end -= 1;
    }
    value[..end].to_owned()
}
