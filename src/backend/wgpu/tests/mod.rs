//! Tests of the shaders: by naga, without a device, and on the best device that there is.

mod columns;
mod columns_quads;
mod columns_shaders;
pub(super) mod harness;
mod kernels;
pub(super) mod naga;
mod plan;
