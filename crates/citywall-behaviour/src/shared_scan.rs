//! Scans that many share: each source tries so little that it is no scanner, all together search a network.
//!
//! Owns: who tried what in vain, by port and by host, over a day. Does not own: what is in vain, and a source
//! that searches by itself (`scan`). A broker that is down is tried by many in vain, and is one host; a flood of
//! invented sources reaches one host on one port: what is searched are many hosts, or many ports. What the
//! city's own devices try outside is left out: clouds go away, and pages have dead links.

use std::net::IpAddr;

use citywall_event::{Behaviour, Event, Nanos, Order, Phrase, Technique, say};
use hashbrown::{HashMap, HashSet};

use crate::recent::Recent;
use crate::scan::{Common, Member, name, tried};

/// When a search is shared, and how much is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharedScanLimits {
    /// Length of a window, nanoseconds of packet time.
    pub window: Nanos,
    /// Sources that try in vain.
    pub sources: usize,
    /// Hosts, or ports of one host, tried in vain.
    pub members: usize,
    /// What is counted of one source at most.
    pub of_one: u32,
    /// Ports and hosts that are watched at a time.
    pub searched: usize,
}

impl Default for SharedScanLimits {
    fn default() -> SharedScanLimits {
        SharedScanLimits {
            window: 86_400_000_000_000,
            sources: 12,
            members: 30,
            of_one: 6,
            searched: 512,
        }
    }
}

const EXAMPLES: usize = 4;

/// Finds scans that are shared.
#[derive(Debug)]
pub struct SharedScans {
    limits: SharedScanLimits,
    searched: Recent<Common, Search>,
}

#[derive(Debug, Default)]
struct Search {
    start: Nanos,
    /// How much of each source was counted: bounded by what is needed to tell.
    sources: HashMap<IpAddr, u32>,
    members: HashSet<Member>,
    told: bool,
    examples: Vec<Order>,
}

impl SharedScans {
    /// Has heard nothing.
    pub fn new(limits: SharedScanLimits) -> SharedScans {
        SharedScans {
            limits,
            searched: Recent::new(limits.searched),
        }
    }

    /// Ports and hosts that were forgotten for lack of room.
    pub fn forgotten(&self) -> u64 {
        self.searched.forgotten()
    }

    /// Takes one event; the `Behaviour` is about whoever tried last.
    pub fn observe(&mut self, event: &Event) -> Option<Behaviour> {
        let tried = tried(event).filter(|t| t.failed && !t.outward)?;
        let source = event.subject.src_ip?;
        let mut found = None;
        for (common, member) in tried.views() {
            let search = self.searched.entry(common);
            if event.at.saturating_sub(search.start) > self.limits.window {
                *search = Search {
                    start: event.at,
                    ..Search::default()
                };
            }
            if search.take(source, member, event.order, &self.limits) {
                let seconds = (event.at - search.start) as f64 / 1e9;
                found = found.or(Some(search.told(common, seconds)));
            }
        }
        found
    }
}

impl Search {
    /// True where that makes it a search.
    fn take(&mut self, source: IpAddr, member: Member, order: Order, limits: &SharedScanLimits) -> bool {
        let known = self.sources.contains_key(&source);
        if self.told || (known && self.members.contains(&member)) {
            return false;
        }
        // Both sets end at twice what is needed: one of them may be full long before the other.
        if known || self.sources.len() < 2 * limits.sources {
            let count = self.sources.entry(source).or_default();
            if *count >= limits.of_one {
                return false;
            }
            *count += 1;
        }
        if self.members.len() < 2 * limits.members
            && self.members.insert(member)
            && self.examples.len() < EXAMPLES
        {
            self.examples.push(order);
        }
        self.told = self.sources.len() >= limits.sources && self.members.len() >= limits.members;
        self.told
    }

    fn told(&self, common: Common, seconds: f64) -> Behaviour {
        let hours = format!("{:.1}", seconds / 3_600.0);
        let (sources, members) = (self.sources.len(), self.members.len());
        let (kind, reason): (_, Phrase) = match common {
            Common::Port(protocol, port) => (
                "horizontal_scan",
                say!(
                    "shared-scan-hosts",
                    "{n} sources or more tried {m} hosts or more on {service} in vain within {hours} h, each of them \
                     but a few",
                    n = sources,
                    m = members,
                    service = name(protocol, port),
                    hours = hours
                ),
            ),
            Common::Host(host) => (
                "vertical_scan",
                say!(
                    "shared-scan-ports",
                    "{n} sources or more tried {m} ports or more of {whom} in vain within {hours} h, each of them but \
                     a few",
                    n = sources,
                    m = members,
                    whom = host,
                    hours = hours
                ),
            ),
        };
        Behaviour {
            kind,
            reason,
            score: 0.8,
            features: vec![
                ("sources", sources as f64),
                ("in_vain", members as f64),
                ("seconds", seconds),
            ],
            technique: Some(Technique::NETWORK_SERVICE_DISCOVERY),
            evidence: self.examples.clone(),
        }
    }
}
