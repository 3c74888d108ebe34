//! What is refused before anything starts: exit status 2, one line on stderr, no folder made.

use crate::harness::Folder;
use crate::runs::libsvm;

#[test]
fn inconsistent_configurations() {
    let folder = Folder::new();
    folder.write("rows", libsvm().as_bytes());
    folder.write("empty", b"");
    for (text, expected) in [
        (
            "ruel = \"mean\"",
            "c.toml: unknown key ruel; did you mean rule?",
        ),
        (
            "[training]\nsetps = 1",
            "unknown key training.setps; did you mean training.steps?",
        ),
        ("rule = ", "c.toml: line 1: "),
        ("rule = \"krm\"", "unknown rule \"krm\""),
        (
            "rule = \"krum(f={f})\"\n[workers]\nn = 10",
            "krum(f=4): needs n ≥ 2f+3 = 11 workers",
        ),
        (
            "[workers]\nn = 8\nf = 4",
            "workers.f: expected less than half of 8 workers, got 4",
        ),
        (
            "[workers]\nn = 0\nf = 0",
            "workers.n: expected at least one worker",
        ),
        (
            "[workers]\nn = 2000",
            "workers.n: expected at most one for each of 1437 samples, got 2000",
        ),
        ("attack = \"shout\"", "shout"),
        ("device = \"abacus\"", "device abacus"),
        ("[training]\nmethod = \"adam\"", "adam"),
        (
            "[training]\nrate = 0",
            "training.rate: expected a finite number above 0, got 0",
        ),
        (
            "[training]\nmomentum = 1.0",
            "expected a number in [0, 1), got 1",
        ),
        (
            "[training]\nsteps = 0",
            "training.steps: expected a number from 1",
        ),
        (
            "[training]\ngamma = 0.1",
            "training.gamma: no training here uses it",
        ),
        (
            "[training]\nmethod = \"marina\"\nmode = \"asynchronous\"",
            "training.mode: expected synchronous for marina",
        ),
        (
            "[training]\nmethod = \"marina\"\nsampled = 16",
            "sampled: expected from 1 to n = 15 workers, got 16",
        ),
        (
            "[training]\nmethod = \"marina\"\nclip = \"heuristic\"\nstrength = 1",
            "training.clip: expected none, paper or code for marina, got heuristic",
        ),
        (
            "[training]\nclip = \"paper\"\nstrength = 1",
            "training.clip: expected none or heuristic",
        ),
        (
            "[training]\nclip = \"heuristic\"",
            "training.strength: expected a number",
        ),
        (
            "[training]\nparticipants = 16",
            "participants: expected from 1 to n = 15, got 16",
        ),
        (
            "[training]\nmode = \"asynchronous\"\narrivals = \"never\"",
            "arrivals: expected uniform, id or id2, got \"never\"",
        ),
        (
            "rule = \"krum(f=1)\"\n[training]\nmode = \"asynchronous\"",
            "weights: expected a rule that defines them",
        ),
        (
            "[data]\nset = \"idx\"",
            "data.path: expected a folder with four IDX files, got none",
        ),
        (
            "[data]\nset = \"idx\"\npath = \"nowhere\"",
            "data.path: expected a folder, got nowhere",
        ),
        (
            "[data]\nset = \"idx\"\npath = \".\"",
            "expected a file train-images-idx3-ubyte or",
        ),
        (
            "[data]\nset = \"cifar10\"\npath = \".\"",
            "data_batch_1.bin",
        ),
        (
            "[data]\nset = \"libsvm\"\npath = \"nowhere\"\n[model]\nkind = \"logistic\"",
            "nowhere: ",
        ),
        (
            "[data]\nset = \"libsvm\"\npath = \"empty\"\n[model]\nkind = \"logistic\"",
            "empty: expected rows of two classes",
        ),
        (
            "[data]\nset = \"libsvm\"\npath = \"rows\"",
            "model.kind: expected logistic for data.set = \"libsvm\"",
        ),
        (
            "[model]\nkind = \"logistic\"",
            "model.kind: expected logistic for data.set = \"libsvm\", and mlp or cnn",
        ),
        (
            "[data]\nheterogeneity = 2",
            "data.heterogeneity: expected a number from 0 to 1, got 2",
        ),
        ("[data.augment]\nnoise = -1", "data.augment.noise: expected"),
        (
            "[table]\nvalue = \"distance\"",
            "gap and distance are known for model.kind = \"logistic\" only",
        ),
        (
            "[table]\nrows = \"ruel\"",
            "table.rows: expected the name of a key, or case, got ruel",
        ),
        (
            "[table]\nvalue = \"gradients\"\nreach = \"loss\"",
            "table.target: expected a number",
        ),
        (
            "[table]\nreach = \"loss\"\ntarget = 1",
            "table.reach: it is for table.value = \"gradients\" only",
        ),
        (
            "[grid]\nrule = [\"mean\", \"median\", \"bulyan(f={f})\"]",
            "(where rule = bulyan(f={f}))",
        ),
        ("[grid]\nrule = \"mean\"", "rule: expected a list"),
    ] {
        folder.write("c.toml", text.as_bytes());
        folder.refuse(&["train", "c.toml", "--output", "out"], expected);
    }
}

#[test]
fn flags_and_places() {
    let folder = Folder::new();
    folder.write("file", b"x");
    for (arguments, expected) in [
        (&["none.toml"][..], "none.toml: "),
        (
            &["--data", "nowhere"],
            "--data: expected digits, a folder or a file, found none at nowhere",
        ),
        (&["--set", "rule"], "--set rule: expected KEY=VALUE"),
        (
            &["--set", "rlue=mean"],
            "unknown key rlue; did you mean rule?",
        ),
        (&["--rule", "mean", "--rule", "mean"], "mean is there twice"),
        (
            &["--f", "8"],
            "workers.f: expected less than half of 15 workers, got 8",
        ),
        (&["--n", "-1"], "n"),
        (&["--rate", "nan"], "training.rate"),
        (
            &["--output", "."],
            "there is something in it; --resume goes on with a run",
        ),
        (&["--output", "file"], "file: "),
    ] {
        let all = [&["train"][..], arguments].concat();
        folder.refuse(&all, expected);
    }
}
