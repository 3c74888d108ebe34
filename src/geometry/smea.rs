//! Smallest maximum eigenvalue averaging: exactly the rows that vary least in their worst direction.
//!
//! The scatter of a set, `Σ (x_i − μ)(x_i − μ)ᵀ`, only grows when a row is added, so a set of fewer
//! rows that varies too much already need not be completed. Whether it does is a question of one
//! pivot: relative to a first row p, the largest eigenvalue is below t exactly when
//! `t(I + 11ᵀ) − ⟨x_i − x_p, x_j − x_p⟩` over the other rows is positive definite, and a Cholesky
//! factorisation that adds a row at a time shows it for every row that might be next.

use super::view::{Geometry, nearer};
use super::{eigen, indices};
use crate::plan::CLASS_FINITE;

/// The most work that a search may be, `C(n, f)·n³`: it reaches n = 30, f = 8. Rows that are hard to
/// tell apart (three dense clusters) take some seconds there, Gaussian rows hundredths of one.
pub(crate) const MAX_WORK: f64 = 2e11;

/// Eigenvalues this close, relatively, are equal.
const TIE: f64 = 1e-9;
/// Power steps to the first direction, along which all sets vary.
const FIRST_STEPS: usize = 20;
/// Rounding of an eigenvalue, relative to the squared distances from the centre.
const NOISE: f64 = 1e-13;

/// `C(n, f)·n³`, or something above [`MAX_WORK`]; nothing when f = 0 leaves no choice.
pub(crate) fn work(n: usize, f: usize) -> f64 {
    let mut work = (n as f64).powi(3) * f.min(1) as f64;
    for i in 0..f {
        work *= (n - i) as f64 / (i + 1) as f64;
        if work > MAX_WORK {
            break;
        }
    }
    work
}

/// Room that [`choose`] needs.
pub(crate) fn scratch(n: usize, f: usize) -> usize {
    if f == 0 {
        return n;
    }
    // The inner products twice, the factor, the pivots, projections; sums, rows, sets.
    3 * n * n + 2 * (n + 1) * n + 5 * n
}

/// Coefficients of the mean of the n−f usable rows whose covariance has the least largest eigenvalue,
/// of sets with equal ones the lexicographically first; of all usable rows when there are fewer.
/// Without any: NaN.
pub(crate) fn choose(geometry: &Geometry<'_>, f: usize, out: &mut [f64], scratch: &mut [f64]) {
    let n = geometry.n;
    let Some(usable) = geometry.usable() else {
        out.fill(f64::NAN);
        return;
    };
    let (row, rest) = scratch.split_at_mut(n);
    let row: &mut [u64] = bytemuck::cast_slice_mut(row);
    let mut u = 0;
    for i in (0..n).filter(|&i| geometry.class[i] == usable) {
        row[u] = i as u64;
        u += 1;
    }
    let m = (n - f).min(u);
    out.fill(0.0);
    if m == u || usable != CLASS_FINITE {
        row[..m]
            .iter()
            .for_each(|&i| out[i as usize] = 1.0 / m as f64);
        return;
    }
    let (gram, rest) = rest.split_at_mut(u * u);
    let (relative, rest) = rest.split_at_mut(u * u);
    let (factor, rest) = rest.split_at_mut(u * u);
    let (pivots, rest) = rest.split_at_mut((m + 1) * u);
    let (along, rest) = rest.split_at_mut((u + 1) * u);
    let (sums, rest) = rest.split_at_mut(u);
    let (order, rest) = bytemuck::cast_slice_mut(rest).split_at_mut(u);
    let (best, state) = rest.split_at_mut(u);
    for (a, gram) in gram.chunks_exact_mut(u).enumerate() {
        for (b, entry) in gram.iter_mut().enumerate() {
            *entry = geometry.row(row[a] as usize)[row[b] as usize];
        }
    }
    let mut search = Search {
        u,
        m,
        gram,
        relative,
        factor,
        pivots,
        along,
        sums,
        order,
        t: 0.0,
    };
    search.best_set(best, &mut state[..u]);
    for (&i, &kept) in row.iter().zip(&*best) {
        if kept == KEPT {
            out[i as usize] = 1.0 / m as f64;
        }
    }
}

/// What is decided of a row.
const FREE: u64 = 0;
const KEPT: u64 = 1;
const OUT: u64 = 2;

struct Search<'a> {
    /// Usable rows, and how many are kept.
    u: usize,
    m: usize,
    /// Inner products.
    gram: &'a [f64],
    /// The same relative to the first row that is kept.
    relative: &'a mut [f64],
    /// Column by column the Cholesky factor of the kept rows, with the free rows' entries.
    factor: &'a mut [f64],
    /// For each number of kept rows, what every row's pivot would be.
    pivots: &'a mut [f64],
    /// For each decision, where the rows lie along a direction that varies much.
    along: &'a mut [f64],
    /// Room for the next such direction.
    sums: &'a mut [f64],
    /// Kept rows, free rows, rows that are out.
    order: &'a mut [u64],
    /// The eigenvalue to stay below.
    t: f64,
}

impl Search<'_> {
    /// Marks the rows to keep in `best`.
    fn best_set(&mut self, best: &mut [u64], state: &mut [u64]) {
        let noise = self.noise();
        self.first_guess(best);
        let mut least = self.largest_eigenvalue(best);
        // Is there one that varies less?
        state.fill(FREE);
        loop {
            let t = least * (1.0 - TIE) - noise;
            if t <= 0.0 || !self.exists(state, t) {
                break;
            }
            self.mark(best);
            let found = self.largest_eigenvalue(best);
            if found >= least {
                break;
            }
            least = found;
        }
        // The first of those that vary as little: each row in turn, if it can be one of them.
        let t = least * (1.0 + TIE) + noise + f64::MIN_POSITIVE;
        let mut kept = 0;
        for a in 0..self.u {
            if kept == self.m {
                break;
            }
            state[a] = KEPT;
            if best[a] == KEPT || self.exists(state, t) {
                if best[a] != KEPT {
                    self.mark(best);
                }
                kept += 1;
            } else {
                state[a] = OUT;
            }
        }
    }

    /// Every set of m rows has one with at least the m-th least squared distance from the centre: what
    /// is left of that by rounding says nothing.
    fn noise(&mut self) -> f64 {
        let (u, m) = (self.u, self.m);
        let squares = &mut self.pivots[..u];
        for (a, square) in squares.iter_mut().enumerate() {
            *square = self.gram[a * u + a];
        }
        let (_, square, _) = squares.select_nth_unstable_by(m - 1, f64::total_cmp);
        NOISE * square.max(0.0)
    }

    fn distance(&self, a: usize, b: usize) -> f64 {
        let (g, u) = (self.gram, self.u);
        (g[a * u + a] + g[b * u + b] - 2.0 * g[a * u + b]).max(0.0)
    }

    /// The m rows nearest to the row for which their distances are least.
    fn first_guess(&mut self, best: &mut [u64]) {
        let (u, m) = (self.u, self.m);
        let mut least = (f64::INFINITY, 0);
        for a in 0..u {
            for b in 0..u {
                self.pivots[b] = self.distance(a, b);
            }
            let distances = &mut self.pivots[..u];
            distances.select_nth_unstable_by(m - 1, f64::total_cmp);
            let sum = distances[..m].iter().sum();
            if sum < least.0 {
                least = (sum, a);
            }
        }
        indices(self.order);
        for b in 0..u {
            self.pivots[b] = self.distance(least.1, b);
        }
        let key = |b: u64| (self.pivots[b as usize], CLASS_FINITE, b);
        self.order.sort_unstable_by(|&a, &b| nearer(key(a), key(b)));
        self.mark(best);
    }

    /// The first m rows of the order.
    fn mark(&self, set: &mut [u64]) {
        set.fill(OUT);
        for &a in &self.order[..self.m] {
            set[a as usize] = KEPT;
        }
    }

    /// Of a set's scatter.
    fn largest_eigenvalue(&mut self, set: &[u64]) -> f64 {
        let (u, m) = (self.u, self.m);
        let kept = || (0..u).filter(|&a| set[a] == KEPT);
        let (means, centred) = (&mut self.relative[..u], &mut self.factor[..m * m]);
        for a in kept() {
            means[a] = kept().map(|b| self.gram[a * u + b]).sum::<f64>() / m as f64;
        }
        let mean = kept().map(|a| means[a]).sum::<f64>() / m as f64;
        for (row, a) in centred.chunks_exact_mut(m).zip(kept()) {
            for (entry, b) in row.iter_mut().zip(kept()) {
                *entry = self.gram[a * u + b] - means[a] - means[b] + mean;
            }
        }
        eigen::decompose(centred, m).values[0].max(0.0)
    }

    /// Is there a set with all kept rows, without those that are out, that stays below t? Then it is
    /// the first m rows of the order.
    fn exists(&mut self, state: &[u64], t: f64) -> bool {
        let u = self.u;
        self.t = t;
        let mut at = 0;
        let mut ends = [0; 3];
        for wanted in [KEPT, FREE, OUT] {
            for a in (0..u).filter(|&a| state[a] == wanted) {
                self.order[at] = a as u64;
                at += 1;
            }
            ends[wanted as usize] = at;
        }
        let (kept, free) = (ends[KEPT as usize], ends[FREE as usize]);
        let Some(surplus) = free.checked_sub(self.m) else {
            return false;
        };
        // Without a first row: those that are far from the others are the likeliest not to fit.
        for a in 0..u {
            let spread: f64 = (0..free)
                .map(|at| self.distance(a, self.order[at] as usize))
                .sum();
            self.pivots[a] = -spread;
        }
        for s in 0..kept {
            let a = self.order[s] as usize;
            let fits = s == 0 || self.pivots[s * u + a] > 0.0;
            if !fits {
                return false;
            }
            if s + 1 < self.m {
                self.keep(s, a);
            }
        }
        // Any direction that is not square to one that matters.
        self.along[..u].fill(0.0);
        for at in 0..free {
            let share = (at as f64 + 1.0).sin();
            let row = &self.gram[self.order[at] as usize * u..][..u];
            self.along[..u]
                .iter_mut()
                .zip(row)
                .for_each(|(to, gram)| *to += share * gram);
        }
        self.complete(0, kept, free, surplus)
    }

    /// Can the first s rows of the order be completed, without `surplus` of the free ones up to `free`?
    /// `level` decisions were made.
    fn complete(&mut self, level: usize, s: usize, mut free: usize, mut surplus: usize) -> bool {
        let u = self.u;
        if s == self.m {
            return true;
        }
        if s > 0 {
            // Rows that no longer fit.
            let mut at = s;
            while at < free {
                if self.pivots[s * u + self.order[at] as usize] > 0.0 {
                    at += 1;
                    continue;
                }
                if surplus == 0 {
                    return false;
                }
                free -= 1;
                surplus -= 1;
                self.order.swap(at, free);
            }
            if s + 1 == self.m {
                return true;
            }
        }
        // Few completions are tried faster than bounded.
        if surplus > 1 && self.varies_too_much(level, s, free, surplus) {
            return false;
        }
        // The row that fits worst: without it, or else with it.
        let (mut worst, mut least) = (s, f64::INFINITY);
        for at in s..free {
            let pivot = self.pivots[s * u + self.order[at] as usize];
            if pivot < least {
                (worst, least) = (at, pivot);
            }
        }
        let a = self.order[worst] as usize;
        if surplus > 0 {
            self.order.swap(worst, free - 1);
            worst = free - 1;
            if self.complete(level + 1, s, free - 1, surplus - 1) {
                return true;
            }
        }
        self.order.swap(worst, s);
        self.keep(s, a);
        self.complete(level + 1, s + 1, free, surplus)
    }

    /// Does every completion vary too much along one direction?
    ///
    /// The direction is that of the decision before, turned by a power step towards the one in which
    /// the completion that varies least along it varies most.
    fn varies_too_much(&mut self, level: usize, s: usize, free: usize, surplus: usize) -> bool {
        let u = self.u;
        let (before, after) = self.along[level * u..].split_at_mut(u);
        let after = &mut after[..u];
        after.copy_from_slice(before);
        for _ in 0..if level == 0 { FIRST_STEPS } else { 1 } {
            let (kept, rest) = self.order[..free].split_at_mut(s);
            let (_, taken, mean) = least_along(after, kept, rest, surplus);
            let (mut square, sums) = (0.0, &mut *self.sums);
            sums.fill(0.0);
            for a in kept.iter().chain(&rest[taken.clone()]).map(|&a| a as usize) {
                let share = after[a] - mean;
                for (sum, gram) in sums.iter_mut().zip(&self.gram[a * u..][..u]) {
                    *sum += share * gram;
                }
            }
            for a in kept.iter().chain(&rest[taken]).map(|&a| a as usize) {
                square += (after[a] - mean) * sums[a];
            }
            if square <= 0.0 {
                return false;
            }
            let length = square.sqrt();
            after
                .iter_mut()
                .zip(sums)
                .for_each(|(to, sum)| *to = *sum / length);
        }
        let (kept, rest) = self.order[..free].split_at_mut(s);
        least_along(after, kept, rest, surplus).0 >= self.t
    }

    /// Keeps row a as the s-th: a column of the factor, and the pivots of the others behind it.
    fn keep(&mut self, s: usize, a: usize) {
        let (u, t) = (self.u, self.t);
        let (before, pivots) = self.pivots.split_at_mut((s + 1) * u);
        let pivots = &mut pivots[..u];
        if s == 0 {
            let own = &self.gram[a * u..][..u];
            for (b, (row, gram)) in self
                .relative
                .chunks_exact_mut(u)
                .zip(self.gram.chunks_exact(u))
                .enumerate()
            {
                for ((entry, g), c) in row.iter_mut().zip(gram).zip(own) {
                    *entry = g - own[b] - c + own[a];
                }
                pivots[b] = 2.0 * t - row[b];
            }
            return;
        }
        let before = &before[s * u..];
        let (earlier, column) = self.factor.split_at_mut((s - 1) * u);
        let column = &mut column[..u];
        for (entry, relative) in column.iter_mut().zip(&self.relative[a * u..][..u]) {
            *entry = t - relative;
        }
        for earlier in earlier.chunks_exact(u) {
            let share = earlier[a];
            for (entry, earlier) in column.iter_mut().zip(earlier) {
                *entry -= share * earlier;
            }
        }
        let scale = 1.0 / before[a].sqrt();
        for ((entry, pivot), before) in column.iter_mut().zip(pivots).zip(before) {
            *entry *= scale;
            *pivot = before - *entry * *entry;
        }
    }
}

/// Of the kept rows and all but `surplus` of the rest, those that vary least along a direction: the sum
/// of the squares of what they differ from their mean, the range of the rest (sorted for it), the mean.
///
/// They are consecutive: the rest's nearest to the mean of the best set are no worse.
fn least_along(
    along: &[f64],
    kept: &[u64],
    rest: &mut [u64],
    surplus: usize,
) -> (f64, std::ops::Range<usize>, f64) {
    let at = |a: &u64| along[*a as usize];
    rest.sort_unstable_by(|a, b| at(a).total_cmp(&at(b)).then(a.cmp(b)));
    let (s, q) = (kept.len(), rest.len() - surplus);
    let share = q as f64 / (s + q) as f64;
    let (mean, own) = spread(kept.iter().map(at), s);
    let mut least = (f64::INFINITY, 0..q, mean);
    for first in 0..=surplus {
        let taken = first..first + q;
        let (other, varies) = spread(rest[taken.clone()].iter().map(at), q);
        let apart = other - mean;
        let sum = own + varies + s as f64 * share * apart * apart;
        if sum < least.0 {
            least = (sum, taken, mean + share * apart);
        }
    }
    least
}

/// The mean of some numbers, and the sum of the squares of what they differ from it.
fn spread(numbers: impl Iterator<Item = f64> + Clone, count: usize) -> (f64, f64) {
    if count == 0 {
        return (0.0, 0.0);
    }
    let mean = numbers.clone().sum::<f64>() / count as f64;
    (mean, numbers.map(|x| (x - mean) * (x - mean)).sum())
}

#[cfg(test)]
mod tests;
