//! The journal's entries, versions 1 and 2, frozen: a newer program must read these lines.

use citywall_event::{Phrase, say};
use expect_test::expect;

use crate::{Act, Action, ActionId, Entry, EntryError, Fact, Grounds, Measure, Moment, Outcome, Plan, Rung};

fn at(fact: Fact) -> Entry {
    let at = Moment { wall: 5, steady: 3 };
    Entry { at, fact }
}

#[test]
fn entries_are_frozen_and_read_back() {
    let action = ActionId("I0-1-1.2".to_owned());
    let facts = [
        Fact::Started { revision: 1 },
        Fact::Applied {
            action: action.clone(),
        },
        Fact::Undoing {
            action: action.clone(),
            outcome: Outcome::RolledBack {
                why: Phrase::as_written("w"),
            },
        },
        Fact::Ended {
            action,
            outcome: Outcome::Lapsed,
        },
        Fact::Act {
            act: Act {
                zones: vec!["z".to_owned()],
                rungs: vec![Rung::Quarantine],
                expires: 9,
                serial: 2,
            },
            signer: "Ada".to_owned(),
        },
        Fact::Shed { count: 7 },
        Fact::Proposed {
            plan: Plan {
                incident: "I0-1-1".to_owned(),
                revision: 4,
                actions: vec![Action {
                    id: ActionId("I0-1-1.3".to_owned()),
                    rung: Rung::LimitRate,
                    target: Phrase::as_written("t"),
                    reason: Phrase::as_written("r"),
                    owner: "o".to_owned(),
                    time_to_live: 60,
                    measures: vec![
                        Measure::LimitInto {
                            to: [10, 0, 0, 9].into(),
                            protocol: 6,
                            packets_per_second: 20,
                        },
                        Measure::SynProxy {
                            to: [10, 0, 0, 9].into(),
                            port: 443,
                        },
                        Measure::DropAnswers {
                            to: [10, 0, 0, 9].into(),
                            from_port: 123,
                        },
                    ],
                }],
            },
            severity: 2,
            grounds: Grounds::default(),
            needed: 1,
            guards: vec!["g".to_owned()],
        },
    ];
    let mut lines = String::new();
    for fact in facts {
        let entry = at(fact);
        let line = entry.to_json();
        assert_eq!(Entry::parse(&line), Ok(entry));
        lines.push_str(&line);
        lines.push('\n');
    }
    expect![[r#"
        {"v":1,"wall":5,"steady":3,"fact":{"started":{"revision":1}}}
        {"v":1,"wall":5,"steady":3,"fact":{"applied":{"action":"I0-1-1.2"}}}
        {"v":1,"wall":5,"steady":3,"fact":{"undoing":{"action":"I0-1-1.2","outcome":{"rolled-back":{"why":"w"}}}}}
        {"v":1,"wall":5,"steady":3,"fact":{"ended":{"action":"I0-1-1.2","outcome":"lapsed"}}}
        {"v":1,"wall":5,"steady":3,"fact":{"act":{"expires":9,"rungs":["quarantine"],"serial":2,"signer":"Ada","zones":["z"]}}}
        {"v":1,"wall":5,"steady":3,"fact":{"shed":{"count":7}}}
        {"v":1,"wall":5,"steady":3,"fact":{"proposed":{"grounds":{"by_hand":null,"contradicts":false,"proved":false},"guards":["g"],"needed":1,"plan":{"actions":[{"id":"I0-1-1.3","measures":[{"limit-into":{"packets_per_second":20,"protocol":6,"to":"10.0.0.9"}},{"syn-proxy":{"port":443,"to":"10.0.0.9"}},{"drop-answers":{"from_port":123,"to":"10.0.0.9"}}],"owner":"o","reason":"r","rung":"limit-rate","target":"t","time_to_live":60}],"incident":"I0-1-1","revision":4},"severity":2}}}
    "#]]
    .assert_eq(&lines);
}

#[test]
fn other_versions_and_unknown_fields_are_refused() {
    let newer = r#"{"v":3,"wall":5,"steady":3,"fact":{"later":{}}}"#;
    assert_eq!(Entry::parse(newer), Err(EntryError::Version { version: 3 }));
    let unknown = r#"{"v":1,"wall":5,"steady":3,"fact":{"shed":{"count":1,"more":2}}}"#;
    assert!(matches!(Entry::parse(unknown), Err(EntryError::Form { .. })));
    let early = r#"{"v":1,"wall":5,"steady":3,"fact":{"ended":{"action":"a","outcome":{"failed":{"why":"w","message":{"id":"i"}}}}}}"#;
    assert!(matches!(Entry::parse(early), Err(EntryError::Form { .. })));
    assert!(Entry::parse(&early.replace("\"v\":1", "\"v\":2")).is_ok());
}

fn proposed(target: Phrase, reason: Phrase) -> Entry {
    let action = Action {
        id: ActionId("I0-1-1.1".to_owned()),
        rung: Rung::Notify,
        target,
        reason,
        owner: "o".to_owned(),
        time_to_live: 7,
        measures: Vec::new(),
    };
    at(Fact::Proposed {
        plan: Plan {
            incident: "0-1-1".to_owned(),
            revision: 1,
            actions: vec![action],
        },
        severity: 2,
        grounds: Grounds::default(),
        needed: 1,
        guards: vec!["g".to_owned()],
    })
}

/// The English and the messages of an entry's phrases.
fn phrases(entry: &Entry) -> Vec<(String, Option<String>)> {
    let phrases = match &entry.fact {
        Fact::Proposed { plan, .. } => vec![&plan.actions[0].target, &plan.actions[0].reason],
        Fact::Ended {
            outcome: Outcome::Refused { guards },
            ..
        } => guards.iter().collect(),
        Fact::Ended {
            outcome: Outcome::Withdrawn { why },
            ..
        } => vec![why],
        other => panic!("{other:?}"),
    };
    let told = phrases.into_iter().map(|p| (p.to_string(), p.message_json()));
    told.collect()
}

/// What a restart reads has its messages still, and says the same in any language; what has none is version 1.
#[test]
fn messages_are_kept() {
    let zone = say!("zone", "zone {name}", name = "pumps");
    let inner = say!("in-zone", "{what} in zone {zone}", what = zone, zone = "x");
    let reason = say!("so-often", "{what} ({n} times)", what = inner, n = 3_u32);
    let ended = |outcome| {
        at(Fact::Ended {
            action: ActionId("a".to_owned()),
            outcome,
        })
    };
    let entries = [
        proposed(Phrase::as_written("t"), Phrase::as_written("r")),
        proposed(Phrase::as_written("t"), reason),
        ended(Outcome::Withdrawn {
            why: say!("wall-stopped", "stopped"),
        }),
        ended(Outcome::Refused {
            guards: vec![Phrase::as_written("a"), say!("zone", "zone {name}", name = "b")],
        }),
    ];
    let mut lines = String::new();
    for entry in entries {
        let line = entry.to_json();
        let read = Entry::parse(&line).unwrap();
        assert_eq!(read.to_json(), line);
        for (before, after) in phrases(&entry).into_iter().zip(phrases(&read)) {
            assert_eq!(before.0, after.0);
            let json =
                |text: Option<String>| text.map(|t| serde_json::from_str::<serde_json::Value>(&t).unwrap());
            assert_eq!(json(before.1), json(after.1));
        }
        lines.push_str(&line);
        lines.push('\n');
    }
    expect![[r#"
        {"v":1,"wall":5,"steady":3,"fact":{"proposed":{"grounds":{"by_hand":null,"contradicts":false,"proved":false},"guards":["g"],"needed":1,"plan":{"actions":[{"id":"I0-1-1.1","measures":[],"owner":"o","reason":"r","rung":"notify","target":"t","time_to_live":7}],"incident":"0-1-1","revision":1},"severity":2}}}
        {"v":2,"wall":5,"steady":3,"fact":{"proposed":{"grounds":{"by_hand":null,"contradicts":false,"proved":false},"guards":["g"],"needed":1,"plan":{"actions":[{"id":"I0-1-1.1","measures":[],"messages":{"reason":{"id":"so-often","n":3,"what":{"id":"in-zone","what":{"id":"zone","name":"pumps"},"zone":"x"}}},"owner":"o","reason":"zone pumps in zone x (3 times)","rung":"notify","target":"t","time_to_live":7}],"incident":"0-1-1","revision":1},"severity":2}}}
        {"v":2,"wall":5,"steady":3,"fact":{"ended":{"action":"a","outcome":{"withdrawn":{"message":{"id":"wall-stopped"},"why":"stopped"}}}}}
        {"v":2,"wall":5,"steady":3,"fact":{"ended":{"action":"a","outcome":{"refused":{"guards":["a","zone b"],"messages":[null,{"id":"zone","name":"b"}]}}}}}
    "#]].assert_eq(&lines);
}

/// What would be too deep to be read again, or too long, is kept in English alone.
#[test]
fn messages_are_bounded() {
    let deep = (0..200).fold(Phrase::as_written("x"), |inner, _| {
        say!("in-zone", "{what} in zone {zone}", what = inner, zone = "z")
    });
    let long = say!("zone", "zone {name}", name = "n".repeat(5_000));
    for phrase in [deep, long] {
        let entry = proposed(phrase, Phrase::as_written("r"));
        let line = entry.to_json();
        assert!(line.starts_with("{\"v\":1,"));
        assert_eq!(Entry::parse(&line), Ok(entry));
    }
}
