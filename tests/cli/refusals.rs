//! What is refused: exit status 2, one line on stderr, no file written.

use crate::harness::{Folder, header, matrix, npy, numbers, vector};

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("x.npy", &matrix("<f4", 5, 4, &numbers(20)));
    folder
}

/// Aggregates `input` with the median and expects this refusal.
fn refuse_file(bytes: &[u8], expected: &str) {
    let folder = Folder::new();
    folder.write("in.npy", bytes);
    let arguments = [
        "aggregate",
        "--rule",
        "median",
        "--report",
        "r.json",
        "in.npy",
        "out.npy",
    ];
    folder.refuse(&arguments, expected);
    folder.refuse(&arguments, "in.npy: ");
}

#[test]
fn arguments() {
    let folder = folder();
    for (arguments, expected) in [
        (&[][..], "a subcommand is missing (try 'byzagg --help')"),
        (
            &["agregate"],
            "; tip: a similar subcommand exists: 'aggregate' (try 'byzagg --help')",
        ),
        (&["rules", "--jsn"], "(try 'byzagg rules --help')"),
        (&["devices", "now"], "unexpected argument 'now'"),
        (
            &["aggregate"],
            "not provided: --rule <EXPR> <INPUT.npy> <OUTPUT.npy>",
        ),
        (&["aggregate", "--rule", "mean", "x.npy"], "<OUTPUT.npy>"),
        (
            &["aggregate", "--step", "-1", "x.npy", "o.npy"],
            "invalid value '-1' for '--step",
        ),
        (
            &[
                "aggregate",
                "--rule",
                "mean",
                "--step",
                "x",
                "x.npy",
                "o.npy",
            ],
            "invalid value 'x' for '--step <S>'",
        ),
        (&["bench", "--n", "0"], "whole number"),
        (&["bench", "--d", "1.5"], "whole number"),
        (&["bench", "--d", "1e300"], "whole number"),
        (
            &["bench", "--dtype", "f64"],
            "possible values: f32, bf16, f16",
        ),
        (
            &["bench", "--threads", "2", "--device", "wgpu"],
            "--threads",
        ),
        (&["bench", "--device", "abacus"], "abacus"),
        (&["bench", "--rule", "krm"], "unknown rule \"krm\""),
        (
            &["bench", "--rule", "krum(f=3)", "--n", "8"],
            "krum(f=3): needs",
        ),
        (
            &["bench", "--device", "cpu", "--n", "1e9", "--d", "1e9"],
            "no memory for",
        ),
        (
            &["bench", "--json", "none/b.json"],
            "none/b.json: can't write into none",
        ),
    ] {
        folder.refuse(arguments, expected);
    }
}

#[test]
fn rules_and_devices() {
    let folder = folder();
    for (rule, expected) in [
        ("", "the rule's name is missing"),
        ("krm(f=1)", "unknown rule \"krm\""),
        ("krum", "krum: f= is missing"),
        ("krum(f=2)", "krum(f=2): needs n ≥ 2f+3 = 7 workers"),
        ("cwtm(f=3)", "cwtm(f=3): needs 2f < n, got f = 3, n = 5"),
        ("mean\n(", "expected"),
        ("median\u{1b}[31m", "unexpected"),
    ] {
        folder.refuse(&["aggregate", "--rule", rule, "x.npy", "o.npy"], expected);
    }
    let deep = format!("{}median{}", "clipping(".repeat(5000), ",c=1)".repeat(5000));
    folder.refuse(
        &["aggregate", "--rule", &deep, "x.npy", "o.npy"],
        "inside each other",
    );
    for device in ["tpu", "cpu:1", "cuda:99", "wgpu:99", "wgpu:x", "wgpu:-1"] {
        folder.refuse(
            &[
                "aggregate",
                "--rule",
                "mean",
                "--device",
                device,
                "x.npy",
                "o.npy",
            ],
            &format!("device {}", device.split(':').next().unwrap()),
        );
    }
}

#[test]
fn weights() {
    let folder = folder();
    let weigh = |expected: &str| {
        let arguments = [
            "aggregate",
            "--rule",
            "mean",
            "--weights",
            "w.npy",
            "x.npy",
            "o.npy",
        ];
        folder.refuse(&arguments, expected);
    };
    weigh("w.npy: ");
    folder.write("w.npy", &vector("<f8", &[1.0f64; 4]));
    weigh("w.npy: expected a vector of 5 weights, one per row, got an array of shape (4,)");
    folder.write("w.npy", &matrix("<f8", 5, 1, &[1.0f64; 5]));
    weigh("got an array of shape (5, 1)");
    for weights in [
        [0.0; 5],
        [1.0, 1.0, f64::NAN, 1.0, 1.0],
        [1.0, 1.0, -1.0, 1.0, 1.0],
    ] {
        folder.write("w.npy", &vector("<f8", &weights));
        weigh("weights: expected");
    }
    folder.write("w.npy", &vector("|b1", &[1u8; 5]));
    weigh("expected real numbers, got elements of \"|b1\"");
    folder.write("w.npy", &vector("<f8", &[1.0f64; 5]));
    folder.refuse(
        &[
            "aggregate",
            "--rule",
            "krum(f=1)",
            "--weights",
            "w.npy",
            "x.npy",
            "o.npy",
        ],
        "weights: expected a rule that defines them",
    );
}

#[test]
fn places() {
    let folder = folder();
    let before = folder.read("x.npy");
    std::fs::create_dir(folder.path("sub")).unwrap();
    let to = |input: &str, output: &str, expected: &str| {
        folder.refuse(&["aggregate", "--rule", "mean", input, output], expected);
    };
    to("none.npy", "o.npy", "none.npy: ");
    to("sub", "o.npy", "sub: not a regular file");
    to("x.npy", "sub", "it is a directory");
    to("x.npy", "none/o.npy", "can't write into none");
    to("x.npy", "x.npy/o.npy", "can't write into x.npy");
    to("x.npy", "..", "it is a directory");
    to("x.npy", "x.npy", "OUTPUT would overwrite INPUT");
    to("x.npy", "./sub/../x.npy", "OUTPUT would overwrite INPUT");
    let report = |report: &str, expected: &str| {
        folder.refuse(
            &[
                "aggregate",
                "--rule",
                "mean",
                "--report",
                report,
                "x.npy",
                "o.npy",
            ],
            expected,
        );
    };
    report("x.npy", "the report would overwrite INPUT");
    report("o.npy", "OUTPUT is also the report");
    report("none/r.json", "can't write into none");
    folder.refuse(
        &[
            "aggregate",
            "--rule",
            "mean",
            "--weights",
            "w.npy",
            "x.npy",
            "x\n\u{7}y/o.npy",
        ],
        "x\\n\\u{7}y",
    );
    assert_eq!(folder.read("x.npy"), before);
}

#[cfg(unix)]
#[test]
fn special_files_and_links() {
    let folder = folder();
    let to = |input: &str, output: &str, expected: &str| {
        folder.refuse(&["aggregate", "--rule", "mean", input, output], expected);
    };
    to("x.npy", "/dev/null", "not a regular file");
    to("/dev/zero", "o.npy", "not a regular file");
    std::os::unix::fs::symlink("x.npy", folder.path("link.npy")).unwrap();
    to("x.npy", "link.npy", "OUTPUT would overwrite INPUT");
    to("link.npy", "x.npy", "OUTPUT would overwrite INPUT");
    std::os::unix::fs::symlink("nowhere", folder.path("dangling.npy")).unwrap();
    to("x.npy", "dangling.npy", "can't follow the link");
    let made = std::process::Command::new("mkfifo")
        .arg(folder.path("pipe"))
        .status();
    if made.is_ok_and(|status| status.success()) {
        to("pipe", "o.npy", "not a regular file");
        to("x.npy", "pipe", "not a regular file");
    }
}

#[test]
fn shapes_and_types() {
    let zeros = [0u8; 256];
    for (descr, shape, bytes, expected) in [
        (
            "<f4",
            "()",
            4,
            "expected a matrix of n × d numbers, got an array of shape ()",
        ),
        ("<f4", "(8,)", 32, "got an array of shape (8,)"),
        ("<f4", "(2, 2, 2)", 32, "got an array of shape (2, 2, 2)"),
        (
            "<f4",
            "(0, 5)",
            0,
            "at least one row and one column, got 0 × 5",
        ),
        ("<f4", "(5, 0)", 0, "got 5 × 0"),
        (
            "<i4",
            "(2, 2)",
            16,
            "expected elements of float32, float16 or float64, got \"<i4\"",
        ),
        ("|u1", "(2, 2)", 4, "got \"|u1\""),
        ("|b1", "(2, 2)", 4, "got \"|b1\""),
        ("<c8", "(2, 2)", 32, "got \"<c8\""),
        ("<f16", "(2, 2)", 64, "got \"<f16\""),
        ("|V2", "(2, 2)", 8, "got \"|V2\""),
        ("|O", "(2, 2)", 8, "got \"|O\""),
        (">f4", "(2, 2)", 16, "big-endian elements (\">f4\")"),
        ("", "(2, 2)", 16, "got \"\""),
        ("é4", "(2, 2)", 16, "got \"é4\""),
    ] {
        refuse_file(
            &npy(&header(descr, false, shape), 64, &zeros[..bytes]),
            expected,
        );
    }
    let structured =
        "{'descr': [('a', '<f4'), ('b', '<f4')], 'fortran_order': False, 'shape': (2, 2)}";
    refuse_file(&npy(structured, 64, &zeros[..32]), "got a structured type");
}

#[test]
fn lengths() {
    let good = matrix("<f4", 5, 4, &numbers(20));
    refuse_file(
        &good[..good.len() - 1],
        "it is truncated: 80 bytes of elements by its header, 79 in the file",
    );
    let mut long = good.clone();
    long.push(0);
    refuse_file(&long, "there is something behind its elements");
    for end in [0, 5, 6, 7, 8, 9, 10, 40, 127] {
        refuse_file(
            &good[..end],
            if end < 6 {
                "not a .npy file"
            } else {
                "ends early"
            },
        );
    }
    for shape in [
        "(4294967296, 4294967296)",
        "(9223372036854775807, 2)",
        "(18446744073709551615, 18446744073709551615)",
    ] {
        refuse_file(&npy(&header("<f4", false, shape), 64, &[]), "is too large");
    }
    refuse_file(
        &npy(&header("<f4", false, "(1000000, 1000000)"), 64, &[]),
        "it is truncated",
    );
}

#[test]
fn hostile_headers() {
    let nested = format!("{{'shape': {}", "(".repeat(60_000));
    let lists = format!("{{'descr': {}", "[".repeat(60_000));
    let digits = header("<f4", false, &format!("({}, 4)", "9".repeat(60_000)));
    for (text, expected) in [
        ("", "expected '{', got the end"),
        ("{", "expected '\\'', got the end"),
        ("{}", "has no \"descr\""),
        ("[]", "expected '{'"),
        (
            "{'descr': '<f4', 'fortran_order': False, }",
            "has no \"shape\"",
        ),
        (
            "{'descr': '<f4', 'fortran_order': 0, 'shape': (5, 4), }",
            "expected True or False",
        ),
        (
            "{'descr': 5, 'fortran_order': False, 'shape': (5, 4), }",
            "expected '\\''",
        ),
        (
            "{'descr': '<f4', 'fortran_order': False, 'shape': 5, }",
            "expected '('",
        ),
        (
            "{'descr': '<f4', 'fortran_order': False, 'shape': (-5, 4), }",
            "expected an extent",
        ),
        (
            "{'descr': '<f4', 'fortran_order': False, 'shape': (5.0, 4), }",
            "expected",
        ),
        ("{'descr': '<f4', 'descr': '<f4', }", "has \"descr\" twice"),
        ("{'description': 1}", "unknown entry \"description\""),
        ("{'descr': '<f4", "expected a string"),
        (
            "{'descr': '\\x3cf4', 'fortran_order': False, 'shape': (5, 4)}",
            "expected a string",
        ),
        (
            "{'descr': '<f4', 'fortran_order': False, 'shape': (5, 4)} + 1",
            "goes on with \"+ 1",
        ),
        ("\u{1b}[2J", "got \"\\u{1b}[2J"),
        (&nested, "expected an extent"),
        (&lists, "got a structured type"),
        (&digits, "expected an extent"),
    ] {
        refuse_file(&npy(text, 1, &[0; 80]), expected);
    }
    let mut unknown = matrix("<f4", 5, 4, &numbers(20));
    unknown[6] = 9;
    refuse_file(&unknown, "version 9.0");
    let mut long = b"\x93NUMPY\x02\x00\xff\xff\xff\xff".to_vec();
    refuse_file(&long, "at most 65536 bytes, got 4294967295");
    long.splice(8..12, [200, 0, 0, 0]);
    refuse_file(&long, "ends early");
    refuse_file(
        b"\x93NUMPY\x01\x00\x04\x00\xff\xfe\xfd\n",
        "its header is not text",
    );
    refuse_file(b"PK\x03\x04 and so on", "a .npz archive");
}
