//! The parts that a training loop takes.

use byzagg::training::{Recurrence, average, corrected_momentum, descent, momentum, rand_k};
use byzagg::{DType, Matrix, Shape};

use crate::Quadratic;
use crate::common::device::devices;

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
