// Written by scripts/ptx.py.
/// The modules' names, and their PTX as scripts/ptx.py packs it, in the order of the names.
pub const MODULES: &[(&str, &[u8])] = &[
    ("columns_f32_16", include_bytes!("columns_f32_16.ptx.xz")),
    ("columns_f32_28", include_bytes!("columns_f32_28.ptx.xz")),
    ("columns_f32_4", include_bytes!("columns_f32_4.ptx.xz")),
    ("columns_f32_8", include_bytes!("columns_f32_8.ptx.xz")),
    ("combine_f32", include_bytes!("combine_f32.ptx.xz")),
    ("pairwise_f32_8", include_bytes!("pairwise_f32_8.ptx.xz")),
    ("plan", include_bytes!("plan.ptx.xz")),
];
