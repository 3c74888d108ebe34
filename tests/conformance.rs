//! The three primitives against the oracle, for every backend: primitive × element type × shape × case.
//!
//! A backend is one line: a test that hands its device to [`suite`].

use byzagg::primitive::{Inputs, Primitive, To};
use byzagg::{Block, Cpu, DType, Device, OutputElement, Shape, Statistic, Ties, Trim};
use half::{bf16, f16};

mod common;
#[path = "conformance/points.rs"]
mod points;
use common::cases::{Hostile, Kind, some_of};
use common::naive::columns::{self, Shares, clean};
use common::naive::geometry;
use common::naive::parse::{Cut, Ties as NaiveTies};
use points::{anchors, check_combine, check_pairwise};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Every instruction set of this machine, not only the best one.
#[test]
fn cpu() {
    for name in Cpu::available_instructions() {
        suite(&Device::Cpu(Cpu::new().with_instructions(name).unwrap()));
    }
}

#[cfg(feature = "wgpu")]
#[test]
fn wgpu() {
    if let Some(device) = common::device::wgpu() {
        suite(&Device::Wgpu(device));
    }
}

#[cfg(feature = "cuda")]
#[test]
fn cuda() {
    if let Some(device) = common::device::cuda() {
        suite(&Device::Cuda(device));
    }
}

const EPS: f64 = f32::EPSILON as f64;
const TINY: f64 = 2.0 * f32::MIN_POSITIVE as f64;

/// A test matrix: its rows as the elements are, and in f64.
struct Case<T> {
    name: String,
    flat: Vec<T>,
    wide: Vec<Vec<f64>>,
    n: usize,
    d: usize,
}

impl<T: OutputElement> Case<T> {
    fn new(kind: Kind, hostile: Option<Hostile>, n: usize, d: usize) -> Self {
        let mut rows = kind.rows(n, d, 1000 * n as u64 + d as u64);
        if let Some(hostile) = hostile {
            let mut random = StdRng::seed_from_u64(9);
            hostile.replace(&mut rows, &some_of(n, (n - 1) / 2, &mut random));
        }
        let flat: Vec<T> = rows.concat().into_iter().map(T::from_f32).collect();
        let wide = flat
            .chunks(d)
            .map(|row| row.iter().map(|v| f64::from(v.to_f32())).collect());
        Case {
            name: format!("{kind:?}, {hostile:?}, {n} × {d} {}", T::DTYPE),
            wide: wide.collect(),
            flat,
            n,
            d,
        }
    }

    fn block(&self) -> Block<'_, T> {
        Block::new(&self.flat, self.n, self.d).unwrap()
    }

    fn column(&self, k: usize) -> Vec<f64> {
        self.wide.iter().map(|row| row[k]).collect()
    }
}

fn suite(device: &Device) {
    for n in [1, 2, 3, 5, 8, 25, 31, 32, 33, 64, 100, 257] {
        for d in [1, 3, 255, 257] {
            // The oracle's time grows with n² d.
            if n * d > 9000 && d != 255 {
                continue;
            }
            for kind in [Kind::Gaussian, Kind::Lattice, Kind::CommonMean] {
                all::<f32>(device, kind, None, n, d);
            }
            for hostile in [
                Hostile::EveryBadValue,
                Hostile::Each,
                Hostile::AlternatingMax,
            ] {
                all::<f32>(device, Kind::Gaussian, Some(hostile), n, d);
            }
            if n < 64 {
                for kind in Kind::ALL {
                    all::<f32>(device, kind, None, n, d);
                }
                all::<bf16>(device, Kind::Gaussian, None, n, d);
                all::<f16>(device, Kind::Gaussian, None, n, d);
                all::<bf16>(device, Kind::Lattice, Some(Hostile::EveryBadValue), n, d);
                all::<f16>(device, Kind::Lattice, Some(Hostile::EveryBadValue), n, d);
            }
        }
    }
    // Many segments and tiles.
    all::<f32>(
        device,
        Kind::Gaussian,
        Some(Hostile::NanCoordinate),
        5,
        100_003,
    );
}

fn all<T: OutputElement>(
    device: &Device,
    kind: Kind,
    hostile: Option<Hostile>,
    n: usize,
    d: usize,
) {
    let case = Case::<T>::new(kind, hostile, n, d);
    let mut random = StdRng::seed_from_u64(n as u64);
    let weights: Vec<f64> = (0..n)
        .map(|i| f64::from(random.random_range(0..4) + u32::from(i == 0)))
        .collect();
    for weights in [None, Some(&weights[..])] {
        for statistic in statistics(n, weights.is_some()) {
            check_columns(device, &case, statistic, weights);
        }
        check_pairwise(device, &case, weights, None);
        for anchor in anchors(&case) {
            check_pairwise(device, &case, weights, Some(&anchor));
        }
    }
    check_mixing(device, &case);
    check_combine(device, &case, None);
    for anchor in anchors(&case) {
        check_combine(device, &case, Some(&anchor));
    }
}

fn statistics(n: usize, weighted: bool) -> Vec<Statistic> {
    let f = (n - 1) / 3;
    let mut all = vec![
        Statistic::Mean,
        Statistic::Median(Ties::Midpoint),
        Statistic::Median(Ties::Lower),
        Statistic::Median(Ties::Upper),
        Statistic::TrimmedMean(Trim::F(0)),
        Statistic::TrimmedMean(Trim::F(f)),
        Statistic::TrimmedMean(Trim::F((n - 1) / 2)),
        Statistic::TrimmedMean(Trim::Lambda(0.17)),
        Statistic::TrimmedMean(Trim::Lambda(0.4999)),
    ];
    if !weighted {
        all.extend([0, f, (n - 1) / 2, n - 1].map(|f| Statistic::MeanAroundMedian { f }));
    }
    all
}

fn shares(statistic: Statistic, values: &[f64], weights: &[f64]) -> Shares {
    match statistic {
        Statistic::Mean => columns::mean(values, weights),
        Statistic::Median(ties) => {
            let ties = match ties {
                Ties::Lower => NaiveTies::Lower,
                Ties::Upper => NaiveTies::Upper,
                Ties::Midpoint => NaiveTies::Midpoint,
            };
            columns::median(values, weights, ties)
        }
        Statistic::TrimmedMean(trim) => {
            let cut = match trim {
                Trim::F(f) => Cut::F(f),
                Trim::Lambda(lambda) => Cut::Lambda(lambda),
            };
            columns::trimmed_mean(values, weights, cut)
        }
        Statistic::MeanAroundMedian { f } => columns::mean_around_median(values, f),
    }
}

/// One rounding to an element type, and denormals that count as zero.
fn rounding(dtype: DType, value: f64) -> f64 {
    TINY + match dtype {
        DType::Bf16 => value.abs() * 2f64.powi(-8),
        DType::F16 => value.abs() * 2f64.powi(-11) + 2f64.powi(-24),
        _ => value.abs() * 2f64.powi(-24),
    }
}

/// Fails on NaN, and on an infinity that is not the expected one. An infinite tolerance says that
/// anything may come out.
#[track_caller]
fn close(what: &str, got: f64, expected: f64, tolerance: f64) {
    let same = got == expected || (got.is_nan() && expected.is_nan());
    let near = expected.is_finite() && (got - expected).abs() <= tolerance;
    let unknown = tolerance == f64::INFINITY;
    assert!(
        same || near || unknown,
        "{what}: got {got:e}, expected {expected:e} ± {tolerance:e}"
    );
}

fn check_columns<T: OutputElement>(
    device: &Device,
    case: &Case<T>,
    statistic: Statistic,
    weights: Option<&[f64]>,
) {
    let (n, d) = (case.n, case.d);
    let weighted = weights.is_some();
    let what = format!("columns {statistic:?}, weighted {weighted}, {}", case.name);
    let mut primitive = Primitive::columns(statistic).distances(To::Raw);
    if weighted {
        primitive = primitive.weighted();
    }
    let mut prepared = primitive
        .prepare(device, &Shape::new(n, d), T::DTYPE)
        .unwrap();
    let mut out = vec![T::from_f32(f32::NAN); d];
    let inputs = Inputs {
        weights,
        ..Inputs::default()
    };
    prepared.run(case.block(), &mut out, &inputs).unwrap();
    let ones = vec![1.0; n];
    let weights = weights.unwrap_or(&ones);
    // The centre of the distances, and how exactly it is known.
    let mut centre = Vec::new();
    for (k, out) in out.iter().enumerate() {
        let column = case.column(k);
        let shares = shares(statistic, &column, weights);
        let expected = columns::value(&column, &shares);
        let terms: f64 = shares
            .iter()
            .map(|(i, c)| c * clean(column[*i]).abs())
            .sum();
        let mut tolerance = match &shares[..] {
            [_] => 0.0,
            _ => 8.0 * EPS * terms,
        };
        if let Statistic::MeanAroundMedian { f } = statistic {
            tolerance += columns::mean_around_median_slack(&column, &vec![0.0; n], f);
        }
        if shares.len() > 1 && terms * n as f64 > geometry::CAP {
            // Beyond what the spec assumes of the values that are used: their sum may overflow.
            tolerance = f64::INFINITY;
        }
        centre.push((expected, tolerance));
        tolerance += rounding(T::DTYPE, expected);
        // What rounds to beyond the type's largest value.
        let expected_out = f64::from(T::from_f32(expected as f32).to_f32());
        let expected = if expected_out.is_finite() {
            expected
        } else {
            expected_out
        };
        // A pure selection is exact, unless rounding decides between two equally close values.
        let pure = shares.len() == 1 && !matches!(statistic, Statistic::MeanAroundMedian { .. });
        if pure && (expected == 0.0 || expected.abs() >= TINY) {
            tolerance = 0.0;
        }
        close(
            &format!("{what}, column {k}"),
            f64::from(out.to_f32()),
            expected,
            tolerance,
        );
    }
    let read: Vec<bool> = weights.iter().map(|w| *w > 0.0).collect();
    check_distances(&what, &case.wide, &read, &centre, prepared.result(0));
}

/// Squared distances and classes of rows to a centre that is known to a tolerance.
fn check_distances(
    what: &str,
    rows: &[Vec<f64>],
    read: &[bool],
    centre: &[(f64, f64)],
    got: &[f64],
) {
    let n = rows.len();
    let point: Vec<f64> = centre.iter().map(|c| c.0).collect();
    let finite = point.iter().all(|c| c.is_finite());
    for i in (0..n).filter(|&i| read[i]) {
        let bad = rows[i].iter().any(|v| !v.is_finite());
        assert_eq!(got[n + i] == 2.0, bad, "{what}: class of row {i}");
        if bad || !finite {
            // Nothing is near a centre that is not finite.
            close(&format!("{what}, distance {i}"), got[i], f64::INFINITY, 0.0);
            continue;
        }
        let expected = geometry::squared_distance(&rows[i], &point);
        let error = |(x, (c, known)): (&f64, &(f64, f64))| {
            let e = known + EPS * (x.abs() + c.abs());
            2.0 * (x - c).abs() * e + e * e
        };
        let tolerance = 1e-5 * expected + rows[i].iter().zip(centre).map(error).sum::<f64>() + TINY;
        // Near f32::MAX rounding decides what is infinite.
        if expected + tolerance < geometry::CAP || expected - tolerance > geometry::CAP {
            close(
                &format!("{what}, distance {i}"),
                got[i],
                expected,
                tolerance,
            );
            let far = expected == f64::INFINITY;
            assert_eq!(
                got[n + i],
                f64::from(u8::from(far)),
                "{what}: class of row {i}"
            );
        }
    }
}

fn check_mixing<T: OutputElement>(device: &Device, case: &Case<T>) {
    let (n, d) = (case.n, case.d);
    let mut random = StdRng::seed_from_u64(n as u64 + 5);
    let bad: Vec<bool> = case
        .wide
        .iter()
        .map(|row| row.iter().any(|v| !v.is_finite()))
        .collect();
    // Dense over the rows that are not bad, and bucket-like: one bad row each at most.
    let rows = n.div_ceil(2);
    let dense: Vec<f64> = (0..rows * n)
        .map(|at| {
            if bad[at % n] {
                0.0
            } else {
                random.random_range(0.0..1.0) / n as f64
            }
        })
        .collect();
    let sparse: Vec<f64> = (0..rows * n)
        .map(|at| if (at % n) / 2 == at / n { 0.5 } else { 0.0 })
        .collect();
    for (name, mixing) in [("dense", &dense), ("sparse", &sparse)] {
        let mixed: Vec<Vec<f64>> = mixing
            .chunks(n)
            .map(|c| {
                let terms = |k: usize| (0..n).filter(|&j| c[j] != 0.0).map(move |j| (j, k));
                let value = |k: usize| {
                    terms(k)
                        .map(|(j, k)| c[j] * clean(case.wide[j][k]))
                        .sum::<f64>()
                };
                (0..d).map(|k| clean(value(k))).collect()
            })
            .collect();
        for statistic in [
            Statistic::Median(Ties::Midpoint),
            Statistic::TrimmedMean(Trim::F((rows - 1) / 3)),
        ] {
            let what = format!(
                "columns {statistic:?} of {rows} {name} mixed rows, {}",
                case.name
            );
            let primitive = Primitive::columns(statistic)
                .mixed(rows)
                .distances(To::Mixed);
            let primitive = primitive.output(DType::F32);
            let mut prepared = primitive
                .prepare(device, &Shape::new(n, d), T::DTYPE)
                .unwrap();
            let mut out = vec![f32::NAN; d];
            let inputs = Inputs {
                mixing: Some(mixing),
                ..Inputs::default()
            };
            prepared.run(case.block(), &mut out, &inputs).unwrap();
            let mut centre = Vec::new();
            for (k, out) in out.iter().enumerate() {
                let column: Vec<f64> = mixed.iter().map(|row| row[k]).collect();
                let shares = shares(statistic, &column, &vec![1.0; rows]);
                let expected = columns::value(&column, &shares);
                let used: f64 = shares.iter().map(|(i, c)| (c * column[*i]).abs()).sum();
                let overflows = shares.len() > 1 && used * rows as f64 > geometry::CAP;
                // An error of a mixed value passes through, whichever value it is.
                let size = |j: usize| {
                    mixing
                        .iter()
                        .skip(j)
                        .step_by(n)
                        .fold(0.0, |m: f64, c| m.max(c.abs()))
                };
                let terms: f64 = (0..n)
                    .filter(|&j| size(j) != 0.0 && case.wide[j][k].is_finite())
                    .map(|j| size(j) * case.wide[j][k].abs())
                    .sum();
                let tolerance = if overflows {
                    f64::INFINITY
                } else {
                    1e-5 * terms + TINY
                };
                // Beyond f32, or where infinities of both signs met.
                let expected = if expected.abs() > geometry::CAP {
                    expected.signum() * f64::INFINITY
                } else {
                    expected
                };
                close(
                    &format!("{what}, column {k}"),
                    f64::from(*out),
                    expected,
                    tolerance,
                );
                centre.push((expected, 2.0 * tolerance));
            }
            let representable = |v: &f64| v.abs() <= geometry::CAP || *v == f64::INFINITY;
            if mixed.iter().flatten().all(representable) {
                let read = vec![true; rows];
                check_distances(&what, &mixed, &read, &centre, prepared.result(0));
            }
        }
    }
}
