//! What the honest workers send.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::common::cases::{Kind, normal};

/// How the honest rows are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Honest {
    /// Normal values about a mean of their size.
    Gaussian,
    /// Multiples of a quarter: ties everywhere.
    Lattice,
    /// A mean that is 1000 times larger than the spread.
    CommonMean,
    /// Some rows are copies of others.
    Duplicates,
    /// Each row has a mean and a length of its own.
    Heterogeneous,
    /// All rows are the same: nothing but that row is near them.
    Same,
    /// As Gaussian, times 1e-12.
    Tiny,
    /// As Gaussian, times 1e12.
    Large,
}

impl Honest {
    pub const ALL: [Honest; 8] = [
        Honest::Gaussian,
        Honest::Lattice,
        Honest::CommonMean,
        Honest::Duplicates,
        Honest::Heterogeneous,
        Honest::Same,
        Honest::Tiny,
        Honest::Large,
    ];

    pub fn rows(self, n: usize, d: usize, seed: u64) -> Vec<Vec<f32>> {
        let mut random = StdRng::seed_from_u64(seed);
        let random = &mut random;
        let about = |random: &mut StdRng| {
            let mean: Vec<f32> = (0..d).map(|_| normal(random)).collect();
            let row = |_| {
                mean.iter()
                    .map(|m| m + normal(random))
                    .collect::<Vec<f32>>()
            };
            (0..n).map(row).collect::<Vec<_>>()
        };
        let scaled = |random: &mut StdRng, scale: f32| {
            let mut rows = about(random);
            rows.iter_mut().flatten().for_each(|x| *x *= scale);
            rows
        };
        match self {
            Honest::Gaussian => about(random),
            Honest::Lattice => Kind::Lattice.rows(n, d, seed),
            Honest::CommonMean => Kind::CommonMean.rows(n, d, seed),
            Honest::Duplicates => Kind::Duplicates.rows(n, d, seed),
            Honest::Heterogeneous => {
                let row = |_| {
                    let (shift, length) = (2.0 * normal(random), random.random_range(0.1..3.0f32));
                    (0..d).map(|_| shift + length * normal(random)).collect()
                };
                (0..n).map(row).collect()
            }
            Honest::Same => vec![about(random).swap_remove(0); n],
            Honest::Tiny => scaled(random, 1e-12),
            Honest::Large => scaled(random, 1e12),
        }
    }
}
