//! What came out of all trainings, arranged by rows and columns.

use super::config::{Config, Variant};
use super::curves::Point;
use super::plan::Plan;
use super::settings::{Quantity, Settings, Value};

pub struct Results<'a> {
    pub config: &'a Config,
    pub settings: &'a Settings,
    plans: &'a [Plan],
    points: &'a [Point],
    /// Of each value of each axis.
    titles: Vec<Vec<String>>,
}

/// The values of the axes that are neither rows nor columns nor seeds.
pub struct Section {
    pub title: String,
    at: Vec<Option<usize>>,
}

impl<'a> Results<'a> {
    pub fn new(config: &'a Config, plans: &'a [Plan], points: &'a [Point]) -> Self {
        let titles = (config.axes.iter().enumerate())
            .map(|(axis, of)| {
                let title = |(i, variant): (usize, &Variant)| {
                    let plans = (config.cells.iter().zip(plans))
                        .filter(|(cell, _)| cell.at[axis] == i)
                        .map(|(_, plan)| plan);
                    title(&of.key, plans).unwrap_or_else(|| variant.label.clone())
                };
                of.values.iter().enumerate().map(title).collect()
            })
            .collect();
        Results {
            config,
            settings: &config.cells[0].settings,
            plans,
            points,
            titles,
        }
    }

    /// Titles of the rows; one if there is no such axis.
    pub fn rows(&self) -> Vec<String> {
        self.names(&self.settings.table.rows)
    }

    pub fn columns(&self) -> Vec<String> {
        self.names(&self.settings.table.columns)
    }

    fn names(&self, key: &str) -> Vec<String> {
        match self.config.axis(key) {
            Some(axis) => self.titles[axis].clone(),
            None => vec![title(key, self.plans.iter()).unwrap_or_default()],
        }
    }

    pub fn sections(&self) -> Vec<Section> {
        let table = &self.settings.table;
        let inside = [table.rows.as_str(), table.columns.as_str(), "seed"];
        let mut sections: Vec<Section> = Vec::new();
        for cell in &self.config.cells {
            let axes = || self.config.axes.iter().enumerate();
            let at: Vec<_> = axes()
                .map(|(i, axis)| (!inside.contains(&axis.key.as_str())).then_some(cell.at[i]))
                .collect();
            if sections.iter().any(|section| section.at == at) {
                continue;
            }
            let parts: Vec<_> = axes()
                .filter_map(|(i, axis)| Some(format!("{} = {}", axis.key, self.titles[i][at[i]?])))
                .collect();
            sections.push(Section {
                title: parts.join(", "),
                at,
            });
        }
        sections
    }

    /// The curves in one place of a table, one for each seed.
    pub fn curves(&self, section: &Section, row: usize, column: usize) -> Vec<&'a [Point]> {
        let table = &self.settings.table;
        let wanted = [(&table.rows, row), (&table.columns, column)]
            .map(|(key, at)| self.config.axis(key).map(|axis| (axis, at)));
        let is_here = |at: &[usize]| {
            let fixed = section.at.iter().enumerate();
            fixed
                .filter_map(|(i, at)| Some((i, (*at)?)))
                .chain(wanted.into_iter().flatten())
                .all(|(axis, i)| at[axis] == i)
        };
        (self.config.cells.iter().enumerate())
            .filter(|(_, cell)| is_here(&cell.at))
            .map(|(i, _)| self.curve(i))
            .collect()
    }

    fn curve(&self, cell: usize) -> &'a [Point] {
        let from = self.points.partition_point(|point| point.cell < cell);
        let end = self.points.partition_point(|point| point.cell <= cell);
        &self.points[from..end]
    }

    /// What stands in the table for one curve; `None` if the target was not reached.
    pub fn value(&self, curve: &[Point]) -> Option<f64> {
        let table = &self.settings.table;
        let last = curve.last()?;
        match (table.value, table.reach, table.target) {
            (Value::Gradients, Some(quantity), Some(target)) => {
                let reached = |point: &&Point| {
                    let value = point.value(quantity);
                    match quantity {
                        Quantity::Accuracy => value >= target,
                        _ => value <= target,
                    }
                };
                curve
                    .iter()
                    .find(reached)
                    .map(|point| point.gradients as f64)
            }
            (Value::Gradients, ..) => Some(last.gradients as f64),
            (Value::Milliseconds, ..) => Some(milliseconds(curve)),
            (value, ..) => value.quantity().map(|quantity| last.value(quantity)),
        }
    }
}

/// Time per aggregation.
pub fn milliseconds(curve: &[Point]) -> f64 {
    curve.last().map_or(f64::NAN, |last| {
        1e3 * last.seconds / last.step.max(1) as f64
    })
}

/// Rules and attacks have better names than what the configuration calls them, unless it depends on the
/// training which they are.
fn title<'p>(key: &str, plans: impl Iterator<Item = &'p Plan>) -> Option<String> {
    let mut names: Vec<String> = match key {
        "rule" => plans.map(|plan| plan.rule.to_string()).collect(),
        "attack" => plans.map(|plan| plan.attack.title()).collect(),
        _ => return None,
    };
    names.dedup();
    match names.len() {
        1 => names.pop(),
        _ => None,
    }
}
