//! Statistics of columns for numbers of rows on both sides of the kernels' bounds, in every element type.

use byzagg::{DevicePlaceMut, Output, OutputElement, Shape};
use half::{bf16, f16};

use crate::support::*;

/// Values with a few that are not finite: of either sign, and too few to be the median or to be kept.
fn hostile_lattice(n: usize, d: usize) -> Vec<f32> {
    let bad = [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
    let mut x = lattice(n, d);
    for (i, row) in x.chunks_mut(d).enumerate().filter(|(i, _)| i % 5 == 4) {
        for (k, value) in row.iter_mut().enumerate().filter(|(k, _)| k % 3 < 2) {
            *value = bad[(i / 5 + k) % 4];
        }
    }
    x
}

fn check<T: OutputElement>(n: usize, d: usize) {
    let Some(gpu) = callers() else { return };
    let x = hostile_lattice(n, d);
    let shape = Shape::new(n, d);
    let f = (n - 1) / 3;
    for rule in [
        "median".into(),
        "median(ties=upper)".into(),
        format!("cwtm(f={f})"),
        format!("cwtm(f={})", (n - 1) / 2),
        "cwtm(lambda=0.4321)".into(),
        format!("meamed(f={f})"),
        format!("ctma(cwtm(f={f}),f={f})"),
    ] {
        let expected = on_cpu(&rule, &shape, &x, None);
        // Aligned for wide loads, and not.
        for first in [0, 1] {
            let padded = Padded::<T>::new(&gpu, &x, n, first, first);
            let mut out = upload::<T>(gpu.stream(), &vec![f32::NAN; d]);
            prepare(&gpu, &rule, &shape, T::DTYPE, false)
                .run(
                    padded.matrix(),
                    Output::device(DevicePlaceMut::new(&mut out), T::DTYPE),
                )
                .unwrap();
            let got = read(gpu.stream(), &out);
            let what = format!("{n} rows from element {first} on");
            assert_agrees(&what, &rule, T::DTYPE, &got, &expected);
        }
    }
}

#[test]
fn few_rows() {
    for n in [2, 5, 12, 31, 32, 33, 64, 100, 128] {
        check::<f32>(n, 72);
        check::<bf16>(n, 72);
        check::<f16>(n, 72);
    }
}

#[test]
fn rows_that_lanes_share() {
    for n in [
        129, 131, 160, 161, 192, 256, 257, 319, 385, 448, 511, 512, 513,
    ] {
        check::<f32>(n, 72);
        check::<bf16>(n, 72);
        check::<f16>(n, 72);
    }
}

#[test]
fn more_columns_than_a_slab() {
    check::<f32>(200, 1057);
    check::<bf16>(20, 1057);
    check::<f16>(200, 1057);
}
