//! Inner products that are kept: after any updates they have the bits of a computation of all of them about
//! the kept centre.

use super::{Random, cpus, slot};
use crate::backend::cpu::Workspace;
use crate::plan::{Arena, Changes, Pairwise, Step};
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
    fn new(cpu: &super::Cpu, shape: &Shape, origin: bool, weighted: bool) -> Self {
        let n = shape.n();
        let size = n + usize::from(origin);
        let out = slot(n, size * size + size);
        let step = [Step::Pairwise(Pairwise {
            origin,
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

    fn run(&mut self, x: &[f32], weights: &[f64], changes: Changes<'_>) {
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
        let mut nothing = vec![0.0f32; self.shape.d()];
        let mut output = Output::from(&mut nothing[..]);
        self.workspace.run_all(
            &self.step,
            &Matrix::from_blocks(&blocks).unwrap(),
            &mut self.arena,
            &mut output,
            0,
            changes,
        );
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
            for (origin, weighted) in [(false, false), (true, true)] {
                let shape = match batch {
                    true => Shape::batch(n, &widths),
                    false => Shape::blocks(n, &widths),
                };
                let d: usize = widths.iter().sum();
                let mut x: Vec<f32> = (0..n * d).map(|_| random.normal()).collect();
                let mut weights: Vec<f64> = (0..n).map(|i| (i + 1) as f64).collect();
                let mut updated = Trial::new(&cpu, &shape, origin, weighted);
                updated.run(&x, &weights, Changes::All);
                let first = updated.workspace.renewals();
                for round in 0..20 {
                    let mut changed = vec![false; n];
                    for _ in 0..1 + random.below(2) {
                        let row = random.below(n);
                        changed[row] = true;
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
                    updated.run(&x, &weights, Changes::Rows(&changed));
                    if updated.workspace.renewals() > renewals {
                        continue;
                    }
                    // All rows but one, one after the other: every number is a new one.
                    let mut other = Trial::new(&cpu, &shape, origin, weighted);
                    other.run(&vec![0.0; x.len()], &weights, Changes::All);
                    let kept = other.workspace.kept.as_mut().unwrap();
                    kept.set_centre(updated.workspace.kept.as_ref().unwrap().centre());
                    if origin {
                        // Its own product is only ever computed with a centre.
                        let own = n + (n + 1) * (n + 1) - 1;
                        for p in 0..shape.problems() {
                            let value = updated.arena.problem(p)[own];
                            other.arena.problem_mut(p)[own] = value;
                        }
                    }
                    let before = other.workspace.renewals();
                    other.run(&x, &weights, Changes::Rows(&vec![true; n]));
                    assert_eq!(other.workspace.renewals(), before);
                    let (expected, actual) = (other.bits(), updated.bits());
                    assert!(actual == expected, "{n} × {widths:?}, round {round}");
                }
                assert!(
                    updated.workspace.renewals() < first * 15,
                    "{n}: hardly ever updated"
                );
            }
        }
    }
}
