//! A vector that a run is given beside the matrix.

use super::select::Blocks;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
use super::shape::Output;
use super::shape::{OutputData, Shape};
use super::view::{Block, Data, Matrix};
#[cfg(feature = "wgpu")]
use super::{BufferBlock, BufferPlace};
use super::{DType, OutputElement};
use crate::Result;

/// A vector that has coefficients and distances like a row, but no vote: the start of centered clipping.
#[derive(Clone, Copy, Debug)]
pub enum Anchor<'a> {
    /// A matrix of one row in the blocks of the shape, with elements of the output's type.
    Vector(Matrix<'a>),
    /// What the output holds before the run, which overwrites it.
    Output,
}

impl<'a> Anchor<'a> {
    /// Does it have the shape that something was prepared for?
    pub(crate) fn check(&self, op: &'static str, shape: &Shape, dtype: DType) -> Result<()> {
        match self {
            Anchor::Vector(vector) => vector.check(op, &shape.of_one_row(), dtype),
            Anchor::Output => Ok(()),
        }
    }

    /// The backend in whose memory it is, if it is a vector of its own that is not in the host's.
    pub(crate) fn backend(&self) -> Option<&'static str> {
        match self {
            Anchor::Vector(vector) => vector.backend(),
            Anchor::Output => None,
        }
    }

    /// Is it in the host's memory, if the output is where it says?
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    pub(crate) fn is_host(&self, output: &Output<'_>) -> bool {
        match self {
            Anchor::Vector(vector) => vector.host().is_some(),
            Anchor::Output => output.is_host(),
        }
    }
}

#[cfg(feature = "wgpu")]
impl Output<'_> {
    /// Calls with what is there now, as a matrix of one row.
    pub(crate) fn with_row<R>(
        &self,
        shape: &Shape,
        call: impl FnOnce(&Matrix<'_>) -> R,
    ) -> Result<R> {
        fn of<T: OutputElement, R>(
            slices: &[&mut [T]],
            shape: &Shape,
            call: impl FnOnce(&Matrix<'_>) -> R,
        ) -> Result<R> {
            let block = |(place, d): (Place, &usize)| {
                let slice = &slices[place.slice][place.start..][..*d];
                Block::new(slice, 1, *d)
            };
            let blocks = places(slices.len(), shape).zip(shape.columns()).map(block);
            let blocks: Vec<_> = blocks.collect::<Result<_>>()?;
            Ok(call(&Matrix::from_blocks(&blocks)?))
        }
        match &self.data {
            OutputData::F32(slices) => of(slices, shape, call),
            OutputData::Bf16(slices) => of(slices, shape, call),
            OutputData::F16(slices) => of(slices, shape, call),
            OutputData::Wgpu(output) => {
                let block = |(place, d): (Place, &usize)| {
                    let skipped = (place.start * output.dtype.size()) as u64;
                    let BufferPlace { buffer, offset } = output.places[place.slice];
                    let place = BufferPlace::new(buffer, offset + skipped);
                    BufferBlock::new(place, 1, *d, output.dtype)
                };
                let places = places(output.places.len(), shape).zip(shape.columns());
                let blocks: Vec<_> = places.map(block).collect::<Result<_>>()?;
                Ok(call(&Matrix::from_buffer_blocks(&blocks)?))
            }
            // CUDA finds it where the result goes.
            #[cfg(feature = "cuda")]
            OutputData::Cuda(_) => {
                let expected = "an output in the host's memory";
                Err(crate::Error::shape(
                    "start_from_output",
                    expected,
                    "one on a device",
                ))
            }
        }
    }
}

/// Where a block lies in an output.
#[cfg(feature = "wgpu")]
struct Place {
    slice: usize,
    start: usize,
}

/// The places of all blocks, in one slice or each in its own.
#[cfg(feature = "wgpu")]
fn places(slices: usize, shape: &Shape) -> impl Iterator<Item = Place> {
    let mut end = 0;
    shape.columns().iter().enumerate().map(move |(block, d)| {
        end += d;
        match slices {
            1 => Place {
                slice: 0,
                start: end - d,
            },
            _ => Place {
                slice: block,
                start: 0,
            },
        }
    })
}

/// The elements of an anchor in the host's memory, block by block.
#[cfg(feature = "cpu")]
#[derive(Clone, Copy)]
pub enum HostAnchor<'a, 'o> {
    Vector(Data<'a>),
    Output(&'a OutputData<'o>),
}

#[cfg(feature = "cpu")]
impl HostAnchor<'_, '_> {
    /// Some columns of a block, which begins at column `start` of all, as f32 (NaN as +Inf).
    pub fn load(
        &self,
        block: usize,
        start: usize,
        columns: std::ops::Range<usize>,
        to: &mut [f32],
    ) {
        fn vector<T: OutputElement>(
            blocks: &Blocks<'_, Block<'_, T>>,
            block: usize,
            columns: std::ops::Range<usize>,
            to: &mut [f32],
        ) {
            let (row, stride) = blocks.get(block).row(0);
            if stride == 1 {
                return load(&row[columns], to);
            }
            for (to, k) in to.iter_mut().zip(columns) {
                load(&[row[k * stride]], std::slice::from_mut(to));
            }
        }
        fn output<T: OutputElement>(
            slices: &[&mut [T]],
            (block, start): (usize, usize),
            columns: std::ops::Range<usize>,
            to: &mut [f32],
        ) {
            match slices {
                [all] => load(&all[start..][columns], to),
                _ => load(&slices[block][columns], to),
            }
        }
        let at = (block, start);
        match self {
            HostAnchor::Vector(Data::F32(blocks)) => vector(blocks, block, columns, to),
            HostAnchor::Vector(Data::Bf16(blocks)) => vector(blocks, block, columns, to),
            HostAnchor::Vector(Data::F16(blocks)) => vector(blocks, block, columns, to),
            HostAnchor::Output(OutputData::F32(slices)) => output(slices, at, columns, to),
            HostAnchor::Output(OutputData::Bf16(slices)) => output(slices, at, columns, to),
            HostAnchor::Output(OutputData::F16(slices)) => output(slices, at, columns, to),
            // The engine has refused the others.
            HostAnchor::Vector(Data::F64(_)) => {}
            #[cfg(any(feature = "wgpu", feature = "cuda"))]
            HostAnchor::Output(_) => {}
        }
    }
}

/// Elements as f32, NaN as +Inf.
#[cfg(feature = "cpu")]
pub fn load<T: OutputElement>(from: &[T], to: &mut [f32]) {
    for (to, from) in to.iter_mut().zip(from) {
        let x = from.to_f32();
        *to = if x.is_nan() { f32::INFINITY } else { x };
    }
}
