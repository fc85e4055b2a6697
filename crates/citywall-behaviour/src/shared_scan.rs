//! Scans that many sources share: each tries a few hosts or ports in vain, together they try all of a list.
//!
//! Owns: who tried a service of many hosts, or ports of one host, in vain, and how many sources do so on a normal
//! day. Does not own: one source that tries many (`scan`).
//!
//! Every public address hears the noise of the Internet: sources that try this and that. How many there are of
//! them for each service is learned, for a day before anything is told, and many times as many are needed. A
//! server that is down is tried by many, too, but it is one target; and who gets an answer from the same service
//! elsewhere uses it.

use std::net::IpAddr;

use citywall_event::{Behaviour, Event, Nanos, Order, Technique, counted, say};
use hashbrown::{HashMap, HashSet};

use crate::recent::Recent;
use crate::scan::{self, Common, Member};

/// When many sources share a scan, and how much is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharedScanLimits {
    /// Half of what is looked at together, nanoseconds of packet time.
    pub window: Nanos,
    /// Sources that tried in vain.
    pub sources: usize,
    /// Hosts, or ports, that they tried.
    pub targets: usize,
    /// A source with more tries is told by itself, or repeats itself.
    pub each: u16,
    /// How many times the sources of normal windows.
    pub habit: usize,
    /// What is normal is learned for so long before anything is told.
    pub learn: Nanos,
    /// Services and hosts that are watched at a time.
    pub services: usize,
    /// Sources, and targets, that are told apart in one window.
    pub members: usize,
}

impl Default for SharedScanLimits {
    fn default() -> SharedScanLimits {
        SharedScanLimits {
            window: 10_800_000_000_000,
            sources: 16,
            targets: 16,
            each: 11,
            habit: 3,
            learn: 86_400_000_000_000,
            services: 1_024,
            members: 192,
        }
    }
}

const EXAMPLES: usize = 4;

const TCP: u8 = 6;
const UDP: u8 = 17;

/// Finds scans that many share.
#[derive(Debug)]
pub struct SharedScans {
    limits: SharedScanLimits,
    services: Recent<Common, Service>,
    /// The first event: learning begins there.
    since: Option<Nanos>,
}

/// What is tried: one service of many hosts, or many ports of one host.
#[derive(Debug, Default)]
struct Service {
    start: Nanos,
    /// This window and the one before.
    windows: [Window; 2],
    /// Sources of two windows, at most, while nothing was told.
    habit: usize,
    /// What becomes part of the habit, the latest first: a scan may go on for some windows.
    pending: [usize; 2],
    told: usize,
    examples: Vec<Order>,
}

#[derive(Debug, Default)]
struct Window {
    sources: HashMap<IpAddr, Source>,
    targets: HashSet<Member>,
}

#[derive(Debug)]
struct Source {
    first: Nanos,
    tries: u16,
    /// It was answered, too.
    answered: bool,
}

impl SharedScans {
    /// Has heard nothing.
    pub fn new(limits: SharedScanLimits) -> SharedScans {
        SharedScans {
            limits,
            services: Recent::new(limits.services),
            since: None,
        }
    }

    /// Services and hosts that were forgotten for lack of room.
    pub fn forgotten(&self) -> u64 {
        self.services.forgotten()
    }

    /// Takes one event; the `Behaviour` is about its `src`, which is the latest of many. It is told once, and
    /// again when there are ten times as many sources or after a calm window.
    pub fn observe(&mut self, event: &Event) -> Option<Behaviour> {
        let tried = scan::tried(event)?;
        let source = event.subject.src_ip?;
        // What devices of the city miss outside is their use of it: dead sites, clouds that are down.
        if tried.outward || !matches!(tried.protocol, TCP | UDP) {
            return None;
        }
        let known = event.at.saturating_sub(*self.since.get_or_insert(event.at)) >= self.limits.learn;
        let mut found = None;
        for (common, member) in tried.views() {
            if !tried.failed() {
                // An answer alone makes nobody a suspect.
                if let Some(service) = self.services.get(common) {
                    service.answered(source);
                }
                continue;
            }
            let service = self.services.entry(common);
            service.turn(event.at, &self.limits);
            let new = service.take(source, member, (event.order, tried.at), &self.limits);
            if new && known && found.is_none() {
                found = service.judge(common, event.at, &self.limits);
            }
        }
        found
    }
}

impl Service {
    /// Goes on to the window of a moment.
    fn turn(&mut self, at: Nanos, limits: &SharedScanLimits) {
        let gone = at.saturating_sub(self.start);
        if gone < limits.window {
            return;
        }
        let seen = self.sources(limits).count();
        let next_to_it = gone < limits.window.saturating_mul(2);
        // What was told is no habit, but for a noise that goes on for days.
        let grown = if self.told > 0 {
            seen.min(self.habit.saturating_mul(2).max(limits.sources / 2))
        } else {
            seen
        };
        let [latest, earlier] = self.pending;
        let mut learned = earlier;
        self.pending = [grown, latest];
        if !next_to_it {
            learned = earlier.max(latest).max(grown);
            self.pending = [0; 2];
        }
        self.habit = learned.max(self.habit - self.habit.div_ceil(16));
        if seen < limits.sources {
            self.told = 0;
        }
        self.windows.swap(0, 1);
        self.windows[0] = Window::default();
        if !next_to_it {
            self.windows[1] = Window::default();
        }
        self.examples.clear();
        self.start = at;
    }

    /// Sources that tried a few and got nothing.
    fn sources<'a>(&'a self, limits: &'a SharedScanLimits) -> impl Iterator<Item = &'a Source> {
        let [now, before] = &self.windows;
        let earlier = before
            .sources
            .iter()
            .filter(|(ip, _)| !now.sources.contains_key(*ip));
        let all = now.sources.iter().chain(earlier).map(|(_, source)| source);
        all.filter(|source| !source.answered && source.tries <= limits.each)
    }

    fn answered(&mut self, source: IpAddr) {
        for window in &mut self.windows {
            if let Some(source) = window.sources.get_mut(&source) {
                source.answered = true;
            }
        }
    }

    /// Notes a try in vain; true where it adds a source or a target.
    fn take(
        &mut self,
        ip: IpAddr,
        member: Member,
        (order, at): (Order, Nanos),
        limits: &SharedScanLimits,
    ) -> bool {
        let [now, before] = &mut self.windows;
        let mut new = false;
        if now.sources.len() < limits.members || now.sources.contains_key(&ip) {
            let source = now.sources.entry(ip).or_insert_with(|| {
                new = true;
                Source {
                    first: at,
                    tries: 0,
                    answered: before.sources.get(&ip).is_some_and(|s| s.answered),
                }
            });
            source.tries = source.tries.saturating_add(1);
        }
        if now.targets.len() < limits.members {
            new |= now.targets.insert(member);
        }
        if new && self.examples.len() < EXAMPLES {
            self.examples.push(order);
        }
        new
    }

    fn judge(&mut self, common: Common, at: Nanos, limits: &SharedScanLimits) -> Option<Behaviour> {
        let [now, before] = &self.windows;
        let least = limits.sources.max(self.habit.saturating_mul(limits.habit)).max(2);
        if now.sources.len() + before.sources.len() < least {
            return None;
        }
        let (sources, first) = self
            .sources(limits)
            .fold((0, at), |(n, first), source| (n + 1, first.min(source.first)));
        let targets = now.targets.union(&before.targets).count();
        let grown = self.told == 0 || sources >= self.told.saturating_mul(10);
        if sources < least || targets < limits.targets || !grown {
            return None;
        }
        self.told = sources;
        self.pending = [self.habit; 2];
        let seconds = at.saturating_sub(first).max(0) as f64 / 1e9;
        let (tried, technique) = match common {
            Common::Port(protocol, port) => (
                say!(
                    "hosts-on",
                    "{n} on {service}",
                    n = counted(targets, "host", "hosts"),
                    service = crate::scan_words::name(protocol, port)
                ),
                Technique::REMOTE_SYSTEM_DISCOVERY,
            ),
            Common::Host(host) => (
                say!(
                    "ports-of",
                    "{n} of {host}",
                    n = counted(targets, "port", "ports"),
                    host = host
                ),
                Technique::NETWORK_SERVICE_DISCOVERY,
            ),
        };
        Some(Behaviour {
            kind: "shared_scan",
            reason: say!(
                "shares-scan",
                "{sources} tried {tried} in vain within {seconds} s, each of them a few: they seem to share one \
                 list; at most {habit} such sources before",
                sources = counted(sources, "source", "sources"),
                tried = tried,
                seconds = format!("{seconds:.0}"),
                habit = self.habit
            ),
            // Three quarters at the limit, certain far beyond.
            score: 1.0 - least as f64 / (4.0 * sources as f64),
            features: vec![
                ("sources", sources as f64),
                ("targets", targets as f64),
                ("habit", self.habit as f64),
                ("seconds", seconds),
            ],
            technique: Some(technique),
            evidence: self.examples.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use citywall_event::{Body, FlowSummary, Subject};
    use expect_test::expect;

    const HOUR: Nanos = 3_600_000_000_000;
    const DAY: Nanos = 24 * HOUR;

    fn event(at: Nanos, from: u16, (host, port): (u8, u16), answered: bool) -> Event {
        let [high, low] = from.to_be_bytes();
        Event {
            order: Order::of_packet(at, 0, 1, 0),
            at,
            subject: Subject {
                src_ip: Some([192, 0, high, low].into()),
                dst_ip: Some([10, 0, 0, host].into()),
                dst_port: Some(port),
                protocol: Some(TCP),
                ..Subject::default()
            },
            app_proto: None,
            body: Body::Flow(FlowSummary {
                start: at,
                packets: [1, u64::from(answered)],
                ..FlowSummary::default()
            }),
        }
    }

    /// A day of one try, then these.
    fn run(events: impl Iterator<Item = Event>) -> Vec<String> {
        let mut scans = SharedScans::new(SharedScanLimits::default());
        assert!(scans.observe(&event(0, 9, (1, 1), false)).is_none());
        let found = events.filter_map(|e| scans.observe(&e));
        found
            .map(|b| format!("{} {:.2} {}", b.kind, b.score, b.reason))
            .collect()
    }

    #[test]
    fn a_list_that_many_work_through_is_told() {
        let hosts = (0..40u16).map(|i| event(DAY + i64::from(i) * HOUR / 10, i / 2, (i as u8, 23), false));
        expect![[r#"
            [
                "shared_scan 0.75 16 sources tried 31 hosts on tcp/23 in vain within 10800 s, each of them a few: they seem to share one list; at most 0 such sources before",
            ]
        "#]]
        .assert_debug_eq(&run(hosts));
        let ports = (0..40u16).map(|i| event(DAY + i64::from(i) * HOUR / 10, i, (7, 100 + i), false));
        expect![[r#"
            [
                "shared_scan 0.75 16 sources tried 16 ports of 10.0.0.7 in vain within 5400 s, each of them a few: they seem to share one list; at most 0 such sources before",
            ]
        "#]]
        .assert_debug_eq(&run(ports));
    }

    #[test]
    fn a_server_that_is_down_and_who_is_answered_elsewhere_are_none() {
        let down = (0..100u16).map(|i| event(DAY + i64::from(i), i, (7, 443), false));
        assert_eq!(run(down), Vec::<String>::new());
        let users = (0..200u16).map(|i| event(DAY + i64::from(i), i / 2, ((i / 2) as u8, 443), i % 2 == 1));
        assert_eq!(run(users), Vec::<String>::new());
    }

    #[test]
    fn the_noise_of_the_internet_is_a_habit() {
        // Twelve sources an hour, always others, from the first day on.
        let noise = |from: i64, to: i64, every: Nanos| {
            (from..to).map(move |i| event(i * every, (i % 60_000) as u16, ((i * 7) as u8, 23), false))
        };
        let mut scans = SharedScans::new(SharedScanLimits::default());
        let told = noise(0, 12 * 24 * 5, HOUR / 12).filter(|e| scans.observe(e).is_some());
        assert_eq!(told.count(), 0);
        // Ten times as many are none.
        let more = noise(120 * 24 * 5, 120 * 24 * 5 + 400, HOUR / 120);
        assert_eq!(more.filter(|e| scans.observe(e).is_some()).count(), 1);
    }

    #[test]
    fn memory_is_bounded() {
        let limits = SharedScanLimits {
            services: 8,
            members: 32,
            ..SharedScanLimits::default()
        };
        let mut scans = SharedScans::new(limits);
        for i in 0..20_000u16 {
            scans.observe(&event(i64::from(i), i, ((i % 100) as u8, i % 50), false));
        }
        assert!(scans.services.len() <= limits.services && scans.forgotten() > 100);
    }
}
