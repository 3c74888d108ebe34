//! Tests of the CPU backend's insides, on every set of instructions that this processor has.

mod layouts;
mod naive;
mod primitives;
mod segments;
mod simd;
mod update;

use super::{Cpu, Operands, Workspace};
use crate::plan::{Arena, Slot, Step};
use crate::{Matrix, Output, Shape};

pub(super) const ROWS: [usize; 12] = [1, 2, 3, 5, 8, 25, 31, 32, 33, 64, 100, 257];
pub(super) const COLUMNS: [usize; 4] = [1, 3, 255, 257];

/// One processor for each set of instructions.
pub(super) fn cpus() -> Vec<Cpu> {
    let cpu = |name| {
        Cpu::new()
            .with_instructions(name)
            .expect("these instructions are available")
    };
    Cpu::available_instructions().map(cpu).collect()
}

/// Seeded random numbers (splitmix64).
pub(super) struct Random(pub u64);

impl Random {
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.bits() % n as u64) as usize
    }

    /// Nearly normal: mean 0, variance 1.
    pub fn normal(&mut self) -> f32 {
        (0..12)
            .map(|_| (self.bits() >> 40) as f32 / (1u64 << 24) as f32)
            .sum::<f32>()
            - 6.0
    }

    /// Quarters between −8 and 8: many ties, exact sums.
    pub fn quarter(&mut self) -> f32 {
        self.below(65) as f32 / 4.0 - 8.0
    }

    pub fn hostile(&mut self) -> f32 {
        let minus_nan = f32::from_bits(f32::NAN.to_bits() | 0x8000_0000);
        let values = [
            f32::NAN,
            minus_nan,
            f32::INFINITY,
            f32::NEG_INFINITY,
            1e38,
            -1e38,
            1e-40,
            -0.0,
        ];
        values[self.below(values.len())]
    }
}

/// A plan on a processor, with the given contents of the arena.
pub(super) fn run(
    cpu: &Cpu,
    x: &Matrix<'_>,
    shape: &Shape,
    steps: &[Step],
    arena: &[f64],
) -> (Arena, Vec<f32>) {
    let mut workspace = Workspace::new(cpu, shape, steps);
    let stride = arena.len().max(1);
    let mut memory = Arena::new(shape.problems(), stride);
    for problem in memory.problems_mut() {
        problem[..arena.len()].copy_from_slice(arena);
    }
    let mut out = vec![f32::MIN_POSITIVE; shape.d()];
    for step in 0..steps.len() {
        run_step(&mut workspace, step, x, &mut memory, &mut out);
    }
    (memory, out)
}

/// A step of a plan.
pub(super) fn run_step<'a>(
    workspace: &mut Workspace,
    step: usize,
    x: &Matrix<'_>,
    arena: &mut Arena,
    output: impl Into<Output<'a>>,
) {
    let mut operands = Operands {
        x,
        anchor: None,
        output: &mut output.into(),
        number: 0,
        changed: None,
    };
    workspace.run(step, arena, &mut operands);
}

pub(super) fn slot(offset: usize, len: usize) -> Slot {
    Slot { offset, len }
}
