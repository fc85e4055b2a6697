//! The nouns of this crate.

use std::net::IpAddr;

use citywall_packet::{Mac, Nanos, Tunnel, Vlans};

/// Which way a packet goes in its conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// From the one who opened the conversation (client to server).
    ToResponder = 0,
    /// From the one who was called (server to client).
    ToInitiator = 1,
}

impl Direction {
    /// The other way.
    pub fn flip(self) -> Direction {
        match self {
            Direction::ToResponder => Direction::ToInitiator,
            Direction::ToInitiator => Direction::ToResponder,
        }
    }

    /// 0 or 1, for arrays of two.
    pub fn index(self) -> usize {
        self as usize
    }
}

/// What carries a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Carrier {
    /// TCP streams.
    Tcp,
    /// UDP datagrams.
    Udp,
    /// Another IP protocol: ICMP, SCTP, ESP, ...
    Ip(u8),
    /// No IP: an EtherType between two MAC addresses.
    Ethernet(u16),
}

/// One party of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// IP address, where there is IP.
    pub ip: Option<IpAddr>,
    /// Port, where the transport has ports. For ICMP: type (initiator) and code (responder).
    pub port: u16,
    /// Hardware address of the first packet that showed one.
    pub mac: Option<Mac>,
}

/// A conversation. `S` is what its user keeps with it (dissector, rule state, zones).
#[derive(Debug)]
pub struct Flow<S> {
    /// Unique in a run: given by the caller at the first packet.
    pub id: u64,
    /// What carries it.
    pub carrier: Carrier,
    /// Who opened it.
    pub initiator: Endpoint,
    /// Who was called.
    pub responder: Endpoint,
    /// VLAN ids of the first packet.
    pub vlans: Vlans,
    /// Innermost tunnel of the first packet; boxed, as most conversations have none.
    pub tunnel: Option<Box<Tunnel>>,
    /// First packet.
    pub start: Nanos,
    /// Last packet.
    pub last: Nanos,
    /// Packets, by `Direction::index`.
    pub packets: [u64; 2],
    /// Bytes on the wire, by `Direction::index`.
    pub bytes: [u64; 2],
    /// TCP flags seen, by direction.
    pub tcp_flags: [u8; 2],
    /// Where the conversation stands.
    pub state: State,
    /// The first packet was not how such a conversation starts.
    pub midstream: bool,
    /// Set by the observer, by direction: no more stream bytes are needed; TCP state is still
    /// tracked, but nothing is buffered or delivered any more.
    pub stop_stream: [bool; 2],
    /// Set by the observer, where it knows the protocol: nothing that was asked waits for an answer.
    /// Such a conversation over UDP need not be kept for long (`Timeouts::udp_settled`).
    pub settled: bool,
    /// Bytes that were sent but never seen, by direction.
    pub missing: [u64; 2],
    /// What the user of the table keeps with the flow.
    pub user: S,
}

/// Where a conversation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Only one side has been heard, or the TCP handshake is not complete.
    New,
    /// Both sides have been heard; for TCP the handshake is complete (or midstream).
    Established,
    /// TCP: one FIN seen.
    Closing,
    /// TCP: both FINs, or a reset.
    Closed,
}

/// Why a flow left the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// FIN both ways, or RST.
    Closed,
    /// Nothing for the state's time-out.
    Timeout,
    /// The table was full (declared shedding; counted).
    Evicted,
    /// The input ended.
    Shutdown,
}

/// A piece of a conversation, in the order it was sent.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// Packet time of the packet that made it deliverable.
    pub at: Nanos,
    /// Which way.
    pub direction: Direction,
    /// The piece.
    pub content: Content<'a>,
}

/// What a segment holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content<'a> {
    /// The next bytes of a TCP stream.
    Bytes(&'a [u8]),
    /// This many bytes of a TCP stream are missing here (lost, cut by the snap length, or shed).
    Gap(u64),
    /// One UDP payload (the other IP payloads likewise), or one Ethernet payload.
    Datagram(&'a [u8]),
    /// No more bytes in this direction: FIN, or RST.
    End {
        /// True for RST.
        reset: bool,
    },
}

/// What is told of conversations while packets are pushed.
pub trait Observer<S> {
    /// A new conversation; `flow.user` is `S::default()`.
    fn opened(&mut self, flow: &mut Flow<S>);
    /// The next piece. Set `flow.stop_stream` to be spared the rest.
    fn segment(&mut self, flow: &mut Flow<S>, segment: Segment<'_>);
    /// The stream breaks a rule of TCP or was shed. At most once per flow, direction and kind.
    fn malformed(&mut self, flow: &mut Flow<S>, direction: Direction, kind: StreamMalformed);
    /// It is over. Called exactly once for each `opened`; what was buffered has been delivered.
    fn closed(&mut self, flow: &mut Flow<S>, reason: CloseReason);
}

/// Ways in which a TCP stream breaks the rules, or could not be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum StreamMalformed {
    /// Overlapping segments that differ in content.
    OverlapDifferent,
    /// Data outside the receiver's window.
    OutOfWindow,
    /// A timestamp that goes backward (PAWS).
    OldTimestamp,
    /// SYN with another sequence number inside an open conversation.
    SynResend,
    /// SYN-ACK that acknowledges something else, or a second, different one.
    SynAckMismatch,
    /// Data after FIN.
    DataAfterFin,
    /// RST outside the window: ignored, as the receiver would.
    ResetOutOfWindow,
    /// Urgent data: delivered or skipped as the host's policy says.
    Urgent,
    /// Acknowledges data that was never seen: the capture lost packets.
    AckOfUnseen,
    /// Wrong TCP checksum: the receiver drops it, so it was not used.
    BadChecksum,
    /// The buffer limit was reached: older data was given up.
    BufferLimit,
    /// No ACK where each segment has one: the receiver drops it, so it was not used.
    NoAck,
    /// Acknowledges what cannot have been sent, or what was acknowledged long ago: the receiver
    /// drops it, so it was not used.
    ImpossibleAck,
}

impl StreamMalformed {
    /// The name in `anomaly` events.
    pub fn name(self) -> &'static str {
        match self {
            StreamMalformed::OverlapDifferent => "tcp.overlap_different",
            StreamMalformed::OutOfWindow => "tcp.out_of_window",
            StreamMalformed::OldTimestamp => "tcp.old_timestamp",
            StreamMalformed::SynResend => "tcp.syn_resend",
            StreamMalformed::SynAckMismatch => "tcp.synack_mismatch",
            StreamMalformed::DataAfterFin => "tcp.data_after_fin",
            StreamMalformed::ResetOutOfWindow => "tcp.reset_out_of_window",
            StreamMalformed::Urgent => "tcp.urgent",
            StreamMalformed::AckOfUnseen => "tcp.ack_of_unseen",
            StreamMalformed::BadChecksum => "tcp.bad_checksum",
            StreamMalformed::BufferLimit => "tcp.buffer_limit",
            StreamMalformed::NoAck => "tcp.no_ack",
            StreamMalformed::ImpossibleAck => "tcp.impossible_ack",
        }
    }
}
