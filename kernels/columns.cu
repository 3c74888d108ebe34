// A statistic of every column: median, trimmed mean or mean around the median of the rows' elements, with integer
// weights or without; and each row's squared distance to it in the same pass (`…_measured`).
//
// In: n rows of ELEMENT (float, Bf16 or Half), n at most ROWS and more than the previous bucket has. Out: any
// element type, rounded once, and f32 to the workspace. Arithmetic in f32. Moves X once, and the result.
// `any_columns.cuh` is compiled in place of this file's kernels where ROWS is not given. With MIXED the rows are mixed
// on the way (mixed_columns.cuh).
//
// A thread has VECTOR adjacent columns, every row of them in registers, through a selection network as straight-line
// code (examples/kernel_networks.rs writes it). A CUDA block goes over its slabs. Rows that the bucket has beyond n
// are filled: by infinities of alternating sign, which leave the middle in the middle; or, where values are sorted,
// by +Inf, which is last, and never summed.
//
// NaN of either sign counts as +Inf. Ties: the smaller value first. A row of weight 0 is not read.
// CPU twins: src/backend/cpu/columns.rs, order.rs, weighted.rs. The wgpu twin: shaders/columns.wgsl.
//
// Threads: exactly 128. Dynamic shared memory: none, but 4 * ROWS * 128 bytes for the mean around the median (64 KiB
// at 128 rows: more than 48 KiB has to be asked for).
#include "columns.cuh"

#ifdef ROWS
#include "measure.cuh"
#include "order.cuh"
#ifdef MIXED
#include "mixed_columns.cuh"
#endif

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
#define WEIGHTED_VECTOR (ROWS <= 8 ? 4 : ROWS <= 12 ? 2 : 1)
#endif
// CUDA blocks of 128 threads that a multiprocessor holds at least: while some wait for loads, others compute.
#ifndef OCCUPANCY
#define OCCUPANCY (ROWS <= 64 ? 4 : 3)
#endif
// The same for the trimmed mean: above 64 rows three would spill a register or two (none at 128 for sm_90).
#ifndef TRIMMED_OCCUPANCY
#define TRIMMED_OCCUPANCY (ROWS <= 64 ? 4 : 2)
#endif
// The same with distances: for sm_100 the masks would stay in registers, and two blocks be left.
#ifndef TRIMMED_MEASURED_OCCUPANCY
#define TRIMMED_MEASURED_OCCUPANCY (ROWS <= 40 ? 3 : 1)
#endif
// Measured kernels keep values, sums and network in registers up to so many rows, and read the rows again beyond.
#ifndef KEPT_ROWS
#define KEPT_ROWS 64
#endif
#ifndef KEPT_SORTED_ROWS
#define KEPT_SORTED_ROWS 48
#endif

// Of a CUDA block.
const u32 THREADS = 128;

enum Fill { ALTERNATING, ABOVE };

// V elements of one row.
template <int V> struct alignas(sizeof(ELEMENT) * V) Vector {
    ELEMENT element[V];
};

// Every row's vector, given how one is read. Rows that are not there are read as the last one, then filled: no branches,
// and nothing is looked at before all loads are under way.
template <int V, class Read>
__device__ __forceinline__ void load_rows(Read read, Vector<V> (&vectors)[ROWS]) {
#pragma unroll
    for (int i = 0; i < ROWS; i++) vectors[i] = read(i);
}

// What a statistic is of, and at least how many rows: mixed ones have fewer buckets.
#ifdef MIXED
#define SOURCE MixedRows
#define FEWEST (ROWS - 7)
#else
#define SOURCE InOrder
#define FEWEST LEAST_ROWS
#endif

// The rows as they are.
struct InOrder {
    __device__ __forceinline__ u64 row(const Matrix &x, const Slab &slab, int i, u64 &at) const {
        const u32 last = x.n - 1;
        if (slab.rows) return slab.rows[i < LEAST_ROWS ? i : min((u32)i, last)] + (at - slab.first);
        u64 here = at;
        at += i + 1 < LEAST_ROWS || i < last ? slab.stride : 0;
        return here;
    }
};

// Each row, or another one in its place that may be read.
struct Mapped {
    const u32 *sources;

    __device__ __forceinline__ u64 row(const Matrix &, const Slab &slab, int i, u64 &at) const {
        return slab.rows ? slab.rows[sources[i]] + (at - slab.first) : at + sources[i] * slab.stride;
    }
};

// V columns from k on, NaN replaced; behind the last column, which is copied there, nothing is of use.
template <int V, class Rows>
__device__ __forceinline__ void load_columns(const Matrix &x, const Slab &slab, u32 k, Fill fill, const Rows &rows,
                                             float (&values)[V][ROWS]) {
    Vector<V> vectors[ROWS];
    // Of a table's rows, what comes on top of where they begin.
    u64 at = slab.first + (slab.rows ? slab.start + k : k) * sizeof(ELEMENT);
    if (slab.wide && k + V <= slab.columns) {
        const auto read = [&](int i) { return *(const Vector<V> *)rows.row(x, slab, i, at); };
        // The table is the same for all rows: two loops.
        if (slab.rows)
            load_rows<V>(read, vectors);
        else
            load_rows<V>(read, vectors);
    } else {
        u32 places[V];
#pragma unroll
        for (int v = 0; v < V; v++) places[v] = min((u32)v, slab.columns - 1 - k);
        load_rows<V>(
            [&](int i) {
                const ELEMENT *from = (const ELEMENT *)rows.row(x, slab, i, at);
                Vector<V> one;
#pragma unroll
                for (int v = 0; v < V; v++) one.element[v] = from[places[v]];
                return one;
            },
            vectors);
    }
#pragma unroll
    for (int i = 0; i < ROWS; i++) {
        u32 sign = fill == ALTERNATING && ((i - x.n) & 1) ? SIGN : 0;
#pragma unroll
        for (int v = 0; v < V; v++) {
            float one = clean(to_float(vectors[i].element[v]));
            values[v][i] = i < LEAST_ROWS || i < x.n ? one : of_bits(INFINITY_BITS | sign);
        }
    }
}

#ifdef MIXED
// The same of mixed rows, of which x.n is the number.
template <int V>
__device__ __forceinline__ void load_columns(const Matrix &x, const Slab &slab, u32 k, Fill fill, const MixedRows &rows,
                                             float (&values)[V][ROWS]) {
    rows.mix(slab, k, values);
#pragma unroll
    for (int i = 0; i < ROWS; i++) {
        u32 sign = fill == ALTERNATING && ((i - x.n) & 1) ? SIGN : 0;
#pragma unroll
        for (int v = 0; v < V; v++)
            values[v][i] = i < FEWEST || i < x.n ? clean(values[v][i]) : of_bits(INFINITY_BITS | sign);
    }
}
#endif

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

    const Masks<ROWS> &masks;

    __device__ __forceinline__ Trimmed(const Matrix &, const Columns &, const Masks<ROWS> &masks) : masks(masks) {}

    __device__ __forceinline__ float of(const Matrix &, const Columns &c, const float (&column)[ROWS]) const {
        float y[ROWS];
        sort(column, y);
        return trimmed_mean<ROWS, float>(c, masks, [&](int k, u32 mask) { return of_bits(bits_of(y[k]) & mask); });
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

// Where a thread is. The registers are for the network: of all this only the number of the round stays there.
template <int V> struct Round {
    static const u32 PER_SLAB = SLAB / (THREADS * V);
    u64 s;
    u32 k;
    const Block *block;
    Slab slab;

    // How many there are for this CUDA block.
    __device__ __forceinline__ static u32 count(const Matrix &x) {
        u64 first, last;
        slabs_of(x, first, last);
        return first < last ? (u32)(last - first) * PER_SLAB : 0;
    }

    __device__ __forceinline__ Round(const Matrix &x, u32 round) {
        forget();
        s = x.begin + (u64)blockIdx.x * x.per_block + round / PER_SLAB;
        k = (round % PER_SLAB * THREADS + threadIdx.x) * V;
        block = block_of(x, s);
        slab = slab_in(x, block, s, sizeof(ELEMENT));
    }

    // After the network.
    __device__ __forceinline__ void again(const Matrix &x, u32 round) {
        if (ROWS > 64) {
            *this = Round(x, round);
        } else {
            forget();
            slab = slab_in(x, block, s, sizeof(ELEMENT));
        }
    }
};

template <class Statistic, class... More> __device__ __forceinline__ void run(const Matrix &x, const Columns &c, const More &...more) {
    const int V = Statistic::V;
    const u32 rounds = Round<V>::count(x);
#pragma unroll 1
    for (u32 round = 0; round < rounds; round++) {
        Round<V> at(x, round);
        if (at.k >= at.slab.columns) continue;
        float values[V][ROWS], result[V];
        load_columns<V>(x, at.slab, at.k, Statistic::FILL, SOURCE(), values);
        const Statistic statistic(x, c, more...);
#pragma unroll
        for (int v = 0; v < V; v++) result[v] = statistic.of(x, c, values[v]);
        at.again(x, round);
        write_result<V>(x, at.slab, at.s, at.k, c.centre, c.write, result);
    }
}

template <class Statistic, class... More> __device__ __forceinline__ void run_kept(const Matrix &x, const Columns &c, const More &...more) {
    const int V = Statistic::MEASURED_V;
    __shared__ Events<ROWS> events;
    float sums[ROWS];
#pragma unroll
    for (int i = 0; i < ROWS; i++) sums[i] = 0.0f;
    clear(events);
    const u32 rounds = Round<V>::count(x);
#pragma unroll 1
    for (u32 round = 0; round < rounds; round++) {
        Round<V> at(x, round);
        if (at.k >= at.slab.columns) continue;
        float values[V][ROWS], result[V];
        load_columns<V>(x, at.slab, at.k, Statistic::FILL, SOURCE(), values);
        const Statistic statistic(x, c, more...);
#pragma unroll
        for (int v = 0; v < V; v++) result[v] = statistic.of(x, c, values[v]);
        at.again(x, round);
        write_result<V>(x, at.slab, at.s, at.k, c.centre, c.write, result);
        measure<V, ROWS>(x.n, FEWEST, at.slab.columns - at.k, values, result, sums, events);
    }
    finish<ROWS>(x, c, sums, events);
}

// Reads the columns again for the distances. `compute` gives the result of V columns from k on.
template <int V, class Compute>
__device__ __forceinline__ void run_again(const Matrix &x, const Columns &c, const int *weights, Compute compute) {
    __shared__ Events<ROWS> events;
    __shared__ float results[THREADS * V];
    float sums[ROWS / MEASURE_WARPS];
#pragma unroll
    for (int j = 0; j < ROWS / MEASURE_WARPS; j++) sums[j] = 0.0f;
    clear(events);
    const u32 rounds = Round<V>::count(x);
#pragma unroll 1
    for (u32 round = 0; round < rounds; round++) {
        float result[V];
#pragma unroll
        for (int v = 0; v < V; v++) result[v] = 0.0f;
        Round<V> at(x, round);
        u32 first = at.k - threadIdx.x * V;
        // The same for all threads.
        if (first >= at.slab.columns) continue;
        if (at.k < at.slab.columns) {
            compute(at.slab, at.k, result);
            at.again(x, round);
            write_result<V>(x, at.slab, at.s, at.k, c.centre, c.write, result);
        }
#pragma unroll
        for (int v = 0; v < V; v++) results[threadIdx.x * V + v] = at.k + v < at.slab.columns ? result[v] : 0.0f;
        __syncthreads();
        measure_again<ELEMENT, V, ROWS>(x, at.slab, first, weights, results, sums, events);
        __syncthreads();
    }
    finish_again<ROWS>(x, c, weights, sums, events);
}

template <class Statistic, class... More> __device__ __forceinline__ void run_measured(const Matrix &x, const Columns &c, const More &...more) {
    if constexpr (Statistic::KEPT) {
        run_kept<Statistic>(x, c, more...);
    } else {
        const int V = Statistic::MEASURED_V;
        run_again<V>(x, c, (const int *)0, [&](const Slab &slab, u32 k, float (&result)[V]) {
            float values[V][ROWS];
            load_columns<V>(x, slab, k, Statistic::FILL, InOrder(), values);
            const Statistic statistic(x, c, more...);
#pragma unroll
            for (int v = 0; v < V; v++) result[v] = statistic.of(x, c, values[v]);
        });
    }
}

#ifdef MIXED

extern "C" __global__ void __launch_bounds__(128, OCCUPANCY) median(const Matrix x, const MixedColumns c) {
    load_mixing(x, c);
    run<Median>(x, c.columns);
}
extern "C" __global__ void __launch_bounds__(128, MEASURED_OCCUPANCY) median_measured(const Matrix x, const MixedColumns c) {
    load_mixing(x, c);
    run_measured<Median>(x, c.columns);
}
extern "C" __global__ void __launch_bounds__(128, TRIMMED_OCCUPANCY)
    trimmed(const Matrix x, const MixedColumns c, const Masks<ROWS> masks) {
    load_mixing(x, c);
    run<Trimmed>(x, c.columns, masks);
}
extern "C" __global__ void __launch_bounds__(128, MEASURED_OCCUPANCY)
    trimmed_measured(const Matrix x, const MixedColumns c, const Masks<ROWS> masks) {
    load_mixing(x, c);
    run_measured<Trimmed>(x, c.columns, masks);
}

#else

extern "C" __global__ void __launch_bounds__(128, OCCUPANCY) median(const Matrix x, const Columns c) { run<Median>(x, c); }
extern "C" __global__ void __launch_bounds__(128, 1) median_measured(const Matrix x, const Columns c) {
    run_measured<Median>(x, c);
}
extern "C" __global__ void __launch_bounds__(128, TRIMMED_OCCUPANCY)
    trimmed(const Matrix x, const Columns c, const Masks<ROWS> masks) {
    run<Trimmed>(x, c, masks);
}
extern "C" __global__ void __launch_bounds__(128, TRIMMED_MEASURED_OCCUPANCY)
    trimmed_measured(const Matrix x, const Columns c, const Masks<ROWS> masks) {
    run_measured<Trimmed>(x, c, masks);
}
extern "C" __global__ void __launch_bounds__(128, 1) around(const Matrix x, const Columns c) { run<Around>(x, c); }
extern "C" __global__ void __launch_bounds__(128, 1) around_measured(const Matrix x, const Columns c) {
    run_measured<Around>(x, c);
}

#if ROWS <= 64

struct Weights {
    // Integers, 0 behind the last row.
    int of[ROWS];
    // What is read in place of row i: a row with a weight.
    u32 sources[ROWS];
};

__device__ __forceinline__ void load_weights(const Matrix &x, const Columns &c, Weights &weights) {
    const double *from = region_of(x) + c.weights;
    for (u32 i = threadIdx.x; i < ROWS; i += blockDim.x) weights.of[i] = i < x.n ? (int)from[i] : 0;
    __syncthreads();
    u32 some = 0;
    while (some < x.n - 1 && weights.of[some] == 0) some++;
    for (u32 i = threadIdx.x; i < ROWS; i += blockDim.x) weights.sources[i] = weights.of[i] > 0 ? i : some;
    __syncthreads();
}

// The statistic of V columns from k on. A row of weight 0 is +Inf, which has no share whatever its place.
template <int V>
__device__ __forceinline__ void weigh(const Matrix &x, const Columns &c, const Weights &weights, const Slab &slab, u32 k,
                                      float (&result)[V]) {
    float values[V][ROWS];
    load_columns<V>(x, slab, k, ABOVE, Mapped{weights.sources}, values);
#pragma unroll
    for (int v = 0; v < V; v++) {
        Weighted pairs[ROWS], y[ROWS];
#pragma unroll
        for (int i = 0; i < ROWS; i++) {
            int weight = weights.of[i];
            pairs[i] = Weighted{weight > 0 ? values[v][i] : of_bits(INFINITY_BITS), weight};
        }
        sort(pairs, y);
        result[v] = weighted_statistic<ROWS>(c, y);
    }
}

extern "C" __global__ void __launch_bounds__(128, 1) weighted(const Matrix x, const Columns c) {
    const int V = WEIGHTED_VECTOR;
    __shared__ Weights weights;
    load_weights(x, c, weights);
    const u32 rounds = Round<V>::count(x);
#pragma unroll 1
    for (u32 round = 0; round < rounds; round++) {
        Round<V> at(x, round);
        if (at.k >= at.slab.columns) continue;
        float result[V];
        weigh<V>(x, c, weights, at.slab, at.k, result);
        at.again(x, round);
        write_result<V>(x, at.slab, at.s, at.k, c.centre, c.write, result);
    }
}

extern "C" __global__ void __launch_bounds__(128, 1) weighted_measured(const Matrix x, const Columns c) {
    const int V = WEIGHTED_VECTOR;
    __shared__ Weights weights;
    load_weights(x, c, weights);
    run_again<V>(x, c, weights.of, [&](const Slab &slab, u32 k, float (&result)[V]) {
        weigh<V>(x, c, weights, slab, k, result);
    });
}

#endif
#endif
#else
#include "any_columns.cuh"
#endif
