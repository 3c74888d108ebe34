//! What the test files share.

/// One rule of every kind.
pub const RULES: [&str; 12] = [
    "mean",
    "median",
    "cwtm(f=2)",
    "meamed(f=2)",
    "krum(f=2)",
    "multikrum(f=2)",
    "rfa(tolerance=0.001)",
    "nnm(cwtm(f=2),f=2)",
    "bucketing(rfa,s=2)",
    "clipping(median,c=1)",
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
