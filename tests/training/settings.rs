//! What is refused, and what fails.

use byzagg::training::{
    Arrivals, Asynchronous, Clip, Law, Marina, MarinaSettings, Method, Problem, Sample, Server,
    Synchronous, Training,
};
use byzagg::{Error, Result};

use crate::{Quadratic, server};

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
