//! What the city looks like now, from the events so far.
//!
//! Owns: incidents, devices, conversations, commands and rates as the pages show them, all bounded.
//! Does not own: the lines themselves (`archive`), and any judgement: what stands here was said by an
//! event. Shapes that are also the API's are serialised as they are.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;

use citywall_event::{Context, Nanos};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::gate::Messages;
use crate::said::Message;
use crate::text::nanos;

/// Incidents that are kept; the oldest of the mildest go first.
const INCIDENTS: usize = 2_000;
/// Told actions of one incident.
const TOLD: usize = 64;
/// Devices that are kept.
const DEVICES: usize = 20_000;
/// Pairs of hosts that talk, by protocol.
const PAIRS: usize = 100_000;
/// Kinds of commands between two hosts.
const COMMANDS: usize = 50_000;
/// Addresses whose deviations are kept, and how many of each: the latest.
const DEVIANTS: usize = 4_096;
const DEVIATIONS: usize = 24;
/// Pairs of zones.
const ZONE_PAIRS: usize = 16_384;
/// Minutes whose rates are kept.
pub const MINUTES: usize = 720;
/// Zones, and protocols, that have a rate of their own.
const RATED: usize = 48;

/// A technique of ATT&CK.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct Technique {
    /// `T0855`.
    pub id: String,
    /// `Unauthorized Command Message`.
    pub name: String,
}

/// A reason of an incident.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct Reason {
    /// The event that shows it.
    pub event: String,
    /// Packet time.
    pub at: String,
    /// In words, English.
    pub text: String,
    /// What it says in any language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub message: Option<Message>,
    /// What it would be called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub technique: Option<Technique>,
}

/// A suspect or a victim.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct Party {
    /// Name of the city file, else the address.
    pub name: String,
    /// Its address.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub ip: Option<IpAddr>,
    /// It was taken over.
    #[serde(default)]
    pub taken: bool,
    /// Its address is not invented.
    #[serde(default)]
    pub proved: bool,
}

/// An incident as it stands (`docs/spec/event.md`).
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct Incident {
    /// `I0-1660-1`.
    pub number: String,
    /// `opened`, `updated`, `closed`.
    pub change: String,
    /// One line, English.
    pub title: String,
    /// What it says in any language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub message: Option<Message>,
    /// 1 (worst) to 4.
    pub severity: u8,
    /// What the evidence shows, the weakest first.
    #[serde(default)]
    pub kinds: Vec<String>,
    /// Concerned.
    #[serde(default)]
    pub zones: Vec<String>,
    /// Concerned.
    #[serde(default)]
    pub domains: Vec<String>,
    /// Concerned; the suspected source first.
    #[serde(default)]
    pub assets: Vec<String>,
    /// At stake, what falls next first.
    #[serde(default)]
    pub services: Vec<String>,
    /// Why, in the order of time.
    #[serde(default)]
    pub reasons: Vec<Reason>,
    /// The suspected source first.
    #[serde(default)]
    pub suspects: Vec<Party>,
    /// To whom it was done.
    #[serde(default)]
    pub victims: Vec<Party>,
    /// First evidence.
    pub first: String,
    /// Last evidence.
    pub last: String,
}

/// What the log says of an action.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct Told {
    /// The incident.
    pub incident: String,
    /// Rung of the ladder.
    pub kind: String,
    /// `proposed`, `refused`, ...
    pub status: String,
    /// On what.
    pub target: String,
    /// Why.
    pub reason: String,
    /// What the gate says.
    #[serde(default)]
    pub guards: Vec<String>,
    /// What these say in any language.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub messages: Messages,
}

/// What a device was concluded to be, and from what.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct Evidence {
    /// `signal-controller`.
    pub what: String,
    /// `snmp.oid`.
    pub source: String,
}

/// A device of the inventory.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct Device {
    /// The city file's name, else one made of the address.
    pub name: String,
    /// Hardware address.
    #[serde(default)]
    pub mac: Option<String>,
    /// As seen.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub addresses: Vec<IpAddr>,
    /// As seen.
    #[serde(default)]
    pub hostnames: Vec<String>,
    /// As seen.
    #[serde(default)]
    pub roles: Vec<String>,
    /// By the hardware address, or the city file.
    #[serde(default)]
    pub maker: Option<String>,
    /// A hint.
    #[serde(default)]
    pub system: Option<String>,
    /// Of the city file.
    #[serde(default)]
    pub zone: Option<String>,
    /// Packet time.
    pub first_seen: String,
    /// Packet time.
    pub last_seen: String,
    /// What was concluded, from what.
    #[serde(default)]
    pub evidence: Vec<Evidence>,
}

/// Something that a device did and by the signed allow-list never did.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Deviation {
    /// The event.
    pub event: String,
    /// Packet time.
    pub at: String,
    /// `new_peer` ...
    pub kind: String,
    /// In words, English.
    pub text: String,
    /// What it says in any language.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub message: Option<Message>,
}

/// Two hosts that talk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Talk {
    /// Conversations.
    pub flows: u64,
    /// Bytes, both ways.
    pub bytes: u64,
    /// End of the last one.
    pub last: Nanos,
}

/// What somebody tells a device.
#[derive(Clone, Debug, Default)]
pub struct Ordered {
    /// How often.
    pub times: u64,
    /// How often the city file did not allow it.
    pub forbidden: u64,
    /// When last.
    pub last: Nanos,
    /// The last point and value, in words.
    pub sample: String,
}

/// Who told whom, in which protocol, to do what.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Order {
    /// Who.
    pub from: IpAddr,
    /// Whom.
    pub to: IpAddr,
    /// `modbus`.
    pub protocol: String,
    /// `write`.
    pub verb: String,
}

/// What one zone opened with another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Crossing {
    /// Conversations.
    pub flows: u64,
    /// Bytes.
    pub bytes: u64,
    /// Contacts that the city file does not allow.
    pub violations: u64,
}

/// A minute of traffic: conversations are counted when they end.
#[derive(Clone, Debug, Default)]
pub struct Minute {
    /// Bytes by zone (of either end).
    pub zones: BTreeMap<String, u64>,
    /// Bytes by protocol.
    pub protocols: BTreeMap<String, u64>,
    /// All bytes.
    pub bytes: u64,
    /// Events.
    pub events: u64,
}

/// The state.
#[derive(Default)]
pub struct Board {
    /// By number.
    pub incidents: BTreeMap<String, Incident>,
    /// Actions that the log told, by incident.
    pub told: BTreeMap<String, Vec<Told>>,
    /// By name.
    pub devices: BTreeMap<String, Device>,
    by_address: HashMap<IpAddr, String>,
    /// Who talks with whom: initiator, responder, protocol.
    pub talks: HashMap<(IpAddr, IpAddr, String), Talk>,
    /// Commands.
    pub commands: HashMap<Order, Ordered>,
    /// What deviated from the signed allow-list, by who did it, oldest first.
    pub deviations: HashMap<IpAddr, VecDeque<Deviation>>,
    /// Zones.
    pub crossings: BTreeMap<(String, String), Crossing>,
    /// Rates by minute of packet time.
    pub minutes: BTreeMap<i64, Minute>,
    /// Events by type.
    pub counts: BTreeMap<String, u64>,
    /// First and last packet time.
    pub span: Option<(Nanos, Nanos)>,
    /// What found no room, by what it was.
    pub shed: BTreeMap<&'static str, u64>,
    /// Lines that could not be understood.
    pub unread: u64,
    /// Grows with every change that a page shows.
    pub version: u64,
}

/// The line's members that stand beside its body.
#[derive(Deserialize)]
struct Line {
    timestamp: String,
    event_type: String,
    src_ip: Option<IpAddr>,
    dest_ip: Option<IpAddr>,
    proto: Option<String>,
    app_proto: Option<String>,
    flow: Option<FlowPart>,
    zones: Option<ZonesPart>,
    command: Option<CommandPart>,
    violation: Option<ViolationPart>,
    behaviour: Option<BehaviourPart>,
    #[serde(default)]
    id: String,
    incident: Option<Incident>,
    action: Option<Told>,
    asset: Option<Device>,
}

#[derive(Deserialize)]
struct FlowPart {
    bytes_toserver: u64,
    bytes_toclient: u64,
}

#[derive(Deserialize)]
struct ZonesPart {
    src: String,
    dest: String,
}

#[derive(Deserialize)]
struct CommandPart {
    protocol: String,
    verb: String,
    #[serde(default)]
    point: Option<String>,
    #[serde(default)]
    value: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct ViolationPart {
    from_zone: String,
    to_zone: String,
    #[serde(default)]
    command: Option<CommandPart>,
}

#[derive(Deserialize)]
struct BehaviourPart {
    kind: String,
    reason: String,
    #[serde(default)]
    message: Option<Message>,
}

/// What the archive needs to know of a line.
pub struct Read {
    /// Its type.
    pub kind: String,
    /// Its time.
    pub at: Nanos,
    /// Source and destination.
    pub ends: [Option<IpAddr>; 2],
    /// The body of an incident, for who hears incidents.
    pub incident: bool,
}

impl Board {
    /// Hears one line, without its line feed. `None` where it is no event.
    pub fn hear(&mut self, line: &[u8]) -> Option<Read> {
        let Ok(line) = serde_json::from_slice::<Line>(line) else {
            self.unread += 1;
            return None;
        };
        let word = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_';
        let known = (1..=32).contains(&line.event_type.len()) && line.event_type.bytes().all(word);
        let Some(at) = nanos(&line.timestamp).filter(|_| known) else {
            self.unread += 1;
            return None;
        };
        let (first, last) = self.span.unwrap_or((at, at));
        self.span = Some((first.min(at), last.max(at)));
        if let Some(count) = self.counts.get_mut(&line.event_type) {
            *count += 1;
        } else if self.counts.len() < 256 {
            self.counts.insert(line.event_type.clone(), 1);
        }
        self.version += 1;
        let read = Read {
            kind: line.event_type.clone(),
            at,
            ends: [line.src_ip, line.dest_ip],
            incident: line.incident.is_some(),
        };
        self.take(line, at);
        Some(read)
    }

    fn take(&mut self, line: Line, at: Nanos) {
        self.minute(at).events += 1;
        let ends = line.src_ip.zip(line.dest_ip);
        if let Some(flow) = &line.flow {
            self.flow(&line, flow, at);
        }
        if let (Some(command), Some(ends)) = (&line.command, ends) {
            self.command(command, ends, at, false);
        }
        if let Some(violation) = &line.violation {
            let zones = (violation.from_zone.clone(), violation.to_zone.clone());
            self.crossing(zones).violations += 1;
            if let (Some(command), Some(ends)) = (&violation.command, ends) {
                self.command(command, ends, at, true);
            }
        }
        if let (Some(behaviour), Some(from)) = (line.behaviour, line.src_ip)
            && citywall_event::Behaviour::OFF_LIST.contains(&behaviour.kind.as_str())
        {
            let deviation = Deviation {
                event: line.id,
                at: line.timestamp,
                kind: behaviour.kind,
                text: behaviour.reason,
                message: behaviour.message,
            };
            self.deviates(from, deviation);
        }
        if let Some(device) = line.asset {
            self.device(device);
        }
        if let Some(incident) = line.incident {
            self.incident(incident);
        }
        if let Some(told) = line.action {
            let list = self.told.entry(told.incident.clone()).or_default();
            if list.len() < TOLD {
                list.push(told);
            }
        }
        if self.told.len() > INCIDENTS {
            self.told.pop_first();
        }
    }

    fn deviates(&mut self, from: IpAddr, deviation: Deviation) {
        if self.deviations.len() >= DEVIANTS && !self.deviations.contains_key(&from) {
            *self.shed.entry("deviations").or_default() += 1;
            return;
        }
        let list = self.deviations.entry(from).or_default();
        if list.len() >= DEVIATIONS {
            list.pop_front();
        }
        list.push_back(deviation);
    }

    fn flow(&mut self, line: &Line, flow: &FlowPart, at: Nanos) {
        let bytes = flow.bytes_toserver.saturating_add(flow.bytes_toclient);
        let protocol = line.app_proto.as_ref().or(line.proto.as_ref());
        let protocol = protocol.map_or("ethernet", String::as_str).to_owned();
        let zones = line.zones.as_ref().map(|z| (z.src.clone(), z.dest.clone()));
        let minute = self.minute(at);
        minute.bytes += bytes;
        bump(&mut minute.protocols, &protocol, bytes);
        if let Some((from, to)) = zones {
            bump(&mut minute.zones, &from, bytes);
            if from != to {
                bump(&mut minute.zones, &to, bytes);
            }
            let crossing = self.crossing((from, to));
            crossing.flows += 1;
            crossing.bytes += bytes;
        }
        let Some((from, to)) = line.src_ip.zip(line.dest_ip) else {
            return;
        };
        let key = (from, to, protocol);
        if self.talks.len() >= PAIRS && !self.talks.contains_key(&key) {
            *self.shed.entry("pairs").or_default() += 1;
            return;
        }
        let talk = self.talks.entry(key).or_default();
        talk.flows += 1;
        talk.bytes = talk.bytes.saturating_add(bytes);
        talk.last = talk.last.max(at);
    }

    fn command(&mut self, command: &CommandPart, (from, to): (IpAddr, IpAddr), at: Nanos, forbidden: bool) {
        let order = Order {
            from,
            to,
            protocol: command.protocol.clone(),
            verb: command.verb.clone(),
        };
        if self.commands.len() >= COMMANDS && !self.commands.contains_key(&order) {
            *self.shed.entry("commands").or_default() += 1;
            return;
        }
        let ordered = self.commands.entry(order).or_default();
        // A forbidden command is told twice: as what it was, and as not allowed.
        match forbidden {
            true => ordered.forbidden += 1,
            false => ordered.times += 1,
        }
        ordered.last = ordered.last.max(at);
        let point = command.point.as_deref().unwrap_or_default();
        ordered.sample = match &command.value {
            Some(value) => crate::text::cut(&format!("{point} = {value}"), 120),
            None => crate::text::cut(point, 120),
        };
    }

    fn crossing(&mut self, mut zones: (String, String)) -> &mut Crossing {
        if self.crossings.len() >= ZONE_PAIRS && !self.crossings.contains_key(&zones) {
            *self.shed.entry("zone pairs").or_default() += 1;
            zones = ("…".into(), "…".into());
        }
        self.crossings.entry(zones).or_default()
    }

    fn minute(&mut self, at: Nanos) -> &mut Minute {
        let minute = at.div_euclid(60_000_000_000);
        if self.minutes.len() >= MINUTES && !self.minutes.contains_key(&minute) {
            self.minutes.pop_first();
        }
        self.minutes.entry(minute).or_default()
    }

    fn device(&mut self, device: Device) {
        if self.devices.len() >= DEVICES && !self.devices.contains_key(&device.name) {
            *self.shed.entry("devices").or_default() += 1;
            return;
        }
        if let Some(before) = self.devices.get(&device.name) {
            for address in &before.addresses {
                self.by_address.remove(address);
            }
        }
        for address in device.addresses.iter().take(32) {
            self.by_address.insert(*address, device.name.clone());
        }
        self.devices.insert(device.name.clone(), device);
    }

    fn incident(&mut self, incident: Incident) {
        if self.incidents.len() >= INCIDENTS && !self.incidents.contains_key(&incident.number) {
            let mildest = self.incidents.values().max_by_key(|i| {
                (
                    i.change == "closed",
                    i.severity,
                    std::cmp::Reverse(i.last.clone()),
                )
            });
            if let Some(number) = mildest.map(|i| i.number.clone()) {
                self.incidents.remove(&number);
                self.told.remove(&number);
            }
            *self.shed.entry("incidents").or_default() += 1;
        }
        self.incidents.insert(incident.number.clone(), incident);
    }

    /// The device that has this address.
    pub fn device_at(&self, ip: IpAddr) -> Option<&Device> {
        self.devices.get(self.by_address.get(&ip)?)
    }

    /// What people call who has this address.
    pub fn name_of(&self, ip: IpAddr, context: &Context) -> String {
        let place = context.locate(Some(ip), None);
        if let Some(asset) = place.asset.and_then(|asset| context.asset(asset)) {
            return asset.name.clone();
        }
        self.by_address
            .get(&ip)
            .cloned()
            .unwrap_or_else(|| ip.to_string())
    }

    /// Worst first: what is open, then by severity, by how critical the service is that falls next, by
    /// time. Never by the number of alerts.
    pub fn worst_first(&self, context: &Context) -> Vec<&Incident> {
        let weight = |incident: &Incident| {
            let next = incident.services.first();
            let service = next.and_then(|name| context.services().iter().find(|s| s.name == *name));
            service.map(|s| s.criticality)
        };
        let mut list: Vec<&Incident> = self.incidents.values().collect();
        list.sort_by(|a, b| {
            let key = |i: &Incident| (i.change == "closed", i.severity, std::cmp::Reverse(weight(i)));
            key(a).cmp(&key(b)).then_with(|| b.last.cmp(&a.last))
        });
        list
    }
}

fn bump(map: &mut BTreeMap<String, u64>, key: &str, by: u64) {
    if let Some(value) = map.get_mut(key) {
        *value = value.saturating_add(by);
    } else {
        let key = if map.len() < RATED { key } else { "other" };
        let value = map.entry(key.to_owned()).or_default();
        *value = value.saturating_add(by);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::{Archive, Query};

    fn resident() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
    }

    fn flow(number: u64) -> String {
        // Numbers that do not repeat, as in traffic: a line that packs well would prove nothing.
        let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let part = |shift: u32, of: u64| (mixed >> shift) % of;
        let second = number / 500;
        format!(
            "{{\"timestamp\":\"2026-04-30T{:02}:{:02}:{:02}.{:06}+0000\",\"id\":\"t{:x}.0\",\"flow_id\":{number},\"event_type\":\"flow\",\
             \"src_ip\":\"10.{}.{}.{}\",\"src_port\":{},\"dest_ip\":\"10.200.0.{}\",\"dest_port\":502,\"proto\":\"TCP\",\"app_proto\":\"modbus\",\
             \"community_id\":\"1:{:x}\",\"flow\":{{\"pkts_toserver\":{},\"pkts_toclient\":{},\"bytes_toserver\":{},\"bytes_toclient\":{},\
             \"start\":\"2026-04-30T13:42:26.{:06}+0000\",\"age\":{},\"state\":\"closed\",\"reason\":\"closed\",\"alerted\":false}},\
             \"zones\":{{\"src\":\"zone-{}\",\"dest\":\"data-centre\"}}}}",
            second / 3600 % 24,
            second / 60 % 60,
            second % 60,
            part(3, 1_000_000),
            number,
            number % 10_000 / 2_500,
            number % 10_000 / 250 % 10,
            number % 250,
            1_024 + part(7, 60_000),
            part(11, 8),
            mixed,
            part(13, 90),
            part(17, 90),
            part(19, 90_000),
            part(23, 90_000),
            part(29, 1_000_000),
            part(31, 60),
            number % 40
        )
    }

    #[test]
    fn a_million_events_and_ten_thousand_devices_fit_into_a_hundred_megabytes() {
        let (mut board, mut archive) = (Board::default(), Archive::new(crate::EVENTS));
        let before = resident();
        for number in 0..10_000_u64 {
            let (a, b, c) = (number / 2_500, number / 250 % 10, number % 250);
            let line = format!(
                "{{\"timestamp\":\"2026-04-30T00:00:00.000000+0000\",\"event_type\":\"asset\",\"asset\":{{\"change\":\"new\",\"name\":\"device-{number}\",\
                 \"mac\":\"00:14:38:00:{c:02x}:{b:02x}\",\"addresses\":[\"10.{a}.{b}.{c}\"],\"hostnames\":[\"host-{number}\"],\"roles\":[\"plc\",\"modbus-server\"],\
                 \"maker\":\"Example Controls\",\"zone\":\"zone-{}\",\"first_seen\":\"2026-04-30T00:00:00.000000+0000\",\"last_seen\":\"2026-04-30T00:00:00.000000+0000\",\
                 \"evidence\":[{{\"what\":\"plc\",\"source\":\"city file\"}},{{\"what\":\"modbus-server\",\"source\":\"flow.app_proto\"}}]}}}}",
                number % 40
            );
            board.hear(line.as_bytes()).unwrap();
        }
        for number in 0..1_000_000 {
            let line = flow(number);
            let read = board.hear(line.as_bytes()).unwrap();
            archive.push(line.as_bytes(), &read.kind, read.at, read.ends);
        }
        let grown = resident() - before;
        eprintln!(
            "{grown} bytes, of which {} packed; {} forgotten",
            archive.bytes(),
            archive.forgotten
        );
        assert!(grown < 100_000_000, "{grown} bytes");
        assert_eq!((board.devices.len(), board.counts["flow"]), (10_000, 1_000_000));
        assert!(archive.bytes() <= crate::EVENTS && archive.forgotten < 500_000);
        let query = Query {
            text: "\"flow_id\":999000,".into(),
            limit: 10,
            ..Query::default()
        };
        assert_eq!(archive.snapshot().search(&query, &|_, _| true).len(), 1);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut board = Board::default();
        for number in 0..INCIDENTS * 2 {
            let line = format!(
                "{{\"timestamp\":\"2026-04-30T00:00:00.000000+0000\",\"event_type\":\"incident\",\"incident\":{{\"number\":\"I{number}\",\"change\":\"opened\",\
                 \"title\":\"t\",\"severity\":{},\"first\":\"2026-04-30T00:00:00.{number:06}+0000\",\"last\":\"2026-04-30T00:00:00.{number:06}+0000\"}}}}",
                1 + number % 4
            );
            board.hear(line.as_bytes()).unwrap();
        }
        assert_eq!(board.incidents.len(), INCIDENTS);
        let worst = board.incidents.values().filter(|i| i.severity == 1).count();
        assert_eq!(worst, INCIDENTS / 2, "the mildest went");
        assert_eq!(board.shed["incidents"], INCIDENTS as u64);
    }
}
