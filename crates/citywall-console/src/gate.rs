//! The one way from a page to an act: the response's gate.
//!
//! Owns: the seam (what can be asked, what is shown of an action). Does not own: any decision. In a
//! rehearsal the gate is a governor over a simulated kernel (`rehearsed`); with an enforcer it is the
//! control socket, which the binary speaks.

use citywall_event::Phrase;
use citywall_policy::City;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::said::Message;

/// Where acts go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GateKind {
    /// A simulated kernel: nothing is touched.
    Rehearsal,
    /// The enforcer of this machine.
    Enforcer,
}

/// An action, as the control socket tells it (`docs/spec/control.md`).
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct ActionView {
    /// `I0-1660-1.2`.
    pub id: String,
    /// Its incident.
    pub incident: String,
    /// Rung of the ladder of least harm.
    pub rung: String,
    /// On what.
    pub target: String,
    /// Why.
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
    /// `proposed`, `applying`, `active`, `undoing`, `ended`.
    pub stage: String,
    /// What an approval is bound to.
    pub hash: String,
    /// Who approved.
    pub approvals: Vec<String>,
    /// How many people it takes.
    pub needed: u32,
    /// What holds it back now.
    pub guards: Vec<String>,
    /// How long it is to hold, seconds.
    pub time_to_live_s: i64,
    /// What is left of it, seconds.
    pub remaining_s: i64,
    /// What would change, in words.
    pub measures: Vec<String>,
    /// What became of it.
    pub outcome: Option<String>,
    /// What target, reason, guards, measures and outcome say in any language.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub messages: Messages,
}

/// What an action says, as messages; a list has as many as the English words beside it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Messages {
    /// On what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Message>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Message>,
    /// What the gate says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guards: Vec<Message>,
    /// What would change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub measures: Vec<Message>,
    /// What became of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Message>,
}

/// What a person asks of the gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Carry out the plan with this hash.
    Approve {
        /// The action.
        action: String,
        /// What was read.
        hash: String,
    },
    /// Say no.
    Reject {
        /// The action.
        action: String,
    },
    /// Take it back.
    Undo {
        /// The action.
        action: String,
    },
}

impl Ask {
    /// The action that it is about.
    pub fn action(&self) -> &str {
        match self {
            Ask::Approve { action, .. } | Ask::Reject { action } | Ask::Undo { action } => action,
        }
    }

    /// A word for the journal.
    pub fn word(&self) -> &'static str {
        match self {
            Ask::Approve { .. } => "approve",
            Ask::Reject { .. } => "reject",
            Ask::Undo { .. } => "undo",
        }
    }
}

/// Why the gate did not do it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum GateError {
    /// It refused, and said why.
    #[error("{text}")]
    Refused {
        /// In English.
        text: String,
        /// In any language.
        message: Option<Box<Message>>,
    },
    /// It cannot be reached.
    #[error("{0}")]
    Unreachable(String),
}

impl GateError {
    /// The gate refused with these words.
    pub fn refused(reason: &Phrase) -> GateError {
        GateError::Refused {
            text: reason.to_string(),
            message: Message::of(reason).map(Box::new),
        }
    }

    /// The message, where there is one.
    pub fn message(&self) -> Option<&Message> {
        match self {
            GateError::Refused { message, .. } => message.as_deref(),
            GateError::Unreachable(_) => None,
        }
    }
}

/// A gate. Calls may wait for the kernel.
pub trait Gate: Send {
    /// Where acts go.
    fn kind(&self) -> GateKind;

    /// All that is proposed, in force, or has just ended; a person looks.
    ///
    /// # Errors
    /// Where it cannot be reached.
    fn actions(&mut self, person: &str) -> Result<Vec<ActionView>, GateError>;

    /// A person (by the name of the city file) asks; the answer is a sentence.
    ///
    /// # Errors
    /// Where it is refused, with the guards in words, or cannot be reached.
    fn ask(&mut self, person: &str, ask: &Ask, reason: &str) -> Result<String, GateError>;

    /// The last entries of its journal, oldest first.
    ///
    /// # Errors
    /// Where it cannot be reached.
    fn journal(&mut self, person: &str, last: usize) -> Result<Vec<serde_json::Value>, GateError>;

    /// One line of the log. Only a rehearsal listens.
    fn line(&mut self, _line: &[u8]) {}

    /// The city file was read anew. Only a rehearsal listens.
    fn city(&mut self, _city: Option<&City>) {}

    /// The replay is over: what is still open counts as happening now.
    fn replayed(&mut self) {}
}
