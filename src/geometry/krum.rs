//! Krum and Multi-Krum: scores from the distances to the nearest other rows, and the choice.

use super::view::{Geometry, nearer};
use crate::plan::CLASS_FINITE;

/// `score_i = Σ` of the k smallest `D²_ij`, j ≠ i. A row that is not finite scores +Inf.
/// `scratch` holds n numbers.
pub(crate) fn scores(geometry: &Geometry<'_>, k: usize, out: &mut [f64], scratch: &mut [f64]) {
    let n = geometry.n;
    for (i, out) in out.iter_mut().enumerate() {
        if geometry.class[i] != CLASS_FINITE {
            *out = f64::INFINITY;
            continue;
        }
        let others = &mut scratch[..n - 1];
        let indices = (0..n).filter(|&j| j != i);
        for (slot, j) in others.iter_mut().zip(indices) {
            *slot = geometry.square_distance(i, j);
        }
        if k < others.len() {
            others.select_nth_unstable_by(k, f64::total_cmp);
        }
        // The order of equal sums must not depend on how the selection left them.
        others[..k].sort_unstable_by(f64::total_cmp);
        *out = others[..k].iter().sum();
    }
}

/// The mean of the m rows with the least scores, as coefficients: rows that are not usable are left
/// out, NaN when there are none. `order` holds n indices.
pub(crate) fn choose(
    geometry: &Geometry<'_>,
    scores: &[f64],
    m: usize,
    out: &mut [f64],
    order: &mut [u64],
) {
    let Some(usable) = geometry.usable() else {
        out.fill(f64::NAN);
        return;
    };
    super::indices(order);
    let key = |i: u64| (scores[i as usize], geometry.class[i as usize], i);
    order.sort_unstable_by(|&a, &b| nearer(key(a), key(b)));
    let chosen = |i: &&u64| geometry.class[**i as usize] == usable;
    let count = order[..m].iter().filter(chosen).count();
    out.fill(0.0);
    if count == 0 {
        // Every row of the first m is hostile: the best usable one stands in.
        let best = order
            .iter()
            .find(chosen)
            .expect("a class is usable when a row has it");
        out[*best as usize] = 1.0;
        return;
    }
    for &i in order[..m].iter().filter(chosen) {
        out[i as usize] = 1.0 / count as f64;
    }
}
