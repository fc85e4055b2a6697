//! The kernel in memory: which elements it would hold, and until when.
//!
//! Owns: elements with their time-outs. Does not own: what they do to traffic (`harm`).

use std::collections::BTreeMap;

use citywall_event::Nanos;

use crate::{Action, ActionId};

/// Elements by the action's id, which is their comment.
#[derive(Debug, Default)]
pub(crate) struct Kernel {
    held: BTreeMap<String, Nanos>,
}

impl Kernel {
    /// Puts an action's measures in force; gives the time at which they end by themselves. What is
    /// in force already does not live longer.
    pub(crate) fn apply(&mut self, action: &Action, now: Nanos) -> Nanos {
        self.held.retain(|_, until| *until > now);
        let until = now.saturating_add(action.time_to_live);
        *self.held.entry(action.id.0.clone()).or_insert(until)
    }

    /// Takes them away. True where there were some.
    pub(crate) fn remove(&mut self, action: &ActionId) -> bool {
        self.held.remove(&action.0).is_some()
    }
}
