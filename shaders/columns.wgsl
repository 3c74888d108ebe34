// A statistic of every column: median, trimmed mean or mean around the median of the rows' elements, with
// integer weights or without.
//
// In: n rows of f32, bf16 or f16, anywhere in up to four buffers (Layout). Out: f32, bf16 or f16, rounded once.
// Arithmetic in f32, sums pairwise. An invocation computes one column (two, if the output is halves), or four at
// a time, with the same result: U, I, F and B are u32, i32, f32 and bool, or vectors of four of them, and
// elements(i, k) is x(i, k) or x4(i, k). A workgroup's columns are adjacent, so loads of a row are. There are no
// barriers and no arrays.
//
// What is around this file is generated (src/backend/wgpu/columns.rs): for few rows `value` is a selection
// network as straight-line code, in registers: every element is read once. For more, search.wgsl.
//
// NaN of either sign counts as +Inf. Ties: the smaller value first. Values are compared as unsigned integers
// (`order`), never as floats, and results that are infinite or NaN by definition are made of bits.
// Its CPU twins: src/backend/cpu/order.rs and weighted.rs.

struct Params {
    extent: Extent,
    // The word of the arena where the first row's weight is.
    weights: u32,
    // The least and the greatest value with a share are the first ones whose cumulative weight exceeds these.
    low: i32,
    high: i32,
    // The weight that is cut off at the lower end, rounded up; and where the upper cut begins, rounded down.
    start: i32,
    end: i32,
    // What rounding up added to the cut: the share of a unit of weight that a cut goes through.
    part: f32,
    // 1 / the weight that is kept.
    scale: f32,
    // How many values are kept around the median.
    keep: i32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> arena: array<u32>;

// Maps the bits of -Inf, …, +Inf, NaN of either sign to ascending integers.
const ORDER_OF_ZERO: u32 = 0x7f800001u;
const ORDER_OF_INFINITY: u32 = 0xff000001u;
// Of a value that is not there.
const ORDER_OF_NOTHING: u32 = 0xffffffffu;

// Bits as integers in the order of their values; its own inverse.
fn key(bits: I) -> I {
    return bits ^ ((bits >> U(31u)) & I(0x7fffffff));
}

fn order(bits: U) -> U {
    return bitcast<U>(key(bitcast<I>(bits))) + U(ORDER_OF_ZERO);
}

fn bits_of_order(order: U) -> U {
    return bitcast<U>(key(bitcast<I>(order - U(ORDER_OF_ZERO))));
}

// Of a NaN, any NaN.
fn number(order: U) -> F {
    return bitcast<F>(bits_of_order(order));
}

fn unorder(order: U) -> U {
    let bits = bits_of_order(order);
    return select(bits, U(INFINITY), (bits & U(MAGNITUDE)) > U(INFINITY));
}

fn finite(bits: U) -> B {
    return (bits & U(MAGNITUDE)) < U(INFINITY);
}

// The bits of a sum, given the orders of the least and the greatest of its terms.
fn with_infinities(low: U, high: U, sum: F) -> U {
    let below = low == U();
    let above = high >= U(ORDER_OF_INFINITY);
    let from_below = select(bitcast<U>(sum), U(SIGN | INFINITY), below);
    return select(from_below, select(U(INFINITY), U(NAN), below), above);
}

// The bits of the value in the middle of two; never overflows.
fn midpoint(low: U, high: U) -> U {
    let middle = with_infinities(low, high, 0.5 * number(low) + 0.5 * number(high));
    return select(middle, unorder(low), low == high);
}

// How far a value is from a centre that is given by its bits, as bits. Infinite if one of them is not finite.
fn distance(order: U, centre: U) -> U {
    let bits = unorder(order);
    let apart = bitcast<U>(bitcast<F>(bits) - bitcast<F>(centre)) & U(MAGNITUDE);
    return select(U(INFINITY), select(U(INFINITY), apart, finite(centre)), finite(bits));
}

// What is kept of the weight of a value that lies between these two cumulative weights. Sums of numbers that
// are not negative: no cancellation, however little is kept.
fn share(before: I, after: I) -> F {
    let first = F(after - I(params.start)) + params.part;
    let last = F(I(params.end) - before) + params.part;
    let kept = select(select(F(after - before), last, after > I(params.high)), first, before <= I(params.low));
    return select(select(kept, F(), after <= I(params.low)), F(), before > I(params.high));
}

// A value's term of the mean. A value without a share may be infinite and is not multiplied.
fn term(order: U, share: F) -> F {
    return share * params.scale * select(F(), number(order), share > F());
}
