//! What the test files share.

/// One rule of every kind.
pub const RULES: [&str; 20] = [
    "mean",
    "median",
    "cwtm(f=2)",
    "meamed(f=2)",
    "krum(f=2)",
    "multikrum(f=2)",
    "bulyan(f=1)",
    "mda(f=2)",
    "smea(f=2)",
    "monna(f=2)",
    "caf(f=2)",
    "rfa(tolerance=0.001)",
    "cc(tau=1)",
    "flag",
    "nnm(cwtm(f=2),f=2)",
    "bucketing(rfa,s=2)",
    "clipping(median,c=1)",
    "arc(median,f=2)",
    "ctma(median,f=2)",
    "nnm(ctma(krum(f=2),f=2),f=2)",
];

/// Numbers in [-1, 1), the same ones every time.
pub fn noise(n: usize, d: usize) -> Vec<f32> {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..n * d).map(|_| next()).collect()
}
