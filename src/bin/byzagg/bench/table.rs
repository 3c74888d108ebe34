//! Measurements as a table and as JSON.

use serde::Serialize;

/// One rule on one shape.
#[derive(Serialize)]
pub struct Measured {
    pub rule: String,
    pub n: usize,
    pub d: usize,
    pub dtype: String,
    pub device: String,
    pub threads: Option<usize>,
    pub seconds: f64,
    pub bytes: usize,
    pub copy_gb_per_s: Option<f64>,
    pub mean_seconds: f64,
    pub gb_per_s: f64,
    pub times_copy: Option<f64>,
    pub times_mean: f64,
    pub min_seconds: f64,
    pub runs: usize,
    pub workspace_bytes: usize,
    pub copy_buffer_bytes: Option<usize>,
    pub last_level_cache_bytes: usize,
}

/// The measurements of one shape.
pub fn table(measured: &[Measured]) -> String {
    let Some(first) = measured.first() else {
        return String::new();
    };
    let mib = |bytes: usize| bytes as f64 / f64::from(1 << 20);
    let mut text = format!(
        "{} × {} {} on {}\n",
        first.n, first.d, first.dtype, first.device
    );
    if let (Some(speed), Some(buffer)) = (first.copy_gb_per_s, first.copy_buffer_bytes) {
        text.push_str(&format!(
            "copy {speed:.2} GB/s, read plus written, of {:.0} MiB; last-level cache {:.0} MiB\n",
            mib(buffer),
            mib(first.last_level_cache_bytes),
        ));
    }
    text.push_str(&format!("mean {:.3} ms\n\n", 1e3 * first.mean_seconds));
    let lengths = measured.iter().map(|m| m.rule.chars().count());
    let width = lengths.max().unwrap_or(0).max(4);
    text.push_str(&format!(
        "{:width$}  {:>10}  {:>9}  {:>7}  {:>7}  {:>7}  {:>5}\n",
        "rule", "ms", "MB", "GB/s", "x copy", "x mean", "runs"
    ));
    for m in measured {
        let times_copy = m
            .times_copy
            .map_or("-".into(), |times| format!("{times:.2}"));
        text.push_str(&format!(
            "{:width$}  {:>10.3}  {:>9.1}  {:>7.2}  {times_copy:>7}  {:>7.2}  {:>5}\n",
            m.rule,
            1e3 * m.seconds,
            m.bytes as f64 / 1e6,
            m.gb_per_s,
            m.times_mean,
            m.runs,
        ));
    }
    text.push('\n');
    text
}
