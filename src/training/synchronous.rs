//! Rounds in which all workers, or a sample of them, send a vector.

use super::method::{Model, Momenta};
use super::round::{Round, Serving, distance};
use super::{Method, Problem, Progress, Server, State, Training, random};
use crate::{Error, Result};

/// Synchronous rounds: the workers send what the [`Method`] says about the server's point, the server aggregates and
/// steps.
pub struct Synchronous {
    round: Round,
    method: Method,
    momenta: Momenta,
    model: Model,
    participants: usize,
    clip: Option<f64>,
    /// The point that the workers saw before; until the first step the start.
    before: Vec<f32>,
    /// The last aggregate.
    aggregate: Vec<f32>,
}

impl Synchronous {
    /// # Errors
    /// [`Error::Training`] and [`Error::Parameter`] if the settings fit neither each other nor the problem.
    pub fn new(problem: &dyn Problem, server: Server, method: Method) -> Result<Self> {
        method.check()?;
        let mut round = Round::new(problem, server)?;
        let (n, d) = (round.n, round.d);
        round.prepare(n, false)?;
        Ok(Synchronous {
            method,
            momenta: Momenta::new(method, n, d)?,
            model: Model::new(method, round.server.rate, &round.server.start)?,
            participants: n,
            clip: None,
            before: round.server.start.clone(),
            aggregate: vec![0.0; d],
            round,
        })
    }

    /// Only so many workers take part in a round, drawn anew for each. Byzantine ones may be more than half of them:
    /// see [`clip`](Synchronous::clip).
    ///
    /// # Errors
    /// Unless 0 < participants ≤ n, if the rule does not fit so many rows, or the method needs all
    /// ([`Method::Mu2`], which corrects vectors from one step to the next).
    pub fn participants(mut self, participants: usize) -> Result<Self> {
        let n = self.round.n;
        if !(1..=n).contains(&participants) {
            return Err(Error::training(format!(
                "participants: expected from 1 to n = {n}, got {participants}"
            )));
        }
        if participants < n && self.method.needs_point_before() {
            return Err(Error::training(format!(
                "participants: μ²-SGD needs all {n} workers in each round, got {participants}"
            )));
        }
        self.round.prepare(participants, self.clip.is_some())?;
        self.participants = participants;
        Ok(self)
    }

    /// Clips differences (Malinovsky et al. 2024, heuristic for any method):
    /// `g^k = g^{k−1} + A({clip(v_i − g^{k−1})})` to the length `λ‖x^k − x^{k−1}‖`, v_i what worker i sends. A round
    /// with a Byzantine majority then moves g by no more than that. The first round is not clipped.
    ///
    /// # Errors
    /// Unless λ is finite and above 0.
    pub fn clip(mut self, lambda: f64) -> Result<Self> {
        if !(lambda > 0.0 && lambda.is_finite()) {
            return Err(Error::training(format!(
                "clip: expected a finite λ above 0, got {lambda}"
            )));
        }
        self.round.prepare(self.participants, true)?;
        self.clip = Some(lambda);
        Ok(self)
    }
}

impl Training for Synchronous {
    fn step(&mut self, problem: &dyn Problem) -> Result<Progress> {
        let seed = self.round.server.seed;
        let t = self.round.progress.step + 1;
        let workers = random::sample(seed, t, self.round.n, self.participants);
        let points = |_| [&self.model.x[..], &self.before];
        let mut rows =
            self.momenta
                .compute(&mut self.round, problem, (&workers, t), points, |_| t)?;
        let last = self.aggregate.clone();
        let mut serving = Serving {
            // Rounds count from 0.
            number: t - 1,
            ..Serving::default()
        };
        if let Some(lambda) = self.clip
            && t > 1
        {
            serving.about = Some(&last);
            serving.clip = Some(lambda * distance(&self.model.x, &self.before));
        }
        self.round
            .strike(&workers, &mut rows, &serving, &self.model.x)?;
        self.round.aggregate(&rows, &mut self.aggregate, &serving)?;
        self.before.copy_from_slice(&self.model.x);
        self.model.step(t, &self.aggregate)?;
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
        let mut state = State::default();
        self.round.progress.save(&mut state);
        self.momenta.save(&mut state);
        self.model.save(&mut state);
        state.vector("before", &self.before);
        state.vector("aggregate", &self.aggregate);
        state
    }

    fn restore(&mut self, state: &State) -> Result<()> {
        self.state().check(state)?;
        self.round.progress = Progress::load(state);
        self.momenta.load(state);
        self.model.load(state);
        self.before.copy_from_slice(&state.vectors["before"]);
        self.aggregate.copy_from_slice(&state.vectors["aggregate"]);
        Ok(())
    }
}
