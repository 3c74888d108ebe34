//! `byzagg train`: training under attack, with the methods of the literature.

mod checkpoint;
mod config;
mod curves;
mod data;
mod folder;
mod keys;
mod plan;
mod plot;
mod problem;
mod progress;
mod random;
mod results;
mod run;
mod settings;
mod table;

use std::path::PathBuf;
#[cfg(not(unix))]
use std::process;
use std::process::Command;
use std::time::Instant;
use std::{env, thread};

use clap::Args;
use toml::{Table, Value};

use crate::failure::{Failure, Outcome};
use crate::print;

use config::Config;
use folder::Folder;
use run::Runner;

const LONG_HELP: &str = "\
CONFIG is TOML. Lists in its [grid] section are run in every combination, seeds innermost; each [[case]] \
is a name and keys that go together. Without CONFIG, eight rules meet seven attacks on 1797 digits that the \
program holds.

The folder gets config.toml (with the defaults that apply), curves.csv (a line for each measurement: the \
number of the training, its place in the grid, step, gradients computed by honest workers, seconds spent on \
aggregating, loss, accuracy, and the gap f(x) - f(x*) and the distance ||x - x*||^2 where they are asked \
for), table.md (last values; of several seeds the mean and the standard deviation) and plot.svg. Images \
are measured on the test set, LIBSVM rows on all of them; x* is the optimum for all of them. A \
training whose model is no longer finite ends there, with NaN.

Checkpoints are taken when a training is measured (checkpoint.seconds = 0: each time). A run that is resumed \
gives the curves that it would have given, but for the seconds.

Keys, with defaults in brackets:
";

#[derive(Args)]
#[command(after_long_help = LONG_HELP.to_string() + &keys::help())]
pub struct Arguments {
    /// What to run, as TOML [default: digits, rules against attacks]
    #[arg(value_name = "CONFIG.toml")]
    config: Option<PathBuf>,

    /// Set a key of the configuration, as in 'training.momentum=0.9'; a list goes to the grid. May be
    /// repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,

    /// Data: digits, or a folder with IDX files (MNIST, Fashion-MNIST) or CIFAR-10's batches, or a
    /// LIBSVM file
    #[arg(long, value_name = "PATH")]
    data: Option<String>,

    /// A rule; {n} and {f} stand for the numbers of workers. May be repeated
    #[arg(long = "rule", value_name = "EXPR")]
    rules: Vec<String>,

    /// What Byzantine workers send. May be repeated
    #[arg(long = "attack", value_name = "EXPR")]
    attacks: Vec<String>,

    /// Workers
    #[arg(long)]
    n: Option<i64>,

    /// Byzantine ones among them
    #[arg(long)]
    f: Option<i64>,

    /// Steps of each training
    #[arg(long)]
    steps: Option<i64>,

    /// May be repeated
    #[arg(long = "seed", value_name = "SEED")]
    seeds: Vec<i64>,

    /// auto, cpu, cuda[:i] or wgpu[:i]: where gradients are aggregated
    #[arg(long)]
    device: Option<String>,

    /// sgd, momentum, mu2 or marina
    #[arg(long)]
    method: Option<String>,

    /// Learning rate
    #[arg(long, allow_negative_numbers = true)]
    rate: Option<f64>,

    /// Where the results go: a folder that does not exist, or an empty one [default: runs/1, runs/2, …]
    #[arg(long, value_name = "FOLDER")]
    output: Option<PathBuf>,

    /// Go on with the run in this folder, whose configuration stays
    #[arg(long, value_name = "FOLDER", conflicts_with = "output")]
    resume: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> Outcome {
    use_threads();
    let start = Instant::now();
    let stored = match &arguments.resume {
        Some(folder) => Some(config::read(&folder.join(folder::CONFIG))?),
        None => None,
    };
    let mut table = match (&arguments.config, &stored) {
        (Some(path), _) => config::read(path)?,
        (None, Some(stored)) => stored.clone(),
        (None, None) => config::parse(config::DEFAULT)?,
    };
    arguments.change(&mut table)?;
    let config = Config::new(&table)?;
    if let (Some(folder), Some(stored)) = (&arguments.resume, stored) {
        let stored = Config::new(&stored)?.resolved;
        if let Some((expected, got)) = config::difference(&stored, &config.resolved) {
            return Err(Failure::of(
                folder,
                format!("expected the configuration that the run has, {expected}, got {got}"),
            ));
        }
    }
    let runner = Runner::new(config)?;
    let folder = match &arguments.resume {
        Some(path) => Folder::open(path)?,
        None => {
            let path = Folder::choose(arguments.output.as_deref())?;
            Folder::create(&path, &runner.config.resolved)?
        }
    };
    print(&format!("{}\n", runner.summary()?))?;
    let table = runner.run(&folder)?;
    print(&format!(
        "\n{table}\n{:.0} s. Results: {}\n",
        start.elapsed().as_secs_f64(),
        folder.path().display()
    ))
}

impl Arguments {
    /// What the flags say takes the place of what the configuration says.
    fn change(&self, table: &mut Table) -> Outcome {
        let integer = |number: i64| Value::Integer(number);
        let single = [
            ("workers.n", self.n.map(integer)),
            ("workers.f", self.f.map(integer)),
            ("training.steps", self.steps.map(integer)),
            ("device", self.device.clone().map(Value::String)),
            ("training.method", self.method.clone().map(Value::String)),
            ("training.rate", self.rate.map(Value::Float)),
        ];
        for (key, value) in single {
            if let Some(value) = value {
                config::set(table, key, value)?;
            }
        }
        let texts = |texts: &[String]| texts.iter().cloned().map(Value::String).collect();
        let repeated: [(&str, Vec<Value>); 3] = [
            ("rule", texts(&self.rules)),
            ("attack", texts(&self.attacks)),
            (
                "seed",
                self.seeds.iter().copied().map(Value::Integer).collect(),
            ),
        ];
        for (key, mut values) in repeated {
            match values.len() {
                0 => {}
                1 => config::set(table, key, values.remove(0))?,
                _ => config::set(table, key, Value::Array(values))?,
            }
        }
        if let Some(path) = &self.data {
            self.set_data(table, path)?;
        }
        for text in &self.set {
            let (key, value) = config::assignment(text)?;
            config::set(table, &key, value)?;
        }
        Ok(())
    }

    /// The kind of data is seen by what is there.
    fn set_data(&self, table: &mut Table, path: &str) -> Outcome {
        if path == "digits" {
            config::unset(table, "data.path");
            return config::set(table, "data.set", "digits".into());
        }
        let there = PathBuf::from(path);
        let set = match () {
            () if there.is_file() => "libsvm",
            () if there.join("test_batch.bin").exists() => "cifar10",
            () if there.is_dir() => "idx",
            () => {
                return Err(Failure::new(format!(
                    "--data: expected digits, a folder or a file, found none at {path}"
                )));
            }
        };
        config::set(table, "data.set", set.into())?;
        if set == "libsvm" && !config::has(table, "model.kind") {
            config::set(table, "model.kind", "logistic".into())?;
        }
        config::set(table, "data.path", path.into())
    }
}

/// candle asks for the number of threads at every matrix product: unless this variable answers, it
/// reads /proc/cpuinfo, which takes longer than our products, and with more than one its threads get in
/// the way of the workers', which run in parallel already. A process can't set its own environment in
/// safe Rust, so the program starts itself once more: one thread for candle, all for rayon's pool.
fn use_threads() {
    const CANDLE: &str = "RAYON_NUM_THREADS";
    const WORKERS: &str = "BYZAGG_TRAIN_THREADS";
    let number = |variable| env::var(variable).ok()?.parse::<usize>().ok();
    if let Some(threads) = number(WORKERS) {
        // Should it fail, rayon starts a pool of its own.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build_global().ok();
        return;
    }
    let available = || thread::available_parallelism().map_or(1, |threads| threads.get());
    let threads = number(CANDLE).unwrap_or_else(available);
    // If it can't start, this process does the work, only slower.
    let Ok(program) = env::current_exe() else {
        return;
    };
    let mut again = Command::new(program);
    again
        .args(env::args_os().skip(1))
        .envs([(CANDLE, "1"), (WORKERS, &threads.to_string())]);
    become_it(again);
}

/// One process all along: who ends it ends the run.
#[cfg(unix)]
fn become_it(mut again: Command) {
    let _could_not = std::os::unix::process::CommandExt::exec(&mut again);
}

#[cfg(not(unix))]
fn become_it(mut again: Command) {
    if let Ok(status) = again.status() {
        process::exit(status.code().unwrap_or(1));
    }
}
