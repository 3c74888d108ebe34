//! Views of matrices.

use std::ops::Range;

use half::{bf16, f16};
use ndarray::ArrayView2;

#[cfg(feature = "wgpu")]
use super::BufferBlock;
use super::element::{DType, Element};
use super::select::{Blocks, View};
use super::shape::Shape;
use crate::{Error, Result};

/// A view of n worker rows with d columns each: one layer, or the whole vector.
#[derive(Clone, Copy, Debug)]
pub struct Block<'a, T> {
    rows: Rows<'a, T>,
    n: usize,
    d: usize,
    /// Which rows these are of the place where they lie, if not the first n.
    selection: Option<&'a [usize]>,
}

#[derive(Clone, Copy, Debug)]
pub enum Rows<'a, T> {
    Strided {
        data: &'a [T],
        row_stride: usize,
        column_stride: usize,
    },
    Separate(&'a [&'a [T]]),
}

impl<'a, T: Element> Block<'a, T> {
    /// n×d elements, row after row.
    ///
    /// ```
    /// let block = byzagg::Block::new(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], 3, 2)?;
    /// assert_eq!((block.n(), block.d()), (3, 2));
    /// # Ok::<(), byzagg::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] when n or d is 0 or the slice does not hold exactly n·d elements.
    pub fn new(data: &'a [T], n: usize, d: usize) -> Result<Self> {
        if n.checked_mul(d) != Some(data.len()) {
            return Err(Error::shape(
                "Block::new",
                format!("{n} × {d} elements"),
                format!("{}", data.len()),
            ));
        }
        Self::strided(data, n, d, d, 1)
    }

    /// Element (i, k) at `i * row_stride + k * column_stride`: padded rows, a slice of columns, a
    /// matrix in column-major (Fortran) order. A column stride other than 1 is slower to read.
    ///
    /// # Errors
    /// [`Error::Shape`] when n or d is 0 or the last element lies outside the slice.
    pub fn strided(
        data: &'a [T],
        n: usize,
        d: usize,
        row_stride: usize,
        column_stride: usize,
    ) -> Result<Self> {
        const OP: &str = "Block::strided";
        positive(OP, n, d)?;
        let last = (n - 1)
            .checked_mul(row_stride)
            .zip((d - 1).checked_mul(column_stride))
            .and_then(|(row, column)| row.checked_add(column));
        if last.is_none_or(|last| last >= data.len()) {
            return Err(Error::shape(
                OP,
                format!(
                    "a buffer that holds {n} × {d} elements with strides {row_stride} and {column_stride}"
                ),
                format!("{} elements", data.len()),
            ));
        }
        Ok(Block {
            rows: Rows::Strided {
                data,
                row_stride,
                column_stride,
            },
            n,
            d,
            selection: None,
        })
    }

    /// One buffer per worker.
    ///
    /// ```
    /// let (a, b) = (vec![1.0f32; 5], vec![2.0f32; 5]);
    /// let rows = [&a[..], &b[..]];
    /// assert_eq!(byzagg::Block::from_rows(&rows)?.d(), 5);
    /// # Ok::<(), byzagg::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] when there is no row, a row is empty, or the lengths differ.
    pub fn from_rows(rows: &'a [&'a [T]]) -> Result<Self> {
        const OP: &str = "Block::from_rows";
        let d = rows.first().map_or(0, |row| row.len());
        positive(OP, rows.len(), d)?;
        if let Some(i) = rows.iter().position(|row| row.len() != d) {
            return Err(Error::shape(
                OP,
                format!("{d} elements in every row, as in row 0"),
                format!("{} in row {i}", rows[i].len()),
            ));
        }
        Ok(Block {
            rows: Rows::Separate(rows),
            n: rows.len(),
            d,
            selection: None,
        })
    }

    /// An `ndarray` view, of any memory order with non-negative strides.
    ///
    /// # Errors
    /// [`Error::Shape`] when n or d is 0 or a stride is negative.
    pub fn from_array(array: ArrayView2<'a, T>) -> Result<Self> {
        const OP: &str = "Block::from_array";
        let (n, d) = array.dim();
        positive(OP, n, d)?;
        let strides = [array.strides()[0], array.strides()[1]];
        let (Ok(row), Ok(column)) = (usize::try_from(strides[0]), usize::try_from(strides[1]))
        else {
            return Err(Error::shape(
                OP,
                "non-negative strides",
                format!("{strides:?}"),
            ));
        };
        // Only standard or reversed-axes layouts can be had as a slice without `unsafe`.
        if let Some(data) = array.to_slice() {
            return Self::strided(data, n, d, d, 1);
        }
        if let Some(data) = array.reversed_axes().to_slice() {
            return Self::strided(data, n, d, 1, n);
        }
        Err(Error::shape(
            OP,
            "a contiguous array in row-major or column-major order (use Block::strided for slices of one)",
            format!("strides {row} and {column} for {n} × {d}"),
        ))
    }
}

impl<'a, T: Copy> Block<'a, T> {
    /// Workers, the number of rows.
    pub fn n(&self) -> usize {
        self.n
    }

    /// Columns.
    pub fn d(&self) -> usize {
        self.d
    }

    /// Where the rows lie: row i is the one at [`source`](Block::source)(i).
    #[inline(always)]
    pub(crate) fn rows(&self) -> Rows<'a, T> {
        self.rows
    }

    /// Which row of the place where they lie is row i.
    #[inline(always)]
    pub(crate) fn source(&self, i: usize) -> usize {
        match self.selection {
            None => i,
            Some(rows) => rows[i],
        }
    }

    /// The elements from row i's first on, and how far apart those of the row are.
    #[inline(always)]
    pub(crate) fn row(&self, i: usize) -> (&'a [T], usize) {
        match self.rows {
            Rows::Strided {
                data,
                row_stride,
                column_stride,
            } => (&data[self.source(i) * row_stride..], column_stride),
            Rows::Separate(rows) => (rows[self.source(i)], 1),
        }
    }

    /// Some columns of row i, if they lie one after the other.
    #[inline(always)]
    pub(crate) fn contiguous(&self, i: usize, columns: Range<usize>) -> Option<&'a [T]> {
        match self.row(i) {
            (row, 1) => Some(&row[columns]),
            _ => None,
        }
    }
}

impl<'a, T: Copy> View<'a> for Block<'a, T> {
    fn n(&self) -> usize {
        self.n
    }

    fn d(&self) -> usize {
        self.d
    }

    #[inline]
    fn select(self, rows: &'a [usize]) -> Self {
        Block {
            n: rows.len(),
            selection: Some(rows),
            ..self
        }
    }
}

pub(super) fn positive(op: &'static str, n: usize, d: usize) -> Result<()> {
    if n == 0 || d == 0 {
        return Err(Error::shape(
            op,
            "at least one row and one column",
            format!("{n} × {d}"),
        ));
    }
    Ok(())
}

/// Refuses an empty list, and blocks with different numbers of rows.
fn same_rows(op: &'static str, mut rows: impl Iterator<Item = usize>) -> Result<()> {
    let Some(first) = rows.next() else {
        return Err(Error::shape(op, "at least one block", "none"));
    };
    if let Some((i, other)) = rows.enumerate().find(|(_, rows)| *rows != first) {
        return Err(Error::shape(
            op,
            format!("{first} rows in every block, as in block 0"),
            format!("{other} in block {}", i + 1),
        ));
    }
    Ok(())
}

#[derive(Clone, Copy, Debug)]
pub enum Data<'a> {
    F32(Blocks<'a, Block<'a, f32>>),
    Bf16(Blocks<'a, Block<'a, bf16>>),
    F16(Blocks<'a, Block<'a, f16>>),
    F64(Blocks<'a, Block<'a, f64>>),
}

/// Where the elements of a matrix are.
#[derive(Clone, Copy, Debug)]
enum Place<'a> {
    Host(Data<'a>),
    #[cfg(feature = "wgpu")]
    Wgpu(Blocks<'a, BufferBlock<'a>>),
}

/// The vectors of n workers: one block, or one block per layer. A view; nothing is copied.
///
/// Made from a [`Block`] with `into()`, or from a list of blocks.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    place: Place<'a>,
}

/// Runs code that is generic over the kind of block.
macro_rules! for_blocks {
    ($place:expr, $blocks:ident => $body:expr) => {
        match $place {
            Place::Host(Data::F32($blocks)) => $body,
            Place::Host(Data::Bf16($blocks)) => $body,
            Place::Host(Data::F16($blocks)) => $body,
            Place::Host(Data::F64($blocks)) => $body,
            #[cfg(feature = "wgpu")]
            Place::Wgpu($blocks) => $body,
        }
    };
}

/// Rows and columns of each block.
fn sizes<'a, B: View<'a>>(blocks: &Blocks<'a, B>) -> impl Iterator<Item = (usize, usize)> {
    blocks.iter().map(|block| (block.n(), block.d()))
}

#[cfg(feature = "wgpu")]
impl<'a> From<BufferBlock<'a>> for Matrix<'a> {
    fn from(block: BufferBlock<'a>) -> Self {
        Matrix {
            place: Place::Wgpu(Blocks::one(block)),
        }
    }
}

impl<'a, T: Element> From<Block<'a, T>> for Matrix<'a> {
    fn from(block: Block<'a, T>) -> Self {
        Matrix {
            place: Place::Host(T::data(Blocks::one(block))),
        }
    }
}

impl<'a> Matrix<'a> {
    /// n×d elements, row after row: [`Block::new`] as a matrix.
    ///
    /// # Errors
    /// As [`Block::new`].
    pub fn new<T: Element>(data: &'a [T], n: usize, d: usize) -> Result<Self> {
        Block::new(data, n, d).map(Into::into)
    }

    /// A list of blocks with the same workers: the layers of a model, or a batch of problems.
    ///
    /// # Errors
    /// [`Error::Shape`] when the list is empty or the blocks have different numbers of rows.
    pub fn from_blocks<T: Element>(blocks: &'a [Block<'a, T>]) -> Result<Self> {
        same_rows("Matrix::from_blocks", blocks.iter().map(|block| block.n))?;
        Ok(Matrix {
            place: Place::Host(T::data(Blocks::many(blocks))),
        })
    }

    /// A list of blocks in wgpu buffers: the layers of a model, or a batch of problems.
    ///
    /// # Errors
    /// [`Error::Shape`] when the list is empty or the blocks have different numbers of rows,
    /// [`Error::DType`] when they have different element types.
    #[cfg(feature = "wgpu")]
    pub fn from_buffer_blocks(blocks: &'a [BufferBlock<'a>]) -> Result<Self> {
        const OP: &str = "Matrix::from_buffer_blocks";
        same_rows(OP, blocks.iter().map(BufferBlock::n))?;
        let expected = blocks[0].dtype();
        if let Some(other) = blocks.iter().find(|block| block.dtype() != expected) {
            let got = other.dtype();
            return Err(Error::DType {
                op: OP,
                expected,
                got,
            });
        }
        Ok(Matrix {
            place: Place::Wgpu(Blocks::many(blocks)),
        })
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        match &self.place {
            Place::Host(Data::F32(_)) => DType::F32,
            Place::Host(Data::Bf16(_)) => DType::Bf16,
            Place::Host(Data::F16(_)) => DType::F16,
            Place::Host(Data::F64(_)) => DType::F64,
            #[cfg(feature = "wgpu")]
            Place::Wgpu(blocks) => blocks.get(0).dtype(),
        }
    }

    /// The elements, if they are in the host's memory.
    pub(crate) fn host(&self) -> Option<Data<'a>> {
        match self.place {
            Place::Host(data) => Some(data),
            #[cfg(feature = "wgpu")]
            Place::Wgpu(_) => None,
        }
    }

    /// The elements, if they are in wgpu buffers.
    #[cfg(feature = "wgpu")]
    pub(crate) fn buffers(&self) -> Option<Blocks<'a, BufferBlock<'a>>> {
        match self.place {
            Place::Host(_) => None,
            Place::Wgpu(blocks) => Some(blocks),
        }
    }

    /// Rows.
    pub(super) fn rows(&self) -> usize {
        for_blocks!(&self.place, blocks => blocks.get(0).n())
    }

    /// The rows that were selected, if any were.
    pub(crate) fn selected(&self) -> Option<&'a [usize]> {
        for_blocks!(&self.place, blocks => blocks.selected())
    }

    pub(super) fn with_rows(self, rows: &'a [usize]) -> Self {
        let place = match self.place {
            Place::Host(data) => Place::Host(match data {
                Data::F32(blocks) => Data::F32(blocks.select(rows)),
                Data::Bf16(blocks) => Data::Bf16(blocks.select(rows)),
                Data::F16(blocks) => Data::F16(blocks.select(rows)),
                Data::F64(blocks) => Data::F64(blocks.select(rows)),
            }),
            #[cfg(feature = "wgpu")]
            Place::Wgpu(blocks) => Place::Wgpu(blocks.select(rows)),
        };
        Matrix { place }
    }

    /// Does this matrix have the shape that something was prepared for?
    pub(crate) fn check(&self, op: &'static str, shape: &Shape, dtype: DType) -> Result<()> {
        if self.dtype() != dtype {
            return Err(Error::DType {
                op,
                expected: dtype,
                got: self.dtype(),
            });
        }
        let expected = shape.columns().iter().map(|&d| (shape.n(), d));
        if for_blocks!(&self.place, blocks => sizes(blocks).eq(expected)) {
            return Ok(());
        }
        let got: Vec<_> = for_blocks!(&self.place, blocks => {
            sizes(blocks).map(|(n, d)| format!("{n}×{d}")).collect()
        });
        Err(Error::shape(op, shape.to_string(), got.join(", ")))
    }
}
