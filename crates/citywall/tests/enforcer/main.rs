//! The enforcer with the real binary, real nft and the real control socket, in namespaces of each
//! test's own.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use serde_json::{Value, json};

/// Names the test that runs in the namespace.
const INSIDE: &str = "CITYWALL_TEST_IN_NAMESPACE";
const PROGRAM: &str = env!("CARGO_BIN_EXE_citywall");
const PATIENCE: Duration = Duration::from_secs(20);

const CITY: &str = r#"
[city]
name = "Test"

[[domain]]
name = "traffic"
department = "Roads"

[[zone]]
name = "signals"
domain = "traffic"
networks = ["10.1.0.0/24"]
criticality = "normal"

[[zone]]
name = "cameras"
domain = "traffic"
networks = ["10.2.0.0/24"]
criticality = "normal"

[[asset]]
name = "cam-1"
zone = "cameras"
address = "10.2.0.7"
role = "camera"

[[conduit]]
from = ["signals"]
to = ["cameras"]
allow = ["http"]

[[person]]
name = "Ada"
unix = "root"
roles = ["operator", "approver"]
"#;

/// True in the namespace; outside it starts the test there and passes on how it went.
fn inside(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some_and(|name| name == test) {
        return true;
    }
    let able = Command::new("unshare")
        .args(["-Urnm", "nft", "list", "tables"])
        .output();
    if !able.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: {test}: no user namespace with nft can be made (unshare, nftables)");
        return false;
    }
    let output = Command::new("unshare")
        .args(["-Urnm", "--kill-child"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, test)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    false
}

/// A running enforcer and its folder.
struct Enforcer {
    folder: PathBuf,
    child: Child,
}

impl Enforcer {
    fn start(test: &str) -> Enforcer {
        let folder = std::env::temp_dir().join(format!("citywall-{test}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("city.toml"), CITY).unwrap();
        let child = Enforcer::launch(&folder, "");
        let enforcer = Enforcer { folder, child };
        enforcer.ready();
        enforcer
    }

    fn launch(folder: &std::path::Path, fault: &str) -> Child {
        Command::new(PROGRAM)
            .args(["-v", "enforce", "--serve", "--sensor", "0", "--city"])
            .arg(folder.join("city.toml"))
            .arg("--socket")
            .arg(folder.join("control"))
            .arg("--journal")
            .arg(folder.join("journal"))
            .env("CITYWALL_FAULT", fault)
            .stdout(Stdio::null())
            .stderr(
                fs::OpenOptions::new()
                    .create(true)
                    .append(true)
                    .open(folder.join("log"))
                    .unwrap(),
            )
            .spawn()
            .unwrap()
    }

    fn ready(&self) {
        let end = Instant::now() + PATIENCE;
        while !self.actions(&["status"]).status.success() {
            let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(Instant::now() < end, "it does not serve: {log}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn again(&mut self, fault: &str) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.child = Enforcer::launch(&self.folder, fault);
        self.ready();
    }

    fn actions(&self, arguments: &[&str]) -> Output {
        Command::new(PROGRAM)
            .arg("actions")
            .args(arguments)
            .arg("--socket")
            .arg(self.folder.join("control"))
            .output()
            .unwrap()
    }

    fn list(&self) -> Vec<Value> {
        let output = self.actions(&["list", "--json"]);
        let all: Value = serde_json::from_slice(&output.stdout).unwrap();
        all["actions"].as_array().unwrap().clone()
    }

    fn stage(&self, id: &str) -> String {
        let found = self.list().into_iter().find(|action| action["id"] == id);
        found.map_or(String::new(), |action| {
            action["stage"].as_str().unwrap().to_owned()
        })
    }

    fn sensor(&self) -> BufReader<UnixStream> {
        let mut stream = UnixStream::connect(self.folder.join("control")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        writeln!(stream, r#"{{"type":"hello","version":1,"as":"sensor"}}"#).unwrap();
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        assert!(line.contains("welcome"), "{line}");
        reader
    }
}

impl Drop for Enforcer {
    fn drop(&mut self) {
        let _ = rustix::process::kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn notice(number: usize) -> String {
    let address = format!("10.2.0.{}", 7 + number % 200);
    let notice = json!({
        "type": "notice", "incident": format!("I0-{number}-1"), "change": "opened", "severity": 1,
        "kinds": ["scan", "takeover"], "title": "a camera was taken over", "at": 1_700_000_000_000_000_000i64,
        "suspects": [{ "name": "cam", "address": address, "taken": true, "proved": true }],
        "crossings": [{ "suspect": 0, "zone": "signals", "targets": ["10.1.0.5"] }],
        "changes": [], "evidence": ["0-1-1"],
    });
    format!("{notice}\n")
}

fn ruleset() -> String {
    let output = Command::new("nft")
        .args(["-s", "list", "ruleset"])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

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
        for action in enforcer.list() {
            if action["stage"] == "active" {
                let id = action["id"].as_str().unwrap();
                assert!(
                    enforcer.actions(&["undo", id]).status.success(),
                    "{place}: {action}"
                );
            }
        }
        assert_eq!(ruleset(), *before, "{place}");
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
