//! Is a centre that was the rows' median once still good enough?

use super::view::Geometry;
use crate::plan::{CLASS_FAR, CLASS_FINITE};

/// The centre is renewed when the central row's squared distance to it exceeds this many times the squared
/// radius that holds more than half of the rows.
///
/// Rounding errors of inner products are a fixed part of the squared distances to the centre, 1e-7 in
/// general, 1.5e-6 at worst. Within this limit a row of the majority's ball has `G_ii ≤ (√4 + 1)² s²`, s the
/// radius, about four times what independent rows have about their median.
///
/// Directly after a renewal the ratio is about ½ for independent rows; with 12 of 25 rows at infinity, where
/// the median is each coordinate's largest honest value, it is 2, and with 149 of 300 it is 3.9.
const LIMIT: f64 = 4.0;

/// A row's squared distance, and its weight.
pub(crate) type Weighed = (f64, f64);

/// Should the inner products be computed anew, about a new centre? `room` holds n numbers without growing.
///
/// The central row is the one about which the least ball holds more than half of the finite rows' weight. A
/// minority can't place it elsewhere: such a ball holds a row of the majority, and is no larger than the
/// least about one of its rows. Rows too far from the centre to be measured renew it when they have as much
/// weight as the others: then these are no majority either.
pub(crate) fn is_due(
    geometry: &Geometry<'_>,
    weights: Option<&[f64]>,
    room: &mut Vec<Weighed>,
) -> bool {
    let n = geometry.n;
    let weight = |i: usize| weights.map_or(1.0, |weights| weights[i]);
    let sum = |class: f64| -> f64 {
        let rows = (0..n).filter(|&i| geometry.class[i] == class);
        rows.map(weight).sum()
    };
    let (finite, far) = (sum(CLASS_FINITE), sum(CLASS_FAR));
    if far > 0.0 && far >= finite {
        return true;
    }
    let is_finite = |i: &usize| geometry.class[*i] == CLASS_FINITE;
    let mut central = (f64::INFINITY, 0.0);
    for i in (0..n).filter(is_finite) {
        room.clear();
        let rows = (0..n).filter(is_finite);
        room.extend(rows.map(|j| (geometry.square_distance(i, j), weight(j))));
        let square = radius(room, finite);
        if square < central.0 {
            central = (square, geometry.row(i)[i]);
        }
    }
    let (square, own) = central;
    own > LIMIT * square
}

/// The least square whose ball holds more than half of the weight.
fn radius(rows: &mut [Weighed], total: f64) -> f64 {
    rows.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let mut inside = 0.0;
    let reaches = |(_, weight): &&Weighed| {
        inside += weight;
        2.0 * inside > total
    };
    rows.iter().find(reaches).map_or(f64::INFINITY, |row| row.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::CLASS_BAD;

    /// Points on a line, NaN for a bad row, about a centre.
    fn due(at: &[f64], weights: Option<&[f64]>, centre: f64) -> bool {
        let n = at.len();
        let class = |x: &f64| match x {
            x if x.is_nan() || x.is_infinite() => CLASS_BAD,
            x if (x - centre).powi(2) > f64::from(f32::MAX) => CLASS_FAR,
            _ => CLASS_FINITE,
        };
        let class: Vec<f64> = at.iter().map(class).collect();
        let mut gram = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..n {
                gram[i * n + j] = match class[i] == CLASS_FINITE && class[j] == CLASS_FINITE {
                    true => (at[i] - centre) * (at[j] - centre),
                    false if i == j => f64::INFINITY,
                    false => 0.0,
                };
            }
        }
        let geometry = Geometry {
            gram: &gram,
            class: &class,
            n,
            points: n,
        };
        is_due(&geometry, weights, &mut Vec::with_capacity(n))
    }

    const ROWS: [f64; 5] = [-2.0, -1.0, 0.0, 1.0, 2.0];

    #[test]
    fn a_centre_among_the_rows_stays_and_one_beside_them_goes() {
        assert!(!due(&ROWS, None, 0.0));
        assert!(!due(&ROWS, None, 0.9));
        assert!(due(&ROWS, None, 3.1));
        assert!(due(&ROWS, None, -1e6));
    }

    #[test]
    fn a_minority_decides_nothing() {
        for hostile in [1e3, 1e18, 1e25, f64::NAN, f64::INFINITY] {
            let mut rows = ROWS;
            rows[3..].fill(hostile);
            assert!(!due(&rows, None, -1.0), "{hostile}");
            assert!(due(&rows, None, 50.0), "{hostile}");
            // They sit at the centre, and the others left.
            let centre = if hostile.is_finite() { hostile } else { 1e3 };
            assert!(due(&rows, None, centre), "{hostile}");
        }
    }

    #[test]
    fn when_half_of_the_rows_are_far_from_the_centre_it_goes() {
        assert!(!due(&[0.0, 1.0, 2.0, 1e25, 1e25], None, 1.0));
        assert!(due(&[0.0, 1.0, 1e25, 1e25], None, 0.5));
        assert!(due(&[0.0, 1.0, 1e25, 1e25, 1e25], None, 0.5));
        assert!(due(&[1e25; 3], None, 0.5));
    }

    #[test]
    fn weights_say_what_the_majority_is() {
        let rows = [0.0, 1.0, 2.0, 100.0, 101.0];
        assert!(!due(&rows, Some(&[1.0; 5]), 1.0));
        assert!(due(&rows, Some(&[1.0, 1.0, 1.0, 9.0, 9.0]), 1.0));
        assert!(!due(&rows, Some(&[1.0, 1.0, 1.0, 9.0, 9.0]), 100.0));
    }

    #[test]
    fn duplicates_need_the_centre_to_be_theirs() {
        assert!(!due(&[3.0, 3.0, 3.0, 9.0, -5.0], None, 3.0));
        assert!(due(&[3.0, 3.0, 3.0, 9.0, -5.0], None, 3.1));
        // Two rows, or half of them equal: the median may lie between.
        assert!(!due(&[0.0, 2.0], None, 1.0));
        assert!(!due(&[3.0, 3.0, 9.0, 5.0], None, 4.0));
    }

    #[test]
    fn without_a_row_that_can_be_used_nothing_is_gained() {
        assert!(!due(&[f64::NAN; 3], None, 0.0));
        assert!(!due(&[7.0], None, 7.0));
        assert!(due(&[7.0], None, 6.0));
    }
}
