//! Who was cut, and why: the question that someone who runs a cluster asks first.

use crate::geometry::MAX_ITERATIONS;
use crate::plan::{CLASS_BAD, CLASS_FAR};
use crate::rule::Trace;

/// What a run did with each worker.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// One entry per worker, by index.
    pub workers: Vec<Worker>,
    /// What [`Worker::distance`] is measured to.
    pub distances_to: &'static str,
    /// What a person should know beyond the numbers.
    pub notes: Vec<String>,
}

/// What a run did with one worker's row.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Worker {
    /// What the row holds.
    pub row: Row,
    /// Was it used? Unknown for coordinate-wise rules, which decide column by column.
    pub kept: Option<bool>,
    /// Its coefficient in the output, when that is a combination of rows.
    pub coefficient: Option<f64>,
    /// The mean of its coefficients in the mixed rows that a coordinate-wise rule saw.
    pub share: Option<f64>,
    /// Its distance (see [`Report::distances_to`]).
    pub distance: Option<f64>,
    /// Krum's score.
    pub score: Option<f64>,
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

pub(crate) fn of(trace: &Trace, region: &[f64], n: usize, weights: Option<&[f64]>) -> Report {
    let get = |slot: Option<crate::plan::Slot>| slot.map(|slot| &region[slot.range()]);
    let (classes, distances) = (get(trace.classes), get(trace.distances));
    let (scores, coefficients) = (get(trace.scores), get(trace.coefficients));
    let mixing = get(trace.mixing);
    let workers: Vec<_> = (0..n)
        .map(|i| {
            let unread = weights.is_some_and(|w| w[i] == 0.0);
            let row = match classes.map(|class| class[i]) {
                _ if unread => Row::NotRead,
                Some(class) if class == CLASS_BAD => Row::NotFinite,
                Some(class) if class == CLASS_FAR => Row::Far,
                _ => Row::Finite,
            };
            let share = mixing.map(|mixing| {
                let column = mixing.iter().skip(i).step_by(n);
                column.clone().sum::<f64>() / column.count() as f64
            });
            let coefficient = coefficients.map(|c| c[i]);
            let used = coefficient.or(share).map(|c| c != 0.0 && !c.is_nan());
            Worker {
                row,
                kept: if unread { Some(false) } else { used },
                coefficient,
                share,
                distance: distances.map(|d| d[i].sqrt()).filter(|_| !unread),
                score: scores.map(|s| s[i]),
            }
        })
        .collect();
    let mut notes = Vec::new();
    let bad = workers.iter().filter(|w| w.row == Row::NotFinite).count();
    if bad > 0 {
        notes.push(format!("{bad} of {n} rows hold a NaN or an infinity"));
    }
    if coefficients.is_some_and(|c| c.iter().any(|c| c.is_nan())) {
        notes.push("no row could be used: the result is NaN".into());
    }
    if let Some([iterations, capped]) = get(trace.iterations) {
        notes.push(format!("{iterations} iterations"));
        if *capped != 0.0 {
            notes.push(format!(
                "not converged: stopped after {MAX_ITERATIONS} iterations"
            ));
        }
    }
    Report {
        workers,
        distances_to: if trace.to_centre {
            "the centre that ctma trims around"
        } else {
            "the output"
        },
        notes,
    }
}
