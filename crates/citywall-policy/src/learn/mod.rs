//! From observed traffic to a proposal: the least set of conduits that allows it, for a person to sign.
//!
//! Owns: what is remembered of traffic, and what is proposed. Traffic is not trusted to be benign: what
//! was seen once, what one device alone did, what comes from outside, and what a suspect of an incident began
//! is told as doubtful and not proposed. Does not own: reading captures and logs, and signing.

mod group;
mod infer;
mod listener;
mod text;

use std::collections::BTreeMap;
use std::net::IpAddr;

use citywall_event::{Command, Mac, Nanos, Phrase, Service, ZoneId};
use hashbrown::HashSet;

use crate::city::City;

pub use listener::Listener;

/// Different conversations that are remembered; more are counted.
const CONVERSATIONS: usize = 262_144;
/// Different commands of one conversation that are remembered.
const COMMANDS: usize = 1_024;
/// Suspects that are remembered; a city with more has other worries than its policy.
const SUSPECTS: usize = 4_096;

/// A party of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Who {
    /// Its address.
    pub ip: IpAddr,
    /// Its hardware address, where it is its own.
    pub mac: Option<Mac>,
}

/// How often, and when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Times.
    pub times: u64,
    /// First.
    pub first: Nanos,
    /// Last.
    pub last: Nanos,
}

impl Seen {
    fn add(&mut self, at: Nanos, times: u64) {
        if self.times == 0 {
            (self.first, self.last) = (at, at);
        }
        self.times = self.times.saturating_add(times);
        self.first = self.first.min(at);
        self.last = self.last.max(at);
    }

    fn join(&mut self, other: &Seen) {
        if other.times > 0 {
            self.add(other.first, other.times);
            self.last = self.last.max(other.last);
        }
    }
}

/// Who began with whom, and on what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Talk {
    pub from: Who,
    pub to: Who,
    /// IP protocol, the responder's port or the ICMP type.
    pub protocol: u8,
    pub port: Option<u16>,
}

/// What one conversation carried.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard {
    pub seen: Seen,
    pub answered: u64,
    pub app: Option<String>,
    /// Function, verb, unit, point and count are what makes a command another one.
    pub commands: Vec<(Command, Seen)>,
    /// Commands that found no room.
    pub untold: u64,
}

/// What is doubted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// Seen at most this often, it is doubtful.
    pub once: u64,
    /// Done by a single device of a zone with at least `peers` others, and at most this often.
    pub lone: u64,
    /// See `lone`.
    pub peers: usize,
}

impl Default for Doubt {
    fn default() -> Doubt {
        Doubt {
            once: 1,
            lone: 20,
            peers: 2,
        }
    }
}

/// Remembers traffic.
#[derive(Debug, Default)]
pub struct Learner {
    pub(crate) talks: BTreeMap<Talk, Heard>,
    pub(crate) suspects: HashSet<IpAddr>,
    /// Conversations that found no room.
    untold: u64,
}

/// Something that is proposed, or doubted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Names of who begins.
    pub from: Vec<String>,
    /// Names of whom it is with.
    pub to: Vec<String>,
    /// Entries of `allow`.
    pub allow: Vec<String>,
    /// How many devices began, and with how many.
    pub devices: (usize, usize),
    /// Conversations; commands, where these change something.
    pub seen: Seen,
    /// Its commands change something.
    pub changes: bool,
    /// Of something doubtful: why. Of a proposal: what a person should look at; may be empty.
    pub note: Phrase,
    /// The zones of who begins, and of whom it is with; `None`: outside.
    pub zones: [Option<ZoneId>; 2],
}

/// A proposal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proposal {
    /// Conduits.
    pub conduits: Vec<Told>,
    /// What is not proposed.
    pub doubtful: Vec<Told>,
    /// Zones that were made up, where there was no city file: name, network, and hints.
    pub zones: Vec<(String, String, String)>,
    /// Devices that need a name: name and address.
    pub assets: Vec<(String, String)>,
    /// Pairs of devices and services that the city file allows already.
    pub allowed: u64,
    /// Conversations in which nobody answered: nothing is proposed for them.
    pub unanswered: u64,
    /// What found no room.
    pub untold: u64,
    /// The proposal as a city file, or as a fragment to add to one.
    pub toml: String,
    /// Every name that was made up, also for what is doubtful.
    named: Vec<Named>,
}

/// A device that got a name, as it had none.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Named {
    name: String,
    address: String,
    /// It lies in no zone's network.
    outside: bool,
}

impl Proposal {
    /// What a person took of it, doubtful or not, with the devices that it names; its text is that alone.
    /// `city` is the one that it was proposed for.
    pub fn chosen(&self, city: Option<&City>, take: impl Fn(&Told) -> bool) -> Proposal {
        let all = self.conduits.iter().chain(&self.doubtful);
        let mut chosen = Proposal {
            conduits: all.filter(|told| take(told)).cloned().collect(),
            zones: self.zones.clone(),
            named: self.named.clone(),
            ..Proposal::default()
        };
        chosen.settle();
        let made = infer::empty();
        let zones = city.is_none().then_some(&self.zones[..]);
        chosen.toml = text::toml(&chosen, city.unwrap_or(&made), zones, text::CHOSEN);
        chosen
    }

    /// Only devices that a conduit names need the name.
    fn settle(&mut self) {
        let used: HashSet<&String> = self
            .conduits
            .iter()
            .flat_map(|t| t.from.iter().chain(&t.to))
            .collect();
        let named = self.named.iter().filter(|named| used.contains(&named.name));
        self.assets = named.map(|n| (n.name.clone(), n.address.clone())).collect();
    }

    fn is_outside(&self, address: &str) -> bool {
        self.named.iter().any(|n| n.address == address && n.outside)
    }
}

impl Learner {
    /// Hears of somebody who is suspected in an incident: what an attacker does often looks like work.
    pub fn suspect(&mut self, ip: IpAddr) {
        if self.suspects.len() < SUSPECTS {
            self.suspects.insert(ip.to_canonical());
        }
    }

    /// Hears of a conversation that is over: the responder answered, or it did not.
    pub fn conversation(
        &mut self,
        from: Who,
        to: Who,
        service: &Service<'_>,
        span: (Nanos, Nanos),
        answered: bool,
    ) {
        let talk = Talk {
            from,
            to,
            protocol: service.protocol,
            port: service.port,
        };
        if self.talks.len() >= CONVERSATIONS && !self.talks.contains_key(&talk) {
            self.untold += 1;
            return;
        }
        let heard = self.talks.entry(talk).or_default();
        heard.seen.add(span.0, 1);
        heard.seen.last = heard.seen.last.max(span.1);
        heard.answered += u64::from(answered);
        if heard.app.is_none() {
            heard.app = service.app_proto.map(str::to_owned);
        }
    }

    /// Hears of a command in a conversation that `from` began (or, of a publication, was told in).
    pub fn command(&mut self, from: Who, to: Who, service: &Service<'_>, command: &Command, at: Nanos) {
        let talk = Talk {
            from,
            to,
            protocol: service.protocol,
            port: service.port,
        };
        if self.talks.len() >= CONVERSATIONS && !self.talks.contains_key(&talk) {
            self.untold += 1;
            return;
        }
        let heard = self.talks.entry(talk).or_default();
        heard.app = Some(command.protocol.to_owned());
        let same = |known: &Command| {
            known.function == command.function
                && known.verb == command.verb
                && known.unit == command.unit
                && known.point == command.point
                && known.count == command.count
        };
        if let Some((_, seen)) = heard.commands.iter_mut().find(|(known, _)| same(known)) {
            seen.add(at, 1);
        } else if heard.commands.len() < COMMANDS {
            let mut seen = Seen::default();
            seen.add(at, 1);
            let plain = Command {
                value: None,
                technique: None,
                ..command.clone()
            };
            heard.commands.push((plain, seen));
        } else {
            heard.untold += 1;
        }
    }

    /// The proposal. With a city, what it allows already is left out; without one, zones are
    /// proposed too.
    pub fn propose(&self, city: Option<&City>, doubt: Doubt) -> Proposal {
        let made;
        let (city, zones) = match city {
            Some(city) => (city, None),
            None => {
                let (city, zones) = infer::city(self);
                made = city;
                (&made, Some(zones))
            }
        };
        let mut proposal = group::propose(self, city, doubt);
        proposal.untold += self.untold;
        proposal.toml = text::toml(&proposal, city, zones.as_deref(), text::PROPOSED);
        proposal.zones = zones.unwrap_or_default();
        proposal
    }
}
