//! The control socket's lines: JSON, one message a line, as `docs/spec/control.md` has them.
//!
//! Owns: what can be said to the enforcer, its bounds, and the typed values that come of it. Does
//! not own: who may say it (`people`), the socket (`connections`), what follows (`citywall-response`).
//!
//! A line comes from whoever could open the socket: it is hostile. A line that is too long, is no
//! message or holds an impossible value is refused with a code and a sentence, and is never half
//! understood.

use std::net::IpAddr;

use citywall_event::{Flooded, Mac, Nanos, Prefix, Victim};
use citywall_response::playbook::Answer;
use citywall_response::{ActionId, Change, Crossing, Host, Notice, PlanHash, Proposal, Rung, Suspect, Vital};
use serde::{Deserialize, Serialize};

/// Version of the lines. A client says which it speaks; another one is refused by name.
pub const VERSION: u32 = 1;
/// Longest line, its line feed included.
pub const LINE: usize = 64 << 10;
/// Suspects, crossings, changes of one notice each; targets of one crossing.
pub const PARTIES: usize = 64;
/// Devices of one vitals line.
pub const VITALS: usize = 256;
/// Bytes of one text.
pub const TEXT: usize = 1024;
/// Bytes of one name.
pub const NAME: usize = 128;
const SECOND: Nanos = 1_000_000_000;

/// Why a line is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// More than [`LINE`] bytes.
    #[error("a line has more than {LINE} bytes")]
    Long,
    /// Not JSON, not a message, a field too many or too few.
    #[error("not a message: {0}")]
    Form(String),
    /// A version that is not spoken.
    #[error("version {0} is not spoken here, only {VERSION}: use the citywall that the enforcer is")]
    Version(u32),
    /// A value that cannot be.
    #[error("`{field}`: {what}")]
    Value {
        /// Which.
        field: &'static str,
        /// What is wrong.
        what: String,
    },
}

impl LineError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            LineError::Long => "too-long",
            LineError::Form(_) => "not-a-message",
            LineError::Version(_) => "version",
            LineError::Value { .. } => "value",
        }
    }
}

/// As what a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Speaker {
    /// A sensor: notices and vitals.
    Sensor,
    /// A person, by a program.
    Person,
}

/// A message to the enforcer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// The first line of every connection.
    Hello(Speaker),
    /// A console speaks for a person from now on, by the name of the city file.
    For(String),
    /// A sensor tells an incident.
    Notice(Box<Notice>),
    /// A sensor tells how devices fare.
    Vitals(Vec<Vital>),
    /// A person asks.
    Ask(Request),
}

/// What a person, or a program for one, asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Comes back with the answer.
    pub number: u64,
    /// What.
    pub ask: Ask,
}

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// All actions.
    List,
    /// How the enforcer fares.
    Status,
    /// The last so many entries of the journal.
    Journal(usize),
    /// Tell what happens from now on.
    Subscribe,
    /// Approve the plan with this hash.
    Approve {
        /// The action.
        action: ActionId,
        /// As it was shown.
        hash: PlanHash,
        /// Why, for the journal.
        reason: String,
    },
    /// Say no.
    Reject {
        /// The action.
        action: ActionId,
        /// Why, for the journal.
        reason: String,
    },
    /// Take it back.
    Undo {
        /// The action.
        action: ActionId,
        /// Why, for the journal.
        reason: String,
    },
    /// Propose by hand.
    Propose(Proposal),
    /// Answer a playbook's question.
    Answer(Answer),
    /// Let some rungs happen without a person: a signed act, as text.
    Act(String),
    /// End all acts.
    EndActs,
}

/// The wire's form of a message. Unknown fields and types are refused.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
enum Wire {
    Hello {
        version: u32,
        #[serde(rename = "as")]
        speaker: Speaker,
    },
    For {
        person: String,
    },
    Notice(Box<WireNotice>),
    Vitals {
        vitals: Vec<WireVital>,
    },
    List {
        #[serde(default)]
        id: u64,
    },
    Status {
        #[serde(default)]
        id: u64,
    },
    Journal {
        #[serde(default)]
        id: u64,
        last: usize,
    },
    Subscribe {
        #[serde(default)]
        id: u64,
    },
    Approve {
        #[serde(default)]
        id: u64,
        action: String,
        hash: String,
        #[serde(default)]
        reason: String,
    },
    Reject {
        #[serde(default)]
        id: u64,
        action: String,
        #[serde(default)]
        reason: String,
    },
    Undo {
        #[serde(default)]
        id: u64,
        action: String,
        #[serde(default)]
        reason: String,
    },
    Propose {
        #[serde(default)]
        id: u64,
        #[serde(default)]
        incident: Option<String>,
        rung: String,
        host: String,
        #[serde(default)]
        to: Option<String>,
        #[serde(default)]
        seconds: Option<u32>,
        reason: String,
    },
    Answer {
        #[serde(default)]
        id: u64,
        incident: String,
        step: String,
        done: bool,
    },
    Act {
        #[serde(default)]
        id: u64,
        signed: String,
    },
    EndActs {
        #[serde(default)]
        id: u64,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireNotice {
    incident: String,
    change: String,
    severity: u8,
    kinds: Vec<String>,
    title: String,
    at: Nanos,
    suspects: Vec<WireSuspect>,
    crossings: Vec<WireCrossing>,
    changes: Vec<WireChange>,
    #[serde(default)]
    victims: Vec<WireVictim>,
    #[serde(default)]
    flooded: Vec<WireFlooded>,
    evidence: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireVictim {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<IpAddr>,
    taken: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireFlooded {
    address: IpAddr,
    protocol: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireSuspect {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<IpAddr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mac: Option<String>,
    taken: bool,
    proved: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireCrossing {
    suspect: usize,
    zone: String,
    targets: Vec<IpAddr>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireChange {
    suspect: usize,
    target: IpAddr,
    protocol: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireVital {
    address: IpAddr,
    span: Nanos,
    packets: u64,
    asked: u64,
    answered: u64,
    lost: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    heartbeat: Option<bool>,
}

impl Message {
    /// Reads one line, without its line feed.
    ///
    /// # Errors
    /// Where it is no message.
    pub fn parse(line: &[u8]) -> Result<Message, LineError> {
        if line.len() >= LINE {
            return Err(LineError::Long);
        }
        let wire: Wire = serde_json::from_slice(line).map_err(|e| LineError::Form(e.to_string()))?;
        Message::of(wire)
    }

    fn of(wire: Wire) -> Result<Message, LineError> {
        let ask = |number, ask| Ok(Message::Ask(Request { number, ask }));
        match wire {
            Wire::Hello {
                version: VERSION,
                speaker,
            } => Ok(Message::Hello(speaker)),
            Wire::Hello { version, .. } => Err(LineError::Version(version)),
            Wire::For { person } => Ok(Message::For(name("person", person)?)),
            Wire::Notice(notice) => Ok(Message::Notice(Box::new(read_notice(*notice)?))),
            Wire::Vitals { vitals } => {
                few("vitals", &vitals, VITALS)?;
                let vitals: Result<Vec<Vital>, LineError> = vitals.into_iter().map(read_vital).collect();
                Ok(Message::Vitals(vitals?))
            }
            Wire::List { id } => ask(id, Ask::List),
            Wire::Status { id } => ask(id, Ask::Status),
            Wire::Journal { id, last } => ask(id, Ask::Journal(last.min(1_000))),
            Wire::Subscribe { id } => ask(id, Ask::Subscribe),
            Wire::Approve {
                id,
                action,
                hash,
                reason,
            } => {
                let hash =
                    PlanHash::parse(&hash).ok_or_else(|| value("hash", "not 64 hexadecimal digits"))?;
                let (action, reason) = (read_action(action)?, text("reason", reason)?);
                ask(id, Ask::Approve { action, hash, reason })
            }
            Wire::Reject { id, action, reason } => {
                let (action, reason) = (read_action(action)?, text("reason", reason)?);
                ask(id, Ask::Reject { action, reason })
            }
            Wire::Undo { id, action, reason } => {
                let (action, reason) = (read_action(action)?, text("reason", reason)?);
                ask(id, Ask::Undo { action, reason })
            }
            Wire::Propose {
                id,
                incident,
                rung,
                host,
                to,
                seconds,
                reason,
            } => {
                let proposal = Proposal {
                    incident: incident.map(|i| name("incident", i)).transpose()?,
                    rung: Rung::parse(&rung).ok_or_else(|| value("rung", unknown_rung(&rung)))?,
                    host: read_host(&host).ok_or_else(|| value("host", "neither an IP nor a MAC address"))?,
                    to: to
                        .map(|to| read_prefix(&to).ok_or_else(|| value("to", "not a network or address")))
                        .transpose()?,
                    time_to_live: seconds.map(|s| Nanos::from(s) * SECOND),
                    reason: text("reason", reason)?,
                };
                ask(id, Ask::Propose(proposal))
            }
            Wire::Answer {
                id,
                incident,
                step,
                done,
            } => {
                let (incident, step) = (name("incident", incident)?, name("step", step)?);
                ask(id, Ask::Answer(Answer { incident, step, done }))
            }
            Wire::Act { id, signed } => ask(id, Ask::Act(signed)),
            Wire::EndActs { id } => ask(id, Ask::EndActs),
        }
    }
}

/// A notice as a line with its line feed; `None` where it is longer than a line may be.
pub fn notice_line(notice: &Notice) -> Option<String> {
    #[derive(Serialize)]
    struct Typed<'a> {
        r#type: &'static str,
        #[serde(flatten)]
        notice: &'a WireNotice,
    }
    let notice = write_notice(notice);
    line(&Typed {
        r#type: "notice",
        notice: &notice,
    })
}

/// Vitals as a line with its line feed.
pub fn vitals_line(vitals: &[Vital]) -> Option<String> {
    #[derive(Serialize)]
    struct Typed {
        r#type: &'static str,
        vitals: Vec<WireVital>,
    }
    let vitals = vitals.iter().take(VITALS).map(|v| WireVital {
        address: v.address,
        span: v.span,
        packets: v.packets,
        asked: v.asked,
        answered: v.answered,
        lost: v.lost,
        heartbeat: v.heartbeat,
    });
    line(&Typed {
        r#type: "vitals",
        vitals: vitals.collect(),
    })
}

/// The first line of a connection.
pub fn hello_line(speaker: Speaker) -> String {
    let word = match speaker {
        Speaker::Sensor => "sensor",
        Speaker::Person => "person",
    };
    format!("{{\"type\":\"hello\",\"version\":{VERSION},\"as\":\"{word}\"}}\n")
}

fn line(value: &impl Serialize) -> Option<String> {
    let mut text = serde_json::to_string(value).ok()?;
    text.push('\n');
    (text.len() <= LINE).then_some(text)
}

fn read_notice(n: WireNotice) -> Result<Notice, LineError> {
    if !(1..=4).contains(&n.severity) {
        return Err(value("severity", "from 1 (worst) to 4"));
    }
    if !["opened", "updated", "closed"].contains(&n.change.as_str()) {
        return Err(value("change", "`opened`, `updated` or `closed`"));
    }
    few("suspects", &n.suspects, PARTIES)?;
    few("crossings", &n.crossings, PARTIES)?;
    few("changes", &n.changes, PARTIES)?;
    few("evidence", &n.evidence, PARTIES)?;
    few("kinds", &n.kinds, 32)?;
    let suspects = n.suspects.len();
    let known = |field, index: usize| {
        if index < suspects {
            Ok(index)
        } else {
            Err(value(field, "there is no such suspect"))
        }
    };
    let suspect = |s: WireSuspect| {
        let mac = s
            .mac
            .map(|m| read_mac(&m).ok_or_else(|| value("suspects.mac", "not a MAC address")));
        Ok(Suspect {
            name: text("suspects.name", s.name)?,
            address: s.address,
            mac: mac.transpose()?,
            taken: s.taken,
            proved: s.proved,
        })
    };
    let crossing = |c: WireCrossing| {
        few("crossings.targets", &c.targets, PARTIES)?;
        Ok(Crossing {
            suspect: known("crossings.suspect", c.suspect)?,
            zone: name("crossings.zone", c.zone)?,
            targets: c.targets,
        })
    };
    let change = |c: WireChange| {
        Ok(Change {
            suspect: known("changes.suspect", c.suspect)?,
            target: c.target,
            protocol: name("changes.protocol", c.protocol)?,
        })
    };
    few("victims", &n.victims, PARTIES)?;
    few("flooded", &n.flooded, PARTIES)?;
    let victim = |v: WireVictim| {
        Ok(Victim {
            name: text("victims.name", v.name)?,
            address: v.address,
            taken: v.taken,
        })
    };
    let flooded = |f: WireFlooded| Flooded {
        address: f.address,
        protocol: f.protocol,
        port: f.port,
    };
    Ok(Notice {
        incident: incident(n.incident)?,
        change: n.change,
        severity: n.severity,
        kinds: n
            .kinds
            .into_iter()
            .map(|k| name("kinds", k))
            .collect::<Result<_, _>>()?,
        title: text("title", n.title)?,
        at: n.at,
        suspects: n
            .suspects
            .into_iter()
            .map(suspect)
            .collect::<Result<_, LineError>>()?,
        crossings: n
            .crossings
            .into_iter()
            .map(crossing)
            .collect::<Result<_, LineError>>()?,
        changes: n
            .changes
            .into_iter()
            .map(change)
            .collect::<Result<_, LineError>>()?,
        victims: n
            .victims
            .into_iter()
            .map(victim)
            .collect::<Result<_, LineError>>()?,
        flooded: n.flooded.into_iter().map(flooded).collect(),
        evidence: n
            .evidence
            .into_iter()
            .map(|e| name("evidence", e))
            .collect::<Result<_, _>>()?,
    })
}

fn write_notice(n: &Notice) -> WireNotice {
    let suspect = |s: &Suspect| WireSuspect {
        name: clip(&s.name, TEXT),
        address: s.address,
        mac: s.mac.map(|mac| Host::Mac(mac).to_string()),
        taken: s.taken,
        proved: s.proved,
    };
    let crossing = |c: &Crossing| WireCrossing {
        suspect: c.suspect,
        zone: clip(&c.zone, NAME),
        targets: c.targets.iter().copied().take(PARTIES).collect(),
    };
    let change = |c: &Change| WireChange {
        suspect: c.suspect,
        target: c.target,
        protocol: clip(&c.protocol, NAME),
    };
    let victim = |v: &Victim| WireVictim {
        name: clip(&v.name, TEXT),
        address: v.address,
        taken: v.taken,
    };
    let flooded = |f: &Flooded| WireFlooded {
        address: f.address,
        protocol: f.protocol,
        port: f.port,
    };
    // What is cut off below the limit of suspects must not be named by what is kept.
    let kept = |index: usize| index < PARTIES;
    WireNotice {
        incident: n.incident.clone(),
        change: n.change.clone(),
        severity: n.severity,
        kinds: n.kinds.clone(),
        title: clip(&n.title, TEXT),
        at: n.at,
        suspects: n.suspects.iter().take(PARTIES).map(suspect).collect(),
        crossings: n
            .crossings
            .iter()
            .filter(|c| kept(c.suspect))
            .take(PARTIES)
            .map(crossing)
            .collect(),
        changes: n
            .changes
            .iter()
            .filter(|c| kept(c.suspect))
            .take(PARTIES)
            .map(change)
            .collect(),
        victims: n.victims.iter().take(PARTIES).map(victim).collect(),
        flooded: n.flooded.iter().take(PARTIES).map(flooded).collect(),
        evidence: n.evidence.iter().take(PARTIES).cloned().collect(),
    }
}

fn read_vital(v: WireVital) -> Result<Vital, LineError> {
    if !(0..=3_600 * SECOND).contains(&v.span) {
        return Err(value("vitals.span", "from 0 to an hour, in nanoseconds"));
    }
    Ok(Vital {
        address: v.address,
        span: v.span,
        packets: v.packets,
        asked: v.asked,
        answered: v.answered,
        lost: v.lost,
        heartbeat: v.heartbeat,
    })
}

fn read_action(id: String) -> Result<ActionId, LineError> {
    incident(id).map(ActionId)
}

/// An incident's number, or an action's: it becomes the comment of a set element.
fn incident(number: String) -> Result<String, LineError> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"-._:/".contains(&b);
    // What an action's name adds to it must fit into the kernel's comment as well.
    if number.is_empty() || number.len() > 64 || !number.bytes().all(fits) {
        return Err(value("incident", "1 to 64 letters, digits and -._:/"));
    }
    Ok(number)
}

/// An IP address or a MAC address.
pub fn read_host(text: &str) -> Option<Host> {
    match text.parse() {
        Ok(ip) => Some(Host::Ip(ip)),
        Err(_) => read_mac(text).map(Host::Mac),
    }
}

/// `10.1.0.0/16`, or an address.
pub fn read_prefix(text: &str) -> Option<Prefix> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let whole = if address.is_ipv4() { 32 } else { 128 };
    let length = length.map_or(Some(whole), |l| l.parse().ok())?;
    Prefix::new(address, length)
}

fn read_mac(text: &str) -> Option<Mac> {
    let mut mac = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut mac {
        let part = parts.next().filter(|p| p.len() == 2)?;
        *byte = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(mac)
}

fn unknown_rung(rung: &str) -> String {
    let names: Vec<&str> = Rung::ALL.iter().map(|r| r.name()).collect();
    format!("'{}' is none of {}", clip(rung, 32), names.join(", "))
}

fn value(field: &'static str, what: impl Into<String>) -> LineError {
    LineError::Value {
        field,
        what: what.into(),
    }
}

fn few<T>(field: &'static str, list: &[T], most: usize) -> Result<(), LineError> {
    if list.len() > most {
        return Err(value(field, format!("{} are more than {most}", list.len())));
    }
    Ok(())
}

/// Text from elsewhere that people read: bounded, and without signs that a terminal obeys.
fn text(field: &'static str, text: String) -> Result<String, LineError> {
    bounded(field, text, TEXT)
}

fn name(field: &'static str, text: String) -> Result<String, LineError> {
    bounded(field, text, NAME)
}

fn bounded(field: &'static str, text: String, most: usize) -> Result<String, LineError> {
    if text.len() > most {
        return Err(value(field, format!("{} bytes are more than {most}", text.len())));
    }
    if text.chars().any(char::is_control) {
        return Err(value(field, "holds control characters"));
    }
    Ok(text)
}

/// The longest beginning within so many bytes, control characters replaced.
fn clip(text: &str, most: usize) -> String {
    let mut clipped = String::with_capacity(text.len().min(most));
    for c in text.chars() {
        let c = if c.is_control() { ' ' } else { c };
        if clipped.len() + c.len_utf8() > most {
            break;
        }
        clipped.push(c);
    }
    clipped
}

#[cfg(test)]
#[path = "lines_tests.rs"]
mod tests;
