//! What the tool says when it refuses.

use std::fmt;
use std::path::Path;

/// One line for stderr.
#[derive(Debug)]
pub struct Failure(String);

/// Done, or one line that says why not.
pub type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    pub fn new(line: impl Into<String>) -> Self {
        Failure(line.into())
    }

    /// What is wrong with a file.
    pub fn of(path: &Path, reason: impl fmt::Display) -> Self {
        Failure(format!("{}: {reason}", path.display()))
    }
}

impl From<byzagg::Error> for Failure {
    fn from(error: byzagg::Error) -> Self {
        Failure(error.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Paths, rules and headers come from outside: no control character of theirs reaches the terminal.
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}
