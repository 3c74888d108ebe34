//! The table and the files at the end.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::time::Duration;

use byzagg::Rule;

use crate::attack::Attack;
use crate::training::Outcome;
use crate::{Failure, Result, plot};

/// The outcomes of all rules under all attacks.
pub struct Report {
    pub rules: Vec<Rule>,
    pub attacks: Vec<Attack>,
    /// Attack after attack, in each the rules.
    outcomes: Vec<Outcome>,
}

impl Report {
    pub fn new(rules: Vec<Rule>, attacks: Vec<Attack>) -> Self {
        Report {
            rules,
            attacks,
            outcomes: Vec::new(),
        }
    }

    /// The next outcome.
    pub fn push(&mut self, outcome: Outcome) {
        self.outcomes.push(outcome);
    }

    pub fn outcome(&self, rule: usize, attack: usize) -> &Outcome {
        &self.outcomes[attack * self.rules.len() + rule]
    }

    /// Test accuracy in per cent and milliseconds per aggregation, in Markdown.
    pub fn table(&self) -> String {
        let mut rows = vec![vec!["accuracy in %".to_string()]];
        rows[0].extend(self.attacks.iter().map(|attack| attack.title()));
        rows[0].push("ms per aggregation".into());
        for (r, rule) in self.rules.iter().enumerate() {
            let mut row = vec![format!("`{rule}`")];
            let outcomes: Vec<&Outcome> = (0..self.attacks.len())
                .map(|a| self.outcome(r, a))
                .collect();
            row.extend(outcomes.iter().map(|outcome| match outcome.diverged {
                true => "NaN".into(),
                false => format!("{:.1}", 100.0 * outcome.accuracy()),
            }));
            let times = outcomes.iter().flat_map(|outcome| &outcome.times).copied();
            row.push(format!(
                "{:.3}",
                1e3 * median(times.collect()).as_secs_f64()
            ));
            rows.push(row);
        }
        markdown(&rows)
    }

    /// Writes the plot, the curves and the table.
    pub fn write(&self, prefix: &Path) -> Result<()> {
        let file = |extension: &str| {
            let mut name = prefix.as_os_str().to_owned();
            name.push(extension);
            name
        };
        let failed = |name: &std::ffi::OsStr, error: &dyn std::fmt::Display| {
            Failure::run(format!("{}: {error}", name.display()))
        };
        if let Some(folder) = prefix
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
        {
            fs::create_dir_all(folder).map_err(|error| failed(folder.as_os_str(), &error))?;
        }
        for (name, content) in [
            (file(".csv"), self.curves()),
            (file(".md"), self.table()),
            (file(".svg"), plot::svg(self)?),
        ] {
            fs::write(&name, content).map_err(|error| failed(&name, &error))?;
        }
        Ok(())
    }

    /// One line for each measured accuracy.
    fn curves(&self) -> String {
        let mut text = String::from("attack,rule,step,accuracy\n");
        for (a, attack) in self.attacks.iter().enumerate() {
            for (r, rule) in self.rules.iter().enumerate() {
                for (step, accuracy) in &self.outcome(r, a).curve {
                    writeln!(text, "{attack},\"{rule}\",{step},{accuracy:.4}")
                        .expect("a string takes all");
                }
            }
        }
        text
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// An aligned table; the first row is the head, all columns but the first are numbers.
fn markdown(rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    let mut text = String::new();
    for (i, row) in rows.iter().enumerate() {
        for (column, (cell, &width)) in row.iter().zip(&widths).enumerate() {
            let space = " ".repeat(width - cell.chars().count());
            text += &if column == 0 {
                format!("| {cell}{space} ")
            } else {
                format!("| {space}{cell} ")
            };
        }
        text += "|\n";
        if i == 0 {
            text += &format!("|{}|", "-".repeat(widths[0] + 2));
            text.extend(
                widths[1..]
                    .iter()
                    .map(|&width| format!("{}:|", "-".repeat(width + 1))),
            );
            text += "\n";
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mut report = Report::new(
            vec!["mean".parse().unwrap(), "median".parse().unwrap()],
            vec![Attack::Nan],
        );
        let milliseconds = [1, 9, 2].map(Duration::from_millis).to_vec();
        for (diverged, accuracy) in [(true, 0.0), (false, 0.9)] {
            let curve = vec![(0, 0.1), (5, accuracy)];
            report.push(Outcome {
                curve,
                diverged,
                times: milliseconds.clone(),
            });
        }
        report
    }

    #[test]
    fn tables_are_aligned_markdown() {
        let expected = "\
| accuracy in % |  NaN | ms per aggregation |
|---------------|-----:|-------------------:|
| `mean`        |  NaN |              2.000 |
| `median`      | 90.0 |              2.000 |
";
        assert_eq!(report().table(), expected);
    }

    #[test]
    fn curves_are_csv() {
        let expected = "attack,rule,step,accuracy\n\
            nan,\"mean\",0,0.1000\nnan,\"mean\",5,0.0000\nnan,\"median\",0,0.1000\nnan,\"median\",5,0.9000\n";
        assert_eq!(report().curves(), expected);
    }

    #[test]
    fn the_plot_names_rules_and_attacks() {
        let svg = plot::svg(&report()).unwrap();
        for text in ["<svg", "median", "mean", "NaN", "</svg>"] {
            assert!(svg.contains(text), "{text}");
        }
    }
}
