//! Runs a plan's steps on a device, with memory that is allocated once.

use bytemuck::NoUninit;
use cudarc::driver::{CudaSlice, DevicePtr, SyncOnDrop};

use super::abi::{self, SLAB};
use super::feed::Feed;
use super::launch::{self, Grid};
use super::modules::Module;
use super::{Cuda, pairwise, plan, policy, steps as primitives};
use crate::backend::known::{Known, Where};
use crate::backend::ranks::mean_coefficients;
use crate::engine::Operands;
use crate::plan::{Arena, Slot, Statistic, Step};
use crate::{DType, Error, Result, Shape};

/// The steps of a plan with all that they need on a device.
#[derive(Debug)]
pub(crate) struct Workspace {
    device: Cuda,
    shape: Shape,
    known: Known,
    feed: Feed,
    memory: Memory,
    dealing: Dealing,
    /// Numbers of a problem's region on the device.
    region: usize,
    /// Where each mean's coefficients are in a region, behind the plan's own slots.
    means: Vec<Option<usize>>,
    input: DType,
    output: DType,
    /// Problems whose inner products would be kept, and how often they have been computed.
    kept: u64,
    renewals: u64,
}

/// Memory on the device.
#[derive(Debug)]
struct Memory {
    arena: CudaSlice<f64>,
    /// A chunk's centre or result.
    centre: CudaSlice<f32>,
    /// A chunk of mixed rows, for a statistic and for distances.
    staged: [CudaSlice<f32>; 2],
    partials: CudaSlice<f32>,
    marks: CudaSlice<u32>,
}

/// How slabs are dealt out to CUDA blocks and to chunks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dealing {
    /// Slabs of the largest problem.
    pub slabs: usize,
    /// Slabs of a CUDA block.
    pub per_block: usize,
    /// Slabs whose mixed rows or centre are kept at a time: a multiple of `per_block`.
    pub chunk: usize,
}

impl Dealing {
    fn new(device: &Cuda, slabs: usize, problems: usize, (kept, most): (usize, usize)) -> Self {
        let blocks = device.multiprocessors() * policy::BLOCKS_PER_MULTIPROCESSOR;
        let fair = (slabs * problems).div_ceil(blocks);
        let mut per_block = fair.clamp(1, most);
        // What is kept of a slab of every problem.
        let slab = problems * kept * SLAB;
        if slab * per_block > policy::STAGED {
            per_block = 1;
        }
        let chunk = (policy::STAGED / slab.max(1)).max(1);
        let chunk = chunk.min(slabs.max(1)).next_multiple_of(per_block);
        Dealing {
            slabs,
            per_block,
            chunk: if kept == 0 { slabs.max(1) } else { chunk },
        }
    }

    /// CUDA blocks of a problem, each with partial sums of its own.
    pub fn blocks(&self) -> usize {
        self.slabs.div_ceil(self.per_block)
    }

    /// The chunks: first slab and the one behind the last.
    pub fn chunks(&self, kept: bool) -> Vec<(usize, usize)> {
        let chunk = if kept { self.chunk } else { self.slabs.max(1) };
        (0..self.slabs)
            .step_by(chunk)
            .map(|begin| (begin, (begin + chunk).min(self.slabs)))
            .collect()
    }
}

/// Addresses on the device.
#[derive(Clone, Copy, Debug)]
pub(super) struct Addresses {
    pub arena: u64,
    pub centre: u64,
    pub staged: [u64; 2],
    pub partials: u64,
    pub marks: u64,
    /// An address for each block: the given anchor.
    pub anchors: u64,
    pub blocks: u64,
    pub problems: u64,
}

/// What the primitives run with.
pub(super) struct Job<'w> {
    pub device: &'w Cuda,
    pub shape: &'w Shape,
    pub at: Addresses,
    pub dealing: Dealing,
    pub region: usize,
    pub input: DType,
    pub output: DType,
}

impl Job<'_> {
    /// The matrix, or some slabs of it.
    pub fn matrix(&self, (begin, end): (usize, usize)) -> abi::Matrix {
        abi::Matrix {
            blocks: self.at.blocks,
            problems: self.at.problems,
            arena: self.at.arena,
            region: self.region as u64,
            begin: begin as u64,
            end: end as u64,
            staged: 0,
            n: self.shape.n() as u32,
            per_block: self.dealing.per_block as u32,
            first_partial: (begin / self.dealing.per_block) as u32,
            partials: self.dealing.blocks() as u32,
            input: abi::dtype(self.input),
            output: abi::dtype(self.output),
        }
    }

    /// CUDA blocks for all slabs of a matrix.
    pub fn blocks(&self, x: &abi::Matrix) -> usize {
        ((x.end - x.begin) as usize).div_ceil(self.dealing.per_block)
    }

    /// Enqueues a kernel on all slabs of a matrix.
    pub fn launch<P: NoUninit>(
        &self,
        module: Module,
        name: &'static str,
        (threads, shared, z): (u32, usize, usize),
        x: &abi::Matrix,
        parameters: &P,
        masks: Option<&abi::Masks>,
    ) -> Result<()> {
        let grid = Grid {
            blocks: (
                self.blocks(x) as u32,
                self.shape.problems() as u32,
                z as u32,
            ),
            threads,
            shared: shared as u32,
        };
        self.enqueue(module, name, grid, x, parameters, masks)
    }

    /// Enqueues a kernel.
    pub fn enqueue<A: NoUninit, B: NoUninit>(
        &self,
        module: Module,
        name: &'static str,
        grid: Grid,
        first: &A,
        second: &B,
        masks: Option<&abi::Masks>,
    ) -> Result<()> {
        let kernel = self.device.kernel(module, name)?;
        let fail = |error| {
            self.device
                .error(&format!("launch {name} of {module}"), &error)
        };
        if grid.shared > policy::SHARED {
            launch::allow_shared(&kernel, grid.shared).map_err(fail)?;
        }
        launch::launch(self.device.stream(), &kernel, grid, first, second, masks).map_err(fail)
    }
}

impl Workspace {
    /// For running these steps on matrices of a shape.
    ///
    /// # Errors
    /// When the device can't hold what they need.
    pub fn new(
        device: &Cuda,
        shape: &Shape,
        (input, output): (DType, DType),
        steps: &[Step],
        arena: usize,
    ) -> Result<Self> {
        const OP: &str = "prepare";
        let n = shape.n();
        if n > policy::ROWS || shape.problems() > policy::PROBLEMS {
            let (rows, problems) = (policy::ROWS, policy::PROBLEMS);
            return Err(device.refuse(format!(
                "{OP}: expected at most {rows} rows and {problems} problems, got {shape}"
            )));
        }
        for step in steps {
            if let Step::Pairwise(step) = step {
                let needed = pairwise::Kernel::new(device, step, n).shared();
                if needed > device.shared() {
                    return Err(device.refuse(format!(
                        "{OP}: inner products of {n} rows need {needed} bytes of shared memory for a block of threads, \
                         got a device with {}",
                        device.shared()
                    )));
                }
            }
        }
        let mut region = arena;
        let means = steps.iter().map(|step| match step {
            Step::Columns(step) if step.statistic == Statistic::Mean => {
                let at = region;
                region += primitives::rows(step, n);
                Some(at)
            }
            _ => None,
        });
        let means: Vec<_> = means.collect();
        let region = region.max(1);
        let feed = Feed::new(device, shape, output)?;
        let kept = steps
            .iter()
            .map(|step| primitives::Kept::of(device, step, n));
        let kept = kept.fold(primitives::Kept::default(), primitives::Kept::max);
        let problems = shape.problems();
        let most = (steps.iter()).map(|step| primitives::most_slabs(device, step, n));
        let most = most.min().unwrap_or(policy::SLABS);
        let dealing = Dealing::new(device, feed.slabs(), problems, (kept.rows(), most));
        let per_row = problems * dealing.chunk * SLAB;
        let sums = |step: &Step| match step {
            Step::Pairwise(step) => pairwise::Kernel::new(device, step, n).partials(),
            Step::Columns(step) => step.distances.map_or(0, |distances| distances.out.len / 2),
            _ => 0,
        };
        let marks = |step: &Step| match step {
            Step::Pairwise(step) => n + step.anchors.count(),
            step => sums(step),
        };
        let blocks = problems * dealing.blocks();
        let most = |of: &dyn Fn(&Step) -> usize| steps.iter().map(of).max().unwrap_or(0);
        let floats = |what, len| device.allocate::<f32>(OP, what, len);
        let memory = Memory {
            arena: device.allocate(OP, "small numbers", problems * region)?,
            centre: floats("a chunk", if kept.centre { per_row } else { 0 })?,
            staged: [
                floats("mixed rows", kept.mixed[0] * per_row)?,
                floats("mixed rows", kept.mixed[1] * per_row)?,
            ],
            partials: floats("partial sums", blocks * most(&sums))?,
            marks: device.allocate(OP, "partial sums", blocks * most(&marks))?,
        };
        Ok(Workspace {
            device: device.clone(),
            shape: shape.clone(),
            known: Known::new(steps, plan::supported),
            feed,
            memory,
            dealing,
            region,
            means,
            input: input.output(),
            output,
            kept: if steps.iter().any(keeps) {
                problems as u64
            } else {
                0
            },
            renewals: 0,
        })
    }

    /// Memory that it holds on the device.
    pub fn bytes(&self) -> usize {
        let Memory {
            arena,
            centre,
            staged: [a, b],
            partials,
            marks,
        } = &self.memory;
        let floats = centre.len() + a.len() + b.len() + partials.len() + marks.len();
        8 * arena.len() + 4 * floats + self.feed.bytes()
    }

    /// Operations that a run waits for the device for, because the host does them.
    pub fn host_syncs(&self) -> usize {
        self.known.host_syncs()
    }

    /// How often inner products that are kept were computed about a new centre, over all problems.
    pub fn renewals(&self) -> u64 {
        self.renewals
    }

    fn addresses(&self) -> Addresses {
        let stream = self.device.stream();
        let floats = |memory: &CudaSlice<f32>| memory.device_ptr(stream).0;
        let (blocks, problems, anchors) = self.feed.tables(&self.device);
        let memory = &self.memory;
        Addresses {
            arena: memory.arena.device_ptr(stream).0,
            centre: floats(&memory.centre),
            staged: [floats(&memory.staged[0]), floats(&memory.staged[1])],
            partials: floats(&memory.partials),
            marks: memory.marks.device_ptr(stream).0,
            anchors,
            blocks,
            problems,
        }
    }

    /// Enqueues all steps. What the host knows goes along; what it must compute in the middle it waits for.
    pub fn run(
        &mut self,
        steps: &[Step],
        arena: &mut Arena,
        operands: Operands<'_, '_, '_>,
    ) -> Result<()> {
        let device = self.device.clone();
        let Operands {
            x,
            anchor,
            output,
            number,
            // Kept inner products are computed anew in every run.
            changed: _,
        } = operands;
        let host_anchor = anchor.is_some_and(|anchor| anchor.is_host(output));
        let waits = self.host_syncs() > 0 || x.host().is_some() || output.is_host() || host_anchor;
        if waits && launch::is_capturing(device.stream()) {
            let expected = "operands on the device, and a rule that runs there alone (host_syncs() = 0), \
                            while a graph is captured";
            let got = format!(
                "a run that waits for the host, {} times in the middle",
                self.host_syncs()
            );
            return Err(Error::shape("run", expected, got));
        }
        {
            let mut guards: Vec<SyncOnDrop<'_>> = Vec::new();
            self.feed
                .begin(&device, x, anchor.as_ref(), output, &mut guards)?;
            self.enqueue(&device, steps, arena, number)?;
        }
        self.renewals += self.kept;
        let writes = |step: &Step| match step {
            Step::Columns(step) => step.write,
            Step::Combine(_) => true,
            _ => false,
        };
        if steps.iter().any(writes) {
            self.feed.finish(&device, output)?;
        }
        Ok(())
    }

    fn enqueue(&self, device: &Cuda, steps: &[Step], arena: &mut Arena, number: u64) -> Result<()> {
        let job = Job {
            device,
            shape: &self.shape,
            at: self.addresses(),
            dealing: self.dealing,
            region: self.region,
            input: self.input,
            output: self.output,
        };
        for slot in self.known.given() {
            self.upload(&job, arena, slot)?;
        }
        for ((step, mean), place) in steps.iter().zip(&self.means).zip(self.known.places()) {
            match step {
                Step::Geometry(op) if place == Where::Device => {
                    plan::enqueue(op, &job)?;
                }
                Step::Geometry(op) => {
                    if place == Where::Host {
                        self.download(arena)?;
                    }
                    arena
                        .problems_mut()
                        .for_each(|region| op.run(region, number));
                    self.upload(&job, arena, op.out())?;
                }
                Step::Pairwise(step) => pairwise::enqueue(&job, step, total(arena, step.weights))?,
                Step::Columns(step) => {
                    if let Some(at) = *mean {
                        let rows = primitives::rows(step, self.shape.n());
                        for p in 0..arena.problems() {
                            let weights = step.weights.map(|slot| arena.get(p, slot));
                            let values = mean_coefficients(weights, rows);
                            self.write(&job, &values, p * self.region + at)?;
                        }
                    }
                    primitives::columns(&job, step, total(arena, step.weights), *mean)?;
                }
                Step::Combine(step) => primitives::combine(&job, step)?,
            }
        }
        Ok(())
    }

    /// Writes a slot of the host's arena to the device.
    fn upload(&self, job: &Job<'_>, arena: &Arena, slot: Slot) -> Result<()> {
        for p in 0..arena.problems() {
            self.write(job, arena.get(p, slot), p * self.region + slot.offset)?;
        }
        Ok(())
    }

    /// Writes numbers to the device's arena: a few with a launch, which a graph may capture.
    fn write(&self, job: &Job<'_>, values: &[f64], at: usize) -> Result<()> {
        if values.len() <= policy::BY_VALUE {
            return plan::write(job, values, job.at.arena + 8 * at as u64);
        }
        let stream = self.device.stream();
        if launch::is_capturing(stream) {
            let expected = format!(
                "at most {} numbers from the host while a graph is captured",
                policy::BY_VALUE
            );
            return Err(Error::shape("run", expected, values.len().to_string()));
        }
        launch::copy_to(stream, values, job.at.arena + 8 * at as u64).map_err(|error| {
            self.device
                .error("copy small numbers to the device", &error)
        })
    }

    /// Everything that the device has computed, into the host's arena. Waits for the device.
    pub fn download(&self, arena: &mut Arena) -> Result<()> {
        let stream = self.device.stream();
        let fail = |error| self.device.error("copy small numbers to the host", &error);
        let mut values = vec![0.0; self.memory.arena.len()];
        stream
            .memcpy_dtoh(&self.memory.arena, &mut values)
            .map_err(fail)?;
        stream.synchronize().map_err(fail)?;
        for (region, values) in arena.problems_mut().zip(values.chunks_exact(self.region)) {
            for (at, (to, &value)) in region.iter_mut().zip(values).enumerate() {
                if !self.known.is_host(at) {
                    *to = value;
                }
            }
        }
        Ok(())
    }
}

fn keeps(step: &Step) -> bool {
    matches!(step, Step::Pairwise(step) if step.keep)
}

/// The weight of all rows, the same in every problem.
fn total(arena: &Arena, weights: Option<Slot>) -> Option<i32> {
    weights.map(|slot| arena.get(0, slot).iter().sum::<f64>() as i32)
}
