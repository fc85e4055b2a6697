//! `learn explain` and models through the real binary: alerts of five kinds in words, a model from training to
//! what `watch` tells with it, the same for any number of workers.

#[path = "support/command.rs"]
mod command;

use std::fs;
use std::path::{Path, PathBuf};

use command::{good, run};
use expect_test::{Expect, expect};
use serde_json::Value;
use xtask::story::{Options, generate};

fn scratch(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("citywall-explain-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

fn case(name: &str) -> PathBuf {
    xtask::corpus::home().join("behaviour").join(name)
}

/// The ids of all behaviour of a kind.
fn told(log: &Path, kind: &str) -> Vec<String> {
    let text = fs::read_to_string(log).unwrap();
    let events = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    events
        .filter(|event| event["behaviour"]["kind"] == kind)
        .map(|event| event["id"].as_str().unwrap().to_owned())
        .collect()
}

/// Watches a capture of the corpus and explains the first behaviour of a kind.
fn check(name: &str, kind: &str, expected: Expect) {
    let directory = scratch(name);
    let case = case(name);
    let capture = case.join("input.pcap").display().to_string();
    let city = case.join("city.toml");
    let mut arguments = vec!["watch", "--pcap", &capture, "--out", "log"];
    let city_text = city.display().to_string();
    if city.is_file() {
        arguments.extend(["--city", &city_text]);
    }
    good(&directory, &arguments);
    let ids = told(&directory.join("log/eve.json"), kind);
    let text = good(&directory, &["learn", "explain", &ids[0], "--log", "log"]);
    expected.assert_eq(&text);
    // The file by itself will do, and without an id all is listed.
    let same = good(
        &directory,
        &["learn", "explain", &ids[0], "--log", "log/eve.json"],
    );
    assert_eq!(text, same);
    let list = good(&directory, &["learn", "explain", "--log", "log"]);
    assert!(list.contains(&format!("{}  {kind}  ", ids[0])), "{list}");
    let output = run(&directory, &["learn", "explain", "no-such-id", "--log", "log"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_scan_in_words() {
    check(
        "horizontal-scan",
        "horizontal_scan",
        expect![[r#"
        behaviour c0-41-0 at 2026-11-22T08:01:32.000000+0000
          192.0.2.10 -> 10.20.0.12
          kind: horizontal_scan
          what was seen: 192.0.2.10 tried 12 hosts on tcp/502 within 1 s, 12 of them in vain
          what is normal: fewer than 12 hosts tried in vain on one port within 300 s
          why it matters: who searches a network looks for something to attack; devices that do one thing never search
          what to check:
            1. is the source a scanner of your own (inventory, backup, monitoring)? then name it in the city file
            2. did one of those that answered get a login or a command from it afterwards?
            3. if it is a device: take it off the network and look at what runs on it
          score: 0.83
          in_vain: 12
          seconds: 0.56
          tried: 12
          resembles: Remote System Discovery (T0846)
          evidence t01.0: flow 192.0.2.10 -> 10.20.0.1
          evidence t02.0: flow 192.0.2.10 -> 10.20.0.2
          evidence t03.0: flow 192.0.2.10 -> 10.20.0.3
          evidence t04.0: flow 192.0.2.10 -> 10.20.0.4
    "#]],
    );
}

#[test]
fn a_flood_in_words() {
    check(
        "syn-flood",
        "syn_flood",
        expect![[r#"
            behaviour c0-101-0 at 2026-11-22T08:00:00.200000+0000
              192.0.2.10 -> 192.0.2.20
              kind: syn_flood
              what was seen: 192.0.2.20 receives 500 SYNs that nothing follows a second, about 1 sender, most of them by 192.0.2.10; its habit is 1
              what is normal: fewer than 300 connections a second that nothing follows
              why it matters: a service that is flooded does not answer those who need it
              what to check:
                1. does the service still answer? what falls with it stands in the incident
                2. is it one source or many? the source of a flood may be invented
                3. is it a crowd after an event, or a device that an update made loud?
              score: 1.00
              answers_per_second: 0
              bytes_per_second: 30000
              habit_per_second: 0.83
              hosts: 1
              packets_per_second: 500
              senders: 1.01
              resembles: Denial of Service (T0814)
        "#]],
    );
}

#[test]
fn a_call_back_in_words() {
    check(
        "periodic-callback",
        "periodic_callback",
        expect![[r#"
            behaviour c0-55-0 at 2026-11-22T08:09:00.054000+0000
              10.30.0.6 -> 203.0.113.9
              kind: periodic_callback
              what was seen: 10.30.0.6 contacted 203.0.113.9 (tcp/8443) 10 times, every 60.0 s, within 0 % of that
              what is normal: fewer than 10 contacts in a row at even times (a spread below 25 %) with one host outside that no other device uses
              why it matters: programs that were put on a device ask their master for orders, at even times
              what to check:
                1. whose address is it? the maker's cloud has a name that the device asked for
                2. do others of its kind call the same one? then it is the maker's
                3. if nobody knows it: cut the device off from outside and look at what runs on it
              score: 0.99
              contacts: 10
              seconds_between: 60.01
              spread: 0
              resembles: Application Layer Protocol (T1071)
              evidence 0-1-0: not in the log (what opens a conversation is not written)
              evidence 0-7-0: not in the log (what opens a conversation is not written)
              evidence 0-13-0: not in the log (what opens a conversation is not written)
              evidence 0-19-0: not in the log (what opens a conversation is not written)
        "#]],
    );
}

/// The built-in story, a key, and its keyring.
fn story(directory: &Path, purpose: &str) {
    let story = generate(Options {
        seed: 1,
        without_writes: false,
    })
    .unwrap();
    fs::write(directory.join("story.pcap"), &story.pcap).unwrap();
    fs::write(directory.join("city.toml"), &story.city).unwrap();
    good(directory, &["keys", "new", "ada.key"]);
    let show = "keys show ada.key --name ada --principal Ada --purpose";
    let mut arguments: Vec<&str> = show.split(' ').collect();
    arguments.push(purpose);
    let entry = good(directory, &arguments);
    fs::write(directory.join("ring.toml"), format!("version = 1\n{entry}")).unwrap();
}

fn all(directory: &Path, text: &str) -> String {
    good(directory, &text.split(' ').collect::<Vec<_>>())
}

#[test]
fn a_deviation_from_a_list_in_words() {
    let directory = scratch("list");
    story(&directory, "allow-list");
    // Of the same capture: what was done in too few of its minutes is not learned, and deviates.
    all(
        &directory,
        "learn allow-list train --from story.pcap --city city.toml --slot 60 --out list",
    );
    all(
        &directory,
        "learn allow-list sign list --key ada.key --serial 7 --out site.allow-list",
    );
    let text = "[learning]\nallow_list = \"site.allow-list\"\nkey_ring = \"ring.toml\"\nstate = \"state\"\n";
    fs::write(directory.join("box.toml"), text).unwrap();
    all(
        &directory,
        "watch --pcap story.pcap --city city.toml --config box.toml --out log",
    );
    let ids = told(&directory.join("log/eve.json"), "new_command");
    let text = all(&directory, &format!("learn explain {} --log log", ids[0]));
    expect![[r#"
        behaviour c0-258-0 at 2026-04-30T13:21:24.767422+0000
          10.94.25.141 -> 10.94.213.126
          kind: new_command
          what was seen: 10.94.25.141 told mqtt-1 by mqtt: subscribe city/lights/pole-35/set: it never did subscribe there (normal: publish; seen while learning, but it was done in too few hours, and nobody accepted it)
          what is normal: what stands on the signed allow-list
          why it matters: the device did what it did not do while it was learned, and what nobody signed for
          what to check:
            1. was there work on the device or a change of its program? then learn, accept and sign the list anew
            2. who commanded it, and may they? the policy says it: citywall policy explain SRC DST
            3. did the value or the state in the plant change?
          score: 0.70
          known_functions: 1
          resembles: Unauthorized Command Message (T0855)
          evidence 0-258-1: command 10.94.25.141 -> 10.94.213.126
    "#]].assert_eq(&text);
}

/// A packet of UDP at a millisecond, as a record of a capture.
fn packet(at: u64, from: (u8, u16), to: (u8, u16), bytes: usize, out: &mut Vec<u8>) {
    let length = 28 + bytes;
    let mut ip = vec![
        0x45, 0, 0, 0, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, from.0, 10, 0, 0, to.0,
    ];
    ip[2..4].copy_from_slice(&(length as u16).to_be_bytes());
    let words = ip.chunks(2).map(|w| u32::from(w[0]) << 8 | u32::from(w[1]));
    let sum: u32 = words.sum();
    let sum = !(((sum & 0xffff) + (sum >> 16)) as u16);
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    let mut frame = vec![2, 0, 0, 0, 0, to.0, 2, 0, 0, 0, 0, from.0, 8, 0];
    frame.extend(ip);
    for number in [from.1, to.1, 8 + bytes as u16, 0] {
        frame.extend(number.to_be_bytes());
    }
    frame.resize(14 + length, 0);
    for number in [
        1_760_000_000 + at / 1_000,
        at % 1_000 * 1_000,
        frame.len() as u64,
        frame.len() as u64,
    ] {
        out.extend((number as u32).to_le_bytes());
    }
    out.extend(frame);
}

/// A device that is asked once a minute; in the end, where it is to be odd, it sends much to another.
fn polled(minutes: u64, odd: bool) -> Vec<u8> {
    let mut out = 0xa1b2_c3d4_u32.to_le_bytes().to_vec();
    out.extend([2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0]);
    for minute in 0..minutes {
        let port = 40_000 + minute as u16;
        let size = 40 + (minute * 7 % 13) as usize;
        packet(minute * 60_000, (1, port), (2, 502), size, &mut out);
        packet(minute * 60_000 + 4, (2, 502), (1, port), 60, &mut out);
    }
    for n in 0..200 * u64::from(odd) {
        packet(minutes * 60_000 + n, (1, 50_000), (3, 69), 1_200, &mut out);
    }
    out
}

#[test]
fn a_model_from_training_to_an_anomaly_in_words() {
    let directory = scratch("model");
    story(&directory, "model");
    fs::write(directory.join("normal.pcap"), polled(400, false)).unwrap();
    fs::write(directory.join("odd.pcap"), polled(60, true)).unwrap();
    for step in [
        "learn train --from normal.pcap --class any --out any.unsigned",
        "learn sign any.unsigned --key ada.key --serial 1 --out any.signed",
        "learn verify any.signed --key-ring ring.toml --class any --models models",
    ] {
        fs::create_dir_all(directory.join("models")).unwrap();
        all(&directory, step);
    }
    fs::write(
        directory.join("box.toml"),
        "[learning]\nmodels = \"models\"\nkey_ring = \"ring.toml\"\n",
    )
    .unwrap();
    let mut logs = Vec::new();
    for workers in ["1", "3"] {
        all(
            &directory,
            &format!("watch --pcap odd.pcap --config box.toml --workers {workers} --out log-{workers}"),
        );
        logs.push(fs::read_to_string(directory.join(format!("log-{workers}/eve.json"))).unwrap());
    }
    assert!(logs[0] == logs[1], "the log depends on the number of workers");
    let ids = told(&directory.join("log-1/eve.json"), "anomaly");
    let text = all(&directory, &format!("learn explain {} --log log-1", ids[0]));
    expect![[r#"
        behaviour c0-321-0 at 2025-10-09T09:53:20.199000+0000
          10.0.0.1 -> 10.0.0.3
          kind: anomaly
          what was seen: 10.0.0.1 behaves as devices of any kind do not: service udp/69 (normal: udp/502); outcome nobody answered (normal: answered); spread of sizes of the sender's card over 100.0 s 540.85 (normal: 0.00 to 4.43); spread of sizes of the sender over 100.0 s 540.85 (normal: 0.00 to 4.43); spread of sizes of the sender's card over 1.0 s 0.00 (normal: 0.00 to 0.00)
            service: udp/69, normal: udp/502
            outcome: silent, normal: answered
            spread of sizes of the sender's card over 100.0 s: 540.85, normal: 0.00 to 4.43
            spread of sizes of the sender over 100.0 s: 540.85, normal: 0.00 to 4.43
            spread of sizes of the sender's card over 1.0 s: 0.00, normal: 0.00 to 0.00
          what is normal: how the devices of its class score in normal minutes, as the signed model has it
          why it matters: nothing is known of this attack, if it is one: the device only does what those of its kind never do
          what to check:
            1. was something changed on the device, or in what it talks with?
            2. do others of its kind do the same? then it is rather a change than an attack
            3. if it is right so: train the model with it, and sign it, or say that it is normal here
          score: 1.0000000: one in 1000000000000 is so by chance
          conversations: 12
          packets: 12
          evidence t79.0: flow 10.0.0.1 -> 10.0.0.3
    "#]].assert_eq(&text);
    let show = all(&directory, "learn show any.signed --log log-1");
    assert!(
        show.contains("with windows") && show.contains("drift: no whole day"),
        "{show}"
    );
    all(
        &directory,
        "watch --pcap normal.pcap --config box.toml --out quiet",
    );
    assert!(told(&directory.join("quiet/eve.json"), "anomaly").is_empty());
}
