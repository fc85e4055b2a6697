//! NTP version 4 (RFC 5905).

/// Seconds from 1900 to 1970.
const EPOCH: i64 = 2_208_988_800;

/// A time of nanoseconds since 1970 as an NTP timestamp.
fn timestamp(at: i64) -> [u8; 8] {
    let seconds = ((at / 1_000_000_000 + EPOCH) as u64) << 32;
    let fraction = ((at % 1_000_000_000) as u64 * (1 << 32)) / 1_000_000_000;
    (seconds | fraction).to_be_bytes()
}

/// A client's request, sent at `at`.
pub fn request(at: i64) -> Vec<u8> {
    let mut m = vec![0x23, 0, 6, 0xec];
    m.extend([0; 36]);
    m.extend(timestamp(at));
    m
}

/// The answer of a server of stratum 2 to a request that was sent at `sent` and answered at `at`.
pub fn answer(sent: i64, at: i64, reference: [u8; 4]) -> Vec<u8> {
    let mut m = vec![0x24, 2, 6, 0xe9];
    m.extend([0, 0, 0x08, 0x31]);
    m.extend([0, 0, 0x02, 0x5c]);
    m.extend(reference);
    m.extend(timestamp(at - 317_000_000_000));
    m.extend(timestamp(sent));
    m.extend(timestamp(at - 20_000));
    m.extend(timestamp(at));
    m
}
