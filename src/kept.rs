//! What changed between the runs of a plan whose inner products are kept.

use crate::plan::Changes;
use crate::{Error, Result};

/// Which rows the last run read, and which of them the next one may take as they were.
#[derive(Debug)]
pub(crate) struct Kept {
    /// Is what the last run left whole?
    valid: bool,
    /// Rows whose weight was positive then.
    read: Vec<bool>,
    changed: Vec<bool>,
}

impl Kept {
    pub fn new(n: usize) -> Self {
        Kept {
            valid: false,
            read: vec![false; n],
            changed: vec![false; n],
        }
    }

    pub fn bytes(&self) -> usize {
        size_of_val(&self.read[..]) + size_of_val(&self.changed[..])
    }

    /// Begins a run, on rows of which those of the given indices, all if there are none given, differ from
    /// the last run's. Until it is [done](Kept::done), what is kept is in pieces.
    pub fn begin(&mut self, claimed: Option<&[usize]>, weights: Option<&[f64]>) -> Changes<'_> {
        let known = std::mem::take(&mut self.valid);
        self.changed.fill(false);
        for &row in claimed.unwrap_or_default() {
            self.changed[row] = true;
        }
        for (row, (read, changed)) in self.read.iter_mut().zip(&mut self.changed).enumerate() {
            let reads = weights.is_none_or(|weights| weights[row] > 0.0);
            // What a row held while it was not read is not known.
            *changed = (*changed && reads) || reads != *read;
            *read = reads;
        }
        let count = self.changed.iter().filter(|changed| **changed).count();
        // From half of the rows on, all products cost little more, and the centre is a new one.
        if !known || claimed.is_none() || 2 * count > self.changed.len() {
            return Changes::All;
        }
        Changes::Rows(&self.changed)
    }

    /// The run is over.
    pub fn done(&mut self) {
        self.valid = true;
    }

    /// The next run can take nothing as it was.
    pub fn forget(&mut self) {
        self.valid = false;
    }
}

/// Refuses changed rows that there are not, or that say nothing because all rows are read each time.
pub(crate) fn check_changed(changed: Option<&[usize]>, keeps: bool, n: usize) -> Result<()> {
    let refuse = |expected: String, got: String| Err(Error::shape("run", expected, got));
    match changed {
        Some(rows) if !keeps => refuse(
            "no changed rows, as prepared without keeping the geometry".into(),
            format!("{} of them", rows.len()),
        ),
        Some(rows) => match rows.iter().find(|row| **row >= n) {
            Some(row) => refuse(format!("changed rows below {n}"), format!("row {row}")),
            None => Ok(()),
        },
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(changes: Changes<'_>) -> Option<Vec<bool>> {
        match changes {
            Changes::All => None,
            Changes::Rows(rows) => Some(rows.to_vec()),
        }
    }

    #[test]
    fn the_first_run_and_what_follows_a_failure_are_fresh() {
        let mut kept = Kept::new(3);
        assert_eq!(rows(kept.begin(Some(&[1]), None)), None);
        // It was not done.
        assert_eq!(rows(kept.begin(Some(&[1]), None)), None);
        kept.done();
        assert_eq!(
            rows(kept.begin(Some(&[1, 1]), None)),
            Some(vec![false, true, false])
        );
        kept.done();
        assert_eq!(rows(kept.begin(Some(&[]), None)), Some(vec![false; 3]));
        kept.done();
        assert_eq!(rows(kept.begin(None, None)), None);
        kept.done();
        assert_eq!(rows(kept.begin(Some(&[0, 2]), None)), None);
        kept.done();
        kept.forget();
        assert_eq!(rows(kept.begin(Some(&[1]), None)), None);
    }

    #[test]
    fn a_row_whose_weight_comes_or_goes_has_changed() {
        let mut kept = Kept::new(4);
        kept.begin(None, Some(&[1.0, 2.0, 0.0, 0.0]));
        kept.done();
        // Row 3 changed while nobody read it.
        let changes = kept.begin(Some(&[3]), Some(&[2.0, 2.0, 1.0, 0.0]));
        assert_eq!(rows(changes), Some(vec![false, false, true, false]));
        kept.done();
        let changes = kept.begin(Some(&[]), Some(&[0.0, 2.0, 1.0, 5.0]));
        assert_eq!(rows(changes), Some(vec![true, false, false, true]));
    }
}
