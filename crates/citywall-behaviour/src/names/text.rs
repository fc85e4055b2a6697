//! What is in a name: its domain, whether somebody chose its letters, and how they are spread.
//!
//! Owns: single names, and bounded sets of them. Does not own: what they say together (`names`).

use smallvec::SmallVec;

/// Names that are told apart in one set.
const NAMES: usize = 256;

/// What stands before the domain, and the domain: its last two labels, three where the one before
/// the last is as short as those of registries (`co.uk`).
pub(super) fn split(name: &str) -> (&str, &str) {
    let name = name.trim_end_matches('.');
    let mut dots = name.rmatch_indices('.').map(|(at, _)| at);
    let (Some(last), Some(second)) = (dots.next(), dots.next()) else {
        return ("", name);
    };
    let short = last - second - 1 <= 3;
    let Some(at) = (if short { dots.next() } else { Some(second) }) else {
        return ("", name);
    };
    (&name[..at], &name[at + 1..])
}

/// Consonants in a row, digits among letters, and few vowels: what a hash looks like and a word
/// does not.
pub(super) fn looks_made_up(domain: &str) -> bool {
    let label = domain.split('.').next().unwrap_or("");
    if label.len() < 8 {
        return false;
    }
    let vowel = |b: u8| matches!(b, b'a' | b'e' | b'i' | b'o' | b'u' | b'y');
    let vowels = label.bytes().filter(|b| vowel(*b)).count();
    let digits = label.bytes().filter(u8::is_ascii_digit).count();
    let mut run = 0;
    let mut longest = 0;
    for b in label.bytes() {
        run = if b.is_ascii_alphabetic() && !vowel(b) {
            run + 1
        } else {
            0
        };
        longest = longest.max(run);
    }
    vowels * 4 < label.len() || digits * 4 >= label.len() || longest >= 5
}

fn class(byte: u8) -> usize {
    match byte {
        b'a'..=b'z' => usize::from(byte - b'a'),
        b'0'..=b'9' => usize::from(byte - b'0') + 26,
        b'-' => 36,
        b'_' => 37,
        b'.' => 38,
        _ => 39,
    }
}

/// Different names, by their hashes. Most askers ask for one: a list is smaller than a table, and
/// short enough to be searched.
#[derive(Debug, Default)]
pub(super) struct Names(SmallVec<[u64; 1]>);

impl Names {
    /// How many.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// True where the name is new and there is room for it.
    pub(super) fn insert(&mut self, name: &str) -> bool {
        let hash = hash(name);
        let new = self.0.len() < NAMES && !self.0.contains(&hash);
        if new {
            self.0.push(hash);
        }
        new
    }
}

#[derive(Debug)]
pub(super) struct Letters([u32; 40]);

impl Default for Letters {
    fn default() -> Letters {
        Letters([0; 40])
    }
}

impl Letters {
    /// Counts the letters of a text.
    pub(super) fn take(&mut self, text: &str) {
        text.bytes().for_each(|b| self.0[class(b)] += 1);
    }

    /// Bits a letter (Shannon).
    pub(super) fn entropy(&self) -> f64 {
        let total: u32 = self.0.iter().sum();
        let share = |c: &u32| {
            let p = f64::from(*c) / f64::from(total.max(1));
            -p * p.log2()
        };
        self.0.iter().filter(|c| **c > 0).map(share).sum()
    }
}

/// FNV-1a: a name is only told apart from others of the same asker, or of all, within bounded sets.
pub(crate) fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
