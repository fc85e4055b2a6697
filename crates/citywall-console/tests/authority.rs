//! The table of permissions, cell by cell, against the served console: for each role, deed and department
//! somebody who has just that role asks for it over HTTP.
//!
//! The gate and the keeper of packets behind it say yes to all, so that a no is the table's.

#[allow(dead_code)]
mod support;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use citywall_console::{ActionView, Ask, Gate, GateError, GateKind, Options, Packets, Seen, Wanted};
use citywall_policy::City;
use serde_json::json;
use support::Browser;

const ROLES: [&str; 5] = ["viewer", "operator", "approver", "engineer", "administrator"];
const DEEDS: [&str; 10] = [
    "Look",
    "Export",
    "Packets",
    "Approve",
    "Reject",
    "Undo",
    "CallNormal",
    "Propose",
    "SignPolicy",
    "Invite",
];
/// The department that answers for the incident's zone, and one that answers for another.
const DEPARTMENTS: [&str; 2] = ["Water works", "Streets"];

struct Willing;

impl Gate for Willing {
    fn kind(&self) -> GateKind {
        GateKind::Rehearsal
    }

    fn actions(&mut self, _: &str) -> Result<Vec<ActionView>, GateError> {
        Ok(vec![ActionView {
            id: "I0-1-1.1".into(),
            incident: "I0-1-1".into(),
            rung: "deny-conduit".into(),
            target: "pump-plc-1".into(),
            reason: "a test".into(),
            owner: "Water works".into(),
            stage: "proposed".into(),
            hash: "0".repeat(64),
            approvals: Vec::new(),
            needed: 1,
            guards: Vec::new(),
            time_to_live_s: 60,
            remaining_s: 60,
            measures: vec!["nothing passes".into()],
            outcome: None,
            messages: citywall_console::Messages::default(),
        }])
    }

    fn ask(&mut self, _: &str, _: &Ask, _: &str) -> Result<String, GateError> {
        Ok("done".into())
    }

    fn journal(&mut self, _: &str, _: usize) -> Result<Vec<serde_json::Value>, GateError> {
        Ok(Vec::new())
    }
}

impl Packets for Willing {
    fn cut(&self, wanted: &Wanted, _: Seen<'_>) -> Result<Vec<u8>, String> {
        assert_eq!(wanted.numbers.iter().copied().collect::<Vec<_>>(), [(0, 1)]);
        Ok(b"packets".to_vec())
    }
}

/// A harmless change at the incident's zone: who sees the whole city sends the whole text.
const CONDUIT: &str = "[[conduit]]\nfrom = \"offices\"\nto = \"scada-1\"\nallow = [\"tcp/9\"]\n";

fn city() -> String {
    let mut text = citywall_policy::EXAMPLE
        .replacen("#department = \"\"", "department = \"Streets\"", 1)
        .replacen(
            "roles = [\"operator\", \"approver\"]",
            "roles = [\"administrator\"]",
            1,
        );
    for department in DEPARTMENTS {
        for role in ROLES {
            let _ = write!(
                text,
                "\n[[person]]\nname = \"{role} of {department}\"\ndepartment = \"{department}\"\nroles = [\"{role}\"]\n"
            );
        }
    }
    text
}

fn whole(role: &str) -> String {
    match role {
        "administrator" => format!("{}\n\n{CONDUIT}", city().trim_end()),
        _ => CONDUIT.to_owned(),
    }
}

fn call(browser: &Browser, path: &str, body: &serde_json::Value) -> support::Answer {
    let csrf = browser.csrf();
    let headers = [
        ("content-type", "application/json"),
        ("x-csrf-token", csrf.as_str()),
    ];
    browser.send(
        "POST",
        &format!("/api/v1/policy/{path}"),
        &headers,
        &body.to_string(),
    )
}

fn hand_in(browser: &Browser, text: &str) -> support::Answer {
    let review = call(browser, "proposal/diff", &json!({ "text": text }));
    let review: serde_json::Value = serde_json::from_str(&review.body).unwrap_or_default();
    let body =
        json!({ "text": text, "hash": review["hash"].as_str().unwrap_or_default(), "reason": "a test" });
    call(browser, "proposals", &body)
}

/// Asks; true where it was done. Anything but a clear yes or no is a fault.
fn does(browser: &mut Browser, role: &str, deed: &str, proposal: &serde_json::Value) -> bool {
    let csrf = browser.csrf();
    let api = |verb: &str| {
        let headers = [
            ("content-type", "application/json"),
            ("x-csrf-token", csrf.as_str()),
        ];
        let body = json!({ "hash": "0".repeat(64), "reason": "a test" }).to_string();
        browser.send(
            "POST",
            &format!("/api/v1/actions/I0-1-1.1/{verb}"),
            &headers,
            &body,
        )
    };
    let (done, answer) = match deed {
        "Look" => (200, browser.get("/incidents/I0-1-1")),
        "Export" => {
            let answer = browser.get("/export/incidents.json");
            assert_eq!(answer.status, 200);
            return answer.body.contains("a pump is searched");
        }
        "Packets" => (200, browser.get("/incidents/I0-1-1/packets")),
        "Approve" => (200, api("approve")),
        "Reject" => (200, api("reject")),
        "Undo" => (200, api("undo")),
        "CallNormal" => {
            let fields = [
                ("csrf", csrf.as_str()),
                ("days", "7"),
                ("reason", "a test"),
                ("sure", "yes"),
            ];
            (303, browser.post("/incidents/I0-1-1/normal", &fields))
        }
        "Propose" => (200, hand_in(browser, &whole(role))),
        "SignPolicy" => {
            let body = json!({ "hash": proposal["hash"], "reason": "a test" });
            (
                200,
                call(browser, &format!("proposals/{}/sign", proposal["id"]), &body),
            )
        }
        "Invite" => {
            let fields = [("csrf", csrf.as_str()), ("name", "Alan Example")];
            (200, browser.post("/people/link", &fields))
        }
        other => panic!("{other} is no deed"),
    };
    assert!(
        answer.status == done || [403, 404].contains(&answer.status),
        "{deed}: {} {}",
        answer.status,
        answer.body
    );
    answer.status == done
}

#[test]
fn each_cell_of_the_table_is_what_the_console_does() {
    let console = citywall_console::start(Options {
        address: ([127, 0, 0, 1], 0).into(),
        gate: Box::new(Willing),
        city: Some(City::parse(&city(), "city.toml").expect("the example with more people is valid")),
        city_text: city().into(),
        reader: |_| Vec::new(),
        folder: None,
        certificate: None,
        live: false,
        packets: Some(Arc::new(Willing)),
        upkeep: None,
    })
    .expect("a console");
    let at = "2026-04-30T13:26:31.462207+0000";
    let incident = json!({
        "timestamp": at, "id": "c0-1-0", "event_type": "incident", "src_ip": "203.0.113.9",
        "incident": {
            "change": "opened", "number": "I0-1-1", "title": "a pump is searched", "severity": 3, "zones": ["pumps"],
            "domains": ["water"], "kinds": ["scan"], "reasons": [{"event": "0-1-0", "at": at, "text": "searched"}],
            "suspects": [{"name": "203.0.113.9", "ip": "203.0.113.9"}], "first": at, "last": at,
        },
    });
    console.feed.line(format!("{incident}\n").as_bytes());
    console.finished(json!({}));
    let password = "lamps and pumps and trams";
    let mut ada = Browser::first(&console.url, console.first_link.as_ref(), password);
    let csrf = ada.csrf();
    let mut cells = BTreeMap::new();
    let mut people = Vec::new();
    for (place, department) in DEPARTMENTS.iter().enumerate() {
        for role in ROLES {
            let name = format!("{role} of {department}");
            let page = ada.post("/people/link", &[("csrf", &csrf), ("name", &name)]).body;
            let rest = page.split("<code>/link/").nth(1).expect("a link");
            let link = format!("/link/{}", rest.split('<').next().expect("a token"));
            let mut browser = Browser::at(&console.url);
            assert_eq!(browser.use_link(&link, &name, password).status, 303);
            people.push((role, place, browser));
        }
    }
    // What somebody calls normal is in no list any more: deed by deed.
    for deed in DEEDS {
        for (role, place, browser) in &mut people {
            let proposal = match deed {
                // One for each to sign.
                "SignPolicy" => {
                    assert_eq!(hand_in(&ada, &whole("administrator")).status, 200);
                    let list = ada.get("/api/v1/policy/proposals").body;
                    serde_json::from_str::<serde_json::Value>(&list).expect("a list")[0].take()
                }
                _ => serde_json::Value::Null,
            };
            cells.insert((*role, deed, *place), does(browser, role, deed, &proposal));
        }
    }
    let mut table = String::from("role           deed        own  other\n");
    for role in ROLES {
        for deed in DEEDS {
            let word = |place| if cells[&(role, deed, place)] { "yes" } else { "-" };
            let _ = writeln!(table, "{role:<14} {deed:<11} {:<4} {}", word(0), word(1));
        }
    }
    expect_test::expect_file!["permissions.txt"].assert_eq(&table);
}
