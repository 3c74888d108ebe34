//! Runs that stop and go on, and runs that are repeated.

use byzagg::Error;
use byzagg::training::{
    Arrivals, Asynchronous, Clip, Law, Marina, MarinaSettings, Method, State, Synchronous, Training,
};

use crate::{METHODS, Quadratic, server};

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
