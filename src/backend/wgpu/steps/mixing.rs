//! Several sums of the same rows at a time.

use super::super::kernels::{Kernel, MixParams};
use super::super::policy;
use super::super::record::Part;
use super::super::rows::{Bound, Row};
use super::super::workspace::{Job, grid};
use super::Piece;
use crate::plan::Slot;
use crate::{DType, Result};

/// Rows of coefficients in the arena, and where their sums go, in f32.
pub(super) struct Rows {
    pub count: usize,
    pub at: u32,
    pub out: u32,
    pub pitch: u32,
}

/// Several `Σ c_j x_j` at a time.
pub(super) fn weighted_sums(
    job: &mut Job<'_, '_, '_, '_>,
    piece: &Piece<'_>,
    rows: Rows,
    out: Part,
) -> Result<()> {
    let block = policy::mixed_rows(rows.count);
    let kernel = Kernel::Mix(piece.bound.layout(&out.buffer), block);
    let params = job.recording.constants(&[MixParams {
        first: piece.first,
        columns: piece.columns,
        rows: rows.count as u32,
        mixing: rows.at,
        out: rows.out,
        pitch: rows.pitch,
        padding_a: 0,
        padding_b: 0,
    }]);
    let own = [Part::whole(&job.buffers.arena), out];
    let resources = piece.bound.resources(&mut job.recording, params, own);
    let quads = (piece.columns as usize).div_ceil(4);
    let groups = grid(job.device, quads.div_ceil(64) * rows.count.div_ceil(block));
    job.recording
        .dispatch_named(format!("{kernel:?}"), || kernel.shader(), resources, groups)
}

/// Mixed rows of a piece, in one of the two buffers for them.
pub(super) fn mix(
    job: &mut Job<'_, '_, '_, '_>,
    piece: &Piece<'_>,
    mixing: Slot,
    at: u32,
    which: usize,
) -> Result<Bound> {
    let rows = mixing.len / job.shape.n();
    let out = Part::whole(&job.buffers.mixed[which]);
    let buffer = out.buffer.clone();
    let pitch = piece.columns.next_multiple_of(4);
    let mixed = Rows {
        count: rows,
        at: at + mixing.offset as u32,
        out: 0,
        pitch,
    };
    weighted_sums(job, piece, mixed, out)?;
    let row = |i: usize| Row {
        buffer: buffer.clone(),
        offset: 4 * i as u64 * u64::from(pitch),
    };
    let rows: Vec<Row> = (0..rows).map(row).collect();
    Bound::new(job.device, &rows, piece.columns as usize, DType::F32).ok_or_else(|| {
        job.device
            .error("run: mixed rows are larger than a binding")
    })
}
