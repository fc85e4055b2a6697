//! The guessing of passwords by somebody who takes his time.
//!
//! Owns: the latest failed logins of a source within a day, whatever hosts they were on, and for SSH, which hides
//! its logins, its short sessions. Does not own: many within minutes, and a success after them (`guessing`).
//!
//! Two that look alike are told apart. A device that was never told the new password tries the old one at a
//! steady rhythm, and always for the same account. A person mistypes and then succeeds: with a success the
//! failures on that host are forgotten.

use std::net::IpAddr;

use citywall_event::{Behaviour, Body, Event, Nanos, Order, Technique, counted, say};
use hashbrown::HashSet;

use crate::guessing::is_short;
use crate::names::hash;
use crate::recent::Recent;

/// When slow guessing is guessing, and how much is remembered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SlowGuessingLimits {
    /// Within this time, nanoseconds.
    pub window: Nanos,
    /// Tries; those that follow at once are one.
    pub tries: usize,
    /// What follows within this time is the same try, nanoseconds.
    pub at_once: Nanos,
    /// A rhythm is steady where so many of its gaps are within a tenth of the middle one.
    pub steady: f64,
    /// Sources that are watched at a time.
    pub sources: usize,
}

impl Default for SlowGuessingLimits {
    fn default() -> SlowGuessingLimits {
        SlowGuessingLimits {
            window: 86_400_000_000_000,
            tries: 20,
            at_once: 10_000_000_000,
            steady: 0.75,
            sources: 2_048,
        }
    }
}

const EXAMPLES: usize = 4;

/// What was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum How {
    Login,
    Session,
}

/// Finds those who guess slowly.
#[derive(Debug)]
pub struct SlowGuessing {
    limits: SlowGuessingLimits,
    sources: Recent<(IpAddr, How), Tries>,
}

#[derive(Debug, Default)]
struct Tries {
    /// The latest, no more than are needed.
    latest: Vec<Try>,
    /// The last event of the last try.
    last: Nanos,
    told: Option<Nanos>,
}

#[derive(Clone, Copy, Debug)]
struct Try {
    at: Nanos,
    host: IpAddr,
    /// A hash of the account's name.
    account: u64,
    order: Order,
}

impl SlowGuessing {
    /// Has heard nothing.
    pub fn new(limits: SlowGuessingLimits) -> SlowGuessing {
        SlowGuessing {
            limits,
            sources: Recent::new(limits.sources),
        }
    }

    /// Sources that were forgotten for lack of room.
    pub fn forgotten(&self) -> u64 {
        self.sources.forgotten()
    }

    /// Takes one event; the `Behaviour` is about its `src`: `password_guessing`, once, and again
    /// after a day without.
    pub fn observe(&mut self, event: &Event) -> Option<Behaviour> {
        let (source, host) = (event.subject.src_ip?, event.subject.dst_ip?);
        let (how, failed, at, account) = match &event.body {
            Body::Login(login) => (How::Login, !login.success?, event.at, hash(&login.user)),
            Body::Flow(flow) if event.app_proto == Some("ssh") && flow.established => {
                (How::Session, is_short(flow), flow.start, 0)
            }
            _ => return None,
        };
        if !failed {
            // Whoever got in knows the password.
            if let Some(tries) = self.sources.get((source, how)) {
                tries.latest.retain(|t| t.host != host);
            }
            return None;
        }
        let tries = self.sources.entry((source, how));
        let follows = !tries.latest.is_empty() && at.saturating_sub(tries.last) < self.limits.at_once;
        tries.last = at;
        if follows {
            return None;
        }
        let most = self.limits.tries.max(3);
        if tries.latest.len() >= most {
            tries.latest.remove(0);
        }
        tries.latest.push(Try {
            at,
            host,
            account,
            order: event.order,
        });
        if tries.latest.len() < most {
            return None;
        }
        tries.judge(source, how, &self.limits)
    }
}

impl Tries {
    fn judge(&mut self, source: IpAddr, how: How, limits: &SlowGuessingLimits) -> Option<Behaviour> {
        let (first, last) = (self.latest.first()?, self.latest.last()?);
        let lasted = last.at.saturating_sub(first.at);
        let (end, latest) = (last.at, last.order);
        if lasted > limits.window {
            return None;
        }
        let accounts: HashSet<u64> = self.latest.iter().map(|t| t.account).collect();
        let steadiness = self.steadiness();
        if accounts.len() < 2 && steadiness >= limits.steady {
            return None;
        }
        let again = self
            .told
            .is_some_and(|told| end.saturating_sub(told) < limits.window);
        self.told = Some(end);
        // What was judged does not count again: after it, an old password may be retried as before.
        let tries = std::mem::take(&mut self.latest);
        if again {
            return None;
        }
        let n = tries.len();
        let hosts: HashSet<IpAddr> = tries.iter().map(|t| t.host).collect();
        let on = match hosts.len() {
            1 => say!("one-host", "one host"),
            many => say!("many-hosts", "{n}", n = counted(many, "host", "hosts")),
        };
        let hours = format!("{:.1}", lasted as f64 / 3.6e12);
        let reason = match how {
            How::Login => say!(
                "guesses-slowly",
                "{who} failed to log in {n} on {hosts} within {hours} h, at no steady rhythm or with changing \
                 accounts, and never succeeded: whoever guesses slowly looks like that",
                who = source,
                n = counted(n, "time", "times"),
                hosts = on,
                hours = hours
            ),
            How::Session => say!(
                "short-sessions-slowly",
                "{who} opened {n} on {hosts} within {hours} h, at no steady rhythm: what is tried in \
                 them cannot be seen, but whoever guesses slowly looks like that",
                who = source,
                n = counted(n, "short SSH session", "short SSH sessions"),
                hosts = on,
                hours = hours
            ),
        };
        let mut examples: Vec<Order> = tries.iter().take(EXAMPLES - 1).map(|t| t.order).collect();
        examples.push(latest);
        Some(Behaviour {
            kind: "password_guessing",
            reason,
            score: match how {
                How::Login => 0.8,
                How::Session => 0.7,
            },
            features: vec![
                ("tries", n as f64),
                ("hosts", hosts.len() as f64),
                ("accounts", accounts.len() as f64),
                ("steadiness", steadiness),
                ("seconds", lasted as f64 / 1e9),
            ],
            technique: Some(Technique::BRUTE_FORCE),
            evidence: examples,
        })
    }

    /// Share of the gaps that are within a tenth of the middle one.
    fn steadiness(&self) -> f64 {
        let pairs = self.latest.windows(2);
        let mut gaps: Vec<Nanos> = pairs.map(|p| p[1].at.saturating_sub(p[0].at)).collect();
        gaps.sort_unstable();
        let Some(middle) = gaps.get(gaps.len() / 2).copied() else {
            return 0.0;
        };
        let near = gaps.iter().filter(|gap| (**gap - middle).abs() <= middle / 10);
        near.count() as f64 / gaps.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use citywall_event::{FlowSummary, Login, Subject};
    use expect_test::expect;

    const MINUTE: Nanos = 60_000_000_000;

    fn event(at: Nanos, host: u8, body: Body) -> Event {
        Event {
            order: Order::of_packet(at, 0, 1, 0),
            at,
            subject: Subject {
                src_ip: Some([10, 0, 0, 9].into()),
                dst_ip: Some([10, 0, 1, host].into()),
                protocol: Some(6),
                ..Subject::default()
            },
            app_proto: Some("ssh"),
            body,
        }
    }

    fn login(user: &str, success: bool) -> Body {
        Body::Login(Login {
            protocol: "mqtt",
            user: user.to_owned(),
            password_length: None,
            default_credentials: false,
            success: Some(success),
        })
    }

    fn session(at: Nanos, packets: u64) -> Body {
        Body::Flow(FlowSummary {
            start: at,
            packets: [packets, packets],
            established: true,
            ..FlowSummary::default()
        })
    }

    fn run(events: impl Iterator<Item = Event>) -> Vec<String> {
        let mut watch = SlowGuessing::new(SlowGuessingLimits::default());
        let found = events.filter_map(|e| watch.observe(&e));
        found
            .map(|b| format!("{} {:.2} {}", b.kind, b.score, b.reason))
            .collect()
    }

    /// Ten minutes and up to as much again.
    fn uneven(i: i64) -> Nanos {
        i * 15 * MINUTE + i * i * 7 % 10 * MINUTE
    }

    #[test]
    fn failures_over_a_day_at_no_rhythm_are_told_once() {
        let tries = (0..60).map(|i| event(uneven(i), (i % 3) as u8, login("admin", false)));
        expect!["password_guessing 0.80 10.0.0.9 failed to log in 20 times on 3 hosts within 4.9 h, at no steady rhythm or with changing accounts, and never succeeded: whoever guesses slowly looks like that"].assert_eq(&run(tries).join("\n"));
        let sessions = (0..60).map(|i| event(uneven(i), 1, session(uneven(i), 18)));
        expect!["password_guessing 0.70 10.0.0.9 opened 20 short SSH sessions on one host within 4.9 h, at no steady rhythm: what is tried in them cannot be seen, but whoever guesses slowly looks like that"].assert_eq(&run(sessions).join("\n"));
        // A clock's rhythm, but always somebody else.
        let accounts = (0..60).map(|i| event(i * 15 * MINUTE, 1, login(&format!("user{i}"), false)));
        assert_eq!(run(accounts).len(), 1);
    }

    #[test]
    fn an_old_password_at_a_steady_rhythm_is_none() {
        let retries = (0..500i64).flat_map(|i| {
            let at = i * 60 * MINUTE + i * i % 7 * MINUTE / 10;
            [0, 1].map(|j| event(at + j * 1_000_000_000, 1, login("kiosk", false)))
        });
        assert_eq!(run(retries), Vec::<String>::new());
        let mirror = (0..500i64).map(|i| event(i * 10 * MINUTE, 1, session(i * 10 * MINUTE, 20)));
        assert_eq!(run(mirror), Vec::<String>::new());
    }

    #[test]
    fn who_retries_an_old_password_after_it_guessed_is_not_told_again() {
        let begin = uneven(60);
        let guesses = (0..60).map(|i| event(uneven(i), 2, login("admin", false)));
        let retries = (1..200i64).map(|i| event(begin + i * 60 * MINUTE, 1, login("admin", false)));
        assert_eq!(run(guesses.chain(retries)).len(), 1);
    }

    #[test]
    fn who_mistypes_and_succeeds_or_works_for_long_is_none() {
        let slips = (0..100).map(|i| event(uneven(i), 1, login("anna", i % 3 == 2)));
        assert_eq!(run(slips), Vec::<String>::new());
        let work = (0..100).map(|i| {
            let packets = if i % 5 == 4 { 900 } else { 20 };
            event(uneven(i), 1, session(uneven(i), packets))
        });
        assert_eq!(run(work), Vec::<String>::new());
        // Few a day, though for weeks.
        let few = (0..200).map(|i| event(uneven(i) * 8, 1, login("admin", false)));
        assert_eq!(run(few), Vec::<String>::new());
    }
}
