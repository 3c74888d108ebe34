// Partial sums of the rows' squared distances to a point, ‖x_i − r‖².
//
// Reads rows and a chunk of r, f32; accumulates f32 over at most 64 columns an invocation. An invocation has
// 4 rows, so that r is loaded once for them. `reduce` adds up the slices. CPU twin: backend/cpu/sums.rs.
//
// An element that is not finite counts as 0 and marks its row with 1; an r that is not finite marks all with 2.

struct Params {
    // Columns [first, first + columns) of the source; r begins at `centre`.
    first: u32,
    columns: u32,
    centre: u32,
    slices: u32,
    // Where the rows' marks begin, behind the sums.
    marks: u32,
    accumulate: u32,
    // Quads of columns for each invocation, and how far apart they lie: `first_quad`.
    steps: u32,
    lanes: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> centre: array<u32>;
@group(0) @binding(3) var<storage, read_write> partials: array<u32>;

fn finite(bits: vec4<u32>) -> vec4<bool> {
    return (bits & vec4(MAGNITUDE)) < vec4(INFINITY);
}

fn store(i: u32, slice: u32, sum: f32, bad: u32) {
    if i >= ROWS {
        return;
    }
    let at = i * params.slices + slice;
    if params.accumulate == 0u {
        partials[at] = bitcast<u32>(sum);
        partials[params.marks + at] = bad;
    } else {
        partials[at] = bitcast<u32>(bitcast<f32>(partials[at]) + sum);
        partials[params.marks + at] |= bad;
    }
}

@compute @workgroup_size(64)
fn distances(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let blocks = (ROWS + 3u) / 4u;
    let linear = group.y * groups.x + group.x;
    let slice = linear / blocks * 64u + local;
    if slice >= params.slices {
        return;
    }
    let i = linear % blocks * 4u;
    let last = ROWS - 1u;
    let rows = vec4(i, min(i + 1u, last), min(i + 2u, last), min(i + 3u, last));
    var sums = vec4(0.0);
    var bad = vec4(0u);
    var lost = 0u;
    let quad = first_quad(linear / blocks, local, params.steps, params.lanes);
    for (var step = 0u; step < params.steps; step++) {
        let k = 4u * (quad + step * params.lanes);
        let inside = vec4(k, k + 1u, k + 2u, k + 3u) < vec4(params.columns);
        let start = params.centre + k;
        let r = vec4(centre[start], centre[start + 1u], centre[start + 2u], centre[start + 3u]);
        lost |= select(2u, 0u, all(finite(r) | !inside));
        let at = params.first + k;
        for (var row = 0u; row < 4u; row++) {
            let bits = x4(rows[row], at);
            let usable = finite(bits) & inside;
            bad[row] |= select(1u, 0u, all(usable | !inside));
            let difference = select(vec4(0.0), bitcast<vec4<f32>>(bits) - bitcast<vec4<f32>>(r), usable);
            sums[row] += dot(difference, difference);
        }
    }
    store(i, slice, sums.x, bad.x | lost);
    store(i + 1u, slice, sums.y, bad.y | lost);
    store(i + 2u, slice, sums.z, bad.z | lost);
    store(i + 3u, slice, sums.w, bad.w | lost);
}
