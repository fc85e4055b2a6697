//! The nouns of this crate. Plain data: offsets instead of borrows, so that a decoded packet can
//! travel between threads beside the buffer that holds its bytes.

use std::net::{IpAddr, Ipv4Addr};

/// Nanoseconds since the Unix epoch, UTC. Always packet time, never the machine's clock.
pub type Nanos = i64;

/// An IEEE 802 MAC address, in transmission order.
pub type Mac = [u8; 6];

/// A link type number of the tcpdump.org registry (`LINKTYPE_*`), 1 = Ethernet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkType(pub u32);

impl LinkType {
    /// BSD loopback: 4 bytes of address family in the writer's byte order.
    pub const NULL: LinkType = LinkType(0);
    /// Ethernet II / IEEE 802.3.
    pub const ETHERNET: LinkType = LinkType(1);
    /// Raw IP, version from the first nibble.
    pub const RAW: LinkType = LinkType(101);
    /// OpenBSD loopback: address family in network byte order.
    pub const LOOP: LinkType = LinkType(108);
    /// Linux "cooked" capture v1.
    pub const LINUX_SLL: LinkType = LinkType(113);
    /// Raw IPv4.
    pub const IPV4: LinkType = LinkType(228);
    /// Raw IPv6.
    pub const IPV6: LinkType = LinkType(229);
    /// Linux "cooked" capture v2.
    pub const LINUX_SLL2: LinkType = LinkType(276);
}

/// One captured frame, borrowed from the source's buffer.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// The captured bytes; may be shorter than `wire_len` (snap length).
    pub data: &'a [u8],
    /// Length on the wire in bytes.
    pub wire_len: u32,
    /// When it was captured.
    pub at: Nanos,
    /// How `data` starts.
    pub link: LinkType,
}

/// A byte range, relative to the buffer that was given to `decode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// Number of bytes.
    pub len: u32,
}

impl Span {
    /// The bytes of this range; empty when it does not lie within `data`.
    pub fn of<'a>(&self, data: &'a [u8]) -> &'a [u8] {
        let start = self.start as usize;
        let end = start.saturating_add(self.len as usize);
        data.get(start..end).unwrap_or(&[])
    }
}

/// What one frame says. All spans are relative to the buffer given to `decode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Packet {
    /// Capture time.
    pub at: Nanos,
    /// Bytes on the wire, all layers.
    pub wire_len: u32,
    /// Bytes captured, all layers.
    pub cap_len: u32,
    /// Innermost Ethernet (or SLL source, with a zero destination) addresses.
    pub macs: Option<Macs>,
    /// EtherType of the innermost link payload; 0 where the link names none (802.3 length frames).
    pub ethertype: u16,
    /// 802.1Q/802.1ad ids of the innermost link header, outer first.
    pub vlans: Vlans,
    /// The innermost tunnel that was unwrapped, if any.
    pub tunnel: Option<Tunnel>,
    /// How many tunnels were unwrapped.
    pub tunnel_depth: u8,
    /// Innermost network layer.
    pub network: Network,
    /// Innermost transport.
    pub transport: Transport,
    /// Payload above the deepest layer that was understood (transport payload; else IP payload;
    /// else link payload). Ethernet padding is not included.
    pub payload: Span,
    /// True where the capture cut bytes that the headers promise, or the end of a frame whose headers
    /// say no length.
    pub truncated: bool,
}

/// Source and destination hardware addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Macs {
    /// Sender.
    pub src: Mac,
    /// Receiver (zero where the link type does not carry it).
    pub dst: Mac,
}

/// Up to two VLAN ids, outer first. More tags are unwrapped but not kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Vlans {
    /// VLAN ids (12 bits each).
    pub ids: [u16; 2],
    /// How many of `ids` are set, 0..=2.
    pub count: u8,
}

impl Vlans {
    /// The ids present, outer first.
    pub fn as_slice(&self) -> &[u16] {
        &self.ids[..usize::from(self.count.min(2))]
    }
}

/// Kinds of tunnels that are unwrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TunnelKind {
    /// IPv4 or IPv6 in IP (RFC 2003, RFC 2473, 6in4).
    IpInIp,
    /// GRE (RFC 2784, 2890), id = key; of NVGRE (RFC 7637) the virtual subnet.
    Gre,
    /// ERSPAN type I, II or III, id = session.
    Erspan,
    /// VXLAN (RFC 7348), id = VNI.
    Vxlan,
    /// Geneve (RFC 8926), id = VNI.
    Geneve,
    /// Teredo (RFC 4380).
    Teredo,
    /// MPLS label stack (RFC 3032), id = bottom label.
    Mpls,
    /// PPPoE session (RFC 2516), id = session.
    Pppoe,
}

/// One unwrapped tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tunnel {
    /// Which kind.
    pub kind: TunnelKind,
    /// VNI, key, session or label; 0 where there is none.
    pub id: u32,
    /// Outer IP addresses (source, destination); `None` for MPLS and PPPoE on bare Ethernet.
    pub outer: Option<(IpAddr, IpAddr)>,
}

/// The network layer of a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// Neither ARP nor IP: see `Packet::ethertype` and `Packet::payload`.
    #[default]
    None,
    /// ARP over Ethernet for IPv4 (RFC 826).
    Arp(Arp),
    /// IPv4 or IPv6.
    Ip(Ip),
}

/// An ARP packet for Ethernet and IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arp {
    /// 1 request, 2 reply.
    pub operation: u16,
    /// Sender hardware address.
    pub sender_mac: Mac,
    /// Sender protocol address.
    pub sender_ip: Ipv4Addr,
    /// Target hardware address.
    pub target_mac: Mac,
    /// Target protocol address.
    pub target_ip: Ipv4Addr,
}

/// An IPv4 or IPv6 header, extension headers walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ip {
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// The upper protocol (after IPv6 extension headers).
    pub protocol: u8,
    /// TTL or hop limit.
    pub ttl: u8,
    /// TOS byte or traffic class.
    pub tos: u8,
    /// IPv4 identification, or the fragment header's.
    pub id: u32,
    /// The header, options and extension headers included (for a fragment, up to and with the
    /// fragment header; with an authentication header behind IPv4).
    pub header: Span,
    /// What follows the header, as far as the length field and the capture reach.
    pub payload: Span,
    /// Set where this packet is one fragment of a larger one.
    pub fragment: Option<Fragment>,
    /// True for a packet that the defragmenter put together.
    pub reassembled: bool,
}

/// Place of a fragment in its datagram (RFC 791, RFC 8200).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// Offset of this fragment's payload in the datagram, in bytes.
    pub offset: u32,
    /// More fragments follow.
    pub more: bool,
}

/// Result of a checksum verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// Verified.
    Valid,
    /// Wrong, and not explained by offload; or the IPv4 header around it has a wrong checksum or broken
    /// options. Either way the receiver drops the packet.
    Invalid,
    /// Not verified: cut, fragment, absent, or offloaded (partial sum of the pseudo-header, or several
    /// segments in one packet).
    Unverified,
}

/// The transport layer of a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// No transport header (not IP, a fragment, or cut off).
    #[default]
    None,
    /// TCP (RFC 9293).
    Tcp(Tcp),
    /// UDP (RFC 768).
    Udp {
        /// Source port.
        src_port: u16,
        /// Destination port.
        dst_port: u16,
        /// Verification result.
        checksum: Checksum,
    },
    /// ICMP for IPv4 or IPv6.
    Icmp {
        /// True for ICMPv6.
        v6: bool,
        /// Type.
        kind: u8,
        /// Code.
        code: u8,
        /// Identifier of an echo request or reply, else 0.
        id: u16,
        /// Sequence number of an echo request or reply, else 0.
        seq: u16,
        /// Verification result.
        checksum: Checksum,
    },
    /// SCTP common header (RFC 9260).
    Sctp {
        /// Source port.
        src_port: u16,
        /// Destination port.
        dst_port: u16,
        /// Verification tag.
        tag: u32,
    },
    /// IGMP.
    Igmp {
        /// Type.
        kind: u8,
        /// Group address.
        group: Ipv4Addr,
    },
    /// ESP header (RFC 4303).
    Esp {
        /// Security parameters index.
        spi: u32,
        /// Sequence number.
        seq: u32,
    },
    /// An IP protocol that is not decoded further; number in `Ip::protocol`.
    Other,
}

impl Transport {
    /// Source and destination port; `None` where this transport has none.
    #[inline]
    pub fn ports(&self) -> Option<(u16, u16)> {
        match *self {
            Transport::Tcp(tcp) => Some((tcp.src_port, tcp.dst_port)),
            Transport::Udp {
                src_port, dst_port, ..
            }
            | Transport::Sctp {
                src_port, dst_port, ..
            } => Some((src_port, dst_port)),
            _ => None,
        }
    }
}

/// A TCP header with the options that matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tcp {
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number (meaningful with ACK).
    pub ack: u32,
    /// Flag bits, `tcp_flags`.
    pub flags: u8,
    /// Window, unscaled.
    pub window: u16,
    /// Urgent pointer.
    pub urgent: u16,
    /// Maximum segment size option.
    pub mss: Option<u16>,
    /// Window scale option, clamped to 14.
    pub window_scale: Option<u8>,
    /// SACK permitted option.
    pub sack_permitted: bool,
    /// Timestamp option: (value, echo reply).
    pub timestamp: Option<(u32, u32)>,
    /// The header with options.
    pub header: Span,
    /// Verification result.
    pub checksum: Checksum,
}

/// TCP flag bits.
pub mod tcp_flags {
    /// FIN
    pub const FIN: u8 = 0x01;
    /// SYN
    pub const SYN: u8 = 0x02;
    /// RST
    pub const RST: u8 = 0x04;
    /// PSH
    pub const PSH: u8 = 0x08;
    /// ACK
    pub const ACK: u8 = 0x10;
    /// URG
    pub const URG: u8 = 0x20;
    /// ECE
    pub const ECE: u8 = 0x40;
    /// CWR
    pub const CWR: u8 = 0x80;
}

/// How a host resolves overlapping IP fragments or TCP segments (Ptacek and Newsham 1998; Shankar and
/// Paxson 2003; Novak 2005). "Old" is the piece that is there, "new" the one that arrives; each
/// sentence says whose bytes are kept where the two overlap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OverlapPolicy {
    /// Old wins always.
    First,
    /// New wins always.
    Last,
    /// New wins where it starts before the old one; else old.
    #[default]
    Bsd,
    /// Old wins where the new one starts before it; else new (the mirror image of `Bsd`).
    BsdRight,
    /// New wins where it starts before the old one, or together with it; else old. For TCP segments
    /// that start together, only a longer new one wins.
    Linux,
    /// New wins where it starts before the old one and ends behind it; else old.
    Windows,
    /// New wins where it starts before the old one and ends with it or behind it; else old.
    Solaris,
}
