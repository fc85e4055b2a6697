//! Headers and payloads of single packets.

use citywall_flow::Direction;
use citywall_packet::tcp_flags::{ACK, ECE, PSH, SYN};

use crate::bench::{Bench, ip_frame, tcp_frame, udp_frame};

const THERE: Option<Direction> = Some(Direction::ToResponder);
const BACK: Option<Direction> = Some(Direction::ToInitiator);

/// Does a rule with this header and these options match the frame?
fn hits(header: &str, options: &str, frame: &[u8]) -> bool {
    let rule = format!("alert {header} ({options}; sid:1;)");
    let mut bench = Bench::tcp(&rule, 40_000, 4_000);
    bench.frame(frame, None);
    bench.text == "- 1\n"
}

#[test]
fn headers_are_compared() {
    let udp = udp_frame(1, 2, 5_000, 53, b"abcd");
    let any = "msg:\"t\"";
    assert!(hits("udp any any -> any any", any, &udp));
    assert!(hits("ip 10.0.0.1 any -> [10.0.0.0/30,!10.0.0.1] any", any, &udp));
    assert!(hits("udp $HOME_NET 1024: -> $HOME_NET [53,5353]", any, &udp));
    assert!(hits("udp any 53 <> any any", any, &udp));
    assert!(!hits("udp any 53 -> any any", any, &udp));
    assert!(!hits("tcp any any -> any any", any, &udp));
    assert!(!hits("udp $EXTERNAL_NET any -> any any", any, &udp));
    assert!(!hits("ipv6 any any -> any any", any, &udp));
    assert!(hits(
        "icmp any any -> any any",
        "itype:8; icode:0; icmp_id:1; icmp_seq:2",
        &ip_frame(1, 2, 1, &[8, 0, 0, 0, 0, 1, 0, 2])
    ));
}

#[test]
fn packet_keywords_are_tested() {
    let udp = udp_frame(1, 2, 5_000, 53, b"abcd");
    let all = "udp any any -> any any";
    for option in [
        "dsize:4",
        "dsize:>3",
        "dsize:2<>9",
        "ttl:64",
        "tos:16",
        "tos:!8",
        "id:4660",
        "ip_proto:udp",
        "ip_proto:!6",
        "fragbits:D",
        "fragbits:!M",
        "fragoffset:0",
        "content:\"bc\"; dsize:4",
        "udp.hdr; content:\"|00 35|\"; offset:2",
        "ipv4.hdr; content:\"|0a 00 00 01|\"",
    ] {
        assert!(hits(all, option, &udp), "{option}");
    }
    for option in [
        "dsize:5",
        "ttl:<64",
        "sameip",
        "seq:7",
        "flags:S",
        "itype:8",
        "fragbits:M",
        "fragoffset:>0",
    ] {
        assert!(!hits(all, option, &udp), "{option}");
    }
    assert!(hits(
        "ip any any -> any any",
        "sameip",
        &ip_frame(3, 3, 50, &[0; 8])
    ));
    let tcp = tcp_frame(SYN | ECE, b"");
    for option in [
        "flags:S,12",
        "flags:S+",
        "flags:+S",
        "flags:*SA",
        "flags:!A",
        "flags:SE",
        "seq:7",
        "ack:9",
        "window:8192",
        "tcp.hdr; content:\"|9c 40 0f a0|\"; startswith",
    ] {
        assert!(hits("tcp any any -> any any", option, &tcp), "{option}");
    }
    for option in ["flags:S", "flags:A", "flags:SA+", "window:!8192", "tcp.mss:>0"] {
        assert!(!hits("tcp any any -> any any", option, &tcp), "{option}");
    }
    let push = tcp_frame(PSH | ACK, b"hello");
    assert!(hits(
        "tcp-pkt any any -> any any",
        "content:\"hello\"; startswith",
        &push
    ));
    assert!(hits(
        "tcp any any -> any any",
        "content:\"hello\"; flags:PA",
        &push
    ));
    // Without a packet keyword it is the stream's.
    assert!(!hits("tcp any any -> any any", "content:\"hello\"", &push));
}

#[test]
fn rules_without_contents_match_once_per_flow_and_way() {
    let rules = "alert ip any any -> any any (sid:1;)
        alert ip any any -> any any (flow:to_client; sid:2;)
        alert udp any any -> any any (dsize:1; sid:3;)
        alert ip any any -> any any (threshold:type threshold, track by_src, count 2, seconds 9; sid:4;)";
    let mut bench = Bench::udp(rules, 5_000, 53);
    let there = udp_frame(1, 2, 5_000, 53, b"a");
    let back = udp_frame(2, 1, 53, 5_000, b"b");
    bench
        .frame(&there, THERE)
        .frame(&there, THERE)
        .frame(&back, BACK)
        .frame(&back, BACK);
    expect_test::expect![[r#"
        > 1
        > 3
        > 4
        > 3
        > 4
        < 1
        < 2
        < 3
        < 4
        < 3
        < 4
    "#]]
    .assert_eq(&bench.text);
}

#[test]
fn a_pass_rule_ends_what_follows() {
    let rules = "pass ip 10.0.0.1 any <> any any (sid:9;)
        alert udp any any -> any any (content:\"x\"; sid:1;)";
    let mut bench = Bench::udp(rules, 5_000, 53);
    bench.client(b"x").server(b"x");
    assert_eq!(bench.text, "");
    let rules = "alert udp any any -> any any (content:\"x\"; sid:1;)
        pass udp any any -> any any (content:\"ok\"; sid:9;)";
    let mut bench = Bench::udp(rules, 5_000, 53);
    bench.client(b"x ok").client(b"x");
    assert_eq!(bench.text, "> 1\n");
}
