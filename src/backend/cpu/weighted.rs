//! Order statistics of the rows with weights: each value carries its weight through the network.
//!
//! Weights are integers with a sum of at most 2³⁰, so that which value passes half of the weight is
//! decided exactly.

use super::order::median;
use super::policy::GROUP;
use super::simd::{Kernel, Simd};
use super::tile::{Line, vectors};
use crate::network::Comparator;
use crate::plan::{Statistic, Ties, Trim};

/// What becomes of sorted values with weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Finish {
    Median(Ties),
    /// The mean of the weight between `cut` and `total − cut`.
    Trimmed {
        cut: f64,
        kept: f64,
        /// The greatest cumulative weight that counts as `cut` or less.
        outside: i32,
        /// The least one that counts as `total − cut` or more.
        beyond: i32,
    },
}

impl Finish {
    /// For n rows of some total weight. No other statistic than the two has weights and an order.
    pub fn new(statistic: Statistic, n: usize, total: i32) -> Self {
        match statistic {
            Statistic::Median(ties) => Finish::Median(ties),
            Statistic::TrimmedMean(trim) => Finish::trimmed(trim, n, total),
            Statistic::Mean | Statistic::MeanAroundMedian { .. } => Finish::Median(Ties::Midpoint),
        }
    }

    fn trimmed(trim: Trim, n: usize, total: i32) -> Self {
        let total_weight = f64::from(total);
        let cut = trim.cut(n, total_weight);
        let tolerance = 1e-9 * total_weight;
        let outside = (cut + tolerance).floor() as i32;
        let beyond = (total_weight - cut - tolerance).ceil() as i32;
        let kept = total_weight - 2.0 * cut;
        if outside >= beyond {
            // Nothing is left between the cuts: the limit is the middle.
            return Finish::Median(Ties::Midpoint);
        }
        Finish::Trimmed {
            cut,
            kept,
            outside,
            beyond,
        }
    }
}

/// One result for each strip of a tile.
pub(super) struct Weighted<'a> {
    pub finish: Finish,
    /// A network that sorts.
    pub comparators: &'a [Comparator],
    /// One for each row of the tile.
    pub weights: &'a [i32],
    pub total: i32,
    pub tile: &'a [Line],
    pub rows: usize,
    pub keys: &'a mut [Line],
    pub values: &'a mut [Line],
    pub result: &'a mut [Line],
}

impl Kernel for Weighted<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let n = self.weights.len();
        let tile: &[S::F] = bytemuck::cast_slice(self.tile);
        let (keys, _) = vectors::<S>(self.keys).as_chunks_mut::<GROUP>();
        let values: &mut [S::I] = bytemuck::cast_slice_mut(self.values);
        let (values, _) = values.as_chunks_mut::<GROUP>();
        let (keys, values) = (&mut keys[..n], &mut values[..n]);
        let results = vectors::<S>(self.result).chunks_mut(GROUP);
        for (strips, results) in tile.chunks(GROUP * self.rows).zip(results) {
            for (k, strip) in strips.chunks_exact(self.rows).enumerate() {
                for (key, &x) in keys.iter_mut().zip(strip) {
                    key[k] = x;
                }
            }
            for (value, &weight) in values.iter_mut().zip(self.weights) {
                *value = [s.splat_i(weight); GROUP];
            }
            for comparator in self.comparators {
                let (low, high) = (comparator.low as usize, comparator.high as usize);
                let (a, b) = (keys[low], keys[high]);
                let (wa, wb) = (values[low], values[high]);
                for k in 0..GROUP {
                    let swap = s.lt(b[k], a[k]);
                    keys[low][k] = s.min(a[k], b[k]);
                    keys[high][k] = s.max(a[k], b[k]);
                    values[low][k] = s.select_i(swap, wb[k], wa[k]);
                    values[high][k] = s.select_i(swap, wa[k], wb[k]);
                }
            }
            for (k, result) in results.iter_mut().enumerate() {
                *result = finish(
                    s,
                    self.finish,
                    self.total,
                    n,
                    #[inline(always)]
                    |i| (keys[i][k], values[i][k]),
                );
            }
        }
    }
}

/// The result, given the sorted values and their weights.
#[inline(always)]
fn finish<S: Simd>(
    s: S,
    finish: Finish,
    total: i32,
    n: usize,
    row: impl Fn(usize) -> (S::F, S::I),
) -> S::F {
    let mut sum = s.splat_i(0);
    match finish {
        Finish::Median(ties) => {
            // The least value whose cumulative weight reaches half of the total; or exceeds it.
            let (reach, exceed) = (s.splat_i((total - 1) / 2), s.splat_i(total / 2));
            let infinity = s.splat(f32::INFINITY);
            let (mut low, mut high) = (infinity, infinity);
            for i in 0..n {
                let (x, weight) = row(i);
                sum = s.add_i(sum, weight);
                low = s.min(low, s.select(s.gt_i(sum, reach), x, infinity));
                high = s.min(high, s.select(s.gt_i(sum, exceed), x, infinity));
            }
            median(s, ties, low, high)
        }
        Finish::Trimmed {
            cut,
            kept,
            outside,
            beyond,
        } => {
            let (zero, nothing) = (s.splat_i(0), s.splat_d(0.0));
            let bounds = Bounds {
                cut: s.splat_d(cut),
                kept: s.splat_d(kept),
                outside: s.splat_i(outside),
                beyond: s.splat_i(beyond),
                total: s.splat_i(total),
            };
            let mut below = [nothing; 2];
            let mut mean = [nothing; 2];
            for i in 0..n {
                let (x, weight) = row(i);
                // A value without a share may be infinite and is not to be multiplied.
                let x = s.select(s.gt_i(bounds.beyond, sum), x, s.splat(0.0));
                sum = s.add_i(sum, weight);
                let x = s.select(s.gt_i(sum, bounds.outside), x, s.splat(0.0));
                let x = s.widen(s.select(s.gt_i(weight, zero), x, s.splat(0.0)));
                let next = bounds.kept_below(s, sum);
                for h in 0..2 {
                    mean[h] = s.fma_d(x[h], s.sub_d(next[h], below[h]), mean[h]);
                }
                below = next;
            }
            let scale = s.splat_d(1.0 / kept);
            s.narrow([
                s.fma_d(mean[0], scale, nothing),
                s.fma_d(mean[1], scale, nothing),
            ])
        }
    }
}

/// The numbers of [`Finish::Trimmed`] in all lanes.
struct Bounds<S: Simd> {
    cut: S::D,
    kept: S::D,
    outside: S::I,
    beyond: S::I,
    total: S::I,
}

impl<S: Simd> Bounds<S> {
    /// How much of the kept weight lies below a cumulative weight.
    #[inline(always)]
    fn kept_below(&self, s: S, sum: S::I) -> [S::D; 2] {
        let sum = s.select_i(s.gt_i(sum, self.outside), sum, s.splat_i(0));
        let sum = s.select_i(s.gt_i(self.beyond, sum), sum, self.total);
        let mut below = s.widen_i(sum);
        for below in &mut below {
            let inside = s.max_d(s.sub_d(*below, self.cut), s.splat_d(0.0));
            *below = s.min_d(inside, self.kept);
        }
        below
    }
}
