//! Modbus in a laboratory (Lemay and Fernandez 2016): packets, each labelled.
//!
//! Owns: the labels, and leaving one capture out: what is learned of the normal packets of the others is
//! tested on it. And the covert channels, which have no labels: a whole capture is one. And scores of captures
//! without labels. Does not own: the features and the ensemble.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

use citywall_behaviour::{
    Ensemble, PACKET_FEATURES, PacketFeatures, PacketRow, PacketSeen, Party, Workspace,
};

use citywall_capture::Damage;
use citywall_event::Nanos;

use super::packets::{each, read};
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
    /// The two parties of each packet.
    pairs: Vec<u64>,
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
    let (mut rows, mut samples, mut pairs) = (Vec::new(), Vec::new(), Vec::new());
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
        pairs.push(pair(&packet.seen));
    }
    Ok(Capture {
        name: name.to_owned(),
        rows,
        samples,
        pairs,
    })
}

fn device(party: Party) -> u32 {
    let mut hasher = DefaultHasher::new();
    party.hash(&mut hasher);
    hasher.finish() as u32
}

/// Who talks with whom, whoever began.
fn pair(p: &PacketSeen) -> u64 {
    let (a, b) = (p.from.0.min(p.to.0), p.from.0.max(p.to.0));
    let mut hasher = DefaultHasher::new();
    (a, b).hash(&mut hasher);
    hasher.finish()
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

/// The unit in which a channel is told: what two parties say within this time. A single packet of the polling may be
/// odd (a packet in a thousand is, and the threshold that spares it spares the channel, too), but half of all packets
/// of a stretch are not.
const STRETCH: Nanos = 10_000_000_000;
/// What is shorter has no middle.
const FEW: usize = 8;

/// One packet's score, when it was, and between whom.
type Heard = (f64, Nanos, u64);

/// One packet's features, when it was, and between whom.
type Unscored = (PacketRow, Nanos, u64);

/// The middle score of each stretch of each two parties.
fn stretches(heard: &[Heard]) -> Vec<f64> {
    let mut found: BTreeMap<(u64, Nanos), Vec<f64>> = BTreeMap::new();
    for (score, at, pair) in heard {
        let stretch = found.entry((*pair, at.div_euclid(STRETCH))).or_default();
        stretch.push(*score);
    }
    let mut middles = Vec::new();
    for mut scores in found.into_values().filter(|s| s.len() >= FEW) {
        scores.sort_by(f64::total_cmp);
        middles.push(scores[scores.len() / 2]);
    }
    middles
}

/// The ensemble of the earlier part of what is normal in some captures, and both thresholds by the later part.
struct Fixed {
    ensemble: Ensemble,
    of_packets: f64,
    of_stretches: f64,
}

impl Fixed {
    fn learn<'a>(captures: impl Iterator<Item = &'a Capture>, settings: &Settings) -> Option<Fixed> {
        let mut taught = Vec::new();
        let mut later: Vec<(&PacketRow, Nanos, u64)> = Vec::new();
        for capture in captures {
            let normal: Vec<(&PacketRow, Nanos, u64)> = capture.normal().collect();
            let cut = normal.len() * 7 / 10;
            taught.extend(normal[..cut].iter().map(|(row, ..)| **row));
            later.extend_from_slice(&normal[cut..]);
        }
        let ensemble = Ensemble::train(&taught, settings.seed)?;
        let mut work = Workspace::default();
        let held: Vec<Heard> = later
            .into_iter()
            .map(|(row, at, pair)| (f64::from(ensemble.score(row, &mut work)), at, pair))
            .collect();
        let normal: Vec<f64> = held.iter().map(|(score, ..)| *score).collect();
        Some(Fixed {
            of_packets: threshold(&normal, settings.rate),
            of_stretches: threshold(&stretches(&held), settings.rate),
            ensemble,
        })
    }

    /// Stretches beyond the threshold, and all.
    fn beyond(&self, heard: &[Heard]) -> (usize, usize) {
        let found = stretches(heard);
        let beyond = found.iter().filter(|s| **s > self.of_stretches).count();
        (beyond, found.len())
    }
}

impl Capture {
    fn normal(&self) -> impl Iterator<Item = (&PacketRow, Nanos, u64)> {
        let all = self.rows.iter().zip(&self.samples).zip(&self.pairs);
        all.filter(|((_, s), _)| s.kind == 0)
            .map(|((row, s), pair)| (row, s.at, *pair))
    }
}

/// The covert channels of a folder, held against what is normal in the labelled captures. Each of those is left out
/// once, so that the polling, too, is tested where nothing of it was learned.
///
/// # Errors
/// Where a capture is damaged.
pub fn channels(folder: &Path, captures: &[Capture], settings: &Settings) -> Result<Plain, SetError> {
    let mut found: Vec<(String, Vec<Unscored>)> = Vec::new();
    for path in files(folder)? {
        let name = path
            .file_stem()
            .map(|n| n.to_string_lossy().into_owned())
            .unwrap_or_default();
        let capture = path.extension().is_some_and(|e| e == "pcap" || e == "zip");
        if !capture || !name.starts_with("channel") || found.iter().any(|(known, _)| *known == name) {
            continue;
        }
        let mut features = PacketFeatures::new(SENDERS);
        let mut rows = Vec::new();
        for packet in read(&path)?.into_iter().flatten() {
            let mut row = [0.0; PACKET_FEATURES];
            features.observe(&packet.seen, &mut row);
            rows.push((row, packet.seen.at, pair(&packet.seen)));
        }
        found.push((name, rows));
    }
    let mut rows = Vec::new();
    for left_out in captures {
        let others = captures.iter().filter(|c| c.name != left_out.name);
        let Some(fixed) = Fixed::learn(others, settings) else {
            continue;
        };
        let mut work = Workspace::default();
        let mut score = |row: &PacketRow| f64::from(fixed.ensemble.score(row, &mut work));
        let polling: Vec<Heard> = left_out
            .normal()
            .map(|(row, at, pair)| (score(row), at, pair))
            .collect();
        let (false_ones, quiet) = fixed.beyond(&polling);
        for (name, packets) in &found {
            let heard: Vec<Heard> = packets.iter().map(|(r, at, p)| (score(r), *at, *p)).collect();
            let of = |attack| {
                move |score: f64| Scored {
                    score,
                    attack,
                    group: 0,
                }
            };
            let scores = heard.iter().map(|(score, ..)| *score);
            let normal = polling.iter().map(|(score, ..)| *score);
            let all: Vec<Scored> = scores
                .clone()
                .map(of(true))
                .chain(normal.map(of(false)))
                .collect();
            let packets_beyond = scores.filter(|s| *s > fixed.of_packets).count();
            let (told, stretches) = fixed.beyond(&heard);
            rows.push(vec![
                name.clone(),
                left_out.name.clone(),
                heard.len().to_string(),
                roc_auc(&all).map_or_else(|| "-".to_owned(), |auc| format!("{auc:.3}")),
                format!("{:.3}", packets_beyond as f64 / heard.len().max(1) as f64),
                format!("{told} of {stretches}"),
                format!("{false_ones} of {quiet}"),
            ]);
        }
    }
    let mut notes = vec![
        format!(
            "learned on the earlier 70 % of what is normal in the other two captures of the polling; both thresholds are what {} of \
             the later 30 % is above. A stretch is what two parties say in {} s; its score is that of its middle packet",
            settings.rate,
            STRETCH / 1_000_000_000
        ),
        "The channels are of another laboratory and have no polling of their own to compare with: what is beyond the threshold \
         may be another network's. What the master commands is in the set allow-lists"
            .to_owned(),
    ];
    if rows.is_empty() {
        notes.push(
            "The channels are not there: channel_4d_5s and channel_4d_9s, as .zip or .pcap, beside the others"
                .to_owned(),
        );
    }
    Ok(Plain {
        title: "Covert channels in Modbus: held against the ensemble, beside polling that it did not learn"
            .to_owned(),
        columns: [
            "channel",
            "polling left out",
            "packets",
            "ROC-AUC against that polling, packets",
            "share of packets beyond the fixed threshold",
            "stretches beyond theirs: channel",
            "that polling",
        ]
        .map(str::to_owned)
        .to_vec(),
        rows,
        notes,
    })
}

/// Scores packets of captures without labels by what is normal in captures that have them.
#[derive(Debug)]
pub struct Scorer {
    ensemble: Ensemble,
    work: Workspace,
}

impl Scorer {
    /// Learns all normal packets; `None` where there are too few.
    pub fn learn(captures: &[Capture], seed: u64) -> Option<Scorer> {
        let normal: Vec<PacketRow> = captures
            .iter()
            .flat_map(|c| c.normal().map(|(row, ..)| *row))
            .collect();
        Some(Scorer {
            ensemble: Ensemble::train(&normal, seed)?,
            work: Workspace::default(),
        })
    }

    /// Hears the score of each frame of a capture, in their order; 0 where nobody is known to have sent it. Gives
    /// what was damaged.
    ///
    /// # Errors
    /// Where the file is absent or no capture.
    pub fn score(&mut self, path: &Path, hear: &mut dyn FnMut(f64)) -> Result<Vec<Damage>, SetError> {
        let mut features = PacketFeatures::new(SENDERS);
        let mut row = [0.0; PACKET_FEATURES];
        each(path, &mut |packet| {
            let score = packet.map_or(0.0, |packet| {
                features.observe(&packet.seen, &mut row);
                f64::from(self.ensemble.score(&row, &mut self.work))
            });
            hear(score);
            true
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One odd packet among normal ones is no stretch; a stretch of odd ones is, and two parties do not
    /// speak for two others.
    #[test]
    fn a_stretch_is_as_odd_as_its_middle() {
        let mut heard: Vec<Heard> = (0..20).map(|i| (0.1, i * 1_000_000_000, 1)).collect();
        heard[3].0 = 9.0;
        heard.extend((0..10).map(|i| (5.0, i * 1_000_000_000, 2)));
        assert_eq!(stretches(&heard), [0.1, 0.1, 5.0]);
        assert_eq!(stretches(&heard[..FEW - 1]), [0.0; 0]);
    }
}
