//! Times of the primitives beside the column mean's, for tuning:
//! `cargo test --release --lib measure -- --ignored --nocapture`.

use std::time::Instant;

use super::{Cpu, Random, Workspace, slot};
use crate::plan::{Arena, Columns, Combine, Distances, Pairwise, Step};
use crate::{Matrix, Output, Shape, Statistic, Ties, Trim};

fn plain(statistic: Statistic) -> Columns {
    Columns {
        statistic,
        mixing: None,
        weights: None,
        distances: None,
        write: true,
    }
}

/// Names, steps, and the mixing, weights and coefficients that they read.
fn steps(n: usize) -> (Vec<(&'static str, Step)>, Vec<f64>) {
    let f = n / 8;
    let (dense, sparse) = (slot(0, n * n), slot(n * n, n.div_ceil(2) * n));
    let weights = slot(sparse.end(), n);
    let end = weights.end();
    let mut arena = vec![0.0; end + (n + 1) * (n + 2) + 4 * n];
    for i in 0..n {
        for j in (0..n).filter(|j| (i + j) % n >= f) {
            arena[i * n + j] = 1.0 / (n - f) as f64;
        }
        arena[sparse.offset + i / 2 * n + i] = 0.5;
        arena[weights.offset + i] = (1 + i % 3) as f64;
    }
    let median = Statistic::Median(Ties::Midpoint);
    let trimmed = Statistic::TrimmedMean(Trim::F(f));
    let distances = |rows| {
        Some(Distances {
            rows,
            out: slot(end, 2 * n),
        })
    };
    let columns = |step| Step::Columns(step);
    let list = vec![
        ("mean", columns(plain(Statistic::Mean))),
        ("median", columns(plain(median))),
        ("trimmed mean", columns(plain(trimmed))),
        (
            "trimmed mean, lambda",
            columns(plain(Statistic::TrimmedMean(Trim::Lambda(0.13)))),
        ),
        (
            "mean around median",
            columns(plain(Statistic::MeanAroundMedian { f })),
        ),
        (
            "median, distances",
            columns(Columns {
                distances: distances(None),
                ..plain(median)
            }),
        ),
        (
            "median, weights",
            columns(Columns {
                weights: Some(weights),
                ..plain(median)
            }),
        ),
        (
            "trimmed mean, weights",
            columns(Columns {
                weights: Some(weights),
                ..plain(trimmed)
            }),
        ),
        (
            "mean, weights",
            columns(Columns {
                weights: Some(weights),
                ..plain(Statistic::Mean)
            }),
        ),
        (
            "mixing, trimmed mean",
            columns(Columns {
                mixing: Some(dense),
                ..plain(trimmed)
            }),
        ),
        (
            "bucketing, median",
            columns(Columns {
                mixing: Some(sparse),
                ..plain(median)
            }),
        ),
        (
            "pairwise",
            Step::Pairwise(Pairwise {
                origin: false,
                weights: None,
                out: slot(end, n * n + n),
            }),
        ),
        (
            "combine",
            Step::Combine(Combine {
                coefficients: weights,
            }),
        ),
    ];
    (list, arena)
}

/// The least of many times: others may use the machine too.
fn best(mut run: impl FnMut()) -> f64 {
    let begin = Instant::now();
    let mut best = f64::INFINITY;
    while begin.elapsed().as_secs_f64() < 1.0 {
        let start = Instant::now();
        run();
        best = best.min(start.elapsed().as_secs_f64() * 1e3);
    }
    best
}

fn measure(n: usize, d: usize, threads: usize, hostile: Option<f32>, isa: &str) {
    let mut random = Random(1);
    let mut x: Vec<f32> = (0..n * d).map(|_| random.normal()).collect();
    if let Some(value) = hostile {
        x[..n / 5 * d].fill(value);
    }
    let matrix = Matrix::new(&x, n, d).unwrap();
    let shape = Shape::new(n, d);
    let cpu = Cpu::with_threads(threads)
        .unwrap()
        .with_instructions(isa)
        .unwrap();
    let mut out = vec![0.0f32; d];
    let mut copy = vec![0.0f32; n * d];
    let copied = best(|| copy.copy_from_slice(&x));
    let bandwidth = 8e-6 * (n * d) as f64 / copied;
    println!("n = {n}, d = {d}, {threads} threads, {isa}, {hostile:?}: copy {bandwidth:.1} GB/s");
    let mut mean = None;
    let (list, start) = steps(n);
    for (name, step) in list {
        let only = std::env::var("ONLY").unwrap_or_default();
        if !only.is_empty() && name != "mean" && !name.contains(&only) {
            continue;
        }
        let steps = [step];
        let mut workspace = Workspace::new(&cpu, &shape, &steps);
        let mut arena = Arena::new(1, start.len());
        arena.problem_mut(0).copy_from_slice(&start);
        let time = best(|| {
            workspace.run(0, &matrix, &mut arena, Some(&mut Output::from(&mut out)));
        });
        let ratio = time / *mean.get_or_insert(time);
        let speed = 4e-6 * (n * d) as f64 / time;
        println!("  {name:24} {time:8.2} ms  {ratio:5.2} × mean  {speed:5.1} GB/s");
    }
}

#[test]
#[ignore = "measures time"]
fn measure_primitives() {
    let var = |name: &str, default: usize| {
        std::env::var(name)
            .ok()
            .and_then(|v| v.parse().ok())
            .unwrap_or(default)
    };
    let (n, d) = (var("N", 25), var("D", 1_000_000));
    let isa = std::env::var("ISA").unwrap_or_else(|_| Cpu::new().instructions().to_string());
    let hostile = std::env::var("HOSTILE").ok().and_then(|v| v.parse().ok());
    for threads in [1, 2] {
        if var("THREADS", threads) == threads {
            measure(n, d, threads, hostile, &isa);
        }
    }
}
