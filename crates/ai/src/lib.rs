//! The `ai` crate.
