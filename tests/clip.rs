//! Clipping to a length that a run is given: against the oracle, from run to run.

mod common;

use byzagg::{DType, Device, Error, Matrix, Options, Rule, Run, Shape};
use common::cases::{Kind, flat};
use common::device::devices;
use common::run::{Tally, on, reference, rounding};

/// Rules around a length, which is `{c}`.
const RULES: [&str; 7] = [
    "clipping(median,c={c})",
    "clipping(mean,c={c})",
    "clipping(krum(f=1),c={c})",
    "clipping(bucketing(median,s=2,seed=3),c={c})",
    "nnm(clipping(cwtm(f=1),c={c}),f=1)",
    "ctma(clipping(rfa,c={c}),f=1)",
    "clipping(nnm(clipping(median,c={c}),f=1),c={c})",
];

fn prepare(rule: &str, device: &Device, shape: &Shape, weighted: bool) -> byzagg::Prepared {
    let rule: Rule = rule.replace("{c}", "given").parse().unwrap();
    assert!(rule.needs_length());
    let options = Options::new().weighted(weighted);
    rule.prepare_with(device, shape, DType::F32, options)
        .unwrap()
}

/// One aggregator follows the length from run to run, with weights or without.
#[test]
fn it_is_clipping_to_that_length() {
    let mut tally = Tally::default();
    for device in devices() {
        for (n, d) in [(5, 1), (8, 67), (19, 300)] {
            for kind in [Kind::Gaussian, Kind::OneHuge, Kind::Duplicates] {
                let rows = kind.rows(n, d, n as u64);
                let x = flat(&rows);
                let weights: Vec<f64> = (0..n).map(|i| (i % 4 + 1) as f64).collect();
                for rule in RULES {
                    for weights in [None, Some(&weights[..])] {
                        if weights.is_some() && rule.contains("krum") {
                            continue;
                        }
                        let shape = Shape::new(n, d);
                        let mut prepared = prepare(rule, device, &shape, weights.is_some());
                        for c in [0.5, 1e-6, 30.0, 7.25] {
                            let mut run = Run::new().clip(c);
                            if let Some(weights) = weights {
                                run = run.weights(weights);
                            }
                            let mut out = vec![0.0f32; d];
                            let matrix = Matrix::new(&x, n, d).unwrap();
                            let got = prepared.run_with(matrix, &mut out, &run).map(|()| out);
                            let text = rule.replace("{c}", &c.to_string());
                            let expected = reference(&text, &rows, weights);
                            tally.check(
                                &format!("{text}, {n} × {d}, {kind:?}, {device}"),
                                false,
                                got,
                                on(device, &text, &expected),
                                rounding(DType::F32),
                            );
                        }
                    }
                }
            }
        }
    }
    tally.finish("clip");
}

#[test]
fn nothing_is_left_at_zero_and_all_without_a_limit() {
    let (n, d) = (7, 33);
    let rows = Kind::Gaussian.rows(n, d, 1);
    let x = flat(&rows);
    for device in devices() {
        let mut prepared = prepare("clipping(median,c={c})", device, &Shape::new(n, d), false);
        let mut median = vec![0.0f32; d];
        let rule: Rule = "median".parse().unwrap();
        rule.prepare(device, &Shape::new(n, d), DType::F32)
            .unwrap()
            .run(Matrix::new(&x, n, d).unwrap(), &mut median)
            .unwrap();
        for (c, expected) in [
            (0.0, vec![0.0; d]),
            (f64::INFINITY, median.clone()),
            (f64::MAX, median.clone()),
        ] {
            let mut out = vec![f32::NAN; d];
            let matrix = Matrix::new(&x, n, d).unwrap();
            let run = Run::new().clip(c);
            prepared.run_with(matrix, &mut out, &run).unwrap();
            assert_eq!(out, expected, "{device}, c = {c}");
        }
    }
}

#[test]
fn a_length_is_given_where_one_is_needed() {
    let x = [1.0f32, 2.0, 3.0];
    let shape = Shape::new(3, 1);
    let refused = |rule: &str, run: Run<'_>, says: &str| {
        let rule: Rule = rule.parse().unwrap();
        let mut prepared = rule.prepare(&Device::cpu(), &shape, DType::F32).unwrap();
        let mut out = [7.0f32];
        let matrix = Matrix::new(&x, 3, 1).unwrap();
        let error = prepared.run_with(matrix, &mut out[..], &run).unwrap_err();
        assert!(matches!(error, Error::Shape { .. }) && error.to_string().contains(says));
        assert_eq!(out, [7.0]);
    };
    let needs = "a length of at least 0 to clip to, which the rule needs (Run::clip), got";
    refused("clipping(median,c=given)", Run::new(), needs);
    refused("clipping(median,c=given)", Run::new().clip(-1.0), needs);
    refused("clipping(median,c=given)", Run::new().clip(f64::NAN), needs);
    let needs = "no length to clip to, as the rule has its own or clips nothing, got 2";
    refused("clipping(median,c=1)", Run::new().clip(2.0), needs);
    refused("median", Run::new().clip(2.0), needs);
    let error = "clipping(median,c=gives)".parse::<Rule>().unwrap_err();
    assert!(error.to_string().contains("c= expects a number"), "{error}");
}
