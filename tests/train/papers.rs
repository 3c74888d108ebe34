//! Short versions of what `examples/papers/` holds: a few steps of one seed show what the long runs are about.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use crate::harness::Folder;
use crate::runs::{curves, libsvm};

const PAPERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/papers");

/// The last measurement of each training, by column.
struct Results(Vec<HashMap<String, String>>);

/// Runs a configuration with one seed and what else changes.
fn run(name: &str, changes: &[&str]) -> Results {
    let folder = Folder::new();
    folder.write("rows", libsvm().as_bytes());
    let file = Path::new(PAPERS).join(name);
    let fixed = [
        "train",
        file.to_str().unwrap(),
        "--output",
        "out",
        "--seed",
        "1",
    ];
    let evaluations = ["--set", "training.evaluations=1"];
    folder.run(&[&fixed[..], &evaluations, changes].concat());
    assert!(folder.path("out/plot.svg").exists());
    let lines = curves(&folder, "out");
    let mut last: Vec<HashMap<String, String>> = Vec::new();
    for line in &lines[1..] {
        let line: HashMap<_, _> = lines[0].iter().cloned().zip(line.iter().cloned()).collect();
        match last.last_mut() {
            Some(before) if before["cell"] == line["cell"] => *before = line,
            _ => last.push(line),
        }
    }
    Results(last)
}

impl Results {
    /// What a column says where others have these values.
    #[track_caller]
    fn get(&self, column: &str, at: &[(&str, &str)]) -> f64 {
        let is_there =
            |line: &&HashMap<String, String>| at.iter().all(|(key, value)| line[*key] == *value);
        let found: Vec<_> = self.0.iter().filter(is_there).collect();
        assert_eq!(found.len(), 1, "{at:?}");
        found[0][column].parse().unwrap()
    }

    #[track_caller]
    fn accuracy(&self, at: &[(&str, &str)]) -> f64 {
        self.get("accuracy", at)
    }
}

#[test]
fn every_configuration_has_a_short_version() {
    let entries = fs::read_dir(PAPERS).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "asynchronous-9.toml",
            "asynchronous.toml",
            "ctma-cnn.toml",
            "ctma-cost.toml",
            "ctma.toml",
            "flag-rates.toml",
            "flag.toml",
            "marina-rate.toml",
            "marina.toml",
            "mu2.toml",
        ]
    );
}

#[test]
fn ctma_lifts_its_base_to_about_mixings_level() {
    let rules = ["mean", "median", "nnm(median,f={f})", "ctma(median,f={f})"];
    let mut changes = vec![
        "--steps",
        "100",
        "--attack",
        "sign-flip",
        "--attack",
        "label-flip",
    ];
    rules
        .iter()
        .for_each(|rule| changes.extend(["--rule", rule]));
    let results = run("ctma.toml", &changes);
    for attack in ["sign-flip", "label-flip"] {
        let [mean, median, mixed, ctma] =
            rules.map(|rule| results.accuracy(&[("rule", rule), ("attack", attack)]));
        assert!(
            mean < median && median + 0.1 < ctma,
            "{attack}: {mean}, {median}, {ctma}"
        );
        assert!((mixed - ctma).abs() < 0.1, "{attack}: {mixed}, {ctma}");
    }
}

#[test]
fn a_convolutional_network_learns_under_attack() {
    let rules = ["--rule", "mean", "--rule", "ctma(median,f={f})"];
    let attack = ["--attack", "sign-flip", "--data", "digits"];
    let faster = [
        "--steps",
        "120",
        "--rate",
        "1.0",
        "--set",
        "training.momentum=0.8",
    ];
    let results = run("ctma-cnn.toml", &[&rules[..], &attack, &faster].concat());
    let [mean, ctma] =
        ["mean", "ctma(median,f={f})"].map(|rule| results.accuracy(&[("rule", rule)]));
    assert!(ctma > 0.5 && mean + 0.2 < ctma, "{mean}, {ctma}");
}

#[test]
fn every_rules_cost_is_measured() {
    let results = run(
        "ctma-cost.toml",
        &["--steps", "2", "--set", "model.hidden=16"],
    );
    assert_eq!(results.0.len(), 10);
}

#[test]
fn momentum_saves_steps_and_corrected_momentum_as_many() {
    let results = run(
        "mu2.toml",
        &["--steps", "100", "--set", "training.rate=[0.001, 0.1]"],
    );
    let at = |case, rate| results.accuracy(&[("case", case), ("training.rate", rate)]);
    let sgd = at("SGD", "0.1");
    for case in ["momentum, β = 0.9", "μ²-SGD, β = 0.1, γ = 0.1"] {
        assert!(
            at(case, "0.1") > sgd + 0.2,
            "{case}: {}, {sgd}",
            at(case, "0.1")
        );
    }
    // α = t needs smaller rates.
    let theory = "μ²-SGD, β = 1/t, α = t";
    assert!(at(theory, "0.001") > at("SGD", "0.001") + 0.2);
}

#[test]
fn weights_save_what_arrivals_would_break() {
    for name in ["asynchronous.toml", "asynchronous-9.toml"] {
        let results = run(name, &["--steps", "1000", "--attack", "sign-flip"]);
        for rule in ["median", "RFA"] {
            let weighted = format!("{rule}, weighted");
            let [plain, weighted] =
                [rule, &weighted].map(|case| results.accuracy(&[("case", case)]));
            assert!(
                plain + 0.2 < weighted,
                "{name}, {rule}: {plain}, {weighted}"
            );
        }
    }
}

#[test]
fn clipped_differences_survive_sampled_majorities() {
    let distance = |results: &Results, case| results.get("distance", &[("case", case)]);
    let results = run("marina.toml", &["--data", "rows", "--steps", "400"]);
    let clipped = distance(&results, "20 %, λ = 1");
    assert!(clipped < 1e-4, "{clipped}");
    assert!(distance(&results, "all workers, λ = 1") < 1e-4);
    let unclipped = distance(&results, "20 % of the workers, no clipping");
    assert!(unclipped.is_nan() || unclipped > 1.0, "{unclipped}");

    let results = run("marina-rate.toml", &["--data", "rows", "--steps", "2000"]);
    for strength in ["0.1", "1.0", "10.0"] {
        let left = results.get("distance", &[("training.strength", strength)]);
        assert!(left < 1e-4, "{strength}: {left}");
    }
}

#[test]
fn long_random_vectors_harm_the_mean_and_the_flag_objective_only() {
    let rules = ["mean", "flag", "median", "flag(like=paper-code)"];
    let mut changes = vec!["--steps", "80"];
    rules
        .iter()
        .for_each(|rule| changes.extend(["--rule", rule]));
    let results = run("flag.toml", &changes);
    let at = |rule, case| results.accuracy(&[("rule", rule), ("case", case)]);
    let (short, long) = ("f = 3, σ = 0.02", "f = 3, σ = 1");
    assert!(at("mean", long) + 0.04 < at("mean", short));
    for harmed in ["mean", "flag"] {
        for spared in ["median", "flag(like=paper-code)"] {
            assert!(
                at(harmed, long) + 0.05 < at(spared, long),
                "{harmed}, {spared}"
            );
        }
    }
    let results = run(
        "flag-rates.toml",
        &["--steps", "2", "--rule", "flag", "--rule", "mean"],
    );
    assert_eq!(results.0.len(), 8);
}
