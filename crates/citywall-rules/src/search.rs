//! Finding one byte string, exactly or with ASCII letters of either case.

/// A prepared search: the rarest byte is sought, then the rest compared. Much smaller than
/// `memmem::Finder` (there are tens of thousands of these), and contents are short.
#[derive(Debug)]
pub(crate) struct Search {
    /// What to find; lower case where case does not matter.
    needle: Box<[u8]>,
    /// Place of the rarest byte in the needle.
    rare: u16,
    nocase: bool,
}

impl Search {
    /// Prepares. The needle must not be empty (the parser sees to it).
    pub fn new(needle: &[u8], nocase: bool) -> Search {
        let nocase = nocase && needle.iter().any(u8::is_ascii_alphabetic);
        let needle: Box<[u8]> = if nocase {
            needle.to_ascii_lowercase().into()
        } else {
            needle.into()
        };
        let rare = (0..needle.len())
            .min_by_key(|&i| commonness(needle[i]))
            .unwrap_or(0) as u16;
        Search { needle, rare, nocase }
    }

    /// Length of what is sought.
    #[inline]
    pub fn len(&self) -> usize {
        self.needle.len()
    }

    /// First place in `data`.
    #[inline]
    pub fn find(&self, data: &[u8]) -> Option<usize> {
        let rare = usize::from(self.rare);
        let byte = *self.needle.get(rare)?;
        let upper = if self.nocase {
            byte.to_ascii_uppercase()
        } else {
            byte
        };
        let mut from = rare;
        loop {
            let rest = data.get(from..)?;
            let hit = if upper == byte {
                memchr::memchr(byte, rest)
            } else {
                memchr::memchr2(byte, upper, rest)
            };
            let hit = hit?;
            let start = from + hit - rare;
            if self.is(data.get(start..start + self.needle.len())?) {
                return Some(start);
            }
            from += hit + 1;
        }
    }

    /// True where `data` is exactly it.
    #[inline]
    pub fn is(&self, data: &[u8]) -> bool {
        if self.nocase {
            self.needle.eq_ignore_ascii_case(data)
        } else {
            *self.needle == *data
        }
    }
}

/// A rough rank of how often a byte occurs in network text; only speed depends on it.
fn commonness(b: u8) -> u8 {
    match b {
        b'e' | b't' | b'a' | b'o' | b'i' | b'n' | b's' | b'r' | b' ' | 0 => 9,
        b'/' | b'.' | b'=' | b'-' | b':' | b'\r' | b'\n' | b'h' | b'l' | b'd' | b'c' | b'p' | b'm' => 7,
        b'u' | b'g' | b'w' | b'f' | b'b' | b'y' | b'0'..=b'9' => 5,
        b'v' | b'k' | b'x' | b'&' | b'?' | b'%' => 3,
        b'j' | b'q' | b'z' => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn folded_search_is_search_in_lower_case(data in "[abAB]{0,20}", needle in "[abAB]{1,4}") {
            let wanted = data.to_ascii_lowercase().find(&needle.to_ascii_lowercase());
            prop_assert_eq!(Search::new(needle.as_bytes(), true).find(data.as_bytes()), wanted);
            prop_assert_eq!(Search::new(needle.as_bytes(), false).find(data.as_bytes()), data.find(&needle));
        }
    }
}
