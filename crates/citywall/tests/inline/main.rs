//! The inline path with the real kernel: three network namespaces, a queue between them, the real
//! binary with both its halves, and both ends of each session are the kernel's own TCP.
//!
//! Each test starts itself again under `unshare`; nothing outside is touched. `places` has the bridge,
//! IPv6, and the whole wall around the inline path.

mod places;
mod rig;

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rig::*;
use rustix::process::{Signal, kill_process};

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
    // Stopped: packets are late and pass. A busy machine may take so long that the parser is given up
    // meanwhile, which is as good: going on, or the next one, packets are judged again.
    let judges = inline.judges();
    kill_process(inline.parser(), Signal::STOP).unwrap();
    echo(&mut stream).unwrap();
    inline.says("the parser is late", 1);
    kill_process(inline.parser(), Signal::CONT).unwrap();
    until("verdicts again", || {
        inline.log().contains("the parser has caught up") || inline.judges() > judges
    });
    echo(&mut stream).unwrap();
    // Killed: the same, and another one is started.
    let judges = inline.judges();
    kill_process(inline.parser(), Signal::KILL).unwrap();
    for _ in 0..20 {
        echo(&mut stream).unwrap();
    }
    until("another parser", || inline.judges() > judges);
    echo(&mut stream).unwrap();
    // Stopped for good: it is given up and another one is started.
    let judges = inline.judges();
    kill_process(inline.parser(), Signal::STOP).unwrap();
    echo(&mut stream).unwrap();
    until("another parser", || inline.judges() > judges);
    // The holder is killed too: the kernel lets packets pass (`--queue-bypass`).
    let parser = inline.parser();
    inline.child.kill().unwrap();
    inline.child.wait().unwrap();
    echo(&mut stream).unwrap();
    until("the parser's end with its holder's", || {
        rustix::process::test_kill_process(parser).is_err()
    });
}

/// A parser that was late while a session was spliced, several times: nobody sees all of it.
#[test]
fn a_session_goes_on_after_packets_passed_unjudged() {
    if !inside("a_session_goes_on_after_packets_passed_unjudged") {
        return;
    }
    network("--queue-num 100 --queue-bypass");
    let inline = Inline::start("unseen", "exception", &["--queue-open", "100", "--late", "20"]);
    let writes = modbus_server();
    let mut stream = connect(502);
    for round in 0..3 {
        ask(&mut stream, &read_register(1, 3), &adu(1, &[3, 2, 0, 3]));
        let judges = inline.judges();
        kill_process(inline.parser(), Signal::STOP).unwrap();
        // Fewer than make it be given up; the later ones pass without being given to it.
        for n in 0..20 {
            ask(&mut stream, &read_register(n, 4), &adu(n, &[3, 2, 0, 4]));
        }
        kill_process(inline.parser(), Signal::CONT).unwrap();
        until("verdicts again", || {
            inline.log().matches("the parser has caught up").count() > round || inline.judges() > judges
        });
        ask(&mut stream, &read_register(2, 5), &adu(2, &[3, 2, 0, 5]));
    }
    until("a denial", || {
        stream.write_all(&write_register(3, 40)).unwrap();
        // Where this one was late, too, it passes: as the zone chose.
        read_adu(&mut stream).unwrap() == adu(3, &[0x86, 2])
    });
    assert!(writes.try_iter().all(|register| register == 40));
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
fn neither_half_can_do_what_it_must_not() {
    if !inside("neither_half_can_do_what_it_must_not") {
        return;
    }
    network("--queue-num 101");
    let inline = Inline::start("rights", "exception", &["--queue-closed", "101"]);
    let city = std::path::Path::new(&inline.log).with_file_name("city.toml");
    for (half, says) in [("--parser", "Parser: []\n"), ("--queue-open=102", "Holder: []\n")] {
        let output = Command::new(env!("CARGO_BIN_EXE_citywall"))
            .args(["inline", half, "--probe", "--city"])
            .arg(&city)
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), says, "{output:?}");
    }
    // The one that is at work: no capability, and its own list of system calls within the holder's.
    let status = |pid: rustix::process::Pid| {
        fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).unwrap()
    };
    let has = |status: &str, field: &str, value: &str| {
        let line = status.lines().find(|line| line.starts_with(&format!("{field}:")));
        let found = line.and_then(|line| line.split_whitespace().nth(1));
        assert_eq!(found, Some(value), "{field}: {status}");
    };
    let parser = status(inline.parser());
    // What it may never gain again is bound by NoNewPrivs.
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        has(&parser, set, "0000000000000000");
    }
    has(&parser, "NoNewPrivs", "1");
    has(&parser, "Seccomp", "2");
    has(&parser, "Seccomp_filters", "2");
    let holder = status(rustix::process::Pid::from_child(&inline.child));
    has(&holder, "Seccomp_filters", "1");
    // CAP_NET_ADMIN alone.
    has(&holder, "CapEff", "0000000000001000");
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
