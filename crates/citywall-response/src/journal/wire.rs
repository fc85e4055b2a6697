//! Entries as JSON, versions 1 and 2.
//!
//! Owns: the forms, frozen by a fixture. A newer form is a new version beside these. Does not own: what
//! the entries mean.
//!
//! Version 2 is version 1 with the messages of sentences (`docs/spec/event.md`, "Messages"). An entry without
//! any is written in version 1: whoever read it before reads it still, and one with messages is refused there by
//! its version, not by a field that nobody knows.

use std::collections::BTreeMap;
use std::net::IpAddr;

use citywall_event::{Mac, Nanos, Part, Phrase, Prefix, Verb, VerbSet};
use serde::{Deserialize, Serialize};

use crate::{
    Act, Action, ActionId, Entry, Fact, Grounds, Host, Measure, Moment, Outcome, Plan, PlanHash, Rung, Vital,
};

/// The version of what has no messages.
const VERSION: u32 = 1;
/// The version of what has some.
const WITH_MESSAGES: u32 = 2;
/// How deep messages stand in messages, and bytes of one. What exceeds either is kept in English alone: it must
/// neither be too deep to be read again nor crowd out the entry.
const DEPTH: usize = 12;
const MESSAGE: usize = 4 << 10;

/// Why an entry could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// Not the form of an entry.
    #[error("a journal entry of the response: {what}")]
    Form {
        /// What is wrong.
        what: String,
    },
    /// Written by a newer program.
    #[error(
        "a journal entry of the response has version {version}; this program reads versions 1 and 2: use the newer program"
    )]
    Version {
        /// Its version.
        version: u32,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Versioned {
    v: u32,
    wall: Nanos,
    steady: Nanos,
    fact: serde_json::Value,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum FactForm {
    Started {
        revision: u64,
    },
    Proposed {
        plan: PlanForm,
        severity: u8,
        grounds: GroundsForm,
        needed: u32,
        guards: Vec<String>,
    },
    Approved {
        action: String,
        hash: String,
        by: String,
        account: String,
    },
    Intent {
        plan: PlanForm,
        hash: String,
        people: Vec<String>,
        act: Option<u64>,
        guards: Vec<String>,
        baseline: Vec<VitalForm>,
        grounds: GroundsForm,
    },
    Applied {
        action: String,
    },
    Undoing {
        action: String,
        outcome: OutcomeForm,
    },
    Ended {
        action: String,
        outcome: OutcomeForm,
    },
    Refused {
        incident: String,
        what: String,
        by: String,
        guards: Vec<String>,
    },
    Act {
        zones: Vec<String>,
        rungs: Vec<String>,
        expires: Nanos,
        serial: u64,
        signer: String,
    },
    ActsEnded {
        by: String,
    },
    Shed {
        count: u64,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GroundsForm {
    proved: bool,
    contradicts: bool,
    by_hand: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanForm {
    incident: String,
    revision: u64,
    actions: Vec<ActionForm>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ActionForm {
    id: String,
    rung: String,
    target: String,
    reason: String,
    owner: String,
    time_to_live: Nanos,
    measures: Vec<MeasureForm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    messages: Option<MessagesForm>,
}

/// What an action's words say, each where it has a message.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MessagesForm {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target: Option<MessageForm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<MessageForm>,
}

#[derive(Serialize, Deserialize)]
struct MessageForm {
    id: String,
    #[serde(flatten)]
    parts: BTreeMap<String, PartForm>,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum PartForm {
    Number(u64),
    Text(String),
    Message(Box<MessageForm>),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum HostForm {
    Ip(IpAddr),
    Mac(Mac),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NetworkForm {
    address: IpAddr,
    length: u8,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum MeasureForm {
    Isolate {
        host: HostForm,
    },
    Quarantine {
        host: HostForm,
    },
    DenyPair {
        from: HostForm,
        to: NetworkForm,
    },
    LimitRate {
        host: HostForm,
        packets_per_second: u32,
    },
    LimitInto {
        to: IpAddr,
        protocol: u8,
        packets_per_second: u32,
    },
    SynProxy {
        to: IpAddr,
        port: u16,
    },
    DropAnswers {
        to: IpAddr,
        from_port: u16,
    },
    DenyCommand {
        from: HostForm,
        to: NetworkForm,
        verbs: Vec<String>,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum OutcomeForm {
    Applied,
    Expired,
    Undone {
        by: String,
    },
    RolledBack(WhyForm),
    Withdrawn(WhyForm),
    Failed(WhyForm),
    Refused {
        guards: Vec<String>,
        /// As many as guards, or none.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        messages: Vec<Option<MessageForm>>,
    },
    Rejected {
        by: String,
    },
    Lapsed,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WhyForm {
    why: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<MessageForm>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct VitalForm {
    address: IpAddr,
    span: Nanos,
    packets: u64,
    asked: u64,
    answered: u64,
    lost: u64,
    heartbeat: Option<bool>,
}

impl Entry {
    /// One JSON object: a body for `citywall_trust::journal::Journal::append_texts`.
    pub fn to_json(&self) -> String {
        let form = fact_form(&self.fact);
        let versioned = Versioned {
            v: version(&form),
            wall: self.at.wall,
            steady: self.at.steady,
            // Numbers, strings and lists always have a form.
            fact: serde_json::to_value(form).unwrap_or_default(),
        };
        serde_json::to_string(&versioned).unwrap_or_default()
    }

    /// Reads what `to_json` wrote.
    ///
    /// # Errors
    /// Where it is none, or a newer program wrote it.
    pub fn parse(text: &str) -> Result<Entry, EntryError> {
        let wrong = |what: String| EntryError::Form { what };
        let versioned: Versioned = serde_json::from_str(text).map_err(|e| wrong(e.to_string()))?;
        if !matches!(versioned.v, VERSION | WITH_MESSAGES) {
            return Err(EntryError::Version { version: versioned.v });
        }
        let form: FactForm = serde_json::from_value(versioned.fact).map_err(|e| wrong(e.to_string()))?;
        if version(&form) > versioned.v {
            return Err(wrong("version 1 has no messages".to_owned()));
        }
        Ok(Entry {
            at: Moment {
                wall: versioned.wall,
                steady: versioned.steady,
            },
            fact: read_fact(form).map_err(wrong)?,
        })
    }
}

/// The oldest version that has all of this.
fn version(form: &FactForm) -> u32 {
    let outcome = |form: &OutcomeForm| match form {
        OutcomeForm::RolledBack(why) | OutcomeForm::Withdrawn(why) | OutcomeForm::Failed(why) => {
            why.message.is_some()
        }
        OutcomeForm::Refused { messages, .. } => !messages.is_empty(),
        OutcomeForm::Applied
        | OutcomeForm::Expired
        | OutcomeForm::Undone { .. }
        | OutcomeForm::Rejected { .. }
        | OutcomeForm::Lapsed => false,
    };
    let messages = match form {
        FactForm::Proposed { plan, .. } | FactForm::Intent { plan, .. } => {
            plan.actions.iter().any(|action| action.messages.is_some())
        }
        FactForm::Undoing { outcome: why, .. } | FactForm::Ended { outcome: why, .. } => outcome(why),
        _ => false,
    };
    if messages { WITH_MESSAGES } else { VERSION }
}

fn fact_form(fact: &Fact) -> FactForm {
    match fact.clone() {
        Fact::Started { revision } => FactForm::Started { revision },
        Fact::Proposed {
            plan,
            severity,
            grounds,
            needed,
            guards,
        } => FactForm::Proposed {
            plan: plan_form(&plan),
            severity,
            grounds: grounds_form(grounds),
            needed,
            guards,
        },
        Fact::Approved {
            action,
            hash,
            by,
            account,
        } => FactForm::Approved {
            action: action.0,
            hash: hash.to_string(),
            by,
            account,
        },
        Fact::Intent {
            plan,
            hash,
            people,
            act,
            guards,
            baseline,
            grounds,
        } => FactForm::Intent {
            plan: plan_form(&plan),
            hash: hash.to_string(),
            people,
            act,
            guards,
            baseline: baseline.iter().map(vital_form).collect(),
            grounds: grounds_form(grounds),
        },
        Fact::Applied { action } => FactForm::Applied { action: action.0 },
        Fact::Undoing { action, outcome } => FactForm::Undoing {
            action: action.0,
            outcome: outcome_form(outcome),
        },
        Fact::Ended { action, outcome } => FactForm::Ended {
            action: action.0,
            outcome: outcome_form(outcome),
        },
        Fact::Refused {
            incident,
            what,
            by,
            guards,
        } => FactForm::Refused {
            incident,
            what,
            by,
            guards,
        },
        Fact::Act { act, signer } => FactForm::Act {
            zones: act.zones,
            rungs: act.rungs.iter().map(|r| r.name().to_owned()).collect(),
            expires: act.expires,
            serial: act.serial,
            signer,
        },
        Fact::ActsEnded { by } => FactForm::ActsEnded { by },
        Fact::Shed { count } => FactForm::Shed { count },
    }
}

fn read_fact(form: FactForm) -> Result<Fact, String> {
    Ok(match form {
        FactForm::Started { revision } => Fact::Started { revision },
        FactForm::Proposed {
            plan,
            severity,
            grounds,
            needed,
            guards,
        } => Fact::Proposed {
            plan: read_plan(plan)?,
            severity,
            grounds: read_grounds(grounds),
            needed,
            guards,
        },
        FactForm::Approved {
            action,
            hash,
            by,
            account,
        } => Fact::Approved {
            action: ActionId(action),
            hash: read_hash(&hash)?,
            by,
            account,
        },
        FactForm::Intent {
            plan,
            hash,
            people,
            act,
            guards,
            baseline,
            grounds,
        } => Fact::Intent {
            plan: read_plan(plan)?,
            hash: read_hash(&hash)?,
            people,
            act,
            guards,
            baseline: baseline.into_iter().map(read_vital).collect(),
            grounds: read_grounds(grounds),
        },
        FactForm::Applied { action } => Fact::Applied {
            action: ActionId(action),
        },
        FactForm::Undoing { action, outcome } => Fact::Undoing {
            action: ActionId(action),
            outcome: read_outcome(outcome),
        },
        FactForm::Ended { action, outcome } => Fact::Ended {
            action: ActionId(action),
            outcome: read_outcome(outcome),
        },
        FactForm::Refused {
            incident,
            what,
            by,
            guards,
        } => Fact::Refused {
            incident,
            what,
            by,
            guards,
        },
        FactForm::Act {
            zones,
            rungs,
            expires,
            serial,
            signer,
        } => Fact::Act {
            act: Act {
                zones,
                rungs: rungs.iter().map(|r| read_rung(r)).collect::<Result<_, _>>()?,
                expires,
                serial,
            },
            signer,
        },
        FactForm::ActsEnded { by } => Fact::ActsEnded { by },
        FactForm::Shed { count } => Fact::Shed { count },
    })
}

fn grounds_form(grounds: Grounds) -> GroundsForm {
    GroundsForm {
        proved: grounds.proved,
        contradicts: grounds.contradicts,
        by_hand: grounds.by_hand,
    }
}

fn read_grounds(form: GroundsForm) -> Grounds {
    Grounds {
        proved: form.proved,
        contradicts: form.contradicts,
        by_hand: form.by_hand,
    }
}

fn read_rung(name: &str) -> Result<Rung, String> {
    Rung::parse(name).ok_or_else(|| format!("no rung is named {name:?}"))
}

fn read_hash(text: &str) -> Result<PlanHash, String> {
    PlanHash::parse(text).ok_or_else(|| "a plan's hash has 64 hexadecimal digits".to_owned())
}

fn message_form(phrase: &Phrase) -> Option<MessageForm> {
    let text = phrase.message_json().filter(|text| text.len() <= MESSAGE)?;
    let form: MessageForm = serde_json::from_str(&text).ok()?;
    (depth(&form) <= DEPTH).then_some(form)
}

fn depth(form: &MessageForm) -> usize {
    let inner = form.parts.values().map(|part| match part {
        PartForm::Message(message) => depth(message),
        PartForm::Number(_) | PartForm::Text(_) => 0,
    });
    inner.max().unwrap_or(0).saturating_add(1)
}

fn messages_form(action: &Action) -> Option<MessagesForm> {
    let (target, reason) = (message_form(&action.target), message_form(&action.reason));
    let any = target.is_some() || reason.is_some();
    any.then_some(MessagesForm { target, reason })
}

/// English, with its message where it was kept.
fn read_phrase(english: String, message: Option<MessageForm>) -> Phrase {
    let Some(MessageForm { id, parts }) = message else {
        return Phrase::as_written(english);
    };
    let part = |part: PartForm| match part {
        PartForm::Number(number) => Part::Number(number),
        PartForm::Text(text) => Part::Text(text),
        PartForm::Message(message) => Part::Phrase(read_phrase(String::new(), Some(*message))),
    };
    let parts = parts.into_iter().map(|(name, form)| (name, part(form)));
    Phrase::kept(english, id, parts.collect())
}

fn plan_form(plan: &Plan) -> PlanForm {
    let action = |action: &Action| ActionForm {
        id: action.id.0.clone(),
        rung: action.rung.name().to_owned(),
        target: action.target.to_string(),
        reason: action.reason.to_string(),
        owner: action.owner.clone(),
        time_to_live: action.time_to_live,
        measures: action.measures.iter().map(measure_form).collect(),
        messages: messages_form(action),
    };
    PlanForm {
        incident: plan.incident.clone(),
        revision: plan.revision,
        actions: plan.actions.iter().map(action).collect(),
    }
}

fn read_plan(form: PlanForm) -> Result<Plan, String> {
    let action = |form: ActionForm| -> Result<Action, String> {
        let messages = form.messages.map(|m| (m.target, m.reason));
        let (target, reason) = messages.unwrap_or_default();
        Ok(Action {
            rung: read_rung(&form.rung)?,
            id: ActionId(form.id),
            target: read_phrase(form.target, target),
            reason: read_phrase(form.reason, reason),
            owner: form.owner,
            time_to_live: form.time_to_live,
            measures: form
                .measures
                .into_iter()
                .map(read_measure)
                .collect::<Result<_, _>>()?,
        })
    };
    Ok(Plan {
        incident: form.incident,
        revision: form.revision,
        actions: form.actions.into_iter().map(action).collect::<Result<_, _>>()?,
    })
}

fn host_form(host: Host) -> HostForm {
    match host {
        Host::Ip(ip) => HostForm::Ip(ip),
        Host::Mac(mac) => HostForm::Mac(mac),
    }
}

fn read_host(form: HostForm) -> Host {
    match form {
        HostForm::Ip(ip) => Host::Ip(ip),
        HostForm::Mac(mac) => Host::Mac(mac),
    }
}

fn network_form(network: Prefix) -> NetworkForm {
    NetworkForm {
        address: network.first(),
        length: network.length(),
    }
}

fn read_network(form: NetworkForm) -> Result<Prefix, String> {
    Prefix::new(form.address, form.length)
        .ok_or_else(|| format!("{}/{} is no network", form.address, form.length))
}

fn measure_form(measure: &Measure) -> MeasureForm {
    match *measure {
        Measure::Isolate { host } => MeasureForm::Isolate {
            host: host_form(host),
        },
        Measure::Quarantine { host } => MeasureForm::Quarantine {
            host: host_form(host),
        },
        Measure::DenyPair { from, to } => MeasureForm::DenyPair {
            from: host_form(from),
            to: network_form(to),
        },
        Measure::LimitRate {
            host,
            packets_per_second,
        } => MeasureForm::LimitRate {
            host: host_form(host),
            packets_per_second,
        },
        Measure::LimitInto {
            to,
            protocol,
            packets_per_second,
        } => MeasureForm::LimitInto {
            to,
            protocol,
            packets_per_second,
        },
        Measure::SynProxy { to, port } => MeasureForm::SynProxy { to, port },
        Measure::DropAnswers { to, from_port } => MeasureForm::DropAnswers { to, from_port },
        Measure::DenyCommand { from, to, verbs } => MeasureForm::DenyCommand {
            from: host_form(from),
            to: network_form(to),
            verbs: Verb::ALL
                .into_iter()
                .filter(|v| verbs.has(*v))
                .map(|v| v.name().to_owned())
                .collect(),
        },
    }
}

fn read_measure(form: MeasureForm) -> Result<Measure, String> {
    Ok(match form {
        MeasureForm::Isolate { host } => Measure::Isolate {
            host: read_host(host),
        },
        MeasureForm::Quarantine { host } => Measure::Quarantine {
            host: read_host(host),
        },
        MeasureForm::DenyPair { from, to } => Measure::DenyPair {
            from: read_host(from),
            to: read_network(to)?,
        },
        MeasureForm::LimitRate {
            host,
            packets_per_second,
        } => Measure::LimitRate {
            host: read_host(host),
            packets_per_second,
        },
        MeasureForm::LimitInto {
            to,
            protocol,
            packets_per_second,
        } => Measure::LimitInto {
            to,
            protocol,
            packets_per_second,
        },
        MeasureForm::SynProxy { to, port } => Measure::SynProxy { to, port },
        MeasureForm::DropAnswers { to, from_port } => Measure::DropAnswers { to, from_port },
        MeasureForm::DenyCommand { from, to, verbs } => {
            let mut set = VerbSet::default();
            for name in &verbs {
                let verb = Verb::ALL.into_iter().find(|v| v.name() == name);
                set = set.with(verb.ok_or_else(|| format!("no verb is named {name:?}"))?);
            }
            Measure::DenyCommand {
                from: read_host(from),
                to: read_network(to)?,
                verbs: set,
            }
        }
    })
}

fn outcome_form(outcome: Outcome) -> OutcomeForm {
    let why_form = |why: &Phrase| WhyForm {
        why: why.to_string(),
        message: message_form(why),
    };
    match outcome {
        Outcome::Applied => OutcomeForm::Applied,
        Outcome::Expired => OutcomeForm::Expired,
        Outcome::Undone { by } => OutcomeForm::Undone { by },
        Outcome::RolledBack { why } => OutcomeForm::RolledBack(why_form(&why)),
        Outcome::Withdrawn { why } => OutcomeForm::Withdrawn(why_form(&why)),
        Outcome::Failed { why } => OutcomeForm::Failed(why_form(&why)),
        Outcome::Refused { guards } => {
            let mut messages: Vec<_> = guards.iter().map(message_form).collect();
            if messages.iter().all(Option::is_none) {
                messages.clear();
            }
            OutcomeForm::Refused {
                guards: guards.iter().map(Phrase::to_string).collect(),
                messages,
            }
        }
        Outcome::Rejected { by } => OutcomeForm::Rejected { by },
        Outcome::Lapsed => OutcomeForm::Lapsed,
    }
}

fn read_outcome(form: OutcomeForm) -> Outcome {
    let why = |form: WhyForm| read_phrase(form.why, form.message);
    match form {
        OutcomeForm::Applied => Outcome::Applied,
        OutcomeForm::Expired => Outcome::Expired,
        OutcomeForm::Undone { by } => Outcome::Undone { by },
        OutcomeForm::RolledBack(form) => Outcome::RolledBack { why: why(form) },
        OutcomeForm::Withdrawn(form) => Outcome::Withdrawn { why: why(form) },
        OutcomeForm::Failed(form) => Outcome::Failed { why: why(form) },
        OutcomeForm::Refused { guards, messages } => {
            let messages = messages.into_iter().chain(std::iter::repeat_with(|| None));
            let guards = guards.into_iter().zip(messages);
            Outcome::Refused {
                guards: guards.map(|(text, message)| read_phrase(text, message)).collect(),
            }
        }
        OutcomeForm::Rejected { by } => Outcome::Rejected { by },
        OutcomeForm::Lapsed => Outcome::Lapsed,
    }
}

fn vital_form(vital: &Vital) -> VitalForm {
    let Vital {
        address,
        span,
        packets,
        asked,
        answered,
        lost,
        heartbeat,
    } = vital.clone();
    VitalForm {
        address,
        span,
        packets,
        asked,
        answered,
        lost,
        heartbeat,
    }
}

fn read_vital(form: VitalForm) -> Vital {
    Vital {
        address: form.address,
        span: form.span,
        packets: form.packets,
        asked: form.asked,
        answered: form.answered,
        lost: form.lost,
        heartbeat: form.heartbeat,
    }
}
