//! The console of a live run, on a veth pair in namespaces of the test's own: an incident's packets from the ring,
//! before and after a restart, and a city file that is read anew.

#[path = "support/namespace.rs"]
mod namespace;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use serde_json::Value;

/// No single wait takes longer.
const PATIENCE: Duration = Duration::from_secs(30);
const PROBE: &str = "ip link add cw0 type veth peer name cw1 && tcpreplay --version";
const LACKS: &str = "no network namespace, ip or tcpreplay";

fn until<T>(what: &str, mut holds: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = holds() {
            return value;
        }
        assert!(Instant::now() < end, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn shell(command: &str) {
    let output = Command::new("sh").args(["-c", command]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}: {told}");
}

/// What is sent through veth0 arrives on veth1.
fn veth() {
    shell("ip link set lo up && ip link add veth0 type veth peer name veth1");
    for name in ["veth0", "veth1"] {
        shell(&format!("echo 1 > /proc/sys/net/ipv6/conf/{name}/disable_ipv6"));
        shell(&format!("ip link set {name} mtu 9000 up"));
    }
}

fn story(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("story").join(name)
}

/// A running `citywall watch --interface veth1 --console`.
struct Live {
    child: Child,
    errors: PathBuf,
    host: String,
    cookie: String,
}

impl Drop for Live {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Live {
    fn start(folder: &Path, more: &[&str]) -> Live {
        let errors = folder.join("errors");
        let child = Command::new(env!("CARGO_BIN_EXE_citywall"))
            .args([
                "-v",
                "watch",
                "--interface",
                "veth1",
                "--console=127.0.0.1:0",
                "--json",
            ])
            .arg("--city")
            .arg(folder.join("city.toml"))
            .arg("--out")
            .arg(folder.join("out"))
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&errors).unwrap())
            .spawn()
            .unwrap();
        let mut live = Live {
            child,
            errors,
            host: String::new(),
            cookie: String::new(),
        };
        live.host = until("the console", || {
            let told = live.told();
            let (_, rest) = told.split_once("the console is at http://")?;
            Some(rest.lines().next()?.to_owned())
        });
        until("the interface", || {
            live.told().contains("watching veth1").then_some(())
        });
        live
    }

    fn told(&self) -> String {
        fs::read_to_string(&self.errors).unwrap()
    }

    fn signal(&self, signal: Signal) {
        rustix::process::kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn send(&self, method: &str, path: &str, body: &str) -> (u16, Vec<u8>) {
        let mut stream = TcpStream::connect(&self.host).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let form = "Content-Type: application/x-www-form-urlencoded";
        let (host, cookie, length) = (&self.host, &self.cookie, body.len());
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nCookie: {cookie}\r\n{form}\r\nContent-Length: {length}"
        );
        write!(stream, "{head}\r\n\r\n{body}").unwrap();
        let mut whole = Vec::new();
        stream.read_to_end(&mut whole).unwrap();
        let status = String::from_utf8_lossy(&whole[..12])[9..].parse().unwrap();
        (status, whole)
    }

    /// Logs in by a form's answer.
    fn enter(&mut self, path: &str, fields: &str) {
        let (status, answer) = self.send("POST", path, fields);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert_eq!(status, 303, "{answer}");
        let cookie = answer.lines().find_map(|l| l.strip_prefix("set-cookie: "));
        self.cookie = cookie.unwrap().split(';').next().unwrap().to_owned();
    }

    fn body(&self, path: &str) -> Vec<u8> {
        let (status, whole) = self.send("GET", path, "");
        let end = whole.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
        assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&whole[end..]));
        whole[end..].to_vec()
    }

    fn json(&self, path: &str) -> Value {
        serde_json::from_slice(&self.body(path)).unwrap()
    }

    /// The number of the worst incident, once it has as many reasons as an incident can.
    fn worst(&self) -> String {
        until("the story's incident", || {
            let list = self.json("/api/v1/incidents");
            let worst = list.as_array()?.iter().find(|i| i["severity"] == 1)?;
            Some(worst["number"].as_str()?.to_owned())
        })
    }

    /// Ends it, and gives what `summary.json` says.
    fn end(mut self, folder: &Path) -> Value {
        self.signal(Signal::INT);
        let status = until("the end", || self.child.try_wait().unwrap());
        assert!(status.success(), "{}", self.told());
        serde_json::from_str(&fs::read_to_string(folder.join("out/summary.json")).unwrap()).unwrap()
    }
}

/// Time (seconds, nanoseconds) and bytes of each packet of a capture that Citywall wrote.
fn packets(capture: &[u8]) -> Vec<((u32, u32), &[u8])> {
    let number = |at: usize| u32::from_le_bytes(capture[at..at + 4].try_into().unwrap());
    assert_eq!(number(0), 0xa1b2_3c4d);
    let (mut at, mut all) = (24, Vec::new());
    while at < capture.len() {
        let length = number(at + 8) as usize;
        all.push(((number(at), number(at + 4)), &capture[at + 16..at + 16 + length]));
        at += 16 + length;
    }
    all
}

fn tcp_port(packet: &[u8], port: u16) -> bool {
    let header = 14 + usize::from(packet[14] & 15) * 4;
    let ports = &packet[header..header + 4];
    packet[12..14] == [8, 0] && packet[23] == 6 && ports.chunks(2).any(|p| p == port.to_be_bytes())
}

const PASSWORD: &str = "lamps+and+pumps+and+trams";

#[test]
fn an_incidents_packets_are_kept_of_live_traffic_and_over_a_restart() {
    const NAME: &str = "an_incidents_packets_are_kept_of_live_traffic_and_over_a_restart";
    if !namespace::inside_of("-Urnm", PROBE, NAME, LACKS) {
        return;
    }
    veth();
    let folder = std::env::temp_dir().join(format!("citywall-kept-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let city = fs::read_to_string(story("city.toml")).unwrap();
    fs::write(folder.join("city.toml"), &city).unwrap();
    let mut live = Live::start(&folder, &["--keep-packets", "64M", "--workers", "2"]);
    let link = live
        .told()
        .split("/link/")
        .nth(1)
        .unwrap()
        .lines()
        .next()
        .unwrap()
        .to_owned();
    let fields = format!("name=Ada+Example&password={PASSWORD}&again={PASSWORD}");
    live.enter(&format!("/link/{link}"), &fields);
    let packed = story("story.pcap.gz").display().to_string();
    let capture = folder.join("story.pcap").display().to_string();
    shell(&format!(
        "gzip -dc {packed} > {capture} && tcpreplay -q --pps 3000 -i veth0 {capture}"
    ));

    let number = live.worst();
    let path = format!("/incidents/{number}/packets");
    // Each packet of a conversation that is evidence, the login by Telnet among them, as they were sent.
    let cut = live.body(&path);
    let kept = packets(&cut);
    assert!(kept.windows(2).all(|w| w[0].0 <= w[1].0), "in the order of time");
    let telnet: Vec<&[u8]> = kept.iter().map(|p| p.1).filter(|p| tcp_port(p, 23)).collect();
    let sent = fs::read(&capture).unwrap();
    let sent = packets(&sent);
    assert!(telnet.len() > 10 && telnet.iter().all(|p| sent.iter().any(|s| s.1 == *p)));
    let named = live.json(&format!("/api/v1/incidents/{number}"));
    let reasons = named["incident"]["reasons"].as_array().unwrap().len();
    assert!(kept.len() > reasons, "{} packets, {reasons} reasons", kept.len());

    // A new city file is read without a restart: the pages have its names, who is no longer in it is nobody.
    fs::write(folder.join("city.toml"), city.replace("Eastmere", "Westmere")).unwrap();
    live.signal(Signal::HUP);
    until("the new city", || {
        let page = String::from_utf8(live.body("/")).unwrap();
        (page.contains("Westmere") && !page.contains("Eastmere")).then_some(())
    });
    fs::write(
        folder.join("city.toml"),
        city.replace("Ada Example", "Ida Example"),
    )
    .unwrap();
    live.signal(Signal::HUP);
    until("Ada is gone", || {
        (live.send("GET", "/", "").0 == 303).then_some(())
    });
    fs::write(folder.join("city.toml"), &city).unwrap();
    live.signal(Signal::HUP);
    until("Ada is back", || {
        (live.send("GET", "/", "").0 == 200).then_some(())
    });

    let summary = live.end(&folder);
    assert_eq!(summary["packets_kept"]["packets_given_up"], 0);
    let segments = fs::read_dir(folder.join("out/packets")).unwrap().flatten();
    let mut bytes = 0;
    for segment in segments {
        let meta = segment.metadata().unwrap();
        assert_eq!(meta.permissions().mode() & 0o777, 0o600);
        bytes += meta.len();
    }
    assert!(bytes > 100_000 && bytes < 64 << 20, "{bytes}");

    let restart = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    // The next run has the same numbers for other packets, and still finds those of the run before.
    let mut live = Live::start(&folder, &["--keep-packets", "64M", "--workers", "2"]);
    live.enter("/login", &format!("name=Ada+Example&password={PASSWORD}"));
    std::thread::sleep(Duration::from_secs(1));
    shell(&format!("tcpreplay -q --pps 3000 --limit 500 -i veth0 {capture}"));
    assert_eq!(live.worst(), number);
    let again = live.body(&path);
    let again = packets(&again);
    // More of them than before, as the incident grew until the end of its run; none of this run.
    let (cut, began) = (packets(&cut), (restart.as_secs() as u32, 0));
    assert!(
        cut.iter().all(|packet| again.contains(packet)),
        "a packet is gone"
    );
    assert!(
        again.iter().all(|packet| packet.0 < began),
        "a packet of another run"
    );
    live.end(&folder);
    fs::remove_dir_all(&folder).unwrap();
}
