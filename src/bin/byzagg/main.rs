//! `byzagg`: robust aggregation of the rows of a `.npy` file, and what there is to know about it.

#![deny(unsafe_code)]

mod aggregate;
mod bench;
mod devices;
mod explain;
mod failure;
mod file;
mod job;
mod map;
mod npy;
mod plot;
mod report;
mod rows;
mod rules;
#[cfg(feature = "train")]
mod train;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod units;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

use failure::{Failure, Outcome};

/// Robust aggregation of gradients: median, trimmed mean, Krum, geometric median, NNM, CTMA and
/// their compositions on n × d matrices.
#[derive(Parser)]
#[command(
    name = "byzagg",
    version,
    max_term_width = 100,
    after_help = "Exit status: 0, or 2 with one line on stderr. A file is written whole or not at all."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Aggregate the rows of a .npy matrix into a .npy vector
    Aggregate(aggregate::Arguments),
    /// Say who was kept or cut, and why: a table, and with --svg a picture
    Explain(explain::Arguments),
    /// List every rule with its parameters, limits, source and reads, and how rules compose
    Rules(rules::Arguments),
    /// Say what can run here with what limits, and why the others can't
    Devices,
    /// Measure rules against a copy of memory and against a column mean
    Bench(bench::Arguments),
    /// Train a model under attack: methods, rules and attacks against each other
    #[cfg(feature = "train")]
    Train(train::Arguments),
}

fn main() -> ExitCode {
    let outcome = match Arguments::try_parse() {
        Ok(arguments) => match arguments.command {
            Command::Aggregate(arguments) => aggregate::run(&arguments),
            Command::Explain(arguments) => explain::run(&arguments),
            Command::Rules(arguments) => rules::run(&arguments),
            Command::Devices => devices::run(),
            Command::Bench(arguments) => bench::run(&arguments),
            #[cfg(feature = "train")]
            Command::Train(arguments) => train::run(&arguments),
        },
        Err(error) => usage(&error),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            say(&failure.to_string());
            ExitCode::from(2)
        }
    }
}

/// One line on stderr. Nothing can be done if it is closed.
fn say(line: &str) {
    writeln!(io::stderr(), "byzagg: {}", failure::one_line(line)).ok();
}

/// Text on stdout. A reader that has read enough (`byzagg rules | head`) is no failure.
fn print(text: &str) -> Outcome {
    let mut stdout = io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Help and version are text; anything else that clap says is condensed to one line.
fn usage(error: &clap::Error) -> Outcome {
    let text = error.render().to_string();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => return print(&text),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            return Err(Failure::new(
                "a subcommand is missing (try 'byzagg --help')",
            ));
        }
        _ => {}
    }
    let is_hint = |line: &str| line.starts_with("Usage:") || line.starts_with("For more");
    let said: Vec<_> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !is_hint(line))
        .collect();
    let said = said.join(" ").replace(" tip: ", "; tip: ");
    let said = said.strip_prefix("error: ").unwrap_or(&said);
    let typed = std::env::args_os().nth(1).unwrap_or_default();
    let command = match Arguments::command().find_subcommand(&typed) {
        Some(command) => format!("{} ", command.get_name()),
        None => String::new(),
    };
    Err(Failure::new(format!(
        "{said} (try 'byzagg {command}--help')"
    )))
}
