//! `--rows 0,3,5-9`: which rows of the file take part.

use std::ops::RangeInclusive;

use crate::failure::{Failure, Outcome};

/// Rows in the order in which they were named, as ranges: nobody knows yet how many rows there are.
#[derive(Clone, Debug)]
pub struct Rows(Vec<RangeInclusive<usize>>);

impl Rows {
    /// For clap.
    pub fn parse(text: &str) -> Result<Self, String> {
        let range = |part: &str| {
            let number = |digits: &str| digits.trim().parse::<usize>().ok();
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            match (number(first), number(last)) {
                (Some(first), Some(last)) if first <= last => Ok(first..=last),
                (Some(_), Some(_)) => Err(format!("{part:?} begins behind its end")),
                _ => Err(format!("expected rows as in 0,3,5-9, got {part:?}")),
            }
        };
        text.split(',')
            .map(range)
            .collect::<Result<_, _>>()
            .map(Rows)
    }

    /// The rows of a file with n of them, each named once.
    pub fn of(&self, n: usize) -> Outcome<Vec<usize>> {
        let refuse = |expected: String, row: usize| {
            let reason = format!("--rows: expected {expected}, got row {row}");
            Err(Failure::new(reason))
        };
        let mut named = vec![false; n];
        let mut rows = Vec::new();
        for range in &self.0 {
            if *range.end() >= n {
                return refuse(format!("rows below {n}, the number of rows"), *range.end());
            }
            for row in range.clone() {
                if std::mem::replace(&mut named[row], true) {
                    return refuse("each row once".into(), row);
                }
                rows.push(row);
            }
        }
        Ok(rows)
    }
}
