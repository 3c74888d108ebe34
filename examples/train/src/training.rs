//! One training: n workers, a server, a rule and an attack.

use std::time::{Duration, Instant};

use byzagg::{Device, Rule};
use candle_core::Tensor;
use indicatif::ProgressBar;
use rand::seq::index;
use rayon::prelude::*;

use crate::Result;
use crate::aggregate::Aggregate;
use crate::attack::{Attack, Row};
use crate::cli::Arguments;
use crate::data::Data;
use crate::model::Model;
use crate::random::{self, Purpose};

/// How often the accuracy is measured.
const POINTS: usize = 25;

/// What all trainings have in common.
pub struct Setup<'a> {
    pub arguments: &'a Arguments,
    pub data: &'a Data,
    /// Where gradients are aggregated.
    pub device: Device,
    /// The images of each worker.
    pub shards: Vec<Vec<usize>>,
    /// All test images.
    pub test: Tensor,
}

/// What came out.
pub struct Outcome {
    /// Steps done and test accuracy then.
    pub curve: Vec<(usize, f64)>,
    /// The parameters were not finite any more, and the training was given up.
    pub diverged: bool,
    /// What each aggregation took, from tensors to tensors.
    pub times: Vec<Duration>,
}

impl Outcome {
    pub fn accuracy(&self) -> f64 {
        self.curve.last().map_or(0.0, |&(_, accuracy)| accuracy)
    }
}

impl<'a> Setup<'a> {
    pub fn new(arguments: &'a Arguments, data: &'a Data) -> Result<Self> {
        let everything: Vec<usize> = (0..data.test.len()).collect();
        Ok(Setup {
            arguments,
            data,
            device: arguments.device()?,
            shards: data
                .train
                .deal(arguments.workers, arguments.heterogeneity, arguments.seed),
            test: data.test.images(&everything)?,
        })
    }

    pub fn model(&self) -> Result<Model> {
        let sizes = [
            self.data.train.pixels(),
            self.arguments.hidden,
            self.data.classes,
        ];
        Ok(Model::new(sizes, self.arguments.seed)?)
    }

    pub fn train(&self, rule: &Rule, attack: Attack, progress: &ProgressBar) -> Result<Outcome> {
        let Arguments {
            workers: n,
            byzantine: f,
            steps,
            seed,
            ..
        } = *self.arguments;
        let model = self.model()?;
        let mut aggregate = Aggregate::new(rule, &self.device, n, model.shapes())?;
        let mut workers: Vec<Worker> = (0..n)
            .map(|i| Worker {
                index: i,
                turned: attack == Attack::LabelFlip && i >= n - f,
                momentum: Row::new(),
            })
            .collect();
        let mut outcome = Outcome {
            curve: vec![(0, model.accuracy(&self.test, self.data.test.labels())?)],
            diverged: false,
            times: Vec::with_capacity(steps),
        };
        let interval = steps.div_ceil(POINTS);

        for step in 0..steps {
            workers
                .par_iter_mut()
                .try_for_each(|worker| worker.work(self, &model, step))?;
            // A candle tensor is a handle: cloning copies no elements.
            let mut rows: Vec<Row> = workers
                .iter()
                .map(|worker| worker.momentum.clone())
                .collect();
            attack.strike(&mut rows, f, seed, step)?;

            let start = Instant::now();
            let direction = aggregate.run(&rows, step)?;
            outcome.times.push(start.elapsed());

            model.descend(&direction, self.arguments.lr)?;
            progress.inc(1);
            let done = step + 1;
            if done % interval == 0 || done == steps {
                outcome.diverged = !model.is_finite()?;
                outcome
                    .curve
                    .push((done, model.accuracy(&self.test, self.data.test.labels())?));
                if outcome.diverged {
                    progress.inc((steps - done) as u64);
                    break;
                }
            }
        }
        Ok(outcome)
    }
}

struct Worker {
    index: usize,
    /// Trains on labels turned around, c → classes − 1 − c.
    turned: bool,
    momentum: Row,
}

impl Worker {
    /// A step of momentum, `m ← βm + (1−β)g`, on a batch of the worker's own images.
    fn work(&mut self, setup: &Setup<'_>, model: &Model, step: usize) -> Result<()> {
        let Arguments {
            seed,
            batch,
            momentum: beta,
            ..
        } = *setup.arguments;
        let train = &setup.data.train;
        let shard = &setup.shards[self.index];
        let mut random = random::stream(seed, Purpose::Batch, self.index, step);
        let batch: Vec<usize> = index::sample(&mut random, shard.len(), batch.min(shard.len()))
            .iter()
            .map(|i| shard[i])
            .collect();
        let labels = batch.iter().map(|&i| {
            let label = train.labels()[i];
            turn(label, setup.data.classes, self.turned)
        });

        let gradient = model.gradient(&train.images(&batch)?, labels.collect())?;
        self.momentum = if self.momentum.is_empty() {
            gradient
                .iter()
                .map(|g| g.affine(1.0 - beta, 0.0))
                .collect::<candle_core::Result<_>>()?
        } else {
            let next = self.momentum.iter().zip(&gradient);
            next.map(|(m, g)| m.affine(beta, 0.0)? + g.affine(1.0 - beta, 0.0)?)
                .collect::<candle_core::Result<_>>()?
        };
        Ok(())
    }
}

fn turn(label: u8, classes: usize, turned: bool) -> u32 {
    let last = classes as u32 - 1;
    if turned {
        last - u32::from(label)
    } else {
        u32::from(label)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[test]
    fn turned_labels_count_from_the_other_end() {
        assert_eq!([0, 3, 9].map(|label| turn(label, 10, true)), [9, 6, 0]);
        assert_eq!([0, 3, 9].map(|label| turn(label, 10, false)), [0, 3, 9]);
    }

    fn outcome(rule: &str, attack: &str) -> Outcome {
        train("cpu", "60", rule, attack)
    }

    fn train(device: &str, steps: &str, rule: &str, attack: &str) -> Outcome {
        let arguments = Arguments::parse_from([
            "train",
            "--workers=7",
            "--byzantine=2",
            "--device",
            device,
            "--steps",
            steps,
        ]);
        let data = Data::digits().unwrap();
        let setup = Setup::new(&arguments, &data).unwrap();
        setup
            .train(
                &rule.parse().unwrap(),
                attack.parse().unwrap(),
                &ProgressBar::hidden(),
            )
            .unwrap()
    }

    #[test]
    fn the_median_learns_where_the_mean_is_lost() {
        let (mean, median) = (outcome("mean", "nan"), outcome("median", "nan"));
        assert!(mean.diverged && mean.accuracy() == 0.0);
        assert!(
            !median.diverged && median.accuracy() > 0.5,
            "{}",
            median.accuracy()
        );
        assert_eq!(median.times.len(), 60);
        assert_eq!((median.curve[0].0, median.curve.last().unwrap().0), (0, 60));
    }

    #[test]
    fn a_run_can_be_repeated() {
        for attack in ["none", "bit-flips"] {
            assert_eq!(
                outcome("median", attack).curve,
                outcome("median", attack).curve
            );
        }
    }

    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    #[test]
    fn a_gpu_learns_what_the_cpu_learns() {
        let devices = [
            #[cfg(feature = "wgpu")]
            crate::device::wgpu().map(|_| "wgpu"),
            #[cfg(feature = "cuda")]
            crate::device::cuda().map(|_| "cuda"),
        ];
        for device in devices.into_iter().flatten() {
            for (rule, attack) in [("ctma(median,f=2)", "nan"), ("nnm(cwtm(f=2),f=2)", "alie")] {
                let [cpu, gpu] = ["cpu", device].map(|device| train(device, "10", rule, attack));
                assert!(!gpu.diverged && gpu.times.len() == 10);
                assert_eq!(cpu.curve.len(), gpu.curve.len());
                for ((step, cpu), (_, gpu)) in cpu.curve.iter().zip(&gpu.curve) {
                    // Sums are rounded differently: an image or two near the border may change sides.
                    let difference = (cpu - gpu).abs();
                    assert!(
                        difference <= 0.01,
                        "{rule} on {device}, step {step}: {cpu} and {gpu}"
                    );
                }
            }
        }
    }

    #[test]
    fn flipped_labels_pull_the_mean_away() {
        assert!(outcome("mean", "label-flip").accuracy() < outcome("mean", "none").accuracy());
    }
}
