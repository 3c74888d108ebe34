//! CAF: rows lose weight along the direction in which they vary most.

use super::eigen;
use super::view::Geometry;
use crate::plan::CLASS_FINITE;

/// Room that [`weights`] needs.
pub(crate) fn scratch(n: usize) -> usize {
    n * n + 4 * n
}

/// Coefficients of the mean μ under those weights c that were found with the least largest eigenvalue
/// of the covariance.
///
/// While Σc > n−2f: `τ_i = ⟨x_i − μ, v⟩²` along the leading eigenvector v, `c_i ← c_i (1 − τ_i / max τ)`,
/// the maximum over the rows that still have weight: so each round takes one row's weight away
/// entirely, and there are at most n.
pub(crate) fn weights(geometry: &Geometry<'_>, f: usize, out: &mut [f64], scratch: &mut [f64]) {
    let n = geometry.n;
    let Some(usable) = geometry.usable() else {
        out.fill(f64::NAN);
        return;
    };
    let (covariance, rest) = scratch.split_at_mut(n * n);
    let (c, rest) = rest.split_at_mut(n);
    let (means, rest) = rest.split_at_mut(n);
    let (projected, rest) = rest.split_at_mut(n);
    let rows = &mut rest[..n];
    let rows: &mut [u64] = bytemuck::cast_slice_mut(rows);
    for (c, class) in c.iter_mut().zip(geometry.class) {
        *c = f64::from(u8::from(*class == usable));
    }
    let mut least = f64::INFINITY;
    loop {
        // The rows that have weight.
        let mut k = 0;
        for i in (0..n).filter(|&i| c[i] > 0.0) {
            rows[k] = i as u64;
            k += 1;
        }
        let rows = &rows[..k];
        let sum: f64 = rows.iter().map(|&i| c[i as usize]).sum();
        let ends = sum <= (n - 2 * f) as f64;
        if ends && least < f64::INFINITY {
            return;
        }
        if ends || f == 0 || usable != CLASS_FINITE {
            out.iter_mut().zip(&*c).for_each(|(out, c)| *out = c / sum);
            return;
        }
        // √c_i ⟨x_i − μ, x_j − μ⟩ √c_j.
        let share = |i: u64| c[i as usize] / sum;
        let product = |i: u64, j: u64| geometry.row(i as usize)[j as usize];
        for (mean, &i) in means.iter_mut().zip(rows) {
            *mean = rows.iter().map(|&j| share(j) * product(i, j)).sum();
        }
        let own: f64 = rows.iter().zip(&*means).map(|(&i, m)| share(i) * m).sum();
        let covariance = &mut covariance[..k * k];
        for (a, line) in covariance.chunks_exact_mut(k).enumerate() {
            for (b, entry) in line.iter_mut().enumerate() {
                let (i, j) = (rows[a], rows[b]);
                let root = c[i as usize].sqrt() * c[j as usize].sqrt();
                *entry = root * (product(i, j) - means[a] - means[b] + own);
            }
        }
        let eigen = eigen::decompose(covariance, k);
        let (largest, direction) = (eigen.values[0] / sum, eigen.vector(0));
        if largest < least {
            least = largest;
            out.iter_mut().zip(&*c).for_each(|(out, c)| *out = c / sum);
        }
        let mut most = 0.0;
        for ((projected, line), &i) in projected
            .iter_mut()
            .zip(covariance.chunks_exact(k))
            .zip(rows)
        {
            let along: f64 = line.iter().zip(direction).map(|(c, v)| c * v).sum();
            *projected = along * along / c[i as usize];
            most = f64::max(most, *projected);
        }
        if largest <= 0.0 || most <= 0.0 {
            return;
        }
        for (projected, &i) in projected.iter().zip(rows) {
            c[i as usize] *= 1.0 - projected / most;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Points, Random, combine};
    use super::*;

    fn aggregate(rows: &[Vec<f64>], f: usize) -> Vec<f64> {
        let n = rows.len();
        let points = Points::new(rows, false);
        let mut out = vec![f64::NAN; n];
        let room = &mut vec![f64::NAN; scratch(n)];
        weights(&points.geometry(), f, &mut out, room);
        combine(rows, &out)
    }

    /// The definition in d dimensions, the eigenvector by many power steps.
    fn plainly(rows: &[Vec<f64>], f: usize) -> Vec<f64> {
        let (n, d) = (rows.len(), rows[0].len());
        let good = |row: &Vec<f64>| row.iter().all(|x| x.abs() < 1e19);
        let mut c: Vec<f64> = rows
            .iter()
            .map(|row| f64::from(u8::from(good(row))))
            .collect();
        let (mut least, mut best) = (f64::INFINITY, vec![]);
        loop {
            let sum: f64 = c.iter().sum();
            if best.is_empty() || sum > (n - 2 * f) as f64 {
                let c_bar: Vec<f64> = c.iter().map(|c| c / sum).collect();
                let mu = combine(rows, &c_bar);
                let away = |i: usize| -> Vec<f64> {
                    rows[i].iter().zip(&mu).map(|(x, m)| x - m).collect()
                };
                let along = |i: usize, v: &[f64]| -> f64 {
                    away(i).iter().zip(v).map(|(x, v)| x * v).sum()
                };
                let mut v: Vec<f64> = (0..d).map(|k| 1.0 + 0.1 * k as f64).collect();
                let mut value = 0.0;
                for _ in 0..20_000 {
                    let mut next = vec![0.0; d];
                    for i in (0..n).filter(|&i| c[i] > 0.0) {
                        let share = c_bar[i] * along(i, &v);
                        next.iter_mut()
                            .zip(away(i))
                            .for_each(|(n, x)| *n += share * x);
                    }
                    value = next.iter().map(|x| x * x).sum::<f64>().sqrt();
                    if value == 0.0 {
                        break;
                    }
                    v = next.iter().map(|x| x / value).collect();
                }
                if value < least {
                    (least, best) = (value, mu.clone());
                }
                if f == 0 || value == 0.0 {
                    return best;
                }
                let tau: Vec<f64> = (0..n)
                    .map(|i| {
                        if c[i] > 0.0 {
                            along(i, &v).powi(2)
                        } else {
                            0.0
                        }
                    })
                    .collect();
                let most = tau.iter().copied().fold(0.0, f64::max);
                c.iter_mut()
                    .zip(tau)
                    .for_each(|(c, tau)| *c *= 1.0 - tau / most);
            } else {
                return best;
            }
        }
    }

    #[test]
    fn it_is_the_definition() {
        let mut random = Random::new(8);
        for (n, d) in [(1usize, 2), (2, 1), (5, 3), (9, 4), (12, 6)] {
            for f in 0..n.div_ceil(2) {
                for case in 0..5 {
                    let mut rows = random.rows(n, d);
                    // No direction as wide as another: power steps need a gap.
                    for row in &mut rows {
                        row.iter_mut()
                            .enumerate()
                            .for_each(|(k, x)| *x *= 0.7f64.powi(k as i32));
                    }
                    for (i, row) in rows.iter_mut().take(f).enumerate() {
                        match case {
                            1 => row[0] = 1e6,
                            2 => row[i % d] = [f64::NAN, 1e30][i % 2],
                            3 => row.fill(-30.0),
                            _ => {}
                        }
                    }
                    let (found, expected) = (aggregate(&rows, f), plainly(&rows, f));
                    for (a, b) in found.iter().zip(&expected) {
                        assert!(
                            (a - b).abs() < 1e-6,
                            "n = {n}, f = {f}: {found:?} {expected:?}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn equal_rows_and_hostile_ones() {
        let same = vec![vec![1.5, 2.5]; 5];
        let near = |found: &[f64]| (found[0] - 1.5).abs() < 1e-9 && (found[1] - 2.5).abs() < 1e-9;
        assert!(near(&aggregate(&same, 0)));
        assert!(near(&aggregate(&same, 2)));
        let mut rows = same.clone();
        rows[0][0] = f64::NAN;
        rows[4][1] = 1e12;
        assert!(near(&aggregate(&rows, 2)));
        // More bad rows than f: the others.
        rows[1..4].iter_mut().for_each(|row| row[0] = f64::INFINITY);
        assert_eq!(aggregate(&rows, 1), [1.5, 1e12]);
        rows[4][0] = f64::NAN;
        assert!(aggregate(&rows, 1).iter().all(|x| *x == 0.0 || x.is_nan()));
    }
}
