//! The table itself: keys, datagrams, time-outs, eviction, order of closing.

mod support;

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr};

use citywall_flow::{FlowKey, FlowLimits, FlowTable, HostPolicies, KeyOptions, Orientation};
use citywall_packet::{
    Arp, Checksum, Macs, Nanos, Network, Packet, Span, Transport, Tunnel, TunnelKind, Vlans, tcp_flags,
};
use expect_test::expect;

use support::{SECOND, Transcript, bare, ip, tcp, tcp_packet};

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn udp(src: &str, src_port: u16, dst: &str, dst_port: u16) -> Packet {
    let transport = Transport::Udp {
        src_port,
        dst_port,
        checksum: Checksum::Valid,
    };
    Packet {
        network: ip(address(src), address(dst), 17),
        transport,
        wire_len: 60,
        ..bare()
    }
}

fn icmp(src: &str, dst: &str, kind: u8, code: u8, id: u16) -> Packet {
    let v6 = address(src).is_ipv6();
    let transport = Transport::Icmp {
        v6,
        kind,
        code,
        id,
        seq: 0,
        checksum: Checksum::Valid,
    };
    let protocol = if v6 { 58 } else { 1 };
    Packet {
        network: ip(address(src), address(dst), protocol),
        transport,
        ..bare()
    }
}

fn ethernet(src: u8, dst: u8, ethertype: u16) -> Packet {
    let mac = |last| {
        if last == 255 {
            [255; 6]
        } else {
            [2, 0, 0, 0, 0, last]
        }
    };
    Packet {
        macs: Some(Macs {
            src: mac(src),
            dst: mac(dst),
        }),
        ethertype,
        ..bare()
    }
}

fn arp(src: u8, dst: u8) -> Packet {
    let network = Network::Arp(Arp {
        operation: 1,
        sender_mac: [2, 0, 0, 0, 0, src],
        sender_ip: Ipv4Addr::new(10, 0, 0, src),
        target_mac: [0; 6],
        target_ip: Ipv4Addr::new(10, 0, 0, dst),
    });
    Packet {
        network,
        ..ethernet(src, dst, 0x0806)
    }
}

fn key(packet: &Packet) -> FlowKey {
    FlowKey::of(packet).expect("a key").0
}

fn pair(one: &Packet, other: &Packet) -> bool {
    let same = key(one) == key(other);
    assert_eq!(same, key(one).hash_with(0) == key(other).hash_with(0));
    same
}

#[test]
fn both_directions_have_one_key() {
    assert!(pair(
        &udp("10.0.0.1", 9, "10.0.0.2", 7),
        &udp("10.0.0.2", 7, "10.0.0.1", 9)
    ));
    assert!(!pair(
        &udp("10.0.0.1", 9, "10.0.0.2", 7),
        &udp("10.0.0.1", 7, "10.0.0.2", 9)
    ));
    assert!(pair(
        &udp("fe80::1", 9, "fe80::2", 7),
        &udp("fe80::2", 7, "fe80::1", 9)
    ));
    // The same host: ports alone tell the directions.
    assert!(pair(
        &udp("127.0.0.1", 9, "127.0.0.1", 7),
        &udp("127.0.0.1", 7, "127.0.0.1", 9)
    ));
    // ::a00:1 has the bits of 10.0.0.1.
    assert!(!pair(
        &udp("10.0.0.1", 9, "10.0.0.2", 7),
        &udp("::a00:1", 9, "::a00:2", 7)
    ));
    let orientation = |packet: &Packet| FlowKey::of(packet).map(|(_, orientation)| orientation);
    assert_eq!(
        orientation(&udp("10.0.0.1", 9, "10.0.0.2", 7)),
        Some(Orientation::Forward)
    );
    assert_eq!(
        orientation(&udp("10.0.0.2", 7, "10.0.0.1", 9)),
        Some(Orientation::Backward)
    );
    assert_eq!(orientation(&Packet { macs: None, ..bare() }), None);
}

#[test]
fn nobodys_address_is_told_apart_by_the_card() {
    let from = |card: u8, src: &str, dst: &str| Packet {
        macs: ethernet(card, 255, 0x0800).macs,
        ..udp(src, 68, dst, 67)
    };
    let discover = |card| from(card, "0.0.0.0", "255.255.255.255");
    assert!(pair(&discover(1), &discover(1)));
    assert!(!pair(&discover(1), &discover(2)));
    assert!(!pair(&from(1, "::", "ff02::16"), &from(2, "::", "ff02::16")));
    // An answer to nobody's address goes to the card of the one who asked.
    let answer = Packet {
        macs: ethernet(255, 1, 0x0800).macs,
        ..udp("255.255.255.255", 67, "0.0.0.0", 68)
    };
    assert!(pair(&discover(1), &answer));
    // Whoever has an address is known by it, on whatever card it comes.
    assert!(pair(
        &from(1, "10.0.0.1", "10.0.0.2"),
        &from(2, "10.0.0.1", "10.0.0.2")
    ));
    // No address looks like a card.
    assert!(!pair(
        &from(1, "::", "ff02::16"),
        &from(1, "::200:0:1", "ff02::16")
    ));
}

#[test]
fn icmp_pairs_types() {
    let echo = icmp("10.0.0.1", "10.0.0.2", 8, 0, 5);
    assert!(pair(&echo, &icmp("10.0.0.2", "10.0.0.1", 0, 0, 5)));
    assert!(!pair(&echo, &icmp("10.0.0.2", "10.0.0.1", 0, 0, 6)));
    assert!(!pair(&echo, &icmp("10.0.0.2", "10.0.0.1", 3, 1, 0)));
    assert!(pair(
        &icmp("fe80::1", "fe80::2", 135, 0, 0),
        &icmp("fe80::2", "fe80::1", 136, 0, 0)
    ));
    assert!(!pair(
        &icmp("fe80::1", "fe80::2", 1, 4, 0),
        &icmp("fe80::1", "fe80::2", 1, 3, 0)
    ));
}

#[test]
fn without_ip_the_hardware_addresses_count() {
    assert!(pair(&ethernet(1, 2, 0x88b8), &ethernet(2, 1, 0x88b8)));
    assert!(!pair(&ethernet(1, 2, 0x88b8), &ethernet(1, 2, 0x88ba)));
    assert!(pair(&arp(1, 2), &arp(2, 1)));
    assert!(!pair(&arp(1, 2), &arp(1, 255)));
    assert!(pair(
        &Packet {
            macs: None,
            ..arp(1, 2)
        },
        &Packet {
            macs: None,
            ..arp(1, 3)
        }
    ));
}

#[test]
fn networks_that_are_apart_stay_apart() {
    let plain = udp("10.0.0.1", 9, "10.0.0.2", 7);
    let tag = |ids, count| Packet {
        vlans: Vlans { ids, count },
        ..plain
    };
    assert!(!pair(&plain, &tag([0, 0], 1)));
    assert!(!pair(&tag([5, 0], 1), &tag([6, 0], 1)));
    assert!(!pair(&tag([5, 0], 1), &tag([5, 0], 2)));
    let tunnel = |kind, id| Packet {
        tunnel: Some(Tunnel {
            kind,
            id,
            outer: None,
        }),
        ..plain
    };
    assert!(!pair(&plain, &tunnel(TunnelKind::IpInIp, 0)));
    assert!(!pair(
        &tunnel(TunnelKind::Vxlan, 5),
        &tunnel(TunnelKind::Vxlan, 6)
    ));
    assert!(!pair(
        &tunnel(TunnelKind::Vxlan, 5),
        &tunnel(TunnelKind::Geneve, 5)
    ));
    // Each direction of an MPLS path has a label of its own.
    assert!(pair(&tunnel(TunnelKind::Mpls, 5), &tunnel(TunnelKind::Mpls, 6)));
}

#[test]
fn vlans_may_be_left_out() {
    // A mirror port that tags each direction with a VLAN of its own.
    let tag = |packet: Packet, id| Packet {
        vlans: Vlans {
            ids: [id, 0],
            count: 1,
        },
        ..packet
    };
    let ask = tag(udp("10.0.0.1", 9, "10.0.0.2", 7), 100);
    let tell = tag(udp("10.0.0.2", 7, "10.0.0.1", 9), 101);
    let bare = udp("10.0.0.1", 9, "10.0.0.2", 7);
    let conversations = |use_vlans| {
        let keys = KeyOptions { use_vlans };
        let mut table = FlowTable::<u32>::with_keys(FlowLimits::default(), HostPolicies::default(), keys);
        for packet in [&ask, &tell, &bare] {
            table.push(packet, &[], 0, 0, &mut Transcript::default());
        }
        table.stats().live
    };
    assert_eq!((conversations(true), conversations(false)), (3, 1));
    // Without tags it makes no difference; ports still count, and so does the tunnel.
    let without = |packet: &Packet| FlowKey::with(packet, KeyOptions { use_vlans: false });
    assert_eq!(without(&bare), FlowKey::of(&bare));
    assert_ne!(
        without(&ask),
        without(&tag(udp("10.0.0.1", 9, "10.0.0.2", 8), 100))
    );
    let tunnel = Tunnel {
        kind: TunnelKind::Vxlan,
        id: 5,
        outer: None,
    };
    assert_ne!(
        without(&ask),
        without(&Packet {
            tunnel: Some(tunnel),
            ..ask
        })
    );
}

#[test]
fn the_hash_never_changes() {
    // Written down once: under the same seed it is the same on every machine.
    let hashes = [
        key(&udp("10.0.0.1", 9, "10.0.0.2", 7)).hash_with(0),
        key(&udp("fe80::1", 9, "fe80::2", 7)).hash_with(0),
        key(&arp(1, 2)).hash_with(0),
    ];
    expect!["[4ac199de103e1432, c2e26f1e36ced2b7, 955b1ad960705580]"].assert_eq(&format!("{hashes:x?}"));
}

#[test]
fn no_address_cancels_the_seed() {
    // Halves of IPv6 addresses that are equal to constants of the hash: what is multiplied with
    // their difference, zero, would not count.
    let prefix = |i: u16| key(&udp(&format!("3c6e:f372:fe94:f82b::{i:x}"), 9, "2001:db8::1", 7));
    let suffix = |i: u16| key(&udp(&format!("2001:{i:x}::bb67:ae85:84ca:a73b"), 9, "3fff::1", 7));
    for keys in [
        (1..200).map(prefix).collect::<Vec<_>>(),
        (1..200).map(suffix).collect(),
    ] {
        let hashes: HashSet<u64> = keys
            .iter()
            .map(|key| key.hash_with(0x1234_5678_9abc_def1))
            .collect();
        assert_eq!(hashes.len(), keys.len());
    }
}

#[test]
fn the_hash_spreads() {
    // Neighbouring addresses and ports over 4 workers and 256 buckets.
    let (mut workers, mut buckets) = ([0u32; 4], [0u32; 256]);
    for host in 0..64u16 {
        for port in 0..256u16 {
            let hash = key(&udp(
                &format!("10.0.{}.{}", host / 8, host % 8),
                40_000 + port,
                "10.9.9.9",
                53,
            ))
            .hash_with(0);
            workers[(hash % 4) as usize] += 1;
            buckets[(hash >> 56) as usize] += 1;
        }
    }
    assert!(workers.iter().all(|n| (3_900..4_300).contains(n)), "{workers:?}");
    assert!(buckets.iter().all(|n| (30..110).contains(n)), "{buckets:?}");
}

/// Packets at seconds, with payloads; `expire` at each full second from the last packet's on.
fn run(limits: FlowLimits, packets: &[(Nanos, Packet, &str)], expire_to: Nanos) -> String {
    let mut table = FlowTable::new(limits, HostPolicies::default());
    let mut transcript = Transcript::default();
    let mut border = 0;
    for (id, (second, packet, payload)) in (0u64..).zip(packets) {
        while border < *second {
            border += 1;
            table.expire(border * SECOND, &mut transcript);
        }
        let packet = Packet {
            payload: Span {
                start: 0,
                len: payload.len() as u32,
            },
            ..*packet
        };
        table.push(&packet, payload.as_bytes(), id, second * SECOND, &mut transcript);
    }
    while border < expire_to {
        border += 1;
        let before = transcript.text.len();
        table.expire(border * SECOND, &mut transcript);
        if transcript.text.len() > before {
            transcript.text.insert_str(before, &format!("second {border}\n"));
        }
    }
    table.finish(&mut transcript);
    assert_eq!(transcript.opened, transcript.closed);
    transcript.text
}

#[test]
fn datagrams() {
    let packets = [
        (0, udp("10.0.0.1", 40000, "10.0.0.2", 53), "query"),
        (0, udp("10.0.0.2", 53, "10.0.0.1", 40000), "answer"),
        (1, icmp("10.0.0.1", "10.0.0.2", 8, 0, 5), "ping"),
        (1, icmp("10.0.0.2", "10.0.0.1", 0, 0, 5), "pong"),
        (2, arp(1, 255), "who-has"),
        (2, ethernet(1, 2, 0x88b8), "goose"),
        (
            3,
            Packet {
                network: ip(address("10.0.0.1"), address("10.0.0.2"), 50),
                ..bare()
            },
            "esp",
        ),
        (4, udp("10.0.0.1", 40001, "10.0.0.2", 53), "unanswered"),
    ];
    expect![[r#"
        open 0: 10.0.0.1:40000 -> 10.0.0.2:53
        > query
        < answer
        open 2: 10.0.0.1:8 -> 10.0.0.2:0
        > ping
        < pong
        open 4: -:0 -> -:0
        > who-has
        open 5: -:0 -> -:0
        > goose
        open 6: 10.0.0.1:0 -> 10.0.0.2:0
        > esp
        open 7: 10.0.0.1:40001 -> 10.0.0.2:53
        > unanswered
        second 31
        close 2: Timeout, Established, 1+1 packets
        second 34
        close 7: Timeout, New, 1+0 packets
        second 60
        close 0: Timeout, Established, 1+1 packets
        second 62
        close 4: Timeout, New, 1+0 packets
        close 5: Timeout, New, 1+0 packets
        second 63
        close 6: Timeout, New, 1+0 packets
    "#]]
    .assert_eq(&run(FlowLimits::default(), &packets, 130));
}

#[test]
fn a_full_table_evicts_in_the_declared_order() {
    let limits = FlowLimits {
        flows: 3,
        ..FlowLimits::default()
    };
    let packets = [
        (0, udp("10.0.0.1", 1, "10.0.0.2", 53), ""),
        (0, udp("10.0.0.2", 53, "10.0.0.1", 1), ""),
        (1, udp("10.0.0.1", 2, "10.0.0.2", 53), ""),
        (2, ethernet(1, 2, 0x88b8), ""),
        // Evicts the one that was never answered, not the oldest.
        (3, udp("10.0.0.1", 3, "10.0.0.2", 53), ""),
        (4, udp("10.0.0.2", 53, "10.0.0.1", 3), ""),
        // Nothing is new: evicts the oldest.
        (5, udp("10.0.0.1", 4, "10.0.0.2", 53), ""),
    ];
    expect![[r#"
        open 0: 10.0.0.1:1 -> 10.0.0.2:53
        > 
        < 
        open 2: 10.0.0.1:2 -> 10.0.0.2:53
        > 
        open 3: -:0 -> -:0
        > 
        close 2: Evicted, New, 1+0 packets
        open 4: 10.0.0.1:3 -> 10.0.0.2:53
        > 
        < 
        close 0: Evicted, Established, 1+1 packets
        open 6: 10.0.0.1:4 -> 10.0.0.2:53
        > 
        close 3: Shutdown, New, 1+0 packets
        close 4: Shutdown, Established, 1+1 packets
        close 6: Shutdown, New, 1+0 packets
    "#]]
    .assert_eq(&run(limits, &packets, 5));
}

/// A table of a hundred, ten of them half open.
fn small_table() -> FlowTable<u32> {
    let limits = FlowLimits {
        flows: 100,
        half_open: 10,
        ..FlowLimits::default()
    };
    FlowTable::new(limits, HostPolicies::default())
}

/// A thousand invented senders send one segment each.
fn flood(table: &mut FlowTable<u32>, flags: u8) {
    let mut transcript = Transcript::default();
    for i in 1..=1_000u32 {
        let src = Ipv4Addr::from(0x0b00_0000 + i);
        let segment = tcp(1024, 80, flags, i, 0);
        let (packet, data) = tcp_packet(src, Ipv4Addr::new(10, 9, 9, 9), segment, b"", 0);
        table.push(&packet, &data, u64::from(i) + 50, 1, &mut transcript);
    }
}

#[test]
fn a_flood_of_half_open_connections_drives_nobody_else_out() {
    let mut table = small_table();
    // Fifty datagrams that nobody answers are older, and stay.
    for port in 0..50 {
        let packet = udp("10.0.0.1", port, "10.0.0.2", 53);
        table.push(&packet, &[], port.into(), 0, &mut Transcript::default());
    }
    flood(&mut table, tcp_flags::SYN);
    let stats = table.stats();
    assert_eq!((stats.opened, stats.evicted, stats.live), (1_050, 990, 60));
}

#[test]
fn what_never_had_an_answer_is_half_open_whatever_its_flags_are() {
    let mut table = small_table();
    flood(&mut table, tcp_flags::FIN | tcp_flags::ACK);
    let stats = table.stats();
    assert_eq!((stats.opened, stats.evicted, stats.live), (1_000, 990, 10));
}

#[test]
fn half_open_connections_stay_within_the_limit() {
    const LIMIT: u32 = 10_000;
    let limits = FlowLimits {
        flows: LIMIT,
        ..FlowLimits::default()
    };
    let mut table = FlowTable::<u32>::new(limits, HostPolicies::default());
    let mut transcript = Transcript::default();
    let server = Ipv4Addr::new(10, 9, 9, 9);
    // One conversation that is open must outlive the flood.
    let client = Ipv4Addr::new(10, 1, 1, 1);
    for (flags, forth) in [(tcp_flags::SYN, true), (tcp_flags::SYN | tcp_flags::ACK, false)] {
        let header = if forth {
            tcp(999, 80, flags, 5, 0)
        } else {
            tcp(80, 999, flags, 9, 6)
        };
        let (src, dst) = if forth { (client, server) } else { (server, client) };
        let (packet, data) = tcp_packet(src, dst, header, b"", 0);
        table.push(&packet, &data, 0, 0, &mut transcript);
    }
    let (packet, data) = tcp_packet(client, server, tcp(999, 80, tcp_flags::ACK, 6, 10), b"hello", 0);
    table.push(&packet, &data, 0, 0, &mut transcript);
    for i in 1..=200_000u32 {
        let src = Ipv4Addr::from(0x0b00_0000 + i);
        // Each with data that never become deliverable.
        let (packet, data) = tcp_packet(src, server, tcp(1024, 80, tcp_flags::SYN, i, 0), b"x", 0);
        table.push(&packet, &data, i.into(), i64::from(i) * 1_000, &mut transcript);
        assert!(table.stats().live <= LIMIT as usize);
        transcript.text.clear();
    }
    let stats = table.stats();
    assert_eq!(
        (stats.opened, stats.evicted),
        (200_001, 200_001 - u64::from(LIMIT))
    );
    assert_eq!(stats.peak, LIMIT as usize);
    let (packet, data) = tcp_packet(client, server, tcp(999, 80, tcp_flags::ACK, 11, 10), b"again", 0);
    let (flow, _) = table
        .push(&packet, &data, u64::MAX, SECOND, &mut transcript)
        .expect("a flow");
    assert_eq!(flow.id, 0);
    table.finish(&mut transcript);
    assert_eq!((transcript.opened, transcript.closed), (200_001, 200_001));
    assert_eq!(table.stats().buffered, 0);
}

#[test]
fn buffers_stay_within_the_limit() {
    let limits = FlowLimits {
        buffered_bytes: 20_000,
        buffered_bytes_per_direction: 5_000,
        ..FlowLimits::default()
    };
    let mut table = FlowTable::<u32>::new(limits, HostPolicies::default());
    let mut transcript = Transcript::default();
    let server = Ipv4Addr::new(10, 9, 9, 9);
    for i in 0..5_000u32 {
        // Every second byte of 20 streams.
        let src = Ipv4Addr::from(0x0b00_0000 + i % 20);
        let header = tcp(1024, 80, tcp_flags::ACK, 1 + i / 20 * 2, 1);
        let (packet, data) = tcp_packet(src, server, header, b"x", 0);
        table.push(&packet, &data, i.into(), 0, &mut transcript);
        assert!(table.stats().buffered <= 20_000);
    }
    let stats = table.stats();
    assert!(stats.buffered_peak >= 19_000 && stats.shed_bytes > 0, "{stats:?}");
    table.finish(&mut transcript);
    assert_eq!(table.stats().buffered, 0);
    // Every byte arrives, and every hole is told.
    assert_eq!(
        transcript.streams[0].iter().filter(|b| **b == b'x').count(),
        5_000
    );
}
