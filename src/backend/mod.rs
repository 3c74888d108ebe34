//! Devices. A backend knows the three primitives and device memory, and no rule.

#[cfg(feature = "cpu")]
pub(crate) mod cpu;
