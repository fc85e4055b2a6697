//! Names that carry data, and names that a program made up.
//!
//! Owns: what long and unknown names of one asker look like together. Does not own: single names,
//! and whether a domain is known to be bad.
//!
//! A tunnel asks for many different long names below one domain, whose letters are spread as those
//! of coded data are. A program that looks for its master asks for many domains that do not exist,
//! each once, made of letters that nobody chose; or of words, then it is their number over a day that nobody
//! reaches by mistyping. Who takes his time is found over a day, too. Below a domain that several devices ask for
//! such names there is a service (a check of files by their hashes, say): it takes far more to be a tunnel.

use std::net::IpAddr;

use citywall_event::{Behaviour, Body, Event, Nanos, Order, Technique, say};

use crate::recent::Recent;

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
    /// Over this time a slow tunnel is one, nanoseconds.
    pub slow_window: Nanos,
    /// A slow tunnel needs this many times as many names and bytes.
    pub slow_factor: usize,
    /// Askers of such names from which on a domain is a service, and how many times as many names it then takes.
    pub service: (usize, usize),
    /// Different unknown domains of one asker.
    pub unknown_domains: usize,
    /// The same over `slow_window`, whatever they look like.
    pub unknown_slowly: usize,
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
            slow_window: 86_400_000_000_000,
            slow_factor: 4,
            service: (3, 10),
            unknown_domains: 20,
            unknown_slowly: 60,
            askers: 4_096,
        }
    }
}

/// Names that are told apart in one window.
const NAMES: usize = 256;
const EXAMPLES: usize = 4;

/// Finds tunnels in names, and made-up names.
#[derive(Debug)]
pub struct NameWatch {
    limits: NameLimits,
    tunnels: Recent<(IpAddr, u64), Tunnel>,
    slow_tunnels: Recent<(IpAddr, u64), Tunnel>,
    /// Who asks for long names, by domain.
    askers: Recent<u64, Askers>,
    unknown: Recent<IpAddr, Unknown>,
    unknown_slowly: Recent<IpAddr, Unknown>,
}

/// Those that ask, no more than it takes to be a service.
#[derive(Debug, Default)]
struct Askers(Vec<IpAddr>);

#[derive(Debug, Default)]
struct Tunnel {
    start: Nanos,
    names: Names,
    bytes: usize,
    /// How often each letter, digit and the rest came.
    letters: Letters,
    told: bool,
    examples: Vec<Order>,
}

#[derive(Debug, Default)]
struct Unknown {
    start: Nanos,
    domains: Names,
    /// Those that look made up.
    odd: usize,
    told: bool,
    examples: Vec<Order>,
}

impl NameWatch {
    /// Has heard nothing.
    pub fn new(limits: NameLimits) -> NameWatch {
        NameWatch {
            limits,
            tunnels: Recent::new(limits.askers),
            slow_tunnels: Recent::new(limits.askers),
            askers: Recent::new(limits.askers),
            unknown: Recent::new(limits.askers),
            unknown_slowly: Recent::new(limits.askers),
        }
    }

    /// Askers that were forgotten for lack of room.
    pub fn forgotten(&self) -> u64 {
        let tunnels = self.tunnels.forgotten() + self.slow_tunnels.forgotten() + self.askers.forgotten();
        tunnels + self.unknown.forgotten() + self.unknown_slowly.forgotten()
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
        let key = (asker, hash(domain));
        let (few, many) = limits.service;
        let askers = &mut self.askers.entry(key.1).0;
        if askers.len() < few && !askers.contains(&asker) {
            askers.push(asker);
        }
        let factor = if askers.len() >= few { many } else { 1 };
        let quick = self.tunnels.entry(key);
        let quickly = quick.take(event, carried, limits.window) && quick.is_one(&limits, factor);
        let slow = self.slow_tunnels.entry(key);
        let slowly = slow.take(event, carried, limits.slow_window)
            && slow.is_one(&limits, limits.slow_factor * factor);
        // What was told as quick is not told as slow.
        if quickly {
            slow.told = true;
            return Some(quick.report(event.at, asker, domain));
        }
        slowly.then(|| slow.report(event.at, asker, domain))
    }

    fn unknown(&mut self, event: &Event, asker: IpAddr, domain: &str) -> Option<Behaviour> {
        if domain.ends_with(".arpa") || domain.ends_with(".local") {
            return None;
        }
        let limits = self.limits;
        let quick = self.unknown.entry(asker);
        let new = quick.take(event, domain, limits.window);
        // A host that lost its name server asks for much that does not exist, but for words.
        let mostly = quick.odd * 3 >= quick.domains.0.len() * 2;
        let quickly = new && !quick.told && quick.domains.0.len() >= limits.unknown_domains && mostly;
        // A name without a dot is looked up by whoever tries whether names are answered at all.
        let slow = self.unknown_slowly.entry(asker);
        let new = domain.contains('.') && slow.take(event, domain, limits.slow_window);
        let slowly = new && !slow.told && slow.domains.0.len() >= limits.unknown_slowly;
        if quickly {
            slow.told = true;
            return Some(quick.report(event.at, asker));
        }
        slowly.then(|| slow.report(event.at, asker))
    }
}

impl Tunnel {
    /// True where the name is new.
    fn take(&mut self, event: &Event, carried: &str, window: Nanos) -> bool {
        if event.at.saturating_sub(self.start) > window {
            *self = Tunnel {
                start: event.at,
                ..Tunnel::default()
            };
        }
        if !self.names.insert(carried) {
            return false;
        }
        self.bytes += carried.len();
        carried.bytes().for_each(|b| self.letters.0[class(b)] += 1);
        if self.examples.len() < EXAMPLES {
            self.examples.push(event.order);
        }
        true
    }

    fn is_one(&self, limits: &NameLimits, factor: usize) -> bool {
        let names = (limits.tunnel_names * factor).min(NAMES);
        !self.told
            && self.names.0.len() >= names
            && self.bytes >= limits.tunnel_bytes * factor.min(limits.slow_factor)
            && self.letters.entropy() >= limits.tunnel_entropy
    }

    fn report(&mut self, at: Nanos, asker: IpAddr, domain: &str) -> Behaviour {
        self.told = true;
        let entropy = self.letters.entropy();
        let seconds = (at - self.start) as f64 / 1e9;
        Behaviour {
            kind: "dns_tunnel",
            reason: say!(
                "tunnelled",
                "{who} asked for {n} different long names below {domain} within {seconds} s: they carry {bytes} bytes of \
                 what looks like coded data",
                who = asker,
                n = self.names.0.len(),
                domain = domain,
                seconds = format!("{seconds:.0}"),
                bytes = self.bytes
            ),
            score: ((entropy - 2.5) / 2.0).clamp(0.5, 1.0),
            features: vec![
                ("names", self.names.0.len() as f64),
                ("bytes", self.bytes as f64),
                ("bits_per_letter", entropy),
                ("seconds", seconds),
            ],
            technique: Some(Technique::DNS_COMMAND_CHANNEL),
            evidence: self.examples.clone(),
        }
    }
}

impl Unknown {
    /// True where the domain is new.
    fn take(&mut self, event: &Event, domain: &str, window: Nanos) -> bool {
        if event.at.saturating_sub(self.start) > window {
            *self = Unknown {
                start: event.at,
                ..Unknown::default()
            };
        }
        if !self.domains.insert(domain) {
            return false;
        }
        self.odd += usize::from(looks_made_up(domain));
        if self.examples.len() < EXAMPLES {
            self.examples.push(event.order);
        }
        true
    }

    fn report(&mut self, at: Nanos, asker: IpAddr) -> Behaviour {
        self.told = true;
        let seconds = (at - self.start) as f64 / 1e9;
        let share = self.odd as f64 / self.domains.0.len() as f64;
        Behaviour {
            kind: "generated_names",
            reason: say!(
                "made-up-names",
                "{who} asked for {n} domains that do not exist within {seconds} s, {odd} of them made of letters that \
                 nobody chooses",
                who = asker,
                n = self.domains.0.len(),
                seconds = format!("{seconds:.0}"),
                odd = self.odd
            ),
            score: share.max(0.6),
            features: vec![
                ("domains", self.domains.0.len() as f64),
                ("odd", self.odd as f64),
                ("seconds", seconds),
            ],
            technique: Some(Technique::DOMAIN_GENERATION),
            evidence: self.examples.clone(),
        }
    }
}

/// What stands before the domain, and the domain: its last two labels, three where the one before
/// the last is as short as those of registries (`co.uk`).
fn split(name: &str) -> (&str, &str) {
    let name = name.trim_end_matches('.');
    let mut dots = name.rmatch_indices('.').map(|(at, _)| at);
    let (Some(last), Some(second)) = (dots.next(), dots.next()) else {
        return ("", name);
    };
    let short = last - second - 1 <= 3;
    let Some(at) = (if short { dots.next() } else { Some(second) }) else {
        return ("", name);
    };
    (&name[..at], &name[at + 1..])
}

/// Consonants in a row, digits among letters, and few vowels: what a hash looks like and a word
/// does not.
fn looks_made_up(domain: &str) -> bool {
    let label = domain.split('.').next().unwrap_or("");
    if label.len() < 8 {
        return false;
    }
    let vowel = |b: u8| matches!(b, b'a' | b'e' | b'i' | b'o' | b'u' | b'y');
    let vowels = label.bytes().filter(|b| vowel(*b)).count();
    let digits = label.bytes().filter(u8::is_ascii_digit).count();
    let mut run = 0;
    let mut longest = 0;
    for b in label.bytes() {
        run = if b.is_ascii_alphabetic() && !vowel(b) {
            run + 1
        } else {
            0
        };
        longest = longest.max(run);
    }
    vowels * 4 < label.len() || digits * 4 >= label.len() || longest >= 5
}

fn class(byte: u8) -> usize {
    match byte {
        b'a'..=b'z' => usize::from(byte - b'a'),
        b'0'..=b'9' => usize::from(byte - b'0') + 26,
        b'-' => 36,
        b'_' => 37,
        b'.' => 38,
        _ => 39,
    }
}

/// Different names, by their hashes. Most askers ask for one: a list is smaller than a table, and
/// short enough to be searched.
#[derive(Debug, Default)]
struct Names(Vec<u64>);

impl Names {
    /// True where the name is new and there is room for it.
    fn insert(&mut self, name: &str) -> bool {
        let hash = hash(name);
        let new = self.0.len() < NAMES && !self.0.contains(&hash);
        if new {
            self.0.push(hash);
        }
        new
    }
}

#[derive(Debug)]
struct Letters([u32; 40]);

impl Default for Letters {
    fn default() -> Letters {
        Letters([0; 40])
    }
}

impl Letters {
    /// Bits a letter (Shannon).
    fn entropy(&self) -> f64 {
        let total: u32 = self.0.iter().sum();
        let share = |c: &u32| {
            let p = f64::from(*c) / f64::from(total.max(1));
            -p * p.log2()
        };
        self.0.iter().filter(|c| **c > 0).map(share).sum()
    }
}

/// FNV-1a: a name is only told apart from others of the same asker, within bounded sets.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
