//! Why a worker was kept or cut, as data and in words.

use std::fmt;

/// One thing that happened to a worker's row. Its text is a part of a sentence.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// Its weight is 0: it was not read.
    NoWeight,
    /// It holds a NaN or an infinity.
    NotFinite,
    /// It is so large that a squared distance exceeds f32::MAX.
    Far,
    /// It was clipped before the rule saw it.
    Clipped {
        /// To this share of its length.
        factor: f64,
    },
    /// It was averaged into a bucket, and what follows happened to the bucket.
    Bucket {
        /// The bucket's number.
        bucket: usize,
        /// Its rows.
        size: usize,
    },
    /// It was averaged into some of the rows that the rule saw.
    Mixed {
        /// Into how many.
        into: usize,
        /// Of how many.
        of: usize,
        /// How many of `into` count in the output, unless every column decides.
        used: Option<usize>,
    },
    /// It was averaged with a row that is not finite or too large.
    Spoiled,
    /// Rows were ranked, and the first ones kept.
    Ranked {
        /// By what.
        by: Measure,
        /// Its value.
        value: f64,
        /// Its place, from 1.
        rank: usize,
        /// How many were kept.
        kept: usize,
        /// Of how many that could be.
        of: usize,
        /// How much of it was kept: less than 1 where the line splits a weight.
        part: f64,
    },
    /// A set of rows was chosen as a whole.
    Set {
        /// The set of its size with the least spread.
        by: Spread,
        /// Rows in it.
        size: usize,
        /// Is this one of them?
        member: bool,
        /// The largest distance between two rows of the set.
        diameter: f64,
        /// The largest distance from this row to one of the set.
        reach: f64,
    },
    /// Bulyan's selection by repeated Krum; then every column decides.
    Selected {
        /// The round in which it was selected, from 1, if it was.
        round: Option<usize>,
        /// Rounds.
        of: usize,
    },
    /// Every row counts, some less.
    Weighed {
        /// By what.
        by: Weighing,
        /// Its coefficient, divided by its weight's share of the total.
        times: f64,
    },
    /// Every column decides for itself whose values count.
    Columns {
        /// Its place by distance to the output, from 1.
        rank: usize,
        /// Of how many.
        of: usize,
        /// Its distance in units of the median one, when that is positive and finite.
        times: Option<f64>,
    },
    /// Every row counts by its weight.
    Averaged,
}

/// What rows are ranked by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Measure {
    /// Krum's score: the sum of squared distances to the nearest others.
    Score,
    /// The distance to the centre that CTMA trims around.
    Centre,
    /// The distance to this row (a worker's by its [index](super::Worker::index)), MoNNA's pivot.
    Pivot(usize),
}

/// What a set of rows has least of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Spread {
    /// The largest distance between two of them (MDA).
    Diameter,
    /// The largest eigenvalue of their covariance (SMEA).
    Variance,
}

/// What takes weight from a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Weighing {
    /// Standing out along the directions in which rows vary most (CAF).
    Spread,
    /// The distance to the geometric median.
    Distance,
    /// The clipping of its difference to the centre.
    Clipping,
    /// Its part in the flag aggregator's subspace.
    Subspace,
}

impl Reason {
    /// Its kind in a word or two, for programs.
    pub fn name(&self) -> &'static str {
        match self {
            Reason::NoWeight => "no weight",
            Reason::NotFinite => "not finite",
            Reason::Far => "far",
            Reason::Clipped { .. } => "clipped",
            Reason::Bucket { .. } => "bucket",
            Reason::Mixed { .. } => "mixed",
            Reason::Spoiled => "spoiled",
            Reason::Ranked { .. } => "ranked",
            Reason::Set { .. } => "set",
            Reason::Selected { .. } => "selected",
            Reason::Weighed { .. } => "weighed",
            Reason::Columns { .. } => "columns",
            Reason::Averaged => "averaged",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Reason::NoWeight => f.write_str("its weight is 0"),
            Reason::NotFinite => f.write_str("it holds a NaN or an infinity"),
            Reason::Far => f.write_str("its squared distance exceeds f32::MAX"),
            Reason::Clipped { factor: 0.0 } => f.write_str("clipped to zero"),
            Reason::Clipped { factor } => write!(f, "clipped to {} of its length", Short(factor)),
            Reason::Bucket { bucket, size: 1 } => write!(f, "alone in bucket {bucket}"),
            Reason::Bucket { bucket, size } => {
                write!(f, "averaged with {} more into bucket {bucket}", size - 1)
            }
            Reason::Mixed { into, of, used } => {
                write!(f, "averaged into {into} of {of} rows")?;
                match used {
                    Some(0) => f.write_str(", none of which counts"),
                    Some(1) => f.write_str(", one of which counts"),
                    Some(used) => write!(f, ", {used} of which count"),
                    None => Ok(()),
                }
            }
            Reason::Spoiled => f.write_str("averaged with a row that is not finite"),
            Reason::Ranked {
                by,
                value,
                rank,
                kept,
                of,
                part,
            } => {
                let value = Short(value);
                match by {
                    Measure::Score => write!(f, "score {value}")?,
                    Measure::Centre => write!(f, "distance {value} to the centre")?,
                    Measure::Pivot(pivot) => write!(f, "distance {value} to worker {pivot}")?,
                }
                write!(f, " ranks {rank} of {of}; the least ")?;
                match kept {
                    1 => f.write_str("is kept")?,
                    kept => write!(f, "{kept} are kept")?,
                }
                if part > 0.0 && part < 1.0 {
                    write!(f, ", of this {} of its weight", Short(part))?;
                }
                Ok(())
            }
            Reason::Set {
                by,
                size,
                member,
                diameter,
                reach,
            } => {
                let least = match by {
                    Spread::Diameter => "with the least diameter",
                    Spread::Variance => "that vary least in their worst direction",
                };
                if member {
                    return write!(f, "one of the {size} {least}");
                }
                let (reach, diameter) = (Short(reach), Short(diameter));
                write!(f, "not one of the {size} {least}: ")?;
                write!(f, "up to {reach} from them, they up to {diameter} apart")
            }
            Reason::Selected { round, of } => match round {
                Some(round) => write!(f, "selected in round {round} of {of}; then by column"),
                None => write!(f, "not selected in {of} rounds of Krum"),
            },
            Reason::Weighed {
                by: Weighing::Spread,
                times: 0.0,
            } => f.write_str("no weight left after standing out along the widest directions"),
            Reason::Weighed { by, times } => {
                let (times, cause) = (
                    Short(times),
                    match by {
                        Weighing::Spread => "less along the widest directions",
                        Weighing::Distance => "less the farther out",
                        Weighing::Clipping => "less when clipped",
                        Weighing::Subspace => "by the part in the subspace",
                    },
                );
                write!(f, "{times} times an even share ({cause})")
            }
            Reason::Columns { rank, of, times } => {
                write!(f, "by column; distance ranks {rank} of {of}")?;
                match times {
                    Some(times) => write!(f, ", {} times the median", Short(times)),
                    None => Ok(()),
                }
            }
            Reason::Averaged => f.write_str("every row counts"),
        }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Measure::Score => f.write_str("Krum's score"),
            Measure::Centre => f.write_str("distance to the centre"),
            Measure::Pivot(pivot) => write!(f, "distance to worker {pivot}"),
        }
    }
}

/// A number to about four digits.
pub(super) struct Short(pub f64);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let x = self.0;
        let size = x.abs();
        if x == 0.0 || !x.is_finite() {
            return f.pad(&x.abs().to_string().replace("NaN", "nan"));
        }
        if !(1e-3..1e6).contains(&size) {
            return f.pad(&format!("{x:.2e}"));
        }
        let digits = 3 - size.log10().floor() as i32;
        let text = format!("{x:.*}", digits.max(0) as usize);
        f.pad(match text.contains('.') {
            true => text.trim_end_matches('0').trim_end_matches('.'),
            false => &text,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Short;

    #[test]
    fn numbers_are_short() {
        let text = |x: f64| Short(x).to_string();
        assert_eq!(text(-0.0), "0");
        assert_eq!(text(-0.125), "-0.125");
        assert_eq!(text(12.3456), "12.35");
        assert_eq!(text(2.0), "2");
        assert_eq!(text(123456.7), "123457");
        assert_eq!(text(1.234e-7), "1.23e-7");
        assert_eq!(text(4.0e20), "4.00e20");
        assert_eq!(text(f64::INFINITY), "inf");
        assert_eq!(text(f64::NAN), "nan");
    }
}
