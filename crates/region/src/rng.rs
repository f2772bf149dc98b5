//! Pseudo-random numbers that depend on a key and on nothing else.
//!
//! SplitMix64 (Steele, Lea, Flood 2014). Every household and every purpose has
//! a stream of its own, so that a part of the county can be made again without
//! the rest, and a county of 1,000 people is the beginning of one of 100,000.
//! Only integers are used: the same seed gives the same bytes on every machine.

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// A stream of pseudo-random numbers.
#[derive(Debug, Clone)]
pub struct Rng(u64);

/// The finaliser of SplitMix64: every input bit reaches every output bit.
pub fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// One key made of three.
pub fn key(seed: u64, stream: u64, index: u64) -> u64 {
    mix(mix(mix(seed ^ GOLDEN).wrapping_add(stream)).wrapping_add(index.wrapping_mul(GOLDEN)))
}

impl Rng {
    /// The stream of `(seed, stream, index)`.
    pub fn new(seed: u64, stream: u64, index: u64) -> Rng {
        Rng(key(seed, stream, index))
    }

    /// The next 64 bits of the stream.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mix(self.0)
    }

    /// A number in `0..bound`; 0 when `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(bound)) >> 64) as u64
    }

    /// A number between `low` and `high`, both included.
    pub fn range(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low).max(0) as u64 + 1) as i64
    }

    /// True in `per_mille` of 1,000 draws.
    pub fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1_000) < per_mille
    }

    /// One of the items.
    ///
    /// # Panics
    /// When there are none: the tables of this crate are never empty.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len() as u64) as usize]
    }

    /// The index of one of the weights, in proportion to it.
    pub fn weighted(&mut self, weights: &[u32]) -> usize {
        let total: u64 = weights.iter().map(|&w| u64::from(w)).sum();
        let mut draw = self.below(total);
        for (index, &weight) in weights.iter().enumerate() {
            if draw < u64::from(weight) {
                return index;
            }
            draw -= u64::from(weight);
        }
        0
    }

    /// A bell-shaped number: the sum of four uniform draws, with this mean and
    /// standard deviation, never further than 3.46 deviations away.
    pub fn bell(&mut self, mean: i64, deviation: i64) -> i64 {
        let bits = self.bits();
        let sum: i64 = (0..4).map(|i| ((bits >> (16 * i)) & 0xFFFF) as i64).sum();
        // Four uniforms on 0..65535 have the mean 131,070 and the deviation 37,837.
        mean + (sum - 131_070) * deviation / 37_837
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_stay_in_bounds_and_have_the_right_middle() {
        let mut rng = Rng::new(1, 2, 3);
        let (mut total, mut spread, mut weighted) = (0, 0, [0u32; 3]);
        for _ in 0..20_000 {
            assert!((-3..=5).contains(&rng.range(-3, 5)));
            let value = rng.bell(1_000, 100);
            assert!((650..=1_350).contains(&value));
            total += value;
            spread += (value - 1_000) * (value - 1_000);
            weighted[rng.weighted(&[1, 0, 3])] += 1;
        }
        assert!((total / 20_000 - 1_000).abs() <= 3, "mean {}", total / 20_000);
        assert!((9_500..=10_500).contains(&(spread / 20_000)), "variance {}", spread / 20_000);
        assert_eq!(weighted[1], 0);
        assert!((4_500..5_500).contains(&weighted[0]));
    }
}
