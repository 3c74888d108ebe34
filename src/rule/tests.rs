use super::*;
use crate::geometry::Op;
use crate::plan::Step;

fn steps(text: &str, n: usize) -> String {
    let plan = text.parse::<Rule>().unwrap().plan(n, false, false).unwrap();
    let name = |step: &Step| match step {
        Step::Pairwise(_) => "pairwise".to_string(),
        Step::Columns(c) if c.distances.is_some() => "columns+distances".to_string(),
        Step::Columns(_) => "columns".to_string(),
        Step::Combine(_) => "combine".to_string(),
        Step::Geometry(op) => {
            let debug = format!("{op:?}");
            debug.split(' ').next().unwrap_or_default().to_lowercase()
        }
    };
    plan.steps.iter().map(name).collect::<Vec<_>>().join(" ")
}

#[test]
fn plans_are_as_short_as_the_design_says() {
    for (text, expected) in [
        ("median", "columns"),
        ("krum(f=3)", "pairwise krum combine"),
        ("rfa(iterations=100)", "pairwise rfa combine"),
        ("ctma(median,f=3)", "columns+distances ctma combine"),
        ("ctma(rfa,f=3)", "pairwise rfa distances ctma combine"),
        ("nnm(cwtm(f=3),f=3)", "pairwise nnm columns"),
        ("nnm(rfa,f=3)", "pairwise nnm mix rfa expand combine"),
        ("nnm(mean,f=3)", "pairwise nnm mean expand combine"),
        (
            "ctma(nnm(cwtm(f=3),f=3),f=3)",
            "pairwise nnm columns+distances ctma combine",
        ),
        (
            "nnm(ctma(cwtm(f=3),f=3),f=3)",
            "pairwise nnm columns+distances ctma expand combine",
        ),
        ("bulyan(f=2)", "pairwise bulyan columns"),
        ("mda(f=3)", "pairwise mda combine"),
        ("smea(f=3)", "pairwise smea combine"),
        ("monna(f=3,pivot=4)", "pairwise monna combine"),
        ("caf(f=3)", "pairwise caf combine"),
        ("cc(iterations=9)", "pairwise centeredclipping combine"),
        ("cc(start=given)", "pairwise centeredclipping combine"),
        (
            "ctma(nnm(cc(start=given),f=3),f=3)",
            "pairwise nnm mix centeredclipping expand distances ctma combine",
        ),
        ("flag", "pairwise flag combine"),
        ("arc(median,f=3)", "pairwise arc columns"),
        (
            "arc(cc,f=3)",
            "pairwise arc mix centeredclipping expand combine",
        ),
        (
            "ctma(bulyan(f=2),f=3)",
            "pairwise bulyan columns+distances ctma combine",
        ),
        (
            "nnm(bulyan(f=2),f=2)",
            "pairwise nnm mix bulyan compose columns",
        ),
        ("ctma(caf(f=3),f=3)", "pairwise caf distances ctma combine"),
        ("bucketing(median,s=2)", "bucketing columns"),
        ("clipping(median,c=1)", "pairwise clipping columns"),
        (
            "nnm(bucketing(median,s=2),f=1)",
            "pairwise nnm bucketing compose columns",
        ),
    ] {
        assert_eq!(steps(text, 11), expected, "{text}");
    }
}

#[test]
fn text_and_rule_agree() {
    for text in [
        "mean",
        "median",
        "median(ties=lower)",
        "cwtm(f=3)",
        "cwtm(lambda=0.25)",
        "meamed(f=2)",
        "krum(f=3)",
        "krum(f=3,neighbours=6)",
        "multikrum(f=3,m=4,neighbours=6)",
        "krum(f=3,like=byzfl)",
        "krum(f=3,neighbours=4,like=flower)",
        "multikrum(f=3,like=garfield)",
        "multikrum(f=3,m=2,neighbours=6,like=byzpy)",
        "bulyan(f=2)",
        "mda(f=3)",
        "smea(f=3)",
        "monna(f=3)",
        "monna(f=3,pivot=4)",
        "caf(f=3)",
        "cc",
        "cc(tau=0.5,iterations=3)",
        "cc(tau=0.5,start=given)",
        "nnm(cc(start=given),f=2)",
        "flag",
        "flag(m=2,lambda=0.1,rounds=3)",
        "flag(lambda=5,like=paper-code)",
        "arc(nnm(smea(f=2),f=2),f=2)",
        "rfa",
        "rfa(nu=0.01,iterations=8)",
        "rfa(tolerance=0.000001)",
        "bucketing(rfa(iterations=8),s=2,seed=7)",
        "clipping(median,c=1.5)",
        "ctma(nnm(cwtm(f=3),f=3),lambda=0.4)",
    ] {
        let rule: Rule = text.parse().unwrap();
        assert_eq!(rule.to_string(), text);
        assert_eq!(rule.to_string().parse::<Rule>().unwrap(), rule);
    }
    let spaced: Rule = " ctma( nnm(cwtm( f = 3 ), f=3) , f=1e0 )"
        .parse()
        .unwrap_or(Mean.into());
    assert_eq!(spaced, Mean.into(), "f=1e0 is no whole number");
    let spaced: Rule = " ctma( nnm(cwtm( f = 3 ), f=3) , f=3 ) ".parse().unwrap();
    assert_eq!(spaced.to_string(), "ctma(nnm(cwtm(f=3),f=3),f=3)");
    assert_eq!("median()".parse::<Rule>().unwrap(), Median::new().into());
    for (long, short) in [
        ("rfa(nu=0.1,iterations=3)", "rfa"),
        ("cc(tau=100,iterations=1)", "cc"),
        ("cc(start=zero)", "cc"),
        ("monna(f=1,pivot=0)", "monna(f=1)"),
        ("krum(f=1,like=paper)", "krum(f=1)"),
        ("flag(like=paper,lambda=0)", "flag"),
        ("median(like=garfield)", "median(ties=upper)"),
        ("median(like=byzpy,ties=midpoint)", "median"),
    ] {
        assert_eq!(long.parse::<Rule>().unwrap().to_string(), short);
    }
}

#[test]
fn errors_say_what_is_possible() {
    for (text, part) in [
        ("", "the rule's name is missing"),
        ("meadian", "known are mean, median"),
        ("krum", "f= is missing"),
        ("krum(f=x)", "f= expects a whole number, got \"x\""),
        (
            "krum(f=3,g=4)",
            "no parameter g= here; its parameters are f=, neighbours=, like=",
        ),
        (
            "krum(f=3,like=me)",
            "like= expects one of paper, byzfl, byzpy, garfield, flower, got \"me\"",
        ),
        ("flag(like=byzfl)", "like= expects one of paper, paper-code"),
        ("cc(f=3)", "its parameters are tau=, iterations=, start="),
        ("cc(start=one)", "start= expects one of zero, given"),
        ("mda", "f= is missing"),
        ("arc(f=3)", "the rule that it wraps is missing"),
        ("krum(f=3,f=4)", "given twice"),
        ("krum(median,f=3)", "wraps no other rule"),
        ("ctma(f=3)", "the rule that it wraps is missing"),
        ("ctma(median,median,f=3)", "there is one"),
        ("ctma(median,f=3,lambda=0.1)", "not both"),
        ("cwtm", "f= or lambda= is missing"),
        ("median(ties=up)", "lower, upper or midpoint"),
        ("median(", "got"),
        ("median)", "behind the rule"),
        ("median(ties=)", "expected key=value"),
        ("cwtm(f=-1)", "whole number"),
    ] {
        let message = text.parse::<Rule>().unwrap_err().to_string();
        assert!(message.contains(part), "{text}: {message}");
    }
    let deep = format!(
        "{}median{}",
        "ctma(".repeat(100_000),
        ",f=1)".repeat(100_000)
    );
    let message = deep.parse::<Rule>().unwrap_err().to_string();
    assert!(
        message.contains("inside each other") && message.len() < 400,
        "{message}"
    );
}

#[test]
fn impossible_parameters_are_refused() {
    for (text, n, part) in [
        ("cwtm(f=5)", 10, "2f < n"),
        ("cwtm(lambda=0.5)", 10, "lambda < 1/2"),
        ("cwtm(lambda=NaN)", 10, "lambda < 1/2"),
        ("krum(f=18446744073709551615)", 10, "2f < n"),
        ("krum(f=4)", 10, "2f+3 = 11"),
        ("krum(f=4,neighbours=6)", 10, "n−f−1 = 5"),
        ("multikrum(f=3,m=8)", 10, "n−f = 7"),
        ("krum(f=5,like=byzfl)", 10, "2f < n"),
        ("krum(f=4,like=garfield)", 10, "2f+3 = 11"),
        ("multikrum(f=1,neighbours=1,like=garfield)", 3, "1 ≤ m"),
        ("bulyan(f=2)", 10, "4f+3 = 11"),
        ("bulyan(f=18446744073709551615)", 10, "4f+3 = "),
        ("mda(f=5)", 10, "2f < n"),
        ("mda(f=25)", 100, "f ≤ 24"),
        ("smea(f=5)", 10, "2f < n"),
        (
            "smea(f=8)",
            40,
            "≤ 2e11 (the exact search is over sets of rows), got f = 8, n = 40",
        ),
        ("monna(f=3,pivot=10)", 10, "pivot < n = 10, got pivot = 10"),
        ("caf(f=5)", 10, "2f < n"),
        ("cc(tau=0)", 10, "tau > 0"),
        ("cc(iterations=0)", 10, "iterations ≥ 1"),
        ("flag(m=11)", 10, "m ≤ n = 10"),
        ("flag(lambda=-1)", 10, "lambda ≥ 0"),
        ("flag(rounds=0)", 10, "rounds ≥ 1"),
        ("arc(median,f=5)", 10, "2f < n"),
        (
            "bucketing(bulyan(f=1),s=2)",
            10,
            "bulyan(f=1): needs n ≥ 4f+3 = 7",
        ),
        ("rfa(nu=0)", 10, "nu > 0"),
        ("rfa(iterations=0)", 10, "iterations ≥ 1"),
        ("rfa(tolerance=inf)", 10, "tolerance > 0"),
        ("bucketing(median,s=0)", 10, "s ≥ 1"),
        (
            "bucketing(krum(f=2),s=2)",
            10,
            "krum(f=2): needs n ≥ 2f+3 = 7",
        ),
        ("clipping(median,c=-1)", 10, "c > 0"),
        (
            "nnm(ctma(median,f=5),f=2)",
            10,
            "ctma(median,f=5): needs 2f < n",
        ),
    ] {
        let message = text
            .parse::<Rule>()
            .unwrap()
            .check(n, false)
            .unwrap_err()
            .to_string();
        assert!(message.contains(part), "{text}: {message}");
    }
    let rule: Rule = "nnm(krum(f=2),f=2)".parse().unwrap();
    let message = rule.check(10, true).unwrap_err().to_string();
    assert!(
        message.contains("got krum(f=2)") && message.contains("ctma"),
        "{message}"
    );
}

#[test]
fn the_mean_and_the_flag_of_rows_as_long_as_they_are_are_not_robust() {
    let robust = |text: &str| text.parse::<Rule>().unwrap().is_robust();
    assert!(!robust("mean") && !robust("nnm(mean,f=1)") && robust("ctma(median,f=1)"));
    assert!(!robust("flag") && !robust("nnm(flag(m=2),f=1)") && robust("flag(like=paper-code)"));
}

#[test]
fn conventions_set_what_they_say() {
    let krum = |text: &str, n: usize| {
        let plan = text.parse::<Rule>().unwrap().plan(n, false, false).unwrap();
        plan.steps.into_iter().find_map(|step| match step {
            Step::Geometry(Op::Krum { neighbours, m, .. }) => Some((neighbours, m)),
            _ => None,
        })
    };
    for (text, neighbours, m) in [
        ("krum(f=3)", 6, 1),
        ("krum(f=3,like=byzfl)", 7, 1),
        ("krum(f=3,like=byzpy)", 7, 1),
        ("krum(f=3,like=garfield)", 6, 1),
        ("krum(f=3,like=flower)", 6, 1),
        ("krum(f=3,neighbours=2,like=byzfl)", 2, 1),
        ("multikrum(f=3)", 6, 8),
        ("multikrum(f=3,like=byzfl)", 7, 8),
        ("multikrum(f=3,like=garfield)", 6, 6),
        ("multikrum(f=3,like=flower)", 6, 1),
        ("multikrum(f=3,m=2,like=garfield)", 6, 2),
    ] {
        assert_eq!(krum(text, 11), Some((neighbours, m)), "{text}");
    }
    // n−f−1 neighbours need fewer workers.
    assert_eq!(krum("krum(f=3,like=byzfl)", 7), Some((3, 1)));
}

#[test]
fn hostile_rows_do_not_decide() {
    use crate::{DType, Device, Matrix, Shape};
    let (n, d) = (11, 7);
    let honest = |i: usize, k: usize| 1.0 + 0.1 * ((i * 37 + k * 11) % 17) as f32 / 17.0;
    for (hostile, other) in [
        (f32::NAN, f32::INFINITY),
        (f32::NEG_INFINITY, 1e38),
        (-1e30, 1e30),
        (f32::MAX, f32::MIN),
    ] {
        let mut x: Vec<f32> = (0..n * d).map(|at| honest(at / d, at % d)).collect();
        x[3 * d..4 * d].fill(hostile);
        x[8 * d + 2] = other;
        for text in [
            "bulyan(f=2)",
            "mda(f=2)",
            "smea(f=2)",
            "monna(f=2)",
            "caf(f=2)",
            "cc(tau=1,iterations=20)",
            "flag",
            "flag(lambda=0.5)",
            "arc(median,f=2)",
            "arc(mda(f=2),f=2)",
            "arc(bulyan(f=2),f=2)",
            "nnm(smea(f=2),f=2)",
            "nnm(bulyan(f=2),f=2)",
            "bucketing(mda(f=2),s=2)",
            "ctma(bulyan(f=2),f=2)",
            "ctma(cc(iterations=2),f=2)",
        ] {
            let rule: Rule = text.parse().unwrap();
            let shape = Shape::new(n, d);
            let mut prepared = rule.prepare(&Device::cpu(), &shape, DType::F32).unwrap();
            let mut out = vec![0.0f32; d];
            let matrix = Matrix::new(&x, n, d).unwrap();
            prepared.run(matrix, &mut out[..]).unwrap();
            assert!(
                out.iter().all(|x| (0.5..1.2).contains(x)),
                "{text}: {out:?}"
            );
        }
    }
}
