//! IoT-23 (Garcia, Parmisano and Erquiaga 2020): Zeek's conversations of infected devices, labelled.
//!
//! Owns: both written forms of the labelled logs, and leaving one scenario out: what is learned of one
//! scenario's normal conversations is tested on another. A random split of this set gives any forest
//! 0.9998 and means nothing.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use citywall_behaviour::{Conversation, ConversationFeatures, Habit, NUMBERS, Outcome, Seen};

use citywall_event::Nanos;

use super::{SetError, files};
use crate::trial::{Case, Own, Sample, Settings};

/// Sources that features are kept of.
const SOURCES: usize = 4_096;
/// Share of a scenario's normal conversations that is learned; the later ones calibrate.
const LEARNED: f64 = 0.7;
/// How long a network calibrates for itself.
const LEARNING: Nanos = 4 * 3_600_000_000_000;

/// One labelled conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct Labelled {
    /// What was seen.
    pub seen: Seen,
    /// The label of an attack: `C&C`, `DDoS`; empty where it is normal, or nothing is said.
    pub attack: String,
}

/// One scenario.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The file's place in the folder.
    pub name: String,
    /// In the order of their starts.
    pub conversations: Vec<Labelled>,
}

/// Reads all labelled logs in a folder.
///
/// # Errors
/// Where there are none, or one is damaged.
pub fn scenarios(folder: &Path) -> Result<Vec<Scenario>, SetError> {
    let mut found = Vec::new();
    for path in files(folder)? {
        let name = path
            .file_name()
            .map(|n| n.to_string_lossy().into_owned())
            .unwrap_or_default();
        if name.contains("conn.log") {
            // Scenarios lie in folders of their own, and their files are all called the same.
            let place = path.strip_prefix(folder).unwrap_or(&path);
            found.push(Scenario {
                conversations: read(&path)?,
                name: place.to_string_lossy().into_owned(),
            });
        }
    }
    match found.is_empty() {
        true => Err(SetError::Absent(folder.join("*conn.log*"))),
        false => Ok(found),
    }
}

fn read(path: &Path) -> Result<Vec<Labelled>, SetError> {
    let text = std::fs::read(path).map_err(|error| SetError::Read {
        path: path.to_owned(),
        error,
    })?;
    let text = String::from_utf8_lossy(&text);
    let mut all = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let mark = if line.contains('\t') { '\t' } else { '|' };
        if line.starts_with('#') || line.starts_with("ts|") || line.trim().is_empty() {
            continue;
        }
        let fields: Vec<&str> = line.split(mark).collect();
        let parsed = parse(&fields).ok_or_else(|| SetError::Line {
            path: path.to_owned(),
            line: number + 1,
            what: "not a labelled conversation".to_owned(),
        })?;
        all.push(parsed);
    }
    all.sort_by_key(|l| l.seen.at);
    Ok(all)
}

/// Fields of Zeek's conn.log, in the order that IoT-23 has them.
fn parse(f: &[&str]) -> Option<Labelled> {
    let number = |i: usize| f.get(i).and_then(|t| t.parse::<u64>().ok()).unwrap_or(0);
    let nanos = |text: &str| text.parse::<f64>().ok().map(|s| (s * 1e9) as i64);
    let protocol = match *f.get(6)? {
        "tcp" => 6,
        "udp" => 17,
        "icmp" => 1,
        _ => 0,
    };
    let outcome = match *f.get(11)? {
        "S0" | "SH" => Outcome::Silent,
        "REJ" | "RSTOS0" | "RSTRH" => Outcome::Refused,
        "OTH" | "SHR" => Outcome::Midstream,
        _ => Outcome::Answered,
    };
    // The labels stand in one column of the first form, parted by spaces, and in two of the second.
    let labels: Vec<&str> = f.get(20..)?.iter().flat_map(|t| t.split_whitespace()).collect();
    let at = labels.iter().position(|l| l.eq_ignore_ascii_case("malicious"));
    let attack = at.map(|at| {
        labels[at + 1..]
            .iter()
            .copied()
            .find(|l| *l != "-")
            .unwrap_or("Malicious")
    });
    Some(Labelled {
        seen: Seen {
            at: nanos(f.first()?)?,
            src: f.get(2)?.parse::<IpAddr>().ok()?,
            dst: f.get(4)?.parse::<IpAddr>().ok()?,
            protocol,
            port: number(5).min(65_535) as u16,
            outcome,
            duration: nanos(f.get(8)?).unwrap_or(0),
            packets: [number(16), number(18)],
            bytes: [number(17), number(19)],
        },
        attack: attack.unwrap_or("").to_owned(),
    })
}

const FEATURES: [&str; NUMBERS.len() + 3] = {
    let mut names = [
        "protocol", "port", "outcome", "", "", "", "", "", "", "", "", "", "", "",
    ];
    let mut i = 0;
    while i < NUMBERS.len() {
        names[i + 3] = NUMBERS[i];
        i += 1;
    }
    names
};

/// A file of conversations as samples and features.
fn samples(
    scenario: &Scenario,
    group: u32,
    kinds: &mut Vec<&'static str>,
) -> (Vec<Sample>, Vec<Conversation>) {
    let mut features = ConversationFeatures::new(SOURCES);
    let mut samples = Vec::new();
    let mut conversations = Vec::new();
    let device = |ip: IpAddr| match ip {
        IpAddr::V4(v4) => u32::from(v4),
        IpAddr::V6(v6) => v6.to_bits() as u32,
    };
    for l in &scenario.conversations {
        let c = features.observe(&l.seen);
        let mut row = vec![
            f64::from(l.seen.protocol),
            f64::from(c.service & 0xffff),
            f64::from(c.outcome as u8),
        ];
        row.extend(c.numbers.map(|n| (n + 1.0).log2()));
        samples.push(Sample {
            at: l.seen.at,
            device: device(l.seen.src),
            group,
            kind: kind(&l.attack, kinds),
            features: row,
            packets: l.seen.packets[0] + l.seen.packets[1],
            bytes: l.seen.bytes[0] + l.seen.bytes[1],
            destination: destination(&l.seen),
            protocol: l.seen.protocol == 6,
        });
        conversations.push(c);
    }
    (samples, conversations)
}

fn destination(seen: &Seen) -> u64 {
    let address = match seen.dst {
        IpAddr::V4(v4) => u64::from(u32::from(v4)),
        IpAddr::V6(v6) => v6.to_bits() as u64 ^ (v6.to_bits() >> 64) as u64,
    };
    address.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(seen.protocol) << 16 ^ u64::from(seen.port)
}

fn kind(attack: &str, kinds: &mut Vec<&'static str>) -> u16 {
    const KNOWN: [(&str, &str); 8] = [
        ("C&C", "command and control"),
        ("Torii", "command and control"),
        ("DDoS", "flood"),
        ("PortScan", "scan"),
        ("FileDownload", "download"),
        ("HeartBeat", "command and control"),
        ("Attack", "attack"),
        ("Okiru", "scan"),
    ];
    if attack.is_empty() {
        return 0;
    }
    let name = KNOWN
        .iter()
        .find(|(word, _)| attack.contains(word))
        .map_or("other", |(_, name)| *name);
    let at = kinds.iter().position(|k| *k == name).unwrap_or_else(|| {
        kinds.push(name);
        kinds.len() - 1
    });
    at as u16
}

/// Two cases for each pair of scenarios: learned on the first's normal conversations, tested on all of the second;
/// and the same with thresholds of the second's own learning period, tested on what came after that.
pub fn cases(scenarios: &[Scenario], settings: &Settings) -> Vec<Case> {
    let mut cases = Vec::new();
    for (i, learned) in scenarios.iter().enumerate() {
        for (j, tested) in scenarios.iter().enumerate().filter(|(j, _)| *j != i) {
            let carried = case((learned, i as u32), (tested, j as u32), settings);
            let own = calibrated_there(&carried);
            cases.push(carried);
            cases.extend(own);
        }
    }
    cases
}

fn case((learned, first): (&Scenario, u32), (tested, second): (&Scenario, u32), settings: &Settings) -> Case {
    let mut kinds = vec!["normal"];
    let (all, conversations) = samples(learned, first, &mut kinds);
    let normal: Vec<usize> = (0..all.len()).filter(|i| all[*i].kind == 0).collect();
    let cut = (normal.len() as f64 * LEARNED) as usize;
    let mut habit = Habit::default();
    normal[..cut].iter().for_each(|i| habit.learn(&conversations[*i]));
    let pick = |places: &[usize]| places.iter().map(|i| all[*i].clone()).collect::<Vec<_>>();
    let calibration: Vec<f64> = normal[cut..]
        .iter()
        .map(|i| habit.score(&conversations[*i]))
        .collect();
    let start = (settings.cpu)();
    let (test, conversations) = samples(tested, second, &mut kinds);
    let own = Own {
        name: "habit of conversations (ours)",
        calibration,
        test: conversations.iter().map(|c| habit.score(c)).collect(),
        cpu: (settings.cpu)() - start,
        state: ConversationFeatures::bytes_per_source(),
    };
    Case {
        name: format!("IoT-23: learned on {}, tested on {}", learned.name, tested.name),
        features: &FEATURES,
        rate: FEATURES.len() - 2,
        kinds,
        training: pick(&normal[..cut]),
        calibration: pick(&normal[cut..]),
        test,
        examples: all.iter().filter(|s| s.kind != 0).cloned().collect(),
        own: vec![own],
    }
}

/// The case with thresholds from where it is tested, as a model in use has them: the normal conversations of the
/// learning period calibrate, and all that came later is the test. Nothing is learned there. `None` where a side would
/// be empty.
///
/// The devices of this set were infected before their captures began, so there is no period before the attacks: that a
/// person knows which of the period's conversations are normal is assumed here, as it is of what is learned.
fn calibrated_there(carried: &Case) -> Option<Case> {
    let start = carried.test.iter().map(|s| s.at).min()?;
    let end = start.saturating_add(LEARNING);
    let later: Vec<bool> = carried.test.iter().map(|s| s.at >= end).collect();
    let calibrates: Vec<bool> = carried.test.iter().map(|s| s.at < end && s.kind == 0).collect();
    let of = |chosen: &[bool]| pick(&carried.test, chosen);
    let (calibration, test) = (of(&calibrates), of(&later));
    if calibration.is_empty() || !test.iter().any(|s| s.kind != 0) {
        return None;
    }
    let again = |own: &Own| Own {
        calibration: pick(&own.test, &calibrates),
        test: pick(&own.test, &later),
        ..own.clone()
    };
    Some(Case {
        name: format!(
            "{}, thresholds from its own first {} hours",
            carried.name,
            LEARNING / 3_600_000_000_000
        ),
        own: carried.own.iter().map(again).collect(),
        calibration,
        test,
        ..carried.clone()
    })
}

fn pick<T: Clone>(all: &[T], chosen: &[bool]) -> Vec<T> {
    let picked = all.iter().zip(chosen).filter(|(_, chosen)| **chosen);
    picked.map(|(one, _)| one.clone()).collect()
}

/// Scores conversations without labels by what is normal in logs that have them.
#[derive(Debug, Default)]
pub struct Scorer {
    habit: Habit,
}

impl Scorer {
    /// Learns all normal conversations.
    pub fn learn(scenarios: &[Scenario]) -> Scorer {
        let mut habit = Habit::default();
        for (i, scenario) in scenarios.iter().enumerate() {
            let (all, conversations) = samples(scenario, i as u32, &mut vec!["normal"]);
            let normal = all.iter().zip(&conversations).filter(|(s, _)| s.kind == 0);
            normal.for_each(|(_, c)| habit.learn(c));
        }
        Scorer { habit }
    }

    /// One score for each conversation of a log, in the order of their starts.
    pub fn log(&self, scenario: &Scenario) -> Vec<f64> {
        let (_, conversations) = samples(scenario, 0, &mut vec!["normal"]);
        conversations.iter().map(|c| self.habit.score(c)).collect()
    }

    /// Scores of the conversations of one capture, in the order in which they ended.
    pub fn capture(&self) -> impl FnMut(&Seen) -> f64 {
        let mut features = ConversationFeatures::new(SOURCES);
        move |seen| self.habit.score(&features.observe(seen))
    }
}

/// Where the set lies below the folder of all data.
pub fn folder(data: &Path) -> PathBuf {
    data.join("iot23")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "1545403816.962094\tC1\t10.0.0.5\t41040\t203.0.113.9\t6667\ttcp\t-\t3.139211\t0\t0\tS0\t-\t-\t0\tS\t3\t180\t0\t0\t-   Malicious   C&C";
    const SECOND: &str = "1538478769.600293|C2|10.0.0.7|37082|10.0.0.1|53|udp|dns|5.005151|78|0|SF|-|-|0|D|2|134|1|90|-|Benign|-";

    #[test]
    fn both_written_forms_are_read() {
        let first = parse(&FIRST.split('\t').collect::<Vec<_>>()).expect("a conversation");
        assert_eq!(
            (first.attack.as_str(), first.seen.port, first.seen.outcome),
            ("C&C", 6_667, Outcome::Silent)
        );
        assert_eq!(first.seen.packets, [3, 0]);
        let second = parse(&SECOND.split('|').collect::<Vec<_>>()).expect("a conversation");
        assert_eq!((second.attack.as_str(), second.seen.protocol), ("", 17));
        assert_eq!(second.seen.duration, 5_005_151_000);
        assert!(parse(&["1", "2"]).is_none());
    }

    #[test]
    fn nothing_stands_on_both_sides() {
        let one =
            |line: &str, mark: char| parse(&line.split(mark).collect::<Vec<_>>()).expect("a conversation");
        let normal: Vec<Labelled> = (0..50).map(|_| one(SECOND, '|')).collect();
        let mut mixed = normal.clone();
        mixed.push(one(FIRST, '\t'));
        let scenarios = [
            Scenario {
                name: "a".into(),
                conversations: normal,
            },
            Scenario {
                name: "b".into(),
                conversations: mixed,
            },
        ];
        let settings = Settings {
            draws: 10,
            seed: 1,
            rate: 1e-2,
            cpu: || 0.0,
        };
        for case in cases(&scenarios, &settings) {
            if case.name.ends_with("hours") {
                continue;
            }
            let sides = case.training.iter().chain(&case.calibration);
            let groups: std::collections::HashSet<u32> = sides.map(|s| s.group).collect();
            assert!(case.test.iter().all(|s| !groups.contains(&s.group)));
            assert!(case.training.iter().all(|s| s.kind == 0));
        }
    }

    #[test]
    fn what_calibrates_a_network_for_itself_is_older_than_its_test() {
        let one = |line: &str, mark: char, minute: i64| {
            let mut one = parse(&line.split(mark).collect::<Vec<_>>()).expect("a conversation");
            one.seen.at = minute * 60_000_000_000;
            one
        };
        let day = |name: &str| {
            let mut conversations: Vec<Labelled> = (0..1_440).map(|m| one(SECOND, '|', m)).collect();
            conversations.extend((0..1_440).step_by(10).map(|m| one(FIRST, '\t', m)));
            conversations.sort_by_key(|c| c.seen.at);
            Scenario {
                name: name.into(),
                conversations,
            }
        };
        let settings = Settings {
            draws: 10,
            seed: 1,
            rate: 1e-2,
            cpu: || 0.0,
        };
        let cases = cases(&[day("a"), day("b")], &settings);
        let own: Vec<&Case> = cases
            .iter()
            .filter(|c| c.name.ends_with("first 4 hours"))
            .collect();
        assert_eq!(own.len(), 2);
        for case in own {
            assert_eq!(case.calibration.len(), 240);
            let last = case.calibration.iter().map(|s| s.at).max();
            assert!(case.test.iter().all(|s| Some(s.at) > last));
            assert!(case.calibration.iter().all(|s| s.kind == 0));
            assert_eq!(case.own[0].calibration.len(), case.calibration.len());
            assert_eq!(case.own[0].test.len(), case.test.len());
        }
    }

    #[test]
    fn a_log_without_labels_has_a_score_for_each_conversation() {
        let unlabelled = FIRST.rsplit_once('\t').map_or(FIRST, |(line, _)| line).to_owned() + "\t-";
        let read = parse(&unlabelled.split('\t').collect::<Vec<_>>()).expect("a conversation");
        assert_eq!(read.attack, "");
        let scenario = Scenario {
            name: "x".into(),
            conversations: vec![read.clone(), read.clone(), read],
        };
        let scores = Scorer::learn(std::slice::from_ref(&scenario)).log(&scenario);
        assert_eq!(scores.len(), 3);
        assert!(scores.iter().all(|s| s.is_finite()));
    }
}
