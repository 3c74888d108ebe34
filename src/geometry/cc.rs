//! Centered clipping, on coefficients.

use super::view::Geometry;
use crate::plan::CLASS_FINITE;

/// Room that [`centered`] needs: the point, `G c`, the distances.
pub(crate) fn scratch(points: usize) -> usize {
    3 * points
}

/// Coefficients of v after steps `v ← v + (1/S) Σ w_i s_i (x_i − v)`, with
/// `s_i = min(1, τ/‖x_i − v‖)`, from v = 0, or from the given vector, which then has the last
/// coefficient; what they miss to 1 is the origin's share. Needs the origin.
///
/// A given vector that is not finite, or too far from the rows to measure, counts as zero. S is the weight of all rows, but those that are not usable do not pull; NaN when none is.
pub(crate) fn centered(
    geometry: &Geometry<'_>,
    weights: Option<&[f64]>,
    tau: f64,
    iterations: usize,
    out: &mut [f64],
    scratch: &mut [f64],
) {
    let (n, points) = (geometry.n, geometry.points);
    let Some(usable) = geometry.usable() else {
        out.fill(f64::NAN);
        return;
    };
    let (v, rest) = scratch.split_at_mut(points);
    let (product, squares) = rest.split_at_mut(points);
    let squares = &mut squares[..n];
    let weight = |i: usize| weights.map_or(1.0, |w| w[i]);
    let total: f64 = (0..n).map(weight).sum();
    v.fill(0.0);
    let given = geometry.given();
    let start = given.filter(|&start| geometry.class[start] == CLASS_FINITE);
    v[start.unwrap_or(n)] = 1.0;
    for _ in 0..iterations {
        geometry.distances_to(v, product, squares);
        // What each row gets replaces its distance.
        let mut sum = 0.0;
        for (i, square) in squares.iter_mut().enumerate() {
            let pulls = geometry.class[i] == usable && weight(i) > 0.0;
            let share = if pulls {
                weight(i) / total * (tau / square.sqrt()).min(1.0)
            } else {
                0.0
            };
            *square = share;
            sum += share;
        }
        v.iter_mut().for_each(|c| *c *= 1.0 - sum);
        v.iter_mut()
            .zip(&*squares)
            .for_each(|(c, share)| *c += share);
    }
    out[..n].copy_from_slice(&v[..n]);
    if let Some(given) = given {
        out[n] = v[given];
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{BOTH, Points, Random, combine};
    use super::*;
    use crate::plan::Anchors;

    fn clip(rows: &[Vec<f64>], weights: Option<&[f64]>, tau: f64, steps: usize) -> Vec<f64> {
        clip_from(rows, true.into(), weights, tau, steps)
    }

    fn clip_from(
        rows: &[Vec<f64>],
        anchors: Anchors,
        weights: Option<&[f64]>,
        tau: f64,
        steps: usize,
    ) -> Vec<f64> {
        let points = Points::new(rows, anchors);
        let mut out = vec![0.0; rows.len() + usize::from(anchors.given)];
        let room = &mut vec![f64::NAN; scratch(rows.len() + anchors.count())];
        centered(&points.geometry(), weights, tau, steps, &mut out, room);
        out
    }

    /// The definition in d dimensions.
    fn plainly(
        rows: &[Vec<f64>],
        start: &[f64],
        weights: &[f64],
        tau: f64,
        steps: usize,
    ) -> Vec<f64> {
        let mut v = start.to_vec();
        let total: f64 = weights.iter().sum();
        for _ in 0..steps {
            let mut step = vec![0.0; v.len()];
            for (row, w) in rows.iter().zip(weights) {
                let difference: Vec<f64> = row.iter().zip(&v).map(|(x, v)| x - v).collect();
                let norm = difference.iter().map(|x| x * x).sum::<f64>().sqrt();
                if norm < 1e19 {
                    let s = f64::min(1.0, tau / norm) * w / total;
                    step.iter_mut()
                        .zip(&difference)
                        .for_each(|(step, x)| *step += s * x);
                }
            }
            v.iter_mut().zip(&step).for_each(|(v, step)| *v += step);
        }
        v
    }

    #[test]
    fn it_is_the_definition() {
        let mut random = Random::new(5);
        for (n, d) in [(1, 1), (2, 3), (9, 4), (12, 30)] {
            for tau in [0.1, 1.0, 100.0] {
                for steps in [1, 2, 7] {
                    let mut rows = random.rows(n, d);
                    let weights: Vec<f64> = (0..n).map(|i| (i % 3 + 1) as f64).collect();
                    if n > 3 {
                        rows[1].fill(f64::NAN);
                        rows[2][0] = 1e20;
                        rows[3][0] = 1e4;
                    }
                    for (given, weights) in [(None, &vec![1.0; n]), (Some(&weights[..]), &weights)]
                    {
                        let close = |found: Vec<f64>, start: &[f64]| {
                            let expected = plainly(&rows, start, weights, tau, steps);
                            for (a, b) in found.iter().zip(expected) {
                                assert!((a - b).abs() < 1e-9 * (1.0 + b.abs()), "{a} {b}");
                            }
                        };
                        let zero = vec![0.0; d];
                        close(combine(&rows, &clip(&rows, given, tau, steps)), &zero);
                        let start = super::super::testing::given(&rows);
                        let c = clip_from(&rows, BOTH, given, tau, steps);
                        let all = [&rows[..], std::slice::from_ref(&start)].concat();
                        close(combine(&all, &c), &start);
                    }
                }
            }
        }
    }

    #[test]
    fn without_a_usable_row_there_is_nothing() {
        let rows = vec![vec![f64::NAN]; 3];
        assert!(clip(&rows, None, 1.0, 1).iter().all(|c| c.is_nan()));
        let c = clip_from(&rows, BOTH, None, 1.0, 1);
        assert!(c.len() == 4 && c.iter().all(|c| c.is_nan()));
        // A row at v itself pulls with all of its weight.
        assert_eq!(clip(&[vec![0.0], vec![0.0]], None, 1.0, 1), [0.5, 0.5]);
        assert_eq!(clip(&vec![vec![1e30]; 2], None, 1.0, 3), [0.0, 0.0]);
        // A start that is not finite (as row 1, see `given`) counts as zero.
        let rows = [vec![3.0], vec![f64::NAN], vec![3.0]];
        assert_eq!(clip_from(&rows, BOTH, None, 100.0, 1)[3], 0.0);
    }
}
