//! `citywall learn explain`: why something was told.
//!
//! Owns: finding an event and its evidence in a log, and saying them. Does not own: the reasons, which the
//! event holds, and what each kind means (`meaning`).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use serde_json::Value;

use super::meaning::meaning;
use crate::End;
use crate::command::Invalid;

/// Evidence that is shown.
const SHOWN: usize = 5;
/// Events that are listed where none is named.
const LISTED: usize = 200;
/// How deep messages stand in each other, at most.
const DEEP: usize = 8;

const EXAMPLES: &str = "Examples:
  citywall learn explain --log out
      lists what behaviour was told, with its ids
  citywall learn explain c0-1731-1 --log out/eve.json
      what was seen, what is normal, why it matters, and what to check";

/// `citywall learn explain`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct ExplainArgs {
    /// The event's id, as in the log; without one, all behaviour of the log is listed.
    id: Option<String>,
    /// The log: `eve.json`, or its folder, as `watch --out` was given.
    #[arg(long, value_name = "DIR|FILE")]
    log: PathBuf,
}

pub(super) fn run(args: &ExplainArgs) -> anyhow::Result<End> {
    let path = match args.log.is_dir() {
        true => args.log.join("eve.json"),
        false => args.log.clone(),
    };
    let text = match &args.id {
        Some(id) => explain(&path, id)?,
        None => list(&path)?,
    };
    // A reader that went away (`| head`) is no failure.
    let _ = std::io::Write::write_all(&mut std::io::stdout().lock(), text.as_bytes());
    Ok(End::Done)
}

/// All behaviour, one a line.
fn list(path: &Path) -> anyhow::Result<String> {
    let file = std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let (mut text, mut more) = (String::new(), 0);
    for (count, event) in BufReader::new(file)
        .lines()
        .map_while(Result::ok)
        .filter(|line| line.contains("\"event_type\":\"behaviour\""))
        .filter_map(|line| serde_json::from_str::<Value>(&line).ok())
        .enumerate()
    {
        if count >= LISTED {
            more += 1;
            continue;
        }
        let body = &event["behaviour"];
        let _ = writeln!(
            text,
            "{}  {}  {}",
            self::text(&event, "id"),
            self::text(body, "kind"),
            self::text(body, "reason")
        );
    }
    if text.is_empty() {
        let _ = writeln!(text, "{}: no behaviour was told", path.display());
    }
    if more > 0 {
        let _ = writeln!(text, "and {more} more");
    }
    Ok(text)
}

/// One event in words.
fn explain(path: &Path, id: &str) -> anyhow::Result<String> {
    let wanted = [id.to_owned()];
    let found = find(path, &wanted)?;
    let Some(event) = found.get(id) else {
        return Err(Invalid(format!("{}: there is no event {id}", path.display())).into());
    };
    let kind = text(event, "event_type");
    let body = &event[kind.as_str()];
    let mut out = String::new();
    let _ = writeln!(out, "{kind} {id} at {}", text(event, "timestamp"));
    parties(event, &mut out);
    for key in ["kind", "title", "signature"] {
        if let Some(value) = body[key].as_str() {
            let _ = writeln!(out, "  {key}: {}", clean(value));
        }
    }
    if kind == "behaviour" {
        behaviour(body, &mut out);
    } else if let Some(reason) = body["reason"].as_str() {
        let _ = writeln!(out, "  reason: {}", clean(reason));
    }
    if let Some(technique) = body["technique"].as_object() {
        let _ = writeln!(
            out,
            "  resembles: {} ({})",
            text_of(technique.get("name")),
            text_of(technique.get("id"))
        );
    }
    for reason in body["reasons"].as_array().into_iter().flatten() {
        let _ = writeln!(out, "  because: {}", text_of(reason.get("text")));
    }
    let ids: Vec<String> = body["evidence"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|id| id.as_str().map(str::to_owned))
        .take(SHOWN)
        .collect();
    let evidence = find(path, &ids)?;
    for id in &ids {
        let _ = match evidence.get(id) {
            Some(event) => writeln!(
                out,
                "  evidence {}: {} {} -> {}",
                clean(id),
                text(event, "event_type"),
                text(event, "src_ip"),
                text(event, "dest_ip")
            ),
            None => writeln!(
                out,
                "  evidence {}: not in the log (what opens a conversation is not written)",
                clean(id)
            ),
        };
    }
    Ok(out)
}

fn parties(event: &Value, out: &mut String) {
    let [from, to] = ["src_ip", "dest_ip"].map(|key| event[key].as_str().map(clean));
    let _ = match (from, to) {
        (Some(from), Some(to)) => writeln!(out, "  {from} -> {to}"),
        (Some(one), None) => writeln!(out, "  by {one}"),
        (None, Some(one)) => writeln!(out, "  to {one}"),
        (None, None) => Ok(()),
    };
}

fn behaviour(body: &Value, out: &mut String) {
    let meaning = meaning(body["kind"].as_str().unwrap_or_default());
    let _ = writeln!(out, "  what was seen: {}", text(body, "reason"));
    let mut values = Vec::new();
    beside(&body["message"], DEEP, &mut values);
    for (what, found, normal) in &values {
        let _ = writeln!(out, "    {what}: {found}, normal: {normal}");
    }
    if values.is_empty() || body["kind"] == "anomaly" {
        let _ = writeln!(out, "  what is normal: {}", meaning.normal);
    }
    let _ = writeln!(out, "  why it matters: {}", meaning.why);
    out.push_str("  what to check:\n");
    for (number, step) in (1..).zip(meaning.check) {
        let _ = writeln!(out, "    {number}. {step}");
    }
    if let Some(score) = body["score"].as_f64() {
        let _ = match body["kind"].as_str() {
            // A chance of less than one in a hundred has its digits behind the nines.
            Some("anomaly" | "rate_unexpected") if score > 0.99 => {
                writeln!(
                    out,
                    "  score: {score:.7}: one in {:.0} is so by chance",
                    1.0 / (1.0 - score).max(1e-12)
                )
            }
            _ => writeln!(out, "  score: {score:.2}"),
        };
    }
    for (name, value) in body["features"].as_object().into_iter().flatten() {
        let value = value.as_f64().unwrap_or(0.0);
        let digits = if value.fract() == 0.0 { 0 } else { 2 };
        let _ = writeln!(out, "  {}: {value:.digits$}", clean(name));
    }
}

/// What was seen of features, with what is normal beside it: the messages that have both.
fn beside(message: &Value, deep: usize, found: &mut Vec<(String, String, String)>) {
    let Some(parts) = message.as_object().filter(|_| deep > 0) else {
        return;
    };
    if let (Some(what), Some(seen), Some(normal)) =
        (parts.get("feature"), parts.get("found"), parts.get("normal"))
    {
        found.push((words(what), words(seen), words(normal)));
    }
    parts.values().for_each(|part| beside(part, deep - 1, found));
}

/// A value in English: text, a number, or a message that is one of those that stand beside a normal range.
fn words(value: &Value) -> String {
    match value {
        Value::String(text) => clean(text),
        Value::Object(parts) => {
            let of = |key: &str| parts.get(key).map(words).unwrap_or_default();
            match parts.get("id").and_then(Value::as_str) {
                Some("range") => format!("{} to {}", of("low"), of("high")),
                Some("packet-feature") => format!("{} over {} s", of("feature"), of("seconds")),
                Some(id) => parts.get("text").map_or_else(|| last_words(id), words),
                None => String::new(),
            }
        }
        other => clean(&other.to_string()),
    }
}

/// `outcome-answered` as `answered`.
fn last_words(id: &str) -> String {
    clean(id.split_once('-').map_or(id, |(_, rest)| rest)).replace('-', " ")
}

/// The events of some ids.
fn find(path: &Path, ids: &[String]) -> anyhow::Result<BTreeMap<String, Value>> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    /// What is said of a behaviour as the log has it.
    fn check(body: &str, expected: Expect) {
        let mut out = "behaviour\n".to_owned();
        behaviour(&serde_json::from_str(body).unwrap(), &mut out);
        expected.assert_eq(&out);
    }

    #[test]
    fn an_anomaly_has_each_value_beside_its_range() {
        check(
            r#"{"kind":"anomaly","reason":"10.0.0.1 behaves as ...","message":{"id":"behaves-unusually","who":"10.0.0.1","class":{"id":"any-kind"},"parts":{"id":"sentences","first":{"id":"feature-unusual","feature":{"id":"feature-bytes-sent","text":"bytes sent"},"found":"9000000","normal":{"id":"range","low":"180","high":"361"}},"next":{"id":"feature-unusual","feature":{"id":"packet-feature","feature":{"id":"feature-packets-of-the-sender","text":"packets of the sender"},"seconds":"10.0"},"found":"80.00","normal":{"id":"range","low":"0.10","high":"4.00"}}}},"score":0.999999,"features":{"conversations":6.1,"packets":2}}"#,
            expect![[r"
                behaviour
                  what was seen: 10.0.0.1 behaves as ...
                    bytes sent: 9000000, normal: 180 to 361
                    packets of the sender over 10.0 s: 80.00, normal: 0.10 to 4.00
                  what is normal: how the devices of its class score in normal minutes, as the signed model has it
                  why it matters: nothing is known of this attack, if it is one: the device only does what those of its kind never do
                  what to check:
                    1. was something changed on the device, or in what it talks with?
                    2. do others of its kind do the same? then it is rather a change than an attack
                    3. if it is right so: train the model with it, and sign it, or say that it is normal here
                  score: 0.9999990: one in 1000000 is so by chance
                  conversations: 6.10
                  packets: 2
            "]],
        );
    }

    #[test]
    fn hostile_logs_do_no_harm() {
        let deep = (0..100).fold("\"\\u0007\"".to_owned(), |inner, _| {
            format!(r#"{{"feature":"f","found":{inner},"normal":{inner}}}"#)
                .chars()
                .take(1 << 16)
                .collect()
        });
        let _ = serde_json::from_str::<Value>(&deep).map(|body| {
            let mut found = Vec::new();
            beside(&body, DEEP, &mut found);
        });
        let mut out = String::new();
        behaviour(
            &serde_json::json!({"kind": 7, "message": [], "features": "x", "score": "much"}),
            &mut out,
        );
        assert!(out.contains("what to check"));
    }

    #[test]
    fn every_kind_of_the_documentation_has_a_meaning_of_its_own() {
        let text = include_str!("../../../../../docs/spec/event.md");
        let row = text
            .lines()
            .find(|line| line.starts_with("| `behaviour.kind`"))
            .expect("the kinds");
        let kinds: Vec<&str> = row
            .split('`')
            .skip(3)
            .step_by(2)
            .filter(|k| k.contains('_') || *k == "anomaly" || *k == "drift")
            .collect();
        assert!(kinds.len() > 30, "{kinds:?}");
        for kind in kinds {
            assert_ne!(meaning(kind), meaning("unknown"), "{kind}");
        }
    }
}
