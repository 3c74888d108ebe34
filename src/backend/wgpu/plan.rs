//! The n×n operations of a plan on the device, one after the other in the arena of all problems.
//!
//! The arena holds words: f32 bits, except that slots used as weights hold integers with a sum of at most
//! 2³⁰. What is here agrees with [`crate::geometry`], in f32; the rest is for the host.

pub(super) mod params;
pub(super) mod source;
mod steps;

use bytemuck::NoUninit;

use super::record::{Part, Recording};
use super::shader::{Shader, WORKGROUP};
use crate::Result;
use crate::geometry::{GeometrySlot, Length, Op, SNAP, Stop, clipped};
use crate::plan::{Slot, Trim};
use params::{NONE, optional};
use source::Family;

/// As many rows fit in workgroup memory, with one origin.
pub(super) const MAX_ROWS: usize = 1024;

/// Workgroups in one dimension of a dispatch.
const MAX_GROUPS: u32 = 65_535;

/// Trips through all loops of an invocation: llvmpipe ends them after 65,535, without an error.
const MAX_TRIPS: usize = 60_000;

/// Can this op run on the device? The others are searches or need f64.
pub(crate) fn supported(op: &Op) -> bool {
    if !op.rows().is_some_and(|rows| (1..=MAX_ROWS).contains(&rows)) {
        return false;
    }
    let points_fit = |geometry: GeometrySlot| geometry.points() <= MAX_ROWS + 1;
    match *op {
        Op::Rfa {
            geometry, nu, stop, ..
        } => steps::weiszfeld_supported(geometry, nu, stop),
        Op::CenteredClipping {
            geometry,
            iterations,
            ..
        } => points_fit(geometry) && steps::clipping_supported(geometry, iterations),
        Op::Distances { geometry, .. } => points_fit(geometry),
        _ => true,
    }
}

/// Records a supported op for all problems, problem p in the words from p · `stride` on.
/// `total_weight` is the sum of its weights, if it has any.
///
/// # Errors
/// When a shader can't be compiled.
pub(crate) fn encode(
    op: &Op,
    recording: &mut Recording<'_>,
    arena: &Part,
    stride: u32,
    problems: u32,
    total_weight: Option<f64>,
) -> Result<()> {
    debug_assert!(supported(op), "{op:?} is for the host");
    let mut to = Dispatcher {
        recording,
        arena,
        stride,
        problems,
    };
    let scratch = word(op.out().end());
    match *op {
        Op::Mean { weights, out } => to.mean(weights, total(weights, total_weight, out.len), out),
        Op::Krum {
            geometry,
            neighbours,
            m,
            out,
        } => to.krum(geometry, neighbours, m, out),
        Op::Ctma {
            distances,
            weights,
            trim,
            out,
        } => {
            let n = out.len;
            let classes = params::Geometry {
                gram: NONE,
                classes: word(distances.offset + n),
                n: word(n),
                points: word(n),
            };
            let keep = Keep::new(trim, n, total(weights, total_weight, n));
            let nearest = keep.params(classes, weights, out);
            let squares = word(distances.offset);
            to.nearest("ctma", 1, params::Nearest { squares, ..nearest })
        }
        Op::Nnm {
            geometry,
            weights,
            trim,
            out,
        } => {
            let n = geometry.n;
            let keep = Keep::new(trim, n, total(weights, total_weight, n));
            to.nearest("nnm", word(n), keep.params(geometry.into(), weights, out))
        }
        Op::Monna {
            geometry,
            pivot,
            f,
            out,
        } => {
            let keep = Keep::new(Trim::F(f), geometry.n, geometry.n as f64);
            let nearest = keep.params(geometry.into(), None, out);
            let pivot = word(pivot);
            to.nearest("monna", 1, params::Nearest { pivot, ..nearest })
        }
        Op::Clipping {
            geometry,
            length,
            out,
        } => to.clipping(geometry, length, out),
        Op::Arc { geometry, f, out } => to.adaptive_clipping(geometry, f, out, scratch),
        Op::Compose {
            outer,
            inner,
            n,
            out,
        } => to.product((outer, inner), n, out, false),
        Op::Expand {
            anchor,
            coefficients,
            mixing,
            out,
        } => {
            let n = out.len - usize::from(anchor);
            to.product((coefficients, mixing), n, out, anchor)
        }
        Op::Mix {
            geometry,
            mixing,
            out,
        } => to.mix(geometry, mixing, out, scratch),
        Op::Distances {
            geometry,
            rows,
            coefficients,
            out,
        } => to.distances(geometry, rows, coefficients, out, scratch),
        Op::Rfa {
            geometry,
            weights,
            nu,
            stop,
            out,
        } => steps::weiszfeld(&mut to, geometry, weights, (nu, stop), out, scratch),
        Op::CenteredClipping {
            geometry,
            weights,
            tau,
            iterations,
            out,
        } => {
            let total = total(weights, total_weight, geometry.n);
            let weights = (optional(weights), total as f32);
            steps::centered_clipping(&mut to, geometry, weights, (tau, iterations), out, scratch)
        }
        Op::Bulyan { .. }
        | Op::Mda { .. }
        | Op::Smea { .. }
        | Op::Caf { .. }
        | Op::Flag { .. }
        | Op::Bucketing { .. } => unreachable!("ops for the host are not supported here"),
    }
}

/// The weight of n rows.
fn total(weights: Option<Slot>, total_weight: Option<f64>, n: usize) -> f64 {
    match weights {
        Some(_) => total_weight.expect("weights come with their total"),
        None => n as f64,
    }
}

/// A word of the arena, or a number of them.
fn word(at: usize) -> u32 {
    u32::try_from(at).expect("an arena has fewer than 2³² words")
}

fn groups(invocations: u32) -> u32 {
    invocations.div_ceil(WORKGROUP)
}

/// Where a dispatch finds its problems.
#[derive(Clone, Copy)]
struct Region {
    stride: u32,
    first: u32,
}

/// Records dispatches over all problems.
struct Dispatcher<'e, 'd> {
    recording: &'e mut Recording<'d>,
    arena: &'e Part,
    stride: u32,
    problems: u32,
}

impl Dispatcher<'_, '_> {
    fn run<P: NoUninit>(
        &mut self,
        shader: &Shader,
        [x, y]: [u32; 2],
        params: impl Fn(Region) -> P,
    ) -> Result<()> {
        let most = MAX_GROUPS.min(self.recording.most_groups()).max(1);
        for first in (0..self.problems).step_by(most as usize) {
            let stride = self.stride;
            let constants = self
                .recording
                .constants(&[params(Region { stride, first })]);
            let resources = vec![constants, super::record::Resource::Part(self.arena.clone())];
            let z = (self.problems - first).min(most);
            self.recording.dispatch(shader, resources, [x, y, z])?;
        }
        Ok(())
    }

    fn mean(&mut self, weights: Option<Slot>, total: f64, out: Slot) -> Result<()> {
        let n = word(out.len);
        let shader = Family::Mean.shader("mean", out.len, false);
        self.run(&shader, [groups(n), 1], |at| params::Mean {
            stride: at.stride,
            first: at.first,
            n,
            weights: optional(weights),
            total: total as f32,
            out: word(out.offset),
        })
    }

    fn krum(&mut self, rows: GeometrySlot, neighbours: usize, m: usize, out: Slot) -> Result<()> {
        let geometry = params::Geometry::from(rows);
        let of = |at: Region| params::Krum {
            geometry,
            stride: at.stride,
            first: at.first,
            neighbours: word(neighbours),
            m: word(m),
            scores: word(out.offset),
            out: word(out.offset + rows.n),
        };
        let shader = |entry| Family::Krum.shader(entry, rows.n, false);
        self.run(&shader("score"), [geometry.n, 1], of)?;
        self.run(&shader("choose"), [1, 1], of)
    }

    fn nearest(&mut self, entry: &'static str, rows: u32, nearest: params::Nearest) -> Result<()> {
        let shader = Family::Nearest.shader(entry, nearest.geometry.n as usize, false);
        self.run(&shader, [rows, 1], |at| params::Nearest {
            stride: at.stride,
            first: at.first,
            ..nearest
        })
    }

    fn clipping(&mut self, rows: GeometrySlot, length: Length, out: Slot) -> Result<()> {
        let geometry = params::Geometry::from(rows);
        let (entry, c, limit) = match length {
            Length::Fixed(c) => ("clip", at_most(c), NONE),
            Length::Given(slot) => ("clip_to_given", 0.0, word(slot.offset)),
        };
        let shader = Family::Clipping.shader(entry, rows.n, false);
        let over = [groups(geometry.n), geometry.n];
        self.run(&shader, over, |at| params::Clipping {
            geometry,
            stride: at.stride,
            first: at.first,
            out: word(out.offset),
            c,
            limit,
            place: NONE,
        })
    }

    fn adaptive_clipping(
        &mut self,
        rows: GeometrySlot,
        f: usize,
        out: Slot,
        scratch: u32,
    ) -> Result<()> {
        let geometry = params::Geometry::from(rows);
        let of = |at: Region| params::Clipping {
            geometry,
            stride: at.stride,
            first: at.first,
            out: word(out.offset),
            c: 0.0,
            limit: scratch,
            place: word(rows.n - 1 - clipped(rows.n, f)),
        };
        let shader = |entry| Family::Clipping.shader(entry, rows.n, false);
        self.run(&shader("limit"), [1, 1], of)?;
        let over = [groups(geometry.n), geometry.n];
        self.run(&shader("clip_to_limit"), over, of)
    }

    /// With `anchored`, one outer row and its anchor's coefficient.
    fn product(
        &mut self,
        (outer, inner): (Slot, Slot),
        n: usize,
        out: Slot,
        anchored: bool,
    ) -> Result<()> {
        let shader = Family::Product.shader("product", n, false);
        let anchor = usize::from(anchored);
        let over = [groups(word(n + anchor)), word((out.len - anchor) / n)];
        self.run(&shader, over, |at| params::Product {
            stride: at.stride,
            first: at.first,
            outer: word(outer.offset),
            inner: word(inner.offset),
            rows: word(inner.len / n),
            n: word(n),
            out: word(out.offset),
            anchored: u32::from(anchored),
        })
    }

    fn mix(
        &mut self,
        raw: GeometrySlot,
        mixing: Slot,
        mixed: GeometrySlot,
        scratch: u32,
    ) -> Result<()> {
        let (geometry, mixed) = (params::Geometry::from(raw), params::Geometry::from(mixed));
        let of = |at: Region| params::Mix {
            geometry,
            mixed,
            stride: at.stride,
            first: at.first,
            mixing: word(mixing.offset),
            scratch,
        };
        let shader = |entry| Family::Mix.shader(entry, raw.n, false);
        self.run(&shader("classify"), [1, mixed.n], of)?;
        self.run(&shader("share"), [1, 1], of)?;
        self.run(&shader("multiply"), [groups(geometry.points), mixed.n], of)?;
        self.run(&shader("bound"), [groups(mixed.points), 1], of)?;
        self.run(&shader("finish"), [groups(mixed.points), mixed.points], of)
    }

    fn distances(
        &mut self,
        raw: GeometrySlot,
        rows: Option<(Slot, GeometrySlot)>,
        coefficients: Slot,
        out: Slot,
        scratch: u32,
    ) -> Result<()> {
        let geometry = params::Geometry::from(raw);
        let mixed = rows.map_or(geometry, |(_, own)| own.into());
        let of = |at: Region| params::Distances {
            geometry,
            mixed,
            stride: at.stride,
            first: at.first,
            coefficients: word(coefficients.offset),
            mixing: optional(rows.map(|(mixing, _)| mixing)),
            out: word(out.offset),
            scratch,
            anchored: u32::from(coefficients.len > raw.n),
        };
        let shader = |entry| Family::Distances.shader(entry, geometry.points as usize, false);
        self.run(&shader("locate"), [1, 1], of)?;
        self.run(&shader("measure"), [groups(mixed.n), 1], of)
    }
}

/// A positive number that stays finite as an f32: no length is above the cap.
fn at_most(value: f64) -> f32 {
    value.min(1e30) as f32
}

/// The weight that trimming keeps, as integers for comparison with cumulative weights.
struct Keep {
    keep: f64,
    low: f64,
    high: f64,
}

impl Keep {
    fn new(trim: Trim, n: usize, total: f64) -> Self {
        let keep = total - trim.cut(n, total);
        let snap = SNAP * total;
        Keep {
            keep,
            low: (keep - snap).ceil(),
            high: (keep + snap).floor(),
        }
    }

    fn params(
        &self,
        geometry: params::Geometry,
        weights: Option<Slot>,
        out: Slot,
    ) -> params::Nearest {
        params::Nearest {
            geometry,
            stride: 0,
            first: 0,
            weights: optional(weights),
            squares: NONE,
            pivot: NONE,
            out: word(out.offset),
            keep: self.keep as f32,
            whole: self.keep as u32,
            fraction: self.keep.fract() as f32,
            low: self.low as u32,
            high: self.high as u32,
        }
    }
}
