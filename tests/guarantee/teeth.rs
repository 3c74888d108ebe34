//! Tests of the tests: wrong rules are caught, right ones come close to their bounds, and a line of text makes
//! a case again.

use byzagg::{DType, Device};

use super::case::{Case, Group};
use super::check::{Comparison, Runner, Verdict, against, outside, rows};
use super::known::Known;
use crate::common::device::devices;
use crate::common::run::reference;

/// How many of some cases a rule fails that says it is another: by the bounds, and by the oracle.
fn caught(pretended: &str, actual: &str, count: usize) -> (usize, usize) {
    let device: &'static Device = &devices()[0];
    let (n, d, dtype) = (15, 40, DType::F32);
    let group = |rule: &str| Group {
        seed: 11,
        rule: rule.into(),
        n,
        d,
        dtype,
        device,
    };
    let mut runner = Runner::new(&group(actual)).unwrap();
    let mut by = (0, 0);
    for case in group(pretended).cases(count) {
        let rows = rows(&case, &case.hostile(), &mut |rows| runner.run(rows));
        let out = runner.run(&rows);
        let known = Known::new(&rows, &case.hostile());
        by.0 += usize::from(matches!(outside(&case, &known, &out), Verdict::Outside(_)));
        let expected = reference(pretended, &rows, None);
        by.1 += usize::from(matches!(
            against(&expected, &out, dtype),
            Comparison::Other(_)
        ));
    }
    by
}

/// The mean is no robust rule, whichever one it says it is.
#[test]
fn the_mean_is_caught() {
    let mut least = (52, 52);
    for rule in super::catalogue::rules(15, 3) {
        let (by_bound, by_oracle) = caught(&rule, "mean", 52);
        let parsed = super::catalogue::parsed(&rule);
        let bears = super::catalogue::budget(&parsed, 15);
        // No hostile row is no attack; and CAF has no bound for a large f.
        let unbounded = super::cloud::kappa(&parsed, 15, bears).is_none();
        if bears == 0 || (rule.starts_with("caf(") && unbounded) {
            continue;
        }
        least = (least.0.min(by_bound), least.1.min(by_oracle));
        assert!(by_bound >= 5, "{rule}: {by_bound} of 52 by the bound");
        assert!(by_oracle >= 1, "{rule}: {by_oracle} of 52 by the oracle");
    }
    eprintln!(
        "the mean: at least {} of 52 by the bound, {} by the oracle",
        least.0, least.1
    );
}

/// Rules that cut one row too few, or that are otherwise not what they say.
#[test]
fn broken_rules_are_caught() {
    for (pretended, actual) in [
        ("cwtm(f=4)", "cwtm(f=3)"),
        ("cwtm(f=7)", "cwtm(f=6)"),
        ("cwtm(lambda=0.3)", "cwtm(lambda=0.25)"),
        ("median", "cwtm(f=6)"),
        ("median(ties=lower)", "cwtm(f=6)"),
        ("meamed(f=4)", "meamed(f=3)"),
        ("krum(f=4)", "multikrum(f=0,m=12)"),
        ("krum(f=6)", "krum(f=6,neighbours=1)"),
        ("multikrum(f=4)", "multikrum(f=4,m=11,neighbours=1)"),
        ("multikrum(f=4)", "multikrum(f=3,m=12)"),
        ("bulyan(f=3)", "cwtm(f=2)"),
        ("monna(f=4)", "monna(f=3)"),
        ("caf(f=4)", "caf(f=2)"),
        ("rfa(tolerance=0.0001)", "nnm(mean,f=3)"),
        ("cc(tau=3,iterations=4)", "cc(tau=30,iterations=4)"),
        ("nnm(cwtm(f=4),f=4)", "nnm(mean,f=4)"),
        ("nnm(cwtm(f=4),f=4)", "nnm(cwtm(f=3),f=3)"),
        ("ctma(median,f=4)", "ctma(median,f=3)"),
        ("ctma(rfa(tolerance=0.0001),f=4)", "ctma(mean,f=4)"),
        ("arc(median,f=4)", "arc(mean,f=1)"),
        ("clipping(median,c=9)", "clipping(mean,c=90)"),
        ("bucketing(median,s=2,seed=1)", "bucketing(mean,s=2,seed=1)"),
    ] {
        let (by_bound, by_oracle) = caught(pretended, actual, 208);
        eprintln!(
            "{actual} for {pretended}: {by_bound} of 208 by the bound, {by_oracle} by the oracle"
        );
        assert!(by_bound > 0, "{actual} passes for {pretended} by the bound");
        assert!(
            by_oracle > 0,
            "{actual} passes for {pretended} by the oracle"
        );
    }
}

/// The ranges of trimmed mean and median are as small as they can be: some attack reaches their ends.
#[test]
fn coordinate_wise_bounds_are_attained() {
    for rule in ["cwtm(f=4)", "cwtm(f=7)", "median"] {
        let device: &'static Device = &devices()[0];
        let group = Group {
            seed: 5,
            rule: rule.into(),
            n: 15,
            d: 40,
            dtype: DType::F32,
            device,
        };
        let mut runner = Runner::new(&group).unwrap();
        let mut most: f64 = 0.0;
        for case in group.cases(60) {
            let rows = rows(&case, &case.hostile(), &mut |rows| runner.run(rows));
            let known = Known::new(&rows, &case.hostile());
            if let Verdict::Inside(used) = outside(&case, &known, &runner.run(&rows)) {
                most = most.max(used);
            }
        }
        assert!(most > 0.999, "{rule}: {most} of its range");
    }
}

/// What a failure prints is enough to make its case again.
#[test]
fn cases_are_what_they_print() {
    let device: &'static Device = &devices()[0];
    for rule in super::catalogue::rules(9, 2) {
        let group = Group {
            seed: 1 << 40,
            rule,
            n: 9,
            d: 5,
            dtype: DType::Bf16,
            device,
        };
        for case in group.cases(52) {
            let again = Case::parse(&case.to_string());
            assert_eq!(again, case);
            let mut respond = |_: &[Vec<f32>]| vec![1.0; 5];
            let bits = |case: &Case, respond: &mut dyn FnMut(&[Vec<f32>]) -> Vec<f32>| {
                let rows = rows(case, &case.hostile(), respond).concat();
                rows.into_iter().map(f32::to_bits).collect::<Vec<_>>()
            };
            assert_eq!(
                bits(&again, &mut respond),
                bits(&case, &mut respond),
                "{case}"
            );
        }
    }
}

/// A zero row has no direction, also where others were clipped: this generator found that it got one.
#[test]
fn a_zero_row_among_clipped_ones_has_no_direction() {
    let mut rows = crate::honest::Honest::Lattice.rows(25, 129, 2_654_437_119);
    for i in [13, 17, 18, 24, 5, 11] {
        rows[i].fill(0.0);
    }
    for device in devices() {
        let run = |rule: &str| crate::common::run::run(device, rule, &rows, None).unwrap();
        // Unit rows: clipping changes no direction.
        let expected = run("flag(like=paper-code)");
        for c in [9.0, 3.0, 0.5, 0.1] {
            let out = run(&format!("clipping(flag(like=paper-code),c={c})"));
            for (k, (got, expected)) in out.iter().zip(&expected).enumerate() {
                assert!(
                    (got - expected).abs() < 1e-4,
                    "{device}, c = {c}, {k}: {got}, {expected}"
                );
            }
        }
    }
}
