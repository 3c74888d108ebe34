// How points are cut into tiles, which pairs of tiles a block multiplies, and how columns are staged.
//
// A staged column is `pitch` floats: point after point. Four points are a chunk. The pitch is an odd number of
// chunks, so that threads that write neighbouring columns do not conflict.
#pragma once

#ifndef DYN_SHARED
#define DYN_SHARED(type, name) extern __shared__ __align__(16) type name[]
#endif

// Points of a tile. For fused multiply-adds, of few points: smaller tiles have fewer products of points that are not
// there.
#ifdef TENSOR
const u32 R = 32;
#elif defined(ROWS) && ROWS <= 16
const u32 R = 4;
#else
const u32 R = 8;
#endif
const u32 CHUNKS = R / 4;
// Products of a pair of tiles.
const u32 SQUARE = R * R;

// Threads, blocks of them on a multiprocessor, neighbouring columns that a thread loads at once, and columns of a
// stage. The sums of a thread and the median's network share 168 registers.
#ifdef ROWS
const u32 THREADS = ROWS <= 16 ? 256 : 192;
const u32 RESIDENT = 2;
const u32 WIDTH = ROWS <= 8 ? 4 : ROWS <= 32 ? 2 : 1;
const u32 COLUMNS = THREADS * WIDTH;
#else
#ifdef TENSOR
const u32 THREADS = 128;
const u32 RESIDENT = 3;
const u32 COLUMNS = 64;
#else
const u32 THREADS = 256;
const u32 RESIDENT = 2;
// A stage of groups and their sums have to fit into the 64 KiB that compute capability 7.5 has.
const u32 COLUMNS = 32;
#endif
#endif

// What multiplies a pair of tiles: a warp on tensor cores, which take STEP columns at once; else a thread. PADDING
// points at the end of a stage are zeros, not whatever is there.
#ifdef TENSOR
const u32 WORKERS = THREADS / 32;
const u32 STEP = 8;
const u32 PADDING = 4;
#else
const u32 WORKERS = THREADS;
const u32 STEP = 1;
const u32 PADDING = R;
#endif

#ifdef ROWS
// What is staged is a multiple of so many columns.
const u32 UNIT = WIDTH < STEP ? STEP : WIDTH;
#endif

// Points of a group, of which `pairwise` takes a pair at a time when there are too many for a block.
const u32 GROUP = 64;

// The tiles of a block, and the pairs of them that it multiplies.
struct Tiles {
    // Tiles of rows, and of columns when they are others (of a group b > a), else 0.
    u32 rows;
    u32 columns;
    u32 pairs;
    // Workers that share the columns of a pair.
    u32 splits;
    // Groups of the rows' tiles and of the columns'.
    u32 a, b;
};

// All pairs of so many points. At most 16 tiles.
__device__ __forceinline__ Tiles triangle(u32 points) {
    Tiles t;
    t.rows = (points + R - 1) / R;
    t.columns = 0;
    t.pairs = t.rows * (t.rows + 1) / 2;
    t.splits = WORKERS / t.pairs;
    t.a = t.b = 0;
    return t;
}

// Pair (a, b), a <= b, of groups or tiles, in the order (0, 0), (0, 1), (1, 1), (0, 2), ...
__device__ __forceinline__ void pair_of(u32 pair, u32 &a, u32 &b) {
    b = 0;
    for (; pair > b; b++) pair -= b + 1;
    a = pair;
}

__device__ __forceinline__ u32 points_of(u32 points, u32 group) {
    u32 left = points - group * GROUP;
    return left < GROUP ? left : GROUP;
}

// Groups a <= b of so many points. All pairs of groups split the columns alike: equal rows have equal sums.
__device__ __forceinline__ Tiles group_tiles(u32 points, u32 a, u32 b) {
    Tiles t = triangle(points_of(points, a));
    if (a < b) {
        t.columns = (points_of(points, b) + R - 1) / R;
        t.pairs = t.rows * t.columns;
    }
    t.splits = WORKERS / (GROUP / R * (GROUP / R));
    t.a = a;
    t.b = b;
    return t;
}

// The tiles of a pair.
__device__ __forceinline__ void tiles_of(const Tiles &t, u32 pair, u32 &a, u32 &b) {
    if (t.columns) {
        a = pair / t.columns;
        b = t.rows + pair % t.columns;
    } else {
        pair_of(pair, a, b);
    }
}

__device__ __forceinline__ u32 pitch_of(const Tiles &t) { return 4 * ((t.rows + t.columns) * CHUNKS | 1); }

struct alignas(16) Four {
    float x[4];
};
