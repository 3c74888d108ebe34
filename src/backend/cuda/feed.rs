//! How a matrix and a result get to the kernels: the caller's memory where it is, the host's copied to the device.

use bytemuck::Pod;
use cudarc::driver::{CudaSlice, CudaStream, DevicePtr, SyncOnDrop};

use super::abi::{self, SLAB};
use super::{Cuda, launch};
use crate::matrix::{Block, Blocks, Data, Element, Matrix, Output, OutputData, PlacedRows};
use crate::{DType, DeviceBlock, DevicePlace, Error, Result, Shape};

/// The table of blocks, and memory for what is not on the device.
#[derive(Debug)]
pub(super) struct Feed {
    shape: Shape,
    /// Element types on the device.
    input: DType,
    output: DType,
    /// Blocks, problems, and the addresses of rows.
    table: CudaSlice<u64>,
    /// What it holds.
    written: Vec<u64>,
    /// A matrix and a result of the host's.
    matrix: Option<CudaSlice<u8>>,
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

impl Feed {
    pub fn new(device: &Cuda, shape: &Shape, input: DType, output: DType) -> Result<Self> {
        let blocks = shape.columns().len();
        let words = blocks * (BLOCK + shape.n()) + shape.problems() * PROBLEM;
        Ok(Feed {
            shape: shape.clone(),
            input: input.output(),
            output,
            table: device.allocate("prepare", "the table of blocks", words)?,
            written: Vec::new(),
            matrix: None,
            result: None,
        })
    }

    pub fn bytes(&self) -> usize {
        let copies = [&self.matrix, &self.result].into_iter().flatten();
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
        output: &'s mut Output<'_>,
        guards: &mut Vec<SyncOnDrop<'s>>,
    ) -> Result<()> {
        let stream: &CudaStream = device.stream();
        let rows = match (x.device(), x.host()) {
            (Some(blocks), _) => {
                let rows: Result<_> = blocks
                    .iter()
                    .map(|block| on_device(device, &block, guards))
                    .collect();
                rows?
            }
            (None, Some(data)) => self.upload(device, &data)?,
            (None, None) => {
                let expected = format!("a matrix in the memory of {device} or of the host");
                return Err(Error::shape(
                    "run",
                    expected,
                    "one in another device's memory",
                ));
            }
        };
        let outs = self.outs(device, stream, output, guards)?;
        self.write(device, &rows, &outs)
    }

    /// Where each block's result goes.
    fn outs<'s>(
        &mut self,
        device: &'s Cuda,
        stream: &'s CudaStream,
        output: &'s mut Output<'_>,
        guards: &mut Vec<SyncOnDrop<'s>>,
    ) -> Result<Vec<u64>> {
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

    /// Copies a matrix of the host's.
    fn upload(&mut self, device: &Cuda, data: &Data<'_>) -> Result<Vec<Rows>> {
        let size = self.input.size();
        // Rows begin at multiples of 16 bytes.
        let pitch = |d: usize| (d * size).next_multiple_of(16);
        let n = self.shape.n();
        let all: usize = self.shape.columns().iter().map(|&d| n * pitch(d)).sum();
        let matrix = kept(device, &mut self.matrix, "a copy of the matrix", all)?;
        let address = matrix.device_ptr(device.stream()).0;
        let mut rows = Vec::new();
        let mut at = 0;
        for (b, &d) in self.shape.columns().iter().enumerate() {
            let pitch = pitch(d);
            let bytes = match data {
                Data::F32(blocks) => packed(blocks, b, pitch),
                Data::Bf16(blocks) => packed(blocks, b, pitch),
                Data::F16(blocks) => packed(blocks, b, pitch),
                Data::F64(blocks) => {
                    let block = blocks.get(b);
                    let mut bytes = vec![0; n * pitch];
                    for (i, to) in bytes.chunks_exact_mut(pitch).enumerate() {
                        let (row, stride) = block.row(i);
                        for (to, x) in to
                            .chunks_exact_mut(4)
                            .zip(row.iter().step_by(stride.max(1)).take(d))
                        {
                            to.copy_from_slice(&x.to_f32().to_ne_bytes());
                        }
                    }
                    bytes
                }
            };
            let mut place = matrix.slice_mut(at..at + bytes.len());
            device
                .stream()
                .memcpy_htod(&bytes, &mut place)
                .map_err(|error| device.error("copy the matrix to the device", &error))?;
            rows.push(Rows::Strided {
                first: address + at as u64,
                stride: pitch as u64,
            });
            at += bytes.len();
        }
        Ok(rows)
    }

    /// Writes the table, if it is not what it was in the last run.
    fn write(&mut self, device: &Cuda, rows: &[Rows], outs: &[u64]) -> Result<()> {
        let columns = self.shape.columns();
        let tables = columns.len() * BLOCK + self.shape.problems() * PROBLEM;
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

    /// The addresses of the blocks and of the problems.
    pub fn tables(&self, device: &Cuda) -> (u64, u64) {
        let address = self.table.device_ptr(device.stream()).0;
        let blocks = self.shape.columns().len() * size_of::<abi::Block>();
        (address, address + blocks as u64)
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
        let fail = |error| device.error("copy the result to the host", &error);
        let mut at = 0;
        for slice in slices {
            let bytes: &mut [u8] = bytemuck::cast_slice_mut(slice);
            let from = result.slice(at..at + bytes.len());
            stream.memcpy_dtoh(&from, bytes).map_err(fail)?;
            at += bytes.len();
        }
        stream.synchronize().map_err(fail)
    }
}

fn foreign(device: &Cuda) -> Error {
    let expected = format!("memory of {device}");
    Error::shape("run", expected, "memory of another device or context")
}

/// The addresses of a block's rows in the device's memory.
fn on_device<'s, 'x: 's>(
    device: &'s Cuda,
    block: &DeviceBlock<'x>,
    guards: &mut Vec<SyncOnDrop<'s>>,
) -> Result<Rows> {
    let mut address = |place: DevicePlace<'x>| {
        if place.home().is_some_and(|home| !device.owns(home)) {
            return Err(foreign(device));
        }
        let (pointer, guard) = place.pointer(device.stream());
        guards.extend(guard);
        Ok(pointer)
    };
    match block.rows() {
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
    }
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

/// A block's rows as bytes, each from a multiple of the pitch on.
fn packed<T: Element>(blocks: &Blocks<'_, Block<'_, T>>, b: usize, pitch: usize) -> Vec<u8> {
    let block = blocks.get(b);
    let (n, d) = (block.n(), block.d());
    let mut bytes = vec![0; n * pitch];
    for (i, to) in bytes.chunks_exact_mut(pitch).enumerate() {
        let to = &mut to[..d * size_of::<T>()];
        if let Some(row) = block.contiguous(i, 0..d) {
            to.copy_from_slice(bytemuck::cast_slice(row));
            continue;
        }
        let (row, stride) = block.row(i);
        for (to, x) in to
            .chunks_exact_mut(size_of::<T>())
            .zip(row.iter().step_by(stride.max(1)))
        {
            to.copy_from_slice(bytemuck::bytes_of(x));
        }
    }
    bytes
}
