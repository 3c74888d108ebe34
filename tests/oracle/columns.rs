//! Coordinate-wise rules.

use crate::common::naive::columns::{cut_weight, trimmed_mean};
use crate::common::naive::parse::Cut;
use crate::support::*;

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
