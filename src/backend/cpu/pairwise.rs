//! The primitive `pairwise`: inner products of the rows, centred on their coordinate-wise median.

use super::Context;
use super::order::{Finish, On, Order};
use super::policy::{self, GROUP};
use super::products::Products;
use super::scratch::{Scratch, Sizes, Weights};
use super::segments::{Segment, Segments, Sink};
use super::simd::{Isa, Kernel, Simd};
use super::sums::TileRowIsFinite;
use super::tile::{Line, LoadTile, RowIsFinite, Span, load_anchor, vectors};
use super::weighted::{self, Weighted};
use crate::Shape;
use crate::matrix::{Data, HostAnchor};
use crate::network::Network;
use crate::plan::{Arena, CLASS_BAD, CLASS_FAR, CLASS_FINITE, Pairwise, Statistic, Ties};

/// The matrix, and the anchor.
type Operands<'a, 'o> = (&'a Data<'a>, &'a HostAnchor<'a, 'o>);

/// A `pairwise` step, ready to run.
#[derive(Debug)]
pub(super) struct PairwisePlan {
    step: Pairwise,
    n: usize,
    /// Rows with the anchors.
    rows: usize,
    tile: usize,
    order: Order,
    /// Sorts, for the weighted median.
    network: Option<Network>,
    pub segments: Segments,
}

impl PairwisePlan {
    pub fn new(step: &Pairwise, shape: &Shape, isa: Isa, sizes: &mut Sizes) -> Self {
        let n = shape.n();
        let rows = n + step.anchors.count();
        let tile = policy::pairwise_tile(isa.lanes());
        let order = Order::new(isa, n, Finish::Median(Ties::Midpoint));
        sizes.tile.grow(rows * tile);
        sizes.result.grow(tile);
        sizes.keys.grow(order.work());
        sizes.rows.grow(n);
        if step.anchors.given {
            sizes.anchor.grow(tile);
        }
        if step.weights.is_some() {
            sizes.keys.grow(n * GROUP * 16);
            sizes.values.grow(n * GROUP * 16);
        }
        PairwisePlan {
            step: *step,
            n,
            rows,
            tile,
            order,
            network: step.weights.map(|_| Network::sort(n)),
            segments: Segments::new(shape, rows * rows + rows),
        }
    }

    pub fn bytes(&self) -> usize {
        let network = self
            .network
            .as_ref()
            .map_or(0, |n| size_of_val(n.comparators()));
        self.order.bytes() + network + self.segments.bytes()
    }

    pub fn run(
        &self,
        context: &Context<'_>,
        partials: &mut [f64],
        data: Operands<'_, '_>,
        arena: &mut Arena,
    ) {
        for wave in &self.segments.waves {
            let shared = &*arena;
            self.segments.run(
                context,
                wave,
                partials,
                Sink::None,
                &|segment, partial, _, scratch| {
                    let weights = self
                        .step
                        .weights
                        .map(|slot| shared.get(segment.problem, slot));
                    self.segment(context.isa, data, weights, segment, partial, scratch);
                },
            );
            for (problem, segments) in self.segments.problems(wave) {
                let out = &mut arena.problem_mut(problem)[self.step.out.range()];
                let size = self.segments.partial;
                finish(
                    self.rows,
                    &partials[segments.start * size..segments.end * size],
                    out,
                );
            }
        }
    }

    fn segment(
        &self,
        isa: Isa,
        (data, given): Operands<'_, '_>,
        weights: Option<&[f64]>,
        segment: &Segment,
        partial: &mut [f64],
        scratch: &mut Scratch,
    ) {
        let (sums, classes) = partial.split_at_mut(self.rows * self.rows);
        let Scratch {
            tile,
            result,
            keys,
            values,
            weights: integers,
            needed,
            anchor,
            ..
        } = scratch;
        if let Some(weights) = weights {
            integers.fill(weights);
            for (class, &weight) in classes.iter_mut().zip(weights) {
                *class = if weight == 0.0 {
                    CLASS_BAD
                } else {
                    CLASS_FINITE
                };
            }
        }
        needed.clear();
        needed.extend((0..self.n).filter(|&row| weights.is_none_or(|weights| weights[row] > 0.0)));
        if needed.len() < self.n {
            // What is not read must be something, of weight 0.
            tile.fill(Line::INFINITY);
        }
        for span in self.segments.spans(segment, self.tile) {
            let tile = &mut tile[..span.lines() * self.rows];
            let result = &mut result[..span.lines()];
            isa.run(LoadTile {
                data,
                span: &span,
                needed,
                rows: self.rows,
                tile,
            });
            let on = On {
                tile,
                rows: self.rows,
                work: keys,
                result,
            };
            match &self.network {
                None => self.order.run(isa, on),
                Some(network) => {
                    let Weights {
                        integers, total, ..
                    } = integers;
                    isa.run(weighted_median(network, integers, *total, on, values));
                }
            }
            let anchor = match self.step.anchors.given {
                true => load_anchor(anchor, &span, |to| {
                    given.load(span.block, span.block_start, span.columns.clone(), to);
                }),
                false => &[],
            };
            isa.run(Centre {
                tile,
                n: self.n,
                rows: self.rows,
                centre: result,
                anchor,
            });
            isa.run(Products {
                tile,
                rows: self.rows,
                sums,
            });
            self.classify(isa, data, &span, sums, classes);
            let row = self.rows - 1;
            let suspect = !sums[row * self.rows + row].is_finite() && !anchor.is_empty();
            if suspect && !isa.run(TileRowIsFinite::alone(anchor)) {
                classes[row] = CLASS_BAD;
            }
        }
    }

    /// Finds out why a row's products are not finite: an element that is not, or a long row.
    fn classify(&self, isa: Isa, data: &Data<'_>, span: &Span, sums: &[f64], classes: &mut [f64]) {
        for (row, class) in classes.iter_mut().enumerate().take(self.n) {
            let suspect = !sums[row * self.rows + row].is_finite() && *class != CLASS_BAD;
            if suspect && !isa.run(RowIsFinite { data, span, row }) {
                *class = CLASS_BAD;
            }
        }
    }
}

fn weighted_median<'a>(
    network: &'a Network,
    weights: &'a [i32],
    total: i32,
    on: On<'a>,
    values: &'a mut [Line],
) -> Weighted<'a> {
    Weighted {
        finish: weighted::Finish::new(Statistic::Median(Ties::Midpoint), weights.len(), total),
        comparators: network.comparators(),
        weights,
        total,
        tile: on.tile,
        rows: on.rows,
        keys: on.work,
        values,
        result: on.result,
    }
}

/// Subtracts the centre from each row; a centre that is not finite counts as 0. Behind the n rows are
/// the origin, if there is one, and the anchor, if its columns are given.
struct Centre<'a> {
    tile: &'a mut [Line],
    n: usize,
    rows: usize,
    centre: &'a [Line],
    anchor: &'a [Line],
}

impl Kernel for Centre<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let centre: &[S::F] = bytemuck::cast_slice(self.centre);
        let anchor: &[S::F] = bytemuck::cast_slice(self.anchor);
        let strips = vectors::<S>(self.tile).chunks_exact_mut(self.rows);
        for (at, (strip, &m)) in strips.zip(centre).enumerate() {
            let zero = s.splat(0.0);
            // m − m is 0 only for a finite m.
            let is_finite = s.lt(s.sub(m, m), s.splat(1.0));
            let m = s.select(is_finite, m, zero);
            let (rows, anchors) = strip.split_at_mut(self.n);
            rows.iter_mut().for_each(|x| *x = s.sub(*x, m));
            anchors.iter_mut().for_each(|x| *x = s.sub(zero, m));
            if let (Some(last), Some(&given)) = (anchors.last_mut(), anchor.get(at)) {
                *last = s.sub(given, m);
            }
        }
    }
}

/// Adds up the segments of a problem, in order.
fn finish(rows: usize, partials: &[f64], out: &mut [f64]) {
    out.fill(0.0);
    let (gram, classes) = out.split_at_mut(rows * rows);
    for partial in partials.chunks_exact(rows * rows + rows) {
        let (sums, of) = partial.split_at(rows * rows);
        for i in 0..rows {
            let range = i * rows + i..(i + 1) * rows;
            for (out, sum) in gram[range.clone()].iter_mut().zip(&sums[range]) {
                *out += sum;
            }
            classes[i] = classes[i].max(of[i]);
        }
    }
    for i in 0..rows {
        if !(gram[i * rows + i] <= f64::from(f32::MAX)) {
            classes[i] = classes[i].max(CLASS_FAR);
        }
    }
    for i in 0..rows {
        for j in i..rows {
            if classes[i] != CLASS_FINITE || classes[j] != CLASS_FINITE {
                gram[i * rows + j] = if i == j { f64::INFINITY } else { 0.0 };
            }
            gram[j * rows + i] = gram[i * rows + j];
        }
    }
}
