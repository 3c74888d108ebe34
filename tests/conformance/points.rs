//! The primitives that have anchors: `pairwise` and `combine`, with and without.

use byzagg::primitive::{Anchor, Inputs, Primitive};
use byzagg::{Device, Matrix, OutputElement, Shape};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::common::naive::geometry::{self, Class};
use super::{Case, EPS, TINY, close, rounding};

/// Vectors near the rows, and ones that no product is finite with.
pub fn anchors<T: OutputElement>(case: &Case<T>) -> Vec<Vec<T>> {
    let mut random = StdRng::seed_from_u64(case.d as u64);
    let near: Vec<T> = (0..case.d)
        .map(|_| T::from_f32(random.random_range(-8..=8) as f32 / 4.0))
        .collect();
    let mut bad = near.clone();
    bad[case.d - 1] = T::from_f32(f32::NAN);
    let mut infinite = near.clone();
    infinite[case.d / 2] = T::from_f32(f32::NEG_INFINITY);
    let far = vec![T::from_f32(3e38); case.d];
    match case.n {
        5 => vec![near, bad, infinite, far],
        // One block of rows, and several: a software driver takes its time to compile for every n.
        1 | 8 | 33 => vec![near],
        _ => vec![],
    }
}

fn widened<T: OutputElement>(values: &[T]) -> Vec<f64> {
    values.iter().map(|v| f64::from(v.to_f32())).collect()
}

pub fn check_pairwise<T: OutputElement>(
    device: &Device,
    case: &Case<T>,
    weights: Option<&[f64]>,
    anchor: Option<&[T]>,
) {
    let (n, d) = (case.n, case.d);
    for origin in [false, true] {
        let what = format!(
            "pairwise, origin {origin}, anchor {:?}, weights {}, {}",
            anchor.map(|anchor| anchor[d - 1]),
            weights.is_some(),
            case.name
        );
        let mut primitive = match origin {
            true => Primitive::pairwise_with_origin(),
            false => Primitive::pairwise(),
        };
        if weights.is_some() {
            primitive = primitive.weighted();
        }
        let mut prepared = primitive
            .prepare(device, &Shape::new(n, d), T::DTYPE)
            .unwrap();
        let inputs = Inputs {
            weights,
            ..Inputs::default()
        };
        let mut out = vec![T::from_f32(7.0); d];
        let mut points = if origin { vec![vec![0.0; d]] } else { vec![] };
        if let Some(anchor) = anchor {
            points.push(widened(anchor));
            let mut prepared = (primitive.anchored())
                .prepare(device, &Shape::new(n, d), T::DTYPE)
                .unwrap();
            let mut held = anchor.to_vec();
            let mut run = |anchor, out: &mut [T]| {
                let anchor = Some(anchor);
                let inputs = Inputs { anchor, ..inputs };
                prepared.run(case.block(), out, &inputs).unwrap();
                prepared.result(0).to_vec()
            };
            let given = run(Anchor::Vector(Matrix::new(anchor, 1, d).unwrap()), &mut out);
            // The output's own memory is as good.
            assert!(given == run(Anchor::Output, &mut held), "{what}: in place");
            let bits = |v: &[T]| bytemuck::cast_slice::<T, u8>(v).to_vec();
            assert!(bits(&held) == bits(anchor), "{what}: wrote to the anchor");
            check_products(&what, case, weights, &points, &given);
        } else {
            prepared.run(case.block(), &mut out, &inputs).unwrap();
            check_products(&what, case, weights, &points, prepared.result(0));
        }
        assert!(
            out.iter().all(|v| v.to_f32() == 7.0),
            "{what}: wrote to the output"
        );
    }
}

/// Inner products and classes of the rows and of points behind them.
fn check_products<T: OutputElement>(
    what: &str,
    case: &Case<T>,
    weights: Option<&[f64]>,
    anchors: &[Vec<f64>],
    result: &[f64],
) {
    let n = case.n;
    let expected = geometry::gram(&case.wide, weights, anchors);
    let points = n + anchors.len();
    let (gram, class) = result.split_at(points * points);
    for i in 0..points {
        let number = [Class::Finite, Class::Far, Class::Bad]
            .iter()
            .position(|c| *c == expected.class[i]);
        assert_eq!(class[i], number.unwrap() as f64, "{what}: class of row {i}");
        for j in 0..points {
            let (a, b) = (expected.inner[i][i], expected.inner[j][j]);
            // An f32 block's rounding, and that of x − m and of m itself, which is known to f32.
            let centre: f64 = expected.centre.iter().map(|m| m * m).sum();
            let shift = EPS * (centre.sqrt() + (a + b).sqrt());
            let tolerance = match a.is_finite() && b.is_finite() {
                true => 1e-6 * (a * b).sqrt() + shift * (a + b).sqrt() + shift * shift + TINY,
                false => 0.0,
            };
            close(
                &format!("{what}, G({i}, {j})"),
                gram[i * points + j],
                expected.inner[i][j],
                tolerance,
            );
            if a.is_finite() && b.is_finite() && i < n && j < n {
                // The spec's bound on distances, which no rounding of the centre can touch.
                let got = gram[i * points + i] + gram[j * points + j] - 2.0 * gram[i * points + j];
                let exact = geometry::squared_distance(&case.wide[i], &case.wide[j]);
                let tolerance = 1e-5 * exact + 1e-6 * (a + b) + TINY;
                close(&format!("{what}, D²({i}, {j})"), got, exact, tolerance);
            }
        }
    }
}

pub fn check_combine<T: OutputElement>(device: &Device, case: &Case<T>, anchor: Option<&[T]>) {
    let (n, d) = (case.n, case.d);
    let mut random = StdRng::seed_from_u64(n as u64 + 6);
    let bad: Vec<bool> = case
        .wide
        .iter()
        .map(|row| row.iter().any(|v| !v.is_finite()))
        .collect();
    let primitive = match anchor {
        Some(_) => Primitive::combine().anchored(),
        None => Primitive::combine(),
    };
    let mut prepared = primitive
        .prepare(device, &Shape::new(n, d), T::DTYPE)
        .unwrap();
    let mut run = |coefficients: &[f64]| {
        let mut out = vec![T::from_f32(7.0); d];
        let inputs = Inputs {
            coefficients: Some(coefficients),
            anchor: anchor.map(|a| Anchor::Vector(Matrix::new(a, 1, d).unwrap())),
            ..Inputs::default()
        };
        prepared.run(case.block(), &mut out, &inputs).unwrap();
        if let Some(anchor) = anchor {
            let mut held = anchor.to_vec();
            let anchor = Some(Anchor::Output);
            let inputs = Inputs { anchor, ..inputs };
            prepared.run(case.block(), &mut held, &inputs).unwrap();
            let bits = |v: &[T]| bytemuck::cast_slice::<T, u8>(v).to_vec();
            assert!(
                bits(&held) == bits(&out),
                "combine, {}: in place",
                case.name
            );
        }
        out.into_iter()
            .map(|v| f64::from(v.to_f32()))
            .collect::<Vec<_>>()
    };
    let some = |share: f64, random: &mut StdRng| -> Vec<f64> {
        let one = |j: usize| {
            if bad[j] || random.random::<f64>() > share {
                0.0
            } else {
                random.random::<f64>() / n as f64
            }
        };
        (0..n).map(one).collect()
    };
    let mut rows = case.wide.clone();
    rows.extend(anchor.map(widened));
    let anchor_is_finite = rows[rows.len() - 1].iter().all(|v| v.is_finite());
    let mut cases = vec![some(1.0, &mut random), some(0.2, &mut random), vec![0.0; n]];
    if anchor.is_some() {
        // A coefficient of 0 is not read.
        let shares = [0.25, 0.0, -1.5].map(|c| if anchor_is_finite { c } else { 0.0 });
        cases
            .iter_mut()
            .zip(shares)
            .for_each(|(c, share)| c.push(share));
    }
    for coefficients in cases {
        let out = run(&coefficients);
        for (k, out) in out.iter().enumerate() {
            let used = || (0..rows.len()).filter(|&j| coefficients[j] != 0.0);
            let expected: f64 = used().map(|j| coefficients[j] * rows[j][k]).sum();
            let terms: f64 = used().map(|j| (coefficients[j] * rows[j][k]).abs()).sum();
            let overflows = expected.abs() > f64::from(T::from_f32(f32::MAX).to_f32());
            let tolerance = match overflows || terms > geometry::CAP {
                true => f64::INFINITY,
                false => 8.0 * EPS * terms + rounding(T::DTYPE, expected) + TINY,
            };
            close(
                &format!("combine, {}, column {k}", case.name),
                *out,
                expected,
                tolerance,
            );
        }
    }
    let mut undefined = vec![0.0; rows.len()];
    undefined[rows.len() - 1] = f64::NAN;
    assert!(
        run(&undefined).iter().all(|v| v.is_nan()),
        "combine, {}: NaN",
        case.name
    );
}
