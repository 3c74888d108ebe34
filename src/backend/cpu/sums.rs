//! Weighted sums of rows, and squared distances of rows to a result.

use super::simd::{Kernel, Simd};
use super::tile::{AllFinite, Line, Load, Span, contiguous, for_element, no_nan, vectors};
use crate::matrix::{Block, Data};

/// A row and its coefficient, which is not 0.
pub(super) type Term = (usize, f64);

/// `Σ c_i x_i` of the rows of a tile, in f64.
pub(super) struct SumTile<'a> {
    pub terms: &'a [Term],
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
        for (strip, result) in strips.zip(vectors::<S>(self.result)) {
            let mut sum = [s.splat_d(0.0); 2];
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
        for_element!(self.data, blocks => self.sum(s, blocks.as_slice()))
    }
}

impl SumRows<'_, '_> {
    #[inline(always)]
    fn sum<S: Simd, T: Load>(self, s: S, blocks: &[Block<'_, T>]) -> bool {
        let block = &blocks[self.span.block];
        let width = self.span.width();
        let sums: &mut [[S::D; 2]] = bytemuck::cast_slice_mut(self.sums);
        let sums = &mut sums[..width.div_ceil(S::LANES)];
        sums.fill([s.splat_d(0.0); 2]);
        for terms in self.terms.chunks(ROWS) {
            let mut sources = [&[][..]; ROWS];
            let mut coefficients = [s.splat_d(0.0); ROWS];
            for (k, &(row, coefficient)) in terms.iter().enumerate() {
                let Some(source) = contiguous(block, row, self.span.columns.clone()) else {
                    return false;
                };
                (sources[k], coefficients[k]) = (source, s.splat_d(coefficient));
            }
            match terms.len() {
                ROWS => add_rows::<S, T, ROWS>(s, sources, coefficients, sums),
                rows => {
                    for k in 0..rows {
                        add_rows(s, [sources[k]], [coefficients[k]], sums);
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

/// Adds multiples of K rows of one length.
#[inline(always)]
fn add_rows<S: Simd, T: Load, const K: usize>(
    s: S,
    rows: [&[T]; K],
    coefficients: [S::D; K],
    sums: &mut [[S::D; 2]],
) {
    let add = |sum: &mut [S::D; 2], xs: [S::F; K]| {
        let mut total = *sum;
        for (x, c) in xs.into_iter().zip(coefficients) {
            let x = s.widen(no_nan(s, x));
            total = [s.fma_d(x[0], c, total[0]), s.fma_d(x[1], c, total[1])];
        }
        *sum = total;
    };
    let whole = rows[0].len() / S::LANES;
    let (sums, rest) = sums.split_at_mut(whole);
    let mut chunks = rows.map(|row| row.chunks_exact(S::LANES));
    for sum in sums {
        let mut xs = [s.splat(0.0); K];
        for (x, chunks) in xs.iter_mut().zip(&mut chunks) {
            if let Some(chunk) = chunks.next() {
                *x = T::load(s, chunk);
            }
        }
        add(sum, xs);
    }
    if let Some(sum) = rest.first_mut() {
        add(sum, chunks.map(|chunks| super::tile::load_part(s, chunks.remainder())));
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

impl Kernel for TileRowIsFinite<'_> {
    type Output = bool;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> bool {
        let tile: &[S::F] = bytemuck::cast_slice(self.tile);
        let mut all = AllFinite::new(s);
        tile.chunks_exact(self.rows).for_each(|strip| all.check(strip[self.row]));
        all.finish()
    }
}

