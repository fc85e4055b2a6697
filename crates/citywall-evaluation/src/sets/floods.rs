//! Floods mixed into normal traffic.
//!
//! Owns: mixing captured (StopDDoS) and generated floods into normal packets, and how much of a flood
//! has passed when it is told. Does not own: the detector.

use std::path::Path;

use citywall_behaviour::{FloodDetector, FloodLimits, Meter, Party, SLICE};
use citywall_capture::Damage;
use citywall_event::Nanos;

use super::generated::{BEGIN, FLOODS, flood, site_packets};
use super::packets::{One, each, read};
use super::{SetError, files};
use crate::table::Plain;
use crate::trial::Settings;

/// Seconds of normal traffic before a flood.
const CALM: u32 = 120;

/// When the first alert came, and how many.
struct Heard {
    first: Option<Nanos>,
    kind: &'static str,
    alerts: usize,
}

/// What the detector tells of packets in order.
fn hear(packets: &[One], seed: u64) -> Heard {
    let mut meter = Meter::new(seed, 1);
    let mut detector = FloodDetector::new(FloodLimits::default());
    let mut tallies = Vec::new();
    let mut heard = Heard {
        first: None,
        kind: "-",
        alerts: 0,
    };
    for p in packets {
        let Some(counted) = p.counted() else { continue };
        meter.packet(p.seen.at, &counted, &mut tallies);
        for tally in tallies.drain(..) {
            detector.tick(tally.start);
            if let Some(found) = detector.observe(&tally) {
                heard.alerts += 1;
                if heard.first.is_none() {
                    // It is told when its slice is over.
                    heard.first = Some(p.seen.at);
                    heard.kind = found.behaviour.kind;
                }
            }
        }
    }
    heard
}

/// Hears for each frame of a capture the highest score of the floods that were told with it, 0 for most. A flood is told
/// with the first packet after its slice. Gives what was damaged.
///
/// # Errors
/// Where the capture cannot be read.
pub fn scores(path: &Path, seed: u64, hear: &mut dyn FnMut(f64)) -> Result<Vec<Damage>, SetError> {
    let mut meter = Meter::new(seed, 1);
    let mut detector = FloodDetector::new(FloodLimits::default());
    let mut tallies = Vec::new();
    each(path, &mut |packet| {
        let mut highest = 0.0_f64;
        if let Some((at, counted)) = packet.and_then(|p| Some((p.seen.at, p.counted()?))) {
            meter.packet(at, &counted, &mut tallies);
            for tally in tallies.drain(..) {
                detector.tick(tally.start);
                if let Some(found) = detector.observe(&tally) {
                    highest = highest.max(found.behaviour.score);
                }
            }
        }
        hear(highest);
        true
    })
}

/// The most packets that any receiver got in a slice.
fn rates(packets: &[One]) -> Vec<(Nanos, u32)> {
    let mut slices: std::collections::BTreeMap<(Nanos, Party), u32> = std::collections::BTreeMap::new();
    for p in packets {
        *slices.entry((p.seen.at / SLICE, p.seen.to.0)).or_default() += 1;
    }
    slices
        .into_iter()
        .map(|((slice, _), n)| (slice * SLICE, n))
        .collect()
}

struct Mixed {
    name: String,
    packets: Vec<One>,
    begin: Nanos,
    flood: Vec<Nanos>,
}

fn mix(name: String, calm: &[One], flood: Vec<One>) -> Mixed {
    let begin = flood.first().map_or(0, |p| p.seen.at);
    let times = flood.iter().map(|p| p.seen.at).collect();
    let mut packets = calm.to_vec();
    packets.extend(flood);
    packets.sort_by_key(|p| p.seen.at);
    Mixed {
        name,
        packets,
        begin,
        flood: times,
    }
}

/// Share of a flood's packets that came up to a time.
fn share(flood: &[Nanos], until: Option<Nanos>) -> f64 {
    let until = until.unwrap_or(Nanos::MAX);
    flood.iter().filter(|t| **t <= until).count() as f64 / flood.len().max(1) as f64
}

fn row(mixed: &[Mixed], limit: u32, seed: u64) -> Vec<String> {
    let (mut found, mut shares, mut waits) = (0, Vec::new(), Vec::new());
    let (mut simple, mut kind) = (Vec::new(), "-");
    for m in mixed {
        let heard = hear(&m.packets, seed);
        let first = heard.first.filter(|at| *at >= m.begin);
        if let Some(at) = first {
            found += 1;
            waits.push((at - m.begin) as f64 / 1e6);
            kind = heard.kind;
        }
        shares.push(share(&m.flood, first));
        let over = rates(&m.packets)
            .into_iter()
            .find(|(at, n)| *at + SLICE > m.begin && *n > limit);
        simple.push(share(&m.flood, over.map(|(at, _)| at + SLICE)));
    }
    let worst = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
    waits.sort_by(f64::total_cmp);
    let p95 = waits.get((waits.len() * 95 / 100).min(waits.len().saturating_sub(1)));
    vec![
        mixed.first().map(|m| m.name.clone()).unwrap_or_default(),
        mixed.len().to_string(),
        found.to_string(),
        kind.to_owned(),
        format!("{:.3}", worst(&shares)),
        p95.map_or_else(|| "never".to_owned(), |w| format!("{w:.0}")),
        format!("{:.3}", worst(&simple)),
    ]
}

/// The table. Captured floods and normal captures are used where `data` has them.
///
/// # Errors
/// Where a capture cannot be read.
pub fn table(data: Option<&Path>, runs: u32, settings: &Settings) -> Result<Vec<Plain>, SetError> {
    let start = BEGIN + Nanos::from(CALM) * 1_000_000_000;
    let calm = site_packets(settings.seed, 14, CALM + 20);
    // A rate threshold: twice the most that normal traffic ever sent to one receiver in a slice.
    let most = |packets: &[One]| rates(packets).into_iter().map(|(_, n)| n).max().unwrap_or(0);
    let limit = 2 * most(&calm);
    let mut rows = Vec::new();
    for (kind, name) in FLOODS.iter().enumerate() {
        let one = |run: u32| {
            let seed = settings.seed.wrapping_add(u64::from(run) << 32);
            let calm = site_packets(seed, 14, CALM + 20);
            mix((*name).to_owned(), &calm, flood(kind, seed, start).0)
        };
        let mixed: Vec<Mixed> = (0..runs).map(one).collect();
        rows.push(row(&mixed, limit, settings.seed));
    }
    let columns = [
        "flood",
        "runs",
        "told",
        "as",
        "worst share of its packets before",
        "p95 ms to the alert",
        "rate threshold: worst share before",
    ];
    let columns: Vec<String> = columns.map(str::to_owned).to_vec();
    let day = site_packets(settings.seed + 1, 14, 3_600);
    let mut reports = vec![Plain {
        title: "Floods, generated, mixed into generated traffic of 14 devices".to_owned(),
        columns: columns.clone(),
        rows,
        notes: vec![
            format!(
                "alerts on an hour of that traffic alone: {}",
                hear(&day, settings.seed).alerts
            ),
            format!(
                "the rate threshold is {limit} packets to one receiver in 100 ms, fixed on other normal traffic"
            ),
        ],
    }];
    if let Some(data) = data {
        reports.extend(captured(data, &columns, settings)?);
    }
    Ok(reports)
}

fn captured(data: &Path, columns: &[String], settings: &Settings) -> Result<Option<Plain>, SetError> {
    let folder = data.join("stopddos");
    if !folder.is_dir() {
        return Ok(None);
    }
    let start = BEGIN + Nanos::from(CALM) * 1_000_000_000;
    let calm = site_packets(settings.seed, 14, CALM + 20);
    let limit = 2 * rates(&calm).into_iter().map(|(_, n)| n).max().unwrap_or(0);
    let mut rows = Vec::new();
    for path in files(&folder)? {
        let name = path
            .file_name()
            .map(|n| n.to_string_lossy().into_owned())
            .unwrap_or_default();
        if !name.contains(".pcap") {
            continue;
        }
        let mut flood: Vec<One> = read(&path)?.into_iter().flatten().collect();
        let first = flood.first().map_or(0, |p| p.seen.at);
        flood
            .iter_mut()
            .for_each(|p| p.seen.at = p.seen.at - first + start);
        let packets = flood.len();
        let seconds = flood.last().map_or(0.0, |p| (p.seen.at - start) as f64 / 1e9);
        let mut line = row(&[mix(name, &calm, flood)], limit, settings.seed);
        line[0] = format!("{} ({packets} packets in {seconds:.2} s)", line[0]);
        rows.push(line);
    }
    let mut benign = 0;
    let mut alerts = 0;
    let sentinel = data.join("iot-sentinel");
    if sentinel.is_dir() {
        for path in files(&sentinel)?
            .iter()
            .filter(|p| p.extension().is_some_and(|e| e == "pcap"))
        {
            let packets: Vec<One> = read(path)?.into_iter().flatten().collect();
            benign += 1;
            alerts += hear(&packets, settings.seed).alerts;
        }
    }
    Ok(Some(Plain {
        title: "Floods, captured (StopDDoS), mixed into generated traffic".to_owned(),
        columns: columns.to_vec(),
        rows,
        notes: vec![format!(
            "alerts on {benign} captures of set-ups (IoT Sentinel) alone: {alerts}"
        )],
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sets::modbus;
    use proptest::prelude::*;

    /// A capture of these frames, a second apart.
    fn capture(frames: &[Vec<u8>]) -> Vec<u8> {
        let mut file = vec![
            0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0,
        ];
        for (second, frame) in frames.iter().enumerate() {
            let length = frame.len() as u32;
            for word in [second as u32, 0, length, length] {
                file.extend_from_slice(&word.to_le_bytes());
            }
            file.extend_from_slice(frame);
        }
        file
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// Whatever frames hold, each has a score, and the same one again.
        #[test]
        fn each_frame_of_any_capture_has_a_score(
            frames in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..80), 0..20)
        ) {
            let path = std::env::temp_dir().join(format!("citywall-scores-{}.pcap", std::process::id()));
            std::fs::write(&path, capture(&frames)).expect("a file");
            let mut both = Vec::new();
            for _ in 0..2 {
                let mut heard = Vec::new();
                let damage = scores(&path, 1, &mut |score| heard.push(score)).expect("a capture");
                prop_assert!(damage.is_empty());
                prop_assert_eq!(heard.len(), frames.len());
                both.push(heard);
            }
            prop_assert_eq!(&both[0], &both[1]);
            std::fs::remove_file(&path).expect("a file");
        }
    }

    #[test]
    fn what_is_not_there_is_absent() {
        let absent = Path::new("/nowhere/at-all.pcap");
        assert!(matches!(scores(absent, 1, &mut |_| ()), Err(SetError::Absent(_))));
        assert!(modbus::captures(Path::new("/nowhere")).is_err());
    }
}
