//! What is written down: every decision and outcome.
//!
//! Owns: the kinds of entries. Does not own: their form (`wire`), the chain and the file
//! (`citywall-trust`).
//!
//! An entry is durable before the next effect is begun. So for each action the journal says `intent`
//! before the kernel changes and `undoing` before it changes back; what follows an entry may be
//! missing after a crash, never the other way round.

mod wire;

use crate::{Act, ActionId, Grounds, Moment, Outcome, Plan, PlanHash, Vital};

pub use wire::EntryError;

/// One entry of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When: the wall clock, and the governor's own even time, which no clock can jump.
    pub at: Moment,
    /// What.
    pub fact: Fact,
}

/// What an entry says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A governor began, or went on after a restart.
    Started {
        /// The reading of the city file.
        revision: u64,
    },
    /// Something is proposed.
    Proposed {
        /// What; one action.
        plan: Plan,
        /// 1 (worst) to 4.
        severity: u8,
        /// What it rests on.
        grounds: Grounds,
        /// How many people it takes.
        needed: u32,
        /// What the gate said.
        guards: Vec<String>,
    },
    /// A person approved.
    Approved {
        /// The action.
        action: ActionId,
        /// The plan that was shown.
        hash: PlanHash,
        /// Who.
        by: String,
        /// By which account.
        account: String,
    },
    /// It is about to be put in force.
    Intent {
        /// What; one action.
        plan: Plan,
        /// What was approved.
        hash: PlanHash,
        /// Who approved; nobody where it is unattended.
        people: Vec<String>,
        /// The serial of the act that covers it, where it is unattended.
        act: Option<u64>,
        /// What the gate said at this moment; nothing of it held it back.
        guards: Vec<String>,
        /// How those fared that it touches or that depend on it, before.
        baseline: Vec<Vital>,
        /// What it rests on.
        grounds: Grounds,
    },
    /// The kernel holds it.
    Applied {
        /// The action.
        action: ActionId,
    },
    /// It is about to be taken away.
    Undoing {
        /// The action.
        action: ActionId,
        /// Why.
        outcome: Outcome,
    },
    /// It is over, and the kernel holds nothing of it.
    Ended {
        /// The action.
        action: ActionId,
        /// Why.
        outcome: Outcome,
    },
    /// The gate or the rules for people said no.
    Refused {
        /// The incident, where there is one.
        incident: String,
        /// What was wanted: the rung and the target.
        what: String,
        /// Who wanted it.
        by: String,
        /// The guards in words.
        guards: Vec<String>,
    },
    /// A signed act was accepted.
    Act {
        /// What.
        act: Act,
        /// By whom.
        signer: String,
    },
    /// All acts were ended.
    ActsEnded {
        /// By whom.
        by: String,
    },
    /// More was wanted than is kept: so many were let go.
    Shed {
        /// How many.
        count: u64,
    },
}
