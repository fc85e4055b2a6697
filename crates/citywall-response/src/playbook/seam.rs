//! What the governor and a playbook say to each other.
//!
//! Owns: these values. Does not own: the table of running playbooks (`runs`), the interpreter (`run`).

use citywall_event::{Criticality, Nanos, Phrase};

use crate::Rung;

/// What the city file says of a suspect; the governor looked it up itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Zone name; `outside` for what has none.
    pub zone: String,
    /// How bad it is when it stops.
    pub criticality: Criticality,
    /// Everything else needs it.
    pub infrastructure: bool,
}

/// A playbook wants a rung on one suspect of its incident. The planner makes measures of it, and
/// the gate judges them: a wish permits nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The playbook's name, which is the action's owner.
    pub playbook: String,
    /// The step that wants it.
    pub step: String,
    /// The rung.
    pub rung: Rung,
    /// Index into `Notice::suspects` of the notice heard last; `None` = the incident as a whole
    /// (`observe` and `notify` alone).
    pub suspect: Option<usize>,
    /// For how long, nanoseconds; `None` = the city's default.
    pub time_to_live: Option<Nanos>,
    /// Why, in the playbook's words.
    pub reason: Phrase,
}

/// A step that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The playbook's name.
    pub playbook: String,
    /// The step that waits; an answer names it.
    pub step: String,
    /// What the person is to do, one line.
    pub text: String,
    /// When the step gives up, if it does.
    pub until: Option<Nanos>,
}

/// What comes of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Say {
    /// A rung is wanted.
    Wish(Wish),
    /// A person is asked.
    Ask(Question),
    /// The playbook has come to its end, or cannot go on; why, in words.
    Over {
        /// The playbook's name.
        playbook: String,
        /// It came to an end step.
        completed: bool,
        /// Why.
        reason: String,
    },
}

/// A `Say` and the incident that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The incident's number.
    pub incident: String,
    /// What.
    pub say: Say,
}

/// A person's answer to a `Question`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The incident's number.
    pub incident: String,
    /// The step that asked.
    pub step: String,
    /// It was done (`on_success`), or could not be (`on_failure`).
    pub done: bool,
}
