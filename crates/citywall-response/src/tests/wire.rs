//! The journal's entries, version 1, frozen: a newer program must read these lines.

use expect_test::expect;

use crate::{Act, ActionId, Entry, EntryError, Fact, Moment, Outcome, Rung};

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
                why: citywall_event::Phrase::as_written("w"),
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
