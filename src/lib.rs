//! Robust aggregation of gradients at the speed of memory.
//!
//! When many workers train one model, some send wrong vectors: broken hardware, corrupted packets,
//! attackers. A server that averages passes their vectors on. A *robust aggregation rule* does not:
//! this crate computes such rules on an n×d matrix, n workers with d numbers each.
//!
//! ```
//! use byzagg::{DType, Device, Matrix, Rule, Shape};
//!
//! let (n, d) = (10, 1000);
//! let mut gradients = vec![1.0f32; n * d];
//! gradients[..d].fill(f32::NAN); // worker 0 is broken
//! gradients[d..2 * d].fill(-1e30); // worker 1 attacks
//!
//! let rule: Rule = "ctma(median,f=2)".parse()?;
//! let mut aggregator = rule.prepare(&Device::auto()?, &Shape::new(n, d), DType::F32)?; // once
//! let mut out = vec![0.0f32; d];
//! aggregator.run(Matrix::new(&gradients, n, d)?, &mut out)?; // every step
//! assert_eq!(out, vec![1.0; d]);
//! # Ok::<(), byzagg::Error>(())
//! ```
//!
//! # Which rule
//! The [`guide`] helps to choose, with sources.
//!
//! | rule | computes | reads of X |
//! |---|---|---|
//! | [`Median`], [`Cwtm`], [`Meamed`] | a robust statistic of each column | 1 |
//! | [`Krum`], [`MultiKrum`] | the rows whose neighbours are nearest | 1, and the chosen rows |
//! | [`Mda`], [`Smea`] | the rows with the least diameter, or the least variance in their worst direction | 1, and the chosen rows |
//! | [`Monna`] | the rows nearest to a trusted one | 1, and the chosen rows |
//! | [`Bulyan`] | a robust statistic of the rows that repeated Krum chooses | 1, and the chosen rows |
//! | [`Rfa`], [`CenteredClipping`] | the geometric median, clipped steps towards the rows | 2, however many iterations |
//! | [`Caf`], [`Flag`] | a mean without the directions that stand out, the mean in the rows' subspace | 2 |
//! | [`Ctma`] around any rule | the mean of the rows nearest to that rule's result | the kept rows more |
//! | [`Nnm`], [`Bucketing`], [`Clipping`], [`Arc`] before any rule | mixed rows, which are never formed | at most 1 more |
//!
//! [`Mean`] is there to compare with; it is not robust, and [`Flag`] is not against long rows. Every rule is a [`Rule`], by its struct or by its
//! text; [`catalogue`] lists names, parameters, limits and sources.
//!
//! # Hostile input is data
//! A row may hold NaN, infinities, denormals or 1e38. With at most f such rows a robust rule's result is
//! finite and near the other rows. Per coordinate NaN counts as +Inf; a row that is cut is not read, so
//! nothing of it can leak. Nothing panics; errors say what was expected and what was got, and leave the
//! output as it was. [`Prepared::report`] says who was cut, and why.
//!
//! # How it is fast
//! Every rule is a short plan over three passes over the matrix ([`primitive`]): inner products of the
//! rows about their coordinate-wise median, a statistic of the columns, a combination of rows. What
//! remains is n×n mathematics. So 100 iterations of the geometric median read the matrix twice, and
//! nearest-neighbour mixing never writes its n×d result.
//!
//! # Matrices
//! A [`Matrix`] is a view of what the training loop has: one buffer with any strides, one buffer per
//! worker, an `ndarray` view, or a list of such [`Block`]s, one per layer. Layers are aggregated as one
//! vector ([`Shape::blocks`]) or each by itself ([`Shape::batch`]). Elements are f32, bf16, f16, or f64
//! (rounded to f32 when read). Where not every worker takes part, [`Matrix::select`] is a view of some rows.
//!
//! # Devices
//! [`Device::auto`] picks a GPU before the CPU. On a GPU a matrix is a view of the caller's buffers
//! (`BufferBlock`, `BufferPlace`), or of the host's memory, which is then uploaded or streamed; results stay
//! on the device or come back, as the output says.
//!
//! # Attacks
//! [`attack`] makes what Byzantine workers send, for tests and simulations: sign flips, ALIE, IPM, bit flips,
//! attacks that search for what harms the rule in use most.
//!
//! # Features
//! - `cpu` (default): the CPU backend.
//! - `wgpu`: GPUs through Vulkan, Metal and DX12.
//! - `cuda`: NVIDIA GPUs; needs nothing but their driver.
//! - `cli`: the command-line tool `byzagg`.
//! - `train`: its subcommand `byzagg train`.

#![deny(missing_docs)]
#![deny(unsafe_code)]
// `!(x <= limit)` is how NaN is refused.
#![allow(clippy::neg_cmp_op_on_partial_ord)]

#[cfg(not(feature = "cpu"))]
compile_error!("byzagg needs a backend: enable the feature `cpu`");

pub mod attack;
mod backend;
mod engine;
mod error;
mod expression;
mod geometry;
mod kept;
#[doc = include_str!("../docs/guide.md")]
pub mod guide {}
mod matrix;
pub mod network;
mod plan;
mod prepared;
pub mod primitive;
mod report;
mod rule;
pub mod training;

#[cfg(feature = "cuda")]
pub use ::cudarc;
#[cfg(feature = "wgpu")]
pub use ::wgpu;
#[cfg(feature = "cuda")]
pub use backend::Cuda;
#[cfg(feature = "wgpu")]
pub use backend::Wgpu;
pub use backend::{Candidate, Cpu, Device};
pub use error::{Error, Result};
pub use geometry::permutation;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
pub use matrix::PlacedBlock;
pub use matrix::{Block, DType, Element, Matrix, Output, OutputElement, Shape};
#[cfg(feature = "wgpu")]
pub use matrix::{BufferBlock, BufferPlace};
#[cfg(feature = "cuda")]
pub use matrix::{DeviceBlock, DevicePlace, DevicePlaceMut};
pub use plan::{Statistic, Ties, Trim};
pub use prepared::{Options, Prepared, Run};
pub use report::{Measure, Reason, Report, Row, Spread, Threshold, Weighing, Worker};
pub use rule::{
    Arc, Bucketing, Bulyan, Caf, CenteredClipping, Clipping, Ctma, Cwtm, Entry, Flag, Krum, Like,
    Mda, Meamed, Mean, Median, Monna, MultiKrum, Nnm, Rfa, Rule, Smea, catalogue,
};
