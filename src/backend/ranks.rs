//! The numbers by which a device's kernel knows a statistic: cumulative weights between which values count, and
//! the coefficients of a mean.

use crate::plan::{Statistic, Ties, Trim};

/// What is computed of a column, whatever the number of rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Form {
    Median(Ties),
    Trimmed(Trim),
    /// f > 0.
    Around {
        f: usize,
    },
}

/// What a kernel is told of a statistic. Without weights every row weighs 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Ranks {
    /// The least and the greatest value with a share are the first ones whose cumulative weight exceeds these.
    pub low: i32,
    pub high: i32,
    /// The weight that is cut off at the lower end, rounded up; and where the upper cut begins, rounded down.
    pub start: i32,
    pub end: i32,
    /// What rounding up added to the cut: the share of a unit of weight that a cut goes through.
    pub part: f32,
    /// 1 / the weight that is kept.
    pub scale: f32,
    /// How many values are kept around the median.
    pub keep: i32,
}

impl Form {
    pub fn of(statistic: Statistic) -> Self {
        match statistic {
            Statistic::Median(ties) => Form::Median(ties),
            Statistic::TrimmedMean(trim) => Form::Trimmed(trim),
            Statistic::Mean | Statistic::MeanAroundMedian { f: 0 } => Form::Trimmed(Trim::F(0)),
            Statistic::MeanAroundMedian { f } => Form::Around { f },
        }
    }

    /// `total` is the weight of all rows, at most 2³⁰.
    pub fn ranks(self, rows: usize, weighted: bool, total: i32) -> Ranks {
        // The middle: the values at which the cumulative weight reaches half of the total, or exceeds it.
        let ranks = Ranks {
            low: (total - 1) / 2,
            high: total / 2,
            ..Ranks::default()
        };
        match self {
            Form::Median(Ties::Midpoint) => ranks,
            Form::Median(Ties::Lower) => Ranks {
                high: ranks.low,
                ..ranks
            },
            Form::Median(Ties::Upper) => Ranks {
                low: ranks.high,
                ..ranks
            },
            Form::Around { f } => {
                let keep = rows - f;
                Ranks {
                    keep: keep as i32,
                    scale: (1.0 / keep as f64) as f32,
                    ..ranks
                }
            }
            Form::Trimmed(_) => {
                let cut = self.cut(rows, weighted, total);
                Ranks {
                    low: cut.outside,
                    high: cut.beyond - 1,
                    start: cut.weight.ceil() as i32,
                    end: total - cut.weight.ceil() as i32,
                    part: cut.part() as f32,
                    scale: (1.0 / (f64::from(total) - 2.0 * cut.weight)) as f32,
                    ..ranks
                }
            }
        }
    }

    /// What a trimmed mean cuts off.
    pub fn cut(self, rows: usize, weighted: bool, total: i32) -> Cut {
        let weight = match self {
            Form::Trimmed(trim) => trim.cut(rows, f64::from(total)),
            _ => 0.0,
        };
        if weighted {
            Cut::new(weight, total)
        } else {
            Cut::new(snap(weight, rows), total)
        }
    }
}

/// Coefficients of a mean: its weights by their sum, or equal ones.
pub(crate) fn mean_coefficients(weights: Option<&[f64]>, n: usize) -> Vec<f64> {
    match weights {
        Some(weights) => {
            let total: f64 = weights.iter().sum();
            weights.iter().map(|w| w / total).collect()
        }
        None => vec![1.0 / n as f64; n],
    }
}

/// The weight that a trimmed mean cuts off at either end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Cut {
    weight: f64,
    /// The greatest cumulative weight that counts as `weight` or less.
    pub outside: i32,
    /// The least one that counts as `total − weight` or more.
    pub beyond: i32,
}

impl Cut {
    fn new(weight: f64, total: i32) -> Self {
        let whole = f64::from(total);
        let tolerance = 1e-9 * whole;
        let cut = Cut {
            weight,
            outside: (weight + tolerance).floor() as i32,
            beyond: (whole - weight - tolerance).ceil() as i32,
        };
        if cut.outside < cut.beyond {
            return cut;
        }
        // Nothing is left between the cuts. The limit is the middle, what a unit of weight there keeps.
        Cut {
            weight: 0.5 * (whole - 1.0),
            outside: (total - 1) / 2,
            beyond: total / 2 + 1,
        }
    }

    /// What is left of a unit of weight that the cut goes through; 0 if it goes through none.
    pub fn part(&self) -> f64 {
        self.weight.ceil() - self.weight
    }
}

/// A boundary within 1e-9·n of an integer is that integer.
fn snap(cut: f64, n: usize) -> f64 {
    let whole = cut.round();
    if (cut - whole).abs() <= 1e-9 * n as f64 {
        whole
    } else {
        cut
    }
}
