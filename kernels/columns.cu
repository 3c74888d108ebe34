// A statistic of every column: median, trimmed mean or mean around the median of the rows' elements, with integer
// weights or without; and each row's squared distance to it in the same pass (`…_measured`).
//
// In: n rows of ELEMENT (float, Bf16 or Half), n at most ROWS and more than the previous bucket has. Out: any
// element type, rounded once, and f32 to the workspace. Arithmetic in f32. Moves X once, and the result.
// `any_columns.cuh` is compiled in place of this file's kernels where ROWS is not given.
//
// A thread has VECTOR adjacent columns, every row of them in registers, through a selection network as straight-line
// code (examples/kernel_networks.rs writes it). A CUDA block goes over its slabs. Rows that the bucket has beyond n
// are filled: by infinities of alternating sign, which leave the middle in the middle; or, where values are sorted,
// by +Inf, which is last, and never summed.
//
// NaN of either sign counts as +Inf. Ties: the smaller value first. A row of weight 0 is not read.
// CPU twins: src/backend/cpu/columns.rs, order.rs, weighted.rs. The wgpu twin: shaders/columns.wgsl.
//
// Threads: a multiple of 32, at most 256, 128 advised; exactly 128 for `…_measured`. Dynamic shared memory: none, but
// 4 * ROWS * threads bytes for the mean around the median.
#include "columns.cuh"

#ifdef ROWS
#include "measure.cuh"
#include "order.cuh"

#define QUOTE(text) #text
#define NETWORKS_OF(rows) QUOTE(generated/networks_##rows.cuh)
#define NETWORKS(rows) NETWORKS_OF(rows)
#include NETWORKS(ROWS)

// Columns of a thread: as many as registers allow, for wide loads. With weights a value takes two.
#ifndef VECTOR
#define VECTOR (ROWS <= 16 ? 4 : ROWS <= 48 ? 2 : 1)
#endif
#ifndef MEASURED_VECTOR
#define MEASURED_VECTOR (ROWS <= 12 ? 4 : ROWS <= 24 ? 2 : 1)
#endif
#ifndef WEIGHTED_VECTOR
#define WEIGHTED_VECTOR (ROWS <= 8 ? 4 : ROWS <= 20 ? 2 : 1)
#endif
// Measured kernels keep values, sums and network in registers up to so many rows, and read the rows again beyond.
#ifndef KEPT_ROWS
#define KEPT_ROWS 64
#endif
#ifndef KEPT_SORTED_ROWS
#define KEPT_SORTED_ROWS 48
#endif

enum Fill { ALTERNATING, ABOVE };

// V elements of one row.
template <int V> struct alignas(sizeof(ELEMENT) * V) Vector {
    ELEMENT element[V];
};

// Every row's vector, given how a row is read, and infinities for the rows that are not there.
template <int V, class Read>
__device__ __forceinline__ void load_rows(const Matrix &x, Fill fill, Read read, float (&values)[V][ROWS]) {
#pragma unroll
    for (int i = 0; i < ROWS; i++) {
        if (i < LEAST_ROWS || i < x.n) {
            Vector<V> one = read(i);
#pragma unroll
            for (int v = 0; v < V; v++) values[v][i] = clean(to_float(one.element[v]));
        } else {
            u32 sign = fill == ALTERNATING && ((i - x.n) & 1) ? SIGN : 0;
#pragma unroll
            for (int v = 0; v < V; v++) values[v][i] = of_bits(INFINITY_BITS | sign);
        }
    }
}

// V columns from k on, NaN replaced; behind the last column, which is copied there, nothing is of use.
template <int V>
__device__ __forceinline__ void load_columns(const Matrix &x, const Slab &slab, u32 k, Fill fill, float (&values)[V][ROWS]) {
    u64 offset = (slab.start + k) * sizeof(ELEMENT);
    u64 at = slab.first + k * sizeof(ELEMENT);
    if (slab.wide && k + V <= slab.columns) {
        if (slab.rows)
            load_rows<V>(x, fill, [&](int i) { return *(const Vector<V> *)(slab.rows[i] + offset); }, values);
        else
            load_rows<V>(
                x, fill,
                [&](int) {
                    Vector<V> one = *(const Vector<V> *)at;
                    at += slab.stride;
                    return one;
                },
                values);
    } else {
        u32 places[V];
#pragma unroll
        for (int v = 0; v < V; v++) places[v] = min((u32)v, slab.columns - 1 - k);
        load_rows<V>(
            x, fill,
            [&](int i) {
                const ELEMENT *from = (const ELEMENT *)(slab.rows ? slab.rows[i] + offset : at);
                at += slab.stride;
                Vector<V> one;
#pragma unroll
                for (int v = 0; v < V; v++) one.element[v] = from[places[v]];
                return one;
            },
            values);
    }
}

// ---- The statistics. Each computes V columns from k on, and leaves the columns as they are. ----

struct Median {
    static const int V = VECTOR;
    static const int MEASURED_V = MEASURED_VECTOR;
    static const bool KEPT = ROWS <= KEPT_ROWS;
    static const Fill FILL = ALTERNATING;
    // Which of the two middle ranks of ROWS is which of n. An odd n has one, the lower.
    bool low_is_upper, high_is_upper;

    __device__ __forceinline__ Median(const Matrix &x, const Columns &c) {
        int lower = ((int)x.n - 1) / 2;
        low_is_upper = c.low > lower;
        high_is_upper = c.high > lower;
    }

    __device__ __forceinline__ float of(const Matrix &, const Columns &, const float (&column)[ROWS]) const {
        float y[2];
        middle(column, y);
        return midpoint(low_is_upper ? y[1] : y[0], high_is_upper ? y[1] : y[0]);
    }
};

struct Trimmed {
    static const int V = VECTOR;
    static const int MEASURED_V = MEASURED_VECTOR;
    static const bool KEPT = ROWS <= KEPT_SORTED_ROWS;
    static const Fill FILL = ABOVE;
    u32 inner[(ROWS + 31) / 32];

    __device__ __forceinline__ Trimmed(const Matrix &, const Columns &c) {
        int outer = c.part > 0.0f ? 1 : 0;
        ranks<ROWS>(c.low + outer, c.high - outer, inner);
    }

    __device__ __forceinline__ float of(const Matrix &, const Columns &c, const float (&column)[ROWS]) const {
        float y[ROWS];
        sort(column, y);
        return trimmed_mean(c, y, inner);
    }
};

struct Around {
    static const int V = 1;
    static const int MEASURED_V = 1;
    static const bool KEPT = ROWS <= KEPT_SORTED_ROWS;
    static const Fill FILL = ABOVE;

    __device__ __forceinline__ Around(const Matrix &, const Columns &) {}

    __device__ __forceinline__ float of(const Matrix &x, const Columns &c, const float (&column)[ROWS]) const {
        DYNAMIC_SHARED(strips);
        float y[ROWS];
        sort(column, y);
        return mean_around_median(c, x.n, y, (float *)strips + threadIdx.x, blockDim.x);
    }
};

template <class Statistic> __device__ __forceinline__ void run(const Matrix &x, const Columns &c) {
    const int V = Statistic::V;
    const Statistic statistic(x, c);
    u64 s, last;
    for (slabs_of(x, s, last); s < last; s++) {
        const Block *block = block_of(x, s);
        u32 columns = slab_in(x, block, s, sizeof(ELEMENT)).columns;
#pragma unroll 1
        for (u32 k = threadIdx.x * V; k < columns; k += blockDim.x * V) {
            forget();
            float values[V][ROWS], result[V];
            load_columns<V>(x, slab_in(x, block, s, sizeof(ELEMENT)), k, Statistic::FILL, values);
#pragma unroll
            for (int v = 0; v < V; v++) result[v] = statistic.of(x, c, values[v]);
            forget();
            write_result<V>(x, slab_in(x, block, s, sizeof(ELEMENT)), s, k, c.centre, c.write, result);
        }
    }
}

template <class Statistic> __device__ __forceinline__ void run_kept(const Matrix &x, const Columns &c) {
    const int V = Statistic::MEASURED_V;
    __shared__ Events<ROWS> events;
    const Statistic statistic(x, c);
    float sums[ROWS];
#pragma unroll
    for (int i = 0; i < ROWS; i++) sums[i] = 0.0f;
    clear(events);
    u64 s, last;
    for (slabs_of(x, s, last); s < last; s++) {
        const Block *block = block_of(x, s);
        u32 columns = slab_in(x, block, s, sizeof(ELEMENT)).columns;
#pragma unroll 1
        for (u32 k = threadIdx.x * V; k < columns; k += blockDim.x * V) {
            forget();
            float values[V][ROWS], result[V];
            load_columns<V>(x, slab_in(x, block, s, sizeof(ELEMENT)), k, Statistic::FILL, values);
#pragma unroll
            for (int v = 0; v < V; v++) result[v] = statistic.of(x, c, values[v]);
            forget();
            write_result<V>(x, slab_in(x, block, s, sizeof(ELEMENT)), s, k, c.centre, c.write, result);
            measure<V, ROWS>(x.n, LEAST_ROWS, columns - k, values, result, sums, events);
        }
    }
    finish<ROWS>(x, c, sums, events);
}

// Reads the columns again for the distances. `compute` gives the result of V columns from k on.
template <int V, class Compute>
__device__ __forceinline__ void run_again(const Matrix &x, const Columns &c, const int *weights, Compute compute) {
    __shared__ Events<ROWS> events;
    __shared__ float results[128 * V];
    float sums[ROWS / MEASURE_WARPS];
#pragma unroll
    for (int j = 0; j < ROWS / MEASURE_WARPS; j++) sums[j] = 0.0f;
    clear(events);
    u64 s, last;
    for (slabs_of(x, s, last); s < last; s++) {
        const Slab slab = slab_of(x, s, sizeof(ELEMENT));
#pragma unroll 1
        for (u32 first = 0; first < slab.columns; first += 128 * V) {
            u32 k = first + threadIdx.x * V;
            float result[V];
#pragma unroll
            for (int v = 0; v < V; v++) result[v] = 0.0f;
            if (k < slab.columns) {
                compute(slab, k, result);
                write_result<V>(x, slab, s, k, c.centre, c.write, result);
            }
#pragma unroll
            for (int v = 0; v < V; v++) results[threadIdx.x * V + v] = k + v < slab.columns ? result[v] : 0.0f;
            __syncthreads();
            measure_again<ELEMENT, V, ROWS>(x, slab, first, weights, results, sums, events);
            __syncthreads();
        }
    }
    finish_again<ROWS>(x, c, weights, sums, events);
}

template <class Statistic> __device__ __forceinline__ void run_measured(const Matrix &x, const Columns &c) {
    if constexpr (Statistic::KEPT) {
        run_kept<Statistic>(x, c);
    } else {
        const int V = Statistic::MEASURED_V;
        const Statistic statistic(x, c);
        run_again<V>(x, c, (const int *)0, [&](const Slab &slab, u32 k, float (&result)[V]) {
            float values[V][ROWS];
            load_columns<V>(x, slab, k, Statistic::FILL, values);
#pragma unroll
            for (int v = 0; v < V; v++) result[v] = statistic.of(x, c, values[v]);
        });
    }
}

extern "C" __global__ void __launch_bounds__(256) median(const Matrix x, const Columns c) { run<Median>(x, c); }
extern "C" __global__ void __launch_bounds__(128) median_measured(const Matrix x, const Columns c) {
    run_measured<Median>(x, c);
}
extern "C" __global__ void __launch_bounds__(256) trimmed(const Matrix x, const Columns c) { run<Trimmed>(x, c); }
extern "C" __global__ void __launch_bounds__(128) trimmed_measured(const Matrix x, const Columns c) {
    run_measured<Trimmed>(x, c);
}
extern "C" __global__ void __launch_bounds__(256) around(const Matrix x, const Columns c) { run<Around>(x, c); }
extern "C" __global__ void __launch_bounds__(128) around_measured(const Matrix x, const Columns c) {
    run_measured<Around>(x, c);
}

#if ROWS <= 64

// The weights as integers, 0 behind the last row.
__device__ __forceinline__ void load_weights(const Matrix &x, const Columns &c, int *weights) {
    const double *from = region_of(x) + c.weights;
    for (u32 i = threadIdx.x; i < ROWS; i += blockDim.x) weights[i] = i < x.n ? (int)from[i] : 0;
    __syncthreads();
}

// The statistic of V columns from k on. A row of weight 0 is +Inf, which has no share whatever its place.
template <int V>
__device__ __forceinline__ void weigh(const Matrix &x, const Columns &c, const int *weights, const Slab &slab, u32 k,
                                      float (&result)[V]) {
    Weighted values[V][ROWS];
#pragma unroll
    for (int i = 0; i < ROWS; i++) {
        float one[V];
        int weight = weights[i];
        if (weight > 0) {
            load<ELEMENT, V>(slab, i, k, 0.0f, one);
        } else {
#pragma unroll
            for (int v = 0; v < V; v++) one[v] = of_bits(INFINITY_BITS);
        }
#pragma unroll
        for (int v = 0; v < V; v++) values[v][i] = Weighted{clean(one[v]), weight};
    }
#pragma unroll
    for (int v = 0; v < V; v++) {
        Weighted y[ROWS];
        sort(values[v], y);
        result[v] = weighted_statistic<ROWS>(c, y);
    }
}

extern "C" __global__ void __launch_bounds__(256) weighted(const Matrix x, const Columns c) {
    const int V = WEIGHTED_VECTOR;
    __shared__ int weights[ROWS];
    load_weights(x, c, weights);
    u64 s, last;
    for (slabs_of(x, s, last); s < last; s++) {
        const Slab slab = slab_of(x, s, sizeof(ELEMENT));
#pragma unroll 1
        for (u32 k = threadIdx.x * V; k < slab.columns; k += blockDim.x * V) {
            float result[V];
            weigh<V>(x, c, weights, slab, k, result);
            write_result<V>(x, slab, s, k, c.centre, c.write, result);
        }
    }
}

extern "C" __global__ void __launch_bounds__(128) weighted_measured(const Matrix x, const Columns c) {
    const int V = WEIGHTED_VECTOR;
    __shared__ int weights[ROWS];
    load_weights(x, c, weights);
    run_again<V>(x, c, weights, [&](const Slab &slab, u32 k, float (&result)[V]) {
        weigh<V>(x, c, weights, slab, k, result);
    });
}

#endif
#else
#include "any_columns.cuh"
#endif
