//! The n×n mathematics, in f64.

/// (placeholder until the geometry lands)
#[derive(Clone, Debug)]
pub(crate) enum Op {}
