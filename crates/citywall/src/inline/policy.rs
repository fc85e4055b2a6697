//! What the parser decides by: the city, and what is denied for a while.
//!
//! Owns: whether a command or a conversation is refused, and how that is to be answered. Does not
//! own: the questions' answers themselves (`citywall_event::Context`), and how a denial comes about.

use std::net::IpAddr;
use std::sync::Arc;

use citywall_event::{Command, Context, Nanos, Place, Prefix, Service, VerbSet, Violation, ViolationKind};
use citywall_policy::{City, Denied};
use citywall_response::Host;
use citywall_rules::RuleBook;

/// Denials that are held at once; the enforcer's gate allows far fewer.
pub const DENIALS: usize = 1_024;

/// Commands that are denied for a while (`Measure::DenyCommand`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The action's id.
    pub id: String,
    /// Who commands.
    pub from: Host,
    /// Whom.
    pub to: Prefix,
    /// Which verbs.
    pub verbs: VerbSet,
    /// Until when, packet time.
    pub until: Nanos,
}

/// Why something is refused.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// In plain words.
    pub reason: String,
    /// The same command to another point would pass.
    pub point_only: bool,
}

/// One end of a conversation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Party {
    /// Where it belongs.
    pub place: Place,
    /// Its address.
    pub ip: IpAddr,
    /// Its hardware address, where its own link was seen.
    pub mac: Option<[u8; 6]>,
}

/// What is decided by.
#[derive(Default)]
pub struct Policy {
    /// The city; empty = none is known, and it refuses nothing.
    pub context: Context,
    /// Rules that drop or reject.
    pub rules: Option<Arc<RuleBook>>,
    /// By `ZoneId`.
    answers: Vec<Denied>,
    denials: Vec<Denial>,
}

impl Policy {
    /// The policy of a city.
    pub fn new(city: &City, rules: Option<Arc<RuleBook>>) -> Policy {
        let (ruleset, context) = city.compile();
        let word = |name: &str| ruleset.zones.iter().find(|z| z.name == name).map(|z| z.denied);
        let answers = context
            .zones()
            .iter()
            .map(|zone| word(&zone.name).unwrap_or_default())
            .collect();
        Policy {
            context,
            rules,
            answers,
            denials: Vec::new(),
        }
    }

    /// Rules alone: no city is known.
    pub fn of_rules(rules: Option<Arc<RuleBook>>) -> Policy {
        Policy {
            rules,
            ..Policy::default()
        }
    }

    /// Takes the denials of an earlier policy over.
    pub fn inherit(&mut self, earlier: Policy) {
        self.denials = earlier.denials;
    }

    /// Begins to deny, or prolongs; false where there are too many.
    pub fn deny(&mut self, denial: Denial, now: Nanos) -> bool {
        self.denials.retain(|d| d.until > now && d.id != denial.id);
        let room = self.denials.len() < DENIALS;
        if room {
            self.denials.push(denial);
        }
        room
    }

    /// Ends a denial.
    pub fn allow(&mut self, id: &str) {
        self.denials.retain(|d| d.id != id);
    }

    /// How a refusal to a device at this place is answered.
    pub fn answer(&self, to: Place) -> Denied {
        let zone = to.zone.and_then(|zone| self.answers.get(usize::from(zone)));
        zone.copied().unwrap_or_default()
    }

    fn denied(&self, from: &Party, to: &Party, now: Nanos) -> impl Iterator<Item = &Denial> {
        let (from_ip, from_mac, to_ip) = (from.ip, from.mac, to.ip);
        self.denials.iter().filter(move |d| {
            let who = match d.from {
                Host::Ip(ip) => ip == from_ip,
                Host::Mac(mac) => Some(mac) == from_mac,
            };
            who && d.to.contains(to_ip) && d.until > now
        })
    }

    /// Is this command refused?
    pub fn refuses(
        &self,
        from: &Party,
        to: &Party,
        service: &Service<'_>,
        command: &Command,
        now: Nanos,
    ) -> Option<Refusal> {
        if let Some(denial) = self.denied(from, to, now).find(|d| d.verbs.has(command.verb)) {
            return Some(Refusal {
                reason: format!("action {} denies it: {}", denial.id, command.sentence()),
                point_only: false,
            });
        }
        let (a, b) = ((from.place, Some(from.ip)), (to.place, Some(to.ip)));
        let violation = self
            .context
            .judge_command_on(a, b, Some(service), command)
            .err()?;
        Some(Refusal {
            point_only: violation.kind == ViolationKind::Command
                && self
                    .context
                    .allows_elsewhere(from.place, to.place, service, command),
            reason: violation.reason.to_string(),
        })
    }

    /// Is this conversation refused, now that its protocol is known?
    pub fn refuses_contact(&self, from: &Party, to: &Party, service: &Service<'_>) -> Option<Refusal> {
        let (a, b) = ((from.place, Some(from.ip)), (to.place, Some(to.ip)));
        let Violation { reason, .. } = self.context.judge_contact(a, b, service).err()?;
        Some(Refusal {
            reason: reason.to_string(),
            point_only: false,
        })
    }

    /// True where commands between the two are looked at: a grant names commands, or some are denied.
    pub fn looks_at_commands(&self, from: &Party, to: &Party, service: &Service<'_>, now: Nanos) -> bool {
        self.denied(from, to, now).next().is_some()
            || self.context.names_commands(from.place, to.place, service)
    }
}
