//! What was already said of a conversation's parties, so that each hint is given once.

use citywall_event::{Mac, SightingTrait};

/// Hints that are remembered; beyond that they are given again, and inventory folds them.
const REMEMBERED: usize = 64;

/// Bytes of a hint's value: what SNMPv2-MIB allows a description, more than a host name has.
const VALUE: usize = 255;

/// The first line of a text from the network, bounded: what a hint may keep of it.
pub(crate) fn brief(text: &str) -> &str {
    let line = text.trim().lines().next().unwrap_or_default();
    line[..line.floor_char_boundary(VALUE)].trim_end()
}

/// The hints that a conversation gave.
#[derive(Debug, Default)]
pub(crate) struct Told {
    said: Vec<(Option<Mac>, SightingTrait, Box<str>)>,
}

impl Told {
    /// True where this was not said before; it counts as said from now on.
    pub(crate) fn first(&mut self, trait_: SightingTrait, value: &str) -> bool {
        self.first_of(None, trait_, value)
    }

    /// The same of one among many that the conversation is with.
    pub(crate) fn first_of(&mut self, card: Option<Mac>, trait_: SightingTrait, value: &str) -> bool {
        let same =
            |(c, t, v): &(Option<Mac>, SightingTrait, Box<str>)| (*c, *t) == (card, trait_) && **v == *value;
        if self.said.iter().any(same) {
            return false;
        }
        if self.said.len() < REMEMBERED {
            self.said.push((card, trait_, value.into()));
        }
        true
    }
}
