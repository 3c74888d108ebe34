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

/// Columns of a tile for `columns`: 256 take 5 to 15 % less time than 128 at n = 25, and as much as
/// 512 (Sapphire Rapids, d = 1e6); many rows get fewer, to stay in the second-level cache.
pub(super) fn columns_tile(rows: usize) -> usize {
    ((1 << 16) / rows / 64 * 64).clamp(64, 256)
}

/// Columns of a tile for `pairwise`: sums in f32 run over this many divided by the lanes.
/// 24 strips of 25 rows just fit the first-level cache: 20 % less time than 64 (Sapphire Rapids,
/// d = 1e6), and no more at n = 100.
pub(super) fn pairwise_tile(lanes: usize) -> usize {
    24 * lanes
}

/// Strips of a tile that a network handles at a time.
pub(super) const GROUP: usize = 4;

/// Columns of a tile for `combine` and streamed means.
pub(super) const COMBINE_TILE: usize = 1024;
