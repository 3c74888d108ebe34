//! Rules: what they are called, what they need, and which plan computes them.
//!
//! A rule is built from its struct ([`Krum::new`], [`Ctma::new`], …) or parsed from its text form,
//! and prints as that text. One file per rule: parameters, checks, plan. No rule knows a backend.

mod arc;
mod bucketing;
mod bulyan;
mod caf;
mod cc;
mod clipping;
mod columnwise;
mod ctma;
mod flag;
mod krum;
mod like;
mod mda;
mod monna;
mod nnm;
mod planner;
mod rfa;
mod smea;
mod trace;

use std::fmt;
use std::str::FromStr;

pub use arc::Arc;
pub use bucketing::Bucketing;
pub use bulyan::Bulyan;
pub use caf::Caf;
pub use cc::CenteredClipping;
pub use clipping::Clipping;
pub use columnwise::{Cwtm, Meamed, Mean, Median};
pub use ctma::Ctma;
pub use flag::Flag;
pub use krum::{Krum, MultiKrum};
pub use like::Like;
pub use mda::Mda;
pub use monna::Monna;
pub use nnm::Nnm;
pub use rfa::Rfa;
pub use smea::Smea;

use crate::expression::{self, number};
use crate::plan::Step;
use crate::{Error, Result, Trim};
pub(crate) use planner::Plan;
use planner::{Goal, Level, Mixing, Outcome, Planner};
use trace::Kind;
pub(crate) use trace::{Decision, Kind as DecisionKind, Trace};

/// A robust aggregation rule, or a composition of rules.
///
/// ```
/// use byzagg::{Ctma, Cwtm, Nnm, Rule};
///
/// let rule: Rule = "ctma(nnm(cwtm(f=3),f=3),f=3)".parse()?;
/// assert_eq!(rule, Ctma::new(Nnm::new(Cwtm::new(3), 3), 3).into());
/// assert_eq!(rule.to_string(), "ctma(nnm(cwtm(f=3),f=3),f=3)");
/// # Ok::<(), byzagg::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
#[allow(missing_docs)] // Each variant is documented by the struct it holds.
pub enum Rule {
    Mean(Mean),
    Median(Median),
    Cwtm(Cwtm),
    Meamed(Meamed),
    Krum(Krum),
    MultiKrum(MultiKrum),
    Bulyan(Bulyan),
    Mda(Mda),
    Smea(Smea),
    Monna(Monna),
    Caf(Caf),
    Rfa(Rfa),
    CenteredClipping(CenteredClipping),
    Flag(Flag),
    Nnm(Nnm),
    Bucketing(Bucketing),
    Clipping(Clipping),
    Arc(Arc),
    Ctma(Ctma),
}

macro_rules! nodes {
    ($($name:ident),*) => {
        $(impl From<$name> for Rule {
            fn from(rule: $name) -> Self {
                Rule::$name(rule)
            }
        })*
        impl Rule {
            fn node(&self) -> &dyn Node {
                match self {
                    $(Rule::$name(rule) => rule,)*
                }
            }
        }
    };
}
nodes!(
    Mean,
    Median,
    Cwtm,
    Meamed,
    Krum,
    MultiKrum,
    Bulyan,
    Mda,
    Smea,
    Monna,
    Caf,
    Rfa,
    CenteredClipping,
    Flag,
    Nnm,
    Bucketing,
    Clipping,
    Arc,
    Ctma
);

/// What a rule's file says of it.
trait Node {
    /// The catalogue entry.
    fn entry(&self) -> &'static Entry;

    /// The parameters that differ from their defaults, as text.
    fn parameters(&self) -> Vec<String>;

    /// The rule that this one wraps.
    fn inner(&self) -> Option<&Rule> {
        None
    }

    /// Is every parameter possible for n rows? Says what is needed instead.
    fn check(&self, n: usize) -> std::result::Result<(), Refusal>;

    /// Rows that the wrapped rule sees.
    fn rows(&self, n: usize) -> usize {
        n
    }

    /// Does its plan need the origin among the points?
    fn needs_origin(&self) -> bool {
        false
    }

    /// Does every run need a vector to start from?
    fn needs_start(&self) -> bool {
        false
    }

    /// Does every run need a length to clip to?
    fn needs_length(&self) -> bool {
        false
    }

    /// Appends the steps that compute it from the rows of a level.
    fn plan(&self, planner: &mut Planner, level: &mut Level, goal: Goal) -> Outcome;
}

/// What a rule needs and what it got.
struct Refusal {
    needs: String,
    got: String,
}

fn refuse(needs: impl Into<String>, got: impl Into<String>) -> std::result::Result<(), Refusal> {
    Err(Refusal {
        needs: needs.into(),
        got: got.into(),
    })
}

/// One rule of the [`catalogue`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Entry {
    /// Its name in the text form.
    pub name: &'static str,
    /// Its parameters: name and meaning.
    pub parameters: &'static [(&'static str, &'static str)],
    /// Does it take another rule as its first argument?
    pub wraps: bool,
    /// What it computes.
    pub computes: &'static str,
    /// What it needs of n and its parameters.
    pub limits: &'static str,
    /// Where it was published.
    pub source: &'static str,
    /// How often it reads the matrix.
    pub reads: &'static str,
    /// Does it define weights?
    pub weights: bool,
    parse: fn(&mut Arguments) -> Result<Rule>,
}

/// What a rule's parser gets.
type Arguments<'a> = expression::Arguments<'a, Entry>;

impl expression::Named for Entry {
    type Value = Rule;
    const KIND: &'static str = "rule";

    fn all() -> impl Iterator<Item = &'static Self> {
        CATALOGUE.iter().copied()
    }

    fn name(&self) -> &'static str {
        self.name
    }

    fn parameters(&self) -> &'static [(&'static str, &'static str)] {
        self.parameters
    }

    fn wraps(&self) -> bool {
        self.wraps
    }

    fn parse(&self, arguments: &mut Arguments<'_>) -> Result<Rule> {
        (self.parse)(arguments)
    }
}

impl Arguments<'_> {
    /// `f=` or `lambda=`.
    fn trim(&mut self) -> Result<Trim> {
        match (self.count("f")?, self.number("lambda")?) {
            (Some(f), None) => Ok(Trim::F(f)),
            (None, Some(lambda)) => Ok(Trim::Lambda(lambda)),
            (None, None) => Err(self.error("f= or lambda= is missing")),
            (Some(_), Some(_)) => Err(self.error("either f= or lambda=, not both")),
        }
    }
}

static CATALOGUE: [&Entry; 19] = [
    &columnwise::MEAN,
    &columnwise::MEDIAN,
    &columnwise::CWTM,
    &columnwise::MEAMED,
    &krum::KRUM,
    &krum::MULTIKRUM,
    &bulyan::ENTRY,
    &mda::ENTRY,
    &smea::ENTRY,
    &monna::ENTRY,
    &caf::ENTRY,
    &rfa::ENTRY,
    &cc::ENTRY,
    &flag::ENTRY,
    &nnm::ENTRY,
    &bucketing::ENTRY,
    &clipping::ENTRY,
    &arc::ENTRY,
    &ctma::ENTRY,
];

/// Every rule with its parameters, limits, source and reads.
pub fn catalogue() -> &'static [&'static Entry] {
    &CATALOGUE
}

impl Rule {
    /// Can n workers, with weights or without, be aggregated by this rule?
    ///
    /// ```
    /// let rule: byzagg::Rule = "krum(f=3)".parse()?;
    /// assert!(rule.check(9, false).is_ok());
    /// assert_eq!(
    ///     rule.check(8, false).unwrap_err().to_string(),
    ///     "krum(f=3): needs n ≥ 2f+3 = 9 workers (or neighbours=), got n = 8",
    /// );
    /// # Ok::<(), byzagg::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Parameter`] or [`Error::Weights`], naming the part of the composition that can't.
    pub fn check(&self, n: usize, weighted: bool) -> Result<()> {
        let node = self.node();
        if weighted && !node.entry().weights {
            let able: Vec<_> = CATALOGUE
                .iter()
                .filter(|e| e.weights)
                .map(|e| e.name)
                .collect();
            return Err(Error::Weights {
                needs: format!("a rule that defines them ({})", able.join(", ")),
                got: self.to_string(),
            });
        }
        node.check(n).map_err(|refusal| Error::Parameter {
            rule: self.to_string(),
            needs: refusal.needs,
            got: refusal.got,
        })?;
        match node.inner() {
            Some(inner) => inner.check(node.rows(n), weighted),
            None => Ok(()),
        }
    }

    /// The catalogue's entry of the outermost rule.
    pub fn entry(&self) -> &'static Entry {
        self.node().entry()
    }

    /// Is it robust: does its innermost rule bound what hostile rows can do?
    ///
    /// [`Mean`] does not. Neither does [`Flag`], unless it is `like=paper-code`: the length of a hostile
    /// row, however far, is part of its mean.
    pub fn is_robust(&self) -> bool {
        match self.node().inner() {
            Some(inner) => inner.is_robust(),
            None => match self {
                Rule::Mean(_) => false,
                Rule::Flag(flag) => flag.is_robust(),
                _ => true,
            },
        }
    }

    /// Does every run need a vector to start from ([`Run::start`](crate::Run::start)), as `cc(start=given)`
    /// does?
    pub fn needs_start(&self) -> bool {
        self.node().needs_start() || self.node().inner().is_some_and(Rule::needs_start)
    }

    /// Does every run need a length ([`Run::clip`](crate::Run::clip)), as `clipping(…,c=given)` does?
    pub fn needs_length(&self) -> bool {
        self.node().needs_length() || self.node().inner().is_some_and(Rule::needs_length)
    }

    fn needs_origin(&self) -> bool {
        self.node().needs_origin() || self.node().inner().is_some_and(Rule::needs_origin)
    }

    pub(crate) fn plan(&self, n: usize, weighted: bool, report: bool) -> Result<Plan> {
        self.check(n, weighted)?;
        Ok(planner::plan(self, n, weighted, report, None))
    }

    /// A plan whose inner products no step but the one that computes them writes over, so that they last
    /// from run to run.
    pub(crate) fn plan_to_keep(&self, n: usize, weighted: bool, report: bool) -> Result<Plan> {
        let plan = self.plan(n, weighted, report)?;
        let inner = plan.steps.iter().find_map(|step| match step {
            Step::Pairwise(step) => Some(step.out.len),
            _ => None,
        });
        Ok(match inner {
            Some(_) => planner::plan(self, n, weighted, report, inner),
            None => plan,
        })
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let node = self.node();
        let inner = node.inner().map(ToString::to_string);
        let arguments: Vec<_> = inner.into_iter().chain(node.parameters()).collect();
        f.write_str(node.entry().name)?;
        if arguments.is_empty() {
            return Ok(());
        }
        write!(f, "({})", arguments.join(","))
    }
}

impl FromStr for Rule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        expression::parse::<Entry>(text)
    }
}

/// `2f < n`, and a fraction below one half.
fn check_trim(trim: Trim, n: usize) -> std::result::Result<(), Refusal> {
    match trim {
        Trim::F(f) => check_minority(f, n),
        Trim::Lambda(lambda) if (0.0..0.5).contains(&lambda) => Ok(()),
        Trim::Lambda(lambda) => refuse("0 ≤ lambda < 1/2", format!("lambda = {}", number(lambda))),
    }
}

fn check_minority(f: usize, n: usize) -> std::result::Result<(), Refusal> {
    if f < n.div_ceil(2) {
        return Ok(());
    }
    refuse("2f < n", format!("f = {f}, n = {n}"))
}

fn trim_text(trim: Trim) -> String {
    match trim {
        Trim::F(f) => format!("f={f}"),
        Trim::Lambda(lambda) => format!("lambda={}", number(lambda)),
    }
}

impl From<usize> for Trim {
    fn from(f: usize) -> Self {
        Trim::F(f)
    }
}

#[cfg(test)]
mod tests;
