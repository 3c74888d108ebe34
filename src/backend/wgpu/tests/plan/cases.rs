//! Problems of all shapes, and what a result on them is compared with: the op's twin in f64, on the same G.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::arena::{Region, close, run};
use crate::geometry::testing::{Points, Random};
use crate::geometry::{GeometrySlot, Op};
use crate::plan::{Anchors, Slot};

pub const SIZES: [usize; 10] = [1, 2, 3, 5, 8, 25, 64, 65, 100, 257];

/// What rows look like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rows {
    Gaussian,
    /// A common mean, 1000 times larger than the spread.
    Shifted,
    /// One is 1e6 times larger.
    Large,
    /// Small whole numbers: exact sums, many ties, equal rows.
    Lattice,
    /// Some are NaN, some beyond the largest distance.
    Hostile,
    /// All are NaN but some that are far.
    Far,
    Bad,
}

pub const KINDS: [Rows; 7] = [
    Rows::Gaussian,
    Rows::Shifted,
    Rows::Large,
    Rows::Lattice,
    Rows::Hostile,
    Rows::Far,
    Rows::Bad,
];

impl Rows {
    fn make(self, n: usize, random: &mut Random) -> Vec<Vec<f64>> {
        const D: usize = 9;
        let mut rows = match self {
            Rows::Lattice => random.lattice(n, D, 2),
            _ => random.rows(n, D),
        };
        let some = 1 + n / 6;
        match self {
            Rows::Gaussian if n > 3 => rows[n - 1] = rows[1].clone(),
            Rows::Shifted => rows.iter_mut().flatten().for_each(|x| *x += 1000.0),
            // Of two rows, neither is hostile more than the other.
            Rows::Large if n > 2 => rows[n / 3].iter_mut().for_each(|x| *x *= 1e6),
            Rows::Hostile => {
                for k in 0..some {
                    let (bad, far) = (random.below(n), random.below(n));
                    rows[bad][k % D] = f64::NAN;
                    rows[far][0] = 1e30;
                }
            }
            Rows::Far | Rows::Bad => {
                rows.iter_mut().for_each(|row| row[0] = f64::INFINITY);
                if self == Rows::Far {
                    (0..some).for_each(|_| rows[random.below(n)][0] = -1e30);
                }
            }
            _ => {}
        }
        rows
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Weights {
    None,
    /// Integers, some of them 0.
    Small,
    /// A sum near 2³⁰.
    Large,
}

impl Weights {
    /// The same for all problems; a row of weight 0 is not read.
    fn make(self, n: usize) -> Option<Vec<f64>> {
        let mut random = Random::new(n as u64);
        let most = (1 << 30) / n;
        match self {
            Weights::None => None,
            Weights::Small => Some((0..n).map(|i| ((i * i + 1) % 4) as f64).collect()),
            Weights::Large => Some((0..n).map(|_| 1.0 + random.below(most) as f64).collect()),
        }
    }
}

/// A family of problems of the same shape.
pub struct Case {
    pub n: usize,
    pub kind: Rows,
    pub regions: Vec<Region>,
    pub geometry: GeometrySlot,
    pub weights: Option<Slot>,
}

impl Case {
    pub fn new(
        n: usize,
        kind: Rows,
        weights: Weights,
        anchors: impl Into<Anchors>,
        problems: usize,
    ) -> Self {
        let anchors = anchors.into();
        let mut random = Random::new(n as u64 + 1000 * kind as u64);
        let given = weights.make(n);
        let mut made = None;
        let regions = (0..problems)
            .map(|_| {
                let mut rows = kind.make(n, &mut random);
                for (row, w) in rows.iter_mut().zip(given.iter().flatten()) {
                    if *w == 0.0 {
                        row.fill(f64::NAN);
                    }
                }
                let mut region = Region::default();
                let geometry = region.put_geometry(&Points::new(&rows, anchors));
                let weights = given.as_ref().map(|w| region.put_weights(w));
                made = Some((geometry, weights));
                region
            })
            .collect();
        let (geometry, weights) = made.expect("there is a problem");
        Case {
            n,
            kind,
            regions,
            geometry,
            weights,
        }
    }

    pub fn out(&self, len: usize) -> Slot {
        self.regions[0].out(len)
    }

    /// More input, for each problem its own.
    pub fn put(&mut self, mut numbers: impl FnMut() -> Vec<f64>) -> Slot {
        let mut slot = None;
        for region in &mut self.regions {
            slot = Some(region.put(&numbers()));
        }
        slot.expect("there is a problem")
    }

    /// The root of the diagonal of G in problem p, 0 where it is not finite.
    pub fn lengths(&self, p: usize) -> Vec<f64> {
        let view = self.geometry.view(&self.regions[p].numbers);
        (0..view.points)
            .map(|i| view.row(i)[i])
            .map(|g| if g.is_finite() { g.sqrt() } else { 0.0 })
            .collect()
    }

    /// Checks all numbers of a result, within a tolerance relative to each.
    pub fn check(&self, op: &Op, relative: f64) {
        self.check_each(op, |_, _, expected| relative * expected.abs());
    }

    /// Checks all numbers of a result; the tolerance depends on (problem, place, expected).
    pub fn check_each(&self, op: &Op, tolerance: impl Fn(usize, usize, f64) -> f64) {
        for (p, (expected, found)) in run(op, &self.regions).iter().enumerate() {
            for (at, (e, f)) in expected.iter().zip(found).enumerate() {
                assert!(
                    close(*f, *e, tolerance(p, at, *e).max(0.0)),
                    "{} {:?}, problem {p}, {at}: {f}, not {e}\n{op:?}",
                    self.n,
                    self.kind
                );
            }
        }
    }

    /// Checks coefficients by the point that they make, and what follows them exactly.
    pub fn check_point(&self, op: &Op, accuracy: f64, same_steps: bool) {
        for (p, (expected, found)) in run(op, &self.regions).iter().enumerate() {
            let what = || format!("{} {:?}, problem {p}\n{op:?}", self.n, self.kind);
            let (n, lengths) = (self.n, self.lengths(p));
            let undefined = expected[..n].iter().any(|c| c.is_nan());
            assert!(
                found[..n].iter().all(|c| c.is_nan() == undefined),
                "{}",
                what()
            );
            let view = self.geometry.view(&self.regions[p].numbers);
            let mut off: Vec<f64> = found
                .iter()
                .zip(expected)
                .map(|(f, e)| f64::from(*f) - e)
                .collect();
            let (mut longest, mut terms) = (0.0, 0.0);
            // The given vector's coefficient is the first behind the rows'.
            let given = view.given().map(|_| off[n]);
            off.resize(view.points, 0.0);
            if let Some(of_given) = given {
                off[n + 1] = of_given;
                terms += expected[n].abs() * lengths[n + 1];
                assert!(undefined || close(found[n], expected[n], 3.0 * accuracy));
            }
            if view.has_origin() {
                // What the others have too much, the origin has too little.
                off[n] = -off[..n].iter().sum::<f64>() - given.unwrap_or(0.0);
                terms += expected[..n]
                    .iter()
                    .map(|c| c.abs() * lengths[n])
                    .sum::<f64>();
            }
            for i in (0..n).filter(|&i| expected[i] != 0.0 && !undefined) {
                longest = f64::max(longest, lengths[i]);
                terms += expected[i].abs() * lengths[i];
                assert!(
                    close(found[i], expected[i], 3.0 * accuracy),
                    "{i}: {} {}, {}",
                    found[i],
                    expected[i],
                    what()
                );
            }
            for i in (0..n).filter(|&i| expected[i] == 0.0) {
                assert_eq!(found[i], 0.0, "{}", what());
            }
            if !undefined {
                // Not squared: with lengths of 1e6 the sum of products would cancel.
                let mut product = vec![0.0; view.points];
                off.iter_mut().zip(view.class).for_each(|(o, class)| {
                    if *class != 0.0 {
                        *o = 0.0
                    }
                });
                view.multiply(&off, &mut product);
                let square: f64 = off.iter().zip(&product).map(|(a, b)| a * b).sum();
                let error = square.max(0.0).sqrt();
                assert!(
                    error <= accuracy * (terms + longest),
                    "{error} {terms} {longest}, {}",
                    what()
                );
            }
            if same_steps && given.is_none() {
                assert!(
                    found[n..]
                        .iter()
                        .zip(&expected[n..])
                        .all(|(f, e)| close(*f, *e, 0.0)),
                    "{}",
                    what()
                );
            }
        }
    }
}

/// All shapes, each with some problems.
pub fn each(anchors: impl Into<Anchors>, weights: &[Weights], mut check: impl FnMut(Case)) {
    let anchors = anchors.into();
    let mut failures = 0;
    for n in SIZES {
        for kind in KINDS {
            for &weights in weights {
                let problems = if n < 65 { 3 } else { 1 };
                let case = Case::new(n, kind, weights, anchors, problems);
                // One failure must not hide the others.
                failures += usize::from(catch_unwind(AssertUnwindSafe(|| check(case))).is_err());
            }
        }
    }
    assert_eq!(failures, 0);
}

pub const ALL: [Weights; 3] = [Weights::None, Weights::Small, Weights::Large];

/// The most workers that may be hostile, and none.
pub fn tolerated(n: usize) -> [usize; 2] {
    [0, (n - 1) / 2]
}
