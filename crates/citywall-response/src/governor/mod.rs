//! The governor: from what happens to what is done, and back.
//!
//! Owns: the state machine. Pure: no clock, no file, no process; the same inputs give the same
//! effects. Does not own: whether something may be done (`gate`), and doing it.

use citywall_event::Nanos;

use crate::effect::Outcome;
use crate::{Action, Effect, Entry, Facts, Held, Input, Moment, PlanHash, Settings};

/// Where an action stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Waits for approvals.
    Proposed,
    /// The hand was told; its answer is not here.
    Applying,
    /// In force.
    Active,
    /// The hand was told to take it away; its answer is not here.
    Undoing,
    /// Over.
    Ended,
}

/// An action for a list that people read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The action.
    pub action: Action,
    /// Its incident.
    pub incident: String,
    /// What an approval must be bound to.
    pub hash: PlanHash,
    /// Where it stands.
    pub stage: Stage,
    /// Who approved so far.
    pub approvals: Vec<String>,
    /// How many different people must.
    pub needed: u32,
    /// What the gate says now: the guards that hold it back.
    pub guards: Vec<String>,
    /// What is left of it, nanoseconds: until it ends, or until it can no longer be approved.
    pub remaining: Nanos,
    /// What became of it, where it is over.
    pub outcome: Option<Outcome>,
}

/// The state machine.
#[derive(Clone, Debug)]
pub struct Governor {
    settings: Settings,
    facts: Facts,
}

impl Governor {
    /// Nothing has happened yet.
    pub fn new(facts: Facts, settings: Settings) -> Governor {
        Governor { settings, facts }
    }

    /// Goes on after a crash or a restart: from the journal, oldest first, and from what the kernel
    /// holds now. The effects bring the kernel to what the journal says: measures of actions that
    /// are over go, measures that live on keep what is left of their lives, what is not ours is
    /// left alone.
    pub fn restore(
        facts: Facts,
        settings: Settings,
        _entries: &[Entry],
        _held: &[Held],
        _now: Moment,
    ) -> (Governor, Vec<Effect>) {
        (Governor::new(facts, settings), Vec::new())
    }

    /// Something happened. The effects are to be done in their order.
    pub fn hear(&mut self, _now: Moment, _input: Input) -> Vec<Effect> {
        let _ = (&self.settings, &self.facts);
        Vec::new()
    }

    /// The steady time at which `Input::Tick` is next worth sending, if any.
    pub fn due(&self) -> Option<Nanos> {
        None
    }

    /// All actions that are not over, and the last that are.
    pub fn actions(&self) -> Vec<View> {
        Vec::new()
    }
}
