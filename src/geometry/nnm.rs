//! Nearest-neighbour mixing: the matrix that replaces each row by the mean of its nearest rows.

use super::view::{Geometry, nearer};
use super::{indices, trim};
use crate::plan::{CLASS_BAD, Trim};

/// Row i of `out` (n×n) averages the rows nearest to row i up to a weight of `S − cut`, the boundary
/// row split. A finite row averages usable rows only; a row that is not finite keeps itself first, so
/// that what is mixed from it stays recognisable as hostile.
///
/// `scratch` holds n squared distances, `order` n indices.
pub(crate) fn mixing(
    geometry: &Geometry<'_>,
    trim_at: Trim,
    weights: Option<&[f64]>,
    out: &mut [f64],
    scratch: &mut [f64],
    order: &mut [u64],
) {
    let n = geometry.n;
    let usable = geometry.usable();
    for (i, row) in out.chunks_exact_mut(n).enumerate() {
        for (j, square) in scratch[..n].iter_mut().enumerate() {
            *square = geometry.square_distance(i, j);
        }
        // A row is nearest to itself also when it is bad, so its own class does not count here.
        let class = |j: usize| if j == i { 0.0 } else { geometry.class[j] };
        let takes_part = |j: usize| match usable {
            Some(usable) if geometry.class[i] == usable => geometry.class[j] == usable,
            _ => j == i || geometry.class[j] != CLASS_BAD,
        };
        indices(order);
        let key = |j: u64| (scratch[j as usize], class(j as usize), j);
        order.sort_unstable_by(|&a, &b| nearer(key(a), key(b)));
        trim::keep_first(order, takes_part, trim_at, weights, row);
    }
}
