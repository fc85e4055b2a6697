//! What is learned, what is only proposed, what deviates, and the laws of learning.

use std::net::IpAddr;

use citywall_event::{
    Asset, AssetInfo, Body, Command, CommandOutcome, Contact, Context, ContextParts, Criticality, Event,
    FlowSummary, NameAnswer, Nanos, Order as Place, Prefix, Side, Sighting, SightingTrait, Subject, Value,
    Verb, ZoneInfo,
};
use expect_test::expect;
use proptest::prelude::*;

use super::*;

mod exports;
mod laws;

const HOUR: Nanos = 3_600_000_000_000;
const DAY: Nanos = 24 * HOUR;

/// A Monday, 00:00 UTC.
const START: Nanos = 1_767_571_200_000_000_000;

pub(super) fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// One event; `at` counts from `START`.
pub(super) fn event(at: Nanos, from: &str, to: &str, port: u16, body: Body) -> Event {
    let at = START + at;
    Event {
        order: Place::of_packet(at, 0, 1, 0),
        at,
        subject: Subject {
            flow_id: 1,
            src_ip: Some(ip(from)),
            dst_ip: Some(ip(to)),
            src_port: Some(40_000),
            dst_port: Some(port),
            protocol: Some(6),
            ..Subject::default()
        },
        app_proto: None,
        body,
    }
}

pub(super) fn contact(at: Nanos, from: &str, to: &str, port: u16) -> Event {
    event(at, from, to, port, Body::Contact(Contact { midstream: false }))
}

fn end(at: Nanos, from: &str, to: &str, port: u16, app: &'static str) -> Event {
    let body = Body::Flow(FlowSummary::default());
    Event {
        app_proto: Some(app),
        ..event(at, from, to, port, body)
    }
}

pub(super) fn command(
    at: Nanos,
    from: &str,
    to: &str,
    what: (Verb, &'static str, &str),
    value: Option<Value>,
) -> Event {
    let (verb, function, point) = what;
    let command = Command {
        protocol: "anybus",
        verb,
        function,
        unit: Some(1),
        point: point.to_owned(),
        count: 1,
        value,
        outcome: CommandOutcome::Accepted,
        technique: None,
    };
    event(at, from, to, 502, Body::Command(Box::new(command)))
}

fn print(at: Nanos, from: &str, value: &str) -> Event {
    let body = Body::Sighting(Sighting {
        side: Side::Source,
        trait_: SightingTrait::Fingerprint,
        value: value.to_owned(),
        evidence: "ja4",
    });
    event(at, from, "203.0.113.7", 443, body)
}

fn answer(at: Nanos, asker: &str, name: &str, address: &str) -> Event {
    let body = Body::Answer(NameAnswer {
        name: name.to_owned(),
        addresses: vec![ip(address)],
    });
    event(at, "10.0.0.53", asker, 53, body)
}

/// Three identical pumps, a control centre, a camera.
pub(super) fn city() -> Context {
    let zone = |name: &str| ZoneInfo {
        name: name.to_owned(),
        domain: "city".to_owned(),
        criticality: Criticality::Essential,
        isolated: false,
        inside_denied: false,
    };
    let asset = |name: &str, role: &str, address: &str, zone: u16| AssetInfo {
        name: name.to_owned(),
        roles: vec![role.to_owned()],
        criticality: Criticality::Essential,
        zone: Some(zone),
        maker: Some("Acme".to_owned()),
        addresses: vec![(ip(address), Some(zone))],
        macs: Vec::new(),
    };
    let network = |text: &str| Prefix::new(ip(text), 24).expect("a network");
    Context::new(ContextParts {
        zones: vec![zone("control"), zone("pumps")],
        networks: vec![(network("10.0.0.0"), 0), (network("10.1.0.0"), 1)],
        assets: vec![
            asset("centre", "scada", "10.0.0.1", 0),
            asset("pump-1", "pump", "10.1.0.1", 1),
            asset("pump-2", "pump", "10.1.0.2", 1),
            asset("pump-3", "pump", "10.1.0.3", 1),
        ],
        ..ContextParts::default()
    })
}

pub(super) const PUMPS: [&str; 3] = ["10.1.0.1", "10.1.0.2", "10.1.0.3"];
const CENTRE: &str = "10.0.0.1";
const SPEED: (Verb, &str, &str) = (Verb::Write, "write_register", "holding:40");
const LEVEL: (Verb, &str, &str) = (Verb::Read, "read_registers", "holding:8");

/// A week of the control centre with its pumps, in working hours.
pub(super) fn week() -> Vec<Event> {
    let mut events = Vec::new();
    for day in 0..7 {
        for hour in 8..18 {
            for (n, pump) in PUMPS.into_iter().enumerate() {
                let at = day * DAY + hour * HOUR + n as Nanos;
                events.push(contact(at, CENTRE, pump, 502));
                events.push(command(at, CENTRE, pump, LEVEL, None));
                let speed = Value::Uint(50 + (hour as u64 * 7 + n as u64) % 20);
                events.push(command(at, CENTRE, pump, SPEED, Some(speed)));
                events.push(end(at, CENTRE, pump, 502, "anybus"));
                events.push(answer(at, pump, "update.acme.example", "203.0.113.7"));
                events.push(contact(at, pump, "203.0.113.7", 443));
                events.push(print(at, pump, "t13d1516h2_aa_bb"));
            }
        }
    }
    events
}

/// That week, with a watchman who looks at the centre each hour of the day.
fn watched() -> Vec<Event> {
    let mut events = week();
    events.extend((0..7 * 24).map(|hour| contact(hour * HOUR, "10.0.0.9", CENTRE, 22)));
    events.sort_by_key(|event| event.at);
    events
}

pub(super) fn learned(events: &[Event], context: &Context) -> AllowLearner {
    let mut learner = AllowLearner::new(AllowLimits::default());
    events.iter().for_each(|event| learner.observe(event, context));
    learner
}

pub(super) fn list(events: &[Event]) -> AllowList {
    let context = city();
    learned(events, &context).propose("Testville", AllowDoubt::default())
}

/// What deviates, in words.
fn deviations(list: &AllowList, events: &[Event]) -> String {
    let context = city();
    let mut watch = AllowWatch::new(list.clone(), WatchLimits::default());
    let found = events.iter().filter_map(|event| watch.observe(event, &context));
    found
        .map(|b| format!("{} {:.2}: {}\n", b.kind, b.score, b.reason))
        .collect()
}

#[test]
fn a_week_becomes_sentences() {
    expect![[r#"
        Testville: 5 habits of 4 devices are allowed, 0 are only proposed.
        Learned over 6.4 days, in slots of 3600 s.

        control to pumps:
            2. centre contacts every pump by Acme in zone pumps on tcp/502 (anybus), at most 1 an hour, 8 to 18 UTC.
            3. centre tells every pump by Acme in zone pumps by anybus: read holding:8 of unit 1, at most 1 an hour, 8 to 18 UTC.
            4. centre tells every pump by Acme in zone pumps by anybus: write holding:40 of unit 1 = 50 to 69, at most 1 an hour, 8 to 18 UTC.

        pumps to outside:
            1. every pump by Acme in zone pumps contacts update.acme.example on tcp/443, at most 1 an hour, 8 to 18 UTC.

        pumps:
            5. every pump by Acme in zone pumps shows the ja4 fingerprint t13d1516h2_aa_bb, at most 1 an hour, 8 to 18 UTC.
    "#]].assert_eq(&list(&week()).sentences());
}

#[test]
fn what_was_learned_is_no_deviation() {
    // The week after it.
    let mut next = week();
    next.iter_mut().for_each(|event| event.at += 7 * DAY);
    assert_eq!(deviations(&list(&week()), &next), "");
}

#[test]
fn deviations_stand_beside_what_is_normal() {
    let at = 8 * DAY + 9 * HOUR;
    let mut events = vec![
        command(at, "10.0.0.66", PUMPS[0], SPEED, Some(Value::Uint(60))),
        command(at, CENTRE, PUMPS[0], SPEED, Some(Value::Uint(900))),
        command(
            at,
            CENTRE,
            PUMPS[1],
            (Verb::Write, "write_register", "holding:41"),
            Some(Value::Uint(60)),
        ),
        command(at, CENTRE, PUMPS[1], (Verb::Stop, "stop", ""), None),
        contact(at, PUMPS[2], "198.51.100.9", 443),
        contact(at, PUMPS[2], PUMPS[1], 502),
        contact(at, CENTRE, PUMPS[1], 23),
        contact(at, "10.0.0.66", PUMPS[1], 502),
        print(at, PUMPS[0], "t12d0000_cc_dd"),
        command(8 * DAY + 2 * HOUR, CENTRE, PUMPS[0], LEVEL, None),
    ];
    events.extend((0..60).map(|n| command(at + HOUR + n, CENTRE, PUMPS[0], LEVEL, None)));
    expect![[r#"
        new_commander 0.95: 10.0.0.66 told pump-1 by anybus: write holding:40 = 60: it never commanded that device (normal: centre)
        value_out_of_range 0.80: centre told pump-1 by anybus: write holding:40 = 900: the value is out of range (normal: 50 to 69)
        new_point 0.90: centre told pump-2 by anybus: write holding:41 = 60: it never did that to this point (normal: holding:40 of unit 1)
        new_command 0.95: centre told pump-2 by anybus: stop: it never did stop there (normal: read_registers and write_register)
        new_peer 0.70: pump-3 contacted 198.51.100.9 on tcp/443: it never spoke with that one (normal: update.acme.example)
        new_peer 0.70: pump-3 contacted pump-2 on tcp/502: it never spoke with that one (normal: update.acme.example)
        new_service 0.70: centre contacted pump-2 on tcp/23: it never did on tcp/23 (normal: tcp/502 (anybus))
        new_peer 0.70: 10.0.0.66 contacted pump-2 on tcp/502: that one is new, and never spoke with pump-2 (normal: centre)
        new_fingerprint 0.60: pump-1 showed the ja4 fingerprint t12d0000_cc_dd: that is other software (normal: t13d1516h2_aa_bb)
        unusual_hour 0.50: centre told pump-1 by anybus: read holding:8: it never did at this hour (normal: 8 to 18 UTC)
        unusually_often 0.60: centre told pump-1 by anybus: read holding:8: that is more than 18 times within 3600 s (normal: at most 1)
    "#]].assert_eq(&deviations(&list(&watched()), &events));
}

#[test]
fn everything_deviating_in_one_command_is_told_at_once() {
    let events = [command(8 * DAY, CENTRE, PUMPS[0], SPEED, Some(Value::Uint(900)))];
    let told = deviations(&list(&watched()), &events);
    assert_eq!(told.lines().count(), 1, "{told}");
    assert!(
        told.contains("out of range") && told.contains("at this hour"),
        "{told}"
    );
}

/// A poisoned period: what an attacker does while it is learned must not be allowed by it.
#[test]
fn a_poisoned_period_teaches_nothing() {
    let mut events = week();
    // One odd hour: a wild value, a stop, a stranger as commander.
    let odd = 3 * DAY + 9 * HOUR;
    for n in 0..50 {
        events.push(command(
            odd + n,
            CENTRE,
            PUMPS[0],
            SPEED,
            Some(Value::Uint(9_000)),
        ));
        events.push(command(odd + n, CENTRE, PUMPS[0], (Verb::Stop, "stop", ""), None));
        events.push(command(odd + n, "10.0.0.66", PUMPS[0], LEVEL, None));
    }
    // One pump alone, every hour: a second stage far away, other software.
    for hour in 8..18 {
        events.push(contact(4 * DAY + hour * HOUR, PUMPS[0], "198.51.100.9", 443));
        events.push(print(4 * DAY + hour * HOUR, PUMPS[0], "t12d0000_cc_dd"));
    }
    events.sort_by_key(|event| event.at);
    let list = list(&events);
    let at = 8 * DAY + 9 * HOUR;
    let again = [
        command(at, CENTRE, PUMPS[0], SPEED, Some(Value::Uint(9_000))),
        command(at, CENTRE, PUMPS[0], (Verb::Stop, "stop", ""), None),
        command(at, "10.0.0.66", PUMPS[0], LEVEL, None),
        contact(at, PUMPS[0], "198.51.100.9", 443),
        print(at, PUMPS[0], "t12d0000_cc_dd"),
    ];
    expect![[r#"
        value_out_of_range 0.80: centre told pump-1 by anybus: write holding:40 = 9000: the value is out of range (normal: 50 to 69)
        new_command 0.95: centre told pump-1 by anybus: stop: it never did stop there (normal: read_registers and write_register; seen while learning, but it was done in too few hours, and nobody accepted it)
        new_commander 0.80: 10.0.0.66 told pump-1 by anybus: read holding:8: it never commanded that device (normal: centre; seen while learning, but it was done in too few hours, and nobody accepted it)
        new_peer 0.70: pump-1 contacted 198.51.100.9 on tcp/443: it never spoke with that one (normal: update.acme.example; seen while learning, but one device alone did it, although there are identical ones, and nobody accepted it)
        new_fingerprint 0.60: pump-1 showed the ja4 fingerprint t12d0000_cc_dd: that is other software (normal: t13d1516h2_aa_bb)
    "#]].assert_eq(&deviations(&list, &again));
    // Unless a person says that it is right.
    let mut accepted = list;
    assert_eq!(accepted.accept(None), 4);
    let told = deviations(&accepted, &again);
    assert!(
        told.starts_with("value_out_of_range") && told.lines().count() == 1,
        "{told}"
    );
}

#[test]
fn a_new_device_of_a_known_kind_is_held_to_what_its_kind_does() {
    let events = week();
    let two: Vec<Event> = events
        .into_iter()
        .filter(|e| ![e.subject.src_ip, e.subject.dst_ip].contains(&Some(ip(PUMPS[2]))))
        .collect();
    let list = list(&two);
    assert!(
        !list
            .devices
            .iter()
            .any(|d| d.peer == Peer::Asset("pump-3".into()))
    );
    let at = 8 * DAY + 9 * HOUR;
    let told = deviations(
        &list,
        &[
            command(at, CENTRE, PUMPS[2], SPEED, Some(Value::Uint(60))),
            command(at, CENTRE, PUMPS[2], SPEED, Some(Value::Uint(900))),
        ],
    );
    assert_eq!(told.lines().count(), 1, "{told}");
    assert!(told.starts_with("value_out_of_range"), "{told}");
}

/// A device that is taken over and begins to command others is concluded to be something else: what is
/// told of it must not depend on that.
#[test]
fn a_listed_device_keeps_its_kind() {
    let context = Context::default();
    let asset = |host: &str, role: &str| {
        let asset = Asset {
            name: host.to_owned(),
            addresses: vec![ip(host)],
            roles: vec![role.to_owned()],
            ..Asset::default()
        };
        event(DAY, host, host, 0, Body::Asset(Box::new(asset)))
    };
    let units = ["192.168.1.101", "192.168.1.102"];
    let mut learner = AllowLearner::new(AllowLimits::default());
    for unit in units {
        learner.observe(&asset(unit, "unit"), &context);
        (0..3).for_each(|day| {
            learner.observe(&command(day * DAY, "192.168.1.100", unit, LEVEL, None), &context);
        });
    }
    let list = learner.propose("site", AllowDoubt::default());
    assert_eq!((list.kinds.len(), list.counts()), (1, (1, 0)));
    let mut watch = AllowWatch::new(list, WatchLimits::default());
    watch.observe(&asset(units[0], "master"), &context);
    let poll = command(3 * DAY, "192.168.1.100", units[0], LEVEL, None);
    assert_eq!(watch.observe(&poll, &context), None);
}

#[test]
fn kinds_are_concluded_where_no_city_declares_them() {
    let context = Context::default();
    let mut learner = AllowLearner::new(AllowLimits::default());
    for day in 0..3 {
        for host in ["192.168.1.10", "192.168.1.11"] {
            learner.observe(&contact(day * DAY, host, "192.168.1.1", 53), &context);
            let asset = Asset {
                name: host.to_owned(),
                addresses: vec![ip(host)],
                maker: Some("Lampco".to_owned()),
                ..Asset::default()
            };
            learner.observe(
                &event(day * DAY, host, host, 0, Body::Asset(Box::new(asset))),
                &context,
            );
        }
    }
    let list = learner.propose("home", AllowDoubt::default());
    assert_eq!(list.talks.len(), 1);
    assert_eq!(list.end_text(&list.talks[0].from), "every device by Lampco");
}

/// A plug that opens its own network for its set-up, then joins the home's.
#[test]
fn two_addresses_are_not_two_devices() {
    let context = Context::default();
    let mut learner = AllowLearner::new(AllowLimits::default());
    let both = ["192.168.20.3", "10.10.10.232"];
    let asset = Asset {
        name: both[0].to_owned(),
        addresses: both.map(ip).to_vec(),
        maker: Some("Plugco".to_owned()),
        ..Asset::default()
    };
    for day in 0..3 {
        learner.observe(&contact(day * DAY, both[0], "192.168.20.100", 80), &context);
        learner.observe(&contact(day * DAY, both[1], "10.10.10.1", 53), &context);
    }
    learner.observe(
        &event(0, both[0], both[0], 0, Body::Asset(Box::new(asset))),
        &context,
    );
    let list = learner.propose("home", AllowDoubt::default());
    assert_eq!((list.kinds.len(), list.counts()), (0, (2, 0)));
}

/// What was not watched is not known: a habit of mornings is no surprise in an hour that nobody heard.
#[test]
fn of_hours_that_were_not_watched_nothing_is_said() {
    let night = command(8 * DAY + 2 * HOUR, CENTRE, PUMPS[0], LEVEL, None);
    let mut events = week();
    assert_eq!(deviations(&list(&events), std::slice::from_ref(&night)), "");
    for day in 0..2 {
        events.push(contact(day * DAY + 2 * HOUR, "10.0.0.9", CENTRE, 22));
    }
    events.sort_by_key(|event| event.at);
    assert!(deviations(&list(&events), &[night]).starts_with("unusual_hour"));
}

#[test]
fn neither_side_known_is_not_judged_and_counted() {
    let context = city();
    let mut watch = AllowWatch::new(list(&week()), WatchLimits::default());
    let stranger = contact(8 * DAY, "10.0.0.66", "10.0.0.67", 22);
    assert_eq!(watch.observe(&stranger, &context), None);
    assert_eq!(watch.abstained(), 1);
}

#[test]
fn one_that_does_much_is_told_so_often_and_counted() {
    let context = city();
    let mut watch = AllowWatch::new(list(&week()), WatchLimits::default());
    let at = 8 * DAY + 9 * HOUR;
    let told = (0..1_000).filter(|port| {
        let event = contact(at, PUMPS[0], "10.0.0.9", *port);
        watch.observe(&event, &context).is_some()
    });
    assert_eq!(told.count(), 32);
    assert_eq!(watch.held_back(), 968);
}

#[test]
fn what_does_not_fit_is_bounded() {
    let context = city();
    let limits = AllowLimits {
        devices: 3,
        talks: 8,
        functions: 4,
        ..AllowLimits::default()
    };
    let mut learner = AllowLearner::new(limits);
    for n in 0..1_000_u16 {
        learner.observe(&contact(0, CENTRE, PUMPS[0], n + 1), &context);
        let point = format!("holding:{n}");
        let what = (Verb::Read, "read_registers", point.as_str());
        learner.observe(&command(0, CENTRE, PUMPS[1], what, None), &context);
    }
    // A fourth device.
    learner.observe(&contact(0, PUMPS[2], CENTRE, 1), &context);
    assert!(learner.left_out() > 0);
    let doubt = AllowDoubt { slots: 1, devices: 1 };
    let list = learner.propose("Testville", doubt);
    assert_eq!(list.devices.len(), 3);
    assert!(
        list.devices.iter().any(|d| d.open),
        "too many conversations to list"
    );
    assert_eq!(list.orders.len(), 1);
    assert_eq!(list.orders[0].point, None, "points are not told apart any more");
    assert!(learner.save().len() < 20_000);
}

#[test]
fn whom_outside_calls_is_only_proposed() {
    let mut events = week();
    for day in 0..7 {
        events.push(command(
            day * DAY + 9 * HOUR,
            "198.51.100.1",
            PUMPS[0],
            LEVEL,
            None,
        ));
    }
    let list = list(&events);
    let outside = list.orders.iter().find(|o| o.from == End::Peer(Peer::Outside));
    assert_eq!(outside.and_then(|o| o.seen.doubt), Some(Doubt::Outside));
}
