//! Matrices and results in the caller's memory, on the caller's stream.

use byzagg::{
    Cuda, DType, DeviceBlock, DevicePlace, DevicePlaceMut, Matrix, Options, Output, OutputElement,
    Rule, Shape,
};
use half::{bf16, f16};

use crate::support::*;

const N: usize = 7;
const D: usize = 2301;

/// Runs a rule on a matrix on the device, to a place at odd elements of a slice, and compares.
#[track_caller]
fn check<T: OutputElement>(gpu: &Cuda, what: &str, rule: &str, x: &[f32], matrix: Matrix<'_>) {
    let (n, d) = (N, x.len() / N);
    let shape = Shape::new(n, d);
    let mut prepared = prepare(gpu, rule, &shape, T::DTYPE, false);
    for first in [0, 3] {
        let mut out = upload::<T>(gpu.stream(), &vec![9.0; first + d + 5]);
        {
            let mut view = out.slice_mut(first..first + d);
            let output = Output::device(DevicePlaceMut::new(&mut view), T::DTYPE);
            prepared
                .run(matrix, output)
                .unwrap_or_else(|e| panic!("{what}, {rule}: {e}"));
        }
        let all = read(gpu.stream(), &out);
        let expected = on_cpu(rule, &shape, x, None);
        assert_agrees(what, rule, T::DTYPE, &all[first..first + d], &expected);
        let beside = all[..first].iter().chain(&all[first + d..]);
        assert!(
            beside.copied().all(|v| v == 9.0),
            "{what}, {rule}: neighbours were written"
        );
    }
}

fn views<T: OutputElement>() {
    let Some(gpu) = callers() else { return };
    let (x, stream) = (lattice(N, D), gpu.stream());
    let size = T::DTYPE.size() as u64;
    let even = Padded::<T>::new(&gpu, &x, N, 0, 3);
    let odd = Padded::<T>::new(&gpu, &x, N, 5, 2);
    let own: Vec<_> = x.chunks(D).map(|row| upload::<T>(stream, row)).collect();
    let per_worker: Vec<_> = own.iter().map(DevicePlace::new).collect();
    // Rows in any order and at odd places of one slice.
    let starts: [usize; N] = [20_701, 0, 2911, 5303, 8305, 17_900, 10_607];
    let mut all = vec![f32::NAN; 20_701 + D];
    for (start, row) in starts.iter().zip(x.chunks(D)) {
        all[*start..][..D].copy_from_slice(row);
    }
    let one = upload::<T>(stream, &all);
    let scattered = starts.map(|start| DevicePlace::new(&one).offset(start as u64 * size));
    let first = address(stream, &even.slice);
    let bytes = even.slice.num_bytes() as u64;
    // SAFETY: the slice outlives the runs, and nobody writes to it.
    let raw = unsafe { DevicePlace::from_raw(first, bytes) };
    for rule in RULES {
        check::<T>(&gpu, "aligned", rule, &x, even.matrix());
        check::<T>(&gpu, "padded", rule, &x, odd.matrix());
        let block = DeviceBlock::from_rows(&per_worker, D, T::DTYPE).unwrap();
        check::<T>(&gpu, "per worker", rule, &x, block.into());
        let block = DeviceBlock::from_rows(&scattered, D, T::DTYPE).unwrap();
        check::<T>(&gpu, "scattered", rule, &x, block.into());
        let block = DeviceBlock::strided(raw, N, D, D + 3, T::DTYPE).unwrap();
        check::<T>(&gpu, "raw", rule, &x, block.into());
    }
}

#[test]
fn views_of_f32() {
    views::<f32>();
}

#[test]
fn views_of_bf16() {
    views::<bf16>();
}

#[test]
fn views_of_f16() {
    views::<f16>();
}

#[test]
fn selected_rows_are_not_copied() {
    let Some(gpu) = callers() else { return };
    let x = lattice(N + 3, D);
    let mut hostile = x.clone();
    let here = [8, 1, 2, 9, 4, 0, 6];
    for i in (0..N + 3).filter(|i| !here.contains(i)) {
        hostile[i * D..][..D].fill(f32::NAN);
    }
    let padded = Padded::<f32>::new(&gpu, &hostile, N + 3, 1, 1);
    let chosen: Vec<f32> = here.iter().flat_map(|i| x[i * D..][..D].to_vec()).collect();
    for rule in RULES {
        let matrix = padded.matrix().select(&here).unwrap();
        check::<f32>(&gpu, "selected", rule, &chosen, matrix);
    }
}

#[test]
fn blocks_and_batches() {
    let Some(gpu) = callers() else { return };
    let sizes = [1, 1100, 130, 1070];
    let x = lattice(N, D);
    for shape in [Shape::blocks(N, &sizes), Shape::batch(N, &sizes)] {
        let padded = Padded::<f32>::new(&gpu, &x, N, 1, 0);
        let blocks = padded.blocks(&shape);
        let matrix = Matrix::from_device_blocks(&blocks).unwrap();
        for rule in RULES {
            let expected = on_cpu(rule, &shape, &x, None);
            let mut prepared = prepare(&gpu, rule, &shape, DType::F32, false);
            let mut whole = upload::<f32>(gpu.stream(), &vec![0.0; D]);
            let output = Output::device(DevicePlaceMut::new(&mut whole), DType::F32);
            prepared.run(matrix, output).unwrap();
            assert_agrees(
                "whole",
                rule,
                DType::F32,
                &read(gpu.stream(), &whole),
                &expected,
            );
            let mut parts: Vec<_> = sizes
                .iter()
                .map(|d| upload::<f32>(gpu.stream(), &vec![0.0; *d]))
                .collect();
            let places = parts.iter_mut().map(DevicePlaceMut::new).collect();
            prepared
                .run(matrix, Output::devices(places, DType::F32))
                .unwrap();
            let got: Vec<_> = parts
                .iter()
                .flat_map(|part| read(gpu.stream(), part))
                .collect();
            assert_agrees("parts", rule, DType::F32, &got, &expected);
        }
    }
}

#[test]
fn a_result_may_replace_a_row() {
    let Some(gpu) = callers() else { return };
    let x = lattice(N, D);
    for rule in RULES {
        let padded = Padded::<f32>::new(&gpu, &x, N, 0, 3);
        let at = address(gpu.stream(), &padded.slice) + 4 * (2 * padded.stride) as u64;
        // SAFETY: exactly a row, which nobody else uses.
        let place = unsafe { DevicePlaceMut::from_raw(at, 4 * D as u64) };
        let mut prepared = prepare(&gpu, rule, &Shape::new(N, D), DType::F32, false);
        prepared
            .run(padded.matrix(), Output::device(place, DType::F32))
            .unwrap();
        let all = read(gpu.stream(), &padded.slice);
        let got = &all[2 * padded.stride..][..D];
        let expected = on_cpu(rule, &Shape::new(N, D), &x, None);
        assert_agrees("in place", rule, DType::F32, got, &expected);
    }
}

#[test]
fn from_the_host_to_the_device_and_back() {
    let Some(gpu) = callers() else { return };
    let x = lattice(N, D);
    let shape = Shape::new(N, D);
    let padded = Padded::<f32>::new(&gpu, &x, N, 0, 0);
    for rule in RULES
        .into_iter()
        .chain(["bulyan(f=1)", "caf(f=2)", "bucketing(rfa,s=2)"])
    {
        let expected = on_cpu(rule, &shape, &x, None);
        let mut prepared = prepare(&gpu, rule, &shape, DType::F32, false);
        let mut there = upload::<f32>(gpu.stream(), &vec![0.0; D]);
        let host = Matrix::new(&x, N, D).unwrap();
        let output = Output::device(DevicePlaceMut::new(&mut there), DType::F32);
        prepared.run(host, output).unwrap();
        assert_agrees(
            "up",
            rule,
            DType::F32,
            &read(gpu.stream(), &there),
            &expected,
        );
        let mut out = vec![0.0f32; D];
        prepared.run(padded.matrix(), &mut out).unwrap();
        assert_agrees("down", rule, DType::F32, &out, &expected);
        let mut halves = [vec![0.0f32; D]];
        prepared
            .run(
                host,
                Output::blocks(halves.iter_mut().map(|half| &mut half[..])),
            )
            .unwrap();
        assert_agrees("both", rule, DType::F32, &halves[0], &expected);
    }
}

#[test]
fn a_result_of_another_type() {
    let Some(gpu) = callers() else { return };
    let x = lattice(N, D);
    let shape = Shape::new(N, D);
    let padded = Padded::<bf16>::new(&gpu, &x, N, 3, 1);
    for rule in RULES {
        let parsed: Rule = rule.parse().unwrap();
        let device = byzagg::Device::Cuda(gpu.clone());
        let options = Options::new().output(DType::F32);
        let mut prepared = parsed
            .prepare_with(&device, &shape, DType::Bf16, options)
            .unwrap();
        let mut out = upload::<f32>(gpu.stream(), &vec![0.0; D]);
        let output = Output::device(DevicePlaceMut::new(&mut out), DType::F32);
        prepared.run(padded.matrix(), output).unwrap();
        let expected = on_cpu(rule, &shape, &x, None);
        assert_agrees(
            "type",
            rule,
            DType::F32,
            &read(gpu.stream(), &out),
            &expected,
        );
    }
}

#[test]
fn work_of_other_streams_is_waited_for() {
    let Some(gpu) = callers() else { return };
    let other = gpu.context().new_stream().unwrap();
    let x = lattice(N, D);
    let shape = Shape::new(N, D);
    let mut prepared = prepare(&gpu, "median", &shape, DType::F32, false);
    // Written on another stream right before, read there right behind: cudarc's events order them.
    let slice = upload::<f32>(&other, &x);
    let mut out = upload::<f32>(&other, &vec![0.0; D]);
    let block = DeviceBlock::new(DevicePlace::new(&slice), N, D, DType::F32).unwrap();
    let output = Output::device(DevicePlaceMut::new(&mut out), DType::F32);
    prepared.run(block, output).unwrap();
    let expected = on_cpu("median", &shape, &x, None);
    assert_agrees(
        "streams",
        "median",
        DType::F32,
        &read(&other, &out),
        &expected,
    );
}

#[test]
fn runs_are_equal_to_the_bit() {
    let Some(gpu) = callers() else { return };
    let x = crate::cases::flat(&crate::cases::Kind::Gaussian.rows(25, 5000, 3));
    let padded = Padded::<f32>::new(&gpu, &x, 25, 0, 0);
    for rule in [
        "rfa",
        "ctma(median,f=8)",
        "nnm(cwtm(f=8),f=8)",
        "multikrum(f=8)",
        "meamed(f=8)",
    ] {
        let mut prepared = prepare(&gpu, rule, &Shape::new(25, 5000), DType::F32, false);
        let mut run = || {
            let mut out = vec![0.0f32; 5000];
            prepared.run(padded.matrix(), &mut out).unwrap();
            out.iter().map(|v| v.to_bits()).collect::<Vec<_>>()
        };
        let first = run();
        assert_eq!(first, run(), "{rule}");
    }
}

#[test]
fn weights_and_other_statistics() {
    let Some(gpu) = callers() else { return };
    let x = lattice(N, D);
    let padded = Padded::<f32>::new(&gpu, &x, N, 0, 0);
    let weights = [1.0, 2.0, 0.0, 4.0, 3.0, 2.0, 1.0];
    let none = None;
    for (rule, weights) in [
        ("meamed(f=2)", none),
        ("mean", Some(&weights[..])),
        ("median", Some(&weights[..])),
        ("cwtm(lambda=0.2)", Some(&weights[..])),
        ("cwtm(lambda=0.2)", none),
        ("ctma(median,f=2)", Some(&weights[..])),
        ("nnm(rfa,f=2)", Some(&weights[..])),
        ("clipping(krum(f=2),c=30)", none),
        ("arc(median,f=2)", none),
        ("monna(f=2,pivot=3)", none),
        ("cc(tau=20,iterations=3)", Some(&weights[..])),
    ] {
        let shape = Shape::new(N, D);
        let mut prepared = prepare(&gpu, rule, &shape, DType::F32, weights.is_some());
        let run = weights.map_or(byzagg::Run::new(), |w| byzagg::Run::new().weights(w));
        let mut out = vec![0.0f32; D];
        prepared.run_with(padded.matrix(), &mut out, &run).unwrap();
        let expected = on_cpu(rule, &shape, &x, weights);
        assert_agrees("weighted", &format!("{rule} "), DType::F32, &out, &expected);
    }
}
