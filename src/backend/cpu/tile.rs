//! Tiles: a few columns of all rows, converted to f32 and laid out for the kernels.
//!
//! A tile is a list of strips, a strip is one vector of LANES columns for each row: element
//! `[strip][row][lane]`. NaN becomes +Inf on the way in, columns past the end, up to a whole line of
//! 16, are 0.

use std::ops::Range;

use bytemuck::{Pod, Zeroable};
use half::{bf16, f16};

use super::simd::{Kernel, Simd};
use crate::matrix::{Block, Data, Element, Rows};

/// 64 bytes at an address that suits every vector: what scratch memory is made of.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C, align(64))]
pub(super) struct Line([f32; 16]);

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
        let block = self.block;
        (start..end).step_by(columns).map(move |first| Span {
            block,
            columns: first..(first + columns).min(end),
        })
    }
}

/// The elements of a row that lie one after the other in memory.
#[inline(always)]
pub(super) fn contiguous<'a, T: Element>(
    block: &Block<'a, T>,
    row: usize,
    columns: Range<usize>,
) -> Option<&'a [T]> {
    match block.rows() {
        Rows::Strided {
            data,
            row_stride,
            column_stride: 1,
        } => Some(&data[row * row_stride..][columns]),
        Rows::Strided { .. } => None,
        Rows::Separate(rows) => Some(&rows[row][columns]),
    }
}

#[inline(always)]
fn element<T: Element>(block: &Block<'_, T>, row: usize, column: usize) -> f32 {
    match block.rows() {
        Rows::Strided {
            data,
            row_stride,
            column_stride,
        } => data[row * row_stride + column * column_stride].to_f32(),
        Rows::Separate(rows) => rows[row][column].to_f32(),
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

/// The lines of memory that the next tile comes from: kernels ask for them while they compute.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ahead<'a> {
    /// Where each row of the next tile starts; empty if that is not known.
    rows: &'a [usize],
    element: usize,
}

impl<'a> Ahead<'a> {
    /// For the rows of a span that lie one after the other in memory.
    pub fn new(
        data: &Data<'_>,
        span: Option<&Span>,
        needed: &[bool],
        rows: &'a mut Vec<usize>,
    ) -> Self {
        rows.clear();
        let Some(span) = span else {
            return Ahead { rows, element: 1 };
        };
        let element = for_element!(data, blocks => {
            let block = &blocks.as_slice()[span.block];
            let needed = (0..block.n()).filter(|&row| needed.get(row).is_none_or(|&needed| needed));
            let sources = needed.filter_map(|row| contiguous(block, row, span.columns.clone()));
            rows.extend(sources.map(|source| source.as_ptr() as usize));
            element_size(block)
        });
        Ahead { rows, element }
    }

    pub fn nothing() -> Self {
        Ahead {
            rows: &[],
            element: 1,
        }
    }

    /// Asks for a strip of the next tile.
    #[inline(always)]
    pub fn strip<S: Simd>(&self, s: S, strip: usize) {
        let offset = strip * S::LANES * self.element;
        for &row in self.rows {
            s.prefetch(row.wrapping_add(offset));
        }
    }
}

fn element_size<T>(_: &Block<'_, T>) -> usize {
    size_of::<T>()
}

/// Loads a span as a tile.
pub(super) struct LoadTile<'a, 'x> {
    pub data: &'a Data<'x>,
    pub span: &'a Span,
    /// Which rows to read (empty: all), and what the tile holds in place of the others.
    pub needed: &'a [bool],
    pub missing: f32,
    /// Rows of the tile, at least those of the block.
    pub rows: usize,
    pub tile: &'a mut [Line],
}

impl Kernel for LoadTile<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for_element!(self.data, blocks => self.load(s, blocks.as_slice()))
    }
}

impl LoadTile<'_, '_> {
    #[inline(always)]
    fn load<S: Simd, T: Load>(self, s: S, blocks: &[Block<'_, T>]) {
        let block = &blocks[self.span.block];
        let Range { start, end } = self.span.columns;
        let strips = self.span.lines() * (16 / S::LANES);
        let tile = &mut vectors::<S>(self.tile)[..strips * self.rows];
        tile[self.span.width() / S::LANES * self.rows..].fill(s.splat(0.0));
        let is_needed = |row: usize| self.needed.get(row).is_none_or(|&needed| needed);
        for row in (0..block.n()).filter(|&row| !is_needed(row)) {
            tile.iter_mut()
                .skip(row)
                .step_by(self.rows)
                .for_each(|x| *x = s.splat(self.missing));
        }
        if let Rows::Strided {
            data,
            row_stride,
            column_stride,
        } = block.rows()
            && column_stride != 1
        {
            let floats: &mut [f32] = bytemuck::cast_slice_mut(tile);
            let mut copy = |row: usize, column: usize| {
                let x = data[row * row_stride + column * column_stride].to_f32();
                let (strip, lane) = ((column - start) / S::LANES, (column - start) % S::LANES);
                floats[(strip * self.rows + row) * S::LANES + lane] =
                    if x.is_nan() { f32::INFINITY } else { x };
            };
            let rows = (0..block.n()).filter(|&row| is_needed(row));
            // In the order of memory.
            if row_stride <= column_stride {
                (start..end).for_each(|column| rows.clone().for_each(|row| copy(row, column)));
            } else {
                rows.for_each(|row| (start..end).for_each(|column| copy(row, column)));
            }
            return;
        }
        for row in (0..block.n()).filter(|&row| is_needed(row)) {
            let Some(source) = contiguous(block, row, start..end) else {
                continue;
            };
            let mut chunks = source.chunks_exact(S::LANES);
            let mut strips = tile[row..].iter_mut().step_by(self.rows);
            for (chunk, strip) in chunks.by_ref().zip(strips.by_ref()) {
                *strip = no_nan(s, T::load(s, chunk));
            }
            if let Some(strip) = strips.next() {
                *strip = load_part(s, chunks.remainder());
            }
        }
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
            let block = &blocks.as_slice()[self.span.block];
            match contiguous(block, self.row, self.span.columns.clone()) {
                Some(source) => {
                    let mut all = AllFinite::new(s);
                    let chunks = source.chunks_exact(S::LANES);
                    all.check(load_part(s, chunks.remainder()));
                    chunks.for_each(|chunk| all.check(Load::load(s, chunk)));
                    all.finish()
                }
                None => self.span.columns.clone().all(|column| element(block, self.row, column).is_finite()),
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
