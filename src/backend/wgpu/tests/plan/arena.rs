//! Arenas on the host and on the device, and an op run on both.

use crate::backend::wgpu::Wgpu;
use crate::backend::wgpu::plan::{encode, supported};
use crate::backend::wgpu::record::{Part, Recording};
use crate::backend::wgpu::tests::harness::device;
use crate::geometry::testing::Points;
use crate::geometry::{GeometrySlot, Op};
use crate::plan::{Anchors, Slot};

/// One problem's region: numbers that are f32 values, and which of them are weights.
#[derive(Clone, Default)]
pub struct Region {
    pub numbers: Vec<f64>,
    weights: Option<Slot>,
}

impl Region {
    pub fn put(&mut self, numbers: &[f64]) -> Slot {
        // Slots do not touch each other.
        self.numbers.push(-7.0);
        let offset = self.numbers.len();
        let rounded = numbers.iter().map(|x| f64::from(*x as f32));
        self.numbers.extend(rounded);
        let len = numbers.len();
        Slot { offset, len }
    }

    pub fn put_geometry(&mut self, points: &Points) -> GeometrySlot {
        let view = points.geometry();
        let slot = self.put(&[view.gram, view.class].concat());
        let anchors = Anchors {
            origin: view.has_origin(),
            given: view.given().is_some(),
        };
        let n = view.n;
        GeometrySlot { slot, n, anchors }
    }

    pub fn put_weights(&mut self, weights: &[f64]) -> Slot {
        let slot = self.put(weights);
        // Their integers may need more digits than f32 has.
        self.numbers[slot.range()].copy_from_slice(weights);
        self.weights = Some(slot);
        slot
    }

    /// What follows, to be written by the op.
    pub fn out(&self, len: usize) -> Slot {
        let offset = self.numbers.len() + 1;
        Slot { offset, len }
    }

    fn total_weight(&self) -> Option<f64> {
        self.weights
            .map(|slot| self.numbers[slot.range()].iter().sum())
    }

    fn words(&self, stride: usize) -> Vec<u32> {
        let word = |(at, x): (usize, &f64)| match self.weights {
            Some(slot) if slot.range().contains(&at) => *x as u32,
            _ => (*x as f32).to_bits(),
        };
        let mut words: Vec<u32> = self.numbers.iter().enumerate().map(word).collect();
        words.resize(stride, PATTERN);
        words
    }
}

/// What is in the arena where nothing was written: a NaN.
const PATTERN: u32 = 0x7fde_adbe;

/// Runs an op on all regions, in f64 and on the device. Returns both results for each, once it is clear
/// that nothing else was written; nothing where there is no device.
pub fn run(op: &Op, regions: &[Region]) -> Vec<(Vec<f64>, Vec<f32>)> {
    assert!(supported(op), "{op:?}");
    let Some(gpu) = device() else {
        return Vec::new();
    };
    let (out, scratch) = (op.out(), op.scratch());
    let end = out.end() + scratch;
    let stride = end + 5;
    let words: Vec<u32> = regions.iter().flat_map(|r| r.words(stride)).collect();
    let found = on_device(gpu, op, &words, stride, regions);
    let pairs = regions
        .iter()
        .zip(words.chunks(stride).zip(found.chunks(stride)));
    pairs
        .map(|(region, (before, after))| {
            assert_eq!(before[..out.offset], after[..out.offset], "{op:?}");
            assert_eq!(before[end..], after[end..], "{op:?}");
            let mut host = region.numbers.clone();
            host.resize(end, f64::NAN);
            op.run(&mut host, 0);
            let found = after[out.range()].iter().map(|bits| f32::from_bits(*bits));
            (host[out.range()].to_vec(), found.collect())
        })
        .collect()
}

fn on_device(gpu: &Wgpu, op: &Op, words: &[u32], stride: usize, regions: &[Region]) -> Vec<u32> {
    let usage =
        wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC;
    let buffer = |size: u64, usage| {
        gpu.device().create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size,
            usage,
            mapped_at_creation: false,
        })
    };
    let size = size_of_val(words) as u64;
    let arena = buffer(size, usage);
    gpu.queue()
        .write_buffer(&arena, 0, bytemuck::cast_slice(words));
    let back = buffer(
        size,
        wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
    );
    let mut recording = Recording::new(gpu);
    let (problems, total) = (regions.len() as u32, regions[0].total_weight());
    let part = Part::whole(&arena);
    encode(op, &mut recording, &part, stride as u32, problems, total).unwrap();
    recording.copy(&arena, 0, &back, 0, size);
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    recording.encode(&mut encoder).unwrap();
    gpu.queue().submit([encoder.finish()]);
    back.slice(..)
        .map_async(wgpu::MapMode::Read, |result| result.unwrap());
    gpu.device()
        .poll(wgpu::PollType::wait_indefinitely())
        .unwrap();
    let view = back.slice(..).get_mapped_range().unwrap();
    bytemuck::cast_slice(&view).to_vec()
}

/// NaN and +Inf (which is all above f32::MAX) equal themselves only.
#[must_use]
pub fn close(found: f32, expected: f64, tolerance: f64) -> bool {
    if expected.is_nan() || found.is_nan() {
        return expected.is_nan() && found.is_nan();
    }
    if expected > f64::from(f32::MAX) || found == f32::INFINITY {
        return expected > f64::from(f32::MAX) && found == f32::INFINITY;
    }
    (f64::from(found) - expected).abs() <= tolerance
}
