//! A configuration: a file, what flags change of it, and the trainings that it asks for.

use std::fs;
use std::path::Path;

use toml::{Table, Value};

use super::keys::{self, KEYS};
use super::settings::Settings;
use crate::failure::{Failure, Outcome};

/// What runs without a file.
pub const DEFAULT: &str = include_str!("default.toml");

/// The axis of [[case]].
pub const CASE: &str = "case";
const SEED: &str = "seed";

/// Every training that a configuration asks for.
#[derive(Debug)]
pub struct Config {
    pub axes: Vec<Axis>,
    pub cells: Vec<Cell>,
    /// The configuration with every default that some training uses.
    pub resolved: String,
}

/// One key, or [[case]], and what takes its place in turn.
#[derive(Debug)]
pub struct Axis {
    pub key: String,
    pub values: Vec<Variant>,
}

#[derive(Debug)]
pub struct Variant {
    pub label: String,
    changes: Pairs,
}

/// Dotted keys and what they stand for.
type Pairs = Vec<(String, Value)>;

/// One training.
#[derive(Debug)]
pub struct Cell {
    /// Which value of each axis.
    pub at: Vec<usize>,
    pub settings: Settings,
}

/// The file's content, with its keys checked.
pub fn read(path: &Path) -> Outcome<Table> {
    let text = fs::read_to_string(path).map_err(|error| Failure::of(path, error))?;
    parse(&text).map_err(|failure| Failure::of(path, failure))
}

pub fn parse(text: &str) -> Outcome<Table> {
    let table: Table = text.parse().map_err(|error: toml::de::Error| {
        let before = error.span().map_or("", |span| &text[..span.start]);
        let line = before.matches('\n').count() + 1;
        Failure::new(format!("line {line}: {}", flat(error.message())))
    })?;
    let (fixed, varied) = parts(&table)?;
    for (key, _) in &fixed {
        if varied.iter().any(|axis| axis.key == *key) {
            return Err(Failure::new(format!("{key}: it is set, and in [grid] too")));
        }
    }
    Ok(table)
}

/// Sets a key; a list of values goes to the grid.
pub fn set(table: &mut Table, key: &str, value: Value) -> Outcome {
    known(key)?;
    let cases = table.get(CASE).and_then(Value::as_array);
    let mut cases = cases.into_iter().flatten().filter_map(Value::as_table);
    if cases.any(|case| flatten(case).iter().any(|(name, _)| name == key)) {
        return Err(Failure::new(format!(
            "{key}: every [[case]] of the configuration says its own"
        )));
    }
    let grid = table.entry("grid").or_insert_with(|| Table::new().into());
    let Some(grid) = grid.as_table_mut() else {
        return Err(Failure::new("grid: expected a table of lists"));
    };
    remove(grid, key);
    if value.is_array() {
        insert(grid, key, value);
        remove(table, key);
    } else {
        insert(table, key, value);
    }
    Ok(())
}

/// Takes a key away.
pub fn unset(table: &mut Table, key: &str) {
    remove(table, key);
    if let Some(grid) = table.get_mut("grid").and_then(Value::as_table_mut) {
        remove(grid, key);
    }
}

/// Does the configuration say anything of a key?
pub fn has(table: &Table, key: &str) -> bool {
    let pairs = flatten(table);
    pairs.iter().any(|(name, _)| {
        let name = name.strip_prefix("grid.").unwrap_or(name);
        name == key
    })
}

/// The first lines in which two resolved configurations differ.
pub fn difference(one: &str, other: &str) -> Option<(String, String)> {
    if one == other {
        return None;
    }
    let lines = |text: &str| -> Vec<String> {
        let table: Table = text.parse().unwrap_or_default();
        let pairs = flatten(&table).into_iter();
        pairs
            .map(|(key, value)| flat(&format!("{key} = {value}")))
            .collect()
    };
    let (one, other) = (lines(one), lines(other));
    let only = |these: &[String], those: &[String]| {
        let line = these.iter().find(|line| !those.contains(line));
        line.cloned().unwrap_or_else(|| "nothing more".into())
    };
    Some((only(&one, &other), only(&other, &one)))
}

/// `key=value` of `--set`: the value is TOML, or a text as it is.
pub fn assignment(text: &str) -> Outcome<(String, Value)> {
    let Some((key, value)) = text.split_once('=') else {
        return Err(Failure::new(format!(
            "--set {text}: expected KEY=VALUE, got no ="
        )));
    };
    let (key, text) = (key.trim(), value.trim());
    let parsed = format!("value = {text}").parse::<Table>().ok();
    let value = parsed.and_then(|mut table| table.remove("value"));
    // nan is an attack before it is a number.
    let is_text = matches!(
        keys::find(key).and_then(keys::Key::default),
        Some(Value::String(_))
    );
    let value = value.filter(|value| !is_text || value.is_str() || value.is_array());
    Ok((key.to_string(), value.unwrap_or_else(|| text.into())))
}

impl Config {
    pub fn new(table: &Table) -> Outcome<Self> {
        let (fixed, axes) = parts(table)?;
        let mut cells = Vec::new();
        let mut at = vec![0; axes.len()];
        loop {
            cells.push(cell(&fixed, &axes, &at)?);
            // The last axis turns fastest.
            let Some(turning) = (0..axes.len())
                .rev()
                .find(|&i| at[i] + 1 < axes[i].values.len())
            else {
                break;
            };
            at[turning] += 1;
            at[turning + 1..].fill(0);
        }
        for key in &KEYS {
            let given = fixed.iter().any(|(name, _)| name == key.name)
                || changed(&axes).any(|name| name == key.name);
            if given && !cells.iter().any(|cell| (key.used)(&cell.settings)) {
                return Err(Failure::new(format!(
                    "{}: no training here uses it ({})",
                    key.name, key.meaning
                )));
            }
        }
        let mut resolved = table.clone();
        for key in &KEYS {
            if let Some(default) = key.default()
                && !fixed.iter().any(|(name, _)| name == key.name)
                && !axes.iter().any(|axis| axis.key == key.name)
                && cells.iter().any(|cell| (key.used)(&cell.settings))
            {
                insert(&mut resolved, key.name, default);
            }
        }
        if resolved
            .get("grid")
            .and_then(Value::as_table)
            .is_some_and(Table::is_empty)
        {
            resolved.remove("grid");
        }
        Ok(Config {
            axes,
            cells,
            resolved: resolved.to_string(),
        })
    }

    /// The axis of a key, if it has one.
    pub fn axis(&self, key: &str) -> Option<usize> {
        self.axes.iter().position(|axis| axis.key == key)
    }

    /// A failure of one training, which it names if there are others.
    pub fn named(&self, cell: usize, failure: Failure) -> Failure {
        match self.name(&self.cells[cell]) {
            name if name.is_empty() => failure,
            name => Failure::new(format!("{failure} (where {name})")),
        }
    }

    /// What a cell is called.
    pub fn name(&self, cell: &Cell) -> String {
        let parts: Vec<_> = (self.axes.iter().zip(&cell.at))
            .map(|(axis, &at)| format!("{} = {}", axis.key, axis.values[at].label))
            .collect();
        parts.join(", ")
    }
}

fn changed(axes: &[Axis]) -> impl Iterator<Item = &str> {
    let variants = axes.iter().flat_map(|axis| &axis.values);
    variants.flat_map(|variant| variant.changes.iter().map(|(key, _)| key.as_str()))
}

/// Settings of one point of the product.
fn cell(fixed: &[(String, Value)], axes: &[Axis], at: &[usize]) -> Outcome<Cell> {
    let mut table = Table::new();
    for key in &KEYS {
        if let Some(default) = key.default() {
            insert(&mut table, key.name, default);
        }
    }
    let chosen = axes
        .iter()
        .zip(at)
        .flat_map(|(axis, &i)| &axis.values[i].changes);
    for (key, value) in fixed.iter().chain(chosen) {
        insert(&mut table, key, value.clone());
    }
    let settings = table
        .try_into()
        .map_err(|error: toml::de::Error| Failure::new(flat(error.to_string().trim_end())))?;
    Ok(Cell {
        at: at.to_vec(),
        settings,
    })
}

/// Fixed keys and axes.
fn parts(table: &Table) -> Outcome<(Pairs, Vec<Axis>)> {
    let mut table = table.clone();
    let (grid, cases) = (table.remove("grid"), table.remove(CASE));
    let fixed = flatten(&table);
    for (key, value) in &fixed {
        known(key)?;
        if value.is_array() {
            return Err(Failure::new(format!(
                "{key}: expected one value, got a list; lists belong into [grid]"
            )));
        }
    }
    let mut axes = Vec::new();
    if let Some(cases) = cases {
        axes.push(case_axis(&cases)?);
    }
    let Value::Table(grid) = grid.unwrap_or_else(|| Table::new().into()) else {
        return Err(Failure::new("grid: expected a table of lists"));
    };
    for (key, value) in flatten(&grid) {
        varying(&key)?;
        if changed(&axes).any(|changed| changed == key) {
            return Err(Failure::new(format!(
                "{key}: it is in [[case]], and in [grid] too"
            )));
        }
        axes.push(Axis {
            values: variants(&key, &value)?,
            key,
        });
    }
    // Repetitions of one training lie together.
    axes.sort_by_key(|axis| axis.key == SEED);
    Ok((fixed, axes))
}

fn variants(key: &str, value: &Value) -> Outcome<Vec<Variant>> {
    let values = value.as_array().filter(|values| !values.is_empty());
    let Some(values) = values else {
        return Err(Failure::new(format!(
            "grid: {key}: expected a list of values, got {}",
            flat(&value.to_string())
        )));
    };
    let mut variants: Vec<Variant> = Vec::new();
    for value in values {
        let label = match value {
            Value::String(text) => text.clone(),
            other => flat(&other.to_string()),
        };
        if variants.iter().any(|variant| variant.label == label) {
            return Err(Failure::new(format!("grid: {key}: {label} is there twice")));
        }
        variants.push(Variant {
            label,
            changes: vec![(key.to_string(), value.clone())],
        });
    }
    Ok(variants)
}

fn case_axis(cases: &Value) -> Outcome<Axis> {
    let wrong = || Failure::new("case: expected [[case]] sections with a name and keys");
    let mut values: Vec<Variant> = Vec::new();
    for case in cases.as_array().ok_or_else(wrong)? {
        let mut case = case.as_table().ok_or_else(wrong)?.clone();
        let Some(Value::String(label)) = case.remove("name") else {
            return Err(wrong());
        };
        if values.iter().any(|variant| variant.label == label) {
            return Err(Failure::new(format!("case: {label} is there twice")));
        }
        let changes = flatten(&case);
        changes.iter().try_for_each(|(key, _)| varying(key))?;
        values.push(Variant { label, changes });
    }
    Ok(Axis {
        key: CASE.into(),
        values,
    })
}

fn known(key: &str) -> Outcome<&'static keys::Key> {
    keys::find(key).ok_or_else(|| {
        let nearest = match keys::nearest(key) {
            Some(nearest) => format!("did you mean {nearest}?"),
            None => "`byzagg train --help` lists them".into(),
        };
        Failure::new(format!("unknown key {key}; {nearest}"))
    })
}

fn varying(key: &str) -> Outcome {
    if known(key)?.may_vary() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{key}: expected one value for the whole run, got several"
    )))
}

/// All that a table says, by dotted keys.
pub fn flatten(table: &Table) -> Pairs {
    let mut pairs = Vec::new();
    for (key, value) in table {
        match value {
            Value::Table(inner) => pairs.extend(
                flatten(inner)
                    .into_iter()
                    .map(|(rest, value)| (format!("{key}.{rest}"), value)),
            ),
            value => pairs.push((key.clone(), value.clone())),
        }
    }
    pairs
}

/// Puts a value where a dotted key says; what is in the way gives way.
pub fn insert(table: &mut Table, key: &str, value: Value) {
    let Some((first, rest)) = key.split_once('.') else {
        table.insert(key.into(), value);
        return;
    };
    let entry = table.entry(first).or_insert_with(|| Table::new().into());
    if !entry.is_table() {
        *entry = Table::new().into();
    }
    insert(entry.as_table_mut().expect("it is one"), rest, value);
}

/// A grid's keys may be quoted as a whole.
fn remove(table: &mut Table, key: &str) {
    table.remove(key);
    if let Some((first, rest)) = key.split_once('.')
        && let Some(inner) = table.get_mut(first).and_then(Value::as_table_mut)
    {
        remove(inner, rest);
    }
}

fn flat(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    words.join(" ")
}

#[cfg(test)]
mod tests;
