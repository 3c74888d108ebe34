//! A real training run that links byzagg: n workers train a classifier of images with
//! [candle](https://github.com/huggingface/candle) on the CPU, f of them attack, and a robust rule
//! aggregates what they send. Each rule meets each attack, with the same weights and batches.
//!
//! ```text
//! cargo run --release -p train
//! cargo run --release -p train -- --data DIR --hidden 128     # MNIST or Fashion-MNIST in IDX files
//! cargo run --release -p train --features wgpu -- --device wgpu
//! cargo run --release -p train -- --rules 'cwtm(f={f}),nnm(cwtm(f={f}),f={f})' --attacks alie=1.5
//! ```
//!
//! It prints a table and writes a plot. How a training loop links the crate is in `aggregate.rs`.

mod aggregate;
mod attack;
mod cli;
mod data;
#[cfg(all(test, any(feature = "wgpu", feature = "cuda")))]
#[allow(dead_code)] // What one backend needs, another does not.
#[path = "../../../tests/common/device.rs"]
mod device;
mod model;
mod plot;
mod random;
mod report;
mod training;

use std::process::{self, Command, ExitCode};
use std::time::Instant;
use std::{env, fmt, thread};

use indicatif::{ProgressBar, ProgressStyle};

use crate::aggregate::Aggregate;
use crate::cli::Arguments;
use crate::data::Data;
use crate::report::Report;
use crate::training::Setup;

pub type Result<T> = std::result::Result<T, Failure>;

/// Why the program stops, in one line.
#[derive(Debug)]
pub struct Failure {
    message: String,
    /// 2 for bad arguments, else 1.
    status: u8,
}

impl Failure {
    fn usage(message: impl Into<String>) -> Self {
        Failure {
            message: message.into(),
            status: 2,
        }
    }

    fn run(message: impl Into<String>) -> Self {
        Failure {
            message: message.into(),
            status: 1,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<byzagg::Error> for Failure {
    fn from(error: byzagg::Error) -> Self {
        Failure::run(error.to_string())
    }
}

impl From<candle_core::Error> for Failure {
    fn from(error: candle_core::Error) -> Self {
        Failure::run(error.to_string())
    }
}

fn main() -> ExitCode {
    use_threads();
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::from(failure.status)
        }
    }
}

/// candle asks for the number of threads at every matrix product: unless this variable answers, it
/// reads /proc/cpuinfo, which takes longer than our products, and with more than one its threads get in
/// the way of the workers', which run in parallel already. A process can't set its own environment in
/// safe Rust, so the program starts itself once more: one thread for candle, all for rayon's pool.
fn use_threads() {
    const CANDLE: &str = "RAYON_NUM_THREADS";
    const WORKERS: &str = "TRAIN_THREADS";
    let number = |variable| env::var(variable).ok()?.parse::<usize>().ok();
    if let Some(threads) = number(WORKERS) {
        // Should it fail, rayon starts a pool of its own.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build_global().ok();
        return;
    }
    let available = || thread::available_parallelism().map_or(1, |threads| threads.get());
    let threads = number(CANDLE).unwrap_or_else(available);
    let child = env::current_exe().and_then(|program| {
        Command::new(program)
            .args(env::args_os().skip(1))
            .envs([(CANDLE, "1"), (WORKERS, &threads.to_string())])
            .status()
    });
    // If it could not start, this process does the work, only slower.
    if let Ok(status) = child {
        process::exit(status.code().unwrap_or(1));
    }
}

fn run() -> Result<()> {
    let arguments = Arguments::read()?;
    let (rules, attacks) = (arguments.rules()?, arguments.attacks()?);
    let data = match &arguments.data {
        Some(folder) => Data::open(folder)?,
        None => Data::digits()?,
    };
    let (n, f, steps) = (arguments.workers, arguments.byzantine, arguments.steps);
    if n > data.train.len() {
        let images = data.train.len();
        return Err(Failure::usage(format!(
            "--workers: expected at most one for each of {images} images, got {n}"
        )));
    }
    let setup = Setup::new(&arguments, &data)?;
    // A rule that does not allow this n and f is refused now, not after minutes.
    let shapes = setup.model()?.shapes();
    let d: usize = shapes.iter().map(candle_core::Shape::elem_count).sum();
    for rule in &rules {
        Aggregate::new(rule, &setup.device, n, shapes.clone())
            .map_err(|error| Failure::usage(format!("--rules: {error}")))?;
    }

    println!(
        "{} training images, {} test images, {n} workers of which {f} are Byzantine, d = {d}, {steps} steps, aggregated on {}",
        data.train.len(),
        data.test.len(),
        setup.device,
    );
    let start = Instant::now();
    let progress = ProgressBar::new((rules.len() * attacks.len() * steps) as u64);
    let style =
        ProgressStyle::with_template("{bar:30} {percent:>3} %  {elapsed} of {duration}  {msg}");
    progress.set_style(style.expect("a valid template"));
    let mut report = Report::new(rules.clone(), attacks.clone());
    for &attack in &attacks {
        for rule in &rules {
            progress.set_message(format!("{}: {rule}", attack.title()));
            report.push(setup.train(rule, attack, &progress)?);
        }
    }
    progress.finish_and_clear();

    print!("\n{}", report.table());
    report.write(&arguments.output)?;
    let prefix = arguments.output.display();
    println!(
        "\n{} trainings in {:.0} s. Curves: {prefix}.svg, {prefix}.csv. Table: {prefix}.md.",
        rules.len() * attacks.len(),
        start.elapsed().as_secs_f64()
    );
    Ok(())
}
