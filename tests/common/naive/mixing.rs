//! Rows that are mixed before a rule: coefficients for each new row.

use super::columns;
use super::geometry::{self, Class, copies, selection_margin, sort_by_cost, take};
use super::level::Level;
use super::parse::Cut;
use super::rules::only;

/// Row i becomes the mean of the rows nearest to it, up to a weight of (1−λ)S. A usable row takes
/// usable ones only; another one takes itself first, then any that are not bad.
pub fn nearest_neighbours(x: &Level, cut: Cut) -> (Vec<Vec<f64>>, f64) {
    let usable = x.usable();
    let distances = x.distances();
    let copies = copies(&x.rows);
    let total = x.total();
    let target = total - columns::cut_weight(cut, x.n(), total);
    let mut margin = f64::INFINITY;
    let row = |i: usize| {
        if x.weights[i] == 0.0 {
            return vec![0.0; x.n()];
        }
        let is_usable = usable.contains(&i);
        let mut order: Vec<usize> = match is_usable {
            true => usable.clone(),
            false => (0..x.n())
                .filter(|&j| x.weights[j] > 0.0 && x.class[j] != Class::Bad && j != i)
                .collect(),
        };
        sort_by_cost(&mut order, &x.class, |j| distances[i][j].cost);
        if !is_usable {
            order.insert(0, i);
        }
        let kept = take(&order, &x.weights, target, total);
        let share: Vec<f64> = kept
            .iter()
            .zip(&x.weights)
            .map(|(kept, w)| kept / w.max(1.0))
            .collect();
        if is_usable {
            let costs = only(&usable, &distances[i]);
            margin = margin.min(selection_margin(&costs, &share, &copies));
        }
        let sum: f64 = kept.iter().sum();
        kept.iter().map(|kept| kept / sum).collect()
    };
    let mixing = (0..x.n()).map(row).collect();
    (mixing, margin)
}

/// Consecutive s rows of the permuted order, averaged; the buckets' weights.
pub fn bucketing(x: &Level, s: usize, permutation: &[usize]) -> (Vec<Vec<f64>>, Vec<f64>) {
    let mut sorted = permutation.to_vec();
    sorted.sort();
    assert_eq!(
        sorted,
        (0..x.n()).collect::<Vec<usize>>(),
        "not a permutation"
    );
    let (mut mixing, mut weights) = (Vec::new(), Vec::new());
    for bucket in permutation.chunks(s) {
        let weight: f64 = bucket.iter().map(|&j| x.weights[j]).sum();
        let mut coefficients = vec![0.0; x.n()];
        for &j in bucket.iter().filter(|&&j| x.weights[j] > 0.0) {
            coefficients[j] = x.weights[j] / weight;
        }
        mixing.push(coefficients);
        weights.push(if x.weighted { weight } else { 1.0 });
    }
    (mixing, weights)
}

/// `x_i · min(1, c/‖x_i‖)`; a row without a finite norm becomes zero, unless c is infinite (in ARC, where
/// it is another row's length).
pub fn clipping(x: &Level, c: f64) -> Vec<Vec<f64>> {
    let row = |i: usize| {
        let square = geometry::squared_norm(&x.rows[i]);
        let mut coefficients = vec![0.0; x.n()];
        if x.class[i] == Class::Finite && (square < f64::INFINITY || c == f64::INFINITY) {
            let norm = square.sqrt();
            coefficients[i] = if norm <= c { 1.0 } else { c / norm };
        }
        coefficients
    };
    (0..x.n()).map(row).collect()
}

/// What ARC clips to: the length of the longest row but ⌊2(f/n)(n−f)⌋. A row without a finite length is
/// the longest.
pub fn length_of_the_next(x: &Level, f: usize) -> f64 {
    let n = x.n();
    let length = |i: usize| match x.class[i] {
        Class::Finite => geometry::squared_norm(&x.rows[i]).sqrt(),
        _ => f64::INFINITY,
    };
    let mut lengths: Vec<f64> = (0..n).map(length).collect();
    lengths.sort_by(f64::total_cmp);
    lengths[n - 1 - 2 * f * (n - f) / n]
}
