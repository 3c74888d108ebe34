//! Centered clipping.

use super::{Entry, Goal, Kind, Level, Node, Outcome, Planner, Refusal, number, refuse};
use crate::geometry::Op;
use crate::report::Weighing;

/// Centered clipping (Karimireddy, He, Jaggi, ICML 2021): L steps
/// `v ← v + (1/S) Σ w_i (x_i − v) min(1, τ/‖x_i − v‖)` from v = 0, or from a vector that every run is
/// given ([`start_given`](CenteredClipping::start_given)): the last output, a momentum.
///
/// A given start that holds a NaN or an infinity, or is too far from the rows to measure (its squared
/// distance to their median exceeds f32::MAX), counts as zero, so that a training loop which feeds outputs
/// back recovers by itself; a report says so. The start is no worker: it has no vote and no weight. Pre-aggregators
/// mix the rows, not the start. (Distances to the start are as accurate as about 1e-7 of its squared distance
/// to the raw rows' median: clipping rows to far less than that length before is not a good idea.)
///
/// Defaults τ = 100, L = 1. A row that is not finite does not pull, but its weight is part of S: a step
/// is never longer than τ. Breakdown point: half of the weight, for a τ of the size of the honest rows'
/// spread and a start within it. Two reads of X however many steps. Needs a finite τ > 0 and L ≥ 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CenteredClipping {
    tau: f64,
    iterations: usize,
    start: bool,
}

impl Default for CenteredClipping {
    fn default() -> Self {
        CenteredClipping {
            tau: 100.0,
            iterations: 1,
            start: false,
        }
    }
}

impl CenteredClipping {
    /// τ = 100, one step.
    pub fn new() -> Self {
        CenteredClipping::default()
    }

    /// The length that differences are clipped to.
    pub fn tau(self, tau: f64) -> Self {
        CenteredClipping { tau, ..self }
    }

    /// This many steps.
    pub fn iterations(self, iterations: usize) -> Self {
        CenteredClipping { iterations, ..self }
    }

    /// From a vector that each run is given.
    ///
    /// ```
    /// use byzagg::{CenteredClipping, DType, Device, Matrix, Rule, Run, Shape};
    ///
    /// let rule: Rule = CenteredClipping::new().tau(1.0).start_given().into();
    /// assert_eq!(rule.to_string(), "cc(tau=1,start=given)");
    ///
    /// let x = [3.0f32, 3.0, 1e6]; // three workers, the last of which attacks
    /// let mut aggregator = rule.prepare(&Device::cpu(), &Shape::new(3, 1), DType::F32)?;
    /// let mut v = [2.5f32]; // the state: the last output
    /// let run = Run::new().start_from_output();
    /// aggregator.run_with(Matrix::new(&x, 3, 1)?, &mut v[..], &run)?;
    /// assert!((v[0] - (2.5 + (0.5 + 0.5 + 1.0) / 3.0)).abs() < 1e-5);
    /// # Ok::<(), byzagg::Error>(())
    /// ```
    pub fn start_given(self) -> Self {
        CenteredClipping {
            start: true,
            ..self
        }
    }
}

pub(super) static ENTRY: Entry = Entry {
    name: "cc",
    parameters: &[
        (
            "tau",
            "the length that differences are clipped to, default 100",
        ),
        ("iterations", "steps, default 1"),
        (
            "start",
            "zero, or given: a vector that comes with each run; default zero",
        ),
    ],
    wraps: false,
    computes: "centered clipping: steps along the clipped differences to the rows",
    limits: "a finite tau > 0; iterations ≥ 1",
    source: "Karimireddy, He, Jaggi, ICML 2021",
    reads: "2",
    weights: true,
    parse: |arguments| {
        let mut rule = CenteredClipping::default();
        rule.tau = arguments.number("tau")?.unwrap_or(rule.tau);
        rule.iterations = arguments.count("iterations")?.unwrap_or(rule.iterations);
        let starts = [("zero", false), ("given", true)];
        rule.start = arguments.one_of("start", &starts)?.unwrap_or(rule.start);
        Ok(rule.into())
    },
};

impl Node for CenteredClipping {
    fn entry(&self) -> &'static Entry {
        &ENTRY
    }

    fn parameters(&self) -> Vec<String> {
        let default = CenteredClipping::default();
        let tau = (self.tau != default.tau).then(|| format!("tau={}", number(self.tau)));
        let iterations = (self.iterations != default.iterations)
            .then(|| format!("iterations={}", self.iterations));
        let start = self.start.then(|| "start=given".to_string());
        tau.into_iter().chain(iterations).chain(start).collect()
    }

    fn check(&self, _: usize) -> std::result::Result<(), Refusal> {
        if !(self.tau > 0.0 && self.tau.is_finite()) {
            return refuse("a finite tau > 0", format!("tau = {}", number(self.tau)));
        }
        if self.iterations == 0 {
            return refuse("iterations ≥ 1", "iterations = 0");
        }
        Ok(())
    }

    fn needs_origin(&self) -> bool {
        true
    }

    fn needs_start(&self) -> bool {
        self.start
    }

    fn plan(&self, planner: &mut Planner, level: &mut Level, _: Goal) -> Outcome {
        let geometry = planner.geometry(level);
        let (weights, tau, iterations) = (level.weights, self.tau, self.iterations);
        let coefficients = planner.op(level.n + usize::from(self.start), |out| {
            Op::CenteredClipping {
                geometry,
                weights,
                tau,
                iterations,
                out,
            }
        });
        planner.coefficients(level, coefficients, Kind::Weighed(Weighing::Clipping))
    }
}
