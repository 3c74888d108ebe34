//! What workers send, and how the server steps.

use super::Problem;
use super::recurrence::{Recurrence, average, corrected_momentum, descent, momentum};
use super::round::Round;
use super::state::State;
use crate::matrix::Block;
use crate::{DType, Device, Error, Matrix, Result, Shape};

/// How workers make vectors of gradients, and the server a model of vectors.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Method {
    /// Gradients g; `x ← x − η A(g)`.
    Sgd,
    /// Worker momentum `m ← β m + (1−β) g` from m = 0; `x ← x − η A(m)`.
    Momentum {
        /// The weight of the old momentum, in [0, 1).
        beta: f64,
    },
    /// μ²-SGD, double momentum (Dahan, Levy 2024): `d ← g(x_t) + (1−β_t)(d − g(x_{t−1}))`, both gradients on one sample;
    /// `w ← w − η α_t A(d)`, and x the average of all w so far, weighted by α.
    Mu2 {
        /// The weight of the new gradient, in (0, 1]. None: `β_t = 1/t`.
        beta: Option<f64>,
        /// `x ← (1−γ) x + γ w` with this γ in (0, 1], and α_t = 1. None: α_t = t, so that γ_t = 2/(t+2).
        gamma: Option<f64>,
    },
}

impl Method {
    pub(super) fn check(&self) -> Result<()> {
        let refuse = |what: &str, range: &str, got: f64| {
            let text = format!("{what}: expected a number in {range}, got {got}");
            Err(Error::training(text))
        };
        match *self {
            Method::Momentum { beta } if !(0.0..1.0).contains(&beta) => {
                refuse("beta", "[0, 1)", beta)
            }
            Method::Mu2 { beta, gamma } => {
                for (name, share) in [("beta", beta), ("gamma", gamma)] {
                    match share {
                        Some(share) if !(share > 0.0 && share <= 1.0) => {
                            return refuse(name, "(0, 1]", share);
                        }
                        _ => {}
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Do workers need the gradient at the point before, too?
    pub(super) fn needs_point_before(&self) -> bool {
        matches!(self, Method::Mu2 { .. })
    }
}

/// The workers' side: a vector each, row after row.
pub(super) struct Momenta {
    method: Method,
    rows: Vec<f32>,
    d: usize,
    one: Recurrence<1>,
    two: Recurrence<2>,
}

impl Momenta {
    pub fn new(method: Method, n: usize, d: usize) -> Result<Self> {
        let cpu = Device::cpu();
        Ok(Momenta {
            method,
            rows: match method {
                Method::Sgd => Vec::new(),
                _ => vec![0.0; n * d],
            },
            d,
            one: Recurrence::prepare(&cpu, &Shape::new(1, d), DType::F32)?,
            two: Recurrence::prepare(&cpu, &Shape::new(2, d), DType::F32)?,
        })
    }

    /// What workers would honestly send in step t, row after row. Of each worker: the point that it computes at and
    /// the one before, and which of its vectors it is, from 1.
    pub fn compute<'p>(
        &mut self,
        round: &mut Round,
        problem: &dyn Problem,
        (workers, t): (&[usize], u64),
        points: impl Fn(usize) -> [&'p [f32]; 2] + Sync,
        count: impl Fn(usize) -> u64,
    ) -> Result<Vec<f32>> {
        let (d, samples) = (self.d, round.samples(t, true));
        let mut rows = vec![0.0; workers.len() * d];
        round.fill(workers, &mut rows, 1, |worker, row| {
            problem.gradient(worker, points(worker)[0], samples[worker], row)
        })?;
        let mut before = vec![0.0; rows.len()];
        if self.method.needs_point_before() && workers.iter().any(|&worker| count(worker) > 1) {
            round.fill(workers, &mut before, 1, |worker, row| {
                problem.gradient(worker, points(worker)[1], samples[worker], row)
            })?;
        }
        let pairs = rows.chunks_mut(d).zip(before.chunks(d));
        for (&worker, (row, before)) in workers.iter().zip(pairs) {
            self.update(worker, count(worker), row, before)?;
        }
        Ok(rows)
    }

    /// What a worker sends, given its gradient (and that at the point before) in its `count`-th update, from 1.
    /// The result takes the gradient's place.
    fn update(
        &mut self,
        worker: usize,
        count: u64,
        gradient: &mut [f32],
        before: &[f32],
    ) -> Result<()> {
        let row = match self.method {
            Method::Sgd => return Ok(()),
            _ => &mut self.rows[worker * self.d..][..self.d],
        };
        match self.method {
            Method::Sgd => {}
            Method::Momentum { beta } => {
                let vector = Matrix::new(gradient, 1, self.d)?;
                self.one.run(vector, &mut *row, momentum(beta))?;
            }
            Method::Mu2 { beta, .. } => {
                // The first vector is the gradient itself: nothing was there to be corrected.
                let beta = match (count, beta) {
                    (1, _) => 1.0,
                    (_, Some(beta)) => beta,
                    (count, None) => 1.0 / count as f64,
                };
                let vectors = [&*gradient, before];
                let vectors = Block::from_rows(&vectors)?;
                self.two.run(vectors, &mut *row, corrected_momentum(beta))?;
            }
        }
        gradient.copy_from_slice(row);
        Ok(())
    }

    pub fn save(&self, state: &mut State) {
        state.vector("momenta", &self.rows);
    }

    pub fn load(&mut self, state: &State) {
        self.rows.copy_from_slice(&state.vectors["momenta"]);
    }
}

/// The server's side: the model, and what it is the average of.
pub(super) struct Model {
    method: Method,
    rate: f64,
    pub x: Vec<f32>,
    /// Not averaged; empty where x is not, either.
    w: Vec<f32>,
    one: Recurrence<1>,
}

impl Model {
    pub fn new(method: Method, rate: f64, start: &[f32]) -> Result<Self> {
        let d = start.len();
        Ok(Model {
            method,
            rate,
            x: start.to_vec(),
            w: match method {
                Method::Mu2 { .. } => start.to_vec(),
                _ => Vec::new(),
            },
            one: Recurrence::prepare(&Device::cpu(), &Shape::new(1, d), DType::F32)?,
        })
    }

    /// Step t, from 1, along an aggregate.
    pub fn step(&mut self, t: u64, aggregate: &[f32]) -> Result<()> {
        let d = aggregate.len();
        let aggregate = Matrix::new(aggregate, 1, d)?;
        let Method::Mu2 { gamma, .. } = self.method else {
            return self.one.run(aggregate, &mut self.x, descent(self.rate));
        };
        let (alpha, gamma) = match gamma {
            Some(gamma) => (1.0, gamma),
            None => (t as f64, 2.0 / (t as f64 + 2.0)),
        };
        self.one
            .run(aggregate, &mut self.w, descent(self.rate * alpha))?;
        let w = Matrix::new(&self.w, 1, d)?;
        self.one.run(w, &mut self.x, average(gamma))
    }

    pub fn save(&self, state: &mut State) {
        state.vector("x", &self.x);
        state.vector("w", &self.w);
    }

    pub fn load(&mut self, state: &State) {
        self.x.copy_from_slice(&state.vectors["x"]);
        self.w.copy_from_slice(&state.vectors["w"]);
    }
}
