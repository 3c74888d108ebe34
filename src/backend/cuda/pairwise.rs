//! The primitive `pairwise`: the centre, partial sums of inner products, and their sum.

use super::abi::SLAB;
use super::launch::Grid;
use super::modules::Module;
use super::params::{self, optional, word};
use super::steps::{element, statistic};
use super::workspace::Job;
use super::{Cuda, abi, plan, policy};
use crate::Result;
use crate::plan::{Columns, Pairwise, Statistic, Ties};

/// Points of a group of the kernel for any number of rows.
const GROUP: usize = 64;

/// Points of a tile on tensor cores, and columns that they take at once.
const TENSOR_TILE: usize = 32;
const STEP: usize = 8;

/// Sums of a thread that are added to the other threads' at once.
const PARTS: usize = 16;

/// Sums of chains that a warp adds up, at most, each with a rounding: together below 1e-5 of the sum of the terms'
/// magnitudes, with room for the chains' own roundings.
const ADDITIONS: usize = 128;

/// Bytes of shared memory that a kernel has beside what it is launched with, at most (`kernels/registers.tsv`).
const STATIC_SHARED: usize = 2 << 10;

/// How a kernel of `kernels/pairwise` cuts the products up: its constants, mirrored.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kernel {
    /// Does it multiply on tensor cores?
    tensor: bool,
    /// The bucket of rows of the kernel that computes the centre itself; 0 for the other one.
    bucket: usize,
    points: usize,
    threads: usize,
    /// Columns of a stage.
    columns: usize,
    /// Points of a tile.
    tile: usize,
    /// Pairs of groups.
    pairs: usize,
}

impl Kernel {
    /// The kernel for a step on a device.
    pub fn new(device: &Cuda, step: &Pairwise, n: usize) -> Self {
        Self::of((device.capability(), device.shared()), step, n)
    }

    /// The same, given the device's compute capability and its bytes of shared memory.
    fn of((capability, shared): ((i32, i32), usize), step: &Pairwise, n: usize) -> Self {
        let points = n + step.anchors.count();
        let tensor = capability >= policy::TENSOR_CAPABILITY;
        let fits = |kernel: &Kernel| kernel.shared() + STATIC_SHARED <= shared;
        if step.weights.is_none() && n <= policy::FUSED_ROWS {
            let fused = Self::fused(tensor, n, points);
            if fits(&fused) {
                return fused;
            }
        }
        let whole = Self::whole(tensor, points);
        let most = if tensor { GROUP } else { 2 * GROUP };
        if points <= GROUP || (points <= most && fits(&whole)) {
            return whole;
        }
        let groups = points.div_ceil(GROUP);
        Kernel {
            pairs: groups * (groups + 1) / 2,
            ..whole
        }
    }

    /// The one that computes the centre.
    fn fused(tensor: bool, n: usize, points: usize) -> Self {
        let bucket = policy::bucket(n, policy::FUSED_ROWS);
        // The kernels of up to 32 rows have one tile.
        let tensor =
            tensor && bucket > policy::FEW_ROWS && (bucket > TENSOR_TILE || points <= TENSOR_TILE);
        let threads = if bucket <= 16 { 256 } else { 192 };
        let width = match bucket {
            0..=8 => 4,
            9..=32 => 2,
            _ => 1,
        };
        Kernel {
            tensor,
            bucket,
            points,
            threads,
            columns: threads * width,
            tile: match bucket {
                _ if tensor => TENSOR_TILE,
                0..=16 => 4,
                _ => 8,
            },
            pairs: 1,
        }
    }

    /// The one for any number of rows, all in one block.
    fn whole(tensor: bool, points: usize) -> Self {
        Kernel {
            tensor,
            bucket: 0,
            points,
            threads: if tensor { 128 } else { 256 },
            columns: if tensor { 64 } else { 32 },
            tile: if tensor { TENSOR_TILE } else { 8 },
            pairs: 1,
        }
    }

    /// Does it compute the centre itself?
    pub fn is_fused(&self) -> bool {
        self.bucket > 0
    }

    /// Partial sums of a CUDA block.
    pub fn partials(&self) -> usize {
        self.points * (self.points + 1) / 2
    }

    /// Tiles of rows, and pairs of tiles, of a CUDA block.
    fn tiles(&self) -> (usize, usize) {
        match self.pairs {
            1 => {
                let rows = self.points.div_ceil(self.tile);
                (rows, rows * (rows + 1) / 2)
            }
            // The most of all pairs: two whole groups.
            _ => {
                let rows = GROUP / self.tile;
                (2 * rows, rows * rows)
            }
        }
    }

    /// Bytes of shared memory.
    pub fn shared(&self) -> usize {
        let square = self.tile * self.tile;
        let (rows, pairs) = self.tiles();
        let pitch = 4 * ((rows * self.tile / 4) | 1);
        let stage = self.columns * pitch;
        4 * match self.tensor {
            true => stage + self.threads / 32 * square,
            false => stage.max(self.threads * PARTS) + 2 * pairs * square,
        }
    }

    /// Slabs of a CUDA block, at most.
    pub fn slabs(&self) -> usize {
        if !self.tensor {
            return policy::SLABS;
        }
        let (_, pairs) = self.tiles();
        let splits = self.threads / 32 / pairs;
        let chain = if self.bucket > TENSOR_TILE { 6 } else { 8 };
        let chains = (self.columns / STEP).div_ceil(splits).div_ceil(chain);
        let additions = SLAB.div_ceil(self.columns) * chains;
        (ADDITIONS / additions).clamp(1, policy::SLABS)
    }
}

/// Enqueues the step for all problems.
pub(super) fn enqueue(job: &Job<'_>, step: &Pairwise, total: Option<i32>) -> Result<()> {
    let n = job.shape.n();
    let kernel = Kernel::new(job.device, step, n);
    let parameters = params::Pairwise {
        partials: job.at.partials,
        marks: job.at.marks,
        centre: job.at.centre,
        anchors: job.at.anchors,
        given: u32::from(step.anchors.given),
        origin: u32::from(step.anchors.origin),
        anchor_type: abi::dtype(job.output),
        weights: optional(step.weights),
        pairs: word(kernel.pairs),
        points: word(kernel.points),
    };
    for chunk in job.dealing.chunks(!kernel.is_fused()) {
        let x = job.matrix(chunk);
        if !kernel.is_fused() {
            let centre = Columns {
                statistic: Statistic::Median(Ties::Midpoint),
                mixing: None,
                weights: step.weights,
                distances: None,
                write: false,
            };
            statistic(job, &centre, &x, total, job.at.centre)?;
        }
        let name = match kernel.is_fused() {
            true => "pairwise_median",
            false => "pairwise",
        };
        let blocks = job.blocks(&x) * kernel.pairs;
        let grid = Grid {
            blocks: (word(blocks), word(job.shape.problems()), 1),
            threads: word(kernel.threads),
            shared: word(kernel.shared()),
        };
        let module = match kernel.tensor {
            true => Module::Tensor(element(job, &x), kernel.bucket),
            false => Module::Pairwise(element(job, &x), kernel.bucket),
        };
        job.enqueue(module, name, grid, &x, &parameters, None)?;
    }
    let parameters = params::Inner {
        partials: job.at.partials,
        marks: job.at.marks,
        blocks: word(job.dealing.blocks()),
        n: word(n),
        points: word(kernel.points),
        weights: optional(step.weights),
        out: word(step.out.offset),
        padding: 0,
    };
    let blocks = kernel.partials().div_ceil(32) + kernel.points.div_ceil(32);
    plan::run(job, "inner", (blocks, plan::SUM_THREADS), &parameters)?;
    plan::run(
        job,
        "inner_finish",
        (kernel.points, plan::threads(kernel.points)),
        &parameters,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Anchors, Slot};

    #[test]
    fn devices_with_little_shared_memory_have_a_kernel() {
        let slot = Slot { offset: 0, len: 0 };
        // What a block may ask for.
        for (capability, shared) in [
            ((7, 5), 64 << 10),
            ((8, 6), 99 << 10),
            ((8, 0), 163 << 10),
            ((9, 0), 227 << 10),
        ] {
            for n in 1..=300 {
                for (origin, weights) in [(false, None), (true, None), (true, Some(slot))] {
                    let anchors = Anchors {
                        origin,
                        given: false,
                    };
                    let step = Pairwise {
                        anchors,
                        weights,
                        out: slot,
                        keep: false,
                    };
                    let kernel = Kernel::of((capability, shared), &step, n);
                    let needs = kernel.shared() + STATIC_SHARED;
                    assert!(
                        needs <= shared,
                        "{capability:?}: {needs} of {shared}, {kernel:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn tensor_cores_have_a_warp_for_every_pair_of_tiles() {
        for n in 1..=policy::FUSED_ROWS {
            for points in n..=n + 2 {
                for kernel in [
                    Kernel::fused(true, n, points),
                    Kernel::whole(true, points.min(GROUP)),
                ] {
                    if kernel.tensor {
                        let (_, pairs) = kernel.tiles();
                        assert!(pairs <= kernel.threads / 32, "{kernel:?}");
                        assert!(kernel.slabs() >= 5, "{kernel:?}");
                    }
                }
            }
        }
    }
}
