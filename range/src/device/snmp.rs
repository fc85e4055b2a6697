//! A signal controller with a few objects, and those who read and set them.
//!
//! Owns: SNMPv2c as far as the range needs it (RFC 1901, RFC 3416): get and set of one object.
//! Does not own: BER.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;

use super::ber::{self, INTEGER, NULL, OCTETS, OID, SEQUENCE, tlv};
use super::serve::{self, wrong};
use crate::log::{Kind, Log, now};

const PORT: u16 = 161;
/// RFC 3416 section 3: protocol data units.
const GET: u8 = 0xa0;
const RESPONSE: u8 = 0xa2;
const SET: u8 = 0xa3;
/// `noSuchInstance`, RFC 3416 section 3.
const NO_SUCH_INSTANCE: u8 = 0x81;
/// Objects that can be set to something; more are not kept.
const OBJECTS: usize = 256;

struct Message {
    community: Vec<u8>,
    unit: u8,
    request: i64,
    /// Name with its tag and length.
    object: Vec<u8>,
    /// Value with its tag and length.
    value: Vec<u8>,
}

impl Message {
    fn new(community: &str, unit: u8, oid: &str, value: Vec<u8>, request: u64) -> io::Result<Message> {
        Ok(Message {
            community: community.as_bytes().to_vec(),
            unit,
            request: (request & 0x3fff_ffff) as i64,
            object: ber::oid(oid)?,
            value,
        })
    }

    fn bytes(&self) -> Vec<u8> {
        let binding = tlv(SEQUENCE, &[self.object.as_slice(), &self.value].concat());
        let content = [
            ber::integer(self.request),
            ber::integer(0),
            ber::integer(0),
            tlv(SEQUENCE, &binding),
        ];
        let message = [
            ber::integer(1),
            tlv(OCTETS, &self.community),
            tlv(self.unit, &content.concat()),
        ];
        tlv(SEQUENCE, &message.concat())
    }

    fn parse(mut bytes: &[u8]) -> io::Result<Message> {
        let mut message = ber::take(&mut bytes, SEQUENCE)?;
        ber::take(&mut message, INTEGER)?;
        let community = ber::take(&mut message, OCTETS)?.to_vec();
        let (unit, mut content) = ber::any(&mut message)?;
        let request = ber::number(ber::take(&mut content, INTEGER)?);
        ber::take(&mut content, INTEGER)?;
        ber::take(&mut content, INTEGER)?;
        let mut bindings = ber::take(&mut content, SEQUENCE)?;
        let mut binding = ber::take(&mut bindings, SEQUENCE)?;
        let object = tlv(OID, ber::take(&mut binding, OID)?);
        Ok(Message {
            community,
            unit,
            request,
            object,
            value: binding.to_vec(),
        })
    }
}

/// Serves the controller. It takes any community, as too many do.
pub(super) fn serve(log: Arc<Log>) -> io::Result<()> {
    let mut objects: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    objects.insert(ber::oid(crate::topology::SIGNAL_PLAN)?, ber::integer(1));
    objects.insert(ber::oid(crate::topology::SYSTEM_SERVICES)?, ber::integer(72));
    serve::udp(PORT, move |asked, peer| {
        let began = now();
        let mut message = Message::parse(asked).ok()?;
        let what = match message.unit {
            GET => {
                let known = objects.get(&message.object);
                message.value = known.cloned().unwrap_or_else(|| tlv(NO_SUCH_INSTANCE, &[]));
                "get".to_owned()
            }
            SET => {
                if objects.len() < OBJECTS || objects.contains_key(&message.object) {
                    objects.insert(message.object.clone(), message.value.clone());
                }
                let value = ber::take(&mut &message.value[..], INTEGER).map_or(0, ber::number);
                format!("set = {value}")
            }
            _ => return None,
        };
        log.tell(Kind::Served, "snmp", peer, began, true, &what);
        message.unit = RESPONSE;
        Some(message.bytes())
    })
}

/// Reads an object.
pub(crate) fn get(to: Ipv4Addr, community: &str, oid: &str, request: u64) -> io::Result<i64> {
    let value = exchange(to, community, GET, oid, tlv(NULL, &[]), request)?;
    ber::take(&mut &value[..], INTEGER).map(ber::number)
}

/// Sets an object.
pub(crate) fn set(to: Ipv4Addr, community: &str, oid: &str, value: i64, request: u64) -> io::Result<()> {
    exchange(to, community, SET, oid, ber::integer(value), request).map(drop)
}

/// The datagram that sets an object.
pub(crate) fn set_bytes(community: &str, oid: &str, value: i64, request: u64) -> io::Result<Vec<u8>> {
    Message::new(community, SET, oid, ber::integer(value), request).map(|m| m.bytes())
}

fn exchange(
    to: Ipv4Addr,
    community: &str,
    unit: u8,
    oid: &str,
    value: Vec<u8>,
    request: u64,
) -> io::Result<Vec<u8>> {
    let asked = Message::new(community, unit, oid, value, request)?;
    let fits = |answer: &[u8]| {
        Message::parse(answer).is_ok_and(|m| m.unit == RESPONSE && m.request == asked.request)
    };
    let answer = serve::ask(to, PORT, &asked.bytes(), fits)?;
    let answer = Message::parse(&answer)?;
    if answer.object == asked.object {
        Ok(answer.value)
    } else {
        Err(wrong("another object"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_as_it_was_written_and_a_cut_one_is_refused() {
        let message = Message {
            community: b"public".to_vec(),
            unit: SET,
            request: 77,
            object: ber::oid(crate::topology::SIGNAL_PLAN).unwrap(),
            value: ber::integer(255),
        };
        let bytes = message.bytes();
        let read = Message::parse(&bytes).unwrap();
        assert_eq!(
            (read.unit, read.request, &read.object),
            (SET, 77, &message.object)
        );
        assert_eq!((read.community, read.value), (message.community, message.value));
        for cut in 0..bytes.len() {
            assert!(Message::parse(&bytes[..cut]).is_err());
        }
    }
}
