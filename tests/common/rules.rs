//! The rules that the tests run, as text, with parameters that fit n.

/// Every rule by itself, at several parameters.
pub fn plain(n: usize) -> Vec<String> {
    let (f, most, k) = (some(n), (n - 1) / 2, n - some(n) - 1);
    let mut rules = vec![
        "mean".to_string(),
        "median".into(),
        "median(ties=lower)".into(),
        "median(ties=upper)".into(),
        "cwtm(f=0)".into(),
        format!("cwtm(f={f})"),
        format!("cwtm(f={most})"),
        "cwtm(lambda=0.1)".into(),
        "cwtm(lambda=0.37)".into(),
        format!("meamed(f={f})"),
        format!("meamed(f={most})"),
        format!("krum(f={f})"),
        format!("krum(f={most},neighbours=1)"),
        format!("krum(f={f},neighbours={k})"),
        format!("multikrum(f={f})"),
        format!("multikrum(f={f},m=2)"),
        format!("multikrum(f={most},m=1,neighbours=2)"),
        format!("bulyan(f={})", quarter(n)),
        format!("monna(f={f})"),
        format!("monna(f={most},pivot={})", n / 2),
        "cc".into(),
        "cc(tau=0.5,iterations=4)".into(),
        "rfa".into(),
        "rfa(nu=0.001,iterations=8)".into(),
        "rfa(nu=0.1,tolerance=0.0001)".into(),
    ];
    // The oracle tries every set of rows.
    if n <= 12 {
        rules.extend([f, most].map(|f| format!("mda(f={f})")));
        rules.extend([f, most].map(|f| format!("smea(f={f})")));
    }
    // It takes its time for eigenvectors.
    if n <= 33 {
        rules.extend([f, most].map(|f| format!("caf(f={f})")));
        rules.push("flag".into());
        rules.push("flag(lambda=0.5)".into());
        rules.push("flag(like=paper-code)".into());
    }
    rules.dedup();
    rules
}

/// Compositions.
pub fn composed(n: usize) -> Vec<String> {
    let f = some(n);
    let in_pairs = some(n.div_ceil(2));
    let mut rules = vec![
        format!("nnm(mean,f={f})"),
        format!("nnm(median,f={f})"),
        format!("nnm(cwtm(f={f}),f={f})"),
        "nnm(cwtm(lambda=0.1),lambda=0.15)".into(),
        format!("nnm(meamed(f={f}),f={f})"),
        format!("nnm(krum(f={f}),f={f})"),
        format!("nnm(multikrum(f={f}),f={f})"),
        format!("nnm(rfa,f={f})"),
        format!("ctma(mean,f={f})"),
        format!("ctma(median,f={f})"),
        "ctma(median,lambda=0.4)".into(),
        format!("ctma(cwtm(f={f}),f={f})"),
        format!("ctma(meamed(f={f}),f={f})"),
        format!("ctma(krum(f={f}),f={f})"),
        format!("ctma(rfa,f={f})"),
        "bucketing(median,s=2,seed=7)".into(),
        format!("bucketing(cwtm(f={in_pairs}),s=2,seed=1)"),
        format!("bucketing(krum(f={in_pairs}),s=2,seed=5)"),
        "bucketing(rfa,s=3,seed=2)".into(),
        "clipping(mean,c=4)".into(),
        "clipping(median,c=0.5)".into(),
        format!("clipping(multikrum(f={f}),c=12)"),
        "clipping(rfa,c=2)".into(),
        format!("ctma(nnm(cwtm(f={f}),f={f}),f={f})"),
        format!("nnm(ctma(cwtm(f={f}),f={f}),f={f})"),
        format!("nnm(ctma(rfa,f={f}),f={f})"),
        format!("ctma(nnm(rfa,f={f}),f={f})"),
        format!("nnm(nnm(median,f={f}),f={f})"),
        format!("ctma(ctma(median,f={f}),lambda=0.2)"),
        format!("ctma(bucketing(median,s=2,seed=3),f={f})"),
        format!("bucketing(ctma(median,f={in_pairs}),s=2,seed=4)"),
        format!("bucketing(nnm(krum(f={in_pairs}),f={in_pairs}),s=2,seed=6)"),
        format!("nnm(bucketing(median,s=2,seed=8),f={f})"),
        format!("nnm(clipping(median,c=3),f={f})"),
        format!("clipping(nnm(ctma(rfa,f={f}),f={f}),c=3)"),
        format!("arc(mean,f={f})"),
        format!("arc(median,f={f})"),
        format!("arc(multikrum(f={f}),f={f})"),
        format!("nnm(bulyan(f={}),f={f})", quarter(n)),
        format!("nnm(monna(f={f}),f={f})"),
        format!("ctma(bulyan(f={}),f={f})", quarter(n)),
        format!("ctma(cc(tau=2,iterations=2),f={f})"),
    ];
    if n <= 12 {
        rules.push(format!("nnm(smea(f={f}),f={f})"));
        rules.push(format!("bucketing(mda(f={in_pairs}),s=2,seed=9)"));
        rules.push(format!("arc(mda(f={f}),f={f})"));
    }
    rules
}

/// A number of Byzantine workers that every rule can bear: about a third.
pub fn some(n: usize) -> usize {
    (n - 1) / 3
}

/// The most Byzantine workers that Bulyan allows: n ≥ 4f + 3.
pub fn quarter(n: usize) -> usize {
    n.saturating_sub(3) / 4
}

/// Does a rule define weights?
pub fn takes_weights(rule: &str) -> bool {
    const WITHOUT: [&str; 9] = [
        "krum", "meamed", "bulyan", "mda", "smea", "monna", "caf", "flag", "arc",
    ];
    !WITHOUT.iter().any(|name| rule.contains(name))
}

/// On a lattice all sums of this rule's distances are exact in f32, and so are its ties.
pub fn is_exact_on_a_lattice(rule: &str) -> bool {
    // A composition of more than two would divide by something.
    let pure = ["krum(", "multikrum(", "ctma(krum(", "ctma(median,f="];
    let mixed = ["nnm(mean,f=", "nnm(median,f=", "nnm(cwtm(f=", "nnm(meamed("];
    pure.iter()
        .chain(&mixed)
        .any(|start| rule.starts_with(start))
}
