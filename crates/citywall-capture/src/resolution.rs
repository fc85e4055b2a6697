//! Units of time stamps in capture files.
//!
//! Owns: turning a count of units into [`Nanos`], never overflowing. Does not own: where the count
//! stands in a record.

use citywall_packet::Nanos;

/// How long one unit of an interface's time stamps is, and what is added to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Resolution {
    unit: Unit,
    /// Nanoseconds that are added to each time stamp.
    offset: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    /// A unit is so many nanoseconds.
    Times(u64),
    /// So many units are a nanosecond.
    Parts(u64),
    /// A unit is 2^-n seconds.
    Binary(u8),
    /// A unit is so short that no count of 64 bits reaches a nanosecond.
    Vanishing,
}

impl Resolution {
    /// Microseconds, what pcapng means where it says nothing.
    pub(crate) const MICROS: Resolution = Resolution {
        unit: Unit::Times(1000),
        offset: 0,
    };

    /// The meaning of pcapng's `if_tsresol` octet (draft-ietf-opsawg-pcapng, section 4.2): the low
    /// seven bits are a negative power of 10, or of 2 where the high bit is set.
    pub(crate) fn from_tsresol(octet: u8) -> Resolution {
        let power = octet & 0x7f;
        let unit = if octet & 0x80 != 0 {
            Unit::Binary(power)
        } else if power <= 9 {
            Unit::Times(10u64.pow(u32::from(9 - power)))
        } else {
            10u64
                .checked_pow(u32::from(power - 9))
                .map_or(Unit::Vanishing, Unit::Parts)
        };
        Resolution { unit, offset: 0 }
    }

    /// The same units, with pcapng's `if_tsoffset` (seconds) added to each time stamp.
    pub(crate) fn with_offset(self, seconds: i64) -> Resolution {
        Resolution {
            offset: seconds.saturating_mul(1_000_000_000),
            ..self
        }
    }

    /// Nanoseconds since the epoch of a count of units; at the ends of the range it stays there.
    #[inline]
    pub(crate) fn nanos(&self, count: u64) -> Nanos {
        let nanos = match self.unit {
            Unit::Times(factor) => count.saturating_mul(factor),
            Unit::Parts(parts) => count / parts,
            Unit::Binary(power) => {
                u64::try_from((u128::from(count) * 1_000_000_000) >> power).unwrap_or(u64::MAX)
            }
            Unit::Vanishing => 0,
        };
        i64::try_from(nanos)
            .unwrap_or(i64::MAX)
            .saturating_add(self.offset)
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn units() {
        let mut text = String::new();
        for (octet, count) in [
            (0u8, 1_700_000_000u64),
            (3, 1_700_000_000_123),
            (6, 1_700_000_000_123_456),
            (9, 1_700_000_000_123_456_789),
            (12, 1_700_000_000_123_456_789),
            (28, u64::MAX),
            (29, u64::MAX),
            (127, u64::MAX),
            (0x80, 1_700_000_000),
            (0x8a, 1_700_000_000 * 1024 + 512),
            (0xa0, 1_700_000_000 << 32 | 1 << 31),
            (0xff, u64::MAX),
            (0, u64::MAX),
        ] {
            let nanos = Resolution::from_tsresol(octet).nanos(count);
            text += &format!("{octet:#04x} {count} -> {nanos}\n");
        }
        expect![[r#"
            0x00 1700000000 -> 1700000000000000000
            0x03 1700000000123 -> 1700000000123000000
            0x06 1700000000123456 -> 1700000000123456000
            0x09 1700000000123456789 -> 1700000000123456789
            0x0c 1700000000123456789 -> 1700000000123456
            0x1c 18446744073709551615 -> 1
            0x1d 18446744073709551615 -> 0
            0x7f 18446744073709551615 -> 0
            0x80 1700000000 -> 1700000000000000000
            0x8a 1740800000512 -> 1700000000500000000
            0xa0 7301444405347483648 -> 1700000000500000000
            0xff 18446744073709551615 -> 0
            0x00 18446744073709551615 -> 9223372036854775807
        "#]]
        .assert_eq(&text);
    }

    proptest! {
        #[test]
        fn a_later_count_is_never_an_earlier_time(octet: u8, offset: i64, a: u64, b: u64) {
            let resolution = Resolution::from_tsresol(octet).with_offset(offset);
            let (first, second) = (a.min(b), a.max(b));
            prop_assert!(resolution.nanos(first) <= resolution.nanos(second));
        }
    }
}
