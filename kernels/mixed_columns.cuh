// Rows that columns.cu mixes on the way, in registers: Y = M X, M in the arena. At most ROWS mixed rows of at most
// MIXED_AT_ONCE; nothing is written to memory, and X is read once. A thread adds each element of X, times the
// coefficients, to all mixed rows of its columns: one chain of multiply-adds for a sum, as on the CPU. Without it
// (combine.cu) X is read for every 16 mixed rows, and Y written and read. CPU twin: src/backend/cpu/mixing.rs.
#pragma once
#include "columns.cuh"
#include "mixing.cuh"

// More columns of a thread than else, which a loaded coefficient serves all. Four of 16 rows take 168 registers.
#define VECTOR (ROWS <= 16 ? 4 : 2)
#define MEASURED_VECTOR VECTOR
#define OCCUPANCY (ROWS <= 8 || ROWS > 16 ? 4 : 3)
// Four blocks of 16-bit elements would spill at 28 rows, before sm_90.
#define TRIMMED_OCCUPANCY (ROWS > (sizeof(ELEMENT) == 2 ? 24 : 28) ? 3 : OCCUPANCY)
#define MEASURED_OCCUPANCY (ROWS > 28 ? 2 : 3)

// Mirrored in src/backend/cuda/abi.rs.
struct MixedColumns {
    Columns columns;
    // 72: where the matrix begins in a problem's region. Matrix::n is the number of its rows.
    u64 mixing;
    // 80: the caller's rows.
    u32 inputs;
    u32 padding;
};

static_assert(sizeof(MixedColumns) == 88, "the host's MixedColumns");

struct Mixing {
    Coefficients<ROWS> coefficients;
    u32 inputs;
};

// The block's.
__device__ __forceinline__ Mixing &mixing() {
    __shared__ Mixing shared;
    return shared;
}

__device__ __forceinline__ void load_mixing(const Matrix &x, const MixedColumns &c) {
    if (threadIdx.x == 0) mixing().inputs = c.inputs;
    load_coefficients(region_of(x) + c.mixing, x.n, c.inputs, 0, 0, mixing().coefficients);
}

struct MixedRows {
    // Mixed rows of V columns from k on. Behind the last column is 0.
    template <int V> __device__ __forceinline__ void mix(const Slab &slab, u32 k, float (&sum)[V][ROWS]) const {
#pragma unroll
        for (int i = 0; i < ROWS; i++) {
#pragma unroll
            for (int v = 0; v < V; v++) sum[v][i] = 0.0f;
        }
        const u32 inputs = mixing().inputs;
#pragma unroll 1
        for (u32 part = 0; part < inputs; part += MIX_BATCH)
            mix_batch<ELEMENT>(slab, mixing().coefficients, 0, part, inputs, k, sum);
    }
};
