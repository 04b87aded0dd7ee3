//! Choosing one of several targets.

mod round_robin;
mod tried;

pub use round_robin::RoundRobin;
pub use tried::Tried;
