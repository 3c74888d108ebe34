// Squared distances of rows, raw or mixed, to a combination of raw rows, and the rows' classes.
// CPU twin: distances in src/geometry/mixing.rs.
//
// locate: one workgroup for each problem (z) computes G c and cᵀ G c. measure: one invocation for each row.
// A row that is not finite is at +Inf, and so is everything when c leans on one or is undefined.

struct Params {
    geometry: Geometry,
    // Of the mixed rows, or none of all.
    mixed: Geometry,
    stride: u32,
    first: u32,
    coefficients: u32,
    mixing: u32,
    out: u32,
    // G c, then cᵀ G c or +Inf.
    scratch: u32,
    // Do the coefficients end with the anchor's?
    anchored: u32,
}

// The multiple of the raw rows' centre that the mixed geometry is about, from what it says of the origin.
fn whole() -> f32 {
    let g = params.geometry;
    let m = params.mixed;
    if params.mixing == NONE || g.points == g.n || class_of(g, g.n) != FINITE {
        return 1.0;
    }
    let raw = gram(g, g.n, g.n);
    if raw <= 0.0 {
        return 1.0;
    }
    return sqrt(gram(m, m.n, m.n) / raw);
}

@compute @workgroup_size(64)
fn locate(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    enter(group.z);
    let n = params.geometry.n;
    let points = params.geometry.points;
    var own_sum = 0.0;
    var defined = true;
    for (var j = local; j < n; j += THREADS) {
        let c = load(params.coefficients + j);
        defined = defined && is_finite(c);
        point[j] = bitcast<f32>(select(0u, c, is_finite(c)));
        own_sum += point[j];
    }
    if local == 0u && points > n + 1u {
        var c = 0u;
        if params.anchored == 1u {
            c = load(params.coefficients + n);
        }
        defined = defined && is_finite(c);
        point[n + 1u] = bitcast<f32>(select(0u, c, is_finite(c)));
        own_sum += point[n + 1u];
    }
    let total = bitcast<f32>(sum(local, bitcast<u32>(own_sum)));
    if local == 0u && points > n {
        // Whether the point leans on the origin does not depend on the centre.
        defined = defined && (origin_share(1.0, total) == 0.0 || class_of(params.geometry, n) == FINITE);
        point[n] = origin_share(whole(), total);
    }
    workgroupBarrier();
    var own = 0.0;
    for (var i = local; i < points; i += THREADS) {
        defined = defined && (i == n || !leans(i));
        let entry = product(i);
        own += point[i] * entry;
        store(params.scratch + i, bitcast<u32>(entry));
    }
    let norm = sum(local, select(INFINITY, bitcast<u32>(own), defined));
    if local == 0u {
        store(params.scratch + points, norm);
    }
}

// ⟨mixed row i, c⟩.
fn cross(i: u32) -> f32 {
    let n = params.geometry.n;
    let row = params.mixing + i * n;
    let product = bitcast<f32>(dot_bits(row, params.scratch, 1u, n));
    if params.geometry.points == n {
        return product;
    }
    var total = 0.0;
    var block = 0.0;
    for (var k = 0u; k < n; k++) {
        block += number(row + k);
        if (k & 15u) == 15u {
            total += block;
            block = 0.0;
        }
    }
    return product + origin_share(whole(), total + block) * number(params.scratch + n);
}

@compute @workgroup_size(64)
fn measure(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    enter(group.z);
    let i = group.x * THREADS + local;
    let is_mixed = params.mixing != NONE;
    let rows = select(params.geometry.n, params.mixed.n, is_mixed);
    if i >= rows {
        return;
    }
    var row_class = class_of(params.geometry, i);
    if is_mixed {
        row_class = class_of(params.mixed, i);
    }
    let norm = load(params.scratch + params.geometry.points);
    var result = INFINITY;
    if row_class == FINITE && norm != INFINITY {
        let half_norm = 0.5 * bitcast<f32>(norm);
        if is_mixed {
            result = square(0.5 * gram(params.mixed, i, i) - cross(i) + half_norm);
        } else {
            let entry = number(params.scratch + i);
            result = square(0.5 * gram(params.geometry, i, i) - entry + half_norm);
        }
    }
    store(params.out + i, result);
    store(params.out + rows + i, row_class);
}
