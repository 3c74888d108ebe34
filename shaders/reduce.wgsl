// Adds up the slices of `pairwise` and `distances`, and finds each row's class.
//
// A workgroup adds one sum: 64 invocations in blocks of 16, then a tree. Results are f32 in the arena, a
// square above f32::MAX and that of a row that is not finite +Inf (as bits: a device may not have it).

struct Params {
    slices: u32,
    // Sums in this dispatch.
    count: u32,
    // Where they and the rows' marks begin in the partials.
    sums: u32,
    marks: u32,
    // In the arena: the problem's region, G or the squares, the classes, and the weights (NO_WEIGHTS without).
    out: u32,
    classes: u32,
    weights: u32,
    // Pairwise: points, rows, blocks of rows, their size, and the first pair (diagonal: the first block).
    points: u32,
    rows: u32,
    blocks: u32,
    tile: u32,
    first_pair: u32,
    diagonal: u32,
    // The point that is the given anchor.
    anchor: u32,
    padding_a: u32,
    padding_b: u32,
    // `update` only: the changed points.
    changed: array<vec4<u32>, 4>,
}

const NO_WEIGHTS: u32 = 0xffffffffu;
const CLASS_FAR: f32 = 1.0;
const CLASS_BAD: f32 = 2.0;

@group(0) @binding(0) var<uniform> params: Params;
// Sums and marks begin at multiples of 64 words, as there are that many slices.
@group(0) @binding(1) var<storage, read> partials: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read_write> arena: array<u32>;

var<workgroup> tree: array<f32, 64>;
var<workgroup> marked: array<u32, 64>;

struct Whole {
    sum: f32,
    marks: u32,
}

// The sum of the slices from word `at` on, and the marks from word `marks` on; 0 where they aren't wanted. In one
// go: barriers cost a software driver more than the sums do.
fn gather(at: u32, marks: u32, wanted: vec2<bool>, local: u32) -> Whole {
    let quads = select(vec2(0u), vec2(params.slices / 4u), wanted);
    var total = vec4<f32>();
    for (var start = local; start < quads.x; start += 1024u) {
        var sum = vec4<f32>();
        let end = min(start + 1024u, quads.x);
        for (var quad = start; quad < end; quad += 64u) {
            sum += bitcast<vec4<f32>>(partials[at / 4u + quad]);
        }
        total += sum;
    }
    var all = vec4<u32>();
    for (var quad = local; quad < quads.y; quad += 64u) {
        all |= partials[marks / 4u + quad];
    }
    tree[local] = (total.x + total.y) + (total.z + total.w);
    marked[local] = (all.x | all.y) | (all.z | all.w);
    for (var width = 32u; width > 0u; width /= 2u) {
        workgroupBarrier();
        if local < width {
            tree[local] += tree[local + width];
            marked[local] |= marked[local + width];
        }
    }
    workgroupBarrier();
    return Whole(tree[0], marked[0]);
}

fn class_of(bits: u32, bad: bool) -> f32 {
    if bad {
        return CLASS_BAD;
    }
    return select(CLASS_FAR, 0.0, is_finite(bits));
}

// Squares of distances, one workgroup a row.
@compute @workgroup_size(64)
fn squares(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let index = group.y * groups.x + group.x;
    let i = min(index, params.count - 1u);
    let at = i * params.slices;
    let whole = gather(params.sums + at, params.marks + at, vec2(true), local);
    if local == 0u && index < params.count {
        let sum = bitcast<u32>(whole.sum);
        let bits = select(sum, INFINITY, whole.marks != 0u || !is_finite(sum));
        arena[params.out + i] = bits;
        arena[params.classes + i] = bitcast<u32>(class_of(bits, (whole.marks & 1u) != 0u));
    }
}

fn blocks_of(pair: u32) -> vec2<u32> {
    if params.diagonal == 1u {
        return vec2(pair, pair);
    }
    return pair_of_blocks(pair, params.blocks);
}

// Inner products, one workgroup each.
@compute @workgroup_size(64)
fn inner(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let index = group.y * groups.x + group.x;
    let entry = min(index, params.count - 1u);
    let tile = params.tile;
    let pair = entry / (tile * tile);
    let blocks = blocks_of(params.first_pair + pair);
    let i = blocks.x * tile + entry / tile % tile;
    let j = blocks.y * tile + entry % tile;
    // A block with itself has the others twice, and blocks may be larger than the rest of the points.
    let wanted = index < params.count && i <= j && j < params.points;
    let whole = gather(
        params.sums + entry * params.slices,
        params.marks + i * params.slices,
        vec2(wanted, wanted && i == j),
        local,
    );
    if local == 0u && wanted {
        arena[params.out + i * params.points + j] = bitcast<u32>(whole.sum);
        arena[params.out + j * params.points + i] = bitcast<u32>(whole.sum);
        if i == j {
            classify(i, whole);
        }
    }
}

fn classify(i: u32, whole: Whole) {
    let unread = params.weights != NO_WEIGHTS && i < params.rows
        && arena[params.weights + min(i, params.rows - 1u)] == 0u;
    let has_elements = i < params.rows || i == params.anchor;
    let bad = unread || (has_elements && (whole.marks & 1u) != 0u);
    arena[params.classes + i] = bitcast<u32>(class_of(bitcast<u32>(whole.sum), bad));
}

fn changed(c: u32) -> u32 {
    return params.changed[c / 4u][c % 4u];
}

// Inner products of changed points with all points, one workgroup each.
@compute @workgroup_size(64)
fn update(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let index = group.y * groups.x + group.x;
    let entry = min(index, params.count - 1u);
    let c = entry / params.points;
    let i = changed(c);
    let j = entry % params.points;
    let whole = gather(
        params.sums + (c * params.blocks * params.tile + j) * params.slices,
        params.marks + c * params.slices,
        vec2(true, i == j),
        local,
    );
    // The product of two changed points is the first one's.
    var own = local == 0u && index < params.count;
    for (var before = 0u; before < c; before++) {
        own = own && changed(before) != j;
    }
    if own {
        arena[params.out + i * params.points + j] = bitcast<u32>(whole.sum);
        arena[params.out + j * params.points + i] = bitcast<u32>(whole.sum);
        if i == j {
            classify(i, whole);
        }
    }
}

// Rows that are not finite: +Inf on the diagonal, 0 beside it. One invocation an entry.
@compute @workgroup_size(64)
fn finish(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let entry = (group.y * groups.x + group.x) * 64u + local;
    let i = entry / params.points;
    let j = entry % params.points;
    if i >= params.points {
        return;
    }
    if arena[params.classes + i] != 0u || arena[params.classes + j] != 0u {
        arena[params.out + entry] = select(0u, INFINITY, i == j);
    }
}
