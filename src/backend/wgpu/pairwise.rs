//! The primitive `pairwise`: centre, register tiles over slices of the columns, and their sum.

use super::Wgpu;
use super::columns::ColumnsKernel;
use super::feed::Operand;
use super::kernels::{Kernel, PairwiseParams, ReduceParams};
use super::layout::Extent;
use super::policy;
use super::record::{Part, Resource};
use super::rows::Bound;
use super::steps::{convert, run_columns};
use super::workspace::{Job, chunks, grid, slices};
use crate::plan::{Anchors, Pairwise, Statistic, Ties};
use crate::{DType, Result};

/// How the sums of a problem lie in memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tiles {
    points: usize,
    /// Is the last point the given anchor?
    given: bool,
    /// Rows of a block.
    tile: usize,
    blocks: usize,
    /// Invocations that share the columns.
    slices: usize,
    /// Columns at a time.
    pub chunk: usize,
    /// Pairs of different blocks at a time.
    batch: usize,
}

impl Tiles {
    /// For blocks of at most `widest` columns.
    pub fn new(device: &Wgpu, n: usize, anchors: Anchors, widest: usize) -> Self {
        let most = device.most_words();
        let points = n + anchors.count();
        let tile = policy::tile(points, device.is_software());
        let blocks = points.div_ceil(tile);
        let room = policy::PARTIALS.min(most);
        let own = blocks * (tile * tile + tile);
        let pairs = blocks * (blocks - 1) / 2;
        let fit = room / (own + pairs * tile * tile);
        let slices = slices(widest, fit.min(policy::SLICES));
        let left = (room / slices).saturating_sub(own) / (tile * tile);
        Tiles {
            points,
            given: anchors.given,
            tile,
            blocks,
            slices,
            // An anchor lies behind the centre.
            chunk: (slices * policy::SLICE_COLUMNS)
                .min(policy::CHUNK)
                .min(most / (1 + usize::from(anchors.given)) / 4 * 4),
            batch: left.clamp(1, pairs.max(1)),
        }
    }

    /// Words of all partial sums and marks.
    pub fn words(&self) -> usize {
        self.marks() + self.blocks * self.tile * self.slices
    }

    /// Words of a centre, and of an anchor behind it.
    pub fn centre(&self, widest: usize) -> usize {
        self.anchor(widest)
            + if self.given {
                self.chunk.min(widest)
            } else {
                0
            }
    }

    /// Where the anchor begins behind the centre.
    fn anchor(&self, widest: usize) -> usize {
        self.chunk.min(widest).next_multiple_of(4)
    }

    fn square(&self) -> usize {
        self.tile * self.tile
    }

    /// Where the sums of pairs of different blocks begin.
    fn rectangles(&self) -> usize {
        self.blocks * self.square() * self.slices
    }

    fn marks(&self) -> usize {
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

/// Records the step for problem p, whose region begins at word `at` of the arena.
pub(super) fn record(
    job: &mut Job<'_, '_, '_, '_>,
    step: &Pairwise,
    p: usize,
    at: u32,
    total: Option<i32>,
) -> Result<()> {
    let widest = job.shape.columns().iter().copied().max().unwrap_or(1);
    let tiles = Tiles::new(job.device, job.shape.n(), step.anchors, widest);
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
        for block in job.shape.problem(p) {
            for panel in job.panels(block) {
                let bound = job.bind(Operand::Matrix, block, panel.clone())?;
                let anchor = match tiles.given {
                    true => Some(job.bind(Operand::Anchor, block, panel.clone())?),
                    false => None,
                };
                for chunk in chunks(panel.clone(), tiles.chunk) {
                    let extent = Extent {
                        first: (chunk.start - panel.start) as u32,
                        columns: chunk.len() as u32,
                        out: 0,
                        padding: 0,
                    };
                    centre(job, step, &bound, extent, at, total)?;
                    let behind = tiles.anchor(widest) as u32;
                    if let Some(anchor) = &anchor {
                        let to = Part::whole(&job.buffers.centre);
                        let out = behind;
                        convert(job, anchor, Extent { out, ..extent }, to, DType::F32)?;
                    }
                    for pairs in &pairs {
                        products(job, &tiles, &bound, (extent, behind), *pairs, fresh)?;
                    }
                    fresh = false;
                }
            }
        }
        for pairs in pairs {
            reduce(job, step, &tiles, pairs, at)?;
        }
    }
    let params = reduce_params(job, step, &tiles, at);
    let entries = tiles.points * tiles.points;
    reduce_dispatch(job, "finish", params, entries.div_ceil(64))
}

/// The median of a chunk's columns, weighted if the step is.
fn centre(
    job: &mut Job<'_, '_, '_, '_>,
    step: &Pairwise,
    bound: &Bound,
    extent: Extent,
    at: u32,
    total: Option<i32>,
) -> Result<()> {
    let out = Part::whole(&job.buffers.centre);
    let kernel = ColumnsKernel {
        layout: bound.layout(&out.buffer),
        statistic: Statistic::Median(Ties::Midpoint),
        weighted: step.weights.is_some(),
        output: DType::F32,
    };
    let weights = step.weights.map_or(0, |slot| at + slot.offset as u32);
    let params = kernel.params(extent, weights, total.unwrap_or(0));
    run_columns(job, bound, kernel, params, extent, out)
}

fn products(
    job: &mut Job<'_, '_, '_, '_>,
    tiles: &Tiles,
    bound: &Bound,
    (extent, anchor): (Extent, u32),
    pairs: Pairs,
    fresh: bool,
) -> Result<()> {
    let partials = Part::whole(&job.buffers.partials);
    let kernel = Kernel::Pairwise {
        layout: bound.layout(&partials.buffer),
        tile: tiles.tile,
        points: tiles.points,
        given: tiles.given,
        diagonal: pairs.diagonal,
    };
    let params = job.recording.constants(&[PairwiseParams {
        first: extent.first,
        columns: extent.columns,
        slices: tiles.slices as u32,
        pairs: pairs.count as u32,
        first_pair: pairs.first as u32,
        sums: if pairs.diagonal {
            0
        } else {
            tiles.rectangles() as u32
        },
        marks: tiles.marks() as u32,
        accumulate: u32::from(!fresh),
        steps: steps(tiles.slices, extent.columns),
        anchor,
        padding_a: 0,
        padding_b: 0,
    }]);
    let own = [Part::whole(&job.buffers.centre), partials];
    let resources = bound.resources(&mut job.recording, params, own);
    let groups = slice_groups(tiles.slices, extent.columns, fresh);
    let groups = grid(job.device, groups * pairs.count);
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

fn reduce_params(
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
        anchor: match tiles.given {
            true => tiles.points as u32 - 1,
            false => ReduceParams::NO_ANCHOR,
        },
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
