//! The bodies of events that are judged further: by thresholds, inventory, policy and incidents.
//!
//! Protocol transactions (`dns`, `http`, ...) are written by the data plane straight to the log and
//! leave here only what others need to know of them: a `Command`, a `Reading`, a `Login`, a
//! `Sighting`. Does not own the JSON of each body (`write`).

mod write;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use crate::{Mac, Nanos, Order, Parties, Phrase, Subject, Technique, say};

/// One fact: where it stands, about whom, and what.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its place and id.
    pub order: Order,
    /// Packet time.
    pub at: Nanos,
    /// Who and to whom.
    pub subject: Subject,
    /// Application protocol, once known (`"modbus"`).
    pub app_proto: Option<&'static str>,
    /// What.
    pub body: Body,
}

/// What an event says. What most events do not say lies apart: an event travels from core to core.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Body {
    /// A conversation was opened (not logged; `flow` says it when it ends).
    Contact(Contact),
    /// A TCP conversation was closed (not logged; `flow` says it when nothing more can come).
    Ended(Ended),
    /// A conversation ended.
    Flow(FlowSummary),
    /// A rule matched.
    Alert(Box<Alert>),
    /// Malformed traffic.
    Anomaly(Anomaly),
    /// A device was told to do something.
    Command(Box<Command>),
    /// A device told a measured value.
    Reading(Box<Reading>),
    /// The policy does not allow this.
    Violation(Box<Violation>),
    /// Somebody logged in, or tried to.
    Login(Login),
    /// A name that is worth a look was asked for (not logged; `dns` says all of them).
    Name(NameAsked),
    /// A name server told addresses (not logged; `dns` says it). Only where use is learned or held
    /// against what was learned.
    Answer(NameAnswer),
    /// An address was looked up on a link, or that was answered (not logged; `arp` says it).
    Lookup(Lookup),
    /// A hint about what a device is (not logged; `asset` says the conclusion).
    Sighting(Sighting),
    /// Behaviour that is not normal: scans, later floods and learned deviations.
    Behaviour(Box<Behaviour>),
    /// An asset appeared or changed.
    Asset(Box<Asset>),
    /// An incident opened, grew or closed.
    Incident(Box<IncidentReport>),
    /// What would be, or was, done.
    Action(Box<Action>),
}

/// A conversation's first packet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Contact {
    /// True where the first packet seen is not how such a conversation starts.
    pub midstream: bool,
}

/// A TCP conversation was closed by both ends, or reset. Its `FlowSummary` comes later, when nothing
/// more of it can come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ended {
    /// The responder answered, and did not refuse.
    pub answered: bool,
}

/// How a conversation went.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct FlowSummary {
    /// First packet.
    pub start: Nanos,
    /// Last packet.
    pub end: Nanos,
    /// Packets to the responder and to the initiator.
    pub packets: [u64; 2],
    /// Bytes on the wire, likewise.
    pub bytes: [u64; 2],
    /// TCP: the handshake was completed.
    pub established: bool,
    /// TCP: `Ended` was told.
    pub ended: bool,
    /// TCP: the responder answered the first packet with RST, or ICMP said unreachable.
    pub refused: bool,
    /// TCP: the responder answered the SYN, and who sent it reset that without ever acknowledging it: a connection
    /// that a program asks its system for is acknowledged first.
    pub broken_off: bool,
    /// ICMP and ICMPv6: the type of the first message.
    pub icmp: Option<u8>,
    /// TCP: a hash of the first words of who began, [`FirstWords`](crate::FirstWords); 0 where there are none, or
    /// they are not known.
    pub first_words: u32,
}

/// A rule matched.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// Generator, 1 for rules.
    pub gid: u32,
    /// Signature id.
    pub sid: u32,
    /// Revision.
    pub rev: u32,
    /// The rule's message.
    pub signature: String,
    /// Class text.
    pub category: String,
    /// 1 (worst) to 4.
    pub severity: u8,
    /// True where the rule says drop or reject (nothing is dropped in `watch`).
    pub would_drop: bool,
    /// The rule's metadata, key and value.
    pub metadata: Vec<(String, String)>,
    /// The technique that the rule names (`metadata: mitre_technique_id`).
    pub technique: Option<String>,
}

/// Malformed traffic: what, on which layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anomaly {
    /// `decode`, `stream` or `applayer`.
    pub kind: &'static str,
    /// Dotted name, `ipv4.header_length`.
    pub event: &'static str,
}

/// What a command asks for, in all protocols alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verb {
    /// Read a point.
    Read,
    /// Write a point, set point or parameter.
    Write,
    /// Operate an output (select, direct operate, coil).
    Operate,
    /// Change the device's configuration.
    Configure,
    /// Load a program or firmware into the device.
    Download,
    /// Read a program or file from the device.
    Upload,
    /// Start the process or program.
    Start,
    /// Stop the process or program.
    Stop,
    /// Restart the device.
    Restart,
    /// Ask who is there, or what it is.
    Discover,
    /// Ask to be told of changes.
    Subscribe,
    /// Tell subscribers.
    Publish,
    /// Anything else a device can be told.
    Other,
}

impl Verb {
    /// The name used in events and in the city file.
    pub fn name(self) -> &'static str {
        match self {
            Verb::Read => "read",
            Verb::Write => "write",
            Verb::Operate => "operate",
            Verb::Configure => "configure",
            Verb::Download => "download",
            Verb::Upload => "upload",
            Verb::Start => "start",
            Verb::Stop => "stop",
            Verb::Restart => "restart",
            Verb::Discover => "discover",
            Verb::Subscribe => "subscribe",
            Verb::Publish => "publish",
            Verb::Other => "other",
        }
    }

    /// The name in words of its own.
    pub fn word(self) -> Phrase {
        Phrase::of_file(format!("verb-{}", self.name()), self.name())
    }

    /// All verbs.
    pub const ALL: [Verb; 13] = [
        Verb::Read,
        Verb::Write,
        Verb::Operate,
        Verb::Configure,
        Verb::Download,
        Verb::Upload,
        Verb::Start,
        Verb::Stop,
        Verb::Restart,
        Verb::Discover,
        Verb::Subscribe,
        Verb::Publish,
        Verb::Other,
    ];

    /// Parses `name`.
    pub fn parse(name: &str) -> Option<Verb> {
        Verb::ALL.into_iter().find(|v| v.name() == name)
    }

    /// True where the command can change the physical world or the device.
    pub fn changes(self) -> bool {
        matches!(
            self,
            Verb::Write
                | Verb::Operate
                | Verb::Configure
                | Verb::Download
                | Verb::Start
                | Verb::Stop
                | Verb::Restart
        )
    }
}

/// A value of a point.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// On or off.
    Bool(bool),
    /// A signed number.
    Int(i64),
    /// An unsigned number.
    Uint(u64),
    /// A real number.
    Float(f64),
    /// Text from the network.
    Text(String),
    /// Bytes from the network.
    Bytes(Vec<u8>),
    /// A run of values.
    List(Vec<Value>),
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandOutcome {
    /// No answer was seen (yet).
    Unanswered,
    /// The device accepted it.
    Accepted,
    /// The device refused it, with the protocol's code.
    Refused(u32),
}

/// Who told which device to do what to which point, with which value. The actor is the event's
/// `src`, the target its `dst`.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// Protocol name as in `app_proto`.
    pub protocol: &'static str,
    /// What was asked for.
    pub verb: Verb,
    /// The protocol's own name of the function (`write_single_register`, `set`).
    pub function: &'static str,
    /// The unit behind the address, where the protocol has one (Modbus unit id).
    pub unit: Option<u32>,
    /// The point: `holding:40` for Modbus register 40, an OID for SNMP, a topic for MQTT.
    pub point: String,
    /// How many consecutive points from `point` on; 1 for most.
    pub count: u32,
    /// The value written.
    pub value: Option<Value>,
    /// How it ended.
    pub outcome: CommandOutcome,
    /// The technique that this would be if nobody allowed it.
    pub technique: Option<Technique>,
}

/// A measured value that a device told. The device is the event's `src`.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Protocol name.
    pub protocol: &'static str,
    /// Unit behind the address.
    pub unit: Option<u32>,
    /// The point, as in `Command::point`.
    pub point: String,
    /// The value, a `List` for a run of points.
    pub value: Value,
}

/// Which part of the policy was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViolationKind {
    /// No conduit between these zones.
    Conduit,
    /// The conduit does not carry this protocol.
    Protocol,
    /// The conduit does not carry this command.
    Command,
    /// A zone that is declared physically isolated.
    Isolation,
}

impl ViolationKind {
    /// The name used in events.
    pub fn name(self) -> &'static str {
        match self {
            ViolationKind::Conduit => "conduit",
            ViolationKind::Protocol => "protocol",
            ViolationKind::Command => "command",
            ViolationKind::Isolation => "isolation",
        }
    }
}

/// The policy does not allow this.
#[derive(Clone, Debug, PartialEq)]
pub struct Violation {
    /// Which part.
    pub kind: ViolationKind,
    /// Zone names, from and to.
    pub from_zone: String,
    /// To.
    pub to_zone: String,
    /// In words, for a person.
    pub reason: Phrase,
    /// The command, where it is one: protocol, verb, point, value.
    pub command: Option<Command>,
}

/// Somebody logged in, or tried to. Never holds the password.
#[derive(Clone, Debug, PartialEq)]
pub struct Login {
    /// Protocol name.
    pub protocol: &'static str,
    /// Account name as typed (personal).
    pub user: String,
    /// Length of the password in bytes.
    pub password_length: Option<u32>,
    /// The user and password are a known vendor default.
    pub default_credentials: bool,
    /// Whether it worked; `None` where that was not seen.
    pub success: Option<bool>,
}

/// A name that somebody asked a name server for: a long one, or one that does not exist. The asker
/// is the event's `src`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameAsked {
    /// In presentation form, lower case (personal).
    pub name: String,
    /// The server said that there is no such name.
    pub unknown: bool,
}

/// The addresses that a name stands for, as a name server told the event's `dst`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameAnswer {
    /// The name that was asked for, in presentation form, lower case (personal).
    pub name: String,
    /// Its addresses, at most 32.
    pub addresses: Vec<IpAddr>,
}

/// A look-up of an address on a link (ARP). The event's `src` asks, or answers `dst`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// Who asks, by its own address, where it says one.
    pub sender: Option<Ipv4Addr>,
    /// The address that is looked for; of an answer, the one that is told.
    pub target: Ipv4Addr,
    /// An answer.
    pub answer: bool,
}

/// Who a sighting is about, relative to its event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The event's `src`.
    Source,
    /// The event's `dst`.
    Destination,
    /// Whoever has this hardware address: a message that tells of another than those who carry it, or of
    /// one among many that a conversation is with.
    Card(Mac),
}

/// A hint about what a device is.
#[derive(Clone, Debug, PartialEq)]
pub struct Sighting {
    /// Which party.
    pub side: Side,
    /// What kind of hint.
    pub trait_: SightingTrait,
    /// Its value (`"lighttpd/1.4"`, `"lamp-17"`).
    pub value: String,
    /// Where it was read (`"dhcp.hostname"`, `"http.user_agent"`).
    pub evidence: &'static str,
}

/// Kinds of hints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SightingTrait {
    /// A host name.
    Hostname,
    /// An operating system.
    System,
    /// A role: `"modbus-server"`, `"camera"`.
    Role,
    /// A maker or product.
    Product,
    /// Software with version.
    Software,
    /// An IP address that is bound to the MAC (DHCP, ARP).
    Address,
    /// How its software opens encrypted sessions (JA4, HASSH); what it is called stands in
    /// `Sighting::evidence`. Only where use is learned or held against what was learned.
    Fingerprint,
}

/// Behaviour that is not normal.
#[derive(Clone, Debug, PartialEq)]
pub struct Behaviour {
    /// `horizontal_scan`, `vertical_scan`, ...
    pub kind: &'static str,
    /// In words.
    pub reason: Phrase,
    /// 0 to 1.
    pub score: f64,
    /// What moved the score: name and value.
    pub features: Vec<(&'static str, f64)>,
    /// The technique it resembles.
    pub technique: Option<Technique>,
    /// Examples: events that show it.
    pub evidence: Vec<Order>,
}

impl Behaviour {
    /// Kinds that deviate from a signed allow-list (`docs/spec/allow-list.md`).
    pub const OFF_LIST: [&'static str; 9] = [
        "new_commander",
        "new_command",
        "new_point",
        "value_out_of_range",
        "new_peer",
        "new_service",
        "new_fingerprint",
        "unusually_often",
        "unusual_hour",
    ];
}

/// An asset as the inventory knows it now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Asset {
    /// `"new"`, `"changed"` or `"gone"`.
    pub change: &'static str,
    /// Stable name within the run: the city file's, else made from MAC or address.
    pub name: String,
    /// Hardware address.
    pub mac: Option<Mac>,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Maker by OUI.
    pub maker: Option<String>,
    /// Host names.
    pub hostnames: Vec<String>,
    /// Operating system hint.
    pub system: Option<String>,
    /// Role hints.
    pub roles: Vec<String>,
    /// Zone name.
    pub zone: Option<String>,
    /// First packet.
    pub first_seen: Nanos,
    /// Last packet.
    pub last_seen: Nanos,
    /// For each conclusion, where it was read.
    pub evidence: Vec<(String, String)>,
}

/// One reason of an incident, with the event that shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Reason {
    /// The event.
    pub event: Order,
    /// When.
    pub at: Nanos,
    /// In words.
    pub text: Phrase,
    /// The technique it is.
    pub technique: Option<Technique>,
}

/// An incident as it stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IncidentReport {
    /// `"opened"`, `"updated"` or `"closed"`.
    pub change: &'static str,
    /// Its number, derived from the first event.
    pub number: String,
    /// One line.
    pub title: Phrase,
    /// 1 (worst) to 4.
    pub severity: u8,
    /// Zones concerned.
    pub zones: Vec<String>,
    /// Domains concerned.
    pub domains: Vec<String>,
    /// Assets concerned, the suspected source first.
    pub assets: Vec<String>,
    /// Services that depend on them, what falls next first.
    pub services: Vec<String>,
    /// Why.
    pub reasons: Vec<Reason>,
    /// Who is in it, as the response needs it.
    pub parties: Parties,
    /// First and last evidence.
    pub first: Nanos,
    /// Last evidence.
    pub last: Nanos,
}

/// What would be, or was, done.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Action {
    /// Its name, for `citywall actions`; empty for what only people are told, and for what was
    /// refused before it was an action.
    pub id: String,
    /// The incident.
    pub incident: String,
    /// The rung of the ladder of least harm: `observe`, `notify`, `deny-command`, ...
    pub kind: &'static str,
    /// `told`, `proposed`, `refused`, `applied`, and how it ended.
    pub status: &'static str,
    /// On what.
    pub target: Phrase,
    /// In words.
    pub reason: Phrase,
    /// Who answers for it.
    pub owner: String,
    /// How long it is in force; `None` for what only people are told.
    pub time_to_live: Option<Nanos>,
    /// What the safety gate said, or what there is to say of its end.
    pub guards: Vec<Phrase>,
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Bool(v) => write!(f, "{}", if *v { "on" } else { "off" }),
            Value::Int(v) => write!(f, "{v}"),
            Value::Uint(v) => write!(f, "{v}"),
            Value::Float(v) => write!(f, "{v}"),
            Value::Text(v) => write!(f, "{v:?}"),
            Value::Bytes(v) => {
                write!(f, "0x")?;
                v.iter().take(16).try_for_each(|b| write!(f, "{b:02x}"))?;
                if v.len() > 16 { write!(f, "...") } else { Ok(()) }
            }
            Value::List(v) => {
                for (i, item) in v.iter().take(8).enumerate() {
                    write!(f, "{}{item}", if i > 0 { ", " } else { "" })?;
                }
                if v.len() > 8 {
                    write!(f, ", ... ({} values)", v.len())
                } else {
                    Ok(())
                }
            }
        }
    }
}

impl Command {
    /// `write holding:40 = 1` for a person.
    pub fn sentence(&self) -> Phrase {
        let mut what = self.point.clone();
        if self.count > 1 {
            what.push_str(&format!(" (+{})", self.count - 1));
        }
        if let Some(value) = &self.value {
            what.push_str(&format!(" = {value}"));
        }
        say!("command", "{verb} {what}", verb = self.verb.word(), what = what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each event is carried from one core to another.
    #[test]
    fn an_event_is_small() {
        let size = size_of::<Event>();
        assert!(size <= 208, "{size} bytes");
    }
}
