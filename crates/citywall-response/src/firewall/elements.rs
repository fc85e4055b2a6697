//! Measures as elements of timed sets, and back.
//!
//! Owns: which set holds what, and the transactions that add and remove elements. An element's
//! time-out is what is left of the action's life, its comment is the action's id; so the kernel
//! undoes what nobody is left to undo. Does not own: what a set does to a packet (`measures`),
//! reading answers (`listing`).

use std::fmt::Write as _;
use std::net::IpAddr;

use citywall_event::{Nanos, Prefix, Verb, VerbSet};
use thiserror::Error;

use super::deployment::Mode;
use super::measures::pair_keys;
use super::model::{KeyType, Set, TABLE, Value, canonical};
use super::text;
use crate::{ActionId, Host, Measure};

/// The set that says that the enforcer lives.
pub(super) const ALIVE: &str = "alive";
/// `NFPROTO_IPV4` and `NFPROTO_IPV6` (linux/netfilter.h).
pub(super) const IPV4: u32 = 2;
pub(super) const IPV6: u32 = 10;
/// Characters of an action's id.
pub const ID: usize = 64;
/// Addresses of a block list.
pub const BLOCKED: usize = 1_000_000;
/// One line of a transaction holds no more elements.
const ON_A_LINE: usize = 4096;
const SECOND: Nanos = 1_000_000_000;

/// Names of the sets; the key's kind follows.
pub(super) mod names {
    pub const ISOLATED: &str = "isolated";
    pub const QUARANTINED: &str = "quarantined";
    pub const LIMITED: &str = "limited";
    pub const DENIED: &str = "denied";
    pub const DENIED_NETWORKS: &str = "deniednet";
    pub const INSPECTED: &str = "inspected";
    pub const INSPECTED_NETWORKS: &str = "inspectednet";
    pub const FLOODED: &str = "flooded";
    pub const PROXIED: &str = "proxied";
    pub const UNASKED: &str = "unasked";
    pub const BLOCKED: &str = "blocked";
    pub const BLOCKED_NETWORKS: &str = "blockednet";
}

/// A measure that is to be in force for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// What.
    pub measure: Measure,
    /// For which action.
    pub action: ActionId,
    /// What is left of its life, nanoseconds: at least a second.
    pub life: Nanos,
}

/// One element of one set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Element {
    /// The set.
    pub set: String,
    /// The key, one value a field.
    pub key: Vec<Value>,
    /// Packets a second that pass, in the sets that limit.
    pub rate: Option<u32>,
    /// The verbs that are denied, in the sets that inspect.
    pub verbs: Option<VerbSet>,
}

/// Why a measure cannot be put in force.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ElementError {
    /// IPv4 on one side, IPv6 on the other.
    #[error("{0} and {1} are of different families: name two addresses of one family")]
    Families(IpAddr, IpAddr),
    /// Shorter than the kernel's clock is read.
    #[error("action {0} has less than a second to live: there is nothing to put in force")]
    Life(String),
    /// An id that could be taken for something else.
    #[error("action {0:?} has an id that is not 1 to {ID} letters, digits, \".\", \"-\", \"_\" or \":\"")]
    Id(String),
    /// A block list beyond the limit.
    #[error("a block list of {0} entries: at most {BLOCKED}; drop some, or block networks")]
    Blocked(usize),
}

/// The elements that a measure is.
///
/// # Errors
/// A pair of two families.
pub fn sets_of(measure: &Measure) -> Result<Vec<Element>, ElementError> {
    let element = |name: &str, suffix: &str, key| Element {
        set: format!("{name}{suffix}"),
        key,
        rate: None,
        verbs: None,
    };
    let of_host = |name: &str, host: &Host| {
        let (suffix, value) = host_key(host);
        element(name, suffix, vec![value])
    };
    Ok(vec![match measure {
        Measure::Isolate { host } => of_host(names::ISOLATED, host),
        Measure::Quarantine { host } => of_host(names::QUARANTINED, host),
        Measure::LimitRate {
            host,
            packets_per_second,
        } => Element {
            rate: Some(*packets_per_second),
            ..of_host(names::LIMITED, host)
        },
        Measure::LimitInto {
            to,
            protocol,
            packets_per_second,
        } => {
            let suffix = if to.is_ipv4() { "4" } else { "6" };
            let key = vec![Value::ip(*to), Value::number((*protocol).into())];
            Element {
                rate: Some(*packets_per_second),
                ..element(names::FLOODED, suffix, key)
            }
        }
        Measure::SynProxy { to, port } => {
            let suffix = if to.is_ipv4() { "4" } else { "6" };
            let key = vec![Value::ip(*to), Value::number((*port).into())];
            element(names::PROXIED, suffix, key)
        }
        Measure::DropAnswers { to, from_port } => {
            let suffix = if to.is_ipv4() { "4" } else { "6" };
            let key = vec![Value::ip(*to), Value::number((*from_port).into())];
            element(names::UNASKED, suffix, key)
        }
        Measure::DenyPair { from, to } => {
            let (set, suffix, key) = pair([names::DENIED, names::DENIED_NETWORKS], from, to)?;
            element(set, suffix, key)
        }
        Measure::DenyCommand { from, to, verbs } => {
            let (set, suffix, key) = pair([names::INSPECTED, names::INSPECTED_NETWORKS], from, to)?;
            Element {
                verbs: Some(*verbs),
                ..element(set, suffix, key)
            }
        }
    }])
}

fn host_key(host: &Host) -> (&'static str, Value) {
    match host {
        Host::Ip(ip) if ip.is_ipv4() => ("4", Value::ip(*ip)),
        Host::Ip(ip) => ("6", Value::ip(*ip)),
        Host::Mac(mac) => ("m", Value::Mac(*mac)),
    }
}

fn pair(
    sets: [&'static str; 2],
    from: &Host,
    to: &Prefix,
) -> Result<(&'static str, &'static str, Vec<Value>), ElementError> {
    let v4 = to.first().is_ipv4();
    let suffix = match from {
        Host::Ip(ip) if ip.is_ipv4() != v4 => return Err(ElementError::Families(*ip, to.first())),
        Host::Ip(_) if v4 => "4",
        Host::Ip(_) => "6",
        Host::Mac(_) if v4 => "m4",
        Host::Mac(_) => "m6",
    };
    let set = sets[usize::from(to.first() != to.last())];
    Ok((set, suffix, vec![host_key(from).1, Value::network(*to)]))
}

/// The measure that an element is: the exact inverse of `sets_of`. `None` = not one of ours.
pub fn measure_of(element: &Element) -> Option<Measure> {
    let (name, suffix) = split(&element.set)?;
    let host = |value: &Value| match value {
        Value::Addresses(a, b) if a == b => Some(Host::Ip(*a)),
        Value::Mac(mac) => Some(Host::Mac(*mac)),
        _ => None,
    };
    let measure = match (name, element.key.as_slice()) {
        (names::ISOLATED, [one]) => Measure::Isolate { host: host(one)? },
        (names::QUARANTINED, [one]) => Measure::Quarantine { host: host(one)? },
        (names::LIMITED, [one]) => Measure::LimitRate {
            host: host(one)?,
            packets_per_second: element.rate?,
        },
        (names::FLOODED, [Value::Addresses(to, same), Value::Numbers(protocol, last)])
            if to == same && protocol == last =>
        {
            Measure::LimitInto {
                to: *to,
                protocol: u8::try_from(*protocol).ok()?,
                packets_per_second: element.rate?,
            }
        }
        (names::PROXIED, [Value::Addresses(to, same), Value::Numbers(port, last)])
            if to == same && port == last =>
        {
            Measure::SynProxy {
                to: *to,
                port: u16::try_from(*port).ok()?,
            }
        }
        (names::UNASKED, [Value::Addresses(to, same), Value::Numbers(port, last)])
            if to == same && port == last =>
        {
            Measure::DropAnswers {
                to: *to,
                from_port: u16::try_from(*port).ok()?,
            }
        }
        (names::DENIED | names::DENIED_NETWORKS, [from, to]) => Measure::DenyPair {
            from: host(from)?,
            to: to.as_prefix()?,
        },
        (names::INSPECTED | names::INSPECTED_NETWORKS, [from, to]) => Measure::DenyCommand {
            from: host(from)?,
            to: to.as_prefix()?,
            verbs: element.verbs?,
        },
        _ => return None,
    };
    // An element in a set that its measure would not go to is none of ours.
    let [expected] = <[Element; 1]>::try_from(sets_of(&measure).ok()?).ok()?;
    (expected == *element && expected.set == format!("{name}{suffix}")).then_some(measure)
}

fn split(set: &str) -> Option<(&str, &str)> {
    ["m4", "m6", "4", "6", "m"]
        .into_iter()
        .find_map(|suffix| Some((set.strip_suffix(suffix)?, suffix)))
}

/// The sets whose elements come and go with measures, empty.
pub(super) fn timed_sets() -> Vec<Set> {
    let set = |name: &str, suffix: &str, key: Vec<KeyType>, interval, rated| Set {
        name: format!("{name}{suffix}"),
        key,
        interval,
        timeout: true,
        rated,
        size: 65_536,
        elements: None,
    };
    let one = |suffix: &str| match suffix {
        "4" => vec![KeyType::Ip4],
        "6" => vec![KeyType::Ip6],
        _ => vec![KeyType::Ether],
    };
    let mut all = Vec::new();
    for suffix in ["4", "6", "m"] {
        all.push(set(names::ISOLATED, suffix, one(suffix), false, false));
        all.push(set(names::QUARANTINED, suffix, one(suffix), false, false));
        all.push(set(names::LIMITED, suffix, one(suffix), false, true));
    }
    for suffix in ["4", "6", "m4", "m6"] {
        for (name, interval) in [
            (names::DENIED, false),
            (names::DENIED_NETWORKS, true),
            (names::INSPECTED, false),
            (names::INSPECTED_NETWORKS, true),
        ] {
            all.push(set(name, suffix, pair_keys(suffix), interval, false));
        }
    }
    for suffix in ["4", "6"] {
        let key = [one(suffix), vec![KeyType::Protocol]].concat();
        all.push(set(names::FLOODED, suffix, key, false, true));
        let key = [one(suffix), vec![KeyType::Port]].concat();
        all.push(set(names::PROXIED, suffix, key.clone(), false, false));
        all.push(set(names::UNASKED, suffix, key, false, false));
    }
    all.push(set(ALIVE, "", vec![KeyType::Family], false, false));
    all
}

/// True of a set in which the ports stand that unasked answers come from.
pub(super) fn holds_answers(set: &Set) -> bool {
    split(&set.name).is_some_and(|(name, _)| name == names::UNASKED)
}

/// The sets of the block list, empty.
pub(super) fn listed_sets() -> Vec<Set> {
    let set = |name: &str, suffix: &str, key, interval| Set {
        name: format!("{name}{suffix}"),
        key: vec![key],
        interval,
        timeout: false,
        rated: false,
        size: 0,
        elements: None,
    };
    [("4", KeyType::Ip4), ("6", KeyType::Ip6)]
        .into_iter()
        .flat_map(|(suffix, key)| {
            [
                set(names::BLOCKED, suffix, key, false),
                set(names::BLOCKED_NETWORKS, suffix, key, true),
            ]
        })
        .collect()
}

/// The comment of an element. Verbs are its second word, as the kernel has no field for them.
fn comment(wanted: &Wanted, element: &Element) -> Result<String, ElementError> {
    let id = &wanted.action.0;
    let sound = !id.is_empty()
        && id.len() <= ID
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':'));
    if !sound {
        return Err(ElementError::Id(id.clone()));
    }
    Ok(match element.verbs {
        Some(verbs) => format!("{id} {VERBS}{:x}", verb_bits(verbs)),
        None => id.clone(),
    })
}

/// What the second word of a comment begins with.
const VERBS: &str = "verbs=";

fn verb_bits(verbs: VerbSet) -> u32 {
    Verb::ALL
        .into_iter()
        .filter(|v| verbs.has(*v))
        .fold(0, |bits, v| bits | 1 << v as u32)
}

/// The action's id and the verbs of a comment.
pub(super) fn read_comment(comment: &str) -> (&str, Option<VerbSet>) {
    let Some((id, word)) = comment.split_once(' ') else {
        return (comment, None);
    };
    let bits = word
        .strip_prefix(VERBS)
        .and_then(|hex| u32::from_str_radix(hex, 16).ok());
    match bits {
        Some(bits) => {
            let set = Verb::ALL.into_iter().filter(|v| bits & 1 << *v as u32 != 0);
            (id, Some(set.fold(VerbSet::default(), VerbSet::with)))
        }
        None => (comment, None),
    }
}

fn rate_text(rate: Option<u32>) -> String {
    match rate {
        // The kernel knows no rate of none; one packet a second is the least.
        Some(rate) => {
            let rate = rate.max(1);
            format!(" limit rate over {rate}/second burst {rate} packets")
        }
        None => String::new(),
    }
}

/// The tables that hold a set: what a bridge does not show to `inet` is dropped there, too.
fn tables(set: &str, mode: Mode) -> &'static [&'static str] {
    let on_frames = matches!(set, "isolated4" | "isolatedm");
    if mode == Mode::Bridge && on_frames {
        &["inet", "bridge"]
    } else {
        &["inet"]
    }
}

/// One line of a transaction about elements of a set.
fn line(out: &mut String, verb: &str, family: &str, set: &str, elements: &[String]) {
    for some in elements.chunks(ON_A_LINE) {
        let _ = writeln!(
            out,
            "{verb} element {family} {TABLE} {set} {{ {} }}",
            some.join(", ")
        );
    }
}

/// A transaction that puts measures in force. Where one is in force already, its life and its
/// action become the new ones. Of two that are one element the longer life counts.
///
/// # Errors
/// A measure that cannot be put in force; none of them then is.
pub fn add(wanted: &[Wanted], mode: Mode) -> Result<String, ElementError> {
    let mut all: Vec<(Element, u64, String)> = Vec::new();
    for one in wanted {
        let seconds = (one.life / SECOND) as u64;
        if seconds == 0 {
            return Err(ElementError::Life(one.action.0.clone()));
        }
        for element in sets_of(&one.measure)? {
            let comment = comment(one, &element)?;
            all.push((element, seconds, comment));
        }
    }
    all.sort_by(|a, b| (&a.0.set, &a.0.key, b.1).cmp(&(&b.0.set, &b.0.key, a.1)));
    all.dedup_by(|later, kept| later.0.set == kept.0.set && later.0.key == kept.0.key);
    let mut out = String::new();
    for group in all.chunk_by(|a, b| a.0.set == b.0.set) {
        let Some((first, _, _)) = group.first() else {
            continue;
        };
        let bare: Vec<String> = group
            .iter()
            .map(|(e, _, _)| text::key(&e.key) + &rate_text(e.rate))
            .collect();
        let keys: Vec<String> = group.iter().map(|(e, _, _)| text::key(&e.key)).collect();
        let full: Vec<String> = group
            .iter()
            .map(|(e, seconds, comment)| {
                let (key, rate) = (text::key(&e.key), rate_text(e.rate));
                format!("{key}{rate} timeout {seconds}s comment \"{comment}\"")
            })
            .collect();
        for family in tables(&first.set, mode) {
            // What is not there cannot be deleted, so it is added first.
            line(&mut out, "add", family, &first.set, &bare);
            line(&mut out, "delete", family, &first.set, &keys);
            line(&mut out, "add", family, &first.set, &full);
        }
    }
    Ok(out)
}

/// A transaction that takes measures out of force; what is not in force is no error.
///
/// # Errors
/// A pair of two families.
pub fn remove<'a>(
    measures: impl IntoIterator<Item = &'a Measure>,
    mode: Mode,
) -> Result<String, ElementError> {
    let mut all = Vec::new();
    for measure in measures {
        all.extend(sets_of(measure)?);
    }
    all.sort();
    all.dedup_by(|a, b| a.set == b.set && a.key == b.key);
    let mut out = String::new();
    for group in all.chunk_by(|a, b| a.set == b.set) {
        let Some(first) = group.first() else { continue };
        let bare: Vec<String> = group
            .iter()
            .map(|e| text::key(&e.key) + &rate_text(e.rate))
            .collect();
        let keys: Vec<String> = group.iter().map(|e| text::key(&e.key)).collect();
        for family in tables(&first.set, mode) {
            line(&mut out, "add", family, &first.set, &bare);
            line(&mut out, "delete", family, &first.set, &keys);
        }
    }
    Ok(out)
}

/// A transaction that takes all measures out of force.
pub fn flush(mode: Mode) -> String {
    let mut out = String::new();
    for set in timed_sets().iter().filter(|s| s.name != ALIVE) {
        for family in tables(&set.name, mode) {
            let _ = writeln!(out, "flush set {family} {TABLE} {}", set.name);
        }
    }
    out
}

/// A transaction that says for so many seconds that the enforcer lives; `None` = for ever: a wall
/// that nobody is expected to look after.
pub fn heartbeat(seconds: Option<u32>) -> String {
    let life = seconds.map_or_else(String::new, |s| format!(" timeout {}s", s.max(1)));
    let both = format!("{IPV4}, {IPV6}");
    format!(
        "add element inet {TABLE} {ALIVE} {{ {both} }}\n\
         delete element inet {TABLE} {ALIVE} {{ {both} }}\n\
         add element inet {TABLE} {ALIVE} {{ {IPV4}{life}, {IPV6}{life} }}\n"
    )
}

/// A transaction that says that the enforcer is down, from now on.
pub fn silence() -> String {
    format!("flush set inet {TABLE} {ALIVE}\n")
}

/// A transaction that makes this the block list: nothing comes from these networks, nothing goes
/// to them, but for what no measure touches.
///
/// # Errors
/// More entries than the limit.
pub fn block_list(entries: &[Prefix]) -> Result<String, ElementError> {
    if entries.len() > BLOCKED {
        return Err(ElementError::Blocked(entries.len()));
    }
    let mut out = String::new();
    for (suffix, v4) in [("4", true), ("6", false)] {
        let mine = |p: &&Prefix| p.first().is_ipv4() == v4;
        let (single, networks): (Vec<&Prefix>, Vec<&Prefix>) =
            entries.iter().filter(mine).partition(|p| p.first() == p.last());
        let mut single: Vec<IpAddr> = single.into_iter().map(|p| p.first()).collect();
        single.sort_unstable();
        single.dedup();
        let networks = canonical(networks.into_iter().map(|p| Value::network(*p)).collect());
        let lists: [(&str, Vec<String>); 2] = [
            (names::BLOCKED, single.iter().map(IpAddr::to_string).collect()),
            (
                names::BLOCKED_NETWORKS,
                networks.iter().map(text::value).collect(),
            ),
        ];
        for (set, elements) in lists {
            let name = format!("{set}{suffix}");
            let _ = writeln!(out, "flush set inet {TABLE} {name}");
            line(&mut out, "add", "inet", &name, &elements);
        }
    }
    Ok(out)
}
