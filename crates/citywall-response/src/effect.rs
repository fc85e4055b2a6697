//! All that a governor asks to be done, in order.
//!
//! Owns: the effects' shape. Does not own: doing them. Their order is a promise: an entry of the
//! journal is durable before the next effect is begun.

use std::net::IpAddr;

use citywall_event::Phrase;

use crate::gate::Approved;
use crate::playbook::Said;
use crate::{ActionId, Entry, Measure, Plan};

/// Something to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Append to the journal, and wait until it is durable.
    Journal(Entry),
    /// Put the measures of the plan's actions in force, each for its time to live with the
    /// action's id as its comment; answer with `Input::Applied` for each action. Putting in force
    /// what is in force already, with the same id, is no error and makes nothing live longer.
    Apply(Approved<Plan>),
    /// Take measures out of force where their comment is this action's id; answer with
    /// `Input::Removed`. Removing what is not there is no error.
    Remove {
        /// The action.
        action: ActionId,
        /// Its measures.
        measures: Vec<Measure>,
    },
    /// Tell people and the log (eve `action`).
    Tell(citywall_event::Action),
    /// A playbook asks a person, or is over.
    Said(Said),
    /// The vitals of these are wanted from now on; replaces what was wanted before.
    Watch {
        /// Whose.
        addresses: Vec<IpAddr>,
        /// Those whom measures in force hold. What others have to do with them counts for nobody: that it
        /// fails may be what was decided.
        apart: Vec<IpAddr>,
    },
    /// Something was refused: the answer to who asked.
    Refused(Refusal),
}

/// Why an input had no effect, for who sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The action that it was about.
    pub action: Option<ActionId>,
    /// In words.
    pub reason: Phrase,
}

/// What became of a plan's action.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// In force.
    Applied,
    /// Its time was over.
    Expired,
    /// A person took it back.
    Undone {
        /// The person.
        by: String,
    },
    /// The health gate took it back.
    RolledBack {
        /// What was seen.
        why: Phrase,
    },
    /// Something that it rests on is gone: the city file, its incident's grounds.
    Withdrawn {
        /// Why.
        why: Phrase,
    },
    /// The hand could not do it.
    Failed {
        /// Why.
        why: Phrase,
    },
    /// The gate said no when it was about to be carried out.
    Refused {
        /// The guards, in words.
        guards: Vec<Phrase>,
    },
    /// A person said no.
    Rejected {
        /// The person.
        by: String,
    },
    /// Nobody approved in time.
    Lapsed,
}
