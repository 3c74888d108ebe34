//! The kernels beside `columns`: their shaders and parameters.

use std::fmt::Write;

use bytemuck::{Pod, Zeroable};

use super::layout::{Extent, Layout, target};
use super::shader::{Bind, Shader};
use crate::DType;

/// Parameters of `pairwise.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
pub(super) struct PairwiseParams {
    pub first: u32,
    pub columns: u32,
    pub slices: u32,
    pub pairs: u32,
    pub first_pair: u32,
    pub sums: u32,
    pub marks: u32,
    pub accumulate: u32,
    pub steps: u32,
    pub centre: u32,
    pub anchor: u32,
    pub padding: u32,
    pub changed: ChangedPoints,
}

/// Points whose products are computed again, as many as there are rows in a tile at most.
pub(super) type ChangedPoints = [[u32; 4]; 4];

/// Parameters of `distances.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub(super) struct DistancesParams {
    pub first: u32,
    pub columns: u32,
    pub centre: u32,
    pub slices: u32,
    pub marks: u32,
    pub accumulate: u32,
    pub steps: u32,
    pub padding: u32,
}

/// Parameters of `reduce.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
pub(super) struct ReduceParams {
    pub slices: u32,
    pub count: u32,
    pub sums: u32,
    pub marks: u32,
    pub out: u32,
    pub classes: u32,
    pub weights: u32,
    pub points: u32,
    pub rows: u32,
    pub blocks: u32,
    pub tile: u32,
    pub first_pair: u32,
    pub diagonal: u32,
    pub anchor: u32,
    pub padding_a: u32,
    pub padding_b: u32,
    pub changed: ChangedPoints,
}

impl ReduceParams {
    pub const NO_WEIGHTS: u32 = u32::MAX;
    pub const NO_ANCHOR: u32 = u32::MAX;
}

/// Parameters of `combine.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub(super) struct CombineParams {
    pub extent: Extent,
    pub coefficients: u32,
    pub padding_a: u32,
    pub padding_b: u32,
    pub padding_c: u32,
}

/// Parameters of `mix.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub(super) struct MixParams {
    pub first: u32,
    pub columns: u32,
    pub rows: u32,
    pub mixing: u32,
    pub out: u32,
    pub pitch: u32,
    pub padding_a: u32,
    pub padding_b: u32,
}

const WEIGHTED_SUM: &str = include_str!("../../../shaders/weighted_sum.wgsl");
const COMBINE: &str = include_str!("../../../shaders/combine.wgsl");
const MIX: &str = include_str!("../../../shaders/mix.wgsl");
const PAIRWISE: &str = include_str!("../../../shaders/pairwise.wgsl");
const DISTANCES: &str = include_str!("../../../shaders/distances.wgsl");
const PAIRS: &str = include_str!("../../../shaders/pairs.wgsl");
const REDUCE: &str = include_str!("../../../shaders/reduce.wgsl");

/// A kernel, and all that its shader depends on.
///
/// Bindings: 0 the parameters, 1 the rows' bases, then the kernel's own two, then the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kernel {
    /// `Σ c_j x_j`, and if so a multiple of what the output holds. Own bindings: arena, output of that
    /// element type.
    Combine(Layout, DType, bool),
    /// Row 0 in another element type. Own bindings and parameters as for `Combine`.
    Convert(Layout, DType),
    /// `Y = Q X`, so many rows of Y at a time. Own bindings: arena, Y.
    Mix(Layout, usize),
    /// Partial squared distances. Own bindings: the point, partials.
    Distances(Layout),
    /// Partial inner products of pairs of blocks of `tile` rows: of a block with itself, or of two.
    /// Own bindings: centre, partials.
    Pairwise {
        layout: Layout,
        tile: usize,
        points: usize,
        /// Is the last point the anchor?
        given: bool,
        diagonal: bool,
    },
    /// Partial inner products of changed points with blocks of `tile` rows. Own bindings: centre, partials.
    Update {
        layout: Layout,
        tile: usize,
        points: usize,
        given: bool,
    },
    /// `squares`, `inner`, `update` or `finish` of `reduce.wgsl`. Bindings: parameters, partials, arena.
    Reduce(&'static str),
}

impl Kernel {
    pub fn shader(self) -> Shader {
        match self {
            Kernel::Combine(layout, output, anchored) => {
                let head = format!("const ANCHORED: bool = {anchored};\n");
                let parts = [
                    &layout.wgsl(),
                    &head,
                    WEIGHTED_SUM,
                    COMBINE,
                    &target(output),
                ];
                of_rows(
                    format!("combine of {}", layout.rows),
                    "write",
                    layout,
                    &parts,
                )
            }
            Kernel::Convert(layout, output) => {
                let copies = "fn value(k: u32) -> u32 { return x(0u, k); }";
                let (head, _) = COMBINE.split_once("fn value").expect("it defines value");
                let parts = [&layout.wgsl(), head, copies, &target(output)];
                of_rows("convert".into(), "write", layout, &parts)
            }
            Kernel::Mix(layout, block) => {
                let body = mixed_rows(block);
                let parts = [&layout.wgsl(), WEIGHTED_SUM, MIX, &body];
                of_rows(
                    format!("mix of {}", layout.rows),
                    "mix_rows",
                    layout,
                    &parts,
                )
            }
            Kernel::Distances(layout) => {
                let parts = [&layout.wgsl(), DISTANCES];
                of_rows(
                    format!("distances of {}", layout.rows),
                    "distances",
                    layout,
                    &parts,
                )
            }
            Kernel::Pairwise {
                layout,
                tile,
                points,
                given,
                diagonal,
            } => {
                let head = points_of(points, tile, given);
                let entry = if diagonal { "diagonal" } else { "rectangle" };
                let body = products(tile, entry, diagonal);
                let parts = [&layout.wgsl(), &head, PAIRS, PAIRWISE, &body];
                of_rows(
                    format!("pairwise of {points}, {entry}s"),
                    entry,
                    layout,
                    &parts,
                )
            }
            Kernel::Update {
                layout,
                tile,
                points,
                given,
            } => {
                let head = points_of(points, tile, given);
                let parts = [&layout.wgsl(), &head, PAIRWISE, &changed_points(tile)];
                let name = format!("pairwise of {points}, update");
                of_rows(name, "update", layout, &parts)
            }
            Kernel::Reduce(entry) => {
                let bindings = [Bind::Uniform, Bind::Read, Bind::ReadWrite];
                Shader::new(entry, entry, &bindings, &[PAIRS, REDUCE])
            }
        }
    }
}

fn of_rows(name: String, entry: &'static str, layout: Layout, parts: &[&str]) -> Shader {
    Shader::new(
        name,
        entry,
        &layout.bindings([Bind::Read, Bind::ReadWrite]),
        parts,
    )
}

/// What the kernels of inner products know of the points.
fn points_of(points: usize, tile: usize, given: bool) -> String {
    let blocks = points.div_ceil(tile);
    // Without an anchor, a row that there is none of.
    let anchor = if given { points - 1 } else { blocks * tile };
    format!("const BLOCKS: u32 = {blocks}u;\nconst ANCHOR: u32 = {anchor}u;\n")
}

/// The entry point of a register tile.
fn products(tile: usize, entry: &str, diagonal: bool) -> String {
    let blocks = if diagonal {
        "vec2(params.first_pair + pair)"
    } else {
        "pair_of_blocks(params.first_pair + pair, BLOCKS)"
    };
    let mut code = format!(
        "@compute @workgroup_size(64)\n\
         fn {entry}(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, \
         @builtin(local_invocation_index) local: u32) {{\n\
         let linear = group.y * groups.x + group.x;\n\
         let pair = linear % params.pairs;\n\
         let slice = linear / params.pairs * 64u + local;\n\
         if slice >= params.slices {{ return; }}\n\
         let first = {blocks} * {tile}u;\n"
    );
    let partners = |p: usize| if diagonal { p..tile } else { 0..tile };
    let pairs = || (0..tile).flat_map(|p| partners(p).map(move |q| (p, q)));
    for (p, q) in pairs() {
        writeln!(code, "var s{p}_{q} = 0.0;").ok();
    }
    if diagonal {
        (0..tile).for_each(|p| code += &format!("var bad{p} = 0u;\n"));
    }
    code += STEPS;
    for p in 0..tile {
        code += &format!(
            "let e{p} = elements(first.x + {p}u, at);\n\
             let a{p} = centred(first.x + {p}u, e{p}, m, inside);\n"
        );
        if diagonal {
            code += &format!("bad{p} |= select(1u, 0u, all(finite(e{p}) | !inside));\n");
        } else {
            code += &format!(
                "let b{p} = centred(first.y + {p}u, elements(first.y + {p}u, at), m, inside);\n"
            );
        }
    }
    let right = if diagonal { "a" } else { "b" };
    for (p, q) in pairs() {
        code += &format!("s{p}_{q} += dot(a{p}, {right}{q});\n");
    }
    code += "}\n";
    code += &format!(
        "let to = params.sums + pair * {}u * params.slices + slice;\n",
        tile * tile
    );
    for (p, q) in pairs() {
        code += &format!("add(to + {}u * params.slices, s{p}_{q});\n", p * tile + q);
    }
    for p in (0..tile).filter(|_| diagonal) {
        code +=
            &format!("mark(params.marks + (first.x + {p}u) * params.slices + slice, bad{p});\n");
    }
    code + "}\n"
}

/// The entry point of `update`: a point against a block of rows.
fn changed_points(tile: usize) -> String {
    let mut code = format!(
        "@compute @workgroup_size(64)\n\
         fn update(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, \
         @builtin(local_invocation_index) local: u32) {{\n\
         let linear = group.y * groups.x + group.x;\n\
         let pair = linear % params.pairs;\n\
         let slice = linear / params.pairs * 64u + local;\n\
         if slice >= params.slices {{ return; }}\n\
         let c = pair / BLOCKS;\n\
         let i = params.changed[c / 4u][c % 4u];\n\
         let first = pair % BLOCKS * {tile}u;\n\
         var bad = 0u;\n"
    );
    (0..tile).for_each(|q| code += &format!("var s{q} = 0.0;\n"));
    code += STEPS;
    code += "let e = elements(i, at);\n\
             bad |= select(1u, 0u, all(finite(e) | !inside));\n\
             let a = centred(i, e, m, inside);\n";
    for q in 0..tile {
        code += &format!(
            "s{q} += dot(a, centred(first + {q}u, elements(first + {q}u, at), m, inside));\n"
        );
    }
    code += &format!("}}\nlet to = params.sums + pair * {tile}u * params.slices + slice;\n");
    (0..tile).for_each(|q| code += &format!("add(to + {q}u * params.slices, s{q});\n"));
    code + "if pair % BLOCKS == 0u { mark(params.marks + c * params.slices + slice, bad); }\n}\n"
}

/// The loop over an invocation's quads of columns, and the centre's.
const STEPS: &str = "for (var step = 0u; step < params.steps; step++) {\n\
     let k = 4u * ((linear / params.pairs * params.steps + step) * 64u + local);\n\
     let inside = vec4(k, k + 1u, k + 2u, k + 3u) < vec4(params.columns);\n\
     let m = centre_of(k, inside);\nlet at = params.first + k;\n";

/// The entry point of `mix` for blocks of rows.
fn mixed_rows(block: usize) -> String {
    let mut code = format!(
        "@compute @workgroup_size(64)\n\
         fn mix_rows(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, \
         @builtin(local_invocation_index) local: u32) {{\n\
         let linear = group.y * groups.x + group.x;\n\
         let blocks = (params.rows + {block}u - 1u) / {block}u;\n\
         let i = linear % blocks * {block}u;\n\
         let k = 4u * (linear / blocks * 64u + local);\n\
         if k >= params.columns {{ return; }}\n\
         var again = false;\n"
    );
    for row in 0..block {
        code += &format!("var total{row} = vec4<f32>();\n");
    }
    code +=
        "for (var start = 0u; start < ROWS; start += 16u) {\nlet end = min(start + 16u, ROWS);\n";
    for row in 0..block {
        code += &format!("var sum{row} = vec4<f32>();\n");
    }
    code += "for (var j = start; j < end; j++) {\n";
    let names: Vec<String> = (0..block).map(|row| format!("c{row}")).collect();
    for (row, name) in names.iter().enumerate() {
        code += &format!("let {name} = coefficient(i + {row}u, j);\n");
    }
    code += &format!(
        "if (({}) & MAGNITUDE) != 0u {{\n\
         let bits = x4(j, params.first + k);\n\
         again = again || any((bits & vec4(MAGNITUDE)) >= vec4(INFINITY));\n\
         let values = bitcast<vec4<f32>>(bits);\n",
        names.join(" | ")
    );
    for (row, name) in names.iter().enumerate() {
        code += &format!("again = again || !is_finite({name});\n");
        code += &format!("sum{row} += bitcast<f32>({name}) * values;\n");
    }
    code += "}\n}\n";
    for row in 0..block {
        code += &format!("total{row} += sum{row};\n");
    }
    code += "}\n";
    for row in 0..block {
        code += &format!("put(i + {row}u, k, total{row}, again);\n");
    }
    code + "}\n"
}
