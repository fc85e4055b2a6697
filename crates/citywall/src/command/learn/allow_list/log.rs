//! What allow-lists are learned from in a run's log (`docs/spec/event.md`).
//!
//! Owns: turning lines back into events, leniently. A log has no beginnings of conversations, so one
//! counts when its end is told, with its own hour. Does not own: the format.

use std::net::IpAddr;

use citywall_event::{
    Asset, Body, Command, CommandOutcome, Contact, Event, FlowSummary, Mac, NameAnswer, Nanos, Order, Side,
    Sighting, SightingTrait, Subject, Value, Verb,
};
use citywall_transaction::PROTOCOLS;
use serde_json::Value as Json;

use crate::command::policy::log::parse_time;

/// The events of a line; `None` where it is no event at all.
pub(super) fn events(line: &[u8]) -> Option<Vec<Event>> {
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
            let summary = FlowSummary {
                start,
                end: at,
                icmp: icmp.and_then(|t| u8::try_from(t).ok()),
                ..FlowSummary::default()
            };
            vec![
                event(start, subject, Body::Contact(Contact { midstream })),
                event(at, subject, Body::Flow(summary)),
            ]
        }
        "command" => match command(value.get("command")?) {
            Some(command) => vec![event(at, subject, Body::Command(command))],
            None => Vec::new(),
        },
        "asset" => vec![event(at, subject, Body::Asset(asset(value.get("asset")?)))],
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_specification_become_events() {
        let flow = br#"{"timestamp":"2026-04-30T13:21:39.000000+0000","event_type":"flow","src_ip":"10.0.0.1","dest_ip":"10.0.0.2","dest_port":502,"proto":"TCP","app_proto":"modbus","ether":{"src_mac":"02:00:00:00:00:01","dest_mac":"02:00:00:00:00:02"},"flow":{"start":"2026-04-30T13:20:37.000000+0000"}}"#;
        let found = events(flow).expect("a flow");
        assert_eq!(found.len(), 2);
        assert!(found[0].at < found[1].at);
        assert_eq!(found[1].app_proto, Some("modbus"));
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
        assert_eq!(events(b"{"), None);
        assert_eq!(
            events(br#"{"event_type":"http","timestamp":"2026-04-30T13:21:39.000000+0000"}"#),
            Some(Vec::new())
        );
    }
}
