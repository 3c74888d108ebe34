//! The CPU backend: the three primitives on all cores, with the widest vectors that there are.
//!
//! A primitive shares the columns out in segments, a segment is worked off tile by tile (a few
//! columns of all rows, in the caches), and the inner loops are kernels compiled once for each set of
//! instructions. X is read from memory once, results are written once, nothing else grows with d.

use std::sync::{Arc, Mutex, PoisonError};

use rayon::iter::{ParallelBridge, ParallelIterator};

use crate::engine::Operands;
use crate::matrix::{Anchor, HostAnchor};
use crate::plan::{Arena, Step};
use crate::{Error, Result, Shape};

mod columns;
mod combine;
mod mixing;
mod order;
mod pairwise;
mod policy;
mod products;
mod scratch;
mod segments;
mod simd;
mod sums;
#[cfg(test)]
mod tests;
mod tile;
mod update;
mod weighted;

use columns::ColumnsPlan;
use combine::CombinePlan;
use pairwise::PairwisePlan;
use scratch::{Scratch, Sizes};
use segments::Sink;
use simd::{Isa, Kernel, Simd};
use tile::Line;
use update::Kept;

/// The processor: a pool of threads, and the instructions to use.
///
/// Results have the same bits for any number of threads.
#[derive(Clone, Debug)]
pub struct Cpu {
    pool: Option<Arc<rayon::ThreadPool>>,
    isa: Isa,
}

impl Default for Cpu {
    fn default() -> Self {
        Cpu::new()
    }
}

impl Cpu {
    /// All cores: rayon's global pool, or the pool that the caller runs in.
    pub fn new() -> Self {
        let isa = Isa::all()
            .next()
            .expect("the portable instructions are always there");
        Cpu { pool: None, isa }
    }

    /// A pool of its own with that many threads.
    ///
    /// # Errors
    /// [`Error::Device`] when there are to be no threads, or the system refuses to start them.
    pub fn with_threads(threads: usize) -> Result<Self> {
        let error = |reason: String| Error::Device {
            device: format!("{threads} threads"),
            reason,
        };
        if threads == 0 {
            return Err(error("at least one is needed".into()));
        }
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .map_err(|reason| error(reason.to_string()))?;
        Ok(Cpu {
            pool: Some(Arc::new(pool)),
            ..Cpu::new()
        })
    }

    /// How many threads there are.
    pub fn threads(&self) -> usize {
        match &self.pool {
            Some(pool) => pool.current_num_threads(),
            None => rayon::current_num_threads(),
        }
    }

    /// The instructions in use: `avx512`, `avx2` or `portable`.
    pub fn instructions(&self) -> &'static str {
        self.isa.name()
    }

    /// The instructions that this processor has, the best first.
    #[doc(hidden)]
    pub fn available_instructions() -> impl Iterator<Item = &'static str> {
        Isa::all().map(Isa::name)
    }

    /// The same threads with other instructions, for tests.
    #[doc(hidden)]
    pub fn with_instructions(self, name: &str) -> Result<Self> {
        let isa = Isa::all()
            .find(|isa| isa.name() == name)
            .ok_or_else(|| Error::Device {
                device: name.to_string(),
                reason: "this processor does not have these instructions".into(),
            })?;
        Ok(Cpu { isa, ..self })
    }

    fn install<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        match &self.pool {
            Some(pool) => pool.install(work),
            None => work(),
        }
    }
}

/// The steps of a plan with all that they need, allocated once.
#[derive(Debug)]
pub(crate) struct Workspace {
    cpu: Cpu,
    plans: Vec<Plan>,
    /// For the step whose inner products are kept, if there is one.
    kept: Option<Kept>,
    /// The partial results of a wave of segments.
    partials: Vec<f64>,
    /// One for each thread.
    scratch: Vec<Mutex<Scratch>>,
    bytes: usize,
}

#[derive(Debug)]
enum Plan {
    Pairwise(PairwisePlan),
    Columns(ColumnsPlan),
    Combine(CombinePlan),
    /// Not a primitive.
    Geometry,
}

impl Workspace {
    /// For running the primitives among these steps on matrices of a shape.
    pub(crate) fn new(cpu: &Cpu, shape: &Shape, steps: &[Step]) -> Self {
        let mut sizes = Sizes::default();
        let plan = |step: &Step| match step {
            Step::Pairwise(step) => {
                Plan::Pairwise(PairwisePlan::new(step, shape, cpu.isa, &mut sizes))
            }
            Step::Columns(step) => {
                Plan::Columns(ColumnsPlan::new(step, shape, cpu.isa, &mut sizes))
            }
            Step::Combine(step) => Plan::Combine(CombinePlan::new(step, shape, &mut sizes)),
            Step::Geometry(_) => Plan::Geometry,
        };
        let plans: Vec<Plan> = steps.iter().map(plan).collect();
        let partials = plans.iter().map(Plan::partials).max().unwrap_or(0);
        let keep = steps
            .iter()
            .any(|step| matches!(step, Step::Pairwise(step) if step.keep));
        let mut workspace = Workspace {
            cpu: cpu.clone(),
            kept: keep.then(|| Kept::new(shape)),
            partials: vec![0.0; partials],
            scratch: (0..cpu.threads())
                .map(|_| Mutex::new(Scratch::new(&sizes, cpu.isa)))
                .collect(),
            plans,
            bytes: 0,
        };
        let scratch = workspace
            .scratch
            .iter_mut()
            .map(|scratch| match scratch.get_mut() {
                Ok(scratch) => scratch.bytes(),
                Err(poisoned) => poisoned.into_inner().bytes(),
            });
        workspace.bytes = scratch.sum::<usize>()
            + size_of_val(&workspace.partials[..])
            + workspace.plans.iter().map(Plan::bytes).sum::<usize>()
            + workspace.kept.as_ref().map_or(0, Kept::bytes);
        workspace
    }

    /// Memory that it holds.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How often inner products that are kept were computed about a new centre, over all problems.
    pub(crate) fn renewals(&self) -> u64 {
        self.kept.as_ref().map_or(0, Kept::renewals)
    }

    /// Runs all steps. The operands are in the host's memory, and have been checked.
    pub(crate) fn run_all(
        &mut self,
        steps: &[Step],
        arena: &mut Arena,
        mut operands: Operands<'_, '_, '_>,
    ) {
        for (at, step) in steps.iter().enumerate() {
            if let Step::Geometry(op) = step {
                self.each_problem(arena, |region| op.run(region, operands.number));
            } else {
                self.run(at, arena, &mut operands);
            }
        }
    }

    /// Runs a primitive over all problems: the step of that index. Shapes have been checked.
    ///
    /// Results over d go to the output, if the step writes one; all others into the arena.
    fn run(&mut self, step: usize, arena: &mut Arena, operands: &mut Operands<'_, '_, '_>) {
        let host = "the engine refuses other matrices";
        let data = operands.x.host().expect(host);
        let given = match operands.anchor {
            Some(Anchor::Vector(vector)) => Some(vector.host().expect(host)),
            _ => None,
        };
        let out = &mut *operands.output;
        let context = Context {
            cpu: &self.cpu,
            isa: self.cpu.isa,
            scratch: &self.scratch,
        };
        let (partials, data) = (&mut self.partials[..], &data);
        match &self.plans[step] {
            Plan::Pairwise(plan) => {
                let anchor = given.map_or(HostAnchor::Output(&out.data), HostAnchor::Vector);
                let from = (data, &anchor);
                match self.kept.as_mut().filter(|_| plan.step.keep) {
                    Some(kept) => {
                        kept.run(plan, &context, partials, from, arena, operands.changed);
                    }
                    None => plan.run(&context, partials, from, arena, None, |_| true),
                }
            }
            Plan::Columns(plan) => plan.run(&context, partials, data, arena, Some(out)),
            Plan::Combine(plan) => {
                let anchor = given.map(HostAnchor::Vector);
                plan.run(&context, (data, anchor.as_ref()), arena, Some(out));
            }
            Plan::Geometry => {}
        }
    }
}

impl Workspace {
    /// Small work on each problem's region, in parallel when there are several.
    fn each_problem(&self, arena: &mut Arena, work: impl Fn(&mut [f64]) + Send + Sync) {
        let regions = arena.problems_mut();
        if regions.len() == 1 {
            regions.for_each(work);
        } else {
            self.cpu.install(|| regions.par_bridge().for_each(work));
        }
    }
}

impl Plan {
    fn partials(&self) -> usize {
        match self {
            Plan::Pairwise(plan) => plan.segments.partials(),
            Plan::Columns(plan) => plan.segments.partials(),
            Plan::Combine(_) | Plan::Geometry => 0,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Plan::Pairwise(plan) => plan.bytes(),
            Plan::Columns(plan) => plan.bytes(),
            Plan::Combine(plan) => plan.segments.bytes(),
            Plan::Geometry => 0,
        }
    }
}

/// What the primitives run with.
struct Context<'a> {
    cpu: &'a Cpu,
    isa: Isa,
    scratch: &'a [Mutex<Scratch>],
}

impl Context<'_> {
    /// Works in a thread's own scratch memory. No thread waits for another while it holds one.
    fn with_scratch<T>(&self, work: impl FnOnce(&mut Scratch) -> T) -> T {
        // A caller's own pool may have more threads than there were when this was prepared.
        let index = rayon::current_thread_index().unwrap_or(0) % self.scratch.len();
        // A panic while it was held left no invariant broken: every run fills what it reads.
        work(
            &mut self.scratch[index]
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }
}

/// Writes a tile's result to the output.
struct WriteResult<'k, 'a, 's> {
    sink: &'k mut Sink<'a, 's>,
    result: &'k [Line],
    width: usize,
}

impl Kernel for WriteResult<'_, '_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        self.sink
            .write(s, &bytemuck::cast_slice(self.result)[..self.width]);
    }
}
