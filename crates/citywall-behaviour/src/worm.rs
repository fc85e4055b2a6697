//! Worms: one device gives many others the same first words, on a service that it did not use so.
//!
//! Owns: whom a device of the city reached on each service in a window, with which first words and how much it said
//! to each, how many it reaches on a normal day, and whether one that was reached goes on likewise. Does not own:
//! tries in vain (`scan`, `sweep`), and what the words are: a hash of them stands for it. Words that are encrypted are
//! never the same twice; that many hosts were told as much, to within a few bytes, stands for those.
//!
//! A poller, or who sets up all devices each night, looks alike: how many each reaches on a service is learned,
//! for a day before anything is told. Only a chain is told at once: somebody who was reached does the same.

use std::net::IpAddr;

use citywall_event::{Behaviour, Body, Context, Event, FlowSummary, Nanos, Order, Technique, counted, say};

use crate::recent::Recent;

/// When it is a worm, and how much is remembered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WormLimits {
    /// Length of a window, nanoseconds of packet time.
    pub window: Nanos,
    /// Hosts that were told the same.
    pub hosts: usize,
    /// Of these, for one that was reached like this itself.
    pub passed_on: usize,
    /// Share of all hosts reached that were told the same.
    pub alike: f64,
    /// How many times the hosts of normal windows.
    pub habit: usize,
    /// What is normal is learned for so long.
    pub learn: Nanos,
    /// Services of devices that are watched at a time.
    pub services: usize,
    /// Hosts that are told apart in one window.
    pub members: usize,
}

impl Default for WormLimits {
    fn default() -> WormLimits {
        WormLimits {
            window: 1_800_000_000_000,
            hosts: 10,
            passed_on: 5,
            alike: 0.8,
            habit: 3,
            learn: 86_400_000_000_000,
            services: 4_096,
            members: 64,
        }
    }
}

const TCP: u8 = 6;

/// Bytes of a packet that are no words: Ethernet, IPv4, TCP and its time stamps.
const HEADERS: u64 = 66;

/// Spreads that are remembered, for those who pass on what they got.
const SPREADS: usize = 32;

const EXAMPLES: usize = 4;

/// Finds worms.
#[derive(Debug)]
pub struct WormWatch {
    limits: WormLimits,
    services: Recent<(IpAddr, u16), Service>,
    /// The latest that were told.
    spreads: Vec<Spread>,
    /// The first event: learning begins there.
    since: Option<Nanos>,
}

/// One device as a client of one service.
#[derive(Debug, Default)]
struct Service {
    start: Nanos,
    reached: Vec<(IpAddr, Said)>,
    /// Hosts of a window, at most, while nothing was told.
    habit: usize,
    /// What becomes part of the habit unless the next window goes on with it.
    pending: usize,
    told: bool,
    examples: Vec<Order>,
}

/// What a client said in a conversation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Said {
    /// See [`FlowSummary::first_words`]: 0 where they are not known.
    words: u32,
    bytes: u64,
}

/// What many were told alike.
#[derive(Clone, Copy, Debug)]
enum Alike {
    /// The same first words.
    Words(Said),
    /// As much, whatever the words were.
    Size(Said),
}

/// Somebody who was told of, and whom it reached.
#[derive(Debug)]
struct Spread {
    by: IpAddr,
    port: u16,
    what: Alike,
    hosts: Vec<IpAddr>,
}

impl WormWatch {
    /// Has heard nothing.
    pub fn new(limits: WormLimits) -> WormWatch {
        WormWatch {
            limits,
            services: Recent::new(limits.services),
            spreads: Vec::new(),
            since: None,
        }
    }

    /// Services that were forgotten for lack of room.
    pub fn forgotten(&self) -> u64 {
        self.services.forgotten()
    }

    /// Takes one event; the `Behaviour` is about its `src`: once per device, service and window.
    pub fn observe(&mut self, event: &Event, context: &Context) -> Option<Behaviour> {
        let Body::Flow(flow) = &event.body else {
            return None;
        };
        let subject = &event.subject;
        // With a city file, who is outside is not watched: visitors would take all the room.
        let ours = context.is_empty() || subject.src_zone.is_some();
        if subject.protocol != Some(TCP) || !ours || !spoke(flow) {
            return None;
        }
        let (source, host, port) = (subject.src_ip?, subject.dst_ip?, subject.dst_port?);
        let limits = self.limits;
        let known = event.at.saturating_sub(*self.since.get_or_insert(event.at)) >= limits.learn;
        let service = self.services.entry((source, port));
        service.turn(event.at, &limits);
        let full = service.reached.len() >= limits.members;
        if full || service.reached.iter().any(|(ip, _)| *ip == host) {
            return None;
        }
        let said = Said {
            words: flow.first_words,
            bytes: flow.bytes[0],
        };
        service.reached.push((host, said));
        if service.examples.len() < EXAMPLES {
            service.examples.push(event.order);
        }
        if service.told {
            let mine = |s: &&mut Spread| s.by == source && s.port == port;
            if let Some(spread) = self.spreads.iter_mut().find(mine) {
                spread.hosts.push(host);
            }
            return None;
        }
        let (what, alike) = service.alike(&limits)?;
        let from = |s: &&Spread| s.port == port && s.what.goes_on_in(what) && s.hosts.contains(&source);
        let from = self.spreads.iter().find(from).map(|s| s.by);
        let least = match from {
            Some(_) => limits.passed_on,
            None if known => limits.hosts,
            None => return None,
        };
        let least = least.max(service.habit.saturating_mul(limits.habit));
        if alike < least || (alike as f64) < limits.alike * service.reached.len() as f64 {
            return None;
        }
        service.told = true;
        let found = service.report(source, port, (what, alike), from, event.at);
        if self.spreads.len() >= SPREADS {
            self.spreads.remove(0);
        }
        self.spreads.push(Spread {
            by: source,
            port,
            what,
            hosts: service.reached.iter().map(|(ip, _)| *ip).collect(),
        });
        Some(found)
    }
}

/// A conversation in which the client said something.
fn spoke(flow: &FlowSummary) -> bool {
    flow.established && flow.packets[1] > 0 && flow.bytes[0] > HEADERS * flow.packets[0]
}

impl Said {
    /// As much, but for a packet that was sent twice, or an acknowledgement.
    fn as_much(self, other: Said) -> bool {
        self.bytes.abs_diff(other.bytes) <= 2 * HEADERS + other.bytes / 50
    }

    /// The same words, and what came behind them is of the same kind: at most twice as much.
    fn same_words(self, other: Said) -> bool {
        let (less, more) = (self.bytes.min(other.bytes), self.bytes.max(other.bytes));
        self.words != 0 && self.words == other.words && more <= less.saturating_mul(2)
    }
}

impl Alike {
    fn said(self) -> Said {
        match self {
            Alike::Words(said) | Alike::Size(said) => said,
        }
    }

    fn holds(self, said: Said) -> bool {
        match self {
            Alike::Words(of) => said.same_words(of),
            Alike::Size(of) => said.as_much(of),
        }
    }

    /// True where `next`, of somebody who was reached, may be this passed on.
    fn goes_on_in(self, next: Alike) -> bool {
        let (was, is) = (self.said(), next.said());
        is.same_words(was) || is.as_much(was)
    }
}

impl Service {
    /// Goes on to the window of a moment.
    fn turn(&mut self, at: Nanos, limits: &WormLimits) {
        if at.saturating_sub(self.start) <= limits.window {
            return;
        }
        let seen = if self.told { 0 } else { self.reached.len() };
        self.habit = self.habit.max(self.pending);
        self.pending = seen;
        if at.saturating_sub(self.start) > limits.window.saturating_mul(2) {
            self.habit = self.habit.max(seen);
        }
        self.start = at;
        self.told = false;
        self.reached.clear();
        self.examples.clear();
    }

    /// What most hosts were told alike, and how many: the words of the one of the middle size, or its size where
    /// that holds for more. `None` where there are too few for either.
    fn alike(&self, limits: &WormLimits) -> Option<(Alike, usize)> {
        if self.reached.len() < limits.passed_on.min(limits.hosts).max(2) {
            return None;
        }
        let mut said: Vec<Said> = self.reached.iter().map(|(_, said)| *said).collect();
        said.sort_unstable_by_key(|said| (said.bytes, said.words));
        let middle = *said.get(said.len() / 2)?;
        let of = |what: Alike| (what, said.iter().filter(|said| what.holds(**said)).count());
        let (words, size) = (of(Alike::Words(middle)), of(Alike::Size(middle)));
        Some(if words.1 >= size.1 { words } else { size })
    }

    fn report(
        &self,
        source: IpAddr,
        port: u16,
        (what, alike): (Alike, usize),
        from: Option<IpAddr>,
        at: Nanos,
    ) -> Behaviour {
        let seconds = at.saturating_sub(self.start).max(0) as f64 / 1e9;
        let (service, lasted) = (format!("tcp/{port}"), format!("{seconds:.0}"));
        let (size, habit) = (what.said().bytes, self.habit);
        let (reason, score) = match (what, from) {
            (Alike::Words(_), Some(from)) => (
                say!(
                    "spreads-words-on",
                    "{who} was reached by {from} on {service} and within {seconds} s said the same first words to {n}: \
                     it passes on what it got",
                    who = source,
                    from = from,
                    service = service,
                    seconds = lasted,
                    n = counted(alike, "host", "hosts")
                ),
                0.95,
            ),
            (Alike::Size(_), Some(from)) => (
                say!(
                    "spreads-on",
                    "{who} was reached by {from} on {service} and within {seconds} s said as much ({bytes}) to \
                     {n}: it passes on what it got",
                    who = source,
                    from = from,
                    service = service,
                    seconds = lasted,
                    bytes = counted(size, "byte", "bytes"),
                    n = counted(alike, "host", "hosts")
                ),
                0.95,
            ),
            (Alike::Words(_), None) => (
                say!(
                    "spreads-words",
                    "{who} said the same first words to {n} on {service} within {seconds} s; never to more than \
                     {habit} before",
                    who = source,
                    n = counted(alike, "host", "hosts"),
                    service = service,
                    seconds = lasted,
                    habit = habit
                ),
                0.85,
            ),
            (Alike::Size(_), None) => (
                say!(
                    "spreads",
                    "{who} said the same amount ({bytes}) to {n} on {service} within {seconds} s; never to \
                     more than {habit} before",
                    who = source,
                    bytes = counted(size, "byte", "bytes"),
                    n = counted(alike, "host", "hosts"),
                    service = service,
                    seconds = lasted,
                    habit = habit
                ),
                0.75,
            ),
        };
        Behaviour {
            kind: "worm_spread",
            reason,
            score,
            features: vec![
                ("hosts", alike as f64),
                ("reached", self.reached.len() as f64),
                ("bytes", size as f64),
                ("habit", habit as f64),
                ("seconds", seconds),
            ],
            technique: Some(Technique::REMOTE_SERVICES),
            evidence: self.examples.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use citywall_event::Subject;
    use expect_test::expect;

    const SECOND: Nanos = 1_000_000_000;
    const DAY: Nanos = 86_400 * SECOND;

    fn event(at: Nanos, from: u8, to: u8, port: u16, bytes: u64) -> Event {
        saying(at, (from, to, port), bytes, 0)
    }

    fn saying(at: Nanos, (from, to, port): (u8, u8, u16), bytes: u64, first_words: u32) -> Event {
        Event {
            order: Order::of_packet(at, 0, 1, 0),
            at,
            subject: Subject {
                src_ip: Some([10, 0, 0, from].into()),
                dst_ip: Some([10, 0, 1, to].into()),
                dst_port: Some(port),
                protocol: Some(TCP),
                ..Subject::default()
            },
            app_proto: None,
            body: Body::Flow(FlowSummary {
                packets: [5, 5],
                bytes: [bytes, 400],
                established: true,
                first_words,
                ..FlowSummary::default()
            }),
        }
    }

    fn run(events: impl Iterator<Item = Event>) -> Vec<String> {
        let mut watch = WormWatch::new(WormLimits::default());
        let city = Context::default();
        let found = events.filter_map(|e| watch.observe(&e, &city));
        found.map(|b| format!("{:.2} {}", b.score, b.reason)).collect()
    }

    /// `to` becomes the host that is reached, `from` who reaches.
    fn wave(begin: Nanos, from: u8, port: u16) -> impl Iterator<Item = Event> {
        (0..35u8).map(move |i| {
            event(
                begin + i64::from(i) * 20 * SECOND,
                from,
                i,
                port,
                900 + u64::from(i % 2),
            )
        })
    }

    #[test]
    fn the_same_words_for_many_and_who_passes_them_on() {
        let first = std::iter::once(event(0, 1, 1, 443, 2_000));
        let mut second: Vec<Event> = wave(DAY + 3_000 * SECOND, 3, 23).collect();
        // The one that goes on was reached by the first.
        for event in &mut second {
            event.subject.src_ip = Some([10, 0, 1, 3].into());
        }
        expect![[r#"
            0.75 10.0.0.9 said the same amount (901 bytes) to 10 hosts on tcp/23 within 180 s; never to more than 0 before
            0.95 10.0.1.3 was reached by 10.0.0.9 on tcp/23 and within 80 s said as much (900 bytes) to 5 hosts: it passes on what it got"#]].assert_eq(&run(first.chain(wave(DAY, 9, 23)).chain(second)).join("\n"));
    }

    #[test]
    fn the_same_first_words_are_enough_where_what_follows_differs() {
        let first = || std::iter::once(event(0, 1, 1, 443, 2_000));
        let wave = |begin: Nanos, from: u8, differs: u32| {
            (0..35u8).map(move |i| {
                let at = begin + i64::from(i) * 20 * SECOND;
                let bytes = 900 + u64::from(i % 7) * 140;
                saying(at, (from, i, 23), bytes, 77 + differs * u32::from(i))
            })
        };
        let mut second: Vec<Event> = wave(DAY + 3_000 * SECOND, 3, 0).collect();
        for event in &mut second {
            event.subject.src_ip = Some([10, 0, 1, 3].into());
        }
        expect![[r#"
            0.85 10.0.0.9 said the same first words to 10 hosts on tcp/23 within 180 s; never to more than 0 before
            0.95 10.0.1.3 was reached by 10.0.0.9 on tcp/23 and within 80 s said the same first words to 5 hosts: it passes on what it got"#]].assert_eq(&run(first().chain(wave(DAY, 9, 0)).chain(second)).join("\n"));
        // Each begins differently, and no size is that of most.
        assert_eq!(run(first().chain(wave(DAY, 9, 1))), Vec::<String>::new());
    }

    #[test]
    fn what_is_done_each_night_is_a_habit_and_all_is_learned_at_first() {
        let nights = (0..10).flat_map(|night| wave(night * DAY, 9, 22));
        assert_eq!(run(nights), Vec::<String>::new());
    }

    #[test]
    fn many_pages_of_different_sizes_and_empty_conversations_are_none() {
        let first = || std::iter::once(event(0, 1, 1, 443, 2_000));
        let pages = (0..60u8).map(|i| event(DAY, 9, i, 443, 1_500 + u64::from(i) * 117));
        assert_eq!(run(first().chain(pages)), Vec::<String>::new());
        let knocks = (0..60u8).map(|i| event(DAY, 9, i, 443, 300));
        assert_eq!(run(first().chain(knocks)), Vec::<String>::new());
    }

    #[test]
    fn memory_is_bounded() {
        let limits = WormLimits {
            services: 16,
            ..WormLimits::default()
        };
        let mut watch = WormWatch::new(limits);
        for i in 0..20_000u32 {
            let at = DAY + i64::from(i) * SECOND;
            watch.observe(
                &event(at, (i % 50) as u8, (i / 50) as u8, 23, 900),
                &Context::default(),
            );
        }
        assert!(watch.services.len() <= limits.services && watch.spreads.len() <= SPREADS);
        assert!(watch.forgotten() > 10);
    }
}
