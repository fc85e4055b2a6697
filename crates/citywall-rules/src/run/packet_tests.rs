//! Tests on the headers of one packet.

use std::net::IpAddr;

use citywall_packet::{Ip, Network, Packet, Span, Tcp, Transport};

use crate::detect::{FlagsMode, HeaderPlace, PacketTest};

/// Do all hold?
pub(super) fn all_hold(tests: &[PacketTest], fragment: Option<bool>, packet: &Packet, data: &[u8]) -> bool {
    let ip = match packet.network {
        Network::Ip(ip) => Some(ip),
        _ => None,
    };
    if let Some(wanted) = fragment
        && ip.is_some_and(|ip| ip.reassembled || ip.fragment.is_some()) != wanted
    {
        return false;
    }
    let tcp = match packet.transport {
        Transport::Tcp(tcp) => Some(tcp),
        _ => None,
    };
    tests.iter().all(|test| holds(test, packet, ip, tcp, data))
}

fn holds(test: &PacketTest, packet: &Packet, ip: Option<Ip>, tcp: Option<Tcp>, data: &[u8]) -> bool {
    match test {
        PacketTest::PayloadSize(size) => size.holds(packet.payload.len.into()),
        PacketTest::TcpFlags(t) => tcp.is_some_and(|tcp| bits_hold(tcp.flags & !t.ignore, t.value, t.mode)),
        PacketTest::Seq(seq) => tcp.is_some_and(|tcp| tcp.seq == *seq),
        PacketTest::Ack(ack) => tcp.is_some_and(|tcp| tcp.ack == *ack),
        PacketTest::Window { value, negated } => tcp.is_some_and(|tcp| (tcp.window == *value) != *negated),
        PacketTest::Mss(test) => tcp
            .and_then(|tcp| tcp.mss)
            .is_some_and(|mss| test.holds(mss.into())),
        PacketTest::Ttl(test) => ip.is_some_and(|ip| test.holds(ip.ttl.into())),
        PacketTest::Tos { value, negated } => ip.is_some_and(|ip| (ip.tos == *value) != *negated),
        PacketTest::IpId(id) => ip.is_some_and(|ip| ip.id == *id),
        PacketTest::IpProtocol(test) => ip.is_some_and(|ip| test.holds(ip.protocol.into())),
        PacketTest::SameIp => ip.is_some_and(|ip| ip.src == ip.dst),
        PacketTest::IcmpType(_)
        | PacketTest::IcmpCode(_)
        | PacketTest::IcmpId(_)
        | PacketTest::IcmpSeq(_) => icmp_holds(test, packet),
        PacketTest::FragBits { value, mode } => {
            fragment_word(ip, data).is_some_and(|word| bits_hold((word >> 13) as u8, *value, *mode))
        }
        PacketTest::FragOffset(test) => {
            fragment_word(ip, data).is_some_and(|word| test.holds(u64::from(word & 0x1fff)))
        }
    }
}

fn icmp_holds(test: &PacketTest, packet: &Packet) -> bool {
    let Transport::Icmp {
        kind, code, id, seq, ..
    } = packet.transport
    else {
        return false;
    };
    match test {
        PacketTest::IcmpType(test) => test.holds(kind.into()),
        PacketTest::IcmpCode(test) => test.holds(code.into()),
        PacketTest::IcmpId(wanted) => id == *wanted,
        PacketTest::IcmpSeq(wanted) => seq == *wanted,
        _ => false,
    }
}

fn bits_hold(bits: u8, value: u8, mode: FlagsMode) -> bool {
    match mode {
        FlagsMode::Exact => bits == value,
        FlagsMode::All => bits & value == value,
        FlagsMode::Any => bits & value != 0,
        FlagsMode::None => bits & value == 0,
    }
}

/// Flags and fragment offset of an IPv4 header (RFC 791 section 3.1).
fn fragment_word(ip: Option<Ip>, data: &[u8]) -> Option<u16> {
    let ip = ip.filter(|ip| matches!(ip.src, IpAddr::V4(_)))?;
    let bytes = ip.header.of(data).get(6..8)?;
    Some(u16::from_be_bytes([bytes[0], bytes[1]]))
}

/// The bytes of a header; `None` where the packet has no such header.
pub(super) fn header<'a>(place: HeaderPlace, packet: &Packet, data: &'a [u8]) -> Option<&'a [u8]> {
    let ip = match packet.network {
        Network::Ip(ip) => ip,
        _ => return None,
    };
    let before_payload = |len: u32| Span {
        start: packet.payload.start.saturating_sub(len),
        len,
    };
    let span = match (place, packet.transport) {
        (HeaderPlace::Ipv4, _) => matches!(ip.src, IpAddr::V4(_)).then_some(ip.header)?,
        (HeaderPlace::Ipv6, _) => matches!(ip.src, IpAddr::V6(_)).then_some(ip.header)?,
        (HeaderPlace::Tcp, Transport::Tcp(tcp)) => tcp.header,
        (HeaderPlace::Udp, Transport::Udp { .. }) => before_payload(8),
        (HeaderPlace::Icmp, Transport::Icmp { .. }) => ip.payload,
        _ => return None,
    };
    Some(span.of(data)).filter(|bytes| !bytes.is_empty())
}
