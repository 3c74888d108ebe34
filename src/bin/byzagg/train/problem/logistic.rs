//! Binary logistic regression on sparse rows: `mean log(1 + exp(−y aᵀx)) + l2/2 ‖x‖²`, in f64.

use byzagg::training::{Problem, Sample};
use rayon::prelude::*;

use super::super::data::Rows;
use super::{Measure, Optimum, Task, drawn};
use crate::failure::Outcome;

pub struct Logistic<'a> {
    rows: &'a Rows,
    shards: Vec<Vec<u32>>,
    batch: usize,
    l2: f64,
    optimum: Option<&'a Optimum>,
}

impl<'a> Logistic<'a> {
    pub fn new(
        rows: &'a Rows,
        shards: Vec<Vec<u32>>,
        batch: usize,
        l2: f64,
        optimum: Option<&'a Optimum>,
    ) -> Self {
        Logistic {
            rows,
            shards,
            batch,
            l2,
            optimum,
        }
    }

    fn exact(&self, worker: usize, at: &[f32], sample: Sample) -> Vec<f64> {
        let (samples, _) = drawn(&self.shards[worker], sample.draw, self.batch);
        let turn = if sample.flipped { -1.0 } else { 1.0 };
        let at: Vec<f64> = at.iter().map(|&x| f64::from(x)).collect();
        slope(self.rows, &samples, self.l2, turn, &at)
    }
}

/// `aᵀx`.
pub fn product(row: &[(u32, f64)], x: &[f64]) -> f64 {
    row.iter().map(|&(k, a)| a * x[k as usize]).sum()
}

/// `1 / (1 + exp(m))`, the slope of the loss at a margin of m, turned positive.
pub fn doubt(margin: f64) -> f64 {
    1.0 / (1.0 + margin.exp())
}

/// The gradient on some samples, whose labels `turn` multiplies.
pub fn slope(rows: &Rows, samples: &[u32], l2: f64, turn: f64, at: &[f64]) -> Vec<f64> {
    let mut gradient: Vec<f64> = at.iter().map(|x| l2 * x).collect();
    let count = samples.len() as f64;
    for &i in samples {
        let (row, label) = (rows.row(i as usize), turn * rows.label(i as usize));
        let weight = -label * doubt(label * product(row, at)) / count;
        for &(k, a) in row {
            gradient[k as usize] += weight * a;
        }
    }
    gradient
}

/// The objective on all rows, and the share of rows on the right side.
pub fn objective(rows: &Rows, l2: f64, at: &[f64]) -> (f64, f64) {
    // Chunks of a fixed size: the sum does not depend on the number of threads.
    let parts: Vec<(f64, usize)> = (0..rows.len())
        .into_par_iter()
        .step_by(1024)
        .map(|from| {
            let (mut loss, mut right) = (0.0, 0);
            for i in from..rows.len().min(from + 1024) {
                let margin = rows.label(i) * product(rows.row(i), at);
                // log(1 + exp(−m)) without overflow.
                loss += (-margin).max(0.0) + (-margin.abs()).exp().ln_1p();
                right += usize::from(margin > 0.0);
            }
            (loss, right)
        })
        .collect();
    let count = rows.len() as f64;
    let loss: f64 = parts.iter().map(|(loss, _)| loss).sum();
    let right: usize = parts.iter().map(|(_, right)| right).sum();
    let square: f64 = at.iter().map(|x| x * x).sum();
    (loss / count + 0.5 * l2 * square, right as f64 / count)
}

impl Problem for Logistic<'_> {
    fn workers(&self) -> usize {
        self.shards.len()
    }

    fn dimension(&self) -> usize {
        self.rows.features()
    }

    fn gradient(
        &self,
        worker: usize,
        at: &[f32],
        sample: Sample,
        gradient: &mut [f32],
    ) -> byzagg::Result<()> {
        for (to, from) in gradient.iter_mut().zip(self.exact(worker, at, sample)) {
            *to = from as f32;
        }
        Ok(())
    }

    /// Near the optimum the two gradients agree in more digits than f32 has: they are subtracted in f64.
    fn difference(
        &self,
        worker: usize,
        (from, to): (&[f32], &[f32]),
        sample: Sample,
        difference: &mut [f32],
    ) -> byzagg::Result<()> {
        let (before, after) = (
            self.exact(worker, from, sample),
            self.exact(worker, to, sample),
        );
        for (d, (after, before)) in difference.iter_mut().zip(after.iter().zip(&before)) {
            *d = (after - before) as f32;
        }
        Ok(())
    }
}

impl Task for Logistic<'_> {
    fn start(&self) -> Vec<f32> {
        vec![0.0; self.rows.features()]
    }

    /// On all rows.
    fn measure(&self, at: &[f32]) -> Outcome<Measure> {
        let at: Vec<f64> = at.iter().map(|&x| f64::from(x)).collect();
        let (loss, accuracy) = objective(self.rows, self.l2, &at);
        Ok(Measure {
            loss,
            accuracy,
            // Rounding may put a point below the least.
            gap: self.optimum.map(|optimum| (loss - optimum.least).max(0.0)),
            distance: self.optimum.map(|optimum| {
                let pairs = at.iter().zip(&optimum.point);
                pairs.map(|(x, best)| (x - best).powi(2)).sum()
            }),
        })
    }
}
