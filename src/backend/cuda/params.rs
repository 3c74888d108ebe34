//! What the plan's kernels are told: the structs of `kernels/plan/params.cuh`.

use bytemuck::{Pod, Zeroable};

use crate::geometry::GeometrySlot;
use crate::plan::{Slot, Trim};

/// A slot that is not there.
pub(super) const NONE: u32 = u32::MAX;

/// Numbers that `write` takes.
pub(super) const WRITE: usize = 448;

/// A place in a region.
pub(super) fn word(at: usize) -> u32 {
    u32::try_from(at).expect("an arena has fewer than 2³² numbers")
}

/// Where an optional slot lies.
pub(super) fn optional(slot: Option<Slot>) -> u32 {
    slot.map_or(NONE, |slot| word(slot.offset))
}

/// How much is cut, as `cut · total / parts`.
pub(super) fn cut(trim: Trim, n: usize) -> (f64, f64) {
    match trim {
        Trim::F(f) => (f as f64, n as f64),
        Trim::Lambda(lambda) => (lambda, 1.0),
    }
}

macro_rules! params {
    ($($(#[$doc:meta])* $name:ident ($size:expr) { $($field:ident: $type:ty),* $(,)? })*) => {$(
        $(#[$doc])*
        #[repr(C)]
        #[derive(Clone, Copy, Debug, Pod, Zeroable)]
        pub(super) struct $name {
            $(pub $field: $type,)*
        }
        const _: () = assert!(size_of::<$name>() == $size);
    )*};
}

params! {
    Region (24) { arena: u64, region: u64, first: u32, padding: u32 }
    Geometry (16) { gram: u32, classes: u32, n: u32, points: u32 }
    Phases (8) { from: u32, to: u32 }
    Inner (40) {
        partials: u64, marks: u64, blocks: u32, n: u32, points: u32, weights: u32, out: u32, padding: u32,
    }
    Squares (32) { partials: u64, marks: u64, blocks: u32, rows: u32, out: u32, padding: u32 }
    Mean (16) { weights: u32, n: u32, out: u32, padding: u32 }
    Krum (40) {
        geometry: Geometry, phases: Phases, neighbours: u32, m: u32, out: u32, padding: u32,
    }
    Ctma (32) { cut: f64, parts: f64, distances: u32, weights: u32, n: u32, out: u32 }
    Nnm (40) { geometry: Geometry, cut: f64, parts: f64, weights: u32, out: u32 }
    Monna (40) { geometry: Geometry, cut: f64, parts: f64, pivot: u32, out: u32 }
    Clipping (40) { geometry: Geometry, c: f64, given: u32, clipped: u32, out: u32, padding: u32 }
    Product (24) { outer: u32, inner: u32, rows: u32, inner_rows: u32, n: u32, out: u32 }
    Mix (48) { geometry: Geometry, mixed: Geometry, phases: Phases, mixing: u32, scratch: u32 }
    Distances (56) {
        geometry: Geometry, mixed: Geometry, phases: Phases, coefficients: u32, mixing: u32, out: u32,
        scratch: u32,
    }
    Rfa (56) {
        geometry: Geometry, nu: f64, tolerance: f64, iterations: u32, by_tolerance: u32, weights: u32,
        out: u32, scratch: u32, padding: u32,
    }
    CenteredClipping (40) {
        geometry: Geometry, tau: f64, iterations: u32, weights: u32, out: u32, scratch: u32,
    }
    /// Of pairwise.cuh.
    Pairwise (56) {
        partials: u64, marks: u64, centre: u64, anchors: u64, given: u32, origin: u32, anchor_type: u32,
        weights: u32, pairs: u32, points: u32,
    }
}

/// Numbers for a place of the arena.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub(super) struct Write {
    pub out: u32,
    pub count: u32,
    pub values: [f64; WRITE],
}

impl From<GeometrySlot> for Geometry {
    fn from(geometry: GeometrySlot) -> Self {
        let points = geometry.points();
        Geometry {
            gram: word(geometry.slot.offset),
            classes: word(geometry.slot.offset + points * points),
            n: word(geometry.n),
            points: word(points),
        }
    }
}
