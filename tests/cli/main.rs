//! The built binary `byzagg`, as a user runs it.

mod aggregate;
mod bench;
#[cfg(feature = "wgpu")]
#[allow(dead_code)] // It also lists the devices for the tests of rules.
#[path = "../common/device.rs"]
mod device;
mod explain;
#[cfg(feature = "wgpu")]
mod gpu;
mod harness;
mod listings;
mod refusals;
mod rows;
mod start;
