//! How far a rule may be from the middle of honest rows of which only the spread is known: what is left
//! after nearest-neighbour mixing, where hostile rows have moved the honest ones.
//!
//! Notation: n rows, b of them hostile, H the h = n−b honest ones, μ their mean, V the mean of
//! ‖y_i − μ‖² over H, m = n−f the rows that a rule keeps, b ≤ f. All that follows rests on
//!
//! **Lemma 1.** T ⊂ H of t rows: ‖μ_T − μ‖² ≤ (h−t)/t · V, and the same along any one direction. *Proof:*
//! the sums of y−μ over T and over H∖T are opposite; Cauchy–Schwarz on both, a²/t + a²/(h−t) ≤ hV. ∎
//!
//! **Lemma 2.** The mean of the m rows nearest to a point z, b ≤ f: within
//! √((h−m)/m·V) + (2/m)·(the b largest ‖y_i − z‖ of H) of μ. *Proof:* S ⊂ H of m rows with all honest
//! ones that were kept. Each of the at most b hostile rows that were kept is as near to z as each row of
//! S that was not: pair them, triangle inequality; then Lemma 1 for μ_S. It holds for split rows, too. ∎

use crate::common::naive::columns::cut_weight;
use crate::common::naive::parse::{Cut, Rule, Stop};

/// Honest rows near a point p.
#[derive(Clone, Copy)]
pub struct Cloud {
    pub n: usize,
    /// Hostile rows.
    pub b: usize,
    /// The root of the mean of ‖y_i − p‖² over the honest rows is at most this.
    pub w: f64,
    /// ‖p‖ is at most this.
    pub norm: f64,
    /// Is p the mean of the honest rows?
    pub centred: bool,
}

/// Rows that a cut leaves, if it leaves out at least the b hostile ones.
pub fn kept(cut: Cut, n: usize, b: usize) -> Option<f64> {
    let weight = cut_weight(cut, n, n as f64);
    (weight >= b as f64).then_some(n as f64 - weight)
}

/// What Lemma 2 multiplies √V and √(V + ‖z−μ‖²) with.
pub fn lemma_2(n: usize, b: usize, m: f64) -> (f64, f64) {
    let (h, b) = ((n - b) as f64, b as f64);
    (((h - m) / m).max(0.0).sqrt(), 2.0 * (b * h).sqrt() / m)
}

/// How many rows ARC clips.
pub fn clipped(n: usize, f: usize) -> usize {
    2 * f * (n - f) / n
}

/// κ with ‖A(y) − μ‖² ≤ κV: (f, κ)-robustness, Allouah et al. (AISTATS 2023), Definition 2, but with the
/// number b ≤ f of rows that are hostile. `None` where nothing is proved here, or V alone bounds nothing.
///
/// The proofs are ours. `published` in the tests has that paper's constants (none below these).
pub fn kappa(rule: &Rule, n: usize, b: usize) -> Option<f64> {
    if n <= 2 * b {
        return None;
    }
    let (h, hostile) = ((n - b) as f64, b as f64);
    let whole = |f: usize| kept(Cut::F(f), n, b);
    let root = match rule {
        // Of the values above μ by δ at least q = ⌈n/2⌉−b are honest: Lemma 1 with t = q.
        Rule::Median { .. } => return Some((n / 2) as f64 / (n.div_ceil(2) - b) as f64),
        // The mean of a window of n−2c of the h honest values bounds it on either side (see `claims`).
        Rule::TrimmedMean { cut } => {
            let c = n as f64 - kept(*cut, n, b)?;
            return Some((2.0 * c - hostile) / (n as f64 - 2.0 * c));
        }
        // Lemma 2 per coordinate, about the median.
        Rule::MeanAroundMedian { f } => {
            let (some, rest) = lemma_2(n, b, whole(*f)?);
            let median = (n / 2) as f64 / (n.div_ceil(2) - b) as f64;
            some + rest * (1.0 + median).sqrt()
        }
        // The least score is at most the mean of the honest rows' scores among themselves, 2khV/(h−1).
        // Of the winner and its k neighbours at least t = k+1−b are honest, so within √(score/t) on
        // average; Lemma 1. The j-th least score is at most the j-th least honest one.
        Rule::Krum { f, neighbours } | Rule::MultiKrum { f, neighbours, .. } => {
            whole(*f)?;
            let k = neighbours.unwrap_or_else(|| n - f - 2);
            let t = (k + 1).checked_sub(b).filter(|&t| t > 0)? as f64;
            let score = 2.0 * k as f64 * h / (h - 1.0).max(1.0);
            (score / t).sqrt() + ((h - t) / t).max(0.0).sqrt()
        }
        // Of the θ selected rows at least θ−b are honest. Their median has q = ⌈θ/2⌉−b honest values
        // beyond it; the kept ones are nearer to it than the honest selected ones are on average.
        Rule::Bulyan { f } => {
            whole(*f)?;
            let theta = n - 2 * f;
            let q = theta.div_ceil(2).checked_sub(b).filter(|&q| q > 0)? as f64;
            let median = (h - q) / q;
            median.sqrt() + (h / (theta - b) as f64 * (1.0 + median)).sqrt()
        }
        // Hostile and honest rows of the two sets pair up over a row that both have: 2b/m diameters,
        // and a squared diameter is at most 2hV.
        Rule::Mda { f } => {
            let m = whole(*f).filter(|m| *m > hostile)?;
            ((h - m) / m).sqrt() + 2.0 * hostile / m * (2.0 * h).sqrt()
        }
        // Lemma 1 for the common part of t ≥ m−b rows, in the chosen set and in H.
        Rule::Smea { f } => {
            let m = whole(*f).filter(|m| *m > hostile)?;
            let t = m - hostile;
            ((m - t) / t * h / m).sqrt() + ((h - t) / t).sqrt()
        }
        // Lemma 2 about an honest row, which is at most √(hV) from μ.
        Rule::Monna { f, .. } => {
            let (some, rest) = lemma_2(n, b, whole(*f)?);
            some + rest * (1.0 + h).sqrt()
        }
        Rule::Caf { f } => caf(n, b, *f)?,
        _ => return None,
    };
    Some(root * root)
}

/// The root of CAF's κ, for V along any direction. Needs n > 2f + b.
///
/// *Proof.* The filter removes a weight of at least 2f in all, so there is a round, the first, in which
/// honest rows lose no less than hostile ones, Σ_H c τ ≥ Σ_B c τ. Hostile rows have lost no less than
/// honest ones before it: C_H − C_B ≥ n−2b. With λ the largest eigenvalue, Λ the honest rows', and the
/// scatter between H and B written out: λC ≤ 2 Σ_H c τ ≤ 2hΛ + 2C_B λ, so λ ≤ 2hΛ/(n−2b). The remembered
/// μ has no larger λ; C > n−2f there, so C_H > n−2f−b. Lemma 1, weighted, twice. ∎
fn caf(n: usize, b: usize, f: usize) -> Option<f64> {
    if f == 0 {
        return (b == 0).then_some(0.0);
    }
    let least = n.checked_sub(2 * f + b).filter(|&c| c > 0 && b <= f)? as f64;
    let lambda = 2.0 * (n - b) as f64 / (n - 2 * b) as f64;
    Some((b as f64 / least * lambda).sqrt() + (2.0 * f as f64 / least).sqrt())
}

/// How far a rule's result may be from p.
pub fn reach(rule: &Rule, y: Cloud) -> Option<f64> {
    let Cloud {
        n,
        b,
        w,
        norm,
        centred,
    } = y;
    if n <= 2 * b {
        return None;
    }
    let (h, hostile) = ((n - b) as f64, b as f64);
    // ‖μ−p‖² + V ≤ w², so ‖μ−p‖ + √(κV) ≤ √(1+κ) w.
    let joint = |kappa: f64| (kappa + f64::from(u8::from(!centred))).sqrt() * w;
    match rule {
        // As in `claims`, in the mean over the rows that the iteration may start from.
        Rule::GeometricMedian { nu, stop } => Some(match stop {
            Stop::Tolerance(_) => ((3.0 * h + hostile) * w + n as f64 * nu / 2.0) / (h - hostile),
            Stop::Iterations(_) => (2.0 * h * w + n as f64 * (norm + nu / 2.0)) / (h - hostile),
        }),
        Rule::CenteredClipping { given: true, .. } => None,
        Rule::CenteredClipping {
            tau, iterations, ..
        } => Some(tau * *iterations as f64 + norm),
        Rule::Flag {
            m, published: true, ..
        } => Some(n as f64 / m.unwrap_or(n / 2 + 1) as f64 + norm),
        // ‖y′_i − μ‖ by Lemma 2 about y_i; the mean of ‖y_j − y_i‖² over i and j is 2V. With b = f its
        // square is 8f/(n−f)·V, the constant of Fixing by Mixing's Lemma 1.
        Rule::Nnm { inner, cut } => {
            let (some, rest) = lemma_2(n, b, kept(*cut, n, b)?);
            let w = joint((some + rest * 2f64.sqrt()).powi(2));
            let mixed = Cloud {
                w,
                centred: false,
                ..y
            };
            reach(inner, mixed)
        }
        // Lemma 2 about the base rule's result.
        Rule::Ctma { inner, cut } => {
            let (some, rest) = lemma_2(n, b, kept(*cut, n, b)?);
            let base = reach(inner, y)?;
            Some(match centred {
                true => some * w + rest * w.hypot(base),
                false => (1.0 + some) * w + rest * (w + base),
            })
        }
        // A bucket's mean is no farther from p than its rows; the last one may have fewer than s.
        Rule::Bucketing { inner, s, .. } => {
            let buckets = n.div_ceil(*s);
            let last = n - (buckets - 1) * s;
            let honest = buckets.checked_sub(b).filter(|&h| h > b)? * last;
            let bucketed = Cloud {
                n: buckets,
                w: (h / honest as f64).sqrt() * w,
                centred: false,
                ..y
            };
            reach(inner, bucketed)
        }
        // Clipping is the projection to a ball: no two points move apart, and p moves to the ball.
        Rule::Clipping { inner, c } => {
            let moved = (norm - c).max(0.0);
            let clipped = Cloud {
                norm: norm.min(*c),
                centred: false,
                ..y
            };
            Some(moved + reach(inner, clipped)?)
        }
        // At least h−k honest rows are not clipped. What the others lose is at most their distance to
        // any of these: the mean moves by at most √(k/(h−k)·V).
        Rule::Arc { inner, f } => {
            let k = clipped(n, *f) as f64;
            if h <= k {
                return None;
            }
            let moved = joint(k / (h - k));
            let clipped = Cloud {
                norm: norm + moved,
                centred: true,
                ..y
            };
            Some(moved + reach(inner, clipped)?)
        }
        leaf => kappa(leaf, n, b).map(joint),
    }
}
