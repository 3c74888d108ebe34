//! Short runs, and what they leave in the folder.

use crate::harness::Folder;

/// Lines of `curves.csv` without the column of seconds.
pub fn curves(folder: &Folder, run: &str) -> Vec<Vec<String>> {
    let path = folder.path(run).join("curves.csv");
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_path(path)
        .unwrap();
    let lines: Vec<_> = reader.records().map(Result::unwrap).collect();
    let seconds = lines[0].iter().position(|name| name == "seconds").unwrap();
    let others = |line: &csv::StringRecord| {
        let cells = line.iter().enumerate();
        let cells = cells.filter(|(i, _)| *i != seconds);
        cells.map(|(_, cell)| cell.to_string()).collect()
    };
    lines.iter().map(others).collect()
}

fn text(folder: &Folder, name: &str) -> String {
    String::from_utf8(folder.read(name)).unwrap()
}

/// 60 rows of two classes in LIBSVM's format.
pub fn libsvm() -> String {
    (0..60)
        .map(|i| {
            let (a, b) = ((i * 37 % 19) as f64 - 9.0, (i * 53 % 23) as f64 - 11.0);
            let label = if a - b + (i % 7) as f64 > 3.0 { 1 } else { -1 };
            format!("{label} 1:{} 2:{} 3:1\n", a / 10.0, b / 10.0)
        })
        .collect()
}

#[test]
fn a_grid_is_run_and_reported() {
    let folder = Folder::new();
    folder.write(
        "c.toml",
        b"[training]\nsteps = 20\nevaluations = 4\n[grid]\nrule = [\"mean\", \"krum(f={f})\"]\n\
          attack = [\"nan\", \"ipm(epsilon=0.5)\"]\nseed = [1, 2]\n",
    );
    let said = folder.run(&["train", "c.toml", "--n", "7", "--f", "2", "--output", "out"]);
    assert!(
        said.starts_with("8 trainings: 1437 samples, 7 workers of which 2"),
        "{said}"
    );
    assert!(said.contains("`krum(f=2)`"), "{said}");
    let lines = curves(&folder, "out");
    assert_eq!(
        lines[0],
        [
            "cell",
            "attack",
            "rule",
            "seed",
            "step",
            "gradients",
            "loss",
            "accuracy",
            "gap",
            "distance"
        ]
    );
    // Five measurements of each training, but two where the mean of a NaN ends it.
    assert_eq!(lines.len(), 1 + 2 * 2 + 6 * 5);
    assert_eq!(lines[1][..6], ["0", "nan", "mean", "1", "0", "0"]);
    assert_eq!(lines[2][4..8], ["5", "25", "NaN", "NaN"]);
    let last = lines.last().unwrap();
    assert_eq!(
        last[..6],
        ["7", "ipm(epsilon=0.5)", "krum(f={f})", "2", "20", "100"]
    );
    let accuracy: f64 = last[7].parse().unwrap();
    assert!(accuracy > 0.1 && accuracy <= 1.0);
    let table = text(&folder, "out/table.md");
    assert!(said.contains(&table));
    assert!(
        table.contains("| NaN (2 of 2) |") && table.contains(" ± "),
        "{table}"
    );
    let plot = text(&folder, "out/plot.svg");
    assert!(plot.contains("krum(f=2)") && plot.contains("IPM"));
    let config = text(&folder, "out/config.toml");
    for line in ["n = 7", "f = 2", "momentum = 0.9", "seed = [1, 2]"] {
        assert!(config.contains(line), "{line}: {config}");
    }
    assert!(!config.contains("weighted"), "{config}");
    let mut names: Vec<_> = std::fs::read_dir(folder.path("out")).unwrap().collect();
    // Five results, and what the run locks.
    assert_eq!(names.drain(..).count(), 6);
    // The configuration that a run leaves gives the same run.
    folder.run(&["train", "out/config.toml", "--output", "again"]);
    assert_eq!(curves(&folder, "again"), lines);
    assert_eq!(text(&folder, "again/config.toml"), config);
}

#[test]
fn runs_have_numbers() {
    let folder = Folder::new();
    for run in ["runs/1", "runs/2"] {
        let said = folder.run(&[
            "train", "--steps", "2", "--rule", "median", "--attack", "none", "--method", "sgd",
        ]);
        assert!(said.ends_with(&format!("Results: {run}\n")), "{said}");
        assert_eq!(curves(&folder, run).len(), 1 + 3);
    }
}

#[test]
fn every_method_runs() {
    let folder = Folder::new();
    folder.write("rows", libsvm().as_bytes());
    folder.write("empty.toml", b"");
    let set = |text: &str| -> Vec<String> {
        text.split(' ')
            .flat_map(|pair| ["--set".into(), pair.into()])
            .collect()
    };
    for (i, (data, settings)) in [
        ("digits", "training.method=sgd training.clip=heuristic training.strength=1 training.participants=5"),
        ("digits", "training.method=mu2 training.gamma=0.1 training.beta=0.2"),
        ("digits", "training.mode=asynchronous training.arrivals=id2 training.method=mu2"),
        ("digits", "training.mode=asynchronous training.weighted=false training.byzantine_arrivals=0.3"),
        ("digits", "training.method=marina training.sampled=5 training.clip=code training.strength=2"),
        ("digits", "model.kind=cnn model.channels=2 data.augment.shift=1 data.augment.workers=3"),
        ("rows", "training.method=marina training.keep=2 training.clip=paper training.strength=1 training.batch=0 table.value=distance"),
        ("rows", "training.method=marina training.full=6 training.sampled=3 data.deal=all table.value=gap plot.x=gradients"),
    ]
    .into_iter()
    .enumerate()
    {
        let output = format!("out{i}");
        let mut arguments: Vec<String> = [
            "train", "empty.toml", "--data", data, "--output", &output, "--n", "7", "--f", "2", "--steps", "4", "--rule",
            "median", "--attack", "shift-back",
        ]
        .map(String::from)
        .to_vec();
        arguments.extend(set(settings));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        folder.run(&arguments);
        let lines = curves(&folder, &output);
        assert_eq!(lines.len(), 1 + 5, "{settings}");
        assert_ne!(lines[1][3], lines[5][3], "{settings}: the loss");
        let has_optimum = !lines[5].last().unwrap().is_empty();
        assert_eq!(has_optimum, settings.contains("table.value"), "{settings}");
    }
}

#[cfg(feature = "wgpu")]
#[test]
fn a_gpu_learns_what_the_cpu_learns() {
    if crate::device::wgpu().is_none() {
        return;
    }
    let folder = Folder::new();
    for device in ["cpu", "wgpu"] {
        folder.run(&[
            "train",
            "--steps",
            "10",
            "--n",
            "7",
            "--f",
            "2",
            "--rule",
            "ctma(median,f={f})",
            "--rule",
            "nnm(cwtm(f={f}),f={f})",
            "--attack",
            "alie",
            "--device",
            device,
            "--output",
            device,
        ]);
    }
    let (cpu, gpu) = (curves(&folder, "cpu"), curves(&folder, "wgpu"));
    assert_eq!(cpu.len(), 1 + 2 * 11);
    for (cpu, gpu) in cpu.iter().zip(&gpu).skip(1) {
        let accuracy = |line: &[String]| line[line.len() - 3].parse::<f64>().unwrap();
        // Sums are rounded differently: an image or two near the border may change sides.
        assert!(
            (accuracy(cpu) - accuracy(gpu)).abs() <= 0.01,
            "{cpu:?} {gpu:?}"
        );
    }
}
