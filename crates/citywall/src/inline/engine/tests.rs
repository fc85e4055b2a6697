//! Any packets at all: no panic, and what goes on or back is a sound packet of the same parties.

use citywall_packet::{Checksum, verify_transport};
use citywall_policy::City;
use proptest::prelude::*;

use super::*;

const CITY: &str = r#"
[city]
name = "Test"
[[domain]]
name = "water"
[[zone]]
name = "centre"
domain = "water"
networks = ["10.0.1.0/24"]
[[zone]]
name = "pumps"
domain = "water"
networks = ["10.0.2.0/24"]
[[conduit]]
from = "centre"
to = "pumps"
allow = ["modbus: read", "mqtt: publish ok/#", "snmp: get", "tcp/7000"]
"#;

fn engine() -> Engine {
    let city = City::parse(CITY, "test").unwrap();
    let rule = b"reject tcp any any -> any any (msg:\"x\"; content:\"evil\"; sid:1;)";
    let sources = [citywall_rules::RuleSource {
        name: "test",
        text: rule,
    }];
    let (book, refused) = citywall_rules::RuleBook::load(&sources, &citywall_rules::RuleVars::default());
    assert!(refused.is_empty());
    Engine::new(Policy::new(&city, Some(std::sync::Arc::new(book))))
}

/// A packet between a client and a server, its sums left to the card.
fn packet(back: bool, udp: bool, port: u16, seq: u32, ack: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let (from, to) = ([10, 0, 1, 1], [10, 0, 2, 2]);
    let (from, to) = if back { (to, from) } else { (from, to) };
    let ports = if back { [port, 4_000] } else { [4_000, port] };
    let mut data = vec![0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, if udp { 17 } else { 6 }, 0, 0];
    data.extend_from_slice(&[from, to].concat());
    ports
        .iter()
        .for_each(|p| data.extend_from_slice(&p.to_be_bytes()));
    if udp {
        data.extend_from_slice(&(payload.len() as u16 + 8).to_be_bytes());
        data.extend_from_slice(&[0, 0]);
    } else {
        data.extend_from_slice(&seq.to_be_bytes());
        data.extend_from_slice(&ack.to_be_bytes());
        data.extend_from_slice(&[5 << 4, flags, 1, 0, 0, 0, 0, 0]);
    }
    data.extend_from_slice(payload);
    let len = data.len() as u16;
    data[2..4].copy_from_slice(&len.to_be_bytes());
    let sum: u32 = data[..20]
        .chunks(2)
        .map(|b| u32::from(b[0]) << 8 | u32::from(b[1]))
        .sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    data[10..12].copy_from_slice(&(!((sum & 0xffff) + (sum >> 16)) as u16).to_be_bytes());
    data
}

fn read(data: &[u8]) -> (Packet, Vec<Malformed>) {
    let frame = Frame {
        data,
        wire_len: data.len() as u32,
        at: 0,
        link: LinkType::RAW,
    };
    let mut malformed = Vec::new();
    let mut packet = decode(&frame, &mut malformed);
    verify_transport(&mut packet, data);
    (packet, malformed)
}

fn sound(data: &[u8], from: [u8; 4]) {
    let (packet, mut malformed) = read(data);
    // Those of the packet that was changed.
    malformed.retain(|kind| *kind != Malformed::TcpFlags);
    assert_eq!(malformed, []);
    let checksum = match packet.transport {
        Transport::Tcp(tcp) => tcp.checksum,
        Transport::Udp { checksum, .. } => checksum,
        other => panic!("{other:?}"),
    };
    assert_eq!(checksum, Checksum::Valid);
    let Network::Ip(ip) = packet.network else { panic!() };
    assert_eq!(ip.src, std::net::IpAddr::from(from));
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(vec![0, 1, 0, 0, 0, 6, 1, 3, 0, 5, 0, 1]),
        Just(vec![0, 2, 0, 0, 0, 6, 1, 6, 0, 5, 0, 1]),
        Just(vec![
            0x10, 15, 0, 4, b'M', b'Q', b'T', b'T', 5, 2, 0, 60, 0, 0, 2, b'i', b'd'
        ]),
        Just(vec![0x32, 10, 0, 4, b'n', b'o', b'/', b'1', 0, 1, 0, b'1']),
        Just(b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        Just(b"evil".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..20),
    ];
    proptest::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_packets_leave_sound_ones(
        packets in proptest::collection::vec(
            (any::<bool>(), any::<bool>(), 0usize..5, 0u32..80, 0u32..80, any::<u8>(), payload()), 1..40),
        closed: bool,
    ) {
        let mut engine = engine();
        let mut reply = Reply::default();
        for (n, (back, udp, port, seq, ack, flags, payload)) in packets.iter().enumerate() {
            let port = [502, 1_883, 161, 80, 7_000][*port];
            let data = packet(*back, *udp && n % 5 == 0, port, *seq, *ack, flags & 0x1f, payload);
            let told = Told {
                closed,
                offloaded: true,
                at: n as i64 * 30_000_000,
                ..Told::default()
            };
            reply.reset();
            engine.judge(&told, &data, &mut reply);
            let (from, to) = if *back { ([10, 0, 2, 2], [10, 0, 1, 1]) } else { ([10, 0, 1, 1], [10, 0, 2, 2]) };
            if !reply.payload.is_empty() {
                sound(&reply.payload, from);
            }
            if !reply.answer.is_empty() {
                sound(&reply.answer, to);
            }
        }
        prop_assert_eq!(engine.counts.packets, packets.len() as u64);
    }

    #[test]
    fn any_bytes_are_judged(data in proptest::collection::vec(any::<u8>(), 0..200), closed: bool) {
        let mut reply = Reply::default();
        engine().judge(&Told { closed, ..Told::default() }, &data, &mut reply);
    }
}
