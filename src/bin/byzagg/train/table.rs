//! The table at the end, in Markdown.

use super::results::{Results, milliseconds};
use super::settings::Value;

/// A table for each section; the last column is the time of an aggregation.
pub fn markdown(results: &Results<'_>) -> String {
    let sections = results.sections();
    let mut text = String::new();
    for section in &sections {
        if !section.title.is_empty() {
            text += &format!("{}:\n\n", section.title);
        }
        let value = results.settings.table.value;
        let mut rows = vec![vec![head(results)]];
        rows[0].extend(results.columns());
        if value != Value::Milliseconds {
            rows[0].push("ms per aggregation".into());
        }
        for (r, name) in results.rows().iter().enumerate() {
            let mut row = vec![match results.settings.table.rows.as_str() {
                "rule" if !name.is_empty() => format!("`{name}`"),
                _ => name.clone(),
            }];
            let mut times = Vec::new();
            for column in 0..results.columns().len() {
                let curves = results.curves(section, r, column);
                let values: Vec<_> = curves.iter().map(|curve| results.value(curve)).collect();
                row.push(cell(&values, value));
                times.extend(curves.iter().map(|curve| milliseconds(curve)));
            }
            if value != Value::Milliseconds {
                row.push(format!("{:.3}", mean(&times)));
            }
            rows.push(row);
        }
        text += &aligned(&rows);
        text += "\n";
    }
    text.truncate(text.trim_end().len());
    text + "\n"
}

fn head(results: &Results<'_>) -> String {
    let table = &results.settings.table;
    match table.value {
        Value::Accuracy => "accuracy in %".into(),
        Value::Loss => "loss".into(),
        Value::Gap => "f(x) − f(x*)".into(),
        Value::Distance => "‖x − x*‖²".into(),
        Value::Milliseconds => "ms per aggregation".into(),
        Value::Gradients => match (table.reach, table.target) {
            (Some(quantity), Some(target)) => {
                format!("gradients until {} {target}", quantity.name())
            }
            _ => "gradients".into(),
        },
    }
}

/// The mean of all seeds and, of several, their standard deviation (with s − 1). What is not finite, or did
/// not reach the target, has no mean.
fn cell(values: &[Option<f64>], kind: Value) -> String {
    let known: Vec<f64> = values.iter().copied().flatten().collect();
    let count = |is: usize| match values.len() {
        1 => String::new(),
        all => format!(" ({is} of {all})"),
    };
    let missing = values.len() - known.len();
    if missing > 0 || known.is_empty() {
        return format!("never{}", count(missing));
    }
    let bad = known.iter().filter(|value| !value.is_finite()).count();
    if bad > 0 {
        return format!("NaN{}", count(bad));
    }
    let show = |value: f64| match kind {
        Value::Accuracy => format!("{:.1}", 100.0 * value),
        Value::Gradients => format!("{value:.0}"),
        Value::Milliseconds | Value::Loss => format!("{value:.3}"),
        Value::Gap | Value::Distance => format!("{value:.1e}"),
    };
    let middle = mean(&known);
    if known.len() == 1 {
        return show(middle);
    }
    let squares = known.iter().map(|value| (value - middle).powi(2));
    let deviation = (squares.sum::<f64>() / (known.len() - 1) as f64).sqrt();
    format!("{} ± {}", show(middle), show(deviation))
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The first row is the head, all columns but the first are numbers.
fn aligned(rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
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
    use crate::train::curves::tests::{config, point};
    use crate::train::plan::Plan;

    fn table(text: &str, finals: &[f64]) -> String {
        let config = config(text);
        let plans = Plan::all(&config).unwrap();
        assert_eq!(finals.len(), config.cells.len());
        let points: Vec<_> = (finals.iter().enumerate())
            .flat_map(|(cell, &last)| [point(cell, 0, 0.1), point(cell, 5, last)])
            .collect();
        markdown(&Results::new(&config, &plans, &points))
    }

    #[test]
    fn tables_are_aligned_markdown() {
        let text = "[grid]\nrule = [\"mean\", \"cwtm(f={f})\"]\nattack = [\"nan\"]";
        let expected = "\
| accuracy in % |  NaN | ms per aggregation |
|---------------|-----:|-------------------:|
| `mean`        |  NaN |              2.000 |
| `cwtm(f=4)`   | 90.0 |              2.000 |
";
        assert_eq!(table(text, &[f64::NAN, 0.9]), expected);
    }

    #[test]
    fn seeds_have_a_mean_and_a_spread_and_other_keys_sections() {
        let text = "[table]\nrows = \"training.momentum\"\n[grid]\nseed = [1, 2, 3]\n\
            \"training.momentum\" = [0.5, 0.9]\n\"training.rate\" = [1, 0.1]";
        let finals = [
            [0.5, 0.6, 0.7],
            [0.5, 0.5, 0.5],
            [0.1, f64::NAN, f64::NAN],
            [0.0, 0.2, 0.1],
        ];
        let expected = "\
training.rate = 1:

| accuracy in % |    no attack | ms per aggregation |
|---------------|-------------:|-------------------:|
| 0.5           |  60.0 ± 10.0 |              2.000 |
| 0.9           | NaN (2 of 3) |              2.000 |

training.rate = 0.1:

| accuracy in % |   no attack | ms per aggregation |
|---------------|------------:|-------------------:|
| 0.5           |  50.0 ± 0.0 |              2.000 |
| 0.9           | 10.0 ± 10.0 |              2.000 |
";
        assert_eq!(table(text, &finals.concat()), expected);
    }

    #[test]
    fn gradients_are_counted_until_the_target() {
        let text = "[table]\nvalue = \"gradients\"\nreach = \"accuracy\"\ntarget = 0.8\n\
            [grid]\nattack = [\"nan\", \"none\"]";
        let text = table(text, &[0.7, 0.8]);
        assert!(text.contains("| gradients until accuracy 0.8 |"), "{text}");
        assert!(text.contains("| never |"), "{text}");
        assert!(text.contains(" 50 |"), "{text}");
    }
}
