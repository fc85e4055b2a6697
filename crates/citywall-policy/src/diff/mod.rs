//! What changes when one city file replaces another: what becomes allowed, what no longer is.
//!
//! Owns: the comparison by judging. Each kind of host that either city tells apart (a zone's members,
//! an asset that a conduit names, what moves from one zone to another) is asked about each other kind,
//! with every port, protocol, command and point that an entry of either city tells apart (`atoms`). So
//! the answer does not depend on how the files are written. Does not own: its printing.

mod atoms;
mod declared;
mod places;

use std::collections::BTreeMap;

use citywall_event::{ConduitEnd, Grant, Phrase, Place, say};

use crate::city::City;
use crate::ends::{Judged, means};
use atoms::Atom;
use places::Class;

/// Judgements that a comparison may take; more would keep a person waiting.
const BUDGET: usize = 20_000_000;

/// Which way it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// It was not allowed before.
    NowAllowed,
    /// It was allowed before.
    NoLonger,
}

/// One sentence: these may now, or no longer, open this with those.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// Which way.
    pub direction: Direction,
    /// Who begins.
    pub from: Vec<Phrase>,
    /// With whom.
    pub to: Vec<Phrase>,
    /// What, in the words of `allow`.
    pub what: Vec<Phrase>,
}

/// All that differs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// What traffic may now do, or no longer.
    pub changes: Vec<Change>,
    /// What else is declared otherwise, in sentences: zones, assets, people, the response.
    pub declared: Vec<Phrase>,
    /// More is declared otherwise than by naming devices that had no name.
    pub beside: bool,
    /// Between whom `changes` are: who begins and with whom, each as the old city and as the new one place it.
    pub touched: Vec<[[Place; 2]; 2]>,
}

impl Difference {
    /// Nothing differs.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.declared.is_empty()
    }
}

/// The two cities are too large to compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.words())]
pub struct TooMany;

impl TooMany {
    /// Why, and what to do about it.
    pub fn words(self) -> Phrase {
        say!(
            "diff-too-many",
            "comparing these would take more than {n} judgements; name zones instead of single devices in conduits",
            n = BUDGET
        )
    }
}

/// Compares two cities.
///
/// # Errors
/// `TooMany`.
pub fn difference(old: &City, new: &City) -> Result<Difference, TooMany> {
    let sides = [Judged::new(old), Judged::new(new)];
    let classes = places::classes(&sides);
    let mut budget = BUDGET;
    let mut found: BTreeMap<(Direction, Phrase, Phrase), Vec<Phrase>> = BTreeMap::new();
    let mut touched = Vec::new();
    for from in &classes {
        for to in &classes {
            budget = budget.checked_sub(1).ok_or(TooMany)?;
            let told = compare(&sides, from, to, &mut budget)?;
            if !told.is_empty() {
                touched.push([from.places, to.places]);
            }
            for (direction, what) in told {
                found.insert((direction, from.name.clone(), to.name.clone()), what);
            }
        }
    }
    let declared = declared::changes(old, new);
    Ok(Difference {
        changes: join(found),
        beside: declared.len() > declared::added_assets(old, new),
        declared,
        touched,
    })
}

fn grants_between<'a>(side: &'a Judged<'_>, from: &Class, to: &Class, index: usize) -> Vec<&'a Grant> {
    let named = |ends: &[ConduitEnd], class: &Class| ends.iter().any(|end| means(*end, class.places[index]));
    let conduits = side.city.conduits.iter();
    conduits
        .filter(|c| named(&c.from, from) && named(&c.to, to))
        .flat_map(|c| &c.allow)
        .collect()
}

/// In the words of `allow`, which are the same in every language.
fn words(atoms: &[&Atom]) -> Vec<Phrase> {
    let words = atoms::words(atoms).into_iter();
    words.map(Phrase::as_written).collect()
}

/// What differs from one kind of host to another.
fn compare(
    sides: &[Judged<'_>; 2],
    from: &Class,
    to: &Class,
    budget: &mut usize,
) -> Result<Vec<(Direction, Vec<Phrase>)>, TooMany> {
    let grants = [0, 1].map(|i| grants_between(&sides[i], from, to, i));
    let back = [0, 1].map(|i| grants_between(&sides[i], to, from, i));
    let crossing = [0, 1].map(|i| {
        let (a, b) = ((from.places[i], from.ip), (to.places[i], to.ip));
        sides[i].context.judge_isolation(a, b).is_ok()
    });
    let alike = grants[0] == grants[1] && back[0] == back[1] && crossing[0] == crossing[1];
    let verdict = |index: usize, atom: &Atom| {
        let (a, b) = ((from.places[index], from.ip), (to.places[index], to.ip));
        let context = &sides[index].context;
        match &atom.command {
            Some(command) => context
                .judge_command_on(a, b, Some(&atom.service()), command)
                .is_ok(),
            None => context.judge_contact(a, b, &atom.service()).is_ok(),
        }
    };
    let anything = atoms::anything();
    let all = [verdict(0, &anything), verdict(1, &anything)];
    if alike && all[0] == all[1] {
        return Ok(Vec::new());
    }
    let asks = atoms::of(grants[0].iter().chain(&grants[1]).copied());
    *budget = budget.checked_sub(asks.len()).ok_or(TooMany)?;
    let whole = match all {
        [false, true] => Some(Direction::NowAllowed),
        [true, false] => Some(Direction::NoLonger),
        _ => None,
    };
    let mut changed: [Vec<&Atom>; 2] = [Vec::new(), Vec::new()];
    let mut kept: Vec<&Atom> = Vec::new();
    for ask in &asks {
        match [verdict(0, ask), verdict(1, ask)] {
            [false, true] => changed[0].push(ask),
            [true, false] => changed[1].push(ask),
            [true, true] => kept.push(ask),
            [false, false] => {}
        }
    }
    let mut told = Vec::new();
    for (direction, atoms) in [Direction::NowAllowed, Direction::NoLonger]
        .into_iter()
        .zip(changed)
    {
        let mut what = match whole {
            // All that is told by one word needs no list.
            Some(all) if all == direction => vec![say!("diff-anything", "anything")],
            _ => words(&atoms),
        };
        if whole == Some(direction) && direction == Direction::NoLonger && !kept.is_empty() {
            let both = |first: Phrase, next: Phrase| {
                say!("names-two", "{first} and {second}", first = first, second = next)
            };
            let kept = words(&kept).into_iter().reduce(both).unwrap_or_default();
            what = vec![say!("diff-anything-but", "anything but {what}", what = kept)];
        }
        if !what.is_empty() {
            told.push((direction, what));
        }
    }
    Ok(told)
}

/// Ends that share what changed are told in one sentence.
fn join(found: BTreeMap<(Direction, Phrase, Phrase), Vec<Phrase>>) -> Vec<Change> {
    type By = BTreeMap<(Direction, Vec<Phrase>, Vec<Phrase>), Vec<Phrase>>;
    let mut by_to: By = BTreeMap::new();
    for ((direction, from, to), what) in found {
        by_to.entry((direction, vec![to], what)).or_default().push(from);
    }
    let mut by_from: By = BTreeMap::new();
    for ((direction, to, what), from) in by_to {
        by_from.entry((direction, from, what)).or_default().extend(to);
    }
    let change = |((direction, from, what), to)| Change {
        direction,
        from,
        to,
        what,
    };
    by_from.into_iter().map(change).collect()
}
