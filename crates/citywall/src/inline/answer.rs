//! Refusals in the protocols' own words.
//!
//! Owns: the bytes of such answers, made from the request that is refused. Does not own: whether it
//! is refused, and how the answer gets to the one who asked.

/// Modbus exception codes (MODBUS Application Protocol Specification V1.1b3, section 7).
const ILLEGAL_FUNCTION: u8 = 1;
const ILLEGAL_ADDRESS: u8 = 2;

/// "Not authorized" of MQTT 5.0 (section 2.4), and the one failure that SUBACK has in 3.1.1.
const NOT_AUTHORIZED: u8 = 0x87;
const FAILURE: u8 = 0x80;

/// `noSuchName` of SNMPv1 (RFC 1157, 4.1.5), which v1 managers expect of what they may not set.
const NO_SUCH_NAME: u8 = 2;
/// `noAccess` (RFC 3416, 3).
const NO_ACCESS: u8 = 6;

/// What a refused HTTP request is answered with; the connection ends.
pub const FORBIDDEN: &[u8] = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// The exception to a Modbus/TCP request. `point_only`: another address would do.
pub fn modbus(request: &[u8], point_only: bool) -> Vec<u8> {
    let &[t1, t0, _, _, _, _, unit, function, ..] = request else {
        return Vec::new();
    };
    let code = if point_only {
        ILLEGAL_ADDRESS
    } else {
        ILLEGAL_FUNCTION
    };
    vec![t1, t0, 0, 0, 0, 3, unit, function | 0x80, code]
}

/// The refusal of an MQTT control packet whose fixed header has `header` bytes; `version` is that of
/// its CONNECT. Empty where the protocol has none: a PUBLISH of 3.1.1, or of quality 0.
pub fn mqtt(packet: &[u8], header: usize, version: u8) -> Vec<u8> {
    let (Some(&first), Some(body)) = (packet.first(), packet.get(header..)) else {
        return Vec::new();
    };
    match (first >> 4, first >> 1 & 3) {
        (3, quality @ (1 | 2)) if version >= 5 => {
            let &[high, low, ref rest @ ..] = body else {
                return Vec::new();
            };
            let topic = usize::from(u16::from_be_bytes([high, low]));
            let Some(id) = rest.get(topic..topic + 2) else {
                return Vec::new();
            };
            // PUBACK or PUBREC with a reason.
            let kind = if quality == 1 { 0x40 } else { 0x50 };
            [&[kind, 3], id, &[NOT_AUTHORIZED]].concat()
        }
        (8, _) => suback(body, version),
        _ => Vec::new(),
    }
}

/// A SUBACK that refuses each topic.
fn suback(body: &[u8], version: u8) -> Vec<u8> {
    let (Some(id), mut rest) = (body.get(..2), body.get(2..).unwrap_or(&[])) else {
        return Vec::new();
    };
    if version >= 5 {
        let Some((size, properties)) = variable(rest) else {
            return Vec::new();
        };
        rest = rest.get(size + properties..).unwrap_or(&[]);
    }
    let mut topics = 0;
    while let &[high, low, ref more @ ..] = rest {
        topics += 1;
        let topic = usize::from(u16::from_be_bytes([high, low]));
        rest = more.get(topic + 1..).unwrap_or(&[]);
    }
    let code = if version >= 5 { NOT_AUTHORIZED } else { FAILURE };
    let mut codes = id.to_vec();
    if version >= 5 {
        codes.push(0);
    }
    codes.extend(std::iter::repeat_n(code, topics));
    // A length of one byte; who subscribes to more at a time gets silence.
    match u8::try_from(codes.len()) {
        Ok(len) if len < 128 => [&[0x90, len], &codes[..]].concat(),
        _ => Vec::new(),
    }
}

/// A "variable byte integer" (MQTT 5.0, 1.5.5): how many bytes it has, and its value.
pub fn variable(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0;
    for (n, byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * n);
        if byte & 0x80 == 0 {
            return Some((n + 1, value));
        }
    }
    None
}

/// The response to an SNMP v1 or v2c request that says it may not be: the request itself with
/// another tag and an error status. Empty where it is none that can be answered so (v3 is sealed).
pub fn snmp(request: &[u8]) -> Vec<u8> {
    snmp_response(request).unwrap_or_default()
}

fn snmp_response(request: &[u8]) -> Option<Vec<u8>> {
    const INTEGER: u8 = 2;
    const GET_RESPONSE: u8 = 0xa2;
    let (body, _) = element(request, 0, 0x30)?;
    let (version, after) = element(request, body.start, INTEGER)?;
    let v1 = match request.get(version)? {
        [0] => true,
        [1] => false,
        _ => return None,
    };
    let (_, pdu) = element(request, after, 4)?;
    // Get, get-next, set, get-bulk.
    let tag = *request.get(pdu)?;
    if !matches!(tag, 0xa0 | 0xa1 | 0xa3 | 0xa5) {
        return None;
    }
    let (inner, _) = element(request, pdu, tag)?;
    let (_, after) = element(request, inner.start, INTEGER)?;
    let (status, after) = element(request, after, INTEGER)?;
    let (index, _) = element(request, after, INTEGER)?;
    if status.len() != 1 || index.len() != 1 {
        return None;
    }
    let mut response = request.to_vec();
    *response.get_mut(pdu)? = GET_RESPONSE;
    *response.get_mut(status.start)? = if v1 { NO_SUCH_NAME } else { NO_ACCESS };
    *response.get_mut(index.start)? = 1;
    Some(response)
}

/// The contents of a BER element with this tag at `at`, and what follows it.
fn element(data: &[u8], at: usize, tag: u8) -> Option<(std::ops::Range<usize>, usize)> {
    if *data.get(at)? != tag {
        return None;
    }
    let first = *data.get(at + 1)?;
    let (start, len) = match first {
        0..=0x7f => (at + 2, usize::from(first)),
        0x81 => (at + 3, usize::from(*data.get(at + 2)?)),
        0x82 => {
            let high = usize::from(*data.get(at + 2)?);
            (at + 4, high << 8 | usize::from(*data.get(at + 3)?))
        }
        _ => return None,
    };
    let end = start.checked_add(len).filter(|end| *end <= data.len())?;
    Some((start..end, end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_protocol_refuses_in_its_own_words() {
        let write = [0, 7, 0, 0, 0, 6, 1, 6, 0, 40, 0, 1];
        assert_eq!(modbus(&write, false), [0, 7, 0, 0, 0, 3, 1, 0x86, 1]);
        assert_eq!(modbus(&write, true), [0, 7, 0, 0, 0, 3, 1, 0x86, 2]);
        let publish = [0x32, 9, 0, 3, b'a', b'/', b'b', 0, 9, 0, b'1'];
        assert_eq!(mqtt(&publish, 2, 5), [0x40, 3, 0, 9, 0x87]);
        assert!(mqtt(&publish, 2, 4).is_empty());
        let subscribe = [0x82, 8, 0, 5, 0, 3, b'a', b'/', b'b', 0];
        assert_eq!(mqtt(&subscribe, 2, 4), [0x90, 3, 0, 5, 0x80]);
        let set = [
            0x30, 0x26, 2, 1, 1, 4, 6, b'p', b'u', b'b', b'l', b'i', b'c', 0xa3, 0x19, 2, 1, 5, 2, 1, 0, 2,
            1, 0, 0x30, 0x0e, 0x30, 0x0c, 6, 8, 0x2b, 6, 1, 2, 1, 1, 5, 0, 5, 0,
        ];
        let answer = snmp(&set);
        assert_eq!((answer[13], answer[20], answer[23]), (0xa2, 6, 1));
        assert_eq!(answer.len(), set.len());
        let mut v1 = set;
        v1[4] = 0;
        assert_eq!(snmp(&v1)[20], 2);
        assert!(snmp(&set[..20]).is_empty());
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..80), header in 0usize..6, version: u8) {
            let (a, b, c) = (modbus(&bytes, false), mqtt(&bytes, header, version), snmp(&bytes));
            prop_assert!(a.len() <= 9 && b.len() < 130 && c.len() <= bytes.len());
        }
    }
}
