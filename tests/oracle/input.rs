//! Rule expressions, parameters, weights, cases and comparators.

use crate::common::cases::{Hostile, Kind, wide};
use crate::common::compare::{Rounding, assert_bits_equal, assert_within, within};
use crate::common::naive::aggregate;
use crate::common::naive::geometry::{self, integer_weights};
use crate::common::naive::parse::{Cut, Rule, Stop, Ties, parse};
use crate::support::*;

#[test]
fn reads_rule_expressions() {
    let cut = Cut::F(3);
    let boxed = |rule| Box::new(rule);
    let rfa = Rule::GeometricMedian {
        nu: 0.1,
        stop: Stop::Iterations(3),
    };
    assert_eq!(parse("cwtm(f=3)"), Ok(Rule::TrimmedMean { cut }));
    assert_eq!(
        parse("nnm(ctma(rfa,f=3),f=3)"),
        Ok(Rule::Nnm {
            inner: boxed(Rule::Ctma {
                inner: boxed(rfa),
                cut
            }),
            cut
        })
    );
    let inner = Rule::Nnm {
        inner: boxed(Rule::TrimmedMean { cut }),
        cut,
    };
    let nested = Ok(Rule::Ctma {
        inner: boxed(inner),
        cut,
    });
    assert_eq!(parse("ctma(nnm(cwtm(f=3),f=3),f=3)"), nested);
    assert_eq!(parse(" ctma( nnm( cwtm(f=3) , f=3 ) , f = 3 ) "), nested);
    let rfa = Rule::GeometricMedian {
        nu: 0.5,
        stop: Stop::Iterations(8),
    };
    assert_eq!(
        parse("bucketing(rfa(nu=0.5,iterations=8),s=2,seed=7)"),
        Ok(Rule::Bucketing {
            inner: boxed(rfa),
            s: 2,
            seed: 7
        })
    );
    let median = boxed(Rule::Median {
        ties: Ties::Midpoint,
    });
    assert_eq!(
        parse("ctma(median,lambda=0.4)"),
        Ok(Rule::Ctma {
            inner: median,
            cut: Cut::Lambda(0.4)
        })
    );
    assert_eq!(
        parse("median(ties=lower)"),
        Ok(Rule::Median { ties: Ties::Lower })
    );
    assert_eq!(
        parse("rfa(tolerance=1e-6)"),
        Ok(Rule::GeometricMedian {
            nu: 0.1,
            stop: Stop::Tolerance(1e-6)
        })
    );
    assert_eq!(
        parse("krum(f=3)"),
        Ok(Rule::Krum {
            f: 3,
            neighbours: None
        })
    );
    assert_eq!(
        parse("multikrum(f=3,m=2,neighbours=4)"),
        Ok(Rule::MultiKrum {
            f: 3,
            m: Some(2),
            neighbours: Some(4)
        })
    );
    assert_eq!(
        parse("clipping(mean,c=2.5)"),
        Ok(Rule::Clipping {
            inner: boxed(Rule::Mean),
            c: 2.5
        })
    );
    for text in [
        "",
        "mode",
        "cwtm",
        "cwtm(f=3",
        "cwtm(f=3))",
        "cwtm(f=-1)",
        "cwtm(f=1,lambda=0.2)",
        "cwtm(f=1,f=1)",
        "cwtm(g=1)",
        "cwtm(median,f=1)",
        "nnm(f=1)",
        "nnm(median)",
        "nnm(f=1,median)",
        "median(ties=left)",
        "rfa(iterations=3,tolerance=1e-3)",
        "krum",
    ] {
        assert!(parse(text).is_err(), "{text:?} is no rule");
    }
}

#[test]
fn parameters_out_of_range() {
    let cases: &[(&str, usize, &str)] = &[
        ("cwtm(f=2)", 4, "cwtm"),
        ("cwtm(lambda=0.5)", 4, "cwtm"),
        ("cwtm(lambda=-0.1)", 4, "cwtm"),
        ("cwtm(lambda=nan)", 4, "cwtm"),
        ("meamed(f=2)", 4, "meamed"),
        ("krum(f=1)", 4, "krum"),
        ("krum(f=1,neighbours=0)", 4, "krum"),
        ("krum(f=1,neighbours=3)", 4, "krum"),
        ("krum(f=0,neighbours=1)", 1, "krum"),
        ("multikrum(f=1,m=5)", 5, "multikrum"),
        ("multikrum(f=1,m=0)", 5, "multikrum"),
        ("rfa(nu=0)", 3, "rfa"),
        ("rfa(iterations=0)", 3, "rfa"),
        ("nnm(median,f=2)", 4, "nnm"),
        ("ctma(median,f=2)", 4, "ctma"),
        ("ctma(nnm(krum(f=1),f=1),f=1)", 4, "krum"),
        ("bucketing(median,s=0)", 4, "bucketing"),
        ("bucketing(cwtm(f=1),s=2)", 4, "cwtm"),
        ("clipping(median,c=0)", 4, "clipping"),
    ];
    for &(rule, n, name) in cases {
        let error = aggregate(rule, &line(&vec![1.0; n]), None, &identity).unwrap_err();
        assert!(error.starts_with(&format!("{name}:")), "{rule}: {error}");
    }
    // ⌈5/2⌉ = 3 buckets are enough for f = 1.
    assert!(
        aggregate(
            "bucketing(cwtm(f=1),s=2)",
            &line(&[1.0; 5]),
            None,
            &identity
        )
        .is_ok()
    );
    for rule in [
        "krum(f=0)",
        "multikrum(f=0)",
        "meamed(f=0)",
        "nnm(meamed(f=0),f=0)",
    ] {
        let error = aggregate(rule, &line(&[1.0; 5]), Some(&[1.0; 5]), &identity).unwrap_err();
        let name = ["multikrum", "krum", "meamed"]
            .into_iter()
            .find(|name| rule.contains(name));
        assert!(error.starts_with(name.unwrap()), "{rule}: {error}");
    }
    for weights in [
        &[1.0][..],
        &[0.0, 0.0],
        &[1.0, -1.0],
        &[1.0, NAN],
        &[1.0, INF],
    ] {
        assert!(aggregate("mean", &line(&[1.0, 2.0]), Some(weights), &identity).is_err());
    }
    // One worker, where the parameters allow it.
    let one = [
        "mean",
        "median",
        "cwtm(f=0)",
        "meamed(f=0)",
        "rfa",
        "nnm(median,f=0)",
        "ctma(rfa,f=0)",
        "bucketing(median,s=3)",
        "clipping(rfa,c=9)",
        "rfa(tolerance=1e-3)",
    ];
    for rule in one {
        close(on_line(rule, &[7.5]), 7.5);
    }
}

#[test]
fn weights_become_integers() {
    assert_eq!(integer_weights(&[1.0, 0.0, 5.0]).unwrap(), [1.0, 0.0, 5.0]);
    // 2³⁰ in all: a quarter and three quarters.
    let quarter = f64::from(1 << 28);
    assert_eq!(
        integer_weights(&[0.5, 1.5]).unwrap(),
        [quarter, 3.0 * quarter]
    );
    assert_eq!(
        integer_weights(&[1e300, 3e300]).unwrap(),
        [quarter, 3.0 * quarter]
    );
    let [zero, tiny, all] = integer_weights(&[0.0, 1e-12, 1.0]).unwrap()[..] else {
        panic!("three weights");
    };
    assert_eq!([zero, tiny, all], [0.0, 1.0, 4.0 * quarter]);
    // 0.1 + 0.2 is more than 0.3 in f64, but not for the median: the midpoint of 2 and 3.
    close(weighted("median", &[1.0, 2.0, 3.0], &[0.1, 0.2, 0.3]), 2.5);
}

#[test]
fn cases_are_what_they_say() {
    for kind in Kind::ALL {
        for n in [1, 2, 25] {
            let rows = kind.rows(n, 3, 5);
            assert!(rows.len() == n && rows.iter().all(|row| row.len() == 3));
            assert_eq!(rows, kind.rows(n, 3, 5), "seeded");
            assert!(rows.iter().flatten().all(|x| x.is_finite()));
        }
    }
    let huge = |rows: &[Vec<f32>], limit: f32| {
        let largest = rows
            .iter()
            .map(|row| row.iter().fold(0.0f32, |a, b| a.max(b.abs())));
        largest.filter(|&largest| largest > limit).count()
    };
    assert_eq!(huge(&Kind::OneHuge.rows(25, 9, 1), 1e4), 1);
    assert_eq!(huge(&Kind::MinorityHuge.rows(25, 9, 1), 1e7), 12);
    assert_eq!(huge(&Kind::CommonMean.rows(25, 9, 1), 900.0), 25);
    let duplicates = Kind::Duplicates.rows(25, 9, 1);
    let distinct: std::collections::HashSet<usize> =
        geometry::copies(&wide(&duplicates)).into_iter().collect();
    assert_eq!(distinct.len(), 9);
    for hostile in Hostile::ALL {
        let honest = Kind::Gaussian.rows(7, 4, 3);
        let mut rows = honest.clone();
        hostile.replace(&mut rows, &[5, 1]);
        for i in 0..7 {
            let same = rows[i]
                .iter()
                .zip(&honest[i])
                .all(|(a, b)| a.to_bits() == b.to_bits());
            assert_eq!(same, ![5, 1].contains(&i), "{hostile:?}, row {i}");
        }
    }
}

#[test]
fn comparators_let_nothing_through() {
    let reference = apply("mean", &line(&[1.0, 2.0]), None);
    let check = |got: f32| within(&[got], &reference, Rounding::F32);
    assert!(check(1.5).is_ok() && check(1.500001).is_ok());
    assert!(check(1.50001).is_err() && check(f32::NAN).is_err() && check(f32::INFINITY).is_err());
    assert!(within(&[1.505], &reference, Rounding::Bf16).is_ok());
    assert!(within(&[1.505], &reference, Rounding::F16).is_err());
    assert!(within(&[1.5, 1.5], &reference, Rounding::F32).is_err());
    // A selection is equal bit for bit.
    let reference = apply("median", &line(&[1.0, 2.0, 3.0]), None);
    assert_within("median", &[2.0], &reference, Rounding::Bf16);
    assert!(within(&[2.0f32.next_up()], &reference, Rounding::Bf16).is_err());
    // NaN is NaN, an infinity is itself.
    let reference = apply("median", &line(&[-INF, INF]), None);
    assert!(within(&[f32::NAN], &reference, Rounding::F32).is_ok());
    assert!(within(&[0.0], &reference, Rounding::F32).is_err());
    let reference = apply("median", &line(&[INF]), None);
    assert!(within(&[f32::INFINITY], &reference, Rounding::F32).is_ok());
    assert!(within(&[f32::MAX], &reference, Rounding::F32).is_err());
    assert!(within(&[f32::NAN], &reference, Rounding::F32).is_err());
    // A denormal may count as zero, even where it is selected.
    let reference = apply("median", &line(&[1e-40]), None);
    assert!(within(&[0.0], &reference, Rounding::F32).is_ok());
    assert_bits_equal("zeros", &[-0.0, f32::NAN], &[0.0, -f32::NAN]);
    let different = std::panic::catch_unwind(|| assert_bits_equal("one", &[1.0], &[f32::NAN]));
    assert!(different.is_err());
}
