//! Comparators that no NaN slips through.

use super::naive::{Accuracy, Reference};

/// The element type that a result was rounded to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    F32,
    Bf16,
    F16,
}

impl Rounding {
    /// The error of one rounding to this type.
    fn error(self, value: f64) -> f64 {
        match self {
            Rounding::F32 => value.abs() * 2f64.powi(-24),
            Rounding::Bf16 => value.abs() * 2f64.powi(-8),
            Rounding::F16 => value.abs() * 2f64.powi(-11) + 2f64.powi(-25),
        }
    }
}

/// How far coordinate k of a result may be from the reference. 0 says bit-equal.
pub fn tolerance(reference: &Reference, k: usize, rounding: Rounding) -> f64 {
    // Denormals may count as zero: an operand or the result.
    let denormal = 2.0 * f64::from(f32::MIN_POSITIVE);
    let expected = reference.output[k];
    if reference.pure[k] {
        let is_normal = expected.abs() >= f64::from(f32::MIN_POSITIVE);
        // Where squares of denormals are zero, which of such rows is selected is any one's guess.
        return if is_normal { 0.0 } else { denormal };
    }
    let computed = match reference.accuracy {
        Accuracy::Sum => 8.0 * f64::from(f32::EPSILON) * reference.terms[k],
        Accuracy::Computed => 1e-5 * (reference.terms[k] + reference.reach),
    };
    let tolerance = computed + reference.slack[k];
    tolerance + rounding.error(expected.abs() + tolerance) + denormal
}

/// Is a result within its tolerance? Else the first coordinate that is not, with what was expected.
///
/// NaN is within the tolerance of nothing but NaN, an infinity of nothing but itself.
pub fn within(actual: &[f32], reference: &Reference, rounding: Rounding) -> Result<(), String> {
    if actual.len() != reference.output.len() {
        let expected = reference.output.len();
        return Err(format!("{} coordinates, expected {expected}", actual.len()));
    }
    for (k, &got) in actual.iter().enumerate() {
        let expected = reference.output[k];
        let tolerance = tolerance(reference, k, rounding);
        let same = match expected.is_finite() {
            true => (f64::from(got) - expected).abs() <= tolerance,
            false => f64::from(got) == expected || (got.is_nan() && expected.is_nan()),
        };
        if !same {
            let error = (f64::from(got) - expected).abs();
            return Err(format!(
                "coordinate {k}: got {got:e}, expected {expected:e}, off by {error:e}, tolerance \
                 {tolerance:e} (margin of the selection {:e})",
                reference.margin
            ));
        }
    }
    Ok(())
}

/// Panics unless a result is within its tolerance.
#[track_caller]
pub fn assert_within(rule: &str, actual: &[f32], reference: &Reference, rounding: Rounding) {
    if let Err(difference) = within(actual, reference, rounding) {
        panic!("{rule}: {difference}");
    }
}

/// Panics unless both have the same bits. The sign of a zero and the payload of a NaN don't count.
#[track_caller]
pub fn assert_bits_equal(rule: &str, actual: &[f32], expected: &[f32]) {
    assert_eq!(
        actual.len(),
        expected.len(),
        "{rule}: number of coordinates"
    );
    for (k, (&got, &expected)) in actual.iter().zip(expected).enumerate() {
        let same = got == expected || (got.is_nan() && expected.is_nan());
        assert!(
            same,
            "{rule}: coordinate {k}: got {got:e} ({:#010x}), expected {expected:e} ({:#010x}), bit for bit",
            got.to_bits(),
            expected.to_bits()
        );
    }
}
