//! Counting much in little room.
//!
//! Owns: a count-min sketch (Cormode and Muthukrishnan, 2005) and HyperLogLog (Flajolet et al.,
//! 2007). Both are of fixed size and depend on the set of updates alone, never on their order. Does
//! not own: what is counted. Hashes are seeded, so that nobody can aim keys at one counter.

/// Rows of a count-min sketch: an estimate is too high by more than 2n/width with a chance of 1/16.
const ROWS: usize = 4;

/// Counts by key, never too low.
#[derive(Clone, Debug)]
pub struct CountMin {
    counts: Vec<u32>,
    mask: usize,
}

impl CountMin {
    /// `width` counters a row, rounded up to a power of two (at most 2^20).
    pub fn new(width: usize) -> CountMin {
        let width = width.clamp(16, 1 << 20).next_power_of_two();
        CountMin {
            counts: vec![0; width * ROWS],
            mask: width - 1,
        }
    }

    /// Adds to the key whose hash this is; gives the estimate afterwards.
    #[inline]
    pub fn add(&mut self, hash: u64, count: u32) -> u32 {
        let width = self.mask + 1;
        let mut least = u32::MAX;
        for (row, counts) in self.counts.chunks_exact_mut(width).enumerate() {
            let counter = &mut counts[slot(hash, row) & self.mask];
            *counter = counter.saturating_add(count);
            least = least.min(*counter);
        }
        least
    }

    /// How often the key came, at most.
    #[cfg(test)]
    pub fn estimate(&self, hash: u64) -> u32 {
        let width = self.mask + 1;
        let rows = self.counts.chunks_exact(width).enumerate();
        rows.map(|(row, counts)| counts[slot(hash, row) & self.mask])
            .min()
            .unwrap_or(0)
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.counts.fill(0);
    }
}

/// Rows take turns of one hash: h1 + row * h2 (Kirsch and Mitzenmacher, 2006).
#[inline]
fn slot(hash: u64, row: usize) -> usize {
    let step = (hash >> 32) | 1;
    hash.wrapping_add((row as u64).wrapping_mul(step)) as usize
}

/// Registers of a HyperLogLog: the standard error is 1.04 / sqrt(64) = 13 %.
const REGISTERS: usize = 64;

/// How many different keys there were, about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Distinct {
    registers: [u8; REGISTERS],
}

impl Default for Distinct {
    fn default() -> Distinct {
        Distinct::EMPTY
    }
}

impl Distinct {
    /// Nothing was seen.
    pub const EMPTY: Distinct = Distinct {
        registers: [0; REGISTERS],
    };

    /// Adds the key whose hash this is.
    #[inline]
    pub fn add(&mut self, hash: u64) {
        let register = &mut self.registers[(hash >> 58) as usize % REGISTERS];
        let rank = ((hash << 6) | 1 << 5).leading_zeros() as u8 + 1;
        *register = (*register).max(rank);
    }

    /// Takes in all that another has seen.
    pub fn merge(&mut self, other: &Distinct) {
        for (mine, other) in self.registers.iter_mut().zip(other.registers) {
            *mine = (*mine).max(other);
        }
    }

    /// The estimate, with the small-range correction (linear counting).
    pub fn estimate(&self) -> f64 {
        const ALPHA: f64 = 0.709;
        let m = REGISTERS as f64;
        let sum: f64 = self.registers.iter().map(|r| 0.5_f64.powi((*r).into())).sum();
        let raw = ALPHA * m * m / sum;
        let empty = self.registers.iter().filter(|r| **r == 0).count();
        if raw <= 2.5 * m && empty > 0 {
            return m * (m / empty as f64).ln();
        }
        raw
    }
}

/// How many different keys there were, where they are few: a bit each (linear counting, Whang et al., 1990). Within a
/// tenth up to thirty or so, and beyond two hundred always as many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Few(u64);

impl Few {
    /// Nothing was seen.
    pub const EMPTY: Few = Few(0);

    /// Adds the key whose hash this is.
    #[inline]
    pub fn add(&mut self, hash: u64) {
        self.0 |= 1 << (hash >> 58);
    }

    /// Takes in all that another has seen.
    pub fn merge(&mut self, other: Few) {
        self.0 |= other.0;
    }

    /// The estimate.
    pub fn estimate(self) -> f64 {
        let bits = f64::from(u64::BITS);
        let free = f64::from(self.0.count_zeros().max(1));
        bits * (bits / free).ln()
    }
}

/// A seeded hash of one 128-bit key: two rounds of multiply and fold (as wyhash and its kin).
#[inline]
pub fn hash128(seed: u64, key: u128) -> u64 {
    let (low, high) = (key as u64, (key >> 64) as u64);
    let fold = |a: u64, b: u64| {
        let product = u128::from(a).wrapping_mul(u128::from(b));
        (product as u64) ^ (product >> 64) as u64
    };
    let first = fold(low ^ seed ^ 0x9e37_79b9_7f4a_7c15, high ^ 0xe703_7ed1_a0b4_28db);
    fold(first ^ 0x8ebc_6af0_9c88_c6e3, seed ^ 0x5899_65cc_7537_4cc3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// A count-min estimate is never too low, in whatever order keys come.
        #[test]
        fn never_too_low(keys in proptest::collection::vec(0_u128..200, 1..400), seed: u64) {
            let mut sketch = CountMin::new(64);
            for key in &keys {
                sketch.add(hash128(seed, *key), 1);
            }
            for key in 0..200_u128 {
                let times = keys.iter().filter(|k| **k == key).count() as u32;
                prop_assert!(sketch.estimate(hash128(seed, key)) >= times);
            }
        }

        /// Merging is the same as seeing all.
        #[test]
        fn merged_is_seen(a in proptest::collection::vec(any::<u128>(), 0..300), b in proptest::collection::vec(any::<u128>(), 0..300)) {
            let of = |keys: &[u128]| {
                let mut distinct = Distinct::default();
                keys.iter().for_each(|k| distinct.add(hash128(7, *k)));
                distinct
            };
            let mut merged = of(&a);
            merged.merge(&of(&b));
            prop_assert_eq!(merged, of(&[a, b].concat()));
        }
    }

    #[test]
    fn distinct_within_its_error() {
        for (n, seed) in [(10_u128, 1), (100, 2), (1_000, 3), (100_000, 4)] {
            let mut distinct = Distinct::default();
            (0..n).for_each(|k| distinct.add(hash128(seed, k)));
            let estimate = distinct.estimate();
            let error = (estimate / n as f64 - 1.0).abs();
            // Four standard errors.
            assert!(error < 0.52, "{n}: {estimate}");
        }
    }
}
