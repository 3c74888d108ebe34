//! Centered clipping from a vector that a run is given: against the oracle, as state over steps, in place.

mod common;

use byzagg::{
    Block, DType, Device, Error, Matrix, Options, Output, OutputElement, Rule, Run, Shape,
};
use common::cases::{Hostile, Kind, flat, some_of, wide};
use common::compare::within;
use common::device::devices;
use common::naive::{self, Reference};
use common::rules::some;
use common::run::{ACCURACY, rounding};
use half::{bf16, f16};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Rules that start from a given vector: by themselves, behind mixings, inside and around ctma.
fn rules(n: usize) -> Vec<String> {
    let f = some(n);
    vec![
        "cc(start=given)".into(),
        "cc(tau=2,iterations=3,start=given)".into(),
        format!("nnm(cc(tau=1,iterations=2,start=given),f={f})"),
        "bucketing(cc(tau=2,start=given),s=2,seed=3)".into(),
        "clipping(cc(tau=1,iterations=2,start=given),c=2)".into(),
        format!("arc(cc(tau=3,start=given),f={f})"),
        format!("ctma(cc(tau=2,start=given),f={f})"),
        format!("ctma(nnm(cc(tau=2,start=given),f={f}),f={f})"),
        format!("nnm(ctma(cc(tau=2,start=given),f={f}),f={f})"),
        format!("ctma(clipping(cc(tau=2,start=given),c=3),f={f})"),
        format!("clipping(ctma(cc(tau=2,start=given),f={f}),c=3)"),
    ]
}

fn defines_weights(rule: &str) -> bool {
    !rule.contains("arc")
}

/// A rule from a separate start, and in place; both must have the same bits.
fn run<T: OutputElement + Default>(
    device: &Device,
    rule: &str,
    rows: &[Vec<T>],
    start: &[T],
    weights: Option<&[f64]>,
) -> Vec<T> {
    let (n, d) = (rows.len(), start.len());
    let parsed: Rule = rule.parse().unwrap();
    assert!(parsed.needs_start(), "{rule}");
    let options = Options::new().weighted(weights.is_some());
    let shape = Shape::new(n, d);
    let mut prepared = parsed
        .prepare_with(device, &shape, T::DTYPE, options)
        .unwrap();
    let x = flat(rows);
    let x = Matrix::new(&x, n, d).unwrap();
    let mut call = Run::new();
    if let Some(weights) = weights {
        call = call.weights(weights);
    }
    let mut out = vec![T::default(); d];
    let given = Matrix::new(start, 1, d).unwrap();
    prepared.run_with(x, &mut out, &call.start(given)).unwrap();
    let mut state = start.to_vec();
    prepared
        .run_with(x, &mut state, &call.start_from_output())
        .unwrap();
    let bits = |v: &[T]| v.iter().map(|v| v.to_f32().to_bits()).collect::<Vec<_>>();
    assert!(bits(&out) == bits(&state), "{rule}, {device}: in place");
    out
}

fn reference(rule: &str, rows: &[Vec<f32>], start: &[f32], weights: Option<&[f64]>) -> Reference {
    let permutation = |n, seed| byzagg::permutation(n, seed, 0);
    let start: Vec<f64> = start.iter().map(|&v| f64::from(v)).collect();
    naive::aggregate_from(rule, &wide(rows), weights, Some(&start), &permutation).unwrap()
}

/// Compares with the oracle; false where rounding decides a selection.
#[track_caller]
fn check<T: OutputElement + Default>(
    device: &Device,
    rule: &str,
    rows: &[Vec<T>],
    start: &[T],
    weights: Option<&[f64]>,
) -> bool {
    let narrow = |v: &[T]| v.iter().map(|v| v.to_f32()).collect::<Vec<f32>>();
    let wide: Vec<Vec<f32>> = rows.iter().map(|row| narrow(row)).collect();
    let expected = reference(rule, &wide, &narrow(start), weights);
    let got = narrow(&run(device, rule, rows, start, weights));
    match within(&got, &expected, rounding(T::DTYPE)) {
        Ok(()) => true,
        Err(difference) if expected.margin > ACCURACY => {
            let (n, d) = (rows.len(), start.len());
            panic!("{rule}, {n} × {d}, {device}: {difference}")
        }
        Err(_) => false,
    }
}

fn vector(d: usize, seed: u64) -> Vec<f32> {
    Kind::Gaussian.rows(1, d, seed).remove(0)
}

#[test]
fn it_is_the_definition() {
    let (mut compared, mut ambiguous) = (0, 0);
    for n in [1, 2, 5, 8, 25] {
        for d in [1, 3, 257] {
            for kind in [Kind::Gaussian, Kind::Lattice, Kind::CommonMean] {
                let rows = kind.rows(n, d, (n + d) as u64);
                let weights: Vec<f64> = (0..n)
                    .map(|i| ((i * 7) % 4 + usize::from(i == 0)) as f64)
                    .collect();
                // Far from the rows, near to them, and one of them.
                for start in [
                    vector(d, 5),
                    rows[n - 1].iter().map(|x| x + 0.5).collect(),
                    rows[0].clone(),
                ] {
                    for rule in rules(n) {
                        for device in devices() {
                            let weights = defines_weights(&rule).then_some(&weights[..]);
                            for weights in [None, weights] {
                                compared += 1;
                                ambiguous +=
                                    usize::from(!check(device, &rule, &rows, &start, weights));
                            }
                        }
                    }
                }
            }
        }
    }
    assert!(ambiguous * 100 <= compared, "{ambiguous} of {compared}");
}

#[test]
fn of_half_precision() {
    fn of<T: OutputElement + Default>() {
        for (n, d) in [(5, 3), (9, 257)] {
            let round = |row: Vec<f32>| row.into_iter().map(T::from_f32).collect::<Vec<T>>();
            let rows: Vec<Vec<T>> = Kind::Gaussian
                .rows(n, d, 3)
                .into_iter()
                .map(round)
                .collect();
            for rule in rules(n) {
                for device in devices() {
                    check(device, &rule, &rows, &round(vector(d, 8)), None);
                }
            }
        }
    }
    of::<bf16>();
    of::<f16>();
}

/// The vector has the output's type, which need not be the input's.
#[test]
fn of_the_output_type() {
    let (n, d) = (7, 130);
    let rows = Kind::Gaussian.rows(n, d, 3);
    let brains: Vec<bf16> = flat(&rows).into_iter().map(bf16::from_f32).collect();
    let rounded: Vec<Vec<f32>> = brains
        .chunks(d)
        .map(|row| row.iter().map(|v| v.to_f32()).collect())
        .collect();
    let rule: Rule = "cc(tau=1,iterations=2,start=given)".parse().unwrap();
    let start = vector(d, 4);
    let expected = reference(&rule.to_string(), &rounded, &start, None);
    for device in devices() {
        let options = Options::new().output(DType::F32);
        let mut prepared = rule
            .prepare_with(device, &Shape::new(n, d), DType::Bf16, options)
            .unwrap();
        let mut out = start.clone();
        let run = Run::new().start_from_output();
        prepared
            .run_with(Matrix::new(&brains, n, d).unwrap(), &mut out, &run)
            .unwrap();
        within(&out, &expected, rounding(DType::F32)).unwrap();
    }
}

#[test]
fn from_zero_it_is_cc() {
    let (n, d) = (9, 300);
    let rows = Kind::Gaussian.rows(n, d, 1);
    let x = flat(&rows);
    for device in devices() {
        for rule in rules(n) {
            let plain: Rule = rule
                .replace(",start=given", "")
                .replace("start=given", "")
                .parse()
                .unwrap();
            let mut prepared = plain
                .prepare(device, &Shape::new(n, d), DType::F32)
                .unwrap();
            let mut expected = vec![0.0f32; d];
            prepared
                .run(Matrix::new(&x, n, d).unwrap(), &mut expected)
                .unwrap();
            // A start that can't be used counts as zero.
            for start in [0.0, f32::NAN, f32::INFINITY, 3e38] {
                let mut held = vec![0.0; d];
                held[d - 1] = start;
                let got = run(device, &rule, &rows, &held, None);
                for (got, expected) in got.iter().zip(&expected) {
                    let close = (got - expected).abs() <= 1e-6;
                    assert!(
                        close,
                        "{rule} from {start}, {device}: {got}, expected {expected}"
                    );
                }
            }
        }
    }
}

/// Five steps, each from the last output, with a minority of hostile rows in each.
#[test]
fn state_over_steps() {
    let (n, d) = (11, 259);
    for hostile in [
        Hostile::Nan,
        Hostile::Infinity,
        Hostile::Large,
        Hostile::Each,
    ] {
        for device in devices() {
            let text = "cc(tau=4,iterations=2,start=given)";
            let rule: Rule = text.parse().unwrap();
            let mut prepared = rule.prepare(device, &Shape::new(n, d), DType::F32).unwrap();
            let mut state = vec![0.0f32; d];
            let mut random = StdRng::seed_from_u64(2);
            for step in 0..5 {
                let mut rows = Kind::Gaussian.rows(n, d, random.random());
                rows.iter_mut().flatten().for_each(|x| *x += 1.0);
                hostile.replace(&mut rows, &some_of(n, (n - 1) / 2, &mut random));
                let expected = reference(text, &rows, &state, None);
                let x = flat(&rows);
                let run = Run::new().start_from_output();
                prepared
                    .run_with(Matrix::new(&x, n, d).unwrap(), &mut state, &run)
                    .unwrap();
                within(&state, &expected, rounding(DType::F32))
                    .unwrap_or_else(|e| panic!("{hostile:?}, step {step}, {device}: {e}"));
                assert!(state.iter().all(|v| v.is_finite()));
            }
        }
    }
}

/// A loop recovers from an output that is not finite: the next start counts as zero.
#[test]
fn a_loop_recovers() {
    let (n, d) = (5, 40);
    let bad = vec![vec![f32::NAN; d]; n];
    let good = Kind::Gaussian.rows(n, d, 6);
    for device in devices() {
        let text = "cc(tau=4,start=given)";
        let lost = run(device, text, &bad, &vec![1.0; d], None);
        assert!(lost.iter().all(|v| v.is_nan()), "{device}");
        let found = run(device, text, &good, &lost, None);
        let expected = reference(text, &good, &vec![0.0; d], None);
        within(&found, &expected, rounding(DType::F32)).unwrap();
    }
}

#[test]
fn of_blocks_and_batches() {
    let sizes = [1, 100, 57];
    let (n, d) = (7, 158);
    let rows = Kind::Gaussian.rows(n, d, 9);
    let (x, start) = (flat(&rows), vector(d, 10));
    let first = |b: usize| sizes[..b].iter().sum::<usize>();
    let block = |b: usize| Block::strided(&x[first(b)..], n, sizes[b], d, 1).unwrap();
    let blocks: Vec<_> = (0..3).map(block).collect();
    let part = |b: usize| Block::new(&start[first(b)..][..sizes[b]], 1, sizes[b]).unwrap();
    let parts: Vec<_> = (0..3).map(part).collect();
    let text = "ctma(cc(tau=3,iterations=2,start=given),f=2)";
    let cc = "cc(tau=3,iterations=2,start=given)";
    for device in devices() {
        for text in [text, cc] {
            let rule: Rule = text.parse().unwrap();
            for batch in [false, true] {
                let shape = match batch {
                    true => Shape::batch(n, &sizes),
                    false => Shape::blocks(n, &sizes),
                };
                let mut prepared = rule.prepare(device, &shape, DType::F32).unwrap();
                let matrix = Matrix::from_blocks(&blocks).unwrap();
                let mut out = vec![0.0f32; d];
                let given = Run::new().start(Matrix::from_blocks(&parts).unwrap());
                prepared.run_with(matrix, &mut out, &given).unwrap();
                // In place: one slice for all blocks, and one for each.
                let in_place = Run::new().start_from_output();
                let mut state = start.clone();
                prepared.run_with(matrix, &mut state, &in_place).unwrap();
                assert_eq!(state, out, "{text}, {device}");
                let mut pieces: Vec<Vec<f32>> = (0..3)
                    .map(|b| start[first(b)..][..sizes[b]].to_vec())
                    .collect();
                let slices = pieces.iter_mut().map(|piece| &mut piece[..]);
                prepared
                    .run_with(matrix, Output::blocks(slices), &in_place)
                    .unwrap();
                assert_eq!(pieces.concat(), out, "{text}, {device}");
                let ranges: Vec<_> = match batch {
                    true => (0..3).map(|b| first(b)..first(b) + sizes[b]).collect(),
                    false => std::iter::once(0..d).collect(),
                };
                for range in ranges {
                    let own: Vec<Vec<f32>> =
                        rows.iter().map(|r| r[range.clone()].to_vec()).collect();
                    let expected = reference(text, &own, &start[range.clone()], None);
                    within(&out[range], &expected, rounding(DType::F32))
                        .unwrap_or_else(|e| panic!("{text}, batch {batch}, {device}: {e}"));
                }
            }
        }
    }
}

/// Many segments, tiles and chunks, and views that are not contiguous.
#[test]
fn of_long_and_strided_vectors() {
    let (n, d) = (5, 100_003);
    let rows = Kind::Gaussian.rows(n, d, 12);
    let start = vector(d, 13);
    let text = "cc(tau=200,iterations=2,start=given)";
    let expected = reference(text, &rows, &start, None);
    let mut transposed = vec![0.0f32; n * d];
    let mut spread = vec![f32::NAN; 2 * d];
    for k in 0..d {
        rows.iter()
            .enumerate()
            .for_each(|(i, row)| transposed[k * n + i] = row[k]);
        spread[2 * k] = start[k];
    }
    let rule: Rule = text.parse().unwrap();
    for device in devices() {
        let got = run(device, text, &rows, &start, None);
        within(&got, &expected, rounding(DType::F32)).unwrap();
        let mut prepared = rule.prepare(device, &Shape::new(n, d), DType::F32).unwrap();
        let mut out = vec![0.0f32; d];
        let given = Block::strided(&spread, 1, d, 2 * d, 2).unwrap();
        let x = Block::strided(&transposed, n, d, 1, n).unwrap();
        prepared
            .run_with(x, &mut out, &Run::new().start(given))
            .unwrap();
        within(&out, &expected, rounding(DType::F32)).unwrap();
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let (n, d) = (4, 6);
    let x = vec![1.0f32; n * d];
    let x = Matrix::new(&x, n, d).unwrap();
    let (start, doubles) = (vec![0.5f32; 2 * d], vec![0.5f64; d]);
    let vector = |d: usize| Matrix::new(&start[..d], 1, d).unwrap();
    for device in devices() {
        let prepare = |text: &str| {
            let rule: Rule = text.parse().unwrap();
            rule.prepare(device, &Shape::new(n, d), DType::F32).unwrap()
        };
        let mut from_given = prepare("nnm(cc(start=given),f=1)");
        let mut from_zero = prepare("nnm(cc,f=1)");
        let mut out = vec![7.0f32; d];
        let errors = [
            from_given.run(x, &mut out),
            from_zero.run_with(x, &mut out, &Run::new().start(vector(d))),
            from_zero.run_with(x, &mut out, &Run::new().start_from_output()),
            from_given.run_with(x, &mut out, &Run::new().start(vector(d - 1))),
            from_given.run_with(
                x,
                &mut out,
                &Run::new().start(Matrix::new(&start, 2, d).unwrap()),
            ),
            from_given.run_with(
                x,
                &mut out,
                &Run::new().start(Matrix::new(&doubles, 1, d).unwrap()),
            ),
        ]
        .map(|result| result.unwrap_err());
        assert!(matches!(errors[5], Error::DType { .. }), "{}", errors[5]);
        let expected = [
            "run: expected a start, which the rule needs (Run::start or start_from_output), got none",
            "run: expected no start, as the rule has a start of its own, got one",
            "run: expected no start, as the rule has a start of its own, got one",
            "run: start: expected 1 × 6, got 1×5",
            "run: start: expected 1 × 6, got 2×6",
            "run: start: expected elements of f32, got f64",
        ];
        for (error, expected) in errors.iter().zip(expected) {
            assert_eq!(error.to_string(), expected);
        }
        assert!(out.iter().all(|v| *v == 7.0), "something was written");
    }
}

#[test]
fn a_report_names_the_start() {
    let (n, d) = (5, 8);
    let rows = Kind::Gaussian.rows(n, d, 2);
    let x = flat(&rows);
    let rule: Rule = "cc(tau=0.5,start=given)".parse().unwrap();
    for device in devices() {
        let options = Options::new().report(true);
        let mut prepared = rule
            .prepare_with(device, &Shape::new(n, d), DType::F32, options)
            .unwrap();
        for (first, note) in [
            (0.0, "the start has coefficient 0."),
            (
                f32::NAN,
                "the start is not finite or too far from the rows: it counted as zero",
            ),
        ] {
            let mut state = vec![0.25f32; d];
            state[0] = first;
            let run = Run::new().start_from_output();
            prepared
                .run_with(Matrix::new(&x, n, d).unwrap(), &mut state, &run)
                .unwrap();
            let report = prepared.report().unwrap().remove(0);
            assert!(report.notes.iter().any(|n| n.starts_with(note)), "{report}");
            // Distances are to the output.
            for (worker, row) in report.workers.iter().zip(&rows) {
                let square: f32 = row.iter().zip(&state).map(|(x, v)| (x - v) * (x - v)).sum();
                let distance = worker.distance.unwrap();
                let close = (distance - f64::from(square.sqrt())).abs() <= 1e-4 * distance;
                assert!(close, "{report}, {device}");
            }
        }
    }
}
