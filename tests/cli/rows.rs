//! `--rows`: some rows of the file take part, and keep their numbers.

use crate::harness::{Folder, matrix, numbers, transposed, vector};

const N: usize = 11;
const D: usize = 97;
/// `--rows 10,0,4-6,2`.
const HERE: [usize; 6] = [10, 0, 4, 5, 6, 2];

/// Rows 1, 3, 7, 8, 9 are NaN; of the others 5 is far out.
fn folder() -> (Folder, Vec<f32>) {
    let folder = Folder::new();
    let mut x = numbers(N * D);
    for row in [1, 3, 7, 8, 9] {
        x[row * D..][..D].fill(f32::NAN);
    }
    x[5 * D..6 * D].iter_mut().for_each(|x| *x += 1000.0);
    folder.write("x.npy", &matrix("<f4", N, D, &x));
    let here: Vec<f32> = HERE.iter().flat_map(|i| x[i * D..][..D].to_vec()).collect();
    folder.write("here.npy", &matrix("<f4", HERE.len(), D, &here));
    (folder, x)
}

#[test]
fn the_result_is_that_of_these_rows_alone() {
    let (folder, x) = folder();
    let fortran = crate::harness::header("<f4", true, &format!("({N}, {D})"));
    let columns = transposed(&x, N, D);
    let file = crate::harness::npy(&fortran, 64, bytemuck::cast_slice(&columns));
    folder.write("fortran.npy", &file);
    // A weight per row of the file; those of the rows that are not there don't count.
    let nan = f64::NAN;
    let weights = [1.0, nan, 2.0, 0.0, 3.0, 4.0, 0.0, nan, -1.0, 7.0, 5.0];
    folder.write("w.npy", &vector("<f8", &weights));
    let here: Vec<f64> = HERE.iter().map(|&i| weights[i]).collect();
    folder.write("w-here.npy", &vector("<f8", &here));
    for (rule, weighted) in [("krum(f=1)", false), ("ctma(nnm(median,f=1),f=1)", true)] {
        let run = |input: &str, weights: &str, rows: Option<&str>| {
            let mut arguments = vec![
                "aggregate",
                "--rule",
                rule,
                "--device",
                "cpu",
                input,
                "out.npy",
            ];
            arguments.extend(rows.into_iter().flat_map(|rows| ["--rows", rows]));
            if weighted {
                arguments.extend(["--weights", weights]);
            }
            let said = folder.run(&arguments);
            (said, folder.read("out.npy"))
        };
        let (_, expected) = run("here.npy", "w-here.npy", None);
        for input in ["x.npy", "fortran.npy"] {
            let (said, got) = run(input, "w.npy", Some("10,0,4-6,2"));
            assert_eq!(got, expected, "{rule}, {input}");
            assert!(
                said.contains(" of 6 × 97 f32 (of 11 rows) on cpu"),
                "{said}"
            );
        }
    }
}

#[test]
fn workers_keep_their_numbers() {
    let (folder, _) = folder();
    let rule = "ctma(median,f=1)";
    let select = [
        "--rule",
        rule,
        "--rows",
        "10,0,4-6,2",
        "--device",
        "cpu",
        "x.npy",
    ];
    let table = folder.run(&[&["explain", "--svg", "x.svg"], &select[..]].concat());
    assert!(
        table
            .starts_with("ctma(median,f=1) of 6 × 97 f32 (of 11 rows)\n6 workers, 5 kept, 1 cut\n"),
        "{table}"
    );
    let first = |line: &str| line.split_whitespace().next()?.parse::<usize>().ok();
    let listed: Vec<_> = table.lines().skip(4).filter_map(first).collect();
    assert_eq!(listed, HERE, "{table}");
    let line = table.lines().find(|line| first(line) == Some(5)).unwrap();
    assert!(
        line.contains("cut") && line.contains("ranks 6 of 6"),
        "{table}"
    );
    let svg = String::from_utf8(folder.read("x.svg")).unwrap();
    let names: Vec<_> = HERE.iter().map(|i| format!(">\n{i}\n<")).collect();
    assert!(names.iter().all(|name| svg.contains(name)), "{svg}");
    assert!(!svg.contains(">\n3\n<"), "{svg}");

    folder.run(
        &[
            &["aggregate", "--report", "r.json"],
            &select[..],
            &["out.npy"],
        ]
        .concat(),
    );
    let report = folder.json("r.json");
    assert_eq!(report["rows"], serde_json::json!(HERE));
    assert_eq!(report["input"]["n"], N);
    assert_eq!(report["cut"], serde_json::json!([5]));
    assert_eq!(report["not_finite"], serde_json::json!([]));
    let workers = report["workers"].as_array().unwrap();
    let names: Vec<_> = workers
        .iter()
        .map(|w| w["worker"].as_u64().unwrap())
        .collect();
    assert_eq!(names, HERE.map(|i| i as u64));
    folder.run(&[
        "aggregate",
        "--rule",
        "median",
        "--report",
        "r.json",
        "x.npy",
        "out.npy",
    ]);
    assert!(folder.json("r.json")["rows"].is_null());
}

#[test]
fn lists_that_make_no_sense_are_refused() {
    let (folder, _) = folder();
    for (rows, expected) in [
        ("", "expected rows as in 0,3,5-9, got \"\""),
        ("1,,2", "got \"\""),
        ("a", "got \"a\""),
        ("-1", "got \"-1\""),
        ("1-", "got \"1-\""),
        ("1-2-3", "got \"1-2-3\""),
        ("5-3", "\"5-3\" begins behind its end"),
        ("99999999999999999999", "got \"99999999999999999999\""),
        (
            "0,11",
            "--rows: expected rows below 11, the number of rows, got row 11",
        ),
        ("0-18446744073709551615", "got row 18446744073709551615"),
        ("3,1-4", "--rows: expected each row once, got row 3"),
    ] {
        folder.refuse(
            &[
                "aggregate",
                "--rule",
                "median",
                "--rows",
                rows,
                "x.npy",
                "out.npy",
            ],
            expected,
        );
    }
    // The rule's limits are those of the rows that are there.
    folder.refuse(
        &["explain", "--rule", "krum(f=3)", "--rows", "0-4", "x.npy"],
        "n = 5",
    );
}
