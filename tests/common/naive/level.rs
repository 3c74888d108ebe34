//! The rows that a rule is applied to, and what is known of them.

use super::columns::clean;
use super::geometry::{self, CAP, Class, Cost};
use super::{Accuracy, Reference};

/// The machine epsilon of f32.
pub const EPS: f64 = f32::EPSILON as f64;

/// Rows that a rule is applied to: the raw ones, or those that a pre-aggregator made.
pub struct Level {
    /// Without NaN, which counts as +Inf. A row of weight 0 is not read: it is zeros here.
    pub rows: Vec<Vec<f64>>,
    pub weights: Vec<f64>,
    /// Were weights given? Else they are all 1.
    pub weighted: bool,
    pub class: Vec<Class>,
    /// The coordinate-wise median of the raw rows: what inner products are centred on.
    pub centre: Vec<f64>,
    /// What centered clipping starts from, if it is given. No mixing touches it.
    pub start: Option<Vec<f64>>,
    /// Per row and coordinate `Σ |c_j x_j|` over the raw rows that a row is made of.
    pub size: Vec<Vec<f64>>,
    /// Per row the mean of ‖x_j − m‖² over the raw rows that it is made of: what the accuracy of
    /// its distances is relative to.
    pub spread: Vec<f64>,
    /// Per row and coordinate the rounding error is `error` times the size.
    pub error: f64,
    /// Are the coefficients of the mixing computed ones?
    pub accuracy: Accuracy,
    /// How far the classes are from being others.
    pub margin: f64,
}

impl Level {
    /// The rows that the workers sent.
    pub fn raw(rows: &[Vec<f64>], weights: Option<Vec<f64>>) -> Self {
        let weighted = weights.is_some();
        let weights = weights.unwrap_or(vec![1.0; rows.len()]);
        let read = |(row, &weight): (&Vec<f64>, &f64)| match weight > 0.0 {
            true => row.iter().map(|&x| clean(x)).collect(),
            false => vec![0.0; row.len()],
        };
        let rows: Vec<Vec<f64>> = rows.iter().zip(&weights).map(read).collect();
        let centre = geometry::centre(&rows, &weights);
        let distance = |row: &Vec<f64>| geometry::squared_distance(row, &centre);
        let level = Level {
            class: rows
                .iter()
                .map(|row| geometry::class(row, &centre))
                .collect(),
            size: rows
                .iter()
                .map(|row| row.iter().map(|x| x.abs()).collect())
                .collect(),
            spread: rows.iter().map(distance).collect(),
            rows,
            weights,
            weighted,
            centre,
            start: None,
            error: 0.0,
            accuracy: Accuracy::Sum,
            margin: f64::INFINITY,
        };
        level.with_class_margin()
    }

    /// The rows `Σ_j c_ij x_j`. Where the coefficients of a row do not sum to 1, the origin has the
    /// rest.
    pub fn mixed(&self, mixing: &[Vec<f64>], weights: Vec<f64>, accuracy: Accuracy) -> Level {
        let accuracy = accuracy.max(self.accuracy);
        let over = |c: &Vec<f64>, of: &dyn Fn(usize, f64) -> f64| {
            let used = c.iter().enumerate().filter(|(_, c)| **c != 0.0);
            used.map(|(j, &c)| of(j, c)).sum::<f64>()
        };
        let d = self.centre.len();
        let row = |c: &Vec<f64>| {
            let coordinate = |k: usize| clean(over(c, &|j, c| c * self.rows[j][k]));
            (0..d).map(coordinate).collect::<Vec<f64>>()
        };
        let size = |c: &Vec<f64>| {
            let coordinate = |k: usize| over(c, &|j, c| c * self.size[j][k]);
            (0..d).map(coordinate).collect::<Vec<f64>>()
        };
        let origin = geometry::squared_norm(&self.centre);
        let spread = |c: &Vec<f64>| {
            let rest = 1.0 - c.iter().sum::<f64>();
            let rest = if rest.abs() > 1e-9 {
                rest * origin
            } else {
                0.0
            };
            over(c, &|j, c| c * self.spread[j]) + rest
        };
        let class = |(c, row): (&Vec<f64>, &Vec<f64>)| {
            let used = (0..c.len()).filter(|&j| c[j] != 0.0);
            let worst = used.map(|j| self.class[j]).max();
            geometry::class(row, &self.centre).max(worst.unwrap_or(Class::Finite))
        };
        let rows: Vec<Vec<f64>> = mixing.iter().map(row).collect();
        let level = Level {
            class: mixing.iter().zip(&rows).map(class).collect(),
            size: mixing.iter().map(size).collect(),
            spread: mixing.iter().map(spread).collect(),
            rows,
            weights,
            weighted: self.weighted,
            centre: self.centre.clone(),
            start: self.start.clone(),
            error: match accuracy {
                Accuracy::Sum => 8.0 * EPS,
                Accuracy::Computed => 1e-5,
            },
            accuracy,
            margin: self.margin,
        };
        level.with_class_margin()
    }

    /// A squared distance to the centre that is f32::MAX for all that rounding can tell is finite or
    /// not.
    fn with_class_margin(mut self) -> Self {
        for row in &self.rows {
            let differences = row.iter().zip(&self.centre).map(|(x, m)| (x - m) * (x - m));
            let square: f64 = differences.sum();
            if square.is_finite() {
                self.margin = self.margin.min((square / CAP - 1.0).abs());
            }
        }
        self
    }

    pub fn n(&self) -> usize {
        self.rows.len()
    }

    pub fn total(&self) -> f64 {
        self.weights.iter().sum()
    }

    /// The rows that a rule on distances uses: the finite ones, else those that are far, else none.
    pub fn usable(&self) -> Vec<usize> {
        let of = |class: Class| {
            let read = (0..self.n()).filter(|&i| self.weights[i] > 0.0);
            read.filter(|&i| self.class[i] == class)
                .collect::<Vec<usize>>()
        };
        let finite = of(Class::Finite);
        if finite.is_empty() {
            of(Class::Far)
        } else {
            finite
        }
    }

    /// `D²_ij`, and what its accuracy is relative to.
    pub fn distances(&self) -> Vec<Vec<Cost>> {
        let finite = |i: usize| self.class[i] == Class::Finite;
        let distance = |i: usize, j: usize| {
            if i == j {
                return Cost {
                    cost: 0.0,
                    scale: 0.0,
                };
            }
            if !finite(i) || !finite(j) {
                let cost = f64::INFINITY;
                return Cost { cost, scale: 0.0 };
            }
            let cost = geometry::squared_distance(&self.rows[i], &self.rows[j]);
            let scale = cost + 0.1 * (self.spread[i] + self.spread[j]) + self.underflow();
            Cost { cost, scale }
        };
        let row = |i: usize| (0..self.n()).map(|j| distance(i, j)).collect();
        (0..self.n()).map(row).collect()
    }

    /// The squares of differences below 1e-19 may count as zero.
    pub fn underflow(&self) -> f64 {
        1e-33 * self.centre.len() as f64
    }

    /// How far an iteration's step from `before` to `after` moves when the distances, which decide the
    /// shares of rows beyond `near`, are as accurate as f32: relative to the squared radii that they are
    /// differences of. A bucket that is near the start only because its rows cancel is not known to be.
    pub fn rounding_of_a_step(
        &self,
        before: &[f64],
        after: &[f64],
        shares: &[f64],
        near: f64,
    ) -> f64 {
        let from = geometry::squared_distance(before, &self.centre);
        let of = |i: usize| {
            let square = geometry::squared_distance(&self.rows[i], before);
            let error = 3e-7 * (self.spread[i] + from);
            if square + error < near * near {
                return 0.0;
            }
            let far = geometry::squared_distance(&self.rows[i], after).sqrt();
            shares[i] * error / (2.0 * square.max(near * near)) * far
        };
        let used = (0..self.n()).filter(|&i| shares[i] > 0.0 && self.spread[i].is_finite());
        used.map(of).sum()
    }

    /// `Σ c_i x_i`, the coefficients on this level's rows.
    pub fn combination(
        &self,
        coefficients: Vec<f64>,
        accuracy: Accuracy,
        margin: f64,
    ) -> Reference {
        let used: Vec<usize> = (0..self.n()).filter(|&i| coefficients[i] != 0.0).collect();
        let d = self.centre.len();
        let sum = |of: &dyn Fn(usize) -> f64| {
            let terms = used.iter().map(|&i| coefficients[i] * of(i));
            terms.sum::<f64>()
        };
        let output = (0..d).map(|k| sum(&|i| self.rows[i][k])).collect();
        let terms = (0..d).map(|k| sum(&|i| self.size[i][k])).collect();
        let mut reach: f64 = 0.0;
        for &i in &used {
            for &j in &used {
                let square = geometry::squared_distance(&self.rows[i], &self.rows[j]);
                reach = reach.max(square.sqrt());
            }
        }
        let pure = self.error == 0.0 && used.len() == 1 && coefficients[used[0]] == 1.0;
        Reference {
            output,
            terms,
            pure: vec![pure; d],
            slack: vec![0.0; d],
            accuracy: accuracy.max(self.accuracy),
            reach,
            margin: margin.min(self.margin),
            coefficients: Some(coefficients),
        }
    }

    /// There is no row to use: NaN everywhere.
    pub fn undefined(&self) -> Reference {
        let d = self.centre.len();
        Reference {
            output: vec![f64::NAN; d],
            terms: vec![0.0; d],
            pure: vec![false; d],
            slack: vec![0.0; d],
            accuracy: Accuracy::Sum,
            reach: 0.0,
            margin: self.margin,
            coefficients: None,
        }
    }
}
