//! `byzagg explain`: who was kept or cut, and why, as a table and a picture.

use std::path::PathBuf;

use clap::Args;

use crate::failure::Outcome;
use crate::file::Destination;
use crate::job::Source;
use crate::{plot, print};

const HELP: &str = "\
The table has a line per worker: what its row holds, whether it was kept or cut ('-' where every column \
decides), its coefficient in the result (or its share of the rows that a coordinate-wise rule saw), its \
distance, Krum's score, and why. Of more than --limit workers it lists those that stand out and says \
what is left out. The picture shows all: what the rule ranked them by, or else their distances, with \
infinities at the upper edge, and their coefficients.";

#[derive(Args)]
#[command(after_long_help = HELP)]
pub struct Arguments {
    #[command(flatten)]
    source: Source,

    /// Lines of the table, 0 for all workers
    #[arg(
        long,
        default_value_t = 40,
        value_name = "N",
        allow_negative_numbers = true
    )]
    limit: usize,

    /// Draw distances and coefficients, written whole or not at all
    #[arg(long, value_name = "FILE.svg")]
    svg: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> Outcome {
    let svg = match &arguments.svg {
        Some(path) => Some(Destination::new(path)?),
        None => None,
    };
    let source = &arguments.source;
    source.check_written(&[("the picture", svg.as_ref())])?;
    let job = source.open()?;
    let report = job.run(true)?.prepared.report()?.remove(0);
    if let Some(destination) = svg {
        let picture = plot::svg(&job.rule.to_string(), &report)?;
        destination.stage(&[picture.as_bytes()])?.put()?;
    }
    job.say_notes();
    let limit = match arguments.limit {
        0 => usize::MAX,
        limit => limit,
    };
    print(&format!("{}\n{}", job.summary(), report.table(limit)))
}
