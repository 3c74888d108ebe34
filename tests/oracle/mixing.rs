//! Pre-aggregators.

use crate::common::naive::aggregate;
use crate::support::*;

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
    // From a row that is far from all others these are at +Inf: itself, then 0 and −1e30 by index.
    let values = [0.0, -1e30, 0.0, 1e30, 0.0];
    close(on_line("nnm(cwtm(f=0),f=2)", &values), -1e30 / 15.0);
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
