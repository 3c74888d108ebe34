//! Iterations on coefficients: as many steps in a dispatch as its loops have trips for.

use super::params::{self, optional};
use super::source::Family;
use super::{Dispatcher, MAX_ROWS, MAX_TRIPS, Region, Stop, at_most, word};
use crate::Result;
use crate::backend::wgpu::shader::WORKGROUP;
use crate::geometry::{GeometrySlot, MAX_ITERATIONS};
use crate::plan::Slot;

/// Dispatches of one op. Who asks for more steps does not mind that the host takes them.
const MAX_DISPATCHES: usize = 1000;

/// f32 does not resolve less.
const MIN_TOLERANCE: f64 = 1e-5;

/// Below it, `1 / ν` is no f32.
const MIN_NU: f64 = 1e-30;

/// Trips of an invocation's loops, rounded up.
struct Trips {
    /// Before and after the steps of a dispatch.
    dispatch: usize,
    step: usize,
}

impl Trips {
    /// `measures` products with G in a step; a number of ranks of all rows in a step and before.
    const fn new(points: usize, measures: usize, ranks: usize) -> Self {
        let rows = points.div_ceil(WORKGROUP as usize);
        // A reduction loops over the invocations, and again over their blocks.
        let reduction = WORKGROUP as usize + WORKGROUP as usize / 8;
        let product = rows * (points / 4 + 5) + 2 * rows + reduction;
        let rank = rows * (points + 1);
        Trips {
            dispatch: ranks * rank + product + 8 * rows + 5 * reduction,
            step: measures * product + ranks * rank + 8 * rows + reduction,
        }
    }

    const fn steps(self) -> usize {
        (MAX_TRIPS - self.dispatch) / self.step
    }

    const fn weiszfeld(points: usize, tolerance: bool) -> Self {
        if tolerance {
            Trips::new(points, 2, 1)
        } else {
            Trips::new(points, 1, 0)
        }
    }
}

/// The largest problem leaves a step for each dispatch.
const _: () = assert!(Trips::weiszfeld(MAX_ROWS + 1, true).steps() > 0);

/// The most steps, and how many a dispatch takes.
fn weiszfeld_steps(geometry: GeometrySlot, stop: Stop) -> (usize, usize) {
    match stop {
        Stop::Iterations(most) => (most, Trips::weiszfeld(geometry.points(), false).steps()),
        Stop::Tolerance(_) => (
            MAX_ITERATIONS,
            Trips::weiszfeld(geometry.points(), true).steps(),
        ),
    }
}

pub(super) fn weiszfeld_supported(geometry: GeometrySlot, nu: f64, stop: Stop) -> bool {
    let (most, steps) = weiszfeld_steps(geometry, stop);
    let resolved = match stop {
        Stop::Iterations(_) => most.div_ceil(steps) <= MAX_DISPATCHES,
        Stop::Tolerance(tolerance) => tolerance >= MIN_TOLERANCE,
    };
    resolved && nu >= MIN_NU
}

pub(super) fn clipping_supported(geometry: GeometrySlot, iterations: usize) -> bool {
    let steps = Trips::new(geometry.points(), 1, 0).steps();
    iterations.div_ceil(steps) <= MAX_DISPATCHES
}

/// How many steps each dispatch takes; the first one also where there are none.
fn portions(most: usize, steps: usize) -> impl Iterator<Item = (bool, usize)> {
    let count = most.div_ceil(steps).max(1);
    (0..count).map(move |k| (k == 0, (most - k * steps).min(steps)))
}

pub(super) fn weiszfeld(
    to: &mut Dispatcher<'_, '_>,
    geometry: GeometrySlot,
    weights: Option<Slot>,
    (nu, stop): (f64, Stop),
    out: Slot,
    scratch: u32,
) -> Result<()> {
    let tolerance = match stop {
        Stop::Iterations(_) => None,
        Stop::Tolerance(tolerance) => Some(tolerance),
    };
    let (most, steps) = weiszfeld_steps(geometry, stop);
    let shader = Family::Weiszfeld.shader("weiszfeld", geometry.points(), tolerance.is_some());
    for (begin, steps) in portions(most, steps) {
        to.run(&shader, [1, 1], |at: Region| params::Weiszfeld {
            geometry: geometry.into(),
            stride: at.stride,
            first: at.first,
            weights: optional(weights),
            out: word(out.offset),
            scratch,
            begin: u32::from(begin),
            steps: word(steps),
            nu: at_most(nu),
            tolerance: at_most(tolerance.unwrap_or(0.0)),
        })?;
    }
    Ok(())
}

/// `weights` is the slot and the total.
pub(super) fn centered_clipping(
    to: &mut Dispatcher<'_, '_>,
    geometry: GeometrySlot,
    (weights, total): (u32, f32),
    (tau, iterations): (f64, usize),
    out: Slot,
    scratch: u32,
) -> Result<()> {
    let shader = Family::CenteredClipping.shader("centered_clipping", geometry.points(), false);
    let steps = Trips::new(geometry.points(), 1, 0).steps();
    for (begin, steps) in portions(iterations, steps) {
        to.run(&shader, [1, 1], |at: Region| params::CenteredClipping {
            geometry: geometry.into(),
            stride: at.stride,
            first: at.first,
            weights,
            out: word(out.offset),
            scratch,
            begin: u32::from(begin),
            steps: word(steps),
            tau: at_most(tau),
            total,
        })?;
    }
    Ok(())
}
