//! Random numbers that depend on the seed, the purpose, the worker and the step, and on nothing else:
//! every rule meets the same weights, batches and attacks, in any order of the work.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

#[derive(Clone, Copy)]
pub enum Purpose {
    Deal = 1,
    Weights = 2,
    Batch = 3,
    Attack = 4,
}

pub fn stream(seed: u64, purpose: Purpose, worker: usize, step: usize) -> ChaCha8Rng {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream((purpose as u64) << 56 | (worker as u64) << 32 | step as u64 & 0xffff_ffff);
    random
}
