//! The `plugin` crate.
