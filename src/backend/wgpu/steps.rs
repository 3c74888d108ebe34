//! The primitives `columns` and `combine`.

use ::wgpu::Buffer;

use super::Wgpu;
use super::columns::{ColumnsKernel, Params};
use super::feed::Operand;
use super::kernels::{CombineParams, DistancesParams, Kernel, ReduceParams};
use super::layout::{Extent, Layout, Quads};
use super::pairwise::{reduce_dispatch, slice_groups, steps};
use super::policy;
use super::record::Part;
use super::rows::{Bound, Row, span};
use super::workspace::{Job, chunks, grid, slices};
use crate::matrix::Anchor;
use crate::plan::{Columns, Combine, Slot, Statistic};
use crate::{DType, Result};

mod mixing;

use mixing::{Rows, mix, weighted_sums};

/// How a `columns` step takes its columns, and the words that it needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunks {
    /// Columns at a time.
    width: usize,
    slices: usize,
    pub centre: usize,
    pub mixed: [usize; 2],
    pub partials: usize,
}

impl Chunks {
    /// For blocks of at most `widest` columns, in buffers of at most so many words.
    pub fn new(step: &Columns, n: usize, widest: usize, most: usize) -> Self {
        let rows = |slot: Option<Slot>| slot.map_or(0, |slot| slot.len / n);
        let other = step
            .distances
            .and_then(|distances| distances.rows)
            .filter(|slot| Some(*slot) != step.mixing);
        let mixed = [rows(step.mixing), rows(other)];
        let measured = step.distances.map_or(0, |distances| distances.out.len / 2);
        let slices = match measured {
            0 => 64,
            rows => slices(
                widest,
                (policy::PARTIALS.min(most) / (2 * rows)).min(policy::SLICES),
            ),
        };
        let mut width = widest;
        for rows in mixed.into_iter().filter(|rows| *rows > 0) {
            // Rows begin at multiples of 4.
            width = width.min((policy::CHUNK.min(most) / rows / 4 * 4).max(4));
        }
        if measured > 0 {
            width = width
                .min(slices * policy::SLICE_COLUMNS)
                // Columns are loaded four at a time, so chunks begin at multiples of 4.
                .min((policy::CHUNK.min(most) / 4 * 4).max(4));
        }
        Chunks {
            width,
            slices,
            centre: if measured > 0 { width } else { 0 },
            mixed: mixed.map(|rows| rows * width.next_multiple_of(4)),
            partials: 2 * measured * slices,
        }
    }
}

/// Refuses more rows than a statistic's kernel can have.
pub(super) fn check(
    device: &Wgpu,
    statistic: Statistic,
    rows: usize,
    weighted: bool,
) -> Result<()> {
    if statistic == Statistic::Mean {
        return check_rows(device, rows);
    }
    let kernel = ColumnsKernel {
        layout: Layout {
            rows,
            dtype: DType::F32,
            groups: 1,
            shared: false,
            strided: false,
            quads: Quads::OneByOne,
        },
        statistic,
        weighted,
        // The kernel that has the fewest.
        output: DType::Bf16,
        quads: false,
    };
    let most = kernel.max_rows().min(policy::ROWS);
    if rows > most {
        return Err(device.error(format!(
            "prepare: {statistic:?} of at most {most} rows, got {rows}"
        )));
    }
    Ok(())
}

/// Refuses more rows than any kernel can have.
pub(super) fn check_rows(device: &Wgpu, rows: usize) -> Result<()> {
    let most = policy::ROWS;
    if rows > most {
        return Err(device.error(format!("prepare: expected at most {most} rows, got {rows}")));
    }
    Ok(())
}

/// Where a chunk's result goes: elements of a type from a byte on.
struct Target {
    buffer: Buffer,
    offset: u64,
    dtype: DType,
}

/// Records a `columns` step for problem p, whose region begins at word `at` of the arena.
pub(super) fn columns(
    job: &mut Job<'_, '_, '_, '_>,
    step: &Columns,
    p: usize,
    at: u32,
    total: Option<i32>,
    mean: Option<u32>,
) -> Result<()> {
    let widest = job.shape.columns().iter().copied().max().unwrap_or(1);
    let plan = Chunks::new(step, job.shape.n(), widest, job.most_words());
    let mut fresh = true;
    for block in job.shape.problem(p) {
        for panel in job.panels(block) {
            let bound = job.bind(Operand::Matrix, block, panel.clone())?;
            let place = if step.write {
                Some(job.place(block, panel.clone())?)
            } else {
                None
            };
            for chunk in chunks(panel.clone(), plan.width) {
                let skipped = chunk.start - panel.start;
                let raw = Piece {
                    bound: &bound,
                    first: skipped as u32,
                    columns: chunk.len() as u32,
                };
                let mixed = match step.mixing {
                    Some(mixing) => Some(mix(job, &raw, mixing, at, 0)?),
                    None => None,
                };
                let source = mixed.as_ref().map_or(raw, |bound| raw.mixed(bound));
                let write = place.as_ref().map(|(buffer, offset)| Target {
                    buffer: buffer.clone(),
                    offset: offset + (skipped * job.result.size()) as u64,
                    dtype: job.result,
                });
                let scratch = Target {
                    buffer: job.buffers.centre.clone(),
                    offset: 0,
                    dtype: DType::F32,
                };
                // Distances are to the result before it is rounded to a narrower type.
                let (first, second) = match (write, step.distances) {
                    (Some(write), Some(_)) if write.dtype != DType::F32 => (scratch, Some(write)),
                    (Some(write), _) => (write, None),
                    (None, _) => (scratch, None),
                };
                statistic(job, step, &source, &first, at, total, mean)?;
                if let Some(second) = second {
                    let bound = one_row(job, &first, raw.columns)?;
                    let row = raw.mixed(&bound);
                    let (out, extent) = extent(job, &row, &second)?;
                    convert(job, &bound, extent, out, second.dtype)?;
                }
                if let Some(distances) = step.distances {
                    let other = match distances.rows {
                        Some(slot) if Some(slot) != step.mixing => {
                            Some(mix(job, &raw, slot, at, 1)?)
                        }
                        _ => None,
                    };
                    let rows = match (&other, distances.rows) {
                        (Some(bound), _) => raw.mixed(bound),
                        (None, Some(_)) => source,
                        (None, None) => raw,
                    };
                    measure(
                        job,
                        &rows,
                        &first,
                        distances.out.len / 2,
                        plan.slices,
                        fresh,
                    )?;
                    fresh = false;
                }
            }
        }
    }
    let Some(distances) = step.distances else {
        return Ok(());
    };
    let rows = distances.out.len / 2;
    let out = at + distances.out.offset as u32;
    let params = ReduceParams {
        slices: plan.slices as u32,
        count: rows as u32,
        marks: (rows * plan.slices) as u32,
        out,
        classes: out + rows as u32,
        ..ReduceParams::default()
    };
    reduce_dispatch(job, "squares", params, rows)
}

/// Records a `combine` step.
pub(super) fn combine(
    job: &mut Job<'_, '_, '_, '_>,
    step: &Combine,
    p: usize,
    at: u32,
) -> Result<()> {
    for block in job.shape.problem(p) {
        for panel in job.panels(block) {
            let bound = job.bind(Operand::Matrix, block, panel.clone())?;
            let (buffer, offset) = job.place(block, panel.clone())?;
            let target = Target {
                buffer,
                offset,
                dtype: job.result,
            };
            let piece = Piece {
                bound: &bound,
                first: 0,
                columns: panel.len() as u32,
            };
            let coefficients = at + step.coefficients.offset as u32;
            if !step.anchor {
                weighted_sum(job, &piece, &target, coefficients)?;
                continue;
            }
            // The kernel adds to what the output holds.
            let in_place = matches!(job.anchor, Some(Anchor::Output)) && !job.output.is_host();
            if !in_place {
                let anchor = job.bind(Operand::Anchor, block, panel.clone())?;
                let (out, extent) = extent(job, &piece, &target)?;
                convert(job, &anchor, extent, out, target.dtype)?;
            }
            combined(job, &piece, &target, coefficients, true)?;
        }
    }
    Ok(())
}

/// Some columns of bound rows.
#[derive(Clone, Copy)]
struct Piece<'a> {
    bound: &'a Bound,
    first: u32,
    columns: u32,
}

impl<'a> Piece<'a> {
    /// The same columns of mixed rows, which begin there.
    fn mixed(self, bound: &'a Bound) -> Self {
        Piece {
            bound,
            first: 0,
            ..self
        }
    }
}

/// The target's part of its buffer, and the extent of a kernel that writes to it.
fn extent(job: &Job<'_, '_, '_, '_>, piece: &Piece<'_>, target: &Target) -> Result<(Part, Extent)> {
    let size = target.dtype.size() as u64;
    let end = target.offset + u64::from(piece.columns) * size;
    let part = span(job.device, &target.buffer, target.offset, end).ok_or_else(|| {
        job.device
            .error("run: a panel of the result is larger than a binding")
    })?;
    let extent = Extent {
        first: piece.first,
        columns: piece.columns,
        out: ((target.offset - part.offset) / size) as u32,
        padding: 0,
    };
    Ok((part, extent))
}

fn statistic(
    job: &mut Job<'_, '_, '_, '_>,
    step: &Columns,
    piece: &Piece<'_>,
    target: &Target,
    at: u32,
    total: Option<i32>,
    mean: Option<u32>,
) -> Result<()> {
    if let (Statistic::Mean, Some(mean)) = (step.statistic, mean) {
        return weighted_sum(job, piece, target, at + mean);
    }
    let (out, extent) = extent(job, piece, target)?;
    let kernel = ColumnsKernel {
        layout: piece.bound.layout(&out.buffer),
        statistic: step.statistic,
        weighted: step.weights.is_some(),
        output: target.dtype,
        quads: false,
    };
    let weights = step.weights.map_or(0, |slot| at + slot.offset as u32);
    let params = kernel.params(extent, weights, total.unwrap_or(0));
    run_columns(job, piece.bound, kernel, params, extent, out)
}

/// Runs a kernel of `columns`, on as many columns at a time as suits the device.
pub(super) fn run_columns(
    job: &mut Job<'_, '_, '_, '_>,
    bound: &Bound,
    kernel: ColumnsKernel,
    params: Params,
    extent: Extent,
    out: Part,
) -> Result<()> {
    let kernel = kernel.widened(job.device.is_tuned_for_software(), extent);
    let params = job.recording.constants(&[params]);
    let own = [Part::whole(&job.buffers.arena), out];
    let resources = bound.resources(&mut job.recording, params, own);
    let groups = grid(job.device, kernel.invocations(extent).div_ceil(64) as usize);
    job.recording
        .dispatch_named(format!("{kernel:?}"), || kernel.shader(), resources, groups)
}

/// `Σ c_j x_j` with coefficients in the arena.
fn weighted_sum(
    job: &mut Job<'_, '_, '_, '_>,
    piece: &Piece<'_>,
    target: &Target,
    coefficients: u32,
) -> Result<()> {
    if target.dtype == DType::F32 {
        let (out, extent) = extent(job, piece, target)?;
        let one = Rows {
            count: 1,
            at: coefficients,
            out: extent.out,
            pitch: 0,
        };
        return weighted_sums(job, piece, one, out);
    }
    combined(job, piece, target, coefficients, false)
}

/// `Σ c_j x_j`, and if `anchored` the next coefficient times what is in the target.
fn combined(
    job: &mut Job<'_, '_, '_, '_>,
    piece: &Piece<'_>,
    target: &Target,
    coefficients: u32,
    anchored: bool,
) -> Result<()> {
    let (out, extent) = extent(job, piece, target)?;
    let kernel = Kernel::Combine(piece.bound.layout(&out.buffer), target.dtype, anchored);
    let params = job.recording.constants(&[CombineParams {
        extent,
        coefficients,
        padding_a: 0,
        padding_b: 0,
        padding_c: 0,
    }]);
    let own = [Part::whole(&job.buffers.arena), out];
    let resources = piece.bound.resources(&mut job.recording, params, own);
    let groups = grid(job.device, extent.words(target.dtype).div_ceil(64) as usize);
    job.recording
        .dispatch_named(format!("{kernel:?}"), || kernel.shader(), resources, groups)
}

/// Some columns of a row in another element type, or elsewhere.
pub(super) fn convert(
    job: &mut Job<'_, '_, '_, '_>,
    bound: &Bound,
    extent: Extent,
    out: Part,
    to: DType,
) -> Result<()> {
    let kernel = Kernel::Convert(bound.layout(&out.buffer), to);
    let params = job.recording.constants(&[CombineParams {
        extent,
        coefficients: 0,
        padding_a: 0,
        padding_b: 0,
        padding_c: 0,
    }]);
    let own = [Part::whole(&job.buffers.arena), out];
    let resources = bound.resources(&mut job.recording, params, own);
    let groups = grid(job.device, extent.words(to).div_ceil(64) as usize);
    job.recording
        .dispatch_named(format!("{kernel:?}"), || kernel.shader(), resources, groups)
}

fn one_row(job: &Job<'_, '_, '_, '_>, from: &Target, columns: u32) -> Result<Bound> {
    let row = Row {
        buffer: from.buffer.clone(),
        offset: from.offset,
    };
    Bound::new(job.device, &[row], columns as usize, from.dtype)
        .ok_or_else(|| job.device.error("run: a chunk is larger than a binding"))
}

/// Adds the squared distances of a piece's rows to a result.
fn measure(
    job: &mut Job<'_, '_, '_, '_>,
    piece: &Piece<'_>,
    to: &Target,
    rows: usize,
    slices: usize,
    fresh: bool,
) -> Result<()> {
    let (centre, at) = extent(job, piece, to)?;
    let partials = Part::whole(&job.buffers.partials);
    let kernel = Kernel::Distances(piece.bound.layout(&partials.buffer));
    let params = job.recording.constants(&[DistancesParams {
        first: piece.first,
        columns: piece.columns,
        centre: at.out,
        slices: slices as u32,
        marks: (rows * slices) as u32,
        accumulate: u32::from(!fresh),
        steps: steps(slices, piece.columns),
        lanes: policy::lanes(job.device.is_tuned_for_software()),
    }]);
    let resources = piece
        .bound
        .resources(&mut job.recording, params, [centre, partials]);
    let groups = slice_groups(slices, piece.columns, fresh);
    let groups = grid(job.device, groups * rows.div_ceil(4));
    job.recording
        .dispatch_named(format!("{kernel:?}"), || kernel.shader(), resources, groups)
}
