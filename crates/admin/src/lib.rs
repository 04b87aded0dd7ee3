//! The `admin` crate.
