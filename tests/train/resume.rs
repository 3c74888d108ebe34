//! Runs that were ended, and go on.

use std::thread;
use std::time::{Duration, Instant};

use crate::harness::Folder;
use crate::runs::{curves, libsvm};

const CONFIG: &str = "\
device = \"cpu\"
attack = \"sign-flip\"
[workers]
n = 7
f = 2
[training]
steps = 60
evaluations = 20
[checkpoint]
seconds = 0
[grid]
rule = [\"median\", \"ctma(cwtm(lambda=0.3),lambda=0.3)\"]
";

/// Ends a run without a warning as soon as it has a checkpoint with a begun training, then goes on with it.
fn interrupt(folder: &Folder, config: &str) {
    let mut run = folder
        .byzagg(&["train", config, "--output", "cut"])
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let checkpoint = folder.path("cut").join("checkpoint.safetensors");
    let start = Instant::now();
    while !checkpoint.exists() {
        assert!(start.elapsed() < Duration::from_secs(300));
        thread::sleep(Duration::from_millis(1));
    }
    run.kill().unwrap();
    run.wait().unwrap();
}

#[test]
fn a_killed_run_goes_on_as_if_nothing_had_happened() {
    let folder = Folder::new();
    for method in [
        "",
        "method = \"mu2\"\nmode = \"asynchronous\"\narrivals = \"id\"\n",
        "method = \"marina\"\nsampled = 4\nclip = \"paper\"\nstrength = 1.0\n",
    ] {
        let config = CONFIG.replace("[training]\n", &format!("[training]\n{method}"));
        folder.write("c.toml", config.as_bytes());
        folder.run(&["train", "c.toml", "--output", "whole"]);
        interrupt(&folder, "c.toml");
        assert!(!folder.path("cut").join("plot.svg").exists());
        // The configuration need not be given again; it may be.
        folder.run(&["train", "c.toml", "--resume", "cut"]);
        assert_eq!(curves(&folder, "cut"), curves(&folder, "whole"), "{method}");
        assert!(folder.path("cut").join("plot.svg").exists());
        // There is nothing left to do.
        folder.run(&["train", "--resume", "cut"]);
        assert_eq!(curves(&folder, "cut"), curves(&folder, "whole"), "{method}");
        for run in ["cut", "whole"] {
            std::fs::remove_dir_all(folder.path(run)).unwrap();
        }
    }
}

#[test]
fn other_data_is_refused() {
    let folder = Folder::new();
    folder.write("rows", libsvm().as_bytes());
    folder.write("c.toml", b"[training]\nsteps = 2\n");
    let train = ["train", "c.toml", "--data", "rows", "--n", "7", "--f", "2"];
    folder.run(&[&train[..], &["--output", "run"]].concat());
    folder.run(&["train", "--resume", "run"]);
    folder.write("rows", libsvm().replacen(":-0.9", ":-0.8", 1).as_bytes());
    let output = folder
        .byzagg(&["train", "--resume", "run"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("checkpoint.safetensors: expected the data that the run began with"),
        "{said}"
    );
}

#[test]
fn another_configuration_is_refused() {
    let folder = Folder::new();
    folder.write("c.toml", CONFIG.as_bytes());
    folder.run(&["train", "c.toml", "--steps", "2", "--output", "run"]);
    for (arguments, expected) in [
        (
            &["--rate", "0.1"][..],
            "training.rate = 0.3, got training.rate = 0.1",
        ),
        (&["--rule", "mean"], "got rule = \"mean\""),
        (
            &["--set", "data.heterogeneity=0.5"],
            "data.heterogeneity = 0.0, got data.heterogeneity = 0.5",
        ),
        (&["c.toml"], "training.steps = 2, got training.steps = 60"),
    ] {
        let all = [&["train", "--resume", "run"][..], arguments].concat();
        folder.refuse(&all, expected);
    }
    folder.refuse(&["train", "--resume", "none"], "none");
    folder.refuse(
        &["train", "--resume", "run", "--output", "x"],
        "cannot be used with",
    );
    folder.write("run/checkpoint.safetensors", b"nonsense");
    let output = folder
        .byzagg(&["train", "--resume", "run"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("checkpoint.safetensors: "), "{said}");
}
