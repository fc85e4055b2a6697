//! A malicious playbook, signed or not, is harmless: any that is accepted ends, stays within the
//! bounds, and wishes for nothing but rungs on suspects of its own incident.

use proptest::prelude::*;

use super::*;
use crate::Rung;

/// A workflow of arbitrary steps that lead to each other in any way.
fn workflow() -> impl Strategy<Value = String> {
    let step = (0_u8..8, prop::collection::vec(0_usize..14, 3), 0_usize..24);
    prop::collection::vec(step, 1..14).prop_map(|steps| {
        let kinds: Vec<&str> = steps
            .iter()
            .map(|(kind, ..)| match kind {
                0..=3 => "action",
                4 => "parallel",
                5 => "if-condition",
                6 => "while-condition",
                _ => "switch-condition",
            })
            .collect();
        let name = |place: usize, next: usize| {
            // Mostly forward, so that some are accepted.
            let to = if next.is_multiple_of(7) { next } else { place + 1 + next % 3 };
            match kinds.get(to) {
                Some(kind) => format!("{kind}--{}", to + 10),
                None => "end--1".to_owned(),
            }
        };
        let mut out = vec![
            format!(r#""start--1": {{ "type": "start", "on_completion": "{}" }}"#, name(0, 0).replace("--11", "--10")),
            r#""end--1": { "type": "end" }"#.to_owned(),
        ];
        for (place, (kind, next, pick)) in steps.iter().enumerate() {
            let to: Vec<String> = next.iter().map(|n| name(place, *n)).collect();
            let id = format!("{}--{}", kinds[place], place + 10);
            let rung = Rung::ALL[pick % 7].name();
            let target = ["__suspect__", "__suspects__", "__incident__"][pick % 3];
            let body = match kind {
                0..=2 => format!(
                    r#""agent": "group--1", "commands": [{{ "type": "x-citywall", "command": "{rung} {target}:value" }}], "on_completion": "{}""#,
                    to[0]
                ),
                3 => format!(
                    r#""agent": "group--1", "timeout": {}, "commands": [{{ "type": "manual", "command": "m" }}], "on_success": "{}", "on_failure": "{}""#,
                    pick * 1_000,
                    to[0],
                    to[1]
                ),
                4 => format!(r#""next_steps": ["{}", "{}"], "on_completion": "{}""#, to[0], to[1], to[2]),
                5 => format!(r#""condition": "__severity__:value <= {pick}", "on_true": "{}", "on_completion": "{}""#, to[0], to[1]),
                6 => format!(r#""condition": "true", "on_true": "{}", "on_completion": "{}""#, to[0], to[1]),
                _ => format!(r#""switch": "__suspect_zone__", "cases": {{ "video": "{}", "default": "{}" }}"#, to[0], to[1]),
            };
            out.push(format!(r#""{id}": {{ "type": "{}", {body} }}"#, kinds[place]));
        }
        out.join(",\n")
    })
}

/// Drops what nothing leads to, as a person would who was told of it.
fn repaired(text: &str) -> Option<Playbook> {
    let mut document: serde_json::Value = serde_json::from_str(text).ok()?;
    for _ in 0..16 {
        match Playbook::parse(&document.to_string(), "p.json") {
            Ok(playbook) => return Some(playbook),
            Err(errors) => {
                let unreached: Vec<String> = errors
                    .iter()
                    .filter(|e| e.what == "no way leads to this step")
                    .filter_map(|e| e.path.strip_prefix("$.workflow.").map(str::to_owned))
                    .collect();
                if unreached.is_empty() {
                    return None;
                }
                let steps = document.get_mut("workflow")?.as_object_mut()?;
                unreached.iter().for_each(|id| {
                    steps.remove(id);
                });
            }
        }
    }
    None
}

fn harmless(said: &[Said], notice: &Notice) {
    for said in said {
        assert_eq!(said.incident, notice.incident);
        if let Say::Wish(wish) = &said.say {
            match wish.suspect {
                Some(suspect) => assert!(suspect < notice.suspects.len()),
                None => assert!(wish.rung <= Rung::Notify),
            }
            assert!(
                wish.time_to_live
                    .is_none_or(|t| t > 0 && t <= limits::SECONDS as i64 * SECOND)
            );
        }
    }
}

#[test]
fn any_playbook_ends_and_stays_with_its_own_suspects() {
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(400));
    let accepted = std::cell::Cell::new(0_u32);
    let wishes = std::cell::Cell::new(0_usize);
    let random = workflow();
    let law = |workflow: String| {
        let text = playbook(r#""labels": ["incident:scan"],"#, &workflow);
        let Some(parsed) = repaired(&text) else {
            return Ok(());
        };
        accepted.set(accepted.get() + 1);
        let mut runs = Runs::new(Playbooks::new([parsed.clone()]));
        let heard = notice(&["scan"], &["10.0.0.1", "10.0.0.2"]);
        let mut now = 0;
        let mut all = runs.hear(now, &heard, &standings(&heard)).unwrap();
        // Nobody ever answers: all that waits for a time goes on by itself, and all that has none waits.
        for _ in 0..2_000 {
            let Some(due) = runs.due() else { break };
            prop_assert!(due > now, "stands still");
            now = due;
            all.extend(runs.tick(now));
        }
        prop_assert_eq!(runs.due(), None, "does not end");
        harmless(&all, &heard);
        prop_assert!(all.len() <= 2 * limits::SAID + 4);
        wishes.set(wishes.get() + all.iter().filter(|s| matches!(s.say, Say::Wish(_))).count());
        // The same inputs say the same.
        let mut again = Runs::new(Playbooks::new([parsed]));
        let first = again.hear(0, &heard, &standings(&heard)).unwrap();
        prop_assert_eq!(&all[..first.len()], &first[..]);
        Ok(())
    };
    runner.run(&random, law).unwrap();
    // A law about nothing holds always.
    assert!(
        accepted.get() >= 40,
        "only {} playbooks were accepted",
        accepted.get()
    );
    assert!(wishes.get() >= 20, "only {} wishes", wishes.get());
}

#[test]
fn branches_that_multiply_are_stopped() {
    // Each parallel step leads to the next one twice: 2^12 branches, if anybody followed them.
    let mut steps = vec![
        r#""start--1": { "type": "start", "on_completion": "parallel--10" }"#.to_owned(),
        r#""end--1": { "type": "end" }"#.to_owned(),
    ];
    for level in 10..22 {
        steps.push(format!(
            r#""parallel--{level}": {{ "type": "parallel", "next_steps": ["parallel--{}", "action--{level}"], "on_completion": "parallel--{}" }}"#,
            level + 1,
            level + 1
        ));
        steps.push(wants(
            level,
            "observe __suspect__:value",
            &format!("parallel--{}", level + 1),
        ));
    }
    steps.push(r#""parallel--22": { "type": "parallel", "next_steps": ["action--22"] }"#.to_owned());
    steps.push(wants(22, "isolate __suspects__:value", "end--1"));
    let mut runs = runs("", &steps.join(",\n"));
    let heard = notice(&["scan"], &["10.0.0.1"]);
    let said = runs.hear(0, &heard, &standings(&heard)).unwrap();
    harmless(&said, &heard);
    assert!(said.len() < 10, "{}", told(&said));
    assert!(told(&said).contains("over, completed false: "), "{}", told(&said));
}

#[test]
fn storms_of_incidents_find_bounded_room() {
    let mut runs = Runs::new(Playbooks::default().and_built_in());
    let mut said = 0;
    for number in 0..2_000 {
        let heard = Notice {
            incident: format!("I0-{number}-0"),
            ..notice(&["change"], &["10.0.0.1"])
        };
        said += runs.hear(number, &heard, &standings(&heard)).unwrap().len();
    }
    assert!(runs.questions().len() <= limits::INCIDENTS * limits::RUNS);
    assert!(said < 2_000 * 8);
}

#[test]
fn what_people_are_shown_forges_no_screen() {
    let step = asks(
        1,
        "Press \\u001b[2J\\n[ok] approved",
        r#""on_completion": "end--1""#,
    );
    let flow = format!(
        r#""start--1": {{ "type": "start", "on_completion": "action--1" }}, "end--1": {{ "type": "end" }}, {step}"#
    );
    let mut runs = runs("", &flow);
    let heard = notice(&["scan"], &["10.0.0.1"]);
    let said = runs.hear(0, &heard, &standings(&heard)).unwrap();
    let Say::Ask(question) = &said[0].say else {
        panic!("{said:?}")
    };
    assert_eq!(question.text, "Press  [2J [ok] approved");
}
