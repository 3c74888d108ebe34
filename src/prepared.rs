//! Prepare once, run many times.

use crate::engine::{Engine, Operands};
use crate::geometry::weights;
use crate::kept::check_changed;
use crate::matrix::Anchor;
use crate::plan::Slot;
use crate::report::{self, Report};
use crate::rule::{Rule, Trace};
use crate::{DType, Device, Error, Matrix, Output, Result, Shape};

/// What a rule is prepared for, beyond shape and element type.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    weighted: bool,
    report: bool,
    keep: bool,
    output: Option<DType>,
}

impl Options {
    /// No weights, no report, the output's element type the input's.
    pub fn new() -> Self {
        Options::default()
    }

    /// Will every run give weights?
    pub fn weighted(self, weighted: bool) -> Self {
        Options { weighted, ..self }
    }

    /// Will [`Prepared::report`] be asked? Coordinate-wise rules then also measure each row's distance,
    /// and a rule whose plan has no inner products reads the matrix once more for them.
    pub fn report(self, report: bool) -> Self {
        Options { report, ..self }
    }

    /// Will the inner products of the rows be kept between runs, so that [`Run::changed`] saves work? For
    /// servers that step whenever a vector arrives: see [asynchronous servers](Prepared#asynchronous-servers).
    pub fn keep_geometry(self, keep: bool) -> Self {
        Options { keep, ..self }
    }

    /// The output's element type: f32, bf16 or f16.
    pub fn output(self, dtype: DType) -> Self {
        Options {
            output: Some(dtype),
            ..self
        }
    }
}

/// What may change from run to run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Run<'a> {
    weights: Option<&'a [f64]>,
    step: u64,
    start: Option<Anchor<'a>>,
    changed: Option<&'a [usize]>,
    clip: Option<f64>,
}

impl<'a> Run<'a> {
    /// No weights, step 0.
    pub fn new() -> Self {
        Run::default()
    }

    /// One weight per worker (per selected row, in their order): finite, at least 0, not all 0. Integers
    /// with a sum of at most 2³⁰ are used as they are, others are scaled and rounded to that total.
    pub fn weights(self, weights: &'a [f64]) -> Self {
        Run {
            weights: Some(weights),
            ..self
        }
    }

    /// Only these rows differ from those of the last run, the others have not moved a bit; needs
    /// [`Options::keep_geometry`]. Without this call all rows may differ. Any order, repetitions allowed.
    /// Of a [selection](Matrix::select) they are indices into the selection, and a place where another row
    /// was selected than in the last run has changed.
    ///
    /// This can't be checked: a row that changed and is not named keeps the inner products that it had. The
    /// first run, and the one after an error, take all rows to be new whatever is named here.
    pub fn changed(self, rows: &'a [usize]) -> Self {
        Run {
            changed: Some(rows),
            ..self
        }
    }

    /// The number of the training step, which bucketing's permutation depends on.
    pub fn step(self, step: u64) -> Self {
        Run { step, ..self }
    }

    /// The vector that the rule starts from, for rules that need one (`cc(start=given)`): a matrix of one
    /// row, in the blocks of the shape, with elements of the output's type, on the host or on the device.
    ///
    /// ```
    /// use byzagg::{DType, Device, Matrix, Rule, Run, Shape};
    ///
    /// let x = [3.0f32, 0.0, /**/ 3.0, 0.0, /**/ -100.0, 0.0];
    /// let momentum = [2.5f32, 0.0];
    /// let rule: Rule = "cc(tau=1,start=given)".parse()?;
    /// let mut aggregator = rule.prepare(&Device::cpu(), &Shape::new(3, 2), DType::F32)?;
    /// let mut out = [0.0f32; 2];
    /// let run = Run::new().start(Matrix::new(&momentum, 1, 2)?);
    /// aggregator.run_with(Matrix::new(&x, 3, 2)?, &mut out[..], &run)?;
    /// assert!((out[0] - 2.5).abs() < 1e-6); // two halves of a step forward, one step back
    /// # Ok::<(), byzagg::Error>(())
    /// ```
    pub fn start(self, vector: impl Into<Matrix<'a>>) -> Self {
        Run {
            start: Some(Anchor::Vector(vector.into())),
            ..self
        }
    }

    /// The length that `clipping(…,c=given)` clips rows to: at least 0, infinite for none.
    pub fn clip(self, length: f64) -> Self {
        Run {
            clip: Some(length),
            ..self
        }
    }

    /// The rule starts from what the output holds: state that is updated in place.
    pub fn start_from_output(self) -> Self {
        Run {
            start: Some(Anchor::Output),
            ..self
        }
    }
}

/// A rule prepared for a shape on a device: run it as often as there are steps.
///
/// A run allocates nothing that grows with n or d, but for the rules that need eigenvalues: `smea`, `caf`
/// and `flag` allocate O(n²) in a run (`caf` each round), never anything that grows with d. On a GPU a run
/// makes small buffers for its parameters, the first one buffers for panels of a matrix or a result that is
/// in the host's memory, and reading back takes one of the result's size. After an error the output is as
/// it was, unless a GPU failed in the middle of a run.
///
/// # Asynchronous servers
/// A server that steps whenever a worker's vector arrives has one new row, n − 1 old ones. With
/// [`Options::keep_geometry`] and [`Run::changed`] the rule's inner products are kept, and only those of the
/// changed rows are computed: n·d multiply-adds a changed row instead of n²·d / 2 and a median per
/// coordinate. All rows are still read once, since their products with the new one are new. A start that
/// the run is given counts as one more changed row, in every run.
///
/// ```
/// use byzagg::{DType, Device, Matrix, Options, Rule, Run, Shape};
///
/// let (n, d) = (7, 3);
/// let rule: Rule = "ctma(rfa,lambda=0.3)".parse()?;
/// let options = Options::new().weighted(true).keep_geometry(true);
/// let mut server = rule.prepare_with(&Device::cpu(), &Shape::new(n, d), DType::F32, options)?;
/// let (mut rows, mut weights) = (vec![0.0f32; n * d], vec![0.0; n]);
/// let (mut model, mut step) = (vec![5.0f32; d], vec![0.0f32; d]);
/// for arrival in 0..200 {
///     // Whoever is ready sends a gradient, here of ‖model‖²/2; worker 3 sends nonsense.
///     let worker = arrival * arrival % n;
///     let row = &mut rows[worker * d..][..d];
///     row.copy_from_slice(&model);
///     if worker == 3 {
///         row.fill(f32::NAN);
///     }
///     weights[worker] += 1.0;
///     let arrived = [worker];
///     let run = Run::new().weights(&weights).changed(&arrived);
///     server.run_with(Matrix::new(&rows, n, d)?, &mut step, &run)?;
///     model.iter_mut().zip(&step).for_each(|(x, g)| *x -= 0.05 * g);
/// }
/// assert!(model.iter().all(|x| x.abs() < 0.1));
/// assert!(server.renewals() < 200);
/// # Ok::<(), byzagg::Error>(())
/// ```
///
/// **Accuracy.** An entry is computed from its two rows each time that one of them changes, never from its
/// old value, so rounding errors do not add up: on the CPU what is kept has the bits of a computation of all
/// entries about the same centre. That centre, the coordinate-wise median when it was last computed, is all
/// that ages. After each update the n×n numbers decide whether it still lies among the rows: it is renewed,
/// and everything with it, within the same run, when the central row (the one whose ball with more than
/// half of the weight is least) is further from it than twice that ball's radius. No minority of rows can
/// prevent that. On the CPU the squared distance of two rows nearer to each other than to the centre is that
/// of their differences, so that all are as accurate as a fresh run's wherever the centre is. A GPU, which
/// has f32 only, knows them to a millionth of the squared distances to the kept centre, where a fresh run
/// knows them to a millionth of those to the median: up to (1 + √5)² times, for rows of the majority, as much.
///
/// **Cost.** The centre takes 4·d bytes, 8 more for each of n²: see
/// [`workspace_bytes`](Prepared::workspace_bytes). Runs in which more than half of the rows changed are fresh.
/// [`renewals`](Prepared::renewals) says how often that was: seldom with rows that move less than their
/// spread between two arrivals. One changed row of 25 takes 0.42 of the time of inner products that are not
/// kept, as long as reading the rows; of 100, 0.38; a renewal takes 2.4 times as long (AVX-512, two threads,
/// d = 1e6 and 2e5), so rows that are chosen to force one in each run make it dearer than keeping nothing.
/// On wgpu each run waits for the device once, for the decision ([`host_syncs`](Prepared::host_syncs)), and
/// can't be encoded in the caller's commands. On CUDA every run is a fresh computation.
/// Rules read the matrix by columns, or combine rows, as always: `nnm(cwtm)` keeps its neighbours' distances
/// and computes its trimmed mean anew, `median` has nothing to keep.
#[derive(Debug)]
pub struct Prepared {
    rule: Rule,
    engine: Engine,
    weights: Option<Slot>,
    integers: Vec<f64>,
    length: Option<Slot>,
    trace: Trace,
    report: bool,
    keep: bool,
    /// The rows of the last run's matrix, if they were selected.
    selected: Vec<usize>,
}

impl Rule {
    /// Allocates everything that running this rule on such matrices needs.
    ///
    /// ```
    /// use byzagg::{DType, Device, Matrix, Rule, Shape};
    ///
    /// // Five workers, one of which sends nonsense.
    /// let nan = f32::NAN;
    /// let x = [1.0, 2.0, /**/ 1.1, 2.1, /**/ 0.9, 1.9, /**/ 1.0, 2.0, /**/ nan, 1e30];
    ///
    /// let rule: Rule = "ctma(median,f=1)".parse()?;
    /// let mut aggregator = rule.prepare(&Device::cpu(), &Shape::new(5, 2), DType::F32)?;
    /// let mut out = [0.0; 2];
    /// aggregator.run(Matrix::new(&x, 5, 2)?, &mut out[..])?;
    /// assert_eq!(out, [1.0, 2.0]);
    /// # Ok::<(), byzagg::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Parameter`] when n workers can't satisfy the rule, [`Error::Shape`] when the shape is
    /// empty.
    pub fn prepare(&self, device: &Device, shape: &Shape, input: DType) -> Result<Prepared> {
        self.prepare_with(device, shape, input, Options::new())
    }

    /// [`prepare`](Rule::prepare) with options.
    ///
    /// # Errors
    /// As [`prepare`](Rule::prepare); also [`Error::Weights`] when a part of the rule does not define
    /// weights.
    pub fn prepare_with(
        &self,
        device: &Device,
        shape: &Shape,
        input: DType,
        options: Options,
    ) -> Result<Prepared> {
        let Options {
            weighted, report, ..
        } = options;
        let plan = match options.keep {
            true => self.plan_to_keep(shape.n(), weighted, report)?,
            false => self.plan(shape.n(), weighted, report)?,
        };
        let types = (input, options.output);
        Ok(Prepared {
            rule: self.clone(),
            engine: Engine::new(device, shape, types, plan.steps, plan.arena)?,
            weights: plan.weights,
            integers: vec![0.0; if weighted { shape.n() } else { 0 }],
            length: plan.length,
            trace: plan.trace,
            report,
            keep: options.keep,
            selected: Vec::with_capacity(if report { shape.n() } else { 0 }),
        })
    }
}

impl Prepared {
    /// Aggregates a matrix into an output: d elements, or one slice per block.
    ///
    /// # Errors
    /// [`Error::Shape`] and [`Error::DType`] when the matrix or the output is not what was prepared
    /// for, [`Error::Weights`] when weights were promised.
    pub fn run<'a, 'b>(
        &mut self,
        x: impl Into<Matrix<'a>>,
        output: impl Into<Output<'b>>,
    ) -> Result<()> {
        self.run_with(x, output, &Run::new())
    }

    /// [`run`](Prepared::run) with weights, or at a step.
    ///
    /// # Errors
    /// As [`run`](Prepared::run); also when the weights are unusable, or a start is missing or not needed.
    pub fn run_with<'a, 'b>(
        &mut self,
        x: impl Into<Matrix<'a>>,
        output: impl Into<Output<'b>>,
        run: &Run<'_>,
    ) -> Result<()> {
        let (x, mut output) = (x.into(), output.into());
        let result = self
            .operands(&x, &mut output, run)
            .and_then(|operands| self.engine.run(operands));
        self.ended(&x, result)
    }

    /// Appends a run to the caller's encoder: the matrix and the output are in wgpu buffers, nothing waits,
    /// and the result is there when the caller has submitted the commands.
    ///
    /// One aggregator's runs share its workspace, so their commands must be submitted in the order in
    /// which they were encoded.
    ///
    /// # Errors
    /// As [`run_with`](Prepared::run_with); also when a part of the rule runs on the host
    /// ([`host_syncs`](Prepared::host_syncs) is not 0), or the rule was prepared for another kind of device.
    #[cfg(feature = "wgpu")]
    pub fn encode<'a, 'b>(
        &mut self,
        encoder: &mut ::wgpu::CommandEncoder,
        x: impl Into<Matrix<'a>>,
        output: impl Into<Output<'b>>,
        run: &Run<'_>,
    ) -> Result<()> {
        let (x, mut output) = (x.into(), output.into());
        let result = self
            .operands(&x, &mut output, run)
            .and_then(|operands| self.engine.encode(encoder, operands));
        self.ended(&x, result)
    }

    /// Checks what a run is given, and takes its weights.
    fn operands<'r, 'x, 'o>(
        &mut self,
        x: &'r Matrix<'x>,
        output: &'r mut Output<'o>,
        run: &Run<'r>,
    ) -> Result<Operands<'r, 'x, 'o>> {
        let operands = Operands {
            x,
            anchor: run.start,
            output,
            number: run.step,
            changed: run.changed,
        };
        self.engine.check(&operands)?;
        check_changed(run.changed, self.keep, self.shape().n())?;
        self.take_length(run.clip)?;
        self.take_weights(run.weights)?;
        Ok(operands)
    }

    /// Keeps what a report names workers by; after an error, nothing that was kept.
    fn ended(&mut self, x: &Matrix<'_>, result: Result<()>) -> Result<()> {
        if result.is_err() {
            self.engine.forget();
            return result;
        }
        self.selected.clear();
        if self.report {
            self.selected.extend(x.selected().unwrap_or_default());
        }
        result
    }

    fn take_length(&mut self, length: Option<f64>) -> Result<()> {
        let say = |length: Option<f64>| length.map_or("none".into(), |c| format!("{c}"));
        match (length, self.length) {
            (None, None) => Ok(()),
            (Some(c), Some(slot)) if c >= 0.0 => {
                // Nothing that is longer has a length.
                self.engine.set(slot, &[c.min(f64::from(f32::MAX))]);
                Ok(())
            }
            (_, slot) => {
                let expected = match slot {
                    Some(_) => {
                        "a length of at least 0 to clip to, which the rule needs (Run::clip)"
                    }
                    None => "no length to clip to, as the rule has its own or clips nothing",
                };
                Err(Error::shape("run", expected, say(length)))
            }
        }
    }

    fn take_weights(&mut self, weights: Option<&[f64]>) -> Result<()> {
        match (weights, self.weights) {
            (None, None) => Ok(()),
            (Some(given), Some(slot)) => {
                weights::to_integers(given, &mut self.integers)?;
                self.engine.set(slot, &self.integers);
                Ok(())
            }
            (given, _) => {
                let say = |weighted| if weighted { "weights" } else { "no weights" };
                Err(Error::Weights {
                    needs: format!("{}, as prepared", say(given.is_none())),
                    got: say(given.is_some()).into(),
                })
            }
        }
    }

    /// The rule.
    pub fn rule(&self) -> &Rule {
        &self.rule
    }

    /// The shape that it was prepared for.
    pub fn shape(&self) -> &Shape {
        &self.engine.shape
    }

    /// The device that it runs on.
    pub fn device(&self) -> &Device {
        &self.engine.device
    }

    /// Bytes that the workspace holds.
    pub fn workspace_bytes(&self) -> usize {
        self.engine.bytes()
            + size_of_val(&self.integers[..])
            + self.selected.capacity() * size_of::<usize>()
    }

    /// How often a run waits for the device in the middle, because a part of the rule runs on the host:
    /// never on the CPU, where nothing is asynchronous.
    pub fn host_syncs(&self) -> usize {
        self.engine.host_syncs()
    }

    /// How often the inner products that are kept have been computed afresh, about a new centre, instead of
    /// updated: the first run, each run that did not say what had changed, and whenever the centre was no
    /// longer among the rows. Counted for each problem of a batch; 0 without [`Options::keep_geometry`].
    pub fn renewals(&self) -> u64 {
        self.engine.renewals()
    }

    /// Passes over the matrix or part of it in a run.
    pub fn dispatches(&self) -> usize {
        self.engine.dispatches()
    }

    /// Bytes that the last run had to move: matrix rows read, output written. Before the first run as
    /// if every row were read. Waits for a GPU, which alone knows the coefficients.
    pub fn bytes_moved(&self) -> usize {
        self.engine.bytes_moved()
    }

    /// What happened in the last run: who was cut, and why. One report per problem of a batch.
    ///
    /// # Errors
    /// [`Error::Shape`] when it was not prepared with [`Options::report`] or has not run yet,
    /// [`Error::Device`] when the device that it ran on fails.
    pub fn report(&self) -> Result<Vec<Report>> {
        let got = match (self.report, self.engine.ran()) {
            (true, true) => None,
            (false, _) => Some("no Options::report"),
            (true, false) => Some("no run yet"),
        };
        if let Some(got) = got {
            let expected = "a rule prepared with Options::report that has run";
            return Err(Error::shape("report", expected, got));
        }
        let all: Vec<usize> = (0..self.shape().n()).collect();
        let rows = match &self.selected[..] {
            [] => &all,
            selected => selected,
        };
        let weights = self.weights.map(|_| &self.integers[..]);
        let arena = self.engine.arena()?;
        let of = |p| report::of(&self.trace, arena.problem(p), rows, weights);
        Ok((0..self.shape().problems()).map(of).collect())
    }
}
