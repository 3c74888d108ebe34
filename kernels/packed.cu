// The median and the trimmed mean of every column of bf16 or f16, without weights, with half the operations of
// columns.cu: a register holds two columns' values (pairs.cuh). Sums in f32.
//
// In, out, buckets, filled rows, NaN, ties, bytes moved: as in columns.cu. CPU twin: src/backend/cpu/order.rs.
//
// A thread has V adjacent columns, every row of them in registers, in PAIRS pairs. Where they are not aligned, or not all
// there, it goes over them twice, each time with one column of each pair: as many registers, and nothing to put together.
//
// Threads: exactly 128. Dynamic shared memory: none.
#include "columns.cuh"
#include "order.cuh"
#include "pairs.cuh"

#define QUOTE(text) #text
#define NETWORKS_OF(rows) QUOTE(generated/networks_##rows.cuh)
#define NETWORKS(rows) NETWORKS_OF(rows)
#include NETWORKS(ROWS)

#ifndef PAIRS
#define PAIRS (ROWS <= 16 ? 4 : ROWS <= 48 ? 2 : 1)
#endif
// CUDA blocks that a multiprocessor holds at least, as in columns.cu.
#ifndef OCCUPANCY
#define OCCUPANCY (ROWS <= 16 ? 4 : ROWS <= 64 ? 3 : 2)
#endif
#ifndef TRIMMED_OCCUPANCY
#define TRIMMED_OCCUPANCY (ROWS <= 48 ? OCCUPANCY : 2)
#endif

const u32 THREADS = 128;
const int V = 2 * PAIRS;

typedef Pair Values[PAIRS][ROWS];

enum Fill { ALTERNATING, ABOVE };

// A row's elements.
struct alignas(4 * PAIRS) Words {
    u32 word[PAIRS];
};

// Where a thread is.
struct Place {
    static const u32 PER_SLAB = SLAB / (THREADS * V);
    u64 s;
    u32 k;
    Slab slab;

    __device__ __forceinline__ Place(const Matrix &x, u32 round) {
        // Nothing of it is kept in registers while the networks run.
        forget();
        s = x.begin + (u64)blockIdx.x * x.per_block + round / PER_SLAB;
        k = (round % PER_SLAB * THREADS + threadIdx.x) * V;
        slab = slab_of(x, s, sizeof(ELEMENT));
    }

    // Are all columns there, and loaded at once?
    __device__ __forceinline__ bool wide() const { return slab.wide && k + V <= slab.columns; }
};

// Every row's words, given what an address holds. Rows that are not there are read as the last one, then filled: nothing
// is looked at before all loads are under way.
template <class Read> __device__ __forceinline__ void load_rows(const Matrix &x, const Place &at, Read read, Words (&words)[ROWS]) {
    const u32 last = x.n - 1;
    if (at.slab.rows) {
#pragma unroll
        for (int i = 0; i < ROWS; i++) {
            const u32 row = i < LEAST_ROWS ? i : min((u32)i, last);
            words[i] = read(element<ELEMENT>(at.slab, row, at.k));
        }
    } else {
        const char *from = (const char *)element<ELEMENT>(at.slab, 0, at.k);
#pragma unroll
        for (int i = 0; i < ROWS; i++) {
            words[i] = read((const ELEMENT *)from);
            from += i + 1 < LEAST_ROWS || i < last ? at.slab.stride : 0;
        }
    }
}

// The columns of all pairs, or of each pair that of the pass.
__device__ __forceinline__ void load_pairs(const Matrix &x, const Place &at, u32 pass, Fill fill, Values &values) {
    Words words[ROWS];
    if (at.wide()) {
        load_rows(x, at, [](const ELEMENT *from) { return *(const Words *)from; }, words);
    } else {
        u32 places[PAIRS];
#pragma unroll
        for (int w = 0; w < PAIRS; w++) places[w] = min(2 * w + pass, at.slab.columns - 1 - at.k);
        const auto read = [&](const ELEMENT *from) {
            Words one;
#pragma unroll
            for (int w = 0; w < PAIRS; w++) one.word[w] = from[places[w]].bits;
            return one;
        };
        load_rows(x, at, read, words);
    }
#pragma unroll
    for (int i = 0; i < ROWS; i++) {
        const u32 sign = fill == ALTERNATING && ((i - x.n) & 1) ? SIGN : 0;
#pragma unroll
        for (int w = 0; w < PAIRS; w++) {
            const Pair one = clean(Pair{words[i].word[w]});
            values[w][i] = i < LEAST_ROWS || i < x.n ? one : infinity(sign);
        }
    }
}

struct Median {
    static const Fill FILL = ALTERNATING;

    __device__ __forceinline__ void of(const Matrix &x, const Columns &c, const Pair (&column)[ROWS], float *result) const {
        // Which of the two middle ranks of ROWS is which of n. An odd n has one, the lower.
        const int rank = ((int)x.n - 1) / 2;
        Pair y[2];
        middle(column, y);
        const Pair low = c.low > rank ? y[1] : y[0], high = c.high > rank ? y[1] : y[0];
#pragma unroll
        for (int v = 0; v < 2; v++) result[v] = midpoint(column_of(low, v), column_of(high, v));
    }
};

struct Trimmed {
    static const Fill FILL = ABOVE;

    const Masks<ROWS> &masks;

    __device__ __forceinline__ void of(const Matrix &, const Columns &c, const Pair (&column)[ROWS], float *result) const {
        Pair y[ROWS];
        sort(column, y);
        const auto values = [&](int k, u32 mask) { return floats_of(Pair{y[k].bits & mask}); };
        const Floats mean = trimmed_mean<ROWS, Floats>(c, masks, values);
#pragma unroll
        for (int v = 0; v < 2; v++) result[v] = mean.column[v];
    }
};

// Writes results SOME at a time, those of every STEP-th column, to as many columns from the pass on.
template <int SOME, int STEP>
__device__ __forceinline__ void write(const Matrix &x, const Columns &c, const Place &at, u32 pass, const float (&result)[V]) {
#pragma unroll
    for (int v = 0; v < V; v += SOME * STEP) {
        const u32 k = at.k + v + pass;
        float some[SOME];
#pragma unroll
        for (int w = 0; w < SOME; w++) some[w] = result[v + w];
        if (k < at.slab.columns) write_result<SOME>(x, at.slab, at.s, k, c.centre, c.write, some);
    }
}

template <class Statistic> __device__ __forceinline__ void run(const Matrix &x, const Columns &c, const Statistic &statistic) {
    u64 first, last;
    slabs_of(x, first, last);
    const u32 rounds = first < last ? (u32)(last - first) * Place::PER_SLAB : 0;
    u32 pass = 0;
#pragma unroll 1
    for (u32 round = 0; round < rounds;) {
        Values values;
        {
            const Place at(x, round);
            if (at.k >= at.slab.columns) {
                round++;
                continue;
            }
            load_pairs(x, at, pass, Statistic::FILL, values);
        }
        float result[V];
#pragma unroll
        for (int w = 0; w < PAIRS; w++) statistic.of(x, c, values[w], &result[2 * w]);
        const Place at(x, round);
        if (at.wide()) {
            write<V < 4 ? V : 4, 1>(x, c, at, 0, result);
            round++;
        } else {
            write<1, 2>(x, c, at, pass, result);
            round += pass;
            pass ^= 1;
        }
    }
}

extern "C" __global__ void __launch_bounds__(128, OCCUPANCY) median(const Matrix x, const Columns c) { run(x, c, Median()); }
extern "C" __global__ void __launch_bounds__(128, TRIMMED_OCCUPANCY) trimmed(const Matrix x, const Columns c, const Masks<ROWS> masks) {
    run(x, c, Trimmed{masks});
}
