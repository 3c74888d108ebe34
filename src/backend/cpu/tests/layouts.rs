//! All steps on every layout, number of threads and element type: the same results.

use half::{bf16, f16};

use super::primitives::{close, columns, data, mixing};
use super::{Cpu, Random, Workspace, cpus, run, run_step, slot};
use crate::plan::{Arena, Columns, Combine, Distances, Pairwise, Step};
use crate::{Block, Matrix, Shape, Statistic, Ties, Trim};

/// All steps at once, for comparing layouts and numbers of threads.
fn everything(n: usize) -> (Vec<Step>, Vec<f64>) {
    let size = (n + 1) * (n + 1) + n + 1;
    let m = slot(0, n * n);
    let coefficients = slot(m.end(), n);
    let distances = |offset, rows| {
        Some(Distances {
            rows,
            out: slot(offset, 2 * n),
        })
    };
    let first = coefficients.end();
    let median = columns(Statistic::Median(Ties::Midpoint));
    let trimmed = columns(Statistic::TrimmedMean(Trim::F(n / 4)));
    let steps = vec![
        Step::Pairwise(Pairwise {
            anchors: true.into(),
            weights: None,
            out: slot(first, size),
            keep: false,
        }),
        Step::Columns(Columns {
            distances: distances(first + size, None),
            write: false,
            ..median
        }),
        Step::Columns(Columns {
            mixing: Some(m),
            distances: distances(first + size + 2 * n, Some(m)),
            write: false,
            ..trimmed
        }),
        Step::Combine(Combine {
            coefficients,
            anchor: false,
        }),
    ];
    let mut start: Vec<f64> = mixing(n, n, true, &mut Random(8));
    start.extend((0..n).map(|i| i as f64 / 8.0));
    start.resize(first + size + 4 * n, 0.0);
    (steps, start)
}

#[test]
fn the_number_of_threads_does_not_matter() {
    let mut random = Random(9);
    for (n, d) in [(25, 300_003), (100, 50_000), (3, 2_000_000)] {
        let x = data(n, d, 1, &mut random);
        let matrix = Matrix::new(&x, n, d).unwrap();
        let (steps, start) = everything(n);
        let run = |threads| {
            let cpu = Cpu::with_threads(threads).unwrap();
            let (arena, out) = run(&cpu, &matrix, &Shape::new(n, d), &steps, &start);
            let bits: Vec<u64> = arena.problem(0).iter().map(|x| x.to_bits()).collect();
            (bits, out.iter().map(|x| x.to_bits()).collect::<Vec<_>>())
        };
        let one = run(1);
        assert!([2, 3, 8].into_iter().all(|threads| run(threads) == one));
    }
}

#[test]
fn the_layout_does_not_matter() {
    let mut random = Random(10);
    for cpu in cpus() {
        for (n, d) in [(1, 1), (5, 33), (25, 3001), (40, 257)] {
            let x = data(n, d, n.div_ceil(2) - 1, &mut random);
            let (steps, start) = everything(n);
            let check = |block: Block<'_, f32>, what| {
                let (arena, out) = run(&cpu, &block.into(), &Shape::new(n, d), &steps, &start);
                (arena.problem(0).to_vec(), out, what)
            };
            let expected = check(Block::new(&x, n, d).unwrap(), "rows");
            let by_columns: Vec<f32> = (0..n * d).map(|k| x[k % n * d + k / n]).collect();
            let padded: Vec<f32> = x
                .chunks(d)
                .flat_map(|row| row.iter().copied().chain([f32::NAN; 3]))
                .collect();
            let spread: Vec<f32> = x.iter().flat_map(|&x| [x, f32::NAN]).collect();
            let separate: Vec<&[f32]> = x.chunks(d).collect();
            let others = [
                check(
                    Block::strided(&by_columns, n, d, 1, n).unwrap(),
                    "by columns",
                ),
                check(Block::strided(&padded, n, d, d + 3, 1).unwrap(), "padded"),
                check(Block::strided(&spread, n, d, 2 * d, 2).unwrap(), "spread"),
                check(Block::from_rows(&separate).unwrap(), "separate"),
            ];
            for other in others {
                assert_eq!(other.0, expected.0, "{} {n} × {d}", other.2);
                for (&a, &b) in other.1.iter().zip(&expected.1) {
                    close(f64::from(a), f64::from(b), 8.0 * n as f64, other.2);
                }
            }
        }
    }
}

#[test]
fn blocks_are_one_vector_or_a_batch() {
    let mut random = Random(11);
    let (n, widths) = (25, [1usize, 40_000, 255, 3, 70_000]);
    let d: usize = widths.iter().sum();
    let x = data(n, d, 5, &mut random);
    let mut first = 0;
    let views: Vec<Vec<&[f32]>> = widths
        .iter()
        .map(|&width| {
            first += width;
            x.chunks(d).map(|row| &row[first - width..first]).collect()
        })
        .collect();
    let blocks: Vec<Block<'_, f32>> = views.iter().map(|v| Block::from_rows(v).unwrap()).collect();
    let matrix = Matrix::from_blocks(&blocks).unwrap();
    let (steps, start) = everything(n);
    let cpu = Cpu::with_threads(3).unwrap();
    let whole = Matrix::new(&x, n, d).unwrap();
    let (one, expected) = run(&cpu, &whole, &Shape::new(n, d), &steps, &start);
    let (joined, out) = run(&cpu, &matrix, &Shape::blocks(n, &widths), &steps, &start);
    let bits = |out: &[f32]| out.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    assert!(bits(&out) == bits(&expected));
    for (&a, &b) in joined.problem(0).iter().zip(one.problem(0)) {
        close(a, b, a.abs() + 10.0, "joined");
    }
    let (batch, out) = run(&cpu, &matrix, &Shape::batch(n, &widths), &steps, &start);
    assert!(bits(&out) == bits(&expected));
    for (p, (block, &width)) in blocks.iter().zip(&widths).enumerate() {
        let (alone, _) = run(
            &cpu,
            &(*block).into(),
            &Shape::new(n, width),
            &steps,
            &start,
        );
        assert_eq!(batch.problem(p), alone.problem(0));
    }
}

#[test]
fn element_types() {
    let (n, d) = (25, 1003);
    let (steps, start) = everything(n);
    let shape = Shape::new(n, d);
    for cpu in cpus() {
        let result = |matrix: Matrix<'_>| {
            let (arena, out) = run(&cpu, &matrix, &shape, &steps, &start);
            (arena.problem(0).to_vec(), out)
        };
        let mut random = Random(12);
        let brains: Vec<bf16> = (0..n * d)
            .map(|_| bf16::from_f32(random.normal()))
            .collect();
        let halves: Vec<f16> = (0..n * d).map(|_| f16::from_f32(random.normal())).collect();
        let doubles: Vec<f64> = halves.iter().map(|x| x.to_f64()).collect();
        let exact: Vec<f32> = brains.iter().map(|x| x.to_f32()).collect();
        let expected = result(Matrix::new(&exact, n, d).unwrap());
        assert_eq!(result(Matrix::new(&brains, n, d).unwrap()), expected);
        let exact: Vec<f32> = halves.iter().map(|x| x.to_f32()).collect();
        let expected = result(Matrix::new(&exact, n, d).unwrap());
        assert_eq!(result(Matrix::new(&halves, n, d).unwrap()), expected);
        assert_eq!(result(Matrix::new(&doubles, n, d).unwrap()), expected);
    }
}

#[test]
fn output_types() {
    let mut random = Random(13);
    let (n, d) = (3, 1003);
    let x = data(n, d, 1, &mut random);
    let matrix = Matrix::new(&x, n, d).unwrap();
    let step = [Step::Columns(columns(Statistic::Median(Ties::Midpoint)))];
    let shape = Shape::new(n, d);
    for cpu in cpus() {
        let (_, expected) = run(&cpu, &matrix, &shape, &step, &[]);
        let mut workspace = Workspace::new(&cpu, &shape, &step);
        let mut arena = Arena::new(1, 1);
        let mut brains = vec![bf16::ZERO; d];
        run_step(&mut workspace, 0, &matrix, &mut arena, &mut brains);
        assert!(
            brains
                .iter()
                .zip(&expected)
                .all(|(&a, &b)| a == bf16::from_f32(b))
        );
        let mut halves = vec![f16::ZERO; d];
        run_step(&mut workspace, 0, &matrix, &mut arena, &mut halves);
        assert!(
            halves
                .iter()
                .zip(&expected)
                .all(|(&a, &b)| a == f16::from_f32(b))
        );
    }
}
