//! MoNNA: the rows nearest to a trusted one.

use super::view::{Geometry, nearer};
use super::{indices, trim};
use crate::plan::Trim;

/// Coefficients of the mean of the n−f rows nearest to row `pivot`, itself included. Rows that are not
/// usable are left out; from a pivot that is not, all are equally far, so the first ones are taken.
/// `order` holds n indices.
pub(crate) fn around_row(
    geometry: &Geometry<'_>,
    pivot: usize,
    f: usize,
    out: &mut [f64],
    order: &mut [u64],
) {
    let Some(usable) = geometry.usable() else {
        out.fill(f64::NAN);
        return;
    };
    indices(order);
    let key = |j: u64| {
        let distance = geometry.square_distance(pivot, j as usize);
        (distance, geometry.class[j as usize], j)
    };
    order.sort_unstable_by(|&a, &b| nearer(key(a), key(b)));
    let takes_part = |j: usize| geometry.class[j] == usable;
    trim::keep_first(order, takes_part, Trim::F(f), None, out);
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Points, members};
    use super::*;

    fn chosen(rows: &[f64], pivot: usize, f: usize) -> Vec<usize> {
        let rows: Vec<_> = rows.iter().map(|&x| vec![x]).collect();
        let points = Points::new(&rows, false);
        let mut out = vec![0.0; rows.len()];
        around_row(
            &points.geometry(),
            pivot,
            f,
            &mut out,
            &mut vec![7; rows.len()],
        );
        members(&out)
    }

    #[test]
    fn the_nearest_to_the_pivot_are_kept() {
        assert_eq!(chosen(&[0.0, 5.0, 1.0, 9.0, 2.0], 2, 2), [0, 2, 4]);
        // 0 and 2 are equally near to 1: the lower index.
        assert_eq!(chosen(&[0.0, 2.0, 1.0], 2, 1), [0, 2]);
        assert_eq!(chosen(&[4.0], 0, 0), [0]);
    }

    #[test]
    fn hostile_rows_are_left_out() {
        let (nan, far) = (f64::NAN, 1e30);
        assert_eq!(chosen(&[nan, 5.0, 1.0, far, 2.0], 2, 2), [1, 2, 4]);
        assert_eq!(chosen(&[nan, far, 1.0, 3.0, 2.0], 2, 1), [2, 3, 4]);
        // A bad pivot: the first good ones.
        assert_eq!(chosen(&[nan, 5.0, 1.0, 3.0, 2.0], 0, 2), [1, 2, 3]);
    }
}
