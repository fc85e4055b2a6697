//! What goes wrong around an enforcer: all of ours dead, a full disk, several accounts, a device that
//! fares worse.

use std::fs;
use std::io::Write;
use std::process::Command;
use std::time::Instant;

use serde_json::{Value, json};

use super::rig::*;

fn sh(script: &str) {
    let output = Command::new("sh").args(["-ec", script]).output().unwrap();
    assert!(output.status.success(), "{script}: {output:?}");
}

/// The processes that an enforcer is made of: itself and all below it, but for the kernel's own program,
/// which its hand starts for a moment each time.
fn processes(enforcer: &Enforcer) -> Vec<(u32, String)> {
    let mut all = vec![enforcer.child.id()];
    let mut found = Vec::new();
    let mut next = 0;
    while let Some(parent) = all.get(next).copied() {
        next += 1;
        let text = fs::read_to_string(format!("/proc/{parent}/cmdline")).unwrap_or_default();
        let program = text.split('\0').next().unwrap_or_default();
        if !program.ends_with("/nft") {
            found.push((parent, text.replace('\0', " ")));
        }
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            let fields: Vec<&str> = stat
                .rsplit_once(") ")
                .map_or(Vec::new(), |(_, f)| f.split(' ').collect());
            let pid = entry.file_name().to_str().and_then(|n| n.parse().ok());
            if let (Some(pid), Some(true)) = (pid, fields.get(1).map(|p| *p == parent.to_string())) {
                all.push(pid);
            }
        }
    }
    found
}

#[test]
fn with_every_process_dead_the_kernel_undoes_by_itself() {
    if !inside("trials::with_every_process_dead_the_kernel_undoes_by_itself") {
        return;
    }
    let mut enforcer = Enforcer::start_with("ttl", CITY, &["--time-to-live", "6"]);
    let before = ruleset();
    let mut sensor = enforcer.sensor();
    sensor.get_mut().write_all(notice(0).as_bytes()).unwrap();
    let id = "I0-0-1.1";
    until("a proposal", || enforcer.stage(id) == "proposed");
    assert!(enforcer.actions(&["approve", id]).status.success());
    let all = processes(&enforcer);
    assert!(all.len() >= 4, "enforcer, hand, holder, parser: {all:?}");
    for (pid, _) in &all {
        let pid = rustix::process::Pid::from_raw(i32::try_from(*pid).unwrap()).unwrap();
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
    enforcer.child.wait().unwrap();
    assert!(
        ruleset().contains(&format!("comment \"{id}\"")),
        "gone before its time"
    );
    until("the end of its time", || ruleset() == before);
}

#[test]
fn what_is_told_about_the_place_counts_while_serving_too() {
    if !inside("trials::what_is_told_about_the_place_counts_while_serving_too") {
        return;
    }
    let arguments = [
        "--management",
        "10.9.0.0/24",
        "--management",
        "10.2.0.0/28",
        "--log",
        "7",
    ];
    let enforcer = Enforcer::start_with("place", CITY, &arguments);
    let spared = Command::new("nft")
        .args(["list", "set", "inet", "citywall", "spared4"])
        .output()
        .unwrap();
    assert!(
        String::from_utf8_lossy(&spared.stdout).contains("10.9.0.0/24"),
        "{spared:?}"
    );
    assert!(ruleset().contains("limit rate 7/second"), "{}", ruleset());
    // Who runs the machine from there is not cut off by anybody; its neighbour is somebody else.
    let propose = |host: &str| enforcer.actions(&["propose", "isolate", host, "--reason", "it scans"]);
    let refused = propose("10.2.0.7");
    assert!(!refused.status.success(), "{refused:?}");
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("management"),
        "{refused:?}"
    );
    let proposed = propose("10.2.0.17");
    assert!(proposed.status.success(), "{proposed:?}");
}

#[test]
fn on_a_full_disk_nothing_is_done_that_is_not_recorded() {
    if !inside("trials::on_a_full_disk_nothing_is_done_that_is_not_recorded") {
        return;
    }
    let disk = Enforcer::folder("disk").join("journal");
    fs::create_dir(&disk).unwrap();
    let place = disk.display();
    sh(&format!("mount -t tmpfs -o size=256k none {place}"));
    let enforcer = Enforcer::start("disk");
    let before = ruleset();
    let mut sensor = enforcer.sensor();
    sensor.get_mut().write_all(notice(0).as_bytes()).unwrap();
    let id = "I0-0-1.1";
    until("a proposal", || enforcer.stage(id) == "proposed");
    // Somebody else fills it.
    let full = fs::write(disk.join("other"), vec![b'x'; 1 << 20]).unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    let status = || {
        let output = enforcer.actions(&["status", "--json"]);
        let all: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        all["status"]["journal"].as_str().unwrap_or_default().to_owned()
    };
    let mut refused = String::new();
    until("a refusal", || {
        // What still fits into the last page is written, and no more.
        let reason = "x".repeat(900);
        let output = enforcer.actions(&["propose", "isolate", "10.2.0.200", "--reason", &reason]);
        refused = String::from_utf8_lossy(&output.stderr).into_owned();
        refused.contains("the journal cannot be written")
    });
    assert!(
        refused.contains("what cannot be recorded is not done"),
        "{refused}"
    );
    let output = enforcer.actions(&["approve", id]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("the journal cannot be written"), "{told}");
    assert_eq!(ruleset(), before, "done without a record");
    assert_ne!(status(), "written");
    // There is room again: it is written by itself, and the same approval counts.
    fs::remove_file(disk.join("other")).unwrap();
    until("a journal that is written", || status() == "written");
    assert!(enforcer.actions(&["approve", id]).status.success());
    assert!(ruleset().contains(&format!("comment \"{id}\"")));
    sh(&format!("umount -l {place}"));
}

const ACCOUNTS: &str = r##"
[city]
name = "Test"
[[domain]]
name = "health"
[[zone]]
name = "ward"
domain = "health"
networks = ["10.1.0.0/24"]
criticality = "safety"
[[zone]]
name = "offices"
domain = "health"
networks = ["10.2.0.0/24"]
criticality = "normal"
[[asset]]
name = "monitor"
zone = "ward"
address = "10.1.0.7"
role = "medical"
[[person]]
name = "Ada"
unix = ["#4001", "#4003"]
roles = ["operator", "approver"]
[[person]]
name = "Ben"
unix = "#4002"
roles = ["approver"]
[[person]]
name = "Root"
unix = "root"
roles = ["operator"]
"##;

/// Real root, and real accounts: rights are given up, and a safety plan takes two people.
#[test]
fn a_safety_plan_takes_two_people_however_many_accounts_one_has() {
    if !inside_as_root("trials::a_safety_plan_takes_two_people_however_many_accounts_one_has") {
        return;
    }
    sh("ip link set lo up");
    let enforcer = Enforcer::start_with("two", ACCOUNTS, &[]);
    // None of its processes is root, or has a right that it does not need.
    until("all four", || processes(&enforcer).len() >= 4);
    let mut looked_at = 0;
    for (pid, words) in processes(&enforcer) {
        // What the hand had just started may be over.
        let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else {
            continue;
        };
        looked_at += 1;
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace()
                .skip(1)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(field("Uid:"), ["65534"; 4], "{words}");
        assert_eq!(field("Gid:"), ["65534"; 4], "{words}");
        let needs = words.contains(" hand") || words.contains(" inline") && !words.contains("--parser");
        let right = if needs {
            "0000000000001000"
        } else {
            "0000000000000000"
        };
        assert_eq!(field("CapEff:"), [right], "{words}");
        assert_eq!(field("Seccomp:"), ["2"], "{words}");
    }
    assert!(looked_at >= 4);
    let notice = json!({
        "type": "notice", "incident": "I0-0-1", "change": "opened", "severity": 1,
        "kinds": ["command"], "title": "a monitor writes", "at": 1_700_000_000_000_000_000i64,
        "suspects": [{ "name": "monitor", "address": "10.1.0.7", "taken": true, "proved": true }],
        "crossings": [], "changes": [{ "suspect": 0, "target": "10.2.0.5", "protocol": "modbus" }],
        "evidence": ["0-1-1"],
    });
    let mut sensor = enforcer.sensor();
    writeln!(sensor.get_mut(), "{notice}").unwrap();
    let found = || enforcer.list().into_iter().find(|a| a["rung"] == "deny-command");
    until("a proposal", || found().is_some());
    let plan = found().unwrap();
    assert_eq!(plan["needed"], 2, "{plan}");
    let id = plan["id"].as_str().unwrap();
    let before = ruleset();
    let approve = |uid| {
        let output = enforcer.actions_as(uid, &["approve", id]);
        let told = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        (output.status.success(), told.into_owned())
    };
    // Nobody in particular, and one who may not.
    for uid in [4_004, 0] {
        let (done, told) = approve(uid);
        assert!(!done, "{uid}: {told}");
    }
    let (done, told) = approve(4_001);
    assert!(done && told.contains("somebody else"), "{told}");
    // The same person by another account, and once more.
    for uid in [4_003, 4_001] {
        let (_, told) = approve(uid);
        assert_eq!(enforcer.stage(id), "proposed", "{uid}: {told}");
        assert_eq!(
            found().unwrap()["approvals"].as_array().unwrap().len(),
            1,
            "{uid}: {told}"
        );
        assert_eq!(ruleset(), before);
    }
    let (done, told) = approve(4_002);
    assert!(done, "{told}");
    assert_eq!(enforcer.stage(id), "active");
    assert!(ruleset().contains(&format!("comment \"{id}")), "{}", ruleset());
}

/// What the health gate hears of a device, and why it takes an action back.
#[test]
fn an_action_under_which_something_fares_worse_is_taken_back_by_itself() {
    if !inside("trials::an_action_under_which_something_fares_worse_is_taken_back_by_itself") {
        return;
    }
    let well = json!({ "packets": 1_000, "asked": 10, "answered": 10, "lost": 0, "heartbeat": true });
    let ill = [
        (
            "its heartbeat stopped",
            json!({ "packets": 900, "asked": 10, "answered": 10, "lost": 0, "heartbeat": false }),
        ),
        (
            "40 of 100 requests are answered",
            json!({ "packets": 900, "asked": 10, "answered": 4, "lost": 0, "heartbeat": true }),
        ),
        (
            "5 packets of permitted work were lost",
            json!({ "packets": 900, "asked": 10, "answered": 10, "lost": 5, "heartbeat": true }),
        ),
    ];
    for (number, (why, ill)) in ill.into_iter().enumerate() {
        let enforcer = Enforcer::start(&format!("health-{number}"));
        let before = ruleset();
        let mut sensor = enforcer.sensor();
        let mut tell = |vitals: &Value| {
            let mut vital = vitals.clone();
            vital["address"] = "10.1.0.5".into();
            vital["span"] = 500_000_000.into();
            writeln!(
                sensor.get_mut(),
                "{}",
                json!({ "type": "vitals", "vitals": [vital] })
            )
            .unwrap();
        };
        let mut hears = enforcer.sensor();
        // Whom the camera reached is watched from the proposal on: how it fared before must be known.
        let notice = json!({
            "type": "notice", "incident": "I0-0-1", "change": "opened", "severity": 1,
            "kinds": ["command"], "title": "a camera writes", "at": 1_700_000_000_000_000_000i64,
            "suspects": [{ "name": "cam", "address": "10.2.0.7", "taken": false, "proved": true }],
            "crossings": [], "changes": [{ "suspect": 0, "target": "10.1.0.5", "protocol": "modbus" }],
            "evidence": ["0-1-1"],
        });
        writeln!(hears.get_mut(), "{notice}").unwrap();
        let found = || enforcer.list().into_iter().find(|a| a["rung"] == "deny-command");
        until("a proposal", || found().is_some());
        let mut line = String::new();
        while !line.contains("10.1.0.5") {
            line.clear();
            std::io::BufRead::read_line(&mut hears, &mut line).unwrap();
        }
        assert!(line.contains("wanted"), "{line}");
        tell(&well);
        let id = found().unwrap()["id"].as_str().unwrap().to_owned();
        assert!(enforcer.actions(&["approve", &id]).status.success());
        assert_ne!(ruleset(), before);
        tell(&well);
        assert_eq!(enforcer.stage(&id), "active");
        let since = Instant::now();
        tell(&ill);
        until("the way back", || ruleset() == before);
        // A figure, not a law: a busy machine may take longer.
        eprintln!(
            "taken back {} ms after what shows it",
            since.elapsed().as_millis()
        );
        until("its end", || enforcer.stage(&id) == "ended");
        let ended = found().unwrap();
        assert!(ended["outcome"].to_string().contains(why), "{ended}");
    }
}
