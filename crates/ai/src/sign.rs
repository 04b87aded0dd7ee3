//! Credentials that are made for requests instead of being written in a configuration.

mod gcp;

pub use gcp::GcpSettings;
pub(crate) use gcp::{Gcp, TokenError};
