// Products on tensor cores, from compute capability 8.0 on: which warp takes which pair of tiles, and how its sums are
// added up.
//
// A staged value is x = high + low, each a tf32 (11 bits of significand), exact to 2^-23 |x|; a product is
// high high + (high low + low high), what is left out below 2^-21 of it. Tensor cores round sums towards zero, so a
// warp multiplies at most CHAIN * STEP columns before it adds the sums, with rounding, to its others in shared memory.
// The three kinds of products have sums of their own: (i, j) and (j, i) have the same bits, whichever is computed.
//
// A tile of 32 points is four groups of 8, group q every fourth point from q on: a 16-byte load of a column is
// a point of each. The eight values of k of an instruction are columns 0, 2, 4, 6, 1, 3, 5, 7 of a step, so that such
// loads have no conflicts of banks. Points behind the last of a stage hold anything, and what they are multiplied to
// is not written.
#pragma once
#include "tiles.cuh"

// Steps between roundings, a part of a stage's: sums of squares come out up to about CHAIN * 2^-24 too small.
#if defined(ROWS) && ROWS > 32
const u32 CHAIN = 6;
#else
const u32 CHAIN = 8;
#endif

// The host takes the kernels of few rows for so many points only.
#if defined(ROWS) && ROWS <= 32
const bool ONE_TILE = true;
#else
const bool ONE_TILE = false;
#endif

// c += a b for a warp. Lane l has of a: rows l / 4 and l / 4 + 8 of column l % 4, then of column l % 4 + 4; of b:
// rows l % 4 and l % 4 + 4 of column l / 4; of c: row l / 4, columns 2 (l % 4) and the next, then row l / 4 + 8.
__device__ __forceinline__ void multiply_add(float (&c)[4], const u32 (&a0)[2], const u32 (&a1)[2], const u32 (&b)[2]) {
#ifdef SHIM_CPU
    const u32 a[4] = {a0[0], a1[0], a0[1], a1[1]};
    mma_m16n8k8_tf32(c, a, b);
#else
    asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a0[0]), "r"(a1[0]), "r"(a0[1]), "r"(a1[1]), "r"(b[0]), "r"(b[1]));
#endif
}

// A lane's part of a step: a point of each group of a tile, in two columns.
struct Points {
    Four columns[2];

    __device__ __forceinline__ Points(const float *at, u32 pitch) : columns{*(const Four *)at, *(const Four *)(at + pitch)} {}
};

// Those of a group, split.
struct Operand {
    u32 high[2], low[2];

    // tf32's rounding of x, half away from zero, and what that leaves, of which an instruction ignores the last bits.
    __device__ __forceinline__ void set(const Points &points, u32 q) {
#pragma unroll
        for (u32 k = 0; k < 2; k++) {
            const float x = points.columns[k].x[q];
            high[k] = (bits_of(x) + 0x1000) & 0xffffe000;
            low[k] = bits_of(x - of_bits(high[k]));
        }
    }
};

// The sums of a chain. [t][q]: groups 2t and 2t + 1 of the rows' tile, group q of the columns'.
struct Chain {
    float main[2][4][4], left[2][4][4], right[2][4][4];

    // The products of a step. A tile with itself: the groups q below 2t have been above.
    template <bool ITSELF> __device__ __forceinline__ void add(const Points &rows, const Points &columns) {
        Operand a[4], b;
#pragma unroll
        for (u32 q = 0; q < 4; q++) a[q].set(rows, q);
#pragma unroll
        for (u32 q = 0; q < 4; q++) {
            b.set(columns, q);
#pragma unroll
            for (u32 t = 0; t < 2; t++) {
                if (ITSELF && q < 2 * t) continue;
                const Operand &first = a[2 * t], &second = a[2 * t + 1];
                multiply_add(left[t][q], first.high, second.high, b.low);
                multiply_add(right[t][q], first.low, second.low, b.high);
                multiply_add(main[t][q], first.high, second.high, b.high);
            }
        }
    }
};

// A warp's pair of tiles.
struct Task {
    // Where its points are in a column.
    u32 row, column;
    // Which of the pair's steps it takes, from this one on.
    u32 split;
};

// The same for all of a block or of a warp: not in registers, which the sums need.
__shared__ Tiles kept_tiles;
__shared__ Task tasks[WORKERS];

__device__ __forceinline__ const Tiles &keep(const Tiles &t) {
    if (threadIdx.x == 0) kept_tiles = t;
    if (threadIdx.x < WORKERS) {
        u32 a, b;
        tiles_of(t, threadIdx.x % t.pairs, a, b);
        tasks[threadIdx.x] = {a * R, b * R, threadIdx.x / t.pairs};
    }
    __syncthreads();
    return kept_tiles;
}

// The sums of a block. Each warp has its own, four of a lane side by side, behind the stage.
struct Sums {
    float *stage;
    const Tiles &tiles;

    __device__ __forceinline__ Sums(float *shared, const Tiles &t) : stage(shared), tiles(t) {
        for (u32 e = threadIdx.x; e < WORKERS * SQUARE; e += THREADS) all()[e] = 0.0f;
    }

    __device__ __forceinline__ float *all() const { return stage + COLUMNS * pitch_of(tiles); }

    // Adds so many steps: the rows' points of a warp's first are at `at`, the columns' `other` floats behind, the next
    // step's `stride` floats behind.
    template <bool ITSELF> __device__ __forceinline__ void add_chain(const float *at, u32 other, u32 pitch, u32 stride, u32 steps) {
        Chain chain = {};
#pragma unroll 1
        for (; steps; steps--, at += stride) {
            const Points rows(at, pitch);
            if (ITSELF)
                chain.add<true>(rows, rows);
            else
                chain.add<false>(rows, Points(at + other, pitch));
        }
        Four *own = (Four *)all() + threadIdx.x / 32 * (SQUARE / 4) + threadIdx.x % 32;
#pragma unroll
        for (u32 i = 0; i < 8; i++) {
            const u32 t = i / 4, q = i % 4;
            if (ITSELF && q < 2 * t) continue;
            Four sum = own[i * 32];
#pragma unroll
            for (u32 e = 0; e < 4; e++) sum.x[e] += chain.main[t][q][e] + (chain.left[t][q][e] + chain.right[t][q][e]);
            own[i * 32] = sum;
        }
    }

    // Adds the products of so many staged columns, of which the last step is complete. Afterwards the stage may be
    // overwritten.
    __device__ __forceinline__ void add(u32 columns) {
        const Task task = tasks[threadIdx.x / 32];
        const u32 splits = tiles.splits, steps = (columns + STEP - 1) / STEP;
        if (task.split < splits && task.split < steps) {
            const u32 pitch = pitch_of(tiles), lane = threadIdx.x % 32, stride = splits * STEP * pitch;
            const float *at = stage + (task.split * STEP + lane % 4 * 2) * pitch + lane / 4 * 4 + task.row;
            const u32 other = task.column - task.row;
            u32 left = (steps - task.split + splits - 1) / splits;
            __syncwarp();
#pragma unroll 1
            for (; left; at += CHAIN * stride) {
                const u32 length = left < CHAIN ? left : CHAIN;
                left -= length;
                if (ONE_TILE || other == 0)
                    add_chain<true>(at, 0, pitch, stride, length);
                else
                    add_chain<false>(at, other, pitch, stride, length);
                // Known when compiled, it saves registers.
                if (COLUMNS / STEP <= CHAIN) break;
            }
        }
        __syncthreads();
    }

    // Nothing waits in registers.
    __device__ __forceinline__ void flush() {}
};

// Writes a block's sums: `at` is its number.
__device__ __forceinline__ void write_sums(const Sums &sums, const Pairwise &p, const Tiles &t, u64 at) {
    float *out = p.partials + at * ((u64)p.points * (p.points + 1) / 2);
    const u32 entries = t.pairs * SQUARE;
    for (u32 e = threadIdx.x; e < entries; e += THREADS) {
        const u32 lane = e / 4 % 32, entry = e / 128 % 8 * 4 + e % 4;
        // Groups, and points of the tiles.
        const u32 g = entry / 16 * 2 + entry / 2 % 2, h = entry / 4 % 4;
        u32 i = lane / 4 * 4 + g, j = (lane % 4 * 2 + entry % 2) * 4 + h;
        u32 row, column;
        tiles_of(t, e / SQUARE, row, column);
        // Of a tile with itself, each pair of points once.
        if (row == column && (g > h || (g == h && i > j))) continue;
        i += row * R + t.a * GROUP;
        j += column * R + (t.columns ? t.b * GROUP - t.rows * R : t.a * GROUP);
        if (i > j) {
            const u32 swap = i;
            i = j;
            j = swap;
        }
        if (j >= p.points) continue;
        float sum = 0.0f;
        for (u32 s = 0; s < t.splits; s++) sum += sums.all()[s * entries + e];
        out[(u64)j * (j + 1) / 2 + i] = sum;
    }
}
