//! The CUDA backend: the three primitives and the small plans as kernels (`kernels/*.cu`), embedded as PTX.

mod abi;
mod device;
mod feed;
mod launch;
mod modules;
mod pairwise;
mod params;
mod plan;
mod policy;
mod steps;
mod workspace;

pub use device::Cuda;
pub(crate) use workspace::Workspace;
