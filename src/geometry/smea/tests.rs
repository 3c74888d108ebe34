use super::super::testing::{Points, Random, members, subsets};
use super::*;

fn chosen(rows: &[Vec<f64>], f: usize) -> Vec<usize> {
    let n = rows.len();
    let points = Points::new(rows, false);
    let mut out = vec![0.0; n];
    let room = &mut vec![f64::NAN; scratch(n, f)];
    choose(&points.geometry(), f, &mut out, room);
    members(&out)
}

/// The largest eigenvalue of the d×d scatter, by Jacobi rotations.
fn largest(rows: &[&Vec<f64>]) -> f64 {
    let d = rows[0].len();
    let mean = |k: usize| rows.iter().map(|row| row[k]).sum::<f64>() / rows.len() as f64;
    let entry = |k: usize, l: usize| {
        let terms = rows
            .iter()
            .map(|row| (row[k] - mean(k)) * (row[l] - mean(l)));
        terms.sum::<f64>()
    };
    let mut s: Vec<Vec<f64>> = (0..d)
        .map(|k| (0..d).map(|l| entry(k, l)).collect())
        .collect();
    for _ in 0..12 {
        for p in 0..d {
            for q in p + 1..d {
                let angle = 0.5 * (2.0 * s[p][q]).atan2(s[p][p] - s[q][q]);
                let (sin, cos) = angle.sin_cos();
                for row in &mut s {
                    let (a, b) = (row[p], row[q]);
                    (row[p], row[q]) = (cos * a + sin * b, cos * b - sin * a);
                }
                let (head, tail) = s.split_at_mut(q);
                for (a, b) in head[p].iter_mut().zip(&mut tail[0]) {
                    (*a, *b) = (cos * *a + sin * *b, cos * *b - sin * *a);
                }
            }
        }
    }
    (0..d).map(|k| s[k][k]).fold(0.0, f64::max)
}

/// Every subset of the finite rows; the first of those that are as good as the best.
fn plainly(rows: &[Vec<f64>], f: usize) -> Vec<usize> {
    let points = Points::new(rows, false);
    let class = points.geometry().class;
    let finite: Vec<usize> = (0..rows.len())
        .filter(|&i| class[i] == CLASS_FINITE)
        .collect();
    let m = (rows.len() - f).min(finite.len());
    let sets = subsets(finite.len(), m);
    let values: Vec<f64> = sets
        .iter()
        .map(|set| largest(&set.iter().map(|&a| &rows[finite[a]]).collect::<Vec<_>>()))
        .collect();
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let first = values
        .iter()
        .position(|v| *v <= least * (1.0 + 1e-9) + 1e-12)
        .unwrap();
    sets[first].iter().map(|&a| finite[a]).collect()
}

#[test]
fn it_is_the_first_set_of_all() {
    let mut random = Random::new(21);
    for round in 0..40 {
        for n in 1..=9usize {
            let f = random.below(n.div_ceil(2));
            let mut rows = match round % 4 {
                0 => random.rows(n, 4),
                1 => random.rows(n, 12),
                2 => random.lattice(n, 1, 4),
                _ => random.lattice(n, 2, 1),
            };
            if round % 5 == 4 && f > 0 {
                rows[random.below(n)][0] = [f64::NAN, 1e30, 1e6][random.below(3)];
            }
            assert_eq!(chosen(&rows, f), plainly(&rows, f), "{rows:?}, f = {f}");
        }
    }
    for f in 0..7 {
        let (a, b) = (random.rows(13, 3), random.lattice(13, 2, 2));
        assert_eq!(chosen(&a, f), plainly(&a, f));
        assert_eq!(chosen(&b, f), plainly(&b, f));
    }
}

#[test]
fn equal_rows_are_no_search() {
    let rows = vec![vec![1.0, 2.0]; 30];
    assert_eq!(chosen(&rows, 8), (0..22).collect::<Vec<_>>());
    let mut rows = vec![vec![0.0, 0.0]; 30];
    (0..15).for_each(|i| rows[2 * i] = vec![0.5, 1.0]);
    assert_eq!(chosen(&rows[..9], 2), plainly(&rows[..9], 2));
    // All of one kind, seven of the other: the first of the even ones.
    let expected = (0..30).filter(|i| i % 2 == 0 || *i < 14);
    assert_eq!(chosen(&rows, 8), expected.collect::<Vec<_>>());
}

#[test]
fn hostile_rows_are_left_out() {
    let mut rows = Random::new(4).rows(9, 3);
    rows[0][0] = f64::NAN;
    rows[5][0] = -1e35;
    rows[7][1] = 1e9;
    assert_eq!(chosen(&rows, 3), [1, 2, 3, 4, 6, 8]);
    assert_eq!(chosen(&rows, 1), [1, 2, 3, 4, 6, 7, 8]);
    // No row with finite distances: the first of those that hold numbers.
    let side = |i: usize| [1e35, -1e35][i % 2];
    rows.truncate(8);
    (0..8).for_each(|i| rows[i][0] = side(i));
    rows[1][0] = f64::INFINITY;
    rows[2][0] = f64::NEG_INFINITY;
    assert_eq!(chosen(&rows, 3), [0, 3, 4, 5, 6]);
}

#[test]
fn the_work_is_what_it_is() {
    assert_eq!(work(30, 8), 5_852_925.0 * 27_000.0);
    assert!(work(30, 8) <= MAX_WORK && work(100, 3) <= MAX_WORK);
    assert!(work(40, 8) > MAX_WORK && work(100_000, 0) <= MAX_WORK);
    assert!(work(1 << 60, 1 << 58) > MAX_WORK);
}
