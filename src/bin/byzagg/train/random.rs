//! Random numbers that depend on the seed and the purpose, and on nothing else: every rule meets the same
//! shards, weights and batches, in any order of the work.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

#[derive(Clone, Copy)]
pub enum Purpose {
    Deal = 1,
    Weights = 2,
}

pub fn stream(seed: u64, purpose: Purpose) -> ChaCha8Rng {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream((purpose as u64) << 56);
    random
}
