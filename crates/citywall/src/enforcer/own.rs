//! The machine's own addresses: what the wall must never cut off.
//!
//! Owns: reading them from the kernel's files. Does not own: what is made of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use citywall_event::Mac;

/// Addresses of all interfaces of this network namespace.
pub fn addresses() -> Vec<IpAddr> {
    let read = |name: &str| std::fs::read_to_string(format!("/proc/self/net/{name}")).unwrap_or_default();
    let mut found = of_trie(&read("fib_trie"));
    found.extend(of_inet6(&read("if_inet6")));
    found.sort();
    found.dedup();
    found
}

/// Hardware addresses of the interfaces, where this namespace's `/sys` tells them.
pub fn macs() -> Vec<Mac> {
    let mut found = Vec::new();
    let names = std::fs::read_to_string("/proc/self/net/dev").unwrap_or_default();
    let names = names.lines().skip(2).filter_map(|line| line.split(':').next());
    for name in names {
        let path = format!("/sys/class/net/{}/address", name.trim());
        let text = std::fs::read_to_string(path).unwrap_or_default();
        if let Some(citywall_response::Host::Mac(mac)) = super::lines::read_host(text.trim())
            && mac != [0; 6]
        {
            found.push(mac);
        }
    }
    found.sort();
    found.dedup();
    found
}

/// `/proc/net/fib_trie`: an address stands before its line `/32 host LOCAL`.
fn of_trie(text: &str) -> Vec<IpAddr> {
    let mut found = Vec::new();
    let mut last = None;
    for line in text.lines() {
        let line = line.trim();
        if let Some(address) = line.strip_prefix("|-- ") {
            last = address.parse::<Ipv4Addr>().ok();
        } else if line.starts_with("/32 host LOCAL")
            && let Some(address) = last
        {
            found.push(IpAddr::V4(address));
        }
    }
    found
}

/// `/proc/net/if_inet6`: 32 digits first.
fn of_inet6(text: &str) -> Vec<IpAddr> {
    text.lines()
        .filter_map(|line| line.split_whitespace().next().filter(|digits| digits.len() == 32))
        .filter_map(|digits| u128::from_str_radix(digits, 16).ok())
        .map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_files_are_read() {
        let trie = "Main:\n  +-- 0.0.0.0/1 2 0 2\n     |-- 10.1.0.0\n        /16 link UNICAST\n     |-- 10.1.0.1\n        /32 host LOCAL\n";
        assert_eq!(of_trie(trie), ["10.1.0.1".parse::<IpAddr>().unwrap()]);
        let six = "00000000000000000000000000000001 01 80 10 80       lo\nbad\n";
        assert_eq!(of_inet6(six), ["::1".parse::<IpAddr>().unwrap()]);
    }
}
