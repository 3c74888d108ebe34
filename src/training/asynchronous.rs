//! A server that steps whenever a vector arrives.

use std::fmt;
use std::str::FromStr;
use std::time::Instant;

use super::method::{Model, Momenta};
use super::random::{Purpose, stream, uniform};
use super::round::{Round, Serving};
use super::{Method, Problem, Progress, Server, State, Training};
use crate::{DType, Error, Matrix, Options, Prepared, Result, Run, Shape};

/// How often a worker is the one that arrives, as a function of its number, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    /// All alike.
    Uniform,
    /// In proportion to the number.
    Id,
    /// In proportion to its square.
    SquaredId,
}

impl Law {
    const NAMES: [(&str, Law); 3] = [
        ("uniform", Law::Uniform),
        ("id", Law::Id),
        ("id2", Law::SquaredId),
    ];

    fn weight(self, id: usize) -> f64 {
        match self {
            Law::Uniform => 1.0,
            Law::Id => id as f64,
            Law::SquaredId => (id as f64).powi(2),
        }
    }

    /// One of `count` workers, from 0.
    fn draw(self, count: usize, at: f64) -> usize {
        let total: f64 = (1..=count).map(|id| self.weight(id)).sum();
        let mut sum = 0.0;
        let found = (1..=count).position(|id| {
            sum += self.weight(id);
            at * total < sum
        });
        found.unwrap_or(count - 1)
    }
}

impl fmt::Display for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, _) = Law::NAMES.iter().find(|(_, law)| law == self).unwrap();
        f.write_str(name)
    }
}

impl FromStr for Law {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match Law::NAMES.iter().find(|(name, _)| *name == text) {
            Some((_, law)) => Ok(*law),
            None => Err(Error::training(format!(
                "arrivals: expected uniform, id or id2, got {text:?}"
            ))),
        }
    }
}

/// Who arrives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Arrivals {
    /// How often, as a function of the worker's number.
    pub law: Law,
    /// The probability that an arrival is a Byzantine worker's; then the law holds among the honest and among the
    /// Byzantine ones, each numbered from 1. None: the law holds among all, the Byzantine ones being the last.
    pub byzantine: Option<f64>,
}

/// An asynchronous server (Dahan, Levy 2025): a worker computes at the point that it got last, sends, and gets the
/// server's new point. Its row is replaced, its weight grows by one, and the server steps along the rule of all rows.
///
/// Before the first step every worker has sent one vector, computed at the start. Inner products are
/// [kept](Options::keep_geometry) between steps.
pub struct Asynchronous {
    round: Round,
    momenta: Momenta,
    model: Model,
    arrivals: Arrivals,
    weighted: bool,
    rule: Prepared,
    /// What each worker would honestly have sent, and what it sent, last.
    own: Vec<f32>,
    sent: Vec<f32>,
    /// The points that they compute at, and computed at before.
    held: Vec<f32>,
    before: Vec<f32>,
    counts: Vec<f64>,
    aggregate: Vec<f32>,
    /// The next run takes all rows to be new.
    fresh: bool,
}

impl Asynchronous {
    /// With `weighted`, rows weigh as much as their worker has sent; otherwise all the same.
    ///
    /// # Errors
    /// [`Error::Training`], [`Error::Parameter`] and [`Error::Weights`] if the settings fit neither each other nor
    /// the problem.
    pub fn new(
        problem: &dyn Problem,
        server: Server,
        method: Method,
        arrivals: Arrivals,
        weighted: bool,
    ) -> Result<Self> {
        method.check()?;
        let round = Round::new(problem, server)?;
        let (n, d) = (round.n, round.d);
        if let Some(share) = arrivals.byzantine
            && !((0.0..1.0).contains(&share) && (share == 0.0 || round.server.byzantine > 0))
        {
            return Err(Error::training(format!(
                "arrivals: expected a Byzantine share in [0, 1), 0 without Byzantine workers, got {share}"
            )));
        }
        let options = Options::new().weighted(weighted).keep_geometry(true);
        let device = &round.server.device;
        let rule =
            round
                .server
                .rule
                .prepare_with(device, &Shape::new(n, d), DType::F32, options)?;
        let points = round.server.start.repeat(n);
        Ok(Asynchronous {
            momenta: Momenta::new(method, n, d)?,
            model: Model::new(method, round.server.rate, &round.server.start)?,
            arrivals,
            weighted,
            rule,
            own: vec![0.0; n * d],
            sent: vec![0.0; n * d],
            held: points.clone(),
            before: points,
            counts: vec![0.0; n],
            aggregate: vec![0.0; d],
            fresh: true,
            round,
        })
    }

    /// How often inner products were computed about a new centre.
    pub fn renewals(&self) -> u64 {
        self.rule.renewals()
    }

    fn arrival(&self, t: u64) -> usize {
        let (n, honest) = (self.round.n, self.round.honest());
        let mut random = stream(self.round.server.seed, Purpose::Arrival, 0, t);
        let (law, at) = (self.arrivals.law, uniform(&mut random));
        match self.arrivals.byzantine {
            None => law.draw(n, at),
            Some(share) if uniform(&mut random) < share => honest + law.draw(n - honest, at),
            Some(_) => law.draw(honest, at),
        }
    }

    /// Workers compute where they are, into their own rows.
    fn compute(&mut self, problem: &dyn Problem, workers: &[usize], t: u64) -> Result<()> {
        let d = self.round.d;
        let at = |worker: usize| worker * d..(worker + 1) * d;
        workers
            .iter()
            .for_each(|&worker| self.counts[worker] += 1.0);
        let points = |worker| [&self.held[at(worker)], &self.before[at(worker)]];
        let count = |worker: usize| self.counts[worker] as u64;
        let rows = self
            .momenta
            .compute(&mut self.round, problem, (workers, t), points, count)?;
        for (&worker, row) in workers.iter().zip(rows.chunks(d)) {
            self.own[at(worker)].copy_from_slice(row);
        }
        Ok(())
    }

    /// Workers send: the honest what they computed, Byzantine ones what the attack makes of all rows.
    fn send(&mut self, workers: &[usize], t: u64) -> Result<()> {
        let d = self.round.d;
        let mut rows = None;
        if workers
            .iter()
            .any(|&worker| self.round.is_byzantine(worker))
        {
            let all: Vec<usize> = (0..self.round.n).collect();
            let mut forged = self.own.clone();
            let serving = Serving {
                number: t,
                weights: self.weighted.then_some(&self.counts[..]),
                ..Serving::default()
            };
            self.round
                .strike(&all, &mut forged, &serving, &self.model.x)?;
            rows = Some(forged);
        }
        let rows = rows.as_ref().unwrap_or(&self.own);
        for &worker in workers {
            let at = worker * d..(worker + 1) * d;
            self.sent[at.clone()].copy_from_slice(&rows[at]);
        }
        Ok(())
    }

    fn saved(&self) -> State {
        let mut state = State::default();
        self.round.progress.save(&mut state);
        self.momenta.save(&mut state);
        self.model.save(&mut state);
        for (name, rows) in [
            ("own", &self.own),
            ("sent", &self.sent),
            ("held", &self.held),
            ("before", &self.before),
        ] {
            state.vector(name, rows);
        }
        for (worker, &count) in self.counts.iter().enumerate() {
            state.counter(&format!("count.{worker}"), count as u64);
        }
        state
    }
}

impl Training for Asynchronous {
    fn step(&mut self, problem: &dyn Problem) -> Result<Progress> {
        let (n, d) = (self.round.n, self.round.d);
        let t = self.round.progress.step + 1;
        if t == 1 {
            let all: Vec<usize> = (0..n).collect();
            self.compute(problem, &all, 0)?;
            self.send(&all, 0)?;
        }
        let worker = [self.arrival(t)];
        self.compute(problem, &worker, t)?;
        self.send(&worker, t)?;

        let clock = Instant::now();
        let mut run = Run::new().step(t);
        if self.weighted {
            run = run.weights(&self.counts);
        }
        if !self.fresh {
            run = run.changed(&worker);
        }
        let rows = Matrix::new(&self.sent, n, d)?;
        self.rule.run_with(rows, &mut self.aggregate, &run)?;
        self.fresh = false;
        self.round.progress.aggregating += clock.elapsed();

        self.model.step(t, &self.aggregate)?;
        let at = worker[0] * d..(worker[0] + 1) * d;
        self.before[at.clone()].copy_from_slice(&self.held[at.clone()]);
        self.held[at].copy_from_slice(&self.model.x);
        self.round.progress.step = t;
        Ok(self.round.progress)
    }

    fn point(&self) -> &[f32] {
        &self.model.x
    }

    fn progress(&self) -> Progress {
        self.round.progress
    }

    fn state(&mut self) -> State {
        self.fresh = true;
        self.saved()
    }
    fn restore(&mut self, state: &State) -> Result<()> {
        self.saved().check(state)?;
        self.fresh = true;
        self.round.progress = Progress::load(state);
        self.momenta.load(state);
        self.model.load(state);
        for (name, rows) in [
            ("own", &mut self.own),
            ("sent", &mut self.sent),
            ("held", &mut self.held),
            ("before", &mut self.before),
        ] {
            rows.copy_from_slice(&state.vectors[name]);
        }
        for (worker, count) in self.counts.iter_mut().enumerate() {
            *count = state.counters[&format!("count.{worker}")] as f64;
        }
        Ok(())
    }
}
