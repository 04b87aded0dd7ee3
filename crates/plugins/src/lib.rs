//! The `plugins` crate.
