//! The primitive `pairwise` when few rows have changed: their products about the centre of an earlier run.
//!
//! The same strips, segments and orders of summation as in [`PairwisePlan::run`]: the result has the bits
//! of a computation of all products about that centre, so no error adds up however many updates there are.

use super::Context;
use super::pairwise::{Centre, Operands, PairwisePlan, lasting};
use super::products::{RowSums, Term};
use super::scratch::Scratch;
use super::segments::{Segment, Sink};
use super::simd::Isa;
use crate::Shape;
use crate::geometry::{GeometrySlot, renewal};
use crate::plan::{Arena, CLASS_BAD, CLASS_FAR, CLASS_FINITE};

/// What is kept between runs beside the products themselves.
#[derive(Debug)]
pub(super) struct Kept {
    /// Of all problems' columns.
    centre: Vec<f32>,
    /// Which problems need another one.
    due: Vec<bool>,
    room: Vec<renewal::Weighed>,
    renewals: u64,
}

impl Kept {
    pub fn new(shape: &Shape) -> Self {
        Kept {
            centre: vec![0.0; shape.columns().iter().sum()],
            due: vec![false; shape.problems()],
            room: Vec::with_capacity(shape.n()),
            renewals: 0,
        }
    }

    pub fn bytes(&self) -> usize {
        let room = self.room.capacity() * size_of::<renewal::Weighed>();
        size_of_val(&self.centre[..]) + size_of_val(&self.due[..]) + room
    }

    #[cfg(test)]
    pub fn centre(&self) -> &[f32] {
        &self.centre
    }

    #[cfg(test)]
    pub fn set_centre(&mut self, centre: &[f32]) {
        self.centre.copy_from_slice(centre);
    }

    /// How often the products of a problem were computed about a new centre.
    pub fn renewals(&self) -> u64 {
        self.renewals
    }

    /// Runs a step: the points that changed, and everything where the centre no longer serves.
    pub fn run(
        &mut self,
        plan: &PairwisePlan,
        context: &Context<'_>,
        partials: &mut [f64],
        operands: Operands<'_, '_>,
        arena: &mut Arena,
        changed: Option<&[usize]>,
    ) {
        match changed {
            None => self.due.fill(true),
            Some(changed) => {
                plan.update(context, partials, operands, arena, &self.centre, changed);
                let geometry = GeometrySlot::of(&plan.step, plan.n);
                for (problem, due) in self.due.iter_mut().enumerate() {
                    let view = geometry.view(arena.problem(problem));
                    *due = renewal::is_due(&view, plan.weights(arena, problem), &mut self.room);
                }
            }
        }
        let due = &self.due[..];
        let count = due.iter().filter(|due| **due).count();
        if count > 0 {
            let keep = Some(&mut self.centre[..]);
            plan.run(context, partials, operands, arena, keep, |problem| {
                due[problem]
            });
            self.renewals += count as u64;
        }
    }
}

impl PairwisePlan {
    fn update(
        &self,
        context: &Context<'_>,
        partials: &mut [f64],
        operands: Operands<'_, '_>,
        arena: &mut Arena,
        centre: &[f32],
        changed: &[usize],
    ) {
        if changed.is_empty() {
            return;
        }
        for wave in &self.segments.waves {
            let shared = &*arena;
            self.segments.run(
                context,
                wave,
                partials,
                Sink::None,
                &|segment, partial, _, scratch| {
                    let changed = Changed {
                        points: changed,
                        weights: self.weights(shared, segment.problem),
                    };
                    let classes = &shared.get(segment.problem, self.step.out)[self.rows.pow(2)..];
                    scratch.needed.clear();
                    scratch
                        .needed
                        .extend((0..self.n).filter(|&row| match changed.contains(row) {
                            true => changed.is_read(row),
                            false => classes[row] == CLASS_FINITE,
                        }));
                    self.products(
                        context.isa,
                        operands,
                        segment,
                        &changed,
                        centre,
                        partial,
                        scratch,
                    );
                },
            );
            for (problem, segments) in self.segments.problems(wave) {
                let size = self.segments.partial;
                let partials = &partials[segments.start * size..segments.end * size];
                let (before, rest) = arena
                    .problem_mut(problem)
                    .split_at_mut(self.step.out.offset);
                let changed = Changed {
                    points: changed,
                    weights: self.step.weights.map(|slot| &before[slot.range()]),
                };
                finish(
                    self.rows,
                    &changed,
                    partials,
                    &mut rest[..self.step.out.len],
                );
            }
        }
    }

    /// The changed points' products in a segment.
    #[allow(clippy::too_many_arguments)]
    fn products(
        &self,
        isa: Isa,
        operands: Operands<'_, '_>,
        segment: &Segment,
        changed: &Changed<'_>,
        centre: &[f32],
        partial: &mut [f64],
        scratch: &mut Scratch,
    ) {
        let (sums, classes) = partial.split_at_mut(self.rows * self.rows);
        let Scratch {
            tile,
            result,
            needed,
            anchor,
            pairs,
            ..
        } = scratch;
        let mut centre = &centre[segment.columns.clone()];
        for span in self.segments.spans(segment, self.tile) {
            let tile = &mut tile[..span.lines() * self.rows];
            let result = &mut result[..span.lines()];
            let source = self.load(isa, operands, &span, needed, tile, anchor);
            let rows = || {
                let points = changed.points.iter().copied();
                points.filter(|&point| changed.is_read(point))
            };
            for row in rows() {
                self.squares(isa, tile, row, pairs);
                changed.add(sums, row, pairs, |row, j| (row.max(j), row.min(j)));
            }
            let own;
            (own, centre) = centre.split_at(span.width());
            let padded: &mut [f32] = bytemuck::cast_slice_mut(result);
            padded[..own.len()].copy_from_slice(own);
            padded[own.len()..].fill(0.0);
            isa.run(Centre {
                tile,
                rows: self.rows,
                centre: result,
            });
            for row in rows() {
                isa.run(RowSums {
                    tile,
                    rows: self.rows,
                    row,
                    count: self.rows,
                    term: Term::Product,
                    sums: pairs,
                });
                changed.add(sums, row, pairs, |row, j| (row.min(j), row.max(j)));
                self.classify(isa, &source, sums, row, &mut classes[row]);
            }
        }
    }
}

/// The points that changed, in order, and all rows' weights.
struct Changed<'a> {
    points: &'a [usize],
    weights: Option<&'a [f64]>,
}

impl Changed<'_> {
    fn contains(&self, point: usize) -> bool {
        self.points.binary_search(&point).is_ok()
    }

    /// Has it changed to something that counts? An anchor has.
    fn is_read(&self, point: usize) -> bool {
        let weight = self.weights.and_then(|weights| weights.get(point));
        self.contains(point) && weight.is_none_or(|weight| *weight > 0.0)
    }

    /// Adds a point's sums with all points to a square matrix, at a place for each pair; the sum of two that
    /// both changed is added once.
    fn add(
        &self,
        to: &mut [f64],
        row: usize,
        sums: &[f64],
        place: impl Fn(usize, usize) -> (usize, usize),
    ) {
        let rows = sums.len();
        for (j, sum) in sums.iter().enumerate() {
            if j >= row || !self.is_read(j) {
                let (i, j) = place(row, j);
                to[i * rows + j] += sum;
            }
        }
    }
}

/// Adds up the segments of a problem, in order, and replaces the changed points' rows and columns.
fn finish(rows: usize, changed: &Changed<'_>, partials: &[f64], out: &mut [f64]) {
    let (gram, classes) = out.split_at_mut(rows * rows);
    let sum = |at: usize| -> f64 {
        let partials = partials.chunks_exact(rows * rows + rows);
        partials.fold(0.0, |sum, partial| sum + partial[at])
    };
    for &i in changed.points {
        let own = sum(i * rows + i);
        gram[i * rows + i] = own;
        let partials = partials.chunks_exact(rows * rows + rows);
        let class = partials.map(|partial| partial[rows * rows + i]);
        classes[i] = match class.fold(CLASS_FINITE, f64::max) {
            _ if !changed.is_read(i) => CLASS_BAD,
            CLASS_FINITE if !(own <= f64::from(f32::MAX)) => CLASS_FAR,
            class => class,
        };
    }
    for &i in changed.points {
        for j in (0..rows).filter(|j| *j != i) {
            let is_finite = classes[i] == CLASS_FINITE && classes[j] == CLASS_FINITE;
            let entry = match is_finite {
                true => {
                    let (a, b) = (i.min(j), i.max(j));
                    let (product, square) = (sum(a * rows + b), sum(b * rows + a));
                    lasting(gram[a * rows + a], gram[b * rows + b], product, square)
                }
                false => 0.0,
            };
            gram[i * rows + j] = entry;
            gram[j * rows + i] = entry;
        }
    }
    for &i in changed
        .points
        .iter()
        .filter(|i| classes[**i] != CLASS_FINITE)
    {
        gram[i * rows + i] = f64::INFINITY;
    }
}
