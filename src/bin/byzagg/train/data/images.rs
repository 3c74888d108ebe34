//! Images of one size, each with a label.

use candle_core::{Device, Tensor};
use rand_chacha::ChaCha8Rng;

use super::Augment;
use crate::failure::{Failure, Outcome};

/// A training set and a test set.
#[derive(Debug)]
pub struct Images {
    pub train: Part,
    pub test: Part,
    pub classes: usize,
    pub shape: Shape,
}

/// Channels, height and width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
}

impl Shape {
    pub fn values(&self) -> usize {
        self.channels * self.height * self.width
    }
}

/// One of the two sets.
#[derive(Debug)]
pub struct Part {
    /// Image after image, channel after channel, row after row.
    pub bytes: Vec<u8>,
    pub labels: Vec<u8>,
    /// The brightest pixel: 16 in the digits, 255 in MNIST.
    white: f32,
}

/// k × values and k.
pub struct Batch {
    pub images: Tensor,
    pub labels: Vec<u8>,
}

impl Images {
    pub fn new(shape: Shape, train: Part, test: Part) -> Outcome<Self> {
        let classes = 1 + *train.labels.iter().max().unwrap_or(&0) as usize;
        if let Some(label) = test.labels.iter().find(|&&label| label as usize >= classes) {
            return Err(Failure::new(format!(
                "test labels: expected the training set's 0 to {}, got {label}",
                classes - 1
            )));
        }
        Ok(Images {
            train,
            test,
            classes,
            shape,
        })
    }

    /// Training images of some indices.
    pub fn batch(
        &self,
        indices: &[u32],
        augment: Option<(&Augment, &mut ChaCha8Rng)>,
    ) -> candle_core::Result<Batch> {
        let indices = indices.iter().map(|&i| i as usize);
        self.train.batch(self.shape, indices, augment)
    }

    /// All test images.
    pub fn tests(&self) -> candle_core::Result<Batch> {
        self.test.batch(self.shape, 0..self.test.len(), None)
    }
}

impl Part {
    pub fn new(bytes: Vec<u8>, labels: Vec<u8>) -> Self {
        let white = f32::from(*bytes.iter().max().unwrap_or(&0)).max(1.0);
        Part {
            bytes,
            labels,
            white,
        }
    }

    pub fn len(&self) -> usize {
        self.labels.len()
    }

    pub fn labels(&self) -> &[u8] {
        &self.labels
    }

    /// Pixels are between 0 and 1 before noise.
    fn batch(
        &self,
        shape: Shape,
        indices: impl ExactSizeIterator<Item = usize>,
        mut augment: Option<(&Augment, &mut ChaCha8Rng)>,
    ) -> candle_core::Result<Batch> {
        let (size, count) = (shape.values(), indices.len());
        let mut values = Vec::with_capacity(count * size);
        let mut labels = Vec::with_capacity(count);
        for i in indices {
            let image = &self.bytes[i * size..][..size];
            let start = values.len();
            values.extend(image.iter().map(|&byte| f32::from(byte) / self.white));
            if let Some((augment, random)) = &mut augment {
                augment.apply(&mut values[start..], shape, random);
            }
            labels.push(self.labels[i]);
        }
        let images = Tensor::from_vec(values, (count, size), &Device::Cpu)?;
        Ok(Batch { images, labels })
    }
}
