//! Devices, their streams, and the kernels that are loaded on them.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use cudarc::driver::sys::CUdevice_attribute as Attribute;
use cudarc::driver::{CudaContext, CudaFunction, CudaModule, CudaStream, DriverError};

use super::launch;
use super::modules::{self, Module};
use crate::{Error, Result};

/// The first driver that loads our kernels: PTX 8.0 came with 525, which is CUDA 12.0.
const FIRST_DRIVER: i32 = 12_000;

/// The first compute capability that the kernels are compiled for.
const FIRST_CAPABILITY: (i32, i32) = (7, 5);

/// An NVIDIA GPU and a stream: this crate's own or the caller's.
///
/// Runs are enqueued on the stream, and don't wait for it unless the result goes to the host. Clones share the
/// stream and the kernels loaded on the device.
///
/// | on the CPU | on CUDA |
/// |---|---|
/// | `&[T]`, `&mut [T]` | [`DevicePlace`](crate::DevicePlace), [`DevicePlaceMut`](crate::DevicePlaceMut): a cudarc slice or a pointer |
/// | [`Block`](crate::Block) | [`DeviceBlock`](crate::DeviceBlock) |
/// | a rayon pool | a `CudaStream` |
#[derive(Clone)]
pub struct Cuda {
    inner: Arc<Inner>,
}

struct Inner {
    stream: Arc<CudaStream>,
    name: String,
    capability: (i32, i32),
    multiprocessors: usize,
    /// Bytes of shared memory that a CUDA block may ask for.
    shared: usize,
    modules: Mutex<HashMap<Module, Arc<CudaModule>>>,
    functions: Mutex<HashMap<(Module, &'static str), CudaFunction>>,
}

impl Cuda {
    /// The first device, with a stream of its own.
    ///
    /// # Errors
    /// [`Error::Device`] when there is no driver, it is older than 525, or there is no device that can run the
    /// kernels.
    pub fn new() -> Result<Self> {
        Self::nth(0)
    }

    /// The device of that number, with a stream of its own.
    ///
    /// # Errors
    /// As [`Cuda::new`].
    pub fn nth(index: usize) -> Result<Self> {
        let name = format!("cuda:{index}");
        let count = Self::count()?;
        if index >= count {
            return Err(refuse(
                &name,
                format!("there is no device {index}, there are {count}"),
            ));
        }
        let fail = |error: DriverError| refuse(&name, reason("open", &error));
        let context = CudaContext::new(index).map_err(fail)?;
        let stream = context.new_stream().map_err(fail)?;
        Self::from_stream(stream)
    }

    /// How many devices there are.
    ///
    /// # Errors
    /// [`Error::Device`] when there is no driver or it is too old.
    pub fn count() -> Result<usize> {
        const DEVICE: &str = "cuda";
        launch::find_driver().map_err(|why| refuse(DEVICE, why))?;
        let version = launch::driver_version().map_err(|why| refuse(DEVICE, why))?;
        if version < FIRST_DRIVER {
            let (major, minor) = (version / 1000, version % 1000 / 10);
            let text = format!(
                "expected a driver of version 525 (CUDA 12.0) or later, got one for CUDA {major}.{minor}"
            );
            return Err(refuse(DEVICE, text));
        }
        let count = CudaContext::device_count()
            .map_err(|error| refuse(DEVICE, reason("look for devices", &error)))?;
        if count < 1 {
            return Err(refuse(DEVICE, "the driver finds no device".into()));
        }
        Ok(count as usize)
    }

    /// The caller's context and stream, on which all runs are enqueued.
    ///
    /// # Errors
    /// [`Error::Device`] when the device can't run the kernels.
    pub fn from_stream(stream: Arc<CudaStream>) -> Result<Self> {
        let context = stream.context();
        let name = format!("cuda:{}", context.ordinal());
        let fail = |error: DriverError| refuse(&name, reason("ask the device", &error));
        let capability = context.compute_capability().map_err(fail)?;
        if capability < FIRST_CAPABILITY {
            let text = format!(
                "expected compute capability {}.{} or later, got {}.{}",
                FIRST_CAPABILITY.0, FIRST_CAPABILITY.1, capability.0, capability.1
            );
            return Err(refuse(&name, text));
        }
        let multiprocessors = context
            .attribute(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)
            .map_err(fail)?;
        let shared = context
            .attribute(Attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)
            .map_err(fail)?;
        let model = context.name().map_err(fail)?;
        Ok(Cuda {
            inner: Arc::new(Inner {
                name: format!("{name} ({model})"),
                capability,
                multiprocessors: multiprocessors.max(1) as usize,
                shared: shared.max(48 << 10) as usize,
                stream,
                modules: Mutex::default(),
                functions: Mutex::default(),
            }),
        })
    }

    /// The stream that runs are enqueued on.
    pub fn stream(&self) -> &Arc<CudaStream> {
        &self.inner.stream
    }

    /// The device's context.
    pub fn context(&self) -> &Arc<CudaContext> {
        self.inner.stream.context()
    }

    /// The compute capability, (9, 0) for an H100.
    pub fn capability(&self) -> (i32, i32) {
        self.inner.capability
    }

    /// The device's memory in bytes.
    ///
    /// # Errors
    /// [`Error::Device`] when the driver fails.
    pub fn memory(&self) -> Result<usize> {
        let memory = self.context().total_mem();
        memory.map_err(|error| self.error("ask the device", &error))
    }

    pub(super) fn multiprocessors(&self) -> usize {
        self.inner.multiprocessors
    }

    pub(super) fn shared(&self) -> usize {
        self.inner.shared
    }

    /// A kernel of a module, which is loaded if this is its first.
    pub(super) fn kernel(&self, module: Module, name: &'static str) -> Result<CudaFunction> {
        let mut functions = lock(&self.inner.functions);
        if let Some(function) = functions.get(&(module, name)) {
            return Ok(function.clone());
        }
        let fail = |error: DriverError| {
            let what = format!("load the kernel {name} of {module}");
            self.error(&what, &error)
        };
        let mut loaded = lock(&self.inner.modules);
        let loaded = match loaded.get(&module) {
            Some(loaded) => loaded.clone(),
            None => {
                let ptx = modules::ptx(module).map_err(|why| self.refuse(why))?;
                let fresh = self.context().load_module(ptx).map_err(fail)?;
                loaded.insert(module, fresh.clone());
                fresh
            }
        };
        let function = loaded.load_function(name).map_err(fail)?;
        functions.insert((module, name), function.clone());
        Ok(function)
    }

    /// Does it belong to this device's context?
    pub(super) fn owns(&self, stream: &CudaStream) -> bool {
        stream.context().cu_ctx() == self.context().cu_ctx()
    }

    /// Memory of so many elements, with anything in it.
    pub(super) fn allocate<T: bytemuck::Pod + cudarc::driver::DeviceRepr>(
        &self,
        op: &str,
        what: &str,
        len: usize,
    ) -> Result<cudarc::driver::CudaSlice<T>> {
        launch::allocate(self.stream(), len.max(1)).map_err(|error| {
            let bytes = len.saturating_mul(size_of::<T>());
            self.refuse(format!("{op}: {bytes} bytes for {what}: {}", text(&error)))
        })
    }

    /// An error of the driver.
    pub(super) fn error(&self, op: &str, error: &DriverError) -> Error {
        self.refuse(reason(op, error))
    }

    pub(super) fn refuse(&self, reason: String) -> Error {
        refuse(&self.inner.name, reason)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn refuse(device: &str, reason: String) -> Error {
    Error::Device {
        device: device.into(),
        reason,
    }
}

fn reason(op: &str, error: &DriverError) -> String {
    format!("{op}: {}", text(error))
}

/// The driver's own words.
fn text(error: &DriverError) -> String {
    let say = |text: std::result::Result<&std::ffi::CStr, DriverError>| {
        text.map(|text| text.to_string_lossy().into_owned())
    };
    match (say(error.error_name()), say(error.error_string())) {
        (Ok(name), Ok(text)) => format!("{text} ({name})"),
        _ => format!("{:?}", error.0),
    }
}

impl fmt::Display for Cuda {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor) = self.inner.capability;
        write!(
            f,
            "{} of compute capability {major}.{minor}",
            self.inner.name
        )
    }
}

impl fmt::Debug for Cuda {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cuda({self})")
    }
}
