//! Selection networks.
