//! A network in CIDR form (RFC 4632, RFC 4291).
//!
//! Owns: its parsing, bounds and overlap. Does not own: who has it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A network: an address whose host bits are zero, and how many bits are the network's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    address: IpAddr,
    length: u8,
}

impl Prefix {
    /// Makes a prefix; `None` where the length is too long or a host bit is set.
    pub fn new(address: IpAddr, length: u8) -> Option<Prefix> {
        let prefix = Prefix::containing(address, length)?;
        (prefix.address == address).then_some(prefix)
    }

    /// The network of this length that `address` lies in; `None` where the length is too long.
    pub fn containing(address: IpAddr, length: u8) -> Option<Prefix> {
        let address = match address {
            IpAddr::V4(v4) if length <= 32 => {
                let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask))
            }
            IpAddr::V6(v6) if length <= 128 => {
                let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask))
            }
            _ => return None,
        };
        Some(Prefix { address, length })
    }

    /// The lowest address.
    pub fn first(self) -> IpAddr {
        self.address
    }

    /// The highest address; for IPv4 networks of two and more bits the directed broadcast.
    pub fn last(self) -> IpAddr {
        let length = u32::from(self.length);
        match self.address {
            IpAddr::V4(v4) => {
                let host = u32::MAX.checked_shr(length).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() | host))
            }
            IpAddr::V6(v6) => {
                let host = u128::MAX.checked_shr(length).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() | host))
            }
        }
    }

    /// Bits of the network part.
    pub fn length(self) -> u8 {
        self.length
    }

    /// True where `ip` lies in it. IPv4 addresses lie in no IPv6 network and the other way round.
    pub fn contains(self, ip: IpAddr) -> bool {
        self.address.is_ipv4() == ip.is_ipv4() && self.first() <= ip && ip <= self.last()
    }

    /// True where some address lies in both.
    pub fn overlaps(self, other: Prefix) -> bool {
        self.contains(other.address) || other.contains(self.address)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn prefix(address: &str, length: u8) -> Option<Prefix> {
        Prefix::new(address.parse().unwrap(), length)
    }

    #[test]
    fn host_bits_and_long_lengths_are_refused() {
        assert!(prefix("10.0.0.1", 24).is_none());
        assert!(prefix("10.0.0.0", 33).is_none());
        assert!(prefix("::", 129).is_none());
        assert_eq!(prefix("10.0.0.0", 24).unwrap().last().to_string(), "10.0.0.255");
        assert_eq!(
            prefix("0.0.0.0", 0).unwrap().last().to_string(),
            "255.255.255.255"
        );
        assert_eq!(
            prefix("fd00::", 64).unwrap().last().to_string(),
            "fd00::ffff:ffff:ffff:ffff"
        );
    }

    proptest! {
        #[test]
        fn overlap_is_containment_of_either(a: u32, b: u32, m in 0u8..=32, n in 0u8..=32) {
            let at = |bits: u32, length| Prefix::containing(Ipv4Addr::from_bits(bits).into(), length).unwrap();
            let (p, q) = (at(a, m), at(b, n));
            let apart = p.last() < q.first() || q.last() < p.first();
            prop_assert_eq!(p.overlaps(q), !apart);
            prop_assert!(p.contains(Ipv4Addr::from_bits(a).into()));
        }
    }
}
