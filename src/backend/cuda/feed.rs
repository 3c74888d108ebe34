//! How a matrix and a result get to the kernels: the caller's memory where it is, the host's copied to the device.

use bytemuck::Pod;
use cudarc::driver::{CudaSlice, CudaStream, DevicePtr, SyncOnDrop};

use super::abi::{self, SLAB};
use super::{Cuda, launch};
use crate::matrix::{Anchor, Block, Blocks, Data, Element, Matrix, Output, OutputData, PlacedRows};
use crate::{DType, DeviceBlock, DevicePlace, Error, Result, Shape};

/// The table of blocks, and memory for what is not on the device.
#[derive(Debug)]
pub(super) struct Feed {
    shape: Shape,
    /// The result's element type.
    output: DType,
    /// Blocks, problems, and the addresses of rows.
    table: CudaSlice<u64>,
    /// What it holds.
    written: Vec<u64>,
    /// A matrix and a result of the host's.
    matrix: Option<CudaSlice<u8>>,
    anchor: Option<CudaSlice<u8>>,
    result: Option<CudaSlice<u8>>,
}

/// Words of a block, and of a problem.
const BLOCK: usize = size_of::<abi::Block>() / 8;
const PROBLEM: usize = size_of::<abi::Problem>() / 8;

/// Where a block's rows begin.
enum Rows {
    Strided { first: u64, stride: u64 },
    Separate(Vec<u64>),
}

impl Rows {
    fn first(&self) -> u64 {
        match self {
            Rows::Strided { first, .. } => *first,
            Rows::Separate(rows) => rows[0],
        }
    }
}

impl Feed {
    pub fn new(device: &Cuda, shape: &Shape, output: DType) -> Result<Self> {
        let blocks = shape.columns().len();
        let words = blocks * (BLOCK + shape.n() + 1) + shape.problems() * PROBLEM;
        Ok(Feed {
            shape: shape.clone(),
            output,
            table: device.allocate("prepare", "the table of blocks", words)?,
            written: Vec::new(),
            matrix: None,
            anchor: None,
            result: None,
        })
    }

    pub fn bytes(&self) -> usize {
        let copies = [&self.matrix, &self.anchor, &self.result];
        let copies = copies.into_iter().flatten();
        8 * self.table.len() + copies.map(CudaSlice::len).sum::<usize>()
    }

    /// The slabs of each problem, at most.
    pub fn slabs(&self) -> usize {
        let slabs = |p: usize| -> usize {
            let blocks = &self.shape.columns()[self.shape.problem(p)];
            blocks.iter().map(|d| d.div_ceil(SLAB)).sum()
        };
        (0..self.shape.problems()).map(slabs).max().unwrap_or(0)
    }

    /// Takes the matrix and the output of a run. Until the guards are dropped, streams that write to the matrix
    /// or use the output have not been told to wait.
    pub fn begin<'s>(
        &mut self,
        device: &'s Cuda,
        x: &'s Matrix<'s>,
        anchor: Option<&'s Anchor<'s>>,
        output: &'s mut Output<'_>,
        guards: &mut Vec<SyncOnDrop<'s>>,
    ) -> Result<()> {
        let rows = match x.device() {
            Some(blocks) => on_device(device, &blocks, guards)?,
            None => upload(device, x, &self.shape, &mut self.matrix)?,
        };
        let anchors = match anchor {
            Some(Anchor::Vector(vector)) => {
                let anchors = match vector.device() {
                    Some(blocks) => on_device(device, &blocks, guards)?,
                    None => upload(device, vector, &self.shape.of_one_row(), &mut self.anchor)?,
                };
                Some(anchors.iter().map(|rows| rows.first()).collect())
            }
            _ => None,
        };
        if matches!(anchor, Some(Anchor::Output)) && output.is_host() {
            // The result is made where it was.
            self.write_result(device, output)?;
        }
        let outs = self.outs(device, output, guards)?;
        let anchors = anchors.unwrap_or_else(|| outs.clone());
        self.write(device, &rows, &outs, &anchors)
    }

    /// Where each block's result goes.
    fn outs<'s>(
        &mut self,
        device: &'s Cuda,
        output: &'s mut Output<'_>,
        guards: &mut Vec<SyncOnDrop<'s>>,
    ) -> Result<Vec<u64>> {
        let stream: &CudaStream = device.stream();
        let size = self.output.size() as u64;
        let mut first = 0;
        let starts: Vec<u64> = self
            .shape
            .columns()
            .iter()
            .map(|&d| {
                first += d as u64 * size;
                first - d as u64 * size
            })
            .collect();
        let is_host = output.is_host();
        match &mut output.data {
            OutputData::Cuda(output) => {
                let mut pointers = Vec::with_capacity(output.places.len());
                for place in &mut output.places {
                    if place.home().is_some_and(|home| !device.owns(home)) {
                        return Err(foreign(device));
                    }
                    let (pointer, guard) = place.pointer(stream);
                    pointers.push(pointer);
                    guards.extend(guard);
                }
                Ok(match &pointers[..] {
                    [one] => starts.iter().map(|start| one + start).collect(),
                    _ => pointers,
                })
            }
            _ if is_host => {
                let result = kept(device, &mut self.result, "the result", first as usize)?;
                let address = result.device_ptr(stream).0;
                Ok(starts.iter().map(|start| address + start).collect())
            }
            #[allow(unreachable_patterns)]
            _ => Err(foreign(device)),
        }
    }

    /// Copies what a result of the host's holds to where the device makes it.
    fn write_result(&mut self, device: &Cuda, output: &Output<'_>) -> Result<()> {
        fn bytes<T: Pod>(slices: &[&mut [T]]) -> Vec<u8> {
            let parts = slices.iter().map(|slice| bytemuck::cast_slice(slice));
            parts.collect::<Vec<&[u8]>>().concat()
        }
        let bytes = match &output.data {
            OutputData::F32(slices) => bytes(slices),
            OutputData::Bf16(slices) => bytes(slices),
            OutputData::F16(slices) => bytes(slices),
            _ => return Ok(()),
        };
        let result = kept(device, &mut self.result, "the result", bytes.len())?;
        let copied = device.stream().memcpy_htod(&bytes, result);
        copied.map_err(|error| device.error("copy the start to the device", &error))
    }

    /// Writes the table, if it is not what it was in the last run.
    fn write(&mut self, device: &Cuda, rows: &[Rows], outs: &[u64], anchors: &[u64]) -> Result<()> {
        let columns = self.shape.columns();
        let tables = columns.len() * (BLOCK + 1) + self.shape.problems() * PROBLEM;
        let address = self.table.device_ptr(device.stream()).0;
        let n = self.shape.n();
        let mut blocks = Vec::with_capacity(columns.len());
        let mut problems = Vec::with_capacity(self.shape.problems());
        let mut table: Vec<u64> = Vec::new();
        for p in 0..self.shape.problems() {
            let range = self.shape.problem(p);
            let mut slabs = 0;
            for b in range.clone() {
                let wide = |address: u64| address.is_multiple_of(16);
                let (first, stride, list, aligned) = match &rows[b] {
                    Rows::Strided { first, stride } => {
                        (*first, *stride, 0, wide(*first) && wide(*stride))
                    }
                    Rows::Separate(list) => {
                        let at = address + 8 * (tables + b * n) as u64;
                        (0, 0, at, list.iter().copied().all(wide))
                    }
                };
                blocks.push(abi::Block {
                    first,
                    stride,
                    rows: list,
                    columns: columns[b] as u64,
                    first_slab: slabs,
                    out: outs[b],
                    wide: u32::from(aligned),
                    out_wide: u32::from(wide(outs[b])),
                });
                slabs += columns[b].div_ceil(SLAB) as u64;
            }
            problems.push(abi::Problem {
                first_block: range.start as u32,
                blocks: range.len() as u32,
                slabs,
            });
        }
        table.extend_from_slice(bytemuck::cast_slice(&blocks));
        table.extend_from_slice(bytemuck::cast_slice(&problems));
        table.extend_from_slice(anchors);
        for rows in rows {
            let from = table.len();
            if let Rows::Separate(list) = rows {
                table.extend_from_slice(list);
            }
            table.resize(from + n, 0);
        }
        if table == self.written {
            return Ok(());
        }
        if launch::is_capturing(device.stream()) {
            return Err(Error::shape(
                "run",
                "the memory of the last run, while a graph is captured (run once before)",
                "other memory",
            ));
        }
        // Runs that are under way read the old one; they are ahead on the same stream.
        device
            .stream()
            .memcpy_htod(&table, &mut self.table)
            .map_err(|error| device.error("describe the matrix to the device", &error))?;
        self.written = table;
        Ok(())
    }

    /// The addresses of the blocks, of the problems, and of the anchors' addresses.
    pub fn tables(&self, device: &Cuda) -> (u64, u64, u64) {
        let blocks = self.table.device_ptr(device.stream()).0;
        let problems = blocks + 8 * (self.shape.columns().len() * BLOCK) as u64;
        let anchors = problems + 8 * (self.shape.problems() * PROBLEM) as u64;
        (blocks, problems, anchors)
    }

    /// Brings a result to the host, if that is where it goes. Waits for it.
    pub fn finish(&self, device: &Cuda, output: &mut Output<'_>) -> Result<()> {
        match &mut output.data {
            OutputData::F32(slices) => self.read(device, slices),
            OutputData::Bf16(slices) => self.read(device, slices),
            OutputData::F16(slices) => self.read(device, slices),
            _ => Ok(()),
        }
    }

    fn read<T: Pod>(&self, device: &Cuda, slices: &mut [&mut [T]]) -> Result<()> {
        let Some(result) = &self.result else {
            return Ok(());
        };
        let stream = device.stream();
        let copy = |to: &mut [u8]| {
            let copied = stream.memcpy_dtoh(&result.slice(..to.len()), to);
            copied
                .and_then(|()| stream.synchronize())
                .map_err(|error| device.error("copy the result to the host", &error))
        };
        if let [slice] = slices {
            return copy(bytemuck::cast_slice_mut(slice));
        }
        // All or nothing: a copy that fails must not leave the slices before it written.
        let len = slices.iter().map(|slice| slice.len()).sum();
        let mut all = vec![T::zeroed(); len];
        copy(bytemuck::cast_slice_mut(&mut all))?;
        let mut rest = &all[..];
        for slice in slices {
            let (part, behind) = rest.split_at(slice.len());
            slice.copy_from_slice(part);
            rest = behind;
        }
        Ok(())
    }
}

fn foreign(device: &Cuda) -> Error {
    let expected = format!("memory of {device}");
    Error::shape("run", expected, "memory of another device or context")
}

/// Where the rows of blocks in the device's memory are.
fn on_device<'s, 'x: 's>(
    device: &'s Cuda,
    blocks: &Blocks<'x, DeviceBlock<'x>>,
    guards: &mut Vec<SyncOnDrop<'s>>,
) -> Result<Vec<Rows>> {
    let mut address = |place: DevicePlace<'x>| {
        if place.home().is_some_and(|home| !device.owns(home)) {
            return Err(foreign(device));
        }
        let (pointer, guard) = place.pointer(device.stream());
        guards.extend(guard);
        Ok(pointer)
    };
    let rows = |block: DeviceBlock<'x>| match block.rows() {
        (PlacedRows::Strided { first, row_stride }, selected) => {
            let first = address(first)?;
            let stride = (row_stride * block.dtype().size()) as u64;
            Ok(match selected {
                None => Rows::Strided { first, stride },
                Some(rows) => {
                    let row = |&i: &usize| first + i as u64 * stride;
                    Rows::Separate(rows.iter().map(row).collect())
                }
            })
        }
        (PlacedRows::Separate(places), None) => {
            let rows: Result<_> = places.iter().map(|place| address(*place)).collect();
            rows.map(Rows::Separate)
        }
        (PlacedRows::Separate(places), Some(rows)) => {
            let rows: Result<_> = rows.iter().map(|&i| address(places[i])).collect();
            rows.map(Rows::Separate)
        }
    };
    blocks.iter().map(rows).collect()
}

/// Copies a matrix of the host's to the device. Rows begin at multiples of 16 bytes.
fn upload(
    device: &Cuda,
    x: &Matrix<'_>,
    shape: &Shape,
    memory: &mut Option<CudaSlice<u8>>,
) -> Result<Vec<Rows>> {
    let Some(data) = x.host() else {
        return Err(foreign(device));
    };
    let size = x.dtype().output().size();
    let pitch = |d: usize| (d * size).next_multiple_of(16);
    let all: usize = shape.columns().iter().map(|&d| shape.n() * pitch(d)).sum();
    let memory = kept(device, memory, "a copy of the host's matrix", all)?;
    let address = memory.device_ptr(device.stream()).0;
    let mut rows = Vec::new();
    let mut at = 0;
    for (b, &d) in shape.columns().iter().enumerate() {
        let pitch = pitch(d);
        let bytes = match &data {
            Data::F32(blocks) => packed(&blocks.get(b), pitch, |x| x),
            Data::Bf16(blocks) => packed(&blocks.get(b), pitch, |x| x),
            Data::F16(blocks) => packed(&blocks.get(b), pitch, |x| x),
            Data::F64(blocks) => packed(&blocks.get(b), pitch, Element::to_f32),
        };
        let mut place = memory.slice_mut(at..at + bytes.len());
        let copied = device.stream().memcpy_htod(&bytes, &mut place);
        copied.map_err(|error| device.error("copy the matrix to the device", &error))?;
        rows.push(Rows::Strided {
            first: address + at as u64,
            stride: pitch as u64,
        });
        at += bytes.len();
    }
    Ok(rows)
}

/// A block's rows as bytes, each from a multiple of the pitch on.
fn packed<T: Element, U: Pod>(
    block: &Block<'_, T>,
    pitch: usize,
    convert: impl Fn(T) -> U,
) -> Vec<u8> {
    let (n, d) = (block.n(), block.d());
    let mut bytes = vec![0; n * pitch];
    for (i, to) in bytes.chunks_exact_mut(pitch).enumerate() {
        let (row, stride) = block.row(i);
        let elements = row.iter().step_by(stride.max(1)).take(d);
        for (to, x) in to.chunks_exact_mut(size_of::<U>()).zip(elements) {
            to.copy_from_slice(bytemuck::bytes_of(&convert(*x)));
        }
    }
    bytes
}

/// A copy's memory, made anew if it is too small.
fn kept<'k>(
    device: &Cuda,
    slot: &'k mut Option<CudaSlice<u8>>,
    what: &str,
    bytes: usize,
) -> Result<&'k mut CudaSlice<u8>> {
    if slot.as_ref().is_none_or(|memory| memory.len() < bytes) {
        *slot = None;
        *slot = Some(device.allocate("run", what, bytes)?);
    }
    Ok(slot.as_mut().expect("it has just been made"))
}
