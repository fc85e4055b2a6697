//! Which host resolves overlaps in which way. Owns the seven policies' rule for IP fragments and the
//! table of hosts; does not own TCP reassembly, which may use the same table.

use std::fmt;
use std::net::IpAddr;
use std::ops::Range;
use std::str::FromStr;

use crate::model::OverlapPolicy;

impl OverlapPolicy {
    /// All policies.
    pub const ALL: [OverlapPolicy; 7] = [
        OverlapPolicy::First,
        OverlapPolicy::Last,
        OverlapPolicy::Bsd,
        OverlapPolicy::BsdRight,
        OverlapPolicy::Linux,
        OverlapPolicy::Windows,
        OverlapPolicy::Solaris,
    ];

    /// The name in configuration files.
    pub fn name(self) -> &'static str {
        match self {
            OverlapPolicy::First => "first",
            OverlapPolicy::Last => "last",
            OverlapPolicy::Bsd => "bsd",
            OverlapPolicy::BsdRight => "bsd-right",
            OverlapPolicy::Linux => "linux",
            OverlapPolicy::Windows => "windows",
            OverlapPolicy::Solaris => "solaris",
        }
    }

    /// For IP fragments: true where the new piece's bytes win over those of the old piece that it
    /// overlaps. Ranges are byte positions in the datagram; `new` is the range as it arrived.
    pub fn prefers_new_fragment(self, old: &Range<u32>, new: &Range<u32>) -> bool {
        match self {
            OverlapPolicy::First => false,
            OverlapPolicy::Last => true,
            OverlapPolicy::Bsd => new.start < old.start,
            OverlapPolicy::BsdRight => new.start >= old.start,
            OverlapPolicy::Linux => new.start <= old.start,
            OverlapPolicy::Windows => new.start < old.start && new.end > old.end,
            OverlapPolicy::Solaris => new.start < old.start && new.end >= old.end,
        }
    }
}

impl fmt::Display for OverlapPolicy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for OverlapPolicy {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        OverlapPolicy::ALL
            .into_iter()
            .find(|policy| policy.name() == text)
            .ok_or_else(|| PolicyError::Name(text.to_owned()))
    }
}

/// What is wrong with an overlap policy table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// No such policy.
    #[error(
        "unknown overlap policy \"{0}\": expected first, last, bsd, bsd-right, linux, windows or solaris"
    )]
    Name(String),
    /// A prefix longer than its address.
    #[error("the prefix length of {address}/{length} is larger than {limit}")]
    Prefix {
        /// The address.
        address: IpAddr,
        /// The length that was given.
        length: u8,
        /// The largest for this kind of address.
        limit: u8,
    },
}

/// The overlap policy of each host: a default, and prefixes that differ. The longest prefix counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OverlapPolicies {
    default: OverlapPolicy,
    /// Longest first.
    entries: Vec<Entry>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    /// The first address of the prefix, as a number; IPv4 in the upper 32 bits.
    first: u128,
    mask: u128,
    v6: bool,
    length: u8,
    policy: OverlapPolicy,
}

impl OverlapPolicies {
    /// A table in which all hosts have one policy.
    pub fn new(default: OverlapPolicy) -> Self {
        OverlapPolicies {
            default,
            entries: Vec::new(),
        }
    }

    /// Adds or replaces the policy of the hosts in `address/length`; host bits are ignored.
    ///
    /// # Errors
    /// When the prefix is longer than the address.
    pub fn insert(&mut self, address: IpAddr, length: u8, policy: OverlapPolicy) -> Result<(), PolicyError> {
        let limit = if address.is_ipv6() { 128 } else { 32 };
        if length > limit {
            return Err(PolicyError::Prefix {
                address,
                length,
                limit,
            });
        }
        let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
        let (number, v6) = number(address);
        let entry = Entry {
            first: number & mask,
            mask,
            v6,
            length,
            policy,
        };
        let same = |other: &Entry| (other.first, other.length, other.v6) == (entry.first, length, v6);
        self.entries.retain(|other| !same(other));
        let place = self.entries.partition_point(|other| other.length >= length);
        self.entries.insert(place, entry);
        Ok(())
    }

    /// The policy of the host `address`.
    pub fn of(&self, address: IpAddr) -> OverlapPolicy {
        if self.entries.is_empty() {
            return self.default;
        }
        let (number, v6) = number(address);
        self.entries
            .iter()
            .find(|entry| entry.v6 == v6 && number & entry.mask == entry.first)
            .map_or(self.default, |entry| entry.policy)
    }
}

fn number(address: IpAddr) -> (u128, bool) {
    match address {
        IpAddr::V4(address) => (u128::from(u32::from(address)) << 96, false),
        IpAddr::V6(address) => (u128::from(address), true),
    }
}
