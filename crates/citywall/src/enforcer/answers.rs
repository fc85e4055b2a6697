//! What the enforcer says on the control socket, as JSON lines.
//!
//! Owns: the members of answers and of what is told unasked (`docs/spec/control.md`).
//! Does not own: what is asked (`lines`), and the words for an action (`citywall-response`).

use citywall_event::Phrase;
use citywall_policy::Role;
use citywall_response::playbook::{Said, Say};
use citywall_response::{View, whole_seconds};
use std::net::IpAddr;

use serde_json::{Value, json};

use super::lines::VERSION;
use super::people::role_name;

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

/// The gate's refusal, with its message for other languages.
pub fn refused(number: u64, reason: &Phrase) -> String {
    let message = reason.message_json();
    let message: Option<Value> = message.and_then(|text| serde_json::from_str(&text).ok());
    line(&json!({
        "type": "error", "id": number, "code": "refused", "text": reason.english(), "message": message,
    }))
}

/// An answer with its members.
pub fn answer(number: u64, members: Value) -> String {
    let mut whole = json!({ "type": "answer", "id": number });
    if let (Some(whole), Value::Object(members)) = (whole.as_object_mut(), members) {
        whole.extend(members);
    }
    line(&whole)
}

/// Whose vitals are wanted, and with whom not.
pub fn wanted(addresses: &[IpAddr], apart: &[IpAddr]) -> String {
    line(&json!({ "type": "wanted", "addresses": addresses, "apart": apart }))
}

/// What happened, for subscribers.
pub fn told(action: &citywall_event::Action) -> String {
    line(&json!({ "type": "told", "action": {
        "incident": action.incident,
        "kind": action.kind,
        "status": action.status,
        "target": action.target.english(),
        "reason": action.reason.english(),
    }}))
}

/// What a playbook says, for subscribers and the list of questions.
pub fn said(said: &Said) -> Value {
    match &said.say {
        Say::Wish(wish) => json!({
            "incident": said.incident, "playbook": wish.playbook, "step": wish.step,
            "wish": wish.rung.name(), "reason": wish.reason.english(),
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
    let measures: Vec<String> = action.measures.iter().map(ToString::to_string).collect();
    json!({
        "id": action.id.0,
        "incident": view.incident,
        "rung": action.rung.name(),
        "target": action.target.english(),
        "reason": action.reason.english(),
        "owner": action.owner,
        "stage": view.stage.name(),
        "hash": view.hash.to_string(),
        "approvals": view.approvals,
        "needed": view.needed,
        "guards": view.guards.iter().map(|guard| guard.english()).collect::<Vec<_>>(),
        "time_to_live_s": whole_seconds(action.time_to_live),
        "remaining_s": whole_seconds(view.remaining),
        "measures": measures,
        "outcome": view.outcome.as_ref().map(ToString::to_string),
        "messages": serde_json::from_str::<Value>(&view.messages_json()).unwrap_or_default(),
    })
}

fn line(value: &Value) -> String {
    format!("{value}\n")
}
