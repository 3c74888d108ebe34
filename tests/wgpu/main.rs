//! The wgpu backend among other users of a device: the caller's buffers and encoders, matrices of any size
//! on devices with small limits, and everything that can fail. What it computes is compared with the CPU's.
#![cfg(feature = "wgpu")]

#[path = "../common/agree.rs"]
mod agree;
#[allow(dead_code)]
#[path = "../common/cases.rs"]
mod cases;
#[allow(dead_code)]
#[path = "../common/device.rs"]
mod device;

mod determinism;
mod encode;
mod failure;
mod hardware;
mod interop;
mod limits;
mod selection;
mod sizes;
mod start;
mod support;
