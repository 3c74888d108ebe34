// Where results go. The kernel defines params.extent.

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
