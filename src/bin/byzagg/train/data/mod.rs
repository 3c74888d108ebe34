//! Data sets, and the workers' shares of them.

mod augment;
mod cifar;
mod idx;
mod images;
mod libsvm;

use std::path::Path;

use rand::seq::SliceRandom;

pub use augment::Augment;
pub use images::{Batch, Images};
pub use libsvm::Rows;

use super::random::{self, Purpose};
use super::settings::{DataSettings, Deal, Set};
use crate::failure::{Failure, Outcome};

/// A data set in memory.
#[derive(Debug)]
pub enum Data {
    /// Images of several classes, to train on and to test on.
    Images(Images),
    /// Sparse rows of two classes.
    Rows(Rows),
}

impl Data {
    pub fn open(settings: &DataSettings) -> Outcome<Self> {
        let path = || {
            settings.path.as_deref().ok_or_else(|| {
                Failure::new(format!(
                    "data.path: expected {}, got none",
                    settings.set.files()
                ))
            })
        };
        Ok(match settings.set {
            Set::Digits => Data::Images(idx::digits()?),
            Set::Idx => Data::Images(idx::open(folder(path()?)?)?),
            Set::Cifar10 => Data::Images(cifar::open(folder(path()?)?)?),
            Set::Libsvm => Data::Rows(Rows::open(path()?)?),
        })
    }

    /// How many samples there are to train on.
    pub fn len(&self) -> usize {
        match self {
            Data::Images(images) => images.train.len(),
            Data::Rows(rows) => rows.len(),
        }
    }

    /// A CRC-32 of all that trainings see.
    pub fn checksum(&self) -> u32 {
        let mut sum = crc32fast::Hasher::new();
        match self {
            Data::Images(images) => {
                for part in [&images.train, &images.test] {
                    sum.update(&part.bytes);
                    sum.update(part.labels());
                }
            }
            Data::Rows(rows) => {
                for i in 0..rows.len() {
                    sum.update(&rows.label(i).to_le_bytes());
                    for &(k, value) in rows.row(i) {
                        sum.update(&k.to_le_bytes());
                        sum.update(&value.to_le_bytes());
                    }
                }
            }
        }
        sum.finalize()
    }

    fn class(&self, i: usize) -> u8 {
        match self {
            Data::Images(images) => images.train.labels()[i],
            Data::Rows(rows) => u8::from(rows.label(i) > 0.0),
        }
    }

    /// The samples of each of n workers.
    pub fn deal(&self, settings: &DataSettings, n: usize, seed: u64) -> Vec<Vec<u32>> {
        match settings.deal {
            Deal::All => vec![(0..self.len() as u32).collect(); n],
            Deal::Shards => self.shards(n, settings.heterogeneity.unwrap_or(0.0), seed),
        }
    }

    /// Deals the samples to n workers of equal luck: a share of `heterogeneity` sorted by class, so
    /// that a worker sees few classes, and the rest at random.
    fn shards(&self, n: usize, heterogeneity: f64, seed: u64) -> Vec<Vec<u32>> {
        let mut indices: Vec<u32> = (0..self.len() as u32).collect();
        indices.shuffle(&mut random::stream(seed, Purpose::Deal));
        let sorted = (heterogeneity * indices.len() as f64).round() as usize;
        indices[..sorted].sort_by_key(|&i| self.class(i as usize));
        let part = |indices: &[u32], i: usize| -> Vec<u32> {
            indices[indices.len() * i / n..indices.len() * (i + 1) / n].to_vec()
        };
        (0..n)
            .map(|i| [part(&indices[..sorted], i), part(&indices[sorted..], i)].concat())
            .collect()
    }
}

fn folder(path: &Path) -> Outcome<&Path> {
    if path.is_dir() {
        Ok(path)
    } else {
        let path = path.display();
        Err(Failure::new(format!(
            "data.path: expected a folder, got {path}"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_image_is_dealt_once() {
        let data = Data::Images(idx::digits().unwrap());
        for heterogeneity in [0.0, 0.3, 1.0] {
            let mut dealt = data.shards(7, heterogeneity, 1).concat();
            dealt.sort();
            assert_eq!(dealt, (0..data.len() as u32).collect::<Vec<_>>());
        }
        // Sorted by label, one worker of ten sees at most three classes.
        for part in data.shards(10, 1.0, 1) {
            let mut labels: Vec<u8> = part.iter().map(|&i| data.class(i as usize)).collect();
            labels.sort();
            labels.dedup();
            assert!(labels.len() <= 3, "{labels:?}");
        }
        assert_ne!(data.shards(7, 0.0, 1), data.shards(7, 0.0, 2));
    }
}
