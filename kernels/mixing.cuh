// Mixed rows, Y = M X, in registers: what `mix` (combine.cu) and the statistics that mix on the way (columns.cu,
// MIXED) share. Coefficients, f64 in the arena, are rounded to f32 and lie in shared memory, the same for all threads.
//
// A row of X whose coefficients are all 0 is not read. A coefficient 0 makes nothing of an infinity or a NaN, which
// counts as +Inf. CPU twin: src/backend/cpu/mixing.rs.
#pragma once
#include "common.cuh"

// Rows of X whose coefficients are in shared memory at a time.
const u32 MIXED_AT_ONCE = 128;
// Rows that a thread loads before it uses the first.
const u32 MIX_BATCH = 8;

// Of R mixed rows, a multiple of 4.
template <int R> struct Coefficients {
    // For each row of X those of the mixed rows, side by side.
    alignas(16) float of[MIXED_AT_ONCE][R];
    u32 used[MIXED_AT_ONCE];
};

// Those of the mixed rows from `tile` on, `rows` in all, for the rows of X from `first` on, `inputs` in all.
template <int R>
__device__ __forceinline__ void load_coefficients(const double *mixing, u32 rows, u32 inputs, u32 tile, u32 first,
                                                  Coefficients<R> &shared) {
    u32 left = min(inputs - first, MIXED_AT_ONCE);
    // The last batch is completed by rows that are not used.
    u32 count = (left + MIX_BATCH - 1) / MIX_BATCH * MIX_BATCH;
    __syncthreads();
    for (u32 at = threadIdx.x; at < count * R; at += blockDim.x) {
        u32 i = tile + at / count, j = at % count;
        shared.of[j][at / count] = i < rows && j < left ? (float)mixing[(u64)i * inputs + first + j] : 0.0f;
    }
    __syncthreads();
    for (u32 j = threadIdx.x; j < count; j += blockDim.x) {
        bool used = false;
        for (u32 r = 0; r < R; r++) used = used || shared.of[j][r] != 0.0f;
        shared.used[j] = used;
    }
    __syncthreads();
}

// Adds a batch of rows of X, from row first + part on, of the `count` from `first` on, to R mixed rows of V columns from
// k on. Behind the last column is 0.
template <class T, int R, int V>
__device__ __forceinline__ void mix_batch(const Slab &slab, const Coefficients<R> &shared, u32 first, u32 part, u32 count, u32 k,
                                          float (&sum)[V][R]) {
    struct alignas(sizeof(T) * V) Vector {
        T element[V];
    };
    // Nothing is looked at before all loads are under way.
    Vector vectors[MIX_BATCH];
    if (slab.wide && k + V <= slab.columns) {
#pragma unroll
        for (int q = 0; q < MIX_BATCH; q++) {
            vectors[q] = Vector{};
            if (shared.used[part + q]) vectors[q] = *(const Vector *)element<T>(slab, first + part + q, k);
        }
    } else {
#pragma unroll
        for (int q = 0; q < MIX_BATCH; q++) {
            vectors[q] = Vector{};
            if (!shared.used[part + q]) continue;
            const T *from = element<T>(slab, first + part + q, k);
#pragma unroll
            for (int v = 0; v < V; v++)
                if (k + v < slab.columns) vectors[q].element[v] = from[v];
        }
    }
    float values[MIX_BATCH][V], check = 0.0f;
#pragma unroll
    for (int q = 0; q < MIX_BATCH; q++) {
#pragma unroll
        for (int v = 0; v < V; v++) {
            values[q][v] = to_float(vectors[q].element[v]);
            // NaN from the first value that is not finite on.
            check = fmaf(values[q][v], 0.0f, check);
        }
    }
    struct alignas(16) Four {
        float of[4];
    };
    if (check == 0.0f) {
#pragma unroll
        for (int q = 0; q < MIX_BATCH; q++) {
            // The last batch may be half as large.
            if (q == MIX_BATCH / 2 && part + q >= count) return;
#pragma unroll
            for (int r = 0; r < R; r += 4) {
                const Four c = *(const Four *)&shared.of[part + q][r];
#pragma unroll
                for (int e = 0; e < 4; e++) {
#pragma unroll
                    for (int v = 0; v < V; v++) sum[v][r + e] = fmaf(c.of[e], values[q][v], sum[v][r + e]);
                }
            }
        }
        return;
    }
    // Seldom, so short code: the rows are read again, one by one.
#pragma unroll 1
    for (u32 j = part; j < part + MIX_BATCH; j++) {
        if (!shared.used[j]) continue;
        float value[V];
        load<T, V>(slab, first + j, k, 0.0f, value);
#pragma unroll
        for (int v = 0; v < V; v++) value[v] = clean(value[v]);
#pragma unroll
        for (int r = 0; r < R; r++) {
            const float c = shared.of[j][r];
#pragma unroll
            for (int v = 0; v < V; v++) sum[v][r] = c != 0.0f ? fmaf(c, value[v], sum[v][r]) : sum[v][r];
        }
    }
}
