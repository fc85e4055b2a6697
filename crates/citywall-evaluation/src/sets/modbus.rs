//! Modbus in a laboratory (Lemay and Fernandez 2016): packets, each labelled.
//!
//! Owns: the labels, and leaving one capture out: what is learned of the normal packets of the others is
//! tested on it. And the covert channels, which have no labels: a whole capture is one. Does not own: the features
//! and the ensemble.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

use citywall_behaviour::{
    Ensemble, PACKET_FEATURES, PacketFeatures, PacketRow, PacketSeen, Party, Workspace,
};

use super::packets::read;
use super::{SetError, files};
use crate::metrics::{Scored, roc_auc, threshold};
use crate::table::Plain;
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

/// The covert channels of a folder, held against what is normal in all labelled captures.
///
/// # Errors
/// Where a capture is damaged.
pub fn channels(folder: &Path, captures: &[Capture], settings: &Settings) -> Result<Plain, SetError> {
    let (mut taught, mut held) = (Vec::new(), Vec::new());
    for capture in captures {
        let normal = capture.rows.iter().zip(&capture.samples);
        let normal: Vec<PacketRow> = normal.filter(|(_, s)| s.kind == 0).map(|(r, _)| *r).collect();
        let (first, later) = normal.split_at(normal.len() * 7 / 10);
        taught.extend_from_slice(first);
        held.extend_from_slice(later);
    }
    let ensemble = Ensemble::train(&taught, settings.seed);
    let mut work = Workspace::default();
    let mut score = |rows: &[PacketRow]| -> Vec<f64> {
        let each = |r| {
            ensemble
                .as_ref()
                .map_or(0.0, |e| f64::from(e.score(r, &mut work)))
        };
        rows.iter().map(each).collect()
    };
    let normal = score(&held);
    let limit = threshold(&normal, settings.rate);
    let mut rows = Vec::new();
    for path in files(folder)? {
        let name = path
            .file_stem()
            .map(|n| n.to_string_lossy().into_owned())
            .unwrap_or_default();
        if !name.starts_with("channel") || path.extension().is_none_or(|e| e != "pcap") {
            continue;
        }
        let mut features = PacketFeatures::new(SENDERS);
        let found: Vec<PacketRow> = read(&path)?
            .into_iter()
            .flatten()
            .map(|packet| {
                let mut row = [0.0; PACKET_FEATURES];
                features.observe(&packet.seen, &mut row);
                row
            })
            .collect();
        let scores = score(&found);
        let beyond = scores.iter().filter(|s| **s > limit).count();
        let of = |attack: bool| {
            move |score: &f64| Scored {
                score: *score,
                attack,
                group: 0,
            }
        };
        let all: Vec<Scored> = scores
            .iter()
            .map(of(true))
            .chain(normal.iter().map(of(false)))
            .collect();
        rows.push(vec![
            name,
            found.len().to_string(),
            roc_auc(&all).map_or_else(|| "-".to_owned(), |auc| format!("{auc:.3}")),
            format!("{:.3}", beyond as f64 / found.len().max(1) as f64),
        ]);
    }
    let mut notes = vec![
        format!(
            "learned on the earlier 70 % of what is normal in the labelled captures; the threshold is what {} of the later 30 % is \
             above",
            settings.rate
        ),
        "The channels are of another laboratory and have no polling of their own to compare with: a packet beyond the threshold \
         may be another network's. What the master commands is in the set allow-lists"
            .to_owned(),
    ];
    if rows.is_empty() {
        notes.push(
            "The channels are not there: unpack channel_4d_5s.zip and channel_4d_9s.zip beside the others"
                .to_owned(),
        );
    }
    Ok(Plain {
        title: "Covert channels in Modbus: packets held against the ensemble".to_owned(),
        columns: [
            "capture",
            "packets",
            "ROC-AUC against normal packets",
            "share beyond the fixed threshold",
        ]
        .map(str::to_owned)
        .to_vec(),
        rows,
        notes,
    })
}
