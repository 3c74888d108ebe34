//! The command line.

use std::path::PathBuf;
use std::str::FromStr;

use byzagg::{Device, Rule};
use clap::Parser;
use clap::error::ErrorKind;

use crate::attack::Attack;
use crate::{Failure, Result};

/// What is compared by default; `{f}` is the number of Byzantine workers.
const RULES: &str = "mean,median,cwtm(f={f}),krum(f={f}),rfa,ctma(median,f={f}),\
    nnm(cwtm(f={f}),f={f}),nnm(krum(f={f}),f={f})";

/// Trains a classifier of images with Byzantine workers among the honest, once for each rule and
/// attack, and compares the accuracies.
#[derive(Parser, Debug)]
#[command(name = "train")]
pub struct Arguments {
    /// Folder with MNIST or Fashion-MNIST in IDX files, plain or .gz [default: 1797 digits, shipped]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Workers, n
    #[arg(long, default_value_t = 15, value_parser = count)]
    pub workers: usize,
    /// Byzantine workers among them, f
    #[arg(long, default_value_t = 4, value_name = "F")]
    pub byzantine: usize,
    /// Steps of each training
    #[arg(long, default_value_t = 400, value_parser = count)]
    pub steps: usize,
    /// Rule expressions, separated by commas; {f} stands for the number of Byzantine workers
    #[arg(long, default_value = RULES)]
    pub rules: String,
    /// Attacks, separated by commas; ipm=EPSILON and alie=Z set a strength
    #[arg(long, default_value = Attack::DEFAULT)]
    pub attacks: String,
    /// Seed of the shards, weights, batches and attacks
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Images in a worker's batch
    #[arg(long, default_value_t = 32, value_parser = count)]
    pub batch: usize,
    /// Learning rate
    #[arg(long, default_value_t = 0.3, value_name = "RATE", allow_negative_numbers = true, value_parser = positive)]
    pub lr: f64,
    /// Worker momentum β, in m ← βm + (1−β)g
    #[arg(long, default_value_t = 0.9, value_name = "BETA", value_parser = share)]
    pub momentum: f64,
    /// Share of the images that is dealt out sorted by label
    #[arg(long, default_value_t = 0.7, value_name = "SHARE", value_parser = share)]
    pub heterogeneity: f64,
    /// Neurons in the hidden layer
    #[arg(long, default_value_t = 64, value_parser = count)]
    pub hidden: usize,
    /// Where gradients are aggregated: auto, cpu, wgpu[:i] or cuda[:i]
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// Where the plot (PREFIX.svg), the curves (PREFIX.csv) and the table (PREFIX.md) go
    #[arg(long, default_value = "target/train", value_name = "PREFIX")]
    pub output: PathBuf,
}

impl Arguments {
    /// The arguments of this process; prints the help and exits when it is asked for.
    pub fn read() -> Result<Self> {
        let arguments = Arguments::try_parse().map_err(|error| match error.kind() {
            ErrorKind::DisplayHelp => error.exit(),
            _ => {
                let text = error.to_string();
                let line = text.lines().next().unwrap_or_default();
                Failure::usage(line.strip_prefix("error: ").unwrap_or(line))
            }
        })?;
        let (n, f) = (arguments.workers, arguments.byzantine);
        if f > 0 && 2 * f >= n {
            return Err(Failure::usage(format!(
                "--byzantine: expected less than half of {n} workers, got {f}"
            )));
        }
        Ok(arguments)
    }

    /// The rules, each once.
    pub fn rules(&self) -> Result<Vec<Rule>> {
        let text = self.rules.replace("{f}", &self.byzantine.to_string());
        list(split(&text), "--rules")
    }

    /// Where gradients are aggregated.
    pub fn device(&self) -> Result<Device> {
        Device::named(&self.device).map_err(|error| Failure::usage(format!("--device: {error}")))
    }

    /// The attacks, each once.
    pub fn attacks(&self) -> Result<Vec<Attack>> {
        list(split(&self.attacks), "--attacks")
    }
}

fn list<T: FromStr + PartialEq>(texts: Vec<&str>, option: &str) -> Result<Vec<T>>
where
    Failure: From<T::Err>,
{
    let mut items = Vec::new();
    for text in texts {
        let item = text
            .parse()
            .map_err(|error| Failure::usage(format!("{option}: {}", Failure::from(error))))?;
        if items.contains(&item) {
            return Err(Failure::usage(format!("{option}: {text} is there twice")));
        }
        items.push(item);
    }
    Ok(items)
}

/// The parts between the commas that no parenthesis encloses.
fn split(text: &str) -> Vec<&str> {
    let mut depth = 0i32;
    let parts = text.split(|c| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        c == ',' && depth == 0
    });
    parts.map(str::trim).collect()
}

fn count(text: &str) -> std::result::Result<usize, String> {
    let number = text
        .parse()
        .ok()
        .filter(|number| (1..=100_000_000).contains(number));
    number.ok_or_else(|| "expected a whole number of at least 1".into())
}

fn positive(text: &str) -> std::result::Result<f64, String> {
    let number = text
        .parse()
        .ok()
        .filter(|&number| 0.0 < number && number < f64::INFINITY);
    number.ok_or_else(|| "expected a finite number above 0".into())
}

fn share(text: &str) -> std::result::Result<f64, String> {
    let number = text
        .parse()
        .ok()
        .filter(|number| (0.0..=1.0).contains(number));
    number.ok_or_else(|| "expected a number from 0 to 1".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_split_at_outer_commas() {
        assert_eq!(
            split("mean, nnm(cwtm(f=1),f=1),rfa"),
            ["mean", "nnm(cwtm(f=1),f=1)", "rfa"]
        );
        assert_eq!(split("a)(,b"), ["a)(", "b"]);
        assert_eq!(split(""), [""]);
    }

    #[test]
    fn the_defaults_are_valid() {
        let arguments = Arguments::try_parse_from(["train"]).unwrap();
        let rules = arguments.rules().unwrap();
        assert_eq!(rules.len(), 8);
        assert_eq!(rules[6].to_string(), "nnm(cwtm(f=4),f=4)");
        assert_eq!(arguments.attacks().unwrap().len(), 7);
    }

    #[test]
    fn bad_lists_are_errors_that_name_the_option() {
        let message = |option, value| {
            let arguments = Arguments::try_parse_from(["train", option, value]).unwrap();
            match option {
                "--rules" => arguments.rules().err(),
                _ => arguments.attacks().err(),
            }
            .unwrap()
            .to_string()
        };
        for (option, value) in [
            ("--rules", ""),
            ("--rules", "mean,,median"),
            ("--rules", "nosuchrule"),
            ("--rules", "mean,mean"),
            ("--attacks", "nosuchattack"),
            ("--attacks", "nan,nan"),
        ] {
            let message = message(option, value);
            assert!(
                message.starts_with(&format!("{option}: ")) && message.lines().count() == 1,
                "{message}"
            );
        }
    }

    #[test]
    fn devices_have_names() {
        let device = |name| Arguments::parse_from(["train", "--device", name]).device();
        assert_eq!(device("cpu").unwrap().backend(), "cpu");
        let message = device("abacus").unwrap_err().to_string();
        assert!(message.starts_with("--device: device abacus"), "{message}");
    }

    #[test]
    fn numbers_are_checked() {
        for (option, value) in [
            ("--workers", "0"),
            ("--steps", "x"),
            ("--lr", "nan"),
            ("--lr", "0"),
            ("--momentum", "1.5"),
            ("--heterogeneity", "-1"),
            ("--seed", "-1"),
        ] {
            assert!(
                Arguments::try_parse_from(["train".into(), format!("{option}={value}")]).is_err(),
                "{option}"
            );
        }
    }
}
