// What the host tells the kernels of pairwise.cu.
#pragma once

// No weights.
const u32 NO_WEIGHTS = 0xffffffffu;

struct Pairwise {
    // Entry (i, j), i <= j, of partial sums b (partial_of) at partials[b * entries + j * (j + 1) / 2 + i],
    // entries = points * (points + 1) / 2. CUDA block blockIdx.x / pairs of a problem has one of them.
    float *partials;
    // A word a point at marks[b * points + i]. Bit 0: an element is not finite.
    u32 *marks;
    // `pairwise` only: m, f32, at centre + (blockIdx.y * (x.end - x.begin) + (s - x.begin)) * SLAB + k.
    const float *centre;
    // Given vectors behind the origin: block b of x.blocks has vector a at anchors[b * given + a].
    const u64 *anchors;
    u32 given;
    // 1: the zero vector is a row, behind the others.
    u32 origin;
    // Element type of the given vectors.
    u32 anchor_type;
    // `pairwise` only. A slot of n weights in x.arena (rows of weight 0 are not read), or NO_WEIGHTS.
    u32 weights;
    // `pairwise` with more than 128 points, or little shared memory: the pairs of groups of 64, g (g + 1) / 2 for
    // g groups. Else 1.
    u32 pairs;
    // points = x.n + origin + given.
    u32 points;
};

static_assert(sizeof(Pairwise) == 56, "the host's Pairwise");
