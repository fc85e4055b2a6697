//! Conversations that begin, are held and end; behaviour out.

use citywall_event::{Behaviour, Body, Contact, Ended, Event, FlowSummary, Nanos, Order, Subject};
use expect_test::expect;
use proptest::prelude::*;

use crate::{CrowdingLimits, CrowdingWatch};

const MILLI: Nanos = 1_000_000;
const SECOND: Nanos = 1_000_000_000;

/// Begins (true) or ends (false) a conversation.
fn event(number: u64, at: Nanos, src: &str, begins: bool) -> Event {
    let body = if begins {
        Body::Contact(Contact { midstream: false })
    } else {
        Body::Flow(FlowSummary {
            packets: [5, 5],
            ..FlowSummary::default()
        })
    };
    Event {
        order: Order::of_packet(at, 0, number, 0),
        at,
        subject: Subject {
            src_ip: src.parse().ok(),
            dst_ip: "10.0.0.80".parse().ok(),
            dst_port: Some(80),
            protocol: Some(6),
            ..Subject::default()
        },
        app_proto: None,
        body,
    }
}

/// Each of `clients` begins a conversation every `every`, and each ends after `lasts` (never where 0).
fn crowd(clients: u8, every: Nanos, lasts: Nanos, until: Nanos) -> Vec<Event> {
    let mut moments = Vec::new();
    for client in 0..clients {
        let shift = every * Nanos::from(client) / Nanos::from(clients);
        for begin in (SECOND + shift..until).step_by(every as usize) {
            moments.push((begin, client, true));
            if lasts > 0 && begin + lasts < until {
                moments.push((begin + lasts, client, false));
            }
        }
    }
    moments.sort_unstable();
    let event = |(n, (at, client, begins)): (u64, (Nanos, u8, bool))| {
        event(n, at, &format!("198.51.100.{client}"), begins)
    };
    (1..).zip(moments).map(event).collect()
}

fn hear(events: &[Event]) -> Vec<Behaviour> {
    let mut watch = CrowdingWatch::new(CrowdingLimits::default());
    events.iter().filter_map(|event| watch.observe(event)).collect()
}

fn show(found: &[Behaviour]) -> String {
    let line = |b: &Behaviour| format!("{} {:.2} {}\n", b.kind, b.score, b.reason);
    found.iter().map(line).collect()
}

#[test]
fn who_holds_places_is_told_once() {
    // 50 a second that never end, as slow-loris does.
    let found = hear(&crowd(1, 20 * MILLI, 0, 20 * SECOND));
    expect![[r#"
        connections_held 0.50 198.51.100.0 holds 100 conversations open with 10.0.0.80 (tcp/80) and began 100 of them in the last seconds; 0 ended
    "#]]
    .assert_eq(&show(&found));
    assert_eq!(found[0].evidence.len(), 4);
}

#[test]
fn what_was_closed_takes_no_place_though_it_is_remembered() {
    // 25 short ones a second, each remembered for ten seconds behind its end.
    let begun = crowd(1, 40 * MILLI, 0, 30 * SECOND);
    let later = |event: &Event, by: Nanos, body: Body| Event {
        at: event.at + by,
        body,
        ..event.clone()
    };
    let mut events: Vec<Event> = begun
        .iter()
        .flat_map(|event| {
            let summary = FlowSummary {
                packets: [5, 5],
                ended: true,
                ..FlowSummary::default()
            };
            [
                event.clone(),
                later(event, 30 * MILLI, Body::Ended(Ended { answered: true })),
                later(event, 10 * SECOND, Body::Flow(summary)),
            ]
        })
        .collect();
    events.sort_by_key(|event| event.at);
    assert_eq!(hear(&events), []);
}

#[test]
fn requests_without_end_are_told_once() {
    let found = hear(&crowd(1, 5 * MILLI, 30 * MILLI, 20 * SECOND));
    expect![[r#"
        request_flood 0.50 198.51.100.0 began 500 conversations with 10.0.0.80 (tcp/80) in the last seconds and goes on; never more than 0 before
    "#]]
    .assert_eq(&show(&found));
}

#[test]
fn a_crowd_is_none_of_it() {
    // A thousand requests a second, but of two hundred people.
    assert_eq!(hear(&crowd(200, 200 * MILLI, 90 * MILLI, 12 * SECOND)), []);
}

#[test]
fn a_pool_that_grew_slowly_is_a_habit() {
    // A proxy: over minutes it comes to 120 conversations which it keeps.
    let slowly = (1..=120).map(|n| event(n, SECOND * n as Nanos, "10.0.0.7", true));
    assert_eq!(hear(&slowly.collect::<Vec<_>>()), []);
}

#[test]
fn what_is_watched_is_bounded() {
    let limits = CrowdingLimits {
        pairs: 64,
        ..CrowdingLimits::default()
    };
    let mut watch = CrowdingWatch::new(limits);
    for n in 0..5_000_u64 {
        let src = format!("10.{}.{}.9", n / 250, n % 250);
        assert_eq!(watch.observe(&event(n, SECOND + n as Nanos, &src, true)), None);
    }
    assert!(watch.forgotten() >= 5_000 - 64);
}

proptest! {
    /// However conversations come and go, who stays below both limits is never told.
    #[test]
    fn below_the_limits_nothing_is_told(steps in proptest::collection::vec((0..3 * SECOND / 100, any::<bool>()), 1..400)) {
        let (mut at, mut open, mut events) = (SECOND, 0_u32, Vec::new());
        for (n, (gap, begins)) in (1..).zip(steps) {
            // Not more than one in 11 ms, and at most 99 at a time.
            at += gap + 11 * MILLI;
            let begins = (begins || open == 0) && open < 99;
            open = if begins { open + 1 } else { open - 1 };
            events.push(event(n, at, "10.0.0.9", begins));
        }
        prop_assert_eq!(hear(&events), vec![]);
    }
}
