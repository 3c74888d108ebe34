//! The kernels beside `columns`: their shaders and parameters.

use bytemuck::{Pod, Zeroable};

use super::layout::{Extent, Layout, target};
use super::products::Products;
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
    pub steps: u32,
    pub lanes: u32,
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
    pub lanes: u32,
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
    /// Partial inner products of pairs of blocks of rows: of a block with itself (`true`), or of two. Own
    /// bindings: centre, partials.
    Pairwise(Products, bool),
    /// Partial inner products of changed points with blocks of rows. Own bindings: centre, partials.
    Update(Products),
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
            Kernel::Pairwise(products, diagonal) => {
                let entry = if diagonal { "diagonal" } else { "rectangle" };
                let parts = [
                    &products.layout.wgsl(),
                    &products.constants(),
                    PAIRS,
                    PAIRWISE,
                    &products.of_blocks(entry, diagonal),
                ];
                let name = format!("pairwise of {}, {entry}s", products.points);
                of_rows(name, entry, products.layout, &parts)
            }
            Kernel::Update(products) => {
                let parts = [
                    &products.layout.wgsl(),
                    &products.constants(),
                    PAIRWISE,
                    &products.of_changed_points(),
                ];
                let name = format!("pairwise of {}, update", products.points);
                of_rows(name, "update", products.layout, &parts)
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
