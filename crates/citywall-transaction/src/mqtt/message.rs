//! One MQTT control packet as a record: its values, the `mqtt` event, the buffers that rules ask for.
//!
//! Owns: field names (Suricata's EVE, version 8; own are `password_length`, `default_credentials`,
//! `message_length` and `user_properties`).

use citywall_event::json::Object;
use citywall_flow::Direction;

use super::packet::kind;
use super::properties::Properties;
use crate::{Buffer, Number, Record};

/// Bytes of a payload that the event shows.
const SHOWN: usize = 256;

/// One control packet.
#[derive(Clone, Debug)]
pub struct MqttMessage {
    /// Type and flags as sent.
    pub first: u8,
    /// 3 (3.1), 4 (3.1.1) or 5.
    pub version: u8,
    /// Who sent it.
    pub from: Direction,
    /// What it says.
    pub body: MqttBody,
}

/// What a control packet says.
#[derive(Clone, Debug)]
pub enum MqttBody {
    /// CONNECT.
    Connect(Connect),
    /// CONNACK.
    ConnAck {
        /// The broker still knew the client.
        session_present: bool,
        /// Return code (3.1.1) or reason code (5), 0 = accepted.
        code: u8,
        /// Version 5.
        properties: Properties,
    },
    /// PUBLISH.
    Publish(Publish),
    /// PUBACK, PUBREC, PUBREL, PUBCOMP.
    Ack(Ack),
    /// SUBSCRIBE.
    Subscribe(Topics),
    /// UNSUBSCRIBE.
    Unsubscribe(Topics),
    /// SUBACK (granted QoS or refusal) and UNSUBACK (reason), one code for each topic.
    Codes {
        /// Of the request.
        message_id: u16,
        /// Codes.
        codes: Vec<u8>,
        /// Version 5.
        properties: Properties,
    },
    /// DISCONNECT and AUTH.
    Reason {
        /// Version 5.
        reason: Option<u8>,
        /// Version 5.
        properties: Properties,
    },
    /// PINGREQ and PINGRESP.
    Empty,
    /// Larger than what is kept.
    Truncated {
        /// Of a PUBLISH.
        topic: Option<Vec<u8>>,
        /// Bytes of the packet, its header included.
        length: u64,
    },
}

/// CONNECT.
#[derive(Clone, Debug)]
pub struct Connect {
    /// `MQTT` or `MQIsdp`.
    pub protocol: Vec<u8>,
    /// Protocol level.
    pub version: u8,
    /// Connect flags.
    pub flags: u8,
    /// Seconds.
    pub keep_alive: u16,
    /// Version 5.
    pub properties: Properties,
    /// Client identifier.
    pub client_id: Vec<u8>,
    /// What the broker publishes when the client is lost.
    pub will: Option<Will>,
    /// User name (personal).
    pub username: Option<Vec<u8>>,
    /// Bytes of the password, which is not kept.
    pub password_length: Option<u16>,
    /// User name and password are a known default.
    pub default_credentials: bool,
}

/// The will of a CONNECT.
#[derive(Clone, Debug)]
pub struct Will {
    /// Version 5.
    pub properties: Properties,
    /// Topic.
    pub topic: Vec<u8>,
    /// Payload.
    pub message: Vec<u8>,
}

/// PUBLISH.
#[derive(Clone, Debug)]
pub struct Publish {
    /// Topic; that of the alias where the message has only that.
    pub topic: Vec<u8>,
    /// With QoS 1 and 2.
    pub message_id: Option<u16>,
    /// Version 5.
    pub properties: Properties,
    /// Payload.
    pub message: Vec<u8>,
}

/// PUBACK, PUBREC, PUBREL, PUBCOMP.
#[derive(Clone, Debug)]
pub struct Ack {
    /// Of the PUBLISH.
    pub message_id: u16,
    /// Version 5; absent = success.
    pub reason: Option<u8>,
    /// Version 5.
    pub properties: Properties,
}

/// SUBSCRIBE and UNSUBSCRIBE.
#[derive(Clone, Debug)]
pub struct Topics {
    /// Pairs it with its answer.
    pub message_id: u16,
    /// Topic filters with the QoS asked for.
    pub topics: Vec<(Vec<u8>, u8)>,
    /// Version 5.
    pub properties: Properties,
}

impl MqttMessage {
    /// Control packet type, 1 to 15.
    pub fn kind(&self) -> u8 {
        self.first >> 4
    }

    fn reason_code(&self) -> Option<u8> {
        match &self.body {
            MqttBody::ConnAck { code, .. } => Some(*code),
            MqttBody::Ack(ack) if self.version >= 5 => Some(ack.reason.unwrap_or(0)),
            MqttBody::Reason { reason, .. } if self.version >= 5 => Some(reason.unwrap_or(0)),
            MqttBody::Codes { codes, .. } => codes.first().copied(),
            _ => None,
        }
    }

    /// The event's name of the packet type.
    fn name(&self) -> &'static str {
        match self.kind() {
            kind::CONNECT => "connect",
            kind::CONNACK => "connack",
            kind::PUBLISH => "publish",
            kind::PUBACK => "puback",
            kind::PUBREC => "pubrec",
            kind::PUBREL => "pubrel",
            kind::PUBCOMP => "pubcomp",
            kind::SUBSCRIBE => "subscribe",
            kind::SUBACK => "suback",
            kind::UNSUBSCRIBE => "unsubscribe",
            kind::UNSUBACK => "unsuback",
            kind::PINGREQ => "pingreq",
            kind::PINGRESP => "pingresp",
            kind::DISCONNECT => "disconnect",
            kind::AUTH => "auth",
            _ => "unassigned",
        }
    }
}

impl Record for MqttMessage {
    fn event_type(&self) -> &'static str {
        "mqtt"
    }

    fn write(&self, o: &mut Object<'_>) {
        o.object("mqtt", |o| {
            o.object(self.name(), |o| {
                o.u64("qos", (self.first >> 1 & 3).into());
                o.bool("retain", self.first & 1 == 1);
                o.bool("dup", self.first & 8 == 8);
                self.write_body(o);
            });
        });
    }

    fn buffers(&self, which: Buffer, each: &mut dyn FnMut(&[u8])) {
        match (&self.body, which) {
            (MqttBody::Connect(c), _) => match (which, &c.username, &c.will) {
                (Buffer::MqttClientId, _, _) => each(&c.client_id),
                (Buffer::MqttProtocolName, _, _) => each(&c.protocol),
                (Buffer::MqttUsername, Some(username), _) => each(username),
                (Buffer::MqttWillTopic, _, Some(will)) => each(&will.topic),
                (Buffer::MqttWillMessage, _, Some(will)) => each(&will.message),
                _ => {}
            },
            (MqttBody::Publish(p), Buffer::MqttPublishTopic) => each(&p.topic),
            (MqttBody::Publish(p), Buffer::MqttPublishMessage) => each(&p.message),
            (
                MqttBody::Truncated {
                    topic: Some(topic), ..
                },
                Buffer::MqttPublishTopic,
            ) => each(topic),
            (MqttBody::Subscribe(s), Buffer::MqttSubscribeTopic) => s.topics.iter().for_each(|t| each(&t.0)),
            (MqttBody::Unsubscribe(s), Buffer::MqttUnsubscribeTopic) => {
                s.topics.iter().for_each(|t| each(&t.0));
            }
            _ => {}
        }
    }

    fn number(&self, which: Number) -> Option<u64> {
        match which {
            Number::MqttType => Some(self.kind().into()),
            Number::MqttFlags => Some((self.first & 15).into()),
            Number::MqttQos => Some((self.first >> 1 & 3).into()),
            Number::MqttProtocolVersion => Some(self.version.into()),
            Number::MqttReasonCode => self.reason_code().map(u64::from),
            _ => None,
        }
    }

    fn direction(&self) -> Option<Direction> {
        Some(self.from)
    }
}

impl MqttMessage {
    fn write_body(&self, o: &mut Object<'_>) {
        match &self.body {
            MqttBody::Connect(connect) => write_connect(o, connect),
            MqttBody::ConnAck {
                session_present,
                code,
                properties,
            } => {
                o.bool("session_present", *session_present);
                o.u64("return_code", (*code).into());
                properties.write(o);
            }
            MqttBody::Publish(publish) => write_publish(o, publish),
            MqttBody::Ack(ack) => {
                o.u64("message_id", ack.message_id.into());
                self.write_reason(o);
                ack.properties.write(o);
            }
            MqttBody::Subscribe(subscribe) => {
                o.u64("message_id", subscribe.message_id.into());
                o.array("topics", |a| {
                    for (topic, qos) in &subscribe.topics {
                        a.object(|o| {
                            o.bytes("topic", topic);
                            o.u64("qos", (*qos).into());
                        });
                    }
                });
                subscribe.properties.write(o);
            }
            MqttBody::Unsubscribe(unsubscribe) => {
                o.u64("message_id", unsubscribe.message_id.into());
                o.array("topics", |a| {
                    unsubscribe.topics.iter().for_each(|(topic, _)| a.bytes(topic))
                });
                unsubscribe.properties.write(o);
            }
            MqttBody::Codes {
                message_id,
                codes,
                properties,
            } => {
                o.u64("message_id", (*message_id).into());
                let key = if self.kind() == kind::SUBACK {
                    "qos_granted"
                } else {
                    "reason_codes"
                };
                if !codes.is_empty() {
                    o.array(key, |a| codes.iter().for_each(|code| a.u64((*code).into())));
                }
                properties.write(o);
            }
            MqttBody::Reason { properties, .. } => {
                self.write_reason(o);
                properties.write(o);
            }
            MqttBody::Empty => {}
            MqttBody::Truncated { topic, length } => {
                if let Some(topic) = topic {
                    o.bytes("topic", topic);
                }
                o.bool("truncated", true);
                o.u64("skipped_length", *length);
            }
        }
    }

    fn write_reason(&self, o: &mut Object<'_>) {
        if let Some(reason) = self.reason_code() {
            o.u64("reason_code", reason.into());
        }
    }
}

fn write_publish(o: &mut Object<'_>, publish: &Publish) {
    o.bytes("topic", &publish.topic);
    if let Some(id) = publish.message_id {
        o.u64("message_id", id.into());
    }
    o.bytes("message", shown(&publish.message));
    o.u64("message_length", publish.message.len() as u64);
    publish.properties.write(o);
}

fn write_connect(o: &mut Object<'_>, connect: &Connect) {
    let flag = |bit| connect.flags & bit != 0;
    o.bytes("protocol_string", &connect.protocol);
    o.u64("protocol_version", connect.version.into());
    o.object("flags", |o| {
        o.bool("username", flag(0x80));
        o.bool("password", flag(0x40));
        o.bool("will_retain", flag(0x20));
        o.bool("will", flag(0x04));
        o.bool("clean_session", flag(0x02));
    });
    o.bytes("client_id", &connect.client_id);
    if let Some(username) = &connect.username {
        o.bytes("username", username);
    }
    if let Some(length) = connect.password_length {
        o.u64("password_length", length.into());
        o.bool("default_credentials", connect.default_credentials);
    }
    if let Some(will) = &connect.will {
        o.object("will", |o| {
            o.bytes("topic", &will.topic);
            o.bytes("message", shown(&will.message));
            will.properties.write(o);
        });
    }
    connect.properties.write(o);
}

fn shown(message: &[u8]) -> &[u8] {
    message.get(..SHOWN).unwrap_or(message)
}
