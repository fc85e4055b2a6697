//! What a Modbus exchange means in the words of all control protocols.
//!
//! Owns: verbs, points (`holding:40` is the register with protocol address 40, counted from 0), values,
//! outcomes and techniques; what a device tells of itself. Does not own: when they are given out.

use citywall_event::{
    Command, CommandOutcome, Reading, Side as Party, Sighting, SightingTrait, Technique, Value, Verb,
};

use super::names;
use super::pdu::{Adu, Body, Side};

/// The command that a request is. A request that does not fit its function is a command with the verb
/// `other`: a device may well carry it out.
pub(super) fn command(request: &Adu, response: Option<&Adu>) -> Command {
    let body = request.body(Side::Request);
    let subcode = match body {
        Body::Diagnostic { subfunction, .. } => Some(subfunction),
        Body::Encapsulated { kind, .. } => Some(kind.into()),
        _ => None,
    };
    let verb = verb(request.code(), subcode, body);
    let (point, count, value) = subject(request.code(), body);
    let outcome = match response.map(|r| (r.body(Side::Response), r.is_exception())) {
        None => CommandOutcome::Unanswered,
        Some((Body::Exception(code), _)) => CommandOutcome::Refused(code.into()),
        // It says no, and not why.
        Some((_, true)) => CommandOutcome::Refused(0),
        Some(_) => CommandOutcome::Accepted,
    };
    Command {
        protocol: "modbus",
        verb,
        function: names::function(request.code(), subcode),
        unit: Some(request.unit_id.into()),
        point,
        count,
        value,
        outcome,
        technique: technique(verb),
    }
}

/// True for requests that only read: they are the bulk of polling.
pub(super) fn only_reads(request: &Adu) -> bool {
    matches!(request.code(), 1..=4 | 7 | 11 | 12 | 20 | 24)
}

fn verb(code: u8, subcode: Option<u16>, body: Body<'_>) -> Verb {
    match (code, body) {
        (1..=6 | 15 | 16 | 22..=24, Body::Raw(_)) => Verb::Other,
        (1..=4 | 7 | 11 | 12 | 20 | 24, _) => Verb::Read,
        (5 | 15, _) => Verb::Operate,
        (6 | 16 | 21 | 22 | 23, _) => Verb::Write,
        (17, _) => Verb::Discover,
        (43, _) if subcode == Some(14) => Verb::Discover,
        (8, _) => match subcode {
            Some(1) => Verb::Restart,
            // The device stops to answer until it is restarted.
            Some(4) => Verb::Stop,
            Some(3 | 10 | 20) => Verb::Configure,
            _ => Verb::Read,
        },
        _ => Verb::Other,
    }
}

fn technique(verb: Verb) -> Option<Technique> {
    Some(match verb {
        Verb::Read => Technique::POINT_IDENTIFICATION,
        Verb::Write => Technique::MODIFY_PARAMETER,
        Verb::Operate | Verb::Configure => Technique::UNAUTHORIZED_COMMAND,
        Verb::Restart | Verb::Stop => Technique::DEVICE_RESTART,
        Verb::Discover => Technique::REMOTE_SYSTEM_INFORMATION,
        _ => return None,
    })
}

/// Point, count and value.
fn subject(code: u8, body: Body<'_>) -> (String, u32, Option<Value>) {
    match body {
        Body::Read { address, quantity } => (numbered(table(code), address), quantity.into(), None),
        Body::WriteOne { address, value } => {
            let value = match code {
                5 => Value::Bool(value != 0),
                _ => Value::Uint(value.into()),
            };
            (numbered(table(code), address), 1, Some(value))
        }
        Body::WriteMany {
            address,
            quantity,
            data,
        } => {
            let value = match code {
                15 => bits(data, quantity),
                _ => registers(data),
            };
            (numbered(table(code), address), quantity.into(), Some(value))
        }
        Body::Mask {
            address,
            and_mask,
            or_mask,
        } => {
            let masks = [and_mask, or_mask].map(|m| Value::Uint(m.into()));
            (numbered("holding:", address), 1, Some(Value::List(masks.into())))
        }
        Body::ReadWrite { write, data, .. } => (
            numbered("holding:", write.0),
            write.1.into(),
            Some(registers(data)),
        ),
        Body::Fifo { address } => (numbered("fifo:", address), 1, None),
        Body::Diagnostic { subfunction, .. } => (numbered("diagnostic:", subfunction), 1, None),
        Body::Encapsulated { kind, .. } => match kind {
            14 => ("device_identification".to_owned(), 1, None),
            _ => (numbered("encapsulated:", kind.into()), 1, None),
        },
        Body::Raw(data) => raw_subject(code, data),
        Body::ReadData(_) | Body::Wrote { .. } | Body::FifoData(_) | Body::Exception(_) => {
            (String::new(), 1, None)
        }
    }
}

/// Functions without a layout of their own here.
fn raw_subject(code: u8, data: &[u8]) -> (String, u32, Option<Value>) {
    match (code, data) {
        (7, _) => ("exception_status".to_owned(), 1, None),
        (11, _) => ("event_counter".to_owned(), 1, None),
        (12, _) => ("event_log".to_owned(), 1, None),
        (17, _) => ("server_id".to_owned(), 1, None),
        // The first group: reference type 6, file, record, length.
        (20 | 21, [_, 6, f1, f0, r1, r0, l1, l0, rest @ ..]) => {
            let mut point = numbered("file:", u16::from_be_bytes([*f1, *f0]));
            point.push('/');
            push_number(&mut point, u16::from_be_bytes([*r1, *r0]));
            let count = u16::from_be_bytes([*l1, *l0]);
            let value = (code == 21)
                .then(|| rest.get(..usize::from(count) * 2))
                .flatten()
                .map(registers);
            (point, count.into(), value)
        }
        _ => (
            numbered("function:", code.into()),
            1,
            (!data.is_empty()).then(|| Value::Bytes(data.to_vec())),
        ),
    }
}

/// The reading that an answer holds, where its request says of which points.
pub(super) fn reading(request: &Adu, response: &Adu) -> Option<Reading> {
    let (point, value) = match (request.body(Side::Request), response.body(Side::Response)) {
        (Body::Read { address, quantity }, Body::ReadData(data)) => {
            let value = match request.code() {
                1 | 2 => bits(data, quantity),
                _ => registers(data),
            };
            (numbered(table(request.code()), address), value)
        }
        (Body::ReadWrite { read, .. }, Body::ReadData(data)) => {
            (numbered("holding:", read.0), registers(data))
        }
        (Body::Fifo { address }, Body::FifoData(data)) => (numbered("fifo:", address), registers(data)),
        _ => return None,
    };
    if response.code() != request.code() || matches!(&value, Value::List(l) if l.is_empty()) {
        return None;
    }
    Some(Reading {
        protocol: "modbus",
        unit: Some(request.unit_id.into()),
        point,
        value,
    })
}

/// True where an answer says another thing than its request asked for.
pub(super) fn differs(request: &Adu, response: &Adu) -> bool {
    if response.code() != request.code() {
        return true;
    }
    match (request.body(Side::Request), response.body(Side::Response)) {
        (Body::Read { quantity, .. }, Body::ReadData(data)) => {
            let expected = match request.code() {
                1 | 2 => usize::from(quantity).div_ceil(8),
                _ => usize::from(quantity) * 2,
            };
            data.len() != expected
        }
        (Body::ReadWrite { read, .. }, Body::ReadData(data)) => data.len() != usize::from(read.1) * 2,
        (request @ (Body::WriteOne { .. } | Body::Mask { .. }), response) => {
            request != response && !matches!(response, Body::Exception(_) | Body::Raw(_))
        }
        (
            Body::WriteMany {
                address, quantity, ..
            },
            Body::Wrote {
                address: a,
                quantity: q,
            },
        ) => (address, quantity) != (a, q),
        _ => false,
    }
}

/// What a device says it is: function 43/14 (section 6.21) and function 17 where it answers with text.
pub(super) fn identity(response: &Adu) -> Vec<Sighting> {
    let sighting = |trait_, value: String, evidence| Sighting {
        side: Party::Source,
        trait_,
        value,
        evidence,
    };
    match (response.code(), response.body(Side::Response)) {
        (43, Body::Encapsulated { kind: 14, data }) => {
            let objects = device_objects(data);
            let object = |id| {
                objects
                    .iter()
                    .find(|(n, _)| *n == id)
                    .map(|(_, text)| text.as_str())
            };
            let mut found = Vec::new();
            // Vendor, then the most telling of product name, product code and model.
            let product = object(4).or(object(1)).or(object(5));
            let name: Vec<&str> = [object(0), product].into_iter().flatten().collect();
            if !name.is_empty() {
                found.push(sighting(
                    SightingTrait::Product,
                    name.join(" "),
                    "modbus.device_identification",
                ));
            }
            if let Some(revision) = object(2) {
                let name = product.unwrap_or("firmware");
                let software = format!("{name}/{revision}");
                found.push(sighting(
                    SightingTrait::Software,
                    software,
                    "modbus.device_identification",
                ));
            }
            found
        }
        (17, Body::Raw([_, id @ ..])) => printable_run(id)
            .map(|text| sighting(SightingTrait::Product, text, "modbus.server_id"))
            .into_iter()
            .collect(),
        _ => Vec::new(),
    }
}

/// The objects of a device identification answer: id and text, at most 16.
fn device_objects(data: &[u8]) -> Vec<(u8, String)> {
    let mut objects = Vec::new();
    // Code, conformity level, more follows, next object, number of objects.
    let Some(mut rest) = data.get(5..) else {
        return objects;
    };
    while let [id, length, tail @ ..] = rest {
        let Some(text) = tail.get(..usize::from(*length)) else {
            break;
        };
        if !text.is_empty() && objects.len() < 16 {
            objects.push((*id, String::from_utf8_lossy(text).trim().to_owned()));
        }
        rest = &tail[text.len()..];
    }
    objects
}

/// The first run of at least 4 printable characters.
fn printable_run(data: &[u8]) -> Option<String> {
    data.split(|b| !(0x20..0x7f).contains(b))
        .find(|run| run.len() >= 4)
        .map(|run| String::from_utf8_lossy(run).trim().to_owned())
}

/// Prefix of the points of a function's table.
fn table(code: u8) -> &'static str {
    match code {
        1 | 5 | 15 => "coil:",
        2 => "discrete:",
        4 => "input:",
        _ => "holding:",
    }
}

fn bits(data: &[u8], quantity: u16) -> Value {
    let values = data
        .iter()
        .flat_map(|byte| (0..8).map(move |i| Value::Bool(byte >> i & 1 == 1)));
    one_or_list(values.take(quantity.into()))
}

fn registers(data: &[u8]) -> Value {
    one_or_list(
        data.chunks_exact(2)
            .map(|pair| Value::Uint(u16::from_be_bytes([pair[0], pair[1]]).into())),
    )
}

fn one_or_list(values: impl Iterator<Item = Value>) -> Value {
    let mut list: Vec<Value> = values.collect();
    match (list.len(), list.pop()) {
        (1, Some(only)) => only,
        (_, Some(last)) => {
            list.push(last);
            Value::List(list)
        }
        (_, None) => Value::List(list),
    }
}

fn numbered(prefix: &str, number: u16) -> String {
    let mut text = String::with_capacity(prefix.len() + 5);
    text.push_str(prefix);
    push_number(&mut text, number);
    text
}

/// Appends a decimal number without the formatting machinery: this runs for each ADU.
fn push_number(text: &mut String, number: u16) {
    let mut place = 10_000;
    while place > 1 && number < place {
        place /= 10;
    }
    while place > 0 {
        text.push(char::from(b'0' + (number / place % 10) as u8));
        place /= 10;
    }
}
