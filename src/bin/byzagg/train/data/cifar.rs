//! CIFAR-10 in its binary version: records of a label and 3 × 32 × 32 bytes.

use std::fs;
use std::path::Path;

use super::images::{Images, Part, Shape};
use crate::failure::{Failure, Outcome};

const SHAPE: Shape = Shape {
    channels: 3,
    height: 32,
    width: 32,
};
const CLASSES: u8 = 10;

/// `data_batch_1.bin` to `data_batch_5.bin` and `test_batch.bin`.
pub fn open(folder: &Path) -> Outcome<Images> {
    let (mut bytes, mut labels) = (Vec::new(), Vec::new());
    for batch in 1..=5 {
        let path = folder.join(format!("data_batch_{batch}.bin"));
        read(&path, &mut bytes, &mut labels)?;
    }
    let train = Part::new(bytes, labels);
    let (mut bytes, mut labels) = (Vec::new(), Vec::new());
    read(&folder.join("test_batch.bin"), &mut bytes, &mut labels)?;
    Images::new(SHAPE, train, Part::new(bytes, labels))
}

fn read(path: &Path, bytes: &mut Vec<u8>, labels: &mut Vec<u8>) -> Outcome {
    let refuse = |reason: String| Err(Failure::of(path, reason));
    let content = fs::read(path).map_err(|error| Failure::of(path, error))?;
    let record = 1 + SHAPE.values();
    if content.is_empty() || !content.len().is_multiple_of(record) {
        return refuse(format!(
            "expected records of {record} bytes, got {} bytes",
            content.len()
        ));
    }
    for record in content.chunks_exact(record) {
        let (label, image) = (record[0], &record[1..]);
        if label >= CLASSES {
            return refuse(format!("expected labels from 0 to 9, got {label}"));
        }
        labels.push(label);
        bytes.extend(image);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_labels_and_images() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let message = || open(folder.path()).unwrap_err().to_string();
        assert!(message().contains("data_batch_1.bin: "), "{}", message());
        for batch in 1..=5u8 {
            let record = |value| [vec![batch], vec![value; 3072]].concat();
            let records = [record(batch), record(100 + batch)].concat();
            fs::write(path(&format!("data_batch_{batch}.bin")), records).unwrap();
        }
        fs::write(path("test_batch.bin"), vec![5u8; 3073]).unwrap();
        let images = open(folder.path()).unwrap();
        assert_eq!(images.train.labels(), [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]);
        assert_eq!(images.train.bytes[9 * 3072 - 1], 5);
        assert_eq!(images.train.bytes[9 * 3072], 105);
        assert_eq!((images.test.len(), images.classes), (1, 6));

        fs::write(path("data_batch_3.bin"), [0; 3072]).unwrap();
        assert!(message().ends_with("expected records of 3073 bytes, got 3072 bytes"));
        fs::write(path("data_batch_3.bin"), [10; 3073]).unwrap();
        assert!(message().ends_with("expected labels from 0 to 9, got 10"));
    }
}
