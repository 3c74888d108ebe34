//! The text form of rules: `name`, or `name(RULE,key=value,…)`.

use super::{CATALOGUE, Entry, Rule};
use crate::{Error, Result, Trim};

/// Compositions deeper than this are refused, so that no text can exhaust the stack.
const MAX_DEPTH: usize = 16;

/// The arguments of one rule, consumed by the rule's own parser.
pub(super) struct Arguments<'a> {
    text: &'a str,
    entry: &'static Entry,
    inner: Option<Rule>,
    values: Vec<(&'a str, &'a str)>,
}

pub(super) fn parse(text: &str) -> Result<Rule> {
    let mut rest = text.trim();
    let rule = expression(text, &mut rest, 0)?;
    if !rest.is_empty() {
        return Err(error(
            text,
            format!("unexpected {:?} behind the rule", head(rest)),
        ));
    }
    Ok(rule)
}

fn error(text: &str, reason: impl Into<String>) -> Error {
    // A hostile text may be long: its beginning is enough to recognise it.
    let mut shown: String = text.chars().take(120).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    Error::Parse {
        text: shown,
        reason: reason.into(),
    }
}

/// Takes the longest prefix of letters, digits and the signs that names and numbers have.
fn word<'a>(rest: &mut &'a str) -> &'a str {
    let end = rest
        .find(|c: char| !(c.is_ascii_alphanumeric() || "_-+.".contains(c)))
        .unwrap_or(rest.len());
    let (word, behind) = rest.split_at(end);
    *rest = behind.trim_start();
    word
}

fn take(rest: &mut &str, sign: char) -> bool {
    let taken = rest.strip_prefix(sign);
    *rest = taken.unwrap_or(rest).trim_start();
    taken.is_some()
}

fn expression<'a>(text: &'a str, rest: &mut &'a str, depth: usize) -> Result<Rule> {
    if depth == MAX_DEPTH {
        return Err(error(
            text,
            format!("more than {MAX_DEPTH} rules inside each other"),
        ));
    }
    let name = word(rest);
    let Some(entry) = CATALOGUE.iter().find(|entry| entry.name == name) else {
        let known: Vec<_> = CATALOGUE.iter().map(|entry| entry.name).collect();
        let found = match (name, rest.chars().next()) {
            ("", None) => "a rule's name is missing".to_string(),
            ("", Some(sign)) => format!("a rule's name is expected before {sign:?}"),
            _ => format!(
                "unknown rule {:?}",
                name.chars().take(40).collect::<String>()
            ),
        };
        return Err(error(
            text,
            format!("{found}; known are {}", known.join(", ")),
        ));
    };
    let mut arguments = Arguments {
        text,
        entry,
        inner: None,
        values: Vec::new(),
    };
    if take(rest, '(') && !take(rest, ')') {
        loop {
            argument(&mut arguments, rest, depth)?;
            if take(rest, ')') {
                break;
            }
            if !take(rest, ',') {
                return Err(error(
                    text,
                    format!("{name}: expected ',' or ')', got {:?}", head(rest)),
                ));
            }
        }
    }
    let rule = (entry.parse)(&mut arguments)?;
    arguments.finish()?;
    Ok(rule)
}

/// The beginning of a text that may be long.
fn head(rest: &str) -> String {
    if rest.is_empty() {
        "the end".into()
    } else {
        rest.chars().take(24).collect()
    }
}

/// `key=value`, or the wrapped rule.
fn argument<'a>(arguments: &mut Arguments<'a>, rest: &mut &'a str, depth: usize) -> Result<()> {
    let name = arguments.entry.name;
    let start = *rest;
    let key = word(rest);
    if take(rest, '=') {
        let value = word(rest);
        if key.is_empty() || value.is_empty() {
            return Err(arguments.error(format!("expected key=value, got {:?}", head(start))));
        }
        // At once, so that the values are never more than a rule has parameters.
        let mut possible = arguments.entry.parameters.iter();
        if !possible.any(|(possible, _)| *possible == key) {
            return Err(arguments.unknown(key));
        }
        if arguments.values.iter().any(|(known, _)| *known == key) {
            return Err(arguments.error(format!("{key}= is given twice")));
        }
        arguments.values.push((key, value));
        return Ok(());
    }
    if key.is_empty() {
        return Err(arguments.error(format!("expected an argument, got {:?}", head(start))));
    }
    *rest = start;
    if !arguments.entry.wraps {
        return Err(arguments.error(format!(
            "{name} wraps no other rule; {}",
            arguments.possible()
        )));
    }
    if arguments.inner.is_some() || !arguments.values.is_empty() {
        return Err(arguments.error("the wrapped rule is the first argument, and there is one"));
    }
    arguments.inner = Some(expression(arguments.text, rest, depth + 1)?);
    Ok(())
}

impl Arguments<'_> {
    fn error(&self, reason: impl std::fmt::Display) -> Error {
        error(self.text, format!("{}: {reason}", self.entry.name))
    }

    fn possible(&self) -> String {
        let keys: Vec<_> = self
            .entry
            .parameters
            .iter()
            .map(|(key, _)| format!("{key}="))
            .collect();
        if keys.is_empty() {
            return "it has no parameters".into();
        }
        format!("its parameters are {}", keys.join(", "))
    }

    fn finish(&self) -> Result<()> {
        match self.values.first() {
            Some((key, _)) => Err(self.unknown(key)),
            None => Ok(()),
        }
    }

    fn unknown(&self, key: &str) -> Error {
        let (key, possible) = (head(key), self.possible());
        self.error(format!("no parameter {key}= here; {possible}"))
    }

    /// A parameter, if it is given.
    pub fn get<T: std::str::FromStr>(&mut self, key: &str, kind: &str) -> Result<Option<T>> {
        let Some(at) = self.values.iter().position(|(known, _)| *known == key) else {
            return Ok(None);
        };
        let (_, value) = self.values.remove(at);
        match value.parse() {
            Ok(value) => Ok(Some(value)),
            Err(_) => Err(self.error(format!("{key}= expects {kind}, got {:?}", head(value)))),
        }
    }

    pub fn count(&mut self, key: &str) -> Result<Option<usize>> {
        self.get(key, "a whole number")
    }

    pub fn number(&mut self, key: &str) -> Result<Option<f64>> {
        self.get(key, "a number")
    }

    /// Is a parameter given as this word? Otherwise it is left for its other kind of value.
    pub fn takes(&mut self, key: &str, word: &str) -> bool {
        let at = self.values.iter().position(|given| *given == (key, word));
        at.map(|at| self.values.remove(at)).is_some()
    }

    /// A parameter whose value is one of some words, if it is given.
    pub fn one_of<T: Copy>(&mut self, key: &str, words: &[(&str, T)]) -> Result<Option<T>> {
        let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        let Some(word) = self.get::<String>(key, "a word")? else {
            return Ok(None);
        };
        match words.iter().find(|(known, _)| *known == word) {
            Some((_, value)) => Ok(Some(*value)),
            None => Err(self.error(format!(
                "{key}= expects one of {}, got {:?}",
                known.join(", "),
                head(&word)
            ))),
        }
    }

    pub fn required<T>(&self, key: &str, value: Option<T>) -> Result<T> {
        value.ok_or_else(|| self.error(format!("{key} is missing")))
    }

    /// `f=` or `lambda=`.
    pub fn trim(&mut self) -> Result<Trim> {
        match (self.count("f")?, self.number("lambda")?) {
            (Some(f), None) => Ok(Trim::F(f)),
            (None, Some(lambda)) => Ok(Trim::Lambda(lambda)),
            (None, None) => Err(self.error("f= or lambda= is missing")),
            (Some(_), Some(_)) => Err(self.error("either f= or lambda=, not both")),
        }
    }

    /// The wrapped rule.
    pub fn inner(&mut self) -> Result<Rule> {
        let inner = self.inner.take();
        let name = self.entry.name;
        inner.ok_or_else(|| {
            self.error(format!(
                "the rule that it wraps is missing, as in {name}(median,…)"
            ))
        })
    }
}
