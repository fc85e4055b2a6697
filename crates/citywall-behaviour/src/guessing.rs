//! The guessing of passwords: many failed logins of one source.
//!
//! Owns: the count of failures in a window, and whether one succeeded after them; for SSH, which hides
//! its logins, the count of short sessions. Does not own: what a login looks like in a protocol, and who takes a day for it
//! (`slow_guessing`).

use std::net::IpAddr;

use citywall_event::{
    Behaviour, Body, Event, FlowSummary, Login, Nanos, Order, Phrase, Technique, counted, say,
};
use hashbrown::HashSet;

use crate::recent::Recent;

/// When guessing is guessing, and how much is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuessingLimits {
    /// Length of a window, nanoseconds of packet time.
    pub window: Nanos,
    /// Failed logins.
    pub failures: u64,
    /// Failed logins before a success that are no slip of the finger.
    pub before_success: u64,
    /// Short SSH sessions with one host.
    pub sessions: u32,
    /// Sources that are watched at a time.
    pub sources: usize,
    /// Hosts of one source that are told apart.
    pub hosts: usize,
}

impl Default for GuessingLimits {
    fn default() -> GuessingLimits {
        GuessingLimits {
            window: 300_000_000_000,
            failures: 6,
            before_success: 4,
            sessions: 20,
            sources: 8_192,
            hosts: 256,
        }
    }
}

const EXAMPLES: usize = 4;

/// Packets of a client in an SSH session that is over after its logins failed, or after one command.
pub(crate) const SHORT: u64 = 60;

/// True where a session is as short as that of somebody who did not get in.
pub(crate) fn is_short(flow: &FlowSummary) -> bool {
    flow.packets[0] < SHORT
}

/// Finds those who guess.
#[derive(Debug)]
pub struct PasswordGuessing {
    limits: GuessingLimits,
    sources: Recent<IpAddr, Tries>,
    sessions: Recent<(IpAddr, IpAddr), Sessions>,
}

/// Short SSH sessions of a pair.
#[derive(Debug, Default)]
struct Sessions {
    start: Nanos,
    count: u32,
    told: bool,
    examples: Vec<Order>,
}

#[derive(Debug, Default)]
struct Tries {
    start: Nanos,
    failures: u64,
    hosts: HashSet<IpAddr>,
    /// Failures at the last report.
    told: u64,
    examples: Vec<Order>,
}

impl PasswordGuessing {
    /// A detector that has seen nothing.
    pub fn new(limits: GuessingLimits) -> PasswordGuessing {
        PasswordGuessing {
            limits,
            sources: Recent::new(limits.sources),
            sessions: Recent::new(limits.sources),
        }
    }

    /// Takes one event; the `Behaviour` is about its `src`: `password_guessing`, once per source
    /// and window and again when it has grown tenfold, and `password_guessed` for a success after
    /// failures.
    pub fn observe(&mut self, event: &Event) -> Option<Behaviour> {
        if let Body::Flow(flow) = &event.body {
            return self.session(event, flow);
        }
        let Body::Login(login) = &event.body else {
            return None;
        };
        let source = event.subject.src_ip?;
        let target = event.subject.dst_ip?;
        let tries = match login.success {
            Some(false) => self.sources.entry(source),
            Some(true) => self.sources.get(source)?,
            None => return None,
        };
        if tries.failures == 0 || event.at.saturating_sub(tries.start) > self.limits.window {
            *tries = Tries {
                start: event.at,
                ..Tries::default()
            };
        }
        if tries.examples.len() < EXAMPLES {
            tries.examples.push(event.order);
        }
        let at = event.at;
        if login.success == Some(true) {
            let guessed = tries.failures >= self.limits.before_success && tries.hosts.contains(&target);
            let report = guessed.then(|| {
                let reason = say!(
                    "guessed",
                    "{who} logged into {whom} by {protocol} after {n}",
                    who = source,
                    whom = target,
                    protocol = login.protocol,
                    n = counted(tries.failures, "failed attempt", "failed attempts")
                );
                tries.report("password_guessed", reason, at, 0.9, event.order)
            });
            *tries = Tries::default();
            return report;
        }
        tries.failures += 1;
        if tries.hosts.len() < self.limits.hosts {
            tries.hosts.insert(target);
        }
        let enough = tries.failures >= self.limits.failures.max(1);
        let grown = tries.told == 0 || tries.failures >= tries.told.saturating_mul(10);
        if !enough || !grown {
            return None;
        }
        tries.told = tries.failures;
        Some(tries.guessing(source, login, at, event.order))
    }

    fn session(&mut self, event: &Event, flow: &FlowSummary) -> Option<Behaviour> {
        let short = event.app_proto == Some("ssh") && flow.established && is_short(flow);
        let (source, target) = (event.subject.src_ip?, event.subject.dst_ip?);
        if !short {
            return None;
        }
        let pair = self.sessions.entry((source, target));
        if event.at.saturating_sub(pair.start) > self.limits.window {
            *pair = Sessions {
                start: event.at,
                ..Sessions::default()
            };
        }
        pair.count = pair.count.saturating_add(1);
        if pair.examples.len() < EXAMPLES {
            pair.examples.push(event.order);
        }
        if pair.told || pair.count < self.limits.sessions.max(1) {
            return None;
        }
        pair.told = true;
        let seconds = event.at.saturating_sub(pair.start) as f64 / 1e9;
        Some(Behaviour {
            kind: "password_guessing",
            reason: say!(
                "short-sessions",
                "{who} opened {n} with {whom} within {seconds} s: what is tried in them cannot be \
                 seen, but a person does not log in so often",
                who = source,
                n = counted(pair.count, "short SSH session", "short SSH sessions"),
                whom = target,
                seconds = format!("{seconds:.0}")
            ),
            score: 0.8,
            features: vec![("sessions", f64::from(pair.count)), ("seconds", seconds)],
            technique: Some(Technique::BRUTE_FORCE),
            evidence: pair.examples.clone(),
        })
    }

    /// Sources that were forgotten for lack of room.
    pub fn forgotten(&self) -> u64 {
        self.sources.forgotten() + self.sessions.forgotten()
    }
}

impl Tries {
    fn guessing(&self, source: IpAddr, login: &Login, at: Nanos, last: Order) -> Behaviour {
        let hosts = match self.hosts.len() {
            1 => say!("one-host", "one host"),
            many => say!("many-hosts", "{n}", n = counted(many, "host", "hosts")),
        };
        let reason = say!(
            "guesses",
            "{who} failed to log in {n} by {protocol} on {hosts}",
            who = source,
            n = counted(self.failures, "time", "times"),
            protocol = login.protocol,
            hosts = hosts
        );
        let score = 1.0 - 2.0 / self.failures.max(4) as f64;
        self.report("password_guessing", reason, at, score, last)
    }

    fn report(&self, kind: &'static str, reason: Phrase, at: Nanos, score: f64, last: Order) -> Behaviour {
        let mut evidence = self.examples.clone();
        if evidence.last() != Some(&last) {
            evidence.push(last);
        }
        Behaviour {
            kind,
            reason,
            score,
            features: vec![
                ("failures", self.failures as f64),
                ("hosts", self.hosts.len() as f64),
                ("seconds", at.saturating_sub(self.start) as f64 / 1e9),
            ],
            technique: Some(Technique::BRUTE_FORCE),
            evidence,
        }
    }
}
