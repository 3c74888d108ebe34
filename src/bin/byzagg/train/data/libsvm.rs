//! LIBSVM's text format: on each line a label and index:value pairs, indices from 1 and ascending.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use crate::failure::{Failure, Outcome};

/// Sparse rows with labels of ±1, row after row in one list.
#[derive(Debug)]
pub struct Rows {
    labels: Vec<f64>,
    /// Where each row starts, and the end.
    starts: Vec<usize>,
    entries: Vec<(u32, f64)>,
    features: usize,
}

impl Rows {
    pub fn open(path: &Path) -> Outcome<Self> {
        let file = File::open(path).map_err(|error| Failure::of(path, error))?;
        Rows::read(BufReader::new(file)).map_err(|failure| Failure::of(path, failure))
    }

    pub fn read(file: impl BufRead) -> Outcome<Self> {
        let mut rows = Rows {
            labels: Vec::new(),
            starts: vec![0],
            entries: Vec::new(),
            features: 0,
        };
        for (number, line) in (1..).zip(file.lines()) {
            let line = line.map_err(|error| Failure::new(error.to_string()))?;
            rows.push(&line)
                .map_err(|reason| Failure::new(format!("line {number}: {reason}")))?;
        }
        rows.name_classes()?;
        Ok(rows)
    }

    fn push(&mut self, line: &str) -> Result<(), String> {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_ascii_whitespace();
        let Some(label) = words.next() else {
            return Ok(());
        };
        let label = finite(label).ok_or_else(|| format!("expected a label, got {label:?}"))?;
        let mut last = 0;
        for word in words {
            let pair = word.split_once(':').and_then(|(index, value)| {
                Some((
                    index.parse::<u32>().ok().filter(|&i| i > last)?,
                    finite(value)?,
                ))
            });
            let Some((index, value)) = pair else {
                return Err(format!(
                    "expected an index above {last}, a colon and a finite number, got {word:?}"
                ));
            };
            last = index;
            self.entries.push((index - 1, value));
        }
        self.features = self.features.max(last as usize);
        self.labels.push(label);
        self.starts.push(self.entries.len());
        Ok(())
    }

    /// The smaller of the two labels becomes −1, the larger 1.
    fn name_classes(&mut self) -> Outcome {
        let low = self.labels.iter().copied().fold(f64::INFINITY, f64::min);
        let high = self.labels.iter().copied().fold(-f64::INFINITY, f64::max);
        let two = self
            .labels
            .iter()
            .all(|&label| label == low || label == high);
        if !two || low >= high || self.features == 0 {
            return Err(Failure::new(
                "expected rows of two classes with at least one feature".to_string(),
            ));
        }
        for label in &mut self.labels {
            *label = if *label == low { -1.0 } else { 1.0 };
        }
        Ok(())
    }

    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// The largest index.
    pub fn features(&self) -> usize {
        self.features
    }

    /// −1 or 1.
    pub fn label(&self, i: usize) -> f64 {
        self.labels[i]
    }

    /// Indices from 0, and values.
    pub fn row(&self, i: usize) -> &[(u32, f64)] {
        &self.entries[self.starts[i]..self.starts[i + 1]]
    }
}

fn finite(text: &str) -> Option<f64> {
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_rows() {
        let rows = Rows::read(&b"+1 1:0.5 3:-2 # note\n\n-1\n1 2:1e-3\r\n"[..]).unwrap();
        assert_eq!((rows.len(), rows.features()), (3, 3));
        assert_eq!(rows.row(0), [(0, 0.5), (2, -2.0)]);
        assert_eq!(rows.row(1), []);
        assert_eq!([0, 1, 2].map(|i| rows.label(i)), [1.0, -1.0, 1.0]);
        let rows = Rows::read(&b"2 1:1\n1 1:0\n"[..]).unwrap();
        assert_eq!([0, 1].map(|i| rows.label(i)), [1.0, -1.0]);
    }

    #[test]
    fn bad_lines_are_named() {
        for (text, expected) in [
            ("", "expected rows of two classes"),
            ("1 1:1\n2 1:1\n3 1:1\n", "expected rows of two classes"),
            ("1\n-1\n", "with at least one feature"),
            ("1 1:1\nx\n", "line 2: expected a label, got \"x\""),
            ("nan 1:1\n", "line 1: expected a label"),
            ("1 0:1\n", "line 1: expected an index above 0"),
            (
                "1 2:1 2:1\n",
                "expected an index above 2, a colon and a finite number, got \"2:1\"",
            ),
            ("1 1:inf\n", "got \"1:inf\""),
            ("1 1\n", "got \"1\""),
        ] {
            let message = Rows::read(text.as_bytes()).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
