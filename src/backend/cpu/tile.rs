//! Tiles: a few columns of all rows, converted to f32 and laid out for the kernels.
//!
//! A tile is a list of strips, a strip is one vector of LANES columns for each row: element
//! `[strip][row][lane]`. NaN becomes +Inf on the way in, columns past the end, up to a whole line of
//! 16, are 0.

use std::ops::Range;

use bytemuck::{Pod, Zeroable};
use half::{bf16, f16};

use super::simd::{Kernel, Simd};
use crate::matrix::{Block, Blocks, Data, Element, Rows};

/// 64 bytes at an address that suits every vector: what scratch memory is made of.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C, align(64))]
pub(super) struct Line([f32; 16]);

impl Line {
    pub const INFINITY: Line = Line([f32::INFINITY; 16]);
}

/// Scratch memory for a number of f32.
pub(super) fn lines(floats: usize) -> Vec<Line> {
    vec![Line::zeroed(); floats.div_ceil(16)]
}

/// Scratch memory as vectors.
#[inline(always)]
pub(super) fn vectors<S: Simd>(lines: &mut [Line]) -> &mut [S::F] {
    bytemuck::cast_slice_mut(lines)
}

/// Elements that vectors can be loaded from.
pub(super) trait Load: Element {
    fn load<S: Simd>(s: S, from: &[Self]) -> S::F;
}

impl Load for f32 {
    #[inline(always)]
    fn load<S: Simd>(s: S, from: &[f32]) -> S::F {
        s.load(from)
    }
}
impl Load for bf16 {
    #[inline(always)]
    fn load<S: Simd>(s: S, from: &[bf16]) -> S::F {
        s.load_bf16(from)
    }
}
impl Load for f16 {
    #[inline(always)]
    fn load<S: Simd>(s: S, from: &[f16]) -> S::F {
        s.load_f16(from)
    }
}
impl Load for f64 {
    #[inline(always)]
    fn load<S: Simd>(s: S, from: &[f64]) -> S::F {
        s.load_f64(from)
    }
}

/// Runs code that is generic over the element type for the type of a matrix.
macro_rules! for_element {
    ($data:expr, $blocks:ident => $body:expr) => {
        match $data {
            $crate::matrix::Data::F32($blocks) => $body,
            $crate::matrix::Data::Bf16($blocks) => $body,
            $crate::matrix::Data::F16($blocks) => $body,
            $crate::matrix::Data::F64($blocks) => $body,
        }
    };
}
pub(super) use for_element;

/// Some columns of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub block: usize,
    /// The block's first column, counted over all blocks.
    pub block_start: usize,
    pub columns: Range<usize>,
}

impl Span {
    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// Tiles are a whole number of lines wide.
    pub fn lines(&self) -> usize {
        self.columns.len().div_ceil(16)
    }

    /// Spans of at most so many columns.
    pub fn parts(&self, columns: usize) -> impl Iterator<Item = Span> {
        let Range { start, end } = self.columns;
        let (block, block_start) = (self.block, self.block_start);
        (start..end).step_by(columns).map(move |first| Span {
            block,
            block_start,
            columns: first..(first + columns).min(end),
        })
    }
}

/// A vector of at most LANES elements, NaN replaced, the missing ones 0.
#[inline(always)]
pub(super) fn load_part<S: Simd, T: Load>(s: S, from: &[T]) -> S::F {
    let mut padded = [T::zeroed(); 16];
    padded[..from.len()].copy_from_slice(from);
    no_nan(s, T::load(s, &padded[..S::LANES]))
}

/// NaN, whatever its sign, becomes +Inf: a minimum gives its second operand where one is NaN.
#[inline(always)]
pub(super) fn no_nan<S: Simd>(s: S, x: S::F) -> S::F {
    s.min(x, s.splat(f32::INFINITY))
}

/// Some columns of the anchor, by what reads the first ones; columns up to a whole line are 0.
pub(super) fn load_anchor<'a>(
    lines: &'a mut [Line],
    span: &Span,
    read: impl FnOnce(&mut [f32]),
) -> &'a [Line] {
    let lines = &mut lines[..span.lines()];
    let (columns, behind) = bytemuck::cast_slice_mut(lines).split_at_mut(span.width());
    read(columns);
    behind.fill(0.0);
    lines
}

/// Loads a span as a tile.
///
/// Strip by strip, a line of every row at a time: what the kernels compute on one tile then overlaps
/// with the prefetching of the next, for which the processor follows all rows at once.
pub(super) struct LoadTile<'a, 'x> {
    pub data: &'a Data<'x>,
    pub span: &'a Span,
    /// Which rows to read, in order.
    pub needed: &'a [usize],
    /// Rows of the tile, at least those of the block.
    pub rows: usize,
    pub tile: &'a mut [Line],
}

impl Kernel for LoadTile<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for_element!(self.data, blocks => self.load(s, blocks))
    }
}

impl LoadTile<'_, '_> {
    #[inline(always)]
    fn load<S: Simd, T: Load>(self, s: S, blocks: &Blocks<'_, Block<'_, T>>) {
        let block = blocks.get(self.span.block);
        let Range { start, end } = self.span.columns;
        let tile = vectors::<S>(self.tile);
        let mut strips = tile.chunks_exact_mut(self.rows);
        match block.rows() {
            Rows::Strided {
                data,
                row_stride,
                column_stride: 1,
            } => {
                for column in (start..end).step_by(S::LANES) {
                    let Some(strip) = strips.next() else { return };
                    let width = S::LANES.min(end - column);
                    for &row in self.needed {
                        strip[row] =
                            load(s, &data[block.source(row) * row_stride + column..][..width]);
                    }
                }
            }
            Rows::Separate(sources) => {
                for column in (start..end).step_by(S::LANES) {
                    let Some(strip) = strips.next() else { return };
                    let width = S::LANES.min(end - column);
                    for &row in self.needed {
                        strip[row] = load(s, &sources[block.source(row)][column..][..width]);
                    }
                }
            }
            Rows::Strided {
                data,
                row_stride,
                column_stride,
            } => {
                for column in (start..end).step_by(S::LANES) {
                    let Some(strip) = strips.next() else { return };
                    let width = S::LANES.min(end - column);
                    strip.fill(s.splat(0.0));
                    let lanes: &mut [f32] = bytemuck::cast_slice_mut(strip);
                    for lane in 0..width {
                        let column = &data[(column + lane) * column_stride..];
                        for &row in self.needed {
                            let x = column[block.source(row) * row_stride].to_f32();
                            lanes[row * S::LANES + lane] =
                                if x.is_nan() { f32::INFINITY } else { x };
                        }
                    }
                }
            }
        }
        for strip in strips {
            strip.fill(s.splat(0.0));
        }
    }
}

/// A vector of at most LANES elements.
#[inline(always)]
fn load<S: Simd, T: Load>(s: S, from: &[T]) -> S::F {
    if from.len() == S::LANES {
        no_nan(s, T::load(s, from))
    } else {
        load_part(s, from)
    }
}

/// Are all elements of a row finite? (As f32: an f64 beyond f32::MAX is not.)
pub(super) struct RowIsFinite<'a, 'x> {
    pub data: &'a Data<'x>,
    pub span: &'a Span,
    pub row: usize,
}

impl Kernel for RowIsFinite<'_, '_> {
    type Output = bool;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> bool {
        for_element!(self.data, blocks => {
            let block = blocks.get(self.span.block);
            let mut columns = self.span.columns.clone();
            match block.contiguous(self.row, columns.clone()) {
                Some(source) => {
                    let mut all = AllFinite::new(s);
                    let chunks = source.chunks_exact(S::LANES);
                    all.check(load_part(s, chunks.remainder()));
                    chunks.for_each(|chunk| all.check(Load::load(s, chunk)));
                    all.finish()
                }
                None => {
                    let (row, stride) = block.row(self.row);
                    columns.all(|column| row[column * stride].to_f32().is_finite())
                }
            }
        })
    }
}

/// Looks for elements that are not finite: 0 times such a one is NaN, and stays so in a sum.
pub(super) struct AllFinite<S: Simd> {
    s: S,
    sum: S::F,
}

impl<S: Simd> AllFinite<S> {
    #[inline(always)]
    pub fn new(s: S) -> Self {
        AllFinite {
            s,
            sum: s.splat(0.0),
        }
    }

    #[inline(always)]
    pub fn check(&mut self, x: S::F) {
        self.sum = self.s.fma(x, self.s.splat(0.0), self.sum);
    }

    #[inline(always)]
    pub fn finish(self) -> bool {
        self.s.reduce_add(self.sum) == 0.0
    }
}
