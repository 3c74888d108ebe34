//! Rule expressions: `ctma(nnm(cwtm(f=3),f=3),f=3)`.

use std::str::FromStr;

/// A rule as it is written; parameters that depend on n are not checked here.
#[derive(Clone, Debug, PartialEq)]
pub enum Rule {
    Mean,
    Median {
        ties: Ties,
    },
    TrimmedMean {
        cut: Cut,
    },
    MeanAroundMedian {
        f: usize,
    },
    Krum {
        f: usize,
        neighbours: Option<usize>,
    },
    MultiKrum {
        f: usize,
        m: Option<usize>,
        neighbours: Option<usize>,
    },
    Bulyan {
        f: usize,
    },
    Mda {
        f: usize,
    },
    Smea {
        f: usize,
    },
    Monna {
        f: usize,
        pivot: usize,
    },
    Caf {
        f: usize,
    },
    GeometricMedian {
        nu: f64,
        stop: Stop,
    },
    CenteredClipping {
        tau: f64,
        iterations: usize,
        /// From the given vector, not from zero?
        given: bool,
    },
    Flag {
        m: Option<usize>,
        lambda: f64,
        rounds: usize,
        published: bool,
    },
    Nnm {
        inner: Box<Rule>,
        cut: Cut,
    },
    Bucketing {
        inner: Box<Rule>,
        s: usize,
        seed: u64,
    },
    Clipping {
        inner: Box<Rule>,
        c: f64,
    },
    Arc {
        inner: Box<Rule>,
        f: usize,
    },
    Ctma {
        inner: Box<Rule>,
        cut: Cut,
    },
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ties {
    Lower,
    Upper,
    Midpoint,
}

/// What is cut: f workers, or a fraction of the weight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cut {
    F(usize),
    Lambda(f64),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stop {
    Iterations(usize),
    Tolerance(f64),
}

impl Rule {
    /// The name in a rule expression.
    pub fn name(&self) -> &'static str {
        match self {
            Rule::Mean => "mean",
            Rule::Median { .. } => "median",
            Rule::TrimmedMean { .. } => "cwtm",
            Rule::MeanAroundMedian { .. } => "meamed",
            Rule::Krum { .. } => "krum",
            Rule::MultiKrum { .. } => "multikrum",
            Rule::Bulyan { .. } => "bulyan",
            Rule::Mda { .. } => "mda",
            Rule::Smea { .. } => "smea",
            Rule::Monna { .. } => "monna",
            Rule::Caf { .. } => "caf",
            Rule::GeometricMedian { .. } => "rfa",
            Rule::CenteredClipping { .. } => "cc",
            Rule::Flag { .. } => "flag",
            Rule::Nnm { .. } => "nnm",
            Rule::Bucketing { .. } => "bucketing",
            Rule::Clipping { .. } => "clipping",
            Rule::Arc { .. } => "arc",
            Rule::Ctma { .. } => "ctma",
        }
    }
}

/// Reads a rule expression.
pub fn parse(text: &str) -> Result<Rule, String> {
    let text = text.trim();
    let (name, inside) = match text.find('(') {
        None => (text, ""),
        Some(open) => {
            let inside = text[open + 1..].strip_suffix(')');
            let inside = inside.ok_or_else(|| format!("{text}: no closing parenthesis"))?;
            (text[..open].trim(), inside)
        }
    };
    let mut arguments = Arguments::read(name, inside)?;
    let rule = match name {
        "mean" => Rule::Mean,
        "median" => Rule::Median {
            ties: match arguments.take("ties").as_deref() {
                None | Some("midpoint") => Ties::Midpoint,
                Some("lower") => Ties::Lower,
                Some("upper") => Ties::Upper,
                Some(other) => return Err(format!("median: no ties={other}")),
            },
        },
        "cwtm" => Rule::TrimmedMean {
            cut: arguments.cut()?,
        },
        "meamed" => Rule::MeanAroundMedian {
            f: arguments.required("f")?,
        },
        "krum" => Rule::Krum {
            f: arguments.required("f")?,
            neighbours: arguments.optional("neighbours")?,
        },
        "multikrum" => Rule::MultiKrum {
            f: arguments.required("f")?,
            m: arguments.optional("m")?,
            neighbours: arguments.optional("neighbours")?,
        },
        "bulyan" => Rule::Bulyan {
            f: arguments.required("f")?,
        },
        "mda" => Rule::Mda {
            f: arguments.required("f")?,
        },
        "smea" => Rule::Smea {
            f: arguments.required("f")?,
        },
        "monna" => Rule::Monna {
            f: arguments.required("f")?,
            pivot: arguments.optional("pivot")?.unwrap_or(0),
        },
        "caf" => Rule::Caf {
            f: arguments.required("f")?,
        },
        "cc" => Rule::CenteredClipping {
            tau: arguments.optional("tau")?.unwrap_or(100.0),
            iterations: arguments.optional("iterations")?.unwrap_or(1),
            given: match arguments.take("start").as_deref() {
                None | Some("zero") => false,
                Some("given") => true,
                Some(other) => return Err(format!("cc: no start={other}")),
            },
        },
        "flag" => {
            let published = match arguments.take("like").as_deref() {
                None | Some("paper") => false,
                Some("paper-code") => true,
                Some(other) => return Err(format!("flag: no like={other}")),
            };
            let rounds = if published { 1 } else { 5 };
            Rule::Flag {
                m: arguments.optional("m")?,
                lambda: arguments.optional("lambda")?.unwrap_or(0.0),
                rounds: arguments.optional("rounds")?.unwrap_or(rounds),
                published,
            }
        }
        "rfa" => {
            let iterations = arguments.optional("iterations")?;
            let tolerance = arguments.optional("tolerance")?;
            Rule::GeometricMedian {
                nu: arguments.optional("nu")?.unwrap_or(0.1),
                stop: match (iterations, tolerance) {
                    (Some(_), Some(_)) => {
                        return Err("rfa: iterations and tolerance exclude each other".into());
                    }
                    (None, Some(tolerance)) => Stop::Tolerance(tolerance),
                    (iterations, None) => Stop::Iterations(iterations.unwrap_or(3)),
                },
            }
        }
        "nnm" => Rule::Nnm {
            inner: arguments.rule()?,
            cut: arguments.cut()?,
        },
        "bucketing" => Rule::Bucketing {
            inner: arguments.rule()?,
            s: arguments.required("s")?,
            seed: arguments.optional("seed")?.unwrap_or(0),
        },
        "clipping" => Rule::Clipping {
            inner: arguments.rule()?,
            c: arguments.required("c")?,
        },
        "arc" => Rule::Arc {
            inner: arguments.rule()?,
            f: arguments.required("f")?,
        },
        "ctma" => Rule::Ctma {
            inner: arguments.rule()?,
            cut: arguments.cut()?,
        },
        _ => return Err(format!("no rule {name:?}")),
    };
    arguments.finish()?;
    Ok(rule)
}

/// What stands between a rule's parentheses, taken out one by one.
struct Arguments {
    owner: String,
    inner: Option<Rule>,
    values: Vec<(String, String)>,
}

impl Arguments {
    fn read(owner: &str, inside: &str) -> Result<Self, String> {
        let mut arguments = Arguments {
            owner: owner.to_string(),
            inner: None,
            values: Vec::new(),
        };
        for (position, part) in split(inside)?.into_iter().enumerate() {
            let before = part.split('(').next().unwrap_or("");
            match before.split_once('=') {
                // `key=value`, the equals sign before any parenthesis.
                Some((key, _)) => {
                    let value = part[key.len() + 1..].trim().to_string();
                    let key = key.trim().to_string();
                    if arguments.values.iter().any(|(other, _)| *other == key) {
                        return Err(format!("{owner}: {key} is given twice"));
                    }
                    arguments.values.push((key, value));
                }
                None if position == 0 => arguments.inner = Some(parse(part)?),
                None => return Err(format!("{owner}: {part:?} is not name=value")),
            }
        }
        Ok(arguments)
    }

    fn take(&mut self, key: &str) -> Option<String> {
        let position = self.values.iter().position(|(other, _)| other == key)?;
        Some(self.values.remove(position).1)
    }

    fn optional<T: FromStr>(&mut self, key: &str) -> Result<Option<T>, String> {
        let Some(text) = self.take(key) else {
            return Ok(None);
        };
        let value = text.parse();
        let wrong = |_| format!("{}: {key}={text} is no number of its kind", self.owner);
        value.map(Some).map_err(wrong)
    }

    fn required<T: FromStr>(&mut self, key: &str) -> Result<T, String> {
        let value = self.optional(key)?;
        value.ok_or_else(|| format!("{}: needs {key}=", self.owner))
    }

    fn cut(&mut self) -> Result<Cut, String> {
        match (self.optional("f")?, self.optional("lambda")?) {
            (Some(f), None) => Ok(Cut::F(f)),
            (None, Some(lambda)) => Ok(Cut::Lambda(lambda)),
            _ => Err(format!("{}: needs either f= or lambda=", self.owner)),
        }
    }

    fn rule(&mut self) -> Result<Box<Rule>, String> {
        let rule = self.inner.take().map(Box::new);
        rule.ok_or_else(|| format!("{}: needs a rule to wrap", self.owner))
    }

    fn finish(self) -> Result<(), String> {
        if self.inner.is_some() {
            return Err(format!("{}: wraps no rule", self.owner));
        }
        match self.values.first() {
            Some((key, _)) => Err(format!("{}: has no parameter {key}", self.owner)),
            None => Ok(()),
        }
    }
}

/// Splits at the commas that are not inside parentheses.
fn split(inside: &str) -> Result<Vec<&str>, String> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (position, letter) in inside.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' if depth == 0 => return Err(format!("{inside}: a parenthesis too many")),
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(inside[start..position].trim());
                start = position + 1;
            }
            _ => {}
        }
    }
    if depth > 0 {
        return Err(format!("{inside}: no closing parenthesis"));
    }
    if !inside.trim().is_empty() {
        parts.push(inside[start..].trim());
    }
    Ok(parts)
}
