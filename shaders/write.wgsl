// One invocation for each word of the output (target.wgsl): an f32, or a pair of halves, of which the first and
// the last may belong to others. The kernel defines value(k), the f32 bits of column k's result.

@compute @workgroup_size(64)
fn write(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let extent = params.extent;
    let cell = linear(group, groups, local);
    if HALVES == 1u {
        if cell < extent.columns {
            out[extent.out + cell] = value(extent.first + cell);
        }
        return;
    }
    let word = extent.out / 2u + cell;
    if 2u * word >= extent.out + extent.columns {
        return;
    }
    var mask = 0u;
    var packed = 0u;
    for (var half = 0u; half < 2u; half++) {
        let element = 2u * word + half;
        if element >= extent.out && element - extent.out < extent.columns {
            let bits = value(extent.first + (element - extent.out));
            packed |= to_half(bits) << (16u * half);
            mask |= 0xffffu << (16u * half);
        }
    }
    if mask != 0xffffffffu {
        packed |= out[word] & ~mask;
    }
    out[word] = packed;
}
