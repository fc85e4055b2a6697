//! What MQTT messages mean in the words of all control protocols.
//!
//! Owns: which topic is a command, values of payloads. A PUBLISH to the broker tells a value of the device
//! (`Reading`) and is a command with the verb `publish`, left out with the plain reads. Where a segment of the
//! topic says that it commands (`set`, `cmd`, ...), it is a command always, with a technique; and so is the
//! same PUBLISH from the broker to the device that it reaches. The verb stays `publish`, so that the city
//! file's `mqtt: publish TOPIC` and a subscription speak of all of them. What else the broker passes on was a
//! reading already.

use citywall_event::{Command, CommandOutcome, Reading, Technique, Value, Verb};

use super::message::Publish;

/// Characters of a text value that are kept.
const TEXT: usize = 128;

/// Bytes of a topic that are kept in a command or reading.
const TOPIC: usize = 1_024;

/// Segments of a topic by which it commands.
const COMMANDS: [&[u8]; 7] = [
    b"cmd",
    b"cmnd",
    b"command",
    b"commands",
    b"set",
    b"control",
    b"rpc",
];

/// True where a topic is one that devices take commands from.
pub(super) fn commands(topic: &[u8]) -> bool {
    topic
        .split(|b| *b == b'/')
        .any(|segment| COMMANDS.iter().any(|word| segment.eq_ignore_ascii_case(word)))
}

/// The command that a PUBLISH is.
pub(super) fn publish(publish: &Publish) -> Command {
    Command {
        value: Some(value(&publish.message)),
        ..large_publish(&publish.topic)
    }
}

/// The command that a PUBLISH to this topic is, whose message is larger than what is kept.
pub(super) fn large_publish(topic: &[u8]) -> Command {
    Command {
        protocol: "mqtt",
        verb: Verb::Publish,
        function: "publish",
        unit: None,
        point: point(topic),
        count: 1,
        value: None,
        // Until its receiver acknowledges it: to a broker that is the broker, not the devices behind it.
        outcome: CommandOutcome::Unanswered,
        technique: commands(topic).then_some(Technique::UNAUTHORIZED_COMMAND),
    }
}

/// The reading that a device's PUBLISH is.
pub(super) fn reading(publish: &Publish) -> Reading {
    Reading {
        protocol: "mqtt",
        unit: None,
        point: point(&publish.topic),
        value: value(&publish.message),
    }
}

/// The command that one topic of a SUBSCRIBE is.
pub(super) fn subscribe(topic: &[u8], code: Option<u8>) -> Command {
    Command {
        protocol: "mqtt",
        verb: Verb::Subscribe,
        function: "subscribe",
        unit: None,
        point: point(topic),
        count: 1,
        value: None,
        outcome: match code {
            None => CommandOutcome::Unanswered,
            Some(code) if code < 0x80 => CommandOutcome::Accepted,
            Some(code) => CommandOutcome::Refused(code.into()),
        },
        technique: None,
    }
}

fn point(topic: &[u8]) -> String {
    String::from_utf8_lossy(topic.get(..TOPIC).unwrap_or(topic)).into_owned()
}

/// A number or a truth value where the payload is one, else text, else bytes.
pub(super) fn value(message: &[u8]) -> Value {
    let Ok(text) = std::str::from_utf8(message) else {
        return Value::Bytes(message.get(..64).unwrap_or(message).to_vec());
    };
    let word = text.trim();
    if word.len() <= 24 && word.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '.') {
        if let Ok(number) = word.parse::<i64>() {
            return Value::Int(number);
        }
        if let Ok(number) = word.parse::<f64>()
            && number.is_finite()
        {
            return Value::Float(number);
        }
    }
    match word {
        "true" | "on" | "ON" => Value::Bool(true),
        "false" | "off" | "OFF" => Value::Bool(false),
        _ => Value::Text(cut(text).to_owned()),
    }
}

/// The first `TEXT` characters.
fn cut(text: &str) -> &str {
    let beyond = text.char_indices().nth(TEXT);
    beyond.map_or(text, |(end, _)| text.get(..end).unwrap_or(text))
}
