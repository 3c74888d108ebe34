//! Rules that choose the best of all sets of n−f rows: here by trying every one.

use super::geometry::{Class, squared_norm};
use super::level::Level;
use super::spectral::eigenvalues;
use super::{Accuracy, Reference};

/// Every subset of m out of n, in lexicographic order.
fn subsets(n: usize, m: usize) -> Vec<Vec<usize>> {
    let mut all: Vec<Vec<usize>> = vec![vec![]];
    for _ in 0..m {
        let longer = |set: &Vec<usize>| {
            let from = set.last().map_or(0, |last| last + 1);
            let set = set.clone();
            (from..n).map(move |i| [set.clone(), vec![i]].concat())
        };
        all = all.iter().flat_map(longer).collect();
    }
    all
}

/// The mean of the n−f usable rows of least cost, of the first such set; of all of them when there are
/// fewer. Costs that are as close as `tie`, relatively, are equal.
fn best(
    x: &Level,
    f: usize,
    tie: f64,
    cost: &dyn Fn(&[usize]) -> f64,
    scale: &dyn Fn(&[usize]) -> f64,
) -> Reference {
    let usable = x.usable();
    if usable.is_empty() {
        return x.undefined();
    }
    let m = (x.n() - f).min(usable.len());
    let mut chosen: Vec<usize> = usable[..m].to_vec();
    let mut margin = f64::INFINITY;
    if m < usable.len() && x.class[usable[0]] == Class::Finite {
        let named = |set: Vec<usize>| set.into_iter().map(|a| usable[a]).collect::<Vec<usize>>();
        let sets: Vec<Vec<usize>> = subsets(usable.len(), m).into_iter().map(named).collect();
        let costs: Vec<f64> = sets.iter().map(|set| cost(set)).collect();
        let least = costs.iter().copied().fold(f64::INFINITY, f64::min);
        let equal = |cost: f64| cost <= least * (1.0 + tie);
        let first = costs.iter().position(|&cost| equal(cost)).unwrap();
        chosen = sets[first].clone();
        let copies = super::geometry::copies(&x.rows);
        let same = |set: &[usize]| {
            let mut set: Vec<usize> = set.iter().map(|&i| copies[i]).collect();
            set.sort();
            set
        };
        for (set, &cost) in sets.iter().zip(&costs) {
            if same(set) != same(&chosen) {
                let gap = (cost - costs[first]).abs();
                margin = margin.min(gap / (scale(set) + scale(&chosen)));
            }
        }
    }
    let mut coefficients = vec![0.0; x.n()];
    for &i in &chosen {
        coefficients[i] = 1.0 / m as f64;
    }
    x.combination(coefficients, Accuracy::Sum, margin)
}

/// The mean of the n−f rows with the least diameter.
pub fn least_diameter(x: &Level, f: usize) -> Reference {
    let distances = x.distances();
    let widest = |set: &[usize]| {
        let pairs = set.iter().flat_map(|&i| set.iter().map(move |&j| (i, j)));
        let costs = pairs.map(|(i, j)| distances[i][j]);
        costs.fold((0.0, x.underflow()), |(cost, scale): (f64, f64), c| {
            (cost.max(c.cost), scale.max(c.scale))
        })
    };
    best(x, f, 0.0, &|set| widest(set).0, &|set| widest(set).1)
}

/// The mean of the n−f rows whose covariance has the least largest eigenvalue.
pub fn least_eigenvalue(x: &Level, f: usize) -> Reference {
    let largest = |set: &[usize]| {
        let m = set.len() as f64;
        let mean = |k: usize| set.iter().map(|&i| x.rows[i][k]).sum::<f64>() / m;
        let mean: Vec<f64> = (0..x.centre.len()).map(mean).collect();
        let away: Vec<Vec<f64>> = set
            .iter()
            .map(|&i| x.rows[i].iter().zip(&mean).map(|(x, m)| x - m).collect())
            .collect();
        let product = |a: &Vec<f64>, b: &Vec<f64>| a.iter().zip(b).map(|(a, b)| a * b).sum();
        let line = |a: &Vec<f64>| away.iter().map(|b| product(a, b)).collect::<Vec<f64>>();
        let scatter: Vec<Vec<f64>> = away.iter().map(line).collect();
        eigenvalues(&scatter).0[0]
    };
    let scale = |set: &[usize]| {
        let spreads = set.iter().map(|&i| x.spread[i]).sum::<f64>();
        spreads + x.underflow() + 1e-30 * squared_norm(&x.centre)
    };
    best(x, f, 1e-9, &largest, &scale)
}
