//! Learning problems: data, dealt to workers, and a model.

mod layers;
mod logistic;
mod network;
mod optimum;

use byzagg::training::{Draw, Problem};
use rand::SeedableRng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;

pub use logistic::Logistic;
pub use network::Network;
pub use optimum::Optimum;

use super::data::Data;
use super::settings::{Kind, Settings};
use crate::failure::{Failure, Outcome};

/// A problem that can say how good a point is.
pub trait Task: Problem {
    /// Where a training starts.
    fn start(&self) -> Vec<f32>;

    fn measure(&self, at: &[f32]) -> Outcome<Measure>;
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measure {
    pub loss: f64,
    pub accuracy: f64,
    /// `f(x) − f(x*)` and `‖x − x*‖²`, where the optimum is known.
    pub gap: Option<f64>,
    pub distance: Option<f64>,
}

/// The problem of a training. An optimum is for its data and regularisation.
pub fn task<'a>(
    settings: &Settings,
    data: &'a Data,
    optimum: Option<&'a Optimum>,
) -> Outcome<Box<dyn Task + 'a>> {
    let n = settings.workers.n;
    if data.len() < n {
        return Err(Failure::new(format!(
            "workers.n: expected at most one for each of {} samples, got {n}",
            data.len()
        )));
    }
    let shards = data.deal(&settings.data, n, settings.seed);
    if let Some(worker) = shards.iter().position(Vec::is_empty) {
        return Err(Failure::new(format!(
            "workers.n: expected samples for each of {n} workers, got none of {} for worker {worker}",
            data.len()
        )));
    }
    let batch = settings.training.batch;
    let task: Box<dyn Task + 'a> = match (settings.model.kind, data) {
        (Kind::Logistic, Data::Rows(rows)) => {
            let l2 = settings.model.l2.unwrap_or(0.0);
            Box::new(Logistic::new(rows, shards, batch, l2, optimum))
        }
        (Kind::Mlp | Kind::Cnn, Data::Images(images)) => {
            Box::new(Network::new(settings, images, shards)?)
        }
        (Kind::Logistic, _) => {
            return Err(Failure::new(
                "model.kind: logistic is for data.set = \"libsvm\"",
            ));
        }
        (Kind::Mlp | Kind::Cnn, _) => {
            return Err(Failure::new(
                "model.kind: expected logistic, which data.set = \"libsvm\" is for",
            ));
        }
    };
    Ok(task)
}

/// The samples that a draw names, and the random numbers that go on with it. A batch of 0 is the whole shard.
fn drawn(shard: &[u32], draw: Draw, batch: usize) -> (Vec<u32>, ChaCha8Rng) {
    let seed = match draw {
        Draw::Batch(seed) => seed,
        _ => 0,
    };
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let all = matches!(draw, Draw::All) || batch == 0 || batch >= shard.len();
    let samples = match all {
        true => shard.to_vec(),
        false => index::sample(&mut random, shard.len(), batch)
            .iter()
            .map(|i| shard[i])
            .collect(),
    };
    (samples, random)
}

fn failed(error: impl std::fmt::Display) -> byzagg::Error {
    byzagg::Error::Training {
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_draw_is_the_same_batch() {
        let shard: Vec<u32> = (100..150).collect();
        let batch = |draw, size| drawn(&shard, draw, size).0;
        assert_eq!(batch(Draw::All, 5), shard);
        assert_eq!(batch(Draw::Batch(3), 0), shard);
        assert_eq!(batch(Draw::Batch(3), 50), shard);
        let mut some = batch(Draw::Batch(3), 20);
        assert_eq!(some, batch(Draw::Batch(3), 20));
        assert_ne!(some, batch(Draw::Batch(4), 20));
        some.sort();
        some.dedup();
        assert_eq!(some.len(), 20);
        assert!(some.iter().all(|i| shard.contains(i)));
    }
}
