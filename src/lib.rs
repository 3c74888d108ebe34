//! Robust aggregation of gradients at the speed of memory.

#![deny(missing_docs)]
#![deny(unsafe_code)]

#[cfg(not(feature = "cpu"))]
compile_error!("byzagg needs a backend: enable the feature `cpu`");

mod backend;
mod engine;
mod error;
mod geometry;
mod matrix;
pub mod network;
mod plan;
mod prepared;
pub mod primitive;
mod report;
mod rule;

pub use backend::{Candidate, Cpu, Device};
pub use error::{Error, Result};
pub use geometry::permutation;
pub use matrix::{Block, DType, Element, Matrix, Output, OutputElement, Shape};
pub use plan::{Statistic, Ties, Trim};
pub use prepared::{Options, Prepared, Run};
pub use report::{Report, Row, Worker};
pub use rule::{
    Bucketing, Clipping, Ctma, Cwtm, Entry, Krum, Meamed, Mean, Median, MultiKrum, Nnm, Rfa, Rule,
    catalogue,
};
