//! What the kernel, or the inline parser, is asked to hold for a while.
//!
//! Owns: the measures and the hosts that they are about. Each measure has exactly one inverse:
//! taking it away again. Does not own: how one becomes set elements (`firewall`).

use std::fmt;
use std::net::IpAddr;

use citywall_event::{Mac, Prefix, VerbSet};

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
        /// With whom: a zone's network, or one address as a prefix of full length.
        to: Prefix,
    },
    /// What the host sends beyond a rate is dropped.
    LimitRate {
        /// Whom.
        host: Host,
        /// Packets a second that pass.
        packets_per_second: u32,
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
