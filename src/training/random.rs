//! Random numbers that depend on the seed, the purpose, the worker and the step, and on nothing else.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::Draw;

#[derive(Clone, Copy, Debug)]
pub enum Purpose {
    Batch = 1,
    Participants = 2,
    Arrival = 3,
    Coin = 4,
    Coordinates = 5,
}

pub fn stream(seed: u64, purpose: Purpose, worker: usize, step: u64) -> ChaCha8Rng {
    let mut random = ChaCha8Rng::seed_from_u64(seed ^ (purpose as u64) << 56);
    // Streams are 64 bits: 2²⁴ workers, 2⁴⁰ steps.
    random.set_stream((worker as u64) << 40 | step & ((1 << 40) - 1));
    random
}

/// A worker's batch of a step.
pub fn batch(seed: u64, worker: usize, step: u64) -> Draw {
    Draw::Batch(stream(seed, Purpose::Batch, worker, step).next_u64())
}

/// A seed for what a worker does in a step.
pub fn seed(seed: u64, worker: usize, step: u64) -> u64 {
    stream(seed, Purpose::Coordinates, worker, step).next_u64()
}

/// `count` of n workers, in ascending order.
pub fn sample(seed: u64, step: u64, n: usize, count: usize) -> Vec<usize> {
    if count == n {
        return (0..n).collect();
    }
    let mut random = stream(seed, Purpose::Participants, 0, step);
    let mut sampled = rand::seq::index::sample(&mut random, n, count).into_vec();
    sampled.sort_unstable();
    sampled
}

/// Uniform in [0, 1).
pub fn uniform(random: &mut ChaCha8Rng) -> f64 {
    (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}
