//! Shapes, element types and views of the n×d matrix of worker vectors. No maths.
//!
//! A [`Block`] is a view of n rows of one layer (or of the whole vector); a [`Matrix`] is one block
//! or a list of them, the layers of a model. Nothing is copied.

mod anchor;
#[cfg(feature = "wgpu")]
mod buffer;
mod element;
mod select;
mod shape;
mod view;

pub use anchor::Anchor;
#[cfg(feature = "cpu")]
pub use anchor::{HostAnchor, load};
#[cfg(feature = "wgpu")]
pub use buffer::{BufferBlock, BufferOutput, BufferPlace};
pub use element::{DType, Element, OutputElement};
pub use select::Blocks;
pub use shape::{Output, OutputData, Shape};
pub use view::{Block, Data, Matrix, Rows};
