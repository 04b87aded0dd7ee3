//! Gauges that are read when somebody asks for the metrics, and at no other time.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::Metrics;
use crate::names::Metric;

/// A breaker, as far as the metrics know it.
pub trait WatchedBreaker: Debug + Send + Sync {
    /// The resource whose configuration it belongs to, such as `/routes/1`.
    fn resource(&self) -> &str;

    /// The instance that it stands before.
    fn instance(&self) -> &str;

    /// Whether others are preferred to the instance at this moment.
    fn is_open(&self) -> bool;
}

/// All breakers that are shown while they live.
#[derive(Debug, Default)]
pub(super) struct Watched {
    breakers: Mutex<Vec<Weak<dyn WatchedBreaker>>>,
}

/// Held while one text is made: what is read is not read anew meanwhile.
pub(super) type Reading<'a> = MutexGuard<'a, Vec<Weak<dyn WatchedBreaker>>>;

// === impl Watched ===

impl Watched {
    fn lock(&self) -> Reading<'_> {
        self.breakers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Metrics ===

impl Metrics {
    /// Shows a breaker for as long as somebody else keeps it.
    pub fn watch_breaker(&self, breaker: &Arc<impl WatchedBreaker + 'static>) {
        let breaker: Weak<dyn WatchedBreaker> = Arc::downgrade(breaker) as _;
        let mut breakers = self.inner.watched.lock();
        // Looked through only when it would grow, so that many of them cost little each.
        if breakers.len() == breakers.capacity() {
            breakers.retain(|other| other.strong_count() > 0);
        }
        breakers.push(breaker);
    }

    /// Reads all breakers; those that are gone are forgotten.
    pub(super) fn read_breakers(&self) -> Reading<'_> {
        let mut breakers = self.inner.watched.lock();
        breakers.retain(|breaker| breaker.strong_count() > 0);
        if let Some(family) = self.family(Metric::LlmBreakerOpen) {
            family.clear();
        }
        // Of two with the same name the later one is of the newer configuration.
        for breaker in breakers.iter().filter_map(Weak::upgrade) {
            let labels = [breaker.resource(), breaker.instance()];
            self.set(Metric::LlmBreakerOpen, &labels, breaker.is_open().into());
        }
        breakers
    }
}
