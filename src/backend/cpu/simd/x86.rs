//! The instruction sets of x86-64 processors.

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
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn reduce_256(x: __m256) -> f32 {
    let half = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
    let pair = _mm_add_ps(half, _mm_movehl_ps(half, half));
    _mm_cvtss_f32(_mm_add_ss(pair, _mm_shuffle_ps::<1>(pair, pair)))
}
