//! What tests of a GPU's interfaces share: a small matrix, and the CPU's results to compare with.

use byzagg::{Block, DType, Device, Matrix, Options, Rule, Run, Shape};

use crate::cases::{Kind, flat};

/// A rule that selects values, two that select rows, and three that compute.
pub const RULES: [&str; 6] = [
    "median",
    "krum(f=2)",
    "nnm(median,f=2)",
    "cwtm(f=2)",
    "ctma(median,f=2)",
    "rfa",
];

/// Are a rule's results values of the matrix, so that every device gives the same bits?
fn selects(rule: &str) -> bool {
    ["median", "krum(f=2)", "krum(f=1)"].contains(&rule)
}

/// Multiples of a quarter: exact in every element type, with exact sums.
pub fn lattice(n: usize, d: usize) -> Vec<f32> {
    flat(&Kind::Lattice.rows(n, d, 7))
}

/// The CPU's result in f32, of blocks that lie side by side in x.
pub fn on_cpu(rule: &str, shape: &Shape, x: &[f32], weights: Option<&[f64]>) -> Vec<f32> {
    let (n, d) = (shape.n(), shape.d());
    let mut start = 0;
    let block = |&columns: &usize| {
        start += columns;
        Block::strided(&x[start - columns..], n, columns, d, 1).unwrap()
    };
    let blocks: Vec<_> = shape.columns().iter().map(block).collect();
    let rule: Rule = rule.parse().unwrap();
    let options = Options::new().weighted(weights.is_some());
    let mut prepared = rule
        .prepare_with(&Device::cpu(), shape, DType::F32, options)
        .unwrap();
    let mut out = vec![f32::NAN; d];
    let run = weights.map_or(Run::new(), |weights| Run::new().weights(weights));
    prepared
        .run_with(Matrix::from_blocks(&blocks).unwrap(), &mut out, &run)
        .unwrap();
    out
}

/// Panics unless a result in an element type is the CPU's: bit for bit where a rule selects, else within
/// the rounding of f32 sums of values of at most 2, and of the element type.
#[track_caller]
pub fn assert_agrees(what: &str, rule: &str, dtype: DType, got: &[f32], expected: &[f32]) {
    assert_eq!(got.len(), expected.len(), "{what}, {rule}: length");
    let rounding = match dtype {
        DType::Bf16 => 2f32.powi(-8),
        DType::F16 => 2f32.powi(-11),
        _ => 0.0,
    };
    for (k, (got, expected)) in got.iter().zip(expected).enumerate() {
        let tolerance = match selects(rule) {
            true => 0.0,
            false => 2e-5 + rounding * expected.abs(),
        };
        assert!(
            (got - expected).abs() <= tolerance,
            "{what}, {rule}, {dtype}, column {k}: got {got}, expected {expected}"
        );
    }
}
