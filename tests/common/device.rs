//! The devices that the tests run on: every backend that this build has.

use std::sync::LazyLock;

use byzagg::Device;

/// One device for each backend.
pub fn devices() -> &'static [Device] {
    static DEVICES: LazyLock<Vec<Device>> = LazyLock::new(|| {
        let devices = [
            Some(Device::cpu()),
            #[cfg(feature = "wgpu")]
            wgpu().map(Device::Wgpu),
            #[cfg(feature = "cuda")]
            cuda().map(Device::Cuda),
        ];
        devices.into_iter().flatten().collect()
    });
    &DEVICES
}

/// The best adapter, which may be a software driver. A machine without any fails the tests, unless it is
/// told that this is accepted.
#[cfg(feature = "wgpu")]
pub fn wgpu() -> Option<byzagg::Wgpu> {
    found("wgpu", byzagg::Wgpu::new())
}

/// The first GPU, or the stand-in for its driver, which runs the kernels on the CPU.
#[cfg(feature = "cuda")]
pub fn cuda() -> Option<byzagg::Cuda> {
    found("cuda", byzagg::Cuda::new())
}

#[cfg(any(feature = "wgpu", feature = "cuda"))]
fn found<T>(backend: &str, device: byzagg::Result<T>) -> Option<T> {
    const VARIABLE: &str = "BYZAGG_WITHOUT_ADAPTER";
    match device {
        Ok(device) => Some(device),
        Err(error) if std::env::var_os(VARIABLE).is_some_and(|value| value == "accept") => {
            eprintln!("NOT TESTED ON {backend}, as {VARIABLE}=accept allows: {error}");
            None
        }
        Err(error) => panic!(
            "{error}. scripts/test.sh provides for software drivers; {VARIABLE}=accept runs the other tests"
        ),
    }
}
