//! The rules under test: the whole catalogue, each pre- and meta-aggregator around each, and compositions
//! drawn at random.

use byzagg::permutation;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::common::naive::columns::cut_weight;
use crate::common::naive::parse::{Cut, Rule, parse};
use crate::common::rules::{quarter, some};

/// Every robust rule for n workers that allows f of them to be hostile, by itself.
fn leaves(n: usize, f: usize) -> Vec<String> {
    let mut rules = vec![
        "median".to_string(),
        format!("caf(f={f})"),
        "median(ties=lower)".into(),
        "median(ties=upper)".into(),
        format!("cwtm(f={f})"),
        format!("cwtm(lambda={})", (f as f64 + 0.4) / n as f64),
        format!("meamed(f={f})"),
        format!("krum(f={f},neighbours={})", n - f - 1),
        format!("multikrum(f={f},neighbours={})", n - f - 1),
        format!("multikrum(f={f},m=2,neighbours={})", n - f - 1),
        format!("monna(f={f})"),
        format!("monna(f={f},pivot={})", n / 2),
        "rfa".into(),
        "rfa(nu=0.1,iterations=8)".into(),
        "rfa(nu=0.1,tolerance=0.0001)".into(),
        "cc".into(),
        "cc(tau=3,iterations=4)".into(),
        "cc(tau=40,iterations=9)".into(),
        "flag(like=paper-code)".into(),
    ];
    if n >= 2 * f + 3 {
        rules.push(format!("krum(f={f})"));
        rules.push(format!("multikrum(f={f})"));
    }
    if f <= quarter(n) && n >= 3 {
        rules.push(format!("bulyan(f={f})"));
    }
    // The oracle tries every set of rows.
    if n <= 9 {
        rules.push(format!("mda(f={f})"));
        rules.push(format!("smea(f={f})"));
    }
    rules
}

/// Around a rule for n rows: every pre- and meta-aggregator.
fn around(n: usize, f: usize, inner: &str) -> Vec<String> {
    vec![
        format!("nnm({inner},f={f})"),
        format!("ctma({inner},f={f})"),
        format!("arc({inner},f={f})"),
        format!("clipping({inner},c=9)"),
        format!("nnm({inner},lambda={})", (f as f64 + 0.3) / n as f64),
        format!("ctma({inner},lambda={})", (f as f64 + 0.3) / n as f64),
    ]
}

/// All rules for n workers, the same ones for each seed but for the drawn compositions.
pub fn rules(n: usize, seed: u64) -> Vec<String> {
    let (f, most) = (some(n), (n - 1) / 2);
    let mut all = [leaves(n, f), leaves(n, most), leaves(n, quarter(n))].concat();
    for (at, leaf) in leaves(n, f).into_iter().enumerate() {
        // Two of the six in turns: all six around a leaf are nearly the same rule, to a device.
        let around = around(n, f, &leaf);
        all.extend([
            around[at % 6].clone(),
            around[(at + 1 + at / 6) % 6].clone(),
        ]);
    }
    let (pairs, buckets) = (some(n.div_ceil(2)), n.div_ceil(2));
    let bucketed = leaves(buckets, pairs).into_iter().enumerate();
    all.extend(bucketed.map(|(seed, leaf)| format!("bucketing({leaf},s=2,seed={seed})")));
    // The ones that people use.
    all.extend([
        format!("ctma(nnm(cwtm(f={f}),f={f}),f={f})"),
        format!("nnm(ctma(median,f={most}),f={most})"),
        format!("nnm(nnm(median,f={f}),f={f})"),
        format!("arc(nnm(cwtm(f={f}),f={f}),f={f})"),
        format!("ctma(bucketing(median,s=2,seed=3),f={f})"),
        format!(
            "bucketing(nnm(krum(f={pairs},neighbours={}),f={pairs}),s=2,seed=6)",
            buckets - pairs - 1
        ),
    ]);
    let mut random = StdRng::seed_from_u64(seed ^ n as u64);
    all.extend((0..30).map(|_| composition(n, &mut random, 3)));
    all.retain(|rule| is_possible(rule, n));
    all.sort();
    all.dedup();
    all
}

/// Do n workers allow it, and does the rule promise anything?
fn is_possible(rule: &str, n: usize) -> bool {
    let rule: byzagg::Rule = rule
        .parse()
        .unwrap_or_else(|error| panic!("{rule}: {error}"));
    rule.check(n, false).is_ok() && rule.is_robust()
}

/// A rule wrapped in up to `depth` others.
fn composition(n: usize, random: &mut StdRng, depth: usize) -> String {
    let f = random.random_range(0..=some(n));
    if depth == 0 || (depth < 3 && random.random_bool(0.3)) {
        let leaves = leaves(n, f);
        return leaves[random.random_range(0..leaves.len())].clone();
    }
    if n >= 6 && random.random_bool(0.15) {
        let (s, seed) = (random.random_range(2..=3), random.random_range(0..100));
        let inner = composition(n.div_ceil(s), random, depth - 1);
        return format!("bucketing({inner},s={s},seed={seed})");
    }
    let inner = composition(n, random, depth - 1);
    let around = around(n, f, &inner);
    around[random.random_range(0..around.len())].clone()
}

/// How many hostile rows a rule has to bear.
pub fn budget(rule: &Rule, n: usize) -> usize {
    let minority = (n - 1) / 2;
    let whole = |cut: Cut| cut_weight(cut, n, n as f64).floor() as usize;
    match rule {
        Rule::Mean => 0,
        Rule::TrimmedMean { cut } => whole(*cut),
        Rule::MeanAroundMedian { f } | Rule::Krum { f, .. } | Rule::MultiKrum { f, .. } => *f,
        Rule::Bulyan { f } | Rule::Mda { f } | Rule::Smea { f } => *f,
        Rule::Monna { f, .. } | Rule::Caf { f } => *f,
        Rule::Median { .. } | Rule::GeometricMedian { .. } => minority,
        Rule::CenteredClipping { .. } | Rule::Flag { .. } => minority,
        Rule::Nnm { inner, cut } | Rule::Ctma { inner, cut } => whole(*cut).min(budget(inner, n)),
        Rule::Arc { inner, f } => (*f).min(budget(inner, n)),
        Rule::Clipping { inner, .. } => budget(inner, n),
        // Each hostile row may spoil a bucket.
        Rule::Bucketing { inner, s, .. } => budget(inner, n.div_ceil(*s)),
    }
}

/// Workers that a rule trusts: MoNNA's pivot.
pub fn trusted(rule: &Rule, n: usize) -> Vec<usize> {
    match rule {
        Rule::Monna { pivot, .. } => vec![*pivot],
        Rule::Nnm { inner, .. } | Rule::Ctma { inner, .. } => trusted(inner, n),
        Rule::Arc { inner, .. } | Rule::Clipping { inner, .. } => trusted(inner, n),
        Rule::Bucketing { inner, s, seed } => {
            let order = permutation(n, *seed, 0);
            let bucket = |i: usize| order.chunks(*s).nth(i).unwrap_or_default().to_vec();
            let buckets = trusted(inner, n.div_ceil(*s)).into_iter();
            buckets.flat_map(bucket).collect()
        }
        _ => vec![],
    }
}

/// As the oracle reads it.
pub fn parsed(rule: &str) -> Rule {
    parse(rule).unwrap_or_else(|why| panic!("{rule}: {why}"))
}
