//! Runs a plan on a device, with a workspace that is allocated once.

use crate::backend::{Device, cpu};
use crate::geometry::weights;
use crate::plan::{Arena, Slot, Step};
use crate::report::{self, Report};
use crate::rule::{Plan, Rule};
use crate::{DType, Error, Matrix, Output, Result, Shape};

/// What a rule is prepared for, beyond shape and element type.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    weighted: bool,
    report: bool,
    output: Option<DType>,
}

impl Options {
    /// No weights, no report, the output's element type the input's.
    pub fn new() -> Self {
        Options::default()
    }

    /// Will every run give weights?
    pub fn weighted(self, weighted: bool) -> Self {
        Options { weighted, ..self }
    }

    /// Will [`Prepared::report`] be asked? Coordinate-wise rules then also measure each row's distance,
    /// and a rule whose plan has no inner products reads the matrix once more for them.
    pub fn report(self, report: bool) -> Self {
        Options { report, ..self }
    }

    /// The output's element type: f32, bf16 or f16.
    pub fn output(self, dtype: DType) -> Self {
        Options {
            output: Some(dtype),
            ..self
        }
    }
}

/// What may change from run to run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Run<'a> {
    weights: Option<&'a [f64]>,
    step: u64,
}

impl<'a> Run<'a> {
    /// No weights, step 0.
    pub fn new() -> Self {
        Run::default()
    }

    /// One weight per worker: finite, at least 0, not all 0. Integers with a sum of at most 2³⁰ are
    /// used as they are, others are scaled and rounded to that total.
    pub fn weights(self, weights: &'a [f64]) -> Self {
        Run {
            weights: Some(weights),
            ..self
        }
    }

    /// The number of the training step, which bucketing's permutation depends on.
    pub fn step(self, step: u64) -> Self {
        Run { step, ..self }
    }
}

/// A rule prepared for a shape on a device: run it as often as there are steps.
///
/// A run allocates nothing that grows with n or d. After an error the output is as it was.
#[derive(Debug)]
pub struct Prepared {
    rule: Rule,
    device: Device,
    shape: Shape,
    input: DType,
    output: DType,
    options: Options,
    plan: Plan,
    arena: Arena,
    integers: Vec<f64>,
    workspace: cpu::Workspace,
    ran: bool,
}

impl Rule {
    /// Allocates everything that running this rule on such matrices needs.
    ///
    /// ```
    /// use byzagg::{DType, Device, Matrix, Rule, Shape};
    ///
    /// // Five workers, one of which sends nonsense.
    /// let nan = f32::NAN;
    /// let x = [1.0, 2.0, /**/ 1.1, 2.1, /**/ 0.9, 1.9, /**/ 1.0, 2.0, /**/ nan, 1e30];
    ///
    /// let rule: Rule = "ctma(median,f=1)".parse()?;
    /// let mut aggregator = rule.prepare(&Device::cpu(), &Shape::new(5, 2), DType::F32)?;
    /// let mut out = [0.0; 2];
    /// aggregator.run(Matrix::new(&x, 5, 2)?, &mut out[..])?;
    /// assert_eq!(out, [1.0, 2.0]);
    /// # Ok::<(), byzagg::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Parameter`] when n workers can't satisfy the rule, [`Error::Shape`] when the shape is
    /// empty.
    pub fn prepare(&self, device: &Device, shape: &Shape, input: DType) -> Result<Prepared> {
        self.prepare_with(device, shape, input, Options::new())
    }

    /// [`prepare`](Rule::prepare) with options.
    ///
    /// # Errors
    /// As [`prepare`](Rule::prepare); also [`Error::Weights`] when a part of the rule does not define
    /// weights.
    pub fn prepare_with(
        &self,
        device: &Device,
        shape: &Shape,
        input: DType,
        options: Options,
    ) -> Result<Prepared> {
        const OP: &str = "prepare";
        shape.check(OP)?;
        let output = options.output.unwrap_or(input.output());
        if output != output.output() {
            return Err(Error::shape(
                OP,
                "an output of f32, bf16 or f16",
                output.to_string(),
            ));
        }
        let plan = self.plan(shape.n(), options.weighted, options.report)?;
        let Device::Cpu(cpu) = device;
        let workspace = cpu::Workspace::new(cpu, shape, input, output, &plan.steps)?;
        Ok(Prepared {
            rule: self.clone(),
            device: device.clone(),
            shape: shape.clone(),
            input,
            output,
            options,
            arena: Arena::new(shape.problems(), plan.arena),
            integers: vec![0.0; if options.weighted { shape.n() } else { 0 }],
            plan,
            workspace,
            ran: false,
        })
    }
}

impl Prepared {
    /// Aggregates a matrix into an output: d elements, or one slice per block.
    ///
    /// # Errors
    /// [`Error::Shape`] and [`Error::DType`] when the matrix or the output is not what was prepared
    /// for, [`Error::Weights`] when weights were promised.
    pub fn run<'a, 'b>(
        &mut self,
        x: impl Into<Matrix<'a>>,
        output: impl Into<Output<'b>>,
    ) -> Result<()> {
        self.run_with(x, output, &Run::new())
    }

    /// [`run`](Prepared::run) with weights, or at a step.
    ///
    /// # Errors
    /// As [`run`](Prepared::run); also when the weights are unusable.
    pub fn run_with<'a, 'b>(
        &mut self,
        x: impl Into<Matrix<'a>>,
        output: impl Into<Output<'b>>,
        run: &Run<'_>,
    ) -> Result<()> {
        const OP: &str = "run";
        let (x, mut output) = (x.into(), output.into());
        x.check(OP, &self.shape, self.input)?;
        output.check(OP, &self.shape, self.output)?;
        self.take_weights(run.weights)?;
        for step in &self.plan.steps {
            match step {
                Step::Pairwise(step) => self.workspace.pairwise(&x, step, &mut self.arena),
                Step::Columns(step) => {
                    self.workspace
                        .columns(&x, step, &mut self.arena, Some(&mut output));
                }
                Step::Combine(step) => self.workspace.combine(&x, step, &self.arena, &mut output),
                Step::Geometry(op) => self.workspace.geometry(op, run.step, &mut self.arena),
            }
        }
        self.ran = true;
        Ok(())
    }

    fn take_weights(&mut self, weights: Option<&[f64]>) -> Result<()> {
        match (weights, self.plan.weights) {
            (None, None) => Ok(()),
            (Some(given), Some(slot)) => {
                weights::to_integers(given, &mut self.integers)?;
                for p in 0..self.shape.problems() {
                    self.arena.problem_mut(p)[slot.range()].copy_from_slice(&self.integers);
                }
                Ok(())
            }
            (given, _) => {
                let say = |weighted| if weighted { "weights" } else { "no weights" };
                Err(Error::Weights {
                    needs: format!("{}, as prepared", say(given.is_none())),
                    got: say(given.is_some()).into(),
                })
            }
        }
    }

    /// The rule.
    pub fn rule(&self) -> &Rule {
        &self.rule
    }

    /// The shape that it was prepared for.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The device that it runs on.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Bytes that the workspace holds.
    pub fn workspace_bytes(&self) -> usize {
        self.workspace.bytes() + self.arena.bytes() + size_of_val(&self.integers[..])
    }

    /// How often a run waits for the device in the middle: never on the CPU, where nothing is
    /// asynchronous.
    pub fn host_syncs(&self) -> usize {
        0
    }

    /// Passes over the matrix or part of it in a run.
    pub fn dispatches(&self) -> usize {
        let primitive = |step: &&Step| !matches!(step, Step::Geometry(_));
        self.plan.steps.iter().filter(primitive).count()
    }

    /// Bytes that the last run had to move: matrix rows read, output written. Before the first run as
    /// if every row were read.
    pub fn bytes_moved(&self) -> usize {
        let (n, d) = (self.shape.n(), self.shape.d());
        let written = d * self.output.size();
        let row = |columns: usize| columns * self.input.size();
        let mut bytes = 0;
        for step in &self.plan.steps {
            bytes += match step {
                Step::Pairwise(_) => n * row(d),
                Step::Columns(step) => n * row(d) + if step.write { written } else { 0 },
                Step::Combine(step) => written + self.combined(step.coefficients, row),
                Step::Geometry(_) => 0,
            };
        }
        bytes
    }

    /// Bytes of the rows with a coefficient.
    fn combined(&self, coefficients: Slot, row: impl Fn(usize) -> usize) -> usize {
        let columns = self.shape.columns();
        (0..self.shape.problems())
            .map(|p| {
                let used = self
                    .arena
                    .get(p, coefficients)
                    .iter()
                    .filter(|c| **c != 0.0)
                    .count();
                let rows = if self.ran { used } else { self.shape.n() };
                rows * row(columns[self.shape.problem(p)].iter().sum())
            })
            .sum()
    }

    /// What happened in the last run: who was cut, and why. One report per problem of a batch.
    ///
    /// # Errors
    /// [`Error::Shape`] when it was not prepared with [`Options::report`] or has not run yet.
    pub fn report(&self) -> Result<Vec<Report>> {
        if !self.options.report || !self.ran {
            return Err(Error::shape(
                "report",
                "a rule prepared with Options::report that has run",
                if self.ran {
                    "no Options::report"
                } else {
                    "no run yet"
                },
            ));
        }
        Ok((0..self.shape.problems())
            .map(|p| {
                let weights = (!self.integers.is_empty()).then_some(&self.integers[..]);
                report::of(
                    &self.plan.trace,
                    self.arena.problem(p),
                    self.shape.n(),
                    weights,
                )
            })
            .collect())
    }
}
