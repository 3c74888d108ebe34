//! Byz-VR-MARINA-PP: variance reduction, compression and partial participation at once.

use super::random::{Purpose, sample, stream, uniform};
use super::round::{Round, Serving, distance, length};
use super::{Problem, Progress, Server, State, Training, compress, rand_k, random};
use crate::{Error, Result};

/// To which length compressed differences are clipped, by the server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Clip {
    /// To none: what the paper shows to fail.
    None,
    /// As the paper: `α‖x⁺ − x‖`.
    Paper {
        /// α.
        alpha: f64,
    },
    /// As the paper's code: `factor·‖g‖`, which is α = factor/η.
    Code {
        /// The factor.
        factor: f64,
    },
}

/// What [`Marina`] needs beyond the [`Server`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MarinaSettings {
    /// The probability of a full round, in (0, 1].
    pub p: f64,
    /// C, the workers sampled in other rounds.
    pub sampled: usize,
    /// Ĉ, those sampled in full rounds.
    pub full: usize,
    /// How differences are clipped.
    pub clip: Clip,
    /// Rand-K keeps so many coordinates of a difference. None: all.
    pub keep: Option<usize>,
    /// Are differences of a batch, the same at both points, rather than of all of a worker's data?
    pub batch: bool,
}

/// Byz-VR-MARINA-PP (Malinovsky, Richtárik, Horváth, Gorbunov, NeurIPS 2024). Every round steps `x⁺ = x − η g`; then,
/// with probability p, `g ← A({∇f_i(x⁺)})` of Ĉ sampled workers, otherwise
/// `g ← g + A({clip(Q(∇f_i(x⁺) − ∇f_i(x)))})` of C sampled workers, Q being Rand-K. Before the first round
/// g is the rule of Ĉ workers at the start.
///
/// Among C sampled workers Byzantine ones may be the majority: a clipped difference bounds what they can do then.
pub struct Marina {
    round: Round,
    settings: MarinaSettings,
    x: Vec<f32>,
    g: Vec<f32>,
}

impl Marina {
    /// # Errors
    /// [`Error::Training`] and [`Error::Parameter`] if the settings fit neither each other nor the problem.
    pub fn new(problem: &dyn Problem, server: Server, settings: MarinaSettings) -> Result<Self> {
        let mut round = Round::new(problem, server)?;
        let refuse = |what: String| Err(Error::training(what));
        let p = settings.p;
        if !(p > 0.0 && p <= 1.0) {
            return refuse(format!("p: expected a probability in (0, 1], got {p}"));
        }
        for (name, count) in [("sampled", settings.sampled), ("full", settings.full)] {
            if !(1..=round.n).contains(&count) {
                let n = round.n;
                return refuse(format!(
                    "{name}: expected from 1 to n = {n} workers, got {count}"
                ));
            }
        }
        if let Clip::Paper { alpha: c } | Clip::Code { factor: c } = settings.clip
            && !(c > 0.0 && c.is_finite())
        {
            return refuse(format!("clip: expected a finite number above 0, got {c}"));
        }
        if let Some(keep) = settings.keep {
            compress::check(keep, round.d)?;
        }
        round.prepare(settings.full, false)?;
        round.prepare(settings.sampled, settings.clip != Clip::None)?;
        Ok(Marina {
            x: round.server.start.clone(),
            g: vec![0.0; round.d],
            round,
            settings,
        })
    }

    /// `g ← A({∇f_i(x)})` of Ĉ workers.
    fn full_round(&mut self, problem: &dyn Problem, t: u64) -> Result<()> {
        let workers = sample(self.round.server.seed, t, self.round.n, self.settings.full);
        let mut rows = vec![0.0; workers.len() * self.round.d];
        let samples = self.round.samples(t, false);
        let x = &self.x;
        self.round.fill(&workers, &mut rows, 1, |worker, row| {
            problem.gradient(worker, x, samples[worker], row)
        })?;
        let serving = Serving {
            number: t,
            ..Serving::default()
        };
        self.round.strike(&workers, &mut rows, &serving, &self.x)?;
        self.round.aggregate(&rows, &mut self.g, &serving)
    }

    /// `g ← g + A({clip(Q(∇f_i(x) − ∇f_i(before)))})` of C workers.
    fn difference_round(&mut self, problem: &dyn Problem, before: &[f32], t: u64) -> Result<()> {
        let (seed, keep) = (self.round.server.seed, self.settings.keep);
        let workers = sample(seed, t, self.round.n, self.settings.sampled);
        let mut rows = vec![0.0; workers.len() * self.round.d];
        let samples = self.round.samples(t, self.settings.batch);
        let x = &self.x;
        self.round.fill(&workers, &mut rows, 2, |worker, row| {
            problem.difference(worker, (before, x), samples[worker], row)?;
            match keep {
                Some(keep) => rand_k(row, keep, random::seed(seed, worker, t)),
                None => Ok(()),
            }
        })?;
        let clip = match self.settings.clip {
            Clip::None => None,
            Clip::Paper { alpha } => Some(alpha * distance(&self.x, before)),
            Clip::Code { factor } => Some(factor * length(&self.g)),
        };
        let serving = Serving {
            number: t,
            clip,
            ..Serving::default()
        };
        self.round.strike(&workers, &mut rows, &serving, &self.x)?;
        let mut change = vec![0.0; self.round.d];
        self.round.aggregate(&rows, &mut change, &serving)?;
        self.g.iter_mut().zip(change).for_each(|(g, c)| *g += c);
        Ok(())
    }
}

impl Training for Marina {
    fn step(&mut self, problem: &dyn Problem) -> Result<Progress> {
        let t = self.round.progress.step + 1;
        if t == 1 {
            self.full_round(problem, 0)?;
        }
        let before = self.x.clone();
        let rate = self.round.server.rate;
        for (x, &g) in self.x.iter_mut().zip(&self.g) {
            *x = (f64::from(*x) - rate * f64::from(g)) as f32;
        }
        let mut coin = stream(self.round.server.seed, Purpose::Coin, 0, t);
        if uniform(&mut coin) < self.settings.p {
            self.full_round(problem, t)?;
        } else {
            self.difference_round(problem, &before, t)?;
        }
        self.round.progress.step = t;
        Ok(self.round.progress)
    }

    fn point(&self) -> &[f32] {
        &self.x
    }

    fn progress(&self) -> Progress {
        self.round.progress
    }

    fn state(&mut self) -> State {
        let mut state = State::default();
        self.round.progress.save(&mut state);
        state.vector("x", &self.x);
        state.vector("g", &self.g);
        state
    }

    fn restore(&mut self, state: &State) -> Result<()> {
        self.state().check(state)?;
        self.round.progress = Progress::load(state);
        self.x.copy_from_slice(&state.vectors["x"]);
        self.g.copy_from_slice(&state.vectors["g"]);
        Ok(())
    }
}
