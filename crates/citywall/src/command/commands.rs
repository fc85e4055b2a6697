//! `citywall commands`: who told which device to do what, as a table.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use citywall_event::{Body, CommandOutcome, Event};
use serde_json::json;

use super::{Invalid, replay_events};
use crate::End;
use crate::cli::CommandsArgs;
use crate::enforcer::confine::confine_reader;
use crate::output::story::party;
use crate::settings::Settings;

/// Different rows that are kept; more are only counted.
const ROWS: usize = 100_000;

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    actor: String,
    target: String,
    protocol: &'static str,
    verb: &'static str,
    point: String,
}

#[derive(Default)]
struct Tally {
    times: u64,
    refused: u64,
    first: i64,
    last: i64,
    value: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// Where files are invalid or cannot be read.
pub fn run(args: &CommandsArgs) -> anyhow::Result<End> {
    confine_reader(None)?;
    let settings = Settings::load(&args.files, None, None, None).map_err(|e| Invalid(format!("{e:#}")))?;
    let settings = Arc::new(settings);
    let mut rows = BTreeMap::new();
    let mut left_out = 0;
    let mut take = |event: &Event| {
        let Body::Command(command) = &event.body else {
            return;
        };
        if args.changes && !command.verb.changes() {
            return;
        }
        let row = Row {
            actor: party(&settings.context, event.subject.src_ip),
            target: party(&settings.context, event.subject.dst_ip),
            protocol: command.protocol,
            verb: command.verb.name(),
            point: match command.unit {
                Some(unit) => format!("unit {unit} {}", command.point),
                None => command.point.clone(),
            },
        };
        if rows.len() >= ROWS && !rows.contains_key(&row) {
            left_out += 1;
            return;
        }
        let tally: &mut Tally = rows.entry(row).or_default();
        tally.first = if tally.times == 0 { event.at } else { tally.first };
        tally.times += 1;
        tally.refused += u64::from(matches!(command.outcome, CommandOutcome::Refused(_)));
        tally.last = event.at;
        tally.value = command
            .value
            .as_ref()
            .map(ToString::to_string)
            .or(tally.value.take());
    };
    let end = replay_events(&args.pcap, &settings, &mut take)?;
    // A reader that went away (`| head`) is no failure.
    let _ = if args.json {
        print_json(&rows)
    } else {
        print_table(&rows, left_out)
    };
    Ok(end)
}

fn utc(at: i64) -> String {
    let mut text = Vec::new();
    citywall_event::json::time(&mut text, at);
    String::from_utf8_lossy(&text).into_owned()
}

fn print_json(rows: &BTreeMap<Row, Tally>) -> std::io::Result<()> {
    let list: Vec<_> = rows
        .iter()
        .map(|(row, tally)| {
            json!({
                "actor": row.actor, "target": row.target, "protocol": row.protocol, "verb": row.verb,
                "point": row.point, "times": tally.times, "refused": tally.refused,
                "last_value": tally.value, "first": utc(tally.first), "last": utc(tally.last),
            })
        })
        .collect();
    let mut screen = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut screen, &list)?;
    writeln!(screen)
}

fn print_table(rows: &BTreeMap<Row, Tally>, left_out: u64) -> std::io::Result<()> {
    let mut screen = std::io::stdout().lock();
    if rows.is_empty() {
        return writeln!(screen, "No commands seen.");
    }
    let width = |of: fn(&Row) -> usize, least: usize| rows.keys().map(of).max().unwrap_or(0).clamp(least, 40);
    let (a, t, p) = (
        width(|r| r.actor.len(), 5),
        width(|r| r.target.len(), 6),
        width(|r| r.point.len(), 5),
    );
    writeln!(
        screen,
        "{:<a$}  {:<t$}  {:<8}  {:<9}  {:<p$}  {:>7}  {:>7}  last value",
        "actor", "target", "protocol", "verb", "point", "times", "refused"
    )?;
    for (row, tally) in rows {
        let value = tally.value.as_deref().unwrap_or("-");
        let Row {
            actor,
            target,
            protocol,
            verb,
            point,
        } = row;
        let clean = |text: &str| {
            text.chars()
                .map(|c| if c.is_control() { '?' } else { c })
                .collect::<String>()
        };
        writeln!(
            screen,
            "{actor:<a$}  {target:<t$}  {protocol:<8}  {verb:<9}  {:<p$}  {:>7}  {:>7}  {}",
            clean(point),
            tally.times,
            tally.refused,
            clean(value)
        )?;
    }
    if left_out > 0 {
        writeln!(screen, "and {left_out} more commands in other rows")?;
    }
    Ok(())
}
