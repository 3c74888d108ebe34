//! Each method against its transcription.

use byzagg::training::{
    Arrivals, Asynchronous, Clip, Draw, Law, Marina, MarinaSettings, Method, Synchronous, Training,
};

use crate::common::naive;
use crate::{METHODS, Quadratic, server, wide};

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
