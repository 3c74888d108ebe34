//! Rules on distances, the distances themselves, and the margins of selections.

use crate::common::naive::geometry::{self, Class, gram, squared_distance};
use crate::support::*;

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
fn distances_and_inner_products_by_hand() {
    close(squared_distance(&[1.0, 2.0], &[4.0, -2.0]), 25.0);
    close(squared_distance(&[1e20], &[0.0]), INF);
    close(squared_distance(&[NAN, 1.0], &[0.0, 1.0]), INF);
    close(squared_distance(&[INF], &[INF]), INF);
    close(geometry::squared_norm(&[1e38, 0.0]), INF);
    // The centre is (1, 2): the second coordinate's values are 0, 2, 5.
    let rows = [vec![0.0, 5.0], vec![1.0, 2.0], vec![5.0, 0.0]];
    let g = gram(&rows, None, &[vec![0.0; rows[0].len()]]);
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
    let g = gram(&line(&[0.0, 1.0, 2.0, 1e30, NAN]), None, &[]);
    all_close(&g.centre, &[2.0]);
    use Class::*;
    assert_eq!(g.class, [Finite, Finite, Finite, Far, Bad]);
    all_close(&g.inner[0], &[4.0, 2.0, 0.0, 0.0, 0.0]);
    all_close(&g.inner[3], &[0.0, 0.0, 0.0, INF, 0.0]);
    all_close(&g.inner[4], &[0.0, 0.0, 0.0, 0.0, INF]);
    // The weighted centre is 1. A row of weight 0 is not read.
    let g = gram(&line(&[0.0, 1.0, 2.0]), Some(&[1.0, 2.0, 0.0]), &[]);
    all_close(&g.centre, &[1.0]);
    assert_eq!(g.class, [Finite, Finite, Bad]);
    // A centre that is not finite counts as 0.
    let g = gram(&line(&[3.0, NAN, NAN]), None, &[]);
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
