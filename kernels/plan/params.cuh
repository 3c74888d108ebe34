// What the host tells the plan's kernels: places are in doubles from the beginning of a problem's region, NONE
// for a slot that is not there. Mirrored in src/backend/cuda/abi.rs, which checks sizes and offsets.
#pragma once

// The arena: blockIdx.y takes problem `first + blockIdx.y`, whose region begins at arena + problem * region.
struct Region {
    double *arena;
    u64 region;
    u32 first;
    u32 padding;
};

// A slot that is not there.
const u32 NONE = 0xffffffffu;

// points × points inner products, and a class for each point.
struct Geometry {
    u32 gram;
    u32 classes;
    // Rows.
    u32 n;
    // Rows, then perhaps the origin.
    u32 points;
};

// A large operation is cut into phases, each of which needs the one before in all blocks. A launch takes phases
// [from, to): several only with one block for each problem (gridDim.x = 1), else one with any number.
struct Phases {
    u32 from;
    u32 to;
};

// pairwise's partial sums: entry (i, j), i <= j, of block b at partials[((u64)p * blocks + b) * entries + j * (j + 1) / 2 + i],
// row i's marks at marks[((u64)p * blocks + b) * points + i], p = blockIdx.y.
struct Inner {
    const float *partials;
    const u32 *marks;
    u32 blocks;
    // Rows, then the origin and the given anchors.
    u32 n;
    u32 points;
    // n weights, or none: a row of weight 0 counts as bad.
    u32 weights;
    // points * points products, then points classes.
    u32 out;
    u32 padding;
};

// Squared distances: row i of block b at partials[((u64)p * blocks + b) * rows + i], marks alike, p = blockIdx.y.
struct Squares {
    const float *partials;
    const u32 *marks;
    u32 blocks;
    u32 rows;
    // rows squares, then rows classes.
    u32 out;
    u32 padding;
};

const u32 WRITE = 448;
struct Write {
    u32 out;
    u32 count;
    double values[WRITE];
};

struct Mean {
    u32 weights;
    u32 n;
    u32 out;
    u32 padding;
};

struct Krum {
    Geometry geometry;
    Phases phases;
    u32 neighbours;
    u32 m;
    // n scores, then n coefficients.
    u32 out;
    u32 padding;
};

// Trimming: how much weight is cut is `cut` of the total, over `parts`: f and n, or lambda and 1.
struct Ctma {
    double cut;
    double parts;
    // n squared distances, then n classes.
    u32 distances;
    u32 weights;
    u32 n;
    u32 out;
};

struct Nnm {
    Geometry geometry;
    double cut;
    double parts;
    u32 weights;
    u32 out;
};

struct Monna {
    Geometry geometry;
    double cut;
    double parts;
    u32 pivot;
    u32 out;
};

struct Clipping {
    Geometry geometry;
    double c;
    // Where the length is, if it comes with the run instead of c; or NONE.
    u32 given;
    // ARC clips so many rows to the length of the next one. NONE: to the length above.
    u32 clipped;
    u32 out;
    u32 padding;
};

// rows × n = (rows × inner_rows) · (inner_rows × n). Expand is rows = 1.
struct Product {
    u32 outer;
    u32 inner;
    u32 rows;
    u32 inner_rows;
    u32 n;
    u32 out;
};

struct Mix {
    Geometry geometry;
    // n counts mixed rows.
    Geometry mixed;
    Phases phases;
    u32 mixing;
    // Op::scratch().
    u32 scratch;
};

struct Distances {
    Geometry geometry;
    // Of the mixed rows; ignored without mixing.
    Geometry mixed;
    Phases phases;
    u32 coefficients;
    // Mixed rows by raw ones, or none: distances of the raw rows.
    u32 mixing;
    // A square a row, then a class a row.
    u32 out;
    u32 scratch;
};

struct Rfa {
    Geometry geometry;
    double nu;
    // Ignored unless by_tolerance.
    double tolerance;
    // The most iterations.
    u32 iterations;
    u32 by_tolerance;
    u32 weights;
    // n coefficients, the number of iterations, and 1 where they were too few.
    u32 out;
    u32 scratch;
    u32 padding;
};

struct CenteredClipping {
    Geometry geometry;
    double tau;
    u32 iterations;
    u32 weights;
    u32 out;
    u32 scratch;
};

#define LAYOUT(type, size) static_assert(sizeof(type) == size, "the host's " #type)
LAYOUT(Region, 24);
LAYOUT(Geometry, 16);
LAYOUT(Phases, 8);
LAYOUT(Inner, 40);
LAYOUT(Squares, 32);
LAYOUT(Write, 8 + 8 * WRITE);
LAYOUT(Mean, 16);
LAYOUT(Krum, 40);
LAYOUT(Ctma, 32);
LAYOUT(Nnm, 40);
LAYOUT(Monna, 40);
LAYOUT(Clipping, 40);
LAYOUT(Product, 24);
LAYOUT(Mix, 48);
LAYOUT(Distances, 56);
LAYOUT(Rfa, 56);
LAYOUT(CenteredClipping, 40);
// What a launch can take is 4 KB.
static_assert(sizeof(Region) + sizeof(Write) <= 4096, "too many values to write");
#undef LAYOUT
