//! Variable bindings: the object identifier and the value of each (RFC 3416 section 3).

use std::net::{IpAddr, Ipv4Addr};

use citywall_event::Value;
use citywall_event::json::{self, Object};

use super::ber::{self, BerError, Reader, tag};

/// One variable binding, as it lies in the message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Binding<'a> {
    /// Contents of the object identifier.
    pub oid: &'a [u8],
    pub tag: u8,
    /// Contents of the value.
    pub contents: &'a [u8],
}

/// The bindings of a list, until one is not well formed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bindings<'a>(Reader<'a>);

impl<'a> Bindings<'a> {
    /// Over the contents of the list.
    pub(super) fn new(list: &'a [u8]) -> Bindings<'a> {
        Bindings(Reader::new(list))
    }

    fn read(&mut self) -> Result<Binding<'a>, BerError> {
        let mut pair = self.0.sequence()?;
        let oid = pair.tagged(tag::OID)?;
        let (tag, contents) = pair.any()?;
        Ok(Binding { oid, tag, contents })
    }

    /// Looks at all: how many are well formed, and why the next one is not.
    pub(super) fn check(mut self) -> (u32, Option<BerError>) {
        let mut count = 0;
        let mut wrong = None;
        while !self.0.is_empty() {
            let binding = match self.read() {
                Ok(binding) => binding,
                Err(error) => return (count, wrong.or(Some(error))),
            };
            // A wrong value is marked and shown as bytes; the list goes on.
            wrong = wrong.or(binding.check().err());
            count += 1;
        }
        (count, wrong)
    }
}

impl<'a> Iterator for Bindings<'a> {
    type Item = Binding<'a>;

    fn next(&mut self) -> Option<Binding<'a>> {
        let binding = self.read().ok();
        if binding.is_none() {
            self.0 = Reader::new(&[]);
        }
        binding
    }
}

/// Appends the dotted form. An identifier that is not well formed ends where it breaks off; one of no
/// bytes stands for none, which is written `0.0` (zeroDotZero, RFC 2578 section 2).
pub(super) fn dotted(contents: &[u8], out: &mut Vec<u8>) {
    if contents.is_empty() {
        out.extend_from_slice(b"0.0");
        return;
    }
    let mut first = true;
    let _ = ber::oid(contents, |number| {
        if !first {
            out.push(b'.');
        }
        first = false;
        json::number(out, number.into());
    });
}

/// The dotted form.
pub(super) fn dotted_string(contents: &[u8]) -> String {
    let mut text = Vec::with_capacity(contents.len() * 3);
    dotted(contents, &mut text);
    String::from_utf8(text).unwrap_or_default()
}

/// A real number inside an Opaque value, as net-snmp's agents wrap it: tag 9F 78 (float) or 9F 79
/// (double), length, IEEE 754.
fn opaque_real(contents: &[u8]) -> Option<f64> {
    match contents {
        &[0x9f, 0x78, 4, a, b, c, d] => Some(f32::from_be_bytes([a, b, c, d]).into()),
        [0x9f, 0x79, 8, bytes @ ..] => Some(f64::from_be_bytes(bytes.try_into().ok()?)),
        _ => None,
    }
}

/// UTF-8 without control characters other than white space; zeros at the end do not count.
fn text(contents: &[u8]) -> Option<&str> {
    let end = contents.iter().rposition(|&b| b != 0).map_or(0, |last| last + 1);
    if end == 0 && !contents.is_empty() {
        return None;
    }
    let text = std::str::from_utf8(&contents[..end]).ok()?;
    let plain = text
        .chars()
        .all(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t'));
    plain.then_some(text)
}

impl Binding<'_> {
    fn check(&self) -> Result<(), BerError> {
        ber::oid(self.oid, |_| {})?;
        match self.tag {
            tag::INTEGER => ber::signed(self.contents).map(|_| ()),
            tag::COUNTER32 | tag::GAUGE32 | tag::TIME_TICKS | tag::COUNTER64 | tag::UINTEGER32 => {
                ber::unsigned(self.contents).map(|_| ())
            }
            tag::OID => ber::oid(self.contents, |_| {}),
            tag::IP_ADDRESS if self.contents.len() != 4 => Err(BerError::Length),
            _ => Ok(()),
        }
    }

    /// The name of the value's type; `None` for a tag that SNMP does not have.
    fn kind(&self) -> Option<&'static str> {
        Some(match self.tag {
            tag::INTEGER => "integer",
            tag::OCTETS => "octet_string",
            tag::NULL => "null",
            tag::OID => "oid",
            tag::IP_ADDRESS => "ip_address",
            tag::COUNTER32 => "counter32",
            tag::GAUGE32 => "gauge32",
            tag::TIME_TICKS => "timeticks",
            tag::OPAQUE => "opaque",
            tag::COUNTER64 => "counter64",
            tag::UINTEGER32 => "uinteger32",
            tag::NO_SUCH_OBJECT => "no_such_object",
            tag::NO_SUCH_INSTANCE => "no_such_instance",
            tag::END_OF_MIB_VIEW => "end_of_mib_view",
            _ => return None,
        })
    }

    /// False for null and for "there is no such value".
    pub(super) fn has_value(&self) -> bool {
        !matches!(
            self.tag,
            tag::NULL | tag::NO_SUCH_OBJECT | tag::NO_SUCH_INSTANCE | tag::END_OF_MIB_VIEW
        )
    }

    fn ip(&self) -> Option<IpAddr> {
        let octets: [u8; 4] = self.contents.try_into().ok()?;
        Some(IpAddr::V4(Ipv4Addr::from(octets)))
    }

    /// The value; `None` for null and for "there is no such value".
    pub(super) fn value(&self) -> Option<Value> {
        let bytes = || Value::Bytes(self.contents.to_vec());
        Some(match self.tag {
            _ if !self.has_value() => return None,
            tag::INTEGER => ber::signed(self.contents).map_or_else(|_| bytes(), Value::Int),
            tag::COUNTER32 | tag::GAUGE32 | tag::TIME_TICKS | tag::COUNTER64 | tag::UINTEGER32 => {
                ber::unsigned(self.contents).map_or_else(|_| bytes(), Value::Uint)
            }
            tag::OCTETS => text(self.contents).map_or_else(bytes, |text| Value::Text(text.to_owned())),
            tag::OID => Value::Text(dotted_string(self.contents)),
            tag::IP_ADDRESS => self.ip().map_or_else(bytes, |ip| Value::Text(ip.to_string())),
            tag::OPAQUE => opaque_real(self.contents).map_or_else(bytes, Value::Float),
            _ => bytes(),
        })
    }

    /// Writes `oid`, `type` and `value`.
    pub(super) fn write(&self, o: &mut Object<'_>, scratch: &mut Vec<u8>) {
        scratch.clear();
        dotted(self.oid, scratch);
        o.bytes("oid", scratch);
        match self.kind() {
            Some(kind) => o.str("type", kind),
            None => {
                scratch.clear();
                scratch.extend_from_slice(b"tag_");
                json::hex(scratch, &[self.tag]);
                o.bytes("type", scratch);
            }
        }
        match self.tag {
            _ if !self.has_value() => {}
            tag::INTEGER => match ber::signed(self.contents) {
                Ok(number) => o.i64("value", number),
                Err(_) => o.hex("value", self.contents),
            },
            tag::COUNTER32 | tag::GAUGE32 | tag::TIME_TICKS | tag::COUNTER64 | tag::UINTEGER32 => {
                match ber::unsigned(self.contents) {
                    Ok(number) => o.u64("value", number),
                    Err(_) => o.hex("value", self.contents),
                }
            }
            tag::OCTETS => match text(self.contents) {
                Some(text) => o.str("value", text),
                None => o.hex("value", self.contents),
            },
            tag::OID => {
                scratch.clear();
                dotted(self.contents, scratch);
                o.bytes("value", scratch);
            }
            tag::IP_ADDRESS => match self.ip() {
                Some(ip) => o.ip("value", ip),
                None => o.hex("value", self.contents),
            },
            tag::OPAQUE => match opaque_real(self.contents) {
                Some(number) => o.f64("value", number),
                None => o.hex("value", self.contents),
            },
            _ => o.hex("value", self.contents),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_of_no_bytes_is_the_null_identifier() {
        assert_eq!(dotted_string(b""), "0.0");
        assert_eq!(dotted_string(b"\0"), "0.0");
        assert_eq!(dotted_string(b"\x2b\x06\x01"), "1.3.6.1");
        assert_eq!(dotted_string(b"\x2b\x86"), "1.3");
    }
}
