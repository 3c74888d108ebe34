//! The three primitives by themselves: for measuring a device, checking a backend, and rules of your
//! own.
//!
//! ```
//! use byzagg::primitive::{Inputs, Primitive};
//! use byzagg::{DType, Device, Matrix, Shape};
//!
//! let x = [0.0f32, 0.0, /**/ 3.0, 4.0, /**/ 6.0, 8.0];
//! let matrix = Matrix::new(&x, 3, 2)?;
//! let pairwise = Primitive::pairwise();
//! let mut prepared = pairwise.prepare(&Device::cpu(), &Shape::new(3, 2), DType::F32)?;
//! prepared.run(matrix, &mut [0.0f32; 2][..], &Inputs::default())?;
//! // Inner products about the median (3, 4), then three classes.
//! let centred = [25.0, 0.0, -25.0, /**/ 0.0, 0.0, 0.0, /**/ -25.0, 0.0, 25.0];
//! assert_eq!(prepared.result(0), [&centred[..], &[0.0; 3]].concat());
//! # Ok::<(), byzagg::Error>(())
//! ```

use crate::engine::{Engine, Operands};
use crate::geometry::{GeometrySlot, weights};
use crate::kept::check_changed;
pub use crate::matrix::Anchor;
use crate::plan::{Anchors, Columns, Combine, Distances, Pairwise, Slot, Statistic, Step};
use crate::{DType, Device, Error, Matrix, Output, Result, Shape};

/// One of the three passes over the matrix that every rule is made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Primitive {
    kind: Kind,
    weighted: bool,
    kept: bool,
    rows: Option<usize>,
    distances: Option<To>,
    output: Option<DType>,
    anchored: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Pairwise { origin: bool },
    Columns(Statistic),
    Combine,
}

/// Which rows `columns` measures the distances of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// The matrix's own.
    Raw,
    /// The mixed ones, whose statistic it is.
    Mixed,
}

/// The small inputs of a primitive.
#[derive(Clone, Copy, Debug, Default)]
pub struct Inputs<'a> {
    /// A weight per row (per mixed row for `columns`).
    pub weights: Option<&'a [f64]>,
    /// n'×n coefficients, row after row.
    pub mixing: Option<&'a [f64]>,
    /// n coefficients, and the anchor's if the primitive is [`anchored`](Primitive::anchored).
    pub coefficients: Option<&'a [f64]>,
    /// The anchor of an [`anchored`](Primitive::anchored) primitive.
    pub anchor: Option<Anchor<'a>>,
    /// The rows that differ from the last run's; needs [`Primitive::kept`]. All, if there are none given.
    pub changed: Option<&'a [usize]>,
}

impl Primitive {
    fn new(kind: Kind) -> Self {
        Primitive {
            kind,
            weighted: false,
            kept: false,
            rows: None,
            distances: None,
            output: None,
            anchored: false,
        }
    }

    /// `G_ij = ⟨x_i − m, x_j − m⟩`, m the coordinate-wise median. Nothing is written to the output; the
    /// result is G (N×N) and a class per row: 0 finite, 1 finite but with G_ii above f32::MAX, 2 with a
    /// NaN or an infinity. A row of class 1 or 2 has +Inf on the diagonal and 0 beside it.
    pub fn pairwise() -> Self {
        Primitive::new(Kind::Pairwise { origin: false })
    }

    /// As [`pairwise`](Primitive::pairwise) with the origin as one more row, the last.
    pub fn pairwise_with_origin() -> Self {
        Primitive::new(Kind::Pairwise { origin: true })
    }

    /// A statistic of every column. The result is empty, or as [`distances`](Primitive::distances) says.
    pub fn columns(statistic: Statistic) -> Self {
        Primitive::new(Kind::Columns(statistic))
    }

    /// `Σ c_i x_i`; the result is empty.
    pub fn combine() -> Self {
        Primitive::new(Kind::Combine)
    }

    /// `pairwise` and `combine` have a given vector as one more point, the last, which is not part of the
    /// centre.
    pub fn anchored(self) -> Self {
        Primitive {
            anchored: true,
            ..self
        }
    }

    /// Rows have weights: of the centre for `pairwise`, of the statistic for `columns`.
    pub fn weighted(self) -> Self {
        Primitive {
            weighted: true,
            ..self
        }
    }

    /// `pairwise` that keeps its result between runs, for [`Inputs::changed`]: see
    /// [asynchronous servers](crate::Prepared#asynchronous-servers).
    pub fn kept(self) -> Self {
        Primitive { kept: true, ..self }
    }

    /// `columns` of an n'×n mixing of the rows.
    pub fn mixed(self, rows: usize) -> Self {
        Primitive {
            rows: Some(rows),
            ..self
        }
    }

    /// `columns` also measures the squared distance of each row to the statistic. The result is these
    /// and then a class per row, as for `pairwise`.
    pub fn distances(self, to: To) -> Self {
        Primitive {
            distances: Some(to),
            ..self
        }
    }

    /// The output's element type, instead of the input's.
    pub fn output(self, dtype: DType) -> Self {
        Primitive {
            output: Some(dtype),
            ..self
        }
    }

    /// Allocates everything that a run needs.
    ///
    /// # Errors
    /// [`Error::Shape`] when the shape is empty or a statistic can't have its parameters.
    pub fn prepare(
        &self,
        device: &Device,
        shape: &Shape,
        input: DType,
    ) -> Result<PreparedPrimitive> {
        let n = shape.n();
        let rows = self.rows.unwrap_or(n);
        self.check(rows)?;
        let mut end = 0;
        let mut reserve = |len: usize| {
            let slot = Slot { offset: end, len };
            end = slot.end();
            slot
        };
        let weights = self.weighted.then(|| reserve(rows));
        let mixing = self.rows.map(|rows| reserve(rows * n));
        let mut coefficients = None;
        let (step, out) = match self.kind {
            Kind::Pairwise { origin } => {
                let anchors = Anchors {
                    origin,
                    given: self.anchored,
                };
                let out = reserve(GeometrySlot::len(n, anchors));
                let step = Pairwise {
                    anchors,
                    weights,
                    out,
                    keep: self.kept,
                };
                (Step::Pairwise(step), out)
            }
            Kind::Columns(statistic) => {
                let own = self.distances == Some(To::Mixed);
                let out = match self.distances {
                    Some(To::Mixed) => reserve(2 * rows),
                    Some(To::Raw) => reserve(2 * n),
                    None => reserve(0),
                };
                let distances = self.distances.map(|_| Distances {
                    rows: mixing.filter(|_| own),
                    out,
                });
                let step = Columns {
                    statistic,
                    mixing,
                    weights,
                    distances,
                    write: true,
                };
                (Step::Columns(step), out)
            }
            Kind::Combine => {
                let slot = reserve(n + usize::from(self.anchored));
                coefficients = Some(slot);
                let step = Combine {
                    coefficients: slot,
                    anchor: self.anchored,
                };
                (Step::Combine(step), reserve(0))
            }
        };
        Ok(PreparedPrimitive {
            engine: Engine::new(device, shape, (input, self.output), vec![step], end)?,
            weights,
            mixing,
            coefficients,
            integers: vec![0.0; if self.weighted { rows } else { 0 }],
            kept: self.kept,
            out,
        })
    }

    fn check(&self, rows: usize) -> Result<()> {
        let refuse = |expected: &str, got: String| Err(Error::shape("Primitive", expected, got));
        match self.kind {
            _ if rows == 0 => refuse("at least one mixed row", "none".into()),
            Kind::Columns(_) if self.anchored => {
                refuse("an anchor for pairwise or combine", "columns".into())
            }
            Kind::Columns(Statistic::MeanAroundMedian { .. }) if self.weighted => refuse(
                "a statistic that defines weights",
                "MeanAroundMedian".into(),
            ),
            Kind::Columns(Statistic::MeanAroundMedian { f }) if f >= rows => {
                refuse("f < n", format!("f = {f}, n = {rows}"))
            }
            Kind::Columns(Statistic::TrimmedMean(trim)) => {
                let cut = trim.cut(rows, 1.0);
                // Negated so that NaN is refused.
                if !(0.0..0.5).contains(&cut) {
                    return refuse("less than half cut at each end", format!("{trim:?}"));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// A primitive prepared for a shape on a device.
#[derive(Debug)]
pub struct PreparedPrimitive {
    engine: Engine,
    weights: Option<Slot>,
    mixing: Option<Slot>,
    coefficients: Option<Slot>,
    integers: Vec<f64>,
    kept: bool,
    out: Slot,
}

impl PreparedPrimitive {
    /// Runs it. `pairwise` leaves the output as it is.
    ///
    /// # Errors
    /// [`Error::Shape`] and [`Error::DType`] when something is not what was prepared for,
    /// [`Error::Weights`] when weights are unusable, [`Error::Device`] when the device fails.
    pub fn run<'a, 'b>(
        &mut self,
        x: impl Into<Matrix<'a>>,
        output: impl Into<Output<'b>>,
        inputs: &Inputs<'_>,
    ) -> Result<()> {
        let (x, mut output) = (x.into(), output.into());
        let operands = Operands {
            x: &x,
            anchor: inputs.anchor,
            output: &mut output,
            number: 0,
            changed: inputs.changed,
        };
        let result = self
            .check(&operands, inputs)
            .and_then(|()| self.engine.run(operands));
        if result.is_err() {
            self.engine.forget();
        }
        result.and_then(|()| self.engine.fetch())
    }

    /// Takes the small inputs, unless something is refused.
    fn check(&mut self, operands: &Operands<'_, '_, '_>, inputs: &Inputs<'_>) -> Result<()> {
        self.engine.check(operands)?;
        check_changed(inputs.changed, self.kept, self.engine.shape.n())?;
        for (name, slot, values) in [
            ("weights", self.weights, inputs.weights),
            ("mixing", self.mixing, inputs.mixing),
            ("coefficients", self.coefficients, inputs.coefficients),
        ] {
            let (expected, got) = (slot.map(|slot| slot.len), values.map(<[f64]>::len));
            if expected != got {
                let say = |len: Option<usize>| len.map_or("none".into(), |len| len.to_string());
                let expected = format!("{} numbers as {name}", say(expected));
                return Err(Error::shape("run", expected, say(got)));
            }
            if let (Some(slot), Some(values)) = (slot, values) {
                if name == "weights" {
                    weights::to_integers(values, &mut self.integers)?;
                    self.engine.set(slot, &self.integers);
                } else {
                    self.engine.set(slot, values);
                }
            }
        }
        Ok(())
    }

    /// How often what is kept has been computed afresh, about a new centre, over all problems.
    pub fn renewals(&self) -> u64 {
        self.engine.renewals()
    }

    /// The small result for one problem: see the primitive.
    pub fn result(&self, problem: usize) -> &[f64] {
        self.engine.arena.get(problem, self.out)
    }

    /// Bytes that a run moves: matrix rows read, output written.
    pub fn bytes_moved(&self) -> usize {
        self.engine.bytes_moved()
    }

    /// Bytes that the workspace holds.
    pub fn workspace_bytes(&self) -> usize {
        self.engine.bytes()
    }
}
