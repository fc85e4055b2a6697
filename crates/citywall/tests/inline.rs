//! The inline path with the real kernel: three network namespaces, a queue between them, the real
//! binary with both its halves, and both ends of each session are the kernel's own TCP.
//!
//! Each test starts itself again under `unshare`; nothing outside is touched.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const INSIDE: &str = "CITYWALL_TEST_IN_NAMESPACE";
const PATIENCE: Duration = Duration::from_secs(20);
const SERVER: &str = "10.77.2.2";

const CITY: &str = r#"
[city]
name = "Test"
[[domain]]
name = "water"
[[zone]]
name = "centre"
domain = "water"
networks = ["10.77.1.0/24"]
[[zone]]
name = "pumps"
domain = "water"
networks = ["10.77.2.0/24"]
denied = "DENIED"
[[conduit]]
from = "centre"
to = "pumps"
allow = ["modbus: read, write holding:10", "mqtt: publish ok/#, subscribe ok/#", "snmp: get", "tcp/7000-7999"]
"#;

/// True in the namespace, where the test is to do its work.
fn inside(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some_and(|name| name == test) {
        return true;
    }
    let probe = "mount -t tmpfs none /run && mkdir /run/netns && ip netns add a && \
                 iptables -t mangle -A FORWARD -j NFQUEUE --queue-num 1 --queue-bypass";
    let works = Command::new("unshare")
        .args(["-Urnm", "sh", "-c", probe])
        .output()
        .is_ok_and(|o| o.status.success());
    if !works {
        eprintln!("SKIPPED: {test}: needs unshare, ip, user namespaces and iptables with NFQUEUE");
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

fn sh(script: &str) {
    let output = Command::new("sh").args(["-ec", script]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {told}");
}

/// A client's and a server's namespace with this one as the router between them; all that is
/// forwarded goes to a queue.
fn network(queue: &str) {
    sh("mount -t tmpfs none /run; mkdir /run/netns; ip link set lo up
        echo 1 > /proc/sys/net/ipv4/ip_forward
        for n in 1 2; do
            ip netns add n$n
            ip link add r$n type veth peer name eth0 netns n$n
            ip addr add 10.77.$n.1/24 dev r$n; ip link set r$n up
            ip -n n$n addr add 10.77.$n.2/24 dev eth0
            ip -n n$n link set eth0 up; ip -n n$n link set lo up
            ip -n n$n route add default via 10.77.$n.1
        done
        iptables -A FORWARD -m conntrack --ctstate INVALID -j DROP");
    sh(&format!("iptables -t mangle -A FORWARD -j NFQUEUE {queue}"));
}

/// Goes on in a namespace: of this thread alone.
fn enter(name: &str) {
    let file = fs::File::open(format!("/run/netns/{name}")).unwrap();
    rustix::thread::move_into_link_name_space(file.as_fd(), Some(rustix::thread::LinkNameSpaceType::Network))
        .unwrap();
}

/// Runs something in a namespace and waits for it.
fn within<T: Send + 'static>(name: &'static str, run: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::spawn(move || {
        enter(name);
        run()
    })
    .join()
    .unwrap()
}

/// A running `citywall inline`.
struct Inline {
    child: Child,
    orders: ChildStdin,
    told: Receiver<Value>,
    log: String,
}

impl Inline {
    fn start(test: &str, denied: &str, more: &[&str]) -> Inline {
        let folder = std::env::temp_dir().join(format!("citywall-inline-{test}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let city = folder.join("city.toml");
        fs::write(&city, CITY.replace("DENIED", denied)).unwrap();
        let log = folder.join("log").display().to_string();
        let mut child = Command::new(env!("CARGO_BIN_EXE_citywall"))
            .args(["-v", "inline", "--city", city.to_str().unwrap()])
            // A test machine is busy: only tests of lateness are to meet it.
            .args(if more.contains(&"--late") {
                &[][..]
            } else {
                &["--late", "5000"][..]
            })
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (send, told) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if send.send(serde_json::from_str(&line).unwrap()).is_err() {
                    return;
                }
            }
        });
        let orders = child.stdin.take().unwrap();
        let inline = Inline {
            child,
            orders,
            told,
            log,
        };
        inline.says("a parser judges", 1);
        inline
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until the log says something so many times.
    fn says(&self, text: &str, times: usize) {
        let end = Instant::now() + PATIENCE;
        while self.log().matches(text).count() < times {
            assert!(
                Instant::now() < end,
                "waited in vain for {text:?}:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn order(&mut self, line: &str) -> Value {
        writeln!(self.orders, "{line}").unwrap();
        loop {
            let told = self.told.recv_timeout(PATIENCE).unwrap();
            if told["told"] != "refused" {
                return told;
            }
        }
    }

    fn refusal(&self) -> Value {
        self.told.recv_timeout(PATIENCE).unwrap()
    }

    fn parser(&self) -> Pid {
        let log = self.log();
        let (_, rest) = log.rsplit_once("parser: process ").unwrap();
        let number = rest.split_whitespace().next().unwrap().parse().unwrap();
        Pid::from_raw(number).unwrap()
    }
}

impl Drop for Inline {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(std::path::Path::new(&self.log).parent().unwrap());
    }
}

fn adu(id: u16, pdu: &[u8]) -> Vec<u8> {
    let mut adu = id.to_be_bytes().to_vec();
    adu.extend_from_slice(&[0, 0]);
    adu.extend_from_slice(&(pdu.len() as u16 + 1).to_be_bytes());
    adu.push(1);
    adu.extend_from_slice(pdu);
    adu
}

fn read_adu(stream: &mut impl Read) -> std::io::Result<Vec<u8>> {
    let mut adu = vec![0; 6];
    stream.read_exact(&mut adu)?;
    let len = usize::from(u16::from_be_bytes([adu[4], adu[5]]));
    adu.resize(6 + len, 0);
    stream.read_exact(&mut adu[6..])?;
    Ok(adu)
}

/// A Modbus device with 100 registers; each write that reaches it is told to `writes`.
fn modbus_server() -> Receiver<u16> {
    let (told, writes) = channel();
    let listener = within("n2", || TcpListener::bind((SERVER, 502)).unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, told) = (stream.unwrap(), told.clone());
            stream.set_nodelay(true).unwrap();
            std::thread::spawn(move || {
                while let Ok(request) = read_adu(&mut stream) {
                    let id = u16::from_be_bytes([request[0], request[1]]);
                    let address = u16::from_be_bytes([request[8], request[9]]);
                    let answer = match request[7] {
                        3 => adu(id, &[3, 2, 0, address as u8]),
                        function => {
                            told.send(address).unwrap();
                            adu(id, &[&[function], &request[8..12]].concat())
                        }
                    };
                    if stream.write_all(&answer).is_err() {
                        return;
                    }
                }
            });
        }
    });
    writes
}

fn connect(port: u16) -> TcpStream {
    let stream = within("n1", move || TcpStream::connect((SERVER, port)).unwrap());
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn read_register(id: u16, address: u8) -> Vec<u8> {
    adu(id, &[3, 0, address, 0, 1])
}

fn write_register(id: u16, address: u8) -> Vec<u8> {
    adu(id, &[6, 0, address, 0, 9])
}

#[track_caller]
fn ask(stream: &mut TcpStream, request: &[u8], expected: &[u8]) {
    stream.write_all(request).unwrap();
    let got = read_adu(stream);
    assert_eq!(got.as_deref().ok(), Some(expected), "{got:?}");
}

/// Polls, with a denied write after each tenth.
fn poll(stream: &mut TcpStream, polls: u16) {
    for n in 0..polls {
        let register = (n % 90) as u8;
        ask(stream, &read_register(n, register), &adu(n, &[3, 2, 0, register]));
        if n % 10 == 9 {
            // Another address would do: "illegal data address".
            ask(stream, &write_register(n, 40), &adu(n, &[0x86, 2]));
        }
    }
}

fn nothing<T: std::fmt::Debug>(receiver: &Receiver<T>) {
    let got: Vec<T> = receiver.try_iter().collect();
    assert!(got.is_empty(), "{got:?}");
}

#[test]
fn a_write_is_denied_in_a_living_session_and_polling_goes_on() {
    if !inside("a_write_is_denied_in_a_living_session_and_polling_goes_on") {
        return;
    }
    network("--queue-num 101");
    let mut inline = Inline::start("polls", "exception", &["--queue-closed", "101"]);
    let writes = modbus_server();
    let mut stream = connect(502);
    poll(&mut stream, 1_000);
    nothing(&writes);
    // An allowed write reaches the device.
    ask(&mut stream, &write_register(1, 10), &adu(1, &[6, 0, 10, 0, 9]));
    assert_eq!(writes.try_recv().unwrap(), 10);
    // Several requests in one segment, the denied ones between the others; then one in pieces.
    let mut many = Vec::new();
    for n in 0..20 {
        many.extend(if n % 3 == 1 {
            write_register(n, 41)
        } else {
            read_register(n, 5)
        });
    }
    stream.write_all(&many).unwrap();
    let mut answers: Vec<Vec<u8>> = (0..20).map(|_| read_adu(&mut stream).unwrap()).collect();
    answers.sort();
    let expected: Vec<Vec<u8>> = (0..20)
        .map(|n| adu(n, if n % 3 == 1 { &[0x86, 2] } else { &[3, 2, 0, 5] }))
        .collect();
    assert_eq!(answers, expected);
    for (id, request) in [(7, write_register(7, 42)), (8, read_register(8, 42))] {
        for byte in &request {
            stream.write_all(&[*byte]).unwrap();
            std::thread::sleep(Duration::from_millis(2));
        }
        let answer = read_adu(&mut stream).unwrap();
        assert_eq!(answer, adu(id, if id == 7 { &[0x86, 2] } else { &[3, 2, 0, 42] }));
    }
    nothing(&writes);
    poll(&mut stream, 50);
    drop(stream);
    let refusal = inline.refusal();
    assert_eq!(refusal["app_proto"], "modbus");
    assert_eq!(refusal["how"], "exception");
    let counts = inline.order(r#"{"order":"count"}"#);
    assert_eq!(counts["refused"], 100 + 7 + 1 + 5, "{counts}");
    assert_eq!(counts["undecided"], 0, "{counts}");
}

#[test]
fn a_session_with_denied_writes_survives_loss() {
    if !inside("a_session_with_denied_writes_survives_loss") {
        return;
    }
    network("--queue-num 101");
    // Before the queue and behind it, both ways; and what we send ourselves.
    sh("for h in PREROUTING POSTROUTING; do
            iptables -t mangle -A $h -m statistic --mode random --probability 0.03 -j DROP
        done");
    let inline = Inline::start("loss", "exception", &["--queue-closed", "101", "--late", "5000"]);
    let writes = modbus_server();
    let mut stream = connect(502);
    poll(&mut stream, 150);
    nothing(&writes);
    drop(inline);
}

#[test]
fn commands_are_denied_for_a_while_in_a_session_that_was_there_before() {
    if !inside("commands_are_denied_for_a_while_in_a_session_that_was_there_before") {
        return;
    }
    network("--queue-num 100 --queue-bypass");
    let writes = modbus_server();
    let mut stream = connect(502);
    ask(&mut stream, &write_register(1, 40), &adu(1, &[6, 0, 40, 0, 9]));
    assert_eq!(writes.recv().unwrap(), 40);
    let mut inline = Inline::start("measure", "exception", &["--queue-open", "100"]);
    ask(&mut stream, &read_register(2, 3), &adu(2, &[3, 2, 0, 3]));
    ask(&mut stream, &write_register(3, 10), &adu(3, &[6, 0, 10, 0, 9]));
    assert_eq!(writes.recv().unwrap(), 10);
    let until = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + Duration::from_secs(600);
    let deny = format!(
        r#"{{"order":"deny","id":"I0-1-1.1","ip":"10.77.1.2","to":"{SERVER}","length":32,"verbs":["write","operate"],"until":{}}}"#,
        until.as_nanos()
    );
    assert_eq!(inline.order(&deny)["told"], "denies");
    ask(&mut stream, &write_register(4, 10), &adu(4, &[0x86, 1]));
    ask(&mut stream, &read_register(5, 4), &adu(5, &[3, 2, 0, 4]));
    nothing(&writes);
    assert!(inline.refusal()["reason"].as_str().unwrap().contains("I0-1-1.1"));
    assert_eq!(
        inline.order(r#"{"order":"allow","id":"I0-1-1.1"}"#)["told"],
        "allows"
    );
    ask(&mut stream, &write_register(6, 10), &adu(6, &[6, 0, 10, 0, 9]));
    assert_eq!(writes.recv().unwrap(), 10);
    // A new city is taken while sessions live.
    let city = CITY
        .replace("DENIED", "exception")
        .replace(", write holding:10", "");
    let path = std::path::Path::new(&inline.log).with_file_name("new.toml");
    fs::write(&path, city).unwrap();
    assert_eq!(inline.order(&format!("city {}", path.display()))["told"], "city");
    ask(&mut stream, &write_register(7, 10), &adu(7, &[0x86, 1]));
    ask(&mut stream, &read_register(8, 4), &adu(8, &[3, 2, 0, 4]));
    nothing(&writes);
    assert_eq!(inline.order("nonsense")["told"], "refused-order");
}

/// Echoes on a port that no protocol has.
fn echo_server() {
    let listener = within("n2", || TcpListener::bind((SERVER, 7_000)).unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let mut byte = [0; 64];
                while let Ok(len @ 1..) = stream.read(&mut byte) {
                    stream.write_all(&byte[..len]).unwrap();
                }
            });
        }
    });
}

fn echo(stream: &mut TcpStream) -> std::io::Result<Duration> {
    let start = Instant::now();
    stream.write_all(b"\x81hello")?;
    stream.read_exact(&mut [0; 6])?;
    Ok(start.elapsed())
}

#[test]
fn where_nobody_judges_the_zones_choice_holds() {
    if !inside("where_nobody_judges_the_zones_choice_holds") {
        return;
    }
    network("--queue-num 100 --queue-bypass");
    echo_server();
    let mut inline = Inline::start("open", "exception", &["--queue-open", "100", "--late", "20"]);
    let mut stream = connect(7_000);
    echo(&mut stream).unwrap();
    // Stopped: packets are late and pass; going on: they are judged again.
    kill_process(inline.parser(), Signal::STOP).unwrap();
    let took = echo(&mut stream).unwrap();
    assert!(took < Duration::from_secs(1), "{took:?}");
    inline.says("the parser is late", 1);
    kill_process(inline.parser(), Signal::CONT).unwrap();
    inline.says("the parser has caught up", 1);
    echo(&mut stream).unwrap();
    // Killed: the same, and another one is started.
    kill_process(inline.parser(), Signal::KILL).unwrap();
    for _ in 0..20 {
        assert!(echo(&mut stream).unwrap() < Duration::from_secs(1));
    }
    inline.says("a parser judges", 2);
    echo(&mut stream).unwrap();
    // Stopped for good: it is given up and another one is started.
    kill_process(inline.parser(), Signal::STOP).unwrap();
    echo(&mut stream).unwrap();
    inline.says("a parser judges", 3);
    // The holder is killed too: the kernel lets packets pass (`--queue-bypass`).
    let parser = inline.parser();
    inline.child.kill().unwrap();
    inline.child.wait().unwrap();
    assert!(echo(&mut stream).unwrap() < Duration::from_secs(2));
    let gone = || rustix::process::test_kill_process(parser).is_err();
    let end = Instant::now() + PATIENCE;
    while !gone() {
        assert!(Instant::now() < end, "the parser outlives its holder");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_closed_zone_stays_closed_where_nobody_judges() {
    if !inside("a_closed_zone_stays_closed_where_nobody_judges") {
        return;
    }
    network("--queue-num 101");
    echo_server();
    let mut inline = Inline::start("closed", "exception", &["--queue-closed", "101", "--late", "20"]);
    let mut stream = connect(7_000);
    echo(&mut stream).unwrap();
    kill_process(inline.parser(), Signal::STOP).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(800))).unwrap();
    assert!(echo(&mut stream).is_err(), "passed though nobody judged");
    kill_process(inline.parser(), Signal::CONT).unwrap();
    // What was dropped comes again.
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.read_exact(&mut [0; 6]).unwrap();
    inline.child.kill().unwrap();
    inline.child.wait().unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(800))).unwrap();
    assert!(echo(&mut stream).is_err(), "passed though nobody holds the queue");
}

#[test]
fn each_protocol_is_refused_in_its_own_words() {
    if !inside("each_protocol_is_refused_in_its_own_words") {
        return;
    }
    network("--queue-num 101");
    let inline = Inline::start("words", "exception", &["--queue-closed", "101"]);
    // SNMP: a set gets noAccess, a get gets through.
    let agent = within("n2", || UdpSocket::bind((SERVER, 161)).unwrap());
    agent.set_read_timeout(Some(PATIENCE)).unwrap();
    let manager = within("n1", || UdpSocket::bind("10.77.1.2:0").unwrap());
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    manager.connect((SERVER, 161)).unwrap();
    let message = |tag: u8| {
        let mut set = vec![
            0x30, 0x26, 2, 1, 1, 4, 6, b'p', b'u', b'b', b'l', b'i', b'c', tag, 0x19,
        ];
        set.extend_from_slice(&[2, 1, 5, 2, 1, 0, 2, 1, 0, 0x30, 0x0e, 0x30, 0x0c, 6, 8]);
        set.extend_from_slice(&[0x2b, 6, 1, 2, 1, 1, 5, 0, 5, 0]);
        set
    };
    let mut buffer = [0; 100];
    manager.send(&message(0xa0)).unwrap();
    let (len, _) = agent.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..len], message(0xa0));
    manager.send(&message(0xa3)).unwrap();
    let len = manager.recv(&mut buffer).unwrap();
    assert_eq!((len, buffer[13], buffer[20], buffer[23]), (40, 0xa2, 6, 1));
    agent.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert!(agent.recv_from(&mut buffer).is_err(), "the set reached the agent");
    assert_eq!(inline.refusal()["app_proto"], "snmp");
    // MQTT 5: a publication gets a reason code, the session goes on.
    let broker = within("n2", || TcpListener::bind((SERVER, 1_883)).unwrap());
    let mut client = connect(1_883);
    let (mut broker, _) = broker.accept().unwrap();
    broker.set_read_timeout(Some(PATIENCE)).unwrap();
    let connecting = [
        0x10, 15, 0, 4, b'M', b'Q', b'T', b'T', 5, 2, 0, 60, 0, 0, 2, b'i', b'd',
    ];
    let publish = |topic: &[u8; 4], id| [&[0x32, 10, 0, 4][..], topic, &[0, id, 0, b'1']].concat();
    client.write_all(&connecting).unwrap();
    broker.read_exact(&mut [0; 17]).unwrap();
    broker.write_all(&[0x20, 3, 0, 0, 0]).unwrap();
    client.read_exact(&mut [0; 5]).unwrap();
    client
        .write_all(&[publish(b"no/1", 1), publish(b"ok/2", 2)].concat())
        .unwrap();
    let mut heard = [0; 12];
    broker.read_exact(&mut heard).unwrap();
    assert_eq!(heard[..], publish(b"ok/2", 2));
    let mut ack = [0; 5];
    client.read_exact(&mut ack).unwrap();
    assert_eq!(ack, [0x40, 3, 0, 1, 0x87]);
    broker.write_all(&[0x40, 2, 0, 2]).unwrap();
    client.read_exact(&mut ack[..4]).unwrap();
    assert_eq!(ack[..4], [0x40, 2, 0, 2]);
    // HTTP on a port that carries Modbus: 403, and both ends are told that it is over.
    let web = within("n2", || TcpListener::bind((SERVER, 502)).unwrap());
    let mut client = connect(502);
    let (mut server, _) = web.accept().unwrap();
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: pump\r\nUser-Agent: test\r\n\r\n")
        .unwrap();
    let mut says = String::new();
    client.read_to_string(&mut says).unwrap();
    assert!(says.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{says}");
    server.set_read_timeout(Some(PATIENCE)).unwrap();
    let reset = server.read(&mut [0; 10]).unwrap_err();
    assert_eq!(reset.kind(), std::io::ErrorKind::ConnectionReset);
}

#[test]
fn a_zone_may_choose_to_reset_or_to_be_silent() {
    if !inside("a_zone_may_choose_to_reset_or_to_be_silent") {
        return;
    }
    network("--queue-num 101");
    let writes = modbus_server();
    let inline = Inline::start("reset", "reset", &["--queue-closed", "101"]);
    let mut stream = connect(502);
    ask(&mut stream, &read_register(1, 3), &adu(1, &[3, 2, 0, 3]));
    stream.write_all(&write_register(2, 40)).unwrap();
    let reset = read_adu(&mut stream).unwrap_err();
    assert_eq!(reset.kind(), std::io::ErrorKind::ConnectionReset);
    drop(inline);
    let inline = Inline::start("drop", "drop", &["--queue-closed", "101"]);
    let mut stream = connect(502);
    for n in 0..20 {
        stream.write_all(&write_register(n, 40)).unwrap();
        ask(&mut stream, &read_register(n, 3), &adu(n, &[3, 2, 0, 3]));
    }
    nothing(&writes);
    assert_eq!(inline.refusal()["how"], "drop");
}

#[test]
fn a_rule_that_drops_or_rejects_stops_a_session() {
    if !inside("a_rule_that_drops_or_rejects_stops_a_session") {
        return;
    }
    network("--queue-num 100 --queue-bypass");
    let rules = std::env::temp_dir().join(format!("citywall-inline-{}.rules", std::process::id()));
    fs::write(
        &rules,
        "drop tcp any any -> any 7000 (msg:\"worm\"; content:\"evil-drop\"; sid:1;)\n\
         reject tcp any any -> any 7000 (msg:\"probe\"; content:\"evil-reset\"; sid:2;)\n",
    )
    .unwrap();
    echo_server();
    let path = rules.display().to_string();
    let inline = Inline::start("rules", "exception", &["--queue-open", "100", "--rules", &path]);
    let mut stream = connect(7_000);
    echo(&mut stream).unwrap();
    stream.write_all(b"an evil-reset here").unwrap();
    let reset = stream.read(&mut [0; 10]).unwrap_err();
    assert_eq!(reset.kind(), std::io::ErrorKind::ConnectionReset);
    let told = inline.refusal();
    assert!(
        told["reason"].as_str().unwrap().contains("rule 1:2 probe"),
        "{told}"
    );
    let mut stream = connect(7_000);
    echo(&mut stream).unwrap();
    stream.write_all(b"an evil-drop here").unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(600))).unwrap();
    assert!(
        stream.read(&mut [0; 10]).is_err(),
        "the rule's bytes came through"
    );
    assert!(
        inline.refusal()["reason"]
            .as_str()
            .unwrap()
            .contains("rule 1:1 worm")
    );
    let _ = fs::remove_file(&rules);
}
