//! Products of mixings, mixed geometries, and distances to combinations.

use super::arena::run;
use super::cases::{Case, Rows, SIZES, Weights, each};
use crate::geometry::testing::{BOTH, Random};
use crate::geometry::{GeometrySlot, Op};
use crate::plan::Slot;

/// Rows of shares with a sum of 1, or sometimes less, exactly; some are equal.
fn shares(random: &mut Random, rows: usize, n: usize, whole: bool) -> Vec<f64> {
    let mut all = vec![0.0; rows * n];
    for (i, row) in all.chunks_exact_mut(n).enumerate() {
        // Equal rows are equal sets of draws.
        let mut own = Random::new(random.bits() % 7 + 100 * (i as u64 % 5));
        for _ in 0..16 {
            row[own.below(n)] += 1.0 / 16.0;
        }
        if !whole && i % 3 == 1 {
            row.iter_mut().for_each(|c| *c *= 0.5);
        }
    }
    all
}

#[test]
fn products() {
    for n in SIZES {
        let mut case = Case::new(n, Rows::Lattice, Weights::None, false, 2);
        let mut random = Random::new(n as u64);
        let rows = n.div_ceil(2);
        let outer = case.put(|| {
            random
                .rows(1, rows * rows)
                .concat()
                .iter()
                .map(|x| x.abs())
                .collect()
        });
        let inner = case.put(|| shares(&mut random, rows, n, false));
        let coefficients = case.put(|| {
            let mut c: Vec<f64> = (0..rows).map(|_| random.uniform()).collect();
            c[rows / 2] = 0.0;
            c
        });
        let undefined = case.put(|| vec![f64::NAN; rows]);
        let out = case.out(rows * n);
        case.check(
            &Op::Compose {
                outer,
                inner,
                n,
                out,
            },
            1e-6,
        );
        let mixing = inner;
        let with_anchor = case.put(|| (0..=rows).map(|i| i as f64 / 64.0).collect());
        for coefficients in [coefficients, undefined, with_anchor] {
            let anchor = coefficients == with_anchor;
            let out = case.out(n + usize::from(anchor));
            case.check(
                &Op::Expand {
                    anchor,
                    coefficients,
                    mixing,
                    out,
                },
                1e-6,
            );
        }
    }
}

#[test]
fn mixed_geometries() {
    for anchors in [false.into(), true.into(), BOTH] {
        let origin = anchors.origin;
        each(anchors, &[Weights::None], |mut case| {
            let (n, geometry) = (case.n, case.geometry);
            let mut random = Random::new(n as u64);
            let rows = if origin { n.div_ceil(2) } else { n };
            let mixing = case.put(|| {
                let mut mixing = shares(&mut random, rows, n, !origin);
                if rows > 3 {
                    mixing[n + n / 2] = f64::NAN;
                }
                mixing
            });
            let slot = case.out(GeometrySlot::len(rows, anchors));
            let op = Op::Mix {
                geometry,
                mixing,
                out: GeometrySlot {
                    slot,
                    n: rows,
                    anchors,
                },
            };
            let points = rows + anchors.count();
            let reach = |p: usize, a: usize| -> f64 {
                let lengths = case.lengths(p);
                let row = &case.regions[p].numbers[mixing.range()];
                let Some(row) = row.chunks_exact(n).nth(a) else {
                    // The anchor is about the rows' centre or nearer to the origin.
                    return lengths[n..=n + (a - rows)].iter().sum();
                };
                let over_rows: f64 = row.iter().zip(&lengths).map(|(c, l)| c * l).sum();
                // The centre is anywhere between the origin and the raw rows' own.
                over_rows + lengths.get(n).copied().unwrap_or(0.0)
            };
            let reaches: Vec<Vec<f64>> = (0..case.regions.len())
                .map(|p| (0..points).map(|a| reach(p, a)).collect())
                .collect();
            case.check_each(&op, |p, at, _| match (at / points, at % points) {
                (a, _) if a == points => 0.0,
                (a, b) => 1e-6 * reaches[p][a] * reaches[p][b],
            });
            for (region, (_, found)) in case.regions.iter().zip(run(&op, &case.regions)) {
                let mixing = &region.numbers[mixing.range()];
                let row = |i: usize| &mixing[i * n..][..n];
                let g = |a: usize, b: usize| found[a * points + b];
                for (a, b) in (0..rows).flat_map(|a| (0..a).map(move |b| (a, b))) {
                    assert_eq!(g(a, b).to_bits(), g(b, a).to_bits());
                    if row(a) == row(b) && found[points * points + a] == 0.0 {
                        assert_eq!((g(a, a), g(a, a)), (g(a, b), g(b, b)));
                    }
                }
            }
        });
    }
}

#[test]
fn distances() {
    for anchors in [false.into(), true.into(), BOTH] {
        let origin = anchors.origin;
        each(anchors, &[Weights::None], |mut case| {
            let (n, geometry) = (case.n, case.geometry);
            let mut random = Random::new(n as u64);
            let point = case.put(|| {
                let mut shares = shares(&mut random, 2, n, !origin).split_off(n);
                shares.extend(anchors.given.then_some(0.25));
                shares
            });
            let undefined = case.put(|| vec![f64::NAN; n]);
            let rows = n.div_ceil(2);
            let mixing = case.put(|| shares(&mut random, rows, n, !origin));
            let mut own = None;
            for region in &mut case.regions {
                let slot = Slot {
                    offset: region.numbers.len() + 1,
                    len: GeometrySlot::len(rows, anchors),
                };
                let out = GeometrySlot {
                    slot,
                    n: rows,
                    anchors,
                };
                let op = Op::Mix {
                    geometry,
                    mixing,
                    out,
                };
                let mut room = region.numbers.clone();
                room.resize(slot.end() + op.scratch(), 0.0);
                op.run(&mut room, 0);
                assert_eq!(region.put(&room[slot.range()]), slot);
                own = Some(out);
            }
            let own = own.expect("there is a problem");
            // As long as a difference of a row and the point can be: no sum of terms is more.
            let reach = |p: usize, mixed: bool, i: usize| {
                let (numbers, lengths) = (&case.regions[p].numbers, case.lengths(p));
                let mut terms = numbers[point.range()].to_vec();
                // Its length is behind the origin's.
                terms.insert(n, 0.0);
                let to_point: f64 = terms.iter().zip(&lengths).map(|(c, l)| c * l).sum();
                let row = if mixed {
                    own.view(numbers).row(i)[i].sqrt()
                } else {
                    lengths[i]
                };
                let origin = lengths.get(n).copied().unwrap_or(0.0);
                to_point + origin + if row.is_finite() { row } else { 0.0 }
            };
            for coefficients in [point, undefined] {
                for (rows, count) in [(None, n), (Some((mixing, own)), rows)] {
                    let out = case.out(2 * count);
                    let op = Op::Distances {
                        geometry,
                        rows,
                        coefficients,
                        out,
                    };
                    case.check_each(&op, |p, at, _| {
                        if at < count {
                            1e-6 * reach(p, rows.is_some(), at).powi(2)
                        } else {
                            0.0
                        }
                    });
                }
            }
        });
    }
}
