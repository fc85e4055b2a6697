//! Playbooks as data: what is refused and where, what a run says, and that a malicious one is harmless.

mod hostile;
mod reading;
mod running;

use std::fmt::Write as _;

use citywall_event::Criticality;

use super::*;
use crate::{Change, Crossing, Notice, Suspect};

/// A playbook around a workflow; ids in it are written short: `start--1` stands for a whole one.
fn playbook(extra: &str, workflow: &str) -> String {
    let text = format!(
        r#"{{
  "type": "playbook", "spec_version": "cacao-2.0", "id": "playbook--1", "name": "p",
  "created_by": "identity--1", "created": "2026-11-25T12:00:00.000Z", "modified": "2026-11-25T12:00:00.000Z",
  {extra}
  "playbook_variables": {{
    "__incident__": {{ "type": "string", "external": true }},
    "__severity__": {{ "type": "integer", "external": true }},
    "__kinds__": {{ "type": "list", "external": true }},
    "__suspect__": {{ "type": "string", "external": true }},
    "__suspects__": {{ "type": "list", "external": true }},
    "__suspect_taken__": {{ "type": "bool", "external": true }},
    "__suspect_zone__": {{ "type": "string", "external": true }},
    "__mine__": {{ "type": "string", "value": "x", "constant": true }}
  }},
  "agent_definitions": {{
    "security-category--1": {{ "type": "security-category", "name": "the gate", "category": ["firewall"] }},
    "group--1": {{ "type": "group", "name": "the people" }}
  }},
  "workflow_start": "start--1",
  "workflow": {{
{workflow}
  }}
}}"#
    );
    lengthen(&text)
}

/// `TYPE--N` becomes `TYPE--UUID`.
fn lengthen(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("--") {
        let digits = rest[at + 2..].bytes().take_while(u8::is_ascii_digit).count();
        out.push_str(&rest[..at + 2]);
        match rest[at + 2..at + 2 + digits].parse::<u32>() {
            Ok(number) if !rest[at + 2 + digits..].starts_with('-') => {
                let _ = write!(out, "00000000-0000-4000-8000-{number:012}");
            }
            _ => out.push_str(&rest[at + 2..at + 2 + digits]),
        }
        rest = &rest[at + 2 + digits..];
    }
    out.push_str(rest);
    out
}

fn shorten(text: &str) -> String {
    let mut out = text.to_owned();
    for number in 0..100 {
        out = out.replace(
            &format!("00000000-0000-4000-8000-{number:012}"),
            &number.to_string(),
        );
    }
    out
}

/// The step that wants or asks something.
fn wants(id: u32, command: &str, next: &str) -> String {
    format!(
        r#""action--{id}": {{ "type": "action", "agent": "security-category--1",
  "commands": [{{ "type": "x-citywall", "command": "{command}" }}], "on_completion": "{next}" }}"#
    )
}

fn asks(id: u32, text: &str, more: &str) -> String {
    format!(
        r#""action--{id}": {{ "type": "action", "agent": "group--1",
  "commands": [{{ "type": "manual", "command": "{text}" }}], {more} }}"#
    )
}

fn notice(kinds: &[&str], suspects: &[&str]) -> Notice {
    Notice {
        incident: "I0-1-0".into(),
        change: "opened".into(),
        severity: 2,
        kinds: kinds.iter().map(|k| (*k).to_owned()).collect(),
        title: "title".into(),
        at: 1_795_000_000_000_000_000,
        suspects: suspects
            .iter()
            .map(|address| Suspect {
                name: format!("host {address}"),
                address: address.parse().ok(),
                mac: None,
                taken: true,
                proved: true,
            })
            .collect(),
        crossings: (0..suspects.len())
            .map(|suspect| Crossing {
                suspect,
                zone: "lights".into(),
                targets: Vec::new(),
            })
            .collect(),
        changes: vec![Change {
            suspect: 0,
            target: "10.0.0.9".parse().unwrap(),
            protocol: "modbus".into(),
        }],
        victims: Vec::new(),
        flooded: Vec::new(),
        evidence: vec!["0-1-0".into()],
    }
}

fn standing(criticality: Criticality) -> Standing {
    Standing {
        zone: "video".into(),
        criticality,
        infrastructure: false,
    }
}

fn standings(notice: &Notice) -> Vec<Standing> {
    vec![standing(Criticality::Normal); notice.suspects.len()]
}

/// What was said, one line each.
fn told(said: &[Said]) -> String {
    let mut out = String::new();
    for said in said {
        let line = match &said.say {
            Say::Wish(wish) => format!(
                "wish {} on {} for {}",
                wish.rung.name(),
                wish.suspect
                    .map_or("the incident".to_owned(), |s| format!("suspect {s}")),
                wish.time_to_live
                    .map_or("the default".to_owned(), |t| format!("{}s", t / SECOND)),
            ),
            Say::Ask(question) => format!(
                "ask {:?} at {}, until {:?}",
                question.text,
                question.step,
                question.until.map(|t| t / SECOND)
            ),
            Say::Over {
                completed, reason, ..
            } => format!("over, completed {completed}: {reason}"),
        };
        let _ = writeln!(out, "{}", shorten(&line));
    }
    out
}

const SECOND: i64 = 1_000_000_000;

fn runs(extra: &str, workflow: &str) -> Runs {
    let labels = r#""labels": ["incident:scan"],"#;
    let text = playbook(&format!("{labels}{extra}"), workflow);
    let parsed = Playbook::parse(&text, "p.json").unwrap_or_else(|errors| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        panic!("{}\n{text}", lines.join("\n"))
    });
    Runs::new(Playbooks::new([parsed]))
}
