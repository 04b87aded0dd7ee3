//! Which route a request belongs to.

pub(crate) mod condition;
pub(crate) mod host;
pub(crate) mod pattern;
pub(crate) mod router;
pub(crate) mod tree;
