//! The `config` crate.
