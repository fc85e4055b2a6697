//! The list of ways in which a frame breaks the rules below the transport payload. Owns their names;
//! does not own their discovery, which lies with each layer.

/// Declares the enum, its list and its names from one table, so that none can be forgotten.
macro_rules! malformed {
    ($($(#[$doc:meta])+ $variant:ident = $name:literal,)+) => {
        /// A broken rule of a link, network or transport header, or of fragmentation.
        ///
        /// What the capture cut off (snap length) is no anomaly: see `Packet::truncated`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Malformed {
            $($(#[$doc])+ $variant,)+
        }

        impl Malformed {
            /// All kinds, in the order of the layers.
            pub const ALL: &'static [Malformed] = &[$(Malformed::$variant,)+];

            /// The name in `anomaly` events: layer, dot, what is wrong.
            pub fn name(self) -> &'static str {
                match self {
                    $(Malformed::$variant => $name,)+
                }
            }
        }
    };
}

malformed! {
    /// A link type that this crate does not decode.
    LinkUnsupported = "link.unsupported",
    /// Less than an Ethernet header.
    EthernetTruncated = "ethernet.truncated",
    /// An 802.3 length beyond the frame, or a value that is neither length nor EtherType.
    EthernetLength = "ethernet.length",
    /// A VLAN or HSR tag that ends early.
    VlanTruncated = "vlan.truncated",
    /// More tags than any network needs.
    VlanTooDeep = "vlan.too_deep",
    /// Less than a Linux cooked header.
    SllTruncated = "sll.truncated",
    /// Less than a loopback header.
    LoopbackTruncated = "loopback.truncated",
    /// A loopback address family that is neither IPv4 nor IPv6.
    LoopbackFamily = "loopback.family",
    /// A PPP frame without a whole protocol field.
    PppTruncated = "ppp.truncated",
    /// Less than a PPPoE header.
    PppoeTruncated = "pppoe.truncated",
    /// PPPoE session data with another version, type or code than RFC 2516 says.
    PppoeHeader = "pppoe.header",
    /// A PPPoE length beyond the frame.
    PppoeLength = "pppoe.length",
    /// An MPLS stack without a bottom label.
    MplsTruncated = "mpls.truncated",
    /// More MPLS labels than any network needs.
    MplsTooDeep = "mpls.too_deep",
    /// Less than an ARP packet.
    ArpTruncated = "arp.truncated",
    /// ARP for Ethernet and IPv4 whose address lengths are not 6 and 4.
    ArpFormat = "arp.format",
    /// Raw IP with a version other than 4 and 6.
    IpVersion = "ip.version",
    /// The IPv4 total length, or the header, lies beyond the frame.
    Ipv4Truncated = "ipv4.truncated",
    /// EtherType IPv4, but another version in the header.
    Ipv4Version = "ipv4.version",
    /// An IPv4 header length below 20.
    Ipv4HeaderLength = "ipv4.header_length",
    /// An IPv4 total length below the header length.
    Ipv4TotalLength = "ipv4.total_length",
    /// A wrong IPv4 header checksum: every receiver drops the packet.
    Ipv4Checksum = "ipv4.checksum",
    /// An IPv4 option with a length that cannot be.
    Ipv4OptionLength = "ipv4.option_length",
    /// A source-route option (RFC 7126: to be dropped).
    Ipv4SourceRoute = "ipv4.source_route",
    /// The IPv6 payload length, or the header, lies beyond the frame.
    Ipv6Truncated = "ipv6.truncated",
    /// EtherType IPv6, but another version in the header.
    Ipv6Version = "ipv6.version",
    /// An IPv6 extension header beyond the packet.
    Ipv6ExtensionTruncated = "ipv6.extension_truncated",
    /// More extension headers than any host accepts.
    Ipv6ExtensionChain = "ipv6.extension_chain",
    /// A hop-by-hop header that is not the first (RFC 8200, 4.1).
    Ipv6ExtensionOrder = "ipv6.extension_order",
    /// An extension header that may occur once, twice (RFC 8200, 4.1).
    Ipv6ExtensionRepeated = "ipv6.extension_repeated",
    /// A type 0 routing header (RFC 5095: deprecated, to be dropped).
    Ipv6RoutingType0 = "ipv6.routing_type0",
    /// An authentication header beyond the packet, or shorter than its fixed part.
    AhLength = "ah.length",
    /// More tunnels in each other than are unwrapped.
    TunnelTooDeep = "tunnel.too_deep",
    /// A GRE header beyond the packet.
    GreTruncated = "gre.truncated",
    /// A GRE version other than 0 and 1.
    GreVersion = "gre.version",
    /// GRE routing or reserved bits: a receiver drops it (RFC 2784, 2.3).
    GreFlags = "gre.flags",
    /// An ERSPAN header beyond the packet.
    ErspanTruncated = "erspan.truncated",
    /// An ERSPAN version that does not fit its GRE protocol.
    ErspanVersion = "erspan.version",
    /// A VXLAN header with reserved bits set, or without a VNI, in front of an Ethernet frame.
    VxlanHeader = "vxlan.header",
    /// A Geneve version other than 0.
    GeneveVersion = "geneve.version",
    /// Geneve options beyond the packet.
    GeneveOptions = "geneve.options",
    /// A TCP header beyond the packet.
    TcpTruncated = "tcp.truncated",
    /// A TCP data offset below 20 bytes.
    TcpHeaderLength = "tcp.header_length",
    /// A TCP option with a length that cannot be.
    TcpOptionLength = "tcp.option_length",
    /// A TCP window scale above 14 (RFC 7323, 2.3).
    TcpWindowScale = "tcp.window_scale",
    /// Flags that no stack sends: SYN with FIN or RST, or none at all.
    TcpFlags = "tcp.flags",
    /// Less than a UDP header.
    UdpTruncated = "udp.truncated",
    /// A UDP length below 8 or beyond the packet.
    UdpLength = "udp.length",
    /// Bytes of the IP payload behind the end of the UDP datagram.
    UdpSurplus = "udp.surplus",
    /// Less than an ICMP header.
    IcmpTruncated = "icmp.truncated",
    /// Less than an ICMPv6 header.
    Icmpv6Truncated = "icmpv6.truncated",
    /// Less than an SCTP common header.
    SctpTruncated = "sctp.truncated",
    /// Less than an IGMP message.
    IgmpTruncated = "igmp.truncated",
    /// Less than an ESP header.
    EspTruncated = "esp.truncated",
    /// A fragment without payload.
    FragmentEmpty = "fragment.empty",
    /// A fragment that is not the last, and not a multiple of 8 bytes long.
    FragmentLength = "fragment.length",
    /// A fragment that ends beyond the largest datagram ("ping of death").
    FragmentTooLarge = "fragment.too_large",
    /// A first fragment that splits the header of its transport (RFC 1858, RFC 7112).
    FragmentTinyFirst = "fragment.tiny_first",
    /// The same fragment again.
    FragmentDuplicate = "fragment.duplicate",
    /// Fragments overlap, with the same content.
    FragmentOverlapSame = "fragment.overlap_same",
    /// Fragments overlap and differ: hosts disagree on what was said.
    FragmentOverlapDifferent = "fragment.overlap_different",
    /// A fragment that lies inside another ("teardrop").
    FragmentTeardrop = "fragment.teardrop",
    /// Overlapping IPv6 fragments: the datagram was dropped (RFC 5722).
    FragmentOverlapIpv6 = "fragment.overlap_ipv6",
    /// Fragments disagree on where the datagram ends.
    FragmentEndConflict = "fragment.end_conflict",
    /// A datagram that never became whole.
    FragmentTimeout = "fragment.timeout",
    /// A limit of the defragmenter was reached: a datagram or fragment was given up.
    FragmentLimit = "fragment.limit",
}
