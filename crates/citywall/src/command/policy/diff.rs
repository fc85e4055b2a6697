//! `citywall policy diff`.
//!
//! Owns: its words. Does not own: the comparison.

use std::io::Write;

use citywall_event::Phrase;
use citywall_policy::{City, Difference, Direction, difference};
use serde_json::{Value, json};

use super::clean;
use crate::End;

pub(super) fn run(old: &City, new: &City, as_json: bool) -> anyhow::Result<End> {
    let found = difference(old, new)?;
    let mut screen = std::io::stdout().lock();
    let _ = if as_json {
        writeln!(screen, "{:#}", to_json(&found))
    } else {
        print(&mut screen, &found)
    };
    Ok(End::Done)
}

pub(super) fn to_json(found: &Difference) -> Value {
    let changes: Vec<Value> = found
        .changes
        .iter()
        .map(|c| {
            let change = match c.direction {
                Direction::NowAllowed => "now_allowed",
                Direction::NoLonger => "no_longer_allowed",
            };
            json!({ "change": change, "from": english(&c.from), "to": english(&c.to), "what": english(&c.what) })
        })
        .collect();
    json!({ "same": found.is_empty(), "changes": changes, "declared": english(&found.declared) })
}

fn english(all: &[Phrase]) -> Vec<&str> {
    all.iter().map(Phrase::english).collect()
}

pub(super) fn print(out: &mut impl Write, found: &Difference) -> std::io::Result<()> {
    if found.is_empty() {
        return writeln!(out, "The two say the same.");
    }
    for (direction, title) in [
        (Direction::NowAllowed, "Becomes allowed:"),
        (Direction::NoLonger, "Is no longer allowed:"),
    ] {
        let mut told = found
            .changes
            .iter()
            .filter(|c| c.direction == direction)
            .peekable();
        if told.peek().is_some() {
            writeln!(out, "{title}")?;
        }
        for change in told {
            let (from, to) = (change.from.join(", "), change.to.join(", "));
            writeln!(out, "  from {} to {}", clean(&from), clean(&to))?;
            for what in &change.what {
                writeln!(out, "      {}", clean(what))?;
            }
        }
    }
    if found.changes.is_empty() {
        writeln!(out, "Nothing that traffic may do changes.")?;
    }
    if !found.declared.is_empty() {
        writeln!(out, "Also:")?;
    }
    for line in &found.declared {
        writeln!(out, "  {}", clean(line))?;
    }
    Ok(())
}
