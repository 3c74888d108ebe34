//! Centered clipping from a vector in the caller's buffers: elsewhere, or where the result goes.

use byzagg::wgpu::BufferUsages;
use byzagg::{
    BufferBlock, BufferPlace, DType, Device, Matrix, Options, Output, Prepared, Rule, Run, Shape,
    Wgpu,
};

use crate::support::*;

const N: usize = 7;
const D: usize = 301;
const RULES: [&str; 3] = [
    "cc(tau=4,iterations=3,start=given)",
    "ctma(cc(tau=4,start=given),f=2)",
    "nnm(cc(tau=4,start=given),f=2)",
];

fn start() -> Vec<f32> {
    lattice(2, D)[D..].to_vec()
}

/// The CPU's result from a start, of the same elements.
fn expected(rule: &str, shape: &Shape, x: &[f32]) -> Vec<f32> {
    let mut first = 0;
    let mut out = Vec::new();
    let sizes = shape.columns();
    let problems: Vec<usize> = match shape.problems() {
        1 => vec![sizes.iter().sum()],
        _ => sizes.to_vec(),
    };
    for d in problems {
        let rule: Rule = rule.parse().unwrap();
        let mut prepared = rule
            .prepare(&Device::cpu(), &Shape::new(N, d), DType::F32)
            .unwrap();
        let block = byzagg::Block::strided(&x[first..], N, d, D, 1).unwrap();
        let mut part = start()[first..first + d].to_vec();
        let run = Run::new().start_from_output();
        prepared.run_with(block, &mut part, &run).unwrap();
        out.extend(part);
        first += d;
    }
    out
}

/// A buffer with the start some elements behind the beginning.
fn given(gpu: &Wgpu, dtype: DType, first: usize, usage: BufferUsages) -> byzagg::wgpu::Buffer {
    let mut all = vec![f32::NAN; first];
    all.extend(start());
    buffer(gpu, &to_bytes(dtype, &all), usage)
}

/// A target that holds the start.
fn state(gpu: &Wgpu, dtype: DType, first: usize) -> Target {
    let target = Target::new(gpu, dtype, first, D);
    let bytes = to_bytes(dtype, &start());
    let mut all = vec![0xa5u8; first * dtype.size()];
    all.extend(bytes);
    all.resize(target.buffer.size() as usize, 0xa5);
    gpu.queue().write_buffer(&target.buffer, 0, &all);
    target
}

#[test]
fn vectors_in_buffers() {
    let Some(gpu) = borrowed() else { return };
    let x = lattice(N, D);
    for dtype in [DType::F32, DType::Bf16, DType::F16] {
        let size = dtype.size() as u64;
        let padded = Padded::new(&gpu, dtype, &x, N, 5, 2);
        // It is bound, so it needs no COPY_SRC.
        let vector = given(&gpu, dtype, 3, BufferUsages::STORAGE);
        let row = BufferBlock::new(BufferPlace::new(&vector, 3 * size), 1, D, dtype).unwrap();
        let shape = Shape::new(N, D);
        for rule in RULES {
            let expected = expected(rule, &shape, &x);
            let mut prepared = prepare(&gpu, rule, &shape, dtype, false);
            let elsewhere = Target::new(&gpu, dtype, 1, D);
            prepared
                .run_with(padded.matrix(), elsewhere.output(), &Run::new().start(row))
                .unwrap();
            assert_agrees("elsewhere", rule, dtype, &elsewhere.read(&gpu), &expected);
            let held = state(&gpu, dtype, 3);
            let in_place = Run::new().start_from_output();
            prepared
                .run_with(padded.matrix(), held.output(), &in_place)
                .unwrap();
            assert_agrees("in place", rule, dtype, &held.read(&gpu), &expected);
            // The same place, named as a vector.
            let held = state(&gpu, dtype, 5);
            let own = BufferBlock::new(held.place(0), 1, D, dtype).unwrap();
            prepared
                .run_with(padded.matrix(), held.output(), &Run::new().start(own))
                .unwrap();
            assert_agrees("same place", rule, dtype, &held.read(&gpu), &expected);
            // From the host, to the device, and the other way round.
            let target = Target::new(&gpu, DType::F32, 0, D);
            let parsed: Rule = rule.parse().unwrap();
            let options = Options::new().output(DType::F32);
            let device = Device::Wgpu(gpu.clone());
            let mut mixed = parsed
                .prepare_with(&device, &shape, dtype, options)
                .unwrap();
            let host = start();
            let run = Run::new().start(Matrix::new(&host, 1, D).unwrap());
            mixed
                .run_with(padded.matrix(), target.output(), &run)
                .unwrap();
            assert_agrees(
                "host start",
                rule,
                DType::F32,
                &target.read(&gpu),
                &expected,
            );
            let mut out = host.clone();
            mixed
                .run_with(padded.matrix(), &mut out, &Run::new().start_from_output())
                .unwrap();
            assert_agrees("host state", rule, DType::F32, &out, &expected);
        }
    }
}

/// Three steps of a training loop in one submit: the state stays on the device.
#[test]
fn state_within_the_callers_commands() {
    let Some(gpu) = borrowed() else { return };
    let x = lattice(N, D);
    let padded = Padded::new(&gpu, DType::F32, &x, N, 1, 1);
    let shape = Shape::new(N, D);
    let rule = RULES[0];
    let held = state(&gpu, DType::F32, 2);
    let run = Run::new().start_from_output();
    let mut prepared = prepare(&gpu, rule, &shape, DType::F32, false);
    assert_eq!(prepared.host_syncs(), 0);
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    for _ in 0..3 {
        prepared
            .encode(&mut encoder, padded.matrix(), held.output(), &run)
            .unwrap();
    }
    gpu.queue().submit([encoder.finish()]);
    let parsed: Rule = rule.parse().unwrap();
    let mut on_cpu = parsed.prepare(&Device::cpu(), &shape, DType::F32).unwrap();
    let mut expected = start();
    for _ in 0..3 {
        on_cpu
            .run_with(Matrix::new(&x, N, D).unwrap(), &mut expected, &run)
            .unwrap();
    }
    assert_agrees("encoded", rule, DType::F32, &held.read(&gpu), &expected);

    // A start on the host would need a copy in between.
    let untouched = Target::new(&gpu, DType::F32, 2, D);
    let host = start();
    let run = Run::new().start(Matrix::new(&host, 1, D).unwrap());
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    let error = prepared
        .encode(&mut encoder, padded.matrix(), untouched.output(), &run)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "encode: expected a matrix, an output and a start in wgpu buffers, got one in the host's memory"
    );
    let mut on_cpu = parsed.prepare(&Device::cpu(), &shape, DType::F32).unwrap();
    let vector = given(&gpu, DType::F32, 0, BufferUsages::STORAGE);
    let row = BufferBlock::new(BufferPlace::new(&vector, 0), 1, D, DType::F32).unwrap();
    let mut out = vec![7.0f32; D];
    let error = on_cpu
        .run_with(
            Matrix::new(&x, N, D).unwrap(),
            &mut out,
            &Run::new().start(row),
        )
        .unwrap_err();
    assert!(
        error.to_string().contains("in the host's memory"),
        "{error}"
    );
    assert!(out.iter().all(|v| *v == 7.0));
}

#[test]
fn blocks_and_batches() {
    let Some(gpu) = borrowed() else { return };
    let x = lattice(N, D);
    let padded = Padded::new(&gpu, DType::F32, &x, N, 3, 1);
    let sizes = [100, 1, D - 101];
    for make in [Shape::blocks as fn(usize, &[usize]) -> Shape, Shape::batch] {
        let shape = make(N, &sizes);
        let blocks = padded.blocks(&shape);
        for rule in RULES {
            let expected = expected(rule, &shape, &x);
            let mut prepared = prepare(&gpu, rule, &shape, DType::F32, false);
            let run = Run::new().start_from_output();
            // One place for all blocks, and one for each.
            let one = state(&gpu, DType::F32, 1);
            let matrix = Matrix::from_buffer_blocks(&blocks).unwrap();
            prepared.run_with(matrix, one.output(), &run).unwrap();
            assert_agrees("blocks", rule, DType::F32, &one.read(&gpu), &expected);
            let each = state(&gpu, DType::F32, 1);
            let places = [0, 100, 101].map(|column| each.place(column));
            let output = Output::buffers(&places, DType::F32);
            prepared.run_with(matrix, output, &run).unwrap();
            assert_agrees("places", rule, DType::F32, &each.read(&gpu), &expected);
        }
    }
}

/// Kept inner products in many panels: their centres lie in several buffers, the vector behind each.
#[test]
fn kept_products_in_small_buffers() {
    if crate::device::wgpu().is_none() {
        return;
    }
    let gpu = Wgpu::with_limits(|limits| {
        limits.max_storage_buffer_binding_size = 64 << 10;
        limits.max_buffer_size = 64 << 10;
    })
    .unwrap();
    let (d, steps) = (40_001, 5);
    let others = lattice(N + steps, d);
    for rule in [
        "cc(tau=300,iterations=2,start=given)",
        "ctma(cc(tau=300,start=given),f=2)",
    ] {
        for shape in [Shape::new(N, d), Shape::blocks(N, &[1001, d - 1001])] {
            let parsed: Rule = rule.parse().unwrap();
            let prepare = |device: Device, keep| {
                let options = Options::new().keep_geometry(keep);
                parsed
                    .prepare_with(&device, &shape, DType::F32, options)
                    .unwrap()
            };
            let mut kept = prepare(Device::Wgpu(gpu.clone()), true);
            let mut fresh = prepare(Device::cpu(), false);
            let mut x = others[..N * d].to_vec();
            let (mut state, mut expected) = (vec![0.0f32; d], vec![0.0f32; d]);
            for step in 0..steps {
                let changed = [step * 3 % N];
                x[changed[0] * d..][..d].copy_from_slice(&others[(N + step) * d..][..d]);
                let run = |prepared: &mut Prepared, state: &mut [f32], run: Run<'_>| {
                    let mut first = 0;
                    let block = |&columns: &usize| {
                        first += columns;
                        byzagg::Block::strided(&x[first - columns..], N, columns, d, 1).unwrap()
                    };
                    let blocks: Vec<_> = shape.columns().iter().map(block).collect();
                    let x = Matrix::from_blocks(&blocks).unwrap();
                    let run = run.start_from_output();
                    prepared.run_with(x, state, &run).unwrap();
                };
                run(&mut kept, &mut state, Run::new().changed(&changed));
                run(&mut fresh, &mut expected, Run::new());
                assert_agrees("small buffers", rule, DType::F32, &state, &expected);
            }
            assert_eq!(kept.renewals(), 1, "{rule}");
        }
    }
}
