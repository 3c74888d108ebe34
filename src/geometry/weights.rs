//! Weights as integers, so that "more than half of the weight" is exact on every device.

use crate::{Error, Result};

/// The total that weights are scaled to when they are not small integers.
pub(crate) const TOTAL: f64 = (1u64 << 30) as f64;

/// Unchanged when they are integers with a sum of at most 2³⁰, else scaled and rounded to that total,
/// a positive weight at least 1.
///
/// # Errors
/// When there are not n of them, one is negative or not finite, or all are 0.
pub(crate) fn to_integers(weights: &[f64], out: &mut [f64]) -> Result<()> {
    let refuse = |needs: &str, got: String| {
        Err(Error::Weights {
            needs: needs.into(),
            got,
        })
    };
    if weights.len() != out.len() {
        return refuse(
            &format!("{} of them, one per worker", out.len()),
            weights.len().to_string(),
        );
    }
    if let Some(i) = weights.iter().position(|w| !(w.is_finite() && *w >= 0.0)) {
        return refuse(
            "finite numbers of at least 0",
            format!("{} for worker {i}", weights[i]),
        );
    }
    let largest = weights.iter().copied().fold(0.0, f64::max);
    if largest == 0.0 {
        return refuse("at least one positive weight", "only zeros".into());
    }
    let sum: f64 = weights.iter().sum();
    if sum <= TOTAL && weights.iter().all(|w| w.fract() == 0.0) {
        out.copy_from_slice(weights);
        return Ok(());
    }
    // Relative to the largest first: the plain sum may overflow.
    let sum: f64 = weights.iter().map(|w| w / largest).sum();
    for (out, w) in out.iter_mut().zip(weights) {
        let scaled = (w / largest / sum * TOTAL).round();
        *out = if *w > 0.0 { scaled.max(1.0) } else { 0.0 };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_stay_and_others_are_scaled() {
        let mut out = [0.0; 3];
        to_integers(&[3.0, 0.0, 5.0], &mut out).unwrap();
        assert_eq!(out, [3.0, 0.0, 5.0]);
        to_integers(&[0.25, 0.0, 0.75], &mut out).unwrap();
        assert_eq!(out, [TOTAL / 4.0, 0.0, 3.0 * TOTAL / 4.0]);
        to_integers(&[f64::MAX, 1e-300, f64::MAX], &mut out).unwrap();
        assert_eq!(out, [TOTAL / 2.0, 1.0, TOTAL / 2.0]);
    }

    #[test]
    fn unusable_weights_are_refused() {
        let mut out = [0.0; 2];
        for weights in [
            &[1.0][..],
            &[0.0, 0.0],
            &[-1.0, 2.0],
            &[f64::NAN, 1.0],
            &[f64::INFINITY, 1.0],
        ] {
            assert!(to_integers(weights, &mut out).is_err(), "{weights:?}");
        }
    }
}
