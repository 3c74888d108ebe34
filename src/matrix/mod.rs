//! Shapes, element types and views of the n×d matrix of worker vectors. No maths.
//!
//! A [`Block`] is a view of n rows of one layer (or of the whole vector); a [`Matrix`] is one block
//! or a list of them, the layers of a model. Nothing is copied.

mod anchor;
#[cfg(feature = "wgpu")]
mod buffer;
#[cfg(feature = "cuda")]
mod device;
mod element;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod placed;
mod select;
mod shape;
mod view;

pub use anchor::Anchor;
#[cfg(feature = "cpu")]
pub use anchor::{HostAnchor, load};
#[cfg(feature = "wgpu")]
pub use buffer::{BufferBlock, BufferOutput, BufferPlace};
#[cfg(feature = "cuda")]
pub use device::{DeviceBlock, DeviceOutput, DevicePlace, DevicePlaceMut};
pub use element::{DType, Element, OutputElement};
#[cfg(any(feature = "wgpu", feature = "cuda"))]
pub use placed::PlacedBlock;
#[cfg(feature = "cuda")]
pub use placed::PlacedRows;
pub use select::Blocks;
pub use shape::{Output, OutputData, Shape};
pub use view::{Block, Data, Matrix, Rows};
