//! Seeded matrices that are hard on a rule in one way each, and hostile rows to put into them.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// A standard normal value, by Box and Muller.
pub fn normal(random: &mut StdRng) -> f32 {
    let radius = (-2.0 * (1.0 - random.random::<f64>()).ln()).sqrt();
    (radius * (std::f64::consts::TAU * random.random::<f64>()).cos()) as f32
}

/// How the rows of a matrix are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Independent standard normal values.
    Gaussian,
    /// Multiples of a quarter between −2 and 2: exact sums, many ties.
    Lattice,
    /// Normal values about a mean 1000 times larger, ±1000 per coordinate, that all rows share.
    CommonMean,
    /// Normal values; one row of at least three is 1e6 times larger.
    OneHuge,
    /// Normal values; the largest minority of the rows (12 of 25) is 1e9 times larger.
    MinorityHuge,
    /// Each row is one of about n/3 normal ones.
    Duplicates,
    /// Small multiples of the least positive f32.
    Denormals,
}

impl Kind {
    pub const ALL: [Kind; 7] = [
        Kind::Gaussian,
        Kind::Lattice,
        Kind::CommonMean,
        Kind::OneHuge,
        Kind::MinorityHuge,
        Kind::Duplicates,
        Kind::Denormals,
    ];

    /// n rows of d elements.
    pub fn rows(self, n: usize, d: usize, seed: u64) -> Vec<Vec<f32>> {
        let mut random = StdRng::seed_from_u64(seed);
        let random = &mut random;
        let mut rows: Vec<Vec<f32>> = (0..n)
            .map(|_| (0..d).map(|_| normal(random)).collect())
            .collect();
        match self {
            Kind::Gaussian => {}
            Kind::Lattice => {
                let quarter = |x: &mut f32| *x = random.random_range(-8..=8) as f32 / 4.0;
                rows.iter_mut().flatten().for_each(quarter);
            }
            Kind::CommonMean => {
                for k in 0..d {
                    let mean = if random.random() { 1000.0 } else { -1000.0 };
                    rows.iter_mut().for_each(|row| row[k] += mean);
                }
            }
            Kind::OneHuge => {
                for i in some_of(n, 1.min((n - 1) / 2), random) {
                    rows[i].iter_mut().for_each(|x| *x *= 1e6);
                }
            }
            Kind::MinorityHuge => {
                for i in some_of(n, (n - 1) / 2, random) {
                    rows[i].iter_mut().for_each(|x| *x *= 1e9);
                }
            }
            Kind::Duplicates => {
                for i in n.div_ceil(3)..n {
                    rows[i] = rows[random.random_range(0..n.div_ceil(3))].clone();
                }
            }
            Kind::Denormals => {
                let denormal = |x: &mut f32| {
                    let magnitude = f32::from_bits(random.random_range(0..1000));
                    *x = magnitude.copysign(*x);
                };
                rows.iter_mut().flatten().for_each(denormal);
            }
        }
        rows
    }
}

/// `count` distinct indices below n, in random order.
pub fn some_of(n: usize, count: usize, random: &mut StdRng) -> Vec<usize> {
    let mut indices: Vec<usize> = (0..n).collect();
    for position in 0..count {
        indices.swap(position, random.random_range(position..n));
    }
    indices.truncate(count);
    indices
}

/// What a Byzantine worker may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hostile {
    Nan,
    NegativeNan,
    Infinity,
    NegativeInfinity,
    /// +Inf and −Inf in turns.
    AlternatingInfinity,
    /// NaN of both signs, +Inf and −Inf in turns, from one row to the next and along the row.
    EveryBadValue,
    /// 1e38 everywhere.
    Large,
    /// −1e38 everywhere.
    NegativeLarge,
    Max,
    NegativeMax,
    /// f32::MAX and −f32::MAX in turns.
    AlternatingMax,
    Denormals,
    /// The row as it was, but for one NaN.
    NanCoordinate,
    /// The row as it was, but for one +Inf.
    InfinityCoordinate,
    /// The row as it was, but for one −Inf.
    NegativeInfinityCoordinate,
    /// The row as it was, but for one f32::MAX.
    MaxCoordinate,
    /// All hostile rows copy one honest row.
    Mimic,
    Zeros,
    NegativeZeros,
    /// Each hostile row is of the next kind.
    Each,
}

impl Hostile {
    pub const ALL: [Hostile; 20] = [
        Hostile::Nan,
        Hostile::NegativeNan,
        Hostile::Infinity,
        Hostile::NegativeInfinity,
        Hostile::AlternatingInfinity,
        Hostile::EveryBadValue,
        Hostile::Large,
        Hostile::NegativeLarge,
        Hostile::Max,
        Hostile::NegativeMax,
        Hostile::AlternatingMax,
        Hostile::Denormals,
        Hostile::NanCoordinate,
        Hostile::InfinityCoordinate,
        Hostile::NegativeInfinityCoordinate,
        Hostile::MaxCoordinate,
        Hostile::Mimic,
        Hostile::Zeros,
        Hostile::NegativeZeros,
        Hostile::Each,
    ];

    /// Is a row of this kind bad, with a NaN or an infinity in it?
    pub fn is_bad(self) -> bool {
        use Hostile::*;
        match self {
            Nan | NegativeNan | Infinity | NegativeInfinity | AlternatingInfinity => true,
            EveryBadValue | NanCoordinate | InfinityCoordinate => true,
            NegativeInfinityCoordinate => true,
            Large | NegativeLarge | Max | NegativeMax | AlternatingMax | Denormals => false,
            MaxCoordinate | Mimic | Zeros | NegativeZeros | Each => false,
        }
    }

    /// Replaces the rows of the given workers.
    pub fn replace(self, rows: &mut [Vec<f32>], workers: &[usize]) {
        let honest = (0..rows.len()).find(|i| !workers.contains(i));
        for (turn, &i) in workers.iter().enumerate() {
            let d = rows[i].len();
            if self == Hostile::Each {
                let kind = Hostile::ALL[turn % (Hostile::ALL.len() - 1)];
                kind.replace(rows, &[i]);
                continue;
            }
            let one = |value: f32, mut row: Vec<f32>| {
                row[turn % d] = value;
                row
            };
            let row = std::mem::take(&mut rows[i]);
            rows[i] = match self {
                Hostile::Nan => vec![f32::NAN; d],
                Hostile::NegativeNan => vec![-f32::NAN; d],
                Hostile::Infinity => vec![f32::INFINITY; d],
                Hostile::NegativeInfinity => vec![f32::NEG_INFINITY; d],
                Hostile::AlternatingInfinity => turns(&[f32::INFINITY, f32::NEG_INFINITY], 0, d),
                Hostile::EveryBadValue => {
                    let values = [f32::NAN, f32::NEG_INFINITY, -f32::NAN, f32::INFINITY];
                    turns(&values, turn, d)
                }
                Hostile::Large => vec![1e38; d],
                Hostile::NegativeLarge => vec![-1e38; d],
                Hostile::Max => vec![f32::MAX; d],
                Hostile::NegativeMax => vec![f32::MIN; d],
                Hostile::AlternatingMax => turns(&[f32::MAX, f32::MIN], turn, d),
                Hostile::Denormals => turns(&[f32::from_bits(1), -f32::from_bits(77)], turn, d),
                Hostile::NanCoordinate => one(f32::NAN, row),
                Hostile::InfinityCoordinate => one(f32::INFINITY, row),
                Hostile::NegativeInfinityCoordinate => one(f32::NEG_INFINITY, row),
                Hostile::MaxCoordinate => one(f32::MAX, row),
                Hostile::Mimic => honest.map_or(row, |honest| rows[honest].clone()),
                Hostile::Zeros => vec![0.0; d],
                Hostile::NegativeZeros => vec![-0.0; d],
                Hostile::Each => unreachable!("handled above"),
            };
        }
    }
}

fn turns(values: &[f32], start: usize, d: usize) -> Vec<f32> {
    (0..d).map(|k| values[(start + k) % values.len()]).collect()
}

/// The rows in f64, as the oracle wants them.
pub fn wide(rows: &[Vec<f32>]) -> Vec<Vec<f64>> {
    let row = |row: &Vec<f32>| row.iter().map(|&x| f64::from(x)).collect();
    rows.iter().map(row).collect()
}

/// Row after row, as the crate wants them.
pub fn flat<T: Copy>(rows: &[Vec<T>]) -> Vec<T> {
    rows.concat()
}
