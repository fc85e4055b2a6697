//! Allow-lists through the real binary: learned from the built-in story, signed, held against it, refused
//! where they are not to be believed, and exported.

#[path = "support/command.rs"]
mod command;

use std::fs;
use std::path::{Path, PathBuf};

use command::{good, run};
use serde_json::Value;
use xtask::story::{Options, generate};

fn scratch(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("citywall-allow-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    let story = generate(Options {
        seed: 1,
        without_writes: false,
    })
    .unwrap();
    fs::write(path.join("story.pcap"), &story.pcap).unwrap();
    fs::write(path.join("city.toml"), &story.city).unwrap();
    path
}

/// A key, its keyring, and a list of the story signed with serial 7.
fn signed(directory: &Path) {
    good(directory, &["keys", "new", "ada.key"]);
    let entry = good(
        directory,
        &[
            "keys",
            "show",
            "ada.key",
            "--name",
            "ada",
            "--principal",
            "Ada",
            "--purpose",
            "allow-list",
        ],
    );
    fs::write(directory.join("ring.toml"), format!("version = 1\n{entry}")).unwrap();
    let train = [
        "learn",
        "allow-list",
        "train",
        "--from",
        "story.pcap",
        "--city",
        "city.toml",
        "--slot",
        "60",
        "--out",
        "list",
    ];
    good(directory, &train);
    sign(directory, "7", "site.allow-list");
    let text = "[learning]\nallow_list = \"site.allow-list\"\nkey_ring = \"ring.toml\"\nstate = \"state\"\n";
    fs::write(directory.join("box.toml"), text).unwrap();
}

fn sign(directory: &Path, serial: &str, out: &str) {
    let sign = [
        "learn",
        "allow-list",
        "sign",
        "list",
        "--key",
        "ada.key",
        "--serial",
        serial,
        "--out",
        out,
    ];
    good(directory, &sign);
}

const WATCH: [&str; 10] = [
    "watch",
    "--pcap",
    "story.pcap",
    "--city",
    "city.toml",
    "--config",
    "box.toml",
    "--out",
    "log",
    "-v",
];

fn told(directory: &Path) -> Vec<Value> {
    let log = fs::read_to_string(directory.join("log/eve.json")).unwrap();
    let events = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    events
        .filter(|event| event["event_type"] == "behaviour")
        .collect()
}

#[test]
fn what_nobody_learned_is_told_and_who_may_not_be_believed_is_refused() {
    let directory = scratch("watch");
    signed(&directory);
    let verify = [
        "learn",
        "allow-list",
        "verify",
        "site.allow-list",
        "--key-ring",
        "ring.toml",
    ];
    good(&directory, &verify);
    let page = good(&directory, &WATCH);
    assert!(page.contains("held against the signed list"), "{page}");
    let found = told(&directory);
    let of = |kind: &str| {
        found
            .iter()
            .filter(|event| event["behaviour"]["kind"] == kind)
            .count()
    };
    // The camera that was taken over reaches the pumps, and commands one.
    assert!(of("new_peer") > 0 && of("new_commander") > 0, "{found:#?}");
    for event in &found {
        let reason = event["behaviour"]["reason"].as_str().unwrap();
        let kind = event["behaviour"]["kind"].as_str().unwrap();
        assert!(
            !kind.starts_with("new_") || reason.contains("normal: "),
            "{reason}"
        );
    }
    // The log is the same for any number of workers.
    let log = fs::read(directory.join("log/eve.json")).unwrap();
    good(&directory, &[&WATCH[..], &["--workers", "3"]].concat());
    assert!(fs::read(directory.join("log/eve.json")).unwrap() == log);

    // An older one, then an altered one: the last good one goes on, and it is said.
    let text = fs::read_to_string(directory.join("site.allow-list")).unwrap();
    let altered = text.replacen("\"serial\":7", "\"serial\":8", 1);
    assert_ne!(altered, text);
    sign(&directory, "6", "older");
    let older = fs::read_to_string(directory.join("older")).unwrap();
    let unsigned = fs::read_to_string(directory.join("list")).unwrap();
    for (wrong, why) in [
        (&older, "serial 6"),
        (&altered, "signature does not fit"),
        (&unsigned, "no signed file"),
    ] {
        fs::write(directory.join("site.allow-list"), wrong).unwrap();
        let output = run(&directory, &WATCH);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{error}");
        assert!(
            error.contains(why) && error.contains("the last good list goes on"),
            "{error}"
        );
        assert!(fs::read(directory.join("log/eve.json")).unwrap() == log);
        assert_eq!(
            run(&directory, &[&verify[..], &["--state", "state"]].concat())
                .status
                .code(),
            Some(1)
        );
    }
    // Without one that was good before, nothing starts.
    fs::remove_dir_all(directory.join("state")).unwrap();
    assert_eq!(run(&directory, &WATCH).status.code(), Some(2));
    let _ = fs::remove_dir_all(&directory);
}

#[test]
fn learning_says_how_far_it_is_and_goes_on_after_a_restart() {
    let directory = scratch("learning");
    fs::write(directory.join("box.toml"), "[learning]\nstate = \"state\"\n").unwrap();
    let page = good(&directory, &WATCH);
    assert!(page.contains("learning, day 1 of 7"), "{page}");
    let first = fs::read(directory.join("state/learning.json")).unwrap();
    good(&directory, &WATCH);
    let second = fs::read(directory.join("state/learning.json")).unwrap();
    assert!(first != second, "it went on from what it had");
    let page = good(
        &directory,
        &[
            "learn",
            "allow-list",
            "train",
            "--from",
            "state",
            "--city",
            "city.toml",
        ],
    );
    assert!(page.contains("habits of"), "{page}");
    // From the log it is learned, too.
    let page = good(
        &directory,
        &[
            "learn",
            "allow-list",
            "train",
            "--from",
            "log",
            "--city",
            "city.toml",
            "--slot",
            "60",
        ],
    );
    assert!(page.contains("contacts") && page.contains("tells"), "{page}");
    let _ = fs::remove_dir_all(&directory);
}

#[test]
fn a_list_in_other_forms_is_taken_by_those_who_enforce_it() {
    let directory = scratch("export");
    signed(&directory);
    let export = |form: &str, more: &[&str]| {
        let export = [
            "learn",
            "allow-list",
            "export",
            "site.allow-list",
            "--as",
            form,
            "--city",
            "city.toml",
        ];
        good(&directory, &[&export[..], more].concat())
    };
    let rules = export("rules", &[]);
    assert!(
        rules.lines().filter(|line| line.starts_with("alert ")).count() > 4,
        "{rules}"
    );
    fs::write(directory.join("list.rules"), &rules).unwrap();
    let check = run(
        &directory,
        &["check", "--city", "city.toml", "--rules", "list.rules"],
    );
    let said = String::from_utf8_lossy(&check.stdout).into_owned() + &String::from_utf8_lossy(&check.stderr);
    assert!(
        !said.contains("refused:") && check.status.code() == Some(0),
        "{said}"
    );
    // Beside the city, what its conduits do not allow yet; without one, a whole city file.
    let conduits = good(
        &directory,
        &[
            "learn",
            "allow-list",
            "train",
            "--from",
            "story.pcap",
            "--slot",
            "60",
            "--out",
            "bare",
        ],
    );
    assert!(conduits.contains("habits"), "{conduits}");
    let export = ["learn", "allow-list", "export", "bare", "--as", "conduits"];
    let city = good(&directory, &export);
    assert!(city.contains("[[conduit]]"), "{city}");
    fs::write(directory.join("made.toml"), &city).unwrap();
    good(&directory, &["check", "--city", "made.toml"]);
    let shown = good(&directory, &["learn", "allow-list", "show", "site.allow-list"]);
    assert!(shown.contains(" tells "), "{shown}");
    let _ = fs::remove_dir_all(&directory);
}
