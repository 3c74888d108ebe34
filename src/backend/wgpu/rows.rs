//! Rows of elements in buffers, and how they are bound: in one binding, or in groups of rows.

use ::wgpu::Buffer;

use super::Wgpu;
use super::layout::{Layout, Quads};
use super::policy;
use super::record::{Part, Recording, Resource};
use crate::DType;

/// Where a row begins: a buffer, and an offset in bytes that is a multiple of the element's size.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub buffer: Buffer,
    pub offset: u64,
}

/// Some columns of a matrix, as shaders see them.
#[derive(Clone, Debug)]
pub(super) struct Bound {
    layout: Layout,
    parts: Vec<Part>,
    /// Each row's first element in its part, four at a time, or the first row's and a stride.
    bases: Vec<[u32; 4]>,
}

impl Bound {
    /// Binds `width` elements of each row, in as few bindings as the device's limits allow. `None` if
    /// they don't, or if the rows lie in too many buffers.
    pub fn new(device: &Wgpu, rows: &[Row], width: usize, dtype: DType) -> Option<Self> {
        let mut tried = 0;
        for groups in 1..=most_groups(device).min(rows.len()) {
            let per = rows.len().div_ceil(groups);
            if per == tried {
                continue;
            }
            tried = per;
            let parts: Option<Vec<Part>> = rows
                .chunks(per)
                .map(|rows| part(device, rows, width, dtype))
                .collect();
            if let Some(parts) = parts {
                return Some(Self::of(device, rows, parts, dtype));
            }
        }
        None
    }

    fn of(device: &Wgpu, rows: &[Row], parts: Vec<Part>, dtype: DType) -> Self {
        let mut layout = Layout {
            rows: rows.len(),
            dtype,
            groups: parts.len(),
            shared: false,
            strided: false,
            quads: Quads::OneByOne,
        };
        let per = layout.rows_per_group();
        let base = |(i, row): (usize, &Row)| {
            ((row.offset - parts[i / per].offset) / dtype.size() as u64) as u32
        };
        let mut bases: Vec<u32> = rows.iter().enumerate().map(base).collect();
        let stride = bases
            .get(1)
            .map_or(0, |second| second.wrapping_sub(bases[0]));
        let regular = |pair: &[u32]| pair[1].wrapping_sub(pair[0]) == stride;
        if parts.len() == 1 && bases.windows(2).all(regular) {
            layout.strided = true;
            bases.truncate(1);
            bases.push(stride);
        }
        // A binding of vectors ends with a whole one.
        let aligned = dtype == DType::F32
            && bases.iter().all(|base| base % 4 == 0)
            && parts.iter().all(|part| part.size.is_multiple_of(16));
        layout.quads = match (aligned, device.prefers_longs()) {
            (false, _) => Quads::OneByOne,
            (true, false) => Quads::Words,
            (true, true) => Quads::Longs,
        };
        bases.resize(bases.len().next_multiple_of(4), 0);
        let (bases, _) = bases.as_chunks();
        Bound {
            layout,
            bases: bases.to_vec(),
            parts,
        }
    }

    /// The layout, for a kernel that writes to a buffer.
    pub fn layout(&self, written: &Buffer) -> Layout {
        Layout {
            shared: self.parts.iter().any(|part| part.buffer == *written),
            ..self.layout
        }
    }

    /// What the bindings get: the parameters, the kernel's own two, and this.
    pub fn resources(
        &self,
        recording: &mut Recording<'_>,
        params: Resource,
        own: [Part; 2],
    ) -> Vec<Resource> {
        let bases = recording.constants(&self.bases);
        let mut resources = vec![params, bases];
        resources.extend(
            own.into_iter()
                .chain(self.parts.iter().cloned())
                .map(Resource::Part),
        );
        resources
    }
}

/// How many bindings there are for a matrix beside a kernel's own two.
fn most_groups(device: &Wgpu) -> usize {
    let storage = device.limits().max_storage_buffers_per_shader_stage as usize;
    let bindings = device.limits().max_bindings_per_bind_group as usize;
    let left = storage
        .saturating_sub(2)
        .min(bindings.saturating_sub(Layout::FIRST));
    left.clamp(1, policy::GROUPS)
}

/// The part of a buffer that holds some rows, if one holds them all and it is small enough.
fn part(device: &Wgpu, rows: &[Row], width: usize, dtype: DType) -> Option<Part> {
    let buffer = &rows[0].buffer;
    if rows.iter().any(|row| row.buffer != *buffer) {
        return None;
    }
    let size = dtype.size() as u64;
    let offsets = || rows.iter().map(|row| row.offset);
    let start = offsets().min()?;
    let end = offsets().max()? + width as u64 * size;
    span(device, buffer, start, end)
}

/// A part that begins at or before `start`, where bindings may, and ends behind `end` at a whole word.
pub(super) fn span(device: &Wgpu, buffer: &Buffer, start: u64, end: u64) -> Option<Part> {
    let align = u64::from(device.limits().min_storage_buffer_offset_alignment);
    let offset = start / align * align;
    let most = device.limits().max_storage_buffer_binding_size;
    // Whole vectors of four words if there are, so that they can be loaded.
    let vectors = (end - offset).next_multiple_of(16);
    let size = match offset + vectors <= buffer.size() && vectors <= most {
        true => vectors,
        false => (end - offset).next_multiple_of(4),
    };
    (size <= most).then(|| Part {
        buffer: buffer.clone(),
        offset,
        size,
    })
}
