//! The primitives against their definitions.

use super::{COLUMNS, ROWS, Random, cpus, naive, run, slot};
use crate::plan::{
    CLASS_BAD, CLASS_FAR, CLASS_FINITE, Columns, Combine, Distances, Pairwise, Step,
};
use crate::{Matrix, Shape, Statistic, Ties, Trim};

pub(super) fn columns(statistic: Statistic) -> Columns {
    Columns {
        statistic,
        mixing: None,
        weights: None,
        distances: None,
        write: true,
    }
}

/// n × d numbers, the first rows hostile in every other element.
pub(super) fn data(n: usize, d: usize, hostile: usize, random: &mut Random) -> Vec<f32> {
    let lattice = random.below(2) == 0;
    let mut x: Vec<f32> = (0..n * d)
        .map(|_| {
            if lattice {
                random.quarter()
            } else {
                random.normal()
            }
        })
        .collect();
    for x in &mut x[..hostile * d] {
        if random.below(2) == 0 {
            *x = random.hostile();
        }
    }
    x
}

fn rows(x: &[f32], d: usize) -> Vec<Vec<f64>> {
    x.chunks(d)
        .map(|row| row.iter().map(|&x| f64::from(x)).collect())
        .collect()
}

fn column(rows: &[Vec<f64>], k: usize) -> Vec<f64> {
    rows.iter().map(|row| row[k]).collect()
}

#[track_caller]
pub(super) fn close(got: f64, expected: f64, scale: f64, what: &str) {
    let same = got == expected || (got.is_nan() && expected.is_nan());
    assert!(
        same || (got - expected).abs() <= 2e-6 * scale + 1e-35,
        "{what}: {got}, expected {expected}"
    );
}

fn statistics(n: usize) -> Vec<Statistic> {
    let mut list = vec![
        Statistic::Median(Ties::Midpoint),
        Statistic::Median(Ties::Lower),
        Statistic::Median(Ties::Upper),
        Statistic::TrimmedMean(Trim::F(0)),
        Statistic::TrimmedMean(Trim::F(n.div_ceil(2) - 1)),
        Statistic::TrimmedMean(Trim::Lambda(0.499_999_999_999)),
        Statistic::MeanAroundMedian { f: 0 },
        Statistic::MeanAroundMedian {
            f: n.div_ceil(2) - 1,
        },
        Statistic::Mean,
    ];
    let trims = naive::trims()
        .into_iter()
        .filter(|trim| trim.cut(n, 1.0) < 0.5);
    list.extend(trims.map(Statistic::TrimmedMean));
    list
}

/// How many hostile values leave a statistic near the others.
fn tolerated(statistic: Statistic, n: usize) -> usize {
    match statistic {
        Statistic::Mean => 0,
        Statistic::Median(_) => n.div_ceil(2) - 1,
        Statistic::TrimmedMean(trim) => trim.cut(n, n as f64) as usize,
        Statistic::MeanAroundMedian { f } => f,
    }
}

#[test]
fn statistics_agree() {
    let mut random = Random(1);
    for cpu in cpus() {
        for n in ROWS {
            for d in COLUMNS {
                for statistic in statistics(n) {
                    let x = data(n, d, tolerated(statistic, n).min(n / 2), &mut random);
                    let step = [Step::Columns(columns(statistic))];
                    let matrix = Matrix::new(&x, n, d).unwrap();
                    let (_, out) = run(&cpu, &matrix, &Shape::new(n, d), &step, &[]);
                    let x = rows(&x, d);
                    for (k, &out) in out.iter().enumerate() {
                        let expected = naive::statistic(&column(&x, k), None, statistic);
                        let what = format!("{} {statistic:?} {n} × {d}, {k}", cpu.instructions());
                        close(f64::from(out), expected, 8.0, &what);
                        if let Statistic::Median(_) = statistic {
                            assert_eq!(out, expected as f32, "{what}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn too_many_hostile_values_follow_the_definition() {
    let mut random = Random(2);
    for cpu in cpus() {
        for n in [1, 2, 5, 25, 40] {
            for statistic in statistics(n)
                .into_iter()
                .filter(|s| !matches!(s, Statistic::MeanAroundMedian { .. }))
            {
                let special = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1.0];
                let x: Vec<f32> = (0..n * 300).map(|_| special[random.below(4)]).collect();
                let step = [Step::Columns(columns(statistic))];
                let matrix = Matrix::new(&x, n, 300).unwrap();
                let (_, out) = run(&cpu, &matrix, &Shape::new(n, 300), &step, &[]);
                let x = rows(&x, 300);
                for (k, &out) in out.iter().enumerate() {
                    let expected = naive::statistic(&column(&x, k), None, statistic);
                    close(
                        f64::from(out),
                        expected,
                        1.0,
                        &format!("{statistic:?} {n} {k}"),
                    );
                }
            }
        }
    }
}

#[test]
fn weighted_statistics_agree() {
    let mut random = Random(3);
    for cpu in cpus() {
        for n in ROWS {
            for (d, largest) in [(3, 4), (257, 1 << 20), (257, 7)] {
                for statistic in statistics(n) {
                    if let Statistic::MeanAroundMedian { .. } = statistic {
                        continue;
                    }
                    let mut w: Vec<f64> = (0..n).map(|_| random.below(largest) as f64).collect();
                    w[n - 1] += 1.0;
                    // Rows of weight 0 are hostile throughout.
                    let mut x = data(n, d, 0, &mut random);
                    for (x, _) in x.chunks_mut(d).zip(&w).filter(|(_, w)| **w == 0.0) {
                        x.fill_with(|| random.hostile());
                    }
                    let step = Columns {
                        weights: Some(slot(0, n)),
                        ..columns(statistic)
                    };
                    let matrix = Matrix::new(&x, n, d).unwrap();
                    let (_, out) =
                        run(&cpu, &matrix, &Shape::new(n, d), &[Step::Columns(step)], &w);
                    let x = rows(&x, d);
                    for (k, &out) in out.iter().enumerate() {
                        let expected = naive::statistic(&column(&x, k), Some(&w), statistic);
                        let what = format!("{} {statistic:?} {n} × {d}, {k}", cpu.instructions());
                        close(f64::from(out), expected, 8.0, &what);
                    }
                }
            }
        }
    }
}

/// Checks squared distances, and the classes of rows whose numbers are given.
#[track_caller]
fn check_distances(got: &[f64], rows: &[Vec<f64>], result: &[f32]) {
    let (distances, classes) = got.split_at(rows.len());
    for ((row, &got), &class) in rows.iter().zip(distances).zip(classes) {
        let d2: f64 = row
            .iter()
            .zip(result)
            .map(|(x, &r)| (x - f64::from(r)).powi(2))
            .sum();
        let expected_class = if row.iter().any(|x| !x.is_finite()) {
            CLASS_BAD
        } else if d2 > f64::from(f32::MAX) {
            CLASS_FAR
        } else {
            CLASS_FINITE
        };
        assert_eq!(class, expected_class);
        close(
            got,
            if class == CLASS_FINITE {
                d2
            } else {
                f64::INFINITY
            },
            d2,
            "distance",
        );
    }
}

#[test]
fn distances_to_the_result() {
    let mut random = Random(4);
    for cpu in cpus() {
        for n in ROWS {
            for d in COLUMNS {
                let x = data(n, d, n.div_ceil(2) - 1, &mut random);
                let statistic = Statistic::Median(Ties::Midpoint);
                let distances = Some(Distances {
                    rows: None,
                    out: slot(0, 2 * n),
                });
                let step = [Step::Columns(Columns {
                    distances,
                    ..columns(statistic)
                })];
                let matrix = Matrix::new(&x, n, d).unwrap();
                let (arena, out) = run(&cpu, &matrix, &Shape::new(n, d), &step, &vec![0.0; 2 * n]);
                check_distances(arena.problem(0), &rows(&x, d), &out);
            }
        }
    }
}

/// An n'×n mixing, dense or sparse; the first row of X has coefficient 0 throughout.
pub(super) fn mixing(rows: usize, n: usize, dense: bool, random: &mut Random) -> Vec<f64> {
    let coefficient = |j: usize, random: &mut Random| {
        let zero = n > 1 && (j == 0 || !dense && random.below(n) > 2);
        if zero {
            0.0
        } else {
            random.below(8) as f64 / 8.0
        }
    };
    (0..rows)
        .flat_map(|_| (0..n).map(|j| coefficient(j, random)).collect::<Vec<_>>())
        .collect()
}

#[test]
fn mixed_rows() {
    let mut random = Random(5);
    for cpu in cpus() {
        for n in ROWS {
            for (rows_out, dense) in [(n, true), (n.div_ceil(2), false), (n + 3, true), (n, false)]
            {
                for (d, of_x, sporadic) in
                    [(255, false, false), (257, true, true), (3, false, true)]
                {
                    let m = mixing(rows_out, n, dense, &mut random);
                    let mut x = data(n, d, usize::from(n > 1), &mut random);
                    if sporadic {
                        // Not finite in a row that some results use and others do not.
                        x[(n - 1) * d] = f32::NAN;
                    }
                    let x_rows = rows(&x, d);
                    let y = naive::mix(&m, &x_rows);
                    let measured = if of_x { n } else { rows_out };
                    let m_slot = slot(0, m.len());
                    let distances = Distances {
                        rows: (!of_x).then_some(m_slot),
                        out: slot(m.len(), 2 * measured),
                    };
                    let statistic = Statistic::TrimmedMean(Trim::Lambda(0.2));
                    let step = Columns {
                        mixing: Some(m_slot),
                        distances: Some(distances),
                        ..columns(statistic)
                    };
                    let mut start = m.clone();
                    start.resize(m.len() + 2 * measured, 0.0);
                    let matrix = Matrix::new(&x, n, d).unwrap();
                    let (arena, out) = run(
                        &cpu,
                        &matrix,
                        &Shape::new(n, d),
                        &[Step::Columns(step)],
                        &start,
                    );
                    for (k, &out) in out.iter().enumerate() {
                        let expected = naive::statistic(&column(&y, k), None, statistic);
                        let what = format!("{} {n} {rows_out} {dense}", cpu.instructions());
                        close(f64::from(out), expected, 8.0 * n as f64, &what);
                    }
                    if out.iter().all(|x| x.is_finite()) {
                        let classes = &arena.problem(0)[m.len() + measured..];
                        let source = if of_x { &x_rows } else { &y };
                        for (class, row) in classes.iter().zip(source) {
                            let is_bad = row.iter().any(|x| !x.is_finite());
                            assert_eq!(*class == CLASS_BAD, is_bad);
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn pairwise_products() {
    let mut random = Random(6);
    for cpu in cpus() {
        for n in ROWS {
            for d in COLUMNS {
                for (origin, weighted) in [(false, false), (true, false), (true, true)] {
                    let x = data(n, d, n.div_ceil(2) - 1, &mut random);
                    let mut w: Vec<f64> = (0..n).map(|_| random.below(5) as f64).collect();
                    w[n - 1] += 1.0;
                    let size = n + usize::from(origin);
                    let out = slot(n, size * size + size);
                    let weights = weighted.then_some(slot(0, n));
                    let mut start = w.clone();
                    start.resize(out.end(), 0.0);
                    let step = [Step::Pairwise(Pairwise {
                        anchors: origin.into(),
                        weights,
                        out,
                        keep: false,
                    })];
                    let matrix = Matrix::new(&x, n, d).unwrap();
                    let (arena, _) = run(&cpu, &matrix, &Shape::new(n, d), &step, &start);
                    let x = rows(&x, d);
                    let expected = naive::pairwise(&x, weighted.then_some(&w), origin);
                    let (gram, classes) = arena.get(0, out).split_at(size * size);
                    for i in 0..size {
                        let unread = weighted && i < n && w[i] == 0.0;
                        let bad = i < n && x[i].iter().any(|x| !x.is_finite());
                        let far = expected[i][i] > f64::from(f32::MAX);
                        let class = match (unread || bad, far) {
                            (true, _) => CLASS_BAD,
                            (false, true) => CLASS_FAR,
                            (false, false) => CLASS_FINITE,
                        };
                        assert_eq!(
                            classes[i],
                            class,
                            "{} {n} × {d} row {i}",
                            cpu.instructions()
                        );
                    }
                    for i in 0..size {
                        for j in 0..size {
                            let finite = classes[i] == CLASS_FINITE && classes[j] == CLASS_FINITE;
                            let expected = match (finite, i == j) {
                                (true, _) => expected[i][j],
                                (false, true) => f64::INFINITY,
                                (false, false) => 0.0,
                            };
                            let scale = if finite {
                                (gram[i * size + i] * gram[j * size + j]).sqrt()
                            } else {
                                0.0
                            };
                            close(gram[i * size + j], expected, scale, "product");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn combinations_skip_rows() {
    let mut random = Random(7);
    for cpu in cpus() {
        for n in ROWS {
            for d in COLUMNS {
                let x = data(n, d, n / 2, &mut random);
                let c: Vec<f64> = (0..n)
                    .map(|i| {
                        if i < n / 2 {
                            0.0
                        } else {
                            f64::from(random.normal())
                        }
                    })
                    .collect();
                let step = [Step::Combine(Combine {
                    coefficients: slot(0, n),
                    anchor: false,
                })];
                let matrix = Matrix::new(&x, n, d).unwrap();
                let (_, out) = run(&cpu, &matrix, &Shape::new(n, d), &step, &c);
                let x = rows(&x, d);
                let expected = naive::mix(&c, &x);
                for (k, &out) in out.iter().enumerate() {
                    let scale: f64 = (n / 2..n).map(|i| (c[i] * x[i][k]).abs()).sum();
                    close(f64::from(out), expected[0][k], scale, "combination");
                }
                let undefined = vec![f64::NAN; n];
                let (_, out) = run(&cpu, &matrix, &Shape::new(n, d), &step, &undefined);
                assert!(out.iter().all(|x| x.is_nan()));
            }
        }
    }
}
