//! The n×n operations of a plan on the device, in f64, as [`crate::geometry`] has them on the host.

use bytemuck::{NoUninit, Zeroable};

use super::launch::Grid;
use super::modules::Module;
use super::params::{self, Geometry, NONE, Phases, Region, WRITE, cut, optional, word};
use super::workspace::Job;
use crate::Result;
use crate::geometry::{Length, MAX_ITERATIONS, Op, Stop, clipped};
use crate::plan::Slot;

/// Rows that the kernels have room for.
const MAX_ROWS: usize = 1024;

/// Threads that add up partial sums.
pub(super) const SUM_THREADS: u32 = 512;

/// Threads of kernels that multiply tiles of 32 × 32.
const TILE_THREADS: u32 = 256;

/// A thread for each of so many.
pub(super) fn threads(count: usize) -> u32 {
    word(count.next_multiple_of(32).clamp(32, 1024))
}

/// Tiles of a matrix.
fn tiles(rows: usize, columns: usize) -> usize {
    rows.div_ceil(32) * columns.div_ceil(32)
}

/// Does the device have this operation? The kernels know no other anchor than the origin.
pub(super) fn supported(op: &Op) -> bool {
    op.rows().is_some_and(|rows| rows <= MAX_ROWS) && !op.has_given_anchor()
}

/// Enqueues a supported operation for all problems.
pub(super) fn enqueue(op: &Op, job: &Job<'_>) -> Result<()> {
    debug_assert!(supported(op), "{op:?} is for the host");
    let scratch = word(op.out().end());
    match *op {
        Op::Mean { weights, out } => {
            let parameters = params::Mean {
                weights: optional(weights),
                n: word(out.len),
                out: word(out.offset),
                padding: 0,
            };
            run(job, "mean", (1, threads(out.len)), &parameters)
        }
        Op::Krum {
            geometry,
            neighbours,
            m,
            out,
        } => {
            // A block for each score, then one for the choice.
            for (from, blocks) in [(0, geometry.n), (1, 1)] {
                let parameters = params::Krum {
                    geometry: geometry.into(),
                    phases: phase(from),
                    neighbours: word(neighbours),
                    m: word(m),
                    out: word(out.offset),
                    padding: 0,
                };
                run(job, "krum", (blocks, threads(geometry.n)), &parameters)?;
            }
            Ok(())
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
            run(job, "ctma", (1, threads(out.len)), &parameters)
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
            run(job, "nnm", (geometry.n, threads(geometry.n)), &parameters)
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
            run(job, "monna", (1, threads(geometry.n)), &parameters)
        }
        Op::Clipping {
            geometry,
            length,
            out,
        } => {
            let (c, given) = match length {
                Length::Fixed(c) => (c, NONE),
                Length::Given(slot) => (0.0, word(slot.offset)),
            };
            let parameters = params::Clipping {
                geometry: geometry.into(),
                c,
                given,
                clipped: NONE,
                out: word(out.offset),
                padding: 0,
            };
            run(
                job,
                "clipping",
                (geometry.n, threads(geometry.n)),
                &parameters,
            )
        }
        Op::Arc { geometry, f, out } => {
            let parameters = params::Clipping {
                geometry: geometry.into(),
                c: 0.0,
                given: NONE,
                clipped: word(clipped(geometry.n, f)),
                out: word(out.offset),
                padding: 0,
            };
            run(
                job,
                "clipping",
                (geometry.n, threads(geometry.n)),
                &parameters,
            )
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
            ..
        } => product(job, coefficients, mixing, out.len, out),
        Op::Mix {
            geometry,
            mixing,
            out,
        } => {
            let (points, rows) = (geometry.points(), mixing.len / geometry.n);
            // The last phase and what it reads are of one block each, where there are few points.
            let each = [
                rows.div_ceil(TILE_THREADS as usize / 32),
                1,
                tiles(rows, points),
                tiles(rows, rows),
                out.points(),
            ];
            let phases = match points {
                0..=32 => vec![(Phases { from: 0, to: 5 }, 1)],
                _ => (0..5).map(phase).zip(each).collect(),
            };
            for (phases, blocks) in phases {
                let parameters = params::Mix {
                    geometry: geometry.into(),
                    mixed: out.into(),
                    phases,
                    mixing: word(mixing.offset),
                    scratch,
                };
                run(job, "mix", (blocks, TILE_THREADS), &parameters)?;
            }
            Ok(())
        }
        Op::Distances {
            geometry,
            rows,
            coefficients,
            out,
        } => {
            let points = geometry.points();
            let blocks = points.div_ceil(32);
            let phases = match points {
                0..=128 => vec![(Phases { from: 0, to: 2 }, 1)],
                _ => vec![(phase(0), blocks), (phase(1), blocks)],
            };
            for (phases, blocks) in phases {
                let parameters = params::Distances {
                    geometry: geometry.into(),
                    mixed: rows.map_or(Geometry::zeroed(), |(_, own)| own.into()),
                    phases,
                    coefficients: word(coefficients.offset),
                    mixing: optional(rows.map(|(mixing, _)| mixing)),
                    out: word(out.offset),
                    scratch,
                };
                run(job, "distances", (blocks, 1024), &parameters)?;
            }
            Ok(())
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
            run(
                job,
                "rfa",
                (1, threads(32 * geometry.points())),
                &parameters,
            )
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
            run(
                job,
                "centered_clipping",
                (1, threads(32 * geometry.points())),
                &parameters,
            )
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
    run(job, "product", (tiles(rows, n), TILE_THREADS), &parameters)
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
    run(
        job,
        "squares",
        (rows.div_ceil(32), SUM_THREADS),
        &parameters,
    )
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
            threads: threads(values.len()),
            shared: 0,
        };
        job.enqueue(Module::Plan, "put", grid, &region, &parameters, None)?;
    }
    Ok(())
}

/// One phase of a kernel.
fn phase(from: u32) -> Phases {
    Phases { from, to: from + 1 }
}

/// Enqueues a kernel of the plan, with so many CUDA blocks for each problem of so many threads.
pub(super) fn run<P: NoUninit>(
    job: &Job<'_>,
    name: &'static str,
    (blocks, threads): (usize, u32),
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
        threads,
        shared: 0,
    };
    job.enqueue(Module::Plan, name, grid, &region, parameters, None)
}
