//! From a rule to its plan: which primitives and operations, in which order, on which slots.

use super::Rule;
use super::trace::{Decision, Kind, Trace};
use crate::geometry::{GeometrySlot, Length, Op};
use crate::plan::{Anchors, Columns, Combine, Distances, Pairwise, Slot, Statistic, Step};

/// What a rule computes, ready to be run by any backend.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub steps: Vec<Step>,
    /// Numbers in a problem's region of the arena.
    pub arena: usize,
    /// Where the integer weights go, when the plan is for weighted rows.
    pub weights: Option<Slot>,
    /// Where the length goes that a run is given.
    pub length: Option<Slot>,
    pub trace: Trace,
}

/// The rows that a rule sees: X itself, or a mixing of it.
#[derive(Clone, Debug)]
pub(super) struct Level {
    pub n: usize,
    pub mixing: Option<Slot>,
    pub weights: Option<Slot>,
    geometry: Option<GeometrySlot>,
    /// Does row i stand for worker i?
    own: bool,
    /// Are the rows the workers' own, clipped at most?
    unmixed: bool,
}

/// What a pre-aggregator makes of rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Mixing {
    /// Each row shorter or as it is: a diagonal matrix.
    Clip,
    /// Each row an average of some, itself among them.
    Neighbours,
    /// Fewer rows, or in another order.
    Regroup,
}

/// What the caller does with a result.
#[derive(Clone, Copy, Debug)]
pub(super) struct Goal {
    /// Is it the plan's output?
    pub write: bool,
    /// Distances of these rows to it (`None` inside: of the raw rows), if it is coordinate-wise.
    pub distances: Option<(Option<Slot>, usize)>,
}

/// How a rule left its result.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outcome {
    /// Computed by a `columns` step, with the distances that the goal asked for.
    Columns { distances: Option<Slot> },
    /// Coefficients over the raw rows.
    Coefficients(Slot),
}

pub(super) struct Planner {
    n: usize,
    steps: Vec<Step>,
    end: usize,
    high: usize,
    anchors: Anchors,
    weights: Option<Slot>,
    length: Option<Slot>,
    raw: Option<GeometrySlot>,
    /// Where the raw geometry goes, if it is kept: before all that may be written over.
    kept: Option<Slot>,
    pub trace: Trace,
}

/// The steps of a rule. With the length of the raw geometry that is kept for the next run.
pub(super) fn plan(
    rule: &Rule,
    n: usize,
    weighted: bool,
    report: bool,
    keep: Option<usize>,
) -> Plan {
    let mut planner = Planner {
        n,
        steps: Vec::new(),
        end: 0,
        high: 0,
        anchors: Anchors {
            origin: rule.needs_origin(),
            given: rule.needs_start(),
        },
        weights: None,
        length: None,
        raw: None,
        kept: None,
        trace: Trace::default(),
    };
    planner.weights = weighted.then(|| planner.reserve(n));
    planner.length = rule.needs_length().then(|| planner.reserve(1));
    planner.kept = keep.map(|len| planner.reserve(len));
    let mut level = Level {
        n,
        mixing: None,
        weights: planner.weights,
        geometry: None,
        own: true,
        unmixed: true,
    };
    let goal = Goal {
        write: true,
        distances: report.then_some((None, n)),
    };
    match rule.node().plan(&mut planner, &mut level, goal) {
        Outcome::Columns { distances } => {
            planner.trace.distances = distances.map(|slot| Slot { len: n, ..slot });
            planner.trace.classes = distances.map(|slot| classes(slot, n));
        }
        Outcome::Coefficients(coefficients) => {
            if report {
                planner.explain(&mut level, coefficients);
            }
            planner.trace.coefficients = Some(coefficients);
            let anchor = coefficients.len > n;
            planner.trace.share_of_start = anchor.then_some(coefficients.offset + n);
            planner.steps.push(Step::Combine(Combine {
                coefficients,
                anchor,
            }));
        }
    }
    Plan {
        steps: planner.steps,
        arena: planner.high,
        weights: planner.weights,
        length: planner.length,
        trace: planner.trace,
    }
}

/// The classes behind n squared distances.
pub(super) fn classes(distances: Slot, n: usize) -> Slot {
    Slot {
        offset: distances.offset + n,
        len: n,
    }
}

impl Planner {
    fn reserve(&mut self, len: usize) -> Slot {
        let slot = Slot {
            offset: self.end,
            len,
        };
        self.end = slot.end();
        self.high = self.high.max(self.end);
        slot
    }

    /// Appends an operation that writes `len` numbers. Its scratch lies behind them and is free again
    /// for the next step's output.
    pub fn op(&mut self, len: usize, op: impl FnOnce(Slot) -> Op) -> Slot {
        let out = self.reserve(len);
        let op = op(out);
        self.high = self.high.max(out.end() + op.scratch());
        self.steps.push(Step::Geometry(op));
        out
    }

    /// The length that a run is given.
    pub fn length(&mut self) -> Length {
        let slot = self.length.unwrap_or_else(|| self.reserve(1));
        self.length = Some(slot);
        Length::Given(slot)
    }

    /// The inner products of a level's rows: one pass over X for all levels.
    pub fn geometry(&mut self, level: &mut Level) -> GeometrySlot {
        if let Some(known) = level.geometry {
            return known;
        }
        let raw = self.raw_geometry();
        let geometry = match level.mixing {
            None => raw,
            Some(mixing) => {
                let n = level.n;
                let anchors = raw.anchors;
                let mixed = |slot| GeometrySlot { slot, n, anchors };
                let slot = self.op(GeometrySlot::len(n, anchors), |slot| Op::Mix {
                    geometry: raw,
                    mixing,
                    out: mixed(slot),
                });
                mixed(slot)
            }
        };
        level.geometry = Some(geometry);
        geometry
    }

    fn raw_geometry(&mut self) -> GeometrySlot {
        if let Some(raw) = self.raw {
            return raw;
        }
        let (n, anchors) = (self.n, self.anchors);
        let slot = match self.kept {
            Some(slot) => slot,
            None => self.reserve(GeometrySlot::len(n, anchors)),
        };
        self.steps.push(Step::Pairwise(Pairwise {
            anchors,
            weights: self.weights,
            out: slot,
            keep: self.kept.is_some(),
        }));
        let raw = GeometrySlot { slot, n, anchors };
        self.trace.classes = Some(raw.classes());
        self.trace.start = anchors.given.then_some(slot.end() - 1);
        self.raw = Some(raw);
        raw
    }

    /// A coordinate-wise statistic of a level's rows.
    pub fn columns(&mut self, statistic: Statistic, level: &Level, goal: Goal) -> Outcome {
        let distances = goal.distances.map(|(rows, n)| Distances {
            rows,
            out: self.reserve(2 * n),
        });
        if goal.write {
            self.trace.mixing = level.mixing;
            self.decide(level, Kind::Columns);
        }
        self.steps.push(Step::Columns(Columns {
            statistic,
            mixing: level.mixing,
            weights: level.weights,
            distances,
            write: goal.write,
        }));
        Outcome::Columns {
            distances: distances.map(|d| d.out),
        }
    }

    /// For a report: how the rule decides about a level's rows. The outermost rule has the last word.
    pub fn decide(&mut self, level: &Level, kind: Kind) -> &mut Decision {
        self.trace.decision.insert(Decision {
            kind,
            n: level.n,
            mixing: level.mixing.filter(|_| !level.unmixed),
            own: level.own,
            weights: level.weights,
            classes: level.geometry.map(GeometrySlot::classes),
            coefficients: None,
        })
    }

    /// The result of a rule that found coefficients over a level's rows, and perhaps the given vector.
    pub fn coefficients(&mut self, level: &Level, coefficients: Slot, kind: Kind) -> Outcome {
        self.decide(level, kind).coefficients = Some(coefficients);
        let Some(mixing) = level.mixing else {
            return Outcome::Coefficients(coefficients);
        };
        let anchor = coefficients.len > level.n;
        Outcome::Coefficients(self.op(self.n + usize::from(anchor), |out| Op::Expand {
            anchor,
            coefficients,
            mixing,
            out,
        }))
    }

    /// Squared distances and classes of a level's rows to a combination of raw rows.
    pub fn distances(&mut self, level: &mut Level, coefficients: Slot) -> Slot {
        let own = self.geometry(level);
        let geometry = self.raw_geometry();
        let rows = level.mixing.map(|mixing| (mixing, own));
        self.op(2 * level.n, |out| Op::Distances {
            geometry,
            rows,
            coefficients,
            out,
        })
    }

    /// The level behind a pre-aggregator that mixes the rows of `level` by an `n'×n` matrix.
    pub fn mix(
        &mut self,
        level: &Level,
        (mixing, kind): (Slot, Mixing),
        n: usize,
        weights: Option<Slot>,
    ) -> Level {
        let columns = self.n;
        let total = match level.mixing {
            None => mixing,
            Some(inner) => self.op(n * columns, |out| Op::Compose {
                outer: mixing,
                inner,
                n: columns,
                out,
            }),
        };
        let unmixed = level.unmixed && kind == Mixing::Clip;
        if unmixed {
            self.trace.clipping = Some(total);
        }
        Level {
            n,
            mixing: Some(total),
            weights,
            geometry: None,
            own: level.own && kind != Mixing::Regroup,
            unmixed,
        }
    }

    /// Does row i of a level stand for worker i, so that a report may name it?
    pub fn names_workers(&self, level: &Level) -> bool {
        level.own
    }

    /// For a report: what the rule itself did not need.
    fn explain(&mut self, level: &mut Level, coefficients: Slot) {
        if self.trace.distances.is_none() {
            let distances = self.distances(level, coefficients);
            self.trace.distances = Some(Slot {
                len: self.n,
                ..distances
            });
        }
        if self.trace.classes.is_none() {
            self.raw_geometry();
        }
    }
}
