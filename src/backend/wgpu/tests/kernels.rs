//! The shaders beside `columns` and the plan's, as text.

use std::mem::offset_of;

use super::naga::{check_struct, validate, writes_msl_and_hlsl, writes_where_it_runs};
use crate::DType;
use crate::backend::wgpu::kernels::{
    CombineParams, DistancesParams, Kernel, MixParams, PairwiseParams, ReduceParams,
};
use crate::backend::wgpu::layout::{Layout, Quads};
use crate::backend::wgpu::policy;
use crate::backend::wgpu::products::Products;

const DTYPES: [DType; 3] = [DType::F32, DType::Bf16, DType::F16];

fn layouts(rows: usize) -> impl Iterator<Item = Layout> {
    let groups = [1, 3, 9].into_iter().filter(move |groups| *groups <= rows);
    let kinds = groups.flat_map(|groups| DTYPES.map(|dtype| (groups, dtype)));
    kinds.flat_map(move |(groups, dtype)| {
        [false, true].map(|shared| Layout {
            rows,
            dtype,
            groups,
            shared,
            strided: false,
            quads: Quads::OneByOne,
        })
    })
}

#[test]
fn shaders_are_valid_for_every_layout() {
    for rows in [1, 2, 3, 25, 257] {
        for layout in layouts(rows) {
            let outputs = DTYPES.into_iter();
            let writing = outputs.flat_map(|output| {
                [
                    Kernel::Combine(layout, output, false),
                    Kernel::Combine(layout, output, true),
                    Kernel::Convert(layout, output),
                ]
            });
            let others = [
                Kernel::Mix(layout, 1),
                Kernel::Mix(layout, 8),
                Kernel::Distances(layout),
            ];
            for kernel in writing.chain(others) {
                writes_msl_and_hlsl(&kernel.shader());
            }
        }
    }
}

#[test]
fn shaders_of_inner_products_are_valid_for_any_number_of_rows() {
    for rows in [1, 2, 3, 5, 8, 9, 10, 25, 31, 32, 33, 64, 100, 257, 1024] {
        for (points, given) in [(rows, false), (rows + 1, false), (rows + 2, true)] {
            for (diagonal, software) in [(true, true), (false, true), (true, false), (false, false)]
            {
                let layout = Layout {
                    rows,
                    dtype: DType::F32,
                    groups: 1,
                    shared: false,
                    strided: false,
                    quads: Quads::OneByOne,
                };
                let tile = policy::tile(points, software);
                let products = Products {
                    layout,
                    tile,
                    points,
                    given,
                    long: software,
                    accumulate: diagonal == given,
                };
                writes_msl_and_hlsl(&Kernel::Pairwise(products, diagonal).shader());
                if diagonal {
                    writes_msl_and_hlsl(&Kernel::Update(products).shader());
                }
            }
        }
    }
}

fn products(layout: Layout) -> Products {
    Products {
        layout,
        tile: 9,
        points: layout.rows,
        given: false,
        long: true,
        accumulate: false,
    }
}

#[test]
fn shaders_that_load_four_columns_are_valid() {
    for layout in layouts(25).filter(|layout| layout.dtype == DType::F32) {
        for quads in [Quads::Words, Quads::Longs] {
            let layout = Layout { quads, ..layout };
            for kernel in [
                Kernel::Pairwise(products(layout), false),
                Kernel::Mix(layout, 8),
                Kernel::Distances(layout),
                Kernel::Combine(layout, DType::F32, true),
            ] {
                writes_where_it_runs(&kernel.shader());
            }
        }
    }
}

#[test]
fn shaders_that_add_up_are_valid() {
    for entry in ["squares", "inner", "update", "finish"] {
        writes_msl_and_hlsl(&Kernel::Reduce(entry).shader());
    }
}

macro_rules! fields {
    ($ty:ty: $($field:ident),+) => {
        (size_of::<$ty>(), [$((stringify!($field), offset_of!($ty, $field))),+])
    };
}

#[test]
fn parameters_agree() {
    let layout = layouts(25).next().expect("there are some");
    let agrees = |kernel: Kernel, size: usize, fields: &[(&str, usize)]| {
        let (module, _) = validate(&kernel.shader());
        check_struct(&module, "Params", size, fields);
    };
    let (size, fields) =
        fields!(CombineParams: extent, coefficients, padding_a, padding_b, padding_c);
    agrees(Kernel::Combine(layout, DType::F32, true), size, &fields);
    agrees(Kernel::Convert(layout, DType::F32), size, &fields);
    let (size, fields) =
        fields!(MixParams: first, columns, rows, mixing, out, pitch, padding_a, padding_b);
    agrees(Kernel::Mix(layout, 8), size, &fields);
    let (size, fields) =
        fields!(DistancesParams: first, columns, centre, slices, marks, accumulate, steps, lanes);
    agrees(Kernel::Distances(layout), size, &fields);
    let (size, fields) = fields!(PairwiseParams: first, columns, slices, pairs, first_pair, sums, marks, steps, lanes,
            centre, anchor, padding, changed);
    agrees(Kernel::Pairwise(products(layout), true), size, &fields);
    agrees(Kernel::Update(products(layout)), size, &fields);
    let (size, fields) = fields!(ReduceParams: slices, count, sums, marks, out, classes, weights,
        points, rows, blocks, tile, first_pair, diagonal, anchor, padding_a, padding_b, changed);
    agrees(Kernel::Reduce("inner"), size, &fields);
}

/// llvmpipe ends all loops of an invocation after 65,535 iterations together, without an error.
///
/// combine and mix loop over the rows, for two columns where halves are written; pairwise and distances over
/// the columns of a slice in a chunk; reduce over the slices.
const _: () = {
    assert!(2 * (policy::ROWS + policy::ROWS / 16) < policy::ITERATIONS);
    assert!(2 * policy::SLICE_COLUMNS < policy::ITERATIONS);
    assert!(2 * policy::SLICES / 64 + policy::SLICES / 1024 < policy::ITERATIONS);
};
