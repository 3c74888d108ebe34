// Partial sums of the centred inner products G_ij = <x_i - m, x_j - m>, m the coordinate-wise median.
//
// Compiled with -DELEMENT=float|Bf16|Half and -DROWS=4|8|...|64 for `pairwise_median`, which computes m from the
// columns that it has just read (n in (previous bucket, ROWS], no weights), or without ROWS for `pairwise`, which
// is given m in f32 (any n, weights). With -DTENSOR for tensor cores, compute capability 8.0 and later, and with ROWS
// from 20 on. Reads X once (`pairwise`: each group of 64 points with every other one, neighbouring blocks the same
// columns, so that repeats come from the L2 cache).
//
// A block stages COLUMNS columns of all its points in shared memory, centred, f32. A worker then multiplies a pair of
// tiles of points in every `splits`-th column: a thread with fused multiply-adds (products.cuh), a warp with tensor
// cores, which read each f32 as two tf32 (tensor.cuh). Its sums are added up in steps, so that the error stays below
// 1e-5 of the sum of the terms' magnitudes however many slabs a block takes. One partial sum an entry and block, no
// atomics. Equal rows have equal sums, bit by bit.
//
// An element that is not finite counts as 0 and marks its row; a centre that is not finite counts as 0. Columns
// behind the last and points behind the last are 0. CPU twin: src/backend/cpu/pairwise.rs.
//
// Grid (blocks * pairs, problems), THREADS threads, dynamic shared memory: `shared_floats` times 4 bytes.
#include "common.cuh"
#include "pairwise/params.cuh"
#ifdef TENSOR
#include "pairwise/tensor.cuh"
#else
#include "pairwise/products.cuh"
#endif
#include "pairwise/stage.cuh"

#ifdef ROWS

extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT) pairwise_median(const Matrix x, const Pairwise p) {
    DYN_SHARED(float, shared);
    const Tiles found = triangle(p.points), &tiles = keep(found);
    Sums sums(shared, tiles);
    clear_flags();
    u64 first, last;
    slabs_of(x, blockIdx.x, first, last);
    for (u32 slabs = last > first ? (u32)(last - first) : 0; slabs; slabs--) {
        const u64 s = last - slabs;
        const Slab slab = slab_of(x, s, sizeof(ELEMENT));
        for (u32 k = 0; k < slab.columns; k += COLUMNS) {
            const u32 left = (slab.columns - k + UNIT - 1) / UNIT * UNIT / WIDTH, threads = left < THREADS ? left : THREADS;
            stage_about_median<ELEMENT>(slab, x, p, s, k, threads, shared, pitch_of(tiles));
            prefetch<ELEMENT>(slab, x.n, x.n, k + COLUMNS, [](u32 i) { return i; });
            __syncthreads();
            sums.add(WIDTH * threads);
        }
    }
    sums.flush();
    const u64 at = partial_of(x, blockIdx.x);
    write_sums(sums, p, tiles, at);
    write_marks(p, at, 0);
}

#else

extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT) pairwise(const Matrix x, const Pairwise p) {
    DYN_SHARED(float, shared);
    u32 a, b;
    pair_of(blockIdx.x % p.pairs, a, b);
    const Tiles found = p.pairs == 1 ? triangle(p.points) : group_tiles(p.points, a, b), &tiles = keep(found);
    Sums sums(shared, tiles);
    clear_flags();
    // Here, not in a register.
    __shared__ Bits skipped[THREADS];
    skipped[threadIdx.x] = unread(x, p, tiles);
    u64 first, last;
    slabs_of(x, blockIdx.x / p.pairs, first, last);
    for (u32 slabs = last > first ? (u32)(last - first) : 0; slabs; slabs--) {
        const u64 s = last - slabs;
        const Slab slab = slab_of(x, s, sizeof(ELEMENT));
        for (u32 k = 0; k < slab.columns; k += COLUMNS) {
            stage_about<ELEMENT>(slab, x, p, s, tiles, skipped[threadIdx.x], k, shared, pitch_of(tiles));
            const u32 points = 4 * (tiles.rows + tiles.columns) * CHUNKS;
            prefetch<ELEMENT>(slab, x.n, points, k + COLUMNS, [&](u32 i) { return point_of(tiles, i / 4) + i % 4; });
            __syncthreads();
            sums.add(slab.columns - k < COLUMNS ? slab.columns - k : COLUMNS);
        }
    }
    sums.flush();
    const u64 at = partial_of(x, blockIdx.x / p.pairs);
    write_sums(sums, p, tiles, at);
    if (tiles.a == tiles.b) write_marks(p, at, tiles.a * GROUP);
}

#endif
