//! Mixing: `Y = M · X` on a tile, for an n'×n matrix M.
//!
//! A dense M runs as a small matrix product: blocks of rows of Y by two strips, in registers. A
//! sparse one (clipping, bucketing) runs row by row over its non-zero coefficients. A coefficient 0
//! must not meet a NaN or an infinity, so the dense way leaves out the rows of X that nothing uses,
//! and a tile in which a row that is used is not finite goes the sparse way.

use super::simd::{Isa, Kernel, Simd};
use super::sums::TileRowIsFinite;
use super::tile::{Line, no_nan, vectors};

/// Rows of Y in a block, at most.
const BLOCK: usize = 12;

/// A mixing matrix, made ready for the kernels: memory allocated once, filled for every problem.
#[derive(Debug)]
pub(super) struct Mixing {
    rows: usize,
    inputs: usize,
    /// The non-zero coefficients of each row, and where each row's begin.
    sparse: Vec<(u32, f32)>,
    starts: Vec<usize>,
    /// Rows of X that are used.
    used: Vec<u32>,
    /// Block by block: for each used row of X, the coefficients of the block's rows.
    dense: Vec<f32>,
    block: usize,
    is_dense: bool,
}

impl Mixing {
    pub fn new(rows: usize, inputs: usize, isa: Isa) -> Self {
        let most = match isa {
            Isa::Portable(_) => 4,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2(_) => 6,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512(_) => BLOCK,
        };
        let block = rows.div_ceil(rows.div_ceil(most));
        Mixing {
            rows,
            inputs,
            sparse: Vec::with_capacity(rows * inputs),
            starts: Vec::with_capacity(rows + 1),
            used: Vec::with_capacity(inputs),
            dense: Vec::with_capacity(rows.next_multiple_of(block) * inputs),
            block,
            is_dense: false,
        }
    }

    pub fn bytes(&self) -> usize {
        self.sparse.capacity() * size_of::<(u32, f32)>()
            + self.starts.capacity() * size_of::<usize>()
            + (self.used.capacity() + self.dense.capacity()) * 4
    }

    /// Takes over a matrix, row after row.
    pub fn fill(&mut self, matrix: &[f64]) {
        self.sparse.clear();
        self.starts.clear();
        self.used.clear();
        self.dense.clear();
        for row in matrix.chunks_exact(self.inputs) {
            self.starts.push(self.sparse.len());
            let nonzero = row.iter().enumerate().filter(|&(_, &c)| c != 0.0);
            self.sparse
                .extend(nonzero.map(|(j, &c)| (j as u32, c as f32)));
        }
        self.starts.push(self.sparse.len());
        let is_used = |&j: &usize| matrix[j..].iter().step_by(self.inputs).any(|&c| c != 0.0);
        self.used
            .extend((0..self.inputs).filter(is_used).map(|j| j as u32));
        // A multiply-add of the sparse way costs about three of the dense way.
        self.is_dense = self.sparse.len() * 3 > self.rows * self.used.len();
        if self.is_dense {
            for first in (0..self.rows).step_by(self.block) {
                for &j in &self.used {
                    let coefficient = |i: usize| matrix.get(i * self.inputs + j as usize);
                    let block = first..first + self.block;
                    self.dense
                        .extend(block.map(|i| coefficient(i).map_or(0.0, |&c| c as f32)));
                }
            }
        }
    }

    /// Rows of X that are used.
    pub fn used(&self) -> impl Iterator<Item = usize> + '_ {
        self.used.iter().map(|&j| j as usize)
    }

    /// Mixes the first `inputs` rows of a tile of that many rows.
    pub fn run(&self, isa: Isa, tile: &[Line], mixed: &mut [Line]) {
        if self.is_dense {
            isa.run(Dense {
                mixing: self,
                tile,
                mixed,
            });
            // What is not finite in X shows in every row of Y, be it 0 times infinity.
            if isa.run(TileRowIsFinite {
                tile: mixed,
                rows: self.rows,
                row: 0,
            }) {
                return;
            }
        }
        isa.run(Sparse {
            mixing: self,
            tile,
            mixed,
        });
    }
}

struct Dense<'a> {
    mixing: &'a Mixing,
    tile: &'a [Line],
    mixed: &'a mut [Line],
}

impl Kernel for Dense<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        match self.mixing.block {
            1 => self.blocks::<S, 1>(s),
            2 => self.blocks::<S, 2>(s),
            3 => self.blocks::<S, 3>(s),
            4 => self.blocks::<S, 4>(s),
            5 => self.blocks::<S, 5>(s),
            6 => self.blocks::<S, 6>(s),
            7 => self.blocks::<S, 7>(s),
            8 => self.blocks::<S, 8>(s),
            9 => self.blocks::<S, 9>(s),
            10 => self.blocks::<S, 10>(s),
            11 => self.blocks::<S, 11>(s),
            _ => self.blocks::<S, BLOCK>(s),
        }
    }
}

impl Dense<'_> {
    #[inline(always)]
    fn blocks<S: Simd, const P: usize>(self, s: S) {
        let Mixing { rows, inputs, .. } = *self.mixing;
        let tile: &[S::F] = bytemuck::cast_slice(self.tile);
        let mixed = vectors::<S>(self.mixed);
        let used = &self.mixing.used[..];
        let (coefficients, _) = self.mixing.dense.as_chunks::<P>();
        for (tile, mixed) in tile.chunks(2 * inputs).zip(mixed.chunks_mut(2 * rows)) {
            let (left, right) = tile.split_at(inputs);
            // The last strip may have no partner.
            let right = if right.is_empty() { left } else { right };
            for (block, coefficients) in coefficients.chunks_exact(used.len()).enumerate() {
                let mut sums = [[s.splat(0.0); 2]; P];
                for (coefficients, &j) in coefficients.iter().zip(used) {
                    let (a, b) = (left[j as usize], right[j as usize]);
                    for i in 0..P {
                        let c = s.splat(coefficients[i]);
                        sums[i] = [s.fma(a, c, sums[i][0]), s.fma(b, c, sums[i][1])];
                    }
                }
                let height = P.min(rows - block * P);
                for (k, strip) in mixed.chunks_exact_mut(rows).enumerate() {
                    let out = &mut strip[block * P..][..height];
                    for i in 0..P {
                        if let Some(out) = out.get_mut(i) {
                            *out = no_nan(s, sums[i][k]);
                        }
                    }
                }
            }
        }
    }
}

struct Sparse<'a> {
    mixing: &'a Mixing,
    tile: &'a [Line],
    mixed: &'a mut [Line],
}

impl Kernel for Sparse<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Mixing { rows, inputs, .. } = *self.mixing;
        let tile: &[S::F] = bytemuck::cast_slice(self.tile);
        let mixed = vectors::<S>(self.mixed);
        for (strip, mixed) in tile.chunks_exact(inputs).zip(mixed.chunks_exact_mut(rows)) {
            for (out, bounds) in mixed.iter_mut().zip(self.mixing.starts.windows(2)) {
                let mut sum = s.splat(0.0);
                for &(j, c) in &self.mixing.sparse[bounds[0]..bounds[1]] {
                    sum = s.fma(strip[j as usize], s.splat(c), sum);
                }
                *out = no_nan(s, sum);
            }
        }
    }
}
