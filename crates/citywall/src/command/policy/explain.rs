//! `citywall policy explain`.
//!
//! Owns: the words of an answer. Does not own: the answer.

use std::io::Write;

use citywall_policy::{City, Explanation, Judged, Way};
use serde_json::{Value, json};

use super::clean;
use super::show::way_json;
use crate::End;
use crate::command::Invalid;

pub(super) fn run(
    city: &City,
    ends: [&String; 2],
    protocol: Option<&str>,
    command: Option<&str>,
    as_json: bool,
) -> anyhow::Result<End> {
    let judged = Judged::new(city);
    let [from, to] = ends.map(|word| judged.end(word).map_err(Invalid));
    let explained = judged.explain(&from?, &to?, protocol, command).map_err(Invalid)?;
    let mut screen = std::io::stdout().lock();
    let _ = if as_json {
        writeln!(screen, "{:#}", to_json(city, &explained))
    } else {
        print(&mut screen, city, &explained)
    };
    Ok(if explained.allowed() {
        End::Done
    } else {
        End::Failed
    })
}

fn to_json(city: &City, explained: &Explanation) -> Value {
    let answers: Vec<Value> = explained
        .answers
        .iter()
        .map(|a| json!({ "what": a.what, "allowed": a.allowed, "by": a.by.as_ref().map(way_json), "why": a.why }))
        .collect();
    json!({
        "file": city.file,
        "from": explained.from.words,
        "to": explained.to.words,
        "allowed": explained.allowed(),
        "free": explained.free,
        "isolated": explained.isolated,
        "allow": explained.ways.iter().map(way_json).collect::<Vec<_>>(),
        "answers": answers,
        "needed": explained.needed,
    })
}

fn print(out: &mut impl Write, city: &City, explained: &Explanation) -> std::io::Result<()> {
    let yes = if explained.allowed() { "Yes" } else { "No" };
    writeln!(
        out,
        "{yes}: from {} to {}.",
        clean(&explained.from.words),
        clean(&explained.to.words)
    )?;
    if let Some(why) = explained.isolated.as_ref().or(explained.free.as_ref()) {
        writeln!(out, "  {}.", clean(why))?;
    }
    let place = |way: &Way| {
        let reason = if way.reason.is_empty() {
            String::new()
        } else {
            format!(", {:?}", way.reason)
        };
        clean(&format!(
            "{}:{} from {} to {}{reason}",
            city.file, way.line, way.from, way.to
        ))
    };
    for answer in &explained.answers {
        match (&answer.by, answer.allowed) {
            (Some(way), true) => {
                writeln!(out, "  yes  {}", clean(&answer.what))?;
                writeln!(out, "       {:?} in the conduit {}", way.allow, place(way))?;
            }
            (_, allowed) => {
                let sign = if allowed { "yes" } else { "no " };
                writeln!(out, "  {sign}  {}: {}", clean(&answer.what), clean(&answer.why))?;
            }
        }
    }
    if explained.answers.is_empty() || explained.needed.is_some() {
        for way in &explained.ways {
            let partly = if way.partly { " (these only)" } else { "" };
            writeln!(out, "  {}{partly}\n      {}", clean(&way.allow), place(way))?;
        }
        if explained.ways.is_empty() && explained.free.is_none() && explained.isolated.is_none() {
            writeln!(out, "  No conduit leads from the one to the other.")?;
        }
    }
    if let Some(needed) = &explained.needed {
        if explained.isolated.is_some() {
            return writeln!(out, "\n{}", clean(needed));
        }
        writeln!(out, "\nTo allow it, this would be needed:\n")?;
        for line in needed.lines() {
            writeln!(out, "    {}", clean(line))?;
        }
    }
    Ok(())
}
