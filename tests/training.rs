//! Training methods against transcriptions in f64 on a small quadratic problem, under attack, and from checkpoints.

mod common;

use std::sync::Mutex;

use byzagg::training::{
    Arrivals, Asynchronous, Clip, Draw, Law, Marina, MarinaSettings, Method, Problem, Recurrence,
    Sample, Server, State, Synchronous, Training, average, corrected_momentum, descent, momentum,
    rand_k,
};
use byzagg::{DType, Device, Error, Matrix, Result, Shape};
use common::device::devices;
use common::naive;

/// `½ Σ_k h_k (x_k − c_ik)²` for worker i, with noise of its own in every batch. Logs who was asked.
struct Quadratic {
    n: usize,
    d: usize,
    /// How far the workers' centres lie from the common one.
    spread: f64,
    noise: f64,
    log: Mutex<Vec<(usize, Sample)>>,
}

impl Quadratic {
    fn new(n: usize, d: usize, spread: f64, noise: f64) -> Self {
        let log = Mutex::default();
        Quadratic {
            n,
            d,
            spread,
            noise,
            log,
        }
    }

    /// A number in [−1, 1] without a pattern.
    fn hash(a: u64, b: u64) -> f64 {
        let mixed = (a ^ b.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_mul(0xd6e8_feb8_6659_fd93);
        let mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
        (mixed >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    fn curvature(k: usize) -> f64 {
        [0.5, 1.0, 1.5][k % 3]
    }

    fn exact(&self, worker: usize, at: &[f64], sample: Sample) -> Vec<f64> {
        let gradient = at.iter().enumerate().map(|(k, x)| {
            let centre = 1.0 + self.spread * Self::hash(worker as u64 + 1, k as u64);
            let noise = match sample.draw {
                Draw::All => 0.0,
                Draw::Batch(seed) => self.noise * Self::hash(seed, k as u64),
            };
            let gradient = Self::curvature(k) * (x - centre) + noise;
            if sample.flipped { -gradient } else { gradient }
        });
        gradient.collect()
    }

    /// Who was asked since the last call, by worker.
    fn asked(&self) -> Vec<(usize, Sample)> {
        let mut asked = std::mem::take(&mut *self.log.lock().unwrap());
        asked.sort_by_key(|&(worker, _)| worker);
        asked
    }

    /// The squared distance to the common centre.
    fn distance(&self, x: &[f32]) -> f64 {
        x.iter().map(|&x| (f64::from(x) - 1.0).powi(2)).sum()
    }
}

impl Problem for Quadratic {
    fn workers(&self) -> usize {
        self.n
    }

    fn dimension(&self) -> usize {
        self.d
    }

    fn gradient(
        &self,
        worker: usize,
        at: &[f32],
        sample: Sample,
        gradient: &mut [f32],
    ) -> Result<()> {
        self.log.lock().unwrap().push((worker, sample));
        let exact = self.exact(worker, &wide(at), sample);
        gradient
            .iter_mut()
            .zip(exact)
            .for_each(|(g, e)| *g = e as f32);
        Ok(())
    }
}

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

fn server(rule: &str, attack: &str, problem: &Quadratic, byzantine: usize, rate: f64) -> Server {
    Server {
        rule: rule.parse().unwrap(),
        device: Device::cpu(),
        attack: attack.parse().unwrap(),
        byzantine,
        rate,
        seed: 7,
        start: (0..problem.d).map(|k| 4.0 - k as f32).collect(),
    }
}

/// The oracle's result.
fn aggregate(rule: &str, rows: &[Vec<f64>], weights: Option<&[f64]>) -> Vec<f64> {
    let permutation = |_, _| unreachable!("no rule here has one");
    naive::aggregate(rule, rows, weights, &permutation)
        .unwrap()
        .output
}

fn add(x: &mut [f64], factor: f64, y: &[f64]) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x += factor * y);
}

fn norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

#[track_caller]
fn close(what: &str, got: &[f32], expected: &[f64]) {
    for (got, expected) in got.iter().zip(expected) {
        let difference = (f64::from(*got) - expected).abs();
        assert!(
            difference <= 2e-5 * (1.0 + expected.abs()),
            "{what}: {got} instead of {expected}"
        );
    }
}

/// What a worker sends, in f64.
struct Worker {
    vector: Vec<f64>,
    updates: u64,
}

impl Worker {
    fn all(problem: &Quadratic) -> Vec<Worker> {
        let new = |_| Worker {
            vector: vec![0.0; problem.d],
            updates: 0,
        };
        (0..problem.n).map(new).collect()
    }

    fn send(&mut self, method: Method, new: Vec<f64>, old: Vec<f64>) -> Vec<f64> {
        self.updates += 1;
        match method {
            Method::Sgd => return new,
            Method::Momentum { beta } => {
                self.vector.iter_mut().for_each(|m| *m *= beta);
                add(&mut self.vector, 1.0 - beta, &new);
            }
            Method::Mu2 { beta, .. } if self.updates > 1 => {
                let beta = beta.unwrap_or(1.0 / self.updates as f64);
                add(&mut self.vector, -1.0, &old);
                self.vector.iter_mut().for_each(|d| *d *= 1.0 - beta);
                add(&mut self.vector, 1.0, &new);
            }
            _ => self.vector = new,
        }
        self.vector.clone()
    }
}

/// The server's model, in f64.
struct Model {
    x: Vec<f64>,
    w: Vec<f64>,
    /// Σ α so far, and the next one.
    sum: f64,
}

impl Model {
    fn new(start: &[f32]) -> Self {
        Model {
            x: wide(start),
            w: wide(start),
            sum: 1.0,
        }
    }

    fn step(&mut self, method: Method, t: f64, rate: f64, along: &[f64]) {
        let Method::Mu2 { gamma, .. } = method else {
            return add(&mut self.x, -rate, along);
        };
        match gamma {
            Some(gamma) => {
                add(&mut self.w, -rate, along);
                self.x.iter_mut().for_each(|x| *x *= 1.0 - gamma);
                add(&mut self.x, gamma, &self.w);
            }
            None => {
                add(&mut self.w, -rate * t, along);
                let (old, next) = (self.sum, t + 1.0);
                self.sum += next;
                for (x, w) in self.x.iter_mut().zip(&self.w) {
                    *x = (old * *x + next * w) / self.sum;
                }
            }
        }
    }
}

const METHODS: [Method; 4] = [
    Method::Sgd,
    Method::Momentum { beta: 0.8 },
    Method::Mu2 {
        beta: None,
        gamma: None,
    },
    Method::Mu2 {
        beta: Some(0.3),
        gamma: Some(0.2),
    },
];

#[test]
fn synchronous_rounds_are_their_definition() {
    for rule in ["median", "cwtm(f=2)", "ctma(median,f=2)"] {
        for method in METHODS {
            let problem = Quadratic::new(9, 5, 0.3, 0.5);
            let settings = server(rule, "sign-flip", &problem, 2, 0.05);
            let mut workers = Worker::all(&problem);
            let mut model = Model::new(&settings.start);
            let mut before = model.x.clone();
            let mut training = Synchronous::new(&problem, settings, method).unwrap();
            for t in 1..=25u64 {
                let progress = training.step(&problem).unwrap();
                assert_eq!(progress.step, t);
                let mut asked = problem.asked();
                asked.dedup();
                assert_eq!(asked.len(), 9);
                let mut rows = Vec::new();
                for (worker, sample) in asked {
                    let new = problem.exact(worker, &model.x, sample);
                    let old = problem.exact(worker, &before, sample);
                    let mut row = workers[worker].send(method, new, old);
                    if worker >= 7 {
                        row.iter_mut().for_each(|x| *x = -*x);
                    }
                    rows.push(row);
                }
                before.clone_from(&model.x);
                model.step(method, t as f64, 0.05, &aggregate(rule, &rows, None));
                close(
                    &format!("{rule}, {method:?}, {t}"),
                    training.point(),
                    &model.x,
                );
            }
            let evaluations = training.progress().gradients;
            let twice = matches!(method, Method::Mu2 { .. });
            assert_eq!(evaluations, if twice { 7 * 49 } else { 7 * 25 });
        }
    }
}

/// Batches differ from step to step and from worker to worker.
#[test]
fn every_batch_is_another() {
    let problem = Quadratic::new(6, 2, 0.3, 0.5);
    let settings = server("mean", "none", &problem, 0, 0.05);
    let mut training = Synchronous::new(&problem, settings, Method::Sgd).unwrap();
    for _ in 0..20 {
        training.step(&problem).unwrap();
    }
    let mut seeds: Vec<u64> = problem
        .asked()
        .into_iter()
        .map(|(_, sample)| match sample.draw {
            Draw::Batch(seed) => seed,
            Draw::All => panic!("not a batch"),
        })
        .collect();
    seeds.sort_unstable();
    seeds.dedup();
    assert_eq!(seeds.len(), 6 * 20);
}

#[test]
fn sampled_and_clipped_rounds_are_their_definition() {
    let (rule, method) = ("cwtm(f=1)", Method::Momentum { beta: 0.5 });
    let problem = Quadratic::new(9, 4, 0.3, 0.5);
    let settings = server(rule, "sign-flip", &problem, 2, 0.1);
    let mut workers = Worker::all(&problem);
    let mut model = Model::new(&settings.start);
    let mut before = model.x.clone();
    let mut g = vec![0.0; 4];
    let training = Synchronous::new(&problem, settings, method).unwrap();
    let mut training = training.participants(5).unwrap().clip(1.5).unwrap();
    let mut all = Vec::new();
    for t in 1..=25 {
        training.step(&problem).unwrap();
        let asked = problem.asked();
        assert_eq!(asked.len(), 5);
        let mut rows = Vec::new();
        for (worker, sample) in asked {
            all.push(worker);
            let new = problem.exact(worker, &model.x, sample);
            let mut row = workers[worker].send(method, new, Vec::new());
            if worker >= 7 {
                row.iter_mut().for_each(|x| *x = -*x);
            }
            if t > 1 {
                add(&mut row, -1.0, &g);
                let mut step = model.x.clone();
                add(&mut step, -1.0, &before);
                let factor = (1.5 * norm(&step) / norm(&row)).min(1.0);
                row.iter_mut().for_each(|x| *x *= factor);
            }
            rows.push(row);
        }
        add(&mut g, 1.0, &aggregate(rule, &rows, None));
        before.clone_from(&model.x);
        model.step(method, t as f64, 0.1, &g);
        close(&format!("step {t}"), training.point(), &model.x);
    }
    all.sort_unstable();
    all.dedup();
    assert_eq!(all, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn arrivals_are_their_definition() {
    for (rule, weighted) in [
        ("median", true),
        ("rfa(iterations=5)", true),
        ("cwtm(f=2)", false),
    ] {
        for method in METHODS {
            let problem = Quadratic::new(7, 4, 0.3, 0.5);
            let settings = server(rule, "sign-flip", &problem, 2, 0.03);
            let arrivals = Arrivals {
                law: Law::SquaredId,
                byzantine: Some(0.3),
            };
            let mut workers = Worker::all(&problem);
            let mut model = Model::new(&settings.start);
            let mut held = vec![(model.x.clone(), model.x.clone()); 7];
            let mut rows = vec![Vec::new(); 7];
            let mut training =
                Asynchronous::new(&problem, settings, method, arrivals, weighted).unwrap();
            for t in 1..=60 {
                training.step(&problem).unwrap();
                let mut asked = std::mem::take(&mut *problem.log.lock().unwrap());
                asked.dedup();
                // First everyone, in any order, then whoever arrives.
                assert_eq!(asked.len(), if t == 1 { 8 } else { 1 });
                let arrived = asked.last().unwrap().0;
                for (worker, sample) in asked {
                    let (at, before) = &held[worker];
                    let new = problem.exact(worker, at, sample);
                    let old = problem.exact(worker, before, sample);
                    let mut row = workers[worker].send(method, new, old);
                    if worker >= 5 {
                        row.iter_mut().for_each(|x| *x = -*x);
                    }
                    rows[worker] = row;
                }
                let weights: Vec<f64> = workers.iter().map(|w| w.updates as f64).collect();
                let along = aggregate(rule, &rows, weighted.then_some(&weights[..]));
                model.step(method, t as f64, 0.03, &along);
                let (at, _) = held[arrived].clone();
                held[arrived] = (model.x.clone(), at);
                close(
                    &format!("{rule}, {method:?}, {t}"),
                    training.point(),
                    &model.x,
                );
            }
        }
    }
}

#[test]
fn workers_arrive_by_law() {
    let shares = |law, byzantine| {
        let problem = Quadratic::new(5, 1, 0.0, 0.0);
        let settings = server("median", "none", &problem, 2, 1e-3);
        let arrivals = Arrivals { law, byzantine };
        let mut training =
            Asynchronous::new(&problem, settings, Method::Sgd, arrivals, false).unwrap();
        training.step(&problem).unwrap();
        problem.asked();
        for _ in 0..4000 {
            training.step(&problem).unwrap();
        }
        let mut shares = [0.0f64; 5];
        problem
            .asked()
            .iter()
            .for_each(|(w, _)| shares[*w] += 1.0 / 4000.0);
        shares
    };
    for (law, byzantine, expected) in [
        (Law::Uniform, None, [0.2; 5]),
        (Law::Id, None, [1.0, 2.0, 3.0, 4.0, 5.0].map(|i| i / 15.0)),
        (
            Law::SquaredId,
            None,
            [1.0, 4.0, 9.0, 16.0, 25.0].map(|i| i / 55.0),
        ),
        (
            Law::SquaredId,
            Some(0.4),
            [0.6 / 14.0, 2.4 / 14.0, 5.4 / 14.0, 0.08, 0.32],
        ),
    ] {
        for (got, expected) in shares(law, byzantine).iter().zip(expected) {
            assert!((got - expected).abs() < 0.04, "{law}: {got}, {expected}");
        }
    }
}

#[test]
fn marina_is_its_definition() {
    for (clip, batch) in [
        (Clip::Paper { alpha: 1.2 }, true),
        (Clip::Code { factor: 0.1 }, false),
        (Clip::None, true),
    ] {
        let rule = "cwtm(f=1)";
        let problem = Quadratic::new(9, 4, 0.3, 0.5);
        let settings = server(rule, "sign-flip", &problem, 2, 0.1);
        let marina = MarinaSettings {
            p: 0.3,
            sampled: 4,
            full: 8,
            clip,
            keep: None,
            batch,
        };
        let mut x = wide(&settings.start);
        let mut g = vec![0.0; 4];
        let mut training = Marina::new(&problem, settings, marina).unwrap();
        let send = |worker: usize, mut row: Vec<f64>| {
            if worker >= 7 {
                row.iter_mut().for_each(|x| *x = -*x);
            }
            row
        };
        let (mut full, mut differences) = (0, 0);
        for t in 1..=40 {
            training.step(&problem).unwrap();
            let mut asked = std::mem::take(&mut *problem.log.lock().unwrap());
            if t == 1 {
                let first: Vec<_> = asked.drain(..8).collect();
                let row = |&(worker, sample): &_| send(worker, problem.exact(worker, &x, sample));
                let rows: Vec<_> = first.iter().map(row).collect();
                g = aggregate(rule, &rows, None);
            }
            let before = x.clone();
            add(&mut x, -0.1, &g);
            asked.sort_by_key(|&(worker, _)| worker);
            asked.dedup();
            if asked.len() == 8 {
                full += 1;
                let row = |&(worker, sample): &_| send(worker, problem.exact(worker, &x, sample));
                let rows: Vec<_> = asked.iter().map(row).collect();
                g = aggregate(rule, &rows, None);
            } else {
                differences += 1;
                assert_eq!(asked.len(), 4);
                let mut step = x.clone();
                add(&mut step, -1.0, &before);
                let length = match clip {
                    Clip::None => f64::INFINITY,
                    Clip::Paper { alpha } => alpha * norm(&step),
                    Clip::Code { factor } => factor * norm(&g),
                };
                let mut rows = Vec::new();
                for &(worker, sample) in &asked {
                    assert_eq!(batch, sample.draw != Draw::All);
                    let mut row = problem.exact(worker, &x, sample);
                    add(&mut row, -1.0, &problem.exact(worker, &before, sample));
                    let mut row = send(worker, row);
                    let factor = (length / norm(&row)).min(1.0);
                    row.iter_mut().for_each(|x| *x *= factor);
                    rows.push(row);
                }
                add(&mut g, 1.0, &aggregate(rule, &rows, None));
            }
            close(&format!("{clip:?}, {t}"), training.point(), &x);
        }
        assert!(full > 3 && differences > 15);
    }
}

#[test]
fn rand_k_is_unbiased() {
    let x = [1.0f32, -2.0, 3.0, 0.5, 8.0];
    let mut mean = [0.0f64; 5];
    for seed in 0..8000 {
        let mut kept = x;
        rand_k(&mut kept, 2, seed).unwrap();
        assert_eq!(kept.iter().filter(|x| **x != 0.0).count(), 2);
        for (k, mean) in mean.iter_mut().enumerate() {
            assert!(kept[k] == 0.0 || kept[k] == 2.5 * x[k]);
            *mean += f64::from(kept[k]) / 8000.0;
        }
    }
    for (mean, x) in mean.iter().zip(x) {
        assert!((mean - f64::from(x)).abs() < 0.06 * f64::from(x).abs());
    }
    let mut x = [1.0f32; 3];
    assert!(rand_k(&mut x, 0, 1).is_err() && rand_k(&mut x, 4, 1).is_err());
    assert_eq!(x, [1.0; 3]);
}

/// Robust rules stay near the honest optimum where the mean is driven away.
#[test]
fn robust_rules_learn_where_the_mean_is_lost() {
    let synchronous = |rule, method| {
        let problem = Quadratic::new(11, 6, 0.1, 0.2);
        let settings = server(rule, "ipm(epsilon=3)", &problem, 4, 0.05);
        let mut training = Synchronous::new(&problem, settings, method).unwrap();
        for _ in 0..300 {
            training.step(&problem).unwrap();
        }
        problem.distance(training.point())
    };
    for method in METHODS {
        for rule in ["ctma(median,f=4)", "nnm(cwtm(f=4),f=4)", "rfa"] {
            let distance = synchronous(rule, method);
            assert!(distance < 0.5, "{rule}, {method:?}: {distance}");
        }
        let distance = synchronous("mean", method);
        assert!(
            distance >= 30.0 || distance.is_nan(),
            "mean, {method:?}: {distance}"
        );
    }

    let asynchronous = |rule, weighted| {
        let problem = Quadratic::new(11, 6, 0.1, 0.2);
        let settings = server(rule, "ipm(epsilon=5)", &problem, 4, 0.03);
        let arrivals = Arrivals {
            law: Law::SquaredId,
            byzantine: Some(0.3),
        };
        let method = Method::Momentum { beta: 0.5 };
        let mut training =
            Asynchronous::new(&problem, settings, method, arrivals, weighted).unwrap();
        for _ in 0..1500 {
            training.step(&problem).unwrap();
        }
        problem.distance(training.point())
    };
    for rule in ["ctma(median,lambda=0.4)", "rfa", "ctma(rfa,lambda=0.4)"] {
        let distance = asynchronous(rule, true);
        assert!(distance < 0.5, "{rule}: {distance}");
    }
    let distance = asynchronous("mean", true);
    assert!(distance >= 30.0 || distance.is_nan(), "mean: {distance}");
}

/// With clipping a sampled Byzantine majority does no lasting harm, and convergence is linear; without it does.
#[test]
fn clipping_bounds_what_a_sampled_majority_can_do() {
    let distance = |clip, keep| {
        let problem = Quadratic::new(10, 6, 0.0, 0.0);
        let settings = server("median", "shift-back", &problem, 3, 0.1);
        let marina = MarinaSettings {
            p: 0.2,
            sampled: 2,
            full: 10,
            clip,
            keep,
            batch: false,
        };
        let mut training = Marina::new(&problem, settings, marina).unwrap();
        for _ in 0..1500 {
            training.step(&problem).unwrap();
        }
        problem.distance(training.point())
    };
    for keep in [None, Some(3)] {
        let clipped = distance(Clip::Paper { alpha: 1.0 }, keep);
        assert!(clipped < 1e-9, "keep {keep:?}: {clipped}");
    }
    let free = distance(Clip::None, None);
    assert!(free >= 1e-3 || free.is_nan(), "{free}");
}

/// A model that has left the numbers is a result, not an error: also where differences are clipped.
#[test]
fn a_diverged_model_is_not_an_error() {
    let problem = Quadratic::new(9, 5, 0.3, 0.5);
    let settings = || server("mean", "nan", &problem, 2, 0.05);
    let synchronous = Synchronous::new(&problem, settings(), Method::Sgd).unwrap();
    let marina = MarinaSettings {
        p: 0.5,
        sampled: 9,
        full: 9,
        clip: Clip::Paper { alpha: 1.0 },
        keep: None,
        batch: true,
    };
    let runs: [Box<dyn Training>; 2] = [
        Box::new(synchronous.clip(1.0).unwrap()),
        Box::new(Marina::new(&problem, settings(), marina).unwrap()),
    ];
    for mut training in runs {
        for _ in 0..5 {
            training.step(&problem).unwrap();
        }
        let point = training.point();
        assert!(point.iter().all(|x| !x.is_finite()), "{point:?}");
    }
}

type Start<'a> = Box<dyn Fn(&Quadratic) -> Box<dyn Training> + 'a>;

fn starts() -> Vec<(String, Start<'static>)> {
    let mut starts: Vec<(String, Start<'static>)> = Vec::new();
    for method in METHODS {
        starts.push((
            format!("synchronous {method:?}"),
            Box::new(move |problem| {
                let settings = server("ctma(median,f=2)", "optimal-alie", problem, 2, 0.05);
                Box::new(Synchronous::new(problem, settings, method).unwrap())
            }),
        ));
        starts.push((
            format!("asynchronous {method:?}"),
            Box::new(move |problem| {
                let settings = server("nnm(rfa,f=2)", "alie", problem, 2, 0.02);
                let arrivals = Arrivals {
                    law: Law::Id,
                    byzantine: None,
                };
                Box::new(Asynchronous::new(problem, settings, method, arrivals, true).unwrap())
            }),
        ));
    }
    starts.push((
        "clipped".into(),
        Box::new(|problem| {
            let settings = server("bucketing(median,s=2)", "bit-flips", problem, 2, 0.05);
            let training = Synchronous::new(problem, settings, Method::Sgd).unwrap();
            Box::new(training.participants(6).unwrap().clip(1.0).unwrap())
        }),
    ));
    starts.push((
        "marina".into(),
        Box::new(|problem| {
            let settings = server(
                "bucketing(median,s=2)",
                "gaussian(sigma=2)",
                problem,
                2,
                0.05,
            );
            let marina = MarinaSettings {
                p: 0.2,
                sampled: 3,
                full: 9,
                clip: Clip::Paper { alpha: 1.0 },
                keep: Some(2),
                batch: true,
            };
            Box::new(Marina::new(problem, settings, marina).unwrap())
        }),
    ));
    starts
}

fn bits(x: &[f32]) -> Vec<u32> {
    x.iter().map(|x| x.to_bits()).collect()
}

#[test]
fn a_restored_run_has_the_bits_of_one_that_went_on() {
    let problem = Quadratic::new(9, 5, 0.3, 0.5);
    for (name, start) in starts() {
        let mut whole = start(&problem);
        for _ in 0..15 {
            whole.step(&problem).unwrap();
        }
        let state: State = whole.state();
        let mut restored = start(&problem);
        // It need not be a new one.
        restored.step(&problem).unwrap();
        restored.restore(&state).unwrap();
        assert_eq!(restored.progress(), whole.progress(), "{name}");
        assert_eq!(restored.state(), state, "{name}");
        for _ in 0..15 {
            whole.step(&problem).unwrap();
            restored.step(&problem).unwrap();
            let (a, b) = (bits(whole.point()), bits(restored.point()));
            assert_eq!(a, b, "{name}, step {}", whole.progress().step);
        }
        let evaluations = |training: &dyn Training| training.progress().gradients;
        assert_eq!(evaluations(&*whole), evaluations(&*restored), "{name}");
    }
}

#[test]
fn another_methods_state_is_refused() {
    let problem = Quadratic::new(9, 5, 0.3, 0.5);
    let starts = starts();
    let (_, start) = &starts[0];
    let (_, other) = &starts[1];
    let mut training = start(&problem);
    training.step(&problem).unwrap();
    let state = training.state();
    let error = training.restore(&other(&problem).state()).unwrap_err();
    assert!(matches!(error, Error::Training { .. }));
    assert!(
        error
            .to_string()
            .starts_with("restore: expected a state with"),
        "{error}"
    );
    assert_eq!(training.state(), state);
}

#[test]
fn a_run_follows_from_its_seed() {
    for (name, start) in starts() {
        let run = || {
            let problem = Quadratic::new(9, 5, 0.3, 0.5);
            let mut training = start(&problem);
            for _ in 0..10 {
                training.step(&problem).unwrap();
            }
            bits(training.point())
        };
        assert_eq!(run(), run(), "{name}");
    }
}

#[test]
fn settings_that_do_not_fit_are_refused() {
    let problem = Quadratic::new(9, 5, 0.3, 0.5);
    let refused = |change: &dyn Fn(&mut Server), method: Method, says: &str| {
        let mut settings = server("median", "none", &problem, 2, 0.05);
        change(&mut settings);
        let Err(error) = Synchronous::new(&problem, settings, method) else {
            panic!("accepted: {says}");
        };
        assert!(error.to_string().contains(says), "{error}");
    };
    let sgd = Method::Sgd;
    refused(
        &|s| s.start.truncate(4),
        sgd,
        "start: expected 5 numbers, got 4",
    );
    refused(
        &|s| s.byzantine = 9,
        sgd,
        "byzantine: expected fewer than the 9 workers, got 9",
    );
    refused(
        &|s| s.rate = 0.0,
        sgd,
        "rate: expected a finite number above 0, got 0",
    );
    refused(&|s| s.rate = f64::NAN, sgd, "got NaN");
    refused(
        &|s| s.rule = "krum(f=4)".parse().unwrap(),
        sgd,
        "krum(f=4): needs n ≥ 2f+3",
    );
    let given = |s: &mut Server| s.rule = "clipping(median,c=given)".parse().unwrap();
    refused(&given, sgd, "needs nothing but the vectors");
    refused(
        &|s| s.attack = "mimic(row=7)".parse().unwrap(),
        sgd,
        "row < n−f = 7",
    );
    refused(
        &|_| {},
        Method::Momentum { beta: 1.0 },
        "beta: expected a number in [0, 1), got 1",
    );
    let mu2 = |beta, gamma| Method::Mu2 { beta, gamma };
    refused(
        &|_| {},
        mu2(Some(0.0), None),
        "beta: expected a number in (0, 1], got 0",
    );
    refused(
        &|_| {},
        mu2(None, Some(1.5)),
        "gamma: expected a number in (0, 1], got 1.5",
    );

    let synchronous = |method| {
        let settings = server("median", "none", &problem, 2, 0.05);
        Synchronous::new(&problem, settings, method).unwrap()
    };
    let error = |result: Result<Synchronous>| result.err().unwrap().to_string();
    let says = error(synchronous(sgd).participants(10));
    assert_eq!(says, "participants: expected from 1 to n = 9, got 10");
    let says = error(synchronous(mu2(None, None)).participants(5));
    assert!(says.contains("μ²-SGD needs all 9 workers"), "{says}");
    assert!(error(synchronous(sgd).clip(-1.0)).contains("clip: expected a finite λ above 0"));

    let marina = |change: &dyn Fn(&mut MarinaSettings)| {
        let mut settings = MarinaSettings {
            p: 0.5,
            sampled: 3,
            full: 9,
            clip: Clip::None,
            keep: None,
            batch: false,
        };
        change(&mut settings);
        let server = server("median", "none", &problem, 2, 0.05);
        Marina::new(&problem, server, settings)
            .err()
            .unwrap()
            .to_string()
    };
    assert!(marina(&|m| m.p = 0.0).contains("p: expected a probability in (0, 1], got 0"));
    assert!(
        marina(&|m| m.sampled = 0).contains("sampled: expected from 1 to n = 9 workers, got 0")
    );
    assert!(marina(&|m| m.full = 10).contains("full: expected from 1 to n = 9 workers, got 10"));
    assert!(marina(&|m| m.keep = Some(6)).contains("Rand-K: expected from 1 to d = 5"));
    assert!(marina(&|m| m.clip = Clip::Paper { alpha: -1.0 }).contains("clip: expected"));

    let arrivals = Arrivals {
        law: "id2".parse().unwrap(),
        byzantine: Some(1.0),
    };
    let settings = server("median", "none", &problem, 2, 0.05);
    let error = Asynchronous::new(&problem, settings, sgd, arrivals, true)
        .err()
        .unwrap();
    assert!(
        error.to_string().contains("a Byzantine share in [0, 1)"),
        "{error}"
    );
    let arrivals = Arrivals {
        byzantine: None,
        ..arrivals
    };
    let settings = server("krum(f=2)", "none", &problem, 2, 0.05);
    let error = Asynchronous::new(&problem, settings, sgd, arrivals, true)
        .err()
        .unwrap();
    assert!(matches!(error, Error::Weights { .. }), "{error}");
    assert!("squared".parse::<Law>().is_err());
}

/// A problem that fails ends the step with its own error.
#[test]
fn a_problems_error_is_the_steps() {
    struct Broken;
    impl Problem for Broken {
        fn workers(&self) -> usize {
            3
        }
        fn dimension(&self) -> usize {
            2
        }
        fn gradient(&self, worker: usize, _: &[f32], _: Sample, _: &mut [f32]) -> Result<()> {
            Err(Error::Training {
                reason: format!("worker {worker} has no data"),
            })
        }
    }
    let settings = Server {
        start: vec![0.0; 2],
        ..server("median", "none", &Quadratic::new(3, 2, 0.0, 0.0), 0, 0.1)
    };
    let mut training = Synchronous::new(&Broken, settings, Method::Sgd).unwrap();
    let error = training.step(&Broken).unwrap_err();
    assert!(error.to_string().ends_with("has no data"), "{error}");
    assert_eq!(training.progress().step, 0);
}

/// The building blocks on every device.
#[test]
fn recurrences_are_their_formulas() {
    let d = 37;
    let vector =
        |seed: u64| -> Vec<f32> { (0..d).map(|k| Quadratic::hash(seed, k) as f32).collect() };
    let [g, before, y] = [1, 2, 3].map(vector);
    let two = [&g[..], &before].concat();
    for device in devices() {
        let mut one =
            Recurrence::<1>::prepare(device, &Shape::new(1, d as usize), DType::F32).unwrap();
        let mut both =
            Recurrence::<2>::prepare(device, &Shape::new(2, d as usize), DType::F32).unwrap();
        let row = || Matrix::new(&g, 1, d as usize).unwrap();
        let check = |got: Vec<f32>, formula: &dyn Fn(f64, f64, f64) -> f64| {
            for (k, got) in got.iter().enumerate() {
                let expected = formula(f64::from(y[k]), f64::from(g[k]), f64::from(before[k]));
                assert!((f64::from(*got) - expected).abs() < 1e-6, "{device}");
            }
        };
        for (update, formula) in [
            (
                momentum(0.9),
                (|y, g| 0.9 * y + 0.1 * g) as fn(f64, f64) -> f64,
            ),
            (average(0.25), |y, g| 0.75 * y + 0.25 * g),
            (descent(0.5), |y, g| y - 0.5 * g),
        ] {
            let mut out = y.clone();
            one.run(row(), &mut out, update).unwrap();
            check(out, &|y, g, _| formula(y, g));
        }
        let mut out = y.clone();
        let rows = Matrix::new(&two, 2, d as usize).unwrap();
        both.run(rows, &mut out, corrected_momentum(0.3)).unwrap();
        check(out, &|y, g, before| g + 0.7 * (y - before));
        // The factor of what was there is zero: it is not read.
        let mut out = vec![f32::NAN; d as usize];
        one.run(row(), &mut out, momentum(0.0)).unwrap();
        assert_eq!(out, g);
        let error = Recurrence::<2>::prepare(device, &Shape::new(3, 4), DType::F32).unwrap_err();
        assert!(error.to_string().contains("a matrix of 2 rows"), "{error}");
    }
}
