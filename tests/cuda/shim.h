// CUDA C++ for g++: include this before a .cu, and its kernels run on the CPU (shim.cpp).
//
//   __shared__ variables     thread_local statics of the module: one block runs at a time on a thread of the
//                            host. Under AddressSanitizer plain statics, which it can guard.
//   extern __shared__        DYN_SHARED(T, name), which .cu files define themselves for a device
//   barriers, warp functions switch to another fiber; the source line must be the same in all threads
//   fminf, fmaxf, min, max   as the hardware has them: the operand that is a number, -0 below +0
//   half_to_float, ...       in software, ties to even
//
// No standard headers: hundreds of modules include this, and <cmath> alone takes longer than the rest.
#pragma once
#include "runtime.h"

#define SHIM_CPU 1
#define __global__ __attribute__((visibility("default")))
#define __device__
#define __host__
#define __constant__ static const
#define __grid_constant__
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __restrict__ __restrict
#define __align__(n) alignas(n)
#ifdef __SANITIZE_ADDRESS__
#define __shared__ static
#else
#define __shared__ static thread_local
#endif
#define DYN_SHARED(T, name) T *const name = (T *)shim::state.dynamic_shared

namespace shim {
static thread_local State state;
}
#define threadIdx (shim::state.thread)
#define blockIdx (shim::state.block)
#define blockDim (shim::state.threads)
#define gridDim (shim::state.blocks)
#define warpSize 32

typedef shim::Index uint3;
typedef shim::Index dim3;
struct alignas(8) float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };
struct alignas(16) double2 { double x, y; };
struct alignas(8) int2 { int x, y; };
struct alignas(16) int4 { int x, y, z, w; };
struct alignas(8) uint2 { unsigned x, y; };
struct alignas(16) uint4 { unsigned x, y, z, w; };
struct alignas(4) ushort2 { unsigned short x, y; };
struct alignas(8) ushort4 { unsigned short x, y, z, w; };
struct alignas(4) uchar4 { unsigned char x, y, z, w; };
struct alignas(16) ulonglong2 { unsigned long long x, y; };
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline double2 make_double2(double x, double y) { return {x, y}; }
inline int2 make_int2(int x, int y) { return {x, y}; }
inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
inline ushort2 make_ushort2(unsigned short x, unsigned short y) { return {x, y}; }
inline ushort4 make_ushort4(unsigned short x, unsigned short y, unsigned short z, unsigned short w) { return {x, y, z, w}; }
inline ulonglong2 make_ulonglong2(unsigned long long x, unsigned long long y) { return {x, y}; }

// ---- Bits ----

namespace shim {
template <class To, class From> inline To bits(From from) {
    static_assert(sizeof(To) == sizeof(From), "");
    To to;
    __builtin_memcpy(&to, &from, sizeof to);
    return to;
}
} // namespace shim

inline int __float_as_int(float x) { return shim::bits<int>(x); }
inline unsigned __float_as_uint(float x) { return shim::bits<unsigned>(x); }
inline float __int_as_float(int x) { return shim::bits<float>(x); }
inline float __uint_as_float(unsigned x) { return shim::bits<float>(x); }
inline long long __double_as_longlong(double x) { return shim::bits<long long>(x); }
inline double __longlong_as_double(long long x) { return shim::bits<double>(x); }
inline int __double2hiint(double x) { return (int)(shim::bits<unsigned long long>(x) >> 32); }
inline int __double2loint(double x) { return (int)shim::bits<unsigned long long>(x); }

inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __clz(unsigned x) { return x ? __builtin_clz(x) : 32; }
inline int __clzll(unsigned long long x) { return x ? __builtin_clzll(x) : 64; }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __ffsll(long long x) { return __builtin_ffsll(x); }
inline unsigned __brev(unsigned x) {
    unsigned y = 0;
    for (int i = 0; i < 32; i++) y |= (x >> i & 1) << (31 - i);
    return y;
}
inline unsigned __byte_perm(unsigned x, unsigned y, unsigned selector) {
    unsigned long long bytes = (unsigned long long)y << 32 | x;
    unsigned result = 0;
    for (int i = 0; i < 4; i++) result |= (unsigned)(bytes >> 8 * (selector >> 4 * i & 7) & 0xff) << 8 * i;
    return result;
}
inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned shift) {
    return (unsigned)(((unsigned long long)high << 32 | low) << (shift & 31) >> 32);
}
inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift) {
    return (unsigned)(((unsigned long long)high << 32 | low) >> (shift & 31));
}
inline unsigned __umulhi(unsigned x, unsigned y) { return (unsigned)((unsigned long long)x * y >> 32); }
inline unsigned long long __umul64hi(unsigned long long x, unsigned long long y) {
    return (unsigned long long)((unsigned __int128)x * y >> 64);
}

// ---- Halves. What `cvt.f32.f16` and `cvt.rn.f16.f32` do. ----

inline float half_to_float(unsigned short half) {
    unsigned sign = (unsigned)(half >> 15) << 31, exponent = half >> 10 & 31, fraction = half & 0x3ff;
    if (exponent == 31) return __uint_as_float(sign | 0x7f800000 | fraction << 13);
    if (exponent) return __uint_as_float(sign | (exponent + 112) << 23 | fraction << 13);
    // A denormal, exact: fraction * 2^-24.
    float value = (float)fraction * 0x1p-24f;
    return sign ? -value : value;
}

inline unsigned short float_to_half(float x) {
    unsigned bits = __float_as_uint(x), sign = bits >> 16 & 0x8000, size = bits & 0x7fffffff;
    if (size > 0x7f800000) return 0x7fff;
    // From 65520, half a step above the largest half, everything rounds to infinity.
    if (size >= 0x477ff000) return (unsigned short)(sign | 0x7c00);
    if (size < 0x38800000) {
        // Denormal: the rounding of an addition, to a step of 2^-24.
        float shifted = __uint_as_float(size) + 0.5f;
        return (unsigned short)(sign | (__float_as_uint(shifted) - 0x3f000000));
    }
    unsigned rounded = size - (112u << 23) + 0xfff + (size >> 13 & 1);
    return (unsigned short)(sign | rounded >> 13);
}

// ---- Arithmetic. The compiler may contract nothing (-ffp-contract=off), so plain operators round each time. ----

// As min.f32 and min.f64: the other operand for a NaN, and -0 below +0.
inline float fminf(float a, float b) {
    float least = a < b ? a : b;
    least = a == b ? __uint_as_float(__float_as_uint(a) | __float_as_uint(b)) : least;
    return b != b ? a : least;
}
inline float fmaxf(float a, float b) {
    float most = a > b ? a : b;
    most = a == b ? __uint_as_float(__float_as_uint(a) & __float_as_uint(b)) : most;
    return b != b ? a : most;
}
inline double fmin(double a, double b) {
    double least = a < b ? a : b;
    if (a == b) least = __longlong_as_double(__double_as_longlong(a) | __double_as_longlong(b));
    return b != b ? a : least;
}
inline double fmax(double a, double b) {
    double most = a > b ? a : b;
    if (a == b) most = __longlong_as_double(__double_as_longlong(a) & __double_as_longlong(b));
    return b != b ? a : most;
}
inline float min(float a, float b) { return fminf(a, b); }
inline float max(float a, float b) { return fmaxf(a, b); }
inline double min(double a, double b) { return fmin(a, b); }
inline double max(double a, double b) { return fmax(a, b); }
#define SHIM_MIN_MAX(A, B, R)                                                                                        \
    inline R min(A a, B b) { return (R)a < (R)b ? (R)a : (R)b; }                                                       \
    inline R max(A a, B b) { return (R)a > (R)b ? (R)a : (R)b; }
SHIM_MIN_MAX(int, int, int)
SHIM_MIN_MAX(unsigned, unsigned, unsigned)
SHIM_MIN_MAX(int, unsigned, unsigned)
SHIM_MIN_MAX(unsigned, int, unsigned)
SHIM_MIN_MAX(long, long, long)
SHIM_MIN_MAX(unsigned long, unsigned long, unsigned long)
SHIM_MIN_MAX(long long, long long, long long)
SHIM_MIN_MAX(unsigned long long, unsigned long long, unsigned long long)

inline float fabsf(float x) { return __builtin_fabsf(x); }
inline double fabs(double x) { return __builtin_fabs(x); }
inline float fabs(float x) { return __builtin_fabsf(x); }
inline int abs(int x) { return __builtin_abs(x); }
inline float fmaf(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
inline double fma(double a, double b, double c) { return __builtin_fma(a, b, c); }
inline float sqrtf(float x) { return __builtin_sqrtf(x); }
inline double sqrt(double x) { return __builtin_sqrt(x); }
inline float floorf(float x) { return __builtin_floorf(x); }
inline double floor(double x) { return __builtin_floor(x); }
inline float ceilf(float x) { return __builtin_ceilf(x); }
inline double ceil(double x) { return __builtin_ceil(x); }
inline float rintf(float x) { return __builtin_rintf(x); }
inline double rint(double x) { return __builtin_rint(x); }
inline float copysignf(float x, float y) { return __builtin_copysignf(x, y); }
inline double copysign(double x, double y) { return __builtin_copysign(x, y); }
inline bool isnan(float x) { return x != x; }
inline bool isnan(double x) { return x != x; }
inline bool isinf(float x) { return __builtin_isinf(x); }
inline bool isinf(double x) { return __builtin_isinf(x); }
inline bool isfinite(float x) { return __builtin_isfinite(x); }
inline bool isfinite(double x) { return __builtin_isfinite(x); }
inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fsqrt_rn(float x) { return sqrtf(x); }
inline double __fma_rn(double a, double b, double c) { return fma(a, b, c); }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dsub_rn(double a, double b) { return a - b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __ddiv_rn(double a, double b) { return a / b; }
inline double __dsqrt_rn(double x) { return sqrt(x); }
inline float __double2float_rn(double x) { return (float)x; }
inline float __uint2float_rn(unsigned x) { return (float)x; }
inline float __int2float_rn(int x) { return (float)x; }

// Two 16-bit floats at once, as min.bf16x2 and its like: the other operand for a NaN, and -0 below +0, so that the order
// is that of the bits, negative ones reversed. For two NaNs, all bits but the sign.
namespace shim {
inline unsigned short select(unsigned short a, unsigned short b, unsigned infinity, bool least) {
    bool no_a = (a & 0x7fffu) > infinity, no_b = (b & 0x7fffu) > infinity;
    if (no_a || no_b) return no_a && no_b ? 0x7fff : no_a ? b : a;
    unsigned key_a = a & 0x8000 ? ~a & 0xffffu : a | 0x8000u, key_b = b & 0x8000 ? ~b & 0xffffu : b | 0x8000u;
    return (key_a < key_b) == least ? a : b;
}
inline unsigned select2(unsigned a, unsigned b, unsigned infinity, bool least) {
    unsigned low = select((unsigned short)a, (unsigned short)b, infinity, least);
    return low | (unsigned)select((unsigned short)(a >> 16), (unsigned short)(b >> 16), infinity, least) << 16;
}
} // namespace shim
inline unsigned min_bf16x2(unsigned a, unsigned b) { return shim::select2(a, b, 0x7f80, true); }
inline unsigned max_bf16x2(unsigned a, unsigned b) { return shim::select2(a, b, 0x7f80, false); }
inline unsigned min_f16x2(unsigned a, unsigned b) { return shim::select2(a, b, 0x7c00, true); }
inline unsigned max_f16x2(unsigned a, unsigned b) { return shim::select2(a, b, 0x7c00, false); }

// ---- Memory ----

template <class T> inline T __ldg(const T *p) { return *p; }
template <class T> inline T __ldcg(const T *p) { return *p; }
template <class T> inline T __ldcs(const T *p) { return *p; }
template <class T> inline void __stcg(T *p, T value) { *p = value; }
template <class T> inline void __stcs(T *p, T value) { *p = value; }
inline void __threadfence() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
inline void __threadfence_block() {}
inline void __threadfence_system() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

// Launches on other threads of the host may run at the same time, so these are atomic.
namespace shim {
template <class T, class F> inline T update(T *p, F f) {
    T old, next;
    __atomic_load(p, &old, __ATOMIC_RELAXED);
    do next = f(old);
    while (!__atomic_compare_exchange(p, &old, &next, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    return old;
}
template <class T> struct Same { typedef T Type; };
} // namespace shim
#define SHIM_ATOMIC(name, expression)                                                                                \
    template <class T> inline T name(T *p, typename shim::Same<T>::Type value) {                                      \
        return shim::update(p, [&](T old) -> T { return expression; });                                               \
    }
SHIM_ATOMIC(atomicAdd, old + value)
SHIM_ATOMIC(atomicSub, old - value)
SHIM_ATOMIC(atomicMin, old < value ? old : value)
SHIM_ATOMIC(atomicMax, old > value ? old : value)
SHIM_ATOMIC(atomicAnd, old & value)
SHIM_ATOMIC(atomicOr, old | value)
SHIM_ATOMIC(atomicXor, old ^ value)
SHIM_ATOMIC(atomicExch, (void(old), value))
SHIM_ATOMIC(atomicInc, old >= value ? 0 : old + 1)
template <class T> inline T atomicCAS(T *p, typename shim::Same<T>::Type expected, typename shim::Same<T>::Type value) {
    return shim::update(p, [&](T old) -> T { return old == expected ? value : old; });
}

// ---- Barriers and warps ----

inline void __syncthreads(int line = __builtin_LINE()) { shim::barrier(shim::PLAIN, false, line); }
inline int __syncthreads_count(int p, int line = __builtin_LINE()) { return shim::barrier(shim::COUNT, p, line); }
inline int __syncthreads_and(int p, int line = __builtin_LINE()) { return shim::barrier(shim::ALL, p, line); }
inline int __syncthreads_or(int p, int line = __builtin_LINE()) { return shim::barrier(shim::ANY, p, line); }

namespace shim {
inline unsigned lane() {
    return (state.thread.x + state.threads.x * (state.thread.y + state.threads.y * state.thread.z)) & 31;
}
template <class T> inline T shuffle(unsigned mask, T value, unsigned source, int line) {
    static_assert(sizeof(T) <= 8, "a shuffle moves at most 8 bytes");
    unsigned long long bits = 0;
    __builtin_memcpy(&bits, &value, sizeof value);
    bits = collective(SHUFFLE, mask, bits, source, line);
    __builtin_memcpy(&value, &bits, sizeof value);
    return value;
}
} // namespace shim

// mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32
inline void mma_m16n8k8_tf32(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2], int line = __builtin_LINE()) {
    shim::Fragments f = {{c[0], c[1], c[2], c[3]}, {a[0], a[1], a[2], a[3]}, {b[0], b[1]}};
    shim::collective(shim::MMA_TF32, ~0u, (unsigned long long)&f, 0, line);
    for (int i = 0; i < 4; i++) c[i] = f.c[i];
}
inline void __syncwarp(unsigned mask = ~0u, int line = __builtin_LINE()) {
    shim::collective(shim::SYNC, mask, 0, 0, line);
}
// `width` lanes from the multiple of it on are a segment; a lane outside of it yields the caller's own value.
template <class T>
inline T __shfl_sync(unsigned mask, T value, int source, int width = 32, int line = __builtin_LINE()) {
    return shim::shuffle(mask, value, (shim::lane() & -width) | (source & (width - 1)), line);
}
template <class T>
inline T __shfl_xor_sync(unsigned mask, T value, int x, int width = 32, int line = __builtin_LINE()) {
    unsigned own = shim::lane(), source = own ^ x;
    return shim::shuffle(mask, value, (source & -width) > (own & -width) ? own : source, line);
}
template <class T>
inline T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, int line = __builtin_LINE()) {
    unsigned own = shim::lane(), first = own & -width;
    return shim::shuffle(mask, value, own - first < delta ? own : own - delta, line);
}
template <class T>
inline T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, int line = __builtin_LINE()) {
    unsigned own = shim::lane(), last = (own & -width) + width - 1;
    return shim::shuffle(mask, value, last - own < delta ? own : own + delta, line);
}
inline unsigned __ballot_sync(unsigned mask, int predicate, int line = __builtin_LINE()) {
    return (unsigned)shim::collective(shim::BALLOT, mask, predicate != 0, 0, line);
}
inline int __any_sync(unsigned mask, int predicate, int line = __builtin_LINE()) {
    return __ballot_sync(mask, predicate, line) != 0;
}
inline int __all_sync(unsigned mask, int predicate, int line = __builtin_LINE()) {
    return __ballot_sync(mask, predicate, line) == mask;
}
template <class T> inline unsigned __match_any_sync(unsigned mask, T value, int line = __builtin_LINE()) {
    unsigned long long bits = 0;
    __builtin_memcpy(&bits, &value, sizeof value);
    return (unsigned)shim::collective(shim::MATCH, mask, bits, 0, line);
}
#define SHIM_REDUCE(name, T, op)                                                                                     \
    inline T name(unsigned mask, T value, int line = __builtin_LINE()) {                                              \
        return (T)shim::collective(shim::op, mask, (unsigned)value, 0, line);                                         \
    }
SHIM_REDUCE(__reduce_add_sync, unsigned, ADD)
SHIM_REDUCE(__reduce_add_sync, int, ADD)
SHIM_REDUCE(__reduce_min_sync, unsigned, MIN_UNSIGNED)
SHIM_REDUCE(__reduce_min_sync, int, MIN_SIGNED)
SHIM_REDUCE(__reduce_max_sync, unsigned, MAX_UNSIGNED)
SHIM_REDUCE(__reduce_max_sync, int, MAX_SIGNED)
SHIM_REDUCE(__reduce_and_sync, unsigned, AND)
SHIM_REDUCE(__reduce_or_sync, unsigned, OR)
SHIM_REDUCE(__reduce_xor_sync, unsigned, XOR)

[[noreturn]] inline void __trap() { shim::die("__trap"); }
#define __builtin_assume(condition)                                                                                  \
    do                                                                                                                \
        if (!(condition)) shim::die("%s:%d: assumed: %s", __FILE__, __LINE__, #condition);                            \
    while (0)

// ---- The table of a module's kernels, which the driver looks up as `shim_module`. After the .cu:
//      SHIM_MODULE(SHIM_KERNEL(median) SHIM_KERNEL(trimmed_mean)) ----

namespace shim {
template <unsigned... I> struct Indices {};
template <unsigned N, unsigned... I> struct Count : Count<N - 1, N - 1, I...> {};
template <unsigned... I> struct Count<0, I...> { typedef Indices<I...> Type; };

template <class F, F *f> struct Launchable;
template <class... A, void (*f)(A...)> struct Launchable<void(A...), f> {
    static constexpr unsigned sizes[sizeof...(A) + 1] = {sizeof(A)..., 0};
    template <unsigned... I> static void call(void **parameters, Indices<I...>) {
        f(*(A *)parameters[I]...);
    }
    static void call(void **parameters) { call(parameters, typename Count<sizeof...(A)>::Type()); }
    static constexpr Kernel kernel(const char *name) { return {name, call, sizes, sizeof...(A)}; }
};
} // namespace shim

#define SHIM_KERNEL(name) shim::Launchable<decltype(name), name>::kernel(#name),
#define SHIM_MODULE(kernels)                                                                                         \
    extern "C" __attribute__((visibility("default"))) const shim::Kernel shim_module[] = {kernels{0, 0, 0, 0}};       \
    extern "C" __attribute__((visibility("default"))) shim::State *shim_state() { return &shim::state; }
