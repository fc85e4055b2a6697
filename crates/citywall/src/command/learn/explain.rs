//! `citywall learn explain`: why something was told.
//!
//! Owns: finding an event and its evidence in a log, and saying them. Does not own: the reasons, which the
//! event holds.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use serde_json::Value;

use crate::End;
use crate::command::Invalid;

/// Evidence that is shown.
const SHOWN: usize = 5;

/// `citywall learn explain`.
#[derive(Args, Clone, Debug)]
pub struct ExplainArgs {
    /// The event's id, as in the log.
    id: String,
    /// The folder with the log: what `watch --out` was given.
    #[arg(long, value_name = "DIR")]
    log: PathBuf,
}

pub(super) fn run(args: &ExplainArgs) -> anyhow::Result<End> {
    let path = args.log.join("eve.json");
    let found = find(&path, std::slice::from_ref(&args.id))?;
    let Some(event) = found.get(&args.id) else {
        return Err(Invalid(format!("{}: there is no event {}", path.display(), args.id)).into());
    };
    let kind = text(event, "event_type");
    let body = &event[kind.as_str()];
    println!("{} {} at {}", kind, args.id, text(event, "timestamp"));
    println!("  {} -> {}", text(event, "src_ip"), text(event, "dest_ip"));
    for key in ["kind", "title", "reason", "signature"] {
        if let Some(value) = body[key].as_str() {
            println!("  {key}: {}", clean(value));
        }
    }
    if let Some(score) = body["score"].as_f64() {
        println!("  score: {score:.2}");
    }
    if let Some(technique) = body["technique"].as_object() {
        println!(
            "  resembles: {} ({})",
            text_of(technique.get("name")),
            text_of(technique.get("id"))
        );
    }
    if let Some(features) = body["features"].as_object() {
        features
            .iter()
            .for_each(|(name, value)| println!("  {name}: {value}"));
    }
    for reason in body["reasons"].as_array().into_iter().flatten() {
        println!("  because: {}", text_of(reason.get("text")));
    }
    let ids: Vec<String> = body["evidence"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|id| id.as_str().map(str::to_owned))
        .take(SHOWN)
        .collect();
    let evidence = find(&path, &ids)?;
    for id in &ids {
        match evidence.get(id) {
            Some(event) => println!(
                "  evidence {id}: {} {} -> {}",
                text(event, "event_type"),
                text(event, "src_ip"),
                text(event, "dest_ip")
            ),
            None => println!("  evidence {id}: not in the log"),
        }
    }
    Ok(End::Done)
}

/// The events of some ids.
fn find(path: &PathBuf, ids: &[String]) -> anyhow::Result<BTreeMap<String, Value>> {
    let file = std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let marks: Vec<String> = ids.iter().map(|id| format!("\"id\":\"{id}\"")).collect();
    let mut found = BTreeMap::new();
    for line in BufReader::new(file).lines() {
        let line = line?;
        let Some(at) = marks.iter().position(|mark| line.contains(mark.as_str())) else {
            continue;
        };
        if let Ok(event) = serde_json::from_str::<Value>(&line)
            && event["id"].as_str() == Some(ids[at].as_str())
        {
            found.insert(ids[at].clone(), event);
        }
    }
    Ok(found)
}

fn text(event: &Value, key: &str) -> String {
    text_of(event.get(key))
}

fn text_of(value: Option<&Value>) -> String {
    clean(value.and_then(Value::as_str).unwrap_or("-"))
}

fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}
