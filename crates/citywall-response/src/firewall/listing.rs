//! What the kernel says that it holds: `nft -jnn list table ...` (libnftables-json(5)).
//!
//! Owns: reading it into the same values that we write. An answer is hostile input: bounded,
//! refused with a place, never trusted to be ours. What we would never write is kept as such, so
//! that a diff shows it. Does not own: running nft.

use std::net::IpAddr;

use citywall_event::{Mac, Nanos, Prefix};
use serde_json::Value as Json;
use thiserror::Error;

use super::elements::{self, Element};
use super::model::{
    Base, Chain, Family, Field, KeyType, Mark, Right, Set, Statement, TABLE, Table, Value, Verdict,
    canonical, canonical_map,
};
use super::wall::Wall;
use crate::Held;

/// Bytes of an answer.
pub const BYTES: usize = 256 << 20;
/// Characters of what is shown of something foreign.
const SHOWN: usize = 200;
const SECOND: Nanos = 1_000_000_000;

/// Why an answer is not believed.
#[derive(Debug, Error)]
pub enum ListingError {
    /// Longer than the bound.
    #[error("nft's answer has {0} bytes: at most {BYTES} are read")]
    Long(usize),
    /// No JSON.
    #[error("nft's answer is no JSON: {0}; citywall needs nft 1.0.2 or newer, built with JSON")]
    Json(#[from] serde_json::Error),
    /// JSON of another shape.
    #[error("nft's answer has no list \"nftables\": citywall needs nft 1.0.2 or newer, built with JSON")]
    Shape,
    /// An object that cannot be read.
    #[error("nft's answer, object {index}: {what}")]
    Object {
        /// Which, counted from 0.
        index: usize,
        /// What is wrong.
        what: &'static str,
    },
}

/// What the kernel holds of ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Our tables, in the form in which equal tables are equal.
    pub tables: Vec<Table>,
    /// Measures in force.
    pub held: Vec<Held>,
    /// Elements in the measures' sets that are no measure of ours: sets and keys.
    pub foreign: Vec<String>,
    /// What is left of the enforcer's sign of life, nanoseconds: `None` = there is none,
    /// `Some(None)` = for ever.
    pub alive: Option<Option<Nanos>>,
    /// Entries of the block list.
    pub blocked: usize,
}

impl Listing {
    /// Reads one answer, or several after one another (one a table).
    ///
    /// # Errors
    /// Answers that are too long, no JSON, or of another shape.
    pub fn parse<'a>(answers: impl IntoIterator<Item = &'a [u8]>) -> Result<Listing, ListingError> {
        let mut listing = Listing::default();
        for answer in answers {
            if answer.len() > BYTES {
                return Err(ListingError::Long(answer.len()));
            }
            // One document a command that was asked.
            for json in serde_json::Deserializer::from_slice(answer).into_iter::<Json>() {
                let json = json?;
                let objects = json
                    .get("nftables")
                    .and_then(Json::as_array)
                    .ok_or(ListingError::Shape)?;
                for (index, object) in objects.iter().enumerate() {
                    listing
                        .take(object)
                        .map_err(|what| ListingError::Object { index, what })?;
                }
            }
        }
        for table in &mut listing.tables {
            table.counters.sort();
            table.sets.sort_by(|a, b| a.order().cmp(&b.order()));
        }
        listing.tables.sort_by_key(|t| t.family);
        listing.held.sort();
        Ok(listing)
    }

    /// True where there is no table of ours.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// The tables as a wall, for writing them again.
    pub fn wall(&self) -> Wall {
        Wall {
            tables: self.tables.clone(),
        }
    }

    /// The first thing in our tables that we did not write, as text.
    pub fn not_ours(&self) -> Option<String> {
        self.tables.iter().find_map(|table| {
            table.chains.iter().find_map(|chain| {
                chain
                    .rules
                    .iter()
                    .flatten()
                    .find_map(|statement| match statement {
                        Statement::Foreign(what) => Some(format!(
                            "table {} {TABLE}, chain {}: {what}",
                            table.family.name(),
                            chain.name
                        )),
                        _ => None,
                    })
            })
        })
    }

    fn take(&mut self, object: &Json) -> Result<(), &'static str> {
        let Some((kind, body)) = object.as_object().and_then(|o| o.iter().next()) else {
            return Err("is no object with a kind");
        };
        if kind == "metainfo" {
            return Ok(());
        }
        let family = match body.get("family").and_then(Json::as_str) {
            Some("inet") => Family::Inet,
            Some("bridge") => Family::Bridge,
            // Others may have tables of our name in families that we have nothing in.
            _ => return Ok(()),
        };
        if kind == "table" {
            if text(body, "name")? == TABLE && !self.tables.iter().any(|t| t.family == family) {
                self.tables.push(Table {
                    family,
                    counters: Vec::new(),
                    sets: Vec::new(),
                    chains: Vec::new(),
                });
            }
            return Ok(());
        }
        if text(body, "table")? != TABLE {
            return Ok(());
        }
        let table = self
            .tables
            .iter_mut()
            .find(|t| t.family == family)
            .ok_or("stands before its table")?;
        match kind.as_str() {
            "counter" => table.counters.push(text(body, "name")?.to_owned()),
            "chain" => table.chains.push(chain(body)?),
            "rule" => {
                let name = text(body, "chain")?;
                let chain = table
                    .chains
                    .iter_mut()
                    .find(|c| c.name == name)
                    .ok_or("is a rule before its chain")?;
                let statements = body
                    .get("expr")
                    .and_then(Json::as_array)
                    .ok_or("is a rule without statements")?;
                chain.rules.push(statements.iter().map(statement).collect());
            }
            "set" | "map" => {
                let (set, raw) = set(body)?;
                if family == Family::Inet && set.elements.is_none() {
                    self.elements(&set, &raw);
                }
                if let Some(table) = self.tables.iter_mut().find(|t| t.family == family) {
                    table.sets.push(set);
                }
            }
            // Quotas, limits, flow tables and the like are not ours: a diff shows the chains that
            // would use them.
            _ => {}
        }
        Ok(())
    }

    /// Elements of the sets that are not the policy's.
    fn elements(&mut self, set: &Set, raw: &[Json]) {
        if !set.timeout {
            self.blocked = self.blocked.saturating_add(raw.len());
            return;
        }
        for json in raw {
            let body = json.get("elem").unwrap_or(json);
            let remaining = body
                .get("expires")
                .and_then(Json::as_i64)
                .map(|s| s.clamp(0, i64::from(u32::MAX)).saturating_mul(SECOND));
            if set.name == elements::ALIVE {
                // The sooner of the two families' signs counts.
                self.alive = Some(match self.alive {
                    Some(Some(other)) => Some(remaining.map_or(other, |r| r.min(other))),
                    _ => remaining,
                });
                continue;
            }
            let comment = body.get("comment").and_then(Json::as_str).unwrap_or_default();
            let (id, verbs) = elements::read_comment(comment);
            let rate = body
                .get("limit")
                .filter(|l| l.get("per").and_then(Json::as_str) == Some("second"))
                .and_then(|l| l.get("rate")?.as_u64())
                .and_then(|r| u32::try_from(r).ok());
            let element = key(body.get("val").unwrap_or(json)).map(|key| Element {
                set: set.name.clone(),
                key,
                rate,
                verbs,
            });
            match element.as_ref().and_then(elements::measure_of) {
                Some(measure) => self.held.push(Held {
                    measure,
                    comment: id.to_owned(),
                    remaining,
                }),
                None => self.foreign.push(format!("{}: {}", set.name, short(json))),
            }
        }
    }
}

fn text<'a>(body: &'a Json, field: &str) -> Result<&'a str, &'static str> {
    body.get(field)
        .and_then(Json::as_str)
        .ok_or("has no name, table or chain")
}

fn short(json: &Json) -> String {
    json.to_string().chars().take(SHOWN).collect()
}

fn chain(body: &Json) -> Result<Chain, &'static str> {
    let name = text(body, "name")?.to_owned();
    let base = match body.get("hook").and_then(Json::as_str) {
        None => None,
        Some(hook) => Some(Base {
            hook: hook.to_owned(),
            device: name
                .strip_prefix(super::EARLY)
                .filter(|_| hook == "ingress")
                .map(str::to_owned),
            priority: body
                .get("prio")
                .and_then(Json::as_i64)
                .and_then(|p| i32::try_from(p).ok())
                .ok_or("is a chain without a priority")?,
            accept: body.get("policy").and_then(Json::as_str) != Some("drop"),
        }),
    };
    Ok(Chain {
        name,
        base,
        rules: Vec::new(),
    })
}

fn set(body: &Json) -> Result<(Set, Vec<Json>), &'static str> {
    let name = text(body, "name")?.to_owned();
    let kinds: Vec<&str> = match body.get("type") {
        Some(Json::String(one)) => vec![one],
        Some(Json::Array(many)) => many.iter().filter_map(Json::as_str).collect(),
        _ => return Err("is a set without a type"),
    };
    let kind = |name: &&str| {
        [
            KeyType::Ip4,
            KeyType::Ip6,
            KeyType::Ether,
            KeyType::Protocol,
            KeyType::Port,
            KeyType::Family,
        ]
        .into_iter()
        .find(|k| k.name() == *name)
    };
    let flag = |wanted: &str| {
        body.get("flags")
            .and_then(Json::as_array)
            .is_some_and(|flags| flags.iter().any(|f| f.as_str() == Some(wanted)))
    };
    let raw = body
        .get("elem")
        .and_then(Json::as_array)
        .cloned()
        .unwrap_or_default();
    let ours = elements::timed_sets()
        .into_iter()
        .chain(elements::listed_sets())
        .any(|s| s.name == name);
    let values = || {
        let one = |json: &Json| match key(json.get("elem").and_then(|e| e.get("val")).unwrap_or(json))?
            .as_slice()
        {
            [value] => Some(*value),
            _ => None,
        };
        canonical(raw.iter().filter_map(one).collect())
    };
    let set = Set {
        key: kinds.iter().filter_map(kind).collect(),
        interval: flag("interval"),
        timeout: flag("timeout"),
        // nft's JSON does not tell "dynamic", but the statement that goes with it.
        rated: body.get("stmt").is_some(),
        size: body
            .get("size")
            .and_then(Json::as_u64)
            .and_then(|s| u32::try_from(s).ok())
            .unwrap_or(0),
        elements: (!ours).then(values),
        name,
    };
    Ok((set, raw))
}

/// A key of an element: its values.
fn key(json: &Json) -> Option<Vec<Value>> {
    match json.get("concat").and_then(Json::as_array) {
        Some(parts) => parts.iter().map(|p| value(p, None)).collect(),
        None => Some(vec![value(json, None)?]),
    }
}

fn mac(text: &str) -> Option<Mac> {
    let mut mac = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut mac {
        let part = parts.next().filter(|p| p.len() == 2)?;
        *byte = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(mac)
}

fn value(json: &Json, field: Option<Field>) -> Option<Value> {
    if let Some(number) = json.as_u64() {
        let number = u32::try_from(number).ok()?;
        // nft 1.0.6 shows the types that it has a name for in the order of the wire.
        let swapped = u32::from((number as u16).swap_bytes());
        let named = [0x0800, 0x0806, 0x86dd, 0x8100, 0x88a8].contains(&swapped);
        let number = if field == Some(Field::EtherType) && named {
            swapped
        } else {
            number
        };
        return Some(Value::number(number));
    }
    if let Some(text) = json.as_str() {
        if let Some(number) = named(text, field) {
            return Some(Value::number(number));
        }
        return match text.parse::<IpAddr>() {
            Ok(ip) => Some(Value::ip(ip)),
            Err(_) => mac(text).map(Value::Mac),
        };
    }
    if let Some(prefix) = json.get("prefix") {
        let ip: IpAddr = prefix.get("addr")?.as_str()?.parse().ok()?;
        let length = u8::try_from(prefix.get("len")?.as_u64()?).ok()?;
        return Prefix::containing(ip, length).map(Value::network);
    }
    let range = json.get("range")?.as_array()?;
    let [first, last] = range.as_slice() else {
        return None;
    };
    match (value(first, field)?, value(last, field)?) {
        (Value::Addresses(a, _), Value::Addresses(b, _)) if a.is_ipv4() == b.is_ipv4() && a <= b => {
            Some(Value::Addresses(a, b))
        }
        (Value::Numbers(a, _), Value::Numbers(b, _)) if a <= b => Some(Value::Numbers(a, b)),
        _ => None,
    }
}

/// Numbers that nft has names for even where numbers are asked for.
fn named(text: &str, field: Option<Field>) -> Option<u32> {
    Some(match (field, text) {
        (_, "ipv4") => elements::IPV4,
        (_, "ipv6") => elements::IPV6,
        (Some(Field::Direction), "original") => 0,
        (Some(Field::Direction), "reply") => 1,
        (_, "icmp") => 1,
        (_, "igmp") => 2,
        (_, "tcp") => 6,
        (_, "udp") => 17,
        (_, "ipv6-icmp" | "icmpv6") => 58,
        (_, "sctp") => 132,
        (Some(Field::EtherType), "ip") => 0x0800,
        (Some(Field::EtherType), "arp") => 0x0806,
        (Some(Field::EtherType), "ip6") => 0x86dd,
        _ => return None,
    })
}

fn field(json: &Json) -> Option<Field> {
    let word = |outer: &str, inner: &str| json.get(outer)?.get(inner)?.as_str();
    let pair = (
        word("payload", "protocol").unwrap_or_default(),
        word("payload", "field").unwrap_or_default(),
    );
    let ct = (
        word("ct", "key").unwrap_or_default(),
        word("ct", "dir").unwrap_or_default(),
    );
    Some(match pair {
        ("ip", "saddr") => Field::Ip4Source,
        ("ip", "daddr") => Field::Ip4Target,
        ("ip6", "saddr") => Field::Ip6Source,
        ("ip6", "daddr") => Field::Ip6Target,
        ("ether", "saddr") => Field::EtherSource,
        ("ether", "daddr") => Field::EtherTarget,
        ("ether", "type") => Field::EtherType,
        ("arp", "saddr ip") => Field::ArpSource,
        ("tcp", "dport") => Field::TcpPort,
        ("tcp", "sport") => Field::TcpSourcePort,
        ("udp", "dport") => Field::UdpPort,
        ("udp", "sport") => Field::UdpSourcePort,
        ("sctp", "dport") => Field::SctpPort,
        ("icmp", "type") => Field::IcmpType,
        ("icmpv6", "type") => Field::Icmp6Type,
        _ => match (ct, word("meta", "key").unwrap_or_default()) {
            (("ip saddr", "original"), _) => Field::Began4,
            (("ip daddr", "original"), _) => Field::Called4,
            (("ip6 saddr", "original"), _) => Field::Began6,
            (("ip6 daddr", "original"), _) => Field::Called6,
            (("direction", ""), _) => Field::Direction,
            (_, "l4proto") => Field::Protocol,
            (_, "nfproto") => Field::Family,
            (_, "protocol") => Field::EtherType,
            _ => return None,
        },
    })
}

fn statement(json: &Json) -> Statement {
    read(json).unwrap_or_else(|| Statement::Foreign(short(json)))
}

fn read(json: &Json) -> Option<Statement> {
    if let Some(verdict) = verdict(json) {
        return Some(Statement::Verdict(verdict));
    }
    let (kind, body) = json.as_object()?.iter().next()?;
    Some(match kind.as_str() {
        "match" => return compare(body),
        "counter" => Statement::Count(body.as_str()?.to_owned()),
        "vmap" => {
            let key = field(body.get("key")?)?;
            let list = body.get("data")?.get("set")?.as_array()?;
            let entry = |json: &Json| {
                let [left, right] = json.as_array()?.as_slice() else {
                    return None;
                };
                Some((value(left, Some(key))?, verdict(right)?))
            };
            let entries: Option<Vec<_>> = list.iter().map(entry).collect();
            Statement::Map {
                key,
                entries: canonical_map(entries?),
            }
        }
        "mangle" => {
            let (mark, bits) = mark_bits(body.get("value")?.get("|")?)?;
            if mark_of(body.get("key")?)? != mark {
                return None;
            }
            Statement::SetMark(mark, bits)
        }
        "limit" => Statement::Rate {
            per_second: number(body.get("rate")?)
                .filter(|_| body.get("per").and_then(Json::as_str) == Some("second"))
                .filter(|_| body.get("inv").is_none())?,
            burst: number(body.get("burst")?)?,
        },
        "log" => Statement::Log {
            prefix: body.get("prefix")?.as_str()?.to_owned(),
            group: match body.get("group") {
                Some(group) => Some(u16::try_from(group.as_u64()?).ok()?),
                None => None,
            },
        },
        "notrack" => Statement::NoTrack,
        "reject" if body.get("type")?.as_str()? == "tcp reset" => Statement::Reset,
        "synproxy" => Statement::SynProxy {
            // Another option would be another statement.
            mss: u16::try_from(number(body.get("mss")?)?)
                .ok()
                .filter(|_| body.as_object().is_some_and(|all| all.len() == 1))?,
        },
        _ => return None,
    })
}

fn number(json: &Json) -> Option<u32> {
    u32::try_from(json.as_u64()?).ok()
}

fn verdict(json: &Json) -> Option<Verdict> {
    let (kind, body) = json.as_object()?.iter().next()?;
    let target = || Some(body.get("target")?.as_str()?.to_owned());
    Some(match kind.as_str() {
        "accept" => Verdict::Accept,
        "drop" => Verdict::Drop,
        "return" => Verdict::Return,
        "jump" => Verdict::Jump(target()?),
        "goto" => Verdict::Goto(target()?),
        _ => return None,
    })
}

fn mark_of(json: &Json) -> Option<Mark> {
    let key = |outer: &str| json.get(outer)?.get("key")?.as_str();
    match (key("meta"), key("ct")) {
        (Some("mark"), _) => Some(Mark::Packet),
        (_, Some("mark")) => Some(Mark::Conversation),
        _ => None,
    }
}

/// `[mark, bits]`.
fn mark_bits(json: &Json) -> Option<(Mark, u32)> {
    let [mark, bits] = json.as_array()?.as_slice() else {
        return None;
    };
    Some((mark_of(mark)?, number(bits)?))
}

fn compare(body: &Json) -> Option<Statement> {
    let not = match body.get("op")?.as_str()? {
        "==" | "in" => false,
        "!=" => true,
        _ => return None,
    };
    let (left, right) = (body.get("left")?, body.get("right")?);
    if let Some(masked) = left.get("&") {
        if is_tcp_flags(masked) {
            return match flags(right).filter(|_| !not)? {
                SYN => Some(Statement::Opens),
                SYN_ACK => Some(Statement::Accepts),
                _ => None,
            };
        }
        let (mark, bits) = mark_bits(masked)?;
        return (number(right)? == bits && !not).then_some(Statement::Marked(mark, bits));
    }
    if left.get("ct").and_then(|ct| ct.get("key")?.as_str()) == Some("state") {
        return (!not).then(|| states(right)).flatten().map(Statement::State);
    }
    let fields: Vec<Field> = match left.get("concat").and_then(Json::as_array) {
        Some(parts) => parts.iter().map(field).collect::<Option<Vec<_>>>()?,
        None => vec![field(left)?],
    };
    let right = match (right.as_str().and_then(|r| r.strip_prefix('@')), right.get("set")) {
        (Some(name), _) => Right::Set(name.to_owned()),
        (None, Some(list)) => values(list.as_array()?, &fields)?,
        (None, None) => values(std::slice::from_ref(right), &fields)?,
    };
    Some(Statement::Match {
        left: fields,
        not,
        right,
    })
}

/// Flags of TCP (RFC 9293, 3.1).
const SYN: u32 = 0x02;
const SYN_ACK: u32 = 0x12;
const FIN_SYN_RST_ACK: u32 = 0x17;

/// `[tcp flags, fin | syn | rst | ack]`.
fn is_tcp_flags(masked: &Json) -> bool {
    let Some([left, mask]) = masked.as_array().map(Vec::as_slice) else {
        return false;
    };
    let word = |name: &str| left.get("payload")?.get(name)?.as_str();
    (word("protocol"), word("field")) == (Some("tcp"), Some("flags")) && flags(mask) == Some(FIN_SYN_RST_ACK)
}

/// One flag or several, by name or as bits.
fn flags(json: &Json) -> Option<u32> {
    let one = |json: &Json| match json.as_str() {
        Some("fin") => Some(0x01),
        Some("syn") => Some(SYN),
        Some("rst") => Some(0x04),
        Some("ack") => Some(0x10),
        Some(_) => None,
        None => number(json),
    };
    match json.as_array().or_else(|| json.get("|")?.as_array()) {
        Some(list) => list.iter().try_fold(0, |bits, json| Some(bits | one(json)?)),
        None => one(json),
    }
}

fn values(list: &[Json], fields: &[Field]) -> Option<Right> {
    if let [field] = fields {
        let all: Option<Vec<Value>> = list.iter().map(|v| value(v, Some(*field))).collect();
        return Some(Right::Values(canonical(all?)));
    }
    let mut keys = list.iter().map(key).collect::<Option<Vec<_>>>()?;
    keys.sort();
    Some(Right::Keys(keys))
}

fn states(json: &Json) -> Option<u32> {
    use super::model::state;
    let one = |json: &Json| match json.as_str() {
        Some("invalid") => Some(state::INVALID),
        Some("established") => Some(state::ESTABLISHED),
        Some("related") => Some(state::RELATED),
        Some("new") => Some(state::NEW),
        Some("untracked") => Some(state::UNTRACKED),
        Some(_) => None,
        None => number(json),
    };
    match json.as_array() {
        Some(list) => list.iter().map(one).try_fold(0, |bits, bit| Some(bits | bit?)),
        None => one(json),
    }
}
