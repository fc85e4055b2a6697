//! From what the kernel holds to what it should hold, in one transaction.
//!
//! Owns: transactions over whole tables, and the diff that a person reads before one. Measures that
//! are in force live through all of them. Does not own: the tables' content.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;

use serde::Serialize;

use super::listing::Listing;
use super::model::{Family, Set, TABLE, Table};
use super::wall::Wall;

/// A transaction after which our tables are `wall`, whatever `now` they are. Sets whose elements
/// come and go keep their elements; everything else of ours is made anew. No packet sees a state
/// in between.
pub fn install(wall: &Wall, now: &Listing) -> String {
    let mut out = String::new();
    for family in [Family::Inet, Family::Bridge] {
        let new = wall.tables.iter().find(|t| t.family == family);
        let old = now.tables.iter().find(|t| t.family == family);
        match (old, new) {
            (Some(_), None) => {
                let _ = writeln!(out, "delete table {} {TABLE}", family.name());
            }
            (Some(old), Some(new)) => replace(&mut out, old, new),
            (None, Some(new)) => out.push_str(&new.text()),
            (None, None) => {}
        }
    }
    out
}

fn replace(out: &mut String, old: &Table, new: &Table) {
    let family = old.family.name();
    let _ = writeln!(out, "flush table {family} {TABLE}");
    for chain in &old.chains {
        let _ = writeln!(out, "delete chain {family} {TABLE} {}", chain.name);
    }
    let stays = |set: &Set| {
        let bare = |s: &Set| Set {
            elements: None,
            ..s.clone()
        };
        set.elements.is_none()
            && new
                .sets
                .iter()
                .any(|n| n.elements.is_none() && bare(n) == bare(set))
    };
    for set in old.sets.iter().filter(|s| !stays(s)) {
        let _ = writeln!(out, "delete set {family} {TABLE} {}", set.name);
    }
    for counter in old.counters.iter().filter(|c| !new.counters.contains(c)) {
        let _ = writeln!(out, "delete counter {family} {TABLE} {counter}");
    }
    out.push_str(&new.text());
}

/// A transaction after which our tables are as in `before`, an earlier answer of the kernel.
pub fn restore(before: &Listing, now: &Listing) -> String {
    let wall = Wall {
        tables: before.tables.clone(),
    };
    install(&wall, now)
}

/// A transaction that takes our tables away; empty where there is none.
pub fn uninstall(now: &Listing) -> String {
    install(&Wall { tables: Vec::new() }, now)
}

/// What changes in one set or chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// `inet chain forward`.
    pub place: String,
    /// It is not there any more, or was not there before.
    pub whole: bool,
    /// Lines that go.
    pub removed: Vec<String>,
    /// Lines that come.
    pub added: Vec<String>,
}

/// As in a unified diff.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match (self.whole, self.added.is_empty() && !self.removed.is_empty()) {
            (true, true) => '-',
            (true, false) => '+',
            (false, _) => ' ',
        };
        writeln!(f, "{sign} {}", self.place)?;
        self.removed
            .iter()
            .try_for_each(|line| writeln!(f, "-     {line}"))?;
        self.added.iter().try_for_each(|line| writeln!(f, "+     {line}"))
    }
}

/// What `install` would change, place by place: nothing where the kernel already holds the wall.
/// Elements of measures and of the block list are no part of it: they stay.
pub fn differences(wall: &Wall, now: &Listing) -> Vec<Difference> {
    let blocks = |tables: &[Table]| -> BTreeMap<String, Vec<String>> {
        let mut all = BTreeMap::new();
        for table in tables {
            all.insert(format!("{} table", table.family.name()), Vec::new());
            all.extend(table.lines());
        }
        all
    };
    let (old, new) = (blocks(&now.tables), blocks(&wall.tables));
    let mut all = Vec::new();
    let places: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for place in places {
        match (old.get(place), new.get(place)) {
            (Some(a), Some(b)) if a == b => {}
            (Some(a), Some(b)) => {
                let head = a.iter().zip(b).take_while(|(x, y)| x == y).count();
                let rest = a.len().min(b.len()) - head;
                let tail = a
                    .iter()
                    .rev()
                    .zip(b.iter().rev())
                    .take(rest)
                    .take_while(|(x, y)| x == y)
                    .count();
                all.push(Difference {
                    place: place.clone(),
                    whole: false,
                    removed: a[head..a.len() - tail].to_vec(),
                    added: b[head..b.len() - tail].to_vec(),
                });
            }
            (old, new) => all.push(Difference {
                place: if old.is_some() {
                    format!("{place} (removed)")
                } else {
                    place.clone()
                },
                whole: true,
                removed: old.cloned().unwrap_or_default(),
                added: new.cloned().unwrap_or_default(),
            }),
        }
    }
    all
}
