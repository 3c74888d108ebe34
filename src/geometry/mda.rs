//! Minimum diameter averaging: exactly the rows with the least diameter.

use super::view::Geometry;
use crate::plan::CLASS_FINITE;

/// The most rows that may be left out. Two rows that are further apart than a diameter are in
/// conflict; whether `f` rows can be left out so that no conflict remains takes at most 1.47ᶠ steps.
pub(crate) const MAX_LEFT_OUT: usize = 24;

/// 64-bit words of a set of rows.
fn words(n: usize) -> usize {
    n.div_ceil(64)
}

/// Room that [`choose`] needs: the usable rows, the distances between them, who is in conflict with
/// whom, and sets of rows.
pub(crate) fn scratch(n: usize, f: usize) -> usize {
    n + n * n / 2 + (n + f + 5) * words(n)
}

/// Coefficients of the mean of the n−f usable rows with the least diameter, of sets with equal
/// diameters the lexicographically first; of all usable rows when there are fewer. Without any: NaN.
pub(crate) fn choose(geometry: &Geometry<'_>, f: usize, out: &mut [f64], scratch: &mut [f64]) {
    let n = geometry.n;
    let Some(usable) = geometry.usable() else {
        out.fill(f64::NAN);
        return;
    };
    let (row, rest) = scratch.split_at_mut(n);
    let (distances, rest) = rest.split_at_mut(n * n / 2);
    let row: &mut [u64] = bytemuck::cast_slice_mut(row);
    let mut u = 0;
    for i in (0..n).filter(|&i| geometry.class[i] == usable) {
        row[u] = i as u64;
        u += 1;
    }
    let m = (n - f).min(u);
    let distance = |a: usize, b: usize| geometry.square_distance(row[a] as usize, row[b] as usize);
    let w = words(n);
    let (adjacent, rest) = bytemuck::cast_slice_mut(rest).split_at_mut(n * w);
    let mut conflicts = Conflicts { adjacent, u, w };
    let (kept, rest) = rest.split_at_mut(w);
    let (left, rest) = rest.split_at_mut(w);
    let (levels, _) = rest.split_at_mut((f + 2) * w);
    fill(left, u);
    kept.copy_from_slice(left);
    let selects = m < u && usable == CLASS_FINITE;
    if selects {
        let mut count = 0;
        for a in 0..u {
            for b in a + 1..u {
                distances[count] = distance(a, b);
                count += 1;
            }
        }
        let distances = &mut distances[..count];
        distances.sort_unstable_by(f64::total_cmp);
        // The least diameter for which u − m rows end all conflicts; the largest one always does.
        let (mut low, mut high) = (0, count - 1);
        while low < high {
            let middle = low + (high - low) / 2;
            conflicts.set(distances[middle], &distance);
            levels[..w].copy_from_slice(left);
            if conflicts.solve(u - m, levels, kept) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        conflicts.set(distances[high], &distance);
        levels[..w].copy_from_slice(left);
        let solved = conflicts.solve(u - m, levels, kept);
        debug_assert!(solved, "the largest distance leaves no conflict");
    }
    out.fill(0.0);
    let mut chosen = 0;
    for a in 0..u {
        if chosen == m {
            break;
        }
        if selects && !conflicts.can_keep(a, m, left, levels, kept) {
            left[a / 64] &= !(1 << (a % 64));
            continue;
        }
        chosen += 1;
        out[row[a] as usize] = 1.0 / m as f64;
    }
}

fn fill(set: &mut [u64], u: usize) {
    for (at, word) in set.iter_mut().enumerate() {
        let bits = u.saturating_sub(64 * at).min(64);
        *word = if bits == 64 { !0 } else { (1 << bits) - 1 };
    }
}

fn contains(set: &[u64], a: usize) -> bool {
    set[a / 64] >> (a % 64) & 1 == 1
}

fn size(set: &[u64]) -> usize {
    set.iter().map(|word| word.count_ones() as usize).sum()
}

/// Which of u rows are in conflict, w words a row.
struct Conflicts<'a> {
    adjacent: &'a mut [u64],
    u: usize,
    w: usize,
}

impl Conflicts<'_> {
    /// Rows are in conflict when they are further apart than a diameter.
    fn set(&mut self, diameter: f64, distance: &impl Fn(usize, usize) -> f64) {
        let w = self.w;
        self.adjacent[..self.u * w].fill(0);
        for a in 0..self.u {
            for b in a + 1..self.u {
                if distance(a, b) > diameter {
                    self.adjacent[a * w + b / 64] |= 1 << (b % 64);
                    self.adjacent[b * w + a / 64] |= 1 << (a % 64);
                }
            }
        }
    }

    fn of(&self, a: usize) -> &[u64] {
        &self.adjacent[a * self.w..][..self.w]
    }

    /// Can row a be among m rows of `left` without conflict? Then its opponents leave `left`, and
    /// `kept` is such a set. (Opponents of rows that were kept before have left already.)
    fn can_keep(
        &self,
        a: usize,
        m: usize,
        left: &mut [u64],
        levels: &mut [u64],
        kept: &mut [u64],
    ) -> bool {
        if !contains(left, a) {
            return false;
        }
        let without = |level: &mut [u64], left: &[u64]| {
            for ((level, left), opponents) in level.iter_mut().zip(left).zip(self.of(a)) {
                *level = left & !opponents;
            }
        };
        without(levels, left);
        if !contains(kept, a) {
            let Some(budget) = size(&levels[..self.w]).checked_sub(m) else {
                return false;
            };
            if !self.solve(budget, levels, kept) {
                return false;
            }
            without(levels, left);
        }
        left.copy_from_slice(&levels[..self.w]);
        true
    }

    /// Do `budget` of the rows in the first set of `levels` end all conflicts among them? Then `kept`
    /// is what remains. The sets behind it are room for as many steps.
    ///
    /// A vertex cover by bounded search: the row with most conflicts goes, or else all its opponents
    /// do. A row with more opponents than the budget goes at once, and so does the only opponent of a
    /// row that has one.
    fn solve(&self, mut budget: usize, levels: &mut [u64], kept: &mut [u64]) -> bool {
        let (left, deeper) = levels.split_at_mut(self.w);
        loop {
            let (mut most, mut widest, mut ends, mut single) = (0, 0, 0, None);
            for a in (0..self.u).filter(|&a| contains(left, a)) {
                let opponents = left.iter().zip(self.of(a)).map(|(l, o)| l & o);
                let count: usize = opponents.map(|word| word.count_ones() as usize).sum();
                ends += count;
                if count > most {
                    (most, widest) = (count, a);
                }
                if count == 1 {
                    single = Some(a);
                }
            }
            if ends == 0 {
                kept.copy_from_slice(left);
                return true;
            }
            // Every conflict has two ends, and a row that goes ends at most `most` conflicts.
            if budget * most < ends / 2 {
                return false;
            }
            let goes = if most > budget {
                Some(widest)
            } else {
                single.map(|a| {
                    let opponents = left.iter().zip(self.of(a)).map(|(l, o)| l & o);
                    let (at, word) = opponents
                        .enumerate()
                        .find(|(_, word)| *word != 0)
                        .expect("it has one opponent");
                    64 * at + word.trailing_zeros() as usize
                })
            };
            if let Some(a) = goes {
                left[a / 64] &= !(1 << (a % 64));
                budget -= 1;
                continue;
            }
            deeper[..self.w].copy_from_slice(left);
            deeper[widest / 64] &= !(1 << (widest % 64));
            if self.solve(budget - 1, deeper, kept) {
                return true;
            }
            left.iter_mut()
                .zip(self.of(widest))
                .for_each(|(left, opponents)| *left &= !opponents);
            budget -= most;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Points, Random, members, subsets};
    use super::*;

    fn chosen(rows: &[Vec<f64>], f: usize) -> Vec<usize> {
        let n = rows.len();
        let points = Points::new(rows, false);
        let mut out = vec![0.0; n];
        // What is left there has every bit set.
        let room = &mut vec![f64::from_bits(!0); scratch(n, f)];
        choose(&points.geometry(), f, &mut out, room);
        members(&out)
    }

    /// Every subset of the finite rows; the first with the least diameter.
    fn plainly(rows: &[Vec<f64>], f: usize) -> Vec<usize> {
        let points = Points::new(rows, false);
        let geometry = points.geometry();
        let finite: Vec<usize> = (0..rows.len())
            .filter(|&i| geometry.class[i] == CLASS_FINITE)
            .collect();
        let m = (rows.len() - f).min(finite.len());
        let mut best = (f64::INFINITY, Vec::new());
        for set in subsets(finite.len(), m) {
            let set: Vec<usize> = set.into_iter().map(|a| finite[a]).collect();
            let pairs = set.iter().flat_map(|&i| set.iter().map(move |&j| (i, j)));
            let diameter = pairs.fold(0.0, |m: f64, (i, j)| m.max(geometry.square_distance(i, j)));
            if best.1.is_empty() || diameter < best.0 {
                best = (diameter, set);
            }
        }
        best.1
    }

    #[test]
    fn it_is_the_first_set_of_all() {
        let mut random = Random::new(11);
        for round in 0..60 {
            for n in 1..=9usize {
                let f = random.below(n.div_ceil(2));
                let mut rows = match round % 3 {
                    0 => random.rows(n, 4),
                    1 => random.lattice(n, 1, 6),
                    _ => random.lattice(n, 2, 2),
                };
                if round % 4 == 3 && f > 0 {
                    rows[random.below(n)][0] = [f64::NAN, 1e30, 1e9][random.below(3)];
                }
                assert_eq!(chosen(&rows, f), plainly(&rows, f), "{rows:?}, f = {f}");
            }
        }
        for f in 0..7 {
            let (a, b) = (random.rows(13, 2), random.lattice(13, 2, 3));
            assert_eq!(chosen(&a, f), plainly(&a, f));
            assert_eq!(chosen(&b, f), plainly(&b, f));
        }
    }

    #[test]
    fn hostile_rows_are_left_out() {
        let mut rows = Random::new(4).rows(9, 3);
        rows[0][0] = f64::NAN;
        rows[5][0] = -1e35;
        assert_eq!(chosen(&rows, 2), [1, 2, 3, 4, 6, 7, 8]);
        // One more than f: all that are left.
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
    fn many_rows_take_several_words() {
        let mut rows = Random::new(6).lattice(150, 3, 1);
        for i in 0..20 {
            rows[7 * i][0] = 100.0 + i as f64;
        }
        let expected: Vec<usize> = (0..150).filter(|i| i % 7 != 0 || *i >= 140).collect();
        assert_eq!(chosen(&rows, 20), expected);
    }
}
