//! The primitive `combine`: a sum of rows with given coefficients.

use super::scratch::{Scratch, Sizes};
use super::segments::{Segment, Segments, Sink};
use super::simd::Isa;
use super::sums::{SumRows, SumTile};
use super::tile::{Line, LoadTile, Span, load_anchor};
use super::{Context, WriteResult, policy};
use crate::Shape;
use crate::matrix::{Data, HostAnchor, Output};
use crate::plan::{Arena, Combine};

/// The matrix, and the anchor if it is not what the output holds.
type Operands<'a, 'o> = (&'a Data<'a>, Option<&'a HostAnchor<'a, 'o>>);

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
        if step.anchor {
            sizes.anchor.grow(columns.max(tile));
        }
        CombinePlan {
            step: *step,
            n,
            columns,
            tile,
            segments: Segments::new(shape, 0),
        }
    }

    /// Without an anchor given, it is what the output holds.
    pub fn run(
        &self,
        context: &Context<'_>,
        data: Operands<'_, '_>,
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
        (data, anchor): Operands<'_, '_>,
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
            anchor: lines,
            ..
        } = scratch;
        terms.clear();
        needed.clear();
        let (coefficients, given) = coefficients.split_at(self.n);
        let given = given.first().copied().filter(|c| *c != 0.0);
        for (row, &coefficient) in coefficients.iter().enumerate() {
            if coefficient != 0.0 {
                needed.push(row);
                terms.push((row, coefficient));
            }
        }
        for span in self.segments.spans(segment, self.columns) {
            let width = span.width();
            if isa.run(SumRows {
                data,
                span: &span,
                terms,
                anchor: given.map(|c| (anchor_of(lines, &span, anchor, &mut sink), c)),
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
                    rows,
                    tile,
                });
                isa.run(SumTile {
                    terms,
                    anchor: given.map(|c| (anchor_of(lines, &span, anchor, &mut sink), c)),
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

/// The anchor's columns of a span: those given, or what is at the beginning of the sink.
fn anchor_of<'a>(
    lines: &'a mut [Line],
    span: &Span,
    given: Option<&HostAnchor<'_, '_>>,
    sink: &mut Sink<'_, '_>,
) -> &'a [Line] {
    load_anchor(lines, span, |to| match given {
        Some(given) => given.load(span.block, span.block_start, span.columns.clone(), to),
        None => sink.read(to),
    })
}
