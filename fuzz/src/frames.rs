//! Frames and fragments: what `citywall-packet` does with any bytes.

use citywall_packet::{
    DefragLimits, Defragmenter, Frame, LinkType, Malformed, Network, OverlapPolicies, OverlapPolicy, Packet,
    Span, Transport, decode, decode_reassembled, describe, verify_transport,
};

use crate::turns::parts;

/// Link types that are decoded, and one that is not.
pub const LINKS: [u32; 15] = [0, 1, 9, 12, 14, 50, 51, 101, 108, 113, 195, 228, 229, 276, 147];

/// Packets that come out of each other: tunnels of fragments of tunnels.
const NESTED: usize = 16;

/// The first byte chooses the link type, the second how many bytes the capture cut off.
pub fn packet(data: &[u8]) {
    let Some((&[link, cut], rest)) = data.split_first_chunk() else {
        return;
    };
    let frame = Frame {
        data: rest,
        wire_len: rest.len() as u32 + u32::from(cut / 16),
        at: 0,
        link: LinkType(LINKS[usize::from(link) % LINKS.len()]),
    };
    let mut out = Vec::new();
    let packet = checked(&frame, &mut out);
    let again = decode_reassembled(rest, &packet, &mut out);
    assert_in_bounds(&again, rest.len());
    let mut table = Defragmenter::new(DefragLimits::default(), OverlapPolicies::default());
    let whole = table.push(&packet, rest, &mut out);
    assert!(whole.is_none_or(|whole| !whole.is_empty()));
    assert!(out.iter().all(|malformed| malformed.name().contains('.')));
}

/// Decodes, verifies and describes.
fn checked(frame: &Frame<'_>, out: &mut Vec<Malformed>) -> Packet {
    let mut packet = decode(frame, out);
    assert_in_bounds(&packet, frame.data.len());
    verify_transport(&mut packet, frame.data);
    let line = describe(&packet, frame.data);
    assert!(!line.contains('\n'));
    packet
}

/// Panics where a span of `packet` is not within a buffer of `length` bytes.
fn assert_in_bounds(packet: &Packet, length: usize) {
    let check = |name: &str, span: Span| {
        let end = span.start as usize + span.len as usize;
        assert!(end <= length, "{name} {span:?} ends behind {length}: {packet:?}");
    };
    check("payload", packet.payload);
    if let Network::Ip(ip) = packet.network {
        check("header", ip.header);
        check("ip payload", ip.payload);
        assert_eq!(ip.header.start + ip.header.len, ip.payload.start, "{packet:?}");
    }
    if let Transport::Tcp(tcp) = packet.transport {
        check("tcp header", tcp.header);
        assert_eq!(
            tcp.header.start + tcp.header.len,
            packet.payload.start,
            "{packet:?}"
        );
    }
    assert_eq!(packet.cap_len as usize, length);
}

/// The first byte chooses policy and limits; each part is one fragment: a control byte (version,
/// "more", which datagram, a pause before it), two bytes of offset, and the payload, which is also
/// tried as a whole IP packet.
pub fn defrag(data: &[u8]) {
    let Some((&first, rest)) = data.split_first() else {
        return;
    };
    let policy = OverlapPolicy::ALL[usize::from(first & 7) % OverlapPolicy::ALL.len()];
    let limits = if first & 8 == 0 {
        DefragLimits::default()
    } else {
        DefragLimits {
            datagrams: 1 + usize::from(first >> 4 & 3),
            bytes: 1_500,
            fragments: 4,
            timeout: 2_000_000_000,
        }
    };
    let mut table = Defragmenter::new(limits, OverlapPolicies::new(policy));
    let mut at = 0;
    let mut late = Vec::new();
    for part in parts(rest) {
        let Some((&[control, a, b], payload)) = part.split_first_chunk() else {
            continue;
        };
        at += i64::from(control >> 6) * 700_000_000;
        let bytes = match control & 7 {
            6 | 7 => payload.to_vec(),
            kind => fragment(
                kind & 1 == 1,
                control >> 3 & 7,
                u16::from_be_bytes([a, b]),
                payload,
            ),
        };
        let frame = Frame {
            data: &bytes,
            wire_len: bytes.len() as u32,
            at,
            link: LinkType::RAW,
        };
        let mut out = Vec::new();
        let mut packet = checked(&frame, &mut out);
        let mut data = bytes.clone();
        for _ in 0..NESTED {
            let Some(whole) = table.push(&packet, &data, &mut out) else {
                break;
            };
            let next = decode_reassembled(&whole, &packet, &mut out);
            assert_in_bounds(&next, whole.len());
            (packet, data) = (next, whole);
        }
        let stats = table.stats();
        assert!(stats.held <= limits.datagrams, "{stats:?}");
        assert!(stats.held_bytes <= limits.bytes, "{stats:?}");
        if control & 0xc0 == 0xc0 {
            table.expire(at, &mut late);
        }
    }
    table.expire(i64::MAX, &mut late);
    assert_eq!((table.stats().held, table.stats().held_bytes), (0, 0));
}

/// A fragment with a sound header; bit 15 of `place` is "more", the rest the offset.
fn fragment(v6: bool, id: u8, place: u16, payload: &[u8]) -> Vec<u8> {
    let (more, units) = (place >> 15, place & 0x1fff);
    if v6 {
        let mut packet = vec![0x60, 0, 0, 0, 0, 0, 44, 64];
        packet[4..6].copy_from_slice(&(payload.len() as u16 + 8).to_be_bytes());
        packet.extend([0xfd; 15]);
        packet.push(1);
        packet.extend([0xfd; 15]);
        packet.push(2);
        packet.extend([17, 0]);
        packet.extend((units << 3 | more).to_be_bytes());
        packet.extend([0, 0, 0, id]);
        packet.extend_from_slice(payload);
        return packet;
    }
    let mut packet = vec![0x45, 0, 0, 0, 0, id, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    packet[2..4].copy_from_slice(&(payload.len() as u16 + 20).to_be_bytes());
    packet[6..8].copy_from_slice(&(more << 13 | units).to_be_bytes());
    let sum: u32 = packet
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
        .sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = !((sum + (sum >> 16)) as u16);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet.extend_from_slice(payload);
    packet
}
