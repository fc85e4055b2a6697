//! The golden corpus: what the real binary says of each capture, compared with `expected.txt`.
//!
//! Owns: the runner, the text that events are compared as, and the rule "declared = exercised" for event types.
//! `cargo xtask bless` (or `UPDATE_EXPECT=1`) rewrites the expected files: read the difference. Captures are
//! made by `cargo xtask corpus`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use citywall_event::EVENT_TYPES;

/// Event types that no capture can show, with the reason.
const EXEMPT: &[(&str, &str)] = &[];

/// Files beside a capture, and the option that each is given by.
const OPTIONS: [(&str, &str); 3] = [
    ("city.toml", "--city"),
    ("config.toml", "--config"),
    ("rules.rules", "--rules"),
];

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus")
}

fn cases() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for area in fs::read_dir(corpus()).expect("the corpus").flatten() {
        for case in fs::read_dir(area.path()).into_iter().flatten().flatten() {
            found.push(case.path());
        }
    }
    found.sort();
    found
}

/// What a run gave: exit code, what it said on standard error, its events.
struct Run {
    code: Option<i32>,
    told: String,
    events: String,
}

fn run(input: Option<&Path>, folder: &Path, workers: u8) -> Run {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    let number = RUNS.fetch_add(1, Ordering::Relaxed);
    let out = std::env::temp_dir().join(format!("citywall-corpus-{}-{number}", std::process::id()));
    let _ = fs::remove_dir_all(&out);
    let mut command = Command::new(env!("CARGO_BIN_EXE_citywall"));
    command
        .args(["watch", "--json", "--workers", &workers.to_string(), "--out"])
        .arg(&out);
    if let Some(input) = input {
        // The folder is where it runs, so that messages name no machine's paths.
        command.current_dir(folder).arg("--pcap").arg(input);
        for (file, option) in OPTIONS {
            if folder.join(file).exists() {
                command.args([option, file]);
            }
        }
    }
    let output = command.output().expect("citywall runs");
    let events = fs::read(out.join("eve.json")).unwrap_or_default();
    let _ = fs::remove_dir_all(&out);
    Run {
        code: output.status.code(),
        told: String::from_utf8_lossy(&output.stderr).into_owned(),
        events: String::from_utf8(events).expect("eve.json is UTF-8"),
    }
}

/// The members of a JSON object as they are written: name and value.
fn members(line: &str) -> Vec<(&str, &str)> {
    let inside = line
        .strip_prefix('{')
        .and_then(|l| l.strip_suffix('}'))
        .unwrap_or("");
    let mut found = Vec::new();
    let (mut start, mut depth, mut quoted, mut escaped) = (0, 0, false, false);
    for (at, byte) in inside.bytes().chain([b',']).enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            b',' if depth == 0 => {
                let member = &inside[start..at];
                if let Some((name, value)) = member.split_once(':') {
                    found.push((name.trim_matches('"'), value));
                }
                start = at + 1;
            }
            _ => {}
        }
    }
    found
}

/// One event as one line of text: time, id, type, parties, and the rest as it is written.
fn readable(line: &str) -> String {
    let members = members(line);
    let get = |name: &str| {
        members
            .iter()
            .find(|m| m.0 == name)
            .map_or("", |m| m.1.trim_matches('"'))
    };
    let end = |ip: &str, port: &str| match (get(ip), get(port)) {
        ("", _) => "-".to_owned(),
        (ip, "") => ip.to_owned(),
        (ip, port) if ip.contains(':') => format!("[{ip}]:{port}"),
        (ip, port) => format!("{ip}:{port}"),
    };
    let mut text = format!(
        "{} {} {} {} {} -> {}",
        get("timestamp"),
        get("id"),
        get("event_type"),
        if get("proto").is_empty() {
            "-"
        } else {
            get("proto")
        },
        end("src_ip", "src_port"),
        end("dest_ip", "dest_port"),
    );
    const SHOWN: [&str; 10] = [
        "timestamp",
        "id",
        "flow_id",
        "event_type",
        "pcap_cnt",
        "proto",
        "src_ip",
        "src_port",
        "dest_ip",
        "dest_port",
    ];
    for (name, value) in members.iter().filter(|m| !SHOWN.contains(&m.0)) {
        let _ = write!(text, " {name}={value}");
    }
    text
}

fn described(run: &Run) -> String {
    let mut text = String::new();
    if run.code != Some(0) {
        let _ = writeln!(text, "exit code {:?}", run.code);
    }
    for line in run.told.lines() {
        let _ = writeln!(text, "! {line}");
    }
    for line in run.events.lines() {
        text += &readable(line);
        text.push('\n');
    }
    text
}

/// The lines that differ, in the manner of `diff`.
fn difference(expected: &str, actual: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), actual.lines().collect());
    let (had, has): (BTreeSet<&str>, BTreeSet<&str>) =
        (old.iter().copied().collect(), new.iter().copied().collect());
    let mut text = String::new();
    for line in old.iter().filter(|l| !has.contains(**l)) {
        let _ = writeln!(text, "- {line}");
    }
    for line in new.iter().filter(|l| !had.contains(**l)) {
        let _ = writeln!(text, "+ {line}");
    }
    if text.is_empty() {
        text.push_str("the same lines in another order\n");
    }
    text
}

#[test]
fn every_case_says_what_is_expected() {
    let bless = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut failures = String::new();
    let cases = cases();
    assert!(cases.len() >= 80, "only {} cases found", cases.len());
    for case in &cases {
        let name = case.strip_prefix(corpus()).unwrap_or(case).display().to_string();
        assert!(
            case.join("README.md").exists(),
            "{name} does not say what it shows"
        );
        let one = run(Some(Path::new("input.pcap")), case, 1);
        let three = run(Some(Path::new("input.pcap")), case, 3);
        assert!(
            one.events == three.events,
            "{name}: three workers say\n{}",
            difference(&one.events, &three.events)
        );
        let actual = described(&one);
        let path = case.join("expected.txt");
        let expected = fs::read_to_string(&path).unwrap_or_default();
        if actual == expected {
            continue;
        }
        if bless {
            fs::write(&path, actual).expect("expected.txt is written");
        } else {
            let _ = writeln!(failures, "{name}:\n{}", difference(&expected, &actual));
        }
    }
    assert!(
        failures.is_empty(),
        "{failures}\nIf this is right, rewrite the files with `cargo xtask bless` and read them."
    );
}

/// Event types and anomaly names of the corpus (as committed) and of the story.
fn exercised() -> (BTreeMap<String, usize>, BTreeMap<String, usize>) {
    let (mut types, mut names) = (BTreeMap::new(), BTreeMap::new());
    let mut note = |events: &str| {
        for line in events.lines() {
            let event: serde_json::Value = serde_json::from_str(line).expect("a line is JSON");
            let text = |value: &serde_json::Value| value.as_str().unwrap_or("").to_owned();
            *types.entry(text(&event["event_type"])).or_default() += 1;
            if event["event_type"] == "anomaly" {
                *names.entry(text(&event["anomaly"]["event"])).or_default() += 1;
            }
        }
    };
    for case in cases() {
        note(&run(Some(Path::new("input.pcap")), &case, 1).events);
    }
    note(&run(None, &corpus(), 1).events);
    (types, names)
}

#[test]
fn every_event_type_that_is_declared_is_exercised() {
    let (types, names) = exercised();
    println!(
        "{} events of {} types: {types:?}",
        types.values().sum::<usize>(),
        types.len()
    );
    println!("{} anomaly names: {names:?}", names.len());
    for (kind, reason) in EXEMPT {
        assert!(
            EVENT_TYPES.contains(kind) && !reason.is_empty(),
            "{kind} is exempt without need"
        );
        assert!(
            !types.contains_key(*kind),
            "{kind} is exercised and need not be exempt"
        );
    }
    let missing: Vec<&&str> = EVENT_TYPES
        .iter()
        .filter(|kind| !types.contains_key(**kind) && EXEMPT.iter().all(|e| e.0 != **kind))
        .collect();
    assert!(missing.is_empty(), "no capture shows {missing:?}");
    let missing: Vec<&str> = citywall_packet::Malformed::ALL
        .iter()
        .map(|kind| kind.name())
        .filter(|name| !names.contains_key(*name))
        .collect();
    assert!(missing.is_empty(), "no capture shows the anomalies {missing:?}");
}
