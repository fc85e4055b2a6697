//! Variables: those of the standard, and those that an incident fills.
//!
//! Owns: their types, what the values look like, and the list of [`GIVEN`]. Does not own: how they
//! are compared (`condition`).

use std::net::{Ipv4Addr, Ipv6Addr};

/// A value as conditions see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// Not known.
    Unknown,
    /// `bool`.
    Bool(bool),
    /// `integer`, `long`.
    Int(i64),
    /// `string` and all other types of text.
    Text(String),
    /// A list of texts.
    List(Vec<String>),
}

/// How conditions may use a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Yes or no.
    Bool,
    /// A number.
    Int,
    /// A text.
    Text,
    /// Texts.
    List,
    /// Declared, but of no use to conditions: `float`, `dictionary`.
    Opaque,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Bool => "a bool",
            Kind::Int => "a number",
            Kind::Text => "a text",
            Kind::List => "a list",
            Kind::Opaque => "of a type that conditions cannot use",
        }
    }
}

/// A variable that an incident fills: its name, its type, and what it says.
#[derive(Clone, Copy, Debug)]
pub struct Given {
    /// Name, with the underscores.
    pub name: &'static str,
    /// The standard's type.
    pub type_: &'static str,
    /// What it says, for people.
    pub says: &'static str,
}

const fn given(name: &'static str, type_: &'static str, says: &'static str) -> Given {
    Given { name, type_, says }
}

/// The variables that an incident fills; a playbook declares those that it uses as `external`.
pub const GIVEN: [Given; 14] = [
    given("__incident__", "string", "the incident's number"),
    given("__title__", "string", "the incident in one line"),
    given("__severity__", "integer", "1 (worst) to 4"),
    given(
        "__kinds__",
        "list",
        "what the evidence shows: scan, change, takeover ...",
    ),
    given("__suspect__", "string", "the suspected source"),
    given("__suspects__", "list", "all who are suspected, the source first"),
    given("__suspect_count__", "integer", "how many are suspected"),
    given(
        "__suspect_taken__",
        "bool",
        "the source was taken over and acts on its own",
    ),
    given(
        "__suspect_proved__",
        "bool",
        "the source's address cannot be invented",
    ),
    given(
        "__suspect_zone__",
        "string",
        "the source's zone; 'outside' for none",
    ),
    given("__suspect_criticality__", "string", "normal, essential or safety"),
    given(
        "__suspect_infrastructure__",
        "bool",
        "everything else needs the source: a gateway, a resolver ...",
    ),
    given("__change_count__", "integer", "changing commands without leave"),
    given(
        "__zones_reached__",
        "list",
        "zones that a suspect reached without leave",
    ),
];

/// A variable as a playbook declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name, with the underscores.
    pub name: String,
    /// How conditions may use it.
    pub kind: Kind,
    /// Its value; `Unknown` where the incident fills it.
    pub value: Fact,
    /// The incident fills it.
    pub external: bool,
}

/// The standard's types (variable-type-ov) and what they are to conditions.
pub(crate) const TYPES: [(&str, Kind); 16] = [
    ("bool", Kind::Bool),
    ("dictionary", Kind::Opaque),
    ("float", Kind::Opaque),
    ("hexstring", Kind::Text),
    ("integer", Kind::Int),
    ("ipv4-addr", Kind::Text),
    ("ipv6-addr", Kind::Text),
    ("list", Kind::List),
    ("long", Kind::Int),
    ("mac-addr", Kind::Text),
    ("hash", Kind::Text),
    ("md5-hash", Kind::Text),
    ("sha256-hash", Kind::Text),
    ("string", Kind::Text),
    ("uri", Kind::Text),
    ("uuid", Kind::Text),
];

/// Reads a value of a type; the error says what one looks like.
pub(crate) fn read(type_: &str, text: &str) -> Result<Fact, &'static str> {
    let hex = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit());
    let good = match type_ {
        "bool" => {
            return match text {
                "true" => Ok(Fact::Bool(true)),
                "false" => Ok(Fact::Bool(false)),
                _ => Err("write \"true\" or \"false\""),
            };
        }
        "integer" | "long" => {
            return text
                .parse()
                .map(Fact::Int)
                .map_err(|_| "write a whole number in quotes, as \"3\"");
        }
        "list" => return list(text),
        "float" => text.parse::<f64>().is_ok_and(f64::is_finite),
        "ipv4-addr" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6-addr" => text.parse::<Ipv6Addr>().is_ok(),
        "mac-addr" => {
            let parts: Vec<&str> = text.split(':').collect();
            parts.len() == 6 && parts.iter().all(|p| p.len() == 2 && hex(p))
        }
        "hexstring" => hex(text) && text.len().is_multiple_of(2),
        "md5-hash" => hex(text) && text.len() == 32,
        "sha256-hash" => hex(text) && text.len() == 64,
        "uuid" => is_uuid(text),
        _ => true,
    };
    match good {
        true => Ok(Fact::Text(text.to_owned())),
        false => Err("write it as the standard's variable type says"),
    }
}

fn list(text: &str) -> Result<Fact, &'static str> {
    let fix = "write a JSON list of strings in a string, as \"[\\\"a\\\", \\\"b\\\"]\"";
    let node = super::json::parse(text).map_err(|_| fix)?;
    let super::json::Value::List(items) = node.value else {
        return Err(fix);
    };
    let texts = items.into_iter().map(|item| match item.value {
        super::json::Value::Text(text) => Ok(text),
        _ => Err(fix),
    });
    texts.collect::<Result<_, _>>().map(Fact::List)
}

/// `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`, RFC 9562.
pub(crate) fn is_uuid(text: &str) -> bool {
    let lengths = [8, 4, 4, 4, 12];
    let mut parts = text.split('-');
    let good = lengths.iter().all(|length| {
        parts
            .next()
            .is_some_and(|p| p.len() == *length && p.bytes().all(|b| b.is_ascii_hexdigit()))
    });
    good && parts.next().is_none()
}

/// Is it a variable's name: `__a-b_9__`, letters, digits, `_` and `-` between two underscores?
pub(crate) fn is_name(text: &str) -> bool {
    let inner = text.strip_prefix("__").and_then(|t| t.strip_suffix("__"));
    inner.is_some_and(|t| {
        let letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        !t.is_empty() && t.len() <= 200 && t.bytes().all(letter)
    })
}
