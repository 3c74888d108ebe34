//! IDX files, the format of MNIST, plain or compressed.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::GzDecoder;

use super::images::{Images, Part, Shape};
use crate::failure::{Failure, Outcome};

/// The data set that the crate ships; `data/README.md` says where it is from.
const DIGITS: [(&str, &[u8]); 4] = [
    (
        "digits/train-images-idx3-ubyte.gz",
        include_bytes!("../../../../../data/digits/train-images-idx3-ubyte.gz"),
    ),
    (
        "digits/train-labels-idx1-ubyte.gz",
        include_bytes!("../../../../../data/digits/train-labels-idx1-ubyte.gz"),
    ),
    (
        "digits/t10k-images-idx3-ubyte.gz",
        include_bytes!("../../../../../data/digits/t10k-images-idx3-ubyte.gz"),
    ),
    (
        "digits/t10k-labels-idx1-ubyte.gz",
        include_bytes!("../../../../../data/digits/t10k-labels-idx1-ubyte.gz"),
    ),
];

/// The digits that are part of this program.
pub fn digits() -> Outcome<Images> {
    let [images, labels, test_images, test_labels] = DIGITS;
    pair(
        part(images.0, images.1, labels.0, labels.1)?,
        part(test_images.0, test_images.1, test_labels.0, test_labels.1)?,
    )
}

/// MNIST, Fashion-MNIST or anything else in four IDX files of the usual names.
pub fn open(folder: &Path) -> Outcome<Images> {
    let read = |set: &str| {
        let [images, labels] = ["images-idx3-ubyte", "labels-idx1-ubyte"]
            .map(|kind| find(folder, &format!("{set}-{kind}")));
        let (images, labels) = (images?, labels?);
        let names = [images.display().to_string(), labels.display().to_string()];
        part(&names[0], file(&images)?, &names[1], file(&labels)?)
    };
    pair(read("train")?, read("t10k")?)
}

fn pair((shape, train): (Shape, Part), (test_shape, test): (Shape, Part)) -> Outcome<Images> {
    if shape != test_shape {
        return Err(Failure::new(format!(
            "test images: expected {} x {} pixels as in the training images, got {} x {}",
            shape.height, shape.width, test_shape.height, test_shape.width
        )));
    }
    Images::new(shape, train, test)
}

fn find(folder: &Path, stem: &str) -> Outcome<PathBuf> {
    let candidates = [folder.join(stem), folder.join(format!("{stem}.gz"))];
    candidates
        .into_iter()
        .find(|path| path.is_file())
        .ok_or_else(|| {
            Failure::of(
                folder,
                format!("expected a file {stem} or {stem}.gz, found neither"),
            )
        })
}

fn file(path: &Path) -> Outcome<File> {
    File::open(path).map_err(|error| Failure::of(path, error))
}

fn part(
    images_name: &str,
    images: impl Read,
    labels_name: &str,
    labels: impl Read,
) -> Outcome<(Shape, Part)> {
    let (dimensions, bytes) = read(images_name, images, 3)?;
    let (counts, labels) = read(labels_name, labels, 1)?;
    if dimensions[0] != counts[0] {
        return Err(Failure::new(format!(
            "{labels_name}: expected {} labels, one for each image, got {}",
            dimensions[0], counts[0]
        )));
    }
    let shape = Shape {
        channels: 1,
        height: dimensions[1],
        width: dimensions[2],
    };
    Ok((shape, Part::new(bytes, labels)))
}

/// Dimensions and content of an IDX file of unsigned bytes: two zeros, the type 8, the number of
/// dimensions, each dimension as a big-endian u32, the bytes.
fn read(name: &str, file: impl Read, rank: u8) -> Outcome<(Vec<usize>, Vec<u8>)> {
    let wrong = |expected: String, got: String| {
        Failure::new(format!("{name}: expected {expected}, got {got}"))
    };
    let failed = |error: std::io::Error| Failure::new(format!("{name}: {error}"));

    let mut file = BufReader::new(file);
    let compressed = std::io::BufRead::fill_buf(&mut file)
        .map_err(failed)?
        .starts_with(&[0x1f, 0x8b]);
    let mut file: Box<dyn Read + '_> = if compressed {
        Box::new(GzDecoder::new(file))
    } else {
        Box::new(file)
    };
    let mut take = |length: u64| -> Outcome<Vec<u8>> {
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

    fn message<T>(result: Outcome<T>) -> String {
        result.err().unwrap().to_string()
    }

    #[test]
    fn plain_and_compressed_files_read_the_same() {
        let file = idx(&[2, 2, 1], &[1, 2, 3, 4]);
        let expected = (vec![2, 2, 1], vec![1, 2, 3, 4]);
        assert_eq!(read("a", &file[..], 3).unwrap(), expected);
        assert_eq!(read("a", &gz(&file)[..], 3).unwrap(), expected);
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
                let message = message(read("some.file", &bytes[..], 3));
                assert!(
                    message.starts_with("some.file: ") && message.contains(expected),
                    "{message}"
                );
            }
        }
        // Cut in the middle of the compressed stream, or damaged.
        let compressed = gz(&file);
        assert!(message(read("cut.gz", &compressed[..15], 3)).starts_with("cut.gz: "));
        let mut damaged = compressed;
        damaged[3] = 0xff;
        assert!(message(read("bad.gz", &damaged[..], 3)).starts_with("bad.gz: "));
        assert!(message(read("none", &idx(&[0], &[])[..], 1)).contains("not zero"));
    }

    #[test]
    fn images_and_labels_must_agree() {
        let images = idx(&[2, 1, 1], &[0, 255]);
        let labels = idx(&[3], &[0, 1, 2]);
        let message = message(part("images", &images[..], "labels", &labels[..]));
        assert_eq!(
            message,
            "labels: expected 2 labels, one for each image, got 3"
        );
    }

    #[test]
    fn missing_files_are_named() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/data");
        let message = message(open(Path::new(folder)));
        assert!(
            message.contains("expected a file train-images-idx3-ubyte or"),
            "{message}"
        );
    }

    #[test]
    fn a_folder_of_idx_files_is_the_shipped_data() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/digits");
        let (read, shipped) = (open(&folder).unwrap(), digits().unwrap());
        assert_eq!(read.train.bytes, shipped.train.bytes);
        assert_eq!(read.test.labels, shipped.test.labels);
    }

    #[test]
    fn the_shipped_digits_are_complete() {
        let data = digits().unwrap();
        assert_eq!(
            (data.train.len(), data.test.len(), data.classes),
            (1437, 360, 10)
        );
        let shape = Shape {
            channels: 1,
            height: 8,
            width: 8,
        };
        assert_eq!(data.shape, shape);
        // The first image is a zero; its first row is known from scikit-learn's documentation.
        assert_eq!(data.train.labels[0], 0);
        assert_eq!(data.train.bytes[..8], [0, 0, 5, 13, 9, 1, 0, 0]);
    }
}
