//! MQTT 3.1.1 (OASIS, 2014).

use super::counted16;

/// A control packet.
fn packet(first: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let mut m = vec![first];
    let mut rest = body.len();
    while rest > 0x7f {
        m.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    m.push(rest as u8);
    m.extend(body);
    m
}

/// CONNECT with user name and password, clean session, 60 seconds.
pub fn connect(client: &str, user: &str, password: &str) -> Vec<u8> {
    let texts = [client, user, password].map(|t| counted16(t.as_bytes()));
    packet(0x10, &[b"\x00\x04MQTT\x04\xc2\x00\x3c", &texts.concat()])
}

/// CONNACK: accepted.
pub fn connected() -> Vec<u8> {
    packet(0x20, &[&[0, 0]])
}

/// PUBLISH with QoS 0, or with QoS 1 and an id.
pub fn publish(topic: &str, id: Option<u16>, message: &str) -> Vec<u8> {
    let first = if id.is_some() { 0x32 } else { 0x30 };
    let id = id.map(u16::to_be_bytes);
    packet(
        first,
        &[
            &counted16(topic.as_bytes()),
            id.as_ref().map_or(&[], |i| i),
            message.as_bytes(),
        ],
    )
}

/// PUBACK.
pub fn published(id: u16) -> Vec<u8> {
    packet(0x40, &[&id.to_be_bytes()])
}

/// SUBSCRIBE to one topic filter with QoS 1.
pub fn subscribe(id: u16, filter: &str) -> Vec<u8> {
    packet(0x82, &[&id.to_be_bytes(), &counted16(filter.as_bytes()), &[1]])
}

/// SUBACK: QoS 1 granted.
pub fn subscribed(id: u16) -> Vec<u8> {
    packet(0x90, &[&id.to_be_bytes(), &[1]])
}

/// PINGREQ and PINGRESP.
pub const PING: [u8; 2] = [0xc0, 0];
/// See `PING`.
pub const PONG: [u8; 2] = [0xd0, 0];
