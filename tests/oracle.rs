//! The oracle against examples that were computed by hand, so that it can be trusted.

mod common;

use common::cases::{Hostile, Kind, wide};
use common::compare::{Rounding, assert_bits_equal, assert_within, within};
use common::naive::columns::{cut_weight, trimmed_mean};
use common::naive::geometry::{self, Class, gram, integer_weights, squared_distance};
use common::naive::parse::{Cut, Rule, Stop, Ties, parse};
use common::naive::{Reference, aggregate};

const NAN: f64 = f64::NAN;
const INF: f64 = f64::INFINITY;

fn identity(n: usize, _seed: u64) -> Vec<usize> {
    (0..n).collect()
}

/// n rows of one element each.
fn line(values: &[f64]) -> Vec<Vec<f64>> {
    values.iter().map(|&x| vec![x]).collect()
}

fn apply(rule: &str, rows: &[Vec<f64>], weights: Option<&[f64]>) -> Reference {
    aggregate(rule, rows, weights, &identity).unwrap()
}

/// The result for rows of one element.
fn on_line(rule: &str, values: &[f64]) -> f64 {
    apply(rule, &line(values), None).output[0]
}

/// The same with weights.
fn weighted(rule: &str, values: &[f64], weights: &[f64]) -> f64 {
    apply(rule, &line(values), Some(weights)).output[0]
}

#[track_caller]
fn close(got: f64, expected: f64) {
    let same = got == expected || (got.is_nan() && expected.is_nan());
    let error = (got - expected).abs();
    assert!(
        same || error <= 1e-12 * expected.abs().max(1.0),
        "got {got}, expected {expected}"
    );
}

#[track_caller]
fn all_close(got: &[f64], expected: &[f64]) {
    assert_eq!(got.len(), expected.len());
    got.iter().zip(expected).for_each(|(&g, &e)| close(g, e));
}

/// Σ c_i x_i is the output.
#[track_caller]
fn is_combination(result: &Reference, rows: &[Vec<f64>]) {
    let c = result.coefficients.as_ref().expect("a combination of rows");
    for (k, &expected) in result.output.iter().enumerate() {
        let used = (0..rows.len()).filter(|&i| c[i] != 0.0);
        close(used.map(|i| c[i] * rows[i][k]).sum(), expected);
    }
}

#[test]
fn reads_rule_expressions() {
    let cut = Cut::F(3);
    let boxed = |rule| Box::new(rule);
    let rfa = Rule::GeometricMedian {
        nu: 0.1,
        stop: Stop::Iterations(3),
    };
    assert_eq!(parse("cwtm(f=3)"), Ok(Rule::TrimmedMean { cut }));
    assert_eq!(
        parse("nnm(ctma(rfa,f=3),f=3)"),
        Ok(Rule::Nnm {
            inner: boxed(Rule::Ctma {
                inner: boxed(rfa),
                cut
            }),
            cut
        })
    );
    let inner = Rule::Nnm {
        inner: boxed(Rule::TrimmedMean { cut }),
        cut,
    };
    let nested = Ok(Rule::Ctma {
        inner: boxed(inner),
        cut,
    });
    assert_eq!(parse("ctma(nnm(cwtm(f=3),f=3),f=3)"), nested);
    assert_eq!(parse(" ctma( nnm( cwtm(f=3) , f=3 ) , f = 3 ) "), nested);
    let rfa = Rule::GeometricMedian {
        nu: 0.5,
        stop: Stop::Iterations(8),
    };
    assert_eq!(
        parse("bucketing(rfa(nu=0.5,iterations=8),s=2,seed=7)"),
        Ok(Rule::Bucketing {
            inner: boxed(rfa),
            s: 2,
            seed: 7
        })
    );
    let median = boxed(Rule::Median {
        ties: Ties::Midpoint,
    });
    assert_eq!(
        parse("ctma(median,lambda=0.4)"),
        Ok(Rule::Ctma {
            inner: median,
            cut: Cut::Lambda(0.4)
        })
    );
    assert_eq!(
        parse("median(ties=lower)"),
        Ok(Rule::Median { ties: Ties::Lower })
    );
    assert_eq!(
        parse("rfa(tolerance=1e-6)"),
        Ok(Rule::GeometricMedian {
            nu: 0.1,
            stop: Stop::Tolerance(1e-6)
        })
    );
    assert_eq!(
        parse("krum(f=3)"),
        Ok(Rule::Krum {
            f: 3,
            neighbours: None
        })
    );
    assert_eq!(
        parse("multikrum(f=3,m=2,neighbours=4)"),
        Ok(Rule::MultiKrum {
            f: 3,
            m: Some(2),
            neighbours: Some(4)
        })
    );
    assert_eq!(
        parse("clipping(mean,c=2.5)"),
        Ok(Rule::Clipping {
            inner: boxed(Rule::Mean),
            c: 2.5
        })
    );
    for text in [
        "",
        "mode",
        "cwtm",
        "cwtm(f=3",
        "cwtm(f=3))",
        "cwtm(f=-1)",
        "cwtm(f=1,lambda=0.2)",
        "cwtm(f=1,f=1)",
        "cwtm(g=1)",
        "cwtm(median,f=1)",
        "nnm(f=1)",
        "nnm(median)",
        "nnm(f=1,median)",
        "median(ties=left)",
        "rfa(iterations=3,tolerance=1e-3)",
        "krum",
    ] {
        assert!(parse(text).is_err(), "{text:?} is no rule");
    }
}

#[test]
fn mean_by_hand() {
    let rows = [vec![1.0, 2.0], vec![3.0, -4.0]];
    let result = apply("mean", &rows, None);
    all_close(&result.output, &[2.0, -1.0]);
    // Σ|terms| of the second coordinate: (2 + 4)/2.
    all_close(&result.terms, &[2.0, 3.0]);
    is_combination(&result, &rows);
    // (1·1 + 3·3)/4, (1·2 − 3·4)/4.
    all_close(
        &apply("mean", &rows, Some(&[1.0, 3.0])).output,
        &[2.5, -2.5],
    );
    close(on_line("mean", &[1.0, -NAN]), INF);
    close(on_line("mean", &[1.0, -INF]), -INF);
    // A row of weight 0 is not read.
    close(weighted("mean", &[1.0, NAN, 4.0], &[1.0, 0.0, 2.0]), 3.0);
}

#[test]
fn median_by_hand() {
    close(on_line("median", &[3.0, 1.0, 2.0]), 2.0);
    let even = [4.0, 1.0, 3.0, 2.0];
    close(on_line("median", &even), 2.5);
    close(on_line("median(ties=midpoint)", &even), 2.5);
    close(on_line("median(ties=lower)", &even), 2.0);
    close(on_line("median(ties=upper)", &even), 3.0);
    // Cumulative 1, 2, 5 of S = 5: more than 2.5 at the third.
    close(weighted("median", &[1.0, 2.0, 3.0], &[1.0, 1.0, 3.0]), 3.0);
    // Cumulative 1, 2, 4 of S = 4: exactly half at the second.
    close(weighted("median", &[1.0, 2.0, 3.0], &[1.0, 1.0, 2.0]), 2.5);
    close(
        weighted("median(ties=lower)", &[1.0, 2.0, 3.0], &[1.0, 1.0, 2.0]),
        2.0,
    );
    close(
        weighted("median(ties=upper)", &[1.0, 2.0, 3.0], &[1.0, 1.0, 2.0]),
        3.0,
    );
    // The next value with positive weight is 3.
    close(weighted("median", &[1.0, 2.0, 3.0], &[2.0, 0.0, 2.0]), 2.0);
    close(weighted("median", &[1.0, NAN, 3.0], &[1.0, 0.0, 2.0]), 3.0);
    // NaN of either sign is above everything.
    close(on_line("median", &[NAN, 1.0, 2.0]), 2.0);
    close(on_line("median", &[1.0, 2.0, -NAN]), 2.0);
    close(on_line("median", &[-NAN, -INF, 2.0]), 2.0);
    close(on_line("median", &[NAN, NAN, 2.0]), INF);
    close(on_line("median", &[NAN, 2.0]), INF);
    // No overflow in the midpoint.
    let max = f64::from(f32::MAX);
    close(on_line("median", &[max, max]), max);
    let result = apply("median", &line(&[3.0, -1.0, 2.0]), None);
    assert!(result.pure[0]);
    let result = apply("median", &line(&[-1.0, 2.0]), None);
    assert!(!result.pure[0]);
    close(result.terms[0], 1.5);
}

#[test]
fn trimmed_mean_by_hand() {
    // 0 and 9 are dropped.
    close(on_line("cwtm(f=1)", &[9.0, 1.0, 0.0, 2.0]), 1.5);
    close(on_line("cwtm(f=0)", &[9.0, 1.0, 0.0, 2.0]), 3.0);
    close(on_line("cwtm(f=1)", &[NAN, 1.0, -INF, 2.0]), 1.5);
    close(on_line("cwtm(f=1)", &[NAN, 1.0, NAN, 2.0]), INF);
    // λ = 1/8 of 4 is half a value at each end: (0/2 + 1 + 2 + 10/2)/3.
    close(
        on_line("cwtm(lambda=0.125)", &[0.0, 1.0, 2.0, 10.0]),
        8.0 / 3.0,
    );
    // λ = 0.3 of 4 is 1.2: 0.8 of each of the values in the middle.
    close(on_line("cwtm(lambda=0.3)", &[0.0, 1.0, 2.0, 10.0]), 1.5);
    // f·S/n = 1·6/3 = 2. Weight intervals 0–1, 1–3, 3–6; inside of 2 to 4: 1 of each of 2 and 4.
    close(
        weighted("cwtm(f=1)", &[1.0, 2.0, 4.0], &[1.0, 2.0, 3.0]),
        3.0,
    );
    // λS = 1.5: inside of 1.5 to 4.5: 1.5 of 2 and 1.5 of 4, in the order of the values.
    close(
        weighted("cwtm(lambda=0.25)", &[4.0, 1.0, 2.0], &[3.0, 1.0, 2.0]),
        3.0,
    );
    // λS = 1 is the first cumulative weight: the bad value of weight 1 is not read.
    close(
        weighted(
            "cwtm(lambda=0.25)",
            &[-INF, 5.0, 6.0, NAN],
            &[1.0, 1.0, 1.0, 1.0],
        ),
        5.5,
    );
    // 0.29·100 is 28.999…96: within 1e-9 of 29.
    let values: Vec<f64> = (0..100).map(f64::from).collect();
    let kept = trimmed_mean(&values, &[1.0; 100], Cut::Lambda(0.29));
    assert_eq!(kept.len(), 42);
    assert!(cut_weight(Cut::Lambda(0.29), 100, 100.0) < 29.0);
}

#[test]
fn mean_around_median_by_hand() {
    // The median is 2; the distances are 8, 1, 0, 2, 9.
    close(on_line("meamed(f=2)", &[10.0, 1.0, 2.0, 0.0, 11.0]), 1.0);
    // The median is 1; 0 and 2 tie: the smaller value.
    close(on_line("meamed(f=1)", &[2.0, 1.0, 0.0]), 0.5);
    // The median is 1.5; the distances are 1.5, 0.5, 0.5, 1.5: 0 before 3.
    close(on_line("meamed(f=1)", &[3.0, 2.0, 1.0, 0.0]), 1.0);
    close(on_line("meamed(f=1)", &[NAN, 1.0, 2.0, 0.0]), 1.0);
    close(on_line("meamed(f=1)", &[-INF, 1.0, 2.0, 0.0]), 1.0);
    // The tie is exact in f32, so there is no slack.
    assert_eq!(
        apply("meamed(f=1)", &line(&[2.0, 1.0, 0.0]), None).slack,
        [0.0]
    );
    // Here 3.1 − 2.05 and 2.05 − 1 have to be rounded: 3.1 may stand for 1 in the mean of three.
    let slack = apply("meamed(f=1)", &line(&[1.0, 2.0, 2.1, 3.1]), None).slack[0];
    close(slack, 2.1 / 3.0);
}

#[test]
fn krum_by_hand() {
    // k = 5 − 1 − 2 = 2. Scores of 0, 1, 2, 3, 10: 1 + 4, 1 + 1, 1 + 1, 1 + 4, 49 + 64.
    let values = [10.0, 0.0, 2.0, 1.0, 3.0];
    // 2 comes before 1 by index.
    close(on_line("krum(f=1)", &values), 2.0);
    close(on_line("multikrum(f=1,m=2)", &values), 1.5);
    // Without the 10.
    close(on_line("multikrum(f=1)", &values), 1.5);
    // k = 1: the scores are 1 for all but the 10; the first is 0.
    close(on_line("krum(f=1,neighbours=1)", &values), 0.0);
    // k = 3: 1+4+9, 1+1+4, 1+1+4, 1+4+9.
    close(on_line("krum(f=1,neighbours=3)", &values), 2.0);
    // Two decide by less: scores 0: 1 + 4, 1: 1 + 1, 2: 1 + 4, with the 10 and a NaN.
    close(on_line("krum(f=1)", &[NAN, 0.0, 1.0, 2.0, 10.0]), 1.0);
    let result = apply("krum(f=1)", &line(&values), None);
    assert_eq!(result.coefficients, Some(vec![0.0, 0.0, 1.0, 0.0, 0.0]));
    assert!(result.pure[0]);
    assert_eq!(result.margin, 0.0);
    // Copies tie, but it does not matter which one is returned: the next is 4 with a score of 8.
    let result = apply("krum(f=1)", &line(&[0.0, 0.0, 2.0, 4.0, 20.0]), None);
    // Scores: 0: 0 + 4, 0: 0 + 4, 2: 4 + 4, 4: 4 + 16.
    close(result.output[0], 0.0);
    assert!(result.margin > 0.05, "{}", result.margin);
    // Two columns: D² = 25 between the first two, 0 + 25 is less than 2·25.
    let rows = [
        vec![3.0, 4.0],
        vec![0.0, 0.0],
        vec![3.0, 4.0],
        vec![9.0, 9.0],
        vec![NAN, 0.0],
    ];
    all_close(&apply("krum(f=1)", &rows, None).output, &[3.0, 4.0]);
}

#[test]
fn geometric_median_by_hand() {
    // β = 1/3, 1/4.
    let rows = [vec![3.0, 0.0], vec![0.0, 4.0]];
    let result = apply("rfa(iterations=1)", &rows, None);
    all_close(&result.output, &[12.0 / 7.0, 12.0 / 7.0]);
    is_combination(&result, &rows);
    close(result.reach, 5.0);
    // β = 1/3, 2/4.
    let result = apply("rfa(iterations=1)", &rows, Some(&[1.0, 2.0]));
    all_close(&result.output, &[1.2, 2.4]);
    // β = 1/0.1, 1/1.
    close(on_line("rfa(iterations=1)", &[0.0, 1.0]), 1.0 / 11.0);
    // Then β = 1/0.1, 1/(10/11).
    close(on_line("rfa(iterations=2)", &[0.0, 1.0]), 1.1 / 11.1);
    // Then β = 1/0.1, 1/(10/11.1): the default is three iterations.
    close(on_line("rfa", &[0.0, 1.0]), 1.11 / 11.11);
    // β = 1/0.5, 1/1.
    close(on_line("rfa(nu=0.5,iterations=1)", &[0.0, 1.0]), 1.0 / 3.0);
    // The Fermat point of an equilateral triangle is its centre.
    let height = 0.75f64.sqrt();
    let triangle = [vec![0.0, 0.0], vec![1.0, 0.0], vec![0.5, height]];
    let result = apply("rfa(tolerance=1e-12,nu=1e-3)", &triangle, None);
    assert!(
        (result.output[0] - 0.5).abs() < 1e-9 && (result.output[1] - height / 3.0).abs() < 1e-9
    );
    // Bad rows and rows whose norm overflows get 0; what is left is 1.
    close(on_line("rfa", &[1.0, NAN, 1.0, 1e30, 1.0]), 1.0);
    close(
        weighted("rfa", &[1.0, NAN, 1.0, 7.0], &[1.0, 3.0, 1.0, 0.0]),
        1.0,
    );
    // Nobody is at a finite distance from 0 to begin with: (1 + 3 + 5)/3.
    let rows = [1.0, 3.0, 5.0].map(|x| vec![1e20, x * 1e17]);
    all_close(
        &apply("rfa(iterations=1)", &rows, None).output,
        &[1e20, 3e17],
    );
}

#[test]
fn nearest_neighbour_mixing_by_hand() {
    // The three nearest: 0, 1 and 2 become 1, and 10 becomes (10 + 2 + 1)/3.
    let rows = line(&[0.0, 1.0, 2.0, 10.0]);
    close(on_line("nnm(median,f=1)", &[0.0, 1.0, 2.0, 10.0]), 1.0);
    let result = apply("nnm(mean,f=1)", &rows, None);
    close(result.output[0], 11.0 / 6.0);
    is_combination(&result, &rows);
    all_close(
        result.coefficients.as_ref().unwrap(),
        &[1.0 / 4.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 12.0],
    );
    close(
        on_line("nnm(mean,lambda=0.25)", &[0.0, 1.0, 2.0, 10.0]),
        11.0 / 6.0,
    );
    // W = 2.5. Of 0: 0, 1, 2/2; of 1: 1, 0 (by index), 2/2; of 2: 2, 1, 0/2; of 10: 10, 2, 1/2.
    let expected = (2.0 + 2.0 + 3.0 + 12.5) / 2.5 / 4.0;
    close(
        on_line("nnm(mean,lambda=0.375)", &[0.0, 1.0, 2.0, 10.0]),
        expected,
    );
    // S = 4, W = 3. Of 0: 0, 1 and half of 4; of 1: 1, 0 and half of 4; of 4: both of 4, and 1.
    let rows = line(&[0.0, 1.0, 4.0]);
    let result = apply("nnm(mean,lambda=0.25)", &rows, Some(&[1.0, 1.0, 2.0]));
    close(
        result.output[0],
        (5.0 / 3.0 + 5.0 / 3.0 + 2.0 * 9.0 / 3.0) / 4.0,
    );
    all_close(
        result.coefficients.as_ref().unwrap(),
        &[1.0 / 6.0, 1.0 / 3.0, 1.0 / 2.0],
    );
    // A bad row is part of no other, and is bad when mixed.
    close(on_line("nnm(median,f=1)", &[0.0, 1.0, 2.0, NAN]), 1.0);
    close(on_line("nnm(mean,f=1)", &[0.0, 1.0, 2.0, NAN]), INF);
    // One bad row too many: 0 and 1 become 1/2, the others are bad; the rows left are used.
    close(
        on_line("nnm(krum(f=1,neighbours=1),f=1)", &[0.0, 1.0, NAN, NAN]),
        0.5,
    );
    // The third row is bad at its first coordinate. It is itself, then the others by index: the
    // mean of the rows 2, 0 and 1 at the second coordinate.
    let rows = [
        vec![0.0, 0.0],
        vec![0.0, 3.0],
        vec![NAN, 9.0],
        vec![0.0, 5.0],
    ];
    let mixed = apply("nnm(median(ties=upper),f=1)", &rows, None);
    // The others: 0, 3 and 5 are 8/3; row 2: 12/3.
    all_close(&mixed.output, &[0.0, 8.0 / 3.0]);
    let mixed = apply("nnm(mean,f=1)", &rows, None);
    all_close(&mixed.output, &[INF, (8.0 + 4.0) / 4.0]);
    // A row of weight 0 is not read, neither mixed nor by the others. S = 4, W = 3. Of 0: both of 0,
    // and 2; of 2: it, then 0 before 4 by index; of 4: 4, 2 and half of 0.
    let (values, weights) = ([0.0, NAN, 2.0, 4.0], [2.0, 0.0, 1.0, 1.0]);
    let mean = (2.0 * (2.0 / 3.0) + 2.0 / 3.0 + 6.0 / 3.0) / 4.0;
    close(weighted("nnm(mean,lambda=0.25)", &values, &weights), mean);
}

#[test]
fn bucketing_by_hand() {
    // Buckets 1, 5, 7.
    let values = [0.0, 2.0, 4.0, 6.0, 7.0];
    close(on_line("bucketing(mean,s=2,seed=7)", &values), 13.0 / 3.0);
    close(on_line("bucketing(median,s=2,seed=7)", &values), 5.0);
    let rows = line(&values);
    let result = apply("bucketing(mean,s=2,seed=7)", &rows, None);
    is_combination(&result, &rows);
    all_close(
        result.coefficients.as_ref().unwrap(),
        &[1.0 / 6.0, 1.0 / 6.0, 1.0 / 6.0, 1.0 / 6.0, 1.0 / 3.0],
    );
    // Buckets 6/4 of weight 4, 5 of weight 2, 7 of weight 2.
    let weights = [1.0, 3.0, 1.0, 1.0, 2.0];
    close(
        weighted("bucketing(mean,s=2,seed=7)", &values, &weights),
        30.0 / 8.0,
    );
    // Exactly half of the weight is in the first bucket.
    close(
        weighted("bucketing(median,s=2,seed=7)", &values, &weights),
        3.25,
    );
    // Buckets of weight 0 are not read, and a row of weight 0 isn't either.
    let weights = [0.0, 0.0, 1.0, 0.0, 2.0];
    close(
        weighted(
            "bucketing(median,s=2,seed=7)",
            &[NAN, NAN, 4.0, NAN, 7.0],
            &weights,
        ),
        7.0,
    );
    // A bad bucket.
    close(
        on_line("bucketing(median,s=2,seed=7)", &[0.0, NAN, 4.0, 6.0, 7.0]),
        7.0,
    );
    // The permutation is of the rows: from the last to the first, with its seed.
    let reversed = |n: usize, seed: u64| {
        assert_eq!(seed, 7);
        (0..n).rev().collect()
    };
    // Buckets 6.5, 3, 0.
    let result = aggregate("bucketing(median,s=2,seed=7)", &rows, None, &reversed).unwrap();
    close(result.output[0], 3.0);
    // One bucket.
    close(on_line("bucketing(median,s=9)", &values), 19.0 / 5.0);
}

#[test]
fn clipping_by_hand() {
    // (3, 4) is 5 long, (0.3, 0.4) is 0.5 long.
    let rows = [vec![3.0, 4.0], vec![0.3, 0.4]];
    let result = apply("clipping(mean,c=1)", &rows, None);
    all_close(&result.output, &[0.45, 0.6]);
    is_combination(&result, &rows);
    all_close(result.coefficients.as_ref().unwrap(), &[0.1, 0.5]);
    // (1·(0.6, 0.8) + 3·(0.3, 0.4))/4.
    let result = apply("clipping(mean,c=1)", &rows, Some(&[1.0, 3.0]));
    all_close(&result.output, &[1.5 / 4.0, 2.0 / 4.0]);
    // A zero row stays, a bad row and one whose norm overflows become zero.
    let zeros = vec![0.0, 0.0];
    let rows = [
        zeros.clone(),
        vec![NAN, 1.0],
        vec![6.0, 8.0],
        vec![1e30, 0.0],
        zeros,
    ];
    all_close(
        &apply("clipping(mean,c=5)", &rows, None).output,
        &[0.6, 0.8],
    );
    all_close(
        &apply("clipping(median,c=5)", &rows, None).output,
        &[0.0, 0.0],
    );
}

#[test]
fn ctma_by_hand() {
    // The median is 1.5; r is 1.5, 0.5, 0.5, 8.5.
    let values = [0.0, 1.0, 2.0, 10.0];
    close(on_line("ctma(median,f=1)", &values), 1.0);
    // W = 2.4: all of 1 and 2, and 0.4 of 0.
    close(on_line("ctma(median,lambda=0.4)", &values), 3.0 / 2.4);
    // The mean is 3.25; r is 3.25, 2.25, 1.25, 6.75.
    close(on_line("ctma(mean,f=1)", &values), 1.0);
    // The mean is 2; r is 1, 1, 2: ties by index.
    close(on_line("ctma(mean,f=1)", &[3.0, 1.0, 4.0, 0.0]), 8.0 / 3.0);
    // S = 4, the median is the midpoint of 1 and 4; r is 2.5, 1.5, 1.5; W = 3.
    let values = [0.0, 1.0, 4.0];
    let weights = [1.0, 1.0, 2.0];
    close(weighted("ctma(median,lambda=0.25)", &values, &weights), 3.0);
    // W = 2.5: 1 of 1 and 1.5 of 4.
    close(
        weighted("ctma(median,lambda=0.375)", &values, &weights),
        7.0 / 2.5,
    );
    // f·S/n = 4/3, W = 8/3: 1 of 1 and 5/3 of 4.
    let rows = line(&values);
    let result = apply("ctma(median,f=1)", &rows, Some(&weights));
    close(result.output[0], (1.0 + 20.0 / 3.0) / (8.0 / 3.0));
    is_combination(&result, &rows);
    // More bad rows than f: the mean of the others.
    close(
        on_line("ctma(krum(f=0,neighbours=1),f=0)", &[1.0, 2.0, NAN]),
        1.5,
    );
    // Over Krum: it is 2, the first of those with the least score.
    close(
        on_line("ctma(krum(f=1),f=1)", &[10.0, 0.0, 2.0, 1.0, 3.0]),
        1.5,
    );
    // W = 2.25: 2 of 4 and 0.25 of 0. A row of weight 0 is not read.
    let weights = [1.0, 0.0, 2.0];
    close(
        weighted("ctma(median,lambda=0.25)", &[0.0, NAN, 4.0], &weights),
        8.0 / 2.25,
    );
}

#[test]
fn nesting_decides_which_rows_ctma_sees() {
    // NNM makes 0, 2 and 3 into 5/3, and 10 into 5. The median of these is 5/3.
    let values = [0.0, 2.0, 3.0, 10.0];
    // Raw rows: r is 5/3, 1/3, 4/3, 25/3; W = 2.5: 2, 3 and half of 0.
    close(on_line("ctma(nnm(median,f=1),lambda=0.375)", &values), 2.0);
    // Mixed rows: r is 0, 0, 0, 10/3.
    close(
        on_line("nnm(ctma(median,lambda=0.375),f=1)", &values),
        5.0 / 3.0,
    );
}

#[test]
fn rows_that_cannot_be_used() {
    // 1e30 is farther from the centre than f32 can say, but not bad.
    let values = [0.0, 1e30, 1.0, 2.0, NAN];
    close(on_line("multikrum(f=2,neighbours=2)", &values), 1.0);
    // More of them than f: all that can be used, though the score of each is +Inf.
    close(on_line("multikrum(f=1,neighbours=3)", &values), 1.0);
    close(on_line("ctma(median,f=1)", &values), 1.0);
    close(on_line("rfa(nu=100)", &[-3.0, 1e30, 0.0, 3.0, NAN]), 0.0);
    // 1 is the nearest of 0 and 2; the mean of 0, 1, 2 for all three; the others stay useless.
    close(
        on_line("nnm(multikrum(f=2,neighbours=2),f=2)", &values),
        1.0,
    );
    // Only rows that are far from their centre, 0: in order of their index.
    let values = [1e30, -1e30];
    close(on_line("krum(f=0,neighbours=1)", &values), 1e30);
    close(on_line("rfa", &values), 0.0);
    close(
        on_line("ctma(median,lambda=0.25)", &values),
        (1e30 - 0.5e30) / 1.5,
    );
    // Only bad rows.
    let values = [NAN, INF, -INF, NAN, INF];
    for rule in [
        "krum(f=1)",
        "multikrum(f=1)",
        "rfa",
        "ctma(median,f=1)",
        "nnm(krum(f=1),f=1)",
    ] {
        close(on_line(rule, &values), NAN);
    }
    close(on_line("clipping(krum(f=1),c=1)", &values), 0.0);
}

#[test]
fn parameters_out_of_range() {
    let cases: &[(&str, usize, &str)] = &[
        ("cwtm(f=2)", 4, "cwtm"),
        ("cwtm(lambda=0.5)", 4, "cwtm"),
        ("cwtm(lambda=-0.1)", 4, "cwtm"),
        ("cwtm(lambda=nan)", 4, "cwtm"),
        ("meamed(f=2)", 4, "meamed"),
        ("krum(f=1)", 4, "krum"),
        ("krum(f=1,neighbours=0)", 4, "krum"),
        ("krum(f=1,neighbours=3)", 4, "krum"),
        ("krum(f=0,neighbours=1)", 1, "krum"),
        ("multikrum(f=1,m=5)", 5, "multikrum"),
        ("multikrum(f=1,m=0)", 5, "multikrum"),
        ("rfa(nu=0)", 3, "rfa"),
        ("rfa(iterations=0)", 3, "rfa"),
        ("nnm(median,f=2)", 4, "nnm"),
        ("ctma(median,f=2)", 4, "ctma"),
        ("ctma(nnm(krum(f=1),f=1),f=1)", 4, "krum"),
        ("bucketing(median,s=0)", 4, "bucketing"),
        ("bucketing(cwtm(f=1),s=2)", 4, "cwtm"),
        ("clipping(median,c=0)", 4, "clipping"),
    ];
    for &(rule, n, name) in cases {
        let error = aggregate(rule, &line(&vec![1.0; n]), None, &identity).unwrap_err();
        assert!(error.starts_with(&format!("{name}:")), "{rule}: {error}");
    }
    // ⌈5/2⌉ = 3 buckets are enough for f = 1.
    assert!(
        aggregate(
            "bucketing(cwtm(f=1),s=2)",
            &line(&[1.0; 5]),
            None,
            &identity
        )
        .is_ok()
    );
    for rule in [
        "krum(f=0)",
        "multikrum(f=0)",
        "meamed(f=0)",
        "nnm(meamed(f=0),f=0)",
    ] {
        let error = aggregate(rule, &line(&[1.0; 5]), Some(&[1.0; 5]), &identity).unwrap_err();
        let name = ["multikrum", "krum", "meamed"]
            .into_iter()
            .find(|name| rule.contains(name));
        assert!(error.starts_with(name.unwrap()), "{rule}: {error}");
    }
    for weights in [
        &[1.0][..],
        &[0.0, 0.0],
        &[1.0, -1.0],
        &[1.0, NAN],
        &[1.0, INF],
    ] {
        assert!(aggregate("mean", &line(&[1.0, 2.0]), Some(weights), &identity).is_err());
    }
    // One worker, where the parameters allow it.
    let one = [
        "mean",
        "median",
        "cwtm(f=0)",
        "meamed(f=0)",
        "rfa",
        "nnm(median,f=0)",
        "ctma(rfa,f=0)",
        "bucketing(median,s=3)",
        "clipping(rfa,c=9)",
        "rfa(tolerance=1e-3)",
    ];
    for rule in one {
        close(on_line(rule, &[7.5]), 7.5);
    }
}

#[test]
fn weights_become_integers() {
    assert_eq!(integer_weights(&[1.0, 0.0, 5.0]).unwrap(), [1.0, 0.0, 5.0]);
    // 2³⁰ in all: a quarter and three quarters.
    let quarter = f64::from(1 << 28);
    assert_eq!(
        integer_weights(&[0.5, 1.5]).unwrap(),
        [quarter, 3.0 * quarter]
    );
    assert_eq!(
        integer_weights(&[1e300, 3e300]).unwrap(),
        [quarter, 3.0 * quarter]
    );
    let [zero, tiny, all] = integer_weights(&[0.0, 1e-12, 1.0]).unwrap()[..] else {
        panic!("three weights");
    };
    assert_eq!([zero, tiny, all], [0.0, 1.0, 4.0 * quarter]);
    // 0.1 + 0.2 is more than 0.3 in f64, but not for the median: the midpoint of 2 and 3.
    close(weighted("median", &[1.0, 2.0, 3.0], &[0.1, 0.2, 0.3]), 2.5);
}

#[test]
fn distances_and_inner_products_by_hand() {
    close(squared_distance(&[1.0, 2.0], &[4.0, -2.0]), 25.0);
    close(squared_distance(&[1e20], &[0.0]), INF);
    close(squared_distance(&[NAN, 1.0], &[0.0, 1.0]), INF);
    close(squared_distance(&[INF], &[INF]), INF);
    close(geometry::squared_norm(&[1e38, 0.0]), INF);
    // The centre is (1, 2): the second coordinate's values are 0, 2, 5.
    let rows = [vec![0.0, 5.0], vec![1.0, 2.0], vec![5.0, 0.0]];
    let g = gram(&rows, None, true);
    all_close(&g.centre, &[1.0, 2.0]);
    assert_eq!(g.class, [Class::Finite; 4]);
    // Centred: (−1, 3), (0, 0), (4, −2), and the origin (−1, −2).
    let expected = [
        [10.0, 0.0, -10.0, -5.0],
        [0.0, 0.0, 0.0, 0.0],
        [-10.0, 0.0, 20.0, 0.0],
        [-5.0, 0.0, 0.0, 5.0],
    ];
    for (row, expected) in g.inner.iter().zip(&expected) {
        all_close(row, expected);
    }
    // The centre of 0, 1, 2, 1e30 and NaN is 2.
    let g = gram(&line(&[0.0, 1.0, 2.0, 1e30, NAN]), None, false);
    all_close(&g.centre, &[2.0]);
    use Class::*;
    assert_eq!(g.class, [Finite, Finite, Finite, Far, Bad]);
    all_close(&g.inner[0], &[4.0, 2.0, 0.0, 0.0, 0.0]);
    all_close(&g.inner[3], &[0.0, 0.0, 0.0, INF, 0.0]);
    all_close(&g.inner[4], &[0.0, 0.0, 0.0, 0.0, INF]);
    // The weighted centre is 1. A row of weight 0 is not read.
    let g = gram(&line(&[0.0, 1.0, 2.0]), Some(&[1.0, 2.0, 0.0]), false);
    all_close(&g.centre, &[1.0]);
    assert_eq!(g.class, [Finite, Finite, Bad]);
    // A centre that is not finite counts as 0.
    let g = gram(&line(&[3.0, NAN, NAN]), None, false);
    close(g.inner[0][0], 9.0);
}

#[test]
fn margins_say_how_close_a_selection_is() {
    // CTMA drops 10; the next to drop would be 0.
    let wide = apply("ctma(median,f=1)", &line(&[0.0, 1.0, 2.0, 10.0]), None).margin;
    assert!(wide > 0.1, "{wide}");
    // 0 and 3 are equally far from the median 1.5; one of them is dropped.
    let tie = apply("ctma(median,f=1)", &line(&[0.0, 1.0, 2.0, 3.0]), None).margin;
    assert_eq!(tie, 0.0);
    // As copies of one row they are the same.
    let rows = line(&[0.0, 1.0, 1.0, 0.0]);
    assert!(
        apply("ctma(median,f=1)", &rows, None).margin == 0.0,
        "0 or 1 is dropped"
    );
    let rows = line(&[1.0, 1.0, 1.0, 1.0]);
    assert_eq!(
        apply("ctma(median,f=1)", &rows, None).margin,
        1.0,
        "only the cap is left"
    );
    // NNM: the distances of 1 to 0 and 2 tie, but both are kept.
    let wide = apply("nnm(median,f=1)", &line(&[0.0, 1.0, 2.0, 10.0]), None).margin;
    assert!(wide > 0.05, "{wide}");
    let tie = apply(
        "nnm(median,lambda=0.375)",
        &line(&[0.0, 1.0, 2.0, 10.0]),
        None,
    )
    .margin;
    assert_eq!(tie, 0.0);
}

#[test]
fn comparators_let_nothing_through() {
    let reference = apply("mean", &line(&[1.0, 2.0]), None);
    let check = |got: f32| within(&[got], &reference, Rounding::F32);
    assert!(check(1.5).is_ok() && check(1.500001).is_ok());
    assert!(check(1.50001).is_err() && check(f32::NAN).is_err() && check(f32::INFINITY).is_err());
    assert!(within(&[1.505], &reference, Rounding::Bf16).is_ok());
    assert!(within(&[1.505], &reference, Rounding::F16).is_err());
    assert!(within(&[1.5, 1.5], &reference, Rounding::F32).is_err());
    // A selection is equal bit for bit.
    let reference = apply("median", &line(&[1.0, 2.0, 3.0]), None);
    assert_within("median", &[2.0], &reference, Rounding::Bf16);
    assert!(within(&[2.0f32.next_up()], &reference, Rounding::Bf16).is_err());
    // NaN is NaN, an infinity is itself.
    let reference = apply("median", &line(&[-INF, INF]), None);
    assert!(within(&[f32::NAN], &reference, Rounding::F32).is_ok());
    assert!(within(&[0.0], &reference, Rounding::F32).is_err());
    let reference = apply("median", &line(&[INF]), None);
    assert!(within(&[f32::INFINITY], &reference, Rounding::F32).is_ok());
    assert!(within(&[f32::MAX], &reference, Rounding::F32).is_err());
    assert!(within(&[f32::NAN], &reference, Rounding::F32).is_err());
    // A denormal may count as zero, even where it is selected.
    let reference = apply("median", &line(&[1e-40]), None);
    assert!(within(&[0.0], &reference, Rounding::F32).is_ok());
    assert_bits_equal("zeros", &[-0.0, f32::NAN], &[0.0, -f32::NAN]);
    let different = std::panic::catch_unwind(|| assert_bits_equal("one", &[1.0], &[f32::NAN]));
    assert!(different.is_err());
}

#[test]
fn cases_are_what_they_say() {
    for kind in Kind::ALL {
        for n in [1, 2, 25] {
            let rows = kind.rows(n, 3, 5);
            assert!(rows.len() == n && rows.iter().all(|row| row.len() == 3));
            assert_eq!(rows, kind.rows(n, 3, 5), "seeded");
            assert!(rows.iter().flatten().all(|x| x.is_finite()));
        }
    }
    let huge = |rows: &[Vec<f32>], limit: f32| {
        let largest = rows
            .iter()
            .map(|row| row.iter().fold(0.0f32, |a, b| a.max(b.abs())));
        largest.filter(|&largest| largest > limit).count()
    };
    assert_eq!(huge(&Kind::OneHuge.rows(25, 9, 1), 1e4), 1);
    assert_eq!(huge(&Kind::MinorityHuge.rows(25, 9, 1), 1e7), 12);
    assert_eq!(huge(&Kind::CommonMean.rows(25, 9, 1), 900.0), 25);
    let duplicates = Kind::Duplicates.rows(25, 9, 1);
    let distinct: std::collections::HashSet<usize> =
        geometry::copies(&wide(&duplicates)).into_iter().collect();
    assert_eq!(distinct.len(), 9);
    for hostile in Hostile::ALL {
        let honest = Kind::Gaussian.rows(7, 4, 3);
        let mut rows = honest.clone();
        hostile.replace(&mut rows, &[5, 1]);
        for i in 0..7 {
            let same = rows[i]
                .iter()
                .zip(&honest[i])
                .all(|(a, b)| a.to_bits() == b.to_bits());
            assert_eq!(same, ![5, 1].contains(&i), "{hostile:?}, row {i}");
        }
    }
}
