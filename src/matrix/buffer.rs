//! Views of matrices and results in wgpu buffers. Nothing is copied.

use ::wgpu::{Buffer, BufferUsages};

use super::element::DType;
use super::select::View;
use crate::{Error, Result};

/// A place in a wgpu buffer.
///
/// Frameworks give tensors parts of larger buffers, so a place is a buffer and an offset.
#[derive(Clone, Copy, Debug)]
pub struct BufferPlace<'a> {
    /// The buffer. It needs `BufferUsages::STORAGE`; one that the device can't bind as a whole needs
    /// `COPY_SRC`, too. It must be of the device that the rule was prepared for: wgpu tells the buffers of
    /// two devices apart only when both come from one `wgpu::Instance`.
    pub buffer: &'a Buffer,
    /// In bytes, a multiple of the size of an element.
    pub offset: u64,
}

impl<'a> BufferPlace<'a> {
    /// An offset in bytes.
    pub fn new(buffer: &'a Buffer, offset: u64) -> Self {
        BufferPlace { buffer, offset }
    }

    /// Refuses a place that does not hold so many elements from here on.
    fn check(&self, op: &'static str, dtype: DType, elements: u64) -> Result<()> {
        if dtype == DType::F64 {
            return Err(Error::shape(
                op,
                "elements of f32, bf16 or f16 on a GPU",
                dtype.to_string(),
            ));
        }
        let size = dtype.size() as u64;
        if !self.offset.is_multiple_of(size) {
            let expected =
                format!("an offset that is a multiple of {size} bytes, the size of {dtype}");
            return Err(Error::shape(op, expected, self.offset.to_string()));
        }
        if !self.buffer.usage().contains(BufferUsages::STORAGE) {
            let got = format!("{:?}", self.buffer.usage());
            return Err(Error::shape(op, "a buffer with BufferUsages::STORAGE", got));
        }
        // Shaders see whole words.
        let size_of_words = self.buffer.size() / 4 * 4;
        let end = elements
            .checked_mul(size)
            .and_then(|bytes| bytes.checked_add(self.offset));
        if end.is_none_or(|end| end > size_of_words) {
            let expected = format!(
                "a buffer that holds {elements} elements of {dtype} from byte {}",
                self.offset
            );
            return Err(Error::shape(
                op,
                expected,
                format!("{size_of_words} bytes in whole words"),
            ));
        }
        Ok(())
    }
}

/// A view of n worker rows with d columns each in wgpu buffers, to be run on a
/// [`Wgpu`](crate::Wgpu) device.
#[derive(Clone, Copy, Debug)]
pub struct BufferBlock<'a> {
    rows: BufferRows<'a>,
    n: usize,
    d: usize,
    dtype: DType,
    /// Which rows these are of the place where they lie, if not the first n.
    selection: Option<&'a [usize]>,
}

#[derive(Clone, Copy, Debug)]
enum BufferRows<'a> {
    Strided {
        first: BufferPlace<'a>,
        row_stride: usize,
    },
    Separate(&'a [BufferPlace<'a>]),
}

impl<'a> BufferBlock<'a> {
    /// n×d elements, row after row.
    ///
    /// # Errors
    /// As [`BufferBlock::strided`].
    pub fn new(first: BufferPlace<'a>, n: usize, d: usize, dtype: DType) -> Result<Self> {
        Self::strided(first, n, d, d, dtype)
    }

    /// Row i begins `i * row_stride` elements behind the first.
    ///
    /// # Errors
    /// [`Error::Shape`] when n or d is 0, the last element lies outside the buffer, the offset is not a
    /// multiple of the element's size, or the buffer can't be bound as storage.
    pub fn strided(
        first: BufferPlace<'a>,
        n: usize,
        d: usize,
        row_stride: usize,
        dtype: DType,
    ) -> Result<Self> {
        const OP: &str = "BufferBlock::strided";
        super::view::positive(OP, n, d)?;
        let elements = (n as u64 - 1)
            .checked_mul(row_stride as u64)
            .and_then(|start| start.checked_add(d as u64));
        first.check(OP, dtype, elements.unwrap_or(u64::MAX))?;
        let rows = BufferRows::Strided { first, row_stride };
        Ok(BufferBlock {
            rows,
            n,
            d,
            dtype,
            selection: None,
        })
    }

    /// One place per worker, in one buffer or in several.
    ///
    /// # Errors
    /// [`Error::Shape`] as for [`BufferBlock::strided`], for any of the rows.
    pub fn from_rows(rows: &'a [BufferPlace<'a>], d: usize, dtype: DType) -> Result<Self> {
        const OP: &str = "BufferBlock::from_rows";
        super::view::positive(OP, rows.len(), d)?;
        for row in rows {
            row.check(OP, dtype, d as u64)?;
        }
        let n = rows.len();
        let rows = BufferRows::Separate(rows);
        Ok(BufferBlock {
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

    /// Where row i begins.
    pub(crate) fn row(&self, i: usize) -> BufferPlace<'a> {
        let i = self.selection.map_or(i, |rows| rows[i]);
        match self.rows {
            BufferRows::Strided { first, row_stride } => BufferPlace {
                offset: first.offset + (i * row_stride * self.dtype.size()) as u64,
                ..first
            },
            BufferRows::Separate(rows) => rows[i],
        }
    }
}

impl<'a> View<'a> for BufferBlock<'a> {
    fn n(&self) -> usize {
        self.n
    }

    fn d(&self) -> usize {
        self.d
    }

    fn select(self, rows: &'a [usize]) -> Self {
        BufferBlock {
            n: rows.len(),
            selection: Some(rows),
            ..self
        }
    }
}

/// Where a result goes in buffers: one place for all blocks, one after the other, or one per block.
#[derive(Clone, Debug)]
pub struct BufferOutput<'a> {
    pub(crate) places: Vec<BufferPlace<'a>>,
    pub(crate) dtype: DType,
}

impl BufferOutput<'_> {
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
