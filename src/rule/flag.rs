//! The flag aggregator.

use super::{
    Arguments, Entry, Goal, Kind, Level, Node, Outcome, Planner, Refusal, Rule, number, refuse,
};
use crate::Result;
use crate::geometry::{FlagSettings, Op};
use crate::report::Weighing;

/// The flag aggregator (Almasi, Mishra, Vamanan, Ravi, ICLR 2024): `(1/n) Y Yᵀ Σ x_i`, the rows' mean
/// in the m-dimensional subspace Y that minimises `Σ √(1−v_i) + λ/(n−1) Σ_{i≠j} √(1−v_ij)`, with
/// `v_i = ‖Yᵀx_i‖²/‖x_i‖²` and `v_ij = ‖Yᵀ(x_i−x_j)‖²/D²_ij`.
///
/// By iteratively reweighted least squares from v = 0: at most 5 rounds, or until the objective changes
/// by at most 1e-10. Defaults m = ⌈(n+1)/2⌉, λ = 0. All on inner products: two reads of X, O(n³) a
/// round beside them. Rows of length zero (below a thousandth of the rows' centre's, where a length is
/// no more than its own error) count in n only, rows that are not finite not at all. No weights.
///
/// **It trusts lengths**: every row counts the same in the choice of Y, but with its length in the mean,
/// and with m = ⌈(n+1)/2⌉ a hostile direction is usually in Y. One row that is 1e6 times longer moves
/// the result that far, so [`Rule::is_robust`] is false. Clip before it, `arc(flag,f=…)`, or use `like=paper-code`.
///
/// `like=paper-code` is the published code: rows of unit length, one round, `(1/m) Y Yᵀ Σ x_i/‖x_i‖`,
/// pairs weighted by `(λ/(n(n−1)))² (|1 − D²v_ij| + 1e-7)^−½` (from v = 0, where the code starts from a
/// random subspace).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Flag {
    m: Option<usize>,
    lambda: f64,
    rounds: Option<usize>,
    paper_code: bool,
}

impl Flag {
    /// m = ⌈(n+1)/2⌉, λ = 0, at most 5 rounds.
    pub fn new() -> Self {
        Flag::default()
    }

    /// The dimension of the subspace, 1 ≤ m ≤ n.
    pub fn m(self, m: usize) -> Self {
        Flag { m: Some(m), ..self }
    }

    /// How much the differences between rows count, λ ≥ 0.
    pub fn lambda(self, lambda: f64) -> Self {
        Flag { lambda, ..self }
    }

    /// At most this many rounds.
    pub fn rounds(self, rounds: usize) -> Self {
        Flag {
            rounds: Some(rounds),
            ..self
        }
    }

    /// What the published code computes, instead of the objective.
    pub fn paper_code(self) -> Self {
        Flag {
            paper_code: true,
            ..self
        }
    }

    /// Rows of unit length can't pull far; others can.
    pub(super) fn is_robust(&self) -> bool {
        self.paper_code
    }

    fn settings(&self, n: usize) -> FlagSettings {
        FlagSettings {
            m: self.m.unwrap_or(n / 2 + 1),
            lambda: self.lambda,
            rounds: self.rounds.unwrap_or(if self.paper_code { 1 } else { 5 }),
            published: self.paper_code,
        }
    }
}

pub(super) static ENTRY: Entry = Entry {
    name: "flag",
    parameters: &[
        ("m", "dimension of the subspace, default ⌈(n+1)/2⌉"),
        (
            "lambda",
            "how much differences between rows count, default 0",
        ),
        ("rounds", "at most, default 5 (paper-code: 1)"),
        (
            "like",
            "paper (default), or paper-code: unit rows, one round, a factor of 1/m",
        ),
    ],
    wraps: false,
    computes: "the mean of the rows in the subspace nearest to them",
    limits: "1 ≤ m ≤ n; a finite lambda ≥ 0; rounds ≥ 1",
    source: "Almasi et al., ICLR 2024",
    reads: "2",
    weights: false,
    parse,
};

fn parse(arguments: &mut Arguments<'_>) -> Result<Rule> {
    Ok(Flag {
        m: arguments.count("m")?,
        lambda: arguments.number("lambda")?.unwrap_or(0.0),
        rounds: arguments.count("rounds")?,
        paper_code: arguments.one_of("like", &[("paper", false), ("paper-code", true)])?
            == Some(true),
    }
    .into())
}

impl Node for Flag {
    fn entry(&self) -> &'static Entry {
        &ENTRY
    }

    fn parameters(&self) -> Vec<String> {
        let mut all = Vec::new();
        all.extend(self.m.map(|m| format!("m={m}")));
        all.extend((self.lambda != 0.0).then(|| format!("lambda={}", number(self.lambda))));
        all.extend(self.rounds.map(|rounds| format!("rounds={rounds}")));
        all.extend(self.paper_code.then(|| "like=paper-code".into()));
        all
    }

    fn check(&self, n: usize) -> std::result::Result<(), Refusal> {
        match *self {
            Flag { m: Some(m), .. } if m < 1 || m > n => {
                refuse(format!("1 ≤ m ≤ n = {n}"), format!("m = {m}"))
            }
            Flag { lambda, .. } if !(lambda >= 0.0 && lambda.is_finite()) => refuse(
                "a finite lambda ≥ 0",
                format!("lambda = {}", number(lambda)),
            ),
            Flag {
                rounds: Some(0), ..
            } => refuse("rounds ≥ 1", "rounds = 0"),
            _ => Ok(()),
        }
    }

    fn needs_origin(&self) -> bool {
        true
    }

    fn plan(&self, planner: &mut Planner, level: &mut Level, _: Goal) -> Outcome {
        let geometry = planner.geometry(level);
        let settings = self.settings(level.n);
        let coefficients = planner.op(level.n, |out| Op::Flag {
            geometry,
            settings,
            out,
        });
        planner.coefficients(level, coefficients, Kind::Weighed(Weighing::Subspace))
    }
}
