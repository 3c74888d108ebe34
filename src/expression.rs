//! The text form of rules and attacks: `name`, or `name(RULE,key=value,…)`.

use crate::{Error, Result};

/// Compositions deeper than this are refused, so that no text can exhaust the stack.
const MAX_DEPTH: usize = 16;

/// An entry of a catalogue: what has a name and parameters.
pub(crate) trait Named: Sized + 'static {
    /// What its text means.
    type Value;
    /// What messages call it: "rule".
    const KIND: &'static str;

    fn all() -> impl Iterator<Item = &'static Self>;
    fn name(&self) -> &'static str;
    fn parameters(&self) -> &'static [(&'static str, &'static str)];
    /// Does it take another one as its first argument?
    fn wraps(&self) -> bool {
        false
    }
    fn parse(&self, arguments: &mut Arguments<'_, Self>) -> Result<Self::Value>;
}

/// The arguments of one entry, consumed by the entry's own parser.
pub(crate) struct Arguments<'a, E: Named> {
    text: &'a str,
    entry: &'static E,
    inner: Option<E::Value>,
    values: Vec<(&'a str, &'a str)>,
}

pub(crate) fn parse<E: Named>(text: &str) -> Result<E::Value> {
    let mut rest = text.trim();
    let value = expression::<E>(text, &mut rest, 0)?;
    if !rest.is_empty() {
        let (rest, kind) = (head(rest), E::KIND);
        return Err(error::<E>(
            text,
            format!("unexpected {rest:?} behind the {kind}"),
        ));
    }
    Ok(value)
}

/// A text that is parsed as the same number; in powers of ten where it would be longer than digits are
/// significant.
pub(crate) fn number(x: f64) -> String {
    let text = x.to_string();
    if text.len() > 24 {
        format!("{x:e}")
    } else {
        text
    }
}

fn error<E: Named>(text: &str, reason: impl Into<String>) -> Error {
    // A hostile text may be long: its beginning is enough to recognise it.
    let mut shown: String = text.chars().take(120).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    Error::Parse {
        kind: E::KIND,
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

fn expression<'a, E: Named>(text: &'a str, rest: &mut &'a str, depth: usize) -> Result<E::Value> {
    let kind = E::KIND;
    if depth == MAX_DEPTH {
        return Err(error::<E>(
            text,
            format!("more than {MAX_DEPTH} {kind}s inside each other"),
        ));
    }
    let name = word(rest);
    let Some(entry) = E::all().find(|entry| entry.name() == name) else {
        let known: Vec<_> = E::all().map(E::name).collect();
        let found = match (name, rest.chars().next()) {
            ("", None) => format!("the {kind}'s name is missing"),
            ("", Some(sign)) => format!("the {kind}'s name is expected before {sign:?}"),
            _ => format!(
                "unknown {kind} {:?}",
                name.chars().take(40).collect::<String>()
            ),
        };
        return Err(error::<E>(
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
                return Err(error::<E>(
                    text,
                    format!("{name}: expected ',' or ')', got {:?}", head(rest)),
                ));
            }
        }
    }
    let value = entry.parse(&mut arguments)?;
    arguments.finish()?;
    Ok(value)
}

/// The beginning of a text that may be long.
fn head(rest: &str) -> String {
    if rest.is_empty() {
        "the end".into()
    } else {
        rest.chars().take(24).collect()
    }
}

/// `key=value`, or what is wrapped.
fn argument<'a, E: Named>(
    arguments: &mut Arguments<'a, E>,
    rest: &mut &'a str,
    depth: usize,
) -> Result<()> {
    let (name, kind) = (arguments.entry.name(), E::KIND);
    let start = *rest;
    let key = word(rest);
    if take(rest, '=') {
        let value = word(rest);
        if key.is_empty() || value.is_empty() {
            return Err(arguments.error(format!("expected key=value, got {:?}", head(start))));
        }
        // At once, so that the values are never more than there are parameters.
        let mut possible = arguments.entry.parameters().iter();
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
    if !arguments.entry.wraps() {
        return Err(arguments.error(format!(
            "{name} wraps no other {kind}; {}",
            arguments.possible()
        )));
    }
    if arguments.inner.is_some() || !arguments.values.is_empty() {
        return Err(arguments.error(format!(
            "the wrapped {kind} is the first argument, and there is one"
        )));
    }
    arguments.inner = Some(expression::<E>(arguments.text, rest, depth + 1)?);
    Ok(())
}

impl<E: Named> Arguments<'_, E> {
    pub fn error(&self, reason: impl std::fmt::Display) -> Error {
        error::<E>(self.text, format!("{}: {reason}", self.entry.name()))
    }

    fn possible(&self) -> String {
        let keys: Vec<_> = self
            .entry
            .parameters()
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

    /// What is wrapped.
    pub fn inner(&mut self) -> Result<E::Value> {
        let inner = self.inner.take();
        let (name, kind) = (self.entry.name(), E::KIND);
        inner.ok_or_else(|| {
            self.error(format!(
                "the {kind} that it wraps is missing, as in {name}(median,…)"
            ))
        })
    }
}
