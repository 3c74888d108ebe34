// What the host tells the kernels of columns.cu. Mirrored in src/backend/cuda/abi.rs.
#pragma once
#include "common.cuh"

// Statistics.
const u32 MEDIAN = 0;
const u32 TRIMMED_MEAN = 1;
const u32 MEAN_AROUND_MEDIAN = 2;

// No weights.
const u64 NONE = ~(u64)0;

// The numbers are those of `Params` in src/backend/wgpu/columns.rs. Without weights every row weighs 1.
struct Columns {
    // 0: where the weights begin in a problem's region: integers with a sum of at most 2^30. Or NONE.
    u64 weights;
    // 8: the result in f32, SLAB elements for each slab from `begin` on, problem after problem. Or null.
    float *centre;
    // 16: for partial sums b (partial_of) and row i at [b * n + i]: the squared distance to
    // the result within the block's slabs, and marks: ROW_IS_BAD, RESULT_IS_BAD. Of the measured kernels.
    float *partials;
    u32 *marks;
    // 32: the least and the greatest value with a share are the first ones whose cumulative weight exceeds these.
    int low;
    int high;
    // 40: the weight that is cut off at the lower end, rounded up; where the upper cut begins, rounded down.
    int start;
    int end;
    // 48: what rounding up added to the cut: the share of a unit of weight that a cut goes through.
    float part;
    // 52: 1 / the weight that is kept.
    float scale;
    // 56: how many values are kept around the median.
    int keep;
    u32 statistic;
    // 64: whether the result goes to the block's `out`, rounded to the output's element type.
    u32 write;
    // 68: of the kernels for any n: whether a tile fits into shared memory.
    u32 staged;
};

static_assert(sizeof(Columns) == 72, "the host's Columns");

// Which ranks of sorted values have a whole share of a trimmed mean: all bits, or none. A kernel's parameter of its own: a
// rank then takes one instruction, where finding its bit, testing it and choosing took four.
template <int N> struct Masks {
    u32 rank[N];
};
