//! Statistics of mixed rows: the kernels that mix on the way, against the CPU and against rows that are mixed to memory
//! first, which weights ask for.

use byzagg::primitive::{Inputs, PreparedPrimitive, Primitive, To};
use byzagg::{
    Block, Cuda, DType, Device, DevicePlaceMut, Matrix, Output, OutputElement, Shape, Statistic,
    Ties, Trim,
};
use half::{bf16, f16};

use crate::support::*;

/// Rows of which some are never used, and some seldom, which are hostile.
#[derive(Clone, Copy, PartialEq)]
enum Role {
    Honest,
    Unused,
    Seldom,
}

fn role(j: usize) -> Role {
    match j % 6 {
        2 => Role::Unused,
        4 => Role::Seldom,
        _ => Role::Honest,
    }
}

/// Quarters, so that every sum is exact.
fn mixing(rows: usize, n: usize) -> Vec<f64> {
    let coefficient = |i: usize, j: usize| match role(j) {
        Role::Unused => 0.0,
        Role::Seldom if i % 4 != 1 => 0.0,
        _ => [0.25, 0.0, 1.0, 0.5][(3 * i + 5 * j + i * j) % 4],
    };
    (0..rows * n)
        .map(|at| coefficient(at / n, at % n))
        .collect()
}

fn rows_of(n: usize, d: usize) -> Vec<f32> {
    let bad = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -f32::NAN];
    let mut x = lattice(n, d);
    for (j, row) in x.chunks_mut(d).enumerate() {
        for (k, value) in row.iter_mut().enumerate() {
            if role(j) == Role::Unused || (role(j) == Role::Seldom && k % 7 < 3) {
                *value = bad[(j / 6 + k) % 4];
            }
        }
    }
    x
}

/// A case: so many rows mixed to so many, of which a statistic is computed.
struct Case<'a> {
    statistic: Statistic,
    rows: usize,
    shape: &'a Shape,
    dtype: DType,
}

/// The result, and distances and classes of every problem.
type Results = (Vec<f32>, Vec<f64>);

impl Case<'_> {
    fn prepare(&self, device: &Device, dtype: DType, weighted: bool) -> PreparedPrimitive {
        let primitive = Primitive::columns(self.statistic).mixed(self.rows);
        let primitive = primitive.distances(To::Mixed).output(DType::F32);
        let primitive = if weighted {
            primitive.weighted()
        } else {
            primitive
        };
        primitive.prepare(device, self.shape, dtype).unwrap()
    }

    fn results(&self, prepared: &PreparedPrimitive, out: Vec<f32>) -> Results {
        let problems = 0..self.shape.problems();
        (
            out,
            problems.flat_map(|p| prepared.result(p).to_vec()).collect(),
        )
    }

    fn on_cpu(&self, x: &[f32]) -> Results {
        let (n, d) = (self.shape.n(), self.shape.d());
        let mut start = 0;
        let block = |&columns: &usize| {
            start += columns;
            Block::strided(&x[start - columns..], n, columns, d, 1).unwrap()
        };
        let blocks: Vec<_> = self.shape.columns().iter().map(block).collect();
        let mut prepared = self.prepare(&Device::cpu(), DType::F32, false);
        let mut out = vec![f32::NAN; d];
        let mixing = mixing(self.rows, n);
        let inputs = Inputs {
            mixing: Some(&mixing),
            ..Inputs::default()
        };
        let matrix = Matrix::from_blocks(&blocks).unwrap();
        prepared.run(matrix, &mut out, &inputs).unwrap();
        self.results(&prepared, out)
    }

    fn check(&self, gpu: &Cuda, what: &str, matrix: Matrix<'_>, expected: &Results) {
        let (n, rows) = (self.shape.n(), self.rows);
        let (mixing, ones) = (mixing(rows, n), vec![1.0; rows]);
        let mut bytes = Vec::new();
        for weighted in [false, true] {
            let mut prepared = self.prepare(&Device::Cuda(gpu.clone()), self.dtype, weighted);
            bytes.push(prepared.workspace_bytes());
            let mut out = upload::<f32>(gpu.stream(), &vec![f32::NAN; self.shape.d()]);
            let inputs = Inputs {
                mixing: Some(&mixing),
                weights: weighted.then_some(&ones),
                ..Inputs::default()
            };
            let output = Output::device(DevicePlaceMut::new(&mut out), DType::F32);
            prepared.run(matrix, output, &inputs).unwrap();
            let got = self.results(&prepared, read(gpu.stream(), &out));
            let what = format!(
                "{what}: {:?} of {rows} rows mixed of {n}, {}, weighted: {weighted}",
                self.statistic, self.dtype
            );
            self.compare(&what, &got, expected);
        }
        // No memory for mixed rows where they are mixed on the way.
        let kept = 4 * rows * self.shape.d();
        let on_the_way = rows <= 32 && n <= 128;
        assert_eq!(bytes[0] + kept <= bytes[1], on_the_way, "{what}: {bytes:?}");
    }

    fn compare(&self, what: &str, got: &Results, expected: &Results) {
        let same = |got: f64, expected: f64, tolerance: f64| {
            got == expected
                || (got.is_nan() && expected.is_nan())
                || (got - expected).abs() <= tolerance * (1.0 + expected.abs())
        };
        let tolerance = match self.statistic {
            Statistic::Median(_) => 0.0,
            _ => 1e-6,
        };
        for (k, (&got, &expected)) in got.0.iter().zip(&expected.0).enumerate() {
            let close = same(got.into(), expected.into(), tolerance);
            assert!(close, "{what}, column {k}: got {got}, expected {expected}");
        }
        // Distances, then classes.
        for (i, (&got, &expected)) in got.1.iter().zip(&expected.1).enumerate() {
            let close = same(got, expected, 1e-5);
            assert!(close, "{what}, result {i}: got {got}, expected {expected}");
        }
    }
}

fn check<T: OutputElement>(rows: usize, shape: &Shape, first: usize) {
    let Some(gpu) = callers() else { return };
    let n = shape.n();
    let x = rows_of(n, shape.d());
    let padded = Padded::<T>::new(&gpu, &x, n, first, first);
    let blocks = padded.blocks(shape);
    let matrix = Matrix::from_device_blocks(&blocks).unwrap();
    for statistic in [
        Statistic::Median(Ties::Midpoint),
        Statistic::TrimmedMean(Trim::F((rows - 1) / 2)),
        Statistic::TrimmedMean(Trim::Lambda(0.2718)),
    ] {
        let case = Case {
            statistic,
            rows,
            shape,
            dtype: T::DTYPE,
        };
        let what = format!("{shape} from element {first} on");
        case.check(&gpu, &what, matrix, &case.on_cpu(&x));
    }
}

#[test]
fn every_number_of_rows() {
    for n in 1..=33 {
        check::<f32>(n, &Shape::new(n, 70), n % 2);
    }
    for n in [2, 8, 9, 13, 16, 17, 24, 25, 28, 29, 32, 33] {
        check::<bf16>(n, &Shape::new(n, 70), n % 2);
        check::<f16>(n, &Shape::new(n, 70), n / 2 % 2);
    }
}

#[test]
fn fewer_mixed_rows_or_more() {
    for (n, rows) in [(3, 8), (9, 3), (100, 25), (128, 32), (129, 32), (40, 20)] {
        check::<f32>(rows, &Shape::new(n, 70), 0);
        check::<f16>(rows, &Shape::new(n, 70), 0);
    }
}

#[test]
fn tails_blocks_and_batches() {
    let sizes = [1, 1100, 130, 1027];
    for n in [7, 15, 25] {
        for first in [0, 1] {
            check::<f32>(n, &Shape::new(n, 1027), first);
            check::<bf16>(n, &Shape::blocks(n, &sizes), first);
            check::<f32>(n, &Shape::batch(n, &sizes), first);
        }
    }
}

#[test]
fn rows_from_a_table() {
    let Some(gpu) = callers() else { return };
    let (n, d) = (25, 1027);
    let x = rows_of(n, d);
    let order: Vec<usize> = (0..n).map(|i| i * 7 % n).collect();
    let mut shuffled = vec![0.0; n * d];
    for (i, &to) in order.iter().enumerate() {
        shuffled[to * d..][..d].copy_from_slice(&x[i * d..][..d]);
    }
    let padded = Padded::<f32>::new(&gpu, &shuffled, n, 0, 0);
    let case = Case {
        statistic: Statistic::Median(Ties::Midpoint),
        rows: n,
        shape: &Shape::new(n, d),
        dtype: DType::F32,
    };
    let matrix = padded.matrix().select(&order).unwrap();
    case.check(&gpu, "a table", matrix, &case.on_cpu(&x));
}
