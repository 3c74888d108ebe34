//! The report of `byzagg aggregate` as JSON.

use std::path::PathBuf;

use byzagg::{DType, Device, Prepared, Reason, Report, Row, Threshold, Worker};
use serde::{Serialize, Serializer};

/// A number for JSON, which has no NaN and no infinities: those become strings.
#[derive(Clone, Copy)]
pub struct Number(pub f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            x if x.is_finite() => serializer.serialize_f64(x),
            x if x.is_nan() => serializer.serialize_str("nan"),
            x if x > 0.0 => serializer.serialize_str("inf"),
            _ => serializer.serialize_str("-inf"),
        }
    }
}

#[derive(Serialize)]
pub struct Document<'a> {
    byzagg: &'static str,
    rule: String,
    robust: bool,
    input: Input,
    output: Output,
    /// The rows of the input that took part, if not all.
    rows: Option<&'a [usize]>,
    weights: Option<&'a [f64]>,
    /// The file that the rule started from.
    start: Option<String>,
    step: u64,
    device: DeviceUse,
    prepare_seconds: f64,
    seconds: f64,
    bytes_moved: usize,
    workspace_bytes: usize,
    /// Unknown for rules that decide column by column.
    kept: Option<Vec<usize>>,
    cut: Option<Vec<usize>>,
    not_finite: Vec<usize>,
    threshold: Option<Line>,
    distances_to: &'static str,
    workers: Vec<WorkerUse>,
    notes: Vec<String>,
}

#[derive(Serialize)]
pub struct Input {
    pub path: String,
    pub n: usize,
    pub d: usize,
    #[serde(serialize_with = "text")]
    pub dtype: DType,
    pub order: &'static str,
}

#[derive(Serialize)]
pub struct Output {
    pub path: String,
    #[serde(serialize_with = "text")]
    pub dtype: DType,
}

/// On which device the rule ran.
#[derive(Serialize)]
struct DeviceUse {
    name: String,
    backend: &'static str,
    instructions: Option<&'static str>,
    threads: Option<usize>,
    dispatches: usize,
    host_syncs: usize,
}

#[derive(Serialize)]
struct WorkerUse {
    worker: usize,
    row: &'static str,
    kept: Option<bool>,
    coefficient: Option<Number>,
    share: Option<Number>,
    distance: Option<Number>,
    score: Option<Number>,
    /// By the threshold's measure, from 1.
    rank: Option<usize>,
    reasons: Vec<&'static str>,
    why: String,
}

/// The line between kept and cut.
#[derive(Serialize)]
struct Line {
    by: String,
    kept: usize,
    of: usize,
    last_kept: Number,
    first_cut: Option<Number>,
}

fn text<S: Serializer>(value: &impl std::fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// What only the caller of a run knows.
pub struct Ran<'a> {
    pub input: Input,
    pub output: Output,
    pub rows: Option<&'a [usize]>,
    pub weights: Option<&'a [f64]>,
    pub start: Option<&'a PathBuf>,
    pub step: u64,
    pub prepare_seconds: f64,
    pub seconds: f64,
}

impl<'a> Document<'a> {
    pub fn new(prepared: &Prepared, report: Report, ran: Ran<'a>) -> Self {
        let with = |is: &dyn Fn(&Worker) -> bool| -> Vec<usize> {
            let workers = report.workers.iter().filter(|worker| is(worker));
            workers.map(|worker| worker.index).collect()
        };
        let decided = report.workers.iter().all(|worker| worker.kept.is_some());
        let device = prepared.device();
        Document {
            byzagg: env!("CARGO_PKG_VERSION"),
            rule: prepared.rule().to_string(),
            robust: prepared.rule().is_robust(),
            input: ran.input,
            output: ran.output,
            rows: ran.rows,
            weights: ran.weights,
            start: ran.start.map(|path| path.display().to_string()),
            step: ran.step,
            device: DeviceUse {
                name: device.to_string(),
                backend: device.backend(),
                instructions: cpu(device).map(|(instructions, _)| instructions),
                threads: cpu(device).map(|(_, threads)| threads),
                dispatches: prepared.dispatches(),
                host_syncs: prepared.host_syncs(),
            },
            prepare_seconds: ran.prepare_seconds,
            seconds: ran.seconds,
            bytes_moved: prepared.bytes_moved(),
            workspace_bytes: prepared.workspace_bytes(),
            kept: decided.then(|| with(&|worker| worker.kept == Some(true))),
            cut: decided.then(|| with(&|worker| worker.kept == Some(false))),
            not_finite: with(&|worker| worker.row == Row::NotFinite),
            threshold: report.threshold.map(line),
            distances_to: report.distances_to,
            workers: report.workers.iter().map(describe).collect(),
            notes: report.notes,
        }
    }
}

fn describe(worker: &Worker) -> WorkerUse {
    WorkerUse {
        worker: worker.index,
        row: worker.row.name(),
        kept: worker.kept,
        coefficient: worker.coefficient.map(Number),
        share: worker.share.map(Number),
        distance: worker.distance.map(Number),
        score: worker.score.map(Number),
        rank: worker.reasons.iter().find_map(|reason| match *reason {
            Reason::Ranked { rank, .. } => Some(rank),
            _ => None,
        }),
        reasons: worker.reasons.iter().map(Reason::name).collect(),
        why: worker.why(),
    }
}

fn line(threshold: Threshold) -> Line {
    Line {
        by: threshold.by.to_string(),
        kept: threshold.kept,
        of: threshold.of,
        last_kept: Number(threshold.last_kept),
        first_cut: threshold.first_cut.map(Number),
    }
}

/// The instruction set and the number of threads of a CPU.
pub fn cpu(device: &Device) -> Option<(&'static str, usize)> {
    match device {
        Device::Cpu(cpu) => Some((cpu.instructions(), cpu.threads())),
        _ => None,
    }
}

/// Indented JSON with a line feed at the end.
pub fn json(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("string keys and infallible values");
    text.push('\n');
    text
}
