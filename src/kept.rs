//! What changed between the runs of a plan whose inner products are kept.

use crate::{Error, Result};

/// Which rows the last run read, and which of them the next one may take as they were.
#[derive(Debug)]
pub(crate) struct Kept {
    /// Is what the last run left whole?
    valid: bool,
    /// Rows whose weight was positive then.
    read: Vec<bool>,
    changed: Vec<bool>,
    /// The points that changed: rows, and the given vector, which is another one in every run.
    points: Vec<usize>,
    given: Option<usize>,
}

impl Kept {
    /// For n rows, and perhaps a given vector of that index.
    pub fn new(n: usize, given: Option<usize>) -> Self {
        Kept {
            valid: false,
            read: vec![false; n],
            changed: vec![false; n],
            points: Vec::with_capacity(n + 1),
            given,
        }
    }

    pub fn bytes(&self) -> usize {
        let points = self.points.capacity() * size_of::<usize>();
        size_of_val(&self.read[..]) + size_of_val(&self.changed[..]) + points
    }

    /// Begins a run, on rows of which those of the given indices, all if there are none given, differ from
    /// the last run's. Says which points do, in order; all may, if it says none. Until the run is
    /// [done](Kept::done), what is kept is in pieces.
    pub fn begin(
        &mut self,
        claimed: Option<&[usize]>,
        weights: Option<&[f64]>,
    ) -> Option<&[usize]> {
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
        let changed = (0..).zip(&self.changed).filter(|(_, changed)| **changed);
        self.points.clear();
        self.points.extend(changed.map(|(row, _)| row));
        let count = self.points.len();
        self.points.extend(self.given);
        // From half of the rows on, all products cost little more, and the centre is a new one.
        let some = known && claimed.is_some() && 2 * count <= self.changed.len();
        some.then_some(&self.points[..])
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

    #[test]
    fn the_first_run_and_what_follows_a_failure_are_fresh() {
        let mut kept = Kept::new(3, None);
        assert_eq!(kept.begin(Some(&[1]), None), None);
        // It was not done.
        assert_eq!(kept.begin(Some(&[1]), None), None);
        kept.done();
        assert_eq!(kept.begin(Some(&[1, 1]), None), Some(&[1][..]));
        kept.done();
        assert_eq!(kept.begin(Some(&[]), None), Some(&[][..]));
        kept.done();
        assert_eq!(kept.begin(None, None), None);
        kept.done();
        assert_eq!(kept.begin(Some(&[0, 2]), None), None);
        kept.done();
        kept.forget();
        assert_eq!(kept.begin(Some(&[1]), None), None);
    }

    #[test]
    fn a_row_whose_weight_comes_or_goes_has_changed() {
        let mut kept = Kept::new(4, None);
        kept.begin(None, Some(&[1.0, 2.0, 0.0, 0.0]));
        kept.done();
        // Row 3 changed while nobody read it.
        let changes = kept.begin(Some(&[3]), Some(&[2.0, 2.0, 1.0, 0.0]));
        assert_eq!(changes, Some(&[2][..]));
        kept.done();
        let changes = kept.begin(Some(&[]), Some(&[0.0, 2.0, 1.0, 5.0]));
        assert_eq!(changes, Some(&[0, 3][..]));
    }

    #[test]
    fn a_given_vector_is_always_another_one() {
        let mut kept = Kept::new(4, Some(5));
        assert_eq!(kept.begin(Some(&[]), None), None);
        kept.done();
        assert_eq!(kept.begin(Some(&[]), None), Some(&[5][..]));
        kept.done();
        assert_eq!(kept.begin(Some(&[3, 0]), None), Some(&[0, 3, 5][..]));
    }
}
