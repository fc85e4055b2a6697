//! Sets of addresses and ports as the rule language writes them: lists, ranges, negation, nesting
//! and variables.
//!
//! Owns: `AddressSet`, `PortSet` and their parser. A set is compiled to sorted, disjoint ranges.

use std::net::IpAddr;

use crate::RuleVars;

/// Nesting of brackets and variables.
const MAX_DEPTH: usize = 16;
/// Elements of one written set, nested ones included.
const MAX_ELEMENTS: usize = 200_000;

/// Sorted, disjoint, inclusive ranges.
type Ranges = Vec<(u128, u128)>;

const V4_MAX: u128 = u32::MAX as u128;
const PORT_MAX: u128 = u16::MAX as u128;

/// IP addresses.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct AddressSet {
    any: bool,
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
}

/// Ports.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PortSet {
    any: bool,
    ranges: Vec<(u16, u16)>,
}

impl AddressSet {
    /// Compiles the text of an address.
    pub fn parse(text: &str, vars: &RuleVars) -> Result<AddressSet, String> {
        let parsed = Parser::new(vars, Kind::Address).parse(text, 0)?;
        let all = Set::all(Kind::Address);
        Ok(AddressSet {
            any: parsed == all,
            v4: parsed.first.iter().map(|&(a, b)| (a as u32, b as u32)).collect(),
            v6: parsed.second,
        })
    }

    /// Membership; where there is no address, only `any` holds.
    #[inline]
    pub fn contains(&self, ip: Option<IpAddr>) -> bool {
        if self.any {
            return true;
        }
        match ip {
            Some(IpAddr::V4(v4)) => within(&self.v4, u32::from(v4)),
            Some(IpAddr::V6(v6)) => within(&self.v6, u128::from(v6)),
            None => false,
        }
    }
}

impl PortSet {
    /// Compiles the text of a port.
    pub fn parse(text: &str, vars: &RuleVars) -> Result<PortSet, String> {
        let parsed = Parser::new(vars, Kind::Port).parse(text, 0)?;
        let any = parsed == Set::all(Kind::Port);
        let ranges = parsed.first.iter().map(|&(a, b)| (a as u16, b as u16)).collect();
        Ok(PortSet { any, ranges })
    }

    /// Membership.
    #[inline]
    pub fn contains(&self, port: u16) -> bool {
        self.any || within(&self.ranges, port)
    }

    /// The ports, where they are at most `limit`.
    pub fn few(&self, limit: usize) -> Option<Vec<u16>> {
        let count: usize = self.ranges.iter().map(|&(a, b)| usize::from(b - a) + 1).sum();
        (!self.any && count <= limit).then(|| self.ranges.iter().flat_map(|&(a, b)| a..=b).collect())
    }
}

#[inline]
fn within<T: Ord + Copy>(ranges: &[(T, T)], value: T) -> bool {
    let after = ranges.partition_point(|&(start, _)| start <= value);
    after > 0 && ranges[after - 1].1 >= value
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Address,
    Port,
}

/// IPv4 (or ports) and IPv6.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Set {
    first: Ranges,
    second: Ranges,
}

impl Set {
    fn all(kind: Kind) -> Set {
        match kind {
            Kind::Address => Set {
                first: vec![(0, V4_MAX)],
                second: vec![(0, u128::MAX)],
            },
            Kind::Port => Set {
                first: vec![(0, PORT_MAX)],
                second: Vec::new(),
            },
        }
    }

    fn add(&mut self, mut other: Set) {
        self.first.append(&mut other.first);
        self.second.append(&mut other.second);
    }

    fn normal(self) -> Set {
        Set {
            first: normal(self.first),
            second: normal(self.second),
        }
    }

    fn minus(self, other: &Set) -> Set {
        Set {
            first: minus(&self.first, &other.first),
            second: minus(&self.second, &other.second),
        }
    }

    fn is_empty(&self) -> bool {
        self.first.is_empty() && self.second.is_empty()
    }
}

fn normal(mut ranges: Ranges) -> Ranges {
    ranges.sort_unstable();
    let mut out: Ranges = Vec::with_capacity(ranges.len());
    for (start, end) in ranges {
        match out.last_mut() {
            Some(last) if start <= last.1.saturating_add(1) => last.1 = last.1.max(end),
            _ => out.push((start, end)),
        }
    }
    out
}

/// Both normal; one pass over each.
fn minus(from: &Ranges, take: &Ranges) -> Ranges {
    let mut out = Vec::with_capacity(from.len());
    let mut next = 0;
    for &(mut start, end) in from {
        let mut open = true;
        while let Some(&(cut_start, cut_end)) = take.get(next) {
            if cut_end < start {
                next += 1;
                continue;
            }
            if cut_start > end {
                break;
            }
            if cut_start > start {
                out.push((start, cut_start - 1));
            }
            if cut_end >= end {
                open = false;
                break;
            }
            start = cut_end + 1;
            next += 1;
        }
        if open {
            out.push((start, end));
        }
    }
    out
}

struct Parser<'a> {
    vars: &'a RuleVars,
    kind: Kind,
    elements: usize,
}

impl<'a> Parser<'a> {
    fn new(vars: &'a RuleVars, kind: Kind) -> Parser<'a> {
        Parser {
            vars,
            kind,
            elements: 0,
        }
    }

    fn parse(&mut self, text: &str, depth: usize) -> Result<Set, String> {
        let set = self.element(text.trim(), depth)?;
        if set.is_empty() {
            return Err(format!("`{}` holds nothing", shorten(text)));
        }
        Ok(set)
    }

    /// One element, with its negation.
    fn element(&mut self, text: &str, depth: usize) -> Result<Set, String> {
        self.elements += 1;
        if depth > MAX_DEPTH || self.elements > MAX_ELEMENTS {
            return Err("nested too deeply, or a variable that names itself".to_owned());
        }
        if let Some(rest) = text.strip_prefix('!') {
            let inner = self.element(rest.trim_start(), depth + 1)?;
            return Ok(Set::all(self.kind).minus(&inner));
        }
        if let Some(rest) = text.strip_prefix('[') {
            let inner = rest.strip_suffix(']').ok_or("bracket is never closed")?;
            return self.list(inner, depth);
        }
        if let Some(name) = text.strip_prefix('$') {
            let vars = self.vars;
            let value = match self.kind {
                Kind::Address => vars.address(name),
                Kind::Port => vars.port(name),
            };
            let value = value.ok_or_else(|| format!("variable ${} is not defined", shorten(name)))?;
            return self.list_or_element(value, depth + 1);
        }
        if text.eq_ignore_ascii_case("any") {
            return Ok(Set::all(self.kind));
        }
        match self.kind {
            Kind::Address => address(text),
            Kind::Port => ports(text),
        }
    }

    /// A variable's value may be a list without brackets.
    fn list_or_element(&mut self, text: &str, depth: usize) -> Result<Set, String> {
        let text = text.trim();
        if text.starts_with('[') || text.starts_with("![") || !text.contains(',') {
            self.element(text, depth)
        } else {
            self.list(text, depth)
        }
    }

    fn list(&mut self, text: &str, depth: usize) -> Result<Set, String> {
        let mut plus = Set::default();
        let mut less = Set::default();
        let mut only_negated = true;
        for item in split(text)? {
            match item.strip_prefix('!') {
                Some(rest) => less.add(self.element(rest.trim_start(), depth + 1)?),
                None => {
                    only_negated = false;
                    plus.add(self.element(item, depth + 1)?);
                }
            }
        }
        let base = if only_negated {
            Set::all(self.kind)
        } else {
            plus.normal()
        };
        Ok(base.minus(&less.normal()))
    }
}

/// Splits at commas outside brackets.
fn split(text: &str) -> Result<Vec<&str>, String> {
    let mut items = Vec::new();
    let mut depth = 0usize;
    let mut start = 0;
    for (at, c) in text.char_indices() {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.checked_sub(1).ok_or("unbalanced brackets")?,
            ',' if depth == 0 => {
                items.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    items.push(text[start..].trim());
    items.retain(|item| !item.is_empty());
    if items.is_empty() {
        return Err("empty list".to_owned());
    }
    Ok(items)
}

fn address(text: &str) -> Result<Set, String> {
    let bad = || format!("`{}` is not an address, network or range", shorten(text));
    if let Some((start, end)) = text.split_once('-') {
        return match (start.trim().parse(), end.trim().parse()) {
            (Ok(IpAddr::V4(a)), Ok(IpAddr::V4(b))) if a <= b => {
                Ok(first((u32::from(a).into(), u32::from(b).into())))
            }
            (Ok(IpAddr::V6(a)), Ok(IpAddr::V6(b))) if a <= b => Ok(second((a.into(), b.into()))),
            _ => Err(bad()),
        };
    }
    let (host, prefix) = match text.split_once('/') {
        Some((host, prefix)) => (host, Some(prefix)),
        None => (text, None),
    };
    match host.parse().map_err(|_| bad())? {
        IpAddr::V4(v4) => {
            let bits = prefix.map_or(Some(32), prefix_v4).ok_or_else(bad)?;
            Ok(first(network(u32::from(v4).into(), 32 - bits)))
        }
        IpAddr::V6(v6) => {
            let bits: u32 = match prefix {
                None => 128,
                Some(p) => p.parse().ok().filter(|b| *b <= 128).ok_or_else(bad)?,
            };
            Ok(second(network(v6.into(), 128 - bits)))
        }
    }
}

/// `24` or `255.255.255.0`.
fn prefix_v4(text: &str) -> Option<u32> {
    if let Ok(IpAddr::V4(mask)) = text.parse() {
        let mask = u32::from(mask);
        return (mask.leading_ones() + mask.trailing_zeros() >= 32).then(|| mask.leading_ones());
    }
    text.parse().ok().filter(|b| *b <= 32)
}

fn network(address: u128, host_bits: u32) -> (u128, u128) {
    let host = 1u128.checked_shl(host_bits).map_or(u128::MAX, |v| v - 1);
    (address & !host, address | host)
}

fn first(range: (u128, u128)) -> Set {
    Set {
        first: vec![range],
        second: Vec::new(),
    }
}

fn second(range: (u128, u128)) -> Set {
    Set {
        first: Vec::new(),
        second: vec![range],
    }
}

/// `80`, `1024:`, `:1023`, `8000:8080`.
fn ports(text: &str) -> Result<Set, String> {
    let bad = || format!("`{}` is not a port or range of ports", shorten(text));
    let number = |t: &str, default: u16| match t.trim() {
        "" => Ok(default),
        t => t.parse::<u16>().map_err(|_| bad()),
    };
    let (start, end) = match text.split_once(':') {
        Some((a, b)) if !(a.is_empty() && b.is_empty()) => (number(a, 0)?, number(b, u16::MAX)?),
        Some(_) => return Err(bad()),
        None => {
            let port = text.parse::<u16>().map_err(|_| bad())?;
            (port, port)
        }
    };
    if start > end {
        return Err(bad());
    }
    Ok(first((start.into(), end.into())))
}

fn shorten(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn addresses(text: &str) -> AddressSet {
        AddressSet::parse(text, &RuleVars::default()).unwrap()
    }

    fn has(set: &AddressSet, ip: &str) -> bool {
        set.contains(Some(ip.parse().unwrap()))
    }

    #[test]
    fn lists_negate_and_nest() {
        let set = addresses("[10.0.0.0/8,![10.1.0.0/16,10.2.0.1],2001:db8::/32]");
        assert!(has(&set, "10.0.0.1") && has(&set, "10.2.0.2") && has(&set, "2001:db8::5"));
        assert!(!has(&set, "10.1.2.3") && !has(&set, "10.2.0.1") && !has(&set, "11.0.0.1"));
        assert!(!set.contains(None));
        let outside = addresses("$EXTERNAL_NET");
        assert!(has(&outside, "8.8.8.8") && !has(&outside, "192.168.1.1"));
        assert!(addresses("any").contains(None) && addresses("[any]").contains(None));
        assert!(has(&addresses("1.1.1.1-1.1.1.9"), "1.1.1.5"));
    }

    #[test]
    fn refusals_say_why() {
        let vars = RuleVars::default();
        let reason = |t: &str| AddressSet::parse(t, &vars).unwrap_err();
        assert_eq!(reason("!any"), "`!any` holds nothing");
        assert_eq!(reason("$NOPE"), "variable $NOPE is not defined");
        assert_eq!(
            reason("10.0.0.300"),
            "`10.0.0.300` is not an address, network or range"
        );
        assert_eq!(
            PortSet::parse("90:80", &vars).unwrap_err(),
            "`90:80` is not a port or range of ports"
        );
        let mut vars = RuleVars::default();
        vars.set_address("A", "$B");
        vars.set_address("B", "[$A]");
        assert_eq!(
            AddressSet::parse("$A", &vars).unwrap_err(),
            "nested too deeply, or a variable that names itself"
        );
    }

    proptest! {
        #[test]
        fn port_lists_mean_what_they_say(items in proptest::collection::vec((any::<bool>(), 0u16..50, 0u16..10), 1..8), port in 0u16..70) {
            let text: Vec<String> = items
                .iter()
                .map(|(not, a, n)| format!("{}{a}:{}", if *not { "!" } else { "" }, a + n))
                .collect();
            let inside = |not: bool| items.iter().any(|(n, a, w)| *n == not && (*a..=a + w).contains(&port));
            let plus = items.iter().all(|i| i.0) || inside(false);
            match PortSet::parse(&format!("[{}]", text.join(",")), &RuleVars::default()) {
                Ok(set) => prop_assert_eq!(set.contains(port), plus && !inside(true)),
                Err(reason) => prop_assert!(reason.contains("holds nothing")),
            }
        }
    }
}
