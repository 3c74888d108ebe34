//! Where a rule's result has to be, whatever at most f of the rows hold: regions that are computed from the
//! honest rows alone, in f64.
//!
//! The proofs stand beside the bounds; notation and lemmas are `cloud`'s. They are at least as tight as the
//! published ones (`published` checks that), so a result inside satisfies those, too.

use crate::common::naive::columns::cut_weight;
use crate::common::naive::parse::{Cut, Rule, Stop, Ties};

use super::cloud::{Cloud, clipped, kept, lemma_2, reach};
use super::known::{Known, distance, mean, norm, sum_of_largest, widest, window};

/// A set that the result has to be in.
#[derive(Clone, Debug)]
pub enum Region {
    /// Between two vectors, coordinate by coordinate.
    Box { low: Vec<f64>, high: Vec<f64> },
    /// No farther than a radius from a point.
    Ball { centre: Vec<f64>, radius: f64 },
}

impl Region {
    /// How far its farthest point is from a point.
    fn farthest(&self, x: &[f64]) -> f64 {
        match self {
            Region::Box { low, high } => {
                let side = |((x, l), h): ((&f64, &f64), &f64)| (x - l).abs().max((x - h).abs());
                let sides: Vec<f64> = x.iter().zip(low).zip(high).map(side).collect();
                norm(&sides)
            }
            Region::Ball { centre, radius } => distance(x, centre) + radius,
        }
    }
}

/// The regions that a rule's result has to be in. None where nothing is proved.
pub fn claims(rule: &Rule, x: &Known) -> Vec<Region> {
    let (n, b) = (x.n(), x.hostile());
    if n <= 2 * b {
        return vec![];
    }
    let rows = x.honest();
    let (h, mu) = (rows.len() as f64, mean(&rows));
    let away: Vec<f64> = rows.iter().map(|row| distance(row, &mu)).collect();
    let v = away.iter().map(|a| a * a).sum::<f64>() / h;
    let about = |radius: f64| Region::Ball {
        centre: mu.clone(),
        radius,
    };
    let ball = |radius: Option<f64>| radius.map(about).into_iter().collect();
    let cloud = Cloud {
        n,
        b,
        w: v.sqrt(),
        norm: norm(&mu),
        centred: true,
    };
    let whole = |f: usize| kept(Cut::F(f), n, b);
    match rule {
        Rule::Median { ties } => vec![columns(x, |z| median(z, n, *ties))],
        // With z the h honest values and y all n, both ascending: z_(u−b) ≤ y_u ≤ z_u. So the mean of y
        // over the ranks c to n−c is between two means of z. Attained by rows of ±Inf.
        Rule::TrimmedMean { cut } => {
            let c = cut_weight(*cut, n, n as f64);
            if kept(*cut, n, b).is_none() {
                return vec![];
            }
            let (cut, n, b) = (c, n as f64, b as f64);
            vec![columns(x, |z| {
                (window(z, cut - b, n - cut - b), window(z, cut, n - cut))
            })]
        }
        // Lemma 2 per coordinate about the median, wherever in its range that is: a convex bound.
        Rule::MeanAroundMedian { f } => {
            let Some(m) = whole(*f) else { return vec![] };
            vec![columns(x, |z| {
                let (low, high) = median(z, n, Ties::Midpoint);
                around(z, &[low, high], |z, e| {
                    let beyond: Vec<f64> = z.iter().map(|z| (z - e).abs()).collect();
                    lemma_2(n, b, m).0 * deviation(z) + 2.0 / m * sum_of_largest(&beyond, b)
                })
            })]
        }
        Rule::Bulyan { f } => {
            let theta = n - 2 * f;
            let Some(q) = theta.div_ceil(2).checked_sub(b).filter(|&q| q > 0) else {
                return vec![];
            };
            vec![columns(x, |z| {
                let ends = [z[q - 1], z[z.len() - q]];
                around(z, &ends, |z, e| {
                    let beyond: Vec<f64> = z.iter().map(|z| (z - e).abs()).collect();
                    let middle = z.iter().sum::<f64>() / z.len() as f64;
                    let most = sum_of_largest(&beyond, theta - b) / (theta - b) as f64;
                    (e - middle).abs() + most
                })
            })]
        }
        Rule::Krum { f, neighbours } => ball(krum(x, *f, 1, *neighbours, v)),
        Rule::MultiKrum { f, m, neighbours } => {
            ball(krum(x, *f, m.unwrap_or(n - f), *neighbours, v))
        }
        // (f, λ)-resilient averaging with λ = 2f/(n−f), Farhadkhani et al. (ICML 2022).
        Rule::Mda { f } => ball(whole(*f).filter(|m| *m > b as f64).map(|m| {
            let apart = rows
                .iter()
                .flat_map(|a| rows.iter().map(|b| distance(a, b)));
            let diameter = apart.fold(0.0, f64::max);
            lemma_2(n, b, m).0 * v.sqrt() + 2.0 * b as f64 / m * diameter
        })),
        // κ times the largest eigenvalue instead of the trace, Allouah et al. (ICML 2023).
        Rule::Smea { .. } | Rule::Caf { .. } => {
            let along = Cloud {
                w: widest(&rows, &mu).sqrt(),
                ..cloud
            };
            ball(reach(rule, along))
        }
        Rule::Monna { f, pivot } => match (&x.rows[*pivot], whole(*f)) {
            (Some(pivot), Some(m)) => {
                let beyond: Vec<f64> = rows.iter().map(|row| distance(row, pivot)).collect();
                vec![about(nearest(&beyond, x, m, v))]
            }
            _ => vec![],
        },
        Rule::GeometricMedian { nu, stop } => geometric_median(x, *nu, *stop)
            .into_iter()
            .map(about)
            .collect(),
        // A given start may be anywhere.
        Rule::CenteredClipping { given: true, .. } => vec![],
        Rule::CenteredClipping {
            tau, iterations, ..
        } => {
            let steps = *iterations as i32;
            // A step is a mean of vectors no longer than τ.
            let mut all = vec![Region::Ball {
                centre: vec![0.0; mu.len()],
                radius: tau * f64::from(steps),
            }];
            // While no honest row is clipped, a step leaves b/n of v−μ and adds at most bτ/n; and then
            // none is in the next one. Karimireddy et al. (ICML 2021) prove it in expectation.
            let (far, share) = (
                away.iter().fold(0.0, |a, &b| f64::max(a, b)),
                b as f64 / n as f64,
            );
            let stays = far * (1.0 - share) <= tau * (1.0 - 2.0 * share);
            if cloud.norm + far <= *tau && stays {
                let left = share.powi(steps) * cloud.norm;
                all.push(about(left + share / (1.0 - share) * tau));
            }
            all
        }
        Rule::Nnm { inner, cut } => {
            let Some(m) = kept(*cut, n, b) else {
                return vec![];
            };
            // Lemma 2 about each honest row.
            let moved = |row: &&Vec<f64>| -> f64 {
                let beyond: Vec<f64> = rows.iter().map(|other| distance(row, other)).collect();
                nearest(&beyond, x, m, v)
            };
            let squares: f64 = rows.iter().map(|row| moved(row).powi(2)).sum();
            let mixed = Cloud {
                w: (squares / h).sqrt(),
                centred: false,
                ..cloud
            };
            ball(reach(inner, mixed))
        }
        // The (c, λ)-robustness that Dahan & Levy (ICML 2024) prove has the form of Lemma 2's, 60λ(1+c).
        Rule::Ctma { inner, cut } => {
            let Some(m) = kept(*cut, n, b) else {
                return vec![];
            };
            let base = claims(inner, x);
            let radius = base.iter().map(|region| {
                let beyond: Vec<f64> = rows.iter().map(|row| region.farthest(row)).collect();
                nearest(&beyond, x, m, v)
            });
            radius.map(about).collect()
        }
        Rule::Bucketing { inner, s, seed } => claims(inner, &x.bucketed(*s, *seed)),
        Rule::Clipping { inner, c } => {
            let mut all = claims(inner, &x.mapped(|row| shortened(row, *c)));
            if is_convex(inner) {
                let centre = vec![0.0; mu.len()];
                all.push(Region::Ball { centre, radius: *c });
            }
            all
        }
        // The k+1 longest rows are no shorter than the k+1 longest honest ones, so honest rows lose no
        // more than what they are longer than the honest row of rank k+1; no two of them move apart.
        Rule::Arc { inner, f } => {
            let k = clipped(n, *f);
            let mut lengths: Vec<f64> = rows.iter().map(|row| norm(row)).collect();
            lengths.sort_by(|a, b| b.total_cmp(a));
            if k >= lengths.len() {
                return vec![];
            }
            let lost: f64 = lengths[..k].iter().map(|l| l - lengths[k]).sum();
            let moved = lost / h;
            let clipped = Cloud {
                norm: cloud.norm + moved,
                ..cloud
            };
            ball(reach(inner, clipped).map(|radius| moved + radius))
        }
        Rule::Mean | Rule::Flag { .. } => match rule {
            // A projection of a sum of n unit rows, over m.
            Rule::Flag {
                m, published: true, ..
            } => vec![Region::Ball {
                centre: vec![0.0; mu.len()],
                radius: n as f64 / m.unwrap_or(n / 2 + 1) as f64,
            }],
            _ => vec![],
        },
    }
}

/// A statistic's range per coordinate, from its ascending honest values.
fn columns(x: &Known, range: impl Fn(&[f64]) -> (f64, f64)) -> Region {
    let d = x.honest()[0].len();
    let (low, high) = (0..d).map(|k| range(&x.column(k))).unzip();
    Region::Box { low, high }
}

/// The median of n values of which these are honest, ascending: the value of rank r is between those of
/// ranks r−b and r of the honest ones.
fn median(z: &[f64], n: usize, ties: Ties) -> (f64, f64) {
    let b = n - z.len();
    let (lower, upper) = ((n - 1) / 2, n / 2);
    let (first, last) = match ties {
        Ties::Lower => (lower, lower),
        Ties::Upper => (upper, upper),
        Ties::Midpoint => (lower, upper),
    };
    let middle = |shift: usize| (z[first - shift] + z[last - shift]) / 2.0;
    (middle(b), middle(0))
}

/// The mean, plus and minus the larger of what a convex bound is at both ends of a range.
fn around(z: &[f64], ends: &[f64; 2], bound: impl Fn(&[f64], f64) -> f64) -> (f64, f64) {
    let middle = z.iter().sum::<f64>() / z.len() as f64;
    let most = ends.iter().map(|&e| bound(z, e)).fold(0.0, f64::max);
    (middle - most, middle + most)
}

/// √V of one coordinate.
fn deviation(z: &[f64]) -> f64 {
    let middle = z.iter().sum::<f64>() / z.len() as f64;
    let squares = z.iter().map(|z| (z - middle).powi(2));
    (squares.sum::<f64>() / z.len() as f64).sqrt()
}

/// Lemma 2, given how far the honest rows are from the point at most.
fn nearest(beyond: &[f64], x: &Known, m: f64, v: f64) -> f64 {
    let (n, b) = (x.n(), x.hostile());
    lemma_2(n, b, m).0 * v.sqrt() + 2.0 / m * sum_of_largest(beyond, b)
}

/// As in `cloud::kappa`, with the scores of the honest rows among themselves. When several rows are
/// averaged, also: only b of them are hostile, and Lemma 1 for the others.
fn krum(x: &Known, f: usize, m: usize, neighbours: Option<usize>, v: f64) -> Option<f64> {
    let (n, b) = (x.n(), x.hostile());
    let k = neighbours.unwrap_or_else(|| n - f - 2);
    let t = (k + 1).checked_sub(b).filter(|&t| t > 0 && b <= f)? as f64;
    let rows = x.honest();
    let h = rows.len() as f64;
    let score = |row: &&Vec<f64>| -> f64 {
        let mut squares: Vec<f64> = rows.iter().map(|a| distance(a, row).powi(2)).collect();
        squares.sort_by(f64::total_cmp);
        // The first is the row's own.
        squares[1..=k].iter().sum()
    };
    let mut scores: Vec<f64> = rows.iter().map(score).collect();
    scores.sort_by(f64::total_cmp);
    let common = ((h - t) / t).max(0.0).sqrt() * v.sqrt();
    let of = |score: &f64| (score / t).sqrt() + common;
    let each = scores[..m].iter().map(of).sum::<f64>() / m as f64;
    let worst = of(&scores[m - 1]);
    let with = |hostile: usize| {
        let a = (m - hostile) as f64;
        (hostile as f64 * worst + (a * (h - a) * v).max(0.0).sqrt()) / m as f64
    };
    let together = (0..=b.min(m)).map(with).fold(0.0, f64::max);
    Some(each.min(together))
}

/// With g(z) = Σ_i ‖x_i − z‖, for any z: (h−b)‖z−μ‖ ≤ 2 Σ_H ‖x_i−μ‖ + g(z) − g(μ), by the triangle
/// inequality at every row. A smoothed Weiszfeld step never increases the smoothed sum, which exceeds g
/// by at most nν/2. So wherever the iteration stops, its start bounds it:
/// - `tolerance=` starts from the row with the least g, no larger than any honest row's;
/// - `iterations=` starts from zero, so **no distance bound independent of ‖μ‖ holds for RFA's default**:
///   hostile rows near zero hold it there.
///
/// Where it stands still, g(z) ≤ g(μ) + nν/2, which gives 4(1 + f/(n−2f))², the constant of Allouah et al.
/// (2023); 2 % are for the tolerance.
fn geometric_median(x: &Known, nu: f64, stop: Stop) -> Vec<f64> {
    let (n, b) = (x.n() as f64, x.hostile() as f64);
    let rows = x.honest();
    let mu = mean(&rows);
    let sum = |z: &[f64]| rows.iter().map(|row| distance(row, z)).sum::<f64>();
    let (own, h) = (sum(&mu), rows.len() as f64);
    let within = |start: f64| (own + start + n * nu / 2.0) / (h - b);
    match stop {
        Stop::Iterations(_) => vec![within(sum(&vec![0.0; mu.len()]) + b * norm(&mu))],
        Stop::Tolerance(_) => {
            let from = |row: &&Vec<f64>| sum(row) + b * distance(row, &mu);
            let start = rows.iter().map(from).fold(f64::INFINITY, f64::min);
            vec![within(start), 1.02 * within(own)]
        }
    }
}

fn shortened(row: &[f64], c: f64) -> Vec<f64> {
    let length = norm(row);
    let factor = if length <= c { 1.0 } else { c / length };
    row.iter().map(|x| x * factor).collect()
}

/// Is the result a convex combination of the rows and the origin?
fn is_convex(rule: &Rule) -> bool {
    match rule {
        Rule::Median { .. } | Rule::TrimmedMean { .. } | Rule::MeanAroundMedian { .. } => false,
        Rule::Bulyan { .. } | Rule::Flag { .. } => false,
        Rule::Nnm { inner, .. } | Rule::Bucketing { inner, .. } => is_convex(inner),
        Rule::Clipping { inner, .. } | Rule::Arc { inner, .. } => is_convex(inner),
        _ => true,
    }
}
