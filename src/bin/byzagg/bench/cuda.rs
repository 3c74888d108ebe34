//! Measurements on an NVIDIA GPU: the matrix and the result stay in its memory, times are by its events.

use std::time::Instant;

use byzagg::cudarc::driver::sys::{CUdevice_attribute, CUevent_flags};
use byzagg::cudarc::driver::{CudaSlice, DriverError};
use byzagg::{
    Cuda, DeviceBlock, DevicePlace, DevicePlaceMut, Matrix, Output, OutputElement, Prepared,
};

use super::place::{Place, Time};
use crate::failure::{Failure, Outcome};

/// A GPU, and two buffers in its memory.
pub struct Nvidia {
    device: Cuda,
    from: CudaSlice<u8>,
    to: CudaSlice<u8>,
}

impl Nvidia {
    /// With buffers of so many bytes each.
    pub fn new(device: &Cuda, bytes: usize) -> Outcome<Self> {
        let zeros = || device.stream().alloc_zeros(bytes);
        Ok(Nvidia {
            from: zeros().map_err(|error| fail(device, &error))?,
            to: zeros().map_err(|error| fail(device, &error))?,
            device: device.clone(),
        })
    }

    /// Copies once.
    pub fn copy(&mut self) -> Outcome<Time> {
        let Nvidia { device, from, to } = self;
        time(device, || {
            let copied = device.stream().memcpy_dtod(from, to);
            copied.map_err(|error| fail(device, &error))
        })
    }

    /// Bytes that a copy reads plus bytes that it writes.
    pub fn copied_bytes(&self) -> usize {
        2 * self.from.len()
    }

    /// Uploads n rows of d elements, as often as it takes to have more than the cache holds: runs take turns.
    pub fn hold<T: OutputElement>(&self, x: &[T], n: usize, d: usize) -> Outcome<Resident<T>> {
        let stream = self.device.stream();
        let copies = (2 * cache(&self.device)?).div_ceil(size_of_val(x)).max(1);
        let x: Result<Vec<_>, _> = (0..copies).map(|_| stream.clone_htod(x)).collect();
        Ok(Resident {
            device: self.device.clone(),
            x: x.map_err(|error| fail(&self.device, &error))?,
            out: stream
                .clone_htod(&vec![T::from_f32(0.0); d])
                .map_err(|error| fail(&self.device, &error))?,
            turn: 0,
            n,
            d,
        })
    }
}

/// Bytes of the cache that all multiprocessors share.
pub fn cache(device: &Cuda) -> Outcome<usize> {
    let bytes = device
        .context()
        .attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE);
    bytes
        .map(|bytes| bytes as usize)
        .map_err(|error| fail(device, &error))
}

/// Matrices and a result in a GPU's memory.
pub struct Resident<T> {
    device: Cuda,
    x: Vec<CudaSlice<T>>,
    out: CudaSlice<T>,
    turn: usize,
    n: usize,
    d: usize,
}

impl<T: OutputElement> Place for Resident<T> {
    fn views(&mut self) -> Outcome<(Matrix<'_>, Output<'_>)> {
        self.turn = (self.turn + 1) % self.x.len();
        let place = DevicePlace::new(&self.x[self.turn]);
        let x = DeviceBlock::new(place, self.n, self.d, T::DTYPE)?;
        let out = Output::device(DevicePlaceMut::new(&mut self.out), T::DTYPE);
        Ok((x.into(), out))
    }

    fn run(&mut self, prepared: &mut Prepared) -> Outcome<Time> {
        let device = self.device.clone();
        let (x, out) = self.views()?;
        time(&device, || Ok(prepared.run(x, out)?))
    }
}

/// Times what is enqueued, by the host and by events.
fn time(device: &Cuda, work: impl FnOnce() -> Outcome) -> Outcome<Time> {
    let stream = device.stream();
    let event = || {
        let event = stream.record_event(Some(CUevent_flags::CU_EVENT_DEFAULT));
        event.map_err(|error| fail(device, &error))
    };
    let start = Instant::now();
    let first = event()?;
    work()?;
    let last = event()?;
    stream.synchronize().map_err(|error| fail(device, &error))?;
    let host = start.elapsed().as_secs_f64();
    let milliseconds = first
        .elapsed_ms(&last)
        .map_err(|error| fail(device, &error))?;
    Ok(Time {
        host,
        device: Some(1e-3 * f64::from(milliseconds)),
    })
}

fn fail(device: &Cuda, error: &DriverError) -> Failure {
    Failure::new(format!("{device}: {error:?}"))
}
