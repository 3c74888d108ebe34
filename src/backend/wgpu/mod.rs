//! The wgpu backend: the three primitives and the small plans as WGSL, for Vulkan, Metal and DX12.

mod columns;
mod device;
mod feed;
mod kernels;
mod launch;
mod layout;
mod limits;
mod pairwise;
mod plan;
mod policy;
mod products;
mod record;
mod rows;
mod shader;
mod sink;
mod steps;
#[cfg(test)]
mod tests;
mod transfer;
mod update;
mod workspace;

pub use device::Wgpu;
pub(crate) use workspace::Workspace;
