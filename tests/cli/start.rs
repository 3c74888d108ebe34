//! `--start`: what centered clipping starts from.

use byzagg::{DType, Device, Matrix, Rule, Run, Shape};

use crate::harness::{Folder, matrix, numbers, vector};

const N: usize = 7;
const D: usize = 301;
const RULE: &str = "cc(tau=2,start=given)";

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("x.npy", &matrix("<f4", N, D, &numbers(N * D)));
    folder.write("v.npy", &vector("<f4", &numbers(2 * D)[D..]));
    folder
}

#[test]
fn the_result_is_the_next_start() {
    let folder = folder();
    let x = numbers(N * D);
    let rule: Rule = RULE.parse().unwrap();
    let shape = Shape::new(N, D);
    let mut prepared = rule.prepare(&Device::cpu(), &shape, DType::F32).unwrap();
    let mut state = numbers(2 * D)[D..].to_vec();
    for input in ["v.npy", "out.npy", "out.npy"] {
        let run = Run::new().start_from_output();
        prepared
            .run_with(Matrix::new(&x, N, D).unwrap(), &mut state, &run)
            .unwrap();
        let files = ["--start", input, "--report", "r.json", "x.npy", "out.npy"];
        folder.run(
            &[
                &["aggregate", "--rule", RULE, "--device", "cpu"],
                &files[..],
            ]
            .concat(),
        );
        assert_eq!(folder.read("out.npy"), vector("<f4", &state));
        let report = folder.json("r.json");
        assert_eq!(report["start"], input);
        let notes = report["notes"].to_string();
        assert!(notes.contains("the start has coefficient"), "{notes}");
    }
    let table = folder.run(&["explain", "--rule", RULE, "--start", "v.npy", "x.npy"]);
    assert!(table.contains("note: the start has coefficient"), "{table}");
}

#[test]
fn starts_that_do_not_fit_are_refused() {
    let folder = folder();
    folder.write("short.npy", &vector("<f4", &numbers(D - 1)));
    folder.write("doubles.npy", &vector("<f8", &[0.0f64; D]));
    let refuse = |rule: &str, start: &[&str], expected: &str| {
        let command = ["aggregate", "--rule", rule, "x.npy", "out.npy"];
        folder.refuse(&[&command, start].concat(), expected);
    };
    refuse(RULE, &[], "cc(tau=2,start=given): --start is missing");
    refuse("cc", &["--start", "v.npy"], "v.npy: cc starts from zero");
    refuse(
        RULE,
        &["--start", "short.npy"],
        "short.npy: expected a start of 301 numbers of f32, the result's type, got f32 of shape (300,)",
    );
    refuse(RULE, &["--start", "doubles.npy"], "got f64 of shape (301,)");
    refuse(RULE, &["--start", "x.npy"], "got f32 of shape (7, 301)");
    refuse(RULE, &["--start", "none.npy"], "none.npy: ");
    refuse(
        RULE,
        &["--start", "v.npy", "--report", "v.npy"],
        "the report would overwrite the start",
    );
}
