//! What a thread works in: allocated once, as large as the largest step needs.

use super::mixing::Mixing;
use super::simd::Isa;
use super::sums::Term;
use super::tile::{Line, lines};

/// A size that grows to the largest request.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Size(usize);

impl Size {
    pub fn grow(&mut self, to: usize) {
        self.0 = self.0.max(to);
    }
}

/// What the steps of a plan need, in f32 where nothing else is said.
#[derive(Clone, Debug, Default)]
pub(super) struct Sizes {
    /// Tiles of X, of the mixed rows, and of the mixed rows that distances are measured from.
    pub tile: Size,
    pub mixed: Size,
    pub other: Size,
    /// The values that networks work on, and their weights.
    pub keys: Size,
    pub values: Size,
    /// A tile's result, and its sums in f64.
    pub result: Size,
    pub sums: Size,
    /// A tile's columns of the anchor.
    pub anchor: Size,
    /// Rows (of X, or mixed).
    pub rows: Size,
    /// Sums of pairs of rows, in f64.
    pub pairs: Size,
    mixings: Vec<(usize, usize)>,
}

impl Sizes {
    /// Room for a mixing matrix: its index among the mixings.
    pub fn mixing(&mut self, rows: usize, inputs: usize) -> usize {
        self.rows.grow(rows.max(inputs));
        self.mixings.push((rows, inputs));
        self.mixings.len() - 1
    }
}

/// A thread's memory.
#[derive(Debug)]
pub(super) struct Scratch {
    pub tile: Vec<Line>,
    pub mixed: Vec<Line>,
    pub other: Vec<Line>,
    pub keys: Vec<Line>,
    pub values: Vec<Line>,
    pub result: Vec<Line>,
    pub sums: Vec<Line>,
    pub anchor: Vec<Line>,
    pub mixings: Vec<Mixing>,
    pub weights: Weights,
    /// Coefficients of a sum of rows.
    pub terms: Vec<Term>,
    /// The rows of X that are read.
    pub needed: Vec<usize>,
    /// A number for each row.
    pub distances: Vec<f32>,
    /// Sums of pairs of rows.
    pub pairs: Vec<f64>,
}

impl Scratch {
    pub fn new(sizes: &Sizes, isa: Isa) -> Self {
        let rows = sizes.rows.0;
        Scratch {
            tile: lines(sizes.tile.0),
            mixed: lines(sizes.mixed.0),
            other: lines(sizes.other.0),
            keys: lines(sizes.keys.0),
            values: lines(sizes.values.0),
            result: lines(sizes.result.0),
            sums: lines(sizes.sums.0),
            anchor: lines(sizes.anchor.0),
            mixings: sizes
                .mixings
                .iter()
                .map(|&(n, inputs)| Mixing::new(n, inputs, isa))
                .collect(),
            weights: Weights {
                integers: Vec::with_capacity(rows),
                positive: Vec::with_capacity(rows),
                total: 0,
            },
            terms: Vec::with_capacity(rows),
            needed: Vec::with_capacity(rows),
            distances: vec![0.0; rows],
            pairs: vec![0.0; sizes.pairs.0],
        }
    }

    pub fn bytes(&self) -> usize {
        let tiles = [
            &self.tile,
            &self.mixed,
            &self.other,
            &self.keys,
            &self.values,
        ];
        let lines: usize = tiles
            .iter()
            .chain(&[&self.result, &self.sums, &self.anchor])
            .map(|v| v.len())
            .sum();
        let rows =
            self.needed.capacity() * (size_of::<Term>() + size_of::<(i32, f32, usize)>() + 1);
        let pairs = size_of_val(&self.pairs[..]);
        lines * size_of::<Line>()
            + pairs
            + rows
            + self.mixings.iter().map(Mixing::bytes).sum::<usize>()
    }
}

/// The weights of the rows, as integers.
#[derive(Debug)]
pub(super) struct Weights {
    pub integers: Vec<i32>,
    pub positive: Vec<bool>,
    pub total: i32,
}

impl Weights {
    /// Takes over weights that are integers already.
    pub fn fill(&mut self, weights: &[f64]) {
        self.integers.clear();
        self.integers
            .extend(weights.iter().map(|&weight| weight as i32));
        self.positive.clear();
        self.positive
            .extend(self.integers.iter().map(|&weight| weight > 0));
        self.total = self.integers.iter().sum();
    }
}
