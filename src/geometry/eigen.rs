//! Eigenvalues of symmetric matrices, in scratch that the caller owns.
//!
//! Householder reflections to tridiagonal form and implicit QL rotations (Wilkinson & Reinsch 1971)
//! where all eigenvalues count, Lanczos steps with full reorthogonalisation where only the largest
//! does. A library would allocate inside a run; this does not.

/// Rotations that one eigenvalue may take: it takes two, so this only says that nothing hangs.
const MAX_ROTATIONS: usize = 60;

/// Room that [`largest_value`] needs.
pub(crate) fn value_scratch(n: usize) -> usize {
    3 * n
}

/// The largest eigenvalue of a symmetric n×n matrix, of which the upper triangle is read and
/// overwritten.
pub(crate) fn largest_value(a: &mut [f64], n: usize, scratch: &mut [f64]) -> f64 {
    let (d, rest) = scratch.split_at_mut(n);
    let (e, room) = rest.split_at_mut(n);
    tridiagonalise(a, n, d, e, &mut room[..n]);
    diagonalise(d, e, &mut []);
    d.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

/// Room that [`decompose`] needs.
pub(crate) fn scratch(n: usize) -> usize {
    2 * n
}

/// All eigenvalues of a symmetric n×n matrix (upper triangle read, overwritten), the largest first,
/// and their unit eigenvectors: row k of `vectors` belongs to value k.
pub(crate) fn decompose(
    a: &mut [f64],
    values: &mut [f64],
    vectors: &mut [f64],
    scratch: &mut [f64],
) {
    let n = values.len();
    let (e, room) = scratch.split_at_mut(n);
    tridiagonalise(a, n, values, e, &mut room[..n]);
    identity(vectors, n);
    for k in (0..n.saturating_sub(2)).rev() {
        let v = &a[k * n + k + 1..(k + 1) * n];
        for row in vectors[(k + 1) * n..n * n].chunks_exact_mut(n) {
            let row = &mut row[k + 1..];
            let share = dot(row, v);
            add(row, -share, v);
        }
    }
    diagonalise(values, e, vectors);
    for k in 0..n {
        let largest = (k..n)
            .max_by(|&a, &b| values[a].total_cmp(&values[b]).then(b.cmp(&a)))
            .expect("k is one of them");
        if largest != k {
            values.swap(k, largest);
            let (head, tail) = vectors.split_at_mut(largest * n);
            head[k * n..][..n].swap_with_slice(&mut tail[..n]);
        }
    }
}

/// Room that [`leading`] needs.
pub(crate) fn leading_scratch(n: usize) -> usize {
    2 * n * n + 5 * n
}

/// The largest eigenvalue of a symmetric n×n matrix and a unit eigenvector of it.
///
/// Lanczos steps from a fixed vector without symmetry, until the residual is rounding; each reads the
/// matrix once, so a matrix with one outstanding direction costs a few products.
pub(crate) fn leading(matrix: &[f64], vector: &mut [f64], scratch: &mut [f64]) -> f64 {
    let n = vector.len();
    let (basis, rest) = scratch.split_at_mut(n * n);
    let (rotations, rest) = rest.split_at_mut(n * n);
    let (alpha, rest) = rest.split_at_mut(n);
    let (beta, rest) = rest.split_at_mut(n);
    let (d, rest) = rest.split_at_mut(n);
    let (e, rest) = rest.split_at_mut(n);
    let w = &mut rest[..n];
    let mut state = 1u64;
    for q in &mut basis[..n] {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        *q = (state >> 11) as f64 / (1u64 << 53) as f64 - 0.5;
    }
    normalise(&mut basis[..n]);
    let (mut scale, mut look) = (0.0, 8);
    for k in 0..n {
        let q = &basis[k * n..][..n];
        for (w, row) in w.iter_mut().zip(matrix.chunks_exact(n)) {
            *w = dot(row, q);
        }
        alpha[k] = dot(w, q);
        for _ in 0..2 {
            for q in basis[..(k + 1) * n].chunks_exact(n) {
                let share = dot(w, q);
                add(w, -share, q);
            }
        }
        beta[k] = dot(w, w).sqrt();
        scale = f64::max(scale, alpha[k].abs() + beta[k]);
        let steps = k + 1;
        let done = steps == n || beta[k] <= 1e-15 * scale;
        if done || steps == look {
            look += 8.max(steps / 4);
            d[..steps].copy_from_slice(&alpha[..steps]);
            e[..steps].copy_from_slice(&beta[..steps]);
            identity(rotations, steps);
            diagonalise(&mut d[..steps], &mut e[..steps], rotations);
            let top = (0..steps)
                .max_by(|&a, &b| d[a].total_cmp(&d[b]).then(b.cmp(&a)))
                .expect("there was a step");
            let shares = &rotations[top * steps..][..steps];
            if done || beta[k] * shares[k].abs() <= 1e-14 * d[top].abs() {
                vector.fill(0.0);
                for (share, q) in shares.iter().zip(basis.chunks_exact(n)) {
                    add(vector, *share, q);
                }
                normalise(vector);
                return d[top];
            }
        }
        let next = &mut basis[(k + 1) * n..][..n];
        next.iter_mut()
            .zip(&*w)
            .for_each(|(next, w)| *next = w / beta[k]);
    }
    0.0 // Without rows there is nothing to lead.
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add(to: &mut [f64], share: f64, from: &[f64]) {
    to.iter_mut()
        .zip(from)
        .for_each(|(to, from)| *to += share * from);
}

fn normalise(v: &mut [f64]) {
    let norm = dot(v, v).sqrt();
    if norm > 0.0 {
        v.iter_mut().for_each(|v| *v /= norm);
    }
}

fn identity(matrix: &mut [f64], n: usize) {
    matrix[..n * n].fill(0.0);
    matrix[..n * n]
        .iter_mut()
        .step_by(n + 1)
        .for_each(|d| *d = 1.0);
}

/// `A = Q T Qᵀ`: T's diagonal in d, what is beside it in e (the last is 0). Row k of A keeps, behind
/// the diagonal, the vector v of the k-th reflection I − vvᵀ; Q is their product.
fn tridiagonalise(a: &mut [f64], n: usize, d: &mut [f64], e: &mut [f64], room: &mut [f64]) {
    for k in 0..n {
        d[k] = a[k * n + k];
        e[k] = 0.0;
        let (head, tail) = a.split_at_mut((k + 1) * n);
        let v = &mut head[k * n + k + 1..];
        if v.len() < 2 {
            if let Some(v) = v.first_mut() {
                e[k] = *v;
            }
            continue;
        }
        let scale = v.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
        if v[1..].iter().all(|x| *x == 0.0) {
            e[k] = v[0];
            v.fill(0.0);
            continue;
        }
        v.iter_mut().for_each(|x| *x /= scale);
        let norm = dot(v, v).sqrt().copysign(-v[0]);
        e[k] = norm * scale;
        v[0] -= norm;
        let length = (dot(v, v) / 2.0).sqrt();
        v.iter_mut().for_each(|x| *x /= length);
        // p = A v from the upper triangle, then A ← A − v wᵀ − w vᵀ with w = p − ½(pᵀv) v.
        let p = &mut room[..v.len()];
        p.fill(0.0);
        for (i, row) in tail.chunks_exact(n).enumerate() {
            let row = &row[k + 1 + i..];
            p[i] += dot(row, &v[i..]);
            add(&mut p[i + 1..], v[i], &row[1..]);
        }
        let half = dot(p, v) / 2.0;
        add(p, -half, v);
        for (i, row) in tail.chunks_exact_mut(n).enumerate() {
            let row = &mut row[k + 1 + i..];
            for (j, a) in row.iter_mut().enumerate() {
                *a -= v[i] * p[i + j] + p[i] * v[i + j];
            }
        }
    }
}

/// Eigenvalues of a tridiagonal matrix, in d, by implicit QL; the rotations are applied to pairs of
/// rows of `vectors` (none are kept when it is empty).
fn diagonalise(d: &mut [f64], e: &mut [f64], vectors: &mut [f64]) {
    let n = d.len();
    let norm = (0..n).fold(0.0, |m: f64, i| m.max(d[i].abs()).max(e[i].abs()));
    if n > 0 {
        e[n - 1] = 0.0;
    }
    for l in 0..n {
        for _ in 0..MAX_ROTATIONS {
            let small = |i: usize| {
                let beside = (d[i].abs() + d[i + 1].abs()).max(f64::EPSILON * norm);
                e[i].abs() <= f64::EPSILON * beside
            };
            let end = (l..n - 1).find(|&i| small(i)).unwrap_or(n - 1);
            if end == l {
                break;
            }
            rotate(d, e, vectors, l, end);
        }
    }
}

/// One implicit QL step on the rows from l to `end`.
fn rotate(d: &mut [f64], e: &mut [f64], vectors: &mut [f64], l: usize, end: usize) {
    let n = d.len();
    let slope = (d[l + 1] - d[l]) / (2.0 * e[l]);
    let mut g = d[end] - d[l] + e[l] / (slope + slope.hypot(1.0).copysign(slope));
    let (mut s, mut c, mut p) = (1.0, 1.0, 0.0);
    for i in (l..end).rev() {
        let (f, b) = (s * e[i], c * e[i]);
        let r = f.hypot(g);
        e[i + 1] = r;
        if r == 0.0 {
            d[i + 1] -= p;
            e[end] = 0.0;
            return;
        }
        (s, c) = (f / r, g / r);
        g = d[i + 1] - p;
        let turn = (d[i] - g) * s + 2.0 * c * b;
        p = s * turn;
        d[i + 1] = g + p;
        g = c * turn - b;
        if !vectors.is_empty() {
            let (low, high) = vectors.split_at_mut((i + 1) * n);
            for (low, high) in low[i * n..].iter_mut().zip(&mut high[..n]) {
                (*low, *high) = (c * *low - s * *high, s * *low + c * *high);
            }
        }
    }
    d[l] -= p;
    e[l] = g;
    e[end] = 0.0;
}

#[cfg(test)]
mod tests {
    use super::super::testing::Random;
    use super::*;

    /// A symmetric matrix with the given eigenvalues, by reflections.
    fn with_values(values: &[f64], random: &mut Random) -> Vec<f64> {
        let n = values.len();
        let mut a = vec![0.0; n * n];
        (0..n).for_each(|i| a[i * n + i] = values[i]);
        for _ in 0..3 {
            let mut v: Vec<f64> = (0..n).map(|_| random.normal()).collect();
            normalise(&mut v);
            let h = |i: usize, j: usize| f64::from(u8::from(i == j)) - 2.0 * v[i] * v[j];
            let times = |x: &dyn Fn(usize, usize) -> f64, y: &dyn Fn(usize, usize) -> f64| {
                let mut out = vec![0.0; n * n];
                for i in 0..n {
                    for j in 0..n {
                        out[i * n + j] = (0..n).map(|k| x(i, k) * y(k, j)).sum();
                    }
                }
                out
            };
            let half = times(&h, &|i, j| a[i * n + j]);
            a = times(&|i, j| half[i * n + j], &h);
        }
        a
    }

    fn check(values: &[f64]) {
        let n = values.len();
        let a = with_values(values, &mut Random::new(n as u64));
        let scale = values.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
        let mut sorted = values.to_vec();
        sorted.sort_by(|a, b| b.total_cmp(a));

        let (mut found, mut vectors) = (vec![0.0; n], vec![0.0; n * n]);
        decompose(
            &mut a.clone(),
            &mut found,
            &mut vectors,
            &mut vec![f64::NAN; scratch(n)],
        );
        for k in 0..n {
            assert!((found[k] - sorted[k]).abs() <= 1e-13 * scale, "{found:?}");
            let v = &vectors[k * n..][..n];
            for i in 0..n {
                let product = dot(&a[i * n..][..n], v);
                assert!((product - found[k] * v[i]).abs() <= 1e-13 * scale);
            }
            for l in 0..n {
                let expected = f64::from(u8::from(k == l));
                assert!((dot(v, &vectors[l * n..][..n]) - expected).abs() < 1e-13);
            }
        }
        let room = &mut vec![f64::NAN; value_scratch(n)];
        let largest = largest_value(&mut a.clone(), n, room);
        assert!((largest - sorted[0]).abs() <= 1e-13 * scale);

        let mut v = vec![0.0; n];
        let room = &mut vec![f64::NAN; leading_scratch(n)];
        let largest = leading(&a, &mut v, room);
        assert!((largest - sorted[0]).abs() <= 1e-13 * scale);
        for i in 0..n {
            let product = dot(&a[i * n..][..n], &v);
            assert!(
                (product - largest * v[i]).abs() <= 1e-12 * scale,
                "{values:?}"
            );
        }
    }

    #[test]
    fn every_spectrum_is_found() {
        check(&[3.0]);
        check(&[2.0, -1.0]);
        check(&[0.0; 5]);
        check(&[1.0; 6]);
        check(&[5.0, 5.0, 5.0, 0.0, 0.0, 1e-9, 1e-9]);
        check(&[1e38, 1e30, 1.0, 0.0, 1e-9]);
        check(&(0..40).map(|i| f64::from(i % 13)).collect::<Vec<_>>());
        check(&(0..60).map(|i| 0.9f64.powi(i) * 1e-30).collect::<Vec<_>>());
        let mut random = Random::new(3);
        check(&(0..50).map(|_| random.normal()).collect::<Vec<_>>());
    }
}
