//! Coefficients: the ops that choose rows, and those that iterate.

use super::cases::{ALL, Case, Rows, SIZES, Weights, each, tolerated};
use crate::geometry::testing::{BOTH, Random};
use crate::geometry::{Length, Op, Stop};
use crate::plan::Trim;

#[test]
fn mean() {
    for n in SIZES {
        for weights in ALL {
            let case = Case::new(n, Rows::Gaussian, weights, false, 2);
            let (weights, out) = (case.weights, case.out(n));
            case.check(&Op::Mean { weights, out }, 1e-6);
        }
    }
}

#[test]
fn krum() {
    each(false, &[Weights::None], |case| {
        let n = case.n;
        for f in tolerated(n) {
            for (neighbours, m) in [
                (n - f - 1, 1),
                ((n - f).saturating_sub(2), n - f),
                (1.min(n - 1), 1),
            ] {
                if case.kind == Rows::Large && neighbours == n - 1 {
                    // With the large row in all of them, scores are equal but for the last digits.
                    continue;
                }
                let (geometry, out) = (case.geometry, case.out(2 * n));
                case.check(
                    &Op::Krum {
                        geometry,
                        neighbours,
                        m,
                        out,
                    },
                    1e-6,
                );
            }
        }
    });
}

#[test]
fn ctma() {
    each(false, &ALL, |mut case| {
        let n = case.n;
        let mut random = Random::new(3);
        let geometry = case.geometry;
        let class: Vec<Vec<f64>> = case
            .regions
            .iter()
            .map(|r| geometry.view(&r.numbers).class.to_vec())
            .collect();
        let mut classes = class.iter();
        let distances = case.put(|| {
            let class = classes.next().expect("one a problem");
            let square = |c: &f64| {
                if *c == 0.0 {
                    random.below(9) as f64
                } else {
                    f64::INFINITY
                }
            };
            let squares: Vec<f64> = class.iter().map(square).collect();
            [squares, class.clone()].concat()
        });
        for trim in tolerated(n)
            .map(Trim::F)
            .into_iter()
            .chain([Trim::Lambda(0.27)])
        {
            let (weights, out) = (case.weights, case.out(n));
            case.check(
                &Op::Ctma {
                    distances,
                    weights,
                    trim,
                    out,
                },
                1e-6,
            );
        }
    });
}

#[test]
fn nnm() {
    each(false, &ALL, |case| {
        let n = case.n;
        for trim in [Trim::F((n - 1) / 2), Trim::Lambda(0.27)] {
            let (geometry, weights, out) = (case.geometry, case.weights, case.out(n * n));
            let op = Op::Nnm {
                geometry,
                weights,
                trim,
                out,
            };
            case.check_each(&op, |_, at, expected| {
                // Seen from the large row the others are all as near.
                match case.kind == Rows::Large && at / n == n / 3 {
                    true => 1.0,
                    false => 1e-6 * expected,
                }
            });
        }
    });
}

#[test]
fn monna() {
    each(true, &[Weights::None], |case| {
        let n = case.n;
        for (f, pivot) in tolerated(n).into_iter().zip([n / 3, n - 1]) {
            let (geometry, out) = (case.geometry, case.out(n));
            case.check(
                &Op::Monna {
                    geometry,
                    pivot,
                    f,
                    out,
                },
                1e-6,
            );
        }
    });
}

#[test]
fn clipping() {
    each(true, &[Weights::None], |case| {
        let n = case.n;
        let (geometry, out) = (case.geometry, case.out(n * n));
        for c in [0.3, 3.1, 2900.0] {
            let length = Length::Fixed(c);
            case.check(
                &Op::Clipping {
                    geometry,
                    length,
                    out,
                },
                1e-5,
            );
        }
        for f in tolerated(n) {
            case.check(&Op::Arc { geometry, f, out }, 1e-5);
        }
    });
}

#[test]
fn geometric_median() {
    each(true, &ALL, |case| {
        let n = case.n;
        let (geometry, weights, out) = (case.geometry, case.weights, case.out(n + 2));
        for (iterations, nu) in [(0, 0.1), (3, 0.1), (8, 1e-3)] {
            let stop = Stop::Iterations(iterations);
            case.check_point(
                &Op::Rfa {
                    geometry,
                    weights,
                    nu,
                    stop,
                    out,
                },
                1e-5,
                true,
            );
        }
    });
}

#[test]
fn geometric_median_to_a_tolerance() {
    each(false, &ALL, |case| {
        let n = case.n;
        let (geometry, weights, out) = (case.geometry, case.weights, case.out(n + 2));
        for (tolerance, nu) in [(1e-2, 0.1), (1e-5, 0.01)] {
            let stop = Stop::Tolerance(tolerance);
            case.check_point(
                &Op::Rfa {
                    geometry,
                    weights,
                    nu,
                    stop,
                    out,
                },
                1e-5 + 5.0 * tolerance,
                false,
            );
        }
    });
}

#[test]
fn centered_clipping() {
    let check = |case: Case| {
        let (geometry, weights) = (case.geometry, case.weights);
        let out = case.out(case.n + usize::from(geometry.anchors.given));
        for (iterations, tau) in [(0, 1.0), (1, 100.0), (7, 1.0), (3, 5000.0)] {
            let op = Op::CenteredClipping {
                geometry,
                weights,
                tau,
                iterations,
                out,
            };
            case.check_point(&op, 1e-5, true);
        }
    };
    each(true, &ALL, check);
    each(BOTH, &ALL, check);
}

#[test]
fn as_many_rows_as_fit() {
    let n = 1024;
    let case = Case::new(n, Rows::Gaussian, Weights::None, true, 1);
    let (geometry, weights, m) = (case.geometry, None, n / 2);
    let (neighbours, out) = (n / 2, case.out(2 * n));
    case.check(
        &Op::Krum {
            geometry,
            neighbours,
            m,
            out,
        },
        1e-6,
    );
    let (nu, out) = (0.1, case.out(n + 2));
    for (stop, accuracy) in [(Stop::Iterations(20), 1e-5), (Stop::Tolerance(1e-4), 5e-4)] {
        let op = Op::Rfa {
            geometry,
            weights,
            nu,
            stop,
            out,
        };
        case.check_point(&op, accuracy, false);
    }
}

#[test]
fn more_problems_and_steps_than_a_dispatch_takes() {
    let case = Case::new(1, Rows::Gaussian, Weights::None, false, 65_535 + 9);
    let (weights, out) = (None, case.out(1));
    case.check(&Op::Mean { weights, out }, 0.0);
    let case = Case::new(5, Rows::Gaussian, Weights::Small, true, 2);
    let (geometry, weights, out) = (case.geometry, case.weights, case.out(5));
    let (tau, iterations) = (0.5, 2000);
    let op = Op::CenteredClipping {
        geometry,
        weights,
        tau,
        iterations,
        out,
    };
    case.check_point(&op, 1e-5, true);
}
