//! Guessing that takes its time: a try every few minutes, for most of a day.
//!
//! Owns: the failed logins of a source over a day, and its short SSH sessions where it did not have them before.
//! Does not own: guessing within minutes (`guessing`). A device that was never told the new password tries the
//! old one at equal times, on one host; a job that copies files by SSH does it each day as often; a person who
//! mistypes succeeds in the end, and what failed on that host before is forgotten then.

use std::net::IpAddr;

use citywall_event::{Behaviour, Body, Event, FlowSummary, Nanos, Order, Phrase, Technique, say};
use hashbrown::HashMap;

use crate::guessing::SHORT;
use crate::recent::Recent;

/// When slow guessing is guessing, and how much is remembered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SlowGuessingLimits {
    /// Length of a window, nanoseconds of packet time.
    pub window: Nanos,
    /// Failed logins, or short sessions, within it.
    pub tries: u32,
    /// Short sessions with one host before they count.
    pub sessions: u32,
    /// Tries that are closer than this are one visit, nanoseconds.
    pub visit: Nanos,
    /// Spread of the times between visits (median absolute deviation over median) below which a machine retries.
    pub spread: f64,
    /// Sources that are watched at a time.
    pub sources: usize,
    /// Hosts of one source that are told apart.
    pub hosts: usize,
}

impl Default for SlowGuessingLimits {
    fn default() -> SlowGuessingLimits {
        SlowGuessingLimits {
            window: 86_400_000_000_000,
            tries: 20,
            sessions: 5,
            visit: 30_000_000_000,
            spread: 0.05,
            sources: 4_096,
            hosts: 32,
        }
    }
}

const EXAMPLES: usize = 4;

/// Times between visits that are kept.
const KEPT: usize = 16;

/// Finds those who guess slowly.
#[derive(Debug)]
pub struct SlowGuessing {
    limits: SlowGuessingLimits,
    logins: Recent<IpAddr, Tries>,
    sessions: Recent<IpAddr, Tries>,
}

/// What one source tried.
#[derive(Debug, Default)]
struct Tries {
    start: Nanos,
    last: Nanos,
    gaps: Vec<Nanos>,
    hosts: HashMap<IpAddr, Count>,
    told: bool,
    examples: Vec<Order>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    now: u32,
    /// The most of earlier windows.
    most: u32,
}

impl SlowGuessing {
    /// A detector that has seen nothing.
    pub fn new(limits: SlowGuessingLimits) -> SlowGuessing {
        SlowGuessing {
            limits,
            logins: Recent::new(limits.sources),
            sessions: Recent::new(limits.sources),
        }
    }

    /// Sources that were forgotten for lack of room.
    pub fn forgotten(&self) -> u64 {
        self.logins.forgotten() + self.sessions.forgotten()
    }

    /// Takes one event; the `Behaviour`, `password_guessing`, is about its `src`, once a window.
    pub fn observe(&mut self, event: &Event) -> Option<Behaviour> {
        let limits = self.limits;
        let (source, target) = (event.subject.src_ip?, event.subject.dst_ip?);
        match &event.body {
            Body::Login(login) if login.success == Some(false) => {
                let tries = self.logins.entry(source);
                tries.take(target, event, &limits);
                let count = tries.sum(0);
                if !tries.is_guessing(count, &limits) {
                    return None;
                }
                let reason = say!(
                    "guesses-slowly",
                    "{who} failed to log in {n} times within {hours} h, by {protocol} and on {hosts}, never many at a \
                     time, and not at equal times as a device with an old password does",
                    who = source,
                    n = count,
                    hours = tries.hours(event.at),
                    protocol = login.protocol,
                    hosts = tries.hosts_told(0)
                );
                Some(tries.report(reason, count, event.at))
            }
            Body::Login(login) if login.success == Some(true) => {
                self.logins.get(source)?.hosts.remove(&target);
                None
            }
            Body::Flow(flow) if is_short(event, flow) => {
                let tries = self.sessions.entry(source);
                tries.take(target, event, &limits);
                let count = tries.sum(limits.sessions);
                if !tries.is_guessing(count, &limits) {
                    return None;
                }
                let reason = say!(
                    "short-sessions-slowly",
                    "{who} opened {n} short SSH sessions within {hours} h, with {hosts} with which it had far fewer \
                     before: what is tried in them cannot be seen",
                    who = source,
                    n = count,
                    hours = tries.hours(event.at),
                    hosts = tries.hosts_told(limits.sessions)
                );
                Some(tries.report(reason, count, event.at))
            }
            _ => None,
        }
    }
}

/// An SSH session that is over after its logins failed, or after one command.
fn is_short(event: &Event, flow: &FlowSummary) -> bool {
    event.app_proto == Some("ssh") && flow.established && flow.packets[0] < SHORT
}

impl Tries {
    fn take(&mut self, target: IpAddr, event: &Event, limits: &SlowGuessingLimits) {
        if self.start == 0 || event.at.saturating_sub(self.start) > limits.window {
            self.start = event.at;
            self.told = false;
            self.examples.clear();
            for count in self.hosts.values_mut() {
                count.most = count.most.max(count.now);
                count.now = 0;
            }
        }
        let gap = event.at.saturating_sub(self.last);
        if self.last > 0 && gap >= limits.visit {
            if self.gaps.len() >= KEPT {
                self.gaps.remove(0);
            }
            self.gaps.push(gap);
        }
        self.last = event.at;
        if self.hosts.len() >= limits.hosts && !self.hosts.contains_key(&target) {
            return;
        }
        let count = self.hosts.entry(target).or_default();
        count.now = count.now.saturating_add(1);
        if self.examples.len() < EXAMPLES {
            self.examples.push(event.order);
        }
    }

    /// Hosts that were tried at least so often in this window, and at least twice as often as in any before.
    fn out_of_habit(&self, least: u32) -> impl Iterator<Item = u32> {
        let counts = self.hosts.values();
        counts
            .filter(move |count| count.now >= least.max(1) && count.now / 2 >= count.most)
            .map(|count| count.now)
    }

    fn sum(&self, least: u32) -> u32 {
        self.out_of_habit(least).fold(0, u32::saturating_add)
    }

    fn is_guessing(&self, count: u32, limits: &SlowGuessingLimits) -> bool {
        if self.told || count < limits.tries {
            return false;
        }
        let several = self.hosts.values().filter(|count| count.now > 0).count() > 1;
        several || self.spread() > limits.spread
    }

    /// Of the times between visits; infinite where there are too few to say.
    fn spread(&self) -> f64 {
        let median = median(self.gaps.clone());
        if self.gaps.len() < KEPT / 2 || median == 0 {
            return f64::INFINITY;
        }
        let off = self.gaps.iter().map(|gap| (gap - median).abs()).collect();
        self::median(off) as f64 / median as f64
    }

    fn hours(&self, at: Nanos) -> String {
        format!("{:.1}", at.saturating_sub(self.start) as f64 / 3.6e12)
    }

    fn hosts_told(&self, least: u32) -> Phrase {
        match self.out_of_habit(least).count() {
            1 => say!("one-host", "one host"),
            many => say!("many-hosts", "{n} hosts", n = many),
        }
    }

    fn report(&mut self, reason: Phrase, count: u32, at: Nanos) -> Behaviour {
        self.told = true;
        Behaviour {
            kind: "password_guessing",
            reason,
            score: 0.7,
            features: vec![
                ("failures", f64::from(count)),
                ("hosts", self.hosts.len() as f64),
                ("seconds", at.saturating_sub(self.start) as f64 / 1e9),
            ],
            technique: Some(Technique::BRUTE_FORCE),
            evidence: self.examples.clone(),
        }
    }
}

fn median(mut values: Vec<Nanos>) -> Nanos {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}
