//! Tuning constants of the CUDA backend. No GPU has been at hand yet: they follow from registers and bytes
//! (`kernels/registers.tsv`), not from measurements.

/// Numbers of rows that have kernels of their own, networks in registers.
pub(super) const BUCKETS: [usize; 16] = [
    4, 8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128,
];

/// The largest of them.
pub(super) const NETWORK_ROWS: usize = BUCKETS[BUCKETS.len() - 1];

/// The first compute capability with minima of two 16-bit floats at once.
pub(super) const PACKED_CAPABILITY: (i32, i32) = (8, 0);

/// Mixed rows whose median or trimmed mean is computed in the pass that mixes them, and the caller's rows that they may
/// be of. Predicted for an H100: 1.0 to 1.4 reads of f32, where a chunk in memory takes 3 or 4 (`kernels/README.md`).
pub(super) const MIXED_BUCKETS: [usize; 5] = [8, 16, 24, 28, 32];
pub(super) const MIXED_INPUTS: usize = 128;

/// More rows, of which a lane has a quarter: the same for a median or a trimmed mean.
pub(super) const LANE_BUCKETS: [usize; 8] = [160, 192, 224, 256, 320, 384, 448, 512];

/// The same with weights, which take a register each.
pub(super) const WEIGHTED_ROWS: usize = 64;

/// Rows up to which `pairwise` computes the centre itself.
pub(super) const FUSED_ROWS: usize = 64;

/// Rows up to which a centred product is cheaper by multiply-adds than on tensor cores.
pub(super) const FEW_ROWS: usize = 16;

/// The first compute capability with tensor cores for f32 (tf32).
pub(super) const TENSOR_CAPABILITY: (i32, i32) = (8, 0);

/// CUDA blocks for each multiprocessor: enough to hide the end of a launch.
pub(super) const BLOCKS_PER_MULTIPROCESSOR: usize = 16;

/// Elements of a chunk of mixed rows: 512 MiB.
pub(super) const STAGED: usize = 1 << 27;

/// Numbers that are sent to the device as a kernel's parameter. More are copied.
pub(super) const BY_VALUE: usize = 4 * 448;

/// The bucket of so many rows, 0 if they have none.
pub(super) fn bucket(rows: usize, most: usize) -> usize {
    let fits = |bucket: &&usize| **bucket >= rows && **bucket <= most;
    BUCKETS.iter().find(fits).copied().unwrap_or(0)
}

/// The bucket of so many mixed rows, if they are mixed on the way.
pub(super) fn mixed_bucket(rows: usize, inputs: usize) -> Option<usize> {
    let fits = |bucket: &usize| *bucket >= rows && inputs <= MIXED_INPUTS;
    MIXED_BUCKETS.into_iter().find(fits)
}

/// The bucket of so many rows of which lanes have a quarter each, if there is one.
pub(super) fn lane_bucket(rows: usize) -> Option<usize> {
    let fits = |bucket: &usize| *bucket >= rows && rows > BUCKETS[BUCKETS.len() - 1];
    LANE_BUCKETS.into_iter().find(fits)
}

/// Slabs of a CUDA block, at most: a thread then adds up 128 terms in f32, whose rounding errors stay below the
/// accuracy asked of distances, even when all have the same sign. Kernels that read the rows again to measure them
/// have fewer threads for a column.
pub(super) const SLABS: usize = 16;
pub(super) const SLABS_READ_AGAIN: usize = 4;

/// Rows up to which all kernels that measure keep the rows in registers.
pub(super) const KEPT_ROWS: usize = 48;

/// Dynamic shared memory that a kernel has without asking: of 48 KiB, static memory (at most 17 KiB beside dynamic) has
/// a part.
pub(super) const SHARED: u32 = 24 << 10;

/// Rows that any kernel may have.
pub(super) const ROWS: usize = 16_384;

/// Problems of a batch: CUDA blocks in the second dimension of a grid.
pub(super) const PROBLEMS: usize = 65_535;
