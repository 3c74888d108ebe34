//! Runs a plan's steps on a device, with a workspace that is allocated once.

use crate::backend::{Device, cpu};
use crate::plan::{Arena, Slot, Step};
use crate::{DType, Error, Matrix, Output, Result, Shape};

/// A plan's steps, the small buffers that they work on, and the device's workspace.
#[derive(Debug)]
pub(crate) struct Engine {
    pub device: Device,
    pub shape: Shape,
    pub input: DType,
    pub output: DType,
    pub steps: Vec<Step>,
    pub arena: Arena,
    workspace: cpu::Workspace,
    ran: bool,
}

impl Engine {
    /// Allocates for steps whose slots lie in the first `arena` numbers of a problem's region.
    pub fn new(
        device: &Device,
        shape: &Shape,
        (input, output): (DType, Option<DType>),
        steps: Vec<Step>,
        arena: usize,
    ) -> Result<Self> {
        const OP: &str = "prepare";
        shape.check(OP)?;
        let output = output.unwrap_or(input.output());
        if output != output.output() {
            return Err(Error::shape(
                OP,
                "an output of f32, bf16 or f16",
                output.to_string(),
            ));
        }
        let Device::Cpu(cpu) = device;
        Ok(Engine {
            workspace: cpu::Workspace::new(cpu, shape, &steps),
            device: device.clone(),
            shape: shape.clone(),
            input,
            output,
            steps,
            arena: Arena::new(shape.problems(), arena),
            ran: false,
        })
    }

    /// Refuses a matrix or an output that it was not prepared for.
    pub fn check(&self, x: &Matrix<'_>, output: &Output<'_>) -> Result<()> {
        const OP: &str = "run";
        x.check(OP, &self.shape, self.input)?;
        output.check(OP, &self.shape, self.output)
    }

    /// The same numbers for every problem.
    pub fn set(&mut self, slot: Slot, values: &[f64]) {
        for p in 0..self.shape.problems() {
            self.arena.problem_mut(p)[slot.range()].copy_from_slice(values);
        }
    }

    /// Runs all steps on a matrix and an output that were [checked](Engine::check).
    pub fn run(&mut self, x: &Matrix<'_>, output: &mut Output<'_>, number: u64) {
        for (at, step) in self.steps.iter().enumerate() {
            if let Step::Geometry(op) = step {
                self.workspace
                    .each_problem(&mut self.arena, |region| op.run(region, number));
            } else {
                self.workspace.run(at, x, &mut self.arena, Some(output));
            }
        }
        self.ran = true;
    }

    pub fn ran(&self) -> bool {
        self.ran
    }

    pub fn bytes(&self) -> usize {
        self.workspace.bytes() + self.arena.bytes()
    }

    /// Passes over the matrix or part of it.
    pub fn dispatches(&self) -> usize {
        let primitive = |step: &&Step| !matches!(step, Step::Geometry(_));
        self.steps.iter().filter(primitive).count()
    }

    /// Bytes that the last run moved; before the first run as if it read every row.
    pub fn bytes_moved(&self) -> usize {
        let (n, d) = (self.shape.n(), self.shape.d());
        let written = d * self.output.size();
        let read = n * d * self.input.size();
        let bytes = |step: &Step| match step {
            Step::Pairwise(_) => read,
            Step::Columns(step) => read + if step.write { written } else { 0 },
            Step::Combine(step) => written + self.combined(step.coefficients),
            Step::Geometry(_) => 0,
        };
        self.steps.iter().map(bytes).sum()
    }

    /// Bytes of the rows with a coefficient.
    fn combined(&self, coefficients: Slot) -> usize {
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
                let d: usize = columns[self.shape.problem(p)].iter().sum();
                rows * d * self.input.size()
            })
            .sum()
    }
}
