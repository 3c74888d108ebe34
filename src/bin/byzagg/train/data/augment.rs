//! Random changes of images, a new one each time that an image is drawn.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::images::Shape;
use crate::failure::{Failure, Outcome};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Augment {
    /// Only the first so many workers' images are changed.
    pub workers: Option<usize>,
    /// By up to so many pixels, each way; what comes in is black.
    pub shift: Option<usize>,
    /// Mirrored left to right, every other time.
    pub flip: Option<bool>,
    /// Standard deviation of what is added to each pixel between 0 and 1.
    pub noise: Option<f32>,
}

impl Augment {
    pub fn check(&self) -> Outcome {
        if self
            .noise
            .is_some_and(|noise| !(0.0..=1e3).contains(&noise))
        {
            return Err(Failure::new(format!(
                "data.augment.noise: expected a standard deviation from 0 to 1000, got {}",
                self.noise.unwrap_or_default()
            )));
        }
        match self.shift {
            Some(shift) if shift > 1000 => Err(Failure::new(format!(
                "data.augment.shift: expected at most 1000 pixels, got {shift}"
            ))),
            _ => Ok(()),
        }
    }

    /// Does it change a worker's images?
    pub fn concerns(&self, worker: usize) -> bool {
        let does = self.shift.is_some_and(|shift| shift > 0)
            || self.flip == Some(true)
            || self.noise.is_some_and(|noise| noise > 0.0);
        does && self.workers.is_none_or(|workers| worker < workers)
    }

    pub fn apply(&self, image: &mut [f32], shape: Shape, random: &mut ChaCha8Rng) {
        let Shape { height, width, .. } = shape;
        let mut by = || match self.shift.unwrap_or(0) as i64 {
            0 => 0,
            most => random.random_range(-most..=most),
        };
        let (down, right) = (by(), by());
        let flip = self.flip == Some(true) && random.random_bool(0.5);
        if flip || (down, right) != (0, 0) {
            for channel in image.chunks_exact_mut(height * width) {
                let before = channel.to_vec();
                for (y, row) in channel.chunks_exact_mut(width).enumerate() {
                    for (x, value) in row.iter_mut().enumerate() {
                        let x = if flip { width - 1 - x } else { x } as i64 - right;
                        let y = y as i64 - down;
                        let inside =
                            (0..height as i64).contains(&y) && (0..width as i64).contains(&x);
                        *value = match inside {
                            true => before[y as usize * width + x as usize],
                            false => 0.0,
                        };
                    }
                }
            }
        }
        if let Some(noise) = self.noise.filter(|&noise| noise > 0.0) {
            for value in image {
                *value += noise * gaussian(random);
            }
        }
    }
}

/// By Box and Muller.
fn gaussian(random: &mut ChaCha8Rng) -> f32 {
    let (u, v): (f64, f64) = (random.random(), random.random());
    let radius = (-2.0 * (1.0 - u).ln()).sqrt();
    (radius * (std::f64::consts::TAU * v).cos()) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::random::{Purpose, stream};

    const SHAPE: Shape = Shape {
        channels: 2,
        height: 2,
        width: 3,
    };

    fn applied(augment: &Augment, seed: u64) -> Vec<f32> {
        let mut image: Vec<f32> = (1..=12).map(|value| value as f32).collect();
        augment.apply(&mut image, SHAPE, &mut stream(seed, Purpose::Deal));
        image
    }

    #[test]
    fn flips_mirror_every_channel_or_nothing() {
        let flip = Augment {
            flip: Some(true),
            ..Augment::default()
        };
        let (same, mirrored) = (
            [1., 2., 3., 4., 5., 6., 7., 8., 9., 10., 11., 12.],
            [3., 2., 1., 6., 5., 4., 9., 8., 7., 12., 11., 10.],
        );
        let images: Vec<_> = (0..20).map(|seed| applied(&flip, seed)).collect();
        assert!(
            images
                .iter()
                .all(|image| *image == same || *image == mirrored)
        );
        assert!(images.iter().any(|image| *image == same));
        assert!(images.iter().any(|image| *image == mirrored));
    }

    #[test]
    fn shifts_move_all_channels_alike_and_bring_in_black() {
        let shift = Augment {
            shift: Some(1),
            ..Augment::default()
        };
        let mut seen = Vec::new();
        for seed in 0..100 {
            let image = applied(&shift, seed);
            for (a, b) in image[..6].iter().zip(&image[6..]) {
                assert!(*b == a + 6.0 || (*a == 0.0 && *b == 0.0));
            }
            if !seen.contains(&image) {
                seen.push(image);
            }
        }
        assert_eq!(seen.len(), 9);
    }

    #[test]
    fn noise_has_its_deviation_and_is_repeatable() {
        let noise = Augment {
            noise: Some(0.5),
            workers: Some(2),
            ..Augment::default()
        };
        assert!(noise.concerns(1) && !noise.concerns(2));
        assert!(!Augment::default().concerns(0));
        assert_eq!(applied(&noise, 3), applied(&noise, 3));
        let squares: Vec<f32> = (0..1000)
            .flat_map(|seed| {
                let image = applied(&noise, seed);
                image
                    .into_iter()
                    .zip(1..)
                    .map(|(value, i)| (value - i as f32).powi(2))
            })
            .collect();
        let variance = squares.iter().sum::<f32>() / squares.len() as f32;
        assert!((variance - 0.25).abs() < 0.02, "{variance}");
    }
}
