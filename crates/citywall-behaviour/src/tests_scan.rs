//! What a scan's tries came to.

use citywall_event::{Body, FlowSummary};

use crate::tests::{denied, event, scans};

fn answered() -> Body {
    Body::Flow(FlowSummary {
        packets: [4, 4],
        established: true,
        ..FlowSummary::default()
    })
}

fn broken_off() -> Body {
    Body::Flow(FlowSummary {
        packets: [2, 1],
        broken_off: true,
        ..FlowSummary::default()
    })
}

fn unanswered() -> Body {
    Body::Flow(FlowSummary {
        packets: [1, 0],
        ..FlowSummary::default()
    })
}

/// Half-open: each answers, and nobody wanted to talk.
#[test]
fn what_is_broken_off_at_the_first_answer_is_no_use_of_it() {
    let sweep = |hosts, body: fn() -> Body| {
        scans((0..hosts).map(|i| event(i, i as i64, "10.30.0.5", &format!("10.20.0.{i}"), 22, body())))
    };
    let scan = scans((0..30).map(|i| {
        event(
            i,
            i as i64,
            "10.30.0.5",
            "10.20.0.9",
            100 + i as u16,
            broken_off(),
        )
    }));
    // A few whose health is checked so, and many that are used.
    let checks = scans((0..200).map(|i| {
        let body = if i < 11 { broken_off() } else { answered() };
        event(i, i as i64, "10.30.0.5", &format!("10.20.0.{i}"), 22, body)
    }));
    let all = [sweep(59, broken_off), scan, checks].concat();
    expect_test::expect![[r#"
        horizontal_scan 0.83 10.30.0.5 tried 12 hosts on tcp/22 within 0 s, of them 12 broken off at the first answer
            [("tried", 12.0), ("in_vain", 0.0), ("seconds", 0.011), ("broken_off", 12.0)] 0-0-0 0-1-0 0-2-0 0-3-0
        vertical_scan 0.90 10.30.0.5 tried 20 ports of 10.20.0.9 within 0 s, of them 20 broken off at the first answer
            [("tried", 20.0), ("in_vain", 0.0), ("seconds", 0.019), ("broken_off", 20.0)] 0-0-0 0-1-0 0-2-0 0-3-0
    "#]].assert_eq(&all);
}

/// The policy's no is told as such: of what was forbidden all may have answered, or none.
#[test]
fn what_is_forbidden_is_not_said_to_be_in_vain() {
    let sweep = |later: fn(u64) -> Option<Body>| {
        let tried = move |i: u64| {
            let of = move |millis, body| event(i, millis, "10.30.0.5", &format!("10.20.0.{i}"), 0, body);
            let end = later(i).map(|body| of(i as i64 * 10 + 5, body));
            [Some(of(i as i64 * 10, denied())), end]
        };
        scans((0..14).flat_map(tried).flatten())
    };
    let pings: fn(u64) -> Option<Body> = |i| {
        let packets = if i % 3 == 0 { [1, 0] } else { [1, 1] };
        Some(Body::Flow(FlowSummary {
            packets,
            icmp: Some(8),
            ..FlowSummary::default()
        }))
    };
    let all = [sweep(|_| None), sweep(pings)].concat();
    expect_test::expect![[r#"
        horizontal_scan 0.83 10.30.0.5 tried 12 hosts on icmp within 0 s, of them 12 forbidden
            [("tried", 12.0), ("in_vain", 0.0), ("seconds", 0.11), ("forbidden", 12.0)] 0-0-0 0-1-0 0-2-0 0-3-0
        horizontal_scan 0.75 10.30.0.5 tried 8 hosts on icmp within 0 s, of them 8 forbidden and 3 in vain
            [("tried", 8.0), ("in_vain", 3.0), ("seconds", 0.07), ("forbidden", 8.0)] 0-0-0 0-1-0 0-2-0 0-3-0
    "#]].assert_eq(&all);
    let both = (0..12).map(|i| {
        let body = [denied(), unanswered(), broken_off()][i as usize % 3].clone();
        event(i, i as i64, "10.30.0.6", &format!("10.20.0.{i}"), 22, body)
    });
    expect_test::expect![[r#"
        horizontal_scan 0.83 10.30.0.6 tried 12 hosts on tcp/22 within 0 s, of them 4 forbidden and 4 broken off at the first answer and 4 in vain
            [("tried", 12.0), ("in_vain", 4.0), ("seconds", 0.011), ("forbidden", 4.0), ("broken_off", 4.0)] 0-0-0 0-1-0 0-2-0 0-3-0
    "#]].assert_eq(&scans(both));
}
