//! How a matrix gets to the shaders: bound where it is, copied in panels of columns where it can't be
//! bound, or uploaded from the host, as a whole or in panels.

use std::ops::Range;

use ::wgpu;

use super::record::Recording;
use super::rows::{Bound, Row};
use super::update::Centres;
use super::workspace::{Buffers, Job, whole_quads};
use super::{Wgpu, policy};
use crate::matrix::{Anchor, Block, Data, Element, Matrix, OutputData};
use crate::{DType, Error, Result, Shape};

/// What of a run is read in panels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operand {
    Matrix,
    Anchor,
}

/// Where the matrix of a run is, or its anchor, and memory for what has to be copied of it.
#[derive(Debug)]
pub(super) struct Feed {
    shape: Shape,
    /// The element type on the device.
    dtype: DType,
    /// Rows of each block on the device; none when the host's matrix is streamed.
    rows: Vec<Vec<Row>>,
    /// Are these rows in the caller's buffers?
    given: bool,
    /// A whole matrix from the host.
    resident: Option<wgpu::Buffer>,
    /// A panel of columns.
    panel: Option<wgpu::Buffer>,
    /// The last submission that reads the panel.
    reading: Option<wgpu::SubmissionIndex>,
}

impl Feed {
    /// For matrices of a shape. Memory is allocated by the first run that needs it.
    pub fn new(shape: &Shape, input: DType) -> Self {
        Feed {
            shape: shape.clone(),
            dtype: input.output(),
            rows: Vec::new(),
            given: false,
            resident: None,
            panel: None,
            reading: None,
        }
    }

    pub fn bytes(&self) -> usize {
        let buffers = [&self.resident, &self.panel].into_iter().flatten();
        buffers.map(|buffer| buffer.size() as usize).sum()
    }

    /// Forgets the last run's.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.given = false;
        self.reading = None;
    }

    /// Takes the matrix of a run; a small one from the host is uploaded.
    pub fn begin(&mut self, device: &Wgpu, x: &Matrix<'_>) -> Result<()> {
        self.clear();
        if let Some(blocks) = x.buffers() {
            let row = |place: crate::BufferPlace<'_>| Row {
                buffer: place.buffer.clone(),
                offset: place.offset,
            };
            let rows = blocks
                .iter()
                .map(|block| (0..block.n()).map(|i| row(block.row(i))).collect());
            self.rows.extend(rows);
            self.given = true;
            return Ok(());
        }
        let Some(data) = x.host() else {
            return Ok(());
        };
        let pitches = self.shape.columns().iter().map(|&d| pitch(d, self.dtype));
        let size = pitches
            .map(|pitch| pitch * self.shape.n() as u64)
            .sum::<u64>();
        if size > policy::RESIDENT.min(device.limits().max_buffer_size) {
            return Ok(());
        }
        let buffer = buffer_of(device, &mut self.resident, "byzagg matrix", size)?;
        let mut offset = 0;
        for (block, &d) in self.shape.columns().iter().enumerate() {
            let rows = upload(device, &data, block, 0..d, self.dtype, &buffer, offset)?;
            offset += pitch(d, self.dtype) * self.shape.n() as u64;
            self.rows.push(rows);
        }
        Ok(())
    }

    /// Columns of a panel that is copied.
    fn panel_columns(&self, device: &Wgpu) -> usize {
        let limits = device.limits();
        let bytes = policy::PANEL
            .min(limits.max_buffer_size)
            .min(limits.max_storage_buffer_binding_size);
        // A row may begin and end within a word.
        let row = (bytes / self.shape.n() as u64).saturating_sub(8) as usize;
        whole_quads(row / self.dtype.size())
    }

    /// The rows of a block from a column on, if they are on the device.
    fn rows_from(&self, block: usize, column: usize) -> Option<Vec<Row>> {
        let skipped = (column * self.dtype.size()) as u64;
        let rows = self.rows.get(block)?;
        Some(
            rows.iter()
                .map(|row| Row {
                    buffer: row.buffer.clone(),
                    offset: row.offset + skipped,
                })
                .collect(),
        )
    }
}

impl Job<'_, '_, '_, '_> {
    fn of(&self, which: Operand) -> &Feed {
        match which {
            Operand::Matrix => self.feed,
            Operand::Anchor => self.anchor_feed,
        }
    }

    fn of_mut(&mut self, which: Operand) -> &mut Feed {
        match which {
            Operand::Matrix => self.feed,
            Operand::Anchor => self.anchor_feed,
        }
    }

    /// Takes the anchor of a run, if there is one.
    pub fn begin_anchor(&mut self) -> Result<()> {
        let (device, feed) = (self.device, &mut *self.anchor_feed);
        match self.anchor {
            None => {
                feed.clear();
                Ok(())
            }
            Some(Anchor::Vector(vector)) => feed.begin(device, &vector),
            Some(Anchor::Output) => {
                let begin = |row: &Matrix<'_>| feed.begin(device, row);
                self.output.with_row(self.shape, begin)?
            }
        }
    }

    /// The panels of columns in which a block can be bound.
    pub fn panels(&self, block: usize) -> Vec<Range<usize>> {
        let d = self.shape.columns()[block];
        let most = self.most_columns();
        let width = match self.in_place(Operand::Matrix, block) {
            true => most,
            false => self.feed.panel_columns(self.device).min(most),
        };
        super::workspace::chunks(0..d, width).collect()
    }

    /// Can a block be bound where it is? Panels may begin at different places within an alignment.
    fn in_place(&self, which: Operand, block: usize) -> bool {
        let feed = self.of(which);
        let d = self.shape.columns()[block];
        super::workspace::chunks(0..d, self.most_columns()).all(|columns| {
            let rows = feed.rows_from(block, columns.start);
            rows.is_some_and(|rows| {
                Bound::new(self.device, &rows, columns.len(), feed.dtype).is_some()
            })
        })
    }

    /// Refuses buffers that can't be used, before anything runs.
    pub fn check_buffers(&self) -> Result<()> {
        const OP: &str = "run";
        let Buffers {
            arena,
            centre,
            mixed: [a, b],
            partials,
            centres,
        } = self.buffers;
        let feeds = || [Operand::Matrix, Operand::Anchor].map(|which| (which, self.of(which)));
        let given = feeds().into_iter().filter(|(_, feed)| feed.given);
        let rows = given.flat_map(|(_, feed)| feed.rows.iter().flatten().map(|row| &row.buffer));
        let places = match &self.output.data {
            OutputData::Wgpu(output) => &output.places[..],
            _ => &[],
        };
        let mut given = rows.chain(places.iter().map(|place| place.buffer));
        let buffers = feeds().map(|(_, feed)| [&feed.resident, &feed.panel]);
        let later = buffers.into_iter().flatten().chain([&self.sink.result]);
        let own: Vec<_> = [arena, centre, a, b, partials]
            .into_iter()
            .chain(later.flatten())
            .chain(centres.iter().flat_map(Centres::buffers))
            .collect();
        // wgpu knows buffers by their numbers within an instance: another's may be taken for our own.
        if given.any(|buffer| own.contains(&buffer)) {
            let expected = format!("buffers of {}", self.device);
            return Err(Error::shape(OP, expected, "one of another device"));
        }
        let blocks = |(which, feed): (Operand, &'_ Feed)| {
            let given = if feed.given { feed.rows.len() } else { 0 };
            (0..given).map(move |block| (which, block))
        };
        for (which, block) in feeds().into_iter().flat_map(blocks) {
            let rows = &self.of(which).rows[block];
            let bad = |row: &Row| !row.buffer.usage().contains(wgpu::BufferUsages::COPY_SRC);
            let Some(i) = rows.iter().position(bad) else {
                continue;
            };
            if !self.in_place(which, block) {
                let expected = "buffers with BufferUsages::COPY_SRC for a matrix that the device can't bind as a whole";
                let got = format!("{:?} for row {i} of block {block}", rows[i].buffer.usage());
                return Err(Error::shape(OP, expected, got));
            }
        }
        Ok(())
    }

    /// Makes a panel of a block visible to shaders.
    pub fn bind(&mut self, which: Operand, block: usize, columns: Range<usize>) -> Result<Bound> {
        let (device, dtype, width) = (self.device, self.of(which).dtype, columns.len());
        let rows = self.of(which).rows_from(block, columns.start);
        if let Some(bound) = rows
            .as_ref()
            .and_then(|rows| Bound::new(device, rows, width, dtype))
        {
            return Ok(bound);
        }
        let feed = self.of_mut(which);
        let size = pitch(width, dtype) * feed.shape.n() as u64;
        let panel = buffer_of(device, &mut feed.panel, "byzagg panel", size)?;
        let rows = match rows {
            Some(rows) => copy(&mut self.recording, &rows, width, dtype, &panel),
            None => {
                // What has been recorded still reads the last panel.
                self.submit()?;
                if let Some(index) = self.of_mut(which).reading.take() {
                    device.wait(Some(index))?;
                }
                self.of_mut(which).reading = self.last.clone();
                let upload = |x: &Matrix<'_>| {
                    let host = "a matrix that is not on the device is on the host";
                    upload(
                        device,
                        &x.host().expect(host),
                        block,
                        columns,
                        dtype,
                        &panel,
                        0,
                    )
                };
                match (which, self.anchor) {
                    (Operand::Matrix, _) => upload(self.x)?,
                    (Operand::Anchor, Some(Anchor::Vector(vector))) => upload(&vector)?,
                    (Operand::Anchor, _) => self.output.with_row(self.shape, upload)??,
                }
            }
        };
        Bound::new(device, &rows, width, dtype)
            .ok_or_else(|| device.error("run: a panel is larger than a binding"))
    }
}

/// Bytes from one row of a panel to the next: whole words, and one more for rows that begin within one.
fn pitch(columns: usize, dtype: DType) -> u64 {
    ((columns * dtype.size()) as u64).next_multiple_of(4) + 4
}

/// A buffer of at least that size, made anew if it is too small.
fn buffer_of(
    device: &Wgpu,
    slot: &mut Option<wgpu::Buffer>,
    label: &str,
    size: u64,
) -> Result<wgpu::Buffer> {
    if let Some(buffer) = slot.as_ref().filter(|buffer| buffer.size() >= size) {
        return Ok(buffer.clone());
    }
    let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST;
    let buffer = device.buffer(label, size, usage)?;
    Ok(slot.insert(buffer).clone())
}

/// Copies a panel of columns from wherever its rows are.
fn copy(
    recording: &mut Recording<'_>,
    rows: &[Row],
    width: usize,
    dtype: DType,
    panel: &wgpu::Buffer,
) -> Vec<Row> {
    let pitch = pitch(width, dtype);
    let mut copies = Vec::with_capacity(rows.len());
    for (i, row) in rows.iter().enumerate() {
        // Copies are of whole words.
        let shift = row.offset % 4;
        let size = (shift + (width * dtype.size()) as u64).next_multiple_of(4);
        let to = i as u64 * pitch;
        recording.copy(&row.buffer, row.offset - shift, panel, to, size);
        copies.push(Row {
            buffer: panel.clone(),
            offset: to + shift,
        });
    }
    copies
}

/// Writes columns of a host matrix to a buffer, from an offset on.
fn upload(
    device: &Wgpu,
    data: &Data<'_>,
    block: usize,
    columns: Range<usize>,
    dtype: DType,
    to: &wgpu::Buffer,
    offset: u64,
) -> Result<Vec<Row>> {
    let pitch = pitch(columns.len(), dtype);
    let mut write = |i: usize, bytes: &[u8]| {
        device
            .queue()
            .write_buffer(to, offset + i as u64 * pitch, bytes);
    };
    let n = device.checked("upload", |_| match data {
        Data::F32(blocks) => rows_of(blocks.get(block), &columns, &mut write),
        Data::Bf16(blocks) => rows_of(blocks.get(block), &columns, &mut write),
        Data::F16(blocks) => rows_of(blocks.get(block), &columns, &mut write),
        Data::F64(blocks) => {
            let block = blocks.get(block);
            let mut row = Vec::with_capacity(columns.len());
            for i in 0..block.n() {
                row.clear();
                row.extend(elements(&block, i, &columns).map(Element::to_f32));
                write(i, bytemuck::cast_slice(&row));
            }
            block.n()
        }
    })?;
    let row = |i: usize| Row {
        buffer: to.clone(),
        offset: offset + i as u64 * pitch,
    };
    Ok((0..n).map(row).collect())
}

/// Hands over the rows of a block as bytes of whole words.
fn rows_of<T: Element>(
    block: Block<'_, T>,
    columns: &Range<usize>,
    write: &mut impl FnMut(usize, &[u8]),
) -> usize {
    let mut padded: Vec<T> = Vec::new();
    for i in 0..block.n() {
        match block.contiguous(i, columns.clone()) {
            Some(row) if size_of_val(row).is_multiple_of(4) => write(i, bytemuck::cast_slice(row)),
            _ => {
                padded.clear();
                padded.extend(elements(&block, i, columns));
                if !(padded.len() * size_of::<T>()).is_multiple_of(4) {
                    padded.push(T::zeroed());
                }
                write(i, bytemuck::cast_slice(&padded));
            }
        }
    }
    block.n()
}

fn elements<'a, T: Element>(
    block: &Block<'a, T>,
    i: usize,
    columns: &Range<usize>,
) -> impl Iterator<Item = T> + use<'a, T> {
    let (row, stride) = block.row(i);
    columns.clone().map(move |k| row[k * stride])
}
