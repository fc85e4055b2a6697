//! SNMP version 1 and 2c (RFC 1157, RFC 3416), and the objects of a traffic signal controller (NTCIP 1202).

use super::der;

/// Kinds of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Pdu {
    Get = 0xa0,
    Response = 0xa2,
    Set = 0xa3,
}

/// Values.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Value {
    Null,
    Integer(i64),
    Text(String),
    Ticks(u32),
    Oid(&'static str),
}

impl Value {
    fn encoded(&self) -> Vec<u8> {
        match self {
            Value::Null => der::null(),
            Value::Integer(n) => der::number(2, *n),
            Value::Text(text) => der::octets(text.as_bytes()),
            Value::Ticks(n) => der::number(0x43, i64::from(*n)),
            Value::Oid(oid) => der::oid(oid),
        }
    }
}

/// One message. `version` 0 is 1, 1 is 2c.
pub fn message(version: i64, community: &str, pdu: Pdu, id: i64, bindings: &[(String, Value)]) -> Vec<u8> {
    let list: Vec<Vec<u8>> = bindings
        .iter()
        .map(|(oid, value)| der::sequence(&[der::oid(oid), value.encoded()]))
        .collect();
    let body = [
        der::number(2, id),
        der::number(2, 0),
        der::number(2, 0),
        der::sequence(&list),
    ]
    .concat();
    der::sequence(&[
        der::number(2, version),
        der::octets(community.as_bytes()),
        der::tagged(pdu as u8, &body),
    ])
}

/// `sysDescr.0`, `sysObjectID.0`, `sysUpTime.0` and `sysName.0` (RFC 3418).
pub const DESCRIPTION: &str = "1.3.6.1.2.1.1.1.0";
/// See `DESCRIPTION`.
pub const OBJECT: &str = "1.3.6.1.2.1.1.2.0";
/// See `DESCRIPTION`.
pub const UPTIME: &str = "1.3.6.1.2.1.1.3.0";
/// See `DESCRIPTION`.
pub const NAME: &str = "1.3.6.1.2.1.1.5.0";

/// The root of all actuated signal controller objects.
pub const CONTROLLER: &str = "1.3.6.1.4.1.1206.4.2.1";

/// `phaseStatusGroupGreens.1`: which phases show green.
pub const GREENS: &str = "1.3.6.1.4.1.1206.4.2.1.1.4.1.4.1";
/// `coordPatternStatus.0`: the plan that runs.
pub const PATTERN: &str = "1.3.6.1.4.1.1206.4.2.1.4.10.0";
/// `systemPatternControl.0`: the plan that is asked for; 254 is free running, 255 flashes all signals.
pub const PATTERN_CONTROL: &str = "1.3.6.1.4.1.1206.4.2.1.4.14.0";
/// `phaseMinimumGreen` of a phase, in seconds.
pub fn minimum_green(phase: i64) -> String {
    format!("{CONTROLLER}.1.2.1.4.{phase}")
}
