//! Rules that need eigenvectors, and Jacobi's way to find them.

use super::geometry::{CAP, Class, centre, squared_distance, squared_norm};
use super::level::Level;
use super::{Accuracy, Reference};

/// A gap between eigenvalues below a hundredth of the largest says that rounding turns the eigenvectors
/// by more than the accuracy: what a margin of 1e-5 is.
const PER_GAP: f64 = 1e-3;

/// The eigenvalues of a symmetric matrix, the largest first, and their unit eigenvectors: by rotations
/// that make one element beside the diagonal zero after another.
pub fn eigenvalues(matrix: &[Vec<f64>]) -> (Vec<f64>, Vec<Vec<f64>>) {
    let n = matrix.len();
    let mut a = matrix.to_vec();
    let unit = |i: usize| (0..n).map(|j| f64::from(u8::from(i == j))).collect();
    let mut vectors: Vec<Vec<f64>> = (0..n).map(unit).collect();
    for _ in 0..60 {
        let mut rotated = false;
        for p in 0..n {
            for q in p + 1..n {
                let beside = a[p][q].abs();
                if beside <= 1e-17 * (a[p][p].abs() * a[q][q].abs()).sqrt() || beside < 1e-200 {
                    continue;
                }
                rotated = true;
                let slope = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
                let t = slope.signum() / (slope.abs() + slope.hypot(1.0));
                let c = 1.0 / t.hypot(1.0);
                let s = t * c;
                for row in &mut a {
                    (row[p], row[q]) = (c * row[p] - s * row[q], s * row[p] + c * row[q]);
                }
                for k in 0..n {
                    (a[p][k], a[q][k]) = (c * a[p][k] - s * a[q][k], s * a[p][k] + c * a[q][k]);
                    (vectors[p][k], vectors[q][k]) = (
                        c * vectors[p][k] - s * vectors[q][k],
                        s * vectors[p][k] + c * vectors[q][k],
                    );
                }
            }
        }
        if !rotated {
            break;
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| a[j][j].total_cmp(&a[i][i]));
    let values = order.iter().map(|&i| a[i][i]).collect();
    (values, order.iter().map(|&i| vectors[i].clone()).collect())
}

fn product(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// CAF: while Σc > n−2f, remember the mean μ if the largest eigenvalue of the covariance is the least
/// yet, and take weight from the rows that are far from μ along its eigenvector.
pub fn filtered_mean(x: &Level, f: usize) -> Reference {
    let usable = x.usable();
    if usable.is_empty() {
        return x.undefined();
    }
    let n = x.n();
    let mut c = vec![0.0; n];
    usable.iter().for_each(|&i| c[i] = 1.0);
    let mean = |c: &[f64]| -> Vec<f64> {
        let sum: f64 = c.iter().sum();
        c.iter().map(|c| c / sum).collect()
    };
    let (mut least, mut best) = (f64::INFINITY, mean(&c));
    let mut margin = f64::INFINITY;
    let mut first = None;
    let finite = x.class[usable[0]] == Class::Finite;
    loop {
        let sum: f64 = c.iter().sum();
        if f == 0 || !finite {
            break;
        }
        if first.is_some() {
            margin = margin.min((sum - (n - 2 * f) as f64).abs() / n as f64);
        }
        if sum <= (n - 2 * f) as f64 {
            break;
        }
        let share = mean(&c);
        let rows: Vec<usize> = (0..n).filter(|&i| c[i] > 0.0).collect();
        let centre = |k: usize| rows.iter().map(|&i| share[i] * x.rows[i][k]).sum();
        let mu: Vec<f64> = (0..x.centre.len()).map(centre).collect();
        let away =
            |&i: &usize| -> Vec<f64> { x.rows[i].iter().zip(&mu).map(|(x, m)| x - m).collect() };
        let away: Vec<Vec<f64>> = rows.iter().map(away).collect();
        // The covariance has the eigenvalues of these inner products.
        let root: Vec<f64> = rows.iter().map(|&i| share[i].sqrt()).collect();
        let entry = |a: usize, b: usize| root[a] * root[b] * product(&away[a], &away[b]);
        let line = |a: usize| (0..rows.len()).map(|b| entry(a, b)).collect::<Vec<f64>>();
        let inner: Vec<Vec<f64>> = (0..rows.len()).map(line).collect();
        let (values, vectors) = eigenvalues(&inner);
        let value = values[0].max(0.0);
        let scale = *first.get_or_insert(value);
        let gap = (value - values.get(1).copied().unwrap_or(0.0)) / value.max(f64::MIN_POSITIVE);
        // Rounding is relative to the rows' distances from the median.
        let spread: f64 = rows.iter().map(|&i| share[i] * x.spread[i]).sum();
        // Of mixed rows what is left of the differences is small beside those that they were made of.
        let certain = if x.error > 0.0 { 0.03 } else { 1.0 };
        margin = margin.min(certain * PER_GAP * gap * value / (spread + x.underflow()));
        if least < f64::INFINITY {
            margin = margin.min((value - least).abs() / scale.max(f64::MIN_POSITIVE));
        }
        if value < least {
            (least, best) = (value, share.clone());
        }
        // ⟨x_i − μ, v⟩ with v = Σ_b √c_b (x_b − μ) u_b.
        let along = |a: usize| -> f64 {
            let terms = (0..rows.len()).map(|b| inner[a][b] / root[a] * vectors[0][b]);
            terms.sum::<f64>().powi(2)
        };
        let tau: Vec<f64> = (0..rows.len()).map(along).collect();
        let most = tau.iter().copied().fold(0.0, f64::max);
        if value == 0.0 || most == 0.0 {
            break;
        }
        for (&i, tau) in rows.iter().zip(&tau) {
            c[i] *= 1.0 - tau / most;
        }
    }
    x.combination(best, Accuracy::Computed, margin)
}

/// The flag aggregator, in n×n space as it is defined there.
pub fn flag(x: &Level, m: usize, lambda: f64, rounds: usize, published: bool) -> Reference {
    const EPSILON: f64 = 1e-7;
    let usable = x.usable();
    if usable.is_empty() {
        return x.undefined();
    }
    let n = usable.len() as f64;
    let mut coefficients = vec![0.0; x.n()];
    if x.class[usable[0]] != Class::Finite || squared_norm(&x.centre) > CAP {
        usable.iter().for_each(|&i| coefficients[i] = 1.0 / n);
        return x.combination(coefficients, Accuracy::Computed, f64::INFINITY);
    }
    let mut rows = usable.clone();
    // Lengths and angles are as accurate as the distances to the centre that they are differences of: a row
    // that is much shorter than the centre has no certain direction, and one still shorter counts as zero.
    let middle = centre(&x.rows, &x.weights);
    let from_origin = squared_norm(&middle);
    let mut margin = f64::INFINITY;
    rows.retain(|&i| {
        let square = squared_norm(&x.rows[i]);
        let scale = from_origin + squared_distance(&x.rows[i], &middle);
        if square > x.underflow() {
            margin = margin.min(3e-4 * square / scale);
        }
        square > x.underflow().max(2e-6 * from_origin) && square <= CAP
    });
    let count = rows.len();
    let length: Vec<f64> = (rows.iter())
        .map(|&i| squared_norm(&x.rows[i]).sqrt())
        .collect();
    let unit = |a: usize| if published { length[a] } else { 1.0 };
    let table = |of: &dyn Fn(usize, usize) -> f64| -> Vec<Vec<f64>> {
        let line = |a: usize| (0..count).map(|b| of(a, b)).collect();
        (0..count).map(line).collect()
    };
    let inner = |a: usize, b: usize| product(&x.rows[rows[a]], &x.rows[rows[b]]);
    let k = table(&|a, b| inner(a, b) / unit(a) / unit(b));
    let apart = table(&|a, b| match published {
        true => (2.0 - 2.0 * k[a][b]).max(0.0),
        false => squared_distance(&x.rows[rows[a]], &x.rows[rows[b]]),
    });
    let mut inside = vec![0.0; count];
    let mut between = table(&|_, _| 0.0);
    let mut before = f64::INFINITY;
    let mut result = vec![0.0; count];
    for _ in 0..rounds {
        let mut weights = table(&|_, _| 0.0);
        for a in 0..count {
            weights[a][a] += (1.0 - inside[a] + EPSILON).powf(-0.5) / k[a][a];
            for b in (0..count).filter(|&b| b != a && apart[a][b] > 0.0 && lambda > 0.0) {
                let weight = if published {
                    (lambda / (n * (n - 1.0))).powi(2)
                        * ((1.0 - between[a][b]).abs() + EPSILON).powf(-0.5)
                } else {
                    let outside = (1.0 - between[a][b] / apart[a][b]).max(0.0);
                    lambda / ((n - 1.0) * apart[a][b]) * (outside + EPSILON).powf(-0.5)
                };
                // x_a − x_b, of which the square is in both rows and columns.
                weights[a][a] += weight;
                weights[b][b] += weight;
                weights[a][b] -= weight;
                weights[b][a] -= weight;
            }
        }
        let l = lower(&weights);
        let kl = table(&|a, b| (0..count).map(|j| k[a][j] * l[j][b]).sum());
        let square = table(&|a, b| (0..count).map(|j| l[j][a] * kl[j][b]).sum());
        let (values, vectors) = eigenvalues(&square);
        let largest = values.first().copied().unwrap_or(0.0);
        let kept = values.iter().take(m);
        let rank = kept.take_while(|value| **value > 1e-6 * largest).count();
        if rank > 0 {
            let next = values.get(rank).copied().unwrap_or(0.0);
            margin = margin.min(PER_GAP * (values[rank - 1] - next) / largest);
        }
        // The columns of B = L U Λ^−½, and BᵀK.
        let column = |t: usize| -> Vec<f64> {
            let entry = |a: usize| product(&l[a], &vectors[t]) / values[t].sqrt();
            (0..count).map(entry).collect()
        };
        let b: Vec<Vec<f64>> = (0..rank).map(column).collect();
        let along = |b: &Vec<f64>| k.iter().map(|k| product(k, b)).collect::<Vec<f64>>();
        let along: Vec<Vec<f64>> = b.iter().map(along).collect();
        result = vec![0.0; count];
        for (b, along) in b.iter().zip(&along) {
            let sum: f64 = along.iter().sum();
            result.iter_mut().zip(b).for_each(|(c, b)| *c += sum * b);
        }
        for a in 0..count {
            let projected: f64 = along.iter().map(|along| along[a] * along[a]).sum();
            inside[a] = (projected / k[a][a]).min(1.0);
        }
        between = table(&|a, b| along.iter().map(|y| (y[a] - y[b]).powi(2)).sum());
        let mut objective: f64 = inside.iter().map(|v| (1.0 - v).sqrt()).sum();
        for a in 0..count {
            for b in (0..count).filter(|&b| b != a && apart[a][b] > 0.0 && lambda > 0.0) {
                let outside = (1.0 - between[a][b] / apart[a][b]).max(0.0);
                objective += lambda / (n - 1.0) * outside.sqrt();
            }
        }
        if f64::abs(before - objective) <= 1e-10 {
            break;
        }
        before = objective;
    }
    let parts = if published { m as f64 } else { n };
    for (a, &i) in rows.iter().enumerate() {
        coefficients[i] = result[a] / parts / unit(a);
    }
    let sizes = rows.iter().map(|&i| squared_norm(&x.rows[i]).sqrt());
    let reach = sizes.fold(0.0, f64::max);
    let mut reference = x.combination(coefficients, Accuracy::Computed, margin);
    // Its lengths are those from the origin.
    let reach = if published { 1.0 } else { reach };
    reference.reach = reference.reach.max(reach);
    reference
        .terms
        .iter_mut()
        .for_each(|term| *term = term.abs());
    reference
}

/// L of LLᵀ; a column without a positive pivot is zero.
fn lower(a: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let n = a.len();
    let mut l = vec![vec![0.0; n]; n];
    for i in 0..n {
        for j in 0..=i {
            let rest = a[i][j] - product(&l[i][..j], &l[j][..j]);
            l[i][j] = match (i == j, l[j][j] > 0.0) {
                (true, _) => rest.max(0.0).sqrt(),
                (false, true) => rest / l[j][j],
                (false, false) => 0.0,
            };
        }
    }
    l
}
