//! Measures and elements are each other's inverse, also by way of the kernel's words.

use std::net::IpAddr;

use citywall_event::{Prefix, Verb, VerbSet};
use proptest::prelude::*;

use crate::firewall::{
    ElementError, Listing, Mode, Wanted, add, block_list, heartbeat, measure_of, remove, sets_of,
};
use crate::{ActionId, Host, Measure};

fn host(v4: bool) -> impl Strategy<Value = Host> {
    prop_oneof![
        any::<u128>().prop_map(move |bits| Host::Ip(ip(bits, v4))),
        any::<[u8; 6]>().prop_map(Host::Mac),
    ]
}

fn ip(bits: u128, v4: bool) -> IpAddr {
    if v4 {
        IpAddr::V4((bits as u32).into())
    } else {
        IpAddr::V6(bits.into())
    }
}

pub fn measure() -> impl Strategy<Value = Measure> {
    any::<bool>().prop_flat_map(|v4| {
        let to = (any::<u128>(), 0u8..=128).prop_map(move |(bits, n)| {
            Prefix::containing(ip(bits, v4), n.min(if v4 { 32 } else { 128 })).unwrap()
        });
        let verbs = prop::collection::vec(0..Verb::ALL.len(), 0..4);
        (host(v4), to, 1u32..1_000_000, verbs, any::<(u8, u16)>(), 0..8).prop_map(
            move |(host, to, packets_per_second, verbs, (protocol, port), kind)| match kind {
                0 => Measure::Isolate { host },
                1 => Measure::Quarantine { host },
                2 => Measure::DenyPair { from: host, to },
                3 => Measure::LimitRate {
                    host,
                    packets_per_second,
                },
                4 => Measure::LimitInto {
                    to: to.first(),
                    protocol,
                    packets_per_second,
                },
                5 => Measure::SynProxy { to: to.first(), port },
                6 => Measure::DropAnswers {
                    to: to.first(),
                    from_port: port,
                },
                _ => Measure::DenyCommand {
                    from: host,
                    to,
                    verbs: verbs
                        .iter()
                        .fold(VerbSet::default(), |set, v| set.with(Verb::ALL[*v])),
                },
            },
        )
    })
}

proptest! {
    #[test]
    fn a_measure_is_its_elements_and_back(measure in measure()) {
        let elements = sets_of(&measure).unwrap();
        prop_assert_eq!(elements.len(), 1);
        prop_assert_eq!(measure_of(&elements[0]), Some(measure));
    }

    #[test]
    fn what_the_kernel_says_never_panics(text in ".{0,200}", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Listing::parse([text.as_bytes()]);
        let _ = Listing::parse([bytes.as_slice()]);
    }
}

fn wanted(measure: Measure, id: &str, seconds: i64) -> Wanted {
    Wanted {
        measure,
        action: ActionId(id.to_owned()),
        life: seconds * 1_000_000_000,
    }
}

#[test]
fn transactions_are_these() {
    let ip = |text: &str| Host::Ip(text.parse().unwrap());
    let deny = Measure::DenyPair {
        from: ip("10.0.0.9"),
        to: Prefix::new("10.1.0.0".parse().unwrap(), 24).unwrap(),
    };
    let limit = Measure::LimitRate {
        host: ip("10.0.0.9"),
        packets_per_second: 50,
    };
    let command = Measure::DenyCommand {
        from: ip("fd00::9"),
        to: Prefix::new("fd01::1".parse().unwrap(), 128).unwrap(),
        verbs: VerbSet::default().with(Verb::Write),
    };
    let isolate = Measure::Isolate {
        host: Host::Mac([2, 0, 0, 0, 0, 9]),
    };
    let all = [
        wanted(deny.clone(), "I0-1-1.2", 900),
        wanted(deny.clone(), "I0-1-1.3", 60),
        wanted(limit, "I0-1-1.1", 60),
        wanted(command, "I0-2-1.1", 60),
        wanted(isolate.clone(), "I0-3-1.1", 60),
    ];
    expect_test::expect![[r#"
        add element inet citywall deniednet4 { 10.0.0.9 . 10.1.0.0/24 }
        delete element inet citywall deniednet4 { 10.0.0.9 . 10.1.0.0/24 }
        add element inet citywall deniednet4 { 10.0.0.9 . 10.1.0.0/24 timeout 900s comment "I0-1-1.2" }
        add element inet citywall inspected6 { fd00::9 . fd01::1 }
        delete element inet citywall inspected6 { fd00::9 . fd01::1 }
        add element inet citywall inspected6 { fd00::9 . fd01::1 timeout 60s comment "I0-2-1.1 verbs=2" }
        add element inet citywall isolatedm { 02:00:00:00:00:09 }
        delete element inet citywall isolatedm { 02:00:00:00:00:09 }
        add element inet citywall isolatedm { 02:00:00:00:00:09 timeout 60s comment "I0-3-1.1" }
        add element bridge citywall isolatedm { 02:00:00:00:00:09 }
        delete element bridge citywall isolatedm { 02:00:00:00:00:09 }
        add element bridge citywall isolatedm { 02:00:00:00:00:09 timeout 60s comment "I0-3-1.1" }
        add element inet citywall limited4 { 10.0.0.9 limit rate over 50/second burst 50 packets }
        delete element inet citywall limited4 { 10.0.0.9 }
        add element inet citywall limited4 { 10.0.0.9 limit rate over 50/second burst 50 packets timeout 60s comment "I0-1-1.1" }
    "#]]
    .assert_eq(&add(&all, Mode::Bridge).unwrap());
    expect_test::expect![[r#"
        add element inet citywall deniednet4 { 10.0.0.9 . 10.1.0.0/24 }
        delete element inet citywall deniednet4 { 10.0.0.9 . 10.1.0.0/24 }
        add element inet citywall isolatedm { 02:00:00:00:00:09 }
        delete element inet citywall isolatedm { 02:00:00:00:00:09 }
    "#]]
    .assert_eq(&remove([&deny, &isolate], Mode::Routed).unwrap());
    expect_test::expect![[r#"
        add element inet citywall alive { 2, 10 }
        delete element inet citywall alive { 2, 10 }
        add element inet citywall alive { 2 timeout 5s, 10 timeout 5s }
    "#]]
    .assert_eq(&heartbeat(Some(5)));
}

#[test]
fn what_cannot_be_held_is_refused() {
    let isolate = Measure::Isolate {
        host: Host::Ip("10.0.0.9".parse().unwrap()),
    };
    let hostile = [wanted(isolate.clone(), "x\" }; flush ruleset; #", 60)];
    assert!(matches!(add(&hostile, Mode::Routed), Err(ElementError::Id(_))));
    let short = [wanted(isolate, "I0", 0)];
    assert!(matches!(add(&short, Mode::Routed), Err(ElementError::Life(_))));
    let mixed = Measure::DenyPair {
        from: Host::Ip("10.0.0.9".parse().unwrap()),
        to: Prefix::new("fd00::".parse().unwrap(), 64).unwrap(),
    };
    assert!(matches!(sets_of(&mixed), Err(ElementError::Families(..))));
    let one = Prefix::new("192.0.2.1".parse().unwrap(), 32).unwrap();
    assert!(block_list(&vec![one; 1_000_001]).is_err());
}
