//! What was measured during the trainings, as `curves.csv` holds it.

use csv::{ReaderBuilder, WriterBuilder};
use serde::Deserialize;

use super::config::Config;
use super::problem::Measure;
use super::settings::Quantity;
use crate::failure::{Failure, Outcome};

/// A measurement of one training.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Point {
    /// The number of the training.
    pub cell: usize,
    pub step: u64,
    pub gradients: u64,
    /// Time spent on aggregating so far.
    pub seconds: f64,
    pub loss: f64,
    pub accuracy: f64,
    pub gap: Option<f64>,
    pub distance: Option<f64>,
}

impl Point {
    /// Every quantity is NaN once the point is not finite.
    pub fn not_a_number(measure: &mut Measure) {
        measure.loss = f64::NAN;
        measure.accuracy = f64::NAN;
        measure.gap = measure.gap.map(|_| f64::NAN);
        measure.distance = measure.distance.map(|_| f64::NAN);
    }

    pub fn value(&self, quantity: Quantity) -> f64 {
        match quantity {
            Quantity::Accuracy => self.accuracy,
            Quantity::Loss => self.loss,
            Quantity::Gap => self.gap.unwrap_or(f64::NAN),
            Quantity::Distance => self.distance.unwrap_or(f64::NAN),
        }
    }
}

const COLUMNS: [&str; 7] = [
    "step",
    "gradients",
    "seconds",
    "loss",
    "accuracy",
    "gap",
    "distance",
];

/// A line for each point: its cell, the cell's place on each axis, and what was measured. Numbers are
/// written so that reading them gives the same.
pub fn write(config: &Config, points: &[Point]) -> Outcome<Vec<u8>> {
    let failed = |error: csv::Error| Failure::new(format!("curves.csv: {error}"));
    let mut writer = WriterBuilder::new().from_writer(Vec::new());
    let keys = config.axes.iter().map(|axis| axis.key.as_str());
    writer
        .write_record(std::iter::once("cell").chain(keys).chain(COLUMNS))
        .map_err(failed)?;
    for point in points {
        let at = &config.cells[point.cell].at;
        let labels = (config.axes.iter().zip(at)).map(|(axis, &i)| axis.values[i].label.clone());
        let or_empty = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
        let numbers = [
            point.step.to_string(),
            point.gradients.to_string(),
            point.seconds.to_string(),
            point.loss.to_string(),
            point.accuracy.to_string(),
            or_empty(point.gap),
            or_empty(point.distance),
        ];
        let cell = std::iter::once(point.cell.to_string());
        writer
            .write_record(cell.chain(labels).chain(numbers))
            .map_err(failed)?;
    }
    writer
        .into_inner()
        .map_err(|error| failed(error.into_error().into()))
}

/// The first so many points of a file.
pub fn read(content: &[u8], count: usize) -> Outcome<Vec<Point>> {
    let mut reader = ReaderBuilder::new().from_reader(content);
    let points: Result<Vec<Point>, csv::Error> = reader.deserialize().take(count).collect();
    let points = points.map_err(|error| Failure::new(error.to_string()))?;
    if points.len() < count {
        let got = points.len();
        return Err(Failure::new(format!(
            "expected {count} lines as the checkpoint says, got {got}"
        )));
    }
    Ok(points)
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::train::config::parse;

    pub fn config(text: &str) -> Config {
        Config::new(&parse(text).unwrap()).unwrap()
    }

    pub fn point(cell: usize, step: u64, accuracy: f64) -> Point {
        Point {
            cell,
            step,
            gradients: 10 * step,
            seconds: 0.002 * step as f64,
            loss: 1.0 - accuracy,
            accuracy,
            gap: None,
            distance: None,
        }
    }

    #[test]
    fn what_was_written_is_read() {
        let config = config("[grid]\nrule = [\"mean\", \"nnm(cwtm(f=1),f=1)\"]");
        let mut points = vec![point(0, 0, 0.1), point(0, 5, 1.0 / 3.0), point(1, 0, 0.1)];
        points[1].gap = Some(1e-300);
        points[2].distance = Some(2.5e-17);
        points[2].loss = f64::INFINITY;
        let text = write(&config, &points).unwrap();
        assert_eq!(read(&text, 3).unwrap(), points);
        assert_eq!(read(&text, 2).unwrap(), points[..2]);
        let message = read(&text, 4).unwrap_err().to_string();
        assert_eq!(message, "expected 4 lines as the checkpoint says, got 3");
        let text = String::from_utf8(text).unwrap();
        assert!(text.starts_with("cell,rule,step,gradients,seconds,loss,accuracy,gap,distance\n"));
        assert!(
            text.contains("\n1,\"nnm(cwtm(f=1),f=1)\",0,0,0,inf,0.1,,"),
            "{text}"
        );
        points[0].loss = f64::NAN;
        let text = write(&config, &points).unwrap();
        assert!(read(&text, 1).unwrap()[0].loss.is_nan());
    }
}
