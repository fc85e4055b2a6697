//! A proposal as TOML: a fragment to add to a city file, or a whole one.
//!
//! Owns: its words. What is doubtful stands in comments. Does not own: what is proposed.

use std::fmt::Write as _;

use super::{Proposal, Seen, Told};
use crate::city::City;

/// What stands above a proposal.
pub(super) const PROPOSED: &str = "\
# Proposed from observed traffic: read it, correct it, sign it. What is doubtful stands in comments
# at the end and is not allowed by what stands before.
";
/// What stands above what a person took of one.
pub(super) const CHOSEN: &str = "# Taken by a person from what was proposed from observed traffic.\n";

pub(super) fn toml(
    proposal: &Proposal,
    city: &City,
    zones: Option<&[(String, String, String)]>,
    head: &str,
) -> String {
    let mut text = head.to_owned();
    // Writing to a string does not fail.
    let _ = write(&mut text, proposal, city, zones);
    text
}

fn write(
    text: &mut String,
    proposal: &Proposal,
    city: &City,
    zones: Option<&[(String, String, String)]>,
) -> std::fmt::Result {
    if zones.is_some() {
        writeln!(
            text,
            "\n[city]\nname = {}\n\n[[domain]]\nname = \"city\"",
            quote(&city.name)
        )?;
    }
    for (name, network, hint) in zones.unwrap_or_default() {
        writeln!(text, "\n# {}", comment(hint))?;
        writeln!(
            text,
            "[[zone]]\nname = {}\ndomain = \"city\"\nnetworks = [{}]",
            quote(name),
            quote(network)
        )?;
        writeln!(
            text,
            "# Say how bad it is when it stops; until then it counts as the worst.\n#criticality = \"safety\""
        )?;
    }
    for (name, address) in &proposal.assets {
        writeln!(
            text,
            "\n[[asset]]\nname = {}\naddress = {}",
            quote(name),
            quote(address)
        )?;
        if proposal.is_outside(address) {
            writeln!(text, "zone = \"outside\"")?;
        }
    }
    for told in &proposal.conduits {
        writeln!(text, "\n# {}", comment(&evidence(city, told)))?;
        if !told.note.is_empty() {
            writeln!(text, "# Look at this: {}.", comment(&told.note))?;
        }
        writeln!(
            text,
            "[[conduit]]\nfrom = {}\nto = {}",
            list(&told.from),
            list(&told.to)
        )?;
        writeln!(text, "allow = {}", many(&told.allow))?;
        writeln!(
            text,
            "reason = {}",
            quote(&format!("Learned: {}", evidence(city, told)))
        )?;
    }
    if !proposal.doubtful.is_empty() {
        writeln!(text, "\n# Doubtful: not proposed.")?;
    }
    for told in &proposal.doubtful {
        writeln!(
            text,
            "#\n# {}: {}.",
            comment(&told.note),
            comment(&evidence(city, told))
        )?;
        let what = format!(
            "from = {}, to = {}, allow = {}",
            list(&told.from),
            list(&told.to),
            many(&told.allow)
        );
        writeln!(text, "# {}", comment(&what))?;
    }
    Ok(())
}

fn unit(told: &Told) -> &'static str {
    match (told.changes, told.seen.times) {
        (true, 1) => "command",
        (true, _) => "commands",
        (false, 1) => "conversation",
        (false, _) => "conversations",
    }
}

fn evidence(city: &City, told: &Told) -> String {
    let Seen { times, first, last } = told.seen;
    format!(
        "{times} {} of {} with {}, {} to {}",
        unit(told),
        devices(told.devices.0),
        devices(told.devices.1),
        city.local_time(first),
        city.local_time(last)
    )
}

pub(super) fn devices(count: usize) -> String {
    match count {
        1 => "1 device".to_owned(),
        n => format!("{n} devices"),
    }
}

fn quote(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn list(words: &[String]) -> String {
    match words {
        [one] => quote(one),
        _ => many(words),
    }
}

fn many(words: &[String]) -> String {
    let quoted: Vec<String> = words.iter().map(|w| quote(w)).collect();
    format!("[{}]", quoted.join(", "))
}

/// Text of the network must not end a comment.
fn comment(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}
