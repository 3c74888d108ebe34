//! One coordinate at a time: every statistic is a list of shares, `Σ share_i · value_i`.
//!
//! NaN of either sign counts as +Inf. Values are in order of (value, index). A value of weight 0 is
//! not read.

use super::parse::{Cut, Ties};

/// Indices and their shares of the result; the shares sum to 1.
pub type Shares = Vec<(usize, f64)>;

/// NaN counts as +Inf.
pub fn clean(value: f64) -> f64 {
    if value.is_nan() { f64::INFINITY } else { value }
}

/// The indices of the values with weight, in order of (value, index).
pub fn ascending(values: &[f64], weights: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).filter(|&i| weights[i] > 0.0).collect();
    // A stable sort: equal values stay in order of their index.
    order.sort_by(|&i, &j| clean(values[i]).partial_cmp(&clean(values[j])).unwrap());
    order
}

/// `Σ share · value`.
pub fn value(values: &[f64], shares: &Shares) -> f64 {
    shares
        .iter()
        .map(|&(i, share)| share * clean(values[i]))
        .sum()
}

/// `Σ w_i x_i / S`.
pub fn mean(values: &[f64], weights: &[f64]) -> Shares {
    let total: f64 = weights.iter().sum();
    let read = (0..values.len()).filter(|&i| weights[i] > 0.0);
    read.map(|i| (i, weights[i] / total)).collect()
}

/// The first value whose cumulative weight exceeds half of the total; where it is exactly half,
/// that value, the next one, or the midpoint of both. Weights are integers.
pub fn median(values: &[f64], weights: &[f64], ties: Ties) -> Shares {
    let order = ascending(values, weights);
    let total: f64 = weights.iter().sum();
    let mut cumulative = 0.0;
    for (position, &i) in order.iter().enumerate() {
        cumulative += weights[i];
        if 2.0 * cumulative > total {
            return vec![(i, 1.0)];
        }
        if 2.0 * cumulative == total {
            let next = order[position + 1];
            return match ties {
                Ties::Lower => vec![(i, 1.0)],
                Ties::Upper => vec![(next, 1.0)],
                Ties::Midpoint => vec![(i, 0.5), (next, 0.5)],
            };
        }
    }
    unreachable!("the cumulative weight reaches the total")
}

/// The weight to cut out of a total that n workers have.
pub fn cut_weight(cut: Cut, n: usize, total: f64) -> f64 {
    match cut {
        Cut::F(f) => f as f64 * total / n as f64,
        Cut::Lambda(lambda) => lambda * total,
    }
}

/// A boundary within 1e-9 of the total of a cumulative weight is that weight.
pub fn same_weight(a: f64, b: f64, total: f64) -> bool {
    (a - b).abs() <= 1e-9 * total
}

/// Cuts a weight at each end; a value on the boundary keeps the part of its weight that is inside.
pub fn trimmed_mean(values: &[f64], weights: &[f64], cut: Cut) -> Shares {
    let order = ascending(values, weights);
    let total: f64 = weights.iter().sum();
    let cut = cut_weight(cut, values.len(), total);
    let (mut low, mut high) = (cut, total - cut);
    let mut cumulative = 0.0;
    for &i in &order {
        cumulative += weights[i];
        if same_weight(cumulative, low, total) {
            low = cumulative;
        }
        if same_weight(cumulative, high, total) {
            high = cumulative;
        }
    }
    let mut kept = Vec::new();
    let mut end = 0.0;
    for &i in &order {
        let start = end;
        end += weights[i];
        // The value's weight is the interval from start to end; what of it is inside of low to high?
        let inside = f64::min(end, high) - f64::max(start, low);
        if inside > 0.0 {
            kept.push((i, inside / (high - low)));
        }
    }
    if kept.is_empty() {
        // A fraction within 1e-9 of ½: nothing is between the boundaries but the median.
        return median(values, weights, Ties::Midpoint);
    }
    kept
}

/// The mean of the n−f values closest to the median; the smaller value, then the lower index, in a
/// tie. A difference of infinities counts as +Inf.
pub fn mean_around_median(values: &[f64], f: usize) -> Shares {
    let (ones, n) = (vec![1.0; values.len()], values.len());
    let middle = value(values, &median(values, &ones, Ties::Midpoint));
    let mut order = ascending(values, &ones);
    order.sort_by(|&i, &j| {
        let [near, far] = [i, j].map(|i| clean((clean(values[i]) - middle).abs()));
        near.partial_cmp(&far).unwrap()
    });
    let kept = &order[..n - f];
    kept.iter().map(|&i| (i, 1.0 / kept.len() as f64)).collect()
}

/// How far a mean around the median may be off because a value on the inside of the boundary and
/// one on the outside are equally far from the median, for all that rounding to f32 can tell.
/// `error[i]` bounds the error of value i; it is 0 where the value is an input element.
pub fn mean_around_median_slack(values: &[f64], error: &[f64], f: usize) -> f64 {
    let (ones, n) = (vec![1.0; values.len()], values.len());
    let eps = f64::from(f32::EPSILON);
    let exact = |x: f64| f64::from(x as f32) == x;
    let around = median(values, &ones, Ties::Midpoint);
    let middle = value(values, &around);
    let middle_error: f64 = around.iter().map(|&(i, _)| error[i]).fold(0.0, f64::max);
    // The distance to the median and what rounding may add to or take from it.
    let distance = |i: usize| {
        let distance = (clean(values[i]) - middle).abs();
        if error[i] == 0.0 && middle_error == 0.0 && exact(middle) && exact(values[i] - middle) {
            return (distance, 0.0);
        }
        let rounding = eps * (distance + middle.abs());
        (distance, rounding + error[i] + middle_error)
    };
    let kept: Vec<usize> = mean_around_median(values, f)
        .iter()
        .map(|&(i, _)| i)
        .collect();
    let mut slack = 0.0;
    for b in (0..n).filter(|b| !kept.contains(b)) {
        let mut worst: f64 = 0.0;
        for &a in &kept {
            let ((near, near_error), (far, far_error)) = (distance(a), distance(b));
            if near_error + far_error > 0.0 && far - near <= near_error + far_error {
                worst = worst.max((values[b] - values[a]).abs());
            }
        }
        slack += worst / kept.len() as f64;
    }
    slack
}
