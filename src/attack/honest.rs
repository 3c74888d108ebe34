//! What attackers know of the honest rows.

use statrs::distribution::{ContinuousCDF, Normal};

/// The honest rows; where there are none, the attackers' own.
pub(super) struct Known<'a> {
    rows: Vec<&'a [f32]>,
}

impl<'a> Known<'a> {
    pub fn new(rows: &'a [f32], d: usize, byzantine: &[usize]) -> Self {
        let mut theirs = byzantine.iter().copied().peekable();
        let all = rows.chunks_exact(d);
        let honest = all.clone().enumerate();
        let honest = honest.filter(|(i, _)| theirs.next_if_eq(i).is_none());
        let honest: Vec<_> = honest.map(|(_, row)| row).collect();
        Known {
            rows: if honest.is_empty() {
                all.collect()
            } else {
                honest
            },
        }
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// The i-th row, or the last.
    pub fn row(&self, i: usize) -> &'a [f32] {
        self.rows[i.min(self.rows.len() - 1)]
    }

    pub fn mean(&self) -> Vec<f64> {
        let mut mean = vec![0.0; self.rows[0].len()];
        for row in &self.rows {
            for (sum, &x) in mean.iter_mut().zip(*row) {
                *sum += f64::from(x);
            }
        }
        let h = self.rows.len() as f64;
        mean.iter_mut().for_each(|sum| *sum /= h);
        mean
    }

    /// The standard deviation of each coordinate, with h − 1.
    pub fn deviation(&self, mean: &[f64]) -> Vec<f64> {
        let mut squares = vec![0.0; mean.len()];
        for row in &self.rows {
            for ((sum, &x), mean) in squares.iter_mut().zip(*row).zip(mean) {
                *sum += (f64::from(x) - mean).powi(2);
            }
        }
        let freedom = (self.rows.len() as f64 - 1.0).max(1.0);
        squares.iter().map(|sum| (sum / freedom).sqrt()).collect()
    }
}

/// ALIE's z for n workers, f of them Byzantine, where h rows are known: `Φ⁻¹((h − s)/h)`.
pub(super) fn alie_z(n: usize, f: usize, h: usize) -> f64 {
    // One row has no deviation, so no z matters; the formula's may be infinite.
    if h == 1 {
        return 0.0;
    }
    // Honest workers that must find themselves between the attackers and the mean.
    let s = (n / 2 + 1).saturating_sub(f).max(1);
    Normal::standard().inverse_cdf((h - s) as f64 / h as f64)
}
