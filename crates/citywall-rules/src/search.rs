//! Finding one byte string, exactly or with ASCII letters of either case.

use memchr::memmem;

/// A prepared search.
#[derive(Debug)]
pub(crate) enum Search {
    /// Exact.
    Exact(memmem::Finder<'static>),
    /// ASCII case does not matter; `needle` is lower case.
    Folded {
        /// What to find.
        needle: Box<[u8]>,
        /// Place of the rarest byte in the needle.
        rare: usize,
    },
}

impl Search {
    /// Prepares. The needle must not be empty (the parser sees to it).
    pub fn new(needle: &[u8], nocase: bool) -> Search {
        if !nocase || !needle.iter().any(u8::is_ascii_alphabetic) {
            return Search::Exact(memmem::Finder::new(needle).into_owned());
        }
        let needle = needle.to_ascii_lowercase().into_boxed_slice();
        let rare = (0..needle.len())
            .min_by_key(|&i| commonness(needle[i]))
            .unwrap_or(0);
        Search::Folded { needle, rare }
    }

    /// Length of what is sought.
    #[inline]
    pub fn len(&self) -> usize {
        match self {
            Search::Exact(finder) => finder.needle().len(),
            Search::Folded { needle, .. } => needle.len(),
        }
    }

    /// First place in `data`.
    #[inline]
    pub fn find(&self, data: &[u8]) -> Option<usize> {
        match self {
            Search::Exact(finder) => finder.find(data),
            Search::Folded { needle, rare } => find_folded(data, needle, *rare),
        }
    }

    /// True where `data` is exactly it.
    #[inline]
    pub fn is(&self, data: &[u8]) -> bool {
        match self {
            Search::Exact(finder) => finder.needle() == data,
            Search::Folded { needle, .. } => needle.eq_ignore_ascii_case(data),
        }
    }
}

fn find_folded(data: &[u8], needle: &[u8], rare: usize) -> Option<usize> {
    let byte = *needle.get(rare)?;
    let mut from = rare;
    loop {
        let rest = data.get(from..)?;
        let hit = memchr::memchr2(byte, byte.to_ascii_uppercase(), rest)?;
        let start = from + hit - rare;
        let window = data.get(start..start + needle.len())?;
        if window.eq_ignore_ascii_case(needle) {
            return Some(start);
        }
        from += hit + 1;
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
