//! What the examples share.

use crate::common::naive::{Reference, aggregate};

pub const NAN: f64 = f64::NAN;
pub const INF: f64 = f64::INFINITY;

pub fn identity(n: usize, _seed: u64) -> Vec<usize> {
    (0..n).collect()
}

/// n rows of one element each.
pub fn line(values: &[f64]) -> Vec<Vec<f64>> {
    values.iter().map(|&x| vec![x]).collect()
}

pub fn apply(rule: &str, rows: &[Vec<f64>], weights: Option<&[f64]>) -> Reference {
    aggregate(rule, rows, weights, &identity).unwrap()
}

/// The result for rows of one element.
pub fn on_line(rule: &str, values: &[f64]) -> f64 {
    apply(rule, &line(values), None).output[0]
}

/// The same with weights.
pub fn weighted(rule: &str, values: &[f64], weights: &[f64]) -> f64 {
    apply(rule, &line(values), Some(weights)).output[0]
}

#[track_caller]
pub fn close(got: f64, expected: f64) {
    let same = got == expected || (got.is_nan() && expected.is_nan());
    let error = (got - expected).abs();
    assert!(
        same || error <= 1e-12 * expected.abs().max(1.0),
        "got {got}, expected {expected}"
    );
}

#[track_caller]
pub fn all_close(got: &[f64], expected: &[f64]) {
    assert_eq!(got.len(), expected.len());
    got.iter().zip(expected).for_each(|(&g, &e)| close(g, e));
}

/// Σ c_i x_i is the output.
#[track_caller]
pub fn is_combination(result: &Reference, rows: &[Vec<f64>]) {
    let c = result.coefficients.as_ref().expect("a combination of rows");
    for (k, &expected) in result.output.iter().enumerate() {
        let used = (0..rows.len()).filter(|&i| c[i] != 0.0);
        close(used.map(|i| c[i] * rows[i][k]).sum(), expected);
    }
}
