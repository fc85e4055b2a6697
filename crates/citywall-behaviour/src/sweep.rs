//! Who asks a whole link who is there.
//!
//! Owns: ARP requests by the hardware address that asks, and how many of them stayed without an
//! answer. Does not own: tries of conversations (`scan`), and who claims an address (`identity`).
//!
//! A question has a second to be answered, so a head-end that starts up and asks for all its
//! devices at once searches nothing. Who takes his time is found by what he asked for in vain over a day. A gateway asks for what others look for, so its questions say
//! nothing about itself: who is declared as one is left out.

use std::net::{IpAddr, Ipv4Addr};

use citywall_event::{Behaviour, Body, Context, Event, Mac, Nanos, Order, Subject, Technique, counted, say};

use crate::recent::Recent;

/// When a search is one, and how much is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SweepLimits {
    /// Length of a window, nanoseconds of packet time.
    pub window: Nanos,
    /// How long an answer may take, nanoseconds.
    pub patience: Nanos,
    /// Addresses asked for in vain.
    pub hosts: usize,
    /// Hardware addresses that are watched at a time.
    pub sources: usize,
    /// Addresses that are told apart of one; more are not counted.
    pub members: usize,
    /// Over this time a slow search is one, nanoseconds of packet time.
    pub slow_window: Nanos,
    /// A slow search needs this many times as many in vain.
    pub slow_factor: usize,
}

impl Default for SweepLimits {
    fn default() -> SweepLimits {
        SweepLimits {
            window: 300_000_000_000,
            patience: 1_000_000_000,
            hosts: 16,
            sources: 2_048,
            members: 256,
            slow_window: 86_400_000_000_000,
            slow_factor: 2,
        }
    }
}

/// Examples that are kept of a search.
const EXAMPLES: usize = 4;

/// Finds searches by ARP.
#[derive(Debug)]
pub struct SweepWatch {
    limits: SweepLimits,
    sources: Recent<Mac, Source>,
    /// Those who asked since the last border, in the order of their first question.
    asking: Vec<Mac>,
}

#[derive(Debug, Default)]
struct Source {
    subject: Subject,
    start: Nanos,
    last: Nanos,
    asked: Vec<Asked>,
    /// Stands in `SweepWatch::asking`.
    waits: bool,
    /// In vain at the last report.
    told: usize,
    /// Earlier windows of this day.
    day: Day,
}

/// What earlier windows came to, for searches that take their time.
#[derive(Debug, Default)]
struct Day {
    start: Nanos,
    /// In vain, each once.
    failed: Vec<Ipv4Addr>,
    answered: usize,
    told: bool,
    examples: Vec<Order>,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    target: Ipv4Addr,
    at: Nanos,
    order: Order,
    answered: bool,
}

impl SweepWatch {
    /// Has heard nothing.
    pub fn new(limits: SweepLimits) -> SweepWatch {
        SweepWatch {
            limits,
            sources: Recent::new(limits.sources),
            asking: Vec::new(),
        }
    }

    /// Hardware addresses that were forgotten for lack of room.
    pub fn forgotten(&self) -> u64 {
        self.sources.forgotten()
    }

    /// Takes one event. What follows from it shows at a later border.
    pub fn observe(&mut self, event: &Event, context: &Context) {
        let Body::Lookup(lookup) = &event.body else {
            return;
        };
        if lookup.answer {
            let source = event.subject.dst_mac.and_then(|mac| self.sources.get(mac));
            let asked = source.and_then(|s| s.asked.iter_mut().find(|a| a.target == lookup.target));
            if let Some(asked) = asked {
                asked.answered = true;
            }
            return;
        }
        let Some(mac) = event.subject.src_mac else { return };
        let place = context.locate(None, Some(mac));
        let gateway = place.asset.and_then(|id| context.asset(id));
        if gateway.is_some_and(citywall_event::AssetInfo::is_gateway) {
            return;
        }
        let source = self.sources.entry(mac);
        if source.asked.is_empty() || event.at.saturating_sub(source.start) > self.limits.window {
            source.turn(event.at, &self.limits);
        }
        if source.asked.len() >= self.limits.members || source.asked.iter().any(|a| a.target == lookup.target)
        {
            return;
        }
        source.subject = Subject {
            src_ip: lookup.sender.map(IpAddr::V4).or(event.subject.src_ip),
            ..event.subject
        };
        source.last = event.at;
        source.asked.push(Asked {
            target: lookup.target,
            at: event.at,
            order: event.order,
            answered: false,
        });
        if !source.waits && self.asking.len() < self.limits.sources {
            source.waits = true;
            self.asking.push(mac);
        }
    }

    /// A border of packet time: what was asked for and not answered by now was asked for in vain. A
    /// search is told once per window, and again when it has grown tenfold.
    pub fn tick(&mut self, at: Nanos) -> Vec<(Subject, Behaviour)> {
        let mut found = Vec::new();
        let (limits, sources) = (&self.limits, &mut self.sources);
        self.asking.retain(|mac| {
            let Some(source) = sources.get(*mac) else {
                return false;
            };
            if let Some(behaviour) = source.judge(*mac, at, limits) {
                found.push((source.subject, behaviour));
            }
            // What was asked just now is looked at once more.
            source.waits = at.saturating_sub(source.last) < limits.patience;
            source.waits
        });
        found
    }
}

impl Source {
    /// Goes on to the window of a moment; what was in vain in the one that is over is kept for the day.
    fn turn(&mut self, at: Nanos, limits: &SweepLimits) {
        let quick = self.told > 0;
        if at.saturating_sub(self.day.start) > limits.slow_window {
            self.day = Day {
                // The first question of the window that is over.
                start: if self.asked.is_empty() { at } else { self.start },
                ..Day::default()
            };
        }
        let day = &mut self.day;
        // Nothing is slow that was told as quick.
        day.told |= quick;
        for asked in self.asked.drain(..) {
            if asked.answered {
                day.answered += 1;
            } else if at.saturating_sub(asked.at) >= limits.patience
                && day.failed.len() < limits.members
                && !day.failed.contains(&asked.target)
            {
                day.failed.push(asked.target);
                if day.examples.len() < EXAMPLES {
                    day.examples.push(asked.order);
                }
            }
        }
        self.start = at;
        self.told = 0;
    }

    fn judge(&mut self, mac: Mac, at: Nanos, limits: &SweepLimits) -> Option<Behaviour> {
        let least = limits.hosts.max(1);
        let in_vain = |a: &&Asked| !a.answered && at.saturating_sub(a.at) >= limits.patience;
        let failed = self.asked.iter().filter(in_vain).count();
        let answered = self.asked.iter().filter(|a| a.answered).count();
        let grown = self.told == 0 || failed >= self.told.saturating_mul(10);
        if failed >= least && failed >= answered && grown {
            self.told = failed;
            // The latest: before it began a device may have asked for one that was off.
            let latest = self.asked.iter().rev().filter(in_vain).take(EXAMPLES);
            let mut evidence: Vec<Order> = latest.map(|a| a.order).collect();
            evidence.reverse();
            return Some(self.report(mac, (failed, answered), self.start, evidence));
        }
        let day = &self.day;
        if day.told || self.told > 0 || day.failed.is_empty() {
            return None;
        }
        let new = |a: &&Asked| in_vain(a) && !day.failed.contains(&a.target);
        let failed = day.failed.len() + self.asked.iter().filter(new).count();
        let answered = day.answered + answered;
        // Over a day much is asked for that is off: most has to be in vain.
        if failed < least.saturating_mul(limits.slow_factor) || failed < answered.saturating_mul(2) {
            return None;
        }
        let (start, evidence) = (day.start, day.examples.clone());
        self.day.told = true;
        Some(self.report(mac, (failed, answered), start, evidence))
    }

    fn report(
        &self,
        mac: Mac,
        (failed, answered): (usize, usize),
        since: Nanos,
        evidence: Vec<Order>,
    ) -> Behaviour {
        let seconds = self.last.saturating_sub(since).max(0) as f64 / 1e9;
        let card = || mac.map(|b| format!("{b:02x}")).join(":");
        let who = self.subject.src_ip.map_or_else(card, |ip| ip.to_string());
        let asked = failed + answered;
        Behaviour {
            kind: "horizontal_scan",
            reason: say!(
                "swept-link",
                "{who} asked its link for {asked} (ARP) within {seconds} s, {failed} of them in vain",
                who = who,
                asked = counted(asked, "address", "addresses"),
                seconds = format!("{seconds:.0}"),
                failed = failed
            ),
            score: failed as f64 / asked as f64 * (1.0 - 2.0 / failed as f64),
            features: vec![
                ("tried", asked as f64),
                ("in_vain", failed as f64),
                ("seconds", seconds),
            ],
            technique: Some(Technique::REMOTE_SYSTEM_DISCOVERY),
            evidence,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use citywall_event::Lookup;
    use expect_test::expect;

    const SCANNER: Mac = [2, 0, 0, 0, 0, 1];

    fn event(number: u64, millis: i64, answer: bool, target: u8) -> Event {
        let at = millis * 1_000_000;
        let other = [2, 0, 0, 0, 1, target];
        let (src_mac, dst_mac) = if answer {
            (other, SCANNER)
        } else {
            (SCANNER, [0xff; 6])
        };
        Event {
            order: Order::of_packet(at, 0, number, 0),
            at,
            subject: Subject {
                src_mac: Some(src_mac),
                dst_mac: Some(dst_mac),
                ..Subject::default()
            },
            app_proto: None,
            body: Body::Lookup(Lookup {
                sender: Some(Ipv4Addr::new(10, 0, 0, 1)),
                target: Ipv4Addr::new(10, 0, 0, target),
                answer,
            }),
        }
    }

    /// Every `every` ms one more address is asked for; those that `answers` says are told within 5 ms.
    fn run(count: u8, every: i64, answers: impl Fn(u8) -> bool) -> Vec<String> {
        let mut watch = SweepWatch::new(SweepLimits::default());
        let context = Context::default();
        let mut told = Vec::new();
        let mut border = 0;
        let mut tick = |watch: &mut SweepWatch, millis: i64| {
            while border + 1_000 <= millis {
                border += 1_000;
                let found = watch.tick(border * 1_000_000);
                told.extend(found.into_iter().map(|(s, b)| {
                    let examples = b.evidence.len();
                    format!("{:?} {} {:.2} {examples}", s.src_ip, b.reason, b.score)
                }));
            }
        };
        for i in 0..count {
            let at = i64::from(i) * every;
            tick(&mut watch, at);
            watch.observe(&event(u64::from(i) * 2, at, false, i), &context);
            if answers(i) {
                watch.observe(&event(u64::from(i) * 2 + 1, at + 5, true, i), &context);
            }
        }
        tick(&mut watch, i64::from(count) * every + 5_000);
        told
    }

    #[test]
    fn a_link_that_is_searched_is_told_though_some_answer() {
        expect![[r#"
            [
                "Some(10.0.0.1) 10.0.0.1 asked its link for 125 addresses (ARP) within 2 s, 75 of them in vain 0.58 4",
            ]
        "#]]
        .assert_debug_eq(&run(250, 10, |i| i % 4 == 0));
        // One a second, as who does not want to be seen.
        expect![[r#"
            [
                "Some(10.0.0.1) 10.0.0.1 asked its link for 16 addresses (ARP) within 15 s, 16 of them in vain 0.88 4",
                "Some(10.0.0.1) 10.0.0.1 asked its link for 160 addresses (ARP) within 159 s, 160 of them in vain 0.99 4",
            ]
        "#]]
        .assert_debug_eq(&run(200, 1_000, |_| false));
    }

    #[test]
    fn a_search_that_takes_its_time_is_found_over_a_day() {
        expect!["Some(10.0.0.1) 10.0.0.1 asked its link for 37 addresses (ARP) within 14400 s, 32 of them in vain 0.81 4"].assert_eq(&run(120, 400_000, |i| i % 8 == 0).join("\n"));
        // Most answer; the same few that are off; and few a day, though for many days.
        assert_eq!(run(250, 300_000, |i| i % 2 == 0), Vec::<String>::new());
        assert_eq!(run(60, 3_600_000, |_| false), Vec::<String>::new());
    }

    #[test]
    fn who_is_answered_or_asks_for_the_same_few_searches_nothing() {
        assert_eq!(run(250, 0, |_| true), Vec::<String>::new());
        assert_eq!(run(250, 10, |i| i % 2 == 0 || i > 30), Vec::<String>::new());
        let mut watch = SweepWatch::new(SweepLimits::default());
        for i in 0..10_000 {
            watch.observe(
                &event(i, i as i64 * 100, false, (i % 8) as u8),
                &Context::default(),
            );
            assert!(watch.tick(i as i64 * 100_000_000).is_empty());
        }
    }

    #[test]
    fn a_flood_of_invented_askers_takes_no_more_room() {
        let limits = SweepLimits::default();
        let mut watch = SweepWatch::new(limits);
        for i in 0..20_000u64 {
            let mut event = event(i, 0, false, 7);
            let [.., a, b, c, d] = i.to_be_bytes();
            event.subject.src_mac = Some([2, 0, a, b, c, d]);
            watch.observe(&event, &Context::default());
        }
        assert!(watch.sources.len() <= limits.sources && watch.asking.len() <= limits.sources);
        assert!(watch.forgotten() > 10_000);
    }
}
