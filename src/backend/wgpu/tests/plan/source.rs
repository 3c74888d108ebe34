//! Every shader of the plan validates, translates for Metal and DX12, and agrees with the host about
//! its parameters.

use std::mem::offset_of;

use crate::backend::wgpu::plan::params;
use crate::backend::wgpu::plan::source::Family;
use crate::backend::wgpu::tests::naga::{check_struct, validate, writes_msl_and_hlsl};

fn entries(family: Family) -> &'static [&'static str] {
    match family {
        Family::Mean => &["mean"],
        Family::Krum => &["score", "choose"],
        Family::Nearest => &["ctma", "nnm", "monna"],
        Family::Clipping => &["limit", "clip", "clip_to_given", "clip_to_limit"],
        Family::Product => &["product"],
        Family::Mix => &["classify", "share", "multiply", "bound", "finish"],
        Family::Distances => &["locate", "measure"],
        Family::Weiszfeld => &["weiszfeld"],
        Family::CenteredClipping => &["centered_clipping"],
    }
}

#[test]
fn every_shader_translates() {
    for family in Family::ALL {
        for (points, tolerance) in [(1, true), (1025, false)] {
            for entry in entries(family) {
                let shader = family.shader(entry, points, tolerance);
                writes_msl_and_hlsl(&shader);
                let (module, _) = validate(&shader);
                assert_eq!(
                    module.entry_points.len(),
                    entries(family).len(),
                    "{family:?}"
                );
            }
        }
    }
}

/// Bytes of workgroup memory.
#[test]
fn workgroup_memory_suffices() {
    for family in Family::ALL {
        let shader = family.shader(entries(family)[0], 1025, true);
        let (module, _) = validate(&shader);
        let gctx = module.to_ctx();
        let used: u32 = module
            .global_variables
            .iter()
            .filter(|(_, v)| v.space == naga::AddressSpace::WorkGroup)
            .map(|(_, v)| module.types[v.ty].inner.size(gctx))
            .sum();
        assert!(used <= 16 << 10, "{family:?}: {used}");
    }
}

/// Checks names, offsets and size of a struct.
fn agrees(family: Family, name: &str, size: usize, fields: &[(&str, usize)]) {
    let (module, _) = validate(&family.shader(entries(family)[0], 25, false));
    check_struct(&module, name, size, fields);
}

macro_rules! fields {
    ($ty:ty: $($field:ident),+) => {
        (size_of::<$ty>(), [$((stringify!($field), offset_of!($ty, $field))),+])
    };
}

#[test]
fn parameters_agree() {
    use params::*;
    let (size, fields) = fields!(Geometry: gram, classes, n, points);
    Family::ALL
        .iter()
        .for_each(|family| agrees(*family, "Geometry", size, &fields));
    let (size, fields) = fields!(Mean: stride, first, n, weights, total, out);
    agrees(Family::Mean, "Params", size, &fields);
    let (size, fields) = fields!(Krum: geometry, stride, first, neighbours, m, scores, out);
    agrees(Family::Krum, "Params", size, &fields);
    let (size, fields) = fields!(Nearest: geometry, stride, first, weights, squares, pivot, out,
        keep, whole, fraction, low, high);
    agrees(Family::Nearest, "Params", size, &fields);
    let (size, fields) = fields!(Clipping: geometry, stride, first, out, c, limit, place);
    agrees(Family::Clipping, "Params", size, &fields);
    let (size, fields) = fields!(Product: stride, first, outer, inner, rows, n, out, anchored);
    agrees(Family::Product, "Params", size, &fields);
    let (size, fields) = fields!(Mix: geometry, mixed, stride, first, mixing, scratch);
    agrees(Family::Mix, "Params", size, &fields);
    let (size, fields) = fields!(Distances: geometry, mixed, stride, first, coefficients, mixing,
        out, scratch, anchored);
    agrees(Family::Distances, "Params", size, &fields);
    let (size, fields) = fields!(Weiszfeld: geometry, stride, first, weights, out, scratch, begin,
        steps, nu, tolerance);
    agrees(Family::Weiszfeld, "Params", size, &fields);
    let (size, fields) = fields!(CenteredClipping: geometry, stride, first, weights, out, scratch,
        begin, steps, tau, total);
    agrees(Family::CenteredClipping, "Params", size, &fields);
}
