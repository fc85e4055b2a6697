//! Plans: what would be done about one incident, the least harmful first.
//!
//! Owns: the ladder's rungs and the shape of a plan. Does not own: how a plan is made, whether it
//! may be carried out, and doing it.

use std::fmt;
use std::net::IpAddr;

use citywall_event::{Nanos, Phrase, Prefix, Verb};
use sha2::{Digest, Sha256};

use crate::{Host, Measure};

/// The ladder of least harm, the mildest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rung {
    /// Look.
    Observe,
    /// Tell somebody.
    Notify,
    /// Deny changing commands, keep the reading.
    DenyCommand,
    /// Limit the rate.
    LimitRate,
    /// Deny what one host opens with one zone.
    DenyConduit,
    /// Leave DHCP, DNS and updates.
    Quarantine,
    /// Cut off.
    Isolate,
}

impl Rung {
    /// All, mildest first.
    pub const ALL: [Rung; 7] = [
        Rung::Observe,
        Rung::Notify,
        Rung::DenyCommand,
        Rung::LimitRate,
        Rung::DenyConduit,
        Rung::Quarantine,
        Rung::Isolate,
    ];

    /// The name used in events, in signed acts and in playbooks.
    pub fn name(self) -> &'static str {
        match self {
            Rung::Observe => "observe",
            Rung::Notify => "notify",
            Rung::DenyCommand => "deny-command",
            Rung::LimitRate => "limit-rate",
            Rung::DenyConduit => "deny-conduit",
            Rung::Quarantine => "quarantine",
            Rung::Isolate => "isolate",
        }
    }

    /// Parses `name`.
    pub fn parse(name: &str) -> Option<Rung> {
        Rung::ALL.into_iter().find(|r| r.name() == name)
    }
}

/// An action's name: the incident's number and a count, `I0-1660-1.2`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ActionId(pub String);

impl fmt::Display for ActionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// SHA-256 over everything that a plan says: what an approval is bound to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlanHash(pub [u8; 32]);

impl PlanHash {
    /// Reads 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<PlanHash> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            let high = char::from(*digits.first()?).to_digit(16)?;
            let low = char::from(*digits.get(1)?).to_digit(16)?;
            *byte = (high * 16 + low) as u8;
        }
        Some(PlanHash(bytes))
    }
}

impl fmt::Display for PlanHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PlanHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PlanHash({self})")
    }
}

/// One rung on one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// Its name.
    pub id: ActionId,
    /// The rung.
    pub rung: Rung,
    /// On whom or what, for people.
    pub target: Phrase,
    /// Why, in plain words.
    pub reason: Phrase,
    /// Who answers for it: the department or the playbook that asked for it.
    pub owner: String,
    /// How long it is to hold, nanoseconds.
    pub time_to_live: Nanos,
    /// What is to be held in force; none for `observe` and `notify`.
    pub measures: Vec<Measure>,
}

/// What would be done about one incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The incident's number.
    pub incident: String,
    /// The revision of the city file that it was made by: another revision is another plan.
    pub revision: u64,
    /// The least harmful first.
    pub actions: Vec<Action>,
}

impl Plan {
    /// What an approval is bound to: every word of it counts.
    pub fn hash(&self) -> PlanHash {
        let mut text = Canonical(Sha256::new());
        text.text("citywall-plan/1");
        text.text(&self.incident);
        text.number(i128::from(self.revision));
        text.number(self.actions.len() as i128);
        for action in &self.actions {
            for word in [
                action.id.0.as_str(),
                action.rung.name(),
                action.target.english(),
                action.reason.english(),
                &action.owner,
            ] {
                text.text(word);
            }
            text.number(i128::from(action.time_to_live));
            text.number(action.measures.len() as i128);
            action.measures.iter().for_each(|m| text.measure(m));
        }
        PlanHash(text.0.finalize().into())
    }
}

/// One way to write everything down: each piece with its length.
struct Canonical(Sha256);

impl Canonical {
    fn text(&mut self, text: &str) {
        self.number(text.len() as i128);
        self.0.update(text.as_bytes());
    }

    fn number(&mut self, number: i128) {
        self.0.update(number.to_be_bytes());
    }

    fn host(&mut self, host: Host) {
        match host {
            Host::Ip(ip) => self.ip(ip),
            Host::Mac(mac) => {
                self.0.update([b'm']);
                self.0.update(mac);
            }
        }
    }

    fn ip(&mut self, ip: IpAddr) {
        match ip {
            IpAddr::V4(v4) => {
                self.0.update([b'4']);
                self.0.update(v4.octets());
            }
            IpAddr::V6(v6) => {
                self.0.update([b'6']);
                self.0.update(v6.octets());
            }
        }
    }

    fn network(&mut self, network: Prefix) {
        self.ip(network.first());
        self.0.update([network.length()]);
    }

    fn measure(&mut self, measure: &Measure) {
        match measure {
            Measure::Isolate { host } => {
                self.text("isolate");
                self.host(*host);
            }
            Measure::Quarantine { host } => {
                self.text("quarantine");
                self.host(*host);
            }
            Measure::DenyPair { from, to } => {
                self.text("deny-pair");
                self.host(*from);
                self.network(*to);
            }
            Measure::LimitRate {
                host,
                packets_per_second,
            } => {
                self.text("limit-rate");
                self.host(*host);
                self.number(i128::from(*packets_per_second));
            }
            Measure::LimitInto {
                to,
                protocol,
                packets_per_second,
            } => {
                self.text("limit-into");
                self.ip(*to);
                self.number(i128::from(*protocol));
                self.number(i128::from(*packets_per_second));
            }
            Measure::SynProxy { to, port } => {
                self.text("syn-proxy");
                self.ip(*to);
                self.number(i128::from(*port));
            }
            Measure::DropAnswers { to, from_port } => {
                self.text("drop-answers");
                self.ip(*to);
                self.number(i128::from(*from_port));
            }
            Measure::DenyCommand { from, to, verbs } => {
                self.text("deny-command");
                self.host(*from);
                self.network(*to);
                for verb in Verb::ALL {
                    self.number(i128::from(verbs.has(verb)));
                }
            }
        }
    }
}
