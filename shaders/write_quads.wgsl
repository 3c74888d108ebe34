// One invocation for four elements of the output (target.wgsl), f32. The kernel defines value(k), the bits of the
// results of columns k to k + 3.

@compute @workgroup_size(64)
fn write(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let first = 4u * linear(group, groups, local);
    if first >= params.extent.columns {
        return;
    }
    let bits = value(params.extent.first + first);
    let left = params.extent.columns - first;
    let at = params.extent.out + first;
    out[at] = bits.x;
    if left > 1u {
        out[at + 1u] = bits.y;
    }
    if left > 2u {
        out[at + 2u] = bits.z;
    }
    if left > 3u {
        out[at + 3u] = bits.w;
    }
}
