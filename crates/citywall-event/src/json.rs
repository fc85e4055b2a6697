//! A JSON writer that appends to a byte buffer without building a tree.
//!
//! Owns: escaping, number and address formatting, comma placement. Does not own field names.
//! Output is always valid UTF-8 JSON on one line, whatever bytes the network sent: valid UTF-8 is
//! kept, any other byte becomes the text `\xHH`.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use crate::{Mac, Nanos, Order};

/// Writes one JSON object. Keys are field names of the registry, so they are never escaped.
pub struct Object<'a> {
    out: &'a mut Vec<u8>,
    /// What stands before the next member: the bracket, then a comma. So the bracket is written with the first
    /// member, and each member is one copy of a size that is known when compiling.
    before: u8,
}

impl<'a> Object<'a> {
    /// Writes `{`, what `fill` adds, and `}`.
    pub fn write(out: &mut Vec<u8>, fill: impl FnOnce(&mut Object<'_>)) {
        let mut object = Object { out, before: b'{' };
        fill(&mut object);
        if object.before == b'{' {
            object.out.push(b'{');
        }
        object.out.push(b'}');
    }

    /// Inlined always: with a key that is known when compiling this is one look at the room and a few
    /// plain stores.
    #[inline(always)]
    fn key(&mut self, key: &str) {
        const ROOM: usize = 40;
        let end = key.len() + 4;
        if end > ROOM {
            return self.long_key(key);
        }
        let mut text = [b'"'; ROOM];
        text[0] = self.before;
        text[2..end - 2].copy_from_slice(key.as_bytes());
        text[end - 1] = b':';
        self.out.extend_from_slice(&text[..end]);
        self.before = b',';
    }

    #[cold]
    fn long_key(&mut self, key: &str) {
        self.out.push(self.before);
        self.before = b',';
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    /// A string field.
    #[inline]
    pub fn str(&mut self, key: &str, value: &str) {
        self.key(key);
        string(self.out, value.as_bytes());
    }

    /// A string field whose value is a word of our own: it holds nothing that is escaped.
    #[inline(always)]
    pub fn word(&mut self, key: &str, value: &'static str) {
        self.key(key);
        word(self.out, value.as_bytes());
    }

    /// A string field from bytes of the network.
    #[inline]
    pub fn bytes(&mut self, key: &str, value: &[u8]) {
        self.key(key);
        string(self.out, value);
    }

    /// A string field of lower-case hexadecimal digits.
    pub fn hex(&mut self, key: &str, value: &[u8]) {
        self.key(key);
        self.out.push(b'"');
        hex(self.out, value);
        self.out.push(b'"');
    }

    /// An unsigned number field.
    #[inline]
    pub fn u64(&mut self, key: &str, value: u64) {
        self.key(key);
        number(self.out, value);
    }

    /// A signed number field.
    #[inline]
    pub fn i64(&mut self, key: &str, value: i64) {
        self.key(key);
        self.out
            .extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    /// A floating-point field; not-a-number and infinities become `null`.
    pub fn f64(&mut self, key: &str, value: f64) {
        self.key(key);
        float(self.out, value);
    }

    /// A boolean field.
    #[inline]
    pub fn bool(&mut self, key: &str, value: bool) {
        self.key(key);
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
    }

    /// An IP address as a string field. IPv6 is written in full groups as Suricata does.
    #[inline]
    pub fn ip(&mut self, key: &str, value: IpAddr) {
        self.key(key);
        self.out.push(b'"');
        ip(self.out, value);
        self.out.push(b'"');
    }

    /// An event id as a string field.
    #[inline]
    pub fn id(&mut self, key: &str, value: &Order) {
        self.key(key);
        self.out.push(b'"');
        value.write_id(self.out);
        self.out.push(b'"');
    }

    /// A MAC address as a string field, `aa:bb:cc:dd:ee:ff`.
    pub fn mac(&mut self, key: &str, value: Mac) {
        self.key(key);
        self.out.push(b'"');
        mac(self.out, value);
        self.out.push(b'"');
    }

    /// A time field, UTC: `2026-11-22T15:47:19.123456+0000`.
    #[inline]
    pub fn time(&mut self, key: &str, value: Nanos) {
        self.key(key);
        self.out.push(b'"');
        time(self.out, value);
        self.out.push(b'"');
    }

    /// A nested object.
    #[inline]
    pub fn object(&mut self, key: &str, fill: impl FnOnce(&mut Object<'_>)) {
        self.key(key);
        Object::write(self.out, fill);
    }

    /// A nested array.
    #[inline]
    pub fn array(&mut self, key: &str, fill: impl FnOnce(&mut Array<'_>)) {
        self.key(key);
        Array::write(self.out, fill);
    }

    /// Appends text that is already JSON members (`"a":1,"b":2`); the caller vouches for it.
    #[inline]
    pub fn members(&mut self, rendered: &[u8]) {
        if rendered.is_empty() {
            return;
        }
        self.out.push(self.before);
        self.before = b',';
        self.out.extend_from_slice(rendered);
    }
}

/// Writes one JSON array.
pub struct Array<'a> {
    out: &'a mut Vec<u8>,
    /// What stands before the next element, as in [`Object`].
    before: u8,
}

impl Array<'_> {
    fn write(out: &mut Vec<u8>, fill: impl FnOnce(&mut Array<'_>)) {
        let mut array = Array { out, before: b'[' };
        fill(&mut array);
        if array.before == b'[' {
            array.out.push(b'[');
        }
        array.out.push(b']');
    }

    #[inline]
    fn comma(&mut self) {
        self.out.push(self.before);
        self.before = b',';
    }

    /// A string element.
    pub fn str(&mut self, value: &str) {
        self.comma();
        string(self.out, value.as_bytes());
    }

    /// A string element from bytes of the network.
    pub fn bytes(&mut self, value: &[u8]) {
        self.comma();
        string(self.out, value);
    }

    /// An unsigned number element.
    pub fn u64(&mut self, value: u64) {
        self.comma();
        number(self.out, value);
    }

    /// A signed number element.
    pub fn i64(&mut self, value: i64) {
        self.comma();
        self.out
            .extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    /// A floating-point element.
    pub fn f64(&mut self, value: f64) {
        self.comma();
        float(self.out, value);
    }

    /// A boolean element.
    pub fn bool(&mut self, value: bool) {
        self.comma();
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
    }

    /// An IP address element.
    pub fn ip(&mut self, value: IpAddr) {
        self.comma();
        self.out.push(b'"');
        ip(self.out, value);
        self.out.push(b'"');
    }

    /// A MAC address element.
    pub fn mac(&mut self, value: Mac) {
        self.comma();
        self.out.push(b'"');
        mac(self.out, value);
        self.out.push(b'"');
    }

    /// A hexadecimal string element.
    pub fn hex(&mut self, value: &[u8]) {
        self.comma();
        self.out.push(b'"');
        hex(self.out, value);
        self.out.push(b'"');
    }

    /// A nested object.
    pub fn object(&mut self, fill: impl FnOnce(&mut Object<'_>)) {
        self.comma();
        Object::write(self.out, fill);
    }

    /// A nested array.
    pub fn array(&mut self, fill: impl FnOnce(&mut Array<'_>)) {
        self.comma();
        Array::write(self.out, fill);
    }
}

/// Appends the first `len` bytes of `text`. All of it is copied, whose size is known when compiling:
/// a few plain stores, where the copy of a few bytes would be a call.
#[inline(always)]
fn put<const N: usize>(out: &mut Vec<u8>, text: &[u8; N], len: usize) {
    let end = out.len() + len.min(N);
    out.extend_from_slice(text);
    out.truncate(end);
}

const HEX: &[u8; 16] = b"0123456789abcdef";

/// The two digits of a byte.
#[inline(always)]
fn hex_of(byte: u8) -> [u8; 2] {
    [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]
}

/// Appends a quoted JSON string. Control characters are escaped; invalid UTF-8 becomes `\xHH`
/// (with the backslash itself escaped).
pub fn string(out: &mut Vec<u8>, value: &[u8]) {
    out.reserve(value.len() + 10);
    out.push(b'"');
    let mut rest = value;
    loop {
        rest = &rest[plain(out, rest)..];
        let Some(&byte) = rest.first() else { break };
        rest = &rest[special(out, byte, rest)..];
    }
    out.push(b'"');
}

/// Appends a quoted word of our own; nearly all have eight letters at most.
fn word(out: &mut Vec<u8>, value: &[u8]) {
    if value.len() > 8 {
        out.reserve(value.len() + 2);
        out.push(b'"');
        out.extend_from_slice(value);
        return out.push(b'"');
    }
    let letters = match value.first_chunk::<8>() {
        Some(eight) => u64::from_le_bytes(*eight),
        None => few(value),
    };
    let quoted = u128::from(letters) << 8 | u128::from(b'"') | u128::from(b'"') << (8 * (value.len() + 1));
    put(out, &quoted.to_le_bytes(), value.len() + 2);
}

/// Appends the bytes at the start that stand for themselves, eight at a time; returns how many.
#[inline]
fn plain(out: &mut Vec<u8>, bytes: &[u8]) -> usize {
    let mut at = 0;
    let mut rest = bytes;
    while let Some((chunk, after)) = rest.split_first_chunk::<8>() {
        let len = plain_bytes(u64::from_le_bytes(*chunk));
        put(out, chunk, len);
        at += len;
        if len < 8 {
            return at;
        }
        rest = after;
    }
    let word = few(rest);
    let len = plain_bytes(word).min(rest.len());
    put(out, &word.to_le_bytes(), len);
    at + len
}

/// Seven bytes at most, the first lowest. Read by overlapping pieces: a loop over them costs more.
#[inline(always)]
fn few(bytes: &[u8]) -> u64 {
    let shift = |len: usize| 8 * (bytes.len() - len) as u32;
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << shift(4)
    } else if let (Some(first), Some(last)) = (bytes.first_chunk::<2>(), bytes.last_chunk::<2>()) {
        u64::from(u16::from_le_bytes(*first)) | u64::from(u16::from_le_bytes(*last)) << shift(2)
    } else {
        bytes.first().copied().unwrap_or(0).into()
    }
}

/// How many of eight bytes, from the lowest on, stand for themselves.
#[inline(always)]
fn plain_bytes(word: u64) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOPS: u64 = 0x8080_8080_8080_8080;
    // A top bit is set in each byte that is below 0x20, a quote, a backslash, DEL or above ASCII. A
    // borrow can also mark a byte above such a one, never one below it.
    let below = word.wrapping_sub(ONES * 0x20);
    let quote = (word ^ (ONES * 0x22)).wrapping_sub(ONES);
    let backslash = (word ^ (ONES * 0x5c)).wrapping_sub(ONES);
    let delete = (word ^ (ONES * 0x7f)).wrapping_sub(ONES);
    let marked = (below | quote | backslash | delete | word) & TOPS;
    (marked.trailing_zeros() / 8) as usize
}

/// Appends one character that is not plain; returns how many bytes of `rest` it took.
#[cold]
fn special(out: &mut Vec<u8>, byte: u8, rest: &[u8]) -> usize {
    match byte {
        b'"' => out.extend_from_slice(b"\\\""),
        b'\\' => out.extend_from_slice(b"\\\\"),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        0..=0x1f | 0x7f => {
            out.extend_from_slice(b"\\u00");
            hex(out, &[byte]);
        }
        _ => {
            let window = &rest[..rest.len().min(4)];
            let valid = match std::str::from_utf8(window) {
                Ok(text) => text.len(),
                Err(error) => error.valid_up_to(),
            };
            // The first character of the window, if it is whole.
            if valid > 0 {
                let width = match byte {
                    0xc0..=0xdf => 2,
                    0xe0..=0xef => 3,
                    _ => 4,
                };
                out.extend_from_slice(&rest[..width]);
                return width;
            }
            out.extend_from_slice(b"\\\\x");
            hex(out, &[byte]);
        }
    }
    1
}

/// Appends lower-case hexadecimal digits.
pub fn hex(out: &mut Vec<u8>, value: &[u8]) {
    out.reserve(value.len() * 2);
    for byte in value {
        out.extend_from_slice(&hex_of(*byte));
    }
}

/// Appends lower-case hexadecimal digits without leading bytes of zero.
pub fn short_hex(out: &mut Vec<u8>, value: u64) {
    let bytes = 8 - value.leading_zeros() / 8;
    // What is to be seen comes first.
    let shifted = value.checked_shl(64 - 8 * bytes).unwrap_or(0);
    let mut text = [0; 16];
    for (slot, byte) in text.chunks_exact_mut(2).zip(shifted.to_be_bytes()) {
        slot.copy_from_slice(&hex_of(byte));
    }
    put(out, &text, 2 * bytes as usize);
}

/// The two decimal digits of each number below a hundred.
const PAIRS: [[u8; 2]; 100] = {
    let mut table = [[0; 2]; 100];
    let mut i = 0;
    while i < 100 {
        table[i] = [b'0' + (i / 10) as u8, b'0' + (i % 10) as u8];
        i += 1;
    }
    table
};

/// Appends a decimal number.
#[inline]
pub fn number(out: &mut Vec<u8>, value: u64) {
    // Very many numbers are versions, counts and codes.
    if value < 10 {
        return out.push(b'0' + value as u8);
    }
    let Some(small) = u32::try_from(value).ok().filter(|small| *small < 100_000_000) else {
        return out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    };
    // All eight digits, of which the leading zeros are shifted out.
    let (high, low) = (small / 10_000, small % 10_000);
    let pair = |of: u32| PAIRS[of as usize % 100];
    let ([a, b], [c, d]) = (pair(high / 100), pair(high));
    let ([e, f], [g, h]) = (pair(low / 100), pair(low));
    let all = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
    let zeros = ((all ^ 0x3030_3030_3030_3030).trailing_zeros() / 8).min(7);
    put(out, &(all >> (8 * zeros)).to_le_bytes(), 8 - zeros as usize);
}

fn float(out: &mut Vec<u8>, value: f64) {
    if value.is_finite() {
        // Writing to a Vec cannot fail.
        let _ = write!(out, "{value}");
    } else {
        out.extend_from_slice(b"null");
    }
}

/// Appends an IP address: dotted quad, or eight groups of four digits.
#[inline]
pub fn ip(out: &mut Vec<u8>, value: IpAddr) {
    match value {
        IpAddr::V4(v4) => ipv4(out, v4),
        IpAddr::V6(v6) => {
            for (i, group) in v6.octets().chunks_exact(2).enumerate() {
                if i > 0 {
                    out.push(b':');
                }
                hex(out, group);
            }
        }
    }
}

/// The decimal digits of an octet and a point behind them, and how many bytes that is.
const OCTETS: [([u8; 4], u8); 256] = {
    let mut table = [([b'.'; 4], 0); 256];
    let mut i = 0;
    while i < 256 {
        let (hundreds, tens, ones) = (
            b'0' + (i / 100) as u8,
            b'0' + (i / 10 % 10) as u8,
            b'0' + (i % 10) as u8,
        );
        table[i] = match i {
            0..10 => ([ones, b'.', 0, 0], 2),
            10..100 => ([tens, ones, b'.', 0], 3),
            _ => ([hundreds, tens, ones, b'.'], 4),
        };
        i += 1;
    }
    table
};

#[inline]
fn ipv4(out: &mut Vec<u8>, value: Ipv4Addr) {
    let mut text = [0u8; 20];
    let mut len = 0;
    for octet in value.octets() {
        let (digits, count) = OCTETS[usize::from(octet)];
        text[len..len + 4].copy_from_slice(&digits);
        len += usize::from(count);
    }
    // All but the last point.
    put(out, &text, len - 1);
}

/// Appends a MAC address, colon-separated.
pub fn mac(out: &mut Vec<u8>, value: Mac) {
    let mut text = [b':'; 18];
    for (slot, byte) in text.chunks_exact_mut(3).zip(value) {
        slot[..2].copy_from_slice(&hex_of(byte));
    }
    put(out, &text, 17);
}

/// Year, month (1..=12) and day (1..=31) of a day number since 1970-01-01 (proleptic Gregorian;
/// the algorithm of H. Hinnant, "chrono-compatible low-level date algorithms").
pub fn civil(days: i64) -> (i64, u32, u32) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = (doy - (153 * mp + 2) / 5 + 1) as u32;
    let month = if mp < 10 { mp + 3 } else { mp - 9 } as u32;
    (yoe + era * 400 + i64::from(month <= 2), month, day)
}

thread_local! {
    /// The last second that was written, as text: most lines of one thread share it with the line before.
    static SECOND: std::cell::Cell<(i64, [u8; 19])> = const { std::cell::Cell::new((0, *b"1970-01-01T00:00:00")) };
}

/// Appends `2026-11-22T15:47:19.123456+0000`.
pub fn time(out: &mut Vec<u8>, at: Nanos) {
    let seconds = at.div_euclid(1_000_000_000);
    let micros = at.rem_euclid(1_000_000_000) / 1_000;
    let (known, mut second) = SECOND.get();
    if known != seconds {
        second = text_of_second(seconds);
        SECOND.set((seconds, second));
    }
    let mut text = *b"0000-00-00T00:00:00.000000+0000";
    text[..19].copy_from_slice(&second);
    digits(&mut text[20..26], micros as u32);
    out.extend_from_slice(&text);
}

fn text_of_second(seconds: i64) -> [u8; 19] {
    let (year, month, day) = civil(seconds.div_euclid(86_400));
    let of_day = seconds.rem_euclid(86_400) as u32;
    let mut text = *b"0000-00-00T00:00:00";
    // Times of 64-bit nanoseconds lie in the years 1677 to 2262, so four digits are enough.
    digits(&mut text[0..4], year.clamp(0, 9_999) as u32);
    digits(&mut text[5..7], month);
    digits(&mut text[8..10], day);
    digits(&mut text[11..13], of_day / 3_600);
    digits(&mut text[14..16], of_day / 60 % 60);
    digits(&mut text[17..19], of_day % 60);
    text
}

/// Writes a number over an even count of digits.
#[inline(always)]
fn digits(text: &mut [u8], mut value: u32) {
    for pair in text.rchunks_exact_mut(2) {
        pair.copy_from_slice(&PAIRS[(value % 100) as usize]);
        value /= 100;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(bytes: &[u8]) -> String {
        let mut out = Vec::new();
        string(&mut out, bytes);
        String::from_utf8(out).expect("json text is utf-8")
    }

    #[test]
    fn strings_keep_utf8_and_mark_other_bytes() {
        assert_eq!(text("Größe 交通".as_bytes()), "\"Größe 交通\"");
        assert_eq!(text(b"a\xffb\"\\\n\x00"), "\"a\\\\xffb\\\"\\\\\\n\\u0000\"");
        assert_eq!(text(b"\xe4\xba"), "\"\\\\xe4\\\\xba\"");
    }

    #[test]
    fn words_of_any_length_stand_as_strings_do() {
        for length in 0..40 {
            let value = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnop"
                .get(..length)
                .unwrap();
            let mut out = vec![b'x'];
            word(&mut out, value.as_bytes());
            assert_eq!(out, format!("x\"{value}\"").into_bytes());
        }
    }

    #[test]
    fn keys_of_any_length_stand_as_they_are() {
        for length in [0, 1, 35, 36, 37, 90] {
            let key = "k".repeat(length);
            let mut out = Vec::new();
            Object::write(&mut out, |o| {
                o.u64(&key, 1);
                o.u64(&key, 2);
            });
            assert_eq!(
                String::from_utf8(out).unwrap(),
                format!("{{\"{key}\":1,\"{key}\":2}}")
            );
        }
    }

    #[test]
    fn times_are_utc_microseconds() {
        let show = |at| {
            let mut out = Vec::new();
            time(&mut out, at);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(show(0), "1970-01-01T00:00:00.000000+0000");
        assert_eq!(show(1_795_362_439_123_456_789), "2026-11-22T15:47:19.123456+0000");
        assert_eq!(show(951_782_400_000_000_000), "2000-02-29T00:00:00.000000+0000");
        assert_eq!(show(-1_000), "1969-12-31T23:59:59.999999+0000");
    }

    proptest! {
        #[test]
        fn any_bytes_give_one_line_of_utf8(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let text = text(&bytes);
            prop_assert!(!text.contains('\n'));
            prop_assert!(text.starts_with('"') && text.ends_with('"'));
            // No control character is left bare.
            prop_assert!(text.chars().all(|c| c >= ' '));
        }

        #[test]
        fn plain_bytes_are_what_the_table_says(bytes in proptest::collection::vec(any::<u8>(), 0..40), clean in any::<bool>()) {
            let bytes: Vec<u8> = bytes.iter().map(|b| if clean { b'a' + b % 26 } else { *b }).collect();
            for from in 0..=bytes.len() {
                let rest = &bytes[from..];
                let stands = |b: &u8| matches!(b, 0x20..0x7f) && !matches!(b, b'"' | b'\\');
                let slow = rest.iter().position(|b| !stands(b)).unwrap_or(rest.len());
                let mut out = Vec::new();
                let taken = plain(&mut out, rest);
                prop_assert_eq!(taken, slow);
                prop_assert_eq!(&out[..], &rest[..slow]);
            }
        }

        #[test]
        fn numbers_are_written_as_the_library_writes_them(value in any::<u64>(), shift in 0u32..64) {
            let value = value >> shift;
            let mut out = Vec::new();
            number(&mut out, value);
            prop_assert_eq!(String::from_utf8(out).unwrap(), value.to_string());
            let mut out = Vec::new();
            short_hex(&mut out, value);
            let plain = format!("{value:x}");
            let even = if plain.len() % 2 == 1 { format!("0{plain}") } else { plain };
            let even = if value == 0 { String::new() } else { even };
            prop_assert_eq!(String::from_utf8(out).unwrap(), even);
        }

        #[test]
        fn addresses_are_written_as_the_library_writes_them(octets in any::<[u8; 4]>()) {
            let mut out = Vec::new();
            ip(&mut out, IpAddr::from(octets));
            prop_assert_eq!(String::from_utf8(out).unwrap(), IpAddr::from(octets).to_string());
        }

        #[test]
        fn valid_text_survives(value in "\\PC{0,32}") {
            let text = text(value.as_bytes());
            let plain = text[1..text.len() - 1].replace("\\\"", "\"").replace("\\\\", "\\");
            prop_assert_eq!(plain, value);
        }
    }
}
