//! Modbus in a laboratory (Lemay and Fernandez 2016): packets, each labelled.
//!
//! Owns: the labels, and leaving one capture out: what is learned of the normal packets of the others is
//! tested on it. Does not own: the features and the ensemble.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

use citywall_behaviour::{
    Ensemble, PACKET_FEATURES, PacketFeatures, PacketRow, PacketSeen, Party, Workspace,
};

use super::packets::read;
use super::{SetError, files};
use crate::trial::{Case, Own, Sample, Settings};

/// Senders that features are kept of.
const SENDERS: usize = 256;
/// Every so many features stand in the tables of the baselines: those of one second.
const SHOWN: std::ops::Range<usize> = 46..69;

/// One capture.
#[derive(Debug)]
pub struct Capture {
    name: String,
    rows: Vec<PacketRow>,
    samples: Vec<Sample>,
}

/// The labelled captures of a folder: those with a `_labeled.csv` beside them.
///
/// # Errors
/// Where there are none, or one is damaged.
pub fn captures(folder: &Path) -> Result<Vec<Capture>, SetError> {
    let mut found = Vec::new();
    for path in files(folder)? {
        let name = path
            .file_stem()
            .map(|n| n.to_string_lossy().into_owned())
            .unwrap_or_default();
        let labels = path.with_file_name(format!("{name}_labeled.csv"));
        if path.extension().is_some_and(|e| e == "pcap") && labels.is_file() {
            found.push(capture(&path, &labels, &name, found.len() as u32)?);
        }
    }
    match found.len() {
        0 | 1 => Err(SetError::Absent(folder.join("*_labeled.csv"))),
        _ => Ok(found),
    }
}

fn capture(path: &Path, labels: &PathBuf, name: &str, group: u32) -> Result<Capture, SetError> {
    let text = std::fs::read_to_string(labels).map_err(|error| SetError::Read {
        path: labels.clone(),
        error,
    })?;
    let attack: Vec<bool> = text.lines().map(|line| line.trim().ends_with(";1")).collect();
    let mut features = PacketFeatures::new(SENDERS);
    let (mut rows, mut samples) = (Vec::new(), Vec::new());
    for (number, packet) in read(path)?.into_iter().enumerate() {
        let Some(packet) = packet else { continue };
        let mut row = [0.0; PACKET_FEATURES];
        features.observe(&packet.seen, &mut row);
        samples.push(Sample {
            at: packet.seen.at,
            device: device(packet.seen.from.0),
            group,
            kind: u16::from(attack.get(number).copied().unwrap_or(false)),
            features: row[SHOWN].iter().map(|v| f64::from(*v)).collect(),
            packets: 1,
            bytes: packet.seen.bytes.into(),
            destination: destination(&packet.seen),
            protocol: packet.seen.protocol == 6,
        });
        rows.push(row);
    }
    Ok(Capture {
        name: name.to_owned(),
        rows,
        samples,
    })
}

fn device(party: Party) -> u32 {
    let mut hasher = DefaultHasher::new();
    party.hash(&mut hasher);
    hasher.finish() as u32
}

/// Who talks with whom about what; the lower port is the service.
fn destination(p: &PacketSeen) -> u64 {
    let pair = if p.from.0 <= p.to.0 {
        (p.from.0, p.to.0)
    } else {
        (p.to.0, p.from.0)
    };
    let mut hasher = DefaultHasher::new();
    (pair, p.protocol, p.from.1.min(p.to.1)).hash(&mut hasher);
    hasher.finish()
}

const NAMES: [&str; 23] = ["of a second"; 23];

/// One case a capture, learned on the others.
pub fn cases(captures: &[Capture], settings: &Settings) -> Vec<Case> {
    (0..captures.len())
        .filter_map(|left_out| case(captures, left_out, settings))
        .collect()
}

fn case(captures: &[Capture], left_out: usize, settings: &Settings) -> Option<Case> {
    let (mut training, mut calibration) = (Vec::new(), Vec::new());
    let (mut taught, mut held) = (Vec::new(), Vec::new());
    for (_, capture) in captures.iter().enumerate().filter(|(i, _)| *i != left_out) {
        let normal: Vec<usize> = (0..capture.rows.len())
            .filter(|i| capture.samples[*i].kind == 0)
            .collect();
        let cut = normal.len() * 7 / 10;
        for (place, i) in normal.into_iter().enumerate() {
            let (samples, rows) = if place < cut {
                (&mut training, &mut taught)
            } else {
                (&mut calibration, &mut held)
            };
            samples.push(capture.samples[i].clone());
            rows.push(capture.rows[i]);
        }
    }
    let ensemble = Ensemble::train(&taught, settings.seed)?;
    let tested = &captures[left_out];
    let mut work = Workspace::default();
    let start = (settings.cpu)();
    let mut score = |rows: &[PacketRow]| {
        rows.iter()
            .map(|r| f64::from(ensemble.score(r, &mut work)))
            .collect()
    };
    let own = Own {
        name: "packet ensemble (ours)",
        calibration: score(&held),
        test: score(&tested.rows),
        cpu: (settings.cpu)() - start,
        state: PacketFeatures::bytes_per_sender(),
    };
    let examples = captures.iter().enumerate().filter(|(i, _)| *i != left_out);
    Some(Case {
        name: format!("Modbus, labelled packets: tested on {}", tested.name),
        features: &NAMES,
        rate: 0,
        kinds: vec!["normal", "attack"],
        examples: examples
            .flat_map(|(_, c)| c.samples.iter().filter(|s| s.kind != 0).cloned())
            .collect(),
        training,
        calibration,
        test: tested.samples.clone(),
        own: vec![own],
    })
}
