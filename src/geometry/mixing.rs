//! Matrices that mix rows: products with each other, with coefficients, and with a geometry.

use super::view::{Geometry, square};
use crate::plan::{CLASS_FAR, CLASS_FINITE};

/// `outer · inner` for row-major matrices, inner n'×n. Zero coefficients are skipped.
pub(crate) fn compose(outer: &[f64], inner: &[f64], n: usize, out: &mut [f64]) {
    let rows = inner.len() / n;
    for (outer, out) in outer.chunks_exact(rows).zip(out.chunks_exact_mut(n)) {
        expand(outer, inner, out);
    }
}

/// Coefficients of mixed rows as coefficients of the raw ones: `cᵀ M`. A NaN spreads to all.
pub(crate) fn expand(c: &[f64], mixing: &[f64], out: &mut [f64]) {
    out.fill(0.0);
    for (&c, row) in c.iter().zip(mixing.chunks_exact(out.len())) {
        if c != 0.0 {
            out.iter_mut().zip(row).for_each(|(out, m)| *out += c * m);
        }
    }
}

/// Completes coefficients over n rows, and perhaps the given vector, to points: what is missing to
/// `whole` is the origin's.
fn complete(row: &[f64], n: usize, whole: f64, points: &mut [f64]) {
    points.fill(0.0);
    points[..n].copy_from_slice(&row[..n]);
    if points.len() > n {
        points[n] = whole - row.iter().sum::<f64>();
        // Rounding of a row with that sum is no share of the origin.
        if points[n].abs() <= 1e-12 * whole {
            points[n] = 0.0;
        }
    }
    if let (Some(point), Some(&given)) = (points.get_mut(n + 1), row.get(n)) {
        *point = given;
    }
}

/// Room that [`mix`] needs: a row over the points, and `Q G` of all mixed points.
pub(crate) fn mix_scratch(points: usize, mixed: usize) -> usize {
    points + mixed * points
}

/// The centre of mixed rows, as a multiple of the raw rows' centre m: the median of their sums of
/// coefficients. Clipped rows may be far shorter than m, and about m their differences would be lost.
fn whole(geometry: &Geometry<'_>, mixing: &[f64], sums: &mut [f64]) -> f64 {
    if !geometry.has_origin() {
        return 1.0;
    }
    for (sum, row) in sums.iter_mut().zip(mixing.chunks_exact(geometry.n)) {
        *sum = row.iter().sum();
    }
    let middle = (sums.len() - 1) / 2;
    let (_, whole, _) = sums.select_nth_unstable_by(middle, f64::total_cmp);
    // Rounding of rows that sum to 1, or a row that is undefined.
    if (*whole - 1.0).abs() < 1e-12 || whole.is_nan() {
        1.0
    } else {
        *whole
    }
}

/// The multiple of the raw centre that a mixed geometry is about, from what it says of the origin.
fn whole_of(raw: &Geometry<'_>, mixed: &Geometry<'_>) -> f64 {
    let own = |geometry: &Geometry<'_>| geometry.row(geometry.n)[geometry.n];
    let finite = raw.has_origin() && raw.class[raw.n] == CLASS_FINITE && own(raw) > 0.0;
    if finite {
        (own(mixed) / own(raw)).sqrt()
    } else {
        1.0
    }
}

/// The geometry of mixed rows, `Q G Qᵀ`, and the anchors' entries when there are any, about a multiple of
/// the raw rows' centre.
///
/// A mixed row is bad when it has a share of a bad row, far when it has one of a far row or grew
/// beyond f32::MAX; then its diagonal is +Inf and the rest of its row 0.
pub(crate) fn mix(
    geometry: &Geometry<'_>,
    mixing: &[f64],
    gram: &mut [f64],
    class: &mut [f64],
    scratch: &mut [f64],
) {
    let (n, points) = (geometry.n, geometry.points);
    let rows = mixing.len() / n;
    let mixed = class.len();
    let (q, half) = scratch.split_at_mut(points);
    let whole = whole(geometry, mixing, &mut half[..rows]);
    // The anchors stay where they are while the centre moves: that is a share of the origin.
    let point = |i: usize, q: &mut [f64]| {
        if i < rows {
            return complete(&mixing[i * n..][..n], n, whole, q);
        }
        q.fill(0.0);
        match i - rows {
            0 => q[n] = whole,
            _ => (q[n], q[n + 1]) = (whole - 1.0, 1.0),
        }
    };
    for (i, half) in half.chunks_exact_mut(points).take(mixed).enumerate() {
        point(i, q);
        half.fill(0.0);
        class[i] = if i == rows {
            geometry.class[n]
        } else {
            CLASS_FINITE
        };
        for (j, &c) in q.iter().enumerate().filter(|(_, c)| **c != 0.0) {
            class[i] = class[i].max(geometry.class[j]);
            half.iter_mut()
                .zip(geometry.row(j))
                .for_each(|(h, g)| *h += c * g);
        }
    }
    for b in 0..mixed {
        point(b, q);
        for a in 0..=b {
            let finite = class[a] == CLASS_FINITE && class[b] == CLASS_FINITE;
            let left = &half[a * points..][..points];
            let product = match finite {
                true => q.iter().zip(left).map(|(q, l)| q * l).sum(),
                false => 0.0,
            };
            gram[a * mixed + b] = product;
            gram[b * mixed + a] = product;
        }
    }
    for i in 0..mixed {
        if class[i] == CLASS_FINITE && square(gram[i * mixed + i]) == f64::INFINITY {
            class[i] = CLASS_FAR;
        }
    }
    for i in (0..mixed).filter(|&i| class[i] != CLASS_FINITE) {
        for j in 0..mixed {
            gram[i * mixed + j] = 0.0;
            gram[j * mixed + i] = 0.0;
        }
        gram[i * mixed + i] = f64::INFINITY;
    }
}

/// Squared distances of rows (raw, or mixed with their own geometry) to the point that coefficients
/// over the raw rows make, and the rows' classes. `scratch` holds three numbers per raw point.
pub(crate) fn distances(
    raw: &Geometry<'_>,
    mixed: Option<(&[f64], &Geometry<'_>)>,
    coefficients: &[f64],
    out: &mut [f64],
    class: &mut [f64],
    scratch: &mut [f64],
) {
    let (point, rest) = scratch.split_at_mut(raw.points);
    let (product, q) = rest.split_at_mut(raw.points);
    complete(coefficients, raw.n, 1.0, point);
    let Some((mixing, geometry)) = mixed else {
        class.copy_from_slice(&raw.class[..raw.n]);
        raw.distances_to(point, product, out);
        return;
    };
    class.copy_from_slice(&geometry.class[..geometry.n]);
    // Whether the point leans on the origin does not depend on the centre.
    let leans = (0..raw.points).any(|j| point[j] != 0.0 && raw.class[j] != CLASS_FINITE);
    let whole = whole_of(raw, geometry);
    complete(coefficients, raw.n, whole, point);
    raw.multiply(point, product);
    let own: f64 = point.iter().zip(&*product).map(|(c, p)| c * p).sum();
    for (i, out) in out.iter_mut().enumerate() {
        if class[i] != CLASS_FINITE || leans {
            *out = f64::INFINITY;
            continue;
        }
        complete(&mixing[i * raw.n..][..raw.n], raw.n, whole, q);
        let cross: f64 = q.iter().zip(&*product).map(|(q, p)| q * p).sum();
        *out = square(geometry.gram[i * geometry.points + i] - 2.0 * cross + own);
    }
}
