//! Images and labels in IDX files, the format of MNIST, plain or compressed, and the workers' shares of them.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use flate2::bufread::GzDecoder;
use rand::seq::SliceRandom;

use crate::random::{self, Purpose};
use crate::{Failure, Result};

/// The data set that the crate ships; `examples/data/README.md` says where it is from.
const DIGITS: [(&str, &[u8]); 4] = [
    (
        "digits/train-images-idx3-ubyte.gz",
        include_bytes!("../../data/digits/train-images-idx3-ubyte.gz"),
    ),
    (
        "digits/train-labels-idx1-ubyte.gz",
        include_bytes!("../../data/digits/train-labels-idx1-ubyte.gz"),
    ),
    (
        "digits/t10k-images-idx3-ubyte.gz",
        include_bytes!("../../data/digits/t10k-images-idx3-ubyte.gz"),
    ),
    (
        "digits/t10k-labels-idx1-ubyte.gz",
        include_bytes!("../../data/digits/t10k-labels-idx1-ubyte.gz"),
    ),
];

/// A training set and a test set.
#[derive(Debug)]
pub struct Data {
    pub train: Images,
    pub test: Images,
    pub classes: usize,
}

impl Data {
    /// The digits that are part of this program.
    pub fn digits() -> Result<Self> {
        let [images, labels, test_images, test_labels] = DIGITS;
        Data::new(
            Images::read(images.0, images.1, labels.0, labels.1)?,
            Images::read(test_images.0, test_images.1, test_labels.0, test_labels.1)?,
        )
    }

    /// MNIST, Fashion-MNIST or anything else in four IDX files of the usual names.
    pub fn open(folder: &Path) -> Result<Self> {
        if !folder.is_dir() {
            return Err(Failure::usage(format!(
                "--data: expected a folder, got {}",
                folder.display()
            )));
        }
        let images = |part: &str| {
            let [images, labels] = ["images-idx3-ubyte", "labels-idx1-ubyte"]
                .map(|kind| find(folder, &format!("{part}-{kind}")));
            let (images, labels) = (images?, labels?);
            let names = [images.display().to_string(), labels.display().to_string()];
            Images::read(&names[0], open(&images)?, &names[1], open(&labels)?)
        };
        Data::new(images("train")?, images("t10k")?)
    }

    fn new(train: Images, test: Images) -> Result<Self> {
        if train.pixels != test.pixels {
            return Err(Failure::run(format!(
                "test images: expected {} pixels as in the training images, got {}",
                train.pixels, test.pixels
            )));
        }
        let classes = 1 + *train.labels.iter().max().unwrap_or(&0) as usize;
        if let Some(label) = test.labels.iter().find(|&&label| label as usize >= classes) {
            return Err(Failure::run(format!(
                "test labels: expected the training set's 0 to {}, got {label}",
                classes - 1
            )));
        }
        Ok(Data {
            train,
            test,
            classes,
        })
    }
}

fn find(folder: &Path, stem: &str) -> Result<PathBuf> {
    let candidates = [folder.join(stem), folder.join(format!("{stem}.gz"))];
    candidates
        .into_iter()
        .find(|path| path.is_file())
        .ok_or_else(|| {
            Failure::run(format!(
                "{}: expected a file {stem} or {stem}.gz, found neither",
                folder.display()
            ))
        })
}

fn open(path: &Path) -> Result<File> {
    File::open(path).map_err(|error| Failure::run(format!("{}: {error}", path.display())))
}

/// Grey images of one size, each with a label.
#[derive(Debug)]
pub struct Images {
    bytes: Vec<u8>,
    labels: Vec<u8>,
    pixels: usize,
    /// The brightest pixel: 16 in the digits, 255 in MNIST.
    white: f32,
}

impl Images {
    fn read(
        images_name: &str,
        images: impl Read,
        labels_name: &str,
        labels: impl Read,
    ) -> Result<Self> {
        let (dimensions, bytes) = read_idx(images_name, images, 3)?;
        let (counts, labels) = read_idx(labels_name, labels, 1)?;
        if dimensions[0] != counts[0] {
            return Err(Failure::run(format!(
                "{labels_name}: expected {} labels, one for each image, got {}",
                dimensions[0], counts[0]
            )));
        }
        Ok(Images {
            white: f32::from(*bytes.iter().max().unwrap_or(&0)).max(1.0),
            pixels: dimensions[1] * dimensions[2],
            bytes,
            labels,
        })
    }

    pub fn len(&self) -> usize {
        self.labels.len()
    }

    pub fn pixels(&self) -> usize {
        self.pixels
    }

    pub fn labels(&self) -> &[u8] {
        &self.labels
    }

    /// The images of the indices, k × pixels between 0 and 1.
    pub fn images(&self, indices: &[usize]) -> candle_core::Result<Tensor> {
        let mut values = Vec::with_capacity(indices.len() * self.pixels);
        for &i in indices {
            let image = &self.bytes[i * self.pixels..][..self.pixels];
            values.extend(image.iter().map(|&byte| f32::from(byte) / self.white));
        }
        Tensor::from_vec(values, (indices.len(), self.pixels), &Device::Cpu)
    }

    /// Deals the images to n workers of equal luck: a share of `heterogeneity` sorted by label, so
    /// that a worker sees few classes, and the rest at random.
    pub fn deal(&self, n: usize, heterogeneity: f64, seed: u64) -> Vec<Vec<usize>> {
        let mut indices: Vec<usize> = (0..self.len()).collect();
        indices.shuffle(&mut random::stream(seed, Purpose::Deal, 0, 0));
        let sorted = (heterogeneity * indices.len() as f64).round() as usize;
        indices[..sorted].sort_by_key(|&i| self.labels[i]);
        let part = |indices: &[usize], i: usize| -> Vec<usize> {
            indices[indices.len() * i / n..indices.len() * (i + 1) / n].to_vec()
        };
        (0..n)
            .map(|i| [part(&indices[..sorted], i), part(&indices[sorted..], i)].concat())
            .collect()
    }
}

/// Dimensions and content of an IDX file of unsigned bytes: two zeros, the type 8, the number of
/// dimensions, each dimension as a big-endian u32, the bytes.
fn read_idx(name: &str, file: impl Read, rank: u8) -> Result<(Vec<usize>, Vec<u8>)> {
    let wrong = |expected: String, got: String| {
        Failure::run(format!("{name}: expected {expected}, got {got}"))
    };
    let failed = |error: std::io::Error| Failure::run(format!("{name}: {error}"));

    let mut file = BufReader::new(file);
    let compressed = std::io::BufRead::fill_buf(&mut file)
        .map_err(failed)?
        .starts_with(&[0x1f, 0x8b]);
    let mut file: Box<dyn Read + '_> = if compressed {
        Box::new(GzDecoder::new(file))
    } else {
        Box::new(file)
    };
    let mut take = |length: u64| -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        file.by_ref()
            .take(length)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        Ok(bytes)
    };

    let magic = take(4)?;
    if magic != [0, 0, 8, rank] {
        return Err(wrong(
            format!(
                "an IDX file of bytes in {rank} dimensions, which starts with {:02x?}",
                [0, 0, 8, rank]
            ),
            format!("{magic:02x?}"),
        ));
    }
    let header = take(4 * u64::from(rank))?;
    let dimensions: Vec<usize> = header
        .as_chunks()
        .0
        .iter()
        .map(|&bytes| u32::from_be_bytes(bytes) as usize)
        .collect();
    if dimensions.len() != rank as usize {
        return Err(wrong(
            format!("{rank} dimensions"),
            format!("the end of the file after {}", dimensions.len()),
        ));
    }
    let length = dimensions
        .iter()
        .try_fold(1usize, |product, &d| product.checked_mul(d));
    let Some(length) = length.filter(|&length| length > 0 && length < isize::MAX as usize) else {
        return Err(wrong(
            "a size that is not zero and fits in memory".into(),
            format!("{dimensions:?}"),
        ));
    };
    let content = take(length as u64 + 1)?;
    if content.len() != length {
        let got = if content.len() > length {
            "more".into()
        } else {
            content.len().to_string()
        };
        return Err(wrong(format!("{length} bytes for {dimensions:?}"), got));
    }
    Ok((dimensions, content))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn idx(dimensions: &[u32], content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, 8, dimensions.len() as u8];
        bytes.extend(dimensions.iter().flat_map(|d| d.to_be_bytes()));
        bytes.extend(content);
        bytes
    }

    fn gz(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn message<T: std::fmt::Debug>(result: Result<T>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn plain_and_compressed_files_read_the_same() {
        let file = idx(&[2, 2, 1], &[1, 2, 3, 4]);
        let expected = (vec![2, 2, 1], vec![1, 2, 3, 4]);
        assert_eq!(read_idx("a", &file[..], 3).unwrap(), expected);
        assert_eq!(read_idx("a", &gz(&file)[..], 3).unwrap(), expected);
    }

    #[test]
    fn a_bad_file_is_an_error_that_names_it() {
        let file = idx(&[2, 2, 1], &[1, 2, 3, 4]);
        let cases: [(Vec<u8>, &str); 8] = [
            (vec![], "got []"),
            (vec![0, 0], "got [00, 00]"),
            (idx(&[4], &[1, 2, 3, 4]), "got [00, 00, 08, 01]"),
            (b"not an IDX file".to_vec(), "got [6e, 6f, 74, 20]"),
            (
                file[..9].to_vec(),
                "expected 3 dimensions, got the end of the file after 1",
            ),
            (
                file[..file.len() - 1].to_vec(),
                "expected 4 bytes for [2, 2, 1], got 3",
            ),
            (
                [&file[..], &[5]].concat(),
                "expected 4 bytes for [2, 2, 1], got more",
            ),
            (idx(&[u32::MAX; 3], &[1]), "fits in memory"),
        ];
        for (bytes, expected) in cases {
            for bytes in [gz(&bytes), bytes] {
                let message = message(read_idx("some.file", &bytes[..], 3));
                assert!(
                    message.starts_with("some.file: ") && message.contains(expected),
                    "{message}"
                );
            }
        }
        // Cut in the middle of the compressed stream, or damaged.
        let compressed = gz(&file);
        assert!(message(read_idx("cut.gz", &compressed[..15], 3)).starts_with("cut.gz: "));
        let mut damaged = compressed;
        damaged[3] = 0xff;
        assert!(message(read_idx("bad.gz", &damaged[..], 3)).starts_with("bad.gz: "));
        assert!(message(read_idx("none", &idx(&[0], &[])[..], 1)).contains("not zero"));
    }

    #[test]
    fn images_and_labels_must_agree() {
        let images = idx(&[2, 1, 1], &[0, 255]);
        let labels = idx(&[3], &[0, 1, 2]);
        let message = message(Images::read("images", &images[..], "labels", &labels[..]));
        assert_eq!(
            message,
            "labels: expected 2 labels, one for each image, got 3"
        );
    }

    #[test]
    fn missing_files_are_named() {
        let message = |folder: &str| self::message(Data::open(Path::new(folder)));
        assert_eq!(
            message("/no/such/folder"),
            "--data: expected a folder, got /no/such/folder"
        );
        let message = message(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        assert!(
            message.contains("expected a file train-images-idx3-ubyte or"),
            "{message}"
        );
    }

    #[test]
    fn a_folder_of_idx_files_is_the_shipped_data() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/digits");
        let (read, shipped) = (Data::open(&folder).unwrap(), Data::digits().unwrap());
        assert_eq!(read.train.bytes, shipped.train.bytes);
        assert_eq!(read.test.labels, shipped.test.labels);
    }

    #[test]
    fn the_shipped_digits_are_complete() {
        let data = Data::digits().unwrap();
        assert_eq!(
            (data.train.len(), data.test.len(), data.classes),
            (1437, 360, 10)
        );
        assert_eq!((data.train.pixels(), data.train.white), (64, 16.0));
        // The first image is a zero; its first row is known from scikit-learn's documentation.
        assert_eq!(data.train.labels[0], 0);
        assert_eq!(data.train.bytes[..8], [0, 0, 5, 13, 9, 1, 0, 0]);
    }

    #[test]
    fn every_image_is_dealt_once() {
        let images = Data::digits().unwrap().train;
        for heterogeneity in [0.0, 0.3, 1.0] {
            let mut dealt = images.deal(7, heterogeneity, 1).concat();
            dealt.sort();
            assert_eq!(dealt, (0..images.len()).collect::<Vec<_>>());
        }
        // Sorted by label, one worker of ten sees at most three classes.
        for part in images.deal(10, 1.0, 1) {
            let mut labels: Vec<u8> = part.iter().map(|&i| images.labels[i]).collect();
            labels.sort();
            labels.dedup();
            assert!(labels.len() <= 3, "{labels:?}");
        }
    }
}
