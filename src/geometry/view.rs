//! The centred inner products of a set of points, and what follows from them.

use std::cmp::Ordering;

use crate::plan::{Anchors, CLASS_BAD, CLASS_FAR, CLASS_FINITE, Pairwise, Slot};

/// The largest squared distance that counts as finite, on every backend.
const MAX_SQUARE: f64 = f32::MAX as f64;

/// Caps a squared length as the devices do: above f32::MAX it is +Inf, and so is an undefined one.
pub(crate) fn square(value: f64) -> f64 {
    if value <= MAX_SQUARE {
        value.max(0.0)
    } else {
        f64::INFINITY
    }
}

/// Where a geometry lies in the arena: `points²` inner products, then `points` classes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GeometrySlot {
    pub slot: Slot,
    /// Rows.
    pub n: usize,
    /// The points behind the rows.
    pub anchors: Anchors,
}

impl GeometrySlot {
    /// What a step writes, for n rows.
    pub fn of(step: &Pairwise, n: usize) -> Self {
        GeometrySlot {
            slot: step.out,
            n,
            anchors: step.anchors,
        }
    }

    /// Numbers for n rows and their anchors.
    pub fn len(n: usize, anchors: Anchors) -> usize {
        let points = n + anchors.count();
        points * points + points
    }

    pub fn points(self) -> usize {
        self.n + self.anchors.count()
    }

    /// The n rows' classes.
    pub fn classes(self) -> Slot {
        Slot {
            offset: self.slot.end() - self.points(),
            len: self.n,
        }
    }

    pub fn view(self, region: &[f64]) -> Geometry<'_> {
        let points = self.points();
        let (gram, class) = region[self.slot.range()].split_at(points * points);
        Geometry {
            gram,
            class,
            n: self.n,
            points,
        }
    }
}

/// n rows, and perhaps the origin and then a given vector as more points: inner products about the
/// coordinate-wise median, and a class for each point. What the operations get has no given vector
/// without the origin.
#[derive(Clone, Copy)]
pub(crate) struct Geometry<'a> {
    pub gram: &'a [f64],
    pub class: &'a [f64],
    pub n: usize,
    pub points: usize,
}

impl<'a> Geometry<'a> {
    pub fn row(&self, i: usize) -> &'a [f64] {
        &self.gram[i * self.points..][..self.points]
    }

    pub fn has_origin(&self) -> bool {
        self.points > self.n
    }

    /// The given vector's index.
    pub fn given(&self) -> Option<usize> {
        (self.points > self.n + 1).then_some(self.n + 1)
    }

    /// `D²_ij`: 0 for i = j, +Inf as soon as one of them is not finite.
    pub fn square_distance(&self, i: usize, j: usize) -> f64 {
        if i == j {
            return 0.0;
        }
        if self.class[i] != CLASS_FINITE || self.class[j] != CLASS_FINITE {
            return f64::INFINITY;
        }
        let p = self.points;
        square(self.gram[i * p + i] + self.gram[j * p + j] - 2.0 * self.gram[i * p + j])
    }

    /// The largest distance from row i to one of some rows.
    pub fn reach(&self, i: usize, to: &[usize]) -> f64 {
        let squares = to.iter().map(|&j| self.square_distance(i, j));
        squares.fold(0.0, f64::max).sqrt()
    }

    /// `‖x_i‖²`; needs the origin.
    pub fn square_norm(&self, i: usize) -> f64 {
        debug_assert!(self.has_origin());
        self.square_distance(i, self.n)
    }

    /// The class of the rows that a rule may use; see [`usable`].
    pub fn usable(&self) -> Option<f64> {
        usable(&self.class[..self.n])
    }

    /// `‖x_i − Σ_j c_j x_j‖²` for every row, c over all points with Σc = 1. `product` holds `G c`.
    ///
    /// A row that is not finite is at +Inf, and so is everything when c leans on such a row.
    pub fn distances_to(&self, c: &[f64], product: &mut [f64], out: &mut [f64]) {
        let leans = (0..self.points).any(|j| c[j] != 0.0 && self.class[j] != CLASS_FINITE);
        if leans || c.iter().any(|c| c.is_nan()) {
            out.fill(f64::INFINITY);
            return;
        }
        self.multiply(c, product);
        let own: f64 = c.iter().zip(&*product).map(|(c, p)| c * p).sum();
        for (i, out) in out.iter_mut().enumerate() {
            *out = if self.class[i] == CLASS_FINITE {
                square(self.gram[i * self.points + i] - 2.0 * product[i] + own)
            } else {
                f64::INFINITY
            };
        }
    }

    /// `G c`, c being 0 for all points that are not finite (whose own entries become 0).
    pub fn multiply(&self, c: &[f64], out: &mut [f64]) {
        for (i, out) in out.iter_mut().enumerate() {
            *out = if self.class[i] == CLASS_FINITE {
                self.row(i).iter().zip(c).map(|(g, c)| g * c).sum()
            } else {
                0.0
            };
        }
    }
}

/// Which rows take part in a rule on distances: the finite ones if there is one, else the far ones,
/// else none. Bad rows never do.
pub(crate) fn usable(class: &[f64]) -> Option<f64> {
    [CLASS_FINITE, CLASS_FAR]
        .into_iter()
        .find(|wanted| class.contains(wanted))
}

/// The order of distances everywhere: finite, then +Inf of a row that is not bad, then bad rows;
/// within these by index.
pub(crate) fn nearer(a: (f64, f64, u64), b: (f64, f64, u64)) -> Ordering {
    let bad = |class: f64| class == CLASS_BAD;
    bad(a.1)
        .cmp(&bad(b.1))
        .then(a.0.total_cmp(&b.0))
        .then(a.2.cmp(&b.2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_come_from_inner_products() {
        // Points 0, 3, 4 on a line about the centre 3; the origin is the last point.
        let at = [-3.0, 0.0, 1.0, -3.0];
        let gram: Vec<f64> = at.iter().flat_map(|a| at.map(|b| a * b)).collect();
        let geometry = Geometry {
            gram: &gram,
            class: &[0.0; 4],
            n: 3,
            points: 4,
        };
        assert_eq!(geometry.square_distance(0, 2), 16.0);
        assert_eq!(geometry.square_norm(1), 9.0);
        let (mut product, mut out) = ([0.0; 4], [0.0; 3]);
        geometry.distances_to(&[0.5, 0.0, 0.5, 0.0], &mut product, &mut out);
        assert_eq!(out, [4.0, 1.0, 4.0]);
    }

    #[test]
    fn squares_are_capped_and_never_nan() {
        assert_eq!(square(-1e-9), 0.0);
        assert_eq!(square(1e39), f64::INFINITY);
        assert_eq!(square(f64::NAN), f64::INFINITY);
    }

    #[test]
    fn bad_rows_are_last() {
        let far = (f64::INFINITY, CLASS_FAR, 9);
        let bad = (0.0, CLASS_BAD, 0);
        assert_eq!(nearer(far, bad), Ordering::Less);
        assert_eq!(nearer((1.0, 0.0, 5), far), Ordering::Less);
        assert_eq!(nearer((1.0, 0.0, 5), (1.0, 0.0, 4)), Ordering::Greater);
    }
}
