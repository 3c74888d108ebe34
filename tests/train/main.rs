//! `byzagg train` as a user runs it.

#[cfg(feature = "wgpu")]
#[allow(dead_code)] // It also lists the devices for the tests of rules.
#[path = "../common/device.rs"]
mod device;
#[allow(dead_code)] // The tests of other subcommands need .npy files.
#[path = "../cli/harness.rs"]
mod harness;
mod papers;
mod refusals;
mod resume;
mod runs;
