//! Packets that are changed, and packets of our own.
//!
//! Owns: writing IP, TCP and UDP headers with their lengths and checksums (RFC 791, RFC 8200, RFC
//! 9293, RFC 768), and the numbers in the SACK option. Does not own: which numbers those are.

use citywall_packet::{Ip, Network, Packet, Tcp, Transport, tcp_flags};

const TCP: u8 = 6;
const UDP: u8 = 17;

/// Where the headers of a packet lie that we may change: no tunnel, no fragment, nothing cut.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    ip: Ip,
    /// Where the transport header begins.
    transport: usize,
}

impl Layout {
    /// `None` where the packet is none that could be changed.
    pub fn of(packet: &Packet, data: &[u8]) -> Option<Layout> {
        let Network::Ip(ip) = packet.network else {
            return None;
        };
        let plain = packet.tunnel_depth == 0 && ip.fragment.is_none() && !packet.truncated;
        let transport = ip.payload.start as usize;
        let whole = ip.header.start == 0 && ip.header.len as usize == transport && transport <= data.len();
        (plain && whole).then_some(Layout { ip, transport })
    }
}

/// The one's complement sum of RFC 1071, in the machine's order; to be folded.
fn sum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<4>();
    let mut total: u64 = words
        .iter()
        .map(|word| u64::from(u32::from_ne_bytes(*word)))
        .sum();
    let mut last = [0; 4];
    for (place, byte) in last.iter_mut().zip(rest) {
        *place = *byte;
    }
    total += u64::from(u32::from_ne_bytes(last));
    total
}

/// The checksum's two bytes as they stand in the packet.
fn folded(mut sum: u64) -> [u8; 2] {
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    (!(sum as u16)).to_ne_bytes()
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + value.len()) {
        place.copy_from_slice(value);
    }
}

/// Writes lengths and checksums. `transport` is where TCP or UDP begins.
fn finish(packet: &mut [u8], transport: usize, protocol: u8) {
    let (total, v6) = (packet.len(), packet.first().is_some_and(|b| b >> 4 == 6));
    let length = total.saturating_sub(transport);
    let mut pseudo = 0;
    if v6 {
        put(packet, 4, &((total - 40.min(total)) as u16).to_be_bytes());
        pseudo += sum(packet.get(8..40).unwrap_or(&[]));
    } else {
        put(packet, 2, &(total as u16).to_be_bytes());
        put(packet, 10, &[0, 0]);
        let header = sum(packet.get(..transport).unwrap_or(&[]));
        put(packet, 10, &folded(header));
        pseudo += sum(packet.get(12..20).unwrap_or(&[]));
    }
    pseudo += sum(&[0, protocol]) + sum(&(length as u16).to_be_bytes());
    let at = if protocol == TCP { 16 } else { 6 };
    if protocol == UDP {
        put(packet, transport + 4, &(length as u16).to_be_bytes());
    }
    put(packet, transport + at, &[0, 0]);
    let whole = pseudo + sum(packet.get(transport..).unwrap_or(&[]));
    let mut checksum = folded(whole);
    // Zero means "none" in UDP.
    if protocol == UDP && checksum == [0, 0] {
        checksum = [0xff, 0xff];
    }
    put(packet, transport + at, &checksum);
}

/// New numbers of a TCP packet.
pub struct Numbers<'a> {
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement.
    pub ack: u32,
    /// Flags.
    pub flags: u8,
    /// Where an edge of the SACK option goes.
    pub sack: &'a dyn Fn(u32) -> u32,
}

/// The packet with other numbers and, where given, other bytes, into `out`.
pub fn change_tcp(
    layout: &Layout,
    tcp: &Tcp,
    data: &[u8],
    numbers: &Numbers<'_>,
    payload: &[u8],
    out: &mut Vec<u8>,
) {
    out.clear();
    let end = layout.transport + tcp.header.len as usize;
    out.extend_from_slice(data.get(..end).unwrap_or(data));
    let t = layout.transport;
    put(out, t + 4, &numbers.seq.to_be_bytes());
    put(out, t + 8, &numbers.ack.to_be_bytes());
    put(out, t + 13, &[numbers.flags]);
    if let Some(options) = out.get_mut(t + 20..) {
        change_sack(options, numbers.sack);
    }
    out.extend_from_slice(payload);
    finish(out, t, TCP);
}

/// Walks the options and changes the edges of SACK blocks (kind 5).
fn change_sack(mut options: &mut [u8], change: &dyn Fn(u32) -> u32) {
    while let Some(&kind) = options.first() {
        let len = match kind {
            0 => return,
            1 => 1,
            _ => match options.get(1) {
                Some(&len) if len >= 2 && usize::from(len) <= options.len() => usize::from(len),
                _ => return,
            },
        };
        let (option, rest) = options.split_at_mut(len);
        if kind == 5 {
            for edge in option.get_mut(2..).unwrap_or_default().as_chunks_mut::<4>().0 {
                *edge = change(u32::from_be_bytes(*edge)).to_be_bytes();
            }
        }
        options = rest;
    }
}

/// What a TCP packet of ours says.
pub struct Ours<'a> {
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement.
    pub ack: u32,
    /// Flags.
    pub flags: u8,
    /// Window as the header has it.
    pub window: u16,
    /// Timestamp option: value and echo.
    pub timestamp: Option<(u32, u32)>,
    /// The bytes.
    pub payload: &'a [u8],
}

/// An IP header from the one that `data` goes to, back to the one who sent it.
fn back_header(layout: &Layout, data: &[u8], protocol: u8, out: &mut Vec<u8>) {
    out.clear();
    if layout.ip.src.is_ipv6() {
        out.extend_from_slice(&[0x60, 0, 0, 0, 0, 0, protocol, 64]);
        out.extend_from_slice(data.get(24..40).unwrap_or(&[0; 16]));
        out.extend_from_slice(data.get(8..24).unwrap_or(&[0; 16]));
    } else {
        out.extend_from_slice(&[0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, protocol, 0, 0]);
        out.extend_from_slice(data.get(16..20).unwrap_or(&[0; 4]));
        out.extend_from_slice(data.get(12..16).unwrap_or(&[0; 4]));
    }
}

/// A TCP packet to the sender of `data`, as if from the one it goes to.
pub fn answer_tcp(layout: &Layout, tcp: &Tcp, data: &[u8], ours: &Ours<'_>, out: &mut Vec<u8>) {
    back_header(layout, data, TCP, out);
    let transport = out.len();
    out.extend_from_slice(&tcp.dst_port.to_be_bytes());
    out.extend_from_slice(&tcp.src_port.to_be_bytes());
    out.extend_from_slice(&ours.seq.to_be_bytes());
    out.extend_from_slice(&ours.ack.to_be_bytes());
    let words: u8 = if ours.timestamp.is_some() { 8 } else { 5 };
    out.extend_from_slice(&[words << 4, ours.flags]);
    out.extend_from_slice(&ours.window.to_be_bytes());
    out.extend_from_slice(&[0; 4]);
    if let Some((value, echo)) = ours.timestamp {
        out.extend_from_slice(&[1, 1, 8, 10]);
        out.extend_from_slice(&value.to_be_bytes());
        out.extend_from_slice(&echo.to_be_bytes());
    }
    out.extend_from_slice(ours.payload);
    finish(out, transport, TCP);
}

/// The packet as a reset that goes on to its receiver (RFC 9293, 3.5.2).
pub fn reset_tcp(layout: &Layout, data: &[u8], (seq, ack): (u32, u32), out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(data.get(..layout.transport + 20).unwrap_or(data));
    let t = layout.transport;
    put(out, t + 4, &seq.to_be_bytes());
    put(out, t + 8, &ack.to_be_bytes());
    put(out, t + 12, &[5 << 4, tcp_flags::RST | tcp_flags::ACK, 0, 0]);
    put(out, t + 18, &[0, 0]);
    finish(out, t, TCP);
}

/// A datagram to the sender of `data`, as if from the one it goes to.
pub fn answer_udp(layout: &Layout, packet: &Packet, data: &[u8], payload: &[u8], out: &mut Vec<u8>) {
    let Transport::Udp {
        src_port, dst_port, ..
    } = packet.transport
    else {
        return;
    };
    back_header(layout, data, UDP, out);
    let transport = out.len();
    out.extend_from_slice(&dst_port.to_be_bytes());
    out.extend_from_slice(&src_port.to_be_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(payload);
    finish(out, transport, UDP);
}

#[cfg(test)]
mod tests {
    use super::*;
    use citywall_packet::{Checksum, Frame, LinkType, decode, verify_transport};

    fn read(data: &[u8]) -> Packet {
        let frame = Frame {
            data,
            wire_len: data.len() as u32,
            at: 0,
            link: LinkType::RAW,
        };
        let mut malformed = Vec::new();
        let mut packet = decode(&frame, &mut malformed);
        assert_eq!(malformed, []);
        verify_transport(&mut packet, data);
        packet
    }

    fn tcp(packet: &Packet) -> Tcp {
        match packet.transport {
            Transport::Tcp(tcp) => tcp,
            other => panic!("{other:?}"),
        }
    }

    /// An empty packet of either family, from .1 or ::1 port 4000 to .2 or ::2 port 502.
    fn start(v6: bool) -> Vec<u8> {
        let mut data = if v6 {
            let mut ip = vec![0x60, 0, 0, 0, 0, 0, TCP, 64];
            ip.extend_from_slice(&[[0; 15].as_slice(), &[1]].concat());
            ip.extend_from_slice(&[[0; 15].as_slice(), &[2]].concat());
            ip
        } else {
            vec![
                0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, TCP, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
            ]
        };
        let transport = data.len();
        data.extend_from_slice(&[
            15,
            160,
            1,
            246,
            0,
            0,
            0,
            1,
            0,
            0,
            0,
            2,
            8 << 4,
            0x18,
            1,
            0,
            0,
            0,
            0,
            0,
        ]);
        data.extend_from_slice(&[1, 1, 5, 10, 0, 0, 0, 100, 0, 0, 0, 200]);
        data.extend_from_slice(b"payload");
        finish(&mut data, transport, TCP);
        data
    }

    #[test]
    fn what_is_written_is_valid() {
        for v6 in [false, true] {
            let data = start(v6);
            let packet = read(&data);
            assert_eq!(tcp(&packet).checksum, Checksum::Valid);
            let layout = Layout::of(&packet, &data).unwrap();
            let numbers = Numbers {
                seq: 7,
                ack: 8,
                flags: tcp_flags::ACK,
                sack: &|edge| edge + 1,
            };
            let mut out = Vec::new();
            change_tcp(&layout, &tcp(&packet), &data, &numbers, b"other bytes", &mut out);
            let changed = read(&out);
            let t = tcp(&changed);
            assert_eq!(
                (t.seq, t.ack, t.flags, t.checksum),
                (7, 8, tcp_flags::ACK, Checksum::Valid)
            );
            assert_eq!(changed.payload.of(&out), b"other bytes");
            assert!(out.windows(8).any(|w| w == [0, 0, 0, 101, 0, 0, 0, 201]));
            let ours = Ours {
                seq: 1,
                ack: 2,
                flags: tcp_flags::ACK,
                window: 3,
                timestamp: Some((4, 5)),
                payload: b"ours",
            };
            answer_tcp(&layout, &tcp(&packet), &data, &ours, &mut out);
            let back = read(&out);
            let t = tcp(&back);
            assert_eq!((t.src_port, t.dst_port, t.timestamp), (502, 4000, Some((4, 5))));
            assert_eq!(
                (t.checksum, back.payload.of(&out)),
                (Checksum::Valid, &b"ours"[..])
            );
            reset_tcp(&layout, &data, (9, 10), &mut out);
            let t = tcp(&read(&out));
            assert_eq!((t.seq, t.checksum, t.dst_port), (9, Checksum::Valid, 502));
        }
    }
}
