//! The definitions, one number at a time in f64.

use crate::plan::{Statistic, Ties, Trim};

fn no_nan(x: f64) -> f64 {
    if x.is_nan() { f64::INFINITY } else { x }
}

/// A statistic of a column.
pub(super) fn statistic(column: &[f64], weights: Option<&[f64]>, statistic: Statistic) -> f64 {
    let n = column.len();
    let ones = vec![1.0; n];
    let w = weights.unwrap_or(&ones);
    let mut sorted: Vec<(f64, f64)> = column
        .iter()
        .zip(w)
        .filter(|&(_, &w)| w > 0.0)
        .map(|(&x, &w)| (no_nan(x), w))
        .collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let total: f64 = w.iter().sum();
    match statistic {
        Statistic::Mean => sorted.iter().map(|(x, w)| x * w / total).sum(),
        Statistic::Median(ties) => median(&sorted, total, ties),
        Statistic::TrimmedMean(trim) => trimmed(&sorted, trim.cut(n, total), total),
        Statistic::MeanAroundMedian { f } => {
            let centre = median(&sorted, total, Ties::Midpoint);
            let distance = |x: f64| (x - centre).abs();
            let mut near: Vec<f64> = sorted.iter().map(|&(x, _)| x).collect();
            near.sort_by(|&a, &b| distance(a).total_cmp(&distance(b)).then(a.total_cmp(&b)));
            near[..n - f].iter().sum::<f64>() / (n - f) as f64
        }
    }
}

fn median(sorted: &[(f64, f64)], total: f64, ties: Ties) -> f64 {
    let mut sum = 0.0;
    for (k, &(x, w)) in sorted.iter().enumerate() {
        sum += w;
        if 2.0 * sum == total {
            return match ties {
                Ties::Lower => x,
                Ties::Upper => sorted[k + 1].0,
                Ties::Midpoint if x == sorted[k + 1].0 => x,
                Ties::Midpoint => 0.5 * x + 0.5 * sorted[k + 1].0,
            };
        }
        if 2.0 * sum > total {
            return x;
        }
    }
    f64::NAN
}

fn trimmed(sorted: &[(f64, f64)], cut: f64, total: f64) -> f64 {
    let snap = |x: f64, to: f64| {
        if (x - to).abs() <= 1e-9 * total {
            to
        } else {
            x
        }
    };
    let (mut sum, mut mean, mut kept) = (0.0, 0.0, 0.0);
    for &(x, w) in sorted {
        let (start, end) = (sum, sum + w);
        sum = end;
        let low = snap(snap(cut, start), end).max(start);
        let high = snap(snap(total - cut, start), end).min(end);
        if high > low {
            mean += (high - low) * x;
            kept += high - low;
        }
    }
    // The limit, where nothing is left between the cuts.
    if kept == 0.0 {
        median(sorted, total, Ties::Midpoint)
    } else {
        mean / kept
    }
}

/// A trimmed mean needs this many values that are not hostile.
pub(super) fn trims() -> [Trim; 3] {
    [Trim::F(1), Trim::Lambda(0.13), Trim::Lambda(0.4)]
}

/// Rows of `matrix · x`, without multiplying anything by 0.
pub(super) fn mix(matrix: &[f64], x: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let d = x[0].len();
    let row = |m: &[f64]| -> Vec<f64> {
        (0..d)
            .map(|k| {
                let used = m.iter().zip(x).filter(|(c, _)| **c != 0.0);
                no_nan(used.map(|(c, x)| c * no_nan(x[k])).sum())
            })
            .collect()
    };
    matrix.chunks_exact(x.len()).map(row).collect()
}

/// The products of the centred rows (with the origin), and each row's squared norm.
pub(super) fn pairwise(x: &[Vec<f64>], weights: Option<&[f64]>, origin: bool) -> Vec<Vec<f64>> {
    let d = x[0].len();
    let mut rows: Vec<Vec<f64>> = x.to_vec();
    if origin {
        rows.push(vec![0.0; d]);
    }
    for k in 0..d {
        let column: Vec<f64> = x.iter().map(|row| row[k]).collect();
        let m = statistic(&column, weights, Statistic::Median(Ties::Midpoint)) as f32;
        let m = if m.is_finite() { f64::from(m) } else { 0.0 };
        rows.iter_mut().for_each(|row| row[k] -= m);
    }
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum();
    rows.iter()
        .map(|a| rows.iter().map(|b| product(a, b)).collect())
        .collect()
}
