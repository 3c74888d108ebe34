//! How shaders see a matrix and a result: generated bindings and accessors.

use bytemuck::{Pod, Zeroable};

use super::shader::Bind;
use crate::DType;

/// Uniform arrays have elements of 16 bytes.
const BASES: usize = 4;

/// Words of integers of 64 bits, the lower one first.
const OF_LONGS: &str = "fn word(i: u32, at: u32) -> u32 {\n\
     return u32(long(i, at) >> (32u * (at & 1u)));\n}\n\
     fn quad(i: u32, at: u32) -> vec4<u32> {\n\
     let pair = longs(i, at);\n\
     return vec4(u32(pair.x), u32(pair.x >> 32u), u32(pair.y), u32(pair.y >> 32u));\n}\n";

/// The rows of a matrix in one or several bindings.
///
/// Bindings: 0 the kernel's parameters, 1 each row's first element in its binding (or
/// the first row's and a stride), from [`Layout::FIRST`]
/// on the elements as words. Binding 2 and 3 are the kernel's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Layout {
    pub rows: usize,
    /// f32, bf16 or f16.
    pub dtype: DType,
    /// Bindings; row i is in binding i / [`Layout::rows_per_group`].
    pub groups: usize,
    /// Is the output in one of these buffers? A buffer may not be read-only and written at a time.
    pub shared: bool,
    /// Is the first row's base followed by one stride, instead of each row's base? Only in one group.
    pub strided: bool,
    pub quads: Quads,
}

/// How four columns of a row are loaded. At a time only f32, with bases that are multiples of 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Quads {
    OneByOne,
    /// As four words.
    Words,
    /// As two integers of 64 bits, on devices that have them.
    Longs,
}

impl Layout {
    pub const FIRST: usize = 4;

    pub fn rows_per_group(&self) -> usize {
        self.rows.div_ceil(self.groups)
    }

    /// The kinds of all bindings, given the kernel's own two.
    pub fn bindings(&self, own: [Bind; 2]) -> Vec<Bind> {
        let element = if self.shared {
            Bind::ReadWrite
        } else {
            Bind::Read
        };
        let mut bindings = vec![Bind::Uniform, Bind::Uniform, own[0], own[1]];
        bindings.extend(vec![element; self.groups]);
        bindings
    }

    /// Declares the bindings, `ROWS`, `x(i, k)`: the f32 bits of row i's element in column k, and `x4(i, k)`:
    /// those of four columns from k on, a multiple of 4.
    pub fn wgsl(&self) -> String {
        let access = if self.shared { "read_write" } else { "read" };
        let vectors = if self.strided {
            1
        } else {
            self.rows.div_ceil(BASES)
        };
        let mut code = format!(
            "const ROWS: u32 = {}u;\n\
             @group(0) @binding(1) var<uniform> bases: array<vec4<u32>, {vectors}>;\n",
            self.rows
        );
        let element = match self.quads {
            Quads::OneByOne => "u32",
            Quads::Words => "vec4<u32>",
            Quads::Longs => "vec2<u64>",
        };
        for group in 0..self.groups {
            let binding = Self::FIRST + group;
            code += &format!(
                "@group(0) @binding({binding}) var<storage, {access}> part{group}: array<{element}>;\n"
            );
        }
        code += &match self.quads {
            Quads::OneByOne => self.switch("fn word(i: u32, at: u32) -> u32", "at"),
            Quads::Words => {
                self.switch("fn word(i: u32, at: u32) -> u32", "at / 4u][at % 4u")
                    + &self.switch("fn quad(i: u32, at: u32) -> vec4<u32>", "at / 4u")
            }
            Quads::Longs => {
                self.switch("fn long(i: u32, at: u32) -> u64", "at / 4u][at / 2u % 2u")
                    + &self.switch("fn longs(i: u32, at: u32) -> vec2<u64>", "at / 4u")
                    + OF_LONGS
            }
        };
        let quads = self.quads != Quads::OneByOne;
        let at = match self.strided {
            // A fifth less time than a base for each row, at 25 rows (llvmpipe).
            true => "let at = bases[0].x + i * bases[0].y + k;\n",
            false => "let at = bases[i / 4u][i % 4u] + k;\n",
        };
        let load = match self.dtype {
            DType::Bf16 => {
                "return from_bf16((word(i, at >> 1u) >> (16u * (at & 1u))) & 0xffffu);\n"
            }
            DType::F16 => "return from_f16((word(i, at >> 1u) >> (16u * (at & 1u))) & 0xffffu);\n",
            _ => "return word(i, at);\n",
        };
        let quad = match quads {
            true => "return quad(i, at);\n",
            false => "return vec4(x(i, k), x(i, k + 1u), x(i, k + 2u), x(i, k + 3u));\n",
        };
        let at_quad = if quads { at } else { "" };
        code + &format!(
            "fn x(i: u32, k: u32) -> u32 {{\n{at}{load}}}\n\
             fn x4(i: u32, k: u32) -> vec4<u32> {{\n{at_quad}{quad}}}\n"
        )
    }

    /// A function that indexes the binding of row i.
    fn switch(&self, head: &str, index: &str) -> String {
        if self.groups == 1 {
            return format!("{head} {{\nreturn part0[{index}];\n}}\n");
        }
        let mut code = format!("{head} {{\nswitch i / {}u {{\n", self.rows_per_group());
        for group in 1..self.groups {
            code += &format!("case {group}u: {{ return part{group}[{index}]; }}\n");
        }
        code + &format!("default: {{ return part0[{index}]; }}\n}}\n}}\n")
    }
}

/// Which columns a kernel computes and where they go: `Extent` of `shaders/target.wgsl`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Extent {
    /// The first column of the source.
    pub first: u32,
    pub columns: u32,
    /// The first element of the output. `out + columns` fits.
    pub out: u32,
    pub padding: u32,
}

impl Extent {
    /// The words of the output, each the work of an invocation.
    pub fn words(&self, output: DType) -> u32 {
        let per_word = (4 / output.size()).max(1) as u32;
        (self.out + self.columns).div_ceil(per_word) - self.out / per_word
    }
}

/// Where a kernel writes, `shaders/target.wgsl`: the number of elements in a word, and how they get there.
fn place(dtype: DType) -> String {
    let (halves, to, from) = match dtype {
        DType::Bf16 => (2, "to_bf16(bits)", "from_bf16(bits)"),
        DType::F16 => (2, "to_f16(bits)", "from_f16(bits)"),
        _ => (1, "bits", "bits"),
    };
    let head = format!(
        "const HALVES: u32 = {halves}u;\nfn to_half(bits: u32) -> u32 {{ return {to}; }}\n\
         fn from_half(bits: u32) -> u32 {{ return {from}; }}\n"
    );
    head + include_str!("../../../shaders/target.wgsl")
}

/// The entry point `write` for the words of an output.
pub(crate) fn target(dtype: DType) -> String {
    place(dtype) + include_str!("../../../shaders/write.wgsl")
}

/// The entry point `write` for four elements at a time, f32.
pub(crate) fn target_of_quads() -> String {
    place(DType::F32) + include_str!("../../../shaders/write_quads.wgsl")
}
