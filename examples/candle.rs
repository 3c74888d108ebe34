//! How a training loop passes candle's tensors: nothing is stacked, flattened or copied.
//!
//! ```text
//! cargo run --features train --example candle
//! ```
//!
//! In: each worker's vector is one tensor per parameter of the model, in its own buffer. A
//! [`byzagg::Block`] borrows the buffers of one parameter, a [`byzagg::Matrix`] the blocks of all;
//! distances are over the whole vector. On a GPU the crate uploads them.
//! Out: the result is written into one `Vec` per parameter, which candle takes over as it is.

use byzagg::{Block, DType, Device, Matrix, Output, Prepared, Rule, Run, Shape};
use candle_core::{Device as Place, Layout, Storage, StorageRef, Tensor};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// A rule with the memory that it needs for a model of these shapes.
struct Aggregate {
    aggregator: Prepared,
    shapes: Vec<candle_core::Shape>,
}

impl Aggregate {
    fn new(
        rule: &Rule,
        device: &Device,
        workers: usize,
        shapes: Vec<candle_core::Shape>,
    ) -> Result<Self> {
        let sizes: Vec<usize> = shapes.iter().map(candle_core::Shape::elem_count).collect();
        let aggregator = rule.prepare(device, &Shape::blocks(workers, &sizes), DType::F32)?;
        Ok(Aggregate { aggregator, shapes })
    }

    /// One tensor per parameter from those of all workers.
    fn run(&mut self, rows: &[Vec<Tensor>], step: u64) -> Result<Vec<Tensor>> {
        // Worker after worker for the first parameter, then for the second, …
        let guards: Vec<_> = (0..self.shapes.len())
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
            &Run::new().step(step),
        )?;

        let tensors = result
            .into_iter()
            .zip(&self.shapes)
            .map(|(values, shape)| Tensor::from_vec(values, shape, &Place::Cpu));
        Ok(tensors.collect::<candle_core::Result<_>>()?)
    }
}

/// A tensor's elements, borrowed from its storage, which is locked for reading.
fn values<'a>((storage, layout): &'a (StorageRef<'_>, &Layout)) -> Result<&'a [f32]> {
    let Some((start, end)) = layout.contiguous_offsets() else {
        let strides = layout.stride();
        return Err(format!("expected a contiguous tensor, got strides {strides:?}").into());
    };
    match &**storage {
        Storage::Cpu(storage) => Ok(&storage.as_slice::<f32>()?[start..end]),
        _ => Err("expected a tensor on the CPU".into()),
    }
}

/// Five workers' gradients of a weight and a bias; the last worker is broken.
fn main() -> Result<()> {
    let gradient = |worker: usize| -> candle_core::Result<Vec<Tensor>> {
        let broken = if worker == 4 { f64::NAN } else { 0.0 };
        let weight = Tensor::arange(0f32, 6.0, &Place::Cpu)?.reshape((2, 3))?;
        let bias = Tensor::zeros(2, candle_core::DType::F32, &Place::Cpu)?;
        let by = worker as f64 + broken;
        Ok(vec![weight.affine(1.0, by)?, bias.affine(1.0, by)?])
    };
    let rows = (0..5)
        .map(gradient)
        .collect::<candle_core::Result<Vec<_>>>()?;
    let shapes = rows[0].iter().map(|tensor| tensor.shape().clone());

    let rule: Rule = "ctma(median,f=1)".parse()?;
    let mut aggregate = Aggregate::new(&rule, &Device::cpu(), rows.len(), shapes.collect())?;
    for tensor in aggregate.run(&rows, 0)? {
        println!("{tensor}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_go_in_and_come_out() {
        let row = |i: usize| {
            let weight = Tensor::arange(0f32, 6.0, &Place::Cpu).unwrap();
            let weight = weight.affine(1.0, i as f64).unwrap().reshape((2, 3));
            vec![
                weight.unwrap(),
                Tensor::new(&[i as f32; 4], &Place::Cpu).unwrap(),
            ]
        };
        let rows: Vec<_> = (0..5).map(row).collect();
        let shapes = rows[0].iter().map(|tensor| tensor.shape().clone());
        let rule: Rule = "median".parse().unwrap();
        let mut aggregate = Aggregate::new(&rule, &Device::cpu(), 5, shapes.collect()).unwrap();
        let result = aggregate.run(&rows, 0).unwrap();
        assert_eq!(
            result[0].to_vec2::<f32>().unwrap(),
            [[2.0, 3.0, 4.0], [5.0, 6.0, 7.0]]
        );
        assert_eq!(result[1].to_vec1::<f32>().unwrap(), [2.0; 4]);
        main().unwrap();
    }

    #[test]
    fn borrowed_values_are_the_tensors_own() {
        let tensor = Tensor::arange(0f32, 6.0, &Place::Cpu).unwrap();
        let tensor = tensor.reshape((3, 2)).unwrap();
        let part = tensor.narrow(0, 1, 2).unwrap();
        let guard = part.storage_and_layout();
        assert_eq!(values(&guard).unwrap(), [2.0, 3.0, 4.0, 5.0]);
        let transposed = tensor.t().unwrap();
        let guard = transposed.storage_and_layout();
        let message = values(&guard).unwrap_err().to_string();
        assert_eq!(message, "expected a contiguous tensor, got strides [1, 2]");
    }
}
