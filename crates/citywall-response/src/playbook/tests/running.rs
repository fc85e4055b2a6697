//! What a run says, step by step.

use expect_test::expect;

use super::*;

fn start(next: &str) -> String {
    format!(r#""start--1": {{ "type": "start", "on_completion": "{next}" }}, "end--1": {{ "type": "end" }}"#)
}

fn flow(next: &str, steps: &[String]) -> String {
    format!("{},\n{}", start(next), steps.join(",\n"))
}

fn hear(runs: &mut Runs, now: i64, notice: &Notice) -> String {
    told(&runs.hear(now, notice, &standings(notice)).expect("chosen"))
}

#[test]
fn branches_go_one_way_each_and_come_together() {
    let mut runs = runs(
        "",
        &flow(
            "parallel--1",
            &[
                r#""parallel--1": { "type": "parallel", "next_steps": ["if-condition--1", "switch-condition--1"], "on_completion": "action--9" }"#.into(),
                r#""if-condition--1": { "type": "if-condition", "condition": "__severity__:value <= 2", "on_true": "action--1", "on_false": "action--2", "on_completion": "action--3" }"#.into(),
                wants(1, "limit-rate __suspect__:value for 5m", "end--1"),
                wants(2, "isolate __suspect__:value", "end--1"),
                wants(3, "observe __suspects__:value", "end--1"),
                r#""switch-condition--1": { "type": "switch-condition", "switch": "__suspect_zone__:value", "cases": { "video": "action--4", "default": "action--2" } }"#.into(),
                wants(4, "deny-conduit __suspects__:value", "end--1"),
                wants(9, "notify __incident__:value", "end--1"),
            ],
        ),
    );
    let said = hear(&mut runs, 0, &notice(&["scan"], &["10.0.0.1", "10.0.0.2"]));
    expect![[r#"
        wish limit-rate on suspect 0 for 300s
        wish observe on suspect 0 for the default
        wish observe on suspect 1 for the default
        wish deny-conduit on suspect 0 for the default
        wish deny-conduit on suspect 1 for the default
        wish notify on the incident for the default
        over, completed true: it came to its end
    "#]]
    .assert_eq(&said);
    assert_eq!(runs.due(), None);
}

#[test]
fn a_person_is_asked_once_and_the_answer_leads_on() {
    let steps = [
        asks(
            1,
            "Call the signal workshop",
            r#""timeout": 60000, "on_success": "action--2", "on_failure": "action--3""#,
        ),
        wants(2, "notify __incident__:value", "end--1"),
        wants(3, "deny-conduit __suspects__:value", "end--1"),
    ];
    let mut answered = runs("", &flow("action--1", &steps));
    let mut late = answered.clone();
    let notice = notice(&["scan"], &["10.0.0.1"]);
    let first = hear(&mut answered, 10 * SECOND, &notice);
    expect![[r#"
        ask "Call the signal workshop" at action--1, until Some(70)
    "#]]
    .assert_eq(&first);
    assert_eq!(answered.due(), Some(70 * SECOND));
    // The same again says nothing; an answer to another step neither.
    assert_eq!(hear(&mut answered, 11 * SECOND, &notice), "");
    let answer = |step: u32| Answer {
        incident: notice.incident.clone(),
        step: lengthen(&format!("action--{step}")),
        done: true,
    };
    assert_eq!(told(&answered.answer(12 * SECOND, &answer(2))), "");
    expect![[r#"
        wish notify on the incident for the default
        over, completed true: it came to its end
    "#]]
    .assert_eq(&told(&answered.answer(12 * SECOND, &answer(1))));
    assert_eq!(
        told(&answered.answer(13 * SECOND, &answer(1))),
        "",
        "answered twice"
    );
    // The incident grows: what was answered is not asked again.
    let mut grown = notice.clone();
    grown.crossings.push(Crossing {
        suspect: 0,
        zone: "water".into(),
        targets: Vec::new(),
    });
    assert_eq!(hear(&mut answered, 14 * SECOND, &grown), "");

    hear(&mut late, 10 * SECOND, &notice);
    assert_eq!(told(&late.tick(69 * SECOND)), "");
    expect![[r#"
        wish deny-conduit on suspect 0 for the default
        over, completed true: it came to its end
    "#]]
    .assert_eq(&told(&late.tick(70 * SECOND)));
}

#[test]
fn a_growing_incident_is_answered_where_it_has_grown() {
    let mut runs = runs(
        "",
        &flow(
            "action--1",
            &[
                wants(1, "deny-conduit __suspects__:value for 1h", "action--2"),
                asks(2, "Look", r#""on_completion": "end--1""#),
            ],
        ),
    );
    let mut growing = notice(&["scan"], &["10.0.0.1"]);
    expect![[r#"
        wish deny-conduit on suspect 0 for 3600s
        ask "Look" at action--2, until None
    "#]]
    .assert_eq(&hear(&mut runs, 0, &growing));
    growing = notice(&["scan"], &["10.0.0.7", "10.0.0.1"]);
    expect![[r#"
        wish deny-conduit on suspect 0 for 3600s
    "#]]
    .assert_eq(&hear(&mut runs, SECOND, &growing));
    growing.change = "closed".into();
    expect![[r#"
        over, completed false: its incident is closed
    "#]]
    .assert_eq(&hear(&mut runs, 2 * SECOND, &growing));
    assert_eq!(runs.questions(), Vec::new());
}

#[test]
fn loops_are_bounded_and_delays_wait() {
    let again = |delay: u32| {
        flow(
            "while-condition--1",
            &[
                r#""while-condition--1": { "type": "while-condition", "condition": "__severity__:value <= 2", "on_true": "action--1", "on_completion": "action--2" }"#.into(),
                format!(
                    r#""action--1": {{ "type": "action", "agent": "group--1", "delay": {delay},
  "commands": [{{ "type": "x-citywall", "command": "observe __suspect__:value" }}], "on_completion": "while-condition--1" }}"#
                ),
                wants(2, "notify __incident__:value", "end--1"),
            ],
        )
    };
    let mut endless = runs("", &again(0));
    let mut quiet = notice(&["scan"], &["10.0.0.1"]);
    expect![[r#"
        wish observe on suspect 0 for the default
        over, completed false: stopped after 100 turns of while-condition--1
    "#]]
    .assert_eq(&hear(&mut endless, 0, &quiet));
    let mut patient = runs("", &again(60_000));
    assert_eq!(hear(&mut patient, 0, &quiet), "");
    assert_eq!(patient.due(), Some(60 * SECOND));
    expect![[r#"
        wish observe on suspect 0 for the default
    "#]]
    .assert_eq(&told(&patient.tick(60 * SECOND)));
    // The incident has become milder: the loop ends when its turn is over.
    quiet.severity = 3;
    assert_eq!(hear(&mut patient, 61 * SECOND, &quiet), "");
    expect![[r#"
        wish notify on the incident for the default
        over, completed true: it came to its end
    "#]]
    .assert_eq(&told(&patient.tick(120 * SECOND)));
}

#[test]
fn what_cannot_be_done_goes_to_the_exception() {
    let steps = [
        asks(1, "Pull the cable", r#""timeout": 1000, "on_success": "end--1""#),
        wants(2, "notify __incident__:value", "end--2"),
        r#""end--2": { "type": "end" }"#.into(),
    ];
    let mut with = runs(
        r#""workflow_exception": "action--2","#,
        &flow("action--1", &steps),
    );
    let notice = notice(&["scan"], &["10.0.0.1"]);
    hear(&mut with, 0, &notice);
    expect![[r#"
        wish notify on the incident for the default
        over, completed false: its exception branch came to its end
    "#]]
    .assert_eq(&told(&with.tick(SECOND)));
    let mut without = runs("", &flow("action--1", &steps[..1]));
    hear(&mut without, 0, &notice);
    expect![[r#"
        over, completed false: "action--1" was not answered in time
    "#]]
    .assert_eq(&told(&without.tick(SECOND)));
}

#[test]
fn the_first_by_priority_is_chosen_and_an_own_version_replaces_the_built_in() {
    let built_in = Playbooks::default().and_built_in();
    assert_eq!(built_in.iter().count(), BUILT_IN.len());
    let own = super::super::built_in("scan")
        .unwrap()
        .replace("Somebody searches the network", "Ours");
    let own = Playbooks::new([Playbook::parse(&own, "own.json").unwrap()]).and_built_in();
    assert_eq!(own.iter().count(), BUILT_IN.len());
    let mut runs = Runs::new(own);
    let heard = notice(&["scan"], &["10.0.0.1"]);
    let said = runs.hear(0, &heard, &standings(&heard)).unwrap();
    assert!(
        matches!(&said[0].say, Say::Wish(wish) if wish.playbook == "Ours"),
        "{said:?}"
    );
    // Nothing speaks of a lone alert: the default planner is to be asked.
    assert_eq!(
        runs.hear(
            0,
            &Notice {
                incident: "I2".into(),
                ..notice(&["alert"], &["10.0.0.1"])
            },
            &[]
        ),
        None
    );
}

#[test]
fn the_built_in_playbooks_spare_what_people_come_to_harm_by() {
    for criticality in Criticality::ALL {
        for infrastructure in [false, true] {
            let mut runs = Runs::new(Playbooks::default().and_built_in());
            let heard = notice(&INCIDENTS, &["10.0.0.1"]);
            let stands = [Standing {
                infrastructure,
                ..standing(criticality)
            }];
            let said = runs.hear(0, &heard, &stands).unwrap();
            let wishes: Vec<&Wish> = said
                .iter()
                .filter_map(|s| match &s.say {
                    Say::Wish(wish) => Some(wish),
                    _ => None,
                })
                .collect();
            // What no conduit allows may be denied to anybody; the gate has the last word on it.
            let touches = |w: &&&Wish| {
                w.rung > crate::Rung::Notify
                    && w.rung != crate::Rung::DenyConduit
                    && w.rung != crate::Rung::DenyCommand
            };
            let worst = wishes.iter().filter(touches).map(|w| w.rung).max();
            let expected = match (criticality, infrastructure) {
                (Criticality::Safety, _) | (_, true) => None,
                (Criticality::Essential, _) => Some(crate::Rung::LimitRate),
                (Criticality::Normal, _) => Some(crate::Rung::Quarantine),
            };
            assert_eq!(worst, expected, "{criticality:?} {infrastructure}");
        }
    }
}
