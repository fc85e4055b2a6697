//! What was already said of a conversation's parties, so that each hint is given once.

use citywall_event::SightingTrait;

/// Hints that are remembered; beyond that they are given again, and inventory folds them.
const REMEMBERED: usize = 64;

/// The hints that a conversation gave.
#[derive(Debug, Default)]
pub(crate) struct Told {
    said: Vec<(SightingTrait, Box<str>)>,
}

impl Told {
    /// True where this was not said before; it counts as said from now on.
    pub(crate) fn first(&mut self, trait_: SightingTrait, value: &str) -> bool {
        if self.said.iter().any(|(t, v)| *t == trait_ && **v == *value) {
            return false;
        }
        if self.said.len() < REMEMBERED {
            self.said.push((trait_, value.into()));
        }
        true
    }
}
