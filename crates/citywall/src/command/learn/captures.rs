//! Whole captures through the sensor's own path: which behaviours are told of each.
//!
//! Owns: malicious captures (Slips) with the kinds that are in them, and set-ups of devices (IoT Sentinel) of
//! which nothing should be told. Does not own: detection.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use citywall_capture::{Damage, FileLimits, Files as CaptureFiles};
use citywall_evaluation::Plain;
use citywall_evaluation::sets::SetError;
use citywall_event::{Behaviour, Body, Nanos};

use crate::cli::Files;
use crate::pipeline::judge::{Conclusion, Judge};
use crate::pipeline::run;
use crate::settings::{CitySource, Settings};

/// What waits for a border of packet time hears one each second, as in the ordered stage.
const BORDER: Nanos = 1_000_000_000;

/// All private networks, and that of the university where some of the captures were made, are one zone.
const CITY: &str = r#"
[city]
name = "captures"
[[domain]]
name = "all"
[[zone]]
name = "inside"
domain = "all"
networks = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "147.32.0.0/16", "fd00::/8"]
criticality = "normal"
isolated = false
"#;

/// The malicious captures, and what is in them.
const MALICIOUS: [(&str, &str); 6] = [
    (
        "slips/dataset/test-cc/test-cc-capture-1.pcap",
        "periodic_callback",
    ),
    (
        "slips/dataset/test-cc/test-cc-capture-2.pcap",
        "periodic_callback",
    ),
    ("slips/dataset/test7-malicious.pcap", "horizontal_scan"),
    ("slips/dataset/test8-malicious.pcap", "horizontal_scan"),
    ("slips/dataset/test12-icmp-portscan.pcap", "horizontal_scan"),
    (
        "slips/dataset/test19-malicious-ssh/malicious-ssh-bruteforce.pcap",
        "password_guessing",
    ),
];

/// The table.
///
/// # Errors
/// Where the captures are absent, or cannot be read.
pub(super) fn table(data: &Path) -> Result<Plain, SetError> {
    let settings = city()?;
    let mut rows = Vec::new();
    for (name, wanted) in MALICIOUS {
        let path = data.join(name);
        if !path.is_file() {
            return Err(SetError::Absent(path));
        }
        let told = told(&path, &settings)?;
        let words: Vec<String> = told
            .iter()
            .map(|(kind, count)| format!("{kind} {count}"))
            .collect();
        let right = if told.contains_key(wanted) { "yes" } else { "NO" };
        let words = if words.is_empty() {
            "nothing".to_owned()
        } else {
            words.join(", ")
        };
        rows.push(vec![name.to_owned(), wanted.to_owned(), right.to_owned(), words]);
    }
    let setups = setups(&data.join("iot-sentinel"))?;
    let mut of_device: BTreeMap<String, (usize, BTreeMap<&str, u32>)> = BTreeMap::new();
    for path in &setups {
        let device = path
            .parent()
            .and_then(Path::file_name)
            .map(|n| n.to_string_lossy().into_owned());
        let (captures, kinds) = of_device.entry(device.unwrap_or_default()).or_default();
        *captures += 1;
        for (kind, count) in told(path, &settings)? {
            *kinds.entry(kind).or_default() += count;
        }
    }
    let (devices, quiet) = (
        of_device.len(),
        of_device.values().filter(|(_, k)| k.is_empty()).count(),
    );
    for (device, (captures, kinds)) in of_device.into_iter().filter(|(_, (_, k))| !k.is_empty()) {
        let words: Vec<String> = kinds
            .iter()
            .map(|(kind, count)| format!("{kind} {count}"))
            .collect();
        rows.push(vec![
            format!("{device} ({captures} set-ups)"),
            "nothing".into(),
            "NO".into(),
            words.join(", "),
        ]);
    }
    Ok(Plain {
        title: "Malicious captures (Slips) and set-ups of devices (IoT Sentinel)".to_owned(),
        columns: ["capture", "holds", "right", "told"].map(str::to_owned).to_vec(),
        rows,
        notes: vec![format!(
            "{} set-ups of {devices} devices; nothing was told of {quiet} devices",
            setups.len()
        )],
    })
}

fn setups(folder: &Path) -> Result<Vec<PathBuf>, SetError> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let list = std::fs::read_dir(&folder).map_err(|_| SetError::Absent(folder.clone()))?;
        for path in list.flatten().map(|e| e.path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "pcap") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// How often each kind is told of a capture.
fn told(path: &PathBuf, settings: &Arc<Settings>) -> Result<BTreeMap<&'static str, u32>, SetError> {
    let mut kinds = BTreeMap::new();
    hear(path, settings, &mut |behaviour| {
        *kinds.entry(behaviour.kind).or_default() += 1;
    })?;
    Ok(kinds)
}

/// Hears what is told of a capture. Gives what was damaged.
///
/// # Errors
/// Where it cannot be read.
fn hear(
    path: &PathBuf,
    settings: &Arc<Settings>,
    hears: &mut dyn FnMut(&Behaviour),
) -> Result<Vec<Damage>, SetError> {
    let failed = |error| SetError::Read {
        path: path.clone(),
        error: std::io::Error::other(error),
    };
    let mut source = CaptureFiles::open(std::slice::from_ref(path), FileLimits::default()).map_err(failed)?;
    let mut judge = Judge::new(settings);
    let mut count = |conclusions: Vec<Conclusion>| {
        for (_, body) in conclusions {
            if let Body::Behaviour(behaviour) = body {
                hears(&behaviour);
            }
        }
    };
    let (mut last, mut border) = (0, Nanos::MIN);
    let damage = run::events(&mut source, settings, &mut |event| {
        if event.at >= border {
            count(judge.tick(event.at, &settings.context));
            border = event.at.saturating_add(BORDER);
        }
        last = event.at;
        count(judge.event(event, &settings.context));
    })
    .map_err(failed)?;
    count(judge.tick(last.saturating_add(BORDER), &settings.context));
    Ok(damage)
}

/// The kinds that are told of a capture, each with its highest score, and what was damaged.
///
/// # Errors
/// Where it cannot be read.
pub(super) fn scores(path: &PathBuf) -> Result<(BTreeMap<&'static str, f64>, Vec<Damage>), SetError> {
    let settings = city()?;
    let mut kinds = BTreeMap::new();
    let damage = hear(path, &settings, &mut |behaviour| {
        let highest: &mut f64 = kinds.entry(behaviour.kind).or_default();
        *highest = highest.max(behaviour.score);
    })?;
    Ok((kinds, damage))
}

fn city() -> Result<Arc<Settings>, SetError> {
    let source = CitySource {
        name: "the city of the captures".to_owned(),
        text: CITY.to_owned(),
    };
    let wrong = |error: anyhow::Error| SetError::Line {
        path: PathBuf::from("the city of the captures"),
        line: 0,
        what: format!("{error:#}"),
    };
    let settings = Settings::load(&Files::default(), Some(source), None, None).map_err(wrong)?;
    Ok(Arc::new(settings))
}
