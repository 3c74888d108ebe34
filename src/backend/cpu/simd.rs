//! Vector instructions behind tokens, and the dispatch to them: all `unsafe` code of this backend.
//!
//! A value of [`Avx512`] or [`Avx2`] exists only where the processor has been seen to have those
//! instructions, so the methods of a token are safe to call. Generic code over [`Simd`] is marked
//! `#[inline(always)]` and entered through [`Simd::vectorize`], a function that is compiled with
//! the instructions enabled: outside of one, each method would be a call of its own.

#![allow(unsafe_code)]

use bytemuck::Pod;
use half::{bf16, f16};

/// Work to be compiled once for each set of instructions.
pub(crate) trait Kernel {
    type Output;
    /// Implementations are `#[inline(always)]`.
    fn run<S: Simd>(self, s: S) -> Self::Output;
}

/// A set of vector instructions: lanes of f32, and the few operations that the kernels need.
pub(crate) trait Simd: Copy + Send + Sync + 'static {
    const LANES: usize;
    /// Side of the blocks of inner products whose sums, factors and temporaries fit the registers.
    const BLOCK: usize;
    /// LANES f32.
    type F: Pod + Send + Sync;
    /// LANES i32.
    type I: Pod + Send + Sync;
    /// LANES / 2 f64.
    type D: Pod + Send + Sync;
    type Mask: Copy;

    fn vectorize<K: Kernel>(self, kernel: K) -> K::Output;

    fn splat(self, x: f32) -> Self::F;
    /// From exactly LANES elements; as are the other loads.
    fn load(self, from: &[f32]) -> Self::F;
    fn load_bf16(self, from: &[bf16]) -> Self::F;
    fn load_f16(self, from: &[f16]) -> Self::F;
    fn load_f64(self, from: &[f64]) -> Self::F;
    /// To exactly LANES elements, rounded to nearest even.
    fn store_f16(self, x: Self::F, to: &mut [f16]);
    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    /// a·b + c, in one rounding where the processor can.
    fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// The lesser one; b where either is NaN.
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    /// The greater one; b where either is NaN.
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    /// a < b, false for NaN.
    fn lt(self, a: Self::F, b: Self::F) -> Self::Mask;
    fn select(self, mask: Self::Mask, yes: Self::F, no: Self::F) -> Self::F;
    /// The sum of all lanes, by halves.
    fn reduce_add(self, x: Self::F) -> f32;

    fn splat_i(self, x: i32) -> Self::I;
    fn add_i(self, a: Self::I, b: Self::I) -> Self::I;
    /// a > b.
    fn gt_i(self, a: Self::I, b: Self::I) -> Self::Mask;
    fn select_i(self, mask: Self::Mask, yes: Self::I, no: Self::I) -> Self::I;

    fn splat_d(self, x: f64) -> Self::D;
    /// The lower and the upper lanes.
    fn widen(self, x: Self::F) -> [Self::D; 2];
    fn widen_i(self, x: Self::I) -> [Self::D; 2];
    fn narrow(self, x: [Self::D; 2]) -> Self::F;
    fn add_d(self, a: Self::D, b: Self::D) -> Self::D;
    fn sub_d(self, a: Self::D, b: Self::D) -> Self::D;
    fn fma_d(self, a: Self::D, b: Self::D, c: Self::D) -> Self::D;
    /// The lesser one; b where either is NaN.
    fn min_d(self, a: Self::D, b: Self::D) -> Self::D;
    /// The greater one; b where either is NaN.
    fn max_d(self, a: Self::D, b: Self::D) -> Self::D;
}

/// Which instructions to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Isa {
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    Portable(Portable),
}

impl Isa {
    /// What this processor has, the best first.
    pub fn all() -> impl Iterator<Item = Isa> {
        #[cfg(target_arch = "x86_64")]
        let vector = [Avx512::new().map(Isa::Avx512), Avx2::new().map(Isa::Avx2)];
        #[cfg(not(target_arch = "x86_64"))]
        let vector = [None];
        vector
            .into_iter()
            .flatten()
            .chain([Isa::Portable(Portable)])
    }

    pub fn name(self) -> &'static str {
        match self {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512(_) => "avx512",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2(_) => "avx2",
            Isa::Portable(_) => "portable",
        }
    }

    pub fn lanes(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512(_) => Avx512::LANES,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2(_) => Avx2::LANES,
            Isa::Portable(_) => Portable::LANES,
        }
    }

    /// For kernels that are only worth compiling for vector instructions.
    pub fn run_vector<K: Kernel>(self, kernel: K) -> K::Output {
        match self {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512(s) => s.vectorize(kernel),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2(s) => s.vectorize(kernel),
            Isa::Portable(_) => unreachable!("the portable code interprets its networks"),
        }
    }

    pub fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512(s) => s.vectorize(kernel),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2(s) => s.vectorize(kernel),
            Isa::Portable(s) => s.vectorize(kernel),
        }
    }
}

/// An array of a slice that has exactly as many elements.
#[inline(always)]
fn array<T: Copy, const N: usize>(slice: &[T]) -> [T; N] {
    *slice.first_chunk().expect("as many elements as lanes")
}

#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Avx2, Avx512};

#[cfg(target_arch = "x86_64")]
mod x86;

/// Plain loops over eight lanes, for the compiler to vectorise with what every target has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Portable;

#[inline(always)]
fn map<A: Copy, B: Copy, C, const N: usize>(a: [A; N], b: [B; N], f: impl Fn(A, B) -> C) -> [C; N] {
    std::array::from_fn(|k| f(a[k], b[k]))
}

impl Simd for Portable {
    const LANES: usize = 8;
    const BLOCK: usize = 3;
    type F = [f32; 8];
    type I = [i32; 8];
    type D = [f64; 4];
    type Mask = [bool; 8];

    fn vectorize<K: Kernel>(self, kernel: K) -> K::Output {
        kernel.run(self)
    }

    #[inline(always)]
    fn splat(self, x: f32) -> [f32; 8] {
        [x; 8]
    }
    #[inline(always)]
    fn load(self, from: &[f32]) -> [f32; 8] {
        array(from)
    }
    #[inline(always)]
    fn load_bf16(self, from: &[bf16]) -> [f32; 8] {
        array(from).map(|x: bf16| f32::from_bits((x.to_bits() as u32) << 16))
    }
    #[inline(always)]
    fn load_f16(self, from: &[f16]) -> [f32; 8] {
        array(from).map(f16::to_f32)
    }
    #[inline(always)]
    fn load_f64(self, from: &[f64]) -> [f32; 8] {
        array(from).map(|x: f64| x as f32)
    }
    #[inline(always)]
    fn store_f16(self, x: [f32; 8], to: &mut [f16]) {
        to.copy_from_slice(&x.map(f16::from_f32));
    }
    #[inline(always)]
    fn add(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        map(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        map(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        map(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn fma(self, a: [f32; 8], b: [f32; 8], c: [f32; 8]) -> [f32; 8] {
        // Not `mul_add`, which is a library call where there is no such instruction.
        self.add(self.mul(a, b), c)
    }
    #[inline(always)]
    fn min(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        map(a, b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    fn max(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        map(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn lt(self, a: [f32; 8], b: [f32; 8]) -> [bool; 8] {
        map(a, b, |a, b| a < b)
    }
    #[inline(always)]
    fn select(self, mask: [bool; 8], yes: [f32; 8], no: [f32; 8]) -> [f32; 8] {
        std::array::from_fn(|k| if mask[k] { yes[k] } else { no[k] })
    }
    #[inline(always)]
    fn reduce_add(self, x: [f32; 8]) -> f32 {
        let half: [f32; 4] = std::array::from_fn(|k| x[k] + x[k + 4]);
        (half[0] + half[2]) + (half[1] + half[3])
    }
    #[inline(always)]
    fn splat_i(self, x: i32) -> [i32; 8] {
        [x; 8]
    }
    #[inline(always)]
    fn add_i(self, a: [i32; 8], b: [i32; 8]) -> [i32; 8] {
        map(a, b, i32::wrapping_add)
    }
    #[inline(always)]
    fn gt_i(self, a: [i32; 8], b: [i32; 8]) -> [bool; 8] {
        map(a, b, |a, b| a > b)
    }
    #[inline(always)]
    fn select_i(self, mask: [bool; 8], yes: [i32; 8], no: [i32; 8]) -> [i32; 8] {
        std::array::from_fn(|k| if mask[k] { yes[k] } else { no[k] })
    }
    #[inline(always)]
    fn splat_d(self, x: f64) -> [f64; 4] {
        [x; 4]
    }
    #[inline(always)]
    fn widen(self, x: [f32; 8]) -> [[f64; 4]; 2] {
        bytemuck::cast::<[f32; 8], [[f32; 4]; 2]>(x).map(|half| half.map(f64::from))
    }
    #[inline(always)]
    fn widen_i(self, x: [i32; 8]) -> [[f64; 4]; 2] {
        bytemuck::cast::<[i32; 8], [[i32; 4]; 2]>(x).map(|half| half.map(f64::from))
    }
    #[inline(always)]
    fn narrow(self, x: [[f64; 4]; 2]) -> [f32; 8] {
        std::array::from_fn(|k| x[k / 4][k % 4] as f32)
    }
    #[inline(always)]
    fn add_d(self, a: [f64; 4], b: [f64; 4]) -> [f64; 4] {
        map(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub_d(self, a: [f64; 4], b: [f64; 4]) -> [f64; 4] {
        map(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn fma_d(self, a: [f64; 4], b: [f64; 4], c: [f64; 4]) -> [f64; 4] {
        std::array::from_fn(|k| a[k] * b[k] + c[k])
    }
    #[inline(always)]
    fn min_d(self, a: [f64; 4], b: [f64; 4]) -> [f64; 4] {
        map(a, b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    fn max_d(self, a: [f64; 4], b: [f64; 4]) -> [f64; 4] {
        map(a, b, |a, b| if a > b { a } else { b })
    }
}
