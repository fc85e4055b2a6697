//! Traffic in, floods out. Traffic is made by small generators with known truth.

use std::net::{IpAddr, Ipv4Addr};

use citywall_event::Nanos;
use proptest::prelude::*;

use super::*;

pub(super) const SECOND: Nanos = 1_000_000_000;

/// A seeded generator (xorshift), so that every run is the same.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

pub(super) fn ip(last: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from(0x0a00_0000 | last))
}

/// All that a run meets.
pub(super) struct Bench {
    meter: Meter,
    detector: FloodDetector,
    tallies: Vec<Tally>,
    pub(super) found: Vec<(Nanos, FloodFound)>,
    dice: Dice,
}

impl Bench {
    pub(super) fn new() -> Bench {
        Bench {
            meter: Meter::new(1, 1),
            detector: FloodDetector::new(FloodLimits::default()),
            tallies: Vec::new(),
            found: Vec::new(),
            dice: Dice(88_172_645_463_325_252),
        }
    }

    pub(super) fn send(&mut self, at: Nanos, src: IpAddr, dst: IpAddr, class: Class, bytes: u32) {
        self.send_to_port(at, src, dst, (class, 80), bytes);
    }

    pub(super) fn send_to_port(
        &mut self,
        at: Nanos,
        src: IpAddr,
        dst: IpAddr,
        (class, port): (Class, u16),
        bytes: u32,
    ) {
        let sample = Sample {
            src,
            dst,
            class,
            ports: [port, port],
            bytes,
        };
        self.meter.packet(at, &sample, &mut self.tallies);
        self.judge(at);
    }

    fn judge(&mut self, at: Nanos) {
        for tally in self.tallies.drain(..) {
            if let Some(found) = self.detector.observe(&tally) {
                self.found.push((at, found));
            }
        }
    }

    /// `rate` packets a second over a time, each sent by `packet`.
    pub(super) fn stream(
        &mut self,
        from: Nanos,
        to: Nanos,
        rate: i64,
        mut packet: impl FnMut(&mut Bench, Nanos, u64),
    ) {
        let step = SECOND / rate;
        let mut at = from;
        while at < to {
            let roll = self.dice.roll();
            packet(self, at, roll);
            at += step;
        }
    }

    pub(super) fn end(&mut self, at: Nanos) -> String {
        self.meter.advance(at, &mut self.tallies);
        self.judge(at);
        for found in self.detector.tick(at) {
            self.found.push((at, found));
        }
        let line = |(at, f): &(Nanos, FloodFound)| {
            format!(
                "{:.1} s {} {}\n",
                *at as f64 / 1e9,
                f.behaviour.kind,
                f.behaviour.reason
            )
        };
        self.found.iter().map(line).collect()
    }
}

/// A client that opens a connection and talks: SYN, SYN+ACK, and eight packets of data.
fn client(bench: &mut Bench, at: Nanos, roll: u64) {
    let (client, server) = (ip(0x10_0000 | (roll as u32 & 0xffff)), ip(80));
    bench.send(at, client, server, Class::Syn, 60);
    bench.send(at, server, client, Class::SynAck, 60);
    for _ in 0..4 {
        bench.send(at, client, server, Class::Tcp, 300);
        bench.send(at, server, client, Class::Tcp, 1_400);
    }
}

fn syn(bench: &mut Bench, at: Nanos, roll: u64) {
    let source = ip(0x20_0000 | (roll as u32 & 0xf_ffff));
    bench.send(at, source, ip(80), Class::Syn, 60);
    bench.send(at, ip(80), source, Class::SynAck, 60);
}

#[test]
fn a_syn_flood_is_found_within_300_ms_and_its_end_told() {
    let mut bench = Bench::new();
    bench.stream(0, 10 * SECOND, 20, client);
    bench.stream(10 * SECOND, 12 * SECOND, 2_000, syn);
    bench.stream(12 * SECOND, 20 * SECOND, 20, client);
    let told = bench.end(20 * SECOND);
    expect_test::expect![[r#"
        10.1 s syn_flood 10.0.0.80 receives 2000 SYNs that nothing follows a second, about 240 senders; its habit is 0
        20.0 s flood_ended 10.0.0.80 receives no more of the syn flood that lasted 2.0 s (4000 packets)
    "#]]
    .assert_eq(&told);
}

#[test]
fn a_crowd_is_no_flood() {
    let mut bench = Bench::new();
    bench.stream(0, 10 * SECOND, 20, client);
    bench.stream(10 * SECOND, 20 * SECOND, 2_000, client);
    assert_eq!(bench.end(21 * SECOND), "");
}

#[test]
fn pulses_add_up() {
    let mut bench = Bench::new();
    for second in 0..6 {
        let at = second * SECOND;
        bench.stream(at, at + 200_000_000, 600, syn);
        bench.stream(at + 200_000_000, at + SECOND, 10, client);
    }
    let told = bench.end(20 * SECOND);
    assert_eq!(told.matches("syn_flood").count(), 1, "{told}");
}

#[test]
fn a_slow_ramp_is_not_learned_away() {
    let mut bench = Bench::new();
    let udp = |bench: &mut Bench, at: Nanos, _: u64| bench.send(at, ip(7), ip(9), Class::Udp, 200);
    // A camera's stream of 1,000 a second, for two minutes; then ever more, doubling each minute.
    bench.stream(0, 120 * SECOND, 1_000, udp);
    for minute in 0..5 {
        let from = (120 + 60 * minute) * SECOND;
        bench.stream(from, from + 60 * SECOND, 1_000 << minute, udp);
    }
    let told = bench.end(500 * SECOND);
    assert!(told.contains("udp_flood 10.0.0.9"), "{told}");
}

#[test]
fn a_steady_stream_is_a_habit() {
    let mut bench = Bench::new();
    // Twenty cameras to one recorder.
    bench.stream(0, 200 * SECOND, 4_000, |bench, at, roll| {
        bench.send(at, ip(100 + roll as u32 % 20), ip(9), Class::Udp, 1_200);
    });
    assert_eq!(bench.end(300 * SECOND), "");
}

#[test]
fn answers_that_nobody_asked_for() {
    let mut bench = Bench::new();
    bench.stream(0, 2 * SECOND, 3_000, |bench, at, roll| {
        bench.send(
            at,
            ip(0x30_0000 | roll as u32 & 0xff),
            ip(53),
            Class::Reflected,
            1_400,
        );
    });
    // A busy resolver asks as much as it is answered.
    bench.stream(2 * SECOND, 4 * SECOND, 3_000, |bench, at, roll| {
        let other = ip(0x30_0000 | roll as u32 & 0xff);
        bench.send(at, ip(54), other, Class::Udp, 80);
        bench.send(at, other, ip(54), Class::Reflected, 400);
    });
    let told = bench.end(20 * SECOND);
    assert!(told.contains("amplification 10.0.0.53"), "{told}");
    assert!(!told.contains("10.0.0.54"), "{told}");
}

#[test]
fn carpet_bombing_shows_by_network() {
    let mut bench = Bench::new();
    // Each host gets 40 a second: light by itself.
    bench.stream(0, 2 * SECOND, 10_000, |bench, at, roll| {
        let target = ip(0x40_0000 | (roll >> 20) as u32 & 0xff);
        bench.send(at, ip(0x50_0000 | roll as u32 & 0xffff), target, Class::Udp, 500);
    });
    let told = bench.end(20 * SECOND);
    assert!(
        told.contains("carpet_flood hosts of the network of 10.64.0.0"),
        "{told}"
    );
}

#[test]
fn datagrams_of_many_senders_are_told_at_a_lower_rate_than_a_stream() {
    let mut bench = Bench::new();
    let many = |bench: &mut Bench, at, roll: u64, target| {
        bench.send(at, ip(0x50_0000 | roll as u32 & 0xffff), target, Class::Udp, 500);
    };
    bench.stream(0, SECOND, 6_000, |bench, at, roll| many(bench, at, roll, ip(9)));
    // The same to all hosts of a network, each of which answers a little of what others asked.
    bench.stream(20 * SECOND, 21 * SECOND, 6_000, |bench, at, roll| {
        many(bench, at, roll, ip(0x40_0000 | (roll >> 20) as u32 & 0x7f));
        if roll % 100 == 0 {
            bench.send(
                at,
                ip(0x40_0000 | (roll >> 20) as u32 & 0x7f),
                ip(8),
                Class::Udp,
                200,
            );
        }
    });
    bench.end(40 * SECOND);
    let began: Vec<(Nanos, &str)> = bench
        .found
        .iter()
        .filter(|(_, f)| f.began)
        .map(|(at, f)| (at / 1_000_000, f.behaviour.kind))
        .collect();
    let within = |kind, from: Nanos| {
        began
            .iter()
            .any(|(at, k)| *k == kind && (from..=from + 300).contains(at))
    };
    assert!(within("udp_flood", 0), "{began:?}");
    assert!(within("carpet_flood", 20_000), "{began:?}");
    assert_eq!(began.len(), 2, "{began:?}");
}

#[test]
fn one_of_ours_floods() {
    let mut bench = Bench::new();
    bench.stream(0, 2 * SECOND, 5_000, |bench, at, _| {
        bench.send(at, ip(66), ip(0x60_0001), Class::Udp, 80);
    });
    let told = bench.end(20 * SECOND);
    assert!(told.contains("outbound_flood 10.0.0.66 sends 5000"), "{told}");
}

#[test]
fn one_of_ours_floods_one_host_with_more_than_small_packets_and_a_film_is_none() {
    let mut bench = Bench::new();
    bench.stream(0, 2 * SECOND, 4_000, |bench, at, _| {
        bench.send(at, ip(66), ip(0x60_0001), Class::Udp, 500);
    });
    let told = bench.end(20 * SECOND);
    assert!(told.contains("outbound_flood 10.0.0.66 sends 4000"), "{told}");
    let mut bench = Bench::new();
    bench.stream(0, 5 * SECOND, 4_000, |bench, at, _| {
        bench.send(at, ip(66), ip(7), Class::Udp, 1_400);
    });
    assert_eq!(bench.end(20 * SECOND), "");
}

#[test]
fn bulk_transfer_is_no_flood() {
    let mut bench = Bench::new();
    bench.stream(0, 5 * SECOND, 20_000, |bench, at, roll| {
        bench.send(at, ip(1), ip(2), Class::Tcp, 1_500);
        if roll % 4 == 0 {
            bench.send(at, ip(2), ip(1), Class::Tcp, 60);
        }
    });
    assert_eq!(bench.end(20 * SECOND), "");
}

#[test]
fn a_heavy_key_behind_many_light_ones_is_not_missed() {
    let mut meter = Meter::new(3, 1);
    let mut tallies = Vec::new();
    let mut send = |src, dst, at| {
        let sample = Sample {
            src,
            dst,
            class: Class::Udp,
            ports: [40_000, 80],
            bytes: 60,
        };
        meter.packet(at, &sample, &mut tallies);
    };
    for light in 0..20_000 {
        send(ip(0x10_0000 + light), ip(0x20_0000 + light), 0);
    }
    for _ in 0..200 {
        send(ip(5), ip(6), 1);
    }
    send(ip(5), ip(6), SLICE);
    let total = |key| tallies.iter().find(|t| t.key == key).map_or(0, Tally::total);
    // Not less than there were; a sketch's estimate may be a little more.
    assert!((200..220).contains(&total(Key::To(ip(6)))), "{tallies:?}");
    assert!((200..220).contains(&total(Key::From(ip(5)))));
}

/// Two workers that share the traffic find what one finds.
#[test]
fn workers_together_find_what_one_does() {
    let mut meters = [Meter::new(1, 2), Meter::new(1, 2)];
    let mut detector = FloodDetector::new(FloodLimits::default());
    let mut found = Vec::new();
    let mut dice = Dice(7);
    for n in 0..1_000 {
        let at = n * 2_000_000;
        let roll = dice.roll();
        let sample = Sample {
            src: ip(0x20_0000 | roll as u32 & 0xffff),
            dst: ip(80),
            class: Class::Syn,
            ports: [40_000, 80],
            bytes: 60,
        };
        let mut tallies = Vec::new();
        meters[roll as usize >> 20 & 1].packet(at, &sample, &mut tallies);
        found.extend(tallies.iter().filter_map(|t| detector.observe(t)));
    }
    let rates: Vec<f64> = found.iter().map(|f| f.behaviour.features[0].1).collect();
    assert_eq!(rates.len(), 1, "{found:?}");
    assert!((400.0..=500.0).contains(&rates[0]), "{rates:?}");
}

proptest! {
    /// Below its room the meter is exact, in whatever order packets come.
    #[test]
    fn exact_below_its_room(packets in proptest::collection::vec((0_u32..40, 0_u32..3), 1..800), seed: u64) {
        let mut meter = Meter::new(seed, 1);
        let mut tallies = Vec::new();
        for (src, dst) in &packets {
            let sample = Sample { src: ip(100 + src), dst: ip(*dst), class: Class::Udp, ports: [40_000, 80], bytes: 10 };
            meter.packet(5, &sample, &mut tallies);
        }
        meter.advance(SLICE, &mut tallies);
        for dst in 0..3 {
            let truth = packets.iter().filter(|(_, d)| *d == dst).count() as u32;
            let told = tallies.iter().find(|t| t.key == Key::To(ip(dst)));
            prop_assert_eq!(told.map_or(0, Tally::total), if truth >= 24 { truth } else { 0 });
        }
    }

    /// No traffic makes it panic or grow.
    #[test]
    fn bounded(packets in proptest::collection::vec((any::<u32>(), any::<u32>(), 0_usize..9, any::<u32>(), 0_i64..400_000_000), 0..500)) {
        let mut bench = Bench::new();
        let mut at = 0;
        for (src, dst, class, bytes, step) in packets {
            at += step;
            bench.send(at, IpAddr::V4(src.into()), IpAddr::V4(dst.into()), Class::ALL[class], bytes);
        }
        bench.end(at + 10 * SECOND);
        prop_assert!(bench.detector.active_len() <= 256);
    }
}

#[test]
fn a_burst_is_told_before_its_slice_is_over() {
    let mut meter = Meter::new(1, 1);
    let mut detector = FloodDetector::new(FloodLimits::default());
    let mut tallies = Vec::new();
    let mut told = None;
    for i in 0..4_000_i64 {
        let sample = Sample {
            src: ip(1_000 + i as u32),
            dst: ip(1),
            class: Class::Udp,
            ports: [40_000, 80],
            bytes: 400,
        };
        meter.packet(i * 5_000, &sample, &mut tallies);
        for tally in tallies.drain(..) {
            if let Some(found) = detector.observe(&tally) {
                told.get_or_insert((i + 1, found.behaviour.kind));
            }
        }
    }
    assert_eq!(told, Some((1_024, "udp_flood")));
}

#[test]
fn answers_to_handshakes_that_nobody_began() {
    let mut bench = Bench::new();
    bench.stream(0, 2 * SECOND, 2_000, |bench, at, roll| {
        bench.send(at, ip(5_000 + (roll % 300) as u32), ip(1), Class::SynAck, 60);
    });
    assert!(bench.end(10 * SECOND).contains("amplification"));
}

/// A flood for one port is told with it; where it goes on to others, once more without; and each is over.
#[test]
fn the_port_of_syns_is_told_as_long_as_it_is_one() {
    let mut bench = Bench::new();
    let port_of = |at: Nanos, roll: u64| match (at / SECOND, roll % 20) {
        // One in twenty is an honest client of another port.
        (0..2, 0) => 443,
        (0..2, _) => 80,
        _ => (roll >> 8) as u16,
    };
    bench.stream(0, 4 * SECOND, 2_000, |bench, at, roll| {
        let from = ip(0x20_0000 | (roll >> 24) as u32 & 0xffff);
        bench.send_to_port(at, from, ip(2), (Class::Syn, port_of(at, roll)), 60);
    });
    bench.end(20 * SECOND);
    let told = |(at, found): &(Nanos, FloodFound)| (at / SECOND, found.behaviour.kind, found.port);
    let told: Vec<_> = bench.found.iter().map(told).collect();
    let ended = |told: &(Nanos, &str, Option<u16>)| told.1 == "flood_ended";
    let (over, on): (Vec<_>, Vec<_>) = told.into_iter().partition(ended);
    assert_eq!(on, [(0, "syn_flood", Some(80)), (2, "syn_flood", None)]);
    let over: Vec<_> = over.into_iter().map(|(_, _, port)| port).collect();
    assert_eq!(over, [Some(80), None]);
}

/// No port is told where there is not one.
#[test]
fn syns_for_many_ports_are_for_none() {
    let mut bench = Bench::new();
    bench.stream(0, 2 * SECOND, 400, |bench, at, roll| {
        bench.send_to_port(
            at,
            ip(0x20_0000 | roll as u32 & 0xffff),
            ip(2),
            (Class::Syn, (roll >> 20) as u16),
            60,
        );
    });
    bench.end(20 * SECOND);
    let told: Vec<_> = bench
        .found
        .iter()
        .map(|(_, f)| (f.behaviour.kind, f.port))
        .collect();
    assert_eq!(told, [("syn_flood", None), ("flood_ended", None)]);
}

/// Answers that nobody asked for come from one service: which, is told.
#[test]
fn the_port_that_answers_come_from_is_told() {
    let mut bench = Bench::new();
    bench.stream(0, 2 * SECOND, 2_000, |bench, at, roll| {
        let from = ip(0x20_0000 | (roll >> 24) as u32 & 0xff);
        bench.send_to_port(at, from, ip(2), (Class::Reflected, 123), 400);
    });
    bench.end(20 * SECOND);
    let told: Vec<_> = bench
        .found
        .iter()
        .map(|(_, f)| (f.behaviour.kind, f.port))
        .collect();
    assert_eq!(told, [("amplification", Some(123)), ("flood_ended", Some(123))]);
}
