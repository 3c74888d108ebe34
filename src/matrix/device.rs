//! Places in a CUDA device's memory, where matrices and results lie.

use std::fmt::Debug;

use cudarc::driver::sys::CUdeviceptr;
use cudarc::driver::{
    CudaSlice, CudaStream, CudaView, CudaViewMut, DevicePtr, DevicePtrMut, DeviceSlice, SyncOnDrop,
};

use super::element::{DType, OutputElement};
use super::placed::{Fits, Place, PlacedBlock, PlacedOutput};
use crate::{Error, Result};

/// A place in a CUDA device's memory: some of a cudarc slice, or a device pointer of anyone's.
///
/// cudarc's events are heeded: a run waits for what other streams write there, and they wait for the run.
#[derive(Clone, Copy, Debug)]
pub struct DevicePlace<'a> {
    memory: Memory<'a>,
    /// In bytes.
    offset: u64,
}

#[derive(Clone, Copy, Debug)]
enum Memory<'a> {
    Tracked(&'a dyn Tracked),
    Raw(Raw),
}

/// A device pointer and the bytes behind it.
#[derive(Clone, Copy, Debug)]
struct Raw {
    pointer: CUdeviceptr,
    bytes: u64,
}

/// A cudarc slice or view of any element type.
pub trait Tracked: Debug + Send + Sync {
    fn dtype(&self) -> DType;
    fn bytes(&self) -> u64;
    fn home(&self) -> &CudaStream;
    /// The address, once the stream waits for those who write there.
    fn pointer<'s>(&'s self, stream: &'s CudaStream) -> (CUdeviceptr, SyncOnDrop<'s>);
}

/// The same to write to.
pub trait TrackedMut: Tracked {
    fn pointer_mut<'s>(&'s mut self, stream: &'s CudaStream) -> (CUdeviceptr, SyncOnDrop<'s>);
}

macro_rules! tracked {
    ($($memory:ty),*) => {$(
        impl<T: OutputElement> Tracked for $memory {
            fn dtype(&self) -> DType {
                T::DTYPE
            }
            fn bytes(&self) -> u64 {
                DeviceSlice::num_bytes(self) as u64
            }
            fn home(&self) -> &CudaStream {
                DeviceSlice::stream(self)
            }
            fn pointer<'s>(&'s self, stream: &'s CudaStream) -> (CUdeviceptr, SyncOnDrop<'s>) {
                self.device_ptr(stream)
            }
        }
    )*};
}
tracked!(CudaSlice<T>, CudaView<'_, T>, CudaViewMut<'_, T>);

macro_rules! tracked_mut {
    ($($memory:ty),*) => {$(
        impl<T: OutputElement> TrackedMut for $memory {
            fn pointer_mut<'s>(&'s mut self, stream: &'s CudaStream) -> (CUdeviceptr, SyncOnDrop<'s>) {
                self.device_ptr_mut(stream)
            }
        }
    )*};
}
tracked_mut!(CudaSlice<T>, CudaViewMut<'_, T>);

impl<'a> DevicePlace<'a> {
    /// The beginning of a `CudaSlice`, a `CudaView` or a `CudaViewMut` of f32, bf16 or f16.
    #[allow(private_bounds)]
    pub fn new(slice: &'a impl Tracked) -> Self {
        DevicePlace {
            memory: Memory::Tracked(slice),
            offset: 0,
        }
    }

    /// For [`DevicePlace::from_raw`], which is where the launches are.
    pub(crate) fn of_pointer(pointer: CUdeviceptr, bytes: u64) -> Self {
        DevicePlace {
            memory: Memory::Raw(Raw { pointer, bytes }),
            offset: 0,
        }
    }

    /// So many bytes further on.
    pub fn offset(self, bytes: u64) -> Self {
        DevicePlace {
            offset: self.offset.saturating_add(bytes),
            ..self
        }
    }

    /// The stream that it was allocated on, if cudarc knows.
    pub(crate) fn home(&self) -> Option<&'a CudaStream> {
        match self.memory {
            Memory::Tracked(memory) => Some(memory.home()),
            Memory::Raw(_) => None,
        }
    }

    /// The address, once the stream waits for those who write there; others wait for the stream when the guard
    /// is dropped.
    pub(crate) fn pointer<'s>(self, stream: &'s CudaStream) -> (CUdeviceptr, Option<SyncOnDrop<'s>>)
    where
        'a: 's,
    {
        match self.memory {
            Memory::Tracked(memory) => {
                let (pointer, guard) = memory.pointer(stream);
                (pointer + self.offset, Some(guard))
            }
            Memory::Raw(raw) => (raw.pointer + self.offset, None),
        }
    }
}

impl Place for DevicePlace<'_> {
    const STRIDED: &'static str = "DeviceBlock::strided";
    const FROM_ROWS: &'static str = "DeviceBlock::from_rows";

    fn skip(self, bytes: u64) -> Self {
        self.offset(bytes)
    }
}

impl Fits for DevicePlace<'_> {
    fn check(&self, op: &'static str, dtype: DType, elements: u64) -> Result<()> {
        let (bytes, aligned) = match self.memory {
            Memory::Tracked(memory) => {
                same_dtype(op, dtype, memory.dtype())?;
                (memory.bytes(), 0)
            }
            Memory::Raw(raw) => (raw.bytes, raw.pointer),
        };
        fits(
            op,
            dtype,
            elements,
            bytes,
            aligned.wrapping_add(self.offset),
            self.offset,
        )
    }
}

fn same_dtype(op: &'static str, expected: DType, got: DType) -> Result<()> {
    if expected != got {
        return Err(Error::DType { op, expected, got });
    }
    Ok(())
}

/// Are there so many elements behind an offset into so many bytes, and is the address one that they can have?
fn fits(
    op: &'static str,
    dtype: DType,
    elements: u64,
    bytes: u64,
    address: u64,
    offset: u64,
) -> Result<()> {
    if dtype == DType::F64 {
        let expected = "elements of f32, bf16 or f16 on a GPU";
        return Err(Error::shape(op, expected, dtype.to_string()));
    }
    let size = dtype.size() as u64;
    if !address.is_multiple_of(size) {
        let expected =
            format!("an address that is a multiple of {size} bytes, the size of {dtype}");
        return Err(Error::shape(op, expected, format!("{address}")));
    }
    let end = elements
        .checked_mul(size)
        .and_then(|needed| needed.checked_add(offset));
    if end.is_none_or(|end| end > bytes) {
        let expected =
            format!("memory that holds {elements} elements of {dtype} from byte {offset}");
        return Err(Error::shape(op, expected, format!("{bytes} bytes")));
    }
    Ok(())
}

/// A view of n worker rows with d columns each in a CUDA device's memory, to be run on a
/// [`Cuda`](crate::Cuda) device.
pub type DeviceBlock<'a> = PlacedBlock<'a, DevicePlace<'a>>;

/// A place in a CUDA device's memory to write to.
#[derive(Debug)]
pub struct DevicePlaceMut<'a> {
    memory: MemoryMut<'a>,
}

#[derive(Debug)]
enum MemoryMut<'a> {
    Tracked(&'a mut dyn TrackedMut),
    Raw(Raw),
}

impl<'a> DevicePlaceMut<'a> {
    /// A `CudaSlice` or a `CudaViewMut` of f32, bf16 or f16.
    #[allow(private_bounds)]
    pub fn new(slice: &'a mut impl TrackedMut) -> Self {
        DevicePlaceMut {
            memory: MemoryMut::Tracked(slice),
        }
    }

    /// For [`DevicePlaceMut::from_raw`], which is where the launches are.
    pub(crate) fn of_pointer(pointer: CUdeviceptr, bytes: u64) -> Self {
        DevicePlaceMut {
            memory: MemoryMut::Raw(Raw { pointer, bytes }),
        }
    }

    /// The stream that it was allocated on, if cudarc knows.
    pub(crate) fn home(&self) -> Option<&CudaStream> {
        match &self.memory {
            MemoryMut::Tracked(memory) => Some(memory.home()),
            MemoryMut::Raw(_) => None,
        }
    }

    /// The address, once the stream waits for those who read or write there.
    pub(crate) fn pointer<'s>(
        &'s mut self,
        stream: &'s CudaStream,
    ) -> (CUdeviceptr, Option<SyncOnDrop<'s>>) {
        match &mut self.memory {
            MemoryMut::Tracked(memory) => {
                let (pointer, guard) = memory.pointer_mut(stream);
                (pointer, Some(guard))
            }
            MemoryMut::Raw(raw) => (raw.pointer, None),
        }
    }
}

impl Fits for DevicePlaceMut<'_> {
    fn check(&self, op: &'static str, dtype: DType, elements: u64) -> Result<()> {
        let (bytes, address) = match &self.memory {
            MemoryMut::Tracked(memory) => {
                same_dtype(op, dtype, memory.dtype())?;
                (memory.bytes(), 0)
            }
            MemoryMut::Raw(raw) => (raw.bytes, raw.pointer),
        };
        fits(op, dtype, elements, bytes, address, 0)
    }
}

pub type DeviceOutput<'a> = PlacedOutput<DevicePlaceMut<'a>>;
