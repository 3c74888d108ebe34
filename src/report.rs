//! Who was cut, and why: the question that someone who runs a cluster asks first.

mod derive;
mod reason;
mod table;

pub(crate) use derive::of;
pub use reason::{Measure, Reason, Spread, Weighing};

/// What a run did with each worker. It prints as a table.
///
/// ```
/// use byzagg::{DType, Device, Matrix, Options, Reason, Rule, Shape};
///
/// let x = [1.0f32, 1.1, 0.9, 1.0, 1e6]; // five workers, the last of which attacks
/// let rule: Rule = "ctma(median,f=1)".parse()?;
/// let options = Options::new().report(true);
/// let mut aggregator = rule.prepare_with(&Device::cpu(), &Shape::new(5, 1), DType::F32, options)?;
/// aggregator.run(Matrix::new(&x, 5, 1)?, &mut [0.0f32][..])?;
///
/// let report = aggregator.report()?.remove(0);
/// assert_eq!(report.workers[4].kept, Some(false));
/// assert!(matches!(report.workers[4].reasons[..], [Reason::Ranked { rank: 5, kept: 4, .. }]));
/// assert_eq!(
///     report.workers[4].why(),
///     "distance 999999 to the centre ranks 5 of 5; the least 4 are kept",
/// );
/// println!("{report}");
/// # Ok::<(), byzagg::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// One entry per worker, in the order of the rows.
    pub workers: Vec<Worker>,
    /// What [`Worker::distance`] is measured to.
    pub distances_to: &'static str,
    /// Where the line between kept and cut lies, when the rule ranks.
    pub threshold: Option<Threshold>,
    /// What a person should know beyond the numbers.
    pub notes: Vec<String>,
}

/// What a run did with one worker's row.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Worker {
    /// Its row, in the whole matrix if the run's matrix was a [selection](crate::Matrix::select).
    pub index: usize,
    /// What the row holds.
    pub row: Row,
    /// Was it used? Unknown where every column decides for itself.
    pub kept: Option<bool>,
    /// Its coefficient in the output, when that is a combination of rows.
    pub coefficient: Option<f64>,
    /// The mean of its coefficients in the mixed rows that a coordinate-wise rule saw.
    pub share: Option<f64>,
    /// Its distance (see [`Report::distances_to`]).
    pub distance: Option<f64>,
    /// Krum's score: of its row, or of the row that a pre-aggregator put in its place.
    pub score: Option<f64>,
    /// Why it was kept or cut: what happened to its row, in order.
    pub reasons: Vec<Reason>,
}

/// The line between the rows that a rule kept and those that it cut. Of buckets, if it ranked these.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Threshold {
    /// What the rows are ranked by, the least first.
    pub by: Measure,
    /// How many are kept.
    pub kept: usize,
    /// Of how many that could be.
    pub of: usize,
    /// The largest value that was kept.
    pub last_kept: f64,
    /// The least value that was cut, if any was.
    pub first_cut: Option<f64>,
}

/// What a worker's row holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row {
    /// Finite numbers.
    Finite,
    /// Finite numbers, so large that a squared distance exceeds f32::MAX.
    Far,
    /// A NaN or an infinity.
    NotFinite,
    /// Unknown: its weight is 0, so it was not read.
    NotRead,
}

impl Row {
    /// A word for tables.
    pub fn name(self) -> &'static str {
        match self {
            Row::Finite => "finite",
            Row::Far => "far",
            Row::NotFinite => "not finite",
            Row::NotRead => "not read",
        }
    }
}

impl Worker {
    /// [`reasons`](Worker::reasons) in words, in one line.
    pub fn why(&self) -> String {
        let words: Vec<_> = self.reasons.iter().map(Reason::to_string).collect();
        words.join("; ")
    }
}
