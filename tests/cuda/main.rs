//! The CUDA backend among other users of a device: the caller's memory and streams, graphs, and everything that
//! can fail. What it computes is compared with the CPU's. Where there is no GPU, a stand-in for the driver runs
//! the same kernels on the CPU (`scripts/test.sh`).
#![cfg(feature = "cuda")]

#[path = "../common/agree.rs"]
mod agree;
#[allow(dead_code)]
#[path = "../common/cases.rs"]
mod cases;
#[allow(dead_code)]
#[path = "../common/device.rs"]
mod device;

mod columns;
mod failures;
mod graph;
#[cfg(feature = "cli")]
#[allow(dead_code)]
#[path = "../cli/harness.rs"]
mod harness;
mod interop;
mod mixed;
#[cfg(feature = "cli")]
mod processes;
mod refusals;
mod support;
