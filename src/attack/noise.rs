//! Attacks that draw random numbers.

use std::collections::BTreeSet;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use statrs::distribution::{ContinuousCDF, Normal};

/// The random numbers of a row in a step: ChaCha8 with a key of its own, so that no two share any.
pub(super) fn stream(seed: u64, step: u64, row: usize) -> ChaCha8Rng {
    // The last word keeps other users of the same seed apart.
    let words = [seed, step, row as u64, u64::from_le_bytes(*b"attacks ")];
    let mut key = [0; 32];
    for (key, word) in key.chunks_exact_mut(8).zip(words) {
        key.copy_from_slice(&word.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

/// `σ Φ⁻¹((r + ½) / 2⁵³)`, r the upper 53 bits of the next output.
pub(super) fn gaussian(row: &mut [f32], sigma: f64, random: &mut ChaCha8Rng) {
    let normal = Normal::standard();
    for x in row {
        let share = ((random.next_u64() >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
        *x = (sigma * normal.inverse_cdf(share)) as f32;
    }
}

/// Flips so many distinct bits of so many distinct coordinates, or of all where there are fewer.
pub(super) fn flip_bits(row: &mut [f32], bits: usize, coordinates: usize, random: &mut ChaCha8Rng) {
    for k in distinct(coordinates.min(row.len()), row.len(), random) {
        let mask = distinct(bits, 32, random)
            .into_iter()
            .fold(0, |mask, bit| mask | 1 << bit);
        row[k] = f32::from_bits(row[k].to_bits() ^ mask);
    }
}

/// k of the numbers below n, every set equally likely (Floyd's algorithm), ascending.
fn distinct(k: usize, n: usize, random: &mut ChaCha8Rng) -> BTreeSet<usize> {
    let mut drawn = BTreeSet::new();
    for last in n - k..n {
        let r = u128::from(random.next_u64());
        let one = ((r * (last as u128 + 1)) >> 64) as usize;
        if !drawn.insert(one) {
            drawn.insert(last);
        }
    }
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distinct_numbers_are_distinct_and_any_may_come() {
        let mut seen = BTreeSet::new();
        for step in 0..200 {
            let drawn = distinct(3, 32, &mut stream(1, step, 0));
            assert_eq!(drawn.len(), 3);
            seen.extend(drawn);
        }
        assert!(seen.into_iter().eq(0..32));
        let all = distinct(100_000, 100_000, &mut stream(1, 0, 0));
        assert!(all.into_iter().eq(0..100_000));
    }

    /// The documented function, pinned: a change would break recorded runs.
    #[test]
    fn a_stream_is_what_it_was() {
        assert_eq!(stream(1, 2, 3).next_u64(), 3_558_942_618_151_484_673);
    }
}
