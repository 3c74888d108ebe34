// The output Σ c_j x_j (if ANCHORED with one more term: what the output holds), or a copy of an f32 row in the output's element type. See weighted_sum.wgsl and
// target.wgsl. Moves the rows with a coefficient once, and the output. CPU twin: backend/cpu/combine.rs.

struct Params {
    extent: Extent,
    // Where the coefficients begin in the arena.
    coefficients: u32,
    padding_a: u32,
    padding_b: u32,
    padding_c: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> arena: array<u32>;

fn value(k: u32) -> u32 {
    var sum = weighted_sum(params.coefficients, k);
    if ANCHORED {
        let c = arena[params.coefficients + ROWS];
        if (c & MAGNITUDE) != 0u {
            let bits = clean(held(params.extent.out + k - params.extent.first));
            if is_finite(bits) {
                sum.finite += bitcast<f32>(c) * bitcast<f32>(bits);
            } else {
                sum.marks |= select(1u, 2u, ((bits ^ c) & SIGN) != 0u);
            }
            sum.marks |= select(0u, 4u, is_nan(c));
        }
    }
    return bits_of(sum);
}
