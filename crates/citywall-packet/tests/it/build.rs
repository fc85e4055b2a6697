//! Builders of frames: each puts a header before its payload. Checksums are computed in the simplest
//! way there is, not with the code under test.

use citywall_packet::{Frame, LinkType};

pub const A: [u8; 4] = [10, 0, 0, 1];
pub const B: [u8; 4] = [10, 0, 0, 2];
pub const A6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
pub const B6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];

pub fn frame(link: LinkType, data: &[u8]) -> Frame<'_> {
    Frame {
        data,
        wire_len: data.len() as u32,
        at: 0,
        link,
    }
}

pub fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// The Internet checksum, word by word.
pub fn checksum(bytes: &[u8]) -> [u8; 2] {
    let mut sum = 0u32;
    for pair in bytes.chunks(2) {
        let low = pair.get(1).copied().unwrap_or(0);
        sum += u32::from(u16::from_be_bytes([pair[0], low]));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!(sum as u16)).to_be_bytes()
}

pub fn ethernet(kind: u16, payload: &[u8]) -> Vec<u8> {
    ethernet_between([2, 0, 0, 0, 0, 0xa], [2, 0, 0, 0, 0, 0xb], kind, payload)
}

pub fn ethernet_between(src: [u8; 6], dst: [u8; 6], kind: u16, payload: &[u8]) -> Vec<u8> {
    join(&[&dst, &src, &kind.to_be_bytes(), payload])
}

/// The Ethernet frame in a tunnel, with other addresses than `ethernet`.
pub fn inner_ethernet(kind: u16, payload: &[u8]) -> Vec<u8> {
    ethernet_between([2, 0, 0, 0, 1, 0xa], [2, 0, 0, 0, 1, 0xb], kind, payload)
}

/// What follows the EtherType of a tag, with the tag's 2 bytes before.
pub fn tag(control: u16, kind: u16, payload: &[u8]) -> Vec<u8> {
    join(&[&control.to_be_bytes(), &kind.to_be_bytes(), payload])
}

pub fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    ipv4_with(protocol, 1, 0, &[], payload)
}

/// `place` is the flags and the offset in units of 8 bytes; `options` a multiple of 4 long.
pub fn ipv4_with(protocol: u8, id: u16, place: u16, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let header_len = 20 + options.len();
    let total = (header_len + payload.len()) as u16;
    let mut header = join(&[
        &[0x40 | (header_len / 4) as u8, 0],
        &total.to_be_bytes(),
        &id.to_be_bytes(),
        &place.to_be_bytes(),
        &[64, protocol, 0, 0],
        &A,
        &B,
        options,
    ]);
    fix_ipv4(&mut header);
    join(&[&header, payload])
}

/// Writes the checksum of the IPv4 header at the start of `packet`.
pub fn fix_ipv4(packet: &mut [u8]) {
    let header_len = usize::from(packet[0] & 15) * 4;
    packet[10..12].copy_from_slice(&[0, 0]);
    let sum = checksum(&packet[..header_len]);
    packet[10..12].copy_from_slice(&sum);
}

pub fn ipv6(next: u8, payload: &[u8]) -> Vec<u8> {
    ipv6_between(A6, B6, next, payload)
}

pub fn ipv6_between(src: [u8; 16], dst: [u8; 16], next: u8, payload: &[u8]) -> Vec<u8> {
    join(&[
        &[0x60, 0, 0, 0],
        &(payload.len() as u16).to_be_bytes(),
        &[next, 64],
        &src,
        &dst,
        payload,
    ])
}

/// An extension header of `units` + 1 times 8 bytes, all options padding.
pub fn extension(next: u8, units: u8, payload: &[u8]) -> Vec<u8> {
    let length = 6 + usize::from(units) * 8;
    let mut padding = vec![0; length];
    padding[0] = 1;
    padding[1] = (length - 2) as u8;
    join(&[&[next, units], &padding, payload])
}

/// `place` is the offset in bytes, with the "more" bit.
pub fn fragment6(next: u8, id: u32, place: u16, payload: &[u8]) -> Vec<u8> {
    join(&[&[next, 0], &place.to_be_bytes(), &id.to_be_bytes(), payload])
}

/// With the checksum of `ipv4`'s addresses.
pub fn udp(src: u16, dst: u16, payload: &[u8]) -> Vec<u8> {
    let mut datagram = join(&[
        &src.to_be_bytes(),
        &dst.to_be_bytes(),
        &(payload.len() as u16 + 8).to_be_bytes(),
        &[0, 0],
        payload,
    ]);
    let sum = transport_sum(&A, &B, 17, &datagram);
    // 0 would say that there is none (RFC 768).
    datagram[6..8].copy_from_slice(if sum == [0, 0] { &[0xff; 2] } else { &sum });
    datagram
}

/// With the checksum of `ipv4`'s addresses; `options` a multiple of 4 long.
pub fn tcp(src: u16, dst: u16, flags: u8, options: &[u8], payload: &[u8]) -> Vec<u8> {
    tcp_between(&A, &B, src, dst, flags, options, payload)
}

pub fn tcp_between(
    from: &[u8],
    to: &[u8],
    src: u16,
    dst: u16,
    flags: u8,
    options: &[u8],
    payload: &[u8],
) -> Vec<u8> {
    let mut segment = join(&[
        &src.to_be_bytes(),
        &dst.to_be_bytes(),
        &[0, 0, 0, 100, 0, 0, 0, 200],
        &[((20 + options.len()) * 4) as u8, flags, 0x20, 0, 0, 0, 0, 0],
        options,
        payload,
    ]);
    let sum = transport_sum(from, to, 6, &segment);
    segment[16..18].copy_from_slice(&sum);
    segment
}

/// The checksum of a segment whose field is zero, with its pseudo-header.
pub fn transport_sum(from: &[u8], to: &[u8], protocol: u8, segment: &[u8]) -> [u8; 2] {
    checksum(&join(&[
        from,
        to,
        &(segment.len() as u32).to_be_bytes(),
        &[0, 0, 0, protocol],
        segment,
    ]))
}

/// A whole Ethernet frame with a UDP datagram.
pub fn udp_frame(src: u16, dst: u16, payload: &[u8]) -> Vec<u8> {
    ethernet(0x0800, &ipv4(17, &udp(src, dst, payload)))
}

pub fn gre(flags: u16, kind: u16, payload: &[u8]) -> Vec<u8> {
    join(&[&flags.to_be_bytes(), &kind.to_be_bytes(), payload])
}

pub fn vxlan(id: u32, payload: &[u8]) -> Vec<u8> {
    join(&[&[8, 0, 0, 0], &(id << 8).to_be_bytes(), payload])
}

pub fn geneve(first: u8, kind: u16, id: u32, payload: &[u8]) -> Vec<u8> {
    join(&[
        &[first, 0],
        &kind.to_be_bytes(),
        &(id << 8).to_be_bytes(),
        payload,
    ])
}

pub fn label(label: u32, bottom: bool, payload: &[u8]) -> Vec<u8> {
    join(&[
        &(label << 12 | u32::from(bottom) << 8 | 64).to_be_bytes(),
        payload,
    ])
}

pub fn pppoe(session: u16, payload: &[u8]) -> Vec<u8> {
    join(&[
        &[0x11, 0],
        &session.to_be_bytes(),
        &(payload.len() as u16).to_be_bytes(),
        payload,
    ])
}
