//! Runs a case and holds its result against what is promised.

use std::collections::BTreeMap;

use byzagg::{DType, Element, Matrix, Options, OutputElement, Prepared, Rule, Run, Shape};
use half::{bf16, f16};

use super::attack::strike;
use super::case::{Case, Group};
use super::catalogue::parsed;
use super::claims::{Region, claims};
use super::known::{Known, distance, mean, norm};
use crate::common::cases::flat;
use crate::common::compare::within;
use crate::common::naive::Reference;
use crate::common::run::{ACCURACY, on, reference, rounding};

/// What became of cases.
#[derive(Debug, Default)]
pub struct Tally {
    pub cases: usize,
    /// Regions that results were held against.
    pub bounded: usize,
    /// Where nothing but finiteness and the oracle say anything.
    pub unbounded: usize,
    /// The oracle's selection does not depend on rounding.
    pub clear: usize,
    /// Another result than the oracle's, where rounding decides.
    pub ambiguous: usize,
    /// The most of its radius that each outermost rule's result used.
    pub used: BTreeMap<String, f64>,
    pub failures: Vec<String>,
}

impl Tally {
    pub fn add(&mut self, other: Tally) {
        self.cases += other.cases;
        self.bounded += other.bounded;
        self.unbounded += other.unbounded;
        self.clear += other.clear;
        self.ambiguous += other.ambiguous;
        for (rule, used) in other.used {
            let most = self.used.entry(rule).or_default();
            *most = most.max(used);
        }
        self.failures.extend(other.failures);
    }
}

/// A prepared rule, whatever its element type.
pub struct Runner {
    prepared: Prepared,
    weights: Option<Vec<f64>>,
    n: usize,
    d: usize,
    dtype: DType,
}

impl Runner {
    pub fn new(group: &Group) -> byzagg::Result<Self> {
        Runner::weighted(group, None)
    }

    pub fn weighted(group: &Group, weights: Option<Vec<f64>>) -> byzagg::Result<Self> {
        let options = Options::new().weighted(weights.is_some());
        let rule: Rule = group.rule.parse()?;
        let shape = Shape::new(group.n, group.d);
        Ok(Runner {
            prepared: rule.prepare_with(group.device, &shape, group.dtype, options)?,
            weights,
            n: group.n,
            d: group.d,
            dtype: group.dtype,
        })
    }

    /// The result on rows that the element type holds exactly.
    pub fn run(&mut self, rows: &[Vec<f32>]) -> Vec<f32> {
        match self.dtype {
            DType::Bf16 => self.run_as::<bf16>(rows),
            DType::F16 => self.run_as::<f16>(rows),
            _ => self.run_as::<f32>(rows),
        }
    }

    fn run_as<T: OutputElement + Default>(&mut self, rows: &[Vec<f32>]) -> Vec<f32> {
        let x: Vec<T> = flat(rows).into_iter().map(T::from_f32).collect();
        // What a failed run would leave.
        let mut out = vec![T::from_f32(f32::NAN); self.d];
        let x = Matrix::new(&x, self.n, self.d).expect("n·d elements");
        let run = match &self.weights {
            Some(weights) => Run::new().weights(weights),
            None => Run::new(),
        };
        (self.prepared.run_with(x, &mut out, &run)).expect("as prepared");
        out.into_iter().map(Element::to_f32).collect()
    }
}

/// Rounds to an element type.
pub fn rounded(rows: &mut [Vec<f32>], dtype: DType) {
    for x in rows.iter_mut().flatten() {
        *x = match dtype {
            DType::Bf16 => bf16::from_f32(*x).to_f32(),
            DType::F16 => f16::from_f32(*x).to_f32(),
            _ => *x,
        };
    }
}

/// The rows of a case. `respond` is the rule's result, for the attacks that adapt to it.
pub fn rows(
    case: &Case,
    hostile: &[usize],
    respond: &mut dyn FnMut(&[Vec<f32>]) -> Vec<f32>,
) -> Vec<Vec<f32>> {
    let mut rows = case.honest.rows(case.n, case.d, case.seed);
    rounded(&mut rows, case.dtype);
    let mut respond = |rows: &[Vec<f32>]| {
        let mut rows = rows.to_vec();
        rounded(&mut rows, case.dtype);
        respond(&rows)
    };
    strike(case.attack, &mut rows, hostile, case.seed, &mut respond);
    rounded(&mut rows, case.dtype);
    rows
}

/// Runs a case: finite, within the proven distance, and what the oracle says.
pub fn check(case: &Case, group: &Group, runner: &mut Runner, tally: &mut Tally) {
    let hostile = case.hostile();
    let rows = rows(case, &hostile, &mut |rows| runner.run(rows));
    let out = runner.run(&rows);
    tally.cases += 1;
    let fail = |tally: &mut Tally, why: String| {
        tally
            .failures
            .push(format!("{why}\n    {}='{case}'", super::case::CASE));
    };
    if !out.iter().all(|x| x.is_finite()) {
        return fail(tally, "the result is not finite".into());
    }
    let known = Known::new(&rows, &hostile);
    match outside(case, &known, &out) {
        Verdict::Unbounded => tally.unbounded += 1,
        Verdict::Inside(used) => {
            tally.bounded += 1;
            let name = case.rule.split(['(', ',']).next().unwrap_or_default();
            let most = tally.used.entry(name.into()).or_default();
            *most = most.max(used);
        }
        Verdict::Outside(why) => return fail(tally, why),
    }
    let expected = on(
        group.device,
        &case.rule,
        &reference(&case.rule, &rows, None),
    );
    match against(&expected, &out, case.dtype) {
        Comparison::Same { clear } => tally.clear += usize::from(clear),
        Comparison::Ambiguous => tally.ambiguous += 1,
        Comparison::Other(why) => fail(tally, why),
    }
}

/// Where a result is, of the regions that are proved.
pub enum Verdict {
    Unbounded,
    /// The largest share of a radius that was used.
    Inside(f64),
    Outside(String),
}

/// Is a result outside of a region that it has to be in, by more than the spec's accuracy?
pub fn outside(case: &Case, known: &Known, out: &[f32]) -> Verdict {
    let out: Vec<f64> = out.iter().map(|&x| f64::from(x)).collect();
    let regions = claims(&parsed(&case.rule), known);
    if regions.is_empty() {
        return Verdict::Unbounded;
    }
    let honest = known.honest();
    let mu = mean(&honest);
    let far = honest
        .iter()
        .map(|row| distance(row, &mu))
        .fold(0.0, f64::max);
    let d = out.len() as f64;
    let step = match case.dtype {
        DType::Bf16 => 2f64.powi(-8),
        DType::F16 => 2f64.powi(-11),
        _ => 2f64.powi(-24),
    };
    // Denormals may count as zero, and are what f16 rounds to.
    let least = if case.dtype == DType::F16 {
        2f64.powi(-24)
    } else {
        4e-38
    };
    let mut used: f64 = 0.0;
    for region in &regions {
        match region {
            Region::Ball { centre, radius } => {
                // 1e-5·(Σ|terms| + reach) per coordinate: terms and distances of rows within reach.
                let largest = |k: usize| honest.iter().map(|row| row[k].abs()).fold(0.0, f64::max);
                let largest: Vec<f64> = (0..out.len()).map(largest).collect();
                let size = norm(&largest) + radius;
                let computed = 1e-5 * (size + d.sqrt() * 2.0 * (far + radius));
                let slack = 4.0 * computed + step * size + d.sqrt() * least;
                let error = distance(&out, centre);
                let inside = error <= radius + slack;
                if !inside {
                    return Verdict::Outside(format!(
                        "{error:e} from the honest rows' middle, proven: {radius:e} (and {slack:e} of rounding)"
                    ));
                }
                used = used.max(((error - slack) / radius.max(slack)).max(0.0));
            }
            Region::Box { low, high } => {
                for (k, &x) in out.iter().enumerate() {
                    let size = low[k].abs().max(high[k].abs());
                    let most = honest.iter().map(|row| row[k].abs()).fold(size, f64::max);
                    let slack = 2e-5 * most + step * size + least;
                    if !(low[k] - slack <= x && x <= high[k] + slack) {
                        return Verdict::Outside(format!(
                            "coordinate {k}: {x:e} is not in {:e} ..= {:e} (and {slack:e} of rounding)",
                            low[k], high[k]
                        ));
                    }
                    let half = (high[k] - low[k]) / 2.0;
                    let share = (x - low[k] - half).abs() / half.max(slack);
                    used = used.max(share.min(1.0));
                }
            }
        }
    }
    Verdict::Inside(used)
}

/// A result beside the oracle's.
pub enum Comparison {
    Same {
        clear: bool,
    },
    /// Rounding decides a selection.
    Ambiguous,
    Other(String),
}

pub fn against(expected: &Result<Reference, String>, out: &[f32], dtype: DType) -> Comparison {
    let expected = match expected {
        Ok(expected) => expected,
        Err(why) => return Comparison::Other(format!("the oracle refuses: {why}")),
    };
    let clear = expected.margin > ACCURACY;
    match within(out, expected, rounding(dtype)) {
        Ok(()) => Comparison::Same { clear },
        Err(why) if clear => Comparison::Other(format!("not the oracle's result: {why}")),
        Err(_) => Comparison::Ambiguous,
    }
}
