//! `byzagg bench`: rules against a copy of memory and a column mean, measured in the same rounds.

mod copy;
#[cfg(feature = "cuda")]
mod cuda;
mod gaussian;
#[cfg(feature = "wgpu")]
mod gpu;
mod list;
mod machine;
mod place;
mod table;
mod times;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use byzagg::{Cpu, DType, Device, Mean, OutputElement, Prepared, Rule, Shape};
use clap::Args;
use half::{bf16, f16};
use indicatif::{ProgressBar, ProgressStyle};

use crate::failure::{Failure, Outcome};
use crate::file::Destination;
use crate::print;
use crate::report::{self, json};

use place::Memory;
use table::Measured;
use times::{Clock, Times};

/// Every rule runs for at least about this long in a round.
const SLICE: Duration = Duration::from_millis(100);
/// After this time no round begins, provided that three are done.
const LIMIT: Duration = Duration::from_secs(60);
const MAX_REPEATS: usize = 1000;
const SEED: u64 = 7;

const LONG_HELP: &str = "\
In each round the copy, the mean and every rule run in turn, each for about 0.1 s or once; times are \
medians over all rounds. After a minute for one shape no further round begins once three are done. \
The copy counts bytes read plus bytes written, over two buffers that are each larger than the \
last-level cache, by as many threads. \"x copy\" is a rule's time as a multiple of what its bytes would \
take at the copy's speed, \"x mean\" of the mean's time.

On a GPU the matrix, the result and the copy's buffers are in its memory, and nothing moves to or from \
the host. Times are by its own clock, from the first command to the last, where it has one and the rule \
runs there as a whole; else, as on the CPU, from the call until all is done. The copy and the mean are \
timed by the same clock as the rule that they are compared with.

FILE is a list of JSON objects: rule, n, d, dtype, device, threads, clock (host or device), seconds, \
host_seconds, device_seconds, bytes, copy_gb_per_s, mean_seconds, gb_per_s, times_copy, times_mean, \
min_seconds, runs, workspace_bytes, copy_buffer_bytes, last_level_cache_bytes. seconds and what follows \
from it are by the clock; device_seconds is null without one, threads on a GPU.";

#[derive(Args)]
#[command(after_long_help = LONG_HELP)]
pub struct Arguments {
    /// A rule to measure; may be repeated [default: twelve rules with f = ⌊n/8⌋]
    #[arg(long = "rule", value_name = "EXPR")]
    rules: Vec<String>,

    /// Rows; may be repeated
    #[arg(long, default_value = "25", value_parser = count, value_delimiter = ',')]
    n: Vec<usize>,

    /// Columns, as in 100000 or 1e6; may be repeated
    #[arg(long, default_value = "1e6", value_parser = count, value_delimiter = ',')]
    d: Vec<usize>,

    /// The element type of matrix and result
    #[arg(long, default_value = "f32", value_parser = ["f32", "bf16", "f16"])]
    dtype: String,

    /// auto, cpu, cuda[:i] or wgpu[:i]; `byzagg devices` lists them
    #[arg(long, default_value = "auto")]
    device: String,

    /// Threads of the CPU [default: all]
    #[arg(long, value_name = "T", value_parser = count)]
    threads: Option<usize>,

    /// Rounds at most
    #[arg(long, default_value = "5", value_parser = count, value_name = "R")]
    rounds: usize,

    /// Write the measurements as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// A whole number from 1, also as `1e6`.
fn count(text: &str) -> Result<usize, String> {
    let digits = text.replace('_', "");
    let whole = digits.parse::<usize>().ok().or_else(|| {
        let number: f64 = digits.parse().ok()?;
        // Every whole number up to 2^53 is exact.
        let exact = number.fract() == 0.0 && (1.0..=9_007_199_254_740_992.0).contains(&number);
        exact.then_some(number as usize)
    });
    match whole {
        Some(whole) if whole > 0 => Ok(whole),
        _ => Err("expected a whole number from 1, as in 25 or 1e6".into()),
    }
}

pub fn run(arguments: &Arguments) -> Outcome {
    let device = device(arguments)?;
    let destination = match &arguments.json {
        Some(path) => Some(Destination::new(path)?),
        None => None,
    };
    let given: Vec<Rule> = arguments
        .rules
        .iter()
        .map(|text| text.parse())
        .collect::<Result<_, _>>()?;
    for (rule, &n) in given
        .iter()
        .flat_map(|r| arguments.n.iter().map(move |n| (r, n)))
    {
        rule.check(n, false)?;
    }
    let mut memory = Memory::new(&device)?;
    let mut all: Vec<Measured> = Vec::new();
    for &n in &arguments.n {
        let rules = if given.is_empty() {
            default_rules(n)
        } else {
            given.clone()
        };
        for &d in &arguments.d {
            let bench = Bench {
                n,
                d,
                rules: &rules,
                device: &device,
                rounds: arguments.rounds,
            };
            let measured = match &arguments.dtype[..] {
                "bf16" => bench.measure::<bf16>(&mut memory)?,
                "f16" => bench.measure::<f16>(&mut memory)?,
                _ => bench.measure::<f32>(&mut memory)?,
            };
            print(&table::table(&measured))?;
            all.extend(measured);
        }
    }
    if let Some(destination) = destination {
        destination.stage(&[json(&all).as_bytes()])?.put()?;
    }
    Ok(())
}

fn device(arguments: &Arguments) -> Outcome<Device> {
    match (arguments.threads, &arguments.device[..]) {
        (None, name) => Ok(Device::named(name)?),
        (Some(threads), "auto" | "cpu") => Ok(Device::Cpu(Cpu::with_threads(threads)?)),
        (Some(_), name) => Err(Failure::new(format!(
            "--threads is for the cpu, not for {name}"
        ))),
    }
}

/// What is measured when no rule is given: those of them that n rows allow.
fn default_rules(n: usize) -> Vec<Rule> {
    list::rules(n / 8)
        .iter()
        .map(|text| text.parse::<Rule>().expect("a rule of ours"))
        .filter(|rule| rule.check(n, false).is_ok())
        .collect()
}

/// One shape.
struct Bench<'a> {
    n: usize,
    d: usize,
    rules: &'a [Rule],
    device: &'a Device,
    rounds: usize,
}

/// What rules are compared with.
struct Bars {
    copies: Times,
    /// Bytes that a copy reads plus bytes that it writes.
    copied: usize,
    mean: Times,
}

/// A rule under measurement.
struct Contender {
    prepared: Prepared,
    repeats: usize,
    times: Times,
}

impl Bench<'_> {
    fn measure<T: OutputElement>(&self, memory: &mut Memory) -> Outcome<Vec<Measured>> {
        let mut x = self.allocate::<T>(memory)?;
        gaussian::fill(&mut x, SEED);
        let mut place = memory.hold(x, self.n, self.d)?;
        let shape = Shape::new(self.n, self.d);

        let mean = Rule::from(Mean::new());
        let mut rules = vec![&mean];
        rules.extend(self.rules.iter().filter(|rule| **rule != mean));
        let bar = progress(rules.len() * (self.rounds + 1), self.n, self.d);
        let mut contenders = Vec::new();
        for rule in rules {
            let mut prepared = rule.prepare(self.device, &shape, T::DTYPE)?;
            // The first run pays for pages, caches and shaders; the second says how many fill a slice.
            place.run(&mut prepared)?;
            let once = place.run(&mut prepared)?.host.max(1e-7);
            let repeats = (SLICE.as_secs_f64() / once) as usize;
            contenders.push(Contender {
                prepared,
                repeats: repeats.clamp(1, MAX_REPEATS),
                times: Times::default(),
            });
            bar.inc(1);
        }

        let mut copies = Times::default();
        let begin = Instant::now();
        for round in 0..self.rounds {
            if round >= 3 && begin.elapsed() > LIMIT {
                break;
            }
            let slice = Instant::now();
            while slice.elapsed() < SLICE {
                copies.push(memory.copy()?);
            }
            for contender in &mut contenders {
                for _ in 0..contender.repeats {
                    contender.times.push(place.run(&mut contender.prepared)?);
                }
                bar.inc(1);
            }
        }
        bar.finish_and_clear();

        let bars = Bars {
            copies,
            copied: memory.copied_bytes(),
            mean: contenders[0].times.clone(),
        };
        let listed = |rule: &Rule| self.rules.contains(rule);
        Ok(contenders
            .iter()
            .filter(|contender| listed(contender.prepared.rule()))
            .map(|contender| self.measured(T::DTYPE, contender, &bars))
            .collect())
    }

    /// The matrix, if there is memory for it.
    fn allocate<T: OutputElement>(&self, memory: &Memory) -> Outcome<Vec<T>> {
        let (n, d) = (self.n, self.d);
        let too_large = || Failure::new(format!("no memory for {n} × {d} {}", T::DTYPE));
        let elements = n.checked_mul(d).ok_or_else(too_large)?;
        let bytes = elements.checked_mul(size_of::<T>()).ok_or_else(too_large)?;
        memory.check(&format!("{n} × {d} {}", T::DTYPE), bytes as u64)?;
        if machine::available_memory().is_some_and(|available| bytes > available) {
            return Err(too_large());
        }
        place::zeros(elements).map_err(|_| too_large())
    }

    fn measured(&self, dtype: DType, contender: &Contender, bars: &Bars) -> Measured {
        let (prepared, times) = (&contender.prepared, &contender.times);
        let all = [times, &bars.copies, &bars.mean];
        let clock = match all.iter().all(|times| times.clock() == Clock::Device) {
            true => Clock::Device,
            false => Clock::Host,
        };
        let [seconds, copy, mean_seconds] =
            all.map(|times| times.median(clock).expect("that clock timed every run"));
        let bytes = prepared.bytes_moved();
        let gb_per_s = bytes as f64 / seconds / 1e9;
        let copy_gb_per_s = bars.copied as f64 / copy / 1e9;
        Measured {
            rule: prepared.rule().to_string(),
            n: self.n,
            d: self.d,
            dtype: dtype.to_string(),
            device: self.device.to_string(),
            threads: report::cpu(self.device).map(|(_, threads)| threads),
            clock,
            seconds,
            host_seconds: times.median(Clock::Host).expect("it has run"),
            device_seconds: times.median(Clock::Device),
            bytes,
            copy_gb_per_s,
            mean_seconds,
            gb_per_s,
            times_copy: copy_gb_per_s / gb_per_s,
            times_mean: seconds / mean_seconds,
            min_seconds: times.min(clock).expect("it has run"),
            runs: times.len(),
            workspace_bytes: prepared.workspace_bytes(),
            copy_buffer_bytes: bars.copied / 2,
            last_level_cache_bytes: machine::last_level_cache(),
        }
    }
}

/// On stderr, and only on a terminal.
fn progress(steps: usize, n: usize, d: usize) -> ProgressBar {
    let bar = ProgressBar::new(steps as u64);
    let style = ProgressStyle::with_template("{msg} [{bar:40}] {pos}/{len} {elapsed}");
    bar.set_style(style.expect("a valid template"));
    bar.set_message(format!("{n} × {d}"));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_as_the_kernel_writes_them() {
        assert_eq!(machine::parse_size("107520K"), Some(107_520 << 10));
        assert_eq!(machine::parse_size("32M"), Some(32 << 20));
        assert_eq!(machine::parse_size("4096"), Some(4096));
        assert_eq!(machine::parse_size("KM"), None);
    }

    #[test]
    fn counts_as_people_write_them() {
        assert_eq!(count("1e6"), Ok(1_000_000));
        assert_eq!(count("1_000"), Ok(1000));
        for wrong in ["", "0", "-1", "1.5", "nan", "inf", "1e300", "ten"] {
            assert!(count(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn gaussian_numbers_are_normal_and_seeded() {
        let mut x = vec![0.0f32; 100_001];
        gaussian::fill(&mut x, SEED);
        let mut again = vec![0.0f32; 100_001];
        gaussian::fill(&mut again, SEED);
        assert_eq!(x, again);
        let count = x.len() as f64;
        let mean = x.iter().map(|&x| f64::from(x)).sum::<f64>() / count;
        let square = x.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / count;
        let inside = x.iter().filter(|x| x.abs() < 1.0).count() as f64 / count;
        assert!(
            mean.abs() < 0.02 && (square - 1.0).abs() < 0.03,
            "{mean} {square}"
        );
        assert!((inside - 0.6827).abs() < 0.01, "{inside}");
    }
}
