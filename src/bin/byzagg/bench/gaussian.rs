//! Seeded standard normal numbers, the same for any number of threads.

use std::f32::consts::TAU;

use byzagg::OutputElement;
use rayon::prelude::*;

/// A fixed mixing of 64 bits (SplitMix64; Steele, Lea, Flood 2014).
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Overwrites every element, two of each Box-Muller draw.
pub fn fill<T: OutputElement>(elements: &mut [T], seed: u64) {
    const CHUNK: usize = 1 << 16;
    elements
        .par_chunks_mut(CHUNK)
        .enumerate()
        .for_each(|(i, chunk)| {
            let first = (i * CHUNK / 2) as u64;
            for (pair, k) in chunk.chunks_mut(2).zip(first..) {
                let bits = mix(mix(seed).wrapping_add(k.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
                let unit = |bits: u32| (bits as f32 + 0.5) * (1.0 / 4_294_967_296.0);
                let radius = (-2.0 * unit((bits >> 32) as u32).ln()).sqrt();
                let (sin, cos) = (TAU * unit(bits as u32)).sin_cos();
                for (element, value) in pair.iter_mut().zip([radius * cos, radius * sin]) {
                    *element = T::from_f32(value);
                }
            }
        });
}
