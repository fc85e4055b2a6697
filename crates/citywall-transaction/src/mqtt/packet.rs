//! MQTT control packets: from bytes to values.
//!
//! Owns: the layouts of MQTT 3.1 (protocol name `MQIsdp`), 3.1.1 (OASIS, 2014) and 5.0 (OASIS, 2019). Does
//! not own: streams, or what a message means. A password is looked at and not kept.

use super::message::{Ack, Connect, MqttBody, Publish, Topics, Will};
use super::properties::{Properties, Reader};
use crate::credentials;

/// Control packet types (MQTT 5.0, table 2-1).
pub(super) mod kind {
    pub const CONNECT: u8 = 1;
    pub const CONNACK: u8 = 2;
    pub const PUBLISH: u8 = 3;
    pub const PUBACK: u8 = 4;
    pub const PUBREC: u8 = 5;
    pub const PUBREL: u8 = 6;
    pub const PUBCOMP: u8 = 7;
    pub const SUBSCRIBE: u8 = 8;
    pub const SUBACK: u8 = 9;
    pub const UNSUBSCRIBE: u8 = 10;
    pub const UNSUBACK: u8 = 11;
    pub const PINGREQ: u8 = 12;
    pub const PINGRESP: u8 = 13;
    pub const DISCONNECT: u8 = 14;
    pub const AUTH: u8 = 15;
}

/// Topics of one message that are kept.
const MOST_TOPICS: usize = 256;

/// The fixed header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Type and flags.
    pub first: u8,
    /// Bytes of the header itself.
    pub size: usize,
    /// Bytes that follow it, at most 268,435,455.
    pub remaining: usize,
}

/// What the first bytes say about the fixed header.
pub(super) enum Head {
    /// Too few bytes.
    More,
    /// The remaining length has more than 4 bytes.
    Invalid,
    /// It is this.
    Whole(Header),
}

/// Reads the fixed header (MQTT 5.0, section 2.1).
pub(super) fn header(bytes: &[u8]) -> Head {
    let Some((&first, rest)) = bytes.split_first() else {
        return Head::More;
    };
    let mut remaining = 0;
    for (i, byte) in rest.iter().take(4).enumerate() {
        remaining |= usize::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Head::Whole(Header {
                first,
                size: i + 2,
                remaining,
            });
        }
    }
    if rest.len() < 4 { Head::More } else { Head::Invalid }
}

impl Header {
    pub(super) fn kind(&self) -> u8 {
        self.first >> 4
    }

    pub(super) fn qos(&self) -> u8 {
        self.first >> 1 & 3
    }

    /// The flags are those that the type must have (section 2.1.3).
    pub(super) fn flags_fit(&self) -> bool {
        match self.kind() {
            kind::PUBLISH => true,
            kind::PUBREL | kind::SUBSCRIBE | kind::UNSUBSCRIBE => self.first & 15 == 2,
            _ => self.first & 15 == 0,
        }
    }
}

/// Reads what follows the fixed header. `None` where it does not fit its type.
pub(super) fn body(header: Header, version: u8, bytes: &[u8]) -> Option<MqttBody> {
    let mut r = Reader::new(bytes);
    let five = version >= 5;
    let body = match header.kind() {
        kind::CONNECT => connect(&mut r)?,
        kind::CONNACK => {
            let session_present = r.byte()? & 1 == 1;
            let code = r.byte()?;
            MqttBody::ConnAck {
                session_present,
                code,
                properties: properties_if(five, &mut r)?,
            }
        }
        kind::PUBLISH => {
            let topic = r.text()?.to_vec();
            let message_id = if header.qos() > 0 { Some(r.word()?) } else { None };
            let properties = properties_if(five, &mut r)?;
            MqttBody::Publish(Publish {
                topic,
                message_id,
                properties,
                message: r.rest().to_vec(),
            })
        }
        kind::PUBACK..=kind::PUBCOMP => {
            let message_id = r.word()?;
            let (reason, properties) = reason_and_properties(five, &mut r)?;
            MqttBody::Ack(Ack {
                message_id,
                reason,
                properties,
            })
        }
        kind::SUBSCRIBE => MqttBody::Subscribe(topics(five, &mut r, |r| r.byte())?),
        kind::UNSUBSCRIBE => MqttBody::Unsubscribe(topics(five, &mut r, |_| Some(0))?),
        kind::SUBACK | kind::UNSUBACK => {
            let message_id = r.word()?;
            let properties = properties_if(five, &mut r)?;
            let codes = r.rest();
            let codes = codes.get(..MOST_TOPICS).unwrap_or(codes).to_vec();
            MqttBody::Codes {
                message_id,
                codes,
                properties,
            }
        }
        kind::PINGREQ | kind::PINGRESP => MqttBody::Empty,
        kind::DISCONNECT | kind::AUTH => {
            let (reason, properties) = reason_and_properties(five, &mut r)?;
            MqttBody::Reason { reason, properties }
        }
        _ => return None,
    };
    r.is_empty().then_some(body)
}

/// SUBSCRIBE and UNSUBSCRIBE: topic filters, each with its options where there are any.
fn topics(five: bool, r: &mut Reader<'_>, options: impl Fn(&mut Reader<'_>) -> Option<u8>) -> Option<Topics> {
    let message_id = r.word()?;
    let properties = properties_if(five, r)?;
    let mut topics = Vec::new();
    while !r.is_empty() {
        let topic = r.text()?;
        let qos = options(r)? & 3;
        if topics.len() < MOST_TOPICS {
            topics.push((topic.to_vec(), qos));
        }
    }
    Some(Topics {
        message_id,
        topics,
        properties,
    })
}

/// An absent property section is only allowed where the specification says so.
fn properties_if(five: bool, r: &mut Reader<'_>) -> Option<Properties> {
    if five {
        Properties::read(r)
    } else {
        Some(Properties::default())
    }
}

/// The end of PUBACK, DISCONNECT, AUTH and the like: both may be left out (MQTT 5.0, section 3.4.2).
fn reason_and_properties(five: bool, r: &mut Reader<'_>) -> Option<(Option<u8>, Properties)> {
    if !five || r.is_empty() {
        return Some((None, Properties::default()));
    }
    let reason = Some(r.byte()?);
    if r.is_empty() {
        return Some((reason, Properties::default()));
    }
    Some((reason, Properties::read(r)?))
}

fn connect(r: &mut Reader<'_>) -> Option<MqttBody> {
    let protocol = r.text()?;
    let version = r.byte()?;
    let flags = r.byte()?;
    let keep_alive = r.word()?;
    let five = version >= 5;
    let properties = properties_if(five, r)?;
    let client_id = r.text()?.to_vec();
    let will = if flags & 0x04 != 0 {
        let properties = properties_if(five, r)?;
        Some(Will {
            properties,
            topic: r.text()?.to_vec(),
            message: r.text()?.to_vec(),
        })
    } else {
        None
    };
    let username = if flags & 0x80 != 0 {
        Some(r.text()?.to_vec())
    } else {
        None
    };
    let password = if flags & 0x40 != 0 { Some(r.text()?) } else { None };
    Some(MqttBody::Connect(Connect {
        protocol: protocol.get(..16).unwrap_or(protocol).to_vec(),
        version,
        flags,
        keep_alive,
        properties,
        client_id,
        will,
        default_credentials: password
            .is_some_and(|p| credentials::is_default(username.as_deref().unwrap_or(&[]), p)),
        // The length field has 16 bits.
        password_length: password.map(|p| p.len() as u16),
        username,
    }))
}
