//! JA4 and HASSH against the values that their authors publish with captures.
//!
//! Needs the `ja4` folder of the test data; says so loudly where it is absent.

mod replay;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

use citywall_transaction::{Buffer, Item, Transaction};
use replay::{Parties, data, replay};

type Values = BTreeMap<Parties, Vec<String>>;

/// All values of some buffers, by conversation.
fn found(capture: &Path, buffers: &[Buffer]) -> Values {
    let mut values = Values::new();
    for (parties, item) in replay(capture) {
        let Item::Transaction(transaction @ (Transaction::Tls(_) | Transaction::Ssh(_))) = item else {
            continue;
        };
        for which in buffers {
            transaction.record().buffers(*which, &mut |value| {
                let text = String::from_utf8_lossy(value).into_owned();
                values.entry(parties).or_default().push(text);
            });
        }
    }
    values
}

/// `key: value` of a line of the snapshots, whatever its indent.
fn field<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let line = line.trim_start().trim_start_matches("- ");
    line.strip_prefix(key)?.strip_prefix(": ")
}

/// The values of the streams of a snapshot (YAML of a fixed form) for which `take` gives some.
fn published(snapshot: &str, take: impl Fn(&str) -> Option<&str>) -> Values {
    let mut values = Values::new();
    for stream in snapshot.split("- stream: ").skip(1) {
        let value = |key| stream.lines().find_map(|line| field(line, key));
        let (Some(src), Some(dst), Some(sport), Some(dport)) =
            (value("src"), value("dst"), value("src_port"), value("dst_port"))
        else {
            continue;
        };
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        let port = |text: &str| text.parse::<u16>().expect("a port");
        let parties = (address(src), port(sport), address(dst), port(dport));
        let found: Vec<String> = stream.lines().filter_map(&take).map(str::to_owned).collect();
        if !found.is_empty() {
            values.entry(parties).or_default().extend(found);
        }
    }
    values
}

/// Captures with their snapshot.
fn snapshots(root: &Path) -> Vec<(String, std::path::PathBuf, String)> {
    let folder = root.join("rust/ja4/src/snapshots");
    let mut all: Vec<_> = std::fs::read_dir(&folder)
        .expect("the snapshots")
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let name = path
                .file_name()?
                .to_str()?
                .strip_suffix(".snap")?
                .split('@')
                .nth(1)?
                .to_owned();
            let capture = root.join("pcap").join(&name);
            let text = std::fs::read_to_string(&path).ok()?;
            capture.is_file().then_some((name, capture, text))
        })
        .collect();
    all.sort();
    all
}

#[test]
fn ja4_of_tcp_equals_the_published_values() {
    let Some(root) = data("ja4") else { return };
    let mut equal = 0;
    for (name, capture, snapshot) in snapshots(&root) {
        let expected = published(&snapshot, |line| {
            field(line, "ja4").filter(|v| v.starts_with('t'))
        });
        let mut found = found(&capture, &[Buffer::Ja4Hash]);
        // The snapshots hold a connection's first hello only.
        found.values_mut().for_each(|values| values.truncate(1));
        for (parties, values) in &expected {
            assert_eq!(found.get(parties), Some(values), "{name} {parties:?}");
            equal += values.len();
        }
    }
    assert_eq!(equal, 151);
}

#[test]
fn ja4_of_both_hellos_equals_the_published_values() {
    let Some(root) = data("ja4") else { return };
    let mut pairs = 0;
    for name in ["tls-handshake.pcapng", "tls-sni.pcapng"] {
        let json = root.join("python/test/testdata").join(format!("{name}.json"));
        let json = std::fs::read_to_string(json).expect("the JSON");
        let found = found(&root.join("pcap").join(name), &[Buffer::Ja4Hash]);
        for object in json.split("},").filter(|object| object.contains("\"JA4.2\"")) {
            let value = |key: &str| {
                let at = object.find(&format!("\"{key}\": \"")).expect("the key") + key.len() + 5;
                object[at..].split('"').next().expect("a value")
            };
            let address = |key| value(key).parse::<IpAddr>().expect("an address");
            let port = |key| value(key).parse::<u16>().expect("a port");
            let parties = (address("src"), port("srcport"), address("dst"), port("dstport"));
            let both = vec![value("JA4.1").to_owned(), value("JA4.2").to_owned()];
            assert_eq!(found.get(&parties), Some(&both), "{name} {parties:?}");
            pairs += 1;
        }
    }
    assert_eq!(pairs, 10);
}

#[test]
fn hassh_equals_the_published_values() {
    let Some(root) = data("ja4") else { return };
    let mut equal = 0;
    for (name, capture, snapshot) in snapshots(&root) {
        let expected = published(&snapshot, |line| {
            let value = field(line, "hassh").or_else(|| field(line, "hassh_server"));
            value.filter(|v| *v != "null")
        });
        let found = found(&capture, &[Buffer::SshHassh, Buffer::SshHasshServer]);
        for (parties, values) in &expected {
            assert_eq!(found.get(parties), Some(values), "{name} {parties:?}");
            equal += values.len();
        }
    }
    assert_eq!(equal, 20);
}
