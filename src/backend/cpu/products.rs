//! Inner products of all pairs of rows of a tile.

use super::simd::{Kernel, Simd};
use super::tile::Line;

/// Adds the inner products of the rows of a tile to the upper triangle of a matrix.
///
/// Blocks of rows by rows, as large as the registers allow, over all strips of the tile: f32 sums
/// of as many terms as there are strips, then f64.
pub(super) struct Products<'a> {
    pub tile: &'a [Line],
    pub rows: usize,
    /// rows × rows.
    pub sums: &'a mut [f64],
}

impl Kernel for Products<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        // Blocks of nearly equal size, the larger ones first: few combinations, no padding.
        let rows = self.rows;
        let count = rows.div_ceil(S::BLOCK);
        let start = |block: usize| block * (rows / count) + block.min(rows % count);
        for a in 0..count {
            let (i, p) = (start(a), start(a + 1) - start(a));
            match p {
                1 => self.triangle::<S, 1>(s, i),
                2 => self.triangle::<S, 2>(s, i),
                3 => self.triangle::<S, 3>(s, i),
                4 => self.triangle::<S, 4>(s, i),
                _ => self.triangle::<S, 5>(s, i),
            }
            for b in a + 1..count {
                let (j, q) = (start(b), start(b + 1) - start(b));
                match (p, q) {
                    (2, _) => self.rectangle::<S, 2, 2>(s, i, j),
                    (3, 2) => self.rectangle::<S, 3, 2>(s, i, j),
                    (3, _) => self.rectangle::<S, 3, 3>(s, i, j),
                    (4, 3) => self.rectangle::<S, 4, 3>(s, i, j),
                    (4, _) => self.rectangle::<S, 4, 4>(s, i, j),
                    (_, 4) => self.rectangle::<S, 5, 4>(s, i, j),
                    _ => self.rectangle::<S, 5, 5>(s, i, j),
                }
            }
        }
    }
}

/// What is summed over the columns for a pair of rows.
#[derive(Clone, Copy)]
pub(super) enum Term {
    /// Their product: the same bits as [`Products`].
    Product,
    /// The square of their difference.
    Square,
}

/// Sums over a tile for one row and each of the first `count` rows.
pub(super) struct RowSums<'a> {
    pub tile: &'a [Line],
    pub rows: usize,
    pub row: usize,
    pub count: usize,
    pub term: Term,
    /// Replaced, one for each of these rows.
    pub sums: &'a mut [f64],
}

impl Kernel for RowSums<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        match self.term {
            Term::Product => self.all(s, |a, b, sum| s.fma(a, b, sum)),
            Term::Square => self.all(s, |a, b, sum| {
                let difference = s.sub(a, b);
                s.fma(difference, difference, sum)
            }),
        }
    }
}

impl RowSums<'_> {
    #[inline(always)]
    fn all<S: Simd>(&mut self, s: S, add: impl Fn(S::F, S::F, S::F) -> S::F + Copy) {
        // Eight sums are enough to wait for none, and fit any registers.
        let mut at = 0;
        while at + 8 <= self.count {
            self.block::<S, 8>(s, at, add);
            at += 8;
        }
        while at < self.count {
            self.block::<S, 1>(s, at, add);
            at += 1;
        }
    }

    #[inline(always)]
    fn block<S: Simd, const Q: usize>(
        &mut self,
        s: S,
        j: usize,
        add: impl Fn(S::F, S::F, S::F) -> S::F,
    ) {
        let tile: &[S::F] = bytemuck::cast_slice(self.tile);
        let mut sums = [s.splat(0.0); Q];
        for strip in tile.chunks_exact(self.rows) {
            let Some(b) = strip[j..].first_chunk::<Q>() else {
                return;
            };
            let a = strip[self.row];
            for q in 0..Q {
                sums[q] = add(a, b[q], sums[q]);
            }
        }
        for (out, sum) in self.sums[j..].iter_mut().zip(sums) {
            *out = f64::from(s.reduce_add(sum));
        }
    }
}

impl Products<'_> {
    #[inline(always)]
    fn rectangle<S: Simd, const P: usize, const Q: usize>(&mut self, s: S, i: usize, j: usize) {
        if P > S::BLOCK {
            return;
        }
        let tile: &[S::F] = bytemuck::cast_slice(self.tile);
        let mut sums = [[s.splat(0.0); Q]; P];
        for strip in tile.chunks_exact(self.rows) {
            let (Some(a), Some(b)) = (strip[i..].first_chunk::<P>(), strip[j..].first_chunk::<Q>())
            else {
                return;
            };
            for p in 0..P {
                for q in 0..Q {
                    sums[p][q] = s.fma(a[p], b[q], sums[p][q]);
                }
            }
        }
        for (p, sums) in sums.into_iter().enumerate() {
            let out = &mut self.sums[(i + p) * self.rows + j..][..Q];
            for (out, sum) in out.iter_mut().zip(sums) {
                *out += f64::from(s.reduce_add(sum));
            }
        }
    }

    #[inline(always)]
    fn triangle<S: Simd, const P: usize>(&mut self, s: S, i: usize) {
        if P > S::BLOCK {
            return;
        }
        let tile: &[S::F] = bytemuck::cast_slice(self.tile);
        let mut sums = [[s.splat(0.0); P]; P];
        for strip in tile.chunks_exact(self.rows) {
            let Some(a) = strip[i..].first_chunk::<P>() else {
                return;
            };
            for p in 0..P {
                for q in p..P {
                    sums[p][q] = s.fma(a[p], a[q], sums[p][q]);
                }
            }
        }
        // One index for both factors.
        #[allow(clippy::needless_range_loop)]
        for p in 0..P {
            for q in p..P {
                self.sums[(i + p) * self.rows + i + q] += f64::from(s.reduce_add(sums[p][q]));
            }
        }
    }
}
