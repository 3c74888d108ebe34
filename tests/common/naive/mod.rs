//! The oracle: the definitions of every rule, transcribed in plain f64, as simple as possible.
//!
//! It shares no code with `src`, not even the parser of rule expressions, and materialises all that
//! the crate avoids: mixed rows, distances by direct differences, one pass a Weiszfeld iteration.

pub mod columns;
pub mod geometry;
mod level;
mod mixing;
pub mod parse;
mod rules;
pub mod spectral;
mod subsets;

use parse::{Cut, Rule, Stop};

/// How close to the reference a result has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Accuracy {
    /// A sum with given coefficients: within `8·eps·Σ|terms|`.
    Sum,
    /// A rule with computed coefficients: within `1e-5·(Σ|terms| + reach)`.
    Computed,
}

/// What a rule's result has to be, and how precisely.
#[derive(Clone, Debug)]
pub struct Reference {
    pub output: Vec<f64>,
    /// Σ|terms| per coordinate, for the tolerance.
    pub terms: Vec<f64>,
    /// Is the coordinate an input element? Then the result is bit-equal.
    pub pure: Vec<bool>,
    /// A further tolerance per coordinate, absolute: what the rounding of mixed values, or a tie
    /// that depends on rounding, may do to a statistic of them.
    pub slack: Vec<f64>,
    pub accuracy: Accuracy,
    /// The largest distance among the rows used. 0 for a coordinate-wise statistic.
    pub reach: f64,
    /// The least relative margin of all discrete selections that depend on distances (Krum scores,
    /// boundaries of NNM and CTMA, classes). The gap between the costs of a row that was kept and
    /// one that was not is relative to what the accuracy of these costs is relative to, so a margin
    /// above 1e-5 says that the selection does not depend on rounding.
    pub margin: f64,
    /// On the raw rows, when the result is a combination of them. They need not sum to 1.
    pub coefficients: Option<Vec<f64>>,
}

impl Reference {
    /// The margin is below the accuracy when rounding may move the result by more than its tolerance.
    pub fn stable_to(&mut self, shift: f64) {
        let margin = 1e-10 * self.reach / shift.max(f64::MIN_POSITIVE);
        self.margin = self.margin.min(margin);
    }

    /// Allows more, as a share of the terms and the reach.
    pub fn widen(&mut self, share: f64) {
        for (slack, terms) in self.slack.iter_mut().zip(&self.terms) {
            *slack += share * (terms + self.reach);
        }
    }
}

/// Applies a rule expression to n rows.
///
/// `permutation(n, seed)` is the permutation of bucketing at step 0.
///
/// # Errors
/// Text that is no rule expression, parameters out of range, weights that can't be used or that a
/// rule does not define. The message names the rule.
pub fn aggregate(
    rule: &str,
    rows: &[Vec<f64>],
    weights: Option<&[f64]>,
    permutation: &dyn Fn(usize, u64) -> Vec<usize>,
) -> Result<Reference, String> {
    aggregate_from(rule, rows, weights, None, permutation)
}

/// [`aggregate`] for rules that start from a given vector.
pub fn aggregate_from(
    rule: &str,
    rows: &[Vec<f64>],
    weights: Option<&[f64]>,
    start: Option<&[f64]>,
    permutation: &dyn Fn(usize, u64) -> Vec<usize>,
) -> Result<Reference, String> {
    let rule = parse::parse(rule)?;
    let (n, d) = (rows.len(), rows.first().map_or(0, Vec::len));
    if d == 0 || rows.iter().any(|row| row.len() != d) {
        return Err("rows: needs at least one, all of the same positive length".into());
    }
    let weights = match weights {
        Some(weights) if weights.len() != n => {
            return Err(format!("weights: needs {n}, got {}", weights.len()));
        }
        Some(weights) => Some(geometry::integer_weights(weights)?),
        None => None,
    };
    check(&rule, n, weights.is_some())?;
    let mut level = level::Level::raw(rows, weights);
    level.start = start.map(<[f64]>::to_vec);
    Ok(rules::apply(&rule, &level, permutation))
}

/// Are a rule's parameters in range for n rows, and does it define weights if it has them?
fn check(rule: &Rule, n: usize, weighted: bool) -> Result<(), String> {
    let name = rule.name();
    let refuse = |needs: String, got: String| Err(format!("{name}: needs {needs}, got {got}"));
    let minority = |f: usize| match f < n && 2 * f < n {
        true => Ok(()),
        false => refuse("2f < n".into(), format!("f = {f}, n = {n}")),
    };
    let share = |cut: Cut| match cut {
        Cut::F(f) => minority(f),
        Cut::Lambda(lambda) if (0.0..0.5).contains(&lambda) => Ok(()),
        Cut::Lambda(lambda) => refuse("0 ≤ lambda < 1/2".into(), format!("{lambda}")),
    };
    let krum = |f: usize, neighbours: Option<usize>| {
        minority(f)?;
        match neighbours {
            None if n < 2 * f + 3 => refuse("n ≥ 2f + 3".into(), format!("f = {f}, n = {n}")),
            Some(k) if k < 1 || k > n - f - 1 => refuse(
                "1 ≤ neighbours ≤ n − f − 1".into(),
                format!("{k}, f = {f}, n = {n}"),
            ),
            _ => Ok(()),
        }
    };
    match rule {
        Rule::Krum { .. } | Rule::MultiKrum { .. } | Rule::MeanAroundMedian { .. } if weighted => {
            refuse("no weights".into(), "weights".into())
        }
        Rule::Bulyan { .. } | Rule::Mda { .. } | Rule::Smea { .. } | Rule::Monna { .. }
            if weighted =>
        {
            refuse("no weights".into(), "weights".into())
        }
        Rule::Caf { .. } | Rule::Flag { .. } | Rule::Arc { .. } if weighted => {
            refuse("no weights".into(), "weights".into())
        }
        Rule::Mean | Rule::Median { .. } => Ok(()),
        Rule::TrimmedMean { cut } => share(*cut),
        Rule::MeanAroundMedian { f } => minority(*f),
        Rule::Krum { f, neighbours } => krum(*f, *neighbours),
        Rule::MultiKrum { f, m, neighbours } => {
            krum(*f, *neighbours)?;
            match m {
                Some(m) if *m < 1 || *m > n - f => {
                    refuse("1 ≤ m ≤ n − f".into(), format!("m = {m}, f = {f}, n = {n}"))
                }
                _ => Ok(()),
            }
        }
        Rule::Bulyan { f } if f.saturating_mul(4).saturating_add(3) > n => {
            refuse("n ≥ 4f + 3".into(), format!("f = {f}, n = {n}"))
        }
        Rule::Bulyan { .. } => Ok(()),
        Rule::Mda { f } | Rule::Smea { f } | Rule::Caf { f } => minority(*f),
        Rule::Monna { pivot, .. } if *pivot >= n => {
            refuse("pivot < n".into(), format!("{pivot}, n = {n}"))
        }
        Rule::Monna { f, .. } => minority(*f),
        Rule::CenteredClipping { tau, .. } if !(*tau > 0.0 && tau.is_finite()) => {
            refuse("tau > 0".into(), format!("{tau}"))
        }
        Rule::CenteredClipping { iterations: 0, .. } => refuse("iterations ≥ 1".into(), "0".into()),
        Rule::CenteredClipping { .. } => Ok(()),
        Rule::Flag { m: Some(m), .. } if *m < 1 || *m > n => {
            refuse("1 ≤ m ≤ n".into(), format!("m = {m}, n = {n}"))
        }
        Rule::Flag { lambda, .. } if !(*lambda >= 0.0 && lambda.is_finite()) => {
            refuse("lambda ≥ 0".into(), format!("{lambda}"))
        }
        Rule::Flag { rounds: 0, .. } => refuse("rounds ≥ 1".into(), "0".into()),
        Rule::Flag { .. } => Ok(()),
        Rule::GeometricMedian { nu, stop } => {
            if !(*nu > 0.0 && nu.is_finite()) {
                return refuse("nu > 0".into(), format!("{nu}"));
            }
            match stop {
                Stop::Iterations(0) => refuse("iterations ≥ 1".into(), "0".into()),
                Stop::Tolerance(t) if !(*t > 0.0 && t.is_finite()) => {
                    refuse("tolerance > 0".into(), format!("{t}"))
                }
                _ => Ok(()),
            }
        }
        Rule::Nnm { inner, cut } | Rule::Ctma { inner, cut } => {
            share(*cut)?;
            check(inner, n, weighted)
        }
        Rule::Bucketing { s: 0, .. } => refuse("s ≥ 1".into(), "0".into()),
        Rule::Bucketing { inner, s, .. } => check(inner, n.div_ceil(*s), weighted),
        Rule::Clipping { c, .. } if !(*c > 0.0 && c.is_finite()) => {
            refuse("c > 0".into(), format!("{c}"))
        }
        Rule::Clipping { inner, .. } => check(inner, n, weighted),
        Rule::Arc { inner, f } => {
            minority(*f)?;
            check(inner, n, weighted)
        }
    }
}
