//! The classifier: two layers of candle's, trained by whatever gradient the server agrees on.

use candle_core::{Device, Result, Shape, Tensor, Var};
use candle_nn::{Linear, Module, loss};
use rand::RngExt;

use crate::random::{self, Purpose};

/// `pixels → hidden → classes` with a ReLU between.
pub struct Model {
    layers: [Linear; 2],
    /// The parameters that the layers share: weight and bias of each.
    parameters: Vec<Var>,
}

impl Model {
    /// Weights uniform in ±√(6 / inputs) (He et al. 2015), biases zero.
    pub fn new(sizes: [usize; 3], seed: u64) -> Result<Self> {
        let mut random = random::stream(seed, Purpose::Weights, 0, 0);
        let mut parameters = Vec::new();
        let mut layer = |inputs: usize, outputs: usize| -> Result<Linear> {
            let bound = (6.0 / inputs as f32).sqrt();
            let values = (0..inputs * outputs)
                .map(|_| random.random_range(-bound..bound))
                .collect();
            let weight = Var::from_vec::<_, f32>(values, (outputs, inputs), &Device::Cpu)?;
            let bias = Var::from_vec(vec![0f32; outputs], outputs, &Device::Cpu)?;
            let linear = Linear::new(weight.as_tensor().clone(), Some(bias.as_tensor().clone()));
            parameters.extend([weight, bias]);
            Ok(linear)
        };
        Ok(Model {
            layers: [layer(sizes[0], sizes[1])?, layer(sizes[1], sizes[2])?],
            parameters,
        })
    }

    /// The shape of each parameter; one tensor of a gradient belongs to each.
    pub fn shapes(&self) -> Vec<Shape> {
        self.parameters
            .iter()
            .map(|var| var.shape().clone())
            .collect()
    }

    fn logits(&self, images: &Tensor) -> Result<Tensor> {
        let hidden = self.layers[0].forward(images)?.relu()?;
        self.layers[1].forward(&hidden)
    }

    /// The gradient of the mean cross-entropy on a batch.
    pub fn gradient(&self, images: &Tensor, labels: Vec<u32>) -> Result<Vec<Tensor>> {
        let labels = Tensor::from_vec(labels, images.dim(0)?, &Device::Cpu)?;
        let mut gradients = loss::cross_entropy(&self.logits(images)?, &labels)?.backward()?;
        self.parameters
            .iter()
            .map(|var| match gradients.remove(var) {
                Some(gradient) => Ok(gradient),
                None => var.zeros_like(),
            })
            .collect()
    }

    /// `w ← w − rate · direction`.
    pub fn descend(&self, direction: &[Tensor], rate: f64) -> Result<()> {
        for (var, direction) in self.parameters.iter().zip(direction) {
            var.set(&(var.as_tensor() - direction.affine(rate, 0.0)?)?)?;
        }
        Ok(())
    }

    /// The share of images whose own class scores above all others; a NaN is never right.
    pub fn accuracy(&self, images: &Tensor, labels: &[u8]) -> Result<f64> {
        let logits = self.logits(images)?.flatten_all()?.to_vec1::<f32>()?;
        let classes = logits.len() / labels.len();
        let right = logits
            .chunks_exact(classes)
            .zip(labels)
            .filter(|&(scores, &label)| {
                let own = label as usize;
                scores
                    .iter()
                    .enumerate()
                    .all(|(class, &score)| class == own || score < scores[own])
            });
        Ok(right.count() as f64 / labels.len() as f64)
    }

    /// Is every parameter finite?
    pub fn is_finite(&self) -> Result<bool> {
        for var in &self.parameters {
            if !var.abs()?.sum_all()?.to_scalar::<f32>()?.is_finite() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descending_the_gradient_learns_a_batch() -> Result<()> {
        let model = Model::new([2, 8, 2], 1)?;
        let images = Tensor::new(
            &[[0f32, 1.0], [1.0, 0.0], [0.1, 0.9], [0.8, 0.0]],
            &Device::Cpu,
        )?;
        for _ in 0..50 {
            let gradient = model.gradient(&images, vec![0, 1, 0, 1])?;
            let shapes: Vec<_> = gradient
                .iter()
                .map(|tensor| tensor.shape().clone())
                .collect();
            assert_eq!(shapes, model.shapes());
            model.descend(&gradient, 0.5)?;
        }
        assert_eq!(model.accuracy(&images, &[0, 1, 0, 1])?, 1.0);
        assert_eq!(model.accuracy(&images, &[1, 1, 0, 1])?, 0.75);
        Ok(())
    }

    #[test]
    fn a_nan_is_neither_finite_nor_right() -> Result<()> {
        let model = Model::new([2, 3, 2], 1)?;
        assert!(model.is_finite()?);
        let nan = Tensor::new(f32::NAN, &Device::Cpu)?;
        let direction: Result<Vec<_>> = model
            .shapes()
            .iter()
            .map(|shape| nan.broadcast_as(shape))
            .collect();
        model.descend(&direction?, 0.1)?;
        assert!(!model.is_finite()?);
        let images = Tensor::new(&[[0f32, 1.0]], &Device::Cpu)?;
        assert_eq!(model.accuracy(&images, &[0])?, 0.0);
        assert_eq!(model.accuracy(&images, &[1])?, 0.0);
        Ok(())
    }
}
