//! What is refused, and where; and the built-in playbooks.

use expect_test::{Expect, expect};

use super::*;

fn errors(text: &str) -> String {
    let errors = Playbook::parse(text, "p.json").expect_err("good");
    errors.iter().map(|e| shorten(&format!("{e}\n"))).collect()
}

fn check(text: &str, expected: Expect) {
    expected.assert_eq(&errors(text));
}

fn flow(steps: &[String]) -> String {
    let first = format!(r#""start--1": {{ "type": "start", "on_completion": "action--1" }}, "end--1": {{ "type": "end" }}"#);
    format!("{first},\n{}", steps.join(",\n"))
}

#[test]
fn what_is_no_json_is_told_with_line_and_column() {
    check("", expect![[""]]);
    check("{\n  \"type\": \"playbook\",\n  \"type\": 1 }", expect![[""]]);
    check("{ \"a\": [1, 2, ] }", expect![[""]]);
    check("{ \"a\": 01 }", expect![[""]]);
    check("{ \"a\": \"\\ud800\" }", expect![[""]]);
    check(&format!("{}1{}", "[".repeat(40), "]".repeat(40)), expect![[""]]);
    check(&" ".repeat(300_000), expect![[""]]);
}

#[test]
fn every_property_is_looked_at() {
    check(
        r#"{ "type": "playbok", "spec_version": "cacao-1.0", "id": "playbook--x", "nmae": "p", "created": "today",
"modified": "2026-11-25T12:00:00.000Z", "playbook_types": ["atack"], "labels": ["incident:scann"], "priority": 200,
"revoked": true, "authentication_info_definitions": {},
"playbook_variables": { "mine": { "type": "string" }, "__a__": { "type": "strin" }, "__b__": { "type": "integer", "value": "x" },
  "__suspect__": { "type": "string", "value": "10.0.0.1" }, "__x__": { "type": "string", "external": true } },
"agent_definitions": { "ssh--1": { "type": "ssh", "name": "a host" } },
"workflow_start": "start--1", "workflow": {} }"#,
        expect![[""]],
    );
}

#[test]
fn code_is_refused_by_name() {
    for type_ in ["bash", "ssh", "http-api", "powershell", "openc2-http", "python"] {
        let step = format!(
            r#""action--1": {{ "type": "action", "agent": "group--1",
  "commands": [{{ "type": "{type_}", "command": "reboot" }}], "on_completion": "end--1" }}"#
        );
        let told = errors(&playbook("", &flow(&[step])));
        assert!(told.contains(&format!("{type_}")), "{told}");
        assert!(told.contains(".commands[0].type: "), "{told}");
        assert!(told.contains("write it as \"x-citywall\""), "{told}");
    }
}

#[test]
fn commands_of_ours_are_a_rung_a_target_and_a_time() {
    let mut all = String::new();
    for command in [
        "isolate",
        "isolte __suspect__:value",
        "isolate 10.0.0.1",
        "isolate hospital-gateway",
        "isolate __mine__:value",
        "isolate __incident__:value",
        "notify __incident__:value for 1h",
        "isolate __suspect__:value for 8d",
        "isolate __suspect__:value for -1h",
        "isolate __suspect__:value for 1h and approve",
        "isolate __suspect__:value 1h",
    ] {
        let text = playbook("", &flow(&[wants(1, command, "end--1")]));
        let told = errors(&text);
        let short = told.split_once(": ").map_or("", |(_, rest)| rest);
        let _ = write!(all, "{command}\n  {short}");
    }
    expect![[""]].assert_eq(&all);
}

#[test]
fn the_workflow_is_a_graph_that_ends() {
    check(
        &playbook("", r#""start--1": { "type": "start", "on_completion": "action--9" }, "end--1": { "type": "end" }"#),
        expect![[""]],
    );
    // A circle, a step that nothing leads to, and one that nothing follows.
    check(
        &playbook(
            "",
            &flow(&[
                wants(1, "observe __suspect__:value", "action--2"),
                wants(2, "observe __suspect__:value", "action--1"),
                wants(3, "observe __suspect__:value", "end--1"),
            ]),
        ),
        expect![[""]],
    );
    check(
        &playbook(
            "",
            &flow(&[r#""action--1": { "type": "action", "agent": "group--7", "commands": [
  { "type": "manual", "command_b64": "cm0gLXJmIC8=" }, { "type": "manual", "command": "a" }, { "type": "manual", "command": "b" }],
  "on_completion": "end--1", "on_success": "end--1", "out_args": ["__mine__:value"] },
  "playbook-action--2": { "type": "playbook-action", "playbook_id": "playbook--2", "on_completion": "end--1" },
  "if-condition--3": { "type": "if-condition", "condition": "__severity__:value < 'two'", "on_true": "end--1", "on_completion": "end--1" },
  "whilecondition--4": { "type": "while-condition", "condition": "true", "on_true": "end--1" },
  "step--5": { "type": "actoin" }"#
                .to_owned()]),
        ),
        expect![[""]],
    );
}

#[test]
fn the_built_in_playbooks_are_good_and_answer_all_that_is_strong() {
    let mut kinds = Vec::new();
    let mut ids = Vec::new();
    for (name, text) in BUILT_IN {
        let playbook = Playbook::parse(text, name).unwrap_or_else(|errors| panic!("{errors:?}"));
        assert!(playbook.description.len() > 60, "{name} says little");
        let explained = explain(&playbook);
        assert!(explained.lines.iter().any(|l| l.text.contains("ask a person")), "{name} asks nobody");
        assert_eq!(explained.notes, Vec::<String>::new(), "{name}");
        kinds.extend(playbook.incidents);
        ids.push(playbook.id);
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), BUILT_IN.len());
    for kind in INCIDENTS.iter().skip(3) {
        assert!(kinds.iter().any(|k| k == kind), "no built-in playbook answers {kind}");
    }
}

#[test]
fn a_playbook_is_explained_in_plain_words() {
    let playbook = Playbook::parse(built_in("taken-over-device").unwrap(), "built-in").unwrap();
    let explained = explain(&playbook);
    let mut text = String::new();
    for line in &explained.lines {
        let number = line.number.map_or("  ".to_owned(), |n| format!("{n}."));
        let _ = writeln!(text, "{}{number} {}", "   ".repeat(line.depth), line.text);
    }
    expect![[""]].assert_eq(&text);
}
