//! The primitive `pairwise`: centre, register tiles over slices of the columns, and their sum.

use super::Wgpu;
use super::columns::ColumnsKernel;
use super::feed::Operand;
use super::kernels::{Kernel, PairwiseParams, ReduceParams};
use super::layout::Extent;
use super::policy;
use super::products::Products;
use super::record::{Part, Resource};
use super::rows::Bound;
use super::steps::{convert, run_columns};
use super::workspace::{Job, chunks, grid, slices};
use crate::plan::{Anchors, Pairwise, Statistic, Ties};
use crate::{DType, Result};

/// How the sums of a problem lie in memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tiles {
    pub points: usize,
    /// Is the last point the given anchor?
    pub given: bool,
    /// Rows of a block.
    pub tile: usize,
    pub blocks: usize,
    /// Invocations that share the columns.
    pub slices: usize,
    /// Sums of `SLICE_COLUMNS` columns that an invocation adds up.
    sums: usize,
    /// Invocations that have neighbouring columns.
    lanes: u32,
    /// Columns at a time.
    chunk: usize,
    /// Words of a chunk's centre, and of an anchor behind it: whole quads.
    pub width: usize,
    /// Pairs of different blocks at a time.
    batch: usize,
}

impl Tiles {
    /// For the matrices of a job.
    pub fn of(job: &Job<'_, '_, '_, '_>, step: &Pairwise) -> Self {
        let widest = job.shape.columns().iter().copied().max().unwrap_or(1);
        Tiles::new(job.device, job.shape.n(), step.anchors, widest)
    }

    /// For blocks of at most `widest` columns.
    pub fn new(device: &Wgpu, n: usize, anchors: Anchors, widest: usize) -> Self {
        let most = device.most_words();
        let points = n + anchors.count();
        let tile = policy::tile(points, device.is_tuned_for_software());
        let blocks = points.div_ceil(tile);
        let room = policy::PARTIALS.min(most);
        let own = blocks * (tile * tile + tile);
        let pairs = blocks * (blocks - 1) / 2;
        let fit = room / (own + pairs * tile * tile);
        let sums = policy::sums(widest, device.is_tuned_for_software());
        let slices = slices(widest.div_ceil(sums), fit.min(policy::SLICES));
        let left = (room / slices).saturating_sub(own) / (tile * tile);
        let chunk = (slices * policy::SLICE_COLUMNS * sums)
            .min(policy::CHUNK)
            .min(most / (1 + usize::from(anchors.given)) / 4 * 4);
        Tiles {
            points,
            given: anchors.given,
            tile,
            blocks,
            slices,
            sums,
            lanes: policy::lanes(device.is_tuned_for_software()),
            chunk,
            width: chunk.min(widest).next_multiple_of(4),
            batch: left.clamp(1, pairs.max(1)),
        }
    }

    /// Words of all partial sums and marks.
    pub fn words(&self) -> usize {
        self.marks() + self.blocks * self.tile * self.slices
    }

    /// Words of an anchor behind a chunk's centre.
    pub fn behind(&self) -> usize {
        self.width * usize::from(self.given)
    }

    /// The kernels' sums over a piece; the first ones replace what is there.
    pub fn products(&self, job: &Job<'_, '_, '_, '_>, piece: &Piece<'_>, fresh: bool) -> Products {
        Products {
            layout: piece.bound.layout(&job.buffers.partials),
            tile: self.tile,
            points: self.points,
            given: self.given,
            long: self.sums > 1,
            accumulate: !fresh,
        }
    }

    fn square(&self) -> usize {
        self.tile * self.tile
    }

    /// Where the sums of pairs of different blocks begin.
    fn rectangles(&self) -> usize {
        self.blocks * self.square() * self.slices
    }

    pub fn marks(&self) -> usize {
        // A single block has no others.
        self.rectangles() + self.batch.min(self.pairs()) * self.square() * self.slices
    }

    fn pairs(&self) -> usize {
        self.blocks * (self.blocks - 1) / 2
    }
}

/// Pairs of blocks: of each with itself, or of some with others.
#[derive(Clone, Copy, Debug)]
struct Pairs {
    diagonal: bool,
    first: usize,
    count: usize,
}

/// Some columns of bound rows, and where their centres are, and the anchor's elements.
pub(super) struct Piece<'a> {
    pub bound: &'a Bound,
    pub extent: Extent,
    pub centre: Part,
    /// A word of the same buffer.
    pub anchor: u32,
}

/// Runs some work on all columns of a problem, chunk by chunk. With `keep` their centres are where they
/// last from run to run, else they are gone after the chunk.
pub(super) fn each_chunk(
    job: &mut Job<'_, '_, '_, '_>,
    p: usize,
    tiles: &Tiles,
    keep: bool,
    mut work: impl FnMut(&mut Job<'_, '_, '_, '_>, &Piece<'_>) -> Result<()>,
) -> Result<()> {
    let buffers = job.buffers;
    let centres = buffers.centres.as_ref().filter(|_| keep);
    for block in job.shape.problem(p) {
        for panel in job.panels(block) {
            let bound = job.bind(Operand::Matrix, block, panel.clone())?;
            let given = match tiles.given {
                true => Some(job.bind(Operand::Anchor, block, panel.clone())?),
                false => None,
            };
            let parts = match centres {
                Some(centres) => centres.parts(block, panel.clone()),
                None => vec![panel.clone()],
            };
            for chunk in parts.into_iter().flat_map(|part| chunks(part, tiles.chunk)) {
                let (centre, out, anchor) = match centres {
                    Some(centres) => centres.place(block, chunk.start),
                    None => (&buffers.centre, 0, tiles.width as u32),
                };
                let extent = Extent {
                    first: (chunk.start - panel.start) as u32,
                    columns: chunk.len() as u32,
                    out,
                    padding: 0,
                };
                let piece = Piece {
                    bound: &bound,
                    extent,
                    centre: Part::whole(centre),
                    anchor,
                };
                if let Some(given) = &given {
                    let extent = Extent {
                        out: anchor,
                        ..extent
                    };
                    convert(job, given, extent, piece.centre.clone(), DType::F32)?;
                }
                work(job, &piece)?;
            }
        }
    }
    Ok(())
}

/// Records the step for problem p, whose region begins at word `at` of the arena.
pub(super) fn record(
    job: &mut Job<'_, '_, '_, '_>,
    step: &Pairwise,
    p: usize,
    at: u32,
    total: Option<i32>,
    keep: bool,
) -> Result<()> {
    let tiles = Tiles::of(job, step);
    let mut all = vec![vec![Pairs {
        diagonal: true,
        first: 0,
        count: tiles.blocks,
    }]];
    for first in (0..tiles.pairs()).step_by(tiles.batch) {
        let count = tiles.batch.min(tiles.pairs() - first);
        let pairs = Pairs {
            diagonal: false,
            first,
            count,
        };
        // The first batch shares its passes with the diagonal.
        match first {
            0 => all[0].push(pairs),
            _ => all.push(vec![pairs]),
        }
    }
    for pairs in all {
        let mut fresh = true;
        each_chunk(job, p, &tiles, keep, |job, piece| {
            centre(job, step, piece, at, total)?;
            for pairs in &pairs {
                products(job, &tiles, piece, *pairs, fresh)?;
            }
            fresh = false;
            Ok(())
        })?;
        for pairs in pairs {
            reduce(job, step, &tiles, pairs, at)?;
        }
    }
    finish(job, step, &tiles, at)
}

/// Clears the rows and columns of rows that are not finite.
pub(super) fn finish(
    job: &mut Job<'_, '_, '_, '_>,
    step: &Pairwise,
    tiles: &Tiles,
    at: u32,
) -> Result<()> {
    let params = reduce_params(job, step, tiles, at);
    let entries = tiles.points * tiles.points;
    reduce_dispatch(job, "finish", params, entries.div_ceil(64))
}

/// The median of a chunk's columns, weighted if the step is.
fn centre(
    job: &mut Job<'_, '_, '_, '_>,
    step: &Pairwise,
    piece: &Piece<'_>,
    at: u32,
    total: Option<i32>,
) -> Result<()> {
    let out = piece.centre.clone();
    let kernel = ColumnsKernel {
        layout: piece.bound.layout(&out.buffer),
        statistic: Statistic::Median(Ties::Midpoint),
        weighted: step.weights.is_some(),
        output: DType::F32,
        quads: false,
    };
    let weights = step.weights.map_or(0, |slot| at + slot.offset as u32);
    let params = kernel.params(piece.extent, weights, total.unwrap_or(0));
    run_columns(job, piece.bound, kernel, params, piece.extent, out)
}

fn products(
    job: &mut Job<'_, '_, '_, '_>,
    tiles: &Tiles,
    piece: &Piece<'_>,
    pairs: Pairs,
    fresh: bool,
) -> Result<()> {
    let kernel = Kernel::Pairwise(tiles.products(job, piece, fresh), pairs.diagonal);
    let params = PairwiseParams {
        pairs: pairs.count as u32,
        first_pair: pairs.first as u32,
        sums: if pairs.diagonal {
            0
        } else {
            tiles.rectangles() as u32
        },
        ..params(tiles, piece)
    };
    dispatch(job, kernel, params, piece, fresh)
}

/// What all kernels of inner products need to know.
pub(super) fn params(tiles: &Tiles, piece: &Piece<'_>) -> PairwiseParams {
    let columns = piece.extent.columns;
    PairwiseParams {
        first: piece.extent.first,
        columns,
        slices: tiles.slices as u32,
        marks: tiles.marks() as u32,
        steps: steps(tiles.slices, columns),
        lanes: tiles.lanes,
        centre: piece.extent.out / 4,
        anchor: piece.anchor / 4,
        ..PairwiseParams::default()
    }
}

/// Runs a kernel of inner products.
pub(super) fn dispatch(
    job: &mut Job<'_, '_, '_, '_>,
    kernel: Kernel,
    params: PairwiseParams,
    piece: &Piece<'_>,
    fresh: bool,
) -> Result<()> {
    let groups = slice_groups(params.slices as usize, params.columns, fresh);
    let groups = grid(job.device, groups * params.pairs as usize);
    let params = job.recording.constants(&[params]);
    let own = [piece.centre.clone(), Part::whole(&job.buffers.partials)];
    let resources = piece.bound.resources(&mut job.recording, params, own);
    job.recording
        .dispatch_named(format!("{kernel:?}"), || kernel.shader(), resources, groups)
}

/// Quads of columns for each invocation, when slices share a chunk.
pub(super) fn steps(slices: usize, columns: u32) -> u32 {
    columns.div_ceil(4).div_ceil(slices as u32)
}

/// Workgroups of slices: the first pass fills all slices, later ones those that have columns.
pub(super) fn slice_groups(slices: usize, columns: u32, fresh: bool) -> usize {
    let groups = slices.div_ceil(64);
    let quads = 64 * steps(slices, columns);
    match fresh {
        true => groups,
        false => groups.min(columns.div_ceil(4).div_ceil(quads) as usize),
    }
}

pub(super) fn reduce_params(
    job: &Job<'_, '_, '_, '_>,
    step: &Pairwise,
    tiles: &Tiles,
    at: u32,
) -> ReduceParams {
    let out = at + step.out.offset as u32;
    ReduceParams {
        slices: tiles.slices as u32,
        marks: tiles.marks() as u32,
        out,
        classes: out + (tiles.points * tiles.points) as u32,
        weights: step
            .weights
            .map_or(ReduceParams::NO_WEIGHTS, |slot| at + slot.offset as u32),
        points: tiles.points as u32,
        rows: job.shape.n() as u32,
        anchor: step
            .anchors
            .given_at(job.shape.n())
            .map_or(ReduceParams::NO_ANCHOR, |point| point as u32),
        blocks: tiles.blocks as u32,
        tile: tiles.tile as u32,
        ..ReduceParams::default()
    }
}

fn reduce(
    job: &mut Job<'_, '_, '_, '_>,
    step: &Pairwise,
    tiles: &Tiles,
    pairs: Pairs,
    at: u32,
) -> Result<()> {
    let count = pairs.count * tiles.square();
    let params = ReduceParams {
        count: count as u32,
        sums: if pairs.diagonal {
            0
        } else {
            tiles.rectangles() as u32
        },
        first_pair: pairs.first as u32,
        diagonal: u32::from(pairs.diagonal),
        ..reduce_params(job, step, tiles, at)
    };
    reduce_dispatch(job, "inner", params, count)
}

/// Runs an entry point of `reduce.wgsl`.
pub(super) fn reduce_dispatch(
    job: &mut Job<'_, '_, '_, '_>,
    entry: &'static str,
    params: ReduceParams,
    groups: usize,
) -> Result<()> {
    let params = job.recording.constants(&[params]);
    let partials = Resource::Part(Part::whole(&job.buffers.partials));
    let arena = Resource::Part(Part::whole(&job.buffers.arena));
    let groups = grid(job.device, groups);
    let kernel = Kernel::Reduce(entry);
    let resources = vec![params, partials, arena];
    job.recording
        .dispatch_named(format!("{kernel:?}"), || kernel.shader(), resources, groups)
}
