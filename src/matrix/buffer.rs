//! Places in wgpu buffers, where matrices and results lie.

use ::wgpu::{Buffer, BufferUsages};

use super::element::DType;
use super::placed::{Fits, Place, PlacedBlock, PlacedOutput};
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
}

impl Place for BufferPlace<'_> {
    const STRIDED: &'static str = "BufferBlock::strided";
    const FROM_ROWS: &'static str = "BufferBlock::from_rows";

    fn skip(self, bytes: u64) -> Self {
        BufferPlace {
            offset: self.offset + bytes,
            ..self
        }
    }
}

impl Fits for BufferPlace<'_> {
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
pub type BufferBlock<'a> = PlacedBlock<'a, BufferPlace<'a>>;

pub type BufferOutput<'a> = PlacedOutput<BufferPlace<'a>>;
