//! Networks pruned to the ranks that a statistic needs.

use super::construct::{End, Pair, bitonic, blocks, extremes, merge_exchange, window};
use std::ops::Range;

/// Up to this many wires many constructions are tried; beyond it, a few.
const THOROUGH: usize = 64;

/// Which results of a comparator something later needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Keep {
    /// Both.
    Both,
    /// The minimum alone. What the other wire carries from here on is never read.
    Low,
    /// The maximum alone. What the other wire carries from here on is never read.
    High,
}

/// Puts the minimum of two wires on `low` and their maximum on `high`; `low < high`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Comparator {
    /// The wire that gets the minimum.
    pub low: u32,
    /// The wire that gets the maximum.
    pub high: u32,
    /// Which of the two are needed.
    pub keep: Keep,
}

/// A selection network: a fixed list of comparators on n wires that brings some ranks to known wires.
///
/// Rank r (from 0, the least) ends up on wire r, of the ranks that were asked for. The other wires
/// carry anything. Among several constructions the one with the fewest operations is chosen.
///
/// ```
/// use byzagg::network::{Keep, Network};
///
/// let median = Network::median(5);
/// let mut wires = [3, 1, 4, 1, 5];
/// for c in median.comparators() {
///     let (a, b) = (wires[c.low as usize], wires[c.high as usize]);
///     if c.keep != Keep::High {
///         wires[c.low as usize] = a.min(b);
///     }
///     if c.keep != Keep::Low {
///         wires[c.high as usize] = a.max(b);
///     }
/// }
/// assert_eq!(median.ranks(), 2..3);
/// assert_eq!(wires[2], 3);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    wires: usize,
    ranks: Range<usize>,
    pub(super) comparators: Vec<Comparator>,
}

impl Network {
    /// Every rank on its wire.
    pub fn sort(n: usize) -> Self {
        Self::select(n, 0..n)
    }

    /// Every rank on its wire, of a bitonic sequence: one that rises and then falls, or a rotation of one.
    pub fn merge(n: usize) -> Self {
        let all: Vec<usize> = (0..n).collect();
        Network {
            wires: n,
            ranks: 0..n,
            comparators: Goal::new(n, &(0..n), &all).prune(&bitonic(n)),
        }
    }

    /// The middle rank, or the two middle ranks of an even n, each on its wire.
    pub fn median(n: usize) -> Self {
        Self::select(n, n.saturating_sub(1) / 2..n / 2 + 1)
    }

    /// The given ranks, each on its wire. Ranks beyond n are ignored.
    pub fn select(n: usize, ranks: Range<usize>) -> Self {
        let exact: Vec<usize> = (ranks.start..ranks.end.min(n)).collect();
        Self::trimmed(n, ranks, &exact)
    }

    /// The given ranks on the wires of the same numbers in any order, but for the ranks in `exact`:
    /// each of these is on its own wire. Ranks beyond n, and exact ones outside `ranks`, are ignored.
    pub fn trimmed(n: usize, ranks: Range<usize>, exact: &[usize]) -> Self {
        let start = ranks.start.min(n);
        let ranks = start..ranks.end.clamp(start, n);
        let goal = Goal::new(n, &ranks, exact);
        let comparators = goal.candidates().min_by_key(|list| count(list));
        Network {
            wires: n,
            ranks,
            comparators: comparators.unwrap_or_default(),
        }
    }

    /// Wires, which is inputs.
    pub fn wires(&self) -> usize {
        self.wires
    }

    /// The ranks, and at the same time the wires, that hold a result.
    pub fn ranks(&self) -> Range<usize> {
        self.ranks.clone()
    }

    /// The comparators, in an order that respects their dependencies.
    pub fn comparators(&self) -> &[Comparator] {
        &self.comparators
    }

    /// How many minima and maxima it takes.
    pub fn operations(&self) -> usize {
        count(&self.comparators)
    }
}

fn count(comparators: &[Comparator]) -> usize {
    let operations = |c: &Comparator| if c.keep == Keep::Both { 2 } else { 1 };
    comparators.iter().map(operations).sum()
}

/// What a network has to deliver: a class for each wire.
///
/// Wires of one class may be permuted without harm. Class [`DEAD`] is never read.
struct Goal {
    classes: Vec<u32>,
}

const DEAD: u32 = 0;
const ANY_ORDER: u32 = 1;

impl Goal {
    fn new(n: usize, ranks: &Range<usize>, exact: &[usize]) -> Self {
        let mut classes = vec![DEAD; n];
        classes[ranks.clone()].fill(ANY_ORDER);
        for (&rank, class) in exact.iter().zip(ANY_ORDER + 1..) {
            if ranks.contains(&rank) {
                classes[rank] = class;
            }
        }
        Goal { classes }
    }

    /// Drops every comparator whose results are not needed, or not in a particular order.
    fn prune(&self, pairs: &[Pair]) -> Vec<Comparator> {
        let mut class = self.classes.clone();
        let mut fresh = class.iter().max().map_or(1, |class| class + 1);
        let mut kept = Vec::new();
        for &(low, high) in pairs.iter().rev() {
            let (a, b) = (class[low as usize], class[high as usize]);
            if a == b {
                continue;
            }
            let keep = match (a, b) {
                (_, DEAD) => Keep::Low,
                (DEAD, _) => Keep::High,
                _ => Keep::Both,
            };
            kept.push(Comparator { low, high, keep });
            // What reaches a comparator may be exchanged between its two wires, but with no other.
            class[low as usize] = fresh;
            class[high as usize] = fresh;
            fresh += 1;
        }
        kept.reverse();
        kept
    }

    fn candidates(&self) -> impl Iterator<Item = Vec<Comparator>> {
        let lists = sorters(self.classes.len()).chain(self.partitions());
        lists.map(|pairs| self.prune(&pairs))
    }

    /// Networks that only part the ranks outside the longest run of equal classes from the rest.
    fn partitions(&self) -> impl Iterator<Item = Vec<Pair>> {
        let n = self.classes.len();
        let run = self.longest_run();
        let most = n.checked_div(n - run.len()).unwrap_or(0);
        let fewer = move |&count: &usize| {
            if n <= THOROUGH {
                count.checked_sub(1)
            } else {
                Some(count / 2)
            }
        };
        let counts = std::iter::successors(Some(most), fewer).take_while(|&count| count > 1);
        // An end needs its whole order only if more than its innermost rank is wanted by itself.
        let same = |classes: &[u32]| classes.windows(2).all(|pair| pair[0] == pair[1]);
        let ordered = [
            !same(&self.classes[..run.start.saturating_sub(1)]),
            !same(&self.classes[(run.end + 1).min(n)..]),
        ];
        counts.flat_map(move |count| {
            [false, true].map(|in_order| {
                let end = |len, ordered| End {
                    len,
                    in_order: in_order || ordered,
                };
                let (lows, highs) = (end(run.start, ordered[0]), end(n - run.end, ordered[1]));
                extremes(n, lows, highs, count)
            })
        })
    }

    fn longest_run(&self) -> Range<usize> {
        let mut end = 0;
        let runs = self.classes.chunk_by(|a, b| a == b).map(|run| {
            end += run.len();
            end - run.len()..end
        });
        runs.max_by_key(Range::len).unwrap_or_default()
    }
}

/// Sorting networks for n wires. Which is the best to prune, nobody knows in advance.
fn sorters(n: usize) -> impl Iterator<Item = Vec<Pair>> {
    let (sizes, splits) = if n <= THOROUGH {
        (n..n + 8, 1..n)
    } else {
        (n..n + 1, 0..0)
    };
    let windows = sizes.flat_map(move |m| {
        let larger = [merge_exchange(m), blocks(m, m / 2)];
        larger.map(|pairs| window(&pairs, m - n, n))
    });
    windows.chain(splits.map(move |split| blocks(n, split)))
}
