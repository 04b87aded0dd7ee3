//! Whether a target is well, found out by asking it.
//!
//! A [`Prober`] asks one target, at every address of its name. It has no task of its own: whoever
//! runs the process calls [`Prober::turn`] when [`Prober::is_due`]. So probes end when the last
//! owner of a prober lets it go, and reading the result costs one atomic load.

mod checker;
mod probe;
mod prober;
mod state;

pub use checker::Checker;
pub use probe::{Probe, ProbeKind};
pub use prober::{Change, Node, Prober};
pub use state::{Counters, Fall, Finding, Health, Rise, State};
