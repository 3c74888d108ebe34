// Products by fused multiply-adds: which thread takes which pair of tiles, and how its sums are added up.
//
// A tile of R = 8 points is two chunks that lie `tiles` chunks apart, so that neighbouring tiles are in neighbouring
// banks.
#pragma once
#include "tiles.cuh"

// Roundings in a row: of multiply-adds before a sum is added to the other threads', and of these. 164 * 2^-24 is 1e-5.
const u32 CHAIN = 164;

// Rows of a pair of tiles whose sums go to the block's at once, and sums in them.
const u32 FLUSHED = 16 / R;
const u32 PARTS = FLUSHED * R;

// The chunk with points [4 * half, 4 * half + 4) of a tile.
__device__ __forceinline__ u32 chunk_of(const Tiles &t, u32 tile, u32 half) {
    return tile < t.rows ? tile + half * t.rows : t.rows * CHUNKS + tile - t.rows + half * t.columns;
}

// Floats of shared memory: a stage or PARTS sums of all threads, then the block's sums and what
// rounding took from them.
__device__ __forceinline__ u32 shared_floats(u32 pitch, u32 pairs) {
    u32 stage = COLUMNS * pitch, parts = THREADS * PARTS;
    return (stage < parts ? parts : stage) + 2 * pairs * SQUARE;
}

// A sum in two floats: TwoSum, what rounding takes from a total goes to its remainder.
__device__ __forceinline__ void accumulate(float &total, float &rest, float sum) {
    const float before = total, after = before + sum;
    const float added = after - before;
    rest += (before - (after - added)) + (sum - added);
    total = after;
}

__device__ __forceinline__ const Tiles &keep(const Tiles &t) { return t; }

// The sums of a thread and of its block.
struct Sums {
    float own[R][R];
    float *stage;
    // pairs * SQUARE sums, then as many remainders.
    float *total;
    // Where this thread's points and first column are in the stage.
    u32 row[CHUNKS], column[CHUNKS];
    u32 pitch, pairs, splits, split;
    // Multiply-adds since the last flush.
    u32 chain;

    __device__ __forceinline__ Sums(float *shared, const Tiles &t) {
        stage = shared;
        pitch = pitch_of(t);
        pairs = t.pairs;
        splits = t.splits;
        split = threadIdx.x / pairs;
        total = shared + shared_floats(pitch, pairs) - 2 * pairs * SQUARE;
        for (u32 e = threadIdx.x; e < 2 * pairs * SQUARE; e += THREADS) total[e] = 0.0f;
        u32 a, b;
        tiles_of(t, threadIdx.x % pairs, a, b);
#pragma unroll
        for (u32 h = 0; h < CHUNKS; h++) {
            row[h] = split * pitch + 4 * chunk_of(t, a, h);
            column[h] = split * pitch + 4 * chunk_of(t, b, h);
        }
        clear();
    }

    __device__ __forceinline__ void clear() {
        chain = 0;
#pragma unroll
        for (u32 u = 0; u < R; u++)
#pragma unroll
            for (u32 v = 0; v < R; v++) own[u][v] = 0.0f;
    }

    // Adds the products of so many staged columns. Afterwards the stage may be overwritten.
    __device__ __forceinline__ void add(u32 columns) {
        if (split < splits) {
            const u32 step = splits * pitch;
            const float *at = stage;
#pragma unroll 2
            for (u32 k = split; k < columns; k += splits, at += step) {
                float x[R], y[R];
#pragma unroll
                for (u32 h = 0; h < CHUNKS; h++) {
                    const Four a = *(const Four *)(at + row[h]), b = *(const Four *)(at + column[h]);
#pragma unroll
                    for (u32 q = 0; q < 4; q++) x[4 * h + q] = a.x[q], y[4 * h + q] = b.x[q];
                }
#pragma unroll
                for (u32 u = 0; u < R; u++)
#pragma unroll
                    for (u32 v = 0; v < R; v++) own[u][v] = fmaf(x[u], y[v], own[u][v]);
            }
        }
        __syncthreads();
        const u32 longest = (COLUMNS + splits - 1) / splits;
        chain += longest;
        if (chain + longest + 8 + splits / 8 > CHAIN) flush();
    }

    // Adds the threads' sums to the block's.
    __device__ __forceinline__ void flush() {
#pragma unroll
        for (u32 first = 0; first < R; first += FLUSHED) {
            // Each thread adds some entries of its own pair; neighbouring threads have neighbouring pairs.
#pragma unroll
            for (u32 u = 0; u < FLUSHED; u++)
#pragma unroll
                for (u32 v = 0; v < R; v++) stage[(u * R + v) * THREADS + threadIdx.x] = own[first + u][v];
            __syncthreads();
            if (split < splits) {
                const u32 pair = threadIdx.x - split * pairs;
#pragma unroll 1
                for (u32 entry = split; entry < PARTS; entry += splits) {
                    const float *part = stage + entry * THREADS + pair, *end = part + splits * pairs;
                    float sum = 0.0f;
                    while (part < end) {
                        float eight = 0.0f;
#pragma unroll
                        for (u32 i = 0; i < 8; i++, part += pairs)
                            if (part < end) eight += *part;
                        sum += eight;
                    }
                    const u32 at = (first * R + entry) * pairs + pair;
                    accumulate(total[at], total[pairs * SQUARE + at], sum);
                }
            }
            __syncthreads();
        }
        clear();
    }

    // The block's sum of entry (u, v) of a pair. One that is not finite stays so: its remainder is NaN.
    __device__ __forceinline__ float result(u32 at) const { return total[at] + total[pairs * SQUARE + at]; }
};

// Writes a block's sums: `at` is its number.
__device__ __forceinline__ void write_sums(const Sums &sums, const Pairwise &p, const Tiles &t, u64 at) {
    float *out = p.partials + at * ((u64)p.points * (p.points + 1) / 2);
    for (u32 e = threadIdx.x; e < sums.pairs * SQUARE; e += THREADS) {
        const u32 entry = e / sums.pairs, u = entry / R, v = entry % R;
        u32 row, column;
        tiles_of(t, e % sums.pairs, row, column);
        // Of a tile with itself, each pair of points once.
        if (row == column && u > v) continue;
        u32 i = 4 * chunk_of(t, row, u / 4) + u % 4, j = 4 * chunk_of(t, column, v / 4) + v % 4;
        i += t.a * GROUP;
        j += t.columns ? t.b * GROUP - t.rows * R : t.a * GROUP;
        if (i > j) {
            const u32 swap = i;
            i = j;
            j = swap;
        }
        if (j < p.points) out[(u64)j * (j + 1) / 2 + i] = sums.result(e);
    }
}
