//! What `aggregate` and `explain` share: a rule, a matrix, weights, and one run.

use std::path::{Path, PathBuf};
use std::time::Instant;

use byzagg::{
    Block, DType, Device, Element, Matrix, Options, OutputElement, Prepared, Rule, Run, Shape,
};
use clap::Args;
use half::f16;

use crate::failure::{Failure, Outcome};
use crate::file::Destination;
use crate::npy::Npy;
use crate::rows::Rows;
use crate::say;

#[derive(Args)]
pub struct Source {
    /// The rule, as in 'ctma(nnm(cwtm(f=3),f=3),f=3)'; `byzagg rules` lists them
    #[arg(long, value_name = "EXPR")]
    pub rule: String,

    /// Only these rows take part, as in 0,3,5-9, each once. They keep their numbers in reports; EXPR
    /// counts them from 0 in this order (pivot=)
    #[arg(long, value_name = "LIST", value_parser = Rows::parse, allow_hyphen_values = true)]
    pub rows: Option<Rows>,

    /// One weight per row of INPUT: a .npy vector of n finite numbers ≥ 0
    #[arg(long, value_name = "W.npy")]
    pub weights: Option<PathBuf>,

    /// What a rule such as 'cc(start=given)' starts from: a .npy vector of d numbers of the result's type.
    /// It may be OUTPUT, which is replaced: the last result is the next start
    #[arg(long, value_name = "V.npy")]
    pub start: Option<PathBuf>,

    /// auto, cpu, cuda[:i] or wgpu[:i]; `byzagg devices` lists them
    #[arg(long, default_value = "auto")]
    pub device: String,

    /// The number of the training step, on which bucketing's permutation depends
    #[arg(
        long,
        default_value_t = 0,
        value_name = "S",
        allow_negative_numbers = true
    )]
    pub step: u64,

    /// n × d numbers: float32, float16 or float64 (which is rounded to float32), in C or Fortran
    /// order. Mapped, not loaded: it may be larger than the memory
    #[arg(value_name = "INPUT.npy")]
    pub input: PathBuf,
}

impl Source {
    /// An error if one of the files that will be written is read, or another one.
    pub fn check_written(&self, written: &[(&str, Option<&Destination>)]) -> Outcome {
        let read = [
            ("INPUT", Some(&self.input)),
            ("the weights", self.weights.as_ref()),
            ("the start", self.start.as_ref()),
        ];
        for (at, (writing, destination)) in written.iter().enumerate() {
            let Some(destination) = destination else {
                continue;
            };
            for (reading, path) in read {
                // A result may take its start's place.
                let state = (*writing, reading) == ("OUTPUT", "the start");
                if let Some(path) = path
                    && destination.is(path)
                    && !state
                {
                    let reason = format!("{writing} would overwrite {reading}");
                    return Err(Failure::of(path, reason));
                }
            }
            for (other, same) in &written[..at] {
                if same.is_some_and(|same| same == *destination) {
                    let reason = format!("{other} is also {writing}");
                    return Err(Failure::of(&destination.path(), reason));
                }
            }
        }
        Ok(())
    }

    /// Checks all that can be checked without reading the matrix.
    pub fn open(&self) -> Outcome<Job<'_>> {
        let rule: Rule = self.rule.parse()?;
        let device = Device::named(&self.device)?;
        let input = Npy::open(&self.input)?;
        let &[n, d] = input.shape() else {
            return Err(input.refuse(format!(
                "expected a matrix of n × d numbers, got an array of shape {}",
                input.shape_text()
            )));
        };
        let dtype = input.dtype()?;
        if n == 0 || d == 0 {
            return Err(input.refuse(format!(
                "expected at least one row and one column, got {n} × {d}"
            )));
        }
        let rows = match &self.rows {
            Some(rows) => Some(rows.of(n)?),
            None => None,
        };
        let all = n;
        let n = rows.as_ref().map_or(all, Vec::len);
        rule.check(n, self.weights.is_some())?;
        if rule.needs_length() {
            let reason = format!("{rule}: c=given is for training loops; here expected c=LENGTH");
            return Err(Failure::new(reason));
        }
        let mut weights = match &self.weights {
            Some(path) => Some(read_weights(path, all)?),
            None => None,
        };
        if let (Some(weights), Some(rows)) = (&mut weights, &rows) {
            *weights = rows.iter().map(|&row| weights[row]).collect();
        }
        let start = match (&self.start, rule.needs_start()) {
            (Some(path), true) => Some(open_start(path, d, dtype.output())?),
            (None, false) => None,
            (Some(path), false) => {
                return Err(Failure::of(path, format!("{rule} starts from zero")));
            }
            (None, true) => {
                let reason = format!("{rule}: --start is missing, the vector that it starts from");
                return Err(Failure::new(reason));
            }
        };
        Ok(Job {
            source: self,
            start,
            rule,
            device,
            input,
            dtype,
            all,
            rows,
            n,
            d,
            weights,
        })
    }
}

/// Opens a vector of d numbers of a type.
fn open_start(path: &Path, d: usize, dtype: DType) -> Outcome<Npy> {
    let file = Npy::open(path)?;
    if file.shape() != [d] || file.dtype()? != dtype {
        let got = format!("{} of shape {}", file.dtype()?, file.shape_text());
        return Err(file.refuse(format!(
            "expected a start of {d} numbers of {dtype}, the result's type, got {got}"
        )));
    }
    Ok(file)
}

fn read_weights(path: &Path, n: usize) -> Outcome<Vec<f64>> {
    let file = Npy::open(path)?;
    if file.shape() != [n] {
        return Err(file.refuse(format!(
            "expected a vector of {n} weights, one per row, got an array of shape {}",
            file.shape_text()
        )));
    }
    let weights = file.numbers()?;
    file.check_unchanged()?;
    Ok(weights)
}

/// A rule and a matrix that fit each other.
pub struct Job<'a> {
    source: &'a Source,
    start: Option<Npy>,
    pub rule: Rule,
    pub device: Device,
    pub input: Npy,
    pub dtype: DType,
    /// Rows of the file.
    pub all: usize,
    /// Those that take part, if not all.
    pub rows: Option<Vec<usize>>,
    /// How many take part.
    pub n: usize,
    pub d: usize,
    /// A weight for each of these.
    pub weights: Option<Vec<f64>>,
}

/// What a run gave.
pub struct Done {
    pub prepared: Prepared,
    pub result: Vector,
    pub prepare_seconds: f64,
    pub seconds: f64,
}

/// A result of the type that the input asks for.
pub enum Vector {
    F32(Vec<f32>),
    F16(Vec<f16>),
}

impl Vector {
    pub fn dtype(&self) -> DType {
        match self {
            Vector::F32(_) => DType::F32,
            Vector::F16(_) => DType::F16,
        }
    }

    pub fn bytes(&self) -> &[u8] {
        match self {
            Vector::F32(values) => bytemuck::cast_slice(values),
            Vector::F16(values) => bytemuck::cast_slice(values),
        }
    }
}

impl Job<'_> {
    pub fn run(&self, report: bool) -> Outcome<Done> {
        match self.dtype {
            DType::F32 => self.aggregate::<f32, f32>(report, Vector::F32),
            DType::F16 => self.aggregate::<f16, f16>(report, Vector::F16),
            DType::F64 => self.aggregate::<f64, f32>(report, Vector::F32),
            other => Err(self.input.refuse(format!("can't aggregate {other}"))),
        }
    }

    fn aggregate<T: Element, O: OutputElement>(
        &self,
        report: bool,
        wrap: impl Fn(Vec<O>) -> Vector,
    ) -> Outcome<Done> {
        let (n, d) = (self.n, self.d);
        let elements = self.input.elements::<T>();
        let block = if self.input.is_fortran() {
            Block::strided(elements, self.all, d, 1, self.all)?
        } else {
            Block::new(elements, self.all, d)?
        };
        let mut matrix = Matrix::from(block);
        if let Some(rows) = &self.rows {
            matrix = matrix.select(rows)?;
        }
        let options = Options::new()
            .weighted(self.weights.is_some())
            .report(report)
            .output(O::DTYPE);
        let start = Instant::now();
        let mut prepared =
            self.rule
                .prepare_with(&self.device, &Shape::new(n, d), T::DTYPE, options)?;
        let prepare_seconds = start.elapsed().as_secs_f64();
        let mut result: Vec<O> = Vec::new();
        result
            .try_reserve_exact(d)
            .map_err(|_| Failure::new(format!("no memory for a result of {d} {}", O::DTYPE)))?;
        result.resize(d, O::from_f32(0.0));

        let mut run = Run::new().step(self.source.step);
        if let Some(weights) = &self.weights {
            run = run.weights(weights);
        }
        if let Some(start) = &self.start {
            run = run.start(Matrix::new(start.elements::<O>(), 1, d)?);
        }
        let clock = Instant::now();
        prepared.run_with(matrix, &mut result, &run)?;
        let seconds = clock.elapsed().as_secs_f64();
        for file in [Some(&self.input), self.start.as_ref()]
            .into_iter()
            .flatten()
        {
            file.check_unchanged()?;
        }
        Ok(Done {
            prepared,
            result: wrap(result),
            prepare_seconds,
            seconds,
        })
    }

    /// The rule and the size of what it was applied to.
    pub fn summary(&self) -> String {
        let size = format!("{} × {} {}", self.n, self.d, self.dtype);
        match self.rows {
            None => format!("{} of {size}", self.rule),
            Some(_) => format!("{} of {size} (of {} rows)", self.rule, self.all),
        }
    }

    /// What a person should know about how the input was read, on stderr.
    pub fn say_notes(&self) {
        if self.dtype == DType::F64 {
            say("note: float64 elements were rounded to float32, and so is the result");
        }
        if self.input.is_copied() {
            say("note: the elements are not aligned in the file, so they were copied into memory");
        }
    }
}
