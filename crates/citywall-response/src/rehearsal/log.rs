//! Lines of `eve.json` that a rehearsal reads: incidents, flows, commands, violations.
//!
//! Owns: reading them back (`docs/spec/event.md`). A log may have been written by another version or
//! by somebody else: every value is looked at. Does not own: what follows.

use std::net::IpAddr;

use citywall_event::{Change, Crossing, Flooded, Mac, Nanos, Suspect, Verb, Victim};
use serde_json::Value;

use crate::Notice;

/// Longest line that is read.
const BYTES: usize = 1 << 20;
/// Suspects, crossings, changes and victims of one notice.
const PARTIES: usize = 256;

/// A line that matters, with its time.
#[derive(Clone, Debug)]
pub enum Line {
    /// An incident as it stands.
    Incident(Nanos, Box<Notice>),
    /// A conversation is over.
    Flow(Nanos, FlowLine),
    /// A device was told something.
    Command(Nanos, CommandLine),
    /// What this packet told a device was not allowed.
    Forbidden(String),
}

/// A conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowLine {
    /// Who began.
    pub from: IpAddr,
    /// With whom.
    pub to: IpAddr,
    /// IP protocol number.
    pub protocol: u8,
    /// The initiator's port.
    pub from_port: Option<u16>,
    /// The responder's port.
    pub port: Option<u16>,
    /// Application protocol, where it was known.
    pub app: Option<String>,
    /// Packets to the responder and to the initiator.
    pub packets: [u64; 2],
    /// Bytes, likewise.
    pub bytes: [u64; 2],
    /// First packet.
    pub start: Nanos,
    /// Last packet.
    pub end: Nanos,
}

/// A command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine {
    /// Who told.
    pub from: IpAddr,
    /// Whom.
    pub to: IpAddr,
    /// What.
    pub verb: Verb,
    /// Its packet and point: a violation that names the same makes it forbidden.
    pub packet: String,
}

/// Why a line cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// Too long.
    #[error("a line of more than {BYTES} bytes; eve.json of citywall has none")]
    Long,
    /// No JSON.
    #[error("no JSON: {0}; was the file cut off or edited?")]
    Json(String),
    /// A field that should be there.
    #[error("{event_type}: {field}: {what}; write the log anew with this version: citywall watch --out")]
    Field {
        /// Of which type of event.
        event_type: &'static str,
        /// Which.
        field: &'static str,
        /// What is wrong.
        what: &'static str,
    },
}

/// An event that is being read.
struct Reader<'v> {
    event_type: &'static str,
    value: &'v Value,
}

impl Line {
    /// Reads a line; `None` where it is of another type, or a conversation without addresses.
    ///
    /// # Errors
    /// Where it is of a type that matters, and wrong.
    pub fn parse(line: &[u8]) -> Result<Option<Line>, LineError> {
        if line.len() > BYTES {
            return Err(LineError::Long);
        }
        // Most lines are of other types: they need not be parsed.
        let head = line.get(..512.min(line.len())).unwrap_or(line);
        let Some(event_type) = ["incident", "flow", "command", "violation"]
            .into_iter()
            .find(|t| memchr::memmem::find(head, format!("\"event_type\":\"{t}\"").as_bytes()).is_some())
        else {
            return Ok(None);
        };
        let value: Value = serde_json::from_slice(line).map_err(|e| LineError::Json(e.to_string()))?;
        let reader = Reader {
            event_type,
            value: &value,
        };
        let at = reader.time(&value, "timestamp")?;
        let body = value.get(event_type).unwrap_or(&Value::Null);
        Ok(match event_type {
            "incident" => Some(Line::Incident(at, Box::new(reader.notice(body)?))),
            "flow" => reader.flow(body)?.map(|flow| Line::Flow(at, flow)),
            "command" => reader.command(body)?.map(|command| Line::Command(at, command)),
            _ => {
                let command = body.get("command");
                command.map(|command| Line::Forbidden(reader.packet(command)))
            }
        })
    }
}

impl Reader<'_> {
    fn wrong(&self, field: &'static str, what: &'static str) -> LineError {
        LineError::Field {
            event_type: self.event_type,
            field,
            what,
        }
    }

    fn text<'v>(&self, of: &'v Value, field: &'static str) -> Result<&'v str, LineError> {
        of.get(field)
            .and_then(Value::as_str)
            .ok_or(self.wrong(field, "no text"))
    }

    fn number(&self, of: &Value, field: &'static str) -> Result<u64, LineError> {
        of.get(field)
            .and_then(Value::as_u64)
            .ok_or(self.wrong(field, "no whole number"))
    }

    fn flag(&self, of: &Value, field: &'static str) -> Result<bool, LineError> {
        of.get(field)
            .and_then(Value::as_bool)
            .ok_or(self.wrong(field, "not true or false"))
    }

    fn time(&self, of: &Value, field: &'static str) -> Result<Nanos, LineError> {
        let text = self.text(of, field)?;
        // Written in UTC, with a numerical offset.
        let zulu = text.strip_suffix("+0000").map(|t| format!("{t}Z"));
        let parsed = zulu.and_then(|t| crate::playbook::parse_time(&t));
        parsed.ok_or(self.wrong(field, "no time"))
    }

    fn address(&self, of: &Value, field: &'static str) -> Result<Option<IpAddr>, LineError> {
        match of.get(field) {
            None => Ok(None),
            Some(value) => {
                let ip = value.as_str().and_then(|t| t.parse().ok());
                ip.map(Some).ok_or(self.wrong(field, "no address"))
            }
        }
    }

    fn list<'v>(&self, of: &'v Value, field: &'static str) -> Result<&'v [Value], LineError> {
        let list = of
            .get(field)
            .and_then(Value::as_array)
            .ok_or(self.wrong(field, "no list"))?;
        match list.len() > PARTIES {
            true => Err(self.wrong(field, "too long")),
            false => Ok(list),
        }
    }

    fn notice(&self, body: &Value) -> Result<Notice, LineError> {
        let suspects: Vec<Suspect> = self.each(body, "suspects", |s| {
            Ok(Suspect {
                name: self.text(s, "name")?.to_owned(),
                address: self.address(s, "ip")?,
                mac: self.mac(s)?,
                taken: self.flag(s, "taken")?,
                proved: self.flag(s, "proved")?,
            })
        })?;
        let suspect = |of: &Value| {
            let index = usize::try_from(self.number(of, "suspect")?).unwrap_or(usize::MAX);
            let there = index < suspects.len();
            there.then_some(index).ok_or(self.wrong("suspect", "nobody"))
        };
        let crossings = self.each(body, "crossings", |c| {
            Ok(Crossing {
                suspect: suspect(c)?,
                zone: self.text(c, "zone")?.to_owned(),
                targets: self.each(c, "targets", |ip| {
                    let ip = ip.as_str().and_then(|t| t.parse().ok());
                    ip.ok_or(self.wrong("targets", "no address"))
                })?,
            })
        })?;
        let changes = self.each(body, "changes", |c| {
            Ok(Change {
                suspect: suspect(c)?,
                target: self
                    .address(c, "target")?
                    .ok_or(self.wrong("target", "no address"))?,
                protocol: self.text(c, "protocol")?.to_owned(),
            })
        })?;
        let victims = self.each(body, "victims", |v| {
            Ok(Victim {
                name: self.text(v, "name")?.to_owned(),
                address: self.address(v, "ip")?,
                taken: self.flag(v, "taken")?,
            })
        })?;
        let flooded = match body.get("flooded") {
            None => Vec::new(),
            Some(_) => self.each(body, "flooded", |f| {
                Ok(Flooded {
                    address: self
                        .address(f, "ip")?
                        .ok_or(self.wrong("flooded", "no address"))?,
                    protocol: u8::try_from(self.number(f, "protocol")?)
                        .map_err(|_| self.wrong("flooded", "no IP protocol"))?,
                    port: match f.get("port") {
                        None => None,
                        Some(_) => Some(
                            u16::try_from(self.number(f, "port")?)
                                .map_err(|_| self.wrong("flooded", "no TCP port"))?,
                        ),
                    },
                })
            })?,
        };
        let kinds = self.each(body, "kinds", |k| {
            k.as_str()
                .map(str::to_owned)
                .ok_or(self.wrong("kinds", "no text"))
        })?;
        let reasons = self.list(body, "reasons")?;
        let evidence = reasons
            .iter()
            .rev()
            .take(16)
            .filter_map(|r| r.get("event")?.as_str());
        let severity = self.number(body, "severity")?;
        if !(1..=4).contains(&severity) {
            return Err(self.wrong("severity", "not from 1 to 4"));
        }
        Ok(Notice {
            incident: self.text(body, "number")?.to_owned(),
            change: self.text(body, "change")?.to_owned(),
            severity: severity as u8,
            kinds,
            title: self.text(body, "title")?.to_owned(),
            at: self.time(body, "last")?,
            suspects,
            crossings,
            changes,
            victims,
            flooded,
            evidence: evidence.map(str::to_owned).collect(),
        })
    }

    fn each<T>(
        &self,
        of: &Value,
        field: &'static str,
        read: impl Fn(&Value) -> Result<T, LineError>,
    ) -> Result<Vec<T>, LineError> {
        self.list(of, field)?.iter().map(read).collect()
    }

    fn mac(&self, of: &Value) -> Result<Option<Mac>, LineError> {
        let Some(text) = of.get("mac") else {
            return Ok(None);
        };
        let bad = || self.wrong("mac", "no hardware address");
        let mut mac = [0; 6];
        let mut parts = text.as_str().ok_or_else(bad)?.split(':');
        for byte in &mut mac {
            let part = parts.next().filter(|p| p.len() == 2).ok_or_else(bad)?;
            *byte = u8::from_str_radix(part, 16).map_err(|_| bad())?;
        }
        match parts.next() {
            None => Ok(Some(mac)),
            Some(_) => Err(bad()),
        }
    }

    fn port(&self) -> Option<u16> {
        self.port_of("dest_port")
    }

    fn port_of(&self, field: &str) -> Option<u16> {
        self.value
            .get(field)
            .and_then(Value::as_u64)
            .and_then(|p| u16::try_from(p).ok())
    }

    fn protocol(&self) -> u8 {
        let name = self.value.get("proto").and_then(Value::as_str).unwrap_or("");
        let known = |number: &u8| citywall_event::protocol_name(*number) == Some(name);
        (1..=255).find(known).or_else(|| name.parse().ok()).unwrap_or(0)
    }

    fn flow(&self, body: &Value) -> Result<Option<FlowLine>, LineError> {
        let (from, to) = (
            self.address(self.value, "src_ip")?,
            self.address(self.value, "dest_ip")?,
        );
        let (Some(from), Some(to)) = (from, to) else {
            return Ok(None);
        };
        let app = self.value.get("app_proto").and_then(Value::as_str);
        Ok(Some(FlowLine {
            from,
            to,
            protocol: self.protocol(),
            from_port: self.port_of("src_port"),
            port: self.port(),
            app: app.map(str::to_owned),
            packets: [
                self.number(body, "pkts_toserver")?,
                self.number(body, "pkts_toclient")?,
            ],
            bytes: [
                self.number(body, "bytes_toserver")?,
                self.number(body, "bytes_toclient")?,
            ],
            start: self.time(body, "start")?,
            end: self.time(body, "end")?,
        }))
    }

    fn command(&self, body: &Value) -> Result<Option<CommandLine>, LineError> {
        let (from, to) = (
            self.address(self.value, "src_ip")?,
            self.address(self.value, "dest_ip")?,
        );
        let (Some(from), Some(to)) = (from, to) else {
            return Ok(None);
        };
        let verb = Verb::parse(self.text(body, "verb")?);
        Ok(Some(CommandLine {
            from,
            to,
            verb: verb.ok_or(self.wrong("verb", "no verb"))?,
            packet: self.packet(body),
        }))
    }

    fn packet(&self, command: &Value) -> String {
        let number = self.value.get("pcap_cnt").and_then(Value::as_u64).unwrap_or(0);
        let flow = self.value.get("flow_id").and_then(Value::as_u64).unwrap_or(0);
        let point = command.get("point").and_then(Value::as_str).unwrap_or("");
        format!("{flow} {number} {point}")
    }
}
