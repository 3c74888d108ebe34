//! Workers of different weights: hostile ones with a share of at most λ of the weight do no harm, however many
//! they are.
//!
//! With integer weights a rule's result is what it is on as many copies of each row, where it defines weights
//! (bucketing, whose buckets are of workers, is not one of these). So the bounds are those on the copies.

use byzagg::{DType, Device};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::case::Group;
use super::check::{Comparison, Runner, Verdict, against, outside, rows};
use super::known::Known;
use crate::common::cases::some_of;
use crate::common::device::devices;
use crate::common::run::{on, reference};

const LAMBDA: f64 = 0.37;

fn rules() -> Vec<String> {
    let base = [
        "median",
        "median(ties=lower)",
        "median(ties=upper)",
        "cwtm(lambda=0.37)",
        "rfa(nu=0.1,tolerance=0.0001)",
        "rfa",
        "cc(tau=40,iterations=9)",
    ];
    let around = |rule: &&str| {
        [
            rule.to_string(),
            format!("ctma({rule},lambda={LAMBDA})"),
            format!("nnm({rule},lambda={LAMBDA})"),
            format!("clipping({rule},c=9)"),
            format!("ctma(nnm({rule},lambda={LAMBDA}),lambda={LAMBDA})"),
        ]
    };
    base.iter().flat_map(around).collect()
}

/// Workers whose weights are at most a share λ of all, as heavy as they get.
fn hostile(weights: &[f64], random: &mut StdRng) -> Vec<usize> {
    let mut left = LAMBDA * weights.iter().sum::<f64>();
    let mut hostile = some_of(weights.len(), weights.len(), random);
    hostile.retain(|&i| {
        let taken = weights[i] <= left;
        left -= if taken { weights[i] } else { 0.0 };
        taken
    });
    hostile
}

fn guarantee(device: &'static Device, seed: u64, (n, d, dtype): (usize, usize, DType)) {
    let mut random = StdRng::seed_from_u64(seed);
    let (mut cases, mut clear) = (0, 0);
    for rule in rules() {
        let weights: Vec<f64> = (0..n)
            .map(|_| f64::from(random.random_range(1..6)))
            .collect();
        let group = Group {
            seed: seed + cases as u64,
            rule: rule.clone(),
            n,
            d,
            dtype,
            device,
        };
        let mut runner = Runner::weighted(&group, Some(weights.clone())).unwrap();
        for case in group.cases(26) {
            let hostile = hostile(&weights, &mut random);
            let rows = rows(&case, &hostile, &mut |rows| runner.run(rows));
            let out = runner.run(&rows);
            let what = format!("{case}, weights {weights:?}, hostile {hostile:?}");
            assert!(out.iter().all(|x| x.is_finite()), "{what}: {out:?}");
            let known = Known::new(&rows, &hostile).repeated(&weights);
            match outside(&case, &known, &out) {
                Verdict::Inside(_) => {}
                Verdict::Outside(why) => panic!("{what}: {why}"),
                Verdict::Unbounded => panic!("{what}: no bound"),
            }
            let expected = on(device, &rule, &reference(&rule, &rows, Some(&weights)));
            match against(&expected, &out, dtype) {
                Comparison::Same { clear: yes } => clear += usize::from(yes),
                Comparison::Ambiguous => {}
                Comparison::Other(why) => panic!("{what}: {why}"),
            }
            cases += 1;
        }
    }
    eprintln!(
        "{}, weighted: {cases} cases, {clear} clear",
        device.backend()
    );
    assert!(clear * 10 >= cases * 6, "{clear} of {cases} are clear");
}

#[test]
fn weighted_guarantee() {
    for device in devices() {
        guarantee(device, 1, (11, 50, DType::F32));
        if device.backend() == "cpu" {
            guarantee(device, 2, (18, 37, DType::Bf16));
            guarantee(device, 3, (7, 200, DType::F32));
        }
    }
}
