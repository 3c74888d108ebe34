// Each row's squared distance to a result, in the pass that computes the result: f32 within a CUDA block, one
// partial sum and mark for each row and block. CPU twin: Distances in src/backend/cpu/sums.rs.
//
// Sums are not looked at until they are not finite, which costs one multiply-add for a row and a few columns: then
// the row is searched for an element that is not. The sum of a marked row means nothing.
#pragma once
#include "columns.cuh"

// What happened to rows in this CUDA block. Threads write only 1, so that their order does not matter.
template <int N> struct Events {
    u32 bad[N];
    u32 far[N];
    u32 result;
};

template <int N> __device__ __forceinline__ void clear(Events<N> &events) {
    for (u32 i = threadIdx.x; i < N; i += blockDim.x) events.bad[i] = events.far[i] = 0;
    if (threadIdx.x == 0) events.result = 0;
    __syncthreads();
}

__device__ __forceinline__ void write_partial(const Matrix &x, float *partials, u32 *marks, u32 i, float sum, bool bad,
                                              bool far, bool result) {
    u64 at = partial_of(x, blockIdx.x) * x.n + i;
    partials[at] = far ? of_bits(INFINITY_BITS) : sum;
    marks[at] = (bad ? ROW_IS_BAD : 0) | (result ? RESULT_IS_BAD : 0);
}

// Adds V columns' squared differences to every row's sum, the columns in registers. Only the first `columns` count.
template <int V, int N>
__device__ __forceinline__ void measure(u32 n, int least_rows, u32 columns, const float (&values)[V][N],
                                        const float (&result)[V], float (&sums)[N], Events<N> &events) {
    float check = 0.0f, counts[V];
#pragma unroll
    for (int v = 1; v < V; v++) counts[v] = v < columns ? 1.0f : 0.0f;
#pragma unroll
    for (int i = 0; i < N; i++) {
#pragma unroll
        for (int v = 0; v < V; v++) {
            float difference = values[v][i] - result[v];
            // Behind the last column is a copy of it.
            float other = v ? difference * counts[v] : difference;
            sums[i] = fmaf(difference, other, sums[i]);
        }
        // NaN from the first sum that is not finite on.
        if (i < least_rows || i < n) check = fmaf(sums[i], 0.0f, check);
    }
    if (check == 0.0f) return;
    bool defined = true;
#pragma unroll
    for (int v = 0; v < V; v++) defined = defined && finite(result[v]);
    if (!defined) events.result = 1;
#pragma unroll
    for (int i = 0; i < N; i++) {
        float most = fabsf(values[0][i]);
#pragma unroll
        for (int v = 1; v < V; v++) most = fmaxf(most, fabsf(values[v][i]));
        bool lost = !finite(sums[i]);
        u32 *event = finite(most) ? events.far : events.bad;
        if (lost) event[i] = 1;
        sums[i] = lost ? 0.0f : sums[i];
    }
}

// Adds up the sums of all threads, at most 256.
template <int N>
__device__ __forceinline__ void finish(const Matrix &x, const Columns &c, const float (&sums)[N], const Events<N> &events) {
    __shared__ float warps[8][N];
    u32 warp = threadIdx.x / 32;
#pragma unroll
    for (int i = 0; i < N; i++) {
        float sum = warp_sum(sums[i]);
        if (threadIdx.x % 32 == 0) warps[warp][i] = sum;
    }
    __syncthreads();
    for (u32 i = threadIdx.x; i < x.n; i += blockDim.x) {
        float sum = 0.0f;
        for (u32 w = 0; w < blockDim.x / 32; w++) sum += warps[w][i];
        write_partial(x, c.partials, c.marks, i, sum, events.bad[i], events.far[i], events.result);
    }
}

// The same for columns that were not kept: `threads` * V results are in shared memory, and the rows, which have
// just been read, come from the cache. A warp has every fourth row, so a block has 128 threads.
const u32 MEASURE_WARPS = 4;

template <class T, int V, int N>
__device__ __forceinline__ void measure_again(const Matrix &x, const Slab &slab, u32 first, const int *weights,
                                              const float *results, float (&sums)[N / MEASURE_WARPS], Events<N> &events) {
    const int ROWS_OF_WARP = N / MEASURE_WARPS;
    u32 warp = threadIdx.x / 32, lane = threadIdx.x % 32;
#pragma unroll 1
    for (int part = 0; part < V; part++) {
        u32 at = part * 128 + lane * 4;
        u32 k = first + at;
        if (k >= slab.columns) continue;
        float result[4];
#pragma unroll
        for (int v = 0; v < 4; v++) {
            result[v] = results[at + v];
            if (!finite(result[v])) events.result = 1;
        }
        float check = 0.0f;
#pragma unroll
        for (int j = 0; j < ROWS_OF_WARP; j++) {
            u32 i = warp + j * MEASURE_WARPS;
            if (i >= x.n || (weights && weights[i] == 0)) continue;
            float values[4];
            // Behind the last column the result is 0, too.
            load<T, 4>(slab, i, k, 0.0f, values);
#pragma unroll
            for (int v = 0; v < 4; v++) {
                float difference = values[v] - result[v];
                sums[j] = fmaf(difference, difference, sums[j]);
            }
            check = fmaf(sums[j], 0.0f, check);
        }
        if (check == 0.0f) continue;
#pragma unroll
        for (int j = 0; j < ROWS_OF_WARP; j++) {
            u32 i = warp + j * MEASURE_WARPS;
            if (i >= x.n || finite(sums[j])) continue;
            float values[4];
            load<T, 4>(slab, i, k, 0.0f, values);
            if (finite(values[0]) && finite(values[1]) && finite(values[2]) && finite(values[3]))
                events.far[i] = 1;
            else
                events.bad[i] = 1;
            sums[j] = 0.0f;
        }
    }
}

template <int N>
__device__ __forceinline__ void finish_again(const Matrix &x, const Columns &c, const int *weights,
                                             const float (&sums)[N / MEASURE_WARPS], const Events<N> &events) {
    __syncthreads();
#pragma unroll
    for (int j = 0; j < N / MEASURE_WARPS; j++) {
        u32 i = threadIdx.x / 32 + j * MEASURE_WARPS;
        float sum = warp_sum(sums[j]);
        if (threadIdx.x % 32 == 0 && i < x.n) {
            bool unread = weights && weights[i] == 0;
            write_partial(x, c.partials, c.marks, i, sum, events.bad[i] || unread, events.far[i], events.result);
        }
    }
}
