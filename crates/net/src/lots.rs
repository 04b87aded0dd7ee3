//! Numbers drawn by lot, without a lock.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// A sequence of lots that any thread may draw from.
#[derive(Debug)]
pub(crate) struct Lots(AtomicU64);

// === impl Lots ===

impl Lots {
    /// A sequence that nobody can foretell.
    pub(crate) fn new() -> Self {
        // The standard library seeds its hasher from the system's random source.
        Self::starting_at(RandomState::new().hash_one(0))
    }

    /// The sequence that starts there.
    pub(crate) const fn starting_at(start: u64) -> Self {
        Self(AtomicU64::new(start))
    }

    /// A number below `end`; `None` when `end` is 0.
    pub(crate) fn draw(&self, end: usize) -> Option<usize> {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let lot = mixed(self.0.fetch_add(STEP, Ordering::Relaxed));
        let end = u64::try_from(end).ok()?;
        usize::try_from(lot.checked_rem(end)?).ok()
    }
}

/// Spreads a number over all numbers of 64 bits (the finalizer of `SplitMix64`).
pub(crate) const fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
