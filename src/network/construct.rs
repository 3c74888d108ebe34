//! Networks by several constructions, for [`Network`](super::comparators::Network) to prune and choose
//! from.
//!
//! All are in standard form: a comparator `(low, high)` has `low < high`, so sorted input passes
//! unchanged and rank r ends up on wire r. Dropping the outer wires of such a network (as if they
//! carried −∞ and +∞) leaves a sorting network on the others: [`window`].

/// A comparator: the minimum goes to the first wire, the maximum to the second.
pub type Pair = (u32, u32);

/// The largest block that is sorted by a network out of [`SMALL`].
const BLOCK: usize = 16;

/// The best known networks for 9 to 13 and for 16 wires (Knuth 5.3.4; the last one is Green's). The
/// windows of Green's on 14 and 15 wires and merge exchange on at most 8 are as good.
#[rustfmt::skip]
const SMALL: [&[(u8, u8)]; 6] = [
    &[
        (0, 3), (1, 7), (2, 5), (4, 8), (0, 7), (2, 4), (3, 8), (5, 6), (0, 2), (1, 3), (4, 5),
        (7, 8), (1, 4), (3, 6), (5, 7), (0, 1), (2, 4), (3, 5), (6, 8), (2, 3), (4, 5), (6, 7),
        (1, 2), (3, 4), (5, 6),
    ],
    &[
        (0, 8), (1, 9), (2, 7), (3, 5), (4, 6), (0, 2), (1, 4), (5, 8), (7, 9), (0, 3), (2, 4),
        (5, 7), (6, 9), (0, 1), (3, 6), (8, 9), (1, 5), (2, 3), (4, 8), (6, 7), (1, 2), (3, 5),
        (4, 6), (7, 8), (2, 3), (4, 5), (6, 7), (3, 4), (5, 6),
    ],
    &[
        (0, 9), (1, 6), (2, 4), (3, 7), (5, 8), (0, 1), (3, 5), (4, 10), (6, 9), (7, 8), (1, 3),
        (2, 5), (4, 7), (8, 10), (0, 4), (1, 2), (3, 7), (5, 9), (6, 8), (0, 1), (2, 6), (4, 5),
        (7, 8), (9, 10), (2, 4), (3, 6), (5, 7), (8, 9), (1, 2), (3, 4), (5, 6), (7, 8), (2, 3),
        (4, 5), (6, 7),
    ],
    &[
        (0, 8), (1, 7), (2, 6), (3, 11), (4, 10), (5, 9), (0, 1), (2, 5), (3, 4), (6, 9), (7, 8),
        (10, 11), (0, 2), (1, 6), (5, 10), (9, 11), (0, 3), (1, 2), (4, 6), (5, 7), (8, 11),
        (9, 10), (1, 4), (3, 5), (6, 8), (7, 10), (1, 3), (2, 5), (6, 9), (8, 10), (2, 3), (4, 5),
        (6, 7), (8, 9), (4, 6), (5, 7), (3, 4), (5, 6), (7, 8),
    ],
    &[
        (0, 12), (1, 10), (2, 9), (3, 7), (5, 11), (6, 8), (1, 6), (2, 3), (4, 11), (7, 9), (8, 10),
        (0, 4), (1, 2), (3, 6), (7, 8), (9, 10), (11, 12), (4, 6), (5, 9), (8, 11), (10, 12),
        (0, 5), (3, 8), (4, 7), (6, 11), (9, 10), (0, 1), (2, 5), (6, 9), (7, 8), (10, 11), (1, 3),
        (2, 4), (5, 6), (9, 10), (1, 2), (3, 4), (5, 7), (6, 8), (2, 3), (4, 5), (6, 7), (8, 9),
        (3, 4), (5, 6),
    ],
    &[
        (0, 1), (2, 3), (4, 5), (6, 7), (8, 9), (10, 11), (12, 13), (14, 15), (0, 2), (4, 6),
        (8, 10), (12, 14), (1, 3), (5, 7), (9, 11), (13, 15), (0, 4), (8, 12), (1, 5), (9, 13),
        (2, 6), (10, 14), (3, 7), (11, 15), (0, 8), (1, 9), (2, 10), (3, 11), (4, 12), (5, 13),
        (6, 14), (7, 15), (5, 10), (6, 9), (3, 12), (13, 14), (4, 8), (7, 11), (1, 2), (1, 4),
        (7, 13), (2, 8), (11, 14), (2, 4), (5, 6), (9, 10), (11, 13), (3, 8), (7, 12), (6, 8),
        (10, 12), (3, 5), (7, 9), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12), (6, 7), (8, 9),
    ],
];

/// Batcher's merge exchange (Knuth 5.2.2, algorithm M), for any n.
pub fn merge_exchange(n: usize) -> Vec<Pair> {
    let mut pairs = Vec::new();
    let top = n.next_power_of_two() / 2;
    let mut p = top;
    while p > 0 {
        let (mut q, mut r, mut d) = (top, 0, p);
        loop {
            let lows = (0..n.saturating_sub(d)).filter(|i| i & p == r);
            pairs.extend(lows.map(|i| (i as u32, (i + d) as u32)));
            if q == p {
                break;
            }
            d = q - p;
            q /= 2;
            r = p;
        }
        p /= 2;
    }
    pairs
}

/// Sorts the first `split` wires and the others, in blocks, and merges the two.
pub fn blocks(n: usize, split: usize) -> Vec<Pair> {
    let mut pairs = Vec::new();
    let wires: Vec<u32> = (0..n as u32).collect();
    let (left, right) = wires.split_at(split.min(n));
    let left = sort_blocks(left, &mut pairs);
    let right = sort_blocks(right, &mut pairs);
    odd_even_merge(&left, &right, &mut pairs);
    standard_form(n, &mut pairs);
    pairs
}

/// An end of the ranks that is parted from the rest.
#[derive(Clone, Copy, Debug)]
pub struct End {
    /// How many ranks.
    pub len: usize,
    /// Whether each of them goes to its own wire. Otherwise only the innermost one does.
    pub in_order: bool,
}

/// Parts the least ranks and the greatest from the rest: sorts `count` > 1 blocks, each of at least as
/// many wires as both ends have, then merges the lowest of each block, and the highest.
///
/// What is cut from a merge cannot be among the extremes at the other end: its block holds enough
/// others that are beyond it.
pub fn extremes(n: usize, lows: End, highs: End, count: usize) -> Vec<Pair> {
    let mut pairs = Vec::new();
    let wires: Vec<u32> = (0..n as u32).collect();
    let block = |i: usize| &wires[i * n / count..(i + 1) * n / count];
    let sorted: Vec<Vec<u32>> = (0..count)
        .map(|i| sort_blocks(block(i), &mut pairs))
        .collect();
    let lowest = |list: &[u32]| list[..lows.len].to_vec();
    let highest = |list: &[u32]| list[list.len() - highs.len..].to_vec();

    let (a, b) = merge_ends(&sorted, &lowest, &mut pairs);
    if lows.in_order {
        odd_even_merge(&a, &b, &mut pairs);
    } else {
        pairs.extend(a.iter().copied().zip(b.into_iter().rev()));
        tournament(a, |low, high| (low, high), &mut pairs);
    }
    let (a, b) = merge_ends(&sorted, &highest, &mut pairs);
    if highs.in_order {
        odd_even_merge(&a, &b, &mut pairs);
    } else {
        pairs.extend(a.into_iter().zip(b.iter().copied().rev()));
        tournament(b, |high, low| (low, high), &mut pairs);
    }
    standard_form(n, &mut pairs);
    pairs
}

/// Merges an end of each sorted list, and of what that gives, in a balanced tree but for its root.
fn merge_ends(
    lists: &[Vec<u32>],
    end: &impl Fn(&[u32]) -> Vec<u32>,
    pairs: &mut Vec<Pair>,
) -> (Vec<u32>, Vec<u32>) {
    let (left, right) = lists.split_at(lists.len() / 2);
    let mut merge = |half: &[Vec<u32>]| match half {
        [list] => end(list),
        _ => {
            let (a, b) = merge_ends(half, end, pairs);
            end(&odd_even_merge(&a, &b, pairs))
        }
    };
    (merge(left), merge(right))
}

/// Brings the winner to the last of the wires; `pair` takes a loser's wire and a winner's.
fn tournament(mut wires: Vec<u32>, pair: impl Fn(u32, u32) -> Pair, pairs: &mut Vec<Pair>) {
    while wires.len() > 1 {
        // The last of each chunk goes on; an odd one out at the front goes on unplayed.
        let mut next = Vec::new();
        for chunk in wires.rchunks(2) {
            if let [loser, winner] = *chunk {
                pairs.push(pair(loser, winner));
            }
            next.extend(chunk.last());
        }
        next.reverse();
        wires = next;
    }
}

/// The part of a sorting network on wires `first..first + n`, renumbered from 0.
pub fn window(pairs: &[Pair], first: usize, n: usize) -> Vec<Pair> {
    let wires = first as u32..(first + n) as u32;
    let inside = |&&(low, high): &&Pair| wires.contains(&low) && wires.contains(&high);
    let renumber = |&(low, high): &Pair| (low - wires.start, high - wires.start);
    pairs.iter().filter(inside).map(renumber).collect()
}

/// Sorts the wires; the result lists them from the least to the greatest.
fn sort_blocks(wires: &[u32], pairs: &mut Vec<Pair>) -> Vec<u32> {
    if wires.len() <= BLOCK {
        let sorter = small(wires.len());
        pairs.extend(
            sorter
                .iter()
                .map(|&(l, h)| (wires[l as usize], wires[h as usize])),
        );
        return wires.to_vec();
    }
    let (left, right) = wires.split_at(wires.len() / 2);
    let left = sort_blocks(left, pairs);
    let right = sort_blocks(right, pairs);
    odd_even_merge(&left, &right, pairs)
}

/// The best known network for at most [`BLOCK`] wires.
fn small(n: usize) -> Vec<Pair> {
    let listed = SMALL.iter().find(|pairs| {
        let wires = pairs.iter().map(|&(_, high)| high as usize + 1).max();
        wires.is_some_and(|wires| wires >= n)
    });
    match listed {
        Some(pairs) if n > 8 => {
            let pairs: Vec<Pair> = pairs.iter().map(|&(l, h)| (l as u32, h as u32)).collect();
            window(&pairs, 0, n)
        }
        _ => merge_exchange(n),
    }
}

/// Batcher's odd-even merge of two sorted lists of wires of any lengths; the result lists the wires
/// from the least to the greatest.
fn odd_even_merge(a: &[u32], b: &[u32], pairs: &mut Vec<Pair>) -> Vec<u32> {
    if a.is_empty() || b.is_empty() {
        return [a, b].concat();
    }
    if a.len() == 1 && b.len() == 1 {
        pairs.push((a[0], b[0]));
        return vec![a[0], b[0]];
    }
    let every_second =
        |wires: &[u32], from| wires[from..].iter().copied().step_by(2).collect::<Vec<_>>();
    let even = odd_even_merge(&every_second(a, 0), &every_second(b, 0), pairs);
    let odd = odd_even_merge(&every_second(a, 1), &every_second(b, 1), pairs);
    let mut merged = vec![even[0]];
    for i in 0..odd.len().max(even.len() - 1) {
        match (odd.get(i), even.get(i + 1)) {
            (Some(&o), Some(&e)) => {
                pairs.push((o, e));
                merged.extend([o, e]);
            }
            (Some(&last), None) | (None, Some(&last)) => merged.push(last),
            (None, None) => {}
        }
    }
    merged
}

/// Sorts a bitonic sequence: one that rises and then falls, or any rotation of it.
///
/// Batcher's bitonic sorter, for any n: of the wires with even and those with odd numbers, each a bitonic
/// sequence while n is even, and then of neighbours, as the two hold equally many zeros, or one more.
pub fn bitonic(n: usize) -> Vec<Pair> {
    let mut pairs = Vec::new();
    let wires: Vec<u32> = (0..n as u32).collect();
    sort_bitonic(&wires, &mut pairs);
    standard_form(n, &mut pairs);
    pairs
}

/// The result lists the wires from the least to the greatest.
fn sort_bitonic(wires: &[u32], pairs: &mut Vec<Pair>) -> Vec<u32> {
    if wires.len() % 2 == 1 {
        return sort_blocks(wires, pairs);
    }
    let mut every_second = |from| {
        let wires: Vec<u32> = wires.iter().copied().skip(from).step_by(2).collect();
        match wires.len() {
            0 => wires,
            _ => sort_bitonic(&wires, pairs),
        }
    };
    let (even, odd) = (every_second(0), every_second(1));
    let mut sorted = Vec::with_capacity(wires.len());
    for pair in even.into_iter().zip(odd) {
        pairs.push(pair);
        sorted.extend([pair.0, pair.1]);
    }
    sorted
}

/// Renames wires so that every comparator has `low < high` (Knuth 5.3.4, exercise 16).
fn standard_form(n: usize, pairs: &mut [Pair]) {
    let mut name: Vec<u32> = (0..n as u32).collect();
    for pair in pairs {
        let (mut low, mut high) = (name[pair.0 as usize], name[pair.1 as usize]);
        if low > high {
            name.swap(pair.0 as usize, pair.1 as usize);
            std::mem::swap(&mut low, &mut high);
        }
        *pair = (low, high);
    }
}
