//! The primitive `pairwise` when few rows have changed: their products about the centre of an earlier run.
//! The twin of `backend/cpu/update.rs`.

use std::ops::Range;

use ::wgpu::Buffer;

use super::kernels::{ChangedPoints, Kernel, PairwiseParams, ReduceParams};
use super::pairwise::{self, Tiles};
use super::transfer::{Region, download, total};
use super::workspace::Job;
use crate::geometry::{GeometrySlot, renewal};
use crate::plan::{Arena, Pairwise};
use crate::{Result, Shape};

/// Memory for the centres of all columns, in buffers that can be bound as a whole.
#[derive(Debug)]
pub(super) struct Centres {
    /// The word of each block's first column, counted over all buffers.
    starts: Vec<usize>,
    /// Words of a buffer.
    width: usize,
    /// Words of an anchor's chunk behind them.
    behind: usize,
    buffers: Vec<Buffer>,
}

impl Centres {
    /// In buffers of at most so many words, some of them for an anchor, made by a function of the number
    /// of words.
    pub fn new(
        shape: &Shape,
        most: usize,
        behind: usize,
        buffer: impl Fn(usize) -> Buffer,
    ) -> Self {
        let mut end = 0;
        let starts = shape.columns().iter().map(|columns| {
            let start = end;
            // Blocks and buffers begin at whole quads.
            end = start + columns.next_multiple_of(4);
            start
        });
        let starts = starts.collect();
        let width = (most.saturating_sub(behind) / 4 * 4).max(4);
        let buffers = (0..end)
            .step_by(width)
            .map(|at| buffer(width.min(end - at) + behind))
            .collect();
        Centres {
            starts,
            width,
            behind,
            buffers,
        }
    }

    pub fn bytes(&self) -> usize {
        self.buffers().map(|buffer| buffer.size() as usize).sum()
    }

    pub fn buffers(&self) -> impl Iterator<Item = &Buffer> {
        self.buffers.iter()
    }

    /// A range of a block's columns, cut where buffers end.
    pub fn parts(&self, block: usize, columns: Range<usize>) -> Vec<Range<usize>> {
        let start = self.starts[block];
        let (mut at, end) = (columns.start, columns.end);
        let next = || {
            let buffer_end = (start + at) / self.width * self.width + self.width;
            let part = at..(buffer_end - start).min(end);
            at = part.end;
            (!part.is_empty()).then_some(part)
        };
        std::iter::from_fn(next).collect()
    }

    /// The buffer of a column, and in it the column's word and the anchor's.
    pub fn place(&self, block: usize, column: usize) -> (&Buffer, u32, u32) {
        let word = self.starts[block] + column;
        let buffer = &self.buffers[word / self.width];
        let anchor = buffer.size() as usize / 4 - self.behind;
        (buffer, (word % self.width) as u32, anchor as u32)
    }
}

/// What the host keeps between runs.
#[derive(Debug)]
pub(super) struct Kept {
    /// Did the last run leave its centres?
    stored: bool,
    room: Vec<renewal::Weighed>,
    renewals: u64,
}

impl Kept {
    pub fn new(shape: &Shape) -> Self {
        Kept {
            stored: false,
            room: Vec::with_capacity(shape.n()),
            renewals: 0,
        }
    }

    /// How often the products of a problem were computed about a new centre.
    pub fn renewals(&self) -> u64 {
        self.renewals
    }

    /// Records a step: the points that changed, and everything where the centre no longer serves. To decide that,
    /// submits, and waits for the device.
    pub fn record(
        &mut self,
        job: &mut Job<'_, '_, '_, '_>,
        step: &Pairwise,
        arena: &mut Arena,
        region: Region<'_>,
        changed: Option<&[usize]>,
    ) -> Result<()> {
        // Limits that leave room for narrow panels only: centres are loaded as whole quads.
        let blocks = 0..job.shape.columns().len();
        let mut panels = blocks.flat_map(|block| job.panels(block));
        let keep = panels.all(|panel| panel.start % 4 == 0);
        let mut due = vec![true; arena.problems()];
        let at = |p: usize| (p * region.stride) as u32;
        if let (Some(changed), true, true) = (changed, keep, self.stored) {
            for p in (0..arena.problems()).filter(|_| !changed.is_empty()) {
                update(job, step, p, at(p), changed)?;
            }
            job.submit()?;
            download(job.device, &job.buffers.arena, region, arena)?;
            let geometry = GeometrySlot::of(step, job.shape.n());
            for (p, due) in due.iter_mut().enumerate() {
                let weights = step.weights.map(|slot| arena.get(p, slot));
                let view = geometry.view(arena.problem(p));
                *due = renewal::is_due(&view, weights, &mut self.room);
            }
        }
        for p in (0..arena.problems()).filter(|p| due[*p]) {
            let total = total(arena, p, step.weights);
            pairwise::record(job, step, p, at(p), total, keep)?;
            self.renewals += 1;
        }
        self.stored = keep;
        Ok(())
    }
}

/// Records the products of some points of problem p, whose region begins at word `at` of the arena.
fn update(
    job: &mut Job<'_, '_, '_, '_>,
    step: &Pairwise,
    p: usize,
    at: u32,
    points: &[usize],
) -> Result<()> {
    let tiles = Tiles::of(job, step);
    // As many as there is room for where the blocks' own products are otherwise.
    for points in points.chunks(tiles.tile.min(size_of::<ChangedPoints>() / 4)) {
        let mut changed = ChangedPoints::default();
        let slots = changed.as_flattened_mut().iter_mut();
        slots
            .zip(points)
            .for_each(|(slot, point)| *slot = *point as u32);
        let mut fresh = true;
        pairwise::each_chunk(job, p, &tiles, true, |job, piece| {
            let kernel = Kernel::Update(tiles.products(job, piece, fresh));
            let params = PairwiseParams {
                pairs: (points.len() * tiles.blocks) as u32,
                changed,
                ..pairwise::params(&tiles, piece)
            };
            pairwise::dispatch(job, kernel, params, piece, fresh)?;
            fresh = false;
            Ok(())
        })?;
        let count = points.len() * tiles.points;
        let params = ReduceParams {
            count: count as u32,
            changed,
            ..pairwise::reduce_params(job, step, &tiles, at)
        };
        pairwise::reduce_dispatch(job, "update", params, count)?;
    }
    pairwise::finish(job, step, &tiles, at)
}
