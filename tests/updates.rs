//! Inner products that are kept and updated, against the oracle on the rows as they are: whatever happened
//! before, squared distances are as accurate as the spec asks of a computation of all of them.

mod common;

use common::cases::{Hostile, normal, wide};
use common::device::devices;
use common::naive::geometry::{CAP, Class, class, squared_distance, squared_norm};

use byzagg::primitive::{Inputs, PreparedPrimitive, Primitive};
use byzagg::{Block, DType, Device, Matrix, OutputElement, Shape};
use half::{bf16, f16};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// A server's rows, and the products that it keeps.
struct Server<T> {
    what: String,
    rows: Vec<Vec<T>>,
    /// Columns of the blocks.
    widths: Vec<usize>,
    shape: Shape,
    weights: Option<Vec<f64>>,
    /// Are the products f64?
    exact: bool,
    kept: PreparedPrimitive,
}

impl<T: OutputElement + Default> Server<T> {
    fn new(device: &Device, rows: Vec<Vec<T>>, weights: Option<Vec<f64>>) -> Self {
        let shape = Shape::new(rows.len(), rows[0].len());
        Server::with_shape(device, rows, shape, weights)
    }

    fn with_shape(
        device: &Device,
        rows: Vec<Vec<T>>,
        shape: Shape,
        weights: Option<Vec<f64>>,
    ) -> Self {
        let mut primitive = Primitive::pairwise_with_origin().kept();
        if weights.is_some() {
            primitive = primitive.weighted();
        }
        let mut server = Server {
            what: format!("{shape} {} on {device}", T::DTYPE),
            kept: primitive.prepare(device, &shape, T::DTYPE).unwrap(),
            widths: shape.columns().to_vec(),
            exact: device.backend() == "cpu",
            rows,
            shape,
            weights,
        };
        server.run(None);
        server.check("fresh");
        server
    }

    fn run(&mut self, changed: Option<&[usize]>) {
        let mut first = 0;
        let blocks = self.widths.iter().map(|width| {
            let columns = first..first + width;
            first += width;
            let rows = self.rows.iter().map(|row| &row[columns.clone()]);
            rows.collect::<Vec<_>>().concat()
        });
        let blocks: Vec<Vec<T>> = blocks.collect();
        let n = self.rows.len();
        let blocks: Vec<Block<'_, T>> = (blocks.iter().zip(&self.widths))
            .map(|(block, width)| Block::new(block, n, *width).unwrap())
            .collect();
        let inputs = Inputs {
            weights: self.weights.as_deref(),
            changed,
            ..Inputs::default()
        };
        let mut out = vec![T::default(); self.shape.d()];
        let x = Matrix::from_blocks(&blocks).unwrap();
        self.kept.run(x, &mut out, &inputs).unwrap();
    }

    /// Replaces one row.
    fn replace(&mut self, row: usize, with: impl FnMut(usize) -> T) {
        let d = self.rows[row].len();
        self.rows[row] = (0..d).map(with).collect();
        self.run(Some(&[row]));
    }

    /// Compares all squared distances and classes.
    #[track_caller]
    fn check(&self, when: &str) {
        let problems = self.shape.problems();
        let ones = vec![1.0; self.rows.len()];
        let weights = self.weights.as_ref().unwrap_or(&ones);
        let mut first = 0;
        for p in 0..problems {
            let d = match problems {
                1 => self.shape.d(),
                _ => self.widths[p],
            };
            let part = |row: &Vec<T>| -> Vec<f32> {
                let part = &row[first..first + d];
                part.iter().map(|x| x.to_f32()).collect()
            };
            let rows: Vec<Vec<f32>> = self.rows.iter().map(part).collect();
            first += d;
            let what = format!("{}, problem {p}, {when}", self.what);
            compare(
                &what,
                &wide(&rows),
                weights,
                self.kept.result(p),
                self.exact,
            );
        }
    }
}

#[track_caller]
fn compare(what: &str, rows: &[Vec<f64>], weights: &[f64], got: &[f64], exact: bool) {
    let n = rows.len();
    let points = n + 1;
    let (gram, classes) = got.split_at(points * points);
    let centre = common::naive::geometry::centre(rows, weights);
    let radius = |i: usize| match rows.get(i) {
        Some(row) => squared_distance(row, &centre),
        None => squared_norm(&centre),
    };
    let class_of = |i: usize| match rows.get(i) {
        Some(_) if weights[i] == 0.0 => Class::Bad,
        Some(row) => class(row, &centre),
        None if squared_norm(&centre) > CAP => Class::Far,
        None => Class::Finite,
    };
    let numbers = [(Class::Finite, 0.0), (Class::Far, 1.0), (Class::Bad, 2.0)];
    for (i, &got) in classes.iter().enumerate() {
        assert!(
            numbers.contains(&(class_of(i), got)),
            "{what}: class of row {i}"
        );
    }
    let zero = vec![0.0; centre.len()];
    let point = |i: usize| rows.get(i).unwrap_or(&zero);
    let is_finite = |i: &usize| class_of(*i) == Class::Finite;
    for i in (0..points).filter(is_finite) {
        for j in (0..points).filter(is_finite) {
            let at = |i: usize, j: usize| gram[i * points + j];
            let expected = squared_distance(point(i), point(j));
            let got = (at(i, i) + at(j, j) - 2.0 * at(i, j)).max(0.0);
            let tiny = f64::from(f32::MIN_POSITIVE) * rows[0].len() as f64;
            // In f32 nothing is known better than about the kept centre.
            let radius = |i| {
                if exact {
                    radius(i)
                } else {
                    radius(i).max(at(i, i))
                }
            };
            let tolerance = 1e-5 * expected + 1e-6 * (radius(i) + radius(j)) + tiny;
            if expected + tolerance > CAP {
                continue;
            }
            assert!(
                (got - expected).abs() <= tolerance,
                "{what}: D² of {i} and {j}: {got:e}, expected {expected:e}, off by {:e}, tolerance {tolerance:e}",
                (got - expected).abs()
            );
            assert_eq!(
                at(i, j).to_bits(),
                at(j, i).to_bits(),
                "{what}: {i} and {j}"
            );
        }
    }
}

const N: usize = 11;
const D: usize = 300;

/// Honest rows about a mean, with a spread.
fn rows(n: usize, d: usize, mean: f32, spread: f32, random: &mut StdRng) -> Vec<Vec<f32>> {
    let mut row = || (0..d).map(|_| mean + spread * normal(random)).collect();
    (0..n).map(|_| row()).collect()
}

/// How many updates there is time for.
fn updates(device: &Device) -> usize {
    match device.backend() {
        "cpu" => 10_000,
        _ => 150,
    }
}

#[test]
fn many_updates_leave_no_error() {
    for device in devices() {
        let mut random = StdRng::seed_from_u64(1);
        let mut server = Server::new(device, rows(N, D, 3.0, 1.0, &mut random), None);
        let count = updates(device);
        for step in 1..=count {
            let first = random.random_range(0..N);
            if step % 7 == 0 {
                let changed = [first, (first + 3) % N, (first + 5) % N, first];
                for row in changed {
                    server.rows[row] = (0..D).map(|_| 3.0 + normal(&mut random)).collect();
                }
                server.run(Some(&changed));
            } else {
                server.replace(first, |_| 3.0 + normal(&mut random));
            }
            if step % (count / 20).max(1) == 0 {
                server.check(&format!("step {step}"));
            }
        }
        // The centre stayed among the rows.
        assert_eq!(server.kept.renewals(), 1, "{device}");
    }
}

#[test]
fn rows_that_drift_take_the_centre_with_them() {
    for device in devices() {
        for spread in [1.0, 1e-3] {
            let mut random = StdRng::seed_from_u64(2);
            let mut server = Server::new(device, rows(N, D, 0.0, spread, &mut random), None);
            let count = updates(device);
            for step in 1..=count {
                let mean = 2.0 * step as f32 / count as f32 * 100.0 * spread;
                server.replace(step % N, |_| mean + spread * normal(&mut random));
                if step % (count / 50).max(1) == 0 {
                    server.check(&format!("spread {spread}, step {step}"));
                }
            }
            // Seldom enough to be worth it, often enough to follow.
            let renewals = server.kept.renewals();
            let most = if count > 1000 { count / 20 } else { count };
            assert!(
                renewals > 3 && renewals < most as u64,
                "{device}: {renewals}"
            );
        }
    }
}

#[test]
fn hostile_rows_come_and_go() {
    for device in devices() {
        let mut random = StdRng::seed_from_u64(3);
        let mut server = Server::new(device, rows(N, D, 1.0, 1.0, &mut random), None);
        let rounds = if device.backend() == "cpu" { 20 } else { 2 };
        for round in 0..rounds {
            for kind in Hostile::ALL {
                // A minority, one after the other.
                for row in 0..N / 2 {
                    kind.replace(&mut server.rows, &[row]);
                    server.run(Some(&[row]));
                }
                server.check(&format!("{kind:?} came, round {round}"));
                server.replace(N - 1, |_| 1.0 + normal(&mut random));
                server.check(&format!("{kind:?} stayed, round {round}"));
                for row in 0..N / 2 {
                    server.replace(row, |_| 1.0 + normal(&mut random));
                }
                server.check(&format!("{kind:?} went, round {round}"));
            }
            for length in [1e3, 1e6, 1e9, 1e15, 1e25] {
                for row in 0..N / 2 {
                    server.replace(row, |_| length * normal(&mut random));
                }
                server.check(&format!("{length}, round {round}"));
                for row in 0..N / 2 {
                    server.replace(row, |_| 1.0 + normal(&mut random));
                }
                server.check(&format!("after {length}, round {round}"));
            }
        }
    }
}

#[test]
fn all_rows_move_away_one_by_one() {
    for device in devices() {
        let mut random = StdRng::seed_from_u64(4);
        let mut server = Server::new(device, rows(N, D, 0.0, 1.0, &mut random), None);
        let means: [f32; 7] = [1e3, -1e3, 1e6, 1e25, 0.0, 1e-3, 1e10];
        for mean in means {
            let order = random.random_range(0..N);
            let spread = (1e-3 * mean.abs()).max(1e-6);
            for step in 0..N {
                server.replace((order + step) % N, |_| mean + spread * normal(&mut random));
                server.check(&format!("{mean}, step {step}"));
            }
        }
    }
}

#[test]
fn duplicates_are_at_distance_zero() {
    for device in devices() {
        let mut random = StdRng::seed_from_u64(5);
        let mut server = Server::new(device, rows(N, D, 1.0, 1.0, &mut random), None);
        for round in 0..3 {
            // All become copies of one, and rows of their own again.
            for row in 0..N {
                let copy = server.rows[(round * 4) % N].clone();
                server.replace(row, |k| copy[k]);
                server.check(&format!("copy {row}, round {round}"));
            }
            for row in 0..N {
                server.replace(row, |_| 10.0 + normal(&mut random));
                server.check(&format!("own {row}, round {round}"));
            }
        }
        // Copies that differ by little.
        for row in 0..N {
            let copy = server.rows[0].clone();
            server.replace(row, |k| copy[k] + 1e-3 * normal(&mut random));
            server.check(&format!("near {row}"));
        }
    }
}

#[test]
fn weights_grow_and_rows_without_weight_are_not_read() {
    for device in devices() {
        let mut random = StdRng::seed_from_u64(6);
        let mut first = rows(N, D, 1.0, 1.0, &mut random);
        // Nothing has arrived of most workers.
        for row in &mut first[3..] {
            row.fill(f32::NAN);
        }
        let weights = (0..N).map(|i| f64::from(u8::from(i < 3))).collect();
        let mut server = Server::new(device, first, Some(weights));
        for step in 0..updates(device) / 5 {
            let row = match random.random_range(0..3) {
                0 => random.random_range(0..N),
                // A fast worker.
                _ => 4,
            };
            if let Some(weights) = &mut server.weights {
                weights[row] += 1.0;
                if step % 17 == 0 {
                    weights[(row + 1) % N] = 0.0;
                }
                if step % 29 == 0 {
                    // A row that holds nonsense is not read, whoever is named.
                    weights[row] = 0.0;
                }
            }
            server.replace(row, |_| 1.0 + normal(&mut random));
            if step % 10 == 0 {
                server.check(&format!("step {step}"));
            }
        }
        let renewals = server.kept.renewals();
        // Few workers with most of the weight are the majority.
        assert!(renewals < updates(device) as u64 / 7, "{renewals}");
    }
}

#[test]
fn the_majority_may_change_without_a_row_that_does() {
    for device in devices() {
        let mut random = StdRng::seed_from_u64(7);
        let mut all = rows(N, D, 0.0, 1.0, &mut random);
        for x in all[6..].iter_mut().flatten() {
            *x += 1000.0;
        }
        let mut server = Server::new(device, all, Some(vec![1.0; N]));
        for weight in [2.0, 9.0, 1.0] {
            if let Some(weights) = &mut server.weights {
                weights[6..].fill(weight);
            }
            server.run(Some(&[]));
            server.check(&format!("weight {weight}"));
        }
        assert_eq!(server.kept.renewals(), 3);
    }
}

#[test]
fn blocks_are_one_problem_and_batches_several() {
    for device in devices() {
        for batch in [false, true] {
            let widths = [37, 1, 200, 64, 1500];
            let shape = match batch {
                true => Shape::batch(N, &widths),
                false => Shape::blocks(N, &widths),
            };
            let d = shape.d();
            let mut random = StdRng::seed_from_u64(8);
            let first = rows(N, d, 1.0, 1.0, &mut random);
            let mut server = Server::with_shape(device, first, shape, None);
            for step in 0..40 {
                // One layer moves away.
                let far = if step > 20 { 1000.0 } else { 0.0 };
                server.replace(step % N, |k| {
                    normal(&mut random) + if (38..238).contains(&k) { far } else { 0.0 }
                });
                server.check(&format!("batch {batch}, step {step}"));
            }
            let renewals = server.kept.renewals();
            if batch {
                // A layer of one column is renewed often; others by themselves.
                assert!(renewals > 5 && renewals < 40, "{device}: {renewals}");
            }
        }
    }
}

#[test]
fn elements_of_other_types() {
    fn check<T: OutputElement + Default>(device: &Device) {
        let mut random = StdRng::seed_from_u64(9);
        let first = rows(N, 1003, 1.0, 1.0, &mut random);
        let convert = |row: &Vec<f32>| row.iter().map(|x| T::from_f32(*x)).collect();
        let first: Vec<Vec<T>> = first.iter().map(convert).collect();
        let mut server = Server::new(device, first, None);
        for step in 0..60 {
            let mean = 3.0 * step as f32;
            server.replace(step % N, |_| T::from_f32(mean + normal(&mut random)));
            server.check(&format!("step {step}"));
        }
    }
    for device in devices() {
        check::<f16>(device);
        check::<bf16>(device);
    }
}

#[test]
fn shapes_of_every_size() {
    for device in devices() {
        // A GPU's shaders are compiled for each n.
        let (sizes, widths): (&[usize], &[usize]) = match device.backend() {
            "cpu" => (&[1, 2, 3, 5, 8, 25, 31, 33, 64], &[1, 3, 257, 5000]),
            _ => (&[1, 2, 8, 33], &[3, 5000]),
        };
        for &n in sizes {
            for &d in widths {
                let mut random = StdRng::seed_from_u64(n as u64 * 10_000 + d as u64);
                let mut server = Server::new(device, rows(n, d, 1.0, 1.0, &mut random), None);
                for step in 0..3 {
                    server.replace(step * 7 % n, |_| 1.0 + normal(&mut random));
                    server.check(&format!("step {step}"));
                }
                let many: Vec<usize> = (0..n / 2).map(|row| row * 2).collect();
                for &row in &many {
                    server.rows[row] = (0..d).map(|_| normal(&mut random)).collect();
                }
                server.run(Some(&many));
                server.check("many");
            }
        }
    }
}

#[test]
fn without_the_changes_all_is_new() {
    for device in devices() {
        let mut random = StdRng::seed_from_u64(10);
        let mut server = Server::new(device, rows(N, D, 1.0, 1.0, &mut random), None);
        server.rows = rows(N, D, 5.0, 1.0, &mut random);
        server.run(None);
        server.check("all");
        assert_eq!(server.kept.renewals(), 2);
    }
}

#[test]
fn what_can_not_be_is_refused() {
    for device in devices() {
        let (shape, x) = (Shape::new(3, 2), [1.0f32; 6]);
        let matrix = || Matrix::new(&x, 3, 2).unwrap();
        let changed = |rows| Inputs {
            changed: Some(rows),
            ..Inputs::default()
        };
        let mut out = [7.0f32; 2];
        let mut kept = (Primitive::pairwise().kept())
            .prepare(device, &shape, DType::F32)
            .unwrap();
        let error = kept.run(matrix(), &mut out[..], &changed(&[0, 3]));
        assert_eq!(
            error.unwrap_err().to_string(),
            "run: expected changed rows below 3, got row 3"
        );
        let mut fresh = Primitive::pairwise()
            .prepare(device, &shape, DType::F32)
            .unwrap();
        let error = fresh.run(matrix(), &mut out[..], &changed(&[0]));
        assert_eq!(
            error.unwrap_err().to_string(),
            "run: expected no changed rows, as prepared without keeping the geometry, got 1 of them"
        );
        assert_eq!(out, [7.0; 2]);
    }
}
