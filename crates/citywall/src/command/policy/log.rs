//! What `learn` needs of a log: conversations and commands, from eve.json.
//!
//! Owns: the reading of these two event types, leniently: a line that is none is counted. Does not own:
//! the format (`docs/spec/event.md`).

use std::io::{BufRead, BufReader, Read};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use citywall_event::{Command, CommandOutcome, Nanos, Verb};
use serde_json::Value;

/// Longest line that is read.
const LINE: u64 = 1 << 20;

/// One line, as far as it is needed.
#[derive(Debug, PartialEq)]
pub(super) enum Line {
    /// A conversation ended.
    Flow {
        flow_id: u64,
        ends: (IpAddr, IpAddr),
        protocol: u8,
        port: Option<u16>,
        app: Option<String>,
        span: (Nanos, Nanos),
        answered: bool,
    },
    /// A command: who gave it, when.
    Command {
        flow_id: u64,
        from: IpAddr,
        command: Command,
        at: Nanos,
    },
    /// Something else.
    Other,
}

/// The parts of a log, the oldest first.
pub(in crate::command) fn parts(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
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

/// Reads a part; gives how many lines were no events.
pub(super) fn read(path: &Path, mut hear: impl FnMut(Line)) -> std::io::Result<u64> {
    lines(path, |bytes| parse(bytes).map(&mut hear).is_some())
}

/// Reads the lines of a part, each as far as a line may be long; gives how many were not taken.
pub(in crate::command) fn lines(path: &Path, mut take: impl FnMut(&[u8]) -> bool) -> std::io::Result<u64> {
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

pub(super) fn parse(line: &[u8]) -> Option<Line> {
    let value: Value = serde_json::from_slice(line).ok()?;
    let text = |v: &Value, key: &str| v.get(key).and_then(Value::as_str).map(str::to_owned);
    let address = |key: &str| text(&value, key).and_then(|t| t.parse::<IpAddr>().ok());
    let kind = text(&value, "event_type")?;
    if !matches!(kind.as_str(), "flow" | "command") {
        return Some(Line::Other);
    }
    let (Some(from), Some(to)) = (address("src_ip"), address("dest_ip")) else {
        return Some(Line::Other);
    };
    let flow_id = value.get("flow_id")?.as_u64()?;
    if kind == "command" {
        return command(&value, flow_id, from).or(Some(Line::Other));
    }
    let protocol = match text(&value, "proto")?.as_str() {
        "TCP" => 6,
        "UDP" => 17,
        "ICMP" => 1,
        "IPv6-ICMP" => 58,
        "SCTP" => 132,
        other => other.parse().ok()?,
    };
    let port = value
        .get("dest_port")
        .or(value.get("icmp_type"))
        .and_then(Value::as_u64);
    let flow = value.get("flow")?;
    let time = |key| text(flow, key).and_then(|t| parse_time(&t));
    Some(Line::Flow {
        flow_id,
        ends: (from, to),
        protocol,
        port: port.and_then(|p| u16::try_from(p).ok()),
        app: text(&value, "app_proto"),
        span: (time("start")?, time("end")?),
        answered: flow.get("pkts_toclient").and_then(Value::as_u64).unwrap_or(0) > 0
            && (protocol != 6 || text(flow, "state").is_none_or(|s| s != "new")),
    })
}

fn command(value: &Value, flow_id: u64, from: IpAddr) -> Option<Line> {
    let said = value.get("command")?;
    let text = |key: &str| said.get(key).and_then(Value::as_str);
    let number = |key: &str| {
        said.get(key)
            .and_then(Value::as_u64)
            .and_then(|n| u32::try_from(n).ok())
    };
    let (protocol, function) =
        citywall_policy::known_function(text("protocol")?, text("function").unwrap_or_default())?;
    Some(Line::Command {
        flow_id,
        from,
        at: parse_time(value.get("timestamp")?.as_str()?)?,
        command: Command {
            protocol,
            verb: Verb::parse(text("verb")?)?,
            function,
            unit: number("unit"),
            point: text("point").unwrap_or_default().to_owned(),
            count: number("count").unwrap_or(1),
            value: None,
            outcome: CommandOutcome::Unanswered,
            technique: None,
        },
    })
}

/// `2026-04-30T13:20:37.514998+0000`, always UTC.
pub(in crate::command) fn parse_time(text: &str) -> Option<Nanos> {
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
    fn lines_of_the_specification_are_read() {
        assert_eq!(parse_time("1970-01-01T00:00:01.000001+0000"), Some(1_000_001_000));
        assert_eq!(
            parse_time("2026-11-22T15:47:19.000000+0000"),
            Some(1_795_362_439_000_000_000)
        );
        assert_eq!(
            parse_time("2024-02-29T00:00:00.000000+0000"),
            Some(1_709_164_800_000_000_000)
        );
        let flow = br#"{"timestamp":"2026-04-30T13:21:39.000000+0000","id":"t06.0","flow_id":6,"event_type":"flow","src_ip":"10.0.0.1","src_port":4000,"dest_ip":"10.0.0.2","dest_port":502,"proto":"TCP","app_proto":"modbus","flow":{"pkts_toserver":1,"pkts_toclient":2,"start":"2026-04-30T13:20:37.542887+0000","end":"2026-04-30T13:20:37.542887+0000","state":"closed"}}"#;
        let Some(Line::Flow {
            flow_id,
            port,
            answered,
            protocol,
            ..
        }) = parse(flow)
        else {
            panic!("no flow");
        };
        assert_eq!((flow_id, port, answered, protocol), (6, Some(502), true, 6));
        let command = br#"{"timestamp":"2026-04-30T13:21:39.000000+0000","flow_id":6,"event_type":"command","src_ip":"10.0.0.1","dest_ip":"10.0.0.2","command":{"protocol":"modbus","verb":"write","function":"write_single_register","unit":1,"point":"holding:40"}}"#;
        assert!(
            matches!(parse(command), Some(Line::Command { command, .. }) if command.point == "holding:40")
        );
        assert_eq!(parse(br#"{"event_type":"dns"}"#), Some(Line::Other));
        for wrong in [
            &b""[..],
            b"{",
            b"[]",
            br#"{"event_type":"flow","src_ip":"10.0.0.1","dest_ip":"10.0.0.2"}"#,
        ] {
            assert_eq!(parse(wrong), None);
        }
    }
}
