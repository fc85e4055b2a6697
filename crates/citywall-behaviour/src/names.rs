//! Names that carry data, and names that a program made up.
//!
//! Owns: what long and unknown names of one asker look like together. Does not own: single names,
//! and whether a domain is known to be bad.
//!
//! A tunnel asks for many different long names below one domain, whose letters are spread as those
//! of coded data are. A program that looks for its master asks for many domains that do not exist,
//! each once, made of letters that nobody chose, or of words that were put together. Who takes his time
//! is found by the names of a day.
//!
//! What three devices or more have asked for since yesterday is a service that says something in names
//! (virus scanners do), no tunnel. How many unknown domains an asker has in an hour is learned: one that
//! asks for others has many.

mod text;

use std::net::IpAddr;

use smallvec::SmallVec;

use citywall_event::{Behaviour, Body, Event, Nanos, Order, Technique, counted, say};

use self::text::{Letters, Names, looks_made_up, split};
use crate::recent::Recent;

pub(crate) use self::text::hash;

/// When names are a tunnel or made up, and how much is remembered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NameLimits {
    /// Length of a window, nanoseconds.
    pub window: Nanos,
    /// Different long names below one domain.
    pub tunnel_names: usize,
    /// Bytes that they carry together.
    pub tunnel_bytes: usize,
    /// Bits a letter, at least.
    pub tunnel_entropy: f64,
    /// Over this time a slow tunnel is one, and a domain that many ask for becomes a service; nanoseconds.
    pub day: Nanos,
    /// Different long names below one domain within a day.
    pub day_names: usize,
    /// Bytes that they carry together.
    pub day_bytes: usize,
    /// Different unknown domains of one asker.
    pub unknown_domains: usize,
    /// Over this time unknown domains made of words are counted, nanoseconds.
    pub hour: Nanos,
    /// Different unknown domains that may be made of words, at least.
    pub word_domains: usize,
    /// How many times the unknown domains of normal hours.
    pub habit: usize,
    /// Askers (and askers with a domain) that are watched.
    pub askers: usize,
}

impl Default for NameLimits {
    fn default() -> NameLimits {
        NameLimits {
            window: 300_000_000_000,
            tunnel_names: 20,
            tunnel_bytes: 800,
            tunnel_entropy: 3.2,
            day: 86_400_000_000_000,
            day_names: 100,
            day_bytes: 3_000,
            unknown_domains: 20,
            hour: 3_600_000_000_000,
            word_domains: 40,
            habit: 4,
            askers: 4_096,
        }
    }
}

const EXAMPLES: usize = 4;

/// Finds tunnels in names, and made-up names.
#[derive(Debug)]
pub struct NameWatch {
    limits: NameLimits,
    tunnels: Recent<(IpAddr, u64), Tunnel>,
    unknown: Recent<IpAddr, Unknown>,
    domains: Recent<u64, Domain>,
    /// The first event: learning begins there.
    since: Option<Nanos>,
}

/// Who asks for long names below a domain.
#[derive(Debug, Default)]
struct Domain {
    first: Nanos,
    /// At most as many as make it a service.
    askers: SmallVec<[IpAddr; 1]>,
}

/// Askers that make a domain a service.
const SERVICE: usize = 3;

#[derive(Debug, Default)]
struct Tunnel {
    start: Nanos,
    names: Names,
    bytes: usize,
    /// How often each letter, digit and the rest came.
    letters: Letters,
    told: bool,
    examples: SmallVec<[Order; 1]>,
    /// The day, the window's names included.
    day: Day,
}

#[derive(Debug, Default)]
struct Day {
    start: Nanos,
    names: Names,
    bytes: usize,
    letters: Letters,
    told: bool,
    examples: SmallVec<[Order; 1]>,
}

#[derive(Debug, Default)]
struct Unknown {
    start: Nanos,
    domains: Names,
    /// Those that look made up.
    odd: usize,
    told: bool,
    examples: SmallVec<[Order; 1]>,
    hour: Hour,
}

/// Unknown domains of an hour, whatever they are made of.
#[derive(Debug, Default)]
struct Hour {
    start: Nanos,
    domains: Names,
    asked: usize,
    /// How many there are under each top-level domain.
    tops: Vec<(u64, usize)>,
    /// Of an hour, at most, while nothing was told.
    habit: usize,
    /// What becomes part of the habit unless the next hour goes on with it.
    pending: usize,
    told: bool,
    examples: SmallVec<[Order; 1]>,
}

/// Top-level domains that are told apart.
const TOPS: usize = 8;

impl NameWatch {
    /// Has heard nothing.
    pub fn new(limits: NameLimits) -> NameWatch {
        NameWatch {
            limits,
            tunnels: Recent::new(limits.askers),
            unknown: Recent::new(limits.askers),
            domains: Recent::new(limits.askers),
            since: None,
        }
    }

    /// Askers that were forgotten for lack of room.
    pub fn forgotten(&self) -> u64 {
        self.tunnels.forgotten() + self.unknown.forgotten() + self.domains.forgotten()
    }

    /// Takes one event; the `Behaviour` is about its `src`.
    pub fn observe(&mut self, event: &Event) -> Option<Behaviour> {
        let Body::Name(asked) = &event.body else {
            return None;
        };
        let asker = event.subject.src_ip?;
        let (carried, domain) = split(&asked.name);
        if asked.unknown && carried.len() < 24 {
            return self.unknown(event, asker, domain);
        }
        self.tunnel(event, asker, carried, domain)
    }

    fn tunnel(&mut self, event: &Event, asker: IpAddr, carried: &str, domain: &str) -> Option<Behaviour> {
        // Reverse look-ups are long by their nature (RFC 3596).
        if domain.ends_with(".arpa") || carried.is_empty() {
            return None;
        }
        let limits = self.limits;
        let key = hash(domain);
        let service = self.domains.entry(key).takes(asker, event.at, &limits);
        let state = self.tunnels.entry((asker, key));
        if event.at.saturating_sub(state.start) > limits.window {
            let mut day = std::mem::take(&mut state.day);
            // Nothing is slow that was told as quick.
            day.told |= state.told;
            if event.at.saturating_sub(day.start) > limits.day {
                day = Day {
                    start: event.at,
                    ..Day::default()
                };
            }
            *state = Tunnel {
                start: event.at,
                day,
                ..Tunnel::default()
            };
        }
        let day_grew = state.day.takes(carried, event.order);
        if !state.names.insert(carried) {
            return None;
        }
        state.bytes += carried.len();
        state.letters.take(carried);
        if state.examples.len() < EXAMPLES {
            state.examples.push(event.order);
        }
        if state.told || service {
            return None;
        }
        let coded = |letters: &Letters| Some(letters.entropy()).filter(|e| *e >= limits.tunnel_entropy);
        if state.names.len() >= limits.tunnel_names && state.bytes >= limits.tunnel_bytes {
            let entropy = coded(&state.letters)?;
            state.told = true;
            let found = (state.names.len(), state.bytes, entropy);
            return Some(tunnelled(
                (asker, domain),
                found,
                event.at - state.start,
                &state.examples,
            ));
        }
        let day = &mut state.day;
        let much = day.names.len() >= limits.day_names && day.bytes >= limits.day_bytes;
        if day.told || !day_grew || !much {
            return None;
        }
        let entropy = coded(&day.letters)?;
        day.told = true;
        let found = (day.names.len(), day.bytes, entropy);
        Some(tunnelled(
            (asker, domain),
            found,
            event.at - day.start,
            &day.examples,
        ))
    }

    fn unknown(&mut self, event: &Event, asker: IpAddr, domain: &str) -> Option<Behaviour> {
        if domain.ends_with(".arpa") || domain.ends_with(".local") {
            return None;
        }
        let limits = self.limits;
        let known = event.at.saturating_sub(*self.since.get_or_insert(event.at)) >= limits.day;
        let state = self.unknown.entry(asker);
        if event.at.saturating_sub(state.start) > limits.window {
            let mut hour = std::mem::take(&mut state.hour);
            // What is told as made of letters is not told again as made of words.
            hour.told |= state.told;
            *state = Unknown {
                start: event.at,
                hour,
                ..Unknown::default()
            };
        }
        let new_in_hour = state.hour.takes(domain, event, &limits);
        if !state.domains.insert(domain) {
            return None;
        }
        state.odd += usize::from(looks_made_up(domain));
        if state.examples.len() < EXAMPLES {
            state.examples.push(event.order);
        }
        // A host that lost its name server asks for much that does not exist, but for words.
        let mostly = state.odd * 3 >= state.domains.len() * 2;
        if state.told || state.domains.len() < limits.unknown_domains || !mostly {
            let by_words = known && new_in_hour && !state.told;
            return by_words
                .then(|| state.hour.judge(asker, event.at, &limits))
                .flatten();
        }
        state.told = true;
        let seconds = (event.at - state.start) as f64 / 1e9;
        let share = state.odd as f64 / state.domains.len() as f64;
        Some(Behaviour {
            kind: "generated_names",
            reason: say!(
                "made-up-names",
                "{who} asked for {n} that do not exist within {seconds} s, {odd} of them made of letters that \
                 nobody chooses",
                who = asker,
                n = counted(state.domains.len(), "domain", "domains"),
                seconds = format!("{seconds:.0}"),
                odd = state.odd
            ),
            score: share,
            features: vec![
                ("domains", state.domains.len() as f64),
                ("odd", state.odd as f64),
                ("seconds", seconds),
            ],
            technique: Some(Technique::DOMAIN_GENERATION),
            evidence: state.examples.to_vec(),
        })
    }
}

impl Domain {
    /// Notes an asker; true where it is a service by now.
    fn takes(&mut self, asker: IpAddr, at: Nanos, limits: &NameLimits) -> bool {
        if self.askers.is_empty() {
            self.first = at;
        }
        if self.askers.len() < SERVICE && !self.askers.contains(&asker) {
            self.askers.push(asker);
        }
        self.askers.len() >= SERVICE && at.saturating_sub(self.first) >= limits.day
    }
}

impl Day {
    /// Notes a name; true where it is new.
    fn takes(&mut self, carried: &str, order: Order) -> bool {
        let new = self.names.insert(carried);
        if new {
            self.bytes += carried.len();
            self.letters.take(carried);
            if self.examples.len() < EXAMPLES {
                self.examples.push(order);
            }
        }
        new
    }
}

impl Hour {
    /// Notes an unknown domain; true where it is new.
    fn takes(&mut self, domain: &str, event: &Event, limits: &NameLimits) -> bool {
        if event.at.saturating_sub(self.start) > limits.hour {
            let seen = if self.told { 0 } else { self.domains.len() };
            let mut habit = self.habit.max(self.pending);
            if event.at.saturating_sub(self.start) > limits.hour.saturating_mul(2) {
                habit = habit.max(seen);
            }
            *self = Hour {
                start: event.at,
                habit,
                pending: seen,
                ..Hour::default()
            };
        }
        self.asked += 1;
        if !self.domains.insert(domain) {
            return false;
        }
        if self.examples.len() < EXAMPLES {
            self.examples.push(event.order);
        }
        let top = hash(domain.rsplit('.').next().unwrap_or(""));
        match self.tops.iter().position(|(t, _)| *t == top) {
            Some(place) => self.tops[place].1 += 1,
            None if self.tops.len() < TOPS => self.tops.push((top, 1)),
            None => {}
        }
        true
    }

    /// Who lost its name server asks for the same again, and mostly under one top-level domain; a program asks
    /// for each once (for IPv4 and IPv6), under several.
    fn judge(&mut self, asker: IpAddr, at: Nanos, limits: &NameLimits) -> Option<Behaviour> {
        let n = self.domains.len();
        let least = limits.word_domains.max(self.habit.saturating_mul(limits.habit));
        let most = self.tops.iter().map(|(_, count)| *count).max().unwrap_or(n);
        let once = self.asked * 2 <= n * 5;
        let spread = self.tops.len() >= 3 && most * 3 <= n * 2;
        if self.told || n < least || !once || !spread {
            return None;
        }
        self.told = true;
        let seconds = at.saturating_sub(self.start) as f64 / 1e9;
        Some(Behaviour {
            kind: "generated_names",
            reason: say!(
                "many-unknown-names",
                "{who} asked for {n} that do not exist within {seconds} s, each once and under {tops}; \
                 at most {habit} in an hour before",
                who = asker,
                n = counted(n, "domain", "domains"),
                seconds = format!("{seconds:.0}"),
                tops = counted(self.tops.len(), "top-level domain", "top-level domains"),
                habit = self.habit
            ),
            score: 0.65,
            features: vec![
                ("domains", n as f64),
                ("asked", self.asked as f64),
                ("top_domains", self.tops.len() as f64),
                ("habit", self.habit as f64),
                ("seconds", seconds),
            ],
            technique: Some(Technique::DOMAIN_GENERATION),
            evidence: self.examples.to_vec(),
        })
    }
}

/// A tunnel of an asker below a domain: how many names, how many bytes, bits a letter.
fn tunnelled(
    (asker, domain): (IpAddr, &str),
    (names, bytes, entropy): (usize, usize, f64),
    lasted: Nanos,
    examples: &[Order],
) -> Behaviour {
    let seconds = lasted as f64 / 1e9;
    Behaviour {
        kind: "dns_tunnel",
        reason: say!(
            "tunnelled",
            "{who} asked for {n} below {domain} within {seconds} s: they carry {bytes} of \
             what looks like coded data",
            who = asker,
            n = counted(names, "different long name", "different long names"),
            domain = domain,
            seconds = format!("{seconds:.0}"),
            bytes = counted(bytes, "byte", "bytes")
        ),
        score: ((entropy - 2.5) / 2.0).clamp(0.5, 1.0),
        features: vec![
            ("names", names as f64),
            ("bytes", bytes as f64),
            ("bits_per_letter", entropy),
            ("seconds", seconds),
        ],
        technique: Some(Technique::DNS_COMMAND_CHANNEL),
        evidence: examples.to_vec(),
    }
}
