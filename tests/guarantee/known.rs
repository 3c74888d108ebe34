//! The honest rows that a bound is computed from, and sums over them.

use byzagg::permutation;

use crate::common::naive::spectral::eigenvalues;

/// n rows of which the honest ones are known. What the others hold may be anything.
#[derive(Clone)]
pub struct Known {
    /// `None` for a hostile row, or one that a hostile row is a part of.
    pub rows: Vec<Option<Vec<f64>>>,
}

impl Known {
    pub fn new(rows: &[Vec<f32>], hostile: &[usize]) -> Self {
        let wide = |row: &Vec<f32>| row.iter().map(|&x| f64::from(x)).collect();
        let row = |(i, row)| (!hostile.contains(&i)).then(|| wide(row));
        Known {
            rows: rows.iter().enumerate().map(row).collect(),
        }
    }

    pub fn n(&self) -> usize {
        self.rows.len()
    }

    /// How many rows are not honest: b.
    pub fn hostile(&self) -> usize {
        self.rows.iter().filter(|row| row.is_none()).count()
    }

    /// The set H of h = n−b honest rows.
    pub fn honest(&self) -> Vec<&Vec<f64>> {
        self.rows.iter().flatten().collect()
    }

    /// The honest values of coordinate k, ascending.
    pub fn column(&self, k: usize) -> Vec<f64> {
        let mut column: Vec<f64> = self.rows.iter().flatten().map(|row| row[k]).collect();
        column.sort_by(f64::total_cmp);
        column
    }

    pub fn mapped(&self, of: impl Fn(&Vec<f64>) -> Vec<f64>) -> Known {
        let row = |row: &Option<Vec<f64>>| row.as_ref().map(&of);
        Known {
            rows: self.rows.iter().map(row).collect(),
        }
    }

    /// Each row as often as its weight says.
    pub fn repeated(&self, weights: &[f64]) -> Known {
        let copies = |(row, &weight): (&Option<Vec<f64>>, &f64)| vec![row.clone(); weight as usize];
        Known {
            rows: self.rows.iter().zip(weights).flat_map(copies).collect(),
        }
    }

    /// The means of the buckets at step 0; one with a hostile row is hostile.
    pub fn bucketed(&self, s: usize, seed: u64) -> Known {
        let bucket = |members: &[usize]| {
            let rows: Option<Vec<&Vec<f64>>> =
                members.iter().map(|&i| self.rows[i].as_ref()).collect();
            rows.map(|rows| mean(&rows))
        };
        let order = permutation(self.n(), seed, 0);
        Known {
            rows: order.chunks(s).map(bucket).collect(),
        }
    }
}

pub fn mean(rows: &[&Vec<f64>]) -> Vec<f64> {
    let coordinate = |k: usize| rows.iter().map(|row| row[k]).sum::<f64>() / rows.len() as f64;
    (0..rows[0].len()).map(coordinate).collect()
}

pub fn norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

pub fn distance(a: &[f64], b: &[f64]) -> f64 {
    let squares = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b));
    squares.sum::<f64>().sqrt()
}

/// The sum of the largest `count`.
pub fn sum_of_largest(values: &[f64], count: usize) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(|a, b| b.total_cmp(a));
    values.iter().take(count).sum()
}

/// The mean of ascending values over the ranks from `from` to `to`, parts of a rank included.
pub fn window(ascending: &[f64], from: f64, to: f64) -> f64 {
    let inside = |j: usize| (to.min(j as f64 + 1.0) - from.max(j as f64)).max(0.0);
    let sum = (ascending.iter().enumerate()).map(|(j, z)| inside(j) * z);
    sum.sum::<f64>() / (to - from)
}

/// The largest eigenvalue of `(1/h) Σ (x_i − μ)(x_i − μ)ᵀ`, from the h×h inner products.
pub fn widest(rows: &[&Vec<f64>], mean: &[f64]) -> f64 {
    let away = |row: &&Vec<f64>| -> Vec<f64> { row.iter().zip(mean).map(|(x, m)| x - m).collect() };
    let away: Vec<Vec<f64>> = rows.iter().map(away).collect();
    let inner = |a: &Vec<f64>, b: &Vec<f64>| -> f64 {
        let products = a.iter().zip(b).map(|(a, b)| a * b);
        products.sum::<f64>() / rows.len() as f64
    };
    let line = |a| away.iter().map(|b| inner(a, b)).collect();
    let matrix: Vec<Vec<f64>> = away.iter().map(line).collect();
    eigenvalues(&matrix).0[0].max(0.0)
}
