//! Robust aggregation of gradients at the speed of memory.

#![deny(missing_docs)]
#![deny(unsafe_code)]

pub mod backend;
mod error;
mod geometry;
mod matrix;
pub mod network;
mod plan;

pub use error::{Error, Result};
pub use matrix::{Block, DType, Element, Matrix, Output, OutputElement, Shape};
pub use plan::{Statistic, Ties, Trim};
