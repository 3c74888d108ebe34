//! What a rule is prepared for, and where its result goes.

use std::fmt;

use half::{bf16, f16};

use super::element::{DType, OutputElement};
#[cfg(feature = "wgpu")]
use super::{BufferOutput, BufferPlace};
use crate::{Error, Result};

/// How many workers, how many columns, and whether several blocks are one vector or a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    n: usize,
    columns: Vec<usize>,
    batch: bool,
}

impl Shape {
    /// n workers, one block of d columns.
    pub fn new(n: usize, d: usize) -> Self {
        Shape {
            n,
            columns: vec![d],
            batch: false,
        }
    }

    /// Several blocks that are one vector together: distances are over all of them.
    pub fn blocks(n: usize, columns: &[usize]) -> Self {
        Shape {
            n,
            columns: columns.to_vec(),
            batch: false,
        }
    }

    /// Several blocks, each a problem by itself: layer-wise rules, or a batch of independent problems.
    pub fn batch(n: usize, columns: &[usize]) -> Self {
        Shape {
            n,
            columns: columns.to_vec(),
            batch: true,
        }
    }

    /// Workers.
    pub fn n(&self) -> usize {
        self.n
    }

    /// One row in the same blocks.
    pub(crate) fn of_one_row(&self) -> Shape {
        Shape {
            n: 1,
            ..self.clone()
        }
    }

    /// Columns of each block.
    pub fn columns(&self) -> &[usize] {
        &self.columns
    }

    /// Columns of all blocks.
    pub fn d(&self) -> usize {
        self.columns.iter().sum()
    }

    /// Independent problems: the number of blocks of a batch, else 1.
    pub fn problems(&self) -> usize {
        if self.batch { self.columns.len() } else { 1 }
    }

    /// The blocks of problem p.
    pub(crate) fn problem(&self, p: usize) -> std::ops::Range<usize> {
        if self.batch {
            p..p + 1
        } else {
            0..self.columns.len()
        }
    }

    pub(crate) fn check(&self, op: &'static str) -> Result<()> {
        let empty = self.n == 0 || self.columns.is_empty() || self.columns.contains(&0);
        let elements = self
            .columns
            .iter()
            .try_fold(0usize, |sum, &d| sum.checked_add(d.checked_mul(self.n)?));
        if empty || elements.is_none_or(|e| e > isize::MAX as usize) {
            return Err(Error::shape(
                op,
                "at least one row, one block and one column in each, addressable in memory",
                self.to_string(),
            ));
        }
        Ok(())
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.columns[..] {
            [d] => write!(f, "{} × {d}", self.n),
            columns => {
                let kind = if self.batch { "problems" } else { "blocks" };
                write!(f, "{} × {columns:?} ({} {kind})", self.n, columns.len())
            }
        }
    }
}

pub enum OutputData<'a> {
    F32(Vec<&'a mut [f32]>),
    Bf16(Vec<&'a mut [bf16]>),
    F16(Vec<&'a mut [f16]>),
    #[cfg(feature = "wgpu")]
    Wgpu(BufferOutput<'a>),
}

/// Where a result goes: one slice for all blocks, one after the other, or one slice per block.
pub struct Output<'a> {
    pub(crate) data: OutputData<'a>,
}

impl<'a, T: OutputElement> From<&'a mut [T]> for Output<'a> {
    fn from(slice: &'a mut [T]) -> Self {
        Output {
            data: T::output(vec![slice]),
        }
    }
}

impl<'a, T: OutputElement> From<&'a mut Vec<T>> for Output<'a> {
    fn from(vector: &'a mut Vec<T>) -> Self {
        vector.as_mut_slice().into()
    }
}

impl<'a> Output<'a> {
    /// One slice per block.
    pub fn blocks<T: OutputElement>(slices: impl IntoIterator<Item = &'a mut [T]>) -> Self {
        Output {
            data: T::output(slices.into_iter().collect()),
        }
    }

    /// One place in a wgpu buffer for all blocks, one after the other. The result stays on the device.
    #[cfg(feature = "wgpu")]
    pub fn buffer(place: BufferPlace<'a>, dtype: DType) -> Self {
        Output::buffers(&[place], dtype)
    }

    /// One place in a wgpu buffer per block.
    #[cfg(feature = "wgpu")]
    pub fn buffers(places: &[BufferPlace<'a>], dtype: DType) -> Self {
        let places = places.to_vec();
        Output {
            data: OutputData::Wgpu(BufferOutput { places, dtype }),
        }
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        match &self.data {
            OutputData::F32(_) => DType::F32,
            OutputData::Bf16(_) => DType::Bf16,
            OutputData::F16(_) => DType::F16,
            #[cfg(feature = "wgpu")]
            OutputData::Wgpu(output) => output.dtype,
        }
    }

    /// Is it in the host's memory?
    pub(crate) fn is_host(&self) -> bool {
        match &self.data {
            OutputData::F32(_) | OutputData::Bf16(_) | OutputData::F16(_) => true,
            #[cfg(feature = "wgpu")]
            OutputData::Wgpu(_) => false,
        }
    }

    pub(crate) fn check(&self, op: &'static str, shape: &Shape, dtype: DType) -> Result<()> {
        if self.dtype() != dtype {
            return Err(Error::DType {
                op,
                expected: dtype,
                got: self.dtype(),
            });
        }
        let lengths: Vec<usize> = match &self.data {
            OutputData::F32(s) => s.iter().map(|s| s.len()).collect(),
            OutputData::Bf16(s) => s.iter().map(|s| s.len()).collect(),
            OutputData::F16(s) => s.iter().map(|s| s.len()).collect(),
            #[cfg(feature = "wgpu")]
            OutputData::Wgpu(output) => return output.check(op, &shape.columns),
        };
        if lengths != [shape.d()] && lengths != shape.columns {
            return Err(Error::shape(
                op,
                format!(
                    "an output of {} elements, or slices of {:?}",
                    shape.d(),
                    shape.columns
                ),
                format!("{lengths:?}"),
            ));
        }
        Ok(())
    }
}
