//! Where results go: places in the caller's buffers, or a buffer that is read back to the host.

use std::ops::Range;

use bytemuck::Pod;

use ::wgpu;

use super::workspace::Job;
use super::{Wgpu, policy};
use crate::matrix::{Output, OutputData};
use crate::{DType, Result, Shape};

#[derive(Debug)]
pub(super) struct Sink {
    /// The first column of each block, and the end.
    starts: Vec<usize>,
    dtype: DType,
    /// Columns that may wait for being read back; all, when the result stays on the device.
    capacity: usize,
    most: usize,
    pub result: Option<wgpu::Buffer>,
    /// Columns of the output, and where they are in `result`.
    pending: Vec<(Range<usize>, u64)>,
    used: u64,
}

impl Sink {
    pub fn new(device: &Wgpu, shape: &Shape, dtype: DType) -> Self {
        let mut end = 0;
        let starts = shape.columns().iter().map(|d| {
            end += d;
            end - d
        });
        // Whole words.
        let bytes = policy::RESULT.min(device.limits().max_buffer_size) as usize / 4 * 4;
        let mut starts: Vec<usize> = starts.collect();
        starts.push(end);
        Sink {
            starts,
            dtype,
            capacity: usize::MAX,
            most: bytes / dtype.size(),
            result: None,
            pending: Vec::new(),
            used: 0,
        }
    }

    pub fn bytes(&self) -> usize {
        self.result
            .as_ref()
            .map_or(0, |buffer| buffer.size() as usize)
    }

    /// Columns that a panel may have.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Takes the output of a run.
    pub fn begin(&mut self, output: &Output<'_>) {
        self.capacity = if output.is_host() {
            self.most
        } else {
            usize::MAX
        };
        self.pending.clear();
        self.used = 0;
    }
}

impl Job<'_, '_, '_, '_> {
    /// Where a panel's result goes: a buffer, and an offset in bytes.
    pub fn place(&mut self, block: usize, columns: Range<usize>) -> Result<(wgpu::Buffer, u64)> {
        let size = self.result.size() as u64;
        if let OutputData::Wgpu(output) = &self.output.data {
            let (place, skipped) = match &output.places[..] {
                [one] => (one, self.sink.starts[block] + columns.start),
                places => (&places[block], columns.start),
            };
            return Ok((place.buffer.clone(), place.offset + skipped as u64 * size));
        }
        let bytes = (columns.len() as u64 * size).next_multiple_of(4);
        let all = (self.sink.starts.last().copied().unwrap_or(0) as u64
            + 2 * self.sink.starts.len() as u64)
            * size;
        let whole = all
            .next_multiple_of(4)
            .min((self.sink.most as u64 * size).next_multiple_of(4));
        if self.sink.used + bytes > whole {
            self.submit()?;
            self.drain()?;
        }
        let buffer = match &self.sink.result {
            Some(buffer) => buffer.clone(),
            None => {
                let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC;
                let buffer = self.device.buffer("byzagg result", whole, usage)?;
                self.sink.result.insert(buffer).clone()
            }
        };
        let offset = self.sink.used;
        let start = self.sink.starts[block];
        self.sink
            .pending
            .push((start + columns.start..start + columns.end, offset));
        self.sink.used += bytes;
        Ok((buffer, offset))
    }

    /// Reads what waits on the device back to the host. It has been submitted.
    pub fn drain(&mut self) -> Result<()> {
        let Some(result) = self
            .sink
            .result
            .as_ref()
            .filter(|_| !self.sink.pending.is_empty())
        else {
            return Ok(());
        };
        let bytes = self.device.read(result, 0..self.sink.used)?;
        for (columns, offset) in self.sink.pending.drain(..) {
            let part = &bytes[offset as usize..][..columns.len() * self.sink.dtype.size()];
            match &mut self.output.data {
                OutputData::F32(slices) => write(slices, columns, part),
                OutputData::Bf16(slices) => write(slices, columns, part),
                OutputData::F16(slices) => write(slices, columns, part),
                _ => {}
            }
        }
        self.sink.used = 0;
        Ok(())
    }
}

/// Writes bytes to some columns of slices that lie one behind the other.
fn write<T: Pod>(slices: &mut [&mut [T]], columns: Range<usize>, bytes: &[u8]) {
    let values: Vec<T> = bytemuck::pod_collect_to_vec(bytes);
    let (mut start, mut values) = (0, &values[..]);
    for slice in slices {
        let end = start + slice.len();
        if columns.start < end && start < columns.end && !values.is_empty() {
            let from = columns.start.max(start);
            let count = columns.end.min(end) - from;
            let (now, later) = values.split_at(count);
            slice[from - start..][..count].copy_from_slice(now);
            values = later;
        }
        start = end;
    }
}
