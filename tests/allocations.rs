//! A second run allocates nothing that grows with n or d (O(n²) for eigenvalues), and repeats the same bits.
//!
//! The only test of its process: the allocator counts for all threads.

use std::alloc::System;

use byzagg::{DType, Device, Matrix, Options, Rule, Run, Shape};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[path = "common/plain.rs"]
mod plain;
use plain::{RULES, noise};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Bytes allocated by the second run, for which only some rows may differ: on a matrix, or on every other row
/// of one, the last ones first.
fn second_run(
    rule: &str,
    n: usize,
    d: usize,
    weights: Option<&[f64]>,
    some: bool,
    changed: Option<&[usize]>,
) -> usize {
    let of = if some { 2 * n } else { n };
    let x = noise(of, d);
    let rows: Vec<usize> = (0..n).rev().map(|i| 2 * i).collect();
    let matrix = || {
        let whole = Matrix::new(&x, of, d).unwrap();
        match some {
            true => whole.select(&rows).unwrap(),
            false => whole,
        }
    };
    let mut out = vec![0.0f32; d];
    let rule: Rule = rule.parse().unwrap();
    let options = Options::new()
        .weighted(weights.is_some())
        .keep_geometry(changed.is_some())
        .report(true);
    let shape = Shape::new(n, d);
    let mut aggregator = rule
        .prepare_with(&Device::cpu(), &shape, DType::F32, options)
        .unwrap();
    let mut run = Run::new();
    if let Some(weights) = weights {
        run = run.weights(weights);
    }
    aggregator.run_with(matrix(), &mut out, &run).unwrap();
    let first = out.clone();
    if let Some(changed) = changed {
        run = run.changed(changed);
    }
    let region = Region::new(ALLOCATOR);
    aggregator.run_with(matrix(), &mut out, &run).unwrap();
    let bytes = region.change().bytes_allocated;
    assert!(
        first
            .iter()
            .zip(&out)
            .all(|(a, b)| a.to_bits() == b.to_bits()),
        "{rule}: other bits"
    );
    bytes
}

#[test]
fn a_second_run_allocates_next_to_nothing_and_repeats_its_bits() {
    // What a thread pool allocates for itself, whatever the size of the problem.
    const POOL: usize = 16 << 10;
    for rule in RULES {
        for (n, d) in [(9, 1000), (9, 300_000), (90, 30_000)] {
            // Eigenvalues: O(n²) a round, of which there are at most n.
            let needs_eigenvalues = ["smea(f=2)", "caf(f=2)", "flag"].contains(&rule);
            let most = POOL + if needs_eigenvalues { 64 * n * n * n } else { 0 };
            for (some, changed) in [(false, None), (true, None), (true, Some(&[1, 2][..]))] {
                let bytes = second_run(rule, n, d, None, some, changed);
                assert!(
                    bytes <= most,
                    "{rule}, {n} × {d}, {some}, {changed:?}: {bytes} bytes"
                );
            }
        }
    }
    let weights: Vec<f64> = (0..90).map(f64::from).collect();
    for rule in [
        "median",
        "ctma(cwtm(lambda=0.2),lambda=0.2)",
        "nnm(rfa,lambda=0.1)",
    ] {
        let bytes = second_run(rule, 90, 30_000, Some(&weights), false, Some(&[3]));
        assert!(bytes <= POOL, "{rule}, weighted: {bytes} bytes");
    }
}
