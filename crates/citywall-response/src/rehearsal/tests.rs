//! A rehearsal decides as the live governor does, and a line says what the notice says.

use std::collections::VecDeque;

use citywall_event::{
    Body, Change, Crossing, Event, IncidentReport, Order, Parties, Reason, Subject, Suspect, Victim,
};
use citywall_policy::City;

use super::*;
use crate::Notice;
use crate::playbook::Playbooks;
use crate::rehearsal::log::Line;

const CITY: &str = r#"
[city]
name = "C"
[[domain]]
name = "d"
[[zone]]
name = "video"
domain = "d"
networks = ["10.0.0.0/24"]
criticality = "normal"
[[zone]]
name = "lights"
domain = "d"
networks = ["10.0.1.0/24"]
[[zone]]
name = "desk"
domain = "d"
networks = ["10.0.2.0/24"]
criticality = "normal"
[[conduit]]
from = ["video"]
to = ["desk"]
allow = ["tcp/554"]
[[service]]
name = "Video surveillance"
depends_on = ["video"]
criticality = "normal"
"#;

const AT: Nanos = 1_795_000_000_123_456_000;

/// In a rehearsal packet time is both clocks.
fn moment(at: Nanos) -> Moment {
    Moment { wall: at, steady: at }
}

fn report(change: &'static str, at: Nanos) -> IncidentReport {
    let ip = |text: &str| text.parse().ok();
    IncidentReport {
        change,
        number: "I0-7-0".into(),
        title: citywall_event::Phrase::as_written("camera, which had been taken over, changed a lamp"),
        severity: 2,
        zones: Vec::new(),
        domains: Vec::new(),
        assets: Vec::new(),
        services: Vec::new(),
        reasons: vec![Reason {
            event: Order::of_packet(at, 0, 7, 0),
            at,
            text: citywall_event::Phrase::as_written("why"),
            technique: None,
        }],
        parties: Parties {
            kinds: vec!["takeover", "change"],
            suspects: vec![Suspect {
                name: "10.0.0.5".into(),
                address: ip("10.0.0.5"),
                mac: Some([2, 0, 0, 0, 0, 5]),
                taken: true,
                proved: true,
            }],
            crossings: vec![Crossing {
                suspect: 0,
                zone: "lights".into(),
                targets: ip("10.0.1.9").into_iter().collect(),
            }],
            changes: vec![Change {
                suspect: 0,
                target: "10.0.1.9".parse().unwrap(),
                protocol: "modbus".into(),
            }],
            victims: vec![Victim {
                name: "lamp".into(),
                address: ip("10.0.1.9"),
                taken: false,
            }],
            flooded: Vec::new(),
        },
        first: at,
        last: at,
    }
}

fn line(report: IncidentReport) -> Vec<u8> {
    let event = Event {
        order: Order::of_packet(report.last, 0, 7, 0),
        at: report.last,
        subject: Subject::default(),
        app_proto: None,
        body: Body::Incident(Box::new(report)),
    };
    let mut line = Vec::new();
    assert!(event.write(&mut line, None));
    line
}

fn facts() -> Facts {
    Facts::of(
        &City::parse(CITY, "city.toml").unwrap(),
        1,
        Vec::new(),
        Vec::new(),
    )
}

fn runs() -> Runs {
    Runs::new(Playbooks::default().and_built_in())
}

fn act() -> VerifiedAct {
    VerifiedAct::rehearsed(vec!["video".into()])
}

#[test]
fn a_line_says_what_the_notice_says() {
    let parsed = Line::parse(line(report("opened", AT)).trim_ascii_end()).unwrap();
    let Some(Line::Incident(at, notice)) = parsed else {
        panic!("{parsed:?}")
    };
    assert_eq!(at, AT);
    assert_eq!(*notice, Notice::from(&report("opened", AT)));
}

#[test]
fn a_rehearsal_and_a_live_governor_write_the_same_journal() {
    let second = 1_000_000_000;
    let mut inputs: Vec<(Moment, Input)> = vec![(moment(AT), Input::Act(act()))];
    for (step, change) in [(1, "opened"), (2, "updated"), (3, "updated"), (40, "closed")] {
        let at = AT + step * second;
        inputs.push((
            moment(at),
            Input::Notices(vec![Notice::from(&report(change, at))]),
        ));
    }
    inputs.extend(
        (41..4_000)
            .step_by(7)
            .map(|step| (moment(AT + step * second), Input::Tick)),
    );
    let mut rehearsal = Rehearsal::new(facts(), Settings::default(), runs(), None);
    // The enforcer's loop: each effect is done before the next, and answers come back.
    let mut governor = Governor::new(facts(), Settings::default()).with_playbooks(runs());
    let mut live = Vec::new();
    for (now, input) in inputs {
        rehearsal.input(now, input.clone());
        let mut queue = VecDeque::from([input]);
        while let Some(input) = queue.pop_front() {
            for effect in governor.hear(now, input) {
                match effect {
                    Effect::Journal(entry) => live.push(entry.to_json()),
                    Effect::Apply(approved) => {
                        queue.extend(approved.get().actions.iter().map(|a| Input::Applied {
                            action: a.id.clone(),
                            result: Ok(()),
                        }))
                    }
                    Effect::Remove { action, .. } => queue.push_back(Input::Removed {
                        action,
                        result: Ok(()),
                    }),
                    _ => {}
                }
            }
        }
    }
    let (report, rehearsed) = rehearsal.finish();
    assert!(!report.taken.is_empty(), "nothing was done: {rehearsed:#?}");
    assert_eq!(rehearsed, live);
}

#[test]
fn only_permitted_work_that_a_measure_meets_is_counted() {
    // Without playbooks the planner's own ladder ends with a quarantine.
    let none = Runs::new(Playbooks::default());
    let mut rehearsal = Rehearsal::new(facts(), Settings::default(), none, Some(act()));
    let flow = |from: &str, to: &str, port: u16, start: i64, end: i64| {
        let time = |at: i64| {
            let mut text = Vec::new();
            citywall_event::json::time(&mut text, AT + at * 1_000_000_000);
            String::from_utf8(text).unwrap().trim_matches('"').to_owned()
        };
        format!(
            r#"{{"timestamp":"{}","event_type":"flow","src_ip":"{from}","dest_ip":"{to}","dest_port":{port},"proto":"TCP","flow":{{"pkts_toserver":10,"pkts_toclient":10,"bytes_toserver":1000,"bytes_toclient":1000,"start":"{}","end":"{}"}}}}"#,
            time(end),
            time(start),
            time(end)
        )
    };
    rehearsal
        .line(line(report("opened", AT)).trim_ascii_end())
        .unwrap();
    for text in [
        // Permitted, of the quarantined camera; half of it before.
        flow("10.0.0.5", "10.0.2.1", 554, -10, 10),
        // Not permitted; and permitted of another camera.
        flow("10.0.0.5", "10.0.1.9", 502, 1, 11),
        flow("10.0.0.6", "10.0.2.1", 554, 1, 12),
    ] {
        rehearsal.line(text.as_bytes()).unwrap();
    }
    let (report, _) = rehearsal.finish();
    let quarantine = report.taken.iter().find(|t| t.rung == crate::Rung::Quarantine);
    let quarantine = quarantine.unwrap_or_else(|| panic!("{report:#?}"));
    let cuts: Vec<(&str, &str, u64)> = quarantine
        .cuts
        .iter()
        .map(|c| (c.from.as_str(), c.to.as_str(), c.packets))
        .collect();
    assert_eq!(cuts, [("10.0.0.5", "10.0.2.1", 10)]);
    assert_eq!(quarantine.services, ["Video surveillance"]);
    for denial in report.taken.iter().filter(|t| t.rung != crate::Rung::Quarantine) {
        assert!(!denial.touched_work(), "{denial:?}");
    }
}

#[test]
fn a_log_that_is_wrong_is_refused_with_the_field() {
    let good = String::from_utf8(line(report("opened", AT))).unwrap();
    for (from, to, expected) in [
        (
            "\"severity\":2",
            "\"severity\":9",
            "incident: severity: not from 1 to 4",
        ),
        (
            "\"suspect\":0,\"zone\"",
            "\"suspect\":7,\"zone\"",
            "incident: suspect: nobody",
        ),
        (
            "\"ip\":\"10.0.0.5\"",
            "\"ip\":\"10.0.0\"",
            "incident: ip: no address",
        ),
        ("\"kinds\":[", "\"kids\":[", "incident: kinds: no list"),
        ("\"title\":", "\"title\"", "no JSON"),
    ] {
        assert!(good.contains(from), "{good}");
        let error = Line::parse(good.replacen(from, to, 1).as_bytes()).unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}");
    }
}
