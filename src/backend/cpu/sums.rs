//! Weighted sums of rows, and squared distances of rows to a result.

use super::simd::{Kernel, Simd};
use super::tile::{AllFinite, Line, Load, Span, for_element, load_part, no_nan, vectors};
use crate::matrix::{Block, Blocks, Data};

/// A row and its coefficient, which is not 0.
pub(super) type Term = (usize, f64);

/// The anchor's columns of a span and its coefficient, which is not 0.
pub(super) type AnchorTerm<'a> = (&'a [Line], f64);

/// A vector of the anchor's share in a sum.
#[inline(always)]
fn share_of_anchor<S: Simd>(s: S, anchor: Option<(&[S::F], f64)>, vector: usize) -> [S::D; 2] {
    match anchor {
        None => [s.splat_d(0.0); 2],
        Some((anchor, c)) => {
            let (zero, c) = (s.splat_d(0.0), s.splat_d(c));
            s.widen(anchor[vector]).map(|x| s.fma_d(x, c, zero))
        }
    }
}

/// `Σ c_i x_i` of the rows of a tile and perhaps of the anchor, in f64.
pub(super) struct SumTile<'a> {
    pub terms: &'a [Term],
    pub anchor: Option<AnchorTerm<'a>>,
    pub tile: &'a [Line],
    pub rows: usize,
    pub result: &'a mut [Line],
}

impl Kernel for SumTile<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let tile: &[S::F] = bytemuck::cast_slice(self.tile);
        let strips = tile.chunks_exact(self.rows);
        let anchor = self
            .anchor
            .map(|(lines, c)| (bytemuck::cast_slice(lines), c));
        for (at, (strip, result)) in strips.zip(vectors::<S>(self.result)).enumerate() {
            let mut sum = share_of_anchor(s, anchor, at);
            for &(row, coefficient) in self.terms {
                let x = s.widen(strip[row]);
                let c = s.splat_d(coefficient);
                sum = [s.fma_d(x[0], c, sum[0]), s.fma_d(x[1], c, sum[1])];
            }
            *result = s.narrow(sum);
        }
    }
}

/// `Σ c_i x_i` of the rows of a span, straight from the matrix: in f64, a few rows at a time.
/// False, and nothing done, where the elements of a row do not lie one after the other.
pub(super) struct SumRows<'a, 'x> {
    pub data: &'a Data<'x>,
    pub span: &'a Span,
    pub terms: &'a [Term],
    pub anchor: Option<AnchorTerm<'a>>,
    /// f64 for each column.
    pub sums: &'a mut [Line],
    pub result: &'a mut [Line],
}

/// Rows that are added at a time, so that sums are not read and written for each.
const ROWS: usize = 4;

impl Kernel for SumRows<'_, '_> {
    type Output = bool;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> bool {
        for_element!(self.data, blocks => self.sum(s, blocks))
    }
}

impl SumRows<'_, '_> {
    #[inline(always)]
    fn sum<S: Simd, T: Load>(self, s: S, blocks: &Blocks<'_, Block<'_, T>>) -> bool {
        let block = blocks.get(self.span.block);
        let width = self.span.width();
        let sums: &mut [[S::D; 2]] = bytemuck::cast_slice_mut(self.sums);
        let sums = &mut sums[..width.div_ceil(S::LANES)];
        let anchor = self
            .anchor
            .map(|(lines, c)| (bytemuck::cast_slice(lines), c));
        for (at, sum) in sums.iter_mut().enumerate() {
            *sum = share_of_anchor(s, anchor, at);
        }
        for terms in self.terms.chunks(ROWS) {
            let mut sources = [&[][..]; ROWS];
            let mut coefficients = [s.splat_d(0.0); ROWS];
            for (k, &(row, coefficient)) in terms.iter().enumerate() {
                let Some(source) = block.contiguous(row, self.span.columns.clone()) else {
                    return false;
                };
                (sources[k], coefficients[k]) = (source, s.splat_d(coefficient));
            }
            match terms.len() {
                ROWS => add_four(s, sources, coefficients, sums),
                rows => {
                    for k in 0..rows {
                        add_row(s, sources[k], coefficients[k], sums);
                    }
                }
            }
        }
        for (sum, result) in sums.iter().zip(vectors::<S>(self.result)) {
            *result = s.narrow(*sum);
        }
        true
    }
}

#[inline(always)]
fn add<S: Simd>(s: S, x: S::F, c: S::D, sum: [S::D; 2]) -> [S::D; 2] {
    let [low, high] = s.widen(no_nan(s, x));
    [s.fma_d(low, c, sum[0]), s.fma_d(high, c, sum[1])]
}

/// Adds multiples of four rows of one length.
#[inline(always)]
fn add_four<S: Simd, T: Load>(s: S, rows: [&[T]; 4], c: [S::D; 4], sums: &mut [[S::D; 2]]) {
    let mut r0 = rows[0].chunks_exact(S::LANES);
    let mut r1 = rows[1].chunks_exact(S::LANES);
    let mut r2 = rows[2].chunks_exact(S::LANES);
    let mut r3 = rows[3].chunks_exact(S::LANES);
    let mut sums = sums.iter_mut();
    for ((((x0, x1), x2), x3), sum) in (&mut r0)
        .zip(&mut r1)
        .zip(&mut r2)
        .zip(&mut r3)
        .zip(&mut sums)
    {
        let total = add(s, T::load(s, x0), c[0], *sum);
        let total = add(s, T::load(s, x1), c[1], total);
        let total = add(s, T::load(s, x2), c[2], total);
        *sum = add(s, T::load(s, x3), c[3], total);
    }
    if let Some(sum) = sums.next() {
        for (rest, c) in [r0, r1, r2, r3].into_iter().zip(c) {
            *sum = add(s, load_part(s, rest.remainder()), c, *sum);
        }
    }
}

/// Adds a multiple of a row.
#[inline(always)]
fn add_row<S: Simd, T: Load>(s: S, row: &[T], c: S::D, sums: &mut [[S::D; 2]]) {
    let chunks = row.chunks_exact(S::LANES);
    let rest = chunks.remainder();
    let mut sums = sums.iter_mut();
    for (x, sum) in chunks.zip(&mut sums) {
        *sum = add(s, T::load(s, x), c, *sum);
    }
    if let Some(sum) = sums.next() {
        *sum = add(s, load_part(s, rest), c, *sum);
    }
}

/// Adds each row's squared distance to a result: f32 within the tile.
pub(super) struct Distances<'a> {
    pub tile: &'a [Line],
    pub rows: usize,
    pub result: &'a [Line],
    /// The distance of each row of this tile.
    pub out: &'a mut [f32],
}

impl Kernel for Distances<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let mut row = 0;
        while row + 8 <= self.rows {
            self.block::<S, 8>(s, row);
            row += 8;
        }
        if row + 4 <= self.rows {
            self.block::<S, 4>(s, row);
            row += 4;
        }
        for row in row..self.rows {
            self.block::<S, 1>(s, row);
        }
    }
}

impl Distances<'_> {
    #[inline(always)]
    fn block<S: Simd, const K: usize>(&mut self, s: S, row: usize) {
        let tile: &[S::F] = bytemuck::cast_slice(self.tile);
        let result: &[S::F] = bytemuck::cast_slice(self.result);
        let mut sums = [s.splat(0.0); K];
        for (strip, &centre) in tile.chunks_exact(self.rows).zip(result) {
            if let Some(xs) = strip[row..].first_chunk::<K>() {
                for (sum, &x) in sums.iter_mut().zip(xs) {
                    let difference = s.sub(x, centre);
                    *sum = s.fma(difference, difference, *sum);
                }
            }
        }
        for (out, sum) in self.out[row..].iter_mut().zip(sums) {
            *out = s.reduce_add(sum);
        }
    }
}

/// Are all elements of a tile's row finite?
pub(super) struct TileRowIsFinite<'a> {
    pub tile: &'a [Line],
    pub rows: usize,
    pub row: usize,
}

impl<'a> TileRowIsFinite<'a> {
    /// For a tile of one row.
    pub fn alone(tile: &'a [Line]) -> Self {
        TileRowIsFinite {
            tile,
            rows: 1,
            row: 0,
        }
    }
}

impl Kernel for TileRowIsFinite<'_> {
    type Output = bool;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> bool {
        let tile: &[S::F] = bytemuck::cast_slice(self.tile);
        let mut all = AllFinite::new(s);
        tile.chunks_exact(self.rows)
            .for_each(|strip| all.check(strip[self.row]));
        all.finish()
    }
}
