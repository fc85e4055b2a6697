//! Hosts, and packets between them with correct lengths and checksums, for IPv4 and IPv6.
//!
//! Owns: addresses of the corpus (documentation networks, RFC 5737 and RFC 3849; locally administered hardware
//! addresses, so that no maker list matters), IPv6 and its transports. Ethernet and IPv4 are the story's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::story::wire::{self, Mac};

/// Protocol numbers (IANA).
pub const ICMP: u8 = 1;
/// ICMP for IPv6.
pub const ICMPV6: u8 = 58;
pub use crate::story::wire::{TCP, UDP};

/// A host with its addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Host {
    /// Hardware address.
    pub mac: Mac,
    /// The address that it uses.
    pub ip: IpAddr,
}

/// A port of a host.
pub type End = (Host, u16);

/// An IPv4 host.
pub const fn host(a: u8, b: u8, c: u8, d: u8) -> Host {
    Host {
        mac: [2, 0, a, b, c, d],
        ip: IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
    }
}

/// An IPv6 host of the documentation network.
pub const fn host6(n: u16) -> Host {
    Host {
        mac: [2, 6, 0, 0, (n >> 8) as u8, n as u8],
        ip: IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, n)),
    }
}

/// Who asks, in most cases.
pub const CLIENT: Host = host(192, 0, 2, 10);
/// Who answers, in most cases.
pub const SERVER: Host = host(192, 0, 2, 20);
/// Who asks by IPv6.
pub const CLIENT6: Host = host6(0x10);
/// Who answers by IPv6.
pub const SERVER6: Host = host6(0x20);
/// End points of tunnels.
pub const GATE_A: Host = host(198, 51, 100, 1);
/// End points of tunnels.
pub const GATE_B: Host = host(198, 51, 100, 2);

/// The group that multicast DNS goes to (RFC 6762), with its hardware address (RFC 1112).
pub const MDNS: Host = Host {
    mac: [1, 0, 0x5e, 0, 0, 0xfb],
    ..host(224, 0, 0, 251)
};
/// A host of a city's own network (RFC 1918): such hosts become assets.
pub const OPERATOR: Host = host(10, 0, 0, 10);
/// A device of it.
pub const DEVICE: Host = host(10, 0, 0, 20);

impl Host {
    /// Its IPv4 address; for an IPv6 host the unspecified one.
    pub fn v4(&self) -> Ipv4Addr {
        match self.ip {
            IpAddr::V4(ip) => ip,
            IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
        }
    }

    /// Its IPv6 address; for an IPv4 host the mapped one.
    pub fn v6(&self) -> Ipv6Addr {
        match self.ip {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        }
    }
}

/// An IP packet of the version of its sender.
pub fn ip(from: Host, to: Host, protocol: u8, payload: &[u8]) -> Vec<u8> {
    match from.ip {
        IpAddr::V4(_) => wire::ipv4(from.v4(), to.v4(), protocol, 64, payload),
        IpAddr::V6(_) => ipv6(from, to, protocol, payload),
    }
}

/// An IPv6 packet (RFC 8200); `payload` may start with extension headers.
pub fn ipv6(from: Host, to: Host, next: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend((payload.len() as u16).to_be_bytes());
    packet.extend([next, 64]);
    packet.extend(from.v6().octets());
    packet.extend(to.v6().octets());
    packet.extend(payload);
    packet
}

/// An Ethernet frame around an IP packet.
pub fn frame(from: Host, to: Host, packet: &[u8]) -> Vec<u8> {
    let ethertype = if packet.first().is_some_and(|b| b >> 4 == 6) {
        0x86dd
    } else {
        0x0800
    };
    wire::ethernet(from.mac, to.mac, ethertype, packet)
}

/// Writes the checksum of a transport message at `at`, over its pseudo-header.
pub fn seal(from: Host, to: Host, protocol: u8, message: &mut [u8], at: usize) {
    message[at..at + 2].fill(0);
    let length = (message.len() as u32).to_be_bytes();
    let sum = match from.ip {
        IpAddr::V4(_) => wire::checksum(&[
            &from.v4().octets(),
            &to.v4().octets(),
            &[0, protocol],
            &length[2..],
            message,
        ]),
        IpAddr::V6(_) => wire::checksum(&[
            &from.v6().octets(),
            &to.v6().octets(),
            &length,
            &[0, 0, 0, protocol],
            message,
        ]),
    };
    let sum = if sum == 0 && protocol == UDP { 0xffff } else { sum };
    message[at..at + 2].copy_from_slice(&sum.to_be_bytes());
}

/// A UDP datagram.
pub fn udp(from: End, to: End, payload: &[u8]) -> Vec<u8> {
    let mut datagram = Vec::new();
    for word in [from.1, to.1, 8 + payload.len() as u16, 0] {
        datagram.extend(word.to_be_bytes());
    }
    datagram.extend(payload);
    seal(from.0, to.0, UDP, &mut datagram, 6);
    datagram
}

/// An ICMP or ICMPv6 message: type, code, four bytes, data.
pub fn icmp(from: Host, to: Host, kind: u8, code: u8, rest: [u8; 4], data: &[u8]) -> Vec<u8> {
    let mut message = vec![kind, code, 0, 0];
    message.extend(rest);
    message.extend(data);
    match from.ip {
        IpAddr::V4(_) => {
            let sum = wire::checksum(&[&message]);
            message[2..4].copy_from_slice(&sum.to_be_bytes());
        }
        IpAddr::V6(_) => seal(from, to, ICMPV6, &mut message, 2),
    }
    message
}

/// Fields of a TCP segment.
#[derive(Clone, Debug)]
pub struct Segment<'a> {
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number.
    pub ack: u32,
    /// Flag bits.
    pub flags: u8,
    /// Window.
    pub window: u16,
    /// Urgent pointer.
    pub urgent: u16,
    /// Options, a multiple of 4 bytes.
    pub options: &'a [u8],
    /// Data.
    pub data: &'a [u8],
}

impl Default for Segment<'_> {
    fn default() -> Self {
        Segment {
            seq: 0,
            ack: 0,
            flags: 0,
            window: 64_240,
            urgent: 0,
            options: &[],
            data: &[],
        }
    }
}

/// A TCP segment (RFC 9293).
pub fn tcp(from: End, to: End, s: &Segment<'_>) -> Vec<u8> {
    let mut segment = Vec::with_capacity(20 + s.options.len() + s.data.len());
    segment.extend(from.1.to_be_bytes());
    segment.extend(to.1.to_be_bytes());
    segment.extend(s.seq.to_be_bytes());
    segment.extend(s.ack.to_be_bytes());
    segment.extend([(((20 + s.options.len()) / 4) << 4) as u8, s.flags]);
    segment.extend(s.window.to_be_bytes());
    segment.extend([0, 0]);
    segment.extend(s.urgent.to_be_bytes());
    segment.extend(s.options);
    segment.extend(s.data);
    seal(from.0, to.0, TCP, &mut segment, 16);
    segment
}
