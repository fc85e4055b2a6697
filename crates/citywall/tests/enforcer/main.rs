//! The enforcer with the real binary, real nft and the real control socket, in namespaces of each
//! test's own. `trials` has what goes wrong around it: death, full disks, accounts, health.

mod rig;
mod trials;
mod walk;

use std::fs;
use std::io::{BufRead, Write};
use std::process::Command;
use std::time::{Duration, Instant};

use rig::*;
use serde_json::Value;

#[test]
fn what_is_proposed_is_approved_held_and_taken_back() {
    if !inside("what_is_proposed_is_approved_held_and_taken_back") {
        return;
    }
    let mut enforcer = Enforcer::start("walk");
    let before = ruleset();
    let mut sensor = enforcer.sensor();
    sensor.get_mut().write_all(notice(0).as_bytes()).unwrap();
    let id = "I0-0-1.1";
    until("a proposal", || enforcer.stage(id) == "proposed");
    assert_eq!(ruleset(), before, "a proposal changes nothing");
    let output = enforcer.actions(&["approve", id]);
    assert!(output.status.success(), "{output:?}");
    assert!(ruleset().contains(&format!("comment \"{id}\"")), "{}", ruleset());

    // Both die; the kernel goes on; the next one takes it up and nothing lives longer.
    let remaining = |action: &Value| action["remaining_s"].as_i64().unwrap();
    let left = remaining(&enforcer.list()[0]);
    enforcer.again("");
    assert_eq!(enforcer.stage(id), "active");
    assert!(remaining(&enforcer.list()[0]) <= left);

    let asked = Instant::now();
    let output = enforcer.actions(&["undo", id, "--reason", "a fitter"]);
    assert!(output.status.success(), "{output:?}");
    assert!(asked.elapsed() < Duration::from_secs(5));
    assert_eq!(ruleset(), before);
    assert_eq!(enforcer.stage(id), "ended");
    let output = enforcer.actions(&["undo", "I9-9.9"]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn dead_at_any_step_the_ruleset_is_as_before_after_undoing() {
    if !inside("dead_at_any_step_the_ruleset_is_as_before_after_undoing") {
        return;
    }
    let mut before = None;
    let places = [
        "before-journal",
        "after-journal",
        "after-apply",
        "after-answer",
        "hand-before:4",
        "hand-after:4",
    ];
    for (number, place) in places.iter().enumerate() {
        // Each with a journal of its own: what was taken back once is not proposed again for a while.
        let mut enforcer = Enforcer::start(&format!("steps-{number}"));
        let before = before.get_or_insert_with(ruleset);
        let mut sensor = enforcer.sensor();
        sensor.get_mut().write_all(notice(0).as_bytes()).unwrap();
        let id = "I0-0-1.1";
        until("a proposal", || enforcer.stage(id) == "proposed");
        // The next one dies while it approves, or before it comes to that.
        let _ = enforcer.child.kill();
        let _ = enforcer.child.wait();
        enforcer.child = Enforcer::launch(&enforcer.folder, place);
        let end = Instant::now() + Duration::from_secs(3);
        while Instant::now() < end && enforcer.child.try_wait().unwrap().is_none() {
            let _ = enforcer.actions(&["approve", id]);
            std::thread::sleep(Duration::from_millis(50));
        }
        enforcer.again("");
        until(place, || {
            let under_way = ["applying", "undoing"];
            let is_still = |action: &Value| under_way.iter().all(|stage| action["stage"] != *stage);
            enforcer.list().iter().all(is_still)
        });
        for action in enforcer.list() {
            if action["stage"] == "active" {
                let id = action["id"].as_str().unwrap();
                assert!(
                    enforcer.actions(&["undo", id]).status.success(),
                    "{place}: {action}"
                );
            }
        }
        // What was begun and not done is taken back by itself, right after the start.
        until(place, || ruleset() == *before);
    }
}

#[test]
fn a_storm_and_hostile_lines_leave_it_serving() {
    if !inside("a_storm_and_hostile_lines_leave_it_serving") {
        return;
    }
    let enforcer = Enforcer::start("storm");
    let before = ruleset();
    let mut sensor = enforcer.sensor();
    for number in 0..10_000 {
        sensor.get_mut().write_all(notice(number).as_bytes()).unwrap();
    }
    for hostile in [
        "\u{0}\n",
        "{}\n",
        "[[[[\n",
        "{\"type\":\"undo\",\"action\":\"x\"}\n",
        "\n",
    ] {
        sensor.get_mut().write_all(hostile.as_bytes()).unwrap();
    }
    let heard = || {
        let output = enforcer.actions(&["status", "--json"]);
        let all: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        all["status"]["notices"].as_u64() == Some(10_000)
            && all["status"]["refused_lines"].as_u64() >= Some(4)
    };
    until("all notices", heard);
    assert_eq!(ruleset(), before, "nobody approved anything");
    // A line without end is cut off.
    let mut endless = enforcer.sensor();
    let _ = endless.get_mut().write_all(&vec![b'x'; 200_000]);
    let mut line = String::new();
    while endless.read_line(&mut line).is_ok_and(|n| n > 0) {}
    assert!(line.contains("too-long") || !line.contains("welcome"), "{line}");
    assert!(enforcer.actions(&["status"]).status.success());
}

#[test]
fn neither_process_can_do_what_it_must_not() {
    if !inside("neither_process_can_do_what_it_must_not") {
        return;
    }
    let folder = std::env::temp_dir().join(format!("citywall-probe-test-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("city.toml"), CITY).unwrap();
    let output = Command::new(PROGRAM)
        .args(["enforce", "--serve", "--probe", "--city"])
        .arg(folder.join("city.toml"))
        .arg("--socket")
        .arg(folder.join("control"))
        .arg("--journal")
        .arg(folder.join("journal"))
        .output()
        .unwrap();
    fs::remove_dir_all(&folder).unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "enforcer: []\nhand: []\n",
        "{output:?}"
    );
    assert_eq!(output.status.code(), Some(0));
}
