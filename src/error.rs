//! The one error type. Every message names the operation, what it expected and what it got.

use std::fmt;

use crate::DType;

/// A result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Why an operation was refused. Nothing was written to any output.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// A buffer, a matrix or an output has the wrong shape.
    Shape {
        /// The operation that was refused.
        op: &'static str,
        /// What it needs.
        expected: String,
        /// What it got.
        got: String,
    },
    /// A matrix or an output holds elements of another type than prepared for.
    DType {
        /// The operation that was refused.
        op: &'static str,
        /// The element type it was prepared for.
        expected: DType,
        /// The element type it got.
        got: DType,
    },
    /// A parameter of a rule or an attack is out of range, by itself or for this number of workers.
    Parameter {
        /// The rule or the attack, in its text form.
        rule: String,
        /// What it needs.
        needs: String,
        /// What it got.
        got: String,
    },
    /// The weights are unusable, or a rule does not define weights.
    Weights {
        /// What is needed.
        needs: String,
        /// What was given.
        got: String,
    },
    /// A text is not the text form of what it should name.
    Parse {
        /// What it should name: "rule" or "attack".
        kind: &'static str,
        /// The text.
        text: String,
        /// What is wrong with it, and what would be possible.
        reason: String,
    },
    /// A training run has settings that don't fit each other, or its problem failed.
    Training {
        /// What failed; what was expected, and what was got.
        reason: String,
    },
    /// A device is not there or can't be used.
    Device {
        /// The device that was asked for.
        device: String,
        /// Why it can't be used.
        reason: String,
    },
}

impl Error {
    pub(crate) fn training(reason: impl Into<String>) -> Self {
        Error::Training {
            reason: reason.into(),
        }
    }

    pub(crate) fn shape(
        op: &'static str,
        expected: impl Into<String>,
        got: impl Into<String>,
    ) -> Self {
        Error::Shape {
            op,
            expected: expected.into(),
            got: got.into(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Shape { op, expected, got } => {
                write!(f, "{op}: expected {expected}, got {got}")
            }
            Error::DType { op, expected, got } => {
                write!(f, "{op}: expected elements of {expected}, got {got}")
            }
            Error::Parameter { rule, needs, got } => write!(f, "{rule}: needs {needs}, got {got}"),
            Error::Weights { needs, got } => write!(f, "weights: expected {needs}, got {got}"),
            Error::Parse { kind, text, reason } => write!(f, "{kind} {text:?}: {reason}"),
            Error::Training { reason } => f.write_str(reason),
            Error::Device { device, reason } => write!(f, "device {device}: {reason}"),
        }
    }
}

impl std::error::Error for Error {}
