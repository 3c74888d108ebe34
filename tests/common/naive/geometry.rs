//! Distances, classes, the centred inner products, weights as integers, and selections.

use super::columns::{clean, median, same_weight, value};
use super::parse::Ties;

/// A squared distance above this is +Inf.
pub const CAP: f64 = f32::MAX as f64;

/// What a row is worth to a rule on distances, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// All elements are finite, and so is the squared distance to the centre.
    Finite,
    /// All elements are finite, but the squared distance to the centre exceeds f32::MAX.
    Far,
    /// Some element is NaN or ±Inf.
    Bad,
}

/// `Σ x_k²`, +Inf above f32::MAX and where an element is NaN or ±Inf.
pub fn squared_norm(x: &[f64]) -> f64 {
    capped(x.iter().map(|x| x * x).sum())
}

/// `Σ (a_k − b_k)²`, +Inf above f32::MAX and where an element is NaN or ±Inf.
pub fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    capped(a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum())
}

fn capped(square: f64) -> f64 {
    if square <= CAP { square } else { f64::INFINITY }
}

/// The coordinate-wise (weighted) median, 0 where that is not finite.
pub fn centre(rows: &[Vec<f64>], weights: &[f64]) -> Vec<f64> {
    let column = |k: usize| rows.iter().map(|row| row[k]).collect::<Vec<f64>>();
    let coordinate = |k: usize| {
        let column = column(k);
        let m = value(&column, &median(&column, weights, Ties::Midpoint));
        if m.is_finite() { m } else { 0.0 }
    };
    (0..rows[0].len()).map(coordinate).collect()
}

/// The class of a row.
pub fn class(row: &[f64], centre: &[f64]) -> Class {
    if row.iter().any(|x| !x.is_finite()) {
        Class::Bad
    } else if squared_distance(row, centre) > CAP {
        Class::Far
    } else {
        Class::Finite
    }
}

/// The centred inner products.
pub struct Gram {
    pub centre: Vec<f64>,
    /// `⟨x_i − m, x_j − m⟩`. In row and column i of a row that is not [`Class::Finite`], G_ii is +Inf
    /// and the other entries are 0.
    pub inner: Vec<Vec<f64>>,
    pub class: Vec<Class>,
}

/// The inner products of the rows about their centre. The anchors are more points behind the rows, which
/// the centre does not depend on. A row of weight 0 is not read; its class is [`Class::Bad`].
pub fn gram(rows: &[Vec<f64>], weights: Option<&[f64]>, anchors: &[Vec<f64>]) -> Gram {
    let mut weights = weights.map_or(vec![1.0; rows.len()], <[f64]>::to_vec);
    let centre = centre(rows, &weights);
    let mut rows = rows.to_vec();
    for anchor in anchors {
        rows.push(anchor.clone());
        weights.push(1.0);
    }
    let read = |(row, &weight): (&Vec<f64>, &f64)| {
        if weight > 0.0 {
            class(row, &centre)
        } else {
            Class::Bad
        }
    };
    let class: Vec<Class> = rows.iter().zip(&weights).map(read).collect();
    let inner = |i: usize, j: usize| {
        if class[i] == Class::Finite && class[j] == Class::Finite {
            let terms =
                (0..centre.len()).map(|k| (rows[i][k] - centre[k]) * (rows[j][k] - centre[k]));
            terms.sum()
        } else if i == j {
            f64::INFINITY
        } else {
            0.0
        }
    };
    let n = rows.len();
    let inner = (0..n)
        .map(|i| (0..n).map(|j| inner(i, j)).collect())
        .collect();
    Gram {
        centre,
        inner,
        class,
    }
}

/// Weights as integers: unchanged when they are integers with a sum of at most 2³⁰, else scaled and
/// rounded to that total, a positive weight at least 1.
pub fn integer_weights(weights: &[f64]) -> Result<Vec<f64>, String> {
    const TOTAL: f64 = (1u64 << 30) as f64;
    if weights.iter().any(|w| !w.is_finite() || *w < 0.0) {
        return Err("weights: needs finite weights that are not negative".into());
    }
    let largest = weights.iter().copied().fold(0.0, f64::max);
    if largest == 0.0 {
        return Err("weights: needs a positive weight".into());
    }
    let total: f64 = weights.iter().sum();
    if weights.iter().all(|w| w.fract() == 0.0) && total <= TOTAL {
        return Ok(weights.to_vec());
    }
    // Relative to the largest one first: the sum of the given ones may overflow.
    let relative: f64 = weights.iter().map(|w| w / largest).sum();
    let scaled = |w: &f64| {
        if *w == 0.0 {
            return 0.0;
        }
        f64::max(1.0, (w / largest / relative * TOTAL).round())
    };
    Ok(weights.iter().map(scaled).collect())
}

/// Takes weight in the given order until it is `target`, splitting the last one's. Returns what is
/// kept of each index's weight: less than the target in all if the order does not have as much.
pub fn take(order: &[usize], weights: &[f64], target: f64, total: f64) -> Vec<f64> {
    let mut kept = vec![0.0; weights.len()];
    let mut cumulative = 0.0;
    for &i in order {
        if cumulative >= target || same_weight(cumulative, target, total) {
            break;
        }
        let after = cumulative + weights[i];
        kept[i] = if after <= target || same_weight(after, target, total) {
            weights[i]
        } else {
            target - cumulative
        };
        cumulative = after;
    }
    kept
}

/// A cost and the scale that its accuracy is relative to.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    pub cost: f64,
    pub scale: f64,
}

/// The margin of a selection by least cost: the smallest gap between a candidate and one of which a
/// smaller share was kept, relative to the scales of both. Copies of the same row may be swapped,
/// and so may infinite costs not: their order is that of the indices, which rounding can't change.
pub fn selection_margin(costs: &[Option<Cost>], share: &[f64], copy_of: &[usize]) -> f64 {
    let mut margin = f64::INFINITY;
    for (i, kept) in costs.iter().enumerate() {
        for (j, left) in costs.iter().enumerate() {
            let (Some(kept), Some(left)) = (kept, left) else {
                continue;
            };
            if share[i] > share[j] && copy_of[i] != copy_of[j] && kept.cost < f64::INFINITY {
                let gap = (left.cost - kept.cost).max(0.0);
                margin = margin.min(gap / (kept.scale + left.scale));
            }
        }
    }
    margin
}

/// For each row the first row that is equal to it.
pub fn copies(rows: &[Vec<f64>]) -> Vec<usize> {
    let first = |row: &Vec<f64>| rows.iter().position(|other| other == row);
    let own = |(i, row)| first(row).unwrap_or(i);
    rows.iter().enumerate().map(own).collect()
}

/// Sorts indices by cost: finite, then +Inf of a row that is not bad, then bad rows; within these by
/// index.
pub fn sort_by_cost(indices: &mut [usize], class: &[Class], cost: impl Fn(usize) -> f64) {
    let bad = |i: usize| class[i] == Class::Bad;
    indices.sort_by(|&i, &j| {
        let costs = clean(cost(i)).partial_cmp(&clean(cost(j))).unwrap();
        bad(i).cmp(&bad(j)).then(costs).then(i.cmp(&j))
    });
}
