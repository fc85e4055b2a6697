//! Properties of MQTT 5 messages (section 2.2.2), and the reader of MQTT's data types (section 1.5).

use citywall_event::json::Object;

/// Properties of one message that are kept.
const MOST: usize = 32;

/// Reads MQTT's data types off a message.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader(bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All that is left.
    pub(super) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|b| b[0])
    }

    pub(super) fn word(&mut self) -> Option<u16> {
        self.take(2).map(|b| u16::from_be_bytes([b[0], b[1]]))
    }

    fn long(&mut self) -> Option<u32> {
        self.take(4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]))
    }

    /// A string or binary data with its length of 16 bits.
    pub(super) fn text(&mut self) -> Option<&'a [u8]> {
        let length = self.word()?;
        self.take(length.into())
    }

    /// A variable byte integer.
    fn variable(&mut self) -> Option<u32> {
        let mut value = 0;
        for shift in [0, 7, 14, 21] {
            let byte = self.byte()?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

/// The properties of one message, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties(Vec<(u8, Value)>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Number(u32),
    Text(Vec<u8>),
    Pair(Vec<u8>, Vec<u8>),
    /// Not kept: its length.
    Secret(usize),
}

impl Properties {
    /// Reads a property section; `None` where it is broken.
    pub(super) fn read(r: &mut Reader<'_>) -> Option<Properties> {
        let length = r.variable()?;
        let mut section = Reader(r.take(length as usize)?);
        let mut properties = Vec::new();
        while !section.is_empty() {
            let id = section.byte()?;
            let value = match id {
                0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28 | 0x29 | 0x2a => {
                    Value::Number(section.byte()?.into())
                }
                0x13 | 0x21 | 0x22 | 0x23 => Value::Number(section.word()?.into()),
                0x02 | 0x11 | 0x18 | 0x27 => Value::Number(section.long()?),
                0x0b => Value::Number(section.variable()?),
                0x03 | 0x08 | 0x09 | 0x12 | 0x15 | 0x1a | 0x1c | 0x1f => {
                    Value::Text(section.text()?.to_vec())
                }
                0x16 => Value::Secret(section.text()?.len()),
                0x26 => Value::Pair(section.text()?.to_vec(), section.text()?.to_vec()),
                _ => return None,
            };
            if properties.len() < MOST {
                properties.push((id, value));
            }
        }
        Some(Properties(properties))
    }

    /// The alias that stands for a topic.
    pub(super) fn topic_alias(&self) -> Option<u16> {
        self.0.iter().find_map(|(id, value)| match (id, value) {
            (0x23, Value::Number(alias)) => u16::try_from(*alias).ok(),
            _ => None,
        })
    }

    /// Writes a `properties` object, unless there are none.
    pub(super) fn write(&self, o: &mut Object<'_>) {
        if self.0.is_empty() {
            return;
        }
        o.object("properties", |o| {
            let mut seen: u64 = 0;
            for (id, value) in &self.0 {
                // Keys stand once in an object; 0x2a is the highest.
                let bit = 1u64.wrapping_shl((*id).into());
                if seen & bit != 0 {
                    continue;
                }
                seen |= bit;
                match value {
                    Value::Number(number) => o.u64(name(*id), u64::from(*number)),
                    Value::Text(text) => o.bytes(name(*id), text),
                    Value::Secret(length) => o.u64("authentication_data_length", *length as u64),
                    // Names come from the network, so they are values here.
                    Value::Pair(..) => o.array("user_properties", |a| {
                        for (_, value) in &self.0 {
                            if let Value::Pair(key, value) = value {
                                a.object(|o| {
                                    o.bytes("key", key);
                                    o.bytes("value", value);
                                });
                            }
                        }
                    }),
                }
            }
        });
    }
}

fn name(id: u8) -> &'static str {
    match id {
        0x01 => "payload_format_indicator",
        0x02 => "message_expiry_interval",
        0x03 => "content_type",
        0x08 => "response_topic",
        0x09 => "correlation_data",
        0x0b => "subscription_identifier",
        0x11 => "session_expiry_interval",
        0x12 => "assigned_client_identifier",
        0x13 => "server_keep_alive",
        0x15 => "authentication_method",
        0x17 => "request_problem_information",
        0x18 => "will_delay_interval",
        0x19 => "request_response_information",
        0x1a => "response_information",
        0x1c => "server_reference",
        0x1f => "reason_string",
        0x21 => "receive_maximum",
        0x22 => "topic_alias_maximum",
        0x23 => "topic_alias",
        0x24 => "maximum_qos",
        0x25 => "retain_available",
        0x27 => "maximum_packet_size",
        0x28 => "wildcard_subscription_available",
        0x29 => "subscription_identifiers_available",
        0x2a => "shared_subscription_available",
        _ => "unknown",
    }
}
