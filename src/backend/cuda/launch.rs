//! All that is `unsafe` of this backend: the driver's library, memory that is not initialised, launches, and
//! device pointers of the caller's.
#![allow(unsafe_code)]

use std::sync::{Arc, LazyLock};

use bytemuck::NoUninit;
use cudarc::driver::{
    CudaFunction, CudaSlice, CudaStream, DeviceRepr, DriverError, LaunchConfig, PushKernelArg, sys,
};

use super::abi::Masks;
use crate::{DevicePlace, DevicePlaceMut};

/// Is the driver's library there, and is it one? cudarc panics where it is not.
pub(super) fn find_driver() -> Result<(), String> {
    static FOUND: LazyLock<Result<(), String>> = LazyLock::new(|| {
        let names = match cfg!(windows) {
            true => &["nvcuda.dll"][..],
            false => &["libcuda.so", "libcuda.so.1"][..],
        };
        let mut reasons = Vec::new();
        for &name in names {
            // SAFETY: the library's initialisers are the driver's, which any CUDA program runs.
            match unsafe { libloading::Library::new(name) } {
                Ok(library) => {
                    // SAFETY: looked for, not called.
                    let symbol =
                        unsafe { library.get::<unsafe extern "C" fn()>("cuDriverGetVersion") };
                    let found = symbol.map(|_| ());
                    // cudarc's own copy stays open, too, and is the first that opens.
                    std::mem::forget(library);
                    return found
                        .map_err(|error| format!("{name} is no NVIDIA driver: {}", why(&error)));
                }
                Err(error) => reasons.push(why(&error)),
            }
        }
        Err(format!("there is no NVIDIA driver: {}", reasons.join("; ")))
    });
    FOUND.clone()
}

/// The loader's own words, which name the file.
fn why(error: &libloading::Error) -> String {
    let source = std::error::Error::source(error);
    source.map_or_else(|| error.to_string(), ToString::to_string)
}

/// The CUDA version that the driver is for, as 1000 · major + 10 · minor.
pub(super) fn driver_version() -> Result<i32, String> {
    let mut version = 0;
    // SAFETY: writes one integer; callable before anything else.
    let result = unsafe { sys::cuDriverGetVersion(&mut version) };
    match result {
        sys::CUresult::CUDA_SUCCESS => Ok(version),
        error => Err(format!("the driver does not tell its version: {error:?}")),
    }
}

/// Memory with anything in it.
pub(super) fn allocate<T: bytemuck::Pod + DeviceRepr>(
    stream: &Arc<CudaStream>,
    len: usize,
) -> Result<CudaSlice<T>, DriverError> {
    // SAFETY: any bits are a `Pod` value.
    unsafe { stream.alloc(len) }
}

/// A kernel's parameter, by value.
#[repr(transparent)]
struct Parameter<T>(T);

// SAFETY: plain data without padding, laid out as the kernel's struct is.
unsafe impl<T: NoUninit> DeviceRepr for Parameter<T> {}

/// Where a kernel runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid {
    pub blocks: (u32, u32, u32),
    pub threads: u32,
    /// Bytes of dynamic shared memory.
    pub shared: u32,
}

/// Enqueues a kernel of two parameters, or three.
pub(super) fn launch<A: NoUninit, B: NoUninit>(
    stream: &CudaStream,
    kernel: &CudaFunction,
    grid: Grid,
    first: &A,
    second: &B,
    masks: Option<&Masks>,
) -> Result<(), DriverError> {
    let config = LaunchConfig {
        grid_dim: grid.blocks,
        block_dim: (grid.threads, 1, 1),
        shared_mem_bytes: grid.shared,
    };
    let first = Parameter(*first);
    let second = Parameter(*second);
    let masks = masks.map(|masks| Parameter(*masks));
    let mut launch = stream.launch_builder(kernel);
    launch.arg(&first).arg(&second);
    if let Some(masks) = &masks {
        launch.arg(masks);
    }
    // SAFETY: the parameters are those of the kernel (abi.rs), the addresses in them are of the workspace, which
    // outlives what is on its stream, or the caller's, who has promised as much.
    unsafe { launch.launch(config) }.map(|_| ())
}

/// Copies numbers to an address of the workspace's.
pub(super) fn copy_to(
    stream: &CudaStream,
    values: &[f64],
    address: u64,
) -> Result<(), DriverError> {
    stream.context().bind_to_thread()?;
    // SAFETY: the workspace has so many numbers there, and the driver has taken pageable memory's contents when the
    // call returns.
    unsafe { cudarc::driver::result::memcpy_htod_async(address, values, stream.cu_stream()) }
}

/// Is a graph being captured on the stream?
pub(super) fn is_capturing(stream: &CudaStream) -> bool {
    let status = stream.capture_status();
    status.is_ok_and(|status| status != sys::CUstreamCaptureStatus::CU_STREAM_CAPTURE_STATUS_NONE)
}

/// Lets a kernel have more dynamic shared memory than 48 KiB.
pub(super) fn allow_shared(kernel: &CudaFunction, bytes: u32) -> Result<(), DriverError> {
    use sys::CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES as MOST;
    kernel.set_attribute(MOST, bytes as i32)
}

impl DevicePlace<'_> {
    /// A device pointer to memory of so many bytes.
    ///
    /// # Safety
    /// Until what is enqueued on the stream has run, the memory must be readable on the device that the rule is
    /// prepared for, and written to by nobody but work that the stream waits for.
    pub unsafe fn from_raw(pointer: sys::CUdeviceptr, bytes: u64) -> Self {
        Self::of_pointer(pointer, bytes)
    }
}

impl DevicePlaceMut<'_> {
    /// A device pointer to memory of so many bytes.
    ///
    /// # Safety
    /// Until what is enqueued on the stream has run, the memory must be writable on the device that the rule is
    /// prepared for, and read or written to by nobody but work that the stream waits for. It must not overlap
    /// the matrix, unless it is exactly a row of it.
    pub unsafe fn from_raw(pointer: sys::CUdeviceptr, bytes: u64) -> Self {
        Self::of_pointer(pointer, bytes)
    }
}
