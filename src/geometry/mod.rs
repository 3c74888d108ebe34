//! The n×n mathematics, in f64: from inner products to scores, weights, mixings and coefficients.
//!
//! Pure functions on slices, one file per method. [`Op`] names them in a plan; this is the reference
//! that a device implementation is checked against.

mod bucketing;
mod bulyan;
mod caf;
mod cc;
mod clipping;
mod eigen;
mod flag;
mod krum;
mod mda;
mod mixing;
mod monna;
mod nnm;
mod op;
pub(crate) mod renewal;
mod rfa;
mod smea;
#[cfg(test)]
pub(crate) mod testing;
mod trim;
mod view;
pub(crate) mod weights;

pub use bucketing::permutation;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
pub(crate) use clipping::clipped;
pub(crate) use flag::Settings as FlagSettings;
pub(crate) use mda::MAX_LEFT_OUT;
pub(crate) use op::{Length, Op};
pub(crate) use rfa::MAX_ITERATIONS;
pub(crate) use rfa::Stop;
pub(crate) use smea::{MAX_WORK, work};
#[cfg(feature = "wgpu")]
pub(crate) use trim::SNAP;
pub(crate) use view::{GeometrySlot, nearer, usable};

/// Fills with 0, 1, 2, …: the start of every sort by a key.
fn indices(order: &mut [u64]) {
    order.iter_mut().zip(0..).for_each(|(slot, i)| *slot = i);
}
