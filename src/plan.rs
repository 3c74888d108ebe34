//! A plan is data: a list of steps over small named buffers, which any backend can run.
//!
//! A step is one of the three primitives over X (`pairwise`, `columns`, `combine`) or an operation of
//! the n×n [`geometry`](crate::geometry). Buffers are slots of an [`Arena`], one region of f64 per
//! problem; a step writes a slot behind all that it reads, so a plan is in single-assignment form.

use crate::geometry::Op;

/// A range of a problem's region in the arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    pub offset: usize,
    pub len: usize,
}

impl Slot {
    pub fn range(self) -> std::ops::Range<usize> {
        self.offset..self.offset + self.len
    }

    pub fn end(self) -> usize {
        self.offset + self.len
    }
}

/// The small buffers of all problems.
#[derive(Clone, Debug)]
pub(crate) struct Arena {
    data: Vec<f64>,
    stride: usize,
    problems: usize,
}

impl Arena {
    pub fn new(problems: usize, stride: usize) -> Self {
        Arena {
            data: vec![0.0; problems * stride],
            stride,
            problems,
        }
    }

    pub fn bytes(&self) -> usize {
        size_of_val(&self.data[..])
    }

    /// The region of problem p.
    pub fn problem(&self, p: usize) -> &[f64] {
        &self.data[p * self.stride..][..self.stride]
    }

    /// The region of problem p.
    pub fn problem_mut(&mut self, p: usize) -> &mut [f64] {
        &mut self.data[p * self.stride..][..self.stride]
    }

    /// The regions of all problems, to work on in parallel.
    pub fn problems_mut(&mut self) -> std::slice::ChunksExactMut<'_, f64> {
        self.data.chunks_exact_mut(self.stride.max(1))
    }

    pub fn get(&self, p: usize, slot: Slot) -> &[f64] {
        &self.problem(p)[slot.range()]
    }

    /// How many problems there are.
    pub fn problems(&self) -> usize {
        self.problems
    }
}

/// One step of a plan.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Pairwise(Pairwise),
    Columns(Columns),
    Combine(Combine),
    Geometry(Op),
}

#[cfg(any(feature = "wgpu", feature = "cuda"))]
impl Step {
    /// The slots that it reads.
    pub fn inputs(&self) -> Vec<Slot> {
        let slots = match self {
            Step::Pairwise(step) => vec![step.weights],
            Step::Columns(step) => {
                let rows = step.distances.and_then(|distances| distances.rows);
                vec![step.mixing, step.weights, rows]
            }
            Step::Combine(step) => vec![Some(step.coefficients)],
            Step::Geometry(op) => return op.inputs(),
        };
        slots.into_iter().flatten().collect()
    }

    /// The slot that it writes.
    pub fn out(&self) -> Option<Slot> {
        match self {
            Step::Pairwise(step) => Some(step.out),
            Step::Columns(step) => step.distances.map(|distances| distances.out),
            Step::Combine(_) => None,
            Step::Geometry(op) => Some(op.out()),
        }
    }

    /// The weights that it reads.
    #[cfg(feature = "wgpu")]
    pub fn weights(&self) -> Option<Slot> {
        match self {
            Step::Pairwise(step) => step.weights,
            Step::Columns(step) => step.weights,
            Step::Combine(_) => None,
            Step::Geometry(op) => op.weights(),
        }
    }
}

/// `G_ij = ⟨x_i − m, x_j − m⟩`, m the coordinate-wise median. Reads X once.
///
/// m is the midpoint median of the rows, weighted (see [`Statistic::Median`]) when weights are given;
/// a coordinate whose median is not finite counts as 0 there. The anchors are N − n more points behind
/// the rows; they have no part in m.
///
/// Output, N·N + N numbers: G in full (symmetric), then each row's class ([`CLASS_FINITE`],
/// [`CLASS_FAR`], [`CLASS_BAD`]). In row and column i of a row that is not finite G_ii = +Inf and the
/// other entries are 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pairwise {
    pub anchors: Anchors,
    /// n weights. A row of weight 0 is not read: its class is bad.
    pub weights: Option<Slot>,
    pub out: Slot,
    /// Will the output and the centre be needed again, so that a run need only look at what changed?
    pub keep: bool,
}

/// Points behind the rows: the origin if there is one, then the given vector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Anchors {
    /// The zero vector.
    pub origin: bool,
    /// A vector of the output's element type that a run is given.
    pub given: bool,
}

impl Anchors {
    pub fn count(self) -> usize {
        usize::from(self.origin) + usize::from(self.given)
    }

    /// The given vector's index among the points, behind n rows.
    pub fn given_at(self, n: usize) -> Option<usize> {
        self.given.then_some(n + usize::from(self.origin))
    }
}

/// All elements are finite and so is G_ii as an f32.
pub(crate) const CLASS_FINITE: f64 = 0.0;
/// All elements are finite, but the squared norm (about the centre) exceeds f32::MAX.
pub(crate) const CLASS_FAR: f64 = 1.0;
/// Some element is NaN or ±Inf.
pub(crate) const CLASS_BAD: f64 = 2.0;

/// A per-coordinate statistic of the rows `Y = mixing · X` (of X itself without mixing), written to
/// the output if `write`, and each row's squared distance to it. Reads X once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Columns {
    pub statistic: Statistic,
    /// An n'×n matrix, row after row.
    pub mixing: Option<Slot>,
    /// n' weights: integers with a sum of at most 2³⁰. A row of weight 0 is not read.
    pub weights: Option<Slot>,
    pub distances: Option<Distances>,
    pub write: bool,
}

/// Squared distances of some rows to a statistic, in the pass that computes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Distances {
    /// The rows: X itself, or a mixing of it (the statistic's own or another one).
    pub rows: Option<Slot>,
    /// One squared distance a row (+Inf above f32::MAX and for bad rows), then one class a row.
    pub out: Slot,
}

/// What `columns` computes for every coordinate. NaN counts as +Inf.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Statistic {
    /// `Σ w_i x_i / Σ w_i`.
    Mean,
    /// The middle value.
    Median(Ties),
    /// The mean of what is left when a share is cut at either end.
    TrimmedMean(Trim),
    /// The mean of the `n − f` values closest to the (midpoint) median. No weights.
    MeanAroundMedian {
        /// Values that are left out.
        f: usize,
    },
}

/// What the median is between two middle values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Ties {
    /// The lower one (torch).
    Lower,
    /// The upper one (the published asynchronous code).
    Upper,
    /// The midpoint (numpy, the literature).
    #[default]
    Midpoint,
}

/// How much is cut: f workers, or a fraction of the total weight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Trim {
    /// f workers: of the weight, `f · S / n`.
    F(usize),
    /// A fraction λ of the total weight, never rounded to whole workers.
    Lambda(f64),
}

impl Trim {
    /// The weight to cut out of a total, for n rows.
    pub(crate) fn cut(self, n: usize, total: f64) -> f64 {
        match self {
            Trim::F(f) => f as f64 * total / n as f64,
            Trim::Lambda(lambda) => lambda * total,
        }
    }
}

/// `Σ c_i x_i` over the rows whose coefficient is not 0, written to the output. Reads those rows once.
/// With `anchor`, one more coefficient is the given vector's, which may be what the output holds.
///
/// A NaN among the coefficients says that the result is undefined: NaN everywhere.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Combine {
    /// n coefficients, and the anchor's.
    pub coefficients: Slot,
    pub anchor: bool,
}
