//! Big-endian reads out of fixed-size headers. Owns no protocol knowledge.

/// Two bytes at `at`, network order; 0 where they lie outside (callers pass fixed-size headers).
#[inline(always)]
pub(crate) fn be16(header: &[u8], at: usize) -> u16 {
    match header.get(at..at + 2) {
        Some(&[high, low]) => u16::from_be_bytes([high, low]),
        _ => 0,
    }
}

/// Four bytes at `at`, network order; 0 where they lie outside.
#[inline(always)]
pub(crate) fn be32(header: &[u8], at: usize) -> u32 {
    match header.get(at..at + 4) {
        Some(&[a, b, c, d]) => u32::from_be_bytes([a, b, c, d]),
        _ => 0,
    }
}

/// `N` bytes at `at`; zeros where they lie outside.
#[inline(always)]
pub(crate) fn array<const N: usize>(header: &[u8], at: usize) -> [u8; N] {
    match header.get(at..).and_then(|rest| rest.first_chunk::<N>()) {
        Some(bytes) => *bytes,
        None => [0; N],
    }
}
