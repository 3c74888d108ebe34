//! Our bounds beside the published ones: none is weaker, so a result within ours is within theirs.
//!
//! The constants of *Fixing by Mixing* (Allouah, Farhadkhani, Guerraoui, Gupta, Pinot, Stephan, AISTATS 2023,
//! arXiv:2302.01772), Table 1 and Lemma 1 there: **from memory**, only the paper's existence and abstract
//! could be looked up. Nothing rests on them: the bounds that results are held against are proved in
//! `cloud` and `claims`.

use crate::common::naive::parse::parse;

use super::cloud::{Cloud, kappa, reach};

/// `f/(n−2f)`, of which no rule's κ can be less (Proposition 6 there).
fn least(n: usize, f: usize) -> f64 {
    f as f64 / (n - 2 * f) as f64
}

fn own(rule: &str, n: usize, f: usize) -> f64 {
    let rule = parse(rule).unwrap();
    kappa(&rule, n, f).unwrap_or_else(|| panic!("{rule:?}, n = {n}, f = {f}: no bound"))
}

#[test]
fn our_constants_are_at_most_the_published_ones() {
    for n in 3..60 {
        for f in 1..=(n - 1) / 2 {
            let ratio = 1.0 + least(n, f);
            let k = n - f - 1;
            for (rule, published) in [
                (format!("cwtm(f={f})"), 6.0 * least(n, f) * ratio),
                (format!("krum(f={f},neighbours={k})"), 6.0 * ratio),
                (format!("multikrum(f={f},neighbours={k})"), 6.0 * ratio),
                ("median".into(), 4.0 * ratio * ratio),
                // SMEA, Allouah et al. (ICML 2023), from memory too.
                (
                    format!("smea(f={f})"),
                    4.0 * f as f64 / (n - f) as f64 * ratio * ratio,
                ),
            ] {
                let own = own(&rule, n, f);
                assert!(
                    own <= published * (1.0 + 1e-12),
                    "{rule}, n = {n}: {own}, {published}"
                );
                // Less than what is possible would be a mistake in a proof.
                assert!(own >= least(n, f) * (1.0 - 1e-12), "{rule}, n = {n}: {own}");
            }
            // 8f/(n−f)·(1+κ): the constant for NNM is ours exactly.
            let mixed = parse(&format!("nnm(cwtm(f={f}),f={f})")).unwrap();
            let cloud = Cloud {
                n,
                b: f,
                w: 1.0,
                norm: 0.0,
                centred: true,
            };
            let square = reach(&mixed, cloud).unwrap().powi(2);
            let published = 8.0 * f as f64 / (n - f) as f64 * (1.0 + least(n, f));
            assert!(
                (square / published - 1.0).abs() < 1e-12,
                "n = {n}, f = {f}: {square}, {published}"
            );
        }
    }
}

/// Every robust rule has a bound, but for CAF with too large an f.
#[test]
fn every_robust_rule_has_a_bound() {
    for n in [5, 11, 23] {
        let (mut all, mut without) = (0, 0);
        for text in crate::catalogue::rules(n, 1) {
            let rule = parse(&text).unwrap();
            let cloud = Cloud {
                n,
                b: crate::catalogue::budget(&rule, n),
                w: 1.0,
                norm: 1.0,
                centred: true,
            };
            all += 1;
            match reach(&rule, cloud) {
                Some(radius) => assert!(radius.is_finite() && radius >= 0.0, "{text}: {radius}"),
                None => {
                    assert!(text.contains("caf("), "{text}, n = {n}: no bound");
                    without += 1;
                }
            }
        }
        assert!(without * 20 < all, "{without} of {all} without a bound");
    }
}
