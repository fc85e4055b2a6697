//! The story generator: reproducible, within its bounds, and in agreement with its own city file.

use std::collections::HashSet;
use std::io::Read;
use std::net::IpAddr;
use std::path::Path;

use citywall_event::{Command, CommandOutcome, Context, Value as Datum, Verb};
use citywall_policy::City;
use serde_json::Value;
use xtask::story::{Options, Story, generate};

fn story(seed: u64) -> Story {
    generate(Options {
        seed,
        without_writes: false,
    })
    .unwrap()
}

/// Times and frames of a capture of ours.
fn frames(pcap: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let word = |at: usize| u32::from_le_bytes(pcap[at..at + 4].try_into().unwrap());
    let mut frames = Vec::new();
    let mut at = 24;
    while at < pcap.len() {
        let length = word(at + 8) as usize;
        let time = u64::from(word(at)) * 1_000_000_000 + u64::from(word(at + 4));
        frames.push((time, pcap[at + 16..at + 16 + length].to_vec()));
        at += 16 + length;
    }
    frames
}

#[test]
fn the_embedded_story_is_that_of_seed_1() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/citywall/story");
    let read = |name| std::fs::read(folder.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    let made = story(1);
    let mut pcap = Vec::new();
    flate2::read::GzDecoder::new(&read("story.pcap.gz")[..])
        .read_to_end(&mut pcap)
        .unwrap();
    let advice = "remake it with `cargo xtask story --seed 1 --bless`";
    assert!(pcap == made.pcap, "story.pcap.gz differs: {advice}");
    assert_eq!(String::from_utf8_lossy(&read("city.toml")), made.city, "{advice}");
    let truth = serde_json::to_string_pretty(&made.truth).unwrap() + "\n";
    assert_eq!(String::from_utf8_lossy(&read("truth.json")), truth, "{advice}");
}

#[test]
fn a_seed_is_a_story() {
    let (one, again, other) = (story(7), story(7), story(8));
    assert!(one.pcap == again.pcap && one.city == again.city && one.truth == again.truth);
    assert!(one.pcap != other.pcap && one.city != other.city);
    for key in ["attacker", "camera", "controller", "plc", "start"] {
        assert_ne!(one.truth[key], other.truth[key], "{key} does not vary");
    }
}

#[test]
fn every_story_keeps_its_bounds() {
    for seed in 0..16 {
        let story = story(seed);
        let frames = frames(&story.pcap);
        assert!(
            (3_000..=8_000).contains(&frames.len()),
            "seed {seed}: {} packets",
            frames.len()
        );
        assert!(
            story.pcap.len() < 2_000_000,
            "seed {seed}: {} bytes",
            story.pcap.len()
        );
        assert!(frames.is_sorted_by_key(|f| f.0), "seed {seed}: times go backward");
        let length = (frames[frames.len() - 1].0 - frames[0].0) / 1_000_000_000;
        assert!(
            (15 * 60..=25 * 60).contains(&length),
            "seed {seed}: {length} seconds"
        );
        let names: Vec<&str> = steps(&story.truth)
            .iter()
            .filter_map(|s| s["name"].as_str())
            .collect();
        for name in [
            "login",
            "download",
            "arp_sweep",
            "scan_signals",
            "scan_pumps",
            "snmp_read",
            "snmp_write",
            "modbus_read",
            "modbus_write",
        ] {
            assert!(names.contains(&name), "seed {seed}: no {name} among {names:?}");
        }
    }
}

#[test]
fn without_writes_only_the_writes_are_missing() {
    let names = |story: &Story| -> Vec<String> {
        steps(&story.truth)
            .iter()
            .map(|s| s["name"].as_str().unwrap().to_owned())
            .collect()
    };
    for seed in 0..4 {
        let (whole, without) = (
            story(seed),
            generate(Options {
                seed,
                without_writes: true,
            })
            .unwrap(),
        );
        let left: Vec<String> = names(&whole)
            .into_iter()
            .filter(|n| !n.ends_with("_write"))
            .collect();
        assert_eq!(names(&without), left);
        assert_eq!(whole.city, without.city);
        assert_eq!(
            whole.truth["allowed_writes"].as_array().map(Vec::len),
            without.truth["allowed_writes"].as_array().map(Vec::len)
        );
        let fewer = frames(&whole.pcap).len() - frames(&without.pcap).len();
        // Two requests, two answers, and at most one acknowledgement.
        assert!(
            (4..=5).contains(&fewer),
            "seed {seed}: {fewer} packets are missing"
        );
    }
}

#[test]
fn senders_keep_their_hardware_address() {
    let story = story(3);
    let hosts = story.truth["hosts"].as_array().unwrap();
    let known: HashSet<(String, String)> = hosts
        .iter()
        .map(|h| {
            (
                h["address"].as_str().unwrap().to_owned(),
                h["mac"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    for (_, frame) in frames(&story.pcap).iter().filter(|(_, f)| f[12..14] == [8, 0]) {
        let address = frame[26..30]
            .iter()
            .map(u8::to_string)
            .collect::<Vec<_>>()
            .join(".");
        let mac = frame[6..12]
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect::<Vec<_>>()
            .join(":");
        assert!(
            address == "0.0.0.0" || known.contains(&(address.clone(), mac.clone())),
            "{address} by {mac}"
        );
    }
}

#[test]
fn the_city_file_allows_what_is_allowed_and_nothing_else() {
    for seed in 0..8 {
        let story = story(seed);
        let city =
            City::parse(&story.city, "city.toml").unwrap_or_else(|errors| panic!("seed {seed}: {errors:?}"));
        let (_, context) = city.compile();
        let allowed = story.truth["allowed_writes"].as_array().unwrap();
        assert!(
            allowed.len() >= 3,
            "seed {seed}: {} allowed writes",
            allowed.len()
        );
        for write in allowed {
            let command = command(&write["protocol"], write);
            assert_eq!(judge(&context, write, &command), Ok(()), "seed {seed}: {write}");
        }
        let writes: Vec<&Value> = steps(&story.truth)
            .iter()
            .filter(|s| s["name"].as_str().unwrap().ends_with("_write"))
            .collect();
        assert_eq!(writes.len(), 2);
        for step in writes {
            let protocol = step["name"].as_str().unwrap().trim_end_matches("_write").into();
            let command = command(&protocol, &step["details"]);
            assert!(judge(&context, step, &command).is_err(), "seed {seed}: {step}");
        }
    }
}

fn steps(truth: &Value) -> &[Value] {
    truth["steps"].as_array().unwrap()
}

fn command(protocol: &Value, said: &Value) -> Command {
    let modbus = protocol == "modbus";
    Command {
        protocol: if modbus { "modbus" } else { "snmp" },
        verb: Verb::Write,
        function: if modbus { "write_single_register" } else { "set" },
        unit: said["unit"].as_u64().map(|u| u as u32),
        point: said["point"].as_str().unwrap().to_owned(),
        count: 1,
        value: Some(Datum::Uint(1)),
        outcome: CommandOutcome::Accepted,
        technique: None,
    }
}

fn judge(context: &Context, parties: &Value, command: &Command) -> Result<(), String> {
    let place = |key: &str| {
        let ip: IpAddr = parties[key]["address"].as_str().unwrap().parse().unwrap();
        (context.locate(Some(ip), None), Some(ip))
    };
    context
        .judge_command(place("from"), place("to"), command)
        .map_err(|violation| violation.reason.to_string())
}
