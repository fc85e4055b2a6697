//! ASN.1 values in the distinguished encoding (ITU-T X.690), as SNMP and certificates use it.

/// A value with its tag.
pub fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match content.len() {
        n @ 0..=0x7f => out.push(n as u8),
        n @ 0x80..=0xff => out.extend([0x81, n as u8]),
        n => {
            out.push(0x82);
            out.extend((n as u16).to_be_bytes());
        }
    }
    out.extend(content);
    out
}

/// SEQUENCE.
pub fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    tagged(0x30, &parts.concat())
}

/// A number with any tag (INTEGER is 2), in as few bytes as it needs.
pub fn number(tag: u8, value: i64) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let redundant = bytes
        .windows(2)
        .take_while(|w| matches!((w[0], w[1] & 0x80), (0, 0) | (0xff, 0x80)))
        .count();
    tagged(tag, &bytes[redundant..])
}

/// OCTET STRING.
pub fn octets(value: &[u8]) -> Vec<u8> {
    tagged(4, value)
}

/// NULL.
pub fn null() -> Vec<u8> {
    vec![5, 0]
}

/// OBJECT IDENTIFIER from its dotted text.
pub fn oid(dotted: &str) -> Vec<u8> {
    let arcs: Vec<u64> = dotted.split('.').filter_map(|arc| arc.parse().ok()).collect();
    let mut content = vec![(arcs[0] * 40 + arcs[1]) as u8];
    for arc in &arcs[2..] {
        let groups = (0..10).rev().map(|n| (arc >> (7 * n) & 0x7f) as u8);
        let needed: Vec<u8> = groups.skip_while(|g| *g == 0).collect();
        let (last, first) = needed.split_last().unwrap_or((&0, &[]));
        content.extend(first.iter().map(|g| g | 0x80));
        content.push(*last);
    }
    tagged(6, &content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_as_short_as_they_can_be() {
        assert_eq!(number(2, 0), [2, 1, 0]);
        assert_eq!(number(2, 128), [2, 2, 0, 128]);
        assert_eq!(number(2, -1), [2, 1, 255]);
        assert_eq!(number(2, -129), [2, 2, 0xff, 0x7f]);
        assert_eq!(
            oid("1.3.6.1.4.1.1206.4.0"),
            [6, 9, 0x2b, 6, 1, 4, 1, 0x89, 0x36, 4, 0]
        );
    }
}
