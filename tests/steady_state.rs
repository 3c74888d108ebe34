//! The same bits for any number of threads, and a workspace that does not grow with the matrix.

use byzagg::{Cpu, DType, Device, Matrix, Rule, Shape};

#[path = "common/plain.rs"]
mod plain;
use plain::{RULES, noise};

/// One device gives the same bits for any number of threads.
#[test]
fn threads_do_not_change_a_bit() {
    let (n, d) = (25, 150_001);
    let x = noise(n, d);
    for rule in RULES {
        let rule: Rule = rule.parse().unwrap();
        let run = |threads: usize| {
            let device = Device::Cpu(Cpu::with_threads(threads).unwrap());
            let mut out = vec![0.0f32; d];
            let mut aggregator = rule
                .prepare(&device, &Shape::new(n, d), DType::F32)
                .unwrap();
            aggregator
                .run(Matrix::new(&x, n, d).unwrap(), &mut out)
                .unwrap();
            out.into_iter().map(f32::to_bits).collect::<Vec<_>>()
        };
        let one = run(1);
        assert!(one == run(2) && one == run(5), "{rule}");
    }
}

/// Extra memory is O(n²) and at most three vectors of length d, whatever the rule.
#[test]
fn the_workspace_does_not_grow_with_the_matrix() {
    for rule in RULES {
        let rule: Rule = rule.parse().unwrap();
        let bytes = |d: usize| {
            let shape = Shape::new(25, d);
            let prepared = rule.prepare(&Device::cpu(), &shape, DType::F32).unwrap();
            prepared.workspace_bytes()
        };
        let (d, few) = (50_000_000, bytes(1000));
        let limit = 3 * d * 4 + few.max(8 << 20);
        assert!(bytes(d) <= limit, "{rule}: {} bytes", bytes(d));
    }
}
