//! The link between candle and byzagg: tensors in, tensors out.
//!
//! In: each worker's vector is one tensor per parameter of the model, in its own buffer. A
//! [`byzagg::Block`] borrows the buffers of one parameter, a [`byzagg::Matrix`] the blocks of all:
//! nothing is stacked, flattened or copied, and distances are over the whole vector. On a GPU the crate
//! uploads them.
//! Out: the result is written into one `Vec` per parameter, which candle takes over as it is.

use byzagg::{Block, DType, Matrix, Output, Prepared, Rule, Run, Shape};
use candle_core::{Device, Layout, Storage, StorageRef, Tensor};

use crate::attack::Row;
use crate::{Failure, Result};

/// A tensor's storage, locked for reading, and the part of it that belongs to the tensor.
pub type Guard<'a> = (StorageRef<'a>, &'a Layout);

/// A rule with the memory that it needs for a model of these shapes.
pub struct Aggregate {
    aggregator: Prepared,
    shapes: Vec<candle_core::Shape>,
}

impl Aggregate {
    pub fn new(
        rule: &Rule,
        device: &byzagg::Device,
        workers: usize,
        shapes: Vec<candle_core::Shape>,
    ) -> Result<Self> {
        let sizes: Vec<usize> = shapes.iter().map(candle_core::Shape::elem_count).collect();
        let aggregator = rule.prepare(device, &Shape::blocks(workers, &sizes), DType::F32)?;
        Ok(Aggregate { aggregator, shapes })
    }

    /// One tensor per parameter from the rows of all workers.
    pub fn run(&mut self, rows: &[Row], step: usize) -> Result<Vec<Tensor>> {
        // Worker after worker for the first parameter, then for the second, …
        let guards: Vec<Guard<'_>> = (0..self.shapes.len())
            .flat_map(|layer| rows.iter().map(move |row| row[layer].storage_and_layout()))
            .collect();
        let slices = guards.iter().map(values).collect::<Result<Vec<&[f32]>>>()?;
        let blocks = slices
            .chunks_exact(rows.len())
            .map(Block::from_rows)
            .collect::<byzagg::Result<Vec<_>>>()?;

        let mut result: Vec<Vec<f32>> = self
            .shapes
            .iter()
            .map(|shape| vec![0.0; shape.elem_count()])
            .collect();
        self.aggregator.run_with(
            Matrix::from_blocks(&blocks)?,
            Output::blocks(result.iter_mut().map(Vec::as_mut_slice)),
            &Run::new().step(step as u64),
        )?;

        let tensors = result
            .into_iter()
            .zip(&self.shapes)
            .map(|(values, shape)| Tensor::from_vec(values, shape, &Device::Cpu));
        Ok(tensors.collect::<candle_core::Result<_>>()?)
    }
}

/// A tensor's elements, borrowed from its storage.
pub fn values<'a>((storage, layout): &'a Guard<'_>) -> Result<&'a [f32]> {
    let Some((start, end)) = layout.contiguous_offsets() else {
        return Err(Failure::run(format!(
            "expected a contiguous tensor, got strides {:?}",
            layout.stride()
        )));
    };
    match &**storage {
        Storage::Cpu(storage) => Ok(&storage.as_slice::<f32>()?[start..end]),
        _ => Err(Failure::run("expected a tensor on the CPU")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(n: usize) -> Vec<Row> {
        let weight = |i: usize| {
            Tensor::arange(0f32, 6.0, &Device::Cpu)?
                .affine(1.0, i as f64)?
                .reshape((2, 3))
        };
        let bias = |i: usize| Tensor::new(&[i as f32; 4], &Device::Cpu);
        (0..n)
            .map(|i| vec![weight(i).unwrap(), bias(i).unwrap()])
            .collect()
    }

    #[test]
    fn tensors_go_in_and_come_out() {
        let rows = rows(5);
        let shapes = rows[0]
            .iter()
            .map(|tensor| tensor.shape().clone())
            .collect();
        let rule: Rule = "median".parse().unwrap();
        let device = byzagg::Device::cpu();
        let result = Aggregate::new(&rule, &device, 5, shapes)
            .unwrap()
            .run(&rows, 0)
            .unwrap();
        assert_eq!(
            result[0].to_vec2::<f32>().unwrap(),
            [[2.0, 3.0, 4.0], [5.0, 6.0, 7.0]]
        );
        assert_eq!(result[1].to_vec1::<f32>().unwrap(), [2.0; 4]);
    }

    #[test]
    fn borrowed_values_are_the_tensors_own() {
        let tensor = Tensor::arange(0f32, 6.0, &Device::Cpu)
            .unwrap()
            .reshape((3, 2))
            .unwrap();
        let part = tensor.narrow(0, 1, 2).unwrap();
        assert_eq!(
            values(&part.storage_and_layout()).unwrap(),
            [2.0, 3.0, 4.0, 5.0]
        );
        let transposed = tensor.t().unwrap();
        let message = values(&transposed.storage_and_layout())
            .unwrap_err()
            .to_string();
        assert_eq!(message, "expected a contiguous tensor, got strides [1, 2]");
    }
}
