// Two adjacent columns of bf16 or f16 in a register, of which one instruction takes both minima. That needs compute
// capability 8.0.
#pragma once
#include "common.cuh"

// The values as they are, the first column in the lower half. Clean: NaN has become +Inf.
struct Pair {
    u32 bits;
};

#ifndef SHIM_CPU
// The operand that is a number, -0 below +0. tests/cuda/shim.h has its own.
#define PACKED_OPERATION(name, instruction)                                                                          \
    __device__ __forceinline__ u32 name(u32 a, u32 b) {                                                               \
        u32 y;                                                                                                        \
        asm(instruction " %0, %1, %2;" : "=r"(y) : "r"(a), "r"(b));                                                   \
        return y;                                                                                                     \
    }
PACKED_OPERATION(min_bf16x2, "min.bf16x2")
PACKED_OPERATION(max_bf16x2, "max.bf16x2")
PACKED_OPERATION(min_f16x2, "min.f16x2")
PACKED_OPERATION(max_f16x2, "max.f16x2")
#endif

__device__ __forceinline__ u32 least_of(Bf16, u32 a, u32 b) { return min_bf16x2(a, b); }
__device__ __forceinline__ u32 least_of(Half, u32 a, u32 b) { return min_f16x2(a, b); }
__device__ __forceinline__ u32 greatest_of(Bf16, u32 a, u32 b) { return max_bf16x2(a, b); }
__device__ __forceinline__ u32 greatest_of(Half, u32 a, u32 b) { return max_f16x2(a, b); }
__device__ __forceinline__ u32 infinities(Bf16) { return 0x7f807f80; }
__device__ __forceinline__ u32 infinities(Half) { return 0x7c007c00; }

__device__ __forceinline__ Pair least(Pair a, Pair b) { return Pair{least_of(ELEMENT(), a.bits, b.bits)}; }
__device__ __forceinline__ Pair greatest(Pair a, Pair b) { return Pair{greatest_of(ELEMENT(), a.bits, b.bits)}; }
// `sign` is 0 or SIGN.
__device__ __forceinline__ Pair infinity(u32 sign) { return Pair{infinities(ELEMENT()) | sign | sign >> 16}; }
__device__ __forceinline__ Pair clean(Pair x) { return least(x, infinity(0)); }
__device__ __forceinline__ float column_of(Pair x, int second) {
    return to_float(ELEMENT{(u16)(second ? x.bits >> 16 : x.bits)});
}

// The two columns' numbers in f32.
struct Floats {
    float column[2];
};

__device__ __forceinline__ Floats floats_of(Pair x) { return Floats{column_of(x, 0), column_of(x, 1)}; }
__device__ __forceinline__ Floats operator+(Floats a, Floats b) { return Floats{a.column[0] + b.column[0], a.column[1] + b.column[1]}; }
__device__ __forceinline__ Floats operator*(Floats a, float b) { return Floats{a.column[0] * b, a.column[1] * b}; }
__device__ __forceinline__ void operator+=(Floats &a, Floats b) { a = a + b; }
