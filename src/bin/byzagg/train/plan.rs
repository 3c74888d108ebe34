//! What a cell's settings mean, checked before anything starts.

use byzagg::attack::Attack;
use byzagg::training::{
    Arrivals, Asynchronous, Clip, Law, Marina, MarinaSettings, Method, Problem, Server,
    Synchronous, Training,
};
use byzagg::{Device, Rule};

use super::config::{CASE, Config};
use super::keys;
use super::settings::{self, Kind, Mode, Set, Settings, Value};
use crate::failure::{Failure, Outcome};

/// What is parsed once for each training.
pub struct Plan {
    pub rule: Rule,
    pub attack: Attack,
}

impl Plan {
    /// Of every cell, in their order.
    pub fn all(config: &Config) -> Outcome<Vec<Self>> {
        check_report(config)?;
        (config.cells.iter().enumerate())
            .map(|(i, cell)| Plan::new(&cell.settings).map_err(|failure| config.named(i, failure)))
            .collect()
    }

    fn new(settings: &Settings) -> Outcome<Self> {
        check_numbers(settings)?;
        check_method(settings)?;
        settings.data.augment.check()?;
        let (n, f) = (settings.workers.n, settings.workers.f);
        let text = settings.rule.replace("{n}", &n.to_string());
        let rule: Rule = text.replace("{f}", &f.to_string()).parse()?;
        let attack: Attack = settings.attack.parse()?;
        attack.check(n, f)?;
        let training = &settings.training;
        let weighted = training.weighted == Some(true) && training.mode == Mode::Asynchronous;
        rule.check(n, weighted)?;
        Ok(Plan { rule, attack })
    }

    /// A training of a problem. This is where the library checks what is left to check.
    pub fn begin(
        &self,
        settings: &Settings,
        device: &Device,
        problem: &dyn Problem,
        start: Vec<f32>,
    ) -> Outcome<Box<dyn Training>> {
        let of = &settings.training;
        let server = Server {
            rule: self.rule.clone(),
            device: device.clone(),
            attack: self.attack.clone(),
            byzantine: settings.workers.f,
            rate: of.rate,
            seed: settings.seed,
            start,
        };
        let method = match of.method {
            settings::Method::Marina => {
                let marina = marina(settings);
                return Ok(Box::new(Marina::new(problem, server, marina)?));
            }
            settings::Method::Sgd => Method::Sgd,
            settings::Method::Momentum => Method::Momentum {
                beta: of.momentum.unwrap_or(0.0),
            },
            settings::Method::Mu2 => Method::Mu2 {
                beta: of.beta,
                gamma: of.gamma,
            },
        };
        if of.mode == Mode::Asynchronous {
            let law: Law = of.arrivals.as_deref().unwrap_or("uniform").parse()?;
            let arrivals = Arrivals {
                law,
                byzantine: of.byzantine_arrivals,
            };
            let weighted = of.weighted == Some(true);
            let training = Asynchronous::new(problem, server, method, arrivals, weighted)?;
            return Ok(Box::new(training));
        }
        let mut training = Synchronous::new(problem, server, method)?;
        if let Some(participants) = of.participants {
            training = training.participants(participants)?;
        }
        if of.clip == settings::Clip::Heuristic {
            training = training.clip(of.strength.unwrap_or(1.0))?;
        }
        Ok(Box::new(training))
    }
}

fn marina(settings: &Settings) -> MarinaSettings {
    let (of, n) = (&settings.training, settings.workers.n);
    let strength = of.strength.unwrap_or(1.0);
    MarinaSettings {
        p: of.p.unwrap_or(1.0),
        sampled: of.sampled.unwrap_or(n),
        full: of.full.unwrap_or(n),
        clip: match of.clip {
            settings::Clip::Paper => Clip::Paper { alpha: strength },
            settings::Clip::Code => Clip::Code { factor: strength },
            _ => Clip::None,
        },
        keep: of.keep,
        batch: of.batch > 0,
    }
}

fn refuse<T>(key: &str, expected: &str, got: impl std::fmt::Display) -> Outcome<T> {
    Err(Failure::new(format!(
        "{key}: expected {expected}, got {got}"
    )))
}

fn check_numbers(settings: &Settings) -> Outcome {
    let (n, f) = (settings.workers.n, settings.workers.f);
    if n == 0 {
        return refuse("workers.n", "at least one worker", n);
    }
    if f > 0 && 2 * f >= n {
        let expected = format!("less than half of {n} workers");
        return refuse("workers.f", &expected, f);
    }
    let (of, model) = (&settings.training, &settings.model);
    let counts = [
        ("training.steps", of.steps),
        ("training.evaluations", of.evaluations),
        ("model.hidden", model.hidden.unwrap_or(1) as u64),
        ("model.channels", model.channels.unwrap_or(1) as u64),
    ];
    for (key, count) in counts {
        if !(1..=1_000_000_000).contains(&count) {
            return refuse(key, "a number from 1 to a billion", count);
        }
    }
    let some = |number: Option<f64>| number.unwrap_or(0.5);
    let shares = [
        ("data.heterogeneity", some(settings.data.heterogeneity)),
        ("training.momentum", some(of.momentum)),
        ("training.beta", some(of.beta)),
        ("training.gamma", some(of.gamma)),
        ("training.p", some(of.p)),
    ];
    for (key, share) in shares {
        if !(0.0..=1.0).contains(&share) {
            return refuse(key, "a number from 0 to 1", share);
        }
    }
    let positive = [
        ("training.rate", of.rate),
        ("training.strength", some(of.strength)),
    ];
    for (key, number) in positive {
        if !(number > 0.0 && number.is_finite()) {
            return refuse(key, "a finite number above 0", number);
        }
    }
    let amounts = [
        ("model.l2", some(model.l2)),
        ("checkpoint.seconds", settings.checkpoint.seconds),
    ];
    for (key, number) in amounts {
        if !(number >= 0.0 && number.is_finite()) {
            return refuse(key, "a finite number of at least 0", number);
        }
    }
    Ok(())
}

fn check_method(settings: &Settings) -> Outcome {
    let of = &settings.training;
    let is_marina = of.method == settings::Method::Marina;
    if is_marina && of.mode == Mode::Asynchronous {
        return refuse("training.mode", "synchronous for marina", "asynchronous");
    }
    let (clip, fits) = match of.clip {
        settings::Clip::None => ("none", true),
        settings::Clip::Heuristic => ("heuristic", !is_marina && of.mode == Mode::Synchronous),
        settings::Clip::Paper => ("paper", is_marina),
        settings::Clip::Code => ("code", is_marina),
    };
    if !fits {
        let expected = match (is_marina, of.mode) {
            (true, _) => "none, paper or code for marina",
            (_, Mode::Synchronous) => "none or heuristic for this method",
            (_, Mode::Asynchronous) => "none for asynchronous trainings",
        };
        return refuse("training.clip", expected, clip);
    }
    if clip != "none" && of.strength.is_none() {
        return refuse("training.strength", "a number for training.clip", "none");
    }
    let is_logistic = settings.model.kind == Kind::Logistic;
    if is_logistic != (settings.data.set == Set::Libsvm) {
        return Err(Failure::new(
            "model.kind: expected logistic for data.set = \"libsvm\", and mlp or cnn for images",
        ));
    }
    if settings.needs_optimum() && !is_logistic {
        return Err(Failure::new(
            "gap and distance are known for model.kind = \"logistic\" only",
        ));
    }
    Ok(())
}

/// The table and the plot are of the whole run.
fn check_report(config: &Config) -> Outcome {
    let table = &config.cells[0].settings.table;
    for (name, key) in [
        ("table.rows", &table.rows),
        ("table.columns", &table.columns),
    ] {
        if key != CASE && keys::find(key).is_none() {
            return refuse(name, "the name of a key, or case", key);
        }
    }
    if table.rows == table.columns {
        return refuse(
            "table.columns",
            "another key than table.rows",
            &table.columns,
        );
    }
    let reaches = table.reach.is_some() || table.target.is_some();
    if reaches && table.value != Value::Gradients {
        return Err(Failure::new(
            "table.reach: it is for table.value = \"gradients\" only",
        ));
    }
    if table.reach.is_some() != table.target.is_some() {
        return Err(Failure::new(
            "table.target: expected a number for table.reach, and none without it",
        ));
    }
    Ok(())
}
