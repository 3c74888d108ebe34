// What the plan's shaders share: the arena, a problem's region of it, and the geometry in a region.
// CPU twin: src/geometry/view.rs.
//
// Squared lengths are f32 bits with a clear sign, so they order as integers, +Inf included.

struct Geometry {
    // Word of the points × points inner products in the region.
    gram: u32,
    // Word of the points' classes.
    classes: u32,
    // Rows.
    n: u32,
    // Rows, the origin if there is one, and behind it the given anchor if there is one.
    points: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> arena: array<u32>;

// The first word of this invocation's problem.
var<private> region: u32;

// Bits of the classes.
const FINITE: u32 = 0u;
const FAR: u32 = 0x3f800000u;
const BAD: u32 = 0x40000000u;

// A slot that is not there, and a class that no row has.
const NONE: u32 = 0xffffffffu;

const THREADS: u32 = 64u;

fn enter(problem: u32) {
    region = (params.first + problem) * params.stride;
}

fn load(at: u32) -> u32 {
    return arena[region + at];
}

fn number(at: u32) -> f32 {
    return bitcast<f32>(load(at));
}

fn store(at: u32, bits: u32) {
    arena[region + at] = bits;
}

fn class_of(g: Geometry, i: u32) -> u32 {
    return load(g.classes + i);
}

fn gram(g: Geometry, i: u32, j: u32) -> f32 {
    return number(g.gram + i * g.points + j);
}

// A squared length from its half, which does not overflow before the length does.
fn square(half_square: f32) -> u32 {
    let bits = bitcast<u32>(2.0 * half_square);
    return select(INFINITY, select(bits, 0u, bits >= SIGN), is_finite(bits));
}

fn square_distance(g: Geometry, i: u32, j: u32) -> u32 {
    if i == j {
        return 0u;
    }
    if class_of(g, i) != FINITE || class_of(g, j) != FINITE {
        return INFINITY;
    }
    // Drivers may add up in any order. Of the two norms the larger comes first, so that this is the same
    // for (i, j) and (j, i), and for equal rows: equal distances are ties, and those have a rule.
    let one = 0.5 * gram(g, i, i);
    let other = 0.5 * gram(g, j, j);
    return square(max(one, other) + min(one, other) - gram(g, i, j));
}

// How useful a class is: the most useful one that occurs is usable, if it is more than 0.
fn usefulness(row_class: u32) -> u32 {
    return select(select(0u, 1u, row_class == FAR), 2u, row_class == FINITE);
}

fn usable_class(most_useful: u32) -> u32 {
    return select(select(NONE, FAR, most_useful == 1u), FINITE, most_useful == 2u);
}

fn weight_of(weights: u32, i: u32) -> u32 {
    if weights == NONE {
        return 1u;
    }
    return load(weights + i);
}

// The origin's share of a combination of rows, about a multiple of the centre: what is missing to that
// multiple. Rounding of coefficients with just that sum is none.
fn origin_share(whole: f32, coefficients_sum: f32) -> f32 {
    let rest = whole - coefficients_sum;
    return select(rest, 0.0, abs(rest) <= 1e-6 * whole);
}
