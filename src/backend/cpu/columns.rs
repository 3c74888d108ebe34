//! The primitive `columns`: a statistic of every column, and the rows' distances to it.

use super::order::{self, On, Order};
use super::policy::{self, GROUP};
use super::scratch::{Scratch, Sizes};
use super::segments::{Segment, Segments, Sink};
use super::simd::Isa;
use super::sums::{Distances, SumRows, SumTile, TileRowIsFinite};
use super::tile::{Line, LoadTile, Span};
use super::weighted::{self, Weighted};
use super::{Context, WriteResult};
use crate::Shape;
use crate::matrix::{Data, Output};
use crate::network::Network;
use crate::plan::{Arena, CLASS_BAD, CLASS_FAR, Columns, Statistic};

/// A `columns` step, ready to run.
#[derive(Debug)]
pub(super) struct ColumnsPlan {
    step: Columns,
    /// Rows of X.
    n: usize,
    /// Rows of the statistic.
    rows: usize,
    /// The statistic's mixing, and the distances' if it is another one.
    mixing: Option<usize>,
    other: Option<usize>,
    /// Rows whose distances are asked for.
    measured: usize,
    tile: usize,
    how: How,
    pub segments: Segments,
}

/// How a statistic is computed.
#[derive(Debug)]
enum How {
    Sum,
    Order(Order),
    Weighted(Network),
}

impl ColumnsPlan {
    pub fn new(step: &Columns, shape: &Shape, isa: Isa, sizes: &mut Sizes) -> Self {
        let n = shape.n();
        let rows = step.mixing.map_or(n, |slot| slot.len / n);
        let mixing = step.mixing.map(|_| sizes.mixing(rows, n));
        let distances = step.distances.and_then(|distances| distances.rows);
        let other = distances.filter(|_| distances != step.mixing);
        let other_rows = other.map_or(0, |slot| slot.len / n);
        let measured = step.distances.map_or(0, |distances| match distances.rows {
            None => n,
            Some(slot) => slot.len / n,
        });
        let how = match (step.statistic, step.weights) {
            (Statistic::Mean, _) => How::Sum,
            (Statistic::Median(ties), None) => {
                How::Order(Order::new(isa, rows, order::Finish::Median(ties)))
            }
            (Statistic::TrimmedMean(trim), None) => {
                How::Order(Order::new(isa, rows, order::Finish::trimmed(rows, trim)))
            }
            (Statistic::MeanAroundMedian { f }, _) => {
                How::Order(Order::new(isa, rows, order::Finish::AroundMedian { f }))
            }
            (_, Some(_)) => How::Weighted(Network::sort(rows)),
        };
        let tile = policy::columns_tile(n.max(rows).max(other_rows));
        sizes.tile.grow(n * tile);
        sizes.result.grow(tile);
        sizes.rows.grow(n.max(rows).max(other_rows));
        sizes
            .mixed
            .grow(if mixing.is_some() { rows * tile } else { 0 });
        sizes.other.grow(other_rows * tile);
        match &how {
            How::Sum => sizes.sums.grow(2 * tile),
            How::Order(order) => sizes.keys.grow(order.work()),
            How::Weighted(_) => {
                sizes.keys.grow(rows * GROUP * 16);
                sizes.values.grow(rows * GROUP * 16);
            }
        }
        ColumnsPlan {
            step: *step,
            n,
            rows,
            mixing,
            other: other.map(|_| sizes.mixing(other_rows, n)),
            measured,
            tile,
            how,
            segments: Segments::new(shape, 2 * measured),
        }
    }

    pub fn bytes(&self) -> usize {
        let how = match &self.how {
            How::Sum => 0,
            How::Order(order) => order.bytes(),
            How::Weighted(network) => size_of_val(network.comparators()),
        };
        how + self.segments.bytes()
    }

    pub fn run(
        &self,
        context: &Context<'_>,
        partials: &mut [f64],
        data: &Data<'_>,
        arena: &mut Arena,
        out: Option<&mut Output<'_>>,
    ) {
        let mut rest = Sink::new(out.filter(|_| self.step.write));
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
                    let region = shared.problem(segment.problem);
                    self.segment(context.isa, data, region, segment, partial, sink, scratch);
                },
            );
            let Some(distances) = self.step.distances else {
                continue;
            };
            for (problem, segments) in self.segments.problems(wave) {
                let out = &mut arena.problem_mut(problem)[distances.out.range()];
                let size = self.segments.partial;
                finish(
                    self.measured,
                    &partials[segments.start * size..segments.end * size],
                    out,
                );
            }
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn segment(
        &self,
        isa: Isa,
        data: &Data<'_>,
        region: &[f64],
        segment: &Segment,
        partial: &mut [f64],
        mut sink: Sink<'_, '_>,
        scratch: &mut Scratch,
    ) {
        self.prepare(region, partial, scratch);
        let streams = matches!(self.how, How::Sum) && self.mixing.is_none() && self.measured == 0;
        for span in self.segments.spans(segment, self.tile) {
            let width = span.width();
            let Scratch {
                terms,
                sums,
                result,
                ..
            } = scratch;
            let direct = streams
                && isa.run(SumRows {
                    data,
                    span: &span,
                    terms,
                    anchor: None,
                    sums,
                    result,
                });
            if !direct {
                self.tile(isa, data, &span, scratch);
                self.measure(isa, width, partial, scratch);
            }
            isa.run(WriteResult {
                sink: &mut sink,
                result: &scratch.result,
                width,
            });
        }
    }

    /// Matrices, weights, and which rows of X are to be read.
    fn prepare(&self, region: &[f64], partial: &mut [f64], scratch: &mut Scratch) {
        let Scratch {
            mixings,
            weights,
            terms,
            needed,
            tile,
            ..
        } = scratch;
        if let Some(slot) = self.step.weights {
            weights.fill(&region[slot.range()]);
        }
        let of_other = self.step.distances.and_then(|distances| distances.rows);
        for (index, slot) in [(self.mixing, self.step.mixing), (self.other, of_other)] {
            if let (Some(index), Some(slot)) = (index, slot) {
                mixings[index].fill(&region[slot.range()]);
            }
        }
        needed.clear();
        needed.extend((0..self.n).filter(|&row| {
            let of_x = match (self.mixing, self.step.weights) {
                (Some(index), _) => {
                    mixings[index].uses(row) || self.measured > 0 && of_other.is_none()
                }
                (None, Some(_)) => weights.positive[row],
                (None, None) => true,
            };
            of_x || self.other.is_some_and(|index| mixings[index].uses(row))
        }));
        if needed.len() < self.n {
            // What is not read must be something, of weight or coefficient 0.
            tile.fill(Line::INFINITY);
        }
        terms.clear();
        match self.step.weights {
            None => terms.extend((0..self.rows).map(|row| (row, 1.0 / self.rows as f64))),
            Some(slot) => {
                let total = f64::from(weights.total);
                let positive = region[slot.range()]
                    .iter()
                    .enumerate()
                    .filter(|&(_, &w)| w > 0.0);
                terms.extend(positive.map(|(row, &weight)| (row, weight / total)));
            }
        }
        // Rows that are not read have no distance.
        let (_, classes) = partial.split_at_mut(self.measured);
        for (row, class) in classes.iter_mut().enumerate() {
            let is_read = match of_other {
                None => needed.binary_search(&row).is_ok(),
                Some(_) if self.other.is_some() => true,
                Some(_) => self.step.weights.is_none() || weights.positive[row],
            };
            if !is_read {
                *class = CLASS_BAD;
            }
        }
    }

    /// Loads a tile, mixes it and computes the statistic.
    fn tile(&self, isa: Isa, data: &Data<'_>, span: &Span, scratch: &mut Scratch) {
        let Scratch {
            tile,
            mixed,
            other,
            keys,
            values,
            result,
            mixings,
            ..
        } = scratch;
        let Scratch {
            weights,
            terms,
            needed,
            ..
        } = scratch;
        let height = span.lines();
        let tile = &mut tile[..height * self.n];
        isa.run(LoadTile {
            data,
            span,
            needed,
            rows: self.n,
            tile,
        });
        let tile = &*tile;
        if let Some(index) = self.other {
            mixings[index].run(isa, tile, &mut other[..height * self.measured]);
        }
        let tile = match self.mixing {
            None => tile,
            Some(index) => {
                let mixed = &mut mixed[..height * self.rows];
                mixings[index].run(isa, tile, mixed);
                mixed
            }
        };
        let (rows, result) = (self.rows, &mut result[..height]);
        match &self.how {
            How::Sum => isa.run(SumTile {
                terms,
                anchor: None,
                tile,
                rows,
                result,
            }),
            How::Order(order) => order.run(
                isa,
                On {
                    tile,
                    rows,
                    work: keys,
                    result,
                },
            ),
            How::Weighted(network) => isa.run(Weighted {
                finish: weighted::Finish::new(self.step.statistic, rows, weights.total),
                comparators: network.comparators(),
                weights: &weights.integers,
                total: weights.total,
                tile,
                rows,
                keys,
                values,
                result,
            }),
        }
    }

    /// Adds the rows' distances to the tile's result.
    fn measure(&self, isa: Isa, width: usize, partial: &mut [f64], scratch: &mut Scratch) {
        let Some(distances) = self.step.distances else {
            return;
        };
        let height = width.div_ceil(16);
        let rows = self.measured;
        let tile: &[Line] = match distances.rows {
            None => &scratch.tile,
            Some(_) if self.other.is_some() => &scratch.other,
            Some(_) => &scratch.mixed,
        };
        let tile = &tile[..height * rows];
        let out = &mut scratch.distances[..rows];
        isa.run(Distances {
            tile,
            rows,
            result: &scratch.result[..height],
            out,
        });
        let (sums, classes) = partial.split_at_mut(rows);
        for (row, distance) in out.iter().enumerate() {
            sums[row] += f64::from(*distance);
            // An element that is not finite shows, but so do a long row and a result that is not.
            let suspect = !distance.is_finite() && classes[row] != CLASS_BAD;
            if suspect && !isa.run(TileRowIsFinite { tile, rows, row }) {
                classes[row] = CLASS_BAD;
            }
        }
    }
}

/// Adds up the segments of a problem, in order.
fn finish(rows: usize, partials: &[f64], out: &mut [f64]) {
    out.fill(0.0);
    for partial in partials.chunks_exact(2 * rows) {
        let (sums, classes) = out.split_at_mut(rows);
        let (more, of) = partial.split_at(rows);
        sums.iter_mut()
            .zip(more)
            .for_each(|(sum, more)| *sum += more);
        classes
            .iter_mut()
            .zip(of)
            .for_each(|(class, &of)| *class = class.max(of));
    }
    let (sums, classes) = out.split_at_mut(rows);
    for (sum, class) in sums.iter_mut().zip(classes) {
        if !(*sum <= f64::from(f32::MAX)) {
            *class = class.max(CLASS_FAR);
        }
        if *class > 0.0 {
            *sum = f64::INFINITY;
        }
    }
}
