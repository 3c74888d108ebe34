//! The kernels of `columns` on a device, against a plain reference in f64.

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use super::harness::{Target, buffer, device, pull, push, rounded, run, upload};
use crate::DType;
use crate::backend::wgpu::columns::ColumnsKernel;
use crate::backend::wgpu::layout::{Layout, Quads};
use crate::backend::wgpu::record::{Part, Resource};
use crate::plan::{Statistic, Ties, Trim};

const EPS: f64 = f32::EPSILON as f64;

/// What a column's result should be, and `Σ |terms|` of the sum that it is (0: a value as it was read).
struct Expected {
    value: f64,
    terms: f64,
}

/// `Σ share · value` over values with a share.
fn combination(shares: impl IntoIterator<Item = (f32, f64)>) -> Expected {
    let shares: Vec<(f32, f64)> = shares
        .into_iter()
        .filter(|&(_, share)| share > 0.0)
        .collect();
    if shares.len() == 1 {
        return Expected {
            value: shares[0].0.into(),
            terms: 0.0,
        };
    }
    let terms = || {
        shares
            .iter()
            .map(|&(value, share)| f64::from(value) * share)
    };
    Expected {
        value: terms().sum(),
        terms: terms().map(f64::abs).sum(),
    }
}

fn expected(column: &[f32], weights: &[i32], statistic: Statistic) -> Expected {
    let mut sorted: Vec<(f32, f64)> = std::iter::zip(column, weights)
        .filter(|&(_, &weight)| weight > 0)
        .map(|(&x, &weight)| (if x.is_nan() { f32::INFINITY } else { x }, weight.into()))
        .collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let total: f64 = sorted.iter().map(|&(_, weight)| weight).sum();
    let middle = |ties| {
        let at = |least: f64| {
            let mut sum = 0.0;
            let passes = |&&(_, weight): &&(f32, f64)| {
                sum += weight;
                2.0 * sum >= least
            };
            sorted.iter().find(passes).unwrap().0
        };
        // In halves of a unit of weight.
        let (low, high) = (at(total), at(total + 1.0));
        match ties {
            Ties::Midpoint if low != high => vec![(low, 0.5), (high, 0.5)],
            Ties::Lower | Ties::Midpoint => vec![(low, 1.0)],
            Ties::Upper => vec![(high, 1.0)],
        }
    };
    match statistic {
        Statistic::Median(ties) => combination(middle(ties)),
        Statistic::Mean => unreachable!(),
        Statistic::TrimmedMean(trim) => {
            let snap = 1e-9 * total;
            let cut = trim.cut(column.len(), total);
            let mut sum = 0.0;
            let shares: Vec<(f32, f64)> = (sorted.iter())
                .map(|&(value, weight)| {
                    let before = sum;
                    sum += weight;
                    let place = |weight: f64| {
                        if weight <= cut + snap {
                            0.0
                        } else if weight >= total - cut - snap {
                            total - 2.0 * cut
                        } else {
                            weight - cut
                        }
                    };
                    (value, (place(sum) - place(before)) / (total - 2.0 * cut))
                })
                .collect();
            if total - 2.0 * cut <= 2.0 * snap {
                return combination(middle(Ties::Midpoint));
            }
            combination(shares)
        }
        Statistic::MeanAroundMedian { f } => {
            let centre = combination(middle(Ties::Midpoint)).value as f32;
            // In f32, as the kernels, so that ties are theirs.
            let distance = |x: f32| {
                let distance = (x - centre).abs();
                if distance.is_nan() {
                    f32::INFINITY
                } else {
                    distance
                }
            };
            let keep = column.len() - f;
            let nearer = |&low: &usize| distance(sorted[low + keep].0) < distance(sorted[low].0);
            let start = (0..f).take_while(nearer).count();
            let window = &sorted[start..start + keep];
            combination(window.iter().map(|&(x, _)| (x, 1.0 / keep as f64)))
        }
    }
}

fn check(got: f32, expected: &Expected, kernel: &ColumnsKernel, column: &[f32], weights: &[i32]) {
    let Expected { value, terms } = *expected;
    let output = kernel.output;
    let right = if value.is_nan() {
        got.is_nan()
    } else if terms == 0.0 || value.is_infinite() {
        got == rounded(output, value as f32)
    } else {
        let error = 8.0 * EPS * terms + f64::from(f32::MIN_POSITIVE);
        let (low, high) = ((value - error) as f32, (value + error) as f32);
        let (low, high) = (rounded(output, low), rounded(output, high));
        low <= got && got <= high
    };
    assert!(
        right,
        "{kernel:?}: {got:e} for {value:e}, {column:?} {weights:?}"
    );
}

/// Columns of all sorts. At most f rows of some are hostile.
fn columns(rng: &mut StdRng, rows: usize, f: usize, count: usize) -> Vec<Vec<f32>> {
    let specials = [
        f32::NAN,
        -f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        0.0,
        -0.0,
        f32::from_bits(1),
        -f32::from_bits(0x7f_ffff),
        f32::MAX / rows as f32,
        -f32::MAX / rows as f32,
    ];
    let hostile = [
        f32::MAX,
        -f32::MAX,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
        -f32::NAN,
        1e38,
    ];
    let mut order: Vec<usize> = (0..rows).collect();
    (0..count)
        .map(|k| {
            let mut normal = || -> f32 { (0..4).map(|_| rng.random_range(-1.0..1.0f32)).sum() };
            let mut column: Vec<f32> = (0..rows).map(|_| normal()).collect();
            match k % 7 {
                0 => {}
                1 => column
                    .iter_mut()
                    .for_each(|x| *x = (*x * 4.0).round() / 4.0),
                2 => column.iter_mut().for_each(|x| *x += 1000.0),
                3 => column.fill(0.1),
                4 | 5 => {
                    let often = [0.2, 0.8][k % 2];
                    for x in &mut column {
                        if rng.random_bool(often) {
                            *x = specials[rng.random_range(0..specials.len())];
                        }
                    }
                }
                _ => {
                    order.shuffle(rng);
                    for &i in &order[..f] {
                        column[i] = hostile[rng.random_range(0..hostile.len())];
                    }
                }
            }
            column
        })
        .collect()
}

/// Weights of several kinds, with zeros, and their sum.
fn weights(rng: &mut StdRng, rows: usize, kind: usize) -> Vec<i32> {
    let most = (1 << 30) / rows as i32;
    let mut weights: Vec<i32> = (0..rows)
        .map(|_| match kind {
            0 => 1,
            1 => rng.random_range(0..4),
            2 => rng.random_range(0..most),
            _ => [0, 1, 2, most / 2][rng.random_range(0..4)],
        })
        .collect();
    let rest = (1 << 30) - weights.iter().sum::<i32>();
    if kind >= 2 {
        weights[rows / 2] += rest;
    }
    weights[0] = weights[0].max(1) - i32::from(weights[0] == 0 && kind >= 2);
    weights
}

/// The bits of all results, each of which has been checked.
pub fn test(kernel: &ColumnsKernel, seed: u64) -> Vec<u32> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut bits = Vec::new();
    let Some(device) = device() else { return bits };
    let (n, layout) = (kernel.layout.rows, &kernel.layout);
    let f = match kernel.statistic {
        Statistic::TrimmedMean(trim) => trim.cut(n, n as f64) as usize,
        Statistic::MeanAroundMedian { f } => f,
        _ => (n - 1) / 2,
    };
    let d = if n > 256 { 41 } else { 203 };
    let mut columns = columns(&mut rng, n, f, d);
    for x in columns.iter_mut().flatten() {
        *x = rounded(layout.dtype, *x);
    }
    let rows: Vec<Vec<f32>> = (0..n)
        .map(|i| columns.iter().map(|column| column[i]).collect())
        .collect();
    let uploaded = upload(device, layout, &rows, &mut rng);
    let shader = kernel.shader();
    let around = matches!(kernel.statistic, Statistic::MeanAroundMedian { .. });
    let kinds = if kernel.weighted && !around { 4 } else { 1 };
    for kind in 0..kinds {
        let weights = weights(&mut rng, n, kind);
        let total: i32 = weights.iter().sum();
        let mut arena = vec![-1; 3];
        arena.extend(&weights);
        let arena = buffer(device, bytemuck::cast_slice(&arena));
        let d = d as u32;
        let parts = match layout.quads {
            Quads::OneByOne => [(0, d, 0), (3, d - 5, 3), (1, 1, 1), (2, 1, 4)],
            _ => [(0, d, 0), (12, d - 13, 3), (4, 1, 1), (8, 5, 4)],
        };
        for (first, count, out) in parts {
            let target = Target::new(device, kernel.output, first, count, out);
            let params = kernel.params(target.extent, 3, total);
            run(
                device,
                &shader,
                kernel.invocations(target.extent),
                |recording| {
                    vec![
                        recording.constants(&[params]),
                        recording.constants(&uploaded.bases),
                        Resource::Part(Part::whole(&arena)),
                        Resource::Part(Part::whole(&target.buffer)),
                    ]
                },
                &uploaded.groups,
            );
            let results = target.read(device);
            for (column, got) in columns[first as usize..].iter().zip(results) {
                let expected = expected(column, &weights, kernel.statistic);
                check(got, &expected, kernel, column, &weights);
                bits.push(got.to_bits());
            }
        }
    }
    bits
}

pub fn kernel(rows: usize, statistic: Statistic, weighted: bool) -> ColumnsKernel {
    ColumnsKernel {
        layout: Layout {
            rows,
            dtype: DType::F32,
            groups: 1,
            shared: false,
            strided: false,
            quads: Quads::OneByOne,
        },
        statistic,
        weighted,
        output: DType::F32,
        quads: false,
    }
}

pub const MIDPOINT: Statistic = Statistic::Median(Ties::Midpoint);

pub fn statistics(rows: usize) -> Vec<Statistic> {
    let f = (rows - 1) / 3;
    vec![
        MIDPOINT,
        Statistic::TrimmedMean(Trim::F(f)),
        Statistic::TrimmedMean(Trim::Lambda(0.21)),
        Statistic::MeanAroundMedian { f },
    ]
}

#[test]
fn networks_are_right() {
    for rows in [1, 2, 3, 8, 25, 32] {
        for statistic in statistics(rows) {
            test(&kernel(rows, statistic, false), 1);
        }
    }
}

#[test]
fn networks_with_weights_are_right() {
    for rows in [1, 2, 5, 25, 33] {
        for statistic in &statistics(rows)[..3] {
            test(&kernel(rows, *statistic, true), 2);
        }
    }
}

#[test]
fn searches_are_right() {
    for rows in [129, 258] {
        for statistic in statistics(rows) {
            test(&kernel(rows, statistic, false), 3);
        }
    }
    for statistic in &statistics(65)[..3] {
        test(&kernel(65, *statistic, true), 4);
    }
}

#[test]
fn a_thousand_rows_in_halves_are_right() {
    for statistic in statistics(1024) {
        for weighted in [false, true] {
            let kernel = ColumnsKernel {
                output: DType::Bf16,
                ..kernel(1024, statistic, weighted)
            };
            test(&kernel, 5);
        }
    }
}

#[test]
fn both_sides_of_the_limits_of_networks_are_right() {
    test(&kernel(128, MIDPOINT, false), 6);
    test(
        &kernel(64, Statistic::TrimmedMean(Trim::Lambda(0.3)), true),
        6,
    );
}

#[test]
fn ties_and_cuts_of_all_kinds_are_right() {
    let statistics = [
        Statistic::Median(Ties::Lower),
        Statistic::Median(Ties::Upper),
        Statistic::TrimmedMean(Trim::F(0)),
        Statistic::TrimmedMean(Trim::Lambda(0.5 - 1e-12)),
        Statistic::TrimmedMean(Trim::Lambda(0.499)),
        Statistic::TrimmedMean(Trim::Lambda(0.01)),
        Statistic::MeanAroundMedian { f: 0 },
    ];
    for rows in [6, 7, 130] {
        for statistic in statistics {
            for weighted in [false, true] {
                test(&kernel(rows, statistic, weighted), 7);
            }
        }
    }
}

#[test]
fn every_dtype_and_layout_is_right() {
    let dtypes = [DType::F32, DType::Bf16, DType::F16];
    for (i, input) in dtypes.into_iter().enumerate() {
        for (o, output) in dtypes.into_iter().enumerate() {
            let layout = Layout {
                rows: 10,
                dtype: input,
                groups: 1 + (i + o) % 3,
                shared: (i + o) % 2 == 1,
                strided: false,
                quads: Quads::OneByOne,
            };
            for statistic in [MIDPOINT, Statistic::TrimmedMean(Trim::F(3))] {
                let kernel = ColumnsKernel {
                    layout,
                    output,
                    ..kernel(10, statistic, false)
                };
                test(&kernel, 8);
            }
        }
    }
    let layout = Layout {
        rows: 131,
        dtype: DType::F16,
        groups: 4,
        shared: false,
        strided: false,
        quads: Quads::OneByOne,
    };
    let kernel = ColumnsKernel {
        layout,
        output: DType::F16,
        ..kernel(131, MIDPOINT, true)
    };
    test(&kernel, 9);
}

/// A buffer may be read and written by one dispatch if all its bindings say so.
#[test]
fn the_output_may_lie_in_the_buffer_of_the_input() {
    let Some(device) = device() else { return };
    let kernel = ColumnsKernel {
        layout: Layout {
            rows: 3,
            dtype: DType::F32,
            groups: 1,
            shared: true,
            strided: false,
            quads: Quads::OneByOne,
        },
        ..kernel(3, MIDPOINT, false)
    };
    let mut bytes = Vec::new();
    for i in 0..192 {
        push(&mut bytes, DType::F32, i as f32);
    }
    let both = buffer(device, &bytes);
    let mut target = Target::new(device, DType::F32, 0, 64, 0);
    // The output replaces the first row.
    target.buffer = both.clone();
    run(
        device,
        &kernel.shader(),
        kernel.invocations(target.extent),
        |recording| {
            vec![
                recording.constants(&[kernel.params(target.extent, 0, 0)]),
                recording.constants(&[0u32, 64, 128, 0]),
                Resource::Part(Part::whole(&buffer(device, &[]))),
                Resource::Part(Part::whole(&both)),
            ]
        },
        std::slice::from_ref(&both),
    );
    let after = super::harness::download(device, &both);
    let after: Vec<f32> = after.chunks(4).map(|word| pull(DType::F32, word)).collect();
    let expected: Vec<f32> = (64..128).chain(64..192).map(|i| i as f32).collect();
    assert_eq!(after, expected);
}
