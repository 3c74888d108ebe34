// A statistic of every column of more rows than one thread's registers hold: the median and the trimmed mean, without
// weights. LANES lanes of a warp share a column.
//
// In: n rows of ELEMENT, n at most ROWS and more than the bucket before has. Out, NaN, ties: as in columns.cu. Moves X
// once, and the result.
//
// Lane p of a column's four has the rows 4 i + p, filled up as in columns.cu, those of odd lanes with the other sign,
// and sorts them. Of two sorted lists a and b of N values, min(a_i, b_{N-1-i}) are the N least and max(…) the N
// greatest, each a bitonic sequence; in the lane with the other signs the list is reversed and the maximum a
// minimum, so that both lanes do the same: x_i <- min(x_i, -(the other lane's x_i)). Two such steps leave the halves
// of all values in the even and in the odd lanes. The median is where they meet; a trimmed mean sorts on.
// CPU twin: src/backend/cpu/order.rs, in one lane.
//
// Threads: 128 (32 columns). Dynamic shared memory: none.
#include "columns.cuh"
#include "order.cuh"

#define QUOTE(text) #text
#define NETWORKS_OF(rows) QUOTE(generated/lanes_##rows.cuh)
#define NETWORKS(rows) NETWORKS_OF(rows)
#include NETWORKS(ROWS)

static_assert(LANES == 4 && LANES * LANE_ROWS == ROWS, "two steps of merging");

// CUDA blocks that a multiprocessor holds at least, as in columns.cu.
#ifndef OCCUPANCY
#define OCCUPANCY (LANE_ROWS <= 64 ? 4 : LANE_ROWS <= 80 ? 3 : 2)
#endif

const u32 THREADS = 128;
// Adjacent columns of a warp: lane l has column l % COLUMNS.
const u32 COLUMNS = 32 / LANES;

typedef float Column[LANE_ROWS];

enum Fill { ALTERNATING, ABOVE };

// Where a thread is.
struct Place {
    static const u32 PER_SLAB = SLAB / (THREADS / LANES);
    u64 s;
    u32 k;
    Slab slab;

    __device__ __forceinline__ Place(const Matrix &x, u32 round) {
        // Nothing of it is kept in registers while the networks run.
        forget();
        s = x.begin + (u64)blockIdx.x * x.per_block + round / PER_SLAB;
        k = (round % PER_SLAB * (THREADS / 32) + threadIdx.x / 32) * COLUMNS + threadIdx.x % COLUMNS;
        slab = slab_of(x, s, sizeof(ELEMENT));
    }
};

// Which of a column's lanes this is.
__device__ __forceinline__ u32 part() { return threadIdx.x % 32 / COLUMNS; }
__device__ __forceinline__ float sign(u32 negative) { return negative ? -1.0f : 1.0f; }

// What another of the column's lanes has.
__device__ __forceinline__ float from_lane(float x, u32 distance) { return __shfl_xor_sync(~0u, x, distance * COLUMNS); }

// A lane's rows, odd lanes' with the other sign. Behind the last column there are copies of it.
__device__ __forceinline__ void load_lane(const Matrix &x, const Place &at, Fill fill, Column &column) {
    const Slab &slab = at.slab;
    const u32 k = min(at.k, slab.columns - 1), last = x.n - 1;
    ELEMENT elements[LANE_ROWS];
    if (slab.rows) {
#pragma unroll
        for (u32 i = 0; i < LANE_ROWS; i++) elements[i] = *element<ELEMENT>(slab, min(LANES * i + part(), last), k);
    } else {
        // Rows that are not there are read as one that is, as nothing is looked at before all loads are under way.
        const char *from = (const char *)element<ELEMENT>(slab, part(), k);
        const u64 step = LANES * slab.stride;
#pragma unroll
        for (u32 i = 0; i < LANE_ROWS; i++) {
            elements[i] = *(const ELEMENT *)from;
            from += LANES * (i + 2) <= LEAST_ROWS || LANES * (i + 1) + part() <= last ? step : 0;
        }
    }
    const float own = sign(part() & 1);
#pragma unroll
    for (u32 i = 0; i < LANE_ROWS; i++) {
        const u32 row = LANES * i + part();
        const u32 other = fill == ALTERNATING && ((row - x.n) & 1) ? SIGN : 0;
        const float value = clean(to_float(elements[i]));
        column[i] = own * (LANES * (i + 1) <= LEAST_ROWS || row <= last ? value : of_bits(INFINITY_BITS | other));
    }
}

// The least of this lane's values and the others', which have the other sign and come in the other order.
__device__ __forceinline__ void part_from(Column &column, u32 distance) {
#pragma unroll
    for (int i = 0; i < LANE_ROWS; i++) column[i] = fminf(column[i], -from_lane(column[i], distance));
}

// Then the lanes 0 and 2 have the lower half of the column, and 1 and 3 the upper half with the other sign. The
// values of each two lanes are a bitonic sequence, in lane 2 and 3 its end, in reverse.
__device__ __forceinline__ void part_halves(Column &column) {
    Column sorted;
    sort(column, sorted);
    part_from(sorted, 1);
    merge(sorted, column);
    part_from(column, 3);
}

struct Median {
    static const Fill FILL = ALTERNATING;

    __device__ __forceinline__ static float of(const Matrix &x, const Columns &c, Column &column) {
        part_halves(column);
        float most = column[0];
#pragma unroll
        for (int i = 1; i < LANE_ROWS; i++) most = fmaxf(most, column[i]);
        most = fmaxf(most, from_lane(most, 2));
        const float other = from_lane(most, 1);
        const float lower = part() & 1 ? other : most, upper = -(part() & 1 ? most : other);
        // Which of the two middle ranks of ROWS is which of n. An odd n has one, the lower.
        const int rank = ((int)x.n - 1) / 2;
        return midpoint(c.low > rank ? upper : lower, c.high > rank ? upper : lower);
    }
};

struct Trimmed {
    static const Fill FILL = ABOVE;

    __device__ __forceinline__ static float of(const Matrix &, const Columns &c, Column &column) {
        part_halves(column);
        // The lanes 0 and 2 change signs as 0 and 1 did, and so do 1 and 3: then a lane has a quarter of the ranks.
        const float turned = sign(part() & 2);
#pragma unroll
        for (int i = 0; i < LANE_ROWS; i++) column[i] *= turned;
#pragma unroll
        for (int i = 0; i < LANE_ROWS / 2; i++) {
            float &a = column[i], &b = column[LANE_ROWS - 1 - i];
            const float from_a = from_lane(a, 2), from_b = from_lane(b, 2);
            a = fminf(a, -from_b);
            b = fminf(b, -from_a);
        }
        Column y;
        merge(column, y);
        const bool falls = part() == 1 || part() == 2;
        // The rank of the lane's first value, from which on ranks rise, or fall where the signs are turned.
        const int first = part() == 0 ? 0 : part() == 1 ? ROWS - 1 : part() == 2 ? ROWS / 2 - 1 : ROWS / 2;
        int low = falls ? first - c.high : c.low - first, high = falls ? first - c.low : c.high - first;
        // Or the compiler finds out before the loop which ranks count, and keeps that in registers.
        asm volatile("" : "+r"(low), "+r"(high));
        const float sum = sign(falls) * sum_within(c, low, high, y);
        const float two = sum + from_lane(sum, 2), all = two + from_lane(two, 1);
        return c.low == c.high ? all : all * c.scale;
    }

    // The sum of y[low..=high], the column's outermost values with a share of `part`, if it is not 0.
    __device__ __forceinline__ static float sum_within(const Columns &c, int low, int high, const Column &y) {
        const bool one = c.low == c.high;
        const int outer = one || c.part > 0.0f ? 1 : 0;
        u32 inner[(LANE_ROWS + 31) / 32];
        ranks<LANE_ROWS>(low + outer, high - outer, inner);
        float sum = sum_of<LANE_ROWS>([&](int k, float &sum) {
            if (inner[k / 32] >> (k % 32) & 1) sum += y[k];
        });
        if (outer) {
            const float share = one ? 1.0f : c.part;
#pragma unroll
            for (int k = 0; k < LANE_ROWS; k++)
                if (k == low || k == high) sum += share * y[k];
        }
        return sum;
    }
};

template <class Statistic> __device__ __forceinline__ void run(const Matrix &x, const Columns &c) {
    u64 first, last;
    slabs_of(x, first, last);
    const u32 rounds = first < last ? (u32)(last - first) * Place::PER_SLAB : 0;
#pragma unroll 1
    for (u32 round = 0; round < rounds; round++) {
        Column column;
        {
            const Place at(x, round);
            // The same for a warp.
            if (at.k - threadIdx.x % COLUMNS >= at.slab.columns) continue;
            load_lane(x, at, Statistic::FILL, column);
        }
        const float result[1] = {Statistic::of(x, c, column)};
        const Place at(x, round);
        if (part() == 0 && at.k < at.slab.columns) write_result<1>(x, at.slab, at.s, at.k, c.centre, c.write, result);
    }
}

extern "C" __global__ void __launch_bounds__(128, OCCUPANCY) median(const Matrix x, const Columns c) { run<Median>(x, c); }
extern "C" __global__ void __launch_bounds__(128, OCCUPANCY) trimmed(const Matrix x, const Columns c) { run<Trimmed>(x, c); }
