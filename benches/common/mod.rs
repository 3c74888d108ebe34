//! What the benchmarks share with `byzagg bench`: numbers, copies, and where matrices are.

#![allow(dead_code)] // Neither benchmark, nor both, use all of it.

#[path = "../../src/bin/byzagg/bench/copy.rs"]
pub mod copy;
#[cfg(feature = "cuda")]
#[path = "../../src/bin/byzagg/bench/cuda.rs"]
pub mod cuda;
#[path = "../../src/bin/byzagg/failure.rs"]
pub mod failure;
#[path = "../../src/bin/byzagg/bench/gaussian.rs"]
pub mod gaussian;
#[cfg(feature = "wgpu")]
#[path = "../../src/bin/byzagg/bench/gpu.rs"]
pub mod gpu;
#[path = "../../src/bin/byzagg/bench/list.rs"]
pub mod list;
#[path = "../../src/bin/byzagg/bench/machine.rs"]
pub mod machine;
#[path = "../../src/bin/byzagg/bench/place.rs"]
pub mod place;
#[cfg(feature = "wgpu")]
#[path = "../../src/bin/byzagg/units.rs"]
pub mod units;

use std::time::Duration;

use byzagg::Device;

/// n and d of the matrices.
pub type Sizes = &'static [(usize, usize)];

/// Every device that this build and this machine have, and how large its matrices are: a software
/// driver's are small.
pub fn devices(large: Sizes) -> Vec<(Device, Sizes)> {
    #[cfg_attr(not(feature = "wgpu"), allow(unused_mut))]
    let mut devices = vec![(Device::cpu(), large)];
    #[cfg(feature = "wgpu")]
    match byzagg::Wgpu::new() {
        Ok(gpu) => {
            let small: Sizes = &[(10, 10_000), (25, 100_000)];
            let sizes = if gpu.is_software() { small } else { large };
            devices.push((Device::Wgpu(gpu), sizes));
        }
        Err(error) => eprintln!("not measured: {error}"),
    }
    devices
}

/// So many runs' times, by the device's own clock where it has one.
pub fn total(runs: u64, mut run: impl FnMut() -> place::Time) -> Duration {
    let seconds: f64 = (0..runs)
        .map(|_| run())
        .map(|time| time.device.unwrap_or(time.host))
        .sum();
    Duration::from_secs_f64(seconds)
}

/// Seeded standard normal numbers.
pub fn gaussian(count: usize) -> Vec<f32> {
    let mut x = vec![0.0; count];
    gaussian::fill(&mut x, 7);
    x
}
