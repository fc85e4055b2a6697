//! What a packet is, as far as floods go.
//!
//! Owns: the classes, which ports and which ICMP types belong to them. Does not own: counting (`meter`).

/// What a packet is, as far as floods go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Class {
    /// TCP, SYN without ACK.
    Syn,
    /// TCP, SYN with ACK: the answer to `Syn`.
    SynAck,
    /// Any other TCP.
    Tcp,
    /// UDP.
    Udp,
    /// UDP to a port of services that take what comes and never answer.
    Collected,
    /// UDP from a port of services that answer much to little.
    Reflected,
    /// ICMP and ICMPv6 that asks or announces something.
    Icmp,
    /// ICMP and ICMPv6 that only comes because of what its receiver sent: replies, reports of errors.
    IcmpAnswer,
    /// Anything else, fragments too.
    Other,
}

/// How many classes there are.
pub const CLASSES: usize = 9;

impl Class {
    /// All.
    pub const ALL: [Class; CLASSES] = [
        Class::Syn,
        Class::SynAck,
        Class::Tcp,
        Class::Udp,
        Class::Collected,
        Class::Reflected,
        Class::Icmp,
        Class::IcmpAnswer,
        Class::Other,
    ];

    /// Of a UDP datagram, by its ports.
    #[inline]
    pub fn of_udp(src_port: u16, dst_port: u16) -> Class {
        if Class::reflects(src_port) {
            Class::Reflected
        } else if Class::collects(dst_port) {
            Class::Collected
        } else {
            Class::Udp
        }
    }

    /// Of an ICMP or ICMPv6 message, by its type: echo, timestamp, information and address mask replies, what
    /// neighbours say of themselves, and reports of errors (RFC 792, RFC 950, RFC 4443, RFC 4861). Redirects and
    /// what routers announce come unasked.
    #[inline]
    pub fn of_icmp(v6: bool, kind: u8) -> Class {
        let answers = match v6 {
            false => matches!(kind, 0 | 3 | 4 | 11 | 12 | 14 | 16 | 18),
            true => matches!(kind, 1..=4 | 129 | 136),
        };
        if answers { Class::IcmpAnswer } else { Class::Icmp }
    }

    /// Source ports of services that answer much to little: chargen, DNS, portmapper, NTP, NetBIOS,
    /// SNMP, CLDAP, RIP, SSDP, WS-Discovery, mDNS, CoAP, memcached (as told in CERT advisory TA14-017A
    /// and later ones).
    fn reflects(port: u16) -> bool {
        matches!(
            port,
            19 | 53 | 111 | 123 | 137 | 161 | 389 | 520 | 1900 | 3702 | 5353 | 5683 | 11211
        )
    }
    /// Destination ports of services that take what comes and never answer: SNMP traps, syslog, NetFlow, IPFIX,
    /// sFlow, StatsD, GELF, collectd.
    fn collects(port: u16) -> bool {
        matches!(
            port,
            162 | 514 | 2055 | 4739 | 6343 | 8125 | 9995 | 9996 | 12201 | 25826
        )
    }
}
