//! What outlives a snapshot: pools, pickers, health state, sinks.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use telemetry::log_sink::LogSinks;
use telemetry::metrics::Metrics;

type Held = Weak<dyn Any + Send + Sync>;

/// Shared values keyed by type and identity, kept while any snapshot names them.
///
/// Used while a snapshot is compiled, never on a request's path.
#[derive(Debug, Default)]
pub struct Living {
    held: Mutex<HashMap<(TypeId, String), Held>>,
}

// === impl Living ===

impl Living {
    /// The living value of `identity`, made by `make` when no snapshot holds one.
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
        let key = (TypeId::of::<T>(), identity.to_owned());
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(alive) = held.get(&key).and_then(Weak::upgrade)
            && let Ok(alive) = alive.downcast::<T>()
        {
            return Ok(alive);
        }
        let fresh = Arc::new(make()?);
        let weak: Weak<T> = Arc::downgrade(&fresh);
        held.retain(|_, value| value.strong_count() > 0);
        held.insert(key, weak);
        Ok(fresh)
    }

    /// Every living value of one type, for upkeep.
    pub fn all<T: Send + Sync + 'static>(&self) -> Vec<Arc<T>> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.values()
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
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.values()
            .filter(|value| value.strong_count() > 0)
            .count()
    }

    /// Whether no value is alive.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
