//! The primitive `combine`: a sum of rows with given coefficients.

use super::scratch::{Scratch, Sizes};
use super::segments::{Segment, Segments, Sink};
use super::simd::Isa;
use super::sums::{SumRows, SumTile};
use super::tile::LoadTile;
use super::{Context, WriteResult, policy};
use crate::Shape;
use crate::matrix::{Data, Output};
use crate::plan::{Arena, Combine};

/// A `combine` step, ready to run.
#[derive(Debug)]
pub(super) struct CombinePlan {
    step: Combine,
    n: usize,
    /// Columns at a time: straight from the matrix, and by way of a tile.
    columns: usize,
    tile: usize,
    pub segments: Segments,
}

impl CombinePlan {
    pub fn new(step: &Combine, shape: &Shape, sizes: &mut Sizes) -> Self {
        let n = shape.n();
        let columns = policy::COMBINE_TILE;
        let tile = policy::columns_tile(n);
        sizes.rows.grow(n);
        sizes.sums.grow(2 * columns);
        sizes.result.grow(columns.max(tile));
        sizes.tile.grow(n * tile);
        CombinePlan {
            step: *step,
            n,
            columns,
            tile,
            segments: Segments::new(shape, 0),
        }
    }

    pub fn run(
        &self,
        context: &Context<'_>,
        data: &Data<'_>,
        arena: &Arena,
        out: Option<&mut Output<'_>>,
    ) {
        let mut rest = Sink::new(out);
        for wave in &self.segments.waves {
            let sink;
            (sink, rest) = rest.split_at(self.segments.columns(wave));
            self.segments.run(
                context,
                wave,
                &mut [],
                sink,
                &|segment, _, sink, scratch| {
                    let coefficients = arena.get(segment.problem, self.step.coefficients);
                    self.segment(context.isa, data, coefficients, segment, sink, scratch);
                },
            );
        }
    }

    fn segment(
        &self,
        isa: Isa,
        data: &Data<'_>,
        coefficients: &[f64],
        segment: &Segment,
        mut sink: Sink<'_, '_>,
        scratch: &mut Scratch,
    ) {
        let Scratch {
            terms,
            needed,
            sums,
            result,
            tile,
            ..
        } = scratch;
        let needed = &mut needed[..self.n];
        terms.clear();
        for (row, &coefficient) in coefficients.iter().enumerate() {
            needed[row] = coefficient != 0.0;
            if needed[row] {
                terms.push((row, coefficient));
            }
        }
        for span in self.segments.spans(segment, self.columns) {
            let width = span.width();
            if isa.run(SumRows {
                data,
                span: &span,
                terms,
                sums,
                result,
            }) {
                isa.run(WriteResult {
                    sink: &mut sink,
                    result,
                    width,
                });
                continue;
            }
            for span in span.parts(self.tile) {
                let (rows, width) = (self.n, span.width());
                let tile = &mut tile[..span.lines() * rows];
                isa.run(LoadTile {
                    data,
                    span: &span,
                    needed,
                    missing: 0.0,
                    rows,
                    tile,
                });
                isa.run(SumTile {
                    terms,
                    tile,
                    rows,
                    result: &mut result[..span.lines()],
                });
                isa.run(WriteResult {
                    sink: &mut sink,
                    result,
                    width,
                });
            }
        }
    }
}
