//! Unbiased compression.

use super::random;
use crate::{Error, Result};

/// Rand-K: keeps K random coordinates, scaled by d/K so that the expectation is the vector, and zeroes the others.
///
/// ```
/// let mut x = [1.0f32; 10];
/// byzagg::training::rand_k(&mut x, 2, 1)?;
/// assert_eq!(x.iter().filter(|x| **x == 5.0).count(), 2);
/// assert_eq!(x.iter().filter(|x| **x == 0.0).count(), 8);
/// # Ok::<(), byzagg::Error>(())
/// ```
///
/// # Errors
/// [`Error::Training`] unless 0 < K ≤ d.
pub fn rand_k(x: &mut [f32], keep: usize, seed: u64) -> Result<()> {
    let d = x.len();
    check(keep, d)?;
    let scale = (d as f64 / keep as f64) as f32;
    let mut random = random::stream(seed, random::Purpose::Coordinates, 0, 0);
    let mut kept = rand::seq::index::sample(&mut random, d, keep).into_vec();
    kept.sort_unstable();
    let mut kept = kept.into_iter().peekable();
    for (k, x) in x.iter_mut().enumerate() {
        *x = match kept.next_if_eq(&k) {
            Some(_) => *x * scale,
            None => 0.0,
        };
    }
    Ok(())
}

pub(super) fn check(keep: usize, d: usize) -> Result<()> {
    if (1..=d).contains(&keep) {
        return Ok(());
    }
    Err(Error::training(format!(
        "Rand-K: expected from 1 to d = {d} coordinates to keep, got {keep}"
    )))
}
