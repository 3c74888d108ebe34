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

    /// Byzantine workers replace their rows. Attacks that try the rule have it as it will be served.
    pub fn strike(
        &mut self,
        workers: &[usize],
        rows: &mut [f32],
        serving: &Serving<'_>,
        point: &[f32],
    ) -> Result<()> {
        let (n, d) = (workers.len(), self.d);
        let byzantine: Vec<usize> = (0..n).filter(|&i| self.is_byzantine(workers[i])).collect();
        let (attack, seed) = (self.server.attack.clone(), self.server.seed);
        let start = self.server.start.clone();
        let mut rule = match attack.is_adaptive() {
            true => Some(self.prepared(serving.kind(n))?),
            false => None,
        };
        let mut rule = rule
            .as_mut()
            .map(|prepared| move |rows: &[f32], out: &mut [f32]| serving.run(prepared, rows, out));
        let scene = Scene {
            byzantine: &byzantine,
            seed,
            step: serving.number,
            start: &start,
            point,
            rule: rule.as_mut().map(|rule| rule as _),
        };
        attack.strike(rows, d, scene)
    }

    /// What the server makes of the rows.
    pub fn aggregate(
        &mut self,
        rows: &[f32],
        out: &mut [f32],
        serving: &Serving<'_>,
    ) -> Result<()> {
        let n = rows.len() / self.d;
        let prepared = self.prepared(serving.kind(n))?;
        let clock = Instant::now();
        serving.run(prepared, rows, out)?;
        self.progress.aggregating += clock.elapsed();
        Ok(())
    }
}

/// How the rows of a round are aggregated.
#[derive(Default)]
pub(super) struct Serving<'a> {
    pub number: u64,
    pub weights: Option<&'a [f64]>,
    /// What is aggregated are the rows' differences to this vector, and it is added to the result.
    pub about: Option<&'a [f32]>,
    /// The length that they are clipped to.
    pub clip: Option<f64>,
}

impl Serving<'_> {
    fn kind(&self, rows: usize) -> Kind {
        (rows, self.clip.is_some(), self.weights.is_some())
    }

    /// Without a length, because the model has left the numbers, the result leaves them too.
    fn run(&self, prepared: &mut Prepared, rows: &[f32], out: &mut [f32]) -> Result<()> {
        let d = out.len();
        let mut run = Run::new().step(self.number);
        if let Some(weights) = self.weights {
            run = run.weights(weights);
        }
        if let Some(length) = self.clip {
            if length.is_nan() {
                out.fill(f32::NAN);
                return Ok(());
            }
            run = run.clip(length);
        }
        let Some(about) = self.about else {
            return prepared.run_with(Matrix::new(rows, rows.len() / d, d)?, out, &run);
        };
        let rows: Vec<f32> = (rows.chunks(d))
            .flat_map(|row| row.iter().zip(about).map(|(v, g)| v - g))
            .collect();
        prepared.run_with(Matrix::new(&rows, rows.len() / d, d)?, &mut *out, &run)?;
        out.iter_mut().zip(about).for_each(|(out, g)| *out += g);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Device;
    use crate::attack::Attack;

    struct Nothing;

    impl Problem for Nothing {
        fn workers(&self) -> usize {
            9
        }

        fn dimension(&self) -> usize {
            4
        }

        fn gradient(&self, _: usize, _: &[f32], _: Sample, _: &mut [f32]) -> Result<()> {
            Ok(())
        }
    }

    /// Seven honest rows about (1, 2, 3, 4), some nearer and some farther, then two attackers' zeros.
    fn rows() -> Vec<f32> {
        let honest = (0..28).map(|i| {
            let noise = ((i * 37 % 19) as f32 - 9.0) * (1 + i / 4 % 3) as f32;
            (1 + i % 4) as f32 + 0.1 * noise
        });
        honest.chain([0.0; 8]).collect()
    }

    #[test]
    fn adaptive_attacks_see_what_is_served() -> Result<()> {
        let rule: Rule = "cwtm(f=2)".parse()?;
        let mut round = Round::new(
            &Nothing,
            Server {
                start: vec![0.0; 4],
                rule: rule.clone(),
                attack: Attack::OptimalIpm,
                byzantine: 2,
                rate: 0.1,
                seed: 1,
                device: Device::cpu(),
            },
        )?;
        let (about, length) = ([4.0, 3.0, 2.0, 1.0], 2.0);
        let mut forged = rows();
        let serving = Serving {
            number: 3,
            about: Some(&about),
            clip: Some(length),
            ..Serving::default()
        };
        round.strike(&[0, 1, 2, 3, 4, 5, 6, 7, 8], &mut forged, &serving, &[])?;

        // The same attack on a server that is spelled out, and on one that does not clip.
        let strike = |serve: &mut crate::attack::Aggregate<'_>| {
            let mut rows = rows();
            let scene = Scene {
                byzantine: &[7, 8],
                rule: Some(serve),
                ..Scene::default()
            };
            Attack::OptimalIpm
                .strike(&mut rows, 4, scene)
                .map(|()| rows)
        };
        let mut plain = rule.prepare(&Device::cpu(), &Shape::new(9, 4), DType::F32)?;
        let mut clipped = |rows: &[f32], out: &mut [f32]| {
            let mut moved = Vec::new();
            for row in rows.chunks(4) {
                let row: Vec<f32> = row.iter().zip(about).map(|(v, g)| v - g).collect();
                let factor = (length / self::length(&row)).min(1.0) as f32;
                moved.extend(row.iter().map(|v| factor * v));
            }
            plain.run(Matrix::new(&moved, 9, 4)?, &mut *out)?;
            out.iter_mut().zip(about).for_each(|(out, g)| *out += g);
            Ok(())
        };
        assert_eq!(forged, strike(&mut clipped)?);
        let mut plain = rule.prepare(&Device::cpu(), &Shape::new(9, 4), DType::F32)?;
        let mut unclipped =
            |rows: &[f32], out: &mut [f32]| plain.run(Matrix::new(rows, 9, 4)?, out);
        assert_ne!(forged, strike(&mut unclipped)?);
        Ok(())
    }
}
