//! Tuning constants of the wgpu backend, measured on llvmpipe (no GPU has been at hand yet).

/// Columns that an invocation sums in f32 before the sum goes to memory: the rounding errors of so many
/// terms stay far below the accuracy asked of inner products.
pub(super) const SLICE_COLUMNS: usize = 64;

/// Words of partial sums: 64 MiB.
pub(super) const PARTIALS: usize = 1 << 24;

/// Invocations that share the columns of a pair of blocks.
pub(super) const SLICES: usize = 1 << 14;

/// Words of a chunk's centre, result or mixed rows: 16 MiB.
pub(super) const CHUNK: usize = 1 << 22;

/// Bytes of a host matrix that are kept on the device for all passes of a run; a larger one is
/// streamed once for each pass.
pub(super) const RESIDENT: u64 = 1 << 28;

/// Bytes of a panel of columns, where a matrix can't be bound or kept as a whole.
pub(super) const PANEL: u64 = 1 << 26;

/// Bytes of results that wait for being read back to the host.
pub(super) const RESULT: u64 = 1 << 26;

/// Bytes of constants in one buffer, for as many dispatches as there are.
pub(super) const CONSTANTS: u64 = 1 << 22;

/// Bindings that a matrix may be spread over.
pub(super) const GROUPS: usize = 24;

/// Rows of a register tile, the blocks of nearly equal size. A processor has few registers whatever the tile,
/// and loads cost it most: with 13 rows `pairwise` took 285 ms, with 9 it had taken 325 (llvmpipe, n = 25,
/// d = 1e6). For a GPU, 8 rows and their 64 sums are a guess.
pub(super) fn tile(points: usize, software: bool) -> usize {
    let most = if software { 13 } else { 8 };
    points.div_ceil(points.div_ceil(most))
}

/// Sums of [`SLICE_COLUMNS`] columns that an invocation of `pairwise` adds up before they go to memory. Software
/// stores them word by word, and loads them so to add them up: with fewer of them, and stores that are no branches,
/// `krum` took 136 ms instead of 211 (llvmpipe, n = 25, d = 1e6). A GPU has no registers for them.
pub(super) fn sums(columns: usize, software: bool) -> usize {
    // Fewer columns would leave processors idle.
    if software && columns >= 1 << 16 { 4 } else { 1 }
}

/// Invocations of a workgroup that have neighbouring quads of columns at a time. A GPU runs all of them at once.
/// llvmpipe runs eight to the end before it begins the next ones: in that order each eight of them read a row from
/// one end to the other, which caches foresee: `rfa`
/// took 195 ms instead of 217 (llvmpipe, n = 25, d = 1e6, medians of five runs that took turns).
pub(super) fn lanes(software: bool) -> u32 {
    if software { 8 } else { 64 }
}

/// Rows up to which a statistic without weights is a network in registers. The time to compile one is
/// about linear in its length: 0.1 s at 25 rows, 0.9 s at 128 (llvmpipe).
pub(super) const STRAIGHT_ROWS: usize = 128;

/// The same with weights, where a comparator takes five operations instead of two.
pub(super) const STRAIGHT_WEIGHTED_ROWS: usize = 64;

/// Does an invocation of a network take four columns at a time? llvmpipe loads each invocation's words by
/// themselves, but finds the place of a vector once: the median of 25 rows took 35 ms, with vectors 22, with
/// vectors of 64-bit integers ([`longs`]) 16; adding the rows up 32, 20 and 12; the CPU backend's median 7 (d = 1e6,
/// processor time by two cores of a busy machine). It compiles in 0.4 s instead of 0.15. On a GPU loads of adjacent
/// words are one anyway, and the registers of one column leave more invocations in flight.
pub(super) fn quads(rows: usize, weighted: bool, software: bool) -> bool {
    software && rows <= if weighted { 12 } else { 32 }
}

/// Are vectors of four words loaded as two integers of 64 bits, by a driver that has them?
pub(super) fn longs(software: bool, backend: ::wgpu::Backend) -> bool {
    software && backend == ::wgpu::Backend::Vulkan
}

/// Iterations that all loops of an invocation may take together: llvmpipe ends every loop after
/// 65,535, without an error.
pub(super) const ITERATIONS: usize = 60_000;

/// Rows that any kernel may have: `combine` loops over them.
pub(super) const ROWS: usize = 16_384;

/// Rows of mixed rows that an invocation has: it loads an element once for all of them.
pub(super) fn mixed_rows(rows: usize) -> usize {
    if rows < 4 { 1 } else { 8 }
}
