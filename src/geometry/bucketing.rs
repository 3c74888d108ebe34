//! Bucketing: the means of s rows at a time, after a permutation.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// The permutation of n workers that `bucketing` uses for a (seed, step): a Fisher–Yates shuffle
/// driven by ChaCha8 (`seed_from_u64(seed)`, stream `step`). For i from n−1 down to 1, position i is
/// swapped with position `⌊r · (i+1) / 2⁶⁴⌋`, r the next 64-bit output.
///
/// Keep the seed secret and change the step: then an attacker can't learn who shares a bucket.
///
/// ```
/// let order = byzagg::permutation(10, 7, 0);
/// assert_ne!(order, byzagg::permutation(10, 7, 1));
/// ```
pub fn permutation(n: usize, seed: u64, step: u64) -> Vec<usize> {
    let mut order = vec![0; n];
    permute(seed, step, &mut order);
    order.into_iter().map(|i| i as usize).collect()
}

fn permute(seed: u64, step: u64, order: &mut [u64]) {
    super::indices(order);
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(step);
    for i in (1..order.len()).rev() {
        let r = u128::from(random.next_u64());
        order.swap(i, ((r * (i as u128 + 1)) >> 64) as usize);
    }
}

/// The ⌈n/s⌉×n matrix of bucket means, and the buckets' weights (sums) when rows have some: then the
/// means are weighted too, and a row without weight is in no mean.
pub(crate) fn mixing(
    s: usize,
    (seed, step): (u64, u64),
    weights: Option<&[f64]>,
    out: &mut [f64],
    sums: &mut [f64],
    order: &mut [u64],
) {
    permute(seed, step, order);
    out.fill(0.0);
    let weight = |i: u64| weights.map_or(1.0, |w| w[i as usize]);
    for (b, (bucket, row)) in order
        .chunks(s)
        .zip(out.chunks_exact_mut(order.len()))
        .enumerate()
    {
        let sum: f64 = bucket.iter().map(|&i| weight(i)).sum();
        if weights.is_some() {
            sums[b] = sum;
        }
        for &i in bucket.iter().filter(|&&i| weight(i) > 0.0) {
            row[i as usize] = weight(i) / sum;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The documented function, pinned: a change would break recorded runs.
    #[test]
    fn the_permutation_is_what_it_was() {
        assert_eq!(permutation(8, 7, 0), [5, 0, 6, 2, 3, 4, 7, 1]);
        let mut sorted = permutation(100, 1, 2);
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..100));
    }

    #[test]
    fn the_last_bucket_counts_its_true_length() {
        let (mut out, mut order) = ([0.0; 6], [0; 3]);
        mixing(2, (0, 0), None, &mut out, &mut [], &mut order);
        assert_eq!(out.iter().filter(|c| **c == 0.5).count(), 2);
        assert_eq!(out[3..].iter().filter(|c| **c == 1.0).count(), 1);
    }

    #[test]
    fn weights_are_summed_and_average_inside() {
        let (mut out, mut sums, mut order) = ([0.0; 3], [0.0; 1], [0; 3]);
        mixing(
            3,
            (0, 0),
            Some(&[1.0, 3.0, 0.0]),
            &mut out,
            &mut sums,
            &mut order,
        );
        assert_eq!(out, [0.25, 0.75, 0.0]);
        assert_eq!(sums, [4.0]);
    }
}
