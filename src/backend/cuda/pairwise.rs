//! The primitive `pairwise`: the centre, partial sums of inner products, and their sum.

use super::modules::Module;
use super::params::{self, optional, word};
use super::steps::{element, statistic};
use super::workspace::Job;
use super::{abi, plan, policy};
use crate::Result;
use crate::geometry::GeometrySlot;
use crate::plan::{Columns, Pairwise, Statistic, Ties};

/// Rows of a group of the kernel for any number of rows.
const GROUP: usize = 64;

/// Does one kernel compute the centre and the products?
pub(super) fn is_fused(step: &Pairwise, n: usize) -> bool {
    step.weights.is_none() && n <= policy::FUSED_ROWS
}

fn points(step: &Pairwise, n: usize) -> usize {
    GeometrySlot::points(n, step.origin)
}

/// Partial sums of a CUDA block.
pub(super) fn partials(step: &Pairwise, n: usize) -> usize {
    let points = points(step, n);
    points * (points + 1) / 2
}

/// Enqueues the step for all problems.
pub(super) fn enqueue(job: &Job<'_>, step: &Pairwise, total: Option<i32>) -> Result<()> {
    let n = job.shape.n();
    let points = points(step, n);
    let fused = is_fused(step, n);
    let groups = points.div_ceil(GROUP);
    let pairs = if fused { 1 } else { groups * (groups + 1) / 2 };
    let parameters = params::Pairwise {
        partials: job.at.partials,
        marks: job.at.marks,
        centre: job.at.centre,
        anchors: 0,
        given: 0,
        origin: u32::from(step.origin),
        anchor_type: abi::dtype(job.input),
        weights: optional(step.weights),
        pairs: word(pairs),
        points: word(points),
    };
    for chunk in job.dealing.chunks(!fused) {
        let x = job.matrix(chunk);
        let bucket = if fused {
            policy::bucket(n, policy::FUSED_ROWS)
        } else {
            0
        };
        let module = Module::Pairwise(element(job, &x), bucket);
        if fused {
            job.launch(module, "pairwise_median", (256, 0, 1), &x, &parameters)?;
            continue;
        }
        let centre = Columns {
            statistic: Statistic::Median(Ties::Midpoint),
            mixing: None,
            weights: step.weights,
            distances: None,
            write: false,
        };
        statistic(job, &centre, &x, total, job.at.centre)?;
        job.launch(module, "pairwise", (256, 0, pairs), &x, &parameters)?;
    }
    let parameters = params::Inner {
        partials: job.at.partials,
        marks: job.at.marks,
        blocks: word(job.dealing.blocks()),
        n: word(n),
        points: word(points),
        weights: optional(step.weights),
        out: word(step.out.offset),
        padding: 0,
    };
    plan::run(job, "inner", partials(step, n).div_ceil(32), &parameters)?;
    plan::run(job, "inner_finish", 1, &parameters)
}
