//! Training methods that live with Byzantine workers: who sends what, and what the server does with it.
//!
//! A method needs a [`Problem`], which gives the gradient of a worker's loss at a point, and a [`Server`]: a rule
//! on a device, an attack, a learning rate, a seed. Everything random depends on the seed, the worker and the step
//! alone, so a run can be repeated, and resumed from its [`State`].
//!
//! | method | workers send | source |
//! |---|---|---|
//! | [`Synchronous`] with [`Method::Sgd`] | gradients | |
//! | … [`Method::Momentum`] | their momentum | Karimireddy, He, Jaggi, ICML 2021 |
//! | … [`Method::Mu2`] | corrected momentum, at averaged points | Dahan, Levy, "Fault Tolerant ML", 2024 |
//! | [`Asynchronous`] with any of them | one vector when it is ready; rows weigh as much as their worker has sent | Dahan, Levy, "Weight for Robustness", 2025 |
//! | [`Marina`] | clipped, compressed differences of gradients, of some workers | Malinovsky, Richtárik, Horváth, Gorbunov, NeurIPS 2024 |
//!
//! These simulations hold the workers' vectors in the host's memory, and aggregate on any device. A training loop
//! of your own takes the parts: rules with [weights](crate::Run::weights), [changed rows](crate::Run::changed) and
//! a [length to clip to](crate::Run::clip), and [`Recurrence`] for momentum and averages in the memory of the device.
//!
//! ```
//! use byzagg::attack::Attack;
//! use byzagg::training::{Method, Problem, Sample, Server, Synchronous, Training};
//! use byzagg::{Device, Result};
//!
//! /// Worker i has the loss ½‖x − c_i‖², all c_i near (1, 1).
//! struct Quadratic;
//!
//! impl Problem for Quadratic {
//!     fn workers(&self) -> usize {
//!         10
//!     }
//!
//!     fn dimension(&self) -> usize {
//!         2
//!     }
//!
//!     fn gradient(&self, i: usize, at: &[f32], _: Sample, gradient: &mut [f32]) -> Result<()> {
//!         let c = [1.0, 1.0 + 0.01 * i as f32];
//!         (0..2).for_each(|k| gradient[k] = at[k] - c[k]);
//!         Ok(())
//!     }
//! }
//!
//! let server = Server {
//!     rule: "ctma(median,f=3)".parse()?,
//!     device: Device::cpu(),
//!     attack: Attack::SignFlip,
//!     byzantine: 3,
//!     rate: 0.1,
//!     seed: 1,
//!     start: vec![5.0, -5.0],
//! };
//! let mut training = Synchronous::new(&Quadratic, server, Method::Momentum { beta: 0.9 })?;
//! for _ in 0..200 {
//!     training.step(&Quadratic)?;
//! }
//! assert!(training.point().iter().all(|x| (x - 1.0).abs() < 0.1));
//! # Ok::<(), byzagg::Error>(())
//! ```

mod asynchronous;
mod compress;
mod marina;
mod method;
mod random;
mod recurrence;
mod round;
mod state;
mod synchronous;

use std::time::Duration;

pub use asynchronous::{Arrivals, Asynchronous, Law};
pub use compress::rand_k;
pub use marina::{Clip, Marina, MarinaSettings};
pub use method::Method;
pub use recurrence::{Recurrence, Update, average, corrected_momentum, descent, momentum};
pub use state::State;
pub use synchronous::Synchronous;

use crate::attack::Attack;
use crate::{Device, Result, Rule};

/// A learning problem that n workers share.
pub trait Problem: Sync {
    /// n.
    fn workers(&self) -> usize;

    /// d, the number of parameters.
    fn dimension(&self) -> usize;

    /// The gradient of a worker's loss at a point. The same sample gives the same bits. Called from several
    /// threads.
    ///
    /// # Errors
    /// [`Error::Training`](crate::Error::Training), which ends the step.
    fn gradient(
        &self,
        worker: usize,
        at: &[f32],
        sample: Sample,
        gradient: &mut [f32],
    ) -> Result<()>;

    /// `∇f(to) − ∇f(from)` on one sample. For problems that can say it more exactly than the difference of two
    /// rounded gradients.
    ///
    /// # Errors
    /// As [`gradient`](Problem::gradient).
    fn difference(
        &self,
        worker: usize,
        (from, to): (&[f32], &[f32]),
        sample: Sample,
        difference: &mut [f32],
    ) -> Result<()> {
        let mut before = vec![0.0; from.len()];
        self.gradient(worker, from, sample, &mut before)?;
        self.gradient(worker, to, sample, difference)?;
        difference.iter_mut().zip(before).for_each(|(g, b)| *g -= b);
        Ok(())
    }
}

/// Which part of a worker's data a gradient is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The data points.
    pub draw: Draw,
    /// Are labels turned around (c becomes `classes − 1 − c`, a sign its opposite)? For
    /// [`Attack::LabelFlip`].
    pub flipped: bool,
}

/// The data points of a [`Sample`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draw {
    /// All of the worker's.
    All,
    /// A batch, drawn by this seed, which is another one for each worker and step.
    Batch(u64),
}

/// What all methods need besides the problem.
#[derive(Clone, Debug)]
pub struct Server {
    /// How vectors are aggregated.
    pub rule: Rule,
    /// Where.
    pub device: Device,
    /// What Byzantine workers send.
    pub attack: Attack,
    /// How many workers are Byzantine: the last ones.
    pub byzantine: usize,
    /// The learning rate η.
    pub rate: f64,
    /// Everything random follows from it.
    pub seed: u64,
    /// Where the training starts, d numbers.
    pub start: Vec<f32>,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Steps done.
    pub step: u64,
    /// Gradients that honest workers computed; a difference counts as two.
    pub gradients: u64,
    /// What aggregating took so far, without attacks that try the rule.
    pub aggregating: Duration,
}

impl Progress {
    fn save(&self, state: &mut State) {
        state.counter("step", self.step);
        state.counter("gradients", self.gradients);
        state.counter("aggregating_ns", self.aggregating.as_nanos() as u64);
    }

    fn load(state: &State) -> Self {
        Progress {
            step: state.counters["step"],
            gradients: state.counters["gradients"],
            aggregating: Duration::from_nanos(state.counters["aggregating_ns"]),
        }
    }
}

/// A run of a method.
pub trait Training {
    /// One step of the server.
    ///
    /// # Errors
    /// Those of the problem, the attack and the rule. The run can't go on after one, but from a
    /// [`state`](Training::state) before.
    fn step(&mut self, problem: &dyn Problem) -> Result<Progress>;

    /// The model to evaluate. Not finite once the rule or the rate let it diverge.
    fn point(&self) -> &[f32];

    /// How far it is.
    fn progress(&self) -> Progress;

    /// Everything that the next steps depend on, but for the settings. Runs that take their states at the same
    /// steps have the same bits, whether restored or not: kept inner products are computed anew after it.
    fn state(&mut self) -> State;

    /// Continues from a state of a run with the same settings.
    ///
    /// # Errors
    /// [`Error::Training`](crate::Error::Training) if it is another method's, or of another shape. Nothing has
    /// changed then.
    fn restore(&mut self, state: &State) -> Result<()>;
}
