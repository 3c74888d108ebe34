// The arena, the geometry in a problem's region, and sums over a block in a fixed order. CPU twin: geometry/view.rs.
#pragma once

// The largest squared distance that counts as finite.
const double MAX_SQUARE = 3.4028234663852886e38;
// No row has it.
const double CLASS_NONE = 3.0;

const u32 MAX_POINTS = 1025;

__device__ __forceinline__ double *region_of(const Region &r) { return r.arena + (u64)(r.first + blockIdx.y) * r.region; }

union Bits {
    double value;
    u64 bits;
};
__device__ __forceinline__ u64 bits_of(double value) {
    Bits b;
    b.value = value;
    return b.bits;
}
__device__ __forceinline__ double of_bits(u64 bits) {
    Bits b;
    b.bits = bits;
    return b.value;
}
__device__ __forceinline__ double infinity() { return of_bits((u64)0x7ff0000000000000); }
__device__ __forceinline__ double undefined() { return of_bits((u64)0x7ff8000000000000); }

// Above f32::MAX a squared length is +Inf, and so is an undefined one.
__device__ __forceinline__ double square(double value) { return value <= MAX_SQUARE ? fmax(value, 0.0) : infinity(); }

__device__ __forceinline__ double weight_of(const double *region, u32 weights, u32 i) { return weights == NONE ? 1.0 : region[weights + i]; }

struct View {
    const double *gram;
    const double *classes;
    u32 n;
    u32 points;

    __device__ __forceinline__ View(const double *region, const Geometry &g) : gram(region + g.gram), classes(region + g.classes), n(g.n), points(g.points) {}

    __device__ __forceinline__ bool finite(u32 i) const { return classes[i] == CLASS_FINITE; }
    __device__ __forceinline__ double at(u32 i, u32 j) const { return gram[(u64)i * points + j]; }

    // 0 for i = j, +Inf as soon as one of them is not finite.
    __device__ __forceinline__ double square_distance(u32 i, u32 j) const {
        if (i == j) return 0.0;
        if (!finite(i) || !finite(j)) return infinity();
        return square(at(i, i) + at(j, j) - 2.0 * at(i, j));
    }
};

// ---- Over a block. All threads call these together. ----

__device__ __forceinline__ u32 lane() { return threadIdx.x % 32; }
__device__ __forceinline__ u32 warp() { return threadIdx.x / 32; }
__device__ __forceinline__ u32 warps() { return blockDim.x / 32; }

struct Add {
    __device__ __forceinline__ double operator()(double a, double b) const { return a + b; }
};
struct Largest {
    __device__ __forceinline__ double operator()(double a, double b) const { return fmax(a, b); }
};
struct Smallest {
    __device__ __forceinline__ double operator()(double a, double b) const { return fmin(a, b); }
};

// All lanes get the same bits.
template <class Join> __device__ __forceinline__ double over_warp(double x, Join join) {
#pragma unroll
    for (int d = 16; d > 0; d /= 2) x = join(x, __shfl_xor_sync(0xffffffffu, x, d));
    return x;
}

// All threads get the same bits. What was written to shared memory before is visible afterwards.
template <class Join> __device__ __forceinline__ double over_block(double x, double neutral, Join join) {
    __shared__ double parts[32];
    x = over_warp(x, join);
    __syncthreads();
    if (lane() == 0) parts[warp()] = x;
    __syncthreads();
    return over_warp(lane() < warps() ? parts[lane()] : neutral, join);
}

__device__ __forceinline__ double sum_over_block(double x) { return over_block(x, 0.0, Add()); }
__device__ __forceinline__ double most_over_block(double x) { return over_block(x, 0.0, Largest()); }

// The class of the rows that a rule may use: finite ones if there are some, else far ones, else CLASS_NONE.
__device__ __forceinline__ double usable_class(const double *classes, u32 n) {
    double least = CLASS_NONE;
    for (u32 i = threadIdx.x; i < n; i += blockDim.x)
        if (classes[i] != CLASS_BAD) least = fmin(least, classes[i]);
    return over_block(least, CLASS_NONE, Smallest());
}

__device__ __forceinline__ double total_weight(const double *region, u32 weights, u32 n) {
    if (weights == NONE) return n;
    double sum = 0.0;
    for (u32 i = threadIdx.x; i < n; i += blockDim.x) sum += region[weights + i];
    return sum_over_block(sum);
}
