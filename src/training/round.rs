//! What all methods do in a round: workers compute, Byzantine ones forge, the server aggregates.

use std::time::Instant;

use rayon::prelude::*;

use super::{Problem, Progress, Server};
use crate::attack::Scene;
use crate::{Clipping, DType, Error, Matrix, Prepared, Result, Rule, Run, Shape};

pub(super) struct Round {
    pub server: Server,
    pub n: usize,
    pub d: usize,
    pub progress: Progress,
    /// The rule for a number of rows, clipped to a length or not.
    aggregators: Vec<((usize, bool), Prepared)>,
}

impl Round {
    pub fn new(problem: &dyn Problem, server: Server) -> Result<Self> {
        let (n, d) = (problem.workers(), problem.dimension());
        let refuse = |what: String| Err(Error::training(what));
        if server.start.len() != d {
            let got = server.start.len();
            return refuse(format!("start: expected {d} numbers, got {got}"));
        }
        if server.byzantine >= n {
            return refuse(format!(
                "byzantine: expected fewer than the {n} workers, got {}",
                server.byzantine
            ));
        }
        if !(server.rate > 0.0 && server.rate.is_finite()) {
            return refuse(format!(
                "rate: expected a finite number above 0, got {}",
                server.rate
            ));
        }
        if server.rule.needs_start() || server.rule.needs_length() {
            return refuse(format!(
                "rule: expected one that needs nothing but the vectors, got {}",
                server.rule
            ));
        }
        server.attack.check(n, server.byzantine)?;
        Ok(Round {
            server,
            n,
            d,
            progress: Progress::default(),
            aggregators: Vec::new(),
        })
    }

    pub fn honest(&self) -> usize {
        self.n - self.server.byzantine
    }

    pub fn is_byzantine(&self, worker: usize) -> bool {
        worker >= self.honest()
    }

    /// Are this worker's labels turned around?
    pub fn flips(&self, worker: usize) -> bool {
        self.is_byzantine(worker) && self.server.attack.flips_labels()
    }

    /// Prepares the rule for a number of rows, so that one that can't be satisfied is refused before anything
    /// runs.
    pub fn prepare(&mut self, rows: usize, clipped: bool) -> Result<()> {
        let key = (rows, clipped);
        if self.aggregators.iter().any(|(known, _)| *known == key) {
            return Ok(());
        }
        let rule = match clipped {
            true => Rule::from(Clipping::given(self.server.rule.clone())),
            false => self.server.rule.clone(),
        };
        let shape = Shape::new(rows, self.d);
        let prepared = rule.prepare(&self.server.device, &shape, DType::F32)?;
        self.aggregators.push((key, prepared));
        Ok(())
    }

    /// Each worker of a round fills its row, in parallel, and `evaluations` gradients are counted for each that
    /// is honest. Rows that nobody reads are zero.
    pub fn fill(
        &mut self,
        workers: &[usize],
        rows: &mut [f32],
        evaluations: u64,
        compute: impl Fn(usize, &mut [f32]) -> Result<()> + Sync,
    ) -> Result<()> {
        let this = &*self;
        // Without honest rows attackers go by their own.
        let own = self.server.attack.reads_own_rows()
            || workers.iter().all(|&worker| this.is_byzantine(worker));
        rows.par_chunks_mut(self.d)
            .zip(workers.par_iter())
            .try_for_each(|(row, &worker)| {
                if own || !this.is_byzantine(worker) {
                    return compute(worker, row);
                }
                row.fill(0.0);
                Ok(())
            })?;
        let honest = workers.iter().filter(|&&worker| !self.is_byzantine(worker));
        self.progress.gradients += honest.count() as u64 * evaluations;
        Ok(())
    }

    /// Byzantine workers replace their rows. Attacks that try the rule have it without clipping.
    pub fn strike(&mut self, workers: &[usize], rows: &mut [f32], point: &[f32]) -> Result<()> {
        let n = workers.len();
        let byzantine: Vec<usize> = (0..n).filter(|&i| self.is_byzantine(workers[i])).collect();
        let step = self.progress.step;
        let attack = self.server.attack.clone();
        if attack.is_adaptive() {
            self.prepare(n, false)?;
        }
        let mut known = self.aggregators.iter_mut();
        let prepared = known.find(|(key, _)| *key == (n, false));
        let mut rule = prepared.map(|(_, prepared)| {
            move |rows: &[f32], out: &mut [f32]| {
                let matrix = Matrix::new(rows, n, out.len())?;
                prepared.run_with(matrix, out, &Run::new().step(step))
            }
        });
        let scene = Scene {
            byzantine: &byzantine,
            seed: self.server.seed,
            step,
            start: &self.server.start,
            point,
            rule: rule.as_mut().map(|rule| rule as _),
        };
        attack.strike(rows, self.d, scene)
    }

    /// Aggregates rows, clipped to a length or as they are.
    pub fn aggregate(&mut self, rows: &[f32], out: &mut [f32], clip: Option<f64>) -> Result<()> {
        let n = rows.len() / self.d;
        self.prepare(n, clip.is_some())?;
        let key = (n, clip.is_some());
        let clock = Instant::now();
        let mut run = Run::new().step(self.progress.step);
        if let Some(length) = clip {
            run = run.clip(length);
        }
        for (known, prepared) in &mut self.aggregators {
            if *known == key {
                prepared.run_with(Matrix::new(rows, n, self.d)?, &mut *out, &run)?;
            }
        }
        self.progress.aggregating += clock.elapsed();
        Ok(())
    }
}

/// The Euclidean length of a difference.
pub(super) fn distance(a: &[f32], b: &[f32]) -> f64 {
    let squares = a
        .iter()
        .zip(b)
        .map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2));
    squares.sum::<f64>().sqrt()
}

pub(super) fn length(a: &[f32]) -> f64 {
    a.iter().map(|&a| f64::from(a).powi(2)).sum::<f64>().sqrt()
}
