// The geometry of mixed rows, Q G Qᵀ, and the anchors' entries when there are any, about a multiple of the
// raw rows' centre: the median of the rows' sums of coefficients. Clipped rows may be far shorter than the
// centre, and about it their differences would be lost. CPU twin: mix in src/geometry/mixing.rs.
//
// Five passes: each row's sum and class (a workgroup a row, y); their median, and so each row's share of the
// origin (a workgroup a problem); H = Q G (an invocation
// an element); points that grew beyond f32::MAX (an invocation a point); the products H Qᵀ, each computed once
// for both of its places, so that the result is symmetric in all bits and equal rows are at distance 0.

struct Params {
    geometry: Geometry,
    // n counts mixed rows.
    mixed: Geometry,
    stride: u32,
    first: u32,
    mixing: u32,
    // Shares of the origin (one for each row, at most n) and the multiple of the centre, then H.
    scratch: u32,
}

fn has_origin() -> bool {
    return params.geometry.points > params.geometry.n;
}

fn has_anchor() -> bool {
    return params.geometry.points > params.geometry.n + 1u;
}

fn mixing_row(i: u32) -> u32 {
    return params.mixing + i * params.geometry.n;
}

fn h_row(i: u32) -> u32 {
    return params.scratch + (i + 1u) * params.geometry.points;
}

@compute @workgroup_size(64)
fn classify(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    enter(group.z);
    let i = group.y;
    let n = params.geometry.n;
    var own = 0.0;
    var worst = FINITE;
    for (var j = local; j < n; j += THREADS) {
        let c = load(mixing_row(i) + j);
        if is_nan(c) {
            // An undefined row is as good as one without bounds.
            worst = max(worst, max(FAR, class_of(params.geometry, j)));
        } else if (c & MAGNITUDE) != 0u {
            worst = max(worst, class_of(params.geometry, j));
            own += bitcast<f32>(c);
        }
    }
    let total = sum(local, bitcast<u32>(own));
    worst = most(local, worst);
    if local == 0u {
        store(params.scratch + i, total);
        store(params.mixed.classes + i, worst);
    }
}

var<workgroup> sums: array<f32, ROOM>;
var<workgroup> middle: f32;

@compute @workgroup_size(64)
fn share(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    enter(group.z);
    let rows = params.mixed.n;
    let n = params.geometry.n;
    for (var i = local; i < rows; i += THREADS) {
        sums[i] = number(params.scratch + i);
    }
    if local == 0u {
        middle = 1.0;
    }
    workgroupBarrier();
    if has_origin() {
        for (var i = local; i < rows; i += THREADS) {
            var before = 0u;
            for (var k = 0u; k < rows; k++) {
                before += select(0u, 1u, sums[k] < sums[i] || (sums[k] == sums[i] && k < i));
            }
            if before == (rows - 1u) / 2u && abs(sums[i] - 1.0) >= 1e-6 {
                middle = sums[i];
            }
        }
    }
    workgroupBarrier();
    for (var i = local; i < rows; i += THREADS) {
        var own = 0.0;
        if has_origin() {
            own = origin_share(middle, sums[i]);
            if origin_share(1.0, sums[i]) != 0.0 {
                let worst = max(load(params.mixed.classes + i), class_of(params.geometry, n));
                store(params.mixed.classes + i, worst);
            }
        }
        store(params.scratch + i, bitcast<u32>(own));
    }
    if local == 0u && has_origin() {
        store(params.scratch + n, bitcast<u32>(middle));
        let origin_class = class_of(params.geometry, n);
        store(params.mixed.classes + rows, origin_class);
        if has_anchor() {
            let own = class_of(params.geometry, n + 1u);
            store(params.mixed.classes + rows + 1u, select(max(own, origin_class), own, middle == 1.0));
        }
    }
}

// Row i of Q, completed by its share of the origin, times numbers that are `step` words apart.
fn times_row(i: u32, values: u32, step: u32) -> f32 {
    let n = params.geometry.n;
    let product = bitcast<f32>(dot_bits(mixing_row(i), values, step, n));
    let share = number(params.scratch + i);
    if share != 0.0 {
        return product + share * number(values + n * step);
    }
    return product;
}

@compute @workgroup_size(64)
fn multiply(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    enter(group.z);
    let i = group.y;
    let k = group.x * THREADS + local;
    let points = params.geometry.points;
    if k < points && class_of(params.mixed, i) == FINITE {
        let value = times_row(i, params.geometry.gram + k, points);
        store(h_row(i) + k, bitcast<u32>(value));
    }
}

// ⟨mixed a, mixed b⟩ for a ≤ b.
fn inner(a: u32, b: u32) -> f32 {
    let n = params.geometry.n;
    if b < params.mixed.n {
        return times_row(b, h_row(a), 1u);
    }
    let whole = number(params.scratch + n);
    // The anchors stay where they are while the centre moves: that is a share of the origin.
    let moved = whole - 1.0;
    if b == params.mixed.n {
        if a < params.mixed.n {
            return whole * number(h_row(a) + n);
        }
        return whole * (whole * gram(params.geometry, n, n));
    }
    var product = 0.0;
    var about_origin = 0.0;
    if a < params.mixed.n {
        product = number(h_row(a) + n + 1u);
        about_origin = number(h_row(a) + n);
    } else if a == params.mixed.n {
        product = whole * gram(params.geometry, n, n + 1u);
        about_origin = whole * gram(params.geometry, n, n);
    } else {
        product = gram(params.geometry, n + 1u, n + 1u) + moved * gram(params.geometry, n, n + 1u);
        about_origin = gram(params.geometry, n, n + 1u) + moved * gram(params.geometry, n, n);
    }
    if moved == 0.0 {
        return product;
    }
    return product + moved * about_origin;
}

@compute @workgroup_size(64)
fn bound(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    enter(group.z);
    let i = group.x * THREADS + local;
    if i < params.mixed.points && i != params.mixed.n && class_of(params.mixed, i) == FINITE {
        if !is_finite(bitcast<u32>(inner(i, i))) {
            store(params.mixed.classes + i, FAR);
        }
    }
}

@compute @workgroup_size(64)
fn finish(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    enter(group.z);
    let a = group.x * THREADS + local;
    let b = group.y;
    if a > b {
        return;
    }
    var bits = select(0u, INFINITY, a == b);
    if class_of(params.mixed, a) == FINITE && class_of(params.mixed, b) == FINITE {
        bits = bitcast<u32>(inner(a, b));
    }
    let points = params.mixed.points;
    store(params.mixed.gram + a * points + b, bits);
    store(params.mixed.gram + b * points + a, bits);
}
