//! What becomes of a training under attack.

use byzagg::training::{
    Arrivals, Asynchronous, Clip, Law, Marina, MarinaSettings, Method, Synchronous, Training,
};

use crate::{METHODS, Quadratic, server};

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
