//! `byzagg rules`: the catalogue.

use byzagg::{Entry, catalogue};
use clap::Args;
use serde::Serialize;

use crate::failure::Outcome;
use crate::print;
use crate::report::json;

/// Columns that a line may have.
const WIDTH: usize = 100;
/// Columns of the labels, with the two before them.
const LABEL: usize = 14;

const EXAMPLES: [(&str, &str); 2] = [
    (
        "ctma(nnm(cwtm(f=3),f=3),f=3)",
        "mix each row with its nearest, take the trimmed mean, average the n−3 rows nearest to that",
    ),
    (
        "bucketing(rfa(nu=0.1,iterations=8),s=2,seed=7)",
        "the geometric median of means of two rows each",
    ),
];

#[derive(Args)]
pub struct Arguments {
    /// The same as JSON: a list of objects
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Listed {
    name: &'static str,
    wraps: bool,
    parameters: Vec<Parameter>,
    computes: &'static str,
    limits: &'static str,
    reads: &'static str,
    weights: bool,
    source: &'static str,
}

#[derive(Serialize)]
struct Parameter {
    name: &'static str,
    meaning: &'static str,
}

pub fn run(arguments: &Arguments) -> Outcome {
    if arguments.json {
        let listed: Vec<_> = catalogue().iter().map(|entry| listed(entry)).collect();
        return print(&json(&listed));
    }
    let mut text = String::new();
    for entry in catalogue() {
        describe(&mut text, entry);
        text.push('\n');
    }
    paragraph(&mut text, "", &composition(), 0);
    text.push_str("\nExamples\n");
    for (rule, meaning) in EXAMPLES {
        text.push_str(&format!("  {rule}\n"));
        paragraph(&mut text, "", meaning, 6);
    }
    print(&text)
}

fn listed(entry: &Entry) -> Listed {
    let parameters = entry.parameters.iter();
    Listed {
        name: entry.name,
        wraps: entry.wraps,
        parameters: parameters
            .map(|&(name, meaning)| Parameter { name, meaning })
            .collect(),
        computes: entry.computes,
        limits: entry.limits,
        reads: entry.reads,
        weights: entry.weights,
        source: entry.source,
    }
}

fn composition() -> String {
    let wrapping = catalogue().iter().filter(|entry| entry.wraps);
    let names: Vec<_> = wrapping.map(|entry| entry.name).collect();
    format!(
        "A rule is written NAME or NAME(KEY=VALUE,…). These wrap a rule, which is their first \
         argument, NAME(RULE,KEY=VALUE,…): {}. ctma averages the rows nearest to RULE's result, the \
         others change the rows that RULE sees. Rules compose to a depth of 16, and no composition \
         makes a copy of the matrix. Reads are passes over the matrix or over some of its rows.",
        names.join(", ")
    )
}

fn describe(text: &mut String, entry: &Entry) {
    let keys = entry.parameters.iter().map(|(key, _)| format!("{key}="));
    let wrapped = entry.wraps.then(|| "RULE".to_string());
    let arguments: Vec<_> = wrapped.into_iter().chain(keys).collect();
    text.push_str(entry.name);
    if !arguments.is_empty() {
        text.push_str(&format!("({})", arguments.join(",")));
    }
    text.push('\n');
    let mut line = |label: &str, words: &str| paragraph(text, label, words, LABEL);
    line("computes", entry.computes);
    for (key, meaning) in entry.parameters {
        line(&format!("{key}="), meaning);
    }
    line("needs", entry.limits);
    line("reads", entry.reads);
    line("weights", if entry.weights { "yes" } else { "no" });
    if entry.source != "-" {
        line("source", entry.source);
    }
}

/// Words behind a label, wrapped and indented.
fn paragraph(text: &mut String, label: &str, words: &str, indent: usize) {
    let mut line = if indent > 0 {
        format!("{:indent$}", format!("  {label}"))
    } else {
        String::new()
    };
    let mut is_empty = true;
    for word in words.split_whitespace() {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            text.push_str(&line);
            text.push('\n');
            line = " ".repeat(indent);
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    text.push_str(line.trim_end());
    text.push('\n');
}
