//! The primitives `columns` and `combine`.

use super::modules::Module;
use super::pairwise::Kernel;
use super::workspace::Job;
use super::{Cuda, abi, policy};
use crate::backend::ranks::Form;
use crate::plan::{Columns, Combine, Slot, Statistic, Step};
use crate::{DType, Result};

/// Threads of a kernel that measures, and of others.
const THREADS: u32 = 128;
const ANY_THREADS: u32 = 256;

/// Static shared memory of the kernels for any number of rows.
const ANY_SHARED: usize = 11 << 10;

/// Columns of a tile of the kernels for any number of rows.
const ANY_COLUMNS: usize = 32;

/// Rows whose statistic a step computes.
pub(super) fn rows(step: &Columns, n: usize) -> usize {
    step.mixing.map_or(n, |mixing| mixing.len / n)
}

/// What a step keeps of a chunk of columns.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Kept {
    pub centre: bool,
    pub mixed: [usize; 2],
}

impl Kept {
    pub fn of(device: &Cuda, step: &Step, n: usize) -> Self {
        match step {
            Step::Pairwise(step) => Kept {
                centre: !Kernel::new(device, step, n).is_fused(),
                ..Kept::default()
            },
            Step::Columns(step) => {
                let rows = |slot: Option<Slot>| slot.map_or(0, |slot| slot.len / n);
                let staged = step.mixing.filter(|_| mixed(step, n).is_none());
                Kept {
                    centre: step.distances.is_some() && !is_measured(step, n),
                    mixed: [rows(staged), rows(other_rows(step))],
                }
            }
            _ => Kept::default(),
        }
    }

    pub fn max(self, other: Kept) -> Kept {
        Kept {
            centre: self.centre || other.centre,
            mixed: [0, 1].map(|i: usize| self.mixed[i].max(other.mixed[i])),
        }
    }

    /// Numbers for each column.
    pub fn rows(&self) -> usize {
        usize::from(self.centre) + self.mixed[0] + self.mixed[1]
    }
}

/// Slabs that a CUDA block may have, for the accuracy of what it adds up.
pub(super) fn most_slabs(device: &Cuda, step: &Step, n: usize) -> usize {
    match step {
        Step::Columns(step) if is_measured(step, n) => {
            let again = step.weights.is_some() || rows(step, n) > policy::KEPT_ROWS;
            if again {
                policy::SLABS_READ_AGAIN
            } else {
                policy::SLABS
            }
        }
        Step::Pairwise(step) => Kernel::new(device, step, n).slabs(),
        _ => policy::SLABS,
    }
}

/// Does the statistic's kernel measure the distances? It does if they are of the rows that it has, and a thread
/// has all of a column.
fn is_measured(step: &Columns, n: usize) -> bool {
    let own = |distances: crate::plan::Distances| distances.rows == step.mixing;
    let rows = rows(step, n);
    step.statistic != Statistic::Mean
        && step.distances.is_some_and(own)
        && lanes(Form::of(step.statistic), step.weights, rows).is_none()
}

/// The bucket of the kernels whose lanes share a column, if they have the statistic.
fn lanes(form: Form, weights: Option<Slot>, rows: usize) -> Option<usize> {
    match (form, weights) {
        (Form::Median(_) | Form::Trimmed(_), None) => policy::lane_bucket(rows),
        _ => None,
    }
}

/// The mixing and the bucket of the kernels that mix the rows on the way, if they have the statistic.
fn mixed(step: &Columns, n: usize) -> Option<(Slot, usize)> {
    let has = matches!(
        step.statistic,
        Statistic::Median(_) | Statistic::TrimmedMean(_)
    );
    let mixing = step.mixing.filter(|_| has && step.weights.is_none())?;
    let bucket = policy::mixed_bucket(mixing.len / n, n)?;
    Some((mixing, bucket))
}

/// Another mixing of the rows, to be measured.
fn other_rows(step: &Columns) -> Option<Slot> {
    let rows = step.distances.and_then(|distances| distances.rows);
    rows.filter(|slot| Some(*slot) != step.mixing)
}

/// Enqueues a `columns` step. `mean` is where the coefficients of a mean are.
pub(super) fn columns(
    job: &Job<'_>,
    step: &Columns,
    total: Option<i32>,
    mean: Option<usize>,
) -> Result<()> {
    let n = job.shape.n();
    let kept = Kept::of(job.device, &Step::Columns(*step), n).rows() > 0;
    for chunk in job.dealing.chunks(kept) {
        let raw = job.matrix(chunk);
        let source = match step.mixing {
            Some(mixing) if mixed(step, n).is_none() => mix(job, &raw, mixing, job.at.staged[0])?,
            _ => abi::Matrix {
                n: rows(step, n) as u32,
                ..raw
            },
        };
        let unmeasured = step.distances.filter(|_| !is_measured(step, n));
        let centre = if unmeasured.is_some() {
            job.at.centre
        } else {
            0
        };
        match mean {
            Some(at) => weighted_sum(job, &source, at, centre, (step.write, 0))?,
            None => statistic(job, step, &source, total, centre)?,
        }
        if let Some(distances) = unmeasured {
            let rows = match (other_rows(step), distances.rows) {
                (Some(other), _) => mix(job, &raw, other, job.at.staged[1])?,
                (None, Some(_)) => source,
                (None, None) => raw,
            };
            let parameters = abi::Distances {
                centre,
                partials: job.at.partials,
                marks: job.at.marks,
                weights: abi::NONE,
            };
            let module = Module::Combine(element(job, &rows));
            job.launch(
                module,
                "distances",
                (THREADS, 0, 1),
                &rows,
                &parameters,
                None,
            )?;
        }
    }
    match step.distances {
        Some(distances) => super::plan::squares(job, distances.out),
        None => Ok(()),
    }
}

/// The element type that a kernel reads.
pub(super) fn element(job: &Job<'_>, x: &abi::Matrix) -> DType {
    if x.staged == 0 { job.input } else { DType::F32 }
}

/// Computes mixed rows of a chunk, and says where they are.
fn mix(job: &Job<'_>, x: &abi::Matrix, mixing: Slot, to: u64) -> Result<abi::Matrix> {
    let rows = mixing.len / job.shape.n();
    let parameters = abi::Mix {
        mixing: mixing.offset as u64,
        out: to,
        rows: rows as u32,
        padding: 0,
    };
    let z = rows.div_ceil(abi::MIXED_ROWS);
    job.launch(
        Module::Combine(job.input),
        "mix",
        (THREADS, 0, z),
        x,
        &parameters,
        None,
    )?;
    Ok(abi::Matrix {
        staged: to,
        n: rows as u32,
        ..*x
    })
}

/// A statistic of the columns of rows, or of the rows that they are mixed to on the way: to the output, to the centre,
/// and its distances to the partial sums, as the step says.
pub(super) fn statistic(
    job: &Job<'_>,
    step: &Columns,
    x: &abi::Matrix,
    total: Option<i32>,
    centre: u64,
) -> Result<()> {
    let rows = x.n as usize;
    let form = Form::of(step.statistic);
    // The mean around the median knows no weights.
    let weights = step
        .weights
        .filter(|_| !matches!(form, Form::Around { .. }));
    let ranks = form.ranks(rows, weights.is_some(), total.unwrap_or(rows as i32));
    let element = element(job, x);
    let lanes = lanes(form, weights, rows);
    let most = match weights {
        Some(_) => policy::WEIGHTED_ROWS,
        None => usize::MAX,
    };
    // Its kernel keeps sorted columns there, beside what it measures distances with.
    let around =
        |bucket| matches!(form, Form::Around { .. }).then_some(4 * bucket * THREADS as usize);
    let bucket = match policy::bucket(rows, most) {
        bucket if around(bucket).is_some_and(|bytes| bytes + ANY_SHARED > job.device.shared()) => 0,
        bucket => bucket,
    };
    let any = bucket == 0 && lanes.is_none();
    let measured = is_measured(step, job.shape.n());
    let (name, measuring) = match (any, weights, form) {
        (true, _, _) => ("any", "any_measured"),
        (_, Some(_), _) => ("weighted", "weighted_measured"),
        (_, None, Form::Median(_)) => ("median", "median_measured"),
        (_, None, Form::Trimmed(_)) => ("trimmed", "trimmed_measured"),
        (_, None, Form::Around { .. }) => ("around", "around_measured"),
    };
    let threads = if any { ANY_THREADS } else { THREADS };
    let tile = 4 * rows * ANY_COLUMNS + if weights.is_some() { 4 * rows } else { 0 };
    let staged = any && tile + ANY_SHARED <= job.device.shared();
    let shared = match form {
        _ if staged => tile,
        _ => around(bucket).unwrap_or(0),
    };
    let parameters = abi::Columns {
        weights: weights.map_or(abi::NONE, |slot| slot.offset as u64),
        centre,
        partials: job.at.partials,
        marks: job.at.marks,
        low: ranks.low,
        high: ranks.high,
        start: ranks.start,
        end: ranks.end,
        part: ranks.part,
        scale: ranks.scale,
        keep: ranks.keep,
        statistic: match form {
            Form::Median(_) => abi::MEDIAN,
            Form::Trimmed(_) => abi::TRIMMED_MEAN,
            Form::Around { .. } => abi::MEAN_AROUND_MEDIAN,
        },
        write: u32::from(step.write),
        staged: u32::from(staged),
    };
    // A register of two columns, where the kernel is one that has it.
    let packed = element != DType::F32
        && job.device.capability() >= policy::PACKED_CAPABILITY
        && !measured
        && matches!(name, "median" | "trimmed");
    let module = match lanes {
        Some(bucket) => Module::Lanes(element, bucket),
        None if packed => Module::Packed(element, bucket),
        None => Module::Columns(element, bucket),
    };
    // Of a network on one lane.
    let masks = (name == "trimmed" && lanes.is_none()).then(|| abi::Masks::new(&ranks));
    let (masks, shape) = (masks.as_ref(), (threads, shared, 1));
    let name = if measured { measuring } else { name };
    if let Some((mixing, bucket)) = mixed(step, job.shape.n()) {
        let parameters = abi::MixedColumns {
            columns: parameters,
            mixing: mixing.offset as u64,
            inputs: job.shape.n() as u32,
            padding: 0,
        };
        let module = Module::Mixed(element, bucket);
        return job.launch(module, name, shape, x, &parameters, masks);
    }
    job.launch(module, name, shape, x, &parameters, masks)
}

/// `Σ c_j x_j` with coefficients in the arena.
fn weighted_sum(
    job: &Job<'_>,
    x: &abi::Matrix,
    coefficients: usize,
    centre: u64,
    (write, anchors): (bool, u64),
) -> Result<()> {
    let parameters = abi::Combine {
        coefficients: coefficients as u64,
        centre,
        anchors,
        write: u32::from(write),
        padding: 0,
    };
    let shape = (THREADS, 8 * x.n as usize, 1);
    job.launch(
        Module::Combine(element(job, x)),
        "combine",
        shape,
        x,
        &parameters,
        None,
    )
}

/// Enqueues a `combine` step.
pub(super) fn combine(job: &Job<'_>, step: &Combine) -> Result<()> {
    let [whole] = job.dealing.chunks(false)[..] else {
        return Ok(());
    };
    let anchors = if step.anchor { job.at.anchors } else { 0 };
    let coefficients = step.coefficients.offset;
    weighted_sum(job, &job.matrix(whole), coefficients, 0, (true, anchors))
}
