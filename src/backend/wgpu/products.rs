//! The kernels of inner products: what is generated around `shaders/pairwise.wgsl`.

use super::layout::Layout;
use super::policy::SLICE_COLUMNS;

/// What they depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Products {
    pub layout: Layout,
    /// Rows of a block.
    pub tile: usize,
    pub points: usize,
    /// Is the last point the anchor?
    pub given: bool,
    /// Does an invocation add up sums of `SLICE_COLUMNS` columns before they go to memory?
    pub long: bool,
    /// Are the sums added to those that are there?
    pub accumulate: bool,
}

impl Products {
    /// What `pairwise.wgsl` knows of the points.
    pub fn constants(&self) -> String {
        let blocks = self.points.div_ceil(self.tile);
        // Without an anchor, a row that there is none of.
        let anchor = match self.given {
            true => self.points - 1,
            false => blocks * self.tile,
        };
        format!(
            "const BLOCKS: u32 = {blocks}u;\nconst ANCHOR: u32 = {anchor}u;\n\
             const GIVEN: bool = {};\nconst ACCUMULATE: bool = {};\n",
            self.given, self.accumulate
        )
    }

    /// The entry point of a register tile.
    pub fn of_blocks(&self, entry: &str, diagonal: bool) -> String {
        let tile = self.tile;
        let blocks = match diagonal {
            true => "vec2(params.first_pair + pair)",
            false => "pair_of_blocks(params.first_pair + pair, BLOCKS)",
        };
        let mut code = head(entry) + &format!("let first = {blocks} * {tile}u;\n");
        let partners = |p: usize| if diagonal { p..tile } else { 0..tile };
        let pairs = || (0..tile).flat_map(|p| partners(p).map(move |q| (p, q)));
        if diagonal {
            (0..tile).for_each(|p| code += &format!("var bad{p} = 0u;\n"));
        }
        let mut body = String::new();
        for p in 0..tile {
            body += &format!(
                "let e{p} = elements(first.x + {p}u, at);\n\
                 let a{p} = centred(first.x + {p}u, e{p}, m, inside);\n"
            );
            body += &match diagonal {
                true => format!("bad{p} |= select(1u, 0u, all(finite(e{p}) | !inside));\n"),
                false => format!(
                    "let b{p} = centred(first.y + {p}u, elements(first.y + {p}u, at), m, inside);\n"
                ),
            };
        }
        let right = if diagonal { "a" } else { "b" };
        for (p, q) in pairs() {
            body += &format!("s{p}_{q} += dot(a{p}, {right}{q});\n");
        }
        let sums: Vec<String> = pairs().map(|(p, q)| format!("{p}_{q}")).collect();
        let of = self.summed(&mut code, &sums, &body);
        code += &format!(
            "let to = params.sums + pair * {}u * params.slices + slice;\n",
            tile * tile
        );
        for (p, q) in pairs() {
            let at = p * tile + q;
            code += &format!("add(to + {at}u * params.slices, {of}{p}_{q});\n");
        }
        for p in (0..tile).filter(|_| diagonal) {
            code += &format!(
                "mark(params.marks + (first.x + {p}u) * params.slices + slice, bad{p});\n"
            );
        }
        code + "}\n"
    }

    /// The entry point of `update`: a point against a block of rows.
    pub fn of_changed_points(&self) -> String {
        let tile = self.tile;
        let mut code = head("update")
            + &format!(
                "let c = pair / BLOCKS;\n\
                 let i = params.changed[c / 4u][c % 4u];\n\
                 let first = pair % BLOCKS * {tile}u;\n\
                 var bad = 0u;\n"
            );
        let mut body = String::from(
            "let e = elements(i, at);\n\
             bad |= select(1u, 0u, all(finite(e) | !inside));\n\
             let a = centred(i, e, m, inside);\n",
        );
        for q in 0..tile {
            body += &format!(
                "s{q} += dot(a, centred(first + {q}u, elements(first + {q}u, at), m, inside));\n"
            );
        }
        let sums: Vec<String> = (0..tile).map(|q| q.to_string()).collect();
        let of = self.summed(&mut code, &sums, &body);
        code += &format!("let to = params.sums + pair * {tile}u * params.slices + slice;\n");
        (0..tile).for_each(|q| code += &format!("add(to + {q}u * params.slices, {of}{q});\n"));
        code + "if pair % BLOCKS == 0u { mark(params.marks + c * params.slices + slice, bad); }\n}\n"
    }

    /// The loop over an invocation's quads of columns. Its body adds to s and each of these names; what is
    /// returned stands before the names of the totals.
    fn summed(&self, code: &mut String, sums: &[String], body: &str) -> &'static str {
        let zero = |code: &mut String, of: &str| {
            (sums.iter()).for_each(|sum| *code += &format!("var {of}{sum} = 0.0;\n"));
        };
        let step = "let k = 4u * (quad + step * params.lanes);\n\
             let inside = vec4(k, k + 1u, k + 2u, k + 3u) < vec4(params.columns);\n\
             let m = centre_of(k, inside);\nlet at = params.first + k;\n";
        if !self.long {
            zero(code, "s");
            *code +=
                &format!("for (var step = 0u; step < params.steps; step++) {{\n{step}{body}}}\n");
            return "s";
        }
        let most = SLICE_COLUMNS / 4;
        zero(code, "t");
        *code += &format!("for (var start = 0u; start < params.steps; start += {most}u) {{\n");
        zero(code, "s");
        *code += &format!(
            "let end = min(start + {most}u, params.steps);\n\
             for (var step = start; step < end; step++) {{\n{step}{body}}}\n"
        );
        (sums.iter()).for_each(|sum| *code += &format!("t{sum} += s{sum};\n"));
        *code += "}\n";
        "t"
    }
}

/// Where an entry point begins: its invocation's pair of blocks, and slice of the columns.
fn head(entry: &str) -> String {
    format!(
        "@compute @workgroup_size(64)\n\
         fn {entry}(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, \
         @builtin(local_invocation_index) local: u32) {{\n\
         let linear = group.y * groups.x + group.x;\n\
         let pair = linear % params.pairs;\n\
         let slice = linear / params.pairs * 64u + local;\n\
         if slice >= params.slices {{ return; }}\n\
         let quad = first_quad(linear / params.pairs, local, params.steps, params.lanes);\n"
    )
}
