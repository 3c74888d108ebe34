//! Runs a plan's steps on a device, with a workspace that is allocated once.

use std::borrow::Cow;

#[cfg(feature = "cuda")]
use crate::backend::cuda;
#[cfg(feature = "wgpu")]
use crate::backend::wgpu;
use crate::backend::{Device, cpu};
use crate::kept::Kept;
use crate::matrix::Anchor;
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
    workspace: Workspace,
    /// For inner products that last from run to run.
    kept: Option<Kept>,
    ran: bool,
}

/// What a run works on, beside the small numbers in the arena.
pub(crate) struct Operands<'r, 'x, 'o> {
    pub x: &'r Matrix<'x>,
    /// The given vector of the steps that have one among their anchors.
    pub anchor: Option<Anchor<'r>>,
    pub output: &'r mut Output<'o>,
    /// The number of the training step.
    pub number: u64,
    /// Where inner products are kept: the rows that differ from the last run's, all if there are none
    /// given. What a workspace gets are points in order, the given vector among them.
    pub changed: Option<&'r [usize]>,
}

/// What a device runs the steps with.
#[derive(Debug)]
enum Workspace {
    #[cfg(feature = "cpu")]
    Cpu(cpu::Workspace),
    #[cfg(feature = "wgpu")]
    Wgpu(Box<wgpu::Workspace>),
    #[cfg(feature = "cuda")]
    Cuda(Box<cuda::Workspace>),
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
        let workspace = match device {
            #[cfg(feature = "cpu")]
            Device::Cpu(cpu) => Workspace::Cpu(cpu::Workspace::new(cpu, shape, &steps)),
            #[cfg(feature = "wgpu")]
            Device::Wgpu(device) => {
                let types = (input, output);
                let workspace = wgpu::Workspace::new(device, shape, types, &steps, arena)?;
                Workspace::Wgpu(Box::new(workspace))
            }
            #[cfg(feature = "cuda")]
            Device::Cuda(device) => {
                let types = (input, output);
                let workspace = cuda::Workspace::new(device, shape, types, &steps, arena)?;
                Workspace::Cuda(Box::new(workspace))
            }
        };
        let kept = steps.iter().find_map(|step| match step {
            Step::Pairwise(step) if step.keep => {
                Some(Kept::new(shape.n(), step.anchors.given_at(shape.n())))
            }
            _ => None,
        });
        Ok(Engine {
            workspace,
            kept,
            device: device.clone(),
            shape: shape.clone(),
            input,
            output,
            steps,
            arena: Arena::new(shape.problems(), arena),
            ran: false,
        })
    }

    /// Refuses operands that it was not prepared for.
    pub fn check(&self, operands: &Operands<'_, '_, '_>) -> Result<()> {
        const OP: &str = "run";
        let Operands {
            x, anchor, output, ..
        } = operands;
        x.check(OP, &self.shape, self.input)?;
        output.check(OP, &self.shape, self.output)?;
        match (anchor, self.needs_anchor()) {
            (Some(anchor), true) => anchor.check("run: start", &self.shape, self.output)?,
            (None, false) => {}
            (None, true) => {
                let expected = "a start, which the rule needs (Run::start or start_from_output)";
                return Err(Error::shape(OP, expected, "none"));
            }
            (Some(_), false) => {
                let expected = "no start, as the rule has a start of its own";
                return Err(Error::shape(OP, expected, "one"));
            }
        }
        let own = self.device.backend();
        let start = anchor.and_then(|anchor| anchor.backend());
        let others = [x.backend(), start, output.backend()];
        if let Some(other) = others.into_iter().flatten().find(|other| *other != own) {
            let expected = format!(
                "a matrix and an output in the host's memory{}, for {}",
                if self.device.is_host() {
                    ""
                } else {
                    " or the device's"
                },
                self.device
            );
            return Err(Error::shape(OP, expected, format!("one in {other} memory")));
        }
        Ok(())
    }

    /// Is there a step that a vector must be given for?
    fn needs_anchor(&self) -> bool {
        self.steps.iter().any(|step| match step {
            Step::Pairwise(step) => step.anchors.given,
            Step::Combine(step) => step.anchor,
            _ => false,
        })
    }

    /// The same numbers for every problem.
    pub fn set(&mut self, slot: Slot, values: &[f64]) {
        for p in 0..self.arena.problems() {
            self.arena.problem_mut(p)[slot.range()].copy_from_slice(values);
        }
    }

    /// Runs all steps on operands that were [checked](Engine::check).
    pub fn run(&mut self, operands: Operands<'_, '_, '_>) -> Result<()> {
        let (steps, arena) = (&self.steps[..], &mut self.arena);
        let changed = self.kept.as_mut().and_then(|kept| {
            let weights = weights_of(steps).map(|slot| arena.get(0, slot));
            kept.begin(operands.changed, weights)
        });
        let operands = Operands {
            changed,
            ..operands
        };
        match &mut self.workspace {
            #[cfg(feature = "cpu")]
            Workspace::Cpu(workspace) => workspace.run_all(steps, arena, operands),
            #[cfg(feature = "wgpu")]
            Workspace::Wgpu(workspace) => workspace.run(steps, arena, operands)?,
            #[cfg(feature = "cuda")]
            Workspace::Cuda(workspace) => workspace.run(steps, arena, operands)?,
        }
        if let Some(kept) = &mut self.kept {
            kept.done();
        }
        self.ran = true;
        Ok(())
    }

    /// The next run can take nothing from the last one.
    pub fn forget(&mut self) {
        if let Some(kept) = &mut self.kept {
            kept.forget();
        }
    }

    /// How often kept inner products were computed about a new centre.
    pub fn renewals(&self) -> u64 {
        match &self.workspace {
            #[cfg(feature = "cpu")]
            Workspace::Cpu(workspace) => workspace.renewals(),
            #[cfg(feature = "wgpu")]
            Workspace::Wgpu(workspace) => workspace.renewals(),
            #[cfg(feature = "cuda")]
            Workspace::Cuda(workspace) => workspace.renewals(),
        }
    }

    /// Appends all steps to the caller's encoder.
    #[cfg(feature = "wgpu")]
    pub fn encode(
        &mut self,
        encoder: &mut ::wgpu::CommandEncoder,
        operands: Operands<'_, '_, '_>,
    ) -> Result<()> {
        let (steps, arena) = (&self.steps[..], &mut self.arena);
        let Workspace::Wgpu(workspace) = &mut self.workspace else {
            let expected = "a rule prepared for a wgpu device";
            return Err(Error::shape("encode", expected, self.device.to_string()));
        };
        workspace.encode(encoder, steps, arena, operands)?;
        self.ran = true;
        Ok(())
    }

    /// The small buffers as the last run left them. Waits for a device that is not the host.
    pub fn arena(&self) -> Result<Cow<'_, Arena>> {
        match &self.workspace {
            #[cfg(feature = "cpu")]
            Workspace::Cpu(_) => Ok(Cow::Borrowed(&self.arena)),
            #[cfg(feature = "wgpu")]
            Workspace::Wgpu(workspace) => {
                let mut arena = self.arena.clone();
                workspace.download(&mut arena)?;
                Ok(Cow::Owned(arena))
            }
            #[cfg(feature = "cuda")]
            Workspace::Cuda(workspace) => {
                let mut arena = self.arena.clone();
                workspace.download(&mut arena)?;
                Ok(Cow::Owned(arena))
            }
        }
    }

    /// Brings what the last run left on a device to the host's arena.
    pub fn fetch(&mut self) -> Result<()> {
        match &self.workspace {
            #[cfg(feature = "cpu")]
            Workspace::Cpu(_) => Ok(()),
            #[cfg(feature = "wgpu")]
            Workspace::Wgpu(workspace) => workspace.download(&mut self.arena),
            #[cfg(feature = "cuda")]
            Workspace::Cuda(workspace) => workspace.download(&mut self.arena),
        }
    }

    /// How often a run waits for the device in the middle.
    pub fn host_syncs(&self) -> usize {
        match &self.workspace {
            #[cfg(feature = "cpu")]
            Workspace::Cpu(_) => 0,
            #[cfg(feature = "wgpu")]
            Workspace::Wgpu(workspace) => workspace.host_syncs(),
            #[cfg(feature = "cuda")]
            Workspace::Cuda(workspace) => workspace.host_syncs(),
        }
    }

    pub fn ran(&self) -> bool {
        self.ran
    }

    pub fn bytes(&self) -> usize {
        let workspace = match &self.workspace {
            #[cfg(feature = "cpu")]
            Workspace::Cpu(workspace) => workspace.bytes(),
            #[cfg(feature = "wgpu")]
            Workspace::Wgpu(workspace) => workspace.bytes(),
            #[cfg(feature = "cuda")]
            Workspace::Cuda(workspace) => workspace.bytes(),
        };
        workspace + self.arena.bytes() + self.kept.as_ref().map_or(0, Kept::bytes)
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
            Step::Pairwise(step) => read + if step.anchors.given { written } else { 0 },
            Step::Columns(step) => read + if step.write { written } else { 0 },
            Step::Combine(step) => {
                written + self.combined(step.coefficients) + if step.anchor { written } else { 0 }
            }
            Step::Geometry(_) => 0,
        };
        self.steps.iter().map(bytes).sum()
    }

    /// Bytes of the rows with a coefficient.
    fn combined(&self, coefficients: Slot) -> usize {
        let coefficients = Slot {
            len: self.shape.n(),
            ..coefficients
        };
        let columns = self.shape.columns();
        // Where the coefficients can't be had, as if every row were read.
        let arena = self.arena().ok().filter(|_| self.ran);
        (0..self.shape.problems())
            .map(|p| {
                let used = |arena: &Cow<'_, Arena>| {
                    let coefficients = arena.get(p, coefficients).iter();
                    coefficients.filter(|c| **c != 0.0).count()
                };
                let rows = arena.as_ref().map_or(self.shape.n(), used);
                let d: usize = columns[self.shape.problem(p)].iter().sum();
                rows * d * self.input.size()
            })
            .sum()
    }
}

/// The weights of inner products that are kept: those of the run, the same for all problems.
fn weights_of(steps: &[Step]) -> Option<Slot> {
    steps.iter().find_map(|step| match step {
        Step::Pairwise(step) => step.weights,
        _ => None,
    })
}
