//! A run that can go on: what the running training's next steps depend on, and what is done.

use std::collections::HashMap;

use byzagg::training::State;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::failure::{Failure, Outcome};

/// Prefixes of the counters in the metadata, apart from our own entries.
const COUNTER: &str = "counter.";

#[derive(Debug, PartialEq)]
pub struct Checkpoint {
    /// The checksum of the run's data.
    pub data: u32,
    /// The number of the running training; all before are done.
    pub cell: usize,
    /// How many lines of the curves belong to it and to those.
    pub points: usize,
    /// `None` if it has not begun.
    pub state: Option<State>,
}

impl Checkpoint {
    /// Vectors are tensors, all else is metadata.
    pub fn write(&self) -> Outcome<Vec<u8>> {
        let mut metadata = HashMap::from([
            ("data".to_string(), self.data.to_string()),
            ("cell".to_string(), self.cell.to_string()),
            ("points".to_string(), self.points.to_string()),
            ("begun".to_string(), self.state.is_some().to_string()),
        ]);
        let mut vectors = Vec::new();
        if let Some(state) = &self.state {
            for (name, count) in &state.counters {
                metadata.insert(format!("{COUNTER}{name}"), count.to_string());
            }
            for (name, values) in &state.vectors {
                let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
                vectors.push((name, bytes));
            }
        }
        let wrong = |error: safetensors::SafeTensorError| Failure::new(error.to_string());
        let tensors: Result<Vec<_>, _> = (vectors.iter())
            .map(|(name, bytes)| {
                let view = TensorView::new(Dtype::F32, vec![bytes.len() / 4], bytes)?;
                Ok((name, view))
            })
            .collect();
        safetensors::serialize(tensors.map_err(wrong)?, Some(metadata)).map_err(wrong)
    }

    pub fn read(content: &[u8]) -> Outcome<Self> {
        let wrong = |error: safetensors::SafeTensorError| Failure::new(error.to_string());
        let (_, header) = SafeTensors::read_metadata(content).map_err(wrong)?;
        let tensors = SafeTensors::deserialize(content).map_err(wrong)?;
        let metadata = header.metadata().clone().unwrap_or_default();
        let mut state = State::default();
        for (name, count) in &metadata {
            if let Some(name) = name.strip_prefix(COUNTER) {
                state.counters.insert(name.into(), number(name, count)?);
            }
        }
        for (name, tensor) in tensors.iter() {
            if tensor.dtype() != Dtype::F32 {
                let got = tensor.dtype();
                return Err(Failure::new(format!("{name}: expected F32, got {got:?}")));
            }
            let (values, _) = tensor.data().as_chunks();
            let values = values.iter().map(|&bytes| f32::from_le_bytes(bytes));
            state.vectors.insert(name.into(), values.collect());
        }
        let entry = |name: &str| {
            let missing = || Failure::new(format!("its metadata has no {name}"));
            metadata.get(name).ok_or_else(missing)
        };
        Ok(Checkpoint {
            data: number("data", entry("data")?)?,
            cell: number("cell", entry("cell")?)?,
            points: number("points", entry("points")?)?,
            state: (entry("begun")? == "true").then_some(state),
        })
    }
}

fn number<T: std::str::FromStr>(name: &str, text: &str) -> Outcome<T> {
    let wrong = || Failure::new(format!("{name}: expected a number, got {text:?}"));
    text.parse().map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let mut state = State::default();
        state.counters.insert("step".into(), u64::MAX);
        state
            .vectors
            .insert("x".into(), vec![1.0, -0.0, 1e-45, f32::MAX]);
        state.vectors.insert("worker 1".into(), vec![f32::INFINITY]);
        state.vectors.insert("none".into(), vec![]);
        for state in [Some(state), Some(State::default()), None] {
            let checkpoint = Checkpoint {
                data: u32::MAX,
                cell: 3,
                points: 70,
                state,
            };
            let content = checkpoint.write().unwrap();
            assert_eq!(Checkpoint::read(&content).unwrap(), checkpoint);
            let end = content.len() - 1;
            assert!(Checkpoint::read(&content[..end]).is_err());
        }
        assert!(Checkpoint::read(b"").is_err());
    }
}
