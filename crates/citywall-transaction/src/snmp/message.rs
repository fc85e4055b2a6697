//! One SNMP message: v1 (RFC 1157), v2c (RFC 1901, RFC 3416), v3 with the user-based security
//! model (RFC 3412, RFC 3414).
//!
//! Owns: the layers around the variable bindings, and the record kept of a message. The community
//! is a credential: rules may match on it, events never hold it.

use std::ops::Range;

use citywall_event::json::Object;
use citywall_flow::Direction;

use super::ber::{self, BerError, Reader, tag};
use super::eve;
use super::value::{self, Bindings};
use crate::spare::Raw;
use crate::{Buffer, Number, Record};

/// A piece of the message.
pub(super) type Place = Range<u32>;

/// An SNMP message. It keeps the bytes as they came; values are read out of them when they are
/// asked for.
#[derive(Debug)]
pub struct SnmpMessage {
    pub(super) raw: Vec<u8>,
    pub(super) parts: Parts,
    pub(super) direction: Direction,
}

/// Where the parts of a message lie.
#[derive(Clone, Debug, Default)]
pub(super) struct Parts {
    /// 1, 2 or 3.
    pub version: u8,
    /// v1 and v2c.
    pub community: Option<Place>,
    /// v3.
    pub security: Option<Security>,
    /// `None` where it is encrypted, or not well formed.
    pub pdu: Option<Pdu>,
}

/// The v3 header and user-based security parameters.
#[derive(Clone, Debug, Default)]
pub(super) struct Security {
    pub message_id: i64,
    /// Bit 0: authenticated, bit 1: encrypted, bit 2: a report is wanted.
    pub flags: u8,
    /// 3 is the user-based model.
    pub model: i64,
    pub engine_id: Place,
    pub boots: i64,
    pub time: i64,
    pub user: Place,
    pub context_name: Place,
}

/// Protocol data unit.
#[derive(Clone, Debug)]
pub(super) struct Pdu {
    pub kind: PduKind,
    pub request_id: i64,
    /// Error status and index, or non-repeaters and maximum repetitions; 0 for a v1 trap.
    pub numbers: [u32; 2],
    pub trap: Option<Trap>,
    /// Contents of the list of variable bindings.
    pub bindings: Place,
    /// How many of them are well formed.
    pub count: u32,
}

/// What only a v1 trap has.
#[derive(Clone, Debug)]
pub(super) struct Trap {
    pub enterprise: Place,
    pub agent: Place,
    pub generic: i64,
    pub specific: i64,
    pub uptime: u64,
}

/// Kinds of PDUs; the number is that of the tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PduKind {
    Get = 0,
    GetNext = 1,
    Response = 2,
    Set = 3,
    TrapV1 = 4,
    GetBulk = 5,
    Inform = 6,
    TrapV2 = 7,
    Report = 8,
}

impl PduKind {
    fn from_tag(tag: u8) -> Option<PduKind> {
        use PduKind::*;
        [
            Get, GetNext, Response, Set, TrapV1, GetBulk, Inform, TrapV2, Report,
        ]
        .into_iter()
        .find(|kind| *kind as u8 | 0xa0 == tag)
    }

    /// The name in events.
    pub(super) fn name(self) -> &'static str {
        match self {
            PduKind::Get => "get_request",
            PduKind::GetNext => "get_next_request",
            PduKind::Response => "response",
            PduKind::Set => "set_request",
            PduKind::TrapV1 => "trap_v1",
            PduKind::GetBulk => "get_bulk_request",
            PduKind::Inform => "inform_request",
            PduKind::TrapV2 => "trap_v2",
            PduKind::Report => "report",
        }
    }

    /// True for what answers a request.
    pub(super) fn answers(self) -> bool {
        matches!(self, PduKind::Response | PduKind::Report)
    }
}

/// Where `part`, which lies in `whole`, lies in it.
fn place(whole: &[u8], part: &[u8]) -> Place {
    let start = (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize);
    start as u32..(start + part.len()) as u32
}

/// The bytes at a place.
pub(super) fn at<'a>(raw: &'a [u8], place: &Place) -> &'a [u8] {
    raw.get(place.start as usize..place.end as usize)
        .unwrap_or_default()
}

/// Reads a message as far as it is well formed; the mark names what is not.
pub(super) fn parse(data: &[u8]) -> (Parts, Option<&'static str>) {
    let mut parts = Parts::default();
    let mark = match read(data, &mut parts) {
        Ok(mark) => mark,
        Err(error) => Some(error.malformed()),
    };
    (parts, mark)
}

fn read(data: &[u8], parts: &mut Parts) -> Result<Option<&'static str>, BerError> {
    let mut outer = Reader::new(data);
    let mut message = outer.sequence()?;
    let trailing = (!outer.is_empty()).then_some("snmp.trailing_bytes");
    let mark = match message.integer()? {
        version @ (0 | 1) => {
            parts.version = version as u8 + 1;
            parts.community = Some(place(data, message.tagged(tag::OCTETS)?));
            pdu(data, &mut message, parts)?
        }
        3 => {
            parts.version = 3;
            v3(data, &mut message, parts)?
        }
        _ => Some("snmp.version"),
    };
    Ok(mark.or(trailing))
}

fn v3(data: &[u8], message: &mut Reader<'_>, parts: &mut Parts) -> Result<Option<&'static str>, BerError> {
    let mut header = message.sequence()?;
    let mut security = Security {
        message_id: header.integer()?,
        ..Security::default()
    };
    header.integer()?; // The largest message that the sender takes.
    security.flags = header.tagged(tag::OCTETS)?.first().copied().unwrap_or(0);
    security.model = header.integer()?;
    let parameters = message.tagged(tag::OCTETS)?;
    let mut mark = None;
    if security.model == 3 {
        mark = usm(data, parameters, &mut security)
            .err()
            .map(BerError::malformed);
    }
    let flags = security.flags;
    if flags & 3 == 2 {
        // Encryption without authentication does not exist (RFC 3412 section 6.4).
        mark = mark.or(Some("snmp.flags"));
    }
    let security = parts.security.insert(security);
    if message.peek() == Some(tag::OCTETS) {
        // Encrypted: what is inside is not to be seen.
        message.any()?;
        return Ok(mark.or((flags & 2 == 0).then_some("snmp.encrypted_unannounced")));
    }
    let mut scoped = message.sequence()?;
    let engine = scoped.tagged(tag::OCTETS)?;
    if security.engine_id.is_empty() {
        security.engine_id = place(data, engine);
    }
    security.context_name = place(data, scoped.tagged(tag::OCTETS)?);
    Ok(mark.or(pdu(data, &mut scoped, parts)?))
}

/// RFC 3414 section 2.4.
fn usm(data: &[u8], parameters: &[u8], security: &mut Security) -> Result<(), BerError> {
    let mut fields = Reader::new(parameters).sequence()?;
    security.engine_id = place(data, fields.tagged(tag::OCTETS)?);
    security.boots = fields.integer()?;
    security.time = fields.integer()?;
    security.user = place(data, fields.tagged(tag::OCTETS)?);
    fields.tagged(tag::OCTETS)?;
    fields.tagged(tag::OCTETS)?;
    Ok(())
}

fn pdu(data: &[u8], message: &mut Reader<'_>, parts: &mut Parts) -> Result<Option<&'static str>, BerError> {
    let (found, contents) = message.any()?;
    let Some(kind) = PduKind::from_tag(found) else {
        return Ok(Some("snmp.pdu_type"));
    };
    let mut fields = Reader::new(contents);
    let mut pdu = Pdu {
        kind,
        request_id: 0,
        numbers: [0; 2],
        trap: None,
        bindings: 0..0,
        count: 0,
    };
    if kind == PduKind::TrapV1 {
        pdu.trap = Some(Trap {
            enterprise: place(data, fields.tagged(tag::OID)?),
            agent: place(data, fields.tagged(tag::IP_ADDRESS)?),
            generic: fields.integer()?,
            specific: fields.integer()?,
            uptime: ber::unsigned(fields.tagged(tag::TIME_TICKS)?)?,
        });
    } else {
        pdu.request_id = fields.integer()?;
        pdu.numbers = [fields.natural()?, fields.natural()?];
    }
    let list = fields.tagged(tag::SEQUENCE)?;
    pdu.bindings = place(data, list);
    let (count, wrong) = Bindings::new(list).check();
    pdu.count = count;
    parts.pdu = Some(pdu);
    Ok(wrong.map(BerError::malformed))
}

/// Is this, whatever the port, an SNMP message? Everything must be well formed.
pub(super) fn strict(data: &[u8]) -> bool {
    // Cheap things first: this is asked of every unknown datagram.
    if data.first() != Some(&tag::SEQUENCE) || data.len() < 13 {
        return false;
    }
    let (parts, mark) = parse(data);
    mark.is_none()
        && (parts.pdu.is_some() || parts.security.is_some_and(|s| s.model == 3 && s.flags & 2 != 0))
}

impl SnmpMessage {
    pub(super) fn at(&self, place: &Place) -> &[u8] {
        at(&self.raw, place)
    }

    pub(super) fn bindings(&self) -> Bindings<'_> {
        let list = self.parts.pdu.as_ref().map(|pdu| self.at(&pdu.bindings));
        Bindings::new(list.unwrap_or_default())
    }

    pub(super) fn community(&self) -> Option<&[u8]> {
        self.parts.community.as_ref().map(|place| self.at(place))
    }
}

impl Raw for SnmpMessage {
    fn raw(&mut self) -> &mut Vec<u8> {
        &mut self.raw
    }
}

impl Record for SnmpMessage {
    fn event_type(&self) -> &'static str {
        "snmp"
    }

    fn write(&self, o: &mut Object<'_>) {
        eve::write(self, o);
    }

    fn buffers(&self, which: Buffer, each: &mut dyn FnMut(&[u8])) {
        match which {
            Buffer::SnmpCommunity => self.community().into_iter().for_each(each),
            Buffer::SnmpUsm => {
                if let Some(security) = self.parts.security.as_ref().filter(|s| s.model == 3) {
                    each(self.at(&security.user));
                }
            }
            Buffer::SnmpOid => {
                let mut text = Vec::with_capacity(48);
                for binding in self.bindings() {
                    text.clear();
                    value::dotted(binding.oid, &mut text);
                    each(&text);
                }
            }
            _ => {}
        }
    }

    fn number(&self, which: Number) -> Option<u64> {
        match which {
            Number::SnmpVersion => Some(self.parts.version.into()),
            Number::SnmpPduType => self.parts.pdu.as_ref().map(|pdu| pdu.kind as u64),
            _ => None,
        }
    }

    fn direction(&self) -> Option<Direction> {
        Some(self.direction)
    }
}
