//! The rules: coordinate-wise statistics and combinations of rows.

use super::columns::{self, Shares};
use super::geometry::{self, Class, Cost, copies, selection_margin, sort_by_cost, take};
use super::level::{EPS, Level};
use super::parse::{Cut, Rule, Stop};
use super::{Accuracy, Reference, mixing, spectral, subsets};

/// Applies a rule whose parameters are in range.
pub fn apply(rule: &Rule, x: &Level, permutation: &dyn Fn(usize, u64) -> Vec<usize>) -> Reference {
    match rule {
        Rule::Mean => mean(x),
        Rule::Median { ties } => {
            coordinate_wise(x, true, &|v| columns::median(v, &x.weights, *ties))
        }
        Rule::TrimmedMean { cut } => {
            coordinate_wise(x, false, &|v| columns::trimmed_mean(v, &x.weights, *cut))
        }
        Rule::MeanAroundMedian { f } => mean_around_median(x, *f),
        Rule::Krum { f, neighbours } => krum(x, *f, 1, *neighbours),
        Rule::MultiKrum { f, m, neighbours } => krum(x, *f, m.unwrap_or(x.n() - f), *neighbours),
        Rule::Bulyan { f } => bulyan(x, *f),
        Rule::Mda { f } => subsets::least_diameter(x, *f),
        Rule::Smea { f } => subsets::least_eigenvalue(x, *f),
        Rule::Monna { f, pivot } => around_row(x, *pivot, *f),
        Rule::Caf { f } => spectral::filtered_mean(x, *f),
        Rule::GeometricMedian { nu, stop } => geometric_median(x, *nu, *stop),
        Rule::CenteredClipping {
            tau,
            iterations,
            given,
        } => {
            let start = x.start.as_ref().filter(|_| *given);
            centered_clipping(x, *tau, *iterations, start)
        }
        Rule::Flag {
            m,
            lambda,
            rounds,
            published,
        } => spectral::flag(x, m.unwrap_or(x.n() / 2 + 1), *lambda, *rounds, *published),
        Rule::Ctma { inner, cut } => ctma(x, &apply(inner, x, permutation), *cut),
        Rule::Nnm { inner, cut } => {
            let (mixing, margin) = mixing::nearest_neighbours(x, *cut);
            let mixed = x.mixed(&mixing, x.weights.clone(), Accuracy::Sum);
            pulled_back(apply(inner, &mixed, permutation), &mixing, margin)
        }
        Rule::Bucketing { inner, s, seed } => {
            let (mixing, weights) = mixing::bucketing(x, *s, &permutation(x.n(), *seed));
            let mixed = x.mixed(&mixing, weights, Accuracy::Sum);
            pulled_back(apply(inner, &mixed, permutation), &mixing, f64::INFINITY)
        }
        Rule::Clipping { inner, c } => {
            let mixing = mixing::clipping(x, *c);
            let mixed = x.mixed(&mixing, x.weights.clone(), Accuracy::Computed);
            pulled_back(apply(inner, &mixed, permutation), &mixing, f64::INFINITY)
        }
        Rule::Arc { inner, f } => {
            let mixing = mixing::clipping(x, mixing::length_of_the_next(x, *f));
            let mixed = x.mixed(&mixing, x.weights.clone(), Accuracy::Computed);
            pulled_back(apply(inner, &mixed, permutation), &mixing, f64::INFINITY)
        }
    }
}

/// A result on mixed rows as one on the rows that they were made of.
fn pulled_back(mut result: Reference, mixing: &[Vec<f64>], margin: f64) -> Reference {
    result.margin = result.margin.min(margin);
    result.coefficients = result.coefficients.map(|c| {
        let coefficient = |j: usize| {
            let used = (0..c.len()).filter(|&i| c[i] != 0.0);
            used.map(|i| c[i] * mixing[i][j]).sum::<f64>()
        };
        (0..mixing[0].len()).map(coefficient).collect()
    });
    result
}

/// `Σ w_i x_i / S`.
fn mean(x: &Level) -> Reference {
    let mut result = coordinate_wise(x, false, &|v| columns::mean(v, &x.weights));
    let total = x.total();
    result.coefficients = Some(x.weights.iter().map(|w| w / total).collect());
    result
}

/// A statistic per coordinate, one that does not decrease when a value grows. One that `selects`
/// returns an element unchanged if it has all of the shares.
fn coordinate_wise(x: &Level, selects: bool, statistic: &dyn Fn(&[f64]) -> Shares) -> Reference {
    let mut result = x.undefined();
    result.accuracy = x.accuracy;
    for k in 0..x.centre.len() {
        let column: Vec<f64> = x.rows.iter().map(|row| row[k]).collect();
        let shares = statistic(&column);
        result.output[k] = columns::value(&column, &shares);
        result.terms[k] = shares.iter().map(|&(i, share)| share * x.size[i][k]).sum();
        result.pure[k] = x.error == 0.0 && (selects && shares.len() == 1 || x.n() == 1);
        if x.error > 0.0 && result.output[k].is_finite() {
            // All values too low, all too high: the statistic is between what it is then.
            for sign in [-1.0, 1.0] {
                let moved = |(i, &v): (usize, &f64)| {
                    let error = sign * x.error * x.size[i][k];
                    if v.is_finite() && error.is_finite() {
                        v + error
                    } else {
                        v
                    }
                };
                let moved: Vec<f64> = column.iter().enumerate().map(moved).collect();
                let value = columns::value(&moved, &statistic(&moved));
                result.slack[k] = f64::max(result.slack[k], (value - result.output[k]).abs());
            }
        }
    }
    result
}

/// The mean of the n−f values closest to the median.
fn mean_around_median(x: &Level, f: usize) -> Reference {
    let mut result = x.undefined();
    result.accuracy = x.accuracy;
    for k in 0..x.centre.len() {
        let column: Vec<f64> = x.rows.iter().map(|row| row[k]).collect();
        let error: Vec<f64> = x.size.iter().map(|size| x.error * size[k]).collect();
        let shares = columns::mean_around_median(&column, f);
        result.output[k] = columns::value(&column, &shares);
        result.terms[k] = shares.iter().map(|&(i, share)| share * x.size[i][k]).sum();
        result.pure[k] = x.error == 0.0 && x.n() == 1;
        let errors = shares.iter().map(|&(i, share)| share * error[i]);
        result.slack[k] =
            columns::mean_around_median_slack(&column, &error, f) + errors.sum::<f64>();
    }
    result
}

/// The mean of the m rows with the least sum of squared distances to their k nearest others.
fn krum(x: &Level, f: usize, m: usize, neighbours: Option<usize>) -> Reference {
    let mut usable = x.usable();
    if usable.is_empty() {
        return x.undefined();
    }
    let k = neighbours.unwrap_or_else(|| x.n() - f - 2);
    let distances = x.distances();
    let score = |i: usize| {
        let mut others: Vec<usize> = (0..x.n()).filter(|&j| j != i).collect();
        sort_by_cost(&mut others, &x.class, |j| distances[i][j].cost);
        let nearest = &others[..k];
        Cost {
            cost: nearest.iter().map(|&j| distances[i][j].cost).sum(),
            scale: nearest.iter().map(|&j| distances[i][j].scale).sum(),
        }
    };
    let scores: Vec<Cost> = (0..x.n()).map(score).collect();
    sort_by_cost(&mut usable, &x.class, |i| scores[i].cost);
    let m = m.min(usable.len());
    let mut coefficients = vec![0.0; x.n()];
    for &i in &usable[..m] {
        coefficients[i] = 1.0 / m as f64;
    }
    let costs = only(&usable, &scores);
    let margin = selection_margin(&costs, &coefficients, &copies(&x.rows));
    x.combination(coefficients, Accuracy::Sum, margin)
}

/// Repeated Krum: of the r rows left, the one with the least sum of its max(1, r−f−2) smallest squared
/// distances among them is next, until there are θ = n−2f. Then per coordinate the mean of the θ−2f
/// values closest to the median.
fn bulyan(x: &Level, f: usize) -> Reference {
    let usable = x.usable();
    if usable.is_empty() {
        // Nothing is selected: undefined values, which count as +Inf in every column.
        let mut result = x.undefined();
        result.output.fill(f64::INFINITY);
        return result;
    }
    let distances = x.distances();
    let copies = copies(&x.rows);
    let mut left: Vec<usize> = (0..x.n()).collect();
    let mut selected = Vec::new();
    let mut margin = f64::INFINITY;
    let count = x.n() - 2 * f;
    while selected.len() < count {
        let mut candidates: Vec<usize> = usable.clone();
        candidates.retain(|i| left.contains(i));
        if candidates.is_empty() {
            // No usable row is left: the same ones again.
            selected.push(selected[selected.len() - usable.len()]);
            continue;
        }
        let k = left.len().saturating_sub(f + 2).max(1);
        let score = |i: usize| {
            let mut others: Vec<usize> = left.iter().copied().filter(|&j| j != i).collect();
            sort_by_cost(&mut others, &x.class, |j| distances[i][j].cost);
            others.truncate(k);
            Cost {
                cost: others.iter().map(|&j| distances[i][j].cost).sum(),
                scale: others.iter().map(|&j| distances[i][j].scale).sum(),
            }
        };
        let scores: Vec<Cost> = (0..x.n()).map(score).collect();
        sort_by_cost(&mut candidates, &x.class, |i| scores[i].cost);
        let mut share = vec![0.0; x.n()];
        share[candidates[0]] = 1.0;
        margin = margin.min(selection_margin(
            &only(&candidates, &scores),
            &share,
            &copies,
        ));
        left.retain(|&i| i != candidates[0]);
        selected.push(candidates[0]);
    }
    let unit = |&i: &usize| (0..x.n()).map(|j| f64::from(u8::from(j == i))).collect();
    let mixing: Vec<Vec<f64>> = selected.iter().map(unit).collect();
    let mut chosen = x.mixed(&mixing, vec![1.0; count], Accuracy::Sum);
    // Taking a row rounds nothing.
    chosen.error = x.error;
    pulled_back(mean_around_median(&chosen, 2 * f), &mixing, margin)
}

/// The mean of the n−f rows nearest to one, itself included.
fn around_row(x: &Level, pivot: usize, f: usize) -> Reference {
    let mut usable = x.usable();
    if usable.is_empty() {
        return x.undefined();
    }
    let costs = x.distances().swap_remove(pivot);
    sort_by_cost(&mut usable, &x.class, |j| costs[j].cost);
    let m = (x.n() - f).min(usable.len());
    let mut coefficients = vec![0.0; x.n()];
    for &i in &usable[..m] {
        coefficients[i] = 1.0 / m as f64;
    }
    let margin = selection_margin(&only(&usable, &costs), &coefficients, &copies(&x.rows));
    x.combination(coefficients, Accuracy::Sum, margin)
}

/// `v ← v + (1/S) Σ w_i clip_τ(x_i − v)` from v = 0 or a start that can be measured. A row at an infinite
/// distance does not pull.
fn centered_clipping(
    x: &Level,
    tau: f64,
    iterations: usize,
    start: Option<&Vec<f64>>,
) -> Reference {
    let usable = x.usable();
    if usable.is_empty() {
        return x.undefined();
    }
    let far = x.class[usable[0]] == Class::Far;
    let start = start.filter(|start| geometry::class(start, &x.centre) == Class::Finite);
    let zero = vec![0.0; x.centre.len()];
    let start = start.unwrap_or(&zero);
    let mut v = start.clone();
    let mut of_start = 1.0;
    // A squared distance to the start is as accurate as its squared distance to the raw rows' centre, which
    // clipped rows may be far from; what that does to a pull.
    let from_centre = geometry::squared_distance(start, &x.centre);
    let mut slack = vec![0.0; x.centre.len()];
    let mut coefficients = vec![0.0; x.n()];
    let mut shift: f64 = 0.0;
    for _ in 0..iterations {
        let share = |i: usize| {
            let distance = match far || !usable.contains(&i) {
                true => f64::INFINITY,
                false => geometry::squared_distance(&x.rows[i], &v).sqrt(),
            };
            x.weights[i] / x.total() * f64::min(1.0, tau / distance)
        };
        let shares: Vec<f64> = (0..x.n()).map(share).collect();
        shift = shift.max(x.rounding_of_a_step(&v, &v, &shares, tau));
        let rest = 1.0 - shares.iter().sum::<f64>();
        for (c, share) in coefficients.iter_mut().zip(&shares) {
            *c = *c * rest + share;
        }
        of_start *= rest;
        for i in (0..x.n()).filter(|&i| shares[i] > 0.0 && from_centre > 0.0) {
            let unsure = 1e-6 * from_centre / geometry::squared_distance(&x.rows[i], &v);
            for (k, slack) in slack.iter_mut().enumerate() {
                *slack += shares[i] * (x.rows[i][k] - v[k]).abs() * unsure.min(1.0);
            }
        }
        for (k, v) in v.iter_mut().enumerate() {
            let pulls = (0..x.n()).filter(|&i| shares[i] > 0.0);
            let step: f64 = pulls.map(|i| shares[i] * (x.rows[i][k] - *v)).sum();
            *v += step;
        }
    }
    let mut result = x.combination(coefficients, Accuracy::Computed, f64::INFINITY);
    result.output = v;
    result.stable_to(shift);
    if of_start != 0.0 {
        result.pure.fill(false);
    }
    for (terms, start) in result.terms.iter_mut().zip(start) {
        *terms += (of_start * start).abs();
    }
    // The distances from the origin and from the start count too, and the start's to the centre, about
    // which products are accumulated: mixed rows may be elsewhere.
    if start != &zero {
        result.reach = result.reach.max(from_centre.sqrt());
        result.slack = slack;
    }
    for from in [&zero, start] {
        let distances = usable
            .iter()
            .map(|&i| geometry::squared_distance(&x.rows[i], from).sqrt());
        let distances = distances.filter(|distance| distance.is_finite());
        result.reach = distances.fold(result.reach, f64::max);
    }
    result
}

/// The costs of the candidates, and of no other row.
pub fn only(candidates: &[usize], costs: &[Cost]) -> Vec<Option<Cost>> {
    let candidate = |i: usize| candidates.contains(&i).then_some(costs[i]);
    (0..costs.len()).map(candidate).collect()
}

/// Smoothed Weiszfeld on `Σ w_i ‖z − x_i‖`.
fn geometric_median(x: &Level, nu: f64, stop: Stop) -> Reference {
    let usable = x.usable();
    if usable.is_empty() {
        return x.undefined();
    }
    let far = x.class[usable[0]] == Class::Far;
    let distance = |z: &[f64], i: usize| match far {
        true => f64::INFINITY,
        false => geometry::squared_distance(z, &x.rows[i]).sqrt(),
    };
    let step = |z: &[f64]| {
        let mut beta = vec![0.0; x.n()];
        for &i in &usable {
            beta[i] = x.weights[i] / f64::max(nu, distance(z, i));
        }
        if beta.iter().all(|&beta| beta == 0.0) {
            // All rows are equally, infinitely far away.
            for &i in &usable {
                beta[i] = x.weights[i];
            }
        }
        let total: f64 = beta.iter().sum();
        let coefficients: Vec<f64> = beta.iter().map(|beta| beta / total).collect();
        let next = |k: usize| {
            let terms = usable.iter().map(|&i| coefficients[i] * x.rows[i][k]);
            terms.sum::<f64>()
        };
        let z: Vec<f64> = (0..z.len()).map(next).collect();
        (z, coefficients)
    };
    match stop {
        Stop::Iterations(iterations) => {
            let mut z = vec![0.0; x.centre.len()];
            let mut coefficients = vec![];
            let mut shift: f64 = 0.0;
            for _ in 0..iterations {
                let before = z;
                (z, coefficients) = step(&before);
                shift = shift.max(x.rounding_of_a_step(&before, &z, &coefficients, nu));
            }
            let mut result = x.combination(coefficients, Accuracy::Computed, f64::INFINITY);
            result.stable_to(shift);
            result
        }
        Stop::Tolerance(tolerance) => {
            let (start, margin) = least_sum_of_distances(x, &usable);
            let mut z = x.rows[start].clone();
            let mut coefficients = vec![0.0; x.n()];
            for _ in 0..1000 {
                let distances: Vec<f64> = (0..x.n()).map(|i| distance(&z, i)).collect();
                let mut weights = vec![0.0; x.n()];
                usable.iter().for_each(|&i| weights[i] = x.weights[i]);
                let median = columns::median(&distances, &weights, super::parse::Ties::Midpoint);
                let before = z.clone();
                (z, coefficients) = step(&z);
                let change = geometry::squared_distance(&z, &before).sqrt();
                if change <= tolerance * columns::value(&distances, &median) {
                    break;
                }
            }
            x.combination(coefficients, Accuracy::Computed, margin)
        }
    }
}

/// The row with the least weighted sum of distances, and by what margin it is.
fn least_sum_of_distances(x: &Level, usable: &[usize]) -> (usize, f64) {
    let distances = x.distances();
    let sum = |i: usize| {
        let (mut cost, mut scale) = (0.0, 0.0);
        for &j in usable.iter().filter(|&&j| j != i) {
            let distance = distances[i][j].cost.sqrt();
            cost += x.weights[j] * distance;
            if distance > 0.0 && distance.is_finite() {
                scale += x.weights[j] * distances[i][j].scale / distance;
            }
        }
        Cost { cost, scale }
    };
    let sums: Vec<Cost> = (0..x.n()).map(sum).collect();
    let mut order = usable.to_vec();
    sort_by_cost(&mut order, &x.class, |i| sums[i].cost);
    let mut share = vec![0.0; x.n()];
    share[order[0]] = 1.0;
    let margin = selection_margin(&only(usable, &sums), &share, &copies(&x.rows));
    (order[0], margin)
}

/// The rows nearest to the base rule's result, up to a weight of (1−λ)S.
fn ctma(x: &Level, base: &Reference, cut: Cut) -> Reference {
    let mut usable = x.usable();
    if usable.is_empty() {
        return x.undefined();
    }
    let finite = x.class[usable[0]] == Class::Finite;
    // Half a unit in the last place of what the base rule adds up: a part of it is along x_i − x_0.
    let rounding = |terms: &[f64]| EPS * terms.iter().map(|t| t * t).sum::<f64>().sqrt();
    let d = x.centre.len() as f64;
    let computed: Vec<f64> = (base.terms.iter().zip(&base.pure))
        .map(|(&terms, &pure)| if pure { 0.0 } else { terms })
        .collect();
    let from_centre = geometry::squared_distance(&base.output, &x.centre);
    let moved = geometry::squared_norm(&base.slack).sqrt();
    let distance = |i: usize| {
        let cost = match finite {
            true => geometry::squared_distance(&x.rows[i], &base.output),
            false => f64::INFINITY,
        };
        let scale = if base.coefficients.is_some() {
            x.spread[i] + from_centre
        } else {
            let own = if x.error > 0.0 {
                rounding(&x.size[i])
            } else {
                0.0
            };
            // What a tie in the base rule may move it by has any direction.
            let error = 4.0 * (rounding(&computed) + own) / d.sqrt() + moved;
            cost + 1e5 * cost.sqrt() * error
        };
        let scale = scale + x.underflow();
        Cost { cost, scale }
    };
    let costs: Vec<Cost> = (0..x.n()).map(distance).collect();
    sort_by_cost(&mut usable, &x.class, |i| costs[i].cost);
    let total = x.total();
    let target = total - columns::cut_weight(cut, x.n(), total);
    let kept = take(&usable, &x.weights, target, total);
    let sum: f64 = kept.iter().sum();
    let coefficients: Vec<f64> = kept.iter().map(|kept| kept / sum).collect();
    let share: Vec<f64> = kept
        .iter()
        .zip(&x.weights)
        .map(|(kept, w)| kept / w.max(1.0))
        .collect();
    let margin = selection_margin(&only(&usable, &costs), &share, &copies(&x.rows));
    x.combination(coefficients, Accuracy::Sum, margin.min(base.margin))
}
