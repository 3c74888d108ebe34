//! The primitive `pairwise`: inner products of the rows, centred on their coordinate-wise median.

use super::order::{Finish, On, Order};
use super::policy::{self, GROUP};
use super::products::{Products, RowSums, Term};
use super::scratch::{Scratch, Sizes, Weights};
use super::segments::{Cursor, Segment, Segments, Sink};
use super::simd::{Isa, Kernel, Simd};
use super::sums::TileRowIsFinite;
use super::tile::{Line, LoadTile, RowIsFinite, Span, load_anchor, vectors};
use super::weighted::{self, Weighted};
use super::{Context, WriteResult};
use crate::Shape;
use crate::matrix::{Data, HostAnchor};
use crate::network::Network;
use crate::plan::{Arena, CLASS_BAD, CLASS_FAR, CLASS_FINITE, Pairwise, Statistic, Ties};

/// The matrix, and the anchor.
pub(super) type Operands<'a, 'o> = (&'a Data<'a>, &'a HostAnchor<'a, 'o>);

/// A `pairwise` step, ready to run.
#[derive(Debug)]
pub(super) struct PairwisePlan {
    pub step: Pairwise,
    pub n: usize,
    /// Rows with the anchors.
    pub rows: usize,
    pub tile: usize,
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
        if step.keep {
            sizes.pairs.grow(rows);
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

    /// Computes all products, of those problems that `wanted` says, and writes the centre to `keep`, if
    /// there is one: a number for each column.
    pub fn run(
        &self,
        context: &Context<'_>,
        partials: &mut [f64],
        operands: Operands<'_, '_>,
        arena: &mut Arena,
        keep: Option<&mut [f32]>,
        wanted: impl Fn(usize) -> bool + Sync,
    ) {
        let mut centre = keep.map(|centre| [centre]);
        let mut rest = match &mut centre {
            Some(centre) => Sink::F32(Cursor::new(centre)),
            None => Sink::None,
        };
        for wave in &self.segments.waves {
            let sink;
            (sink, rest) = rest.split_at(self.segments.columns(wave));
            let shared = &*arena;
            self.segments.run(
                context,
                wave,
                partials,
                sink,
                &|segment, partial, sink, scratch| {
                    if wanted(segment.problem) {
                        let weights = self.weights(shared, segment.problem);
                        self.segment(
                            context.isa,
                            operands,
                            weights,
                            segment,
                            partial,
                            sink,
                            scratch,
                        );
                    }
                },
            );
            for (problem, segments) in self.segments.problems(wave) {
                if !wanted(problem) {
                    continue;
                }
                let out = &mut arena.problem_mut(problem)[self.step.out.range()];
                let size = self.segments.partial;
                finish(
                    self.rows,
                    &partials[segments.start * size..segments.end * size],
                    out,
                    self.step.keep,
                );
            }
        }
    }

    pub fn weights<'a>(&self, arena: &'a Arena, problem: usize) -> Option<&'a [f64]> {
        self.step.weights.map(|slot| arena.get(problem, slot))
    }

    #[allow(clippy::too_many_arguments)]
    fn segment(
        &self,
        isa: Isa,
        operands: Operands<'_, '_>,
        weights: Option<&[f64]>,
        segment: &Segment,
        partial: &mut [f64],
        mut sink: Sink<'_, '_>,
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
            pairs,
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
            let source = self.load(isa, operands, &span, needed, tile, anchor);
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
            if self.step.keep {
                for row in 0..self.rows {
                    self.squares(isa, tile, row, pairs);
                    for (j, square) in pairs[..row].iter().enumerate() {
                        sums[row * self.rows + j] += square;
                    }
                }
            }
            isa.run(WriteResult {
                sink: &mut sink,
                result,
                width: span.width(),
            });
            isa.run(Centre {
                tile,
                rows: self.rows,
                centre: result,
            });
            isa.run(Products {
                tile,
                rows: self.rows,
                sums,
            });
            for row in (0..self.n).chain(self.step.anchors.given_at(self.n)) {
                self.classify(isa, &source, sums, row, &mut classes[row]);
            }
        }
    }

    /// A tile's rows and anchors, and where they are from.
    pub fn load<'a, 'x>(
        &self,
        isa: Isa,
        (data, given): Operands<'x, '_>,
        span: &'a Span,
        needed: &[usize],
        tile: &mut [Line],
        anchor: &'a mut [Line],
    ) -> Source<'a, 'x>
    where
        'x: 'a,
    {
        isa.run(LoadTile {
            data,
            span,
            needed,
            rows: self.rows,
            tile,
        });
        let anchor: &[Line] = match self.step.anchors.given {
            true => load_anchor(anchor, span, |to| {
                given.load(span.block, span.block_start, span.columns.clone(), to);
            }),
            false => &[],
        };
        isa.run(PlaceAnchors {
            tile,
            n: self.n,
            rows: self.rows,
            anchor,
        });
        Source { data, span, anchor }
    }

    /// A point's squared distances to all, over a tile that is not centred yet.
    pub fn squares(&self, isa: Isa, tile: &[Line], row: usize, squares: &mut [f64]) {
        isa.run(RowSums {
            tile,
            rows: self.rows,
            row,
            count: self.rows,
            term: Term::Square,
            sums: squares,
        });
    }

    /// Finds out why the products of a row, or of the anchor, are not finite: an element that is not, or
    /// a long row.
    pub fn classify(
        &self,
        isa: Isa,
        source: &Source<'_, '_>,
        sums: &[f64],
        row: usize,
        class: &mut f64,
    ) {
        let suspect = !sums[row * self.rows + row].is_finite() && *class != CLASS_BAD;
        if suspect && !source.is_finite(isa, row, self.n) {
            *class = CLASS_BAD;
        }
    }
}

/// Some columns of the matrix and of the anchor.
pub(super) struct Source<'a, 'x> {
    data: &'a Data<'x>,
    span: &'a Span,
    /// Empty without an anchor.
    anchor: &'a [Line],
}

impl Source<'_, '_> {
    /// Are a row's elements, behind the n rows the anchor's?
    fn is_finite(&self, isa: Isa, row: usize, n: usize) -> bool {
        let Source { data, span, anchor } = *self;
        match row < n {
            true => isa.run(RowIsFinite { data, span, row }),
            false => isa.run(TileRowIsFinite::alone(anchor)),
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

/// Puts the points behind the n rows: the origin, if there is one, and the anchor, if its columns are given.
struct PlaceAnchors<'a> {
    tile: &'a mut [Line],
    n: usize,
    rows: usize,
    anchor: &'a [Line],
}

impl Kernel for PlaceAnchors<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        if self.n == self.rows {
            return;
        }
        let anchor: &[S::F] = bytemuck::cast_slice(self.anchor);
        let strips = vectors::<S>(self.tile).chunks_exact_mut(self.rows);
        for (at, strip) in strips.enumerate() {
            let anchors = &mut strip[self.n..];
            anchors.fill(s.splat(0.0));
            if let (Some(last), Some(&given)) = (anchors.last_mut(), anchor.get(at)) {
                *last = given;
            }
        }
    }
}

/// Subtracts the centre from each point; a centre that is not finite counts as 0.
pub(super) struct Centre<'a> {
    pub tile: &'a mut [Line],
    pub rows: usize,
    pub centre: &'a [Line],
}

impl Kernel for Centre<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let centre: &[S::F] = bytemuck::cast_slice(self.centre);
        let strips = vectors::<S>(self.tile).chunks_exact_mut(self.rows);
        for (strip, &m) in strips.zip(centre) {
            // m − m is 0 only for a finite m.
            let is_finite = s.lt(s.sub(m, m), s.splat(1.0));
            let m = s.select(is_finite, m, s.splat(0.0));
            strip.iter_mut().for_each(|x| *x = s.sub(*x, m));
        }
    }
}

/// The inner product of two rows that lasts while the median moves away from the centre.
///
/// Of rows nearer to each other than to the centre it is the one that makes their squared distance come out
/// right, `G_ii + G_jj − 2 G_ij`: a product is only as exact as their squared distances to the centre. Of
/// others the product is better: the square of a long row's distance would be as inexact as that row is long.
pub(super) fn lasting(own: f64, other: f64, product: f64, square: f64) -> f64 {
    match square * square <= own * other {
        true => 0.5 * (own + other - square),
        false => product,
    }
}

/// Adds up the segments of a problem, in order. With `keep` the numbers below the diagonal are squared
/// distances.
fn finish(rows: usize, partials: &[f64], out: &mut [f64], keep: bool) {
    out.fill(0.0);
    let (gram, classes) = out.split_at_mut(rows * rows);
    for partial in partials.chunks_exact(rows * rows + rows) {
        let (sums, of) = partial.split_at(rows * rows);
        for i in 0..rows {
            let first = if keep { 0 } else { i };
            let range = i * rows + first..(i + 1) * rows;
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
            if keep && i < j {
                let (own, other) = (gram[i * rows + i], gram[j * rows + j]);
                let (product, square) = (gram[i * rows + j], gram[j * rows + i]);
                gram[i * rows + j] = lasting(own, other, product, square);
            }
            if classes[i] != CLASS_FINITE || classes[j] != CLASS_FINITE {
                gram[i * rows + j] = if i == j { f64::INFINITY } else { 0.0 };
            }
            gram[j * rows + i] = gram[i * rows + j];
        }
    }
}
