//! The shaders of `columns` as text.

use std::mem::offset_of;

use super::columns_quads::with_quads;
use super::naga::{check_struct, validate, writes_msl_and_hlsl, writes_where_it_runs};
use crate::DType;
use crate::backend::wgpu::columns::{ColumnsKernel, Params};
use crate::backend::wgpu::layout::{Extent, Layout, Quads};
use crate::backend::wgpu::policy::ITERATIONS;
use crate::plan::{Statistic, Ties, Trim};

const ROWS: [usize; 15] = [1, 2, 3, 5, 8, 25, 31, 32, 33, 64, 100, 128, 129, 257, 1024];

fn kernel(rows: usize, statistic: Statistic, weighted: bool) -> ColumnsKernel {
    ColumnsKernel {
        layout: Layout {
            rows,
            dtype: DType::F32,
            groups: 1,
            shared: false,
            strided: false,
            quads: Quads::OneByOne,
        },
        statistic,
        weighted,
        output: DType::F32,
        quads: false,
    }
}

fn kernels(rows: usize) -> Vec<ColumnsKernel> {
    let f = (rows - 1) / 3;
    [
        Statistic::Median(Ties::Lower),
        Statistic::Median(Ties::Upper),
        Statistic::Median(Ties::Midpoint),
        Statistic::TrimmedMean(Trim::F(0)),
        Statistic::TrimmedMean(Trim::F(f)),
        Statistic::TrimmedMean(Trim::Lambda(0.21)),
        Statistic::TrimmedMean(Trim::Lambda(0.5 - 1e-12)),
        Statistic::MeanAroundMedian { f: 0 },
        Statistic::MeanAroundMedian { f },
    ]
    .into_iter()
    .flat_map(|statistic| [false, true].map(|weighted| kernel(rows, statistic, weighted)))
    .collect()
}

#[test]
fn shaders_of_every_statistic_are_valid() {
    for rows in ROWS {
        for kernel in kernels(rows) {
            writes_msl_and_hlsl(&kernel.shader());
        }
    }
}

#[test]
fn shaders_for_four_columns_are_valid() {
    for rows in 1..=33 {
        for quads in [Quads::Words, Quads::Longs] {
            for kernel in kernels(rows) {
                let wide = ColumnsKernel {
                    layout: with_quads(rows, quads),
                    quads: true,
                    ..kernel
                };
                writes_where_it_runs(&wide.shader());
            }
        }
    }
}

#[test]
fn four_columns_are_for_software_and_what_can_be_loaded() {
    let extent = Extent {
        columns: 100,
        ..Extent::default()
    };
    let aligned = |rows| {
        let kernel = kernel(rows, Statistic::Median(Ties::Midpoint), false);
        ColumnsKernel {
            layout: Layout {
                quads: Quads::Words,
                ..kernel.layout
            },
            ..kernel
        }
    };
    assert!(aligned(25).widened(true, extent).quads);
    let cases = [
        ("hardware", aligned(25), false, extent),
        ("many rows", aligned(129), true, extent),
        (
            "rows anywhere",
            kernel(25, Statistic::Median(Ties::Midpoint), false),
            true,
            extent,
        ),
        (
            "columns from anywhere",
            aligned(25),
            true,
            Extent { first: 2, ..extent },
        ),
        (
            "halves",
            ColumnsKernel {
                output: DType::Bf16,
                ..aligned(25)
            },
            true,
            extent,
        ),
    ];
    for (what, kernel, software, extent) in cases {
        assert!(!kernel.widened(software, extent).quads, "{what}");
    }
}

#[test]
fn shaders_for_every_layout_are_valid() {
    let dtypes = [DType::F32, DType::Bf16, DType::F16];
    for rows in [3, 25, 129] {
        for (input, output) in dtypes.iter().flat_map(|&a| dtypes.map(|b| (a, b))) {
            for (groups, shared) in [(1, false), (1, true), (3, false), (3, true)] {
                let layout = Layout {
                    rows,
                    dtype: input,
                    groups,
                    shared,
                    strided: false,
                    quads: Quads::OneByOne,
                };
                for weighted in [false, true] {
                    let kernel = ColumnsKernel {
                        layout,
                        output,
                        ..kernel(rows, Statistic::Median(Ties::Midpoint), weighted)
                    };
                    writes_msl_and_hlsl(&kernel.shader());
                }
            }
        }
    }
}

#[test]
fn parameters_lie_where_the_shader_reads_them() {
    let (module, _) = validate(&kernel(5, Statistic::Median(Ties::Midpoint), false).shader());
    let extent = [
        ("first", offset_of!(Extent, first)),
        ("columns", offset_of!(Extent, columns)),
        ("out", offset_of!(Extent, out)),
        ("padding", offset_of!(Extent, padding)),
    ];
    check_struct(&module, "Extent", size_of::<Extent>(), &extent);
    let params = [
        ("extent", offset_of!(Params, extent)),
        ("weights", offset_of!(Params, weights)),
        ("low", offset_of!(Params, low)),
        ("high", offset_of!(Params, high)),
        ("start", offset_of!(Params, start)),
        ("end", offset_of!(Params, end)),
        ("part", offset_of!(Params, part)),
        ("scale", offset_of!(Params, scale)),
        ("keep", offset_of!(Params, keep)),
    ];
    check_struct(&module, "Params", size_of::<Params>(), &params);
    assert_eq!(size_of::<Params>() % 16, 0);
}

/// Iterations as the loops of search.wgsl and target.wgsl have them.
fn iterations(kernel: &ColumnsKernel, rows: usize) -> usize {
    let rounds = rows.div_ceil(4);
    let search = 32 + 32 * rounds;
    let column = match kernel.statistic {
        Statistic::Median(_) => search,
        Statistic::MeanAroundMedian { f } if f > 0 => 3 * search + 2 * rounds,
        _ => search + rounds,
    };
    match kernel.output {
        DType::Bf16 | DType::F16 => 2 + 2 * column,
        _ => column,
    }
}

#[test]
fn max_rows_is_where_loops_get_too_long() {
    for output in [DType::F32, DType::Bf16, DType::F16] {
        for kernel in kernels(1024) {
            let kernel = ColumnsKernel { output, ..kernel };
            let most = kernel.max_rows();
            assert!(most >= 1024, "{kernel:?}: {most}");
            assert!(
                iterations(&kernel, most) <= ITERATIONS,
                "{kernel:?}: {most}"
            );
            assert!(
                iterations(&kernel, most + 8) > ITERATIONS,
                "{kernel:?}: {most}"
            );
        }
    }
}
