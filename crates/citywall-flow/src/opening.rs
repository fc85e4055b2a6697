//! What a conversation looks like when its first packet comes.
//!
//! Owns: who is taken for the initiator, and what carries it. Does not own: anything later.

use citywall_packet::{Ip, Mac, Macs, Nanos, Network, Packet, Tcp, Transport, tcp_flags};

use crate::{Carrier, Endpoint, Flow, State};

pub(crate) const ETHERTYPE_ARP: u16 = 0x0806;

/// A link type without a receiver's address gives zeros.
pub(crate) fn named(mac: Mac) -> Option<Mac> {
    (mac != [0; 6]).then_some(mac)
}

/// A conversation as its first packet shows it, and whether that packet comes from the responder.
pub(crate) fn first_impression<S: Default>(packet: &Packet, id: u64, now: Nanos) -> (Flow<S>, bool) {
    let (carrier, ips) = match packet.network {
        Network::Ip(ip) => (carrier_of(&packet.transport, &ip), Some((ip.src, ip.dst))),
        Network::Arp(_) => (Carrier::Ethernet(ETHERTYPE_ARP), None),
        Network::None => (Carrier::Ethernet(packet.ethertype), None),
    };
    let (src_port, dst_port) = ports_of(&packet.transport);
    let macs = packet.macs.unwrap_or(Macs {
        src: [0; 6],
        dst: [0; 6],
    });
    let src = Endpoint {
        ip: ips.map(|i| i.0),
        port: src_port,
        mac: named(macs.src),
    };
    let dst = Endpoint {
        ip: ips.map(|i| i.1),
        port: dst_port,
        mac: named(macs.dst),
    };
    let (midstream, reversed) = match &packet.transport {
        Transport::Tcp(tcp) => tcp_opening(tcp),
        _ => (false, false),
    };
    let (initiator, responder) = if reversed { (dst, src) } else { (src, dst) };
    let flow = Flow {
        id,
        carrier,
        initiator,
        responder,
        vlans: packet.vlans,
        tunnel: packet.tunnel.map(Box::new),
        start: now,
        last: now,
        packets: [0; 2],
        bytes: [0; 2],
        tcp_flags: [0; 2],
        state: State::New,
        midstream,
        stop_stream: [false; 2],
        settled: false,
        missing: [0; 2],
        user: S::default(),
    };
    (flow, reversed)
}

fn carrier_of(transport: &Transport, ip: &Ip) -> Carrier {
    match transport {
        Transport::Tcp(_) => Carrier::Tcp,
        Transport::Udp { .. } => Carrier::Udp,
        _ => Carrier::Ip(ip.protocol),
    }
}

/// Of ICMP, which has no ports, type and code.
fn ports_of(transport: &Transport) -> (u16, u16) {
    match *transport {
        Transport::Icmp { kind, code, .. } => (kind.into(), code.into()),
        _ => transport.ports().unwrap_or((0, 0)),
    }
}

/// Whether a TCP conversation was joined midstream, and whether the sender of this first packet is
/// its responder. Without a SYN the lower port is taken for the responder's: servers have
/// well-known ports, clients take theirs from the upper range (RFC 6335, 6).
fn tcp_opening(tcp: &Tcp) -> (bool, bool) {
    match tcp.flags & (tcp_flags::SYN | tcp_flags::ACK) {
        tcp_flags::SYN => (false, false),
        flags if flags & tcp_flags::SYN != 0 => (true, true),
        _ => (true, tcp.src_port < tcp.dst_port),
    }
}
