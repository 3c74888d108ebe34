// Centered clipping on coefficients: v ← v + (1/S) Σ w_i min(1, τ/‖x_i − v‖) (x_i − v), from v = 0
// or from the anchor, which counts as 0 when it is not finite.
// CPU twin: src/geometry/cc.rs.
//
// One workgroup for each problem (z) takes `steps` steps from where the last dispatch left off. What a row
// does not pull stays at v, added up as such: 1 minus the sum of the pulls would leave a rounding error on
// the origin, which may be far away.

struct Params {
    geometry: Geometry,
    stride: u32,
    first: u32,
    // n integers, or none: 1 each.
    weights: u32,
    out: u32,
    // The point.
    scratch: u32,
    // Is this the first dispatch?
    begin: u32,
    steps: u32,
    tau: f32,
    // The weight of all rows.
    total: f32,
}

@compute @workgroup_size(64)
fn centered_clipping(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    enter(group.z);
    let n = params.geometry.n;
    let has_anchor = params.geometry.points > n + 1u;
    let usable = usable_rows(local);
    if params.begin == 1u {
        var start = n;
        if has_anchor && class_of(params.geometry, n + 1u) == FINITE {
            start = n + 1u;
        }
        start_at(local, start);
    } else {
        restore_point(local);
    }
    for (var step = 0u; step < params.steps; step++) {
        measure(local);
        var own = 0.0;
        for (var i = local; i < n; i += THREADS) {
            let share = f32(weight_of(params.weights, i)) / params.total;
            var pull = 0.0;
            if class_of(params.geometry, i) == usable && keys[i] != INFINITY {
                let distance = sqrt(bitcast<f32>(keys[i]));
                pull = 1.0;
                if distance > params.tau {
                    pull = params.tau / distance;
                }
            }
            own += share * (1.0 - pull);
            keys[i] = bitcast<u32>(share * pull);
        }
        let stays = bitcast<f32>(sum(local, bitcast<u32>(own)));
        for (var i = local; i < n; i += THREADS) {
            point[i] = point[i] * stays + bitcast<f32>(keys[i]);
        }
        if local == 0u {
            point[n] *= stays;
            if has_anchor {
                point[n + 1u] *= stays;
            }
        }
    }
    workgroupBarrier();
    save_point(local);
    for (var i = local; i < n; i += THREADS) {
        store(params.out + i, select(bitcast<u32>(point[i]), NAN, usable == NONE));
    }
    if local == 0u && has_anchor {
        store(params.out + n, select(bitcast<u32>(point[n + 1u]), NAN, usable == NONE));
    }
}
