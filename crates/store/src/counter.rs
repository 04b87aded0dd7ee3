//! Counters over fixed windows of time.

mod memory;

use std::time::Duration;

pub use memory::MemoryCounters;

/// What a counter says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    /// What was charged in the window, the last charge included.
    pub used: u64,
    /// How long the window goes on.
    pub left: Duration,
}
