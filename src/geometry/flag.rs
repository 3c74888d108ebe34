//! The flag aggregator: the rows' mean in the subspace that is nearest to them, on coefficients.

use super::eigen;
use super::view::Geometry;
use crate::plan::CLASS_FINITE;

/// What a run of the iteration is told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// Dimensions of the subspace.
    pub m: usize,
    /// How much the differences between rows count.
    pub lambda: f64,
    /// Rounds at most.
    pub rounds: usize,
    /// As in the published code: unit rows, other weights of the pairs, another scale.
    pub published: bool,
}

/// Keeps weights finite for rows inside the subspace.
const EPSILON: f64 = 1e-7;
/// A change of the objective that ends the iteration.
const CHANGE: f64 = 1e-10;
/// Eigenvalues below this share of the largest are none.
const RANK: f64 = 1e-6;
/// A squared length is as accurate as this share of the squared distances of the row and the origin from
/// the centre: a shorter row counts as zero, as a zero row that was mixed would not be one otherwise.
const LENGTH: f64 = 1e-6;

/// Room that [`coefficients`] needs.
pub(crate) fn scratch(n: usize) -> usize {
    6 * n * n + 4 * n
}

/// Coefficients of `(1/n) Y Yᵀ Σ x_i`, Y the m-dimensional subspace that minimises
/// `Σ √(1−v_i) + λ/(n−1) Σ_{i≠j} √(1−v_ij)`, by iteratively reweighted least squares from v = 0.
/// Needs the origin.
///
/// n counts the usable rows. Rows of length zero, and those that are not usable, get 0, NaN without a
/// usable one. From an origin at +Inf all rows have the same direction: then it is their mean.
pub(crate) fn coefficients(
    geometry: &Geometry<'_>,
    settings: Settings,
    out: &mut [f64],
    scratch: &mut [f64],
) {
    let n = geometry.n;
    let Some(usable) = geometry.usable() else {
        out.fill(f64::NAN);
        return;
    };
    let (rows, rest) = scratch.split_at_mut(n);
    let rows: &mut [u64] = bytemuck::cast_slice_mut(rows);
    let all = geometry.class[..n].iter().filter(|c| **c == usable).count();
    if usable != CLASS_FINITE || geometry.class[n] != CLASS_FINITE {
        for (out, class) in out.iter_mut().zip(geometry.class) {
            *out = if *class == usable {
                1.0 / all as f64
            } else {
                0.0
            };
        }
        return;
    }
    let mut k = 0;
    for i in (0..n).filter(|&i| geometry.class[i] == usable) {
        let norm = geometry.square_norm(i);
        let point = |i: usize| geometry.gram[i * geometry.points + i];
        if norm > LENGTH * (point(i) + point(n)) && norm.is_finite() {
            rows[k] = i as u64;
            k += 1;
        }
    }
    let rows = &rows[..k];
    out.fill(0.0);
    if k == 0 {
        return;
    }
    let (products, rest) = rest.split_at_mut(k * k);
    let (distances, rest) = rest.split_at_mut(k * k);
    let (lengths, rest) = rest.split_at_mut(k);
    inner_products(
        geometry,
        rows,
        settings.published,
        products,
        distances,
        lengths,
    );
    let mut rest = rest;
    let mut take = |len: usize| {
        let (taken, left) = std::mem::take(&mut rest).split_at_mut(len);
        rest = left;
        taken
    };
    let mut fit = Fit {
        settings,
        k,
        all: all as f64,
        products,
        distances,
        root: take(k * k),
        square: take(k * k),
        vectors: take(k * k),
        along: take(k * k),
        values: take(k),
        inside: take(k),
        rank: 0,
    };
    fit.run();
    let parts = if settings.published {
        settings.m as f64
    } else {
        fit.all
    };
    for t in 0..fit.rank {
        let sum: f64 = fit.along[t * k..][..k].iter().sum::<f64>() / parts;
        for ((&i, b), length) in rows.iter().zip(&fit.vectors[t * k..]).zip(&*lengths) {
            let scale = if settings.published { *length } else { 1.0 };
            out[i as usize] += sum * b / scale;
        }
    }
}

/// About the origin, the squared distances, and the rows' lengths; of unit rows in the published form.
fn inner_products(
    geometry: &Geometry<'_>,
    rows: &[u64],
    unit: bool,
    products: &mut [f64],
    distances: &mut [f64],
    lengths: &mut [f64],
) {
    let (k, o) = (rows.len(), geometry.n);
    let entry = |i: usize, j: usize| geometry.row(i)[j];
    for (length, &i) in lengths.iter_mut().zip(rows) {
        *length = geometry.square_norm(i as usize).sqrt();
    }
    for a in 0..k {
        for b in 0..k {
            let (i, j) = (rows[a] as usize, rows[b] as usize);
            let both = lengths[a] * lengths[b];
            let product = if a == b {
                both
            } else {
                entry(i, j) - entry(i, o) - entry(o, j) + entry(o, o)
            };
            (products[a * k + b], distances[a * k + b]) = if unit {
                (product / both, (2.0 - 2.0 * product / both).max(0.0))
            } else {
                (product, geometry.square_distance(i, j))
            };
        }
    }
}

/// The iteration: k rows of length above 0 out of all that are usable.
struct Fit<'a> {
    settings: Settings,
    k: usize,
    all: f64,
    /// K and D².
    products: &'a [f64],
    distances: &'a [f64],
    /// L, LᵀKL, then U or the columns of B = L U Λ^−½ one a row, BᵀK.
    root: &'a mut [f64],
    square: &'a mut [f64],
    vectors: &'a mut [f64],
    along: &'a mut [f64],
    /// Λ and v.
    values: &'a mut [f64],
    inside: &'a mut [f64],
    /// Dimensions of the subspace.
    rank: usize,
}

impl Fit<'_> {
    fn run(&mut self) {
        self.inside.fill(0.0);
        let mut before = f64::INFINITY;
        for _ in 0..self.settings.rounds {
            self.weigh();
            cholesky(self.root, self.k);
            self.subspace();
            let objective = self.objective();
            if (before - objective).abs() <= CHANGE {
                break;
            }
            before = objective;
        }
    }

    /// Does a pair count? Each unordered one does twice.
    fn counts(&self, a: usize, b: usize) -> bool {
        self.settings.lambda > 0.0 && self.distances[a * self.k + b] > 0.0
    }

    /// `‖Yᵀ(x_a − x_b)‖²`.
    fn between(&self, a: usize, b: usize) -> f64 {
        let rows = self.along.chunks_exact(self.k).take(self.rank);
        rows.map(|row| (row[a] - row[b]) * (row[a] - row[b])).sum()
    }

    /// `1 − v_ab`.
    fn outside(&self, a: usize, b: usize) -> f64 {
        (1.0 - self.between(a, b) / self.distances[a * self.k + b]).max(0.0)
    }

    /// M = diag(a_i²) + Laplacian(a_ij²).
    fn weigh(&mut self) {
        let (k, lambda) = (self.k, self.settings.lambda);
        self.root.fill(0.0);
        for a in 0..k {
            let own = self.products[a * k + a];
            self.root[a * k + a] += (1.0 - self.inside[a] + EPSILON).powf(-0.5) / own;
            for b in 0..a {
                if !self.counts(a, b) {
                    continue;
                }
                let weight = if self.settings.published {
                    let share = lambda / (self.all * (self.all - 1.0));
                    share * share * ((1.0 - self.between(a, b)).abs() + EPSILON).powf(-0.5)
                } else {
                    let share = lambda / ((self.all - 1.0) * self.distances[a * k + b]);
                    share * (self.outside(a, b) + EPSILON).powf(-0.5)
                };
                self.root[a * k + a] += 2.0 * weight;
                self.root[b * k + b] += 2.0 * weight;
                self.root[a * k + b] -= 2.0 * weight;
            }
        }
    }

    /// LᵀKL = UΛUᵀ, of which the leading part gives B, and BᵀK.
    fn subspace(&mut self) {
        let k = self.k;
        // KL in the room of the vectors.
        let lines = self.products.chunks_exact(k);
        for (row, products) in self.vectors.chunks_exact_mut(k).zip(lines.clone()) {
            row.fill(0.0);
            for (share, root) in products.iter().zip(self.root.chunks_exact(k)) {
                add(row, *share, root);
            }
        }
        self.square.fill(0.0);
        for (root, row) in self.root.chunks_exact(k).zip(self.vectors.chunks_exact(k)) {
            for (share, line) in root.iter().zip(self.square.chunks_exact_mut(k)) {
                add(line, *share, row);
            }
        }
        let eigen = eigen::decompose(self.square, k);
        self.values.copy_from_slice(&eigen.values);
        self.vectors.copy_from_slice(&eigen.vectors);
        let most = self.values[..self.settings.m.min(k)].iter();
        let least = RANK * self.values[0];
        self.rank = most.take_while(|value| **value > least).count();
        for t in 0..self.rank {
            let length = self.values[t].sqrt();
            let (column, vector) = (&mut self.square[..k], &mut self.vectors[t * k..][..k]);
            for (to, root) in column.iter_mut().zip(self.root.chunks_exact(k)) {
                *to = dot(root, vector) / length;
            }
            vector.copy_from_slice(column);
            for (to, products) in self.along[t * k..].iter_mut().zip(lines.clone()) {
                *to = dot(products, vector);
            }
        }
    }

    /// v, and what is minimised.
    fn objective(&mut self) -> f64 {
        let k = self.k;
        let mut sum = 0.0;
        for a in 0..k {
            let rows = self.along.chunks_exact(k).take(self.rank);
            let projected: f64 = rows.map(|row| row[a] * row[a]).sum();
            self.inside[a] = (projected / self.products[a * k + a]).min(1.0);
            sum += (1.0 - self.inside[a]).sqrt();
            let share = 2.0 * self.settings.lambda / (self.all - 1.0);
            let pairs = (0..a).filter(|&b| self.counts(a, b));
            sum += pairs
                .map(|b| share * self.outside(a, b).sqrt())
                .sum::<f64>();
        }
        sum
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add(to: &mut [f64], share: f64, from: &[f64]) {
    if share != 0.0 {
        to.iter_mut()
            .zip(from)
            .for_each(|(to, from)| *to += share * from);
    }
}

/// L of LLᵀ = A in the lower triangle, zeros above it. A column without a positive pivot is zero.
fn cholesky(a: &mut [f64], n: usize) {
    for i in 0..n {
        let (above, row) = a.split_at_mut(i * n);
        let row = &mut row[..n];
        for j in 0..i {
            let earlier = &above[j * n..][..n];
            let shared: f64 = row[..j].iter().zip(earlier).map(|(a, b)| a * b).sum();
            let pivot = earlier[j];
            row[j] = if pivot > 0.0 {
                (row[j] - shared) / pivot
            } else {
                0.0
            };
        }
        let own: f64 = row[..i].iter().map(|l| l * l).sum();
        row[i] = (row[i] - own).max(0.0).sqrt();
        row[i + 1..].fill(0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Points, Random, combine};
    use super::*;

    fn aggregate(rows: &[Vec<f64>], settings: Settings) -> Vec<f64> {
        let n = rows.len();
        let points = Points::new(rows, true);
        let mut out = vec![f64::NAN; n];
        let room = &mut vec![f64::NAN; scratch(n)];
        coefficients(&points.geometry(), settings, &mut out, room);
        combine(rows, &out)
    }

    /// The m leading left singular vectors of vectors in d dimensions, from their d×d second moment.
    fn leading(parts: &[(f64, Vec<f64>)], d: usize, m: usize) -> Vec<Vec<f64>> {
        let mut moment = vec![0.0; d * d];
        for (weight, x) in parts {
            for (line, x_k) in moment.chunks_mut(d).zip(x) {
                line.iter_mut()
                    .zip(x)
                    .for_each(|(to, x_l)| *to += weight * x_k * x_l);
            }
        }
        let eigen = eigen::decompose(&moment, d);
        let kept = |value: &&f64| **value > RANK * eigen.values[0];
        let kept = eigen.values.iter().filter(kept).count();
        (0..m.min(kept)).map(|k| eigen.vector(k).to_vec()).collect()
    }

    /// The definition in d dimensions.
    fn plainly(rows: &[Vec<f64>], s: Settings) -> Vec<f64> {
        let d = rows[0].len();
        let mut used: Vec<Vec<f64>> = rows
            .iter()
            .filter(|row| row.iter().all(|x| x.abs() < 1e18))
            .cloned()
            .collect();
        let n = used.len() as f64;
        used.retain(|row| dot(row, row) > 0.0);
        if s.published {
            for row in &mut used {
                let length = dot(row, row).sqrt();
                row.iter_mut().for_each(|x| *x /= length);
            }
        }
        let mut y: Vec<Vec<f64>> = vec![];
        let mut before = f64::INFINITY;
        for _ in 0..s.rounds {
            let inside = |x: &[f64]| y.iter().map(|y| dot(y, x).powi(2)).sum::<f64>();
            let mut parts = vec![];
            for x in &used {
                let own = dot(x, x);
                let weight = (1.0 - (inside(x) / own).min(1.0) + EPSILON).powf(-0.5) / own;
                parts.push((weight, x.clone()));
            }
            for (i, a) in used.iter().enumerate() {
                for (j, b) in used.iter().enumerate() {
                    let x: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
                    let own = dot(&x, &x);
                    if i != j && own > 0.0 && s.lambda > 0.0 {
                        let weight = if s.published {
                            (s.lambda / (n * (n - 1.0))).powi(2)
                                * ((1.0 - inside(&x)).abs() + EPSILON).powf(-0.5)
                        } else {
                            let outside = 1.0 - (inside(&x) / own).min(1.0);
                            s.lambda / ((n - 1.0) * own) * (outside + EPSILON).powf(-0.5)
                        };
                        parts.push((weight, x));
                    }
                }
            }
            y = leading(&parts, d, s.m);
            let outside = |x: &[f64]| {
                let inside = y.iter().map(|y| dot(y, x).powi(2)).sum::<f64>();
                (1.0 - inside / dot(x, x)).max(0.0).sqrt()
            };
            let mut objective: f64 = used.iter().map(|x| outside(x)).sum();
            for (i, a) in used.iter().enumerate() {
                for (j, b) in used.iter().enumerate() {
                    let x: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
                    if i != j && dot(&x, &x) > 0.0 && s.lambda > 0.0 {
                        objective += s.lambda / (n - 1.0) * outside(&x);
                    }
                }
            }
            if f64::abs(before - objective) <= CHANGE {
                break;
            }
            before = objective;
        }
        let mut out = vec![0.0; d];
        for y in &y {
            let sum: f64 = used.iter().map(|x| dot(x, y)).sum();
            let parts = if s.published { s.m as f64 } else { n };
            out.iter_mut()
                .zip(y)
                .for_each(|(out, y)| *out += sum / parts * y);
        }
        out
    }

    #[test]
    fn it_is_the_definition() {
        let mut random = Random::new(9);
        for (n, d) in [(1, 3), (2, 4), (5, 9), (8, 5), (9, 20)] {
            for lambda in [0.0, 0.5, 3.0] {
                for published in [false, true] {
                    for case in 0..4 {
                        let mut rows = random.rows(n, d);
                        for (i, row) in rows.iter_mut().enumerate() {
                            row[0] += 2.0;
                            row.iter_mut().for_each(|x| *x *= (i + 1) as f64);
                        }
                        match (case, n > 2) {
                            (1, true) => {
                                rows[1].fill(0.0);
                                rows[2] = rows[0].clone();
                            }
                            (2, true) => {
                                rows[0][0] = f64::NAN;
                                rows[1][1] = 1e25;
                            }
                            (3, true) => rows[0].iter_mut().for_each(|x| *x *= 1e3),
                            _ => {}
                        }
                        let settings = Settings {
                            m: n.div_ceil(2),
                            lambda,
                            rounds: if published { 1 } else { 5 },
                            published,
                        };
                        let found = aggregate(&rows, settings);
                        let expected = plainly(&rows, settings);
                        // A mean may cancel: relative to the rows that are its terms.
                        let size = if published { 1.0 } else { 3.0 };
                        for (a, b) in found.iter().zip(&expected) {
                            assert!((a - b).abs() < 1e-7 * size, "{found:?} {expected:?}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn rows_in_the_subspace_are_averaged() {
        let settings = Settings {
            m: 2,
            lambda: 0.0,
            rounds: 5,
            published: false,
        };
        let rows = [
            vec![1.0, 0.0, 0.0],
            vec![1.0, 2.0, 0.0],
            vec![4.0, 1.0, 0.0],
        ];
        let found = aggregate(&rows, settings);
        for (found, expected) in found.iter().zip([2.0, 1.0, 0.0]) {
            assert!((found - expected).abs() < 1e-12);
        }
        assert_eq!(aggregate(&[vec![0.0; 2], vec![0.0; 2]], settings), [0.0; 2]);
        // So far from the origin that its inner products are infinite.
        let far = vec![vec![3e30]; 3];
        let settings = Settings { m: 1, ..settings };
        assert!((aggregate(&far, settings)[0] / 3e30 - 1.0).abs() < 1e-12);
        let points = Points::new(&[vec![f64::NAN], vec![f64::NAN]], true);
        let mut out = [0.0; 2];
        coefficients(&points.geometry(), settings, &mut out, &mut [0.0; 32]);
        assert!(out.iter().all(|c| c.is_nan()));
    }
}
