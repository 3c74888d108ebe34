//! **The guarantee**: with at most f hostile rows, whatever they hold, a robust rule's result is finite, within
//! the distance of the honest rows that is proved for the rule, and the reference's, on every backend.
//!
//! `attack` makes the hostile rows, `catalogue` the rules, `claims` and `cloud` compute and prove the bounds,
//! `check` holds a result against them, `teeth` shows that wrong rules are caught, `weighted` gives workers
//! different weights.
//!
//! Some ten thousand cases run as part of the tests. More of them, with other seeds, all night:
//!
//! ```sh
//! BYZAGG_GUARANTEE_CASES=1000000 BYZAGG_GUARANTEE_SEED=7 cargo test --release --features cli,wgpu \
//!     --test guarantee guarantee_on -- --nocapture
//! ```
//!
//! runs that many on each backend (name the test `on_the_cpu` or `on_wgpu` for one of them) and prints its
//! progress and its seed. A failure prints a line `BYZAGG_GUARANTEE_CASE='…'`; with that variable set the
//! same command runs only that case, verbosely.

#[path = "../common/mod.rs"]
mod common;

mod attack;
mod case;
mod catalogue;
mod check;
mod claims;
mod cloud;
mod honest;
mod known;
mod published;
mod teeth;
mod weighted;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use byzagg::{DType, Device};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use case::{CASE, Case, Group};
use check::{Runner, Tally, check};
use common::device::devices;

/// Cases per backend and round of the night's mode.
const CASES: &str = "BYZAGG_GUARANTEE_CASES";
const SEED: &str = "BYZAGG_GUARANTEE_SEED";
/// So many failures end a run.
const ENOUGH: usize = 20;

fn number(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{variable}={value} is no number")),
    )
}

/// Shapes of the matrices, and cases per rule.
struct Plan {
    shapes: &'static [(usize, usize, DType)],
    per_rule: usize,
}

/// The device of a backend, if this build and this machine have it.
fn device(backend: &str) -> Option<&'static Device> {
    devices().iter().find(|device| device.backend() == backend)
}

/// A backend that is added needs a test of its own here.
#[test]
fn every_backend_is_tested() {
    for device in devices() {
        assert!(["cpu", "wgpu"].contains(&device.backend()), "{device}");
    }
}

/// Runs cases until there are as many as planned, a failure stops it, or one was asked for.
fn guarantee(backend: &'static str, plan: &Plan) {
    let Some(device) = device(backend) else {
        // `devices` has said that this is accepted.
        return;
    };
    if let Ok(line) = std::env::var(CASE) {
        return one(&Case::parse(&line), device);
    }
    let seed = number(SEED).unwrap_or(1);
    let asked = number(CASES).map(|cases| cases as usize);
    let (start, mut tally) = (Instant::now(), Tally::default());
    for round in 0.. {
        let enough = match asked {
            Some(cases) => tally.cases >= cases,
            None => round >= plan.shapes.len(),
        };
        if enough || tally.failures.len() >= ENOUGH {
            break;
        }
        let seed = seed.wrapping_mul(0x9E37_79B9) + round as u64 * 1_000_000;
        let shape = plan.shapes.get(round).copied();
        let (n, d, dtype) = shape.unwrap_or_else(|| drawn(seed));
        tally.add(all_rules(device, (n, d, dtype), seed, plan.per_rule));
        let (cases, failed) = (tally.cases, tally.failures.len());
        let seconds = start.elapsed().as_secs();
        eprintln!(
            "{backend}: {cases} cases, {failed} failed, {seconds} s; {n}×{d} {dtype}, {seed}"
        );
    }
    finish(backend, tally);
}

/// A shape for the rounds that the plan has none for.
fn drawn(seed: u64) -> (usize, usize, DType) {
    let mut random = StdRng::seed_from_u64(seed);
    let d = match random.random_range(0..4) {
        0 => random.random_range(1..8),
        _ => random.random_range(8..300),
    };
    let dtype = [DType::F32, DType::F32, DType::Bf16, DType::F16][random.random_range(0..4)];
    (random.random_range(5..=33), d, dtype)
}

/// All rules on one shape, on two threads.
fn all_rules(
    device: &'static Device,
    (n, d, dtype): (usize, usize, DType),
    seed: u64,
    per_rule: usize,
) -> Tally {
    let groups: Vec<Group> = (catalogue::rules(n, seed).into_iter().enumerate())
        .map(|(at, rule)| Group {
            seed: seed + 7 * at as u64,
            rule,
            n,
            d,
            dtype,
            device,
        })
        .collect();
    let (next, failed, total) = (
        AtomicUsize::new(0),
        AtomicBool::new(false),
        Mutex::new(Tally::default()),
    );
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(group) = groups.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if failed.load(Ordering::Relaxed) {
                        return;
                    }
                    let tally = all_of(group, per_rule);
                    failed.fetch_or(tally.failures.len() >= ENOUGH, Ordering::Relaxed);
                    total.lock().unwrap().add(tally);
                }
            });
        }
    });
    total.into_inner().unwrap()
}

/// The cases of a group, with one preparation.
fn all_of(group: &Group, count: usize) -> Tally {
    let mut tally = Tally::default();
    let mut runner = Runner::new(group).unwrap_or_else(|error| panic!("{}: {error}", group.rule));
    for case in group.cases(count) {
        check(&case, group, &mut runner, &mut tally);
    }
    tally
}

/// Runs one case, and says what it is.
fn one(case: &Case, device: &'static Device) {
    if case.device != device.backend() {
        return;
    }
    let Case {
        seed,
        rule,
        n,
        d,
        dtype,
        ..
    } = case.clone();
    let group = Group {
        seed,
        rule,
        n,
        d,
        dtype,
        device,
    };
    let mut runner = Runner::new(&group).unwrap();
    let mut tally = Tally::default();
    check(case, &group, &mut runner, &mut tally);
    eprintln!("{case}: hostile {:?}, {tally:?}", case.hostile());
    finish("one case", tally);
}

fn finish(name: &str, tally: Tally) {
    eprintln!("{name}: {tally:#?}");
    let failures = &tally.failures;
    assert!(
        failures.is_empty(),
        "{} failures:\n{}",
        failures.len(),
        failures.join("\n")
    );
    assert!(tally.cases > 0, "nothing was tried");
    if tally.cases < 100 {
        return;
    }
    // None of the three checks may become one that says nothing.
    assert!(
        tally.bounded * 10 >= tally.cases * 8,
        "{} have a bound",
        tally.bounded
    );
    assert!(
        tally.clear * 10 >= tally.cases * 6,
        "{} are clear",
        tally.clear
    );
    assert!(
        tally.ambiguous * 50 <= tally.cases,
        "{} differ",
        tally.ambiguous
    );
}

#[test]
fn guarantee_on_the_cpu() {
    let shapes = &[
        (11, 64, DType::F32),
        (25, 129, DType::F32),
        (5, 300, DType::Bf16),
        (8, 37, DType::F32),
        (16, 50, DType::F16),
        (33, 37, DType::F32),
        (7, 257, DType::F32),
    ];
    let plan = Plan {
        shapes,
        per_rule: 24,
    };
    guarantee("cpu", &plan);
}

#[cfg(feature = "wgpu")]
#[test]
fn guarantee_on_wgpu() {
    let shapes = &[
        (11, 64, DType::F32),
        (6, 131, DType::Bf16),
        (25, 37, DType::F32),
        (9, 300, DType::F16),
    ];
    let plan = Plan {
        shapes,
        per_rule: 16,
    };
    guarantee("wgpu", &plan);
}
