//! The `net` crate.
