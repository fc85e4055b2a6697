//! `citywall rehearse` on the built-in story, with the forbidden writes and without: what the real binary
//! says that automatic mode would have done.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use xtask::story::{Options, generate};

fn scratch(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("citywall-rehearse-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

fn citywall(directory: &Path, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_citywall"))
        .args(arguments)
        .current_dir(directory)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

fn story(without_writes: bool) -> PathBuf {
    let story = generate(Options {
        seed: 1,
        without_writes,
    })
    .unwrap();
    let directory = scratch(&format!("{without_writes}"));
    fs::write(directory.join("story.pcap"), &story.pcap).unwrap();
    fs::write(directory.join("city.toml"), &story.city).unwrap();
    directory
}

#[test]
fn a_capture_and_its_log_lead_to_the_same_decisions_byte_for_byte() {
    for without_writes in [false, true] {
        let directory = story(without_writes);
        let city = ["--city", "city.toml"];
        citywall(
            &directory,
            &[
                &["watch", "--pcap", "story.pcap", "--out", "log", "--json"],
                &city[..],
            ]
            .concat(),
        );
        for (from, journal) in [("story.pcap", "a"), ("log", "b"), ("story.pcap", "c")] {
            let more = ["rehearse", "--from", from, "--journal", journal, "--json"];
            let page = citywall(&directory, &[&more[..], &city[..]].concat());
            fs::write(directory.join(format!("{journal}.json")), page).unwrap();
        }
        let read = |name: &str| fs::read_to_string(directory.join(name)).unwrap();
        assert!(
            read("a").lines().count() > 3,
            "nothing was decided: {}",
            read("a")
        );
        assert_eq!(
            read("a"),
            read("b"),
            "the log leads to other decisions than its capture"
        );
        assert_eq!(read("a"), read("c"), "a capture leads to two decisions");
        assert_eq!(read("a.json"), read("b.json"));
        fs::remove_dir_all(&directory).unwrap();
    }
}

#[test]
fn the_story_would_have_been_answered_without_touching_work() {
    for without_writes in [false, true] {
        let directory = story(without_writes);
        let page = citywall(
            &directory,
            &[
                "rehearse",
                "--from",
                "story.pcap",
                "--city",
                "city.toml",
                "--json",
            ],
        );
        let page: Value = serde_json::from_str(&page).unwrap();
        let taken = page["taken"].as_array().unwrap();
        let all = taken.iter().chain(page["held_back"].as_array().unwrap());
        let rungs: Vec<&str> = all.filter_map(|a| a["rung"].as_str()).collect();
        assert!(rungs.contains(&"deny-conduit"), "{page:#}");
        assert_eq!(
            rungs.contains(&"deny-command"),
            !without_writes,
            "commands are denied where there were some: {page:#}"
        );
        // What no conduit allows is no work: denying it cuts none.
        for action in taken
            .iter()
            .filter(|a| a["rung"].as_str().is_some_and(|r| r.starts_with("deny-")))
        {
            assert_eq!(action["touched_work"], false, "{action:#}");
        }
        fs::remove_dir_all(&directory).unwrap();
    }
}

#[test]
fn without_an_act_nothing_is_done() {
    let page = citywall(Path::new("."), &["rehearse", "--mode", "propose"]);
    assert!(
        page.starts_with("Had people been asked and not answered: nothing would have been done."),
        "{page}"
    );
    let page = citywall(Path::new("."), &["rehearse", "--rungs", "observe,notify"]);
    assert!(
        page.starts_with("Had automatic mode been on: nothing would have been done."),
        "{page}"
    );
}

#[test]
fn a_run_and_its_rehearsal_want_the_same() {
    for without_writes in [false, true] {
        let directory = story(without_writes);
        let city = ["--city", "city.toml"];
        let watch = ["watch", "--pcap", "story.pcap", "--out", "log", "--json"];
        citywall(&directory, &[&watch[..], &city[..]].concat());
        let rehearse = ["rehearse", "--from", "log", "--mode", "propose", "--json"];
        let page = citywall(&directory, &[&rehearse[..], &city[..]].concat());
        let page: Value = serde_json::from_str(&page).unwrap();
        let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
        let mut rehearsed: Vec<[String; 5]> = page["held_back"]
            .as_array()
            .unwrap()
            .iter()
            .map(|a| [&a["id"], &a["incident"], &a["rung"], &a["target"], &a["reason"]].map(text))
            .collect();
        let log = fs::read_to_string(directory.join("log/eve.json")).unwrap();
        let mut watched: Vec<[String; 5]> = Vec::new();
        for line in log.lines() {
            let event: Value = serde_json::from_str(line).unwrap();
            let a = &event["action"];
            if event["event_type"] == "action" && a["status"] == "proposed" {
                watched.push([&a["id"], &a["incident"], &a["kind"], &a["target"], &a["reason"]].map(text));
            }
        }
        assert!(watched.len() > 3, "nothing was proposed: {log}");
        rehearsed.sort();
        watched.sort();
        assert_eq!(watched, rehearsed);
        fs::remove_dir_all(&directory).unwrap();
    }
}
