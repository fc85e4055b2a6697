//! How good allow-lists are, on labelled Modbus captures (Lemay and Fernandez 2016).
//!
//! Owns: leaving one capture out, labels as conversations, and the two tables. What is learned from is
//! taken as it was captured, attacks included: the learner must see through that by itself. What is tested
//! goes through the whole pipeline of `watch`. Does not own: learning and judging.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use anyhow::Context as _;
use citywall_behaviour::allow::{AllowDoubt, AllowLearner, AllowLimits, AllowList};
use citywall_capture::{Batch, Damage, FileLimits, Files as CaptureFiles, FrameSource};
use citywall_evaluation::sets::SetError;
use citywall_evaluation::{Plain, Report};
use citywall_event::Body;
use citywall_packet::{Network, Packet, decode};
use serde_json::Value;

use super::train::from_captures;
use crate::cli::Files;
use crate::command::replay_events;
use crate::output::alerting::Alerting;
use crate::pipeline::ordered::Stage;
use crate::pipeline::run::{self, Shared, Signals};
use crate::settings::{CitySource, Settings};

/// The captures are minutes long, so slots are, too.
const SLOT: i64 = 60_000_000_000;

/// Both laboratories as one city: their masters are one, their remote units are alike.
const CITY: &str = r#"
[city]
name = "laboratories"
[[domain]]
name = "control"
[[zone]]
name = "masters"
domain = "control"
networks = ["192.168.1.100/32", "192.168.43.148/32"]
[[zone]]
name = "units"
domain = "control"
networks = ["192.168.1.101/32", "192.168.1.102/32", "192.168.1.103/32", "192.168.1.104/32", "192.168.1.105/32", "192.168.1.106/32", "192.168.43.149/32"]
"#;

/// Two ends of a conversation, the smaller first, and its IP protocol.
type Talk = ((IpAddr, u16), (IpAddr, u16), u8);

struct Labelled {
    path: PathBuf,
    name: String,
    packets: usize,
    first: i64,
    attacks: usize,
    /// Conversations with at least one labelled packet.
    talks: BTreeSet<Talk>,
}

/// Both tables.
///
/// # Errors
/// Where the captures are not there, or cannot be read.
pub fn modbus(folder: &Path) -> Result<Vec<Report>, SetError> {
    let (captures, channels) = both(folder)?;
    let failed = |error: anyhow::Error| wrong(folder, &error);
    let mut reports = vec![Report::Plain(left_out(&captures).map_err(failed)?)];
    reports.push(Report::Plain(covert(&captures, &channels).map_err(failed)?));
    Ok(reports)
}

fn wrong(folder: &Path, error: &anyhow::Error) -> SetError {
    SetError::Read {
        path: folder.to_owned(),
        error: std::io::Error::other(format!("{error:#}")),
    }
}

/// A capture without labels: where it is, and its name.
type Named = (PathBuf, String);

/// The labelled captures of a folder, and the covert channels.
fn both(folder: &Path) -> Result<(Vec<Labelled>, Vec<Named>), SetError> {
    let failed = |error: anyhow::Error| wrong(folder, &error);
    let mut captures = Vec::new();
    let mut channels = Vec::new();
    let list = std::fs::read_dir(folder).map_err(|_| SetError::Absent(folder.to_owned()))?;
    let mut paths: Vec<PathBuf> = list.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths
        .into_iter()
        .filter(|p| p.extension().is_some_and(|e| e == "pcap" || e == "zip"))
    {
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let labels = path.with_file_name(format!("{name}_labeled.csv"));
        if labels.is_file() {
            captures.push(labelled(path, name, &labels).map_err(failed)?);
        } else if name.starts_with("channel") && !channels.iter().any(|(_, known)| *known == name) {
            channels.push((path, name));
        }
    }
    if captures.len() < 2 {
        return Err(SetError::Absent(folder.join("*_labeled.csv")));
    }
    Ok((captures, channels))
}

fn labelled(path: PathBuf, name: String, labels: &Path) -> anyhow::Result<Labelled> {
    let text = std::fs::read_to_string(labels).with_context(|| labels.display().to_string())?;
    let attack: Vec<bool> = text.lines().map(|line| line.trim().ends_with(";1")).collect();
    let mut talks = BTreeSet::new();
    let (mut number, mut first) = (0, i64::MAX);
    let mut source = CaptureFiles::open(std::slice::from_ref(&path), FileLimits::default())?;
    let mut batch = Batch::default();
    let mut malformed = Vec::new();
    while source.next_batch(&mut batch)? {
        for meta in &batch.frames {
            malformed.clear();
            first = first.min(meta.at);
            let packet = decode(&batch.frame(meta), &mut malformed);
            let labelled = attack.get(number).copied().unwrap_or(false);
            number += 1;
            talks.extend(talk_of_packet(&packet).filter(|_| labelled));
        }
    }
    Ok(Labelled {
        path,
        name,
        packets: number,
        first,
        attacks: attack.iter().filter(|a| **a).count(),
        talks,
    })
}

fn talk(a: (IpAddr, u16), b: (IpAddr, u16), protocol: u8) -> Talk {
    (a.min(b), a.max(b), protocol)
}

fn settings(city: Option<&str>) -> anyhow::Result<Settings> {
    let city = city.map(|text| CitySource {
        name: "the laboratories".to_owned(),
        text: text.to_owned(),
    });
    Settings::load(&Files::default(), city, None, None)
}

fn learn(captures: &[&Labelled], city: Option<&str>) -> anyhow::Result<AllowList> {
    let mut settings = settings(city)?;
    settings.learns = true;
    let settings = Arc::new(settings);
    let limits = AllowLimits {
        slot: SLOT,
        ..AllowLimits::default()
    };
    let mut learner = AllowLearner::new(limits);
    let mut all: Vec<&&Labelled> = captures.iter().collect();
    // In the order of their times: the names are in another.
    all.sort_by_key(|capture| capture.first);
    for capture in all {
        from_captures(std::slice::from_ref(&capture.path), &settings, &mut learner)?;
    }
    Ok(learner.propose("laboratory", AllowDoubt::default()))
}

/// The deviations that `watch` tells of a capture.
fn watched(path: &Path, list: &AllowList, city: Option<&str>) -> anyhow::Result<Vec<Value>> {
    let mut settings = settings(city)?;
    settings.allowed = Some(Arc::new(list.clone()));
    let settings = Arc::new(settings);
    let source = CaptureFiles::open(&[path.to_path_buf()], FileLimits::default())?;
    let alerting = Alerting::start(&settings.config, None).context("cannot start the outputs")?;
    let mut stage = Stage::new(Arc::clone(&settings), None, alerting);
    let told = Rc::new(RefCell::new(Vec::new()));
    let hears = Rc::clone(&told);
    stage.listen(Box::new(move |line| {
        if let Ok(value) = serde_json::from_slice::<Value>(line)
            && value["event_type"] == "behaviour"
            // Other detectors of the pipeline have tables of their own.
            && citywall_event::Behaviour::OFF_LIST.contains(&value["behaviour"]["kind"].as_str().unwrap_or_default())
        {
            hears.borrow_mut().push(value);
        }
    }));
    let shared = Shared::new(settings);
    run::replay(
        Box::new(source),
        &shared,
        1,
        &mut stage,
        &Signals::default(),
        false,
    );
    stage.finish();
    drop(stage);
    Ok(told.take())
}

/// Scores of captures without labels: the list is learned from the labelled captures of a folder.
pub struct Scorer(AllowList);

impl Scorer {
    /// Learns the list, in the way in which the table does.
    ///
    /// # Errors
    /// Where the captures are not there, or cannot be read.
    pub fn learn(folder: &Path) -> anyhow::Result<Scorer> {
        let (captures, _) = both(folder)?;
        Ok(Scorer(learn(&captures.iter().collect::<Vec<_>>(), None)?))
    }

    /// Hears for each frame of a capture the highest score of what was told of its conversation, 0 where nothing was.
    /// Gives what was damaged.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn score(&self, path: &Path, hear: &mut dyn FnMut(f64)) -> anyhow::Result<Vec<Damage>> {
        let mut told: BTreeMap<Talk, f64> = BTreeMap::new();
        for value in watched(path, &self.0, None)? {
            let score = value["behaviour"]["score"].as_f64().unwrap_or(0.0);
            if let Some(talk) = talk_of(&value) {
                let highest = told.entry(talk).or_default();
                *highest = highest.max(score);
            }
        }
        let mut source = CaptureFiles::open(&[path.to_path_buf()], FileLimits::default())?;
        let mut batch = Batch::default();
        let mut malformed = Vec::new();
        while source.next_batch(&mut batch)? {
            for meta in &batch.frames {
                malformed.clear();
                let packet = decode(&batch.frame(meta), &mut malformed);
                let talk = talk_of_packet(&packet);
                hear(talk.and_then(|talk| told.get(&talk)).copied().unwrap_or(0.0));
            }
        }
        Ok(source.damage().to_vec())
    }
}

fn talk_of_packet(packet: &Packet) -> Option<Talk> {
    let Network::Ip(ip) = packet.network else {
        return None;
    };
    let ports = packet.transport.ports().unwrap_or((0, 0));
    Some(talk((ip.src, ports.0), (ip.dst, ports.1), ip.protocol))
}

fn talk_of(value: &Value) -> Option<Talk> {
    let end = |ip: &str, port: &str| {
        let port = value[port]
            .as_u64()
            .and_then(|p| u16::try_from(p).ok())
            .unwrap_or(0);
        Some((value[ip].as_str()?.parse().ok()?, port))
    };
    let protocol = match value["proto"].as_str()? {
        "TCP" => 6,
        "UDP" => 17,
        "ICMP" => 1,
        _ => 0,
    };
    Some(talk(
        end("src_ip", "src_port")?,
        end("dest_ip", "dest_port")?,
        protocol,
    ))
}

fn left_out(captures: &[Labelled]) -> anyhow::Result<Plain> {
    let mut rows = Vec::new();
    for capture in captures {
        let others: Vec<&Labelled> = captures.iter().filter(|c| c.name != capture.name).collect();
        let list = learn(&others, None)?;
        let told = watched(&capture.path, &list, None)?;
        let (mut hit, mut other) = (BTreeSet::new(), BTreeMap::<String, usize>::new());
        let mut right = 0;
        for value in &told {
            match talk_of(value) {
                Some(talk) if capture.talks.contains(&talk) => {
                    right += 1;
                    hit.insert(talk);
                }
                _ => {
                    let kind = value["behaviour"]["kind"].as_str().unwrap_or_default();
                    *other.entry(kind.to_owned()).or_default() += 1;
                }
            }
        }
        let (allowed, proposed) = list.counts();
        let others: Vec<String> = other.iter().map(|(kind, n)| format!("{n} {kind}")).collect();
        rows.push(vec![
            capture.name.clone(),
            format!("{} of {}", capture.attacks, capture.packets),
            format!("{allowed} / {proposed}"),
            if right > 0 { "yes" } else { "NO" }.to_owned(),
            format!("{} of {}", hit.len(), capture.talks.len()),
            right.to_string(),
            if others.is_empty() {
                "0".to_owned()
            } else {
                others.join(", ")
            },
        ]);
    }
    Ok(Plain {
        title: "Allow-lists on labelled Modbus: leave one capture out".to_owned(),
        columns: [
            "capture",
            "labelled packets",
            "habits learned / only proposed",
            "alerted",
            "labelled conversations alerted",
            "alerts on them",
            "alerts on others",
        ]
        .map(str::to_owned)
        .to_vec(),
        rows,
        notes: vec![
            "The set has no capture without an attack: each list is learned from the other captures whole, attacks \
             and all, in slots of 60 s; nobody accepted anything that was only proposed"
                .to_owned(),
        ],
    })
}

fn covert(captures: &[Labelled], channels: &[(PathBuf, String)]) -> anyhow::Result<Plain> {
    let mut city = CITY.to_owned();
    city += "[[asset]]\nname = \"master\"\naddress = [\"192.168.1.100\", \"192.168.43.148\"]\nzone = \"masters\"\nrole = \"master\"\n";
    for (number, address) in ["1.101", "1.102", "1.103", "1.104", "1.105", "1.106", "43.149"]
        .iter()
        .enumerate()
    {
        city += &format!(
            "[[asset]]\nname = \"unit-{number}\"\naddress = \"192.168.{address}\"\nrole = \"remote-unit\"\nmaker = \"Laboratory\"\n"
        );
    }
    let all: Vec<&Labelled> = captures.iter().collect();
    let list = learn(&all, Some(&city))?;
    let mut rows = Vec::new();
    let polling: Vec<(PathBuf, String)> = captures
        .iter()
        .map(|c| (c.path.clone(), c.name.clone()))
        .collect();
    for (path, name) in channels.iter().chain(&polling) {
        let told = watched(path, &list, Some(&city))?;
        // Only what the master tells the units: the attacks by others are in the other table.
        let mut alerted = BTreeSet::new();
        for value in told.iter().filter(|v| v["behaviour"]["kind"] != "new_peer") {
            let reason = value["behaviour"]["reason"].as_str().unwrap_or_default();
            if let Some((_, what)) = reason
                .strip_prefix("master told ")
                .and_then(|r| r.split_once(": "))
            {
                alerted.insert(kind_of(what).to_owned());
            }
        }
        let settings = Arc::new(settings(Some(&city))?);
        let (mut kinds, mut commands) = (BTreeSet::new(), 0_u64);
        replay_events(std::slice::from_ref(path), &settings, &mut |event| {
            if let Body::Command(command) = &event.body
                && event
                    .subject
                    .src_ip
                    .is_some_and(|ip| MASTERS.contains(&ip.to_string().as_str()))
            {
                commands += 1;
                kinds.insert((command.function, command.point.clone(), command.count));
            }
        })?;
        let known = |(function, point, count): &&(&str, String, u32)| {
            list.orders.iter().any(|o| {
                o.seen.doubt.is_none()
                    && o.function == *function
                    && o.point.as_ref().is_some_and(|(p, n)| p == point && n == count)
            })
        };
        let polling = kinds.iter().filter(known).count();
        rows.push(vec![
            name.clone(),
            commands.to_string(),
            polling.to_string(),
            (kinds.len() - polling).to_string(),
            told.iter()
                .filter(|v| {
                    v["behaviour"]["reason"]
                        .as_str()
                        .is_some_and(|r| r.starts_with("master told "))
                })
                .count()
                .to_string(),
            alerted.len().to_string(),
        ]);
    }
    let mut notes = vec![
        "A city file says that the masters of both laboratories are one and their units alike, so no address tells \
         the channel: only what is commanded does"
            .to_owned(),
        "Kinds of commands are function, point and number of points; what an operator did by hand and too seldom \
         to be learned is told, too"
            .to_owned(),
    ];
    if channels.is_empty() {
        notes.push(
            "The channels are not there: channel_4d_5s and channel_4d_9s, as .zip or .pcap, beside the others"
                .to_owned(),
        );
    }
    Ok(Plain {
        title: "Allow-lists on covert channels: what the master commands".to_owned(),
        columns: [
            "capture",
            "commands of the master",
            "kinds that are polling",
            "other kinds",
            "alerts on its commands",
            "kinds alerted",
        ]
        .map(str::to_owned)
        .to_vec(),
        rows,
        notes,
    })
}

const MASTERS: [&str; 2] = ["192.168.1.100", "192.168.43.148"];

/// A command in a reason, without its value and what is said of it: `read coil:0 (+2)`.
fn kind_of(what: &str) -> &str {
    let told = what.split_once(": ").map_or(what, |(told, _)| told);
    told.split_once(" = ").map_or(told, |(told, _)| told)
}
