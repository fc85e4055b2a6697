//! A small part of nftables as values: what our tables are made of, and no more.
//!
//! Owns: tables, sets, chains, rules and their one canonical form, so that two equal rulesets are
//! equal values. Does not own: their text (`text`), reading them back (`listing`), what they mean.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use citywall_event::{Mac, Prefix};

/// Name of all our tables.
pub const TABLE: &str = "citywall";

/// Address family of a table (nft(8), "ADDRESS FAMILIES").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4 and IPv6, routed or bridged with br_netfilter; also its ingress hook.
    Inet,
    /// Frames that cross a bridge.
    Bridge,
}

impl Family {
    /// nft's word.
    pub fn name(self) -> &'static str {
        match self {
            Family::Inet => "inet",
            Family::Bridge => "bridge",
        }
    }
}

/// One of our tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its family.
    pub family: Family,
    /// Named counters, sorted.
    pub counters: Vec<String>,
    /// Sets: those that outlive an apply first, each kind sorted by name, as the kernel lists them
    /// in the order in which they were made.
    pub sets: Vec<Set>,
    /// Chains; those that are jumped to stand before those that jump.
    pub chains: Vec<Chain>,
}

/// What an element's key is made of (nft(8), "DATA TYPES").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyType {
    /// `ipv4_addr`
    Ip4,
    /// `ipv6_addr`
    Ip6,
    /// `ether_addr`
    Ether,
    /// `inet_proto`
    Protocol,
    /// `inet_service`
    Port,
    /// `nf_proto`
    Family,
}

impl KeyType {
    /// nft's word.
    pub fn name(self) -> &'static str {
        match self {
            KeyType::Ip4 => "ipv4_addr",
            KeyType::Ip6 => "ipv6_addr",
            KeyType::Ether => "ether_addr",
            KeyType::Protocol => "inet_proto",
            KeyType::Port => "inet_service",
            KeyType::Family => "nf_proto",
        }
    }
}

/// A named set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// Its name.
    pub name: String,
    /// Its key; several are a concatenation.
    pub key: Vec<KeyType>,
    /// Elements may be ranges.
    pub interval: bool,
    /// Elements have a time-out.
    pub timeout: bool,
    /// Elements have a rate of their own, beyond which they match.
    pub rated: bool,
    /// Elements at most; 0 = the kernel's default.
    pub size: u32,
    /// What it always holds. `None`: what it holds is not the policy's, and lives through an apply.
    pub elements: Option<Vec<Value>>,
}

impl Set {
    /// The order of sets in a table.
    pub(super) fn order(&self) -> (bool, &str) {
        (self.elements.is_some(), &self.name)
    }
}

/// A chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Its name.
    pub name: String,
    /// Where the kernel enters it; `None` = jumped to.
    pub base: Option<Base>,
    /// Its rules.
    pub rules: Vec<Rule>,
}

/// Where a base chain is entered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// `forward`, `ingress`, `input`.
    pub hook: String,
    /// The interface of an ingress chain. The kernel's JSON does not tell it: the chain's name does.
    pub device: Option<String>,
    /// Lower is earlier.
    pub priority: i32,
    /// What happens at its end.
    pub accept: bool,
}

/// A rule: all its statements, in order.
pub type Rule = Vec<Statement>;

/// One value or an inclusive range of an element or an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// Addresses from .. to, of one family.
    Addresses(IpAddr, IpAddr),
    /// A hardware address.
    Mac(Mac),
    /// Numbers from .. to.
    Numbers(u32, u32),
}

impl Value {
    /// One address.
    pub fn ip(ip: IpAddr) -> Value {
        Value::Addresses(ip, ip)
    }

    /// One number.
    pub fn number(n: u32) -> Value {
        Value::Numbers(n, n)
    }

    /// A network.
    pub fn network(prefix: Prefix) -> Value {
        Value::Addresses(prefix.first(), prefix.last())
    }

    /// True for an IPv6 address.
    pub fn is_v6(&self) -> bool {
        matches!(self, Value::Addresses(ip, _) if ip.is_ipv6())
    }

    /// Does it hold `other`, wholly?
    pub fn holds(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Addresses(a, b), Value::Addresses(c, d)) => {
                a.is_ipv4() == c.is_ipv4() && a <= c && d <= b
            }
            (Value::Numbers(a, b), Value::Numbers(c, d)) => a <= c && d <= b,
            (a, b) => a == b,
        }
    }

    /// The network that a range of addresses is, where it is one.
    pub fn as_prefix(&self) -> Option<Prefix> {
        let Value::Addresses(first, last) = self else {
            return None;
        };
        let length = match (first, last) {
            (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
            (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
            _ => return None,
        };
        let prefix = Prefix::new(*first, length as u8)?;
        (prefix.last() == *last).then_some(prefix)
    }

    /// The value after its last, for finding neighbours.
    fn follows(&self) -> Option<Value> {
        match self {
            Value::Addresses(_, IpAddr::V4(last)) => {
                let next = IpAddr::V4(Ipv4Addr::from_bits(last.to_bits().checked_add(1)?));
                Some(Value::ip(next))
            }
            Value::Addresses(_, IpAddr::V6(last)) => {
                let next = IpAddr::V6(Ipv6Addr::from_bits(last.to_bits().checked_add(1)?));
                Some(Value::ip(next))
            }
            Value::Numbers(_, last) => Some(Value::number(last.checked_add(1)?)),
            Value::Mac(_) => None,
        }
    }

    fn touches(&self, next: &Value) -> bool {
        match (self, next) {
            (Value::Addresses(_, last), Value::Addresses(first, _)) => {
                last.is_ipv4() == first.is_ipv4()
                    && (first <= last
                        || self
                            .follows()
                            .is_some_and(|n| matches!(n, Value::Addresses(x, _) if x == *first)))
            }
            (Value::Numbers(_, last), Value::Numbers(first, _)) => *first <= last.saturating_add(1),
            (a, b) => a == b,
        }
    }

    fn join(self, next: Value) -> Value {
        match (self, next) {
            (Value::Addresses(a, b), Value::Addresses(_, d)) => Value::Addresses(a, b.max(d)),
            (Value::Numbers(a, b), Value::Numbers(_, d)) => Value::Numbers(a, b.max(d)),
            (a, _) => a,
        }
    }
}

/// Sorts, and joins what overlaps or touches: the form in which equal sets are equal.
pub fn canonical(mut values: Vec<Value>) -> Vec<Value> {
    values.sort_unstable();
    let mut joined: Vec<Value> = Vec::with_capacity(values.len());
    for value in values {
        match joined.last_mut() {
            Some(last) if last.touches(&value) => *last = last.join(value),
            _ => joined.push(value),
        }
    }
    joined
}

/// As `canonical`, for verdict maps: neighbours are joined where they lead to the same verdict.
pub fn canonical_map(mut entries: Vec<(Value, Verdict)>) -> Vec<(Value, Verdict)> {
    entries.sort();
    let mut joined: Vec<(Value, Verdict)> = Vec::with_capacity(entries.len());
    for (value, verdict) in entries {
        match joined.last_mut() {
            Some((last, same)) if *same == verdict && last.touches(&value) => *last = last.join(value),
            _ => joined.push((value, verdict)),
        }
    }
    joined
}

/// What of a packet is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// `ip saddr`
    Ip4Source,
    /// `ip daddr`
    Ip4Target,
    /// `ip6 saddr`
    Ip6Source,
    /// `ip6 daddr`
    Ip6Target,
    /// `ether saddr`
    EtherSource,
    /// `ether daddr`
    EtherTarget,
    /// `ether type`
    EtherType,
    /// `arp saddr ip`
    ArpSource,
    /// `tcp dport`
    TcpPort,
    /// `tcp sport`
    TcpSourcePort,
    /// `udp dport`
    UdpPort,
    /// `udp sport`
    UdpSourcePort,
    /// `sctp dport`
    SctpPort,
    /// `icmp type`
    IcmpType,
    /// `icmpv6 type`
    Icmp6Type,
    /// `meta l4proto`
    Protocol,
    /// `meta nfproto`
    Family,
    /// `ct original ip saddr`
    Began4,
    /// `ct original ip daddr`
    Called4,
    /// `ct original ip6 saddr`
    Began6,
    /// `ct original ip6 daddr`
    Called6,
    /// `ct direction`
    Direction,
}

/// What a match compares with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Right {
    /// A named set.
    Set(String),
    /// Values; one stands alone, several are an anonymous set.
    Values(Vec<Value>),
    /// Concatenated keys, sorted.
    Keys(Vec<Vec<Value>>),
}

/// Whose mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// The packet's.
    Packet,
    /// The conversation's.
    Conversation,
}

/// States of conversations, as bits of `ct state`.
pub mod state {
    /// No state fits.
    pub const INVALID: u32 = 1;
    /// Answered.
    pub const ESTABLISHED: u32 = 2;
    /// Belongs to another.
    pub const RELATED: u32 = 4;
    /// The first packets.
    pub const NEW: u32 = 8;
    /// Not followed.
    pub const UNTRACKED: u32 = 64;
}

/// A part of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Statement {
    /// Goes on where the fields are, or are not, on the right.
    Match {
        /// One field, or several concatenated.
        left: Vec<Field>,
        /// True: goes on where they are not.
        not: bool,
        /// With what.
        right: Right,
    },
    /// Goes on where a TCP segment asks for a conversation: SYN, and none of FIN, RST, ACK.
    Opens,
    /// Goes on where a TCP segment answers that: SYN and ACK, and none of FIN, RST.
    Accepts,
    /// Goes on where the conversation has one of these states.
    State(u32),
    /// Goes on where all the bits are set.
    Marked(Mark, u32),
    /// Sets the bits.
    SetMark(Mark, u32),
    /// Looks the verdict up; goes on where there is none.
    Map {
        /// The field.
        key: Field,
        /// Sorted, disjoint.
        entries: Vec<(Value, Verdict)>,
    },
    /// Adds to a named counter.
    Count(String),
    /// Goes on while the rate is not reached.
    Rate {
        /// Packets a second.
        per_second: u32,
        /// And so many at once.
        burst: u32,
    },
    /// Tells the kernel's log, or a group of its readers.
    Log {
        /// What the line begins with.
        prefix: String,
        /// NFLOG group; `None` = the kernel's log.
        group: Option<u16>,
    },
    /// The kernel does not follow this packet's conversation.
    NoTrack,
    /// The kernel answers a SYN with a cookie, and opens the conversation with the receiver once it
    /// comes back; what has none is dropped.
    SynProxy {
        /// The largest segment that senders are told.
        mss: u16,
    },
    /// The packet is gone, and its sender is told that the conversation is over.
    Reset,
    /// Ends the rule.
    Verdict(Verdict),
    /// From the kernel alone: something that we never write.
    Foreign(String),
}

/// What becomes of a packet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// It passes this table.
    Accept,
    /// It is gone.
    Drop,
    /// Back to the chain that jumped.
    Return,
    /// To a chain, and back.
    Jump(String),
    /// To a chain, without coming back.
    Goto(String),
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn canonical_sets_hold_the_same_numbers(ranges in prop::collection::vec((0u32..40, 0u32..6), 0..8)) {
            let values: Vec<Value> = ranges.iter().map(|(a, n)| Value::Numbers(*a, a + n)).collect();
            let joined = canonical(values.clone());
            for n in 0..50 {
                let one = Value::number(n);
                prop_assert_eq!(values.iter().any(|v| v.holds(&one)), joined.iter().any(|v| v.holds(&one)));
            }
            prop_assert!(joined.windows(2).all(|w| !w[0].touches(&w[1])));
        }

        #[test]
        fn a_network_is_a_range_and_back(bits: u32, length in 0u8..=32) {
            let prefix = Prefix::containing(Ipv4Addr::from_bits(bits).into(), length).unwrap();
            prop_assert_eq!(Value::network(prefix).as_prefix(), Some(prefix));
        }
    }
}
