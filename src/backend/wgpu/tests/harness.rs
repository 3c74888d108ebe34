//! Matrices on the device, and results back from it.

use std::sync::OnceLock;

use half::{bf16, f16};
use rand::RngExt;
use rand::rngs::StdRng;
use wgpu::util::{BufferInitDescriptor, DeviceExt};

use ::wgpu;

use crate::DType;
use crate::backend::wgpu::Wgpu;
use crate::backend::wgpu::layout::{Extent, Layout, Quads};
use crate::backend::wgpu::record::{Part, Recording, Resource};
use crate::backend::wgpu::shader::Shader;
use crate::backend::wgpu::workspace::grid;

/// The best device, one for all tests. None only where a machine without any is accepted.
pub fn device() -> Option<&'static Wgpu> {
    static DEVICE: OnceLock<Option<Wgpu>> = OnceLock::new();
    let open = || match Wgpu::new() {
        Ok(device) => Some(device),
        Err(error) if std::env::var_os("BYZAGG_WITHOUT_ADAPTER").is_some_and(|v| v == "accept") => {
            eprintln!("NOT TESTED ON wgpu, as BYZAGG_WITHOUT_ADAPTER=accept allows: {error}");
            None
        }
        Err(error) => panic!("{error}. scripts/test.sh installs a software driver"),
    };
    DEVICE.get_or_init(open).as_ref()
}

/// Appends an f32 to the elements of a dtype, as bytes.
pub fn push(bytes: &mut Vec<u8>, dtype: DType, value: f32) {
    match dtype {
        DType::Bf16 => bytes.extend(bf16::from_f32(value).to_le_bytes()),
        DType::F16 => bytes.extend(f16::from_f32(value).to_le_bytes()),
        _ => bytes.extend(value.to_le_bytes()),
    }
}

/// The f32 that an element is.
pub fn pull(dtype: DType, bytes: &[u8]) -> f32 {
    match dtype {
        DType::Bf16 => bf16::from_le_bytes([bytes[0], bytes[1]]).to_f32(),
        DType::F16 => f16::from_le_bytes([bytes[0], bytes[1]]).to_f32(),
        _ => f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]),
    }
}

/// What becomes of an f32 that is stored as an element.
pub fn rounded(dtype: DType, value: f32) -> f32 {
    let mut bytes = Vec::new();
    push(&mut bytes, dtype, value);
    pull(dtype, &bytes)
}

/// A storage buffer.
pub fn buffer(device: &Wgpu, bytes: &[u8]) -> wgpu::Buffer {
    let mut bytes = bytes.to_vec();
    bytes.resize(bytes.len().next_multiple_of(4).max(4), 0);
    device.device().create_buffer_init(&BufferInitDescriptor {
        label: None,
        contents: &bytes,
        usage: wgpu::BufferUsages::STORAGE
            | wgpu::BufferUsages::COPY_SRC
            | wgpu::BufferUsages::COPY_DST,
    })
}

/// A matrix on the device: a buffer for each group of rows, and where each row starts in its buffer.
pub struct Uploaded {
    pub groups: Vec<wgpu::Buffer>,
    pub bases: Vec<u32>,
}

/// Uploads rows with gaps of random lengths between them, to where the layout's loads want them.
pub fn upload(device: &Wgpu, layout: &Layout, rows: &[Vec<f32>], rng: &mut StdRng) -> Uploaded {
    let mut bases = Vec::new();
    let groups = rows.chunks(layout.rows_per_group()).map(|rows| {
        let mut bytes = Vec::new();
        for row in rows {
            for _ in 0..rng.random_range(0..4) {
                push(&mut bytes, layout.dtype, f32::NAN);
            }
            while layout.quads != Quads::OneByOne && bytes.len() % 16 > 0 {
                push(&mut bytes, layout.dtype, f32::NAN);
            }
            bases.push((bytes.len() / layout.dtype.size()) as u32);
            row.iter().for_each(|&x| push(&mut bytes, layout.dtype, x));
        }
        bytes.resize(bytes.len().next_multiple_of(16), 0xff);
        buffer(device, &bytes)
    });
    let groups = groups.collect();
    bases.resize(bases.len().next_multiple_of(4), 0);
    Uploaded { groups, bases }
}

/// Runs a kernel of a [`Layout`] for its invocations, given what its first four bindings are.
pub fn run(
    device: &Wgpu,
    shader: &Shader,
    invocations: u32,
    first: impl FnOnce(&mut Recording<'_>) -> Vec<Resource>,
    groups: &[wgpu::Buffer],
) {
    let mut recording = Recording::new(device);
    let mut resources = first(&mut recording);
    resources.extend(
        groups
            .iter()
            .map(|buffer| Resource::Part(Part::whole(buffer))),
    );
    let groups = grid(device, invocations.div_ceil(64) as usize);
    recording.dispatch(shader, resources, groups).unwrap();
    submit(device, recording);
}

/// Runs a recording. Errors are panics.
pub fn submit(device: &Wgpu, recording: Recording<'_>) {
    let done = device.checked("run", |gpu| {
        let mut encoder = gpu.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        recording.encode(&mut encoder).unwrap();
        device.queue().submit([encoder.finish()]);
    });
    done.unwrap();
}

/// The bytes of a buffer, once everything submitted is done.
pub fn download(device: &Wgpu, buffer: &wgpu::Buffer) -> Vec<u8> {
    let copy = device.device().create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: buffer.size(),
        usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    let mut encoder = device
        .device()
        .create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    encoder.copy_buffer_to_buffer(buffer, 0, &copy, 0, buffer.size());
    device.queue().submit([encoder.finish()]);
    let (send, receive) = std::sync::mpsc::channel();
    copy.map_async(wgpu::MapMode::Read, .., move |result| {
        let _ = send.send(result);
    });
    device
        .device()
        .poll(wgpu::PollType::wait_indefinitely())
        .unwrap();
    receive.recv().unwrap().unwrap();
    copy.get_mapped_range(..).unwrap().to_vec()
}

/// A place for results that starts with something else in it.
pub struct Target {
    pub dtype: DType,
    pub extent: Extent,
    pub buffer: wgpu::Buffer,
}

const FILL: u8 = 0xa5;

impl Target {
    /// For some columns from `first` on, from element `out` on.
    pub fn new(device: &Wgpu, dtype: DType, first: u32, columns: u32, out: u32) -> Self {
        let elements = (out + columns + 5) as usize;
        Target {
            dtype,
            extent: Extent {
                first,
                columns,
                out,
                padding: 0,
            },
            buffer: buffer(device, &vec![FILL; elements * dtype.size()]),
        }
    }

    /// The results. Nothing else may have been written.
    pub fn read(&self, device: &Wgpu) -> Vec<f32> {
        let bytes = download(device, &self.buffer);
        let size = self.dtype.size();
        let start = self.extent.out as usize * size;
        let end = start + self.extent.columns as usize * size;
        let untouched = |bytes: &[u8]| bytes.iter().all(|&byte| byte == FILL);
        assert!(untouched(&bytes[..start]), "what precedes the output");
        let written_by_us = bytes
            .len()
            .min((self.extent.out + self.extent.columns + 5) as usize * size);
        assert!(
            untouched(&bytes[end..written_by_us]),
            "what follows the output"
        );
        bytes[start..end]
            .chunks_exact(size)
            .map(|element| pull(self.dtype, element))
            .collect()
    }
}
