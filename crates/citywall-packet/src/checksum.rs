//! The Internet checksum (RFC 1071) and the verification of transport checksums with it. Does not own
//! what a wrong checksum means for a conversation.

use std::net::IpAddr;

use crate::bytes::be16;
use crate::decode::MTU;
use crate::ipv4::{Ipv4Options, SOURCE_ROUTES, protocol};
use crate::ipv6::{DESTINATION, Extension, ROUTING};
use crate::model::{Checksum, Ip, Network, Packet, Span, Transport};

/// Adds up `bytes` as 32-bit words in the machine's order; the sum of 16-bit words with end-around
/// carry does not depend on the order (RFC 1071, 2B). Feed the result to [`fold`].
#[inline]
pub(crate) fn sum(bytes: &[u8]) -> u64 {
    // Eight independent lanes, so that the compiler can use vector registers. No lane overflows: it
    // would take 2^32 words, and no packet has them.
    let (blocks, rest) = bytes.as_chunks::<32>();
    let mut lanes = [0u64; 8];
    for block in blocks {
        let (words, _) = block.as_chunks::<4>();
        for (lane, word) in lanes.iter_mut().zip(words) {
            *lane += u64::from(u32::from_ne_bytes(*word));
        }
    }
    let mut total: u64 = lanes.iter().sum();
    let (words, rest) = rest.as_chunks::<4>();
    for word in words {
        total += u64::from(u32::from_ne_bytes(*word));
    }
    if !rest.is_empty() {
        let mut last = [0; 4];
        for (slot, byte) in last.iter_mut().zip(rest) {
            *slot = *byte;
        }
        total += u64::from(u32::from_ne_bytes(last));
    }
    total
}

/// As [`sum`], for a header of known size: no loop is left of it.
#[inline(always)]
pub(crate) fn sum_fixed<const N: usize>(bytes: &[u8; N]) -> u64 {
    const { assert!(N.is_multiple_of(4)) };
    let (words, _) = bytes.as_chunks::<4>();
    words
        .iter()
        .map(|word| u64::from(u32::from_ne_bytes(*word)))
        .sum()
}

/// Folds a sum to 16 bits with end-around carry: 0xffff for a range that holds its own checksum.
#[inline(always)]
pub(crate) fn fold(sum: u64) -> u16 {
    let sum = (sum >> 32) + (sum & 0xffff_ffff);
    let sum = (sum >> 32) + (sum & 0xffff_ffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    sum as u16
}

/// Verifies the checksum of TCP, UDP, ICMP or ICMPv6 and stores the result in `packet`. `data` is the
/// buffer that the packet was decoded from. Reads all of the payload.
///
/// Tolerated as `Unverified`: cut packets and fragments, UDP without a checksum over IPv4, and
/// checksums that the sender left to its network card. Those hold the sum of the pseudo-header, with
/// or without the length. `Invalid` from a wrong IPv4 header stays.
///
/// A wrong checksum of TCP or UDP in a packet of more than 1,500 bytes is `Unverified` too: network
/// cards and kernels join segments on their way in (GRO, LRO) or cut them on their way out (TSO), and
/// the joined packet that a capture on that host shows has the sum of its first segment. A true
/// jumbo frame with a right sum is `Valid`. The price: where jumbo frames are in use, a wrong sum
/// in one goes unnoticed. Packets that were put together from IP fragments have one sum for all of it.
pub fn verify_transport(packet: &mut Packet, data: &[u8]) {
    let Network::Ip(ip) = packet.network else {
        return;
    };
    if packet.truncated || ip.fragment.is_some() {
        return;
    }
    let payload = packet.payload;
    match &mut packet.transport {
        Transport::Tcp(tcp) if tcp.checksum == Checksum::Unverified => {
            tcp.checksum = verify(&ip, protocol::TCP, ip.payload, 16, data);
        }
        Transport::Udp { checksum, .. } if *checksum == Checksum::Unverified => {
            let datagram = Span {
                start: ip.payload.start,
                len: payload.len.saturating_add(8),
            };
            *checksum = verify_udp(&ip, datagram, data);
        }
        Transport::Icmp {
            v6: true, checksum, ..
        } if *checksum == Checksum::Unverified => {
            *checksum = verify(&ip, protocol::ICMPV6, ip.payload, 2, data);
        }
        Transport::Icmp {
            v6: false, checksum, ..
        } if *checksum == Checksum::Unverified => {
            *checksum = match fold(sum(ip.payload.of(data))) {
                0xffff => Checksum::Valid,
                _ => Checksum::Invalid,
            };
        }
        _ => {}
    }
}

fn verify_udp(ip: &Ip, datagram: Span, data: &[u8]) -> Checksum {
    if be16(datagram.of(data), 6) != 0 {
        return verify(ip, protocol::UDP, datagram, 6, data);
    }
    // Over IPv6 a checksum is required, and receivers drop a datagram without one (RFC 8200, 8.1).
    if ip.src.is_ipv6() {
        Checksum::Invalid
    } else {
        Checksum::Unverified
    }
}

/// Verifies the range `segment`, whose checksum field lies at `field`, with a pseudo-header.
fn verify(ip: &Ip, number: u8, segment: Span, field: usize, data: &[u8]) -> Checksum {
    let bytes = segment.of(data);
    let addresses = addresses(ip) + u64::from(u16::from(number).to_be());
    let pseudo = addresses + u64::from(segment.len.to_be());
    if fold(pseudo + sum(bytes)) == 0xffff {
        return Checksum::Valid;
    }
    let found = be16(bytes, field).to_be();
    let joined = number != protocol::ICMPV6 && may_be_joined(ip);
    if found == fold(pseudo) || found == fold(addresses) || joined || rerouted(ip, data) {
        return Checksum::Unverified;
    }
    Checksum::Invalid
}

/// True where a packet is longer than one segment is.
fn may_be_joined(ip: &Ip) -> bool {
    !ip.reassembled && ip.header.len.saturating_add(ip.payload.len) > MTU as u32
}

/// The sum of both addresses.
#[inline]
fn addresses(ip: &Ip) -> u64 {
    let one = |address: IpAddr| match address {
        IpAddr::V4(address) => sum_fixed(&address.octets()),
        IpAddr::V6(address) => sum_fixed(&address.octets()),
    };
    one(ip.src) + one(ip.dst)
}

/// True where the pseudo-header holds other addresses than the header: source routes (the final
/// destination counts) and Mobile IPv6 (the home address counts).
#[cold]
fn rerouted(ip: &Ip, data: &[u8]) -> bool {
    let header = ip.header.of(data);
    if ip.src.is_ipv4() {
        let header_len = usize::from(header.first().map_or(0, |byte| byte & 15)) * 4;
        let options = Ipv4Options::new(header.get(..header_len).unwrap_or(header));
        return options.flatten().any(|kind| SOURCE_ROUTES.contains(&kind));
    }
    let Some(mut kind) = header.get(6).copied() else {
        return false;
    };
    let mut rest = header.get(40..).unwrap_or(&[]);
    // Ends: each extension header consumes at least 8 bytes.
    while let Ok(extension) = Extension::read(kind, rest) {
        let (this, behind) = rest.split_at(extension.length);
        if kind == ROUTING && this.get(3) != Some(&0) {
            return true;
        }
        if kind == DESTINATION && has_home_address(this.get(2..).unwrap_or(&[])) {
            return true;
        }
        (kind, rest) = (extension.next, behind);
    }
    false
}

/// True where destination options hold a home address (RFC 6275, 6.3).
fn has_home_address(options: &[u8]) -> bool {
    const PAD_1: u8 = 0;
    const HOME_ADDRESS: u8 = 0xc9;
    let mut rest = options;
    // Ends: each turn consumes at least one byte.
    while let Some(&kind) = rest.first() {
        let length = match (kind, rest.get(1)) {
            (PAD_1, _) => 1,
            (HOME_ADDRESS, Some(16)) => return true,
            (_, Some(&length)) => 2 + usize::from(length),
            (_, None) => return false,
        };
        rest = rest.get(length..).unwrap_or(&[]);
    }
    false
}
