//! One DNS message (RFC 1035 section 4): where its sections lie, and the record kept of it.
//!
//! Owns: the structure check and the walk over questions and resource records. Does not own:
//! names (`name`), the data of records (`rdata`) or JSON (`eve`).

use std::net::IpAddr;

use citywall_event::NameAnswer;
use citywall_event::json::Object;
use citywall_flow::Direction;

use super::codes::{self, rr};
use super::name::{self, HEADER_BYTES};
use super::{eve, rdata};
use crate::spare::Raw;
use crate::{Buffer, Number, Record};

/// Addresses of an answer that are given out.
const ADDRESSES: usize = 32;

/// Sections of a message, in order.
pub(super) const QUESTIONS: usize = 0;
pub(super) const ANSWERS: usize = 1;
pub(super) const AUTHORITIES: usize = 2;
pub(super) const ADDITIONALS: usize = 3;

/// Which kind of name service a conversation is, by port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flavour {
    /// Unicast DNS.
    Dns,
    /// Multicast DNS (RFC 6762).
    Mdns,
    /// Link-local multicast name resolution (RFC 4795).
    Llmnr,
}

/// A DNS, mDNS or LLMNR message. It keeps the bytes as they came; values are read out of them when
/// they are asked for.
#[derive(Debug)]
pub struct DnsMessage {
    pub(super) raw: Vec<u8>,
    pub(super) layout: Layout,
    pub(super) flavour: Flavour,
    pub(super) direction: Direction,
    /// Counts the messages of the conversation, from 0.
    pub(super) tx_id: u32,
}

/// Where the sections of a message lie, as far as it is well formed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Layout {
    /// Offset of the first entry of each section.
    pub starts: [u32; 4],
    /// How many entries of each section are well formed.
    pub counts: [u16; 4],
    /// The first byte after the last entry.
    pub end: u32,
    /// Which of `rdata::GROUPED` stand among the answers, one bit each.
    pub grouped: u8,
}

/// A question.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question {
    pub name: usize,
    pub rtype: u16,
    pub class: u16,
}

/// A resource record; offsets are into the message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resource {
    pub name: usize,
    pub rtype: u16,
    pub class: u16,
    pub ttl: u32,
    pub data: usize,
    pub end: usize,
}

#[inline]
pub(super) fn be16(message: &[u8], at: usize) -> Option<u16> {
    message
        .get(at..at + 2)?
        .first_chunk()
        .map(|b| u16::from_be_bytes(*b))
}

#[inline]
pub(super) fn be32(message: &[u8], at: usize) -> Option<u32> {
    message
        .get(at..at + 4)?
        .first_chunk()
        .map(|b| u32::from_be_bytes(*b))
}

#[inline]
fn question_fields(message: &[u8], name: usize, after: usize) -> Option<(Question, usize)> {
    let rtype = be16(message, after)?;
    let class = be16(message, after + 2)?;
    Some((Question { name, rtype, class }, after + 4))
}

#[inline]
fn resource_fields(message: &[u8], name: usize, after: usize) -> Option<Resource> {
    let fixed: &[u8; 10] = message.get(after..)?.first_chunk()?;
    let data = after + 10;
    let end = data + usize::from(u16::from_be_bytes([fixed[8], fixed[9]]));
    (end <= message.len()).then_some(Resource {
        name,
        rtype: u16::from_be_bytes([fixed[0], fixed[1]]),
        class: u16::from_be_bytes([fixed[2], fixed[3]]),
        ttl: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
        data,
        end,
    })
}

/// Finds the sections. The mark names the first thing that is not well formed; entries before it
/// are in the layout, and records whose data alone is not well formed too.
pub(super) fn parse(message: &[u8]) -> (Layout, Option<&'static str>) {
    let mut layout = Layout::default();
    let mut mark = None;
    let mut at = HEADER_BYTES;
    if message.len() < HEADER_BYTES {
        return (layout, Some("dns.header_truncated"));
    }
    // The first name is what nearly every later name points at.
    let truncated = |tc: bool| if tc { None } else { Some("dns.truncated") };
    let tc = message[2] & 2 != 0;
    for section in QUESTIONS..=ADDITIONALS {
        layout.starts[section] = at as u32;
        layout.end = at as u32;
        for _ in 0..be16(message, 4 + 2 * section).unwrap_or(0) {
            if at >= message.len() {
                return (layout, mark.or(truncated(tc)));
            }
            let after = match name::labels(message, at, |_| {}) {
                Ok(after) => after,
                Err(error) => return (layout, mark.or(Some(error.malformed()))),
            };
            let next = if section == QUESTIONS {
                question_fields(message, at, after).map(|(_, next)| next)
            } else {
                resource_fields(message, at, after).map(|resource| {
                    if mark.is_none() {
                        mark = rdata::check(message, &resource);
                    }
                    if section == ANSWERS {
                        layout.grouped |= rdata::grouped_bit(resource.rtype);
                    }
                    resource.end
                })
            };
            let Some(next) = next else {
                return (layout, mark.or(truncated(tc)));
            };
            at = next;
            layout.counts[section] += 1;
            layout.end = at as u32;
        }
    }
    if at < message.len() {
        mark = mark.or(Some("dns.trailing_bytes"));
    }
    (layout, mark)
}

/// Is this, whatever the port, a DNS message? Everything must be well formed and sane.
pub(super) fn strict(message: &[u8]) -> bool {
    let Some(header) = message.first_chunk::<HEADER_BYTES>() else {
        return false;
    };
    let response = header[2] & 0x80 != 0;
    let opcode = header[2] >> 3 & 15;
    let rcode = header[3] & 15;
    let count = |i: usize| u16::from_be_bytes([header[4 + 2 * i], header[5 + 2 * i]]);
    if !codes::opcode_assigned(opcode) || rcode > 11 || header[3] & 0x40 != 0 || count(0) > 64 {
        return false;
    }
    let sane = if response {
        count(0) > 0 || count(1) > 0
    } else {
        // A query brings no answers; an update's sections are named otherwise (RFC 2136).
        count(0) > 0 && rcode == 0 && (opcode != 0 || count(1) == 0 && count(2) == 0 && count(3) < 4)
    };
    if !sane {
        return false;
    }
    let (layout, mark) = parse(message);
    if mark.is_some() || (0..4).any(|i| layout.counts[i] != count(i)) {
        return false;
    }
    let view = View {
        message,
        layout: &layout,
    };
    if netbios(message, HEADER_BYTES) {
        return false;
    }
    let class = |c: u16| matches!(c & 0x7fff, 1 | 3 | 4 | 254 | 255);
    view.questions()
        .all(|q| codes::rrtype(q.rtype).is_some() && class(q.class))
        && (ANSWERS..=ADDITIONALS).all(|section| {
            view.resources(section)
                .all(|r| codes::rrtype(r.rtype).is_some() && (r.rtype == rr::OPT || class(r.class)))
        })
}

/// A NetBIOS name (RFC 1002 section 4.2), whose messages are otherwise built like DNS: 16 bytes as
/// 32 letters from A to P.
fn netbios(message: &[u8], at: usize) -> bool {
    let letters = message.get(at + 1..at + 33).unwrap_or_default();
    message.get(at) == Some(&32) && letters.iter().all(|b| (b'A'..=b'P').contains(b))
}

/// Could this be DNS, on a port where DNS is expected? Only what no message of ours could have
/// is refused: absurd counts.
pub(super) fn plausible(header: &[u8; HEADER_BYTES], length: usize) -> bool {
    let count = |i: usize| usize::from(u16::from_be_bytes([header[4 + 2 * i], header[5 + 2 * i]]));
    let total = count(0) + count(1) + count(2) + count(3);
    // No entry is smaller than five bytes, but messages that were cut short are to be marked.
    if total == 0 {
        return length == HEADER_BYTES && codes::opcode_assigned(header[2] >> 3 & 15);
    }
    count(0) <= 256 && total <= 64 + length / 5
}

/// A message with its layout.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub message: &'a [u8],
    pub layout: &'a Layout,
}

impl<'a> View<'a> {
    /// The well-formed questions.
    pub(super) fn questions(self) -> impl Iterator<Item = Question> + 'a {
        let mut at = self.layout.starts[QUESTIONS] as usize;
        (0..self.layout.counts[QUESTIONS]).map_while(move |_| {
            let after = name::skip(self.message, at)?;
            let (question, next) = question_fields(self.message, at, after)?;
            at = next;
            Some(question)
        })
    }

    /// The well-formed records of a section.
    pub(super) fn resources(self, section: usize) -> impl Iterator<Item = Resource> + 'a {
        let mut at = self.layout.starts[section] as usize;
        (0..self.layout.counts[section]).map_while(move |_| {
            let after = name::skip(self.message, at)?;
            let resource = resource_fields(self.message, at, after)?;
            at = resource.end;
            Some(resource)
        })
    }
}

impl DnsMessage {
    pub(super) fn view(&self) -> View<'_> {
        View {
            message: &self.raw,
            layout: &self.layout,
        }
    }

    pub(super) fn byte(&self, at: usize) -> u8 {
        self.raw.get(at).copied().unwrap_or(0)
    }

    /// The message is a response.
    pub(super) fn response(&self) -> bool {
        self.byte(2) & 0x80 != 0
    }

    pub(super) fn opcode(&self) -> u8 {
        self.byte(2) >> 3 & 15
    }

    pub(super) fn rcode(&self) -> u8 {
        self.byte(3) & 15
    }

    fn record_names(&self, section: usize, with_data: bool, each: &mut dyn FnMut(&[u8])) {
        let mut text = Vec::with_capacity(64);
        for resource in self.view().resources(section) {
            text.clear();
            name::join(&self.raw, resource.name, &mut text);
            each(&text);
            if let Some(at) = rdata::name_at(&resource).filter(|_| with_data) {
                text.clear();
                name::join(&self.raw, at, &mut text);
                each(&text);
            }
        }
    }
}

impl Raw for DnsMessage {
    fn raw(&mut self) -> &mut Vec<u8> {
        &mut self.raw
    }
}

impl Record for DnsMessage {
    fn event_type(&self) -> &'static str {
        "dns"
    }

    fn write(&self, o: &mut Object<'_>) {
        eve::write(self, o);
    }

    /// What a server said that the first question's name stands for, whatever aliases lie between.
    fn answer(&self) -> Option<NameAnswer> {
        if !self.response() || self.rcode() != 0 || self.flavour != Flavour::Dns {
            return None;
        }
        let question = self.view().questions().next()?;
        let addresses: Vec<IpAddr> = self
            .view()
            .resources(ANSWERS)
            .filter_map(|resource| rdata::address(&self.raw, &resource))
            .take(ADDRESSES)
            .collect();
        if addresses.is_empty() {
            return None;
        }
        let mut text = Vec::new();
        name::present(&self.raw, question.name, false, &mut text);
        text.make_ascii_lowercase();
        Some(NameAnswer {
            name: String::from_utf8_lossy(&text).into_owned(),
            addresses,
        })
    }

    /// `DnsQuery`: the names asked for, in requests; `DnsQueryName`: also as responses repeat
    /// them; `DnsAnswerName`: owner names of answers; `DnsResponseName`: of all sections of a
    /// response, with the names that records point at.
    fn buffers(&self, which: Buffer, each: &mut dyn FnMut(&[u8])) {
        match which {
            Buffer::DnsQuery if self.response() => {}
            Buffer::DnsQuery | Buffer::DnsQueryName => {
                let mut text = Vec::with_capacity(64);
                for question in self.view().questions() {
                    text.clear();
                    name::join(&self.raw, question.name, &mut text);
                    each(&text);
                }
            }
            Buffer::DnsAnswerName => self.record_names(ANSWERS, false, each),
            Buffer::DnsResponseName if self.response() => {
                for section in ANSWERS..=ADDITIONALS {
                    self.record_names(section, true, each);
                }
            }
            _ => {}
        }
    }

    fn number(&self, which: Number) -> Option<u64> {
        match which {
            Number::DnsOpcode => Some(self.opcode().into()),
            Number::DnsRcode => Some(self.rcode().into()),
            Number::DnsRrtype => {
                let view = self.view();
                let asked = view.questions().next().map(|q| q.rtype);
                asked
                    .or_else(|| view.resources(ANSWERS).next().map(|r| r.rtype))
                    .map(u64::from)
            }
            _ => None,
        }
    }

    fn direction(&self) -> Option<Direction> {
        Some(self.direction)
    }
}
