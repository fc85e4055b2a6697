//! What the enforcer says on the control socket, as JSON lines.
//!
//! Owns: the members of answers and of what is told unasked (`docs/spec/control.md`), and measures in
//! words. Does not own: what is asked (`lines`).

use citywall_event::{Nanos, Verb, VerbSet};
use citywall_policy::Role;
use citywall_response::playbook::{Said, Say};
use citywall_response::{Host, Measure, Outcome, Stage, View};
use serde_json::{Value, json};

use super::lines::VERSION;
use super::people::role_name;

const SECOND: Nanos = 1_000_000_000;

/// The answer to `hello`.
pub fn welcome(account: &str, person: Option<(&str, &[Role])>) -> String {
    let roles: Vec<&str> = person.map_or(Vec::new(), |(_, roles)| {
        roles.iter().map(|role| role_name(*role)).collect()
    });
    line(&json!({
        "type": "welcome",
        "version": VERSION,
        "citywall": env!("CARGO_PKG_VERSION"),
        "account": account,
        "person": person.map(|(name, _)| name),
        "roles": roles,
    }))
}

/// A refusal. `number` is that of the question, where there was one.
pub fn error(number: Option<u64>, code: &str, text: &str) -> String {
    line(&json!({ "type": "error", "id": number, "code": code, "text": text }))
}

/// An answer with its members.
pub fn answer(number: u64, members: Value) -> String {
    let mut whole = json!({ "type": "answer", "id": number });
    if let (Some(whole), Value::Object(members)) = (whole.as_object_mut(), members) {
        whole.extend(members);
    }
    line(&whole)
}

/// Whose vitals are wanted.
pub fn wanted(addresses: &[std::net::IpAddr]) -> String {
    line(&json!({ "type": "wanted", "addresses": addresses }))
}

/// What happened, for subscribers.
pub fn told(action: &citywall_event::Action) -> String {
    line(&json!({ "type": "told", "action": {
        "incident": action.incident,
        "kind": action.kind,
        "status": action.status,
        "target": action.target,
        "reason": action.reason,
    }}))
}

/// What a playbook says, for subscribers and the list of questions.
pub fn said(said: &Said) -> Value {
    match &said.say {
        Say::Wish(wish) => json!({
            "incident": said.incident, "playbook": wish.playbook, "step": wish.step,
            "wish": wish.rung.name(), "reason": wish.reason,
        }),
        Say::Ask(question) => json!({
            "incident": said.incident, "playbook": question.playbook, "step": question.step,
            "question": question.text, "until": question.until,
        }),
        Say::Over {
            playbook,
            completed,
            reason,
        } => json!({
            "incident": said.incident, "playbook": playbook, "over": reason, "completed": completed,
        }),
    }
}

/// The line for subscribers.
pub fn said_line(what: &Said) -> String {
    line(&json!({ "type": "said", "said": said(what) }))
}

/// An action as people and programs read it.
pub fn view(view: &View) -> Value {
    let action = &view.action;
    let measures: Vec<String> = action.measures.iter().map(words).collect();
    json!({
        "id": action.id.0,
        "incident": view.incident,
        "rung": action.rung.name(),
        "target": action.target,
        "reason": action.reason,
        "owner": action.owner,
        "stage": stage(view.stage),
        "hash": view.hash.to_string(),
        "approvals": view.approvals,
        "needed": view.needed,
        "guards": view.guards,
        "time_to_live_s": seconds(action.time_to_live),
        "remaining_s": seconds(view.remaining),
        "measures": measures,
        "outcome": view.outcome.as_ref().map(outcome),
    })
}

/// Whole seconds, rounded up: what is left is never told as nothing while it holds.
pub fn seconds(span: Nanos) -> i64 {
    span.max(0).saturating_add(SECOND - 1) / SECOND
}

/// A stage's word.
pub fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Proposed => "proposed",
        Stage::Applying => "applying",
        Stage::Active => "active",
        Stage::Undoing => "undoing",
        Stage::Ended => "ended",
    }
}

/// What became of an action, in words.
pub fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Applied => "in force".into(),
        Outcome::Expired => "its time was over".into(),
        Outcome::Undone { by } => format!("taken back by {by}"),
        Outcome::RolledBack { why } => format!("taken back by the health gate: {why}"),
        Outcome::Withdrawn { why } => format!("withdrawn: {why}"),
        Outcome::Failed { why } => format!("could not be done: {why}"),
        Outcome::Refused { guards } => format!("refused: {}", guards.join("; ")),
        Outcome::Rejected { by } => format!("rejected by {by}"),
        Outcome::Lapsed => "nobody approved in time".into(),
    }
}

/// What a measure does, as a line of a diff.
pub fn words(measure: &Measure) -> String {
    match measure {
        Measure::Isolate { host } => format!("{} isolated: nothing to or from it passes", name(host)),
        Measure::Quarantine { host } => format!(
            "{} quarantined: it reaches DHCP, DNS and the update servers, and nothing else",
            name(host)
        ),
        Measure::DenyPair { from, to } => {
            format!("{} denied to {to}: nothing between the two passes", name(from))
        }
        Measure::LimitRate {
            host,
            packets_per_second,
        } => format!(
            "{} limited: it sends at most {packets_per_second} packets a second",
            name(host)
        ),
        Measure::LimitInto {
            to,
            protocol,
            packets_per_second,
        } => format!(
            "{to} shielded: at most {packets_per_second} new packets a second of IP protocol {protocol} reach it"
        ),
        Measure::DenyCommand { from, to, verbs } => format!(
            "{} denied to tell {to} to {}: everything else between the two goes on",
            name(from),
            verb_names(*verbs)
        ),
    }
}

fn name(host: &Host) -> String {
    host.to_string()
}

fn verb_names(verbs: VerbSet) -> String {
    let names: Vec<&str> = Verb::ALL
        .iter()
        .filter(|v| verbs.has(**v))
        .map(|v| v.name())
        .collect();
    names.join(", ")
}

fn line(value: &Value) -> String {
    format!("{value}\n")
}
