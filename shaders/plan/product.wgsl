// The product of two mixings, and (with one outer row) coefficients of mixed rows as coefficients of raw
// ones. CPU twin: compose and expand in src/geometry/mixing.rs.
//
// One invocation for each element: columns along x, a row for each y, problems along z.

struct Params {
    stride: u32,
    first: u32,
    outer: u32,
    inner: u32,
    // The inner matrix is rows × n.
    rows: u32,
    n: u32,
    out: u32,
    // Does the (one) outer row have one more coefficient, which stays as it is?
    anchored: u32,
}

@compute @workgroup_size(64)
fn product(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    enter(group.z);
    let j = group.x * THREADS + local;
    if j < params.n {
        let outer = params.outer + group.y * params.rows;
        let bits = dot_bits(outer, params.inner + j, params.n, params.rows);
        store(params.out + group.y * params.n + j, bits);
    }
    if j == params.n && params.anchored == 1u {
        store(params.out + j, load(params.outer + params.rows));
    }
}
