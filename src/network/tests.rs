use super::straight::{MinMax, Straight, Visitor, WIDEST, Wires, dispatch};
use super::*;
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::SliceRandom};
use std::ops::Range;

// 0–1 principle: a network that is right for all inputs of zeros and ones is right. One word holds 64
// such inputs, and & and | are minimum and maximum.

/// All inputs of zeros and ones for n wires, one word a wire.
fn all_inputs(n: usize) -> impl Iterator<Item = Vec<u64>> {
    const LANES: [u64; 6] = [
        0xaaaa_aaaa_aaaa_aaaa,
        0xcccc_cccc_cccc_cccc,
        0xf0f0_f0f0_f0f0_f0f0,
        0xff00_ff00_ff00_ff00,
        0xffff_0000_ffff_0000,
        0xffff_ffff_0000_0000,
    ];
    let word = |block: u64, wire: usize| match LANES.get(wire) {
        Some(&lanes) => lanes,
        None => 0u64.wrapping_sub(block >> (wire - LANES.len()) & 1),
    };
    (0..1u64 << n.saturating_sub(6)).map(move |block| (0..n).map(|w| word(block, w)).collect())
}

/// Every threshold of some random permutations: as strong as running the permutations themselves.
fn sampled_inputs(n: usize, permutations: usize) -> Vec<Vec<u64>> {
    let mut rng = StdRng::seed_from_u64(n as u64);
    let mut ranks: Vec<usize> = (0..n).collect();
    let mut inputs = Vec::new();
    for _ in 0..permutations {
        ranks.shuffle(&mut rng);
        for first in (0..n).step_by(64) {
            let word = |rank: usize| (0..64).fold(0, |w, j| w | u64::from(rank > first + j) << j);
            inputs.push(ranks.iter().map(|&rank| word(rank)).collect());
        }
    }
    inputs
}

/// Ascending, by counting: slot n - k becomes 1 where there are at least k ones.
fn sorted(input: &[u64]) -> Vec<u64> {
    let n = input.len();
    let mut slots = vec![0; n];
    for (seen, &x) in input.iter().enumerate() {
        for i in n - 1 - seen..n {
            let below = slots.get(i + 1).copied().unwrap_or(!0);
            slots[i] |= below & x;
        }
    }
    slots
}

/// Runs a network. What a comparator need not keep is overwritten with garbage.
fn run(network: &Network, wires: &mut [u64]) {
    for &Comparator { low, high, keep } in network.comparators() {
        assert!(low < high);
        let (low, high) = (low as usize, high as usize);
        let garbage = wires[low].rotate_left(7) ^ 0x9e37_79b9_7f4a_7c15;
        let (min, max) = (wires[low] & wires[high], wires[low] | wires[high]);
        wires[low] = if keep == Keep::High { garbage } else { min };
        wires[high] = if keep == Keep::Low { garbage } else { max };
    }
}

/// Whether a network delivers its ranks for this input: as a set, and the exact ones each in place.
#[must_use]
fn delivers(network: &Network, exact: &[usize], input: &[u64], sorted_input: &[u64]) -> bool {
    let mut wires = input.to_vec();
    run(network, &mut wires);
    exact.iter().all(|&rank| wires[rank] == sorted_input[rank])
        && sorted(&wires[network.ranks()]) == sorted_input[network.ranks()]
}

/// Networks for n wires with the ranks that they have to put in place.
fn networks(n: usize, cuts: &[usize]) -> Vec<(Network, Vec<usize>)> {
    let all = |ranks: Range<usize>| ranks.collect::<Vec<_>>();
    let median = Network::median(n);
    let middle = all(median.ranks());
    let mut networks = vec![(Network::sort(n), all(0..n)), (median, middle)];
    for &f in cuts.iter().filter(|&&f| 2 * f < n) {
        networks.push((Network::trimmed(n, f..n - f, &[]), vec![]));
        let ends = vec![f, n - f - 1];
        networks.push((Network::trimmed(n, f..n - f, &ends), ends));
        networks.push((Network::select(n, f..f + 1), vec![f]));
        networks.push((Network::trimmed(n, f / 2..n - f, &[f / 2]), vec![f / 2]));
    }
    networks
}

#[test]
fn every_network_up_to_18_wires_is_right_for_every_input() {
    for n in 1..=18 {
        let networks = networks(n, &(0..n).collect::<Vec<_>>());
        for input in all_inputs(n) {
            let expected = sorted(&input);
            for (network, exact) in &networks {
                assert!(
                    delivers(network, exact, &input, &expected),
                    "n = {n}: {network:?}"
                );
            }
        }
    }
}

#[test]
fn wide_networks_are_right_for_random_inputs() {
    for (n, permutations) in [
        (25, 2000),
        (31, 1000),
        (32, 1000),
        (33, 1000),
        (64, 200),
        (65, 200),
        (100, 50),
        (257, 10),
        (1000, 2),
    ] {
        let networks = networks(n, &[0, 1, 3, n / 10, n / 4, (n - 1) / 2]);
        for input in sampled_inputs(n, permutations) {
            let expected = sorted(&input);
            for (network, exact) in &networks {
                assert!(delivers(network, exact, &input, &expected), "n = {n}");
            }
        }
    }
}

#[test]
fn a_merge_sorts_every_bitonic_sequence() {
    for n in 1..=130 {
        let network = Network::merge(n);
        // Ones in a row, which may go on at the front: one input a bit.
        for length in 0..=n {
            for start in (0..n).step_by(64) {
                let starts = start..n.min(start + 64);
                let one = |wire: usize, start: usize| (wire + n - start) % n < length;
                let word = |wire| {
                    let bits = starts.clone().map(|s| u64::from(one(wire, s)) << (s % 64));
                    bits.sum()
                };
                let mut wires: Vec<u64> = (0..n).map(word).collect();
                let expected = sorted(&wires);
                run(&network, &mut wires);
                assert_eq!(wires, expected, "n = {n}, {length} ones from {start} on");
            }
        }
    }
    let stages = |n: usize| (n * n.ilog2() as usize, Network::merge(n).operations());
    for (expected, operations) in [stages(64), stages(128)] {
        assert_eq!(operations, expected);
    }
}

#[test]
fn a_network_without_one_of_its_comparators_is_found_out() {
    for n in [4, 5, 8, 9] {
        for (network, exact) in networks(n, &[]) {
            for dropped in 0..network.comparators().len() {
                let mut broken = network.clone();
                broken.comparators.remove(dropped);
                let right = |input: Vec<u64>| delivers(&broken, &exact, &input, &sorted(&input));
                assert!(
                    !all_inputs(n).all(right),
                    "n = {n}: {dropped} of {network:?} is needless"
                );
            }
        }
    }
    let mut broken = Network::trimmed(64, 8..56, &[]);
    broken.comparators.pop();
    let right = |input: Vec<u64>| delivers(&broken, &[], &input, &sorted(&input));
    assert!(!sampled_inputs(64, 20).into_iter().all(right));
}

#[test]
fn degenerate_requests_give_networks() {
    assert_eq!(Network::sort(0).operations(), 0);
    assert_eq!(Network::median(0).ranks(), 0..0);
    assert_eq!(Network::median(1).ranks(), 0..1);
    assert_eq!(Network::select(5, 7..9).ranks(), 5..5);
    assert_eq!(Network::select(5, 3..usize::MAX).ranks(), 3..5);
    #[allow(clippy::reversed_empty_ranges)]
    let reversed = Network::select(5, 4..2);
    assert_eq!((reversed.ranks(), reversed.operations()), (4..4, 0));
    assert_eq!(Network::trimmed(9, 0..9, &[]).operations(), 0);
    assert_eq!(Network::trimmed(9, 3..6, &[3, 3, 0, 99]).ranks(), 3..6);
}

#[test]
fn thousands_of_wires_take_moments() {
    let start = std::time::Instant::now();
    let [sort, median, one] = [
        Network::sort(4096),
        Network::median(4096),
        Network::trimmed(4096, 1..4095, &[]),
    ];
    assert!(median.operations() < sort.operations());
    // Pairs, a tournament among each half, and the last comparator of each drops the winner.
    assert_eq!(one.operations(), 2 * (2048 + 2 * 2047) - 2);
    assert!(start.elapsed().as_secs_f64() < 5.0, "{:?}", start.elapsed());
}

/// The table in the module's documentation.
#[test]
fn documented_operation_counts_are_true() {
    let rows = include_str!("mod.rs").lines().filter_map(|line| {
        let numbers: Vec<_> = line
            .strip_prefix("//! |")?
            .split('|')
            .map(str::trim)
            .collect();
        numbers[..numbers.len() - 1]
            .iter()
            .map(|cell| cell.parse::<usize>().ok())
            .collect::<Option<Vec<_>>>()
    });
    let rows: Vec<Vec<usize>> = rows.collect();
    assert_eq!(rows.len(), 14);
    for row in rows {
        let n = row[0];
        let trimmed = |f: usize, exact: &[usize]| Network::trimmed(n, f..n - f, exact).operations();
        let f = n.div_ceil(10);
        let counted = [
            n,
            Network::sort(n).operations(),
            Network::median(n).operations(),
            trimmed(f, &[]),
            trimmed(f, &[f, n - f - 1]),
            trimmed(n / 4, &[]),
        ];
        assert_eq!(row, counted);
    }
}

#[test]
fn programs_load_late_and_assign_once() {
    for n in 1..=40 {
        for (network, _) in networks(n, &[1, 3]) {
            let program = Program::new(&network);
            let operations = program
                .lines
                .iter()
                .filter(|l| !matches!(l, Line::Load { .. }))
                .count();
            assert_eq!(operations, network.operations());
            let mut known = std::collections::HashSet::new();
            let mut unused = None;
            for &line in &program.lines {
                match line {
                    Line::Load { wire } => {
                        assert!(known.insert(wire));
                        unused = Some(wire);
                    }
                    Line::Min { to, a, b } | Line::Max { to, a, b } => {
                        assert!(unused.is_none_or(|wire| wire == a || wire == b));
                        unused = None;
                        assert!(known.contains(&a) && known.contains(&b) && known.insert(to));
                    }
                }
            }
            assert!(program.results.iter().all(|value| known.contains(value)));
        }
    }
}

#[derive(Clone, Copy)]
struct Bits;

impl MinMax for Bits {
    type V = u64;
    fn min(self, a: u64, b: u64) -> u64 {
        a & b
    }
    fn max(self, a: u64, b: u64) -> u64 {
        a | b
    }
}

#[derive(Clone, Copy)]
struct Floats;

impl MinMax for Floats {
    type V = f32;
    fn min(self, a: f32, b: f32) -> f32 {
        a.min(b)
    }
    fn max(self, a: f32, b: f32) -> f32 {
        a.max(b)
    }
}

/// The straight-line code for slices: all values in order, then the two middle ones.
struct Run<'a, M: MinMax>(M, &'a [M::V]);

impl<M: MinMax> Visitor for Run<'_, M> {
    type Output = (Vec<M::V>, [M::V; 2]);
    fn visit<const N: usize>(self) -> Self::Output
    where
        Wires: Straight<N>,
    {
        let rows: [M::V; N] = std::array::from_fn(|i| self.1[i]);
        (
            Wires::sort(self.0, rows).to_vec(),
            Wires::median(self.0, rows),
        )
    }
}

#[test]
fn straight_line_code_is_right_for_zeros_and_ones() {
    for n in 1..=WIDEST {
        let check = |input: Vec<u64>| {
            let expected = sorted(&input);
            let (sort, median) = dispatch(n, Run(Bits, &input)).unwrap();
            assert_eq!(sort, expected, "n = {n}");
            assert_eq!(median, [expected[(n - 1) / 2], expected[n / 2]], "n = {n}");
        };
        if n <= 16 {
            all_inputs(n).for_each(check);
        } else {
            sampled_inputs(n, 1000).into_iter().for_each(check);
        }
    }
    assert!(dispatch(WIDEST + 1, Run(Bits, &[0; WIDEST + 1])).is_none());
    assert!(dispatch(0, Run(Bits, &[])).is_none());
}

#[test]
fn straight_line_code_sorts_floats() {
    let mut rng = StdRng::seed_from_u64(1);
    for n in 1..=WIDEST {
        for ties in [false, true] {
            for _ in 0..100 {
                let quarter = |x: f32| if ties { (x * 8.0).round() / 4.0 } else { x };
                let mut values: Vec<f32> = (0..n)
                    .map(|_| quarter(rng.random_range(-1.0..1.0)))
                    .collect();
                values[0] = f32::INFINITY;
                values[n / 2] = f32::NEG_INFINITY;
                let (sort, median) = dispatch(n, Run(Floats, &values)).unwrap();
                values.sort_by(f32::total_cmp);
                assert_eq!(sort, values);
                assert_eq!(median, [values[(n - 1) / 2], values[n / 2]]);
            }
        }
    }
}
