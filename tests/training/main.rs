//! Training methods against transcriptions in f64 on a small quadratic problem, under attack, and from checkpoints.

#[path = "../common/mod.rs"]
mod common;

mod blocks;
mod convergence;
mod definitions;
mod resume;
mod settings;

use std::sync::Mutex;

use byzagg::training::{Draw, Method, Problem, Sample, Server};
use byzagg::{Device, Result};

/// `½ Σ_k h_k (x_k − c_ik)²` for worker i, with noise of its own in every batch. Logs who was asked.
struct Quadratic {
    n: usize,
    d: usize,
    /// How far the workers' centres lie from the common one.
    spread: f64,
    noise: f64,
    log: Mutex<Vec<(usize, Sample)>>,
}

impl Quadratic {
    fn new(n: usize, d: usize, spread: f64, noise: f64) -> Self {
        let log = Mutex::default();
        Quadratic {
            n,
            d,
            spread,
            noise,
            log,
        }
    }

    /// A number in [−1, 1] without a pattern.
    fn hash(a: u64, b: u64) -> f64 {
        let mixed = (a ^ b.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_mul(0xd6e8_feb8_6659_fd93);
        let mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
        (mixed >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    fn curvature(k: usize) -> f64 {
        [0.5, 1.0, 1.5][k % 3]
    }

    fn exact(&self, worker: usize, at: &[f64], sample: Sample) -> Vec<f64> {
        let gradient = at.iter().enumerate().map(|(k, x)| {
            let centre = 1.0 + self.spread * Self::hash(worker as u64 + 1, k as u64);
            let noise = match sample.draw {
                Draw::All => 0.0,
                Draw::Batch(seed) => self.noise * Self::hash(seed, k as u64),
            };
            let gradient = Self::curvature(k) * (x - centre) + noise;
            if sample.flipped { -gradient } else { gradient }
        });
        gradient.collect()
    }

    /// Who was asked since the last call, by worker.
    fn asked(&self) -> Vec<(usize, Sample)> {
        let mut asked = std::mem::take(&mut *self.log.lock().unwrap());
        asked.sort_by_key(|&(worker, _)| worker);
        asked
    }

    /// The squared distance to the common centre.
    fn distance(&self, x: &[f32]) -> f64 {
        x.iter().map(|&x| (f64::from(x) - 1.0).powi(2)).sum()
    }
}

impl Problem for Quadratic {
    fn workers(&self) -> usize {
        self.n
    }

    fn dimension(&self) -> usize {
        self.d
    }

    fn gradient(
        &self,
        worker: usize,
        at: &[f32],
        sample: Sample,
        gradient: &mut [f32],
    ) -> Result<()> {
        self.log.lock().unwrap().push((worker, sample));
        let exact = self.exact(worker, &wide(at), sample);
        gradient
            .iter_mut()
            .zip(exact)
            .for_each(|(g, e)| *g = e as f32);
        Ok(())
    }
}

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

fn server(rule: &str, attack: &str, problem: &Quadratic, byzantine: usize, rate: f64) -> Server {
    Server {
        rule: rule.parse().unwrap(),
        device: Device::cpu(),
        attack: attack.parse().unwrap(),
        byzantine,
        rate,
        seed: 7,
        start: (0..problem.d).map(|k| 4.0 - k as f32).collect(),
    }
}

const METHODS: [Method; 4] = [
    Method::Sgd,
    Method::Momentum { beta: 0.8 },
    Method::Mu2 {
        beta: None,
        gamma: None,
    },
    Method::Mu2 {
        beta: Some(0.3),
        gamma: Some(0.2),
    },
];
