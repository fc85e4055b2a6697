//! Weeks of contacts in; call-backs out: what is habit is not told, what is not is.

use citywall_event::{Behaviour, Body, Contact, FlowSummary, Nanos};

use crate::tests_watches::{city, event};
use crate::{BeaconLimits, BeaconWatch};

const SECOND: Nanos = 1_000_000_000;
const HOUR: Nanos = 3_600 * SECOND;
const DAY: Nanos = 24 * HOUR;
const DEVICE: &str = "10.0.0.7";

/// Contacts of one device, at every `step` of these hours, with an answer to each.
fn calls(of: &[(&str, std::ops::Range<i64>, Nanos, u64)], answered: bool) -> Vec<(i64, Behaviour)> {
    let mut all: Vec<(Nanos, &str, u64)> = of
        .iter()
        .flat_map(|(dst, hours, step, size)| {
            let (from, to) = (SECOND + hours.start * HOUR, hours.end * HOUR);
            (0..(to - from) / step).map(move |n| {
                // A tenth of jitter.
                (from + n * step + (n * 7 % 3) * step / 20, *dst, *size)
            })
        })
        .collect();
    all.sort();
    let (mut watch, city) = (BeaconWatch::new(BeaconLimits::default()), city());
    let mut found = Vec::new();
    for (n, (at, dst, size)) in (1..).zip(all) {
        let contact = event(
            2 * n,
            at,
            DEVICE,
            dst,
            Body::Contact(Contact { midstream: false }),
        );
        found.extend(watch.observe(&contact, &city).map(|b| (at / DAY, b)));
        let flow = FlowSummary {
            bytes: [size, if answered { 500 } else { 0 }],
            ..FlowSummary::default()
        };
        let ended = event(2 * n + 1, at + SECOND, DEVICE, dst, Body::Flow(flow));
        assert_eq!(watch.observe(&ended, &city), None);
    }
    found
}

fn told(found: &[(i64, Behaviour)]) -> Vec<(i64, i64)> {
    found
        .iter()
        .map(|(day, b)| (*day, (b.score * 100.0) as i64))
        .collect()
}

const CLOUD: (&str, std::ops::Range<i64>, Nanos, u64) = ("192.0.2.9", 0..240, 600 * SECOND, 5_000);

#[test]
fn a_new_rhythm_of_a_device_that_is_known_weighs_more_than_its_habit() {
    let found = calls(&[CLOUD, ("203.0.113.5", 150..170, 1_500 * SECOND, 400)], true);
    let told = told(&found);
    // The first is told when nothing is known yet, and never again.
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!((told[0].0, told[1].0), (0, 6));
    assert!(told[1].1 >= 85, "{told:?}");
}

#[test]
fn a_service_that_moves_is_no_new_rhythm_and_one_that_is_added_is() {
    let before = ("192.0.2.9", 0..120, 600 * SECOND, 5_000);
    let after = ("192.0.2.77", 120..240, 600 * SECOND, 6_000);
    assert_eq!(told(&calls(&[before, after.clone()], true)).len(), 1);
    // The old one goes on.
    assert_eq!(told(&calls(&[CLOUD, after], true)).len(), 2);
    // Another rhythm, and other sizes.
    let other = ("192.0.2.77", 120..240, 60 * SECOND, 5_000);
    assert_eq!(
        told(&calls(&[("192.0.2.9", 0..120, 600 * SECOND, 5_000), other], true)).len(),
        2
    );
    let small = ("192.0.2.77", 120..240, 600 * SECOND, 300);
    assert_eq!(
        told(&calls(&[("192.0.2.9", 0..120, 600 * SECOND, 5_000), small], true)).len(),
        2
    );
}

#[test]
fn nobody_who_answers_and_what_is_known_from_the_first_days_weigh_little() {
    let away = calls(
        &[
            ("192.0.2.9", 0..2, HOUR, 60),
            ("203.0.113.5", 150..170, 1_500 * SECOND, 60),
        ],
        false,
    );
    assert!(told(&away).iter().all(|t| t.1 < 50), "{away:?}");
    let often = [
        ("192.0.2.9", 0..2, HOUR, 400),
        ("192.0.2.9", 150..170, 1_500 * SECOND, 400),
    ];
    let known = told(&calls(&often, true));
    assert!(known.len() == 1 && known[0].1 < 50, "{known:?}");
}
