//! What the enforcer and the hand say to each other: fixed layouts, no text but an action's name
//! and one sentence of an answer.
//!
//! Owns: the bytes of orders and answers, and their bounds. Does not own: carrying them out
//! (`hand`), and the socket (`channel`).
//!
//! One datagram is one order or one answer; all numbers are little-endian. An order is eight bytes
//! of head (version, kind, count of elements, number of the order) and `count` elements of
//! [`ELEMENT`] bytes. An answer is a head likewise (version, status, count, number), two bytes of
//! length and a sentence, and `count` elements. What does not fit is refused as a whole: the hand
//! then does nothing and says so.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use citywall_event::{Nanos, Prefix, Verb, VerbSet};
use citywall_response::{ActionId, Held, Host, Measure};

/// Version of the layout; the two processes are one program, so another one is a fault.
const VERSION: u8 = 1;
const HEAD: usize = 8;
/// Bytes of one element.
pub const ELEMENT: usize = 120;
/// Elements of one datagram.
pub const ELEMENTS: usize = 256;
/// Longest sentence of an answer.
pub const SENTENCE: usize = 512;
/// Longest name of an action.
pub const NAME: usize = 64;
/// Longest datagram.
pub const DATAGRAM: usize = HEAD + 2 + SENTENCE + ELEMENTS * ELEMENT;
/// The longest life that the hand gives an element: whatever it is told, a week is enough.
pub const LONGEST: Nanos = 7 * 86_400 * 1_000_000_000;

/// One measure, with its action's name and its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    /// What.
    pub measure: Measure,
    /// The action; the element's comment.
    pub action: ActionId,
    /// Time to live, nanoseconds.
    pub life: Nanos,
}

/// What the hand can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Put elements in force, in one transaction.
    Add(Vec<Element>),
    /// Take elements out of force, in one transaction; what is not there is no error.
    Remove(Vec<Element>),
    /// Say what is in force.
    List,
    /// Take all timed elements out of force.
    Flush,
    /// The enforcer lives: what stands in for it in the kernel is made fresh.
    Heartbeat,
    /// Load the ruleset that was prepared at the start.
    Load,
    /// Put in the rule that sends marked packets to the queue.
    InsertQueue,
    /// Conversations that needed no more judgement are to be judged again.
    JudgeAgain,
    /// End: take the queue rule out, leave the rest, and go.
    End,
}

/// How an order went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Done.
    Done,
    /// More of the same answer follows.
    More,
    /// Not an order: nothing was done.
    Refused,
    /// The kernel, or the program that speaks with it, said no; a transaction changed nothing.
    Failed,
}

/// The hand's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The order's number.
    pub number: u32,
    /// How it went.
    pub status: Status,
    /// Why not, in words; empty where it was done.
    pub sentence: String,
    /// What is in force, for `Order::List`.
    pub held: Vec<Held>,
}

/// Bytes that are no order or answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// Too few or too many bytes for what they say they are.
    #[error("{0} bytes do not fit the layout")]
    Size(usize),
    /// Another version.
    #[error("version {0} of the layout is not spoken here")]
    Version(u8),
    /// A number that stands for nothing.
    #[error("{0} is not a {1}")]
    Unknown(u8, &'static str),
    /// More elements than fit.
    #[error("{0} elements are more than {ELEMENTS}")]
    Many(usize),
    /// A value that cannot be.
    #[error("element {0}: {1}")]
    Value(usize, &'static str),
}

impl Order {
    fn kind(&self) -> u8 {
        match self {
            Order::Add(_) => 1,
            Order::Remove(_) => 2,
            Order::List => 3,
            Order::Flush => 4,
            Order::Heartbeat => 5,
            Order::Load => 6,
            Order::InsertQueue => 7,
            Order::JudgeAgain => 8,
            Order::End => 9,
        }
    }

    /// The order's bytes.
    ///
    /// # Errors
    /// Where it holds what the layout has no room for.
    pub fn encode(&self, number: u32) -> Result<Vec<u8>, LayoutError> {
        let elements: &[Element] = match self {
            Order::Add(elements) | Order::Remove(elements) => elements,
            _ => &[],
        };
        let mut bytes = head(self.kind(), elements.len(), number)?;
        for (index, element) in elements.iter().enumerate() {
            put_element(
                &mut bytes,
                index,
                &element.measure,
                &element.action.0,
                Some(element.life),
            )?;
        }
        Ok(bytes)
    }

    /// Reads an order and its number.
    ///
    /// # Errors
    /// Where the bytes are none.
    pub fn decode(bytes: &[u8]) -> Result<(u32, Order), LayoutError> {
        let (kind, count, number, rest) = take_head(bytes)?;
        let elements = rest.chunks_exact(ELEMENT);
        if count > ELEMENTS {
            return Err(LayoutError::Many(count));
        }
        if rest.len() != count * ELEMENT {
            return Err(LayoutError::Size(bytes.len()));
        }
        let mut read = Vec::with_capacity(count);
        for (index, element) in elements.enumerate() {
            let (measure, name, life) = take_element(index, element)?;
            // The element's comment is how it is found again: without a name it would be nobody's.
            if name.is_empty() || !name.bytes().all(is_name_byte) {
                return Err(LayoutError::Value(index, "not an action's name"));
            }
            let life = life.ok_or(LayoutError::Value(index, "an element must end"))?;
            if !(0..=LONGEST).contains(&life) {
                return Err(LayoutError::Value(index, "a life that is not allowed"));
            }
            read.push(Element {
                measure,
                action: ActionId(name),
                life,
            });
        }
        let order = match (kind, count) {
            (1, 1..) => Order::Add(read),
            (2, 1..) => Order::Remove(read),
            (3, 0) => Order::List,
            (4, 0) => Order::Flush,
            (5, 0) => Order::Heartbeat,
            (6, 0) => Order::Load,
            (7, 0) => Order::InsertQueue,
            (8, 0) => Order::JudgeAgain,
            (9, 0) => Order::End,
            (1..=9, _) => return Err(LayoutError::Size(bytes.len())),
            (other, _) => return Err(LayoutError::Unknown(other, "kind of order")),
        };
        Ok((number, order))
    }
}

impl Answer {
    /// An answer without elements.
    pub fn new(number: u32, status: Status, sentence: &str) -> Answer {
        Answer {
            number,
            status,
            sentence: sentence.to_owned(),
            held: Vec::new(),
        }
    }

    /// The answer's bytes.
    ///
    /// # Errors
    /// Where it holds what the layout has no room for.
    pub fn encode(&self) -> Result<Vec<u8>, LayoutError> {
        let status = match self.status {
            Status::Done => 0,
            Status::More => 1,
            Status::Refused => 2,
            Status::Failed => 3,
        };
        let mut bytes = head(status, self.held.len(), self.number)?;
        let sentence = cut(&self.sentence, SENTENCE);
        bytes.extend_from_slice(&(sentence.len() as u16).to_le_bytes());
        bytes.extend_from_slice(sentence.as_bytes());
        for (index, held) in self.held.iter().enumerate() {
            put_element(
                &mut bytes,
                index,
                &held.measure,
                cut(&held.comment, NAME),
                held.remaining,
            )?;
        }
        Ok(bytes)
    }

    /// Reads an answer.
    ///
    /// # Errors
    /// Where the bytes are none.
    pub fn decode(bytes: &[u8]) -> Result<Answer, LayoutError> {
        let (status, count, number, rest) = take_head(bytes)?;
        let size = || LayoutError::Size(bytes.len());
        if count > ELEMENTS {
            return Err(LayoutError::Many(count));
        }
        let (length, rest) = rest.split_first_chunk::<2>().ok_or_else(size)?;
        let length = usize::from(u16::from_le_bytes(*length));
        if length > SENTENCE || rest.len() != length + count * ELEMENT {
            return Err(size());
        }
        let (sentence, rest) = rest.split_at(length);
        let status = match status {
            0 => Status::Done,
            1 => Status::More,
            2 => Status::Refused,
            3 => Status::Failed,
            other => return Err(LayoutError::Unknown(other, "status")),
        };
        let mut held = Vec::with_capacity(count);
        for (index, element) in rest.chunks_exact(ELEMENT).enumerate() {
            let (measure, comment, remaining) = take_element(index, element)?;
            held.push(Held {
                measure,
                comment,
                remaining,
            });
        }
        Ok(Answer {
            number,
            status,
            sentence: String::from_utf8_lossy(sentence).into_owned(),
            held,
        })
    }
}

/// The longest beginning of a text that has no more than so many bytes.
fn cut(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or("")
}

/// Bytes of an action's name: it becomes an nft comment, so nothing that ends a string may be in it.
fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._:/".contains(&byte)
}

fn head(kind: u8, count: usize, number: u32) -> Result<Vec<u8>, LayoutError> {
    if count > ELEMENTS {
        return Err(LayoutError::Many(count));
    }
    let mut bytes = Vec::with_capacity(HEAD + 2 + count * ELEMENT);
    bytes.extend_from_slice(&[VERSION, kind]);
    bytes.extend_from_slice(&(count as u16).to_le_bytes());
    bytes.extend_from_slice(&number.to_le_bytes());
    Ok(bytes)
}

fn take_head(bytes: &[u8]) -> Result<(u8, usize, u32, &[u8]), LayoutError> {
    let Some((head, rest)) = bytes.split_first_chunk::<HEAD>() else {
        return Err(LayoutError::Size(bytes.len()));
    };
    let [version, kind, c0, c1, n0, n1, n2, n3] = *head;
    if version != VERSION {
        return Err(LayoutError::Version(version));
    }
    let count = usize::from(u16::from_le_bytes([c0, c1]));
    Ok((kind, count, u32::from_le_bytes([n0, n1, n2, n3]), rest))
}

/// No end: what lives for ever.
const FOR_EVER: u64 = u64::MAX;

/// An element: kind, family of the host, family and length of the other end, protocol, length of
/// the name, verbs (2), host (16), other end (16), rate (4), port (2), zeros (2), life (8), name (64).
fn put_element(
    bytes: &mut Vec<u8>,
    index: usize,
    measure: &Measure,
    name: &str,
    life: Option<Nanos>,
) -> Result<(), LayoutError> {
    if name.len() > NAME {
        return Err(LayoutError::Value(index, "the action's name is too long"));
    }
    let (kind, host, to, rate, verbs, protocol) = match *measure {
        Measure::Isolate { host } => (1, host, None, 0, VerbSet::default(), 0),
        Measure::Quarantine { host } => (2, host, None, 0, VerbSet::default(), 0),
        Measure::DenyPair { from, to } => (3, from, Some(to), 0, VerbSet::default(), 0),
        Measure::LimitRate {
            host,
            packets_per_second,
        } => (4, host, None, packets_per_second, VerbSet::default(), 0),
        Measure::DenyCommand { from, to, verbs } => (5, from, Some(to), 0, verbs, 0),
        Measure::LimitInto {
            to,
            protocol,
            packets_per_second,
        } => (
            6,
            Host::Ip(to),
            None,
            packets_per_second,
            VerbSet::default(),
            protocol,
        ),
        Measure::SynProxy { to, .. } => (7, Host::Ip(to), None, 0, VerbSet::default(), 0),
        Measure::DropAnswers { to, .. } => (8, Host::Ip(to), None, 0, VerbSet::default(), 0),
    };
    let port = match *measure {
        Measure::SynProxy { port, .. } => port,
        Measure::DropAnswers { from_port, .. } => from_port,
        _ => 0,
    };
    let (family, host) = put_host(host);
    let (to_family, to_length, to) = match to {
        None => (0, 0, [0; 16]),
        Some(to) => {
            let (family, address) = put_host(Host::Ip(to.first()));
            (family, to.length(), address)
        }
    };
    let life = match life {
        None => FOR_EVER,
        Some(life) => u64::try_from(life).map_err(|_| LayoutError::Value(index, "a life below zero"))?,
    };
    bytes.extend_from_slice(&[kind, family, to_family, to_length, protocol, name.len() as u8]);
    bytes.extend_from_slice(&verb_bits(verbs).to_le_bytes());
    bytes.extend_from_slice(&host);
    bytes.extend_from_slice(&to);
    bytes.extend_from_slice(&rate.to_le_bytes());
    bytes.extend_from_slice(&port.to_le_bytes());
    bytes.extend_from_slice(&[0; 2]);
    bytes.extend_from_slice(&life.to_le_bytes());
    let mut text = [0; NAME];
    text[..name.len()].copy_from_slice(name.as_bytes());
    bytes.extend_from_slice(&text);
    Ok(())
}

fn put_host(host: Host) -> (u8, [u8; 16]) {
    let mut bytes = [0; 16];
    match host {
        Host::Ip(IpAddr::V4(v4)) => {
            bytes[..4].copy_from_slice(&v4.octets());
            (4, bytes)
        }
        Host::Ip(IpAddr::V6(v6)) => (6, v6.octets()),
        Host::Mac(mac) => {
            bytes[..6].copy_from_slice(&mac);
            (1, bytes)
        }
    }
}

fn take_host(index: usize, family: u8, bytes: [u8; 16]) -> Result<Host, LayoutError> {
    let used = match family {
        4 => 4,
        6 => 16,
        1 => 6,
        other => return Err(LayoutError::Unknown(other, "family of addresses")),
    };
    if bytes.iter().skip(used).any(|b| *b != 0) {
        return Err(LayoutError::Value(index, "an address that is too long"));
    }
    let [a, b, c, d, e, g, ..] = bytes;
    Ok(match family {
        4 => Host::Ip(Ipv4Addr::new(a, b, c, d).into()),
        6 => Host::Ip(Ipv6Addr::from(bytes).into()),
        _ => Host::Mac([a, b, c, d, e, g]),
    })
}

fn verb_bits(verbs: VerbSet) -> u16 {
    let set = Verb::ALL.iter().zip(0u16..).filter(|(verb, _)| verbs.has(**verb));
    set.fold(0, |bits, (_, place)| bits | 1 << place)
}

fn take_verbs(bits: u16) -> VerbSet {
    let all = Verb::ALL.iter().zip(0u16..);
    all.filter(|(_, place)| bits & (1 << place) != 0)
        .fold(VerbSet::default(), |set, (verb, _)| set.with(*verb))
}

/// Reads bytes from the front; the caller has made sure that there are enough.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        match self.0.split_first_chunk::<N>() {
            Some((bytes, rest)) => {
                self.0 = rest;
                *bytes
            }
            None => [0; N],
        }
    }
}

fn take_element(index: usize, bytes: &[u8]) -> Result<(Measure, String, Option<Nanos>), LayoutError> {
    let mut reader = Reader(bytes);
    let [kind, family, to_family, to_length, protocol, name_length] = reader.take::<6>();
    let verbs = u16::from_le_bytes(reader.take());
    let host = reader.take::<16>();
    let to = reader.take::<16>();
    let rate = u32::from_le_bytes(reader.take());
    let port = u16::from_le_bytes(reader.take());
    let zeros = reader.take::<2>();
    let life = u64::from_le_bytes(reader.take());
    let name = reader.take::<NAME>();
    let wrong = |what| LayoutError::Value(index, what);
    if zeros != [0; 2] || u32::from(verbs) >= 1 << Verb::ALL.len() {
        return Err(wrong("bits that mean nothing"));
    }
    let host = take_host(index, family, host)?;
    let to = match to_family {
        0 if to_length == 0 && to == [0; 16] => None,
        0 | 1 => return Err(wrong("an other end that is none")),
        family => match take_host(index, family, to)? {
            Host::Ip(ip) => Some(Prefix::new(ip, to_length).ok_or_else(|| wrong("not a network"))?),
            Host::Mac(_) => return Err(wrong("not a network")),
        },
    };
    let uses = (to.is_some(), rate != 0, verbs != 0, protocol != 0);
    let measure = match (kind, to) {
        (1, None) => Measure::Isolate { host },
        (2, None) => Measure::Quarantine { host },
        (3, Some(to)) => Measure::DenyPair { from: host, to },
        (4, None) => Measure::LimitRate {
            host,
            packets_per_second: rate,
        },
        (5, Some(to)) => Measure::DenyCommand {
            from: host,
            to,
            verbs: take_verbs(verbs),
        },
        (6, None) => match host {
            Host::Ip(to) => Measure::LimitInto {
                to,
                protocol,
                packets_per_second: rate,
            },
            Host::Mac(_) => return Err(wrong("not an address")),
        },
        (7 | 8, None) => match host {
            Host::Ip(to) if kind == 7 => Measure::SynProxy { to, port },
            Host::Ip(to) => Measure::DropAnswers { to, from_port: port },
            Host::Mac(_) => return Err(wrong("not an address")),
        },
        (1..=8, _) => return Err(wrong("one end too many or too few")),
        (other, _) => return Err(LayoutError::Unknown(other, "measure")),
    };
    // Fields that the measure does not have must be zero, so that one order has one form. What is
    // listed may lack what the kernel does not keep: a rate or verbs that are not known are zero.
    let may = match kind {
        3 => (true, false, false, false),
        4 => (false, true, false, false),
        5 => (true, false, true, false),
        6 => (false, true, false, true),
        _ => (false, false, false, false),
    };
    if port != 0 && kind < 7 || uses.1 && !may.1 || uses.2 && !may.2 || uses.3 && !may.3 {
        return Err(wrong("a field that the measure does not have"));
    }
    let used = usize::from(name_length);
    let (name, rest) = name
        .split_at_checked(used)
        .ok_or_else(|| wrong("a name that is too long"))?;
    if rest.iter().any(|b| *b != 0) {
        return Err(wrong("a name that is longer than it says"));
    }
    let name = std::str::from_utf8(name).map_err(|_| wrong("a name that is no text"))?;
    let life = match life {
        FOR_EVER => None,
        life => Some(Nanos::try_from(life).map_err(|_| wrong("a life without end"))?),
    };
    Ok((measure, name.to_owned(), life))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn host() -> impl Strategy<Value = Host> {
        prop_oneof![
            any::<[u8; 4]>().prop_map(|b| Host::Ip(IpAddr::from(b))),
            any::<[u8; 16]>().prop_map(|b| Host::Ip(IpAddr::from(b))),
            any::<[u8; 6]>().prop_map(Host::Mac),
        ]
    }

    fn prefix() -> impl Strategy<Value = Prefix> {
        let v4 = (any::<[u8; 4]>(), 0u8..=32).prop_map(|(b, l)| Prefix::containing(IpAddr::from(b), l));
        let v6 = (any::<[u8; 16]>(), 0u8..=128).prop_map(|(b, l)| Prefix::containing(IpAddr::from(b), l));
        prop_oneof![v4, v6].prop_map(|p| p.unwrap())
    }

    fn measure() -> impl Strategy<Value = Measure> {
        let verbs = || (0u16..1 << Verb::ALL.len()).prop_map(take_verbs);
        prop_oneof![
            host().prop_map(|host| Measure::Isolate { host }),
            host().prop_map(|host| Measure::Quarantine { host }),
            (host(), prefix()).prop_map(|(from, to)| Measure::DenyPair { from, to }),
            (host(), any::<u32>()).prop_map(|(host, packets_per_second)| Measure::LimitRate {
                host,
                packets_per_second
            }),
            (host(), prefix(), verbs()).prop_map(|(from, to, verbs)| Measure::DenyCommand {
                from,
                to,
                verbs
            }),
            (any::<[u8; 16]>(), any::<u16>()).prop_map(|(to, port)| Measure::SynProxy {
                to: IpAddr::from(to),
                port,
            }),
            (any::<[u8; 4]>(), any::<u16>()).prop_map(|(to, from_port)| Measure::DropAnswers {
                to: IpAddr::from(to),
                from_port,
            }),
            (any::<[u8; 4]>(), any::<u8>(), any::<u32>()).prop_map(|(to, protocol, packets_per_second)| {
                Measure::LimitInto {
                    to: to.into(),
                    protocol,
                    packets_per_second,
                }
            }),
        ]
    }

    fn element() -> impl Strategy<Value = Element> {
        (measure(), "[A-Za-z0-9.-]{1,64}", 0..=LONGEST).prop_map(|(measure, name, life)| Element {
            measure,
            action: ActionId(name),
            life,
        })
    }

    fn order() -> impl Strategy<Value = Order> {
        let elements = || proptest::collection::vec(element(), 1..8);
        prop_oneof![
            elements().prop_map(Order::Add),
            elements().prop_map(Order::Remove),
            Just(Order::List),
            Just(Order::Flush),
            Just(Order::Heartbeat),
            Just(Order::Load),
            Just(Order::InsertQueue),
            Just(Order::JudgeAgain),
            Just(Order::End),
        ]
    }

    proptest! {
        #[test]
        fn an_order_is_read_as_it_was_written(order in order(), number: u32) {
            let bytes = order.encode(number).unwrap();
            prop_assert!(bytes.len() <= DATAGRAM);
            prop_assert_eq!(Order::decode(&bytes), Ok((number, order)));
        }

        #[test]
        fn an_order_has_one_form(order in order(), number: u32, place: usize, bit in 0u8..8) {
            let mut bytes = order.encode(number).unwrap();
            let place = place % bytes.len();
            bytes[place] ^= 1 << bit;
            if let Ok((other, read)) = Order::decode(&bytes) {
                prop_assert_eq!(read.encode(other), Ok(bytes));
            }
        }

        #[test]
        fn any_bytes_are_refused_or_read(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = Order::decode(&bytes);
            let _ = Answer::decode(&bytes);
        }

        #[test]
        fn an_answer_is_read_as_it_was_written(
            number: u32,
            held in proptest::collection::vec((measure(), "[ -~]{0,64}", proptest::option::of(0..=LONGEST)), 0..8),
            sentence in "[ -~]{0,512}",
        ) {
            let held = held
                .into_iter()
                .map(|(measure, comment, remaining)| Held { measure, comment, remaining })
                .collect();
            let answer = Answer { number, status: Status::More, sentence, held };
            let bytes = answer.encode().unwrap();
            prop_assert_eq!(Answer::decode(&bytes), Ok(answer));
        }
    }

    #[test]
    fn what_is_too_much_is_refused_before_it_is_sent() {
        let element = Element {
            measure: Measure::Isolate {
                host: Host::Mac([1; 6]),
            },
            action: ActionId("I1.1".into()),
            life: 1,
        };
        let full = Order::Add(vec![element.clone(); ELEMENTS]).encode(1).unwrap();
        assert!(full.len() <= DATAGRAM);
        let many = Order::Add(vec![element.clone(); ELEMENTS + 1]).encode(1);
        assert_eq!(many, Err(LayoutError::Many(ELEMENTS + 1)));
        let long = Element {
            action: ActionId("x".repeat(NAME + 1)),
            ..element.clone()
        };
        assert!(Order::Add(vec![long]).encode(1).is_err());
        // A quote would end the comment in what nft reads.
        let quote = Element {
            action: ActionId("a\"b".into()),
            ..element.clone()
        };
        let bytes = Order::Add(vec![quote]).encode(1).unwrap();
        assert!(Order::decode(&bytes).is_err());
        let long_life = Element {
            life: LONGEST + 1,
            ..element
        };
        let bytes = Order::Add(vec![long_life]).encode(1).unwrap();
        assert!(Order::decode(&bytes).is_err());
    }
}
