//! A selection of rows gives the bits that a copy of these rows gives, whatever the others hold.

use byzagg::{
    Block, DType, Device, Element, Error, Matrix, Options, Output, Prepared, Reason, Rule, Run,
    Shape,
};
use half::{bf16, f16};

#[allow(dead_code)]
#[path = "common/device.rs"]
mod device;

/// Of so many rows...
const N: usize = 12;
/// ...these are there, in no order...
const HERE: [usize; 8] = [9, 1, 5, 0, 11, 6, 3, 8];
const D: usize = 301;
const RULES: [&str; 8] = [
    "mean",
    "median",
    "krum(f=2)",
    "nnm(cwtm(f=2),f=2)",
    "ctma(median,f=2)",
    "rfa",
    "bulyan(f=1)",
    "bucketing(cc(tau=2),s=2)",
];
const WEIGHTED: [&str; 4] = ["median", "nnm(cwtm(f=2),f=2)", "ctma(median,f=2)", "rfa"];
const WEIGHTS: [f64; HERE.len()] = [3.0, 1.0, 0.0, 2.0, 5.0, 1.0, 1.0, 2.0];

/// Quarters, exact in every element type; the rows that are not selected are hostile.
fn data() -> Vec<f32> {
    let mut x: Vec<f32> = (0..N * D)
        .map(|i| ((i * 7919) % 61) as f32 / 4.0 - 7.0)
        .collect();
    for (row, value) in [(2, f32::NAN), (4, f32::INFINITY), (7, f32::NAN), (10, 6e4)] {
        assert!(!HERE.contains(&row));
        x[row * D..][..D].fill(value);
    }
    x
}

/// The selected rows of some columns, copied.
fn copied(x: &[f32], columns: std::ops::Range<usize>) -> Vec<f32> {
    let row = |&i: &usize| x[i * D..][..D][columns.clone()].to_vec();
    HERE.iter().flat_map(row).collect()
}

fn prepare(device: &Device, rule: &str, shape: &Shape, dtype: DType, weighted: bool) -> Prepared {
    let rule: Rule = rule.parse().unwrap();
    let options = Options::new()
        .output(DType::F32)
        .weighted(weighted)
        .report(true);
    rule.prepare_with(device, shape, dtype, options).unwrap()
}

fn run(prepared: &mut Prepared, x: Matrix<'_>, weights: Option<&[f64]>) -> Vec<u32> {
    let mut out = vec![0.0f32; prepared.shape().d()];
    let run = weights.map_or(Run::new(), |weights| Run::new().weights(weights));
    prepared.run_with(x, &mut out, &run).unwrap();
    out.into_iter().map(f32::to_bits).collect()
}

/// The same bits, the same reports but for the names, and no more memory.
#[track_caller]
fn check(what: &str, device: &Device, shape: &Shape, selected: Matrix<'_>, copy: Matrix<'_>) {
    let rules = RULES.map(|rule| (rule, None));
    let weighted = WEIGHTED.map(|rule| (rule, Some(&WEIGHTS[..])));
    for (rule, weights) in rules.into_iter().chain(weighted) {
        let prepare = || prepare(device, rule, shape, copy.dtype(), weights.is_some());
        let (mut a, mut b) = (prepare(), prepare());
        assert!(
            run(&mut a, selected, weights) == run(&mut b, copy, weights),
            "{what}, {rule}, weighted: {}, {device}",
            weights.is_some()
        );
        assert_eq!(a.workspace_bytes(), b.workspace_bytes(), "{what}, {rule}");
        for (a, b) in a.report().unwrap().iter().zip(&b.report().unwrap()) {
            let indices: Vec<_> = a.workers.iter().map(|worker| worker.index).collect();
            assert_eq!(indices, HERE, "{what}, {rule}");
            for (a, b) in a.workers.iter().zip(&b.workers) {
                let values = |w: &byzagg::Worker| (w.row, w.kept, w.coefficient, w.why());
                assert_eq!(values(a), values(b), "{what}, {rule}");
            }
        }
        // The names are those of the last run.
        run(&mut a, copy, weights);
        assert_eq!(a.report().unwrap()[0].workers[3].index, 3);
    }
}

fn of_type<T: Element>(device: &Device, what: &str, convert: impl Fn(f32) -> T) {
    let all: Vec<T> = data().into_iter().map(&convert).collect();
    let copy: Vec<T> = copied(&data(), 0..D).into_iter().map(convert).collect();
    let n = HERE.len();
    let whole = Matrix::new(&all, N, D).unwrap();
    let copy = Matrix::new(&copy, n, D).unwrap();
    check(
        what,
        device,
        &Shape::new(n, D),
        whole.select(&HERE).unwrap(),
        copy,
    );
}

#[test]
fn of_every_element_type() {
    for device in device::devices() {
        of_type(device, "f32", |v| v);
        of_type(device, "f16", f16::from_f32);
        of_type(device, "bf16", bf16::from_f32);
        of_type(device, "f64", f64::from);
    }
}

#[test]
fn of_every_view() {
    let x = data();
    let copy = copied(&x, 0..D);
    let copy = Matrix::new(&copy, HERE.len(), D).unwrap();
    let shape = Shape::new(HERE.len(), D);
    let stride = D + 5;
    let mut padded = vec![f32::NAN; N * stride];
    let mut transposed = vec![0.0; N * D];
    for i in 0..N {
        padded[i * stride..][..D].copy_from_slice(&x[i * D..][..D]);
        for k in 0..D {
            transposed[k * N + i] = x[i * D + k];
        }
    }
    let rows: Vec<&[f32]> = x.chunks(D).collect();
    let views = [
        ("padded", Block::strided(&padded, N, D, stride, 1)),
        ("column-major", Block::strided(&transposed, N, D, 1, N)),
        ("separate", Block::from_rows(&rows)),
    ];
    for device in device::devices() {
        for (what, view) in &views {
            let matrix = Matrix::from(view.clone().unwrap());
            check(what, device, &shape, matrix.select(&HERE).unwrap(), copy);
        }
    }
}

#[test]
fn of_blocks_and_batches() {
    let x = data();
    let n = HERE.len();
    let ends = [1, 100, 230, D];
    let columns = |b: usize| (if b == 0 { 0 } else { ends[b - 1] })..ends[b];
    let sizes: Vec<usize> = (0..ends.len()).map(|b| columns(b).len()).collect();
    let copies: Vec<_> = (0..ends.len()).map(|b| copied(&x, columns(b))).collect();
    let copies: Vec<_> = (0..ends.len())
        .map(|b| Block::new(&copies[b], n, sizes[b]).unwrap())
        .collect();
    let all: Vec<_> = (0..ends.len())
        .map(|b| Block::strided(&x[columns(b).start..], N, sizes[b], D, 1).unwrap())
        .collect();
    let selected = Matrix::from_blocks(&all).unwrap().select(&HERE).unwrap();
    let copy = Matrix::from_blocks(&copies).unwrap();
    for device in device::devices() {
        check("blocks", device, &Shape::blocks(n, &sizes), selected, copy);
        check("batch", device, &Shape::batch(n, &sizes), selected, copy);
    }
}

/// Who takes part changes from round to round, with one aggregator.
#[test]
fn from_round_to_round() {
    let x = data();
    let whole = Matrix::new(&x, N, D).unwrap();
    for device in device::devices() {
        for rule in ["median", "nnm(cwtm(f=1),f=1)", "ctma(rfa,f=1)"] {
            let mut prepared = prepare(device, rule, &Shape::new(5, D), DType::F32, false);
            for round in 0..4 {
                let here: Vec<usize> = (0..5).map(|i| HERE[(i * 3 + round) % 8]).collect();
                let copy: Vec<f32> = here.iter().flat_map(|i| x[i * D..][..D].to_vec()).collect();
                let a = run(&mut prepared, whole.select(&here).unwrap(), None);
                let b = run(&mut prepared, Matrix::new(&copy, 5, D).unwrap(), None);
                assert!(a == b, "{rule}, round {round}, {device}");
            }
        }
    }
}

#[test]
fn a_report_names_workers_by_their_rows() {
    let x = data();
    let here = [3, 2, 11, 0, 5];
    let matrix = Matrix::new(&x, N, D).unwrap().select(&here).unwrap();
    let mut prepared = prepare(
        &Device::cpu(),
        "monna(f=2,pivot=2)",
        &Shape::new(5, D),
        DType::F32,
        false,
    );
    run(&mut prepared, matrix, None);
    let report = prepared.report().unwrap().remove(0);
    let table = report.to_string();
    // Row 2 is the one with NaN; the pivot is the third selected row, 11.
    let line = |row: &str| {
        table
            .lines()
            .find(|l| l.trim_start().starts_with(row))
            .unwrap()
    };
    assert!(line("2 ").contains("not finite"), "{table}");
    assert!(line("11 ").contains("distance 0 to worker 11"), "{table}");
    assert!(matches!(
        report.workers[2].reasons[..],
        [Reason::Ranked { rank: 1, .. }]
    ));
}

#[test]
fn what_can_not_be_selected_is_refused() {
    let x = data();
    let whole = Matrix::new(&x, N, D).unwrap();
    let refused = |rows: &[usize]| whole.select(rows).unwrap_err().to_string();
    assert_eq!(
        refused(&[]),
        "Matrix::select: expected at least one row, got none"
    );
    assert_eq!(
        refused(&[0, N]),
        "Matrix::select: expected rows below 12, the number of rows, got row 12 at place 1"
    );
    assert_eq!(
        refused(&[4, 1, 4]),
        "Matrix::select: expected each row at most once, got row 4 at places 0 and 2"
    );
    let again = whole.select(&HERE).unwrap().select(&[0, 1]).unwrap_err();
    assert_eq!(
        again.to_string(),
        "Matrix::select: expected a whole matrix, of which no rows have been selected, got a \
         selection of 8 rows"
    );
    for device in device::devices() {
        let mut prepared = prepare(device, "median", &Shape::new(N, D), DType::F32, false);
        let mut out = vec![7.0f32; D];
        let selected = whole.select(&HERE).unwrap();
        let error = prepared.run(selected, Output::from(&mut out)).unwrap_err();
        assert!(matches!(error, Error::Shape { .. }), "{error}");
        assert_eq!(error.to_string(), "run: expected 12 × 301, got 8×301");
        assert!(out.iter().all(|v| *v == 7.0), "something was written");
    }
}
