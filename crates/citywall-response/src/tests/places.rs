//! Towns whose city files are accepted, each with an edition of itself.
//!
//! Owns: which edits a file sees. Does not own: what a town is (`town`), what happens there (`cases`).

use super::counted::Stats;
use super::town::{Dice, Town};
use crate::Facts;

/// A town, and the same after an edit of its file.
pub(super) struct Place {
    pub(super) towns: [Town; 2],
    pub(super) facts: [Facts; 2],
}

/// Draws towns until so many have a city file that is accepted.
pub(super) fn places(count: usize, seed: u64, stats: &mut Stats) -> Vec<Place> {
    let mut dice = Dice::new(seed);
    let mut places = Vec::new();
    while places.len() < count {
        let town = Town::random(&mut dice);
        let mut edited = town.clone();
        for _ in 0..3 {
            match dice.below(4) {
                0 => edited.assets[0].tag = Some(dice.below(3)),
                1 => edited.zones[0].tag = Some(dice.below(3)),
                2 => edited.people[0].approver = !edited.people[0].approver,
                _ => edited.assets[1].role = "gateway",
            }
        }
        match (town.facts(1), edited.facts(2)) {
            (Ok(a), Ok(b)) => places.push(Place {
                towns: [town, edited],
                facts: [a, b],
            }),
            _ => stats.add("town: city file refused"),
        }
        assert!(
            stats
                .0
                .get("town: city file refused")
                .is_none_or(|n| *n < 200 + 20 * count as u64)
        );
    }
    places
}
