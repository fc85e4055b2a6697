//! A run's log, read again (`docs/spec/event.md`): what is learned from it.
//!
//! Owns: the log's parts, and turning lines back into events, leniently. A log has no beginnings of
//! conversations, so one counts when its end is told, with its own hour. Does not own: the format, or
//! what a rehearsal needs of it (`citywall_response::rehearsal`).

use std::io::{BufRead, BufReader, Read};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use citywall_event::{
    Asset, Body, Command, CommandOutcome, Contact, Event, FlowSummary, IncidentReport, Mac, NameAnswer,
    Nanos, Order, Parties, Side, Sighting, SightingTrait, Subject, Suspect, Value, Verb,
};
use citywall_transaction::PROTOCOLS;
use serde_json::Value as Json;

use super::Invalid;
use crate::End;

/// Longest line that is read.
const LINE: u64 = 1 << 20;

/// Hears the events of the log in a run's `--out` folder, the oldest first. Lines that are no events are
/// counted and told.
///
/// # Errors
/// Where there is no log, or it cannot be read.
pub fn replay_log(folder: &Path, hear: &mut dyn FnMut(&Event)) -> anyhow::Result<End> {
    let parts = parts(folder).with_context(|| folder.display().to_string())?;
    if parts.is_empty() {
        let text = format!(
            "{}: there is no eve.json; name the --out folder of a run",
            folder.display()
        );
        return Err(Invalid(text).into());
    }
    let mut wrong = 0;
    let mut take = |line: &[u8]| {
        let found = events(line);
        found.iter().flatten().for_each(&mut *hear);
        found.is_some()
    };
    for part in parts {
        wrong += lines(&part, &mut take).with_context(|| part.display().to_string())?;
    }
    if wrong > 0 {
        errln!("citywall: {wrong} lines are no events and were left out");
        return Ok(End::Damaged);
    }
    Ok(End::Done)
}

/// The parts of a log, the oldest first.
fn parts(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found: Vec<(u64, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(rest) = name.to_str().and_then(|n| n.strip_prefix("eve.json")) else {
            continue;
        };
        let number = match rest {
            "" => Some(u64::MAX),
            rest => rest.strip_prefix('.').and_then(|n| n.parse().ok()),
        };
        found.extend(number.map(|n| (n, entry.path())));
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// Reads the lines of a part, each as far as a line may be long; gives how many were not taken.
fn lines(path: &Path, mut take: impl FnMut(&[u8]) -> bool) -> std::io::Result<u64> {
    let mut reader = BufReader::new(std::fs::File::open(path)?);
    let (mut bytes, mut wrong) = (Vec::new(), 0);
    loop {
        bytes.clear();
        let read = (&mut reader).take(LINE).read_until(b'\n', &mut bytes)?;
        if read == 0 {
            return Ok(wrong);
        }
        wrong += u64::from(!take(&bytes));
    }
}

/// The events of a line; none where it is no event at all.
pub fn read(line: &[u8]) -> Vec<Event> {
    events(line).unwrap_or_default()
}

/// The events of a line; `None` where it is no event at all.
fn events(line: &[u8]) -> Option<Vec<Event>> {
    let value: Json = serde_json::from_slice(line).ok()?;
    let kind = value.get("event_type")?.as_str()?;
    let at = parse_time(value.get("timestamp")?.as_str()?)?;
    let event = |at: Nanos, subject: Subject, body: Body| Event {
        order: Order {
            at,
            ..Order::default()
        },
        at,
        subject,
        app_proto: name(text(&value, "app_proto")),
        body,
    };
    let subject = subject(&value);
    let turned = Subject {
        src_ip: subject.dst_ip,
        dst_ip: subject.src_ip,
        src_mac: subject.dst_mac,
        dst_mac: subject.src_mac,
        ..subject
    };
    let found = match kind {
        "flow" => {
            let flow = value.get("flow")?;
            let start = text(flow, "start").and_then(parse_time).unwrap_or(at);
            let midstream = flow.get("midstream").and_then(Json::as_bool).unwrap_or(false);
            let icmp = value.get("icmp_type").and_then(Json::as_u64);
            let count = |key| flow.get(key).and_then(Json::as_u64).unwrap_or(0);
            let summary = FlowSummary {
                start,
                end: text(flow, "end").and_then(parse_time).unwrap_or(at),
                packets: [count("pkts_toserver"), count("pkts_toclient")],
                bytes: [count("bytes_toserver"), count("bytes_toclient")],
                established: text(flow, "state") != Some("new"),
                icmp: icmp.and_then(|t| u8::try_from(t).ok()),
                ..FlowSummary::default()
            };
            vec![
                event(start, subject, Body::Contact(Contact { midstream })),
                event(at, subject, Body::Flow(summary)),
            ]
        }
        "command" => match command(value.get("command")?) {
            Some(command) => vec![event(at, subject, Body::Command(Box::new(command)))],
            None => Vec::new(),
        },
        "asset" => vec![event(
            at,
            subject,
            Body::Asset(Box::new(asset(value.get("asset")?))),
        )],
        "incident" => vec![event(at, subject, Body::Incident(Box::new(incident(&value))))],
        "dns" => match answer(value.get("dns")?) {
            // Told from the client's side: the client is who was answered.
            Some(answer) => vec![event(at, turned, Body::Answer(answer))],
            None => Vec::new(),
        },
        "tls" => print(value.get("tls"), &["ja4"], "ja4")
            .map(|body| event(at, subject, body))
            .into_iter()
            .collect(),
        "ssh" => {
            let ssh = value.get("ssh");
            let client = print(ssh, &["client", "hassh", "hash"], "hassh");
            let server = print(ssh, &["server", "hassh", "hash"], "hassh_server");
            let client = client.map(|body| event(at, subject, body));
            client
                .into_iter()
                .chain(server.map(|body| event(at, turned, body)))
                .collect()
        }
        _ => Vec::new(),
    };
    Some(found)
}

/// Of an incident: who is suspected.
fn incident(value: &Json) -> IncidentReport {
    let suspects = value.pointer("/incident/suspects").and_then(Json::as_array);
    let suspects = suspects.into_iter().flatten().map(|said| Suspect {
        name: text(said, "name").unwrap_or_default().to_owned(),
        address: text(said, "ip").and_then(|ip| ip.parse().ok()),
        ..Suspect::default()
    });
    IncidentReport {
        parties: Parties {
            suspects: suspects.collect(),
            ..Parties::default()
        },
        ..IncidentReport::default()
    }
}

fn text<'a>(value: &'a Json, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Json::as_str)
}

fn name(app: Option<&str>) -> Option<&'static str> {
    let mut names = PROTOCOLS.iter().map(|entry| entry.protocol.name());
    names.find(|name| Some(*name) == app)
}

fn subject(value: &Json) -> Subject {
    let address = |key| text(value, key).and_then(|t| t.parse::<IpAddr>().ok());
    let port = |key| {
        let number = value.get(key).and_then(Json::as_u64);
        number.and_then(|n| u16::try_from(n).ok())
    };
    let mac = |key| value.get("ether").and_then(|e| text(e, key)).and_then(mac);
    Subject {
        flow_id: value.get("flow_id").and_then(Json::as_u64).unwrap_or(0),
        src_ip: address("src_ip"),
        dst_ip: address("dest_ip"),
        src_port: port("src_port"),
        dst_port: port("dest_port"),
        src_mac: mac("src_mac"),
        dst_mac: mac("dest_mac"),
        protocol: match text(value, "proto") {
            Some("TCP") => Some(6),
            Some("UDP") => Some(17),
            Some("ICMP") => Some(1),
            Some("IPv6-ICMP") => Some(58),
            Some("SCTP") => Some(132),
            other => other.and_then(|n| n.parse().ok()),
        },
        ..Subject::default()
    }
}

fn mac(text: &str) -> Option<Mac> {
    let mut bytes = text.split(':').map(|part| u8::from_str_radix(part, 16).ok());
    let mut mac = Mac::default();
    for byte in &mut mac {
        *byte = bytes.next()??;
    }
    bytes.next().is_none().then_some(mac)
}

fn command(said: &Json) -> Option<Command> {
    let number = |key| {
        let number = said.get(key).and_then(Json::as_u64);
        number.and_then(|n| u32::try_from(n).ok())
    };
    let function = text(said, "function").unwrap_or_default();
    let (protocol, function) = citywall_policy::known_function(text(said, "protocol")?, function)?;
    Some(Command {
        protocol,
        verb: Verb::parse(text(said, "verb")?)?,
        function,
        unit: number("unit"),
        point: text(said, "point").unwrap_or_default().to_owned(),
        count: number("count").unwrap_or(1),
        value: said.get("value").and_then(value),
        outcome: CommandOutcome::Unanswered,
        technique: None,
    })
}

fn value(json: &Json) -> Option<Value> {
    Some(match json {
        Json::Bool(v) => Value::Bool(*v),
        Json::Number(n) => Value::Float(n.as_f64()?),
        Json::String(text) => Value::Text(text.clone()),
        // One level: there is no list in a list.
        Json::Array(list) => Value::List(list.iter().filter(|v| !v.is_array()).filter_map(value).collect()),
        Json::Null | Json::Object(_) => return None,
    })
}

fn asset(said: &Json) -> Asset {
    let list = |key: &str| {
        let list = said.get(key).and_then(Json::as_array).into_iter().flatten();
        list.filter_map(Json::as_str).map(str::to_owned)
    };
    Asset {
        name: text(said, "name").unwrap_or_default().to_owned(),
        addresses: list("addresses").filter_map(|a| a.parse().ok()).collect(),
        maker: text(said, "maker").map(str::to_owned),
        roles: list("roles").collect(),
        zone: text(said, "zone").map(str::to_owned),
        ..Asset::default()
    }
}

fn answer(said: &Json) -> Option<NameAnswer> {
    let response = text(said, "type") == Some("response");
    let question = said.get("queries")?.get(0)?;
    let grouped = said.get("grouped")?;
    let addresses: Vec<IpAddr> = ["A", "AAAA"]
        .into_iter()
        .filter_map(|kind| grouped.get(kind)?.as_array())
        .flatten()
        .filter_map(|a| a.as_str()?.parse().ok())
        .take(32)
        .collect();
    (response && !addresses.is_empty()).then_some(NameAnswer {
        name: text(question, "rrname")?.to_ascii_lowercase(),
        addresses,
    })
}

fn print(said: Option<&Json>, path: &[&str], name: &'static str) -> Option<Body> {
    let found = path.iter().try_fold(said?, |value, key| value.get(key))?;
    Some(Body::Sighting(Sighting {
        side: Side::Source,
        trait_: SightingTrait::Fingerprint,
        value: found.as_str()?.to_owned(),
        evidence: name,
    }))
}

/// `2026-04-30T13:20:37.514998+0000`, always UTC.
fn parse_time(text: &str) -> Option<Nanos> {
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<i64>().ok();
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    let micros = number(20..26)?;
    // Days of the civil calendar, years counted from March.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * year + year.div_euclid(4) - year.div_euclid(100)
        + year.div_euclid(400)
        + (153 * month + 2) / 5
        + day
        - 1
        - 719_468;
    let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second;
    seconds.checked_mul(1_000_000_000)?.checked_add(micros * 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        for (text, at) in [
            ("1970-01-01T00:00:01.000001+0000", 1_000_001_000),
            ("2026-11-22T15:47:19.000000+0000", 1_795_362_439_000_000_000),
            ("2024-02-29T00:00:00.000000+0000", 1_709_164_800_000_000_000),
        ] {
            assert_eq!(parse_time(text), Some(at));
        }
        assert_eq!(parse_time("yesterday"), None);
    }

    #[test]
    fn lines_of_the_specification_become_events() {
        let flow = br#"{"timestamp":"2026-04-30T13:21:39.000000+0000","event_type":"flow","src_ip":"10.0.0.1","dest_ip":"10.0.0.2","dest_port":502,"proto":"TCP","app_proto":"modbus","ether":{"src_mac":"02:00:00:00:00:01","dest_mac":"02:00:00:00:00:02"},"flow":{"pkts_toserver":1,"pkts_toclient":2,"start":"2026-04-30T13:20:37.000000+0000","end":"2026-04-30T13:20:38.000000+0000","state":"closed"}}"#;
        let found = events(flow).expect("a flow");
        assert_eq!(found.len(), 2);
        assert!(found[0].at < found[1].at);
        assert_eq!(found[1].app_proto, Some("modbus"));
        assert!(
            matches!(&found[1].body, Body::Flow(f) if f.packets == [1, 2] && f.established && f.end - f.start == 1_000_000_000)
        );
        assert_eq!(found[0].subject.src_mac, Some([2, 0, 0, 0, 0, 1]));
        let command = br#"{"timestamp":"2026-04-30T13:21:39.000000+0000","event_type":"command","src_ip":"10.0.0.1","dest_ip":"10.0.0.2","command":{"protocol":"modbus","verb":"write","function":"write_multiple_registers","unit":1,"point":"holding:40","count":2,"value":[7,9]}}"#;
        let found = events(command).expect("a command");
        let Body::Command(command) = &found[0].body else {
            panic!("no command")
        };
        assert_eq!(
            command.value,
            Some(Value::List(vec![Value::Float(7.0), Value::Float(9.0)]))
        );
        let dns = br#"{"timestamp":"2026-04-30T13:21:39.000000+0000","event_type":"dns","src_ip":"10.0.0.1","dest_ip":"10.0.0.53","proto":"UDP","dns":{"type":"response","queries":[{"rrname":"Time.Example","rrtype":"A"}],"grouped":{"A":["192.0.2.7"]}}}"#;
        let found = events(dns).expect("an answer");
        assert_eq!(found[0].subject.dst_ip, "10.0.0.1".parse().ok());
        assert!(matches!(&found[0].body, Body::Answer(a) if a.name == "time.example"));
        for wrong in [
            &b""[..],
            b"{",
            b"[]",
            br#"{"event_type":"dns"}"#,
            br#"{"event_type":"flow","src_ip":"10.0.0.1","dest_ip":"10.0.0.2"}"#,
        ] {
            assert_eq!(events(wrong), None);
        }
        assert_eq!(
            events(br#"{"event_type":"http","timestamp":"2026-04-30T13:21:39.000000+0000"}"#),
            Some(Vec::new())
        );
    }
}
