//! The kernels of `columns` that take four columns at a time, on a device: they give the same bits as those that
//! take one, which are compared with a reference beside that.

use super::columns::{MIDPOINT, kernel, statistics, test};
use super::harness::device;
use crate::backend::wgpu::columns::ColumnsKernel;
use crate::backend::wgpu::layout::{Layout, Quads};

/// Checks a kernel with one column for each invocation and with four, which give the same.
fn agrees_with_quads(kernel: &ColumnsKernel, seed: u64) {
    let quads = ColumnsKernel {
        quads: true,
        ..*kernel
    };
    assert_eq!(test(kernel, seed), test(&quads, seed), "{kernel:?}");
}

/// A layout of so many rows, which decide what else it is.
pub fn with_quads(rows: usize, quads: Quads) -> Layout {
    Layout {
        quads,
        groups: 2 - rows % 2,
        shared: rows.is_multiple_of(3),
        ..kernel(rows, MIDPOINT, false).layout
    }
}

#[test]
fn four_columns_at_a_time_are_the_same_columns() {
    let kinds = kinds_of_quads();
    // Every statistic and kind of load with even and with odd numbers of rows.
    for rows in 1..=33 {
        let kernel = ColumnsKernel {
            layout: with_quads(rows, kinds[rows / 8 % kinds.len()]),
            ..kernel(rows, statistics(rows)[rows / 2 % 4], false)
        };
        agrees_with_quads(&kernel, 10);
    }
}

#[test]
fn four_columns_with_weights_are_the_same_columns() {
    for rows in [1, 2, 5, 12] {
        for quads in kinds_of_quads() {
            for statistic in &statistics(rows)[..3] {
                let kernel = ColumnsKernel {
                    layout: with_quads(rows, quads),
                    ..kernel(rows, *statistic, true)
                };
                agrees_with_quads(&kernel, 11);
            }
        }
    }
}

/// Those that the device has.
fn kinds_of_quads() -> Vec<Quads> {
    let longs = device().is_some_and(|device| device.prefers_longs());
    match longs {
        true => vec![Quads::Words, Quads::Longs],
        false => vec![Quads::Words],
    }
}
