//! Some rows of the caller's buffers, where they are.

use byzagg::wgpu::BufferUsages;
use byzagg::{BufferBlock, BufferPlace, DType, Device, Matrix, Options, Rule, Run, Shape, Wgpu};

use crate::support::*;

const N: usize = 9;
const D: usize = 301;
const HERE: [usize; 6] = [7, 0, 4, 8, 2, 1];

/// Rows 3, 5 and 6 are hostile.
fn hostile() -> Vec<f32> {
    let mut x = lattice(N, D);
    for row in [3, 5, 6] {
        x[row * D..][..D].fill(f32::NAN);
    }
    x
}

fn bits(values: Vec<f32>) -> Vec<u32> {
    values.into_iter().map(f32::to_bits).collect()
}

/// A run on a selection of the caller's buffers gives what a run on a copy in the host's memory gives.
#[track_caller]
fn check(gpu: &Wgpu, what: &str, shape: &Shape, dtype: DType, selected: Matrix<'_>, x: &[f32]) {
    let copy: Vec<f32> = HERE.iter().flat_map(|i| x[i * D..][..D].to_vec()).collect();
    let weights = [1.0, 4.0, 2.0, 0.0, 1.0, 3.0];
    for rule in [
        "median",
        "nnm(cwtm(f=1),f=1)",
        "ctma(median,f=1)",
        "krum(f=1)",
        "rfa",
    ] {
        for weighted in [false, true] {
            if weighted && rule.starts_with("krum") {
                continue;
            }
            let parsed: Rule = rule.parse().unwrap();
            let options = Options::new().weighted(weighted).output(DType::F32);
            let device = Device::Wgpu(gpu.clone());
            let mut prepared = parsed.prepare_with(&device, shape, dtype, options).unwrap();
            let run = match weighted {
                true => Run::new().weights(&weights),
                false => Run::new(),
            };
            let [ours, theirs] = [(); 2].map(|()| Target::new(gpu, DType::F32, 1, D));
            prepared.run_with(selected, ours.output(), &run).unwrap();
            let padded = Padded::new(gpu, dtype, &copy, HERE.len(), 0, 0);
            let blocks = padded.blocks(shape);
            let matrix = Matrix::from_buffer_blocks(&blocks).unwrap();
            prepared.run_with(matrix, theirs.output(), &run).unwrap();
            let expected = bits(theirs.read(gpu));
            assert!(
                bits(ours.read(gpu)) == expected,
                "{what}, {rule}, weighted: {weighted}, {dtype}"
            );
            // As a part of the caller's commands.
            let encoded = Target::new(gpu, DType::F32, 0, D);
            let mut encoder = gpu.device().create_command_encoder(&Default::default());
            prepared
                .encode(&mut encoder, selected, encoded.output(), &run)
                .unwrap();
            gpu.queue().submit([encoder.finish()]);
            assert!(
                bits(encoded.read(gpu)) == expected,
                "{what}, {rule}, encoded"
            );
        }
    }
}

#[test]
fn of_the_callers_buffers() {
    let Some(gpu) = borrowed() else { return };
    let x = hostile();
    let shape = Shape::new(HERE.len(), D);
    for dtype in [DType::F32, DType::Bf16, DType::F16] {
        let size = dtype.size() as u64;
        let padded = Padded::new(&gpu, dtype, &x, N, 5, 2);
        let selected = padded.matrix().select(&HERE).unwrap();
        check(&gpu, "strided", &shape, dtype, selected, &x);
        let places: Vec<_> = (0..N)
            .map(|i| BufferPlace::new(&padded.buffer, (5 + i * (D + 2)) as u64 * size))
            .collect();
        let block = BufferBlock::from_rows(&places, D, dtype).unwrap();
        let selected = Matrix::from(block).select(&HERE).unwrap();
        check(&gpu, "separate", &shape, dtype, selected, &x);
    }
}

/// The buffers of those who are not there are not even bound: they may be without `COPY_SRC`, and there
/// may be more of them than bindings.
#[test]
fn of_a_buffer_per_worker() {
    let Some(gpu) = borrowed() else { return };
    let x = hostile();
    let own: Vec<_> = (0..N)
        .map(|i| {
            let usage = match HERE.contains(&i) {
                true => ALL,
                false => BufferUsages::STORAGE,
            };
            buffer(&gpu, &to_bytes(DType::F32, &x[i * D..][..D]), usage)
        })
        .collect();
    let places: Vec<_> = own.iter().map(|b| BufferPlace::new(b, 0)).collect();
    let block = BufferBlock::from_rows(&places, D, DType::F32).unwrap();
    let selected = Matrix::from(block).select(&HERE).unwrap();
    let shape = Shape::new(HERE.len(), D);
    check(&gpu, "per worker", &shape, DType::F32, selected, &x);
}

#[test]
fn of_blocks_and_batches() {
    let Some(gpu) = borrowed() else { return };
    let x = hostile();
    let padded = Padded::new(&gpu, DType::F32, &x, N, 3, 1);
    let sizes = [100, 1, D - 101];
    for (what, make) in [
        ("blocks", Shape::blocks as fn(usize, &[usize]) -> Shape),
        ("batch", Shape::batch),
    ] {
        let blocks = padded.blocks(&make(N, &sizes));
        let selected = Matrix::from_buffer_blocks(&blocks).unwrap();
        let selected = selected.select(&HERE).unwrap();
        let shape = make(HERE.len(), &sizes);
        check(&gpu, what, &shape, DType::F32, selected, &x);
    }
}
