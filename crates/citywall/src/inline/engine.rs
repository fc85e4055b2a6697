//! Verdicts on packets: pass, drop, change, answer.
//!
//! Owns: which look each packet gets (sessions that are spliced, datagrams, rules), and building
//! what goes on and what goes back. Does not own: where packets come from (`parser`), the arithmetic
//! of sessions (`splice`), what is refused (`policy`). Has no clock: time is the packet's.

use std::collections::VecDeque;

use citywall_capture::nfqueue::Verdict;
use citywall_capture::shared::{Reply, Told};
use citywall_event::Service;
use citywall_flow::{Carrier, Content, Direction};
use citywall_packet::{Frame, Ip, LinkType, Malformed, Network, Packet, Tcp, Transport, decode, tcp_flags};
use citywall_policy::Denied;
use citywall_response::firewall::marks::{JUDGED, SPLICED};
use citywall_transaction::{Hint, Input, Item, Output, PROTOCOLS, Probe, Protocol};

use super::answer;
use super::connections::{Connection, Connections, Key, Mode, Spliced};
use super::policy::{Party, Policy, Refusal};
use super::requests::{Judge, Requests, limits};
use super::rewrite::{Layout, Numbers, Ours, answer_tcp, answer_udp, change_tcp, reset_tcp};
use super::rules::{Rules, Stopped};
use super::splice::{Fate, Inject, Piece, Splice};

/// Refusals that wait to be told; more are counted.
const REPORTS: usize = 256;

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets.
    pub packets: u64,
    /// Requests refused.
    pub refused: u64,
    /// Sessions ended.
    pub ended: u64,
    /// Packets dropped: ahead of a gap, or of an ended session, or by a rule.
    pub dropped: u64,
    /// Packets that could not be judged: the zone's choice held.
    pub undecided: u64,
    /// Conversations that need no look any more.
    pub freed: u64,
    /// Refusals that were not told, as too many waited.
    pub untold: u64,
}

/// A refusal, to be told.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Packet time.
    pub at: i64,
    /// Who asked.
    pub from: (std::net::IpAddr, u16),
    /// Whom.
    pub to: (std::net::IpAddr, u16),
    /// Application protocol.
    pub protocol: Option<&'static str>,
    /// Why, in plain words.
    pub reason: String,
    /// How it was answered.
    pub how: &'static str,
}

/// The engine.
#[derive(Default)]
pub struct Engine {
    /// What is decided by.
    pub policy: Policy,
    connections: Connections,
    rules: Rules,
    malformed: Vec<Malformed>,
    found: Output,
    /// What was counted.
    pub counts: Counts,
    /// Refusals to be told.
    pub reports: VecDeque<Report>,
}

/// A TCP packet at hand.
struct Segment<'a> {
    told: &'a Told,
    packet: &'a Packet,
    layout: Layout,
    ip: Ip,
    tcp: Tcp,
    data: &'a [u8],
}

impl Engine {
    /// An engine that decides by this policy.
    pub fn new(policy: Policy) -> Engine {
        Engine {
            rules: Rules::new(policy.rules.clone()),
            policy,
            ..Engine::default()
        }
    }

    /// Takes a new city; denials and sessions go on.
    pub fn reload(&mut self, mut policy: Policy) {
        policy.inherit(std::mem::take(&mut self.policy));
        self.rules = Rules::new(policy.rules.clone());
        self.policy = policy;
        self.connections.reconsider();
    }

    /// What was allowed once is looked at again: a denial has come.
    pub fn reconsider(&mut self) {
        self.connections.reconsider();
    }

    /// Sessions that are followed.
    pub fn sessions(&self) -> usize {
        self.connections.len()
    }

    /// Judges one packet, from its IP header on. `reply` is "pass as it is" before.
    pub fn judge(&mut self, told: &Told, data: &[u8], reply: &mut Reply) {
        self.counts.packets += 1;
        let frame = Frame {
            data,
            wire_len: data.len() as u32,
            at: told.at,
            link: LinkType::RAW,
        };
        self.malformed.clear();
        let packet = decode(&frame, &mut self.malformed);
        let Network::Ip(ip) = packet.network else {
            return self.undecided(told, reply);
        };
        match (packet.transport, Layout::of(&packet, data)) {
            (Transport::Tcp(tcp), Some(layout)) => {
                let segment = Segment {
                    told,
                    packet: &packet,
                    layout,
                    ip,
                    tcp,
                    data,
                };
                self.tcp(&segment, reply);
            }
            (Transport::Udp { .. }, Some(layout)) => self.udp(told, &packet, &ip, &layout, data, reply),
            (Transport::None, _) => self.undecided(told, reply),
            _ => {
                self.by_rules(told, &packet, data, reply);
            }
        }
    }

    fn undecided(&mut self, told: &Told, reply: &mut Reply) {
        self.counts.undecided += 1;
        if told.closed {
            reply.verdict = Verdict::Drop;
        }
    }

    fn drop(&mut self, reply: &mut Reply) {
        self.counts.dropped += 1;
        reply.verdict = Verdict::Drop;
    }

    fn party(&self, ip: std::net::IpAddr, mac: Option<[u8; 6]>) -> Party {
        Party {
            place: self.policy.context.locate(Some(ip), None),
            ip,
            mac,
        }
    }

    fn report(&mut self, refusal: Refusal, how: Denied, connection: (&Party, &Party), about: About) {
        if self.reports.len() >= REPORTS {
            self.counts.untold += 1;
            return;
        }
        self.reports.push_back(Report {
            at: about.at,
            from: (connection.0.ip, about.ports.0),
            to: (connection.1.ip, about.ports.1),
            protocol: about.protocol.map(Protocol::name),
            reason: refusal.reason,
            how: how.name(),
        });
    }

    /// Does a rule stop the packet? Gives whether both ends are to be told then.
    fn by_rules(&mut self, told: &Told, packet: &Packet, data: &[u8], reply: &mut Reply) -> Option<Stopped> {
        let mut stopped = self.rules.judge(told, packet, data)?;
        self.drop(reply);
        match stopped.report.take() {
            Some(report) if self.reports.len() < REPORTS => self.reports.push_back(report),
            Some(_) => self.counts.untold += 1,
            None => {}
        }
        Some(stopped)
    }

    fn tcp(&mut self, segment: &Segment<'_>, reply: &mut Reply) {
        let (ip, tcp) = (&segment.ip, &segment.tcp);
        let (key, from_first) = Key::new((ip.src, tcp.src_port), (ip.dst, tcp.dst_port));
        let opens = tcp.flags & (tcp_flags::SYN | tcp_flags::ACK) == tcp_flags::SYN;
        // The same ports again: nothing that was known of the earlier session holds.
        let anew = |connection: &mut Connection| match &connection.mode {
            Mode::Spliced(spliced) => spliced.splice.is_opened_anew(tcp.seq),
            Mode::Free | Mode::Ended => true,
        };
        if opens && self.connections.get(&key).is_some_and(anew) {
            self.connections.remove(&key);
        }
        if self.connections.get(&key).is_none() {
            if segment.told.mark & SPLICED != 0 && !opens {
                return self.forgotten(segment, reply);
            }
            let connection = self.meet(segment, from_first);
            self.connections.insert(key, connection);
        }
        // Taken out while it is worked on: the policy and the counters are needed beside it.
        let Some(connection) = self.connections.get(&key) else {
            return self.undecided(segment.told, reply);
        };
        let from_client = connection.client_first == from_first;
        let mode = std::mem::replace(&mut connection.mode, Mode::Free);
        let about = (connection.client, connection.server, connection.ports);
        let mode = match mode {
            Mode::Ended => {
                self.drop(reply);
                Mode::Ended
            }
            Mode::Free => self.free(segment, reply),
            Mode::Spliced(spliced) => self.spliced(segment, spliced, from_client, about, reply),
        };
        if let Some(connection) = self.connections.get(&key) {
            connection.mode = mode;
        }
    }

    /// A session that another parser changed: how its ends count is not known any more, so it cannot
    /// go on. Whoever speaks is told that it is over, in the numbers that it uses itself; the other end
    /// gets an old, empty packet, answers it, and is told so, too.
    fn forgotten(&mut self, segment: &Segment<'_>, reply: &mut Reply) {
        let tcp = &segment.tcp;
        if tcp.flags & tcp_flags::RST != 0 {
            return;
        }
        self.counts.ended += 1;
        let ours = Ours {
            seq: tcp.ack,
            ack: tcp.seq.wrapping_add(segment.packet.payload.len),
            flags: tcp_flags::RST | tcp_flags::ACK,
            window: 0,
            timestamp: None,
            payload: &[],
        };
        answer_tcp(&segment.layout, tcp, segment.data, &ours, &mut reply.answer);
        let numbers = Numbers {
            seq: tcp.seq.wrapping_sub(1 << 30),
            ack: tcp.ack,
            flags: tcp_flags::ACK,
            sack: &|edge| edge,
        };
        change_tcp(
            &segment.layout,
            tcp,
            segment.data,
            &numbers,
            &[],
            &mut reply.payload,
        );
    }

    /// The first packet of a session, or the first that we see of it.
    fn meet(&mut self, segment: &Segment<'_>, from_first: bool) -> Connection {
        let (ip, tcp) = (&segment.ip, &segment.tcp);
        let (syn, ack) = (tcp.flags & tcp_flags::SYN != 0, tcp.flags & tcp_flags::ACK != 0);
        // Midway the lower port is taken for the server's.
        let from_client = match (syn, ack) {
            (true, false) => true,
            (true, true) => false,
            _ => tcp.src_port >= tcp.dst_port,
        };
        let (sender, receiver) = (
            self.party(ip.src, segment.told.from_hardware),
            self.party(ip.dst, None),
        );
        let ports = (tcp.src_port, tcp.dst_port);
        let (client, server, ports) = if from_client {
            (sender, receiver, ports)
        } else {
            (receiver, sender, (ports.1, ports.0))
        };
        let requests = if syn {
            Requests::default()
        } else {
            Requests::met_midway()
        };
        Connection {
            client_first: from_first == from_client,
            client,
            server,
            ports,
            mode: Mode::Spliced(Box::new(Spliced {
                splice: Splice::new(),
                requests,
                window: tcp.window,
                timestamp: None,
            })),
        }
    }

    /// Nothing in it needs a look but rules'.
    fn free(&mut self, segment: &Segment<'_>, reply: &mut Reply) -> Mode {
        if self.rules.want_packets() {
            if let Some(stopped) = self.by_rules(segment.told, segment.packet, segment.data, reply) {
                return self.stop(segment, &stopped, reply).unwrap_or(Mode::Free);
            }
            if !self.rules.last_is_done() {
                return Mode::Free;
            }
        }
        reply.mark = Some(segment.told.mark | JUDGED);
        Mode::Free
    }

    /// A rule stopped the packet, and perhaps the session: the numbers are the packet's own.
    fn stop(&mut self, segment: &Segment<'_>, stopped: &Stopped, reply: &mut Reply) -> Option<Mode> {
        if !stopped.reject {
            return None;
        }
        self.counts.ended += 1;
        let tcp = &segment.tcp;
        let ours = Ours {
            seq: tcp.ack,
            ack: tcp.seq.wrapping_add(segment.packet.payload.len),
            flags: tcp_flags::RST | tcp_flags::ACK,
            window: 0,
            timestamp: None,
            payload: &[],
        };
        answer_tcp(&segment.layout, tcp, segment.data, &ours, &mut reply.answer);
        let numbers = (tcp.seq, tcp.ack);
        reset_tcp(&segment.layout, segment.data, numbers, &mut reply.payload);
        reply.verdict = Verdict::Accept;
        Some(Mode::Ended)
    }

    fn spliced(
        &mut self,
        segment: &Segment<'_>,
        mut spliced: Box<Spliced>,
        from_client: bool,
        (client, server, ports): (Party, Party, (u16, u16)),
        reply: &mut Reply,
    ) -> Mode {
        let tcp = &segment.tcp;
        if spliced.splice.has_own_numbers()
            && let Some(stopped) = self.by_rules(segment.told, segment.packet, segment.data, reply)
        {
            let ended = self.stop(segment, &stopped, reply);
            return ended.unwrap_or(Mode::Spliced(spliced));
        }
        let piece = Piece {
            seq: tcp.seq,
            ack: tcp.ack,
            flags: tcp.flags,
            mss: tcp.mss,
            at: segment.told.at,
            payload: segment.packet.payload.of(segment.data),
        };
        let mut refused = None;
        let (fate, inject, protocol) = {
            let Spliced {
                splice,
                requests,
                window,
                timestamp,
            } = &mut *spliced;
            let mut judge = Judge {
                requests,
                policy: &self.policy,
                client,
                server,
                ports,
                at: segment.told.at,
                closed: segment.told.closed,
                found: &mut self.found,
                refused: &mut refused,
                count: &mut self.counts.refused,
            };
            let (fate, inject) = if from_client {
                splice.client(&piece, &mut judge)
            } else {
                *window = tcp.window;
                *timestamp = tcp.timestamp.map(|t| t.0).or(*timestamp);
                (splice.server(&piece, &mut judge), None)
            };
            (fate, inject, judge.requests.protocol)
        };
        let how = refused.as_ref().map_or(Denied::Reset, |(_, how)| *how);
        if let Some((refusal, how)) = refused {
            let about = About {
                at: segment.told.at,
                ports,
                protocol,
            };
            self.report(refusal, how, (&client, &server), about);
        }
        if let Some(inject) = inject {
            self.inject(segment, &spliced, &inject, reply);
        }
        match fate {
            Fate::Same => {}
            Fate::Drop => self.drop(reply),
            Fate::Changed(changed) => {
                let flags = if changed.fin {
                    tcp.flags
                } else {
                    tcp.flags & !tcp_flags::FIN
                };
                let splice = &spliced.splice;
                let numbers = Numbers {
                    seq: changed.seq,
                    ack: changed.ack,
                    flags,
                    sack: &|edge| {
                        if from_client {
                            splice.sack_to_server(edge)
                        } else {
                            splice.sack_to_client(edge)
                        }
                    },
                };
                let payload = changed.payload.as_deref().unwrap_or(piece.payload);
                change_tcp(
                    &segment.layout,
                    tcp,
                    segment.data,
                    &numbers,
                    payload,
                    &mut reply.payload,
                );
            }
            Fate::End => {
                self.end(segment, &spliced, how, protocol, reply);
                return Mode::Ended;
            }
        }
        if self.frees(&spliced, (&client, &server), ports, protocol, segment.told.at) {
            self.counts.freed += 1;
            if !self.rules.want_packets() {
                reply.mark = Some(segment.told.mark | JUDGED);
            }
            return Mode::Free;
        }
        if !spliced.splice.has_own_numbers() && segment.told.mark & SPLICED == 0 {
            reply.mark = Some(segment.told.mark | SPLICED);
        }
        Mode::Spliced(spliced)
    }

    /// True where nothing that the client can say in this session is refused any more.
    fn frees(
        &self,
        spliced: &Spliced,
        (client, server): (&Party, &Party),
        ports: (u16, u16),
        protocol: Option<Protocol>,
        at: i64,
    ) -> bool {
        if !spliced.splice.is_clean() {
            return false;
        }
        if spliced.requests.is_whole() {
            return true;
        }
        let service = Service {
            protocol: 6,
            port: Some(ports.1),
            app_proto: protocol.map(Protocol::name),
        };
        protocol.is_some() && !self.policy.looks_at_commands(client, server, &service, at)
    }

    fn inject(&mut self, segment: &Segment<'_>, spliced: &Spliced, inject: &Inject, reply: &mut Reply) {
        let tcp = &segment.tcp;
        let value = spliced.timestamp.or(tcp.timestamp.map(|t| t.1));
        let push = if inject.payload.is_empty() {
            0
        } else {
            tcp_flags::PSH
        };
        let ours = Ours {
            seq: inject.seq,
            ack: inject.ack,
            flags: tcp_flags::ACK | push,
            window: spliced.window,
            timestamp: value.zip(tcp.timestamp.map(|t| t.0)),
            payload: &inject.payload,
        };
        answer_tcp(&segment.layout, tcp, segment.data, &ours, &mut reply.answer);
    }

    /// Both ends are told that the session is over; HTTP is told why.
    fn end(
        &mut self,
        segment: &Segment<'_>,
        spliced: &Spliced,
        how: Denied,
        protocol: Option<Protocol>,
        reply: &mut Reply,
    ) {
        self.counts.ended += 1;
        if how == Denied::Drop {
            return self.drop(reply);
        }
        let tcp = &segment.tcp;
        let says = how == Denied::Exception && protocol == Some(Protocol::Http);
        let ours = Ours {
            seq: tcp.ack,
            ack: tcp.seq.wrapping_add(segment.packet.payload.len),
            flags: tcp_flags::ACK
                | if says {
                    tcp_flags::PSH | tcp_flags::FIN
                } else {
                    tcp_flags::RST
                },
            window: spliced.window,
            timestamp: spliced.timestamp.zip(tcp.timestamp.map(|t| t.0)),
            payload: if says { answer::FORBIDDEN } else { &[] },
        };
        answer_tcp(&segment.layout, tcp, segment.data, &ours, &mut reply.answer);
        let numbers = spliced.splice.reset_to_server();
        reset_tcp(&segment.layout, segment.data, numbers, &mut reply.payload);
    }

    fn udp(
        &mut self,
        told: &Told,
        packet: &Packet,
        ip: &Ip,
        layout: &Layout,
        data: &[u8],
        reply: &mut Reply,
    ) {
        if self.by_rules(told, packet, data, reply).is_some() {
            return;
        }
        let Transport::Udp {
            src_port, dst_port, ..
        } = packet.transport
        else {
            return;
        };
        let payload = packet.payload.of(data);
        let hint = Hint {
            carrier: Carrier::Udp,
            direction: Direction::ToResponder,
            initiator_port: src_port,
            responder_port: dst_port,
        };
        let entry = PROTOCOLS
            .iter()
            .find(|entry| (entry.carried_by)(Carrier::Udp) && (entry.probe)(&hint, payload) == Probe::Yes);
        let Some(entry) = entry else { return };
        let input = Input {
            at: told.at,
            direction: Direction::ToResponder,
            content: Content::Datagram(payload),
        };
        (entry.open)(&limits(), &hint).feed(&input, &mut self.found);
        let (client, server) = (self.party(ip.src, told.from_hardware), self.party(ip.dst, None));
        let service = Service {
            protocol: 17,
            port: Some(dst_port),
            app_proto: Some(entry.protocol.name()),
        };
        let refusal = self.found.items.iter().find_map(|item| match item {
            (Direction::ToResponder, Item::Command(command)) => {
                self.policy.refuses(&client, &server, &service, command, told.at)
            }
            _ => None,
        });
        self.found.items.clear();
        let Some(refusal) = refusal else { return };
        self.counts.refused += 1;
        let how = self.policy.answer(server.place);
        if how != Denied::Drop && entry.protocol == Protocol::Snmp {
            let response = answer::snmp(payload);
            if !response.is_empty() {
                answer_udp(layout, packet, data, &response, &mut reply.answer);
            }
        }
        self.drop(reply);
        let about = About {
            at: told.at,
            ports: (src_port, dst_port),
            protocol: Some(entry.protocol),
        };
        self.report(refusal, how, (&client, &server), about);
    }
}

/// What a report says besides.
struct About {
    at: i64,
    ports: (u16, u16),
    protocol: Option<Protocol>,
}

#[cfg(test)]
mod tests;
