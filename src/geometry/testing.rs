//! What the tests of this folder share: seeded numbers, and the geometry of given rows.

use super::view::{Geometry, square};
use crate::plan::{Anchors, CLASS_BAD, CLASS_FAR, CLASS_FINITE};

/// Seeded numbers (SplitMix64).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(seed)
    }

    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In [0, 1).
    pub fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.bits() % n as u64) as usize
    }

    pub fn normal(&mut self) -> f64 {
        let (r, angle) = (1.0 - self.uniform(), self.uniform());
        (-2.0 * r.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
    }

    pub fn rows(&mut self, n: usize, d: usize) -> Vec<Vec<f64>> {
        (0..n)
            .map(|_| (0..d).map(|_| self.normal()).collect())
            .collect()
    }

    /// Whole numbers from 0 to `most`: many ties, exact sums.
    pub fn lattice(&mut self, n: usize, d: usize, most: usize) -> Vec<Vec<f64>> {
        let number = |random: &mut Self| random.below(most + 1) as f64;
        (0..n)
            .map(|_| (0..d).map(|_| number(self)).collect())
            .collect()
    }
}

/// The origin and a given vector.
pub const BOTH: Anchors = Anchors {
    origin: true,
    given: true,
};

impl From<bool> for Anchors {
    /// The origin, or none.
    fn from(origin: bool) -> Self {
        Anchors {
            origin,
            given: false,
        }
    }
}

/// The vector that tests give with rows: as bad as row n/2.
pub fn given(rows: &[Vec<f64>]) -> Vec<f64> {
    let of = &rows[rows.len() / 2];
    of.iter().map(|x| 0.75 * x - 0.5).collect()
}

/// The geometry of rows, as `pairwise` computes it.
pub struct Points {
    gram: Vec<f64>,
    class: Vec<f64>,
    n: usize,
}

impl Points {
    pub fn new(rows: &[Vec<f64>], anchors: impl Into<Anchors>) -> Self {
        let anchors = anchors.into();
        let (n, d) = (rows.len(), rows[0].len());
        let centre = |k: usize| {
            let mut column: Vec<f64> = rows.iter().map(|row| row[k]).collect();
            column
                .iter_mut()
                .filter(|x| x.is_nan())
                .for_each(|x| *x = f64::INFINITY);
            column.sort_by(f64::total_cmp);
            let median = (column[(n - 1) / 2] + column[n / 2]) / 2.0;
            if median.is_finite() { median } else { 0.0 }
        };
        let centre: Vec<f64> = (0..d).map(centre).collect();
        let mut points = rows.to_vec();
        if anchors.origin {
            points.push(vec![0.0; d]);
        }
        if anchors.given {
            points.push(given(rows));
        }
        for row in &mut points {
            row.iter_mut().zip(&centre).for_each(|(x, m)| *x -= m);
        }
        let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let class: Vec<f64> = points
            .iter()
            .map(|row| match square(product(row, row)) {
                _ if row.iter().any(|x| !x.is_finite()) => CLASS_BAD,
                f64::INFINITY => CLASS_FAR,
                _ => CLASS_FINITE,
            })
            .collect();
        let entry = |i: usize, j: usize| match (class[i] + class[j] == CLASS_FINITE, i == j) {
            (true, _) => product(&points[i], &points[j]),
            (false, true) => f64::INFINITY,
            (false, false) => 0.0,
        };
        let all = 0..points.len();
        Points {
            gram: all
                .clone()
                .flat_map(|i| all.clone().map(move |j| (i, j)))
                .map(|(i, j)| entry(i, j))
                .collect(),
            class,
            n,
        }
    }

    pub fn geometry(&self) -> Geometry<'_> {
        Geometry {
            gram: &self.gram,
            class: &self.class,
            n: self.n,
            points: self.class.len(),
        }
    }
}

/// `Σ c_i x_i` over the rows with a coefficient.
pub fn combine(rows: &[Vec<f64>], c: &[f64]) -> Vec<f64> {
    let used = || rows.iter().zip(c).filter(|(_, c)| **c != 0.0);
    (0..rows[0].len())
        .map(|k| used().map(|(row, c)| row[k] * c).sum())
        .collect()
}

/// Every subset of {0, …, n−1} with m members, in lexicographic order.
pub fn subsets(n: usize, m: usize) -> Vec<Vec<usize>> {
    fn extend(from: usize, n: usize, m: usize, set: &mut Vec<usize>, all: &mut Vec<Vec<usize>>) {
        if set.len() == m {
            all.push(set.clone());
            return;
        }
        for i in from..n {
            set.push(i);
            extend(i + 1, n, m, set, all);
            set.pop();
        }
    }
    let mut all = Vec::new();
    extend(0, n, m, &mut Vec::new(), &mut all);
    all
}

/// The rows with a coefficient, which must be equal shares.
pub fn members(c: &[f64]) -> Vec<usize> {
    let set: Vec<usize> = (0..c.len()).filter(|&i| c[i] != 0.0).collect();
    assert!(set.iter().all(|&i| c[i] == 1.0 / set.len() as f64), "{c:?}");
    set
}
