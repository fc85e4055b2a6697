//! Lines: what is read as it was written, what is refused and with which words.

use expect_test::expect;
use proptest::prelude::*;

use super::*;

fn notice() -> Notice {
    Notice {
        incident: "I0-1660-1".into(),
        change: "opened".into(),
        severity: 1,
        kinds: vec!["scan".into(), "takeover".into()],
        title: "camera-3 was taken over".into(),
        at: 1_700_000_000_000_000_000,
        suspects: vec![Suspect {
            name: "camera-3".into(),
            address: Some("10.1.0.3".parse().unwrap()),
            mac: Some([2, 0, 0, 0, 0, 3]),
            taken: true,
            proved: true,
        }],
        crossings: vec![Crossing {
            suspect: 0,
            zone: "outside".into(),
            targets: vec!["203.0.113.9".parse().unwrap()],
        }],
        changes: vec![Change {
            suspect: 0,
            target: "10.2.0.1".parse().unwrap(),
            protocol: "modbus".into(),
        }],
        victims: Vec::new(),
        flooded: vec![
            Flooded {
                address: "10.1.0.3".parse().unwrap(),
                protocol: 17,
                port: None,
            },
            Flooded {
                address: "10.1.0.3".parse().unwrap(),
                protocol: 6,
                port: Some(443),
            },
        ],
        evidence: vec!["0-12-1".into()],
    }
}

#[test]
fn a_notice_is_read_as_it_was_written() {
    let line = notice_line(&notice()).unwrap();
    expect![[r#"
        {"type":"notice","incident":"I0-1660-1","change":"opened","severity":1,"kinds":["scan","takeover"],"title":"camera-3 was taken over","at":1700000000000000000,"suspects":[{"name":"camera-3","address":"10.1.0.3","mac":"02:00:00:00:00:03","taken":true,"proved":true}],"crossings":[{"suspect":0,"zone":"outside","targets":["203.0.113.9"]}],"changes":[{"suspect":0,"target":"10.2.0.1","protocol":"modbus"}],"victims":[],"flooded":[{"address":"10.1.0.3","protocol":17},{"address":"10.1.0.3","protocol":6,"port":443}],"evidence":["0-12-1"]}
    "#]]
    .assert_eq(&line);
    assert_eq!(
        Message::parse(line.trim_end().as_bytes()),
        Ok(Message::Notice(Box::new(notice())))
    );
}

#[test]
fn vitals_are_read_as_they_were_written() {
    let vital = Vital {
        address: "10.1.0.3".parse().unwrap(),
        span: 500_000_000,
        packets: 9,
        asked: 4,
        answered: 3,
        lost: 1,
        heartbeat: Some(true),
    };
    let line = vitals_line(std::slice::from_ref(&vital)).unwrap();
    assert_eq!(
        Message::parse(line.trim_end().as_bytes()),
        Ok(Message::Vitals(vec![vital]))
    );
}

fn told(line: &str) -> String {
    match Message::parse(line.as_bytes()) {
        Ok(message) => format!("{message:?}"),
        Err(error) => format!("{}: {error}", error.code()),
    }
}

#[test]
fn what_is_no_message_is_refused_with_the_reason() {
    let lines = [
        r#"{"type":"hello","version":1,"as":"sensor"}"#,
        r#"{"type":"hello","version":2,"as":"sensor"}"#,
        r#"{"type":"hello","version":1,"as":"root"}"#,
        r#"{"type":"undo","id":7,"action":"I0-1.2"}"#,
        r#"{"type":"undo","id":7,"action":"I0-1\" }"}"#,
        r#"{"type":"undo","id":7,"action":"I0-1.2","force":true}"#,
        r#"{"type":"undo","id":-1,"action":"I0-1.2"}"#,
        r#"{"type":"approve","action":"I0-1.2","hash":"00"}"#,
        r#"{"type":"propose","rung":"melt","host":"10.1.0.3","reason":""}"#,
        r#"{"type":"propose","rung":"isolate","host":"camera","reason":""}"#,
        r#"{"type":"propose","rung":"isolate","host":"10.1.0.3","to":"10.1.0.3/8","reason":""}"#,
        r#"{"type":"reject","action":"I0-1.2","reason":"a\u001b[2Jb"}"#,
        r#"{"type":"list"} {"type":"list"}"#,
        r#"["list"]"#,
        "",
    ];
    let all: String = lines.iter().map(|line| format!("{}\n", told(line))).collect();
    expect![[r#"
        Hello(Sensor)
        version: version 2 is not spoken here, only 1: use the citywall that the enforcer is
        not-a-message: not a message: unknown variant `root`, expected `sensor` or `person`
        Ask(Request { number: 7, ask: Undo { action: ActionId("I0-1.2"), reason: "" } })
        value: `incident`: 1 to 64 letters, digits and -._:/
        not-a-message: not a message: unknown field `force`, expected one of `id`, `action`, `reason`
        not-a-message: not a message: invalid value: integer `-1`, expected u64
        value: `hash`: not 64 hexadecimal digits
        value: `rung`: 'melt' is none of observe, notify, deny-command, limit-rate, deny-conduit, quarantine, isolate
        value: `host`: neither an IP nor a MAC address
        value: `to`: not a network or address
        value: `reason`: holds control characters
        not-a-message: not a message: trailing characters at line 1 column 17
        Ask(Request { number: 0, ask: List })
        not-a-message: not a message: EOF while parsing a value at line 1 column 0
    "#]].assert_eq(&all);
}

#[test]
fn a_notice_that_contradicts_itself_is_refused() {
    let refused = |change: fn(&mut Notice)| {
        let mut notice = notice();
        change(&mut notice);
        let line = notice_line(&notice).unwrap();
        told(line.trim_end())
    };
    let all = [
        refused(|n| n.severity = 0),
        refused(|n| n.change = "gone".into()),
        refused(|n| n.crossings[0].suspect = 1),
        refused(|n| n.changes[0].suspect = 9),
        refused(|n| n.incident = "I1\"; flush ruleset".into()),
        refused(|n| n.kinds = vec!["x".into(); 40]),
    ];
    expect![[r#"
        value: `severity`: from 1 (worst) to 4
        value: `change`: `opened`, `updated` or `closed`
        value: `crossings.suspect`: there is no such suspect
        value: `changes.suspect`: there is no such suspect
        value: `incident`: 1 to 64 letters, digits and -._:/
        value: `kinds`: 40 are more than 32"#]]
    .assert_eq(&all.join("\n"));
    // What is cut off when it is written is not named by what is kept.
    let mut many = notice();
    many.suspects = vec![many.suspects[0].clone(); PARTIES + 1];
    many.crossings[0].suspect = PARTIES;
    let line = notice_line(&many).unwrap();
    let Ok(Message::Notice(read)) = Message::parse(line.trim_end().as_bytes()) else {
        panic!("refused");
    };
    assert_eq!((read.suspects.len(), read.crossings.len()), (PARTIES, 0));
}

#[test]
fn a_line_has_a_longest_length() {
    let line = format!("{{\"type\":\"list\",\"id\":1{}}}", " ".repeat(LINE));
    assert_eq!(Message::parse(line.as_bytes()), Err(LineError::Long));
}

proptest! {
    #[test]
    fn any_line_is_read_or_refused(line in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Message::parse(&line);
    }

    #[test]
    fn any_text_in_a_notice_survives_or_is_refused(title in ".{0,200}", name in ".{0,80}") {
        let mut notice = notice();
        notice.title = title;
        notice.suspects[0].name = name;
        let line = notice_line(&notice).unwrap();
        // Control characters are replaced when a sensor writes, so that it is never refused for them.
        let is_notice = matches!(Message::parse(line.trim_end().as_bytes()), Ok(Message::Notice(_)));
        prop_assert!(is_notice);
        prop_assert_eq!(line.matches('\n').count(), 1);
    }
}
