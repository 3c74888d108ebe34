//! The three primitives, in bytes per second, next to a copy.
//!
//! `cargo bench --bench primitives`; the copy counts bytes read plus bytes written. With `--features wgpu`
//! also on a GPU, matrix and result in its memory: there a run is timed from the call until the small
//! numbers that it computes are back.

mod common;

use byzagg::primitive::{Inputs, Primitive, To};
use byzagg::{DType, Shape, Statistic, Ties, Trim};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

// Where the shared files look for them.
use common::failure;
use common::place::Memory;
#[cfg(feature = "wgpu")]
use common::units;

const SIZES: common::Sizes = &[
    (10, 1_000_000),
    (25, 100_000),
    (25, 1_000_000),
    (100, 100_000),
];

fn primitives(criterion: &mut Criterion) {
    for (device, sizes) in common::devices(SIZES) {
        let backend = device.backend();
        let mut memory = Memory::new(&device).expect("memory for two buffers");
        let mut group = criterion.benchmark_group(format!("copy/{backend}"));
        group.throughput(Throughput::Bytes(memory.copied_bytes() as u64));
        group.bench_function(device.to_string(), |b| {
            b.iter_custom(|runs| common::total(runs, || memory.copy().expect("two equal buffers")));
        });
        group.finish();
        for &(n, d) in sizes {
            let mut place = memory
                .hold(common::gaussian(n * d), n, d)
                .expect("memory for a matrix");
            let mut group = criterion.benchmark_group(format!("primitives/{backend}/{n}x{d}"));
            group.sample_size(10);
            let even = vec![1.0 / n as f64; n];
            let mixing: Vec<f64> = (0..n * n).map(|at| 1.0 / (1.0 + at as f64)).collect();
            let trimmed = Statistic::TrimmedMean(Trim::F(n / 8));
            let median = Primitive::columns(Statistic::Median(Ties::Midpoint));
            for (name, primitive) in [
                ("mean", Primitive::columns(Statistic::Mean)),
                ("median", median),
                ("median+distances", median.distances(To::Raw)),
                ("weighted median", median.weighted()),
                ("trimmed mean", Primitive::columns(trimmed)),
                ("trimmed mean, mixed", Primitive::columns(trimmed).mixed(n)),
                (
                    "mean around median",
                    Primitive::columns(Statistic::MeanAroundMedian { f: n / 8 }),
                ),
                ("pairwise", Primitive::pairwise()),
                ("pairwise, weighted", Primitive::pairwise().weighted()),
                ("pairwise, one row changed", Primitive::pairwise().kept()),
                ("combine", Primitive::combine()),
            ] {
                let inputs = Inputs {
                    weights: name.contains("weighted").then_some(&even[..]),
                    mixing: name.contains("mixed").then_some(&mixing[..]),
                    coefficients: name.contains("combine").then_some(&even[..]),
                    changed: name.contains("changed").then_some(&[3]),
                    ..Inputs::default()
                };
                let shape = Shape::new(n, d);
                let mut prepared = primitive
                    .prepare(&device, &shape, DType::F32)
                    .expect("a valid primitive");
                group.throughput(Throughput::Bytes(prepared.bytes_moved() as u64));
                group.bench_function(BenchmarkId::from_parameter(name), |b| {
                    b.iter(|| {
                        let (matrix, out) = place.views().expect("what it was made for");
                        prepared
                            .run(matrix, out, &inputs)
                            .expect("what was prepared for")
                    });
                });
            }
            group.finish();
        }
    }
}

criterion_group!(benches, primitives);
criterion_main!(benches);
