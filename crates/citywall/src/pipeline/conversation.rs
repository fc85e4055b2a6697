//! What a worker keeps with each flow, and how a flow is told in events.

use citywall_behaviour::{PacketSeen, Party};
use citywall_event::{FirstWords, FlowLine, FlowSummary, Header, Nanos, Order, Place, Service, Subject};
use citywall_flow::{Carrier, CloseReason, Direction, Flow, State, community_id};
use citywall_packet::{Network, Packet, TunnelKind, tcp_flags};
use citywall_rules::FlowRules;
use citywall_transaction::{Hint, Protocol, Session};

use crate::settings::Settings;

/// Names of anomalies that are remembered per flow, so that each is told once. More kinds are only
/// counted.
const ANOMALIES: usize = 6;

/// What a worker keeps with each flow.
#[derive(Default)]
pub struct Conversation {
    /// The protocol session, until nothing more is wanted of it.
    pub session: Option<Session>,
    /// Bytes that the session keeps.
    pub held: u32,
    /// Rule state.
    pub rules: FlowRules,
    /// Of which rule book that is, counted by reloads.
    pub book: u16,
    /// Where initiator and responder belong.
    pub places: [Place; 2],
    /// Application protocol.
    pub protocol: Option<Protocol>,
    /// The flow table has the parties the wrong way round (midstream).
    pub reversed: bool,
    /// Directions of which no more stream is needed.
    pub done: [bool; 2],
    /// TCP: the first words of the initiator.
    pub first_words: FirstWords,
    /// Transactions so far.
    pub transactions: u32,
    /// Ordinal of the contact event at the first packet.
    pub contact: u32,
    /// A contact violation was told.
    pub violated: bool,
    /// TCP: that it was closed was told.
    pub ended: bool,
    /// Command violations told.
    pub command_violations: u8,
    /// A rule matched.
    pub alerted: bool,
    /// Most conversations have none.
    #[allow(clippy::box_collection)]
    anomalies: Option<Box<Vec<&'static str>>>,
}

impl Conversation {
    /// The flow's direction that goes from client to server.
    pub fn forward(&self) -> Direction {
        if self.reversed {
            Direction::ToInitiator
        } else {
            Direction::ToResponder
        }
    }

    /// True the first time that this anomaly is seen in this conversation.
    pub fn note_anomaly(&mut self, name: &'static str) -> bool {
        let told = self.anomalies.get_or_insert_default();
        if told.len() >= ANOMALIES || told.contains(&name) {
            return false;
        }
        told.push(name);
        true
    }

    /// The application protocol's name.
    pub fn app(&self) -> Option<&'static str> {
        self.protocol.map(Protocol::name)
    }

    /// Client and server with their places.
    #[allow(clippy::type_complexity)]
    pub fn parties(
        &self,
        flow: &Flow<Conversation>,
    ) -> (
        (Place, Option<std::net::IpAddr>),
        (Place, Option<std::net::IpAddr>),
    ) {
        let initiator = (self.places[0], flow.initiator.ip);
        let responder = (self.places[1], flow.responder.ip);
        if self.reversed {
            (responder, initiator)
        } else {
            (initiator, responder)
        }
    }
}

/// What probes may know.
pub fn hint(flow: &Flow<Conversation>) -> Hint {
    Hint {
        carrier: flow.carrier,
        direction: Direction::ToResponder,
        initiator_port: flow.initiator.port,
        responder_port: flow.responder.port,
    }
}

fn ip_protocol(carrier: Carrier) -> Option<u8> {
    match carrier {
        Carrier::Tcp => Some(6),
        Carrier::Udp => Some(17),
        Carrier::Ip(protocol) => Some(protocol),
        Carrier::Ethernet(_) => None,
    }
}

fn has_ports(carrier: Carrier) -> bool {
    matches!(carrier, Carrier::Tcp | Carrier::Udp | Carrier::Ip(132))
}

/// What the policy is asked about.
pub fn service(flow: &Flow<Conversation>) -> Service<'static> {
    let server = if flow.user.reversed {
        &flow.initiator
    } else {
        &flow.responder
    };
    Service {
        protocol: ip_protocol(flow.carrier).unwrap_or(0),
        port: match flow.carrier {
            // The first message's type: an error report is an answer and is not judged.
            Carrier::Ip(1 | 58) => Some(flow.initiator.port),
            carrier => has_ports(carrier).then_some(server.port),
        },
        app_proto: flow.user.app(),
    }
}

/// The parties of an event, `src` being the sender in this direction.
pub fn subject(flow: &Flow<Conversation>, direction: Direction) -> Subject {
    let ports = has_ports(flow.carrier);
    // Nobody speaks as a group: of a broadcast answer (DHCP) the sender is the source.
    let direction = match direction {
        Direction::ToInitiator if flow.responder.ip.is_some_and(is_group) => Direction::ToResponder,
        other => other,
    };
    let (src, dst) = match direction {
        Direction::ToResponder => (0, 1),
        Direction::ToInitiator => (1, 0),
    };
    let ends = [&flow.initiator, &flow.responder];
    let zones = flow.user.places.map(|place| place.zone);
    let mut vlans = [0; 2];
    for (slot, id) in vlans.iter_mut().zip(flow.vlans.as_slice()) {
        *slot = *id;
    }
    Subject {
        flow_id: flow.id,
        src_ip: ends[src].ip,
        dst_ip: ends[dst].ip,
        src_port: ports.then_some(ends[src].port),
        dst_port: ports.then_some(ends[dst].port),
        src_mac: ends[src].mac,
        dst_mac: ends[dst].mac,
        protocol: ip_protocol(flow.carrier),
        vlans,
        src_zone: zones[src],
        dst_zone: zones[dst],
    }
}

fn is_group(ip: std::net::IpAddr) -> bool {
    match ip {
        std::net::IpAddr::V4(v4) => v4.is_multicast() || v4.is_broadcast(),
        std::net::IpAddr::V6(v6) => v6.is_multicast(),
    }
}

/// The parties of an event about a packet that belongs to no flow (yet).
pub fn packet_subject(packet: &Packet) -> Subject {
    let mut subject = Subject {
        src_mac: packet.macs.map(|m| m.src),
        dst_mac: packet.macs.map(|m| m.dst),
        ..Subject::default()
    };
    for (slot, id) in subject.vlans.iter_mut().zip(packet.vlans.as_slice()) {
        *slot = *id;
    }
    if let Network::Ip(ip) = packet.network {
        subject.src_ip = Some(ip.src);
        subject.dst_ip = Some(ip.dst);
        subject.protocol = Some(ip.protocol);
    }
    if let Some((src, dst)) = packet.transport.ports() {
        subject.src_port = Some(src);
        subject.dst_port = Some(dst);
    }
    subject
}

/// What statistics of packets see of one; `None` where nobody is known to have sent it.
pub fn seen(packet: &Packet, at: Nanos) -> Option<PacketSeen> {
    let ports = packet.transport.ports().unwrap_or((0, 0));
    let macs = packet.macs;
    let (from, to, protocol) = match packet.network {
        Network::Ip(ip) => (Party::Ip(ip.src), Party::Ip(ip.dst), ip.protocol),
        _ => (Party::Mac(macs?.src), Party::Mac(macs?.dst), 0),
    };
    Some(PacketSeen {
        at,
        card: macs.map_or([0; 6], |m| m.src),
        from: (from, ports.0),
        to: (to, ports.1),
        protocol,
        bytes: packet.wire_len,
    })
}

/// How the conversation went.
pub fn summary(flow: &Flow<Conversation>) -> FlowSummary {
    let tcp = flow.carrier == Carrier::Tcp;
    let [there, back] = flow.tcp_flags;
    let answered = back & tcp_flags::SYN != 0;
    let acknowledged = there & tcp_flags::ACK != 0;
    FlowSummary {
        start: flow.start,
        end: flow.last,
        packets: flow.packets,
        bytes: flow.bytes,
        established: tcp && (flow.midstream || answered && acknowledged),
        ended: flow.user.ended,
        refused: tcp && !answered && back & tcp_flags::RST != 0,
        broken_off: tcp && answered && !flow.midstream && !acknowledged && there & tcp_flags::RST != 0,
        icmp: icmp(flow).map(|(kind, _)| kind),
        first_words: flow.user.first_words.hash(),
    }
}

/// Type and code of the first ICMP message.
fn icmp(flow: &Flow<Conversation>) -> Option<(u8, u8)> {
    matches!(flow.carrier, Carrier::Ip(1 | 58))
        .then_some((flow.initiator.port as u8, flow.responder.port as u8))
}

/// Appends the `flow` line.
pub fn flow_line(
    out: &mut Vec<u8>,
    flow: &Flow<Conversation>,
    reason: CloseReason,
    order: Order,
    at: Nanos,
    subject: &Subject,
    settings: &Settings,
) {
    let id = community_id(flow, 0);
    let zone = |place: Place| place.zone.map(|zone| settings.context.zone_name(Some(zone)));
    let known = settings.has_city && flow.initiator.ip.is_some();
    let line = FlowLine {
        packets: flow.packets,
        bytes: flow.bytes,
        start: flow.start,
        end: flow.last,
        state: match flow.state {
            State::New => "new",
            State::Established | State::Closing => "established",
            State::Closed => "closed",
        },
        reason: match reason {
            CloseReason::Closed => "closed",
            CloseReason::Timeout => "timeout",
            CloseReason::Evicted => "evicted",
            CloseReason::Shutdown => "shutdown",
        },
        alerted: flow.user.alerted,
        transactions: flow.user.transactions.into(),
        midstream: flow.midstream,
        missing: flow.missing,
        tcp_flags: (flow.carrier == Carrier::Tcp).then_some(flow.tcp_flags),
        icmp: icmp(flow),
        macs: flow.initiator.mac.zip(flow.responder.mac),
        ethertype: match flow.carrier {
            Carrier::Ethernet(ethertype) => Some(ethertype),
            _ => None,
        },
        tunnel: flow
            .tunnel
            .as_ref()
            .map(|tunnel| (tunnel_name(tunnel.kind), tunnel.id)),
        community_id: id.as_ref().map_or("", |id| id.as_str()),
        zones: if known {
            flow.user.places.map(zone)
        } else {
            [None, None]
        },
        first: Order {
            source: (flow.id >> 44) as u16,
            packet: flow.id & ((1 << 44) - 1),
            phase: Order::PACKET,
            ordinal: flow.user.contact,
            ..Order::default()
        },
    };
    let header = Header {
        order,
        at,
        subject,
        interface: settings.interface.as_deref(),
        app_proto: flow.user.app(),
    };
    line.write(out, &header);
}

fn tunnel_name(kind: TunnelKind) -> &'static str {
    match kind {
        TunnelKind::IpInIp => "ip-in-ip",
        TunnelKind::Gre => "gre",
        TunnelKind::Erspan => "erspan",
        TunnelKind::Vxlan => "vxlan",
        TunnelKind::Geneve => "geneve",
        TunnelKind::Teredo => "teredo",
        TunnelKind::Mpls => "mpls",
        TunnelKind::Pppoe => "pppoe",
    }
}
