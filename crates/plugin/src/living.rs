//! What outlives a snapshot: pools, pickers, health state, sinks.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use telemetry::log_sink::LogSinks;
use telemetry::metrics::Metrics;

type Held = Weak<dyn Any + Send + Sync>;

/// Shared values keyed by type and identity, kept while any snapshot names them.
///
/// Used while a snapshot is compiled, never on a request's path.
#[derive(Debug, Default)]
pub struct Living {
    held: Mutex<HashMap<TypeId, Kind>>,
}

/// The values of one type, so that whoever asks for all of them walks past no others.
#[derive(Debug, Default)]
struct Kind {
    held: HashMap<String, Held>,
    /// How many entries there are when those of dropped values are next removed.
    swept_at: usize,
}

// === impl Living ===

impl Living {
    /// The living value of `identity`, made by `make` when no snapshot holds one. Of two that are made
    /// at once, the first one is kept.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn share<T, E>(
        &self,
        identity: &str,
        make: impl FnOnce() -> Result<T, E>,
    ) -> Result<Arc<T>, E>
    where
        T: Send + Sync + 'static,
    {
        if let Some(alive) = self
            .lock()
            .get(&TypeId::of::<T>())
            .and_then(|kind| kind.find(identity))
        {
            return Ok(alive);
        }
        // Made outside the lock, which upkeep takes as well: some values take their time.
        let fresh = Arc::new(make()?);
        let mut kinds = self.lock();
        let kind = kinds.entry(TypeId::of::<T>()).or_default();
        if let Some(faster) = kind.find(identity) {
            return Ok(faster);
        }
        let weak: Weak<T> = Arc::downgrade(&fresh);
        kind.add(identity, weak);
        Ok(fresh)
    }

    /// Every living value of one type, for upkeep.
    pub fn all<T: Send + Sync + 'static>(&self) -> Vec<Arc<T>> {
        let kinds = self.lock();
        let held = kinds.get(&TypeId::of::<T>()).map(|kind| kind.held.values());
        held.into_iter()
            .flatten()
            .filter_map(Weak::upgrade)
            .filter_map(|value| value.downcast::<T>().ok())
            .collect()
    }

    /// The log files of this process, one sink per path; lost entries are counted in `metrics`.
    ///
    /// Whoever reopens files on a signal holds the same ones.
    pub fn log_sinks(&self, metrics: &Metrics) -> Arc<LogSinks> {
        let Ok(sinks) = self.share("log-sinks", || {
            Ok::<_, Infallible>(LogSinks::new(metrics.clone()))
        });
        sinks
    }

    /// How many values are alive.
    pub fn len(&self) -> usize {
        let kinds = self.lock();
        let held = kinds.values().flat_map(|kind| kind.held.values());
        held.filter(|value| value.strong_count() > 0).count()
    }

    /// Whether no value is alive.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TypeId, Kind>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Kind ===

impl Kind {
    /// The fewest entries that are worth a sweep.
    const FEWEST_SWEPT: usize = 64;

    /// The value of `identity`, when it is alive.
    fn find<T: Send + Sync + 'static>(&self, identity: &str) -> Option<Arc<T>> {
        let alive = self.held.get(identity).and_then(Weak::upgrade)?;
        alive.downcast().ok()
    }

    /// Adds an entry. Dropped values are swept out each time the entries have doubled, so that
    /// a configuration of many costs no walk for each of them.
    fn add(&mut self, identity: &str, value: Held) {
        if self.held.len() >= self.swept_at {
            self.held.retain(|_, value| value.strong_count() > 0);
            self.swept_at = (2 * self.held.len()).max(Self::FEWEST_SWEPT);
        }
        self.held.insert(identity.to_owned(), value);
    }
}

#[cfg(test)]
mod tests;
