//! Small networks for images, of candle's operations, with all parameters in one vector.

use candle_core::{D, Device, Result, Shape, Tensor, Var};
use rand::RngExt;

use super::super::data::Images;
use super::super::random::{self, Purpose};

/// What lies between the pixels and the scores.
#[derive(Clone, Debug)]
pub struct Layers {
    /// Weight and bias of each layer, in the order of the vector.
    shapes: Vec<Shape>,
    /// Channels, height and width of the images, if layers before the last two are convolutions.
    convolve: Option<(usize, usize, usize)>,
}

impl Layers {
    /// `pixels → hidden → classes` with a ReLU between.
    pub fn mlp(images: &Images, hidden: usize) -> Self {
        Layers {
            shapes: dense(images.shape.values(), hidden, images.classes),
            convolve: None,
        }
    }

    /// Two 3 × 3 convolutions, each with a ReLU and a maximum over 2 × 2, before the two dense layers.
    /// `None` if the sides of the images can't be halved twice.
    pub fn cnn(images: &Images, channels: usize, hidden: usize) -> Option<Self> {
        let shape = images.shape;
        if !shape.height.is_multiple_of(4) || !shape.width.is_multiple_of(4) {
            return None;
        }
        let mut shapes: Vec<Shape> = vec![
            (channels, shape.channels, 3, 3).into(),
            channels.into(),
            (2 * channels, channels, 3, 3).into(),
            (2 * channels).into(),
        ];
        let values = 2 * channels * (shape.height / 4) * (shape.width / 4);
        shapes.extend(dense(values, hidden, images.classes));
        Some(Layers {
            shapes,
            convolve: Some((shape.channels, shape.height, shape.width)),
        })
    }

    pub fn dimension(&self) -> usize {
        self.shapes.iter().map(Shape::elem_count).sum()
    }

    /// Weights uniform in ±√(6 / inputs) (He et al. 2015), biases zero.
    pub fn start(&self, seed: u64) -> Vec<f32> {
        let mut random = random::stream(seed, Purpose::Weights);
        let mut values = Vec::with_capacity(self.dimension());
        for shape in &self.shapes {
            match shape.dims() {
                [outputs] => values.extend(std::iter::repeat_n(0.0, *outputs)),
                dims => {
                    let inputs: usize = dims[1..].iter().product();
                    let bound = (6.0 / inputs as f32).sqrt();
                    values.extend(
                        (0..shape.elem_count()).map(|_| random.random_range(-bound..bound)),
                    );
                }
            }
        }
        values
    }

    /// The parameters in a vector; a gradient is with respect to them.
    pub fn variables(&self, at: &[f32]) -> Result<Vec<Var>> {
        let mut rest = at;
        let mut variables = Vec::with_capacity(self.shapes.len());
        for shape in &self.shapes {
            let (values, after) = rest.split_at(shape.elem_count());
            variables.push(Var::from_slice(values, shape, &Device::Cpu)?);
            rest = after;
        }
        Ok(variables)
    }

    /// The parameters in a vector, to compute scores only.
    pub fn constants(&self, at: &[f32]) -> Result<Vec<Tensor>> {
        let mut rest = at;
        let mut constants = Vec::with_capacity(self.shapes.len());
        for shape in &self.shapes {
            let (values, after) = rest.split_at(shape.elem_count());
            constants.push(Tensor::from_slice(values, shape, &Device::Cpu)?);
            rest = after;
        }
        Ok(constants)
    }

    /// The scores of images, k × values, for each class.
    pub fn scores(&self, parameters: &[&Tensor], images: &Tensor) -> Result<Tensor> {
        let mut x = images.clone();
        let mut parameters = parameters;
        if let Some((channels, height, width)) = self.convolve {
            let (convolutions, rest) = parameters.split_at(4);
            x = x.reshape((images.dim(0)?, channels, height, width))?;
            for layer in convolutions.chunks_exact(2) {
                let bias = layer[1].reshape((1, (), 1, 1))?;
                x = x.conv2d(layer[0], 1, 1, 1, 1)?.broadcast_add(&bias)?;
                x = x.relu()?.max_pool2d(2)?;
            }
            x = x.flatten_from(1)?;
            parameters = rest;
        }
        x = x
            .matmul(&parameters[0].t()?)?
            .broadcast_add(parameters[1])?;
        x.relu()?
            .matmul(&parameters[2].t()?)?
            .broadcast_add(parameters[3])
    }
}

fn dense(values: usize, hidden: usize, classes: usize) -> Vec<Shape> {
    vec![
        (hidden, values).into(),
        hidden.into(),
        (classes, hidden).into(),
        classes.into(),
    ]
}

/// The cross-entropy of each image.
pub fn losses(scores: &Tensor, labels: &Tensor) -> Result<Tensor> {
    let likelihoods = candle_nn::ops::log_softmax(scores, D::Minus1)?;
    likelihoods.gather(&labels.unsqueeze(1)?, 1)?.neg()
}
