//! How many calls each target is busy with.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::Lineage;

/// One counter per target, lock-free.
#[derive(Debug)]
pub(super) struct InFlight {
    counts: Box<[Arc<AtomicU32>]>,
}

// === impl InFlight ===

impl InFlight {
    pub(super) fn new(targets: usize) -> Self {
        Self {
            counts: (0..targets).map(|_| Arc::default()).collect(),
        }
    }

    /// Counts on: a call that began before ends here too.
    pub(super) fn heir(&self, lineage: &Lineage) -> Self {
        Self {
            counts: super::inherited(&self.counts, lineage, Arc::default),
        }
    }

    pub(super) fn begin(&self, target: usize) {
        if let Some(count) = self.counts.get(target) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn end(&self, target: usize) {
        if let Some(count) = self.counts.get(target) {
            let less = |count: u32| count.checked_sub(1);
            // Only a call that never began is refused here; it was not counted either.
            _ = count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        }
    }

    pub(super) fn of(&self, target: usize) -> u32 {
        let count = self.counts.get(target);
        count.map_or(0, |count| count.load(Ordering::Relaxed))
    }
}
