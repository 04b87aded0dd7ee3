//! What the gateway serves at this moment.

use std::sync::Arc;
use std::time::Duration;

use config::{Document, Loaded};
use tokio::sync::watch;

/// How long an answer to a write waits for the write to be served.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the gateway serves at this moment: the last configuration that was put in use.
///
/// Whoever puts configurations in use holds the sender, and sends each one after it is served.
#[derive(Clone, Debug)]
pub struct Live(watch::Receiver<Option<Arc<Loaded>>>);

// === impl Live ===

impl Live {
    /// What the other end of `receiver` says is served; `None` before the first configuration.
    pub const fn new(receiver: watch::Receiver<Option<Arc<Loaded>>>) -> Self {
        Self(receiver)
    }

    /// The configuration that is served, with the items that were refused.
    pub fn loaded(&self) -> Option<Arc<Loaded>> {
        self.0.borrow().clone()
    }

    /// The document that is served; an empty one before the first.
    pub fn document(&self) -> Arc<Document> {
        let loaded = self.0.borrow();
        loaded
            .as_ref()
            .map_or_else(Arc::default, |loaded| Arc::clone(&loaded.document))
    }

    /// Waits until `revision` is served; for two seconds at most, and not at all once nobody puts
    /// configurations in use any more.
    pub async fn reached(&self, revision: u64) {
        let mut receiver = self.0.clone();
        let served = receiver.wait_for(|loaded| {
            loaded
                .as_ref()
                .is_some_and(|loaded| loaded.document.revision >= revision)
        });
        if !matches!(tokio::time::timeout(PATIENCE, served).await, Ok(Ok(_))) {
            tracing::warn!(revision, "a write is stored and not served yet");
        }
    }
}
