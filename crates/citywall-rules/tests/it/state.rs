//! Flow bits, flow states, order, and what may be skipped.

use citywall_flow::Direction;
use citywall_rules::{Conversation, RuleIndex};
use citywall_transaction::Protocol;

use crate::bench::{Bench, load};

#[test]
fn flow_bits_are_set_before_they_are_asked_for() {
    let rules = r#"
        alert tcp any any -> any any (flowbits:isset,seen; content:"b"; sid:1;)
        alert tcp any any -> any any (content:"a"; flowbits:set,seen; flowbits:noalert; sid:2;)
        alert tcp any any -> any any (flowbits:isnotset,seen; content:"c"; sid:3;)
        alert tcp any any -> any any (flowbits:isset,seen|other; content:"d"; sid:4;)
        alert tcp any any -> any any (flowbits:isset,seen&other; content:"e"; sid:5;)
        alert tcp any any -> any any (content:"f"; flowbits:unset,seen; noalert; sid:6;)
        alert tcp any any -> any any (content:"t"; flowbits:toggle,other; sid:7;)"#;
    let mut bench = Bench::tcp(rules, 1, 2);
    for piece in ["b", "c", "ab", "c", "d", "e", "t", "e", "t", "e", "f", "d", "c"] {
        bench.text.push_str(&format!("{piece}:\n"));
        bench.client(piece.as_bytes());
    }
    expect_test::expect![[r#"
        b:
        c:
        > 3
        ab:
        > 1
        c:
        d:
        > 4
        e:
        t:
        > 7
        e:
        > 5
        t:
        > 7
        e:
        f:
        d:
        c:
        > 3
    "#]]
    .assert_eq(&bench.text);
}

#[test]
fn flow_asks_for_direction_and_state() {
    let rules = r#"
        alert tcp any any -> any any (flow:to_server,established; content:"x"; sid:1;)
        alert tcp any any -> any any (flow:from_server; content:"x"; sid:2;)
        alert tcp any any -> any any (flow:not_established; content:"x"; sid:3;)"#;
    let mut bench = Bench::tcp(rules, 1, 2);
    bench.client(b"x").server(b"x");
    bench.flow.established = false;
    bench.client(b"x");
    assert_eq!(bench.text, "> 1\n< 2\n> 3\n");
}

#[test]
fn rules_wait_for_the_protocol() {
    let rules = r#"
        alert http any any -> any any (content:"secret"; sid:1;)
        alert tcp any any -> any any (app-layer-protocol:!http; content:"secret"; sid:2;)
        alert tcp any any -> any any (app-layer-protocol:http; content:"secret"; sid:3;)"#;
    let mut bench = Bench::tcp(rules, 1, 80);
    bench
        .client(b"GET /secret HTTP/1.1\r\n")
        .client(b"Host: a\r\n\r\n");
    assert_eq!(bench.text, "> 1\n> 3\n");
}

#[test]
fn order_is_action_then_bits_then_priority() {
    let book = load(
        "alert ip any any -> any any (sid:1; priority:2;)
         drop ip any any -> any any (sid:2;)
         pass ip any any -> any any (sid:3;)
         alert ip any any -> any any (sid:4; priority:1;)
         rejectboth ip any any -> any any (sid:5;)
         alert ip any any -> any any (flowbits:set,a; sid:6;)",
    );
    let sids: Vec<u32> = book.rules().iter().map(|r| r.sid).collect();
    assert_eq!(sids, [3, 2, 5, 6, 4, 1]);
    let of = |i| book.rule(RuleIndex(i)).unwrap();
    assert!(of(1).would_drop() && of(2).would_drop() && !of(3).would_drop());
    assert_eq!(of(2).action.to_string(), "rejectboth");
    assert_eq!(book.find(1, 4).map(|r| r.severity), Some(1));
}

#[test]
fn what_no_rule_needs_is_said() {
    let book = load(r#"alert tcp any any -> any 23 (content:"x"; sid:1;)"#);
    assert!(book.needs_stream() && !book.needs_packets() && !book.needs_bodies());
    assert!(!book.needs_transactions(Protocol::Http));
    let mut bench = Bench::tcp(r#"alert tcp any any -> any 23 (content:"x"; sid:1;)"#, 1, 80);
    let mut wants = |port| {
        bench.rules = Default::default();
        bench.flow.responder_port = port;
        let mut view = Conversation {
            flow: bench.flow,
            direction: Direction::ToResponder,
            rules: &mut bench.rules,
        };
        bench.book.wants_stream(&mut view)
    };
    assert!(!wants(80) && wants(23));
    let book = load(r#"alert http any any -> any any (file.data; content:"x"; sid:1;)"#);
    assert!(book.needs_bodies() && book.needs_transactions(Protocol::Http) && !book.needs_stream());
}

#[test]
fn a_rule_says_what_it_is() {
    let book = load(
        r#"alert tcp any any -> any any (msg:"a \"quoted\" one\; x"; content:"x"; classtype:trojan-activity; reference:cve,2021-1; reference:url,example.org/a; metadata:created_at 2020_01_01, mitre_technique_id T0812; metadata:policy drop; target:dest_ip; gid:3; sid:7; rev:2;)"#,
    );
    let rule = book.find(3, 7).unwrap();
    assert_eq!(
        (&*rule.msg, rule.rev, rule.severity),
        ("a \"quoted\" one; x", 2, 1)
    );
    assert_eq!(&*rule.category, "Malware on the network");
    assert_eq!(rule.technique(), Some("T0812"));
    let metadata: Vec<_> = rule.metadata().collect();
    assert_eq!(
        metadata,
        [
            ("created_at", "2020_01_01"),
            ("mitre_technique_id", "T0812"),
            ("policy", "drop")
        ]
    );
    let references: Vec<_> = rule.references().collect();
    assert_eq!(references, [("cve", "2021-1"), ("url", "example.org/a")]);
}
