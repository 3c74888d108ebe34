//! Memory on a device, and rules for it.

use std::sync::Arc;

use byzagg::cudarc::driver::{CudaSlice, CudaStream, DevicePtr};
use byzagg::{
    Cuda, DType, Device, DeviceBlock, DevicePlace, DevicePlaceMut, Element, Matrix, Options,
    Output, OutputElement, Prepared, Rule, Shape,
};

pub use crate::agree::*;

/// A stream of the caller's in the first device's context.
pub fn callers() -> Option<Cuda> {
    let own = crate::device::cuda()?;
    let stream = own.context().new_stream().expect("a stream");
    Some(Cuda::from_stream(stream).expect("its device"))
}

/// A rule for this device.
pub fn prepare(gpu: &Cuda, rule: &str, shape: &Shape, dtype: DType, weighted: bool) -> Prepared {
    let rule: Rule = rule.parse().unwrap();
    let options = Options::new().weighted(weighted);
    rule.prepare_with(&Device::Cuda(gpu.clone()), shape, dtype, options)
        .unwrap_or_else(|e| panic!("{rule}: {e}"))
}

/// Elements on the device.
pub fn upload<T: OutputElement>(stream: &Arc<CudaStream>, values: &[f32]) -> CudaSlice<T> {
    let values: Vec<T> = values.iter().map(|v| T::from_f32(*v)).collect();
    stream.clone_htod(&values).expect("memory")
}

/// What a slice holds.
pub fn read<T: OutputElement>(stream: &Arc<CudaStream>, slice: &CudaSlice<T>) -> Vec<f32> {
    let mut values = vec![T::from_f32(0.0); slice.len()];
    stream.memcpy_dtoh(slice, &mut values).expect("it is read");
    stream.synchronize().expect("it is done");
    values.into_iter().map(Element::to_f32).collect()
}

/// A slice as an output.
pub fn output(slice: &mut CudaSlice<f32>) -> Output<'_> {
    Output::device(DevicePlaceMut::new(slice), DType::F32)
}

/// The address of a slice.
pub fn address<T>(stream: &CudaStream, slice: &CudaSlice<T>) -> u64 {
    slice.device_ptr(stream).0
}

/// x on the device, its first element some elements behind the beginning, its rows apart.
pub struct Padded<T> {
    pub slice: CudaSlice<T>,
    pub first: usize,
    pub stride: usize,
    n: usize,
    d: usize,
}

impl<T: OutputElement> Padded<T> {
    pub fn new(gpu: &Cuda, x: &[f32], n: usize, first: usize, gap: usize) -> Self {
        let d = x.len() / n;
        // What lies between is hostile.
        let mut all = vec![f32::NAN; first];
        for row in x.chunks(d) {
            all.extend(row);
            all.resize(all.len() + gap, f32::INFINITY);
        }
        Padded {
            slice: upload(gpu.stream(), &all),
            first,
            stride: d + gap,
            n,
            d,
        }
    }

    pub fn matrix(&self) -> Matrix<'_> {
        self.block(0, self.d).into()
    }

    /// Some columns of all rows.
    pub fn block(&self, first: usize, columns: usize) -> DeviceBlock<'_> {
        let offset = ((self.first + first) * T::DTYPE.size()) as u64;
        let place = DevicePlace::new(&self.slice).offset(offset);
        DeviceBlock::strided(place, self.n, columns, self.stride, T::DTYPE).unwrap()
    }

    /// The blocks of a shape, side by side.
    pub fn blocks(&self, shape: &Shape) -> Vec<DeviceBlock<'_>> {
        let mut start = 0;
        let block = |&columns: &usize| {
            start += columns;
            self.block(start - columns, columns)
        };
        shape.columns().iter().map(block).collect()
    }
}
