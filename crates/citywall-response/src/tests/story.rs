//! Read as a story: what is heard, what is planned, what the gate says, what people do.

use std::fmt::Write as _;

use citywall_event::{Change, Crossing, Flooded, Suspect, Victim};
use citywall_policy::{City, EXAMPLE};
use expect_test::{Expect, expect};

use crate::{Account, Effect, Facts, Governor, Input, Moment, Notice, Settings, Stage};

const SECOND: i64 = 1_000_000_000;

fn governor() -> Governor {
    governor_of(EXAMPLE)
}

fn governor_of(text: &str) -> Governor {
    let city = City::parse(text, "example.toml").expect("the example");
    let facts = Facts::of(
        &city,
        1,
        vec!["10.1.0.2".parse().expect("an address")],
        Vec::new(),
    );
    Governor::new(facts, Settings::of(&city))
}

fn suspect(ip: &str, proved: bool) -> Suspect {
    Suspect {
        name: ip.to_owned(),
        address: ip.parse().ok(),
        mac: None,
        taken: true,
        proved,
    }
}

/// Somebody changed a signal and reached the pumps.
fn notice(ip: &str, proved: bool) -> Notice {
    let signal = "10.20.0.12".parse().expect("an address");
    Notice {
        incident: "I0-1-1".to_owned(),
        severity: 1,
        suspects: vec![suspect(ip, proved)],
        changes: vec![Change {
            suspect: 0,
            target: signal,
            protocol: "snmp".to_owned(),
        }],
        crossings: vec![Crossing {
            suspect: 0,
            zone: "pumps".to_owned(),
            targets: vec!["10.40.0.20".parse().expect("an address")],
        }],
        victims: vec![Victim {
            name: "signal-12".to_owned(),
            address: Some(signal),
            taken: false,
        }],
        ..Notice::default()
    }
}

fn show(effects: &[Effect], out: &mut String) {
    for effect in effects {
        match effect {
            Effect::Tell(a) => {
                writeln!(out, "{} {} {}: {}", a.status, a.kind, a.target, a.reason).expect("a string");
                for guard in &a.guards {
                    writeln!(out, "  | {guard}").expect("a string");
                }
            }
            Effect::Apply(plan) => {
                for measure in plan.get().actions.iter().flat_map(|a| &a.measures) {
                    writeln!(out, "  > {measure:?}").expect("a string");
                }
            }
            Effect::Remove { action, .. } => writeln!(out, "  < {action}").expect("a string"),
            Effect::Refused(refusal) => writeln!(out, "  no: {}", refusal.reason).expect("a string"),
            _ => {}
        }
    }
}

fn check(heard: Notice, expected: Expect) {
    let mut out = String::new();
    let effects = governor().hear(Moment::default(), Input::Notices(vec![heard]));
    show(&effects, &mut out);
    expected.assert_eq(&out);
}

#[test]
fn a_camera_is_planned_against() {
    check(
        notice("10.30.0.17", true),
        expect![[r#"
            told notify I0-1-1: the people of transport must know
            proposed deny-command changing commands from 10.30.0.17 to zone signals: no conduit allows them, so denying them stops no permitted work
            proposed deny-conduit 10.30.0.17 to zone pumps, but for what everything needs there: no conduit allows it, so denying it stops no permitted work
            proposed quarantine 10.30.0.17: it was taken over and acts on its own; it is of normal criticality, and its update and address services stay reachable
        "#]],
    );
}

#[test]
fn an_invented_source_is_left_alone() {
    check(
        notice("10.30.0.17", false),
        expect![[r#"
            told notify I0-1-1: the people of transport must know
            refused deny-command changing commands from 10.30.0.17 to zone signals: no conduit allows them, so denying them stops no permitted work
              | unproved: nothing proves that the source's address is its own
            refused deny-conduit 10.30.0.17 to zone pumps, but for what everything needs there: no conduit allows it, so denying it stops no permitted work
              | unproved: nothing proves that the source's address is its own
            refused quarantine 10.30.0.17: it was taken over and acts on its own; it is of normal criticality, and its update and address services stay reachable
              | unproved: nothing proves that the source's address is its own
        "#]],
    );
}

#[test]
fn what_everything_needs_is_left_alone() {
    check(
        notice("10.1.0.53", true),
        expect![[r#"
        told notify I0-1-1: the people of transport must know
        told notify those who run 10.1.0.53: everything else needs it (dns): nothing is done to 10.1.0.53 but to tell its people
    "#]],
    );
}

#[test]
fn what_safety_depends_on_is_not_cut_off() {
    check(
        notice("10.21.0.10", true),
        expect![[r#"
            told notify I0-1-1: the people of transport must know
            told notify those who run 10.21.0.10: people can come to harm when it stops (Traffic signals depends on it): 10.21.0.10 is not cut off
            proposed deny-command changing commands from 10.21.0.10 to zone signals: a conduit allows some there: denying them stops permitted work, too
              | safety: two different people must approve: Traffic signals depends on it
              | cuts-commands: a person must decide: a conduit permits such commands there
            proposed deny-conduit 10.21.0.10 to zone pumps, but for what everything needs there: no conduit allows it, so denying it stops no permitted work
              | safety: two different people must approve: Traffic signals depends on it
        "#]],
    );
}

/// Somebody says on its link that it is the gateway.
fn claim(mac: [u8; 6], proved: bool) -> String {
    const KIOSK: &str = "\n[[asset]]\nname = \"kiosk\"\naddress = \"10.90.0.44\"\n\
        mac = \"02:00:00:00:00:44\"\nrole = \"kiosk\"\n";
    let notice = Notice {
        incident: "I0-1-1".to_owned(),
        severity: 2,
        kinds: vec!["address-claimed".to_owned()],
        suspects: vec![Suspect {
            name: "kiosk".to_owned(),
            address: None,
            mac: Some(mac),
            taken: false,
            proved,
        }],
        ..Notice::default()
    };
    let mut governor = governor_of(&(EXAMPLE.to_owned() + KIOSK));
    let act = crate::VerifiedAct::rehearsed(vec!["offices".to_owned()]);
    governor.hear(Moment::default(), Input::Act(act));
    let mut out = String::new();
    show(
        &governor.hear(Moment::default(), Input::Notices(vec![notice])),
        &mut out,
    );
    out
}

#[test]
fn who_claims_the_gateways_address_waits_for_a_person_whatever_act_there_is() {
    expect![[r#"
        told notify I0-1-1: the city's security team must know
        proposed limit-rate kiosk: it says that it is somebody else: what it sends from its link, its own or others', is slowed down until its people have seen to it
          | by-link: a person must decide: a neighbour can borrow a hardware address, and its frames may be others'
        proposed quarantine kiosk: it says that it is somebody else, and is of normal criticality: nothing that others send is carried on by it, and its update and address services stay reachable
          | by-link: a person must decide: a neighbour can borrow a hardware address, and its frames may be others'
    "#]].assert_eq(&claim([2, 0, 0, 0, 0, 0x44], true));
    // Nothing proves that it is there; nobody knows it; routers share it.
    expect![[r#"
        told notify I0-1-1: the city's security team must know
        refused limit-rate kiosk: it says that it is somebody else: what it sends from its link, its own or others', is slowed down until its people have seen to it
          | unproved: nothing proves that the source's address is its own
        refused quarantine kiosk: it says that it is somebody else, and is of normal criticality: nothing that others send is carried on by it, and its update and address services stay reachable
          | unproved: nothing proves that the source's address is its own
    "#]].assert_eq(&claim([2, 0, 0, 0, 0, 0x44], false));
    expect![[r#"
        told notify I0-1-1: the city's security team must know
        told notify those who run kiosk: people can come to harm when it stops (the city file does not know it: what has no tag counts as safety): kiosk is not cut off
    "#]].assert_eq(&claim([2, 9, 9, 9, 9, 9], true));
    expect![[r#"
        told notify I0-1-1: the city's security team must know
        told notify those who run kiosk: people can come to harm when it stops (the city file does not know it: what has no tag counts as safety): kiosk is not cut off
    "#]].assert_eq(&claim([0, 0, 0x5e, 0, 1, 7], true));
}

#[test]
fn a_walk_through_propose_approve_undo() {
    let mut governor = governor();
    let mut out = String::new();
    let at = |seconds: i64| Moment {
        wall: seconds * SECOND,
        steady: seconds * SECOND,
    };
    governor.hear(at(0), Input::Notices(vec![notice("10.30.0.17", true)]));
    let view = governor.actions().pop().expect("a proposal");
    let (by, action) = (Account::unix("ada"), view.action.id.clone());
    let approve = Input::Approve {
        by: by.clone(),
        action: action.clone(),
        hash: view.hash,
    };
    show(&governor.hear(at(1), approve), &mut out);
    let applied = Input::Applied {
        action: action.clone(),
        result: Ok(()),
    };
    show(&governor.hear(at(1), applied), &mut out);
    let undo = Input::Undo {
        by,
        action: action.clone(),
    };
    show(&governor.hear(at(2), undo), &mut out);
    let removed = Input::Removed {
        action,
        result: Ok(()),
    };
    show(&governor.hear(at(2), removed), &mut out);
    expect![[r#"
          > Quarantine { host: Ip(10.30.0.17) }
        applied quarantine 10.30.0.17: it was taken over and acts on its own; it is of normal criticality, and its update and address services stay reachable
          < I0-1-1.3
        undone quarantine 10.30.0.17: it was taken over and acts on its own; it is of normal criticality, and its update and address services stay reachable
          | by Ada Example
    "#]].assert_eq(&out);
    assert!(governor.stages().all(|(_, _, stage)| stage == Stage::Proposed));
}

/// A limit in force goes with the flood that it is for, a proposed one too, and another flood's stays.
#[test]
fn a_limit_ends_with_its_flood() {
    let flooded = |last: u8, protocol| Flooded {
        address: [10, 30, 0, last].into(),
        protocol,
        port: None,
    };
    let all = [flooded(17, 17), flooded(17, 6), flooded(18, 17)];
    let told = |flooded: &[Flooded]| {
        Input::Notices(vec![Notice {
            incident: "I0-1-1".to_owned(),
            severity: 2,
            flooded: flooded.to_vec(),
            ..Notice::default()
        }])
    };
    let mut governor = governor();
    let at = Moment::default();
    governor.hear(at, told(&all));
    let limits = |governor: &Governor| {
        let views = governor.actions();
        let of = |v: &crate::View| format!("{:?} {:?}", v.stage, v.action.measures);
        views.iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(limits(&governor).len(), 3, "{:?}", limits(&governor));
    let views = governor.actions();
    let is_for = |v: &&crate::View, flooded: &Flooded| {
        v.action.measures.iter().any(|m| {
            matches!(*m, crate::Measure::LimitInto { to, protocol, .. }
                if to == flooded.address && protocol == flooded.protocol)
        })
    };
    let first = views
        .iter()
        .find(|v| is_for(v, &all[0]))
        .expect("a limit")
        .clone();
    let by = Account::unix("ada");
    let approve = Input::Approve {
        by,
        action: first.action.id.clone(),
        hash: first.hash,
    };
    governor.hear(at, approve);
    let applied = Input::Applied {
        action: first.action.id.clone(),
        result: Ok(()),
    };
    governor.hear(at, applied);
    // Two are over: one in force, one that nobody approved.
    let effects = governor.hear(at, told(&all[1..2]));
    let mut out = String::new();
    show(&effects, &mut out);
    let removed = |id: &str| out.contains(&format!("  < {id}\n"));
    assert!(removed(&first.action.id.0), "{out}");
    assert_eq!(out.matches("  < ").count(), 1, "{out}");
    assert_eq!(
        out.matches("| the flood is over").count(),
        1,
        "the proposed one: {out}"
    );
    governor.hear(
        at,
        Input::Removed {
            action: first.action.id,
            result: Ok(()),
        },
    );
    let stages: Vec<Stage> = governor.stages().map(|(.., stage)| stage).collect();
    assert_eq!(stages, [Stage::Proposed], "the other flood goes on");
    // It begins again: so does the limit.
    governor.hear(at, told(&all[..2]));
    assert_eq!(governor.stages().count(), 2);
}

/// SYNs for one port are answered in the device's place where that can be; else what opens anew is limited.
#[test]
fn who_is_flooded_with_syns_is_asked_for_or_limited() {
    let flood = |ip: &str, port| Flooded {
        address: ip.parse().expect("an address"),
        protocol: 6,
        port,
    };
    let told = |flooded: &[Flooded]| {
        Input::Notices(vec![Notice {
            incident: "I0-1-1".to_owned(),
            severity: 2,
            flooded: flooded.to_vec(),
            ..Notice::default()
        }])
    };
    let wanted = |governor: &Governor| {
        let views = governor.actions();
        let line = |v: &crate::View| {
            let measures: Vec<String> = v.action.measures.iter().map(ToString::to_string).collect();
            format!("{:?} {}\n", v.stage, measures.join("; "))
        };
        views.iter().map(line).collect::<String>()
    };
    let at = Moment::default();
    let mut one = governor();
    one.hear(at, told(&[flood("10.30.0.17", Some(443))]));
    expect![[r#"
        Proposed 10.30.0.17: who opens a conversation with its TCP port 443 is answered by the wall first, and comes through once that is confirmed
    "#]].assert_eq(&wanted(&one));
    // It goes on to other ports: these are limited besides.
    let both = [flood("10.30.0.17", Some(443)), flood("10.30.0.17", None)];
    one.hear(at, told(&both));
    expect![[r#"
        Proposed 10.30.0.17: who opens a conversation with its TCP port 443 is answered by the wall first, and comes through once that is confirmed
        Proposed 10.30.0.17: gets at most 20 new packets a second of IP protocol 6
    "#]].assert_eq(&wanted(&one));
    one.hear(at, told(&both[1..]));
    expect![[r#"
        Proposed 10.30.0.17: gets at most 20 new packets a second of IP protocol 6
        Ended 10.30.0.17: who opens a conversation with its TCP port 443 is answered by the wall first, and comes through once that is confirmed
    "#]].assert_eq(&wanted(&one));
    one.hear(at, told(&[]));
    expect![[r#"
        Ended 10.30.0.17: who opens a conversation with its TCP port 443 is answered by the wall first, and comes through once that is confirmed
        Ended 10.30.0.17: gets at most 20 new packets a second of IP protocol 6
    "#]].assert_eq(&wanted(&one));
    // Commands to the pumps are inspected, but not what else is spoken with them.
    let mut pumps = governor();
    pumps.hear(
        at,
        told(&[flood("10.40.0.20", Some(502)), flood("10.40.0.20", Some(80))]),
    );
    expect![[r#"
        Proposed 10.40.0.20: gets at most 20 new packets a second of IP protocol 6
        Proposed 10.40.0.20: who opens a conversation with its TCP port 80 is answered by the wall first, and comes through once that is confirmed
    "#]].assert_eq(&wanted(&pumps));
    // Answers from one port that nobody asked for are dropped by it; from several, all is limited.
    let mut answered = governor();
    let answers = |port| Flooded {
        protocol: 17,
        ..flood("10.30.0.17", port)
    };
    answered.hear(at, told(&[answers(Some(123))]));
    answered.hear(at, told(&[answers(Some(123)), answers(None)]));
    expect![[r#"
        Proposed 10.30.0.17: what comes from UDP port 123 without having been asked for is dropped
        Proposed 10.30.0.17: gets at most 20 new packets a second of IP protocol 17
    "#]]
    .assert_eq(&wanted(&answered));
    answered.hear(at, told(&[]));
    expect![[r#"
        Ended 10.30.0.17: what comes from UDP port 123 without having been asked for is dropped
        Ended 10.30.0.17: gets at most 20 new packets a second of IP protocol 17
    "#]]
    .assert_eq(&wanted(&answered));
    // No such kernel.
    let city = City::parse(EXAMPLE, "example.toml").expect("the example");
    let settings = Settings {
        syn_proxy: false,
        drop_answers: false,
        ..Settings::of(&city)
    };
    let mut old = Governor::new(Facts::of(&city, 1, Vec::new(), Vec::new()), settings);
    old.hear(at, told(&[flood("10.30.0.17", Some(443)), answers(Some(123))]));
    expect![[r#"
        Proposed 10.30.0.17: gets at most 20 new packets a second of IP protocol 6
        Proposed 10.30.0.17: gets at most 20 new packets a second of IP protocol 17
    "#]]
    .assert_eq(&wanted(&old));
}

#[test]
fn a_storm_of_ten_thousand_stays_within_the_caps() {
    let applied = storm(governor());
    assert!((1..=10).contains(&applied), "{applied}");
}

#[test]
fn the_citys_number_is_the_city_files() {
    let only_one = EXAMPLE.replace("#blast_radius = 10", "blast_radius = 1");
    assert_ne!(only_one, EXAMPLE);
    assert_eq!(storm(governor_of(&only_one)), 1);
    let none = EXAMPLE.replace("#blast_radius = 10", "blast_radius = 0");
    assert_eq!(storm(governor_of(&none)), 0);
}

/// How many actions ten thousand critical incidents lead to.
fn storm(mut governor: Governor) -> usize {
    let act = crate::VerifiedAct::rehearsed(["cctv", "offices", "outside"].map(str::to_owned).to_vec());
    governor.hear(Moment::default(), Input::Act(act));
    let storm = (0..10_000_u32).map(|n| {
        let ip = format!("10.90.{}.{}", n / 250 % 4, 1 + n % 250);
        Notice {
            incident: format!("I0-{n}-1"),
            ..notice(&ip, true)
        }
    });
    let effects = governor.hear(Moment::default(), Input::Notices(storm.collect()));
    let applied = effects.iter().filter(|e| matches!(e, Effect::Apply(_))).count();
    println!(
        "10,000 critical notices: {applied} actions, {} kept",
        governor.stages().count()
    );
    assert!(governor.stages().count() <= 300);
    applied
}
