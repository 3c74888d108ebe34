//! Tuning constants of the CPU backend.

/// Elements of X (over all rows) that a segment should at least have.
const SEGMENT_ELEMENTS: usize = 1 << 19;
/// Segments start at multiples of so many columns: a whole number of tiles, and of cache lines.
pub(super) const SEGMENT_ALIGN: usize = 1024;
/// Numbers that the partial results of one problem may take together, if it is not the least count.
const PARTIALS: usize = 1 << 23;
/// Numbers that the partial results of several problems may take together.
pub(super) const WAVE: usize = 1 << 23;

/// How many segments to cut a problem into. Depends on nothing but its shape, so that sums are the
/// same for any number of threads.
pub(super) fn segments(n: usize, d: usize, partial: usize) -> usize {
    let most = (PARTIALS / partial.max(1)).clamp(16, 256);
    let least_columns = (SEGMENT_ELEMENTS / n).max(SEGMENT_ALIGN);
    (d / least_columns).clamp(1, most)
}

/// Columns of a tile for `columns`.
pub(super) fn columns_tile(rows: usize) -> usize {
    256
}

/// Columns of a tile for `pairwise`: sums in f32 run over this many divided by the lanes.
pub(super) fn pairwise_tile(_rows: usize, lanes: usize) -> usize {
    64 * lanes
}

/// Strips of a tile that a network handles at a time.
pub(super) const GROUP: usize = 4;

/// Columns of a tile for `combine` and streamed means.
pub(super) const COMBINE_TILE: usize = 1024;
