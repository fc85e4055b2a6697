//! Namespaces, a running enforcer, a sensor's and people's words.

#[path = "../support/namespace.rs"]
mod namespace;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use serde_json::{Value, json};

use namespace::inside_of;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_citywall");
pub const PATIENCE: Duration = Duration::from_secs(20);

pub const CITY: &str = r#"
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
pub fn inside(test: &str) -> bool {
    inside_of(
        "-Urnm",
        "nft list tables",
        test,
        "no user namespace with nft can be made (unshare, nftables)",
    )
}

/// The same with all users there are: what only real root can try.
pub fn inside_as_root(test: &str) -> bool {
    inside_of(
        "-nm",
        "nft list tables",
        test,
        "only real root can be several users (run the tests as root)",
    )
}

/// A running enforcer and its folder.
pub struct Enforcer {
    pub folder: PathBuf,
    pub child: Child,
}

impl Enforcer {
    pub fn start(test: &str) -> Enforcer {
        Enforcer::start_with(test, CITY, &[])
    }

    /// Where a test's enforcer has its files; its journal is the folder `journal` there.
    pub fn folder(test: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("citywall-{test}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    /// With another city, and more arguments.
    pub fn start_with(test: &str, city: &str, arguments: &[&str]) -> Enforcer {
        let folder = Enforcer::folder(test);
        fs::write(folder.join("city.toml"), city).unwrap();
        let child = Enforcer::launch_with(&folder, "", arguments);
        let enforcer = Enforcer { folder, child };
        enforcer.ready();
        enforcer
    }

    pub fn launch(folder: &Path, fault: &str) -> Child {
        Enforcer::launch_with(folder, fault, &[])
    }

    fn launch_with(folder: &Path, fault: &str, arguments: &[&str]) -> Child {
        Command::new(PROGRAM)
            .args(["-v", "enforce", "--serve", "--sensor", "0", "--city"])
            .arg(folder.join("city.toml"))
            .arg("--socket")
            .arg(folder.join("control"))
            .args(arguments)
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

    pub fn ready(&self) {
        let end = Instant::now() + PATIENCE;
        while !self.actions(&["status"]).status.success() {
            let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(Instant::now() < end, "it does not serve: {log}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn again(&mut self, fault: &str) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.child = Enforcer::launch(&self.folder, fault);
        self.ready();
    }

    pub fn actions(&self, arguments: &[&str]) -> Output {
        self.actions_as(0, arguments)
    }

    /// As somebody else, where this is real root.
    pub fn actions_as(&self, uid: u32, arguments: &[&str]) -> Output {
        let mut command = Command::new(PROGRAM);
        if uid != 0 {
            command.uid(uid).gid(uid);
        }
        command
            .arg("actions")
            .args(arguments)
            .arg("--socket")
            .arg(self.folder.join("control"))
            .output()
            .unwrap()
    }

    pub fn list(&self) -> Vec<Value> {
        let output = self.actions(&["list", "--json"]);
        let all: Value = serde_json::from_slice(&output.stdout).unwrap();
        all["actions"].as_array().unwrap().clone()
    }

    pub fn stage(&self, id: &str) -> String {
        let found = self.list().into_iter().find(|action| action["id"] == id);
        found.map_or(String::new(), |action| {
            action["stage"].as_str().unwrap().to_owned()
        })
    }

    pub fn sensor(&self) -> BufReader<UnixStream> {
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
        if std::thread::panicking() {
            eprintln!(
                "{}",
                fs::read_to_string(self.folder.join("log")).unwrap_or_default()
            );
        }
        let _ = rustix::process::kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

pub fn notice(number: usize) -> String {
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

/// All tables, in an order that does not depend on which was made first.
pub fn ruleset() -> String {
    let output = Command::new("nft")
        .args(["-s", "list", "ruleset"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut tables: Vec<&str> = text.split_inclusive("\n}\n").collect();
    tables.sort_unstable();
    tables.concat()
}

pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
