//! The gateway as one value.

use std::future::Future;
use std::sync::Arc;

use telemetry::metrics::Metrics;

use crate::door::{self, Door};
use crate::id::Ids;
use crate::panic::Panic;
use crate::settings::Settings;
use crate::snapshot::{Current, Snapshot};

/// Serves client traffic by the snapshot in force. Cheap to clone; clones share everything.
#[derive(Clone, Debug)]
pub struct Gateway {
    core: Arc<Core>,
}

/// What every request uses.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) settings: Settings,
    pub(crate) current: Current,
    pub(crate) metrics: Metrics,
    pub(crate) ids: Ids,
}

// === impl Gateway ===

impl Gateway {
    /// A gateway with its first snapshot in force; nothing is served yet.
    pub fn new(settings: Settings, snapshot: Snapshot, metrics: Metrics) -> Self {
        let core = Core {
            settings,
            current: Current::new(snapshot),
            metrics,
            ids: Ids::new(),
        };
        Self {
            core: Arc::new(core),
        }
    }

    /// Puts another snapshot in force for the requests that follow; those under way keep theirs.
    pub fn replace(&self, snapshot: Snapshot) {
        self.core.current.replace(snapshot);
    }

    /// The snapshot in force.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.core.current.load()
    }

    /// Serves until `shutdown`; then accepts no more, lets requests under way finish within the
    /// drain timeout, and cuts those that do not.
    pub async fn serve(&self, doors: Vec<Door>, shutdown: impl Future<Output = ()>) {
        door::serve(Arc::clone(&self.core), doors, shutdown).await;
    }
}

// === impl Core ===

impl Core {
    /// Counts the panic that a step ended with.
    pub(crate) fn count_panic(&self, outcome: &Result<(), Panic>) {
        if outcome.is_err() {
            self.metrics.panic_caught();
        }
    }
}
