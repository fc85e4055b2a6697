//! What the kernel, or the inline parser, is asked to hold for a while.
//!
//! Owns: the measures and the hosts that they are about. Each measure has exactly one inverse:
//! taking it away again. Does not own: how one becomes set elements (`firewall`).

use std::fmt;
use std::net::IpAddr;

use citywall_event::{Mac, Nanos, Prefix, VerbSet};

/// A device as the kernel can recognise it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Host {
    /// By address.
    Ip(IpAddr),
    /// By hardware address (only where the wall sees its link).
    Mac(Mac),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Ip(ip) => write!(f, "{ip}"),
            Host::Mac([a, b, c, d, e, g]) => write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}"),
        }
    }
}

/// What is to be held in force. A measure lives as long as its action's time to live.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Measure {
    /// Nothing to or from the host passes.
    Isolate {
        /// Whom.
        host: Host,
    },
    /// The host reaches nothing but DHCP, DNS and the update servers of the city file, and only
    /// those reach it.
    Quarantine {
        /// Whom.
        host: Host,
    },
    /// Nothing passes between the two, in conversations old or new that `from` began.
    DenyPair {
        /// Who began.
        from: Host,
        /// With whom: one address as a prefix of full length, or a zone's network: all of it but
        /// what everything needs (gateways, names, time, management, the wall).
        to: Prefix,
    },
    /// What the host sends beyond a rate is dropped.
    LimitRate {
        /// Whom.
        host: Host,
        /// Packets a second that pass.
        packets_per_second: u32,
    },
    /// New conversations with an address that are opened from another zone, beyond a rate, are
    /// dropped: against floods whose sources prove nothing, so that nobody can have a third one
    /// blocked. What is established goes on.
    LimitInto {
        /// Who is flooded.
        to: IpAddr,
        /// IP protocol: 6 limits SYNs; 17, 1 and 58 limit all packets of no established conversation.
        protocol: u8,
        /// Packets a second that pass.
        packets_per_second: u32,
    },
    /// Who opens a TCP conversation with this port is answered by the kernel in the device's place, with a
    /// SYN cookie (RFC 4987, 3.6); the device hears of it once the handshake is complete. A flood from
    /// sources that prove nothing stays outside, and everybody who is there comes through.
    SynProxy {
        /// Who is flooded.
        to: IpAddr,
        /// By SYNs for this port.
        port: u16,
    },
    /// What comes from this UDP port in no conversation that the device began is dropped: answers of an
    /// abused service (amplification). All else that is new with the device goes on.
    DropAnswers {
        /// Who is flooded.
        to: IpAddr,
        /// The abused service's port.
        from_port: u16,
    },
    /// Conversations from the one to the other are inspected, and commands with one of the verbs
    /// are denied; all else goes on.
    DenyCommand {
        /// Who commands.
        from: Host,
        /// Whom.
        to: Prefix,
        /// Which verbs.
        verbs: VerbSet,
    },
}

/// What the kernel keeps apart: two measures of one key are one set element, whatever their rates
/// and verbs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    kind: u8,
    host: Host,
    to: Option<Prefix>,
    port: u16,
}

impl Measure {
    /// The element that holds it.
    pub fn key(&self) -> Key {
        let (kind, host, to) = match *self {
            Measure::Isolate { host } => (0, host, None),
            Measure::Quarantine { host } => (1, host, None),
            Measure::DenyPair { from, to } => (2, from, Some(to)),
            Measure::LimitRate { host, .. } => (3, host, None),
            Measure::DenyCommand { from, to, .. } => (4, from, Some(to)),
            // Each protocol has its own element.
            Measure::LimitInto { to, protocol, .. } => (protocol | 0x80, Host::Ip(to), None),
            Measure::SynProxy { to, .. } => (5, Host::Ip(to), None),
            Measure::DropAnswers { to, .. } => (6, Host::Ip(to), None),
        };
        let port = match *self {
            Measure::SynProxy { port, .. } => port,
            Measure::DropAnswers { from_port, .. } => from_port,
            _ => 0,
        };
        Key { kind, host, to, port }
    }

    /// Whether it is against a source; else it is for somebody who is flooded, whoever sends.
    pub fn is_against_source(&self) -> bool {
        !matches!(
            self,
            Measure::LimitInto { .. } | Measure::SynProxy { .. } | Measure::DropAnswers { .. }
        )
    }

    /// The device whose work is touched: the source, but of what is done about floods the flooded one.
    pub fn host(&self) -> Host {
        match *self {
            Measure::Isolate { host } | Measure::Quarantine { host } | Measure::LimitRate { host, .. } => {
                host
            }
            Measure::DenyPair { from, .. } | Measure::DenyCommand { from, .. } => from,
            Measure::LimitInto { to, .. }
            | Measure::SynProxy { to, .. }
            | Measure::DropAnswers { to, .. } => Host::Ip(to),
        }
    }

    /// The other end, where only conversations with it are touched.
    pub fn to(&self) -> Option<Prefix> {
        match *self {
            Measure::DenyPair { to, .. } | Measure::DenyCommand { to, .. } => Some(to),
            _ => None,
        }
    }
}

/// An element that the kernel holds, as the hand read it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Held {
    /// What.
    pub measure: Measure,
    /// The element's comment: an action's id where it is ours. Empty where there is none.
    pub comment: String,
    /// What is left of its life, nanoseconds; `None` = for ever, which we never ask for.
    pub remaining: Option<Nanos>,
}
