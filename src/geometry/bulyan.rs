//! Bulyan's selection: Krum again and again, each time without the rows that it has chosen.

use super::indices;
use super::view::{Geometry, nearer};
use crate::plan::CLASS_FINITE;

/// Room that [`mixing`] needs: each row's neighbours by distance, and what is left.
pub(crate) fn scratch(n: usize) -> usize {
    n * n + 2 * n
}

/// The θ×n matrix that takes the selected rows out of n, one a row, in the order of their choice.
///
/// Of r rows left, the one with the least sum of its max(1, r−f−2) smallest squared distances is next.
/// When the usable rows run out (more than 2f others), the selection begins again from its first;
/// without any: NaN.
pub(crate) fn mixing(geometry: &Geometry<'_>, f: usize, out: &mut [f64], scratch: &mut [u64]) {
    let n = geometry.n;
    let (neighbours, rest) = scratch.split_at_mut(n * n);
    let (chosen, left) = rest.split_at_mut(n);
    let Some(usable) = geometry.usable() else {
        out.fill(f64::NAN);
        return;
    };
    for (i, order) in neighbours.chunks_exact_mut(n).enumerate() {
        indices(order);
        let distance = |j: u64| geometry.square_distance(i, j as usize);
        order.sort_unstable_by(|&a, &b| distance(a).total_cmp(&distance(b)).then(a.cmp(&b)));
    }
    left.fill(1);
    let mut count = 0;
    for r in (1..=n).rev().take(out.len() / n) {
        let k = r.saturating_sub(f + 2).max(1).min(r - 1);
        let score = |i: usize| -> f64 {
            if geometry.class[i] != CLASS_FINITE {
                return f64::INFINITY;
            }
            let order = neighbours[i * n..][..n].iter().map(|&j| j as usize);
            order
                .filter(|&j| j != i && left[j] == 1)
                .take(k)
                .map(|j| geometry.square_distance(i, j))
                .sum()
        };
        let next = (0..n)
            .filter(|&i| left[i] == 1 && geometry.class[i] == usable)
            .map(|i| (score(i), usable, i as u64))
            .min_by(|&a, &b| nearer(a, b));
        let Some((_, _, next)) = next else { break };
        left[next as usize] = 0;
        chosen[count] = next;
        count += 1;
    }
    out.fill(0.0);
    for (row, &i) in out.chunks_exact_mut(n).zip(chosen[..count].iter().cycle()) {
        row[i as usize] = 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Points, Random};
    use super::*;

    fn select(rows: &[Vec<f64>], f: usize) -> Vec<usize> {
        let n = rows.len();
        let points = Points::new(rows, false);
        let mut out = vec![0.0; (n - 2 * f) * n];
        mixing(&points.geometry(), f, &mut out, &mut vec![7; scratch(n)]);
        let row = |row: &[f64]| {
            assert_eq!(row.iter().filter(|c| **c != 0.0).count(), 1);
            row.iter().position(|c| *c == 1.0).unwrap()
        };
        out.chunks(n).map(row).collect()
    }

    /// The definition, with the rows that are left in a list.
    fn plainly(rows: &[Vec<f64>], f: usize) -> Vec<usize> {
        let points = Points::new(rows, false);
        let geometry = points.geometry();
        let mut left: Vec<usize> = (0..rows.len()).collect();
        let mut chosen = Vec::new();
        while chosen.len() < rows.len() - 2 * f {
            let k = (left.len() as i64 - f as i64 - 2).max(1) as usize;
            let score = |&i: &usize| {
                let mut others: Vec<f64> = left
                    .iter()
                    .filter(|&&j| j != i)
                    .map(|&j| geometry.square_distance(i, j))
                    .collect();
                others.sort_by(f64::total_cmp);
                others.iter().take(k).sum::<f64>()
            };
            let finite = left.iter().filter(|&&i| geometry.class[i] == CLASS_FINITE);
            let best = *finite.min_by(|a, b| score(a).total_cmp(&score(b))).unwrap();
            left.retain(|&i| i != best);
            chosen.push(best);
        }
        chosen
    }

    #[test]
    fn it_is_krum_repeated() {
        let mut random = Random::new(1);
        for (n, f) in [(1, 0), (3, 0), (7, 1), (8, 1), (11, 2), (25, 5)] {
            for hostile in [false, true] {
                for mut rows in [random.rows(n, 5), random.lattice(n, 2, 2)] {
                    if hostile && f > 0 {
                        rows[0][0] = f64::NAN;
                        rows[f][1] = 1e30;
                    }
                    if f > 0 || !hostile {
                        assert_eq!(select(&rows, f), plainly(&rows, f), "n = {n}, f = {f}");
                    }
                }
            }
        }
    }

    #[test]
    fn hostile_rows_are_never_selected() {
        let mut rows = Random::new(2).rows(11, 3);
        for i in 0..5 {
            rows[2 * i][1] = [f64::NAN, f64::INFINITY, 1e38][i % 3];
        }
        // Five rows too many for f = 2: the six good ones, and the first again.
        let selected = select(&rows, 2);
        assert_eq!(selected[6], selected[0]);
        assert!(selected.iter().all(|i| [1, 3, 5, 7, 9, 10].contains(i)));
        rows.iter_mut().for_each(|row| row[0] = f64::NAN);
        let points = Points::new(&rows, false);
        let mut out = vec![0.0; 7 * 11];
        mixing(&points.geometry(), 2, &mut out, &mut vec![7; scratch(11)]);
        assert!(out.iter().all(|c| c.is_nan()));
    }
}
