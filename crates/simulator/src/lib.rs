//! The `simulator` crate.
