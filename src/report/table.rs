//! A report as a table in plain text.

use std::cmp::Ordering;
use std::fmt;

use super::reason::Short;
use super::{Reason, Report, Row, Worker};

/// Workers that a table shows unless asked for more.
const MOST: usize = 40;

impl fmt::Display for Report {
    /// The [`table`](Report::table) of at most 40 workers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.table(MOST))
    }
}

/// A number of a worker, if there is one.
type Number = fn(&Worker) -> Option<f64>;

/// A column: its title, and a worker's entry.
type Column<'a> = (&'static str, Box<dyn Fn(usize) -> String + 'a>);

impl Report {
    /// What was decided in a line or two, a line per worker, and the notes.
    ///
    /// Of more than `most` workers those that stand out are listed: the cut ones, or the kept ones if
    /// they are fewer, the farthest first. The last line says what is left out.
    pub fn table(&self, most: usize) -> String {
        let mut text = self.summary();
        let shown = self.shown(most);
        let columns = self.columns();
        let mut lines = vec![vec![]; shown.len() + 1];
        for (title, entry) in &columns {
            lines[0].push(title.to_string());
            for (line, &i) in lines[1..].iter_mut().zip(&shown) {
                line.push(entry(i));
            }
        }
        let width = |column: usize| {
            let lengths = lines.iter().map(|line| line[column].chars().count());
            lengths.max().unwrap_or(0)
        };
        let widths: Vec<_> = (0..columns.len()).map(width).collect();
        for line in &lines {
            let cells = line.iter().zip(&widths).enumerate();
            let cells: Vec<_> = cells
                .map(|(column, (cell, &width))| match column {
                    // Words to the left, numbers to the right.
                    1 | 2 => format!("{cell:<width$}"),
                    _ if column + 1 == line.len() => cell.clone(),
                    _ => format!("{cell:>width$}"),
                })
                .collect();
            text.push_str(cells.join("  ").trim_end());
            text.push('\n');
        }
        if shown.len() < self.workers.len() {
            text.push_str(&self.left_out(&shown));
        }
        for note in &self.notes {
            text.push_str(&format!("note: {note}\n"));
        }
        text
    }

    /// How many were kept and cut, and where the line is.
    fn summary(&self) -> String {
        let n = self.workers.len();
        let count = |kept| self.workers.iter().filter(|w| w.kept == Some(kept)).count();
        let (kept, cut) = (count(true), count(false));
        let mut text = match kept + cut {
            0 => format!("{n} workers; every column decides which values count\n"),
            decided if decided == n => format!("{n} workers, {kept} kept, {cut} cut\n"),
            _ => format!("{n} workers, {cut} cut; every column decides about the others\n"),
        };
        if let Some(line) = &self.threshold {
            let last = Short(line.last_kept);
            let averaged =
                |reason: &Reason| matches!(reason, Reason::Mixed { .. } | Reason::Bucket { .. });
            let mixed = self.workers.iter().any(|w| w.reasons.iter().any(averaged));
            text.push_str(if mixed {
                "kept of the averaged rows: "
            } else {
                "kept: "
            });
            text.push_str(&format!("{} up to {last}", line.by));
            match line.first_cut {
                Some(first) => text.push_str(&format!(", the next is {}\n", Short(first))),
                None => text.push('\n'),
            }
        }
        if self.workers.iter().any(|w| w.distance.is_some()) {
            text.push_str(&format!("distance: to {}\n", self.distances_to));
        }
        text
    }

    fn columns(&self) -> Vec<Column<'_>> {
        let mut columns: Vec<Column<'_>> = vec![
            ("worker", Box::new(|i| self.workers[i].index.to_string())),
            ("row", Box::new(|i| self.workers[i].row.name().into())),
            ("use", Box::new(|i| used(&self.workers[i]).into())),
        ];
        let numbers: [(_, Number); 4] = [
            ("coefficient", |w| w.coefficient),
            ("share", |w| w.share),
            ("distance", |w| w.distance),
            ("score", |w| w.score),
        ];
        for (title, number) in numbers {
            if self.workers.iter().any(|w| number(w).is_some()) {
                let entry = move |i: usize| match number(&self.workers[i]) {
                    Some(x) => Short(x).to_string(),
                    None => "-".into(),
                };
                columns.push((title, Box::new(entry)));
            }
        }
        columns.push(("why", Box::new(|i| self.workers[i].why())));
        columns
    }

    /// The workers that are listed.
    fn shown(&self, most: usize) -> Vec<usize> {
        let mut shown: Vec<_> = (0..self.workers.len()).collect();
        if shown.len() > most {
            let count = |kept| self.workers.iter().filter(|w| w.kept == kept).count();
            let fewer = Some(count(Some(true)) < count(Some(false)));
            shown.sort_by(|&a, &b| stands_out(&self.workers[a], &self.workers[b], fewer));
            shown.truncate(most);
        }
        shown
    }

    fn left_out(&self, shown: &[usize]) -> String {
        let mut is_shown = vec![false; self.workers.len()];
        shown.iter().for_each(|&i| is_shown[i] = true);
        let rest = || {
            let all = self.workers.iter().zip(&is_shown);
            all.filter(|(_, shown)| !**shown).map(|(w, _)| w)
        };
        let mut text = format!("{} more", rest().count());
        for (kept, name) in [(Some(true), "kept"), (Some(false), "cut")] {
            let count = rest().filter(|w| w.kept == kept).count();
            if count > 0 {
                text.push_str(&format!(", {count} {name}"));
            }
        }
        let distances = || rest().filter_map(|w| w.distance);
        if distances().count() > 0 {
            let least = Short(distances().fold(f64::INFINITY, f64::min));
            let most = Short(distances().fold(0.0, f64::max));
            text.push_str(&format!(", distances {least} to {most}"));
        }
        text.push('\n');
        text
    }
}

fn used(worker: &Worker) -> &'static str {
    match worker.kept {
        Some(true) => "kept",
        Some(false) => "cut",
        None => "-",
    }
}

/// The fewer first, kept or cut; of these the rows that are not finite, then the farthest.
fn stands_out(a: &Worker, b: &Worker, fewer: Option<bool>) -> Ordering {
    let group = |w: &Worker| {
        let first = w.kept == fewer && w.row != Row::NotRead;
        (!first, w.row != Row::NotFinite, w.row != Row::Far)
    };
    let measure = |w: &Worker| w.score.or(w.distance).unwrap_or(-1.0);
    group(a)
        .cmp(&group(b))
        .then(measure(b).total_cmp(&measure(a)))
}
