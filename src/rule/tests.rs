use super::*;
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
    assert_eq!(
        "rfa(nu=0.1,iterations=3)".parse::<Rule>().unwrap(),
        Rfa::new().into()
    );
}

#[test]
fn errors_say_what_is_possible() {
    for (text, part) in [
        ("", "a rule's name is missing"),
        ("meadian", "known are mean, median"),
        ("krum", "f= is missing"),
        ("krum(f=x)", "f= expects a whole number, got \"x\""),
        (
            "krum(f=3,g=4)",
            "no parameter g= here; its parameters are f=, neighbours=",
        ),
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
fn only_the_mean_is_not_robust() {
    let robust = |text: &str| text.parse::<Rule>().unwrap().is_robust();
    assert!(!robust("mean") && !robust("nnm(mean,f=1)") && robust("ctma(median,f=1)"));
}
