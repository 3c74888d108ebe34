//! Eigenvalues of symmetric matrices: nalgebra's solver, in the form that the rules want.

use nalgebra::{DMatrix, SymmetricEigen};

/// QL steps that the solver may take for each row: it takes about two, so this only says that nothing
/// hangs.
const MAX_STEPS: usize = 60;

/// The eigenvalues of a symmetric matrix, the largest first.
#[derive(Clone, Debug)]
pub(crate) struct Eigen {
    pub values: Vec<f64>,
    /// Unit eigenvectors, one a row. Of each the first element of the largest size is positive.
    pub vectors: Vec<f64>,
}

impl Eigen {
    pub fn vector(&self, k: usize) -> &[f64] {
        let n = self.values.len();
        &self.vectors[k * n..][..n]
    }
}

/// All eigenvalues and eigenvectors of a symmetric n×n matrix. Allocates O(n²).
///
/// If the solver has not converged by its limit, which finite numbers never make it reach, the
/// matrix counts as diagonal. So does one that holds something else, which the solver never sees: it
/// would not end.
pub(crate) fn decompose(a: &[f64], n: usize) -> Eigen {
    let solved = (n > 0 && a.iter().all(|x| x.is_finite()))
        .then(|| DMatrix::from_row_slice(n, n, a))
        .and_then(|matrix| SymmetricEigen::try_new(matrix, f64::EPSILON, MAX_STEPS * n));
    let (values, vectors) = match solved {
        Some(solved) => (solved.eigenvalues, solved.eigenvectors),
        None => (
            (0..n).map(|i| a[i * n + i]).collect::<Vec<f64>>().into(),
            DMatrix::identity(n, n),
        ),
    };
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
    let vector = |&k: &usize| {
        let column = vectors.column(k);
        let largest = column
            .iter()
            .fold(0.0, |m: f64, x| if x.abs() > m.abs() { *x } else { m });
        let sign = 1f64.copysign(largest);
        column.iter().map(|x| sign * x).collect::<Vec<f64>>()
    };
    Eigen {
        values: order.iter().map(|&k| values[k]).collect(),
        vectors: order.iter().flat_map(vector).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Random;
    use super::*;

    fn dot(a: &[f64], b: &[f64]) -> f64 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    /// A symmetric matrix with the given eigenvalues, by reflections.
    fn with_values(values: &[f64], random: &mut Random) -> Vec<f64> {
        let n = values.len();
        let mut a = vec![0.0; n * n];
        (0..n).for_each(|i| a[i * n + i] = values[i]);
        for _ in 0..3 {
            let mut v: Vec<f64> = (0..n).map(|_| random.normal()).collect();
            let length = dot(&v, &v).sqrt();
            v.iter_mut().for_each(|v| *v /= length);
            let h = |i: usize, j: usize| f64::from(u8::from(i == j)) - 2.0 * v[i] * v[j];
            let times = |x: &dyn Fn(usize, usize) -> f64, y: &dyn Fn(usize, usize) -> f64| {
                let mut out = vec![0.0; n * n];
                for i in 0..n {
                    for j in 0..n {
                        out[i * n + j] = (0..n).map(|k| x(i, k) * y(k, j)).sum();
                    }
                }
                out
            };
            let half = times(&h, &|i, j| a[i * n + j]);
            a = times(&|i, j| half[i * n + j], &h);
        }
        a
    }

    fn check(values: &[f64]) {
        let n = values.len();
        let a = with_values(values, &mut Random::new(n as u64));
        let scale = values.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
        let mut sorted = values.to_vec();
        sorted.sort_by(|a, b| b.total_cmp(a));

        let found = decompose(&a, n);
        assert_eq!(found.values.len(), n);
        for (k, expected) in sorted.iter().enumerate() {
            let (value, v) = (found.values[k], found.vector(k));
            assert!((value - expected).abs() <= 1e-13 * scale, "{found:?}");
            for i in 0..n {
                let product = dot(&a[i * n..][..n], v);
                assert!((product - value * v[i]).abs() <= 1e-13 * scale);
            }
            for l in 0..n {
                let expected = f64::from(u8::from(k == l));
                assert!((dot(v, found.vector(l)) - expected).abs() < 1e-13);
            }
            let most = v.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
            assert_eq!(v.iter().find(|x| x.abs() == most), Some(&most));
        }
    }

    #[test]
    fn every_spectrum_is_found() {
        check(&[3.0]);
        check(&[2.0, -1.0]);
        check(&[0.0; 5]);
        check(&[1.0; 6]);
        check(&[5.0, 5.0, 5.0, 0.0, 0.0, 1e-9, 1e-9]);
        check(&[1e38, 1e30, 1.0, 0.0, 1e-9]);
        check(&(0..40).map(|i| f64::from(i % 13)).collect::<Vec<_>>());
        check(&(0..60).map(|i| 0.9f64.powi(i) * 1e-30).collect::<Vec<_>>());
        let mut random = Random::new(3);
        check(&(0..50).map(|_| random.normal()).collect::<Vec<_>>());
    }
    #[test]
    fn what_is_not_finite_is_not_solved() {
        assert!(decompose(&[], 0).values.is_empty());
        for bad in [f64::NAN, f64::INFINITY] {
            let found = decompose(&[1.0, bad, bad, 2.0], 2);
            assert_eq!(found.values, [2.0, 1.0]);
            assert_eq!(found.vectors, [0.0, 1.0, 1.0, 0.0]);
        }
    }
}
