//! Choosing one of several targets.

mod hash;
mod round_robin;
mod tried;

pub use hash::HashRing;
pub use round_robin::RoundRobin;
pub use tried::Tried;
