// Partial sums of the centred inner products G_ij = ⟨x_i − m, x_j − m⟩, m the coordinate-wise median.
//
// Reads rows (f32, bf16, f16 as the layout says) and the centre of a chunk of columns, f32; accumulates f32.
// Rows are taken in blocks of TILE; an invocation holds the TILE × TILE sums of a pair of blocks in registers
// and adds at most 16 quads of columns to one, so that f32 is enough (on software drivers it adds such sums up, so
// that fewer of them go to memory); its workgroup's quads lie side by side.
// Neighbouring workgroups work on the same columns for other pairs, which therefore come from the caches. No
// barrier: `reduce` adds up the slices. The CPU twin is backend/cpu/products.rs.
//
// `update` has the sums of a changed point with the rows of a block instead, about a centre that was kept.
//
// An element that is not finite counts as 0 and marks its row (not in `rectangle`); a centre that is not finite
// counts as 0. Behind the rows are the origin, if there is one, and the anchor (ANCHOR) in f32, if there is one
// (GIVEN).

struct Params {
    // Columns [first, first + columns) of the source.
    first: u32,
    columns: u32,
    // Invocations that share the columns, and words between two sums: a multiple of 64.
    slices: u32,
    // Pairs of blocks in this dispatch, and the first of them.
    pairs: u32,
    first_pair: u32,
    // Where their sums begin, and the rows' marks.
    sums: u32,
    marks: u32,
    // Quads of columns for each invocation, and how far apart they lie: `first_quad`.
    steps: u32,
    lanes: u32,
    // Where the chunk's centres begin, and behind them the anchor's columns, in quads.
    centre: u32,
    anchor: u32,
    padding: u32,
    // `update` only: the points whose products with all points it computes, pairs / BLOCKS of them.
    changed: array<vec4<u32>, 4>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> centre: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read_write> partials: array<u32>;

fn finite(bits: vec4<u32>) -> vec4<bool> {
    return (bits & vec4(MAGNITUDE)) < vec4(INFINITY);
}

// Four columns of a row about the centre; those behind the last count as 0.
fn centred(i: u32, bits: vec4<u32>, m: vec4<f32>, inside: vec4<bool>) -> vec4<f32> {
    if i >= ROWS && i != ANCHOR {
        return -m;
    }
    return select(vec4(0.0), bitcast<vec4<f32>>(bits) - m, finite(bits) & inside);
}

// The bits of row i, of the last row for what lies behind it.
fn elements(i: u32, k: u32) -> vec4<u32> {
    // Without an anchor nothing may be left of this: a software driver goes through both branches.
    if GIVEN && i == ANCHOR {
        return centre[params.anchor + (k - params.first) / 4u];
    }
    return x4(min(i, ROWS - 1u), k);
}

// Columns behind the last have no centre.
fn centre_of(k: u32, inside: vec4<bool>) -> vec4<f32> {
    let bits = centre[params.centre + k / 4u];
    return select(vec4(0.0), bitcast<vec4<f32>>(bits), finite(bits) & inside);
}

// To what is there, or instead of it (ACCUMULATE). Hundreds of these follow each other, so they are code for one
// of the two.
fn add(at: u32, sum: f32) {
    if ACCUMULATE {
        partials[at] = bitcast<u32>(bitcast<f32>(partials[at]) + sum);
    } else {
        partials[at] = bitcast<u32>(sum);
    }
}

fn mark(at: u32, bad: u32) {
    if ACCUMULATE {
        partials[at] |= bad;
    } else {
        partials[at] = bad;
    }
}
