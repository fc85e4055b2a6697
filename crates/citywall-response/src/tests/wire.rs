//! The journal's entries, version 1, frozen: a newer program must read these lines.

use citywall_event::Phrase;
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
    let newer = r#"{"v":2,"wall":5,"steady":3,"fact":{"later":{}}}"#;
    assert_eq!(Entry::parse(newer), Err(EntryError::Version { version: 2 }));
    let unknown = r#"{"v":1,"wall":5,"steady":3,"fact":{"shed":{"count":1,"more":2}}}"#;
    assert!(matches!(Entry::parse(unknown), Err(EntryError::Form { .. })));
}
