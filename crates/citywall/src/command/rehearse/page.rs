//! What a rehearsal tells: a page for people, JSON for machines.
//!
//! Owns: the words. Does not own: the numbers.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use citywall_event::Nanos;
use citywall_policy::City;
use citywall_response::rehearsal::{Cut, Report, Taken, Untaken};
use serde_json::{Value, json};

use super::{RehearseArgs, RehearsedMode};

/// Cuts, refused proposals and questions that the page lists of each; JSON lists all.
const LISTED: usize = 8;

/// The page.
pub fn page(report: &Report, city: &City, args: &RehearseArgs) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{}", headline(report, args.mode));
    if let (Some(begin), Some(end)) = (report.begin, report.end) {
        let _ = writeln!(
            out,
            "From {} to {}; {} notices of incidents, {} conversations.",
            city.local_time(begin),
            city.local_time(end),
            report.notices,
            report.flows
        );
    }
    if !report.taken.is_empty() {
        out.push_str("\nWhat would have been done\n");
        for (place, taken) in report.taken.iter().enumerate() {
            action(&mut out, place + 1, taken, city);
        }
    }
    held_back(&mut out, &report.untaken);
    if !report.asked.is_empty() {
        out.push_str("\nWhat people would have been asked\n");
        for asked in report.asked.iter().take(LISTED) {
            let _ = writeln!(out, "  {}  {}", clock(city, asked.at), clean(&asked.text));
        }
        more(&mut out, report.asked.len());
    }
    if report.unlisted > 0 {
        let _ = writeln!(
            out,
            "\n{} more actions and questions are not listed.",
            report.unlisted
        );
    }
    out
}

fn headline(report: &Report, mode: RehearsedMode) -> String {
    let had = match mode {
        RehearsedMode::Automatic => "Had automatic mode been on",
        RehearsedMode::Propose => "Had people been asked and not answered",
        RehearsedMode::Observe => "Had it only been observed",
    };
    let actions = match report.taken.len() {
        0 => "nothing would have been done".to_owned(),
        1 => "1 action".to_owned(),
        n => format!("{n} actions"),
    };
    let touched = match (report.taken.len(), report.touched()) {
        (0, _) => String::new(),
        (_, 0) => ", none would have touched real work".to_owned(),
        (_, n) => format!(", {n} would have touched real work"),
    };
    format!("{had}: {actions}{touched}.")
}

fn action(out: &mut String, number: usize, taken: &Taken, city: &City) {
    let _ = writeln!(
        out,
        "{number:>3}. {}  {} on {}, for {}",
        clock(city, taken.from),
        taken.rung.name(),
        clean(&taken.target),
        span(taken.until.saturating_sub(taken.from))
    );
    let _ = writeln!(out, "     why: {}", clean(&taken.reason));
    let _ = writeln!(
        out,
        "     incident {}, asked for by {}",
        taken.incident,
        clean(&taken.owner)
    );
    if let Some(outcome) = &taken.outcome {
        let _ = writeln!(out, "     in the end: {}", clean(outcome));
    }
    if !taken.touched_work() {
        let _ = writeln!(out, "     permitted work cut: none");
        return;
    }
    let _ = writeln!(out, "     PERMITTED WORK CUT:");
    for cut in taken.cuts.iter().take(LISTED) {
        let _ = writeln!(out, "       {}", cut_words(cut));
    }
    let rest = taken.cuts.len().saturating_sub(LISTED) as u64 + taken.beyond;
    if rest > 0 {
        let _ = writeln!(out, "       and {rest} more pairs");
    }
    if !taken.services.is_empty() {
        let _ = writeln!(
            out,
            "     services that depend on them: {}",
            taken.services.join(", ")
        );
    }
}

fn cut_words(cut: &Cut) -> String {
    let ends = format!("{} to {}, {}", clean(&cut.from), clean(&cut.to), clean(&cut.what));
    match cut.commands {
        0 => format!(
            "{ends}: about {} packets, {} bytes of {} conversations",
            cut.packets, cut.bytes, cut.flows
        ),
        1 => format!("{ends}: 1 command"),
        n => format!("{ends}: {n} commands"),
    }
}

/// Proposals that were held back, by what held them back.
fn held_back(out: &mut String, untaken: &[Untaken]) {
    if untaken.is_empty() {
        return;
    }
    out.push_str("\nWhat was wanted and held back\n");
    let mut groups: BTreeMap<(String, String), (u64, Vec<String>)> = BTreeMap::new();
    for one in untaken {
        let key = (one.rung.clone(), clean(&one.target));
        let group = groups.entry(key).or_default();
        group.0 += 1;
        for guard in &one.held_by {
            let guard = clean(guard);
            if !group.1.contains(&guard) {
                group.1.push(guard);
            }
        }
    }
    let all = groups.len();
    for ((rung, target), (times, guards)) in groups.into_iter().take(LISTED) {
        let often = if times > 1 {
            format!(" ({times} times)")
        } else {
            String::new()
        };
        let _ = writeln!(out, "  {rung} on {target}{often}");
        if guards.is_empty() {
            let _ = writeln!(out, "     a person must approve it");
        }
        for guard in guards {
            let _ = writeln!(out, "     {guard}");
        }
    }
    more(out, all);
}

fn more(out: &mut String, all: usize) {
    if all > LISTED {
        let _ = writeln!(out, "  and {} more; --json lists all", all - LISTED);
    }
}

/// Names and reasons come from the network.
fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

fn clock(city: &City, at: Nanos) -> String {
    let local = city.local_time(at);
    local.split(' ').nth(1).unwrap_or(&local).to_owned()
}

fn span(time: Nanos) -> String {
    let seconds = (time + 500_000_000) / 1_000_000_000;
    match (seconds / 60, seconds % 60) {
        (0, seconds) => format!("{seconds} s"),
        (minutes, 0) => format!("{minutes} min"),
        (minutes, seconds) => format!("{minutes} min {seconds} s"),
    }
}

fn utc(at: Nanos) -> String {
    let mut text = Vec::new();
    citywall_event::json::time(&mut text, at);
    String::from_utf8_lossy(&text).trim_matches('"').to_owned()
}

/// The same for machines.
pub fn json(report: &Report) -> Value {
    let taken = |t: &Taken| {
        let cut = |c: &Cut| {
            json!({
                "from": c.from, "to": c.to, "what": c.what, "flows": c.flows, "packets": c.packets,
                "bytes": c.bytes, "commands": c.commands,
            })
        };
        json!({
            "id": t.id, "incident": t.incident, "rung": t.rung.name(), "target": t.target.english(), "reason": t.reason.english(),
            "owner": t.owner, "from": utc(t.from), "until": utc(t.until),
            "seconds": t.until.saturating_sub(t.from) as f64 / 1e9, "outcome": t.outcome.as_ref().map(|outcome| outcome.english()),
            "measures": t.measures.len(), "touched_work": t.touched_work(),
            "cut": t.cuts.iter().map(cut).collect::<Vec<_>>(), "pairs_not_listed": t.beyond,
            "services": t.services,
        })
    };
    let untaken = |u: &Untaken| {
        json!({
            "id": u.id, "incident": u.incident, "rung": u.rung, "target": u.target.english(), "reason": u.reason.english(),
            "at": utc(u.at), "held_by": u.held_by.iter().map(|why| why.english()).collect::<Vec<_>>(),
        })
    };
    json!({
        "actions": report.taken.len(), "touched_work": report.touched(),
        "begin": report.begin.map(utc), "end": report.end.map(utc),
        "notices": report.notices, "flows": report.flows,
        "taken": report.taken.iter().map(taken).collect::<Vec<_>>(),
        "held_back": report.untaken.iter().map(untaken).collect::<Vec<_>>(),
        "asked": report.asked.iter()
            .map(|a| json!({ "incident": a.incident, "playbook": a.playbook, "at": utc(a.at), "text": a.text }))
            .collect::<Vec<_>>(),
        "told": report.told, "not_listed": report.unlisted,
    })
}
