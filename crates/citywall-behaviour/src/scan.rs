//! Scans: one source that tries many hosts, or many ports of one host, mostly in vain.
//!
//! Owns: what counts as in vain (no answer, a refusal, or the policy's no), the windows and the
//! thresholds. Does not own: why anybody scans. A poller that reaches hundreds of devices which
//! answer is no scanner; nor is one whose devices are down, as long as most answer; and what was in
//! vain in an earlier window is a retry, not a search.

use std::net::IpAddr;

use citywall_event::{Behaviour, Body, Event, FlowSummary, Mac, Nanos, Order, Technique};
use hashbrown::HashSet;

use crate::recent::Recent;

/// When a scan is a scan, and how much is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanLimits {
    /// Length of a window, nanoseconds of packet time.
    pub window: Nanos,
    /// Hosts tried in vain on one port.
    pub hosts: usize,
    /// Ports of one host tried in vain.
    pub ports: usize,
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

const TCP: u8 = 6;
const UDP: u8 = 17;

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

#[derive(Debug, Default)]
struct State {
    windows: Vec<Window>,
}

/// What is common to all that was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Common {
    /// One port of many hosts: IP protocol and port.
    Port(u8, u16),
    /// Many ports of one host.
    Host(IpAddr),
}

/// What varies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Member {
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
    failed: HashSet<Member>,
    /// In vain in earlier windows.
    known: HashSet<Member>,
    answered: HashSet<Member>,
    /// Failures at the last report.
    told: usize,
    examples: Vec<Order>,
}

/// One try and what came of it.
#[derive(Clone, Copy, Debug)]
struct Try {
    protocol: u8,
    port: u16,
    target: IpAddr,
    failed: bool,
    /// When it was tried; that it was in vain shows later.
    at: Nanos,
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
        let state = if tried.failed {
            self.sources.entry(source)
        } else {
            self.sources.get(source)?
        };
        let limits = &self.limits;
        let by_port = Common::Port(tried.protocol, tried.port);
        let by_host = Common::Host(tried.target);
        let port = Member::Port(tried.protocol, tried.port);
        let mut found = None;
        for (common, member) in [(by_port, Member::Host(tried.target)), (by_host, port)] {
            let Some(window) = state.window(common, event.at, tried.failed, limits) else {
                continue;
            };
            self.members += usize::from(window.take(member, &tried, event, limits));
            if found.is_none() && window.is_scan(limits) {
                found = Some(window.report(source));
            }
        }
        found
    }

    /// Sources that were forgotten for lack of room.
    pub fn forgotten(&self) -> u64 {
        self.forgotten + self.sources.forgotten()
    }
}

/// What an event says of somebody trying something.
fn tried(event: &Event) -> Option<Try> {
    let (failed, at) = match &event.body {
        Body::Flow(flow) => (failed(flow), flow.start),
        // Only forbidden conversations; a forbidden command was answered.
        Body::Violation(violation) if violation.command.is_none() => (true, event.at),
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
        at,
    })
}

fn failed(flow: &FlowSummary) -> bool {
    flow.refused || flow.packets[1] == 0
}

fn is_group(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_multicast() || v4.is_broadcast(),
        IpAddr::V6(v6) => v6.is_multicast(),
    }
}

impl State {
    /// The window of something that is tried. A new one takes the place of the one that was idle
    /// longest.
    fn window(
        &mut self,
        common: Common,
        at: Nanos,
        failed: bool,
        limits: &ScanLimits,
    ) -> Option<&mut Window> {
        let place = match self.windows.iter().position(|w| w.common == common) {
            Some(place) => place,
            None if !failed => return None,
            None => {
                let kind =
                    |w: &Window| matches!(w.common, Common::Port(..)) == matches!(common, Common::Port(..));
                let same_kind = self.windows.iter().filter(|w| kind(w)).count();
                if same_kind >= limits.per_source.max(1) {
                    let idle = (0..self.windows.len())
                        .filter(|i| kind(&self.windows[*i]))
                        .min_by_key(|i| self.windows[*i].last)?;
                    self.windows.remove(idle);
                }
                self.windows.push(Window::new(common, at));
                self.windows.len() - 1
            }
        };
        let window = self.windows.get_mut(place)?;
        if at.saturating_sub(window.start) > limits.window {
            let next = Window::new(common, at);
            let mut past = std::mem::replace(window, next);
            past.known.extend(past.failed.drain());
            if past.known.len() < limits.members {
                window.known = past.known;
            }
        }
        Some(window)
    }
}

impl Window {
    fn new(common: Common, at: Nanos) -> Window {
        Window {
            common,
            start: at,
            last: at,
            tried: (Nanos::MAX, Nanos::MIN),
            failed: HashSet::new(),
            known: HashSet::new(),
            answered: HashSet::new(),
            told: 0,
            examples: Vec::new(),
        }
    }

    /// Notes one try; true where it is remembered as a new one.
    fn take(&mut self, member: Member, tried: &Try, event: &Event, limits: &ScanLimits) -> bool {
        let failed = tried.failed;
        self.last = self.last.max(event.at);
        self.tried = (self.tried.0.min(tried.at), self.tried.1.max(tried.at));
        if failed && self.known.contains(&member) {
            return false;
        }
        let set = if failed {
            &mut self.failed
        } else {
            &mut self.answered
        };
        if set.len() >= limits.members || !set.insert(member) {
            return false;
        }
        if failed && self.examples.len() < EXAMPLES {
            self.examples.push(event.order);
        }
        true
    }

    fn is_scan(&self, limits: &ScanLimits) -> bool {
        let least = match self.common {
            Common::Port(..) => limits.hosts,
            Common::Host(_) => limits.ports,
        };
        let enough = self.failed.len() >= least.max(1) && self.failed.len() >= self.answered.len();
        enough && (self.told == 0 || self.failed.len() >= self.told.saturating_mul(10))
    }

    fn report(&mut self, source: Source) -> Behaviour {
        self.told = self.failed.len();
        let failed = self.failed.len();
        let answered = self.answered.difference(&self.failed).count();
        let seconds = self.tried.1.saturating_sub(self.tried.0).max(0) as f64 / 1e9;
        let who = match source {
            Source::Ip(ip) => ip.to_string(),
            Source::Mac(mac) => mac.map(|b| format!("{b:02x}")).join(":"),
        };
        let (kind, tried, technique) = match self.common {
            Common::Port(protocol, port) => (
                "horizontal_scan",
                format!("{} hosts on {}", failed + answered, name(protocol, port)),
                Technique::REMOTE_SYSTEM_DISCOVERY,
            ),
            Common::Host(host) => (
                "vertical_scan",
                format!("{} ports of {host}", failed + answered),
                Technique::NETWORK_SERVICE_DISCOVERY,
            ),
        };
        Behaviour {
            kind,
            reason: format!("{who} tried {tried} within {seconds:.0} s, {failed} of them in vain"),
            // Certain where nothing answers and there are many.
            score: failed as f64 / (failed + answered) as f64 * (1.0 - 2.0 / failed as f64),
            features: vec![
                ("tried", (failed + answered) as f64),
                ("in_vain", failed as f64),
                ("seconds", seconds),
            ],
            technique: Some(technique),
            evidence: self.examples.clone(),
        }
    }
}

fn name(protocol: u8, port: u16) -> String {
    match protocol {
        6 => format!("tcp/{port}"),
        17 => format!("udp/{port}"),
        1 | 58 => "icmp".to_owned(),
        other => format!("IP protocol {other}"),
    }
}
