//! Clipping to a length.

use super::{Entry, Goal, Level, Mixing, Node, Outcome, Planner, Refusal, Rule, number, refuse};
use crate::geometry::{self, Op};

/// Clipping before another rule: `x_i · min(1, c/‖x_i‖)`. A zero row stays zero; a row that is not
/// finite, or longer than an f32 can say, becomes zero. A row keeps its weight.
///
/// Clipped rows are never formed. One more read of X than a coordinate-wise rule alone, none more
/// than a rule on distances. Needs a finite c > 0, or a length that comes with each run
/// ([`given`](Clipping::given)): differences are clipped to a multiple of the last step's length where not
/// every worker takes part (Malinovsky et al. 2024).
#[derive(Clone, Debug, PartialEq)]
pub struct Clipping {
    inner: Box<Rule>,
    /// None: it comes with each run.
    c: Option<f64>,
}

impl Clipping {
    /// Clips to length c, then applies a rule.
    pub fn new(rule: impl Into<Rule>, c: f64) -> Self {
        Clipping {
            inner: Box::new(rule.into()),
            c: Some(c),
        }
    }

    /// Clips to a length that each run is given, then applies a rule.
    ///
    /// ```
    /// use byzagg::{Clipping, DType, Device, Matrix, Median, Rule, Run, Shape};
    ///
    /// let rule: Rule = Clipping::given(Median::new()).into();
    /// assert_eq!(rule.to_string(), "clipping(median,c=given)");
    ///
    /// let x = [3.0f32, 4.0, /**/ 3.0, 4.0, /**/ 1e6, 0.0]; // three workers, the last of which attacks
    /// let mut aggregator = rule.prepare(&Device::cpu(), &Shape::new(3, 2), DType::F32)?;
    /// let mut out = [0.0f32; 2];
    /// aggregator.run_with(Matrix::new(&x, 3, 2)?, &mut out[..], &Run::new().clip(0.5))?;
    /// assert!((out[0] - 0.3).abs() < 1e-6 && (out[1] - 0.4).abs() < 1e-6);
    /// # Ok::<(), byzagg::Error>(())
    /// ```
    pub fn given(rule: impl Into<Rule>) -> Self {
        Clipping {
            inner: Box::new(rule.into()),
            c: None,
        }
    }
}

pub(super) static ENTRY: Entry = Entry {
    name: "clipping",
    parameters: &[(
        "c",
        "the length that rows are clipped to, or given: it comes with each run",
    )],
    wraps: true,
    computes: "RULE of the rows clipped to length c",
    limits: "a finite c > 0",
    source: "Karimireddy, He, Jaggi, ICML 2021 (clipping); Malinovsky et al., NeurIPS 2024",
    reads: "RULE's, and 1 if RULE is coordinate-wise",
    weights: true,
    parse: |arguments| {
        let inner = arguments.inner()?;
        if arguments.takes("c", "given") {
            return Ok(Clipping::given(inner).into());
        }
        let c = arguments.number("c")?;
        Ok(Clipping::new(inner, arguments.required("c=", c)?).into())
    },
};

impl Node for Clipping {
    fn entry(&self) -> &'static Entry {
        &ENTRY
    }

    fn parameters(&self) -> Vec<String> {
        let c = self.c.map_or("given".to_string(), number);
        vec![format!("c={c}")]
    }

    fn inner(&self) -> Option<&Rule> {
        Some(&self.inner)
    }

    fn check(&self, _: usize) -> std::result::Result<(), Refusal> {
        match self.c {
            Some(c) if !(c > 0.0 && c.is_finite()) => {
                refuse("a finite c > 0", format!("c = {}", number(c)))
            }
            _ => Ok(()),
        }
    }

    fn needs_origin(&self) -> bool {
        true
    }

    fn needs_length(&self) -> bool {
        self.c.is_none()
    }

    fn plan(&self, planner: &mut Planner, level: &mut Level, goal: Goal) -> Outcome {
        let geometry = planner.geometry(level);
        let (n, weights) = (level.n, level.weights);
        let length = match self.c {
            Some(c) => geometry::Length::Fixed(c),
            None => planner.length(),
        };
        let mixing = planner.op(n * n, |out| Op::Clipping {
            geometry,
            length,
            out,
        });
        let mut clipped = planner.mix(level, (mixing, Mixing::Clip), n, weights);
        self.inner.node().plan(planner, &mut clipped, goal)
    }
}
