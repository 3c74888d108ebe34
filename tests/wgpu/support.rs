//! Devices, buffers, and the CPU's results to compare with.

use half::{bf16, f16};

pub use crate::agree::*;
use byzagg::wgpu::{self, BufferUsages};
use byzagg::{
    BufferBlock, BufferPlace, DType, Device, Matrix, Options, Output, Prepared, Rule, Shape, Wgpu,
};

pub const ALL: BufferUsages = BufferUsages::STORAGE
    .union(BufferUsages::COPY_SRC)
    .union(BufferUsages::COPY_DST);

/// A device as a caller makes it: an instance of its own, default limits, no features.
pub fn own_device() -> Option<(wgpu::Device, wgpu::Queue)> {
    crate::device::wgpu()?;
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends: wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12,
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    let adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
    let adapter = adapters.first().expect("there is an adapter");
    let descriptor = wgpu::DeviceDescriptor::default();
    Some(pollster::block_on(adapter.request_device(&descriptor)).expect("default limits"))
}

/// [`own_device`], taken over.
pub fn borrowed() -> Option<Wgpu> {
    own_device().map(|(device, queue)| Wgpu::from_device(device, queue))
}

pub fn to_bytes(dtype: DType, values: &[f32]) -> Vec<u8> {
    let bytes = |value: &f32| match dtype {
        DType::Bf16 => bf16::from_f32(*value).to_le_bytes().to_vec(),
        DType::F16 => f16::from_f32(*value).to_le_bytes().to_vec(),
        _ => value.to_le_bytes().to_vec(),
    };
    values.iter().flat_map(bytes).collect()
}

pub fn to_values(dtype: DType, bytes: &[u8]) -> Vec<f32> {
    let value = |bytes: &[u8]| match *bytes {
        [a, b] if dtype == DType::Bf16 => bf16::from_le_bytes([a, b]).to_f32(),
        [a, b] => f16::from_le_bytes([a, b]).to_f32(),
        [a, b, c, d] => f32::from_le_bytes([a, b, c, d]),
        _ => unreachable!("elements have two or four bytes"),
    };
    bytes.chunks_exact(dtype.size()).map(value).collect()
}

/// A buffer with these bytes, and some more to whole words.
pub fn buffer(gpu: &Wgpu, bytes: &[u8], usage: BufferUsages) -> wgpu::Buffer {
    let mut bytes = bytes.to_vec();
    bytes.resize(bytes.len().next_multiple_of(4), 0xa5);
    let buffer = gpu.device().create_buffer(&wgpu::BufferDescriptor {
        label: Some("the caller's"),
        size: bytes.len() as u64,
        usage: usage | BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    gpu.queue().write_buffer(&buffer, 0, &bytes);
    buffer
}

/// What a buffer with `COPY_SRC` holds.
pub fn read(gpu: &Wgpu, buffer: &wgpu::Buffer) -> Vec<u8> {
    let staging = gpu.device().create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: buffer.size(),
        usage: BufferUsages::MAP_READ | BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    encoder.copy_buffer_to_buffer(buffer, 0, &staging, 0, buffer.size());
    gpu.queue().submit([encoder.finish()]);
    staging.map_async(wgpu::MapMode::Read, .., |result| result.expect("it maps"));
    gpu.device()
        .poll(wgpu::PollType::wait_indefinitely())
        .expect("the device answers");
    staging.get_mapped_range(..).expect("it is mapped").to_vec()
}

/// A rule for this device.
pub fn prepare(gpu: &Wgpu, rule: &str, shape: &Shape, dtype: DType, weighted: bool) -> Prepared {
    try_prepare(gpu, rule, shape, dtype, weighted).unwrap_or_else(|e| panic!("{rule}: {e}"))
}

pub fn try_prepare(
    gpu: &Wgpu,
    rule: &str,
    shape: &Shape,
    dtype: DType,
    weighted: bool,
) -> byzagg::Result<Prepared> {
    let rule: Rule = rule.parse()?;
    let options = Options::new().weighted(weighted);
    rule.prepare_with(&Device::Wgpu(gpu.clone()), shape, dtype, options)
}

/// A result in a buffer of its own, some elements behind the beginning, with a pattern around it.
pub struct Target {
    pub buffer: wgpu::Buffer,
    pub dtype: DType,
    first: usize,
    d: usize,
}

impl Target {
    pub fn new(gpu: &Wgpu, dtype: DType, first: usize, d: usize) -> Self {
        let bytes = vec![0xa5; (first + d + 3) * dtype.size()];
        Target {
            buffer: buffer(gpu, &bytes, ALL),
            dtype,
            first,
            d,
        }
    }

    pub fn output(&self) -> Output<'_> {
        Output::buffer(self.place(0), self.dtype)
    }

    /// Where a column goes.
    pub fn place(&self, column: usize) -> BufferPlace<'_> {
        let offset = (self.first + column) * self.dtype.size();
        BufferPlace::new(&self.buffer, offset as u64)
    }

    /// The result. Panics if anything beside it was written.
    #[track_caller]
    pub fn read(&self, gpu: &Wgpu) -> Vec<f32> {
        let bytes = read(gpu, &self.buffer);
        let size = self.dtype.size();
        let (before, rest) = bytes.split_at(self.first * size);
        let (result, behind) = rest.split_at(self.d * size);
        let untouched = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 0xa5);
        assert!(
            untouched(before) && untouched(behind),
            "neighbours were written"
        );
        to_values(self.dtype, result)
    }

    /// Is everything as it was before any run?
    pub fn is_untouched(&self, gpu: &Wgpu) -> bool {
        read(gpu, &self.buffer).iter().all(|byte| *byte == 0xa5)
    }
}

/// x in a buffer, its first element some elements behind the beginning, its rows apart.
pub struct Padded {
    pub buffer: wgpu::Buffer,
    first: usize,
    stride: usize,
    n: usize,
    d: usize,
    dtype: DType,
}

impl Padded {
    pub fn new(gpu: &Wgpu, dtype: DType, x: &[f32], n: usize, first: usize, gap: usize) -> Self {
        let d = x.len() / n;
        // What lies between is hostile.
        let mut all = vec![f32::NAN; first];
        for row in x.chunks(d) {
            all.extend(row);
            all.resize(all.len() + gap, f32::INFINITY);
        }
        Padded {
            buffer: buffer(gpu, &to_bytes(dtype, &all), ALL),
            first,
            stride: d + gap,
            n,
            d,
            dtype,
        }
    }

    pub fn matrix(&self) -> Matrix<'_> {
        self.block(0, self.d).into()
    }

    /// Some columns of all rows.
    pub fn block(&self, first: usize, columns: usize) -> BufferBlock<'_> {
        let offset = ((self.first + first) * self.dtype.size()) as u64;
        let place = BufferPlace::new(&self.buffer, offset);
        BufferBlock::strided(place, self.n, columns, self.stride, self.dtype).unwrap()
    }

    /// The blocks of a shape, side by side.
    pub fn blocks(&self, shape: &Shape) -> Vec<BufferBlock<'_>> {
        let mut start = 0;
        let block = |&columns: &usize| {
            start += columns;
            self.block(start - columns, columns)
        };
        shape.columns().iter().map(block).collect()
    }
}
