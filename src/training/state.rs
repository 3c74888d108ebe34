//! What a run can be resumed from.

use std::collections::BTreeMap;

use crate::{Error, Result};

/// The state of a run: named counters and vectors, to be written to any format.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// Numbers of steps and the like.
    pub counters: BTreeMap<String, u64>,
    /// Points, momenta, matrices row after row.
    pub vectors: BTreeMap<String, Vec<f32>>,
}

impl State {
    pub(super) fn counter(&mut self, name: &str, value: u64) {
        self.counters.insert(name.into(), value);
    }

    pub(super) fn vector(&mut self, name: &str, values: &[f32]) {
        self.vectors.insert(name.into(), values.to_vec());
    }

    /// Refuses a state that does not have exactly the names and sizes of this one.
    pub(super) fn check(&self, other: &State) -> Result<()> {
        let shape = |state: &State| {
            let vectors = state.vectors.iter();
            let vectors: Vec<_> = vectors.map(|(n, v)| format!("{n}[{}]", v.len())).collect();
            let counters: Vec<_> = state.counters.keys().cloned().collect();
            [counters, vectors].concat().join(", ")
        };
        let (expected, got) = (shape(self), shape(other));
        if expected == got {
            return Ok(());
        }
        Err(Error::training(format!(
            "restore: expected a state with {expected}, got {got}"
        )))
    }
}
