//! The blocks of a matrix, and some rows of all of them: partial participation.

use crate::{Error, Matrix, Result};

/// A view of rows, some of which can be selected.
pub trait View<'a>: Copy {
    fn n(&self) -> usize;
    fn d(&self) -> usize;
    /// The view with these of its rows, in this order. Indices have been [checked](check).
    fn select(self, rows: &'a [usize]) -> Self;
}

/// The blocks of a matrix, one or the layers of a model, and which of their rows count.
#[derive(Clone, Copy, Debug)]
pub struct Blocks<'a, B> {
    list: List<'a, B>,
    rows: Option<&'a [usize]>,
}

#[derive(Clone, Copy, Debug)]
enum List<'a, B> {
    One(B),
    Many(&'a [B]),
}

impl<'a, B: View<'a>> Blocks<'a, B> {
    pub fn one(block: B) -> Self {
        let list = List::One(block);
        Blocks { list, rows: None }
    }

    pub fn many(blocks: &'a [B]) -> Self {
        let list = List::Many(blocks);
        Blocks { list, rows: None }
    }

    fn all(&self) -> &[B] {
        match &self.list {
            List::One(block) => std::slice::from_ref(block),
            List::Many(blocks) => blocks,
        }
    }

    /// A block with its selected rows.
    #[inline]
    pub fn get(&self, i: usize) -> B {
        let block = self.all()[i];
        match self.rows {
            None => block,
            Some(rows) => block.select(rows),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = B> + '_ {
        (0..self.all().len()).map(|i| self.get(i))
    }

    /// The rows that were selected, if any were.
    pub fn selected(&self) -> Option<&'a [usize]> {
        self.rows
    }

    pub(super) fn select(self, rows: &'a [usize]) -> Self {
        let rows = Some(rows);
        Blocks { rows, ..self }
    }
}

impl<'a> Matrix<'a> {
    /// Some rows of this matrix, in any order, where they are: row i of the view is row `rows[i]`. For
    /// rounds in which not every worker takes part. Nothing is copied, and the other rows are not read.
    ///
    /// All that counts rows counts the view's: [`Shape`](crate::Shape)'s n, weights, a pivot, ties. A
    /// [`Report`](crate::Report) names each worker by its row in the whole matrix
    /// ([`Worker::index`](crate::Worker::index)).
    ///
    /// ```
    /// use byzagg::{DType, Device, Matrix, Rule, Shape};
    ///
    /// let nan = f32::NAN; // Workers 1 and 3 sent nothing this round.
    /// let x = [1.0, 2.0, /**/ nan, nan, /**/ 3.0, 4.0, /**/ nan, nan, /**/ 9.0, 0.0];
    /// let here = [4, 0, 2];
    ///
    /// let rule: Rule = "median".parse()?;
    /// let shape = Shape::new(here.len(), 2);
    /// let mut aggregator = rule.prepare(&Device::cpu(), &shape, DType::F32)?;
    /// let mut out = [0.0; 2];
    /// aggregator.run(Matrix::new(&x, 5, 2)?.select(&here)?, &mut out[..])?;
    /// assert_eq!(out, [3.0, 2.0]);
    /// # Ok::<(), byzagg::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] when the list is empty, an index is not a row, or a row is named twice, which
    /// would give one worker two votes. Also when rows were selected before: a view holds one list, so
    /// select from the whole matrix (`rows[i]` for each i of the inner list).
    pub fn select(self, rows: &'a [usize]) -> Result<Matrix<'a>> {
        const OP: &str = "Matrix::select";
        if let Some(before) = self.selected() {
            let expected = "a whole matrix, of which no rows have been selected";
            return Err(Error::shape(
                OP,
                expected,
                format!("a selection of {} rows", before.len()),
            ));
        }
        check(OP, rows, self.rows())?;
        Ok(self.with_rows(rows))
    }
}

/// Refuses a list of rows that is empty, or names one that is not there or was named before.
fn check(op: &'static str, rows: &[usize], n: usize) -> Result<()> {
    if rows.is_empty() {
        return Err(Error::shape(op, "at least one row", "none"));
    }
    if let Some(place) = rows.iter().position(|&row| row >= n) {
        let expected = format!("rows below {n}, the number of rows");
        let got = format!("row {} at place {place}", rows[place]);
        return Err(Error::shape(op, expected, got));
    }
    // A bit per row, for so many rows at a time: nothing is allocated.
    const WORDS: usize = 64;
    for start in (0..n).step_by(WORDS * 64) {
        let mut named = [0u64; WORDS];
        for (place, &row) in rows.iter().enumerate() {
            let Some(word) = row.checked_sub(start).and_then(|at| named.get_mut(at / 64)) else {
                continue;
            };
            let bit = 1 << ((row - start) % 64);
            if *word & bit != 0 {
                let first = rows.iter().position(|&other| other == row);
                let got = format!("row {row} at places {} and {place}", first.unwrap_or(place));
                return Err(Error::shape(op, "each row at most once", got));
            }
            *word |= bit;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn rows_are_named_once() {
        let say = |rows: &[usize], n| check("select", rows, n).unwrap_err().to_string();
        assert_eq!(say(&[], 3), "select: expected at least one row, got none");
        assert_eq!(
            say(&[0, 3], 3),
            "select: expected rows below 3, the number of rows, got row 3 at place 1"
        );
        assert_eq!(
            say(&[2, 0, 2], 3),
            "select: expected each row at most once, got row 2 at places 0 and 2"
        );
        // Across the windows of the check.
        let n = 20_000;
        let mut rows: Vec<usize> = (0..n).rev().collect();
        assert_eq!(check("select", &rows, n), Ok(()));
        rows[3] = 7000;
        assert!(say(&rows, n).ends_with("got row 7000 at places 3 and 12999"));
        rows[3] = usize::MAX;
        assert!(say(&rows, n).ends_with("at place 3"));
    }
}
