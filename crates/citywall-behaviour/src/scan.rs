//! Scans: one source that tries many hosts, or many ports of one host, mostly in vain.
//!
//! Owns: what counts as in vain (no answer, a refusal), and like it: the policy's no, and what who began broke off at
//! the first answer, which is no use of anything; the windows and the thresholds. Does not own: why anybody scans, and scans that many share (`shared_scan`). A poller that reaches hundreds of devices which
//! answer is no scanner; nor is one whose devices are down, as long as most answer; what was in vain
//! in an earlier window is a retry, not a search; and ICMP's errors answer those who asked, as a
//! server that is flooded does.
//!
//! Who takes his time is found by what he newly tried in vain over a day, with a higher threshold.
//! What is seen for the first time costs little, as a flood of invented sources tries but once each.

use std::net::IpAddr;

use citywall_event::{Behaviour, Body, Event, FlowSummary, Mac, Nanos, Order, Technique, is_icmp_request};
use hashbrown::{HashMap, HashSet};

use crate::recent::Recent;
use crate::scan_words::{Fates, scanned};

/// When a scan is a scan, and how much is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanLimits {
    /// Length of a window, nanoseconds of packet time.
    pub window: Nanos,
    /// Hosts tried in vain on one port.
    pub hosts: usize,
    /// Ports of one host tried in vain.
    pub ports: usize,
    /// Over this time a slow search is one, nanoseconds of packet time.
    pub slow_window: Nanos,
    /// A slow search needs this many times as many in vain.
    pub slow_factor: usize,
    /// Sources that are watched at a time.
    pub sources: usize,
    /// Ports and hosts that are watched of one source.
    pub per_source: usize,
    /// Hosts or ports that are told apart in one window; more are not counted.
    pub members: usize,
}

impl Default for ScanLimits {
    fn default() -> ScanLimits {
        ScanLimits {
            window: 300_000_000_000,
            hosts: 12,
            ports: 20,
            slow_window: 86_400_000_000_000,
            slow_factor: 2,
            sources: 4_096,
            per_source: 8,
            members: 2_048,
        }
    }
}

/// Members that all windows together may hold, as a multiple of the sources: a flood of scans of
/// invented sources must not take more memory than many honest ones.
const MEMBERS_PER_SOURCE: usize = 32;

/// Examples that are kept of a scan.
const EXAMPLES: usize = 4;

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;

/// Finds scans.
#[derive(Debug)]
pub struct ScanDetector {
    limits: ScanLimits,
    sources: Recent<Source, State>,
    /// Members added since the windows were last all forgotten.
    members: usize,
    forgotten: u64,
}

/// Who scans.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Source {
    Ip(IpAddr),
    Mac(Mac),
}

/// What is known of a source.
#[derive(Debug, Default)]
enum State {
    /// Nothing.
    #[default]
    New,
    /// One try in vain: most sources of a flood never come to a second.
    Once(Try, Order, Nanos),
    /// More.
    Watched(Vec<Window>),
}

/// What is common to all that was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Common {
    /// One port of many hosts: IP protocol and port.
    Port(u8, u16),
    /// Many ports of one host.
    Host(IpAddr),
}

/// What varies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Member {
    Host(IpAddr),
    Port(u8, u16),
}

#[derive(Debug)]
struct Window {
    common: Common,
    start: Nanos,
    last: Nanos,
    /// The first and the last try.
    tried: (Nanos, Nanos),
    failed: HashMap<Member, Fates>,
    /// In vain in earlier windows.
    known: HashSet<Member>,
    answered: HashSet<Member>,
    /// All was tried from a zone of the city to the outside.
    outward: bool,
    /// Failures at the last report.
    told: usize,
    examples: Vec<Order>,
    /// The earlier windows of this day.
    day: Day,
}

/// What earlier windows came to, for searches that take their time.
#[derive(Debug)]
struct Day {
    start: Nanos,
    /// The first try.
    tried: Nanos,
    /// New in vain, and how often each fate.
    failed: usize,
    fates: [usize; 3],
    /// Who answered; a device that speaks with its server all day has one, not one in each window.
    answered: HashSet<Member>,
    told: bool,
    examples: Vec<Order>,
}

/// One try and what came of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Try {
    pub(crate) protocol: u8,
    port: u16,
    target: IpAddr,
    /// Why it counts as in vain; `None` where it was answered.
    failed: Option<Fates>,
    /// From a zone of the city to the outside.
    pub(crate) outward: bool,
    /// When it was tried; that it was in vain shows later.
    pub(crate) at: Nanos,
}

impl Try {
    /// It counts as in vain.
    pub(crate) fn failed(&self) -> bool {
        self.failed.is_some()
    }

    /// What this has in common with other tries, and what then varies.
    pub(crate) fn views(&self) -> [(Common, Member); 2] {
        let (protocol, port) = (self.protocol, self.port);
        [
            (Common::Port(protocol, port), Member::Host(self.target)),
            (Common::Host(self.target), Member::Port(protocol, port)),
        ]
    }
}

impl ScanDetector {
    /// A detector that has seen nothing.
    pub fn new(limits: ScanLimits) -> ScanDetector {
        ScanDetector {
            limits,
            sources: Recent::new(limits.sources),
            members: 0,
            forgotten: 0,
        }
    }

    /// Takes one event; the `Behaviour` is about its `src`. A scan is told once per source, window
    /// and thing tried, and again when it has grown tenfold.
    pub fn observe(&mut self, event: &Event) -> Option<Behaviour> {
        let tried = tried(event)?;
        let source = match (event.subject.src_ip, event.subject.src_mac) {
            // The unspecified address is nobody's: many send from it.
            (Some(ip), Some(mac)) if ip.is_unspecified() => Source::Mac(mac),
            (Some(ip), _) => Source::Ip(ip),
            (None, Some(mac)) => Source::Mac(mac),
            (None, None) => return None,
        };
        if self.members > self.limits.sources.saturating_mul(MEMBERS_PER_SOURCE) {
            self.forgotten += self.sources.len() as u64;
            let counted = self.sources.forgotten();
            self.sources = Recent::new(self.limits.sources);
            self.forgotten += counted;
            self.members = 0;
        }
        // An answer alone makes nobody a suspect.
        let state = if tried.failed() {
            self.sources.entry(source)
        } else {
            self.sources.get(source)?
        };
        let limits = &self.limits;
        let windows = match state {
            State::New => {
                *state = State::Once(tried, event.order, event.at);
                return None;
            }
            State::Once(first, order, at) => {
                let (first, order, at) = (*first, *order, *at);
                let mut windows = Vec::new();
                let (_, members) = note(&mut windows, &first, (order, at), source, limits);
                self.members += members;
                *state = State::Watched(windows);
                let State::Watched(windows) = state else {
                    return None;
                };
                windows
            }
            State::Watched(windows) => windows,
        };
        let (found, members) = note(windows, &tried, (event.order, event.at), source, limits);
        self.members += members;
        found
    }

    /// Sources that were forgotten for lack of room.
    pub fn forgotten(&self) -> u64 {
        self.forgotten + self.sources.forgotten()
    }
}

/// Notes a try in the windows that it belongs to; gives what is found, and how many members are new.
fn note(
    windows: &mut Vec<Window>,
    tried: &Try,
    (order, at): (Order, Nanos),
    source: Source,
    limits: &ScanLimits,
) -> (Option<Behaviour>, usize) {
    let mut found = None;
    let mut members = 0;
    for (common, member) in tried.views() {
        let Some(window) = window(windows, common, at, tried.failed(), limits) else {
            continue;
        };
        members += usize::from(window.take(member, tried, (order, at), limits));
        if found.is_none() {
            found = window.judge(source, limits);
        }
    }
    (found, members)
}

/// What an event says of somebody trying something.
pub(crate) fn tried(event: &Event) -> Option<Try> {
    let (failed, at) = match &event.body {
        Body::Flow(flow) if answers(event.subject.protocol, flow) => return None,
        Body::Flow(flow) => (fate(flow), flow.start),
        // Only forbidden conversations; a forbidden command was answered.
        Body::Violation(violation) if violation.command.is_none() => (Some(Fates::FORBIDDEN), event.at),
        _ => return None,
    };
    let subject = &event.subject;
    // A fragment or a cut header says no port: nothing is known to have been tried.
    if matches!(subject.protocol, Some(TCP | UDP)) && subject.dst_port.is_none() {
        return None;
    }
    let target = subject.dst_ip?;
    if is_group(target) {
        return None;
    }
    Some(Try {
        protocol: subject.protocol?,
        port: subject.dst_port.unwrap_or(0),
        target,
        failed,
        outward: subject.src_zone.is_some() && subject.dst_zone.is_none(),
        at,
    })
}

/// ICMP that asks for nothing. Where its type is not known nothing is known to have been tried.
fn answers(protocol: Option<u8>, flow: &FlowSummary) -> bool {
    let asks = |protocol| flow.icmp.is_some_and(|kind| is_icmp_request(protocol, kind));
    protocol.is_some_and(|protocol| matches!(protocol, ICMP | ICMPV6) && !asks(protocol))
}

fn fate(flow: &FlowSummary) -> Option<Fates> {
    if flow.refused || flow.packets[1] == 0 {
        return Some(Fates::IN_VAIN);
    }
    flow.broken_off.then_some(Fates::BROKEN_OFF)
}

fn is_group(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_multicast() || v4.is_broadcast(),
        IpAddr::V6(v6) => v6.is_multicast(),
    }
}

/// The window of something that is tried. A new one takes the place of the one that was idle
/// longest.
fn window<'a>(
    windows: &'a mut Vec<Window>,
    common: Common,
    at: Nanos,
    failed: bool,
    limits: &ScanLimits,
) -> Option<&'a mut Window> {
    let place = match windows.iter().position(|w| w.common == common) {
        Some(place) => place,
        None if !failed => return None,
        None => {
            let kind =
                |w: &Window| matches!(w.common, Common::Port(..)) == matches!(common, Common::Port(..));
            let same_kind = windows.iter().filter(|w| kind(w)).count();
            if same_kind >= limits.per_source.max(1) {
                let idle = (0..windows.len())
                    .filter(|i| kind(&windows[*i]))
                    .min_by_key(|i| windows[*i].last)?;
                windows.remove(idle);
            }
            windows.push(Window::new(common, at));
            windows.len() - 1
        }
    };
    let window = windows.get_mut(place)?;
    if at.saturating_sub(window.start) > limits.window {
        let next = Window::new(common, at);
        let mut past = std::mem::replace(window, next);
        if at.saturating_sub(past.day.start) <= limits.slow_window {
            let fates = past.fates();
            window.day = Day {
                start: past.day.start,
                tried: past.day.tried.min(past.tried.0),
                failed: past.day.failed + past.failed.len(),
                fates: std::array::from_fn(|i| past.day.fates[i] + fates[i]),
                answered: past.day.answered,
                told: past.day.told || past.told > 0,
                examples: past.day.examples,
            };
            for member in past.answered.drain() {
                if window.day.answered.len() < limits.members {
                    window.day.answered.insert(member);
                }
            }
            window.day.examples.extend(past.examples);
            window.day.examples.truncate(EXAMPLES);
        }
        past.known.extend(past.failed.drain().map(|(member, _)| member));
        if past.known.len() < limits.members {
            window.known = past.known;
        }
    }
    Some(window)
}

impl Window {
    fn new(common: Common, at: Nanos) -> Window {
        Window {
            common,
            start: at,
            last: at,
            tried: (Nanos::MAX, Nanos::MIN),
            failed: HashMap::new(),
            known: HashSet::new(),
            answered: HashSet::new(),
            outward: true,
            told: 0,
            examples: Vec::new(),
            day: Day {
                start: at,
                tried: Nanos::MAX,
                failed: 0,
                fates: [0; 3],
                answered: HashSet::new(),
                told: false,
                examples: Vec::new(),
            },
        }
    }

    /// Notes one try; true where it is remembered as a new one.
    fn take(
        &mut self,
        member: Member,
        tried: &Try,
        (order, at): (Order, Nanos),
        limits: &ScanLimits,
    ) -> bool {
        self.outward &= tried.outward;
        self.last = self.last.max(at);
        self.tried = (self.tried.0.min(tried.at), self.tried.1.max(tried.at));
        let Some(fate) = tried.failed else {
            return self.answered.len() < limits.members && self.answered.insert(member);
        };
        if self.known.contains(&member) {
            return false;
        }
        if let Some(fates) = self.failed.get_mut(&member) {
            // What is forbidden may be in vain besides; that shows later.
            *fates = fates.and(fate);
            return false;
        }
        if self.failed.len() >= limits.members {
            return false;
        }
        self.failed.insert(member, fate);
        if self.examples.len() < EXAMPLES {
            self.examples.push(order);
        }
        true
    }

    /// How many had each fate.
    fn fates(&self) -> [usize; 3] {
        let of = |fate| self.failed.values().filter(|fates| fates.has(fate)).count();
        Fates::ALL.map(of)
    }

    fn judge(&mut self, source: Source, limits: &ScanLimits) -> Option<Behaviour> {
        let least = match self.common {
            // A device whose cloud cannot be reached tries all addresses of it.
            Common::Port(TCP, 80 | 443) if self.outward => 2 * limits.hosts,
            Common::Port(..) => limits.hosts,
            Common::Host(_) => limits.ports,
        };
        let (least, failed) = (least.max(1), self.failed.len());
        let answered = self.answered.len();
        // Who pings half a network to see who is there gets many answers.
        let pings = matches!(self.common, Common::Port(1 | 58, _));
        let swept = pings && failed + answered >= least && 2 * failed >= least.max(answered);
        let enough = swept || failed >= least && failed >= answered;
        if enough && (self.told == 0 || failed >= self.told.saturating_mul(10)) {
            self.told = failed;
            let answered = self
                .answered
                .iter()
                .filter(|m| !self.failed.contains_key(*m))
                .count();
            let counts = (failed, answered, self.fates());
            return Some(self.report(source, counts, self.tried.0, self.examples.clone()));
        }
        // Nothing is slow that was told as quick.
        if self.day.told || self.told > 0 || self.day.failed == 0 {
            return None;
        }
        let failed = self.day.failed + failed;
        let answered = self.day.answered.union(&self.answered).count();
        // Over a day much goes wrong that is nobody's search: most has to be in vain.
        if failed < least.saturating_mul(limits.slow_factor) || failed < answered.saturating_mul(2) {
            return None;
        }
        self.day.told = true;
        let fates = self.fates();
        let fates = std::array::from_fn(|i| self.day.fates[i] + fates[i]);
        let mut examples = self.day.examples.clone();
        examples.extend(&self.examples);
        examples.truncate(EXAMPLES);
        Some(self.report(
            source,
            (failed, answered, fates),
            self.day.tried.min(self.tried.0),
            examples,
        ))
    }

    fn report(
        &self,
        source: Source,
        (failed, answered, fates): (usize, usize, [usize; 3]),
        since: Nanos,
        evidence: Vec<Order>,
    ) -> Behaviour {
        let seconds = self.tried.1.saturating_sub(since).max(0) as f64 / 1e9;
        let who = match source {
            Source::Ip(ip) => ip.to_string(),
            Source::Mac(mac) => mac.map(|b| format!("{b:02x}")).join(":"),
        };
        let (kind, technique) = match self.common {
            Common::Port(..) => ("horizontal_scan", Technique::REMOTE_SYSTEM_DISCOVERY),
            Common::Host(_) => ("vertical_scan", Technique::NETWORK_SERVICE_DISCOVERY),
        };
        let n = failed + answered;
        let [in_vain, others @ ..] = fates;
        let mut features = vec![
            ("tried", n as f64),
            ("in_vain", in_vain as f64),
            ("seconds", seconds),
        ];
        let others = ["forbidden", "broken_off"].into_iter().zip(others);
        features.extend(others.filter(|(_, n)| *n > 0).map(|(name, n)| (name, n as f64)));
        Behaviour {
            kind,
            reason: scanned(who, self.common, n, seconds, fates),
            // Certain where nothing answers and there are many.
            score: failed as f64 / n as f64 * (1.0 - 2.0 / failed as f64),
            features,
            technique: Some(technique),
            evidence,
        }
    }
}
