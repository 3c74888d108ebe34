//! How the columns are shared out: segments with partial results, in waves of bounded memory.
//!
//! The boundaries depend on nothing but the shape, each segment is summed in order by one thread,
//! and partial results are added in order: the same bits for any number of threads.

use std::ops::Range;

use half::{bf16, f16};

use super::scratch::Scratch;
use super::simd::Simd;
use super::tile::Span;
use super::{Context, policy};
use crate::Shape;
use crate::matrix::{Output, OutputData, OutputElement, load};

/// Some columns of a problem.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub problem: usize,
    /// Counted over all blocks of all problems.
    pub columns: Range<usize>,
    /// The block in which they start, and that block's first column.
    block: usize,
    block_start: usize,
}

/// What is done with a segment, its partial result and its part of the output.
pub(super) trait Work: Fn(&Segment, &mut [f64], Sink<'_, '_>, &mut Scratch) + Sync {}
impl<W: Fn(&Segment, &mut [f64], Sink<'_, '_>, &mut Scratch) + Sync> Work for W {}

/// All segments of a primitive.
#[derive(Debug)]
pub(super) struct Segments {
    list: Vec<Segment>,
    /// Columns of each block.
    blocks: Vec<usize>,
    /// Ranges of the list whose partial results are in memory at the same time: whole problems.
    pub waves: Vec<Range<usize>>,
    /// Numbers in a segment's partial result.
    pub partial: usize,
}

impl Segments {
    pub fn new(shape: &Shape, partial: usize) -> Self {
        let mut list: Vec<Segment> = Vec::new();
        let mut waves: Vec<Range<usize>> = Vec::new();
        let mut column = 0;
        let (mut block, mut block_start) = (0, 0);
        for problem in 0..shape.problems() {
            let first = list.len();
            let d: usize = shape.columns()[shape.problem(problem)].iter().sum();
            let count = policy::segments(shape.n(), d, partial);
            let width = d.div_ceil(count).next_multiple_of(policy::SEGMENT_ALIGN);
            for start in (0..d).step_by(width) {
                let columns = column + start..column + (start + width).min(d);
                while block_start + shape.columns()[block] <= columns.start {
                    block_start += shape.columns()[block];
                    block += 1;
                }
                list.push(Segment {
                    problem,
                    columns,
                    block,
                    block_start,
                });
            }
            column += d;
            match waves.last_mut() {
                Some(wave) if (list.len() - wave.start) * partial <= policy::WAVE => {
                    wave.end = list.len();
                }
                _ => waves.push(first..list.len()),
            }
        }
        Segments {
            list,
            blocks: shape.columns().to_vec(),
            waves,
            partial,
        }
    }

    #[cfg(test)]
    pub fn list(&self) -> &[Segment] {
        &self.list
    }

    /// Numbers in the partial results of the largest wave.
    pub fn partials(&self) -> usize {
        self.waves.iter().map(|wave| wave.len()).max().unwrap_or(0) * self.partial
    }

    pub fn bytes(&self) -> usize {
        size_of_val(&self.list[..]) + size_of_val(&self.blocks[..]) + size_of_val(&self.waves[..])
    }

    /// The spans of a segment's tiles.
    pub fn spans<'a>(
        &'a self,
        segment: &Segment,
        tile: usize,
    ) -> impl Iterator<Item = Span> + use<'a> {
        let Range { mut start, end } = segment.columns.clone();
        let (mut block, mut block_start) = (segment.block, segment.block_start);
        std::iter::from_fn(move || {
            if start == end {
                return None;
            }
            if start == block_start + self.blocks[block] {
                block_start = start;
                block += 1;
            }
            let stop = (start + tile)
                .min(end)
                .min(block_start + self.blocks[block]);
            let columns = start - block_start..stop - block_start;
            start = stop;
            Some(Span {
                block,
                block_start,
                columns,
            })
        })
    }

    /// Runs the work on every segment of a wave in parallel, each with its partial result (set to 0)
    /// and its part of the output.
    pub fn run<W: Work>(
        &self,
        context: &Context<'_>,
        wave: &Range<usize>,
        partials: &mut [f64],
        out: Sink<'_, '_>,
        work: &W,
    ) {
        let list = &self.list[wave.clone()];
        let partials = &mut partials[..list.len() * self.partial];
        partials.fill(0.0);
        let work = |segment: &Segment, partial: &mut [f64], out: Sink<'_, '_>| {
            context.with_scratch(|scratch| work(segment, partial, out, scratch));
        };
        match list {
            // Not worth waking another thread.
            [segment] => work(segment, partials, out),
            _ => context.cpu.install(|| split(list, partials, out, &work)),
        }
    }

    /// The segments of a wave, problem by problem, as indices into the wave.
    pub fn problems(&self, wave: &Range<usize>) -> impl Iterator<Item = (usize, Range<usize>)> {
        let mut end = 0;
        self.list[wave.clone()]
            .chunk_by(|a, b| a.problem == b.problem)
            .map(move |segments| {
                let start = end;
                end += segments.len();
                (segments[0].problem, start..end)
            })
    }

    /// Columns of a wave.
    pub fn columns(&self, wave: &Range<usize>) -> usize {
        self.list[wave.clone()]
            .iter()
            .map(|segment| segment.columns.len())
            .sum()
    }
}

fn split<W>(list: &[Segment], partials: &mut [f64], out: Sink<'_, '_>, work: &W)
where
    W: Fn(&Segment, &mut [f64], Sink<'_, '_>) + Sync,
{
    if let [segment] = list {
        return work(segment, partials, out);
    }
    let half = list.len() / 2;
    let (left, right) = list.split_at(half);
    let (left_partials, right_partials) = partials.split_at_mut(partials.len() / list.len() * half);
    let columns = left.iter().map(|segment| segment.columns.len()).sum();
    let (left_out, right_out) = out.split_at(columns);
    rayon::join(
        || split(left, left_partials, left_out, work),
        || split(right, right_partials, right_out, work),
    );
}

/// A run of output columns, over several slices: can be split anywhere without allocating.
pub(super) struct Cursor<'a, 's, T> {
    head: &'a mut [T],
    middle: &'a mut [&'s mut [T]],
    tail: &'a mut [T],
}

impl<'a, 's, T> Cursor<'a, 's, T> {
    pub fn new(slices: &'a mut [&'s mut [T]]) -> Self {
        Cursor {
            head: &mut [],
            middle: slices,
            tail: &mut [],
        }
    }

    /// The first `columns` columns, and the others.
    pub fn split_at(self, columns: usize) -> (Self, Self) {
        let Cursor { head, middle, tail } = self;
        if columns <= head.len() {
            let (head, rest) = head.split_at_mut(columns);
            let left = Cursor {
                head,
                middle: &mut [],
                tail: &mut [],
            };
            return (
                left,
                Cursor {
                    head: rest,
                    middle,
                    tail,
                },
            );
        }
        let mut columns = columns - head.len();
        let mut whole = 0;
        while let Some(slice) = middle.get(whole)
            && slice.len() <= columns
        {
            columns -= slice.len();
            whole += 1;
        }
        let (before, after) = middle.split_at_mut(whole);
        if let Some((cut, after)) = after.split_first_mut() {
            let (end, start) = cut.split_at_mut(columns);
            let left = Cursor {
                head,
                middle: before,
                tail: end,
            };
            return (
                left,
                Cursor {
                    head: start,
                    middle: after,
                    tail,
                },
            );
        }
        let (end, rest) = tail.split_at_mut(columns);
        let left = Cursor {
            head,
            middle: before,
            tail: end,
        };
        (
            left,
            Cursor {
                head: rest,
                middle: &mut [],
                tail: &mut [],
            },
        )
    }

    /// The next columns, which lie in one slice.
    pub fn take(&mut self, columns: usize) -> &'a mut [T] {
        self.arrive();
        let (taken, rest) = std::mem::take(&mut self.head).split_at_mut(columns);
        self.head = rest;
        taken
    }

    /// What the next columns hold.
    pub fn peek(&mut self, columns: usize) -> &[T] {
        self.arrive();
        &self.head[..columns]
    }

    /// Goes to the slice that holds the next column.
    fn arrive(&mut self) {
        while self.head.is_empty() {
            match std::mem::take(&mut self.middle).split_first_mut() {
                Some((first, rest)) => (self.head, self.middle) = (first, rest),
                None => {
                    self.head = std::mem::take(&mut self.tail);
                    break;
                }
            }
        }
    }
}

/// Where a segment's result goes, if anywhere.
pub(super) enum Sink<'a, 's> {
    None,
    F32(Cursor<'a, 's, f32>),
    Bf16(Cursor<'a, 's, bf16>),
    F16(Cursor<'a, 's, f16>),
}

impl<'a, 's> Sink<'a, 's> {
    pub fn new(out: Option<&'a mut Output<'s>>) -> Self {
        match out.map(|out| &mut out.data) {
            None => Sink::None,
            // The engine has refused it.
            #[cfg(feature = "wgpu")]
            Some(OutputData::Wgpu(_)) => Sink::None,
            Some(OutputData::F32(slices)) => Sink::F32(Cursor::new(slices)),
            Some(OutputData::Bf16(slices)) => Sink::Bf16(Cursor::new(slices)),
            Some(OutputData::F16(slices)) => Sink::F16(Cursor::new(slices)),
        }
    }

    pub fn split_at(self, columns: usize) -> (Self, Self) {
        fn both<C, S>((left, right): (C, C), sink: fn(C) -> S) -> (S, S) {
            (sink(left), sink(right))
        }
        match self {
            Sink::None => (Sink::None, Sink::None),
            Sink::F32(cursor) => both(cursor.split_at(columns), Sink::F32),
            Sink::Bf16(cursor) => both(cursor.split_at(columns), Sink::Bf16),
            Sink::F16(cursor) => both(cursor.split_at(columns), Sink::F16),
        }
    }

    /// What the next columns hold, as f32 (NaN as +Inf).
    pub fn read(&mut self, to: &mut [f32]) {
        match self {
            Sink::None => {}
            Sink::F32(cursor) => load(cursor.peek(to.len()), to),
            Sink::Bf16(cursor) => load(cursor.peek(to.len()), to),
            Sink::F16(cursor) => load(cursor.peek(to.len()), to),
        }
    }

    /// Writes the next columns, rounded to the output's type.
    #[inline(always)]
    pub fn write<S: Simd>(&mut self, s: S, from: &[f32]) {
        match self {
            Sink::None => {}
            Sink::F32(cursor) => cursor.take(from.len()).copy_from_slice(from),
            Sink::Bf16(cursor) => round(cursor.take(from.len()), from),
            Sink::F16(cursor) => {
                let to = cursor.take(from.len());
                let (mut to, from) = (to.chunks_exact_mut(S::LANES), from.chunks_exact(S::LANES));
                let rest = from.remainder();
                for (to, from) in to.by_ref().zip(from) {
                    s.store_f16(s.load(from), to);
                }
                round(to.into_remainder(), rest);
            }
        }
    }
}

#[inline(always)]
fn round<T: OutputElement>(to: &mut [T], from: &[f32]) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to = T::from_f32(from);
    }
}
