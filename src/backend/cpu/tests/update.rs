//! Inner products that are kept: after any updates they have the bits of a computation of all of them about
//! the kept centre.

use std::collections::BTreeSet;

use super::{Random, cpus, slot};
use crate::backend::cpu::Workspace;
use crate::engine::Operands;
use crate::geometry::GeometrySlot;
use crate::matrix::Anchor;
use crate::plan::{Anchors, Arena, Pairwise, Step};
use crate::{Block, Matrix, Output, Shape};

/// Workspaces of the same problem: updated, and of the same products without a centre of their own.
struct Trial {
    n: usize,
    shape: Shape,
    step: [Step; 1],
    workspace: Workspace,
    arena: Arena,
}

impl Trial {
    fn new(cpu: &super::Cpu, shape: &Shape, anchors: Anchors, weighted: bool) -> Self {
        let n = shape.n();
        let out = slot(n, GeometrySlot::len(n, anchors));
        let step = [Step::Pairwise(Pairwise {
            anchors,
            weights: weighted.then_some(slot(0, n)),
            out,
            keep: true,
        })];
        Trial {
            n,
            shape: shape.clone(),
            workspace: Workspace::new(cpu, shape, &step),
            arena: Arena::new(shape.problems(), out.end()),
            step,
        }
    }

    /// Rows, their weights, and a vector for the output, which is given if there is such an anchor.
    fn run(&mut self, x: &[f32], weights: &[f64], given: &[f32], changed: Option<&[usize]>) {
        for region in self.arena.problems_mut() {
            region[..self.n].copy_from_slice(weights);
        }
        let mut first = 0;
        let blocks = self.shape.columns().iter().map(|d| {
            let block = Block::new(&x[self.n * first..][..self.n * d], self.n, *d).unwrap();
            first += d;
            block
        });
        let blocks: Vec<Block<'_, f32>> = blocks.collect();
        let mut given = given.to_vec();
        let operands = Operands {
            x: &Matrix::from_blocks(&blocks).unwrap(),
            anchor: Some(Anchor::Output),
            output: &mut Output::from(&mut given[..]),
            number: 0,
            changed,
        };
        self.workspace
            .run_all(&self.step, &mut self.arena, operands);
    }

    /// The numbers of all problems, as bits, without the weights.
    fn bits(&self) -> Vec<u64> {
        let regions = (0..self.arena.problems()).map(|p| &self.arena.problem(p)[self.n..]);
        regions.flatten().map(|x| x.to_bits()).collect()
    }
}

#[test]
fn an_update_has_the_bits_of_a_computation_of_all_rows_about_that_centre() {
    let mut random = Random(21);
    for cpu in cpus() {
        for (n, widths, batch) in [
            (3, vec![7], false),
            (11, vec![300], false),
            (25, vec![33, 1000, 2], true),
            (13, vec![50_001, 3], false),
        ] {
            let mut compared = 0;
            for (origin, given, weighted) in [
                (false, false, false),
                (true, false, true),
                (true, true, false),
                (false, true, true),
            ] {
                let anchors = Anchors { origin, given };
                let shape = match batch {
                    true => Shape::batch(n, &widths),
                    false => Shape::blocks(n, &widths),
                };
                let d: usize = widths.iter().sum();
                let mut x: Vec<f32> = (0..n * d).map(|_| random.normal()).collect();
                let mut weights: Vec<f64> = (0..n).map(|i| (i + 1) as f64).collect();
                let mut updated = Trial::new(&cpu, &shape, anchors, weighted);
                let mut start = vec![1.0; d];
                updated.run(&x, &weights, &start, None);
                for round in 0..20 {
                    let mut changed = BTreeSet::new();
                    for _ in 0..1 + random.below(2) {
                        let row = random.below(n);
                        changed.insert(row);
                        let mut at = 0;
                        for width in &widths {
                            for x in &mut x[n * at + row * width..][..*width] {
                                *x = match (round % 3, random.below(4)) {
                                    (1, 0) => random.hostile(),
                                    _ => random.normal(),
                                };
                            }
                            at += width;
                        }
                        let before = weights[row];
                        weights[row] = if random.below(4) == 0 {
                            0.0
                        } else {
                            before + 1.0
                        };
                    }
                    let renewals = updated.workspace.renewals();
                    changed.extend(anchors.given_at(n));
                    start.fill_with(|| match (round % 4, random.below(4)) {
                        (2, 0) => random.hostile(),
                        _ => random.normal(),
                    });
                    let changed: Vec<usize> = changed.into_iter().collect();
                    updated.run(&x, &weights, &start, Some(&changed));
                    if updated.workspace.renewals() > renewals {
                        continue;
                    }
                    compared += 1;
                    // From rows that are all the centre, every number but the origin's own is a new one.
                    let mut other = Trial::new(&cpu, &shape, anchors, weighted);
                    let centre = updated.workspace.kept.as_ref().unwrap().centre().to_vec();
                    let mut same = Vec::with_capacity(x.len());
                    let mut at = 0;
                    for width in &widths {
                        same.extend_from_slice(&centre[at..at + width].repeat(n));
                        at += width;
                    }
                    other.run(&same, &weights, &start, None);
                    let kept = other.workspace.kept.as_mut().unwrap();
                    kept.set_centre(&centre);
                    let before = other.workspace.renewals();
                    let all: Vec<usize> = (0..n).chain(anchors.given_at(n)).collect();
                    other.run(&x, &weights, &start, Some(&all));
                    assert_eq!(other.workspace.renewals(), before);
                    assert!(
                        updated.bits() == other.bits(),
                        "{n} × {widths:?}, {anchors:?}, round {round}"
                    );
                }
            }
            assert!(compared >= 20, "{n}: hardly ever updated, {compared}");
        }
    }
}
