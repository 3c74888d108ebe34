//! Runs a plan's steps on a device, with buffers that are made once.

use std::ops::Range;

use ::wgpu;

use super::feed::Feed;
use super::record::{Part, Recording};
use super::sink::Sink;
use super::transfer::{Region, download, total, upload};
use super::update::{Centres, Kept};
use super::{Wgpu, limits, pairwise, plan, policy, steps as primitives};
use crate::backend::known::{Known, Where};
use crate::backend::ranks::mean_coefficients;
use crate::engine::Operands;
use crate::matrix::{Anchor, Matrix, Output};
use crate::plan::{Arena, Statistic, Step, Ties};
use crate::{DType, Error, Result, Shape};

/// The steps of a plan with all that they need on a device.
#[derive(Debug)]
pub(crate) struct Workspace {
    device: Wgpu,
    shape: Shape,
    known: Known,
    buffers: Buffers,
    /// For inner products that last from run to run.
    kept: Option<Kept>,
    feed: Feed,
    anchor_feed: Feed,
    sink: Sink,
    /// Words of a problem's region on the device.
    stride: usize,
    /// Where each mean's coefficients are in a region, behind the plan's own slots.
    means: Vec<Option<u32>>,
    result: DType,
}

/// Memory on the device.
#[derive(Debug)]
pub(super) struct Buffers {
    /// All problems' small numbers: f32, weights i32.
    pub arena: wgpu::Buffer,
    /// A chunk's centre or result, f32, and behind a centre the anchor.
    pub centre: wgpu::Buffer,
    /// A chunk of mixed rows, f32, for a statistic and for distances.
    pub mixed: [wgpu::Buffer; 2],
    pub partials: wgpu::Buffer,
    /// All columns' centres, where they are kept, with room for an anchor's chunk behind them.
    pub centres: Option<Centres>,
}

/// What the primitives run with.
pub(super) struct Job<'d, 'w, 'x, 'o> {
    pub device: &'d Wgpu,
    pub shape: &'w Shape,
    pub recording: Recording<'d>,
    pub buffers: &'w Buffers,
    pub feed: &'w mut Feed,
    pub anchor_feed: &'w mut Feed,
    pub sink: &'w mut Sink,
    pub x: &'w Matrix<'x>,
    pub anchor: Option<Anchor<'w>>,
    pub output: &'w mut Output<'o>,
    pub result: DType,
    /// The last submission.
    pub last: Option<wgpu::SubmissionIndex>,
}

impl Job<'_, '_, '_, '_> {
    /// Hands what has been recorded to the device.
    pub fn submit(&mut self) -> Result<()> {
        let recording = std::mem::replace(&mut self.recording, Recording::new(self.device));
        let index = self.device.checked("run", |device| {
            let mut encoder =
                device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            recording.encode(&mut encoder)?;
            Ok(self.device.queue().submit([encoder.finish()]))
        })??;
        self.last = Some(index);
        Ok(())
    }

    /// Words that a buffer may have.
    pub fn most_words(&self) -> usize {
        self.device.most_words()
    }

    /// How many columns a panel of a matrix, and of the result, may have.
    pub fn most_columns(&self) -> usize {
        let binding = self
            .device
            .limits()
            .max_storage_buffer_binding_size
            .saturating_sub(1024);
        whole_quads(((binding / 4) as usize).min(self.sink.capacity()))
    }
}

impl Workspace {
    /// For running these steps on matrices of a shape.
    ///
    /// # Errors
    /// When the device can't hold what they need.
    pub fn new(
        device: &Wgpu,
        shape: &Shape,
        (input, result): (DType, DType),
        steps: &[Step],
        arena: usize,
    ) -> Result<Self> {
        let mut stride = arena;
        let means = steps.iter().map(|step| match step {
            Step::Columns(step) if step.statistic == Statistic::Mean => {
                let at = stride as u32;
                stride += step
                    .mixing
                    .map_or(shape.n(), |mixing| mixing.len / shape.n());
                Some(at)
            }
            _ => None,
        });
        let means: Vec<_> = means.collect();
        limits::check(device, most_rows(shape, steps))?;
        primitives::check_rows(device, shape.n())?;
        for step in steps {
            match step {
                Step::Pairwise(step) => {
                    let centre = Statistic::Median(Ties::Midpoint);
                    primitives::check(device, centre, shape.n(), step.weights.is_some())?;
                }
                Step::Columns(step) => {
                    let rows = step
                        .mixing
                        .map_or(shape.n(), |mixing| mixing.len / shape.n());
                    primitives::check(device, step.statistic, rows, step.weights.is_some())?;
                }
                Step::Combine(_) | Step::Geometry(_) => {}
            }
        }
        // Bindings can't be empty.
        let stride = stride.max(4);
        let most = device.most_words();
        let words = Words::of(device, shape, steps);
        let arena = shape.problems().saturating_mul(stride);
        let sizes = [
            arena,
            words.centre,
            words.mixed[0],
            words.mixed[1],
            words.partials,
        ];
        for (what, words) in [
            "small numbers",
            "a chunk",
            "mixed rows",
            "mixed rows",
            "partial sums",
        ]
        .iter()
        .zip(sizes)
        {
            if words > most {
                return Err(device.error(format!(
                    "prepare: expected at most {most} words for {what}, got {words} for {shape}"
                )));
            }
        }
        let storage = wgpu::BufferUsages::STORAGE;
        let copies = wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        let keeps = |step: &Step| matches!(step, Step::Pairwise(step) if step.keep);
        let keep = steps.iter().any(keeps);
        device.probe("prepare")?;
        let buffers = device.checked("prepare", |device| {
            let buffer = |label, words: usize, usage| {
                device.create_buffer(&wgpu::BufferDescriptor {
                    label: Some(label),
                    // Whole vectors of four.
                    size: 4 * words.max(4).next_multiple_of(4) as u64,
                    usage,
                    mapped_at_creation: false,
                })
            };
            Buffers {
                arena: buffer("byzagg arena", arena, storage | copies),
                centre: buffer("byzagg centre", words.centre, storage),
                mixed: words
                    .mixed
                    .map(|words| buffer("byzagg mixed rows", words, storage)),
                partials: buffer("byzagg partial sums", words.partials, storage),
                centres: keep.then(|| {
                    Centres::new(shape, most, words.behind, |words| {
                        buffer("byzagg centres", words, storage)
                    })
                }),
            }
        })?;
        Ok(Workspace {
            device: device.clone(),
            shape: shape.clone(),
            known: Known::new(steps, plan::supported),
            buffers,
            kept: keep.then(|| Kept::new(shape)),
            feed: Feed::new(shape, input),
            anchor_feed: Feed::new(&shape.of_one_row(), result),
            sink: Sink::new(device, shape, result),
            stride,
            means,
            result,
        })
    }

    /// Memory that it holds on the device.
    pub fn bytes(&self) -> usize {
        let Buffers {
            arena,
            centre,
            mixed: [a, b],
            partials,
            centres,
        } = &self.buffers;
        let own: u64 = [arena, centre, a, b, partials]
            .iter()
            .map(|buffer| buffer.size())
            .sum();
        let centres = centres.as_ref().map_or(0, Centres::bytes);
        let feeds = self.feed.bytes() + self.anchor_feed.bytes();
        own as usize + centres + feeds + self.sink.bytes()
    }

    /// Operations that a run waits for the device for, because the host does them, and one for the decision
    /// whether kept inner products need a new centre.
    pub fn host_syncs(&self) -> usize {
        self.known.host_syncs() + usize::from(self.kept.is_some())
    }

    /// How often inner products that are kept were computed about a new centre, over all problems.
    pub fn renewals(&self) -> u64 {
        self.kept.as_ref().map_or(0, Kept::renewals)
    }

    /// Runs all steps. What the host knows, it writes to the device; what it must compute in the middle,
    /// it reads back and waits for.
    pub fn run(
        &mut self,
        steps: &[Step],
        arena: &mut Arena,
        operands: Operands<'_, '_, '_>,
    ) -> Result<()> {
        let device = self.device.clone();
        let mut job = self.record(&device, steps, arena, operands)?;
        job.submit()?;
        job.drain()
    }

    /// Appends all steps to the caller's encoder.
    ///
    /// # Errors
    /// When a step needs the host, or the matrix or the output are not on the device.
    pub fn encode(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        steps: &[Step],
        arena: &mut Arena,
        operands: Operands<'_, '_, '_>,
    ) -> Result<()> {
        const OP: &str = "encode";
        if self.host_syncs() > 0 {
            let got = format!(
                "one that waits for the host {} times in a run",
                self.host_syncs()
            );
            return Err(Error::shape(
                OP,
                "a rule that runs on the device alone (host_syncs() = 0)",
                got,
            ));
        }
        let Operands {
            x, anchor, output, ..
        } = &operands;
        let host_anchor = anchor.is_some_and(|anchor| anchor.is_host(output));
        if x.host().is_some() || output.is_host() || host_anchor {
            let expected = match anchor {
                None => "a matrix and an output in wgpu buffers",
                Some(_) => "a matrix, an output and a start in wgpu buffers",
            };
            return Err(Error::shape(OP, expected, "one in the host's memory"));
        }
        let device = self.device.clone();
        let job = self.record(&device, steps, arena, operands)?;
        device.checked(OP, |_| job.recording.encode(encoder))?
    }

    /// Records all steps; what has to be submitted in between has been.
    fn record<'d, 'w, 'x, 'o>(
        &'w mut self,
        device: &'d Wgpu,
        steps: &[Step],
        arena: &mut Arena,
        operands: Operands<'w, 'x, 'o>,
    ) -> Result<Job<'d, 'w, 'x, 'o>> {
        device.probe("run")?;
        let Operands {
            x,
            anchor,
            output,
            number,
            changed,
        } = operands;
        let mut job = Job {
            device,
            shape: &self.shape,
            recording: Recording::new(device),
            buffers: &self.buffers,
            feed: &mut self.feed,
            anchor_feed: &mut self.anchor_feed,
            sink: &mut self.sink,
            x,
            anchor,
            output,
            result: self.result,
            last: None,
        };
        let (known, stride) = (&self.known, self.stride);
        let region = Region { known, stride };
        job.feed.begin(device, x)?;
        job.begin_anchor()?;
        job.sink.begin(job.output);
        job.check_buffers()?;
        upload(&mut job, region, arena, known.given());
        for ((step, mean), place) in steps.iter().zip(&self.means).zip(known.places()) {
            match step {
                Step::Geometry(op) if place == Where::Device => {
                    let whole = Part::whole(&job.buffers.arena);
                    let total = op.weights().map(|slot| arena.get(0, slot).iter().sum());
                    plan::encode(
                        op,
                        &mut job.recording,
                        &whole,
                        stride as u32,
                        arena.problems() as u32,
                        total,
                    )?;
                }
                Step::Geometry(op) => {
                    if place == Where::Host {
                        job.submit()?;
                        download(device, &job.buffers.arena, region, arena)?;
                    }
                    arena
                        .problems_mut()
                        .for_each(|region| op.run(region, number));
                    upload(&mut job, region, arena, [op.out()]);
                }
                Step::Pairwise(step) if step.keep => {
                    if let Some(kept) = &mut self.kept {
                        kept.record(&mut job, step, arena, region, changed)?;
                    }
                }
                primitive => {
                    for p in 0..arena.problems() {
                        let at = (p * stride) as u32;
                        let total = |slot| total(arena, p, slot);
                        match primitive {
                            Step::Pairwise(step) => {
                                pairwise::record(&mut job, step, p, at, total(step.weights), false)?
                            }
                            Step::Columns(step) => {
                                if let Some(coefficients) = *mean {
                                    let weights = step.weights.map(|slot| arena.get(p, slot));
                                    let rows = step
                                        .mixing
                                        .map_or(job.shape.n(), |mixing| mixing.len / job.shape.n());
                                    let values = mean_coefficients(weights, rows);
                                    let values: Vec<f32> =
                                        values.into_iter().map(|c| c as f32).collect();
                                    let offset = 4 * u64::from(at + coefficients);
                                    job.recording.write(&values, &job.buffers.arena, offset);
                                }
                                primitives::columns(
                                    &mut job,
                                    step,
                                    p,
                                    at,
                                    total(step.weights),
                                    *mean,
                                )?;
                            }
                            Step::Combine(step) => primitives::combine(&mut job, step, p, at)?,
                            Step::Geometry(_) => {}
                        }
                    }
                }
            }
        }
        Ok(job)
    }

    /// Everything that the device has computed, into the host's arena. Waits for the device.
    pub fn download(&self, arena: &mut Arena) -> Result<()> {
        let region = Region {
            known: &self.known,
            stride: self.stride,
        };
        download(&self.device, &self.buffers.arena, region, arena)
    }
}

/// The most rows that a step has, mixed or not.
fn most_rows(shape: &Shape, steps: &[Step]) -> usize {
    let rows = |step: &Step| match step {
        Step::Columns(step) => {
            let other = step.distances.and_then(|distances| distances.rows);
            let slots = [step.mixing, other].into_iter().flatten();
            slots.map(|slot| slot.len / shape.n()).max()
        }
        _ => None,
    };
    steps.iter().filter_map(rows).fold(shape.n(), usize::max)
}

/// Words of the buffers that a plan needs.
struct Words {
    centre: usize,
    /// Of them, what lies behind a chunk's centre.
    behind: usize,
    mixed: [usize; 2],
    partials: usize,
}

impl Words {
    fn of(device: &Wgpu, shape: &Shape, steps: &[Step]) -> Self {
        let most = device.most_words();
        let widest = shape.columns().iter().copied().max().unwrap_or(0);
        let mut words = Words {
            centre: 0,
            behind: 0,
            mixed: [0; 2],
            partials: 0,
        };
        for step in steps {
            match step {
                Step::Pairwise(step) => {
                    let tiles = pairwise::Tiles::new(device, shape.n(), step.anchors, widest);
                    words.centre = words.centre.max(tiles.width + tiles.behind());
                    words.behind = words.behind.max(tiles.behind());
                    words.partials = words.partials.max(tiles.words());
                }
                Step::Columns(step) => {
                    let chunks = primitives::Chunks::new(step, shape.n(), widest, most);
                    words.centre = words.centre.max(chunks.centre);
                    for (words, mixed) in words.mixed.iter_mut().zip(chunks.mixed) {
                        *words = (*words).max(mixed);
                    }
                    words.partials = words.partials.max(chunks.partials);
                }
                Step::Combine(_) | Step::Geometry(_) => {}
            }
        }
        words
    }
}

/// At most so many columns, a multiple of 64 if there are so many.
pub(super) fn whole_quads(columns: usize) -> usize {
    match columns {
        0..64 => columns.max(1),
        _ => columns / 64 * 64,
    }
}

/// The chunks of a range of columns.
pub(super) fn chunks(columns: Range<usize>, width: usize) -> impl Iterator<Item = Range<usize>> {
    let end = columns.end;
    columns
        .step_by(width)
        .map(move |start| start..(start + width).min(end))
}

/// A grid of so many workgroups, in as many dimensions as the limits make it.
pub(super) fn grid(device: &Wgpu, groups: usize) -> [u32; 3] {
    let most = device.limits().max_compute_workgroups_per_dimension as usize;
    let width = groups.clamp(1, most);
    [width as u32, groups.div_ceil(width) as u32, 1]
}

/// How many invocations share some columns.
pub(super) fn slices(columns: usize, most: usize) -> usize {
    let wanted = columns.div_ceil(policy::SLICE_COLUMNS).next_multiple_of(64);
    wanted.min(most.max(64) / 64 * 64).max(64)
}
