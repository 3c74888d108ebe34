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

    /// Bring a line into the second-level cache; any address will do.
    fn prefetch(self, address: usize);
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
mod x86 {
    use std::arch::x86_64::*;

    use bytemuck::cast;
    use half::{bf16, f16};

    use super::{Kernel, Simd, array};

    /// Methods of a token whose bodies are intrinsics.
    macro_rules! methods {
        ($($name:ident($($arg:ident: $type:ty),*) $(-> $out:ty)? $body:block)*) => {$(
            #[inline(always)]
            fn $name(self, $($arg: $type),*) $(-> $out)? {
                // SAFETY: the intrinsics need nothing but their instructions, and `self` exists
                // only where `new` has seen that the processor has them.
                unsafe { $body }
            }
        )*};
    }

    /// AVX-512 F, with VL and DQ: else the upper 16 registers are closed to half-width instructions.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct Avx512(());

    impl Avx512 {
        pub fn new() -> Option<Self> {
            let has = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512dq");
            has.then_some(Avx512(()))
        }
    }

    impl Simd for Avx512 {
        const LANES: usize = 16;
        const BLOCK: usize = 5;
        type F = __m512;
        type I = __m512i;
        type D = __m512d;
        type Mask = __mmask16;

        #[inline(always)]
        fn load(self, from: &[f32]) -> __m512 {
            cast::<[f32; 16], __m512>(array(from))
        }

        fn vectorize<K: Kernel>(self, kernel: K) -> K::Output {
            #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx2,fma,f16c")]
            fn inner<K: Kernel>(s: Avx512, kernel: K) -> K::Output {
                kernel.run(s)
            }
            // SAFETY: `self` exists only where `new` has seen AVX-512 F, VL and DQ; every processor
            // with these has AVX2, FMA and F16C.
            unsafe { inner(self, kernel) }
        }

        methods! {
            splat(x: f32) -> __m512 { _mm512_set1_ps(x) }
            load_bf16(from: &[bf16]) -> __m512 {
                let bits = _mm512_cvtepu16_epi32(cast::<[bf16; 16], __m256i>(array(from)));
                _mm512_castsi512_ps(_mm512_slli_epi32::<16>(bits))
            }
            load_f16(from: &[f16]) -> __m512 {
                _mm512_cvtph_ps(cast::<[f16; 16], __m256i>(array(from)))
            }
            load_f64(from: &[f64]) -> __m512 {
                let [low, high] = cast::<[f64; 16], [__m512d; 2]>(array(from));
                cast::<[__m256; 2], __m512>([_mm512_cvtpd_ps(low), _mm512_cvtpd_ps(high)])
            }
            store_f16(x: __m512, to: &mut [f16]) {
                let half = _mm512_cvtps_ph::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(x);
                to.copy_from_slice(&cast::<__m256i, [f16; 16]>(half));
            }
            add(a: __m512, b: __m512) -> __m512 { _mm512_add_ps(a, b) }
            sub(a: __m512, b: __m512) -> __m512 { _mm512_sub_ps(a, b) }
            mul(a: __m512, b: __m512) -> __m512 { _mm512_mul_ps(a, b) }
            fma(a: __m512, b: __m512, c: __m512) -> __m512 { _mm512_fmadd_ps(a, b, c) }
            min(a: __m512, b: __m512) -> __m512 { _mm512_min_ps(a, b) }
            max(a: __m512, b: __m512) -> __m512 { _mm512_max_ps(a, b) }
            lt(a: __m512, b: __m512) -> __mmask16 { _mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b) }
            select(mask: __mmask16, yes: __m512, no: __m512) -> __m512 {
                _mm512_mask_blend_ps(mask, no, yes)
            }
            reduce_add(x: __m512) -> f32 {
                let [low, high] = cast::<__m512, [__m256; 2]>(x);
                reduce_256(_mm256_add_ps(low, high))
            }
            splat_i(x: i32) -> __m512i { _mm512_set1_epi32(x) }
            add_i(a: __m512i, b: __m512i) -> __m512i { _mm512_add_epi32(a, b) }
            gt_i(a: __m512i, b: __m512i) -> __mmask16 { _mm512_cmpgt_epi32_mask(a, b) }
            select_i(mask: __mmask16, yes: __m512i, no: __m512i) -> __m512i {
                _mm512_mask_blend_epi32(mask, no, yes)
            }
            splat_d(x: f64) -> __m512d { _mm512_set1_pd(x) }
            widen(x: __m512) -> [__m512d; 2] {
                let [low, high] = cast::<__m512, [__m256; 2]>(x);
                [_mm512_cvtps_pd(low), _mm512_cvtps_pd(high)]
            }
            widen_i(x: __m512i) -> [__m512d; 2] {
                let [low, high] = cast::<__m512i, [__m256i; 2]>(x);
                [_mm512_cvtepi32_pd(low), _mm512_cvtepi32_pd(high)]
            }
            narrow(x: [__m512d; 2]) -> __m512 {
                cast::<[__m256; 2], __m512>([_mm512_cvtpd_ps(x[0]), _mm512_cvtpd_ps(x[1])])
            }
            add_d(a: __m512d, b: __m512d) -> __m512d { _mm512_add_pd(a, b) }
            sub_d(a: __m512d, b: __m512d) -> __m512d { _mm512_sub_pd(a, b) }
            fma_d(a: __m512d, b: __m512d, c: __m512d) -> __m512d { _mm512_fmadd_pd(a, b, c) }
            min_d(a: __m512d, b: __m512d) -> __m512d { _mm512_min_pd(a, b) }
            max_d(a: __m512d, b: __m512d) -> __m512d { _mm512_max_pd(a, b) }
            prefetch(address: usize) { _mm_prefetch::<_MM_HINT_T1>(address as *const i8) }
        }
    }

    /// AVX2 with FMA and F16C.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct Avx2(());

    impl Avx2 {
        pub fn new() -> Option<Self> {
            let has = is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma")
                && is_x86_feature_detected!("f16c");
            has.then_some(Avx2(()))
        }
    }

    impl Simd for Avx2 {
        const LANES: usize = 8;
        const BLOCK: usize = 3;
        type F = __m256;
        type I = __m256i;
        type D = __m256d;
        type Mask = __m256;

        #[inline(always)]
        fn load(self, from: &[f32]) -> __m256 {
            cast::<[f32; 8], __m256>(array(from))
        }

        fn vectorize<K: Kernel>(self, kernel: K) -> K::Output {
            #[target_feature(enable = "avx2,fma,f16c")]
            fn inner<K: Kernel>(s: Avx2, kernel: K) -> K::Output {
                kernel.run(s)
            }
            // SAFETY: `self` exists only where `new` has seen AVX2, FMA and F16C.
            unsafe { inner(self, kernel) }
        }

        methods! {
            splat(x: f32) -> __m256 { _mm256_set1_ps(x) }
            load_bf16(from: &[bf16]) -> __m256 {
                let bits = _mm256_cvtepu16_epi32(cast::<[bf16; 8], __m128i>(array(from)));
                _mm256_castsi256_ps(_mm256_slli_epi32::<16>(bits))
            }
            load_f16(from: &[f16]) -> __m256 {
                _mm256_cvtph_ps(cast::<[f16; 8], __m128i>(array(from)))
            }
            load_f64(from: &[f64]) -> __m256 {
                let [low, high] = cast::<[f64; 8], [__m256d; 2]>(array(from));
                cast::<[__m128; 2], __m256>([_mm256_cvtpd_ps(low), _mm256_cvtpd_ps(high)])
            }
            store_f16(x: __m256, to: &mut [f16]) {
                let half = _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(x);
                to.copy_from_slice(&cast::<__m128i, [f16; 8]>(half));
            }
            add(a: __m256, b: __m256) -> __m256 { _mm256_add_ps(a, b) }
            sub(a: __m256, b: __m256) -> __m256 { _mm256_sub_ps(a, b) }
            mul(a: __m256, b: __m256) -> __m256 { _mm256_mul_ps(a, b) }
            fma(a: __m256, b: __m256, c: __m256) -> __m256 { _mm256_fmadd_ps(a, b, c) }
            min(a: __m256, b: __m256) -> __m256 { _mm256_min_ps(a, b) }
            max(a: __m256, b: __m256) -> __m256 { _mm256_max_ps(a, b) }
            lt(a: __m256, b: __m256) -> __m256 { _mm256_cmp_ps::<_CMP_LT_OQ>(a, b) }
            select(mask: __m256, yes: __m256, no: __m256) -> __m256 {
                _mm256_blendv_ps(no, yes, mask)
            }
            reduce_add(x: __m256) -> f32 { reduce_256(x) }
            splat_i(x: i32) -> __m256i { _mm256_set1_epi32(x) }
            add_i(a: __m256i, b: __m256i) -> __m256i { _mm256_add_epi32(a, b) }
            gt_i(a: __m256i, b: __m256i) -> __m256 {
                _mm256_castsi256_ps(_mm256_cmpgt_epi32(a, b))
            }
            select_i(mask: __m256, yes: __m256i, no: __m256i) -> __m256i {
                _mm256_blendv_epi8(no, yes, _mm256_castps_si256(mask))
            }
            splat_d(x: f64) -> __m256d { _mm256_set1_pd(x) }
            widen(x: __m256) -> [__m256d; 2] {
                let [low, high] = cast::<__m256, [__m128; 2]>(x);
                [_mm256_cvtps_pd(low), _mm256_cvtps_pd(high)]
            }
            widen_i(x: __m256i) -> [__m256d; 2] {
                let [low, high] = cast::<__m256i, [__m128i; 2]>(x);
                [_mm256_cvtepi32_pd(low), _mm256_cvtepi32_pd(high)]
            }
            narrow(x: [__m256d; 2]) -> __m256 {
                cast::<[__m128; 2], __m256>([_mm256_cvtpd_ps(x[0]), _mm256_cvtpd_ps(x[1])])
            }
            add_d(a: __m256d, b: __m256d) -> __m256d { _mm256_add_pd(a, b) }
            sub_d(a: __m256d, b: __m256d) -> __m256d { _mm256_sub_pd(a, b) }
            fma_d(a: __m256d, b: __m256d, c: __m256d) -> __m256d { _mm256_fmadd_pd(a, b, c) }
            min_d(a: __m256d, b: __m256d) -> __m256d { _mm256_min_pd(a, b) }
            max_d(a: __m256d, b: __m256d) -> __m256d { _mm256_max_pd(a, b) }
            prefetch(address: usize) { _mm_prefetch::<_MM_HINT_T1>(address as *const i8) }
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn reduce_256(x: __m256) -> f32 {
        let half = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
        let pair = _mm_add_ps(half, _mm_movehl_ps(half, half));
        _mm_cvtss_f32(_mm_add_ss(pair, _mm_shuffle_ps::<1>(pair, pair)))
    }
}

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
    #[inline(always)]
    fn prefetch(self, _address: usize) {}
}
