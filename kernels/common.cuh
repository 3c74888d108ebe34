// What all kernels share: how a matrix is addressed, elements of f32, bf16 and f16, sums in a fixed order.
//
// Compiled by NVRTC for devices, and by g++ with tests/cuda/shim.h for the CPU. No CUDA headers. NaN and
// infinities are handled by their bits, so no compiler option may assume that they don't exist; where bits
// must agree, fmaf is written out (-fmad=false). 64-bit offsets everywhere.
#pragma once
#include "half.cuh"

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

// Columns are dealt out in slabs. A block of the matrix begins with a new slab.
const u32 SLAB = 1024;

const u32 SIGN = 0x80000000u;
const u32 MAGNITUDE = 0x7fffffffu;
const u32 INFINITY_BITS = 0x7f800000u;
const u32 NAN_BITS = 0x7fc00000u;

// Marks beside partial sums of distances.
const u32 ROW_IS_BAD = 1;
const u32 RESULT_IS_BAD = 2;

// Rows' classes, as src/plan.rs has them.
const double CLASS_FINITE = 0.0;
const double CLASS_FAR = 1.0;
const double CLASS_BAD = 2.0;

// Element types, as u32: DType of the host.
const u32 F32 = 0;
const u32 BF16 = 1;
const u32 F16 = 2;

// ---- What the host tells a kernel. Mirrored in src/backend/cuda/abi.rs, which checks sizes and offsets. ----

// One block of columns (a layer). Row i begins at first + i * stride, or at rows[i] where `rows` is given.
struct Block {
    u64 first;
    // In bytes.
    u64 stride;
    const u64 *rows;
    u64 columns;
    // Slabs of the problem before this block.
    u64 first_slab;
    // Where its result goes.
    u64 out;
    // Every row begins at a multiple of 16 bytes.
    u32 wide;
    u32 out_wide;
};

struct Problem {
    u32 first_block;
    u32 blocks;
    u64 slabs;
};

// The matrix, or some slabs of it. blockIdx.y is the problem; blockIdx.x takes `per_block` slabs, in order.
struct Matrix {
    const Block *blocks;
    const Problem *problems;
    // The small numbers: problem p's region begins at arena + p * region.
    double *arena;
    u64 region;
    // Slabs [begin, end) of every problem, fewer where a problem has fewer.
    u64 begin;
    u64 end;
    // Rows in the workspace instead of the caller's, f32: row i of slab s begins at staged + ((s - begin) +
    // i * (end - begin)) * SLAB, for problem p another p * n * (end - begin) * SLAB on. Null: the caller's.
    const float *staged;
    u32 n;
    u32 per_block;
    // CUDA block b has partial sums first_partial + b, of `partials` of each problem: other launches have the others.
    u32 first_partial;
    u32 partials;
    // Element type of the caller's rows, and of the result.
    u32 input;
    u32 output;
};

static_assert(sizeof(Block) == 56 && sizeof(Problem) == 16 && sizeof(Matrix) == 80, "the host's Block, Problem, Matrix");

// ---- Elements ----

// An element of a matrix: `float`, Bf16 or Half. What they are loaded as is always f32.
struct Bf16 {
    u16 bits;
};
struct Half {
    u16 bits;
};

__device__ __forceinline__ u32 bits_of(float x) { return __float_as_uint(x); }
__device__ __forceinline__ float of_bits(u32 bits) { return __uint_as_float(bits); }
__device__ __forceinline__ bool finite(float x) { return (bits_of(x) & MAGNITUDE) < INFINITY_BITS; }
__device__ __forceinline__ bool is_nan(float x) { return (bits_of(x) & MAGNITUDE) > INFINITY_BITS; }
// NaN of either sign counts as +Inf. fminf returns the operand that is a number.
__device__ __forceinline__ float clean(float x) { return fminf(x, of_bits(INFINITY_BITS)); }

__device__ __forceinline__ float to_float(float x) { return x; }
__device__ __forceinline__ float to_float(Bf16 x) { return of_bits((u32)x.bits << 16); }
__device__ __forceinline__ float to_float(Half x) { return half_to_float(x.bits); }

// The nearest bf16, ties to even; a NaN stays one.
__device__ __forceinline__ u16 to_bf16(float x) {
    u32 bits = bits_of(x);
    if (is_nan(x)) return (u16)(bits >> 16 | 0x40);
    return (u16)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

// Writes element k of a result of any element type.
__device__ __forceinline__ void store(u64 out, u32 dtype, u64 k, float x) {
    if (dtype == F32)
        ((float *)out)[k] = x;
    else
        ((u16 *)out)[k] = dtype == BF16 ? to_bf16(x) : float_to_half(x);
}

// ---- Dynamic shared memory ----

#ifdef SHIM_CPU
#define DYNAMIC_SHARED(name) DYN_SHARED(u32, name)
#else
#define DYNAMIC_SHARED(name) extern __shared__ u32 name[]
#endif

// ---- Where a slab's elements are ----

struct Slab {
    u64 first;
    u64 stride;
    const u64 *rows;
    // Where the slab begins in its block, and how many columns it has: SLAB but for the last one of a block.
    u64 start;
    u32 columns;
    u32 wide;
    u64 out;
    u32 out_wide;
};

// The block of the matrix that slab s of this problem is in. Does not depend on the thread.
__device__ __forceinline__ const Block *block_of(const Matrix &x, u64 s) {
    const Problem problem = x.problems[blockIdx.y];
    const Block *blocks = x.blocks + problem.first_block;
    // The last block that begins at or before s.
    u32 low = 0, high = problem.blocks;
    while (high - low > 1) {
        u32 middle = (low + high) / 2;
        if (blocks[middle].first_slab <= s)
            low = middle;
        else
            high = middle;
    }
    return blocks + low;
}

// Slab s, given its block. `element`: bytes of an element of the caller's rows.
__device__ __forceinline__ Slab slab_in(const Matrix &x, const Block *from, u64 s, u32 element) {
    const Block block = *from;
    Slab slab;
    slab.start = (s - block.first_slab) * SLAB;
    u64 left = block.columns - slab.start;
    slab.columns = left < SLAB ? (u32)left : SLAB;
    slab.out = block.out;
    slab.out_wide = block.out_wide;
    if (x.staged) {
        u64 slabs = x.end - x.begin;
        u64 first = (u64)blockIdx.y * x.n * slabs + (s - x.begin);
        slab.first = (u64)(x.staged + first * SLAB);
        slab.stride = slabs * SLAB * sizeof(float);
        slab.rows = 0;
        slab.wide = 1;
    } else {
        slab.first = block.first + slab.start * element;
        slab.stride = block.stride;
        slab.rows = block.rows;
        slab.wide = block.wide;
    }
    return slab;
}

// Slab s of the problem that blockIdx.y names.
__device__ __forceinline__ Slab slab_of(const Matrix &x, u64 s, u32 element) {
    return slab_in(x, block_of(x, s), s, element);
}

// What has been read from memory is read again when it is needed, and holds no registers until then.
__device__ __forceinline__ void forget() { asm volatile("" ::: "memory"); }

// The slabs of this CUDA block: [first, last).
__device__ __forceinline__ void slabs_of(const Matrix &x, u64 &first, u64 &last) {
    u64 end = x.problems[blockIdx.y].slabs;
    end = end < x.end ? end : x.end;
    first = x.begin + (u64)blockIdx.x * x.per_block;
    last = first + x.per_block < end ? first + x.per_block : end;
}

// The address of element k (in the slab) of row i.
template <class T> __device__ __forceinline__ const T *element(const Slab &slab, u32 i, u32 k) {
    u64 row = slab.rows ? slab.rows[i] + slab.start * sizeof(T) : slab.first + i * slab.stride;
    return (const T *)row + k;
}

// Which partial sums are those of a CUDA block of this launch.
__device__ __forceinline__ u64 partial_of(const Matrix &x, u32 block) {
    return (u64)blockIdx.y * x.partials + x.first_partial + block;
}

// Element k of a vector of any element type.
__device__ __forceinline__ float element_of(u64 vector, u32 type, u64 k) {
    if (type == F32) return ((const float *)vector)[k];
    const u16 bits = ((const u16 *)vector)[k];
    return type == BF16 ? of_bits((u32)bits << 16) : half_to_float(bits);
}

// This problem's region of the arena.
__device__ __forceinline__ double *region_of(const Matrix &x) { return x.arena + (u64)blockIdx.y * x.region; }

// V elements of row i from column k of the slab on, as f32; those behind the last column are `beyond`. V is 1, 2
// or 4 and k a multiple of V.
template <class T, int V>
__device__ __forceinline__ void load(const Slab &slab, u32 i, u32 k, float beyond, float (&values)[V]) {
    const T *from = element<T>(slab, i, k);
    if (slab.wide && k + V <= slab.columns) {
        // One load of V elements.
        struct alignas(sizeof(T) * V) Vector {
            T element[V];
        };
        Vector vector = *(const Vector *)from;
#pragma unroll
        for (int v = 0; v < V; v++) values[v] = to_float(vector.element[v]);
    } else {
#pragma unroll
        for (int v = 0; v < V; v++) values[v] = k + v < slab.columns ? to_float(from[v]) : beyond;
    }
}

// Writes V elements of an f32 result from column k of slab s on: to the workspace if there is a `centre`, and to
// the output if `write`, rounded to its element type. V is 1, 2 or 4 and k a multiple of V.
template <int V>
__device__ __forceinline__ void write_result(const Matrix &x, const Slab &slab, u64 s, u32 k, float *centre, u32 write,
                                             const float (&values)[V]) {
    if (centre) {
        struct alignas(sizeof(float) * V) Vector {
            float element[V];
        };
        Vector vector;
#pragma unroll
        for (int v = 0; v < V; v++) vector.element[v] = values[v];
        // A slab has room for all SLAB elements.
        *(Vector *)(centre + ((u64)blockIdx.y * (x.end - x.begin) + (s - x.begin)) * SLAB + k) = vector;
    }
    if (!write) return;
    u64 at = slab.start + k;
    if (slab.out_wide && k + V <= slab.columns) {
        if (x.output == F32) {
            struct alignas(sizeof(float) * V) Vector {
                float element[V];
            };
            Vector vector;
#pragma unroll
            for (int v = 0; v < V; v++) vector.element[v] = values[v];
            *(Vector *)((float *)slab.out + at) = vector;
        } else {
            struct alignas(sizeof(u16) * V) Vector {
                u16 element[V];
            };
            Vector vector;
#pragma unroll
            for (int v = 0; v < V; v++)
                vector.element[v] = x.output == BF16 ? to_bf16(values[v]) : float_to_half(values[v]);
            *(Vector *)((u16 *)slab.out + at) = vector;
        }
    } else {
#pragma unroll
        for (int v = 0; v < V; v++)
            if (k + v < slab.columns) store(slab.out, x.output, at + v, values[v]);
    }
}

// The sum over a warp, in all of its lanes.
__device__ __forceinline__ float warp_sum(float x) {
#pragma unroll
    for (int step = 16; step > 0; step /= 2) x += __shfl_xor_sync(~0u, x, step);
    return x;
}
