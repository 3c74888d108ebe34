//! What all methods do in a round: workers compute, Byzantine ones forge, the server aggregates.

use std::time::Instant;

use rayon::prelude::*;

use super::{Draw, Problem, Progress, Sample, Server, random};
use crate::attack::Scene;
use crate::{Clipping, DType, Error, Matrix, Options, Prepared, Result, Rule, Run, Shape};

pub(super) struct Round {
    pub server: Server,
    pub n: usize,
    pub d: usize,
    pub progress: Progress,
    aggregators: Vec<(Kind, Prepared)>,
}

/// For so many rows, clipped to a length or not, with weights or without.
type Kind = (usize, bool, bool);

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
    fn flips(&self, worker: usize) -> bool {
        self.is_byzantine(worker) && self.server.attack.flips_labels()
    }

    /// What each worker's gradients of step t are of.
    pub fn samples(&self, t: u64, batch: bool) -> Vec<Sample> {
        let of = |worker| Sample {
            draw: match batch {
                true => random::batch(self.server.seed, worker, t),
                false => Draw::All,
            },
            flipped: self.flips(worker),
        };
        (0..self.n).map(of).collect()
    }

    /// Prepares the rule for a number of rows, so that one that can't be satisfied is refused before anything
    /// runs.
    pub fn prepare(&mut self, rows: usize, clipped: bool) -> Result<()> {
        self.prepared((rows, clipped, false)).map(|_| ())
    }

    fn prepared(&mut self, kind: Kind) -> Result<&mut Prepared> {
        let known = self
            .aggregators
            .iter()
            .position(|(known, _)| *known == kind);
        let at = match known {
            Some(at) => at,
            None => {
                let (rows, clipped, weighted) = kind;
                let rule = match clipped {
                    true => Rule::from(Clipping::given(self.server.rule.clone())),
                    false => self.server.rule.clone(),
                };
                let shape = Shape::new(rows, self.d);
                let options = Options::new().weighted(weighted);
                let device = &self.server.device;
                let prepared = rule.prepare_with(device, &shape, DType::F32, options)?;
                self.aggregators.push((kind, prepared));
                self.aggregators.len() - 1
            }
        };
        Ok(&mut self.aggregators[at].1)
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
        // Without honest rows attackers go by their own; a single worker's is one of all rows.
        let alone = workers.len() > 1 && workers.iter().all(|&worker| this.is_byzantine(worker));
        let own = alone || self.server.attack.reads_own_rows();
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

    /// Byzantine workers replace their rows, in round `number`. Attacks that try the rule have it with the weights of
    /// the rows, if they have some, and without clipping.
    pub fn strike(
        &mut self,
        workers: &[usize],
        rows: &mut [f32],
        (number, weights): (u64, Option<&[f64]>),
        point: &[f32],
    ) -> Result<()> {
        let (n, d) = (workers.len(), self.d);
        let byzantine: Vec<usize> = (0..n).filter(|&i| self.is_byzantine(workers[i])).collect();
        let (attack, seed) = (self.server.attack.clone(), self.server.seed);
        let start = self.server.start.clone();
        let mut rule = match attack.is_adaptive() {
            true => Some(self.prepared((n, false, weights.is_some()))?),
            false => None,
        };
        let mut rule = rule.as_mut().map(|prepared| {
            move |rows: &[f32], out: &mut [f32]| {
                let mut run = Run::new().step(number);
                if let Some(weights) = weights {
                    run = run.weights(weights);
                }
                prepared.run_with(Matrix::new(rows, n, d)?, out, &run)
            }
        });
        let scene = Scene {
            byzantine: &byzantine,
            seed,
            step: number,
            start: &start,
            point,
            rule: rule.as_mut().map(|rule| rule as _),
        };
        attack.strike(rows, d, scene)
    }

    /// Aggregates the rows of round `number`, clipped to a length or as they are. Without a length, because the model
    /// has left the numbers, the result leaves them too.
    pub fn aggregate(
        &mut self,
        rows: &[f32],
        out: &mut [f32],
        number: u64,
        clip: Option<f64>,
    ) -> Result<()> {
        let (n, d) = (rows.len() / self.d, self.d);
        let mut run = Run::new().step(number);
        match clip {
            Some(length) if length.is_nan() => {
                out.fill(f32::NAN);
                return Ok(());
            }
            Some(length) => run = run.clip(length),
            None => {}
        }
        let prepared = self.prepared((n, clip.is_some(), false))?;
        let clock = Instant::now();
        prepared.run_with(Matrix::new(rows, n, d)?, out, &run)?;
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
