//! Views of matrices and results in a device's memory. Nothing is copied.

use std::fmt::Debug;

use super::element::DType;
use super::select::View;
use crate::{Error, Result};

/// Memory of a device.
pub trait Fits {
    /// Refuses memory that does not hold so many elements.
    fn check(&self, op: &'static str, dtype: DType, elements: u64) -> Result<()>;
}

/// A place in a device's memory: `BufferPlace` or `DevicePlace`.
pub trait Place: Copy + Debug + Fits {
    /// The operations of its blocks, for errors.
    const STRIDED: &'static str;
    const FROM_ROWS: &'static str;

    /// So many bytes further on.
    fn skip(self, bytes: u64) -> Self;
}

/// A view of n worker rows with d columns each in a device's memory: a `BufferBlock` on wgpu, a
/// `DeviceBlock` on CUDA.
#[derive(Clone, Copy, Debug)]
pub struct PlacedBlock<'a, P> {
    rows: PlacedRows<'a, P>,
    n: usize,
    d: usize,
    dtype: DType,
    /// Which rows these are of the place where they lie, if not the first n.
    selection: Option<&'a [usize]>,
}

/// Where rows lie.
#[derive(Clone, Copy, Debug)]
pub enum PlacedRows<'a, P> {
    Strided { first: P, row_stride: usize },
    Separate(&'a [P]),
}

impl<'a, P: Place> PlacedBlock<'a, P> {
    /// n×d elements, row after row.
    ///
    /// # Errors
    /// As [`strided`](PlacedBlock::strided).
    pub fn new(first: P, n: usize, d: usize, dtype: DType) -> Result<Self> {
        Self::strided(first, n, d, d, dtype)
    }

    /// Row i begins `i * row_stride` elements behind the first.
    ///
    /// # Errors
    /// [`Error::Shape`] when n or d is 0, the last element lies outside the memory, the first one is not at a
    /// multiple of its size, or the device can't read that memory.
    pub fn strided(first: P, n: usize, d: usize, row_stride: usize, dtype: DType) -> Result<Self> {
        super::view::positive(P::STRIDED, n, d)?;
        let elements = (n as u64 - 1)
            .checked_mul(row_stride as u64)
            .and_then(|start| start.checked_add(d as u64));
        first.check(P::STRIDED, dtype, elements.unwrap_or(u64::MAX))?;
        let rows = PlacedRows::Strided { first, row_stride };
        Ok(PlacedBlock {
            rows,
            n,
            d,
            dtype,
            selection: None,
        })
    }

    /// One place per worker.
    ///
    /// # Errors
    /// As [`strided`](PlacedBlock::strided), for any of the rows.
    pub fn from_rows(rows: &'a [P], d: usize, dtype: DType) -> Result<Self> {
        super::view::positive(P::FROM_ROWS, rows.len(), d)?;
        for row in rows {
            row.check(P::FROM_ROWS, dtype, d as u64)?;
        }
        let n = rows.len();
        let rows = PlacedRows::Separate(rows);
        Ok(PlacedBlock {
            rows,
            n,
            d,
            dtype,
            selection: None,
        })
    }

    /// Workers, the number of rows.
    pub fn n(&self) -> usize {
        self.n
    }

    /// Columns.
    pub fn d(&self) -> usize {
        self.d
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Where the rows lie, and which of them these are if not the first n.
    #[cfg(feature = "cuda")]
    pub(crate) fn rows(&self) -> (PlacedRows<'a, P>, Option<&'a [usize]>) {
        (self.rows, self.selection)
    }

    /// Where row i begins.
    #[cfg(feature = "wgpu")]
    pub(crate) fn row(&self, i: usize) -> P {
        let i = self.selection.map_or(i, |rows| rows[i]);
        match self.rows {
            PlacedRows::Strided { first, row_stride } => {
                first.skip((i * row_stride * self.dtype.size()) as u64)
            }
            PlacedRows::Separate(rows) => rows[i],
        }
    }
}

impl<'a, P: Place> View<'a> for PlacedBlock<'a, P> {
    fn n(&self) -> usize {
        self.n
    }

    fn d(&self) -> usize {
        self.d
    }

    fn select(self, rows: &'a [usize]) -> Self {
        PlacedBlock {
            n: rows.len(),
            selection: Some(rows),
            ..self
        }
    }
}

/// Where a result goes: one place for all blocks, one after the other, or one per block.
#[derive(Debug)]
pub struct PlacedOutput<P> {
    pub(crate) places: Vec<P>,
    pub(crate) dtype: DType,
}

impl<P: Fits> PlacedOutput<P> {
    /// Does each place hold its columns?
    pub(crate) fn check(&self, op: &'static str, columns: &[usize]) -> Result<()> {
        let sums = [columns.iter().sum::<usize>()];
        let lengths = match self.places.len() {
            1 => &sums[..],
            count if count == columns.len() => columns,
            count => {
                let expected = format!("one place, or one for each of {} blocks", columns.len());
                return Err(Error::shape(op, expected, count.to_string()));
            }
        };
        for (place, &length) in self.places.iter().zip(lengths) {
            place.check(op, self.dtype, length as u64)?;
        }
        Ok(())
    }
}
