//! Rules that keep the geometry between runs, as a server that steps whenever a vector arrives uses them.

mod common;

use common::cases::{Kind, flat, normal, wide};
use common::device::devices;
use common::naive::aggregate_from;
use common::run::{Tally, on, reference, rounding};

use byzagg::{DType, Device, Matrix, Options, Prepared, Rule, Run, Shape};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const N: usize = 11;
const D: usize = 257;

const RULES: [&str; 14] = [
    "median",
    "krum(f=3)",
    "multikrum(f=3)",
    "bulyan(f=2)",
    "mda(f=3)",
    "smea(f=2)",
    "caf(f=3)",
    "rfa",
    "cc(tau=20)",
    "nnm(cwtm(f=3),f=3)",
    "ctma(median,f=3)",
    "nnm(ctma(rfa,f=3),f=3)",
    "clipping(krum(f=3),c=10)",
    // Its first operation has scratch memory before the inner products are computed.
    "bucketing(rfa,s=2)",
];

fn prepare(device: &Device, rule: &str, options: Options) -> Prepared {
    let rule: Rule = rule.parse().unwrap();
    rule.prepare_with(device, &Shape::new(N, D), DType::F32, options)
        .unwrap()
}

fn run(prepared: &mut Prepared, rows: &[Vec<f32>], run: &Run<'_>) -> byzagg::Result<Vec<f32>> {
    let mut out = vec![f32::NAN; D];
    let x = flat(rows);
    prepared.run_with(Matrix::new(&x, N, D).unwrap(), &mut out, run)?;
    Ok(out)
}

/// A worker's next vector; two workers are hostile.
fn arrival(row: usize, step: usize, random: &mut StdRng) -> Vec<f32> {
    let mean = step as f32 * 0.3;
    match (row, step % 3) {
        (0, 0) => vec![f32::NAN; D],
        (1, 0) => (0..D).map(|_| 1e6 * normal(random)).collect(),
        (1, 1) => vec![1e30; D],
        // Each worker has a mean of its own, so that no margin is small.
        _ => (0..D)
            .map(|k| mean + 0.2 * (row * k % 7) as f32 + (1.0 + row as f32) * normal(random))
            .collect(),
    }
}

#[test]
fn results_are_those_of_a_fresh_run() {
    let mut tally = Tally::default();
    for device in devices() {
        for rule in RULES {
            let mut random = StdRng::seed_from_u64(11);
            let mut rows = Kind::Gaussian.rows(N, D, 12);
            let mut kept = prepare(
                device,
                rule,
                Options::new().keep_geometry(true).report(true),
            );
            run(&mut kept, &rows, &Run::new()).unwrap();
            let steps = if device.backend() == "cpu" { 60 } else { 12 };
            for step in 0..steps {
                let row = random.random_range(0..N);
                rows[row] = arrival(row, step, &mut random);
                let actual = run(&mut kept, &rows, &Run::new().changed(&[row]));
                let expected = on(device, rule, &reference(rule, &rows, None));
                let what = format!("{rule}, step {step}, {device}");
                tally.check(&what, false, actual, expected, rounding(DType::F32));
            }
            assert!(
                kept.renewals() < steps as u64 / 2,
                "{rule}: {}",
                kept.renewals()
            );
        }
    }
    tally.finish("asynchronous");
}

#[test]
fn weights_grow_at_each_arrival() {
    let mut tally = Tally::default();
    for device in devices() {
        for rule in [
            "rfa",
            "ctma(median,lambda=0.3)",
            "nnm(cwtm(lambda=0.3),lambda=0.3)",
        ] {
            let mut random = StdRng::seed_from_u64(13);
            let mut rows = vec![vec![0.0; D]; N];
            let mut weights = vec![0.0; N];
            let options = Options::new().keep_geometry(true).weighted(true);
            let mut kept = prepare(device, rule, options);
            let steps = if device.backend() == "cpu" { 120 } else { 20 };
            for step in 0..steps {
                let row = random.random_range(2..N);
                rows[row] = arrival(row, step, &mut random);
                weights[row] += 1.0;
                let arrived = [row];
                let now = Run::new().weights(&weights).changed(&arrived);
                let actual = run(&mut kept, &rows, &now);
                let expected = on(device, rule, &reference(rule, &rows, Some(&weights)));
                let what = format!("{rule}, step {step}, {device}, {weights:?}");
                tally.check(&what, false, actual, expected, rounding(DType::F32));
            }
        }
    }
    tally.finish("weights that grow");
}

/// Centered clipping in place: its start differs in every run, whether a row arrived or not.
#[test]
fn a_given_start_changes_in_every_run() {
    let mut tally = Tally::default();
    for device in devices() {
        for rule in [
            "cc(tau=20,start=given)",
            "nnm(cc(tau=20,start=given),f=3)",
            "ctma(cc(tau=20,iterations=3,start=given),f=3)",
        ] {
            let mut random = StdRng::seed_from_u64(17);
            let mut rows = Kind::Gaussian.rows(N, D, 18);
            let mut kept = prepare(device, rule, Options::new().keep_geometry(true));
            let mut state = vec![0.0f32; D];
            let steps = if device.backend() == "cpu" { 60 } else { 16 };
            for step in 0..steps {
                let row = random.random_range(0..N);
                let mut changed = vec![];
                if step % 4 > 0 {
                    rows[row] = arrival(row, step, &mut random);
                    changed.push(row);
                }
                match step % 7 {
                    3 => state[D / 2] = f32::NAN,
                    5 => state.fill(1e25),
                    _ => {}
                }
                let start = wide(&[state.clone()]).remove(0);
                let expected =
                    aggregate_from(rule, &wide(&rows), None, Some(&start), &|n, seed| {
                        byzagg::permutation(n, seed, 0)
                    });
                let x = flat(&rows);
                let now = Run::new().start_from_output().changed(&changed);
                let result = kept.run_with(Matrix::new(&x, N, D).unwrap(), &mut state, &now);
                let what = format!("{rule}, step {step}, {device}");
                let expected = on(device, rule, &expected);
                let actual = result.map(|()| state.clone());
                tally.check(&what, false, actual, expected, rounding(DType::F32));
            }
            let renewals = kept.renewals();
            assert!(renewals < steps as u64 / 2, "{rule}: {renewals}");
        }
    }
    tally.finish("given starts");
}

/// The bits are those of a copy of the selected rows, changed at the same places.
#[test]
fn changed_rows_of_a_selection_are_places_in_it() {
    const OF: usize = N + 4;
    for device in devices() {
        for rule in ["rfa", "nnm(cwtm(f=3),f=3)", "ctma(median,f=3)"] {
            let mut random = StdRng::seed_from_u64(19);
            let mut all = Kind::Gaussian.rows(OF, D, 20);
            let mut here: Vec<usize> = (4..OF).rev().collect();
            let options = Options::new().keep_geometry(true);
            let mut kept = prepare(device, rule, options);
            let mut copied = prepare(device, rule, options);
            for step in 0..16 {
                let place = step * 5 % N;
                if step % 3 == 0 {
                    // Another worker's vector stands there.
                    let away = (0..OF).find(|i| !here.contains(i));
                    here[place] = away.unwrap();
                } else {
                    all[here[place]] = arrival(here[place], step, &mut random);
                }
                let changed = [place];
                let now = Run::new().changed(&changed);
                let x = flat(&all);
                let selected = Matrix::new(&x, OF, D).unwrap().select(&here).unwrap();
                let mut out = vec![f32::NAN; D];
                kept.run_with(selected, &mut out, &now).unwrap();
                let copy: Vec<_> = here.iter().map(|&i| all[i].clone()).collect();
                let expected = run(&mut copied, &copy, &now).unwrap();
                let bits = |v: &[f32]| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                assert!(
                    bits(&out) == bits(&expected),
                    "{rule}, step {step}, {device}"
                );
            }
            assert_eq!(kept.renewals(), copied.renewals(), "{rule}, {device}");
            assert!(kept.renewals() < 8, "{rule}, {device}");
        }
    }
}

#[test]
fn after_an_error_all_rows_are_new() {
    for device in devices() {
        let mut kept = prepare(device, "krum(f=3)", Options::new().keep_geometry(true));
        let rows = Kind::Gaussian.rows(N, D, 14);
        // There is no last run.
        run(&mut kept, &rows, &Run::new().changed(&[1])).unwrap();
        assert_eq!(kept.renewals(), 1);
        run(&mut kept, &rows, &Run::new().changed(&[1])).unwrap();
        assert_eq!(kept.renewals(), 1);
        for refused in [Run::new().changed(&[N]), Run::new().weights(&[1.0; N])] {
            let other = Kind::Gaussian.rows(N, D, 15);
            run(&mut kept, &other, &refused).unwrap_err();
            let before = kept.renewals();
            let actual = run(&mut kept, &other, &Run::new().changed(&[])).unwrap();
            assert_eq!(kept.renewals(), before + 1);
            let mut fresh = prepare(device, "krum(f=3)", Options::new());
            assert_eq!(actual, run(&mut fresh, &other, &Run::new()).unwrap());
        }
    }
}

#[test]
fn changed_rows_need_a_geometry_that_is_kept() {
    for device in devices() {
        let rows = Kind::Gaussian.rows(N, D, 16);
        let mut fresh = prepare(device, "krum(f=3)", Options::new());
        let error = run(&mut fresh, &rows, &Run::new().changed(&[1])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "run: expected no changed rows, as prepared without keeping the geometry, got 1 of them"
        );
        // A rule without inner products keeps nothing, and says so.
        let keep = Options::new().keep_geometry(true);
        let mut median = prepare(device, "median", keep);
        let bytes = prepare(device, "median", Options::new()).workspace_bytes();
        assert_eq!(median.workspace_bytes(), bytes);
        let medians = run(&mut median, &rows, &Run::new().changed(&[])).unwrap();
        let mut other = rows.clone();
        other.rotate_left(1);
        other[0].fill(9.0);
        assert_ne!(
            run(&mut median, &other, &Run::new().changed(&[])).unwrap(),
            medians
        );
        assert_eq!((median.renewals(), median.host_syncs()), (0, 0));
        // The centre takes d numbers.
        let kept = prepare(device, "krum(f=3)", keep);
        let more = kept.workspace_bytes() - fresh.workspace_bytes();
        assert!((4 * D..8 * D + 4096).contains(&more), "{more}");
    }
}

#[cfg(feature = "wgpu")]
#[test]
fn a_gpu_waits_for_the_decision_and_says_so() {
    let Some(gpu) = common::device::wgpu() else {
        return;
    };
    let device = Device::Wgpu(gpu);
    let syncs = |options| prepare(&device, "krum(f=3)", options).host_syncs();
    assert_eq!(syncs(Options::new()), 0);
    assert_eq!(syncs(Options::new().keep_geometry(true)), 1);
}
