//! The three primitives, in bytes per second, next to a copy.
//!
//! `cargo bench --bench primitives`; the copy counts bytes read plus bytes written.

use std::hint::black_box;

use byzagg::primitive::{Inputs, Primitive, To};
use byzagg::{DType, Device, Matrix, Shape, Statistic, Ties, Trim};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

fn primitives(criterion: &mut Criterion) {
    let device = Device::cpu();
    for (n, d) in [
        (10, 1_000_000),
        (25, 100_000),
        (25, 1_000_000),
        (100, 100_000),
    ] {
        let mut random = StdRng::seed_from_u64(1);
        let x: Vec<f32> = (0..n * d).map(|_| random.random::<f32>() - 0.5).collect();
        let matrix = Matrix::new(&x, n, d).expect("n·d elements");
        let mut out = vec![0.0f32; d];
        let mut group = criterion.benchmark_group(format!("primitives/{n}x{d}"));
        group.sample_size(10);

        let mut copied = vec![0.0f32; n * d];
        group.throughput(Throughput::Bytes(8 * (n * d) as u64));
        group.bench_function("copy", |b| {
            b.iter(|| black_box(&mut copied).copy_from_slice(&x))
        });
        drop(copied);

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
            ("combine", Primitive::combine()),
        ] {
            let inputs = Inputs {
                weights: name.contains("weighted").then_some(&even[..]),
                mixing: name.contains("mixed").then_some(&mixing[..]),
                coefficients: name.contains("combine").then_some(&even[..]),
            };
            let shape = Shape::new(n, d);
            let mut prepared = primitive
                .prepare(&device, &shape, DType::F32)
                .expect("a valid primitive");
            group.throughput(Throughput::Bytes(prepared.bytes_moved() as u64));
            group.bench_function(BenchmarkId::from_parameter(name), |b| {
                b.iter(|| {
                    prepared
                        .run(matrix, &mut out, &inputs)
                        .expect("what was prepared for")
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, primitives);
criterion_main!(benches);
