//! The n×n operations of a plan on the device, in f64, as [`crate::geometry`] has them on the host.

use bytemuck::{NoUninit, Zeroable};

use super::launch::Grid;
use super::modules::Module;
use super::params::{self, Geometry, NONE, Phases, Region, WRITE, cut, optional, word};
use super::workspace::Job;
use crate::Result;
use crate::geometry::{MAX_ITERATIONS, Op, Stop, clipped};
use crate::plan::Slot;

/// Rows that the kernels have room for.
const MAX_ROWS: usize = 1024;

/// Threads of a CUDA block.
const THREADS: u32 = 256;

/// Does the device have this operation? The others are searches and eigenvalues.
pub(super) fn supported(op: &Op) -> bool {
    let fits = |n: usize| n <= MAX_ROWS;
    match *op {
        Op::Mean { out, .. } | Op::Ctma { out, .. } => fits(out.len),
        Op::Krum { geometry, .. }
        | Op::Monna { geometry, .. }
        | Op::Nnm { geometry, .. }
        | Op::Clipping { geometry, .. }
        | Op::Arc { geometry, .. }
        | Op::CenteredClipping { geometry, .. }
        | Op::Rfa { geometry, .. } => fits(geometry.n),
        Op::Compose { n, .. } => fits(n),
        Op::Mix {
            geometry, mixing, ..
        } => fits(geometry.n) && fits(mixing.len / geometry.n),
        Op::Expand {
            coefficients, out, ..
        } => fits(out.len) && fits(coefficients.len),
        Op::Distances { geometry, out, .. } => fits(geometry.n) && fits(out.len / 2),
        Op::Bulyan { .. }
        | Op::Mda { .. }
        | Op::Smea { .. }
        | Op::Caf { .. }
        | Op::Flag { .. }
        | Op::Bucketing { .. } => false,
    }
}

/// Enqueues a supported operation for all problems.
pub(super) fn enqueue(op: &Op, job: &Job<'_>) -> Result<()> {
    debug_assert!(supported(op), "{op:?} is for the host");
    let scratch = word(op.out().end());
    let all = Phases {
        from: 0,
        to: u32::MAX,
    };
    match *op {
        Op::Mean { weights, out } => {
            let parameters = params::Mean {
                weights: optional(weights),
                n: word(out.len),
                out: word(out.offset),
                padding: 0,
            };
            run(job, "mean", 1, &parameters)
        }
        Op::Krum {
            geometry,
            neighbours,
            m,
            out,
        } => {
            let parameters = params::Krum {
                geometry: geometry.into(),
                phases: all,
                neighbours: word(neighbours),
                m: word(m),
                out: word(out.offset),
                padding: 0,
            };
            run(job, "krum", 1, &parameters)
        }
        Op::Ctma {
            distances,
            weights,
            trim,
            out,
        } => {
            let (cut, parts) = cut(trim, out.len);
            let parameters = params::Ctma {
                cut,
                parts,
                distances: word(distances.offset),
                weights: optional(weights),
                n: word(out.len),
                out: word(out.offset),
            };
            run(job, "ctma", 1, &parameters)
        }
        Op::Nnm {
            geometry,
            weights,
            trim,
            out,
        } => {
            let (cut, parts) = cut(trim, geometry.n);
            let parameters = params::Nnm {
                geometry: geometry.into(),
                cut,
                parts,
                weights: optional(weights),
                out: word(out.offset),
            };
            run(job, "nnm", geometry.n, &parameters)
        }
        Op::Monna {
            geometry,
            pivot,
            f,
            out,
        } => {
            let parameters = params::Monna {
                geometry: geometry.into(),
                cut: f as f64,
                parts: geometry.n as f64,
                pivot: word(pivot),
                out: word(out.offset),
            };
            run(job, "monna", 1, &parameters)
        }
        Op::Clipping { geometry, c, out } => {
            let parameters = params::Clipping {
                geometry: geometry.into(),
                c,
                clipped: NONE,
                out: word(out.offset),
            };
            run(job, "clipping", 1, &parameters)
        }
        Op::Arc { geometry, f, out } => {
            let parameters = params::Clipping {
                geometry: geometry.into(),
                c: 0.0,
                clipped: word(clipped(geometry.n, f)),
                out: word(out.offset),
            };
            run(job, "clipping", 1, &parameters)
        }
        Op::Compose {
            outer,
            inner,
            n,
            out,
        } => product(job, outer, inner, n, out),
        Op::Expand {
            coefficients,
            mixing,
            out,
        } => product(job, coefficients, mixing, out.len, out),
        Op::Mix {
            geometry,
            mixing,
            out,
        } => {
            let parameters = params::Mix {
                geometry: geometry.into(),
                mixed: out.into(),
                phases: all,
                mixing: word(mixing.offset),
                scratch,
            };
            run(job, "mix", 1, &parameters)
        }
        Op::Distances {
            geometry,
            rows,
            coefficients,
            out,
        } => {
            let parameters = params::Distances {
                geometry: geometry.into(),
                mixed: rows.map_or(Geometry::zeroed(), |(_, own)| own.into()),
                phases: all,
                coefficients: word(coefficients.offset),
                mixing: optional(rows.map(|(mixing, _)| mixing)),
                out: word(out.offset),
                scratch,
            };
            run(job, "distances", 1, &parameters)
        }
        Op::Rfa {
            geometry,
            weights,
            nu,
            stop,
            out,
        } => {
            let (iterations, tolerance) = match stop {
                Stop::Iterations(most) => (most, None),
                Stop::Tolerance(tolerance) => (MAX_ITERATIONS, Some(tolerance)),
            };
            let parameters = params::Rfa {
                geometry: geometry.into(),
                nu,
                tolerance: tolerance.unwrap_or(0.0),
                iterations: word(iterations),
                by_tolerance: u32::from(tolerance.is_some()),
                weights: optional(weights),
                out: word(out.offset),
                scratch,
                padding: 0,
            };
            run(job, "rfa", 1, &parameters)
        }
        Op::CenteredClipping {
            geometry,
            weights,
            tau,
            iterations,
            out,
        } => {
            let parameters = params::CenteredClipping {
                geometry: geometry.into(),
                tau,
                iterations: word(iterations),
                weights: optional(weights),
                out: word(out.offset),
                scratch,
            };
            run(job, "centered_clipping", 1, &parameters)
        }
        Op::Bulyan { .. }
        | Op::Mda { .. }
        | Op::Smea { .. }
        | Op::Caf { .. }
        | Op::Flag { .. }
        | Op::Bucketing { .. } => unreachable!("ops for the host are not supported here"),
    }
}

fn product(job: &Job<'_>, outer: Slot, inner: Slot, n: usize, out: Slot) -> Result<()> {
    let rows = out.len / n;
    let parameters = params::Product {
        outer: word(outer.offset),
        inner: word(inner.offset),
        rows: word(rows),
        inner_rows: word(inner.len / n),
        n: word(n),
        out: word(out.offset),
    };
    run(job, "product", rows, &parameters)
}

/// Sums up partial sums of squared distances.
pub(super) fn squares(job: &Job<'_>, out: Slot) -> Result<()> {
    let rows = out.len / 2;
    let parameters = params::Squares {
        partials: job.at.partials,
        marks: job.at.marks,
        blocks: word(job.dealing.blocks()),
        rows: word(rows),
        out: word(out.offset),
        padding: 0,
    };
    run(job, "squares", rows, &parameters)
}

/// Writes a few numbers to an address in the arena.
pub(super) fn write(job: &Job<'_>, values: &[f64], address: u64) -> Result<()> {
    for (values, k) in values.chunks(WRITE).zip(0..) {
        let mut parameters = params::Write {
            out: 0,
            count: values.len() as u32,
            values: [0.0; WRITE],
        };
        parameters.values[..values.len()].copy_from_slice(values);
        let region = Region {
            arena: address + 8 * (k * WRITE) as u64,
            region: 0,
            first: 0,
            padding: 0,
        };
        let grid = Grid {
            blocks: (1, 1, 1),
            threads: THREADS,
            shared: 0,
        };
        job.enqueue(Module::Plan, "write", grid, &region, Some(&parameters))?;
    }
    Ok(())
}

/// Enqueues a kernel of the plan, with so many CUDA blocks for each problem.
pub(super) fn run<P: NoUninit>(
    job: &Job<'_>,
    name: &'static str,
    blocks: usize,
    parameters: &P,
) -> Result<()> {
    let region = Region {
        arena: job.at.arena,
        region: job.region as u64,
        first: 0,
        padding: 0,
    };
    let grid = Grid {
        blocks: (word(blocks), word(job.shape.problems()), 1),
        threads: THREADS,
        shared: 0,
    };
    job.enqueue(Module::Plan, name, grid, &region, Some(parameters))
}
