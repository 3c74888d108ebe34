//! Straight-line code of the networks for small n, written by the build script.
//!
//! Every input is loaded right before its first use, and a minimum or maximum that nothing needs is
//! not there, so that a column's values stay in registers as long as these suffice.

/// The operations of a network on values of some type, for instance vectors of lanes.
///
/// Implementors mark both functions `#[inline(always)]`.
pub trait MinMax: Copy {
    /// A value, or one for each of several columns. Never NaN.
    type V: Copy;

    /// The lesser of the two.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;

    /// The greater of the two.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
}

/// Where the inputs come from. Each row is asked for once, as late as possible.
///
/// Rows that load from memory spill less than an array filled beforehand: a sort of 25 with AVX2
/// spills 41 registers instead of 66. Implementors mark the function `#[inline(always)]`.
pub trait Rows<V> {
    /// The input from row i.
    fn row(&self, i: usize) -> V;
}

impl<V: Copy, const N: usize> Rows<V> for [V; N] {
    #[inline(always)]
    fn row(&self, i: usize) -> V {
        self[i]
    }
}

/// Has straight-line code for each n from 1 to [`WIDEST`].
#[derive(Clone, Copy, Debug)]
pub struct Wires;

/// Straight-line code for n = N.
pub trait Straight<const N: usize> {
    /// All values in ascending order.
    fn sort<M: MinMax>(m: M, rows: impl Rows<M::V>) -> [M::V; N];

    /// The lower and the upper middle value, which are the same for odd N.
    fn median<M: MinMax>(m: M, rows: impl Rows<M::V>) -> [M::V; 2];
}

/// Code that is generic over n, for [`dispatch`].
pub trait Visitor {
    /// What it gives.
    type Output;

    /// Called with N = n.
    fn visit<const N: usize>(self) -> Self::Output
    where
        Wires: Straight<N>;
}

include!(concat!(env!("OUT_DIR"), "/straight.rs"));
