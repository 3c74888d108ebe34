//! What the kernels are told: the structs of `kernels/*.cu`, whose sizes are checked on both sides.

use bytemuck::{Pod, Zeroable};

use super::policy::NETWORK_ROWS;
use crate::backend::ranks::Ranks;

/// Columns of a slab, by which a matrix is dealt out.
pub(super) const SLAB: usize = 1024;

/// `Block` of common.cuh.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
pub(super) struct Block {
    pub first: u64,
    pub stride: u64,
    pub rows: u64,
    pub columns: u64,
    pub first_slab: u64,
    pub out: u64,
    pub wide: u32,
    pub out_wide: u32,
}

/// `Problem` of common.cuh.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
pub(super) struct Problem {
    pub first_block: u32,
    pub blocks: u32,
    pub slabs: u64,
}

/// `Matrix` of common.cuh.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
pub(super) struct Matrix {
    pub blocks: u64,
    pub problems: u64,
    pub arena: u64,
    pub region: u64,
    pub begin: u64,
    pub end: u64,
    pub staged: u64,
    pub n: u32,
    pub per_block: u32,
    pub first_partial: u32,
    pub partials: u32,
    pub input: u32,
    pub output: u32,
}

const _: () = assert!(size_of::<Block>() == 56 && size_of::<Problem>() == 16);
const _: () = assert!(size_of::<Matrix>() == 80);

/// Element types of common.cuh.
pub(super) fn dtype(dtype: crate::DType) -> u32 {
    match dtype {
        crate::DType::F32 | crate::DType::F64 => 0,
        crate::DType::Bf16 => 1,
        crate::DType::F16 => 2,
    }
}

/// A slot that is not there.
pub(super) const NONE: u64 = u64::MAX;

// Statistics of columns.cuh.
pub(super) const MEDIAN: u32 = 0;
pub(super) const TRIMMED_MEAN: u32 = 1;
pub(super) const MEAN_AROUND_MEDIAN: u32 = 2;

/// `Columns` of columns.cuh.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
pub(super) struct Columns {
    pub weights: u64,
    pub centre: u64,
    pub partials: u64,
    pub marks: u64,
    pub low: i32,
    pub high: i32,
    pub start: i32,
    pub end: i32,
    pub part: f32,
    pub scale: f32,
    pub keep: i32,
    pub statistic: u32,
    pub write: u32,
    pub staged: u32,
}

/// `MixedColumns` of columns.cu.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
pub(super) struct MixedColumns {
    pub columns: Columns,
    pub mixing: u64,
    pub inputs: u32,
    pub padding: u32,
}

/// `Masks` of columns.cuh, for as many rows as a network has at most. A kernel takes those of its own rows.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
pub(super) struct Masks {
    pub ranks: [u32; NETWORK_ROWS],
}

impl Masks {
    /// Of the ranks with a whole share.
    pub fn new(ranks: &Ranks) -> Self {
        let outer = i32::from(ranks.part > 0.0);
        let whole = ranks.low + outer..=ranks.high - outer;
        Masks {
            ranks: std::array::from_fn(|rank| match whole.contains(&(rank as i32)) {
                true => u32::MAX,
                false => 0,
            }),
        }
    }
}

/// Mixed rows that a thread computes together.
pub(super) const MIXED_ROWS: usize = 16;

/// `Combine` of combine.cuh.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
pub(super) struct Combine {
    pub coefficients: u64,
    pub centre: u64,
    pub anchors: u64,
    pub write: u32,
    pub padding: u32,
}

/// `Mix` of combine.cuh.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
pub(super) struct Mix {
    pub mixing: u64,
    pub out: u64,
    pub rows: u32,
    pub padding: u32,
}

/// `Distances` of combine.cuh.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
pub(super) struct Distances {
    pub centre: u64,
    pub partials: u64,
    pub marks: u64,
    pub weights: u64,
}

const _: () = assert!(size_of::<Columns>() == 72 && size_of::<Combine>() == 32);
const _: () = assert!(size_of::<MixedColumns>() == 88);
const _: () = assert!(size_of::<Mix>() == 24 && size_of::<Distances>() == 32);
