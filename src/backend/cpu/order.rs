//! Order statistics of the rows, without weights.
//!
//! For few rows the straight-line networks run in registers; for more rows a list of comparators is
//! interpreted, each for several strips at a time so that reading the list costs little.

use super::policy::GROUP;
use super::simd::{Isa, Kernel, Simd};
use super::tile::{Ahead, Line, vectors};
use crate::network::straight::{self, MinMax, Rows, Straight, Visitor, Wires};
use crate::network::{Comparator, Network};
use crate::plan::{Ties, Trim};

/// What becomes of sorted values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Finish {
    /// The middle value.
    Median(Ties),
    /// A weighted sum of the ranks `low..=high`.
    Shares {
        low: usize,
        high: usize,
        first: f32,
        middle: f32,
        last: f32,
    },
    /// The mean of the n − f values closest to the median.
    AroundMedian { f: usize },
}

impl Finish {
    /// What is left of n values when a share is cut at either end.
    pub fn trimmed(n: usize, trim: Trim) -> Self {
        let cut = snap(trim.cut(n, n as f64), n);
        let kept = n as f64 - 2.0 * cut;
        if kept <= 0.0 {
            return Finish::Median(Ties::Midpoint);
        }
        let low = cut as usize;
        let high = (n - 1 - low).max(low);
        // Rank k keeps the part of [k, k + 1) within [cut, n − cut).
        let outer = ((low + 1) as f64).min(n as f64 - cut) - cut;
        let (first, middle) = ((outer / kept) as f32, (1.0 / kept) as f32);
        Finish::Shares {
            low,
            high,
            first,
            middle,
            last: first,
        }
    }

    /// The network that brings the ranks in question to their wires.
    pub fn network(&self, n: usize) -> Network {
        match *self {
            Finish::Median(Ties::Lower) => Network::select(n, (n - 1) / 2..(n + 1) / 2),
            Finish::Median(Ties::Upper) => Network::select(n, n / 2..n / 2 + 1),
            Finish::Median(Ties::Midpoint) => Network::median(n),
            Finish::Shares {
                low,
                high,
                first,
                middle,
                ..
            } if first == middle => Network::trimmed(n, low..high + 1, &[]),
            Finish::Shares { low, high, .. } => Network::trimmed(n, low..high + 1, &[low, high]),
            Finish::AroundMedian { f } => {
                let middle = (n - 1) / 2..n / 2 + 1;
                let exact: Vec<usize> = (0..n)
                    .filter(|k| *k < f || *k >= n - f || middle.contains(k))
                    .collect();
                Network::trimmed(n, 0..n, &exact)
            }
        }
    }

    /// The result, given the values on the wires.
    #[inline(always)]
    fn of<S: Simd>(&self, s: S, n: usize, wire: impl Fn(usize) -> S::F) -> S::F {
        match *self {
            Finish::Median(ties) => median(s, ties, wire((n - 1) / 2), wire(n / 2)),
            Finish::Shares { low, high, .. } if low == high => wire(low),
            Finish::Shares {
                low,
                high,
                first,
                middle,
                last,
            } => {
                let ends = s.mul(wire(low), s.splat(first));
                let ends = s.fma(wire(high), s.splat(last), ends);
                if low + 1 == high {
                    return ends;
                }
                let sum = sum(
                    s,
                    high - low - 1,
                    #[inline(always)]
                    |k| wire(low + 1 + k),
                );
                s.fma(sum, s.splat(middle), ends)
            }
            Finish::AroundMedian { f } => {
                let centre = median(s, Ties::Midpoint, wire((n - 1) / 2), wire(n / 2));
                let keep = n - f;
                let sum = sum(
                    s,
                    keep,
                    #[inline(always)]
                    |k| {
                        let low = wire(k);
                        if k >= f {
                            return low;
                        }
                        let high = wire(k + keep);
                        s.select(s.lt(s.sub(high, centre), s.sub(centre, low)), high, low)
                    },
                );
                s.mul(sum, s.splat((1.0 / keep as f64) as f32))
            }
        }
    }
}

/// A boundary within 1e-9·n of an integer is that integer.
fn snap(cut: f64, n: usize) -> f64 {
    let whole = cut.round();
    if (cut - whole).abs() <= 1e-9 * n as f64 {
        whole
    } else {
        cut
    }
}

/// The median, given the two middle values (the same one twice if there is only one).
#[inline(always)]
pub(super) fn median<S: Simd>(s: S, ties: Ties, low: S::F, high: S::F) -> S::F {
    match ties {
        Ties::Lower => low,
        Ties::Upper => high,
        Ties::Midpoint => {
            let half = s.splat(0.5);
            let middle = s.fma(high, half, s.mul(low, half));
            // Equal values stay what they are, infinities and denormals among them.
            s.select(s.lt(low, high), middle, low)
        }
    }
}

/// A sum with an error of few roundings however many terms there are: blocks of 32 terms in f32,
/// finished in f64.
#[inline(always)]
pub(super) fn sum<S: Simd>(s: S, count: usize, term: impl Fn(usize) -> S::F) -> S::F {
    if count <= 32 {
        return block(s, 0, count, &term);
    }
    let mut total = [s.splat_d(0.0); 2];
    let mut start = 0;
    while start < count {
        let part = s.widen(block(s, start, count.min(start + 32), &term));
        total = [s.add_d(total[0], part[0]), s.add_d(total[1], part[1])];
        start += 32;
    }
    s.narrow(total)
}

#[inline(always)]
fn block<S: Simd>(s: S, start: usize, end: usize, term: &impl Fn(usize) -> S::F) -> S::F {
    let mut sums = [s.splat(0.0); 4];
    let mut k = start;
    while k + 4 <= end {
        sums[0] = s.add(sums[0], term(k));
        sums[1] = s.add(sums[1], term(k + 1));
        sums[2] = s.add(sums[2], term(k + 2));
        sums[3] = s.add(sums[3], term(k + 3));
        k += 4;
    }
    while k < end {
        sums[0] = s.add(sums[0], term(k));
        k += 1;
    }
    s.add(s.add(sums[0], sums[1]), s.add(sums[2], sums[3]))
}

/// An order statistic of n rows, ready to run.
#[derive(Debug)]
pub(super) struct Order {
    n: usize,
    finish: Finish,
    /// None where there is straight-line code.
    network: Option<Network>,
}

impl Order {
    pub fn new(isa: Isa, n: usize, finish: Finish) -> Self {
        // Straight-line code of arrays takes a minute to compile and gains little.
        let listed = n > straight::WIDEST || matches!(isa, Isa::Portable(_));
        let network = listed.then(|| finish.network(n));
        Order { n, finish, network }
    }

    /// f32 that a run works in.
    pub fn work(&self) -> usize {
        self.network.as_ref().map_or(0, |_| self.n * GROUP * 16)
    }

    pub fn bytes(&self) -> usize {
        self.network
            .as_ref()
            .map_or(0, |network| size_of_val(network.comparators()))
    }

    /// One result for each strip of the tile, whose first n rows count.
    pub fn run(&self, isa: Isa, on: On<'_>) {
        match &self.network {
            Some(network) => {
                let comparators = network.comparators();
                isa.run(Interpreted {
                    n: self.n,
                    finish: self.finish,
                    comparators,
                    on,
                });
            }
            None => {
                let code = Dispatch {
                    isa,
                    finish: self.finish,
                    on,
                };
                straight::dispatch(self.n, code).expect("there is straight-line code for few rows");
            }
        }
    }
}

/// What an order statistic works on.
pub(super) struct On<'a> {
    pub tile: &'a [Line],
    /// Rows of the tile.
    pub rows: usize,
    pub work: &'a mut [Line],
    pub result: &'a mut [Line],
    pub ahead: Ahead<'a>,
}

struct Dispatch<'a> {
    isa: Isa,
    finish: Finish,
    on: On<'a>,
}

impl Visitor for Dispatch<'_> {
    type Output = ();

    fn visit<const N: usize>(self)
    where
        Wires: Straight<N>,
    {
        match self.finish {
            Finish::Median(ties) => self.isa.run_vector(Median::<N> { ties, on: self.on }),
            finish => self.isa.run_vector(Sorted::<N> {
                finish,
                on: self.on,
            }),
        }
    }
}

/// The operations of a network on vectors.
#[derive(Clone, Copy)]
struct Lanes<S>(S);

impl<S: Simd> MinMax for Lanes<S> {
    type V = S::F;

    #[inline(always)]
    fn min(self, a: S::F, b: S::F) -> S::F {
        self.0.min(a, b)
    }

    #[inline(always)]
    fn max(self, a: S::F, b: S::F) -> S::F {
        self.0.max(a, b)
    }
}

/// A strip of at least N rows.
struct Strip<'a, V, const N: usize>(&'a [V; N]);

impl<V: Copy, const N: usize> Rows<V> for Strip<'_, V, N> {
    #[inline(always)]
    fn row(&self, i: usize) -> V {
        self.0[i]
    }
}

struct Median<'a, const N: usize> {
    ties: Ties,
    on: On<'a>,
}

impl<const N: usize> Kernel for Median<'_, N>
where
    Wires: Straight<N>,
{
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let tile: &[S::F] = bytemuck::cast_slice(self.on.tile);
        let results = vectors::<S>(self.on.result);
        for (k, (strip, result)) in tile.chunks_exact(self.on.rows).zip(results).enumerate() {
            let Some(strip) = strip.first_chunk::<N>() else {
                return;
            };
            let [low, high] = Wires::median(Lanes(s), Strip(strip));
            *result = if N % 2 == 1 {
                low
            } else {
                median(s, self.ties, low, high)
            };
        }
    }
}

struct Sorted<'a, const N: usize> {
    finish: Finish,
    on: On<'a>,
}

impl<const N: usize> Kernel for Sorted<'_, N>
where
    Wires: Straight<N>,
{
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let tile: &[S::F] = bytemuck::cast_slice(self.on.tile);
        let results = vectors::<S>(self.on.result);
        for (k, (strip, result)) in tile.chunks_exact(self.on.rows).zip(results).enumerate() {
            let Some(strip) = strip.first_chunk::<N>() else {
                return;
            };
            let sorted = Wires::sort(Lanes(s), Strip(strip));
            *result = self.finish.of(
                s,
                N,
                #[inline(always)]
                |k| sorted[k],
            );
        }
    }
}

struct Interpreted<'a> {
    n: usize,
    finish: Finish,
    comparators: &'a [Comparator],
    on: On<'a>,
}

impl Kernel for Interpreted<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let tile: &[S::F] = bytemuck::cast_slice(self.on.tile);
        let (work, _) = vectors::<S>(self.on.work).as_chunks_mut::<GROUP>();
        let work = &mut work[..self.n];
        let results = vectors::<S>(self.on.result).chunks_mut(GROUP);
        for (group, (strips, results)) in tile.chunks(GROUP * self.on.rows).zip(results).enumerate()
        {
            for k in 0..GROUP {
                self.on.ahead.strip(s, group * GROUP + k);
            }
            for (k, strip) in strips.chunks_exact(self.on.rows).enumerate() {
                for (wire, &x) in work.iter_mut().zip(strip) {
                    wire[k] = x;
                }
            }
            for comparator in self.comparators {
                let (low, high) = (comparator.low as usize, comparator.high as usize);
                let (a, b) = (work[low], work[high]);
                for k in 0..GROUP {
                    work[low][k] = s.min(a[k], b[k]);
                    work[high][k] = s.max(a[k], b[k]);
                }
            }
            for (k, result) in results.iter_mut().enumerate() {
                *result = self.finish.of(
                    s,
                    self.n,
                    #[inline(always)]
                    |wire| work[wire][k],
                );
            }
        }
    }
}
