//! Frames, byte by byte, with correct lengths and checksums.
//!
//! Owns: Ethernet II, ARP (RFC 826), IPv4 (RFC 791), UDP (RFC 768), TCP (RFC 9293, RFC 7323). Does not own: when
//! they are sent, or IPv4 identifications, which the recorder numbers in the order of sending.

use std::net::Ipv4Addr;

/// A hardware address.
pub type Mac = [u8; 6];

/// All stations.
pub const BROADCAST: Mac = [0xff; 6];

/// Bytes that an Ethernet frame has at least, without its check sequence.
const MINIMUM: usize = 60;

/// Bytes of the Ethernet header.
pub const ETHERNET: usize = 14;

/// An Ethernet frame, padded to its minimum.
pub fn ethernet(src: Mac, dst: Mac, ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(MINIMUM.max(ETHERNET + payload.len()));
    frame.extend(dst);
    frame.extend(src);
    frame.extend(ethertype.to_be_bytes());
    frame.extend(payload);
    if frame.len() < MINIMUM {
        frame.resize(MINIMUM, 0);
    }
    frame
}

/// Who has which addresses, as an ARP packet says it.
#[derive(Clone, Copy, Debug)]
pub struct Station {
    /// Hardware address, zero where it is asked for.
    pub mac: Mac,
    /// Protocol address.
    pub ip: Ipv4Addr,
}

/// An ARP request (1) or reply (2).
pub fn arp(operation: u16, sender: Station, target: Station) -> Vec<u8> {
    let mut packet = vec![0, 1, 8, 0, 6, 4];
    packet.extend(operation.to_be_bytes());
    packet.extend(sender.mac);
    packet.extend(sender.ip.octets());
    packet.extend(target.mac);
    packet.extend(target.ip.octets());
    let to = if operation == 1 { BROADCAST } else { target.mac };
    ethernet(sender.mac, to, 0x0806, &packet)
}

/// An IPv4 packet with the identification 0 and a checksum to match.
pub fn ipv4(src: Ipv4Addr, dst: Ipv4Addr, protocol: u8, ttl: u8, payload: &[u8]) -> Vec<u8> {
    let length = (20 + payload.len()) as u16;
    let dont_fragment = if protocol == TCP { 0x40 } else { 0 };
    let mut packet = vec![0x45, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([0, 0, dont_fragment, 0, ttl, protocol, 0, 0]);
    packet.extend(src.octets());
    packet.extend(dst.octets());
    seal_ipv4(&mut packet);
    packet.extend(payload);
    packet
}

/// Sets the header checksum of an IPv4 packet without options.
pub fn seal_ipv4(packet: &mut [u8]) {
    packet[10..12].fill(0);
    let sum = checksum(&[&packet[..20]]);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
}

/// IP protocol number of TCP.
pub const TCP: u8 = 6;
/// IP protocol number of UDP.
pub const UDP: u8 = 17;

/// A UDP datagram.
pub fn udp(src: (Ipv4Addr, u16), dst: (Ipv4Addr, u16), payload: &[u8]) -> Vec<u8> {
    let length = (8 + payload.len()) as u16;
    let mut datagram = Vec::with_capacity(length.into());
    datagram.extend(src.1.to_be_bytes());
    datagram.extend(dst.1.to_be_bytes());
    datagram.extend(length.to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend(payload);
    let sum = match transport_checksum(src.0, dst.0, UDP, &datagram) {
        // 0 would mean "no checksum".
        0 => 0xffff,
        sum => sum,
    };
    datagram[6..8].copy_from_slice(&sum.to_be_bytes());
    datagram
}

/// Fields of a TCP header.
#[derive(Clone, Debug)]
pub struct Tcp<'a> {
    /// Sender's address and port.
    pub src: (Ipv4Addr, u16),
    /// Receiver's.
    pub dst: (Ipv4Addr, u16),
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number.
    pub ack: u32,
    /// Flag bits.
    pub flags: u8,
    /// Window as sent.
    pub window: u16,
    /// Options, a multiple of 4 bytes.
    pub options: &'a [u8],
    /// Data.
    pub payload: &'a [u8],
}

/// Flag bits.
pub mod flag {
    /// No more data.
    pub const FIN: u8 = 1;
    /// Open.
    pub const SYN: u8 = 2;
    /// Reset.
    pub const RST: u8 = 4;
    /// Push.
    pub const PSH: u8 = 8;
    /// The acknowledgement counts.
    pub const ACK: u8 = 16;
}

/// A TCP segment.
pub fn tcp(t: &Tcp<'_>) -> Vec<u8> {
    let mut segment = Vec::with_capacity(20 + t.options.len() + t.payload.len());
    segment.extend(t.src.1.to_be_bytes());
    segment.extend(t.dst.1.to_be_bytes());
    segment.extend(t.seq.to_be_bytes());
    segment.extend(t.ack.to_be_bytes());
    segment.push((((20 + t.options.len()) / 4) << 4) as u8);
    segment.push(t.flags);
    segment.extend(t.window.to_be_bytes());
    segment.extend([0; 4]);
    segment.extend(t.options);
    segment.extend(t.payload);
    let sum = transport_checksum(t.src.0, t.dst.0, TCP, &segment);
    segment[16..18].copy_from_slice(&sum.to_be_bytes());
    segment
}

fn transport_checksum(src: Ipv4Addr, dst: Ipv4Addr, protocol: u8, bytes: &[u8]) -> u16 {
    let [high, low] = (bytes.len() as u16).to_be_bytes();
    checksum(&[&src.octets(), &dst.octets(), &[0, protocol, high, low], bytes])
}

/// The Internet checksum (RFC 1071) over parts, of which only the last may have an odd length.
pub fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum: u32 = 0;
    for part in parts {
        for pair in part.chunks(2) {
            sum += u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_verify() {
        let (a, b) = (Ipv4Addr::new(10, 1, 2, 3), Ipv4Addr::new(192, 0, 2, 9));
        let datagram = udp((a, 5000), (b, 53), b"odd");
        assert_eq!(transport_checksum(a, b, UDP, &datagram), 0);
        let packet = ipv4(a, b, UDP, 64, &datagram);
        assert_eq!(checksum(&[&packet[..20]]), 0);
        // The example of RFC 1071, section 3.
        assert_eq!(
            checksum(&[&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]]),
            !0xddf2
        );
    }
}
