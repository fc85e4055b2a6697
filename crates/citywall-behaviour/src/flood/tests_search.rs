//! Who tries one port after another searches; who comes back to the same ones floods.

use super::class::Class::{Syn, SynAck, Tcp};
use super::tests::{Bench, SECOND, ip};

/// How SYNs are spread.
#[derive(Clone, Copy)]
struct Spread {
    senders: u32,
    hosts: u32,
    ports: u32,
    /// Each sender tries what the one before it tried.
    decoys: bool,
    rate: i64,
    syns: i64,
    answered: bool,
}

/// A port scan as tools make it.
const SCAN: Spread = Spread {
    senders: 1,
    hosts: 1,
    ports: 65_535,
    decoys: true,
    rate: 20_000,
    syns: 1_000,
    answered: true,
};

fn told(spread: Spread) -> String {
    let mut bench = Bench::new();
    let mut n = 0;
    let Spread { rate, syns, .. } = spread;
    bench.stream(0, syns * SECOND / rate, rate, |bench, at, roll| {
        let turn = if spread.decoys { n / spread.senders } else { n };
        let from = ip(0x20_0000
            + if spread.decoys {
                n % spread.senders
            } else {
                roll as u32 % spread.senders
            });
        let to = ip(0x40_0000 + turn % spread.hosts);
        // Tools try ports in an order of their own.
        let port = (turn / spread.hosts % spread.ports).wrapping_mul(7_919) as u16;
        n += 1;
        bench.send_to_port(at, from, to, (Syn, port), 58);
        if spread.answered && port.is_multiple_of(100) {
            bench.send(at, to, from, SynAck, 58);
            bench.send(at, from, to, Tcp, 54);
        } else if spread.answered {
            bench.send(at, to, from, Tcp, 54);
        }
    });
    bench.end(syns * SECOND / rate + 20 * SECOND);
    let line =
        |(at, f): &(i64, super::FloodFound)| format!("{} at {:.1} s", f.behaviour.kind, *at as f64 / 1e9);
    let began = bench.found.iter().filter(|(_, f)| f.began);
    began.map(line).collect::<Vec<_>>().join(", ")
}

#[test]
fn searches_are_no_floods_and_floods_are() {
    let cases = [
        ("a thousand ports", SCAN),
        ("behind two decoys", Spread { senders: 3, ..SCAN }),
        (
            "behind a firewall",
            Spread {
                rate: 1_000,
                answered: false,
                ..SCAN
            },
        ),
        ("all ports", Spread { syns: 65_535, ..SCAN }),
        (
            "one port of a network",
            Spread {
                hosts: 254,
                ports: 1,
                syns: 254,
                ..SCAN
            },
        ),
        (
            "many ports of a network",
            Spread {
                hosts: 64,
                ports: 1_000,
                syns: 30_000,
                rate: 5_000,
                ..SCAN
            },
        ),
        (
            "one port",
            Spread {
                ports: 1,
                rate: 2_000,
                syns: 2_000,
                ..SCAN
            },
        ),
        (
            "one port, of an unanswered host",
            Spread {
                ports: 1,
                rate: 2_000,
                syns: 2_000,
                answered: false,
                ..SCAN
            },
        ),
        (
            "a few ports",
            Spread {
                ports: 20,
                rate: 2_000,
                syns: 2_000,
                ..SCAN
            },
        ),
        (
            "a few ports, by many",
            Spread {
                senders: 5_000,
                decoys: false,
                ports: 20,
                rate: 2_000,
                syns: 2_000,
                ..SCAN
            },
        ),
        (
            "all ports, by many",
            Spread {
                senders: 5_000,
                decoys: false,
                rate: 2_000,
                syns: 2_000,
                ..SCAN
            },
        ),
        (
            "all ports, by ten",
            Spread {
                senders: 10,
                decoys: false,
                rate: 2_000,
                syns: 2_000,
                ..SCAN
            },
        ),
        (
            "all ports again and again",
            Spread {
                rate: 50_000,
                syns: 300_000,
                ..SCAN
            },
        ),
        (
            "a network",
            Spread {
                senders: 5_000,
                decoys: false,
                hosts: 254,
                ports: 1,
                rate: 5_000,
                syns: 5_000,
                ..SCAN
            },
        ),
        (
            "a network, by one",
            Spread {
                hosts: 254,
                ports: 1,
                rate: 5_000,
                syns: 5_000,
                answered: false,
                ..SCAN
            },
        ),
    ];
    let all: String = cases
        .map(|(what, spread)| format!("{what}: {}\n", told(spread)))
        .concat();
    expect_test::expect![[r#"
        a thousand ports: 
        behind two decoys: 
        behind a firewall: 
        all ports: 
        one port of a network: 
        many ports of a network: 
        one port: syn_flood at 0.1 s
        one port, of an unanswered host: syn_flood at 0.1 s
        a few ports: syn_flood at 0.1 s
        a few ports, by many: syn_flood at 0.1 s
        all ports, by many: syn_flood at 0.1 s
        all ports, by ten: syn_flood at 0.1 s
        all ports again and again: syn_flood at 2.4 s
        a network: carpet_flood at 0.1 s
        a network, by one: carpet_flood at 0.1 s, outbound_flood at 0.1 s
    "#]]
    .assert_eq(&all);
}

/// Refusals may come a slice after the SYNs that they answer.
#[test]
fn who_searches_is_not_flooded_by_what_refuses_him() {
    let mut bench = Bench::new();
    for port in 0..2_000 {
        bench.send_to_port(90_000_000, ip(1), ip(2), (Syn, port), 58);
        if port % 3 == 0 {
            bench.send(90_000_000, ip(2), ip(1), Tcp, 54);
        }
    }
    for _ in 0..1_333 {
        bench.send(110_000_000, ip(2), ip(1), Tcp, 54);
    }
    assert_eq!(bench.end(20 * SECOND), "");
}

/// A search before a flood buys it no time.
#[test]
fn a_flood_behind_a_search_is_told_at_once() {
    let mut bench = Bench::new();
    let mut port = 0;
    bench.stream(0, SECOND, 20_000, |bench, at, _| {
        port += 1;
        bench.send_to_port(at, ip(1), ip(2), (Syn, port), 58);
    });
    bench.stream(SECOND, 2 * SECOND, 2_000, |bench, at, _| {
        bench.send_to_port(at, ip(1), ip(2), (Syn, 80), 58);
    });
    bench.end(20 * SECOND);
    let receiver = |f: &&(i64, super::FloodFound)| f.1.behaviour.kind == "syn_flood";
    let (at, found) = bench.found.iter().find(receiver).expect("a flood");
    assert_eq!((at / 100_000_000, found.port), (11, Some(80)));
}
