//! Every kind of rule on f32, in bytes per second, next to a copy by the same threads.
//!
//! `cargo bench --bench rules`, or `-- 25x1000000` for one shape. The copy counts bytes read plus
//! bytes written, over two buffers that are each larger than the last-level cache; a rule counts the
//! rows that it reads and the result that it writes. For a table with ratios, `byzagg bench`.

#[path = "../src/bin/byzagg/bench/copy.rs"]
mod copy;
#[path = "../src/bin/byzagg/bench/gaussian.rs"]
mod gaussian;
#[path = "../src/bin/byzagg/bench/machine.rs"]
mod machine;

use std::cell::OnceCell;
use std::time::Duration;

use byzagg::{Cpu, DType, Device, Matrix, Rule, Shape};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

fn copies(criterion: &mut Criterion) {
    let threads = Cpu::new().threads();
    let bytes = machine::copy_buffer();
    let mut group = criterion.benchmark_group("copy");
    group.throughput(Throughput::Bytes(2 * bytes as u64));
    group.bench_function(format!("{} MiB, {threads} threads", bytes >> 20), |b| {
        let mut copy = copy::Copy::new(bytes, threads).expect("threads can be started");
        assert_eq!(copy.bytes(), 2 * bytes);
        b.iter(|| copy.run());
    });
    group.finish();
}

fn rules(criterion: &mut Criterion) {
    for n in [10, 25, 50, 100] {
        for d in [100_000, 1_000_000] {
            shape(criterion, n, d);
        }
    }
}

fn shape(criterion: &mut Criterion, n: usize, d: usize) {
    // Filled by the first benchmark that is not filtered out.
    let x = OnceCell::new();
    let mut group = criterion.benchmark_group(format!("rules/{n}x{d}"));
    group.sample_size(10);
    group.measurement_time(Duration::from_secs(2));
    for rule in list(n / 8) {
        let rule: Rule = rule.parse().expect("a valid rule");
        group.throughput(Throughput::Bytes(bytes_moved(&rule, n, d)));
        group.bench_function(BenchmarkId::from_parameter(&rule), |b| {
            let x = x.get_or_init(|| {
                let mut x = vec![0.0f32; n * d];
                gaussian::fill(&mut x, 7);
                x
            });
            let matrix = Matrix::new(x, n, d).expect("n·d elements");
            let mut out = vec![0.0f32; d];
            let mut prepared = rule
                .prepare(&Device::cpu(), &Shape::new(n, d), DType::F32)
                .expect("a rule that n allows");
            b.iter(|| {
                prepared
                    .run(matrix, &mut out)
                    .expect("what was prepared for")
            });
        });
    }
    group.finish();
}

fn list(f: usize) -> [String; 12] {
    [
        "mean".into(),
        "median".into(),
        format!("cwtm(f={f})"),
        format!("meamed(f={f})"),
        format!("krum(f={f})"),
        format!("multikrum(f={f})"),
        "rfa".into(),
        "rfa(iterations=100)".into(),
        format!("nnm(cwtm(f={f}),f={f})"),
        format!("ctma(median,f={f})"),
        "bucketing(median,s=2)".into(),
        "clipping(median,c=1)".into(),
    ]
}

/// Which rows a rule reads again is known after a run; how many does not depend on the columns, so a
/// run on few of them tells.
fn bytes_moved(rule: &Rule, n: usize, d: usize) -> u64 {
    const FEW: usize = 16;
    let mut x = vec![0.0f32; n * FEW];
    gaussian::fill(&mut x, 7);
    let mut prepared = rule
        .prepare(&Device::cpu(), &Shape::new(n, FEW), DType::F32)
        .expect("a rule that n allows");
    let x = Matrix::new(&x, n, FEW).expect("n·d elements");
    prepared
        .run(x, &mut [0.0f32; FEW][..])
        .expect("what was prepared for");
    (prepared.bytes_moved() / FEW * d) as u64
}

criterion_group!(benches, copies, rules);
criterion_main!(benches);
