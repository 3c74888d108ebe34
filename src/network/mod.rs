//! Selection networks: fixed lists of comparators that bring chosen ranks to known wires.
//!
//! A comparator puts the lesser of two wires' values on one of them and the greater on the other. What
//! it compares never depends on the data, so one list serves a vector of columns at a time, without a
//! branch, on every device. A [`Network`] starts from a sorting network and drops all that the wanted
//! ranks do not need: comparators whose results nobody reads, the unread half of others, and
//! comparators between wires whose order does not matter, as within the kept part of a trimmed mean.
//!
//! Values must be totally ordered. With NaN, minimum and maximum duplicate values: replace it first.
//!
//! Constructions, of which the best is taken after pruning: Batcher's merge exchange for any n (Knuth,
//! *The Art of Computer Programming* 3, 5.2.2, algorithm M); Batcher's odd-even merge over blocks of at
//! most 16 wires, sorted by the best known networks (5.3.4; 60 comparators for 16, M. W. Green); both
//! for a few more wires of which the outer ones carry −∞ and +∞; and for few ranks cut at the ends,
//! sorted blocks of at least as many wires as are cut, whose ends alone are merged.
//! [`Network::merge`] sorts what is bitonic, as two sorted lists are that meet: Batcher's bitonic sorter, for any n.
//!
//! That a network is right is checked by the 0–1 principle (5.3.4, theorem Z): for all inputs if it is
//! for all inputs of zeros and ones.
//!
//! Minimum and maximum operations for a column (f = ⌈n/10⌉; "ends exact": the least and the greatest of
//! the kept values each on its own wire, as fractional trimming needs):
//!
//! | n | sort | median | trimmed f | … ends exact | trimmed ⌊n/4⌋ |
//! |--:|-----:|-------:|----------:|-------------:|--------------:|
//! | 4 | 10 | 8 | 6 | 8 | 6 |
//! | 5 | 18 | 12 | 10 | 16 | 10 |
//! | 8 | 38 | 28 | 18 | 30 | 24 |
//! | 10 | 62 | 46 | 24 | 46 | 40 |
//! | 16 | 126 | 92 | 68 | 88 | 84 |
//! | 20 | 186 | 136 | 90 | 120 | 126 |
//! | 25 | 266 | 190 | 142 | 180 | 180 |
//! | 32 | 370 | 272 | 220 | 240 | 256 |
//! | 50 | 770 | 580 | 414 | 482 | 556 |
//! | 64 | 1062 | 804 | 622 | 686 | 772 |
//! | 100 | 2114 | 1640 | 1274 | 1352 | 1590 |
//! | 128 | 2894 | 2252 | 1754 | 1882 | 2188 |
//! | 256 | 7582 | 6044 | 4916 | 5040 | 5916 |
//! | 1024 | 47742 | 39548 | 33326 | 33886 | 39036 |

mod comparators;
mod construct;
mod program;
pub(crate) mod straight;
#[cfg(test)]
mod tests;

pub use comparators::{Comparator, Keep, Network};
pub use program::{Line, Program};
