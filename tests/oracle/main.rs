//! The oracle against examples that were computed by hand, so that it can be trusted.

#[path = "../common/mod.rs"]
mod common;

mod columns;
mod distances;
mod input;
mod mixing;
mod support;
