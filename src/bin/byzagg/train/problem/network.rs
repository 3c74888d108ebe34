//! A classifier of images: each worker's gradients by candle.

use byzagg::training::{Problem, Sample};
use candle_core::{Device, Tensor};
use rayon::prelude::*;

use super::super::data::{Augment, Batch, Images};
use super::super::settings::{Kind, Settings};
use super::layers::{self, Layers};
use super::{Measure, Task, drawn, failed};
use crate::failure::{Failure, Outcome};

/// Test images that are scored at a time: what lies between the layers of a large network takes memory.
const CHUNK: usize = 500;

pub struct Network<'a> {
    images: &'a Images,
    shards: Vec<Vec<u32>>,
    layers: Layers,
    batch: usize,
    augment: Augment,
    seed: u64,
    tests: Batch,
}

impl<'a> Network<'a> {
    pub fn new(settings: &Settings, images: &'a Images, shards: Vec<Vec<u32>>) -> Outcome<Self> {
        let hidden = settings.model.hidden.unwrap_or(1);
        let layers = match settings.model.kind {
            Kind::Cnn => Layers::cnn(images, settings.model.channels.unwrap_or(1), hidden),
            _ => Some(Layers::mlp(images, hidden)),
        };
        let layers = layers.ok_or_else(|| {
            Failure::new(format!(
                "model.kind: cnn needs images with sides of a multiple of 4, got {} x {}",
                images.shape.height, images.shape.width
            ))
        })?;
        Ok(Network {
            images,
            shards,
            layers,
            batch: settings.training.batch,
            augment: settings.data.augment.clone(),
            seed: settings.seed,
            tests: images.tests().map_err(failure)?,
        })
    }

    fn try_gradient(
        &self,
        worker: usize,
        at: &[f32],
        sample: Sample,
        gradient: &mut [f32],
    ) -> candle_core::Result<()> {
        let (indices, mut random) = drawn(&self.shards[worker], sample.draw, self.batch);
        let augment = self.augment.concerns(worker).then_some(&self.augment);
        let batch = self
            .images
            .batch(&indices, augment.map(|augment| (augment, &mut random)))?;
        let last = self.images.classes as u32 - 1;
        let labels: Vec<u32> = (batch.labels.iter())
            .map(|&label| match sample.flipped {
                true => last - u32::from(label),
                false => u32::from(label),
            })
            .collect();
        let labels = Tensor::from_vec(labels, indices.len(), &Device::Cpu)?;

        let variables = self.layers.variables(at)?;
        let parameters: Vec<&Tensor> = variables.iter().map(|var| var.as_tensor()).collect();
        let scores = self.layers.scores(&parameters, &batch.images)?;
        let gradients = layers::losses(&scores, &labels)?.mean_all()?.backward()?;
        let mut rest = gradient;
        for variable in &variables {
            let (values, after) = rest.split_at_mut(variable.elem_count());
            match gradients.get(variable) {
                Some(tensor) => {
                    values.copy_from_slice(&tensor.flatten_all()?.to_vec1::<f32>()?);
                }
                None => values.fill(0.0),
            }
            rest = after;
        }
        Ok(())
    }

    /// The sum of the losses of some test images, and how many are right.
    fn score(&self, constants: &[&Tensor], from: usize) -> candle_core::Result<(f64, usize)> {
        let count = CHUNK.min(self.tests.labels.len() - from);
        let labels = &self.tests.labels[from..from + count];
        let images = self.tests.images.narrow(0, from, count)?;
        let scores = self.layers.scores(constants, &images)?;
        let wanted: Vec<u32> = labels.iter().map(|&label| u32::from(label)).collect();
        let wanted = Tensor::from_vec(wanted, count, &Device::Cpu)?;
        let losses = layers::losses(&scores, &wanted)?
            .flatten_all()?
            .to_vec1::<f32>()?;
        let scores = scores.flatten_all()?.to_vec1::<f32>()?;
        let right = (scores.chunks_exact(self.images.classes).zip(labels))
            .filter(|&(scores, &label)| is_right(scores, label as usize));
        Ok((losses.into_iter().map(f64::from).sum(), right.count()))
    }
}

/// Does a class score above all others? A NaN never does.
fn is_right(scores: &[f32], own: usize) -> bool {
    let above = |(class, &score): (usize, &f32)| class == own || score < scores[own];
    scores.iter().enumerate().all(above)
}

impl Problem for Network<'_> {
    fn workers(&self) -> usize {
        self.shards.len()
    }

    fn dimension(&self) -> usize {
        self.layers.dimension()
    }

    fn gradient(
        &self,
        worker: usize,
        at: &[f32],
        sample: Sample,
        gradient: &mut [f32],
    ) -> byzagg::Result<()> {
        self.try_gradient(worker, at, sample, gradient)
            .map_err(failed)
    }
}

impl Task for Network<'_> {
    fn start(&self) -> Vec<f32> {
        self.layers.start(self.seed)
    }

    /// On the test images.
    fn measure(&self, at: &[f32]) -> Outcome<Measure> {
        let constants = self.layers.constants(at).map_err(failure)?;
        let constants: Vec<&Tensor> = constants.iter().collect();
        let count = self.tests.labels.len();
        let starts: Vec<usize> = (0..count).step_by(CHUNK).collect();
        let parts: candle_core::Result<Vec<_>> = (starts.into_par_iter())
            .map(|from| self.score(&constants, from))
            .collect();
        let parts = parts.map_err(failure)?;
        let loss: f64 = parts.iter().map(|(loss, _)| loss).sum();
        let right: usize = parts.iter().map(|(_, right)| right).sum();
        Ok(Measure {
            loss: loss / count as f64,
            accuracy: right as f64 / count as f64,
            gap: None,
            distance: None,
        })
    }
}

fn failure(error: candle_core::Error) -> Failure {
    Failure::new(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::config::{Config, parse};
    use crate::train::data::Data;
    use byzagg::training::Draw;

    fn with<T>(text: &str, test: impl FnOnce(&dyn Task) -> T) -> T {
        let config = Config::new(&parse(text).unwrap()).unwrap();
        let settings = &config.cells[0].settings;
        let data = Data::open(&settings.data).unwrap();
        test(&*super::super::task(settings, &data, None).unwrap())
    }

    fn gradient(task: &dyn Task, at: &[f32], flipped: bool) -> Vec<f32> {
        let mut gradient = vec![f32::NAN; task.dimension()];
        let draw = Draw::Batch(5);
        task.gradient(1, at, Sample { draw, flipped }, &mut gradient)
            .unwrap();
        gradient
    }

    const SMALL: &str = "[model]\nhidden = 8\n[training]\nbatch = 0\n";
    const CNN: &str = "[model]\nkind = \"cnn\"\nhidden = 8\nchannels = 2\n[training]\nbatch = 0\n";

    #[test]
    fn descending_the_gradient_learns() {
        for (text, d) in [(SMALL, 8 * 65 + 90), (CNN, 20 + 76 / 2 * 2 + 8 * 17 + 90)] {
            with(text, |task| {
                assert_eq!(task.dimension(), d);
                let mut at = task.start();
                let before = task.measure(&at).unwrap();
                for _ in 0..40 {
                    for (x, g) in at
                        .clone()
                        .iter()
                        .zip(gradient(task, &at, false))
                        .enumerate()
                        .map(|(i, (x, g))| (i, x - 0.3 * g))
                    {
                        at[x] = g;
                    }
                }
                let after = task.measure(&at).unwrap();
                assert!(after.loss < 0.95 * before.loss, "{before:?} {after:?}");
                assert!(after.accuracy > before.accuracy);
                at.fill(f32::NAN);
                assert_eq!(task.measure(&at).unwrap().accuracy, 0.0);
            });
        }
    }

    #[test]
    fn gradients_are_slopes_and_repeat() {
        for text in [SMALL, CNN] {
            with(text, |task| {
                let at = task.start();
                let slope = gradient(task, &at, false);
                assert_eq!(slope, gradient(task, &at, false));
                assert_ne!(slope, gradient(task, &at, true));
                assert!(slope.iter().all(|g| g.is_finite()) && slope.iter().any(|&g| g != 0.0));
            });
        }
    }

    #[test]
    fn only_augmented_workers_see_changes() {
        let plain = with(SMALL, |task| gradient(task, &task.start(), false));
        let noisy = |workers| {
            let text = format!("{SMALL}[data.augment]\nnoise = 0.1\nworkers = {workers}");
            with(&text, |task| gradient(task, &task.start(), false))
        };
        assert_eq!(noisy(1), plain);
        assert_ne!(noisy(2), plain);
        assert_eq!(noisy(2), noisy(2));
    }
}
