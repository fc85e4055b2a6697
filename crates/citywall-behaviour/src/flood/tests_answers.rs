//! What is answered, and who answers: no flood by itself, and no attacker.

use super::class::Class;
use super::tests::{Bench, SECOND, ip};

/// An echo request and its reply.
fn ping(bench: &mut Bench, at: i64, from: u32, to: u32) {
    bench.send(at, ip(from), ip(to), Class::of_icmp(false, 8), 98);
    bench.send(at, ip(to), ip(from), Class::of_icmp(false, 0), 98);
}

/// Who answers each echo of a flood does not flood: only its victim is told.
#[test]
fn the_victim_of_an_echo_flood_is_not_its_source() {
    let mut bench = Bench::new();
    bench.stream(0, 4 * SECOND, 2_740, |bench, at, _| ping(bench, at, 1, 2));
    let told = bench.end(20 * SECOND);
    expect_test::expect![[r#"
        0.1 s icmp_flood 10.0.0.2 receives 2750 ICMP messages a second, about 1 sender, most of them by 10.0.0.1; its habit is 0
        20.0 s flood_ended 10.0.0.2 receives no more of the icmp flood that lasted 4.0 s (10961 packets)
    "#]]
    .assert_eq(&told);
}

/// All hosts of a network are pinged within a tenth of a second, again and again, and answer.
#[test]
fn who_looks_how_a_network_fares_floods_nobody() {
    let mut bench = Bench::new();
    for round in 0..20 {
        let mut host = 1;
        bench.stream(
            round * SECOND,
            round * SECOND + 90_000_000,
            2_800,
            |bench, at, _| {
                host += 1;
                ping(bench, at, 1, host);
            },
        );
    }
    assert_eq!(bench.end(60 * SECOND), "");
}

/// Their answers take a while, so all come in the slice after that in which they were asked for.
#[test]
fn answers_that_come_a_slice_later_were_asked_for() {
    for silent in [0, 30] {
        let mut bench = Bench::new();
        // Others of the poller's network talk meanwhile, so it is told of as such.
        for host in 0..silent {
            bench.send(80_000_000, ip(300), ip(256 + host), Class::Udp, 200);
            bench.send(130_000_000, ip(300), ip(256 + host), Class::Udp, 200);
        }
        for host in 1..250 {
            bench.send(90_000_000, ip(300), ip(host), Class::Icmp, 98);
        }
        for host in 1..250 {
            bench.send(130_000_000, ip(host), ip(300), Class::IcmpAnswer, 98);
        }
        assert_eq!(bench.end(20 * SECOND), "", "{silent}");
    }
}

/// Log lines by one host to one collector: ordinary up to what is a flood for who receives them.
#[test]
fn a_collector_takes_of_one_what_it_takes_of_all() {
    let logs = |rate, beside| {
        let mut bench = Bench::new();
        bench.stream(0, 2 * SECOND, rate, |bench, at, roll| {
            let class = match roll % 100 < beside {
                true => Class::of_udp(40_000, 9_999),
                false => Class::of_udp(40_000, 514),
            };
            bench.send(at, ip(1), ip(2), class, 167);
        });
        bench.end(20 * SECOND);
        let began = bench.found.iter().filter(|(_, f)| f.began);
        let line = |(_, f): &(_, super::FloodFound)| format!("{} {:?}\n", f.behaviour.reason, f.main);
        format!("{rate}, {beside}:\n{}", began.map(line).collect::<String>())
    };
    let all = [logs(3_000, 0), logs(4_900, 0), logs(3_000, 50), logs(8_000, 0)].concat();
    expect_test::expect![[r#"
        3000, 0:
        4900, 0:
        3000, 50:
        10.0.0.1 sends 3000 packets that are not answered a second, about 1 receiver, most of it to 10.0.0.2; its habit is 5 Some(10.0.0.2)
        8000, 0:
        10.0.0.2 receives 8000 datagrams that nobody answers a second, about 1 sender, most of them by 10.0.0.1; its habit is 13 Some(10.0.0.1)
        10.0.0.1 sends 8000 packets that are not answered a second, about 1 receiver, most of it to 10.0.0.2; its habit is 13 Some(10.0.0.2)
    "#]].assert_eq(&all);
}

/// The same network, each of its hosts a hundred times a second.
#[test]
fn echoes_to_all_of_a_network_are_a_flood_even_where_all_answer() {
    let mut bench = Bench::new();
    bench.stream(0, SECOND, 4_000, |bench, at, roll| {
        ping(bench, at, 0x10_0001, 0x40_0000 | (roll as u32 % 40));
    });
    let told = bench.end(20 * SECOND);
    assert!(
        told.contains("carpet_flood hosts of the network of 10.64.0.0"),
        "{told}"
    );
}

/// More than once in a slice, though by many of whom each asks but once.
#[test]
fn echoes_of_many_to_a_network_are_a_flood() {
    let mut bench = Bench::new();
    bench.stream(0, SECOND, 2_500, |bench, at, roll| {
        let (from, to) = (
            0x50_0000 | roll as u32 & 0xffff,
            0x40_0000 | (roll >> 20) as u32 & 0xff,
        );
        bench.send(at, ip(from), ip(to), Class::Icmp, 98);
    });
    let told = bench.end(20 * SECOND);
    assert!(told.contains("carpet_flood"), "{told}");
}

/// Replies and reports of errors that nobody caused: a reflected flood.
#[test]
fn icmp_answers_that_nobody_asked_for_are_a_flood() {
    for kind in [0, 3] {
        let mut bench = Bench::new();
        bench.stream(0, SECOND, 1_500, |bench, at, roll| {
            let class = Class::of_icmp(false, kind);
            bench.send(at, ip(0x20_0000 | roll as u32 & 0xff), ip(2), class, 98);
        });
        let told = bench.end(20 * SECOND);
        assert!(told.contains("icmp_flood 10.0.0.2"), "{kind}: {told}");
    }
}
