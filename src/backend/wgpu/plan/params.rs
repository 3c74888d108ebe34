//! What the plan's shaders are told: one struct for each of `shaders/plan/*.wgsl`, in words.

use bytemuck::{Pod, Zeroable};

use super::word;
use crate::geometry::GeometrySlot;
use crate::plan::Slot;

/// A slot that is not there.
pub(crate) const NONE: u32 = u32::MAX;

/// Where an optional slot lies.
pub(crate) fn optional(slot: Option<Slot>) -> u32 {
    slot.map_or(NONE, |slot| word(slot.offset))
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub(crate) struct Geometry {
    pub gram: u32,
    pub classes: u32,
    pub n: u32,
    pub points: u32,
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

#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub(crate) struct Mean {
    pub stride: u32,
    pub first: u32,
    pub n: u32,
    pub weights: u32,
    pub total: f32,
    pub out: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub(crate) struct Krum {
    pub geometry: Geometry,
    pub stride: u32,
    pub first: u32,
    pub neighbours: u32,
    pub m: u32,
    pub scores: u32,
    pub out: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub(crate) struct Nearest {
    pub geometry: Geometry,
    pub stride: u32,
    pub first: u32,
    pub weights: u32,
    pub squares: u32,
    pub pivot: u32,
    pub out: u32,
    pub keep: f32,
    pub whole: u32,
    pub fraction: f32,
    pub low: u32,
    pub high: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub(crate) struct Clipping {
    pub geometry: Geometry,
    pub stride: u32,
    pub first: u32,
    pub out: u32,
    pub c: f32,
    pub limit: u32,
    pub place: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub(crate) struct Product {
    pub stride: u32,
    pub first: u32,
    pub outer: u32,
    pub inner: u32,
    pub rows: u32,
    pub n: u32,
    pub out: u32,
    pub anchored: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub(crate) struct Mix {
    pub geometry: Geometry,
    pub mixed: Geometry,
    pub stride: u32,
    pub first: u32,
    pub mixing: u32,
    pub scratch: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub(crate) struct Distances {
    pub geometry: Geometry,
    pub mixed: Geometry,
    pub stride: u32,
    pub first: u32,
    pub coefficients: u32,
    pub mixing: u32,
    pub out: u32,
    pub scratch: u32,
    pub anchored: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub(crate) struct Weiszfeld {
    pub geometry: Geometry,
    pub stride: u32,
    pub first: u32,
    pub weights: u32,
    pub out: u32,
    pub scratch: u32,
    pub begin: u32,
    pub steps: u32,
    pub nu: f32,
    pub tolerance: f32,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub(crate) struct CenteredClipping {
    pub geometry: Geometry,
    pub stride: u32,
    pub first: u32,
    pub weights: u32,
    pub out: u32,
    pub scratch: u32,
    pub begin: u32,
    pub steps: u32,
    pub tau: f32,
    pub total: f32,
}
