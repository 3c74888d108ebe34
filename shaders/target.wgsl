// One invocation for each word of the output: an f32, or a pair of halves, of which the first and the last
// may belong to others. The kernel defines params.extent and value(k), the f32 bits of column k's result.

struct Extent {
    // Columns [first, first + columns) of the source …
    first: u32,
    columns: u32,
    // … go to elements from here on.
    out: u32,
    padding: u32,
}

@group(0) @binding(3) var<storage, read_write> out: array<u32>;

// The f32 bits of an element that the output holds.
fn held(at: u32) -> u32 {
    if HALVES == 1u {
        return out[at];
    }
    return from_half((out[at / 2u] >> (16u * (at & 1u))) & 0xffffu);
}

fn linear(group: vec3<u32>, groups: vec3<u32>, local: u32) -> u32 {
    return (group.y * groups.x + group.x) * 64u + local;
}

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
