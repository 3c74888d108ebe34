//! What the hostile workers send: everything that spec.md lists, and attacks that know the honest rows and
//! the rule.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::common::cases::{Hostile, normal, some_of};

/// How the hostile rows are made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Attack {
    /// One of the kinds that all tests share.
    Shared(Hostile),
    /// Finite values of any size, of both signs.
    HugeFinite,
    /// Bad, huge, tiny and honest values mixed within a row.
    Mixture,
    /// 4 random bits of 8 random coordinates of an honest row.
    BitFlips,
    /// One exponent bit of each of 8 random coordinates.
    ExponentFlips,
    /// The squared norm is this factor times f32::MAX.
    NearMax(f64),
    /// `μ − zσ` (Baruch et al. 2019), z of the paper.
    Alie,
    /// `−ε μ` (Xie et al. 2019).
    Ipm(f64),
    /// The honest row, times −1.
    SignFlip,
    /// All copy the honest row that is nearest to the mean: distances of 0, and Krum scores that tie.
    MimicNearest,
    /// All copy the honest row that is farthest from the mean.
    MimicFarthest,
    /// Each copies an honest row of its own.
    Copies,
    /// All send the same row of noise.
    Identical,
    /// Mirror images of honest rows about the mean: distances that tie.
    Mirror,
    /// The honest coordinate-wise median, but for one coordinate.
    MedianWithOutlier,
    /// Per coordinate the honest value of the rank where trimming starts (low or high end), moved by so
    /// many units in the last place.
    Boundary { high: bool, ulps: i32 },
    /// All beside the mean in one direction, as far as an honest row of this rank's share is.
    Shell(f64),
    /// So many times the farthest honest distance away, all in one direction.
    Colluding(f64),
    /// The factor of ALIE that harms the rule most.
    SearchedAlie,
    /// The factor of IPM that harms the rule most.
    SearchedIpm,
    /// The distance in a direction that harms the rule most.
    SearchedShell,
}

/// Every attack.
pub fn all() -> Vec<Attack> {
    let mut all: Vec<Attack> = Hostile::ALL.into_iter().map(Attack::Shared).collect();
    all.extend([
        Attack::HugeFinite,
        Attack::Mixture,
        Attack::BitFlips,
        Attack::ExponentFlips,
        Attack::NearMax(1.0 + 1e-6),
        Attack::NearMax(1.0 - 1e-6),
        Attack::NearMax(0.25),
        Attack::Alie,
        Attack::Ipm(0.1),
        Attack::Ipm(2.0),
        Attack::SignFlip,
        Attack::MimicNearest,
        Attack::MimicFarthest,
        Attack::Copies,
        Attack::Identical,
        Attack::Mirror,
        Attack::MedianWithOutlier,
        Attack::Shell(0.5),
        Attack::Shell(0.9),
        Attack::Shell(1.0),
        Attack::Colluding(1e6),
        Attack::Colluding(1e9),
        Attack::Colluding(30.0),
        Attack::SearchedAlie,
        Attack::SearchedIpm,
        Attack::SearchedShell,
    ]);
    for high in [false, true] {
        all.extend([-1, 0, 1].map(|ulps| Attack::Boundary { high, ulps }));
    }
    all
}

/// One that adapts asks for the rule's result this often.
pub const SEARCH: [f64; 9] = [-1.5, 0.3, 0.7, 1.0, 1.4, 2.0, 4.0, 10.0, 100.0];

/// The honest rows, and what is known of them.
struct Honest {
    rows: Vec<Vec<f64>>,
    mean: Vec<f64>,
    deviation: Vec<f64>,
    /// Distances to the mean, ascending, and whose they are.
    away: Vec<(f64, usize)>,
}

impl Honest {
    fn new(rows: &[Vec<f32>], hostile: &[usize]) -> Self {
        let wide = |row: &Vec<f32>| row.iter().map(|&x| f64::from(x)).collect::<Vec<f64>>();
        let honest = rows
            .iter()
            .enumerate()
            .filter(|(i, _)| !hostile.contains(i));
        let rows: Vec<Vec<f64>> = honest.map(|(_, row)| wide(row)).collect();
        let h = rows.len() as f64;
        let sum = |k: usize, of: &dyn Fn(f64) -> f64| rows.iter().map(|r| of(r[k])).sum::<f64>();
        let d = rows[0].len();
        let mean: Vec<f64> = (0..d).map(|k| sum(k, &|x| x) / h).collect();
        let square = |k: usize| sum(k, &|x| (x - mean[k]).powi(2));
        let deviation = (0..d).map(|k| (square(k) / (h - 1.0).max(1.0)).sqrt());
        let deviation = deviation.collect();
        let distance = |row: &Vec<f64>| super::known::distance(row, &mean);
        let mut away: Vec<(f64, usize)> = rows.iter().map(distance).zip(0..).collect();
        away.sort_by(|a, b| a.0.total_cmp(&b.0));
        Honest {
            rows,
            mean,
            deviation,
            away,
        }
    }

    /// `μ + t·v` in f32.
    fn along(&self, t: f64, v: &[f64]) -> Vec<f32> {
        let terms = self.mean.iter().zip(v).map(|(m, v)| m + t * v);
        terms.map(|x| x as f32).collect()
    }

    /// The value of a rank, per coordinate.
    fn ranked(&self, rank: usize) -> Vec<f32> {
        let of = |k: usize| {
            let mut column: Vec<f64> = self.rows.iter().map(|row| row[k]).collect();
            column.sort_by(f64::total_cmp);
            column[rank.min(column.len() - 1)] as f32
        };
        (0..self.mean.len()).map(of).collect()
    }
}

/// Replaces the rows of the hostile workers. `respond` is the rule's result on what it is given.
pub fn strike(
    attack: Attack,
    rows: &mut [Vec<f32>],
    hostile: &[usize],
    seed: u64,
    respond: &mut dyn FnMut(&[Vec<f32>]) -> Vec<f32>,
) {
    if hostile.is_empty() {
        return;
    }
    let mut random = StdRng::seed_from_u64(seed ^ 0xA77A);
    let random = &mut random;
    let honest = Honest::new(rows, hostile);
    let (n, d, f) = (rows.len(), rows[0].len(), hostile.len());
    let farthest = honest.away.last().map_or(0.0, |a| a.0);
    let unit = |random: &mut StdRng| -> Vec<f64> {
        let v: Vec<f64> = (0..d).map(|_| f64::from(normal(random))).collect();
        let length = super::known::norm(&v).max(1e-9);
        v.iter().map(|x| x / length).collect()
    };
    // All hostile workers send the same row.
    let mut together = |row: Vec<f32>| hostile.iter().for_each(|&i| rows[i] = row.clone());
    match attack {
        Attack::Shared(kind) => kind.replace(rows, hostile),
        Attack::HugeFinite => {
            for &i in hostile {
                for x in &mut rows[i] {
                    *x = normal(random) * 10f32.powi(random.random_range(0..37));
                }
            }
        }
        Attack::Mixture => {
            let values = [
                f32::NAN,
                -f32::NAN,
                f32::INFINITY,
                f32::NEG_INFINITY,
                f32::MAX,
                f32::MIN,
                1e38,
                -1e38,
                0.0,
                -0.0,
                f32::from_bits(1),
                -f32::from_bits(9),
                1e19,
                -1e20,
                f32::MIN_POSITIVE,
            ];
            for &i in hostile {
                // Some rows without any bad value.
                let from = if random.random_bool(0.5) { 4 } else { 0 };
                for x in &mut rows[i] {
                    if random.random_bool(0.5) {
                        *x = values[random.random_range(from..values.len())];
                    }
                }
            }
        }
        Attack::BitFlips | Attack::ExponentFlips => {
            for &i in hostile {
                for k in some_of(d, 8.min(d), random) {
                    let mut bits = rows[i][k].to_bits();
                    if attack == Attack::ExponentFlips {
                        bits ^= 1 << random.random_range(23..31);
                    } else {
                        (0..4).for_each(|_| bits ^= 1 << random.random_range(0..32));
                    }
                    rows[i][k] = f32::from_bits(bits);
                }
            }
        }
        Attack::NearMax(factor) => {
            let v = unit(random);
            let length = (factor * f64::from(f32::MAX)).sqrt();
            together(v.iter().map(|v| (v * length) as f32).collect());
        }
        Attack::Alie => {
            let s = (n / 2 + 1).saturating_sub(f) as f64;
            let z = quantile(((n - f) as f64 - s) / (n - f) as f64);
            together(honest.along(-z, &honest.deviation));
        }
        Attack::Ipm(epsilon) => together(honest.along(-1.0 - epsilon, &honest.mean)),
        Attack::SignFlip => hostile
            .iter()
            .for_each(|&i| rows[i].iter_mut().for_each(|x| *x = -*x)),
        Attack::MimicNearest | Attack::MimicFarthest => {
            let at = if attack == Attack::MimicNearest {
                0
            } else {
                honest.away.len() - 1
            };
            let row = &honest.rows[honest.away[at].1];
            together(row.iter().map(|&x| x as f32).collect());
        }
        Attack::Copies => {
            for (turn, &i) in hostile.iter().enumerate() {
                let row = &honest.rows[turn % honest.rows.len()];
                rows[i] = row.iter().map(|&x| x as f32).collect();
            }
        }
        Attack::Identical => {
            let spread = random.random_range(0.1..3.0);
            let noise: Vec<f64> = (0..d).map(|_| f64::from(normal(random))).collect();
            let v: Vec<f64> = noise
                .iter()
                .zip(&honest.deviation)
                .map(|(a, b)| a * b)
                .collect();
            together(honest.along(spread, &v));
        }
        Attack::Mirror => {
            for (turn, &i) in hostile.iter().enumerate() {
                let row = &honest.rows[turn % honest.rows.len()];
                let mirrored = row
                    .iter()
                    .zip(&honest.mean)
                    .map(|(x, m)| (2.0 * m - x) as f32);
                rows[i] = mirrored.collect();
            }
        }
        Attack::MedianWithOutlier => {
            let middle = honest.ranked(honest.rows.len() / 2);
            for &i in hostile {
                rows[i].clone_from(&middle);
                let size = [1e3, 1e9, 1e30, f32::MAX][random.random_range(0..4)];
                rows[i][random.random_range(0..d)] = size;
            }
        }
        Attack::Boundary { high, ulps } => {
            let rank = if high {
                (n - f).saturating_sub(f)
            } else {
                f - 1
            };
            let moved = |x: f32| match ulps {
                0 => x,
                1 => x.next_up(),
                _ => x.next_down(),
            };
            together(honest.ranked(rank).into_iter().map(moved).collect());
        }
        Attack::Shell(share) => {
            let at = ((honest.away.len() - 1) as f64 * share) as usize;
            together(honest.along(honest.away[at].0, &unit(random)));
        }
        Attack::Colluding(times) => {
            together(honest.along(times * farthest.max(1.0), &unit(random)))
        }
        Attack::SearchedAlie | Attack::SearchedIpm | Attack::SearchedShell => {
            let direction = match attack {
                Attack::SearchedAlie => honest.deviation.iter().map(|s| -s).collect(),
                Attack::SearchedIpm => honest.mean.iter().map(|m| -m).collect(),
                _ => {
                    let away = &honest.rows[honest.away[honest.away.len() - 1].1];
                    let v = away.iter().zip(&honest.mean).map(|(x, m)| x - m);
                    v.collect::<Vec<f64>>()
                }
            };
            let mut worst = (f64::NEG_INFINITY, 0.0);
            for factor in SEARCH {
                let row = honest.along(factor, &direction);
                hostile.iter().for_each(|&i| rows[i].clone_from(&row));
                let out: Vec<f64> = respond(rows).iter().map(|&x| f64::from(x)).collect();
                let error = super::known::distance(&out, &honest.mean);
                // NaN is as bad as it gets.
                let error = if error.is_nan() { f64::INFINITY } else { error };
                if error > worst.0 {
                    worst = (error, factor);
                }
            }
            let row = honest.along(worst.1, &direction);
            hostile.iter().for_each(|&i| rows[i].clone_from(&row));
        }
    }
}

/// Φ⁻¹ by bisection on a series, as precise as an attack needs.
fn quantile(p: f64) -> f64 {
    // erf by its power series, which converges for all that is asked here.
    let cumulative = |z: f64| {
        let x = z / 2f64.sqrt();
        let (mut term, mut sum) = (x, x);
        for k in 1..60 {
            term *= -x * x / f64::from(k);
            sum += term / f64::from(2 * k + 1);
        }
        0.5 + sum / std::f64::consts::PI.sqrt()
    };
    let (mut low, mut high) = (-3.0, 3.0);
    for _ in 0..50 {
        let middle = (low + high) / 2.0;
        if cumulative(middle) < p {
            low = middle
        } else {
            high = middle
        }
    }
    low
}

impl std::fmt::Display for Attack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = format!("{self:?}").replace(' ', "");
        f.write_str(&text)
    }
}
