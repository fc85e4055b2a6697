//! Which host resolves overlapping data and urgent data in which way.
//!
//! Owns: the list of prefixes with their policies. Does not own: what a policy does to bytes
//! (`tcp::overlap`), or how the list is written down (the configuration).

use std::net::IpAddr;

use citywall_packet::OverlapPolicy;

/// What a host does with TCP urgent data (RFC 6093).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Urgent {
    /// The urgent byte stays in the stream: what the RFCs mean (RFC 6093, 2.1), and what hosts do
    /// for applications that set `SO_OOBINLINE`.
    InBand,
    /// The urgent byte is taken out of the stream that the application reads, as common stacks do
    /// for applications that ask for nothing (RFC 6093, 2.2 and 3.3). It is the byte before the one
    /// that the urgent pointer names, as nearly all stacks read RFC 793 (RFC 6093, 3.1).
    #[default]
    OutOfBand,
}

/// How one host reads what it gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostPolicy {
    /// Overlapping TCP segments.
    pub overlap: OverlapPolicy,
    /// Urgent data.
    pub urgent: Urgent,
}

/// A prefix that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("prefix length {length} of {address} is longer than the address")]
pub struct PrefixError {
    /// The address as given.
    pub address: IpAddr,
    /// The length as given, in bits.
    pub length: u8,
}

/// Policies by network: the longest prefix that holds the host decides.
#[derive(Clone, Debug, Default)]
pub struct HostPolicies {
    default: HostPolicy,
    /// Longest prefixes first.
    prefixes: Vec<Prefix>,
}

#[derive(Clone, Copy, Debug)]
struct Prefix {
    v6: bool,
    /// Left-aligned in 128 bits, host bits zero.
    bits: u128,
    length: u8,
    policy: HostPolicy,
}

impl HostPolicies {
    /// The same policy for every host.
    pub fn new(default: HostPolicy) -> HostPolicies {
        HostPolicies {
            default,
            prefixes: Vec::new(),
        }
    }

    /// Adds a network (host bits are ignored; `length` in bits). The same network given again
    /// replaces the earlier policy.
    ///
    /// # Errors
    /// `PrefixError` for a length over 32 (IPv4) or 128 (IPv6).
    pub fn insert(&mut self, address: IpAddr, length: u8, policy: HostPolicy) -> Result<(), PrefixError> {
        let (v6, bits, width) = left_aligned(address);
        if length > width {
            return Err(PrefixError { address, length });
        }
        let prefix = Prefix {
            v6,
            bits: bits & mask(length),
            length,
            policy,
        };
        let same = |p: &&mut Prefix| (p.v6, p.bits, p.length) == (prefix.v6, prefix.bits, prefix.length);
        match self.prefixes.iter_mut().find(same) {
            Some(old) => *old = prefix,
            None => {
                let place = self.prefixes.partition_point(|p| p.length >= length);
                self.prefixes.insert(place, prefix);
            }
        }
        Ok(())
    }

    /// The policy of a host. Asked only when a stream has out-of-order or urgent data, so a walk
    /// over the list is quick enough.
    pub fn of(&self, host: Option<IpAddr>) -> HostPolicy {
        let Some(host) = host else {
            return self.default;
        };
        let (v6, bits, _) = left_aligned(host);
        self.prefixes
            .iter()
            .find(|p| p.v6 == v6 && bits & mask(p.length) == p.bits)
            .map_or(self.default, |p| p.policy)
    }
}

fn left_aligned(address: IpAddr) -> (bool, u128, u8) {
    match address {
        IpAddr::V4(ip) => (false, u128::from(u32::from(ip)) << 96, 32),
        IpAddr::V6(ip) => (true, u128::from(ip), 128),
    }
}

fn mask(length: u8) -> u128 {
    u128::MAX
        .checked_shl(128 - u32::from(length.min(128)))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longest_prefix_decides() {
        let host = |overlap| HostPolicy {
            overlap,
            urgent: Urgent::InBand,
        };
        let mut policies = HostPolicies::new(host(OverlapPolicy::First));
        let mut insert = |text: &str, length, overlap| {
            policies.insert(text.parse().expect("an address"), length, host(overlap))
        };
        assert!(insert("10.0.0.0", 8, OverlapPolicy::Bsd).is_ok());
        assert!(insert("10.9.7.0", 24, OverlapPolicy::Last).is_ok());
        assert!(insert("10.9.7.3", 24, OverlapPolicy::Linux).is_ok());
        assert!(insert("10.9.7.3", 32, OverlapPolicy::Windows).is_ok());
        assert!(insert("::", 0, OverlapPolicy::Solaris).is_ok());
        let error = insert("10.0.0.1", 33, OverlapPolicy::Bsd).expect_err("33 bits");
        assert_eq!(
            error.to_string(),
            "prefix length 33 of 10.0.0.1 is longer than the address"
        );
        let of = |text: &str| policies.of(Some(text.parse().expect("an address"))).overlap;
        assert_eq!(of("10.9.7.3"), OverlapPolicy::Windows);
        assert_eq!(of("10.9.7.4"), OverlapPolicy::Linux);
        assert_eq!(of("10.9.8.4"), OverlapPolicy::Bsd);
        assert_eq!(of("11.9.8.4"), OverlapPolicy::First);
        assert_eq!(of("fe80::1"), OverlapPolicy::Solaris);
        assert_eq!(policies.of(None).overlap, OverlapPolicy::First);
    }
}
