//! On a bridge, with IPv6, and with the whole wall around: marks, the queue rule, the enforcer alive,
//! killed, and back.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::rig::*;

const PROGRAM: &str = env!("CARGO_BIN_EXE_citywall");
/// Something that must not come is waited for so long.
const NEVER: Duration = Duration::from_millis(800);

/// Polls and denied writes in IPv4 and IPv6.
fn sessions_are_spliced(bridge: bool) {
    zones(2, bridge);
    sh("for f in iptables ip6tables; do
            $f -A FORWARD -m conntrack --ctstate INVALID -j DROP
            $f -t mangle -A FORWARD -p tcp -j NFQUEUE --queue-num 101
        done");
    let mut inline = Inline::start("places", "exception", &["--queue-closed", "101"]);
    let writes = modbus_server();
    for server in [SERVER, "fd77:2::2"] {
        let mut stream = connect_to(server, 502);
        poll(&mut stream, 200);
        nothing(&writes);
        ask(&mut stream, &write_register(1, 10), &adu(1, &[6, 0, 10, 0, 9]));
        assert_eq!(writes.recv().unwrap(), 10);
        poll(&mut stream, 20);
        // Twenty-two of them: the others are told to the count.
        assert_eq!(inline.refusal()["dest_ip"], server);
        for _ in 1..22 {
            inline.refusal();
        }
    }
    let counts = inline.order(r#"{"order":"count"}"#);
    assert_eq!(counts["refused"], 2 * 22, "{counts}");
}

#[test]
fn sessions_are_spliced_on_a_router_in_both_families() {
    if inside("places::sessions_are_spliced_on_a_router_in_both_families") {
        sessions_are_spliced(false);
    }
}

#[test]
fn sessions_are_spliced_on_a_bridge_in_both_families() {
    if inside("places::sessions_are_spliced_on_a_bridge_in_both_families") {
        sessions_are_spliced(true);
    }
}

const TOWN: &str = r#"
[city]
name = "Town"
[[domain]]
name = "water"
[[zone]]
name = "centre"
domain = "water"
networks = ["10.77.1.0/24", "fd77:1::/64"]
criticality = "normal"
when_down = "open"
[[zone]]
name = "pumps"
domain = "water"
networks = ["10.77.2.0/24", "fd77:2::/64"]
criticality = "normal"
when_down = "closed"
inspect = "fail-closed"
[[zone]]
name = "lamps"
domain = "water"
networks = ["10.77.3.0/24", "fd77:3::/64"]
criticality = "normal"
when_down = "open"
inspect = "fail-open"
[[zone]]
name = "cameras"
domain = "water"
networks = ["10.77.4.0/24", "fd77:4::/64"]
criticality = "normal"
when_down = "last-good"
[[asset]]
name = "desk"
zone = "centre"
address = "10.77.1.2"
role = "workstation"
[[conduit]]
from = "centre"
to = ["pumps", "lamps"]
allow = ["modbus: read, write holding:10"]
[[conduit]]
from = "centre"
to = ["pumps", "cameras"]
allow = ["tcp/7000"]
[[person]]
name = "Ada"
unix = "root"
roles = ["operator", "approver"]
"#;

/// A running enforcer with its inline path.
struct Wall {
    folder: PathBuf,
    child: Child,
    bridge: bool,
}

impl Wall {
    fn start(test: &str, bridge: bool) -> Wall {
        let folder = std::env::temp_dir().join(format!("citywall-{test}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("city.toml"), TOWN).unwrap();
        let child = Wall::launch(&folder, bridge);
        let wall = Wall {
            folder,
            child,
            bridge,
        };
        wall.ready();
        wall
    }

    fn launch(folder: &std::path::Path, bridge: bool) -> Child {
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(folder.join("log"));
        Command::new(PROGRAM)
            .args(["-v", "enforce", "--serve", "--sensor", "0"])
            .args(if bridge { &["--bridge", "br0"][..] } else { &[] })
            .arg("--city")
            .arg(folder.join("city.toml"))
            .arg("--socket")
            .arg(folder.join("control"))
            .arg("--journal")
            .arg(folder.join("journal"))
            .stdout(Stdio::null())
            .stderr(log.unwrap())
            .spawn()
            .unwrap()
    }

    fn ready(&self) {
        until("an enforcer that inspects", || {
            let status = self.actions(&["status", "--json"]);
            let status: Value = serde_json::from_slice(&status.stdout).unwrap_or_default();
            status["status"]["inspection"] == "runs" && !self.parsers().is_empty()
        });
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

    /// The processes whose parent is one of these, and whose words hold this one.
    fn children(of: &[i32], word: &str) -> Vec<i32> {
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse::<i32>().ok()) else {
                continue;
            };
            let read = |file: &str| fs::read_to_string(entry.path().join(file)).unwrap_or_default();
            let stat = read("stat");
            let parent = stat
                .rsplit_once(") ")
                .and_then(|(_, rest)| rest.split(' ').nth(1)?.parse().ok());
            if parent.is_some_and(|parent| of.contains(&parent))
                && read("cmdline").split('\0').any(|w| w == word)
            {
                found.push(pid);
            }
        }
        found
    }

    fn holders(&self) -> Vec<i32> {
        Wall::children(&[Pid::from_child(&self.child).as_raw_nonzero().get()], "inline")
    }

    fn parsers(&self) -> Vec<i32> {
        Wall::children(&self.holders(), "--parser")
    }

    /// Kills the enforcer and waits until all that it started is gone, too.
    fn kill(&mut self) {
        let mut all = self.holders();
        all.extend(self.parsers());
        all.extend(Wall::children(
            &[Pid::from_child(&self.child).as_raw_nonzero().get()],
            "hand",
        ));
        assert_eq!(all.len(), 3, "holder, parser, hand");
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        until("the end of what it started", || {
            all.iter()
                .all(|pid| !std::path::Path::new(&format!("/proc/{pid}")).exists())
        });
    }

    /// Asks the enforcer to stop, and waits until it has.
    fn stop(&mut self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success());
    }

    /// Takes the wall away, if that is let happen.
    fn remove(&self) -> Output {
        Command::new(PROGRAM)
            .args(["enforce", "--remove", "--state"])
            .arg(self.folder.join("state"))
            .output()
            .unwrap()
    }

    fn again(&mut self) {
        self.child = Wall::launch(&self.folder, self.bridge);
        self.ready();
    }

    /// A sensor tells that the desk changed something at the pumps; gives the id of the denial that is
    /// proposed.
    fn denial(&self, number: u32) -> String {
        let mut stream = UnixStream::connect(self.folder.join("control")).unwrap();
        writeln!(stream, r#"{{"type":"hello","version":1,"as":"sensor"}}"#).unwrap();
        let notice = json!({
            "type": "notice", "incident": format!("I0-{number}-1"), "change": "opened", "severity": 1,
            "kinds": ["command"], "title": "the desk writes", "at": 1_700_000_000_000_000_000i64,
            "suspects": [{ "name": "desk", "address": "10.77.1.2", "taken": false, "proved": true }],
            "crossings": [], "changes": [{ "suspect": 0, "target": "10.77.2.2", "protocol": "modbus" }],
            "evidence": ["0-1-1"],
        });
        writeln!(stream, "{notice}").unwrap();
        BufReader::new(stream.try_clone().unwrap())
            .read_line(&mut String::new())
            .unwrap();
        let id = format!("I0-{number}-1.1");
        until("a proposal", || {
            let list = self.actions(&["list", "--json"]);
            String::from_utf8_lossy(&list.stdout).contains(&id)
        });
        id
    }
}

impl Drop for Wall {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "{}",
                fs::read_to_string(self.folder.join("log")).unwrap_or_default()
            );
            eprintln!("{}", nft("list ruleset"));
        }
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn nft(arguments: &str) -> String {
    let output = Command::new("nft").args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A new conversation, where one comes about.
fn tried(address: &str, port: u16) -> Option<TcpStream> {
    let address = SocketAddr::new(address.parse().unwrap(), port);
    let stream = within("n1", move || TcpStream::connect_timeout(&address, 2 * NEVER)).ok()?;
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    Some(stream)
}

/// A conversation that must come about, however slow the machine.
fn opened(address: &str, port: u16) -> TcpStream {
    let mut stream = None;
    until("a conversation", || {
        stream = tried(address, port);
        stream.is_some()
    });
    stream.unwrap()
}

/// Nothing comes back, whatever was sent.
fn is_silent(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(NEVER)).unwrap();
    let silent = read_adu(stream).is_err();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    silent
}

/// Each zone has what it chose, alive, ended, and back.
fn each_zone_has_its_choice(wall: &mut Wall, end: fn(&mut Wall), family: [&'static str; 3]) {
    let [pumps, lamps, cameras] = family;
    let mut pump = opened(pumps, 502);
    poll(&mut pump, 20);
    let mut lamp = opened(lamps, 502);
    ask(&mut lamp, &read_register(1, 3), &adu(1, &[3, 2, 0, 3]));
    let mut old = opened(pumps, 7_000);
    echo(&mut old).unwrap();
    assert!(
        tried(pumps, 9_000).is_none() && tried(lamps, 9_000).is_none() && tried(cameras, 9_000).is_none()
    );
    opened(cameras, 7_000);

    end(wall);
    // What is judged: stops where the zone said so, passes where it said that.
    pump.write_all(&read_register(2, 3)).unwrap();
    assert!(is_silent(&mut pump), "unjudged into a zone that is fail-closed");
    ask(&mut lamp, &read_register(2, 4), &adu(2, &[3, 2, 0, 4]));
    until("the end of the sign of life", || {
        !nft("list set inet citywall alive").contains("elements")
    });
    assert!(tried(pumps, 7_000).is_none(), "a closed zone");
    opened(lamps, 9_000); // an open zone
    opened(cameras, 7_000); // what was allowed last
    assert!(tried(cameras, 9_000).is_none(), "what was denied last");
    // The last allowed conversations go on.
    echo(&mut old).unwrap();
    ask(&mut lamp, &read_register(3, 4), &adu(3, &[3, 2, 0, 4]));

    wall.again();
    let mut pump = opened(pumps, 502);
    poll(&mut pump, 20);
    assert!(tried(lamps, 9_000).is_none());
    echo(&mut old).unwrap();
}

fn servers() {
    for zone in ["n2", "n3", "n4"] {
        echo_server_in(zone, 7_000);
        echo_server_in(zone, 9_000);
        std::mem::forget(modbus_server_in(zone));
    }
}

#[test]
fn a_bridge_with_its_enforcer_killed_holds_what_each_zone_chose() {
    if !inside("places::a_bridge_with_its_enforcer_killed_holds_what_each_zone_chose") {
        return;
    }
    zones(4, true);
    servers();
    let mut wall = Wall::start("bridge", true);
    each_zone_has_its_choice(&mut wall, Wall::kill, ["10.77.2.2", "10.77.3.2", "10.77.4.2"]);
}

/// What stands in the kernel for the queue.
fn queue_rules() -> String {
    let all = nft("list ruleset");
    let ours = ["NFQUEUE", "queue num", "queue flags", "citywall-queue"];
    all.lines()
        .filter(|line| ours.iter().any(|word| line.contains(word)))
        .collect()
}

#[test]
fn an_enforcer_that_is_asked_to_stop_opens_no_closed_zone() {
    if !inside("places::an_enforcer_that_is_asked_to_stop_opens_no_closed_zone") {
        return;
    }
    zones(4, false);
    servers();
    let family = ["10.77.2.2", "10.77.3.2", "10.77.4.2"];
    let mut wall = Wall::start("stopped", false);
    each_zone_has_its_choice(&mut wall, Wall::stop, family);

    // Who wants the wall away says so; not under an enforcer that lives.
    let refused = wall.remove();
    assert!(!refused.status.success(), "{refused:?}");
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("stop it first"),
        "{refused:?}"
    );
    wall.stop();
    until("the wall's end", || wall.remove().status.success());
    assert_eq!(queue_rules(), "");
    assert!(!nft("list tables").contains("citywall"));
    opened(family[0], 9_000);
    let mut pump = opened(family[0], 502);
    ask(&mut pump, &read_register(4, 4), &adu(4, &[3, 2, 0, 4]));

    // Where no zone is fail-closed, nothing is left that could hold anything up.
    let open = TOWN.replace("fail-closed", "fail-open");
    fs::write(wall.folder.join("city.toml"), open).unwrap();
    wall.again();
    assert_ne!(queue_rules(), "");
    wall.stop();
    assert_eq!(queue_rules(), "");
}

#[test]
fn a_router_with_its_enforcer_killed_holds_what_each_zone_chose_in_ipv6() {
    if !inside("places::a_router_with_its_enforcer_killed_holds_what_each_zone_chose_in_ipv6") {
        return;
    }
    zones(4, false);
    servers();
    let mut wall = Wall::start("router", false);
    each_zone_has_its_choice(&mut wall, Wall::kill, ["fd77:2::2", "fd77:3::2", "fd77:4::2"]);
}

/// Packets that went to the two queues so far.
fn queued() -> u64 {
    let text = fs::read_to_string("/proc/net/netfilter/nfnetlink_queue").unwrap();
    let sequence = |line: &str| line.split_whitespace().nth(7)?.parse::<u64>().ok();
    text.lines().filter_map(sequence).sum()
}

fn judged() -> usize {
    let set = nft("list set inet citywall-queue judged");
    // Each has a time after which the kernel forgets it by itself.
    set.matches(" expires ").count()
}

#[test]
fn a_denial_comes_and_goes_in_sessions_that_live() {
    if !inside("places::a_denial_comes_and_goes_in_sessions_that_live") {
        return;
    }
    zones(2, false);
    echo_server();
    let writes = modbus_server();
    let wall = Wall::start("denial", false);
    let mut bulk = connect(7_000);
    echo(&mut bulk).unwrap();
    let mut session = connect(502);
    ask(&mut session, &write_register(1, 10), &adu(1, &[6, 0, 10, 0, 9]));
    assert_eq!(writes.recv().unwrap(), 10);

    let id = wall.denial(0);
    assert!(wall.actions(&["approve", &id]).status.success());
    until("the first denial", || {
        session.write_all(&write_register(2, 10)).unwrap();
        read_adu(&mut session).unwrap() == adu(2, &[0x86, 1])
    });
    while writes.try_recv().is_ok() {}
    // The measure sends all that the two say to the queue; what needs no judgement leaves it again.
    until("a conversation that needs no more judgement", || {
        echo(&mut bulk).unwrap();
        judged() > 0
    });
    let before = queued();
    for _ in 0..50 {
        echo(&mut bulk).unwrap();
    }
    assert_eq!(queued(), before, "judged packets went to the queue");
    ask(&mut session, &write_register(3, 10), &adu(3, &[0x86, 1]));
    assert!(queued() > before);

    // The parser is killed: the session from which something was cut cannot go on, and is told so; the
    // next parser knows what is denied.
    let parser = Pid::from_raw(wall.parsers()[0]).unwrap();
    kill_process(parser, Signal::KILL).unwrap();
    until("another parser", || {
        wall.parsers()
            .first()
            .is_some_and(|pid| *pid != parser.as_raw_nonzero().get())
    });
    let mut ended = || {
        session.write_all(&read_register(4, 3))?;
        read_adu(&mut session)
    };
    let ended = ended().unwrap_err().kind();
    // Whichever call comes first is told.
    let reset = [
        std::io::ErrorKind::ConnectionReset,
        std::io::ErrorKind::BrokenPipe,
    ];
    assert!(reset.contains(&ended), "{ended}");
    let mut session = connect(502);
    ask(&mut session, &read_register(5, 3), &adu(5, &[3, 2, 0, 3]));
    ask(&mut session, &write_register(6, 10), &adu(6, &[0x86, 1]));
    nothing(&writes);

    // It is taken back: writes pass again, in the same session, whose ends count differently by now.
    assert!(wall.actions(&["undo", &id]).status.success());
    ask(&mut session, &read_register(7, 3), &adu(7, &[3, 2, 0, 3]));
    until("writes again", || {
        session.write_all(&write_register(8, 10)).unwrap();
        read_adu(&mut session).unwrap() == adu(8, &[6, 0, 10, 0, 9])
    });
    poll(&mut session, 20);
    echo(&mut bulk).unwrap();
}
