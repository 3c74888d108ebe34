// The diagonal mixing that clips rows to a length, given or (ARC) found among the rows. Rows that are not
// finite become zero. CPU twin: src/geometry/clipping.rs.
//
// limit: one workgroup for each problem (z). clip, clip_to_given and clip_to_limit: one invocation for each element,
// a row for each y.

struct Params {
    geometry: Geometry,
    stride: u32,
    first: u32,
    out: u32,
    // The length to clip to.
    c: f32,
    // Or a word that holds it, or (ARC) its square: that of the row at this place in the order of lengths.
    limit: u32,
    place: u32,
}

fn square_norm(i: u32) -> u32 {
    return square_distance(params.geometry, i, params.geometry.n);
}

@compute @workgroup_size(64)
fn limit(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    enter(group.z);
    let n = params.geometry.n;
    for (var j = local; j < n; j += THREADS) {
        keys[j] = row_key(square_norm(j), class_of(params.geometry, j));
        shares[j] = 1u;
    }
    workgroupBarrier();
    for (var j = local; j < n; j += THREADS) {
        if weight_before(j, n) == params.place {
            store(params.limit, keys[j] & MAGNITUDE);
        }
    }
}

fn put(group: vec3<u32>, local: u32, factor: f32) {
    let n = params.geometry.n;
    let i = group.y;
    let j = group.x * THREADS + local;
    if j < n {
        let kept = i == j && class_of(params.geometry, i) == FINITE;
        store(params.out + i * n + j, select(0u, bitcast<u32>(factor), kept));
    }
}

// A row at +Inf from the origin is clipped to nothing.
fn clip_to(group: vec3<u32>, local: u32, c: f32) {
    let square_bits = square_norm(group.y);
    var factor = 0.0;
    if is_finite(square_bits) {
        let norm = sqrt(bitcast<f32>(square_bits));
        factor = 1.0;
        if norm > c {
            factor = c / norm;
        }
    }
    put(group, local, factor);
}

@compute @workgroup_size(64)
fn clip(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    enter(group.z);
    clip_to(group, local, params.c);
}

@compute @workgroup_size(64)
fn clip_to_given(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    enter(group.z);
    clip_to(group, local, bitcast<f32>(load(params.limit)));
}

@compute @workgroup_size(64)
fn clip_to_limit(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    enter(group.z);
    let square_bits = square_norm(group.y);
    let longest = load(params.limit);
    var factor = 1.0;
    if square_bits > longest {
        factor = 0.0;
        if is_finite(square_bits) {
            factor = sqrt(bitcast<f32>(longest)) / sqrt(bitcast<f32>(square_bits));
        }
    }
    put(group, local, factor);
}
