//! Events in, behaviour out.

use std::net::IpAddr;

use citywall_event::{
    Behaviour, Body, Event, FlowSummary, Login, Nanos, Order, Subject, Violation, ViolationKind,
};
use expect_test::expect;
use proptest::prelude::*;

use crate::{GuessingLimits, PasswordGuessing, ScanDetector, ScanLimits};

pub(crate) fn event(number: u64, millis: i64, src: &str, dst: &str, port: u16, body: Body) -> Event {
    let at: Nanos = millis * 1_000_000;
    let body = match body {
        Body::Flow(flow) => Body::Flow(FlowSummary {
            start: at,
            end: at,
            ..flow
        }),
        other => other,
    };
    Event {
        order: Order::of_packet(at, 0, number, 0),
        at,
        subject: Subject {
            src_ip: src.parse().ok(),
            dst_ip: dst.parse().ok(),
            dst_port: (port > 0).then_some(port),
            protocol: Some(if port > 0 { 6 } else { 1 }),
            ..Subject::default()
        },
        app_proto: None,
        body,
    }
}

fn flow(answered: bool) -> Body {
    Body::Flow(FlowSummary {
        packets: [1, u64::from(answered)],
        ..FlowSummary::default()
    })
}

/// An ICMP message of a type, which nobody answers.
fn message(icmp: Option<u8>) -> Body {
    Body::Flow(FlowSummary {
        packets: [1, 0],
        icmp,
        ..FlowSummary::default()
    })
}

fn refused() -> Body {
    Body::Flow(FlowSummary {
        packets: [1, 1],
        refused: true,
        ..FlowSummary::default()
    })
}

pub(crate) fn denied() -> Body {
    Body::Violation(Box::new(Violation {
        kind: ViolationKind::Conduit,
        from_zone: "a".to_owned(),
        to_zone: "b".to_owned(),
        reason: citywall_event::Phrase::NONE,
        command: None,
    }))
}

fn login(success: bool) -> Body {
    Body::Login(Login {
        protocol: "telnet",
        user: "root".to_owned(),
        password_length: Some(4),
        default_credentials: false,
        success: Some(success),
    })
}

fn show(found: &[Behaviour]) -> String {
    let line = |b: &Behaviour| {
        let evidence: Vec<String> = b.evidence.iter().map(Order::to_string).collect();
        format!(
            "{} {:.2} {}\n    {:?} {}\n",
            b.kind,
            b.score,
            b.reason,
            b.features,
            evidence.join(" ")
        )
    };
    found.iter().map(line).collect()
}

pub(crate) fn scans(events: impl IntoIterator<Item = Event>) -> String {
    let mut detector = ScanDetector::new(ScanLimits::default());
    let found: Vec<Behaviour> = events.into_iter().filter_map(|e| detector.observe(&e)).collect();
    show(&found)
}

#[test]
fn a_horizontal_scan_is_told_once_and_again_when_it_is_ten_times_as_large() {
    let events = (0..250u64).map(|i| {
        let dst = format!("10.20.0.{i}");
        event(
            i,
            i as i64 * 20,
            "10.30.0.5",
            &dst,
            161,
            [flow(false), refused(), denied()][i as usize % 3].clone(),
        )
    });
    expect![[r#"
        horizontal_scan 0.83 10.30.0.5 tried 12 hosts on tcp/161 within 0 s, of them 4 forbidden and 8 in vain
            [("tried", 12.0), ("in_vain", 8.0), ("seconds", 0.22), ("forbidden", 4.0)] 0-0-0 0-1-0 0-2-0 0-3-0
        horizontal_scan 0.98 10.30.0.5 tried 120 hosts on tcp/161 within 2 s, of them 40 forbidden and 80 in vain
            [("tried", 120.0), ("in_vain", 80.0), ("seconds", 2.38), ("forbidden", 40.0)] 0-0-0 0-1-0 0-2-0 0-3-0
    "#]]
    .assert_eq(&scans(events));
}

#[test]
fn a_search_that_takes_its_time_is_found_over_a_day() {
    // A host every ten minutes: never two within one window.
    let slow = |count: u64, answered: bool| {
        (0..count).map(move |i| {
            let dst = format!("10.20.1.{i}");
            let body = flow(answered && i % 2 == 0);
            event(i, i as i64 * 600_000, "10.30.0.7", &dst, 502, body)
        })
    };
    expect![[r#"
        horizontal_scan 0.92 10.30.0.7 tried 24 hosts on tcp/502 within 13800 s, 24 of them in vain
            [("tried", 24.0), ("in_vain", 24.0), ("seconds", 13800.0)] 0-0-0 0-1-0 0-2-0 0-3-0
    "#]]
    .assert_eq(&scans(slow(60, false)));
    // Of this one every other host answers, as many did in earlier windows.
    let first = event(1_000, 0, "10.30.0.7", "10.20.9.9", 502, flow(false));
    expect![[r#""#]].assert_eq(&scans([first].into_iter().chain(slow(60, true))));
    // The same three devices that are down, asked again and again, are no search.
    let down = (0..200u64).map(|i| {
        let dst = format!("10.20.2.{}", i % 3);
        event(i, i as i64 * 600_000, "10.30.0.8", &dst, 502, flow(false))
    });
    expect![[r#""#]].assert_eq(&scans(down));
    // It speaks with its own server of that service all the time: one that answers, however often.
    let own = |i: u64| {
        let body = flow(true);
        event(
            10_000 + i,
            i as i64 * 600_000 + 1_000,
            "10.30.0.7",
            "10.20.9.9",
            502,
            body,
        )
    };
    let both = slow(60, false)
        .enumerate()
        .flat_map(|(i, probe)| [probe, own(i as u64)]);
    expect![[r#"
        horizontal_scan 0.88 10.30.0.7 tried 25 hosts on tcp/502 within 13800 s, 24 of them in vain
            [("tried", 25.0), ("in_vain", 24.0), ("seconds", 13800.0)] 0-0-0 0-1-0 0-2-0 0-3-0
    "#]]
    .assert_eq(&scans(both));
}

#[test]
fn a_vertical_scan_and_a_sweep_by_echo() {
    let ports = (1..60u16).map(|p| event(p.into(), i64::from(p), "10.30.0.5", "10.20.0.9", p, refused()));
    let echo = (0..20u64).map(|i| {
        event(
            i,
            i as i64,
            "10.30.0.6",
            &format!("10.20.0.{i}"),
            0,
            message(Some(8)),
        )
    });
    expect![[r#"
        vertical_scan 0.90 10.30.0.5 tried 20 ports of 10.20.0.9 within 0 s, 20 of them in vain
            [("tried", 20.0), ("in_vain", 20.0), ("seconds", 0.019)] 0-1-0 0-2-0 0-3-0 0-4-0
        horizontal_scan 0.83 10.30.0.6 tried 12 hosts on icmp within 0 s, 12 of them in vain
            [("tried", 12.0), ("in_vain", 12.0), ("seconds", 0.011)] 0-0-0 0-1-0 0-2-0 0-3-0
    "#]]
    .assert_eq(&scans(ports.chain(echo)));
}

#[test]
fn who_answers_a_flood_with_errors_searches_nothing() {
    // A flooded server tells hundreds of invented sources that a port is unreachable, or that their
    // packets lived too long; of some the type was not seen.
    let errors = (0..600u64).map(|i| {
        let to = format!("198.51.{}.{}", i / 200, i % 200);
        event(
            i,
            i as i64,
            "10.20.0.9",
            &to,
            0,
            message([Some(3), Some(11), None][i as usize % 3]),
        )
    });
    expect![[r#""#]].assert_eq(&scans(errors));
}

#[test]
fn a_poller_is_no_scanner() {
    // 200 devices of which a tenth is down, over and over; and group addresses.
    let poll = (0..2_000u64).map(|i| {
        let dst = format!("10.20.0.{}", i % 200);
        event(i, i as i64 * 10, "10.21.0.10", &dst, 502, flow(i % 10 != 0))
    });
    assert_eq!(scans(poll), "");
    let groups = (0..100u64).map(|i| event(i, 0, "10.21.0.10", &format!("239.0.0.{i}"), 5000, flow(false)));
    assert_eq!(scans(groups), "");
    // Eleven dead devices, and one more that dies later: retries are no search.
    let dead = (0..200u64).map(|i| {
        let dst = format!("10.20.0.{}", i % 11 + u64::from(i == 150) * 20);
        event(i, i as i64 * 10_000, "10.21.0.10", &dst, 502, flow(false))
    });
    assert_eq!(scans(dead), "");
}

#[test]
fn guessing_and_what_it_leads_to() {
    let mut detector = PasswordGuessing::new(GuessingLimits::default());
    let mut found = Vec::new();
    for i in 0..70u64 {
        let dst = format!("10.20.0.{}", i % 3);
        found.extend(detector.observe(&event(i, i as i64 * 100, "10.30.0.5", &dst, 23, login(false))));
    }
    found.extend(detector.observe(&event(71, 7_100, "10.30.0.5", "10.20.0.1", 23, login(true))));
    // Two slips, then in.
    for (i, success) in [false, false, true].into_iter().enumerate() {
        found.extend(detector.observe(&event(
            80 + i as u64,
            8_000,
            "10.30.0.7",
            "10.20.0.1",
            23,
            login(success),
        )));
    }
    expect![[r#"
        password_guessing 0.67 10.30.0.5 failed to log in 6 times by telnet on 3 hosts
            [("failures", 6.0), ("hosts", 3.0), ("seconds", 0.5)] 0-0-0 0-1-0 0-2-0 0-3-0 0-5-0
        password_guessing 0.97 10.30.0.5 failed to log in 60 times by telnet on 3 hosts
            [("failures", 60.0), ("hosts", 3.0), ("seconds", 5.9)] 0-0-0 0-1-0 0-2-0 0-3-0 0-59-0
        password_guessed 0.90 10.30.0.5 logged into 10.20.0.1 by telnet after 70 failed attempts
            [("failures", 70.0), ("hosts", 3.0), ("seconds", 7.1)] 0-0-0 0-1-0 0-2-0 0-3-0 0-71-0
    "#]]
    .assert_eq(&show(&found));
}

#[test]
fn memory_is_bounded_and_forgetting_is_counted() {
    let limits = ScanLimits {
        sources: 256,
        ..ScanLimits::default()
    };
    let mut detector = ScanDetector::new(limits);
    for i in 0..20_000u32 {
        let src = IpAddr::from(i.to_be_bytes()).to_string();
        let dst = format!("10.20.{}.{}", i % 7, i % 250);
        detector.observe(&event(i.into(), i64::from(i), &src, &dst, 23, refused()));
    }
    assert!(detector.forgotten() > 15_000, "{}", detector.forgotten());
    // One source with very many targets is cut off at what is told apart, and goes on.
    let mut told = 0;
    for i in 0..10_000u32 {
        let dst = IpAddr::from((0x0a00_0000 + i).to_be_bytes()).to_string();
        told += usize::from(
            detector
                .observe(&event(i.into(), 0, "10.30.0.5", &dst, 23, refused()))
                .is_some(),
        );
    }
    assert!((1..20).contains(&told), "{told}");
}

proptest! {
    #[test]
    fn the_same_events_give_the_same_behaviour(
        steps in proptest::collection::vec((0u8..4, 0u8..3, 0u8..30, 1u16..30, 0i64..400_000), 0..200),
    ) {
        let run = || {
            let mut detector = ScanDetector::new(ScanLimits { hosts: 3, ports: 3, sources: 4, per_source: 2, members: 5, ..ScanLimits::default() });
            let mut guessing = PasswordGuessing::new(GuessingLimits { failures: 2, sources: 2, hosts: 2, ..GuessingLimits::default() });
            let mut out = Vec::new();
            for (i, (kind, src, dst, port, at)) in steps.iter().enumerate() {
                let body = match kind { 0 => flow(true), 1 => refused(), 2 => login(*dst == 1), _ => login(false) };
                let e = event(i as u64, *at, &format!("10.0.0.{src}"), &format!("10.1.0.{dst}"), *port, body);
                out.extend(detector.observe(&e));
                out.extend(guessing.observe(&e));
            }
            show(&out)
        };
        prop_assert_eq!(run(), run());
    }
}

#[test]
fn the_time_of_a_scan_is_that_of_its_tries_and_not_of_their_time_outs() {
    // Tried a second apart, and all given up at one time.
    let late = (0..12u64).map(|i| {
        let mut event = event(i, 60_000, "10.30.0.5", &format!("10.20.0.{i}"), 502, flow(false));
        if let Body::Flow(flow) = &mut event.body {
            flow.start = i as Nanos * 1_000_000_000;
        }
        event
    });
    expect![[r#"
        horizontal_scan 0.83 10.30.0.5 tried 12 hosts on tcp/502 within 11 s, 12 of them in vain
            [("tried", 12.0), ("in_vain", 12.0), ("seconds", 11.0)] 0-0-0 0-1-0 0-2-0 0-3-0
    "#]]
    .assert_eq(&scans(late));
}

#[test]
fn fragments_say_no_port_and_so_try_nothing() {
    let answers = (0..40u64).map(|i| {
        let mut event = event(i, i as i64, "10.1.0.53", &format!("10.20.0.{i}"), 0, flow(false));
        event.subject.protocol = Some(17);
        event
    });
    assert_eq!(scans(answers), "");
}

#[test]
fn a_ping_sweep_is_one_though_many_answer() {
    let mut scans = ScanDetector::new(ScanLimits::default());
    let mut told = Vec::new();
    for host in 0..18_u64 {
        let icmp = Body::Flow(FlowSummary {
            packets: [1, u64::from(host % 5 >= 2)],
            icmp: Some(8),
            ..FlowSummary::default()
        });
        let dst = format!("10.0.0.{}", 100 + host);
        told.extend(scans.observe(&event(host + 1, host as i64 * 40, "10.0.0.9", &dst, 0, icmp)));
    }
    let kinds: Vec<&str> = told.iter().map(|b| b.kind).collect();
    assert_eq!(kinds, ["horizontal_scan"]);
}

#[test]
fn short_ssh_sessions_without_end_are_guessing() {
    let mut guessing = PasswordGuessing::new(GuessingLimits::default());
    let mut told = Vec::new();
    for number in 0..60 {
        let flow = Body::Flow(FlowSummary {
            packets: [18, 16],
            established: true,
            ..FlowSummary::default()
        });
        let mut session = event(number + 1, number as i64 * 200, "10.0.0.9", "10.0.0.7", 902, flow);
        session.app_proto = Some("ssh");
        told.extend(guessing.observe(&session));
    }
    assert_eq!(told.len(), 1);
    assert_eq!(
        told[0].reason,
        "10.0.0.9 opened 20 short SSH sessions with 10.0.0.7 within 4 s: what is tried in them cannot be seen, but a \
         person does not log in so often"
    );
}
