//! Numbers from a seed: the same seed is the same city.
//!
//! Owns: the generator (SplitMix64, public domain, Vigna 2015). Does not own: what is drawn.

/// A stream of numbers.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// The stream of a seed.
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed ^ 0x5eed_c17e_a110_0001)
    }

    /// The next number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u8, high: u8) -> u8 {
        let span = u64::from(high.saturating_sub(low)) + 1;
        low.saturating_add((self.next() % span) as u8)
    }

    /// A number that was not drawn before.
    pub(crate) fn fresh(&mut self, low: u8, high: u8, drawn: &mut Vec<u8>) -> u8 {
        // The ranges that are drawn from are far larger than what is drawn.
        loop {
            let number = self.between(low, high);
            if !drawn.contains(&number) || drawn.len() > usize::from(high - low) {
                drawn.push(number);
                return number;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_stream_and_nothing_is_drawn_twice() {
        let (mut one, mut same, mut other) = (Random::new(7), Random::new(7), Random::new(8));
        let (a, b, c) = (one.next(), same.next(), other.next());
        assert!(a == b && a != c);
        let mut drawn = Vec::new();
        for _ in 0..40 {
            one.fresh(10, 60, &mut drawn);
        }
        let mut unique = drawn.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), 40);
        assert!(drawn.iter().all(|n| (10..=60).contains(n)));
    }
}
