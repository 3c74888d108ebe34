//! Kernels for a statistic of every column: `shaders/columns.wgsl` and what is generated around it.

mod search;
mod straight;

use bytemuck::{Pod, Zeroable};

use super::layout::{Extent, Layout, Quads, target, target_of_quads};
use super::policy::{self, ITERATIONS, STRAIGHT_ROWS, STRAIGHT_WEIGHTED_ROWS};
use super::shader::{Bind, Shader};
use crate::DType;
use crate::backend::ranks::{Form, Ranks};
use crate::plan::Statistic;

/// Which kernel.
///
/// Bindings: 0 [`Params`], 1 the rows' bases, 2 the arena with the weights (i32), 3 the output, from
/// [`Layout::FIRST`] on the rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ColumnsKernel {
    pub layout: Layout,
    /// Not the mean, which is a combination. Its parameters are in range: 2f < n, λ < ½.
    pub statistic: Statistic,
    /// Have the rows weights? The mean around the median knows none.
    pub weighted: bool,
    pub output: DType,
    /// Does an invocation of the network have four columns? Not with [`Quads::OneByOne`]; for an output of f32, and a first
    /// column that is a multiple of 4.
    pub quads: bool,
}

/// Names for what `shaders/columns.wgsl` computes with: one column.
const ONE: &str = "alias U = u32;\nalias I = i32;\nalias F = f32;\nalias B = bool;\n\
                   fn elements(i: u32, k: u32) -> U { return x(i, k); }\n";

/// The same for four columns.
const FOUR: &str = "alias U = vec4<u32>;\nalias I = vec4<i32>;\nalias F = vec4<f32>;\nalias B = vec4<bool>;\n\
                    fn elements(i: u32, k: u32) -> U { return x4(i, k); }\n";

/// `Params` of `shaders/columns.wgsl`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Params {
    pub extent: Extent,
    pub weights: u32,
    pub low: i32,
    pub high: i32,
    pub start: i32,
    pub end: i32,
    pub part: f32,
    pub scale: f32,
    pub keep: i32,
}

impl ColumnsKernel {
    /// The same with four columns for each invocation where that is possible and faster.
    pub fn widened(self, software: bool, extent: Extent) -> Self {
        let possible = self.layout.quads != Quads::OneByOne
            && self.output == DType::F32
            && self.is_straight()
            && extent.first.is_multiple_of(4);
        let quads = possible && policy::quads(self.layout.rows, self.has_weights(), software);
        ColumnsKernel { quads, ..self }
    }

    /// The shader. Kernels that differ in numbers only, not in code, have the same one.
    pub fn shader(&self) -> Shader {
        let rows = self.layout.rows;
        let weighted = self.has_weights();
        let (how, value) = match self.form() {
            _ if !self.is_straight() => ("searched", search::code(rows, weighted, self.form())),
            form if weighted => ("sorted", straight::weighted(rows, form)),
            form => {
                let cut = form.cut(rows, false, rows as i32);
                ("selected", straight::unweighted(rows, form, &cut))
            }
        };
        let what = match self.form() {
            Form::Median(_) => "median",
            Form::Trimmed(_) => "trimmed mean",
            Form::Around { .. } => "mean around the median",
        };
        let (width, target) = match self.quads {
            true => (FOUR, target_of_quads()),
            false => (ONE, target(self.output)),
        };
        Shader::new(
            format!("{what} of {rows} rows, {how}"),
            "write",
            &self.layout.bindings([Bind::Read, Bind::ReadWrite]),
            &[
                &target,
                &self.layout.wgsl(),
                width,
                include_str!("../../../shaders/columns.wgsl"),
                &value,
            ],
        )
    }

    /// The numbers for a run: `weights_at` is the word of the arena where the weights start, `total`
    /// their sum, at most 2³⁰. Without weights both are ignored.
    pub fn params(&self, extent: Extent, weights_at: u32, total: i32) -> Params {
        let total = if self.has_weights() {
            total
        } else {
            self.layout.rows as i32
        };
        let Ranks {
            low,
            high,
            start,
            end,
            part,
            scale,
            keep,
        } = self
            .form()
            .ranks(self.layout.rows, self.has_weights(), total);
        Params {
            extent,
            weights: weights_at,
            low,
            high,
            start,
            end,
            part,
            scale,
            keep,
        }
    }

    /// How many invocations a run takes.
    pub fn invocations(&self, extent: Extent) -> u32 {
        match self.quads {
            true => extent.columns.div_ceil(4),
            false => extent.words(self.output),
        }
    }

    /// How many rows this statistic can have: more would take too many iterations of loops.
    pub fn max_rows(&self) -> usize {
        // An invocation that writes halves computes two columns, in a loop.
        let columns = 4 / self.output.size().clamp(1, 4);
        4 * search::rounds(ITERATIONS / columns - 1, self.form())
    }

    fn has_weights(&self) -> bool {
        self.weighted && !matches!(self.statistic, Statistic::MeanAroundMedian { .. })
    }

    fn is_straight(&self) -> bool {
        let most = if self.has_weights() {
            STRAIGHT_WEIGHTED_ROWS
        } else {
            STRAIGHT_ROWS
        };
        self.layout.rows <= most
    }

    fn form(&self) -> Form {
        Form::of(self.statistic)
    }
}
