//! `byzagg aggregate`: rows of a `.npy` matrix in, a `.npy` vector out.

use std::path::PathBuf;

use clap::Args;

use crate::failure::Outcome;
use crate::file::Destination;
use crate::job::{Done, Job, Source};
use crate::report::{self, Document};
use crate::{npy, print};

const REPORT_HELP: &str = "\
The report is one JSON object: rule, input, output, rows (those of --rows, else null), weights (of \
the rows that took part), start, step, device (name, backend, threads, \
instructions, dispatches, host_syncs), prepare_seconds, seconds, bytes_moved, workspace_bytes, the \
lists of workers that were kept, cut and not_finite, threshold (what workers were ranked by, how many \
were kept, the last value kept and the first cut), distances_to (what distances are measured to), \
workers (row: finite, far, \"not finite\" or \"not read\"; kept, coefficient, share, distance, score, \
rank, reasons: a list of kinds, why: the same in words) and notes. JSON has no NaN and no infinities: \
they are the strings \"nan\", \"inf\" and \"-inf\". null is what a rule does not define: a \
coordinate-wise rule cuts values, not workers. threads and instructions are the CPU's, and null on a \
GPU; seconds on a GPU are with the way of INPUT there and of OUTPUT back. `byzagg explain` prints the \
same as a table.

INPUT must not change while it is read; if it is truncated meanwhile, the process may end with a bus \
error. A killed process can leave a temporary file .byzagg-*.tmp, never a part of OUTPUT.";

#[derive(Args)]
#[command(after_long_help = REPORT_HELP)]
pub struct Arguments {
    #[command(flatten)]
    source: Source,

    /// Write who was kept or cut, and why, as JSON
    #[arg(long, value_name = "R.json")]
    report: Option<PathBuf>,

    /// d numbers of INPUT's type (float32 for float64), written whole or not at all
    #[arg(value_name = "OUTPUT.npy")]
    output: PathBuf,
}

pub fn run(arguments: &Arguments) -> Outcome {
    let output = Destination::new(&arguments.output)?;
    let report = match &arguments.report {
        Some(path) => Some(Destination::new(path)?),
        None => None,
    };
    let written = [("OUTPUT", Some(&output)), ("the report", report.as_ref())];
    arguments.source.check_written(&written)?;
    let job = arguments.source.open()?;
    let done = job.run(report.is_some())?;

    // Both files are complete before either gets its name.
    let header = npy::vector_header(done.result.dtype(), job.d);
    let staged = output.stage(&[&header, done.result.bytes()])?;
    if let Some(destination) = report {
        let report = done.prepared.report()?.remove(0);
        let document = Document::new(&done.prepared, report, ran(arguments, &job, &done));
        let text = report::json(&document);
        destination.stage(&[text.as_bytes()])?.put()?;
    }
    staged.put()?;
    job.say_notes();
    print(&format!(
        "{} on {}: {:.3} s\n",
        job.summary(),
        job.device,
        done.seconds
    ))
}

fn ran<'a>(arguments: &'a Arguments, job: &'a Job<'_>, done: &Done) -> report::Ran<'a> {
    report::Ran {
        input: report::Input {
            path: arguments.source.input.display().to_string(),
            n: job.all,
            d: job.d,
            dtype: job.dtype,
            order: if job.input.is_fortran() {
                "Fortran"
            } else {
                "C"
            },
        },
        output: report::Output {
            path: arguments.output.display().to_string(),
            dtype: done.result.dtype(),
        },
        rows: job.rows.as_deref(),
        weights: job.weights.as_deref(),
        start: arguments.source.start.as_ref(),
        step: arguments.source.step,
        prepare_seconds: done.prepare_seconds,
        seconds: done.seconds,
    }
}
