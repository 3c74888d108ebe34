// What the host tells the kernels of combine.cu. Mirrored in src/backend/cuda/abi.rs.
#pragma once
#include "common.cuh"

struct Combine {
    // 0: where the n coefficients begin in a problem's region.
    u64 coefficients;
    // 8: the result in f32, SLAB elements for each slab from `begin` on, problem after problem. Or null.
    float *centre;
    // 16: an address for each block, of a vector of the output's element type whose coefficient is behind the rows'.
    // It may be the block's `out`. Or null.
    const u64 *anchors;
    // 24: whether the result goes to the block's `out`, rounded to the output's element type.
    u32 write;
    u32 padding;
};

struct Mix {
    // 0: where the rows × n matrix begins in a problem's region.
    u64 mixing;
    // 8: the mixed rows, laid out as Matrix::staged has them, with `rows` in place of n.
    float *out;
    // 16: mixed rows. gridDim.z = ceil(rows / MIXED_ROWS).
    u32 rows;
    u32 padding;
};

// Mixed rows that a thread computes together.
const u32 MIXED_ROWS = 16;

struct Distances {
    // 0: the result to measure from, SLAB elements for each slab from `begin` on, problem after problem.
    const float *centre;
    // 8, 16: as in Columns.
    float *partials;
    u32 *marks;
    // 24: where n weights begin in a problem's region, or ~0. A row of weight 0 is not read, and is marked bad.
    u64 weights;
};

static_assert(sizeof(Combine) == 32 && sizeof(Mix) == 24 && sizeof(Distances) == 32, "the host's Combine, Mix, Distances");
