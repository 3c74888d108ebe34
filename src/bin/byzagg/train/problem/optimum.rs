//! The least loss of logistic regression, by Newton's method.

use nalgebra::{DMatrix, DVector};

use super::super::data::Rows;
use super::logistic::{doubt, objective, product, slope};
use crate::failure::{Failure, Outcome};

/// The length of the gradient that is taken for zero.
const TOLERANCE: f64 = 1e-12;
/// Its matrix of second derivatives has so many rows and columns at most.
const LARGEST: usize = 4096;

#[derive(Debug)]
pub struct Optimum {
    pub point: Vec<f64>,
    /// The objective there.
    pub least: f64,
}

impl Optimum {
    pub fn of(rows: &Rows, l2: f64) -> Outcome<Self> {
        let d = rows.features();
        if d > LARGEST || l2 <= 0.0 {
            return Err(Failure::new(format!(
                "the distance to the optimum is known for at most {LARGEST} features and model.l2 > 0, \
                 got {d} and {l2}"
            )));
        }
        let everything: Vec<u32> = (0..rows.len() as u32).collect();
        let mut x = vec![0.0; d];
        let mut value = objective(rows, l2, &x).0;
        for _ in 0..100 {
            let gradient = DVector::from_vec(slope(rows, &everything, l2, 1.0, &x));
            if gradient.norm() <= TOLERANCE {
                return Ok(Optimum {
                    point: x,
                    least: value,
                });
            }
            let Some(factors) = curvature(rows, l2, &x).cholesky() else {
                break;
            };
            let direction = factors.solve(&gradient);
            let mut length = 1.0;
            // Near the optimum the objective is flat to the last digit: a full step then.
            let flat = 1e-13 * value.abs();
            loop {
                let next: Vec<f64> = (x.iter().zip(direction.iter()))
                    .map(|(x, d)| x - length * d)
                    .collect();
                let reached = objective(rows, l2, &next).0;
                if reached <= value + flat || length < 1e-9 {
                    (x, value) = (next, reached);
                    break;
                }
                length /= 2.0;
            }
        }
        Err(Failure::new(format!(
            "the optimum was not found: expected a gradient of at most {TOLERANCE:e}"
        )))
    }
}

/// The matrix of second derivatives.
fn curvature(rows: &Rows, l2: f64, x: &[f64]) -> DMatrix<f64> {
    let mut matrix = DMatrix::from_diagonal_element(x.len(), x.len(), l2);
    let count = rows.len() as f64;
    for i in 0..rows.len() {
        let row = rows.row(i);
        let doubt = doubt(product(row, x));
        let weight = doubt * (1.0 - doubt) / count;
        for &(j, a) in row {
            for &(k, b) in row {
                matrix[(j as usize, k as usize)] += weight * a * b;
            }
        }
    }
    matrix
}

#[cfg(test)]
mod tests {
    use super::super::{Logistic, Task};
    use super::*;
    use byzagg::training::{Draw, Problem, Sample};

    fn rows() -> Rows {
        let mut text = String::new();
        for i in 0..60 {
            let (a, b) = (
                (i * 37 % 19) as f64 / 10.0 - 0.9,
                (i * 53 % 23) as f64 / 10.0 - 1.1,
            );
            let label = if a - b + ((i % 7) as f64 - 3.0) / 3.0 > 0.0 {
                1
            } else {
                -1
            };
            text += &format!("{label} 1:{a} 2:{b} 4:1\n");
        }
        Rows::read(text.as_bytes()).unwrap()
    }

    #[test]
    fn the_optimum_has_no_slope() {
        let rows = rows();
        let optimum = Optimum::of(&rows, 0.01).unwrap();
        let everything: Vec<u32> = (0..60).collect();
        let slope = slope(&rows, &everything, 0.01, 1.0, &optimum.point);
        assert!(slope.iter().map(|g| g * g).sum::<f64>().sqrt() <= TOLERANCE);
        let task = Logistic::new(&rows, vec![everything], 0, 0.01, Some(&optimum));
        let there: Vec<f32> = optimum.point.iter().map(|&x| x as f32).collect();
        let measure = task.measure(&there).unwrap();
        assert!(measure.gap.unwrap() < 1e-14 && measure.distance.unwrap() < 1e-12);
        assert!(measure.accuracy > 0.7);
        assert!(Optimum::of(&rows, 0.0).is_err());
    }

    #[test]
    fn gradients_are_slopes_of_the_objective() {
        let rows = rows();
        let everything: Vec<u32> = (0..60).collect();
        let x = [0.3, -0.2, 0.1, 0.7];
        let slope = slope(&rows, &everything, 0.1, 1.0, &x);
        for k in 0..4 {
            let value = |by: f64| {
                let mut x = x;
                x[k] += by;
                objective(&rows, 0.1, &x).0
            };
            let ratio = (value(1e-5) - value(-1e-5)) / 2e-5;
            assert!((slope[k] - ratio).abs() < 1e-9, "{k}: {} {ratio}", slope[k]);
        }
    }

    #[test]
    fn differences_and_flipped_labels() {
        let rows = rows();
        let shards = vec![(0..30).collect(), (30..60).collect()];
        let task = Logistic::new(&rows, shards, 5, 0.1, None);
        let (from, to) = ([0.1f32, 0.2, 0.3, 0.4], [0.2f32, 0.1, 0.3, 0.5]);
        let sample = |flipped| Sample {
            draw: Draw::Batch(9),
            flipped,
        };
        let gradient = |at: &[f32], flipped| {
            let mut gradient = vec![0.0; 4];
            task.gradient(1, at, sample(flipped), &mut gradient)
                .unwrap();
            gradient
        };
        let mut difference = vec![0.0; 4];
        task.difference(1, (&from, &to), sample(false), &mut difference)
            .unwrap();
        let (before, after) = (gradient(&from, false), gradient(&to, false));
        for k in 0..4 {
            assert!((difference[k] - (after[k] - before[k])).abs() < 1e-6);
        }
        assert_ne!(gradient(&from, true), before);
    }
}
