//! Adapters and devices.

use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use pollster::block_on;

use ::wgpu;

use super::policy;
use super::shader::{Pipeline, Pipelines, Shader};
use crate::{Error, Result};

/// How long a mapping may take that the device is done with.
const ANSWER: std::time::Duration = std::time::Duration::from_secs(10);

const LOST: &str = "the device gives no memory, it may be lost";

/// A GPU through Vulkan, Metal or DX12: a device and its queue, this crate's own or the caller's.
///
/// Clones share the device and the shaders compiled for it.
#[derive(Clone)]
pub struct Wgpu {
    inner: Arc<Inner>,
}

struct Inner {
    device: wgpu::Device,
    queue: wgpu::Queue,
    info: wgpu::AdapterInfo,
    limits: wgpu::Limits,
    /// Are its kernels those for software drivers?
    tuned_for_software: bool,
    /// Why the device was lost. Only known of our own devices.
    lost: Arc<Mutex<Option<String>>>,
    pipelines: Pipelines,
}

fn is_software(info: &wgpu::AdapterInfo) -> bool {
    info.device_type == wgpu::DeviceType::Cpu
}

impl Wgpu {
    /// The best adapter: hardware before software, discrete before integrated.
    ///
    /// # Errors
    /// [`Error::Device`] when there is no adapter, or it refuses to make a device.
    pub fn new() -> Result<Self> {
        Self::with_limits(|_| {})
    }

    /// The adapter of that number, in the order of [`Wgpu::adapters`].
    ///
    /// # Errors
    /// [`Error::Device`] when there is no such adapter, or it refuses to make a device.
    pub fn nth(index: usize) -> Result<Self> {
        let adapters = adapters();
        let adapter = adapters.get(index).ok_or_else(|| {
            none(&format!(
                "there is no adapter {index}, there are {} of them",
                adapters.len()
            ))
        })?;
        Self::open(adapter, adapter.limits())
    }

    /// What adapters there are.
    pub fn adapters() -> Vec<wgpu::AdapterInfo> {
        adapters().iter().map(wgpu::Adapter::get_info).collect()
    }

    /// The best adapter with these limits instead of its own, for tests of small devices.
    #[doc(hidden)]
    pub fn with_limits(change: impl FnOnce(&mut wgpu::Limits)) -> Result<Self> {
        const NONE: &str = "there is no adapter: no driver for Vulkan, Metal or DX12 was found";
        let adapters = adapters();
        let adapter = adapters.first().ok_or_else(|| none(NONE))?;
        let mut limits = adapter.limits();
        change(&mut limits);
        Self::open(adapter, limits)
    }

    /// The best adapter with the kernels that hardware gets, for tests of these where there is none.
    #[doc(hidden)]
    pub fn tuned_for_hardware() -> Result<Self> {
        let mut device = Self::with_limits(|_| {})?;
        let inner = Arc::get_mut(&mut device.inner).expect("nobody else has it yet");
        inner.tuned_for_software = false;
        Ok(device)
    }

    /// The caller's device and queue. Its handlers of errors and of loss stay as they are.
    pub fn from_device(device: wgpu::Device, queue: wgpu::Queue) -> Self {
        Self::wrap(device, queue, Arc::default())
    }

    fn open(adapter: &wgpu::Adapter, limits: wgpu::Limits) -> Result<Self> {
        let mut wanted = wgpu::Features::TIMESTAMP_QUERY
            | wgpu::Features::TIMESTAMP_QUERY_INSIDE_ENCODERS
            | wgpu::Features::SUBGROUP;
        let info = adapter.get_info();
        if policy::longs(is_software(&info), info.backend) {
            wanted |= wgpu::Features::SHADER_INT64;
        }
        let (device, queue) = block_on(adapter.request_device(&wgpu::DeviceDescriptor {
            label: Some("byzagg"),
            required_features: adapter.features() & wanted,
            required_limits: limits,
            ..wgpu::DeviceDescriptor::default()
        }))
        .map_err(|error| Error::Device {
            device: name(&adapter.get_info()),
            reason: error.to_string(),
        })?;
        let lost: Arc<Mutex<Option<String>>> = Arc::default();
        let say = lost.clone();
        device.set_device_lost_callback(move |reason, message| {
            let text = format!("the device was lost: {reason:?} {message}");
            *say.lock().unwrap_or_else(PoisonError::into_inner) = Some(text.trim_end().into());
        });
        Ok(Self::wrap(device, queue, lost))
    }

    fn wrap(device: wgpu::Device, queue: wgpu::Queue, lost: Arc<Mutex<Option<String>>>) -> Self {
        let info = device.adapter_info();
        Wgpu {
            inner: Arc::new(Inner {
                tuned_for_software: is_software(&info),
                info,
                limits: device.limits(),
                device,
                queue,
                lost,
                pipelines: Pipelines::default(),
            }),
        }
    }

    /// The device.
    pub fn device(&self) -> &wgpu::Device {
        &self.inner.device
    }

    /// The device's queue.
    pub fn queue(&self) -> &wgpu::Queue {
        &self.inner.queue
    }

    /// What the device's adapter is.
    pub fn info(&self) -> &wgpu::AdapterInfo {
        &self.inner.info
    }

    /// What the device allows.
    pub fn limits(&self) -> &wgpu::Limits {
        &self.inner.limits
    }

    /// Is it a software driver, slower than the CPU backend on the same machine?
    pub fn is_software(&self) -> bool {
        is_software(self.info())
    }

    /// Are its kernels those for software drivers? So they are where it is one.
    pub(super) fn is_tuned_for_software(&self) -> bool {
        self.inner.tuned_for_software
    }

    /// Are matrices loaded in integers of 64 bits?
    pub(super) fn prefers_longs(&self) -> bool {
        let has_them = (self.device().features()).contains(wgpu::Features::SHADER_INT64);
        has_them && policy::longs(self.is_tuned_for_software(), self.info().backend)
    }

    pub(crate) fn pipeline(&self, shader: &Shader) -> Result<Pipeline> {
        self.inner.pipelines.get(self, shader)
    }

    pub(super) fn named_pipeline(
        &self,
        name: String,
        shader: impl FnOnce() -> Shader,
    ) -> Result<Pipeline> {
        self.inner.pipelines.named(self, name, shader)
    }

    /// Words that a buffer may have if it is to be bound as a whole.
    pub(super) fn most_words(&self) -> usize {
        let limits = self.limits();
        let bytes = limits
            .max_storage_buffer_binding_size
            .min(limits.max_buffer_size);
        // Kernels count words in 32 bits.
        (bytes / 4).min(u64::from(u32::MAX)) as usize
    }

    /// A buffer.
    pub(super) fn buffer(
        &self,
        label: &str,
        size: u64,
        usage: wgpu::BufferUsages,
    ) -> Result<wgpu::Buffer> {
        self.checked(&format!("allocate {size} bytes"), |device| {
            device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(label),
                size,
                usage,
                mapped_at_creation: false,
            })
        })
    }

    /// A buffer with contents, whose size is a multiple of 4, for an operation.
    pub(super) fn written(
        &self,
        what: &str,
        label: &str,
        contents: &[u8],
        usage: wgpu::BufferUsages,
    ) -> Result<wgpu::Buffer> {
        let size = contents.len() as u64;
        self.checked(what, |device| {
            let buffer = device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(label),
                size,
                usage,
                mapped_at_creation: true,
            });
            // A lost device makes buffers without a word, but they have no memory.
            let mut memory = buffer
                .get_mapped_range_mut(..)
                .map_err(|_| self.error(format!("{what}: {LOST}")))?;
            memory.copy_from_slice(contents);
            drop(memory);
            buffer.unmap();
            Ok(buffer)
        })?
    }

    /// Refuses a device that was lost, even one that does not say so.
    pub(super) fn probe(&self, what: &str) -> Result<()> {
        let usage = wgpu::BufferUsages::COPY_SRC;
        self.written(what, "byzagg probe", &[0; 4], usage)
            .map(|_| ())
    }

    /// Waits for a submission, or for all.
    pub(super) fn wait(&self, submission_index: Option<wgpu::SubmissionIndex>) -> Result<()> {
        let poll = wgpu::PollType::Wait {
            submission_index,
            timeout: None,
        };
        // A driver that is lost in the middle can make wgpu panic; nothing of ours is half done then.
        let poll = std::panic::AssertUnwindSafe(|| self.device().poll(poll));
        let reason = match std::panic::catch_unwind(poll) {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the driver failed".into(),
        };
        Err(self.error(format!("wait: {reason}")))
    }

    /// Bytes of a buffer with `COPY_SRC`, after all that has been submitted.
    pub(super) fn read(&self, from: &wgpu::Buffer, range: std::ops::Range<u64>) -> Result<Vec<u8>> {
        const WHAT: &str = "read back";
        let size = range.end - range.start;
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let staging = self.buffer("byzagg read-back", size, usage)?;
        let (say, mapped) = std::sync::mpsc::channel();
        self.checked(WHAT, |device| {
            let mut encoder =
                device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            encoder.copy_buffer_to_buffer(from, range.start, &staging, 0, size);
            self.queue().submit([encoder.finish()]);
            staging.map_async(wgpu::MapMode::Read, .., move |result| {
                // Nobody listens any more when waiting has failed.
                say.send(result).ok();
            });
        })?;
        self.wait(None)?;
        // Another thread that waits for the device may be the one to say it, a moment later.
        match mapped.recv_timeout(ANSWER) {
            Ok(Ok(())) => {}
            // Only this reports a device that has been lost without a word.
            Ok(Err(error)) => {
                return Err(self.error(format!("{WHAT}: {error}; the device may be lost")));
            }
            Err(_) => return Err(self.error(format!("{WHAT}: the device gave no answer"))),
        }
        let view = staging
            .get_mapped_range(..)
            .map_err(|error| self.error(format!("{WHAT}: {error}")))?;
        Ok(view.to_vec())
    }

    pub(crate) fn error(&self, reason: impl Into<String>) -> Error {
        Error::Device {
            device: name(self.info()),
            reason: reason.into(),
        }
    }

    /// Work on the device whose errors come back as an `Err`, whatever handlers the caller has set.
    pub(crate) fn checked<T>(
        &self,
        what: &str,
        work: impl FnOnce(&wgpu::Device) -> T,
    ) -> Result<T> {
        if let Some(reason) = &*self
            .inner
            .lost
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
        {
            return Err(self.error(format!("{what}: {reason}")));
        }
        let device = self.device();
        // wgpu panics on a buffer of another instance that it has never heard of, and some drivers make
        // it panic when they fail.
        let work = std::panic::AssertUnwindSafe(|| work(device));
        let kinds = [
            wgpu::ErrorFilter::Internal,
            wgpu::ErrorFilter::OutOfMemory,
            wgpu::ErrorFilter::Validation,
        ];
        let scopes = kinds.map(|kind| device.push_error_scope(kind));
        let value = std::panic::catch_unwind(work);
        let mut errors: Vec<wgpu::Error> = Vec::new();
        for scope in scopes.into_iter().rev() {
            errors.extend(block_on(scope.pop()));
        }
        // What could not be allocated is invalid when it is used.
        let memory = |error: &&wgpu::Error| matches!(error, wgpu::Error::OutOfMemory { .. });
        let reason = match (errors.iter().find(memory), errors.first(), &value) {
            (Some(_), ..) => "out of memory".into(),
            (_, Some(error), _) => one_line(&error.to_string()),
            (_, _, Err(panic)) => format!("wgpu panicked: {}", said(&**panic)),
            (_, _, Ok(_)) => String::new(),
        };
        match value {
            Ok(value) if reason.is_empty() => Ok(value),
            _ => Err(self.error(format!("{what}: {reason}"))),
        }
    }
}

impl fmt::Debug for Wgpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Wgpu").field(&name(self.info())).finish()
    }
}

impl fmt::Display for Wgpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&name(self.info()))
    }
}

/// All adapters, the best first; equally good ones as the system lists them.
fn adapters() -> Vec<wgpu::Adapter> {
    // wgpu tells buffers of different devices apart within an instance only.
    static INSTANCE: LazyLock<wgpu::Instance> = LazyLock::new(|| {
        wgpu::Instance::new(wgpu::InstanceDescriptor {
            backends: wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12,
            ..wgpu::InstanceDescriptor::new_without_display_handle()
        })
    });
    let mut adapters = block_on(INSTANCE.enumerate_adapters(wgpu::Backends::all()));
    adapters.sort_by_key(|adapter| rank(&adapter.get_info()));
    adapters
}

/// Less is better.
fn rank(info: &wgpu::AdapterInfo) -> u32 {
    match info.device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    }
}

fn none(reason: &str) -> Error {
    Error::Device {
        device: "wgpu".into(),
        reason: reason.into(),
    }
}

fn name(info: &wgpu::AdapterInfo) -> String {
    let software = if is_software(info) { ", software" } else { "" };
    format!("wgpu ({}, {}{software})", info.name, info.backend)
}

/// What a panic said.
fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    one_line(text.unwrap_or("no reason given"))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
