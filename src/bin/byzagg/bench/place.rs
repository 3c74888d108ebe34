//! Where the matrix of a measurement is, and how a run there is timed.

use std::time::Instant;

use byzagg::{Block, Device, Matrix, Output, OutputElement, Prepared};

#[cfg(feature = "cuda")]
use super::cuda;
#[cfg(feature = "wgpu")]
use super::gpu;
use super::{copy, machine};
use crate::failure::{Failure, Outcome};

/// What a run took, in seconds.
#[derive(Clone, Copy)]
pub struct Time {
    /// From the call until all is done.
    pub host: f64,
    /// By a GPU's own clock from the first command to the last, where that can be had.
    pub device: Option<f64>,
}

impl Time {
    /// Of work that is done when it returns.
    fn of(work: impl FnOnce() -> Outcome) -> Outcome<Self> {
        let start = Instant::now();
        work()?;
        Ok(Time {
            host: start.elapsed().as_secs_f64(),
            device: None,
        })
    }
}

/// A matrix and a result in the memory of the device that a rule was prepared for.
pub trait Place {
    fn views(&mut self) -> Outcome<(Matrix<'_>, Output<'_>)>;

    fn run(&mut self, prepared: &mut Prepared) -> Outcome<Time>;
}

/// Bytes of each of a copy's two buffers.
pub fn copy_buffer(device: &Device) -> usize {
    let bytes = machine::copy_buffer();
    match device {
        #[cfg(feature = "wgpu")]
        Device::Wgpu(device) => bytes.min(gpu::largest(device)),
        // Larger than the GPU's cache, and large enough that a launch costs nothing.
        #[cfg(feature = "cuda")]
        Device::Cuda(device) => bytes.max(4 * cuda::cache(device).unwrap_or(0)),
        _ => bytes,
    }
}

/// The memory that a device works in, with two buffers to copy from and to.
pub enum Memory {
    Host(copy::Copy),
    #[cfg(feature = "wgpu")]
    Gpu(gpu::Gpu),
    #[cfg(feature = "cuda")]
    Nvidia(cuda::Nvidia),
}

impl Memory {
    pub fn new(device: &Device) -> Outcome<Self> {
        let bytes = copy_buffer(device);
        match device {
            Device::Cpu(cpu) => {
                let threads = cpu.threads();
                let copy = copy::Copy::new(bytes, threads).map_err(|error| {
                    Failure::new(format!("can't start {threads} threads: {error}"))
                })?;
                Ok(Memory::Host(copy))
            }
            #[cfg(feature = "wgpu")]
            Device::Wgpu(device) => Ok(Memory::Gpu(gpu::Gpu::new(device, bytes)?)),
            #[cfg(feature = "cuda")]
            Device::Cuda(device) => Ok(Memory::Nvidia(cuda::Nvidia::new(device, bytes)?)),
            other => Err(Failure::new(format!("measuring {other} is not possible"))),
        }
    }

    /// Copies once.
    pub fn copy(&mut self) -> Outcome<Time> {
        match self {
            Memory::Host(copy) => Time::of(|| {
                copy.run();
                Ok(())
            }),
            #[cfg(feature = "wgpu")]
            Memory::Gpu(gpu) => gpu.copy(),
            #[cfg(feature = "cuda")]
            Memory::Nvidia(gpu) => gpu.copy(),
        }
    }

    /// Bytes that a copy reads plus bytes that it writes.
    pub fn copied_bytes(&self) -> usize {
        match self {
            Memory::Host(copy) => copy.bytes(),
            #[cfg(feature = "wgpu")]
            Memory::Gpu(gpu) => gpu.copied_bytes(),
            #[cfg(feature = "cuda")]
            Memory::Nvidia(gpu) => gpu.copied_bytes(),
        }
    }

    /// Refuses what no buffer there could hold.
    #[cfg_attr(not(feature = "wgpu"), allow(unused_variables))]
    pub fn check(&self, what: &str, bytes: u64) -> Outcome {
        match self {
            Memory::Host(_) => Ok(()),
            #[cfg(feature = "wgpu")]
            Memory::Gpu(gpu) => gpu.check(what, bytes),
            // Its memory is one, and says itself when it is full.
            #[cfg(feature = "cuda")]
            Memory::Nvidia(_) => Ok(()),
        }
    }

    /// Puts n rows of d elements there, and a result of d elements.
    pub fn hold<T: OutputElement>(&self, x: Vec<T>, n: usize, d: usize) -> Outcome<Box<dyn Place>> {
        Ok(match self {
            Memory::Host(_) => {
                let out = zeros(d)?;
                Box::new(Host { x, out, n, d })
            }
            #[cfg(feature = "wgpu")]
            Memory::Gpu(gpu) => Box::new(gpu.hold(x, n, d)?),
            #[cfg(feature = "cuda")]
            Memory::Nvidia(gpu) => Box::new(gpu.hold(&x, n, d)?),
        })
    }
}

/// So many zeros, if there is memory for them.
pub fn zeros<T: OutputElement>(count: usize) -> Outcome<Vec<T>> {
    let mut zeros: Vec<T> = Vec::new();
    if zeros.try_reserve_exact(count).is_err() {
        return Err(Failure::new(format!("no memory for {count} {}", T::DTYPE)));
    }
    zeros.resize(count, T::from_f32(0.0));
    Ok(zeros)
}

/// The host's memory.
struct Host<T> {
    x: Vec<T>,
    out: Vec<T>,
    n: usize,
    d: usize,
}

impl<T: OutputElement> Place for Host<T> {
    fn views(&mut self) -> Outcome<(Matrix<'_>, Output<'_>)> {
        let x = Block::new(&self.x, self.n, self.d)?;
        Ok((x.into(), Output::from(&mut self.out)))
    }

    fn run(&mut self, prepared: &mut Prepared) -> Outcome<Time> {
        let (x, out) = self.views()?;
        Time::of(|| Ok(prepared.run(x, out)?))
    }
}
