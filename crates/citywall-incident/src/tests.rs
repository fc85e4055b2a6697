//! Events in, incidents and proposals out, on the example city of `citywall-policy`.

use std::fmt::Write as _;
use std::net::IpAddr;

use citywall_event::{
    Alert, Behaviour, Body, Command, CommandOutcome, Context, Event, Login, Nanos, Order, Service, Subject,
    Technique, Value, Verb,
};
use citywall_inventory::{Inventory, Limits as InventoryLimits, Makers};
use citywall_policy::{City, EXAMPLE};
use expect_test::{Expect, expect};
use proptest::prelude::*;

use crate::{Limits, Situation};

const SECOND: Nanos = 1_000_000_000;

fn example() -> Context {
    City::parse(EXAMPLE, "example.toml").unwrap().compile().1
}

/// What the words of a line say happened; `None` where the policy has nothing against it.
fn body(context: &Context, words: &[&str]) -> Option<Body> {
    let end = |text: &str| {
        let ip: Option<IpAddr> = text.parse().ok();
        (context.locate(ip, None), ip)
    };
    let (from, to) = (end(words[2]), end(words[3]));
    Some(match words[1] {
        "default-login" | "login" => Body::Login(Login {
            protocol: "telnet",
            user: "root".to_owned(),
            password_length: Some(4),
            default_credentials: words[1] == "default-login",
            success: Some(true),
        }),
        "contact" => {
            let service = Service {
                protocol: 6,
                port: words[4].parse().ok(),
                app_proto: None,
            };
            Body::Violation(context.judge_contact(from, to, &service).err()?.into())
        }
        "set" | "get" | "refused-set" | "lost-set" => {
            let get = words[1] == "get";
            let command = Command {
                protocol: if words[4].starts_with('1') {
                    "snmp"
                } else {
                    "modbus"
                },
                verb: if get { Verb::Read } else { Verb::Write },
                function: if get { "get" } else { "set" },
                unit: Some(1),
                point: words[4].to_owned(),
                count: 1,
                value: (!get).then_some(Value::Uint(2)),
                outcome: match words[1] {
                    "refused-set" => CommandOutcome::Refused(2),
                    "lost-set" => CommandOutcome::Unanswered,
                    _ => CommandOutcome::Accepted,
                },
                technique: (!get).then_some(Technique::MODIFY_PARAMETER),
            };
            Body::Violation(context.judge_command(from, to, &command).err()?.into())
        }
        "scan" | "vertical" | "guess" | "guessed" | "syn-flood" | "crowd" => {
            Body::Behaviour(Box::new(Behaviour {
                kind: match words[1] {
                    "scan" => "horizontal_scan",
                    "vertical" => "vertical_scan",
                    "syn-flood" => "syn_flood",
                    "crowd" => "connections_held",
                    "guess" => "password_guessing",
                    _ => "password_guessed",
                },
                reason: citywall_event::Phrase::as_written(format!("{} {}", words[2], words[1])),
                score: 0.9,
                features: vec![],
                technique: Some(Technique::REMOTE_SYSTEM_DISCOVERY),
                evidence: vec![],
            }))
        }
        // A deviation from what was learned: kind and score.
        "deviates" => Body::Behaviour(Box::new(Behaviour {
            kind: ["new_commander", "new_peer", "unusual_hour"]
                .into_iter()
                .find(|kind| *kind == words[4])
                .unwrap(),
            reason: citywall_event::Phrase::as_written(format!("{} {} {}", words[2], words[4], words[3])),
            score: words[5].parse().unwrap(),
            features: vec![],
            technique: None,
            evidence: vec![],
        })),
        "alert" => Body::Alert(Box::new(Alert {
            gid: 1,
            sid: words[4].parse().unwrap(),
            rev: 1,
            signature: "a rule".to_owned(),
            category: String::new(),
            severity: 1,
            would_drop: false,
            metadata: vec![],
            technique: None,
        })),
        other => panic!("{other}"),
    })
}

pub(crate) fn event(context: &Context, number: u64, line: &str) -> Option<Event> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let at = words[0].parse::<Nanos>().unwrap() * SECOND;
    Some(Event {
        order: Order::of_packet(at, 0, number, 0),
        at,
        subject: Subject {
            src_ip: words[2].parse().ok(),
            dst_ip: words[3].parse().ok(),
            ..Subject::default()
        },
        app_proto: None,
        body: body(context, &words)?,
    })
}

pub(crate) fn show(out: &mut String, conclusions: Vec<(Subject, Body)>) {
    for (_, body) in conclusions {
        match body {
            Body::Incident(i) => {
                writeln!(
                    out,
                    "{} {} severity {}: {}",
                    i.change, i.number, i.severity, i.title
                )
                .unwrap();
                writeln!(
                    out,
                    "  {} to {}; zones {}; domains {}; assets {}; services {}",
                    i.first / SECOND,
                    i.last / SECOND,
                    i.zones.join(", "),
                    i.domains.join(", "),
                    i.assets.join(", "),
                    i.services.join(", ")
                )
                .unwrap();
                for r in i.reasons {
                    let technique = r.technique.map_or("-", |t| t.id);
                    writeln!(out, "  [{}] {} {}", r.event, technique, r.text).unwrap();
                }
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Runs lines; a line `tick N` is a border.
fn run(context: &Context, limits: Limits, lines: &str) -> (String, Situation) {
    let mut situation = Situation::new(limits);
    let inventory = Inventory::new(InventoryLimits::default(), Makers::default());
    let mut out = String::new();
    for (number, line) in lines.lines().map(str::trim).filter(|l| !l.is_empty()).enumerate() {
        if let Some(at) = line.strip_prefix("tick ") {
            let at = at.parse::<Nanos>().unwrap() * SECOND;
            show(&mut out, situation.tick(at, context));
        } else if let Some(event) = event(context, number as u64 + 1, line) {
            show(&mut out, situation.assess(&event, context, &inventory));
        }
    }
    out.push_str("finish\n");
    show(&mut out, situation.finish(10_000 * SECOND, context));
    (out, situation)
}

pub(crate) fn check(lines: &str, expected: Expect) {
    expected.assert_eq(&run(&example(), Limits::default(), lines).0);
}

const PRELUDE: &str = "
    1 default-login 10.90.0.66 10.30.0.17
    20 contact 10.30.0.17 10.20.0.3 161
    21 contact 10.30.0.17 10.20.0.4 161
    22 contact 10.30.0.17 10.40.0.20 502
    25 scan 10.30.0.17 10.20.0.14
    30 get 10.30.0.17 10.20.0.12 1.3.6.1.2.1.1.1.0
";

#[test]
fn a_camera_is_taken_over_searches_and_writes() {
    let writes = "
        40 set 10.30.0.17 10.20.0.12 1.3.6.1.4.1.1206.4.2.1.3.14.0
        41 set 10.30.0.17 10.40.0.20 holding:40
        42 set 10.30.0.17 10.40.0.20 holding:40
        tick 60
        tick 5000
    ";
    check(
        &format!("{PRELUDE}{writes}"),
        expect![[r#"
            opened I0-1-0 severity 3: 10.90.0.66 logged into 10.30.0.17 with a password that is no secret
              1 to 1; zones offices, cctv; domains administration, transport; assets 10.90.0.66, 10.30.0.17; services 
              [0-1-0] T0812 10.90.0.66 logged into 10.30.0.17 by telnet with a vendor's default password
            updated I0-1-0 severity 2: 10.30.0.17, which had been taken over, does what it may not
              1 to 20; zones cctv, offices, signals; domains transport, administration; assets 10.30.0.17, 10.90.0.66, 10.20.0.3; services 
              [0-1-0] T0812 10.90.0.66 logged into 10.30.0.17 by telnet with a vendor's default password
              [0-2-0] - 10.30.0.17 to 10.20.0.3: no conduit lets zone cctv reach zone signals (tcp/161)
            updated I0-1-0 severity 2: 10.30.0.17, which had been taken over, searches the network
              1 to 30; zones cctv, offices, signals, pumps; domains transport, administration, water; assets 10.30.0.17, 10.90.0.66, 10.20.0.3, pump-plc-1, signal-12; services 
              [0-1-0] T0812 10.90.0.66 logged into 10.30.0.17 by telnet with a vendor's default password
              [0-2-0] - 10.30.0.17 to 10.20.0.3: no conduit lets zone cctv reach zone signals (tcp/161) (2 times)
              [0-4-0] - 10.30.0.17 to pump-plc-1: no conduit lets zone cctv reach zone pumps (tcp/502)
              [0-5-0] T0846 10.30.0.17 scan
              [0-6-0] - 10.30.0.17 told signal-12 by snmp: read 1.3.6.1.2.1.1.1.0; the device accepted it. No conduit lets zone cctv reach zone signals (snmp)
            updated I0-1-0 severity 1: 10.30.0.17, which had been taken over, changed signal-12 without permission
              1 to 40; zones cctv, offices, signals, pumps; domains transport, administration, water; assets 10.30.0.17, 10.90.0.66, 10.20.0.3, pump-plc-1, signal-12; services Traffic signals, Emergency vehicle priority
              [0-1-0] T0812 10.90.0.66 logged into 10.30.0.17 by telnet with a vendor's default password
              [0-2-0] - 10.30.0.17 to 10.20.0.3: no conduit lets zone cctv reach zone signals (tcp/161) (2 times)
              [0-4-0] - 10.30.0.17 to pump-plc-1: no conduit lets zone cctv reach zone pumps (tcp/502)
              [0-5-0] T0846 10.30.0.17 scan
              [0-6-0] - 10.30.0.17 told signal-12 by snmp: read 1.3.6.1.2.1.1.1.0; the device accepted it. No conduit lets zone cctv reach zone signals (snmp)
              [0-7-0] T0836 10.30.0.17 told signal-12 by snmp: write 1.3.6.1.4.1.1206.4.2.1.3.14.0 = 2; the device accepted it. No conduit lets zone cctv reach zone signals (snmp)
            updated I0-1-0 severity 1: 10.30.0.17, which had been taken over, changed signal-12 and pump-plc-1 without permission
              1 to 42; zones cctv, offices, signals, pumps; domains transport, administration, water; assets 10.30.0.17, 10.90.0.66, 10.20.0.3, pump-plc-1, signal-12; services Traffic signals, Drinking water, Emergency vehicle priority
              [0-1-0] T0812 10.90.0.66 logged into 10.30.0.17 by telnet with a vendor's default password
              [0-2-0] - 10.30.0.17 to 10.20.0.3: no conduit lets zone cctv reach zone signals (tcp/161) (2 times)
              [0-4-0] - 10.30.0.17 to pump-plc-1: no conduit lets zone cctv reach zone pumps (tcp/502)
              [0-5-0] T0846 10.30.0.17 scan
              [0-6-0] - 10.30.0.17 told signal-12 by snmp: read 1.3.6.1.2.1.1.1.0; the device accepted it. No conduit lets zone cctv reach zone signals (snmp)
              [0-7-0] T0836 10.30.0.17 told signal-12 by snmp: write 1.3.6.1.4.1.1206.4.2.1.3.14.0 = 2; the device accepted it. No conduit lets zone cctv reach zone signals (snmp)
              [0-8-0] T0836 10.30.0.17 told pump-plc-1 by modbus: write holding:40 = 2; the device accepted it. No conduit lets zone cctv reach zone pumps (modbus) (2 times)
            closed I0-1-0 severity 1: 10.30.0.17, which had been taken over, changed signal-12 and pump-plc-1 without permission
              1 to 42; zones cctv, offices, signals, pumps; domains transport, administration, water; assets 10.30.0.17, 10.90.0.66, 10.20.0.3, pump-plc-1, signal-12; services Traffic signals, Drinking water, Emergency vehicle priority
              [0-1-0] T0812 10.90.0.66 logged into 10.30.0.17 by telnet with a vendor's default password
              [0-2-0] - 10.30.0.17 to 10.20.0.3: no conduit lets zone cctv reach zone signals (tcp/161) (2 times)
              [0-4-0] - 10.30.0.17 to pump-plc-1: no conduit lets zone cctv reach zone pumps (tcp/502)
              [0-5-0] T0846 10.30.0.17 scan
              [0-6-0] - 10.30.0.17 told signal-12 by snmp: read 1.3.6.1.2.1.1.1.0; the device accepted it. No conduit lets zone cctv reach zone signals (snmp)
              [0-7-0] T0836 10.30.0.17 told signal-12 by snmp: write 1.3.6.1.4.1.1206.4.2.1.3.14.0 = 2; the device accepted it. No conduit lets zone cctv reach zone signals (snmp)
              [0-8-0] T0836 10.30.0.17 told pump-plc-1 by modbus: write holding:40 = 2; the device accepted it. No conduit lets zone cctv reach zone pumps (modbus) (2 times)
            finish
        "#]],
    );
}

#[test]
fn without_the_writes_it_is_another_incident() {
    check(
        PRELUDE,
        expect![[r#"
            opened I0-1-0 severity 3: 10.90.0.66 logged into 10.30.0.17 with a password that is no secret
              1 to 1; zones offices, cctv; domains administration, transport; assets 10.90.0.66, 10.30.0.17; services 
              [0-1-0] T0812 10.90.0.66 logged into 10.30.0.17 by telnet with a vendor's default password
            updated I0-1-0 severity 2: 10.30.0.17, which had been taken over, does what it may not
              1 to 20; zones cctv, offices, signals; domains transport, administration; assets 10.30.0.17, 10.90.0.66, 10.20.0.3; services 
              [0-1-0] T0812 10.90.0.66 logged into 10.30.0.17 by telnet with a vendor's default password
              [0-2-0] - 10.30.0.17 to 10.20.0.3: no conduit lets zone cctv reach zone signals (tcp/161)
            updated I0-1-0 severity 2: 10.30.0.17, which had been taken over, searches the network
              1 to 30; zones cctv, offices, signals, pumps; domains transport, administration, water; assets 10.30.0.17, 10.90.0.66, 10.20.0.3, pump-plc-1, signal-12; services 
              [0-1-0] T0812 10.90.0.66 logged into 10.30.0.17 by telnet with a vendor's default password
              [0-2-0] - 10.30.0.17 to 10.20.0.3: no conduit lets zone cctv reach zone signals (tcp/161) (2 times)
              [0-4-0] - 10.30.0.17 to pump-plc-1: no conduit lets zone cctv reach zone pumps (tcp/502)
              [0-5-0] T0846 10.30.0.17 scan
              [0-6-0] - 10.30.0.17 told signal-12 by snmp: read 1.3.6.1.2.1.1.1.0; the device accepted it. No conduit lets zone cctv reach zone signals (snmp)
            finish
        "#]],
    );
}

#[test]
fn little_is_no_incident() {
    check(
        "
        1 contact 10.30.0.17 10.20.0.3 161
        2 contact 10.30.0.17 10.20.0.4 161
        3 contact 10.30.0.17 10.20.0.5 161
        4 login 10.90.0.66 10.30.0.17
        5 alert 10.90.0.66 10.30.0.17 7
        6 alert 10.90.0.66 10.30.0.17 7
        7 set 10.21.0.10 10.20.0.12 1.3.6.1.4.1.1206.4.2.1.3.14.0
        8 set 10.41.0.10 10.40.0.20 holding:40
        ",
        expect![[r#"
            finish
        "#]],
    );
}

#[test]
fn each_kind_has_its_words() {
    for (lines, expected) in [
        (
            "1 scan 10.30.0.17 10.30.0.18",
            expect![[r#"
            opened I0-1-0 severity 3: 10.30.0.17 searches the network
              1 to 1; zones cctv; domains transport; assets 10.30.0.17; services 
              [0-1-0] T0846 10.30.0.17 scan
            finish
        "#]],
        ),
        (
            "1 refused-set 10.30.0.17 10.20.0.12 1.3.6.1.1",
            expect![[r#"
            opened I0-1-0 severity 2: 10.30.0.17 tried to change signal-12 without permission and was refused
              1 to 1; zones cctv, signals; domains transport; assets 10.30.0.17, signal-12; services Traffic signals, Emergency vehicle priority
              [0-1-0] T0836 10.30.0.17 told signal-12 by snmp: write 1.3.6.1.1 = 2; the device refused it (code 2). No conduit lets zone cctv reach zone signals (snmp)
            finish
        "#]],
        ),
        (
            "1 lost-set 10.30.0.17 10.20.0.12 1.3.6.1.1",
            expect![[r#"
            opened I0-1-0 severity 1: 10.30.0.17 sent forbidden changes to signal-12; whether they took effect was not seen
              1 to 1; zones cctv, signals; domains transport; assets 10.30.0.17, signal-12; services Traffic signals, Emergency vehicle priority
              [0-1-0] T0836 10.30.0.17 told signal-12 by snmp: write 1.3.6.1.1 = 2; no answer was seen. No conduit lets zone cctv reach zone signals (snmp)
            finish
        "#]],
        ),
        (
            "1 guess 10.90.0.1 10.30.0.17\n2 contact 10.90.0.1 10.30.0.17 23",
            expect![[r#"
            opened I0-1-0 severity 3: router guesses passwords
              1 to 2; zones offices, cctv; domains administration, transport; assets router, 10.30.0.17; services 
              [0-1-0] T0846 10.90.0.1 guess
              [0-2-0] - router to 10.30.0.17: no conduit lets zone offices reach zone cctv (tcp/23)
            finish
        "#]],
        ),
        (
            "1 guessed 10.90.0.1 10.30.0.17",
            expect![[r#"
                opened I0-1-0 severity 2: router guessed a password of 10.30.0.17
                  1 to 1; zones offices, cctv; domains administration, transport; assets router, 10.30.0.17; services 
                  [0-1-0] T0846 10.90.0.1 guessed
                finish
            "#]],
        ),
        (
            "1 set 8.8.8.8 10.90.0.9 holding:1",
            expect![[r#"
            opened I0-1-0 severity 2: 8.8.8.8 changed 10.90.0.9 without permission
              1 to 1; zones outside, offices; domains administration; assets 8.8.8.8, 10.90.0.9; services 
              [0-1-0] T0836 8.8.8.8 told 10.90.0.9 by modbus: write holding:1 = 2; the device accepted it. No conduit lets outside reach zone offices (modbus)
            finish
        "#]],
        ),
    ] {
        check(lines, expected);
    }
}

#[test]
fn what_must_not_stop_can_be_suspected() {
    // A signal controller, and the resolver, write where they may not.
    check(
        "
        1 default-login 10.90.0.66 10.20.0.12
        2 set 10.20.0.12 10.40.0.20 holding:1
        3 set 10.1.0.53 10.41.0.10 holding:1
        ",
        expect![[r#"
            opened I0-1-0 severity 3: 10.90.0.66 logged into signal-12 with a password that is no secret
              1 to 1; zones offices, signals; domains administration, transport; assets 10.90.0.66, signal-12; services Traffic signals, Emergency vehicle priority
              [0-1-0] T0812 10.90.0.66 logged into signal-12 by telnet with a vendor's default password
            updated I0-1-0 severity 1: signal-12, which had been taken over, changed pump-plc-1 without permission
              1 to 2; zones signals, offices, pumps; domains transport, administration, water; assets signal-12, 10.90.0.66, pump-plc-1; services Drinking water
              [0-1-0] T0812 10.90.0.66 logged into signal-12 by telnet with a vendor's default password
              [0-2-0] T0836 signal-12 told pump-plc-1 by modbus: write holding:1 = 2; the device accepted it. No conduit lets zone signals reach zone pumps (modbus)
            opened I0-3-0 severity 1: resolver changed scada-1 without permission
              3 to 3; zones core, water-scada; domains administration, water; assets resolver, scada-1; services Drinking water
              [0-3-0] T0836 resolver told scada-1 by modbus: write holding:1 = 2; the device accepted it. No conduit lets zone core reach zone water-scada (modbus)
            finish
        "#]],
    );
}

#[test]
fn two_incidents_become_one() {
    check(
        "
        1 scan 10.30.0.17 10.30.0.18
        2 default-login 10.90.0.66 10.30.0.99
        3 default-login 10.90.0.66 10.30.0.17
        4 scan 10.30.0.99 10.30.0.18
        ",
        expect![[r#"
            opened I0-1-0 severity 3: 10.30.0.17 searches the network
              1 to 1; zones cctv; domains transport; assets 10.30.0.17; services 
              [0-1-0] T0846 10.30.0.17 scan
            opened I0-2-0 severity 3: 10.90.0.66 logged into 10.30.0.99 with a password that is no secret
              2 to 2; zones offices, cctv; domains administration, transport; assets 10.90.0.66, 10.30.0.99; services 
              [0-2-0] T0812 10.90.0.66 logged into 10.30.0.99 by telnet with a vendor's default password
            closed I0-2-0 severity 3: 10.90.0.66 logged into 10.30.0.99 with a password that is no secret (now part of I0-1-0)
              2 to 2; zones offices, cctv; domains administration, transport; assets 10.90.0.66, 10.30.0.99; services 
              [0-2-0] T0812 10.90.0.66 logged into 10.30.0.99 by telnet with a vendor's default password
            updated I0-1-0 severity 2: 10.30.0.17, which had been taken over, searches the network
              1 to 3; zones cctv, offices; domains transport, administration; assets 10.30.0.17, 10.90.0.66, 10.30.0.99; services 
              [0-1-0] T0846 10.30.0.17 scan
              [0-2-0] T0812 10.90.0.66 logged into 10.30.0.99 by telnet with a vendor's default password
              [0-3-0] T0812 10.90.0.66 logged into 10.30.0.17 by telnet with a vendor's default password
            finish
            updated I0-1-0 severity 2: 10.30.0.17, which had been taken over, searches the network
              1 to 4; zones cctv, offices; domains transport, administration; assets 10.30.0.17, 10.90.0.66, 10.30.0.99; services 
              [0-1-0] T0846 10.30.0.17 scan
              [0-2-0] T0812 10.90.0.66 logged into 10.30.0.99 by telnet with a vendor's default password
              [0-3-0] T0812 10.90.0.66 logged into 10.30.0.17 by telnet with a vendor's default password
              [0-4-0] T0846 10.30.0.99 scan
        "#]],
    );
}

#[test]
fn an_isolated_zone_is_watched() {
    let text = EXAMPLE.replace(
        "networks = [\"10.40.0.0/24\"]",
        "networks = [\"10.40.0.0/24\"]\nisolated = true",
    );
    let context = City::parse(&text, "city.toml").unwrap().compile().1;
    let (out, _) = run(&context, Limits::default(), "1 contact 10.90.0.5 10.40.0.20 80");
    expect![[r#"
        opened I0-1-0 severity 1: The border of an isolated zone was crossed: 10.90.0.5 reached pump-plc-1
          1 to 1; zones offices, pumps; domains administration, water; assets 10.90.0.5, pump-plc-1; services Drinking water
          [0-1-0] - 10.90.0.5 to pump-plc-1: zone pumps is declared isolated, but zone offices reached zone pumps
        finish
    "#]].assert_eq(&out);
}

#[test]
fn a_new_city_file_keeps_the_incident() {
    let (_, mut situation) = run(
        &example(),
        Limits::default(),
        "1 default-login 10.90.0.66 10.20.0.12",
    );
    // One asset more in front of all others: every index is another.
    let text = EXAMPLE.replacen(
        "[[asset]]",
        "[[asset]]\nname = \"new\"\naddress = \"10.20.0.200\"\n\n[[asset]]",
        1,
    );
    let context = City::parse(&text, "city.toml").unwrap().compile().1;
    situation.reload(&context);
    let inventory = Inventory::new(InventoryLimits::default(), Makers::default());
    let write = event(&context, 9, "9 set 10.20.0.12 10.40.0.20 holding:1").unwrap();
    let mut out = String::new();
    show(&mut out, situation.assess(&write, &context, &inventory));
    assert!(
        out.starts_with(
            "updated I0-1-0 severity 1: signal-12, which had been taken over, changed pump-plc-1"
        ),
        "{out}"
    );
}

#[test]
fn the_last_word_holds_every_reason_and_its_count() {
    let lines = "
        1 default-login 10.90.0.66 10.30.0.17
        20 contact 10.30.0.17 10.20.0.3 161
        30 get 10.30.0.17 10.20.0.12 holding:7
        31 get 10.30.0.17 10.40.0.20 holding:7
        32 get 10.30.0.17 10.40.0.20 holding:7
    ";
    let (told, situation) = run(&example(), Limits::default(), lines);
    let last = told.rfind("updated ").map_or("", |at| &told[at..]);
    let report = &situation.reports(&example())[0];
    assert!(report.assets.len() >= 4, "{report:?}");
    for reason in &report.reasons {
        assert!(
            last.contains(&format!("[{}] ", reason.event)),
            "{} is missing:\n{told}",
            reason.event
        );
        assert!(
            last.contains(reason.text.english()),
            "{} is missing:\n{told}",
            reason.text
        );
    }
    assert!(last.contains("(2 times)"), "{told}");
}

#[test]
fn limits_hold_and_are_counted() {
    let limits = Limits {
        incidents: 4,
        suspects: 32,
        ..Limits::default()
    };
    let mut lines = String::new();
    for i in 0..200 {
        writeln!(lines, "{i} scan 10.90.{}.{} 10.20.0.1", i / 100, i % 100).unwrap();
        writeln!(lines, "{i} contact 10.91.{}.{} 10.20.0.1 99", i / 100, i % 100).unwrap();
        writeln!(lines, "tick {i}").unwrap();
    }
    let (_, situation) = run(&example(), limits, &lines);
    let counters = situation.counters();
    assert_eq!(situation.open(), 4);
    assert!(counters.evicted > 100, "{counters:?}");
    assert!(counters.forgotten + counters.refused > 50, "{counters:?}");
    // One incident with very many victims and reasons.
    let mut lines = String::new();
    for i in 0..2_000 {
        writeln!(lines, "{i} set 10.30.0.17 10.20.0.{} holding:{i}", i % 250).unwrap();
    }
    let (out, situation) = run(&example(), Limits::default(), &lines);
    let reports = situation.reports(&example());
    assert_eq!(
        (reports.len(), reports[0].reasons.len()),
        (1, crate::incident::REASONS)
    );
    assert!(reports[0].assets.len() <= 1 + crate::incident::SEATS);
    let told = out.matches("updated").count();
    assert!(told <= 202, "{told} updates in 2000 seconds");
}

#[test]
fn invented_sources_do_not_make_forget_who_is_patient() {
    let limits = Limits {
        suspects: 64,
        ..Limits::default()
    };
    let mut lines = "1 contact 10.90.0.66 10.20.0.3 161\n2 contact 10.90.0.66 10.40.0.20 502\n".to_owned();
    for i in 0..1_000 {
        writeln!(lines, "10 contact 10.91.{}.{} 10.20.0.1 99", i / 250, i % 250).unwrap();
        writeln!(lines, "tick {}", 10 + i / 10).unwrap();
    }
    lines.push_str("200 get 10.90.0.66 10.20.0.12 1.3.6.1.2.1.1.1.0\n201 scan 10.90.0.66 10.20.0.14");
    let (out, situation) = run(&example(), limits, &lines);
    assert!(situation.counters().forgotten > 500, "{out}");
    assert!(out.contains("[0-1-0]"), "{out}");
}

proptest! {
    #[test]
    fn the_same_events_give_the_same_incidents(
        steps in proptest::collection::vec((0usize..11, 0usize..6, 0usize..6, 0i64..4000), 0..80),
        incidents in 1usize..4,
    ) {
        let hosts = ["10.30.0.17", "10.20.0.12", "10.40.0.20", "10.1.0.53", "10.90.0.1", "9.9.9.9"];
        let kinds = ["default-login", "login", "contact", "set", "get", "refused-set", "lost-set", "scan", "guess", "guessed", "alert"];
        let mut lines = String::new();
        let mut at = 0;
        for (kind, a, b, pause) in steps {
            at += pause;
            let last = match kinds[kind] { "contact" | "alert" => "99", _ => "holding:7" };
            writeln!(lines, "{at} {} {} {} {last}\ntick {at}", kinds[kind], hosts[a], hosts[b]).unwrap();
        }
        let limits = Limits { incidents, suspects: 5, ..Limits::default() };
        let context = example();
        let (first, situation) = run(&context, limits, &lines);
        prop_assert_eq!(&first, &run(&context, limits, &lines).0);
        prop_assert!(situation.open() <= incidents);
        // What opened and did not close is open.
        let count = |word: &str| first.lines().filter(|l| l.starts_with(word)).count();
        prop_assert_eq!(count("opened") - count("closed"), situation.open());
        // Nothing but words against what must not stop.
        for line in first.lines().filter(|l| l.contains("> quarantine") || l.contains("> limit-rate")) {
            prop_assert!(!line.contains("signal-12") && !line.contains("resolver") && !line.contains("pump"), "{}", line);
        }
    }
}

#[test]
fn a_new_commander_is_an_incident_and_a_new_peer_alone_is_none() {
    check(
        "
        1 deviates 10.20.0.3 10.20.0.12 new_commander 0.95
        2 deviates 10.20.0.3 10.20.0.12 new_commander 0.95
        ",
        expect![[r#"
            opened I0-1-0 severity 2: 10.20.0.3 commands signal-12 as it never did
              1 to 1; zones signals; domains transport; assets 10.20.0.3, signal-12; services Traffic signals, Emergency vehicle priority
              [0-1-0] - 10.20.0.3 new_commander 10.20.0.12
            finish
            updated I0-1-0 severity 2: 10.20.0.3 commands signal-12 as it never did
              1 to 2; zones signals; domains transport; assets 10.20.0.3, signal-12; services Traffic signals, Emergency vehicle priority
              [0-1-0] - 10.20.0.3 new_commander 10.20.0.12 (2 times)
        "#]],
    );
    check(
        "
        1 deviates 10.20.0.3 10.20.0.12 new_peer 0.7
        2 deviates 10.20.0.3 10.20.0.13 new_peer 0.7
        9 deviates 10.20.0.3 10.20.0.12 unusual_hour 0.5
        ",
        expect![[r#"
            opened I0-1-0 severity 3: 10.20.0.3 does what it never did
              1 to 9; zones signals; domains transport; assets 10.20.0.3, signal-12; services Traffic signals, Emergency vehicle priority
              [0-1-0] - 10.20.0.3 new_peer 10.20.0.12 (2 times)
              [0-3-0] - 10.20.0.3 unusual_hour 10.20.0.12
            finish
        "#]],
    );
    // Who only reads is a reason, not an incident.
    check(
        "
        1 deviates 10.20.0.3 10.20.0.12 new_commander 0.8
        ",
        expect![[r#"
            finish
        "#]],
    );
}

/// Who answers a flood hears at once that it is over, when the last of several kinds is, and that it is back.
#[test]
fn a_flood_begins_ends_and_begins_again() {
    let context = example();
    let mut situation = Situation::new(Limits::default());
    let inventory = Inventory::new(InventoryLimits::default(), Makers::default());
    let mut tell = |second: i64, kind: &'static str| {
        let event = Event {
            order: Order::of_packet(second * SECOND, 0, second as u64, 0),
            at: second * SECOND,
            subject: Subject {
                src_ip: "10.30.0.17".parse().ok(),
                dst_ip: "10.20.0.14".parse().ok(),
                protocol: Some(17),
                ..Subject::default()
            },
            app_proto: None,
            body: Body::Behaviour(Box::new(Behaviour {
                kind,
                reason: citywall_event::Phrase::as_written(kind),
                score: 0.9,
                features: vec![],
                technique: None,
                evidence: vec![],
            })),
        };
        let told = situation.assess(&event, &context, &inventory);
        let flooded = |(_, body): &(Subject, Body)| match body {
            Body::Incident(report) => Some((report.change, report.parties.flooded.len())),
            _ => None,
        };
        told.iter().filter_map(flooded).collect::<Vec<_>>()
    };
    assert_eq!(tell(1, "udp_flood"), [("opened", 1)]);
    tell(2, "amplification");
    assert_eq!(tell(5, "flood_ended"), [], "the other one goes on");
    assert_eq!(tell(6, "flood_ended"), [("updated", 0)]);
    assert_eq!(tell(7, "flood_ended"), [], "there is none");
    assert_eq!(tell(8, "udp_flood"), [("updated", 1)]);
}
