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
    let first =
        r#""start--1": { "type": "start", "on_completion": "action--1" }, "end--1": { "type": "end" }"#;
    format!("{first},\n{}", steps.join(",\n"))
}

#[test]
fn what_is_no_json_is_told_with_line_and_column() {
    check(
        "",
        expect![[r#"
        p.json:1:1: $: the document ends here; write a JSON value: an object, a list, a string in "", a number, true, false or null
    "#]],
    );
    check(
        "{\n  \"type\": \"playbook\",\n  \"type\": 1 }",
        expect![[r#"
        p.json:3:3: $: "type" stands here twice; keep one
    "#]],
    );
    check(
        "{ \"a\": [1, 2, ] }",
        expect![[r#"
        p.json:1:15: $: no value begins with ']'; write a JSON value: an object, a list, a string in "", a number, true, false or null
    "#]],
    );
    check(
        "{ \"a\": 01 }",
        expect![[r#"
        p.json:1:8: $: this is no JSON number; write it as 60000, -1 or 0.5
    "#]],
    );
    check(
        "{ \"a\": \"\\ud800\" }",
        expect![[r#"
        p.json:1:9: $: no such escape in a string; there are \" \\ \/ \b \f \n \r \t and \uXXXX
    "#]],
    );
    check(
        &format!("{}1{}", "[".repeat(40), "]".repeat(40)),
        expect![[r#"
        p.json:1:18: $: deeper than 16 objects and lists; make it flatter
    "#]],
    );
    check(
        &" ".repeat(300_000),
        expect![[r#"
        p.json:1:1: $: 300000 bytes, 262144 are the most; split the playbook
    "#]],
    );
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
        expect![[r#"
            p.json:1:1: $: "created_by" is missing; add "created_by"
            p.json:1:1: $: "name" is missing; add "name"
            p.json:1:1: $.revoked: its maker has revoked this playbook; get the version in force
            p.json:1:11: $.type: a "playbok" is no playbook that can be run; write "playbook"
            p.json:1:38: $.spec_version: version "cacao-1.0" of the standard; write "cacao-2.0" after having brought the playbook to that version
            p.json:1:57: $.id: "playbook--x" is no identifier of a playbook; write playbook-- and a UUID, as playbook--5f6c1a52-8c1e-4d4e-9a37-0d8e1c2b3a49
            p.json:1:72: $: no property "nmae" here; did you mean "name"?
            p.json:1:96: $.created: "today" is no time; write it in UTC, as 2026-11-22T16:47:19.000Z
            p.json:2:60: $.playbook_types: no type of playbook "atack"; did you mean "attack"?
            p.json:3:53: $.authentication_info_definitions: credentials; remove it: Citywall logs in nowhere, and secrets do not belong in a playbook
            p.json:4:25: $.playbook_variables.mine: "mine" is no name of a variable; write it between two underscores, as __suspect__
            p.json:4:74: $.playbook_variables.__a__.type: no type of variable "strin"; did you mean "string"?
            p.json:4:124: $.playbook_variables.__b__.value: no value of type integer; write a whole number in quotes, as "3"
            p.json:5:18: $.playbook_variables.__suspect__: __suspect__ is what an incident fills: the suspected source; add "external": true, or choose another name
            p.json:5:70: $.playbook_variables.__x__: nothing gives __x__ such a value; an incident gives the playbook __incident__, __title__, __severity__, __kinds__, __suspect__, __suspects__, __suspect_count__, __suspect_taken__, __suspect_proved__, __suspect_zone__, __suspect_criticality__, __suspect_infrastructure__, __change_count__, __zones_reached__
            p.json:6:44: $.agent_definitions.ssh--1.type: a party of type "ssh"; Citywall connects to nothing that a playbook names; use one of individual, group, organization, location, sector, security-category, net-address
            p.json:7:19: $.workflow_start: no step "start--1"; name a step of the workflow
        "#]],
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
        assert!(told.contains(type_), "{told}");
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
    expect![[r#"
        isolate
          $.workflow.action--1.commands[0].command: too few words; write RUNG TARGET [for DURATION], as deny-conduit __suspect__:value for 30m
        isolte __suspect__:value
          $.workflow.action--1.commands[0].command: no rung "isolte"; did you mean isolate?
        isolate 10.0.0.1
          $.workflow.action--1.commands[0].command: no target "10.0.0.1"; write __suspect__:value, __suspects__:value or __incident__:value: a playbook acts on its own incident's suspects alone, and names no address
        isolate hospital-gateway
          $.workflow.action--1.commands[0].command: no target "hospital-gateway"; write __suspect__:value, __suspects__:value or __incident__:value: a playbook acts on its own incident's suspects alone, and names no address
        isolate __mine__:value
          $.workflow.action--1.commands[0].command: no target "__mine__:value"; write __suspect__:value, __suspects__:value or __incident__:value: a playbook acts on its own incident's suspects alone, and names no address
        isolate __incident__:value
          $.workflow.action--1.commands[0].command: isolate the incident; write __suspect__:value or __suspects__:value
        notify __incident__:value for 1h
          $.workflow.action--1.commands[0].command: "for" stands here; end it here: what touches nothing has no time to live
        isolate __suspect__:value for 8d
          $.workflow.action--1.commands[0].command: "8d" is no time; write 90s, 30m, 12h or 7d; 7 days are the most
        isolate __suspect__:value for -1h
          $.workflow.action--1.commands[0].command: "-1h" is no time; write 90s, 30m, 12h or 7d; 7 days are the most
        isolate __suspect__:value for 1h and approve
          $.workflow.action--1.commands[0].command: "for" stands here; write nothing more, or for DURATION
        isolate __suspect__:value 1h
          $.workflow.action--1.commands[0].command: "1h" stands here; write nothing more, or for DURATION
    "#]].assert_eq(&all);
}

#[test]
fn the_workflow_is_a_graph_that_ends() {
    check(
        &playbook(
            "",
            r#""start--1": { "type": "start", "on_completion": "action--9" }, "end--1": { "type": "end" }"#,
        ),
        expect![[r#"
            p.json:21:84: $.workflow.start--1.on_completion: no step "action--9"; name a step of the workflow
        "#]],
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
        expect![[r#"
            p.json:21:134: $.workflow.end--1: no way leads to this step; remove it, or name it in the step before
            p.json:24:1: $.workflow.action--2: the way goes in a circle, back to action--1; repeat by a while-condition, which is bounded
            p.json:26:1: $.workflow.action--3: no way leads to this step; remove it, or name it in the step before
        "#]],
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
        expect![[r#"
            p.json:22:49: $.workflow.action--1.commands: 2 manual commands in one step; give each a step of its own: an answer names the step
            p.json:22:78: $.workflow.action--1.agent: no party "group--7"; define it in agent_definitions
            p.json:23:38: $.workflow.action--1.commands[0].command_b64: an encoded command; write it in "command": what a person cannot read nobody can approve
            p.json:24:79: $.workflow.action--1: on_completion stands with on_success or on_failure; keep on_completion alone, or the other two
            p.json:24:137: $.workflow.action--1.out_args: a value that comes back; remove it: nothing that Citywall does gives a value to a variable
            p.json:25:60: $.workflow.playbook-action--2: a playbook that runs another; copy its steps here: what is approved must stand in one document
            p.json:26:115: $.workflow.if-condition--3.condition: a number is compared with a text; compare two values of one type; ask for membership of a list with IN
            p.json:27:3: $.workflow.whilecondition--4: "whilecondition--4" is no identifier of a while-condition; write while-condition-- and a UUID, as while-condition--5f6c1a52-8c1e-4d4e-9a37-0d8e1c2b3a49
            p.json:28:59: $.workflow.step--5: no type of step "actoin"; did you mean "action"?
        "#]],
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
        assert!(
            explained.lines.iter().any(|l| l.text.contains("ask a person")),
            "{name} asks nobody"
        );
        assert_eq!(explained.notes, Vec::<String>::new(), "{name}");
        kinds.extend(playbook.incidents);
        ids.push(playbook.id);
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), BUILT_IN.len());
    for kind in INCIDENTS.iter().skip(3) {
        assert!(
            kinds.iter().any(|k| k == kind),
            "no built-in playbook answers {kind}"
        );
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
    expect![[r#"
        1. propose notify on the incident: A device does what somebody else wants.
        2. at the same time:
           3. propose deny-conduit on each suspect for 1h: No conduit allows it, so denying it stops no permitted work.
              propose deny-command on each suspect for 1h: Changing commands that no conduit allows are denied; reading goes on.
           4. if __suspect_taken__:value AND NOT __suspect_infrastructure__:value:
              5. by __suspect_criticality__:
                 "normal":
                 6. propose quarantine on the suspected source for 1h: It was taken over and acts on its own. Addresses, names and updates stay reachable.
                 "essential":
                 7. propose limit-rate on the suspected source for 1h: It was taken over, but the city notices when it stops: it is slowed down, and its people decide.
                 any other:
                 8. propose notify on the incident: People can come to harm when this device stops: its people decide, and nothing is done to it.
           and:
           9. ask a person, for at most 1d: Change the password of the device that was logged into, and of all others of its kind: others know it. Say done when that has happened.
    "#]].assert_eq(&text);
}
